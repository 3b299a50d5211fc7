"""The rolling window of scaled features, kept contiguous whatever the stream does."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import structlog

from src.nucleo.errores import DatosInvalidos, LecturaFallida
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, Indicadores
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.observacion import Escalador
from src.nucleo.tipos import Matriz, MatrizF32, Vela
from src.produccion.puertos import Bolsa

_VELAS_POR_LECTURA = 1_500
_HOLGURA = 1_024

log = structlog.get_logger(__name__)


class RangoRasgos(NamedTuple):
    """The range that each feature had during training, unscaled; both of shape (features,)."""

    minimo: Matriz
    maximo: Matriz


class DataProvider:
    """Closed candles to the window that the policy sees.

    Args:
        bolsa: Where history and missing candles come from.
        simbolo: Symbol traded.
        intervalo: Candle interval.
        indicadores: Fresh; fed by this object alone.
        escalador: The artefact's.
        window_size: Candles in the window.
        rango: What each feature was during training.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        simbolo: str,
        intervalo: str,
        indicadores: Indicadores,
        escalador: Escalador,
        window_size: int,
        rango: RangoRasgos,
    ) -> None:
        self._bolsa = bolsa
        self._simbolo = simbolo
        self._intervalo = intervalo
        self._indicadores = indicadores
        self._escalador = escalador
        self._w = window_size
        self._filas: MatrizF32 = np.empty(
            (window_size + _HOLGURA, len(indicadores.columnas)), dtype=np.float32
        )
        self._rango = rango
        self._fuera: deque[int] = deque(maxlen=window_size)
        self._total = 0
        self._ultima: Vela | None = None

    @property
    def ultima(self) -> Vela:
        """The newest candle of the window.

        Raises:
            DatosInvalidos: There was no warm-up yet.
        """
        if self._ultima is None:
            raise DatosInvalidos("the window is empty; warm up first")
        return self._ultima

    @property
    def esperada_ms(self) -> int:
        """Open time of the next candle."""
        return siguiente_apertura(self.ultima.apertura_ms, self._intervalo)

    @property
    def fraccion_fuera(self) -> float:
        """Share of the window's cells that lie outside what training saw, 0 … 1."""
        return sum(self._fuera) / float(self._w * self._filas.shape[1])

    def ventana(self) -> MatrizF32:
        """Scaled features of the last candles, oldest first; a view of shape (window, features)."""
        return self._filas[self._total - self._w : self._total]

    async def calentar(self) -> None:
        """Read the history that makes the features independent of where it begins.

        Raises:
            DatosInvalidos: The exchange has too little history of this symbol.
        """
        necesarias = VELAS_CALENTAMIENTO + self._w
        velas = await self._bolsa.velas(self._simbolo, self._intervalo, limite=necesarias)
        if len(velas) < necesarias:
            raise DatosInvalidos(
                f"the exchange has {len(velas)} closed candles of {self._simbolo} {self._intervalo}; "
                f"the warm-up needs {necesarias}. Use a shorter interval or wait"
            )
        for vela in velas:
            self._tomar_contigua(vela)
        log.info("ventana_lista", velas=len(velas), ultima_ms=self.ultima.apertura_ms)

    async def actualizar(self, vela: Vela) -> bool:
        """Take a closed candle, reading the ones missed before it; false when it is already known.

        Raises:
            LecturaFallida: The missing candles could not be read; the window did not change.
        """
        if vela.apertura_ms < self.esperada_ms:
            return False
        if vela.apertura_ms > self.esperada_ms:
            await self.ponerse_al_dia(vela.apertura_ms)
        self._tomar_contigua(vela)
        return True

    async def ponerse_al_dia(self, hasta_apertura_ms: int | None = None) -> int:
        """Read closed candles after the newest one; returns how many came.

        Args:
            hasta_apertura_ms: Stop before this candle; ``None`` reads all that have closed.
        """
        leidas = 0
        while hasta_apertura_ms is None or self.esperada_ms < hasta_apertura_ms:
            fin = None if hasta_apertura_ms is None else hasta_apertura_ms - 1
            velas = await self._bolsa.velas(
                self._simbolo,
                self._intervalo,
                desde_ms=self.esperada_ms,
                hasta_ms=fin,
                limite=_VELAS_POR_LECTURA,
            )
            if not velas:
                if hasta_apertura_ms is not None:
                    self._rellenar(hasta_apertura_ms)
                break
            for vela in velas:
                self._tomar_contigua(vela)
            leidas += len(velas)
        if leidas:
            log.warning("hueco_leido", velas=leidas, ultima_ms=self.ultima.apertura_ms)
        return leidas

    def _tomar_contigua(self, vela: Vela) -> None:
        if self._ultima is not None:
            if vela.apertura_ms < self.esperada_ms:
                raise LecturaFallida(f"candles are out of order at {vela.apertura_ms}")
            self._rellenar(vela.apertura_ms)
        self._tomar(vela)

    def _rellenar(self, hasta_apertura_ms: int) -> None:
        """Stand in for candles the exchange itself does not have: flat at the last close, as in training."""
        faltan = 0
        while self.esperada_ms < hasta_apertura_ms:
            cierre = self.ultima.close
            self._tomar(Vela(self.esperada_ms, cierre, cierre, cierre, cierre, 0.0))
            faltan += 1
        if faltan:
            log.warning("velas_inexistentes", faltan=faltan, hasta_ms=hasta_apertura_ms)

    def _tomar(self, vela: Vela) -> None:
        fila = np.array(self._indicadores.actualizar(vela), dtype=np.float64)
        self._fuera.append(int(np.count_nonzero((fila < self._rango.minimo) | (fila > self._rango.maximo))))
        if self._total == len(self._filas):
            self._filas[: self._w] = self._filas[-self._w :].copy()
            self._total = self._w
        self._filas[self._total] = self._escalador.transformar(fila)
        self._total += 1
        self._ultima = vela
