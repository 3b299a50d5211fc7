"""``timonel report``: what a session's CSV files say, as a table, a page or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from src.cli.salida import consola_de_mensajes
from src.nucleo.errores import EntradaInvalida

if TYPE_CHECKING:
    from src.analisis.informe import Informe


def _ruta_dada(escrita: str) -> Path:
    # ``Path("")`` would be the working directory, which nobody named.
    if not escrita:
        raise typer.BadParameter("'' names no file; a pattern like registro_*.csv may have matched nothing")
    return Path(escrita)


def report(
    registros: Annotated[
        list[Path],
        typer.Argument(
            metavar="REGISTRO.csv",
            parser=_ruta_dada,
            help="Session CSV files of one agent, in any order; or the evaluacion/ folder of an artefact.",
            show_default=False,
        ),
    ],
    emergencias: Annotated[
        list[Path] | None,
        typer.Option(
            "--emergencies", metavar="F", help="Emergencies CSV file; may be repeated.", show_default=False
        ),
    ] = None,
    salida: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="The only page to write; by default one beside each CSV, and informe.html over several.",
            show_default=False,
        ),
    ] = None,
    como_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON and nothing else.")
    ] = False,
) -> None:
    """Analyse session CSV files: return, risk, trades, costs and plots."""
    from src.analisis import analizar, informe_a_json, redactar

    informe = analizar(registros, emergencias or [])
    mensajes = consola_de_mensajes()
    for aviso in informe.avisos:
        mensajes.print(f"warning: {aviso}", style="yellow", markup=False)
    paginas: tuple[Path, ...] = ()
    if salida is not None:
        _escribir(salida, redactar(informe))
        paginas = (salida,)
    elif not como_json:
        paginas = _escribir_al_lado(registros, informe)
    if como_json:
        typer.echo(json.dumps(informe_a_json(informe), indent=2, ensure_ascii=False, allow_nan=False))
        return
    consola = Console()
    for tabla in tablas_resumen(informe):
        consola.print(tabla)
        consola.print()
    for pagina in paginas:
        consola.print(f"report: {pagina}", markup=False, highlight=False, soft_wrap=True)


def tablas_resumen(informe: Informe) -> Iterator[Table]:
    """The figures that a terminal of 80 columns shows."""
    from src.analisis import vista

    comparada = Table(title=vista.lapso(informe), title_justify="left", box=None, pad_edge=False)
    comparada.add_column("", no_wrap=True)
    for titulo in ("Agent", "Interval", "Held 1×", "Mean exposure held"):
        comparada.add_column(titulo, justify="right", no_wrap=True, style="bold" if titulo == "Agent" else "")
    for fila in vista.comparar(informe):
        comparada.add_row(*fila)
    yield comparada
    cifras = Table(box=None, pad_edge=False, show_header=False)
    for lado in ("left", "right", "left", "right"):
        cifras.add_column(justify="right" if lado == "right" else "left", no_wrap=True)
    datos = (*vista.datos_operaciones(informe), *vista.datos_costos(informe), *vista.datos_cuenta(informe))
    mitad = -(-len(datos) // 2)
    for izquierda, derecha in zip_longest(datos[:mitad], datos[mitad:], fillvalue=vista.Dato("", "")):
        cifras.add_row(izquierda.nombre, izquierda.valor, f"   {derecha.nombre}", derecha.valor)
    yield cifras


def _escribir_al_lado(registros: list[Path], informe: Informe) -> tuple[Path, ...]:
    """A page beside each session's file; over several, another one that links to them."""
    from src.analisis import CONJUNTA, enlazar, pagina_de, redactar, separar, verificar_distintas

    if len(registros) == 1:
        unica = pagina_de(registros[0])
        _escribir(unica, redactar(informe))
        return (unica,)
    conjunta = registros[0].parent / CONJUNTA
    verificar_distintas([conjunta, *map(pagina_de, registros)])
    sesiones = separar(registros, informe)
    for sesion in sesiones:
        _escribir(sesion.pagina, redactar(sesion.informe))
    _escribir(conjunta, redactar(informe, enlazar(sesiones, conjunta)))
    return (*(sesion.pagina for sesion in sesiones), conjunta)


def _escribir(ruta: Path, texto: str) -> None:
    try:
        ruta.write_text(texto, encoding="utf-8")
    except OSError as fallo:
        raise EntradaInvalida(
            f"{ruta}: cannot be written ({fallo.strerror}); choose another --output"
        ) from fallo
