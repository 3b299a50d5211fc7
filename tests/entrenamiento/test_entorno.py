"""The environment: both libraries' checks, examples worked by hand, and what must hold whatever is done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from src.entrenamiento.datos_entorno import DatosEntorno
from src.entrenamiento.entorno import EntornoTrading, ObservacionGym
from src.entrenamiento.paso import PasoEntorno
from src.entrenamiento.recorrido import Travesia, atravesar
from src.nucleo.camino import camino_intravela
from src.nucleo.cartera import equity_de
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.nucleo.registro import StatusFila
from src.nucleo.riesgo import Rechazo
from src.nucleo.tipos import Camino, EstadoCuenta, Operacion, Posicion, Vela
from tests.constructores import HORA_MS, INICIO_MS, unas_velas, velas_con_cierres
from tests.entrenamiento.fabrica_entorno import (
    accion,
    quieta,
    un_entorno,
    un_terreno,
    una_configuracion,
    unas_barras,
    unos_datos,
)

AL_LLEGAR = INICIO_MS + 2 * HORA_MS
"""Close of the second candle, on which the first decision's step ends."""


def d(numero: float | str) -> Decimal:
    return Decimal(repr(numero) if isinstance(numero, float) else numero)


def dar(entorno: EntornoTrading, *acciones: float) -> tuple[float, bool, bool]:
    """Reset and act; reward and ends of the last step."""
    entorno.reset()
    for valor in acciones:
        _, recompensa, terminated, truncated, _ = entorno.step(accion(valor))
    return recompensa, terminated, truncated


class TestContrato:
    @pytest.mark.filterwarnings("ignore:.*observation space m.*imum value is -?infinity")
    @pytest.mark.filterwarnings("ignore:.*not having a spec")
    def test_gymnasium_lo_da_por_bueno(self):
        check_env(un_entorno(unas_velas(60), window_size=5))

    def test_stable_baselines_lo_da_por_bueno(self):
        check_env_sb3(un_entorno(unas_velas(60), window_size=5), warn=False)

    def test_la_observacion_es_la_ventana_que_acaba_en_la_vela_cerrada(self):
        entorno = un_entorno(velas_con_cierres([30_000.0, 31_000.0, 32_000.0, 33_000.0]), window_size=2)
        observacion, _ = entorno.reset()

        assert observacion["market"][:, 0].tolist() == [30.0, 31.0]
        assert observacion["portfolio"].tolist() == [1.0, 0.0, 0.0]
        assert entorno.step(accion(0.0))[0]["market"][:, 0].tolist() == [31.0, 32.0]

    def test_quien_recibe_la_ventana_no_puede_cambiar_los_datos(self):
        entorno = un_entorno(unas_velas(10))
        entorno.reset()[0]["market"][0, 0] = -1.0

        assert entorno.reset()[0]["market"][0, 0] > 0.0

    @pytest.mark.parametrize("mala", [float("nan"), 1.5, -2.0])
    def test_una_accion_que_no_lo_es_se_dice(self, mala: float):
        entorno = un_entorno(unas_velas(10))
        entorno.reset()

        with pytest.raises(DatosInvalidos, match="action"):
            entorno.step(accion(mala))

    def test_un_episodio_acabado_no_sigue(self):
        entorno = un_entorno(velas_con_cierres([30_000.0] * 3))
        assert dar(entorno, 0.0, 0.0)[2]

        with pytest.raises(RuntimeError, match="reset"):
            entorno.step(accion(0.0))

    def test_antes_del_primer_paso_no_hay_ultimo(self):
        with pytest.raises(RuntimeError, match="no step"):
            _ = un_entorno(unas_velas(10)).ultimo


class TestEpisodios:
    def test_se_corta_a_los_pasos_que_dice_la_configuracion(self):
        entorno = un_entorno(unas_velas(40), longitud_episodio=3)

        assert dar(entorno, 0.0, 0.0)[1:] == (False, False)
        assert dar(entorno, 0.0, 0.0, 0.0)[1:] == (False, True)

    def test_se_corta_al_final_de_los_datos(self):
        assert dar(un_entorno(unas_velas(4)), 0.0, 0.0, 0.0)[1:] == (False, True)

    def test_los_comienzos_al_azar_recorren_todas_las_filas_y_se_repiten_con_la_semilla(self):
        datos = unos_datos(unas_velas(30), primera=4, ultima=25)
        comienzos = []
        for _ in range(2):
            entorno = EntornoTrading(datos, una_configuracion(window_size=3), semilla=7)
            filas = []
            for _ in range(400):
                entorno.reset()
                filas.append(entorno.fila)
            comienzos.append(filas)

        assert comienzos[0] == comienzos[1]
        assert set(comienzos[0]) == set(range(6, 25))

    def test_una_semilla_en_reset_comienza_la_serie_de_nuevo(self):
        entorno = EntornoTrading(unos_datos(unas_velas(500)), una_configuracion())
        filas = []
        for _ in range(2):
            entorno.reset(seed=3)
            primera = entorno.fila
            entorno.reset()
            filas.append((primera, entorno.fila))

        assert filas[0] == filas[1]

    def test_sin_azar_comienza_donde_cabe_la_primera_ventana(self):
        datos = unos_datos(unas_velas(30), primera=4)
        entorno = EntornoTrading(datos, una_configuracion(window_size=3), inicio_aleatorio=False)
        entorno.reset()

        assert entorno.fila == entorno.primera_decision == 6

    def test_la_evaluacion_elige_la_fila_y_la_longitud(self):
        entorno = un_entorno(unas_velas(30), longitud_episodio=2)
        entorno.reset(options={"inicio": 11, "longitud": 5})
        cortes = [entorno.step(accion(0.0))[3] for _ in range(5)]

        assert entorno.fila == 16
        assert cortes == [False] * 4 + [True]

    @pytest.mark.parametrize("fila", [1, 29, 40])
    def test_un_comienzo_imposible_se_dice(self, fila: int):
        with pytest.raises(ConfiguracionInvalida, match="use 2 to 28"):
            un_entorno(unas_velas(30), window_size=3).reset(options={"inicio": fila})

    def test_la_parte_visitada_cuenta_las_filas_en_que_se_decidio(self):
        entorno = un_entorno(unas_velas(11))
        dar(entorno, 0.0, 0.0)
        dar(entorno, 0.0, 0.0, 0.0)

        assert entorno.fraccion_visitada == 0.3


class TestDatos:
    def test_pocas_velas_para_la_ventana_se_dicen(self):
        with pytest.raises(DatosInvalidos, match="too few for a window of 5"):
            un_entorno(unas_velas(5), window_size=5)

    def test_rasgos_de_otro_largo_se_dicen(self):
        with pytest.raises(DatosInvalidos, match="5 candles need as many"):
            unos_datos(unas_velas(5), rasgos_escalados=np.zeros((4, 2), np.float32))

    def test_filas_fuera_de_la_tabla_se_dicen(self):
        with pytest.raises(DatosInvalidos, match="do not lie within 5 candles"):
            unos_datos(unas_velas(5), ultima=5)

    def test_un_rasgo_desconocido_en_una_fila_util_se_dice(self):
        rasgos = np.zeros((5, 2), np.float32)
        rasgos[1] = np.nan

        assert isinstance(unos_datos(unas_velas(5), rasgos_escalados=rasgos, primera=2), DatosEntorno)
        with pytest.raises(DatosInvalidos, match="NaN"):
            unos_datos(unas_velas(5), rasgos_escalados=rasgos)


class TestALaMano:
    """10,000 at 2×, close 30,000: buys fill at 30,006.0, sells at 29,994.0; taker 0.05 %; maximum 98 %."""

    def test_abrir_paga_comision_y_slippage(self):
        entorno = un_entorno(velas_con_cierres([30_000.0] * 3))
        recompensa, _, _ = dar(entorno, 0.5)
        paso = entorno.ultimo

        saldo = d("10000") - d("0.333") * d("30006") * d("0.0005")  # 0.5 · 20,000 / 30,000 = 0.3333
        assert paso.plan.operacion is Operacion.ABRIR_LONG
        assert paso.cuenta == EstadoCuenta(float(saldo), Posicion(0.333, 30_006.0))
        equity = float(saldo) - 0.333 * 6
        caida = 1 - equity / 10_000
        assert recompensa == pytest.approx(100 * math.log(equity / 10_000) - 0.1 * 100 * caida, rel=1e-12)

    def test_aumentar_promedia_la_entrada(self):
        entorno = un_entorno(velas_con_cierres([30_000.0, 33_000.0, 33_000.0]))
        dar(entorno, -0.4, -0.9)
        paso = entorno.ultimo

        antes = d("10000") - d("0.266") * d("29994") * d("0.0005")  # 0.4 · 20,000 / 30,000 = 0.2667
        equity = antes + d("0.266") * (d("29994") - d("33000"))
        objetivo = d("0.501")  # 0.9 · 2 · 9,196.4… / 33,000
        assert d("0.9") * 2 * equity / 33_000 - objetivo < d("0.001")
        precio = d("32993.4")  # 33,000 less 0.02 %, on the tick
        entrada = (d("0.266") * d("29994") + d("0.235") * precio) / objetivo
        saldo = antes - d("0.235") * precio * d("0.0005")
        assert paso.plan.operacion is Operacion.AUMENTAR_SHORT
        assert paso.cuenta.posicion == Posicion(-0.501, float(round(entrada, 8)))
        assert paso.cuenta.saldo == float(round(saldo, 8))

    def test_reducir_realiza_la_parte_reducida(self):
        entorno = un_entorno(velas_con_cierres([30_000.0, 31_000.0, 31_000.0]))
        dar(entorno, 0.5, 0.2)
        paso = entorno.ultimo

        antes = d("10000") - d("0.333") * d("30006") * d("0.0005")
        reducida, precio = d("0.200"), d("30993.8")  # 0.2 · 2 · 10,326 / 31,000 = 0.133 stays
        saldo = antes + reducida * (precio - 30_006) - reducida * precio * d("0.0005")
        assert paso.plan.operacion is Operacion.REDUCIR_LONG
        assert paso.cuenta == EstadoCuenta(float(round(saldo, 8)), Posicion(0.133, 30_006.0))

    def test_una_accion_contraria_cierra_y_no_da_la_vuelta(self):
        entorno = un_entorno(velas_con_cierres([30_000.0, 31_000.0, 31_000.0]))
        dar(entorno, 0.5, -0.9)
        paso = entorno.ultimo

        antes = d("10000") - d("0.333") * d("30006") * d("0.0005")
        saldo = antes + d("0.333") * (d("30993.8") - 30_006) - d("0.333") * d("30993.8") * d("0.0005")
        assert paso.plan.operacion is Operacion.CERRAR_LONG
        assert paso.cuenta == EstadoCuenta(float(round(saldo, 8)))

    def test_una_orden_menor_que_el_nocional_minimo_no_se_envia(self):
        entorno = un_entorno(
            velas_con_cierres([30_000.0] * 3), umbral_mantener_posicion=0.0, banda_muerta=0.0
        )
        dar(entorno, 0.002)

        assert entorno.ultimo.validacion.rechazo is Rechazo.FILTROS
        assert entorno.ultimo.cuenta == EstadoCuenta(10_000.0)

    def test_el_funding_se_paga_en_su_hora_sobre_el_cierre(self):
        cierres = [30_000.0] * 7 + [30_300.0] * 2
        entorno = un_entorno(velas_con_cierres(cierres), funding=0.0001)
        cobros = []
        entorno.reset()
        for _ in range(8):
            entorno.step(accion(0.5))
            cobros.append(entorno.ultimo.funding)

        assert cobros == [0.0] * 6 + [
            -1.00899,
            0.0,
        ]  # 08:00 is the close of the eighth candle: 0.333 · 30,300
        assert entorno.ultimo.antes.saldo == pytest.approx(10_000 - 4.995999 - 1.00899, abs=1e-9)

    def test_una_tasa_registrada_vale_en_su_hora_y_la_constante_en_las_demas(self):
        entorno = un_entorno(velas_con_cierres([30_000.0] * 18), funding={INICIO_MS + 8 * HORA_MS: -0.0005})
        entorno.reset()
        cobros = []
        for _ in range(17):
            entorno.step(accion(0.5))
            cobros.append(entorno.ultimo.funding)

        assert [cobro for cobro in cobros if cobro] == [4.995, -0.999]  # the configured rate is 0.0001

    def test_quieto_y_sin_posicion_no_pasa_nada(self):
        entorno = un_entorno(unas_velas(30))
        recompensas = []
        entorno.reset()
        for _ in range(29):
            observacion, recompensa, *_ = entorno.step(accion(0.04))
            recompensas.append(recompensa)

        assert set(recompensas) == {0.0}
        assert observacion["portfolio"].tolist() == [1.0, 0.0, 0.0]


class TestDentroDeLaVela:
    """A long of 0.653 at 30,006.0 (98 %) or a short of 0.653 at 29,994.0; liquidated at 14,765 or 45,116."""

    def test_la_liquidacion_se_ejecuta_donde_el_camino_la_cruza(self):
        entorno = un_entorno(unas_barras(quieta(30_000.0), (30_000.0, 30_000.0, 14_000.0, 15_000.0)))
        _, terminated, _ = dar(entorno, 1.0)
        (incidencia,) = entorno.ultimo.incidencias

        saldo = d("10000") - d("0.653") * 30_006 * d("0.0005")
        limite = (saldo - d("0.653") * 30_006) / (d("0.653") * d("0.004") - d("0.653"))
        precio = math.floor(limite * 10) / 10
        comision = d("0.653") * d(precio) * d("0.0125")
        final = saldo + d("0.653") * (d(precio) - 30_006) - comision
        assert (incidencia.status, incidencia.precio) == (StatusFila.LIQUIDACION, precio)
        assert incidencia.instante_ms == INICIO_MS + HORA_MS + HORA_MS // 2  # open, high, low
        assert final < 0
        assert incidencia.movimiento.cubierto == pytest.approx(-float(final), abs=1e-7)
        assert entorno.ultimo.cuenta == EstadoCuenta(0.0)
        assert terminated

    def test_una_liquidacion_en_un_salto_se_ejecuta_al_precio_del_salto(self):
        entorno = un_entorno(unas_barras(quieta(30_000.0), quieta(46_000.0)))
        dar(entorno, -1.0)
        incidencia = entorno.ultimo.incidencias[0]

        assert (incidencia.status, incidencia.precio) == (StatusFila.LIQUIDACION, 46_000.0)
        assert incidencia.instante_ms == INICIO_MS + HORA_MS

    def test_una_brecha_que_dura_cierra_la_posicion_en_ese_punto(self):
        """Low at −26 % is seen first; the close, half an hour later, still shows −23 %."""
        entorno = un_entorno(
            unas_barras(quieta(30_000.0), (30_000.0, 30_000.0, 26_000.0, 26_500.0), quieta(1.0))
        )
        _, terminated, truncated = dar(entorno, 1.0)
        paso = entorno.ultimo
        (incidencia,) = paso.incidencias

        saldo = d("10000") - d("0.653") * 30_006 * d("0.0005")
        precio = d("26494.7")  # the close less 0.02 %
        final = saldo + d("0.653") * (precio - 30_006) - d("0.653") * precio * d("0.0005")
        assert (terminated, truncated) == (True, False)
        assert (incidencia.status, incidencia.precio, incidencia.instante_ms) == (
            *(StatusFila.EMERGENCIA, 26_500.0),
            AL_LLEGAR,
        )
        assert paso.cuenta == EstadoCuenta(float(round(final, 8)))

    def test_una_brecha_que_pasa_no_es_una_emergencia(self):
        entorno = un_entorno(
            unas_barras(quieta(30_000.0), (30_000.0, 30_000.0, 26_000.0, 27_500.0), quieta(1.0))
        )
        _, terminated, _ = dar(entorno, 1.0)

        assert not terminated
        assert entorno.ultimo.incidencias == ()
        assert entorno.ultimo.riesgo.brecha_desde_ms is None
        assert entorno.ultimo.riesgo.max_drawdown > 0.2

    def test_un_salto_con_brecha_se_confirma_en_el_punto_siguiente(self):
        """The open already shows the breach; the low, a quarter of an hour later, confirms it."""
        entorno = un_entorno(
            unas_barras(quieta(30_000.0), (26_000.0, 27_500.0, 25_900.0, 27_400.0), quieta(1.0))
        )
        _, terminated, _ = dar(entorno, 1.0)
        (incidencia,) = entorno.ultimo.incidencias

        assert terminated
        assert (incidencia.precio, incidencia.instante_ms) == (25_900.0, INICIO_MS + HORA_MS + HORA_MS // 4)

    def test_con_solo_cierres_una_brecha_espera_a_la_vela_siguiente(self):
        velas = velas_con_cierres([30_000.0, 26_000.0, 26_000.0, 26_000.0])
        entorno = un_entorno(velas, camino="close")

        assert not dar(entorno, 1.0)[1]
        assert dar(entorno, 1.0, 1.0)[1]
        assert entorno.ultimo.incidencias[0].instante_ms == INICIO_MS + 3 * HORA_MS

    def test_mientras_hay_brecha_no_se_aumenta_pero_se_puede_cerrar(self):
        velas = velas_con_cierres([30_000.0, 26_500.0, 29_000.0, 29_000.0])
        entorno = un_entorno(velas, camino="close", banda_muerta=0.0)
        dar(entorno, 0.9, 0.98)
        assert entorno.ultimo.riesgo_antes.brecha_desde_ms == AL_LLEGAR
        assert entorno.ultimo.plan.operacion is not Operacion.MANTENER

        dar(entorno, 0.9, -1.0)
        assert entorno.ultimo.cuenta.posicion is None

    def test_el_funding_de_una_emergencia_al_cierre_se_cobra_antes_de_cerrar(self):
        """The market settles funding at the boundary before anyone can send an order."""
        velas = unas_barras(*[quieta(30_000.0)] * 7, (30_000.0, 30_000.0, 26_000.0, 26_500.0), quieta(1.0))
        entorno = un_entorno(velas, funding=0.0001)
        entorno.reset(options={"inicio": 6})
        entorno.step(accion(1.0))
        paso = entorno.ultimo

        assert paso.terminated
        assert paso.funding == -float(round(d("0.653") * 26_500 * d("0.0001"), 8))
        assert paso.incidencias[0].movimiento.antes.saldo == pytest.approx(
            10_000 - 0.653 * 30_006 * 0.0005 + paso.funding
        )

    def test_sin_posicion_una_brecha_solo_termina(self):
        """The account was closed at a loss beyond the limit, so nothing is left to close."""
        entorno = un_entorno(velas_con_cierres([30_000.0] * 5), camino="close", max_drawdown_permitido=0.002)
        assert not dar(entorno, 1.0, -1.0)[1]
        _, terminated, _ = dar(entorno, 1.0, -1.0, 0.0)

        assert terminated
        assert entorno.ultimo.incidencias == ()


ACCIONES = st.lists(st.floats(-1.0, 1.0, width=32), min_size=10, max_size=60)
CAMINOS = st.sampled_from(["ohlc", "close"])
AGITADAS = unas_velas(80, semilla=3, volatilidad=0.04)
MERCADOS = st.sampled_from([AGITADAS, *(unas_velas(80, semilla=i, volatilidad=0.04) for i in range(3))])


LIMITE = 0.7


def agitado(camino: str, velas: Sequence[Vela] = AGITADAS) -> EntornoTrading:
    """A market and a leverage that make liquidations and emergencies common."""
    return un_entorno(
        velas,
        0.0003,
        camino=camino,
        apalancamiento=10,
        max_drawdown_permitido=LIMITE,
        umbral_mantener_posicion=0.02,
    )


def vivir(entorno: EntornoTrading, acciones: Iterable[float]) -> Iterator[tuple[ObservacionGym, PasoEntorno]]:
    """Act until the episode ends: what is seen after each step, and what the step did."""
    entorno.reset()
    for valor in acciones:
        observacion, _, terminated, truncated, _ = entorno.step(accion(valor))
        yield observacion, entorno.ultimo
        if terminated or truncated:
            return


class TestInvariantes:
    @given(acciones=ACCIONES, camino=CAMINOS, velas=MERCADOS)
    def test_nada_se_crea_ni_se_pierde(self, acciones: list[float], camino: str, velas: list[Vela]):
        """Wallet = capital + profits − fees + funding + what the insurance fund took, to 8 decimals."""
        total = d("10000")
        for _, paso in vivir(agitado(camino, velas), acciones):
            fills = [*paso.ejecuciones, *(f for i in paso.incidencias for f in i.movimiento.ejecuciones)]
            total += sum(d(fill.pnl_realizado) - d(fill.comision) for fill in fills) + d(paso.funding)
            total += sum(round(d(i.movimiento.cubierto), 8) for i in paso.incidencias)
            assert d(paso.cuenta.saldo) == total

    @given(acciones=ACCIONES, camino=CAMINOS, velas=MERCADOS)
    def test_la_equity_es_la_cartera_y_lo_no_realizado(
        self, acciones: list[float], camino: str, velas: list[Vela]
    ):
        for observacion, paso in vivir(agitado(camino, velas), acciones):
            equity = equity_de(paso.cuenta, velas[paso.fila + 1].close)
            assert observacion["portfolio"][0] == np.float32(equity / 10_000)
            assert paso.riesgo.equity_maximo >= equity

    @given(acciones=ACCIONES, camino=CAMINOS, velas=MERCADOS)
    def test_el_atajo_da_lo_mismo_que_andar_la_vela_punto_por_punto(
        self, acciones: list[float], camino: str, velas: list[Vela]
    ):
        for _, paso in vivir(agitado(camino, velas), acciones):
            vela = velas[paso.fila + 1]
            cobra = (vela.apertura_ms + HORA_MS) % (8 * HORA_MS) == 0
            travesia = Travesia(
                camino_intravela(vela, Camino(camino)), vela.apertura_ms, HORA_MS, 0.0003 if cobra else None
            )
            recorrido = atravesar(paso.tras_orden, paso.riesgo_antes, travesia, un_terreno(LIMITE))
            assert recorrido[:2] == (paso.cuenta, paso.riesgo)
            assert (recorrido.incidencias, recorrido.funding) == (paso.incidencias, paso.funding)
            assert paso.terminated == (recorrido.emergencia or equity_de(paso.cuenta, vela.close) <= 0.0)

    @given(acciones=ACCIONES, corte=st.integers(1, 60), camino=CAMINOS)
    def test_el_futuro_no_cambia_el_presente(self, acciones: list[float], corte: int, camino: str):
        """Two markets that part after a candle show and reward the same up to it."""
        otras = unas_velas(80, semilla=11, volatilidad=0.04)
        uno = agitado(camino)
        dos = agitado(camino, [*AGITADAS[: corte + 1], *otras[corte + 1 :]])
        assert _iguales(uno.reset()[0], dos.reset()[0])
        for valor in acciones[:corte]:
            paso_uno, paso_dos = uno.step(accion(valor)), dos.step(accion(valor))
            assert _iguales(paso_uno[0], paso_dos[0])
            assert paso_uno[1:4] == paso_dos[1:4]
            if paso_uno[2] or paso_uno[3]:
                break

    @given(acciones=ACCIONES)
    @settings(max_examples=30)
    def test_las_mismas_acciones_dan_los_mismos_pasos(self, acciones: list[float]):
        uno, dos = ([paso for _, paso in vivir(agitado("ohlc"), acciones)] for _ in range(2))

        assert uno == dos

    def test_el_mercado_agitado_liquida_y_llega_al_limite(self):
        """Without both the properties above would prove little."""
        vistas = {
            incidencia.status
            for semilla in range(20)
            for _, paso in vivir(agitado("ohlc"), np.random.default_rng(semilla).uniform(-1, 1, 79).tolist())
            for incidencia in paso.incidencias
        }

        assert vistas == {StatusFila.LIQUIDACION, StatusFila.EMERGENCIA}


def _iguales(uno: dict[str, np.ndarray], dos: dict[str, np.ndarray]) -> bool:
    return all(uno[clave].tobytes() == dos[clave].tobytes() for clave in ("market", "portfolio"))


def test_los_espacios_dicen_lo_que_se_ve():
    entorno = un_entorno(unas_velas(30), window_size=4)

    assert entorno.observation_space == gym.spaces.Dict(
        {
            "market": gym.spaces.Box(-np.inf, np.inf, (4, 2), np.float32),
            "portfolio": gym.spaces.Box(-np.inf, np.inf, (3,), np.float32),
        }
    )
    assert entorno.action_space == gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
