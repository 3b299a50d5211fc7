"""An exchange whose faults can be armed, and its client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import orjson

from src.simulador.fallas.lectura import leer_guion
from src.simulador.servidor import Servidor
from src.simulador.simulacion import Simulacion
from tests.simulador.banco import Cliente, planas, una_simulacion

PRECIOS = planas(*[20_000.0 + 10 * i for i in range(60)])
KLINE = "/market/ws/btcusdt@kline_1h"


class Bolsa(NamedTuple):
    """A served exchange."""

    simulacion: Simulacion
    cliente: Cliente

    async def armar(self, kind: str, at: Any = None, **campos: Any) -> int:
        """Arm one fault over the control route; its number."""
        pedido = {"kind": kind, **campos} | ({} if at is None else {"at": at})
        contestado = await self.cliente.sim("POST", "faults", **pedido)
        assert "armed" in contestado, contestado
        return contestado["armed"][0]

    async def disparadas(self) -> dict[str, int]:
        """How often each kind has happened."""
        return (await self.cliente.sim("GET", "faults"))["fired"]["by_kind"]

    async def comprar(self, cantidad: str = "0.1", **campos: Any) -> Any:
        """A market purchase of BTCUSDT, unless told otherwise."""
        orden = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "newOrderRespType": "RESULT"} | campos
        return await self.cliente.firmado("POST", "/v1/order", quantity=cantidad, **orden)

    async def poner_stop(self, gatillo: str, **campos: Any) -> Any:
        """A stop that closes a long position of BTCUSDT."""
        stop = {
            "algoType": "CONDITIONAL",
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "STOP_MARKET",
            "workingType": "MARK_PRICE",
            "triggerPrice": gatillo,
        }
        if "quantity" not in campos:
            stop["closePosition"] = "true"
        return await self.cliente.firmado("POST", "/v1/algoOrder", **(stop | campos))

    async def posicion(self) -> str:
        """Signed quantity of BTCUSDT, from the exchange's books."""
        return str(self.simulacion.titulares["simulador"].cuenta.posiciones["BTCUSDT"].cantidad)

    async def unirse(self) -> str:
        """Join the agreement for BTCUSDT."""
        return (await self.cliente.sim("POST", "join", symbol="BTCUSDT", interval="1h"))["agent"]

    async def oir_cuenta(self) -> aiohttp.ClientWebSocketResponse:
        """Open the user stream."""
        oyente = (await self.cliente.pedir("POST", "/fapi/v1/listenKey"))["listenKey"]
        return await self.cliente.conectar(f"/private/ws?listenKey={oyente}")


@asynccontextmanager
async def una_bolsa(
    velas: Any = PRECIOS, guion: Any = None, *, control: bool = True, **opciones: Any
) -> AsyncIterator[Bolsa]:
    """Serve an exchange at 20,000 and rising, one market step per candle."""
    opciones.setdefault("camino", "close")
    if guion is not None:
        opciones["guion"] = leer_guion(guion)
    async with (
        Servidor(una_simulacion(velas, control=control, **opciones)) as servidor,
        aiohttp.ClientSession() as sesion,
    ):
        yield Bolsa(servidor.simulacion, Cliente(sesion, servidor.url))


async def recibir(enchufe: aiohttp.ClientWebSocketResponse) -> Any:
    """The next message."""
    return orjson.loads((await asyncio.wait_for(enchufe.receive(), 2)).data)


async def callado(enchufe: aiohttp.ClientWebSocketResponse) -> bool:
    """Whether nothing arrives for a moment."""
    try:
        await asyncio.wait_for(enchufe.receive(), 0.05)
    except TimeoutError:
        return True
    return False
