"""The API about itself, and how a tenant's daemons are."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
import time
from decimal import Decimal
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from src.nucleo.importes import cociente_porcentaje, porcentaje
from src.produccion.almacen import lecturas
from src.produccion.almacen.inquilinos import leer_config
from src.produccion.almacen.salud_bolsa import salud_de
from src.produccion.api import vistas, vistas_riesgo
from src.produccion.api.acceso import Autenticado, Compartido, Entorno
from src.produccion.api.degradacion import faltas
from src.produccion.api.formas import Instante
from src.produccion.api.mercados import Plaza
from src.produccion.api.modelos import Salud
from src.produccion.api.modelos_riesgo import Candado
from src.produccion.api.problemas import RespuestaJson
from src.produccion.api.rutas import almacen_responde, problemas
from src.produccion.api.rutas_cuenta import leyendo
from src.produccion.monitor.candados import ClaseCandado, candados_de

rutas_sistema = APIRouter(tags=["system"])
_ERRORES = problemas(401, 503)
_EN_KIB = 1 if sys.platform == "darwin" else 1_024


class Pong(BaseModel):
    """``GET /api/v1/ping``."""

    status: str


class Version(BaseModel):
    """``GET /api/v1/version``."""

    version: str


class Sistema(BaseModel):
    """``GET /api/v1/sysinfo``."""

    platform: str
    python: str
    cpu_count: int | None
    load_average: list[float] | None
    memory_peak_bytes: int = Field(description="Of this process")
    disk_free_bytes: int | None = Field(description="Where the state directory lies")
    uptime_s: float


class Ajustes(BaseModel):
    """``GET /api/v1/show_config``; secrets are masked."""

    api: dict[str, Any]
    exchanges: dict[str, str]
    default_environment: str | None
    accounts: dict[str, dict[str, Any]]


class DemonioVisto(BaseModel):
    """A daemon that has not ended on purpose."""

    account_id: str
    environment: str
    user_id: str
    symbol: str
    agent_id: str | None
    alive: bool
    heartbeat_age_s: float
    started_at: float | None


class MercadoVisto(BaseModel):
    """How often prices of one exchange were asked for."""

    environment: str
    url: str
    price_requests: int
    price_cache_hits: int
    price_cache_hit_percent: str | None
    exchange_requests: int


class BolsaVista(BaseModel):
    """How an exchange is, as an account's daemon measured last; of a market in lockstep there is nothing."""

    account_id: str
    exchange: str
    status: str = Field(description="ok, or degraded: its breaker of latency or error rate is not closed")
    latency_ms: float | None = Field(description="Median time to its answers")
    error_rate: float | None = Field(description="Calls without a usable answer, as a fraction")
    detail: str | None
    checked_at: Instante


class FaltaVista(BaseModel):
    """A place that needs a daemon and has none alive."""

    account_id: str
    symbol: str
    text: str
    how_to_remove: str


class EstadoSistema(BaseModel):
    """``GET /api/v1/system/status``."""

    status: str = Field(description="ok, or degraded: there are problems")
    problems: list[FaltaVista] = Field(description="What makes it degraded")
    store: str
    uptime_s: float
    trading_enabled: bool
    trading_paused_reason: str | None
    open_positions: int
    open_breakers: int = Field(description="Those that hold entries of living daemons")
    latches: int
    locks: list[Candado] = Field(description="The same as GET /api/v1/locks")
    daemons: list[DemonioVisto]
    exchanges: list[BolsaVista]
    markets: list[MercadoVisto]


@rutas_sistema.get("/ready", response_model=Salud, responses={503: {"model": Salud}})
async def ready(entorno: Compartido) -> RespuestaJson:
    """Whether requests can be served; needs no token."""
    if await almacen_responde(entorno):
        return RespuestaJson({"status": "ready", "store": "ok"})
    return RespuestaJson({"status": "not ready", "store": "down"}, 503)


@rutas_sistema.get("/api/v1/ping", response_model=Pong)
async def ping() -> RespuestaJson:
    """Whether anybody is there; needs no token."""
    return RespuestaJson({"status": "pong"})


@rutas_sistema.get("/api/v1/version", response_model=Version, responses=_ERRORES)
async def version(_usuario: Autenticado) -> RespuestaJson:
    """Which Timonel this is."""
    return RespuestaJson({"version": _version()})


@rutas_sistema.get("/api/v1/sysinfo", response_model=Sistema, responses=_ERRORES)
async def sysinfo(_usuario: Autenticado, entorno: Compartido) -> RespuestaJson:
    """The machine that the API runs on."""
    return RespuestaJson(
        {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "cpu_count": os.cpu_count(),
            "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
            "memory_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _EN_KIB,
            "disk_free_bytes": _libre(entorno),
            "uptime_s": time.monotonic() - entorno.desde_s,
        }
    )


@rutas_sistema.get("/api/v1/show_config", response_model=Ajustes, responses=_ERRORES)
async def show_config(usuario: Autenticado, entorno: Compartido) -> RespuestaJson:
    """The settings of this process, and the tenant's accounts; secrets are masked."""
    cuentas = entorno.cuentas.de_inquilino(usuario.client_id)
    por_defecto = entorno.mercados.por_defecto
    return RespuestaJson(
        {
            "api": dict(entorno.escaparate),
            "exchanges": {modo.value: plaza.url for modo, plaza in entorno.mercados.plazas.items()},
            "default_environment": None if por_defecto is None else por_defecto.value,
            "accounts": {nombre: cuenta.model_dump(mode="json") for nombre, cuenta in cuentas.items()},
        }
    )


@rutas_sistema.get("/api/v1/system/status", response_model=EstadoSistema, responses=_ERRORES)
async def system_status(usuario: Autenticado, entorno: Compartido) -> RespuestaJson:
    """Daemons, what holds entries back, and how prices are read."""
    estado = await leyendo(entorno, lambda c: _estado(c, usuario.client_id))
    return RespuestaJson(
        {
            "status": "degraded" if estado["problems"] else "ok",
            "store": "ok",
            "uptime_s": time.monotonic() - entorno.desde_s,
            **estado,
            "markets": [_mercado(modo.value, plaza) for modo, plaza in entorno.mercados.plazas.items()],
        }
    )


def _estado(conexion: Connection, client_id: str) -> dict[str, Any]:
    config, demonios = leer_config(conexion, client_id), lecturas.demonios_de(conexion, client_id)
    candados = vistas_riesgo.candados(candados_de(conexion, client_id), demonios)
    de_ahora = [uno["kind"] for uno in candados if uno["current"]]
    abiertas = [una.operacion for una in lecturas.posiciones_abiertas(conexion, client_id)]
    cerrojos = {
        (uno["account_id"] or "", uno["symbol"] or ""): uno["how_to_remove"]
        for uno in candados
        if uno["kind"] == ClaseCandado.CERROJO
    }
    faltan = faltas(demonios, {(una.account_id, una.symbol) for una in abiertas}, cerrojos)
    return {
        "problems": [falta._asdict() for falta in faltan],
        "trading_enabled": config.trading_enabled,
        "trading_paused_reason": config.trading_paused_reason,
        "open_positions": len(abiertas),
        "open_breakers": de_ahora.count(ClaseCandado.DISYUNTOR.value),
        "latches": de_ahora.count(ClaseCandado.CERROJO.value),
        "locks": candados,
        "daemons": [vistas.demonio(uno) for uno in demonios],
        "exchanges": [vistas.bolsa(una) for una in salud_de(conexion, client_id)],
    }


def _mercado(nombre: str, plaza: Plaza) -> dict[str, Any]:
    precios = plaza.precios
    aciertos = cociente_porcentaje(Decimal(precios.aciertos), Decimal(precios.peticiones))
    return {
        "environment": nombre,
        "url": plaza.url,
        "price_requests": precios.peticiones,
        "price_cache_hits": precios.aciertos,
        "price_cache_hit_percent": porcentaje(aciertos),
        "exchange_requests": plaza.lecturas,
    }


def _libre(entorno: Entorno) -> int | None:
    estado = entorno.escaparate.get("state_dir")
    carpeta = Path(str(estado)) if estado else None
    return shutil.disk_usage(carpeta).free if carpeta is not None and carpeta.exists() else None


@cache
def _version() -> str:
    return metadata.version("timonel")
