"""``make demo``: candles made, an agent trained, evaluated, run live against the simulator, and reported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.datos.sintetico import CLIMA, generar
from src.datos.velas import TablaVelas, escribir_velas
from src.produccion.config.config import URL_BOLSA

CARPETA = Path("build/demo")
CONFIGURACION = Path("config/demo.yaml")
SIMBOLO, INTERVALO, VELAS, SEMILLA = "BTCUSDT", "1h", 9_000, 7
CLIMA_DEMO = CLIMA._replace(volatilidad_anual=0.4, deriva_tendencia=0.3, duracion_regimen=150.0)
"""Trends that last and carry, so that there is something to learn in a minute of training."""

VELAS_ANTES = 1_500
"""Candles that are past when the simulated market opens."""

consola = Console(stderr=True, highlight=False)


def demo(carpeta: Path = CARPETA) -> None:
    """Run the main job from nothing to a report, with the commands a user would type."""
    comienzo = time.monotonic()
    shutil.rmtree(carpeta, ignore_errors=True)
    carpeta.mkdir(parents=True)
    velas = carpeta / f"{SIMBOLO}-{INTERVALO}.csv.gz"
    tabla = generar(SIMBOLO, INTERVALO, VELAS, SEMILLA, clima=CLIMA_DEMO)
    escribir_velas(tabla, velas)
    consola.print(
        f"[bold]1. {VELAS} candles made[/]: regimes, jumps, volatility clustering: {velas}", soft_wrap=True
    )

    consola.print("[bold]2. Train and evaluate[/]")
    base = carpeta / "entrenamientos"
    entrenado = _timonel(
        *("train", "--config", str(CONFIGURACION), "--data", str(velas), "--output-dir", str(base), "--json")
    )
    artefacto = leer_artefacto(base, entrenado["train_id"])

    consola.print("[bold]3. Trade the candles it has never seen, through the exchange's protocol[/]")
    en_vivo = carpeta / f"{SIMBOLO}-live.csv.gz"
    escribir_velas(_por_vivir(artefacto, tabla), en_vivo)
    _python(
        *("live.py", "--train-id", artefacto.train_id, "--artefacts", str(base)),
        *("--simulated", "--data", str(en_vivo)),
        salidas_validas=(0, 3),
    )

    consola.print("[bold]4. Report[/]")
    registros = sorted((artefacto.ruta / "produccion").glob("registro_*.csv"))
    pagina = carpeta / "report.html"
    resumen = _timonel("report", *map(str, registros), "--output", str(pagina), "--json")
    imagen = _dibujar(registros, carpeta / "demo.png")
    _resumir(resumen, artefacto, pagina, imagen, time.monotonic() - comienzo)


def _por_vivir(artefacto: Artefacto, tabla: TablaVelas) -> TablaVelas:
    """The evaluation span, and before it what warms up the daemon; both decide first on the same candle."""
    desde_ms, _ = artefacto.manifiesto.datos.evaluacion_ms
    primera = int((tabla.apertura_ms < desde_ms).sum())
    return tabla[primera + 1 - VELAS_ANTES :]


def _timonel(*argumentos: str) -> dict[str, Any]:
    salida: dict[str, Any] = json.loads(_python("-m", "src.cli.app", *argumentos))
    return salida


def _python(*argumentos: str, salidas_validas: tuple[int, ...] = (0,)) -> str:
    visibles = ("timonel", *argumentos[2:]) if argumentos[0] == "-m" else ("python", *argumentos)
    consola.print(f"[dim]$ {' '.join(visibles)}[/]", soft_wrap=True)
    entorno = {nombre: valor for nombre, valor in os.environ.items() if nombre != URL_BOLSA}
    proceso = subprocess.run(
        [sys.executable, *argumentos], stdout=subprocess.PIPE, text=True, check=False, env=entorno
    )
    if proceso.returncode not in salidas_validas:
        raise SystemExit(proceso.returncode)
    return proceso.stdout


def _dibujar(registros: list[Path], ruta: Path) -> Path:
    from src.analisis import analizar
    from src.graficos import figura_panorama, guardar

    informe = analizar(registros)
    titulo = f"{SIMBOLO} {INTERVALO} · dry run on synthetic candles"
    guardar(figura_panorama(informe.datos, informe.resumen, titulo), ruta)
    return ruta


def _resumir(
    resumen: dict[str, Any], artefacto: Artefacto, pagina: Path, imagen: Path, duracion_s: float
) -> None:
    tabla = Table(title=f"Done in {duracion_s:.0f} s", show_header=False)
    for nombre, camino, forma in _FIGURAS:
        tabla.add_row(nombre, _figura(resumen["summary"], camino, forma))
    consola.print(tabla)
    for nombre, ruta in (("artefact", artefacto.ruta), ("picture", imagen), ("report", pagina)):
        consola.print(f"{nombre:9} {ruta}", soft_wrap=True)


_FIGURAS = (
    ("candles traded", "candles", ",d"),
    ("return", "agent.return", "+.2%"),
    ("return of buy and hold", "hold_1x.return", "+.2%"),
    ("Sharpe ratio", "agent.sharpe", "+.2f"),
    ("max drawdown (closes)", "agent.max_drawdown", ".2%"),
    ("closed trades", "closed_trades", ",d"),
    ("win rate", "win_rate", ".1%"),
    ("fees, USDT", "costs.fees", ",.2f"),
    ("slippage, USDT", "costs.slippage", ",.2f"),
    ("funding received, USDT", "costs.funding_received", ",.2f"),
)


def _figura(resumen: dict[str, Any], camino: str, forma: str) -> str:
    valor: Any = resumen
    for clave in camino.split("."):
        valor = valor[clave]
    return "–" if valor is None else format(valor, forma)


if __name__ == "__main__":
    demo()
