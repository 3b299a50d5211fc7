"""What protects a position: the catastrophe level, and the brake that trails the market before it."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from src.nucleo.cartera import CuentaPlana
from src.nucleo.dinero import al_tick, al_tick_si_cabe
from src.nucleo.errores import StopFueraDeFiltro, StopMalLado
from src.nucleo.frenos import AJUSTE_MANUAL, Freno, ReglaFreno, ajustar, apretar, nuevo_freno
from src.nucleo.stops import FRACCION_LIQUIDACION, TipoProteccion, cruzado, renovar_en
from src.nucleo.tipos import EscalaPrecio, Mercado, Posicion
from src.nucleo.volatilidad import VELAS_ATR, Distancia, ModoDistancia, precio_objetivo, precio_stop


class ReglaProteccion(NamedTuple):
    """The artefact's protection."""

    tipo: TipoProteccion
    limite: float  # drawdown limit, fraction of the peak
    fraccion_liquidacion: float = FRACCION_LIQUIDACION
    freno: ReglaFreno | None = None  # ``None`` with ``ninguna`` and ``catastrofe``
    stop: Distancia | None = None  # of the initial stop from the entry; given whenever there is a brake
    objetivo: Distancia | None = None  # of the target from the entry
    velas_atr: int = VELAS_ATR
    velas_bloqueo: int = 0  # candles without entries on a side after an exit that the agent did not decide

    @property
    def usa_atr(self) -> bool:
        """Whether stop or target are measured in average true ranges."""
        return any(d is not None and d.modo is ModoDistancia.ATR for d in (self.stop, self.objetivo))


class EstadoProteccion(NamedTuple):
    """What protects the position held now; empty when flat."""

    nivel: float | None = None  # trigger of the stop that closes the whole position
    freno: Freno | None = None


SIN_PROTECCION = EstadoProteccion()
_crear = tuple.__new__  # what a NamedTuple's constructor ends in, at half its price


def tras_operar(
    estado: EstadoProteccion,
    antes: float,
    despues: CuentaPlana,
    precio: float,
    atr: float | None,
    equity_maximo: float,
    instante_ms: int,
    regla: ReglaProteccion,
    mercado: Mercado,
) -> EstadoProteccion:
    """What protects the position after a decision's fills, or after any change of its quantity.

    The catastrophe level is `stops.renovar_en`'s. A brake is born with the position, kept by a reduction, and
    on an increase only its entry moves, to the new average; then the levels lie elsewhere and count anew.

    Args:
        estado: What protected it before them.
        antes: Signed quantity before them; 0.0 when flat.
        despues: The account after them.
        precio: Close of the decided candle.
        atr: Average true range of that candle; ``None`` when it is not known or not needed.
        equity_maximo: The drawdown monitor's peak at that decision.
        instante_ms: Close instant of that candle, market time: the next candle's open time.
        regla: The artefact's protection.
        mercado: Brackets and tick.
    """
    tipo, limite, fraccion, regla_freno, _, _, _, _ = regla
    cantidad = despues[1]
    if cantidad == 0.0 or tipo is TipoProteccion.NINGUNA:
        return SIN_PROTECCION
    nivel = renovar_en(estado[0], antes, despues, precio, equity_maximo, limite, mercado, fraccion)
    if regla_freno is None and estado[1] is None:
        return _crear(EstadoProteccion, (nivel, None))
    if antes * cantidad > 0.0:
        return EstadoProteccion(nivel, _tras_cambio(estado.freno, antes, despues))
    nacido = None if regla_freno is None else _nacer(despues, precio, atr, instante_ms, regla, mercado)
    return EstadoProteccion(nivel, nacido)


def _nacer(
    despues: CuentaPlana,
    precio: float,
    atr: float | None,
    instante_ms: int,
    regla: ReglaProteccion,
    mercado: Mercado,
) -> Freno | None:
    """The brake of a position that was just opened; ``None`` when its stop would be no positive price."""
    _, cantidad, entrada = despues
    largo, tick = cantidad > 0.0, mercado.filtros.escala_precio
    stop = None if regla.stop is None else precio_stop(entrada, regla.stop, atr, tick, largo=largo)
    if stop is None:
        return None
    objetivo = None
    if regla.objetivo is not None:
        objetivo = precio_objetivo(entrada, regla.objetivo, atr, stop, tick, largo=largo)
    return nuevo_freno(entrada, stop, objetivo, precio, instante_ms, largo=largo)


def _tras_cambio(freno: Freno | None, antes: float, despues: CuentaPlana) -> Freno | None:
    _, cantidad, entrada = despues
    if freno is None or abs(cantidad) <= abs(antes):
        return freno
    return freno._replace(entrada=entrada, nivel="")


def al_mark(
    estado: EstadoProteccion, mark: float, instante_ms: int, regla: ReglaProteccion, mercado: Mercado
) -> EstadoProteccion:
    """What protects the position after one mark that triggered nothing; the same object when nothing changed.

    At a candle's close it comes after the decision on that candle, its fills and `tras_operar`.

    Args:
        estado: What protected it before.
        mark: Mark price.
        instante_ms: Market time of that price.
        regla: The artefact's protection.
        mercado: Gives the tick.
    """
    freno = estado.freno
    if freno is None or regla.freno is None:
        return estado
    nuevo = ajustar(freno, mark, instante_ms, regla.freno, mercado.filtros.escala_precio)
    return estado if nuevo is freno else EstadoProteccion(estado.nivel, nuevo)


def a_mano(
    estado: EstadoProteccion,
    posicion: Posicion,
    stop: float | None,
    objetivo: float | None,
    mark: float,
    instante_ms: int,
    mercado: Mercado,
    nivel: str = AJUSTE_MANUAL,
) -> EstadoProteccion:
    """What protects the position after somebody moved its stop, its target or both.

    Args:
        estado: What protected it before.
        posicion: The position held.
        stop: The stop wanted; ``None`` leaves it.
        objetivo: The target wanted; ``None`` leaves it.
        mark: Mark price.
        instante_ms: Market time.
        mercado: Gives the tick.
        nivel: What whoever moves the stop calls it; it counts as none of the levels.

    Raises:
        StopInaceptable: The stop is looser than the one in force, or a price is on the wrong side of the mark
            or no price at all.
    """
    largo, tick = posicion.cantidad > 0.0, mercado.filtros.escala_precio
    actual = gatillo(estado, posicion.cantidad)
    freno = estado.freno
    if freno is None:
        inicio = actual
        if actual is None and stop is not None and isfinite(stop):
            inicio = al_tick(stop, tick, hacia_arriba=not largo)
        if inicio is None:
            raise StopMalLado("a target needs a stop beside it; give a 'stop' that is a price as well")
        freno = nuevo_freno(posicion.precio_entrada, inicio, None, mark, instante_ms, largo=largo)
    elif actual is not None:
        freno = freno._replace(stop=actual)
    if stop is not None:
        freno = apretar(freno, stop, mark, tick, nivel, instante_ms)
    if objetivo is not None:
        freno = freno._replace(objetivo=_meta(objetivo, posicion.cantidad, mark, tick))
    return EstadoProteccion(estado.nivel, freno)


def _meta(objetivo: float, cantidad: float, mark: float, tick: EscalaPrecio) -> float:
    en_tick = al_tick_si_cabe(objetivo, tick, hacia_arriba=cantidad > 0.0)
    if en_tick is None:
        raise StopFueraDeFiltro(f"Target {objetivo} is outside the price filter: it must be {tick.alcance}")
    if alcanzado(en_tick, cantidad, mark):
        raise StopMalLado(f"Target {en_tick} is on the wrong side of the mark {mark}: it is reached already")
    return en_tick


def gatillo(estado: EstadoProteccion, cantidad: float) -> float | None:
    """The stop price that the market meets first; ``None`` when there is no stop.

    Args:
        estado: What protects the position.
        cantidad: Signed quantity held.
    """
    nivel, freno = estado
    if freno is None:
        return nivel
    if nivel is None:
        return freno.stop
    return max(nivel, freno.stop) if cantidad > 0.0 else min(nivel, freno.stop)


def objetivo(estado: EstadoProteccion) -> float | None:
    """The target price; ``None`` without one."""
    return None if estado.freno is None else estado.freno.objetivo


def alcanzado(objetivo: float, cantidad: float, precio: float) -> bool:
    """Whether a price has reached the target of a position, given as its signed quantity."""
    return precio >= objetivo if cantidad > 0.0 else precio <= objetivo


def ya_cruzada(estado: EstadoProteccion, cantidad: float, precio: float) -> bool:
    """Whether a price is beyond a stop or a target, so that the position has to be closed at once."""
    if estado[1] is None:
        return estado[0] is not None and cruzado(estado[0], cantidad, precio)
    stop, meta = gatillo(estado, cantidad), objetivo(estado)
    if stop is not None and cruzado(stop, cantidad, precio):
        return True
    return meta is not None and alcanzado(meta, cantidad, precio)
