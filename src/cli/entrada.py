"""Entry point of the console script; ``panic`` starts even where no other package can be imported."""

from __future__ import annotations

import sys
from collections.abc import Callable

from src.cli.interrupcion import correr


def principal() -> None:
    """Run the command that the arguments name."""
    correr(_panico if sys.argv[1:2] == ["panic"] else _todos)


def _panico() -> Callable[[], object]:
    from src.produccion.panico.panico import principal as panico

    return lambda: sys.exit(panico(sys.argv[2:]))


def _todos() -> Callable[[], object]:
    from src.cli.app import principal as todos

    return todos


if __name__ == "__main__":
    principal()
