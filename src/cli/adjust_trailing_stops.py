"""``timonel adjust_trailing_stops``: trails the stops of hand-made operations; for cron."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from src.cli.comun_cuenta import (
    ACTIVO,
    ESTADO,
    OpcionActivo,
    OpcionConfig,
    OpcionCuentas,
    OpcionDetallado,
    OpcionEnsayo,
    OpcionEstado,
    OpcionJson,
    OpcionReal,
    OpcionUrl,
    OpcionUsuario,
    correr,
    elegir_cuenta,
    precio_escrito,
)
from src.nucleo.errores import ConfiguracionInvalida

if TYPE_CHECKING:
    from src.produccion.monitor.arrastre import Arrastrada
    from src.produccion.montaje_monitor import Eleccion


def adjust_trailing_stops(
    client_id: Annotated[
        str | None, typer.Option("--client-id", help="One tenant's operations only.")
    ] = None,
    position_id: Annotated[
        str | None, typer.Option("--position-id", help="One operation only, by its id.")
    ] = None,
    dry_run: OpcionEnsayo = False,
    fee_percent: Annotated[
        float, typer.Option("--fee-percent", min=0, max=5, help="Both fees, in percent: part of break-even.")
    ] = 0.1,
    slippage_percent: Annotated[
        float,
        typer.Option("--slippage-percent", min=0, max=5, help="Slippage, in percent: part of break-even."),
    ] = 0.05,
    como_json: OpcionJson = False,
    real: OpcionReal = False,
    exchange_url: OpcionUrl = None,
    config: OpcionConfig = None,
    state_dir: OpcionEstado = ESTADO,
    user: OpcionUsuario = None,
    accounts: OpcionCuentas = None,
    margin_asset: OpcionActivo = ACTIVO,
    verbose: OpcionDetallado = False,
) -> None:
    """Move the stops of adopted positions after the market: by levels with a target, else by spans.

    A stop only ever tightens. The new one is at the exchange before the old one is cancelled; the one at the
    initial stop, which closes the whole position, stays. What the exchange lost is placed again. Break-even
    lies fee + slippage beyond the entry; 0 and 0 put it at the entry. Run it every minute by cron; two at
    once do no harm.

    Exit codes: 0 done, 1 an operation could not be looked after, 2 bad input, 6 the exchange did not answer
    at the start, 130 interrupted.
    """
    costo = (fee_percent + slippage_percent) / 100.0
    eleccion = elegir_cuenta(
        real, exchange_url, config, state_dir, user, accounts, margin_asset, detallado=verbose
    )
    arrastradas = correr(_arrastrar(eleccion, costo, client_id, position_id, ensayo=dry_run))
    if position_id is not None and not arrastradas:
        raise ConfiguracionInvalida(
            f"--position-id {position_id} is no open hand-made operation of this account"
        )
    _mostrar(arrastradas, ensayo=dry_run, como_json=como_json)
    if any(a.hecho == "FAILED" for a in arrastradas):
        raise typer.Exit(1)


async def _arrastrar(
    eleccion: Eleccion, costo: float, client_id: str | None, operation_id: str | None, *, ensayo: bool
) -> list[Arrastrada]:
    from src.produccion.monitor.arrastre import Arrastre
    from src.produccion.montaje_monitor import abrir_cuenta

    async with abrir_cuenta(eleccion, bitacora="adjust_trailing_stops.log") as cuenta:
        arrastre = Arrastre(
            cuenta.libro,
            cuenta.bolsa,
            cuenta.reloj,
            cuenta.account_id,
            costo,
            ensayo=ensayo,
            ajustes=cuenta.ejecucion,
        )
        return [arrastrada async for arrastrada in arrastre.recorrer(client_id, operation_id)]


def _mostrar(arrastradas: list[Arrastrada], *, ensayo: bool, como_json: bool) -> None:
    if como_json:
        typer.echo(json.dumps({"dry_run": ensayo, "operations": [a_json(a) for a in arrastradas]}))
        return
    for arrastrada in arrastradas:
        typer.echo(linea(arrastrada, ensayo=ensayo))
    movidas = sum(a.hecho == "ADJUSTED" for a in arrastradas)
    typer.echo(f"Adjusted {movidas} of {len(arrastradas)} operations")
    if ensayo:
        typer.echo("DRY RUN: No changes were made")


def linea(arrastrada: Arrastrada, *, ensayo: bool = False) -> str:
    """One operation; of a dry run, what would have been done."""
    operacion, hecho = arrastrada.operacion, arrastrada.hecho
    quien = f"Op#{operacion.operation_id} {operacion.simbolo}"
    antes = "none" if arrastrada.antes is None else precio_escrito(arrastrada.antes)
    if hecho == "ADJUSTED" and arrastrada.despues is not None:
        return f"{quien}: {antes} -> {precio_escrito(arrastrada.despues)} ({arrastrada.nivel})"
    hecha, cerrada = ("would be", "would be closed") if ensayo else ("was", "closed")
    que = {
        "UNCHANGED": f"stop stays at {antes}",
        "REARMED": f"stop stays at {antes}; what the exchange had lost {hecha} placed again",
        "CLOSED": f"the position has gone; operation {cerrada}",
        "BUSY": "another process is at work on it",
    }
    return f"{quien}: {que.get(hecho.value, 'failed')}{f': {arrastrada.motivo}' if arrastrada.motivo else ''}"


def a_json(arrastrada: Arrastrada) -> dict[str, object]:
    """The same for programs."""
    from src.produccion.puertos import texto_decimal

    return {
        "operation_id": arrastrada.operacion.operation_id,
        "symbol": arrastrada.operacion.simbolo,
        "result": arrastrada.hecho.value,
        "previous_stop": None if arrastrada.antes is None else texto_decimal(arrastrada.antes),
        "stop": None if arrastrada.despues is None else texto_decimal(arrastrada.despues),
        "level": arrastrada.nivel,
        "reason": arrastrada.motivo,
    }
