"""What lives at the exchange becomes what should, one request after the other, and is never less."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.reconciliacion import Deseo, siguiente_de
from src.nucleo.stops import (
    Cancelar,
    Colocar,
    Paso,
    StopVivo,
    TipoStop,
    cubren,
    lado_que_protege,
    que_cierran,
)
from src.nucleo.tipos import LadoOrden

NIVEL, FRENO, META = 25_000.0, 28_000.0, 34_000.0
STOP, TOMA = TipoStop.STOP_MARKET, TipoStop.TAKE_PROFIT_MARKET
TODO = Deseo(0.5, NIVEL, FRENO, META)
CIERRA = StopVivo("cierra", NIVEL, None, LadoOrden.SELL)
FRENA = StopVivo("frena", FRENO, 0.5, LadoOrden.SELL)
TOMA_GANANCIA = StopVivo("toma", META, 0.5, LadoOrden.SELL, TOMA)


class Bolsa:
    """Keeps orders as the exchange does; a second stop that closes in the same direction is refused."""

    def __init__(self, vivos: Sequence[StopVivo]) -> None:
        self.vivos = list(vivos)
        self._colocados = 0

    def aplicar(self, paso: Paso, cantidad: float) -> None:
        if isinstance(paso, Cancelar):
            self.vivos = [vivo for vivo in self.vivos if vivo.id_cliente != paso.id_cliente]
            return
        lado = lado_que_protege(cantidad)
        assert paso.cantidad is not None or not que_cierran(lado, self.vivos), "-4130"
        self._colocados += 1
        nuevo = StopVivo(f"nuevo-{self._colocados}", paso.gatillo, paso.cantidad, lado, paso.tipo)
        self.vivos.append(nuevo)


def pasos_hasta(deseo: Deseo, vivos: Sequence[StopVivo]) -> list[Paso]:
    bolsa, pasos = Bolsa(vivos), []
    while (paso := siguiente_de(deseo, bolsa.vivos)) is not None:
        bolsa.aplicar(paso, deseo.cantidad)
        pasos.append(paso)
        assert len(pasos) < 30
    return pasos


def test_primero_lo_que_cierra_todo_despues_el_freno_y_al_final_la_meta():
    assert pasos_hasta(TODO, []) == [
        Colocar(None, NIVEL),
        Colocar(0.5, FRENO),
        Colocar(0.5, META, TOMA),
    ]


def test_un_freno_se_coloca_antes_de_cancelar_el_anterior():
    viejo = FRENA._replace(id_cliente="viejo", gatillo=27_000.0)

    assert pasos_hasta(TODO, [CIERRA, viejo, TOMA_GANANCIA]) == [Colocar(0.5, FRENO), Cancelar("viejo")]


def test_con_el_freno_puesto_el_que_cierra_todo_se_mueve_sin_puente():
    viejo = CIERRA._replace(id_cliente="viejo", gatillo=24_000.0)

    assert pasos_hasta(TODO, [viejo, FRENA, TOMA_GANANCIA]) == [Cancelar("viejo"), Colocar(None, NIVEL)]


def test_una_reduccion_cambia_las_cantidades_sin_dejar_de_cubrir():
    menos = TODO._replace(cantidad=0.2)

    assert pasos_hasta(menos, [CIERRA, FRENA, TOMA_GANANCIA]) == [
        Colocar(0.2, FRENO),
        Colocar(0.2, META, TOMA),
        Cancelar("frena"),
        Cancelar("toma"),
    ]


def test_una_meta_que_se_retira_se_cancela():
    sin_meta = TODO._replace(objetivo=None)

    assert pasos_hasta(sin_meta, [CIERRA, FRENA, TOMA_GANANCIA]) == [Cancelar("toma")]


def test_una_toma_de_ganancia_no_cubre_nada():
    assert not cubren(0.5, [TOMA_GANANCIA])


def test_donde_otro_cierra_todo_el_freno_basta():
    assert siguiente_de(TODO, [FRENA, TOMA_GANANCIA], ocupado=True) is None
    assert siguiente_de(TODO, [], ocupado=True) == Colocar(0.5, FRENO)


@pytest.mark.parametrize("cantidad", [0.5, -0.5])
def test_lo_que_una_orden_no_abarca_se_reparte(cantidad):
    deseo = Deseo(cantidad, NIVEL, FRENO, None, (0.25, 0.25))

    assert pasos_hasta(deseo, [])[1:] == [Colocar(0.25, FRENO)] * 2


def test_sin_posicion_se_retira_todo():
    assert pasos_hasta(Deseo(0.0), [CIERRA, FRENA]) == [Cancelar("cierra"), Cancelar("frena")]


PRECIOS = st.sampled_from([25_000.0, 26_000.0, 27_000.0])
CANTIDADES = st.sampled_from([0.2, 0.5])


@st.composite
def unos_vivos(draw: st.DrawFn) -> list[StopVivo]:
    """What any interruption may have left: at most one that closes in each direction."""
    fila = st.tuples(PRECIOS, CANTIDADES, st.sampled_from(LadoOrden), st.sampled_from(TipoStop))
    vivos = [StopVivo(f"q{i}", *f) for i, f in enumerate(draw(st.lists(fila, max_size=5)))]
    for lado in LadoOrden:
        if draw(st.booleans()):
            vivos.append(StopVivo(f"c{lado}", draw(PRECIOS), None, lado))
    return draw(st.permutations(vivos))


@st.composite
def unos_deseos(draw: st.DrawFn) -> Deseo:
    cantidad = draw(CANTIDADES) * draw(st.sampled_from([1, -1]))
    trozos = draw(st.sampled_from([(), (abs(cantidad) / 2, abs(cantidad) / 2)]))
    nada = st.none()
    return Deseo(cantidad, draw(PRECIOS), draw(nada | PRECIOS), draw(nada | PRECIOS), trozos)


def frena(bolsa: Bolsa, deseo: Deseo) -> bool:
    """Whether the trailing stops cover the position."""
    return deseo.freno is not None and cubren(
        deseo.cantidad, [v for v in bolsa.vivos if v.gatillo == deseo.freno and v.cantidad is not None]
    )


@given(
    deseo=unos_deseos(),
    vivos=unos_vivos(),
    aceptados=st.lists(st.booleans(), max_size=8),
    ocupado=st.booleans(),
)
def test_converge_sin_descubrir_nunca_lo_cubierto(deseo, vivos, aceptados, ocupado):
    """Whatever lives at first and whichever steps fail; a lost answer is a step done or not done."""
    lado = lado_que_protege(deseo.cantidad)
    if ocupado:
        vivos = [v for v in vivos if v.cantidad is not None]
    bolsa = Bolsa(vivos)
    cubierta, frenada = cubren(deseo.cantidad, vivos), frena(bolsa, deseo)
    for aceptado in [*aceptados, *[True] * (2 * len(vivos) + 8)]:
        paso = siguiente_de(deseo, bolsa.vivos, ocupado=ocupado)
        if paso is None:
            break
        if aceptado:
            bolsa.aplicar(paso, deseo.cantidad)
        assert cubren(deseo.cantidad, bolsa.vivos) or not cubierta
        assert frena(bolsa, deseo) or not frenada
        cubierta, frenada = cubren(deseo.cantidad, bolsa.vivos), frena(bolsa, deseo)

    assert siguiente_de(deseo, bolsa.vivos, ocupado=ocupado) is None
    quedan = sorted((v.tipo, v.gatillo, v.cantidad or 0.0) for v in bolsa.vivos)
    queridos = [(STOP, deseo.freno, parte) for parte in deseo.partes if deseo.freno is not None]
    queridos += [(TOMA, deseo.objetivo, parte) for parte in deseo.partes if deseo.objetivo is not None]
    if not ocupado:
        assert quedan == sorted([*queridos, (STOP, deseo.nivel, 0.0)])
    assert all(v.lado is lado for v in bolsa.vivos)
    assert cubren(deseo.cantidad, bolsa.vivos)


@given(vivos=unos_vivos(), deseo=unos_deseos())
def test_la_misma_pregunta_tiene_la_misma_respuesta(vivos, deseo):
    assert siguiente_de(deseo, vivos) == siguiente_de(deseo, vivos)
