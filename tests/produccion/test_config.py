"""Options, settings file and the choice of exchange."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import (
    Ajustes,
    Modo,
    Opciones,
    PoliticaSalida,
    comprobar_opciones,
    destino_simulado,
    direcciones_de,
    elegir_destino,
    leer_ajustes,
)
from src.produccion.puertos import Credenciales

TESTNET = {"BINANCE_TESTNET_API_KEY": "clave-t", "BINANCE_TESTNET_API_SECRET": "secreto-t"}
REAL = {"BINANCE_API_KEY": "clave-r", "BINANCE_API_SECRET": "secreto-r"}


def unas_opciones(**cambios: Any) -> Opciones:
    return replace(Opciones(train_id="train_x"), **cambios)


@pytest.mark.parametrize(
    ("cambios", "nombradas"),
    [
        ({"real": True, "simulado": True}, ("--live", "--simulated")),
        ({"real": True, "url": "http://127.0.0.1:1"}, ("--live", "--exchange-url")),
        ({"simulado": True, "url": "http://127.0.0.1:1"}, ("--simulated", "--exchange-url")),
        ({"datos": Path("x.csv")}, ("--data", "--simulated")),
        ({"velas": 0}, ("--candles 0",)),
        ({"capital": 0.0}, ("--capital 0.0",)),
        ({"capital": float("nan")}, ("--capital nan",)),
        ({"capital": float("inf")}, ("--capital inf",)),
    ],
)
def test_las_opciones_que_se_contradicen_se_nombran(cambios: dict[str, Any], nombradas: tuple[str, ...]):
    with pytest.raises(ConfiguracionInvalida) as fallo:
        comprobar_opciones(unas_opciones(**cambios))

    assert all(nombre in str(fallo.value) for nombre in nombradas)


@pytest.mark.parametrize(
    ("bandera", "cambios"), [("--live", {"real": True}), ("--simulated", {"simulado": True})]
)
def test_de_una_direccion_del_entorno_se_nombra_la_variable(bandera: str, cambios: dict[str, Any]):
    url = "http://127.0.0.1:1"

    with pytest.raises(ConfiguracionInvalida) as fallo:
        comprobar_opciones(unas_opciones(url=url, **cambios), {"TIMONEL_EXCHANGE_URL": url})

    assert str(fallo.value).startswith(bandera)
    assert "TIMONEL_EXCHANGE_URL of the environment; run `unset TIMONEL_EXCHANGE_URL`" in str(fallo.value)
    assert "--exchange-url" not in str(fallo.value)


def test_una_direccion_inservible_del_entorno_se_nombra_por_su_variable():
    with pytest.raises(ConfiguracionInvalida, match=r"^TIMONEL_EXCHANGE_URL 'nada' must look like"):
        elegir_destino(unas_opciones(), {"TIMONEL_EXCHANGE_URL": "nada"})


@pytest.mark.parametrize(
    "cambios",
    [
        {},
        {"real": True},
        {"simulado": True, "datos": Path("x.csv"), "velas": 1, "capital": 0.5},
        {"url": "http://127.0.0.1:1"},
    ],
)
def test_las_opciones_que_se_entienden_pasan(cambios: dict[str, Any]):
    comprobar_opciones(unas_opciones(**cambios))


def test_sin_pedir_nada_se_opera_en_testnet():
    destino = elegir_destino(unas_opciones(), TESTNET | REAL)

    assert destino.modo is Modo.TESTNET
    assert "testnet" in destino.direcciones.rest
    assert destino.credenciales == Credenciales(clave="clave-t", secreto="secreto-t")


def test_dinero_real_solo_con_live():
    destino = elegir_destino(unas_opciones(real=True), TESTNET | REAL)

    assert destino.modo is Modo.REAL
    assert destino.direcciones.rest == "https://fapi.binance.com"
    assert destino.credenciales.clave == "clave-r"


def test_las_claves_del_testnet_no_sirven_para_dinero_real():
    with pytest.raises(ConfiguracionInvalida, match="BINANCE_API_KEY and BINANCE_API_SECRET not set"):
        elegir_destino(unas_opciones(real=True), TESTNET)


@pytest.mark.parametrize("falta", sorted(TESTNET))
def test_una_clave_que_falta_se_nombra_con_el_remedio(falta: str):
    entorno = {nombre: valor for nombre, valor in TESTNET.items() if nombre != falta}

    with pytest.raises(ConfiguracionInvalida, match=rf"^{falta} not set.*source .env.sh.*--simulated"):
        elegir_destino(unas_opciones(), entorno)


def test_una_clave_vacia_es_una_clave_que_falta():
    with pytest.raises(ConfiguracionInvalida, match="BINANCE_TESTNET_API_SECRET not set"):
        elegir_destino(unas_opciones(), TESTNET | {"BINANCE_TESTNET_API_SECRET": ""})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8899", "http://localhost:8899", "http://[::1]:8899"])
def test_un_simulador_local_no_pide_claves(url: str):
    destino = elegir_destino(unas_opciones(url=url), {})

    assert destino.modo is Modo.SIMULADO
    assert destino.credenciales.clave == "simulador"


def test_un_simulador_local_admite_otra_cuenta():
    entorno = {"TIMONEL_SIMULATOR_KEY": "otra", "TIMONEL_SIMULATOR_SECRET": "cosa"}

    assert elegir_destino(unas_opciones(url="http://127.0.0.1:1"), entorno).credenciales == Credenciales(
        clave="otra", secreto="cosa"
    )


def test_la_direccion_tambien_viene_del_entorno():
    destino = elegir_destino(unas_opciones(), {"TIMONEL_EXCHANGE_URL": "http://127.0.0.1:5"})

    assert destino.direcciones.rest == "http://127.0.0.1:5"


def test_una_direccion_ajena_se_trata_como_testnet():
    assert elegir_destino(unas_opciones(url="https://bolsa.example"), TESTNET).modo is Modo.TESTNET


@pytest.mark.parametrize(
    ("url", "flujos"),
    [("http://h:1", "ws://h:1"), ("https://h:2/ruta", "wss://h:2"), ("https://h", "wss://h")],
)
def test_de_una_direccion_salen_las_dos(url: str, flujos: str):
    assert direcciones_de(url).flujos == flujos


@pytest.mark.parametrize("url", ["127.0.0.1:8899", "ftp://h", "http://", "ws://h:1", ""])
def test_una_direccion_inutil_se_rechaza_con_un_ejemplo(url: str):
    with pytest.raises(ConfiguracionInvalida, match=r"http://127\.0\.0\.1:8899"):
        direcciones_de(url)


def test_el_simulador_propio_usa_su_clave():
    assert destino_simulado("http://127.0.0.1:9").modo is Modo.SIMULADO


def test_las_credenciales_no_se_imprimen():
    assert "secreto" not in repr(elegir_destino(unas_opciones(), TESTNET)).replace("BINANCE", "")


def test_sin_fichero_valen_los_valores_por_defecto():
    assert leer_ajustes(None) == Ajustes()
    assert Ajustes().session.on_exit is PoliticaSalida.PROTEGIDA


def test_un_fichero_vacio_vale(tmp_path: Path):
    ruta = tmp_path / "timonel.yaml"
    ruta.write_text("")

    assert leer_ajustes(ruta) == Ajustes()


def test_los_ajustes_se_leen(tmp_path: Path):
    ruta = tmp_path / "timonel.yaml"
    ruta.write_text("session: {on_exit: keep}\ndecision: {max_candle_age_s: 5}\n")

    ajustes = leer_ajustes(ruta)

    assert ajustes.session.on_exit is PoliticaSalida.MANTENER
    assert ajustes.decision.max_candle_age_s == 5.0
    assert ajustes.risk.max_consecutive_errors == 5


@pytest.mark.parametrize(
    ("texto", "nombrado"),
    [
        ("risk: {max_errors: 3}", r"`risk\.max_errors`; did you mean `max_consecutive_errors`\?"),
        ("riks: {}", r"unknown key `riks`; did you mean `risk`\?"),
        ("cuentas_varias: {}", "unknown key `cuentas_varias`; known: decision, risk"),
        ("risk: {max_consecutive_errors: 0}", r"risk\.max_consecutive_errors = 0"),
        ("session: {on_exit: sell}", r"session\.on_exit = 'sell'"),
        ("decision: {max_candle_age_s: soon}", r"decision\.max_candle_age_s = 'soon'"),
        ("- a list", "timonel.yaml"),
        ("risk: {", "not valid YAML"),
        ("breakers: {weather: {}}", r"breakers\.weather"),
        ("breakers: {spread: {limit_bps: 0}}", r"breakers\.spread\.limit_bps = 0"),
        ("breakers: {latency: {violations: 0}}", r"breakers\.latency\.violations = 0"),
        ("breakers: {error_rate: {limit_fraction: 1.5}}", r"breakers\.error_rate\.limit_fraction = 1\.5"),
    ],
)
def test_un_ajuste_malo_nombra_fichero_clave_y_valor(tmp_path: Path, texto: str, nombrado: str):
    ruta = tmp_path / "timonel.yaml"
    ruta.write_text(texto)

    with pytest.raises(ConfiguracionInvalida, match=nombrado) as fallo:
        leer_ajustes(ruta)
    assert str(ruta) in str(fallo.value)


def test_un_fichero_que_no_existe_se_nombra(tmp_path: Path):
    with pytest.raises(ConfiguracionInvalida, match=r"nada\.yaml cannot be read: No such file"):
        leer_ajustes(tmp_path / "nada.yaml")


def test_un_fichero_que_no_es_texto_se_nombra(tmp_path: Path):
    ruta = tmp_path / "timonel.yaml"
    ruta.write_bytes(b"\xff\xfe\x00risk")

    with pytest.raises(ConfiguracionInvalida, match=r"timonel\.yaml"):
        leer_ajustes(ruta)


@pytest.mark.parametrize(
    ("texto", "nombrado"),
    [
        ("exchange: {recv_window_ms: 60001}", r"exchange\.recv_window_ms = 60001"),
        ("exchange: {limit_share: 1.5}", r"exchange\.limit_share = 1\.5"),
        ("streams: {renew_after_h: 24}", r"streams\.renew_after_h = 24"),
        ("streams: {kline_silence_s: 0}", r"streams\.kline_silence_s = 0"),
    ],
)
def test_lo_que_la_bolsa_no_admite_no_se_admite(tmp_path: Path, texto: str, nombrado: str):
    ruta = tmp_path / "timonel.yaml"
    ruta.write_text(texto)

    with pytest.raises(ConfiguracionInvalida, match=nombrado):
        leer_ajustes(ruta)


def test_un_flujo_puede_callar_para_siempre(tmp_path: Path):
    ruta = tmp_path / "timonel.yaml"
    ruta.write_text("streams: {kline_silence_s: null}")

    assert leer_ajustes(ruta).streams.kline_silence_s is None


def test_el_ejemplo_y_el_del_manual_son_los_valores_por_defecto():
    raiz = Path(__file__).parents[2]
    ejemplo = raiz / "timonel.example.yaml"

    assert leer_ajustes(ejemplo) == Ajustes()
    assert ejemplo.read_text(encoding="utf-8") in (raiz / "README.md").read_text(encoding="utf-8")
