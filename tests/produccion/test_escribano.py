"""Whoever logs waits for no disk, and what a disk does not take is told without being quoted."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from src.produccion.escribano import Archivo, Escribano


class DiscoColgado(Archivo):
    """A file whose disk answers when it is told to."""

    def __init__(self, ruta: Path) -> None:
        super().__init__(ruta, encoding="utf-8")
        self.contesta = threading.Event()
        self.pedido = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.pedido.set()
        self.contesta.wait(10)
        super().emit(record)


class Ilegible:
    def __str__(self) -> str:
        raise ValueError("s3cr3t")


def un_registro(texto: Any) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, "", 0, texto, (), None)


def test_un_disco_colgado_no_detiene_a_nadie_y_lo_que_no_cabe_se_cuenta(tmp_path: Path):
    disco = DiscoColgado(tmp_path / "x.log")
    escribano = Escribano([disco], logging.Formatter("%(message)s"), maximo=2)
    escribano.handle(un_registro("uno"))
    assert disco.pedido.wait(10)

    for texto in ("dos", "tres", "cuatro", "cinco"):
        escribano.handle(un_registro(texto))
    en_cola = escribano.en_cola
    disco.contesta.set()
    escribano.close()

    assert (en_cola, escribano.perdidas) == (2, 2)
    assert (tmp_path / "x.log").read_text() == "uno\ndos\ntres\n"


def test_nada_se_escribe_hasta_que_hay_tiempo(tmp_path: Path):
    pedido, hay_tiempo = threading.Event(), threading.Event()

    def ceder() -> None:
        pedido.set()
        assert hay_tiempo.wait(10)

    escribano = Escribano([Archivo(tmp_path / "x.log")], logging.Formatter("%(message)s"), ceder)
    escribano.handle(un_registro("uno"))
    assert pedido.wait(10)
    antes = (tmp_path / "x.log").read_text()
    hay_tiempo.set()
    escribano.close()

    assert (antes, (tmp_path / "x.log").read_text()) == ("", "uno\n")


def test_al_final_no_se_espera_a_un_disco_colgado(tmp_path: Path):
    disco = DiscoColgado(tmp_path / "x.log")
    escribano = Escribano([disco], logging.Formatter("%(message)s"), despedida_s=0.01)
    escribano.handle(un_registro("uno"))
    assert disco.pedido.wait(10)

    escribano.close()
    sin_contestar = disco.contesta.is_set()
    disco.contesta.set()

    assert not sin_contestar


def test_un_disco_lleno_se_dice_una_vez_y_sin_citar_nada(capsys: pytest.CaptureFixture[str]):
    lleno = Archivo("/dev/full", encoding="utf-8")
    escribano = Escribano([lleno], logging.Formatter("%(message)s"))

    for _ in range(3):
        escribano.handle(un_registro("s3cr3t"))
    escribano.close()

    dicho = capsys.readouterr().err
    assert dicho == "log /dev/full cannot be written: [Errno 28] No space left on device\n"


def test_un_campo_que_no_se_deja_escribir_no_acaba_con_el_registro(tmp_path: Path):
    archivo = Archivo(tmp_path / "x.log", encoding="utf-8")
    escribano = Escribano([archivo], logging.Formatter("%(message)s"))

    escribano.handle(un_registro(Ilegible()))
    escribano.handle(un_registro("sigue"))
    escribano.close()

    ilegible, sigue = (tmp_path / "x.log").read_text().splitlines()
    assert ilegible == '{"event": "linea_ilegible", "logger": "x", "motivo": "ValueError"}'
    assert sigue == "sigue"
