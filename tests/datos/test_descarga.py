"""The downloader against a small exchange over HTTP."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from decimal import Decimal

import numpy as np
import pytest
from aiohttp import web

from src.datos.descarga import descargar_funding, descargar_mercado, descargar_velas
from src.datos.fuente_binance import FuenteBinance
from src.datos.ritmo import Ritmo
from src.datos.sintetico import generar
from src.datos.velas import Hueco, TablaVelas
from src.nucleo.errores import (
    BolsaIncompatible,
    ConfiguracionInvalida,
    CredencialesInvalidas,
    DatosInvalidos,
    LecturaFallida,
    OrdenRechazada,
)
from src.nucleo.intervalos import DIA_MS, HORA_MS, MINUTO_MS
from tests.datos.bolsa_falsa import BolsaFalsa, RelojFalso, error

INICIO = 1_704_067_200_000  # 2024-01-01


def una_bolsa(velas: int = 100, intervalo: str = "1h", abiertas: int = 0, **cambios) -> BolsaFalsa:
    tabla = generar("BTCUSDT", intervalo, velas, 7, INICIO)
    fin = int(tabla.apertura_ms[-1]) + HORA_MS
    return BolsaFalsa(tabla, intervalo, cambios.get("ahora_ms", fin - abiertas * HORA_MS))


@asynccontextmanager
async def abrir(bolsa: BolsaFalsa, reloj: RelojFalso | None = None, **claves):
    reloj = reloj or RelojFalso()
    ritmo = Ritmo(claves.pop("limite", 2_400), dormir=reloj.dormir, ahora_s=reloj.ahora_s)
    claves = {"efimera": False} | claves
    async with bolsa.servir() as url, FuenteBinance(url, ritmo=ritmo, **claves) as fuente:
        yield fuente


async def bajar(fuente, desde=INICIO, hasta=INICIO + 10_000 * DIA_MS, cache=None, intervalo="1h", **mas):
    return await descargar_velas(fuente, "BTCUSDT", intervalo, desde, hasta, cache=cache, **mas)


def esperada(velas: int, intervalo: str = "1h") -> TablaVelas:
    return generar("BTCUSDT", intervalo, velas, 7, INICIO)


async def test_baja_todas_las_velas_en_varias_paginas():
    async with abrir(una_bolsa(3_400)) as fuente:
        descarga = await bajar(fuente)
    assert descarga.tabla.huella() == esperada(3_400).huella()
    assert descarga.huecos == []


async def test_la_vela_abierta_no_entra():
    bolsa = una_bolsa(100)
    bolsa.ahora_ms -= HORA_MS // 2
    async with abrir(bolsa) as fuente:
        descarga = await bajar(fuente)
    assert len(descarga.tabla) == 99


async def test_solo_entran_las_velas_del_rango():
    async with abrir(una_bolsa(100)) as fuente:
        descarga = await bajar(fuente, INICIO + 10 * HORA_MS, INICIO + 20 * HORA_MS)
    assert descarga.tabla.huella() == esperada(100)[10:20].huella()


async def test_una_descarga_interrumpida_sigue_donde_quedo(tmp_path):
    bolsa = una_bolsa(3_400)
    bolsa.corta_tras = 3
    async with abrir(bolsa) as fuente:
        with pytest.raises(LecturaFallida, match=r"5 tries.*kept"):
            await bajar(fuente, cache=tmp_path)
        bolsa.corta_tras = None
        bolsa.peticiones.clear()
        descarga = await bajar(fuente, cache=tmp_path)
    assert descarga.tabla.huella() == esperada(3_400).huella()
    primera = next(consulta for ruta, consulta in bolsa.peticiones if ruta == "klines")
    assert int(primera["startTime"]) > INICIO + 2_000 * HORA_MS
    assert list(tmp_path.rglob(".*")) == []


async def test_lo_ya_bajado_no_se_pide_otra_vez(tmp_path):
    bolsa = una_bolsa(2_000)
    async with abrir(bolsa) as fuente:
        await bajar(fuente, cache=tmp_path)
        bolsa.peticiones.clear()
        descarga = await bajar(fuente, cache=tmp_path)
    assert bolsa.veces("klines") == 0
    assert descarga.tabla.huella() == esperada(2_000).huella()


async def test_los_anos_sin_mercado_no_cuestan_peticiones_ni_archivos(tmp_path):
    bolsa = una_bolsa(100)
    async with abrir(bolsa) as fuente:
        descarga = await bajar(fuente, 0, cache=tmp_path)
    assert descarga.tabla.huella() == esperada(100).huella()
    assert bolsa.veces("klines") == 3
    assert [ruta.stem for ruta in tmp_path.rglob("*.parquet")] == ["2024-01"]


async def test_unos_meses_sin_velas_en_medio_son_un_hueco(tmp_path):
    bolsa = una_bolsa(24 * 200)
    del bolsa.filas[24 * 20 : 24 * 150]
    async with abrir(bolsa) as fuente:
        for _ in range(2):
            descarga = await bajar(fuente, cache=tmp_path)
            assert [hueco.faltan for hueco in descarga.huecos] == [24 * 130]
            assert len(descarga.tabla) == 24 * 70


async def test_de_un_simulador_no_se_guarda_nada(tmp_path):
    """The next simulator at the same address may replay another market."""
    bolsa = una_bolsa(50)
    async with abrir(bolsa, efimera=None) as fuente:
        await bajar(fuente, cache=tmp_path)
        await bajar(fuente, cache=tmp_path)
    assert bolsa.veces("klines") == 2
    assert list(tmp_path.iterdir()) == []


async def test_un_rango_mayor_completa_el_archivo_por_ambos_lados(tmp_path):
    async with abrir(una_bolsa(700)) as fuente:
        await bajar(fuente, INICIO + 300 * HORA_MS, INICIO + 400 * HORA_MS, cache=tmp_path)
        descarga = await bajar(fuente, cache=tmp_path)
    assert descarga.tabla.huella() == esperada(700).huella()


async def test_un_rango_separado_del_guardado_no_deja_un_hueco(tmp_path):
    async with abrir(una_bolsa(700)) as fuente:
        await bajar(fuente, INICIO, INICIO + 50 * HORA_MS, cache=tmp_path)
        await bajar(fuente, INICIO + 400 * HORA_MS, INICIO + 450 * HORA_MS, cache=tmp_path)
        descarga = await bajar(fuente, cache=tmp_path)
    assert descarga.tabla.huella() == esperada(700).huella()


async def test_una_vela_que_llega_tarde_se_pide_otra_vez(tmp_path):
    bolsa = una_bolsa(100)
    tardia = bolsa.filas.pop()
    async with abrir(bolsa) as fuente:
        assert len((await bajar(fuente, cache=tmp_path)).tabla) == 99
        bolsa.filas.append(tardia)
        assert len((await bajar(fuente, cache=tmp_path)).tabla) == 100


async def test_los_huecos_se_cuentan():
    bolsa = una_bolsa(100)
    del bolsa.filas[40:43]
    async with abrir(bolsa) as fuente:
        descarga = await bajar(fuente)
    assert len(descarga.tabla) == 97
    assert descarga.huecos == [Hueco(INICIO + 40 * HORA_MS, INICIO + 42 * HORA_MS, 3)]


async def test_un_hueco_viejo_no_se_pide_otra_vez(tmp_path):
    bolsa = una_bolsa(2_000)
    del bolsa.filas[100:103]
    async with abrir(bolsa) as fuente:
        await bajar(fuente, cache=tmp_path)
        bolsa.peticiones.clear()
        assert len((await bajar(fuente, cache=tmp_path)).tabla) == 1_997
    assert bolsa.veces("klines") == 0


@pytest.mark.parametrize("intervalo", ["1d", "3d", "1w", "1M"])
async def test_los_intervalos_largos_se_guardan_por_ano(tmp_path, intervalo):
    tabla = generar("BTCUSDT", intervalo, 30, 7, INICIO)
    bolsa = BolsaFalsa(tabla, intervalo, int(tabla.apertura_ms[-1]))
    async with abrir(bolsa) as fuente:
        descarga = await bajar(fuente, int(tabla.apertura_ms[0]), cache=tmp_path, intervalo=intervalo)
    assert descarga.tabla.huella() == tabla[:29].huella()
    assert all(len(ruta.stem) == 4 for ruta in tmp_path.rglob("*.parquet"))


async def test_minuto_y_mes_no_comparten_carpeta(tmp_path):
    tabla = generar("BTCUSDT", "1M", 3, 7, INICIO)
    async with abrir(BolsaFalsa(tabla, "1M", int(tabla.apertura_ms[-1]))) as fuente:
        await bajar(fuente, cache=tmp_path, intervalo="1M")
    assert [ruta.parent.name for ruta in tmp_path.rglob("*.parquet")] == ["1month"]


async def test_el_avance_llega_al_total():
    avances: list[tuple[int, int]] = []
    async with abrir(una_bolsa(3_400)) as fuente:
        await bajar(fuente, al_avanzar=lambda hechas, total: avances.append((hechas, total)))
    assert avances == sorted(avances)
    assert avances[-1] == (3_400, 3_400)


async def test_espera_antes_de_agotar_el_peso():
    """At 80 % of 100 weight a page of 10 must wait for the next minute instead of meeting a 429."""
    reloj = RelojFalso(ahora_s=15.0)
    bolsa = una_bolsa(3_000, intervalo="1m", ahora_ms=INICIO + 3_000 * MINUTO_MS)
    bolsa.peso = 75
    async with abrir(bolsa, reloj, limite=100) as fuente:
        await bajar(fuente, intervalo="1m")
    assert reloj.esperas[0] == 46.0


async def test_el_peso_de_otro_minuto_no_cuenta():
    reloj = RelojFalso(ahora_s=59.0)
    ritmo = Ritmo(100, dormir=reloj.dormir, ahora_s=reloj.ahora_s)
    ritmo.anotar({"X-MBX-USED-WEIGHT-1M": "80"})
    reloj.segundos = 61.0
    await ritmo.turno(10)
    assert reloj.esperas == []


async def test_las_peticiones_sin_respuesta_tambien_pesan():
    reloj = RelojFalso()
    ritmo = Ritmo(100, dormir=reloj.dormir, ahora_s=reloj.ahora_s)
    for _ in range(9):
        await ritmo.turno(10)
    assert len(reloj.esperas) == 1


@pytest.mark.parametrize(("estado", "codigo"), [(429, -1003), (418, -1003)])
async def test_retry_after_se_respeta(estado, codigo):
    reloj = RelojFalso()
    bolsa = una_bolsa()
    bolsa.fallos.append(error(estado, codigo, "Too many requests", Retry_After="37"))
    async with abrir(bolsa, reloj) as fuente:
        assert len((await bajar(fuente)).tabla) == 100
    assert reloj.esperas == [37.0]


async def test_un_429_sin_retry_after_espera_un_minuto():
    reloj = RelojFalso()
    bolsa = una_bolsa()
    bolsa.fallos.append(error(429, -1003, "Too many requests"))
    async with abrir(bolsa, reloj) as fuente:
        await bajar(fuente)
    assert reloj.esperas == [60.0]


async def test_una_expulsion_larga_se_dice_en_vez_de_esperarla():
    bolsa = una_bolsa()
    bolsa.fallos.append(error(418, -1003, "banned", Retry_After="86400"))
    async with abrir(bolsa) as fuente:
        with pytest.raises(LecturaFallida, match="another 86400 s"):
            await bajar(fuente)


async def test_los_fallos_pasajeros_se_reintentan_con_esperas_crecientes():
    reloj = RelojFalso()
    bolsa = una_bolsa()
    bolsa.fallos.extend(
        [
            web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html"),
            error(503, 0, "Service Unavailable."),
            web.Response(status=200, text="<html>captive portal</html>", content_type="text/html"),
        ]
    )
    async with abrir(bolsa, reloj) as fuente:
        assert len((await bajar(fuente)).tabla) == 100
    assert reloj.esperas == [0.5, 1.0, 2.0]


async def test_un_servidor_ausente_es_una_lectura_fallida():
    reloj = RelojFalso()
    async with una_bolsa().servir() as url:
        pass
    ritmo = Ritmo(dormir=reloj.dormir, ahora_s=reloj.ahora_s)
    async with FuenteBinance(url, ritmo=ritmo) as fuente:
        with pytest.raises(LecturaFallida, match="did not answer in 5 tries"):
            await bajar(fuente)
    assert reloj.esperas == [0.5, 1.0, 2.0, 4.0]


async def test_un_simbolo_desconocido_no_se_reintenta():
    bolsa = una_bolsa()
    async with abrir(bolsa) as fuente:
        with pytest.raises(BolsaIncompatible, match=r"symbol of NADAUSDT 1h.*-1121.*like BTCUSDT") as fallo:
            await descargar_velas(fuente, "NADAUSDT", "1h", INICIO, INICIO + DIA_MS, cache=None)
    assert fallo.value.codigo == -1121
    assert bolsa.veces("klines") == 1


async def test_un_intervalo_que_la_bolsa_no_conoce():
    async with abrir(una_bolsa()) as fuente:
        with pytest.raises(BolsaIncompatible, match="interval of BTCUSDT 4h"):
            await bajar(fuente, intervalo="4h")


async def test_un_intervalo_que_nadie_conoce():
    async with abrir(una_bolsa()) as fuente:
        with pytest.raises(ConfiguracionInvalida, match="'7m' is unknown"):
            await bajar(fuente, intervalo="7m")


async def test_un_rango_vacio():
    async with abrir(una_bolsa()) as fuente:
        with pytest.raises(ConfiguracionInvalida, match="is empty; its end must be later"):
            await bajar(fuente, INICIO, INICIO)


async def test_un_rango_sin_velas_dice_cual_es_la_primera():
    async with abrir(una_bolsa()) as fuente:
        with pytest.raises(DatosInvalidos, match="Its first one opens at 2024-01-01T00:00:00Z"):
            await bajar(fuente, INICIO - 5 * DIA_MS, INICIO - DIA_MS)


async def test_una_bolsa_sin_velas_lo_dice():
    bolsa = una_bolsa()
    bolsa.filas.clear()
    async with abrir(bolsa) as fuente:
        with pytest.raises(DatosInvalidos, match="It has none at all"):
            await bajar(fuente)


async def test_una_vela_imposible_se_rechaza():
    bolsa = una_bolsa()
    bolsa.filas[5][4] = "-1.0"
    async with abrir(bolsa) as fuente:
        with pytest.raises(DatosInvalidos, match=r"row 6: close is '-1.0'"):
            await bajar(fuente)


async def test_un_archivo_danado_de_la_cache_se_nombra(tmp_path):
    async with abrir(una_bolsa()) as fuente:
        await bajar(fuente, cache=tmp_path)
        (ruta,) = tmp_path.rglob("*.parquet")
        ruta.write_bytes(b"PAR1 nothing")
        with pytest.raises(DatosInvalidos, match=r"2024-01.parquet cannot be used.*Delete it and run again"):
            await bajar(fuente, cache=tmp_path)


async def test_otra_direccion_que_no_es_una_bolsa():
    async with una_bolsa().servir() as url, FuenteBinance(f"{url}/otra") as fuente:
        with pytest.raises(BolsaIncompatible, match="HTTP 404 without a Binance error"):
            await fuente.hora_ms()


async def test_otro_rechazo_se_cuenta_entero():
    bolsa = una_bolsa()
    bolsa.fallos.append(error(400, -1127, "Lookup interval is too big."))
    async with abrir(bolsa) as fuente:
        with pytest.raises(OrdenRechazada, match=r"Lookup interval is too big. \(code -1127"):
            await bajar(fuente)


def con_funding(pagos: int, ahora_ms: int | None = None) -> BolsaFalsa:
    bolsa = una_bolsa(ahora_ms=ahora_ms or INICIO + pagos * 8 * HORA_MS)
    bolsa.tasas = [
        {
            "symbol": "BTCUSDT",
            "fundingTime": INICIO + i * 8 * HORA_MS + i % 7,
            "fundingRate": f"{i * 1e-6:.8f}",
        }
        for i in range(pagos)
    ]
    for fila in bolsa.tasas[1:]:
        fila["markPrice"] = "" if fila is bolsa.tasas[1] else "42000.50"
    return bolsa


async def bajar_funding(fuente, cache=None, hasta=INICIO + 10_000 * DIA_MS):
    return await descargar_funding(fuente, "BTCUSDT", INICIO, hasta, cache=cache)


async def test_el_funding_llega_entero_y_en_su_minuto(tmp_path):
    bolsa = con_funding(2_500)
    async with abrir(bolsa) as fuente:
        funding = await bajar_funding(fuente, tmp_path)
        bolsa.peticiones.clear()
        otra_vez = await bajar_funding(fuente, tmp_path)
    assert len(funding) == 2_500
    assert (funding.instante_ms == INICIO + np.arange(2_500) * 8 * HORA_MS).all()
    assert funding.tasas()[INICIO + 24 * HORA_MS] == 3e-06
    assert [math.isnan(precio) for precio in funding.precio_mark[:3]] == [True, True, False]
    assert (otra_vez.instante_ms == funding.instante_ms).all()
    assert bolsa.veces("fundingRate") <= 1


async def test_el_funding_reciente_no_se_repite(tmp_path):
    """A settlement within the last minutes is kept once, and later ones are still asked for."""
    bolsa = con_funding(10)
    bolsa.ahora_ms = bolsa.tasas[-2]["fundingTime"] + MINUTO_MS
    ultima = bolsa.tasas.pop()
    async with abrir(bolsa) as fuente:
        assert len(await bajar_funding(fuente, tmp_path)) == 9
        bolsa.tasas.append(ultima)
        bolsa.ahora_ms = ultima["fundingTime"] + MINUTO_MS
        assert len(await bajar_funding(fuente, tmp_path)) == 10


async def test_sin_funding_la_tabla_esta_vacia():
    async with abrir(una_bolsa()) as fuente:
        assert len(await bajar_funding(fuente)) == 0


async def test_el_mercado_sin_claves_usa_los_tramos_de_siempre():
    async with abrir(una_bolsa()) as fuente:
        mercado = await descargar_mercado(fuente, "BTCUSDT")
    assert mercado.filtros.tick == Decimal("0.10")
    assert mercado.filtros.cantidad_max_mercado == Decimal("120")
    assert mercado.comision_taker == 0.0005
    assert mercado.intervalo_funding_ms == 8 * HORA_MS
    assert mercado.tramos[0].apalancamiento_max == 125


async def test_el_mercado_con_claves_usa_los_de_la_cuenta():
    bolsa = una_bolsa()
    async with abrir(bolsa, clave="k", secreto="s") as fuente:
        mercado = await descargar_mercado(fuente, "BTCUSDT")
    assert mercado.comision_taker == 0.0004
    assert [tramo.nocional_max for tramo in mercado.tramos] == [50_000.0, 200_000.0]
    firmada = next(consulta for ruta, consulta in bolsa.peticiones if ruta == "commissionRate")
    assert abs(int(firmada["timestamp"]) - bolsa.ahora_ms) < MINUTO_MS


async def test_un_mercado_que_la_bolsa_no_lista():
    async with abrir(una_bolsa()) as fuente:
        with pytest.raises(BolsaIncompatible, match="'NADAUSDT' is not listed"):
            await descargar_mercado(fuente, "NADAUSDT")


async def test_las_claves_rechazadas_se_dicen():
    bolsa = una_bolsa()
    async with abrir(bolsa, clave="k", secreto="s") as fuente:
        bolsa.fallos.append(error(401, -2015, "Invalid API-key, IP, or permissions for action."))
        with pytest.raises(CredencialesInvalidas, match="refused the API key"):
            await fuente.comision("BTCUSDT")


async def test_sin_claves_no_hay_lecturas_firmadas():
    async with abrir(una_bolsa()) as fuente:
        with pytest.raises(CredencialesInvalidas, match="needs an API key"):
            await fuente.tramos("BTCUSDT")


async def test_la_fuente_cerrada_no_lee():
    with pytest.raises(RuntimeError, match="async with"):
        await FuenteBinance().hora_ms()
