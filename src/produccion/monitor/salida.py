"""One reduce-only market order: sent once, a doubt looked into, an obstacle cleared for the next one."""

from __future__ import annotations

import structlog

from src.nucleo.errores import ErrorBolsa, LimiteExcedido, OrdenRechazada
from src.nucleo.ordenes import Orden, trocear
from src.nucleo.tipos import Filtros
from src.produccion.monitor.desenlace import Averiguador, Paciencia, Suerte
from src.produccion.puertos import ID_REPETIDO, REDUCCION_RECHAZADA, Bolsa

_DEMASIADO_GRANDE = -4005

log = structlog.get_logger(__name__)


class Salida:
    """Sends exits.

    Args:
        bolsa: The exchange.
        paciencia: How long an order without an answer is looked for.
    """

    def __init__(self, bolsa: Bolsa, paciencia: Paciencia) -> None:
        self._bolsa = bolsa
        self._averiguador = Averiguador(bolsa, paciencia)
        self._filtros: dict[str, Filtros] = {}  # of symbols whose largest order was exceeded

    def que_quepa(self, simbolo: str, cantidad: float) -> float:
        """How much of a quantity one order may be."""
        filtros = self._filtros.get(simbolo)
        return cantidad if filtros is None else trocear(cantidad, filtros)[0]

    async def enviar(self, orden: Orden, antes: float) -> Suerte:
        """Send an order, and say what became of it.

        Args:
            orden: Reduce-only.
            antes: What is open before it, base asset, unsigned.
        """
        try:
            respuesta = await self._bolsa.enviar(orden)
        except OrdenRechazada as fallo:
            if fallo.codigo != ID_REPETIDO:
                await self._desatascar(orden, fallo)
                return Suerte(True, motivo=str(fallo))
            log.warning("orden_incierta", id_cliente=orden.id_cliente, motivo=str(fallo))
        except LimiteExcedido as fallo:
            return Suerte(True, motivo=str(fallo))
        except ErrorBolsa as fallo:
            log.warning("orden_incierta", id_cliente=orden.id_cliente, motivo=str(fallo))
        else:
            if respuesta.estado.es_final:
                return await self._averiguador.leer(orden.simbolo, respuesta)
        return await self.averiguar(orden, antes)

    async def averiguar(self, orden: Orden, antes: float, *, enviada: bool = True) -> Suerte:
        """What became of an order that this process, or a former one, may have sent.

        Args:
            orden: The order.
            antes: What was open before it, base asset, unsigned.
            enviada: Whether it may still be on its way.
        """
        return await self._averiguador.averiguar(orden, antes, enviada=enviada)

    async def _desatascar(self, orden: Orden, fallo: OrdenRechazada) -> None:
        """Make way: for an order that resting ones forbid, or that is larger than one may be."""
        try:
            if fallo.codigo in REDUCCION_RECHAZADA:
                await self._bolsa.cancelar_todas(orden.simbolo)
            elif fallo.codigo == _DEMASIADO_GRANDE:
                info = await self._bolsa.info_simbolo(orden.simbolo)
                self._filtros[orden.simbolo] = info.mercado.filtros
        except ErrorBolsa as otro:
            log.warning("orden_sin_desatascar", simbolo=orden.simbolo, motivo=str(otro))
