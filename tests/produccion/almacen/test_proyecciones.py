from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, insert, select, text, update

from src.produccion.almacen.conexion import abrir_almacen, leer
from src.produccion.almacen.ejecuciones import EstadoEjecucion, TipoEventoStop, plegar_todos
from src.produccion.almacen.esquema import stop_events, stop_executions
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, anotar_evento, fila_y_hecho
from src.produccion.almacen.proyecciones import Reconstruccion, reconstruir

PRECIOS = (None, Decimal("0.5"), Decimal("40000.123456789012345678"))

eventos = st.builds(
    lambda token, tipo, intento, precio, cantidad: EventoStopNuevo(
        token,
        tipo,
        1_000 * intento + len(tipo),
        "BTCUSDT",
        FuenteStop.CRON if precio else FuenteStop.WS,
        "a" if precio else None,
        attempt=intento,
        trigger_price=precio,
        stop_price=PRECIOS[intento - 1],
        quantity=cantidad,
        fill_price=precio,
        slippage_pct=cantidad,
        exchange_order_id=str(precio),
        error_message=None if precio else "no",
    ),
    st.sampled_from(["a:1:1", "a:2:2"]),
    st.sampled_from(TipoEventoStop),
    st.integers(1, 3),
    st.sampled_from(PRECIOS),
    st.sampled_from((None, 0, *(Decimal(n) for n in ("0.3", "7", "0.000000000000000001")))),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def uno(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A store for all examples of a property."""
    carpeta = tmp_path_factory.mktemp("almacen")
    url = None if request.param == "sqlite" else request.getfixturevalue("base_postgresql")
    motor = abrir_almacen(url or f"sqlite:///{carpeta / 'timonel.sqlite'}", carpeta)
    yield motor
    motor.dispose()


@settings(max_examples=25)
@given(lista=st.lists(eventos, min_size=1, max_size=12))
def test_reconstruida_es_igual_a_la_escrita_evento_a_evento(uno: Engine, lista):
    with uno.begin() as conexion:
        base = conexion.execute(select(func.max(stop_events.c.event_seq))).scalar() or 0
        for evento in lista:
            anotar_evento(conexion, evento._replace(execution_token=f"{base}:{evento.execution_token}"))

    assert reconstruir(uno).distintas == 0


@given(lista=st.lists(eventos, min_size=1, max_size=12))
def test_lo_ejecutado_no_deja_de_estarlo_y_la_version_avanza(lista):
    hechos = [fila_y_hecho(evento, i)[1] for i, evento in enumerate(lista, 1)]

    estados = [plegar_todos(hechos[:i]) for i in range(1, len(hechos) + 1)]

    ejecutados = [e is not None and e.status is EstadoEjecucion.EXECUTED for e in estados]
    assert ejecutados == sorted(ejecutados)
    assert all(e is None or e.version == i for i, e in enumerate(estados, 1))


def test_lo_que_falta_sobra_o_es_distinto_se_cuenta_y_se_repara(motor: Engine):
    def disparar(token: str) -> None:
        with motor.begin() as conexion:
            anotar_evento(
                conexion,
                EventoStopNuevo(
                    token, TipoEventoStop.EXECUTED, 5, "BTCUSDT", FuenteStop.CRON, fill_price="1.50"
                ),
            )

    for token in ("falta", "distinta", "igual"):
        disparar(token)
    with motor.begin() as conexion:
        fila = conexion.execute(select(stop_executions)).mappings().first()
        assert fila is not None
        conexion.execute(
            insert(stop_executions).values(**dict(fila) | {"execution_token": "sobra", "execution_id": "x"})
        )
        conexion.execute(delete(stop_executions).where(stop_executions.c.execution_token == "falta"))
        cambio = update(stop_executions).values(status="FAILED")
        conexion.execute(cambio.where(stop_executions.c.execution_token == "distinta"))
    avances: list[tuple[int, int]] = []

    assert reconstruir(motor, lambda hechos, total: avances.append((hechos, total))) == Reconstruccion(
        3, 3, 3
    )

    assert avances == [(3, 3)]
    assert reconstruir(motor) == Reconstruccion(3, 3, 0)
    with leer(motor) as conexion:
        estados = conexion.execute(select(stop_executions.c.execution_token, stop_executions.c.status)).all()
    assert sorted(estados) == [(t, "EXECUTED") for t in ("distinta", "falta", "igual")]


def test_una_reconstruccion_interrumpida_no_deja_nada(motor: Engine):
    with motor.begin() as conexion:
        anotar_evento(conexion, EventoStopNuevo("a", TipoEventoStop.EXECUTED, 5, "BTCUSDT", FuenteStop.WS))

    def cortar(hechos: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruir(motor, cortar)

    assert reconstruir(motor) == Reconstruccion(1, 1, 0)


def test_un_disparo_que_se_supo_tarde_no_es_posterior_a_su_ejecucion():
    tarde = EventoStopNuevo("a", TipoEventoStop.STOP_TRIGGERED, 900, "BTCUSDT", FuenteStop.WS)
    antes = tarde._replace(tipo=TipoEventoStop.EXECUTED, occurred_at_ms=800)

    ejecucion = plegar_todos(fila_y_hecho(evento, i)[1] for i, evento in enumerate((tarde, antes), 1))

    assert ejecucion is not None
    assert (ejecucion.triggered_at_ms, ejecucion.executed_at_ms) == (800, 800)


def test_lo_que_se_ejecuta_en_varias_veces_se_suma():
    primera = EventoStopNuevo(
        *("a", TipoEventoStop.EXECUTED, 800, "BTCUSDT", FuenteStop.WS),
        quantity="0.2",
        fill_price=95,
        slippage_pct=1,
    )
    segunda = primera._replace(
        attempt=2, occurred_at_ms=900, quantity="0.3", fill_price=94, slippage_pct="2", exchange_order_id="7"
    )

    ejecucion = plegar_todos(fila_y_hecho(evento, i)[1] for i, evento in enumerate((primera, segunda), 1))

    assert ejecucion is not None
    assert (ejecucion.quantity, ejecucion.fill_price, ejecucion.slippage_pct) == (
        Decimal("0.5"),
        Decimal("94.4"),
        Decimal("1.6"),
    )
    assert (ejecucion.executed_at_ms, ejecucion.attempt, ejecucion.exchange_order_id) == (900, 2, "7")


def test_el_precio_de_lo_ejecutado_no_se_sabe_si_no_se_sabe_el_de_una_parte():
    primera = EventoStopNuevo(
        *("a", TipoEventoStop.EXECUTED, 800, "BTCUSDT", FuenteStop.WS), quantity=1, fill_price=95
    )
    segunda = primera._replace(attempt=2, fill_price=None)

    ejecucion = plegar_todos(fila_y_hecho(evento, i)[1] for i, evento in enumerate((primera, segunda), 1))

    assert ejecucion is not None
    assert (ejecucion.quantity, ejecucion.fill_price) == (Decimal(2), None)


def test_una_reconstruccion_espera_a_quien_escribe(base_postgresql: str, tmp_path: Path):
    """However long that takes: the limits of a daemon's statements are not its own."""
    motor = abrir_almacen(f"{base_postgresql}?options=-c%20lock_timeout%3D1", tmp_path)
    esperan = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = to_regclass(:tabla)")
    with ThreadPoolExecutor(1) as hilo:
        with motor.begin() as escritura, leer(motor) as mirada:
            escritura.execute(text("LOCK TABLE stop_executions IN ROW EXCLUSIVE MODE"))
            hecha = hilo.submit(reconstruir, motor)
            while not hecha.done() and not mirada.scalar(esperan, {"tabla": "stop_executions"}):
                time.sleep(0.02)
            time.sleep(0.05)
        assert hecha.result(60).distintas == 0
    motor.dispose()
