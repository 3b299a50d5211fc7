"""``make trailing``: the same entries under each trailing strategy; fails if a stop was moved illegally."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from src.artefactos.configuracion import interpretar_configuracion
from src.cli.salida import con_codigo_de_salida
from src.datos.continuidad import inferir_intervalo
from src.datos.mercados import mercado_por_defecto
from src.datos.sintetico import generar
from src.datos.velas import TablaVelas, leer_velas, rellenar_huecos
from src.graficos.estilo import guardar
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.frenos import TipoFreno
from src.paridad.ajustes import escribir_ajustes, faltas
from src.paridad.aprendiz import entrenar_pequeno
from src.paridad.cifras import CifrasFreno, Motivo, medir_vuelta
from src.paridad.corridas import CALENTAMIENTO
from src.paridad.lamina import NOMBRES, figura_frenos
from src.paridad.variantes import derivar
from src.paridad.vueltas import CADA, Vuelta, cambios_de, dar_vuelta_daemon, dar_vuelta_entorno
from src.produccion.bitacora import enmudecida

_SIMBOLO, _INTERVALO, _SEMILLA = "BTCUSDT", "1m", 5
_FALTAS_DICHAS = 10

consola = Console(highlight=False)

Correr = Callable[[TipoFreno, Callable[[], None]], Vuelta]


def frenos(
    data: Annotated[
        Path | None, typer.Option("--data", help="Candle file; a synthetic market if omitted.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Whose tick and fees; the beginning of the file's name if omitted.")
    ] = None,
    candles: Annotated[int, typer.Option(min=300, help="Candles to replay.")] = 43_200,
    every: Annotated[int, typer.Option(min=2, help="Candles from one entry to the next.")] = CADA,
    daemon: Annotated[bool, typer.Option(help="Through the daemon and the simulator.")] = False,
    output: Annotated[Path, typer.Option(help="Where figures, lists and picture go.")] = Path("build"),
) -> None:
    """Replay candles under no trailing, levels, Hand-Span and a percentage; check every move of a stop."""
    simbolo = symbol or (_SIMBOLO if data is None else data.name.split("-")[0].split(".")[0].upper())
    tabla = _tabla(data, simbolo, candles)
    output.mkdir(parents=True, exist_ok=True)
    with enmudecida(), tempfile.TemporaryDirectory(prefix="timonel-trailing-") as carpeta:
        vueltas = _correr_todas(_corredor(tabla, simbolo, every, Path(carpeta), daemon=daemon), len(tabla))
    tick = mercado_por_defecto(simbolo, tabla).filtros.tick
    if not informar(vueltas, tick, output, f"{simbolo}, {len(tabla):,} candles"):
        raise typer.Exit(1)


def informar(vueltas: Sequence[Vuelta], tick: Decimal, carpeta: Path, titulo: str) -> bool:
    """Write lists, figures and picture, print the table; false when a stop was moved illegally.

    Args:
        vueltas: One of each strategy.
        tick: Of the symbol.
        carpeta: Where files go.
        titulo: What was replayed.
    """
    halladas = {vuelta.tipo: faltas(vuelta.ajustes, vuelta.tipo, tick) for vuelta in vueltas}
    cifras = [medir_vuelta(vuelta) for vuelta in vueltas]
    for vuelta in vueltas:
        escribir_ajustes(vuelta.ajustes, carpeta / f"trailing-{vuelta.tipo.value}.csv")
    guardar(figura_frenos(vueltas, cifras, titulo), carpeta / "trailing.png")
    planas = [_plana(c, halladas[c.tipo]) for c in cifras]
    (carpeta / "trailing.json").write_text(json.dumps(planas, indent=2), encoding="utf-8")
    consola.print(_tabla_final(cifras, titulo))
    _contar_ajustes(cifras, halladas)
    if any(halladas.values()):
        return False
    consola.print("every move of a stop is legal", style="bold green")
    return True


def _tabla(ruta: Path | None, simbolo: str, velas: int) -> TablaVelas:
    if ruta is None:
        return generar(simbolo, _INTERVALO, velas, _SEMILLA)
    leida = leer_velas(ruta)
    return rellenar_huecos(leida, inferir_intervalo(leida))[:velas]


def _corredor(tabla: TablaVelas, simbolo: str, cada: int, carpeta: Path, *, daemon: bool) -> Correr:
    """What runs one strategy, in the environment or through the daemon."""
    base = {"data_downloader.symbol": simbolo, "data_downloader.interval": inferir_intervalo(tabla)}
    if not daemon:
        mercado = mercado_por_defecto(simbolo, tabla)

        def en_entorno(tipo: TipoFreno, avanzar: Callable[[], None]) -> Vuelta:
            cambios = {**base, "entorno.window_size": 1, **cambios_de(tipo)}
            configuracion = interpretar_configuracion("", "trailing", cambios)
            return dar_vuelta_entorno(configuracion, tabla, mercado, cada, avanzar)

        return en_entorno
    if len(tabla) <= 2 * CALENTAMIENTO:
        raise ConfiguracionInvalida(f"--daemon needs more than {2 * CALENTAMIENTO} candles; give more")
    artefacto = entrenar_pequeno(tabla[: 2 * CALENTAMIENTO], carpeta, consola, base)

    def en_daemon(tipo: TipoFreno, avanzar: Callable[[], None]) -> Vuelta:
        variante = derivar(artefacto, tipo.value, cambios_de(tipo))
        return dar_vuelta_daemon(variante, tabla, carpeta, cada, avanzar)

    return en_daemon


def _correr_todas(correr: Correr, velas: int) -> list[Vuelta]:
    vueltas = []
    with _barra() as barra:
        for tipo in TipoFreno:
            with _tarea(barra, NOMBRES[tipo], velas) as avanzar:
                vueltas.append(correr(tipo, avanzar))
    return vueltas


def _barra() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=consola,
    )


@contextmanager
def _tarea(barra: Progress, nombre: str, velas: int) -> Iterator[Callable[[], None]]:
    tarea = barra.add_task(nombre, total=velas)
    yield lambda: barra.advance(tarea)
    barra.update(tarea, completed=velas)


_FIGURAS: tuple[tuple[str, Callable[[CifrasFreno], str]], ...] = (
    ("operations", lambda c: f"{c.operaciones:,}"),
    ("won", lambda c: _o_raya(c.tasa_acierto, ".1%")),
    ("average win", lambda c: _o_raya(c.ganancia_media, ",.2f")),
    ("average loss", lambda c: _o_raya(c.perdida_media, ",.2f")),
    ("profit factor", lambda c: _o_raya(c.factor_beneficio, ".3f")),
    ("max drawdown", lambda c: f"{c.max_drawdown:.2%}"),
    ("net after costs", lambda c: f"{c.neto:+,.2f}"),
    *((f"ended by {motivo}", lambda c, motivo=motivo: f"{c.salidas[motivo]:,}") for motivo in Motivo),
    ("moves of the stop", lambda c: f"{sum(c.ajustes.values()):,}"),
)


def _tabla_final(cifras: list[CifrasFreno], titulo: str) -> Table:
    tabla = Table(title=titulo)
    tabla.add_column("trailing")
    for c in cifras:
        tabla.add_column(NOMBRES[c.tipo], justify="right")
    for nombre, celda in _FIGURAS:
        tabla.add_row(nombre, *map(celda, cifras))
    return tabla


def _contar_ajustes(cifras: list[CifrasFreno], halladas: dict[TipoFreno, list[str]]) -> None:
    for c in cifras:
        if c.ajustes:
            por_nivel = ", ".join(f"{nivel} {n}" for nivel, n in c.ajustes.items())
            consola.print(f"{NOMBRES[c.tipo]}: {por_nivel}")
        for falta in halladas[c.tipo][:_FALTAS_DICHAS]:
            consola.print(f"  {falta}", style="red")
        if len(halladas[c.tipo]) > _FALTAS_DICHAS:
            consola.print(f"  … and {len(halladas[c.tipo]) - _FALTAS_DICHAS} more", style="red")


def _o_raya(valor: float | None, formato: str) -> str:
    return "–" if valor is None else format(valor, formato)


def _plana(c: CifrasFreno, faltas_: list[str]) -> dict[str, object]:
    return {
        "trailing": c.tipo.value,
        "operations": c.operaciones,
        "win_rate": c.tasa_acierto,
        "average_win": c.ganancia_media,
        "average_loss": c.perdida_media,
        "profit_factor": c.factor_beneficio,
        "max_drawdown": c.max_drawdown,
        "net": c.neto,
        "exits": {motivo.value: n for motivo, n in c.salidas.items()},
        "moves": c.ajustes,
        "violations": faltas_,
    }


if __name__ == "__main__":
    typer.run(con_codigo_de_salida(frenos))
