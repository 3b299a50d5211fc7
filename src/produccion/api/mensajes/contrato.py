"""What goes over the socket of messages: kinds, close codes, limits."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from src.produccion.api import modelos_cuenta as m
from src.produccion.api import modelos_riesgo as riesgo
from src.produccion.api.formas import Escrito, Precio
from src.produccion.config.config import Modo

PROTOCOLO = "timonel.v1"
"""Subprotocol that is chosen where the client offers any."""

PREFIJO_CSRF = "timonel.csrf."
"""Subprotocol that carries the CSRF token of a browser; it is never chosen."""

SIMBOLOS_MAXIMOS = 50


class Canal(StrEnum):
    """What can be subscribed to."""

    PRECIOS = "prices"
    POSICIONES = "positions"
    ORDENES = "orders"
    DISYUNTORES = "breakers"
    ALERTAS = "alerts"
    REGISTROS = "logs"


class Cierre(IntEnum):
    """Close codes of the API's own; beside them 1009, 1011 and 1012 of the protocol."""

    FICHA = 4401  # the token is good no more
    CSRF = 4403
    OCIOSO = 4408  # nothing subscribed to
    LENTO = 4410  # what matters does not fit into the queue any more
    OTRO_ALMACEN = 4412
    PARLANCHIN = 4429  # too many messages of the client
    DEFECTO = 4500


MOTIVOS: dict[Cierre, str] = {
    Cierre.FICHA: "the token is good no more; come back with a new one and last_event_id",
    Cierre.CSRF: "a cookie needs the csrf_token of its log-in",
    Cierre.OCIOSO: "nothing is subscribed to",
    Cierre.LENTO: "too slow; come back with last_event_id",
    Cierre.OTRO_ALMACEN: "the store has gone back, to a backup it seems; come back with last_event_id",
    Cierre.PARLANCHIN: "too many messages",
    Cierre.DEFECTO: "a defect of the server; its log says more",
}


class LimitesMensajes(NamedTuple):
    """How much a socket may take, and how long things take; seconds of wall time."""

    por_inquilino: int = 200  # sockets
    cola: int = 4_000  # messages that matter and wait for one client
    perdidos: int = 500  # rows of one channel that are sent after a reconnect; more are a gap
    recientes: int = 20  # alerts in a snapshot
    mensajes_por_minuto: int = 60  # of one client
    sondeo_s: float = 0.5  # between two looks at the store
    posiciones_s: float = 1.0
    precios_s: float = 1.0
    propios_s: float = 5.0  # between two looks at which symbols the tenant has
    credenciales_s: float = 2.0
    latido_s: float = 15.0
    ocioso_s: float = 30.0  # without a subscription
    descanso_s: float = 3.0  # the longest pause after a look at the store that failed


class Pedido(BaseModel):
    """What a client sends: what it wants from now on, instead of what it wanted before."""

    model_config = ConfigDict(extra="forbid")

    subscribe: list[Canal] | None = Field(None, max_length=6, description="None of them ends all")
    symbols: (
        Annotated[
            list[Annotated[str, Field(pattern=r"^[A-Z0-9_]{2,32}$")]],
            Field(min_length=1, max_length=SIMBOLOS_MAXIMOS),
        ]
        | None
    ) = Field(None, description="All when left out; of prices, those that the tenant trades or holds")
    environment: Modo | None = Field(None, description="Whose prices; the configured exchange when left out")
    last_event_id: Escrito | None = Field(None, max_length=4_000, description="`id` of the last message")
    csrf_token: Escrito | None = Field(None, max_length=128, description="Of the log-in; for cookies")


class _Mensaje(BaseModel):
    """What every message has."""

    id: str = Field(
        pattern=r"^\d{16}-[a-z0-9.+]+$",
        description="Later ones are greater, as text; what follows the dash is opaque",
    )
    timestamp: float = Field(description="Unix seconds, time of day of the API")


class PrecioMensaje(BaseModel):
    """Best prices and the last one; null when not known."""

    symbol: str
    environment: str
    bid: Precio
    ask: Precio
    last: Precio
    timestamp: float | None = Field(description="Unix seconds, market time")


class Suscrito(BaseModel):
    """What is subscribed to from here on."""

    channels: list[Canal]
    symbols: list[str] | None
    environment: str | None
    resumed: bool = Field(description="What was missed follows, instead of snapshots of what has a history")


class Hueco(BaseModel):
    """What was missed is not sent; a snapshot follows."""

    channel: Canal
    reason: Literal["too_many", "unknown_id"]


class Estado(BaseModel):
    """Whether what messages are made of can be read; null where nobody asked."""

    store: Literal["ok", "down"]
    exchange: Literal["ok", "down"] | None


class Fallo(BaseModel):
    """A message of the client that was not understood."""

    detail: str


class Vacio(BaseModel):
    """Nothing."""

    model_config = ConfigDict(extra="forbid")


class Precios(BaseModel):
    """Of every symbol subscribed to."""

    prices: list[PrecioMensaje]


def _clase(tipo: str, canal: Canal | None, contenido: type[BaseModel]) -> type[BaseModel]:
    """The model of one kind of message."""
    from pydantic import create_model

    campos: dict[str, Any] = {
        "type": (Literal[tipo], ...),
        "channel": (None if canal is None else Literal[canal.value], ...),
        "payload": (contenido, ...),
    }
    nombre = "".join(parte.title() for parte in (tipo, "" if canal is None else canal.value))
    return create_model(f"{nombre}Message", __base__=_Mensaje, __doc__=contenido.__doc__, **campos)


MENSAJES: tuple[type[BaseModel], ...] = (
    _clase("subscribed", None, Suscrito),
    _clase("status", None, Estado),
    _clase("heartbeat", None, Vacio),
    _clase("error", None, Fallo),
    _clase("gap", None, Hueco),
    _clase("snapshot", Canal.PRECIOS, Precios),
    _clase("snapshot", Canal.ORDENES, m.Ordenes),
    _clase("snapshot", Canal.DISYUNTORES, riesgo.Disyuntores),
    _clase("snapshot", Canal.ALERTAS, m.HistoriaAlertas),
    _clase("snapshot", Canal.REGISTROS, m.Registros),
    _clase("price", Canal.PRECIOS, PrecioMensaje),
    _clase("positions", Canal.POSICIONES, m.Posiciones),
    _clase("order", Canal.ORDENES, m.Orden),
    _clase("stop", Canal.ORDENES, m.Evento),
    _clase("breaker", Canal.DISYUNTORES, riesgo.CambioDisyuntor),
    _clase("alert", Canal.ALERTAS, m.Alerta),
    _clase("log", Canal.REGISTROS, m.Alerta),
)
"""Every kind of message that the server sends."""


def esquemas() -> dict[str, Any]:
    """JSON Schemas of both directions."""
    union: Any = MENSAJES[0]
    for otra in MENSAJES[1:]:
        union = union | otra
    return {
        "client": Pedido.model_json_schema(),
        "server": TypeAdapter(union).json_schema(mode="serialization"),
    }
