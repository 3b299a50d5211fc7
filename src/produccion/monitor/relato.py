"""The events of one execution, as they are written down."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from src.nucleo.disparos import slippage_pct
from src.nucleo.ordenes import Orden
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop
from src.produccion.monitor.desenlace import Suerte
from src.produccion.monitor.residentes import Ejecutado
from src.produccion.monitor.tipos import Disparada, Vigilada
from src.produccion.puertos import texto_decimal


class Curso(NamedTuple):
    """One attempt under way."""

    disparada: Disparada
    token: str
    intento: int


class Relator:
    """Writes events of one source.

    Args:
        fuente: Who saw the trigger.
    """

    def __init__(self, fuente: FuenteStop) -> None:
        self._fuente = fuente

    def evento(self, tipo: TipoEventoStop, curso: Curso, ahora_ms: int, cantidad: float) -> EventoStopNuevo:
        """What every event of an attempt says."""
        disparada, token, intento = curso
        operacion = disparada.operacion
        return EventoStopNuevo(
            token,
            tipo,
            ahora_ms,
            operacion.simbolo,
            self._fuente,
            operacion.operation_id,
            operacion.client_id,
            intento,
            trigger_price=disparada.precio,
            stop_price=operacion.stop,
            quantity=cantidad or None,
            side=operacion.lado_salida.value,
            payload={"trigger": disparada.disparo.value, "price_at_ms": disparada.instante_ms},
        )

    def disparo(self, curso: Curso, orden: Orden) -> EventoStopNuevo:
        """A level was reached; at the moment it was seen, from which the latency counts."""
        visto_ms = curso.disparada.visto_ms
        return self.evento(TipoEventoStop.STOP_TRIGGERED, curso, visto_ms, orden.cantidad)

    def envio(self, curso: Curso, ahora_ms: int, orden: Orden) -> EventoStopNuevo:
        """An order is about to be sent."""
        evento = self.evento(TipoEventoStop.EXECUTION_SUBMITTED, curso, ahora_ms, orden.cantidad)
        return evento._replace(
            request_payload_hash=huella(orden),
            payload={**evento.payload, "client_order_id": orden.id_cliente},
        )

    def fallo(self, curso: Curso, ahora_ms: int, motivo: str) -> EventoStopNuevo:
        """An order did nothing."""
        return self.evento(TipoEventoStop.FAILED, curso, ahora_ms, 0.0)._replace(error_message=motivo)

    def hecho(self, curso: Curso, ahora_ms: int, suerte: Suerte) -> EventoStopNuevo:
        """An order was filled."""
        evento = self.evento(TipoEventoStop.EXECUTED, curso, ahora_ms, suerte.ejecutada)
        return evento._replace(
            exchange_order_id=None if suerte.id_bolsa is None else str(suerte.id_bolsa),
            fill_price=suerte.precio,
            slippage_pct=peor_que(
                curso.disparada.esperado, suerte.precio, largo=curso.disparada.operacion.largo
            ),
        )

    def residente(
        self, operacion: Vigilada, token: str, ahora_ms: int, ejecutado: Ejecutado
    ) -> tuple[EventoStopNuevo, EventoStopNuevo]:
        """The exchange executed a conditional order of ours: the record is as of any other."""
        disparado = EventoStopNuevo(
            token,
            TipoEventoStop.STOP_TRIGGERED,
            ahora_ms,
            operacion.simbolo,
            self._fuente,
            operacion.operation_id,
            operacion.client_id,
            trigger_price=ejecutado.gatillo,
            stop_price=operacion.stop,
            quantity=ejecutado.cantidad,
            side=operacion.lado_salida.value,
            payload={"resident": ejecutado.papel.value},
        )
        hecho = disparado._replace(
            tipo=TipoEventoStop.EXECUTED,
            exchange_order_id=str(ejecutado.id_bolsa),
            fill_price=ejecutado.precio,
            slippage_pct=peor_que(ejecutado.gatillo, ejecutado.precio, largo=operacion.largo),
        )
        return disparado, hecho


def peor_que(esperado: float, ejecutado: float | None, *, largo: bool) -> float | None:
    """Slippage in percent, rounded to what a price can tell; ``None`` without a fill price."""
    return None if ejecutado is None else round(slippage_pct(esperado, ejecutado, largo=largo), 8)


def huella(orden: Orden) -> str:
    """SHA-256 of what is sent."""
    cantidad = texto_decimal(orden.cantidad)
    texto = f"{orden.simbolo}:{orden.lado}:MARKET:{cantidad}:reduceOnly:{orden.id_cliente}"
    return hashlib.sha256(texto.encode()).hexdigest()
