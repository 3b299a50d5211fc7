"""A part of the daemon that ends by itself ends them all, in order, and says which one it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from src.nucleo.errores import AlmacenCaido, EmergenciaDrawdown, EmergenciaOperacional, ServicioCaido
from src.produccion.supervision.supervisor import Principal, Servicio, supervisar


class Piezas:
    """A principal that ends when told, and services that note when they are stopped."""

    def __init__(self) -> None:
        self.paradas: list[str] = []
        self.pedido = asyncio.Event()
        self.acabado = False

    def servicio(self, nombre: str, *, esencial: bool = True) -> Servicio:
        async def correr() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                self.paradas.append(nombre)

        return Servicio(nombre, correr, esencial)

    def principal(self, correr: Callable[[], Awaitable[str]]) -> Principal[str]:
        return Principal("consumer", correr, self.pedido.set)

    async def hasta_que_se_pida(self) -> str:
        await self.pedido.wait()
        await asyncio.sleep(5)
        self.acabado = True
        return "interrupted"


@pytest.fixture
async def piezas() -> Piezas:
    return Piezas()


def que_falla(fallo: Exception, tras_s: float = 1) -> Callable[[], Awaitable[None]]:
    async def correr() -> None:
        await asyncio.sleep(tras_s)
        raise fallo

    return correr


def tras(segundos: float) -> Callable[[], Awaitable[str]]:
    async def correr() -> str:
        await asyncio.sleep(segundos)
        return "candle limit"

    return correr


def adorno(nombre: str, correr: Callable[[], Awaitable[None]]) -> Servicio:
    return Servicio(nombre, correr, esencial=False)


async def que_vuelve() -> None:
    await asyncio.sleep(1)


async def test_el_final_del_principal_es_el_de_todos(piezas: Piezas):
    servicios = [piezas.servicio(nombre) for nombre in ("market", "account", "guardian")]

    assert await supervisar(piezas.principal(tras(1)), servicios) == "candle limit"
    assert piezas.paradas == ["guardian", "account", "market"]
    assert len(asyncio.all_tasks()) == 1


async def test_cada_tarea_lleva_su_nombre(piezas: Piezas):
    nombres: set[str] = set()

    async def mirar() -> str:
        await asyncio.sleep(0)
        nombres.update(tarea.get_name() for tarea in asyncio.all_tasks())
        return ""

    await supervisar(piezas.principal(mirar), [piezas.servicio("market")])

    assert {"consumer", "market"} <= nombres


async def test_uno_que_vuelve_es_un_fallo_que_lo_nombra(piezas: Piezas):
    with pytest.raises(ServicioCaido, match="market ended by itself"):
        await supervisar(piezas.principal(piezas.hasta_que_se_pida), [Servicio("market", que_vuelve)])


async def test_un_defecto_lleva_su_causa(piezas: Piezas):
    defecto = KeyError("x")

    with pytest.raises(ServicioCaido, match="market failed: KeyError") as fallo:
        await supervisar(piezas.principal(piezas.hasta_que_se_pida), [Servicio("market", que_falla(defecto))])

    assert fallo.value.__cause__ is defecto


async def test_un_error_del_proyecto_sale_tal_cual(piezas: Piezas):
    propio = EmergenciaOperacional("the journal cannot be written")

    with pytest.raises(EmergenciaOperacional) as fallo:
        await supervisar(piezas.principal(piezas.hasta_que_se_pida), [Servicio("market", que_falla(propio))])

    assert fallo.value is propio


async def test_un_error_del_principal_sale_tal_cual(piezas: Piezas):
    async def caer() -> str:
        raise EmergenciaDrawdown("limit")

    with pytest.raises(EmergenciaDrawdown):
        await supervisar(piezas.principal(caer), [piezas.servicio("market")])
    assert piezas.paradas == ["market"]


async def test_el_paso_en_curso_acaba_mientras_los_demas_siguen(piezas: Piezas):
    vivos: list[bool] = []

    async def acabar() -> str:
        await piezas.pedido.wait()
        await asyncio.sleep(5)
        vivos.append(not piezas.paradas)
        return ""

    with pytest.raises(ServicioCaido):
        await supervisar(
            piezas.principal(acabar), [piezas.servicio("guardian"), Servicio("market", que_vuelve)]
        )

    assert vivos == [True]


async def test_un_paso_que_no_acaba_se_corta(piezas: Piezas):
    async def nunca() -> str:
        await asyncio.Event().wait()
        return ""

    comienzo = asyncio.get_running_loop().time()
    with pytest.raises(ServicioCaido):
        await supervisar(piezas.principal(nunca), [Servicio("market", que_vuelve)], acabar_s=30)

    assert asyncio.get_running_loop().time() - comienzo == pytest.approx(31)


async def test_la_emergencia_del_paso_en_curso_va_delante(piezas: Piezas):
    async def cerrar() -> str:
        await piezas.pedido.wait()
        raise EmergenciaDrawdown("limit")

    with pytest.raises(EmergenciaDrawdown):
        await supervisar(piezas.principal(cerrar), [Servicio("market", que_vuelve)])


async def test_un_defecto_del_paso_en_curso_no_tapa_lo_que_paso_antes(
    piezas: Piezas, bitacora: list[dict[str, object]]
):
    async def romperse() -> str:
        await piezas.pedido.wait()
        raise ZeroDivisionError

    with pytest.raises(ServicioCaido, match="market"):
        await supervisar(piezas.principal(romperse), [Servicio("market", que_vuelve)])
    assert "fallo_al_acabar" in {evento["event"] for evento in bitacora}


async def test_uno_que_no_es_esencial_vuelve_a_correr_tras_pausas_que_crecen(
    piezas: Piezas, bitacora: list[dict[str, object]]
):
    """At 0, 1, 3, 7 … 63 s, then every minute; each failure is told once, and ends nothing."""
    comienzos = []

    async def latir() -> None:
        comienzos.append(asyncio.get_running_loop().time())
        raise OSError("no network")

    assert await supervisar(piezas.principal(tras(200)), [adorno("heartbeat", latir)]) == "candle limit"
    desde = comienzos[0]
    assert [t - desde for t in comienzos] == pytest.approx([0, 1, 3, 7, 15, 31, 63, 123, 183])
    caidas = [e for e in bitacora if e["event"] == "servicio_caido"]
    assert [e["reintento_s"] for e in caidas] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert {(e["servicio"], e["motivo"]) for e in caidas} == {
        ("heartbeat", "heartbeat failed: OSError('no network')")
    }
    assert {type(e["exc_info"]) for e in caidas} == {OSError}
    assert len(asyncio.all_tasks()) == 1


async def test_uno_que_corrio_bien_un_rato_vuelve_enseguida(
    piezas: Piezas, bitacora: list[dict[str, object]]
):
    fallo = que_falla(AlmacenCaido("the store is away"), tras_s=61)

    await supervisar(piezas.principal(tras(200)), [adorno("feeder", fallo)])

    caidas = [(e["reintento_s"], e["exc_info"]) for e in bitacora if e["event"] == "servicio_caido"]
    assert caidas == [(1, None)] * 3


async def test_uno_que_no_es_esencial_y_acaba_sin_fallo_ha_acabado(
    piezas: Piezas, bitacora: list[dict[str, object]]
):
    comienzos = []

    async def una_vez() -> None:
        comienzos.append(1)

    assert await supervisar(piezas.principal(tras(200)), [adorno("feeder", una_vez)]) == "candle limit"
    assert len(comienzos) == 1
    assert [e["event"] for e in bitacora] == ["servicio_terminado"]


async def test_cancelar_cancela_todo(piezas: Piezas):
    supervision = asyncio.create_task(
        supervisar(piezas.principal(piezas.hasta_que_se_pida), [piezas.servicio("market")])
    )
    await asyncio.sleep(1)
    supervision.cancel()

    with pytest.raises(asyncio.CancelledError):
        await supervision
    assert piezas.paradas == ["market"]
    assert not piezas.acabado
    assert len(asyncio.all_tasks()) == 1
