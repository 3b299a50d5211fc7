"""A recorded session decides the same again; whatever was recorded otherwise shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.produccion.diario.diario import EventoDiario
from src.produccion.repeticion import Informe, repetir
from src.produccion.sesion_grabada import mercado_de, sesiones_de
from tests.produccion.grabada import Grabacion, una_grabacion

Contenido = dict[str, Any]


@pytest.fixture
def grabacion(tmp_path: Path) -> Grabacion:
    return una_grabacion(tmp_path)


async def repetida(g: Grabacion) -> Informe:
    (sesion,) = sesiones_de(g.eventos)
    return await repetir(g.eventos, sesion, g.artefacto, mercado_de(sesion, g.artefacto), g.calentamiento)


async def test_lo_mismo_se_decide_igual_bit_a_bit(grabacion: Grabacion):
    """One candle among them was read after a gap and not decided on; the window has it all the same."""
    informe = await repetida(grabacion)

    assert informe.diferencias == []
    assert informe.decisiones == informe.iguales == 12


def otra_accion(contenido: Contenido) -> None:
    contenido["action"] = contenido["action"] * (1.0 + 2**-52)


def otra_lectura(contenido: Contenido) -> None:
    contenido["reading"][2] += 0.001


def otro_plan(contenido: Contenido) -> None:
    contenido["plan"] = ["cerrar_long", [-0.05], True, ""]


def otro_equity(contenido: Contenido) -> None:
    contenido["equity"] += 1e-8


def otra_cuenta(contenido: Contenido) -> None:
    contenido["state"]["account"] = [9_000.0]


def otra_vela(contenido: Contenido) -> None:
    contenido["candle"][2] += 1.0


def otra_referencia(contenido: Contenido) -> None:
    contenido["state"]["reference"] = 5_000.0


@pytest.mark.parametrize(
    ("cambiar", "campo"),
    [
        (otra_accion, "action"),
        (otra_lectura, "reading"),
        (otro_plan, "plan"),
        (otro_equity, "equity"),
        (otra_cuenta, "equity"),
        (otra_vela, "candle"),
        (otra_referencia, "action"),
    ],
)
async def test_lo_que_se_grabo_distinto_se_dice(
    grabacion: Grabacion, cambiar: Callable[[Contenido], None], campo: str
):
    cambiar(grabacion.decididas()[4])

    informe = await repetida(grabacion)

    assert informe.iguales == 11
    primera = informe.diferencias[0]
    assert primera.campo == campo
    assert primera.apertura_ms == grabacion.decididas()[4]["candle"][0]


async def test_una_vela_que_falta_cambia_lo_que_viene(grabacion: Grabacion):
    """The window is made of every candle, decided on or not."""
    tomadas = [e for e in grabacion.eventos if e.tipo == "CANDLES"]
    grabacion.eventos.remove(tomadas[5])

    informe = await repetida(grabacion)

    assert not informe.igual
    assert informe.decisiones == 12


async def test_una_entrada_con_el_limite_roto_se_dice(grabacion: Grabacion):
    """A plan that was sent although the recorded peak forbade it."""
    cual = next(c for c in grabacion.decididas() if c["plan"][1] and not c["plan"][2])
    cual["state"]["risk"][0] *= 10.0

    informe = await repetida(grabacion)

    assert [d.campo for d in informe.diferencias] == ["refused"]


async def test_una_orden_que_se_contradice_se_dice(grabacion: Grabacion):
    intencion: Contenido = {
        "token": "t",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "quantity": 1.0,
        "reduce_only": False,
        "position": 0.0,
    }
    for version, (tipo, contenido) in enumerate(
        [
            ("ORDER_INTENT", intencion),
            ("ORDER_SENT", {"attempt": 1}),
            ("ORDER_REJECTED", {"reason": "no", "code": -2019}),
            ("ORDER_FILLED", {"order_id": 1, "executed": 1.0, "average_price": 1.0, "status": ""}),
        ],
        1,
    ):
        grabacion.eventos.append(EventoDiario(100 + version, "order:tm-A", version, tipo, 0, contenido))

    informe = await repetida(grabacion)

    assert [d.campo for d in informe.diferencias] == ["orders"]


async def test_otra_sesion_del_mismo_agente_no_se_mezcla(grabacion: Grabacion):
    ultimo = grabacion.eventos[-1]
    otra = {"session": "20260202_000000", "train_id": grabacion.artefacto.train_id}
    grabacion.eventos += [
        ultimo._replace(seq=200, version=200, tipo="SESSION_STARTED", contenido=otra),
        ultimo._replace(seq=201, version=201),
    ]
    primera, _ = sesiones_de(grabacion.eventos)

    informe = await repetir(
        grabacion.eventos, primera, grabacion.artefacto, grabacion.artefacto.mercado, grabacion.calentamiento
    )

    assert informe.decisiones == 12
