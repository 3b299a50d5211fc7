"""One account's money: wallet, positions and the postings that move it, in Decimal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from src.nucleo.tipos import TipoMargen
from src.simulador.contrato import APALANCAMIENTO_INICIAL, Contrato
from src.simulador.numeros import CERO, EXACTO, ganancia, producto, promedio, redondear
from src.simulador.ordenes import RECUERDA, Ingreso

POR_ORDEN = 4
"""Postings that are remembered for each ended order."""


@dataclass(slots=True)
class PosicionSimbolo:
    """Settings and holding of one symbol; flat when ``cantidad`` is 0."""

    contrato: Contrato
    apalancamiento: int = APALANCAMIENTO_INICIAL
    tipo_margen: TipoMargen = TipoMargen.CROSSED
    cantidad: Decimal = CERO  # signed
    entrada: Decimal = CERO
    cartera_aislada: Decimal = CERO  # isolated margin of the position
    realizado_acumulado: Decimal = CERO
    actualizada_ms: int = 0

    @property
    def aislada(self) -> bool:
        """Whether the position has margin of its own."""
        return self.tipo_margen is TipoMargen.ISOLATED

    def no_realizado(self, mark: Decimal) -> Decimal:
        """Open profit at the mark price, not rounded."""
        if not self.cantidad:
            return CERO
        return EXACTO.multiply(self.cantidad, EXACTO.subtract(mark, self.entrada))

    def nocional(self, mark: Decimal) -> Decimal:
        """Unsigned notional at the mark price."""
        return EXACTO.multiply(abs(self.cantidad), mark) if self.cantidad else CERO

    def mantenimiento(self, mark: Decimal) -> Decimal:
        """Maintenance margin at the mark price."""
        return self.contrato.mantenimiento(self.nocional(mark)) if self.cantidad else CERO


class Asiento(NamedTuple):
    """What one fill posted."""

    realizado: Decimal
    comision: Decimal


@dataclass(slots=True)
class Cuenta:
    """An account with one margin asset.

    ``saldo`` is the whole wallet; the isolated wallets are a part of it.
    """

    clave: str
    secreto: bytes
    activo: str
    saldo: Decimal
    posiciones: dict[str, PosicionSimbolo]
    modo_cobertura: bool = False
    multiactivo: bool = False
    ingresos: deque[Ingreso] = field(default_factory=lambda: deque(maxlen=POR_ORDEN * RECUERDA))
    suma_ingresos: dict[str, Decimal] = field(default_factory=dict)
    _siguiente_ingreso: int = 1

    def saldo_cruzado(self) -> Decimal:
        """Wallet that is not locked in isolated positions."""
        aislado = sum((p.cartera_aislada for p in self.posiciones.values() if p.cartera_aislada), CERO)
        return self.saldo - aislado

    def cruzadas(self) -> Iterable[PosicionSimbolo]:
        """Open positions that share the cross wallet."""
        return (p for p in self.posiciones.values() if p.cantidad and not p.aislada)

    def anotar(self, tipo: str, simbolo: str, monto: Decimal, tiempo_ms: int, operada_id: int = 0) -> None:
        """Move the wallet by a posted amount and keep the row; nothing is posted for zero."""
        if not monto:
            return
        self.saldo += monto
        self.suma_ingresos[tipo] = self.suma_ingresos.get(tipo, CERO) + monto
        self.ingresos.append(Ingreso(self._siguiente_ingreso, tipo, simbolo, monto, tiempo_ms, operada_id))
        self._siguiente_ingreso += 1

    def asentar_ejecucion(
        self,
        simbolo: str,
        cantidad: Decimal,
        precio: Decimal,
        comision: Decimal,
        tiempo_ms: int,
        operada_id: int,
        tipo_comision: str = "COMMISSION",
    ) -> Asiento:
        """Book one fill; it may cross zero.

        Args:
            simbolo: What was traded.
            cantidad: Signed: > 0 bought, < 0 sold.
            precio: Fill price.
            comision: Posted fee, >= 0.
            tiempo_ms: Market time.
            operada_id: Number of the trade.
            tipo_comision: Income type of the fee.
        """
        posicion = self.posiciones[simbolo]
        realizado = _mover(posicion, cantidad, precio)
        posicion.actualizada_ms = tiempo_ms
        posicion.realizado_acumulado += realizado
        self.anotar("REALIZED_PNL", simbolo, realizado, tiempo_ms, operada_id)
        self.anotar(tipo_comision, simbolo, -comision, tiempo_ms, operada_id)
        return Asiento(realizado, comision)

    def cobrar_funding(self, simbolo: str, mark: Decimal, tasa: Decimal, tiempo_ms: int) -> Decimal:
        """Settle funding of a symbol; the amount is > 0 when received. Longs pay when the rate is > 0."""
        posicion = self.posiciones[simbolo]
        if not posicion.cantidad:
            return CERO
        monto = -producto(posicion.cantidad, mark, tasa)
        if posicion.aislada:
            posicion.cartera_aislada += monto
        self.anotar("FUNDING_FEE", simbolo, monto, tiempo_ms)
        return monto


def _mover(posicion: PosicionSimbolo, cantidad: Decimal, precio: Decimal) -> Decimal:
    """Change a position by a fill and return the realised profit, posted."""
    anterior = posicion.cantidad
    nueva = anterior + cantidad
    if not anterior or (anterior > 0) == (cantidad > 0):
        posicion.entrada = promedio(anterior, posicion.entrada, cantidad, precio) if anterior else precio
        posicion.cantidad = nueva
        if posicion.aislada:
            posicion.cartera_aislada += _margen(posicion, abs(cantidad), precio)
        return CERO
    cerrada = min(abs(cantidad), abs(anterior)) * (1 if anterior > 0 else -1)
    realizado = ganancia(cerrada, posicion.entrada, precio)
    _liberar_aislada(posicion, cerrada)
    posicion.cantidad = nueva
    if not nueva:
        posicion.entrada = CERO
    elif (nueva > 0) != (anterior > 0):
        posicion.entrada = precio
        if posicion.aislada:
            posicion.cartera_aislada = _margen(posicion, abs(nueva), precio)
    return realizado


def _margen(posicion: PosicionSimbolo, cantidad: Decimal, precio: Decimal) -> Decimal:
    return redondear(EXACTO.divide(EXACTO.multiply(cantidad, precio), Decimal(posicion.apalancamiento)))


def _liberar_aislada(posicion: PosicionSimbolo, cerrada: Decimal) -> None:
    """Give back the closed share of the isolated wallet."""
    if not posicion.cartera_aislada:
        return
    resto = EXACTO.divide(posicion.cantidad - cerrada, posicion.cantidad)
    posicion.cartera_aislada = redondear(EXACTO.multiply(posicion.cartera_aislada, resto))


Marcas = Mapping[str, Decimal]
