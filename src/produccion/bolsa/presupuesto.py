"""How many requests the exchange still takes, and who may go first when few are left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, assert_never

import structlog

from src.nucleo.errores import LimiteExcedido
from src.produccion.puertos import Reloj

MINUTO_MS = 60_000
DIEZ_SEGUNDOS_MS = 10_000
VETADO = 418

_PESO_1M = "X-MBX-USED-WEIGHT-1M"
_ORDENES_10S = "X-MBX-ORDER-COUNT-10S"
_ORDENES_1M = "X-MBX-ORDER-COUNT-1M"
_UNIDADES_MS = {"SECOND": 1_000, "MINUTE": MINUTO_MS}
_TROZO_S = 1.0
_PAUSA_ESCRITURA_S = 3.0
_PAUSA_LECTURA_S = 8.0
_RECHAZOS_MAX = 6
"""Refusals in a row after which even protection waits: insisting is what earns a ban."""

log = structlog.get_logger(__name__)


class Prioridad(Enum):
    """Who goes first."""

    ORDINARIA = auto()  # reads that can wait
    ENTRADA = auto()  # orders that take on exposure
    PROTECCION = auto()  # whatever reduces exposure, guards it, or finds out how much there is


class Peticion(NamedTuple):
    """What a request costs."""

    prioridad: Prioridad
    peso: int
    ordenes: int = 0
    escritura: bool = False  # whether it may change something at the exchange


class AjustesLimites(NamedTuple):
    """How near the limits one goes."""

    cuota: float = 0.8  # share of each limit that is left to ordinary reads and to entries
    espera_max_s: float = 20.0  # wall seconds that a request waits for its turn before it fails


@dataclass(slots=True)
class _Ventana:
    """A counter of the exchange over aligned windows of its time."""

    duracion_ms: int
    maximo: int
    usado: int = 0
    en_vuelo: int = 0
    numero: int = -1
    fin_s: float = 0.0

    def poner_al_dia(self, mercado_ms: int, ahora_s: float) -> None:
        """Begin anew when the window is over; where market time stands still, the wall's counts."""
        numero = mercado_ms // self.duracion_ms
        if numero != self.numero or ahora_s >= self.fin_s:
            self.numero, self.usado = numero, 0
            self.fin_s = ahora_s + (self.duracion_ms - mercado_ms % self.duracion_ms) / 1_000

    def cabe(self, cuanto: int, cuota: float) -> bool:
        """Whether that much more stays within a share of the limit."""
        return self.usado + self.en_vuelo + cuanto <= cuota * self.maximo


@dataclass(slots=True)
class _Turno:
    """Lets protection through a closed gate one at a time, ever more slowly until one of them succeeds."""

    inicial_s: float
    pausa_s: float = 0.0
    desde_s: float = 0.0

    def tomar(self, ahora_s: float) -> None:
        """One goes now."""
        self.pausa_s = 2 * self.pausa_s or self.inicial_s
        self.desde_s = ahora_s + self.pausa_s

    def reiniciar(self) -> None:
        """The exchange lets protection through."""
        self.pausa_s = self.desde_s = 0.0


class Presupuesto:
    """Counts as the exchange counts and keeps requests back before it refuses them.

    Args:
        reloj: Its windows are aligned to market time.
        ajustes: How near the limits one goes.
    """

    def __init__(self, reloj: Reloj, ajustes: AjustesLimites | None = None) -> None:
        self._reloj = reloj
        self._ajustes = ajustes or AjustesLimites()
        self._peso = _Ventana(MINUTO_MS, 2_400)
        self._ordenes = {
            DIEZ_SEGUNDOS_MS: _Ventana(DIEZ_SEGUNDOS_MS, 300),
            MINUTO_MS: _Ventana(MINUTO_MS, 1_200),
        }
        self._cerrado_hasta_s = 0.0
        self._vetado_hasta_s = 0.0
        self._rechazos = 0
        self._turnos = {True: _Turno(_PAUSA_ESCRITURA_S), False: _Turno(_PAUSA_LECTURA_S)}

    def fijar_limites(self, filas: Iterable[Mapping[str, Any]]) -> None:
        """Take the limits that ``exchangeInfo`` lists."""
        for fila in filas:
            duracion_ms = int(fila["intervalNum"]) * _UNIDADES_MS.get(str(fila["interval"]), 0)
            if fila["rateLimitType"] == "REQUEST_WEIGHT" and duracion_ms == MINUTO_MS:
                self._peso.maximo = int(fila["limit"])
            elif fila["rateLimitType"] == "ORDERS" and duracion_ms in self._ordenes:
                self._ordenes[duracion_ms].maximo = int(fila["limit"])

    async def entrar(self, peticion: Peticion) -> None:
        """Wait until a request may go, and count it as on its way; `salir` must follow.

        Raises:
            LimiteExcedido: It would have to wait for too long; nothing was sent.
        """
        bucle = asyncio.get_running_loop()
        plazo_s = bucle.time() + self._ajustes.espera_max_s
        while (espera_s := self._espera_s(peticion, bucle.time())) > 0:
            if bucle.time() + espera_s > plazo_s:
                raise LimiteExcedido(
                    f"kept back for {espera_s:.0f} s so as not to exceed the exchange's limits",
                    espera_s=espera_s,
                )
            await asyncio.sleep(min(espera_s, _TROZO_S))
        if bucle.time() < self._cerrado_hasta_s:
            self._turnos[peticion.escritura].tomar(bucle.time())
        self._peso.en_vuelo += peticion.peso
        for ventana in self._ordenes.values():
            ventana.en_vuelo += peticion.ordenes

    def salir(self, peticion: Peticion) -> None:
        """A request is no longer on its way."""
        self._peso.en_vuelo -= peticion.peso
        for ventana in self._ordenes.values():
            ventana.en_vuelo -= peticion.ordenes

    def aceptada(self) -> None:
        """The exchange took a request."""
        self._rechazos = 0
        for turno in self._turnos.values():
            turno.reiniciar()

    def rechazada(self, estado: int, espera_s: float) -> None:
        """The exchange answered 429 or 418 and said for how long."""
        hasta_s = asyncio.get_running_loop().time() + espera_s
        self._rechazos += 1
        self._cerrado_hasta_s = max(self._cerrado_hasta_s, hasta_s)
        if estado == VETADO:
            self._vetado_hasta_s = max(self._vetado_hasta_s, hasta_s)
        log.error("limite_excedido", estado=estado, espera_s=espera_s)

    def anotar(self, cabeceras: Mapping[str, str]) -> None:
        """Take the exchange's own counts from an answer's headers."""
        self._poner_al_dia(asyncio.get_running_loop().time())
        _tomar(self._peso, cabeceras.get(_PESO_1M))
        _tomar(self._ordenes[DIEZ_SEGUNDOS_MS], cabeceras.get(_ORDENES_10S))
        _tomar(self._ordenes[MINUTO_MS], cabeceras.get(_ORDENES_1M))

    def _espera_s(self, peticion: Peticion, ahora_s: float) -> float:
        """Wall seconds until a request may go; 0 or less when it may."""
        if ahora_s < self._vetado_hasta_s:
            return self._vetado_hasta_s - ahora_s
        cerrado_s = self._cerrado_hasta_s - ahora_s
        match peticion.prioridad:
            case Prioridad.PROTECCION:
                if cerrado_s <= 0:
                    return 0.0
                if self._rechazos > _RECHAZOS_MAX:
                    return cerrado_s
                return min(cerrado_s, self._turnos[peticion.escritura].desde_s - ahora_s)
            case Prioridad.ENTRADA:
                return max(cerrado_s, self._hasta_que_quepan_ordenes_s(peticion.ordenes, ahora_s))
            case Prioridad.ORDINARIA:
                return max(cerrado_s, self._hasta_que_quepa_peso_s(peticion.peso, ahora_s))
            case _:
                assert_never(peticion.prioridad)

    def _hasta_que_quepa_peso_s(self, peso: int, ahora_s: float) -> float:
        self._poner_al_dia(ahora_s)
        return 0.0 if self._peso.cabe(peso, self._ajustes.cuota) else self._peso.fin_s - ahora_s

    def _hasta_que_quepan_ordenes_s(self, ordenes: int, ahora_s: float) -> float:
        self._poner_al_dia(ahora_s)
        llenas = [v for v in self._ordenes.values() if not v.cabe(ordenes, self._ajustes.cuota)]
        return max((ventana.fin_s - ahora_s for ventana in llenas), default=0.0)

    def _poner_al_dia(self, ahora_s: float) -> None:
        mercado_ms = self._reloj.ahora_ms()
        self._peso.poner_al_dia(mercado_ms, ahora_s)
        for ventana in self._ordenes.values():
            ventana.poner_al_dia(mercado_ms, ahora_s)


def _tomar(ventana: _Ventana, cuenta: str | None) -> None:
    """Answers may overtake each other: within a window the highest count is the latest."""
    if cuenta is not None and cuenta.isdigit():
        ventana.usado = max(ventana.usado, int(cuenta))
