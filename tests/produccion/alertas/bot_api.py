"""A server that speaks Telegram's Bot API: strict about MarkdownV2, and failing as a test says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.secretos import FICHA_BOT as FICHA

__all__ = ["FICHA", "BotApi", "Ilegible", "leer_markdown", "un_bot"]

RESERVADOS = set("_*[]()~`>#+-=|{}.!")


class Ilegible(Exception):
    """What Telegram says of Markdown that it cannot read."""


def leer_markdown(texto: str) -> str:
    """The text that MarkdownV2 shows.

    Raises:
        Ilegible: A reserved character stands bare, or an entity does not end.
    """
    visible: list[str] = []
    abierta = ""
    i = 0
    while i < len(texto):
        c = texto[i]
        if c == "\\" and i + 1 < len(texto) and 1 <= ord(texto[i + 1]) <= 126:
            visible.append(texto[i + 1])
            i += 2
            continue
        if texto.startswith("```", i):
            fin = _fin_de_codigo(texto, i + 3)
            dentro = texto[i + 3 : fin]
            visible.append(_sin_escapes(dentro.removeprefix("\n")))
            i = fin + 3
            continue
        if c in "*_":
            if abierta not in ("", c):
                raise Ilegible(f"can't find end of the entity before offset {i}")
            abierta = "" if abierta else c
        elif c in RESERVADOS:
            raise Ilegible(f"character '{c}' is reserved and must be escaped with the preceding '\\'")
        else:
            visible.append(c)
        i += 1
    if abierta:
        raise Ilegible("can't find end of the entity")
    return "".join(visible)


def _fin_de_codigo(texto: str, desde: int) -> int:
    i = desde
    while i < len(texto):
        if texto[i] == "\\":
            i += 2
        elif texto.startswith("```", i):
            return i
        elif texto[i] == "`":
            raise Ilegible("character '`' is reserved and must be escaped with the preceding '\\'")
        else:
            i += 1
    raise Ilegible("can't find end of PreCode entity")


def _sin_escapes(texto: str) -> str:
    visible, i = [], 0
    while i < len(texto):
        i += texto[i] == "\\"
        visible.append(texto[i])
        i += 1
    return "".join(visible)


class BotApi:
    """One bot as Telegram keeps it."""

    def __init__(self) -> None:
        self.url = ""
        self.chats: set[int] = {7}
        self.dichos: dict[int, list[str]] = defaultdict(list)  # what each chat shows
        self.fallos: list[str] = []  # of the next sendMessage: a status, `hang`, `cut`, `lost`
        self.sin_markdown: list[str] = []  # sent as plain text
        self.intentos = 0
        self.escuchas = 0
        self.confirmadas = 0
        self._novedades: list[dict[str, Any]] = []
        self._hay = asyncio.Event()
        self._siguiente = 100
        self._oyente: asyncio.Future[None] | None = None

    def escribe(self, texto: str, chat: int = 7, quien: int = 7, hace_s: float = 0.0) -> int:
        """Somebody writes to the bot."""
        import time

        self._siguiente += 1
        mensaje = {
            "message_id": self._siguiente,
            "date": int(time.time() - hace_s),
            "chat": {"id": chat, "type": "private" if chat > 0 else "group"},
            "from": {"id": quien, "is_bot": False, "first_name": "Eva", "username": f"u{quien}"},
            "text": texto,
        }
        self._novedades.append({"update_id": self._siguiente, "message": mensaje})
        self._hay.set()
        return self._siguiente

    def ultimo(self, chat: int = 7) -> str:
        """What a chat shows last."""
        return self.dichos[chat][-1]

    async def atender(self, peticion: web.Request) -> web.StreamResponse:
        """Serve one request."""
        if peticion.match_info["ficha"] != f"bot{FICHA}":
            return _error(401, "Unauthorized")
        campos = await peticion.json()
        match peticion.match_info["metodo"]:
            case "sendMessage":
                return await self._enviar(peticion, campos)
            case "getMe":
                return _bien({"id": 123456, "is_bot": True, "username": "timonel_de_prueba"})
            case "getUpdates":
                return await self._escuchar(campos)
            case _:
                return _error(404, "Not Found: method not found")

    async def _enviar(self, peticion: web.Request, campos: dict[str, Any]) -> web.StreamResponse:
        self.intentos += 1
        fallo = self.fallos.pop(0) if self.fallos else ""
        match fallo:
            case "hang":
                await asyncio.sleep(60)
                return _error(500, "too late")
            case "cut":
                assert peticion.transport is not None
                peticion.transport.close()
                return _error(500, "nobody is there")
            case "429":
                return _error(429, "Too Many Requests: retry after 1", {"retry_after": 1})
            case "502":
                return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
            case "500" | "403" | "400":
                return _error(int(fallo), "Internal" if fallo == "500" else "Forbidden: bot was blocked")
        if campos["chat_id"] not in self.chats:
            return _error(400, "Bad Request: chat not found")
        try:
            visible = self._visible(campos)
        except Ilegible as motivo:
            return _error(400, f"Bad Request: can't parse entities: {motivo}")
        if not visible.strip():
            return _error(400, "Bad Request: message text is empty")
        if len(visible.encode("utf-16-le")) // 2 > 4_096:
            return _error(400, "Bad Request: message is too long")
        self.dichos[campos["chat_id"]].append(visible)
        if fallo == "lost":
            assert peticion.transport is not None
            peticion.transport.close()
        return _bien({"message_id": len(self.dichos[campos["chat_id"]])})

    def _visible(self, campos: dict[str, Any]) -> str:
        modo = campos.get("parse_mode")
        if modo == "MarkdownV2":
            return leer_markdown(campos["text"])
        assert modo is None
        self.sin_markdown.append(campos["text"])
        return str(campos["text"])

    async def _escuchar(self, campos: dict[str, Any]) -> web.StreamResponse:
        self.escuchas += 1
        if self._oyente is not None and not self._oyente.done():
            self._oyente.set_result(None)
        yo = self._oyente = asyncio.get_running_loop().create_future()
        desde = campos.get("offset", 0)
        self.confirmadas = max(self.confirmadas, desde)
        self._novedades = [n for n in self._novedades if n["update_id"] >= desde]
        if not self._novedades and campos["timeout"]:
            self._hay.clear()
            hay = asyncio.ensure_future(self._hay.wait())
            await asyncio.wait({hay, yo}, timeout=campos["timeout"], return_when=asyncio.FIRST_COMPLETED)
            hay.cancel()
            if yo.done():
                return _error(409, "Conflict: terminated by other getUpdates request")
        return _bien(self._novedades[:100])


def _bien(resultado: Any) -> web.Response:
    return web.json_response({"ok": True, "result": resultado})


def _error(estado: int, motivo: str, detalles: dict[str, Any] | None = None) -> web.Response:
    cuerpo: dict[str, Any] = {"ok": False, "error_code": estado, "description": motivo}
    if detalles:
        cuerpo["parameters"] = detalles
    return web.json_response(cuerpo, status=estado)


@asynccontextmanager
async def un_bot(puerto: int = 0, bot: BotApi | None = None) -> AsyncIterator[BotApi]:
    """One that listens: a new one, or one that goes on with what it had."""
    bot = bot or BotApi()
    aplicacion = web.Application()
    aplicacion.router.add_post("/{ficha}/{metodo}", bot.atender)
    corredor = web.AppRunner(aplicacion, access_log=None, shutdown_timeout=0.1)
    await corredor.setup()
    await web.TCPSite(corredor, "127.0.0.1", puerto).start()
    bot.url = f"http://127.0.0.1:{corredor.addresses[0][1]}"
    try:
        yield bot
    finally:
        await corredor.cleanup()
