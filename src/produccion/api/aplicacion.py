"""The application: routes, errors, limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from src.produccion.api.acceso import Entorno, instalar_entorno
from src.produccion.api.descripcion import describir
from src.produccion.api.problemas import LimiteCuerpo, RespuestaJson, SinBarra, instalar
from src.produccion.api.rutas import rutas
from src.produccion.api.rutas_cuenta import rutas_cuenta
from src.produccion.api.rutas_guardian import rutas_guardian
from src.produccion.api.rutas_mandos import rutas_mandos
from src.produccion.api.rutas_mensajes import instalar_mensajes
from src.produccion.api.rutas_mercado import rutas_mercado
from src.produccion.api.rutas_metricas import instalar_metricas
from src.produccion.api.rutas_ordenes import rutas_ordenes
from src.produccion.api.rutas_riesgo import rutas_riesgo
from src.produccion.api.rutas_semilla import rutas_semilla
from src.produccion.api.rutas_sistema import rutas_sistema
from src.produccion.api.rutas_token import rutas_token


@asynccontextmanager
async def _vida(aplicacion: FastAPI) -> AsyncIterator[None]:
    """What was opened while it served is closed with it."""
    async with aplicacion.state.vigia.vigilando():
        yield
    await aplicacion.state.central.cerrar()
    entorno: Entorno = aplicacion.state.entorno
    await entorno.mercados.cerrar()


def crear_aplicacion(entorno: Entorno) -> FastAPI:
    """The API over a store and accounts; it holds no keys of the exchange."""
    aplicacion = FastAPI(
        title="Timonel",
        summary="Acts on open positions through the daemons that hold the keys.",
        version="1",
        default_response_class=RespuestaJson,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # served by a route that asks for a token
        redirect_slashes=False,
        lifespan=_vida,
    )
    instalar_entorno(aplicacion, entorno)
    instalar(aplicacion)
    aplicacion.add_middleware(LimiteCuerpo)
    aplicacion.add_middleware(SinBarra)
    # A path is looked for in this order: what dashboards ask for every second comes first.
    for router in (
        *(rutas_mercado, rutas_semilla, rutas_cuenta, rutas, rutas_token, rutas_sistema),
        *(rutas_guardian, rutas_mandos, rutas_ordenes, rutas_riesgo),
    ):
        aplicacion.include_router(router)
    instalar_mensajes(aplicacion, entorno)
    instalar_metricas(aplicacion)
    describir(aplicacion)
    return aplicacion
