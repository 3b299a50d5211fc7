"""Telegram, Redis and PostgreSQL are killed one by one and come back; the daemon trades all the while."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, Table, select
from sqlalchemy.exc import DBAPIError

from caos.invariantes import comprobar
from caos.libreta import Libreta
from caos.pruebas import Pruebas, leer_eventos, leer_filas
from src.cli.interrupcion import INTERRUMPIDO
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import abrir_almacen, conectar_almacen, leer
from src.produccion.almacen.esquema import (
    alerts,
    balance_snapshots,
    circuit_breaker_events,
    journal_cursors,
    operations,
    orders,
    positions,
    trades,
)
from src.produccion.almacen.migrar import subir
from src.produccion.almacen.tolva import Tolva
from tests.extremo.fallas.banco import Mando
from tests.extremo.procesos import Agente, esperar, un_artefacto, un_simulador
from tests.extremo.test_alertas import BotAparte, una_oficina
from tests.extremo.test_guardian import QUIETO
from tests.produccion.servidor_postgresql import ServidorPostgresql
from tests.produccion.servidor_redis import ServidorRedis

AJUSTES = """\
decision: {max_candle_age_s: 600}
feature_range: {hold_entries_above: 1}
exchange: {recv_window_ms: 60000, read_backoff_s: 0.02}
risk: {account_refresh_s: 0.3}
"""
EN_TIEMPO = ("--speed", "60", "--interval", "1m", "--control")
COPIA = "guardian:trades:default:BTCUSDT"

DEL_DIARIO: Sequence[tuple[Table, Sequence[str]]] = (
    (orders, ("client_order_id", "status", "quantity", "executed_quantity", "average_price", "seq")),
    (trades, ("seq", "row_number", "operation", "status", "quantity", "price", "commission", "realized_pnl")),
    (positions, ("symbol", "quantity", "entry_price", "seq")),
    (balance_snapshots, ("seq", "balance", "equity", "max_drawdown")),
    (operations, ("operation_id", "status", "quantity", "average_entry_price", "stop_price", "target_price")),
    (alerts, ("level", "kind", "message")),
    (circuit_breaker_events, ("seq", "kind", "state")),
)
"""What a store knows of a journal, whenever it was told."""


@dataclass
class Escena:
    """A daemon that always wants to be long, and everything around it."""

    agente: Agente
    mando: Mando
    demonio: Any
    telegram: BotAparte
    redis: ServidorRedis
    postgresql: ServidorPostgresql
    almacen: Engine
    perdidas: int = 0

    def hasta(self, condicion: Any) -> None:
        esperar(condicion, self.demonio)

    def posicion(self) -> float:
        (posicion,) = self.mando.libros()["positions"]
        return float(posicion["quantity"])

    def cubierta(self) -> bool:
        return self.posicion() > 0.0 and bool(self.mando.libros()["open_algo_orders"])

    def operar(self) -> None:
        """Candles are decided on; a stop is lost, so that the position is closed; another is opened."""
        self.hasta(self.cubierta)
        filas = self.agente.filas()
        self.hasta(lambda: self.agente.filas() > filas)
        assert self.cubierta()
        self.mando.armar(kind="stop_4130", times=10)
        self.mando.armar(kind="stop_dropped")
        self.perdidas += 1
        self.hasta(lambda: len(self.agente.diario("PROTECTION_LOST")) == self.perdidas)
        self.mando.pedir("DELETE", "faults")
        self.hasta(self.cubierta)

    def dicho(self, evento: str) -> bool:
        """Whether the daemon has logged an event."""
        return any(evento in ruta.read_text() for ruta in self.agente.carpeta.rglob("daemon.log"))

    def avisado(self, evento: str) -> bool:
        """Whether `timonel alerts` has."""
        return evento in (self.agente.carpeta / "estado" / "alerts.log").read_text()

    def criticas(self) -> list[str]:
        """Numbers of the alerts that the chat got of positions that had lost their protection."""
        dichos = "\n".join(self.telegram.bot.dichos[7])
        return re.findall(r"PROTECTION_LOST[^#]*#(\d+)", dichos)

    def copia(self) -> dict[str, Any] | None:
        with Redis.from_url(self.redis.url) as redis:
            try:
                crudo = redis.get(COPIA)
            except RedisError:
                return None
        return None if crudo is None else json.loads(crudo)  # type: ignore[arg-type]

    def al_dia(self) -> bool:
        """Whether the store has all of the journal."""
        (ruta,) = (self.agente.carpeta / "estado").rglob("diario.sqlite")
        ultimo = leer_eventos(ruta)[-1].seq
        try:
            with leer(self.almacen) as conexion:
                return conexion.execute(select(journal_cursors.c.last_seq)).scalars().all() == [ultimo]
        except DBAPIError:
            return False


@contextmanager
def una_escena(carpeta: Path) -> Iterator[Escena]:
    with ExitStack() as pila:
        postgresql = ServidorPostgresql()
        pila.callback(postgresql.borrar)
        postgresql.empezar()
        pila.callback(postgresql.parar)
        almacen = conectar_almacen(postgresql.url, carpeta)
        pila.callback(almacen.dispose)
        subir(almacen)
        redis, telegram = ServidorRedis(carpeta), BotAparte()
        for servidor in (redis, telegram):
            servidor.empezar()
            pila.callback(servidor.parar)
        variables = {"TIMONEL_DB_URL": postgresql.url}
        oficina = una_oficina(telegram.bot, carpeta, carpeta / "estado", **variables)
        pila.enter_context(oficina)
        simulador = pila.enter_context(un_simulador(carpeta, QUIETO, *EN_TIEMPO))
        train_id = un_artefacto(
            carpeta / "ent",
            0.5,
            data_downloader__interval="1m",
            entorno__proteccion__tipo="fija",
            entorno__proteccion__stop={"modo": "porcentaje", "valor": 5.0},
        )
        variables["TIMONEL_REDIS_URL"] = redis.url
        agente = Agente(carpeta, train_id, simulador.url, AJUSTES, (), variables)
        demonio = pila.enter_context(agente.corriendo())
        yield Escena(agente, Mando(simulador), demonio, telegram, redis, postgresql, almacen)


@pytest.mark.timeout(240)
def test_cada_uno_cae_y_vuelve_sin_que_se_deje_de_operar_ni_se_pierda_nada(tmp_path: Path):
    with una_escena(tmp_path) as escena:
        escena.hasta(lambda: escena.cubierta() and escena.copia() is not None and escena.al_dia())

        escena.telegram.parar()
        escena.operar()
        escena.hasta(lambda: escena.avisado("aviso_sin_entregar"))
        assert escena.criticas() == []
        escena.telegram.empezar()
        escena.hasta(lambda: len(escena.criticas()) >= 1)

        escena.redis.parar()
        escena.operar()
        escena.hasta(lambda: escena.dicho("redis_no_actualizado"))
        escena.redis.empezar()

        escena.postgresql.parar()
        escena.operar()
        escena.hasta(lambda: escena.dicho("almacen_caido") and escena.avisado("almacen_no_responde"))
        escena.postgresql.empezar()
        escena.hasta(lambda: escena.dicho("almacen_de_vuelta") and escena.avisado("almacen_recuperado"))
        escena.hasta(lambda: len(set(escena.criticas())) == escena.perdidas)

        escena.operar()
        escena.hasta(lambda: escena.dicho("redis_recuperado") and escena.copia() is not None)
        escena.hasta(lambda: len(set(escena.criticas())) == escena.perdidas)
        escena.demonio.terminate()
        assert escena.demonio.wait(30) == INTERRUMPIDO
        esperar(escena.al_dia)
        _comprobar_la_cuenta(escena)
        _comprobar_el_almacen(escena)


def _comprobar_la_cuenta(escena: Escena) -> None:
    """Orders happened once, every balance is the exchange's, and one stop stands over what is open."""
    (diario,) = (escena.agente.carpeta / "estado").rglob("diario.sqlite")
    libreta = Libreta()
    libreta.tomar(escena.mando.libros())
    assert escena.cubierta()
    produccion = escena.agente.carpeta / "ent" / escena.agente.train_id / "produccion"
    assert (
        comprobar(
            Pruebas(
                eventos=leer_eventos(diario),
                filas=leer_filas(produccion),
                libros=libreta.cerrar([(0, 1 << 62)]),
                velas=(),
                no_oidas=frozenset(),
            )
        )
        == []
    )


def _comprobar_el_almacen(escena: Escena) -> None:
    """The store that was away has the rows of one that is told the whole journal at once."""
    (diario,) = (escena.agente.carpeta / "estado").rglob("diario.sqlite")
    de_una_vez = abrir_almacen(f"sqlite:///{escena.agente.carpeta / 'otro.sqlite'}", escena.agente.carpeta)
    try:
        cuenta = diario.parents[1].name
        tolva = Tolva(diario, _AccesoA(de_una_vez), Titular(cuenta, "BTCUSDT"))
        while tolva.girar() == 0.0:
            pass
        for tabla, columnas in DEL_DIARIO:
            assert _filas(escena.almacen, tabla, columnas) == _filas(de_una_vez, tabla, columnas), tabla.name
    finally:
        de_una_vez.dispose()


class _AccesoA:
    """To a store that is open."""

    def __init__(self, motor: Engine) -> None:
        self._motor = motor

    def abrir(self) -> Engine:
        return self._motor


def _filas(motor: Engine, tabla: Table, columnas: Sequence[str]) -> list[tuple[Any, ...]]:
    consulta = select(*(tabla.c[nombre] for nombre in columnas))
    if "journal" in tabla.c:
        consulta = consulta.where(tabla.c.journal.is_not(None))
    with leer(motor) as conexion:
        return sorted((tuple(fila) for fila in conexion.execute(consulta)), key=repr)
