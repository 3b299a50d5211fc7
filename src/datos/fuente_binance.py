"""Market data of a futures exchange over REST: paced, retried, and translated to the project's errors."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from binance import AsyncClient
from binance.exceptions import BinanceAPIException, BinanceRequestException

from src.datos.ritmo import Ritmo
from src.nucleo.errores import (
    BolsaIncompatible,
    CredencialesInvalidas,
    ErrorBolsa,
    LecturaFallida,
    OrdenRechazada,
)

URL_BINANCE = "https://fapi.binance.com"
VELAS_POR_PAGINA = 1_500
TASAS_POR_PAGINA = 1_000

_LOCALES = frozenset({"127.0.0.1", "localhost", "::1"})
_INTENTOS = 5
_ESPERA_INICIAL_S = 0.5
_ESPERA_SIN_AVISO_S = 60.0  # after 429 or 418 without Retry-After
_ESPERA_MAXIMA_S = 600.0  # longer bans are told, not waited for
_DEMASIADAS = frozenset({418, 429})
_PASAJEROS = frozenset({-1000, -1001, -1003, -1006, -1007, -1008, -1021})
_CREDENCIALES = frozenset({-1002, -1022, -2014, -2015})
_SIMBOLO, _INTERVALO = -1121, -1120


class _Cliente(AsyncClient):  # type: ignore[misc]
    """python-binance's client pointed at a server; without its start-up calls to the spot exchange."""

    def __init__(self, url: str, clave: str | None, secreto: str | None) -> None:
        super().__init__(api_key=clave, api_secret=secreto, session_params={"trust_env": not _es_local(url)})
        self.FUTURES_URL = f"{url}/fapi"


class FuenteBinance:
    """Reads of one futures exchange; an async context manager.

    Reads that fail for a passing reason are tried again with growing waits, 429 and 418 after the time
    that the exchange names.

    Args:
        url: Where ``/fapi`` is found.
        clave: API key; only brackets and commission need one.
        secreto: Its secret.
        ritmo: The pace of requests.
        efimera: Whether its history may be another one next time, so that nothing read is worth keeping;
            by default true of a server on this machine, which is a simulator.
    Raises:
        LecturaFallida: A read did not arrive after all tries, or the exchange bans this address for long.
        BolsaIncompatible: The exchange does not know the symbol or the interval.
        CredencialesInvalidas: The key is missing or was refused.
        OrdenRechazada: The exchange refused the request for another reason.
    """

    def __init__(
        self,
        url: str = URL_BINANCE,
        *,
        clave: str | None = None,
        secreto: str | None = None,
        ritmo: Ritmo | None = None,
        efimera: bool | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.efimera = _es_local(self.url) if efimera is None else efimera
        self.tiene_claves = bool(clave and secreto)
        self._claves = (clave, secreto)
        self._ritmo = ritmo or Ritmo()
        self._abierto: AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._abierto = _Cliente(self.url, *self._claves)
        return self

    async def __aexit__(
        self, tipo: type[BaseException] | None, fallo: BaseException | None, traza: TracebackType | None
    ) -> None:
        await self._cliente.close_connection()
        self._abierto = None

    async def hora_ms(self) -> int:
        """The exchange's clock, UTC milliseconds; also sets the clock that signs requests."""
        hora = int((await self._leer(1, self._cliente.futures_time))["serverTime"])
        self._cliente.timestamp_offset = hora - int(time.time() * 1000)
        return hora

    async def klines(
        self, simbolo: str, intervalo: str, desde_ms: int, hasta_ms: int, limite: int = VELAS_POR_PAGINA
    ) -> list[list[Any]]:
        """Rows of ``klines`` that open in ``[desde_ms, hasta_ms)``, oldest first, at most ``limite``."""
        respuesta: list[list[Any]] = await self._leer(
            _peso_klines(limite),
            lambda: self._cliente.futures_klines(
                symbol=simbolo, interval=intervalo, startTime=desde_ms, endTime=hasta_ms - 1, limit=limite
            ),
            f"{simbolo} {intervalo}",
        )
        return respuesta

    async def tasas_funding(self, simbolo: str, desde_ms: int, hasta_ms: int) -> list[dict[str, Any]]:
        """Rows of ``fundingRate`` settled in ``[desde_ms, hasta_ms)``, oldest first, at most 1,000."""
        respuesta: list[dict[str, Any]] = await self._leer(
            1,
            lambda: self._cliente.futures_funding_rate(
                symbol=simbolo, startTime=desde_ms, endTime=hasta_ms - 1, limit=TASAS_POR_PAGINA
            ),
            simbolo,
        )
        return respuesta

    async def info(self) -> dict[str, Any]:
        """``exchangeInfo``."""
        respuesta: dict[str, Any] = await self._leer(1, self._cliente.futures_exchange_info)
        return respuesta

    async def info_funding(self) -> list[dict[str, Any]]:
        """``fundingInfo``: the symbols whose funding differs from the usual."""
        respuesta: list[dict[str, Any]] = await self._leer(1, self._cliente.futures_v1_get_funding_info)
        return respuesta

    async def tramos(self, simbolo: str) -> Any:
        """``leverageBracket`` of a symbol; needs keys."""
        await self._exigir_claves()
        return await self._leer(1, lambda: self._cliente.futures_leverage_bracket(symbol=simbolo), simbolo)

    async def comision(self, simbolo: str) -> dict[str, Any]:
        """``commissionRate`` of a symbol; needs keys."""
        await self._exigir_claves()
        respuesta: dict[str, Any] = await self._leer(
            20, lambda: self._cliente.futures_commission_rate(symbol=simbolo), simbolo
        )
        return respuesta

    @property
    def _cliente(self) -> AsyncClient:
        if self._abierto is None:
            raise RuntimeError("use `async with FuenteBinance(...)`")
        return self._abierto

    async def _exigir_claves(self) -> None:
        if not self.tiene_claves:
            raise CredencialesInvalidas("this read needs an API key and its secret; give both")
        await self.hora_ms()

    async def _leer(self, peso: int, llamada: Callable[[], Awaitable[Any]], asunto: str = "") -> Any:
        causa: Exception | None = None
        for intento in range(_INTENTOS):
            if causa is not None:
                await self._ritmo.esperar(_espera_tras(causa, intento - 1, self.url))
            await self._ritmo.turno(peso)
            try:
                respuesta = await llamada()
            except BinanceAPIException as fallo:
                if not _es_pasajero(fallo):
                    raise _definitivo(fallo, asunto, self.url) from fallo
                causa = fallo
            except (aiohttp.ClientError, BinanceRequestException, TimeoutError) as fallo:
                causa = fallo
            else:
                self._ritmo.anotar(self._cliente.response.headers)
                return respuesta
        raise LecturaFallida(
            f"{self.url} did not answer in {_INTENTOS} tries; the last one failed with {_texto(causa)}. "
            "Check the network and the exchange's URL, then run again: what was read is kept."
        ) from causa


def _es_local(url: str) -> bool:
    return urlsplit(url).hostname in _LOCALES


def _peso_klines(limite: int) -> int:
    if limite < 100:
        return 1
    if limite < 500:
        return 2
    return 5 if limite <= 1_000 else 10


def _es_pasajero(fallo: BinanceAPIException) -> bool:
    estado = int(fallo.status_code)
    return estado in _DEMASIADAS or estado >= 500 or fallo.code in _PASAJEROS


def _espera_tras(causa: Exception, intento: int, url: str) -> float:
    if isinstance(causa, BinanceAPIException) and causa.status_code in _DEMASIADAS:
        texto = causa.response.headers.get("Retry-After", "")
        espera = float(texto) if texto.isdigit() else _ESPERA_SIN_AVISO_S
        if espera > _ESPERA_MAXIMA_S:
            raise LecturaFallida(
                f"{url} refuses requests from this address for another {espera:.0f} s "
                f"(HTTP {causa.status_code}). Run again after that: what was read is kept.",
                codigo=causa.code,
            ) from causa
        return espera
    return _ESPERA_INICIAL_S * 2.0**intento


def _definitivo(fallo: BinanceAPIException, asunto: str, url: str) -> ErrorBolsa:
    codigo, texto = int(fallo.code), f"{fallo.message} (code {fallo.code}, HTTP {fallo.status_code})"
    if codigo == _SIMBOLO:
        return BolsaIncompatible(
            f"{url} does not know the symbol of {asunto}: {texto}. Write it as Binance does, like BTCUSDT.",
            codigo=codigo,
        )
    if codigo == _INTERVALO:
        return BolsaIncompatible(f"{url} does not know the interval of {asunto}: {texto}.", codigo=codigo)
    if codigo in _CREDENCIALES:
        return CredencialesInvalidas(
            f"{url} refused the API key: {texto}. Check its value, its futures permission and its list of "
            "addresses, and that testnet keys are used on the testnet.",
            codigo=codigo,
        )
    if codigo == 0:
        return BolsaIncompatible(
            f"{url} answered HTTP {fallo.status_code} without a Binance error; check the exchange's URL"
        )
    return OrdenRechazada(f"{url} refused a read: {texto}", codigo=codigo)


def _texto(causa: Exception | None) -> str:
    return f"{type(causa).__name__}: {causa}".removesuffix(": ")
