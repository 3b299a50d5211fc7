"""From what protects a position at the exchange to what should: one request after the other, never bare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from src.nucleo.stops import (
    Cancelar,
    Colocar,
    Paso,
    StopVivo,
    TipoStop,
    lado_que_protege,
    que_cierran,
    siguiente_paso,
    siguiente_paso_por_cantidad,
)


class Deseo(NamedTuple):
    """What should live at the exchange; nothing of it when flat."""

    cantidad: float  # held, base asset, signed; 0.0 when flat
    nivel: float | None = None  # trigger of the stop that closes the whole position
    freno: float | None = None  # trigger of the stop that trails, reduce-only
    objetivo: float | None = None  # trigger of the order that takes the profit, reduce-only
    trozos: tuple[float, ...] = ()  # unsigned quantities, where one order may not be as large as the position

    @property
    def partes(self) -> tuple[float, ...]:
        """Unsigned quantities of the reduce-only orders at one price."""
        return self.trozos or (abs(self.cantidad),)

    def quiere(self, vivo: StopVivo, *, ocupado: bool = False) -> bool:
        """Whether an order that lives at the exchange is one of those wanted, whatever its quantity."""
        if self.cantidad == 0.0 or vivo.lado is not lado_que_protege(self.cantidad):
            return False
        if vivo.tipo is TipoStop.TAKE_PROFIT_MARKET:
            return vivo.gatillo == self.objetivo
        if vivo.cantidad is None:
            return vivo.gatillo == self.nivel
        return vivo.gatillo == (self.nivel if ocupado and self.freno is None else self.freno)


class _Reparto(NamedTuple):
    """Orders at one price, held against the quantities wanted there."""

    estan: tuple[StopVivo, ...]
    falta: float | None  # quantity of the next one to be placed; ``None`` when all are there


def siguiente_de(deseo: Deseo, vivos: Sequence[StopVivo], *, ocupado: bool = False) -> Paso | None:
    """What brings the exchange one step nearer to what is wanted; ``None`` when nothing is left to do.

    What protects is placed before what it replaces is cancelled. The stop that closes the whole position
    comes first: with it, everything else may fail. It cannot be placed beside another one like it, so that
    moving it takes a bridge, unless the trailing stops cover the position already.

    Args:
        deseo: What should live.
        vivos: All of ours that wait at the exchange now.
        ocupado: Whether somebody else's stop that closes the whole position takes the place of ours.
    """
    if deseo.cantidad == 0.0:
        return Cancelar(vivos[0].id_cliente) if vivos else None
    frenos = _repartir(deseo, vivos, TipoStop.STOP_MARKET, deseo.freno)
    metas = _repartir(deseo, vivos, TipoStop.TAKE_PROFIT_MARKET, deseo.objetivo)
    resto = [vivo for vivo in vivos if vivo not in frenos.estan and vivo not in metas.estan]
    cierre = _cerrar(deseo, resto, ocupado=ocupado)
    if isinstance(cierre, Colocar) and cierre.cantidad is None:
        return cierre
    if deseo.freno is not None and frenos.falta is not None:
        return Colocar(frenos.falta, deseo.freno)
    if isinstance(cierre, Colocar):
        # Where the trailing stops cover the position, moving the one that closes it takes no bridge.
        return cierre if deseo.freno is None else _ceder(deseo, resto)
    if deseo.objetivo is not None and metas.falta is not None:
        return Colocar(metas.falta, deseo.objetivo, TipoStop.TAKE_PROFIT_MARKET)
    return cierre


def _cerrar(deseo: Deseo, resto: Sequence[StopVivo], *, ocupado: bool) -> Paso | None:
    """The next step of the stop that closes the whole position, and of what is left over."""
    if deseo.nivel is None or (ocupado and deseo.freno is not None):
        return Cancelar(resto[0].id_cliente) if resto else None
    siguiente = siguiente_paso_por_cantidad if ocupado else siguiente_paso
    return siguiente(deseo.cantidad, deseo.nivel, resto, deseo.trozos)


def _ceder(deseo: Deseo, resto: Sequence[StopVivo]) -> Paso | None:
    viejo = next(iter(que_cierran(lado_que_protege(deseo.cantidad), resto)), None)
    return Cancelar(viejo.id_cliente) if viejo is not None else None


def _repartir(deseo: Deseo, vivos: Sequence[StopVivo], tipo: TipoStop, gatillo: float | None) -> _Reparto:
    """Which of the orders at a price are wanted there, and what is missing; the others are left over."""
    lado, faltan = lado_que_protege(deseo.cantidad), Counter(deseo.partes)
    estan = []
    for vivo in vivos:
        en_su_sitio = vivo.lado is lado and vivo.tipo is tipo and vivo.gatillo == gatillo
        if en_su_sitio and vivo.cantidad is not None and faltan[vivo.cantidad] > 0:
            faltan[vivo.cantidad] -= 1
            estan.append(vivo)
    return _Reparto(tuple(estan), next(iter(+faltan), None))
