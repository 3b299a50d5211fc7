"""Train an agent from a checkout: ``python train.py``, the same as ``timonel train``."""

from __future__ import annotations

import typer

from src.cli.salida import con_codigo_de_salida
from src.cli.train import train

if __name__ == "__main__":
    typer.run(con_codigo_de_salida(train))
