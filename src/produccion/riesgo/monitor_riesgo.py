"""Watches drawdown, peak, anchors and the distance to liquidation."""

from __future__ import annotations

import structlog

from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.riesgo import (
    FRACCION_AVISO,
    Anclas,
    EstadoRiesgo,
    Vigilancia,
    anclar,
    distancia_liquidacion,
    vigilar_drawdown,
)
from src.nucleo.tipos import EstadoCuenta, Tramo
from src.produccion.puertos import Diario, Reloj
from src.produccion.riesgo.enclavamiento import AGREGADO

DISTANCIA_MINIMA = 0.01
"""Share of the mark price to the liquidation price below which entries are held, unless told otherwise."""

_FRACCION_CALMA = 0.5 * FRACCION_AVISO
_MARGEN_MS = 60_000
"""How long a margin call holds entries back."""

log = structlog.get_logger(__name__)


class MonitorRiesgo:
    """Folds what is seen of one agent's money.

    Args:
        diario: Keeps the peak.
        reloj: Market time.
        limite: Largest drawdown allowed, as a fraction of the peak.
        equity_maximo: Peak so far.
        con_libro: Whether the agent trades on a ledger of its own.
        distancia_minima: Share of the mark price to liquidation below which entries are held.
    """

    def __init__(
        self,
        diario: Diario,
        reloj: Reloj,
        limite: float,
        equity_maximo: float,
        *,
        con_libro: bool,
        distancia_minima: float,
    ) -> None:
        self._diario = diario
        self._reloj = reloj
        self._limite = limite
        self._con_libro = con_libro
        self._distancia_minima = distancia_minima
        self._pico_guardado = 0.0
        self._avisado = False
        self._avisado_margen = False
        self._llamada_ms: int | None = None
        self.estado = EstadoRiesgo(equity_maximo)
        self.anclas: Anclas | None = None

    def verificar_drawdown(self, equity: float, instante_ms: int) -> Vigilancia:
        """Fold one equity; warns once for each time the limit comes near."""
        vigilancia = vigilar_drawdown(self.estado, equity, instante_ms, self._limite)
        self.estado = vigilancia.estado
        if vigilancia.drawdown.aviso and not self._avisado:
            self._avisado = True
            log.warning(
                "drawdown_cerca_del_limite",
                drawdown=round(vigilancia.drawdown.actual, 6),
                limite=self._limite,
            )
        if vigilancia.drawdown.actual < _FRACCION_CALMA * self._limite:
            self._avisado = False
        return vigilancia

    def anclar(self, equity: float, instante_ms: int) -> None:
        """Take note of the equity at a candle's close, for the losses of the day and the month."""
        self.anclas = anclar(self.anclas, equity, instante_ms)

    def guardar_pico(self) -> None:
        """Put a peak that the journal does not have into it; one that fails to be kept is told."""
        if self.estado.equity_maximo == self._pico_guardado:
            return
        contenido: dict[str, object] = {"equity": self.estado.equity_maximo, "ledger": self._con_libro}
        try:
            self._diario.anotar_luego(AGREGADO, "PEAK", self._reloj.ahora_ms(), contenido)
        except EmergenciaOperacional as fallo:
            log.critical("diario_roto", motivo=str(fallo))
            return
        self._pico_guardado = self.estado.equity_maximo

    def escalar(self, factor: float) -> None:
        """Follow a deposit or withdrawal: peak and anchors are scaled, it is no profit or loss."""
        self.estado = self.estado._replace(equity_maximo=self.estado.equity_maximo * factor)
        if self.anclas is not None:
            self.anclas = self.anclas.escaladas(factor)
        self.guardar_pico()

    def tomar_llamada(self, instante_ms: int) -> None:
        """The exchange warned that the margin is running out."""
        log.critical("llamada_de_margen")
        self._llamada_ms = instante_ms

    def falta_margen(self, cuenta: EstadoCuenta, mark: float, tramos: tuple[Tramo, ...]) -> bool:
        """Whether liquidation is near, or the exchange said so a moment ago; warns once each time."""
        distancia = distancia_liquidacion(cuenta, mark, tramos)
        cerca = distancia is not None and distancia < self._distancia_minima
        if cerca and not self._avisado_margen:
            log.warning("liquidacion_cerca", distancia=distancia, minima=self._distancia_minima)
        self._avisado_margen = cerca
        llamada = self._llamada_ms is not None and self._reloj.ahora_ms() - self._llamada_ms < _MARGEN_MS
        return cerca or llamada
