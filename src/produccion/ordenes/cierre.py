"""Flattens the account, in an order that never leaves it worse off, and does not give up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from src.nucleo.errores import ErrorBolsa, LecturaFallida
from src.nucleo.ordenes import Plan, trocear
from src.nucleo.tipos import EstadoCuenta, Mercado, Operacion
from src.produccion.ordenes.contraste import Contraste
from src.produccion.ordenes.ejecutor import Ejecutor
from src.produccion.puertos import REDUCCION_RECHAZADA, Bolsa, Transaccion

_ESPERA_MAXIMA_S = 30.0
_ENTRE_LECTURAS_S = 1.0

log = structlog.get_logger(__name__)


class Amparo(Protocol):
    """The stops over the position, as far as closing it concerns them."""

    async def retirar(self) -> None:
        """The account is flat: cancel what is left."""
        ...

    async def soltar(self) -> None:
        """They stand in the way: cancel them although the position is open."""
        ...


class SinAmparo:
    """No stops."""

    async def retirar(self) -> None:
        """Nothing to cancel."""

    async def soltar(self) -> None:
        """Nothing to cancel."""


class Referencia(Protocol):
    """What is known of the account without reading it."""

    @property
    def estado(self) -> EstadoCuenta:
        """As it was booked last."""
        ...

    async def explica(self, cantidad: float) -> bool:
        """Whether the listed fills lead from there to this signed quantity."""
        ...


class _Salida(NamedTuple):
    """What one try did."""

    filas: tuple[Transaccion, ...] = ()
    plana: bool = False
    motivo: str = ""  # why it has to be tried again; empty when it only has to be verified
    codigo: int | None = None
    duda: bool = False  # whether the account has to be read again before anything is done


class Cierre:
    """Closes everything on one symbol.

    Args:
        bolsa: The exchange.
        ejecutor: Sends the exits.
        mercado: Symbol and filters.
        amparo: The stops; they stay until the account is flat.
        avanzar: Called at each try, so that whoever watches sees that it gets on.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        ejecutor: Ejecutor,
        mercado: Mercado,
        amparo: Amparo,
        avanzar: Callable[[], None] = lambda: None,
    ) -> None:
        self._bolsa = bolsa
        self._ejecutor = ejecutor
        self._mercado = mercado
        self._amparo = amparo
        self._avanzar = avanzar

    async def cerrar_todo(self, ficha: str, referencia: Referencia | None = None) -> tuple[Transaccion, ...]:
        """Try until the exchange says that the account is flat, then cancel the stops.

        Args:
            ficha: Names the emergency; part of the orders' client ids.
            referencia: A reading that contradicts it is believed once fills explain it, or it has lasted.

        Returns:
            The fills of the exits.
        """
        filas: list[Transaccion] = []
        contraste = Contraste(None if referencia is None else referencia.estado.cantidad)
        intento, espera_s, negadas = 0, 1.0, 0
        while True:
            intento += 1
            self._avanzar()
            try:
                salida = await self._intentar(ficha, intento, negadas, contraste, referencia)
            except Exception as fallo:  # whatever it is, the position is still open: try again
                log.exception("cierre_fallido", intento=intento)
                salida = _Salida(motivo=str(fallo) or type(fallo).__name__)
            filas += salida.filas
            if salida.plana:
                await self._amparo.retirar()
                return tuple(filas)
            if not salida.motivo:
                espera_s, negadas = 1.0, 0
                continue
            log.critical("cierre_pendiente", intento=intento, motivo=salida.motivo)
            if salida.duda:
                await asyncio.sleep(_ENTRE_LECTURAS_S)
                continue
            if salida.codigo in REDUCCION_RECHAZADA:
                negadas += 1
            elif salida.codigo is not None:
                negadas = 0
            await asyncio.sleep(espera_s)
            espera_s = min(_ESPERA_MAXIMA_S, espera_s * 2)

    async def _intentar(
        self, ficha: str, intento: int, negadas: int, contraste: Contraste, referencia: Referencia | None
    ) -> _Salida:
        """One try.

        Args:
            ficha: Of the emergency.
            intento: Number of this try.
            negadas: How many tries in a row were refused because they reduce. After the first the stops go
                too; after the second the order goes out without that condition, with nothing else in flight
                and the quantity read long enough.
            contraste: What the account should show, by the earlier tries.
            referencia: What was known before the first of them.
        """
        despejado = await self._cancelar_ordenes()
        if negadas:
            await self._amparo.soltar()
        nada_en_camino = await self._nada_en_camino()
        cantidad = (await self._bolsa.cuenta(self._mercado.simbolo)).estado.cantidad
        ahora_s = asyncio.get_running_loop().time()
        neto = self._ejecutor.neto(ficha)
        if not contraste.vale(cantidad, neto, ahora_s):
            if referencia is None or not await referencia.explica(cantidad):
                return _Salida(motivo=f"the position reads {cantidad}, which may be out of date", duda=True)
            contraste.creer(cantidad, neto, ahora_s)
        if cantidad == 0.0:
            if nada_en_camino:
                return _Salida(plana=True)
            raise LecturaFallida("flat, but an order is unresolved and may still arrive")
        sin_condicion = negadas > 1 and nada_en_camino and despejado
        if sin_condicion and not contraste.firme(ahora_s):
            return _Salida(motivo=f"the position {cantidad} must be read for longer", duda=True)
        plan = Plan(_cierre(cantidad), trocear(-cantidad, self._mercado.filtros), not sin_condicion)
        informe = await self._ejecutor.ejecutar(
            plan, f"{ficha}:{intento}", posicion_previa=cantidad, aplana=True
        )
        return _Salida(informe.transacciones, motivo=informe.error, codigo=informe.codigo)

    async def _nada_en_camino(self) -> bool:
        """Whether no order is unresolved; not being told must not keep the exit from going out."""
        try:
            return await self._ejecutor.resolver_pendientes(deprisa=True)
        except ErrorBolsa as fallo:
            log.critical("orden_sin_resolver", motivo=str(fallo))
            return False

    async def _cancelar_ordenes(self) -> bool:
        """Cancel what rests on the symbol; a failure must not keep the exit from going out."""
        try:
            await self._bolsa.cancelar_todas(self._mercado.simbolo)
        except ErrorBolsa as fallo:
            log.critical("cancelacion_fallida", motivo=str(fallo))
            return False
        return True


def _cierre(cantidad: float) -> Operacion:
    return Operacion.CERRAR_LONG if cantidad > 0 else Operacion.CERRAR_SHORT
