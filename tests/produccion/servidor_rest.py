"""A server that answers each path as the test says, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web

from src.produccion.bolsa.binance import AjustesBolsa, BinanceConnector
from src.produccion.bolsa.cliente_binance import crear_cliente
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.puertos import Credenciales, Direcciones

Respuesta = tuple[int, Any] | tuple[int, Any, dict[str, str]] | Callable[[dict[str, str]], Any]


class Servidor:
    """Answers each path from a list; the last answer stays."""

    def __init__(self) -> None:
        self.respuestas: dict[str, list[Respuesta]] = {"/fapi/v1/time": [(200, {"serverTime": 5_000})]}
        self.pedidas: list[tuple[str, str, dict[str, str]]] = []
        self.cabeceras: dict[str, str] = {}
        self.url = ""

    def contesta(self, ruta: str, *respuestas: Respuesta) -> None:
        """What a path below /fapi answers from now on."""
        self.respuestas[f"/fapi/{ruta}"] = list(respuestas)

    def campos(self, ruta: str) -> list[dict[str, str]]:
        """The fields of every request of a path below /fapi."""
        return [campos for _, pedida, campos in self.pedidas if pedida == f"/fapi/{ruta}"]

    async def atender(self, peticion: web.Request) -> web.StreamResponse:
        """Serve one request."""
        texto = peticion.query_string + (await peticion.text())
        campos = {clave: valores[0] for clave, valores in parse_qs(texto).items()}
        self.pedidas.append((peticion.method, peticion.path, campos))
        cola = self.respuestas[peticion.path]
        respuesta = cola.pop(0) if len(cola) > 1 else cola[0]
        if callable(respuesta):
            respuesta = (200, respuesta(campos))
        estado, cuerpo = respuesta[0], respuesta[1]
        cabeceras = self.cabeceras | (respuesta[2] if len(respuesta) == 3 else {})
        if cuerpo == "cortar":
            assert peticion.transport is not None
            peticion.transport.close()
        if isinstance(cuerpo, bytes):
            return web.Response(
                status=estado, body=cuerpo, content_type="application/json", headers=cabeceras
            )
        if isinstance(cuerpo, str):
            return web.Response(status=estado, text=cuerpo, content_type="text/html", headers=cabeceras)
        return web.Response(
            status=estado, body=orjson.dumps(cuerpo), content_type="application/json", headers=cabeceras
        )


@asynccontextmanager
async def un_servidor() -> AsyncIterator[Servidor]:
    """One that listens."""
    suyo = Servidor()
    aplicacion = web.Application()
    aplicacion.router.add_route("*", "/{resto:.*}", suyo.atender)
    corredor = web.AppRunner(aplicacion, access_log=None, shutdown_timeout=0.1)
    await corredor.setup()
    await web.TCPSite(corredor, "127.0.0.1", 0).start()
    suyo.url = f"http://127.0.0.1:{corredor.addresses[0][1]}"
    try:
        yield suyo
    finally:
        await corredor.cleanup()


@asynccontextmanager
async def una_bolsa(
    url: str,
    reloj: RelojMercado | None = None,
    ajustes: AjustesBolsa | None = None,
    clave: str = "simulador",
    **cliente: Any,
) -> AsyncIterator[BinanceConnector]:
    """The adapter pointed at a server, with the simulator's key unless told otherwise."""
    suyo = crear_cliente(
        Direcciones(rest=url, flujos=""),
        Credenciales(clave=clave, secreto=clave),
        {"trust_env": False},
        **cliente,
    )
    bolsa = BinanceConnector(suyo, reloj or RelojMercado(), "USDT", ajustes)
    try:
        yield bolsa
    finally:
        await bolsa.cerrar()
