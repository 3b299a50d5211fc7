"""What the doctor finds out about the services beside the exchange: the shared store, Redis, Telegram."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from src.nucleo.errores import CanalOcupado, ErrorTimonel
from src.produccion.alertas.telegram import BotTelegram
from src.produccion.almacen.conexion import conectar_almacen, direccion_almacen, visible
from src.produccion.almacen.ingesta import por_tomar
from src.produccion.almacen.migrar import estado_esquema
from src.produccion.config.alertas import SeccionAlertas, secreto
from src.produccion.espejo import URL_REDIS
from src.produccion.supervision.hallazgo import Hallazgo, Veredicto
from src.produccion.supervision.identidad import titular_de

_ESPERA_S = 5.0


async def mirar_almacen(estado: Path) -> Hallazgo:
    """Whether the store answers and has the schema that this Timonel knows; nothing is made or migrated."""
    return await asyncio.to_thread(_mirar_almacen, estado)


async def mirar_redis(entorno: Mapping[str, str] = os.environ) -> Hallazgo:
    """Whether the Redis that the environment names answers."""
    url = entorno.get(URL_REDIS)
    if not url:
        return Hallazgo("Redis", Veredicto.BIEN, f"{URL_REDIS} is not set: nothing is copied there")
    try:
        redis = Redis.from_url(url, socket_connect_timeout=_ESPERA_S, socket_timeout=_ESPERA_S, retry=None)
    except ValueError:
        # The cause may quote a password.
        detalle = f"{URL_REDIS} is no address; it looks like redis://127.0.0.1:6379/0"
        return Hallazgo("Redis", Veredicto.MAL, detalle)
    try:
        await redis.ping()
    except (RedisError, OSError, TimeoutError) as fallo:
        detalle = f"does not answer: {type(fallo).__name__}; start it, correct {URL_REDIS} or unset it"
        return Hallazgo("Redis", Veredicto.MAL, detalle)
    finally:
        await redis.aclose()
    return Hallazgo("Redis", Veredicto.BIEN, "answers")


async def mirar_telegram(alertas: SeccionAlertas, entorno: Mapping[str, str] = os.environ) -> Hallazgo:
    """Whether Telegram knows the bot of the settings; no chat is told anything."""
    ajustes = alertas.telegram
    if ajustes is None:
        return Hallazgo("Telegram", Veredicto.BIEN, "the settings name no chat: nobody is told there")
    try:
        ficha = secreto(ajustes.token_env, entorno)
        async with aiohttp.ClientSession(trust_env=True) as sesion:
            bot = await BotTelegram(sesion, ficha, ajustes.api_url, ajustes.timeout_s).nombre()
    except CanalOcupado as fallo:
        return Hallazgo("Telegram", Veredicto.AVISO, str(fallo))
    except ErrorTimonel as fallo:
        detalle = f"{fallo}; check the token and the network, then `timonel alerts test`"
        return Hallazgo("Telegram", Veredicto.MAL, detalle)
    return Hallazgo("Telegram", Veredicto.BIEN, f"knows the bot {bot}; {len(ajustes.chats)} chats")


async def mirar_entregas(estado: Path, rutas: Sequence[Path]) -> list[Hallazgo]:
    """What each journal holds that the store has not taken; a journal that was never fed is left out.

    Args:
        estado: The state directory.
        rutas: The journals; nothing is written to them or beside them.
    """
    return await asyncio.to_thread(lambda: list(_mirar_entregas(estado, rutas)))


def _mirar_entregas(estado: Path, rutas: Sequence[Path]) -> Iterator[Hallazgo]:
    try:
        motor = conectar_almacen(None, estado, existente=True)
    except ErrorTimonel:
        return  # told elsewhere
    try:
        for ruta in rutas:
            de_quien = f"{ruta.parent.parent.name}/{ruta.parent.name}"
            with suppress(
                ErrorTimonel, DBAPIError
            ):  # a journal or schema that cannot be read is told elsewhere
                faltan = por_tomar(motor, ruta, de_quien)
                if faltan is not None:
                    yield _entrega(f"feeding {de_quien}", faltan, ruta)
    finally:
        motor.dispose()


def _entrega(que: str, faltan: int, ruta: Path) -> Hallazgo:
    if not faltan:
        return Hallazgo(que, Veredicto.BIEN, "the store has taken every record")
    titular = titular_de(ruta.parent)
    if titular is not None and titular.vivo:
        return Hallazgo(que, Veredicto.BIEN, f"{faltan} records wait; {titular} feeds them")
    return Hallazgo(
        que,
        Veredicto.AVISO,
        f"the store has not taken {faltan} records, and nobody was told what they say: the next start of its"
        " daemon feeds them, also one that a latch refuses, and so does --unlock",
    )


def _mirar_almacen(estado: Path) -> Hallazgo:
    que = "store"
    try:
        direccion = direccion_almacen(None, estado)
        if direccion.get_backend_name() == "sqlite" and not Path(str(direccion.database)).exists():
            return Hallazgo(que, Veredicto.BIEN, f"{direccion.database} is made by the first start")
        motor = conectar_almacen(None, estado, existente=True)
        try:
            esquema = estado_esquema(motor)
        finally:
            motor.dispose()
    except ErrorTimonel as fallo:
        return Hallazgo(que, Veredicto.MAL, str(fallo))
    donde = visible(direccion)
    if not esquema.pendientes:
        return Hallazgo(que, Veredicto.BIEN, f"{donde} answers; schema {esquema.actual}")
    faltan = f"{donde} lacks {len(esquema.pendientes)} migrations"
    if direccion.get_backend_name() == "sqlite":
        return Hallazgo(que, Veredicto.AVISO, f"{faltan}; the next start takes them")
    return Hallazgo(que, Veredicto.MAL, f"{faltan}; run `timonel db upgrade`")
