"""A run on the terminal and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from itertools import zip_longest
from pathlib import Path

from rich.console import Console
from rich.table import Table

from caos.corrida import Balance
from caos.invariantes import COMPROBACIONES

_VIOLACIONES_MOSTRADAS = 40


def mostrar(balance: Balance, semilla: int, consola: Console) -> None:
    """Print what was done, and every violation with what it takes to see it again."""
    consola.print(_cuentas(balance))
    consola.print(_resumen(balance, semilla))
    por_nombre = Counter(violacion.invariante for violacion in balance.violaciones)
    tabla = Table(title="Invariants", title_justify="left")
    tabla.add_column("invariant")
    tabla.add_column("violations", justify="right")
    for nombre in dict.fromkeys((*(nombre for nombre, _ in COMPROBACIONES), *por_nombre)):
        veces = por_nombre[nombre]
        tabla.add_row(nombre, f"[red]{veces}[/]" if veces else "[green]0[/]")
    consola.print(tabla)
    for violacion in balance.violaciones[:_VIOLACIONES_MOSTRADAS]:
        consola.print(f"{violacion.invariante}: {violacion.detalle}", style="red", markup=False)
    if balance.violaciones:
        consola.print(f"seed {semilla}: {len(balance.violaciones)} violations", style="bold red")
    else:
        consola.print(f"seed {semilla}: nothing lost, nothing twice", style="bold green")


def escribir(balance: Balance, semilla: int, ruta: Path) -> None:
    """Write the figures."""
    contenido = {
        "seed": semilla,
        "kills": dict(sorted(balance.muertes.items())),
        "faults": dict(sorted(balance.fallas.items())),
        "exits": {str(codigo): veces for codigo, veces in sorted(balance.salidas.items())},
        "lives": balance.vidas,
        "candles": balance.velas,
        "decided": balance.decididas,
        "not_decided": balance.sin_decidir,
        "orders": balance.ordenes,
        "rows": balance.filas,
        "events": balance.eventos,
        "wall_s": round(balance.segundos, 1),
        "violations": [violacion._asdict() for violacion in balance.violaciones],
    }
    ruta.parent.mkdir(parents=True, exist_ok=True)
    ruta.write_text(json.dumps(contenido, indent=2) + "\n", encoding="utf-8")


def _cuentas(balance: Balance) -> Table:
    tabla = Table(title="What happened", title_justify="left")
    for titulo in ("killed at", "times", "fault", "times"):
        tabla.add_column(titulo, justify="right" if titulo == "times" else "left")
    muertes, fallas = (sorted(cuenta.items()) for cuenta in (balance.muertes, balance.fallas))
    for (sitio, caidas), (clase, veces) in zip_longest(muertes, fallas, fillvalue=("", "")):
        tabla.add_row(sitio, str(caidas), clase, str(veces))
    tabla.add_section()
    tabla.add_row("all", str(balance.muertes.total()), "all", str(balance.fallas.total()))
    return tabla


def _resumen(balance: Balance, semilla: int) -> str:
    salidas = ", ".join(f"{veces}× code {codigo}" for codigo, veces in sorted(balance.salidas.items()))
    return (
        f"seed {semilla}: {balance.velas:,} candles, {balance.decididas:,} decided,"
        f" {balance.sin_decidir:,} not;"
        f" {balance.ordenes:,} orders executed, {balance.filas:,} rows, {balance.eventos:,} journal records;"
        f" {balance.vidas} lives in {balance.segundos:.0f} s, ends: {salidas or 'none'}"
    )
