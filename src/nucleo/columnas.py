"""The session CSV's columns: names, order and kind, written by the daemon and read by the analysis."""

from __future__ import annotations

from enum import StrEnum


class Clase(StrEnum):
    """What a column holds."""

    TEXTO = "texto"
    NUMERO = "numero"
    ENTERO = "entero"
    LOGICO = "logico"


ENTORNO: dict[str, Clase] = {
    "timestamp": Clase.TEXTO,
    "paso": Clase.ENTERO,
    "episodio": Clase.ENTERO,
    "action": Clase.NUMERO,
    "precio": Clase.NUMERO,
    "recompensa": Clase.NUMERO,
    "terminated": Clase.LOGICO,
    "truncated": Clase.LOGICO,
    "status": Clase.TEXTO,
}
PORTAFOLIO: dict[str, Clase] = {
    "balance": Clase.NUMERO,
    "equity": Clase.NUMERO,
    "max_drawdown": Clase.NUMERO,
    "operaciones_total": Clase.ENTERO,
    "pnl_total": Clase.NUMERO,
    "posicion_abierta": Clase.LOGICO,
    "trade_id_activo": Clase.TEXTO,
    "tipo_posicion_activa": Clase.TEXTO,
    "precio_entrada_activa": Clase.NUMERO,
    "cantidad_activa": Clase.NUMERO,
    "velas_activa": Clase.ENTERO,
    "pnl_no_realizado": Clase.NUMERO,
}
OPERACION: dict[str, Clase] = {
    "tipo_accion": Clase.TEXTO,
    "operacion": Clase.TEXTO,
    "resultado": Clase.TEXTO,
    "error": Clase.TEXTO,
    "trade_id": Clase.TEXTO,
    "tipo_posicion": Clase.TEXTO,
    "precio_entrada": Clase.NUMERO,
    "precio_salida": Clase.NUMERO,
    "cantidad": Clase.NUMERO,
    "cantidad_adicional": Clase.NUMERO,
    "cantidad_total": Clase.NUMERO,
    "cantidad_restante": Clase.NUMERO,
    "cantidad_reducida": Clase.NUMERO,
    "porcentaje_inversion": Clase.NUMERO,
    "comision": Clase.NUMERO,
    "slippage": Clase.NUMERO,
    "margen": Clase.NUMERO,
    "margen_liberado": Clase.NUMERO,
    "pnl_realizado": Clase.NUMERO,
    "pnl_parcial": Clase.NUMERO,
    "velas_abiertas": Clase.ENTERO,
}
REGISTRO: dict[str, Clase] = ENTORNO | PORTAFOLIO | OPERACION
EMERGENCIAS = ("timestamp", "razon", "balance_final", "equity_final", "posiciones_cerradas", "detalles")
