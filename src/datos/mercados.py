"""The market of a symbol when no exchange is there to ask: filters, brackets and fees."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from src.datos.tabla import PRECIOS, TablaVelas
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.intervalos import HORA_MS
from src.nucleo.tipos import Filtros, Mercado, Tramo

ACTIVOS_MARGEN = ("USDT", "USDC")
COMISION_TAKER = 0.0005
COMISION_MAKER = 0.0002
COMISION_LIQUIDACION = 0.0125
INTERVALO_FUNDING_MS = 8 * HORA_MS
PRECIO_MAX = Decimal(100_000_000)

_DECIMALES_MAX = 8


class _Ficha(NamedTuple):
    """What Binance publishes of a symbol, as text."""

    tick: str
    paso: str
    maxima: str
    maxima_mercado: str
    nocional_min: str


_FICHAS = {
    "BTCUSDT": _Ficha("0.10", "0.001", "1000", "120", "50"),
    "ETHUSDT": _Ficha("0.01", "0.001", "10000", "2000", "20"),
    "BNBUSDT": _Ficha("0.01", "0.01", "100000", "2000", "5"),
    "SOLUSDT": _Ficha("0.01", "0.01", "1000000", "80000", "5"),
    "XRPUSDT": _Ficha("0.0001", "0.1", "10000000", "2000000", "5"),
    "ADAUSDT": _Ficha("0.0001", "1", "20000000", "3000000", "5"),
    "DOTUSDT": _Ficha("0.001", "0.1", "1000000", "200000", "5"),
    "DOGEUSDT": _Ficha("0.00001", "1", "100000000", "30000000", "5"),
}
_PRECIO_SUPUESTO = 100.0
_NOCIONAL_DE_UN_PASO = 5.0  # a step of an unknown symbol is worth at most this much
_NOCIONAL_ORDEN_MAX = 10_000_000.0

_TRAMOS_MAYORES = (  # notional cap, leverage, maintenance rate
    ("50000", 125, "0.004"),
    ("600000", 100, "0.005"),
    ("3000000", 50, "0.01"),
    ("12000000", 20, "0.025"),
    ("70000000", 10, "0.05"),
    ("100000000", 5, "0.1"),
    ("230000000", 4, "0.125"),
    ("480000000", 3, "0.15"),
    ("600000000", 2, "0.25"),
    ("1200000000", 1, "0.5"),
)
_TRAMOS_MENORES = (
    ("10000", 75, "0.01"),
    ("50000", 50, "0.015"),
    ("250000", 25, "0.02"),
    ("1000000", 20, "0.025"),
    ("5000000", 10, "0.05"),
    ("10000000", 5, "0.1"),
    ("20000000", 4, "0.125"),
    ("30000000", 2, "0.25"),
    ("50000000", 1, "0.5"),
)
_MAYORES = frozenset({"BTC", "ETH"})


def mercado_por_defecto(simbolo: str, tabla: TablaVelas | None = None) -> Mercado:
    """The market that a simulation of a symbol uses; the same for whoever asks with the same data.

    The tick is never coarser than the decimals of the data, so that every recorded price is a legal one.
    A symbol without a known specification gets a step that fits its first price.

    Args:
        simbolo: For example ``BTCUSDT``; ends in the margin asset.
        tabla: The whole data set, when there is one.
    Raises:
        ConfiguracionInvalida: The symbol does not end in a margin asset that is known.
    """
    activo = activo_margen(simbolo)
    precio = float(tabla.close[0]) if tabla is not None and len(tabla) else None
    filtros = filtros_por_defecto(simbolo, precio or _PRECIO_SUPUESTO)
    if tabla is not None and len(tabla):
        filtros = replace(filtros, tick=min(filtros.tick, Decimal(1).scaleb(-decimales(tabla))))
    return Mercado(
        simbolo=simbolo,
        activo_margen=activo,
        filtros=filtros,
        tramos=tramos_de(_TRAMOS_MAYORES if simbolo.removesuffix(activo) in _MAYORES else _TRAMOS_MENORES),
        comision_taker=COMISION_TAKER,
        comision_maker=COMISION_MAKER,
        comision_liquidacion=COMISION_LIQUIDACION,
        intervalo_funding_ms=INTERVALO_FUNDING_MS,
    )


def activo_margen(simbolo: str) -> str:
    """The asset that a symbol is quoted and margined in.

    Raises:
        ConfiguracionInvalida: None that is known.
    """
    for activo in ACTIVOS_MARGEN:
        if simbolo.endswith(activo) and simbolo != activo:
            return activo
    raise ConfiguracionInvalida(
        f"symbol '{simbolo}' does not end in {' or '.join(ACTIVOS_MARGEN)}; "
        "write it as Binance does, like BTCUSDT"
    )


def decimales(tabla: TablaVelas) -> int:
    """Decimals that the prices of a table have, at most 8."""
    precios = np.concatenate([getattr(tabla, nombre) for nombre in PRECIOS])
    for digitos in range(_DECIMALES_MAX):
        escala = 10.0**digitos
        if bool((np.rint(precios * escala) / escala == precios).all()):
            return digitos
    return _DECIMALES_MAX


def tramos_de(filas: tuple[tuple[str, int, str], ...]) -> tuple[Tramo, ...]:
    """Brackets from caps and rates; each deduction makes the margin continuous at the bracket's lower end."""
    tramos: list[Tramo] = []
    deduccion = techo = tasa = Decimal(0)
    for texto_techo, apalancamiento, texto_tasa in filas:
        deduccion += techo * (Decimal(texto_tasa) - tasa)
        techo, tasa = Decimal(texto_techo), Decimal(texto_tasa)
        tramos.append(
            Tramo(
                nocional_max=float(techo),
                apalancamiento_max=apalancamiento,
                tasa_mantenimiento=float(tasa),
                deduccion=float(deduccion),
            )
        )
    return tuple(tramos)


def _ficha_supuesta(precio: float) -> _Ficha:
    digitos = int(np.clip(np.ceil(np.log10(precio / _NOCIONAL_DE_UN_PASO)), 0, 3))
    maxima = 10 ** max(0, int(np.ceil(np.log10(_NOCIONAL_ORDEN_MAX / precio))))
    digitos_precio = int(np.clip(4 - np.floor(np.log10(precio)), 1, _DECIMALES_MAX))
    return _Ficha(
        tick=format(Decimal(1).scaleb(-digitos_precio), "f"),
        paso=format(Decimal(1).scaleb(-digitos), "f"),
        maxima=str(maxima),
        maxima_mercado=str(maxima // 5 or 1),
        nocional_min="5",
    )


def filtros_por_defecto(simbolo: str, precio: float) -> Filtros:
    """A symbol's known filters, or some that fit a price."""
    ficha = _FICHAS.get(simbolo) or _ficha_supuesta(precio)
    paso = Decimal(ficha.paso)
    return Filtros(
        tick=Decimal(ficha.tick),
        paso=paso,
        cantidad_min=paso,
        cantidad_max=Decimal(ficha.maxima),
        paso_mercado=paso,
        cantidad_min_mercado=paso,
        cantidad_max_mercado=Decimal(ficha.maxima_mercado),
        nocional_min=Decimal(ficha.nocional_min),
        precio_min=Decimal(ficha.tick),
        precio_max=PRECIO_MAX,
    )
