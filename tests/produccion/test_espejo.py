"""The mirror, against a real Redis server that is stopped and started."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.frenos import apretar, nuevo_freno
from src.nucleo.tipos import EscalaPrecio
from src.produccion.espejo import VIGENCIA_S, EspejoRedis, OperacionGuardian, crear_espejo, espejo_o_ninguno
from tests.produccion.servidor_redis import ServidorRedis

RED = True

OPERACION = OperacionGuardian(
    user_id="User_1",
    simbolo="BTCUSDT",
    direccion="BUY",
    entrada=44_000.0,
    stop=43_500.0,
    objetivo=46_000.0,
    estrategia="niveles",
    abierta_ms=1_728_000_000_456,
    trade_id="sim-1:BTCUSDT:1728000000456",
)
CLAVE = "guardian:trades:User_1:BTCUSDT"


@pytest.fixture
def servidor(tmp_path: Path) -> Iterator[ServidorRedis]:
    suyo = ServidorRedis(tmp_path)
    suyo.empezar()
    yield suyo
    suyo.parar()


@pytest.fixture
async def espejo(servidor: ServidorRedis) -> AsyncIterator[EspejoRedis]:
    suyo = EspejoRedis(servidor.url)
    yield suyo
    await suyo.cerrar()


async def leer(servidor: ServidorRedis, clave: str = CLAVE) -> tuple[Any, int]:
    """What another program finds: the document and the seconds it has left."""
    async with Redis.from_url(servidor.url) as redis:
        crudo = await redis.get(clave)
        return (None if crudo is None else json.loads(crudo)), await redis.ttl(clave)


async def test_otro_programa_lee_los_campos_de_la_semilla(servidor: ServidorRedis, espejo: EspejoRedis):
    assert await espejo.guardar(OPERACION)

    documento, queda_s = await leer(servidor)
    assert documento == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "direction": "BUY",
        "entry": 44_000.0,
        "stop": 43_500.0,
        "stop_loss": 43_500.0,
        "target": 46_000.0,
        "user_id": "User_1",
        "strategy": "niveles",
        "timestamp": 1_728_000_000.456,
        "trade_id": "sim-1:BTCUSDT:1728000000456",
        "ts_level_applied": None,
        "ts_last_adjustment_ts": None,
        "ts_last_adjustment_stop": None,
        "ts_previous_stop": None,
        "ts_previous_level": None,
    }
    assert VIGENCIA_S - 60 < queda_s <= VIGENCIA_S


async def test_un_ajuste_deja_su_rastro(servidor: ServidorRedis, espejo: EspejoRedis):
    await espejo.guardar(OPERACION)

    ajustada = OPERACION._replace(
        stop=44_000.0,
        nivel="break_even",
        ajuste_ms=1_728_000_100_000,
        stop_ajustado=44_000.0,
        stop_anterior=43_500.0,
        nivel_anterior="towards_be_20",
    )
    assert await espejo.guardar(ajustada)

    documento, _ = await leer(servidor)
    assert documento["stop"] == documento["stop_loss"] == documento["ts_last_adjustment_stop"] == 44_000.0
    assert documento["ts_level_applied"] == "break_even"
    assert documento["ts_last_adjustment_ts"] == 1_728_000_100.0
    assert (documento["ts_previous_stop"], documento["ts_previous_level"]) == (43_500.0, "towards_be_20")


async def test_refrescar_da_otros_siete_dias_sin_tocar_nada(servidor: ServidorRedis, espejo: EspejoRedis):
    await espejo.guardar(OPERACION)
    async with Redis.from_url(servidor.url) as redis:
        await redis.expire(CLAVE, 5)

    assert await espejo.refrescar(OPERACION._replace(stop=1.0))

    documento, queda_s = await leer(servidor)
    assert queda_s > VIGENCIA_S - 60
    assert documento["stop"] == 43_500.0


async def test_refrescar_escribe_de_nuevo_lo_que_se_perdio(servidor: ServidorRedis, espejo: EspejoRedis):
    await espejo.guardar(OPERACION)
    servidor.parar()
    servidor.empezar()

    assert await espejo.refrescar(OPERACION)

    documento, _ = await leer(servidor)
    assert documento["trade_id"] == OPERACION.trade_id


async def test_lo_cerrado_se_borra(servidor: ServidorRedis, espejo: EspejoRedis):
    await espejo.guardar(OPERACION)

    assert await espejo.borrar("User_1", "btcusdt")

    assert await leer(servidor) == (None, -2)


async def test_la_direccion_se_dice_sin_su_clave(bitacora: list[dict[str, Any]]):
    espejo = EspejoRedis("redis://ana:secreto@127.0.0.1:9/3")

    assert not await espejo.guardar(OPERACION)
    await espejo.cerrar()

    assert [(e["direccion"], e["motivo"]) for e in bitacora] == [("127.0.0.1:9/3", "ConnectionError")]
    assert "secreto" not in str(bitacora)


async def test_redis_parado_es_un_no_con_un_aviso_critico_y_despues_vuelve(
    servidor: ServidorRedis, espejo: EspejoRedis, bitacora: list[dict[str, Any]]
):
    assert await espejo.guardar(OPERACION)
    servidor.parar()

    assert not await espejo.guardar(OPERACION)
    assert not await espejo.borrar("User_1", "BTCUSDT")
    servidor.empezar()
    assert await espejo.guardar(OPERACION._replace(stop=44_100.0))

    assert [(e["event"], e["log_level"]) for e in bitacora] == [
        ("redis_no_actualizado", "critical"),
        ("redis_recuperado", "info"),
    ]
    assert bitacora[0]["clave"] == CLAVE
    assert bitacora[0]["direccion"] in servidor.url
    assert "muy-secreto" not in str(bitacora)
    documento, _ = await leer(servidor)
    assert documento["stop"] == 44_100.0


async def test_un_redis_que_vuelve_antes_del_segundo_intento_no_se_nota(
    servidor: ServidorRedis, espejo: EspejoRedis, bitacora: list[dict[str, Any]]
):
    servidor.parar()

    async def volver() -> None:
        await asyncio.sleep(0.1)
        servidor.empezar()

    guardado, _ = await asyncio.gather(espejo.guardar(OPERACION), volver())

    assert guardado
    assert bitacora == []


async def test_un_redis_helado_no_retiene_a_nadie(servidor: ServidorRedis, espejo: EspejoRedis):
    await espejo.guardar(OPERACION)
    servidor.helar()

    async with asyncio.timeout(20):
        assert not await espejo.guardar(OPERACION)


async def test_las_copias_se_escriben_en_el_orden_en_que_se_piden(
    servidor: ServidorRedis, espejo: EspejoRedis
):
    servidor.parar()
    vieja = asyncio.create_task(espejo.guardar(OPERACION))
    await asyncio.sleep(0.05)
    servidor.empezar()

    nueva = await espejo.guardar(OPERACION._replace(stop=44_500.0))

    assert (await vieja, nueva) == (True, True)
    assert (await leer(servidor))[0]["stop"] == 44_500.0


async def test_sin_direccion_no_hay_espejo(bitacora: list[dict[str, Any]]):
    espejo = crear_espejo({})

    assert not espejo.activo
    assert not await espejo.guardar(OPERACION)
    assert not await espejo.refrescar(OPERACION)
    assert not await espejo.borrar("User_1", "BTCUSDT")
    await espejo.cerrar()
    assert bitacora == []


def test_una_direccion_inutil_se_rechaza_sin_repetirla():
    with pytest.raises(ConfiguracionInvalida, match="TIMONEL_REDIS_URL is no address") as fallo:
        crear_espejo({"TIMONEL_REDIS_URL": "http://:muy-secreto@h"})
    assert "muy-secreto" not in str(fallo.value)


async def test_una_direccion_inutil_deja_sin_espejo_y_se_dice(bitacora: list[dict[str, Any]]):
    espejo = espejo_o_ninguno({"TIMONEL_REDIS_URL": "http://:muy-secreto@h"})

    assert not espejo.activo
    assert not await espejo.guardar(OPERACION)
    assert [(evento["event"], evento["log_level"]) for evento in bitacora] == [
        ("espejo_mal_configurado", "critical")
    ]
    assert "muy-secreto" not in str(bitacora)


def test_un_nivel_dado_a_mano_se_ve_con_su_nombre():
    freno = nuevo_freno(44_000.0, 43_000.0, None, 44_000.0, 0, largo=True)
    nivel = apretar(freno, 43_500.0, 44_000.0, EscalaPrecio(1, 10), "profit_20").nivel

    documento = json.loads(OPERACION._replace(nivel=nivel, nivel_anterior=nivel).como_json())

    assert (documento["ts_level_applied"], documento["ts_previous_level"]) == ("profit_20", "profit_20")
