"""Evaluation: the whole span counts, starts differ, and the files tell the same as the figures."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.analisis.informe import analizar
from src.entrenamiento.evaluacion import FICHEROS, evaluar, repartir_inicios
from src.entrenamiento.politicas import PoliticaAleatoria, PoliticaConstante, politicas_de_referencia
from src.entrenamiento.trayecto import Renglon, recorrer, relatar
from src.nucleo.columnas import REGISTRO
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Observacion
from tests.constructores import unas_velas, velas_con_cierres
from tests.entrenamiento.fabrica_entorno import quieta, un_entorno, una_configuracion, unas_barras, unos_datos

VELAS = unas_velas(120, semilla=5, volatilidad=0.002)
AGITADAS = unas_velas(120, semilla=5, volatilidad=0.03)
CAIDA = unas_barras(
    *[quieta(30_000.0)] * 3,
    (30_000.0, 30_000.0, 26_000.0, 26_500.0),
    *[quieta(26_500.0), quieta(30_000.0)] * 3,
)


class PoliticaDeGuion:
    """Repeats a list of actions, one for some candles each."""

    def __init__(self, acciones: list[float], velas: int = 1) -> None:
        self._acciones, self._velas, self._vistas = acciones, velas, 0

    def predecir(self, observacion: Observacion) -> float:
        self._vistas += 1
        return self._acciones[(self._vistas - 1) // self._velas % len(self._acciones)]


def un_relato(
    politica: PoliticaDeGuion | PoliticaConstante | PoliticaAleatoria, **entorno: object
) -> list[Renglon]:
    mercado = un_entorno(VELAS, 0.0001, **entorno)
    return relatar(recorrer(mercado, politica, mercado.primera_decision), 1)


class TestRecorrido:
    def test_va_de_la_primera_decision_a_la_ultima_vela(self):
        entorno = un_entorno(VELAS, window_size=5, longitud_episodio=10)
        trayecto = recorrer(entorno, PoliticaConstante(0.0), entorno.primera_decision)

        assert (trayecto.pasos[0].fila, trayecto.pasos[-1].fila) == (4, 118)
        assert not trayecto.terminado

    def test_la_politica_ve_lo_que_el_entorno_muestra(self):
        vistas: list[Observacion] = []

        class Espia:
            def predecir(self, observacion: Observacion) -> float:
                vistas.append(observacion)
                return 0.5

        recorrer(un_entorno(VELAS), Espia(), 0)

        assert [o.market[0, 0] for o in vistas] == [np.float32(vela.close / 1_000) for vela in VELAS[:-1]]


class TestRelato:
    def test_una_fila_por_vela_cerrada_y_la_ultima_sin_decision(self):
        filas = [fila for _, fila in un_relato(PoliticaConstante(0.5))]

        assert [fila["paso"] for fila in filas] == list(range(1, 121))
        assert filas[-1]["status"] == StatusFila.FIN
        assert (filas[-1]["action"], filas[-1]["truncated"]) == (None, True)
        assert not any(fila["truncated"] for fila in filas[:-1])

    def test_la_recompensa_de_una_fila_es_la_del_paso_que_acaba_en_ella(self):
        entorno = un_entorno(VELAS)
        trayecto = recorrer(entorno, PoliticaConstante(0.5), 0)
        recompensas = [fila["recompensa"] for _, fila in relatar(trayecto, 1)]

        assert recompensas == [None, *(paso.recompensa for paso in trayecto.pasos)]

    def test_tras_una_emergencia_la_cuenta_queda_quieta_hasta_el_final(self):
        entorno = un_entorno(CAIDA)
        filas = [fila for _, fila in relatar(recorrer(entorno, PoliticaConstante(1.0), 0), 1)]

        estados = [fila["status"] for fila in filas]
        assert estados == ["ok"] * 3 + ["emergencia"] + ["fin"] * 7
        assert [fila["paso"] for fila in filas] == [1, 2, 3, 3, *range(4, 11)]
        assert [fila["terminated"] for fila in filas] == [False] * 3 + [True, True] + [False] * 6
        assert len({fila["equity"] for fila in filas[3:]}) == 1
        assert not any(fila["truncated"] for fila in filas)

    @given(
        acciones=st.lists(st.floats(-1.0, 1.0, width=32), min_size=1, max_size=40),
        velas=st.integers(1, 3),
        proteccion=st.sampled_from(["ninguna", "catastrofe"]),
        limite=st.sampled_from([0.006, 0.2]),
    )
    @settings(max_examples=100)
    def test_cada_fila_explica_el_cambio_del_balance(
        self, acciones: list[float], velas: int, proteccion: str, limite: float
    ):
        """Δbalance = pnl_realizado + pnl_parcial − comision + funding, exactly."""
        entorno = un_entorno(
            AGITADAS,
            0.0003,
            umbral_mantener_posicion=0.01,
            apalancamiento=10,
            proteccion=proteccion,
            max_drawdown_permitido=limite,
        )
        trayecto = recorrer(entorno, PoliticaDeGuion(acciones, velas), 0)
        balance, pendiente = Decimal("10000"), Decimal(0)
        for _, fila in relatar(trayecto, 1):
            partes = [Decimal(repr(fila[c])) for c in ("pnl_realizado", "pnl_parcial", "comision", "balance")]
            assert partes[3] - balance == partes[0] + partes[1] - partes[2] + pendiente
            assert fila["equity"] == pytest.approx(fila["balance"] + fila["pnl_no_realizado"], abs=1e-9)
            balance, pendiente = partes[3], Decimal(0)
            if fila["status"] in ("ok", "rechazada"):
                pendiente = Decimal(repr(trayecto.pasos[int(str(fila["paso"])) - 1].funding))

    def test_un_stop_deja_su_fila_en_el_punto_en_que_se_ejecuto(self):
        velas = unas_barras(
            *[quieta(30_000.0)] * 2, (30_000.0, 30_000.0, 26_000.0, 26_900.0), quieta(26_900.0)
        )
        entorno = un_entorno(velas, proteccion="catastrofe")
        filas = [fila for _, fila in relatar(recorrer(entorno, PoliticaDeGuion([1.0, 1.0, 0.0]), 0), 1)]

        assert [fila["status"] for fila in filas] == ["ok", "ok", "proteccion", "fin", "fin"]
        assert [fila["terminated"] for fila in filas] == [False, False, False, True, False]
        stop = filas[2]
        assert (stop["timestamp"], stop["paso"]) == ("2024-01-01T02:30:00.000Z", 2)
        assert (stop["operacion"], stop["action"], stop["terminated"]) == ("cerrar_long", None, False)
        assert stop["precio"] == stop["precio_salida"] == 26_952.9  # 26,958.3 less 0.02 %
        assert (stop["cantidad"], stop["slippage"], stop["velas_abiertas"]) == (0.653, 0.0, 1)
        assert (stop["operaciones_total"], stop["posicion_abierta"]) == (1, False)
        assert stop["equity"] == stop["balance"]

    def test_lo_que_se_cierra_en_el_acto_deja_dos_filas_del_mismo_instante(self):
        """The order costs more than the limit allows."""
        entorno = un_entorno(VELAS, proteccion="catastrofe", max_drawdown_permitido=0.001)
        filas = [fila for _, fila in relatar(recorrer(entorno, PoliticaConstante(1.0), 0), 1)]

        assert [fila["status"] for fila in filas[:2]] == ["ok", "proteccion"]
        assert filas[0]["timestamp"] == filas[1]["timestamp"]
        assert [fila["cantidad_activa"] for fila in filas[:2]] == [filas[0]["cantidad"], None]
        assert [fila["velas_abiertas"] for fila in filas[:2]] == [None, 0]

    def test_las_operaciones_se_numeran_y_envejecen(self):
        filas = [fila for _, fila in un_relato(PoliticaDeGuion([0.5, 0.5, -0.5]))][:6]

        assert [fila["trade_id"] for fila in filas] == ["1", None, "1", "2", None, "2"]
        assert [fila["velas_activa"] for fila in filas] == [0, 1, None, 0, 1, None]
        assert [fila["operaciones_total"] for fila in filas] == [0, 0, 1, 1, 1, 2]

    def test_una_orden_rechazada_deja_su_fila(self):
        fila = un_relato(PoliticaConstante(0.002), umbral_mantener_posicion=0.0)[0].fila

        assert (fila["status"], fila["resultado"]) == ("rechazada", "rechazada")
        assert "below the symbol's minimum" in str(fila["error"])


class TestEvaluacion:
    def test_quedarse_fuera_no_gana_ni_pierde(self):
        resultado = evaluar(PoliticaConstante(0.0), unos_datos(VELAS), una_configuracion())

        assert resultado.resumen.agente.rendimiento == 0.0
        assert resultado.resumen.operaciones.cerradas == 0
        assert resultado.episodios[0].recompensa == 0.0

    def test_comprar_y_mantener_sigue_al_precio(self):
        subida = velas_con_cierres(np.linspace(30_000.0, 33_000.0, 50).round(1).tolist())
        resumen = evaluar(PoliticaConstante(0.5), unos_datos(subida), una_configuracion()).resumen

        assert resumen.mantener_1x.rendimiento == pytest.approx(0.1)
        assert 0.085 < resumen.agente.rendimiento < 0.1
        assert resumen.exposicion_media == pytest.approx(1.0, abs=0.06)
        assert resumen.intervalos is not None

    def test_un_final_temprano_cuenta_entero(self):
        resultado = evaluar(PoliticaConstante(1.0), unos_datos(CAIDA), una_configuracion())

        assert resultado.episodios[0].terminado
        assert resultado.episodios[0].pasos == 3
        assert resultado.resumen.velas == len(CAIDA)
        assert resultado.resumen.agente.rendimiento == pytest.approx(-0.232, abs=0.002)

    def test_los_comienzos_son_distintos_y_llegan_al_final(self):
        resultado = evaluar(PoliticaConstante(0.1), unos_datos(VELAS), una_configuracion(), episodios=4)

        assert [episodio.pasos for episodio in resultado.episodios] == [119, 90, 60, 30]
        assert len({episodio.desde_ms for episodio in resultado.episodios}) == 4

    @pytest.mark.parametrize("cantidad", [0, 120])
    def test_mas_comienzos_que_velas_se_dicen(self, cantidad: int):
        with pytest.raises(ConfiguracionInvalida, match="ask for 1 to 119"):
            repartir_inicios(0, 119, cantidad)

    def test_dos_evaluaciones_iguales_dan_lo_mismo(self):
        uno, dos = (
            evaluar(PoliticaAleatoria(4), unos_datos(VELAS, funding=0.0001), una_configuracion())
            for _ in range(2)
        )

        assert uno.resumen == dos.resumen
        assert uno.episodios == dos.episodios

    def test_los_ficheros_tienen_sus_columnas_y_las_mismas_filas(self, tmp_path: Path):
        evaluar(PoliticaAleatoria(1), unos_datos(VELAS), una_configuracion(), episodios=2, carpeta=tmp_path)
        columnas: list[str] = []
        largos = set()
        for nombre in FICHEROS:
            with (tmp_path / nombre).open(encoding="utf-8", newline="") as archivo:
                primera, *filas = csv.reader(archivo)
            columnas += primera
            largos.add(len(filas))

        assert list(dict.fromkeys(columnas)) == list(REGISTRO)
        assert len(largos) == 1
        assert (tmp_path / "panorama.png").stat().st_size > 10_000

    def test_el_informe_lee_lo_mismo_en_los_ficheros(self, tmp_path: Path):
        politica = PoliticaDeGuion([0.6, 0.9, 0.2, -0.5, -0.7, -0.1, 0.5], velas=4)
        datos = unos_datos(VELAS, funding=0.0002)
        resumen = evaluar(politica, datos, una_configuracion(), carpeta=tmp_path).resumen
        leido = analizar([tmp_path]).resumen

        assert leido.equity_final == resumen.equity_final
        assert leido.agente.sharpe == pytest.approx(resumen.agente.sharpe)
        assert leido.agente.max_drawdown == pytest.approx(resumen.agente.max_drawdown)
        assert leido.operaciones == pytest.approx(resumen.operaciones)
        assert leido.costos == pytest.approx(resumen.costos)
        assert leido.rotacion == pytest.approx(resumen.rotacion)
        assert leido.exposicion_media == pytest.approx(resumen.exposicion_media)

    def test_el_informe_dice_que_cerro_un_stop(self, tmp_path: Path):
        configuracion = una_configuracion(
            proteccion="catastrofe", max_drawdown_permitido=0.3, apalancamiento=20
        )
        resumen = evaluar(PoliticaAleatoria(2), unos_datos(AGITADAS), configuracion, carpeta=tmp_path).resumen
        leido = analizar([tmp_path])

        assert leido.distribucion.filas[StatusFila.PROTECCION] > 0
        assert leido.resumen.operaciones == pytest.approx(resumen.operaciones)
        assert leido.resumen.costos == pytest.approx(resumen.costos)

    def test_las_politicas_de_referencia_se_repiten_con_su_semilla(self):
        vacia = Observacion(np.zeros((1, 1), np.float32), np.zeros(3, np.float32))
        series = [[p.predecir(vacia) for p in politicas_de_referencia(3).values()] for _ in range(2)]

        assert series[0] == series[1]
        assert series[0][:3] == [0.0, 1.0, -1.0]
        assert -1.0 <= series[0][3] <= 1.0
