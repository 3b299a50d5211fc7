"""Tells systemd how the daemon fares: the sd_notify protocol, one datagram per message."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger(__name__)


class AvisoSystemd:
    """Messages to the service manager; silent when there is none.

    A message that cannot be delivered never disturbs the daemon: it is logged, the first time.

    Args:
        direccion: The manager's socket, ``@`` first for an abstract one; ``None`` when nobody listens.
        plazo_s: Within which the manager wants to hear of the daemon; ``None`` when it does not watch.
    """

    def __init__(self, direccion: str | None = None, plazo_s: float | None = None) -> None:
        self._direccion = direccion and (f"\0{direccion[1:]}" if direccion.startswith("@") else direccion)
        self.cada_s = None if plazo_s is None or not direccion else plazo_s / 2
        """Between two signs of life; ``None`` when nobody waits for them."""
        self._fallido = False

    @classmethod
    def del_entorno(cls, entorno: Mapping[str, str] = os.environ) -> AvisoSystemd:
        """As the service manager set up this process."""
        micros = entorno.get("WATCHDOG_USEC", "")
        para_este = entorno.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        plazo_s = int(micros) / 1e6 if para_este and micros.isdecimal() and int(micros) else None
        return cls(entorno.get("NOTIFY_SOCKET") or None, plazo_s)

    def listo(self, estado: str) -> None:
        """The daemon trades."""
        self._enviar(f"READY=1\nSTATUS={_en_una_linea(estado)}")

    def estado(self, texto: str) -> None:
        """One line for ``systemctl status``."""
        self._enviar(f"STATUS={_en_una_linea(texto)}")

    def latir(self) -> None:
        """The daemon is alive."""
        self._enviar("WATCHDOG=1")

    def parando(self, motivo: str) -> None:
        """The daemon is ending on purpose."""
        self._enviar(f"STOPPING=1\nSTATUS={_en_una_linea(motivo)}")

    def alargar(self, segundos: float) -> None:
        """Starting or stopping goes on; wait this much longer before giving up on it."""
        self._enviar(f"EXTEND_TIMEOUT_USEC={round(segundos * 1e6)}")

    def _enviar(self, mensaje: str) -> None:
        if self._direccion is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as enchufe:
                enchufe.setblocking(False)
                enchufe.sendto(mensaje.encode(), self._direccion)
        except OSError as fallo:
            if not self._fallido:
                log.warning("aviso_systemd_fallido", motivo=str(fallo))
            self._fallido = True


def _en_una_linea(texto: str) -> str:
    return " ".join(texto.split())
