"""Initial stop, target, trailing and the way back in, as the environment lives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.paso import PasoEntorno
from src.entrenamiento.recorrido import Terreno, Travesia, atravesar
from src.entrenamiento.salidas import Incidencia
from src.entrenamiento.trayecto import Trayecto, relatar
from src.nucleo.camino import camino_intravela
from src.nucleo.cartera import aplanar
from src.nucleo.proteccion import SIN_PROTECCION, EstadoProteccion, al_mark, tras_operar, ya_cruzada
from src.nucleo.registro import StatusFila
from src.nucleo.riesgo import Rechazo
from src.nucleo.tipos import Camino, Vela
from src.nucleo.volatilidad import atr
from tests.constructores import HORA_MS, INICIO_MS, un_mercado
from tests.entrenamiento.fabrica_entorno import quieta, un_entorno, unas_barras
from tests.entrenamiento.test_proteccion import con_saltos, peor, vivir

Barra = tuple[float, float, float, float]

STOP = {"modo": "porcentaje", "valor": 2.0}
OBJETIVO = {"modo": "span", "valor": 2.0}
FIJA = {"tipo": "fija", "stop": STOP, "objetivo": OBJETIVO}
NIVELES = {"tipo": "niveles", "stop": STOP, "objetivo": OBJETIVO}
HAND_SPAN = {"tipo": "hand_span", "stop": STOP}
PORCENTAJE = {"tipo": "porcentaje", "stop": STOP, "porcentaje": 1.0}


def entrar(barras: list[Barra], proteccion: dict[str, Any], *acciones: float, **entorno: Any):
    """Act at 30,000, then live through the candles; a last one is there to be looked at."""
    velas = unas_barras(quieta(30_000.0), *barras, quieta(barras[-1][3]))
    return vivir(un_entorno(velas, proteccion=proteccion, **entorno), *acciones)


def la_salida(barra: Barra, proteccion: dict[str, Any], accion: float = 1.0, **entorno: Any) -> Incidencia:
    (paso,) = entrar([barra], proteccion, accion, **entorno)
    (incidencia,) = paso.incidencias
    assert incidencia.status is StatusFila.PROTECCION
    assert paso.cuenta.posicion is None
    return incidencia


class TestSalidas:
    """A long of 0.653 at 30,006.0: stop at 29,405.8, target 2 · 600.2 away at 31,206.4."""

    def test_nace_de_la_entrada_media(self):
        (paso,) = entrar([quieta(30_000.0)], FIJA, 1.0)

        assert (paso.freno.entrada, paso.freno.stop, paso.freno.objetivo) == (30_006.0, 29_405.8, 31_206.4)
        assert (paso.freno.abierto_ms, paso.nivel) == (INICIO_MS + HORA_MS, 26_958.3)

    @pytest.mark.parametrize(
        ("barra", "precio", "cuarto"),
        [
            ((30_000.0, 31_300.0, 29_900.0, 31_000.0), 31_206.4, 2),
            ((30_000.0, 31_300.0, 29_300.0, 31_000.0), 29_405.8, 1),
            ((30_000.0, 31_300.0, 29_300.0, 29_500.0), 31_206.4, 1),
            ((31_300.0, 31_400.0, 29_300.0, 31_000.0), 31_300.0, 0),
            ((29_000.0, 31_400.0, 28_900.0, 31_000.0), 29_000.0, 0),
        ],
        ids=["the target", "the low comes first", "the high comes first", "a jump up", "a jump down"],
    )
    def test_se_ejecuta_lo_que_el_camino_encuentra_antes(self, barra, precio, cuarto):
        salida = la_salida(barra, FIJA)

        assert (salida.precio, salida.instante_ms) == (
            *(peor(precio), INICIO_MS + HORA_MS + cuarto * HORA_MS // 4),
        )

    def test_un_corto(self):
        """Sold at 29,994.0: stop at 30,593.9, target 2 · 599.9 below at 28,794.2."""
        assert la_salida((30_000.0, 30_100.0, 28_700.0, 29_000.0), FIJA, -1.0).precio == (
            peor(28_794.2, venta=False)
        )
        assert la_salida((30_000.0, 30_600.0, 28_700.0, 29_000.0), FIJA, -1.0).precio == (
            peor(30_593.9, venta=False)
        )

    def test_con_un_punto_por_vela_se_ejecuta_al_cierre(self):
        salida = la_salida((30_000.0, 31_400.0, 29_000.0, 31_250.0), FIJA, camino="close")

        assert (salida.precio, salida.instante_ms) == (peor(31_250.0), INICIO_MS + 2 * HORA_MS)

    def test_lo_que_ya_esta_mas_alla_se_cierra_en_el_acto(self):
        """A stop nearer than what the entry cost."""
        cerca = {"tipo": "fija", "stop": {"modo": "porcentaje", "valor": 0.01}}
        (paso,) = entrar([quieta(30_000.0)], cerca, 1.0)

        (incidencia,) = paso.incidencias
        assert (incidencia.status, incidencia.precio) == (StatusFila.PROTECCION, peor(30_000.0))
        assert incidencia.instante_ms == INICIO_MS + HORA_MS
        assert (paso.nivel, paso.freno, paso.cuenta.posicion) == (None, None, None)

    def test_el_stop_puede_salir_del_rango_de_las_velas(self):
        """Fourteen candles that each move 100: two ranges are 200."""
        velas = unas_barras(*[(30_000.0, 30_050.0, 29_950.0, 30_000.0)] * 18)
        entorno = un_entorno(velas, proteccion={"tipo": "fija", "stop": {"modo": "atr", "valor": 2.0}})
        entorno.reset(options={"inicio": 14})
        entorno.step(np.array([0.5], dtype=np.float32))

        assert entorno.ultimo.freno.stop == 29_806.0

        entorno.reset(options={"inicio": 13})
        entorno.step(np.array([0.5], dtype=np.float32))
        assert (entorno.ultimo.freno, entorno.ultimo.nivel is not None) == (None, True)

    def test_una_salida_es_una_fila_de_proteccion(self):
        barras = [(30_000.0, 31_300.0, 29_900.0, 31_000.0), quieta(31_000.0)]
        entorno = un_entorno(unas_barras(quieta(30_000.0), *barras), proteccion=FIJA)
        filas = relatar(Trayecto(vivir(entorno, 1.0, 0.0), entorno.datos, 2.0), 1)

        fila = filas[1].fila
        assert (fila["status"], fila["precio"]) == (StatusFila.PROTECCION, peor(31_206.4))
        assert fila["operacion"] == "cerrar_long"


class TestAjustes:
    def test_dentro_de_la_vela_cuenta_desde_el_punto_siguiente(self):
        """Up to 30,700, 57.8 % of the way, then down: the stop waits at 30,006 + 20 % of 1,200.4."""
        salida = la_salida((30_000.0, 30_700.0, 29_990.0, 29_995.0), NIVELES)

        assert salida.precio == peor(30_246.0)

    def test_al_cierre_espera_a_la_decision(self):
        pasos = entrar([quieta(30_700.0), quieta(30_700.0)], NIVELES, 0.5, 0.0, camino="close")

        assert [(paso.freno.nivel, paso.freno.stop) for paso in pasos] == [
            ("", 29_405.8),
            ("profit_20", 30_246.0),
        ]
        assert pasos[1].freno.ajustado_ms == INICIO_MS + 2 * HORA_MS

    def test_lo_que_la_decision_cierra_ya_no_se_ajusta(self):
        pasos = entrar([quieta(30_700.0), quieta(30_700.0)], NIVELES, 0.5, -0.5, camino="close")

        assert (pasos[1].freno, pasos[1].nivel, pasos[1].incidencias) == (None, None, ())

    def test_un_aumento_mueve_la_entrada_y_nada_mas(self):
        pasos = entrar([quieta(30_300.0), quieta(30_300.0)], NIVELES, 0.4, 0.9, camino="close")

        uno, otro = (paso.freno for paso in pasos)
        assert otro.entrada == pasos[1].tras_orden.posicion.precio_entrada > uno.entrada
        assert otro[1:3] == uno[1:3]
        assert (otro.objetivo, otro.abierto_ms) == (uno.objetivo, uno.abierto_ms)
        assert otro.stop >= uno.stop

    def test_una_reduccion_lo_deja_como_esta(self):
        pasos = entrar([quieta(30_000.0), quieta(30_000.0)], NIVELES, 0.9, 0.4, camino="close")

        assert pasos[1].tras_orden.cantidad < pasos[0].tras_orden.cantidad
        assert pasos[1].freno == pasos[0].freno

    def test_por_tramos(self):
        """One span up is 30,606.2: break-even with costs is 30,006 · 1.0015."""
        assert la_salida((30_000.0, 30_650.0, 29_990.0, 29_995.0), HAND_SPAN).precio == peor(30_051.0)

    def test_por_porcentaje(self):
        """The best price is 30,650."""
        assert la_salida((30_000.0, 30_650.0, 29_990.0, 29_995.0), PORCENTAJE).precio == peor(30_343.5)

    def test_fija_no_se_mueve(self):
        (paso,) = entrar([(30_000.0, 31_200.0, 29_410.0, 29_500.0)], FIJA, 1.0)

        assert paso.incidencias == ()
        assert paso.freno.stop == 29_405.8


class TestVeto:
    CAE = (30_000.0, 30_000.0, 29_300.0, 29_300.0)

    def bloqueadas(self, velas_bloqueo: int, *acciones: float) -> list[bool]:
        proteccion = {**FIJA, "velas_bloqueo": velas_bloqueo}
        barras = [self.CAE, *[quieta(29_300.0)] * (len(acciones) + 1)]
        _, *pasos = entrar(barras, proteccion, 0.5, *acciones)
        return [paso.validacion.rechazo is Rechazo.BLOQUEO for paso in pasos]

    def test_tras_un_stop_no_se_vuelve_a_entrar_en_unas_velas(self):
        assert self.bloqueadas(2, 0.5, 0.5, 0.5) == [True, True, False]

    def test_sin_decir_nada_se_vuelve_en_la_siguiente(self):
        assert self.bloqueadas(0, 0.5, 0.5) == [False, False]

    def test_el_otro_lado_esta_libre_y_levanta_el_bloqueo(self):
        assert self.bloqueadas(9, 0.5, -0.5, 0.5, 0.5) == [True, False, False, False]

    def test_un_episodio_nuevo_no_lo_hereda(self):
        velas = unas_barras(quieta(30_000.0), self.CAE, *[quieta(29_300.0)] * 3)
        entorno = un_entorno(velas, proteccion={**FIJA, "velas_bloqueo": 9})
        assert vivir(entorno, 0.5, 0.5)[-1].validacion.rechazo is Rechazo.BLOQUEO

        assert vivir(entorno, 0.5)[-1].validacion.valida


TIPOS = {"fija": FIJA, "niveles": NIVELES, "hand_span": HAND_SPAN, "porcentaje": PORCENTAJE}
DISTANCIAS = st.sampled_from(
    [
        {"modo": "porcentaje", "valor": 1.5},
        {"modo": "porcentaje", "valor": 8.0},
        {"modo": "atr", "valor": 1.0},
    ]
)
METAS = st.sampled_from([0.3, 1.0, 3.0]).map(lambda valor: {"modo": "span", "valor": valor})
ACCIONES = st.lists(st.floats(-1.0, 1.0, width=32), min_size=10, max_size=60)
CAMINOS = st.sampled_from(["ohlc", "close"])
SEMILLAS = st.integers(0, 3)
FUNDING = 0.0003


def agitado(
    semilla: int, camino: str, tipo: str, stop: dict[str, Any], meta: dict[str, Any]
) -> EntornoTrading:
    proteccion = {**TIPOS[tipo], "stop": stop, "velas_atr": 3, "velas_bloqueo": 1}
    if tipo != "hand_span":
        proteccion["objetivo"] = meta
    return un_entorno(
        con_saltos(semilla),
        FUNDING,
        proteccion=proteccion,
        camino=camino,
        apalancamiento=5,
        max_drawdown_permitido=0.9,
        umbral_mantener_posicion=0.02,
    )


class TestInvariantes:
    @given(
        acciones=ACCIONES,
        semilla=SEMILLAS,
        camino=CAMINOS,
        tipo=st.sampled_from(sorted(TIPOS)),
        stop=DISTANCIAS,
        meta=METAS,
    )
    def test_es_el_nucleo_plegado_sobre_las_cuentas_que_se_ven(
        self, acciones: list[float], semilla: int, camino: str, tipo: str, stop: Any, meta: Any
    ):
        """Every step again with the core's functions and point by point: what a daemon does."""
        entorno = agitado(semilla, camino, tipo, stop, meta)
        regla = entorno.configuracion.regla_proteccion()
        velas, mercado, estado = con_saltos(semilla), un_mercado(), SIN_PROTECCION
        for paso in vivir(entorno, *acciones):
            cierre_ms, cierre = velas[paso.fila + 1].apertura_ms, velas[paso.fila].close
            if paso.ejecuciones:
                estado = tras_operar(
                    *(estado, paso.antes.cantidad, aplanar(paso.tras_orden), cierre),
                    atr(velas[: paso.fila + 1], 3),
                    *(paso.riesgo_antes.equity_maximo, cierre_ms, regla, mercado),
                )
            en_el_acto = bool(paso.ejecuciones) and ya_cruzada(estado, paso.tras_orden.cantidad, cierre)
            estado = SIN_PROTECCION if en_el_acto else al_mark(estado, cierre, cierre_ms, regla, mercado)
            assert (paso.nivel, paso.freno) == estado

            estado, incidencias = self._vela(paso, velas[paso.fila + 1], camino, estado, regla, en_el_acto)
            assert incidencias == paso.incidencias[int(en_el_acto) :]

    def _vela(
        self,
        paso: PasoEntorno,
        vela: Vela,
        camino: str,
        estado: EstadoProteccion,
        regla: Any,
        en_el_acto: bool,
    ) -> tuple[EstadoProteccion, tuple[Incidencia, ...]]:
        cobra = (vela.apertura_ms + HORA_MS) % (8 * HORA_MS) == 0
        travesia = Travesia(
            camino_intravela(vela, Camino(camino)), vela.apertura_ms, HORA_MS, FUNDING if cobra else None
        )
        cuenta = paso.incidencias[0].movimiento.despues if en_el_acto else paso.tras_orden
        recorrido = atravesar(
            cuenta, paso.riesgo_antes, travesia, Terreno(un_mercado(), 0.0002, regla), estado
        )
        assert (recorrido.cuenta, recorrido.riesgo) == (paso.cuenta, paso.riesgo)
        return recorrido.proteccion, recorrido.incidencias

    @given(
        acciones=ACCIONES,
        semilla=SEMILLAS,
        camino=CAMINOS,
        tipo=st.sampled_from(sorted(TIPOS)),
        stop=DISTANCIAS,
    )
    def test_dentro_de_una_operacion_el_freno_no_afloja(
        self, acciones: list[float], semilla: int, camino: str, tipo: str, stop: Any
    ):
        previo = None
        for paso in vivir(agitado(semilla, camino, tipo, stop, OBJETIVO), *acciones):
            freno = paso.freno
            if previo is not None and freno is not None and freno.abierto_ms == previo.abierto_ms:
                assert freno.stop >= previo.stop if freno.largo else freno.stop <= previo.stop
                assert (freno.stop_inicial, freno.objetivo) == (previo.stop_inicial, previo.objetivo)
            previo = freno

    def test_estos_mercados_llegan_a_stops_y_objetivos(self):
        """Without both the properties above would prove little."""
        ganadas, perdidas, niveles = 0, 0, set()
        for semilla in range(16):
            acciones = np.random.default_rng(semilla).uniform(-1, 1, 79).tolist()
            tipo = sorted(TIPOS)[semilla % 4]
            for paso in vivir(agitado(semilla % 4, "ohlc", tipo, STOP, OBJETIVO), *acciones):
                pnl = [i.movimiento.pnl for i in paso.incidencias if i.status is StatusFila.PROTECCION]
                ganadas, perdidas = ganadas + sum(p > 0 for p in pnl), perdidas + sum(p < 0 for p in pnl)
                niveles |= {paso.freno.nivel} if paso.freno else set()

        assert min(ganadas, perdidas) >= 20
        assert {"towards_be_20", "break_even", "profit_20", "porcentaje"} <= niveles
