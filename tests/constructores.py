"""Builders for the tests: each gives something valid, and its arguments show the one difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from src.nucleo.ordenes import LimitesPlan, nocional_maximo
from src.nucleo.tipos import EstadoCuenta, Filtros, Mercado, Posicion, Tramo, Vela

INICIO_MS = 1_704_067_200_000  # 2024-01-01T00:00Z, on the grid of every interval but the week's
HORA_MS = 3_600_000

_FILTROS = Filtros(
    tick=Decimal("0.10"),
    paso=Decimal("0.001"),
    cantidad_min=Decimal("0.001"),
    cantidad_max=Decimal("1000"),
    paso_mercado=Decimal("0.001"),
    cantidad_min_mercado=Decimal("0.001"),
    cantidad_max_mercado=Decimal("120"),
    nocional_min=Decimal("50"),
)


def unos_filtros(**cambios: Decimal | str | int) -> Filtros:
    """The filters of a bitcoin future; steps and limits may be given as text."""
    return replace(_FILTROS, **{k: Decimal(v) if isinstance(v, str) else v for k, v in cambios.items()})


def unos_tramos() -> tuple[Tramo, ...]:
    """Three leverage brackets whose maintenance margin is continuous."""
    filas = ((50_000.0, 125, 0.004, 0.0), (250_000.0, 50, 0.005, 50.0), (1_000_000.0, 20, 0.01, 1_300.0))
    return tuple(
        Tramo(nocional_max=techo, apalancamiento_max=maximo, tasa_mantenimiento=tasa, deduccion=deduccion)
        for techo, maximo, tasa, deduccion in filas
    )


def un_mercado(**cambios: Any) -> Mercado:
    """A bitcoin future: taker 0.05 %, maker 0.02 %, liquidation 1.25 %, funding every 8 hours."""
    mercado = Mercado(
        simbolo="BTCUSDT",
        activo_margen="USDT",
        filtros=_FILTROS,
        tramos=unos_tramos(),
        comision_taker=0.0005,
        comision_maker=0.0002,
        comision_liquidacion=0.0125,
        intervalo_funding_ms=8 * HORA_MS,
    )
    return replace(mercado, **cambios)


def unos_limites(apalancamiento: float = 2.0, **cambios: Any) -> LimitesPlan:
    """What bounds an order in `un_mercado` at a leverage."""
    return LimitesPlan(_FILTROS, apalancamiento, nocional_maximo(unos_tramos(), apalancamiento))._replace(
        **cambios
    )


def una_cuenta(saldo: float = 10_000.0, cantidad: float = 0.0, entrada: float = 30_000.0) -> EstadoCuenta:
    """An account; flat unless a quantity is given."""
    return EstadoCuenta(saldo, Posicion(cantidad, entrada) if cantidad else None)


def una_vela(close: float = 30_000.0, **cambios: Any) -> Vela:
    """A candle that opened, moved and closed at one price, unless told otherwise."""
    vela = Vela(INICIO_MS, close, close, close, close, 10.0)._replace(**cambios)
    return vela._replace(
        high=cambios.get("high", max(vela.open, vela.close)),
        low=cambios.get("low", min(vela.open, vela.close)),
    )


def unas_velas(
    n: int, semilla: int = 0, *, precio: float = 30_000.0, volatilidad: float = 0.005, tick: float = 0.1
) -> list[Vela]:
    """Contiguous hourly candles of a random walk that opens where it closed; prices on the tick."""
    azar = np.random.default_rng(semilla)
    cierres = precio * np.exp(np.cumsum(azar.normal(0.0, volatilidad, n)))
    aperturas = np.concatenate([[precio], cierres[:-1]])
    colas = 1.0 + np.abs(azar.normal(0.0, volatilidad / 2, (2, n)))
    altos = np.maximum(aperturas, cierres) * colas[0]
    bajos = np.minimum(aperturas, cierres) / colas[1]
    volumenes = azar.lognormal(6.0, 0.7, n).round(3)
    decimales = max(0, round(-np.log10(tick)))
    precios = [
        (np.rint(columna / tick) * tick).round(decimales) for columna in (aperturas, altos, bajos, cierres)
    ]
    filas = zip(*(columna.tolist() for columna in (*precios, volumenes)), strict=True)
    return [Vela(INICIO_MS + HORA_MS * i, *fila) for i, fila in enumerate(filas)]


def velas_con_cierres(cierres: Iterable[float], volumen: float = 10.0) -> list[Vela]:
    """Contiguous hourly candles that hold one price each."""
    return [Vela(INICIO_MS + HORA_MS * i, c, c, c, c, volumen) for i, c in enumerate(cierres)]
