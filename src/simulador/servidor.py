"""Assembly of one simulator: simulation, doors and driver behind one port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from src.nucleo.errores import ConfiguracionInvalida
from src.simulador.avance import avance_de
from src.simulador.despacho import Despacho
from src.simulador.enchufes import Enchufes
from src.simulador.simulacion import Simulacion

INACTIVIDAD_S = 3_600.0


class Servidor:
    """A simulator that listens; an async context manager."""

    def __init__(self, simulacion: Simulacion) -> None:
        self.simulacion = simulacion
        self._avance = avance_de(simulacion)
        self._enchufes = Enchufes(simulacion, self._avance)
        self._puerto = 0
        self._corredor: web.ServerRunner | None = None
        self._tarea: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Base URL of the REST routes; the sockets have the same host and port."""
        return f"http://{self.simulacion.opciones.anfitrion}:{self._puerto}"

    async def abrir(self) -> None:
        """Listen, and let the market move."""
        opciones = self.simulacion.opciones
        despacho = Despacho(self.simulacion, self._avance, self._enchufes)
        servidor = web.Server(despacho, access_log=None, keepalive_timeout=INACTIVIDAD_S)
        self._corredor = web.ServerRunner(servidor, shutdown_timeout=1.0)
        await self._corredor.setup()
        sitio = web.TCPSite(self._corredor, opciones.anfitrion, opciones.puerto)
        try:
            await sitio.start()
        except OSError as fallo:
            raise ConfiguracionInvalida(
                f"cannot listen on {opciones.anfitrion}:{opciones.puerto}: {fallo.strerror};"
                " choose another --port, or 0 for a free one"
            ) from fallo
        self._puerto = self._corredor.addresses[0][1]
        self._tarea = asyncio.create_task(self._avance.correr())

    async def cerrar(self) -> None:
        """Close sockets and port."""
        if self._tarea is not None:
            self._tarea.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tarea
        await self._enchufes.cerrar()
        if self._corredor is not None:
            await self._corredor.cleanup()

    async def esperar(self) -> None:
        """Serve until cancelled; a driver that fails takes the server with it."""
        if self._tarea is None:
            raise RuntimeError("open the server first")
        await self._tarea

    async def __aenter__(self) -> Self:
        await self.abrir()
        return self

    async def __aexit__(
        self, tipo: type[BaseException] | None, valor: BaseException | None, traza: TracebackType | None
    ) -> None:
        await self.cerrar()


async def servir(simulacion: Simulacion) -> None:
    """Serve until SIGINT or SIGTERM, after printing the URL and writing the ready file."""
    bucle = asyncio.get_running_loop()
    tarea = asyncio.current_task()
    if tarea is None:
        raise RuntimeError("must run in a task")
    for senal in (signal.SIGINT, signal.SIGTERM):
        bucle.add_signal_handler(senal, tarea.cancel)
    if simulacion.opciones.hasta_eof:
        bucle.add_reader(sys.stdin.fileno(), _al_leer, bucle, tarea)
    async with Servidor(simulacion) as servidor:
        print(servidor.url, flush=True)
        if simulacion.opciones.archivo_listo is not None:
            _anunciar(simulacion.opciones.archivo_listo, servidor.url)
        with contextlib.suppress(asyncio.CancelledError):
            await servidor.esperar()


def _al_leer(bucle: asyncio.AbstractEventLoop, tarea: asyncio.Task[Any]) -> None:
    """Standard input is only a sign of life: its end is whoever started this process being gone."""
    if not os.read(sys.stdin.fileno(), 4_096):
        bucle.remove_reader(sys.stdin.fileno())
        tarea.cancel()


def _anunciar(archivo: Path, url: str) -> None:
    """Write the ready file whole or not at all."""
    provisional = archivo.with_name(f"{archivo.name}.{os.getpid()}")
    provisional.write_bytes(orjson.dumps({"url": url, "pid": os.getpid()}))
    provisional.replace(archivo)
