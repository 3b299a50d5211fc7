"""Operations from flat to flat, with their costs."""

from __future__ import annotations

import pytest

from src.analisis.historia import unir
from src.analisis.lectura import leer_sesiones
from src.analisis.operaciones import Salida, listar_operaciones
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Posicion
from tests.analisis.fabrica import Agente, una_sesion
from tests.constructores import HORA_MS, INICIO_MS


@pytest.fixture
def listar(tmp_path):
    def _listar(*agentes: Agente):
        rutas = [agente.escribir(tmp_path / f"registro_{i}.csv") for i, agente in enumerate(agentes)]
        return listar_operaciones(unir([sesion for ruta in rutas for sesion in leer_sesiones(ruta)]))

    return _listar


def test_una_operacion_va_de_plano_a_plano(listar):
    larga, corta = listar(una_sesion())
    assert (larga.larga, larga.cantidad, larga.velas, larga.salida) == (True, 0.3, 4, Salida.AGENTE)
    assert larga.entrada_ms == INICIO_MS + 2 * HORA_MS
    assert larga.salida_ms == INICIO_MS + 6 * HORA_MS
    assert larga.precio_inicial == 30_002.0
    assert larga.precio_final == 30_998.0
    assert larga.precio_salida == pytest.approx((0.1 * 30_898 + 0.2 * 30_998) / 0.3)
    assert larga.precio_entrada == pytest.approx((0.2 * 30_002 + 0.1 * 30_302) / 0.3)
    entrada = (0.2 * 30_002 + 0.1 * 30_302) / 0.3
    assert larga.pnl == pytest.approx(0.1 * (30_898 - entrada) + 0.2 * (30_998 - entrada))
    assert not corta.larga


def test_los_netos_suman_el_cambio_del_balance(listar):
    agente = una_sesion()
    assert sum(operacion.neto for operacion in listar(agente)) == pytest.approx(
        agente.cuenta.saldo - 10_000.0
    )


@pytest.mark.parametrize("signo", [1.0, -1.0])
def test_los_precios_medios_explican_el_neto(listar, signo):
    """Also when it grows again after a reduction."""
    agente = Agente().vela(30_000.0)
    for precio, cantidad in ((30_000, 0.1), (29_000, 0.2), (31_000, -0.2), (30_500, 0.3), (30_700, -0.4)):
        agente.vela(precio, signo * cantidad, accion=signo * 0.3, funding=0.0001)
    (operacion,) = listar(agente)
    assert operacion.cantidad == 0.6
    bruto = signo * operacion.cantidad * (operacion.precio_salida - operacion.precio_entrada)
    assert operacion.neto == pytest.approx(bruto - operacion.comision + operacion.funding, abs=1e-6)
    assert operacion.neto == pytest.approx(agente.cuenta.saldo - 10_000.0)


def test_una_posicion_hallada_que_crece_se_promedia(listar):
    agente = Agente(posicion=Posicion(1.0, 95.0)).vela(100.0).vela(103.0, 1.0, accion=0.5)
    (operacion,) = listar(agente.vela(110.0, -2.0, accion=-0.5))
    assert (operacion.cantidad, operacion.precio_entrada) == (2.0, 100.0)


def test_una_operacion_abierta_no_tiene_resultado(listar):
    (abierta,) = listar(Agente().vela(100.0, 1.0, accion=0.5).vela(120.0))
    assert (abierta.salida, abierta.neto, abierta.salida_ms) == (Salida.ABIERTA, None, None)


@pytest.mark.parametrize(
    ("status", "salida"),
    [
        (StatusFila.PROTECCION, Salida.PROTECCION),
        (StatusFila.LIQUIDACION, Salida.LIQUIDACION),
        (StatusFila.MANUAL, Salida.MANUAL),
        (StatusFila.EMERGENCIA, Salida.EMERGENCIA),
    ],
)
def test_la_salida_dice_quien_cerro(listar, status, salida):
    (operacion,) = listar(Agente().vela(100.0, 1.0, accion=0.5).entre_velas(90.0, -1.0, status).vela(90.0))
    assert operacion.salida is salida
    assert operacion.precio_salida == 90.0


def test_una_posicion_hallada_al_empezar_no_tiene_entrada(listar):
    agente = Agente(posicion=Posicion(1.0, 95.0)).vela(100.0).vela(100.0, -1.0, accion=-0.5)
    (hallada,) = listar(agente)
    assert hallada.entrada_ms is None
    assert hallada.precio_entrada == 95.0
    assert hallada.neto == pytest.approx(agente.cuenta.saldo - 10_000.0)


def test_una_posicion_hallada_y_cerrada_en_la_primera_vela_se_cuenta(listar):
    (hallada,) = listar(Agente(posicion=Posicion(-1.0, 105.0)).vela(100.0, 1.0, accion=0.5).vela(100.0))
    assert (hallada.larga, hallada.precio_entrada, hallada.salida) == (False, 105.0, Salida.AGENTE)


def test_una_operacion_sigue_a_traves_de_un_reinicio(listar):
    primera = Agente().vela(100.0, 1.0, accion=0.5).vela(101.0)
    segunda = Agente(primera.cuenta.saldo, inicio_ms=primera.ahora_ms, posicion=primera.cuenta.posicion)
    segunda.vela(102.0).vela(103.0, -1.0, accion=-0.5)
    (operacion,) = listar(primera, segunda)
    assert operacion.neto == pytest.approx(segunda.cuenta.saldo - 10_000.0)


def test_una_operacion_que_termino_en_la_ausencia_no_tiene_resultado(listar):
    primera = Agente().vela(100.0, 1.0, accion=0.5)
    segunda = Agente(9_000.0, inicio_ms=primera.ahora_ms + HORA_MS).vela(90.0).vela(90.0)
    (operacion,) = listar(primera, segunda)
    assert (operacion.salida, operacion.neto) == (Salida.DESCONOCIDA, None)
