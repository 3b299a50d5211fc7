"""A series read page by page into files of a month or a year each, so that an interrupted read resumes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from src.datos.archivos import escritura_atomica
from src.datos.parquet import escribir_parquet, leer_columnas
from src.nucleo.errores import DatosInvalidos

Columnas = dict[str, npt.NDArray[Any]]  # the first one is the row's instant in ms

_DESDE, _HASTA = "timonel.desde_ms", "timonel.hasta_ms"


class Pagina(NamedTuple):
    """Rows of a series, and how far they are known to be all there are."""

    filas: Columnas
    completa_hasta_ms: int


class Serie(Protocol):
    """Something with a history, oldest first."""

    vacia: Columnas  # no rows, the columns' names and types
    por_ano: bool  # a file holds a year instead of a month

    async def pagina(self, desde_ms: int, hasta_ms: int) -> Pagina:
        """The first rows of ``[desde_ms, hasta_ms)``; complete to ``desde_ms`` when there is no more yet."""
        ...


class _Trozo(NamedTuple):
    """What a file holds: every row of ``[desde_ms, hasta_ms)``."""

    filas: Columnas
    desde_ms: int
    hasta_ms: int


async def leer_serie(
    serie: Serie, desde_ms: int, hasta_ms: int, carpeta: Path | None, al_avanzar: Callable[[int], None]
) -> Columnas:
    """All rows of ``[desde_ms, hasta_ms)``, from the files where they have them.

    Args:
        serie: What to read.
        desde_ms: First instant.
        hasta_ms: Instant after the last; no later than what has happened.
        carpeta: Where the files are; ``None`` keeps nothing.
        al_avanzar: Told the instant up to which rows are there, after each page.
    Raises:
        DatosInvalidos: A file of the folder cannot be read.
    """
    partes = [serie.vacia]
    for nombre, inicio, fin in _partir(desde_ms, hasta_ms, por_ano=serie.por_ano):
        ruta = carpeta / f"{nombre}.parquet" if carpeta is not None else None
        trozo = await _completar(serie, max(inicio, desde_ms), min(fin, hasta_ms), ruta, al_avanzar)
        partes.append(_recortar(trozo.filas, desde_ms, hasta_ms))
        al_avanzar(min(fin, hasta_ms))
    return _unir(*partes)


def _partir(desde_ms: int, hasta_ms: int, *, por_ano: bool) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of the calendar months or years that a range touches."""
    inicio = desde_ms
    while inicio < hasta_ms:
        fecha = datetime.fromtimestamp(inicio / 1000, UTC)
        ano, mes = fecha.year, 1 if por_ano else fecha.month
        siguiente = (ano + 1, 1) if por_ano or mes == 12 else (ano, mes + 1)
        fin = _ms(*siguiente)
        yield f"{ano}" if por_ano else f"{ano}-{mes:02d}", _ms(ano, mes), fin
        inicio = fin


def _ms(ano: int, mes: int) -> int:
    return int(datetime(ano, mes, 1, tzinfo=UTC).timestamp()) * 1000


async def _completar(
    serie: Serie, desde_ms: int, hasta_ms: int, ruta: Path | None, al_avanzar: Callable[[int], None]
) -> _Trozo:
    """Extend a file until it covers a range; it always covers one contiguous range."""
    trozo = _abrir(ruta) or _Trozo(serie.vacia, desde_ms, desde_ms)
    if desde_ms < trozo.desde_ms:
        previas = serie.vacia
        async for mas in _alargar(serie, _Trozo(serie.vacia, desde_ms, desde_ms), trozo.desde_ms):
            previas = mas.filas
            al_avanzar(mas.hasta_ms)
        trozo = _Trozo(_unir(previas, trozo.filas), desde_ms, trozo.hasta_ms)
        _guardar(trozo, ruta)
    ultimo = trozo
    async for mas in _alargar(serie, trozo, hasta_ms):
        ultimo = mas
        _guardar(mas, ruta)
        al_avanzar(mas.hasta_ms)
    return ultimo


async def _alargar(serie: Serie, trozo: _Trozo, hasta_ms: int) -> AsyncIterator[_Trozo]:
    """The chunk after each page, until it reaches ``hasta_ms`` or there is no more yet."""
    while trozo.hasta_ms < hasta_ms:
        pagina = await serie.pagina(trozo.hasta_ms, hasta_ms)
        if pagina.completa_hasta_ms <= trozo.hasta_ms:
            return
        trozo = _Trozo(_unir(trozo.filas, pagina.filas), trozo.desde_ms, pagina.completa_hasta_ms)
        yield trozo


def _abrir(ruta: Path | None) -> _Trozo | None:
    if ruta is None or not ruta.exists():
        return None
    try:
        filas, notas = leer_columnas(ruta)
        return _Trozo(filas, int(notas[_DESDE]), int(notas[_HASTA]))
    except (DatosInvalidos, KeyError, ValueError) as fallo:
        raise DatosInvalidos(
            f"cached file {ruta} cannot be used: {fallo}. Delete it and run again."
        ) from fallo


def _guardar(trozo: _Trozo, ruta: Path | None) -> None:
    if ruta is None or not len(next(iter(trozo.filas.values()))):
        return
    with escritura_atomica(ruta) as provisional:
        notas = {_DESDE: str(trozo.desde_ms), _HASTA: str(trozo.hasta_ms)}
        escribir_parquet(trozo.filas, provisional, notas)


def _unir(*partes: Mapping[str, npt.NDArray[Any]]) -> Columnas:
    return {nombre: np.concatenate([parte[nombre] for parte in partes]) for nombre in partes[0]}


def _recortar(filas: Columnas, desde_ms: int, hasta_ms: int) -> Columnas:
    instantes = next(iter(filas.values()))
    primera, ultima = np.searchsorted(instantes, (desde_ms, hasta_ms))
    return {nombre: columna[primera:ultima] for nombre, columna in filas.items()}
