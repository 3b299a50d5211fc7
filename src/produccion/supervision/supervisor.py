"""Runs the parts of the daemon together: one that ends by itself is a fault, and ends them all in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from src.nucleo.errores import ErrorTimonel, ServicioCaido

T = TypeVar("T")

ACABAR_S = 60.0
"""Wall seconds that the work in progress gets to end when a service has failed."""

PAUSA_MINIMA_S, PAUSA_MAXIMA_S = 1.0, 60.0
"""Wall seconds before a service that is not essential runs again after a failure: the longer, the more
failures in a row."""

ADORNO_S = 1.0
"""Wall seconds that the services which are not essential get to let go, all together."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Servicio:
    """A part that runs until it is cancelled."""

    nombre: str
    correr: Callable[[], Awaitable[None]]
    esencial: bool = True  # one that is not runs again after a failure, and the rest goes on


@dataclass(frozen=True, slots=True)
class Principal(Generic[T]):
    """The part whose end is the end of all; its result is the result of all."""

    nombre: str
    correr: Callable[[], Awaitable[T]]
    acabar: Callable[[], None]
    """Asks it to end after the step in progress: an order on its way must come back, and an account looks
    flat until it has."""


async def supervisar(
    principal: Principal[T], servicios: Sequence[Servicio], *, acabar_s: float = ACABAR_S
) -> T:
    """Run until the principal ends, then stop the services in the reverse of their order, one by one.

    When an essential service ends first, the principal is asked to finish while the others go on; after
    ``acabar_s`` it is cancelled.

    Raises:
        ErrorTimonel: What the principal or a service raised on purpose, as it was raised; the principal's own
            goes before a service's.
        ServicioCaido: A service ended by itself, or by a defect, which is the cause.
    """
    async with asyncio.TaskGroup() as grupo:
        caida: asyncio.Future[ErrorTimonel] = asyncio.get_running_loop().create_future()
        tareas = [
            grupo.create_task(_vigilar(servicio, caida), name=servicio.nombre)
            for servicio in servicios
            if servicio.esencial
        ]
        adornos = [
            asyncio.create_task(_reponer(servicio), name=servicio.nombre)
            for servicio in servicios
            if not servicio.esencial
        ]
        tarea = asyncio.create_task(_esperar(principal.correr), name=principal.nombre)
        try:
            finales: set[asyncio.Future[Any]] = {tarea, caida}
            await asyncio.wait(finales, return_when=asyncio.FIRST_COMPLETED)
            if not tarea.done():
                principal.acabar()
                await asyncio.wait({tarea}, timeout=acabar_s)
        finally:
            await _despedir(adornos)
            for una in (tarea, *reversed(tareas)):
                una.cancel()
                await asyncio.gather(una, return_exceptions=True)
    return _resultado(tarea, caida)


async def _despedir(adornos: Sequence[asyncio.Task[None]]) -> None:
    """Stop what is not essential; one that does not let go keeps nobody from closing a position."""
    for adorno in adornos:
        adorno.cancel()
    if not adornos:
        return
    _, colgados = await asyncio.wait(adornos, timeout=ADORNO_S)
    for colgado in colgados:
        log.warning("servicio_no_acaba", servicio=colgado.get_name())


def _resultado(tarea: asyncio.Task[T], caida: asyncio.Future[ErrorTimonel]) -> T:
    if not caida.done():
        return tarea.result()
    propio = None if tarea.cancelled() else tarea.exception()
    if isinstance(propio, ErrorTimonel):
        raise propio
    if propio is not None:
        log.error("fallo_al_acabar", servicio=tarea.get_name(), exc_info=propio)
    raise caida.result()


async def _vigilar(servicio: Servicio, caida: asyncio.Future[ErrorTimonel]) -> None:
    fallo = await _fallo_de(servicio) or ServicioCaido(f"{servicio.nombre} ended by itself")
    if not caida.done():
        log.error("servicio_caido", servicio=servicio.nombre, motivo=str(fallo), exc_info=_defecto(fallo))
        caida.set_result(fallo)


async def _reponer(servicio: Servicio) -> None:
    """Run a service again after each failure; one that ends without has ended."""
    bucle = asyncio.get_running_loop()
    pausa_s = PAUSA_MINIMA_S
    while True:
        comienzo_s = bucle.time()
        fallo = await _fallo_de(servicio)
        if fallo is None:
            log.warning("servicio_terminado", servicio=servicio.nombre)
            return
        if bucle.time() - comienzo_s > PAUSA_MAXIMA_S:
            pausa_s = PAUSA_MINIMA_S
        log.warning(
            "servicio_caido",
            servicio=servicio.nombre,
            motivo=str(fallo),
            reintento_s=pausa_s,
            exc_info=_defecto(fallo),
        )
        await asyncio.sleep(pausa_s)
        pausa_s = min(2.0 * pausa_s, PAUSA_MAXIMA_S)


async def _fallo_de(servicio: Servicio) -> ErrorTimonel | None:
    """What ended a service; ``None`` when it just ended."""
    try:
        await servicio.correr()
    except ErrorTimonel as fallo:
        return fallo
    except Exception as fallo:  # noqa: BLE001 -- a defect is told, whatever it is, and must not end more
        caido = ServicioCaido(f"{servicio.nombre} failed: {fallo!r}")
        caido.__cause__ = fallo
        return caido
    return None


def _defecto(fallo: ErrorTimonel) -> BaseException | None:
    """What to show the traceback of; an error that was raised on purpose says enough."""
    return fallo.__cause__ if isinstance(fallo, ServicioCaido) else None


async def _esperar(correr: Callable[[], Awaitable[T]]) -> T:
    return await correr()
