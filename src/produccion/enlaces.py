"""What connects a daemon with its exchange: an outage that lasts is written down once, and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from src.nucleo.errores import EmergenciaOperacional
from src.produccion.puertos import Diario, Reloj

AGREGADO = "exchange"
CAIDO, RESTABLECIDO = "EXCHANGE_DISCONNECTED", "EXCHANGE_CONNECTED"

_ENTRE_MIRADAS_S = 1.0

log = structlog.get_logger(__name__)


class Enlace(StrEnum):
    """What may be down while the rest is not, as stored and shown."""

    MERCADO = "market_stream"
    CUENTA = "user_stream"
    REST = "rest"


@dataclass(slots=True)
class _Caida:
    """An outage that has not ended."""

    desde_s: float
    desde_ms: int
    ultima_s: float  # the newest failure
    motivo: str
    dicha: bool = False


class Enlaces:
    """Follows the links of one daemon; costs next to nothing, and asks the exchange for nothing.

    A stream is down from the moment its socket fails until it speaks again, however often it is tried
    meanwhile. REST is down while no call gets a usable answer; a refusal is one.

    Args:
        diario: Gets the outages that last, and their ends.
        reloj: Market time.
        umbral_s: Wall seconds after which an outage is told.
        ahora_s: Monotonic seconds.
    """

    def __init__(
        self, diario: Diario, reloj: Reloj, umbral_s: float, ahora_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._diario = diario
        self._reloj = reloj
        self._umbral_s = umbral_s
        self._ahora_s = ahora_s
        self._caidas: dict[Enlace, _Caida] = {}

    def testigo(self, enlace: Enlace) -> Testigo:
        """Whom a stream tells how it is."""
        return Testigo(self, enlace)

    def cae(self, enlace: Enlace, motivo: str) -> None:
        """It has failed; that it fails again is the same outage."""
        ahora_s = self._ahora_s()
        caida = self._caidas.get(enlace)
        if caida is None:
            self._caidas[enlace] = _Caida(ahora_s, self._reloj.ahora_ms(), ahora_s, motivo)
        else:
            caida.ultima_s, caida.motivo = ahora_s, motivo

    def vuelve(self, enlace: Enlace) -> None:
        """It works."""
        caida = self._caidas.pop(enlace, None)
        if caida is not None and caida.dicha:
            self._anotar(RESTABLECIDO, enlace, caida)

    def tomar_llamada(self, _duracion_s: float, fallida: bool) -> None:
        """A call of the exchange has ended."""
        if fallida:
            self.cae(Enlace.REST, "no usable answer")
        else:
            self.vuelve(Enlace.REST)

    def mirar(self) -> None:
        """Tell the outages that have lasted long enough, each once."""
        for enlace, caida in self._caidas.items():
            # One failed call says nothing of the time after it; a socket is gone until it is back.
            hasta_s = caida.ultima_s if enlace is Enlace.REST else self._ahora_s()
            if not caida.dicha and hasta_s - caida.desde_s >= self._umbral_s:
                caida.dicha = True
                self._anotar(CAIDO, enlace, caida)

    async def mirar_siempre(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(_ENTRE_MIRADAS_S)
            self.mirar()

    def _anotar(self, tipo: str, enlace: Enlace, caida: _Caida) -> None:
        duracion_s = round(self._ahora_s() - caida.desde_s, 3)
        contenido: dict[str, object] = {
            "link": enlace.value,
            "since_ms": caida.desde_ms,
            "gap_s": duracion_s,
            "reason": caida.motivo,
        }
        anotar = log.error if tipo == CAIDO else log.warning
        suceso = "enlace_caido" if tipo == CAIDO else "enlace_restablecido"
        anotar(suceso, enlace=enlace.value, duracion_s=duracion_s, motivo=caida.motivo)
        try:
            self._diario.anotar_luego(AGREGADO, tipo, self._reloj.ahora_ms(), contenido)
        except EmergenciaOperacional as fallo:
            log.critical("diario_roto", motivo=str(fallo))


@dataclass(frozen=True, slots=True)
class Testigo:
    """Tells how one link is."""

    enlaces: Enlaces
    enlace: Enlace

    def cae(self, motivo: str) -> None:
        """It has failed."""
        self.enlaces.cae(self.enlace, motivo)

    def vuelve(self) -> None:
        """It works."""
        self.enlaces.vuelve(self.enlace)
