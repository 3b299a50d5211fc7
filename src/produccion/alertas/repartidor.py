"""The deliverer: what is in the outbox reaches its channels, each at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy import Engine

from src.nucleo.alertas import Regla, espera_s
from src.nucleo.errores import AlmacenCaido, AvisoRechazado, AvisoSinEntregar, CanalOcupado
from src.produccion.alertas.bandeja import (
    Entrega,
    entregada,
    fallida,
    juntar,
    limpiar,
    repartir,
    tomar,
)
from src.produccion.alertas.canales import Canal
from src.produccion.alertas.silencio import avisar_silencios
from src.produccion.monitor.libro import Libro

T = TypeVar("T")

_RECHAZOS = 5
"""How often a message that is refused is tried; a critical one goes on being tried."""

_ENTRE_RECHAZOS_S = 60.0
_ENTRE_LIMPIEZAS_S = 3_600.0
_ENTRE_VISTAS_S = 5.0

log = structlog.get_logger(__name__)


class Ritmo(NamedTuple):
    """How often, in wall time."""

    mirar_s: float = 1.0
    regla: Regla = Regla()
    guardar_dias: float = 30.0
    silencio_s: float | None = 60.0  # of a daemon, until it is an alert; ``None`` never


class Repartidor:
    """Delivers at least once: a message whose outcome is unknown is sent again, with the same number.

    Each channel has a task of its own, so that one that hangs keeps no other waiting. While the store is down
    nothing is taken, and nothing is lost.

    Args:
        libro: The shared store.
        canales: Where messages go.
        ritmo: How often.
    """

    def __init__(self, libro: Libro, canales: Sequence[Canal], ritmo: Ritmo | None = None) -> None:
        self._libro = libro
        self._canales = canales
        self._destinos = [canal.destino for canal in canales]
        self._ritmo = ritmo or Ritmo()
        self._fin = asyncio.Event()
        self._caido = False
        self._se_fue = False

    def terminar(self) -> None:
        """Let `correr` end after what is being sent."""
        self._fin.set()

    async def correr(self) -> None:
        """Deliver until `terminar`."""
        async with asyncio.TaskGroup() as grupo:
            grupo.create_task(self._clasificar())
            grupo.create_task(self._vigilar())
            for canal in self._canales:
                grupo.create_task(self._servir(canal))

    async def una_vez(self) -> bool:
        """Deliver what may be delivered now; false when something was not.

        Raises:
            AlmacenCaido: The store does not answer.
        """
        while await self._libro.llamando(self._repartir):
            pass
        await self._libro.llamando(self._juntar)
        return all(await asyncio.gather(*(self._vaciar(canal) for canal in self._canales)))

    async def _vaciar(self, canal: Canal) -> bool:
        bien = True
        while (entrega := await self._libro.llamando(self._toma_de(canal))) is not None:
            resultado = await self._entregar(canal, entrega)
            await self._libro.llamando(resultado.anotar)
            bien = bien and resultado.bien
            if resultado.pausa_s:
                return False
        return bien

    async def _vigilar(self) -> None:
        """Tell of daemons that are silent; a store that was away kept them from giving signs of life."""
        silencio_s = self._ritmo.silencio_s
        while silencio_s is not None and not self._fin.is_set():
            self._se_fue = self._caido
            await self._dormir(silencio_s)
            while not self._fin.is_set() and not self._se_fue:
                await self._insistir(partial(avisar_silencios, silencio_s=silencio_s))
                await self._dormir(min(_ENTRE_VISTAS_S, silencio_s))

    async def _clasificar(self) -> None:
        limpieza_s = 0.0
        bucle = asyncio.get_running_loop()
        while not self._fin.is_set():
            repartidas = await self._insistir(self._repartir)
            await self._insistir(self._juntar)
            if bucle.time() >= limpieza_s:
                await self._insistir(lambda m: limpiar(m, self._destinos, self._ritmo.guardar_dias))
                limpieza_s = bucle.time() + _ENTRE_LIMPIEZAS_S
            if not repartidas:
                await self._dormir(self._ritmo.mirar_s)

    async def _servir(self, canal: Canal) -> None:
        while not self._fin.is_set():
            entrega = await self._insistir(self._toma_de(canal))
            if entrega is None:
                await self._dormir(self._ritmo.mirar_s)
                continue
            resultado = await self._entregar(canal, entrega)
            await self._insistir(resultado.anotar)
            await self._dormir(resultado.pausa_s)

    async def _entregar(self, canal: Canal, entrega: Entrega) -> _Resultado:
        quien = {"canal": canal.destino.nombre, "clase": entrega.clase, "fila": entrega.id}
        try:
            await canal.enviar(entrega.mensaje)
        except CanalOcupado as fallo:
            log.warning("canal_ocupado", **quien, motivo=str(fallo), espera_s=fallo.espera_s)
            return _fallo(entrega, fallo, fallo.espera_s, pausa_s=fallo.espera_s)
        except AvisoRechazado as fallo:
            log.error("aviso_rechazado", **quien, motivo=str(fallo), intento=entrega.intento)
            espera = max(_ENTRE_RECHAZOS_S, espera_s(entrega.intento))
            return _fallo(entrega, fallo, espera, renuncia=entrega.intento >= _RECHAZOS)
        except AvisoSinEntregar as fallo:
            log.warning("aviso_sin_entregar", **quien, motivo=str(fallo), intento=entrega.intento)
            espera = espera_s(entrega.intento)
            return _fallo(entrega, fallo, espera, pausa_s=espera)
        log.info("aviso_entregado", **quien, nivel=entrega.mensaje.nivel.value, intento=entrega.intento)
        return _Resultado(lambda motor: entregada(motor, entrega), bien=True)

    async def _insistir(self, hacer: Callable[[Engine], T]) -> T | None:
        """Do one thing with the store, again and again until it answers or the end is asked for."""
        intento = 0
        while True:
            try:
                hecho = await self._libro.llamando(hacer)
            except AlmacenCaido as fallo:
                if not self._caido:
                    log.error("almacen_no_responde", motivo=str(fallo))
                self._caido = self._se_fue = True
                intento += 1
                if self._fin.is_set():
                    return None
                await self._dormir(min(30.0, espera_s(intento)))
            else:
                if self._caido:
                    log.warning("almacen_recuperado")
                self._caido = False
                return hecho

    async def _dormir(self, segundos: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(segundos):
                await self._fin.wait()

    def _toma_de(self, canal: Canal) -> Callable[[Engine], Entrega | None]:
        return lambda motor: tomar(motor, canal.destino, self._ritmo.regla)

    def _repartir(self, motor: Engine) -> int:
        return repartir(motor, self._destinos, self._ritmo.regla)

    def _juntar(self, motor: Engine) -> int:
        return sum(juntar(motor, destino) for destino in self._destinos)


class _Resultado(NamedTuple):
    """How a delivery went."""

    anotar: Callable[[Engine], bool]  # writes it down
    bien: bool
    pausa_s: float = 0.0  # that the channel is left alone


def _fallo(
    entrega: Entrega, fallo: AvisoSinEntregar, espera: float, *, renuncia: bool = False, pausa_s: float = 0.0
) -> _Resultado:
    espera_ms = round(espera * 1_000)
    return _Resultado(
        lambda motor: fallida(motor, entrega, str(fallo), espera_ms, renuncia=renuncia),
        bien=False,
        pausa_s=pausa_s,
    )
