"""The pieces of a decision one by one, each called over and over by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

from binance import AsyncClient

from bench.medida import Medida, mediana
from bench.mercado_falso import mensaje_kline
from bench.taller import SIMBOLO, Taller
from src.nucleo.accion import interpretar_accion
from src.nucleo.indicadores import Indicadores
from src.nucleo.observacion import construir_observacion, exposicion_de
from src.nucleo.ordenes import planificar
from src.nucleo.politica import ActorNumpy
from src.nucleo.riesgo import validar_accion_pre
from src.nucleo.tipos import EstadoCuenta
from src.produccion.bolsa.lectura_flujo import leer_evento

_LLAMADAS = 2_000
_NS_POR_US = 1_000.0


def desglosar(taller: Taller, cliente: AsyncClient) -> list[Medida]:
    """Median microseconds of each piece while its code and data are in the caches."""
    configuracion, mercado = taller.configuracion, taller.mercado
    parametros = configuracion.parametros_indicadores()
    indicadores = Indicadores(parametros, configuracion.preprocesamiento.rasgos)
    velas = iter([taller.tabla.vela(i % len(taller.tabla)) for i in range(_LLAMADAS)])
    vela = taller.tabla.vela(len(taller.tabla) - 1)
    mensaje = mensaje_kline(vela)
    fila = taller.rasgos[-1]
    ventana = taller.escalados[-configuracion.entorno.window_size :]
    cuenta = EstadoCuenta(configuracion.portafolio.capital_inicial)
    forma = configuracion.forma_portafolio(cuenta.saldo)
    observacion = construir_observacion(ventana, cuenta, vela.close, forma)
    actor = ActorNumpy.desde_arreglos(taller.actor)
    limites, regla = configuracion.limites_plan(mercado), configuracion.regla_accion()

    def planear() -> None:
        exposicion = exposicion_de(cuenta.cantidad, vela.close, cuenta.saldo, limites.apalancamiento)
        interpretacion = interpretar_accion(0.5, exposicion, regla)
        plan = planificar(interpretacion, cuenta, cuenta.saldo, vela.close, limites)
        validar_accion_pre(plan, cuenta, vela.close, vela.close, mercado, limites.apalancamiento)

    def firmar() -> None:
        datos = {
            "symbol": SIMBOLO, "side": "BUY", "type": "MARKET", "quantity": "0.123",
            "newClientOrderId": "tm-" + "A" * 26, "newOrderRespType": "RESULT",
        }  # fmt: skip
        cliente._get_request_kwargs("post", True, data=datos)

    piezas: dict[str, tuple[Callable[[], object], str]] = {
        "parse": (lambda: leer_evento(mensaje), "kline bytes to an event"),
        "indicators": (lambda: indicadores.actualizar(next(velas)), "features of the new candle"),
        "scaling": (lambda: taller.escalador.transformar(fila), "the new row of the window"),
        "observation": (
            lambda: construir_observacion(ventana, cuenta, vela.close, forma),
            "window and portfolio",
        ),
        "policy": (lambda: actor.predecir(observacion), "256×256 actor, float64"),
        "plan": (planear, "interpret, plan, validate"),
        "signing": (firmar, "python-binance's parameters, signature and body"),
    }
    return [
        Medida(nombre=f"decision_{nombre}_us", valor=_coste_us(pieza), unidad="µs", nota=f"{nota}; by itself")
        for nombre, (pieza, nota) in piezas.items()
    ]


def _coste_us(pieza: Callable[[], object]) -> float:
    muestras = []
    for _ in range(_LLAMADAS):
        inicio = time.perf_counter_ns()
        pieza()
        muestras.append((time.perf_counter_ns() - inicio) / _NS_POR_US)
    return mediana(muestras)
