"""``timonel monitor_stops``: executes stops that should have been and were not; for cron, or continuously."""

from __future__ import annotations

import asyncio
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
    activo_cotizado,
    correr,
    elegir_cuenta,
    precio_escrito,
)
from src.cli.salida import consola_de_mensajes

if TYPE_CHECKING:
    from src.produccion.monitor.monitor import MonitorStops
    from src.produccion.monitor.tipos import Resultado, Ronda
    from src.produccion.montaje_monitor import Eleccion

_PASO_S = 0.5


def monitor_stops(
    continuous: Annotated[bool, typer.Option("--continuous", help="Go on until interrupted.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, help="Seconds between two looks of --continuous.")
    ] = 5.0,
    dry_run: OpcionEnsayo = False,
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
    """Look at every open operation of the account and execute the stops that have been reached.

    The backstop of the stops that live at the exchange: of an operation that has one, the mark must stay
    beyond it for 3 s; of others the bid (long) or the ask (short) counts. Run it every minute by cron, on as
    many machines as you like: each stop is executed once, whoever comes first. Guardrails (tenant_config,
    breakers) are written down and never hold an exit back.

        * * * * *  timonel monitor_stops --json >> monitor_stops.jsonl

    Exit codes: 0 nothing left to do, 1 an operation could not be looked at or executed, 2 bad input,
    6 the exchange did not answer at the start, 130 interrupted.
    """
    eleccion = elegir_cuenta(
        real, exchange_url, config, state_dir, user, accounts, margin_asset, detallado=verbose
    )
    cada_s = interval if continuous else None
    bien = correr(_vigilar(eleccion, cada_s, ensayo=dry_run, como_json=como_json))
    if not bien:
        raise typer.Exit(1)


async def _vigilar(eleccion: Eleccion, cada_s: float | None, *, ensayo: bool, como_json: bool) -> bool:
    from src.nucleo.errores import AlmacenCaido
    from src.produccion.monitor.cuaderno import Cuaderno
    from src.produccion.monitor.monitor import AjustesMonitor, MonitorStops
    from src.produccion.montaje_monitor import abrir_cuenta

    async with abrir_cuenta(eleccion, bitacora="monitor_stops.log") as cuenta:
        monitor = MonitorStops(
            cuenta.libro,
            cuenta.bolsa,
            cuenta.reloj,
            cuenta.account_id,
            Cuaderno(cuenta.estado / cuenta.account_id),
            ensayo=ensayo,
            ajustes=AjustesMonitor(cuenta.ejecucion),
        )
        if cada_s is None:
            ronda = await _una_vez(monitor)
            _mostrar(ronda, ensayo=ensayo, como_json=como_json)
            return ronda.bien
        while True:
            try:
                _mostrar(await monitor.revisar(), ensayo=ensayo, como_json=como_json)
            except AlmacenCaido as fallo:
                consola_de_mensajes().print(f"error: {fallo}; looking again", style="red", markup=False)
            await asyncio.sleep(cada_s)


async def _una_vez(monitor: MonitorStops) -> Ronda:
    """One look, and a few more while the exchange still has its time for a resident stop."""
    from src.nucleo.disparos import ESPERA_RESIDENTE_MS
    from src.produccion.monitor.tipos import Ronda

    ronda = await monitor.revisar()
    limite_s = asyncio.get_running_loop().time() + ESPERA_RESIDENTE_MS / 1_000 + 2 * _PASO_S
    resultados = ronda.resultados
    while ronda.esperando and asyncio.get_running_loop().time() < limite_s:
        await asyncio.sleep(_PASO_S)
        ronda = await monitor.revisar()
        resultados += ronda.resultados
    return Ronda(ronda.miradas, resultados, ronda.esperando, ronda.sin_leer)


def _mostrar(ronda: Ronda, *, ensayo: bool, como_json: bool) -> None:
    if como_json:
        cuerpo = {
            "checked": ronda.miradas,
            "waiting": ronda.esperando,
            "unread": ronda.sin_leer,
            "dry_run": ensayo,
            "triggers": [a_json(resultado) for resultado in ronda.resultados],
        }
        typer.echo(json.dumps(cuerpo, allow_nan=False))
        return
    if not ronda.resultados:
        typer.echo(
            "No triggers" if not ronda.sin_leer else f"No triggers; {ronda.sin_leer} could not be read"
        )
    for resultado in ronda.resultados:
        for linea in lineas(resultado):
            typer.echo(linea)


def lineas(resultado: Resultado) -> list[str]:
    """A trigger and what became of it."""
    from src.nucleo.disparos import pnl_esperado
    from src.produccion.monitor.tipos import Final

    disparada, final = resultado.disparada, resultado.final
    operacion, que = disparada.operacion, disparada.disparo.value
    activo = activo_cotizado(operacion.simbolo)
    esperado = pnl_esperado(operacion.entrada, disparada.precio, operacion.cantidad, largo=operacion.largo)
    dichas = [
        f"{que}: Op#{operacion.operation_id} {operacion.simbolo} @ {precio_escrito(disparada.precio)}",
        f"  Expected PnL: {esperado:.2f} {activo}".rstrip(),
    ]
    match final:
        case Final.EXECUTED:
            salida = disparada.precio if resultado.precio is None else resultado.precio
            pnl = pnl_esperado(operacion.entrada, salida, resultado.cantidad, largo=operacion.largo)
            slippage = "unknown" if resultado.slippage is None else f"{resultado.slippage:.2f}%"
            dichas.append(
                f"  {que} executed: Order {resultado.id_bolsa}, PnL: {pnl:.2f}, Slippage: {slippage}"
            )
        case Final.DUPLICATE:
            dichas.append(
                f"  Execution token collision for Operation {operacion.operation_id}:"
                " Another process already claimed this execution"
            )
        case Final.CLOSED:
            dichas.append(f"  Nothing to execute: {resultado.motivo}")
        case Final.FAILED | Final.UNKNOWN | Final.FOREIGN:
            dichas.append(f"  {que} not executed yet ({final.value}): {resultado.motivo}")
        case Final.DRY_RUN:
            pass
    return dichas


def a_json(resultado: Resultado) -> dict[str, object]:
    """The same for programs; numbers of the exchange are texts."""
    from src.nucleo.disparos import pnl_esperado
    from src.produccion.puertos import texto_decimal

    disparada = resultado.disparada
    operacion = disparada.operacion
    esperado = pnl_esperado(operacion.entrada, disparada.precio, operacion.cantidad, largo=operacion.largo)
    return {
        "operation_id": operacion.operation_id,
        "symbol": operacion.simbolo,
        "side": "BUY" if operacion.largo else "SELL",
        "type": disparada.disparo.value,
        "trigger_price": texto_decimal(disparada.precio),
        "stop_price": texto_decimal(disparada.esperado),
        "expected_pnl": f"{esperado:.2f}",
        "result": resultado.final.value,
        "quantity": texto_decimal(resultado.cantidad),
        "fill_price": None if resultado.precio is None else texto_decimal(resultado.precio),
        "slippage_pct": resultado.slippage,
        "exchange_order_id": resultado.id_bolsa,
        "reason": resultado.motivo,
    }
