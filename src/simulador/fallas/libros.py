"""The exchange's own books of an account, for those who check a client against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.simulador import respuestas, respuestas_algo
from src.simulador.fallas.vigilia import Desnudez
from src.simulador.numeros import texto
from src.simulador.titular import Titular

if TYPE_CHECKING:
    from src.simulador.simulacion import Simulacion


def libros(
    s: Simulacion, titular: Titular, desnudez: Mapping[str, Desnudez], desde_ms: int = 0
) -> dict[str, Any]:
    """Everything of an account; orders, fills and postings have the fields of Binance's answers.

    Args:
        s: The exchange.
        titular: The account.
        desnudez: How long its positions stood without a stop.
        desde_ms: Leave out orders, fills and postings that nothing has changed since.
    """
    cuenta, libro, algos = titular.cuenta, titular.libro, titular.algos
    return {
        "key": titular.clave,
        "time": s.reloj.ahora_ms(),
        "step": s.paso,
        "wallet": texto(cuenta.saldo),
        "positions": [
            {
                "symbol": simbolo,
                "quantity": texto(posicion.cantidad),
                "entry": texto(posicion.entrada),
                "mark": texto(s.motor.marcas[simbolo]),
                "leverage": posicion.apalancamiento,
                "margin_type": posicion.tipo_margen.value,
                "naked_ms": desnudez[simbolo].como_json(),
            }
            for simbolo, posicion in cuenta.posiciones.items()
        ],
        "orders": [respuestas.consultada(o) for o in libro.todas() if o.actualizada_ms >= desde_ms],
        "open_orders": [respuestas.consultada(orden) for orden in libro.abiertas.values()],
        "fills": [
            respuestas.operada(fila, cuenta.activo) for fila in libro.operadas() if fila.tiempo_ms >= desde_ms
        ],
        "income": [
            respuestas.ingreso(fila, cuenta.activo) for fila in cuenta.ingresos if fila.tiempo_ms >= desde_ms
        ],
        "algo_orders": [
            respuestas_algo.consultado(algo) for algo in algos.todos() if algo.actualizado_ms >= desde_ms
        ],
        "open_algo_orders": [respuestas_algo.consultado(algo) for algo in algos.abiertos.values()],
        "naked_ms": {
            "total": sum(d.total_ms for d in desnudez.values()),
            "longest": max((d.mayor_ms for d in desnudez.values()), default=0),
            "longest_wall": max((d.mayor_pared_ms for d in desnudez.values()), default=0.0),
        },
    }
