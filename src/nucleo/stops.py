"""Resident stops: at which price, and what to do next so that exactly one covers the position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from math import fsum
from typing import NamedTuple

from src.nucleo.cartera import CuentaPlana, aplanar, liquidacion_en
from src.nucleo.dinero import al_tick
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Mercado

FRACCION_LIQUIDACION = 0.8
"""Unless told otherwise, a catastrophe stop lies this far on the way from the entry to liquidation."""

_DUDA_SUMA = 1e-9
"""Part of a sum of quantities that may be missing: far less than a lot of any position."""


class TipoProteccion(StrEnum):
    """What protects a position; words of the artefact's ``proteccion``."""

    NINGUNA = "ninguna"
    CATASTROFE = "catastrofe"
    FIJA = "fija"
    NIVELES = "niveles"
    HAND_SPAN = "hand_span"
    PORCENTAJE = "porcentaje"


class TipoStop(StrEnum):
    """Binance's words for a conditional market order: which way the mark must go to trigger it."""

    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"


class OrdenStop(NamedTuple):
    """A stop that lives at the exchange and becomes a market order when the mark reaches its trigger."""

    simbolo: str
    lado: LadoOrden  # of the market order: SELL protects a long
    gatillo: float  # trigger price, on the symbol's tick
    cantidad: float | None  # base asset, > 0, reduce-only; ``None`` closes the whole position
    id_cliente: str
    tipo: TipoStop = TipoStop.STOP_MARKET


def nivel_catastrofe(
    cuenta: EstadoCuenta,
    precio: float,
    equity_maximo: float,
    limite: float,
    mercado: Mercado,
    fraccion_liquidacion: float = FRACCION_LIQUIDACION,
) -> float | None:
    """The price at which a position has to be given up, whoever is there to see it.

    It is the nearer to the market of the price where the equity meets the drawdown limit and a point on the
    way from the entry to the liquidation price, on the tick, rounded towards the market.

    Args:
        cuenta: The account after the decision.
        precio: Close of the candle that was decided on.
        equity_maximo: The drawdown monitor's peak at that decision.
        limite: Drawdown limit, fraction of the peak.
        mercado: Brackets and tick.
        fraccion_liquidacion: Part of the way to liquidation, above 0 and below 1.

    Returns:
        ``None`` when flat, or when no positive price would do it.
    """
    saldo, cantidad, entrada = aplanar(cuenta)
    if cantidad == 0.0:
        return None
    return nivel_en(saldo, cantidad, entrada, precio, equity_maximo, limite, mercado, fraccion_liquidacion)


def nivel_en(
    saldo: float,
    cantidad: float,
    entrada: float,
    precio: float,
    equity_maximo: float,
    limite: float,
    mercado: Mercado,
    fraccion_liquidacion: float,
) -> float | None:
    """`nivel_catastrofe` on plain numbers, of an open position."""
    larga = cantidad > 0.0
    nivel = entrada + (equity_maximo * (1.0 - limite) - saldo) / cantidad
    liquidacion = liquidacion_en(saldo, cantidad, entrada, precio, mercado.tramos)
    if liquidacion is not None:
        # A wallet that does not cover the maintenance at the entry is liquidated in profit.
        inicio = entrada if (liquidacion < entrada) is larga else precio
        antes = inicio + fraccion_liquidacion * (liquidacion - inicio)
        if nivel <= 0.0 or (antes > nivel) is larga:
            nivel = antes
    return al_tick(nivel, mercado.filtros.escala_precio, hacia_arriba=larga)


def renovar_nivel(
    nivel: float | None,
    antes: EstadoCuenta,
    despues: EstadoCuenta,
    precio: float,
    equity_maximo: float,
    limite: float,
    mercado: Mercado,
    fraccion_liquidacion: float = FRACCION_LIQUIDACION,
) -> float | None:
    """The level after a decision's fills; within one operation it only ever tightens.

    Args:
        nivel: The level before them.
        antes: The account before them.
        despues: The account after them.
        precio: As for `nivel_catastrofe`, like the rest.
        equity_maximo: The monitor's peak.
        limite: Drawdown limit.
        mercado: Brackets and tick.
        fraccion_liquidacion: Part of the way to liquidation.
    """
    return renovar_en(
        nivel,
        antes.cantidad,
        aplanar(despues),
        precio,
        equity_maximo,
        limite,
        mercado,
        fraccion_liquidacion,
    )


def renovar_en(
    nivel: float | None,
    antes: float,
    despues: CuentaPlana,
    precio: float,
    equity_maximo: float,
    limite: float,
    mercado: Mercado,
    fraccion_liquidacion: float,
) -> float | None:
    """`renovar_nivel` on plain numbers; ``antes`` is the signed quantity held before the fills."""
    saldo, cantidad, entrada = despues
    if cantidad == 0.0:
        return None
    mismo_lado = antes * cantidad > 0.0
    if mismo_lado and abs(cantidad) <= abs(antes):
        return nivel
    nuevo = nivel_en(saldo, cantidad, entrada, precio, equity_maximo, limite, mercado, fraccion_liquidacion)
    if nivel is None or not mismo_lado:
        return nuevo
    if nuevo is None:
        return nivel
    return max(nivel, nuevo) if cantidad > 0.0 else min(nivel, nuevo)


def cruzado(nivel: float, cantidad: float, precio: float) -> bool:
    """Whether a price has reached the level of a position, given as its signed quantity."""
    return precio <= nivel if cantidad > 0.0 else precio >= nivel


class StopVivo(NamedTuple):
    """One of our stops that waits at the exchange."""

    id_cliente: str
    gatillo: float
    cantidad: float | None  # base asset, > 0; ``None`` when it closes the whole position
    lado: LadoOrden
    tipo: TipoStop = TipoStop.STOP_MARKET


class Colocar(NamedTuple):
    """Place a stop, on the side that protects the position."""

    cantidad: float | None  # base asset, > 0, reduce-only; ``None`` closes the whole position
    gatillo: float
    tipo: TipoStop = TipoStop.STOP_MARKET


class Cancelar(NamedTuple):
    """Cancel a stop."""

    id_cliente: str


Paso = Colocar | Cancelar


def lado_que_protege(cantidad: float) -> LadoOrden:
    """Side of a stop that protects a position, given as its signed quantity."""
    return LadoOrden.SELL if cantidad > 0.0 else LadoOrden.BUY


def que_cierran(lado: LadoOrden, vivos: Sequence[StopVivo]) -> list[StopVivo]:
    """The stops on a side that close the whole position."""
    return [v for v in vivos if v.lado is lado and v.cantidad is None and v.tipo is TipoStop.STOP_MARKET]


def siguiente_paso(
    cantidad: float, nivel: float | None, vivos: Sequence[StopVivo], trozos: Sequence[float] = ()
) -> Paso | None:
    """What brings the exchange one step nearer to one stop at the level that closes the whole position.

    The exchange refuses a second such stop in the same direction, so that moving one takes a bridge: a
    reduce-only stop at the new level stands in while the old one gives way to the new one.

    Args:
        cantidad: Signed quantity held; 0.0 when flat.
        nivel: Trigger wanted; ``None`` when no price calls for a stop.
        vivos: All of ours that wait at the exchange now.
        trozos: Unsigned quantities of a bridge's stops, where one order may not be as large as the position;
            one for all of it unless given.

    Returns:
        ``None`` when nothing is left to do. Whatever became of a step, the next call begins with what lives.
    """
    if cantidad == 0.0 or nivel is None:
        return Cancelar(vivos[0].id_cliente) if vivos else None
    lado = lado_que_protege(cantidad)
    cierran = que_cierran(lado, vivos)
    buscado = next((vivo for vivo in cierran if vivo.gatillo == nivel), None)
    if buscado is not None:
        sobra = next((vivo for vivo in vivos if vivo is not buscado), None)
        return Cancelar(sobra.id_cliente) if sobra is not None else None
    if not cierran:
        return Colocar(None, nivel)
    falta = _falta_del_puente(abs(cantidad), _puente(lado, nivel, vivos), trozos)
    return Cancelar(cierran[0].id_cliente) if falta is None else Colocar(falta, nivel)


def siguiente_paso_por_cantidad(
    cantidad: float, nivel: float, vivos: Sequence[StopVivo], trozos: Sequence[float] = ()
) -> Paso | None:
    """`siguiente_paso` of an open position where somebody else's stop that closes all of it takes the place.

    The bridge then stays.
    """
    puente = _puente(lado_que_protege(cantidad), nivel, vivos)
    falta = _falta_del_puente(abs(cantidad), puente, trozos)
    if falta is not None:
        return Colocar(falta, nivel)
    for vivo in vivos:
        if vivo not in puente or cubren(cantidad, [otro for otro in puente if otro is not vivo]):
            return Cancelar(vivo.id_cliente)
    return None


def cubren(cantidad: float, vivos: Sequence[StopVivo]) -> bool:
    """Whether stops, at whatever level, would together close a position, given as its signed quantity."""
    lado = lado_que_protege(cantidad)
    cantidades = [v.cantidad for v in vivos if v.lado is lado and v.tipo is TipoStop.STOP_MARKET]
    if None in cantidades:
        return True
    return fsum(c for c in cantidades if c is not None) >= abs(cantidad) * (1.0 - _DUDA_SUMA)


def _puente(lado: LadoOrden, nivel: float, vivos: Sequence[StopVivo]) -> list[StopVivo]:
    return [
        v
        for v in vivos
        if v.lado is lado and v.gatillo == nivel and v.cantidad is not None and v.tipo is TipoStop.STOP_MARKET
    ]


def _falta_del_puente(total: float, puente: Sequence[StopVivo], trozos: Sequence[float]) -> float | None:
    """Quantity of the next stop that a bridge needs; ``None`` when it stands in for the whole position."""
    cantidades = [vivo.cantidad for vivo in puente if vivo.cantidad is not None]
    if fsum(cantidades) >= total * (1.0 - _DUDA_SUMA):
        return None
    faltan = Counter(trozos or (total,)) - Counter(cantidades)
    return next(iter(faltan), None)
