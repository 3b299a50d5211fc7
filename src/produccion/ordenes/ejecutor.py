"""Sends orders exactly once and reports what the exchange did."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import structlog
from structlog.contextvars import bound_contextvars

from src.nucleo.errores import (
    EmergenciaOperacional,
    OrdenRechazada,
    ResultadoIncierto,
)
from src.nucleo.ordenes import Plan
from src.nucleo.registro import Resultado
from src.nucleo.tipos import Ejecucion, LadoOrden
from src.nucleo.vida_orden import EstadoVida, VidaOrden
from src.produccion.metricas.histograma import Histograma
from src.produccion.ordenes.averiguacion import AJUSTES, AjustesEjecutor, Averiguacion
from src.produccion.ordenes.envio import Envio
from src.produccion.ordenes.fills import Fills
from src.produccion.ordenes.oidos import FillsOidos
from src.produccion.ordenes.ordenes_recordadas import OrdenesRecordadas
from src.produccion.puertos import (
    Bolsa,
    Diario,
    EventoOrden,
    Reloj,
    Transaccion,
)

PREFIJO_CLIENTE = "tm-"
"""How the client ids of the agent's own orders begin."""

_YA_NO_ESPERA = -2011  # there is no such order that could be cancelled
_NINGUNA: Mapping[str, VidaOrden] = MappingProxyType({})

log = structlog.get_logger(__name__)


class Informe(NamedTuple):
    """What became of a plan."""

    resultado: Resultado
    transacciones: tuple[Transaccion, ...] = ()
    error: str = ""
    codigo: int | None = None  # the exchange's error code

    @property
    def ejecuciones(self) -> tuple[Ejecucion, ...]:
        """The fills as the core books them."""
        return ejecuciones_de(self.transacciones)


def id_cliente_de(ficha: str) -> str:
    """The client order id of a token: ``tm-`` and 26 base32 characters of its SHA-256."""
    return PREFIJO_CLIENTE + base64.b32encode(hashlib.sha256(ficha.encode()).digest())[:26].decode()


def siempre() -> bool:
    """A decision that does not go stale."""
    return True


class Ejecutor:
    """Executes plans on one symbol.

    Args:
        bolsa: The exchange.
        diario: Gets each step of an order before anything acts on it.
        reloj: Market time.
        simbolo: Symbol traded.
        ajustes: Waits and tries.
        recordadas: Orders of earlier lives, as their journal tells them.
        oidos: What the user stream has told of fills; nothing unless given.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        diario: Diario,
        reloj: Reloj,
        simbolo: str,
        ajustes: AjustesEjecutor = AJUSTES,
        recordadas: Mapping[str, VidaOrden] = _NINGUNA,
        oidos: FillsOidos | None = None,
    ) -> None:
        self._bolsa = bolsa
        self._simbolo = simbolo
        self._ajustes = ajustes
        self._ordenes = OrdenesRecordadas(diario, reloj, recordadas)
        self._averiguacion = Averiguacion(bolsa, self._ordenes, ajustes)
        self._envio = Envio(bolsa, self._ordenes, self._averiguacion, ajustes)
        self._fills = Fills(bolsa, simbolo, ajustes, oidos or FillsOidos())

    @property
    def hay_incierta(self) -> bool:
        """Whether something may still come of an order: nothing may be opened until it is resolved."""
        return bool(self._ordenes.pendientes)

    @property
    def pendientes(self) -> tuple[VidaOrden, ...]:
        """The orders of which something may still come."""
        return self._ordenes.pendientes

    @property
    def acabadas(self) -> Mapping[EstadoVida, int]:
        """How many orders have ended in which way since the start."""
        return self._ordenes.acabadas

    @property
    def respuesta_s(self) -> Histograma:
        """How long the exchange took to answer orders."""
        return self._envio.respuesta_s

    def conoce(self, id_cliente: str) -> bool:
        """Whether an order's intent is known, and with it what it was sent for."""
        return id_cliente in self._ordenes

    def vida_de(self, id_cliente: str) -> VidaOrden | None:
        """What is known of an order; ``None`` when its intent is not."""
        return self._ordenes[id_cliente] if self.conoce(id_cliente) else None

    def motivo_de(self, id_cliente: str) -> str:
        """The first word of what an order was sent for; empty when its intent is not known."""
        return self._ordenes[id_cliente].ficha.partition(":")[0] if self.conoce(id_cliente) else ""

    @property
    def abiertos(self) -> tuple[str, ...]:
        """Journal aggregates of the orders of which something may still come."""
        return tuple(f"order:{vida.id_cliente}" for vida in self._ordenes.pendientes)

    async def ejecutar(
        self,
        plan: Plan,
        ficha: str,
        vigente: Callable[[], bool] = siempre,
        *,
        posicion_previa: float | None = None,
        reanudada: bool = False,
        aplana: bool = False,
    ) -> Informe:
        """Send the orders of a plan one after the other; what was sent before is taken up, not repeated.

        Args:
            plan: Validated; at least one quantity.
            ficha: Names the decision; the same decision always has the same client ids.
            vigente: Whether an order that adds exposure may still be sent; exits always may.
            posicion_previa: Signed quantity that the plan was made for. An order that never arrived is
                sent again only when this is known and still true.
            reanudada: Whether an earlier life may have begun this. It may have died before an exit's
                intent was on disk, so that one which the journal does not know is looked for first.
            aplana: Whether it closes what is open although it cannot go out reduce-only.

        Returns:
            What was filled. A refusal after some fills still reports those fills.

        Raises:
            LecturaFallida: The fills of an order are neither listed nor heard yet; calling again is safe.
            EmergenciaOperacional: An order that adds exposure cannot be written down in time.
        """
        filas: list[Transaccion] = []
        for indice, cantidad in enumerate(plan.cantidades):
            parte = f"{ficha}:{indice}"
            nueva = id_cliente_de(parte) not in self._ordenes
            if nueva and not plan.solo_reduce and not vigente():
                return Informe(_parcial(filas), tuple(filas), "the decision is out of date")
            try:
                if nueva:
                    previa = None if posicion_previa is None else posicion_previa + _neto(filas)
                    self._ordenes.intentar(self._intencion(cantidad, plan, parte, previa, aplana=aplana))
                buscar = not nueva or (reanudada and plan.solo_reduce)
                with bound_contextvars(id_cliente=id_cliente_de(parte)):
                    vida = await self._llevar_a_termino(id_cliente_de(parte), vigente, buscar=buscar)
            except EmergenciaOperacional as fallo:
                if not filas:
                    raise
                return Informe(Resultado.EJECUTADA, tuple(filas), str(fallo))
            if not vida.terminada:
                return Informe(Resultado.INCIERTA, tuple(filas), _por_que(vida))
            filas += await self._fills.de(vida)
            if vida.ejecutada == 0.0:
                return Informe(_parcial(filas), tuple(filas), _por_que(vida), vida.codigo)
        return Informe(Resultado.EJECUTADA, tuple(filas))

    def tomar_evento(self, evento: EventoOrden) -> None:
        """Learn what the exchange tells of an order; news of others than the agent's are ignored."""
        if not self._envio.apartar(evento.respuesta):
            self._averiguacion.tomar_evento(evento.respuesta)

    async def cancelar(self, id_cliente: str) -> VidaOrden:
        """Cancel a known order that is not over, and find out how it ended.

        Raises:
            ResultadoIncierto: The exchange does not say how it ended.
            ErrorBolsa: It could not be asked, or did not let the request through.
        """
        try:
            await self._bolsa.cancelar_orden(self._simbolo, id_cliente)
        except OrdenRechazada as fallo:
            if fallo.codigo != _YA_NO_ESPERA:
                raise
        except ResultadoIncierto as fallo:
            log.warning("cancelacion_incierta", id_cliente=id_cliente, motivo=str(fallo))
        await self.resolver_pendientes(deprisa=True)
        vida = self._ordenes[id_cliente]
        if not vida.terminada:
            raise ResultadoIncierto(f"the exchange does not say how order {id_cliente} ended: ask again")
        return vida

    def neto(self, ficha: str) -> float:
        """Signed sum of what is known to be filled of the orders of all plans whose token begins so."""
        return self._ordenes.neto(ficha)

    async def resolver_pendientes(self, *, deprisa: bool = False) -> bool:
        """Ask for every order whose fate is open; true when none is left.

        Args:
            deprisa: Look once, although looking again a moment later might settle it.

        Raises:
            ErrorBolsa: The exchange could not be asked.
        """
        miradas = 1 if deprisa else self._ajustes.miradas
        for vida in self._ordenes.pendientes:
            if not self._envio.espera_respuesta(vida.id_cliente):
                await self._averiguacion.preguntar(vida.id_cliente, miradas=miradas)
        return not self.hay_incierta

    def _intencion(
        self, cantidad: float, plan: Plan, ficha: str, previa: float | None, *, aplana: bool
    ) -> VidaOrden:
        lado = LadoOrden.BUY if cantidad > 0 else LadoOrden.SELL
        return VidaOrden(
            *(id_cliente_de(ficha), self._simbolo, lado, abs(cantidad), plan.solo_reduce, ficha, previa),
            aplana=aplana,
        )

    async def _llevar_a_termino(
        self, id_cliente: str, vigente: Callable[[], bool], *, buscar: bool
    ) -> VidaOrden:
        """Send an order until it is over, proved never to have arrived, or the deadline has passed.

        Args:
            id_cliente: Of a known order.
            vigente: Whether one that adds exposure may still be sent again.
            buscar: Whether it is looked for first, because it may have been sent already.
        """
        if not buscar:
            await self._envio.enviar(id_cliente)
        while not self._ordenes[id_cliente].terminada:
            if not await self._averiguacion.averiguar(id_cliente, enseguida=buscar):
                break
            vida = self._ordenes[id_cliente]
            if vida.intentos > self._ajustes.reenvios or not (vida.solo_reduce or vigente()):
                self._averiguacion.descartar(id_cliente)
                break
            log.warning("orden_reenviada", id_cliente=id_cliente, motivo=vida.motivo)
            await self._envio.enviar(id_cliente)
            buscar = False
        return self._ordenes[id_cliente]


def _por_que(vida: VidaOrden) -> str:
    match vida.estado:
        case EstadoVida.CANCELADA:
            return f"order {vida.id_cliente} ended {vida.motivo}"
        case EstadoVida.ACEPTADA | EstadoVida.PARCIAL:
            return f"order {vida.id_cliente} was accepted and is not over"
        case _:
            return vida.motivo


def _parcial(filas: Sequence[Transaccion]) -> Resultado:
    return Resultado.EJECUTADA if filas else Resultado.RECHAZADA


def _neto(filas: Sequence[Transaccion]) -> float:
    return sum(fila.cantidad for fila in filas)


def ejecuciones_de(filas: Sequence[Transaccion]) -> tuple[Ejecucion, ...]:
    """Fills as the core books them."""
    return tuple(Ejecucion(fila.cantidad, fila.precio, fila.comision, fila.pnl_realizado) for fila in filas)
