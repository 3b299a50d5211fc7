"""``timonel doctor``: is everything in order for a start, and what to do when it is not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from src.cli.salida import consola_de_mensajes

if TYPE_CHECKING:
    from src.produccion.diario.reparacion_diario import Reparacion
    from src.produccion.supervision.hallazgo import Hallazgo

_COLORES = {"ok": "green", "warning": "yellow", "failure": "red"}
_PERDIDOS_MOSTRADOS = 20


def doctor(
    state_dir: Annotated[Path, typer.Option(help="Where journals live.")] = Path("estado"),
    artefacts: Annotated[Path, typer.Option(help="Where artefacts live.")] = Path("entrenamientos"),
    train_id: Annotated[
        str | None, typer.Option(help="Check this artefact only; all of them if omitted.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (timonel.yaml).")] = None,
    real: Annotated[
        bool, typer.Option("--live", help="Look at the real exchange instead of the testnet.")
    ] = False,
    exchange_url: Annotated[
        str | None, typer.Option(envvar="TIMONEL_EXCHANGE_URL", help="Look at this exchange.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Look with the keys of this account of accounts.yaml.")
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option(envvar="TIMONEL_ACCOUNTS", help="The accounts.yaml of --user.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Leave exchange, Redis and Telegram out.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild the journals that are damaged; a copy is kept.")
    ] = False,
    como_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check keys, exchange, clock, store, Redis, Telegram, disk, journals, locks, latches, artefacts.

    Only --repair changes anything.

    Exit codes: 0 nothing failed, 1 something did, 2 bad input.
    """
    from src.produccion.config.config import Opciones, comprobar_opciones
    from src.produccion.supervision.doctor import diagnosticar
    from src.produccion.supervision.hallazgo import Veredicto

    if repair:
        _reparar(state_dir, como_json=como_json)
        return
    opciones = Opciones(
        train_id=(train_id or "").rstrip("/"),
        base=artefacts,
        estado=state_dir,
        config=config,
        real=real,
        url=exchange_url,
        usuario=user,
        cuentas=accounts,
    )
    comprobar_opciones(opciones)
    hallazgos = asyncio.run(diagnosticar(opciones, sin_red=offline))
    _mostrar(hallazgos, como_json=como_json)
    if any(hallazgo.veredicto is Veredicto.MAL for hallazgo in hallazgos):
        raise typer.Exit(1)


def _mostrar(hallazgos: list[Hallazgo], *, como_json: bool) -> None:
    if como_json:
        filas = [{"check": h.que, "result": h.veredicto.value, "detail": h.detalle} for h in hallazgos]
        typer.echo(json.dumps({"checks": filas}))
        return
    tabla = Table(box=None, pad_edge=False)
    for titulo in ("check", "result", "detail"):
        tabla.add_column(titulo, overflow="fold")
    for que, veredicto, detalle in hallazgos:
        color = _COLORES[veredicto.value]
        tabla.add_row(que, f"[{color}]{veredicto.value}[/]", detalle.replace("[", r"\["))
    Console(highlight=False, emoji=False).print(tabla)


def _reparar(estado: Path, *, como_json: bool) -> None:
    from src.produccion.diario.reparacion_diario import reparar
    from src.produccion.supervision.doctor import diarios
    from src.produccion.supervision.identidad import candado

    consola = consola_de_mensajes()
    hechas = []
    rutas = diarios(estado)
    for ruta in rutas:
        with candado(ruta.parent, "timonel doctor --repair"):
            hecha = reparar(ruta)
        if hecha is not None:
            hechas.append(hecha)
            _contar(consola, hecha)
    if como_json:
        typer.echo(json.dumps({"journals": len(rutas), "repaired": [_a_json(h) for h in hechas]}))
    else:
        consola.print(f"{len(rutas)} journals below {estado}, {len(hechas)} repaired", markup=False)


def _contar(consola: Console, hecha: Reparacion) -> None:
    """What was kept and what was lost."""
    lineas = [f"{hecha.ruta}: {hecha.conservados} records kept", f"  the damaged one is now {hecha.copia}"]
    lineas += [f"  found: {dano}" for dano in hecha.danos[:_PERDIDOS_MOSTRADOS]]
    lineas += [f"  lost:  {perdido}" for perdido in hecha.perdidos[:_PERDIDOS_MOSTRADOS]]
    if len(hecha.perdidos) > _PERDIDOS_MOSTRADOS:
        lineas.append(f"  … and {len(hecha.perdidos) - _PERDIDOS_MOSTRADOS} more; --json lists all of them")
    if hecha.enclavado:
        lineas.append(
            "  peak or latch may be among the lost: the symbol is locked on this account until"
            ' `live.py … --unlock "reason"`'
        )
    consola.print("\n".join(lineas), markup=False)


def _a_json(hecha: Reparacion) -> dict[str, object]:
    return {
        "journal": str(hecha.ruta),
        "copy": str(hecha.copia),
        "found": [str(dano) for dano in hecha.danos],
        "kept": hecha.conservados,
        "lost": [
            {"seq": p.seq, "aggregate": p.agregado, "version": p.version, "reason": p.motivo}
            for p in hecha.perdidos
        ],
        "locked": hecha.enclavado,
    }
