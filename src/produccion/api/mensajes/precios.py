"""The prices of one exchange, read once a second for all sockets, while one of them wants them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import structlog

from src.nucleo.errores import ErrorBolsa
from src.produccion.api.mensajes.buzon import Carta, escribir_carta
from src.produccion.api.mensajes.cliente import Cliente
from src.produccion.api.mensajes.contrato import Canal
from src.produccion.api.mercados import Plaza
from src.produccion.api.rutas_mercado import precio_publico
from src.produccion.bolsa.publico import Cotizacion
from src.produccion.config.config import Modo

_PREFIJO = "price:"

log = structlog.get_logger(__name__)

SimbolosDe = Callable[[Cliente], frozenset[str] | None]
"""What prices a client wants; ``None`` while that is not known."""


class Bomba:
    """Tells clients the prices that change.

    Args:
        modo: The exchange's environment.
        plaza: Reads it.
        simbolos_de: Tells what a client wants.
        periodo_s: Wall seconds between two looks.
    """

    def __init__(self, modo: Modo, plaza: Plaza, simbolos_de: SimbolosDe, periodo_s: float) -> None:
        self._modo = modo
        self._plaza = plaza
        self._simbolos_de = simbolos_de
        self._periodo_s = periodo_s
        self._clientes: dict[Cliente, frozenset[str] | None] = {}  # what each one has a snapshot of
        self._dichas: Mapping[str, Cotizacion] = {}
        self._hay_mas = asyncio.Event()

    @property
    def clientes(self) -> Collection[Cliente]:
        """Those who want its prices."""
        return self._clientes

    def poner(self, cliente: Cliente) -> None:
        """Somebody wants prices, from a snapshot on."""
        self._clientes[cliente] = None
        self._hay_mas.set()

    def quitar(self, cliente: Cliente) -> None:
        """And no more."""
        if self._clientes.pop(cliente, self) is not self:
            cliente.buzon.olvidar_estados(_PREFIJO)

    async def correr(self) -> None:
        """Look and tell until nobody wants them."""
        while self._clientes:
            self._hay_mas.clear()
            try:
                cotizaciones = await self._plaza.cotizaciones()
            except ErrorBolsa as fallo:
                log.warning("sin_precios", bolsa=self._plaza.url, motivo=str(fallo))
                self._caer()
            else:
                self._repartir(cotizaciones)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._periodo_s):
                    await self._hay_mas.wait()

    def _caer(self) -> None:
        for cliente in self._clientes:
            cliente.estado_bolsa(caida=True)
            self._clientes[cliente] = None  # who gets prices again, gets them all

    def _repartir(self, cotizaciones: Mapping[str, Cotizacion]) -> None:
        cambiadas = {s for s, c in cotizaciones.items() if self._dichas.get(s) != c}
        self._dichas = cotizaciones
        cartas: dict[str, Carta] = {}
        for cliente, tiene in self._clientes.items():
            cliente.estado_bolsa(caida=False)
            quiere = self._simbolos_de(cliente)
            if quiere != tiene and quiere is not None:
                self._clientes[cliente] = quiere
                cliente.buzon.olvidar_estados(_PREFIJO)
                cliente.buzon.poner_estado(f"{_PREFIJO}*", self._foto(quiere))
                continue
            for simbolo in cambiadas & (quiere or frozenset()):
                if simbolo not in cartas:
                    cartas[simbolo] = self._carta("price", self._visto(simbolo))
                cliente.buzon.poner_estado(f"{_PREFIJO}{simbolo}", cartas[simbolo])

    def _foto(self, simbolos: frozenset[str]) -> Carta:
        return self._carta("snapshot", {"prices": [self._visto(simbolo) for simbolo in sorted(simbolos)]})

    def _visto(self, simbolo: str) -> dict[str, Any]:
        cotizacion = self._dichas.get(simbolo, Cotizacion(simbolo, None, None, None, 0))
        return {"environment": self._modo.value, **precio_publico(cotizacion)}

    @staticmethod
    def _carta(tipo: str, contenido: Any) -> Carta:
        return escribir_carta(tipo, Canal.PRECIOS, contenido, time.time())
