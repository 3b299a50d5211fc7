"""Bad input: exit code 2 and a message that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artefactos.fabrica import TRAIN_ID
from tests.constructores import unas_velas
from tests.extremo.procesos import (
    CALENTAMIENTO,
    Agente,
    escribir,
    un_artefacto,
    un_artefacto_inquieto,
    un_simulador,
)


def test_un_artefacto_desconocido_nombra_los_mas_cercanos(tmp_path: Path):
    train_id = un_artefacto(tmp_path / "ent")

    salida = Agente(tmp_path, train_id.replace("lr3e-4", "lr3e-5")).correr("--simulated")

    assert salida.codigo == 2
    assert f"the nearest: {TRAIN_ID}" in salida.texto
    assert "Traceback" not in salida.texto


@pytest.mark.parametrize("fichero", ["modelos/modelo.zip", "scaler_train.pkl"])
def test_un_fichero_cambiado_se_nombra(tmp_path: Path, fichero: str):
    train_id = un_artefacto(tmp_path / "ent")
    ruta = tmp_path / "ent" / train_id / fichero
    ruta.write_bytes(ruta.read_bytes() + b" ")

    salida = Agente(tmp_path, train_id).correr("--simulated")

    assert salida.codigo == 2
    assert fichero in salida.texto
    assert "Traceback" not in salida.texto


def test_unas_claves_que_la_bolsa_no_conoce_se_dicen(tmp_path: Path):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 5)) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent"), bolsa.url)
        agente.variables = {"TIMONEL_SIMULATOR_KEY": "otra"}
        salida = agente.correr()
        agente.variables = {"TIMONEL_SIMULATOR_SECRET": "otro"}
        mal_firmada = agente.correr()

    for una in (salida, mal_firmada):
        assert una.codigo == 2
        assert "the exchange refused the API key" in una.texto
        assert "Traceback" not in una.texto
    assert "-2015" in salida.texto
    assert "-1022" in mal_firmada.texto


def test_un_mercado_que_la_bolsa_no_tiene_se_dice(tmp_path: Path):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 5)) as bolsa:
        otro_simbolo = un_artefacto(tmp_path / "uno" / "ent", data_downloader__symbol="ETHUSDT")
        sin_simbolo = Agente(tmp_path / "uno", otro_simbolo, bolsa.url).correr()
        otro_intervalo = un_artefacto(tmp_path / "dos" / "ent", data_downloader__interval="5m")
        sin_intervalo = Agente(tmp_path / "dos", otro_intervalo, bolsa.url).correr()

    assert sin_simbolo.codigo == sin_intervalo.codigo == 2
    assert "ETHUSDT" in sin_simbolo.texto
    assert "BTCUSDT 5m" in sin_intervalo.texto
    assert "Traceback" not in sin_simbolo.texto + sin_intervalo.texto


def test_una_cuenta_vacia_se_dice(tmp_path: Path):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 5), saldo="0") as bolsa:
        salida = Agente(tmp_path, un_artefacto(tmp_path / "ent"), bolsa.url).correr()

    assert salida.codigo == 2
    assert "transfer funds" in salida.texto


def test_una_cuenta_vaciada_mientras_no_habia_nadie_se_dice(tmp_path: Path):
    """What was open is looked for first; nothing is."""
    velas = unas_velas(CALENTAMIENTO + 12)
    train_id = un_artefacto_inquieto(tmp_path / "ent", velas)
    with un_simulador(tmp_path, velas) as bolsa:
        antes = Agente(tmp_path, train_id, bolsa.url).correr("--candles", "3")
    with un_simulador(tmp_path, velas[6:], saldo="0") as bolsa:
        salida = Agente(tmp_path, train_id, bolsa.url).correr()

    assert antes.codigo == 0
    assert salida.codigo == 2
    assert "transfer funds" in salida.texto
    assert "Traceback" not in salida.texto


def test_una_historia_corta_se_dice(tmp_path: Path):
    datos = escribir(tmp_path / "velas.csv", unas_velas(900))

    salida = Agente(tmp_path, un_artefacto(tmp_path / "ent")).correr("--simulated", "--data", str(datos))

    assert salida.codigo == 2
    assert "Traceback" not in salida.texto


@pytest.mark.parametrize(
    ("estropear", "nombrado"),
    [
        (lambda velas: [*velas[:500], velas[500]._replace(low=-1.0), *velas[501:]], "line 502"),
        (lambda velas: [*velas[:500], velas[499], *velas[500:]], "line 502"),
        (lambda velas: [*velas[:499], velas[500], velas[499], *velas[501:]], "line 502"),
    ],
    ids=["negative", "duplicate", "unordered"],
)
def test_unos_datos_malos_nombran_la_linea(tmp_path: Path, estropear, nombrado: str):
    datos = escribir(tmp_path / "velas.csv", estropear(unas_velas(1_600)))

    salida = Agente(tmp_path, un_artefacto(tmp_path / "ent")).correr("--simulated", "--data", str(datos))

    assert salida.codigo == 2
    assert nombrado in salida.texto
    assert "Traceback" not in salida.texto
    assert "error: error:" not in salida.texto


def test_una_bolsa_que_no_esta_se_dice(tmp_path: Path):
    salida = Agente(tmp_path, un_artefacto(tmp_path / "ent"), "http://127.0.0.1:1").correr()

    assert salida.codigo != 0
    assert "cannot be reached" in salida.texto
    assert "Traceback" not in salida.texto
