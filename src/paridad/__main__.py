"""``make parity``: one small agent and two other policies on both sides, counted; fails if one differs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from src.cli.salida import con_codigo_de_salida
from src.datos.continuidad import inferir_intervalo
from src.datos.sintetico import generar
from src.datos.velas import TablaVelas, leer_velas, rellenar_huecos
from src.nucleo.errores import DatosInvalidos
from src.paridad.aprendiz import entrenar_pequeno
from src.paridad.comparacion import Comparacion
from src.paridad.corridas import CALENTAMIENTO
from src.paridad.medicion import insuficiencias, medir
from src.produccion.bitacora import enmudecida

_ENTRENAMIENTO = 3_000
"""Candles that the small agent is trained on; the runs begin after them."""

consola = Console(highlight=False)


def paridad(
    data: Annotated[
        Path | None, typer.Option("--data", help="Candle file; a synthetic market if omitted.")
    ] = None,
    candles: Annotated[int, typer.Option(min=50, help="Candles of each long run.")] = 5_000,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = Path("build/parity.json"),
) -> None:
    """Compare training environment and daemon over the same candles: observations bit for bit."""
    with enmudecida(), tempfile.TemporaryDirectory(prefix="timonel-parity-") as carpeta:
        tabla = _tabla(data, _ENTRENAMIENTO + CALENTAMIENTO + candles)
        artefacto = entrenar_pequeno(tabla[:_ENTRENAMIENTO], Path(carpeta), consola)
        tramo = tabla[_ENTRENAMIENTO : _ENTRENAMIENTO + CALENTAMIENTO + candles]
        comparaciones = []
        for comparacion in medir(artefacto, tramo, Path(carpeta)):
            _contar(comparacion)
            comparaciones.append(comparacion)
    faltan = insuficiencias(comparaciones, candles)
    consola.print(_tabla_final(comparaciones))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps([_plana(c) for c in comparaciones], indent=2), encoding="utf-8")
    for texto in faltan:
        consola.print(f"not enough to prove parity: {texto}", style="yellow")
    if faltan or not all(c.iguales for c in comparaciones):
        raise typer.Exit(1)
    consola.print("parity holds", style="bold green")


def _tabla(ruta: Path | None, necesarias: int) -> TablaVelas:
    if ruta is None:
        return generar("BTCUSDT", "1h", necesarias, 5)
    leida = leer_velas(ruta)
    tabla = rellenar_huecos(leida, inferir_intervalo(leida))
    if len(tabla) < necesarias:
        raise DatosInvalidos(
            f"{ruta} has {len(tabla)} candles, {necesarias} are needed; give more, or a lower --candles"
        )
    return tabla


def _contar(c: Comparacion) -> None:
    veredicto = "equal" if c.iguales else "DIFFERENT"
    consola.print(
        f"{c.nombre}: {c.velas} candles, {c.ordenes} orders, {c.pagos_funding} funding payments: {veredicto}"
    )
    for diferencia in c.diferencias:
        consola.print(f"  {diferencia}", style="red")


def _tabla_final(comparaciones: list[Comparacion]) -> Table:
    tabla = Table(title="Environment and daemon")
    for columna in (
        "run",
        "candles",
        "orders",
        "funding",
        "stops",
        "won",
        "refused",
        "liq.",
        "emerg.",
        "final equity",
        "verdict",
    ):
        tabla.add_column(columna, justify="left" if columna in ("run", "verdict") else "right")
    for c in comparaciones:
        tabla.add_row(
            c.nombre,
            f"{c.velas:,}",
            f"{c.ordenes:,}",
            f"{c.pagos_funding:,}",
            str(c.protecciones),
            str(c.ganadas),
            str(c.rechazos),
            str(c.liquidaciones),
            "yes" if c.emergencia else "no",
            f"{c.equity_daemon:,.2f}",
            "[green]equal[/]" if c.iguales else "[red]different[/]",
        )
    return tabla


def _plana(c: Comparacion) -> dict[str, object]:
    return {
        "run": c.nombre,
        "candles": c.velas,
        "orders": c.ordenes,
        "operations": dict(sorted(c.operaciones.items())),
        "funding_payments": c.pagos_funding,
        "stops": c.protecciones,
        "stops_in_profit": c.ganadas,
        "refused": c.rechazos,
        "liquidations": c.liquidaciones,
        "emergency": c.emergencia,
        "environment_equity": c.equity_entorno,
        "daemon_equity": c.equity_daemon,
        "differences": list(c.diferencias),
    }


if __name__ == "__main__":
    typer.run(con_codigo_de_salida(paridad))
