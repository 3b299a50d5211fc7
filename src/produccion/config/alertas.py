"""Section ``alerts`` of ``timonel.yaml``: who is told what, and who may ask; it holds no secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from src.nucleo.alertas import PERDIDA_GRANDE, Nivel
from src.nucleo.errores import ConfiguracionInvalida

Nombre = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]

_TODOS = "*"
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_ENTRE_VARIAS = re.compile(r"[\s,]+")  # addresses of one variable


class Permiso(StrEnum):
    """Which commands a chat may give."""

    NINGUNO = "none"
    LEER = "read"
    TODO = "all"


class _Seccion(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Receptor(_Seccion):
    name: Nombre
    tenant: str = "default"  # ``*`` is told of all
    min_level: Nivel = Nivel.INFO
    kinds: tuple[str, ...] | None = None  # ``None`` is all

    @property
    def client_id(self) -> str | None:
        """The tenant; ``None`` is all of them."""
        return None if self.tenant == _TODOS else self.tenant


class SeccionChat(_Receptor):
    """One chat."""

    chat_id: int
    commands: Permiso = Permiso.NINGUNO
    users: tuple[int, ...] = ()  # who of the chat may give commands; nobody is left out when empty

    @model_validator(mode="after")
    def _de_alguien(self) -> SeccionChat:
        if self.commands is not Permiso.NINGUNO and self.tenant == _TODOS:
            raise ValueError("commands act on one tenant: name it instead of '*'")
        if self.commands is Permiso.TODO and self.chat_id < 0 and not self.users:
            raise ValueError("everybody in a group could close positions: list who may in 'users'")
        return self


class SeccionTelegram(_Seccion):
    """A bot and the chats that it knows."""

    token_env: str = "TIMONEL_TELEGRAM_TOKEN"
    api_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "https://api.telegram.org"
    timeout_s: Annotated[float, Field(gt=0, le=20)] = 10.0
    gap_s: Annotated[float, Field(ge=0, le=10)] = 1.0  # between two messages to one chat
    long_poll_s: Annotated[int, Field(ge=0, le=50)] = 25
    chats: Annotated[tuple[SeccionChat, ...], Field(min_length=1)]

    @field_validator("token_env")
    @classmethod
    def _es_un_nombre(cls, valor: str) -> str:
        return _nombre_de_variable(valor)


class SeccionServicio(_Receptor):
    """Any service that Apprise knows."""

    url_env: str
    timeout_s: Annotated[float, Field(gt=0, le=50)] = 30.0

    @field_validator("url_env")
    @classmethod
    def _es_un_nombre(cls, valor: str) -> str:
        return _nombre_de_variable(valor)


class SeccionAlertas(_Seccion):
    """Who is told what, and how often."""

    large_loss_fraction: Annotated[float, Field(gt=0, le=1)] = PERDIDA_GRANDE
    connection_lost_s: Annotated[float, Field(ge=1)] | None = 30.0
    poll_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    throttle_per_kind: Annotated[int, Field(ge=1)] = 5
    throttle_window_s: Annotated[float, Field(gt=0)] = 300.0
    max_age_h: Annotated[float, Field(gt=0)] = 24.0
    keep_days: Annotated[float, Field(gt=0)] = 30.0
    silent_daemon_s: Annotated[float, Field(ge=15)] | None = 60.0
    telegram: SeccionTelegram | None = None
    apprise: tuple[SeccionServicio, ...] = ()

    @model_validator(mode="after")
    def _sin_repetir(self) -> SeccionAlertas:
        chats = () if self.telegram is None else self.telegram.chats
        for que, valores in (
            ("name", [chat.name for chat in chats]),
            ("chat_id", [chat.chat_id for chat in chats]),
            ("name", [servicio.name for servicio in self.apprise]),
        ):
            if len(set(valores)) < len(valores):
                raise ValueError(f"the same {que} stands there twice")
        return self


def secreto(variable: str, entorno: Mapping[str, str]) -> str:
    """The value of an environment variable that the settings name.

    Raises:
        ConfiguracionInvalida: It is not set.
    """
    valor = entorno.get(variable, "").strip()
    if not valor:
        raise ConfiguracionInvalida(f"{variable} is not set in the environment; section `alerts` names it")
    return valor


def secretos_de(ajustes: SeccionAlertas, entorno: Mapping[str, str]) -> list[str]:
    """The values of all variables that the settings name, whatever they are called: none may be written."""
    nombres = [servicio.url_env for servicio in ajustes.apprise]
    if ajustes.telegram is not None:
        nombres.append(ajustes.telegram.token_env)
    valores = [entorno.get(nombre, "").strip() for nombre in nombres]
    return [trozo for valor in valores for trozo in {valor, *_ENTRE_VARIAS.split(valor)} if trozo]


def _nombre_de_variable(valor: str) -> str:
    if not _VARIABLE.fullmatch(valor):
        raise ValueError("this is the NAME of an environment variable; a secret must not be written here")
    return valor
