"""The life of one order: a pure fold over what is known to have happened to it.

Facts may come late, twice or out of order. One that says no more than what is known changes
nothing; one that contradicts it is an error. What was executed never shrinks.

```
INTENCION ── ENVIADA ─┬─ ACEPTADA ── PARCIAL ─┬─ EJECUTADA
                │     ├─ RECHAZADA            └─ CANCELADA
             INCIERTA ┤
                │     └─ (any of the above, once the exchange tells)
             AUSENTE ─┬─ ENVIADA  (the next attempt, same client id)
                      └─ RECHAZADA
```
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, assert_never

from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden

_TOLERANCIA_RELATIVA = 1e-9


class EstadoVida(StrEnum):
    """How far an order is known to have come."""

    INTENCION = "intencion"  # written down, not sent
    ENVIADA = "enviada"  # on its way; no answer yet
    ACEPTADA = "aceptada"  # the exchange has it, nothing filled
    PARCIAL = "parcial"  # a part is filled, the rest may still be
    EJECUTADA = "ejecutada"  # wholly filled
    RECHAZADA = "rechazada"  # never an order at the exchange
    CANCELADA = "cancelada"  # ended by the exchange or by hand before it was wholly filled
    INCIERTA = "incierta"  # sent, and not known whether the exchange took it
    AUSENTE = "ausente"  # sent, and proved not to have arrived


_TERMINALES = frozenset({EstadoVida.EJECUTADA, EstadoVida.RECHAZADA, EstadoVida.CANCELADA})
_EN_LA_BOLSA = frozenset({EstadoVida.ACEPTADA, EstadoVida.PARCIAL})
_SIN_RESPUESTA = frozenset({EstadoVida.INTENCION, EstadoVida.ENVIADA})
_RANGO = {
    EstadoVida.ACEPTADA: 1,
    EstadoVida.PARCIAL: 2,
    EstadoVida.EJECUTADA: 3,
    EstadoVida.CANCELADA: 3,
}


class VidaOrden(NamedTuple):
    """One order and all that is known of it."""

    id_cliente: str
    simbolo: str
    lado: LadoOrden
    cantidad: float  # base asset, > 0
    solo_reduce: bool
    ficha: str  # names the decision and the order within it
    posicion_previa: float | None = None  # signed quantity held before it; ``None`` when nobody said
    intentos: int = 0  # how many times it was sent, each after proof that the one before did not arrive
    estado: EstadoVida = EstadoVida.INTENCION
    ejecutada: float = 0.0  # base asset, >= 0
    precio_medio: float | None = None
    id_bolsa: int | None = None
    motivo: str = ""  # why it was refused, or in which of the exchange's words it ended
    codigo: int | None = None  # the exchange's error code of a refusal
    aplana: bool = False  # an exit that the exchange is not told to be one

    @property
    def es_salida(self) -> bool:
        """Whether it closes what is open, and so waits for no disk."""
        return self.solo_reduce or self.aplana

    @property
    def orden(self) -> Orden:
        """What goes to the exchange."""
        return Orden(self.simbolo, self.lado, self.cantidad, self.solo_reduce, self.id_cliente)

    @property
    def terminada(self) -> bool:
        """Whether nothing more can become of it."""
        return self.estado in _TERMINALES

    @property
    def abierta(self) -> bool:
        """Whether the exchange has it and may still fill it."""
        return self.estado in _EN_LA_BOLSA

    @property
    def incierta(self) -> bool:
        """Whether it is not known if the exchange took it."""
        return not self.terminada and not self.abierta


class Enviada(NamedTuple):
    """It goes to the exchange, for the first time or again."""

    intento: int  # from 1


class Vista(NamedTuple):
    """The exchange said how the order stands."""

    estado: EstadoVida  # ACEPTADA, PARCIAL, EJECUTADA or CANCELADA
    id_bolsa: int
    ejecutada: float = 0.0  # base asset, >= 0
    precio_medio: float | None = None
    motivo: str = ""  # the exchange's word for how it ended


class Rechazada(NamedTuple):
    """It is no order and never will be."""

    motivo: str
    codigo: int | None = None


class Incierta(NamedTuple):
    """No answer that proves anything."""

    motivo: str


class Ausente(NamedTuple):
    """It was looked for until it could no longer arrive, and is not there."""


Hecho = Enviada | Vista | Rechazada | Incierta | Ausente


def avanzar(vida: VidaOrden, hecho: Hecho) -> VidaOrden:
    """What is known of an order after one more fact; the same object when nothing is new.

    Raises:
        ValueError: The fact contradicts what is known.
    """
    match hecho:
        case Enviada():
            return _enviar(vida, hecho)
        case Vista():
            return _ver(vida, hecho)
        case Rechazada():
            return _rechazar(vida, hecho)
        case Incierta(motivo=motivo):
            if vida.estado not in _SIN_RESPUESTA:
                return vida
            return vida._replace(estado=EstadoVida.INCIERTA, motivo=motivo)
        case Ausente():
            return _ausentar(vida, hecho)
        case _:
            assert_never(hecho)


def _enviar(vida: VidaOrden, hecho: Enviada) -> VidaOrden:
    if hecho.intento <= vida.intentos:
        return vida
    puede = vida.estado in (EstadoVida.INTENCION, EstadoVida.AUSENTE)
    if not puede or hecho.intento != vida.intentos + 1:
        raise _contradice(vida, hecho)
    return vida._replace(estado=EstadoVida.ENVIADA, intentos=hecho.intento, motivo="")


def _ver(vida: VidaOrden, hecho: Vista) -> VidaOrden:
    tolerancia = vida.cantidad * _TOLERANCIA_RELATIVA
    mas, menos = hecho.ejecutada > vida.ejecutada + tolerancia, hecho.ejecutada < vida.ejecutada - tolerancia
    imposible = hecho.estado not in _RANGO or hecho.ejecutada > vida.cantidad + tolerancia
    if imposible or vida.estado is EstadoVida.RECHAZADA:
        raise _contradice(vida, hecho)
    antes, ahora = _RANGO.get(vida.estado, 0), _RANGO[hecho.estado]
    if ahora < antes or (ahora == antes and not vida.terminada and not mas):
        if mas:
            raise _contradice(vida, hecho)
        return vida
    if vida.terminada:
        if mas or menos or hecho.estado is not vida.estado:
            raise _contradice(vida, hecho)
        return vida
    if menos:
        raise _contradice(vida, hecho)
    return vida._replace(
        estado=hecho.estado,
        ejecutada=hecho.ejecutada,
        precio_medio=hecho.precio_medio or vida.precio_medio,
        id_bolsa=hecho.id_bolsa,
        motivo=hecho.motivo,
    )


def _rechazar(vida: VidaOrden, hecho: Rechazada) -> VidaOrden:
    if vida.estado is EstadoVida.RECHAZADA:
        return vida
    if vida.terminada or vida.estado is EstadoVida.PARCIAL:
        raise _contradice(vida, hecho)
    return vida._replace(estado=EstadoVida.RECHAZADA, motivo=hecho.motivo, codigo=hecho.codigo)


def _ausentar(vida: VidaOrden, hecho: Ausente) -> VidaOrden:
    if vida.estado in _SIN_RESPUESTA:
        raise _contradice(vida, hecho)
    if vida.estado is not EstadoVida.INCIERTA:
        return vida
    return vida._replace(estado=EstadoVida.AUSENTE)


def _contradice(vida: VidaOrden, hecho: Hecho) -> ValueError:
    return ValueError(
        f"order {vida.id_cliente} is {vida.estado.value} ({vida!r}); it cannot become {hecho!r}"
    )
