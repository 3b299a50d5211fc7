"""``timonel logs`` against a served API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Engine
from typer.testing import CliRunner

from src.cli import logs as modulo
from src.cli.app import app
from src.cli.cliente_api import Cliente, FalloApi
from src.produccion.almacen.escritura import anadir
from src.produccion.almacen.esquema import trades
from src.produccion.api.identificacion import Rol
from src.produccion.api.usuarios import HORA_MS, anadir_usuario, dar_ficha
from tests.produccion.alertas.apoyo import avisar
from tests.produccion.api.api_en_hilo import Servida, api_en_hilo
from tests.produccion.api.banco import PLAZOS
from tests.produccion.api.poblacion import INICIO_MS

Paso = Callable[[], object]


@pytest.fixture
def servida(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servida]:
    with structlog.testing.capture_logs(), api_en_hilo(tmp_path, PLAZOS) as una:
        anadir_usuario(una.almacen, "ana", Rol.LECTOR, "default", None)
        ficha = dar_ficha(una.almacen, "ana", HORA_MS, "prueba").ficha.texto
        monkeypatch.setenv("TIMONEL_TOKEN", ficha)
        monkeypatch.setenv("TIMONEL_API_URL", una.url)
        yield una


def seguir(monkeypatch: pytest.MonkeyPatch, pasos: list[Paso], *opciones: str) -> tuple[int, list[str]]:
    """Messages that are shown while something happens at each pause; Ctrl+C at the end."""

    def esperar() -> None:
        if not pasos:
            raise KeyboardInterrupt
        pasos.pop(0)()

    monkeypatch.setattr(modulo, "_esperar", esperar)
    resultado = CliRunner().invoke(app, ["logs", "--follow", "--json", *opciones])
    return resultado.exit_code, [json.loads(linea)["message"] for linea in resultado.stdout.splitlines()]


def test_lo_ultimo_va_de_lo_mas_viejo_a_lo_mas_nuevo(servida: Servida):
    avisar(servida.almacen, "uno", "dos", "tres")
    avisar(servida.almacen, "ajeno", client_id="otros")

    resultado = CliRunner().invoke(app, ["logs", "--limit", "2"])

    assert (resultado.exit_code, resultado.stdout.splitlines()) == (
        0,
        [
            "2023-11-14 22:13:20 INFO sim-1 BTCUSDT startup: dos",
            "2023-11-14 22:13:20 INFO sim-1 BTCUSDT startup: tres",
        ],
    )


def test_se_sigue_lo_que_llega_una_vez_cada_cosa(servida: Servida, monkeypatch: pytest.MonkeyPatch):
    avisar(servida.almacen, "viejo")
    pasos: list[Paso] = [
        lambda: avisar(servida.almacen, "a", "b"),
        lambda: None,
        lambda: avisar(servida.almacen, "c"),
    ]

    assert seguir(monkeypatch, pasos) == (0, ["viejo", "a", "b", "c"])


def llenar(motor: Engine, operacion: str, cuanto: str, instante_ms: int) -> None:
    """A fill of a daemon."""
    fila = {
        "client_id": "default",
        "account_id": "sim-1",
        "user_id": "default",
        "symbol": "BTCUSDT",
        "operation_id": "o1",
        "operation": operacion,
        "side": "SELL",
        "status": "manual",
        "quantity": cuanto,
        "price": 100,
        "realized_pnl": "1.5",
        "commission": "0.25",
        "executed_at_ms": instante_ms,
    }
    with motor.begin() as conexion:
        anadir(conexion, trades, fila)


def test_una_posicion_que_se_reduce_se_dice_entre_lo_demas(servida: Servida):
    """Openings and closings are alerts; a half close was nowhere."""
    avisar(servida.almacen, "opened")
    llenar(servida.almacen, "abrir_long", "1", INICIO_MS + 1)
    llenar(servida.almacen, "reducir_long", "0.5", INICIO_MS + 2)

    resultado = CliRunner().invoke(app, ["logs"])
    (ultima,) = CliRunner().invoke(app, ["logs", "--limit", "1", "--json"]).stdout.splitlines()

    assert resultado.stdout.splitlines()[1:] == [
        "2023-11-14 22:13:20 INFO sim-1 BTCUSDT position_reduced: reduced long 0.50000000 at 100.00:"
        " +1.25 after commission (manual)"
    ]
    dicho = json.loads(ultima)
    assert (dicho["id"], dicho["kind"], dicho["data"]["operation"]) == (
        None,
        "position_reduced",
        "reducir_long",
    )
    assert dicho["data"]["trade_id"] > 0


def test_una_posicion_que_se_aumenta_se_dice_entre_lo_demas(servida: Servida):
    """It earns nothing yet, and its commission is in what the close tells."""
    llenar(servida.almacen, "aumentar_long", "0.5", INICIO_MS)

    (linea,) = CliRunner().invoke(app, ["logs", "--json"]).stdout.splitlines()

    dicho = json.loads(linea)
    assert (dicho["kind"], dicho["message"]) == ("position_increased", "increased long 0.50000000 at 100.00")
    assert dicho["data"]["operation"] == "aumentar_long"


def test_se_sigue_tambien_lo_que_se_reduce(servida: Servida, monkeypatch: pytest.MonkeyPatch):
    llenar(servida.almacen, "reducir_short", "3", INICIO_MS)
    pasos: list[Paso] = [lambda: llenar(servida.almacen, "reducir_short", "2", INICIO_MS), lambda: None]

    codigo, mensajes = seguir(monkeypatch, pasos)

    assert (codigo, [mensaje.split()[2] for mensaje in mensajes]) == (0, ["3.00000000", "2.00000000"])


def test_una_rafaga_mayor_que_una_pagina_no_pierde_nada(servida: Servida, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(modulo, "_TRAMO", 3)
    mensajes = [f"m{i}" for i in range(8)]

    assert seguir(monkeypatch, [lambda: avisar(servida.almacen, *mensajes)]) == (0, mensajes)


def test_una_api_que_falta_un_momento_no_acaba_nada(servida: Servida, monkeypatch: pytest.MonkeyPatch):
    pedir = Cliente.pedir
    cortes: list[bool] = []

    def a_veces(self: Cliente, *que: str) -> object:
        if cortes:
            cortes.pop()
            raise FalloApi("it does not answer", 6)
        return pedir(self, *que)

    monkeypatch.setattr(Cliente, "pedir", a_veces)
    pasos: list[Paso] = [lambda: (avisar(servida.almacen, "a"), cortes.append(True)), lambda: None]

    assert seguir(monkeypatch, pasos, "--symbol", "BTCUSDT") == (0, ["a"])
