"""The report in words and numbers for people; page and terminal show the same texts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from src.analisis.informe import Informe
from src.analisis.operaciones import OperacionCompleta
from src.graficos.estilo import cifra, contar, porcentaje
from src.nucleo.bootstrap import Intervalo
from src.nucleo.metricas import Riesgo

NADA = "–"
"""Shown for a figure that is undefined."""


class FilaComparada(NamedTuple):
    """One figure of the agent beside the two ways of holding."""

    nombre: str
    agente: str
    intervalo: str
    mantener_1x: str
    mantener_exposicion: str


class Dato(NamedTuple):
    """One figure with its name."""

    nombre: str
    valor: str
    nota: str = ""


def texto_numero(valor: float | None, decimales: int = 2, *, signo: bool = False) -> str:
    """A number, or the sign for none."""
    return NADA if valor is None else cifra(valor, decimales, signo=signo)


def texto_fraccion(valor: float | None, decimales: int = 1, *, signo: bool = False) -> str:
    """A fraction of 1 as a percentage, or the sign for none."""
    return NADA if valor is None else porcentaje(valor, decimales, signo=signo)


def texto_precio(valor: float | None) -> str:
    """A price with the decimals it needs, six significant digits at least."""
    if valor is None:
        return NADA
    return cifra(valor, 2 if valor >= 100.0 else 4 if valor >= 1.0 else 8)


def texto_hora(instante_ms: int | None) -> str:
    """A UTC time to the minute."""
    if instante_ms is None:
        return NADA
    return f"{datetime.fromtimestamp(instante_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def comparar(informe: Informe) -> tuple[FilaComparada, ...]:
    """Return and risk of the agent, of the asset held 1×, and of its mean exposure held."""
    resumen = informe.resumen
    columnas = (resumen.agente, resumen.mantener_1x, resumen.mantener_exposicion)
    intervalos = resumen.intervalos

    def fila(nombre: str, textos: list[str], intervalo: str = "") -> FilaComparada:
        return FilaComparada(nombre, textos[0], intervalo, textos[1], textos[2])

    def fracciones(campo: str, *, signo: bool = False) -> list[str]:
        return [texto_fraccion(_valor(riesgo, campo), signo=signo) for riesgo in columnas]

    def numeros(campo: str) -> list[str]:
        return [texto_numero(_valor(riesgo, campo)) for riesgo in columnas]

    return (
        fila(
            "Return",
            fracciones("rendimiento", signo=True),
            _entre(intervalos and intervalos.rendimiento, pct=True),
        ),
        fila("Volatility, per year", fracciones("volatilidad")),
        fila("Sharpe, per year", numeros("sharpe"), _entre(intervalos and intervalos.sharpe)),
        fila("Sortino, per year", numeros("sortino")),
        fila(
            "Max drawdown (closes)",
            fracciones("max_drawdown"),
            _entre(intervalos and intervalos.max_drawdown, pct=True),
        ),
    )


def datos_operaciones(informe: Informe) -> tuple[Dato, ...]:
    """Closed trades, exposure and turnover."""
    resumen, operaciones = informe.resumen, informe.resumen.operaciones
    return (
        Dato("Closed trades", cifra(operaciones.cerradas, 0)),
        Dato(
            "Win rate", texto_fraccion(operaciones.tasa_acierto), "of closed trades, net of fees and funding"
        ),
        Dato("Profit factor", texto_numero(operaciones.factor_beneficio), "money won / money lost"),
        Dato("Expectancy", texto_numero(operaciones.esperanza, signo=True), "mean net result of a trade"),
        Dato("Best trade", texto_numero(operaciones.mejor, signo=True)),
        Dato("Worst trade", texto_numero(operaciones.peor, signo=True)),
        Dato("Time in market", texto_fraccion(resumen.tiempo_en_mercado), "of candles with a position"),
        Dato(
            "Mean exposure",
            f"{cifra(resumen.exposicion_media, signo=True)}×",
            "notional / equity, shorts negative",
        ),
        Dato("Mean absolute exposure", f"{cifra(resumen.exposicion_absoluta_media)}×"),
        Dato("Turnover", f"{cifra(resumen.rotacion, 1)}×", "notional traded / mean equity"),
    )


def datos_costos(informe: Informe) -> tuple[Dato, ...]:
    """Where the money went between the result before costs and the change of equity."""
    costos = informe.resumen.costos
    return (
        Dato("Before costs", cifra(informe.resultado + costos.total, signo=True)),
        Dato("Fees", cifra(-costos.comisiones, signo=True)),
        Dato("Slippage", cifra(-costos.slippage, signo=True), "fills worse than the close"),
        Dato("Funding", cifra(costos.funding, signo=True), "from the balance between rows"),
        Dato("After costs", cifra(informe.resultado, signo=True)),
    )


def datos_cuenta(informe: Informe) -> tuple[Dato, ...]:
    """The account from first to last row."""
    resumen = informe.resumen
    datos = [
        Dato("Initial equity", cifra(resumen.equity_inicial)),
        Dato("Final equity", cifra(informe.equity_final)),
        Dato("Final balance", cifra(informe.balance_final), "wallet, without open profit"),
        Dato("Max drawdown monitored", texto_fraccion(informe.max_drawdown_vigilado), "also inside candles"),
        Dato("Longest time under the peak", contar(resumen.racha_bajo_maximo, "candle")),
    ]
    if informe.historia.balance_no_atribuido:
        datos.append(
            Dato(
                "Unattributed", cifra(informe.historia.balance_no_atribuido, signo=True), "no trading result"
            )
        )
    return tuple(datos)


def lapso(informe: Informe) -> str:
    """When, how many candles, of which interval."""
    filas = informe.historia.filas
    intervalo = informe.historia.intervalo
    velas = contar(informe.historia.velas, "candle") + (f" of {intervalo}" if intervalo else "")
    return f"{texto_hora(int(filas.tiempo_ms[0]))} – {texto_hora(int(filas.tiempo_ms[-1]))} UTC, {velas}"


def celdas_operacion(numero: int, operacion: OperacionCompleta) -> tuple[str, ...]:
    """One row of the trade list."""
    return (
        str(numero),
        "long" if operacion.larga else "short",
        texto_hora(operacion.entrada_ms) if operacion.entrada_ms is not None else "before",
        texto_precio(operacion.precio_entrada),
        texto_hora(operacion.salida_ms),
        texto_precio(operacion.precio_salida),
        f"{operacion.cantidad:.8f}".rstrip("0").rstrip("."),
        NADA if operacion.velas is None else f"{operacion.velas:,}",
        cifra(-operacion.costo, signo=True),
        texto_numero(operacion.neto, signo=True),
        operacion.salida.value,
    )


def _valor(riesgo: Riesgo, campo: str) -> float | None:
    valor: float | None = getattr(riesgo, campo)
    return valor


def _entre(intervalo: Intervalo | None, *, pct: bool = False) -> str:
    if intervalo is None:
        return ""
    texto = texto_fraccion if pct else texto_numero
    return f"{texto(intervalo.bajo)} … {texto(intervalo.alto)}"
