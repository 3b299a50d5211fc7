"""The real application on a loopback port, and daemons that are no more than a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest
from sqlalchemy import Engine

from src.produccion.almacen.demonios import DemonioNuevo, despedirse, latir, presentarse
from src.produccion.almacen.mandos import MandoGuardado, terminar_mando, tomar_mandos
from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Plazos
from src.produccion.api.identificacion import Rol
from src.produccion.api.servicio import crear_servidor, direccion_de, escuchar
from src.produccion.api.usuarios import HORA_MS, anadir_usuario, dar_ficha
from src.produccion.config.cuentas import Cuentas
from src.produccion.mandos import Desenlace

CUENTAS = Cuentas.model_validate(
    {
        "accounts": {
            "User_1": {"environment": "sim"},
            "User_2": {"environment": "sim"},
            "Medias": {"environment": "sim", "use_guardian_half": True},
            "Apagada": {"environment": "sim", "use_guardian": False},
            "Ajena": {"environment": "sim", "tenant": "otros"},
        }
    }
)
PLAZOS = Plazos(tomar_ms=30_000, acabar_s=60.0, mirar_s=0.02)
HECHO = Desenlace(
    exito=True,
    instante_ms=1_728_000_000_456,
    direccion="BUY",
    stop=45_000.0,
    nivel="break_even",
    stop_anterior=44_500.5,
    confirmado=True,
    redis=True,
)
AJUSTE = {"symbol": "BTCUSDT", "action": "adjust", "stop": 45_000.0, "user_id": "User_1"}
CERRAR_TODO = {"symbol": "BTCUSDT", "action": "close"}
SIN_MAS_BASES = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""For what is decided before the store is asked."""


class Respuesta(NamedTuple):
    estado: int
    tipo: str
    cuerpo: Any
    cabeceras: Mapping[str, str]


class Api:
    """A client of the served application."""

    def __init__(self, url: str, sesion: aiohttp.ClientSession, entorno: Entorno) -> None:
        self.url = url
        self._sesion = sesion
        self.entorno = entorno

    def ficha(self, nombre: str = "ana", rol: Rol = Rol.OPERADOR, client_id: str = "default") -> str:
        """The token of a user made for it."""
        anadir_usuario(self.entorno.almacen, nombre, rol, client_id, None)
        return dar_ficha(self.entorno.almacen, nombre, HORA_MS, "prueba").ficha.texto

    async def pedir(
        self,
        metodo: str,
        ruta: str,
        cuerpo: object = None,
        ficha: str | None = None,
        clave: str | None = None,
        **otros: Any,
    ) -> Respuesta:
        cabeceras = {"Content-Type": "application/json"}
        if ficha is not None:
            cabeceras["Authorization"] = f"Bearer {ficha}"
        if clave is not None:
            cabeceras["Idempotency-Key"] = clave
        datos = cuerpo if isinstance(cuerpo, bytes) else None if cuerpo is None else orjson.dumps(cuerpo)
        async with self._sesion.request(
            metodo, self.url + ruta, **{"data": datos, "headers": cabeceras} | otros
        ) as respuesta:
            crudo = await respuesta.read()
            return Respuesta(
                respuesta.status,
                respuesta.content_type,
                orjson.loads(crudo) if crudo else None,
                respuesta.headers,
            )

    async def texto(self, ruta: str, ficha: str | None = None) -> str:
        """A page that is no JSON."""
        cabeceras = {} if ficha is None else {"Authorization": f"Bearer {ficha}"}
        async with self._sesion.get(self.url + ruta, headers=cabeceras) as respuesta:
            assert (respuesta.status, respuesta.content_type) == (200, "text/plain")
            return await respuesta.text()

    async def guardian(self, cuerpo: object, ficha: str | None, clave: str | None = None) -> Respuesta:
        return await self.pedir("POST", "/guardian", cuerpo, ficha, clave)


@asynccontextmanager
async def una_api(entorno: Entorno) -> AsyncIterator[Api]:
    """The application, served by uvicorn on a free port."""
    servidor = crear_servidor(entorno)
    with escuchar("127.0.0.1", 0) as enchufe:
        tarea = asyncio.create_task(servidor.serve(sockets=[enchufe]))
        try:
            async with aiohttp.ClientSession() as sesion:
                yield Api(direccion_de(enchufe), sesion, entorno)
        finally:
            servidor.should_exit = True
            await tarea


def responde_hecho(_mando: MandoGuardado) -> Desenlace | None:
    return HECHO


@contextmanager
def sin_mandos_de(motor: Engine, user_id: str) -> Iterator[None]:
    """A store of SQLite that takes no command of a user."""
    with motor.begin() as conexion:
        conexion.exec_driver_sql(
            f"CREATE TRIGGER no_llega BEFORE INSERT ON commands WHEN NEW.user_id = '{user_id}'"
            " BEGIN SELECT RAISE(ABORT, 'the store is locked'); END"
        )
    yield
    with motor.begin() as conexion:
        conexion.exec_driver_sql("DROP TRIGGER no_llega")


class DemonioFalso(threading.Thread):
    """Takes the commands of one account and answers them; an answer of ``None`` is silence."""

    def __init__(
        self,
        motor: Engine,
        user_id: str,
        responder: Callable[[MandoGuardado], Desenlace | None] = responde_hecho,
        *,
        simbolo: str = "BTCUSDT",
        client_id: str = "default",
        toma: bool = True,
        entorno: str = "sim",
    ) -> None:
        super().__init__(name=f"demonio-{user_id}")
        self._motor = motor
        self._yo = DemonioNuevo(
            account_id=f"{entorno}-{user_id}",
            symbol=simbolo,
            pid=1,
            host="aqui",
            client_id=client_id,
            user_id=user_id,
        )
        self._responder = responder
        self._toma = toma
        self._fin = threading.Event()
        self.tomados: list[MandoGuardado] = []
        presentarse(motor, self._yo)

    def run(self) -> None:
        latido_s = time.monotonic()
        while not self._fin.wait(0.02):
            if time.monotonic() - latido_s > 1.0:
                latir(self._motor, self._yo.account_id, self._yo.symbol)
                latido_s = time.monotonic()
            if self._toma:
                self._mirar()

    def parar(self) -> None:
        if self._fin.is_set():
            return
        self._fin.set()
        self.join()
        despedirse(self._motor, self._yo.account_id, self._yo.symbol)

    def _mirar(self) -> None:
        yo = self._yo
        for mando in tomar_mandos(
            self._motor,
            yo.user_id,
            yo.symbol,
            yo.account_id,
            account_id=yo.account_id,
            client_id=yo.client_id,
        ):
            self.tomados.append(mando)
            desenlace = self._responder(mando)
            if desenlace is not None:
                terminar_mando(self._motor, mando.id, desenlace.exito, desenlace.como_json())
