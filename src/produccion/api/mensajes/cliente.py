"""One socket, as those see it who have something for it."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from src.produccion.api.mensajes.buzon import Buzon, Carta, escribir_carta
from src.produccion.api.mensajes.contrato import Canal, Cierre, LimitesMensajes
from src.produccion.api.mensajes.posicion import Posicion, como_texto
from src.produccion.config.config import Modo

_NS_POR_US = 1_000


class Portador(NamedTuple):
    """Whose socket it is, and what it was opened with."""

    nombre: str
    client_id: str
    sesion: str | None  # of a log-in
    huella: str | None  # of a program's token
    vence_ms: int | None  # time of day; a program's token is looked up instead


class Deseo(NamedTuple):
    """What a client wants to be told of."""

    canales: frozenset[Canal] = frozenset()
    simbolos: frozenset[str] | None = None  # all of them
    entorno: Modo | None = None


class Cliente:
    """One socket.

    Args:
        portador: Whose it is.
        limites: Of all sockets.
    """

    def __init__(self, portador: Portador, limites: LimitesMensajes) -> None:
        self.portador = portador
        self.deseo = Deseo()
        self.buzon = Buzon(limites.cola)
        self.fin: asyncio.Future[Cierre] = asyncio.get_running_loop().create_future()
        self.ocioso_desde_s: float | None = time.monotonic()
        """Since when it wants nothing; ``None`` while it wants something."""
        self._posicion: Posicion | None = None
        self._numero = 0
        self._almacen_caido = False
        self._bolsa_caida: bool | None = None

    def acabar(self, cierre: Cierre) -> None:
        """End the socket; the first reason counts."""
        if not self.fin.done():
            self.fin.set_result(cierre)

    def continuar(self, numero: int, posicion: Posicion) -> None:
        """It has been here before, and came this far."""
        self._numero = max(self._numero, numero)
        self._posicion = posicion

    def contar(self, carta: Carta) -> None:
        """Tell something that matters; whoever has no room for it is too slow."""
        if not self.buzon.poner_suceso(carta):
            self.acabar(Cierre.LENTO)

    def estado_almacen(self, *, caido: bool) -> None:
        """Tell whether the store can be read, when that has changed."""
        if caido is not self._almacen_caido:
            self._almacen_caido = caido
            self._decir_estado()

    def estado_bolsa(self, *, caida: bool) -> None:
        """Tell whether the exchange can be read, when that has changed."""
        if caida is not (self._bolsa_caida or False):
            self._bolsa_caida = caida
            self._decir_estado()
        self._bolsa_caida = caida

    def sellar(self, carta: Carta, ahora: Posicion | None) -> str:
        """A message as it is sent.

        Args:
            carta: The message.
            ahora: Where somebody is who was told everything; ``None`` when this is not known.
        """
        if carta.posicion is not None:
            self._posicion = carta.posicion
        elif ahora is not None and self.buzon.sin_sucesos:
            self._posicion = ahora
        self._numero = max(self._numero + 1, time.time_ns() // _NS_POR_US)
        return f'{{"id":"{self._numero:016d}-{como_texto(self._posicion)}",{carta.texto}'

    def _decir_estado(self) -> None:
        bolsa = None if self._bolsa_caida is None else "down" if self._bolsa_caida else "ok"
        estado = {"store": "down" if self._almacen_caido else "ok", "exchange": bolsa}
        self.buzon.poner_estado("status", escribir_carta("status", None, estado, time.time()))
