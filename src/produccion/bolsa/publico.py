"""Market data that anybody may read, without keys: few requests, short patience, nothing tried twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import orjson
import structlog

from src.nucleo.errores import BolsaIncompatible, ErrorBolsa, LecturaFallida, LimiteExcedido
from src.produccion.bolsa.presupuesto import AjustesLimites, Peticion, Presupuesto, Prioridad
from src.produccion.bolsa.reloj import RelojMercado

VELAS_POR_PAGINA = 1_500
PROFUNDIDADES = (5, 10, 20, 50, 100, 500, 1_000)

_PLAZO_S = 3.0
_CUOTA = 0.4  # of the limit of this address: daemons behind it go first
_ESPERA_MAXIMA_S = 1.0
_SIN_AVISO_S = 60.0
_DEMASIADAS = frozenset({418, 429})
_SIMBOLO_INVALIDO = frozenset({-1121, -1100, -1101})
_INTERVALO_INVALIDO = -1120
_LOCALES = frozenset({"127.0.0.1", "localhost", "::1"})
_PESO_MEJORES, _PESO_ULTIMOS, _PESO_INFO = 5, 2, 1

log = structlog.get_logger(__name__)


class Cotizacion(NamedTuple):
    """The best prices and the last one, quote asset; what nobody offers is ``None``."""

    simbolo: str
    bid: Decimal | None
    ask: Decimal | None
    ultimo: Decimal | None
    instante_ms: int  # market time


class Libro(NamedTuple):
    """An order book, best prices first: price and quantity."""

    simbolo: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    instante_ms: int


class VelaPublica(NamedTuple):
    """A candle; the last one of a list may still be open."""

    apertura_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    cierre_ms: int


class MercadoPublico:
    """Public reads of one futures exchange.

    Every method raises `BolsaIncompatible` when the exchange does not know the symbol, `LimiteExcedido` when
    it takes no more requests now, and `LecturaFallida` when it did not answer with what was asked for.

    Args:
        url: Where ``/fapi`` is found.
        plazo_s: Wall seconds for an answer.
    """

    def __init__(self, url: str, plazo_s: float = _PLAZO_S) -> None:
        self.url = url.rstrip("/")
        self.lecturas = 0
        """Requests that were sent."""
        self._plazo = aiohttp.ClientTimeout(total=plazo_s)
        self._presupuesto = Presupuesto(RelojMercado(), AjustesLimites(_CUOTA, _ESPERA_MAXIMA_S))
        self._sesion: aiohttp.ClientSession | None = None

    async def cotizaciones(self) -> dict[str, Cotizacion]:
        """Bid, ask and last price of every symbol now: all together cost no more than three alone."""
        mejores, ultimos = await asyncio.gather(
            self._leer("/fapi/v1/ticker/bookTicker", {}, _PESO_MEJORES),
            self._leer("/fapi/v1/ticker/price", {}, _PESO_ULTIMOS),
        )
        with _traduciendo(self.url):
            precios = {fila["symbol"]: fila for fila in ultimos}
            return {fila["symbol"]: _cotizacion(fila, precios.get(fila["symbol"], {})) for fila in mejores}

    async def libro(self, simbolo: str, limite: int) -> Libro:
        """The book; ``limite`` is one of `PROFUNDIDADES`."""
        crudo = await self._leer(
            "/fapi/v1/depth", {"symbol": simbolo, "limit": str(limite)}, _peso_libro(limite)
        )
        with _traduciendo(self.url):
            bids, asks = (
                tuple((_numero(precio), _numero(cantidad)) for precio, cantidad in crudo[lado])
                for lado in ("bids", "asks")
            )
            return Libro(simbolo, bids, asks, int(crudo.get("E") or crudo.get("T") or 0))

    async def velas(
        self, simbolo: str, intervalo: str, limite: int, hasta_ms: int | None = None
    ) -> list[VelaPublica]:
        """The newest candles that open by an instant, oldest first, at most 1,500."""
        campos = {"symbol": simbolo, "interval": intervalo, "limit": str(limite)}
        if hasta_ms is not None:
            campos["endTime"] = str(hasta_ms)
        filas = await self._leer("/fapi/v1/klines", campos, _peso_velas(limite))
        with _traduciendo(self.url):
            return [_vela(fila) for fila in filas]

    async def simbolos(self) -> frozenset[str]:
        """What can be traded now."""
        crudo = await self._leer("/fapi/v1/exchangeInfo", {}, _PESO_INFO)
        with _traduciendo(self.url):
            self._presupuesto.fijar_limites(crudo["rateLimits"])
            return frozenset(s["symbol"] for s in crudo["symbols"] if s["status"] == "TRADING")

    async def cerrar(self) -> None:
        """Let go of the connections."""
        if self._sesion is not None:
            await self._sesion.close()
            self._sesion = None

    async def _leer(self, ruta: str, campos: Mapping[str, str], peso: int) -> Any:
        peticion = Peticion(Prioridad.ORDINARIA, peso)
        await self._presupuesto.entrar(peticion)
        try:
            async with self._abierta().get(self.url + ruta, params=campos) as respuesta:
                cuerpo = await respuesta.read()
                self.lecturas += 1
                self._presupuesto.anotar(respuesta.headers)
                if respuesta.status != 200:
                    raise self._fallo(respuesta, cuerpo, campos)
        except (aiohttp.ClientError, TimeoutError) as fallo:
            raise LecturaFallida(f"{self.url} did not answer: {type(fallo).__name__}") from fallo
        finally:
            self._presupuesto.salir(peticion)
        self._presupuesto.aceptada()
        try:
            return orjson.loads(cuerpo)
        except orjson.JSONDecodeError as fallo:
            raise LecturaFallida(f"{self.url} answered something that is not JSON") from fallo

    def _fallo(
        self, respuesta: aiohttp.ClientResponse, cuerpo: bytes, campos: Mapping[str, str]
    ) -> ErrorBolsa:
        if respuesta.status in _DEMASIADAS:
            dicho = respuesta.headers.get("Retry-After", "")
            espera_s = float(dicho) if dicho.isdecimal() else _SIN_AVISO_S
            self._presupuesto.rechazada(respuesta.status, espera_s)
            return LimiteExcedido(f"{self.url} takes no requests for {espera_s:.0f} s", espera_s=espera_s)
        codigo = _codigo(cuerpo)
        if codigo in _SIMBOLO_INVALIDO:
            return BolsaIncompatible(f"{self.url} does not list {campos.get('symbol')!r}", codigo=codigo)
        if codigo == _INTERVALO_INVALIDO:
            de = f"candles of {campos.get('interval')} for {campos.get('symbol')}; ask for another interval"
            return BolsaIncompatible(f"{self.url} has no {de}", codigo=codigo)
        return LecturaFallida(f"{self.url} answered {respuesta.status} (code {codigo})", codigo=codigo)

    def _abierta(self) -> aiohttp.ClientSession:
        if self._sesion is None:
            propia = urlsplit(self.url).hostname in _LOCALES
            self._sesion = aiohttp.ClientSession(timeout=self._plazo, trust_env=not propia)
        return self._sesion


@contextmanager
def _traduciendo(url: str) -> Iterator[None]:
    """What an answer lacks or spells otherwise is an answer that did not arrive."""
    try:
        yield
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, InvalidOperation) as fallo:
        raise LecturaFallida(f"{url} answered something unexpected") from fallo


def _cotizacion(mejor: Mapping[str, Any], ultimo: Mapping[str, Any]) -> Cotizacion:
    return Cotizacion(
        mejor["symbol"],
        _positivo(mejor["bidPrice"]),
        _positivo(mejor["askPrice"]),
        _positivo(ultimo["price"]) if ultimo else None,
        max(int(mejor.get("time") or 0), int(ultimo.get("time") or 0)),
    )


def _vela(fila: Sequence[Any]) -> VelaPublica:
    o, h, low, c, v = (_numero(texto) for texto in fila[1:6])
    return VelaPublica(int(fila[0]), o, h, low, c, v, int(fila[6]))


def _numero(texto: Any) -> Decimal:
    valor = Decimal(str(texto))
    if not valor.is_finite():
        raise ValueError(f"not a number: {texto!r}")
    return valor


def _positivo(texto: Any) -> Decimal | None:
    valor = _numero(texto)
    return valor if valor > 0 else None


def _codigo(cuerpo: bytes) -> int | None:
    try:
        codigo = orjson.loads(cuerpo)["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return codigo if isinstance(codigo, int) else None


def _peso_libro(limite: int) -> int:
    return next((peso for tope, peso in ((50, 2), (100, 5), (500, 10)) if limite <= tope), 20)


def _peso_velas(limite: int) -> int:
    return next((peso for tope, peso in ((99, 1), (499, 2), (1_000, 5)) if limite <= tope), 10)
