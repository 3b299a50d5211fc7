"""What the store holds against opening anything: a paused tenant, an open breaker, too many exits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine

from src.nucleo.disparos import Barrera
from src.nucleo.errores import AlmacenCaido
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento
from src.produccion.monitor.libro import Libro, vallas_de
from src.produccion.monitor.reglas import Alerta, Nivel, alertar
from src.produccion.puertos import Reloj
from src.produccion.riesgo.puerta import Bloqueo

ENTRE_MIRADAS_S = 1.0
DESPEDIDA_S = 2.0
"""Wall seconds that the end waits for a look under way."""

_BLOQUEOS: Mapping[Barrera, Bloqueo] = MappingProxyType(
    {
        Barrera.KILL_SWITCH: Bloqueo.INQUILINO,
        Barrera.CIRCUIT_BREAKER: Bloqueo.CORTACIRCUITOS,
        Barrera.RATE_LIMIT: Bloqueo.RITMO,
    }
)
_EVENTOS: Mapping[Bloqueo, TipoEventoStop] = MappingProxyType(
    {
        Bloqueo.INQUILINO: TipoEventoStop.KILL_SWITCH,
        Bloqueo.CORTACIRCUITOS: TipoEventoStop.CIRCUIT_BREAKER,
        Bloqueo.RITMO: TipoEventoStop.BLOCKED,
    }
)

log = structlog.get_logger(__name__)


class _Mirada(NamedTuple):
    """What stands against an entry, and why the tenant says so."""

    bloqueos: frozenset[Bloqueo]
    motivo: str


class _Cambio(NamedTuple):
    """A reason that came or went, still to be written down."""

    bloqueo: Bloqueo
    activo: bool
    motivo: str
    instante_ms: int


class VigiaVallas:
    """Keeps the daemon's gate like the store; while that is down its last answer holds.

    Its first answer takes down `Bloqueo.VALLAS_SIN_SABER`, which whoever makes it has put up.

    Exits never come here: they are let through by the gate itself.

    Args:
        titular: Whose entries these are.
        reloj: Market time.
        fijar: Puts one reason up, or takes it down.
        entre_miradas_s: Wall seconds between two looks.
        limites: The account's own, by fields of `ReglasInquilino`; the stricter of both hold.
    """

    def __init__(
        self,
        titular: Titular,
        reloj: Reloj,
        fijar: Callable[[Bloqueo, bool], None],
        entre_miradas_s: float = ENTRE_MIRADAS_S,
        limites: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._titular = titular
        self._reloj = reloj
        self._fijar = fijar
        self._entre_miradas_s = entre_miradas_s
        self._limites = limites
        self._libro: Libro | None = None
        self._puestos: frozenset[Bloqueo] = frozenset()
        self._por_anotar: list[_Cambio] = []
        self._se_sabe = False
        self._caido = False

    async def correr(self, almacen: Engine) -> None:
        """Look for ever at a store that is open; a look under way ends before the store may be closed."""
        while True:
            mirada = asyncio.create_task(self.mirar(almacen))
            try:
                await asyncio.shield(mirada)
            finally:
                await asyncio.wait({mirada}, timeout=DESPEDIDA_S)
            await asyncio.sleep(self._entre_miradas_s)

    async def mirar(self, almacen: Engine) -> None:
        """One look; a store that does not answer is told once and changes nothing."""
        libro, ahora_ms = self._libro_de(almacen), self._reloj.ahora_ms()
        try:
            mirada = await libro.leyendo(lambda c: _mirar(c, self._titular, ahora_ms, self._limites))
            self._aplicar(mirada, ahora_ms)
            await self._anotar(libro)
        except AlmacenCaido as fallo:
            if not self._caido:
                efecto = (
                    "what was known last holds" if self._se_sabe else "nothing is opened until it answers"
                )
                log.error("vallas_sin_almacen", motivo=str(fallo), efecto=efecto)
            self._caido = True
        else:
            self._caido = False

    def _libro_de(self, almacen: Engine) -> Libro:
        """The same one for every look, so that a store that hangs takes no more threads than it has."""
        if self._libro is None or self._libro.motor is not almacen:
            self._libro = Libro(almacen)
        return self._libro

    def _aplicar(self, mirada: _Mirada, ahora_ms: int) -> None:
        for bloqueo in sorted(mirada.bloqueos ^ self._puestos):
            activo = bloqueo in mirada.bloqueos
            motivo = mirada.motivo if bloqueo is Bloqueo.INQUILINO and activo else ""
            self._fijar(bloqueo, activo)
            log.warning(
                "entradas_bloqueadas" if activo else "entradas_permitidas", por=bloqueo.value, motivo=motivo
            )
            self._por_anotar.append(_Cambio(bloqueo, activo, motivo, ahora_ms))
        self._puestos = mirada.bloqueos
        if not self._se_sabe:
            self._fijar(Bloqueo.VALLAS_SIN_SABER, False)
            self._se_sabe = True

    async def _anotar(self, libro: Libro) -> None:
        cambios = tuple(self._por_anotar)
        if cambios:
            await libro.escribiendo(lambda c: _escribir(c, self._titular, cambios))
            del self._por_anotar[: len(cambios)]


def _mirar(conexion: Connection, titular: Titular, ahora_ms: int, limites: Mapping[str, float]) -> _Mirada:
    vallas = vallas_de(conexion, titular.client_id, titular.symbol, ahora_ms)
    levantadas = vallas.contra_una_entrada(ahora_ms, limites)
    return _Mirada(frozenset(_BLOQUEOS[barrera] for barrera in levantadas), vallas.reglas.motivo_pausa)


def _escribir(conexion: Connection, titular: Titular, cambios: tuple[_Cambio, ...]) -> None:
    for cambio in cambios:
        if cambio.activo:
            anotar_evento(conexion, _evento(titular, cambio))
        alertar(conexion, _alerta(titular, cambio), cambio.instante_ms)


def _evento(titular: Titular, cambio: _Cambio) -> EventoStopNuevo:
    """No execution is meant: its token names the account's entries and the moment."""
    return EventoStopNuevo(
        f"{titular.account_id}:{titular.symbol}:entries:{cambio.instante_ms}",
        _EVENTOS[cambio.bloqueo],
        cambio.instante_ms,
        titular.symbol,
        FuenteStop.WS,
        client_id=titular.client_id,
        payload={"guardrail": cambio.bloqueo.value, "reason": cambio.motivo, "held_back": "entries"},
    )


def _alerta(titular: Titular, cambio: _Cambio) -> Alerta:
    motivo = f"{cambio.bloqueo.value}: {cambio.motivo}" if cambio.motivo else cambio.bloqueo.value
    return Alerta(
        Nivel.WARNING if cambio.activo else Nivel.INFO,
        "entries_blocked" if cambio.activo else "entries_allowed",
        motivo if cambio.activo else f"no longer: {motivo}",
        titular.client_id,
        titular.account_id,
        titular.symbol,
    )
