"""python-binance's client, pointed at one exchange and stripped of what a futures daemon does not need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from binance import AsyncClient
from binance.exceptions import BinanceAPIException, BinanceRequestException

from src.produccion.puertos import Credenciales, Direcciones

ESPERA_RESPUESTA_S = 10.0
VENTANA_RECEPCION_MS = 5_000


def usa_proxy(direcciones: Direcciones) -> bool:
    """Whether the environment names a proxy for this exchange; asking at each request would cost a thread."""
    anfitrion = urlsplit(direcciones.rest).hostname or ""
    return bool(getproxies()) and not proxy_bypass(anfitrion)


class ClienteBinance(AsyncClient):  # type: ignore[misc]
    """The client of `crear_cliente`."""

    al_responder: Callable[[Mapping[str, str]], None] | None = None
    """Told the headers of every answer, good or bad: the library's ``response`` is of whoever came last."""

    def _get_request_kwargs(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # The body goes out as the very text that was signed; having aiohttp build a form of it costs
        # a third of the request, and a value that needs encoding would not match its signature.
        argumentos: dict[str, Any] = super()._get_request_kwargs(*args, **kwargs)
        if isinstance(argumentos.get("data"), list):
            argumentos["data"] = "&".join(f"{clave}={valor}" for clave, valor in argumentos["data"]).encode()
        return argumentos

    async def _handle_response(self, response: aiohttp.ClientResponse) -> Any:
        # The library takes the body of every error for an object; a gateway's may be any JSON, or any bytes.
        if self.al_responder is not None:
            self.al_responder(response.headers)
        cuerpo = await response.read()
        if not 200 <= response.status < 300:
            raise BinanceAPIException(response, response.status, _objeto_o_nada(cuerpo))
        try:
            return orjson.loads(cuerpo) if cuerpo else {}
        except ValueError as fallo:
            raise BinanceRequestException(f"the answer is not JSON: {fallo}") from fallo


def _objeto_o_nada(cuerpo: bytes) -> str:
    """The text of a JSON object; empty for whatever else an error may come with."""
    try:
        leido = orjson.loads(cuerpo)
    except ValueError:
        return ""
    return cuerpo.decode() if isinstance(leido, dict) else ""


def crear_cliente(
    direcciones: Direcciones,
    credenciales: Credenciales,
    sesion: dict[str, Any] | None = None,
    *,
    espera_s: float = ESPERA_RESPUESTA_S,
    ventana_ms: int = VENTANA_RECEPCION_MS,
) -> ClienteBinance:
    """A client without the library's calls to the spot exchange.

    Args:
        direcciones: Where the exchange is.
        credenciales: API key.
        sesion: Arguments of the HTTP session; by default those that the environment's proxies ask for.
        espera_s: Wall seconds that an answer may take.
        ventana_ms: ``recvWindow``: how old a signed request may be when the exchange reads it.
    """

    class Cliente(ClienteBinance):
        API_URL = f"{direcciones.rest}/api"
        FUTURES_URL = f"{direcciones.rest}/fapi"
        FUTURES_DATA_URL = f"{direcciones.rest}/futures/data"
        REQUEST_TIMEOUT = espera_s
        REQUEST_RECVWINDOW = ventana_ms

    return Cliente(
        api_key=credenciales.clave,
        api_secret=credenciales.secreto,
        session_params=sesion or {"trust_env": usa_proxy(direcciones)},
    )
