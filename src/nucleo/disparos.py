"""When a stop or a target has been reached, what its execution is called, and what guards it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import NamedTuple

from src.nucleo.disyuntores import ClaseDisyuntor, EstadoDisyuntor, ReglaDisyuntor
from src.nucleo.errores import DatosInvalidos

ESPERA_RESIDENTE_MS = 3_000
"""How long the mark stays beyond a stop that lives at the exchange before somebody else acts for it."""

PRECIO_VIEJO_MS = 30_000
"""A price older than this says nothing about now."""

ENFRIAMIENTO_MS = 300_000
"""How long the breaker of failed executions is open before one may prove that it works again."""

REGLA_EJECUCIONES = ReglaDisyuntor(1.0, 3, ENFRIAMIENTO_MS, sanas=1, exito_cierra=True)
"""Of the breaker that failed executions of stops open; one that succeeds closes it: exits are never held."""


class Disparo(StrEnum):
    """What a price has reached, as stored and shown."""

    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"


class Niveles(NamedTuple):
    """The absolute prices that end an operation, quote asset; a percentage is never one."""

    largo: bool
    stop: float | None
    objetivo: float | None

    def alcanzado(self, precio: float) -> Disparo | None:
        """What a price reaches; the stop before the target."""
        if self.stop is not None and (precio <= self.stop if self.largo else precio >= self.stop):
            return Disparo.STOP_LOSS
        if self.objetivo is not None and (precio >= self.objetivo if self.largo else precio <= self.objetivo):
            return Disparo.TAKE_PROFIT
        return None

    def precio_de(self, disparo: Disparo) -> float:
        """The price that a trigger stands for."""
        precio = self.stop if disparo is Disparo.STOP_LOSS else self.objetivo
        if precio is None:
            raise ValueError(f"{disparo} of an operation that has none")
        return precio


def precio_de_salida(bid: float, ask: float, *, largo: bool) -> float:
    """What closing would fetch: a long sells at the bid, a short buys at the ask."""
    return bid if largo else ask


class Espera(NamedTuple):
    """A resident order that the mark has gone beyond; it is the exchange's turn first."""

    disparo: Disparo
    desde_ms: int


def esperar(espera: Espera | None, niveles: Niveles, mark: float, instante_ms: int) -> Espera | None:
    """The wait after one mark price; ``None`` when the mark is not beyond anything.

    Args:
        espera: The wait so far.
        niveles: Of the operation.
        mark: The price that triggers resident orders.
        instante_ms: Market time of the mark; one older than the wait leaves it as it is.
    """
    disparo = niveles.alcanzado(mark)
    if disparo is None:
        return espera if espera is not None and instante_ms < espera.desde_ms else None
    if espera is not None and espera.disparo is disparo:
        return espera
    return Espera(disparo, instante_ms)


def vencida(espera: Espera | None, instante_ms: int, plazo_ms: int = ESPERA_RESIDENTE_MS) -> bool:
    """Whether the exchange has had its time."""
    return espera is not None and instante_ms - espera.desde_ms >= plazo_ms


def texto_precio(precio: float | Decimal) -> str:
    """A price in plain digits: the same text for 88200, 88200.0 and 88200.00."""
    return format(Decimal(str(precio)).normalize(), "f")


def token_de(operation_id: str, stop_price: float | Decimal, stop_set_at_ms: int) -> str:
    """The name of the one execution that a stop may have; kept from when it is set, never made of now."""
    return f"{operation_id}:{texto_precio(stop_price)}:{stop_set_at_ms}"


def ficha_de_intento(token: str, intento: int) -> str:
    """The name of one order for a token: the token itself first, then with the attempt's number."""
    return token if intento == 1 else f"{token}#{intento}"


def slippage_pct(esperado: float, ejecutado: float, *, largo: bool) -> float:
    """How much worse than expected a closing was filled, in percent; negative when it was better."""
    peor = esperado - ejecutado if largo else ejecutado - esperado
    return 100.0 * peor / esperado


def pnl_esperado(entrada: float, salida: float, cantidad: float, *, largo: bool) -> float:
    """What closing at a price would earn before fees, quote asset; the quantity is > 0."""
    return (salida - entrada if largo else entrada - salida) * cantidad


def stop_de_porcentaje(entrada: Decimal, porcentaje: Decimal, *, largo: bool) -> Decimal:
    """The absolute stop that an old operation's percentage meant; exact.

    Raises:
        DatosInvalidos: The entry is not a price, or the stop would not be on the losing side of it.
    """
    if not (entrada.is_finite() and entrada > 0):
        raise DatosInvalidos(f"average_entry_price {entrada} is not a price; correct the operation")
    if not (porcentaje.is_finite() and porcentaje > 0 and (porcentaje < 100 or not largo)):
        raise DatosInvalidos(
            f"stop_loss_percent {porcentaje} puts the stop on the wrong side of the entry {entrada};"
            " it must be above 0, and below 100 for a long"
        )
    cien = Decimal(100)
    return entrada * (1 - porcentaje / cien) if largo else entrada * (1 + porcentaje / cien)


class Barrera(StrEnum):
    """What stands against an order, in the order in which it is looked at."""

    DUPLICATE = "DUPLICATE"
    KILL_SWITCH = "KILL_SWITCH"
    CIRCUIT_BREAKER = "CIRCUIT_BREAKER"
    STALE_PRICE = "STALE_PRICE"
    SLIPPAGE = "SLIPPAGE"
    RATE_LIMIT = "RATE_LIMIT"


class ReglasInquilino(NamedTuple):
    """Limits of one tenant; percentages of the price, executions counted over the past minute and hour."""

    opera: bool = True
    motivo_pausa: str = ""
    slippage_max_pct: float = 5.0
    slippage_pausa_pct: float = 10.0
    por_minuto: int = 10
    por_hora: int = 100


def mas_estrictas(reglas: ReglasInquilino, limites: Mapping[str, float]) -> ReglasInquilino:
    """A tenant's limits with an account's own where those allow less.

    Args:
        reglas: The tenant's.
        limites: The account's, by field; those that it leaves out are the tenant's.
    """
    menores = {campo: min(getattr(reglas, campo), limite) for campo, limite in limites.items()}
    return reglas._replace(**menores)


class Situacion(NamedTuple):
    """What guardrails look at."""

    token_visto: bool = False
    disyuntor: EstadoDisyuntor = EstadoDisyuntor.CLOSED
    edad_precio_ms: int = 0
    slippage_pct: float = 0.0  # expected or, after the fill, what it was
    en_un_minuto: int = 0  # executions before this one
    en_una_hora: int = 0


def barreras(situacion: Situacion, reglas: ReglasInquilino) -> tuple[Barrera, ...]:
    """Everything that stands against an order now."""
    frecuente = situacion.en_un_minuto >= reglas.por_minuto or situacion.en_una_hora >= reglas.por_hora
    comprobadas = (
        (Barrera.DUPLICATE, situacion.token_visto),
        (Barrera.KILL_SWITCH, not reglas.opera),
        (Barrera.CIRCUIT_BREAKER, ClaseDisyuntor.STOP_EXECUTION.detiene(situacion.disyuntor)),
        (Barrera.STALE_PRICE, situacion.edad_precio_ms > PRECIO_VIEJO_MS),
        (Barrera.SLIPPAGE, situacion.slippage_pct > reglas.slippage_max_pct),
        (Barrera.RATE_LIMIT, frecuente),
    )
    return tuple(barrera for barrera, levantada in comprobadas if levantada)


def detienen(levantadas: tuple[Barrera, ...], *, protege: bool) -> bool:
    """Whether they hold an order back: any does an entry, only a duplicate a protective exit."""
    return Barrera.DUPLICATE in levantadas if protege else bool(levantadas)


def comprobar_precio(nombre: str, precio: float) -> float:
    """A price that a person gave.

    Raises:
        DatosInvalidos: It is not a number greater than 0.
    """
    if not isfinite(precio) or precio <= 0:
        raise DatosInvalidos(f"{nombre} {precio} must be a price greater than 0")
    return precio
