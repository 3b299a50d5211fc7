"""What the store knows of a tenant's accounts; every query names the tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from sqlalchemy import Connection, RowMapping, Table

from src.nucleo.importes import precio
from src.produccion.almacen import lecturas
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import (
    alerts,
    audit_log,
    balance_snapshots,
    stop_events,
    trades,
)
from src.produccion.almacen.lecturas import Tramo, pagina
from src.produccion.almacen.operaciones import operaciones_activas
from src.produccion.api import modelos_cuenta as m
from src.produccion.api import vistas
from src.produccion.api.acceso import Administrador, Autenticado, Compartido, Entorno
from src.produccion.api.carteras import fondos, fondos_publicos, posicion_entera, valoradas
from src.produccion.api.formas import (
    AntesDe,
    Bolsa,
    CuentaPedida,
    Limite,
    OrdenConocida,
    SimboloPedido,
    decimal_o_nada,
    segundos,
)
from src.produccion.api.problemas import RespuestaJson
from src.produccion.api.rutas import problemas

T = TypeVar("T")

_ERRORES = problemas(401, 422, 503)
_DIAS = 7

rutas_cuenta = APIRouter(prefix="/api/v1", tags=["account"], responses=_ERRORES)


async def leyendo(entorno: Entorno, hacer: Callable[[Connection], T]) -> T:
    """Read in one transaction, off the loop."""

    def dentro() -> T:
        with leer(entorno.almacen) as conexion:
            return hacer(conexion)

    return await asyncio.to_thread(dentro)


async def _lista(
    entorno: Entorno,
    client_id: str,
    tabla: Table,
    numero: str,
    tramo: Tramo,
    ver: Callable[[RowMapping], dict[str, Any]],
) -> list[dict[str, Any]]:
    filas = await leyendo(entorno, lambda c: pagina(c, tabla, numero, client_id, tramo))
    return [ver(fila) for fila in filas]


@rutas_cuenta.get("/positions", response_model=m.Posiciones)
async def positions(
    usuario: Autenticado, entorno: Compartido, symbol: SimboloPedido = None, _exchange: Bolsa = None
) -> RespuestaJson:
    """Open positions at the prices of their exchange."""
    vistas_ = await valoradas(entorno, usuario.client_id, symbol)
    return RespuestaJson({"positions": [posicion_entera(una) for una in vistas_]})


@rutas_cuenta.get("/orders", response_model=m.Ordenes)
async def orders(
    usuario: Autenticado,
    entorno: Compartido,
    limit: Limite = 100,
    before: OrdenConocida = None,
    symbol: SimboloPedido = None,
    account_id: CuentaPedida = None,
    open_only: bool = False,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Orders of the daemons, with where their life stands."""
    tramo = Tramo(limit, None, account_id, symbol)
    filas = await leyendo(
        entorno,
        lambda c: lecturas.pagina_ordenes(c, usuario.client_id, tramo, before, abiertas=open_only),
    )
    return RespuestaJson({"orders": [vistas.orden(fila) for fila in filas]})


@rutas_cuenta.get("/history/trades", response_model=m.Fills)
@rutas_cuenta.get("/trades", response_model=m.Fills)
async def trades_(
    usuario: Autenticado,
    entorno: Compartido,
    limit: Limite = 100,
    before: AntesDe = None,
    symbol: SimboloPedido = None,
    account_id: CuentaPedida = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Fills, with what they earned."""
    tramo = Tramo(limit, before, account_id, symbol)
    return RespuestaJson(
        {"trades": await _lista(entorno, usuario.client_id, trades, "id", tramo, vistas.fill)}
    )


@rutas_cuenta.get("/balance", response_model=m.Saldos)
async def balance(usuario: Autenticado, entorno: Compartido, _exchange: Bolsa = None) -> RespuestaJson:
    """Balance, equity and exposure of each account, and the newest balance that each agent told."""
    cuentas = await fondos(entorno, usuario.client_id)
    agentes = await leyendo(entorno, lambda c: lecturas.ultimos_saldos(c, usuario.client_id))
    return RespuestaJson(
        {
            "accounts": [fondos_publicos(una) for una in cuentas],
            "agents": [vistas.saldo(fila) for fila in agentes],
        }
    )


@rutas_cuenta.get("/metrics", response_model=m.Metricas)
async def metrics(usuario: Autenticado, entorno: Compartido, _exchange: Bolsa = None) -> RespuestaJson:
    """The newest figures that daemons put in the store, once a minute."""
    filas = await leyendo(entorno, lambda c: lecturas.ultimas_metricas(c, usuario.client_id))
    return RespuestaJson({"metrics": [vistas.metrica(fila) for fila in filas]})


@rutas_cuenta.get("/performance", response_model=m.Rendimientos)
async def performance(
    usuario: Autenticado,
    entorno: Compartido,
    since: Annotated[
        int | None, Query(ge=0, le=2**53, description="UTC milliseconds; all fills when left out.")
    ] = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """What each account earned on each symbol, operation by operation."""
    filas = await leyendo(entorno, lambda c: lecturas.rendimientos(c, usuario.client_id, since))
    return RespuestaJson({"performance": [vistas.rendimiento(uno) for uno in filas]})


@rutas_cuenta.get("/daily", response_model=m.Dias)
async def daily(
    usuario: Autenticado,
    entorno: Compartido,
    days: Annotated[int, Query(ge=1, le=3_650)] = _DIAS,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """The newest days with fills, by the exchange's clock."""
    filas = await leyendo(entorno, lambda c: lecturas.dias(c, usuario.client_id, days))
    return RespuestaJson({"daily": [vistas.dia(uno) for uno in filas]})


@rutas_cuenta.get("/latch", response_model=m.Cerrojos)
async def latch(usuario: Autenticado, entorno: Compartido, _exchange: Bolsa = None) -> RespuestaJson:
    """Latches that a drawdown emergency sets; `live --unlock` opens them, on the machine itself."""
    filas = await leyendo(entorno, lambda c: lecturas.cerrojos_de(c, usuario.client_id))
    return RespuestaJson({"latches": [vistas.cerrojo(uno) for uno in filas]})


@rutas_cuenta.get("/model", response_model=m.Modelos)
async def model(usuario: Autenticado, entorno: Compartido, _exchange: Bolsa = None) -> RespuestaJson:
    """Which artefact each daemon decides with."""
    filas = await leyendo(entorno, lambda c: lecturas.demonios_de(c, usuario.client_id))
    return RespuestaJson({"models": [vistas.modelo(uno) for uno in filas]})


@rutas_cuenta.get("/guardian", response_model=m.EstadoGuardian)
async def guardian(usuario: Autenticado, entorno: Compartido, _exchange: Bolsa = None) -> RespuestaJson:
    """What each account takes of the guardian, and how far the stops of its operations are."""
    activas = await leyendo(entorno, lambda c: operaciones_activas(c, usuario.client_id))
    cuentas = []
    for nombre, cuenta in entorno.cuentas.de_inquilino(usuario.client_id).items():
        modo = entorno.cuentas.entorno_de(nombre)
        operaciones = [
            {
                "operation_id": o.operation_id,
                "symbol": o.symbol,
                "side": o.side.value,
                "stop": precio(decimal_o_nada(o.stop_price)),
                "target": precio(decimal_o_nada(o.target_price)),
                "level": o.ts_level_applied,
                "previous_level": o.ts_previous_level,
                "previous_stop": precio(decimal_o_nada(o.ts_previous_stop)),
                "adjusted_at": segundos(o.ts_last_adjustment_ts),
            }
            for o in activas
            if o.user_id == nombre
        ]
        cuentas.append(
            {
                "user_id": nombre,
                "environment": None if modo is None else modo.value,
                "use_guardian": cuenta.use_guardian,
                "use_guardian_half": cuenta.use_guardian_half,
                "operations": operaciones,
            }
        )
    return RespuestaJson({"accounts": cuentas})


@rutas_cuenta.get("/events", response_model=m.Eventos)
async def events(
    usuario: Autenticado,
    entorno: Compartido,
    limit: Limite = 100,
    before: AntesDe = None,
    symbol: SimboloPedido = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """What happened to stops."""
    tramo = Tramo(limit, before, None, symbol)
    filas = await _lista(entorno, usuario.client_id, stop_events, "event_seq", tramo, vistas.evento)
    return RespuestaJson({"events": filas})


@rutas_cuenta.get("/logs", response_model=m.Registros)
async def logs(
    usuario: Autenticado,
    entorno: Compartido,
    limit: Limite = 100,
    before: AntesDe = None,
    symbol: SimboloPedido = None,
    account_id: CuentaPedida = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """What daemons and monitors told the store; the whole log is a file of each process."""
    return RespuestaJson(
        {"logs": await _alertas(entorno, usuario.client_id, limit, before, symbol, account_id)}
    )


@rutas_cuenta.get("/history/alerts", response_model=m.HistoriaAlertas)
async def history_alerts(
    usuario: Autenticado,
    entorno: Compartido,
    limit: Limite = 100,
    before: AntesDe = None,
    symbol: SimboloPedido = None,
    account_id: CuentaPedida = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Alerts."""
    filas = await _alertas(entorno, usuario.client_id, limit, before, symbol, account_id)
    return RespuestaJson({"alerts": filas})


@rutas_cuenta.get("/history/balance", response_model=m.HistoriaSaldos)
async def history_balance(
    usuario: Autenticado,
    entorno: Compartido,
    limit: Limite = 100,
    before: AntesDe = None,
    symbol: SimboloPedido = None,
    account_id: CuentaPedida = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Balances, at every decision and once a minute."""
    tramo = Tramo(limit, before, account_id, symbol)
    filas = await _lista(entorno, usuario.client_id, balance_snapshots, "id", tramo, vistas.saldo)
    return RespuestaJson({"balances": filas})


@rutas_cuenta.get("/audit", response_model=m.Auditoria, responses=problemas(403))
async def audit(
    usuario: Administrador, entorno: Compartido, limit: Limite = 100, before: AntesDe = None
) -> RespuestaJson:
    """Who asked for what, when, from where, and what came of it; for admins."""
    tramo = Tramo(limit, before)
    filas = await _lista(entorno, usuario.client_id, audit_log, "id", tramo, vistas.asiento)
    return RespuestaJson({"audit": filas})


async def _alertas(
    entorno: Entorno,
    client_id: str,
    limit: int,
    before: int | None,
    symbol: str | None,
    account_id: str | None,
) -> list[dict[str, Any]]:
    tramo = Tramo(limit, before, account_id, symbol)
    return await _lista(entorno, client_id, alerts, "id", tramo, vistas.alerta)
