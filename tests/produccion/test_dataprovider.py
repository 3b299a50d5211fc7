"""The window stays contiguous, whatever the stream does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.nucleo.errores import DatosInvalidos, LecturaFallida
from src.nucleo.indicadores import Indicadores, ParametrosIndicadores
from src.nucleo.observacion import Rasgos
from src.nucleo.tipos import Vela
from src.produccion.dataprovider import DataProvider, RangoRasgos
from tests.constructores import HORA_MS, una_vela, unas_velas
from tests.produccion.banco import N_CALENTAMIENTO, VENTANA, un_proveedor
from tests.produccion.falsos import BolsaFalsa

TODAS = unas_velas(N_CALENTAMIENTO + 1_200, semilla=5)


async def calentado(n: int = N_CALENTAMIENTO, **cambios: Any) -> tuple[DataProvider, BolsaFalsa]:
    """Warmed up on the first candles; the exchange lists all that have closed."""
    bolsa = BolsaFalsa(historia=list(TODAS))
    bolsa.reloj.instante_ms = TODAS[n - 1].apertura_ms + HORA_MS
    datos = un_proveedor(bolsa, **cambios)
    await datos.calentar()
    return datos, bolsa


def hasta(bolsa: BolsaFalsa, indice: int) -> Vela:
    """Let the market reach the close of a candle, and return it."""
    bolsa.reloj.instante_ms = TODAS[indice].apertura_ms + HORA_MS
    return TODAS[indice]


def esperada(velas: list[Vela]) -> np.ndarray:
    """Features of the last candles, computed in one go."""
    indicadores = Indicadores(ParametrosIndicadores(), Rasgos.SEMILLA)
    return np.array([indicadores.actualizar(vela) for vela in velas])[-VENTANA:].astype(np.float32)


async def test_calienta_con_las_ultimas_velas_cerradas():
    datos, _ = await calentado()

    assert datos.ultima == TODAS[N_CALENTAMIENTO - 1]
    assert datos.esperada_ms == TODAS[N_CALENTAMIENTO].apertura_ms
    assert datos.ventana().shape == (VENTANA, 16)
    np.testing.assert_array_equal(datos.ventana(), esperada(TODAS[:N_CALENTAMIENTO]))


async def test_una_historia_corta_se_dice_con_el_remedio():
    bolsa = BolsaFalsa(historia=TODAS[: N_CALENTAMIENTO - 1])
    bolsa.reloj.instante_ms = TODAS[-1].apertura_ms

    with pytest.raises(
        DatosInvalidos, match=rf"{N_CALENTAMIENTO - 1} closed candles.*needs {N_CALENTAMIENTO}"
    ):
        await un_proveedor(bolsa).calentar()


def test_sin_calentar_no_hay_ventana():
    with pytest.raises(DatosInvalidos, match="warm up first"):
        _ = un_proveedor(BolsaFalsa()).ultima


async def test_una_vela_nueva_entra():
    datos, bolsa = await calentado()

    assert await datos.actualizar(hasta(bolsa, N_CALENTAMIENTO))
    np.testing.assert_array_equal(datos.ventana(), esperada(TODAS[: N_CALENTAMIENTO + 1]))


@pytest.mark.parametrize("retraso", [0, 1, 5])
async def test_una_vela_repetida_o_atrasada_se_ignora(retraso: int):
    datos, _ = await calentado()
    antes = datos.ventana().copy()

    assert not await datos.actualizar(TODAS[N_CALENTAMIENTO - 1 - retraso])
    np.testing.assert_array_equal(datos.ventana(), antes)


async def test_un_hueco_se_lee_antes_de_actuar(bitacora: list[dict[str, Any]]):
    datos, bolsa = await calentado()

    assert await datos.actualizar(hasta(bolsa, N_CALENTAMIENTO + 7))
    np.testing.assert_array_equal(datos.ventana(), esperada(TODAS[: N_CALENTAMIENTO + 8]))
    assert [e["velas"] for e in bitacora if e["event"] == "hueco_leido"] == [7]


async def test_un_hueco_que_no_se_puede_leer_deja_la_ventana_como_estaba():
    datos, bolsa = await calentado()
    antes = datos.ventana().copy()
    bolsa.velas_fallidas = 1

    with pytest.raises(LecturaFallida):
        await datos.actualizar(hasta(bolsa, N_CALENTAMIENTO + 3))
    np.testing.assert_array_equal(datos.ventana(), antes)
    assert datos.esperada_ms == TODAS[N_CALENTAMIENTO].apertura_ms


@pytest.mark.parametrize("faltan", [{0}, {1}, {3}, {0, 1, 2, 3}, {1, 2}])
async def test_las_velas_que_la_bolsa_no_tiene_son_planas(faltan: set[int], bitacora: list[dict[str, Any]]):
    datos, bolsa = await calentado()
    n = N_CALENTAMIENTO
    bolsa.historia = [v for i, v in enumerate(TODAS) if i - n not in faltan]
    rellenas = list(TODAS[:n])
    for i in range(n, n + 5):
        cierre = rellenas[-1].close
        plana = Vela(TODAS[i].apertura_ms, cierre, cierre, cierre, cierre, 0.0)
        rellenas.append(plana if i - n in faltan else TODAS[i])

    assert await datos.actualizar(hasta(bolsa, n + 4))
    np.testing.assert_array_equal(datos.ventana(), esperada(rellenas))
    assert sum(e["faltan"] for e in bitacora if e["event"] == "velas_inexistentes") == len(faltan)


async def test_un_hueco_que_la_bolsa_aun_no_lista_no_se_inventa():
    """The exchange's list lags behind its stream: what is not listed yet may still come."""
    datos, bolsa = await calentado()
    n = N_CALENTAMIENTO
    llegada = hasta(bolsa, n + 2)
    bolsa.historia = list(TODAS[: n + 1])

    with pytest.raises(LecturaFallida, match="does not list"):
        await datos.actualizar(llegada)
    assert datos.tomadas == (TODAS[n],)

    bolsa.historia = list(TODAS)
    assert await datos.actualizar(llegada)
    assert datos.tomadas == (TODAS[n + 1], TODAS[n + 2])
    np.testing.assert_array_equal(datos.ventana(), esperada(TODAS[: n + 3]))


async def test_se_dice_que_velas_se_tomaron():
    datos, bolsa = await calentado()
    n = N_CALENTAMIENTO

    await datos.actualizar(hasta(bolsa, n))
    assert datos.tomadas == (TODAS[n],)
    await datos.actualizar(TODAS[n])
    assert datos.tomadas == ()
    await datos.actualizar(hasta(bolsa, n + 3))
    assert datos.tomadas == tuple(TODAS[n + 1 : n + 4])
    hasta(bolsa, n + 5)
    await datos.ponerse_al_dia()
    assert datos.tomadas == tuple(TODAS[n + 4 : n + 6])


async def test_una_vela_que_vuelve_distinta_se_dice_y_no_cambia_nada(bitacora: list[dict[str, Any]]):
    datos, bolsa = await calentado()
    n = N_CALENTAMIENTO
    antes = datos.ventana().copy()

    assert not await datos.actualizar(TODAS[n - 1]._replace(volume=1.0))
    bolsa.historia[n - 1] = TODAS[n - 1]._replace(close=1.0)
    await datos.ponerse_al_dia()

    assert [e["tomada"] for e in bitacora if e["event"] == "vela_contradicha"] == [TODAS[n - 1]] * 2
    np.testing.assert_array_equal(datos.ventana(), antes)


async def test_la_vela_del_flujo_vale_mas_que_la_listada(bitacora: list[dict[str, Any]]):
    datos, bolsa = await calentado()
    n = N_CALENTAMIENTO
    llegada = hasta(bolsa, n + 1)
    bolsa.historia[n + 1] = llegada._replace(volume=1.0)

    assert await datos.actualizar(llegada)
    assert datos.ultima == llegada
    assert [e["otra"] for e in bitacora if e["event"] == "vela_contradicha"] == [bolsa.historia[n + 1]]


async def test_una_lista_desordenada_y_repetida_se_ordena():
    datos, bolsa = await calentado()
    n = N_CALENTAMIENTO
    bolsa.historia = [TODAS[n + 2], TODAS[n], TODAS[n + 1], TODAS[n], TODAS[n + 3]]

    await datos.actualizar(hasta(bolsa, n + 3))
    np.testing.assert_array_equal(datos.ventana(), esperada(TODAS[: n + 4]))


async def test_una_vela_fuera_de_la_rejilla_no_entra():
    datos, bolsa = await calentado()
    antes = datos.ventana().copy()
    vela = hasta(bolsa, N_CALENTAMIENTO)

    with pytest.raises(LecturaFallida, match="cannot open at"):
        await datos.actualizar(vela._replace(apertura_ms=vela.apertura_ms + 1))
    np.testing.assert_array_equal(datos.ventana(), antes)


@cache
def preparado() -> DataProvider:
    return asyncio.run(calentado())[0]


@settings(max_examples=40, deadline=None)
@given(llegadas=st.lists(st.integers(-3, 12), max_size=15), fallos=st.sets(st.integers(0, 14), max_size=4))
def test_lleguen_como_lleguen_las_velas_son_las_que_hubo(llegadas: list[int], fallos: set[int]):
    """Late, twice, missing or in any order, with reads that fail: never a hole, never the same one twice."""
    datos = deepcopy(preparado())
    bolsa: Any = datos._bolsa
    n, tomadas = N_CALENTAMIENTO, []
    cerrada = n - 1
    for vez, salto in enumerate(llegadas):
        cerrada = max(cerrada, n + salto)
        hasta(bolsa, cerrada)
        bolsa.velas_fallidas = int(vez in fallos)
        with suppress(LecturaFallida):
            asyncio.run(datos.actualizar(TODAS[n + salto]))
        tomadas += datos.tomadas
        assert tomadas == list(TODAS[n : n + len(tomadas)])
    np.testing.assert_array_equal(datos.ventana(), esperada(TODAS[: n + len(tomadas)]))


async def test_ponerse_al_dia_lee_todo_lo_cerrado():
    datos, bolsa = await calentado()
    hasta(bolsa, N_CALENTAMIENTO + 9)

    assert await datos.ponerse_al_dia() == 10
    assert await datos.ponerse_al_dia() == 0
    np.testing.assert_array_equal(datos.ventana(), esperada(TODAS[: N_CALENTAMIENTO + 10]))


async def test_la_ventana_sigue_cuando_se_acaba_su_memoria():
    """More candles than the buffer holds: the window moves to its beginning."""
    datos, bolsa = await calentado()

    for indice in range(N_CALENTAMIENTO, len(TODAS)):
        await datos.actualizar(hasta(bolsa, indice))
        assert datos.ventana().shape == (VENTANA, 16)
    np.testing.assert_array_equal(datos.ventana(), esperada(TODAS))


@pytest.mark.parametrize("malo", [float("nan"), float("inf")])
async def test_un_nan_no_entra_en_la_ventana(malo: float):
    datos, bolsa = await calentado()
    vela = hasta(bolsa, N_CALENTAMIENTO)

    with pytest.raises(DatosInvalidos, match="NaN or infinite"):
        await datos.actualizar(vela._replace(close=malo))


async def test_se_dice_que_parte_de_la_ventana_no_se_vio_en_el_entrenamiento():
    n = 16
    alto = np.full(n, np.inf)
    alto[3] = 0.0  # every close is beyond it
    datos, _ = await calentado(rango=RangoRasgos(np.full(n, -np.inf), alto))

    assert datos.fraccion_fuera == pytest.approx(1 / n)


async def test_la_vela_que_se_mira_es_la_del_cierre():
    datos, bolsa = await calentado()
    vela = una_vela(31_234.5, apertura_ms=datos.esperada_ms)
    bolsa.reloj.instante_ms = datos.esperada_ms + HORA_MS

    await datos.actualizar(vela)

    assert datos.ultima == vela
    assert datos.ventana()[-1, 3] == np.float32(31_234.5)


async def test_se_guardan_tantas_velas_recientes_como_se_piden():
    datos, bolsa = await calentado(recientes=VENTANA + 3)
    assert datos.recientes == tuple(TODAS[N_CALENTAMIENTO - VENTANA - 3 : N_CALENTAMIENTO])

    await datos.actualizar(hasta(bolsa, N_CALENTAMIENTO))

    assert datos.recientes == tuple(TODAS[N_CALENTAMIENTO - VENTANA - 2 : N_CALENTAMIENTO + 1])


async def test_nunca_se_guardan_menos_que_la_ventana():
    datos, _ = await calentado(recientes=1)

    assert len(datos.recientes) == VENTANA


async def test_se_sabe_cuando_cierra_la_vela_que_se_forma():
    datos, bolsa = await calentado()
    assert datos.siguiente_cierre_ms == TODAS[N_CALENTAMIENTO].apertura_ms + HORA_MS

    await datos.actualizar(hasta(bolsa, N_CALENTAMIENTO))

    assert datos.siguiente_cierre_ms == TODAS[N_CALENTAMIENTO].apertura_ms + 2 * HORA_MS
