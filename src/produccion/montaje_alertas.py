"""Composition root of ``timonel alerts``: store, channels, deliverer; no keys of any exchange."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from src.nucleo.alertas import Regla
from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.alertas.bandeja import Destino
from src.produccion.alertas.canales import Canal, CanalApprise
from src.produccion.alertas.escucha import Oyente
from src.produccion.alertas.repartidor import Repartidor, Ritmo
from src.produccion.alertas.telegram import BotTelegram, CanalTelegram
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.config.alertas import (
    Permiso,
    SeccionAlertas,
    SeccionChat,
    SeccionServicio,
    SeccionTelegram,
    secreto,
)
from src.produccion.monitor.libro import Libro


@dataclass(frozen=True, slots=True, kw_only=True)
class OficinaAbierta:
    """What alerts are delivered with."""

    repartidor: Repartidor
    canales: tuple[Canal, ...]
    oyente: Oyente | None  # ``None`` when no chat may give commands


@asynccontextmanager
async def abrir_oficina(
    ajustes: SeccionAlertas, estado: Path, entorno: Mapping[str, str] = os.environ
) -> AsyncIterator[OficinaAbierta]:
    """Open the store and every channel of the settings.

    Args:
        ajustes: Section ``alerts``.
        estado: The ``--state-dir``.
        entorno: Where the secrets are.

    Raises:
        ConfiguracionInvalida: There is no channel, a secret is missing, or the store cannot be used.
    """
    async with aiohttp.ClientSession() as sesion:
        bot = None if ajustes.telegram is None else _bot(ajustes.telegram, sesion, entorno)
        canales: tuple[Canal, ...] = (*_chats(ajustes, bot), *_servicios(ajustes, entorno))
        if not canales:
            raise ConfiguracionInvalida(
                "nobody is to be told: name a chat in alerts.telegram or a service in alerts.apprise of"
                " timonel.yaml, and give that file with --config"
            )
        motor = abrir_almacen(None, estado)
        libro = Libro(motor)
        try:
            repartidor = Repartidor(libro, canales, ritmo_de(ajustes))
            yield OficinaAbierta(
                repartidor=repartidor, canales=canales, oyente=_oyente(ajustes.telegram, bot, libro)
            )
        finally:
            libro.apagar()
            motor.dispose()


def ritmo_de(ajustes: SeccionAlertas) -> Ritmo:
    """How often things are done, as the settings say."""
    regla = Regla(
        ajustes.throttle_per_kind,
        round(ajustes.throttle_window_s * 1_000),
        round(ajustes.max_age_h * 3_600_000),
    )
    return Ritmo(ajustes.poll_s, regla, ajustes.keep_days, ajustes.silent_daemon_s)


def _bot(telegram: SeccionTelegram, sesion: aiohttp.ClientSession, entorno: Mapping[str, str]) -> BotTelegram:
    return BotTelegram(sesion, secreto(telegram.token_env, entorno), telegram.api_url, telegram.timeout_s)


def _oyente(telegram: SeccionTelegram | None, bot: BotTelegram | None, libro: Libro) -> Oyente | None:
    if telegram is None or bot is None or all(c.commands is Permiso.NINGUNO for c in telegram.chats):
        return None
    return Oyente(bot, telegram.chats, libro, telegram.long_poll_s)


def _chats(ajustes: SeccionAlertas, bot: BotTelegram | None) -> list[CanalTelegram]:
    if ajustes.telegram is None or bot is None:
        return []
    pausa_s = ajustes.telegram.gap_s
    return [
        CanalTelegram(_destino("telegram", chat), bot, chat.chat_id, pausa_s)
        for chat in ajustes.telegram.chats
    ]


def _servicios(ajustes: SeccionAlertas, entorno: Mapping[str, str]) -> list[CanalApprise]:
    return [
        CanalApprise(_destino("apprise", uno), secreto(uno.url_env, entorno), uno.timeout_s)
        for uno in ajustes.apprise
    ]


def _destino(servicio: str, receptor: SeccionChat | SeccionServicio) -> Destino:
    clases = None if receptor.kinds is None else frozenset(receptor.kinds)
    return Destino(f"{servicio}:{receptor.name}", receptor.min_level, receptor.client_id, clases)
