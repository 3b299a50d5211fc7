"""The routes of dashboards: positions, balance, patrimony, statistics."""

from __future__ import annotations

from decimal import Decimal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection, func, select

from src.nucleo.importes import cociente_porcentaje, dolares, porcentaje
from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.almacen.esquema import commands
from src.produccion.almacen.lecturas import (
    Rendimiento,
    demonios_de,
    posiciones_abiertas,
    rendimientos,
)
from src.produccion.api import modelos_cuenta as m
from src.produccion.api.acceso import Autenticado, Compartido
from src.produccion.api.carteras import Fondos, fondos, fondos_publicos, posicion_publica, total, valoradas
from src.produccion.api.formas import Ambiente, Bolsa, Dolares, Porcentaje
from src.produccion.api.problemas import RespuestaJson
from src.produccion.api.rutas import problemas
from src.produccion.api.rutas_cuenta import leyendo
from src.produccion.config.config import Modo

rutas_semilla = APIRouter(tags=["portfolio"], responses=problemas(401, 422, 503))


class EstadisticaAmbiente(BaseModel):
    """What was earned on one exchange."""

    environment: str
    fills: int
    closed_operations: int
    winning_operations: int
    win_rate_percent: Porcentaje
    net_pnl: Dolares


class Estadisticas(BaseModel):
    """``GET /stats``."""

    open_positions: int
    daemons_alive: int
    environments: list[EstadisticaAmbiente]
    commands: dict[str, int] = Field(description="How many there are in each state")


@rutas_semilla.get("/api/portfolio/positions", response_model=m.PosicionesSemilla)
async def portfolio_positions(
    usuario: Autenticado, entorno: Compartido, _exchange: Bolsa = None
) -> RespuestaJson:
    """Open positions with their profit and how far stop and target are."""
    vistas = await valoradas(entorno, usuario.client_id)
    return RespuestaJson({"positions": [posicion_publica(una) for una in vistas]})


@rutas_semilla.get("/api/account/balance", response_model=m.SaldoSemilla)
async def account_balance(
    usuario: Autenticado, entorno: Compartido, environment: Ambiente = None, _exchange: Bolsa = None
) -> RespuestaJson:
    """The balance of the tenant's accounts of one environment; money of different ones is never added up."""
    suyos, cual = _de_uno(await fondos(entorno, usuario.client_id), environment)
    return RespuestaJson(
        {
            "balance": None if cual is None else dolares(total([una.balance for una in suyos])),
            "environment": cual,
            "accounts": [fondos_publicos(una) for una in suyos],
        }
    )


@rutas_semilla.get("/api/portfolio/patrimony", response_model=m.Patrimonio)
async def patrimony(
    usuario: Autenticado, entorno: Compartido, environment: Ambiente = None, _exchange: Bolsa = None
) -> RespuestaJson:
    """Balance and unrealised profit of the tenant's accounts of one environment."""
    suyos, cual = _de_uno(await fondos(entorno, usuario.client_id), environment)
    sumables = suyos if cual is not None else []
    patrimonio = total([una.patrimonio for una in sumables])
    posiciones = total([una.posiciones for una in sumables])
    return RespuestaJson(
        {
            "patrimony": dolares(patrimonio),
            "balance": dolares(total([una.balance for una in sumables])),
            "unrealized_pnl": dolares(total([una.pnl for una in sumables])),
            "positions_value": dolares(posiciones),
            "available": dolares(total([una.disponible for una in sumables])),
            "exposure_percent": porcentaje(cociente_porcentaje(posiciones, patrimonio)),
            "environment": cual,
            "accounts": [fondos_publicos(una) for una in suyos],
        }
    )


@rutas_semilla.get("/stats", response_model=Estadisticas, tags=["guardian"])
async def stats(usuario: Autenticado, entorno: Compartido, _exchange: Bolsa = None) -> RespuestaJson:
    """What the tenant holds, runs, earned and asked for, in numbers."""
    return RespuestaJson(await leyendo(entorno, lambda c: _estadisticas(c, usuario.client_id)))


def _de_uno(cuentas: list[Fondos], ambiente: Modo | None) -> tuple[list[Fondos], str | None]:
    """The accounts of one environment and its name; all and ``None`` when several could be meant."""
    nombres = {una.account_id.partition("-")[0] for una in cuentas}
    if ambiente is not None:
        return [una for una in cuentas if una.account_id.startswith(f"{ambiente}-")], ambiente.value
    return cuentas, nombres.pop() if len(nombres) == 1 else None


def _estadisticas(conexion: Connection, client_id: str) -> dict[str, object]:
    por_ambiente: dict[str, list[Rendimiento]] = {}
    for uno in rendimientos(conexion, client_id, None):
        por_ambiente.setdefault(uno.account_id.partition("-")[0], []).append(uno)
    estados = select(commands.c.status, func.count()).where(commands.c.client_id == client_id)
    cuantos = {fila[0]: fila[1] for fila in conexion.execute(estados.group_by(commands.c.status))}
    return {
        "open_positions": len(posiciones_abiertas(conexion, client_id)),
        "daemons_alive": sum(uno.edad_ms <= VIVO_MS for uno in demonios_de(conexion, client_id)),
        "environments": [_de_ambiente(nombre, suyos) for nombre, suyos in sorted(por_ambiente.items())],
        "commands": cuantos,
    }


def _de_ambiente(nombre: str, suyos: list[Rendimiento]) -> dict[str, object]:
    cerradas, ganadas = sum(uno.cerradas for uno in suyos), sum(uno.ganadas for uno in suyos)
    return {
        "environment": nombre,
        "fills": sum(uno.fills for uno in suyos),
        "closed_operations": cerradas,
        "winning_operations": ganadas,
        "win_rate_percent": porcentaje(cociente_porcentaje(Decimal(ganadas), Decimal(cerradas))),
        "net_pnl": dolares(sum((uno.realizado - uno.comision for uno in suyos), Decimal(0))),
    }
