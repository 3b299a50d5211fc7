"""Commands about risk, carried out by a daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.mandos import EstadoMando, MandoGuardado
from src.produccion.mandos import Desenlace
from src.produccion.mesa_riesgo import MesaRiesgo, Recepcion
from tests.produccion.banco import Banco, montar


@pytest.fixture
async def banco(tmp_path: Path) -> AsyncIterator[Banco]:
    suyo = await montar(tmp_path / "p", 0.5)
    yield suyo
    suyo.registro.cerrar()


@pytest.fixture
def mesa(banco: Banco) -> MesaRiesgo:
    return MesaRiesgo(banco.control, banco.bolsa.reloj)


def un_mando(accion: str, **contenido: object) -> MandoGuardado:
    return MandoGuardado(
        *(1, "id", "default", "default", "BTCUSDT", accion, contenido, "ana", None),
        *(0, 1, EstadoMando.CLAIMED, "d", 0, None, None, "sim-1"),
    )


def abrir(banco: Banco, clase: ClaseDisyuntor) -> None:
    assert banco.control.cuadro is not None
    for _ in range(3):
        banco.control.cuadro.medir(clase, 1e9, banco.bolsa.reloj.ahora_ms())


async def test_un_disyuntor_se_cierra_y_se_dice_de_quien_fue(banco: Banco, mesa: MesaRiesgo):
    abrir(banco, ClaseDisyuntor.SPREAD)

    desenlace = await mesa.atender(un_mando("breaker.reset", kind="spread", reason="it was the proxy"))

    assert banco.control.bloqueos == set()
    assert desenlace.como_json() == {
        "success": True,
        "symbol": "BTCUSDT",
        "kind": "spread",
        "state": "CLOSED",
        "previous_state": "OPEN",
        "timestamp": banco.bolsa.reloj.ahora_ms() / 1_000,
        "message": "the spread breaker is closed",
    }
    assert banco.diario.ultimo("BREAKER_CLOSED")["by"] == "ana"


async def test_el_modo_cambia_y_queda_en_el_diario(banco: Banco, mesa: MesaRiesgo):
    desenlace = await mesa.atender(un_mando("risk.mode", mode="HALTED", reason="news"))

    assert banco.control.modo is ModoRiesgo.HALTED
    assert banco.diario.ultimo("RISK_MODE") == {"mode": "HALTED", "reason": "news", "by": "ana"}
    campos = desenlace.como_json()
    assert (campos["mode"], campos["previous_mode"], campos["account_id"]) == ("HALTED", "ACTIVE", "sim-1")


async def test_un_modo_que_no_se_puede_escribir_no_es_un_exito(banco: Banco, mesa: MesaRiesgo):
    banco.diario.roto = True

    desenlace = await mesa.atender(un_mando("risk.mode", mode="REDUCING", reason="news"))

    assert not desenlace.exito
    assert desenlace.mensaje.endswith("until it ends this daemon goes by REDUCING")
    assert banco.control.modo is ModoRiesgo.REDUCING


async def test_lo_que_se_afloja_despacio_no_deshace_lo_que_se_aprieta_entretanto(
    banco: Banco, mesa: MesaRiesgo, monkeypatch: pytest.MonkeyPatch
):
    """The disk takes its time for ACTIVE; before it has answered somebody asks for HALTED."""
    await mesa.atender(un_mando("risk.mode", mode="REDUCING", reason="news"))
    escritos = [asyncio.Event(), asyncio.Event()]
    por_escribir = iter(escritos)

    async def anotar(*_: object) -> None:
        await next(por_escribir).wait()

    monkeypatch.setattr(banco.diario, "anotar", anotar)
    despacio = asyncio.create_task(mesa.atender(un_mando("risk.mode", mode="ACTIVE", reason="over")))
    await asyncio.sleep(0)
    aprisa = asyncio.create_task(mesa.atender(un_mando("risk.mode", mode="HALTED", reason="not over")))
    escritos[0].set()
    await despacio
    assert banco.control.modo is ModoRiesgo.HALTED
    escritos[1].set()
    await aprisa

    assert banco.control.modo is ModoRiesgo.HALTED


@pytest.mark.parametrize(
    ("mando", "porque"),
    [
        (un_mando("breaker.reset", kind="latency", reason="x"), "closed already"),
        (un_mando("breaker.reset", kind="latency"), "a reason is needed"),
        (un_mando("risk.mode", mode="FAST", reason="x"), "no risk mode"),
        (un_mando("risk.dance"), "does not know the command"),
    ],
)
async def test_lo_que_no_se_puede_se_rechaza(mesa: MesaRiesgo, mando: MandoGuardado, porque: str):
    with pytest.raises(SolicitudInvalida, match=porque):
        await mesa.atender(mando)


async def test_sin_cuadro_no_hay_nada_que_cerrar(banco: Banco, mesa: MesaRiesgo):
    banco.control.cuadro = None
    with pytest.raises(SolicitudInvalida, match="no breakers"):
        await mesa.atender(un_mando("breaker.reset", kind="latency", reason="x"))


async def test_cada_mando_va_a_quien_sabe(mesa: MesaRiesgo, banco: Banco):
    suyos: list[str] = []

    async def guardian(mando: MandoGuardado) -> Desenlace:
        suyos.append(mando.action)
        return Desenlace(exito=True)

    recepcion = Recepcion(guardian, mesa)
    await recepcion.atender(un_mando("guardian.close"))
    await recepcion.atender(un_mando("risk.mode", mode="REDUCING", reason="x"))

    assert suyos == ["guardian.close"]
    assert banco.control.modo is ModoRiesgo.REDUCING
