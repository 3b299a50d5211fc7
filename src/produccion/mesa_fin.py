"""A person's wish that the daemon ends, carried out as a signal to end is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from src.nucleo.errores import SolicitudInvalida
from src.produccion.almacen.mandos import MandoGuardado
from src.produccion.ciclo import Ciclo
from src.produccion.config.config import PoliticaSalida
from src.produccion.mandos import DesenlaceFin
from src.produccion.puertos import Reloj

_DISCO_S = 2.0  # that the disk may take to write down who asked
_QUEDA: Mapping[PoliticaSalida, str] = {
    PoliticaSalida.CERRAR: "an open position is closed at market",
    PoliticaSalida.MANTENER: "an open position stays as it is",
    PoliticaSalida.PROTEGIDA: "an open position stays when a stop protects it, and is closed otherwise",
}

log = structlog.get_logger(__name__)


class MesaFin:
    """Ends the daemon after the step in progress, by its exit policy.

    Args:
        ciclo: Writes down who asked.
        parar: Asks the session to end.
        salida: The exit policy.
        reloj: Market time.
        hora_pared_ms: Time of day, of commands.
    """

    def __init__(
        self,
        ciclo: Ciclo,
        parar: Callable[[], None],
        salida: PoliticaSalida,
        reloj: Reloj,
        hora_pared_ms: Callable[[], int],
    ) -> None:
        self._ciclo = ciclo
        self._parar = parar
        self._salida = salida
        self._reloj = reloj
        self._hora_pared_ms = hora_pared_ms

    async def atender(self, mando: MandoGuardado) -> DesenlaceFin:
        """Write down who asked, so that a restart knows of it; the daemon ends once this is answered.

        Raises:
            SolicitudInvalida: Nobody waits for it any more; the daemon goes on.
        """
        if mando.vence_ms is not None and self._hora_pared_ms() > mando.vence_ms:
            raise SolicitudInvalida("nobody waits for this request any more; look again and repeat it")
        motivo = mando.payload.get("reason")
        dicho = motivo if isinstance(motivo, str) else None
        try:
            async with asyncio.timeout(_DISCO_S):
                await self._ciclo.anotar_detencion(mando.requested_by, dicho, mando.id)
        except TimeoutError:
            log.warning("detencion_sin_asentar", efecto="the daemon ends all the same")
        log.warning("detencion_pedida", de=mando.requested_by, motivo=motivo)
        campos = {"symbol": mando.symbol, "account_id": mando.account_id, "on_exit": self._salida.value}
        mensaje = f"the daemon ends after its step; on exit {self._salida.value}: {_QUEDA[self._salida]}"
        return DesenlaceFin(self._reloj.ahora_ms(), mensaje, campos, self._parar)
