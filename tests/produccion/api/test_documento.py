"""What the API says of itself: every operation described, with what it takes and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from src.produccion.api.acceso import Entorno
from src.produccion.api.aplicacion import crear_aplicacion
from src.produccion.api.encargos import Encargos
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
