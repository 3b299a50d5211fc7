import asyncio
from pathlib import Path

import numpy as np
import pytest

from src.datos.mercados import mercado_por_defecto
from src.datos.velas import escribir_velas
from src.entrenamiento.datos import Fuente, obtener
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from tests.datos.bolsa_falsa import BolsaFalsa
from tests.entrenamiento.fabrica_agente import una_configuracion, una_tabla

HORA_MS = 3_600_000
DIA_46 = "2022-02-15"  # candle 1,080 of the table


def test_el_mercado_sintetico_depende_de_la_semilla():
    fuente = Fuente(velas_sinteticas=50)

    uno, otro = (obtener(fuente, una_configuracion(SACmodel__seed=s), None, None) for s in (1, 2))

    assert len(uno.tabla) == 50
    assert uno.tabla.huella() != otro.tabla.huella()
    assert uno.fuente == "synthetic"


def test_un_fichero_da_el_mercado_por_defecto_con_la_comision_configurada(tmp_path):
    escribir_velas(una_tabla(), tmp_path / "velas.parquet")
    configuracion = una_configuracion(portafolio__comision=0.0004, portafolio__tasa_funding=0.0003)

    material = obtener(Fuente(fichero=tmp_path / "velas.parquet"), configuracion, None, None)

    assert material.tabla.huella() == una_tabla().huella()
    assert material.mercado.comision_taker == 0.0004
    assert material.mercado.filtros == mercado_por_defecto("BTCUSDT", una_tabla()).filtros
    assert material.tasas_funding == 0.0003
    assert not material.funding_registrado


def test_un_fichero_que_falta_se_nombra():
    with pytest.raises(DatosInvalidos, match=r"nada\.csv"):
        obtener(Fuente(fichero=Path("nada.csv")), una_configuracion(), None, None)


def test_dos_origenes_a_la_vez_se_rechazan():
    with pytest.raises(ConfiguracionInvalida, match="not from both"):
        Fuente(fichero=Path("velas.csv"), velas_sinteticas=10)


async def test_una_descarga_trae_el_calentamiento_el_funding_y_el_mercado_de_la_bolsa(tmp_path):
    """The asked span is days 46 to 47; the open candle and those before the warm-up stay away."""
    tabla = una_tabla()
    bolsa = BolsaFalsa(tabla, "1h", ahora_ms=int(tabla.apertura_ms[-1]) + HORA_MS // 2)
    liquidacion = int(tabla.apertura_ms[1_088])
    bolsa.tasas = [{"fundingTime": liquidacion + 3, "fundingRate": "0.00025", "markPrice": "30000"}]
    configuracion = una_configuracion(portafolio__comision=0.0004)

    async with bolsa.servir() as url:
        material = await asyncio.to_thread(
            obtener, Fuente(url=url, cache=tmp_path), configuracion, DIA_46, "2022-02-16"
        )

    assert np.array_equal(material.tabla.apertura_ms, tabla.apertura_ms[1_080 - 1_004 : 1_080 + 48])
    assert material.tasas_funding == {liquidacion: 0.00025}
    assert material.funding_registrado
    assert material.mercado.comision_taker == 0.0004
    assert material.mercado.comision_liquidacion == 0.0125


async def test_una_descarga_sin_final_acaba_en_la_ultima_vela_cerrada():
    tabla = una_tabla()
    bolsa = BolsaFalsa(tabla, "1h", ahora_ms=int(tabla.apertura_ms[-1]) + HORA_MS // 2)

    async with bolsa.servir() as url:
        material = await asyncio.to_thread(
            obtener, Fuente(url=url, cache=None), una_configuracion(), DIA_46, None
        )

    assert int(material.tabla.apertura_ms[-1]) == int(tabla.apertura_ms[-2])
    assert material.tasas_funding == 0.0001


def test_una_descarga_necesita_un_comienzo():
    with pytest.raises(ConfiguracionInvalida, match="give --train-start-date"):
        obtener(Fuente(), una_configuracion(), None, None)
