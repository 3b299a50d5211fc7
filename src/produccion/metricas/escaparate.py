"""Opens the daemon's own metrics port and serves it from a thread; nothing in the daemon waits for it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import SeccionMetricas
from src.produccion.supervision.cortesia import Cortesia

if TYPE_CHECKING:
    from src.produccion.metricas.muestras import Foto
    from src.produccion.metricas.pagina import Servidor

_ENTRE_INTENTOS_S = 10.0
_PLAZO_FOTO_S = 1.0
_COLA = 16

log = structlog.get_logger(__name__)


class Retratista:
    """Asks the event loop for a picture; while it does not answer the last one stands.

    Args:
        bucle: Where pictures are taken.
        retratar: Takes one.
        plazo_s: Wall seconds that the event loop may take.
    """

    def __init__(
        self,
        bucle: asyncio.AbstractEventLoop,
        retratar: Callable[[], Foto],
        plazo_s: float = _PLAZO_FOTO_S,
    ) -> None:
        self._plazo_s = plazo_s
        self._bucle = bucle
        self._retratar = retratar
        self._ultima: Foto | None = None

    def pedir(self) -> Foto | None:
        """The newest picture; ``None`` before the first. Blocks: not for the loop."""
        futura: Future[Foto] = Future()
        try:
            self._bucle.call_soon_threadsafe(self._tomar, futura)
        except RuntimeError:  # the loop is closed
            return self._ultima
        with suppress(TimeoutError):  # it is busy
            self._ultima = futura.result(self._plazo_s)
        return self._ultima

    def _tomar(self, futura: Future[Foto]) -> None:
        try:
            futura.set_result(self._retratar())
        except Exception as fallo:  # noqa: BLE001 -- whoever asked gets it
            futura.set_exception(fallo)


class Escaparate:
    """The metrics port; without one in the settings it does nothing.

    Args:
        ajustes: Port and address.
        titular: Account, symbol and agent.
        cortesia: Says when the daemon's own work goes first.
        entre_intentos_s: Wall seconds between two tries to have a port that somebody else holds.
    """

    def __init__(
        self,
        ajustes: SeccionMetricas,
        titular: Sequence[str],
        cortesia: Cortesia,
        entre_intentos_s: float = _ENTRE_INTENTOS_S,
    ) -> None:
        self._entre_intentos_s = entre_intentos_s
        self._ajustes = ajustes
        self._titular = tuple(titular)
        self._cortesia = cortesia
        self._enchufe: socket.socket | None = None

    @property
    def puerto(self) -> int | None:
        """Where it listens; ``None`` while it does not."""
        return None if self._enchufe is None else int(self._enchufe.getsockname()[1])

    def abrir(self) -> None:
        """Listen.

        Raises:
            ConfiguracionInvalida: The port is taken or the address is none of this machine.
        """
        anfitrion, puerto = self._ajustes.host, self._ajustes.port
        if puerto is None or self._enchufe is not None:
            return
        try:
            familia, _, _, _, direccion = socket.getaddrinfo(anfitrion, puerto, type=socket.SOCK_STREAM)[0]
            self._enchufe = socket.create_server(direccion[:2], family=familia, backlog=_COLA)
        except OSError as fallo:
            raise ConfiguracionInvalida(
                f"the metrics cannot be served on {anfitrion}:{puerto}: {fallo.strerror}; choose another"
                " metrics.port, or none"
            ) from fallo

    @asynccontextmanager
    async def mostrando(self, retratar: Callable[[], Foto]) -> AsyncIterator[None]:
        """Serve for the length of the block."""
        if self._ajustes.port is None:
            yield
            return
        retratista = Retratista(asyncio.get_running_loop(), retratar)
        tarea = asyncio.create_task(self._mostrar(retratista), name="metricas")
        try:
            yield
        finally:
            tarea.cancel()
            await asyncio.gather(tarea, return_exceptions=True)

    async def _mostrar(self, retratista: Retratista) -> None:
        enchufe = await self._insistir_en_abrir()
        log.info("metricas_servidas", anfitrion=self._ajustes.host, puerto=self.puerto)
        hilo = _Hilo(enchufe, self._titular, retratista, self._cortesia)
        try:
            await asyncio.Event().wait()
        finally:
            hilo.parar()

    async def _insistir_en_abrir(self) -> socket.socket:
        while self._enchufe is None:
            try:
                self.abrir()
            except ConfiguracionInvalida as fallo:
                log.warning("metricas_sin_puerto", motivo=str(fallo))
                await asyncio.sleep(self._entre_intentos_s)
        return self._enchufe


class _Hilo:
    """The thread that serves; it imports what it needs."""

    def __init__(
        self, enchufe: socket.socket, titular: Sequence[str], retratista: Retratista, cortesia: Cortesia
    ) -> None:
        self._partes = (enchufe, titular, retratista, cortesia)
        self._candado = threading.Lock()
        self._servidor: Servidor | None = None
        self._parado = False
        threading.Thread(target=self._servir, name="metricas", daemon=True).start()

    def parar(self) -> None:
        """Ask it to end; nobody waits for that."""
        with self._candado:
            self._parado = True
            if self._servidor is not None:
                threading.Thread(target=self._servidor.shutdown, daemon=True).start()

    def _servir(self) -> None:
        enchufe, titular, retratista, cortesia = self._partes
        with enchufe:
            cortesia.ceder()
            from src.produccion.metricas.catalogo import TITULAR
            from src.produccion.metricas.exposicion import Coleccion
            from src.produccion.metricas.pagina import Servidor, con_su_edad

            comunes = dict(zip(TITULAR, titular, strict=True))
            coleccion = Coleccion(con_su_edad(retratista.pedir), comunes, cortesia.ceder)
            with self._candado:
                if self._parado:
                    return
                self._servidor = Servidor(enchufe, coleccion)
            self._servidor.serve_forever()
