"""A sign of life to a monitor outside: the one alarm that also rings when this machine is gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
import structlog

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import SeccionSupervision

URL_LATIDO = "TIMONEL_HEARTBEAT_URL"

log = structlog.get_logger(__name__)


class Latido:
    """Asks for a URL every so often while the daemon gets on.

    A failure is logged, once until the next success; the URL is a secret and is not.

    Args:
        url: Of the monitor's check, for example of healthchecks.io.
        cada_s: Wall seconds between two requests.
        plazo_s: Wall seconds that one may take.
        callar: Whether the monitor should hear nothing now, and so raise the alarm.
    """

    def __init__(self, url: str, cada_s: float, plazo_s: float, callar: Callable[[], bool]) -> None:
        self._url = url
        self._cada_s = cada_s
        self._plazo = aiohttp.ClientTimeout(total=plazo_s)
        self._callar = callar
        self.anfitrion = urlsplit(url).hostname
        self._fallando = False
        self.enviados = 0

    async def correr(self) -> None:
        """Send for ever; nothing else waits for it."""
        async with aiohttp.ClientSession(trust_env=True, timeout=self._plazo) as sesion:
            while True:
                if not self._callar():
                    await self._enviar(sesion)
                await asyncio.sleep(self._cada_s)

    async def _enviar(self, sesion: aiohttp.ClientSession) -> None:
        try:
            async with sesion.get(self._url) as respuesta:
                respuesta.raise_for_status()
        except (aiohttp.ClientError, TimeoutError, OSError) as fallo:
            self._contar_fallo(fallo)
        else:
            self.enviados += 1
            self._fallando = False

    def _contar_fallo(self, fallo: Exception) -> None:
        if not self._fallando:
            # The text of an aiohttp error may quote the URL.
            codigo = fallo.status if isinstance(fallo, aiohttp.ClientResponseError) else None
            log.warning(
                "latido_fallido", anfitrion=self.anfitrion, motivo=type(fallo).__name__, codigo=codigo
            )
        self._fallando = True


def crear_latido(
    ajustes: SeccionSupervision, callar: Callable[[], bool], entorno: Mapping[str, str] = os.environ
) -> Latido | None:
    """The heartbeat that settings or environment ask for; the environment goes first.

    Raises:
        ConfiguracionInvalida: The address cannot be used.
    """
    escrita = "" if ajustes.heartbeat_url is None else ajustes.heartbeat_url.get_secret_value()
    url = entorno.get(URL_LATIDO) or escrita
    if not url:
        return None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfiguracionInvalida(
            f"supervision.heartbeat_url or {URL_LATIDO} is no http(s) address; it looks like"
            " https://hc-ping.com/<id>"
        )
    return Latido(url, ajustes.heartbeat_every_s, ajustes.heartbeat_timeout_s, callar)
