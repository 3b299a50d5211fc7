from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, select, text

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.acceso import Acceso
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import vivos
from src.produccion.almacen.esquema import alerts
from src.produccion.supervision.cortesia import Cortesia

RED = True


def test_todos_los_hilos_tienen_el_mismo(motor: Engine, url: str, tmp_path: Path):
    acceso = Acceso(url, tmp_path)
    with ThreadPoolExecutor(4) as hilos:
        motores = {id(motor) for motor in hilos.map(lambda _: acceso.abrir(), range(4))}

    assert len(motores) == 1
    acceso.cerrar()


def test_lo_que_no_se_pudo_abrir_se_intenta_otra_vez(tmp_path: Path):
    estorbo = tmp_path / "timonel.sqlite"
    estorbo.mkdir()
    acceso = Acceso(f"sqlite:///{estorbo}", tmp_path)
    with pytest.raises(ConfiguracionInvalida):
        acceso.abrir()
    estorbo.rmdir()

    assert vivos(acceso.abrir()) == []
    acceso.cerrar()


def test_cada_instruccion_deja_pasar_al_demonio(motor: Engine, url: str, tmp_path: Path):
    cortesia = Cortesia(tregua_s=60.0)
    acceso = Acceso(url, tmp_path, cortesia)
    suyo = acceso.abrir()
    cortesia.ocupar()
    hilo = threading.Thread(target=lambda: vivos(suyo))
    hilo.start()
    hilo.join(0.1)

    assert hilo.is_alive()

    cortesia.soltar()
    hilo.join()
    acceso.cerrar()


def test_se_espera_antes_de_poder_escribir_y_un_momento_mientras_otros_esperan_a_que_se_acabe(tmp_path: Path):
    """The daemon gets something to do while a transaction holds the one lock that SQLite has."""
    ruta = tmp_path / "timonel.sqlite"
    cortesia = Cortesia(tregua_s=60.0)
    acceso = Acceso(f"sqlite:///{ruta}", tmp_path, cortesia)
    suyo = acceso.abrir()
    dentro, ocupado = threading.Event(), threading.Event()

    def escribe() -> None:
        with escribir(suyo) as conexion:
            conexion.execute(delete(alerts))
            dentro.set()
            ocupado.wait()
            conexion.execute(delete(alerts))

    cortesia.ocupar()
    hilo = threading.Thread(target=escribe)
    hilo.start()
    hilo.join(0.1)
    assert not dentro.is_set()
    with closing(sqlite3.connect(ruta, timeout=0.0)) as otro:
        otro.execute("BEGIN IMMEDIATE")

    cortesia.soltar()
    dentro.wait()
    cortesia.ocupar()
    ocupado.set()
    hilo.join(30.0)

    assert not hilo.is_alive()
    acceso.cerrar()


def test_renovado_se_abre_otro_y_quien_tenia_el_de_antes_sigue_con_el(
    motor: Engine, url: str, tmp_path: Path
):
    acceso = Acceso(url, tmp_path)
    antes = acceso.abrir()
    preparada = como_quedan_las_conexiones(antes)
    with antes.connect() as a_medias:
        acceso.renovar()

        assert vivos(acceso.abrir()) == []
        assert a_medias.execute(select(alerts)).all() == []
        a_medias.invalidate()  # its pool is gone, so that nobody else would close it

    assert acceso.abrir() is not antes
    with escribir(antes) as conexion:
        conexion.execute(delete(alerts))
    assert como_quedan_las_conexiones(antes) == como_quedan_las_conexiones(acceso.abrir()) == preparada
    antes.dispose()
    acceso.cerrar()


def como_quedan_las_conexiones(motor: Engine) -> list[object]:
    """What only a connection that was prepared says."""
    ajustes = (
        ("PRAGMA foreign_keys", "PRAGMA busy_timeout", "PRAGMA synchronous")
        if motor.dialect.name == "sqlite"
        else ("SHOW statement_timeout", "SHOW lock_timeout")
    )
    with leer(motor) as conexion:
        return [conexion.execute(text(ajuste)).scalar_one() for ajuste in ajustes]


def test_cerrado_se_puede_abrir_de_nuevo(motor: Engine, url: str, tmp_path: Path):
    acceso = Acceso(url, tmp_path)
    primero = acceso.abrir()
    acceso.cerrar()

    segundo = acceso.abrir()

    assert segundo is not primero
    with leer(segundo) as conexion:
        assert conexion.dialect.name == motor.dialect.name
    acceso.cerrar()
