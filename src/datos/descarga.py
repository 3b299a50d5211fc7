"""Candles, funding and market of a symbol from a futures exchange; what was read once is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from src.datos.continuidad import Hueco, buscar_huecos, fecha, velas_entre
from src.datos.fuente_binance import TASAS_POR_PAGINA, VELAS_POR_PAGINA, FuenteBinance
from src.datos.funding import TablaFunding
from src.datos.mercado_bolsa import mercado_de_bolsa
from src.datos.tabla import COLUMNAS, PRECIOS, TablaVelas, revisar
from src.datos.trozos import Columnas, Pagina, leer_serie
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.nucleo.intervalos import DIA_MS, MINUTO_MS, apertura_de, siguiente_apertura, validar_intervalo
from src.nucleo.tipos import Mercado

AlAvanzar = Callable[[int, int], None]
"""Told how many candles of how many are there; candles that the exchange lacks count too."""

_TARDANZA_MS = 10 * MINUTO_MS  # a row this recent may still be on its way to the exchange's archive
_FUNDING_TIEMPO, _FUNDING_TASA, _FUNDING_MARK = "funding_time_ms", "rate", "mark_price"


class Descarga(NamedTuple):
    """Candles of a range, and the ones that the exchange does not have between them."""

    tabla: TablaVelas
    huecos: list[Hueco]


async def descargar_velas(
    fuente: FuenteBinance,
    simbolo: str,
    intervalo: str,
    desde_ms: int,
    hasta_ms: int,
    *,
    cache: Path | None,
    al_avanzar: AlAvanzar = lambda hechas, total: None,
) -> Descarga:
    """Closed candles that open in ``[desde_ms, hasta_ms)``; the one in progress never is among them.

    Args:
        fuente: The exchange, opened.
        simbolo: For example ``BTCUSDT``.
        intervalo: One of Binance's.
        desde_ms: First open time wanted, UTC.
        hasta_ms: End of the range, excluded; may lie in the future.
        cache: Folder that keeps what was read, in one subfolder per exchange, so that an interrupted
            download resumes; nothing is kept when it is ``None`` or the exchange is ephemeral.
        al_avanzar: For a progress bar.
    Raises:
        ConfiguracionInvalida: The interval is unknown or the range is empty.
        DatosInvalidos: The exchange has no candle there, or answered one that breaks the contract.
        ErrorBolsa: As `FuenteBinance` says; what was read stays in the cache.
    """
    validar_intervalo(intervalo)
    _exigir_rango(desde_ms, hasta_ms)
    ahora_ms = await fuente.hora_ms()
    hasta_ms = min(hasta_ms, apertura_de(ahora_ms, intervalo))
    total = velas_entre(desde_ms, hasta_ms, intervalo)
    columnas = await leer_serie(
        _SerieVelas(fuente, simbolo, intervalo, ahora_ms),
        desde_ms,
        hasta_ms,
        _carpeta(cache, fuente, simbolo, intervalo),
        lambda instante: al_avanzar(velas_entre(desde_ms, instante, intervalo), total),
    )
    tabla = _tabla(columnas, f"{simbolo} {intervalo} of {fuente.url}")
    if not len(tabla):
        raise DatosInvalidos(await _sin_velas(fuente, simbolo, intervalo, desde_ms, hasta_ms, ahora_ms))
    return Descarga(tabla, buscar_huecos(tabla, intervalo))


async def descargar_funding(
    fuente: FuenteBinance, simbolo: str, desde_ms: int, hasta_ms: int, *, cache: Path | None
) -> TablaFunding:
    """Funding settled in ``[desde_ms, hasta_ms)``; empty when there was none.

    Args:
        fuente: The exchange, opened.
        simbolo: For example ``BTCUSDT``.
        desde_ms: Start of the range, UTC.
        hasta_ms: End of the range, excluded; may lie in the future.
        cache: As for `descargar_velas`.
    Raises:
        ConfiguracionInvalida: The range is empty.
        ErrorBolsa: As `FuenteBinance` says.
    """
    _exigir_rango(desde_ms, hasta_ms)
    ahora_ms = await fuente.hora_ms()
    columnas = await leer_serie(
        _SerieFunding(fuente, simbolo, ahora_ms),
        desde_ms,
        min(hasta_ms, ahora_ms),
        _carpeta(cache, fuente, simbolo, "funding"),
        lambda instante: None,
    )
    return TablaFunding(
        instante_ms=columnas[_FUNDING_TIEMPO],
        tasa=columnas[_FUNDING_TASA],
        precio_mark=columnas[_FUNDING_MARK],
    )


async def descargar_mercado(fuente: FuenteBinance, simbolo: str) -> Mercado:
    """The symbol's market now; brackets and commission are the usual ones without keys.

    Raises:
        BolsaIncompatible: The exchange does not list the symbol.
        ErrorBolsa: As `FuenteBinance` says.
    """
    info, funding = await fuente.info(), await fuente.info_funding()
    if not fuente.tiene_claves:
        return mercado_de_bolsa(simbolo, info, funding)
    return mercado_de_bolsa(
        simbolo, info, funding, await fuente.tramos(simbolo), await fuente.comision(simbolo)
    )


class _SerieVelas:
    """Klines as a series of pages."""

    def __init__(self, fuente: FuenteBinance, simbolo: str, intervalo: str, ahora_ms: int) -> None:
        self._fuente = fuente
        self._simbolo = simbolo
        self._intervalo = intervalo
        self._ahora_ms = ahora_ms
        self.vacia = _columnas_velas([])
        self.por_ano = siguiente_apertura(0, intervalo) >= DIA_MS
        self._vacio_hasta_ms = 0  # nothing opens between the last empty page and this

    async def pagina(self, desde_ms: int, hasta_ms: int) -> Pagina:
        """One answer of ``klines``."""
        if hasta_ms <= self._vacio_hasta_ms:
            return Pagina(self.vacia, hasta_ms)
        limite = min(VELAS_POR_PAGINA, max(1, velas_entre(desde_ms, hasta_ms, self._intervalo)))
        crudas = await self._fuente.klines(self._simbolo, self._intervalo, desde_ms, hasta_ms, limite)
        filas = [fila for fila in crudas if desde_ms <= int(fila[0]) < hasta_ms]
        reciente = hasta_ms > self._ahora_ms - _TARDANZA_MS
        if filas and (reciente or len(filas) == limite):
            hasta_ms = min(hasta_ms, siguiente_apertura(int(filas[-1][0]), self._intervalo))
        elif reciente:
            hasta_ms = desde_ms
        elif not filas:
            self._vacio_hasta_ms = await self._proxima_desde(hasta_ms)
        return Pagina(_columnas_velas(filas), hasta_ms)

    async def _proxima_desde(self, desde_ms: int) -> int:
        """Open time of the next candle there is: years before a symbol was listed take one request."""
        limite_ms = self._ahora_ms - _TARDANZA_MS
        if desde_ms >= limite_ms:
            return 0
        filas = await self._fuente.klines(self._simbolo, self._intervalo, desde_ms, limite_ms, 1)
        return int(filas[0][0]) if filas else limite_ms


class _SerieFunding:
    """Funding settlements as a series of pages."""

    por_ano = True

    def __init__(self, fuente: FuenteBinance, simbolo: str, ahora_ms: int) -> None:
        self._fuente = fuente
        self._simbolo = simbolo
        self._ahora_ms = ahora_ms
        self.vacia = _columnas_funding([])

    async def pagina(self, desde_ms: int, hasta_ms: int) -> Pagina:
        """One answer of ``fundingRate``."""
        crudas = await self._fuente.tasas_funding(self._simbolo, desde_ms, hasta_ms)
        filas = [fila for fila in crudas if desde_ms <= int(fila["fundingTime"]) < hasta_ms]
        leido_ms = int(filas[-1]["fundingTime"]) + 1 if filas else desde_ms
        if len(filas) < TASAS_POR_PAGINA:
            leido_ms = max(leido_ms, min(hasta_ms, self._ahora_ms - _TARDANZA_MS))
        return Pagina(_columnas_funding(filas), leido_ms)


def _columnas_velas(filas: list[list[Any]]) -> Columnas:
    columnas: Columnas = {"open_time": np.array([int(fila[0]) for fila in filas], dtype=np.int64)}
    for posicion, nombre in enumerate((*PRECIOS, "volume"), start=1):
        columnas[nombre] = np.array([float(fila[posicion]) for fila in filas], dtype=np.float64)
    return columnas


def _columnas_funding(filas: list[dict[str, Any]]) -> Columnas:
    instantes = [round(int(fila["fundingTime"]) / MINUTO_MS) * MINUTO_MS for fila in filas]
    return {
        _FUNDING_TIEMPO: np.array(instantes, dtype=np.int64),
        _FUNDING_TASA: np.array([float(fila["fundingRate"]) for fila in filas], dtype=np.float64),
        _FUNDING_MARK: np.array([float(fila.get("markPrice") or "nan") for fila in filas], dtype=np.float64),
    }


def _tabla(columnas: Columnas, origen: str) -> TablaVelas:
    apertura, *precios = (columnas[nombre] for nombre in COLUMNAS)
    datos = dict(zip((*PRECIOS, "volume"), precios, strict=True))
    return revisar(TablaVelas(apertura_ms=apertura, **datos, origen=origen))


def _exigir_rango(desde_ms: int, hasta_ms: int) -> None:
    if desde_ms >= hasta_ms:
        raise ConfiguracionInvalida(
            f"the range from {fecha(desde_ms)} to {fecha(hasta_ms)} is empty; "
            "its end must be later than its start"
        )


def _carpeta(cache: Path | None, fuente: FuenteBinance, simbolo: str, serie: str) -> Path | None:
    if cache is None or fuente.efimera:
        return None
    servidor = urlsplit(fuente.url).netloc.replace(":", "_")
    # Some file systems take 1m and 1M for one name.
    return cache / servidor / simbolo / ("1month" if serie == "1M" else serie)


async def _sin_velas(
    fuente: FuenteBinance, simbolo: str, intervalo: str, desde_ms: int, hasta_ms: int, ahora_ms: int
) -> str:
    primeras = await fuente.klines(simbolo, intervalo, 0, ahora_ms, 1)
    remedio = f"Its first one opens at {fecha(int(primeras[0][0]))}." if primeras else "It has none at all."
    return (
        f"{fuente.url} has no closed {intervalo} candle of {simbolo} between {fecha(desde_ms)} "
        f"and {fecha(hasta_ms)}. {remedio}"
    )
