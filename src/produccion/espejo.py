"""A copy of open operations in Redis for programs that read it there; the shared store is the truth."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.frenos import nombre_visible

URL_REDIS = "TIMONEL_REDIS_URL"
VIGENCIA_S = 7 * 24 * 3_600
PAUSA_S = 0.5
"""Wall seconds before the one retry."""

ESPERA_S = 0.5
"""Wall seconds that connecting, and then each answer, may take."""

log = structlog.get_logger(__name__)


class OperacionGuardian(NamedTuple):
    """What others are told of one open operation; prices in the quote asset."""

    user_id: str
    simbolo: str
    direccion: str  # BUY long, SELL short
    entrada: float
    stop: float | None
    objetivo: float | None
    estrategia: str
    abierta_ms: int
    trade_id: str
    nivel: str = ""  # last level applied
    ajuste_ms: int | None = None
    stop_ajustado: float | None = None
    stop_anterior: float | None = None
    nivel_anterior: str = ""

    @property
    def clave(self) -> str:
        """Where it lives in Redis."""
        return clave_de(self.user_id, self.simbolo)

    def como_json(self) -> bytes:
        """Its public fields; instants in seconds."""
        return orjson.dumps(
            {
                "symbol": self.simbolo,
                "side": self.direccion,
                "direction": self.direccion,
                "entry": self.entrada,
                "stop": self.stop,
                "stop_loss": self.stop,
                "target": self.objetivo,
                "user_id": self.user_id,
                "strategy": self.estrategia,
                "timestamp": self.abierta_ms / 1_000,
                "trade_id": self.trade_id,
                "ts_level_applied": nombre_visible(self.nivel) or None,
                "ts_last_adjustment_ts": None if self.ajuste_ms is None else self.ajuste_ms / 1_000,
                "ts_last_adjustment_stop": self.stop_ajustado,
                "ts_previous_stop": self.stop_anterior,
                "ts_previous_level": nombre_visible(self.nivel_anterior) or None,
            }
        )


def clave_de(user_id: str, simbolo: str) -> str:
    """Where an account's operation on a symbol lives in Redis."""
    return f"guardian:trades:{user_id}:{simbolo.upper()}"


class EspejoRedis:
    """Writes, refreshes and removes copies, in the order it is asked to.

    A call ends within about two seconds even when Redis hangs, and raises nothing: await it beside a candle,
    not before one. While Redis is down one critical event is logged, a warning when the reason
    changes, and one more when it answers again.

    Args:
        url: Of the Redis server; with ``None`` there is no mirror and every call says ``False``.

    Raises:
        ConfiguracionInvalida: The address cannot be used.
    """

    def __init__(self, url: str | None) -> None:
        self._redis = None if not url else _conectar(url)
        self._turno = asyncio.Lock()
        self._caido_por = ""

    @property
    def activo(self) -> bool:
        """Whether there is a mirror at all."""
        return self._redis is not None

    async def guardar(self, operacion: OperacionGuardian) -> bool:
        """Write the copy for seven days; whether Redis has it."""
        return await self._hacer("guardar", operacion.clave, lambda redis: _escribir(redis, operacion))

    async def refrescar(self, operacion: OperacionGuardian) -> bool:
        """Give the copy seven more days, or write it again if it is gone; whether Redis has it."""
        return await self._hacer("refrescar", operacion.clave, lambda redis: _prorrogar(redis, operacion))

    async def borrar(self, user_id: str, simbolo: str) -> bool:
        """Remove the copy of an operation that is closed; whether Redis has it no more."""
        clave = clave_de(user_id, simbolo)
        return await self._hacer("borrar", clave, lambda redis: redis.delete(clave))

    async def cerrar(self) -> None:
        """Let go of the connections."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _hacer(self, que: str, clave: str, paso: Callable[[Redis], Awaitable[Any]]) -> bool:
        if self._redis is None:
            return False
        async with self._turno:
            try:
                await self._intentar(self._redis, paso)
            except (RedisError, OSError, TimeoutError) as fallo:
                self._contar_fallo(que, clave, _direccion(self._redis), fallo)
                return False
            if self._caido_por:
                log.info("redis_recuperado", clave=clave, direccion=_direccion(self._redis))
            self._caido_por = ""
            return True

    async def _intentar(self, redis: Redis, paso: Callable[[Redis], Awaitable[Any]]) -> None:
        try:
            await paso(redis)
        except (RedisError, OSError, TimeoutError):
            await asyncio.sleep(PAUSA_S)
            await paso(redis)

    def _contar_fallo(self, que: str, clave: str, direccion: str, fallo: Exception) -> None:
        # The text of a Redis error may quote the URL and its password.
        motivo = type(fallo).__name__
        if motivo != self._caido_por:
            anotar = log.warning if self._caido_por else log.critical
            anotar("redis_no_actualizado", accion=que, clave=clave, direccion=direccion, motivo=motivo)
        self._caido_por = motivo


def crear_espejo(entorno: Mapping[str, str] = os.environ) -> EspejoRedis:
    """The mirror that ``TIMONEL_REDIS_URL`` asks for.

    Raises:
        ConfiguracionInvalida: The address cannot be used.
    """
    return EspejoRedis(entorno.get(URL_REDIS) or None)


def espejo_o_ninguno(entorno: Mapping[str, str] = os.environ) -> EspejoRedis:
    """As `crear_espejo`; an address that cannot be used is told, and there is no mirror."""
    try:
        return crear_espejo(entorno)
    except ConfiguracionInvalida as fallo:
        log.critical("espejo_mal_configurado", motivo=str(fallo))
        return EspejoRedis(None)


def _conectar(url: str) -> Redis:
    try:
        return Redis.from_url(
            url, socket_connect_timeout=ESPERA_S, socket_timeout=ESPERA_S, retry=None, max_connections=4
        )
    except ValueError:
        raise ConfiguracionInvalida(
            f"{URL_REDIS} is no address of a Redis server; it looks like redis://127.0.0.1:6379/0"
        ) from None  # the cause may quote a password


def _direccion(redis: Redis) -> str:
    """Where the server is, as messages show it: without user and password."""
    datos = redis.connection_pool.connection_kwargs
    donde = datos.get("path") or f"{datos.get('host', 'localhost')}:{datos.get('port', 6379)}"
    return f"{donde}/{datos.get('db') or 0}"


async def _escribir(redis: Redis, operacion: OperacionGuardian) -> None:
    await redis.set(operacion.clave, operacion.como_json(), ex=VIGENCIA_S)


async def _prorrogar(redis: Redis, operacion: OperacionGuardian) -> None:
    if not await redis.expire(operacion.clave, VIGENCIA_S):
        await _escribir(redis, operacion)
