"""Which account a command works on: the environment's usual variables, or one of accounts.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import Modo, Opciones
from src.produccion.config.cuentas import destino_de

ENTORNO = {
    "BINANCE_TESTNET_API_KEY": "prueba",
    "BINANCE_TESTNET_API_SECRET": "s",
    "UNO_KEY": "clave-uno",
    "UNO_SECRET": "secreto-uno",
}
CUENTAS = """
accounts:
  Uno: {tenant: casa, environment: testnet, api_key_env: UNO_KEY, api_secret_env: UNO_SECRET}
  Real: {environment: live, api_key_env: UNO_KEY, api_secret_env: UNO_SECRET}
  Ensayo: {environment: sim}
  EnsayoAjeno: {environment: sim, api_key_env: OTRA_KEY}
  Sin: {api_key_env: OTRA_KEY}
"""


@pytest.fixture
def cuentas(tmp_path: Path) -> Path:
    ruta = tmp_path / "accounts.yaml"
    ruta.write_text(CUENTAS)
    return ruta


def test_sin_nombre_son_las_claves_de_siempre():
    destino, inquilino = destino_de(Opciones(train_id=""), None, None, ENTORNO)
    assert (destino.modo, destino.credenciales.clave, inquilino) == (Modo.TESTNET, "prueba", "default")


def test_con_nombre_son_las_suyas(cuentas: Path):
    destino, inquilino = destino_de(Opciones(train_id=""), "Uno", cuentas, ENTORNO)
    assert (destino.modo, destino.credenciales.clave, inquilino) == (Modo.TESTNET, "clave-uno", "casa")


@pytest.mark.parametrize(
    ("entorno", "clave"), [({}, "simulador"), ({"TIMONEL_SIMULATOR_KEY": "otra"}, "otra")]
)
def test_un_simulador_tiene_las_mismas_claves_de_siempre_con_nombre_que_sin_el(
    cuentas: Path, entorno: dict[str, str], clave: str
):
    opciones = Opciones(train_id="", url="http://127.0.0.1:1")

    con_nombre, _ = destino_de(opciones, "Ensayo", cuentas, entorno)

    assert con_nombre.credenciales == destino_de(opciones, None, None, entorno)[0].credenciales
    assert (con_nombre.credenciales.clave, con_nombre.credenciales.secreto) == (clave, "simulador")


@pytest.mark.parametrize(
    ("usuario", "opciones", "motivo"),
    [
        ("Nadie", {}, "there is no account 'Nadie'"),
        ("Sin", {}, "OTRA_KEY"),
        ("EnsayoAjeno", {"url": "http://127.0.0.1:1"}, "OTRA_KEY"),
        ("Real", {}, "--live is for live"),
        ("Uno", {"real": True}, "of environment testnet"),
        ("Uno", {"url": "http://127.0.0.1:1"}, "of environment testnet"),
    ],
)
def test_lo_que_no_casa_se_nombra(cuentas: Path, usuario: str, opciones: dict[str, object], motivo: str):
    with pytest.raises(ConfiguracionInvalida, match=motivo):
        destino_de(Opciones(train_id="", **opciones), usuario, cuentas, ENTORNO)


def test_la_real_pide_las_dos_cosas(cuentas: Path):
    destino, _ = destino_de(Opciones(train_id="", real=True), "Real", cuentas, ENTORNO)
    assert (destino.modo, destino.credenciales.clave) == (Modo.REAL, "clave-uno")
