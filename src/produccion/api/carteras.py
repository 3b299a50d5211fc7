"""Open positions and balances as people read them: valued at what closing would fetch now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from src.nucleo.importes import (
    Abierta,
    cantidad,
    cociente_porcentaje,
    distancia_porcentaje,
    dolares,
    porcentaje,
    precio,
)
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.lecturas import PosicionAbierta, posiciones_abiertas, ultimos_saldos
from src.produccion.almacen.operaciones import LadoOperacion
from src.produccion.api.acceso import Entorno, Posiciones
from src.produccion.api.formas import decimal_o_nada, segundos
from src.produccion.api.mercados import Mercados, Plaza
from src.produccion.bolsa.publico import Cotizacion


class Valorada(NamedTuple):
    """An open position and the price that closing it would fetch; ``None`` when that is not known."""

    vista: PosicionAbierta
    abierta: Abierta  # as formulas need it
    actual: Decimal | None

    @property
    def valor(self) -> Decimal | None:
        """What it is worth now, unsigned."""
        return self.abierta.valor(self.actual)

    @property
    def pnl(self) -> Decimal | None:
        """Unrealised profit; not known without an entry price."""
        return self.abierta.pnl(self.actual) if self.abierta.entrada else None


class Fondos(NamedTuple):
    """What one account has; ``None`` where it is not known."""

    account_id: str
    balance: Decimal | None
    equity: Decimal | None  # as its agent told it last
    posiciones: Decimal | None  # value of all its positions
    pnl: Decimal | None  # unrealised, of all its positions
    instante_ms: int | None  # of the balance, market time

    @property
    def patrimonio(self) -> Decimal | None:
        """Balance and unrealised profit."""
        return _suma([self.balance, self.pnl])

    @property
    def disponible(self) -> Decimal | None:
        """Balance less the value of the positions: below zero under leverage."""
        return _suma([self.balance, None if self.posiciones is None else -self.posiciones])

    @property
    def exposicion(self) -> Decimal | None:
        """Value of the positions in percent of the equity."""
        return cociente_porcentaje(self.posiciones, self.patrimonio)


async def valoradas(entorno: Entorno, client_id: str, symbol: str | None = None) -> list[Valorada]:
    """The tenant's open positions, each at the prices of its own exchange."""
    posiciones = await entorno.posiciones.dar(Posiciones(client_id, symbol))
    return await _valorar(entorno.mercados, posiciones)


async def fondos(entorno: Entorno, client_id: str) -> list[Fondos]:
    """What the tenant's accounts have, by name."""

    def mirar() -> tuple[list[PosicionAbierta], list[RowMapping]]:
        with leer(entorno.almacen) as conexion:
            return posiciones_abiertas(conexion, client_id), ultimos_saldos(conexion, client_id)

    posiciones, saldos = await asyncio.to_thread(mirar)
    abiertas = await _valorar(entorno.mercados, posiciones)
    cuentas = {fila["account_id"] for fila in saldos} | {v.vista.operacion.account_id for v in abiertas}
    return [_de_cuenta(cuenta, abiertas, saldos) for cuenta in sorted(cuentas)]


async def _valorar(mercados: Mercados, posiciones: Sequence[PosicionAbierta]) -> list[Valorada]:
    plazas = [mercados.de_cuenta(posicion.operacion.account_id) for posicion in posiciones]
    cotizaciones: dict[Plaza | None, Mapping[str, Cotizacion]] = {None: {}}
    for plaza in plazas:
        if plaza is not None and plaza not in cotizaciones:
            cotizaciones[plaza] = await plaza.cotizaciones_o_nada()
    return [
        _valorada(posicion, cotizaciones[plaza].get(posicion.operacion.symbol))
        for posicion, plaza in zip(posiciones, plazas, strict=True)
    ]


def _valorada(posicion: PosicionAbierta, cotizacion: Cotizacion | None) -> Valorada:
    o = posicion.operacion
    entrada, cuanto = Decimal(str(o.average_entry_price)), Decimal(str(o.quantity))
    abierta = Abierta(o.side is LadoOperacion.BUY, cuanto, entrada)
    actual = None if cotizacion is None else abierta.precio_de_salida(cotizacion.bid, cotizacion.ask)
    return Valorada(posicion, abierta, actual)


def _de_cuenta(account_id: str, abiertas: Sequence[Valorada], saldos: Sequence[RowMapping]) -> Fondos:
    suyas = [v for v in abiertas if v.vista.operacion.account_id == account_id]
    suyos = [fila for fila in saldos if fila["account_id"] == account_id]
    # Agents of one account may share a wallet or have a ledger each: of several, nobody has said which.
    unico = suyos[0] if len(suyos) == 1 else None
    return Fondos(
        account_id,
        None if unico is None else unico["balance"],
        None if unico is None else decimal_o_nada(unico["equity"]),
        _suma([v.valor for v in suyas]),
        _suma([v.pnl for v in suyas]),
        None if unico is None else unico["taken_at_ms"],
    )


def total(valores: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; ``None`` when there is nothing to add, or something of it is not known."""
    return _suma(valores) if valores else None


def _suma(valores: Sequence[Decimal | None]) -> Decimal | None:
    conocidos = [valor for valor in valores if valor is not None]
    return sum(conocidos, Decimal(0)) if len(conocidos) == len(valores) else None


def posicion_publica(valorada: Valorada) -> dict[str, Any]:
    """The 13 fields of an open position, and how far they can be trusted."""
    o, actual, abierta = valorada.vista.operacion, valorada.actual, valorada.abierta
    stop, objetivo = decimal_o_nada(o.stop_price), decimal_o_nada(o.target_price)
    return {
        "operation_id": o.operation_id,
        "symbol": o.symbol,
        "side": o.side.value,
        "quantity": cantidad(abierta.cantidad),
        "entry_price": precio(abierta.entrada or None),
        "current_price": precio(actual),
        "unrealized_pnl": dolares(valorada.pnl),
        "unrealized_pnl_percent": porcentaje(abierta.pnl_porcentaje(actual)),
        "stop_loss": precio(stop),
        "take_profit": precio(objetivo),
        "distance_to_stop_percent": porcentaje(distancia_porcentaje(stop, actual)),
        "distance_to_target_percent": porcentaje(distancia_porcentaje(objetivo, actual)),
        "status": "OPEN",
        "daemon_alive": valorada.vista.con_demonio,
        "agent_time": segundos(valorada.vista.vista_ms),
    }


def posicion_entera(valorada: Valorada) -> dict[str, Any]:
    """All that is known of an open position."""
    o, vista = valorada.vista.operacion, valorada.vista
    return {
        **posicion_publica(valorada),
        "account_id": o.account_id,
        "user_id": o.user_id,
        "agent_id": o.agent_id,
        "value": dolares(valorada.valor),
        "initial_stop": precio(decimal_o_nada(o.initial_stop_price)),
        "level": o.ts_level_applied,
        "strategy": o.strategy,
        "resident_stop": o.resident_stop if vista.con_nombre else None,
        "hand_made": o.hand_made if vista.con_nombre else None,
        "opened_at": segundos(o.opened_at_ms),
        "agent_price": precio(vista.marca),
    }


def fondos_publicos(una: Fondos) -> dict[str, Any]:
    """One account's money as text."""
    return {
        "account_id": una.account_id,
        "environment": una.account_id.partition("-")[0],
        "balance": dolares(una.balance),
        "patrimony": dolares(una.patrimonio),
        "equity": dolares(una.equity),
        "unrealized_pnl": dolares(una.pnl),
        "positions_value": dolares(una.posiciones),
        "available": dolares(una.disponible),
        "exposure_percent": porcentaje(una.exposicion),
        "timestamp": segundos(una.instante_ms),
    }
