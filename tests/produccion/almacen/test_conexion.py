from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.conexion import (
    abrir_almacen,
    conectar_almacen,
    direccion_almacen,
    leer,
    sin_limites,
    visible,
)
from src.produccion.almacen.migrar import subir


def test_sin_direccion_el_almacen_es_un_fichero_del_estado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TIMONEL_DB_URL", raising=False)

    motor = abrir_almacen(None, tmp_path / "estado")

    assert (tmp_path / "estado" / "timonel.sqlite").exists()
    with leer(motor) as conexion:
        assert conexion.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    motor.dispose()


def test_la_direccion_del_entorno_vale_y_la_dada_vale_mas(tmp_path: Path):
    entorno = {"TIMONEL_DB_URL": "postgres://eva:secreto@db/timonel"}

    assert direccion_almacen(None, tmp_path, entorno).drivername == "postgresql+psycopg"
    assert visible(direccion_almacen(None, tmp_path, entorno)) == "postgresql://eva:***@db/timonel"
    assert direccion_almacen("sqlite:///x.db", tmp_path, entorno).database == "x.db"


@pytest.mark.parametrize("campo", ["password", "sslpassword"])
def test_un_secreto_entre_las_opciones_tampoco_se_ve(tmp_path: Path, campo: str):
    direccion = direccion_almacen(f"postgresql://db/timonel?user=eva&{campo}=muy-secreto", tmp_path)

    assert "muy-secreto" not in visible(direccion)
    assert "user=eva" in visible(direccion)
    assert direccion.query[campo] == "muy-secreto"


def test_postgresql_no_hace_esperar_sin_limite(base_postgresql: str, tmp_path: Path):
    motor = abrir_almacen(base_postgresql, tmp_path)
    propia = abrir_almacen(f"{base_postgresql}?options=-c%20lock_timeout%3D7s", tmp_path)

    with leer(motor) as conexion, leer(propia) as otra:
        assert [_limite(conexion, que) for que in ("statement", "lock")] == ["5s", "3s"]
        assert [_limite(otra, que) for que in ("statement", "lock")] == ["5s", "7s"]
        sin_limites(conexion)
        assert [_limite(conexion, que) for que in ("statement", "lock")] == ["0", "0"]
    with leer(motor) as conexion:
        assert _limite(conexion, "statement") == "5s"
    motor.dispose()
    propia.dispose()


def _limite(conexion: Connection, que: str) -> str:
    return str(conexion.execute(text(f"SHOW {que}_timeout")).scalar_one())


@pytest.mark.parametrize(
    ("url", "motivo"),
    [
        ("postgresql://root@127.0.0.1:1/x", "cannot be reached"),
        ("mysql://root@127.0.0.1/x", "SQLite file .* or PostgreSQL"),
        ("sqlite://", "SQLite file .* or PostgreSQL"),
        ("nada", "is not an address"),
    ],
)
def test_una_direccion_que_no_sirve_se_rechaza_con_el_remedio(tmp_path: Path, url: str, motivo: str):
    with pytest.raises(ConfiguracionInvalida, match=motivo) as fallo:
        abrir_almacen(url, tmp_path)

    assert fallo.value.codigo_salida == 2


def test_postgresql_sin_migrar_nombra_la_orden_y_sqlite_se_migra_solo(url_vacia: str, tmp_path: Path):
    if url_vacia.startswith("sqlite"):
        abrir_almacen(url_vacia, tmp_path).dispose()
        return
    with pytest.raises(ConfiguracionInvalida, match="run `timonel db upgrade`"):
        abrir_almacen(url_vacia, tmp_path)


def test_un_esquema_de_un_timonel_mas_nuevo_se_rechaza(url_vacia: str, tmp_path: Path):
    motor = conectar_almacen(url_vacia, tmp_path)
    subir(motor)
    with motor.begin() as conexion:
        conexion.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfiguracionInvalida, match=r"9999.*use the Timonel that"):
        abrir_almacen(url_vacia, tmp_path)
    motor.dispose()


def test_un_fichero_que_no_es_una_base_se_rechaza_con_palabras(tmp_path: Path):
    (tmp_path / "timonel.sqlite").write_bytes(b"no es una base" * 100)

    with pytest.raises(ConfiguracionInvalida, match="cannot be used"):
        abrir_almacen(f"sqlite:///{tmp_path / 'timonel.sqlite'}", tmp_path)


def test_una_base_que_otro_tiene_cerrada_se_dice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("src.produccion.almacen.conexion._ESPERA_MS", 10)
    ruta = tmp_path / "timonel.sqlite"
    otro = sqlite3.connect(ruta, isolation_level=None)
    otro.execute("BEGIN EXCLUSIVE")

    with pytest.raises(ConfiguracionInvalida, match="locked by another process"):
        abrir_almacen(f"sqlite:///{ruta}", tmp_path)
    otro.close()


def test_quien_solo_lee_no_hace_esperar_a_quien_escribe(motor: Engine):
    with leer(motor) as lectura:
        lectura.execute(text("SELECT count(*) FROM operations")).scalar()
        with motor.begin() as escritura:
            escritura.execute(text("DELETE FROM operations"))
