"""How an exchange is, by what a daemon has measured of it: told to the store with its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select

from src.produccion.almacen.acceso import Acceso
from src.produccion.almacen.alimentador import Muestra
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.esquema import breakers, exchange_health
from src.produccion.almacen.salud_bolsa import salud_de
from src.produccion.almacen.tolva import Tolva
from tests.produccion.almacen.diarios_de_prueba import TITULAR, escribir_sesion

MEDIDO = {"breaker_latency_ms": 12.5, "breaker_error_rate_fraction": 0.02, "breaker_spread_bps": 1.0}


@pytest.fixture
def acceso(url: str, tmp_path: Path) -> Iterator[Acceso]:
    suyo = Acceso(url, tmp_path)
    yield suyo
    suyo.cerrar()


@pytest.fixture
def tolva(acceso: Acceso, tmp_path: Path) -> Tolva:
    return Tolva(escribir_sesion(tmp_path / "sim-1" / "BTCUSDT" / "diario.sqlite"), acceso, TITULAR)


def un_disyuntor(motor: Engine, clase: str, estado: str = "CLOSED") -> None:
    fila = {
        "client_id": TITULAR.client_id,
        "account_id": TITULAR.account_id,
        "exchange": "binance",
        "symbol": TITULAR.symbol,
        "kind": clase,
        "state": estado,
        "updated_at_ms": 1,
    }
    with motor.begin() as conexion:
        conexion.execute(insert(breakers).values(fila))


def filas(motor: Engine) -> list[tuple[object, ...]]:
    h = exchange_health.c
    consulta = select(
        h.exchange, h.account_id, h.status, h.latency_ms, h.error_rate, h.detail, h.checked_at_ms
    )
    with leer(motor) as conexion:
        return [tuple(fila) for fila in conexion.execute(consulta.order_by(h.id))]


@pytest.mark.parametrize(
    ("latencia", "dicho"),
    [
        ("CLOSED", ("ok", None)),
        ("OPEN", ("degraded", f"the latency breaker of {TITULAR.symbol} is OPEN")),
        ("HALF_OPEN", ("degraded", f"the latency breaker of {TITULAR.symbol} is HALF_OPEN")),
    ],
)
def test_lo_medido_se_escribe_con_las_metricas(
    motor: Engine, tolva: Tolva, latencia: str, dicho: tuple[str, str | None]
):
    """A wide spread is the market's matter: it says nothing of the exchange."""
    un_disyuntor(motor, "latency", latencia)
    un_disyuntor(motor, "spread", "OPEN")

    tolva.girar(Muestra(5_000, metricas=MEDIDO))

    estado, detalle = dicho
    assert filas(motor) == [("binance", TITULAR.account_id, estado, 12.5, 0.02, detalle, 5_000)]


@pytest.mark.parametrize("medido", [{}, {"breaker_spread_bps": 1.0}])
def test_lo_que_nadie_ha_medido_no_se_inventa(motor: Engine, tolva: Tolva, medido: dict[str, float]):
    un_disyuntor(motor, "latency")

    tolva.girar(Muestra(5_000, metricas=medido))

    assert filas(motor) == []


def test_se_ve_lo_ultimo_de_cada_cuenta_del_inquilino(motor: Engine, tolva: Tolva):
    quien = (TITULAR.account_id, TITULAR.symbol, 1, "aqui", None, TITULAR.client_id, TITULAR.user_id)
    presentarse(motor, DemonioNuevo(*quien))
    un_disyuntor(motor, "latency")
    for latencia in (10.0, 20.0):
        tolva.girar(Muestra(5_000, metricas={"breaker_latency_ms": latencia}))

    with leer(motor) as conexion:
        suyas, ajenas = salud_de(conexion, TITULAR.client_id), salud_de(conexion, "otros")

    assert [(una.account_id, una.exchange, una.latency_ms, una.error_rate) for una in suyas] == [
        (TITULAR.account_id, "binance", 20.0, None)
    ]
    assert ajenas == []
