"""What systemd hears, on a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.produccion.supervision.aviso_systemd import AvisoSystemd


@pytest.fixture
def oyente(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as enchufe:
        enchufe.bind(str(tmp_path / "notify"))
        enchufe.settimeout(5)
        yield enchufe


def test_los_mensajes_llegan(oyente: socket.socket):
    aviso = AvisoSystemd.del_entorno({"NOTIFY_SOCKET": oyente.getsockname()})

    aviso.listo("BTCUSDT: trading\nsince now")
    aviso.estado("BTCUSDT +1.2 %")
    aviso.latir()
    aviso.alargar(1.5)
    aviso.parando("interrupted")

    assert [oyente.recv(1_000).decode() for _ in range(5)] == [
        "READY=1\nSTATUS=BTCUSDT: trading since now",
        "STATUS=BTCUSDT +1.2 %",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=1500000",
        "STOPPING=1\nSTATUS=interrupted",
    ]


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="abstract sockets are Linux's")
def test_un_enchufe_abstracto_vale():
    nombre = f"timonel-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as enchufe:
        enchufe.bind(f"\0{nombre}")
        enchufe.settimeout(5)
        AvisoSystemd.del_entorno({"NOTIFY_SOCKET": f"@{nombre}"}).latir()

        assert enchufe.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("entorno", [{}, {"NOTIFY_SOCKET": ""}, {"WATCHDOG_USEC": "30000000"}])
def test_sin_systemd_no_se_dice_nada(entorno: dict[str, str], bitacora: list[dict[str, object]]):
    aviso = AvisoSystemd.del_entorno(entorno)

    aviso.listo("x")
    aviso.latir()

    assert aviso.cada_s is None
    assert bitacora == []


@pytest.mark.parametrize(
    ("entorno", "cada_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_se_da_senal_de_vida_a_la_mitad_del_plazo(entorno: dict[str, str], cada_s: float | None):
    assert AvisoSystemd.del_entorno({"NOTIFY_SOCKET": "/x", **entorno}).cada_s == cada_s


def test_un_enchufe_que_no_esta_solo_se_anota_una_vez(tmp_path: Path, bitacora: list[dict[str, object]]):
    aviso = AvisoSystemd(str(tmp_path / "nobody"))

    aviso.latir()
    aviso.latir()

    assert [evento["event"] for evento in bitacora] == ["aviso_systemd_fallido"]
