"""Breakers: what opens them, what half-opens them, what closes them, and what each change says."""

from __future__ import annotations

from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from src.nucleo.disyuntores import (
    Cambio,
    ClaseDisyuntor,
    Disyuntor,
    EstadoDisyuntor,
    Llave,
    ReglaDisyuntor,
    cerrar,
    enfriar,
    medir,
)

LATENCIA = Llave("binance", "BTCUSDT", ClaseDisyuntor.LATENCY)
REGLA = ReglaDisyuntor(500.0, 3, 60_000, 2)


def tras(*valores: float, cada_ms: int = 5_000, regla: ReglaDisyuntor = REGLA) -> Disyuntor:
    """A breaker after values, the first at 0."""
    disyuntor = Disyuntor()
    for i, valor in enumerate(valores):
        disyuntor, _ = medir(LATENCIA, disyuntor, valor, i * cada_ms, regla)
    return disyuntor


def abierto(ahora_ms: int = 0) -> Disyuntor:
    return Disyuntor(EstadoDisyuntor.OPEN, 3, 0, ahora_ms)


def test_sin_enfriamiento_solo_lo_cierra_una_muestra_sana():
    regla = REGLA._replace(enfriamiento_ms=None, sanas=1, exito_cierra=True)

    assert enfriar(LATENCIA, abierto(), 1 << 62, regla) == (abierto(), ())
    assert medir(LATENCIA, abierto(), 1.0, 1, regla)[0].estado is EstadoDisyuntor.CLOSED


class TestAbrir:
    def test_tres_muestras_seguidas_en_el_limite_lo_abren(self):
        assert tras(500.0, 500.0).estado is EstadoDisyuntor.CLOSED
        assert tras(500.0, 500.0, 500.0) == Disyuntor(EstadoDisyuntor.OPEN, 3, 0, 10_000)

    def test_una_muestra_sana_entre_ellas_vuelve_a_empezar(self):
        assert tras(600.0, 600.0, 499.9, 600.0, 600.0) == Disyuntor(fallos=2)

    @pytest.mark.parametrize("valor", [nan, inf])
    def test_lo_que_no_es_un_numero_es_una_violacion(self, valor: float):
        (cambio,) = medir(LATENCIA, Disyuntor(fallos=2), valor, 0, REGLA)[1]
        assert (cambio.ahora.estado, cambio.valor) == (EstadoDisyuntor.OPEN, None)

    def test_el_cambio_dice_lo_medido_el_limite_y_el_motivo(self):
        despues, cambios = medir(LATENCIA, Disyuntor(fallos=2), 812.4, 7_000, REGLA)

        assert cambios == (
            Cambio(
                LATENCIA,
                EstadoDisyuntor.CLOSED,
                despues,
                812.4,
                500.0,
                "812.4 ms: 3 samples in a row reached 500 ms",
                7_000,
            ),
        )

    @pytest.mark.parametrize(
        ("clase", "valor", "texto"),
        [
            (ClaseDisyuntor.SPREAD, 23.456, "23.46 bps"),
            (ClaseDisyuntor.VOLATILITY, 0.0612, "6.12%"),
            (ClaseDisyuntor.ERROR_RATE, 0.125, "12.50%"),
            (ClaseDisyuntor.DRAWDOWN, 0.05, "5.00%"),
            (ClaseDisyuntor.LATENCY, 12_345.6, "12346 ms"),
            (ClaseDisyuntor.STOP_EXECUTION, 3.0, "3 failures"),
        ],
    )
    def test_cada_clase_se_lee_en_su_unidad(self, clase: ClaseDisyuntor, valor: float, texto: str):
        assert clase.texto(valor) == texto


class TestEnfriar:
    def test_abierto_no_lo_cierra_ninguna_muestra(self):
        disyuntor, cambios = medir(LATENCIA, abierto(), 1.0, 59_999, REGLA)
        assert (disyuntor.estado, cambios) == (EstadoDisyuntor.OPEN, ())

    def test_una_violacion_mas_no_prolonga_el_enfriamiento(self):
        disyuntor, _ = medir(LATENCIA, abierto(), 900.0, 30_000, REGLA)
        assert (disyuntor.abierto_ms, disyuntor.fallos) == (0, 4)

    def test_pasado_el_enfriamiento_queda_a_prueba_y_se_dice(self):
        disyuntor, (cambio,) = enfriar(LATENCIA, abierto(), 60_000, REGLA)

        assert disyuntor.estado is EstadoDisyuntor.HALF_OPEN
        assert (cambio.antes, cambio.valor) == (EstadoDisyuntor.OPEN, None)
        assert cambio.motivo == "60 s are over; 2 samples below the limit close it"
        assert enfriar(LATENCIA, disyuntor, 70_000, REGLA) == (disyuntor, ())

    def test_a_prueba_las_sanas_lo_cierran(self):
        disyuntor, cambios = medir(LATENCIA, abierto(), 100.0, 60_000, REGLA)
        assert ([c.ahora.estado for c in cambios], disyuntor.sanas) == ([EstadoDisyuntor.HALF_OPEN], 1)

        disyuntor, (cambio,) = medir(LATENCIA, disyuntor, 100.0, 65_000, REGLA)

        assert disyuntor == Disyuntor()
        assert cambio.motivo == "100 ms: 2 samples in a row below 500 ms"

    def test_a_prueba_una_violacion_lo_abre_de_nuevo(self):
        disyuntor, _ = medir(LATENCIA, abierto(), 100.0, 60_000, REGLA)

        disyuntor, (cambio,) = medir(LATENCIA, disyuntor, 501.0, 65_000, REGLA)

        assert disyuntor == Disyuntor(EstadoDisyuntor.OPEN, 1, 0, 65_000)
        assert cambio.motivo == "501 ms on trial: 500 ms is reached again"

    def test_donde_un_exito_lo_prueba_se_cierra_sin_enfriar(self):
        regla = REGLA._replace(exito_cierra=True)
        assert medir(LATENCIA, abierto(), 1.0, 1, regla)[0] == Disyuntor()


def test_a_mano_se_cierra_este_como_este():
    cambio = cerrar(LATENCIA, abierto(), 5, 500.0, "checked", "ana")

    assert (cambio.ahora, cambio.antes, cambio.quien) == (Disyuntor(), EstadoDisyuntor.OPEN, "ana")


class VidaDeUnDisyuntor(RuleBasedStateMachine):
    """Samples and time in any order, against what was sampled."""

    @initialize(
        violaciones=st.integers(1, 4),
        sanas=st.integers(1, 4),
        enfriamiento_ms=st.integers(1, 100_000),
    )
    def poner(self, violaciones: int, sanas: int, enfriamiento_ms: int) -> None:
        self.regla = ReglaDisyuntor(10.0, violaciones, enfriamiento_ms, sanas)
        self.disyuntor, self.ahora_ms = Disyuntor(), 0
        self.seguidas: list[bool] = []  # violations since the last change
        self.cambios: list[Cambio] = []

    @rule(valor=st.floats(0, 20), dt=st.integers(0, 60_000))
    def medir(self, valor: float, dt: int) -> None:
        self.ahora_ms += dt
        antes = self.disyuntor
        self.disyuntor, cambios = medir(LATENCIA, antes, valor, self.ahora_ms, self.regla)
        self._revisar(antes, cambios)
        self.seguidas.append(valor >= 10.0)
        for cambio in cambios:
            self._revisar_cambio(cambio, valor)
        if cambios and cambios[-1].ahora.estado is not EstadoDisyuntor.HALF_OPEN:
            self.seguidas = []
        elif cambios:
            self.seguidas = self.seguidas[-1:]

    @rule(dt=st.integers(0, 200_000))
    def esperar(self, dt: int) -> None:
        self.ahora_ms += dt
        antes = self.disyuntor
        self.disyuntor, cambios = enfriar(LATENCIA, antes, self.ahora_ms, self.regla)
        self._revisar(antes, cambios)
        if cambios:
            self.seguidas = []

    def _revisar(self, antes: Disyuntor, cambios: tuple[Cambio, ...]) -> None:
        """The changes lead from what was to what is, one by one."""
        estados = [antes.estado, *(c.ahora.estado for c in cambios)]
        assert [c.antes for c in cambios] == estados[:-1]
        assert estados[-1] is self.disyuntor.estado
        assert all(a is not b for a, b in pairwise(estados))
        self.cambios += cambios

    def _revisar_cambio(self, cambio: Cambio, valor: float) -> None:
        match cambio.antes, cambio.ahora.estado:
            case EstadoDisyuntor.CLOSED, EstadoDisyuntor.OPEN:
                assert self.seguidas[-self.regla.violaciones :] == [True] * self.regla.violaciones
            case EstadoDisyuntor.OPEN, EstadoDisyuntor.HALF_OPEN:
                assert cambio.valor is None
            case EstadoDisyuntor.HALF_OPEN, EstadoDisyuntor.OPEN:
                assert valor >= 10.0
            case EstadoDisyuntor.HALF_OPEN, EstadoDisyuntor.CLOSED:
                assert self.seguidas[-self.regla.sanas :] == [False] * self.regla.sanas
            case otro:
                raise AssertionError(otro)

    @invariant()
    def abierto_es_por_un_tiempo(self) -> None:
        disyuntor = self.disyuntor
        assert (disyuntor.abierto_ms is None) is (disyuntor.estado is EstadoDisyuntor.CLOSED)
        if disyuntor.estado is EstadoDisyuntor.OPEN:
            assert disyuntor.abierto_ms is not None
            assert disyuntor.abierto_ms <= self.ahora_ms
        if disyuntor.estado is EstadoDisyuntor.CLOSED:
            assert disyuntor.fallos < self.regla.violaciones
        if disyuntor.estado is EstadoDisyuntor.HALF_OPEN:
            assert disyuntor.sanas < self.regla.sanas


TestVidaDeUnDisyuntor = VidaDeUnDisyuntor.TestCase


@given(pasos=st.lists(st.tuples(st.booleans(), st.integers(0, 100_000)), max_size=60))
def test_con_las_mismas_muestras_acaba_igual_se_mire_cuantas_veces_se_mire(pasos: list[tuple[bool, int]]):
    """Looking at it in between changes nothing: a daemon that looks more often decides the same."""
    mirado, sin_mirar, ahora_ms = Disyuntor(), Disyuntor(), 0
    for mala, dt in pasos:
        mirado, _ = enfriar(LATENCIA, mirado, ahora_ms + dt // 2, REGLA)
        ahora_ms += dt
        valor = 900.0 if mala else 1.0
        mirado, _ = medir(LATENCIA, mirado, valor, ahora_ms, REGLA)
        sin_mirar, _ = medir(LATENCIA, sin_mirar, valor, ahora_ms, REGLA)
    assert mirado == sin_mirar
