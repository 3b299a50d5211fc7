"""Reading faults from a scenario or a control request; what is wrong is named with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from src.simulador.fallas.catalogo import CATALOGO
from src.simulador.fallas.clases import Clase, Momento, Ocasion
from src.simulador.fallas.falla import Azar, Cuando, Falla
from src.simulador.fallas.ficha import Ficha, Valor
from src.simulador.fallas.valores import (
    Camino,
    GuionInvalido,
    a_texto,
    cercana,
    exigir_conocidas,
    leer_entero,
    leer_lista,
    leer_mapa,
    leer_opcion,
    leer_valor,
)

SIEMPRE = "always"
CADA_UNO = "each"
_CLAVES_GUION = ("seed", "faults", "random")
_CLAVES_AZAR = ("seed", "from_step", "until_step", "faults")
_CLAVES_FALLA = ("kind", "at", "times")
_CON_PATRON = (Ocasion.CALL, Ocasion.EVENT)
_NUMERADAS = (Ocasion.STEP, Ocasion.CANDLE)


class Guion(NamedTuple):
    """A scenario."""

    fallas: tuple[Falla, ...]


SIN_FALLAS = Guion(())


def leer_guion(crudo: object) -> Guion:
    """Read a whole scenario.

    Raises:
        GuionInvalido: A key or value cannot be used.
    """
    documento = leer_mapa(crudo, ())
    exigir_conocidas(documento, _CLAVES_GUION, (), "key")
    semilla = leer_entero(documento.get("seed", 0), ("seed",))
    fijas = [
        leer_falla(una, ("faults", i))
        for i, una in enumerate(leer_lista(documento.get("faults"), ("faults",)))
    ]
    return Guion((*fijas, *_leer_azarosas(documento.get("random"), semilla)))


def _leer_azarosas(crudo: object, semilla: int) -> list[Falla]:
    if crudo is None:
        return []
    camino: Camino = ("random",)
    bloque = leer_mapa(crudo, camino)
    exigir_conocidas(bloque, _CLAVES_AZAR, camino, "key")
    semilla = leer_entero(bloque.get("seed", semilla), (*camino, "seed"))
    desde = leer_entero(bloque.get("from_step", 0), (*camino, "from_step"), minimo=0)
    hasta = bloque.get("until_step")
    if hasta is not None:
        hasta = leer_entero(hasta, (*camino, "until_step"), minimo=desde)
    fallas = []
    for i, una in enumerate(leer_lista(bloque.get("faults"), (*camino, "faults"))):
        suyo: Camino = (*camino, "faults", i)
        mapa = dict(leer_mapa(una, suyo))
        probabilidad = _probabilidad(mapa, suyo)
        clase = str(mapa.get("kind"))
        azar = Azar(
            semilla=f"{semilla}|{i}|{clase}", probabilidad=probabilidad, desde_paso=desde, hasta_paso=hasta
        )
        fallas.append(leer_falla({"times": SIEMPRE} | mapa, suyo, azar))
    return fallas


def _probabilidad(mapa: dict[str, Any], camino: Camino) -> float:
    """Take ``probability``, or ``per_calls`` (one in so many), out of a random fault."""
    dadas = [nombre for nombre in ("probability", "per_calls") if nombre in mapa]
    if len(dadas) != 1:
        raise GuionInvalido(camino, "a random fault needs either 'probability' or 'per_calls'")
    nombre = dadas[0]
    valor = mapa.pop(nombre)
    if nombre == "per_calls":
        return 1 / leer_entero(valor, (*camino, nombre), minimo=1)
    if isinstance(valor, bool) or not isinstance(valor, int | float) or not 0 <= valor <= 1:
        raise GuionInvalido((*camino, nombre), f"{valor!r} is not a number from 0 to 1")
    return float(valor)


def leer_falla(crudo: object, camino: Camino, azar: Azar | None = None) -> Falla:
    """Read one fault.

    Raises:
        GuionInvalido: A key or value cannot be used.
    """
    mapa = leer_mapa(crudo, camino)
    ficha = CATALOGO[_clase(mapa, camino)]
    return Falla(
        clase=ficha.clase,
        cuando=_cuando(mapa.get("at"), ficha, (*camino, "at"), azar),
        veces=_veces(mapa.get("times", 1), (*camino, "times")),
        parametros=_parametros(mapa, ficha, camino),
        azar=azar,
    )


def _clase(mapa: Mapping[str, Any], camino: Camino) -> Clase:
    if "kind" not in mapa:
        raise GuionInvalido(camino, "a fault needs a 'kind'")
    texto = str(mapa["kind"])
    if texto not in set(Clase):
        raise GuionInvalido((*camino, "kind"), f"{texto!r} is not a kind of fault{cercana(texto, Clase)}")
    return Clase(texto)


def _veces(valor: object, camino: Camino) -> int | None:
    return None if valor == SIEMPRE else leer_entero(valor, camino, minimo=1, ademas=SIEMPRE)


def _cuando(crudo: object, ficha: Ficha, camino: Camino, azar: Azar | None) -> Cuando:
    if crudo is None or isinstance(crudo, str):
        crudo = {crudo or ficha.ocasiones[0].value: None}
    mapa = leer_mapa(crudo, camino)
    dadas = [ocasion for ocasion in Ocasion if ocasion.value in mapa]
    if len(dadas) != 1 or dadas[0] not in ficha.ocasiones:
        posibles = ", ".join(ficha.ocasiones)
        dado = dadas[0].value if len(dadas) == 1 else sorted(str(clave) for clave in mapa)
        raise GuionInvalido(camino, f"{ficha.clase.value} happens at one of: {posibles}; not at {dado!r}")
    ocasion = dadas[0]
    exigir_conocidas(mapa, (ocasion.value, *_claves_de(ocasion, azar)), camino, "key of this trigger")
    patron, desde, cada = _numeracion(mapa, ocasion, ficha, camino, azar)
    cuenta = leer_opcion(
        mapa.get("count", "start" if ocasion in _NUMERADAS else "armed"),
        ("armed", "start"),
        (*camino, "count"),
    )
    if cuenta == "start" and mapa.get("where"):
        raise GuionInvalido((*camino, "count"), "'start' cannot be counted with 'where'; use 'armed'")
    return Cuando(
        ocasion=ocasion,
        patron=patron,
        desde=desde,
        cada=cada,
        donde={str(k): a_texto(v) for k, v in leer_mapa(mapa.get("where") or {}, (*camino, "where")).items()},
        cuenta=str(mapa.get("account", "")),
        momento=Momento(leer_opcion(mapa.get("stage", "before"), tuple(Momento), (*camino, "stage"))),
        desde_inicio=cuenta == "start",
    )


def _claves_de(ocasion: Ocasion, azar: Azar | None) -> tuple[str, ...]:
    numeros = ("every", "count") if azar is None else ()
    match ocasion:
        case Ocasion.CALL:
            return ("where", "account", "stage", *numeros, *(("nth",) if azar is None else ()))
        case Ocasion.EVENT:
            return ("where", "account", *numeros, *(("nth",) if azar is None else ()))
        case Ocasion.STEP | Ocasion.CANDLE:
            return ("stage", *numeros)
        case Ocasion.TRIGGER:
            return ("account", "every") if azar is None else ("account",)
        case Ocasion.NOW:
            return ()


def _numeracion(
    mapa: Mapping[str, Any], ocasion: Ocasion, ficha: Ficha, camino: Camino, azar: Azar | None
) -> tuple[str, int, int]:
    """Pattern, first number and distance between numbers."""
    cada = leer_entero(mapa.get("every", 1), (*camino, "every"), minimo=1)
    valor = mapa[ocasion.value]
    if ocasion in _CON_PATRON:
        patron = valor or (ficha.llamada if ocasion is Ocasion.CALL else "*")
        if not isinstance(patron, str):
            raise GuionInvalido(
                (*camino, ocasion.value), f"{valor!r} is not a pattern such as {ficha.llamada!r}"
            )
        return patron, leer_entero(mapa.get("nth", 1), (*camino, "nth"), minimo=1), cada
    if valor in (None, CADA_UNO) or azar is not None:
        return "", 0, cada
    return "", leer_entero(valor, (*camino, ocasion.value), minimo=1, ademas=CADA_UNO), cada


def _parametros(mapa: Mapping[str, Any], ficha: Ficha, camino: Camino) -> dict[str, Valor]:
    conocidos = {p.nombre: p for p in ficha.parametros}
    exigir_conocidas(mapa, (*_CLAVES_FALLA, *conocidos), camino, f"parameter of {ficha.clase.value}")
    valores: dict[str, Valor] = {}
    for nombre, parametro in conocidos.items():
        if nombre not in mapa and parametro.obligatorio:
            raise GuionInvalido(camino, f"{ficha.clase.value} needs {nombre!r}: {parametro.explicacion}")
        valores[nombre] = leer_valor(mapa.get(nombre, parametro.defecto), parametro, (*camino, nombre))
    return valores
