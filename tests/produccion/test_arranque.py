"""What must be true before the first decision."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from src.nucleo.errores import BolsaIncompatible, ConfiguracionInvalida
from src.nucleo.tipos import TipoMargen
from src.produccion.arranque import (
    comprobar_bolsa,
    comprobar_saldo,
    comprobar_sucesion,
    sincronizar_reloj,
)
from src.produccion.config.config import Modo
from src.produccion.puertos import ModoCuenta
from tests.constructores import INICIO_MS, un_mercado, una_cuenta, unos_filtros
from tests.produccion.falsos import BolsaFalsa, RelojFalso


def ahora_ms() -> int:
    return int(time.time() * 1_000)


# --- the clock ---


@pytest.mark.parametrize("modo", [Modo.TESTNET, Modo.REAL])
@pytest.mark.parametrize("desfase_s", [-90, 90])
async def test_un_reloj_muy_desviado_se_dice_con_el_remedio(modo: Modo, desfase_s: int):
    bolsa = BolsaFalsa(reloj=RelojFalso(ahora_ms() + desfase_s * 1_000))

    with pytest.raises(BolsaIncompatible, match=rf"{-desfase_s}\.\d s off.*NTP") as fallo:
        await sincronizar_reloj(bolsa, RelojFalso(), modo, 60.0)
    assert fallo.value.codigo_salida == 2


async def test_un_desfase_pequeno_se_corrige():
    bolsa = BolsaFalsa(reloj=RelojFalso(ahora_ms() + 20_000))
    reloj = RelojFalso(0)

    await sincronizar_reloj(bolsa, reloj, Modo.REAL, 60.0)

    assert reloj.ahora_ms() == bolsa.reloj.ahora_ms()


async def test_un_mercado_simulado_tiene_su_propia_hora():
    bolsa, reloj = BolsaFalsa(), RelojFalso(0)

    await sincronizar_reloj(bolsa, reloj, Modo.SIMULADO, 60.0)

    assert reloj.ahora_ms() == bolsa.reloj.ahora_ms()


def test_un_mercado_simulado_que_empezo_otra_vez_se_rechaza():
    ultimo_ms = INICIO_MS + 3_600_000

    with pytest.raises(
        ConfiguracionInvalida, match=r"time 2024-01-01.*record of 2024-01-01.*--state-dir"
    ) as f:
        comprobar_sucesion(ultimo_ms, INICIO_MS, Modo.SIMULADO, 1.0)

    assert f.value.codigo_salida == 2


@pytest.mark.parametrize(
    ("atraso_s", "desfase_max_s"), [(-3_600, 60.0), (0, 60.0), (60, 1.0), (90, 120.0)], ids=str
)
def test_los_relojes_pueden_diferir_un_poco(atraso_s: int, desfase_max_s: float):
    comprobar_sucesion(INICIO_MS + atraso_s * 1_000, INICIO_MS, Modo.SIMULADO, desfase_max_s)


def test_un_diario_sin_instantaneas_vale_para_cualquier_mercado():
    comprobar_sucesion(None, INICIO_MS, Modo.SIMULADO, 60.0)


@pytest.mark.parametrize("modo", [Modo.TESTNET, Modo.REAL])
def test_una_bolsa_de_verdad_no_se_rechaza_por_su_hora(modo: Modo):
    """A position may be open there, and it has to be looked after."""
    comprobar_sucesion(INICIO_MS + 3_600_000, INICIO_MS, modo, 60.0)


# --- account and symbol ---


@pytest.mark.parametrize(
    ("bolsa", "entrenado", "nombrado"),
    [
        ({"modo": ModoCuenta(True, False)}, {}, "hedge mode.*one-way"),
        ({"modo": ModoCuenta(False, True)}, {}, "multi-assets mode is on.*off in the artefact"),
        ({}, {"multiactivo": True}, "multi-assets mode is off.*on in the artefact"),
        ({"estado_simbolo": "SETTLING"}, {}, "BTCUSDT is SETTLING, not TRADING"),
        ({"mercado": un_mercado(activo_margen="USDC")}, {}, "margined in USDC.*trained with USDT"),
    ],
    ids=["hedge", "multi on", "multi off", "halted", "asset"],
)
async def test_lo_que_no_es_como_se_entreno_se_rechaza(
    bolsa: dict[str, Any], entrenado: dict[str, Any], nombrado: str
):
    falsa = BolsaFalsa(apalancamiento=7, **bolsa)

    with pytest.raises(BolsaIncompatible, match=nombrado) as fallo:
        await comprobar_bolsa(falsa, un_mercado(**entrenado), 2)

    assert fallo.value.codigo_salida == 2
    assert falsa.apalancamiento == 7  # nothing was changed on the way


async def test_se_ponen_apalancamiento_y_tipo_de_margen():
    bolsa = BolsaFalsa(apalancamiento=20, margen=TipoMargen.ISOLATED)

    await comprobar_bolsa(bolsa, un_mercado(), 3)

    assert (bolsa.apalancamiento, bolsa.margen) == (3, TipoMargen.CROSSED)


async def test_un_margen_aislado_entrenado_se_pide_aislado():
    bolsa = BolsaFalsa()

    mercado = await comprobar_bolsa(bolsa, un_mercado(tipo_margen=TipoMargen.ISOLATED), 2)
    await comprobar_saldo(bolsa, replace(mercado, tipo_margen=TipoMargen.ISOLATED), 2, None)

    assert bolsa.margen is TipoMargen.ISOLATED


@pytest.mark.parametrize(
    ("campo", "valor"),
    [
        ("filtros", unos_filtros(nocional_min="100")),
        ("comision_taker", 0.0004),
        ("intervalo_funding_ms", 4 * 3_600_000),
        ("tramos", ()),
    ],
)
async def test_una_diferencia_que_se_puede_operar_se_avisa_y_manda_la_bolsa(
    campo: str, valor: Any, bitacora: list[dict[str, Any]]
):
    bolsa = BolsaFalsa(mercado=un_mercado(**{campo: valor}))

    actual = await comprobar_bolsa(bolsa, un_mercado(), 2)

    assert getattr(actual, campo) == valor
    assert [e["campo"] for e in bitacora if e["event"] == "mercado_distinto_del_entrenado"] == [campo]


async def test_un_mercado_igual_no_avisa(bitacora: list[dict[str, Any]]):
    await comprobar_bolsa(BolsaFalsa(), un_mercado(), 2)

    assert bitacora == []


# --- money ---


@pytest.mark.parametrize("saldo", [0.0, -1.0])
async def test_sin_saldo_no_se_opera(saldo: float):
    bolsa = BolsaFalsa(estado=una_cuenta(saldo=saldo))

    with pytest.raises(BolsaIncompatible, match=r"USDT wallet is .*transfer funds") as fallo:
        await comprobar_saldo(bolsa, un_mercado(), 2, None)
    assert fallo.value.codigo_salida == 2


async def test_no_se_asigna_mas_de_lo_que_hay():
    with pytest.raises(BolsaIncompatible, match=r"--capital 20000\.0 is more than"):
        await comprobar_saldo(BolsaFalsa(), un_mercado(), 2, 20_000.0)


async def test_un_apalancamiento_que_no_se_puso_se_nota():
    bolsa = BolsaFalsa(apalancamiento=20, acepta_apalancamiento=False)

    with pytest.raises(BolsaIncompatible, match="leverage is 20 although 2 was set"):
        await comprobar_saldo(bolsa, un_mercado(), 2, None)


async def test_un_tipo_de_margen_que_no_se_puso_se_nota():
    bolsa = BolsaFalsa(margen=TipoMargen.ISOLATED, acepta_margen=False)
    await comprobar_bolsa(bolsa, un_mercado(), 2)

    with pytest.raises(BolsaIncompatible, match="margin type of BTCUSDT is isolated"):
        await comprobar_saldo(bolsa, un_mercado(), 2, None)


async def test_una_cuenta_en_orden_pasa():
    await comprobar_saldo(BolsaFalsa(), un_mercado(), 2, 10_000.0)


async def test_los_limites_del_precio_se_mueven_y_no_son_otro_mercado(bitacora: list[dict[str, Any]]):
    filtros = unos_filtros(precio_min="556.80", precio_max="4529764")

    actual = await comprobar_bolsa(BolsaFalsa(mercado=un_mercado(filtros=filtros)), un_mercado(), 2)

    assert actual.filtros == filtros
    assert [e for e in bitacora if e["event"] == "mercado_distinto_del_entrenado"] == []
