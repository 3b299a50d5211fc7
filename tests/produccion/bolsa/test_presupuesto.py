"""Requests are kept back before the exchange refuses them, and protection goes first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from src.nucleo.errores import LimiteExcedido
from src.produccion.bolsa.presupuesto import AjustesLimites, Peticion, Presupuesto, Prioridad
from tests.produccion.falsos import RelojFalso

LECTURA = Peticion(Prioridad.ORDINARIA, 30)
CUENTA = Peticion(Prioridad.PROTECCION, 5)
ENTRADA = Peticion(Prioridad.ENTRADA, 0, ordenes=1, escritura=True)
SALIDA = Peticion(Prioridad.PROTECCION, 0, ordenes=1, escritura=True)
MINUTO_MS = 60_000


def uno(segundo: float = 0.0, espera_max_s: float = 20.0) -> tuple[Presupuesto, RelojFalso]:
    """Its market clock stands at a second of a minute."""
    reloj = RelojFalso(MINUTO_MS * 1_000 + int(segundo * 1_000))
    return Presupuesto(reloj, AjustesLimites(espera_max_s=espera_max_s)), reloj


def usado(peso: int = 0, en_10s: int = 0, en_1m: int = 0) -> dict[str, str]:
    return {
        "X-MBX-USED-WEIGHT-1M": str(peso),
        "X-MBX-ORDER-COUNT-10S": str(en_10s),
        "X-MBX-ORDER-COUNT-1M": str(en_1m),
    }


async def tarda(presupuesto: Presupuesto, peticion: Peticion) -> float:
    """Virtual seconds until a request goes."""
    inicio = asyncio.get_running_loop().time()
    await presupuesto.entrar(peticion)
    presupuesto.salir(peticion)
    return asyncio.get_running_loop().time() - inicio


async def test_con_presupuesto_nadie_espera():
    presupuesto, _ = uno()
    presupuesto.anotar(usado(1_800, 200, 900))

    for peticion in (LECTURA, CUENTA, ENTRADA, SALIDA):
        assert await tarda(presupuesto, peticion) == 0.0


async def test_una_lectura_ordinaria_espera_al_minuto_siguiente():
    presupuesto, _ = uno(segundo=45)
    presupuesto.anotar(usado(1_900))

    assert await tarda(presupuesto, LECTURA) == pytest.approx(15.0)


async def test_el_minuto_siguiente_es_el_del_mercado():
    presupuesto, reloj = uno(segundo=45)
    presupuesto.anotar(usado(1_900))
    asyncio.get_running_loop().call_later(2.5, lambda: reloj.observar(MINUTO_MS * 1_001))

    assert await tarda(presupuesto, LECTURA) == pytest.approx(3.0)


async def test_lo_que_habria_de_esperar_demasiado_falla_en_seguida():
    presupuesto, _ = uno(segundo=10)
    presupuesto.anotar(usado(1_900))

    with pytest.raises(LimiteExcedido) as fallo:
        await presupuesto.entrar(LECTURA)
    assert fallo.value.espera_s == pytest.approx(50.0)
    assert asyncio.get_running_loop().time() == 0.0


async def test_lo_que_protege_pasa_por_encima_de_la_cuota():
    presupuesto, _ = uno()
    presupuesto.anotar(usado(2_399, 299, 1_199))

    assert await tarda(presupuesto, CUENTA) == 0.0
    assert await tarda(presupuesto, SALIDA) == 0.0


async def test_una_entrada_espera_a_que_quepan_ordenes():
    presupuesto, _ = uno(segundo=4)
    presupuesto.anotar(usado(0, en_10s=240))

    assert await tarda(presupuesto, LECTURA) == 0.0
    assert await tarda(presupuesto, ENTRADA) == pytest.approx(6.0)


async def test_lo_que_va_de_camino_cuenta():
    presupuesto, _ = uno(segundo=50)
    presupuesto.anotar(usado(1_880))
    await presupuesto.entrar(LECTURA)

    assert await tarda(presupuesto, LECTURA) == pytest.approx(10.0)


async def test_una_respuesta_atrasada_no_baja_la_cuenta():
    presupuesto, _ = uno(segundo=50)
    presupuesto.anotar(usado(1_910))
    presupuesto.anotar(usado(1_000))

    assert await tarda(presupuesto, LECTURA) == pytest.approx(10.0)


async def test_los_limites_son_los_que_la_bolsa_publica():
    presupuesto, _ = uno(segundo=50)
    filas: list[dict[str, Any]] = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 10},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_000},
        {"rateLimitType": "RAW_REQUESTS", "interval": "HOUR", "intervalNum": 5, "limit": 1},
    ]
    presupuesto.fijar_limites(filas)
    presupuesto.anotar(usado(60, en_10s=8))

    assert await tarda(presupuesto, ENTRADA) == pytest.approx(10.0)
    presupuesto.anotar(usado(60))
    assert await tarda(presupuesto, LECTURA) > 0


async def test_tras_un_429_lo_ordinario_no_pregunta():
    presupuesto, _ = uno(espera_max_s=5)
    presupuesto.rechazada(429, 37.0)

    for peticion in (LECTURA, ENTRADA):
        with pytest.raises(LimiteExcedido) as fallo:
            await presupuesto.entrar(peticion)
        assert fallo.value.espera_s == pytest.approx(37.0)


async def test_tras_un_429_lo_que_protege_pasa_pero_cada_vez_mas_despacio():
    """Insisting is what turns a 429 into a ban."""
    presupuesto, _ = uno(espera_max_s=100)
    presupuesto.rechazada(429, 60.0)
    instantes = []

    for _ in range(6):
        await presupuesto.entrar(SALIDA)
        instantes.append(asyncio.get_running_loop().time())
        presupuesto.salir(SALIDA)
        presupuesto.rechazada(429, 60.0 - instantes[-1])

    assert instantes[:5] == pytest.approx([0.0, 3.0, 9.0, 21.0, 45.0])
    assert instantes[5] >= 60.0


async def test_tras_un_429_lo_que_protege_y_es_aceptado_no_espera():
    presupuesto, _ = uno()
    presupuesto.rechazada(429, 60.0)

    for _ in range(20):
        assert await tarda(presupuesto, SALIDA) == 0.0
        presupuesto.aceptada()


async def test_un_418_calla_a_todos():
    presupuesto, _ = uno()
    presupuesto.rechazada(418, 120.0)

    for peticion in (LECTURA, CUENTA, ENTRADA, SALIDA):
        with pytest.raises(LimiteExcedido) as fallo:
            await presupuesto.entrar(peticion)
        assert fallo.value.espera_s == pytest.approx(120.0)


async def test_pasado_el_castigo_todos_hablan():
    presupuesto, _ = uno()
    presupuesto.rechazada(418, 120.0)
    await asyncio.sleep(120.0)

    for peticion in (LECTURA, CUENTA, ENTRADA, SALIDA):
        assert await tarda(presupuesto, peticion) == 0.0
