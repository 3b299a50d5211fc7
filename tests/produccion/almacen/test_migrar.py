from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from src.produccion.almacen.conexion import abrir_almacen, conectar_almacen
from src.produccion.almacen.esquema import metadatos
from src.produccion.almacen.migrar import Avance, bajar, estado_esquema, subir, titulo_de

PASOS = tuple(f"{paso:04d}" for paso in range(1, 14))
ANADIR = text(
    "INSERT INTO operations (operation_id, client_id, user_id, account_id, symbol, side, status, quantity,"
    " average_entry_price, opened_at_ms, created_at_ms, updated_at_ms)"
    " VALUES (:id, 'default', 'default', 'sim-1', 'BTCUSDT', 'BUY', 'ACTIVE', 1, 100, 1, 1, 1)"
)


def test_las_migraciones_llevan_al_esquema_que_el_codigo_conoce(motor: Engine):
    con_defectos = motor.dialect.name == "postgresql"
    with motor.connect() as conexion:
        contexto = MigrationContext.configure(
            conexion, opts={"compare_type": True, "compare_server_default": con_defectos}
        )
        assert compare_metadata(contexto, metadatos) == []


def test_se_sube_paso_a_paso_y_se_baja_de_uno_en_uno(url_vacia: str, tmp_path: Path):
    motor = conectar_almacen(url_vacia, tmp_path)
    avances: list[Avance] = []

    assert subir(motor, avances.append, "0002") == PASOS[:2]
    assert subir(motor, avances.append) == PASOS[2:]
    assert subir(motor, avances.append) == ()

    vistos = list(dict.fromkeys(avance.revision for avance in avances))
    assert vistos == list(PASOS)
    assert all(avance.titulo == titulo_de(avance.revision) != "" for avance in avances)
    assert [bajar(motor) for _ in range(len(PASOS) + 1)] == [*PASOS[::-1], None]
    assert subir(motor) == PASOS
    motor.dispose()


def test_una_bajada_conserva_las_filas_de_lo_que_queda(url_vacia: str, tmp_path: Path):
    motor = conectar_almacen(url_vacia, tmp_path)
    subir(motor)
    with motor.begin() as conexion:
        conexion.execute(ANADIR, {"id": "a"})

    assert [bajar(motor) for _ in PASOS[2:]] == [*PASOS[:1:-1]]
    subir(motor)

    with motor.begin() as conexion:
        fila = conexion.execute(text("SELECT operation_id, stop_check_count FROM operations")).one()
    assert tuple(fila) == ("a", 0)
    motor.dispose()


def test_quien_escribe_no_espera_a_las_migraciones(url_vacia: str, tmp_path: Path):
    """Rows go on being written through every later step, and none of them is lost."""
    motor = conectar_almacen(url_vacia, tmp_path)
    subir(motor, hasta="0001")
    fin, escritas, fallos = threading.Event(), [], []

    def escribir() -> None:
        while not fin.is_set():
            try:
                with motor.begin() as conexion:
                    conexion.execute(ANADIR, {"id": str(len(escritas))})
                escritas.append(len(escritas))
            except DBAPIError as fallo:
                fallos.append(fallo)
                return

    hilo = threading.Thread(target=escribir)
    hilo.start()
    try:
        for _ in range(2):
            subir(motor)
            for _ in range(len(PASOS) - 1):
                bajar(motor)
    finally:
        fin.set()
        hilo.join()

    assert fallos == []
    with motor.connect() as conexion:
        assert conexion.execute(text("SELECT count(*) FROM operations")).scalar() == len(escritas) > 0
    motor.dispose()


def test_un_paso_espera_a_un_lector_sin_detener_a_quien_escribe(url_vacia: str, tmp_path: Path):
    """A step that needs a table for itself gives up its place in the queue every two seconds."""
    if url_vacia.startswith("sqlite"):
        pytest.skip("a reader of SQLite keeps nobody waiting")
    motor = conectar_almacen(url_vacia, tmp_path)
    subir(motor, hasta="0001")
    lectura = motor.connect()
    lectura.execute(text("SELECT count(*) FROM operations"))
    hilo = threading.Thread(target=subir, args=(motor,))
    hilo.start()

    for i in range(3):
        with motor.begin() as conexion:
            conexion.execute(text("SET LOCAL lock_timeout = '10s'"))
            conexion.execute(ANADIR, {"id": str(i)})

    lectura.close()
    hilo.join()
    assert estado_esquema(motor).pendientes == ()
    motor.dispose()


def test_un_indice_a_medias_se_hace_de_nuevo(url_vacia: str, tmp_path: Path):
    motor = conectar_almacen(url_vacia, tmp_path)
    subir(motor, hasta="0003")
    if motor.dialect.name == "postgresql":
        with motor.begin() as conexion:
            conexion.execute(text("CREATE INDEX ix_alerts_created_at_ms ON alerts (created_at_ms)"))
            invalidar = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:indice)"
            conexion.execute(text(invalidar), {"indice": "ix_alerts_created_at_ms"})

    subir(motor)

    if motor.dialect.name == "postgresql":
        with motor.connect() as conexion:
            malos = conexion.execute(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")).scalar()
        assert malos == 0
    motor.dispose()


def test_dos_que_migran_a_la_vez_no_se_estorban(url_vacia: str, tmp_path: Path):
    motores = [conectar_almacen(url_vacia, tmp_path) for _ in range(3)]
    hilos = [threading.Thread(target=subir, args=(motor,)) for motor in motores]
    for hilo in hilos:
        hilo.start()
    for hilo in hilos:
        hilo.join()

    for motor in motores:
        motor.dispose()
    abierto = abrir_almacen(url_vacia, tmp_path)
    assert estado_esquema(abierto).actual == PASOS[-1]
    abierto.dispose()
