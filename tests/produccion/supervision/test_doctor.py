"""Each thing that can be wrong is found and named, and a healthy place has no failures."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from src.produccion.almacen.acceso import URL_ALMACEN
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.almacen.ingesta import ingerir
from src.produccion.almacen.lectura_diario import nombre_diario
from src.produccion.config.config import Destino, Modo, Opciones, direcciones_de
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.puertos import Credenciales
from src.produccion.riesgo.enclavamiento import Enclavamiento, Razon, escribir_respaldo
from src.produccion.supervision.doctor import diagnosticar, mirar_bolsa
from src.produccion.supervision.hallazgo import Hallazgo, Veredicto
from src.produccion.supervision.identidad import candado
from tests.artefactos.fabrica import crear_artefacto
from tests.produccion.diarios import sin_disparadores, un_diario

RED = True


@pytest.fixture(autouse=True)
def claves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINANCE_TESTNET_API_KEY", "clave-secreta")
    monkeypatch.setenv("BINANCE_TESTNET_API_SECRET", "muy-secreto")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("TIMONEL_EXCHANGE_URL", raising=False)


@pytest.fixture
def lugar(tmp_path: Path) -> Opciones:
    crear_artefacto(tmp_path / "ent")
    un_diario(tmp_path / "est" / "testnet-1" / "BTCUSDT" / "diario.sqlite")
    return Opciones(train_id="", base=tmp_path / "ent", estado=tmp_path / "est")


async def mirar(opciones: Opciones) -> dict[str, Hallazgo]:
    return {h.que: h for h in await diagnosticar(opciones, sin_red=True)}


async def test_un_lugar_sano_no_tiene_fallos(lugar: Opciones):
    hallazgos = await mirar(lugar)

    assert Veredicto.MAL not in {h.veredicto for h in hallazgos.values()}
    assert "every record verified" in hallazgos["journal testnet-1/BTCUSDT"].detalle
    assert hallazgos["lock testnet-1/BTCUSDT"].detalle == "free"
    assert [que for que in hallazgos if que.startswith("artefact ")]
    assert hallazgos["store"].detalle.endswith("is made by the first start")
    assert "secret" not in str(hallazgos)


async def test_las_claves_que_faltan_se_nombran(lugar: Opciones, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("BINANCE_TESTNET_API_SECRET")

    claves = (await mirar(lugar))["keys"]

    assert claves.veredicto is Veredicto.MAL
    assert claves.detalle.startswith("BINANCE_TESTNET_API_SECRET not set")


async def test_las_claves_de_una_cuenta_con_nombre_son_las_suyas(
    lugar: Opciones, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    cuentas = tmp_path / "accounts.yaml"
    cuentas.write_text("accounts: {Ana: {api_key_env: ANA_KEY, api_secret_env: ANA_SECRET}}")
    de_ana = replace(lugar, usuario="Ana", cuentas=cuentas)
    monkeypatch.setenv("ANA_KEY", "clave-de-ana")

    sin_secreto = (await mirar(de_ana))["keys"]
    monkeypatch.setenv("ANA_SECRET", "secreto-de-ana")
    con_todo = (await mirar(de_ana))["keys"]

    assert sin_secreto.detalle.startswith("ANA_SECRET of account 'Ana' not set")
    assert con_todo.veredicto is Veredicto.BIEN


async def test_un_diario_danado_se_nombra(lugar: Opciones):
    ruta = lugar.estado / "testnet-1" / "BTCUSDT" / "diario.sqlite"
    sin_disparadores(ruta, "UPDATE events SET type = 'Y' WHERE seq = 4")

    diario = (await mirar(lugar))["journal testnet-1/BTCUSDT"]

    assert diario.veredicto is Veredicto.MAL
    assert "record 4 (aggregate agent:sim-1:BTCUSDT:train_x, version 2)" in diario.detalle
    assert "--repair" in diario.detalle


async def test_un_diario_desaparecido_junto_a_su_registro_previo_se_nombra(lugar: Opciones):
    ruta = lugar.estado / "testnet-1" / "BTCUSDT" / "diario.sqlite"
    ruta.rename(ruta.with_name("diario.sqlite-wal"))

    assert (await mirar(lugar))["journal testnet-1/BTCUSDT"].veredicto is Veredicto.MAL


async def test_un_candado_vivo_dice_de_quien_es(lugar: Opciones):
    with candado(lugar.estado / "testnet-1" / "BTCUSDT", "train_x"):
        cerrojo = (await mirar(lugar))["lock testnet-1/BTCUSDT"]

    assert cerrojo.veredicto is Veredicto.BIEN
    assert cerrojo.detalle.startswith("held by train_x on ")


async def test_un_candado_abandonado_es_un_aviso(lugar: Opciones):
    (lugar.estado / "testnet-1" / "BTCUSDT" / "daemon.lock").write_text(
        '{"pid": 4711, "train_id": "train_x"}'
    )

    cerrojo = (await mirar(lugar))["lock testnet-1/BTCUSDT"]

    assert cerrojo.veredicto is Veredicto.AVISO
    assert "process 4711 was killed" in cerrojo.detalle


async def test_lo_que_el_almacen_no_ha_tomado_se_cuenta(lugar: Opciones, monkeypatch: pytest.MonkeyPatch):
    """Nothing is said of a journal that was never fed, as those of markets in lockstep."""
    monkeypatch.delenv(URL_ALMACEN, raising=False)
    ruta = lugar.estado / "testnet-1" / "BTCUSDT" / "diario.sqlite"
    motor = abrir_almacen(None, lugar.estado)
    assert "feeding testnet-1/BTCUSDT" not in await mirar(lugar)
    assert not ruta.with_name("diario.id").exists()

    titular = Titular("testnet-1", "BTCUSDT")
    ingerir(motor, ruta, nombre_diario(ruta, "testnet-1/BTCUSDT"), titular, 1_000)
    todo = (await mirar(lugar))["feeding testnet-1/BTCUSDT"]
    anotar(lugar, ENCLAVADO, ("FLAT", {}))
    falta = (await mirar(lugar))["feeding testnet-1/BTCUSDT"]
    with candado(ruta.parent, "train_x"):
        en_ello = (await mirar(lugar))["feeding testnet-1/BTCUSDT"]
    motor.dispose()

    assert (todo.veredicto, todo.detalle) == (Veredicto.BIEN, "the store has taken every record")
    assert falta.veredicto is Veredicto.AVISO
    assert "has not taken 2 records" in falta.detalle
    assert "--unlock" in falta.detalle
    assert (en_ello.veredicto, en_ello.detalle[:16]) == (Veredicto.BIEN, "2 records wait; ")


def anotar(lugar: Opciones, *eventos: tuple[str, dict[str, object]]) -> None:
    diario = DiarioSqlite(lugar.estado / "testnet-1" / "BTCUSDT" / "diario.sqlite")
    for tipo, contenido in eventos:
        diario.anotar_luego("risk", tipo, 1_700_000_000_000, contenido)
    diario.cerrar()


ENCLAVADO = (
    "LATCHED",
    {"reason": "max_drawdown", "by": "daemon", "at": 1_700_000_000_000, "detail": "21 % lost"},
)


async def test_un_cerrojo_echado_es_un_fallo_que_dice_como_abrirlo(lugar: Opciones):
    anotar(lugar, ENCLAVADO, ("FLAT", {}))

    cerrojo = (await mirar(lugar))["latch testnet-1/BTCUSDT"]

    assert cerrojo.veredicto is Veredicto.MAL
    assert cerrojo.detalle.startswith(
        "locked since 2023-11-14T22:13:20.000Z by daemon (max_drawdown: 21 % lost): look into it"
    )
    assert "timonel live --train-id ID --unlock" in cerrojo.detalle


async def test_de_un_cerrojo_con_la_emergencia_a_medias_se_dice_que_falta_cerrar(lugar: Opciones):
    anotar(lugar, ENCLAVADO)

    assert "was not seen flat" in (await mirar(lugar))["latch testnet-1/BTCUSDT"].detalle


async def test_un_cerrojo_abierto_no_es_un_fallo(lugar: Opciones):
    anotar(lugar, ENCLAVADO, ("UNLOCKED", {"reason": "looked into it", "by": "Ana", "at": 1}))

    assert (await mirar(lugar))["latch testnet-1/BTCUSDT"].veredicto is Veredicto.BIEN


async def test_un_cerrojo_escrito_junto_al_diario_cuenta(lugar: Opciones):
    carpeta = lugar.estado / "testnet-1" / "BTCUSDT"
    escribir_respaldo(carpeta, Enclavamiento(Razon.DRAWDOWN, "daemon", 1_700_000_000_000))

    assert (await mirar(lugar))["latch testnet-1/BTCUSDT"].veredicto is Veredicto.MAL


async def test_el_cerrojo_de_un_diario_ilegible_no_se_da_por_abierto(lugar: Opciones):
    ruta = lugar.estado / "testnet-1" / "BTCUSDT" / "diario.sqlite"
    sin_disparadores(ruta, "UPDATE events SET type = 'Y' WHERE aggregate = 'risk' AND version = 2")

    cerrojo = (await mirar(lugar))["latch testnet-1/BTCUSDT"]

    assert cerrojo.veredicto is Veredicto.MAL
    assert cerrojo.detalle.startswith("unknown")


async def test_mirar_el_cerrojo_no_cambia_el_diario(lugar: Opciones):
    carpeta = lugar.estado / "testnet-1" / "BTCUSDT"
    antes = {ruta.name: ruta.read_bytes() for ruta in carpeta.iterdir()}

    await mirar(lugar)

    assert {ruta.name: ruta.read_bytes() for ruta in carpeta.iterdir()} == antes


async def test_un_artefacto_con_otro_nombre_se_nombra(lugar: Opciones):
    (carpeta,) = lugar.base.iterdir()
    carpeta.rename(lugar.base / "otro")

    artefacto = (await mirar(lugar))["artefact otro"]

    assert artefacto.veredicto is Veredicto.MAL
    assert f"holds the artefact {carpeta.name}" in artefacto.detalle


async def test_un_artefacto_cambiado_se_nombra(lugar: Opciones):
    (carpeta,) = lugar.base.iterdir()
    (carpeta / "modelos" / "modelo.zip").write_bytes(b"x")

    artefacto = (await mirar(lugar))[f"artefact {carpeta.name}"]

    assert artefacto.veredicto is Veredicto.MAL
    assert "modelo.zip" in artefacto.detalle


@pytest.mark.parametrize(
    ("cambio", "que"),
    [
        ({"config": Path("nada.yaml")}, "settings"),
        ({"estado": Path("/proc/timonel")}, "state directory"),
        ({"base": Path("/proc/timonel")}, "artefacts directory"),
        ({"train_id": "train_y"}, "artefact train_y"),
    ],
)
async def test_lo_que_no_esta_se_nombra(lugar: Opciones, cambio: dict[str, Any], que: str):
    assert (await mirar(replace(lugar, **cambio)))[que].veredicto is Veredicto.MAL


class Bolsa:
    def __init__(self) -> None:
        self.desfase_s = 0.0
        self.cuerpo: str | None = None

    async def hora(self, _: web.Request) -> web.Response:
        if self.cuerpo is not None:
            return web.Response(text=self.cuerpo)
        return web.json_response({"serverTime": int((time.time() + self.desfase_s) * 1_000)})


@pytest.fixture
def bolsa() -> Bolsa:
    return Bolsa()


@pytest.fixture
async def destino(bolsa: Bolsa) -> AsyncIterator[Destino]:
    aplicacion = web.Application()
    aplicacion.router.add_get("/fapi/v1/time", bolsa.hora)
    async with TestServer(aplicacion) as servidor:
        yield un_destino(str(servidor.make_url("/")))


def un_destino(url: str, modo: Modo = Modo.TESTNET) -> Destino:
    return Destino(
        modo=modo, direcciones=direcciones_de(url), credenciales=Credenciales(clave="k", secreto="s")
    )


@pytest.mark.parametrize(
    ("desfase_s", "veredicto"), [(0.0, Veredicto.BIEN), (-10.0, Veredicto.AVISO), (100.0, Veredicto.MAL)]
)
async def test_el_reloj_se_compara_con_el_de_la_bolsa(
    bolsa: Bolsa, destino: Destino, desfase_s: float, veredicto: Veredicto
):
    bolsa.desfase_s = desfase_s

    hallazgo = await mirar_bolsa(destino, desfase_max_s=60)

    assert hallazgo.veredicto is veredicto
    dicho = float(hallazgo.detalle.split("clock is ")[1].split(" s off")[0])
    assert dicho == pytest.approx(-desfase_s, abs=0.9)


async def test_el_reloj_de_un_mercado_simulado_es_suyo(bolsa: Bolsa, destino: Destino):
    bolsa.desfase_s = -1e8
    simulado = un_destino(destino.direcciones.rest, Modo.SIMULADO)

    assert (await mirar_bolsa(simulado, desfase_max_s=60)).veredicto is Veredicto.BIEN


@pytest.mark.parametrize("cuerpo", ["", "<html>", "[]", '{"serverTime": null}'])
async def test_una_respuesta_de_otro_se_nota(bolsa: Bolsa, destino: Destino, cuerpo: str):
    bolsa.cuerpo = cuerpo

    hallazgo = await mirar_bolsa(destino, desfase_max_s=60)

    assert hallazgo.veredicto is Veredicto.MAL
    assert "cannot be read" in hallazgo.detalle


async def test_una_bolsa_que_no_esta_se_dice():
    hallazgo = await mirar_bolsa(un_destino("http://127.0.0.1:1"), desfase_max_s=60)

    assert hallazgo.veredicto is Veredicto.MAL
    assert "cannot be reached" in hallazgo.detalle
