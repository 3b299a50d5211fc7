"""From the bytes of a closed candle to the order's bytes on the socket."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.banco import conexion, decidir
from bench.cronometro import Cronometro, Instante
from bench.desglose import desglosar
from bench.medida import Cota, Medida, mediana, percentil
from bench.taller import SIMBOLO, Taller, abrir_taller
from src.produccion.binance import BinanceConnector
from src.produccion.diario import DiarioSqlite

_PREVIAS = 100  # decisions that are not counted
_VELAS, _VELAS_RAPIDO = 2_000, 300
_VELAS_SEMILLA = 100
_LECTURAS = 500
_NS_POR_MS = 1e6


def medir_decision(*, rapido: bool) -> list[Medida]:
    """The decision's latency, and the waits that are not part of it."""
    velas = _VELAS_RAPIDO if rapido else _VELAS
    taller = abrir_taller(3_600)
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as nombre, servidor() as puerto:
        return asyncio.run(_medir(taller, puerto, velas, Path(nombre)))


async def _medir(taller: Taller, puerto: int, velas: int, carpeta: Path) -> list[Medida]:
    diario = DiarioSqlite(carpeta / "diario.sqlite")
    try:
        cronometro = await _correr(taller, puerto, velas, carpeta / "sin_diario", None)
        con_disco = await _correr(taller, puerto, velas // 2, carpeta / "con_diario", diario)
        espera = await cronometrar(
            lambda: diario.anotar("bench", "ORDER_INTENT", 0, {"quantity": 1.0}), _LECTURAS
        )
        async with conexion(taller, puerto, Cronometro()) as bolsa:
            lectura = await cronometrar(lambda: BinanceConnector.cuenta(bolsa, SIMBOLO), _LECTURAS)
            piezas = desglosar(taller, bolsa.cliente)
        antes = await _como_antes(taller, puerto)
    finally:
        diario.cerrar()
    c = cronometro
    totales = _paredes(c.llegada, c.envio)
    con_diario = _paredes(con_disco.llegada, con_disco.envio)
    nota = f"{len(totales)} candles, an order on each; without account reads and journal"
    return [
        Medida(nombre="decision_p50_ms", valor=mediana(totales), unidad="ms", cota=Cota(0.3), nota=nota),
        Medida(
            nombre="decision_p99_ms", valor=percentil(totales, 99.0), unidad="ms", cota=Cota(2.0), nota=nota
        ),
        _fila("decision_cpu_ms", _cpus(c.llegada, c.envio), "the same in CPU time of the deciding thread"),
        _fila(
            "decision_before_request_ms", _paredes(c.llegada, c.peticion), "kline bytes to a planned order"
        ),
        _fila("decision_request_ms", _paredes(c.peticion, c.escritura), "building and signing the request"),
        _fila("decision_write_ms", _paredes(c.escritura, c.envio), "the kernel takes the request"),
        _fila(
            "decision_entry_with_journal_ms",
            con_diario[::2],
            "the intent is on disk before the order is sent",
        ),
        _fila("decision_exit_with_journal_ms", con_diario[1::2], "sent beside the journal's writing"),
        _fila("journal_sync_ms", espera, "one event until SQLite has synced it (FULL)"),
        _fila("account_read_ms", lectura, "signed account read over loopback"),
        *piezas,
        _contra_la_semilla(mediana(totales), mediana(antes)),
    ]


async def _como_antes(taller: Taller, puerto: int) -> list[float]:
    from bench.semilla import decidir_como_antes  # brings torch and pandas, which the daemon does not have

    cronometro = Cronometro()
    async with conexion(taller, puerto, cronometro) as bolsa:
        await decidir_como_antes(taller, bolsa, cronometro, _PREVIAS + _VELAS_SEMILLA)
    return _paredes(cronometro.llegada, cronometro.envio)


def _contra_la_semilla(propia_ms: float, suya_ms: float) -> Medida:
    return Medida(
        nombre="decision_vs_seed",
        valor=suya_ms / propia_ms,
        unidad="×",
        par=suya_ms,
        razon=suya_ms / propia_ms,
        cota=Cota(10, minimo=True),
        nota="medians; peer, in ms: pandas window, ta, StandardScaler, SAC.predict, the same order",
    )


async def _correr(
    taller: Taller, puerto: int, velas: int, carpeta: Path, diario: DiarioSqlite | None
) -> Cronometro:
    cronometro = Cronometro()
    await decidir(taller, puerto, cronometro, diario, carpeta, velas)
    return cronometro


def _fila(nombre: str, muestras: list[float], nota: str) -> Medida:
    return Medida(nombre=nombre, valor=mediana(muestras), unidad="ms", nota=nota)


def _paredes(desde: list[Instante], hasta: list[Instante]) -> list[float]:
    """Milliseconds between instants of the same decision, without the first decisions."""
    return [(b.pared - a.pared) / _NS_POR_MS for a, b in zip(desde, hasta, strict=False)][_PREVIAS:]


def _cpus(desde: list[Instante], hasta: list[Instante]) -> list[float]:
    return [(b.cpu - a.cpu) / _NS_POR_MS for a, b in zip(desde, hasta, strict=False)][_PREVIAS:]


async def cronometrar(accion: Callable[[], Awaitable[object]], veces: int) -> list[float]:
    """Milliseconds that each of so many calls took."""
    muestras = []
    for _ in range(veces):
        inicio = time.perf_counter_ns()
        await accion()
        muestras.append((time.perf_counter_ns() - inicio) / _NS_POR_MS)
    return muestras


@contextmanager
def servidor() -> Iterator[int]:
    """The trivial exchange in a process of its own; yields its port."""
    orden = [sys.executable, "-m", "bench.servidor"]
    with subprocess.Popen(orden, stdout=subprocess.PIPE, text=True) as proceso:
        try:
            assert proceso.stdout is not None
            yield int(proceso.stdout.readline())
        finally:
            proceso.terminate()
