"""The daemon and those who look in: shared store, Redis and guardrails, as real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, create_engine, select, text

from src.nucleo.guardian import AccionGuardian, Solicitud
from src.produccion.almacen.conexion import abrir_almacen, conectar_almacen, escribir, leer
from src.produccion.almacen.demonios import vivos
from src.produccion.almacen.esquema import operations, stop_events, tenant_config, trades
from src.produccion.almacen.mandos import MandoGuardado, MandoNuevo, leer_mando, pedir_mando
from src.produccion.almacen.migrar import subir
from src.produccion.mandos import accion_de, contenido_de
from src.produccion.monitor.reglas import pausar
from tests.extremo.procesos import Agente, Simulador, esperar, un_artefacto, un_simulador
from tests.extremo.test_guardian import AJUSTES, QUIETO
from tests.produccion.almacenes import base_nueva
from tests.produccion.servidor_postgresql import servidor
from tests.produccion.servidor_redis import ServidorRedis

CLAVE = "guardian:trades:default:BTCUSDT"
EN_TIEMPO = ("--speed", "40", "--interval", "1m")


def un_agente(carpeta: Path, bolsa: Simulador, accion: float = 0.5, **variables: str) -> Agente:
    """Long with half of its equity, a stop 2 % below and a target 6 % above."""
    train_id = un_artefacto(
        carpeta / "ent",
        accion,
        data_downloader__interval="1m",
        entorno__proteccion__tipo="fija",
        entorno__proteccion__stop={"modo": "porcentaje", "valor": 2.0},
        entorno__proteccion__objetivo={"modo": "porcentaje", "valor": 6.0},
        entorno__proteccion__velas_bloqueo=1_000,
    )
    return Agente(carpeta, train_id, bolsa.url, AJUSTES, (), variables)


@contextmanager
def un_postgresql() -> Iterator[tuple[str, Engine]]:
    """A migrated database of this test alone, and a look into it."""
    with base_nueva() as url:
        motor = conectar_almacen(url, Path())
        subir(motor)
        try:
            yield url, motor
        finally:
            motor.dispose()


def pedir(almacen: Engine, accion: AccionGuardian, **campos: Any) -> dict[str, Any]:
    """The daemon's answer to a command."""
    solicitud = Solicitud("BTCUSDT", accion, **campos)
    mando = pedir_mando(
        almacen,
        MandoNuevo(
            user_id="default",
            symbol="BTCUSDT",
            action=accion_de(accion),
            payload=contenido_de(solicitud),
            requested_by="ana",
            plazo_ms=60_000,
            account_id=vivos(almacen)[0].account_id,
        ),
    )
    esperar(lambda: como_esta(almacen, mando).status.es_final)
    salida = como_esta(almacen, mando).outcome
    assert salida is not None
    return salida


def como_esta(almacen: Engine, mando: MandoGuardado) -> MandoGuardado:
    ahora = leer_mando(almacen, mando.id)
    assert ahora is not None
    return ahora


def cuantas(almacen: Engine, consulta: Any) -> int:
    with leer(almacen) as conexion:
        return len(conexion.execute(consulta).all())


@pytest.mark.timeout(180)
def test_el_espejo_sigue_a_la_posicion_y_sin_redis_todo_sigue(tmp_path: Path):
    servidor = ServidorRedis(tmp_path)
    servidor.empezar()
    try:
        with un_simulador(tmp_path, QUIETO, *EN_TIEMPO) as bolsa, Redis.from_url(servidor.url) as redis:

            def copia() -> dict[str, Any] | None:
                crudo = redis.get(CLAVE)
                return None if crudo is None else json.loads(crudo)  # type: ignore[arg-type]

            agente = un_agente(tmp_path, bolsa, TIMONEL_REDIS_URL=servidor.url)
            with agente.corriendo() as demonio:
                esperar(lambda: copia() is not None, demonio)
                inicial = copia()
                assert inicial is not None
                assert (inicial["side"], inicial["ts_level_applied"]) == ("BUY", None)
                assert inicial["stop"] < inicial["entry"] < inicial["target"]
                almacen = abrir_almacen(None, tmp_path / "estado")
                esperar(lambda: bool(vivos(almacen)), demonio)

                ajuste = pedir(almacen, AccionGuardian.AJUSTAR, stop=29_700.0, nivel="break_even")
                assert (ajuste["success"], ajuste["redis_updated"]) == (True, True)
                movida = copia()
                assert movida is not None
                assert (movida["stop"], movida["ts_level_applied"]) == (29_700.0, "break_even")
                assert movida["ts_previous_stop"] == inicial["stop"]

                servidor.parar()
                ajuste = pedir(almacen, AccionGuardian.AJUSTAR, stop=29_800.0)
                assert (ajuste["success"], ajuste["redis_updated"]) == (True, False)

                servidor.empezar()
                cierre = pedir(almacen, AccionGuardian.CERRAR)
                assert cierre["success"]
                assert bolsa.posicion == 0.0
                esperar(lambda: copia() is None, demonio)
                almacen.dispose()
    finally:
        servidor.parar()


@pytest.mark.timeout(180)
def test_un_inquilino_en_pausa_no_entra_y_al_reanudar_si(tmp_path: Path):
    with un_postgresql() as (url, almacen), un_simulador(tmp_path, QUIETO, *EN_TIEMPO) as bolsa:
        with escribir(almacen) as conexion:
            pausar(conexion, "default", "holidays", 0)
        agente = un_agente(tmp_path, bolsa, TIMONEL_DB_URL=url)
        with agente.corriendo() as demonio:
            esperar(lambda: agente.filas() >= 2, demonio)
            assert bolsa.posicion == 0.0
            assert {fila["error"] for fila in agente.registros[-1]} == {
                "entries_blocked: the tenant has paused trading"
            }
            pausas = select(stop_events).where(stop_events.c.event_type == "KILL_SWITCH")
            esperar(lambda: cuantas(almacen, pausas) == 1, demonio)

            with escribir(almacen) as conexion:
                conexion.execute(tenant_config.update().values(trading_enabled=True))
            esperar(lambda: bolsa.posicion > 0.0, demonio)


@pytest.mark.timeout(180)
def test_sin_su_base_de_datos_no_empieza_nada(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, *EN_TIEMPO) as bolsa:
        nadie = "postgresql://root@127.0.0.1:1/nothing"
        salida = un_agente(tmp_path, bolsa, TIMONEL_DB_URL=nadie).correr()

        assert salida.codigo == 2
        assert "the database postgresql://root@127.0.0.1:1/nothing cannot be reached" in salida.texto
        assert "TIMONEL_DB_URL" in salida.texto
        assert "Traceback" not in salida.texto
        assert bolsa.ordenes == []


@pytest.mark.timeout(180)
def test_con_posicion_abierta_se_la_guarda_aunque_no_haya_base_de_datos(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, *EN_TIEMPO) as bolsa:
        agente = un_agente(tmp_path, bolsa)
        with agente.corriendo() as demonio:
            esperar(lambda: len(bolsa.stops) == 3, demonio)
        bolsa.cancelar_stop(bolsa.stops[0]["clientAlgoId"])
        filas = agente.filas()

        agente.variables["TIMONEL_DB_URL"] = "postgresql://root@127.0.0.1:1/nothing"
        with agente.corriendo() as demonio:
            esperar(lambda: len(bolsa.stops) == 3 and agente.filas() > filas, demonio)
            assert bolsa.posicion > 0.0
    (bitacora,) = (tmp_path / "ent" / agente.train_id / "produccion").glob("*.log")
    criticas = [linea for linea in bitacora.read_text().splitlines() if "almacen_no_abre" in linea]
    assert "the position is looked after all the same" in criticas[0]


@pytest.mark.timeout(180)
def test_si_postgresql_se_va_se_sigue_operando_y_luego_se_cuenta_todo(tmp_path: Path):
    """Connections are cut and refused for a while, as by a server that restarts."""
    with un_postgresql() as (url, almacen), un_simulador(tmp_path, QUIETO, *EN_TIEMPO) as bolsa:
        agente = un_agente(tmp_path, bolsa, TIMONEL_DB_URL=url)
        administrador = create_engine(servidor(), isolation_level="AUTOCOMMIT")
        base = almacen.url.database
        with agente.corriendo() as demonio:
            esperar(lambda: cuantas(almacen, select(operations)) == 1, demonio)

            almacen.dispose()
            with administrador.connect() as conexion:
                conexion.execute(text(f"ALTER DATABASE {base} ALLOW_CONNECTIONS false"))
                conexion.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :base"),
                    {"base": base},
                )
            filas = agente.filas()
            bolsa.cerrar_a_mano()
            esperar(lambda: agente.filas() > filas + 1 and not bolsa.stops, demonio)

            with administrador.connect() as conexion:
                conexion.execute(text(f"ALTER DATABASE {base} ALLOW_CONNECTIONS true"))
            cerradas = select(operations).where(operations.c.status == "CLOSED")
            esperar(lambda: cuantas(almacen, cerradas) == 1, demonio)
            assert cuantas(almacen, select(trades)) == 2
        administrador.dispose()
