"""``timonel adopt``: a position that a person opened becomes an operation that is protected and trailed."""

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
    OpcionEstado,
    OpcionJson,
    OpcionReal,
    OpcionUrl,
    OpcionUsuario,
    correr,
    elegir_cuenta,
    precio_escrito,
)

if TYPE_CHECKING:
    from src.produccion.monitor.adopcion import Adoptada
    from src.produccion.monitor.pedido import Pedido
    from src.produccion.montaje_monitor import Eleccion


def adopt(
    symbol: Annotated[str, typer.Argument(help="Symbol of the open position, e.g. BTCUSDT.")],
    stop: Annotated[float | None, typer.Option(help="Price at which it is given up.")] = None,
    target: Annotated[float | None, typer.Option(help="Price at which its profit is taken.")] = None,
    stop_loss_percent: Annotated[
        float | None,
        typer.Option(
            "--stop-loss-percent", help="In place of --stop: percent of the entry price; stored as a price."
        ),
    ] = None,
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
    """Protect a position that you opened by hand, and register it.

    Places a stop at the exchange that closes the whole position, and a target if you name one; from then on
    `timonel adjust_trailing_stops` moves the stop (by levels with a target, else by spans; it only ever
    tightens) and `timonel monitor_stops` executes it should the exchange fail to. A stop beyond the mark is
    refused. If the exchange takes no stop at all, the position is closed.

        timonel adopt BTCUSDT --stop 88200 --target 93600

    Exit codes: 0 protected, 2 bad input and nothing was changed, 4 no stop could be placed (the message says
    whether the position was closed), 6 the exchange did not answer at the start, 130 interrupted.
    """
    from src.produccion.monitor.pedido import Pedido

    pedido = Pedido(symbol.upper(), stop, stop_loss_percent, target)
    eleccion = elegir_cuenta(
        real, exchange_url, config, state_dir, user, accounts, margin_asset, detallado=verbose
    )
    adoptada = correr(_adoptar(eleccion, pedido))
    if como_json:
        typer.echo(json.dumps(a_json(adoptada), allow_nan=False))
    else:
        for linea in lineas(adoptada):
            typer.echo(linea)


async def _adoptar(eleccion: Eleccion, pedido: Pedido) -> Adoptada:
    from src.produccion.monitor.adopcion import Adopcion, Duenio
    from src.produccion.monitor.cuaderno import Cuaderno
    from src.produccion.montaje_monitor import abrir_cuenta
    from src.produccion.supervision.identidad import candado, carpeta_estado

    async with abrir_cuenta(eleccion, bitacora="adopt.log") as cuenta:
        with candado(carpeta_estado(cuenta.estado, cuenta.account_id, pedido.simbolo), "timonel adopt"):
            adopcion = Adopcion(
                cuenta.libro,
                cuenta.bolsa,
                cuenta.reloj,
                Duenio(cuenta.client_id, cuenta.user_id, cuenta.account_id),
                Cuaderno(cuenta.estado / cuenta.account_id),
                ajustes=cuenta.ejecucion,
            )
            return await adopcion.adoptar(pedido)


def lineas(adoptada: Adoptada) -> list[str]:
    """What protects the position from now on."""
    operacion = adoptada.operacion
    lado = "LONG" if operacion.largo else "SHORT"
    dichas = [
        f"Adopted {operacion.simbolo} {lado} {operacion.cantidad:g} @ {precio_escrito(operacion.entrada)}"
        f" (mark {precio_escrito(adoptada.mark)})",
        f"  Operation: Op#{operacion.operation_id}",
        f"  Stop:      {precio_escrito(operacion.stop or 0.0)}, at the exchange, closes the whole position",
    ]
    if operacion.objetivo is None:
        return [*dichas, "  Target:    none", "  Trailing:  by spans (adjust_trailing_stops)"]
    donde = (
        "at the exchange, reduce-only"
        if adoptada.objetivo_puesto
        else "NOT at the exchange; monitor_stops takes it"
    )
    return [
        *dichas,
        f"  Target:    {precio_escrito(operacion.objetivo)}, {donde}",
        "  Trailing:  by levels (adjust_trailing_stops)",
    ]


def a_json(adoptada: Adoptada) -> dict[str, object]:
    """The same for programs; numbers of the exchange are texts."""
    from src.produccion.puertos import texto_decimal

    operacion = adoptada.operacion
    return {
        "operation_id": operacion.operation_id,
        "symbol": operacion.simbolo,
        "side": "BUY" if operacion.largo else "SELL",
        "quantity": texto_decimal(operacion.cantidad),
        "entry_price": texto_decimal(operacion.entrada),
        "mark_price": texto_decimal(adoptada.mark),
        "stop_price": None if operacion.stop is None else texto_decimal(operacion.stop),
        "target_price": None if operacion.objetivo is None else texto_decimal(operacion.objetivo),
        "resident_stop": operacion.residente,
        "resident_target": adoptada.objetivo_puesto,
    }
