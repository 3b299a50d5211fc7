"""The life of one order as a fold over facts."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.ordenes import Orden
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
    avanzar,
)

NUEVA = VidaOrden("tm-1", "BTCUSDT", LadoOrden.BUY, 0.1, False, "f:0")
ENVIADA = Enviada(1)
PERDIDA = Incierta("no answer")
AUSENTE = Ausente()
RECHAZADA = Rechazada("no margin", -2019)
ACEPTADA = Vista(EstadoVida.ACEPTADA, 7)
PARCIAL = Vista(EstadoVida.PARCIAL, 7, 0.04, 30_000.0)
EJECUTADA = Vista(EstadoVida.EJECUTADA, 7, 0.1, 30_001.0)
EXPIRADA = Vista(EstadoVida.CANCELADA, 7, 0.04, 30_000.0, "EXPIRED")
NADA = Vista(EstadoVida.CANCELADA, 7, 0.0, None, "EXPIRED")

VIDAS = {
    "executed at once": (ENVIADA, EJECUTADA),
    "filled in parts": (ENVIADA, ACEPTADA, PARCIAL, EJECUTADA),
    "a part, the rest expired": (ENVIADA, PARCIAL, EXPIRADA),
    "expired": (ENVIADA, ACEPTADA, NADA),
    "refused": (ENVIADA, RECHAZADA),
    "answer lost": (ENVIADA, PERDIDA, EJECUTADA),
    "request lost, sent again": (ENVIADA, PERDIDA, AUSENTE, Enviada(2), EJECUTADA),
    "request lost, not sent again": (ENVIADA, PERDIDA, AUSENTE, Rechazada("never arrived")),
    "request lost twice": (ENVIADA, PERDIDA, AUSENTE, Enviada(2), PERDIDA, AUSENTE, Rechazada("never")),
    "found before anybody knew that it was sent": (EJECUTADA,),
    "accepted, then refused": (ENVIADA, ACEPTADA, RECHAZADA),
    "absent, and there after all": (ENVIADA, PERDIDA, AUSENTE, ACEPTADA, EJECUTADA),
}


def vivir(hechos: tuple[Hecho, ...]) -> VidaOrden:
    return reduce(avanzar, hechos, NUEVA)


@pytest.mark.parametrize("hechos", VIDAS.values(), ids=VIDAS)
def test_una_vida_acaba_en_lo_que_dijo_la_bolsa(hechos: tuple[Hecho, ...]):
    vida = vivir(hechos)

    assert vida.terminada
    assert not vida.abierta
    assert not vida.incierta
    ultima = hechos[-1]
    if isinstance(ultima, Vista):
        assert (vida.estado, vida.ejecutada, vida.id_bolsa) == (ultima.estado, ultima.ejecutada, 7)
    else:
        assert vida.estado is EstadoVida.RECHAZADA


@pytest.mark.parametrize(
    ("hechos", "incierta", "abierta"),
    [
        ((), True, False),
        ((ENVIADA,), True, False),
        ((ENVIADA, PERDIDA), True, False),
        ((ENVIADA, PERDIDA, AUSENTE), True, False),
        ((ENVIADA, ACEPTADA), False, True),
        ((ENVIADA, PARCIAL), False, True),
    ],
)
def test_lo_que_no_ha_terminado_o_esta_en_la_bolsa_o_no_se_sabe(
    hechos: tuple[Hecho, ...], incierta: bool, abierta: bool
):
    vida = vivir(hechos)

    assert (vida.incierta, vida.abierta, vida.terminada) == (incierta, abierta, False)


def test_una_vida_sabe_que_orden_es():
    assert NUEVA.orden == Orden("BTCUSDT", LadoOrden.BUY, 0.1, False, "tm-1")


def test_un_rechazo_conserva_su_codigo_y_su_motivo():
    vida = vivir((ENVIADA, RECHAZADA))

    assert (vida.codigo, vida.motivo) == (-2019, "no margin")


def test_el_precio_que_ya_se_sabia_no_se_olvida():
    sin_precio = EJECUTADA._replace(precio_medio=None)

    assert vivir((ENVIADA, PARCIAL, sin_precio)).precio_medio == 30_000.0


@pytest.mark.parametrize("hechos", VIDAS.values(), ids=VIDAS)
def test_lo_que_llega_dos_veces_o_tarde_no_cambia_nada(hechos: tuple[Hecho, ...]):
    """Every fact of a life, told again at any later moment, except one that it overcame by proof."""
    for fin in range(1, len(hechos) + 1):
        vida = vivir(hechos[:fin])
        for pasado in hechos[:fin]:
            if isinstance(pasado, Incierta | Ausente) and vida.intentos == 2:
                continue  # they may be news of the second attempt
            if isinstance(pasado, Vista) and vida.estado is EstadoVida.RECHAZADA:
                continue  # a contradiction
            assert avanzar(vida, pasado) is vida


@pytest.mark.parametrize(
    ("hechos", "imposible"),
    [
        ((), Enviada(2)),
        ((ENVIADA,), Enviada(2)),
        ((ENVIADA,), AUSENTE),
        ((ENVIADA, PERDIDA), Enviada(2)),
        ((ENVIADA, PERDIDA, AUSENTE), Enviada(3)),
        ((ENVIADA, PARCIAL), RECHAZADA),
        ((ENVIADA, PARCIAL), NADA),
        ((ENVIADA, EJECUTADA), EXPIRADA),
        ((ENVIADA, EJECUTADA), RECHAZADA),
        ((ENVIADA, EJECUTADA), Enviada(2)),
        ((ENVIADA, EXPIRADA), EJECUTADA),
        ((ENVIADA, EXPIRADA), EXPIRADA._replace(ejecutada=0.05)),
        ((ENVIADA, EXPIRADA), PARCIAL._replace(ejecutada=0.05)),
        ((ENVIADA, RECHAZADA), EJECUTADA),
        ((ENVIADA, RECHAZADA), Enviada(2)),
        ((ENVIADA,), EJECUTADA._replace(ejecutada=0.2)),
        ((ENVIADA,), Vista(EstadoVida.INCIERTA, 7)),
    ],
)
def test_lo_que_contradice_lo_sabido_es_un_error_que_nombra_las_dos_cosas(
    hechos: tuple[Hecho, ...], imposible: Hecho
):
    vida = vivir(hechos)

    with pytest.raises(
        ValueError, match=rf"is {vida.estado.value}.* cannot become {type(imposible).__name__}"
    ):
        avanzar(vida, imposible)


cantidades = st.integers(0, 100).map(lambda n: n / 1_000)
hechos_cualesquiera = st.one_of(
    st.integers(1, 3).map(Enviada),
    st.builds(Vista, st.sampled_from(list(EstadoVida)), st.just(7), cantidades, st.just(30_000.0)),
    st.just(RECHAZADA),
    st.just(PERDIDA),
    st.just(AUSENTE),
)


@given(st.lists(hechos_cualesquiera, max_size=12))
def test_pase_lo_que_pase_lo_ejecutado_no_mengua_y_lo_terminado_no_cambia(hechos: list[Hecho]):
    vida = NUEVA
    for hecho in hechos:
        try:
            despues = avanzar(vida, hecho)
        except ValueError:
            continue
        assert vida.ejecutada <= despues.ejecutada <= vida.cantidad
        assert vida.intentos <= despues.intentos <= vida.intentos + 1
        assert not vida.terminada or despues is vida
        assert not vida.abierta or not despues.incierta
        assert avanzar(despues, hecho) is despues or despues.estado is EstadoVida.ENVIADA
        vida = despues


noticias = st.lists(
    st.sampled_from([ACEPTADA, PARCIAL, PARCIAL._replace(ejecutada=0.07), EJECUTADA]), max_size=6
)


@given(noticias, st.randoms(use_true_random=False))
def test_el_orden_de_las_noticias_no_importa(hechos: list[Hecho], azar):  # type: ignore[no-untyped-def]
    barajadas = list(hechos)
    azar.shuffle(barajadas)
    inicio = avanzar(NUEVA, ENVIADA)

    una, otra = reduce(avanzar, hechos, inicio), reduce(avanzar, barajadas, inicio)

    assert (una.estado, una.ejecutada) == (otra.estado, otra.ejecutada)
