"""``mercado.json``: the market an artefact was trained for, in Binance's words."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.nucleo.errores import ArtefactoInvalido
from src.nucleo.tipos import Filtros, Mercado, TipoMargen, Tramo

_PALABRAS = {
    "simbolo": "symbol",
    "activo_margen": "marginAsset",
    "tipo_margen": "marginType",
    "multiactivo": "multiAssetsMargin",
    "comision_taker": "takerCommissionRate",
    "comision_maker": "makerCommissionRate",
    "comision_liquidacion": "liquidationFee",
    "intervalo_funding_ms": "fundingIntervalMs",
    "filtros": "filters",
    "tramos": "brackets",
    "tick": "tickSize",
    "paso": "stepSize",
    "cantidad_min": "minQty",
    "cantidad_max": "maxQty",
    "paso_mercado": "marketStepSize",
    "cantidad_min_mercado": "marketMinQty",
    "cantidad_max_mercado": "marketMaxQty",
    "nocional_min": "notional",
    "multiplicador_arriba": "multiplierUp",
    "multiplicador_abajo": "multiplierDown",
    "ordenes_max": "maxNumOrders",
    "precio_min": "minPrice",
    "precio_max": "maxPrice",
    "nocional_max": "notionalCap",
    "apalancamiento_max": "initialLeverage",
    "tasa_mantenimiento": "maintMarginRatio",
    "deduccion": "cum",
}
Positivo = Annotated[Decimal, Field(gt=0)]
NoNegativo = Annotated[Decimal, Field(ge=0)]


class _Modelo(BaseModel):
    """Fields named as the core's types name them, written as Binance does."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        from_attributes=True,
        populate_by_name=True,
        alias_generator=_PALABRAS.__getitem__,
    )


class _Filtros(_Modelo):
    tick: Positivo
    paso: Positivo
    cantidad_min: Decimal
    cantidad_max: Positivo
    paso_mercado: Positivo
    cantidad_min_mercado: Decimal
    cantidad_max_mercado: Positivo
    nocional_min: Decimal
    multiplicador_arriba: Decimal
    multiplicador_abajo: Decimal
    ordenes_max: int
    precio_min: NoNegativo = Decimal(0)  # 0 is no limit, which is what artefacts that do not say it have
    precio_max: NoNegativo = Decimal(0)


class _Tramo(_Modelo):
    nocional_max: float
    apalancamiento_max: int
    tasa_mantenimiento: float
    deduccion: float


class _Mercado(_Modelo):
    simbolo: str
    activo_margen: str
    tipo_margen: TipoMargen
    multiactivo: bool
    comision_taker: float
    comision_maker: float
    comision_liquidacion: float
    intervalo_funding_ms: Annotated[int, Field(gt=0)]
    filtros: _Filtros
    tramos: Annotated[tuple[_Tramo, ...], Field(min_length=1)]


def mercado_a_json(mercado: Mercado) -> str:
    """The text of ``mercado.json``."""
    return _Mercado.model_validate(mercado).model_dump_json(by_alias=True, indent=2) + "\n"


def mercado_de_json(texto: str, origen: str) -> Mercado:
    """Read the text of ``mercado.json``; ``origen`` names it in errors.

    Raises:
        ArtefactoInvalido: The text is not a market.
    """
    try:
        modelo = _Mercado.model_validate_json(texto)
    except ValidationError as fallo:
        primero = fallo.errors()[0]
        clave = ".".join(map(str, primero["loc"]))
        raise ArtefactoInvalido(f"{origen} is not a market: `{clave}`: {primero['msg']}") from fallo
    campos = dict(_campos(modelo, ("filtros", "tramos")))
    return Mercado(
        filtros=Filtros(**dict(_campos(modelo.filtros))),
        tramos=tuple(Tramo(**dict(_campos(tramo))) for tramo in modelo.tramos),
        **campos,
    )


def _campos(modelo: _Modelo, salvo: Iterable[str] = ()) -> Iterable[tuple[str, Any]]:
    return ((nombre, valor) for nombre, valor in modelo if nombre not in salvo)
