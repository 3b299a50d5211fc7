from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from src.produccion.almacen import alimentador as modulo
from src.produccion.almacen.acceso import Acceso
from src.produccion.almacen.alimentador import Alimentador, Muestra
from src.produccion.almacen.conexion import conectar_almacen, leer
from src.produccion.almacen.demonios import vivos
from src.produccion.almacen.esquema import alerts, balance_snapshots, system_metrics
from src.produccion.almacen.migrar import bajar, estado_esquema, subir
from src.produccion.almacen.tolva import Tolva
from tests.produccion.almacen.diarios_de_prueba import TITULAR, anadir, escribir_sesion
from tests.produccion.almacenes import plantilla_sqlite

RED = True


@pytest.fixture
def ruta(tmp_path: Path) -> Path:
    return escribir_sesion(tmp_path / "sim-1" / "BTCUSDT" / "diario.sqlite")


@pytest.fixture
def acceso(url: str, tmp_path: Path) -> Iterator[Acceso]:
    suyo = Acceso(url, tmp_path)
    yield suyo
    suyo.cerrar()


async def hasta(condicion: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condicion):
            await asyncio.to_thread(time.sleep, 0.02)


def cuantas(motor: Engine, tabla) -> int:
    with leer(motor) as conexion:
        return len(conexion.execute(select(tabla)).all())


async def test_alimenta_mide_y_al_acabar_lleva_lo_ultimo(motor: Engine, acceso: Acceso, ruta: Path):
    muestra = Muestra(5_000, balance=999.5, equity=1_000.0, metricas={"loop_delay_ms": 1.5})
    servicio = Alimentador(ruta, acceso, TITULAR, lambda: muestra)
    tarea = asyncio.create_task(servicio.correr())
    await hasta(lambda: cuantas(motor, alerts) == 4)
    assert vivos(motor) == []  # that is for whoever listens to commands to say

    anadir(ruta, ("risk", "UNLOCKED", {"reason": "checked", "by": "eva", "at": 1}))
    tarea.cancel()
    with pytest.raises(asyncio.CancelledError):
        await tarea

    assert cuantas(motor, alerts) == 5
    with leer(motor) as conexion:
        saldos = conexion.execute(select(balance_snapshots.c.balance, balance_snapshots.c.source)).all()
        nombres = set(conexion.execute(select(system_metrics.c.name)).scalars())
    assert (999.5, "daemon") in [(float(saldo), fuente) for saldo, fuente in saldos]
    assert {"loop_delay_ms", "daemon_cpu_s", "daemon_peak_resident_mb"} <= nombres


def test_con_el_almacen_caido_se_dice_una_vez_se_espera_mas_y_se_sigue(
    url_vacia: str, ruta: Path, tmp_path: Path, bitacora
):
    """A database that is not migrated is as bad as none, and needs no server to be stopped."""
    motor = conectar_almacen(url_vacia, tmp_path)
    ultima = estado_esquema(motor).ultima
    if motor.dialect.name == "sqlite":
        ultima = subir(motor)[-1]
        with motor.begin() as conexion:
            conexion.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    acceso = Acceso(url_vacia, tmp_path)
    tolva = Tolva(ruta, acceso, TITULAR)

    esperas = [tolva.girar() for _ in range(6)]

    assert esperas == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert [e["event"] for e in bitacora].count("almacen_caido") == 1
    if motor.dialect.name == "sqlite":
        with motor.begin() as conexion:
            conexion.execute(text(f"UPDATE alembic_version SET version_num = '{ultima}'"))
    else:
        subir(motor)
    assert tolva.girar() == 1.0
    assert "almacen_de_vuelta" in [e["event"] for e in bitacora]
    assert cuantas(motor, alerts) == 4
    tolva.cerrar()
    acceso.cerrar()
    motor.dispose()


def test_lo_que_solo_cura_abrir_de_nuevo_no_espera_a_otro_arranque(
    url_vacia: str, ruta: Path, tmp_path: Path, bitacora
):
    """A restore has put an older schema back under a store that is open."""
    motor = conectar_almacen(url_vacia, tmp_path)
    subir(motor)
    acceso = Acceso(url_vacia, tmp_path)
    tolva = Tolva(ruta, acceso, TITULAR)
    tolva.girar()
    while bajar(motor):
        pass

    esperas = [tolva.girar() for _ in range(4)]

    if motor.dialect.name == "sqlite":
        assert esperas == [2.0, 4.0, 8.0, 1.0]
    else:
        motivos = [str(e["motivo"]) for e in bitacora if e["event"] == "almacen_caido"]
        assert ["timonel db upgrade" in motivo for motivo in motivos] == [False, True]
        subir(motor)
        assert tolva.girar() == 1.0
    assert cuantas(motor, alerts) == 4
    tolva.cerrar()
    acceso.cerrar()
    motor.dispose()


def test_conexiones_cortadas_no_acaban_con_nada(motor: Engine, acceso: Acceso, ruta: Path):
    if motor.dialect.name == "sqlite":
        pytest.skip("there is no server to restart")
    tolva = Tolva(ruta, acceso, TITULAR)
    tolva.girar()
    anadir(ruta, ("risk", "UNLOCKED", {"reason": "checked", "by": "eva", "at": 1}))
    with motor.begin() as conexion:
        conexion.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
        )

    esperas = [tolva.girar(), tolva.girar()]

    assert all(espera > 0 for espera in esperas)
    assert cuantas(motor, alerts) == 5
    tolva.cerrar()


def test_sin_diario_tambien_se_sigue(motor: Engine, acceso: Acceso, tmp_path: Path, bitacora):
    tolva = Tolva(tmp_path / "no" / "hay.sqlite", acceso, TITULAR)

    assert tolva.girar() == 2.0

    assert [e["event"] for e in bitacora].count("almacen_caido") == 1
    tolva.cerrar()


async def test_un_almacen_que_no_responde_no_retiene_a_quien_acaba(ruta: Path, tmp_path: Path, bitacora):
    with socket.create_server(("127.0.0.1", 0)) as mudo:
        mudo.setblocking(False)
        url = f"postgresql://root@127.0.0.1:{mudo.getsockname()[1]}/x"
        tarea = asyncio.create_task(Alimentador(ruta, Acceso(url, tmp_path), TITULAR).correr())
        conexion, _ = await asyncio.get_running_loop().sock_accept(mudo)
        tarea.cancel()
        with pytest.raises(asyncio.CancelledError):
            await tarea
        conexion.close()

    assert "alimentador_sin_acabar" in [e["event"] for e in bitacora]


@contextmanager
def bloqueado(almacen: Path) -> Iterator[sqlite3.Connection]:
    """A store that takes no write until the end of the block, or a rollback."""
    with closing(sqlite3.connect(almacen, isolation_level=None, check_same_thread=False)) as otro:
        otro.execute("BEGIN IMMEDIATE")
        yield otro


@pytest.fixture
def almacen_sqlite(tmp_path: Path) -> Path:
    return Path(shutil.copy(plantilla_sqlite(), tmp_path))


def en_el_almacen(almacen: Path) -> int:
    with closing(sqlite3.connect(almacen)) as conexion:
        return int(conexion.execute("SELECT COUNT(*) FROM alerts").fetchone()[0])


async def test_con_tiempo_se_insiste_hasta_que_el_almacen_lo_toma(almacen_sqlite: Path, ruta: Path):
    """It is locked for longer than an ordinary end waits, and was when the service ended."""
    acceso = Acceso(f"sqlite:///{almacen_sqlite}", almacen_sqlite.parent)
    with bloqueado(almacen_sqlite) as otro:
        breve = await Alimentador(ruta, acceso, TITULAR).rematar()
        asyncio.get_running_loop().call_later(1.0, otro.rollback)
        entero = await Alimentador(ruta, acceso, TITULAR).rematar(10.0)

    assert (breve, entero) == (False, True)
    assert en_el_almacen(almacen_sqlite) == 4
    acceso.cerrar()


async def test_quien_no_quiere_esperar_acaba_enseguida(almacen_sqlite: Path, ruta: Path):
    acceso, prisa = Acceso(f"sqlite:///{almacen_sqlite}", almacen_sqlite.parent), asyncio.Event()
    with bloqueado(almacen_sqlite):
        asyncio.get_running_loop().call_later(0.1, prisa.set)
        antes_s = time.monotonic()
        assert not await Alimentador(ruta, acceso, TITULAR).rematar(60.0, prisa)

        assert time.monotonic() - antes_s < 10.0


async def test_tras_un_fallo_propio_vuelve_a_alimentar(motor: Engine, acceso: Acceso, ruta: Path):
    """The service runs again on the same object."""
    servicio = Alimentador(ruta, acceso, TITULAR)
    for esperados in (4, 5):
        tarea = asyncio.create_task(servicio.correr())
        await hasta(lambda: cuantas(motor, alerts) == esperados)  # noqa: B023 -- awaited in the loop
        tarea.cancel()
        await asyncio.gather(tarea, return_exceptions=True)
        anadir(ruta, ("risk", "UNLOCKED", {"reason": "checked", "by": "eva", "at": 1}))


def test_sin_tiempo_lo_que_queda_es_para_el_siguiente(motor: Engine, acceso: Acceso, ruta: Path):
    sin_tiempo = Tolva(ruta, acceso, TITULAR, lambda: False)
    sin_tiempo.girar()
    sin_tiempo.cerrar()
    assert cuantas(motor, alerts) == 0

    siguiente = Tolva(ruta, acceso, TITULAR)
    siguiente.girar()
    siguiente.cerrar()

    assert cuantas(motor, alerts) == 4


def test_importar_el_servicio_no_carga_sqlalchemy():
    programa = f"import sys, {modulo.__name__}; sys.exit('sqlalchemy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", programa], check=False).returncode == 0
