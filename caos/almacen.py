"""``make chaos-store``: monitors killed and stores cut off while stops are executed, then the books."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from caos.cuentas_almacen import comprobar, leer_resto
from caos.invariantes import Violacion
from caos.monitores import BolsaGolpeada, Monitores, servida, sortear_golpes
from src.cli.salida import consola_de_mensajes
from src.produccion.almacen.conexion import abrir_almacen, conectar_almacen, leer
from src.produccion.almacen.esquema import claims, stop_events
from src.produccion.almacen.migrar import subir
from src.produccion.almacen.operaciones import OperacionGuardada
from src.produccion.supervision.identidad import id_cuenta
from tests.constructores import INICIO_MS
from tests.produccion.almacenes import BASES, base_nueva
from tests.produccion.monitor import fabrica

_CUENTA = id_cuenta("sim", "simulador")
_TANDAS = 5
_ENTRE_TANDAS_S = 1.0
_RONDA_S = 0.1
_BLOQUEO_S = 0.3  # so long a cut keeps others from writing to SQLite
_OTRA_VEZ_S = 0.05
_INSISTIR_S = 10.0
_MOSTRADAS = 20
_TERMINAR = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_COLUMNAS = (
    *("store", "operations", "executed", "refused", "lives", "kills", "cuts", "starts_cut_off", "events"),
    "wall_s",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encargo:
    """What a run is asked for."""

    operaciones: int
    monitores: int
    muertes: int
    cortes: int
    semilla: int
    limite_s: float


@dataclass(slots=True, kw_only=True)
class Balance:
    """What a run on one store did and what it broke."""

    base: str
    operaciones: int
    ejecutadas: int = 0
    negadas: int = 0  # orders that the exchange refused because the position was closed
    vidas: int = 0
    muertes: int = 0
    cortes: int = 0
    sin_almacen: int = 0  # starts that found the database cut off
    eventos: int = 0
    segundos: float = 0.0
    violaciones: list[Violacion] = field(default_factory=list)


async def correr(base: str, url: str, encargo: Encargo, carpeta: Path) -> Balance:
    """Let monitors execute every operation of a migrated store, and check what is left."""
    balance = Balance(base=base, operaciones=encargo.operaciones)
    motor = abrir_almacen(url, carpeta)
    operaciones = _operaciones(encargo.operaciones)

    def cortar() -> None:
        balance.cortes += 1
        _cortar(url)

    monitores = Monitores(encargo.monitores, url, carpeta)
    golpes = sortear_golpes(encargo.semilla, encargo.muertes, encargo.cortes, encargo.operaciones)
    bolsa = BolsaGolpeada([o.symbol for o in operaciones], golpes, monitores.matar, cortar)
    inicio = time.monotonic()
    try:
        async with servida(bolsa, encargo.monitores):
            apertura = asyncio.create_task(_abrir_por_tandas(motor, operaciones))
            try:
                while time.monotonic() - inicio < encargo.limite_s:
                    await monitores.cuidar(bolsa.urls)
                    await asyncio.sleep(_RONDA_S)
                    if apertura.done() and await asyncio.to_thread(_ejecutadas, motor) >= len(operaciones):
                        break
                await apertura
            finally:
                await monitores.terminar()
        tokens = frozenset(str(o.stop_execution_token) for o in operaciones)
        resto = _insistiendo(lambda: leer_resto(motor, tokens, bolsa.ordenes))
    finally:
        motor.dispose()
    balance.segundos = time.monotonic() - inicio
    balance.ejecutadas, balance.negadas, balance.eventos = (
        len(bolsa.ordenes),
        bolsa.negadas,
        len(resto.eventos),
    )
    balance.vidas, balance.muertes = monitores.vidas, monitores.muertes
    balance.sin_almacen = monitores.sin_almacen
    balance.violaciones = comprobar(resto)
    balance.violaciones += [Violacion("monitors go on", detalle) for detalle in monitores.inesperadas]
    return balance


def _operaciones(cuantas: int) -> list[OperacionGuardada]:
    """Open operations whose stops the market has passed."""
    return [
        fabrica.una_operacion(
            operation_id=f"{_CUENTA}:A{i:04d}USDT:{INICIO_MS + i}",
            account_id=_CUENTA,
            symbol=f"A{i:04d}USDT",
            opened_at_ms=INICIO_MS + i,
        )
        for i in range(cuantas)
    ]


async def _abrir_por_tandas(motor: Engine, operaciones: Sequence[OperacionGuardada]) -> None:
    """Store the operations bit by bit, so that some come while others are executed."""
    for tanda in range(_TANDAS):
        suyas = operaciones[tanda::_TANDAS]
        await asyncio.to_thread(_insistiendo, lambda suyas=suyas: fabrica.guardar(motor, *suyas))
        await asyncio.sleep(_ENTRE_TANDAS_S)


def _ejecutadas(motor: Engine) -> int:
    """How many operations are executed and done with."""
    ejecutado = stop_events.c.event_type == "EXECUTED"
    tokens = func.count(func.distinct(stop_events.c.execution_token))
    abiertos = select(func.count()).select_from(claims).where(~claims.c.done).scalar_subquery()

    def contar() -> int:
        with leer(motor) as conexion:
            return int(conexion.execute(select(tokens - abiertos).where(ejecutado)).scalar_one())

    return _insistiendo(contar)


def _insistiendo(hacer: Callable[[], T]) -> T:
    """Do something on the store again when a cut hit it."""
    limite_s = time.monotonic() + _INSISTIR_S
    while True:
        try:
            return hacer()
        except DBAPIError:
            if time.monotonic() > limite_s:
                raise
            time.sleep(_OTRA_VEZ_S)


def _cortar(url: str) -> None:
    """Cut every connection to a PostgreSQL database, mid-write or not; keep others from writing to SQLite."""
    motor = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with motor.connect() as conexion:
            if motor.dialect.name == "postgresql":
                conexion.execute(text(_TERMINAR))
            else:
                conexion.exec_driver_sql("BEGIN IMMEDIATE")
                time.sleep(_BLOQUEO_S)
                conexion.exec_driver_sql("ROLLBACK")
    finally:
        motor.dispose()


def principal(argumentos: Sequence[str] | None = None) -> int:
    """Run on each store, check, print, write; returns the exit code."""
    o = _lector().parse_args(argumentos)
    encargo = Encargo(
        operaciones=o.operations,
        monitores=o.monitors,
        muertes=o.kills,
        cortes=o.cuts,
        semilla=o.seed,
        limite_s=o.limit,
    )
    balances = []
    try:
        for base in BASES if o.store == "both" else (o.store,):
            with tempfile.TemporaryDirectory(prefix="timonel-chaos-store-") as carpeta:
                lugar = o.keep / base if o.keep else Path(carpeta)
                lugar.mkdir(parents=True, exist_ok=True)
                with _base(base, lugar) as url:
                    balances.append(asyncio.run(correr(base, url, encargo, lugar)))
    except OperationalError as fallo:
        consola_de_mensajes().print(
            f"error: no PostgreSQL at TIMONEL_TEST_POSTGRES ({fallo.orig});"
            " start one, or give --store sqlite",
            style="red",
            markup=False,
        )
        return 1
    for balance in balances:
        _exigir(balance, encargo)
    _mostrar(balances, o.seed, Console())
    _escribir(balances, o.seed, o.output or Path(f"build/chaos-store-{o.seed}.json"))
    return 1 if any(balance.violaciones for balance in balances) else 0


def _exigir(balance: Balance, encargo: Encargo) -> None:
    """A run that did less than it was asked to proves nothing."""
    for que, hechas, pedidas in (
        ("kills", balance.muertes, encargo.muertes),
        ("cuts", balance.cortes, encargo.cortes),
    ):
        if 2 * hechas < pedidas:
            balance.violaciones.append(
                Violacion("the run is the one asked for", f"{hechas} of {pedidas} {que}")
            )


@contextmanager
def _base(base: str, carpeta: Path) -> Iterator[str]:
    """A migrated store without rows."""
    if base == "sqlite":
        yield f"sqlite:///{carpeta / 'timonel.sqlite'}"
        return
    with base_nueva() as url:
        motor = conectar_almacen(url, carpeta)
        subir(motor)
        motor.dispose()
        yield url


def _lector() -> argparse.ArgumentParser:
    lector = argparse.ArgumentParser(prog="python -m caos.almacen", description=__doc__)
    lector.add_argument("--operations", type=int, default=150, help="operations whose stops were passed")
    lector.add_argument("--monitors", type=int, default=3, help="processes that look at them at once")
    lector.add_argument("--kills", type=int, default=12, help="kill -9s, each at a seeded request")
    lector.add_argument(
        "--cuts", type=int, default=12, help="times that all connections to the store are cut"
    )
    lector.add_argument("--seed", type=int, default=1, help="decides where")
    lector.add_argument("--store", choices=(*BASES, "both"), default="both", help="which databases")
    lector.add_argument("--limit", type=float, default=75.0, help="seconds for each store")
    lector.add_argument("--keep", type=Path, help="folder for the run's files; thrown away if omitted")
    lector.add_argument("--output", type=Path, help="figures as JSON; build/chaos-store-SEED.json if omitted")
    return lector


def _mostrar(balances: Sequence[Balance], semilla: int, consola: Console) -> None:
    tabla = Table(title=f"Stops executed under kills and cuts, seed {semilla}", title_justify="left")
    for titulo in (*_COLUMNAS, "violations"):
        tabla.add_column(titulo, justify="left" if titulo == "store" else "right")
    for b in balances:
        valores = _figuras(b)
        tabla.add_row(*(str(valores[columna]) for columna in _COLUMNAS), str(len(b.violaciones)))
    consola.print(tabla)
    for b in balances:
        for violacion in b.violaciones[:_MOSTRADAS]:
            consola.print(f"{b.base}: {violacion.invariante}: {violacion.detalle}", style="red", markup=False)
    if not any(b.violaciones for b in balances):
        consola.print(f"seed {semilla}: every operation executed once", style="bold green")


def _figuras(b: Balance) -> dict[str, object]:
    return {
        "store": b.base,
        "operations": b.operaciones,
        "executed": b.ejecutadas,
        "refused": b.negadas,
        "lives": b.vidas,
        "kills": b.muertes,
        "cuts": b.cortes,
        "starts_cut_off": b.sin_almacen,
        "events": b.eventos,
        "wall_s": round(b.segundos, 1),
    }


def _escribir(balances: Sequence[Balance], semilla: int, ruta: Path) -> None:
    contenido = {
        "seed": semilla,
        "stores": [
            _figuras(b) | {"violations": [violacion._asdict() for violacion in b.violaciones]}
            for b in balances
        ],
    }
    ruta.parent.mkdir(parents=True, exist_ok=True)
    ruta.write_text(json.dumps(contenido, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(principal())
