"""What a run leaves behind: the daemon's journal and CSV files, and the exchange's own books."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from src.nucleo.columnas import REGISTRO

PREFIJO = "tm-"
"""How the client ids of the daemon's own orders begin."""


class Evento(NamedTuple):
    """One record of the journal, as the file has it."""

    seq: int
    agregado: str
    version: int
    tipo: str
    instante_ms: int
    contenido: Any


class OrdenBolsa(NamedTuple):
    """One order in the exchange's books."""

    id: int
    id_cliente: str
    cantidad: Decimal
    ejecutada: Decimal
    solo_reduce: bool
    tiempo_ms: int

    @property
    def propia(self) -> bool:
        """Whether its client id is one of the daemon's."""
        return self.id_cliente.startswith(PREFIJO)


class FillBolsa(NamedTuple):
    """One fill in the exchange's books."""

    id: int
    id_orden: int
    cantidad: Decimal  # signed
    precio: Decimal
    comision: Decimal
    realizado: Decimal
    tiempo_ms: int


class IngresoBolsa(NamedTuple):
    """One posting on the wallet."""

    tipo: str
    monto: Decimal
    tiempo_ms: int


class Tramo(NamedTuple):
    """A stretch of market time during which a position stood without a live stop."""

    desde_ms: int
    hasta_ms: int

    @property
    def dura_s(self) -> float:
        """How long, in market seconds."""
        return (self.hasta_ms - self.desde_ms) / 1_000


class StopEnEspera(NamedTuple):
    """A conditional order that waits for its trigger."""

    id_cliente: str
    tipo: str  # STOP_MARKET or TAKE_PROFIT_MARKET
    compra: bool
    gatillo: Decimal
    cantidad: Decimal | None  # unsigned; ``None`` when it closes the whole position


@dataclass(frozen=True, slots=True, kw_only=True)
class Libros:
    """The exchange's books of one account and symbol."""

    ordenes: Sequence[OrdenBolsa]
    fills: Sequence[FillBolsa]
    ingresos: Sequence[IngresoBolsa]
    saldo: Decimal
    cantidad: Decimal  # signed
    entrada: Decimal
    hijas: frozenset[int] = frozenset()  # orders that conditional orders became
    stops_vivos: Sequence[StopEnEspera] = ()
    desnuda: Sequence[Tramo] = ()

    def total(self, *tipos: str) -> Decimal:
        """Sum of the postings of some kinds."""
        return sum((i.monto for i in self.ingresos if i.tipo in tipos), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruebas:
    """Everything that the invariants are checked on."""

    eventos: Sequence[Evento]
    filas: Mapping[str, Sequence[Sequence[str]]]  # of each session's CSV, by stamp
    libros: Libros
    velas: Sequence[int]  # open times of the candles that closed while the market was replayed
    no_oidas: frozenset[int] = frozenset()  # those whose closing message a fault may have swallowed
    adelanto_ms: int = 0  # how far the exchange's clock ran ahead of the market at most
    calentadas: frozenset[int] = frozenset()  # those that sessions were warmed up with, as they recorded it

    def de_tipo(self, *tipos: str) -> Iterator[Evento]:
        """Events of some types, in order."""
        return (evento for evento in self.eventos if evento.tipo in tipos)


def leer_eventos(ruta: Path) -> list[Evento]:
    """Every record of a journal, read without the daemon's own code."""
    consulta = "SELECT seq, aggregate, version, type, occurred_at_ms, payload_json FROM events ORDER BY seq"
    with closing(sqlite3.connect(f"file:{ruta}?mode=ro", uri=True)) as conexion:
        return [
            Evento(seq, agregado, version, tipo, instante_ms, json.loads(contenido))
            for seq, agregado, version, tipo, instante_ms, contenido in conexion.execute(consulta)
        ]


def leer_calentadas(produccion: Path) -> frozenset[int]:
    """Open times of the candles that any session was warmed up with."""
    abiertas: set[int] = set()
    for ruta in produccion.glob("velas_*.npz"):
        with np.load(ruta, allow_pickle=False) as fichero:
            abiertas.update(fichero["open_time"].tolist())
    return frozenset(abiertas)


def leer_filas(produccion: Path) -> dict[str, list[list[str]]]:
    """The rows of every session, by its stamp."""
    filas = {}
    for ruta in sorted(produccion.glob("registro_*.csv")):
        with ruta.open(encoding="utf-8", newline="") as archivo:
            titulos, *resto = csv.reader(archivo)
        if titulos != list(REGISTRO):
            resto = [titulos, *resto]
        filas[ruta.stem.removeprefix("registro_")] = resto
    return filas
