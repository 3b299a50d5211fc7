"""The session CSV's columns, in the order that every reader relies on."""

from __future__ import annotations

from src.nucleo.columnas import EMERGENCIAS, ENTORNO, OPERACION, PORTAFOLIO, REGISTRO, Clase

LAS_42 = [
    *("timestamp", "paso", "episodio", "action", "precio", "recompensa", "terminated", "truncated", "status"),
    *("balance", "equity", "max_drawdown", "operaciones_total", "pnl_total", "posicion_abierta"),
    *("trade_id_activo", "tipo_posicion_activa", "precio_entrada_activa", "cantidad_activa"),
    *("velas_activa", "pnl_no_realizado"),
    *("tipo_accion", "operacion", "resultado", "error", "trade_id", "tipo_posicion", "precio_entrada"),
    *("precio_salida", "cantidad", "cantidad_adicional", "cantidad_total", "cantidad_restante"),
    *("cantidad_reducida", "porcentaje_inversion", "comision", "slippage", "margen", "margen_liberado"),
    *("pnl_realizado", "pnl_parcial", "velas_abiertas"),
]


def test_son_cuarenta_y_dos_en_su_orden():
    assert len(LAS_42) == 42
    assert list(REGISTRO) == LAS_42


def test_tres_grupos_de_nueve_doce_y_veintiuna():
    assert (len(ENTORNO), len(PORTAFOLIO), len(OPERACION)) == (9, 12, 21)


def test_cada_columna_dice_que_guarda():
    de_clase = {
        clase: {columna for columna, suya in REGISTRO.items() if suya is clase}
        for clase in (Clase.ENTERO, Clase.LOGICO, Clase.TEXTO)
    }

    assert de_clase[Clase.ENTERO] == {
        "paso",
        "episodio",
        "operaciones_total",
        "velas_activa",
        "velas_abiertas",
    }
    assert de_clase[Clase.LOGICO] == {"terminated", "truncated", "posicion_abierta"}
    assert de_clase[Clase.TEXTO] == {
        *("timestamp", "status", "trade_id_activo", "tipo_posicion_activa", "tipo_accion", "operacion"),
        *("resultado", "error", "trade_id", "tipo_posicion"),
    }


def test_las_de_emergencias_son_seis():
    assert EMERGENCIAS == (
        "timestamp",
        "razon",
        "balance_final",
        "equity_final",
        "posiciones_cerradas",
        "detalles",
    )
