"""Builders of small exchanges, and a client that signs by hand."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
import numpy as np
import orjson

from src.datos.tabla import TablaVelas
from src.nucleo.tipos import Camino, Filtros, Mercado, Tramo
from src.simulador.opciones import CuentaInicial, Opciones
from src.simulador.ordenes import Orden
from src.simulador.peticion import Parametros
from src.simulador.reglas import leer_pedido
from src.simulador.serie import Serie
from src.simulador.simulacion import Simulacion
from src.simulador.titular import Titular
from src.simulador.trastornos import Trastornos

HORA_MS = 3_600_000
INICIO_MS = 1_700_006_400_000  # 2023-11-15 00:00 UTC, on every funding grid
CLAVE = SECRETO = "simulador"


def una_tabla(velas: Sequence[tuple[float, float, float, float]], inicio_ms: int = INICIO_MS) -> TablaVelas:
    """Hourly candles from (open, high, low, close); the volume is 10."""
    columnas = np.array(velas, dtype=np.float64)
    return TablaVelas(
        apertura_ms=inicio_ms + HORA_MS * np.arange(len(velas), dtype=np.int64),
        open=columnas[:, 0],
        high=columnas[:, 1],
        low=columnas[:, 2],
        close=columnas[:, 3],
        volume=np.full(len(velas), 10.0),
    )


def planas(*cierres: float) -> list[tuple[float, float, float, float]]:
    """Candles without a body."""
    return [(c, c, c, c) for c in cierres]


def un_mercado(simbolo: str = "BTCUSDT", **cambios: Any) -> Mercado:
    """Round numbers: tick 0.10, step 0.001, maintenance 1 %, 2 % and 5 %."""
    filtros = Filtros(
        tick=Decimal("0.10"),
        paso=Decimal("0.001"),
        cantidad_min=Decimal("0.001"),
        cantidad_max=Decimal(1000),
        paso_mercado=Decimal("0.001"),
        cantidad_min_mercado=Decimal("0.001"),
        cantidad_max_mercado=Decimal(120),
        nocional_min=Decimal(50),
        precio_min=Decimal("200.00"),
        precio_max=Decimal("1000000"),
    )
    datos: dict[str, Any] = {
        "simbolo": simbolo,
        "activo_margen": "USDT",
        "filtros": filtros,
        "tramos": (
            Tramo(nocional_max=50_000.0, apalancamiento_max=50, tasa_mantenimiento=0.01, deduccion=0.0),
            Tramo(nocional_max=1e6, apalancamiento_max=20, tasa_mantenimiento=0.02, deduccion=500.0),
            Tramo(nocional_max=1e8, apalancamiento_max=10, tasa_mantenimiento=0.05, deduccion=30_500.0),
        ),
        "comision_taker": 0.0005,
        "comision_maker": 0.0002,
        "comision_liquidacion": 0.0125,
        "intervalo_funding_ms": 8 * HORA_MS,
    }
    return Mercado(**(datos | cambios))


def una_simulacion(
    velas: Sequence[tuple[float, float, float, float]] = (),
    *,
    saldo: str = "10000",
    otras: Sequence[tuple[str, Sequence[tuple[float, float, float, float]]]] = (),
    trastornos: Trastornos | None = None,
    **opciones: Any,
) -> Simulacion:
    """An exchange for BTCUSDT (and ``otras``) where the first candle is already past."""
    elegidas: dict[str, Any] = {
        "cuentas": (CuentaInicial(CLAVE, SECRETO, Decimal(saldo)),),
        "slippage": Decimal(0),
        "calentamiento": 1,
    }
    if "camino" in opciones:
        opciones["camino"] = Camino(opciones["camino"])
    series = [
        (Serie.de_tabla(simbolo, "1h", una_tabla(suyas), 2), un_mercado(simbolo))
        for simbolo, suyas in (("BTCUSDT", velas or planas(*[20_000.0] * 5)), *otras)
    ]
    return Simulacion(series, Opciones(**(elegidas | opciones)), trastornos)


def el_titular(simulacion: Simulacion) -> Titular:
    """The default account."""
    return simulacion.titulares[CLAVE]


def ordenar(simulacion: Simulacion, titular: Titular | None = None, **campos: str) -> Orden:
    """Place an order as the wire would; a market purchase of BTCUSDT unless told otherwise."""
    valores = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"} | campos
    if valores["type"] == "LIMIT":
        valores.setdefault("timeInForce", "GTC")
    contrato = simulacion.plaza(valores["symbol"]).contrato
    pedido = leer_pedido(Parametros(valores), contrato, False)
    return simulacion.motor.colocar(titular or el_titular(simulacion), pedido, simulacion.reloj.ahora_ms())


def firmar(campos: dict[str, Any], secreto: str = SECRETO) -> str:
    """Form text with its signature last."""
    texto = urlencode(campos)
    firma = hmac.new(secreto.encode(), texto.encode(), hashlib.sha256).hexdigest()
    return f"{texto}&signature={firma}"


class Cliente:
    """A plain HTTP client of one simulator; remembers the last status and headers."""

    def __init__(
        self, sesion: aiohttp.ClientSession, url: str, clave: str = CLAVE, secreto: str = SECRETO
    ) -> None:
        self._sesion = sesion
        self.url = url
        self._cabeceras = {"X-MBX-APIKEY": clave}
        self._secreto = secreto
        self.estado = 0
        self.cabeceras: dict[str, str] = {}

    async def pedir(self, metodo: str, ruta: str, cuerpo: str | bytes | None = None) -> Any:
        """Send as is."""
        async with self._sesion.request(
            metodo, self.url + ruta, data=cuerpo, headers=self._cabeceras
        ) as respuesta:
            self.estado = respuesta.status
            self.cabeceras = dict(respuesta.headers)
            return orjson.loads(await respuesta.read())

    async def publico(self, ruta: str, **campos: Any) -> Any:
        """Unsigned GET below /fapi."""
        return await self.pedir("GET", f"/fapi{ruta}?{urlencode(campos)}")

    async def firmado(self, metodo: str, ruta: str, **campos: Any) -> Any:
        """Signed request below /fapi, at the exchange's time."""
        campos.setdefault("timestamp", (await self.publico("/v1/time"))["serverTime"])
        texto = firmar(campos, self._secreto)
        if metodo == "GET":
            return await self.pedir(metodo, f"/fapi{ruta}?{texto}")
        return await self.pedir(metodo, f"/fapi{ruta}", texto)

    async def sim(self, metodo: str, ruta: str, **campos: Any) -> Any:
        """The simulator's own routes."""
        return await self.pedir(metodo, f"/sim/v1/{ruta}", orjson.dumps(campos) if campos else None)

    async def conectar(self, ruta: str) -> aiohttp.ClientWebSocketResponse:
        """Open a socket."""
        return await self._sesion.ws_connect(self.url + ruta)
