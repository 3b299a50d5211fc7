"""When a kline's bytes came, and when the order's bytes went."""

from __future__ import annotations

import socket
import time
from typing import Any, NamedTuple

import aiohttp


class Instante(NamedTuple):
    """Two clocks, both in nanoseconds."""

    pared: int
    cpu: int  # of this thread


def ahora() -> Instante:
    """Look at both clocks."""
    return Instante(time.perf_counter_ns(), time.thread_time_ns())


class Cronometro:
    """The instants of every decision that ends in an order."""

    def __init__(self) -> None:
        self.llegada: list[Instante] = []  # the kline's bytes are there
        self.peticion: list[Instante] = []  # the order is handed to the exchange's client
        self.escritura: list[Instante] = []  # the request goes to the socket
        self.envio: list[Instante] = []  # the socket has taken it

    def llegar(self) -> None:
        """A kline is there."""
        self.llegada.append(ahora())

    def pedir(self) -> None:
        """An order is about to be sent; one that answers no kline does not count."""
        if len(self.peticion) < len(self.llegada):
            self.peticion.append(ahora())

    def enviar(self, antes: Instante) -> None:
        """Bytes were written; only those of an order count."""
        if len(self.envio) < len(self.peticion):
            self.escritura.append(antes)
            self.envio.append(ahora())


class SocketCronometrado(socket.socket):
    """A socket that tells when it has taken bytes."""

    cronometro: Cronometro

    def send(self, *args: Any) -> int:
        """Write between two looks at the clocks."""
        antes = ahora()
        escritos = super().send(*args)
        self.cronometro.enviar(antes)
        return escritos


def conector(cronometro: Cronometro) -> aiohttp.TCPConnector:
    """The usual connector with sockets that are looked at."""

    def fabricar(direccion: Any) -> socket.socket:
        enchufe = SocketCronometrado(*direccion[:3])
        enchufe.cronometro = cronometro
        return enchufe

    return aiohttp.TCPConnector(socket_factory=fabricar)
