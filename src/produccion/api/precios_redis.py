"""Prices that several API processes read once: a copy in Redis for a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.api.breve import VIGENCIA_S, Leido
from src.produccion.bolsa.publico import Cotizacion
from src.produccion.espejo import URL_REDIS

_ESPERA_S = 0.2
_DESCANSO_S = 5.0
"""Wall seconds that a Redis which failed is left alone."""

log = structlog.get_logger(__name__)


class PreciosRedis:
    """The shared copies of one exchange's prices; raises nothing, whatever becomes of Redis.

    Args:
        url: Of the Redis server.
        ambito: What tells one exchange from another.
        ahora_s: Time of day, seconds.

    Raises:
        ConfiguracionInvalida: The address cannot be used.
    """

    def __init__(self, url: str, ambito: str, ahora_s: Callable[[], float] = time.time) -> None:
        try:
            self._redis = Redis.from_url(
                url, socket_connect_timeout=_ESPERA_S, socket_timeout=_ESPERA_S, retry=None
            )
        except ValueError:
            raise ConfiguracionInvalida(
                f"{URL_REDIS} is no address of a Redis server; it looks like redis://127.0.0.1:6379/0"
            ) from None  # the cause may quote a password
        self._clave = f"market_price:{ambito}"
        self._ahora_s = ahora_s
        self._caido_hasta_s = 0.0

    async def leer(self) -> Leido[Mapping[str, Cotizacion]] | None:
        """The prices that another process read within the last second; ``None`` when there are none."""
        if self._descansa:
            return None
        try:
            crudo = await self._redis.get(self._clave)
        except (RedisError, OSError, TimeoutError) as fallo:
            self._caer(fallo)
            return None
        if crudo is None:
            return None
        try:
            leida_s, filas = orjson.loads(crudo)
            edad_s = min(max(0.0, self._ahora_s() - leida_s), VIGENCIA_S)
            return Leido({fila[0]: _de_fila(*fila) for fila in filas}, edad_s)
        except (ValueError, TypeError, LookupError, ArithmeticError) as fallo:
            self._caer(fallo)  # somebody else's, or of another version
            return None

    async def guardar(self, cotizaciones: Mapping[str, Cotizacion]) -> None:
        """Let the others have prices that were just read."""
        if self._descansa:
            return
        crudo = orjson.dumps([self._ahora_s(), [_a_fila(una) for una in cotizaciones.values()]])
        try:
            await self._redis.set(self._clave, crudo, px=round(1_000 * VIGENCIA_S))
        except (RedisError, OSError, TimeoutError) as fallo:
            self._caer(fallo)

    async def cerrar(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    @property
    def _descansa(self) -> bool:
        return self._ahora_s() < self._caido_hasta_s

    def _caer(self, fallo: Exception) -> None:
        # The text of a Redis error may quote the URL and its password.
        log.warning("precios_sin_redis", motivo=type(fallo).__name__, efecto="each API process reads its own")
        self._caido_hasta_s = self._ahora_s() + _DESCANSO_S


def _a_fila(una: Cotizacion) -> list[Any]:
    precios = (una.bid, una.ask, una.ultimo)
    return [una.simbolo, una.instante_ms, *(None if p is None else format(p, "f") for p in precios)]


def _de_fila(simbolo: str, instante_ms: int, *precios: str | None) -> Cotizacion:
    bid, ask, ultimo = (None if precio is None else Decimal(precio) for precio in precios)
    return Cotizacion(simbolo, bid, ask, ultimo, instante_ms)
