"""What a session tells before its first candle: who trades what where, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from src.produccion.config.config import Modo

_MODOS = {Modo.SIMULADO: "SIMULATED", Modo.TESTNET: "TESTNET", Modo.REAL: "LIVE"}


class Reanudada(NamedTuple):
    """A session that had not ended and is gone on with."""

    sello: str
    filas: int  # that it had
    anotadas: int  # rows that this start has added, for what was cut short or missed


@dataclass(frozen=True, slots=True, kw_only=True)
class Comienzo:
    """A session whose account is recovered and protected, about to wait for candles."""

    train_id: str
    simbolo: str
    intervalo: str
    cuenta_id: str
    usuario: str | None  # account of ``accounts.yaml``
    modo: Modo
    direccion: str  # of the exchange
    posicion: str  # as people read it, with its stop
    estado: Path  # of the account and symbol
    bitacora: Path
    siguiente_ms: int  # market time at which the next candle closes
    reanudada: Reanudada | None = None
    antes: str | None = None  # the other artefact that traded the account and symbol last


def lineas(c: Comienzo) -> tuple[str, ...]:
    """The announcement, line by line."""
    cierra = datetime.fromtimestamp(c.siguiente_ms / 1_000, UTC)
    seguida = () if c.reanudada is None else (f"  resumed   {_de_que(c.reanudada)}",)
    relevo = (
        () if c.antes is None else (f"  instead of {c.antes}, which traded this account and symbol last",)
    )
    return (
        f"{_MODOS[c.modo]}: {c.train_id} trades {c.simbolo} {c.intervalo}",
        *relevo,
        f"  account   {c.cuenta_id}" + ("" if c.usuario is None else f" ({c.usuario})"),
        f"  exchange  {_sin_claves(c.direccion)}",
        *seguida,
        f"  position  {c.posicion}",
        f"  state     {c.estado}",
        f"  log       {c.bitacora}",
        f"waiting for the next candle: it closes at {cierra:%Y-%m-%d %H:%M:%S} UTC, market time",
    )


def _de_que(r: Reanudada) -> str:
    return f"session {r.sello}: {r.filas:,} rows, {r.anotadas:,} more booked for what was cut short or missed"


def _sin_claves(direccion: str) -> str:
    """An address without the user and password that it may carry."""
    partes = urlsplit(direccion)
    return partes._replace(netloc=partes.netloc.rpartition("@")[2]).geturl()
