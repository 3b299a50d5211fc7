"""Store, Redis and Telegram as the doctor finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from src.produccion.almacen.acceso import URL_ALMACEN
from src.produccion.almacen.conexion import abrir_almacen, conectar_almacen
from src.produccion.almacen.migrar import subir
from src.produccion.config.alertas import SeccionAlertas
from src.produccion.supervision.doctor_servicios import mirar_almacen, mirar_redis, mirar_telegram
from src.produccion.supervision.hallazgo import Veredicto
from tests.produccion.alertas.bot_api import FICHA, un_bot
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures
from tests.produccion.servidor_redis import ServidorRedis

RED = True
NADIE = "127.0.0.1:1"


def con_telegram(api_url: str) -> SeccionAlertas:
    chats = [{"name": "eva", "chat_id": 7}]
    return SeccionAlertas.model_validate({"telegram": {"api_url": api_url, "chats": chats}})


async def test_un_almacen_que_responde_esta_bien(
    motor: Engine,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv(URL_ALMACEN, motor.url.render_as_string(hide_password=False))

    hallado = await mirar_almacen(tmp_path)

    assert (hallado.veredicto, "answers; schema" in hallado.detalle) == (Veredicto.BIEN, True)


async def test_mirar_no_hace_ningun_fichero(tmp_path: Path):
    assert (await mirar_almacen(tmp_path / "est")).veredicto is Veredicto.BIEN
    assert not (tmp_path / "est").exists()


async def test_un_esquema_atrasado_se_dice_y_no_se_toca(tmp_path: Path):
    atrasado = conectar_almacen(None, tmp_path)
    subir(atrasado, hasta="0002")
    atrasado.dispose()

    primero, segundo = await mirar_almacen(tmp_path), await mirar_almacen(tmp_path)

    assert (primero.veredicto, primero) == (Veredicto.AVISO, segundo)
    assert "the next start takes them" in primero.detalle


async def test_una_base_que_no_responde_es_un_fallo_sin_su_contrasena(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(URL_ALMACEN, f"postgresql://ana:muy-secreto@{NADIE}/timonel")

    hallado = await mirar_almacen(tmp_path)

    assert hallado.veredicto is Veredicto.MAL
    assert "muy-secreto" not in hallado.detalle


async def test_lo_que_no_es_un_almacen_es_un_fallo(tmp_path: Path):
    abrir_almacen(None, tmp_path).dispose()
    for sobra in tmp_path.glob("timonel.sqlite*"):
        sobra.unlink()
    (tmp_path / "timonel.sqlite").write_bytes(b"no database at all" * 100)

    assert (await mirar_almacen(tmp_path)).veredicto is Veredicto.MAL


async def test_redis_responde_o_se_dice(tmp_path: Path):
    servidor = ServidorRedis(tmp_path)
    servidor.empezar()
    try:
        vivo = await mirar_redis({"TIMONEL_REDIS_URL": servidor.url})
        otra_clave = await mirar_redis({"TIMONEL_REDIS_URL": servidor.url.replace("muy-secreto", "otra")})
    finally:
        servidor.parar()
    muerto = await mirar_redis({"TIMONEL_REDIS_URL": servidor.url})

    assert [h.veredicto for h in (vivo, otra_clave, muerto)] == [Veredicto.BIEN, Veredicto.MAL, Veredicto.MAL]
    assert "secreto" not in muerto.detalle + otra_clave.detalle


@pytest.mark.parametrize(("url_", "veredicto"), [("", Veredicto.BIEN), ("no-es-nada", Veredicto.MAL)])
async def test_redis_sin_direccion(url_: str, veredicto: Veredicto):
    assert (await mirar_redis({"TIMONEL_REDIS_URL": url_})).veredicto is veredicto


async def test_telegram_conoce_al_bot():
    async with un_bot() as bot:
        bien = await mirar_telegram(con_telegram(bot.url), {"TIMONEL_TELEGRAM_TOKEN": FICHA})
        mal = await mirar_telegram(con_telegram(bot.url), {"TIMONEL_TELEGRAM_TOKEN": "1:otra"})

    assert (bien.veredicto, bien.detalle) == (Veredicto.BIEN, "knows the bot @timonel_de_prueba; 1 chats")
    assert (mal.veredicto, "Unauthorized" in mal.detalle) == (Veredicto.MAL, True)
    assert bot.dichos == {}


@pytest.mark.parametrize(
    ("ajustes", "entorno", "veredicto", "dicho"),
    [
        (SeccionAlertas(), {}, Veredicto.BIEN, "nobody is told there"),
        (con_telegram(f"http://{NADIE}"), {}, Veredicto.MAL, "TIMONEL_TELEGRAM_TOKEN is not set"),
        (
            con_telegram(f"http://{NADIE}"),
            {"TIMONEL_TELEGRAM_TOKEN": FICHA},
            Veredicto.MAL,
            "Telegram is not reached",
        ),
    ],
)
async def test_telegram_que_no_se_alcanza(
    ajustes: SeccionAlertas, entorno: dict[str, str], veredicto: Veredicto, dicho: str
):
    hallado = await mirar_telegram(ajustes, entorno)

    assert (hallado.veredicto, dicho in hallado.detalle) == (veredicto, True)
    assert FICHA not in hallado.detalle
