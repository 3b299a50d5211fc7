"""The rows of the session CSV, and the counts that run along them."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.accion import Interpretacion
from src.nucleo.cartera import aplicar_compraventa, liquidar
from src.nucleo.columnas import REGISTRO, Clase
from src.nucleo.contabilidad import Contabilidad, Movimiento, TradeActivo
from src.nucleo.registro import (
    Anotacion,
    Decision,
    Fila,
    Momento,
    Resultado,
    StatusFila,
    construir_info,
    texto_de,
    texto_utc,
    textos_de,
)
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.tipos import EstadoCuenta, Operacion, TipoAccion
from tests.constructores import INICIO_MS, un_mercado, una_cuenta, unos_filtros

RIESGO = EstadoRiesgo(10_000.0, 0.03)
SIN_HISTORIA = Contabilidad()
COMISION = 0.0005


def un_momento(precio: float = 30_000.0, **cambios: object) -> Momento:
    return Momento(1, INICIO_MS, precio, StatusFila.OK)._replace(**cambios)


def una_decision(operacion: Operacion = Operacion.ABRIR_LONG, accion: float = 0.5) -> Decision:
    tipo = TipoAccion.LONG if accion > 0 else TipoAccion.SHORT
    return Decision(
        operacion, Resultado.EJECUTADA, "", accion, Interpretacion(tipo, operacion, abs(accion), 0.5)
    )


def comerciar(cuenta: EstadoCuenta, *fills: tuple[float, float]) -> Movimiento:
    """Fill quantities at prices, one after another."""
    despues, ejecuciones = cuenta, []
    for cantidad, precio in fills:
        despues, ejecucion = aplicar_compraventa(despues, cantidad, precio, COMISION, unos_filtros())
        ejecuciones.append(ejecucion)
    return Movimiento(cuenta, despues, tuple(ejecuciones))


def anotar(
    movimiento: Movimiento,
    contabilidad: Contabilidad = SIN_HISTORIA,
    momento: Momento | None = None,
    decision: Decision | None = None,
) -> Anotacion:
    return construir_info(
        momento or un_momento(), decision or una_decision(), movimiento, RIESGO, contabilidad, 2.0
    )


def llenas(fila: Fila) -> set[str]:
    return {columna for columna, celda in fila.items() if celda is not None}


SIEMPRE = {
    *("timestamp", "paso", "episodio", "action", "precio", "terminated", "truncated", "status", "balance"),
    *("equity", "max_drawdown", "operaciones_total", "pnl_total", "posicion_abierta", "pnl_no_realizado"),
    *("tipo_accion", "operacion", "resultado", "porcentaje_inversion", "comision", "slippage", "margen"),
    *("margen_liberado", "pnl_realizado", "pnl_parcial"),
}
ACTIVA = {
    *("trade_id_activo", "tipo_posicion_activa", "precio_entrada_activa", "cantidad_activa", "velas_activa"),
}
NEGOCIADA = {"trade_id", "tipo_posicion", "precio_entrada", "cantidad"}
EN_CURSO = Contabilidad(2, 50.0, TradeActivo("3", 7))


def test_una_fila_tiene_las_columnas_del_contrato_en_su_orden():
    fila = anotar(comerciar(una_cuenta(), (0.2, 30_006.0))).fila

    assert tuple(fila) == tuple(REGISTRO)


def test_abrir_cuenta_lo_comprado_y_lo_que_costo():
    contabilidad, fila = anotar(comerciar(una_cuenta(), (0.2, 30_006.0)))

    assert llenas(fila) == SIEMPRE | ACTIVA | NEGOCIADA | {"cantidad_total"}
    assert fila["balance"] == 9_996.9994  # − 0.2 · 30,006 · 0.0005
    assert fila["equity"] == pytest.approx(9_996.9994 - 1.2)
    assert (fila["comision"], fila["slippage"]) == (3.0006, 1.2)
    assert (fila["trade_id"], fila["trade_id_activo"], fila["velas_activa"]) == ("1", "1", 0)
    assert (fila["tipo_posicion_activa"], fila["cantidad_activa"], fila["cantidad_total"]) == (
        "long",
        0.2,
        0.2,
    )
    assert fila["margen"] == 3_000.0
    assert fila["porcentaje_inversion"] == pytest.approx(6_000 / (2 * 9_995.7994))
    assert contabilidad == Contabilidad(0, 0.0, TradeActivo("1", 0))


def test_aumentar_dice_cuanto_mas_y_cuanto_en_total():
    movimiento = comerciar(una_cuenta(9_997.0, 0.2, 30_006.0), (0.1, 30_606.0))
    fila = anotar(movimiento, EN_CURSO, un_momento(30_600.0)).fila

    assert llenas(fila) == SIEMPRE | ACTIVA | NEGOCIADA | {"cantidad_adicional", "cantidad_total"}
    assert (fila["cantidad"], fila["cantidad_adicional"], fila["cantidad_total"]) == (0.1, 0.1, 0.3)
    assert fila["precio_entrada"] == 30_206.0
    assert (fila["trade_id"], fila["velas_activa"]) == ("3", 7)


def test_reducir_realiza_una_parte_y_deja_la_entrada_como_estaba():
    movimiento = comerciar(una_cuenta(9_997.0, -0.2, 30_000.0), (0.05, 29_000.0))
    contabilidad, fila = anotar(movimiento, EN_CURSO, un_momento(28_994.0))

    assert llenas(fila) == SIEMPRE | ACTIVA | NEGOCIADA | {
        *("precio_salida", "cantidad_reducida", "cantidad_restante"),
    }
    assert (fila["pnl_parcial"], fila["pnl_realizado"]) == (50.0, 0.0)
    assert (fila["cantidad_reducida"], fila["cantidad_restante"], fila["tipo_posicion"]) == (
        0.05,
        0.15,
        "short",
    )
    assert fila["margen_liberado"] == pytest.approx(0.05 * 28_994 / 2)
    assert contabilidad == Contabilidad(2, 100.0, TradeActivo("3", 7))


def test_cerrar_realiza_todo_y_cuenta_una_operacion_mas():
    movimiento = comerciar(una_cuenta(9_996.3934, 0.2, 30_006.0), (-0.2, 30_593.8))
    contabilidad, fila = anotar(movimiento, EN_CURSO, un_momento(30_600.0))

    assert llenas(fila) == SIEMPRE | NEGOCIADA | {"precio_salida", "cantidad_reducida", "velas_abiertas"}
    assert fila["balance"] == 10_110.89402
    assert (fila["pnl_realizado"], fila["pnl_parcial"]) == (117.56, 0.0)
    assert (fila["precio_salida"], fila["velas_abiertas"], fila["trade_id"]) == (30_593.8, 7, "3")
    assert fila["slippage"] == pytest.approx(0.2 * 6.2)
    assert contabilidad == Contabilidad(3, 167.56, None)


def test_varias_ejecuciones_de_una_decision_son_una_fila():
    movimiento = comerciar(una_cuenta(), (0.2, 30_000.0), (0.1, 30_030.0))
    fila = anotar(movimiento).fila

    assert (fila["cantidad"], fila["cantidad_total"], fila["precio_entrada"]) == (
        pytest.approx(0.3),
        0.3,
        30_010.0,
    )
    assert fila["comision"] == 4.5015
    assert movimiento.precio_medio == pytest.approx(30_010.0)


def test_mantener_sin_posicion_no_inventa_ninguna_operacion():
    quieta = una_cuenta()
    contabilidad, fila = anotar(
        Movimiento(quieta, quieta),
        decision=una_decision(Operacion.MANTENER)._replace(resultado=Resultado.NINGUNA),
    )

    assert llenas(fila) == SIEMPRE
    assert contabilidad == Contabilidad()


def test_una_orden_rechazada_dice_por_que_y_no_mueve_nada():
    quieta = una_cuenta()
    decision = una_decision()._replace(resultado=Resultado.RECHAZADA, error="notional 12.00 is below 50")
    fila = anotar(
        Movimiento(quieta, quieta), momento=un_momento(status=StatusFila.RECHAZADA), decision=decision
    ).fila

    assert llenas(fila) == SIEMPRE | {"error"}
    assert (fila["status"], fila["operacion"], fila["balance"]) == ("rechazada", "abrir_long", 10_000.0)


def test_una_liquidacion_realiza_solo_la_perdida_que_la_cuenta_soporto():
    cuenta = una_cuenta(1_000.0, 1.0, 30_000.0)
    despues, ejecucion, cubierto = liquidar(cuenta, 28_500.0, 28_500.0, un_mercado())
    movimiento = Movimiento(cuenta, despues, (ejecucion,), cubierto)
    decision = Decision(Operacion.CERRAR_LONG, Resultado.EJECUTADA)
    fila = anotar(movimiento, EN_CURSO, un_momento(28_500.0, status=StatusFila.LIQUIDACION), decision).fila

    assert cubierto > 0.0
    assert fila["balance"] == 0.0
    assert fila["balance"] - 1_000.0 == pytest.approx(fila["pnl_realizado"] - fila["comision"], abs=1e-8)
    assert fila["action"] is None
    assert fila["tipo_accion"] is None


def test_una_posicion_hallada_al_empezar_recibe_numero():
    assert Contabilidad(4).abrir().activo == TradeActivo("5", 0)


def test_las_velas_solo_envejecen_a_una_posicion_abierta():
    assert Contabilidad().envejecer() == Contabilidad()
    assert EN_CURSO.envejecer().activo == TradeActivo("3", 8)


def test_los_instantes_se_escriben_en_utc_con_milisegundos():
    assert texto_utc(1_706_688_000_123) == "2024-01-31T08:00:00.123Z"


@pytest.mark.parametrize(
    ("celda", "texto"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (0.1 + 0.2, "0.30000000000000004"),
        ("ok", "ok"),
    ],
)
def test_cada_clase_de_celda_tiene_su_texto(celda: object, texto: str):
    assert texto_de(celda) == texto


def test_una_fila_escrita_se_lee_con_los_mismos_numeros():
    fila = anotar(comerciar(una_cuenta(), (0.2, 30_006.0))).fila
    archivo = io.StringIO()
    csv.writer(archivo).writerow(textos_de(fila))
    (celdas,) = csv.reader(io.StringIO(archivo.getvalue()))

    leida = dict(zip(REGISTRO, celdas, strict=True))
    numeros = [c for c, clase in REGISTRO.items() if clase is Clase.NUMERO and fila[c] is not None]
    assert all(float(leida[columna]) == fila[columna] for columna in numeros)


@given(
    pasos=st.lists(
        st.tuples(st.integers(-300, 300), st.integers(200_000, 400_000), st.integers(-500, 500)),
        min_size=1,
        max_size=30,
    )
)
def test_el_balance_se_mueve_por_lo_que_la_fila_dice_y_el_funding(pasos: list[tuple[int, int, int]]):
    """Δbalance = pnl_realizado + pnl_parcial − comision + funding, to the last of eight decimals."""
    cuenta, contabilidad = una_cuenta(1e6), Contabilidad()
    anterior = Decimal("1000000")
    for miles, decimos, cobro in pasos:
        funding = Decimal(cobro).scaleb(-3) if cuenta.posicion is not None else Decimal(0)
        cuenta = cuenta._replace(saldo=float(Decimal(repr(cuenta.saldo)) + funding))
        cantidad = _sin_cruzar(cuenta.cantidad, miles / 1000)
        movimiento = comerciar(cuenta, *([(cantidad, decimos / 10)] if cantidad else []))
        contabilidad, fila = anotar(movimiento, contabilidad.envejecer(), un_momento(decimos / 10))
        balance, comision, realizado, parcial = (
            Decimal(repr(fila[columna]))
            for columna in ("balance", "comision", "pnl_realizado", "pnl_parcial")
        )
        assert balance - anterior == realizado + parcial - comision + funding
        assert (contabilidad.activo is not None) == (movimiento.despues.posicion is not None)
        cuenta, anterior = movimiento.despues, balance


def _sin_cruzar(actual: float, cantidad: float) -> float:
    """A fill that closes what an opposite one would turn over."""
    return -actual if actual * cantidad < 0 and abs(cantidad) > abs(actual) else cantidad
