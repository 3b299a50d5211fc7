"""The application: routes, errors, limits."""

from __future__ import annotations

from fastapi import FastAPI

from src.produccion.api.acceso import Entorno, instalar_entorno
from src.produccion.api.problemas import LimiteCuerpo, RespuestaJson, SinBarra, instalar
from src.produccion.api.rutas import rutas
from src.produccion.api.rutas_guardian import rutas_guardian
from src.produccion.api.rutas_token import rutas_token


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
    )
    instalar_entorno(aplicacion, entorno)
    instalar(aplicacion)
    aplicacion.add_middleware(LimiteCuerpo)
    aplicacion.add_middleware(SinBarra)
    for router in (rutas, rutas_token, rutas_guardian):
        aplicacion.include_router(router)
    return aplicacion
