"""The rolling window of scaled features, kept contiguous whatever the stream does."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import structlog

from src.nucleo.errores import DatosInvalidos, LecturaFallida
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, Indicadores
from src.nucleo.intervalos import en_rejilla, siguiente_apertura
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
        recientes: Candles that are kept as they are, when more than the window.
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
        recientes: int = 0,
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
        self._recientes: deque[Vela] = deque(maxlen=max(window_size, recientes))
        self._tomadas: list[Vela] = []

    @property
    def ultima(self) -> Vela:
        """The newest candle of the window.

        Raises:
            DatosInvalidos: There was no warm-up yet.
        """
        if not self._recientes:
            raise DatosInvalidos("the window is empty; warm up first")
        return self._recientes[-1]

    @property
    def recientes(self) -> Sequence[Vela]:
        """The newest candles as they are, oldest first."""
        return tuple(self._recientes)

    @property
    def tomadas(self) -> Sequence[Vela]:
        """The candles that the last call took, oldest first, even when it failed half-way."""
        return tuple(self._tomadas)

    @property
    def esperada_ms(self) -> int:
        """Open time of the next candle."""
        return siguiente_apertura(self.ultima.apertura_ms, self._intervalo)

    @property
    def siguiente_cierre_ms(self) -> int:
        """When the next candle closes."""
        return siguiente_apertura(self.esperada_ms, self._intervalo)

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
        self._tomadas.clear()
        for vela in velas:
            self._tomar_contigua(vela)
        log.info("ventana_lista", velas=len(velas), ultima_ms=self.ultima.apertura_ms)

    async def actualizar(self, vela: Vela) -> bool:
        """Take a closed candle, reading the ones missed before it; false when it is already known.

        Raises:
            LecturaFallida: The missing candles could not be read, or the exchange does not list them yet;
                what was taken is contiguous, and the same candle may be given again.
        """
        self._tomadas.clear()
        self._comprobar_rejilla(vela)
        if vela.apertura_ms < self.esperada_ms:
            self._contrastar(vela)
            return False
        if vela.apertura_ms > self.esperada_ms:
            await self._leer_hueco(vela)
        self._tomar_contigua(vela)
        return True

    async def ponerse_al_dia(self) -> int:
        """Read all that has closed after the newest candle; returns how many came."""
        self._tomadas.clear()
        while True:
            leidas = await self._leer(None)
            nuevas = self._nuevas(leidas)
            for vela in nuevas:
                self._tomar_contigua(vela)
            if not nuevas or len(leidas) < _VELAS_POR_LECTURA:
                break
        self._decir_hueco()
        return len(self._tomadas)

    async def _leer_hueco(self, hasta: Vela) -> None:
        """Read the candles between the newest one and one that has come too early.

        The exchange lists that one too as soon as it lists everything before it: until then, a candle that is
        not listed may still come.
        """
        while True:
            leidas = await self._leer(hasta.apertura_ms)
            nuevas = [vela for vela in self._nuevas(leidas) if vela.apertura_ms < hasta.apertura_ms]
            for vela in nuevas:
                self._tomar_contigua(vela)
            if not nuevas or len(leidas) < _VELAS_POR_LECTURA:
                break
        self._decir_hueco()
        listada = bool(leidas) and leidas[-1].apertura_ms >= hasta.apertura_ms
        if self.esperada_ms < hasta.apertura_ms and not listada:
            raise LecturaFallida(f"the exchange does not list the candle at {self.esperada_ms} yet")
        if listada and leidas[-1] != hasta:
            log.warning("vela_contradicha", tomada=hasta, otra=leidas[-1])

    async def _leer(self, hasta_ms: int | None) -> Sequence[Vela]:
        """Closed candles from the newest one on, that one included so that it can be checked; in order."""
        velas = await self._bolsa.velas(
            self._simbolo,
            self._intervalo,
            desde_ms=self.ultima.apertura_ms,
            hasta_ms=hasta_ms,
            limite=_VELAS_POR_LECTURA,
        )
        return sorted({vela.apertura_ms: vela for vela in velas}.values())

    def _nuevas(self, leidas: Sequence[Vela]) -> list[Vela]:
        """Those that have not been taken; the others must be what was taken."""
        for vela in leidas:
            if vela.apertura_ms < self.esperada_ms:
                self._contrastar(vela)
        return [vela for vela in leidas if vela.apertura_ms >= self.esperada_ms]

    def _contrastar(self, vela: Vela) -> None:
        """Tell when a candle comes again and is not what was taken; what was decided on it stands."""
        tomada = next((t for t in reversed(self._recientes) if t.apertura_ms == vela.apertura_ms), None)
        if tomada is not None and tomada != vela:
            log.warning("vela_contradicha", tomada=tomada, otra=vela)

    def _decir_hueco(self) -> None:
        if self._tomadas:
            log.warning("hueco_leido", velas=len(self._tomadas), ultima_ms=self.ultima.apertura_ms)

    def _tomar_contigua(self, vela: Vela) -> None:
        self._comprobar_rejilla(vela)
        if self._recientes:
            if vela.apertura_ms < self.esperada_ms:
                raise LecturaFallida(f"candles are out of order at {vela.apertura_ms}")
            self._rellenar(vela.apertura_ms)
        self._tomar(vela)

    def _comprobar_rejilla(self, vela: Vela) -> None:
        if not en_rejilla(vela.apertura_ms, self._intervalo):
            raise LecturaFallida(f"a candle of {self._intervalo} cannot open at {vela.apertura_ms}")

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
        self._recientes.append(vela)
        self._tomadas.append(vela)
