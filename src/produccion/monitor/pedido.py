"""What a person wants of a position, checked, and when that position was opened."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import fsum
from typing import NamedTuple

from src.nucleo.dinero import al_tick_si_cabe
from src.nucleo.disparos import Niveles, comprobar_precio, stop_de_porcentaje
from src.nucleo.errores import DatosInvalidos, StopFueraDeFiltro, StopMalLado
from src.nucleo.frenos import es_mal_lado
from src.nucleo.tipos import Filtros, Posicion
from src.produccion.puertos import Transaccion

_DUDA = 1e-9


class Pedido(NamedTuple):
    """What a person wants of a position."""

    simbolo: str
    stop: float | None  # quote asset; or
    stop_pct: float | None  # percent of the entry
    objetivo: float | None


def apertura_ms(filas: Sequence[Transaccion], cantidad: float) -> int | None:
    """When a position left flat, or the other side; ``None`` when the fills do not reach so far back."""
    for indice in range(len(filas) - 1, -1, -1):
        antes = cantidad - fsum(fila.cantidad for fila in filas[indice:])
        if antes * cantidad <= cantidad * cantidad * _DUDA:
            return filas[indice].instante_ms
    return None


def niveles_de(pedido: Pedido, posicion: Posicion, mark: float, filtros: Filtros) -> Niveles:
    """The absolute prices, on the tick and on the right sides of the mark.

    Raises:
        EntradaInvalida: They are not; the text names the price and what it should be.
    """
    largo = posicion.cantidad > 0
    if (pedido.stop is None) is (pedido.stop_pct is None):
        raise DatosInvalidos("give either --stop or --stop-loss-percent")
    if pedido.stop is not None:
        stop = comprobar_precio("--stop", pedido.stop)
    else:
        entrada = Decimal(repr(posicion.precio_entrada))
        stop = float(stop_de_porcentaje(entrada, Decimal(str(pedido.stop_pct)), largo=largo))
    en_tick = al_tick_si_cabe(stop, filtros.escala_precio, hacia_arriba=not largo)
    if en_tick is None:
        raise StopFueraDeFiltro(
            f"Stop {stop} is outside the price filter: it must be {filtros.escala_precio.alcance}"
        )
    lado = "LONG" if largo else "SHORT"
    if es_mal_lado(en_tick, mark, largo=largo):
        donde = "below" if largo else "above"
        raise StopMalLado(
            f"Stop {en_tick} is on the wrong side of the mark {mark}: a {lado} needs it {donde}"
        )
    if pedido.objetivo is None:
        return Niveles(largo, en_tick, None)
    objetivo = comprobar_precio("--target", pedido.objetivo)
    en_tick_objetivo = al_tick_si_cabe(objetivo, filtros.escala_precio, hacia_arriba=largo)
    if en_tick_objetivo is None:
        raise StopFueraDeFiltro(
            f"Target {objetivo} is outside the price filter: it must be {filtros.escala_precio.alcance}"
        )
    if es_mal_lado(en_tick_objetivo, mark, largo=not largo):
        donde = "above" if largo else "below"
        raise StopMalLado(
            f"Target {objetivo} is on the wrong side of the mark {mark}: a {lado} needs it {donde}"
        )
    return Niveles(largo, en_tick, en_tick_objetivo)
