"""Two `timonel monitor_stops` at once, as processes, on one store: each stop is executed once."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from src.produccion.almacen.operaciones import OperacionGuardada
from src.produccion.supervision.identidad import id_cuenta
from tests.constructores import INICIO_MS
from tests.extremo.procesos import RAIZ, entorno
from tests.produccion.monitor import fabrica as f
from tests.produccion.monitor.bolsa_contada import BolsaContada, una_bolsa_contada

RED = True
CUENTA = id_cuenta("sim", "simulador")


def _operaciones(cuantas: int) -> list[OperacionGuardada]:
    simbolos = [f"A{i:04d}USDT" for i in range(cuantas)]
    return [
        f.una_operacion(
            operation_id=f"{CUENTA}:{simbolo}:{INICIO_MS + i}",
            account_id=CUENTA,
            symbol=simbolo,
            opened_at_ms=INICIO_MS + i,
        )
        for i, simbolo in enumerate(simbolos)
    ]


async def _correr(bolsa: BolsaContada, url: str, estado: Path) -> dict[str, Any]:
    """One `monitor_stops`, to its end."""
    proceso = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "src.cli.app", "monitor_stops", "--json"),
        *("--exchange-url", bolsa.url, "--state-dir", str(estado)),
        cwd=RAIZ,
        env=entorno(TIMONEL_DB_URL=url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    salida, errores = await proceso.communicate()
    assert proceso.returncode == 0, errores.decode()
    return dict(json.loads(salida))


async def _dos_a_la_vez(motor: Engine, url: str, tmp_path: Path, cuantas: int) -> list[dict[str, Any]]:
    operaciones = _operaciones(cuantas)
    f.guardar(motor, *operaciones)
    async with una_bolsa_contada([o.symbol for o in operaciones]) as bolsa:
        dichos = await asyncio.gather(*(_correr(bolsa, url, tmp_path / quien) for quien in ("uno", "otro")))

    assert len(bolsa.ordenes) == cuantas
    assert len({orden["newClientOrderId"] for orden in bolsa.ordenes}) == cuantas
    por_token = Counter((e["execution_token"], e["event_type"]) for e in f.eventos(motor))
    assert set(por_token.values()) == {1}
    cuentas = Counter(tipo for _, tipo in por_token)
    pasos = ("STOP_TRIGGERED", "EXECUTION_SUBMITTED", "EXECUTED")
    assert [cuentas[paso] for paso in pasos] == [cuantas] * 3
    assert 0 < cuentas["BLOCKED"] < cuantas, "ten a minute are allowed, and exits go on beyond them"
    finales = Counter(t["result"] for dicho in dichos for t in dicho["triggers"])
    assert finales["EXECUTED"] == cuantas
    return list(dichos)


async def test_dos_procesos_una_ejecucion(motor: Engine, url: str, tmp_path: Path):
    """Both begin together on the same operations."""
    dichos = await _dos_a_la_vez(motor, url, tmp_path, 25)

    bitacoras = [ruta.read_text() for ruta in tmp_path.rglob("monitor_stops.log")]
    assert len(bitacoras) == 2
    choques = sum(t["result"] == "DUPLICATE" for dicho in dichos for t in dicho["triggers"])
    assert "".join(bitacoras).count("Duplicate execution prevented") == choques


async def test_sin_fin_hasta_que_se_interrumpe(motor: Engine, url: str, tmp_path: Path):
    """--continuous looks again and again; Ctrl+C ends it with 130."""
    operaciones = _operaciones(1)
    f.guardar(motor, *operaciones)
    async with una_bolsa_contada([o.symbol for o in operaciones]) as bolsa:
        proceso = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "src.cli.app", "monitor_stops", "--continuous", "--interval", "0.1"),
            *("--exchange-url", bolsa.url, "--state-dir", str(tmp_path)),
            cwd=RAIZ,
            env=entorno(TIMONEL_DB_URL=url, PYTHONUNBUFFERED="1"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert proceso.stdout is not None
        lineas = [(await proceso.stdout.readline()).decode().rstrip() for _ in range(4)]
        proceso.send_signal(signal.SIGINT)
        codigo = await proceso.wait()

    assert lineas[0] == f"STOP_LOSS: Op#{operaciones[0].operation_id} A0000USDT @ 88000.00"
    assert lineas[1] == "  Expected PnL: -20.00 USDT"
    assert lineas[2] == "  STOP_LOSS executed: Order 1, PnL: -20.00, Slippage: 0.23%"
    assert (lineas[3], codigo, len(bolsa.ordenes)) == ("No triggers", 130, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_mil_operaciones_mil_ejecuciones(motor: Engine, url: str, tmp_path: Path):
    """1,000 triggered operations, two monitors: 1,000 executions, 0 duplicates."""
    await _dos_a_la_vez(motor, url, tmp_path, 1_000)
