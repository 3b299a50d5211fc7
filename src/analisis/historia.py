"""Sessions of one agent joined into one history; what moved while it was down is kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from src.analisis.lectura import Enteros, Filas, Sesion, concatenar
from src.nucleo.errores import DatosInvalidos
from src.nucleo.intervalos import ANO_DIAS, DIA_MS, INTERVALOS, velas_por_ano
from src.nucleo.metricas import Curva
from src.nucleo.tipos import Matriz, Operacion

_COMPRAN = (
    Operacion.ABRIR_LONG.value,
    Operacion.AUMENTAR_LONG.value,
    Operacion.REDUCIR_SHORT.value,
    Operacion.CERRAR_SHORT.value,
)
_CANTIDAD_IGUAL = 1e-9
_FUNDING_MAXIMO = 0.04
"""Share of notional beyond which a change of balance cannot be one funding payment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hueco:
    """A span in which no candle was told."""

    desde_ms: int
    hasta_ms: int
    velas: int  # missing candles
    entre_sesiones: bool
    cambio_balance: float  # margin asset; unattributed, 0.0 within a session


@dataclass(frozen=True, slots=True, kw_only=True)
class Historia:
    """All rows in time order with what follows from one row to the next; arrays (n,), margin asset."""

    sesiones: tuple[Sesion, ...]
    filas: Filas
    inicio_sesion: npt.NDArray[np.bool_]  # whether the row is the first of its session
    cantidad_antes: Matriz  # position before the row, base asset, signed
    funding: Matriz  # > 0 received since the row before
    no_atribuido: Matriz  # change of equity before the row that is no trading result
    balance_no_atribuido: float  # change of balance that no row explains
    huecos: tuple[Hueco, ...]
    paso_ms: int | None  # time between candles; None with a single candle

    @property
    def intervalo(self) -> str | None:
        """Binance's name for the time between candles; ``None`` when it has none."""
        if self.paso_ms is None:
            return None
        por_ano = ANO_DIAS * DIA_MS / self.paso_ms
        cercano = min(INTERVALOS, key=lambda intervalo: abs(np.log(velas_por_ano(intervalo) / por_ano)))
        return cercano if abs(velas_por_ano(cercano) / por_ano - 1.0) < 0.1 else None

    @property
    def velas_ano(self) -> float:
        """Candles in a year; 0.0 with a single candle."""
        if self.intervalo is not None:
            return velas_por_ano(self.intervalo)
        return ANO_DIAS * DIA_MS / self.paso_ms if self.paso_ms else 0.0

    @property
    def cambios_sin_ejecucion(self) -> int:
        """Rows in which the position is another than before although they tell of no fill."""
        cambio = np.abs(self.filas.cantidad - self.cantidad_antes) > _CANTIDAD_IGUAL
        return int(np.count_nonzero(cambio & (self.filas.cantidad_ejecutada == 0.0)))

    @property
    def velas(self) -> int:
        """Closed candles that the rows tell."""
        return int(np.count_nonzero(_es_vela(self.filas, self.inicio_sesion)))

    @property
    def puntos(self) -> npt.NDArray[np.intp]:
        """Rows that are points of the curve: each closed candle's, and the last one of a session."""
        return np.flatnonzero(_es_vela(self.filas, self.inicio_sesion) | _es_final(self.inicio_sesion))

    def curva(self) -> Curva:
        """The account at each point, as if nothing unattributed had moved it."""
        filas, puntos = self.filas, self.puntos
        propia = filas.equity - self.no_atribuido
        razon = np.ones(len(filas))
        np.divide(propia, filas.equity, out=razon, where=(self.no_atribuido != 0.0) & (filas.equity > 0.0))
        equity = (filas.equity * np.cumprod(razon))[puntos]
        equity[0] = _equity_antes(filas, 0)
        exposicion = np.zeros(len(puntos))
        valor = filas.cantidad * filas.precio
        np.divide(valor[puntos], filas.equity[puntos], out=exposicion, where=filas.equity[puntos] > 0.0)
        return Curva(equity, filas.precio[puntos], exposicion)

    def nocional(self) -> Matriz:
        """Notional of each row's fill at the row's price, (n,), quote asset."""
        cambio: Matriz = np.abs(self.filas.cantidad - self.cantidad_antes) * self.filas.precio
        return cambio


def unir(sesiones: Sequence[Sesion]) -> Historia:
    """Join sessions of one agent in time order.

    Raises:
        DatosInvalidos: Two sessions overlap in time, as a file given twice does.
    """
    orden = sorted(sesiones, key=lambda sesion: (int(sesion.filas.tiempo_ms[0]), sesion.nombre))
    for previa, sesion in pairwise(orden):
        if sesion.filas.tiempo_ms[0] <= previa.filas.tiempo_ms[-1]:
            raise DatosInvalidos(
                f"{previa.nombre} and {sesion.nombre} overlap in time; "
                "give each session once, of one agent only"
            )
    filas = concatenar([sesion.filas for sesion in orden])
    inicio = np.zeros(len(filas), dtype=np.bool_)
    inicio[np.cumsum([0] + [len(sesion.filas) for sesion in orden[:-1]])] = True
    cantidad_antes = _cantidad_antes(filas, inicio)
    residuo = _residuo(filas)
    paso_ms = _paso_ms(filas, inicio)
    funding = _funding(filas, cantidad_antes, residuo, _sin_pausa(filas, inicio, cantidad_antes, paso_ms))
    sin_explicar = np.where(np.arange(len(filas)) > 0, residuo - funding, 0.0)
    return Historia(
        sesiones=tuple(orden),
        filas=filas,
        inicio_sesion=inicio,
        cantidad_antes=cantidad_antes,
        funding=funding,
        no_atribuido=_no_atribuido(filas, inicio, cantidad_antes, sin_explicar),
        balance_no_atribuido=float(sin_explicar.sum()),
        huecos=_huecos(filas, inicio, sin_explicar, paso_ms),
        paso_ms=paso_ms,
    )


def _cantidad_antes(filas: Filas, inicio: npt.NDArray[np.bool_]) -> Matriz:
    """The position before each row: that of the row before, or what the first row's own fill implies."""
    antes = np.concatenate(([0.0], filas.cantidad[:-1]))
    compra = np.where(np.isin(filas.operacion, _COMPRAN), 1.0, -1.0)
    implicada = filas.cantidad - compra * filas.cantidad_ejecutada
    implicada[np.abs(implicada) < _CANTIDAD_IGUAL] = 0.0
    return np.where(inicio, implicada, antes)


def _residuo(filas: Filas) -> Matriz:
    """Change of balance since the row before that the row itself does not explain; 0.0 in the first."""
    cambio = np.diff(filas.balance, prepend=filas.balance[0])
    residuo: Matriz = np.round(cambio - filas.pnl + filas.comision, 8) + 0.0
    residuo[0] = 0.0
    return residuo


def _sin_pausa(
    filas: Filas, inicio: npt.NDArray[np.bool_], cantidad_antes: Matriz, paso_ms: int | None
) -> npt.NDArray[np.bool_]:
    """Rows that follow the one before without a pause: within a session, or after a prompt restart."""
    limite = 1.5 * (paso_ms or 0)
    pronto = np.diff(filas.tiempo_ms, prepend=filas.tiempo_ms[0] - 1) <= limite
    anterior = np.concatenate(([0.0], filas.cantidad[:-1]))
    misma = np.abs(cantidad_antes - anterior) <= _CANTIDAD_IGUAL
    salida: npt.NDArray[np.bool_] = ~inicio | (pronto & misma)
    return salida


def _funding(
    filas: Filas, cantidad_antes: Matriz, residuo: Matriz, sin_pausa: npt.NDArray[np.bool_]
) -> Matriz:
    """What is funding of the residue: without a pause, with a position held, of a plausible size."""
    limite = _FUNDING_MAXIMO * np.abs(cantidad_antes) * filas.precio
    return np.where(sin_pausa & (np.abs(residuo) <= limite), residuo, 0.0)


def _no_atribuido(
    filas: Filas, inicio: npt.NDArray[np.bool_], cantidad_antes: Matriz, sin_explicar: Matriz
) -> Matriz:
    """Change of equity that is no trading result.

    A position that stayed the same while the agent was down went on earning or losing for it. Where
    the position changed meanwhile, nothing tells who moved the equity, and all of it is set apart.
    """
    salida = sin_explicar.copy()
    for fila in np.flatnonzero(inicio)[1:]:
        if abs(cantidad_antes[fila] - filas.cantidad[fila - 1]) > _CANTIDAD_IGUAL:
            salida[fila] = _equity_antes(filas, int(fila)) - filas.equity[fila - 1]
    return salida


def _equity_antes(filas: Filas, fila: int) -> float:
    """Equity at the row's price before its operation was paid for."""
    return float(filas.equity[fila] + filas.comision[fila] + filas.slippage[fila])


def _es_vela(filas: Filas, inicio: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Rows of closed candles; a fill between candles repeats the number of the candle before it."""
    nuevo: npt.NDArray[np.bool_] = np.diff(filas.paso, prepend=-1) != 0
    return inicio | nuevo


def _es_final(inicio: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The last row of each session."""
    return np.append(inicio[1:], True)


def _paso_ms(filas: Filas, inicio: npt.NDArray[np.bool_]) -> int | None:
    tiempos = filas.tiempo_ms[_es_vela(filas, inicio)]
    return int(np.median(np.diff(tiempos))) if len(tiempos) > 1 else None


def _huecos(
    filas: Filas, inicio: npt.NDArray[np.bool_], sin_explicar: Matriz, paso_ms: int | None
) -> tuple[Hueco, ...]:
    """Every join of two sessions, and every place within one where candles are missing."""
    if paso_ms is None:
        return ()
    velas = np.flatnonzero(_es_vela(filas, inicio))
    salida = []
    for previa, fila in pairwise(velas):
        duracion = int(filas.tiempo_ms[fila] - filas.tiempo_ms[previa])
        if inicio[fila] or duracion > 1.5 * paso_ms:
            hueco = Hueco(
                desde_ms=int(filas.tiempo_ms[previa]),
                hasta_ms=int(filas.tiempo_ms[fila]),
                velas=max(0, round(duracion / paso_ms) - 1),
                entre_sesiones=bool(inicio[fila]),
                cambio_balance=float(sin_explicar[fila]) if inicio[fila] else 0.0,
            )
            salida.append(hueco)
    return tuple(salida)


def tiempos_de(historia: Historia) -> Enteros:
    """Time of each point of the curve, UTC milliseconds."""
    tiempos: Enteros = historia.filas.tiempo_ms[historia.puntos]
    return tiempos
