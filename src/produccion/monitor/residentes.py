"""The conditional orders of hand-made operations: their names, placing them, clearing them away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

import structlog

from src.nucleo.dinero import suma
from src.nucleo.disparos import texto_precio
from src.nucleo.errores import (
    ErrorBolsa,
    FalloPasajero,
    LecturaFallida,
    LimiteExcedido,
    OrdenRechazada,
    ProteccionImposible,
    ResultadoIncierto,
    StopFueraDeFiltro,
    YaCruzado,
)
from src.nucleo.stops import OrdenStop, TipoStop
from src.nucleo.tipos import LadoOrden
from src.produccion.monitor.desenlace import precio_medio
from src.produccion.monitor.tipos import Vigilada
from src.produccion.ordenes.ejecutor import PREFIJO_CLIENTE, id_cliente_de
from src.produccion.puertos import ID_REPETIDO, Bolsa, StopBolsa

_YA_CRUZADO = -2021
_NO_ESPERA = -2011
_FUERA_DE_FILTRO = frozenset({-4001, -4002, -4006, -4007, -4013, -4014, -4016, -4024})

log = structlog.get_logger(__name__)


class Papel(StrEnum):
    """What a conditional order is for."""

    STOP = "stop"  # the initial one, which closes the whole position and stays for ever
    TRAIL = "trail"  # the one that trails
    TARGET = "target"


class Ejecutado(NamedTuple):
    """A conditional order that was triggered and filled."""

    papel: Papel
    gatillo: float
    cantidad: float  # base asset, > 0
    precio: float | None
    id_bolsa: int


class PacienciaStops(NamedTuple):
    """How a conditional order is insisted on; wall seconds."""

    intentos: int = 5
    pausa_s: float = 0.5


def orden_residente(operacion: Vigilada, papel: Papel, gatillo: float) -> OrdenStop:
    """A conditional order of an operation; its client id is the same for whoever asks."""
    cantidad = None if papel is Papel.STOP else operacion.cantidad
    tamano = "all" if cantidad is None else texto_precio(cantidad)
    return OrdenStop(
        operacion.simbolo,
        operacion.lado_salida,
        gatillo,
        cantidad,
        id_cliente_de(f"{operacion.operation_id}:{papel.value}:{texto_precio(gatillo)}:{tamano}"),
        TipoStop.TAKE_PROFIT_MARKET if papel is Papel.TARGET else TipoStop.STOP_MARKET,
    )


def deseadas(operacion: Vigilada) -> dict[Papel, OrdenStop]:
    """What should wait at the exchange: the initial stop, the one that trails, the target."""
    gatillos = {Papel.STOP: operacion.stop_inicial, Papel.TARGET: operacion.objetivo}
    if operacion.stop != operacion.stop_inicial:
        gatillos[Papel.TRAIL] = operacion.stop
    return {
        papel: orden_residente(operacion, papel, gatillos[papel] or 0.0)
        for papel in (Papel.STOP, Papel.TRAIL, Papel.TARGET)
        if gatillos.get(papel) is not None
    }


async def _siempre() -> bool:
    return True


async def reconciliar(
    bolsa: Bolsa, operacion: Vigilada, puedo: Callable[[], Awaitable[bool]] = _siempre
) -> list[Papel]:
    """Place what is missing, then cancel what is no longer wanted; what had to be placed.

    A stop tighter than the operation's is never cancelled: whoever placed it knew better.

    Args:
        bolsa: The exchange.
        operacion: With the stop that is wanted.
        puedo: Asked before each change; nothing more is done once it says no.

    Raises:
        YaCruzado: The mark is beyond one of them already.
        ProteccionImposible: The exchange would not take one; what lived before still does.
    """
    quieren = deseadas(operacion)
    ids = {orden.id_cliente for orden in quieren.values()}
    vivos = await nuestros(bolsa, operacion.simbolo, operacion.lado_salida)
    estan = {stop.id_cliente for stop in vivos}
    faltan = [papel for papel, orden in quieren.items() if orden.id_cliente not in estan]
    puestos: list[Papel] = []
    for papel in faltan:
        if not await puedo():
            return puestos
        await colocar(bolsa, quieren[papel])
        puestos.append(papel)
    for stop in vivos:
        if stop.id_cliente not in ids and not _aprieta_mas(stop, operacion):
            if not await puedo():
                break
            await cancelar(bolsa, operacion.simbolo, stop.id_cliente)
    return puestos


def _aprieta_mas(stop: StopBolsa, operacion: Vigilada) -> bool:
    """Whether a stop lies nearer to the market than the operation's."""
    if stop.tipo != TipoStop.STOP_MARKET or operacion.stop is None:
        return False
    return stop.gatillo > operacion.stop if operacion.largo else stop.gatillo < operacion.stop


async def faltantes(bolsa: Bolsa, operacion: Vigilada) -> list[Papel]:
    """What should wait at the exchange and does not."""
    estan = {stop.id_cliente for stop in await nuestros(bolsa, operacion.simbolo, operacion.lado_salida)}
    return [papel for papel, orden in deseadas(operacion).items() if orden.id_cliente not in estan]


async def nuestros(bolsa: Bolsa, simbolo: str, lado: LadoOrden) -> list[StopBolsa]:
    """Our conditional orders on one side that wait at the exchange or are being triggered."""
    return [
        stop
        for stop in await bolsa.stops_abiertos(simbolo)
        if stop.lado is lado and stop.id_cliente.startswith(PREFIJO_CLIENTE)
    ]


async def colocar(bolsa: Bolsa, orden: OrdenStop, paciencia: PacienciaStops | None = None) -> StopBolsa:
    """Place a conditional order until it is seen to wait at the exchange.

    Raises:
        YaCruzado: The mark is beyond its trigger already.
        StopFueraDeFiltro: The symbol's price filter takes no such trigger.
        ProteccionImposible: The exchange would not take it.
    """
    paciencia = paciencia or PacienciaStops()
    motivo = ""
    for intento in range(paciencia.intentos):
        if intento:
            await asyncio.sleep(paciencia.pausa_s)
        try:
            vivo = await bolsa.consultar_stop(orden.simbolo, orden.id_cliente)
            if vivo is not None and vivo.estado.espera:
                return vivo
            return await bolsa.colocar_stop(orden)
        except OrdenRechazada as fallo:
            motivo = str(fallo)
            if fallo.codigo == _YA_CRUZADO:
                raise YaCruzado(
                    f"the mark is beyond {texto_precio(orden.gatillo)} already: {fallo}"
                ) from fallo
            if fallo.codigo in _FUERA_DE_FILTRO:
                raise StopFueraDeFiltro(
                    f"Stop {texto_precio(orden.gatillo)} is outside the price filter: {fallo}"
                ) from fallo
            if not isinstance(fallo, FalloPasajero) and fallo.codigo != ID_REPETIDO:
                break
        except (ResultadoIncierto, LecturaFallida, LimiteExcedido) as fallo:
            motivo = str(fallo)
        log.warning("stop_sin_colocar", id_cliente=orden.id_cliente, motivo=motivo)
    raise ProteccionImposible(
        f"the exchange did not take {orden.tipo} {texto_precio(orden.gatillo)}: {motivo}"
    )


async def cancelar(bolsa: Bolsa, simbolo: str, id_cliente: str) -> None:
    """Cancel a conditional order; one that no longer waits is fine."""
    try:
        await bolsa.cancelar_stop(simbolo, id_cliente)
    except OrdenRechazada as fallo:
        if fallo.codigo != _NO_ESPERA:
            raise
    except ResultadoIncierto as fallo:
        log.warning("stop_sin_cancelar", id_cliente=id_cliente, motivo=str(fallo))


async def barrer(bolsa: Bolsa, simbolo: str, lado: LadoOrden) -> int:
    """Cancel what is left of our conditional orders on the side that closed a position; how many there were.

    A failure is told and left to the next look: the account is flat. When the next position
    is open on that side already, they are left to whoever protects it.
    """
    try:
        abierta = (await bolsa.cuenta(simbolo)).estado.cantidad
        if (abierta > 0.0) if lado is LadoOrden.SELL else (abierta < 0.0):
            return 0
        vivos = await nuestros(bolsa, simbolo, lado)
        for stop in vivos:
            await cancelar(bolsa, simbolo, stop.id_cliente)
    except ErrorBolsa as fallo:
        log.warning("stops_sin_barrer", simbolo=simbolo, motivo=str(fallo))
        return 0
    return len(vivos)


async def quien_la_cerro(bolsa: Bolsa, operacion: Vigilada) -> Ejecutado | None:
    """The operation's conditional order that was filled, if one was."""
    for papel, orden in deseadas(operacion).items():
        stop = await bolsa.consultar_stop(operacion.simbolo, orden.id_cliente)
        if stop is None or stop.id_orden is None:
            continue
        filas = await bolsa.transacciones(operacion.simbolo, id_orden=stop.id_orden)
        if filas:
            cantidad = suma(*(abs(fila.cantidad) for fila in filas))
            return Ejecutado(papel, orden.gatillo, cantidad, precio_medio(filas), stop.id_orden)
    return None
