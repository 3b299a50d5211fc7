"""The API as a process."""

from __future__ import annotations

import gc
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn
from sqlalchemy import Engine

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.conexion import abrir_almacen, direccion_almacen, visible
from src.produccion.api.acceso import Entorno
from src.produccion.api.aplicacion import crear_aplicacion
from src.produccion.api.encargos import Encargos
from src.produccion.api.firma import SECRETO_JWT, SECRETO_MINIMO, Firmante, secreto_jwt
from src.produccion.api.mensajes.enchufe import MENSAJE_MAXIMO, PING_S, EnchufeWs
from src.produccion.api.mercados import crear_mercados
from src.produccion.config.cuentas import leer_cuentas
from src.produccion.espejo import URL_REDIS

_ACABAR_S = 5
_COLA = 128

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpcionesApi:
    """What the command line asked for."""

    anfitrion: str = "127.0.0.1"
    puerto: int = 8000
    cuentas: Path | None = None
    estado: Path = Path("estado")
    remoto: bool = False


class _Servidor(uvicorn.Server):
    """Ends at a signal as at any other end, instead of dying of it afterwards."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Within the block, a signal asks for the end; only the main thread may be told of one."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        antes = {aviso: signal.signal(aviso, self.handle_exit) for aviso in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for aviso, manejador in antes.items():
                signal.signal(aviso, manejador)


def servir(opciones: OpcionesApi, enchufe: socket.socket, avisar: Callable[[str], None]) -> None:
    """Serve until a signal asks to end.

    Args:
        opciones: From the command line; their address has been checked.
        enchufe: Listens there.
        avisar: Told the address, and of a store that is new, in a line each.

    Raises:
        ConfiguracionInvalida: Accounts, secret or store cannot be used.
    """
    firmante = elegir_firmante(opciones)
    cuentas = leer_cuentas(opciones.cuentas)
    nuevo = _almacen_por_hacer(opciones.estado)
    almacen = abrir_almacen(None, opciones.estado)
    try:
        entorno = Entorno(
            almacen=almacen,
            cuentas=cuentas,
            encargos=Encargos(almacen),
            firmante=firmante,
            mercados=crear_mercados(),
            escaparate=escaparate_de(opciones, almacen),
        )
        servidor = crear_servidor(entorno)
        avisar(f"listening on {direccion_de(enchufe)}")
        if nuevo is not None:
            avisar(f"made a new store, {nuevo}; if daemons have one already, name its --state-dir")
        _no_mirar_lo_hecho()
        servidor.run(sockets=[enchufe])
    finally:
        almacen.dispose()


def _almacen_por_hacer(estado: Path) -> Path | None:
    """The file that opening the store will make; ``None`` where there is a store already."""
    direccion = direccion_almacen(None, estado)
    if direccion.get_backend_name() != "sqlite" or not direccion.database:
        return None
    ruta = Path(direccion.database)
    return None if ruta.exists() else ruta


def _no_mirar_lo_hecho() -> None:
    """Keep the garbage collector from looking for ever at what lives as long as the process.

    A look at all of it takes a tenth of a second, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()


def comprobar_direccion(opciones: OpcionesApi) -> None:
    """Refuse to listen where other machines reach it, unless that is asked for.

    Raises:
        ConfiguracionInvalida: It is, and was not.
    """
    if not (opciones.remoto or _es_local(opciones.anfitrion)):
        raise ConfiguracionInvalida(
            f"--host {opciones.anfitrion} is reached by other machines, and tokens would travel in the clear:"
            " put a reverse proxy with TLS in front and listen on 127.0.0.1, or add --allow-remote"
        )


def escaparate_de(
    opciones: OpcionesApi, almacen: Engine, entorno: Mapping[str, str] = os.environ
) -> dict[str, object]:
    """The settings of this process, without a secret among them."""
    redis = entorno.get(URL_REDIS)
    return {
        "host": opciones.anfitrion,
        "port": opciones.puerto,
        "allow_remote": opciones.remoto,
        "state_dir": str(opciones.estado),
        "store": visible(almacen.url),
        "redis": "***" if redis else None,
        "jwt_secret": "***" if entorno.get(SECRETO_JWT) else None,
    }


def elegir_firmante(opciones: OpcionesApi, entorno: Mapping[str, str] = os.environ) -> Firmante:
    """Whoever signs access tokens: with the secret of the environment, on loopback without one too.

    Raises:
        ConfiguracionInvalida: The secret is too short, or missing where other machines reach the API.
    """
    secreto = secreto_jwt(entorno)
    if secreto is not None:
        return Firmante(secreto)
    if not _es_local(opciones.anfitrion):
        raise ConfiguracionInvalida(
            f"--host {opciones.anfitrion} is reached by other machines: set {SECRETO_JWT} to at least"
            f" {SECRETO_MINIMO} random bytes, e.g. `export {SECRETO_JWT}=$(openssl rand -base64 48)`"
        )
    log.info("secreto_de_una_vez", efecto=f"log-ins end with this process; {SECRETO_JWT} keeps them")
    return Firmante.de_una_vez()


def escuchar(anfitrion: str, puerto: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        ConfiguracionInvalida: The address is taken or is none of this machine.
    """
    try:
        familia, _, _, _, direccion = socket.getaddrinfo(anfitrion, puerto, type=socket.SOCK_STREAM)[0]
        return socket.create_server(direccion[:2], family=familia, backlog=_COLA)
    except OSError as fallo:
        raise ConfiguracionInvalida(
            f"cannot listen on {anfitrion}:{puerto}: {fallo.strerror}; choose another --host or --port"
        ) from fallo


def direccion_de(enchufe: socket.socket) -> str:
    """Where a socket listens, as a URL."""
    anfitrion, puerto = enchufe.getsockname()[:2]
    return f"http://[{anfitrion}]:{puerto}" if ":" in anfitrion else f"http://{anfitrion}:{puerto}"


def crear_servidor(entorno: Entorno) -> uvicorn.Server:
    """The server; it logs where the process logs, and no request line."""
    return _Servidor(
        uvicorn.Config(
            crear_aplicacion(entorno),
            log_config=None,
            access_log=False,
            lifespan="on",
            ws=EnchufeWs,
            ws_max_size=MENSAJE_MAXIMO,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,
            server_header=False,
            timeout_graceful_shutdown=_ACABAR_S,
        )
    )


def _es_local(anfitrion: str) -> bool:
    if anfitrion == "localhost":
        return True
    try:
        return ipaddress.ip_address(anfitrion).is_loopback
    except ValueError:
        return False
