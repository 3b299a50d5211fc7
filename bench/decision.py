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
from bench.cronometro import Cronometro
from bench.desglose import desglosar
from bench.medida import Cota, Medida, mediana, percentil
from bench.taller import SIMBOLO, Taller, abrir_taller
from src.produccion.bolsa.binance import BinanceConnector
from src.produccion.diario.apertura_diario import NOMBRE
from src.produccion.diario.diario import DiarioSqlite

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
    for lugar in ("solo", "con_diario"):
        (carpeta / lugar).mkdir()
    DiarioSqlite(carpeta / "solo" / NOMBRE).cerrar()  # empty: it is there for the store to be fed from
    diario = DiarioSqlite(carpeta / "con_diario" / NOMBRE)
    try:
        solo, con_diario = Cronometro(), Cronometro()
        await decidir(taller, puerto, solo, None, carpeta / "solo", velas)
        await decidir(taller, puerto, con_diario, diario, carpeta / "con_diario", velas // 2)
        sincronizacion = await cronometrar(
            lambda: diario.anotar("bench", "ORDER_INTENT", 0, {"quantity": 1.0}), _LECTURAS
        )
    finally:
        diario.cerrar()
    async with conexion(taller, puerto, Cronometro()) as bolsa:
        lectura = await cronometrar(lambda: BinanceConnector.cuenta(bolsa, SIMBOLO), _LECTURAS)
        piezas = desglosar(taller, bolsa.cliente)
    totales = _ms(solo.llegada_ns, solo.envio_ns)
    entradas, salidas = _por_clase(con_diario)
    nota = f"{len(totales)} candles, an order on each; without account reads and journal"
    return [
        _medida("decision_p50_ms", mediana(totales), nota, Cota(0.3)),
        _medida("decision_p99_ms", percentil(totales, 99.0), nota, Cota(2.0)),
        _medida("decision_before_request_ms", _mediana(solo.llegada_ns, solo.peticion_ns), "until planned"),
        _medida("decision_request_ms", _mediana(solo.peticion_ns, solo.escritura_ns), "build and sign"),
        _medida("decision_write_ms", _mediana(solo.escritura_ns, solo.envio_ns), "the kernel takes it"),
        _medida("decision_entry_with_journal_ms", mediana(entradas), "intent on disk, then sent"),
        _medida("decision_exit_with_journal_ms", mediana(salidas), "intent written beside it"),
        _medida("journal_sync_ms", mediana(sincronizacion), "one event until SQLite has synced it (FULL)"),
        _medida("account_read_ms", mediana(lectura), "signed account read over loopback"),
        *piezas,
        _contra_la_semilla(mediana(totales), mediana(await _como_antes(taller, puerto))),
    ]


async def _como_antes(taller: Taller, puerto: int) -> list[float]:
    from bench.semilla import decidir_como_antes  # brings torch and pandas, which the daemon does not have

    cronometro = Cronometro()
    async with conexion(taller, puerto, cronometro) as bolsa:
        await decidir_como_antes(taller, bolsa, cronometro, _PREVIAS + _VELAS_SEMILLA)
    return _ms(cronometro.llegada_ns, cronometro.envio_ns)


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


def _medida(nombre: str, valor: float, nota: str, cota: Cota | None = None) -> Medida:
    return Medida(nombre=nombre, valor=valor, unidad="ms", cota=cota, nota=nota)


def _ms(desde_ns: list[int], hasta_ns: list[int]) -> list[float]:
    """Between instants of the same decision, without the first decisions."""
    pares = zip(desde_ns, hasta_ns, strict=True)
    return [(hasta - desde) / _NS_POR_MS for desde, hasta in pares][_PREVIAS:]


def _mediana(desde_ns: list[int], hasta_ns: list[int]) -> float:
    return mediana(_ms(desde_ns, hasta_ns))


def _por_clase(cronometro: Cronometro) -> tuple[list[float], list[float]]:
    """Entries and exits apart."""
    totales = _ms(cronometro.llegada_ns, cronometro.envio_ns)
    clases = cronometro.entradas[_PREVIAS:]
    entradas = [total for total, entrada in zip(totales, clases, strict=True) if entrada]
    salidas = [total for total, entrada in zip(totales, clases, strict=True) if not entrada]
    return entradas, salidas


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
