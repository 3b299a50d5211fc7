"""Where candles come from: the exchange, a file, or a synthetic market."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.artefactos.tipos_yaml import instante_de
from src.datos.mercados import mercado_por_defecto
from src.datos.sintetico import generar
from src.datos.velas import TablaVelas, leer_velas
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.indicadores import VELAS_CALENTAMIENTO
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.tipos import Mercado

if TYPE_CHECKING:
    from src.datos.fuente_binance import FuenteBinance

_SIMBOLO_AL_PRINCIPIO = re.compile(r"[A-Z0-9]{2,16}(?:USDT|USDC)(?![A-Za-z0-9])")
_SIN_FIN_MS = 4_102_444_800_000  # 2100; the download stops at the exchange's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuente:
    """Where to take candles from; by default they are downloaded."""

    fichero: Path | None = None
    velas_sinteticas: int | None = None
    url: str | None = None  # of an exchange other than Binance's
    cache: Path | None = Path("cache")  # where downloads are kept

    def __post_init__(self) -> None:
        if self.fichero is not None and self.velas_sinteticas is not None:
            raise ConfiguracionInvalida("candles come from --data or from --synthetic, not from both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Candles and their market, before any preparation."""

    tabla: TablaVelas
    mercado: Mercado
    tasas_funding: float | Mapping[int, float]
    fuente: str

    @property
    def funding_registrado(self) -> bool:
        """Whether the rates are the exchange's own; otherwise they are one constant."""
        return not isinstance(self.tasas_funding, float)


def aviso_de_simbolo(fichero: Path, simbolo: str) -> str | None:
    """A warning when a file's name begins with another symbol than the one it is taken for."""
    hallado = _SIMBOLO_AL_PRINCIPIO.match(fichero.name)
    if hallado is None or hallado[0] == simbolo:
        return None
    return f"{fichero.name} looks like candles of {hallado[0]}, but they are taken for {simbolo}"


def obtener(
    fuente: Fuente, configuracion: ConfiguracionArtefacto, desde: str | None, hasta: str | None
) -> Material:
    """Get the candles of a configuration's symbol and interval, with the commission it trains with.

    Args:
        fuente: Where from.
        configuracion: Symbol, interval, commission, funding rate and seed.
        desde: First date needed; a download begins earlier, by the candles that warm up the indicators.
        hasta: Last date needed; ``None`` is as late as there are candles.

    Raises:
        DatosInvalidos: The candles break their contract.
        ConfiguracionInvalida: A download without a first date.
        ErrorBolsa: The exchange could not be read.
    """
    material = _obtener(fuente, configuracion, desde, hasta)
    comision = configuracion.portafolio.comision
    return replace(material, mercado=replace(material.mercado, comision_taker=comision))


def _obtener(
    fuente: Fuente, configuracion: ConfiguracionArtefacto, desde: str | None, hasta: str | None
) -> Material:
    pedido = configuracion.data_downloader
    if fuente.velas_sinteticas is not None:
        tabla = generar(pedido.symbol, pedido.interval, fuente.velas_sinteticas, configuracion.SACmodel.seed)
        return _local(tabla, configuracion, "synthetic")
    if fuente.fichero is not None:
        return _local(leer_velas(fuente.fichero, pedido.interval), configuracion, fuente.fichero.name)
    if desde is None:
        raise ConfiguracionInvalida(
            "nothing says which candles to download: give --train-start-date, or candles with --data or "
            "--synthetic"
        )
    previas = VELAS_CALENTAMIENTO + configuracion.entorno.window_size
    inicio_ms = max(0, siguiente_apertura(instante_de(desde), pedido.interval, -previas))
    fin_ms = _SIN_FIN_MS if hasta is None else instante_de(hasta, fin_de_dia=True) + 1
    return asyncio.run(_descargar(fuente, configuracion, inicio_ms, fin_ms))


def _local(tabla: TablaVelas, configuracion: ConfiguracionArtefacto, nombre: str) -> Material:
    return Material(
        tabla=tabla,
        mercado=mercado_por_defecto(configuracion.data_downloader.symbol, tabla),
        tasas_funding=configuracion.portafolio.tasa_funding,
        fuente=nombre,
    )


@contextmanager
def _barra_de_descarga() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, told how many candles there are and how many are wanted."""
    columnas = (TextColumn("download"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columnas, console=Console(stderr=True)) as barra:
        tarea = barra.add_task("download", total=None)
        yield lambda hechas, total: barra.update(tarea, completed=hechas, total=total)


async def _descargar(
    fuente: Fuente, configuracion: ConfiguracionArtefacto, inicio_ms: int, fin_ms: int
) -> Material:
    from src.datos.descarga import descargar_funding, descargar_mercado, descargar_velas
    from src.datos.fuente_binance import URL_BINANCE, FuenteBinance

    pedido = configuracion.data_downloader
    bolsa: FuenteBinance
    async with FuenteBinance(fuente.url or URL_BINANCE) as bolsa:
        mercado = await descargar_mercado(bolsa, pedido.symbol)
        with _barra_de_descarga() as al_avanzar:
            descarga = await descargar_velas(
                *(bolsa, pedido.symbol, pedido.interval, inicio_ms, fin_ms),
                cache=fuente.cache,
                al_avanzar=al_avanzar,
            )
        funding = await descargar_funding(bolsa, pedido.symbol, inicio_ms, fin_ms, cache=fuente.cache)
    return Material(
        tabla=descarga.tabla,
        mercado=mercado,
        tasas_funding=funding.tasas() if len(funding) else configuracion.portafolio.tasa_funding,
        fuente=fuente.url or URL_BINANCE,
    )
