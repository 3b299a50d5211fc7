"""Routes of market data; none needs a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src.nucleo.intervalos import INTERVALOS
from src.simulador import respuestas_mercado as cuerpos
from src.simulador.fallos_api import ErrorApi
from src.simulador.peticion import Parametros
from src.simulador.plaza import Plaza
from src.simulador.rutas import Publica, Tabla, con_simbolo, escalones, fijo
from src.simulador.simulacion import Simulacion

VELAS_MAX = 1_500
_LEJOS_MS = 2**62


def _ping(_: Simulacion, __: Parametros) -> Any:
    return {}


def _hora(s: Simulacion, _: Parametros) -> Any:
    return {"serverTime": s.reloj.ahora_ms()}


def _informacion(s: Simulacion, _: Parametros) -> Any:
    contratos = [plaza.contrato for plaza in s.plazas.values()]
    return {
        "timezone": "UTC",
        "serverTime": s.reloj.ahora_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": cuerpos.LIMITES,
        "exchangeFilters": [],
        "assets": [
            {"asset": contratos[0].activo_margen, "marginAvailable": True, "autoAssetExchange": "-10000"}
        ],
        "symbols": [
            cuerpos.informacion_simbolo(plaza.contrato, int(plaza.serie.apertura_ms[0]))
            for plaza in s.plazas.values()
        ],
    }


def _velas(s: Simulacion, p: Parametros) -> Any:
    return _filas_velas(s, s.plaza(p.texto("symbol")), p)


def _velas_continuas(s: Simulacion, p: Parametros) -> Any:
    if p.texto("contractType") != "PERPETUAL":
        raise ErrorApi(-1130, nombre="contractType")
    return _filas_velas(s, s.plaza(p.texto("pair")), p)


def _filas_velas(s: Simulacion, plaza: Plaza, p: Parametros) -> list[list[Any]]:
    """Rows from the newest backwards, or forwards from ``startTime``; the open candle is the last."""
    intervalo = p.texto("interval")
    if intervalo not in INTERVALOS or intervalo != s.intervalo:
        raise ErrorApi(-1120)
    limite = p.entero_o("limit", 500)
    if not 1 <= limite <= VELAS_MAX:
        raise ErrorApi(-1130, nombre="limit")
    serie, cerradas = plaza.serie, plaza.cerradas
    hasta_ms = p.entero_o("endTime", _LEJOS_MS)
    abierta = plaza.curso.apertura_ms <= hasta_ms
    fin = min(cerradas, serie.buscar(hasta_ms + 1))
    if p.tiene("startTime"):
        inicio_ms = p.entero("startTime")
        inicio = serie.buscar(inicio_ms)
        abierta = abierta and inicio_ms <= plaza.curso.apertura_ms
        fin = min(fin, inicio + limite)
        abierta = abierta and max(0, fin - inicio) < limite
    else:
        inicio = max(0, fin - limite + (1 if abierta else 0))
    filas = [serie.fila(i) for i in range(inicio, fin)]
    return [*filas, plaza.fila_en_curso()] if abierta else filas


def _uno_o_todos(
    construir: Callable[[Plaza, int], dict[str, Any]],
) -> Callable[[Simulacion, Parametros], Any]:
    """One object with ``symbol``, a list without."""

    def atender(s: Simulacion, p: Parametros) -> Any:
        ahora = s.reloj.ahora_ms()
        if p.tiene("symbol"):
            return construir(s.plaza(p.texto("symbol")), ahora)
        return [construir(plaza, ahora) for plaza in s.plazas.values()]

    return atender


def _profundidad(s: Simulacion, p: Parametros) -> Any:
    limite = p.entero_o("limit", 500)
    if limite not in (5, 10, 20, 50, 100, 500, 1000):
        raise ErrorApi(-1130, nombre="limit")
    return cuerpos.profundidad(s.plaza(p.texto("symbol")), limite, s.reloj.ahora_ms())


def _tasas(s: Simulacion, p: Parametros) -> Any:
    limite = min(p.entero_o("limit", 100), 1000)
    ahora = s.reloj.ahora_ms()
    hasta = min(p.entero_o("endTime", ahora), ahora)
    plazas = [s.plaza(p.texto("symbol"))] if p.tiene("symbol") else list(s.plazas.values())
    filas: list[dict[str, Any]] = []
    for plaza in plazas:
        desde = p.entero_o("startTime", hasta - limite * plaza.contrato.intervalo_funding_ms + 1)
        filas += cuerpos.tasas_cobradas(plaza, desde, hasta, limite)
    filas.sort(key=lambda fila: int(fila["fundingTime"]))
    return filas[:limite]


def _periodos_funding(s: Simulacion, _: Parametros) -> Any:
    return [
        {
            "symbol": plaza.simbolo,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": plaza.contrato.intervalo_funding_ms // 3_600_000,
            "disclaimer": False,
        }
        for plaza in s.plazas.values()
    ]


_PESO_VELAS = escalones("limit", 500, ((99, 1), (499, 2), (1000, 5)), 10)
_PESO_LIBRO = escalones("limit", 500, ((50, 2), (100, 5), (500, 10)), 20)

RUTAS: Tabla = {
    ("GET", "/api/v3/ping"): Publica(fijo(1), _ping),
    ("GET", "/api/v3/time"): Publica(fijo(1), _hora),
    ("GET", "/fapi/v1/ping"): Publica(fijo(1), _ping),
    ("GET", "/fapi/v1/time"): Publica(fijo(1), _hora),
    ("GET", "/fapi/v1/exchangeInfo"): Publica(fijo(1), _informacion),
    ("GET", "/fapi/v1/klines"): Publica(_PESO_VELAS, _velas),
    ("GET", "/fapi/v1/continuousKlines"): Publica(_PESO_VELAS, _velas_continuas),
    ("GET", "/fapi/v1/premiumIndex"): Publica(con_simbolo(1, 10), _uno_o_todos(cuerpos.prima)),
    ("GET", "/fapi/v1/ticker/bookTicker"): Publica(con_simbolo(2, 5), _uno_o_todos(cuerpos.mejor_precio)),
    ("GET", "/fapi/v1/ticker/price"): Publica(con_simbolo(1, 2), _uno_o_todos(cuerpos.precio)),
    ("GET", "/fapi/v2/ticker/price"): Publica(con_simbolo(1, 2), _uno_o_todos(cuerpos.precio)),
    ("GET", "/fapi/v1/ticker/24hr"): Publica(con_simbolo(1, 40), _uno_o_todos(cuerpos.estadistica_24h)),
    ("GET", "/fapi/v1/depth"): Publica(_PESO_LIBRO, _profundidad),
    ("GET", "/fapi/v1/fundingRate"): Publica(fijo(1), _tasas),
    ("GET", "/fapi/v1/fundingInfo"): Publica(fijo(1), _periodos_funding),
}
