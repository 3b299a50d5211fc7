"""The services that face others: opened late, ended in order, and nothing depends on them."""

# ruff: noqa: F811 -- fixtures that are imported

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.guardian import AccionGuardian, Solicitud
from src.nucleo.stops import TipoProteccion
from src.produccion.almacen.acceso import URL_ALMACEN, Acceso
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import escribir
from src.produccion.almacen.demonios import vivos
from src.produccion.almacen.mandos import EstadoMando, MandoNuevo, leer_mando, pedir_mando
from src.produccion.config.config import PoliticaSalida
from src.produccion.mandos import accion_de, contenido_de
from src.produccion.monitor.reglas import pausar
from src.produccion.orquestador import AjustesSesion, Motivo
from src.produccion.riesgo.puerta import Bloqueo
from src.produccion.supervision.cortesia import Cortesia
from src.produccion.supervision.supervisor import Principal, Servicio, supervisar
from src.produccion.ventanilla import Mostrador, Ventanilla
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures
from tests.produccion.banco import Banco, montar

RED = True

YO = Titular("sim-1", "BTCUSDT", "agente")
FRENO = {"stop": {"modo": "porcentaje", "valor": 2.0}}


class OrquestadorFalso:
    """Does at once whatever it is asked to do."""

    ajustes = AjustesSesion(
        simbolo="BTCUSDT",
        intervalo="1h",
        edad_maxima_vela_s=30.0,
        refresco_s=30.0,
        ceguera_max_s=60.0,
        salida=PoliticaSalida.PROTEGIDA,
    )

    def __init__(self) -> None:
        self.parado: Motivo | None = None

    def parar(self, motivo: Motivo) -> None:
        self.parado = motivo

    async def pedir(self, tarea: Callable[[], Any]) -> Any:
        return await tarea()


class AccesoDefectuoso(Acceso):
    """Has a defect the first time."""

    def __init__(self, sano: Acceso) -> None:
        self._sano = sano
        self._intentos = 0
        self.abierto = False

    def abrir(self) -> Engine:
        self._intentos += 1
        if self._intentos == 1:
            raise ZeroDivisionError
        motor = self._sano.abrir()
        self.abierto = True
        return motor

    def cerrar(self) -> None:
        self._sano.cerrar()


@pytest.fixture
async def banco(tmp_path: Path) -> AsyncIterator[Banco]:
    """A long opened at 30,000."""
    suyo = await montar(tmp_path / "p", 0.5, proteccion=TipoProteccion.FIJA, freno=FRENO)
    await suyo.cerrar_vela(30_000.0)
    yield suyo
    suyo.registro.cerrar()


@pytest.fixture
async def ventanilla(
    banco: Banco, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ventanilla]:
    monkeypatch.setenv(URL_ALMACEN, url)
    monkeypatch.delenv("TIMONEL_REDIS_URL", raising=False)
    suya = una_ventanilla(banco, tmp_path)
    yield suya
    await suya.cerrar()


def una_ventanilla(banco: Banco, carpeta: Path) -> Ventanilla:
    mostrador = Mostrador(
        titular=YO,
        diario=carpeta / "diario.sqlite",
        estado=carpeta,
        mercado=banco.bolsa.mercado,
        proteccion=banco.mundo.artefacto.configuracion.regla_proteccion(),
        reloj=banco.bolsa.reloj,
        bolsa=banco.bolsa,
    )
    return Ventanilla(mostrador, banco.ciclo, banco.cuenta, Cortesia())


def los_servicios(ventanilla: Ventanilla) -> dict[str, Servicio]:
    orquestador: Any = OrquestadorFalso()
    return {servicio.nombre: servicio for servicio in ventanilla.servicios(orquestador)}


@asynccontextmanager
async def corriendo(servicio: Servicio) -> AsyncIterator[asyncio.Task[None]]:
    tarea = asyncio.ensure_future(servicio.correr())
    try:
        yield tarea  # type: ignore[misc]
    finally:
        tarea.cancel()
        await asyncio.gather(tarea, return_exceptions=True)


async def hasta(se_cumple: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not se_cumple():  # noqa: ASYNC110 -- another thread brings it about
            await asyncio.sleep(0.01)


def pausa(almacen: Engine) -> None:
    with escribir(almacen) as conexion:
        pausar(conexion, YO.client_id, "holidays", 0)


async def test_nada_de_lo_que_mira_a_otros_es_esencial(ventanilla: Ventanilla):
    servicios = los_servicios(ventanilla)

    assert list(servicios) == ["alimentador", "mandos", "vallas", "roturas"]
    assert not any(servicio.esencial for servicio in servicios.values())


async def test_al_comprobar_se_sabe_ya_si_el_inquilino_esta_en_pausa(
    ventanilla: Ventanilla, banco: Banco, motor: Engine
):
    pausa(motor)

    await ventanilla.comprobar()

    assert banco.control.bloqueos == {Bloqueo.INQUILINO}


async def test_no_se_abre_nada_hasta_que_el_almacen_ha_dicho_que_lo_impide(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(URL_ALMACEN, url)
    llano = await montar(tmp_path / "llano", 0.5)
    ventanilla = una_ventanilla(llano, tmp_path)
    await llano.cerrar_vela(30_000.0)
    assert llano.bolsa.estado.posicion is None

    await ventanilla.comprobar()

    await llano.cerrar_vela(30_010.0)
    assert llano.bolsa.estado.posicion is not None
    await ventanilla.cerrar()
    llano.registro.cerrar()


async def test_sin_saber_que_lo_impide_se_sale_igual(tmp_path: Path):
    largo = await montar(tmp_path / "largo", 0.5, -0.5)
    await largo.cerrar_vela(30_000.0)
    assert largo.bolsa.estado.posicion is not None
    una_ventanilla(largo, tmp_path)

    await largo.cerrar_vela(30_010.0)

    assert largo.bolsa.estado.posicion is None
    largo.registro.cerrar()


async def test_un_almacen_que_no_se_puede_usar_se_dice(
    banco: Banco, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(URL_ALMACEN, "postgresql://root@127.0.0.1:1/nothing")

    with pytest.raises(ConfiguracionInvalida, match="cannot be reached"):
        await una_ventanilla(banco, tmp_path).comprobar()


async def test_un_almacen_que_no_se_abre_ni_se_cierra_no_retiene_a_nadie(banco: Banco, tmp_path: Path):
    """Neither who waits for it nor, later, the process."""
    antes, seguir = set(threading.enumerate()), threading.Event()
    suya = una_ventanilla(banco, tmp_path)
    suya._acceso = _Colgado(seguir)  # type: ignore[assignment]

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(suya.comprobar(), 0.05)
    await suya.cerrar()

    nuevos = set(threading.enumerate()) - antes
    assert nuevos
    assert all(hilo.daemon for hilo in nuevos)
    seguir.set()


class _Colgado:
    """A store that neither opens nor closes."""

    def __init__(self, seguir: threading.Event) -> None:
        self._seguir = seguir

    def abrir(self) -> None:
        self._seguir.wait(60.0)

    cerrar = abrir


async def test_las_vallas_se_vigilan_y_los_cierres_se_comparten_mientras_corre(
    ventanilla: Ventanilla, banco: Banco, motor: Engine
):
    async with corriendo(los_servicios(ventanilla)["vallas"]):
        await hasta(lambda: banco.ciclo.compartido is not None)
        await asyncio.to_thread(pausa, motor)
        await hasta(lambda: Bloqueo.INQUILINO in banco.control.bloqueos)

    assert banco.ciclo.compartido is None


async def test_un_mando_llega_a_la_bolsa_y_vuelve_su_respuesta(
    ventanilla: Ventanilla, banco: Banco, motor: Engine
):
    solicitud = Solicitud("BTCUSDT", AccionGuardian.AJUSTAR, stop=29_700.0)
    async with corriendo(los_servicios(ventanilla)["mandos"]):
        await hasta(lambda: bool(vivos(motor)))
        mando = await asyncio.to_thread(
            pedir_mando,
            motor,
            MandoNuevo(
                user_id=YO.user_id,
                symbol=YO.symbol,
                action=accion_de(solicitud.accion),
                payload=contenido_de(solicitud),
                requested_by="ana",
                plazo_ms=60_000,
                account_id=YO.account_id,
            ),
        )

        def acabado() -> bool:
            ahora = leer_mando(motor, mando.id)
            return ahora is not None and ahora.status.es_final

        await hasta(acabado)

    final = leer_mando(motor, mando.id)
    assert final is not None
    assert final.status is EstadoMando.DONE
    assert final.outcome is not None
    assert (final.outcome["stop"], final.outcome["redis_updated"]) == (29_700.0, False)
    assert 29_700.0 in {s.gatillo for s in banco.bolsa.stops_vivos}


@pytest.mark.parametrize("a_proposito", [True, False])
async def test_solo_quien_acaba_a_proposito_se_despide(
    ventanilla: Ventanilla, motor: Engine, a_proposito: bool
):
    """Of whoever does not, the silence is told: it may be all that people hear."""
    async with corriendo(los_servicios(ventanilla)["mandos"]):
        await hasta(lambda: bool(vivos(motor)))

    await ventanilla.cerrar(a_proposito=a_proposito)

    assert bool(vivos(motor)) is not a_proposito


async def test_quien_se_despide_de_un_almacen_que_no_esta_acaba_igual(
    banco: Banco, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bitacora: list[dict[str, object]]
):
    monkeypatch.setenv(URL_ALMACEN, "postgresql://root@127.0.0.1:1/nothing")

    await una_ventanilla(banco, tmp_path).cerrar(a_proposito=True)

    assert "demonio_sin_despedida" in [e["event"] for e in bitacora]


@pytest.mark.parametrize("nombre", ["alimentador", "mandos", "vallas"])
async def test_un_defecto_no_deja_sin_lo_que_mira_a_otros(
    nombre: str, ventanilla: Ventanilla, banco: Banco, motor: Engine, bitacora: list[dict[str, object]]
):
    ventanilla._acceso = acceso = AccesoDefectuoso(ventanilla._acceso)
    servicio = los_servicios(ventanilla)[nombre]

    async def hasta_que_se_abra() -> str:
        await hasta(lambda: "servicio_caido" in [e["event"] for e in bitacora])
        acceso.abierto = False
        await hasta(lambda: acceso.abierto)
        return "open"

    principal = Principal("consumidor", hasta_que_se_abra, lambda: None)
    assert await supervisar(principal, [servicio]) == "open"
    assert [e["servicio"] for e in bitacora if e["event"] == "servicio_caido"] == [nombre]
    assert banco.ciclo.compartido is None


async def test_sin_almacen_al_empezar_se_espera_a_que_lo_haya(
    banco: Banco, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bitacora: list[dict[str, object]]
):
    """A directory stands where the store's file should be; the service waits instead of failing."""
    (tmp_path / "timonel.sqlite").mkdir()
    monkeypatch.delenv(URL_ALMACEN, raising=False)
    ventanilla = una_ventanilla(banco, tmp_path)

    async with corriendo(los_servicios(ventanilla)["vallas"]) as tarea:
        await hasta(lambda: "almacen_no_abre" in [e["event"] for e in bitacora])

        assert not tarea.done()
        assert banco.ciclo.compartido is None
