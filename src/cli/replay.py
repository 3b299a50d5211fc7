"""``timonel replay``: decide again on a recorded session, and say whether anything came out otherwise."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import structlog
import typer
from rich.console import Console
from rich.table import Table

from src.nucleo.errores import DatosInvalidos, EntradaInvalida

if TYPE_CHECKING:
    from src.produccion.diario.diario import EventoDiario
    from src.produccion.repeticion import Informe
    from src.produccion.sesion_grabada import Grabada

_MOSTRADAS = 20


class Hallada(NamedTuple):
    """A session and the journal it is in."""

    diario: Path
    eventos: list[EventoDiario]
    grabada: Grabada


def replay(
    sesion: Annotated[
        str,
        typer.Argument(
            metavar="SESSION",
            help="Stamp of a session such as 20260101_000000, or its registro_*.csv.",
            show_default=False,
        ),
    ],
    artefactos: Annotated[Path, typer.Option("--artefacts", help="Where artefacts live.")] = Path(
        "entrenamientos"
    ),
    estado: Annotated[Path, typer.Option("--state-dir", help="Where journals live.")] = Path("estado"),
    como_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else.")
    ] = False,
) -> None:
    """Feed a recorded session again and compare every decision bit for bit.

    Exit codes: 0 all equal, 1 something differs, 2 bad input.
    """
    import asyncio

    from src.artefactos.artefacto import leer_artefacto
    from src.produccion.grabacion import leer_calentamiento
    from src.produccion.repeticion import repetir
    from src.produccion.sesion_grabada import mercado_de

    hallada = _buscar(sesion, estado)
    grabada = hallada.grabada
    artefacto = leer_artefacto(_base(sesion, artefactos), grabada.train_id)
    if grabada.calentamiento is None:
        raise DatosInvalidos(f"session {grabada.sello} ended before its first candle; it holds no decisions")
    nombre, sha256 = grabada.calentamiento
    velas = leer_calentamiento(artefacto.ruta / "produccion" / nombre, sha256)
    mercado = mercado_de(grabada, artefacto)
    with _sin_bitacora():
        informe = asyncio.run(repetir(hallada.eventos, grabada, artefacto, mercado, velas))
    if como_json:
        typer.echo(json.dumps(_plano(hallada, informe), indent=2))
    else:
        _mostrar(hallada, informe)
    if not informe.igual:
        raise typer.Exit(1)


def _buscar(sesion: str, estado: Path) -> Hallada:
    """The session that a stamp or a CSV file names."""
    ruta = Path(sesion)
    sello = ruta.stem.removeprefix("registro_") if ruta.suffix == ".csv" else sesion
    train_id = ruta.absolute().parents[1].name if ruta.suffix == ".csv" else None
    todas = list(_todas(estado))
    halladas = [h for h in todas if h.grabada.sello == sello and train_id in (None, h.grabada.train_id)]
    if len(halladas) == 1:
        return halladas[0]
    if halladas:
        opciones = ", ".join(f"{h.grabada.train_id} in {h.diario.parent}" for h in halladas)
        raise EntradaInvalida(
            f"{sello} names {len(halladas)} sessions ({opciones}); give the path of its registro_*.csv, or"
            " the journal's folder as --state-dir"
        )
    if not todas:
        raise DatosInvalidos(
            f"there is no recorded session below {estado}; choose another --state-dir (a dry run with"
            " --simulated keeps none)"
        )
    conocidas = ", ".join(dict.fromkeys(h.grabada.sello for h in todas))
    raise EntradaInvalida(
        f"there is no session {sello} below {estado}; known: {conocidas}; choose another --state-dir if it is"
        " of another state"
    )


def _todas(estado: Path) -> Iterator[Hallada]:
    from src.produccion.sesion_grabada import leer_eventos, sesiones_de

    for ruta in sorted(estado.rglob("diario.sqlite")):
        eventos = list(leer_eventos(ruta))
        for grabada in sesiones_de(eventos):
            yield Hallada(ruta, eventos, grabada)


def _base(sesion: str, artefactos: Path) -> Path:
    """The folder of the artefacts: that of a session's file, when one was given."""
    ruta = Path(sesion)
    return ruta.absolute().parents[2] if ruta.suffix == ".csv" else artefactos


@contextmanager
def _sin_bitacora() -> Iterator[None]:
    """The services that decide again have nothing to tell."""
    antes = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**antes)


def _mostrar(hallada: Hallada, informe: Informe) -> None:
    consola = Console(highlight=False)
    titulo = f"session {hallada.grabada.sello} of {hallada.grabada.train_id}"
    consola.print(titulo, markup=False, soft_wrap=True)
    estilo = "green" if informe.igual else "red"
    consola.print(
        f"{informe.iguales:,} of {informe.decisiones:,} decisions equal;"
        f" {informe.ordenes:,} orders folded again",
        style=estilo,
    )
    if informe.igual:
        return
    tabla = Table(title=f"The first of {len(informe.diferencias):,} differences", title_justify="left")
    for columna in ("step", "candle", "what", "recorded", "replayed"):
        tabla.add_column(columna, overflow="fold")
    for d in informe.diferencias[:_MOSTRADAS]:
        tabla.add_row(str(d.paso), str(d.apertura_ms), d.campo, d.grabado, d.repetido)
    consola.print(tabla, markup=False)


def _plano(hallada: Hallada, informe: Informe) -> dict[str, object]:
    return {
        "session": hallada.grabada.sello,
        "train_id": hallada.grabada.train_id,
        "journal": str(hallada.diario),
        "decisions": informe.decisiones,
        "equal": informe.iguales,
        "orders": informe.ordenes,
        "differences": [
            {
                "step": d.paso,
                "candle": d.apertura_ms,
                "what": d.campo,
                "recorded": d.grabado,
                "replayed": d.repetido,
            }
            for d in informe.diferencias
        ],
    }
