"""The application against its own description: whatever is asked, no defect, and answers as described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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

from src.produccion.api.acceso import Entorno
from src.produccion.api.aplicacion import crear_aplicacion
from src.produccion.api.encargos import Encargos
from src.produccion.api.identificacion import Rol
from src.produccion.api.usuarios import HORA_MS, anadir_usuario, dar_ficha
from tests.produccion.api.api_en_hilo import api_en_hilo
from tests.produccion.api.banco import CUENTAS, PLAZOS
from tests.produccion.api.poblacion import poblar

load_all_checks()
_NADIE: Any = None
esquema = schemathesis.openapi.from_dict(
    crear_aplicacion(Entorno(almacen=_NADIE, cuentas=CUENTAS, encargos=Encargos(_NADIE))).openapi()
)
SIN_DEMONIO = ("no daemon trades", "the daemon did not take command")
"""The server errors that are no defect: nobody with the keys is there to do what was asked."""


@pytest.fixture(scope="module")
def servida(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and token of a tenant that has something in every table."""
    plazos = PLAZOS._replace(tomar_ms=1, acabar_s=0.05)
    with api_en_hilo(tmp_path_factory.mktemp("almacen"), plazos) as una:
        poblar(una.almacen, "default", "User_1", "sim-1")
        poblar(una.almacen, "otros", "Ajena", "sim-2", "DOGEUSDT")
        anadir_usuario(una.almacen, "ana", Rol.ADMIN, "default", None)
        yield una.url, dar_ficha(una.almacen, "ana", HORA_MS, "prueba").ficha.texto


def sin_defectos(_contexto: Any, respuesta: Response, _caso: schemathesis.Case) -> None:
    nadie = any(dicho in respuesta.text for dicho in SIN_DEMONIO)
    assert respuesta.status_code < 500 or nadie, respuesta.text


@esquema.parametrize()
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_cada_respuesta_es_como_se_describe(case: schemathesis.Case, servida: tuple[str, str]):
    url, ficha = servida
    if case.operation.path == "/api/v1/token/logout":
        ficha = "tml_otra"  # the good one is needed further on
    case.call_and_validate(
        base_url=url,
        headers={"Authorization": f"Bearer {ficha}"},
        checks=[
            sin_defectos,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )
