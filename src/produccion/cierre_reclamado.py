"""Lets the daemon and other monitors close a position whose stop did not trigger once between them."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from src.nucleo.errores import ErrorBolsa
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.operaciones import EstadoOperacion, id_operacion, leer_operacion
from src.produccion.almacen.reclamos import Reclamo, soltar_reclamo, tomar_reclamo
from src.produccion.ordenes.ejecutor import id_cliente_de
from src.produccion.puertos import Bolsa
from src.produccion.supervision.cortesia import Cortesia
from src.produccion.supervision.hilo import HiloSuelto

_SALE_IGUAL = "the position is closed all the same"

log = structlog.get_logger(__name__)


class Plazos(NamedTuple):
    """How long an exit waits for others; wall seconds."""

    almacen_s: float = 0.5  # for the store to say who closes
    otro_s: float = 3.0  # for the other one to have closed
    pausa_s: float = 0.3  # between two looks at the position
    acabar_s: float = 1.0  # for the store to take what is left at the end


def _nada() -> None:
    """Nothing is left of what was given before it."""


class CierreReclamado:
    """The daemon's part in the claims of the shared store; an exit never waits for the store.

    Args:
        almacen: The shared store, opened.
        titular: Whose position it is.
        bolsa: Says whether it was closed.
        quien: Who asks; unique among processes.
        cortesia: Told when an exit waits for the store.
        plazos: How long an exit waits.
    """

    def __init__(
        self,
        almacen: Engine,
        titular: Titular,
        bolsa: Bolsa,
        quien: str,
        cortesia: Cortesia,
        plazos: Plazos | None = None,
    ) -> None:
        self._almacen = almacen
        self._titular = titular
        self._bolsa = bolsa
        self._quien = quien
        self._cortesia = cortesia
        self._plazos = plazos or Plazos()
        self._hilo = HiloSuelto("reclamos")
        self._reclamo: Reclamo | None = None
        self._cerrado = False

    async def lo_hizo_otro(self, abierta_ms: int) -> bool:
        """Whether somebody else has closed the position; false when it is the daemon's to close, now.

        Args:
            abierta_ms: Instant that names the operation.
        """
        reclamo = await self._reclamar(abierta_ms)
        if reclamo is None or reclamo.mio:
            return False
        log.warning(
            "Duplicate execution prevented", ficha=reclamo.token, motivo=f"claimed by {reclamo.quien}"
        )
        if await self._queda_plana():
            return True
        log.critical("cierre_ajeno_sin_efecto", ficha=reclamo.token, quien=reclamo.quien)
        return False

    def hecho(self) -> None:
        """The position is flat: the claim is done for ever."""
        if not self._cerrado:
            self._hilo.submit(self._soltar)

    async def cerrar(self) -> None:
        """End what is under way with the store, as far as the time goes."""
        self._cerrado = True
        acabado = asyncio.get_running_loop().run_in_executor(self._hilo, _nada)
        self._hilo.shutdown()
        await asyncio.wait({acabado}, timeout=self._plazos.acabar_s)

    async def _reclamar(self, abierta_ms: int) -> Reclamo | None:
        """The claim's answer; ``None`` when there is nothing to claim, or nobody has said in time."""
        if self._cerrado:
            return None
        operacion = id_operacion(self._titular.account_id, self._titular.symbol, abierta_ms)
        self._cortesia.soltar()
        futuro = asyncio.get_running_loop().run_in_executor(self._hilo, self._tomar, operacion)
        await asyncio.wait({futuro}, timeout=self._plazos.almacen_s)
        self._cortesia.ocupar()
        if futuro.done():
            return futuro.result()
        futuro.cancel()
        log.error("reclamo_sin_respuesta", operacion=operacion, efecto=_SALE_IGUAL)
        return None

    def _tomar(self, operation_id: str) -> Reclamo | None:
        try:
            with leer(self._almacen) as conexion:
                operacion = leer_operacion(conexion, operation_id)
            if operacion is None or operacion.status is not EstadoOperacion.ACTIVE:
                return None
            token = operacion.stop_execution_token
            if token is None:
                return None
            reclamo = tomar_reclamo(self._almacen, token, self._quien, id_cliente_de(token))
        except SQLAlchemyError as fallo:
            log.error("reclamo_fallido", operacion=operation_id, motivo=type(fallo).__name__)
            return None
        except Exception:  # a row that cannot be read must not hold an exit either
            log.exception("reclamo_fallido", operacion=operation_id, efecto=_SALE_IGUAL)
            return None
        self._reclamo = reclamo if reclamo.mio else None
        return reclamo

    def _soltar(self) -> None:
        reclamo, self._reclamo = self._reclamo, None
        if reclamo is None:
            return
        try:
            soltar_reclamo(self._almacen, reclamo, hecho=True)
        except SQLAlchemyError as fallo:
            log.warning("reclamo_sin_soltar", ficha=reclamo.token, motivo=type(fallo).__name__)

    async def _queda_plana(self) -> bool:
        bucle = asyncio.get_running_loop()
        limite_s = bucle.time() + self._plazos.otro_s
        while True:
            try:
                if (await self._bolsa.cuenta(self._titular.symbol)).estado.posicion is None:
                    return True
            except ErrorBolsa as fallo:
                log.warning("posicion_sin_leer", motivo=str(fallo))
            if bucle.time() >= limite_s:
                return False
            await asyncio.sleep(self._plazos.pausa_s)
