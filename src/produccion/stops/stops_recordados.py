"""What the journal says of levels and stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from src.nucleo.stops import StopVivo, TipoStop
from src.nucleo.tipos import LadoOrden, Posicion
from src.produccion.diario.diario import EventoDiario

AGREGADO_NIVEL = "protection"
AGREGADO_STOP = "stop:"
"""Followed by the client id."""


class FichaStop(NamedTuple):
    """A stop of ours that may still do something."""

    id_cliente: str
    raiz: str  # its token without instant and number; empty for one that was found
    lado: LadoOrden
    gatillo: float
    cantidad: float | None  # base asset, > 0; ``None`` when it closes the whole position
    vive: bool = False  # whether the exchange was seen to have it
    tipo: TipoStop = TipoStop.STOP_MARKET

    @property
    def vivo(self) -> StopVivo:
        """The same stop as the core sees it."""
        return StopVivo(self.id_cliente, self.gatillo, self.cantidad, self.lado, self.tipo)


class NivelPuesto(NamedTuple):
    """The level of the operation that is open."""

    operacion: int  # market time at which it was first set
    nivel: float | None  # ``None`` when no positive price calls for a stop
    posicion: Posicion  # the largest one that it was set for


class MemoriaStops(NamedTuple):
    """What survives restarts: a fold of the journal."""

    puesto: NivelPuesto | None = None
    fichas: Mapping[str, FichaStop] = {}  # those not known to have ended, by client id
    hijas: frozenset[int] = frozenset()  # exchange ids of the orders that stops became
    gastadas: Mapping[str, int] = {}  # how many stops of each token have ended


def recordar_stops(eventos: Iterable[EventoDiario]) -> MemoriaStops:
    """Fold the ``protection`` and ``stop:…`` events of an account and symbol; others are passed over."""
    puesto: NivelPuesto | None = None
    fichas: dict[str, FichaStop] = {}
    hijas: set[int] = set()
    gastadas: Counter[str] = Counter()
    for evento in eventos:
        if evento.agregado == AGREGADO_NIVEL:
            puesto = leer_nivel(evento.contenido) if evento.tipo == "LEVEL_SET" else None
        if not evento.agregado.startswith(AGREGADO_STOP):
            continue
        id_cliente = evento.agregado.removeprefix(AGREGADO_STOP)
        match evento.tipo:
            case "STOP_INTENT":
                fichas[id_cliente] = _leer_ficha(id_cliente, evento.contenido)
            case "STOP_PLACED":
                ficha = fichas.get(id_cliente) or _leer_ficha(id_cliente, evento.contenido)
                fichas[id_cliente] = ficha._replace(vive=True)
            case "STOP_TRIGGERED" | "STOP_CANCELED" | "STOP_REJECTED" | "STOP_EXPIRED":
                terminada = fichas.pop(id_cliente, None)
                gastadas.update([terminada.raiz] if terminada else [])
                orden = evento.contenido.get("order_id")
                hijas.update([] if orden is None else [int(str(orden))])
    return MemoriaStops(puesto, fichas, frozenset(hijas), gastadas)


def escribir_nivel(puesto: NivelPuesto) -> dict[str, object]:
    """A level as the journal keeps it."""
    return {
        "operation": puesto.operacion,
        "level": puesto.nivel,
        "quantity": puesto.posicion.cantidad,
        "entry": puesto.posicion.precio_entrada,
    }


def leer_nivel(contenido: Mapping[str, object]) -> NivelPuesto:
    """A level from the journal."""
    nivel = contenido["level"]
    return NivelPuesto(
        int(str(contenido["operation"])),
        None if nivel is None else float(str(nivel)),
        Posicion(float(str(contenido["quantity"])), float(str(contenido["entry"]))),
    )


def escribir_ficha(ficha: FichaStop) -> dict[str, object]:
    """A stop as the journal keeps it."""
    return {
        "token": ficha.raiz,
        "side": ficha.lado.value,
        "trigger": ficha.gatillo,
        "quantity": ficha.cantidad,
        "type": ficha.tipo.value,
    }


def _leer_ficha(id_cliente: str, contenido: dict[str, object]) -> FichaStop:
    cantidad = contenido["quantity"]
    return FichaStop(
        id_cliente,
        str(contenido["token"]),
        LadoOrden(str(contenido["side"])),
        float(str(contenido["trigger"])),
        None if cantidad is None else float(str(cantidad)),
        tipo=TipoStop(str(contenido.get("type", TipoStop.STOP_MARKET))),  # early journals know stops only
    )
