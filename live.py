"""Run a trained agent as a live-trading daemon: ``python live.py --train-id ID``."""

from __future__ import annotations

import typer

from src.produccion.config.cli import live

if __name__ == "__main__":
    typer.run(live)
