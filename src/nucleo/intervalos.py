"""Binance's grid of candles: fixed steps, weeks from Monday, calendar months; all in UTC milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime

from src.nucleo.errores import ConfiguracionInvalida

MINUTO_MS = 60_000
HORA_MS = 60 * MINUTO_MS
DIA_MS = 24 * HORA_MS
SEMANA_MS = 7 * DIA_MS
ANO_DIAS = 365.25
_LUNES_MS = 4 * DIA_MS  # 1970-01-05 was a Monday

DIA = "1d"
MES = "1M"
SEMANA = "1w"

_FIJOS_MS = {
    "1m": MINUTO_MS,
    "3m": 3 * MINUTO_MS,
    "5m": 5 * MINUTO_MS,
    "15m": 15 * MINUTO_MS,
    "30m": 30 * MINUTO_MS,
    "1h": HORA_MS,
    "2h": 2 * HORA_MS,
    "4h": 4 * HORA_MS,
    "6h": 6 * HORA_MS,
    "8h": 8 * HORA_MS,
    "12h": 12 * HORA_MS,
    DIA: DIA_MS,
    "3d": 3 * DIA_MS,
}
INTERVALOS = (*_FIJOS_MS, SEMANA, MES)


def validar_intervalo(intervalo: str) -> str:
    """Return the interval, or say which ones exist."""
    if intervalo not in INTERVALOS:
        raise ConfiguracionInvalida(f"interval {intervalo!r} is unknown; use one of {', '.join(INTERVALOS)}")
    return intervalo


def apertura_de(instante_ms: int, intervalo: str) -> int:
    """Open time of the candle that contains an instant."""
    if intervalo == MES:
        fecha = datetime.fromtimestamp(instante_ms / 1000, UTC)
        return _ms(fecha.year, fecha.month)
    if intervalo == SEMANA:
        return (instante_ms - _LUNES_MS) // SEMANA_MS * SEMANA_MS + _LUNES_MS
    paso = _FIJOS_MS[validar_intervalo(intervalo)]
    return instante_ms // paso * paso


def siguiente_apertura(apertura_ms: int, intervalo: str, velas: int = 1) -> int:
    """Open time ``velas`` candles later (earlier when negative)."""
    if intervalo == MES:
        fecha = datetime.fromtimestamp(apertura_ms / 1000, UTC)
        anos, mes = divmod(fecha.year * 12 + fecha.month - 1 + velas, 12)
        return _ms(anos, mes + 1)
    paso = SEMANA_MS if intervalo == SEMANA else _FIJOS_MS[validar_intervalo(intervalo)]
    return apertura_ms + paso * velas


def cierre_de(apertura_ms: int, intervalo: str) -> int:
    """Binance's close time: the last millisecond of the candle."""
    return siguiente_apertura(apertura_ms, intervalo) - 1


def en_rejilla(apertura_ms: int, intervalo: str) -> bool:
    """Whether an open time lies on the grid."""
    return apertura_de(apertura_ms, intervalo) == apertura_ms


def velas_por_ano(intervalo: str) -> float:
    """Candles in a year of 365.25 days, the figure that annualises a Sharpe ratio."""
    if intervalo == MES:
        return 12.0
    paso = SEMANA_MS if intervalo == SEMANA else _FIJOS_MS[validar_intervalo(intervalo)]
    return ANO_DIAS * DIA_MS / paso


def _ms(ano: int, mes: int) -> int:
    return int(datetime(ano, mes, 1, tzinfo=UTC).timestamp() * 1000)
