"""A tiny futures exchange over HTTP: history, funding and symbol rows, with scripted failures."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from src.datos.velas import TablaVelas
from src.nucleo.intervalos import INTERVALOS, siguiente_apertura

SIMBOLO = {
    "symbol": "BTCUSDT",
    "marginAsset": "USDT",
    "liquidationFee": "0.012500",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "50"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
    ],
}
TRAMOS = {
    "symbol": "BTCUSDT",
    "brackets": [
        {"bracket": 2, "initialLeverage": 50, "notionalCap": 200000, "maintMarginRatio": 0.01, "cum": 250.0},
        {"bracket": 1, "initialLeverage": 125, "notionalCap": 50000, "maintMarginRatio": 0.005, "cum": 0.0},
    ],
}


class BolsaFalsa:
    """Serves one symbol's candles of one interval; failures are answered first, in order."""

    def __init__(self, tabla: TablaVelas, intervalo: str, ahora_ms: int) -> None:
        self.ahora_ms = ahora_ms
        self.intervalo = intervalo
        self.filas = [
            [
                v.apertura_ms,
                *map(str, v[1:]),
                siguiente_apertura(v.apertura_ms, intervalo) - 1,
                "0",
                1,
                "0",
                "0",
                "0",
            ]
            for v in tabla
        ]
        self.tasas: list[dict[str, Any]] = []
        self.fallos: deque[web.Response] = deque()
        self.corta_tras: int | None = None  # answer this many requests for klines, then only HTTP 500
        self.peticiones: list[tuple[str, dict[str, str]]] = []
        self.peso = 0

    def veces(self, ruta: str) -> int:
        """How often a route was asked."""
        return sum(pedida == ruta for pedida, _ in self.peticiones)

    @asynccontextmanager
    async def servir(self) -> AsyncIterator[str]:
        """The URL while it is open."""
        app = web.Application()
        app.router.add_get("/fapi/v1/{ruta}", self._responder)
        servidor = TestServer(app, host="127.0.0.1")
        await servidor.start_server()
        try:
            yield str(servidor.make_url("")).rstrip("/")
        finally:
            await servidor.close()

    async def _responder(self, peticion: web.Request) -> web.Response:
        ruta = peticion.match_info["ruta"]
        self.peticiones.append((ruta, dict(peticion.query)))
        if self.fallos and ruta != "time":
            return self.fallos.popleft()
        if ruta == "klines" and self.corta_tras is not None and self.veces("klines") > self.corta_tras:
            return error(500, -1000, "unknown")
        consulta = peticion.query
        if "symbol" in consulta and consulta["symbol"] != SIMBOLO["symbol"]:
            return error(400, -1121, "Invalid symbol.")
        if ruta in {"leverageBracket", "commissionRate"} and "signature" not in consulta:
            return error(400, -1102, "Mandatory parameter 'signature' was not sent.")
        match ruta:
            case "time":
                cuerpo: Any = {"serverTime": self.ahora_ms}
            case "klines":
                if consulta["interval"] not in INTERVALOS or consulta["interval"] != self.intervalo:
                    return error(400, -1120, "Invalid interval.")
                cuerpo = _rango(self.filas, 0, consulta)
                self.peso += 10 if int(consulta["limit"]) > 1000 else 1
            case "fundingRate":
                cuerpo = _rango(self.tasas, "fundingTime", consulta)
            case "exchangeInfo":
                cuerpo = {"symbols": [SIMBOLO]}
            case "fundingInfo":
                cuerpo = [{"symbol": "OTHERUSDT", "fundingIntervalHours": 4}]
            case "leverageBracket":
                cuerpo = [TRAMOS]
            case "commissionRate":
                cuerpo = {
                    "symbol": "BTCUSDT",
                    "makerCommissionRate": "0.00018",
                    "takerCommissionRate": "0.0004",
                }
            case _:
                return web.Response(status=404, text="<html>not here</html>", content_type="text/html")
        return web.json_response(cuerpo, headers={"X-MBX-USED-WEIGHT-1M": str(self.peso)})


def error(estado: int, codigo: int, mensaje: str, **cabeceras: str) -> web.Response:
    """An error as Binance writes it; header names with ``_`` for ``-``."""
    nombres = {nombre.replace("_", "-"): valor for nombre, valor in cabeceras.items()}
    return web.json_response({"code": codigo, "msg": mensaje}, status=estado, headers=nombres)


def _rango(filas: list[Any], clave: Any, consulta: Any) -> list[Any]:
    desde, hasta = int(consulta["startTime"]), int(consulta["endTime"])
    return [fila for fila in filas if desde <= fila[clave] <= hasta][: int(consulta["limit"])]


class RelojFalso:
    """A wall clock that only sleeping moves."""

    def __init__(self, ahora_s: float = 0.0) -> None:
        self.segundos = ahora_s
        self.esperas: list[float] = []

    def ahora_s(self) -> float:
        """Seconds."""
        return self.segundos

    async def dormir(self, segundos: float) -> None:
        """Move the clock instead of waiting."""
        self.esperas.append(segundos)
        self.segundos += segundos
