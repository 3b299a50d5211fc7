"""A trivial exchange that answers every request at once: ``python -m bench.servidor``; prints its port."""

from __future__ import annotations

import asyncio
from itertools import count
from urllib.parse import parse_qs

import orjson

PRECIO = "30000.00"
"""Every order is filled at this price."""

SIMBOLOS = ("BTCUSDT", *(f"X{i:03d}USDT" for i in range(499)))
"""As many as the real exchange lists."""

_IDS = count(1)
_CUENTA = orjson.dumps(
    {
        "assets": [
            {"asset": "USDT", "walletBalance": "1000000.00000000", "availableBalance": "1000000.00000000"}
        ],
        "positions": [
            {
                "symbol": "BTCUSDT",
                "positionAmt": "0.000",
                "entryPrice": "0.0",
                "leverage": "2",
                "isolated": False,
            }
        ],
    }
)

_PUBLICO = {
    b"GET /fapi/v1/ticker/bookTicker": orjson.dumps(
        [
            {"symbol": s, "bidPrice": PRECIO, "bidQty": "1", "askPrice": "30000.10", "askQty": "1", "time": 1}
            for s in SIMBOLOS
        ]
    ),
    b"GET /fapi/v1/ticker/price": orjson.dumps([{"symbol": s, "price": PRECIO, "time": 1} for s in SIMBOLOS]),
}


class Contestador(asyncio.Protocol):
    """Answers the requests of one connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transporte = transport
        self._pendiente = b""

    def data_received(self, data: bytes) -> None:
        """Take bytes; answer once a request is whole."""
        self._pendiente += data
        cabeza, hay, resto = self._pendiente.partition(b"\r\n\r\n")
        if not hay or len(resto) < _largo_del_cuerpo(cabeza):
            return
        self._pendiente = b""
        cuerpo = _resultado(resto) if cabeza.startswith(b"POST") else _lectura(cabeza)
        self._transporte.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(cuerpo), cuerpo)
        )


def _largo_del_cuerpo(cabeza: bytes) -> int:
    for linea in cabeza.split(b"\r\n"):
        if linea.lower().startswith(b"content-length:"):
            return int(linea.partition(b":")[2])
    return 0


def _lectura(cabeza: bytes) -> bytes:
    """Public prices where they are asked for, otherwise the account."""
    ruta = cabeza.split(b" HTTP/", 1)[0].split(b"?", 1)[0]
    return _PUBLICO.get(ruta, _CUENTA)


def _resultado(cuerpo: bytes) -> bytes:
    """A market order, filled whole."""
    pedido = {clave: valores[0] for clave, valores in parse_qs(cuerpo.decode()).items()}
    return orjson.dumps(
        {
            "orderId": next(_IDS),
            "symbol": pedido["symbol"],
            "status": "FILLED",
            "clientOrderId": pedido["newClientOrderId"],
            "side": pedido["side"],
            "type": "MARKET",
            "origQty": pedido["quantity"],
            "executedQty": pedido["quantity"],
            "avgPrice": PRECIO,
            "updateTime": 0,
        }
    )


async def servir() -> None:
    """Listen on a free port until killed."""
    servidor = await asyncio.get_running_loop().create_server(Contestador, "127.0.0.1", 0)
    print(servidor.sockets[0].getsockname()[1], flush=True)
    await servidor.serve_forever()


if __name__ == "__main__":
    asyncio.run(servir())
