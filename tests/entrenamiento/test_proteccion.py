"""The environment's resident stop and risk tiers: examples worked by hand, and what must always hold."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.paso import PasoEntorno
from src.entrenamiento.recorrido import Travesia, atravesar
from src.entrenamiento.salidas import Incidencia
from src.nucleo.camino import camino_intravela
from src.nucleo.cartera import equity_de
from src.nucleo.proteccion import EstadoProteccion
from src.nucleo.registro import StatusFila
from src.nucleo.riesgo import EstadoRiesgo, Rechazo
from src.nucleo.stops import cruzado, renovar_nivel
from src.nucleo.tipos import Camino, EstadoCuenta, Operacion, Posicion, Vela
from tests.constructores import HORA_MS, INICIO_MS, un_mercado, unas_velas, velas_con_cierres
from tests.entrenamiento.fabrica_entorno import accion, quieta, un_entorno, un_terreno, unas_barras

Barra = tuple[float, float, float, float]


def d(numero: float | str) -> Decimal:
    return Decimal(repr(numero) if isinstance(numero, float) else numero)


def con_stop(velas: list[Vela], **entorno: Any) -> EntornoTrading:
    return un_entorno(velas, proteccion="catastrofe", **entorno)


def vivir(entorno: EntornoTrading, *acciones: float) -> list[PasoEntorno]:
    """Act until the episode ends."""
    entorno.reset()
    pasos = []
    for valor in acciones:
        _, _, terminated, truncated, _ = entorno.step(accion(valor))
        pasos.append(entorno.ultimo)
        if terminated or truncated:
            break
    return pasos


SALDO = d("10000") - d("0.653") * 30_006 * d("0.0005")
"""After a full long at 30,000: 0.653 bought at 30,006.0."""

NIVEL = math.ceil((30_006 + (8_000 - SALDO) / d("0.653")) * 10) / 10
SALDO_CORTO = d("10000") - d("0.653") * 29_994 * d("0.0005")
NIVEL_CORTO = math.floor((29_994 + (SALDO_CORTO - 8_000) / d("0.653")) * 10) / 10


def peor(precio: float, *, venta: bool = True) -> float:
    """0.02 % worse, on the tick."""
    factor = d("0.9998") if venta else d("1.0002")
    ticks = d(precio) * factor * 10
    return (math.floor(ticks) if venta else math.ceil(ticks)) / 10


class TestDisparo:
    """A long of 0.653 at 30,006.0 whose stop is at 26,958.3, a short of 0.653 at 29,994.0 and 33,041.7."""

    def unica(self, barra: Barra, valor: float = 1.0, **entorno: Any) -> tuple[PasoEntorno, Incidencia]:
        (paso,) = vivir(con_stop(unas_barras(quieta(30_000.0), barra, quieta(1.0)), **entorno), valor)
        (incidencia,) = paso.incidencias
        return paso, incidencia

    def test_en_el_camino_se_ejecuta_a_su_precio(self):
        """The candle comes back, the position does not."""
        paso, incidencia = self.unica((30_000.0, 30_100.0, 26_900.0, 30_000.0))

        final = SALDO + d("0.653") * (d(peor(NIVEL)) - 30_006) - d("0.653") * d(peor(NIVEL)) * d("0.0005")
        assert paso.nivel == NIVEL == 26_958.3
        assert (incidencia.status, incidencia.precio) == (StatusFila.PROTECCION, peor(NIVEL))
        assert incidencia.instante_ms == INICIO_MS + HORA_MS + HORA_MS // 4  # open, low
        assert paso.cuenta == EstadoCuenta(float(round(final, 8)))

    def test_tocarlo_basta(self):
        assert self.unica((30_000.0, 30_100.0, NIVEL, 30_000.0))[1].precio == peor(NIVEL)

    def test_si_no_lo_toca_espera(self):
        (paso,) = vivir(
            con_stop(unas_barras(quieta(30_000.0), (30_000.0, 30_100.0, NIVEL + 0.1, 30_000.0), quieta(1.0))),
            1.0,
        )

        assert paso.incidencias == ()
        assert paso.cuenta.cantidad == 0.653

    def test_un_corto_se_compra_arriba(self):
        paso, incidencia = self.unica((30_000.0, 33_100.0, 29_000.0, 29_500.0), -1.0)

        precio = peor(NIVEL_CORTO, venta=False)
        assert paso.nivel == NIVEL_CORTO == 33_041.7
        assert (incidencia.status, incidencia.precio) == (StatusFila.PROTECCION, precio)
        assert incidencia.movimiento.ejecuciones[0].cantidad == 0.653

    def test_tras_un_salto_se_ejecuta_donde_cae(self):
        paso, incidencia = self.unica((26_500.0, 30_000.0, 26_400.0, 30_000.0))

        assert (incidencia.precio, incidencia.instante_ms) == (peor(26_500.0), INICIO_MS + HORA_MS)
        assert paso.cuenta.posicion is None

    def test_con_un_punto_por_vela_se_ejecuta_al_cierre(self):
        _, incidencia = self.unica((30_000.0, 30_000.0, 20_000.0, 26_900.0), camino="close")

        assert (incidencia.precio, incidencia.instante_ms) == (peor(26_900.0), INICIO_MS + 2 * HORA_MS)

    def test_en_un_salto_sin_mantenimiento_la_bolsa_liquida_antes(self):
        _, incidencia = self.unica((14_000.0, 15_000.0, 13_000.0, 15_000.0))

        assert incidencia.status is StatusFila.LIQUIDACION

    def test_de_camino_a_la_liquidacion_se_encuentra_antes_el_stop(self):
        paso, incidencia = self.unica((30_000.0, 30_000.0, 14_000.0, 15_000.0))

        assert (incidencia.status, incidencia.precio) == (StatusFila.PROTECCION, peor(NIVEL))
        assert paso.cuenta.saldo > 7_900.0

    def test_el_vigilante_ve_la_cuenta_tras_la_venta(self):
        """Fee and slippage put it beyond the limit; the next point confirms it, on a flat account."""
        paso, _ = self.unica((30_000.0, 30_100.0, 26_900.0, 30_000.0))

        assert paso.terminated
        assert paso.riesgo.max_drawdown == 1.0 - paso.cuenta.saldo / paso.riesgo.equity_maximo

    def test_al_cierre_no_se_paga_el_funding_de_lo_que_ya_no_se_tiene(self):
        velas = unas_barras(*[quieta(30_000.0)] * 7, (30_000.0, 30_000.0, 26_900.0, 26_900.0), quieta(1.0))
        entorno = un_entorno(velas, funding=0.0001, proteccion="catastrofe")
        entorno.reset(options={"inicio": 6})
        entorno.step(accion(1.0))

        assert entorno.ultimo.incidencias[0].status is StatusFila.PROTECCION
        assert entorno.ultimo.funding == 0.0

    def test_una_parte_menor_del_camino_a_la_liquidacion_dispara_antes(self):
        """At 20× the whole wallet is some 4.6 % away from liquidation."""
        entorno = {"apalancamiento": 20, "max_drawdown_permitido": 0.95}
        barra = (30_000.0, 30_000.0, 28_500.0, 30_000.0)
        _, lejos = self.unica(barra, **entorno)
        _, cerca = self.unica(barra, **entorno, **{"proteccion.fraccion_liquidacion": 0.4})

        assert cerca.precio - lejos.precio == pytest.approx(0.4 * 0.0465 * 30_000, rel=0.02)


class TestNivelDeLaOperacion:
    def test_se_conserva_al_reducir_y_se_olvida_al_cerrar(self):
        velas = velas_con_cierres([30_000.0, 31_000.0, 31_000.0, 31_000.0, 31_000.0])
        pasos = vivir(con_stop(velas), 1.0, 0.5, -1.0, 0.0)

        assert [paso.nivel for paso in pasos] == [NIVEL, NIVEL, None, None]

    def test_al_aumentar_solo_puede_acercarse(self):
        velas = velas_con_cierres([30_000.0, 30_000.0, 35_000.0, 35_000.0])
        pasos = vivir(con_stop(velas), 0.5, 0.9, 0.98)

        niveles = [paso.nivel for paso in pasos]
        assert niveles == sorted(niveles)
        assert len(set(niveles)) == 3

    def test_sin_proteccion_no_hay_nivel(self):
        (paso,) = vivir(
            un_entorno(unas_barras(quieta(30_000.0), (30_000.0, 30_000.0, 26_900.0, 30_000.0))), 1.0
        )

        assert (paso.nivel, paso.incidencias) == (None, ())

    def test_lo_que_ya_esta_mas_alla_se_cierra_en_el_acto(self):
        """1,999 of the 2,000 are lost; what the increase itself costs is too much."""
        velas = velas_con_cierres([30_000.0, 23_335.0, 23_335.0, 23_335.0])
        _, paso = vivir(con_stop(velas, camino="close"), 0.45, 0.9)
        (incidencia,) = paso.incidencias

        assert paso.plan.operacion is Operacion.AUMENTAR_LONG
        assert paso.tras_orden.cantidad > 0.5
        assert (incidencia.status, incidencia.precio) == (StatusFila.PROTECCION, peor(23_335.0))
        assert incidencia.instante_ms == INICIO_MS + 2 * HORA_MS
        assert incidencia.movimiento.antes == paso.tras_orden
        assert (paso.nivel, paso.cuenta.posicion) == (None, None)


class TestEscalones:
    """With a limit of 0.2, 5 % lost in a day or 10 % in a month pause entries."""

    def test_la_perdida_de_un_dia_no_deja_entrar_hasta_medianoche(self):
        """A long of 60 % loses a tenth of the price in its first hour."""
        cierres = [30_000.0, 27_000.0, *[27_000.0] * 26]
        pasos = vivir(un_entorno(velas_con_cierres(cierres), escalones_riesgo=True), 0.3, -0.5, *[0.3] * 24)

        rechazadas = [paso.validacion.rechazo is Rechazo.BLOQUEO for paso in pasos]
        assert rechazadas[:2] == [False, False]
        assert pasos[1].cuenta.posicion is None
        assert rechazadas[2:23] == [True] * 21
        assert pasos[2].validacion.detalle.startswith("daily loss 6.")
        assert rechazadas[23:] == [False] * 3  # the close of the 24th candle is the next day's first

    def test_la_de_un_mes_hasta_que_acabe(self):
        cierres = [30_000.0, 25_000.0, *[25_000.0] * 31 * 24]
        entorno = un_entorno(velas_con_cierres(cierres), escalones_riesgo=True)
        pasos = vivir(entorno, 0.4, -0.5, *[0.3] * (31 * 24))

        assert pasos[30].validacion.detalle.startswith("monthly loss 13.")
        entradas = [
            paso.fila for paso in pasos if paso.plan.operacion is Operacion.ABRIR_LONG and paso.ejecuciones
        ]
        assert entradas == [0, 31 * 24 - 1]

    def test_sin_escalones_se_entra(self):
        cierres = [30_000.0, 27_000.0, 27_000.0, 27_000.0]
        pasos = vivir(un_entorno(velas_con_cierres(cierres)), 0.3, -0.5, 0.3)

        assert pasos[-1].validacion.valida

    def test_un_episodio_nuevo_mide_desde_su_capital(self):
        entorno = un_entorno(velas_con_cierres([30_000.0, 27_000.0, *[27_000.0] * 5]), escalones_riesgo=True)
        assert vivir(entorno, 0.3, -0.5, 0.3)[-1].validacion.rechazo is Rechazo.BLOQUEO
        entorno.reset(options={"inicio": 2})
        entorno.step(accion(0.3))

        assert entorno.ultimo.validacion.valida


ACCIONES = st.lists(st.floats(-1.0, 1.0, width=32), min_size=10, max_size=60)
CAMINOS = st.sampled_from(["ohlc", "close"])
SEMILLAS = st.integers(0, 3)
LIMITES = st.sampled_from([0.006, 0.03, 0.7])  # a full position costs more than the first one allows
MERCADOS = [unas_velas(80, semilla=i, volatilidad=0.04) for i in range(4)]
FUNDING = 0.0003


def agitado(semilla: int, camino: str, limite: float) -> EntornoTrading:
    """A market and a leverage that reach stops and now and then jump over them."""
    return un_entorno(
        con_saltos(semilla),
        FUNDING,
        proteccion="catastrofe",
        camino=camino,
        apalancamiento=20,
        max_drawdown_permitido=limite,
        umbral_mantener_posicion=0.02,
    )


def con_saltos(semilla: int) -> list[Vela]:
    """Every seventh candle opens where the one after it closes."""
    velas = list(MERCADOS[semilla])
    for i in range(6, len(velas) - 1, 7):
        apertura = velas[i + 1].close
        alto, bajo = max(velas[i].high, apertura), min(velas[i].low, apertura)
        velas[i] = velas[i]._replace(open=apertura, high=alto, low=bajo)
    return velas


class TestInvariantes:
    @given(acciones=ACCIONES, semilla=SEMILLAS, camino=CAMINOS, limite=LIMITES)
    def test_el_atajo_da_lo_mismo_que_andar_la_vela_punto_por_punto(
        self, acciones: list[float], semilla: int, camino: str, limite: float
    ):
        velas = con_saltos(semilla)
        for paso in vivir(agitado(semilla, camino, limite), *acciones):
            vela = velas[paso.fila + 1]
            cobra = (vela.apertura_ms + HORA_MS) % (8 * HORA_MS) == 0
            travesia = Travesia(
                camino_intravela(vela, Camino(camino)), vela.apertura_ms, HORA_MS, FUNDING if cobra else None
            )
            previas = paso.incidencias[: int(cerrada_en_el_acto(paso, vela))]
            cuenta = previas[0].movimiento.despues if previas else paso.tras_orden
            recorrido = atravesar(
                cuenta, paso.riesgo_antes, travesia, un_terreno(limite), EstadoProteccion(paso.nivel)
            )
            assert previas + recorrido.incidencias == paso.incidencias
            assert (recorrido.cuenta, recorrido.riesgo) == (paso.cuenta, paso.riesgo)
            assert (recorrido.funding, recorrido.emergencia or equity_de(paso.cuenta, vela.close) <= 0.0) == (
                *(paso.funding, paso.terminated),
            )

    @given(acciones=ACCIONES, semilla=SEMILLAS, camino=CAMINOS, limite=LIMITES)
    def test_el_nivel_es_el_del_nucleo(self, acciones: list[float], semilla: int, camino: str, limite: float):
        """Folded over the accounts that the steps show, as the daemon does."""
        velas, nivel = con_saltos(semilla), None
        for paso in vivir(agitado(semilla, camino, limite), *acciones):
            cierre = velas[paso.fila].close
            nivel = renovar_nivel(
                nivel if paso.antes.posicion else None,
                *(paso.antes, paso.tras_orden, cierre, paso.riesgo_antes.equity_maximo, limite),
                un_mercado(),
            )
            if nivel is not None and cruzado(nivel, paso.tras_orden.cantidad, cierre):
                assert paso.incidencias[0].movimiento.antes == paso.tras_orden
                nivel = None
            assert paso.nivel == nivel

    @given(acciones=ACCIONES, semilla=SEMILLAS, camino=CAMINOS, limite=LIMITES)
    def test_nada_se_crea_ni_se_pierde(self, acciones: list[float], semilla: int, camino: str, limite: float):
        """Wallet = capital + profits − fees + funding + what the insurance fund took, to 8 decimals."""
        total = d("10000")
        for paso in vivir(agitado(semilla, camino, limite), *acciones):
            fills = [*paso.ejecuciones, *(f for i in paso.incidencias for f in i.movimiento.ejecuciones)]
            total += sum(d(fill.pnl_realizado) - d(fill.comision) for fill in fills) + d(paso.funding)
            total += sum(round(d(i.movimiento.cubierto), 8) for i in paso.incidencias)
            assert d(paso.cuenta.saldo) == total

    def test_estos_mercados_disparan_saltan_y_liquidan(self):
        """Without all of it the properties above would prove little."""
        vistas: set[StatusFila] = set()
        en_el_acto = 0
        for semilla in range(40):
            limite = (0.006, 0.03, 0.7)[semilla % 3]
            acciones = np.random.default_rng(semilla).uniform(-1, 1, 79).tolist()
            for paso in vivir(agitado(semilla % 4, "ohlc", limite), *acciones):
                vistas |= {incidencia.status for incidencia in paso.incidencias}
                en_el_acto += cerrada_en_el_acto(paso, con_saltos(semilla % 4)[paso.fila + 1])

        assert {StatusFila.PROTECCION, StatusFila.LIQUIDACION} <= vistas
        assert en_el_acto > 0


def cerrada_en_el_acto(paso: PasoEntorno, siguiente: Vela) -> bool:
    """Whether the position was closed right after its order; the next candle's open is the same instant."""
    if not paso.incidencias or not paso.ejecuciones:
        return False
    primera = paso.incidencias[0]
    return primera.instante_ms == siguiente.apertura_ms and paso.nivel is None


class TestSalto:
    """`atravesar` alone, where the stop and the maintenance are both beyond the price."""

    CUENTA = EstadoCuenta(10_000.0, Posicion(3.0, 30_000.0))

    @pytest.mark.parametrize(
        ("barra", "nivel", "status"),
        [
            (quieta(27_000.0), 27_500.0, StatusFila.PROTECCION),
            (quieta(26_000.0), 27_500.0, StatusFila.LIQUIDACION),
            ((30_000.0, 30_000.0, 26_000.0, 26_000.0), 27_500.0, StatusFila.PROTECCION),
            ((30_000.0, 30_000.0, 26_000.0, 26_000.0), 26_700.0, StatusFila.LIQUIDACION),
        ],
        ids=["a jump", "a jump too far", "on the way", "on the way, too late"],
    )
    def test_quien_cierra(self, barra: Barra, nivel: float, status: StatusFila):
        """Liquidated at 26,767.2."""
        travesia = Travesia(camino_intravela(unas_barras(barra)[0]), INICIO_MS, HORA_MS, None)
        recorrido = atravesar(
            self.CUENTA, EstadoRiesgo(10_000.0), travesia, un_terreno(1.0, 0.0), EstadoProteccion(nivel)
        )

        (incidencia,) = recorrido.incidencias
        assert incidencia.status is status
        assert recorrido.cuenta.posicion is None
