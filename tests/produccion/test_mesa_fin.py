"""A person's wish that the daemon ends, and what a restart makes of one that was cut short."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from src.nucleo.errores import SolicitudInvalida
from src.produccion.config.config import PoliticaSalida
from src.produccion.mesa_fin import MesaFin
from tests.produccion.banco import AGENTE, Banco, arrancar, montar
from tests.produccion.test_mesa_riesgo import un_mando

AHORA_MS = 1_728_000_000_000


class Mesa:
    def __init__(self, banco: Banco) -> None:
        self.banco = banco
        self.parado = 0
        self.mesa = MesaFin(
            banco.ciclo, self._parar, PoliticaSalida.MANTENER, banco.bolsa.reloj, lambda: AHORA_MS
        )

    def _parar(self) -> None:
        self.parado += 1


@pytest.fixture
async def mesa(tmp_path: Path) -> AsyncIterator[Mesa]:
    suya = Mesa(await montar(tmp_path / "p", 0.5))
    yield suya
    suya.banco.registro.cerrar()


async def test_se_escribe_quien_lo_pide_y_luego_se_acaba(mesa: Mesa):
    desenlace = await mesa.mesa.atender(un_mando("daemon.stop", reason="maintenance"))

    dicho = mesa.banco.diario.ultimo("STOP_REQUESTED")
    assert (dicho["by"], dicho["reason"], dicho["command"]) == ("ana", "maintenance", "id")
    assert mesa.parado == 0
    desenlace.acabar()
    assert mesa.parado == 1
    campos = desenlace.como_json()
    assert (campos["success"], campos["on_exit"], campos["account_id"]) == (True, "keep", "sim-1")
    assert campos["message"] == (
        "the daemon ends after its step; on exit keep: an open position stays as it is"
    )


async def test_lo_que_ya_nadie_espera_no_para_a_nadie(mesa: Mesa):
    with pytest.raises(SolicitudInvalida, match="nobody waits"):
        await mesa.mesa.atender(un_mando("daemon.stop")._replace(vence_ms=AHORA_MS - 1))

    assert (mesa.parado, "STOP_REQUESTED" in mesa.banco.diario.tipos()) == (0, False)


async def test_un_diario_roto_no_impide_parar(mesa: Mesa):
    mesa.banco.diario.roto = True

    (await mesa.mesa.atender(un_mando("daemon.stop"))).acabar()

    assert mesa.parado == 1


async def test_quien_muere_antes_de_acabar_lo_recuerda_y_quien_acabo_no(mesa: Mesa):
    await mesa.mesa.atender(un_mando("daemon.stop"))
    cortada = await mesa.banco.volver()
    cortada.registro.cerrar()
    otra_vez = await arrancar(mesa.banco.mundo)
    otra_vez.diario.anotar_luego(f"agent:{AGENTE}", "SESSION_ENDED", 0, {"reason": "stopped by a person"})
    nueva = await otra_vez.volver()
    nueva.registro.cerrar()

    assert (cortada.recuerdo.detenida_por, otra_vez.recuerdo.detenida_por) == ("ana", "ana")
    assert nueva.recuerdo.detenida_por is None
