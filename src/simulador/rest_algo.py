"""Routes that place, query and cancel conditional orders."""

from __future__ import annotations

from typing import Any

from src.simulador import respuestas_algo
from src.simulador.algos import Algo, EstadoAlgo
from src.simulador.fallos_api import ErrorApi
from src.simulador.peticion import Parametros
from src.simulador.reglas_algo import leer_algo
from src.simulador.rutas import Privada, Tabla, con_simbolo, fijo
from src.simulador.simulacion import Simulacion
from src.simulador.titular import Titular

PAGINA = 500
PAGINA_MAX = 1_000
_EN_LISTA = (EstadoAlgo.NEW, EstadoAlgo.TRIGGERING)


def _colocar(s: Simulacion, t: Titular, p: Parametros) -> Any:
    pedido = leer_algo(p, s.plaza(p.texto("symbol")).contrato, t.cuenta.modo_cobertura)
    return respuestas_algo.colocado(s.motor.colocar_algo(t, pedido, s.reloj.ahora_ms()))


def _consultar(_: Simulacion, t: Titular, p: Parametros) -> Any:
    algo = t.algos.buscar(*_referencia(p))
    if algo is None:
        raise ErrorApi(-2013)
    return respuestas_algo.consultado(algo)


def _cancelar(s: Simulacion, t: Titular, p: Parametros) -> Any:
    algo = t.algos.abierto(*_referencia(p))
    if algo is None:
        raise ErrorApi(-2011)
    s.motor.cancelar_algo(t, algo, s.reloj.ahora_ms())
    return respuestas_algo.cancelado(algo)


def _cancelar_todos(s: Simulacion, t: Titular, p: Parametros) -> Any:
    s.motor.cancelar_algos(t, s.plaza(p.texto("symbol")).simbolo, s.reloj.ahora_ms())
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _abiertos(s: Simulacion, t: Titular, p: Parametros) -> Any:
    """Those that wait or are being triggered; the child of a triggered one is among the regular orders."""
    simbolo = s.plaza(p.texto("symbol")).simbolo if p.tiene("symbol") else None
    algo_id = p.entero_o_nada("algoId")
    return [
        respuestas_algo.consultado(algo)
        for algo in t.algos.abiertos.values()
        if algo.estado in _EN_LISTA and simbolo in (None, algo.simbolo) and algo_id in (None, algo.id)
    ]


def _todos(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo = s.plaza(p.texto("symbol")).simbolo
    desde_id = p.entero_o("algoId", 0)
    desde, hasta = p.entero_o("startTime", 0), p.entero_o("endTime", 2**62)
    elegidos = [
        algo
        for algo in t.algos.todos()
        if algo.simbolo == simbolo and algo.id >= desde_id and desde <= algo.creado_ms <= hasta
    ]
    return [respuestas_algo.consultado(algo) for algo in _pagina(elegidos, p)]


def _pagina(filas: list[Algo], p: Parametros) -> list[Algo]:
    """At most ``limit`` rows: a page from the start when one was given, else the newest."""
    limite = min(max(p.entero_o("limit", PAGINA), 1), PAGINA_MAX)
    if not any(p.tiene(nombre) for nombre in ("algoId", "startTime", "page")):
        return filas[-limite:]
    pagina = max(p.entero_o("page", 1), 1)
    return filas[(pagina - 1) * limite : pagina * limite]


def _referencia(p: Parametros) -> tuple[int | None, str]:
    """Algo id or client id; one of them is mandatory."""
    algo_id = p.entero_o_nada("algoId")
    if algo_id is None and not p.tiene("clientAlgoId"):
        raise ErrorApi(-1102, nombre="algoId")
    return algo_id, p.texto_o("clientAlgoId", "")


RUTAS: Tabla = {
    ("POST", "/fapi/v1/algoOrder"): Privada(fijo(0), _colocar, ordenes=fijo(1)),
    ("GET", "/fapi/v1/algoOrder"): Privada(fijo(1), _consultar),
    ("DELETE", "/fapi/v1/algoOrder"): Privada(fijo(1), _cancelar),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Privada(fijo(1), _cancelar_todos),
    ("GET", "/fapi/v1/openAlgoOrders"): Privada(con_simbolo(1, 40), _abiertos),
    ("GET", "/fapi/v1/allAlgoOrders"): Privada(fijo(5), _todos),
}
