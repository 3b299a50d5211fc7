"""Recorded funding rates from CSV files."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path

from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.simulador.opciones import leer_datos

MINUTO_MS = 60_000
_NOMBRES = {
    "funding_time": "instante",
    "fundingTime": "instante",
    "funding_rate": "tasa",
    "fundingRate": "tasa",
}


def leer_tasas(textos: Iterable[str]) -> dict[str, dict[int, Decimal]]:
    """Rates by symbol and settlement time, from ``SYMBOL=FILE`` texts.

    Raises:
        ConfiguracionInvalida: A file does not exist.
        DatosInvalidos: A column is missing or a value is not a number.
    """
    return {simbolo: _leer(ruta) for simbolo, ruta in map(leer_datos, textos)}


def _leer(ruta: Path) -> dict[int, Decimal]:
    if not ruta.is_file():
        raise ConfiguracionInvalida(f"--funding file {ruta} does not exist")
    crudo = ruta.read_bytes()
    texto = gzip.decompress(crudo).decode() if ruta.suffix == ".gz" else crudo.decode()
    lector = csv.DictReader(texto.splitlines())
    columnas = {_NOMBRES[nombre]: nombre for nombre in lector.fieldnames or () if nombre in _NOMBRES}
    if set(columnas) != {"instante", "tasa"}:
        raise DatosInvalidos(f"{ruta} needs the columns funding_time and funding_rate")
    tasas = {}
    for fila in lector:
        try:
            # Binance's own stamps are some milliseconds after the settlement.
            instante = int(fila[columnas["instante"]]) // MINUTO_MS * MINUTO_MS
            tasas[instante] = Decimal(fila[columnas["tasa"]])
        except (ValueError, InvalidOperation):
            raise DatosInvalidos(f"{ruta}, line {lector.line_num}: not a time and a rate: {fila}") from None
    return tasas
