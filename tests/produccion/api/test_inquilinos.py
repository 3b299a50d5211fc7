"""Every route of the description, tried without a token, with bad ones, and across tenants.

A route that is added is tried by itself: the list comes from the application's own description.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import orjson
import pytest
from sqlalchemy import Engine

from src.produccion.api.acceso import Entorno
from src.produccion.api.aplicacion import crear_aplicacion
from src.produccion.api.encargos import Encargos
from src.produccion.api.firma import Acceso, Firmante
from src.produccion.api.identificacion import Rol
from src.produccion.api.sesiones import abrir_sesion
from src.produccion.api.usuarios import Usuario, anadir_usuario
from tests.produccion.api.banco import CUENTAS, PLAZOS, Api, una_api
from tests.produccion.api.poblacion import poblar

RED = True

PUBLICAS = {"/health", "/ready", "/metrics", "/api/v1/ping", "/api/v1/token/login", "/api/v1/token/refresh"}
"""What needs no token, and tells nothing of any tenant."""

AJENO = "XRPUSDT"
MARCAS = ("otros", "Ajena", "sim-ajena", AJENO)
"""Whatever an answer to somebody else may not hold."""


class Ruta(NamedTuple):
    metodo: str
    camino: str

    def __str__(self) -> str:
        return f"{self.metodo} {self.camino}"


def _descripcion() -> dict[str, Any]:
    sin_nada: Any = None
    entorno = Entorno(almacen=sin_nada, cuentas=CUENTAS, encargos=Encargos(sin_nada))
    return crear_aplicacion(entorno).openapi()


RUTAS = [
    Ruta(metodo.upper(), camino)
    for camino, metodos in _descripcion()["paths"].items()
    for metodo in metodos
    if camino not in PUBLICAS
]
CON_CUERPO: dict[str, object] = {
    "/guardian": {"symbol": AJENO, "action": "close", "user_id": "Ajena"},
    "/api/v1/positions/{symbol}/close": {"user_id": "Ajena"},
    "/api/v1/forceexit": {"user_id": "Ajena"},
    "/api/v1/stop": {"user_id": "Ajena"},
    "/api/v1/orders/create": {"symbol": AJENO, "side": "BUY", "quantity": "1"},
    "/api/v1/breakers/{breaker_id}/reset": {"reason": "not mine"},
    "/api/v1/risk/mode": {"mode": "HALTED", "reason": "not mine", "account_id": "sim-ajena"},
}
DISYUNTORES = (f"sim-ajena:binance:{AJENO}:spread", f"::{AJENO}:stop_execution")


@pytest.fixture
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store is enough: what is asked here is asked of the queries."""
    from src.produccion.almacen.conexion import abrir_almacen

    carpeta = tmp_path_factory.mktemp("almacen")
    direccion = f"sqlite:///{carpeta / 'timonel.sqlite'}"
    abrir_almacen(direccion, carpeta).dispose()
    return direccion


@pytest.fixture
async def impaciente(motor: Engine) -> AsyncIterator[Api]:
    encargos = Encargos(motor, PLAZOS._replace(tomar_ms=1, acabar_s=0.1))
    async with una_api(Entorno(almacen=motor, cuentas=CUENTAS, encargos=encargos)) as suya:
        yield suya


def camino_de(ruta: Ruta, mando: str, disyuntor: str = DISYUNTORES[0]) -> str:
    camino = ruta.camino.replace("{command_id}", mando).replace("{symbol}", AJENO)
    return camino.replace("{breaker_id}", disyuntor).replace("{order_id}", "tm-otros-0")


@pytest.mark.parametrize("ruta", RUTAS, ids=str)
async def test_sin_una_ficha_buena_no_se_pasa(impaciente: Api, ruta: Ruta):
    almacen = impaciente.entorno.almacen
    anadir_usuario(almacen, "ana", Rol.ADMIN, "default", None)
    sesion = abrir_sesion(almacen, Usuario("ana", Rol.ADMIN, "default", False, 0)).sesion
    acceso, ahora_ms = Acceso("ana", "default", sesion), impaciente.entorno.ahora_ms()
    firmante = impaciente.entorno.firmante
    buena, _ = firmante.firmar(acceso, "admin", ahora_ms)
    malas = [
        None,
        "tml_inventada",
        "a.b.c",
        firmante.firmar(acceso, "admin", ahora_ms - 900_001)[0],
        firmante.firmar(acceso._replace(client_id="otros"), "admin", ahora_ms)[0],
        firmante.firmar(acceso._replace(sesion="otra"), "admin", ahora_ms)[0],
        Firmante.de_una_vez().firmar(acceso, "admin", ahora_ms)[0],
        buena[:-2],
    ]

    camino = camino_de(ruta, "x")
    respuestas = [await impaciente.pedir(ruta.metodo, camino, {}, ficha) for ficha in malas]

    assert {(r.estado, r.tipo) for r in respuestas} == {(401, "application/problem+json")}
    assert (await impaciente.pedir(ruta.metodo, camino, {}, buena)).estado != 401


@pytest.mark.parametrize("ruta", RUTAS, ids=str)
async def test_lo_de_otro_inquilino_no_existe(impaciente: Api, motor: Engine, ruta: Ruta):
    """The other tenant's rows are everywhere; not one of them is told, and nothing of it is touched."""
    mando = poblar(motor, "otros", "Ajena", "sim-ajena", AJENO)
    ficha = impaciente.ficha("ana", Rol.ADMIN)
    antes = _filas(motor)

    camino = camino_de(ruta, mando.id)
    respuesta = await impaciente.pedir(ruta.metodo, camino, CON_CUERPO.get(ruta.camino, {}), ficha)

    assert respuesta.estado < 500 or "no daemon trades" in respuesta.cuerpo["detail"], respuesta
    dicho = orjson.dumps(respuesta.cuerpo).decode().replace(_repetido(respuesta.cuerpo), "")
    assert [marca for marca in MARCAS if marca in dicho] == []
    assert mando.id not in dicho
    assert _filas(motor) == antes


@pytest.mark.parametrize("disyuntor", DISYUNTORES)
async def test_un_disyuntor_ajeno_no_existe(impaciente: Api, motor: Engine, disyuntor: str):
    poblar(motor, "otros", "Ajena", "sim-ajena", AJENO)
    antes, camino = _filas(motor), f"/api/v1/breakers/{disyuntor}/reset"

    respuesta = await impaciente.pedir("POST", camino, {"reason": "x"}, impaciente.ficha("ana", Rol.ADMIN))

    assert (respuesta.estado, _filas(motor)) == (404, antes)


@pytest.mark.parametrize("ruta", [r for r in RUTAS if r.metodo == "GET"], ids=str)
async def test_lo_propio_si_se_ve(impaciente: Api, motor: Engine, ruta: Ruta):
    """Otherwise the test above would pass with routes that tell nobody anything."""
    mando = poblar(motor, "otros", "Ajena", "sim-ajena", AJENO)
    ficha = impaciente.ficha("suya", Rol.ADMIN, "otros")

    respuesta = await impaciente.pedir("GET", camino_de(ruta, mando.id), ficha=ficha)

    if ruta.camino in SIN_DATOS_DE_NADIE:
        return
    assert respuesta.estado == 200
    dicho = orjson.dumps(respuesta.cuerpo).decode()
    assert any(marca in dicho for marca in MARCAS) or ruta.camino in SOLO_NUMEROS


SIN_DATOS_DE_NADIE = {
    "/api/v1/version",
    "/api/v1/message/schema",
    "/api/v1/sysinfo",
    "/api/v1/market-data",
    "/api/v1/orderbook/{symbol}",
    "/api/v1/candles/{symbol}",
    "/api/market/price/{symbol}",
    "/api/historical-data",
}
SOLO_NUMEROS = {"/stats", "/api/v1/daily"}


def _repetido(cuerpo: Any) -> str:
    """The sentence that names what was asked for."""
    detalle = cuerpo.get("detail") if isinstance(cuerpo, dict) else None
    return orjson.dumps(detalle).decode() if detalle else "\0"


def _filas(motor: Engine) -> list[Any]:
    """The other tenant's rows in the tables that commands change."""
    from sqlalchemy import select

    from src.produccion.almacen.esquema import (
        breakers,
        circuit_breaker_state,
        commands,
        risk_modes,
        tenant_config,
    )

    with motor.connect() as conexion:
        return [
            conexion.execute(select(tabla).where(tabla.c.client_id == "otros")).all()
            for tabla in (commands, tenant_config, breakers, circuit_breaker_state, risk_modes)
        ]
