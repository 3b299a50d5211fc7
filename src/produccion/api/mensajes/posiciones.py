"""One tenant's open positions for all sockets that want them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.produccion.api.acceso import Entorno
from src.produccion.api.carteras import posicion_entera, valoradas
from src.produccion.api.mensajes.buzon import Carta, escribir_carta
from src.produccion.api.mensajes.cliente import Cliente
from src.produccion.api.mensajes.contrato import Canal
from src.produccion.api.mensajes.lectura import toca

_POSICIONES = "positions"


class Posiciones:
    """One tenant's open positions, valued for all who want them.

    Args:
        entorno: What the API's routes share.
        client_id: The tenant.
        periodo_s: Wall seconds between two looks.
    """

    def __init__(self, entorno: Entorno, client_id: str, periodo_s: float) -> None:
        self._entorno = entorno
        self._client_id = client_id
        self._periodo_s = periodo_s
        self._clientes: dict[Cliente, bool] = {}  # whether it has been told
        self._dichas: list[dict[str, Any]] | None = None
        self._hay_mas = asyncio.Event()

    @property
    def clientes(self) -> Collection[Cliente]:
        """Those who want them."""
        return self._clientes

    def poner(self, cliente: Cliente) -> None:
        """Somebody wants them, at once and whenever they change."""
        self._clientes[cliente] = False
        self._hay_mas.set()

    def quitar(self, cliente: Cliente) -> None:
        """And no more."""
        if self._clientes.pop(cliente, None) is not None:
            cliente.buzon.olvidar_estados(_POSICIONES)

    async def correr(self) -> None:
        """Look and tell until nobody wants them."""
        while self._clientes:
            self._hay_mas.clear()
            # What keeps the store from answering is told by the reader of events.
            with suppress(DBAPIError, SinConexion):
                vistas = await valoradas(self._entorno, self._client_id)
                self._repartir([posicion_entera(una) for una in vistas])
            with suppress(TimeoutError):
                async with asyncio.timeout(self._periodo_s):
                    await self._hay_mas.wait()

    def _repartir(self, posiciones: list[dict[str, Any]]) -> None:
        iguales, self._dichas = posiciones == self._dichas, posiciones
        cartas: dict[frozenset[str] | None, Carta] = {}
        for cliente, dicho in self._clientes.items():
            if iguales and dicho:
                continue
            simbolos = cliente.deseo.simbolos
            if simbolos not in cartas:
                suyas = [una for una in posiciones if toca(una["symbol"], simbolos)]
                cartas[simbolos] = escribir_carta(
                    "positions", Canal.POSICIONES, {"positions": suyas}, time.time()
                )
            self._clientes[cliente] = True
            cliente.buzon.poner_estado(_POSICIONES, cartas[simbolos])
