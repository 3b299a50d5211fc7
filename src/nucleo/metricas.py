"""What a run was worth: return, risk, trades and costs, each formula once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from src.nucleo.bootstrap import SIN_VARIACION, IntervalosBootstrap, intervalos_bootstrap
from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumen:
    """Every figure of one run; fractions are of 1, amounts in margin asset."""

    velas: int  # closed candles, the first and the last one included
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
    if desviacion <= SIN_VARIACION:
        return 0.0
    return float(retornos.mean()) / desviacion * float(np.sqrt(velas_ano))


def sortino(retornos: Matriz, velas_ano: float) -> float | None:
    """Annualised mean / downside deviation, the root mean square of losses over *all* returns.

    0.0 when nothing varies; ``None`` (no finite value) when there are gains and no losses.
    """
    if _desviacion(retornos) <= SIN_VARIACION:
        return 0.0
    perdida = float(np.sqrt(np.mean(np.minimum(retornos, 0.0) ** 2)))
    if perdida <= SIN_VARIACION:
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


def resumir(
    curva: Curva,
    *,
    velas: int,
    netos: npt.ArrayLike,
    nocional: npt.ArrayLike,
    costos: Costos,
    velas_ano: float,
    generador: np.random.Generator | None = None,
) -> Resumen:
    """Measure a run.

    Args:
        curva: The account over time; at least one point.
        velas: Closed candles that it tells.
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
        velas=velas,
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


def _validar(curva: Curva) -> None:
    largos = {len(columna) for columna in curva}
    if len(largos) != 1 or 0 in largos:
        raise DatosInvalidos(f"a curve needs one length for all and at least one point, not {sorted(largos)}")
    for nombre, columna in zip(curva._fields, curva, strict=True):
        malos = np.flatnonzero(~np.isfinite(columna))
        if malos.size:
            raise DatosInvalidos(f"{nombre} of point {malos[0]} is {columna[malos[0]]}; it must be a number")
