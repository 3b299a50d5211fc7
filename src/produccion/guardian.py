"""What people and programs ask of the open position, carried out between two steps of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

import structlog

from src.nucleo.dinero import pasos_enteros
from src.nucleo.errores import LecturaFallida, LimiteExcedido, SolicitudInvalida, StopInaceptable
from src.nucleo.frenos import es_mal_lado, es_mas_flojo
from src.nucleo.guardian import AccionGuardian, Solicitud, caducado, comprobar_precios, desviado
from src.nucleo.niveles import BREAK_EVEN, COSTO_FRACCION, precio_break_even
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Filtros, Posicion
from src.produccion.almacen.mandos import MandoGuardado
from src.produccion.ciclo import Ciclo
from src.produccion.espejo import EspejoRedis, OperacionGuardian
from src.produccion.mandos import Desenlace, solicitud_de
from src.produccion.puertos import Reloj

T = TypeVar("T")

_ENTRE_REFLEJOS_S = 1.0
_REFRESCO_S = 3_600.0
_SIN_BOLSA = "exchange_connection"
_SIN_LEER = "look at the position on the exchange's own page, and ask again once the exchange answers"

log = structlog.get_logger(__name__)


class Turno(Protocol):
    """Runs something between two steps of the daemon."""

    async def __call__(self, tarea: Callable[[], Awaitable[T]]) -> T:
        """Wait for the turn, then do it; its refusal is raised here."""
        ...


class Reglas(NamedTuple):
    """What the guardian of one agent goes by."""

    user_id: str
    simbolo: str
    filtros: Filtros
    estrategia: str
    costo_fraccion: float = COSTO_FRACCION  # break-even lies this far beyond the entry


class Guardian:
    """Closes, adjusts and half-closes one agent's position, and mirrors it for those who read Redis.

    Two clocks: how old a request is, is asked of the clock that it was written by, the time of day; when it
    took effect is told in market time, like every row and every stop.

    Args:
        ciclo: Owns the position.
        turno: Runs a request between two steps.
        reloj: Market time, of effects.
        hora_pared_ms: Time of day, of requests.
        espejo: The copy in Redis.
        reglas: What it goes by.
    """

    def __init__(
        self,
        ciclo: Ciclo,
        turno: Turno,
        reloj: Reloj,
        hora_pared_ms: Callable[[], int],
        espejo: EspejoRedis,
        reglas: Reglas,
    ) -> None:
        self._ciclo = ciclo
        self._turno = turno
        self._reloj = reloj
        self._hora_pared_ms = hora_pared_ms
        self._espejo = espejo
        self._r = reglas
        self._reflejada: OperacionGuardian | None = None

    async def atender(self, mando: MandoGuardado) -> Desenlace:
        """Carry a command out.

        Raises:
            EntradaInvalida: It is refused; nothing has changed.
            ErrorBolsa: The exchange did not let it through.
        """
        solicitud = solicitud_de(mando)
        comprobar_precios(solicitud)
        self._comprobar_edad(mando, solicitud)

        async def cumplir() -> Desenlace:
            # Its turn may come long after it was taken: nobody waits for it any more then.
            self._comprobar_edad(mando, solicitud)
            return await self._cumplir(solicitud)

        desenlace = await self._turno(cumplir)
        return desenlace._replace(redis=await self._reflejar()) if desenlace.exito else desenlace

    def _comprobar_edad(self, mando: MandoGuardado, solicitud: Solicitud) -> None:
        ahora_ms, instante_ms = self._hora_pared_ms(), solicitud.instante_ms
        if instante_ms is not None and caducado(solicitud.accion, instante_ms, ahora_ms):
            raise SolicitudInvalida(f"request too old to {solicitud.accion.value}; look again and repeat it")
        if mando.vence_ms is not None and ahora_ms > mando.vence_ms:
            raise SolicitudInvalida("nobody waits for this request any more; look again and repeat it")

    async def reflejar_siempre(self) -> None:
        """Keep the copy in Redis like the position, for ever."""
        refrescada_s = 0.0
        bucle = asyncio.get_running_loop()
        escrita = False  # an earlier life may have left a copy of what is over
        while True:
            if not escrita or self._operacion() != self._reflejada:
                escrita = await self._reflejar()
            elif self._reflejada is not None and bucle.time() - refrescada_s > _REFRESCO_S:
                refrescada_s = bucle.time()
                await self._espejo.refrescar(self._reflejada)
            await asyncio.sleep(_ENTRE_REFLEJOS_S)

    async def _cumplir(self, solicitud: Solicitud) -> Desenlace:
        try:
            posicion = await self._ciclo.posicion_al_dia()
        except (LecturaFallida, LimiteExcedido) as fallo:
            return Desenlace(
                exito=False, mensaje=f"nothing was sent for it: {fallo}; {_SIN_LEER}", clase=_SIN_BOLSA
            )
        if posicion is None:
            raise SolicitudInvalida(f"No open position to {solicitud.accion.value.replace('_', '-')}")
        mark = self._ciclo.mark
        if solicitud.precio_disparo is not None and desviado(solicitud.precio_disparo, mark):
            raise SolicitudInvalida(
                f"the mark {mark} is more than 1 % away from trigger_price {solicitud.precio_disparo}"
            )
        match solicitud.accion:
            case AccionGuardian.CERRAR:
                return await self._cerrar(posicion)
            case AccionGuardian.AJUSTAR:
                return await self._ajustar(posicion, solicitud)
            case AccionGuardian.MEDIO_CIERRE:
                return await self._medio_cierre(posicion)

    async def _cerrar(self, posicion: Posicion) -> Desenlace:
        anterior, ahora_ms = self._ciclo.gatillo, self._reloj.ahora_ms()
        await self._ciclo.cerrar_y_seguir("guardian", ahora_ms, StatusFila.MANUAL)
        return Desenlace(
            exito=True,
            instante_ms=ahora_ms,
            direccion=_direccion(posicion),
            stop_anterior=anterior,
            confirmado=True,
            mensaje="Position closed",
        )

    async def _ajustar(self, posicion: Posicion, solicitud: Solicitud) -> Desenlace:
        anterior = await self._ciclo.ajustar_a_mano(solicitud.stop, solicitud.objetivo, solicitud.nivel)
        return self._tras_ajustar(posicion, anterior, solicitud.nivel, "")

    async def _medio_cierre(self, posicion: Posicion) -> Desenlace:
        mitad = _mitad(posicion, self._r.filtros)
        quedan = await self._ciclo.reducir_a_mano(mitad)
        if quedan is None:
            return Desenlace(
                exito=True,
                instante_ms=self._reloj.ahora_ms(),
                direccion=_direccion(posicion),
                confirmado=True,
                mensaje="Half-close done and position fully closed",
            )
        anterior, stop = self._ciclo.gatillo, self._en_tablas(quedan)
        if anterior is not None and not es_mas_flojo(anterior, stop, largo=quedan.cantidad > 0.0):
            return self._tras_ajustar(posicion, anterior, None, "Half-close done; BE stop unchanged")
        try:
            await self._ciclo.ajustar_a_mano(stop, None, BREAK_EVEN)
        except StopInaceptable as fallo:
            return self._tras_ajustar(
                posicion, anterior, None, f"Half-close done; BE stop unchanged: {fallo}"
            )
        mensaje = "Half-close done; SL moved to BE"
        if stop != self._tablas(quedan):
            mensaje = "Half-close done; SL moved as near to BE as the mark allows"
        return self._tras_ajustar(posicion, anterior, BREAK_EVEN, mensaje)

    def _tablas(self, posicion: Posicion) -> float:
        largo = posicion.cantidad > 0.0
        return precio_break_even(posicion.precio_entrada, self._r.costo_fraccion, largo=largo)

    def _en_tablas(self, posicion: Posicion) -> float:
        """Break-even, or one tick on the legal side of the mark where that lies beyond it."""
        largo, mark, stop = posicion.cantidad > 0.0, self._ciclo.mark, self._tablas(posicion)
        if not es_mal_lado(stop, mark, largo=largo):
            return stop
        tick = float(self._r.filtros.tick)
        return mark - tick if largo else mark + tick

    def _tras_ajustar(
        self, posicion: Posicion, anterior: float | None, nivel: str | None, mensaje: str
    ) -> Desenlace:
        if self._ciclo.operacion is None:
            return Desenlace(
                exito=False,
                instante_ms=self._reloj.ahora_ms(),
                direccion=_direccion(posicion),
                stop_anterior=anterior,
                confirmado=True,
                mensaje="the market was beyond the stop already: the position was closed",
            )
        confirmado = self._ciclo.stop is not None
        return Desenlace(
            exito=confirmado,
            instante_ms=self._reloj.ahora_ms(),
            direccion=_direccion(posicion),
            stop=self._ciclo.gatillo,
            nivel=nivel,
            stop_anterior=anterior,
            confirmado=confirmado,
            mensaje=mensaje if confirmado else "the exchange has not confirmed the stop",
        )

    async def _reflejar(self) -> bool:
        operacion = self._operacion()
        if operacion is None:
            hecho = await self._espejo.borrar(self._r.user_id, self._r.simbolo)
        else:
            hecho = await self._espejo.guardar(operacion)
        if hecho or not self._espejo.activo:
            self._reflejada = operacion
        return hecho

    def _operacion(self) -> OperacionGuardian | None:
        abierta = self._ciclo.operacion
        if abierta is None:
            return None
        freno = abierta.freno
        return OperacionGuardian(
            user_id=self._r.user_id,
            simbolo=self._r.simbolo,
            direccion=_direccion(abierta.posicion),
            entrada=abierta.posicion.precio_entrada,
            stop=self._ciclo.gatillo,
            objetivo=None if freno is None else freno.objetivo,
            estrategia=self._r.estrategia,
            abierta_ms=abierta.operacion,
            trade_id=str(abierta.operacion),
            nivel="" if freno is None else freno.nivel,
            ajuste_ms=None if freno is None or not freno.nivel else freno.ajustado_ms,
            stop_ajustado=None if freno is None or not freno.nivel else freno.stop,
            stop_anterior=abierta.anterior,
            nivel_anterior=abierta.nivel_anterior,
        )


def _direccion(posicion: Posicion) -> str:
    return "BUY" if posicion.cantidad > 0.0 else "SELL"


def _mitad(posicion: Posicion, filtros: Filtros) -> float:
    """Half of a position on the lot step, signed like the order that gives it up.

    Raises:
        SolicitudInvalida: Nothing that can be ordered is left of it.
    """
    cantidad = abs(posicion.cantidad) / 2.0
    numerador, denominador = filtros.escala_lote
    mitad = pasos_enteros(cantidad, filtros.escala_lote) * numerador / denominador
    if mitad <= 0.0:
        raise SolicitudInvalida("Half qty rounded to zero")
    if mitad < filtros.minimo_lote:
        raise SolicitudInvalida(f"Half qty invalid after step-size: {mitad}")
    return -mitad if posicion.cantidad > 0.0 else mitad
