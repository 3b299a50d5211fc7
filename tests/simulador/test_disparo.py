"""Where and in which order the price's way triggers conditional orders, and what becomes of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from src.simulador.algos import EstadoAlgo
from src.simulador.ordenes import RECUERDA, EstadoOrden
from src.simulador.trastornos import Disparo
from tests.simulador.banco import HORA_MS, el_titular, ordenar, planas, una_simulacion
from tests.simulador.banco_algo import Averia, Oido, proteger

D = Decimal
BAJADA = [(20_000,) * 4, (20_000, 20_000, 19_000, 19_500)]  # open, high, low, close
ANTES, BAJO = 2, 3  # steps up to the high, and down to the low


def _andar(simulacion, pasos):
    for _ in range(pasos):
        simulacion.avanzar()


def _posicion(simulacion):
    return el_titular(simulacion).cuenta.posiciones["BTCUSDT"].cantidad


def _operadas(simulacion):
    return [(fila.precio, fila.cantidad) for fila in el_titular(simulacion).libro.operadas()]


def test_en_el_camino_se_llena_al_gatillo_empeorado_por_el_slippage():
    """19,500 · 0.9998 = 19,496.1, on the tick."""
    simulacion = una_simulacion(BAJADA, slippage=D("0.0002"))
    ordenar(simulacion, quantity="0.1")
    stop = proteger(simulacion, closePosition="true", triggerPrice="19500")

    _andar(simulacion, ANTES)
    assert stop.estado is EstadoAlgo.NEW
    _andar(simulacion, BAJO - ANTES)

    assert _operadas(simulacion)[-1] == (D("19496.1"), D("0.1"))
    assert el_titular(simulacion).libro.operadas()[-1].comision == D("0.97480500")  # taker, 0.0005
    assert (stop.estado, _posicion(simulacion)) == (EstadoAlgo.FINISHED, 0)
    assert simulacion.plazas["BTCUSDT"].precio == simulacion.motor.marcas["BTCUSDT"] == 19_000


def test_tras_un_salto_se_llena_al_precio_del_punto():
    """18,000 · 0.9998 = 17,996.4."""
    simulacion = una_simulacion(planas(20_000, 18_000), slippage=D("0.0002"))
    ordenar(simulacion, quantity="0.1")
    proteger(simulacion, closePosition="true", triggerPrice="19500")

    _andar(simulacion, 1)

    assert _operadas(simulacion)[-1] == (D("17996.4"), D("0.1"))


def test_por_cierres_todo_es_salto():
    simulacion = una_simulacion(BAJADA, camino="close")
    ordenar(simulacion, quantity="0.1")
    proteger(simulacion, closePosition="true", triggerPrice="19600")

    _andar(simulacion, 1)

    assert _operadas(simulacion)[-1] == (D("19500"), D("0.1"))


def test_un_corto_se_recompra_por_encima_del_gatillo():
    """20,500 · 1.0002 = 20,504.1."""
    simulacion = una_simulacion([(20_000,) * 4, (20_000, 21_000, 20_000, 20_000)], slippage=D("0.0002"))
    ordenar(simulacion, side="SELL", quantity="0.1")
    proteger(simulacion, side="BUY", closePosition="true", triggerPrice="20500")

    _andar(simulacion, 3)

    assert _operadas(simulacion)[-1] == (D("20504.1"), D("0.1"))


def test_tocar_el_gatillo_basta():
    simulacion = una_simulacion(BAJADA)
    ordenar(simulacion, quantity="0.1")
    stop = proteger(simulacion, closePosition="true", triggerPrice="19000")

    _andar(simulacion, BAJO)

    assert stop.estado is EstadoAlgo.FINISHED


def test_una_toma_de_ganancia_dispara_hacia_el_otro_lado():
    simulacion = una_simulacion([(20_000,) * 4, (20_000, 21_000, 19_000, 20_500)])
    ordenar(simulacion, quantity="0.1")
    stop = proteger(simulacion, closePosition="true", triggerPrice="18900")
    ganancia = proteger(
        simulacion,
        type="TAKE_PROFIT_MARKET",
        closePosition="true",
        triggerPrice="20800",
        workingType="MARK_PRICE",
    )

    _andar(simulacion, 3)

    assert _operadas(simulacion)[-1] == (D("20800"), D("0.1"))
    assert (ganancia.estado, stop.estado) == (EstadoAlgo.FINISHED, EstadoAlgo.EXPIRED)


def test_varios_alcanzados_en_un_paso_van_en_el_orden_del_camino():
    simulacion = una_simulacion(BAJADA)
    ordenar(simulacion, quantity="0.3")
    for gatillo in ("19200", "19800", "19500"):
        proteger(simulacion, quantity="0.1", reduceOnly="true", triggerPrice=gatillo)

    _andar(simulacion, BAJO)

    assert _operadas(simulacion)[1:] == [
        (D("19800"), D("0.1")),
        (D("19500"), D("0.1")),
        (D("19200"), D("0.1")),
    ]


def test_tras_un_salto_tambien_van_en_el_orden_del_camino():
    simulacion = una_simulacion(planas(20_000, 19_000))
    ordenar(simulacion, quantity="0.1")
    lejos = proteger(simulacion, quantity="0.1", reduceOnly="true", triggerPrice="19200")
    cerca = proteger(simulacion, closePosition="true", triggerPrice="19800")

    _andar(simulacion, 1)

    assert (cerca.estado, lejos.estado) == (EstadoAlgo.FINISHED, EstadoAlgo.REJECTED)
    assert _operadas(simulacion)[1:] == [(D("19000"), D("0.1"))]


def test_un_limite_en_reposo_y_un_stop_se_cruzan_en_su_orden():
    """The stop at 19,800 closes 0.1; only then does the purchase at 19,500 open 0.2."""
    simulacion = una_simulacion(BAJADA)
    ordenar(simulacion, quantity="0.1")
    ordenar(simulacion, type="LIMIT", price="19500", quantity="0.2")
    proteger(simulacion, closePosition="true", triggerPrice="19800")

    _andar(simulacion, BAJO)

    assert _operadas(simulacion)[1:] == [(D("19800"), D("0.1")), (D("19500"), D("0.2"))]
    assert _posicion(simulacion) == D("0.2")


class TestLiquidacion:
    """Long 1 BTC at 20,000 on a wallet of 4,000: liquidated at 16,161.6."""

    def _abrir(self, velas, gatillo, **opciones):
        simulacion = una_simulacion([(20_000,) * 4, *velas], saldo="4010", **opciones)
        ordenar(simulacion, quantity="1")
        return simulacion, proteger(simulacion, closePosition="true", triggerPrice=gatillo)

    def test_en_el_camino_el_stop_llega_antes(self):
        simulacion, stop = self._abrir([(20_000, 20_000, 15_000, 18_000)], "16500")
        _andar(simulacion, 3)

        assert _operadas(simulacion)[-1] == (D("16500"), D("1"))
        assert stop.estado is EstadoAlgo.FINISHED
        assert "INSURANCE_CLEAR" not in el_titular(simulacion).cuenta.suma_ingresos

    def test_un_stop_mas_lejano_que_la_liquidacion_ya_no_tiene_que_cerrar(self):
        simulacion, stop = self._abrir([(20_000, 20_000, 15_000, 18_000)], "15500")
        _andar(simulacion, 3)

        assert _operadas(simulacion)[-1] == (D("16161.6"), D("1"))
        assert stop.estado is EstadoAlgo.EXPIRED
        assert el_titular(simulacion).cuenta.saldo == 0

    def test_tras_un_salto_sin_mantenimiento_se_liquida(self):
        simulacion, stop = self._abrir(planas(16_100), "16500")
        _andar(simulacion, 1)

        assert el_titular(simulacion).libro.operadas()[-1].precio == D("16100")
        assert list(el_titular(simulacion).libro.todas())[-1].tipo == "LIQUIDATION"
        assert stop.estado is EstadoAlgo.EXPIRED

    def test_tras_un_salto_con_mantenimiento_se_cierra(self):
        simulacion, stop = self._abrir(planas(16_300), "16500")
        _andar(simulacion, 1)

        assert _operadas(simulacion)[-1] == (D("16300"), D("1"))
        assert stop.estado is EstadoAlgo.FINISHED


class TestHija:
    """The order that a conditional one becomes."""

    def test_nace_con_su_propio_numero_y_el_id_del_cliente(self):
        simulacion = una_simulacion(BAJADA)
        ordenar(simulacion, quantity="0.1")
        stop = proteger(simulacion, closePosition="true", triggerPrice="19500", clientAlgoId="tm-1")
        _andar(simulacion, BAJO)

        hija = stop.hija
        assert hija is not None
        assert (hija.id_cliente, hija.tipo, hija.estado) == ("tm-1", "MARKET", EstadoOrden.FILLED)
        assert hija.id != stop.id
        assert el_titular(simulacion).libro.buscar(hija.id, None) is hija

    def test_cierra_lo_que_haya_al_disparar(self):
        simulacion = una_simulacion(BAJADA)
        ordenar(simulacion, quantity="0.1")
        proteger(simulacion, closePosition="true", triggerPrice="19500")
        ordenar(simulacion, quantity="0.2")
        _andar(simulacion, BAJO)

        assert _operadas(simulacion)[-1] == (D("19500"), D("0.3"))

    def test_una_reductora_no_da_la_vuelta(self):
        simulacion = una_simulacion(BAJADA)
        ordenar(simulacion, quantity="0.1")
        proteger(simulacion, quantity="0.5", reduceOnly="true", triggerPrice="19500")
        _andar(simulacion, BAJO)

        assert (_operadas(simulacion)[-1], _posicion(simulacion)) == ((D("19500"), D("0.1")), 0)

    def test_una_reductora_no_se_rechaza_junto_a_limites_en_reposo(self):
        simulacion = una_simulacion(BAJADA)
        ordenar(simulacion, quantity="0.1")
        espera = ordenar(
            simulacion, side="SELL", type="LIMIT", price="20900", quantity="0.1", reduceOnly="true"
        )
        proteger(simulacion, quantity="0.1", reduceOnly="true", triggerPrice="19500")
        _andar(simulacion, BAJO)

        assert (_posicion(simulacion), espera.estado) == (0, EstadoOrden.EXPIRED)

    def test_una_que_no_es_reductora_puede_dar_la_vuelta(self):
        simulacion = una_simulacion(BAJADA)
        ordenar(simulacion, quantity="0.1")
        proteger(simulacion, quantity="0.3", triggerPrice="19500")
        _andar(simulacion, BAJO)

        assert _posicion(simulacion) == D("-0.2")

    @pytest.mark.parametrize(
        ("campos", "motivo"),
        [
            ({"quantity": "0.1", "reduceOnly": "true"}, "ReduceOnly Order is rejected."),
            ({"quantity": "20"}, "Margin is insufficient."),
        ],
    )
    def test_la_que_no_puede_ser_deja_al_padre_rechazado(self, campos, motivo):
        simulacion = una_simulacion(BAJADA)
        oido = Oido(simulacion)
        stop = proteger(simulacion, triggerPrice="19500", clientAlgoId="a", **campos)
        _andar(simulacion, BAJO)

        assert (stop.estado, stop.hija, stop.motivo) == (EstadoAlgo.REJECTED, None, motivo)
        assert oido.de_algos() == [("a", "NEW"), ("a", "TRIGGERING"), ("a", "REJECTED")]
        assert oido.eventos[-1]["o"]["rm"] == motivo
        assert _operadas(simulacion) == []


class TestLimite:
    """STOP and TAKE_PROFIT become limit orders."""

    def test_si_cruza_se_llena_al_mercado_del_gatillo(self):
        simulacion = una_simulacion(BAJADA)
        ordenar(simulacion, quantity="0.1")
        stop = proteger(
            simulacion, type="STOP", quantity="0.1", price="19400", triggerPrice="19500", reduceOnly="true"
        )
        _andar(simulacion, BAJO)

        assert (stop.estado, _operadas(simulacion)[-1]) == (EstadoAlgo.FINISHED, (D("19500"), D("0.1")))

    def test_si_no_cruza_espera_como_orden_y_el_padre_como_disparado(self):
        simulacion = una_simulacion([*BAJADA, (19_500, 19_900, 19_500, 19_500)])
        ordenar(simulacion, quantity="0.1")
        stop = proteger(
            simulacion, type="STOP", quantity="0.1", price="19700", triggerPrice="19500", reduceOnly="true"
        )
        _andar(simulacion, BAJO)
        assert stop.estado is EstadoAlgo.TRIGGERED
        assert [o.id for o in el_titular(simulacion).libro.abiertas.values()] == [stop.hija.id]

        _andar(simulacion, 4)

        assert (stop.estado, _operadas(simulacion)[-1]) == (EstadoAlgo.FINISHED, (D("19700"), D("0.1")))
        assert el_titular(simulacion).libro.operadas()[-1].maker

    def test_la_hija_puede_llenarse_en_el_mismo_camino(self):
        simulacion = una_simulacion([(20_000,) * 4, (20_000, 21_000, 20_000, 20_000)])
        ordenar(simulacion, quantity="0.1")
        proteger(
            simulacion,
            type="TAKE_PROFIT",
            quantity="0.1",
            price="20600",
            triggerPrice="20500",
            reduceOnly="true",
        )
        _andar(simulacion, 3)

        assert _operadas(simulacion)[-1] == (D("20600"), D("0.1"))

    def test_cancelar_la_hija_termina_al_padre(self):
        simulacion = una_simulacion(BAJADA)
        stop = proteger(simulacion, type="STOP", quantity="0.1", price="19700", triggerPrice="19500")
        _andar(simulacion, BAJO)

        simulacion.motor.cancelar(el_titular(simulacion), stop.hija, simulacion.reloj.ahora_ms())

        assert (stop.estado, stop.hija.estado) == (EstadoAlgo.FINISHED, EstadoOrden.CANCELED)

    @pytest.mark.parametrize(
        ("vigencia", "precio", "estado"),
        [
            ("IOC", "19700", EstadoAlgo.FINISHED),
            ("FOK", "19700", EstadoAlgo.REJECTED),
            ("GTX", "19400", EstadoAlgo.REJECTED),
        ],
    )
    def test_su_vigencia_es_la_de_la_hija(self, vigencia, precio, estado):
        simulacion = una_simulacion(BAJADA)
        stop = proteger(
            simulacion, type="STOP", quantity="0.1", price=precio, triggerPrice="19500", timeInForce=vigencia
        )
        _andar(simulacion, BAJO)

        assert stop.estado is estado
        assert _operadas(simulacion) == []

    def test_con_fecha_vence_antes_de_disparar(self):
        simulacion = una_simulacion(BAJADA)
        stop = proteger(
            simulacion,
            type="STOP",
            quantity="0.1",
            price="19000",
            triggerPrice="18900",
            timeInForce="GTD",
            goodTillDate=str(simulacion.reloj.ahora_ms() + HORA_MS // 4),
        )
        _andar(simulacion, 2)

        assert stop.estado is EstadoAlgo.EXPIRED


class TestArrastre:
    """TRAILING_STOP_MARKET follows the best price at a distance."""

    def test_sigue_al_maximo_y_dispara_al_retroceder(self):
        """From the high of 21,000, 1 % back is 20,790."""
        simulacion = una_simulacion([(20_000,) * 4, (20_000, 21_000, 19_900, 20_500)])
        ordenar(simulacion, quantity="0.1")
        stop = proteger(simulacion, type="TRAILING_STOP_MARKET", quantity="0.1", callbackRate="1")
        _andar(simulacion, 3)
        assert stop.extremo == 21_000
        _andar(simulacion, 1)

        assert _operadas(simulacion)[-1] == (D("20790"), D("0.1"))

    def test_un_corto_sigue_al_minimo(self):
        """From the low of 19,000, 1 % back is 19,190."""
        simulacion = una_simulacion(BAJADA)
        ordenar(simulacion, side="SELL", quantity="0.1")
        proteger(simulacion, type="TRAILING_STOP_MARKET", side="BUY", quantity="0.1", callbackRate="1")
        _andar(simulacion, 4)

        assert _operadas(simulacion)[-1] == (D("19190"), D("0.1"))

    def test_antes_de_activarse_no_dispara(self):
        simulacion = una_simulacion([*BAJADA, (19_500, 20_600, 19_500, 20_200)])
        ordenar(simulacion, quantity="0.1")
        stop = proteger(
            simulacion, type="TRAILING_STOP_MARKET", quantity="0.1", callbackRate="1", activatePrice="20500"
        )
        _andar(simulacion, 6)
        assert (stop.estado, stop.extremo) == (EstadoAlgo.NEW, None)
        _andar(simulacion, 2)

        assert _operadas(simulacion)[-1] == (D("20394"), D("0.1"))  # 20,600 · 0.99


class TestExpira:
    """What closes the position ends the conditional orders that would have closed it."""

    def _con_stop(self, **campos):
        simulacion = una_simulacion()
        ordenar(simulacion, quantity="0.1")
        return simulacion, proteger(simulacion, triggerPrice="19000", **campos)

    def test_un_cierre_expira_cuando_la_posicion_se_cierra(self):
        simulacion, stop = self._con_stop(closePosition="true", clientAlgoId="a")
        oido = Oido(simulacion)
        ordenar(simulacion, side="SELL", quantity="0.1")

        assert stop.estado is EstadoAlgo.EXPIRED
        assert oido.de_algos() == [("a", "EXPIRED")]

    def test_un_cierre_expira_cuando_la_posicion_da_la_vuelta(self):
        simulacion, stop = self._con_stop(closePosition="true")
        ordenar(simulacion, side="SELL", quantity="0.3")

        assert stop.estado is EstadoAlgo.EXPIRED

    def test_un_cierre_sigue_cuando_la_posicion_se_reduce(self):
        simulacion, stop = self._con_stop(closePosition="true")
        ordenar(simulacion, side="SELL", quantity="0.05")

        assert stop.estado is EstadoAlgo.NEW

    def test_uno_de_cantidad_queda_huerfano(self):
        simulacion, stop = self._con_stop(quantity="0.1", reduceOnly="true")
        ordenar(simulacion, side="SELL", quantity="0.1")

        assert stop.estado is EstadoAlgo.NEW

    def test_el_cierre_de_otro_simbolo_no_se_toca(self):
        simulacion = una_simulacion(otras=[("ETHUSDT", planas(*[1_000] * 5))])
        ordenar(simulacion, quantity="0.1")
        ordenar(simulacion, symbol="ETHUSDT", quantity="1")
        stop = proteger(simulacion, closePosition="true", triggerPrice="19000")
        ordenar(simulacion, symbol="ETHUSDT", side="SELL", quantity="1")

        assert stop.estado is EstadoAlgo.NEW


class TestEventos:
    """What an account hears of its conditional orders."""

    def _con_stop(self, trastornos=None, **campos):
        simulacion = una_simulacion(BAJADA, trastornos=trastornos)
        ordenar(simulacion, quantity="0.1")
        oido = Oido(simulacion)
        proteger(simulacion, closePosition="true", triggerPrice="19500", clientAlgoId="a", **campos)
        return simulacion, oido

    def test_la_vida_entera(self):
        simulacion, oido = self._con_stop()
        _andar(simulacion, BAJO)

        assert oido.resumen == [
            "ALGO_UPDATE NEW",
            "ALGO_UPDATE TRIGGERING",
            "ALGO_UPDATE TRIGGERED",
            "ORDER_TRADE_UPDATE NEW",
            "TRADE_LITE",
            "ACCOUNT_UPDATE",
            "ORDER_TRADE_UPDATE FILLED",
            "ALGO_UPDATE FINISHED",
        ]

    def test_los_campos_son_los_documentados(self):
        simulacion, oido = self._con_stop(workingType="MARK_PRICE")
        _andar(simulacion, BAJO)

        nuevo, ultimo = oido.eventos[0]["o"], oido.eventos[-1]["o"]
        hija = el_titular(simulacion).libro.operadas()[-1].orden_id
        assert (nuevo["ai"], nuevo["aq"], nuevo["act"], nuevo["tt"]) == ("", "0", "0", 0)
        assert ultimo == {
            "caid": "a",
            "aid": nuevo["aid"],
            "at": "CONDITIONAL",
            "o": "STOP_MARKET",
            "s": "BTCUSDT",
            "S": "SELL",
            "ps": "BOTH",
            "f": "GTC",
            "q": "0",
            "X": "FINISHED",
            "ai": str(hija),
            "ap": "19500",
            "aq": "0.1",
            "act": "MARKET",
            "tp": "19500",
            "p": "0",
            "V": "EXPIRE_MAKER",
            "wt": "MARK_PRICE",
            "pm": "NONE",
            "cp": True,
            "pP": False,
            "R": False,
            "tt": simulacion.reloj.ahora_ms(),
            "gtd": 0,
            "rm": "",
        }

    def test_la_hija_cuenta_de_que_orden_nacio(self):
        simulacion, oido = self._con_stop(workingType="MARK_PRICE")
        _andar(simulacion, BAJO)

        llenado = next(
            e["o"] for e in oido.eventos if e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["X"] == "FILLED"
        )
        campos = ("c", "o", "ot", "sp", "wt", "cp", "R", "x", "l", "L")
        assert [llenado[campo] for campo in campos] == [
            "a", "MARKET", "STOP_MARKET", "19500", "MARK_PRICE", True, True, "TRADE", "0.1", "19500",
        ]  # fmt: skip

    def test_el_llenado_puede_llegar_antes_que_el_disparo(self):
        simulacion, oido = self._con_stop(Averia(hija_primero=True))
        _andar(simulacion, BAJO)

        assert [e for e in oido.resumen if not e.startswith(("TRADE", "ACCOUNT"))] == [
            "ALGO_UPDATE NEW",
            "ALGO_UPDATE TRIGGERING",
            "ORDER_TRADE_UPDATE NEW",
            "ORDER_TRADE_UPDATE FILLED",
            "ALGO_UPDATE TRIGGERED",
            "ALGO_UPDATE FINISHED",
        ]

    def test_cancelar_se_cuenta(self):
        simulacion, oido = self._con_stop()
        simulacion.motor.cancelar_algos(el_titular(simulacion), "BTCUSDT", simulacion.reloj.ahora_ms())

        assert oido.de_algos() == [("a", "NEW"), ("a", "CANCELED")]


class TestTrastornos:
    """An exchange that fails at the trigger."""

    def _disparar(self, averia):
        simulacion = una_simulacion(BAJADA, trastornos=averia)
        ordenar(simulacion, quantity="0.1")
        stop = proteger(simulacion, closePosition="true", triggerPrice="19500")
        _andar(simulacion, BAJO)
        return simulacion, stop

    def test_atascado_no_llega_a_tener_hija(self):
        simulacion, stop = self._disparar(Averia(Disparo.ATASCADO))
        _andar(simulacion, 1)

        assert (stop.estado, stop.hija, _posicion(simulacion)) == (EstadoAlgo.TRIGGERING, None, D("0.1"))

    def test_una_hija_expirada_no_llena_nada(self):
        simulacion, stop = self._disparar(Averia(Disparo.HIJA_EXPIRADA))

        assert (stop.estado, stop.hija.estado) == (EstadoAlgo.FINISHED, EstadoOrden.EXPIRED)
        assert (stop.hija.ejecutada, _posicion(simulacion)) == (0, D("0.1"))

    def test_una_hija_parcial_llena_la_mitad(self):
        simulacion, stop = self._disparar(Averia(Disparo.HIJA_PARCIAL))

        assert (stop.estado, stop.hija.estado) == (EstadoAlgo.FINISHED, EstadoOrden.EXPIRED)
        assert (stop.hija.ejecutada, _posicion(simulacion)) == (D("0.05"), D("0.05"))
        cuenta = el_titular(simulacion).cuenta
        assert cuenta.saldo == sum(cuenta.suma_ingresos.values())

    def test_un_disparo_ignorado_sigue_esperando_y_dispara_donde_esta_el_precio(self):
        """Ignored on the way down to 19,000; a jump to 18,500 triggers it there."""
        simulacion = una_simulacion(
            [(20_000,) * 4, (20_000, 20_000, 19_000, 19_000), *planas(18_500)], trastornos=Averia(ignorados=2)
        )
        ordenar(simulacion, quantity="0.1")
        stop = proteger(simulacion, closePosition="true", triggerPrice="19500")
        _andar(simulacion, 4)
        assert stop.estado is EstadoAlgo.NEW
        _andar(simulacion, 1)

        assert _operadas(simulacion)[-1] == (D("18500"), D("0.1"))

    def test_un_disparo_ignorado_en_el_camino_dispara_desde_donde_se_retoma(self):
        """Ignored between 20,000 and 19,800; the way on triggers it at 19,800, never back at 19,900."""
        simulacion = una_simulacion(
            [(20_000,) * 4, (20_000, 20_000, 19_800, 19_800), (19_800, 19_800, 19_500, 19_600)],
            trastornos=Averia(ignorados=3),
        )
        ordenar(simulacion, quantity="0.1")
        proteger(simulacion, closePosition="true", triggerPrice="19900")
        _andar(simulacion, 8)

        assert _operadas(simulacion)[-1] == (D("19800"), D("0.1"))

    def test_lo_olvidado_desaparece_sin_evento(self):
        simulacion = una_simulacion(BAJADA)
        ordenar(simulacion, quantity="0.1")
        stop = proteger(simulacion, closePosition="true", triggerPrice="19500")
        oido = Oido(simulacion)

        simulacion.motor.olvidar(el_titular(simulacion), stop)
        _andar(simulacion, BAJO)

        assert (oido.eventos, _posicion(simulacion)) == ([], D("0.1"))
        assert el_titular(simulacion).algos.buscar(stop.id, "") is None


def test_cancelar_todas_las_ordenes_no_toca_los_condicionales():
    simulacion = una_simulacion()
    stop = proteger(simulacion, quantity="0.1", triggerPrice="19500")
    ordenar(simulacion, type="LIMIT", price="19500", quantity="0.1")

    simulacion.motor.cancelar_todas(el_titular(simulacion), "BTCUSDT", simulacion.reloj.ahora_ms())

    assert stop.estado is EstadoAlgo.NEW


def test_lo_terminado_se_olvida_de_lo_mas_viejo():
    simulacion = una_simulacion()
    primero = proteger(simulacion, quantity="0.1", triggerPrice="19500", clientAlgoId="primero")
    titular = el_titular(simulacion)
    simulacion.motor.cancelar_algo(titular, primero, 0)
    for _ in range(RECUERDA):
        simulacion.motor.cancelar_algo(titular, proteger(simulacion, quantity="0.1", triggerPrice="19500"), 0)

    assert titular.algos.buscar(primero.id, "") is None
    assert titular.algos.buscar(None, "primero") is None
    assert len(titular.algos.todos()) == RECUERDA
