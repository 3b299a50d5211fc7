"""The application against its own description: whatever is asked, no defect, and answers as described."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine

from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.api.acceso import Entorno
from src.produccion.api.aplicacion import crear_aplicacion
from src.produccion.api.encargos import Encargos
from src.produccion.api.identificacion import Rol
from src.produccion.api.mercados import Mercados, Plaza
from src.produccion.api.usuarios import HORA_MS, anadir_usuario, dar_ficha
from src.produccion.bolsa.publico import MercadoPublico
from src.produccion.config.config import Modo
from tests.produccion.api.banco import CUENTAS, PLAZOS, una_api
from tests.produccion.api.bolsa_publica import una_bolsa_publica
from tests.produccion.api.poblacion import poblar

load_all_checks()
_NADIE: Any = None
esquema = schemathesis.openapi.from_dict(
    crear_aplicacion(Entorno(almacen=_NADIE, cuentas=CUENTAS, encargos=Encargos(_NADIE))).openapi()
)
SIN_DEMONIO = "no daemon trades"
"""The one server error that is no defect: nobody with the keys is there to do what was asked."""


class Servida(NamedTuple):
    url: str
    ficha: str


@pytest.fixture(scope="module")
def servida(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servida]:
    """A tenant's API and an exchange, served from a thread of their own."""
    carpeta = tmp_path_factory.mktemp("almacen")
    motor = abrir_almacen(f"sqlite:///{carpeta / 'timonel.sqlite'}", carpeta)
    poblar(motor, "default", "User_1", "sim-1")
    poblar(motor, "otros", "Ajena", "sim-2", "DOGEUSDT")
    anadir_usuario(motor, "ana", Rol.ADMIN, "default", None)
    ficha = dar_ficha(motor, "ana", HORA_MS, "prueba").ficha.texto
    lista, fin, url = threading.Event(), threading.Event(), []

    async def servir() -> None:
        async with una_bolsa_publica() as bolsa, una_api(_entorno(motor, bolsa.url)) as api:
            url.append(api.url)
            lista.set()
            await asyncio.to_thread(fin.wait)

    hilo = threading.Thread(target=lambda: asyncio.run(servir()))
    hilo.start()
    assert lista.wait(30)
    yield Servida(url[0], ficha)
    fin.set()
    hilo.join()
    motor.dispose()


def _entorno(motor: Engine, bolsa: str) -> Entorno:
    encargos = Encargos(motor, PLAZOS._replace(tomar_ms=1, acabar_s=0.05))
    mercados = Mercados({Modo.SIMULADO: Plaza(MercadoPublico(bolsa))}, Modo.SIMULADO)
    return Entorno(almacen=motor, cuentas=CUENTAS, encargos=encargos, mercados=mercados)


def sin_defectos(_contexto: Any, respuesta: Response, _caso: schemathesis.Case) -> None:
    assert respuesta.status_code < 500 or SIN_DEMONIO in respuesta.text, respuesta.text


@esquema.parametrize()
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_cada_respuesta_es_como_se_describe(case: schemathesis.Case, servida: Servida):
    """With a token or, for one request in so many, whatever is made up for one."""
    if case.operation.path == "/api/v1/token/logout":
        servida = servida._replace(ficha="tml_otra")
    case.call_and_validate(
        base_url=servida.url,
        headers={"Authorization": f"Bearer {servida.ficha}"},
        checks=[
            sin_defectos,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )
