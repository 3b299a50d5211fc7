"""Sends orders exactly once and reports what the exchange did."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

import structlog

from src.nucleo.errores import (
    EmergenciaOperacional,
    ErrorBolsa,
    FalloPasajero,
    LecturaFallida,
    OrdenRechazada,
    ResultadoIncierto,
)
from src.nucleo.ordenes import Orden, Plan
from src.nucleo.registro import Resultado
from src.nucleo.tipos import Ejecucion, LadoOrden
from src.produccion.puertos import RELOJ_DESVIADO, Bolsa, Diario, Reloj, RespuestaOrden, Transaccion

PREFIJO_CLIENTE = "tm-"
"""How the client ids of the agent's own orders begin."""

_INTENTOS = 3
_ESPERA_S = 1.0
_CONSULTAS = 12
_ESPERA_CONSULTA_S = 1.0
_PLAZO_AVERIGUAR_S = 30.0
_LECTURAS_TRANSACCIONES = 10
_ESPERA_TRANSACCIONES_S = 0.1
_TOLERANCIA_RELATIVA = 1e-9

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


class Ejecutor:
    """Executes plans on one symbol.

    Args:
        bolsa: The exchange.
        diario: Gets each intent before it is sent and each outcome after it.
        reloj: Market time.
        simbolo: Symbol traded.
    """

    def __init__(self, bolsa: Bolsa, diario: Diario, reloj: Reloj, simbolo: str) -> None:
        self._bolsa = bolsa
        self._diario = diario
        self._reloj = reloj
        self._simbolo = simbolo
        self._pendiente: Orden | None = None

    async def ejecutar(self, plan: Plan, ficha: str) -> Informe:
        """Send the orders of a plan one after the other.

        Args:
            plan: Validated; at least one quantity.
            ficha: Names the decision; the same decision always has the same client ids.

        Returns:
            What was filled. A refusal after some fills still reports those fills.
        """
        filas: list[Transaccion] = []
        for indice, cantidad in enumerate(plan.cantidades):
            try:
                respuesta = await self._enviar_una(cantidad, plan.solo_reduce, f"{ficha}:{indice}")
            except ResultadoIncierto as fallo:
                return Informe(Resultado.INCIERTA, tuple(filas), str(fallo))
            except OrdenRechazada as fallo:
                return Informe(_parcial(filas), tuple(filas), str(fallo), fallo.codigo)
            filas += await self._transacciones_de(respuesta)
            if respuesta.cantidad_ejecutada == 0.0:
                texto = f"order {respuesta.id_cliente} ended {respuesta.estado.value}"
                return Informe(_parcial(filas), tuple(filas), texto)
        return Informe(Resultado.EJECUTADA, tuple(filas))

    async def _enviar_una(self, cantidad: float, solo_reduce: bool, ficha: str) -> RespuestaOrden:
        lado = LadoOrden.BUY if cantidad > 0 else LadoOrden.SELL
        orden = Orden(self._simbolo, lado, abs(cantidad), solo_reduce, id_cliente_de(ficha))
        intento = self._diario.anotar(
            f"order:{orden.id_cliente}",
            "ORDER_INTENT",
            self._reloj.ahora_ms(),
            {"token": ficha, "side": lado.value, "quantity": orden.cantidad, "reduce_only": solo_reduce},
        )
        if solo_reduce:
            # An exit neither waits for the disk nor depends on it.
            envio = self._enviar_con_reintentos(orden)
            respuesta, _ = await asyncio.gather(envio, _aunque_falle(intento))
        else:
            await intento
            respuesta = await self._enviar_con_reintentos(orden)
        self._anotar_resultado(orden, respuesta)
        return respuesta

    async def _enviar_con_reintentos(self, orden: Orden) -> RespuestaOrden:
        for intento in range(1, _INTENTOS + 1):
            try:
                respuesta = await self._bolsa.enviar(orden)
                if respuesta.estado.es_final:
                    return respuesta
                raise ResultadoIncierto(f"order {orden.id_cliente} was answered {respuesta.estado.value}")
            except FalloPasajero as fallo:
                log.warning(
                    "orden_no_aceptada", id_cliente=orden.id_cliente, intento=intento, motivo=str(fallo)
                )
                if intento == _INTENTOS:
                    raise
                if fallo.codigo != RELOJ_DESVIADO:
                    await asyncio.sleep(_ESPERA_S)
            except ResultadoIncierto as fallo:
                log.warning("orden_incierta", id_cliente=orden.id_cliente, motivo=str(fallo))
                return await self._averiguar(orden, fallo)
        raise AssertionError("the loop above returns or raises")

    async def resolver_pendiente(self) -> bool:
        """Ask once more for an order whose fate is unknown; true when none is left.

        An order that the exchange does not know by now never will be: it was asked for longer than the
        request was valid.
        """
        orden = self._pendiente
        if orden is None:
            return True
        respuesta = await self._bolsa.consultar(self._simbolo, orden.id_cliente)
        if respuesta is None:
            self._anotar(orden, "ORDER_ABSENT", {})
        elif respuesta.estado.es_final:
            self._anotar_resultado(orden, respuesta)
        else:
            return False
        self._pendiente = None
        return True

    async def _averiguar(self, orden: Orden, motivo: ResultadoIncierto) -> RespuestaOrden:
        """Find out what became of an order; it is never sent again.

        Raises:
            OrdenRechazada: The exchange kept saying, for longer than the request was valid, that it does
                not know the order.
            ResultadoIncierto: It could not be found out.
        """
        ausencias = 0
        limite = asyncio.get_running_loop().time() + _PLAZO_AVERIGUAR_S
        for _ in range(_CONSULTAS):
            if asyncio.get_running_loop().time() > limite:
                break
            await asyncio.sleep(_ESPERA_CONSULTA_S)
            try:
                respuesta = await self._bolsa.consultar(orden.simbolo, orden.id_cliente)
            except ErrorBolsa as fallo:
                log.warning("consulta_fallida", id_cliente=orden.id_cliente, motivo=str(fallo))
                continue
            if respuesta is None:
                ausencias += 1
            elif respuesta.estado.es_final:
                return respuesta
        if ausencias == _CONSULTAS:
            raise OrdenRechazada(f"order {orden.id_cliente} never reached the exchange: {motivo}") from motivo
        self._pendiente = orden
        self._anotar(orden, "ORDER_UNRESOLVED", {"reason": str(motivo)})
        raise motivo

    def _anotar_resultado(self, orden: Orden, respuesta: RespuestaOrden) -> None:
        self._anotar(
            orden,
            "ORDER_RESULT",
            {
                "order_id": respuesta.id_bolsa,
                "status": respuesta.estado.value,
                "executed": respuesta.cantidad_ejecutada,
                "average_price": respuesta.precio_medio,
            },
        )

    def _anotar(self, orden: Orden, tipo: str, contenido: dict[str, object]) -> None:
        try:
            self._diario.anotar_luego(f"order:{orden.id_cliente}", tipo, self._reloj.ahora_ms(), contenido)
        except EmergenciaOperacional as fallo:
            if not orden.solo_reduce:
                raise
            log.critical("diario_roto", motivo=str(fallo))

    async def _transacciones_de(self, respuesta: RespuestaOrden) -> Sequence[Transaccion]:
        """The fills of an order, once the exchange lists all of them.

        Raises:
            LecturaFallida: The fills do not add up to what the order says was executed.
        """
        ejecutada = respuesta.cantidad_ejecutada
        if ejecutada == 0.0:
            return []
        for _ in range(_LECTURAS_TRANSACCIONES):
            filas = await self._bolsa.transacciones(self._simbolo, id_orden=respuesta.id_bolsa)
            if abs(sum(abs(fila.cantidad) for fila in filas) - ejecutada) <= ejecutada * _TOLERANCIA_RELATIVA:
                return filas
            await asyncio.sleep(_ESPERA_TRANSACCIONES_S)
        raise LecturaFallida(
            f"order {respuesta.id_cliente} executed {ejecutada} but its fills are not listed"
        )


async def _aunque_falle(intento: Awaitable[None]) -> None:
    try:
        await intento
    except EmergenciaOperacional as fallo:
        log.critical("diario_roto", motivo=str(fallo))


def _parcial(filas: Sequence[Transaccion]) -> Resultado:
    return Resultado.EJECUTADA if filas else Resultado.RECHAZADA


def ejecuciones_de(filas: Sequence[Transaccion]) -> tuple[Ejecucion, ...]:
    """Fills as the core books them."""
    return tuple(Ejecucion(fila.cantidad, fila.precio, fila.comision, fila.pnl_realizado) for fila in filas)
