"""What a run was worth: return, risk, trades and costs, each formula once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz

_SIN_VARIACION = 1e-12
"""Deviations of returns up to here are rounding noise, not risk."""

_CELDAS_POR_TANDA = 2_000_000


class Curva(NamedTuple):
    """An account over time, one point per closed candle; the first is before any operation.

    ``exposicion[k]`` is held from point k to point k + 1, so its last value is not used.
    """

    equity: Matriz  # (n,) margin asset
    precio: Matriz  # (n,) close, quote asset per unit
    exposicion: Matriz  # (n,) signed notional / equity: 1.0 is a long as large as the equity


class Costos(NamedTuple):
    """What trading cost, margin asset."""

    comisiones: float  # >= 0, paid
    slippage: float  # already contained in the fill prices; < 0 when they were better than the close
    funding: float  # > 0 received, < 0 paid

    @property
    def total(self) -> float:
        """All three as one amount, > 0 when they cost money."""
        return self.comisiones + self.slippage - self.funding


class Riesgo(NamedTuple):
    """Return and risk of one curve."""

    rendimiento: float  # fraction over the whole span
    volatilidad: float  # fraction per year
    sharpe: float  # per year
    sortino: float | None  # per year; None when it gained and never lost
    max_drawdown: float  # fraction of the peak, 0 … 1


class EstadisticasOperaciones(NamedTuple):
    """Closed operations only, net of commission and funding; ``None`` where a figure is undefined."""

    cerradas: int
    tasa_acierto: float | None  # share that earned money, 0 … 1
    factor_beneficio: float | None  # money won / money lost; None without a loss
    esperanza: float | None  # mean net result, margin asset
    mejor: float | None  # margin asset
    peor: float | None  # margin asset


class Intervalo(NamedTuple):
    """The bounds of a bootstrap interval."""

    bajo: float
    alto: float


class IntervalosBootstrap(NamedTuple):
    """How far luck alone could have moved three figures."""

    sharpe: Intervalo
    rendimiento: Intervalo
    max_drawdown: Intervalo
    confianza: float  # share of resamples inside each interval
    muestras: int
    bloque: float  # mean length of the resampled blocks, candles


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumen:
    """Every figure of one run; fractions are of 1, amounts in margin asset."""

    velas: int  # candles between the first and the last point
    velas_ano: float  # candles in a year, what annualises
    equity_inicial: float
    equity_final: float
    agente: Riesgo
    mantener_1x: Riesgo  # the asset bought once with all the equity, unleveraged
    mantener_exposicion: Riesgo  # the agent's mean exposure held all the time
    racha_bajo_maximo: int  # longest run of candles below the peak
    exposicion_media: float  # signed, notional / equity
    exposicion_absoluta_media: float  # notional / equity, >= 0
    tiempo_en_mercado: float  # share of candles with a position, 0 … 1
    rotacion: float  # notional traded / mean equity
    operaciones: EstadisticasOperaciones
    costos: Costos
    intervalos: IntervalosBootstrap | None  # None with fewer than two returns


def rendimientos(equity: Matriz) -> Matriz:
    """Simple returns between points; (n,) → (n − 1,). Nothing is left to lose after ruin: −1, then 0."""
    valores = np.maximum(equity, 0.0)
    antes, despues = valores[:-1], valores[1:]
    salida = np.zeros(len(antes))
    np.divide(despues - antes, antes, out=salida, where=antes > 0.0)
    return salida


def rendimiento_total(equity: Matriz) -> float:
    """Return from the first point to the last, as a fraction; at worst −1."""
    if len(equity) == 0 or equity[0] <= 0.0:
        return 0.0
    return float(max(equity[-1], 0.0) / equity[0] - 1.0)


def volatilidad(retornos: Matriz, velas_ano: float) -> float:
    """Annualised sample deviation (ddof = 1) of returns; 0.0 with fewer than two."""
    return _desviacion(retornos) * float(np.sqrt(velas_ano))


def sharpe(retornos: Matriz, velas_ano: float) -> float:
    """Annualised mean / sample deviation (ddof = 1), no risk-free rate; 0.0 when nothing varies."""
    desviacion = _desviacion(retornos)
    if desviacion <= _SIN_VARIACION:
        return 0.0
    return float(retornos.mean()) / desviacion * float(np.sqrt(velas_ano))


def sortino(retornos: Matriz, velas_ano: float) -> float | None:
    """Annualised mean / downside deviation, the root mean square of losses over *all* returns.

    0.0 when nothing varies; ``None`` (no finite value) when there are gains and no losses.
    """
    if _desviacion(retornos) <= _SIN_VARIACION:
        return 0.0
    perdida = float(np.sqrt(np.mean(np.minimum(retornos, 0.0) ** 2)))
    if perdida <= _SIN_VARIACION:
        return None
    return float(retornos.mean()) / perdida * float(np.sqrt(velas_ano))


def drawdowns(equity: Matriz) -> Matriz:
    """Fall from the peak so far at each point, 0 … 1; (n,) → (n,)."""
    valores = np.maximum(equity, 0.0)
    maximos = np.maximum.accumulate(valores)
    salida = np.zeros(len(valores))
    np.divide(maximos - valores, maximos, out=salida, where=maximos > 0.0)
    return salida


def max_drawdown(equity: Matriz) -> float:
    """Largest fall from a peak, as a fraction of it, 0 … 1."""
    return float(drawdowns(equity).max(initial=0.0))


def racha_bajo_maximo(equity: Matriz) -> int:
    """Longest run of points below the peak so far."""
    abajo = np.concatenate(([False], drawdowns(equity) > 0.0, [False]))
    cambios = np.flatnonzero(np.diff(abajo))
    return int((cambios[1::2] - cambios[::2]).max(initial=0))


def mantener(precio: Matriz, exposicion: float) -> Matriz:
    """Equity of 1.0 that holds an exposure, restored at each candle; (n,) → (n,), 0.0 after ruin.

    At 1.0 this is buy-and-hold. Neither commission nor funding is charged.
    """
    factores = np.maximum(1.0 + exposicion * rendimientos(precio), 0.0)
    return np.concatenate(([1.0], np.cumprod(factores)))


def medir_riesgo(equity: Matriz, velas_ano: float) -> Riesgo:
    """Return and risk of a curve."""
    retornos = rendimientos(equity)
    return Riesgo(
        rendimiento=rendimiento_total(equity),
        volatilidad=volatilidad(retornos, velas_ano),
        sharpe=sharpe(retornos, velas_ano),
        sortino=sortino(retornos, velas_ano),
        max_drawdown=max_drawdown(equity),
    )


def medir_operaciones(netos: npt.ArrayLike) -> EstadisticasOperaciones:
    """Statistics of closed operations from their net results, margin asset."""
    valores = np.asarray(netos, dtype=np.float64)
    if valores.size == 0:
        return EstadisticasOperaciones(0, None, None, None, None, None)
    ganado = float(valores[valores > 0.0].sum())
    perdido = -float(valores[valores < 0.0].sum())
    return EstadisticasOperaciones(
        cerradas=int(valores.size),
        tasa_acierto=float(np.mean(valores > 0.0)),
        factor_beneficio=ganado / perdido if perdido > 0.0 else None,
        esperanza=float(valores.mean()),
        mejor=float(valores.max()),
        peor=float(valores.min()),
    )


def rotacion(nocional: npt.ArrayLike, equity: Matriz) -> float:
    """Notional traded (both sides, >= 0 each) as a multiple of the mean equity; 0.0 without equity."""
    media = float(np.maximum(equity, 0.0).mean()) if len(equity) else 0.0
    return float(np.abs(np.asarray(nocional, dtype=np.float64)).sum()) / media if media > 0.0 else 0.0


def largo_de_bloque(cantidad: int) -> float:
    """Mean block of the stationary bootstrap: the cube root of n, the rate Politis and Romano derive."""
    return max(1.0, float(round(cantidad ** (1.0 / 3.0))))


def indices_estacionarios(
    cantidad: int, muestras: int, bloque: float, generador: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Positions of stationary-bootstrap resamples; shape (muestras, cantidad).

    Blocks start anywhere, wrap around the end and have geometric lengths of mean ``bloque``.
    """
    comienza = generador.random((muestras, cantidad), dtype=np.float32) < 1.0 / bloque
    comienza[:, 0] = True
    columna = np.arange(cantidad)
    ultimo = np.maximum.accumulate(np.where(comienza, columna, 0), axis=1)
    inicios = generador.integers(cantidad, size=(muestras, cantidad))
    posicion: npt.NDArray[np.int64] = np.take_along_axis(inicios, ultimo, axis=1) + columna - ultimo
    return np.where(posicion >= cantidad, posicion - cantidad, posicion)


def intervalos_bootstrap(
    retornos: Matriz,
    velas_ano: float,
    *,
    generador: np.random.Generator,
    muestras: int = 1_000,
    confianza: float = 0.95,
    bloque: float | None = None,
) -> IntervalosBootstrap:
    """Percentile intervals of Sharpe, return and maximum drawdown by stationary bootstrap.

    Args:
        retornos: Returns per candle, (n,) with n >= 2.
        velas_ano: Candles in a year.
        generador: Seeded source of chance.
        muestras: Resamples.
        confianza: Share of resamples inside the interval, 0 … 1.
        bloque: Mean block length, candles; `largo_de_bloque` when ``None``.
    Raises:
        DatosInvalidos: Fewer than two returns, or a share outside (0, 1).
    Source: Politis and Romano (1994), "The Stationary Bootstrap".
    """
    cantidad = len(retornos)
    if cantidad < 2 or muestras < 1 or not 0.0 < confianza < 1.0:
        raise DatosInvalidos(
            f"bootstrap needs two returns or more, one resample or more and a confidence in (0, 1); "
            f"got {cantidad}, {muestras} and {confianza}"
        )
    largo = bloque if bloque is not None else largo_de_bloque(cantidad)
    tanda = max(1, _CELDAS_POR_TANDA // cantidad)
    partes = [
        _medir_muestras(retornos[indices_estacionarios(cantidad, filas, largo, generador)], velas_ano)
        for filas in (min(tanda, muestras - hechas) for hechas in range(0, muestras, tanda))
    ]
    cola = (1.0 - confianza) / 2.0
    bordes = np.quantile(np.concatenate(partes), (cola, 1.0 - cola), axis=0)
    intervalos = [Intervalo(float(bajo), float(alto)) for bajo, alto in bordes.T]
    return IntervalosBootstrap(*intervalos, confianza=confianza, muestras=muestras, bloque=largo)


def resumir(
    curva: Curva,
    *,
    netos: npt.ArrayLike,
    nocional: npt.ArrayLike,
    costos: Costos,
    velas_ano: float,
    generador: np.random.Generator | None = None,
) -> Resumen:
    """Measure a run.

    Args:
        curva: The account over time; at least one point.
        netos: Net result of each closed operation, margin asset.
        nocional: Notional of each fill, quote asset, in any order.
        costos: What trading cost.
        velas_ano: Candles in a year, as `intervalos.velas_por_ano` gives it.
        generador: Chance for the bootstrap; seed 0 when ``None``, so that equal runs give equal figures.
    Raises:
        DatosInvalidos: No point, arrays of different length, or a number that is not finite.
    """
    _validar(curva)
    equity, precio = curva.equity, curva.precio
    retornos = rendimientos(equity)
    sostenida = curva.exposicion[:-1]
    media = float(sostenida.mean()) if len(sostenida) else 0.0
    intervalos = None
    if len(retornos) >= 2:
        azar = generador if generador is not None else np.random.default_rng(0)
        intervalos = intervalos_bootstrap(retornos, velas_ano, generador=azar)
    return Resumen(
        velas=len(retornos),
        velas_ano=velas_ano,
        equity_inicial=float(equity[0]),
        equity_final=float(equity[-1]),
        agente=medir_riesgo(equity, velas_ano),
        mantener_1x=medir_riesgo(mantener(precio, 1.0), velas_ano),
        mantener_exposicion=medir_riesgo(mantener(precio, media), velas_ano),
        racha_bajo_maximo=racha_bajo_maximo(equity),
        exposicion_media=media,
        exposicion_absoluta_media=float(np.abs(sostenida).mean()) if len(sostenida) else 0.0,
        tiempo_en_mercado=float(np.mean(sostenida != 0.0)) if len(sostenida) else 0.0,
        rotacion=rotacion(nocional, equity),
        operaciones=medir_operaciones(netos),
        costos=costos,
        intervalos=intervalos,
    )


def _desviacion(retornos: Matriz) -> float:
    return float(retornos.std(ddof=1)) if len(retornos) >= 2 else 0.0


def _medir_muestras(muestras: Matriz, velas_ano: float) -> Matriz:
    """Sharpe, return and maximum drawdown of each row; (m, n) → (m, 3)."""
    desviacion = muestras.std(axis=1, ddof=1)
    salida = np.zeros((len(muestras), 3))
    np.divide(
        muestras.mean(axis=1) * np.sqrt(velas_ano), desviacion, out=salida[:, 0], where=desviacion > _SIN_VARIACION
    )
    riqueza = np.cumprod(muestras + 1.0, axis=1)
    salida[:, 1] = riqueza[:, -1] - 1.0
    maximos = np.maximum(np.maximum.accumulate(riqueza, axis=1), 1.0)
    salida[:, 2] = 1.0 - np.min(riqueza / maximos, axis=1, initial=1.0)
    return salida


def _validar(curva: Curva) -> None:
    largos = {len(columna) for columna in curva}
    if len(largos) != 1 or 0 in largos:
        raise DatosInvalidos(f"a curve needs one length for all and at least one point, not {sorted(largos)}")
    for nombre, columna in zip(curva._fields, curva, strict=True):
        malos = np.flatnonzero(~np.isfinite(columna))
        if malos.size:
            raise DatosInvalidos(f"{nombre} of point {malos[0]} is {columna[malos[0]]}; it must be a number")
