"""Logs: JSON on disk, no secrets, one status line."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.bitacora import AjustesBitacora, LineaEstado, Rotacion, con_color, configurada


def lineas(ruta: Path) -> list[dict[str, Any]]:
    return [json.loads(linea) for linea in ruta.read_text(encoding="utf-8").splitlines()]


def test_cada_evento_es_una_linea_de_json(tmp_path: Path):
    ruta = tmp_path / "produccion" / "produccion_x.log"

    with configurada(ruta):
        structlog.get_logger("a.b").info("orden_ejecutada", cantidad=0.1, secret="s3cr3t")
        structlog.get_logger("a.b").warning("flujo_caido", flujo="market")

    ejecutada, caido = lineas(ruta)
    assert (ejecutada["event"], ejecutada["cantidad"], ejecutada["level"]) == ("orden_ejecutada", 0.1, "info")
    assert ejecutada["logger"] == "a.b"
    assert ejecutada["timestamp"].endswith("Z")
    assert caido["flujo"] == "market"
    assert "s3cr3t" not in ruta.read_text()


def test_una_traza_cabe_en_su_linea(tmp_path: Path):
    ruta = tmp_path / "x.log"

    with configurada(ruta):
        try:
            raise ZeroDivisionError("a defect")
        except ZeroDivisionError:
            structlog.get_logger("x").exception("fallo_inesperado")

    (linea,) = lineas(ruta)
    assert "ZeroDivisionError: a defect" in linea["exception"]


@pytest.mark.parametrize(
    "texto",
    [
        "wss://h/private/ws?listenKey=pqia91ma19a5s61cv6a81va65&x=1",
        "https://h/fapi/v1/order?quantity=1&signature=pqia91ma19a5s61cv6a81va65",
        "an answer: {'listenKey': 'pqia91ma19a5s61cv6a81va65'}",
        'an answer: {"listenKey": "pqia91ma19a5s61cv6a81va65"}',
        "Clave(listenKey='pqia91ma19a5s61cv6a81va65')",
        'a quoted "https://h/?signature=pqia91ma19a5s61cv6a81va65"',
        "a line\nsignature=pqia91ma19a5s61cv6a81va65\nanother",
    ],
)
def test_los_secretos_que_cita_un_fallo_se_tapan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], texto: str
):
    ruta = tmp_path / "x.log"

    with configurada(ruta):
        try:
            raise ConnectionError(texto)
        except ConnectionError as fallo:
            structlog.get_logger("x").exception("fallo_inesperado", motivo=fallo, datos=[texto])
            logging.getLogger("una.biblioteca").exception("lost %s", texto)

    for linea in lineas(ruta):
        assert "ConnectionError" in linea["exception"]
        assert "***" in linea["exception"]
    escrito = ruta.read_text() + capsys.readouterr().err
    assert "pqia91ma19a5s61cv6a81va65" not in escrito
    assert "fallo_inesperado" in escrito


def test_la_traza_de_la_consola_no_ensena_las_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def falla() -> None:
        clave = "x" * 8
        raise ZeroDivisionError(f"{len(clave)}")

    with configurada(tmp_path / "x.log"):
        try:
            falla()
        except ZeroDivisionError:
            structlog.get_logger("x").exception("fallo_inesperado")

    assert "xxxxxxxx" not in capsys.readouterr().err


def test_lo_que_registran_las_bibliotecas_va_al_mismo_sitio(tmp_path: Path):
    ruta = tmp_path / "x.log"

    with configurada(ruta):
        logging.getLogger("una.biblioteca").warning("something %s", "odd")

    assert lineas(ruta)[0]["event"] == "something odd"


@pytest.mark.parametrize(("detallado", "esperados"), [(False, ["malo"]), (True, ["bueno", "malo"])])
def test_la_consola_calla_lo_que_va_bien(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], detallado: bool, esperados: list[str]
):
    with configurada(tmp_path / "x.log", ajustes=AjustesBitacora(detallado=detallado)):
        structlog.get_logger("x").info("bueno")
        structlog.get_logger("x").warning("malo")

    escrito = capsys.readouterr()
    assert [palabra for palabra in ("bueno", "malo") if palabra in escrito.err] == esperados
    assert escrito.out == ""


def test_una_tuberia_que_nadie_lee_no_detiene_a_nadie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its reader was stopped; what was said meanwhile is there when it goes on."""
    lado_lector, lado_escritor = os.pipe()
    leido: list[str] = []

    def leer() -> None:
        with os.fdopen(lado_lector, encoding="utf-8") as lector:
            leido.append(lector.read())

    lector = threading.Thread(target=leer)
    with os.fdopen(lado_escritor, "w", encoding="utf-8") as consola:
        monkeypatch.setattr(sys, "stderr", consola)
        with configurada(tmp_path / "x.log"):
            for _ in range(300):
                structlog.get_logger("x").warning("mucho", relleno="y" * 1_000)
            lector.start()
    lector.join()

    assert leido[0].count("mucho") == 300


def test_los_secretos_conocidos_se_tapan_en_cada_destino(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ajustes = AjustesBitacora(secretos=("q8Zk2f!uW71x",))
    with configurada(tmp_path / "x.log", rotativa=tmp_path / "daemon.log", ajustes=ajustes):
        structlog.get_logger("x").warning("raro", dicho="it said q8Zk2f!uW71x twice")
        logging.getLogger("una.biblioteca").warning("got q8Zk2f%21uW71x")

    escrito = (tmp_path / "x.log").read_text() + capsys.readouterr().err
    assert (tmp_path / "daemon.log").read_text() == (tmp_path / "x.log").read_text()
    assert escrito.count("***") == 4
    assert "uW71x" not in escrito


def test_un_archivo_lleno_se_cambia_y_se_guardan_los_ultimos(tmp_path: Path):
    ajustes = AjustesBitacora(rotacion=Rotacion(maximo_mb=0.001, guardados=2))
    with configurada(rotativa=tmp_path / "daemon.log", ajustes=ajustes):
        for i in range(60):
            structlog.get_logger("x").info("algo", numero=i)

    assert sorted(ruta.name for ruta in tmp_path.iterdir()) == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert all(ruta.stat().st_size <= 1_000 for ruta in tmp_path.iterdir())
    assert lineas(tmp_path / "daemon.log")[-1]["numero"] == 59


def test_un_evento_dice_lo_que_se_sabia_donde_ocurrio(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with configurada(tmp_path / "x.log"):
        with structlog.contextvars.bound_contextvars(agente="a", simbolo="BTCUSDT", vela_ms=17):
            structlog.get_logger("x").warning("propio", simbolo="ETHUSDT")
            logging.getLogger("una.biblioteca").warning("foreign")
        structlog.get_logger("x").info("fuera")

    propio, ajeno, fuera = lineas(tmp_path / "x.log")
    assert (propio["agente"], propio["simbolo"]) == ("a", "ETHUSDT")
    assert (ajeno["agente"], ajeno["simbolo"]) == ("a", "BTCUSDT")
    assert "agente" not in fuera
    de_consola = capsys.readouterr().err
    assert "agente" not in de_consola
    assert "BTCUSDT" not in de_consola
    assert de_consola.count("vela_ms=17") == 2
    assert "simbolo=ETHUSDT" in de_consola


def test_de_cada_modulo_se_dice_lo_que_se_pide(tmp_path: Path):
    niveles = {"ruidoso": "ERROR", "callado.parte": "DEBUG"}
    with configurada(tmp_path / "x.log", ajustes=AjustesBitacora(niveles=niveles)):
        structlog.get_logger("ruidoso.modulo").warning("uno")
        structlog.get_logger("ruidoso.modulo").error("dos")
        structlog.get_logger("callado.parte").debug("tres")
        structlog.get_logger("callado").debug("cuatro")

    assert [linea["event"] for linea in lineas(tmp_path / "x.log")] == ["dos", "tres"]
    assert logging.getLogger("ruidoso").level == logging.NOTSET


def test_un_terminal_tiene_colores_si_nadie_los_rechaza():
    assert con_color(Terminal(), {})
    assert con_color(Terminal(), {"NO_COLOR": ""})
    assert not con_color(Terminal(), {"NO_COLOR": "1"})
    assert not con_color(io.StringIO(), {})


def test_una_carpeta_donde_no_se_puede_escribir_se_nombra(tmp_path: Path):
    (tmp_path / "fichero").write_text("")

    with (
        pytest.raises(ConfiguracionInvalida, match=r"x\.log cannot be written: File exists"),
        configurada(tmp_path / "fichero" / "x.log"),
    ):
        pass


def test_al_salir_todo_queda_como_estaba(tmp_path: Path):
    raiz = logging.getLogger()
    antes = (list(raiz.handlers), raiz.level)

    with configurada(tmp_path / "x.log"):
        pass

    assert (list(raiz.handlers), raiz.level) == antes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_la_linea_de_estado_se_reescribe_en_su_sitio():
    terminal = Terminal()
    linea = LineaEstado(terminal)

    linea.mostrar("a long status")
    linea.mostrar("short")
    linea.terminar()

    assert terminal.getvalue() == "\ra long status" + "\rshort        " + "\n"


def test_sin_terminal_la_linea_calla():
    salida = io.StringIO()
    linea = LineaEstado(salida)

    linea.mostrar("x")
    linea.terminar()

    assert salida.getvalue() == ""


class TerminalIdo(io.StringIO):
    """A terminal that was closed while one line was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.cortes = 1

    def isatty(self) -> bool:
        return True

    def write(self, texto: str) -> int:
        if self.cortes and texto.startswith("\r"):
            self.cortes -= 1
            raise OSError(errno.EIO, "Input/output error")
        return super().write(texto)


def test_una_linea_que_la_terminal_no_toma_no_se_lleva_las_siguientes(monkeypatch: pytest.MonkeyPatch):
    terminal = TerminalIdo()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(logging, "raiseExceptions", False)

    with configurada():
        for evento in ("primero", "segundo"):
            structlog.get_logger("x").warning(evento)

    assert "primero" not in terminal.getvalue()
    assert "segundo" in terminal.getvalue()


def test_alembic_calla_lo_que_nadie_pidio(tmp_path: Path):
    """It tells of each plug-in that it sets up; whoever asks by name hears it."""
    for niveles, oidos in (({}, ["de peso"]), ({"alembic": "INFO"}, ["de rutina", "de peso"])):
        ruta = tmp_path / f"{len(oidos)}.log"
        with configurada(ruta, ajustes=AjustesBitacora(niveles=niveles)):
            logging.getLogger("alembic.runtime.plugins").info("de rutina")
            logging.getLogger("alembic.runtime.plugins").warning("de peso")

        assert [json.loads(linea)["event"] for linea in ruta.read_text().splitlines()] == oidos
