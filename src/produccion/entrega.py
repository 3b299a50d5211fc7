"""A journal handed to the shared store by whoever trades nothing: a start that is refused, an unlocking.

After an emergency that the store was not there for, nobody else would: the daemon has ended, and stays so.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import NamedTuple

import structlog

from src.nucleo.alertas import PERDIDA_GRANDE
from src.produccion.almacen.acceso import NOMBRE_ALMACEN, URL_ALMACEN, Acceso
from src.produccion.almacen.alimentador import Alimentador, Titular
from src.produccion.supervision.hilo import HiloSuelto, aparte

ENTREGA_S = 10.0
"""Wall seconds that the store gets to take what nobody would feed later."""

_CERRAR_S = 2.0

log = structlog.get_logger(__name__)


class Entrega(NamedTuple):
    """Which journal, whose, and where its store is."""

    diario: Path
    estado: Path  # --state-dir
    titular: Titular
    perdida_grande: float = PERDIDA_GRANDE  # share of the equity

    def procede(self, *, simulado: bool) -> bool:
        """Whether its sessions are fed: those of a market in lockstep only to a store that is named."""
        return not simulado or bool(os.environ.get(URL_ALMACEN)) or (self.estado / NOMBRE_ALMACEN).exists()


async def entregar(entrega: Entrega, prisa: asyncio.Event | None = None) -> bool:
    """Feed what the store has not got yet; whether it has all of it now.

    A store that is down or hangs is told in the log, and keeps nobody for longer than `ENTREGA_S`.

    Args:
        entrega: What and where.
        prisa: Somebody does not want to wait any longer.
    """
    acceso = Acceso(None, entrega.estado)
    alimentador = Alimentador(entrega.diario, acceso, entrega.titular, perdida_grande=entrega.perdida_grande)
    entregado = await alimentador.rematar(ENTREGA_S, prisa)
    try:
        await aparte("cierre del almacen", acceso.cerrar, _CERRAR_S)
    except TimeoutError:
        log.warning("almacen_sin_cerrar", efecto="the process ends all the same")
    return entregado


def entregar_ya(entrega: Entrega) -> bool:
    """`entregar` for whoever has no event loop, or one that others run in. Blocks."""
    with HiloSuelto("entrega") as hilo:
        try:
            return hilo.submit(asyncio.run, entregar(entrega)).result(ENTREGA_S + 2.0 * _CERRAR_S)
        except TimeoutError:
            log.warning("alimentador_sin_acabar", efecto="the next start feeds the rest")
            return False
