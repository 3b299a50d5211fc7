"""Entry point of the console script; ``panic`` starts even where no other package can be imported."""

from __future__ import annotations

import sys


def principal() -> None:
    """Run the command that the arguments name."""
    if sys.argv[1:2] == ["panic"]:
        from src.produccion.panico.panico import principal as panico

        sys.exit(panico(sys.argv[2:]))
    from src.cli.app import principal as todos

    todos()


if __name__ == "__main__":
    principal()
