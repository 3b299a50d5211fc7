"""What protects a position after its fills and at each mark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.frenos import ReglaFreno, TipoFreno, nuevo_freno
from src.nucleo.proteccion import (
    SIN_PROTECCION,
    EstadoProteccion,
    ReglaProteccion,
    al_mark,
    gatillo,
    objetivo,
    tras_operar,
    ya_cruzada,
)
from src.nucleo.stops import TipoProteccion, renovar_en
from src.nucleo.volatilidad import Distancia, ModoDistancia
from tests.constructores import un_mercado

MERCADO = un_mercado()
PORCENTAJE, ATR, SPAN = ModoDistancia.PORCENTAJE, ModoDistancia.ATR, ModoDistancia.SPAN
LIMITE, PRECIO, SALDO = 0.2, 30_000.0, 10_000.0


def una_regla(tipo: str = "niveles", stop: Distancia = Distancia(PORCENTAJE, 2.0)) -> ReglaProteccion:  # noqa: B008
    return ReglaProteccion(
        TipoProteccion(tipo),
        LIMITE,
        freno=ReglaFreno(TipoFreno(tipo), porcentaje=1.0),
        stop=stop,
        objetivo=Distancia(SPAN, 2.0),
    )


def operar(
    estado: EstadoProteccion,
    antes: float,
    despues: float,
    regla: ReglaProteccion | None = None,
    *,
    entrada: float = PRECIO,
    atr: float | None = None,
    instante_ms: int = 0,
) -> EstadoProteccion:
    cuenta = (SALDO, despues, entrada if despues else 0.0)
    return tras_operar(estado, antes, cuenta, PRECIO, atr, SALDO, instante_ms, regla or una_regla(), MERCADO)


class TestTrasOperar:
    @pytest.mark.parametrize(
        ("cantidad", "stop", "meta"), [(0.5, 29_400.0, 31_200.0), (-0.5, 30_600.0, 28_800.0)]
    )
    def test_nace_con_la_posicion(self, cantidad, stop, meta):
        estado = operar(SIN_PROTECCION, 0.0, cantidad, instante_ms=7)

        assert estado.nivel == (26_000.0 if cantidad > 0 else 34_000.0)
        assert estado.freno == nuevo_freno(PRECIO, stop, meta, PRECIO, 7, largo=cantidad > 0)

    def test_el_atr_es_el_de_la_vela_observada(self):
        regla = una_regla(stop=Distancia(ATR, 2.0))

        assert operar(SIN_PROTECCION, 0.0, 0.5, regla, atr=150.0).freno.stop == 29_700.0

    def test_sin_un_stop_posible_queda_el_de_catastrofe(self):
        estado = operar(SIN_PROTECCION, 0.0, 0.5, una_regla(stop=Distancia(ATR, 2.0)), atr=None)

        assert estado == EstadoProteccion(26_000.0, None)
        assert operar(estado, 0.5, 0.6, una_regla()).freno is None

    @pytest.mark.parametrize(("tipo", "nivel"), [("ninguna", None), ("catastrofe", 26_000.0)])
    def test_otras_protecciones_no_tienen_freno(self, tipo, nivel):
        regla = ReglaProteccion(TipoProteccion(tipo), LIMITE)
        estado = operar(SIN_PROTECCION, 0.0, 0.5, regla)

        assert estado == EstadoProteccion(nivel, None)
        assert al_mark(estado, 31_000.0, 1, regla, MERCADO) is estado

    def test_al_cerrar_se_olvida_y_al_dar_la_vuelta_es_nuevo(self):
        estado = operar(SIN_PROTECCION, 0.0, 0.5)

        assert operar(estado, 0.5, 0.0) == SIN_PROTECCION
        assert operar(estado, 0.5, -0.5).freno.stop == 30_600.0

    def test_reducir_no_lo_toca(self):
        estado = operar(SIN_PROTECCION, 0.0, 0.5)

        assert operar(estado, 0.5, 0.2) == estado

    def test_al_aumentar_solo_se_mueve_la_entrada(self):
        estado = operar(SIN_PROTECCION, 0.0, 0.2)
        estado = al_mark(estado, 30_700.0, 5, una_regla(), MERCADO)
        assert (estado.freno.stop, estado.freno.nivel) == (30_240.0, "profit_20")

        nuevo = operar(estado, 0.2, 0.4, entrada=30_350.0).freno
        assert nuevo == estado.freno._replace(entrada=30_350.0, nivel="")

    @given(
        tipo=st.sampled_from(["catastrofe", "fija", "niveles", "hand_span", "porcentaje"]),
        antes=st.integers(-8, 8).map(lambda n: n / 10),
        despues=st.integers(-8, 8).map(lambda n: n / 10),
    )
    def test_el_nivel_es_siempre_el_de_catastrofe(self, tipo, antes, despues):
        regla = una_regla(tipo) if tipo != "catastrofe" else ReglaProteccion(TipoProteccion(tipo), LIMITE)
        previo = operar(SIN_PROTECCION, 0.0, antes, regla)
        cuenta = (SALDO, despues, PRECIO if despues else 0.0)

        assert operar(previo, antes, despues, regla).nivel == renovar_en(
            previo.nivel, antes, cuenta, PRECIO, SALDO, LIMITE, MERCADO, 0.8
        )


class TestAlMark:
    def test_sin_cambio_es_el_mismo_objeto(self):
        estado = operar(SIN_PROTECCION, 0.0, 0.5)

        assert al_mark(estado, 30_200.0, 5, una_regla(), MERCADO) is estado

    def test_el_freno_se_aprieta_y_el_nivel_se_queda(self):
        estado = operar(SIN_PROTECCION, 0.0, 0.5)
        nuevo = al_mark(estado, 30_300.0, 5, una_regla(), MERCADO)

        assert (nuevo.nivel, nuevo.freno.stop, nuevo.freno.nivel) == (26_000.0, 29_520.0, "towards_be_20")


class TestGatillo:
    FRENO = nuevo_freno(PRECIO, 29_400.0, 31_200.0, PRECIO, 0, largo=True)
    CORTO = nuevo_freno(PRECIO, 30_600.0, None, PRECIO, 0, largo=False)

    @pytest.mark.parametrize(
        ("estado", "cantidad", "stop"),
        [
            (SIN_PROTECCION, 0.0, None),
            (EstadoProteccion(26_000.0), 0.5, 26_000.0),
            (EstadoProteccion(None, FRENO), 0.5, 29_400.0),
            (EstadoProteccion(26_000.0, FRENO), 0.5, 29_400.0),
            (EstadoProteccion(29_500.0, FRENO), 0.5, 29_500.0),
            (EstadoProteccion(34_000.0, CORTO), -0.5, 30_600.0),
            (EstadoProteccion(30_500.0, CORTO), -0.5, 30_500.0),
        ],
    )
    def test_es_el_que_el_mercado_encuentra_antes(self, estado, cantidad, stop):
        assert gatillo(estado, cantidad) == stop

    def test_el_objetivo(self):
        assert objetivo(EstadoProteccion(26_000.0)) is None
        assert objetivo(EstadoProteccion(26_000.0, self.FRENO)) == 31_200.0

    @pytest.mark.parametrize(
        ("precio", "cruzada"), [(29_400.0, True), (29_400.1, False), (31_199.9, False), (31_200.0, True)]
    )
    def test_mas_alla_de_uno_u_otro_se_cierra(self, precio, cruzada):
        assert ya_cruzada(EstadoProteccion(26_000.0, self.FRENO), 0.5, precio) is cruzada

    def test_sin_nada_no_hay_que_cerrar(self):
        assert not ya_cruzada(SIN_PROTECCION, 0.5, 1.0)
        assert not ya_cruzada(EstadoProteccion(None, self.CORTO), -0.5, 1.0)
