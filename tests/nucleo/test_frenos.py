"""The brake: it never loosens and never crosses the mark, whatever trails it."""

from __future__ import annotations

from functools import reduce
from math import inf, nan

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from src.nucleo.errores import DatosInvalidos, StopFueraDeFiltro, StopInaceptable, StopMalLado, StopMasFlojo
from src.nucleo.frenos import (
    Freno,
    ReglaFreno,
    ReglaMomento,
    TipoFreno,
    ajustar,
    apretar,
    intervalo_ms,
    momento,
    nombre_visible,
    nuevo_freno,
    tipo_por_defecto,
)
from src.nucleo.tipos import EscalaPrecio
from tests.nucleo.test_niveles import ESCALERA

TICK = EscalaPrecio(1, 10)
ENTRADA, INICIAL, OBJETIVO = 44_000.0, 43_000.0, 46_000.0
HORA_MS = 3_600_000


def un_freno(
    objetivo: float | None = OBJETIVO, *, entrada: float = ENTRADA, inicial: float = INICIAL
) -> Freno:
    return nuevo_freno(entrada, inicial, objetivo, entrada, 0, largo=inicial < entrada)


def un_corto(objetivo: float | None = 42_000.0) -> Freno:
    return un_freno(objetivo, inicial=45_000.0)


def regla(tipo: TipoFreno = TipoFreno.NIVELES, costo: float = 0.0015, porcentaje: float = 1.0) -> ReglaFreno:
    return ReglaFreno(tipo, costo, porcentaje)


NIVELES, HAND_SPAN, PORCENTAJE = (
    regla(tipo) for tipo in (TipoFreno.NIVELES, TipoFreno.HAND_SPAN, TipoFreno.PORCENTAJE)
)


class TestNiveles:
    def test_la_escalera_entera(self):
        """In at 44,000 with the stop at 43,000 and the target at 46,000; one mark on each threshold."""
        freno, vistos = un_freno(), []
        for _, mark, _ in ESCALERA:
            freno = ajustar(freno, mark, 1, NIVELES, TICK)
            vistos.append((freno.nivel, mark, freno.stop))

        assert vistos == ESCALERA
        assert (freno.entrada, freno.stop_inicial, freno.objetivo) == (ENTRADA, INICIAL, OBJETIVO)

    def test_la_escalera_de_un_corto(self):
        """Its break-even is 44,000 / 1.0015 = 43,934.0988, on the tick away from the market."""
        freno, vistos = un_corto(), []
        for _, mark, _ in ESCALERA:
            freno = ajustar(freno, 88_000.0 - mark, 1, NIVELES, TICK)
            vistos.append((freno.nivel, freno.stop))

        assert vistos == [
            (nombre, 43_934.1 if nombre == "break_even" else pytest.approx(88_000.0 - stop))
            for nombre, _, stop in ESCALERA
        ]

    def test_un_salto_se_lleva_al_mas_alto(self):
        freno = ajustar(un_freno(), 45_500.0, 7, NIVELES, TICK)

        assert (freno.stop, freno.nivel, freno.ajustado_ms) == (45_100.0, "profit_55", 7)

    def test_un_nivel_repetido_no_se_aplica_otra_vez(self):
        """Even where it now asks for a tighter stop: the entry has moved meanwhile."""
        freno = ajustar(un_freno(), 44_700.0, 1, NIVELES, TICK)._replace(entrada=44_050.0)

        assert ajustar(freno, 44_800.0, 2, NIVELES, TICK) is freno

    def test_un_nivel_nuevo_no_espera(self):
        freno = ajustar(un_freno(), 44_700.0, 5, NIVELES, TICK)

        assert ajustar(freno, 45_000.0, 5, NIVELES, TICK).nivel == "profit_20"

    def test_lo_que_el_mark_no_permite_se_deja_en_el_anterior(self):
        """The target is so near that break-even with costs lies beyond it."""
        freno = ajustar(un_freno(44_100.0), 44_050.0, 1, NIVELES, TICK)

        assert (freno.nivel, freno.stop) == ("profit_20", 44_020.0)

    def test_el_retroceso_no_cambia_nada(self):
        freno = ajustar(un_freno(), 45_900.0, 1, NIVELES, TICK)

        assert ajustar(freno, 45_810.0, 2, NIVELES, TICK) is freno

    def test_sin_objetivo_va_por_tramos(self):
        assert ajustar(un_freno(None), 46_000.0, 1, NIVELES, TICK).nivel == "span_2"
        assert tipo_por_defecto(None) is TipoFreno.HAND_SPAN
        assert tipo_por_defecto(46_000.0) is TipoFreno.NIVELES


class TestHandSpan:
    def test_de_tramo_en_tramo(self):
        freno, vistos = un_freno(), []
        for mark in (44_900.0, 45_000.0, 45_900.0, 46_000.0, 44_500.0, 47_100.0, 52_000.0):
            freno = ajustar(freno, mark, 1, HAND_SPAN, TICK)
            vistos.append((freno.nivel, freno.stop))

        assert vistos == [
            ("", 43_000.0),
            ("break_even", 44_066.0),
            ("break_even", 44_066.0),
            ("span_2", 45_000.0),
            ("span_2", 45_000.0),
            ("span_3", 46_000.0),
            ("span_8", 51_000.0),
        ]

    def test_un_corto(self):
        freno = ajustar(un_corto(), 43_000.0, 1, HAND_SPAN, TICK)
        assert (freno.nivel, freno.stop) == ("break_even", 43_934.1)

        freno = ajustar(freno, 41_500.0, 1, HAND_SPAN, TICK)
        assert (freno.nivel, freno.stop) == ("span_2", 43_000.0)

    def test_el_tramo_sale_del_primer_stop_y_no_del_que_rige(self):
        freno = apretar(un_freno(), 43_900.0, 44_000.0, TICK)

        assert ajustar(freno, 44_500.0, 1, HAND_SPAN, TICK) is freno
        assert ajustar(freno, 46_000.0, 1, HAND_SPAN, TICK).stop == 45_000.0


class TestPorcentaje:
    def test_sigue_al_mejor_precio(self):
        freno = ajustar(un_freno(), 45_000.0, 60_000, PORCENTAJE, TICK)

        assert (freno.extremo, freno.stop, freno.nivel) == (45_000.0, 44_550.0, "porcentaje")

    def test_entre_dos_ajustes_espera_y_recuerda(self):
        freno = ajustar(un_freno(), 45_000.0, 59_999, PORCENTAJE, TICK)
        assert (freno.extremo, freno.stop) == (45_000.0, 43_000.0)

        freno = ajustar(freno, 44_900.0, 60_000, PORCENTAJE, TICK)
        assert (freno.stop, freno.ajustado_ms) == (44_550.0, 60_000)
        assert ajustar(freno, 45_100.0, 119_999, PORCENTAJE, TICK).stop == 44_550.0

    def test_lo_que_ya_seria_un_disparo_no_se_coloca(self):
        freno = ajustar(un_freno(), 45_000.0, 1, PORCENTAJE, TICK)

        assert ajustar(freno, 44_500.0, HORA_MS, PORCENTAJE, TICK) is freno

    def test_un_corto(self):
        freno = ajustar(un_corto(), 43_000.0, 60_000, PORCENTAJE, TICK)

        assert (freno.extremo, freno.stop) == (43_000.0, 43_430.0)


class TestMomento:
    @pytest.mark.parametrize(
        ("mark", "horas", "esperado"),
        [(45_000.0, 1.0, 0.5), (45_000.0, 2.0, 0.25), (46_000.0, 0.5, 2.0), (43_000.0, 1.0, -0.5)],
    )
    def test_es_la_parte_del_camino_por_hora(self, mark, horas, esperado):
        instante_ms = int(horas * HORA_MS)

        assert momento(un_freno(), mark, instante_ms) == esperado
        assert momento(un_corto(), 88_000.0 - mark, instante_ms) == esperado

    def test_sin_objetivo_el_camino_es_un_tramo(self):
        assert momento(un_freno(None), 45_000.0, HORA_MS) == 1.0
        assert momento(un_corto(None), 43_000.0, HORA_MS) == 1.0

    def test_en_el_instante_de_abrir(self):
        assert momento(un_freno(), 44_001.0, 0) == inf
        assert momento(un_freno(), 44_000.0, 0) == 0.0

    def test_sin_camino_no_hay_momento(self):
        assert momento(un_freno(ENTRADA), 45_000.0, HORA_MS) == 0.0

    @pytest.mark.parametrize(
        ("parte", "segundos"),
        [(0.2, 60), (0.19, 90), (0.05, 90), (0.049, 240), (0.0, 240), (-1.0, 240), (inf, 60)],
    )
    def test_el_intervalo(self, parte, segundos):
        assert intervalo_ms(parte, ReglaMomento()) == segundos * 1000

    def test_los_limites_se_eligen(self):
        assert intervalo_ms(0.2, ReglaMomento(alto=0.5, bajo=0.3)) == 240_000


class TestApretar:
    def test_un_stop_mas_cercano(self):
        freno = apretar(un_freno(), 43_500.07, 44_000.0, TICK, instante_ms=9)

        assert (freno.stop, freno.nivel, freno.ajustado_ms) == (43_500.0, "manual_adjust", 9)
        assert freno.stop_inicial == 43_000.0

    def test_el_nombre_que_le_dan_se_conserva(self):
        freno = apretar(un_freno(), 43_200.0, 44_400.0, TICK, "towards_be_20")

        assert nombre_visible(freno.nivel) == "towards_be_20"
        assert [nombre_visible(nivel) for nivel in ("", "span_2", "manual_adjust")] == [
            "",
            "span_2",
            "manual_adjust",
        ]

    @pytest.mark.parametrize("tipo", [TipoFreno.NIVELES, TipoFreno.HAND_SPAN])
    @pytest.mark.parametrize("nombre", ["span_99", "profit_90", "break_even", "manual_adjust"])
    def test_el_nombre_que_le_dan_no_agota_ningun_nivel(self, tipo: TipoFreno, nombre: str):
        """Whatever somebody calls it, the strategy goes on from there as from a stop of its own."""
        freno = un_freno()
        movido = apretar(freno, 43_200.0, 44_400.0, TICK, nombre)

        assert ajustar(movido, 45_900.0, 1, regla(tipo), TICK) == ajustar(
            freno, 45_900.0, 1, regla(tipo), TICK
        )

    @pytest.mark.parametrize(
        ("freno", "stop", "texto"),
        [
            (un_freno(), 42_999.9, "Looser stop not allowed (current 43000.0, new 42999.9)"),
            (un_corto(), 45_000.1, "Looser stop not allowed (current 45000.0, new 45000.1)"),
        ],
    )
    def test_uno_mas_flojo_se_niega(self, freno, stop, texto):
        with pytest.raises(StopMasFlojo) as fallo:
            apretar(freno, stop, 44_000.0, TICK)

        assert str(fallo.value) == texto

    def test_el_mismo_se_acepta_y_el_redondeo_no_lo_afloja(self):
        assert apretar(un_freno(), 43_000.0, 44_000.0, TICK).stop == 43_000.0
        assert apretar(un_freno(inicial=43_000.05), 43_000.07, 44_000.0, TICK).stop == 43_000.05

    @pytest.mark.parametrize(
        ("freno", "stop", "donde"),
        [(un_freno(), 44_500.0, "below"), (un_freno(), 44_600.0, "below"), (un_corto(), 44_500.0, "above")],
    )
    def test_uno_al_otro_lado_del_mark_se_niega(self, freno, stop, donde):
        with pytest.raises(StopMalLado, match=rf"wrong side of the mark 44500\.0: .* {donde}"):
            apretar(freno, stop, 44_500.0, TICK)

    @pytest.mark.parametrize("stop", [nan, inf, -inf, 0.0, -1.0, 0.04])
    def test_lo_que_no_es_un_precio_se_niega(self, stop):
        with pytest.raises(StopFueraDeFiltro, match="outside the price filter"):
            apretar(un_freno(), stop, 44_000.0, TICK)

    @pytest.mark.parametrize(("freno", "stop"), [(un_freno(), 43_700.1), (un_corto(), 43_099.9)])
    def test_lo_que_el_filtro_no_admite_se_niega_con_sus_limites(self, freno, stop):
        estrecho = EscalaPrecio(1, 10, 43_100.0, 43_700.0)
        with pytest.raises(StopFueraDeFiltro, match=r"must be a price from 43100\.0 to 43700\.0"):
            apretar(freno, stop, 44_000.0 if freno.largo else 43_000.0, estrecho)

    def test_sin_un_mark_no_hay_lado_bueno(self):
        with pytest.raises(StopMalLado):
            apretar(un_freno(), 43_500.0, nan, TICK)


@pytest.mark.parametrize("mark", [nan, inf, 0.0, -1.0])
def test_un_mark_que_no_es_un_precio_no_mueve_nada(mark):
    with pytest.raises(DatosInvalidos, match="mark price is"):
        ajustar(un_freno(), mark, 1, NIVELES, TICK)


def test_fija_no_se_mueve_nunca():
    freno = un_freno()

    assert ajustar(freno, 60_000.0, HORA_MS, regla(TipoFreno.FIJA), TICK) is freno


PASO = 0.1
TIPOS = st.sampled_from(TipoFreno)
COSTOS = st.sampled_from([0.0, 0.0005, 0.0015, 0.02])
REGLAS = st.builds(
    regla, TIPOS, COSTOS, st.floats(0.05, 20.0, allow_nan=False).map(lambda parte: round(parte, 3))
)
CAMINOS = st.lists(
    st.tuples(st.integers(5_000, 60_000), st.integers(1_000, 400_000)), min_size=1, max_size=25
)


def en_precio(ticks: int) -> float:
    return ticks / 10


@st.composite
def unos_frenos(draw: st.DrawFn) -> Freno:
    """Either side, with a target or without one, around a price of 3,000."""
    lado = draw(st.sampled_from([1, -1]))
    entrada = draw(st.integers(25_000, 35_000))
    inicial = entrada - lado * draw(st.integers(1, 5_000))
    objetivo = draw(st.none() | st.integers(1, 8_000).map(lambda n: entrada + lado * n))
    return un_freno(
        None if objetivo is None else en_precio(objetivo),
        entrada=en_precio(entrada),
        inicial=en_precio(inicial),
    )


def marcas(camino: list[tuple[int, int]]) -> list[tuple[float, int]]:
    instantes = [sum(paso for _, paso in camino[: i + 1]) for i in range(len(camino))]
    return [(en_precio(ticks), instante) for (ticks, _), instante in zip(camino, instantes, strict=True)]


def mas_cerca_o_igual(freno: Freno, uno: float, otro: float) -> bool:
    return uno >= otro if freno.largo else uno <= otro


def recorrer(freno: Freno, regla: ReglaFreno, camino: list[tuple[int, int]]) -> Freno:
    return reduce(lambda f, m: ajustar(f, *m, regla, TICK), marcas(camino), freno)


class TestPropiedades:
    @given(freno=unos_frenos(), regla=REGLAS, camino=CAMINOS)
    def test_nunca_afloja_ni_cruza_el_mark(self, freno: Freno, regla: ReglaFreno, camino):
        for mark, instante_ms in marcas(camino):
            antes, freno = freno, ajustar(freno, mark, instante_ms, regla, TICK)
            assert mas_cerca_o_igual(freno, freno.stop, antes.stop)
            if freno.stop != antes.stop:
                assert freno.stop < mark if freno.largo else freno.stop > mark
                assert (freno.nivel, freno.ajustado_ms) != (antes.nivel, antes.ajustado_ms)
                assert freno.stop == pytest.approx(round(freno.stop, 1), abs=1e-9)
            assert freno[:3] == antes[:3]
            assert (freno.objetivo, freno.abierto_ms) == (antes.objetivo, antes.abierto_ms)

    @given(
        freno=unos_frenos(),
        regla=REGLAS,
        camino=CAMINOS,
        mark=st.integers(5_000, 60_000),
        mejora=st.integers(0, 9_000),
        paso=st.integers(1, 400_000),
    )
    def test_un_mark_mas_favorable_nunca_deja_un_stop_mas_flojo(
        self, freno, regla, camino, mark, mejora, paso
    ):
        freno = recorrer(freno, regla, camino)
        lado = 1 if freno.largo else -1
        assume(mark + lado * mejora > 0)
        instante_ms = marcas(camino)[-1][1] + paso

        uno, otro = (
            ajustar(freno, en_precio(ticks), instante_ms, regla, TICK).stop
            for ticks in (mark, mark + lado * mejora)
        )
        assert mas_cerca_o_igual(freno, otro, uno)

    @given(freno=unos_frenos(), regla=REGLAS, camino=CAMINOS)
    def test_el_mismo_mark_otra_vez_no_cambia_nada(self, freno, regla, camino):
        for mark, instante_ms in marcas(camino):
            freno = ajustar(freno, mark, instante_ms, regla, TICK)
            assert ajustar(freno, mark, instante_ms, regla, TICK) is freno

    @given(
        freno=unos_frenos(),
        tipo=st.sampled_from([TipoFreno.FIJA, TipoFreno.NIVELES, TipoFreno.HAND_SPAN]),
        camino=CAMINOS,
    )
    def test_largos_y_cortos_se_reflejan_en_la_entrada(self, freno: Freno, tipo, camino):
        """Break-even at the entry: its cost is a factor, and so is the distance of the percentage."""
        sin_costo = regla(tipo, costo=0.0)
        otro = reflejar(freno)
        for mark, instante_ms in marcas(camino):
            reflejo = 2.0 * freno.entrada - mark
            assume(reflejo > 0.0)
            freno = ajustar(freno, mark, instante_ms, sin_costo, TICK)
            otro = ajustar(otro, reflejo, instante_ms, sin_costo, TICK)
            assert otro.nivel == freno.nivel
            assert otro.stop == pytest.approx(2.0 * freno.entrada - freno.stop, abs=1e-6)

    @given(freno=unos_frenos(), camino=CAMINOS, porcentaje=st.sampled_from([0.5, 1.0, 3.0]))
    def test_el_porcentaje_deja_a_los_dos_lados_la_misma_fraccion(self, freno, camino, porcentaje):
        """Each stop it sets is that part of the best price away from it, within a tick."""
        una = regla(TipoFreno.PORCENTAJE, porcentaje=porcentaje)
        for mark, instante_ms in marcas(camino):
            antes, freno = freno, ajustar(freno, mark, instante_ms, una, TICK)
            if freno.stop != antes.stop:
                assert abs(freno.extremo - freno.stop) == pytest.approx(
                    freno.extremo * porcentaje / 100.0, abs=PASO * 1.001
                )

    @given(freno=unos_frenos(), regla=REGLAS, camino=CAMINOS)
    def test_ningun_nivel_se_aplica_dos_veces(self, freno, regla, camino):
        assume(regla.tipo is not TipoFreno.PORCENTAJE)
        aplicados = []
        for mark, instante_ms in marcas(camino):
            antes, freno = freno, ajustar(freno, mark, instante_ms, regla, TICK)
            if freno.nivel != antes.nivel:
                aplicados.append(freno.nivel)
            else:
                assert freno.stop == antes.stop
        assert len(aplicados) == len(set(aplicados))

    @given(freno=unos_frenos(), stop=st.floats(-1.0, 7_000.0), mark=st.integers(5_000, 60_000))
    def test_a_mano_tampoco_se_afloja_ni_se_cruza(self, freno: Freno, stop: float, mark: int):
        try:
            nuevo = apretar(freno, stop, en_precio(mark), TICK)
        except StopInaceptable:
            return
        assert mas_cerca_o_igual(freno, nuevo.stop, freno.stop)
        assert nuevo.stop < en_precio(mark) if freno.largo else nuevo.stop > en_precio(mark)


def reflejar(freno: Freno) -> Freno:
    entrada = freno.entrada
    objetivo = None if freno.objetivo is None else 2.0 * entrada - freno.objetivo
    inicial = 2.0 * entrada - freno.stop_inicial
    return nuevo_freno(entrada, inicial, objetivo, entrada, 0, largo=not freno.largo)


def test_un_freno_no_pasa_del_filtro_de_precio():
    """The exchange would refuse 44,550."""
    hasta_44_500 = EscalaPrecio(1, 10, maximo=44_500.0)

    assert ajustar(un_freno(), 45_000.0, 60_000, PORCENTAJE, hasta_44_500).stop == 44_500.0
