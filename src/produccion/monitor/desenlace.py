"""What the exchange says became of one market order; doubt is answered by looking, never by sending."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import fsum, isclose
from typing import NamedTuple

import structlog

from src.nucleo.dinero import suma
from src.nucleo.errores import ErrorBolsa
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden
from src.produccion.puertos import Bolsa, RespuestaOrden, Transaccion

_CANDIDATAS = 5  # how many of the latest orders are asked for their client id
_MARGEN_MS = 2_000  # beyond the recvWindow
_TRAS_LA_VALIDEZ_S = 23.0
_DUDA = 1e-9

log = structlog.get_logger(__name__)


class Paciencia(NamedTuple):
    """How long an order is looked for; wall seconds."""

    validez_s: float = 7.0  # recvWindow and a margin: after it a request that was sent can no longer arrive
    plazo_s: float = 30.0  # before it is reported as unknown
    pausa_s: float = 0.5
    miradas: int = 3  # after its validity that must not find an order before it counts as absent


def paciencia_de(ventana_ms: int) -> Paciencia:
    """How long an order is looked for whose request is valid for so many milliseconds (recvWindow)."""
    validez_s = (ventana_ms + _MARGEN_MS) / 1_000
    return Paciencia(validez_s=validez_s, plazo_s=validez_s + _TRAS_LA_VALIDEZ_S)


class Suerte(NamedTuple):
    """What became of an order."""

    terminada: bool  # nothing more can come of it
    ejecutada: float = 0.0  # base asset, >= 0
    precio: float | None = None  # average
    id_bolsa: int | None = None
    motivo: str = ""


class Averiguador:
    """Finds out what became of orders.

    Args:
        bolsa: The exchange.
        paciencia: How long it looks.
    """

    def __init__(self, bolsa: Bolsa, paciencia: Paciencia | None = None) -> None:
        self._bolsa = bolsa
        self._paciencia = paciencia or Paciencia()

    async def averiguar(self, orden: Orden, antes: float, *, enviada: bool = True) -> Suerte:
        """Look by client id, then among the fills, until it is over or proved absent.

        Absent is what looks after its validity did not find while the position stayed what it was, or
        changed by somebody else's doing: the deadline passes and none of its fills is listed.

        Args:
            orden: The order, which closes a position.
            antes: What was open before it was sent, base asset, unsigned.
            enviada: Whether it may still be on its way; one that was never sent is absent at the first look.
        """
        inicio_s, ausencias = self._ahora_s(), 0
        while True:
            pasados_s = self._ahora_s() - inicio_s
            agotado = pasados_s >= self._paciencia.plazo_s
            try:
                vista = await self._bolsa.consultar(orden.simbolo, orden.id_cliente)
                if vista is not None and vista.estado.es_final:
                    return await self.leer(orden.simbolo, vista)
                ausencias = ausencias + 1 if vista is None and pasados_s >= self._paciencia.validez_s else 0
                if (vista is None and not enviada) or ausencias >= self._paciencia.miradas:
                    suerte = await self._entre_las_operadas(orden)
                    if suerte.ejecutada or not enviada or agotado or await self._igual(orden, antes):
                        return suerte
                    ausencias = 0
            except ErrorBolsa as fallo:
                ausencias = 0
                log.warning("consulta_fallida", id_cliente=orden.id_cliente, motivo=str(fallo))
            if agotado and not ausencias:
                return Suerte(False, motivo="the exchange has not said what became of it")
            await asyncio.sleep(self._paciencia.pausa_s)

    def _ahora_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def _igual(self, orden: Orden, antes: float) -> bool:
        """Whether what the order closes is still open as it was before it."""
        cantidad = (await self._bolsa.cuenta(orden.simbolo)).estado.cantidad
        abierta = max(0.0, cantidad if orden.lado is LadoOrden.SELL else -cantidad)
        return isclose(abierta, antes, rel_tol=_DUDA, abs_tol=_DUDA)

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

    async def _entre_las_operadas(self, orden: Orden) -> Suerte:
        """The service that looks orders up may not know one that has been filled."""
        simbolo = orden.simbolo
        filas = [f for f in await self._bolsa.transacciones(simbolo) if _es_de(f, orden.lado)]
        for id_bolsa in list(dict.fromkeys(f.id_orden for f in reversed(filas)))[:_CANDIDATAS]:
            if await self._bolsa.id_cliente_de(simbolo, id_bolsa) == orden.id_cliente:
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
