"""What the API says of itself: every operation described, with what it takes and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema_rs
import pytest

from src.produccion.api import ejemplos
from src.produccion.api.acceso import Entorno
from src.produccion.api.aplicacion import crear_aplicacion
from src.produccion.api.encargos import Encargos
from src.produccion.api.modelos import SolicitudGuardian
from src.produccion.api.rutas_ordenes import PedidoOrden
from tests.produccion.api.banco import CUENTAS, SIN_MAS_BASES, Api

RED = True

_NADIE: Any = None
DOCUMENTO: dict[str, Any] = crear_aplicacion(
    Entorno(almacen=_NADIE, cuentas=CUENTAS, encargos=Encargos(_NADIE))
).openapi()

DE_NINGUNA_BOLSA = {
    "/health",
    "/ready",
    "/metrics",
    "/api/v1/ping",
    "/api/v1/version",
    "/api/v1/sysinfo",
    "/api/v1/show_config",
    "/api/v1/system/status",
    "/api/v1/message/schema",
    "/api/v1/token/login",
    "/api/v1/token/refresh",
    "/api/v1/token/logout",
    "/api/v1/audit",
    "/api/v1/commands/{command_id}",
    "/api/v1/tenant-config",
    "/api/v1/stopentry",
    "/api/v1/start",
}
"""About the API itself, who uses it, one command, or the tenant wherever it trades."""


class Operacion(NamedTuple):
    metodo: str
    ruta: str
    dicho: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.metodo} {self.ruta}"


def operaciones() -> Iterator[Operacion]:
    for ruta, metodos in DOCUMENTO["paths"].items():
        for metodo, dicho in metodos.items():
            yield Operacion(metodo.upper(), ruta, dicho)


TODAS = tuple(operaciones())


@pytest.mark.parametrize("una", TODAS, ids=str)
def test_lo_que_es_de_una_bolsa_toma_cual(una: Operacion):
    toma = any(p["name"] == "exchange" and p["in"] == "query" for p in una.dicho.get("parameters", ()))

    assert toma != (una.ruta in DE_NINGUNA_BOLSA)


@pytest.mark.parametrize("una", TODAS, ids=str)
def test_lo_que_se_pide_tiene_ejemplos_que_valen(una: Operacion):
    if "requestBody" not in una.dicho:
        return
    (contenido,) = una.dicho["requestBody"]["content"].values()

    comprobar(contenido)


@pytest.mark.parametrize("una", TODAS, ids=str)
def test_lo_que_se_responde_tiene_ejemplos_que_valen(una: Operacion):
    """Of what was done and of every refusal; an answer without a body has nothing to show."""
    for estado, respuesta in una.dicho["responses"].items():
        assert respuesta["description"]
        if estado == "204":
            continue
        (tipo, contenido), *mas = respuesta["content"].items()
        assert mas == []
        comprobar(contenido)
        if tipo == "application/problem+json":
            for ejemplo in contenido["examples"].values():
                assert ejemplo["value"].keys() == {"type", "title", "status", "detail"}
                assert ejemplo["value"]["status"] == int(estado)
                assert ejemplo["value"]["detail"]
        else:
            assert estado < "400" or una.ruta in ("/health", "/ready")


def test_de_cada_manera_de_identificarse_se_dice_como_es():
    dichas = {manera for una in operaciones() for clave in una.dicho.get("security", ()) for manera in clave}

    assert dichas == DOCUMENTO["components"]["securitySchemes"].keys()
    assert dichas == {"HTTPBearer", "APIKeyCookie"}


def test_ningun_ejemplo_se_queda_sin_operacion():
    """One of a route that has gone or has another name would be shown to nobody."""
    de_todas = {str(una) for una in TODAS}

    assert ejemplos.PEDIDOS.keys() <= de_todas
    assert ejemplos.RESPUESTAS.keys() <= de_todas


def test_los_importes_de_los_ejemplos_cuadran():
    """They are told by the same rules as real ones."""
    (posicion,) = ejemplos.RESPUESTAS["GET /api/v1/positions"]["positions"]
    patrimonio = ejemplos.RESPUESTAS["GET /api/portfolio/patrimony"]

    assert (posicion["unrealized_pnl"], posicion["unrealized_pnl_percent"]) == ("0.13", "0.46")
    assert (posicion["quantity"], posicion["value"]) == ("0.00033000", "29.45")
    assert (patrimonio["balance"], patrimonio["patrimony"]) == ("1010.50", "1010.63")
    assert (patrimonio["available"], patrimonio["exposure_percent"]) == ("981.05", "2.91")


def test_lo_que_se_pide_de_ejemplo_se_entiende():
    """A guard for people who try one: what the models themselves check goes beyond the description."""
    for nombre, cuerpo in ejemplos.PEDIDOS["POST /guardian"].items():
        assert SolicitudGuardian.model_validate(cuerpo).solicitud().simbolo == "BTCUSDT", nombre
    for cuerpo in ejemplos.PEDIDOS["POST /api/v1/orders/create"].values():
        assert PedidoOrden.model_validate(cuerpo).contenido()["quantity"]


def comprobar(contenido: dict[str, Any]) -> None:
    """Every example fits the schema, and names nothing that the schema does not."""
    esquema = {**cerrado(contenido["schema"]), "components": cerrado(DOCUMENTO["components"])}
    validador = jsonschema_rs.Draft202012Validator(esquema)
    assert contenido["examples"]
    for nombre, ejemplo in contenido["examples"].items():
        fallos = [
            f"{nombre}: {fallo.instance_path}: {fallo.message}"
            for fallo in validador.iter_errors(ejemplo["value"])
        ]
        assert fallos == []


def cerrado(esquema: Any) -> Any:
    """The same schema, where an object has the members that are named and no others."""
    if isinstance(esquema, list):
        return [cerrado(uno) for uno in esquema]
    if not isinstance(esquema, dict):
        return esquema
    suyo = {clave: cerrado(valor) for clave, valor in esquema.items()}
    if isinstance(esquema.get("properties"), dict) and esquema.get("type") == "object":
        suyo.setdefault("additionalProperties", False)
    return suyo


@SIN_MAS_BASES
async def test_una_bolsa_que_no_hay_se_rechaza_en_todas_igual(api: Api):
    """Whoever means another exchange must not be answered about this one, nor act on it."""
    ficha = api.ficha()

    for una in TODAS:
        if una.ruta in DE_NINGUNA_BOLSA:
            continue
        cuerpo = {} if "requestBody" in una.dicho else None
        ruta = una.ruta.replace("{symbol}", "BTCUSDT").replace("{breaker_id}", "a:binance:BTCUSDT:spread")
        dicho = await api.pedir(
            una.metodo, f"{ruta.replace('{order_id}', 'tm-1')}?exchange=kraken", cuerpo, ficha
        )

        assert dicho.estado == 422, una
        assert "exchange: Input should be 'binance'" in dicho.cuerpo["detail"], una
