"""The replay: which price points come next, for all symbols together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from src.datos.tabla import Enteros
from src.nucleo.errores import DatosInvalidos
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.tipos import Camino
from src.simulador.plaza import Plaza
from src.simulador.serie import Serie


class Movimiento(NamedTuple):
    """One symbol's part of a market step."""

    plaza: Plaza
    precio: float
    fraccion: float  # of the candle's time that has passed; 1 at its close
    salto: bool  # the price jumped here instead of travelling


class Paso(NamedTuple):
    """One market step."""

    tiempo_ms: int
    movimientos: list[Movimiento]
    cierra: bool


class Ventana(NamedTuple):
    """The stretch of time that is replayed."""

    aperturas: Enteros  # of the replayed candles, all symbols together
    cerradas: dict[str, int]  # candles of each symbol that are past at the start


def elegir_ventana(series: Sequence[Serie], calentamiento: int) -> Ventana:
    """Find where all symbols have data and leave the first candles as history.

    Raises:
        DatosInvalidos: The symbols share no time, or too little of it.
    """
    if len({serie.intervalo for serie in series}) != 1:
        raise DatosInvalidos("all symbols of a simulator must have the same interval")
    desde = max(int(serie.apertura_ms[0]) for serie in series)
    hasta = min(int(serie.apertura_ms[-1]) for serie in series)
    todas: Enteros = np.unique(np.concatenate([serie.apertura_ms for serie in series]))
    comunes = todas[(todas >= desde) & (todas <= hasta)]
    if len(comunes) <= calentamiento:
        raise DatosInvalidos(
            f"{len(comunes)} candles are common to all symbols, and the first {calentamiento} are history"
            f" (the simulator's --warmup {calentamiento}): give more data"
        )
    aperturas = comunes[calentamiento:]
    inicio = int(aperturas[0])
    return Ventana(aperturas, {serie.simbolo: serie.buscar(inicio) for serie in series})


class Reproductor:
    """Walks the candles point by point.

    Args:
        plazas: Markets by symbol, placed at the window's start.
        aperturas: Open times to replay.
        camino: Whether a candle is one point or four.
    """

    def __init__(self, plazas: Mapping[str, Plaza], aperturas: Enteros, camino: Camino) -> None:
        self._plazas = tuple(plazas.values())
        self._aperturas = aperturas
        self._camino = camino
        self._puntos = 1 if camino is Camino.CLOSE else 4
        self._intervalo = self._plazas[0].serie.intervalo
        self.dados = 0
        self.totales = len(aperturas) * self._puntos
        self.inicio_ms = int(aperturas[0])

    def siguiente_ms(self) -> int | None:
        """Time of the next step; ``None`` when the candles have run out."""
        if self.dados >= self.totales:
            return None
        vela, punto = divmod(self.dados, self._puntos)
        apertura = int(self._aperturas[vela])
        duracion = siguiente_apertura(apertura, self._intervalo) - apertura
        return apertura + int(duracion * self._fraccion(punto))

    def avanzar(self) -> Paso | None:
        """Move every symbol to its next point; ``None`` when the candles have run out."""
        tiempo = self.siguiente_ms()
        if tiempo is None:
            return None
        vela, punto = divmod(self.dados, self._puntos)
        self.dados += 1
        apertura, fraccion = int(self._aperturas[vela]), self._fraccion(punto)
        salto = punto == 0
        movimientos = []
        for plaza in self._plazas:
            i = plaza.cerradas
            if i >= len(plaza.serie) or int(plaza.serie.apertura_ms[i]) != apertura:
                continue
            if plaza.curso.apertura_ms != apertura:
                plaza.reabrir(apertura)
            precio = self._precio(plaza.serie, i, punto)
            plaza.mover(precio, fraccion)
            movimientos.append(Movimiento(plaza, precio, fraccion, salto))
        return Paso(tiempo, movimientos, fraccion == 1.0)

    def vela_que_cierra(self) -> int | None:
        """Number, from 1, of the candle that the next step closes; ``None`` when it closes none."""
        vela, punto = divmod(self.dados, self._puntos)
        return vela + 1 if punto == self._puntos - 1 else None

    def cerrar(self, paso: Paso) -> None:
        """After a closing step has been told: the next candles begin."""
        for movimiento in paso.movimientos:
            movimiento.plaza.abrir_siguiente(paso.tiempo_ms)

    def _fraccion(self, punto: int) -> float:
        return 1.0 if self._puntos == 1 else (0.0, 0.25, 0.5, 1.0)[punto]

    def _precio(self, serie: Serie, i: int, punto: int) -> float:
        if self._puntos == 1 or punto == 3:
            return float(serie.close[i])
        if punto == 0:
            return float(serie.open[i])
        sube = serie.close[i] >= serie.open[i]
        columna = serie.low if sube == (punto == 1) else serie.high
        return float(columna[i])
