"""The figures on the terminal and in ``build/bench.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.medida import Medida, a_json


def escribir(medidas: Sequence[Medida], ruta: Path, *, conservar: bool = False) -> None:
    """Write ``bench.json``; ``conservar`` keeps what an earlier run measured and this one did not."""
    anteriores = json.loads(ruta.read_text(encoding="utf-8")) if conservar and ruta.exists() else {}
    ruta.parent.mkdir(parents=True, exist_ok=True)
    ruta.write_text(json.dumps({**anteriores, **a_json(medidas)}, indent=2) + "\n", encoding="utf-8")


def mostrar(medidas: Sequence[Medida], consola: Console) -> None:
    """Print one row for each figure."""
    tabla = Table(title="Timonel bench", title_justify="left")
    for titulo in ("figure", "value", "goal", "", "peer", "ratio"):
        tabla.add_column(titulo, justify="right" if titulo in ("value", "peer", "ratio") else "left")
    tabla.add_column("measured", overflow="fold")
    for medida in medidas:
        tabla.add_row(*_celdas(medida))
    consola.print(tabla)


def _celdas(medida: Medida) -> tuple[str, ...]:
    veredicto = {None: "", True: "[green]pass[/green]", False: "[red]fail[/red]"}[medida.cumple]
    return (
        medida.nombre,
        f"{numero(medida.valor)} {medida.unidad}",
        str(medida.cota or ""),
        veredicto,
        "" if medida.par is None else numero(medida.par),
        "" if medida.razon is None else f"{numero(medida.razon)}×",
        medida.nota,
    )


def numero(valor: float) -> str:
    """Three significant figures, and thousands in groups."""
    if abs(valor) >= 1_000:
        return f"{valor:,.0f}"
    return f"{valor:.3g}"
