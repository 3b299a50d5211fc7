"""Public market data by environment, read at most once a second whoever asks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from src.nucleo.errores import BolsaIncompatible, ErrorBolsa
from src.produccion.api.breve import Breve, Leido
from src.produccion.api.precios_redis import PreciosRedis
from src.produccion.bolsa.publico import VELAS_POR_PAGINA, Cotizacion, Libro, MercadoPublico, VelaPublica
from src.produccion.config.config import URL_BOLSA, Modo, direccion_publica
from src.produccion.espejo import URL_REDIS

_VIGENCIA_LISTA_S = 600.0
_RELECTURA_S = 10.0
"""How often a symbol that is not on the list may have the list read again."""

_TODOS = "*"
_LOCALES = frozenset({"127.0.0.1", "localhost", "::1"})

log = structlog.get_logger(__name__)


class _Pagina(NamedTuple):
    simbolo: str
    intervalo: str
    limite: int
    hasta_ms: int | None


class Plaza:
    """One exchange's public data.

    Args:
        mercado: Reads it.
        redis: Copies shared with other processes; ``None`` for none.
    """

    def __init__(self, mercado: MercadoPublico, redis: PreciosRedis | None = None) -> None:
        self._mercado = mercado
        self._redis = redis
        self._lista: Breve[str, frozenset[str]] = Breve(self._leer_lista, _VIGENCIA_LISTA_S)
        self._lista_fresca: Breve[str, frozenset[str]] = Breve(self._leer_lista, _RELECTURA_S)
        self.precios: Breve[str, Mapping[str, Cotizacion]] = Breve(self._leer_precios)
        self._libros: Breve[tuple[str, int], Libro] = Breve(self._leer_libro)
        self._velas: Breve[_Pagina, list[VelaPublica]] = Breve(self._leer_velas)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._mercado.url

    @property
    def lecturas(self) -> int:
        """Requests that the exchange got."""
        return self._mercado.lecturas

    async def cotizacion(self, simbolo: str) -> Cotizacion:
        """Bid, ask and last price, at most a second old.

        Raises:
            BolsaIncompatible: The exchange does not list the symbol.
            ErrorBolsa: It does not answer, or takes no more requests now.
        """
        cotizacion = (await self.precios.dar(_TODOS)).get(simbolo)
        if cotizacion is None:
            await self.comprobar(simbolo)
            return Cotizacion(simbolo, None, None, None, 0)
        return cotizacion

    async def cotizaciones(self) -> Mapping[str, Cotizacion]:
        """Of every symbol, at most a second old; raises `ErrorBolsa` as `cotizacion`."""
        return await self.precios.dar(_TODOS)

    async def cotizaciones_o_nada(self) -> Mapping[str, Cotizacion]:
        """Of every symbol; empty when they cannot be known now."""
        try:
            return await self.cotizaciones()
        except ErrorBolsa as fallo:
            log.warning("sin_precios", bolsa=self.url, motivo=str(fallo))
            return {}

    async def libro(self, simbolo: str, limite: int) -> Libro:
        """The order book; raises as `cotizacion`."""
        await self.comprobar(simbolo)
        return await self._libros.dar((simbolo, limite))

    async def velas(
        self, simbolo: str, intervalo: str, limite: int, hasta_ms: int | None = None
    ) -> list[VelaPublica]:
        """The newest candles that open by an instant, oldest first; raises as `cotizacion`."""
        await self.comprobar(simbolo)
        filas: list[VelaPublica] = []
        while len(filas) < limite:
            pedidas = min(limite - len(filas), VELAS_POR_PAGINA)
            pagina = await self._velas.dar(_Pagina(simbolo, intervalo, pedidas, hasta_ms))
            filas = [*pagina, *filas]
            if len(pagina) < pedidas:
                break
            hasta_ms = pagina[0].apertura_ms - 1
        return filas

    async def comprobar(self, simbolo: str) -> None:
        """Whether the exchange lists a symbol; raises as `cotizacion`."""
        if simbolo in await self._lista.dar(_TODOS) or simbolo in await self._lista_fresca.dar(_TODOS):
            return
        raise BolsaIncompatible(f"{self.url} does not list {simbolo!r}")

    async def cerrar(self) -> None:
        """Let go of the connections."""
        await self._mercado.cerrar()
        if self._redis is not None:
            await self._redis.cerrar()

    async def _leer_lista(self, _: str) -> Leido[frozenset[str]]:
        return Leido(await self._mercado.simbolos())

    async def _leer_precios(self, _: str) -> Leido[Mapping[str, Cotizacion]]:
        compartidos = None if self._redis is None else await self._redis.leer()
        if compartidos is not None:
            return compartidos
        cotizaciones = await self._mercado.cotizaciones()
        if self._redis is not None:
            await self._redis.guardar(cotizaciones)
        return Leido(cotizaciones)

    async def _leer_libro(self, clave: tuple[str, int]) -> Leido[Libro]:
        return Leido(await self._mercado.libro(*clave))

    async def _leer_velas(self, pagina: _Pagina) -> Leido[list[VelaPublica]]:
        return Leido(await self._mercado.velas(*pagina))


class Mercados:
    """The exchanges whose public data this API reads.

    Args:
        plazas: By environment; one that is missing has no public data here.
        por_defecto: What is meant when none is named; ``None`` when there is none.
    """

    def __init__(self, plazas: Mapping[Modo, Plaza], por_defecto: Modo | None) -> None:
        self._plazas = dict(plazas)
        self._por_nombre = {modo.value: plaza for modo, plaza in self._plazas.items()}
        self.por_defecto = por_defecto

    @property
    def plazas(self) -> Mapping[Modo, Plaza]:
        """By environment."""
        return self._plazas

    def una(self, modo: Modo | None) -> Plaza | None:
        """That of an environment, or the default one."""
        elegido = modo or self.por_defecto
        return None if elegido is None else self._plazas.get(elegido)

    def de_cuenta(self, account_id: str) -> Plaza | None:
        """Where an account trades; the prices of another exchange say nothing of what it is worth."""
        return self._por_nombre.get(account_id.partition("-")[0])

    async def cerrar(self) -> None:
        """Let go of all connections."""
        for plaza in self._plazas.values():
            await plaza.cerrar()


def crear_mercados(entorno: Mapping[str, str] = os.environ) -> Mercados:
    """The testnet, the real exchange, and the one that ``TIMONEL_EXCHANGE_URL`` names: that is the default.

    Raises:
        ConfiguracionInvalida: An address cannot be used.
    """
    url = entorno.get(URL_BOLSA)
    nombrado = None
    if url:
        nombrado = Modo.SIMULADO if urlsplit(url).hostname in _LOCALES else Modo.TESTNET
    redis = entorno.get(URL_REDIS)
    plazas = {}
    for modo in Modo:
        direccion = direccion_publica(modo, url if modo is nombrado else None)
        if direccion is not None:
            copias = PreciosRedis(redis, direccion.partition("://")[2]) if redis else None
            plazas[modo] = Plaza(MercadoPublico(direccion), copias)
    return Mercados(plazas, nombrado or Modo.TESTNET)
