"""A daemon's figures at one moment, taken in its event loop, where nothing changes meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from src.nucleo.cartera import equity_de
from src.nucleo.observacion import exposicion_de
from src.nucleo.riesgo import verificar_drawdown
from src.nucleo.vida_orden import EstadoVida
from src.produccion.armado import Nucleo
from src.produccion.ciclo import Ciclo
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.escribano import Escribano
from src.produccion.metricas import catalogo
from src.produccion.metricas.muestras import GRADO, Foto, Valor, reparto_de
from src.produccion.orquestador import Orquestador
from src.produccion.puertos import Reloj
from src.produccion.riesgo.puerta import Bloqueo
from src.produccion.supervision.vigia import Progreso, Vigia

MOTIVOS: Mapping[Bloqueo, str] = MappingProxyType(
    {
        Bloqueo.INCIERTO: "unresolved_order",
        Bloqueo.CIERRE: "closing",
        Bloqueo.FUERA_DE_RANGO: "features_out_of_range",
        Bloqueo.SIN_PROTECCION: "stop_unconfirmed",
        Bloqueo.STOP_ANTERIOR: "former_stop",
        Bloqueo.MARGEN: "near_liquidation",
        Bloqueo.SIN_REGISTRO: "journal",
        Bloqueo.CUENTA: "account",
        Bloqueo.INQUILINO: "tenant_paused",
        Bloqueo.CORTACIRCUITOS: "circuit_breaker",
        Bloqueo.RITMO: "execution_rate",
        Bloqueo.VALLAS_SIN_SABER: "guardrails_unknown",
        Bloqueo.LATENCIA: "breaker_latency",
        Bloqueo.SPREAD: "breaker_spread",
        Bloqueo.VOLATILIDAD: "breaker_volatility",
        Bloqueo.ERRORES: "breaker_error_rate",
        Bloqueo.PERDIDA: "breaker_drawdown",
        Bloqueo.A_MANO: "hand_made",
    }
)
"""Label of each reason to open nothing."""

ESTADOS: Mapping[EstadoVida, str] = MappingProxyType(
    {
        EstadoVida.INTENCION: "intent",
        EstadoVida.ENVIADA: "sent",
        EstadoVida.ACEPTADA: "accepted",
        EstadoVida.PARCIAL: "partially_filled",
        EstadoVida.INCIERTA: "uncertain",
        EstadoVida.AUSENTE: "absent",
    }
)
FINALES: Mapping[EstadoVida, str] = MappingProxyType(
    {
        EstadoVida.EJECUTADA: "filled",
        EstadoVida.RECHAZADA: "rejected",
        EstadoVida.CANCELADA: "canceled",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuentes:
    """Who knows the figures."""

    ciclo: Ciclo
    nucleo: Nucleo
    orquestador: Orquestador
    vigia: Vigia
    progreso: Progreso
    diario: DiarioSqlite
    escribano: Escribano
    reloj: Reloj
    apalancamiento: float
    drawdown_limite: float
    equity_inicial: float
    inicio_s: float  # since 1970


def retratar(f: Fuentes) -> Foto:
    """Take them; for the event loop."""
    valores = tuple(valor for parte in _PARTES for valor in parte(f))
    tiempos = (
        (catalogo.TIEMPO_ORDEN, f.nucleo.ejecutor.respuesta_s),
        (catalogo.VELA_RETRASO, f.ciclo.retraso_s),
        (catalogo.TIEMPO_DECISION, f.ciclo.decision_s),
        (catalogo.TIEMPO_VELA, f.ciclo.vela_s),
        (catalogo.BUCLE_RETRASO, f.vigia.retraso_s),
    )
    return Foto(time.monotonic(), valores, tuple(reparto_de(*uno) for uno in tiempos))


def _de_la_cuenta(f: Fuentes) -> Iterator[Valor]:
    estado, mark, riesgo = f.nucleo.cuenta.estado, f.ciclo.mark, f.ciclo.riesgo
    equity = equity_de(estado, mark)
    yield Valor(catalogo.EQUITY, equity)
    yield Valor(catalogo.BALANCE, estado.saldo)
    yield Valor(catalogo.EQUITY_INICIAL, f.equity_inicial)
    yield Valor(catalogo.EQUITY_MAXIMO, riesgo.equity_maximo)
    yield Valor(catalogo.PNL_REALIZADO, f.ciclo.contabilidad.pnl_total)
    drawdown = verificar_drawdown(equity, max(equity, riesgo.equity_maximo), f.drawdown_limite).actual
    yield Valor(catalogo.DRAWDOWN, drawdown)
    yield Valor(catalogo.DRAWDOWN_MAXIMO, riesgo.max_drawdown)
    yield Valor(catalogo.DRAWDOWN_LIMITE, f.drawdown_limite)
    yield Valor(catalogo.POSICION, estado.cantidad)
    yield Valor(catalogo.MARK, mark)
    yield Valor(catalogo.TRADES, f.ciclo.contabilidad.operaciones_total)
    yield Valor(catalogo.PNL_ABIERTO, equity - estado.saldo)
    if equity > 0.0:
        yield Valor(catalogo.EXPOSICION, exposicion_de(estado.cantidad, mark, equity, f.apalancamiento))
    if estado.posicion is not None:
        yield Valor(catalogo.PRECIO_ENTRADA, estado.posicion.precio_entrada)


def _de_la_proteccion(f: Fuentes) -> Iterator[Valor]:
    protector, abierta = f.nucleo.protector, f.nucleo.cuenta.estado.posicion is not None
    yield Valor(catalogo.PROTEGIDA, f.ciclo.protegida)
    yield Valor(catalogo.DESNUDA, abierta and not protector.cubre)
    yield Valor(catalogo.STOPS_VIVOS, protector.esperan)
    yield Valor(catalogo.ENCLAVADO, f.ciclo.enclavada)
    if f.ciclo.gatillo is not None:
        yield Valor(catalogo.STOP, f.ciclo.gatillo)


def _de_los_bloqueos(f: Fuentes) -> Iterator[Valor]:
    puestos = f.ciclo.bloqueos
    for bloqueo in Bloqueo:
        yield Valor(catalogo.BLOQUEO, bloqueo in puestos, (MOTIVOS[bloqueo],))
    yield Valor(catalogo.BLOQUEO, f.ciclo.riesgo.brecha_desde_ms is not None, ("drawdown",))
    yield Valor(catalogo.BLOQUEO, f.ciclo.vetada, ("undecided_exit",))
    cuadro = f.ciclo.control.cuadro
    for clase, disyuntor in () if cuadro is None else cuadro.disyuntores.items():
        yield Valor(catalogo.DISYUNTOR_PROPIO, GRADO[disyuntor.estado], (clase.value,))
    yield Valor(catalogo.RANGO, f.ciclo.datos.fraccion_fuera)


def _de_las_ordenes(f: Fuentes) -> Iterator[Valor]:
    ejecutor = f.nucleo.ejecutor
    vivas = Counter(vida.estado for vida in ejecutor.pendientes)
    for estado, nombre in ESTADOS.items():
        yield Valor(catalogo.ORDENES, vivas[estado], (nombre,))
    for estado, nombre in FINALES.items():
        yield Valor(catalogo.ORDENES_ACABADAS, ejecutor.acabadas[estado], (nombre,))
    yield Valor(catalogo.ORDENES_SIN_RESOLVER, sum(vida.incierta for vida in ejecutor.pendientes))


def _del_demonio(f: Fuentes) -> Iterator[Valor]:
    ahora_s = asyncio.get_running_loop().time()
    yield Valor(catalogo.VELAS, f.orquestador.decididas)
    for flujo, oido_s in f.orquestador.oidos_s.items():
        yield Valor(catalogo.FLUJO_EDAD, ahora_s - oido_s, (flujo,))
    yield Valor(catalogo.FLUJO_CONEXIONES, f.orquestador.conexiones, ("market",))
    yield Valor(catalogo.FALLOS_SEGUIDOS, f.orquestador.paciencia.seguidos)
    yield Valor(catalogo.COLA, f.orquestador.en_cola, ("events",))
    yield Valor(catalogo.COLA, f.diario.en_cola, ("journal",))
    yield Valor(catalogo.COLA, f.escribano.en_cola, ("log",))
    yield Valor(catalogo.LOG_PERDIDO, f.escribano.perdidas)
    yield Valor(catalogo.TAREAS, len(asyncio.all_tasks()))
    yield Valor(catalogo.ATASCADOS, len(f.progreso.atascados()))
    yield Valor(catalogo.RELOJ, f.reloj.ahora_ms() / 1_000)
    yield Valor(catalogo.INICIO, f.inicio_s)


_PARTES: tuple[Callable[[Fuentes], Iterator[Valor]], ...] = (
    _de_la_cuenta,
    _de_la_proteccion,
    _de_los_bloqueos,
    _de_las_ordenes,
    _del_demonio,
)
