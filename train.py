"""Train an agent from a checkout: ``python train.py``, the same as ``timonel train``."""

from __future__ import annotations

from collections.abc import Callable

from src.cli.interrupcion import correr


def _cargar() -> Callable[[], object]:
    import typer

    from src.cli.salida import con_codigo_de_salida
    from src.cli.train import train

    return lambda: typer.run(con_codigo_de_salida(train))


if __name__ == "__main__":
    correr(_cargar)
