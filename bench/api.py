"""The API under a constant load, beside a daemon that trades into the same store."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.banco import decidir
from bench.cronometro import Cronometro
from bench.decision import servidor
from bench.inquilinos import (
    CONTRASENA,
    CUENTAS_POR_INQUILINO,
    ORDENES_POR_CUENTA,
    POSICIONES_POR_CUENTA,
    Inquilino,
    cuenta_de,
    llenar,
)
from bench.medida import Cota, Medida, percentil
from bench.taller import Taller, abrir_taller
from src.produccion.almacen.acceso import URL_ALMACEN
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.bitacora import enmudecida
from src.produccion.config.config import URL_BOLSA
from src.produccion.diario.apertura_diario import NOMBRE
from src.produccion.diario.diario import DiarioSqlite

_INQUILINOS = 10
_POR_SEGUNDO = 500
_PREVIOS_S = 3.0  # of the same load, not counted
_SEGUNDOS, _SEGUNDOS_RAPIDO = 30.0, 8.0
_ENTRE_VELAS_S = 0.04
_PREVIAS = 50  # decisions that are not counted
_RUTAS = (
    "/api/v1/positions",
    "/api/market/price/BTCUSDT/",
    "/api/portfolio/positions/",
    "/api/market/price/X007USDT/",
)
_NS_POR_MS = 1e6


def medir_api(*, rapido: bool) -> list[Medida]:
    """Latency and cache of the API, and what its load does to a daemon's decisions."""
    segundos = _SEGUNDOS_RAPIDO if rapido else _SEGUNDOS
    velas = int(segundos / _ENTRE_VELAS_S)
    taller = abrir_taller(velas + 1_500)
    with (
        enmudecida(),
        tempfile.TemporaryDirectory(prefix="bench-", dir="build") as nombre,
        servidor() as bolsa,
    ):
        base = Path(nombre).absolute()
        os.environ[URL_ALMACEN] = f"sqlite:///{base / 'timonel.sqlite'}"
        almacen = abrir_almacen(None, base)
        inquilinos = llenar(almacen, _INQUILINOS)
        almacen.dispose()
        solo = _operar(taller, bolsa, base / "alone", velas)
        with _api(base, bolsa) as puerto:
            fichas = [_ficha(puerto, i, uno) for i, uno in enumerate(inquilinos)]
            with _carga(puerto, fichas, segundos) as carga:
                acompanado = _operar(taller, bolsa, base / "beside", velas)
                latencias_ms = carga.latencias_ms()
            mercado = _preguntar(puerto, "/api/v1/system/status", fichas[0])["markets"][0]
    return _medidas(latencias_ms, mercado, solo, acompanado)


def _medidas(
    latencias_ms: list[float], mercado: dict[str, Any], solo: list[float], acompanado: list[float]
) -> list[Medida]:
    p99_solo, p99 = percentil(solo, 99.0), percentil(acompanado, 99.0)
    pedidas, acertadas = mercado["price_requests"], mercado["price_cache_hits"]
    return [
        _latencia(latencias_ms, 95.0, _que_se_pide(len(latencias_ms)), Cota(10)),
        _latencia(latencias_ms, 50.0, "of the same requests"),
        _latencia(latencias_ms, 99.0, "of the same requests"),
        Medida(
            nombre="price_cache_hit_pct",
            valor=100.0 * acertadas / pedidas,
            unidad="%",
            cota=Cota(95, minimo=True),
            nota=f"of {pedidas:,} looks at prices; {mercado['exchange_requests']} requests to the exchange",
        ),
        Medida(
            nombre="decision_p99_beside_api",
            valor=p99 / p99_solo,
            unidad="×",
            par=p99_solo,
            razon=p99_solo / p99,
            cota=Cota(2.0),
            nota=f"{len(acompanado)} decisions, one each {1_000 * _ENTRE_VELAS_S:g} ms, with journal and"
            f" store: p99 {p99:.3g} ms beside that load; peer, in ms: the same alone",
        ),
    ]


def _latencia(latencias_ms: list[float], cual: float, nota: str, cota: Cota | None = None) -> Medida:
    valor = percentil(latencias_ms, cual)
    return Medida(nombre=f"api_p{cual:.0f}_ms", valor=valor, unidad="ms", cota=cota, nota=nota)


def _que_se_pide(peticiones: int) -> str:
    posiciones = CUENTAS_POR_INQUILINO * POSICIONES_POR_CUENTA
    ordenes = _INQUILINOS * CUENTAS_POR_INQUILINO * ORDENES_POR_CUENTA
    return (
        f"{peticiones:,} requests, a constant {_POR_SEGUNDO}/s, for positions and prices, by {_INQUILINOS}"
        f" tenants with {posiciones} positions each; {ordenes:,} orders in SQLite; counted from when each was"
        " due"
    )


def _operar(taller: Taller, bolsa: int, carpeta: Path, velas: int) -> list[float]:
    """Milliseconds from each candle's bytes to its order's."""
    cronometro = Cronometro()
    diario = DiarioSqlite(carpeta / NOMBRE)
    try:
        asyncio.run(decidir(taller, bolsa, cronometro, diario, carpeta, velas, _ENTRE_VELAS_S))
    finally:
        diario.cerrar()
    pares = zip(cronometro.llegada_ns, cronometro.envio_ns, strict=True)
    return [(envio - llegada) / _NS_POR_MS for llegada, envio in pares][_PREVIAS:]


@contextmanager
def _api(base: Path, bolsa: int) -> Iterator[int]:
    """The API as it is started in earnest; yields its port."""
    orden = [sys.executable, "-m", "src.cli.entrada", "api", "--port", "0", "--state-dir", str(base)]
    entorno = {**os.environ, URL_BOLSA: f"http://127.0.0.1:{bolsa}"}
    with subprocess.Popen(orden, env=entorno, stderr=subprocess.PIPE, text=True) as api:
        try:
            assert api.stderr is not None
            yield next(int(linea.rpartition(":")[2]) for linea in api.stderr if "listening on" in linea)
        finally:
            api.terminate()


def _ficha(puerto: int, numero: int, inquilino: Inquilino) -> str:
    """Of every second tenant its program's token, of the others what a log-in gives."""
    if numero % 2:
        return inquilino.ficha
    cuerpo = {"username": inquilino.persona, "password": CONTRASENA}
    peticion = urllib.request.Request(
        f"http://127.0.0.1:{puerto}/api/v1/token/login",
        json.dumps(cuerpo).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(peticion) as respuesta:
        return str(json.load(respuesta)["access_token"])


def _preguntar(puerto: int, ruta: str, ficha: str) -> Any:
    peticion = urllib.request.Request(
        f"http://127.0.0.1:{puerto}{ruta}", headers={"Authorization": f"Bearer {ficha}"}
    )
    with urllib.request.urlopen(peticion) as respuesta:
        return json.load(respuesta)


class _Carga:
    """The process that asks."""

    def __init__(self, encargo: dict[str, Any]) -> None:
        orden = [sys.executable, "-m", "bench.carga"]
        self._proceso = subprocess.Popen(orden, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._salida = ""
        self._hilo = threading.Thread(target=self._esperar, args=(json.dumps(encargo),))
        self._hilo.start()

    def _esperar(self, encargo: str) -> None:
        self._salida, _ = self._proceso.communicate(encargo)

    def latencias_ms(self) -> list[float]:
        """How long each answer took; waits for the last one.

        Raises:
            RuntimeError: An answer was not what it should be, or did not come.
        """
        self._hilo.join()
        if self._proceso.returncode:
            raise RuntimeError("the load could not be finished")
        salida = json.loads(self._salida)
        if salida["bad"]:
            raise RuntimeError(f"{len(salida['bad'])} answers are wrong, such as {salida['bad'][0]}")
        latencias: list[float] = salida["latencies_ms"]
        return latencias

    def matar(self) -> None:
        """End it, whatever it does."""
        self._proceso.kill()
        self._hilo.join()


@contextmanager
def _carga(puerto: int, fichas: list[str], segundos: float) -> Iterator[_Carga]:
    carga = _Carga(
        {
            "port": puerto,
            "tokens": fichas,
            "paths": _RUTAS,
            "expected": [_en_la_respuesta(i) for i in range(len(fichas))],
            "per_second": _POR_SEGUNDO,
            "warm_up_s": _PREVIOS_S,
            "seconds": segundos,
        }
    )
    try:
        yield carga
    finally:
        carga.matar()


def _en_la_respuesta(numero: int) -> list[str]:
    """What the answers of `_RUTAS` to one tenant hold: its own accounts."""
    primera, ultima = (cuenta_de(numero, i) for i in (0, CUENTAS_POR_INQUILINO - 1))
    return [f'"{primera}:', '"BTCUSDT"', f'"{ultima}:', '"X007USDT"']
