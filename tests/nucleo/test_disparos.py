"""Triggers, tokens, guardrails and the breaker: pure rules."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.disparos import (
    ENFRIAMIENTO_MS,
    ESPERA_RESIDENTE_MS,
    REGLA_EJECUCIONES,
    Barrera,
    Disparo,
    Espera,
    Niveles,
    ReglasInquilino,
    Situacion,
    barreras,
    comprobar_precio,
    detienen,
    esperar,
    ficha_de_intento,
    mas_estrictas,
    pnl_esperado,
    precio_de_salida,
    slippage_pct,
    stop_de_porcentaje,
    token_de,
    vencida,
)
from src.nucleo.disyuntores import Disyuntor, EstadoDisyuntor
from src.nucleo.errores import DatosInvalidos

LARGO = Niveles(True, 88_200.0, 93_600.0)
CORTO = Niveles(False, 93_600.0, 88_200.0)
precios = st.floats(0.01, 1e6)


class TestDisparo:
    @pytest.mark.parametrize(
        ("niveles", "precio", "esperado"),
        [
            (LARGO, 88_200.1, None),
            (LARGO, 88_200.0, Disparo.STOP_LOSS),
            (LARGO, 93_600.0, Disparo.TAKE_PROFIT),
            (CORTO, 93_599.9, None),
            (CORTO, 93_600.0, Disparo.STOP_LOSS),
            (CORTO, 88_200.0, Disparo.TAKE_PROFIT),
            (Niveles(True, None, 93_600.0), 1.0, None),
            (Niveles(True, 88_200.0, None), 1e6, None),
        ],
    )
    def test_un_nivel_se_alcanza_al_tocarlo(self, niveles, precio, esperado):
        assert niveles.alcanzado(precio) is esperado

    @given(precio=precios)
    def test_el_stop_se_mira_antes_que_el_objetivo(self, precio):
        """A target on the stop's side of the price is reached too; the stop has the word."""
        assert Niveles(True, precio, precio).alcanzado(precio) is Disparo.STOP_LOSS
        assert Niveles(False, precio, precio).alcanzado(precio) is Disparo.STOP_LOSS

    @given(stop=precios, objetivo=precios, precio=precios)
    def test_largo_y_corto_son_espejos(self, stop, objetivo, precio):
        largo = Niveles(True, stop, objetivo).alcanzado(precio)
        corto = Niveles(False, -stop, -objetivo).alcanzado(-precio)
        assert largo is corto

    @given(stop=precios, precio=precios, mas=st.floats(0.0, 100.0))
    def test_un_precio_peor_tambien_lo_alcanza(self, stop, precio, mas):
        niveles = Niveles(True, stop, None)
        if niveles.alcanzado(precio):
            assert niveles.alcanzado(precio - mas)

    def test_un_largo_sale_al_bid_y_un_corto_al_ask(self):
        assert precio_de_salida(99.0, 101.0, largo=True) == 99.0
        assert precio_de_salida(99.0, 101.0, largo=False) == 101.0

    def test_el_precio_de_un_disparo_es_el_del_nivel(self):
        assert LARGO.precio_de(Disparo.STOP_LOSS) == 88_200.0
        assert LARGO.precio_de(Disparo.TAKE_PROFIT) == 93_600.0
        with pytest.raises(ValueError, match="has none"):
            LARGO._replace(stop=None).precio_de(Disparo.STOP_LOSS)


class TestEsperaDelResidente:
    def test_se_actua_a_los_tres_segundos_seguidos(self):
        espera = esperar(None, LARGO, 88_000.0, 1_000)
        espera = esperar(espera, LARGO, 87_000.0, 2_500)
        assert espera == Espera(Disparo.STOP_LOSS, 1_000)
        assert not vencida(espera, 3_999)
        assert vencida(espera, 4_000)

    def test_una_vuelta_del_precio_empieza_de_nuevo(self):
        espera = esperar(None, LARGO, 88_000.0, 1_000)
        espera = esperar(espera, LARGO, 88_201.0, 2_000)
        assert espera is None
        assert esperar(espera, LARGO, 88_000.0, 5_000) == Espera(Disparo.STOP_LOSS, 5_000)

    def test_un_mark_atrasado_no_la_interrumpe(self):
        espera = esperar(None, LARGO, 88_000.0, 1_000)
        assert esperar(espera, LARGO, 89_000.0, 999) == espera

    def test_del_objetivo_al_stop_se_espera_de_nuevo(self):
        espera = esperar(None, LARGO, 93_600.0, 1_000)
        assert esperar(espera, LARGO, 88_000.0, 2_000) == Espera(Disparo.STOP_LOSS, 2_000)

    @given(pasos=st.lists(st.tuples(st.sampled_from([88_000.0, 90_000.0, 94_000.0]), st.integers(1, 5_000))))
    def test_solo_vence_si_todo_el_plazo_estuvo_mas_alla(self, pasos):
        """Whatever the order of marks: an expired wait has nothing but marks beyond the same level in it."""
        espera, ahora, vistos = None, 0, []
        for mark, dt in pasos:
            ahora += dt
            vistos.append((ahora, LARGO.alcanzado(mark)))
            espera = esperar(espera, LARGO, mark, ahora)
            if vencida(espera, ahora):
                dentro = {d for t, d in vistos if t >= ahora - ESPERA_RESIDENTE_MS}
                assert dentro == {espera.disparo}
                assert espera.desde_ms in {t for t, _ in vistos}


class TestToken:
    @pytest.mark.parametrize("precio", [88_200, 88_200.0, Decimal("88200.000000000000000000")])
    def test_el_mismo_precio_da_el_mismo_token(self, precio):
        assert token_de("sim-1:BTCUSDT:7", precio, 9) == "sim-1:BTCUSDT:7:88200:9"

    def test_precios_pequenos_van_sin_exponente(self):
        assert token_de("op", 0.00001234, 9) == "op:0.00001234:9"

    def test_cada_intento_tiene_su_orden(self):
        fichas = [ficha_de_intento("op:1:2", intento) for intento in (1, 2, 3)]
        assert fichas == ["op:1:2", "op:1:2#2", "op:1:2#3"]


class TestNumeros:
    def test_el_ejemplo_de_la_semilla(self):
        """Op#123: 0.01 bought at 90,000 and given up at 88,000."""
        assert pnl_esperado(90_000.0, 88_000.0, 0.01, largo=True) == -20.0
        assert pnl_esperado(90_000.0, 88_000.0, 0.01, largo=False) == 20.0

    def test_el_slippage_es_positivo_cuando_es_peor(self):
        assert slippage_pct(100.0, 99.0, largo=True) == 1.0
        assert slippage_pct(100.0, 99.0, largo=False) == -1.0

    @pytest.mark.parametrize("precio", [0.0, -1.0, float("nan"), float("inf")])
    def test_un_precio_que_no_lo_es_se_nombra(self, precio):
        with pytest.raises(DatosInvalidos, match="--stop"):
            comprobar_precio("--stop", precio)
        assert comprobar_precio("--stop", 1.5) == 1.5


class TestPorcentaje:
    def test_los_ejemplos_de_la_semilla(self):
        assert stop_de_porcentaje(Decimal(90_000), Decimal(2), largo=True) == Decimal(88_200)
        assert stop_de_porcentaje(Decimal(90_000), Decimal(2), largo=False) == Decimal(91_800)

    @given(
        entrada=st.decimals("0.000001", "1000000", places=6),
        porcentaje=st.decimals("0.01", "99.99", places=2),
    )
    def test_queda_del_lado_que_pierde_y_es_simetrico(self, entrada, porcentaje):
        largo = stop_de_porcentaje(entrada, porcentaje, largo=True)
        corto = stop_de_porcentaje(entrada, porcentaje, largo=False)
        assert 0 < largo < entrada < corto
        assert abs((corto - entrada) - (entrada - largo)) <= entrada * Decimal("1e-20")

    @pytest.mark.parametrize(
        ("entrada", "porcentaje"), [("0", "2"), ("NaN", "2"), ("100", "0"), ("100", "-1"), ("100", "100")]
    )
    def test_lo_que_no_puede_ser_se_rechaza(self, entrada, porcentaje):
        with pytest.raises(DatosInvalidos):
            stop_de_porcentaje(Decimal(entrada), Decimal(porcentaje), largo=True)


class TestDisyuntorDeEjecuciones:
    def test_tres_fallos_lo_abren_y_el_tiempo_lo_entreabre(self):
        disyuntor = tras(False, False)
        assert disyuntor.estado is EstadoDisyuntor.CLOSED
        disyuntor = tras(False, False, False)
        assert disyuntor == Disyuntor(EstadoDisyuntor.OPEN, 3, 0, 2)
        assert disyuntor.en(2 + ENFRIAMIENTO_MS - 1, REGLA_EJECUCIONES).estado is EstadoDisyuntor.OPEN
        assert disyuntor.en(2 + ENFRIAMIENTO_MS, REGLA_EJECUCIONES).estado is EstadoDisyuntor.HALF_OPEN

    @pytest.mark.parametrize("cuando_ms", [3, ENFRIAMIENTO_MS + 3])
    def test_una_ejecucion_lograda_lo_cierra_siempre(self, cuando_ms):
        """Exits are executed while it is open: one that succeeds is proof enough."""
        abierto = tras(False, False, False)
        assert abierto.tomar(violacion=False, ahora_ms=cuando_ms, regla=REGLA_EJECUCIONES) == Disyuntor()

    def test_un_fallo_mas_no_prolonga_el_enfriamiento(self):
        """Protective exits go on while it is open; their failures must not keep it open for ever."""
        assert tras(False, False, False, False).abierto_ms == 2


def tras(*bien: bool) -> Disyuntor:
    """The breaker after results, one a millisecond."""
    disyuntor = Disyuntor()
    for i, uno in enumerate(bien):
        disyuntor = disyuntor.tomar(violacion=not uno, ahora_ms=i, regla=REGLA_EJECUCIONES)
    return disyuntor


class TestBarreras:
    def test_nada_en_contra(self):
        assert barreras(Situacion(), ReglasInquilino()) == ()

    def test_van_en_el_orden_de_la_semilla(self):
        todo = Situacion(True, EstadoDisyuntor.OPEN, 30_001, 5.1, 10, 100)
        assert barreras(todo, ReglasInquilino(opera=False)) == tuple(Barrera)

    @pytest.mark.parametrize(
        "situacion",
        [
            Situacion(disyuntor=EstadoDisyuntor.HALF_OPEN),
            Situacion(edad_precio_ms=30_000),
            Situacion(slippage_pct=5.0),
            Situacion(en_un_minuto=9, en_una_hora=99),
        ],
    )
    def test_el_limite_mismo_esta_permitido(self, situacion):
        assert barreras(situacion, ReglasInquilino()) == ()

    def test_de_dos_limites_vale_el_mas_estricto(self):
        inquilino = ReglasInquilino(slippage_max_pct=5.0, por_minuto=10, por_hora=100)
        cuenta = {"slippage_max_pct": 2.0, "por_minuto": 50, "por_hora": 100}

        assert mas_estrictas(inquilino, cuenta) == inquilino._replace(slippage_max_pct=2.0)
        assert mas_estrictas(inquilino, {}) == inquilino

    @given(levantadas=st.sets(st.sampled_from(Barrera)).map(tuple))
    def test_solo_un_duplicado_detiene_una_salida(self, levantadas):
        assert detienen(levantadas, protege=True) is (Barrera.DUPLICATE in levantadas)
        assert detienen(levantadas, protege=False) is bool(levantadas)
