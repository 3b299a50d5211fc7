"""The catalogue told: to programs and to people."""

from __future__ import annotations

from collections.abc import Iterable

from src.simulador.fallas.catalogo import CATALOGO
from src.simulador.fallas.ficha import Ficha


def como_json(fichas: Iterable[Ficha] = tuple(CATALOGO.values())) -> list[dict[str, object]]:
    """The catalogue for programs."""
    return [
        {
            "kind": ficha.clase.value,
            "help": ficha.explicacion,
            "at": [ocasion.value for ocasion in ficha.ocasiones],
            "parameters": {
                p.nombre: {
                    "help": p.explicacion,
                    "type": type(p.defecto).__name__,
                    **({"required": True} if p.obligatorio else {"default": p.defecto}),
                    **({"choices": list(p.opciones)} if p.opciones else {}),
                    **({"minimum": p.minimo} if p.minimo is not None else {}),
                    **({"maximum": p.maximo} if p.maximo is not None else {}),
                }
                for p in ficha.parametros
            },
        }
        for ficha in fichas
    ]


def como_texto(fichas: Iterable[Ficha] = tuple(CATALOGO.values())) -> str:
    """The catalogue for people."""
    bloques = []
    for ficha in fichas:
        lineas = [f"{ficha.clase.value}  ({' | '.join(ficha.ocasiones)})", f"    {ficha.explicacion}"]
        for p in ficha.parametros:
            valor = "required" if p.obligatorio else f"default {p.defecto!r}"
            opciones = f" {' | '.join(p.opciones)};" if p.opciones else ""
            lineas.append(f"    {p.nombre}:{opciones} {p.explicacion} ({valor})")
        bloques.append("\n".join(lineas))
    return "\n\n".join(bloques)
