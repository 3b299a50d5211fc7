"""Orders as the journal tells them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.tipos import LadoOrden
from src.nucleo.vida_orden import (
    Ausente,
    Enviada,
    EstadoVida,
    Hecho,
    Incierta,
    Rechazada,
    VidaOrden,
    Vista,
)
from src.produccion.ordenes.ordenes_recordadas import OrdenesRecordadas, hecho_de, plegar
from src.produccion.puertos import EstadoOrden, RespuestaOrden
from tests.produccion.falsos import DiarioFalso, RelojFalso

NUEVA = VidaOrden("tm-1", "BTCUSDT", LadoOrden.SELL, 0.1, False, "f:0", -0.2)
EJECUTADA = Vista(EstadoVida.EJECUTADA, 7, 0.1, 30_001.0)

cantidades = st.integers(0, 100).map(lambda n: n / 1_000)
hechos = st.one_of(
    st.just(Enviada(2)),
    st.builds(
        Vista,
        st.sampled_from(
            [EstadoVida.ACEPTADA, EstadoVida.PARCIAL, EstadoVida.EJECUTADA, EstadoVida.CANCELADA]
        ),
        st.just(7),
        cantidades,
        st.none() | st.just(30_000.5),
        st.sampled_from(["", "EXPIRED"]),
    ),
    st.builds(Rechazada, st.text(max_size=5), st.none() | st.just(-2019)),
    st.builds(Incierta, st.text(max_size=5)),
    st.just(Ausente()),
)


def abrir(vida: VidaOrden = NUEVA) -> tuple[OrdenesRecordadas, DiarioFalso]:
    diario = DiarioFalso()
    ordenes = OrdenesRecordadas(diario, RelojFalso(), {})
    ordenes.intentar(vida)
    return ordenes, diario


@given(st.lists(hechos, max_size=8), st.booleans(), st.none() | st.just(0.3))
def test_lo_que_cuenta_el_diario_es_lo_que_se_sabe(
    lista: list[Hecho], solo_reduce: bool, previa: float | None
):
    ordenes, diario = abrir(NUEVA._replace(solo_reduce=solo_reduce, posicion_previa=previa))
    ordenes.aplicar("tm-1", Enviada(1))
    for hecho in lista:
        try:
            ordenes.aplicar("tm-1", hecho)
        except ValueError:
            continue

    escritos = [e._replace(contenido=orjson.loads(orjson.dumps(e.contenido))) for e in diario.eventos]
    assert plegar(escritos) == {"tm-1": ordenes["tm-1"]}
    assert ordenes.pendientes == tuple(vida for vida in ordenes if not vida.terminada)


def test_lo_que_no_dice_nada_nuevo_no_se_escribe():
    ordenes, diario = abrir()
    for hecho in (Enviada(1), EJECUTADA, EJECUTADA, Vista(EstadoVida.ACEPTADA, 7)):
        ordenes.aplicar("tm-1", hecho)

    assert diario.tipos() == ["ORDER_INTENT", "ORDER_SENT", "ORDER_FILLED"]


def test_los_eventos_de_otros_no_son_ordenes():
    _, diario = abrir()
    diario.anotar_luego("risk", "PEAK", 0, {"equity": 1.0})

    assert list(plegar(diario.eventos)) == ["tm-1"]


def test_lo_que_paso_se_sabe_aunque_no_se_pueda_escribir():
    ordenes, diario = abrir()
    ordenes.aplicar("tm-1", Enviada(1))
    diario.roto = True

    assert ordenes.aplicar("tm-1", EJECUTADA).terminada
    assert ordenes.pendientes == ()


def test_una_salida_se_emprende_aunque_no_se_pueda_escribir_y_una_entrada_no():
    diario = DiarioFalso()
    diario.roto = True
    ordenes = OrdenesRecordadas(diario, RelojFalso(), {})

    ordenes.intentar(NUEVA._replace(solo_reduce=True))
    with pytest.raises(EmergenciaOperacional, match="disk full"):
        ordenes.intentar(NUEVA._replace(id_cliente="tm-2"))
    assert [vida.id_cliente for vida in ordenes] == ["tm-1"]


def test_se_olvidan_las_terminadas_mas_antiguas_y_ninguna_pendiente():
    ordenes, _ = abrir()
    for numero in range(2, 1_000):
        ordenes.intentar(NUEVA._replace(id_cliente=f"tm-{numero}"))
        ordenes.aplicar(f"tm-{numero}", Rechazada("no margin"))

    assert "tm-1" in ordenes
    assert "tm-2" not in ordenes
    assert "tm-999" in ordenes
    assert len(list(ordenes)) < 300


@pytest.mark.parametrize(
    ("estado", "ejecutada", "esperado"),
    [
        (EstadoOrden.NEW, 0.0, EstadoVida.ACEPTADA),
        (EstadoOrden.NEW, 0.04, EstadoVida.PARCIAL),
        (EstadoOrden.PARTIALLY_FILLED, 0.04, EstadoVida.PARCIAL),
        (EstadoOrden.FILLED, 0.1, EstadoVida.EJECUTADA),
        (EstadoOrden.CANCELED, 0.0, EstadoVida.CANCELADA),
        (EstadoOrden.EXPIRED, 0.04, EstadoVida.CANCELADA),
        (EstadoOrden.EXPIRED_IN_MATCH, 0.0, EstadoVida.CANCELADA),
    ],
)
def test_cada_palabra_de_la_bolsa_es_un_hecho(estado: EstadoOrden, ejecutada: float, esperado: EstadoVida):
    hecho: Any = hecho_de(RespuestaOrden("tm-1", 7, estado, ejecutada, None))

    assert (hecho.estado, hecho.ejecutada, hecho.id_bolsa) == (esperado, ejecutada, 7)
    assert hecho.motivo == (estado.value if esperado is EstadoVida.CANCELADA else "")


def test_una_orden_que_la_bolsa_da_por_rechazada_lo_esta():
    hecho = hecho_de(RespuestaOrden("tm-1", 7, EstadoOrden.REJECTED, 0.0, None))

    assert hecho == Rechazada("order tm-1 ended REJECTED")
