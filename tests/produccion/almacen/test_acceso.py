from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.acceso import Acceso
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import vivos
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


def test_cerrado_se_puede_abrir_de_nuevo(motor: Engine, url: str, tmp_path: Path):
    acceso = Acceso(url, tmp_path)
    primero = acceso.abrir()
    acceso.cerrar()

    segundo = acceso.abrir()

    assert segundo is not primero
    with leer(segundo) as conexion:
        assert conexion.dialect.name == motor.dialect.name
    acceso.cerrar()
