from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from src.cli.app import app
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento
from tests.produccion.almacenes import base_postgresql, url_vacia

__all__ = ["base_postgresql", "url_vacia"]


def db(*argumentos: str, url: str, codigo: int = 0) -> Result:
    resultado = CliRunner().invoke(app, [*argumentos, "--db-url", url])
    assert resultado.exit_code == codigo, resultado.output
    return resultado


def datos(*argumentos: str, url: str, codigo: int = 0) -> dict[str, object]:
    leido: dict[str, object] = json.loads(db(*argumentos, "--json", url=url, codigo=codigo).stdout)
    return leido


def anotar(url: str, token: str) -> None:
    motor = abrir_almacen(url, Path())
    with motor.begin() as conexion:
        anotar_evento(conexion, EventoStopNuevo(token, TipoEventoStop.EXECUTED, 5, "BTCUSDT", FuenteStop.WS))
    motor.dispose()


def tokens(url: str) -> list[str]:
    motor = abrir_almacen(url, Path())
    with motor.connect() as conexion:
        filas = conexion.execute(text("SELECT execution_token FROM stop_events ORDER BY 1")).scalars().all()
    motor.dispose()
    return list(filas)


def test_se_migra_se_mira_y_se_vuelve_atras(url_vacia: str):
    pasos = ["0001", "0002", "0003", "0004", "0005", "0009"]
    assert datos("db", "status", url=url_vacia, codigo=1)["pending"] == pasos
    assert datos("db", "upgrade", url=url_vacia) == {"applied": pasos}
    assert datos("db", "downgrade", url=url_vacia) == {"reverted": "0009"}
    assert "pending:  0009 Log-ins become" in db("db", "status", url=url_vacia, codigo=1).stdout
    assert "migrated: 0009" in db("db", "upgrade", url=url_vacia).stdout
    assert "nothing to migrate" in db("db", "upgrade", url=url_vacia).stdout
    assert datos("db", "status", url=url_vacia)["revision"] == "0009"


def test_un_respaldo_vuelve_y_lo_que_habia_se_conserva(url_vacia: str, tmp_path: Path):
    respaldo = tmp_path / "copia" / "almacen.bak"
    db("db", "upgrade", url=url_vacia)
    anotar(url_vacia, "antes")
    assert datos("db", "backup", str(respaldo), url=url_vacia)["bytes"] == respaldo.stat().st_size
    anotar(url_vacia, "despues")

    assert "exists already" in db("db", "backup", str(respaldo), url=url_vacia, codigo=2).stderr
    assert "holds rows" in db("db", "restore", str(respaldo), url=url_vacia, codigo=2).stderr
    assert tokens(url_vacia) == ["antes", "despues"]
    copia = datos("db", "restore", str(respaldo), "--force", url=url_vacia)["replaced"]

    assert tokens(url_vacia) == ["antes"]
    anotar(url_vacia, "otro")
    assert isinstance(copia, str)
    db("db", "restore", copia, "--force", url=url_vacia)
    assert tokens(url_vacia) == ["antes", "despues"]


def test_lo_que_no_es_un_respaldo_se_rechaza(url_vacia: str, tmp_path: Path):
    (tmp_path / "x").write_text("nada")

    assert "is no backup" in db("db", "restore", str(tmp_path / "x"), url=url_vacia, codigo=2).stderr
    assert "cannot be read" in db("db", "restore", str(tmp_path / "y"), url=url_vacia, codigo=2).stderr


def test_sin_los_programas_de_postgresql_se_dice_que_falta(
    url_vacia: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if url_vacia.startswith("sqlite"):
        return
    monkeypatch.setenv("PATH", str(tmp_path))

    fallo = db("db", "backup", str(tmp_path / "b"), url=url_vacia, codigo=2)

    assert "pg_dump is not on PATH" in fallo.stderr
    assert not (tmp_path / "b").exists()


def test_las_proyecciones_se_hacen_de_nuevo(url_vacia: str):
    db("db", "upgrade", url=url_vacia)
    anotar(url_vacia, "a")
    motor = abrir_almacen(url_vacia, Path())
    with motor.begin() as conexion:
        conexion.execute(text("DELETE FROM stop_executions"))
    motor.dispose()

    assert datos("projections", "rebuild", url=url_vacia) == {"events": 1, "executions": 1, "different": 1}
    assert "0 were not" in db("projections", "rebuild", url=url_vacia).stdout
