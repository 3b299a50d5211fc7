"""The port through which an account's user events leave the engine."""

from __future__ import annotations

from typing import Protocol


class Avisos(Protocol):
    """Where user events go."""

    def escucha(self, clave: str) -> bool:
        """Whether somebody reads this account's events."""
        ...

    def avisar(self, clave: str, evento: bytes) -> None:
        """Send one event of an account."""
        ...
