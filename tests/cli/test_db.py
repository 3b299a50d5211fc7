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
    pasos = datos("db", "upgrade", url=url_vacia)["applied"]
    assert isinstance(pasos, list)
    assert pasos[0] == "0001"
    ultimo = pasos[-1]
    assert datos("db", "downgrade", url=url_vacia) == {"reverted": ultimo}
    assert f"pending:  {ultimo} " in db("db", "status", url=url_vacia, codigo=1).stdout
    assert f"migrated: {ultimo}" in db("db", "upgrade", url=url_vacia).stdout
    assert "nothing to migrate" in db("db", "upgrade", url=url_vacia).stdout
    assert datos("db", "status", url=url_vacia)["revision"] == ultimo


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


def test_un_respaldo_se_pone_en_un_almacen_nuevo_sin_forzar(url_vacia: str, tmp_path: Path):
    respaldo = tmp_path / "almacen.bak"
    db("db", "upgrade", url=url_vacia)
    db("db", "backup", str(respaldo), url=url_vacia)

    db("db", "restore", str(respaldo), url=url_vacia)

    assert tokens(url_vacia) == []


LOS_QUE_MIRAN = [
    ["db", "status"],
    ["db", "downgrade"],
    ["db", "backup", "copia.bak"],
    ["db", "restore", "copia.bak"],
    ["projections", "rebuild"],
    ["stops", "report"],
    ["backfill_stop_price"],
    ["users", "list"],
    ["users", "token", "ana"],
]


@pytest.mark.parametrize("orden", LOS_QUE_MIRAN, ids=" ".join)
def test_quien_solo_mira_no_hace_un_almacen_donde_no_lo_hay(orden: list[str], tmp_path: Path):
    estado = tmp_path / "esatdo"

    hecho = CliRunner(env={"TIMONEL_DB_URL": ""}).invoke(app, [*orden, "--state-dir", str(estado)])

    assert hecho.exit_code == 2, hecho.output
    assert (
        f"there is no store at {estado / 'timonel.sqlite'}; check --state-dir or TIMONEL_DB_URL"
        in hecho.stderr
    )
    assert "a simulator in lockstep (its default speed) writes none without TIMONEL_DB_URL" in hecho.stderr
    assert not estado.exists()


def test_de_una_direccion_mala_se_nombra_quien_la_dio(tmp_path: Path):
    opcion = CliRunner(env={"TIMONEL_DB_URL": ""}).invoke(app, ["db", "status", "--db-url", "nonsense"])
    entorno = CliRunner(env={"TIMONEL_DB_URL": "nonsense"}).invoke(app, ["db", "status"])
    sin_fichero = db("db", "status", url=f"sqlite:///{tmp_path}/no.sqlite", codigo=2)

    assert "--db-url is not an address" in opcion.stderr
    assert "TIMONEL_DB_URL is not an address" in entorno.stderr
    assert "check --db-url" in sin_fichero.stderr


def test_lo_que_no_es_un_respaldo_se_rechaza(url_vacia: str, tmp_path: Path):
    db("db", "upgrade", url=url_vacia)
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
