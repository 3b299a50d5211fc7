"""Who trades, and that nobody else does at the same time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.identidad import candado, carpeta_estado, id_agente, id_cuenta


def test_la_cuenta_es_entorno_y_huella_de_la_clave():
    cuenta = id_cuenta("testnet", "mi-clave")

    assert cuenta.startswith("testnet-")
    assert "mi-clave" not in cuenta
    assert cuenta == id_cuenta("testnet", "mi-clave")


def test_un_ensayo_no_hereda_del_testnet():
    assert len({id_cuenta(entorno, "k") for entorno in ("sim", "testnet", "live")}) == 3
    assert id_cuenta("sim", "a") != id_cuenta("sim", "b")


def test_otro_artefacto_es_otro_agente_con_el_mismo_estado(tmp_path: Path):
    assert id_agente("c", "BTCUSDT", "a") != id_agente("c", "BTCUSDT", "b")
    assert carpeta_estado(tmp_path, "c", "BTCUSDT") == tmp_path / "c" / "BTCUSDT"


def test_una_segunda_instancia_se_rechaza_y_nombra_a_la_primera(tmp_path: Path):
    with (
        candado(tmp_path),
        pytest.raises(ConfiguracionInvalida, match=rf"process {os.getpid()}\)"),
        candado(tmp_path),
    ):
        pass


def test_el_candado_se_suelta_al_terminar(tmp_path: Path):
    with candado(tmp_path):
        pass
    with candado(tmp_path):
        pass


def test_un_candado_por_cuenta_y_simbolo(tmp_path: Path):
    with candado(tmp_path / "BTCUSDT"), candado(tmp_path / "ETHUSDT"):
        pass


def test_una_carpeta_imposible_se_nombra(tmp_path: Path):
    (tmp_path / "fichero").write_text("")

    with pytest.raises(ConfiguracionInvalida, match="--state-dir"), candado(tmp_path / "fichero" / "x"):
        pass
