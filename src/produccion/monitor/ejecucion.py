"""Executes one triggered stop: claimed, written down, sent once, followed to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import structlog

from src.nucleo.dinero import suma
from src.nucleo.disparos import Disparo, ficha_de_intento
from src.nucleo.errores import AlmacenCaido, ErrorBolsa
from src.nucleo.ordenes import Orden
from src.produccion.almacen.eventos_stop import FuenteStop
from src.produccion.almacen.reclamos import ARRIENDO_MS, Reclamo, ResultadoReclamo
from src.produccion.monitor import residentes
from src.produccion.monitor.desenlace import Paciencia, Suerte
from src.produccion.monitor.guardarrailes import Guardarrailes
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.relato import Curso, Relator, peor_que
from src.produccion.monitor.salida import Salida
from src.produccion.monitor.tipos import Disparada, Final, Resultado, Vigilada
from src.produccion.ordenes.ejecutor import id_cliente_de
from src.produccion.puertos import Bolsa, Reloj

_DUDA = 1e-9
_DESPUES_S = 10.0  # what the store may take in all once an order was sent
_RENOVAR_S = ARRIENDO_MS / 4_000

log = structlog.get_logger(__name__)


class AjustesEjecucion(NamedTuple):
    """How an exit is insisted on; wall seconds."""

    intentos: int = 3  # orders that fail for certain, in one call
    pausa_s: float = 0.5
    miradas: int = 6  # at a position that should be smaller
    paciencia: Paciencia = Paciencia()


class _Tramo(NamedTuple):
    """What bounds one order; base asset, > 0."""

    abierta: float  # the position, as the exchange says
    queda: float  # of what was open at first


class EjecutorStops:
    """Executes triggered stops of one account.

    Args:
        libro: The shared store.
        bolsa: The exchange.
        reloj: Market time.
        quien: Who executes; unique among processes.
        fuente: Who sees the triggers.
        ajustes: Waits and tries.
    """

    def __init__(
        self,
        libro: Libro,
        bolsa: Bolsa,
        reloj: Reloj,
        quien: str,
        fuente: FuenteStop,
        ajustes: AjustesEjecucion | None = None,
    ) -> None:
        self._libro = libro
        self._bolsa = bolsa
        self._reloj = reloj
        self._quien = quien
        self._ajustes = ajustes or AjustesEjecucion()
        self._salida = Salida(bolsa, self._ajustes.paciencia)
        self._relator = Relator(fuente)
        self._vallas = Guardarrailes(libro, reloj, self._relator)

    async def ejecutar(self, disparada: Disparada) -> Resultado:
        """Look after one trigger to its end.

        Raises:
            AlmacenCaido: The store did not answer; calling again is safe, and so is another process.
            ErrorBolsa: The exchange did not say what the position is.
        """
        operacion = disparada.operacion
        posicion = await self._posicion(operacion)
        if posicion is None:
            return ajena(disparada)
        if posicion == 0.0:
            await self.concluir(operacion)
            return Resultado(disparada, Final.CLOSED, motivo="the position had gone already")
        reclamo = await self._reclamar(operacion)
        if not reclamo.mio:
            return _duplicada(disparada, f"claimed by {reclamo.quien}")
        if reclamo.resultado is ResultadoReclamo.VENCIDO:
            if not await self._relevar(disparada, reclamo, posicion):
                return Resultado(disparada, Final.UNKNOWN, motivo="what was sent before is not known yet")
            posicion = await self._posicion(operacion) or 0.0
        resultado, queda = await self._insistir(disparada, reclamo, posicion)
        if resultado.final not in (Final.DUPLICATE, Final.UNKNOWN):
            await self._soltar(reclamo, operacion, plana=queda == 0.0, ajena=resultado.cantidad == 0.0)
        return resultado

    async def concluir(self, operacion: Vigilada) -> None:
        """The position is flat: write down what closed it, clear away what is left, close the operation."""
        if operacion.token is None:
            await self._despejar(operacion)
            return
        reclamo = await self._reclamar(operacion)
        if reclamo.resultado is ResultadoReclamo.AJENO:
            return
        if reclamo.mio:
            ahora_ms = self._reloj.ahora_ms()
            precio = operacion.stop or operacion.entrada
            disparada = Disparada(operacion, Disparo.STOP_LOSS, precio, ahora_ms, ahora_ms)
            if not (
                await self._relevar(disparada, reclamo, 0.0) and await self._recordar(disparada, reclamo)
            ):
                return
            await self._soltar(reclamo, operacion, plana=True, ajena=True)
        else:
            await self._despejar(operacion)

    async def _reclamar(self, operacion: Vigilada) -> Reclamo:
        if operacion.token is None:
            raise ValueError(f"operation {operacion.operation_id} has no stop")
        historia = await self._libro.historia(operacion.token)
        id_cliente = id_cliente_de(ficha_de_intento(operacion.token, historia.intento))
        return await self._libro.tomar(operacion.token, self._quien, id_cliente)

    async def _insistir(
        self, disparada: Disparada, reclamo: Reclamo, posicion: float
    ) -> tuple[Resultado, float]:
        """Orders until what was open at first is closed; one that fails for certain is followed by another.

        Returns:
            What they did together, and what is left of the position.
        """
        operacion, inicial = disparada.operacion, posicion
        resultado, fallos = Resultado(disparada, Final.CLOSED), 0
        while posicion > 0.0 and fallos < self._ajustes.intentos:
            queda = suma(inicial, -resultado.cantidad)
            if queda <= 0.0:
                return resultado, 0.0  # what is open now was not there at the beginning
            intento = (await self._libro.historia(reclamo.token)).intento
            curso = Curso(disparada, reclamo.token, intento)
            resultado = await self._intentar(curso, reclamo, _Tramo(posicion, queda), resultado)
            match resultado.final:
                case Final.DUPLICATE | Final.UNKNOWN:
                    break
                case Final.FAILED:
                    fallos += 1
                    await asyncio.sleep(self._ajustes.pausa_s)
                    posicion = await self._posicion(operacion) or 0.0
                case _:
                    posicion = await self._lo_que_queda(operacion, suma(inicial, -resultado.cantidad))
        return resultado, posicion

    async def _intentar(self, curso: Curso, reclamo: Reclamo, tramo: _Tramo, antes: Resultado) -> Resultado:
        """One order; what it did is added to what the ones before it did."""
        disparada, token, intento = curso
        operacion = disparada.operacion
        orden = Orden(
            operacion.simbolo,
            operacion.lado_salida,
            self._salida.que_quepa(operacion.simbolo, min(tramo)),
            True,
            id_cliente_de(ficha_de_intento(token, intento)),
        )
        if not await self._libro.renovar(reclamo, orden.id_cliente):
            return _duplicada(disparada, "the claim was taken over")
        ahora_ms = self._reloj.ahora_ms()
        disparo = self._relator.disparo(curso, orden)
        contra = await self._vallas.ante(curso)
        eventos = [*([disparo] if intento == 1 else []), *contra]
        if not (await self._libro.anotar(*eventos, self._relator.envio(curso, ahora_ms, orden)))[-1]:
            return _duplicada(disparada, f"attempt {intento} was sent by another process")
        log.info("stop_ejecutandose", tipo=disparada.disparo.value, operacion=operacion.operation_id)
        with self._libro.con_prisa(_DESPUES_S):
            async with self._retenido(reclamo):
                suerte = await self._salida.enviar(orden, tramo.abierta)
            resultado = await self._asentar(curso, suerte, antes)
            await self._vallas.avisar(disparada, contra)
        return resultado

    async def _relevar(self, disparada: Disparada, reclamo: Reclamo, posicion: float) -> bool:
        """Settle what a former holder may have sent; false while that is not known."""
        historia = await self._libro.historia(reclamo.token)
        if not historia.enviado:
            return True
        operacion = disparada.operacion
        curso = Curso(disparada, reclamo.token, historia.intento)
        id_cliente = id_cliente_de(ficha_de_intento(reclamo.token, historia.intento))
        orden = Orden(operacion.simbolo, operacion.lado_salida, 0.0, True, id_cliente)
        async with self._retenido(reclamo):
            suerte = await self._salida.averiguar(orden, posicion)
        resultado = await self._asentar(curso, suerte, Resultado(disparada, Final.FAILED))
        return resultado.final is not Final.UNKNOWN

    async def _recordar(self, disparada: Disparada, reclamo: Reclamo) -> bool:
        """Write down an order that was sent while the store was down by somebody who died before telling.

        Returns:
            False while the exchange has not said whether there is one.
        """
        historia = await self._libro.historia(reclamo.token)
        if historia.enviado or historia.intento > 1:
            return True
        curso = Curso(disparada, reclamo.token, historia.intento)
        operacion = disparada.operacion
        id_cliente = id_cliente_de(ficha_de_intento(reclamo.token, historia.intento))
        orden = Orden(operacion.simbolo, operacion.lado_salida, operacion.cantidad, True, id_cliente)
        suerte = await self._salida.averiguar(orden, 0.0, enviada=False)
        if suerte.ejecutada:
            ahora_ms = self._reloj.ahora_ms()
            await self._libro.anotar(
                self._relator.disparo(curso, orden),
                self._relator.envio(curso, ahora_ms, orden),
                self._relator.hecho(curso, ahora_ms, suerte),
            )
        return suerte.terminada

    async def _asentar(self, curso: Curso, suerte: Suerte, antes: Resultado) -> Resultado:
        """Write down what became of an order."""
        disparada = curso.disparada
        if not suerte.terminada:
            log.error("orden_sin_resolver", ficha=curso.token, motivo=suerte.motivo)
            return antes._replace(final=Final.UNKNOWN, motivo=suerte.motivo)
        ahora_ms = self._reloj.ahora_ms()
        if suerte.ejecutada == 0.0:
            await self._libro.anotar(self._relator.fallo(curso, ahora_ms, suerte.motivo))
            await self._vallas.fallida(disparada, suerte.motivo)
            return antes._replace(final=Final.FAILED, motivo=suerte.motivo)
        await self._libro.anotar(self._relator.hecho(curso, ahora_ms, suerte))
        resultado = _sumar(antes, suerte)
        log.info("stop_ejecutado", ficha=curso.token, orden=suerte.id_bolsa, slippage_pct=resultado.slippage)
        await self._vallas.ejecutada(disparada, resultado.slippage)
        return resultado

    async def _lo_que_queda(self, operacion: Vigilada, esperado: float) -> float:
        """The position after a fill; a read that the fills contradict is not believed at once."""
        posicion = 0.0
        for mirada in range(self._ajustes.miradas):
            if mirada:
                await asyncio.sleep(self._ajustes.pausa_s)
            posicion = await self._posicion(operacion) or 0.0
            if posicion <= max(esperado, 0.0) + _DUDA * operacion.cantidad:
                break
        return posicion

    async def _soltar(self, reclamo: Reclamo, operacion: Vigilada, *, plana: bool, ajena: bool) -> None:
        """Let the claim go; of a flat position, after writing down what the exchange did to it itself."""
        if plana and ajena and operacion.a_mano:
            await self._anotar_residente(operacion, reclamo.token)
        await self._libro.soltar(reclamo, hecho=plana)
        if plana:
            await self._despejar(operacion)

    async def _anotar_residente(self, operacion: Vigilada, token: str) -> None:
        try:
            ejecutado = await residentes.quien_la_cerro(self._bolsa, operacion)
        except ErrorBolsa as fallo:
            log.warning("cierre_sin_explicar", operacion=operacion.operation_id, motivo=str(fallo))
            return
        if ejecutado is not None:
            ahora_ms = self._reloj.ahora_ms()
            await self._libro.anotar(*self._relator.residente(operacion, token, ahora_ms, ejecutado))

    async def _despejar(self, operacion: Vigilada) -> None:
        if not await self._libro.ocupada(operacion.account_id, operacion.simbolo):
            # A living one sweeps its own; it may protect the next position already.
            await residentes.barrer(self._bolsa, operacion.simbolo, operacion.lado_salida)
        if await self._libro.cerrar(operacion.operation_id, self._reloj.ahora_ms()):
            log.info("operacion_cerrada", operacion=operacion.operation_id, simbolo=operacion.simbolo)

    @asynccontextmanager
    async def _retenido(self, reclamo: Reclamo) -> AsyncIterator[None]:
        """Hold the claim for as long as an order takes, its answer and its search included."""
        basta = asyncio.Event()
        tarea = asyncio.create_task(self._renovar_hasta(reclamo, basta))
        try:
            yield
        finally:
            basta.set()
            await tarea

    async def _renovar_hasta(self, reclamo: Reclamo, basta: asyncio.Event) -> None:
        """A store that does not answer ends no search: nobody else can take the claim from it meanwhile."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_RENOVAR_S):
                    await basta.wait()
                    return
            try:
                with self._libro.con_prisa():
                    await self._libro.renovar(reclamo)
            except AlmacenCaido as fallo:
                log.warning("reclamo_sin_renovar", ficha=reclamo.token, motivo=str(fallo))

    async def _posicion(self, operacion: Vigilada) -> float | None:
        """What is left of its position; ``None`` when another one has taken its place."""
        return operacion.suya((await self._bolsa.cuenta(operacion.simbolo)).estado.posicion)


def ajena(disparada: Disparada) -> Resultado:
    """Nothing is sent for an operation whose position has become another one."""
    operacion = disparada.operacion
    log.error("posicion_ajena", operacion=operacion.operation_id, simbolo=operacion.simbolo)
    motivo = "the open position has another entry, or is larger: it is not this operation's"
    return Resultado(disparada, Final.FOREIGN, motivo=motivo)


def _duplicada(disparada: Disparada, motivo: str) -> Resultado:
    operacion = disparada.operacion
    log.warning(
        "Duplicate execution prevented",
        operacion=operacion.operation_id,
        ficha=operacion.token,
        motivo=motivo,
    )
    return Resultado(disparada, Final.DUPLICATE, motivo=motivo)


def _sumar(antes: Resultado, suerte: Suerte) -> Resultado:
    disparada, precio = antes.disparada, suerte.precio
    total = suma(antes.cantidad, suerte.ejecutada)
    if antes.precio is not None and precio is not None:
        precio = (antes.cantidad * antes.precio + suerte.ejecutada * precio) / total
    peor = peor_que(disparada.esperado, precio, largo=disparada.operacion.largo)
    return Resultado(disparada, Final.EXECUTED, total, precio, peor, suerte.id_bolsa)
