"""Who trades, and that nobody else does at the same time."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.supervision.identidad import (
    candado,
    candado_de_maquina,
    carpeta_estado,
    entorno_de,
    id_agente,
    id_cuenta,
    titular_de,
)


def test_la_cuenta_es_entorno_y_huella_de_la_clave():
    cuenta = id_cuenta("testnet", "mi-clave")

    assert entorno_de(cuenta) == "testnet"
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
        candado(tmp_path, "train_x"),
        pytest.raises(
            ConfiguracionInvalida,
            match=rf"\(train_x on {re.escape(socket.gethostname())} since 20\S+, process {os.getpid()}\)",
        ),
        candado(tmp_path, "train_y"),
    ):
        pass


def test_otra_carpeta_de_estado_no_hace_otra_cuenta():
    def tomar(bolsa: str = "http://a", cuenta: str = "testnet-1", simbolo: str = "BTCUSDT"):
        return candado_de_maquina(bolsa, cuenta, simbolo)

    with tomar():
        aviso = rf"\(process {os.getpid()}\), with another state"
        with pytest.raises(ConfiguracionInvalida, match=aviso), tomar():
            pass
        with tomar(bolsa="http://b"), tomar(cuenta="testnet-2"), tomar(simbolo="ETHUSDT"):
            pass
    with tomar():
        pass


def test_del_titular_se_sabe_quien_es_y_si_vive(tmp_path: Path):
    assert titular_de(tmp_path) is None
    with candado(tmp_path, "train_x"):
        titular = titular_de(tmp_path)
    assert titular is not None
    assert titular.vivo
    assert (titular.pid, titular.train_id, titular.anfitrion) == (
        os.getpid(),
        "train_x",
        socket.gethostname(),
    )
    assert titular_de(tmp_path) is None


def test_tras_un_error_tampoco_queda_titular(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), candado(tmp_path):
        raise ZeroDivisionError
    assert titular_de(tmp_path) is None


def test_el_texto_de_un_proceso_muerto_no_es_un_candado(tmp_path: Path):
    codigo = (
        "import os, sys; from pathlib import Path; from src.produccion.supervision.identidad import candado\n"
        "with candado(Path(sys.argv[1]), 'train_x'): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", codigo, str(tmp_path)], timeout=60)

    titular = titular_de(tmp_path)
    assert titular is not None
    assert not titular.vivo
    assert titular.train_id == "train_x"
    with candado(tmp_path):
        pass


@pytest.mark.parametrize("texto", ["4711", "", "{", "[1]", '{"pid": "x"}'])
def test_un_texto_de_otra_clase_no_estorba(tmp_path: Path, texto: str):
    (tmp_path / "daemon.lock").write_text(texto)

    titular = titular_de(tmp_path)
    assert (titular.pid if titular else None) == (4711 if texto == "4711" else None)
    with candado(tmp_path):
        pass


def test_quien_solo_mira_no_impide_empezar(tmp_path: Path):
    with candado(tmp_path):
        pass
    with (tmp_path / "daemon.lock").open() as archivo:
        fcntl.flock(archivo, fcntl.LOCK_SH)
        soltar = threading.Timer(0.06, fcntl.flock, (archivo, fcntl.LOCK_UN))
        soltar.start()
        with candado(tmp_path):
            soltar.join()


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
