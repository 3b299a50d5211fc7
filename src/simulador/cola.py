"""A socket's sending side: frames of one turn of the event loop go out in one write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from src.simulador.difusion import Categoria

ATRASO_MAX = 64 * 1024 * 1024  # bytes that a reader may fall behind
_TEXTO_FINAL = 0x81  # FIN and opcode of a text frame
_CIERRE = b"\x88\x02"  # header of a close frame with a code


class Cola:
    """Messages on their way to one socket.

    Args:
        categoria: Route of the socket.
        combinado: Whether its messages are wrapped with the stream's name.
        transporte: Below the socket; a frame is always written whole.
        abandonar: Called once when the reader has fallen too far behind.
    """

    def __init__(
        self,
        categoria: Categoria,
        combinado: bool,
        transporte: asyncio.WriteTransport,
        abandonar: Callable[[], None],
    ) -> None:
        self.categoria = categoria
        self.combinado = combinado
        self._transporte = transporte
        self._abandonar = abandonar
        self._bucle = asyncio.get_running_loop()
        self._tramas: list[bytes] = []
        self._cerrada = False
        self._muda = False  # also when closed

    def poner(self, mensaje: bytes) -> None:
        """Send a text message before the event loop's next turn."""
        if self._muda:
            return
        if not self._tramas:
            self._bucle.call_soon(self._volcar)
        self._tramas.append(cabecera(len(mensaje)))
        self._tramas.append(mensaje)

    def cerrar(self) -> None:
        """Send nothing more."""
        self._cerrada = self._muda = True
        self._tramas.clear()

    def callar(self) -> None:
        """Lose every message from now on; the socket stays open."""
        self._muda = True

    def hablar(self) -> None:
        """Send messages again."""
        self._muda = self._cerrada

    def despedir(self, codigo: int) -> None:
        """Send a close frame after what is waiting; the other side ends the connection."""
        if not self._cerrada:
            self._tramas += (_CIERRE, codigo.to_bytes(2, "big"))
            self._volcar()
            self._cerrada = self._muda = True

    def cortar(self) -> None:
        """End the connection without a word."""
        self.cerrar()
        self._transporte.abort()

    def _volcar(self) -> None:
        junto = b"".join(self._tramas)
        self._tramas.clear()
        if not junto or self._cerrada or self._transporte.is_closing():
            return
        self._transporte.write(junto)
        if self._transporte.get_write_buffer_size() > ATRASO_MAX:
            self.cerrar()
            self._abandonar()


def cabecera(largo: int) -> bytes:
    """Header of an unmasked, uncompressed text frame (RFC 6455, section 5.2)."""
    if largo < 126:
        return bytes((_TEXTO_FINAL, largo))
    if largo < 65_536:
        return bytes((_TEXTO_FINAL, 126)) + largo.to_bytes(2, "big")
    return bytes((_TEXTO_FINAL, 127)) + largo.to_bytes(8, "big")
