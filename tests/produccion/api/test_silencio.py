"""What is answered for daemons that were killed, or hang."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import Engine, update

from src.produccion.almacen.demonios import DemonioNuevo, despedirse, presentarse
from src.produccion.almacen.esquema import ahora_bd, daemons
from src.produccion.almacen.mandos import tomar_mandos
from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos
from tests.produccion.api.banco import CUENTAS, PLAZOS, SIN_MAS_BASES, Api, una_api
from tests.produccion.api.poblacion import poblar

CERRAR = "/api/v1/positions/BTCUSDT/close"
RED = True
SPREAD = "sim-User_1:binance:BTCUSDT:spread"


def callar(motor: Engine, silencio_s: int, cuenta: str = "sim-User_1") -> None:
    """Have a daemon's last sign of life be that old, as after a kill."""
    orden = update(daemons).where(daemons.c.account_id == cuenta)
    with motor.begin() as conexion:
        conexion.execute(orden.values(heartbeat_ms=ahora_bd() - 1_000 * silencio_s))


@pytest.fixture
def muerto(motor: Engine) -> Engine:
    """A daemon with a position, killed five minutes ago."""
    poblar(motor, "default", "User_1", "sim-User_1")
    callar(motor, 300)
    return motor


@pytest.mark.parametrize(
    ("metodo", "ruta", "cuerpo"),
    [
        ("POST", CERRAR, {}),
        ("POST", "/guardian", {"symbol": "BTCUSDT", "action": "close", "user_id": "User_1"}),
        ("POST", "/api/v1/orders/create", {"symbol": "BTCUSDT", "side": "BUY", "quantity": 1}),
        ("POST", "/api/v1/stop", {}),
        ("POST", f"/api/v1/breakers/{SPREAD}/reset", {"reason": "x"}),
        ("PUT", "/api/v1/risk/mode", {"mode": "ACTIVE", "reason": "x"}),
    ],
)
async def test_de_un_demonio_muerto_se_dice_desde_cuando_calla_y_el_remedio(
    api: Api, muerto: Engine, metodo: str, ruta: str, cuerpo: dict[str, object]
):
    respuesta = await api.pedir(metodo, ruta, cuerpo, api.ficha())

    dicho = respuesta.cuerpo["detail"]
    assert (respuesta.estado, respuesta.cuerpo.get("success")) in ((503, False), (503, None))
    assert dicho.startswith("failed: no daemon trades ")
    assert "the one on sim-User_1 is not alive: silent since " in dicho
    assert " UTC (30" in dicho
    assert ("nothing was done; start it again: `timonel live`" in dicho) == (not ruta.endswith("/stop"))
    assert ("`timonel panic`" in dicho) == ("close" in str((ruta, cuerpo)))


@SIN_MAS_BASES
async def test_de_quien_nunca_vivio_no_se_dice_desde_cuando(api: Api):
    respuesta = await api.pedir(
        "POST", "/api/v1/orders/create", {"symbol": "ADAUSDT", "side": "BUY", "quantity": 1}, api.ficha()
    )

    assert respuesta.cuerpo["detail"] == (
        "failed: no daemon trades ADAUSDT; nothing was done; start one: `timonel live`"
    )


@SIN_MAS_BASES
async def test_el_silencio_de_otra_cuenta_o_inquilino_no_se_cuenta(api: Api, muerto: Engine):
    for cuenta, cliente in (("live-User_1", "default"), ("sim-Ajena", "otros")):
        presentarse(muerto, DemonioNuevo(cuenta, "BTCUSDT", 1, "aqui", client_id=cliente, user_id="User_1"))
        callar(muerto, 300, cuenta)

    respuesta = await api.pedir("POST", CERRAR, {}, api.ficha())

    assert "sim-User_1" in respuesta.cuerpo["detail"]
    assert "live-User_1" not in respuesta.cuerpo["detail"]
    assert "Ajena" not in respuesta.cuerpo["detail"]


@SIN_MAS_BASES
async def test_un_mando_que_nadie_tomo_dice_la_ultima_senal_de_vida(muerto: Engine):
    """Killed a moment ago, a daemon is still taken for a living one."""
    callar(muerto, 8)
    encargos = Encargos(muerto, PLAZOS._replace(tomar_ms=100))
    async with una_api(Entorno(almacen=muerto, cuentas=CUENTAS, encargos=encargos)) as api:
        respuesta = await api.pedir("POST", CERRAR, {}, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (504, False)
    dicho = respuesta.cuerpo["detail"]
    assert "it will not be carried out; its daemon's last sign of life is " in dicho
    assert "s old; if it is dead, start it again: `timonel live`; `timonel panic`" in dicho


@SIN_MAS_BASES
@pytest.mark.parametrize(("edad_s", "dicho"), [(8, "if it is dead, there is nothing"), (0, None)])
async def test_quien_acaba_un_demonio_no_tiene_que_empezarlo(muerto: Engine, edad_s: int, dicho: str | None):
    callar(muerto, edad_s)
    encargos = Encargos(muerto, PLAZOS._replace(tomar_ms=100))
    async with una_api(Entorno(almacen=muerto, cuentas=CUENTAS, encargos=encargos)) as api:
        respuesta = await api.pedir("POST", "/api/v1/stop", {}, api.ficha())

    assert "start it again" not in respuesta.cuerpo["detail"]
    assert (dicho or "last sign of life") in respuesta.cuerpo["detail"]


@SIN_MAS_BASES
async def test_lo_que_no_corre_no_necesita_final(api: Api, muerto: Engine):
    respuesta = await api.pedir("POST", "/api/v1/stop", {}, api.ficha())

    assert "is not alive: silent since" in respuesta.cuerpo["detail"]
    assert "nothing was done: what is not running needs no end" in respuesta.cuerpo["detail"]


def tomar(motor: Engine) -> bool:
    """Take what waits for the daemon."""
    return bool(tomar_mandos(motor, "User_1", "BTCUSDT", "sim-User_1:BTCUSDT", account_id="sim-User_1"))


@SIN_MAS_BASES
async def test_de_quien_murio_con_un_mando_en_la_mano_se_dice(muerto: Engine):
    def tomar_y_morir() -> None:
        while not tomar(muerto):
            time.sleep(0.02)
        callar(muerto, 60)

    callar(muerto, 0)
    assert tomar(muerto)  # what waited before
    encargos = Encargos(muerto, PLAZOS._replace(acabar_s=1.0))
    async with una_api(Entorno(almacen=muerto, cuentas=CUENTAS, encargos=encargos)) as api:
        muerte = asyncio.create_task(asyncio.to_thread(tomar_y_morir))
        respuesta = await api.pedir("POST", CERRAR, {}, api.ficha())
        await muerte

    (fila,) = respuesta.cuerpo["results"]
    assert (respuesta.estado, fila["success"], fila["error"]) == (202, None, None)
    assert "is not over; its daemon on sim-User_1 is not alive: silent since " in fila["message"]


@SIN_MAS_BASES
async def test_lo_que_midio_un_demonio_muerto_se_dice_como_lo_ultimo_que_se_supo(api: Api, muerto: Engine):
    ficha = api.ficha()
    estado = (await api.pedir("GET", "/api/v1/system/status", ficha=ficha)).cuerpo
    candados = {c["name"] or c["kind"]: c for c in estado["locks"]}

    assert {nombre: c["current"] for nombre, c in candados.items()} == {
        "tenant_paused": True,
        "REDUCING": True,  # kept until it is set again, by whichever daemon starts next
        "stop_execution": True,  # of the store
        "spread": False,
        "latch": True,
    }
    spread = candados["spread"]
    assert "; last known: its daemon is not alive, silent for 30" in spread["text"]
    assert spread["how_to_remove"].startswith("start the daemon again: `timonel live`")
    assert candados["REDUCING"]["how_to_remove"].startswith("start the daemon again: `timonel live`; then ")
    assert estado["open_breakers"] == 1

    despedirse(muerto, "sim-User_1", "BTCUSDT")
    acabado = (await api.pedir("GET", "/api/v1/locks", ficha=ficha)).cuerpo["locks"]
    assert "; last known: its daemon has ended" in next(c for c in acabado if c["name"] == "spread")["text"]


@SIN_MAS_BASES
async def test_lo_que_mide_un_demonio_vivo_es_de_ahora(api: Api, muerto: Engine):
    callar(muerto, 0)

    candados = (await api.pedir("GET", "/api/v1/locks", ficha=api.ficha())).cuerpo["locks"]

    assert all(c["current"] for c in candados)
    assert "last known" not in str(candados)
