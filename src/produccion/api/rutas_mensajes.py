"""The socket of messages, and what is said on it."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field
from starlette.websockets import WebSocket

from src.produccion.api.acceso import Autenticado, Entorno
from src.produccion.api.mensajes.central import Central
from src.produccion.api.mensajes.contrato import esquemas
from src.produccion.api.mensajes.conversacion import atender
from src.produccion.api.problemas import RespuestaJson
from src.produccion.api.rutas import problemas

rutas_mensajes = APIRouter(prefix="/api/v1/message", tags=["messages"])


class EsquemaMensajes(BaseModel):
    """``GET /api/v1/message/schema``."""

    client: dict[str, Any] = Field(description="JSON Schema of what a client sends")
    server: dict[str, Any] = Field(description="JSON Schema of what it gets")


@rutas_mensajes.get("/schema", response_model=EsquemaMensajes, responses=problemas(401, 503))
async def message_schema(_usuario: Autenticado) -> RespuestaJson:
    """JSON Schemas of the messages on the socket `/api/v1/message/ws`."""
    return RespuestaJson(_esquemas())


@rutas_mensajes.websocket("/ws")
async def message_ws(socket: WebSocket) -> None:
    """Prices, positions, orders, breakers and alerts as they happen."""
    entorno, central = socket.app.state.entorno, socket.app.state.central
    assert isinstance(entorno, Entorno)
    assert isinstance(central, Central)
    await atender(socket, entorno, central)


def instalar_mensajes(aplicacion: FastAPI, entorno: Entorno) -> None:
    """Serve the socket of messages."""
    aplicacion.state.central = Central(entorno)
    aplicacion.include_router(rutas_mensajes)


@cache
def _esquemas() -> dict[str, Any]:
    return esquemas()
