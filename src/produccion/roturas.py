"""Tells people of files that the daemon cannot write any more: straight to the store, past the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from src.nucleo.alertas import Clase
from src.nucleo.errores import EntradaInvalida
from src.produccion.almacen.acceso import Acceso
from src.produccion.almacen.alimentador import Titular
from src.produccion.supervision.hilo import HiloSuelto

_ENTRE_MIRADAS_S = 1.0
_ENTRE_INTENTOS_S = 10.0

Quejas = Mapping[Clase, Callable[[], str]]
"""Of each file why it cannot be written; empty while it can. Asked in the event loop."""

log = structlog.get_logger(__name__)


class VigiaRoturas:
    """Each file is told of once; all that has to do with the store happens in a thread.

    Args:
        acceso: To the store.
        titular: Whose files they are.
        quejas: What there is to tell.
    """

    def __init__(self, acceso: Acceso, titular: Titular, quejas: Quejas) -> None:
        self._acceso = acceso
        self._titular = titular
        self._quejas = quejas
        self._dichas: set[Clase] = set()

    async def correr(self) -> None:
        """Watch for ever."""
        while True:
            contado = await self.contar()
            await asyncio.sleep(_ENTRE_MIRADAS_S if contado else _ENTRE_INTENTOS_S)

    async def contar(self) -> bool:
        """Tell what has not been told; false when the store does not take it."""
        for clase, queja in self._quejas.items():
            motivo = "" if clase in self._dichas else queja()
            if motivo and not await self._decir(clase, motivo):
                return False
        return True

    async def _decir(self, clase: Clase, motivo: str) -> bool:
        with HiloSuelto("roturas") as hilo:
            bucle = asyncio.get_running_loop()
            if not await bucle.run_in_executor(hilo, self._escribir, clase, motivo):
                return False
        self._dichas.add(clase)
        return True

    def _escribir(self, clase: Clase, motivo: str) -> bool:
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.exc import TimeoutError as SinConexion

        from src.produccion.almacen.avisos_directos import avisar_rotura

        try:
            avisar_rotura(self._acceso.abrir(), self._titular, clase, motivo)
        except (DBAPIError, SinConexion, EntradaInvalida) as fallo:
            log.error("rotura_sin_avisar", clase=clase.value, motivo=str(fallo).partition("\n")[0])
            return False
        return True
