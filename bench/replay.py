"""The daemon against the simulator, each in its own process, through REST and WebSocket."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.medida import Cota, Medida
from bench.taller import INTERVALO, SIMBOLO, Taller, abrir_taller, escribir_artefacto
from src.datos.velas import escribir_velas
from src.produccion.config.config import CLAVE_SIMULADOR

_CALENTAMIENTO = 1_500  # candles that are past when the market opens
_ARRANQUE = 200  # decisions before the measurement begins
_VELAS, _VELAS_RAPIDO = 3_000, 600
_SOAK_DESDE, _SOAK_HASTA = 2_000, 20_000
_ESPERA_S = 60.0
_SIN_STOPS = {"entorno.proteccion.tipo": "ninguna"}


def medir_replay(*, rapido: bool) -> list[Medida]:
    """Candles per second, and what each one costs both processes."""
    desde = _ARRANQUE
    hasta = desde + (_VELAS_RAPIDO if rapido else _VELAS)
    lecturas, ordenes = _correr([desde, hasta], _SIN_STOPS)
    (antes, despues) = lecturas
    velas = hasta - desde
    por_segundo = velas / (despues["wall_s"] - antes["wall_s"])
    medidas = [
        Medida(
            nombre="replay_candles_s",
            valor=por_segundo,
            unidad="candles/s",
            cota=Cota(400, minimo=True),
            nota=f"wall time of {velas} candles in lockstep, journal on disk, no stops",
        )
    ]
    for proceso in ("daemon", "simulator"):
        cpu_s = despues[f"{proceso}_cpu_s"] - antes[f"{proceso}_cpu_s"]
        medidas.append(
            Medida(
                nombre=f"replay_{proceso}_cpu_ms",
                valor=1_000.0 * cpu_s / velas,
                unidad="ms",
                nota=f"CPU time of the {proceso} process per candle",
            )
        )
    medidas.append(
        Medida(
            nombre="replay_order_share",
            valor=ordenes / hasta,
            unidad="orders/candle",
            cota=Cota(0.3, minimo=True),
            nota="orders in the session's CSV",
        )
    )
    return medidas


def medir_replay_con_stops(*, rapido: bool) -> list[Medida]:
    """Candles per second with all that a session does: a stop is placed and moved with the position."""
    desde = _ARRANQUE
    hasta = desde + (_VELAS_RAPIDO if rapido else _VELAS)
    (antes, despues), ordenes = _correr([desde, hasta])
    velas = hasta - desde
    return [
        Medida(
            nombre="replay_journal_candles_s",
            valor=velas / (despues["wall_s"] - antes["wall_s"]),
            unidad="candles/s",
            cota=Cota(150, minimo=True),
            nota=f"wall time of {velas} candles in lockstep, journal and resident stops on;"
            f" {ordenes / hasta:.2f} orders for each",
        )
    ]


def medir_soak(*, rapido: bool) -> list[Medida]:
    """Growth of resident memory after the first candles."""
    desde, hasta = (_ARRANQUE, _ARRANQUE + _VELAS) if rapido else (_SOAK_DESDE, _SOAK_HASTA)
    lecturas, _ = _correr([desde, hasta])
    (antes, despues) = lecturas
    return [
        Medida(
            nombre="rss_growth_mb" if proceso == "daemon" else f"rss_growth_{proceso}_mb",
            valor=despues[f"{proceso}_rss_mb"] - antes[f"{proceso}_rss_mb"],
            unidad="MB",
            cota=Cota(20),
            nota=f"{proceso}, candles {desde} to {hasta}; {despues[f'{proceso}_rss_mb']:.0f} MB at the end",
        )
        for proceso in ("daemon", "simulator")
    ]


def _correr(hitos: list[int], cambios: Mapping[str, Any] | None = None) -> tuple[list[dict[str, float]], int]:
    """Run a session; returns what was read at each mark, and the number of orders."""
    taller = abrir_taller(_CALENTAMIENTO + max(hitos) + 10, cambios)
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as nombre:
        carpeta = Path(nombre)
        datos = carpeta / "candles.csv"
        escribir_velas(taller.tabla, datos)
        with _simulador(taller, datos, carpeta) as exchange:
            encargo: dict[str, Any] = {
                "base": str(carpeta / "artefacts"),
                "train_id": escribir_artefacto(taller, carpeta / "artefacts"),
                "state": str(carpeta / "state"),
                "url": exchange["url"],
                "simulator_pid": exchange["pid"],
                "marks": hitos,
                "output": str(carpeta / "output.json"),
            }
            (carpeta / "order.json").write_text(json.dumps(encargo), encoding="utf-8")
            subprocess.run(
                [sys.executable, "-m", "bench.daemon_medido", str(carpeta / "order.json")], check=True
            )
        salida = json.loads((carpeta / "output.json").read_text(encoding="utf-8"))
        return salida["readings"], _contar_ordenes(Path(salida["registro"]))


@contextmanager
def _simulador(taller: Taller, datos: Path, carpeta: Path) -> Iterator[dict[str, Any]]:
    """A simulator for the length of the block; yields its address and process."""
    listo = carpeta / "ready.json"
    portafolio = taller.configuracion.portafolio
    orden = [
        *(sys.executable, "-m", "src.cli.simulator", "--port", "0", "--ready-file", str(listo)),
        *("--data", f"{SIMBOLO}={datos}", "--interval", INTERVALO, "--speed", "max"),
        *("--path", taller.configuracion.entorno.camino.value, "--warmup", str(_CALENTAMIENTO)),
        *("--account", f"{CLAVE_SIMULADOR}:{CLAVE_SIMULADOR}:{portafolio.capital_inicial}"),
        *("--commission", str(taller.mercado.comision_taker), "--slippage", str(portafolio.slippage)),
    ]
    with subprocess.Popen(orden, stdout=subprocess.DEVNULL) as proceso:
        try:
            limite = time.monotonic() + _ESPERA_S
            while not listo.exists():
                if proceso.poll() is not None or time.monotonic() > limite:
                    raise RuntimeError("the simulator did not start")
                time.sleep(0.05)
            yield json.loads(listo.read_text(encoding="utf-8"))
        finally:
            proceso.terminate()


def _contar_ordenes(registro: Path) -> int:
    with registro.open(encoding="utf-8", newline="") as archivo:
        return sum(1 for fila in csv.DictReader(archivo) if fila["action"] and fila["cantidad"])
