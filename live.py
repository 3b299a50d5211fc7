"""Run a trained agent as a live-trading daemon: ``python live.py --train-id ID``."""

from __future__ import annotations

from collections.abc import Callable

from src.cli.interrupcion import correr


def _cargar() -> Callable[[], object]:
    import typer

    from src.cli.salida import con_codigo_de_salida
    from src.produccion.config.cli import live

    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command()(con_codigo_de_salida(live))
    return app


if __name__ == "__main__":
    correr(_cargar)
