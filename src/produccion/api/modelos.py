"""What the API reads and answers; unknown keys of a request are refused, and a typing error with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from src.nucleo.guardian import NIVEL_A_MANO, Solicitud, comprobar_precios, leer_accion
from src.produccion.api.formas import Escrito, guardable


def no_es_logico(valor: Any) -> Any:
    """Anything but true or false, which JSON's numbers are not.

    Raises:
        ValueError: It is one of them.
    """
    if isinstance(valor, bool):
        raise ValueError("a number is needed, not true or false")
    return valor


Numero = Annotated[float, BeforeValidator(no_es_logico)]
"""A JSON number or decimal text; whether it can be a price is asked in the core."""

Simbolo = Annotated[
    str,
    BeforeValidator(lambda valor: valor.strip().upper() if isinstance(valor, str) else valor),
    Field(pattern=r"^[A-Z0-9_]{2,32}$", examples=["BTCUSDT"]),
]
Texto = Annotated[Escrito, Field(max_length=64)]


Secreto = Annotated[
    SecretStr, BeforeValidator(lambda valor: guardable(valor) if isinstance(valor, str) else valor)
]
"""Text that is shown to nobody."""


Momento = Annotated[
    datetime,
    BeforeValidator(no_es_logico),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]}),
]


class _Entrada(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ContextoMercado(BaseModel):
    """What the asker saw; other members are kept out of the decision."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    trigger_price: Numero | None = Field(
        default=None, description="Mark it acted on: 1 % of drift is allowed."
    )
    timestamp: Momento | None = Field(
        default=None,
        description="When, by the asker's clock: Unix seconds or milliseconds, or ISO 8601."
        " Close 60 s, adjust 45 s, half 90 s.",
    )


class MetadatosNivel(BaseModel):
    """Which level an adjustment belongs to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    level_name: Texto | None = None
    level_threshold_pct: Numero | None = None
    previous_level: Texto | None = None


class SolicitudGuardian(_Entrada):
    """``POST /guardian``."""

    symbol: Simbolo
    action: Annotated[
        Escrito, Field(max_length=64, examples=["adjust"], description="close, adjust or half_close")
    ]
    stop: Numero | None = Field(default=None, description="New stop, absolute; adjust needs it.")
    target: Numero | None = Field(
        default=None, description="New target, absolute; adjust moves the take-profit."
    )
    user_id: Texto | None = Field(default=None, description="One account; without it all enabled ones.")
    account_id: Texto | None = Field(
        default=None,
        description="The account whose daemon is meant, like sim-0123456789ab; needs user_id. A dry run is"
        " asked only so, or by an account of the environment sim.",
    )
    market_context: ContextoMercado | None = None
    level_metadata: MetadatosNivel | None = None

    def solicitud(self) -> Solicitud:
        """What is asked, checked as far as it can be without the position.

        Raises:
            SolicitudInvalida: Unknown action, no stop, or a price that cannot be one.
        """
        contexto = self.market_context or ContextoMercado()
        nivel = self.level_metadata or MetadatosNivel()
        pedida = Solicitud(
            simbolo=self.symbol,
            accion=leer_accion(self.action),
            stop=self.stop,
            objetivo=self.target,
            precio_disparo=contexto.trigger_price,
            instante_ms=None if contexto.timestamp is None else _a_ms(contexto.timestamp),
            nivel=nivel.level_name or NIVEL_A_MANO,
            nivel_anterior=nivel.previous_level or "",
        )
        comprobar_precios(pedida)
        return pedida


def _a_ms(instante: datetime) -> int:
    consciente = instante if instante.tzinfo is not None else instante.replace(tzinfo=UTC)
    return round(consciente.timestamp() * 1_000)


class Ingreso(_Entrada):
    """``POST /api/v1/token/login``."""

    username: Texto
    password: Annotated[Secreto, Field(max_length=1_024)]
    cookie: bool = Field(
        default=False, description="A browser: tokens as http-only cookies, csrf_token in the body."
    )


class Refresco(_Entrada):
    """``POST /api/v1/token/refresh``."""

    refresh_token: Annotated[Secreto, Field(max_length=256)]


class FichaConcedida(BaseModel):
    """A session's tokens; they are shown this once."""

    access_token: str | None = Field(description="JWT; null for a browser, which has it as a cookie")
    refresh_token: str | None = Field(description="Works once; null for a browser")
    csrf_token: str | None = Field(description="For the header X-CSRF-Token; of browsers only")
    token_type: str = "bearer"
    expires_at: float = Field(description="Of the access token, Unix seconds")
    refresh_expires_at: float = Field(description="Of the refresh token, Unix seconds")
    role: str
    client_id: str


class MandoVisto(BaseModel):
    """``GET /api/v1/commands/{id}``."""

    command_id: str
    user_id: str
    account_id: str | None = Field(description="Whose daemon may take it; null when none lived")
    symbol: str
    action: str
    requested_by: str
    status: str = Field(description="PENDING, CLAIMED, DONE, FAILED or EXPIRED")
    created_at: float = Field(description="Unix seconds")
    finished_at: float | None
    outcome: dict[str, Any] | None


class RespuestaGuardian(BaseModel):
    """What became of one account's request: the eight fields, and what the daemon has to say."""

    model_config = ConfigDict(extra="allow")

    success: bool
    direction: str | None = Field(default=None, description="BUY long, SELL short")
    stop: float | None = None
    level_applied: str | None = None
    previous_stop: float | None = None
    adjustment_confirmed: bool = False
    redis_updated: bool = False
    timestamp: float = Field(
        description="Unix seconds: market time of the effect; where there was none, time of day of the answer"
    )


class ResultadoCuenta(RespuestaGuardian):
    """One account's part of a request to all."""

    user_id: str
    command_id: str
    error: str | None = None


class ResumenGuardian(BaseModel):
    """A request to all enabled accounts."""

    action: str
    symbol: str
    total_users: int
    successful_users: int
    failed_users: int
    success_rate: float = Field(description="Percent")
    total_execution_time_sec: float
    results: list[ResultadoCuenta]
    timestamp: float = Field(description="Unix seconds: time of day of the last answer")


class DocumentoProblema(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Salud(BaseModel):
    """``GET /health``."""

    status: str
    store: str
