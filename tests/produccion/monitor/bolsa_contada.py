"""An exchange over loopback with a long position in each of many symbols; it counts what it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web

from tests.constructores import INICIO_MS

PRECIO = 88_000.0
CANTIDAD = 0.01


class BolsaContada:
    """Every symbol trades at `PRECIO`; a market order is filled at once.

    Args:
        simbolos: In which a position is open.
    """

    def __init__(self, simbolos: list[str]) -> None:
        self.ordenes: list[dict[str, str]] = []
        self.abiertas = dict.fromkeys(simbolos, True)
        self.url = ""
        self._filas = {simbolo: self._fila(simbolo) for simbolo in simbolos}
        self._cuerpo: bytes | None = None

    async def atender(self, peticion: web.Request) -> web.Response:
        """Answer one request."""
        texto = peticion.query_string + (await peticion.text())
        campos = {clave: valores[0] for clave, valores in parse_qs(texto).items()}
        match peticion.method, peticion.path:
            case "GET", "/fapi/v1/time":
                return _bien({"serverTime": INICIO_MS + 3_600_000})
            case "GET", "/fapi/v2/account":
                return web.Response(body=self._cuenta(), content_type="application/json")
            case "GET", "/fapi/v1/ticker/bookTicker":
                precios = {"bidPrice": f"{PRECIO}", "askPrice": f"{PRECIO}", "bidQty": "1", "askQty": "1"}
                return _bien({"symbol": campos["symbol"], "time": INICIO_MS + 3_600_000} | precios)
            case "GET", "/fapi/v1/openAlgoOrders":
                return _bien([])
            case "POST", "/fapi/v1/order":
                return self._operar(campos)
            case "GET", "/fapi/v1/order":
                return self._buscar(campos)
        return web.Response(status=404)

    def _operar(self, campos: dict[str, str]) -> web.Response:
        simbolo = campos["symbol"]
        if not self.abiertas[simbolo]:
            return _mal(-2022, "ReduceOnly Order is rejected.")
        self.ordenes.append(campos)
        self.abiertas[simbolo] = False
        self._filas[simbolo] = self._fila(simbolo)
        self._cuerpo = None
        return _bien(self._orden(len(self.ordenes), campos))

    def _buscar(self, campos: dict[str, str]) -> web.Response:
        for numero, orden in enumerate(self.ordenes, 1):
            if orden["newClientOrderId"] == campos["origClientOrderId"]:
                return _bien(self._orden(numero, orden))
        return _mal(-2013, "Order does not exist.")

    def _orden(self, numero: int, campos: dict[str, str]) -> dict[str, Any]:
        return {
            "orderId": numero,
            "clientOrderId": campos["newClientOrderId"],
            "status": "FILLED",
            "executedQty": campos["quantity"],
            "avgPrice": f"{PRECIO}",
        }

    def _cuenta(self) -> bytes:
        if self._cuerpo is None:
            filas = b",".join(self._filas.values())
            fondos = b'[{"asset":"USDT","walletBalance":"10000","availableBalance":"10000"}]'
            self._cuerpo = b'{"assets":' + fondos + b',"positions":[' + filas + b"]}"
        return self._cuerpo

    def _fila(self, simbolo: str) -> bytes:
        cantidad = CANTIDAD if self.abiertas[simbolo] else 0
        return orjson.dumps(
            {
                "symbol": simbolo,
                "positionAmt": str(cantidad),
                "entryPrice": "90000",
                "leverage": "2",
                "isolated": False,
            }
        )


@asynccontextmanager
async def una_bolsa_contada(simbolos: list[str]) -> AsyncIterator[BolsaContada]:
    """Serve one on a free port."""
    bolsa = BolsaContada(simbolos)
    corredor = web.ServerRunner(web.Server(bolsa.atender))
    await corredor.setup()
    sitio = web.TCPSite(corredor, "127.0.0.1", 0)
    await sitio.start()
    anfitrion, puerto = corredor.addresses[0][:2]
    bolsa.url = f"http://{anfitrion}:{puerto}"
    try:
        yield bolsa
    finally:
        await corredor.cleanup()


def _bien(cuerpo: Any) -> web.Response:
    return web.Response(body=orjson.dumps(cuerpo), content_type="application/json")


def _mal(codigo: int, mensaje: str) -> web.Response:
    cuerpo = orjson.dumps({"code": codigo, "msg": mensaje})
    return web.Response(status=400, body=cuerpo, content_type="application/json")
