"""Levels and stops in the journal become operations and stop events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection

from src.nucleo.disparos import slippage_pct
from src.nucleo.frenos import nombre_visible
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.eventos_stop import (
    EventoStopNuevo,
    FuenteStop,
    Hallazgo,
    TipoEventoStop,
    anotar_ejecucion,
    anotar_evento,
)
from src.produccion.almacen.filas_cuenta import adoptar_trades, filas_con_orden, instante_de, precio_de
from src.produccion.almacen.lectura_diario import Apunte
from src.produccion.almacen.operaciones import (
    LadoOperacion,
    OperacionGuardada,
    StopPuesto,
    cambiar_tamano,
    cerrar_operacion,
    guardar_operacion,
    id_operacion,
    leer_operacion,
    operaciones_activas,
    poner_stop,
    ultima_operacion,
)
from src.produccion.almacen.tipos_sql import numero

_PROTECCION = "proteccion"
_NIVEL_POR_DEFECTO = "catastrophe"
_INICIAL = "initial"


def escribir_nivel(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """An operation as it begins, its target, and its stop when that is another one than before.

    How large it is from then on the rows say: a level keeps the size that it was set for.
    """
    contenido = apunte.contenido
    operation_id = id_operacion(titular.account_id, titular.symbol, int(contenido["operation"]))
    anterior = leer_operacion(conexion, operation_id)
    base = anterior or OperacionGuardada(
        operation_id,
        titular.account_id,
        titular.symbol,
        LadoOperacion.BUY if contenido["quantity"] > 0 else LadoOperacion.SELL,
        abs(contenido["quantity"]),
        contenido["entry"],
        int(contenido["operation"]),
        titular.client_id,
        titular.user_id,
        titular.agent_id,
    )
    objetivo = (contenido.get("brake") or {}).get("target", base.target_price)
    guardar_operacion(conexion, base._replace(target_price=objetivo))
    if anterior is None:
        # One position at a time: a turn that is never flat ends the operation before it.
        _cerrar_todas(conexion, titular, apunte.instante_ms, salvo=operation_id)
        adoptar_trades(conexion, titular, operation_id)
    stop, etiqueta = _stop_de(contenido)
    if stop is not None and (base.stop_price is None or numero(stop) != base.stop_price):
        poner_stop(conexion, operation_id, StopPuesto(stop, apunte.instante_ms, etiqueta, resident=True))


def _stop_de(contenido: dict[str, Any]) -> tuple[float | None, str]:
    """The stop that the market meets first, and what it is called."""
    nivel, freno = contenido["level"], contenido.get("brake")
    if freno is None:
        return nivel, _NIVEL_POR_DEFECTO
    suyo = float(freno["stop"])
    if nivel is not None and (nivel > suyo if freno["long"] else nivel < suyo):
        return nivel, _NIVEL_POR_DEFECTO
    return suyo, nombre_visible(str(freno["name"] or _INICIAL))


def escribir_cierre(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """The position is flat: every operation of the account and symbol is over."""
    _cerrar_todas(conexion, titular, apunte.instante_ms)


def _cerrar_todas(conexion: Connection, titular: Titular, instante_ms: int, salvo: str | None = None) -> None:
    for activa in operaciones_activas(conexion, account_id=titular.account_id, symbol=titular.symbol):
        if activa.operation_id != salvo:
            cerrar_operacion(conexion, activa.operation_id, instante_ms)


def escribir_disparo(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """The exchange has triggered the stop of the operation."""
    operacion = ultima_operacion(conexion, titular.account_id, titular.symbol)
    if operacion is None or operacion.stop_execution_token is None:
        return
    orden = apunte.contenido.get("order_id")
    evento = _evento(operacion, TipoEventoStop.STOP_TRIGGERED, apunte.instante_ms)
    anotar_evento(conexion, evento._replace(exchange_order_id=None if orden is None else str(orden)))


def escribir_ejecucion(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """Fills of a stop among the rows: they say that it was triggered, too."""
    suyas = _por_orden(apunte.contenido)
    operacion = ultima_operacion(conexion, titular.account_id, titular.symbol) if suyas else None
    if operacion is None or operacion.stop_execution_token is None:
        return
    for id_cliente, filas in suyas.items():
        fill = _fill(filas)
        anotar_evento(conexion, _evento(operacion, TipoEventoStop.STOP_TRIGGERED, fill.instante_ms))
        ejecutado = _evento(operacion, TipoEventoStop.EXECUTED, fill.instante_ms)._replace(
            quantity=fill.cantidad,
            fill_price=fill.precio,
            slippage_pct=_slippage_pct(operacion, float(fill.precio)),
        )
        anotar_ejecucion(conexion, ejecutado, Hallazgo(diario, apunte.seq, id_cliente))


def _por_orden(contenido: dict[str, Any]) -> dict[str | None, list[dict[str, Any]]]:
    """The rows of a stop by the client id of their order, as far as it is told."""
    suyas: dict[str | None, list[dict[str, Any]]] = {}
    for fila, id_cliente in filas_con_orden(contenido):
        if fila["status"] == _PROTECCION and fila["cantidad"] is not None:
            suyas.setdefault(id_cliente, []).append(fila)
    return suyas


def escribir_tamano(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """What is open after the last row is what the operation holds now: a reduction may leave its level."""
    _, *posicion = apunte.contenido["state"]["account"]
    if posicion and posicion[0]:
        cambiar_tamano(conexion, titular.account_id, titular.symbol, posicion[0], posicion[1])


class _Fill(NamedTuple):
    """Fills of one order taken together."""

    cantidad: Decimal
    precio: Decimal
    instante_ms: int


def _fill(filas: list[dict[str, Any]]) -> _Fill:
    cantidad = sum((numero(fila["cantidad"]) for fila in filas), Decimal(0))
    precio = (
        sum((numero(precio_de(fila)) * numero(fila["cantidad"]) for fila in filas), Decimal(0)) / cantidad
    )
    return _Fill(cantidad, precio, instante_de(filas[-1]))


def _evento(operacion: OperacionGuardada, tipo: TipoEventoStop, instante_ms: int) -> EventoStopNuevo:
    cierra = LadoOperacion.SELL if operacion.side is LadoOperacion.BUY else LadoOperacion.BUY
    return EventoStopNuevo(
        str(operacion.stop_execution_token),
        tipo,
        instante_ms,
        operacion.symbol,
        FuenteStop.WS,
        operacion.operation_id,
        operacion.client_id,
        trigger_price=operacion.stop_price,
        stop_price=operacion.stop_price,
        quantity=operacion.quantity,
        side=cierra.value,
    )


def _slippage_pct(operacion: OperacionGuardada, precio: float) -> float | None:
    """How much worse than its stop, or a target that lies nearer, it was filled; percent, < 0 is better."""
    disparos = [float(p) for p in (operacion.stop_price, operacion.target_price) if p is not None]
    if not disparos:
        return None
    disparo = min(disparos, key=lambda p: abs(p - precio))
    return slippage_pct(disparo, precio, largo=operacion.side is LadoOperacion.BUY)
