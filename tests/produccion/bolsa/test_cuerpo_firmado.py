"""The text that is signed is the text that is sent."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator

import orjson
import pytest

from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden
from src.produccion.bolsa.binance import BinanceConnector
from src.produccion.bolsa.cliente_binance import crear_cliente
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.puertos import Credenciales, Direcciones

RED = True
ORDEN = Orden("BTCUSDT", LadoOrden.BUY, 0.001, False, "tm-A.b_C-9")
EJECUTADA = {
    "clientOrderId": ORDEN.id_cliente,
    "orderId": 7,
    "status": "FILLED",
    "executedQty": "0.001",
    "avgPrice": "1",
}


class Alambre(asyncio.Protocol):
    """Keeps the pieces as they arrive and answers each one as if it were a whole request."""

    def __init__(self, trozos: list[bytes]) -> None:
        self._trozos = trozos

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transporte = transport

    def data_received(self, data: bytes) -> None:
        self._trozos.append(data)
        cuerpo = orjson.dumps(EJECUTADA)
        cabeza = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transporte.write(cabeza % len(cuerpo) + cuerpo)


@pytest.fixture
async def trozos() -> AsyncIterator[list[bytes]]:
    recibidos: list[bytes] = []
    servidor = await asyncio.get_running_loop().create_server(lambda: Alambre(recibidos), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{servidor.sockets[0].getsockname()[1]}"
    cliente = crear_cliente(
        Direcciones(rest=url, flujos=""), Credenciales(clave="k", secreto="s"), {"trust_env": False}
    )
    await BinanceConnector(cliente, RelojMercado(), "USDT").enviar(ORDEN)
    yield recibidos
    await cliente.close_connection()
    servidor.close()
    await servidor.wait_closed()


async def test_la_firma_es_la_del_cuerpo_tal_como_se_envia(trozos: list[bytes]):
    texto, _, firma = trozos[0].partition(b"\r\n\r\n")[2].partition(b"&signature=")

    assert firma.decode() == hmac.new(b"s", texto, hashlib.sha256).hexdigest()
    assert b"newClientOrderId=tm-A.b_C-9" in texto


async def test_cabeceras_y_cuerpo_de_una_orden_van_en_un_solo_envio(trozos: list[bytes]):
    """Two small segments would wait for each other: Nagle's algorithm against a delayed acknowledgement."""
    assert len(trozos) == 1
    assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\n" in trozos[0]
