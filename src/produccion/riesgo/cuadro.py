"""The board with the breakers of one exchange and symbol: they are fed, remembered, and close the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from src.nucleo.disyuntores import (
    Cambio,
    ClaseDisyuntor,
    Disyuntor,
    EstadoDisyuntor,
    Llave,
    ReglaDisyuntor,
    cerrar,
    enfriar,
    medir,
)
from src.nucleo.errores import EmergenciaOperacional, SolicitudInvalida
from src.produccion.diario.diario import EventoDiario
from src.produccion.puertos import Diario, Reloj
from src.produccion.riesgo.puerta import BLOQUEO_DE, Bloqueo

AGREGADO_REGLAS = "breakers"
TIPOS_CAMBIO: Mapping[EstadoDisyuntor, str] = {
    EstadoDisyuntor.OPEN: "BREAKER_OPENED",
    EstadoDisyuntor.HALF_OPEN: "BREAKER_HALF_OPEN",
    EstadoDisyuntor.CLOSED: "BREAKER_CLOSED",
}
TIPO_REGLAS = "BREAKER_RULES"

_DAEMON = "daemon"

log = structlog.get_logger(__name__)


class MemoriaCuadro(NamedTuple):
    """What survives restarts: folds of the journal."""

    disyuntores: Mapping[ClaseDisyuntor, Disyuntor] = {}
    reglas: Mapping[str, object] = {}  # as announced last


def agregado_de(clase: ClaseDisyuntor) -> str:
    """Where the journal of an account and symbol keeps the life of one breaker."""
    return f"breaker:{clase.value}"


def recordar_disyuntor(evento: EventoDiario) -> Disyuntor:
    """The breaker after its newest event."""
    contenido: Mapping[str, Any] = evento.contenido
    abierto_ms = contenido["opened_at"]
    return Disyuntor(
        EstadoDisyuntor(str(contenido["state"])),
        fallos=int(contenido["violations"]),
        abierto_ms=None if abierto_ms is None else int(abierto_ms),
    )


class Cuadro:
    """Breakers by what they watch; each that is not closed keeps entries out.

    Args:
        diario: Keeps every change.
        reloj: Market time.
        fijar: Puts one reason against entries up, or takes it down.
        lugar: Exchange and symbol.
        reglas: Of the breakers that are switched on.
        muestran: Those among them that only show what already holds entries back by itself.
        memoria: What earlier lives left behind.
    """

    def __init__(
        self,
        diario: Diario,
        reloj: Reloj,
        fijar: Callable[[Bloqueo, bool], None],
        lugar: tuple[str, str],
        reglas: Mapping[ClaseDisyuntor, ReglaDisyuntor],
        *,
        muestran: frozenset[ClaseDisyuntor] = frozenset(),
        memoria: MemoriaCuadro | None = None,
    ) -> None:
        self._diario = diario
        self._reloj = reloj
        self._fijar = fijar
        self._lugar = lugar
        self._reglas = dict(reglas)
        self._muestran = muestran
        self._memoria = memoria or MemoriaCuadro()
        self._valores: dict[ClaseDisyuntor, float] = {}
        self._disyuntores = {c: self._memoria.disyuntores.get(c, Disyuntor()) for c in self._reglas}
        self.al_cambiar: list[Callable[[Cambio], None]] = []
        """Told each change, after it is in force and in the journal."""
        for clase, disyuntor in self._disyuntores.items():
            self._poner(clase, disyuntor)

    @property
    def disyuntores(self) -> Mapping[ClaseDisyuntor, Disyuntor]:
        """The breakers that are switched on, as they are now."""
        return self._disyuntores

    @property
    def valores(self) -> Mapping[ClaseDisyuntor, float]:
        """What was measured last, in each kind's unit."""
        return self._valores

    @property
    def abiertos(self) -> tuple[ClaseDisyuntor, ...]:
        """Those that are not closed."""
        return tuple(c for c, d in self._disyuntores.items() if d.estado is not EstadoDisyuntor.CLOSED)

    def regla(self, clase: ClaseDisyuntor) -> ReglaDisyuntor | None:
        """When a breaker opens and closes; ``None`` when it is switched off."""
        return self._reglas.get(clase)

    def anunciar(self) -> None:
        """Note which breakers there are, unless that is known; one that is switched off now is closed."""
        for clase, disyuntor in self._memoria.disyuntores.items():
            if clase not in self._reglas and disyuntor.estado is not EstadoDisyuntor.CLOSED:
                ahora_ms, motivo = self._reloj.ahora_ms(), "it is switched off now"
                self._aplicar(cerrar(self._llave(clase), disyuntor, ahora_ms, None, motivo, _DAEMON))
        exchange, symbol = self._lugar
        reglas: dict[str, object] = {
            "exchange": exchange,
            "symbol": symbol,
            "kinds": {clase.value: _escribir_regla(regla) for clase, regla in self._reglas.items()},
        }
        if reglas != self._memoria.reglas:
            self._anotar(AGREGADO_REGLAS, TIPO_REGLAS, self._reloj.ahora_ms(), reglas)

    def medir(self, clase: ClaseDisyuntor, valor: float, instante_ms: int) -> None:
        """Take a measured value; one of a breaker that is switched off is ignored."""
        regla = self._reglas.get(clase)
        if regla is None:
            return
        self._valores[clase] = valor
        despues, cambios = medir(self._llave(clase), self._disyuntores[clase], valor, instante_ms, regla)
        self._disyuntores[clase] = despues
        self._aplicar_todos(cambios)

    def enfriar(self, instante_ms: int) -> None:
        """Let time pass."""
        for clase, regla in self._reglas.items():
            despues, cambios = enfriar(self._llave(clase), self._disyuntores[clase], instante_ms, regla)
            self._disyuntores[clase] = despues
            self._aplicar_todos(cambios)

    def cerrar_a_mano(self, clase: ClaseDisyuntor, motivo: str, quien: str) -> Cambio:
        """Close one because somebody says so; if what opened it goes on, it opens again.

        Raises:
            SolicitudInvalida: There is nothing to close, or it would not let entries in.
        """
        regla, disyuntor = self._reglas.get(clase), self._disyuntores.get(clase)
        if regla is None or disyuntor is None:
            raise SolicitudInvalida(f"the {clase.value} breaker is switched off here")
        if clase.es_limite:
            raise SolicitudInvalida(
                "the drawdown breaker shows a limit on the day's loss, which no reset takes away: it closes"
                " by itself when the loss is below the limit, or the day is over"
            )
        if disyuntor.estado is EstadoDisyuntor.CLOSED:
            raise SolicitudInvalida(f"the {clase.value} breaker is closed already")
        cambio = cerrar(
            self._llave(clase), disyuntor, self._reloj.ahora_ms(), regla.limite, motivo.strip(), quien.strip()
        )
        self._disyuntores[clase] = cambio.ahora
        self._aplicar(cambio)
        return cambio

    def _llave(self, clase: ClaseDisyuntor) -> Llave:
        return Llave(*self._lugar, clase)

    def _aplicar_todos(self, cambios: Sequence[Cambio]) -> None:
        for cambio in cambios:
            self._aplicar(cambio)

    def _aplicar(self, cambio: Cambio) -> None:
        """Close or open the gate, then write it down, then tell others."""
        self._poner(cambio.llave.kind, cambio.ahora)
        anotar = log.info if cambio.ahora.estado is EstadoDisyuntor.CLOSED else log.warning
        anotar(
            "disyuntor",
            clase=cambio.llave.kind.value,
            estado=cambio.ahora.estado.value,
            valor=cambio.valor,
            limite=cambio.limite,
            motivo=cambio.motivo,
            quien=cambio.quien or _DAEMON,
        )
        self._anotar(
            agregado_de(cambio.llave.kind),
            TIPOS_CAMBIO[cambio.ahora.estado],
            cambio.instante_ms,
            _escribir_cambio(cambio),
        )
        for contar in self.al_cambiar:
            contar(cambio)

    def _poner(self, clase: ClaseDisyuntor, disyuntor: Disyuntor) -> None:
        if clase not in self._muestran:
            self._fijar(BLOQUEO_DE[clase], clase.detiene(disyuntor.estado))

    def _anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        try:
            self._diario.anotar_luego(agregado, tipo, instante_ms, contenido)
        except EmergenciaOperacional as fallo:
            # The breaker is in force all the same; a journal that fails holds entries by itself.
            log.critical("diario_roto", motivo=str(fallo))


def _escribir_cambio(cambio: Cambio) -> dict[str, object]:
    return {
        "exchange": cambio.llave.exchange,
        "symbol": cambio.llave.symbol,
        "kind": cambio.llave.kind.value,
        "state": cambio.ahora.estado.value,
        "previous_state": cambio.antes.value,
        "value": cambio.valor,
        "limit": cambio.limite,
        "unit": cambio.llave.kind.unidad,
        "violations": cambio.ahora.fallos,
        "opened_at": cambio.ahora.abierto_ms,
        "reason": cambio.motivo,
        "by": cambio.quien or _DAEMON,
    }


def _escribir_regla(regla: ReglaDisyuntor) -> dict[str, object]:
    return {
        "limit": regla.limite,
        "violations": regla.violaciones,
        "cool_down_ms": regla.enfriamiento_ms,
        "healthy_samples": regla.sanas,
    }
