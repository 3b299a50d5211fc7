"""The server's side of a WebSocket."""

from __future__ import annotations

import logging
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MENSAJE_MAXIMO = 16 * 1024
"""Bytes of a client's message."""

PING_S = 20.0
"""Between two pings, and for the answer to one."""

_DESAGUE_S = 5.0
"""Wall seconds that what was written last may take to go out, however little the client reads."""


class EnchufeWs(WebSocketsSansIOProtocol):
    """uvicorn's; it cuts off who does not read any more, and logs neither addresses nor headers."""

    def __init__(self, *args: Any, **otros: Any) -> None:
        super().__init__(*args, **otros)
        self.logger = logging.getLogger(__name__)
        self.logger.setLevel(logging.WARNING)
        self.conn.logger, self.conn.debug = self.logger, False

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application says; a refusal ends the handshake as well."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Run the application for one socket."""
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(_DESAGUE_S, self.transport.abort)
