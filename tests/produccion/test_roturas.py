"""What the daemon cannot write is told by the store alone."""

# ruff: noqa: F811 -- fixtures that are imported

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from src.nucleo.alertas import Clase
from src.nucleo.errores import EmergenciaOperacional
from src.produccion.almacen.acceso import Acceso
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import alerts, outbox
from src.produccion.diario import diario as modulo
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.roturas import VigiaRoturas
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures

RED = True

YO = Titular("sim-1", "BTCUSDT", "agente", "casa")
LLENO = "the journal x cannot be written: disk full"


def dichas(almacen: Engine) -> list[tuple[str, str, str]]:
    with leer(almacen) as conexion:
        filas = conexion.execute(
            select(alerts.c.level, alerts.c.kind, alerts.c.message).order_by(alerts.c.id)
        )
        return [tuple(fila) for fila in filas]  # type: ignore[misc]


@pytest.fixture
def acceso(url: str, tmp_path: Path) -> Iterator[Acceso]:
    suyo = Acceso(url, tmp_path)
    yield suyo
    suyo.cerrar()


def un_vigia(acceso: Acceso, queja: Callable[[], str]) -> VigiaRoturas:
    return VigiaRoturas(acceso, YO, {Clase.JOURNAL_BROKEN: queja})


async def test_un_diario_que_no_se_escribe_se_dice_una_vez_aunque_se_vuelva_a_empezar(
    motor: Engine, acceso: Acceso
):
    quejas = [""]
    for _ in range(2):
        vigia = un_vigia(acceso, lambda: quejas[-1])
        for queja in ("", LLENO, LLENO):
            quejas.append(queja)
            assert await vigia.contar()

    assert dichas(motor) == [
        (
            "CRITICAL",
            "journal_broken",
            f"{LLENO}; nothing is opened, exits and stops go on: look at the disk, then restart",
        )
    ]
    with leer(motor) as conexion:
        assert len(conexion.execute(select(outbox)).all()) == 1
        fila = conexion.execute(select(alerts)).mappings().one()
    assert (fila["client_id"], fila["account_id"], fila["symbol"]) == ("casa", "sim-1", "BTCUSDT")


async def test_cada_archivo_se_dice_por_su_cuenta(motor: Engine, acceso: Acceso):
    quejas = {Clase.JOURNAL_BROKEN: lambda: LLENO, Clase.CSV_BROKEN: lambda: "no more rows"}
    assert await VigiaRoturas(acceso, YO, quejas).contar()

    assert [clase for _, clase, _ in dichas(motor)] == ["journal_broken", "csv_broken"]


async def test_si_el_almacen_no_lo_toma_se_intenta_otra_vez(motor: Engine, acceso: Acceso, tmp_path: Path):
    vigia = un_vigia(Acceso("postgresql://root@127.0.0.1:1/nothing", tmp_path), lambda: LLENO)
    assert not await vigia.contar()

    vigia._acceso = acceso
    assert await vigia.contar()
    assert len(dichas(motor)) == 1


async def test_el_servicio_lo_dice_solo(motor: Engine, acceso: Acceso):
    tarea = asyncio.create_task(un_vigia(acceso, lambda: LLENO).correr())
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(dichas, motor):  # noqa: ASYNC110 -- another thread does it
            await asyncio.sleep(0.02)
    tarea.cancel()
    await asyncio.gather(tarea, return_exceptions=True)


async def test_un_diario_se_queja_de_lo_que_no_puede_escribir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    diario = DiarioSqlite(tmp_path / "diario.sqlite")
    await diario.anotar("risk", "PEAK", 1, {})
    assert diario.queja == ""

    monkeypatch.setattr(diario, "_guardar", lambda _lote: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(EmergenciaOperacional):
        await diario.anotar("risk", "PEAK", 2, {})

    assert diario.queja.endswith("diario.sqlite cannot be written: disk full")
    with pytest.raises(EmergenciaOperacional):
        diario.cerrar()


async def test_un_disco_que_no_responde_tambien_es_una_queja(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    diario, seguir = DiarioSqlite(tmp_path / "diario.sqlite"), threading.Event()
    guardar = diario._guardar
    monkeypatch.setattr(modulo, "_COLGADO_S", 0.2)
    monkeypatch.setattr(diario, "_guardar", lambda lote: seguir.wait(60.0) and guardar(lote))

    diario.anotar_luego("risk", "PEAK", 1, {})
    async with asyncio.timeout(30):
        while not diario.queja:  # noqa: ASYNC110 -- another thread brings it about
            await asyncio.sleep(0.02)
    assert "no answer from the disk for 0.2 s" in diario.queja
    seguir.set()
    diario.cerrar()

    assert diario.queja == ""
