from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, update

from src.produccion.almacen.esquema import commands
from src.produccion.almacen.mandos import (
    AccionMando,
    EstadoMando,
    MandoNuevo,
    leer_mando,
    mandos_tomados,
    pedir_mando,
    terminar_mando,
    tomar_mandos,
    vencer_mandos,
)

CIERRE = MandoNuevo("ana", "BTCUSDT", AccionMando.CERRAR, {"stop": "90"}, "api:eva", 60_000, "sim-1")


def pasar(motor: Engine, ms: int) -> None:
    with motor.begin() as conexion:
        conexion.execute(update(commands).values(expires_at_ms=commands.c.expires_at_ms - ms))


def test_un_mando_va_y_su_respuesta_vuelve(motor: Engine):
    pedido = pedir_mando(motor, CIERRE)
    assert pedido.status is EstadoMando.PENDING
    assert pedido.expires_at_ms - pedido.created_at_ms == 60_000

    (tomado,) = tomar_mandos(motor, "ana", "BTCUSDT", "demonio-1", account_id="sim-1")
    assert (tomado.id, tomado.payload, tomado.claimed_by) == (pedido.id, {"stop": "90"}, "demonio-1")
    assert [mando.id for mando in mandos_tomados(motor, "demonio-1")] == [pedido.id]
    assert terminar_mando(motor, pedido.id, True, {"success": True})

    respuesta = leer_mando(motor, pedido.id)
    assert respuesta is not None
    assert (respuesta.status, respuesta.outcome) == (EstadoMando.DONE, {"success": True})
    assert not terminar_mando(motor, pedido.id, False, {})
    assert leer_mando(motor, "otro") is None


def test_la_misma_clave_es_el_mismo_mando(motor: Engine):
    primero = pedir_mando(motor, CIERRE._replace(idempotency_key="k"))

    assert pedir_mando(motor, CIERRE._replace(idempotency_key="k")).id == primero.id
    assert pedir_mando(motor, CIERRE._replace(idempotency_key="k", user_id="eva")).id != primero.id
    assert pedir_mando(motor, CIERRE).id != pedir_mando(motor, CIERRE).id


def test_la_misma_clave_a_la_vez_es_el_mismo_mando(motor: Engine):
    with ThreadPoolExecutor(4) as hilos:
        pedidos = list(
            hilos.map(lambda _: pedir_mando(motor, CIERRE._replace(idempotency_key="k")), range(8))
        )

    assert len({pedido.id for pedido in pedidos}) == 1


def test_cada_mando_lo_toma_uno_solo(motor: Engine):
    pedidos = [pedir_mando(motor, CIERRE).id for _ in range(20)]

    with ThreadPoolExecutor(4) as hilos:
        tomados = hilos.map(
            lambda i: tomar_mandos(motor, "ana", "BTCUSDT", f"d{i}", account_id="sim-1", limite=7), range(8)
        )
        ids = [mando.id for parte in tomados for mando in parte]

    assert sorted(ids) == sorted(pedidos)


def test_los_mandos_de_otra_cuenta_no_se_ven(motor: Engine):
    pedir_mando(motor, CIERRE)

    assert tomar_mandos(motor, "eva", "BTCUSDT", "d", account_id="sim-1") == []
    assert tomar_mandos(motor, "ana", "ETHUSDT", "d", account_id="sim-1") == []
    assert tomar_mandos(motor, "ana", "BTCUSDT", "d", account_id="sim-1", client_id="otro") == []
    assert tomar_mandos(motor, "ana", "BTCUSDT", "d", account_id="live-1") == []


def test_un_mando_sin_cuenta_no_es_de_nadie(motor: Engine):
    """As those given before commands named one."""
    pedir_mando(motor, CIERRE._replace(account_id=None))

    assert tomar_mandos(motor, "ana", "BTCUSDT", "d", account_id="sim-1") == []


def test_un_mando_que_nadie_tomo_vence_y_ya_no_se_toma(motor: Engine):
    pedido = pedir_mando(motor, CIERRE)
    pasar(motor, 60_001)

    assert tomar_mandos(motor, "ana", "BTCUSDT", "d", account_id="sim-1") == []
    assert vencer_mandos(motor) == 1
    vencido = leer_mando(motor, pedido.id)
    assert vencido is not None
    assert vencido.status is EstadoMando.EXPIRED


def test_un_mando_sin_respuesta_falla_tras_la_gracia(motor: Engine):
    pedido = pedir_mando(motor, CIERRE)
    tomar_mandos(motor, "ana", "BTCUSDT", "d", account_id="sim-1")
    pasar(motor, 60_001)
    assert vencer_mandos(motor) == 0

    pasar(motor, 60_001)

    assert vencer_mandos(motor) == 1
    callado = leer_mando(motor, pedido.id)
    assert callado is not None
    assert callado.status is EstadoMando.FAILED
