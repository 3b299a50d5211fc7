"""A symbol's rules in decimal numbers: filters, brackets, fees and leverage caps."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from src.nucleo.tipos import Filtros, Mercado
from src.simulador.numeros import CERO, EXACTO, decimal_de, decimales

APALANCAMIENTO_INICIAL = 20
_MONEDAS = ("USDT", "USDC", "FDUSD", "BUSD")


@dataclass(frozen=True, slots=True, kw_only=True)
class TramoMargen:
    """One leverage bracket: maintenance = notional · tasa − deduccion."""

    piso: Decimal
    techo: Decimal
    apalancamiento: int
    tasa: Decimal
    deduccion: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrato:
    """What trading one symbol obeys, besides its prices."""

    simbolo: str
    activo_margen: str
    activo_base: str
    filtros: Filtros
    tramos: tuple[TramoMargen, ...]
    taker: Decimal
    maker: Decimal
    liquidacion: Decimal
    intervalo_funding_ms: int
    decimales_precio: int
    decimales_cantidad: int

    @classmethod
    def de_mercado(
        cls, mercado: Mercado, *, taker: Decimal | None = None, maker: Decimal | None = None
    ) -> Self:
        """Translate the shared description; the fees may be replaced."""
        return cls(
            simbolo=mercado.simbolo,
            activo_margen=mercado.activo_margen,
            activo_base=_base(mercado.simbolo, mercado.activo_margen),
            filtros=mercado.filtros,
            tramos=_tramos(mercado),
            taker=taker if taker is not None else decimal_de(mercado.comision_taker),
            maker=maker if maker is not None else decimal_de(mercado.comision_maker),
            liquidacion=decimal_de(mercado.comision_liquidacion),
            intervalo_funding_ms=mercado.intervalo_funding_ms,
            decimales_precio=decimales(mercado.filtros.tick),
            decimales_cantidad=decimales(mercado.filtros.paso),
        )

    def tramo_de(self, nocional: Decimal) -> TramoMargen:
        """The bracket a notional falls in; the last one beyond its cap."""
        for tramo in self.tramos:
            if nocional <= tramo.techo:
                return tramo
        return self.tramos[-1]

    def mantenimiento(self, nocional: Decimal) -> Decimal:
        """Maintenance margin of a notional (>= 0), not rounded."""
        tramo = self.tramo_de(nocional)
        return EXACTO.subtract(EXACTO.multiply(nocional, tramo.tasa), tramo.deduccion)

    def nocional_max(self, apalancamiento: int) -> Decimal:
        """Largest notional that a leverage may carry."""
        caben = [tramo.techo for tramo in self.tramos if tramo.apalancamiento >= apalancamiento]
        return caben[-1] if caben else CERO

    @property
    def apalancamiento_max(self) -> int:
        """Highest leverage of any bracket."""
        return max(tramo.apalancamiento for tramo in self.tramos)


def _tramos(mercado: Mercado) -> tuple[TramoMargen, ...]:
    piso = CERO
    tramos = []
    for tramo in mercado.tramos:
        techo = decimal_de(tramo.nocional_max)
        tramos.append(
            TramoMargen(
                piso=piso,
                techo=techo,
                apalancamiento=tramo.apalancamiento_max,
                tasa=decimal_de(tramo.tasa_mantenimiento),
                deduccion=decimal_de(tramo.deduccion),
            )
        )
        piso = techo
    return tuple(tramos)


def _base(simbolo: str, activo_margen: str) -> str:
    for moneda in (activo_margen, *_MONEDAS):
        if simbolo.endswith(moneda) and simbolo != moneda:
            return simbolo.removesuffix(moneda)
    return simbolo
