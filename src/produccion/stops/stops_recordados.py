"""What the journal says of levels and stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from src.nucleo.frenos import Freno
from src.nucleo.proteccion import EstadoProteccion
from src.nucleo.stops import StopVivo, TipoStop
from src.nucleo.tipos import LadoOrden, Posicion
from src.produccion.diario.diario import EventoDiario

AGREGADO_NIVEL = "protection"
AGREGADO_STOP = "stop:"
"""Followed by the client id."""

_CLAVES_FRENO = ("entry", "long", "initial", "stop", "target", "name", "best", "opened_ms", "adjusted_ms")
"""The fields of a `Freno`, as the journal calls them."""


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
    """What protects the operation that is open."""

    operacion: int  # market time at which it was first set
    nivel: float | None  # ``None`` when no positive price calls for a stop
    posicion: Posicion  # the largest one that it was set for
    freno: Freno | None = None  # what trails the market before the level
    anterior: float | None = None  # the stop before the last one that was moved
    nivel_anterior: str = ""  # its level

    @property
    def estado(self) -> EstadoProteccion:
        """The same as the core sees it."""
        return EstadoProteccion(self.nivel, self.freno)

    def con(self, estado: EstadoProteccion) -> NivelPuesto:
        """The same operation, protected by something else."""
        nuevo = self._replace(nivel=estado.nivel, freno=estado.freno)
        viejo = self.freno
        if viejo is None or estado.freno is None or viejo.stop == estado.freno.stop:
            return nuevo
        return nuevo._replace(anterior=viejo.stop, nivel_anterior=viejo.nivel)


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
        "brake": _escribir_freno(puesto.freno),
        "previous_stop": puesto.anterior,
        "previous_level": puesto.nivel_anterior,
    }


def leer_nivel(contenido: Mapping[str, object]) -> NivelPuesto:
    """A level from the journal."""
    nivel, anterior = contenido["level"], contenido.get("previous_stop")
    return NivelPuesto(
        int(str(contenido["operation"])),
        None if nivel is None else float(str(nivel)),
        Posicion(float(str(contenido["quantity"])), float(str(contenido["entry"]))),
        _leer_freno(contenido.get("brake")),
        None if anterior is None else float(str(anterior)),
        str(contenido.get("previous_level", "")),
    )


def _escribir_freno(freno: Freno | None) -> dict[str, object] | None:
    if freno is None:
        return None
    return dict(zip(_CLAVES_FRENO, freno, strict=True))


def _leer_freno(crudo: object) -> Freno | None:
    if not isinstance(crudo, Mapping):
        return None
    return Freno(*(crudo[clave] for clave in _CLAVES_FRENO))


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
