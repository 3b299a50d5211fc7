"""When a kline's bytes came, and when the order's bytes went."""

from __future__ import annotations

import socket
import time
from typing import Any

import aiohttp


class Cronometro:
    """The instants, in nanoseconds, of every decision that ends in an order."""

    def __init__(self) -> None:
        self.llegada_ns: list[int] = []  # the kline's bytes are there
        self.entradas: list[bool] = []  # the order opens or increases
        self.peticion_ns: list[int] = []  # the order is handed to the exchange's client
        self.escritura_ns: list[int] = []  # the request goes to the socket
        self.envio_ns: list[int] = []  # the socket has taken it

    def llegar(self) -> None:
        """A kline is there."""
        self.llegada_ns.append(time.perf_counter_ns())

    def pedir(self, *, entrada: bool) -> None:
        """An order is about to be sent; one that answers no kline does not count."""
        if len(self.peticion_ns) < len(self.llegada_ns):
            self.entradas.append(entrada)
            self.peticion_ns.append(time.perf_counter_ns())

    def enviar(self, antes_ns: int) -> None:
        """Bytes were written; only those of an order count."""
        if len(self.envio_ns) < len(self.peticion_ns):
            self.escritura_ns.append(antes_ns)
            self.envio_ns.append(time.perf_counter_ns())


class SocketCronometrado(socket.socket):
    """A socket that tells when it has taken bytes."""

    cronometro: Cronometro

    def send(self, *args: Any) -> int:
        """Write between two looks at the clock."""
        antes_ns = time.perf_counter_ns()
        escritos = super().send(*args)
        self.cronometro.enviar(antes_ns)
        return escritos


def conector(cronometro: Cronometro) -> aiohttp.TCPConnector:
    """The usual connector with sockets that are looked at."""

    def fabricar(direccion: Any) -> socket.socket:
        enchufe = SocketCronometrado(*direccion[:3])
        enchufe.cronometro = cronometro
        return enchufe

    return aiohttp.TCPConnector(socket_factory=fabricar)
