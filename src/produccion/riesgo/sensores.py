"""What the breakers are fed with while the daemon trades: calls, marks and the book."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median
from typing import NamedTuple

import structlog

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import ErrorBolsa
from src.nucleo.medidas import RangoMovil, TasaDeFallos, spread_bps
from src.produccion.puertos import EventoMark, EventoMercado, FuenteMercado, PrecioBidAsk, Reloj
from src.produccion.riesgo.cuadro import Cuadro

_ENTRE_MARKS_MS = 1_000
"""Market time between two judgements of the volatility: what the exchange tells once a second."""

log = structlog.get_logger(__name__)


class AjustesSensores(NamedTuple):
    """How things are measured."""

    cada_s: float = 5.0  # wall seconds between two samples of latency, error rate and spread
    ventana_precio_ms: int = 300_000
    ventana_llamadas_ms: int = 120_000
    llamadas_minimas: int = 20
    mide_edad: bool = True  # whether market time passes like the wall's, so that a mark's age means something


class Sensores:
    """Turns what passes by into samples; costs next to nothing, and asks for nothing but the book.

    Args:
        cuadro: Takes the samples.
        reloj: Market time.
        ajustes: How things are measured.
    """

    def __init__(self, cuadro: Cuadro, reloj: Reloj, ajustes: AjustesSensores | None = None) -> None:
        self._cuadro = cuadro
        self._reloj = reloj
        self._ajustes = ajustes or AjustesSensores()
        self._rango = RangoMovil(self._ajustes.ventana_precio_ms)
        self._fallos = TasaDeFallos(self._ajustes.ventana_llamadas_ms, self._ajustes.llamadas_minimas)
        self._respuestas_ms: list[float] = []
        self._edades_ms: list[float] = []
        self._juzgado_ms: int | None = None
        self._mide_latencia = ClaseDisyuntor.LATENCY in cuadro.disyuntores
        self._mide_fallos = ClaseDisyuntor.ERROR_RATE in cuadro.disyuntores

    @property
    def juzga(self) -> bool:
        """Whether there is anything that `juzgar_siempre` has to sample."""
        return self._mide_latencia or self._mide_fallos

    def tomar_llamada(self, duracion_s: float, fallida: bool) -> None:
        """A call of the exchange has ended.

        Args:
            duracion_s: Wall seconds from sending to the answer, or to giving up.
            fallida: Whether no usable answer came; a refusal is an answer.
        """
        if self._mide_latencia:
            self._respuestas_ms.append(1_000.0 * duracion_s)
        if self._mide_fallos:
            self._fallos.tomar(self._reloj.ahora_ms(), fallida=fallida)

    def tomar_mark(self, evento: EventoMark) -> None:
        """A mark price has arrived."""
        if self._mide_latencia and self._ajustes.mide_edad:
            self._edades_ms.append(max(0.0, float(self._reloj.ahora_ms() - evento.instante_ms)))
        rango = self._rango.tomar(evento.precio, evento.instante_ms)
        if self._juzgado_ms is None or evento.instante_ms - self._juzgado_ms >= _ENTRE_MARKS_MS:
            self._juzgado_ms = evento.instante_ms
            self._cuadro.medir(ClaseDisyuntor.VOLATILITY, rango, evento.instante_ms)
            self._cuadro.enfriar(evento.instante_ms)

    def tomar_libro(self, libro: PrecioBidAsk) -> None:
        """The best prices of the book."""
        self._cuadro.medir(ClaseDisyuntor.SPREAD, spread_bps(libro.bid, libro.ask), self._reloj.ahora_ms())

    def juzgar(self) -> None:
        """Sample latency and error rate over what has passed by since the last time; unknown is no sample."""
        ahora_ms = self._reloj.ahora_ms()
        medidas = [median(serie) for serie in (self._respuestas_ms, self._edades_ms) if serie]
        if medidas:
            self._cuadro.medir(ClaseDisyuntor.LATENCY, max(medidas), ahora_ms)
        self._respuestas_ms, self._edades_ms = [], []
        tasa = self._fallos.en(ahora_ms)
        if tasa is not None:
            self._cuadro.medir(ClaseDisyuntor.ERROR_RATE, tasa, ahora_ms)
        self._cuadro.enfriar(ahora_ms)

    async def juzgar_siempre(self) -> None:
        """Sample for ever."""
        while True:
            await asyncio.sleep(self._ajustes.cada_s)
            self.juzgar()

    async def mirar_siempre(self, mirar: Callable[[], Awaitable[PrecioBidAsk]]) -> None:
        """Look at the book for ever; one that cannot be read is no sample, and counts as a failed call."""
        while True:
            await asyncio.sleep(self._ajustes.cada_s)
            try:
                self.tomar_libro(await mirar())
            except ErrorBolsa as fallo:
                log.info("libro_sin_leer", motivo=str(fallo))


class FuenteMedida:
    """A market source whose marks pass by the sensors first.

    Args:
        fuente: Where the events come from.
        sensores: Take the marks.
    """

    def __init__(self, fuente: FuenteMercado, sensores: Sensores) -> None:
        self._fuente = fuente
        self._sensores = sensores

    async def eventos(self, simbolo: str, intervalo: str) -> AsyncIterator[EventoMercado]:
        """The same events."""
        async for evento in self._fuente.eventos(simbolo, intervalo):
            if isinstance(evento, EventoMark):
                self._sensores.tomar_mark(evento)
            yield evento
