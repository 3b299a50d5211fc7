"""What time it is in a tenant's market, as far as the store knows."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select, update

from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.escritura import anadir
from src.produccion.almacen.esquema import ahora_bd, balance_snapshots, daemons
from src.produccion.almacen.hora_mercado import hora_de_mercado
from tests.constructores import INICIO_MS


def un_demonio(motor: Engine, cuenta: str, simbolo: str, *instantes_ms: int) -> None:
    presentarse(motor, DemonioNuevo(cuenta, simbolo, 1, "aqui", client_id="casa"))
    quien = {"client_id": "casa", "user_id": "u", "account_id": cuenta, "symbol": simbolo}
    with escribir(motor) as conexion:
        for instante_ms in instantes_ms:
            saldo = {"balance": 1, "source": "daemon", "taken_at_ms": instante_ms}
            anadir(conexion, balance_snapshots, quien | saldo)


def hora(motor: Engine, client_id: str = "casa", simbolo: str | None = None) -> int:
    with leer(motor) as conexion:
        return hora_de_mercado(conexion, client_id, simbolo)


def test_es_lo_ultimo_que_dijo_un_demonio_vivo(motor: Engine):
    un_demonio(motor, "sim-1", "BTCUSDT", INICIO_MS, INICIO_MS + 60_000)

    assert hora(motor) == INICIO_MS + 60_000


def test_entre_varios_es_la_mas_temprana(motor: Engine):
    """What a breaker of one of them waits for must not be over because another one is further on."""
    un_demonio(motor, "sim-1", "BTCUSDT", INICIO_MS)
    un_demonio(motor, "sim-2", "ETHUSDT", INICIO_MS + 60_000)

    assert (hora(motor), hora(motor, simbolo="ETHUSDT")) == (INICIO_MS, INICIO_MS + 60_000)


@pytest.mark.parametrize("client_id", ["casa", "vecino"])
def test_sin_demonio_vivo_es_la_de_la_base(motor: Engine, client_id: str):
    un_demonio(motor, "sim-1", "BTCUSDT", INICIO_MS)
    if client_id == "casa":
        with escribir(motor) as conexion:
            conexion.execute(update(daemons).values(heartbeat_ms=daemons.c.heartbeat_ms - 60_000))
    with leer(motor) as conexion:
        ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()

    assert hora(motor, client_id) >= ahora_ms
