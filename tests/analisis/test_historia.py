"""Joining sessions: trading results stay, what moved while the agent was down does not count as one."""

from __future__ import annotations

import numpy as np
import pytest

from src.analisis.historia import unir
from src.analisis.lectura import leer_sesiones
from src.nucleo.errores import DatosInvalidos
from src.nucleo.metricas import rendimiento_total, rendimientos
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Posicion
from tests.analisis.fabrica import DESLIZ, Agente, una_sesion
from tests.constructores import HORA_MS, INICIO_MS


@pytest.fixture
def juntar(tmp_path):
    """Write agents as files and join them."""

    def _juntar(*agentes: Agente):
        rutas = [agente.escribir(tmp_path / f"registro_{i}.csv") for i, agente in enumerate(agentes)]
        return unir([sesion for ruta in rutas for sesion in leer_sesiones(ruta)])

    return _juntar


def despues_de(
    agente: Agente, velas: int = 0, *, saldo: float | None = None, posicion: Posicion | None = None
):
    """A new session of the same account after so many candles without one."""
    return Agente(
        agente.cuenta.saldo if saldo is None else saldo,
        inicio_ms=agente.ahora_ms + velas * HORA_MS,
        posicion=posicion,
    )


def test_el_funding_se_deduce_del_balance(juntar):
    historia = juntar(una_sesion())
    esperado = np.zeros(10)
    esperado[3] = -0.3 * 30_600.0 * 0.0001
    esperado[7] = +0.1 * 31_100.0 * 0.0001
    assert historia.funding == pytest.approx(esperado, abs=1e-9)
    assert not historia.no_atribuido.any()


def test_la_curva_empieza_antes_de_la_primera_operacion(juntar):
    historia = juntar(Agente().vela(30_000.0, 0.2, accion=0.5).vela(30_100.0))
    curva = historia.curva()
    assert curva.equity[0] == pytest.approx(10_000.0)
    costo = 0.2 * DESLIZ + 0.2 * (30_000.0 + DESLIZ) * 0.0005
    assert curva.equity[1] == pytest.approx(10_000.0 + 0.2 * 100.0 - costo)
    assert curva.exposicion[0] == pytest.approx(0.2 * 30_000.0 / (10_000.0 - costo))


def test_lo_que_pasa_despues_de_la_ultima_vela_cuenta(juntar):
    agente = Agente().vela(100.0, 10.0, accion=0.5).entre_velas(80.0, -10.0, StatusFila.LIQUIDACION)
    curva = juntar(agente).curva()
    assert len(curva.equity) == 2
    assert curva.equity[-1] == agente.filas[-1]["equity"]


def test_una_sesion_partida_en_dos_da_la_misma_curva(juntar):
    """A daemon that was restarted between two candles, flat or with its position, changes nothing."""
    entera = juntar(una_sesion()).curva()
    for corte in range(1, 10):
        agente = una_sesion()
        primera, segunda = Agente(), Agente()
        primera.filas, segunda.filas = agente.filas[:corte], agente.filas[corte:]
        historia = juntar(primera, segunda)
        assert historia.balance_no_atribuido == 0.0
        assert historia.curva().equity == pytest.approx(entera.equity, rel=1e-12)
        assert historia.curva().exposicion == pytest.approx(entera.exposicion)


def test_lo_que_se_movio_en_una_pausa_no_se_toma_por_funding(juntar):
    primera = Agente().vela(100.0, 10.0, accion=0.5)
    saldo = primera.cuenta.saldo - 0.1
    segunda = despues_de(primera, 3, saldo=saldo, posicion=primera.cuenta.posicion).vela(100.0).vela(100.0)
    historia = juntar(primera, segunda)
    assert historia.funding.sum() == 0.0
    assert historia.balance_no_atribuido == pytest.approx(-0.1)


def test_un_deposito_mientras_estaba_parado_no_es_ganancia(juntar):
    primera = Agente().vela(100.0).vela(100.0)
    segunda = despues_de(primera, 5, saldo=15_000.0).vela(100.0).vela(100.0, 10.0, accion=0.5).vela(110.0)
    historia = juntar(segunda, primera)
    assert historia.balance_no_atribuido == pytest.approx(5_000.0)
    curva = historia.curva()
    assert rendimiento_total(curva.equity) == pytest.approx(segunda.filas[-1]["equity"] / 15_000.0 - 1.0)
    assert historia.huecos[0].velas == 5
    assert historia.huecos[0].entre_sesiones
    assert historia.huecos[0].cambio_balance == pytest.approx(5_000.0)


def test_una_posicion_que_siguio_igual_siguio_ganando(juntar):
    primera = Agente().vela(100.0, 10.0, accion=0.5)
    segunda = despues_de(primera, 3, posicion=primera.cuenta.posicion).vela(120.0)
    historia = juntar(primera, segunda)
    assert historia.balance_no_atribuido == 0.0
    assert historia.curva().equity[-1] == pytest.approx(segunda.filas[-1]["equity"])


def test_una_posicion_cerrada_en_la_ausencia_queda_sin_atribuir(juntar):
    """Nothing tells at what price it went; neither the loss nor its mark counts as trading."""
    primera = Agente().vela(100.0, 10.0, accion=0.5).vela(110.0)
    segunda = despues_de(primera, 3, saldo=9_900.0).vela(90.0).vela(90.0)
    historia = juntar(primera, segunda)
    curva = historia.curva()
    assert rendimientos(curva.equity)[1:] == pytest.approx([0.0, 0.0])
    assert historia.balance_no_atribuido == pytest.approx(9_900.0 - primera.cuenta.saldo)


def test_un_deposito_sin_posicion_se_reconoce_dentro_de_una_sesion(juntar):
    historia = juntar(Agente().vela(100.0).depositar(500.0).vela(100.0).vela(100.0))
    assert historia.funding.sum() == 0.0
    assert historia.balance_no_atribuido == pytest.approx(500.0)
    assert rendimiento_total(historia.curva().equity) == 0.0


def test_un_deposito_demasiado_grande_no_pasa_por_funding(juntar):
    historia = juntar(Agente().vela(100.0, 10.0, accion=0.5).depositar(500.0).vela(100.0))
    assert historia.funding.sum() == 0.0
    assert historia.balance_no_atribuido == pytest.approx(500.0)


def test_la_misma_sesion_dos_veces_se_rechaza(juntar):
    with pytest.raises(DatosInvalidos, match=r"registro_0\.csv and registro_1\.csv overlap in time"):
        juntar(una_sesion(), una_sesion())


def test_las_velas_que_faltan_dentro_de_una_sesion_son_un_hueco(juntar):
    historia = juntar(Agente().vela(100.0).vela(101.0).parar(2).vela(102.0).vela(103.0))
    (hueco,) = historia.huecos
    assert (hueco.velas, hueco.entre_sesiones) == (2, False)
    assert hueco.desde_ms == INICIO_MS + 2 * HORA_MS


def test_el_intervalo_se_reconoce(juntar):
    historia = juntar(una_sesion())
    assert historia.intervalo == "1h"
    assert historia.velas_ano == pytest.approx(8_766.0)


def test_con_una_sola_vela_no_hay_intervalo(juntar):
    historia = juntar(Agente().vela(100.0))
    assert (historia.intervalo, historia.velas_ano, historia.huecos) == (None, 0.0, ())


def test_el_nocional_es_el_de_cada_ejecucion(juntar):
    historia = juntar(Agente().vela(100.0).vela(100.0, 2.0, accion=0.5).vela(110.0, -2.0, accion=-0.5))
    assert historia.nocional() == pytest.approx([0.0, 200.0, 220.0])
