"""Telegram's Bot API, as far as alerts and commands need it; nothing here shows the bot's token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
import structlog

from src.nucleo.alertas import Mensaje
from src.nucleo.errores import AvisoRechazado, AvisoSinEntregar, CanalOcupado
from src.nucleo.markdown import LARGO_MAXIMO, escapar, limpio, negrita, recortado
from src.produccion.alertas.bandeja import Destino

_ESPERA_LIMITE_S = 5.0  # when Telegram does not say how long
_ESPERA_MAXIMA_S = 3_600.0
_MARGEN_S = 5.0  # that an answer of a long poll may take beyond it

log = structlog.get_logger(__name__)


class BotTelegram:
    """One bot.

    Args:
        sesion: Carries the requests.
        ficha: The bot's token.
        base: Address of the Bot API, without a path.
        plazo_s: Wall seconds for one answer.

    Every method raises `CanalOcupado`, `AvisoRechazado` or, when the outcome is unknown, `AvisoSinEntregar`.
    """

    def __init__(self, sesion: aiohttp.ClientSession, ficha: str, base: str, plazo_s: float) -> None:
        self._sesion = sesion
        self._ficha = ficha
        self._base = base
        self._plazo_s = plazo_s

    async def decir(self, chat_id: int, markdown: str, llano: str) -> None:
        """Send a text; as plain text when Telegram does not understand its Markdown."""
        try:
            await self._enviar(chat_id, {"text": markdown, "parse_mode": "MarkdownV2"})
        except AvisoRechazado as fallo:
            if "parse entities" not in str(fallo):
                raise
            log.error("markdown_rechazado", motivo=str(fallo))
            await self._enviar(chat_id, {"text": llano})

    async def novedades(self, desde: int | None, espera_s: int) -> list[dict[str, Any]]:
        """Messages to the bot that nobody has confirmed.

        Args:
            desde: The first ``update_id`` that is wanted; those before it are confirmed.
            espera_s: For how long Telegram may wait for one.
        """
        campos = {"timeout": espera_s, "allowed_updates": ["message"]}
        if desde is not None:
            campos["offset"] = desde
        resultado = await self._pedir("getUpdates", campos, espera_s + self._plazo_s + _MARGEN_S)
        return [uno for uno in resultado if isinstance(uno, dict)] if isinstance(resultado, list) else []

    async def nombre(self) -> str:
        """What Telegram calls the bot; asks nothing of any chat."""
        yo = await self._pedir("getMe", {}, self._plazo_s)
        return f"@{yo['username']}" if isinstance(yo, dict) and "username" in yo else "without a name"

    async def _enviar(self, chat_id: int, campos: Mapping[str, Any]) -> None:
        sin_vista = {"link_preview_options": {"is_disabled": True}}
        await self._pedir("sendMessage", {"chat_id": chat_id, **campos, **sin_vista}, self._plazo_s)

    async def _pedir(self, metodo: str, campos: Mapping[str, Any], plazo_s: float) -> Any:
        # The address holds the token, and aiohttp's own texts may quote it: `from None` everywhere.
        try:
            async with self._sesion.post(
                f"{self._base}/bot{self._ficha}/{metodo}",
                data=orjson.dumps(campos),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=plazo_s),
            ) as respuesta:
                estado, crudo = respuesta.status, await respuesta.read()
        except TimeoutError:
            raise AvisoSinEntregar(f"Telegram has not answered for {plazo_s:g} s") from None
        except (aiohttp.ClientError, OSError) as fallo:
            raise AvisoSinEntregar(f"Telegram is not reached: {type(fallo).__name__}") from None
        return _resultado(metodo, estado, crudo)


class CanalTelegram:
    """One chat that is told.

    Args:
        destino: Which alerts it takes.
        bot: Who tells.
        chat_id: The chat.
        pausa_s: Wall seconds between two messages.
    """

    def __init__(self, destino: Destino, bot: BotTelegram, chat_id: int, pausa_s: float) -> None:
        self._destino = destino
        self._bot = bot
        self._chat_id = chat_id
        self._pausa_s = pausa_s
        self._desde_s = 0.0

    @property
    def destino(self) -> Destino:
        """Which alerts it takes."""
        return self._destino

    async def enviar(self, mensaje: Mensaje) -> None:
        """Tell the chat.

        Raises:
            CanalOcupado: Telegram asks to wait.
            AvisoRechazado: It refuses this message or chat.
            AvisoSinEntregar: Nobody knows whether it took it.
        """
        bucle = asyncio.get_running_loop()
        await asyncio.sleep(self._desde_s - bucle.time())
        try:
            await self._bot.decir(self._chat_id, *textos_de(mensaje))
        finally:
            self._desde_s = bucle.time() + self._pausa_s


def textos_de(mensaje: Mensaje) -> tuple[str, str]:
    """A message as MarkdownV2 and as plain text, neither longer than Telegram takes."""
    titulo = recortado(limpio(mensaje.titulo).replace("\n", " "), LARGO_MAXIMO // 8) or mensaje.nivel.value
    cuerpo = recortado(limpio(mensaje.cuerpo), LARGO_MAXIMO - LARGO_MAXIMO // 8 - 1)
    return f"{negrita(titulo)}\n{escapar(cuerpo)}", f"{titulo}\n{cuerpo}"


def _resultado(metodo: str, estado: int, crudo: bytes) -> Any:
    try:
        cuerpo = orjson.loads(crudo)
    except orjson.JSONDecodeError:
        cuerpo = None
    if not isinstance(cuerpo, dict) or (estado >= 500 and cuerpo.get("ok") is not True):
        raise AvisoSinEntregar(f"Telegram answered {metodo} with {estado}")
    if cuerpo.get("ok") is True:
        return cuerpo.get("result")
    motivo = f"Telegram refuses {metodo}: {cuerpo.get('description') or estado}"
    detalles = cuerpo.get("parameters")
    if estado == 429 or cuerpo.get("error_code") == 429:
        raise CanalOcupado(motivo, espera_s=_espera(detalles))
    if isinstance(detalles, dict) and "migrate_to_chat_id" in detalles:
        motivo += f"; the chat is {detalles['migrate_to_chat_id']} now"
    raise AvisoRechazado(motivo)


def _espera(detalles: object) -> float:
    pedida = detalles.get("retry_after") if isinstance(detalles, dict) else None
    return (
        min(float(pedida), _ESPERA_MAXIMA_S) if isinstance(pedida, int) and pedida > 0 else _ESPERA_LIMITE_S
    )
