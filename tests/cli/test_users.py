"""``timonel users``: users and tokens from the command line, as another process would make them."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import select
from typer.testing import CliRunner

from src.cli.users import users
from src.produccion.almacen.conexion import abrir_almacen, leer
from src.produccion.almacen.esquema import audit_log
from src.produccion.api.usuarios import identificar, portador

CONTRASENA = "correct horse battery"


class Orden:
    def __init__(self, estado: Path) -> None:
        self.estado = estado

    def __call__(self, *argumentos: str, entrada: str | None = None) -> Result:
        runner = CliRunner(env={"COLUMNS": "200", "TIMONEL_DB_URL": ""})
        return runner.invoke(users, [*argumentos, "--state-dir", str(self.estado)], input=entrada)

    def entra(self, nombre: str, contrasena: str = CONTRASENA) -> bool:
        almacen = abrir_almacen(None, self.estado)
        try:
            return identificar(almacen, nombre, contrasena)[1]
        finally:
            almacen.dispose()

    def vale(self, ficha: str) -> bool:
        almacen = abrir_almacen(None, self.estado)
        try:
            return portador(almacen, ficha) is not None
        finally:
            almacen.dispose()


@pytest.fixture
def orden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orden:
    monkeypatch.delenv("TIMONEL_DB_URL", raising=False)
    return Orden(tmp_path / "estado")


@pytest.fixture
def con_ana(orden: Orden) -> Orden:
    assert orden("add", "ana", entrada=CONTRASENA + "\n").exit_code == 0
    return orden


def test_un_usuario_se_anade_con_la_contrasena_de_la_entrada(orden: Orden):
    resultado = orden("add", "ana", "--role", "viewer", "--client-id", "casa", entrada=CONTRASENA + "\n")

    assert resultado.exit_code == 0, resultado.output
    assert "ana added as viewer of tenant casa" in resultado.stderr
    assert CONTRASENA not in resultado.output
    assert orden.entra("ana")


def test_se_listan_por_nombre(con_ana: Orden):
    con_ana("add", "Robot", "--role", "service")

    tabla, como_json = con_ana("list"), con_ana("list", "--json")

    assert [linea.split()[0] for linea in tabla.stdout.splitlines()] == ["user", "Robot", "ana"]
    filas = json.loads(como_json.stdout)["users"]
    assert [(f["username"], f["role"], f["client_id"], f["disabled"]) for f in filas] == [
        ("Robot", "service", "default", False),
        ("ana", "operator", "default", False),
    ]
    assert "argon2" not in tabla.output + como_json.output


@pytest.mark.parametrize(
    ("argumentos", "entrada", "texto"),
    [
        (("add", "ana"), CONTRASENA, "there is a user 'ana' already"),
        (("add", "a b"), CONTRASENA, "'a b' cannot be the name"),
        (("add", "berta"), "corta", "12 to 1024 characters"),
        (("add", "berta"), "", "12 to 1024 characters"),
        (("add", "berta", "--role", "king"), CONTRASENA, "must be one of: viewer, operator, admin, service"),
        (("passwd", "nadie"), CONTRASENA, "there is no user 'nadie'"),
        (("disable", "nadie"), None, "there is no user 'nadie'"),
        (("token", "nadie"), None, "there is no user 'nadie'"),
        (("token", "nadie", "--revoke"), None, "there is no user 'nadie'"),
    ],
)
def test_lo_que_no_puede_ser_es_codigo_2(
    con_ana: Orden, argumentos: tuple[str, ...], entrada: str | None, texto: str
):
    resultado = con_ana(*argumentos, entrada=entrada)

    assert resultado.exit_code == 2
    assert texto in resultado.stderr


def test_la_contrasena_no_se_da_como_argumento(orden: Orden):
    assert orden("add", "ana", "--password", CONTRASENA).exit_code == 2
    assert orden("add", "ana", CONTRASENA).exit_code == 2


def test_una_contrasena_nueva_deja_atras_la_vieja(con_ana: Orden):
    assert con_ana("passwd", "ana", entrada="otra contrasena\r\n").exit_code == 0

    assert not con_ana.entra("ana")
    assert con_ana.entra("ana", "otra contrasena")


def test_un_servicio_no_tiene_contrasena(orden: Orden):
    assert orden("add", "robot", "--role", "service").exit_code == 0

    resultado = orden("passwd", "robot", entrada=CONTRASENA)

    assert resultado.exit_code == 2
    assert "timonel users token robot" in resultado.stderr
    assert not orden.entra("robot", "!")


def test_una_ficha_se_ensena_una_vez_y_es_lo_unico_que_se_imprime(con_ana: Orden):
    resultado = con_ana("token", "ana", "--days", "1")

    ficha = resultado.stdout.strip()
    assert ficha.startswith("tml_")
    assert "it is not shown again" in resultado.stderr
    assert ficha not in resultado.stderr
    assert con_ana.vale(ficha)


def test_revocar_acaba_con_todas(con_ana: Orden):
    fichas = [con_ana("token", "ana").stdout.strip() for _ in range(2)]

    resultado = con_ana("token", "ana", "--revoke")

    assert "2 tokens of ana revoked" in resultado.stderr
    assert resultado.stdout == ""
    assert not any(map(con_ana.vale, fichas))
    con_ana("token", "ana")
    assert "1 token of ana revoked" in con_ana("token", "ana", "--revoke").stderr
    assert "0 tokens of ana revoked" in con_ana("token", "ana", "--revoke").stderr


def test_un_usuario_fuera_no_entra_ni_con_ficha_hasta_que_vuelve(con_ana: Orden):
    ficha = con_ana("token", "ana").stdout.strip()

    assert con_ana("disable", "ana").exit_code == 0
    assert (con_ana.entra("ana"), con_ana.vale(ficha)) == (False, False)
    assert con_ana("token", "ana").exit_code == 2

    assert con_ana("enable", "ana").exit_code == 0
    assert (con_ana.entra("ana"), con_ana.vale(ficha)) == (True, True)


def test_cada_cambio_deja_un_asiento_sin_contrasenas_ni_fichas(con_ana: Orden):
    ficha = con_ana("token", "ana", "--note", "cron").stdout.strip()
    con_ana("passwd", "ana", entrada="another horse battery\n")
    con_ana("disable", "ana")
    con_ana("enable", "ana")
    con_ana("token", "ana", "--revoke")
    assert con_ana("add", "ana", entrada=CONTRASENA + "\n").exit_code == 2

    almacen = abrir_almacen(None, con_ana.estado)
    with leer(almacen) as conexion:
        filas = conexion.execute(select(audit_log).order_by(audit_log.c.id)).all()
    almacen.dispose()
    assert [(fila.action, fila.target, fila.status) for fila in filas] == [
        ("users.add", "ana", 200),
        ("users.token", "ana", 200),
        ("users.passwd", "ana", 200),
        ("users.disable", "ana", 200),
        ("users.enable", "ana", 200),
        ("users.token.revoke", "ana", 200),
        ("users.add", "ana", 400),
    ]
    assert {(f.username, f.role, f.address) for f in filas} == {
        (getpass.getuser(), "local", f"local:{getpass.getuser()}")
    }
    escrito = str(filas)
    assert not any(secreto in escrito for secreto in (CONTRASENA, "another horse", ficha, ficha[4:]))
