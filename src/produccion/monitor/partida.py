"""Whether an operation's position has gone: what adjusts, executes and concludes operations asks here."""

from __future__ import annotations

import asyncio

from src.nucleo.tipos import Posicion
from src.produccion.monitor.tipos import Vigilada
from src.produccion.puertos import Bolsa, Reloj

RECIEN_MS = 60_000
"""How long an operation counts as just opened, market time."""


async def posicion_de(bolsa: Bolsa, reloj: Reloj, operacion: Vigilada, pausa_s: float) -> Posicion | None:
    """The position on an operation's side; ``None`` when it has gone.

    Of an operation just opened a read may still be of before: it takes two to say that it has gone.

    Args:
        bolsa: The exchange.
        reloj: Market time.
        operacion: The operation.
        pausa_s: Wall seconds between the two.

    Raises:
        ErrorBolsa: The account could not be read.
    """
    for mirada in range(2):
        if mirada:
            await asyncio.sleep(pausa_s)
        posicion = (await bolsa.cuenta(operacion.simbolo)).estado.posicion
        if posicion is not None and operacion.abierta(posicion.cantidad) > 0.0:
            return posicion
        if reloj.ahora_ms() - operacion.abierta_ms > RECIEN_MS:
            break
    return None
