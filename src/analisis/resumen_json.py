"""The report for machines: plain values under English keys; a figure that is undefined is null."""

from __future__ import annotations

from typing import Any

from src.analisis.historia import Historia
from src.analisis.informe import Distribucion, Informe
from src.analisis.operaciones import OperacionCompleta
from src.nucleo.bootstrap import IntervalosBootstrap
from src.nucleo.metricas import Resumen, Riesgo
from src.nucleo.registro import texto_utc

Json = dict[str, Any]


def informe_a_json(informe: Informe) -> Json:
    """The whole report; fractions are of 1, amounts in margin asset, times ISO 8601 UTC."""
    historia = informe.historia
    return {
        "span": _lapso(historia),
        "warnings": list(informe.avisos),
        "summary": resumen_a_json(informe.resumen)
        | {
            "final_balance": informe.balance_final,
            "final_equity": informe.equity_final,
            "result": informe.resultado,
            "max_drawdown_monitored": informe.max_drawdown_vigilado,
            "unattributed_balance": historia.balance_no_atribuido,
        },
        "distribution": _distribucion(informe.distribucion),
        "gaps": [
            {
                "from": texto_utc(hueco.desde_ms),
                "to": texto_utc(hueco.hasta_ms),
                "missing_candles": hueco.velas,
                "between_sessions": hueco.entre_sesiones,
                "unattributed_balance": hueco.cambio_balance,
            }
            for hueco in historia.huecos
        ],
        "trades": [_operacion(operacion) for operacion in informe.operaciones],
        "emergencies": [
            {
                "time": texto_utc(emergencia.tiempo_ms),
                "reason": emergencia.razon,
                "final_balance": emergencia.balance_final,
                "final_equity": emergencia.equity_final,
                "closed_positions": emergencia.posiciones_cerradas,
                "details": emergencia.detalles,
            }
            for emergencia in informe.emergencias
        ],
        "episodes": [
            {"episode": episodio.numero, "from": texto_utc(episodio.desde_ms)}
            | resumen_a_json(episodio.resumen)
            for episodio in informe.episodios
        ],
    }


def resumen_a_json(resumen: Resumen) -> Json:
    """The figures of one run."""
    operaciones, costos = resumen.operaciones, resumen.costos
    return {
        "candles": resumen.velas,
        "candles_per_year": resumen.velas_ano,
        "initial_equity": resumen.equity_inicial,
        "final_equity": resumen.equity_final,
        "agent": _riesgo(resumen.agente),
        "hold_1x": _riesgo(resumen.mantener_1x),
        "hold_mean_exposure": _riesgo(resumen.mantener_exposicion),
        "longest_under_peak": resumen.racha_bajo_maximo,
        "mean_exposure": resumen.exposicion_media,
        "mean_absolute_exposure": resumen.exposicion_absoluta_media,
        "time_in_market": resumen.tiempo_en_mercado,
        "turnover": resumen.rotacion,
        "closed_trades": operaciones.cerradas,
        "win_rate": operaciones.tasa_acierto,
        "profit_factor": operaciones.factor_beneficio,
        "expectancy": operaciones.esperanza,
        "best_trade": operaciones.mejor,
        "worst_trade": operaciones.peor,
        "costs": {
            "fees": costos.comisiones,
            "slippage": costos.slippage,
            "funding_received": costos.funding,
            "total": costos.total,
        },
        "intervals": _intervalos(resumen.intervalos) if resumen.intervalos is not None else None,
    }


def _lapso(historia: Historia) -> Json:
    filas = historia.filas
    return {
        "sessions": [sesion.nombre for sesion in historia.sesiones],
        "from": texto_utc(int(filas.tiempo_ms[0])),
        "to": texto_utc(int(filas.tiempo_ms[-1])),
        "rows": len(filas),
        "candles": historia.velas,
        "interval": historia.intervalo,
    }


def _riesgo(riesgo: Riesgo) -> Json:
    return {
        "return": riesgo.rendimiento,
        "volatility": riesgo.volatilidad,
        "sharpe": riesgo.sharpe,
        "sortino": riesgo.sortino,
        "max_drawdown": riesgo.max_drawdown,
    }


def _intervalos(intervalos: IntervalosBootstrap) -> Json:
    return {
        "sharpe": list(intervalos.sharpe),
        "return": list(intervalos.rendimiento),
        "max_drawdown": list(intervalos.max_drawdown),
        "confidence": intervalos.confianza,
        "resamples": intervalos.muestras,
        "mean_block": intervalos.bloque,
    }


def _distribucion(distribucion: Distribucion) -> Json:
    return {
        "action_types": {tipo.value: veces for tipo, veces in distribucion.tipos.items()},
        "operations_asked": {operacion.value: veces for operacion, veces in distribucion.pedidas.items()},
        "operations_filled": {operacion.value: veces for operacion, veces in distribucion.ejecutadas.items()},
        "rows": {status.value: veces for status, veces in distribucion.filas.items()},
        "mean_action": distribucion.accion_media,
        "mean_absolute_action": distribucion.accion_absoluta_media,
    }


def _operacion(operacion: OperacionCompleta) -> Json:
    return {
        "side": "long" if operacion.larga else "short",
        "entry_time": None if operacion.entrada_ms is None else texto_utc(operacion.entrada_ms),
        "entry_price": operacion.precio_entrada,
        "exit_time": None if operacion.salida_ms is None else texto_utc(operacion.salida_ms),
        "exit_price": operacion.precio_salida,
        "exit": operacion.salida.value,
        "quantity": operacion.cantidad,
        "candles": operacion.velas,
        "pnl": operacion.pnl,
        "fees": operacion.comision,
        "slippage": operacion.slippage,
        "funding": operacion.funding,
        "pnl_net": operacion.neto,
    }
