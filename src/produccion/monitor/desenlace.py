"""What the exchange says became of one market order; doubt is answered by looking, never by sending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import fsum
from typing import NamedTuple

import structlog

from src.nucleo.dinero import suma
from src.nucleo.errores import ErrorBolsa
from src.nucleo.tipos import LadoOrden
from src.produccion.puertos import Bolsa, RespuestaOrden, Transaccion

_CANDIDATAS = 5  # how many of the latest orders are asked for their client id

log = structlog.get_logger(__name__)


class Paciencia(NamedTuple):
    """How long an order is looked for; wall seconds."""

    validez_s: float = 7.0  # recvWindow and a margin: after it a request that was sent can no longer arrive
    plazo_s: float = 30.0  # before it is reported as unknown
    pausa_s: float = 0.5


class Suerte(NamedTuple):
    """What became of an order."""

    terminada: bool  # nothing more can come of it
    ejecutada: float = 0.0  # base asset, >= 0
    precio: float | None = None  # average
    id_bolsa: int | None = None
    motivo: str = ""


async def _nada() -> None:
    return None


class Averiguador:
    """Finds out what became of orders.

    Args:
        bolsa: The exchange.
        paciencia: How long it looks.
    """

    def __init__(self, bolsa: Bolsa, paciencia: Paciencia | None = None) -> None:
        self._bolsa = bolsa
        self._paciencia = paciencia or Paciencia()

    async def averiguar(
        self,
        simbolo: str,
        id_cliente: str,
        lado: LadoOrden,
        *,
        enviada: bool = True,
        entretanto: Callable[[], Awaitable[None]] = _nada,
    ) -> Suerte:
        """Look by client id, then among the fills, until it is over or can no longer arrive.

        Args:
            simbolo: Of the order.
            id_cliente: Of the order.
            lado: Of the order.
            enviada: Whether it may still be on its way: absence is no proof before it cannot be.
            entretanto: Run between two looks.
        """
        inicio = asyncio.get_running_loop().time()
        ultima: RespuestaOrden | None = None
        while True:
            pasados_s = asyncio.get_running_loop().time() - inicio
            try:
                ultima = await self._bolsa.consultar(simbolo, id_cliente)
                if ultima is not None and ultima.estado.es_final:
                    return await self.leer(simbolo, ultima)
                if ultima is None and (not enviada or pasados_s >= self._paciencia.validez_s):
                    return await self._entre_las_operadas(simbolo, id_cliente, lado)
            except ErrorBolsa as fallo:
                log.warning("consulta_fallida", id_cliente=id_cliente, motivo=str(fallo))
            if pasados_s >= self._paciencia.plazo_s:
                return Suerte(False, motivo="the exchange has not said what became of it")
            await entretanto()
            await asyncio.sleep(self._paciencia.pausa_s)

    async def leer(self, simbolo: str, respuesta: RespuestaOrden) -> Suerte:
        """An order that is over, with the price that its fills tell."""
        motivo = "" if respuesta.cantidad_ejecutada else f"order ended {respuesta.estado.value}"
        precio = respuesta.precio_medio
        if respuesta.cantidad_ejecutada and precio is None:
            precio = await self._precio_de(simbolo, respuesta)
        return Suerte(True, respuesta.cantidad_ejecutada, precio, respuesta.id_bolsa, motivo)

    async def _precio_de(self, simbolo: str, respuesta: RespuestaOrden) -> float | None:
        """What it was filled at; not knowing it makes it no less filled."""
        try:
            return precio_medio(await self._bolsa.transacciones(simbolo, id_orden=respuesta.id_bolsa))
        except ErrorBolsa as fallo:
            log.warning("precio_sin_leer", id_cliente=respuesta.id_cliente, motivo=str(fallo))
            return None

    async def _entre_las_operadas(self, simbolo: str, id_cliente: str, lado: LadoOrden) -> Suerte:
        """The service that looks orders up may not know one that has been filled."""
        filas = [f for f in await self._bolsa.transacciones(simbolo) if _es_de(f, lado)]
        for id_bolsa in list(dict.fromkeys(f.id_orden for f in reversed(filas)))[:_CANDIDATAS]:
            if await self._bolsa.id_cliente_de(simbolo, id_bolsa) == id_cliente:
                suyas = [f for f in filas if f.id_orden == id_bolsa]
                ejecutada = suma(*(abs(f.cantidad) for f in suyas))
                return Suerte(True, ejecutada, precio_medio(suyas), id_bolsa)
        return Suerte(True, motivo="it never reached the exchange")


def precio_medio(filas: Sequence[Transaccion]) -> float | None:
    """Average price of fills; ``None`` of none."""
    cantidad = fsum(abs(f.cantidad) for f in filas)
    return fsum(abs(f.cantidad) * f.precio for f in filas) / cantidad if cantidad else None


def _es_de(fila: Transaccion, lado: LadoOrden) -> bool:
    return (fila.cantidad > 0) is (lado is LadoOrden.BUY)
