"""The fills of the agent's orders: as the exchange lists them, or as its user stream told them before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from src.nucleo.dinero import suma
from src.nucleo.errores import ErrorBolsa, LecturaFallida
from src.nucleo.vida_orden import VidaOrden
from src.produccion.ordenes.averiguacion import AjustesEjecutor
from src.produccion.ordenes.oidos import FillsOidos, en_orden
from src.produccion.puertos import Bolsa, Transaccion

_TOLERANCIA_RELATIVA = 1e-9

log = structlog.get_logger(__name__)


class Fills:
    """Finds the fills of orders that are over.

    Args:
        bolsa: The exchange.
        simbolo: Symbol traded.
        ajustes: How patiently.
        oidos: What the user stream has told.
    """

    def __init__(self, bolsa: Bolsa, simbolo: str, ajustes: AjustesEjecutor, oidos: FillsOidos) -> None:
        self._bolsa = bolsa
        self._simbolo = simbolo
        self._ajustes = ajustes
        self._oidos = oidos

    async def de(self, vida: VidaOrden) -> tuple[Transaccion, ...]:
        """Every fill of a finished order, oldest first.

        The list is asked in any case; one that is behind, or does not come, is completed with what was
        heard, so that a position does not wait for it bare.

        Raises:
            LecturaFallida: They do not add up to what the order says was executed.
        """
        if vida.ejecutada == 0.0 or vida.id_bolsa is None:
            return ()
        reloj = asyncio.get_running_loop()
        limite = reloj.time() + self._ajustes.plazo_transacciones_s
        while True:
            listados = await self._listados(vida, vida.id_bolsa)
            if _completas(vida, listados):
                return listados
            filas = self._con_los_oidos(vida.id_bolsa, listados)
            if _completas(vida, filas):
                log.warning("fills_sin_listar", id_cliente=vida.id_cliente, listados=len(listados))
                return filas
            if reloj.time() >= limite:
                raise LecturaFallida(
                    f"order {vida.id_cliente} executed {vida.ejecutada} but its fills are not listed"
                )
            await asyncio.sleep(self._ajustes.pausa_transacciones_s)

    async def _listados(self, vida: VidaOrden, id_bolsa: int) -> tuple[Transaccion, ...]:
        """What the exchange lists; nothing when it fails, or takes for long, and all was heard."""
        peticion = asyncio.ensure_future(self._bolsa.transacciones(self._simbolo, id_orden=id_bolsa))
        try:
            while True:
                await asyncio.wait({peticion}, timeout=self._ajustes.plazo_transacciones_s)
                if peticion.done():
                    return en_orden({fila.id: fila for fila in await peticion})
                if self._bastan_los_oidos(vida, id_bolsa):
                    return ()
        except ErrorBolsa as fallo:
            if not self._bastan_los_oidos(vida, id_bolsa):
                raise
            log.warning("fills_sin_leer", id_cliente=vida.id_cliente, motivo=str(fallo))
            return ()
        finally:
            peticion.cancel()

    def _bastan_los_oidos(self, vida: VidaOrden, id_bolsa: int) -> bool:
        return _completas(vida, self._con_los_oidos(id_bolsa, ()))

    def _con_los_oidos(self, id_bolsa: int, listados: Sequence[Transaccion]) -> tuple[Transaccion, ...]:
        """Listed fills and those that were only heard, each once."""
        return en_orden(self._oidos.de_orden(id_bolsa) | {fila.id: fila for fila in listados})


def _completas(vida: VidaOrden, filas: Sequence[Transaccion]) -> bool:
    total = suma(*(abs(fila.cantidad) for fila in filas))
    return abs(total - vida.ejecutada) <= vida.ejecutada * _TOLERANCIA_RELATIVA
