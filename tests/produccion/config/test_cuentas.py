"""``accounts.yaml``: names of variables, never keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.nucleo.disparos import ReglasInquilino
from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import Modo
from src.produccion.config.cuentas import Cuentas, SeccionCuenta, claves_de, leer_cuentas, limites_de
from src.produccion.puertos import Credenciales

RAIZ = Path(__file__).parents[3]
CLAVE = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


def escribir(carpeta: Path, texto: str) -> Path:
    ruta = carpeta / "accounts.yaml"
    ruta.write_text(texto)
    return ruta


@pytest.fixture(autouse=True)
def _en_otra_parte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_sin_fichero_hay_una_cuenta_con_las_variables_de_siempre():
    cuentas = leer_cuentas(entorno={})

    assert list(cuentas.accounts) == ["default"]
    assert cuentas.una("default").tenant == "default"
    assert cuentas.una("default").variables == ("BINANCE_TESTNET_API_KEY", "BINANCE_TESTNET_API_SECRET")


def test_el_ejemplo_vale():
    cuentas = leer_cuentas(RAIZ / "accounts.example.yaml", {})

    uno, dos = cuentas.una("User_1"), cuentas.una("User_2")
    assert uno.variables == ("USER_1_API_KEY", "USER_1_API_SECRET")
    assert (uno.use_guardian, uno.use_guardian_half, dos.use_guardian_half) == (True, False, True)
    assert uno.limits.max_executions_per_hour == 100
    assert dos.limits.max_executions_per_hour is None


def test_el_fichero_del_directorio_se_encuentra_solo(tmp_path: Path):
    escribir(tmp_path, "accounts: {Ana: {}}")

    assert list(leer_cuentas(entorno={}).accounts) == ["Ana"]


def test_la_opcion_va_antes_que_el_entorno_y_este_antes_que_el_directorio(tmp_path: Path):
    escribir(tmp_path, "accounts: {Ana: {}}")
    del_entorno, de_la_opcion = tmp_path / "e.yaml", tmp_path / "o.yaml"
    del_entorno.write_text("accounts: {Berta: {}}")
    de_la_opcion.write_text("accounts: {Carla: {}}")
    entorno = {"TIMONEL_ACCOUNTS": str(del_entorno)}

    assert list(leer_cuentas(entorno=entorno).accounts) == ["Berta"]
    assert list(leer_cuentas(de_la_opcion, entorno).accounts) == ["Carla"]


def test_un_fichero_nombrado_que_falta_es_un_error(tmp_path: Path):
    with pytest.raises(ConfiguracionInvalida, match=r"nada\.yaml cannot be read.*TIMONEL_ACCOUNTS"):
        leer_cuentas(entorno={"TIMONEL_ACCOUNTS": str(tmp_path / "nada.yaml")})


@pytest.mark.parametrize(
    ("texto", "nombrado"),
    [
        ("accounts: {}", "accounts"),
        ("", r"accounts\.yaml"),
        ("accounts: {A: {enviroment: live}}", r"accounts\.A\.enviroment"),
        ("accounts: {A: {environment: real}}", r"accounts\.A\.environment = 'real'"),
        ("accounts: {A: {use_guardian: perhaps}}", r"accounts\.A\.use_guardian = 'perhaps'"),
        ("accounts: {A: {limits: {max_slippage_pct: 0}}}", r"limits\.max_slippage_pct = 0"),
        (
            "accounts: {A: {limits: {max_executions_per_hour: .nan}}}",
            r"limits\.max_executions_per_hour = nan",
        ),
        ("accounts: {'a/b': {}}", "a/b"),
        ("accounts: {A: {api_key_env: user key}}", r"A\.api_key_env: .*NAME of an environment variable"),
        ("accounts: {", "not valid YAML at line 1"),
    ],
)
def test_un_fichero_malo_nombra_la_clave(tmp_path: Path, texto: str, nombrado: str):
    with pytest.raises(ConfiguracionInvalida, match=nombrado):
        leer_cuentas(escribir(tmp_path, texto), {})


@pytest.mark.parametrize(
    "texto",
    [
        f"accounts: {{A: {{api_key_env: {CLAVE}}}}}",
        f"accounts: {{A: {{api_key_env: {CLAVE.upper()}}}}}",
        f"accounts: {{A: {{api_secret_env: {CLAVE}}}}}",
        f"accounts: {{A: {{api_key: {CLAVE}}}}}",
        f"accounts: {{A: {CLAVE}}}",
        f"accounts: {{A: {{api_key_env: [{CLAVE}]}}}}",
        f"accounts: {{A: {{api_key_env: {CLAVE}: }}}}}}",
    ],
)
def test_una_clave_escrita_en_el_fichero_se_rechaza_y_no_se_repite(tmp_path: Path, texto: str):
    with pytest.raises(ConfiguracionInvalida) as fallo:
        leer_cuentas(escribir(tmp_path, texto), {})

    assert CLAVE[:8].lower() not in str(fallo.value).lower()
    assert fallo.value.__cause__ is None


def test_las_claves_salen_de_las_variables_nombradas():
    cuenta = SeccionCuenta(api_key_env="ANA_KEY", api_secret_env="ANA_SECRET")

    assert claves_de("Ana", cuenta, {"ANA_KEY": "c", "ANA_SECRET": "s"}) == Credenciales(
        clave="c", secreto="s"
    )
    with pytest.raises(ConfiguracionInvalida, match=r"^ANA_SECRET of account 'Ana' not set.*source .env.sh"):
        claves_de("Ana", cuenta, {"ANA_KEY": "c"})


@pytest.mark.parametrize(
    ("modo", "clave"),
    [(Modo.REAL, "BINANCE_API_KEY"), (Modo.SIMULADO, "TIMONEL_SIMULATOR_KEY")],
)
def test_sin_nombre_valen_las_variables_del_entorno_elegido(modo: Modo, clave: str):
    assert SeccionCuenta(environment=modo).variables[0] == clave


def test_un_inquilino_ve_solo_lo_suyo():
    cuentas = Cuentas(accounts={"A": SeccionCuenta(tenant="x"), "B": SeccionCuenta(), "C": SeccionCuenta()})

    assert list(cuentas.de_inquilino("default")) == ["B", "C"]
    assert list(cuentas.de_inquilino("x")) == ["A"]


def test_una_cuenta_desconocida_se_nombra_con_las_que_hay():
    with pytest.raises(ConfiguracionInvalida, match=r"no account 'Z'; there are: A\."):
        Cuentas(accounts={"A": SeccionCuenta()}).una("Z")


def test_los_limites_de_una_cuenta_son_los_que_dice(tmp_path: Path):
    """By the fields of a tenant's rules; what it leaves out is not there."""
    ruta = escribir(
        tmp_path,
        "accounts: {Ana: {limits: {max_slippage_pct: 2.5, slippage_pause_threshold_pct: 4,"
        " max_executions_per_minute: 3, max_executions_per_hour: 20}},"
        " Berta: {limits: {max_executions_per_hour: 7}}, Carla: {}}",
    )
    todos = {"slippage_max_pct": 2.5, "slippage_pausa_pct": 4.0, "por_minuto": 3, "por_hora": 20}

    assert limites_de("Ana", ruta, {}) == todos
    assert set(todos) <= set(ReglasInquilino._fields)
    assert limites_de("Berta", ruta, {}) == {"por_hora": 7}
    assert limites_de("Carla", ruta, {}) == {}
    assert limites_de(None, ruta, {}) == {}
    with pytest.raises(ConfiguracionInvalida, match="no account 'Dora'"):
        limites_de("Dora", ruta, {})
