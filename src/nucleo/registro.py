"""The rows of the session CSV: built here for evaluation and for the daemon, so that they mean the same.

A row is written at each closed candle after its decision was carried out, and at each fill between
candles. From one row to the next the balance moves by ``pnl_realizado + pnl_parcial − comision`` of
the later row and by the funding settled in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from src.nucleo.accion import Interpretacion
from src.nucleo.cartera import equity_de, margen_de, pnl_no_realizado
from src.nucleo.columnas import REGISTRO
from src.nucleo.contabilidad import Contabilidad, Movimiento, TradeActivo
from src.nucleo.observacion import exposicion_de, recortar
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.tipos import EstadoCuenta, Operacion, Posicion, TipoAccion

Celda = str | float | int | bool | None
"""A value of a row; ``None`` is an empty cell, which says that the column does not apply."""

Fila = dict[str, Celda]


class StatusFila(StrEnum):
    """What a row is about."""

    OK = "ok"  # a closed candle whose decision was carried out, or kept the position
    RECHAZADA = "rechazada"  # a closed candle whose order was not sent or was refused
    PROTECCION = "proteccion"  # between candles: a stop or target was filled
    LIQUIDACION = "liquidacion"  # between candles: the exchange closed the position
    MANUAL = "manual"  # between candles: someone else traded the symbol
    EMERGENCIA = "emergencia"  # between candles: the emergency protocol closed the position
    FIN = "fin"  # a closed candle on which nothing was decided, because the run had ended


class Resultado(StrEnum):
    """What became of a decision."""

    EJECUTADA = "ejecutada"
    RECHAZADA = "rechazada"
    INCIERTA = "incierta"  # sent, and not known whether it was accepted
    NINGUNA = "ninguna"  # nothing to send


class Momento(NamedTuple):
    """Where in the run a row stands."""

    paso: int  # closed candles acted on so far, from 1; a fill between candles repeats it
    instante_ms: int  # close of the candle (the next one's open time), or time of the fill
    precio: float  # close of the candle, or price of the fill
    status: StatusFila
    episodio: int = 1
    recompensa: float | None = None  # of the step that ended at this candle
    terminated: bool = False
    truncated: bool = False


class Decision(NamedTuple):
    """What was wanted and what became of it; a fill between candles has no action."""

    operacion: Operacion
    resultado: Resultado
    error: str = ""
    accion: float | None = None
    interpretacion: Interpretacion | None = None


class Anotacion(NamedTuple):
    """One row, and the counts after it."""

    contabilidad: Contabilidad
    fila: Fila


def construir_info(
    momento: Momento,
    decision: Decision,
    movimiento: Movimiento,
    riesgo: EstadoRiesgo,
    contabilidad: Contabilidad,
    apalancamiento: float,
) -> Anotacion:
    """Build one row of the session CSV.

    Args:
        momento: Where the row stands.
        decision: What was wanted and what became of it.
        movimiento: The account before and after it, and the fills.
        riesgo: The drawdown monitor after the last mark update.
        contabilidad: The counts before it; the closed candle already aged them.
        apalancamiento: Leverage, for margin and exposure.

    Returns:
        The 42 columns of `columnas.REGISTRO`, in order, and the counts after the row.
    """
    despues = contabilidad.contabilizar(movimiento)
    fila = (
        _entorno(momento, decision.accion)
        | _portafolio(momento.precio, movimiento.despues, riesgo, despues)
        | _decision(decision)
        | _operacion(movimiento, contabilidad.activo or despues.activo)
        | _dinero(momento.precio, movimiento, apalancamiento)
    )
    return Anotacion(despues, {columna: fila[columna] for columna in REGISTRO})


def _entorno(momento: Momento, accion: float | None) -> Fila:
    return {
        "timestamp": texto_utc(momento.instante_ms),
        "paso": momento.paso,
        "episodio": momento.episodio,
        "action": accion,
        "precio": momento.precio,
        "recompensa": momento.recompensa,
        "terminated": momento.terminated,
        "truncated": momento.truncated,
        "status": momento.status.value,
    }


def _portafolio(precio: float, cuenta: EstadoCuenta, riesgo: EstadoRiesgo, cuentas: Contabilidad) -> Fila:
    posicion, activo, equity = cuenta.posicion, cuentas.activo, equity_de(cuenta, precio)
    return {
        "balance": cuenta.saldo,
        "equity": equity,
        "max_drawdown": riesgo.drawdown_con(equity),
        "operaciones_total": cuentas.operaciones_total,
        "pnl_total": cuentas.pnl_total,
        "posicion_abierta": posicion is not None,
        "trade_id_activo": activo.trade_id if activo else None,
        "tipo_posicion_activa": _lado(posicion),
        "precio_entrada_activa": posicion.precio_entrada if posicion else None,
        "cantidad_activa": abs(posicion.cantidad) if posicion else None,
        "velas_activa": activo.velas if activo else None,
        "pnl_no_realizado": pnl_no_realizado(cuenta, precio),
    }


def _decision(decision: Decision) -> Fila:
    interpretacion = decision.interpretacion
    return {
        "tipo_accion": interpretacion.tipo_accion.value if interpretacion else None,
        "operacion": decision.operacion.value,
        "resultado": decision.resultado.value,
        "error": decision.error or None,
    }


def _operacion(movimiento: Movimiento, activo: TradeActivo | None) -> Fila:
    """Which position was traded, at which prices, and how much of it."""
    fila: Fila = dict.fromkeys(_COLUMNAS_OPERACION)
    posicion = movimiento.despues.posicion or movimiento.antes.posicion
    if not movimiento.ejecuciones or posicion is None or activo is None:
        return fila
    antes, despues = abs(movimiento.antes.cantidad), abs(movimiento.despues.cantidad)
    cantidad = movimiento.cantidad
    fila |= {
        "trade_id": activo.trade_id,
        "tipo_posicion": _lado(posicion),
        "precio_entrada": posicion.precio_entrada,
        "cantidad": cantidad,
    }
    if despues > antes:
        return fila | {"cantidad_adicional": cantidad if antes else None, "cantidad_total": despues}
    fila |= {"precio_salida": movimiento.precio_medio, "cantidad_reducida": cantidad}
    if despues > 0.0:
        return fila | {"cantidad_restante": despues}
    return fila | {"velas_abiertas": activo.velas}


def _dinero(precio: float, movimiento: Movimiento, apalancamiento: float) -> Fila:
    """What was paid, earned, tied up and set free; 0.0 when nothing was filled."""
    cuenta = movimiento.despues
    margen_antes = margen_de(movimiento.antes, precio, apalancamiento)
    margen_despues = margen_de(cuenta, precio, apalancamiento)
    exposicion = exposicion_de(cuenta.cantidad, precio, equity_de(cuenta, precio), apalancamiento)
    return {
        "porcentaje_inversion": abs(recortar(exposicion)),
        "comision": movimiento.comision,
        "slippage": movimiento.slippage(precio),
        "margen": margen_despues,
        "margen_liberado": max(0.0, margen_antes - margen_despues),
        "pnl_realizado": movimiento.pnl if cuenta.posicion is None else 0.0,
        "pnl_parcial": movimiento.pnl if cuenta.posicion is not None else 0.0,
    }


_COLUMNAS_OPERACION = (
    *("trade_id", "tipo_posicion", "precio_entrada", "precio_salida", "cantidad", "cantidad_adicional"),
    *("cantidad_total", "cantidad_restante", "cantidad_reducida", "velas_abiertas"),
)


def _lado(posicion: Posicion | None) -> str | None:
    if posicion is None:
        return None
    return TipoAccion.LONG.value if posicion.cantidad > 0 else TipoAccion.SHORT.value


def texto_utc(instante_ms: int) -> str:
    """An instant as the CSV writes it: ``2024-01-31T08:00:00.000Z``."""
    instante = datetime.fromtimestamp(instante_ms / 1000, UTC)
    return instante.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def texto_de(celda: Celda) -> str:
    """A cell as the CSV writes it; floats keep every digit, an empty cell is an empty text."""
    if celda is None:
        return ""
    if isinstance(celda, bool):
        return "true" if celda else "false"
    return repr(celda) if isinstance(celda, float) else str(celda)


def textos_de(fila: Mapping[str, Celda]) -> list[str]:
    """A row's 42 cells as text, in the order of `columnas.REGISTRO`."""
    return [texto_de(fila[columna]) for columna in REGISTRO]
