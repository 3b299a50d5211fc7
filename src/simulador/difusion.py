"""Fan-out: which socket hears which stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Protocol

FLUJO_FIN = "simEnd"


class Categoria(StrEnum):
    """The routes of the WebSocket host."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"


def categoria_de(flujo: str) -> Categoria:
    """The only route on which a stream speaks."""
    tipo = flujo.partition("@")[2]
    return Categoria.PUBLIC if tipo.startswith(("bookTicker", "depth", "rpiDepth")) else Categoria.MARKET


class Receptor(Protocol):
    """A socket's sending side."""

    categoria: Categoria
    combinado: bool

    def poner(self, mensaje: bytes) -> None:
        """Queue a message."""
        ...


class Difusor:
    """Subscriptions of all sockets."""

    def __init__(self) -> None:
        self._por_flujo: dict[str, dict[Receptor, None]] = {}
        self._privados: dict[str, dict[Receptor, None]] = {}
        self._mercado: dict[Receptor, None] = {}
        self.testigo: Callable[[str, bytes], None] | None = None  # told of every user event, with its account

    def suscribir(self, receptor: Receptor, flujos: Iterable[str]) -> None:
        """Let a socket hear streams; those of another route stay silent."""
        if receptor.categoria is Categoria.MARKET:
            self._mercado[receptor] = None
        for flujo in flujos:
            if categoria_de(flujo) is receptor.categoria:
                self._por_flujo.setdefault(flujo, {})[receptor] = None

    def desuscribir(self, receptor: Receptor, flujos: Iterable[str]) -> None:
        """End subscriptions."""
        for flujo in flujos:
            oyentes = self._por_flujo.get(flujo)
            if oyentes is not None:
                oyentes.pop(receptor, None)
                if not oyentes:
                    del self._por_flujo[flujo]

    def unir_privado(self, receptor: Receptor, clave: str) -> None:
        """Let a socket hear an account's events."""
        self._privados.setdefault(clave, {})[receptor] = None

    def silenciar(self, clave: str) -> None:
        """Stop an account's events; its sockets stay open."""
        self._privados.pop(clave, None)

    def retirar(self, receptor: Receptor, flujos: Iterable[str]) -> None:
        """Forget a closed socket."""
        self.desuscribir(receptor, flujos)
        self._mercado.pop(receptor, None)
        for clave, oyentes in list(self._privados.items()):
            oyentes.pop(receptor, None)
            if not oyentes:
                del self._privados[clave]

    def hay(self, flujo: str) -> bool:
        """Whether anybody hears a stream."""
        return flujo in self._por_flujo

    def publicar(self, flujo: str, datos: bytes) -> None:
        """Send a message to a stream's subscribers."""
        self._repartir(self._por_flujo.get(flujo, ()), flujo, datos)

    def publicar_a_todos(self, flujo: str, datos: bytes) -> None:
        """Send a message to every market socket."""
        self._repartir(self._mercado, flujo, datos)

    def escucha(self, clave: str) -> bool:
        """Whether anybody hears an account."""
        return clave in self._privados

    def avisar(self, clave: str, evento: bytes) -> None:
        """Send a user event to an account's sockets."""
        self._repartir(self._privados.get(clave, ()), clave, evento)
        if self.testigo is not None:
            self.testigo(clave, evento)

    def enviar(self, receptor: Receptor, flujo: str, datos: bytes) -> None:
        """Send a stream's message to one socket only."""
        self._repartir((receptor,), flujo, datos)

    def _repartir(self, receptores: Iterable[Receptor], flujo: str, datos: bytes) -> None:
        envuelto = None
        for receptor in receptores:
            if receptor.combinado:
                envuelto = envuelto or b'{"stream":"%s","data":%s}' % (flujo.encode(), datos)
                receptor.poner(envuelto)
            else:
                receptor.poner(datos)
