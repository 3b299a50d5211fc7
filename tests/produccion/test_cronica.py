"""The record: the journal first, then the CSV; what cannot be written stops entries and nothing else."""

from __future__ import annotations

import errno
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.registro import textos_de
from src.nucleo.stops import OrdenStop, TipoProteccion
from src.nucleo.tipos import Ejecucion, Operacion
from src.produccion.cronica import operacion_de
from src.produccion.diario.memoria import leer_instantanea, leer_pendiente, recordar_agente
from src.produccion.puertos import EventoMark
from src.produccion.riesgo.control_riesgo import Bloqueo
from src.produccion.riesgo.enclavamiento import Razon
from tests.produccion.banco import AGENTE, Banco, Lectura, frontera, montar

Abrir = Callable[..., Awaitable[Banco]]

DEL_AGENTE = f"agent:{AGENTE}"


class ArchivoColgado:
    """A file on a disk that answers when something has happened, or after a while when it does not."""

    def __init__(self, archivo: Any, suceso: threading.Event) -> None:
        self._archivo = archivo
        self._suceso = suceso
        self.sucedido: list[bool] = []

    def write(self, crudo: bytes) -> int:
        self.sucedido.append(self._suceso.wait(10.0))
        return int(self._archivo.write(crudo))

    def close(self) -> None:
        self._archivo.close()


class ArchivoLleno:
    """A file on a disk that is full, after so many octets."""

    def __init__(self, archivo: Any, caben: int = 0) -> None:
        self._archivo = archivo
        self._caben = caben

    def write(self, crudo: bytes) -> int:
        if not self._caben:
            raise OSError(errno.ENOSPC, "No space left on device")
        escritos = self._archivo.write(crudo[: self._caben])
        self._caben -= escritos
        return int(escritos)

    def close(self) -> None:
        self._archivo.close()


def llenar_disco(banco: Banco, caben: int = 0) -> None:
    archivo: Any = banco.registro._registro
    assert banco.registro.esperar(60.0)
    archivo._archivo = ArchivoLleno(archivo._archivo, caben)


@pytest.fixture
async def abrir(tmp_path: Path) -> AsyncIterator[Abrir]:
    """Build a bench on the test's directory; its files are closed at the end."""
    bancos: list[Banco] = []

    async def construir(*acciones: float, **cambios: Any) -> Banco:
        opciones: dict[str, Any] = {
            "carpeta": tmp_path / "produccion",
            "proteccion": TipoProteccion.CATASTROFE,
        }
        opciones |= cambios
        bancos.append(await montar(opciones.pop("carpeta"), *acciones, **opciones))
        return bancos[-1]

    yield construir
    for banco in bancos:
        banco.registro.cerrar()


def leido(banco: Banco, tipo: str) -> dict[str, Any]:
    """Contents of the newest event of a type, as the next life reads it."""
    evento = Lectura(banco.diario.eventos).ultimo(DEL_AGENTE, tipo)
    assert evento is not None
    return evento.contenido


# --- the journal comes first ---


async def test_la_decision_esta_en_el_diario_antes_de_que_salga_su_orden(abrir: Abrir):
    banco = await abrir(0.5)
    al_salir: list[list[str]] = []
    banco.bolsa.al_enviar = lambda: al_salir.append(banco.diario.tipos(DEL_AGENTE))
    await banco.cerrar_vela(30_000.0)

    assert al_salir[0][-1] == "CANDLE_DECIDED"
    assert "ROWS" not in al_salir[0]
    assert banco.diario.tipos(DEL_AGENTE)[-1] == "ROWS"


async def test_la_decision_dice_todo_lo_que_hace_falta_para_acabarla(abrir: Abrir):
    banco = await abrir(0.5)
    antes = banco.cuenta.estado
    await banco.cerrar_vela(30_000.0)

    decidida = leido(banco, "CANDLE_DECIDED")
    pendiente, instantanea = leer_pendiente(decidida), leer_instantanea(decidida["state"])
    assert (pendiente.vela, pendiente.cierre_ms) == (banco.datos.ultima, frontera(1))
    assert pendiente.plan.cantidades == (0.333,)
    assert pendiente.rechazo == ""
    assert (instantanea.filas, instantanea.paso, instantanea.cuenta) == (0, 1, antes)
    assert (decidida["session"], decidida["step"]) == (banco.registro.sello, 1)


async def test_las_filas_llevan_el_estado_de_despues(abrir: Abrir):
    banco = await abrir(0.5, -0.5)
    for precio in (30_000.0, 30_500.0):
        await banco.cerrar_vela(precio)

        instantanea = leer_instantanea(leido(banco, "ROWS")["state"])
        ahora = banco.cronica.instantanea()
        assert instantanea._replace(abiertos=()) == ahora._replace(abiertos=())
        assert instantanea.filas == len(banco.filas)


async def test_el_diario_tiene_las_filas_del_fichero(abrir: Abrir):
    banco = await abrir(0.5, 0.5, -0.5)
    for precio in (30_000.0, 30_100.0, 30_200.0):
        banco.bolsa.operar(0.01, precio)
        await banco.cerrar_vela(precio)

    eventos = Lectura(banco.diario.eventos).leer(DEL_AGENTE)
    filas: list[Any] = [e.contenido["rows"] for e in eventos if e.tipo == "ROWS"]
    celdas = [textos_de(fila) for tanda in filas for fila in tanda]
    assert celdas == [list(fila.values()) for fila in banco.filas]


async def test_las_filas_de_fills_dicen_de_que_ordenes_son(abrir: Abrir):
    banco = await abrir(0.0)
    banco.bolsa.operar(0.01, 30_000.0, "web_una")
    banco.bolsa.operar(0.01, 30_000.0, "web_otra")
    await banco.cerrar_vela(30_000.0)

    apuntes = [e.contenido for e in Lectura(banco.diario.eventos).leer(DEL_AGENTE) if e.tipo == "ROWS"]
    assert [apunte.get("orders") for apunte in apuntes] == [["web_una", "web_otra"], None]


async def test_las_velas_que_ya_se_decidieron_no_se_anotan_otra_vez(abrir: Abrir):
    banco = await abrir(0.0)
    await banco.cerrar_vela(30_000.0)
    anotadas = banco.diario.tipos().count("CANDLES")
    otra_vez = await banco.volver()
    otra_vez.registro.cerrar()

    assert banco.diario.tipos().count("CANDLES") == anotadas


# --- the monitor between candles ---


async def test_el_vigilante_se_anota_de_tanto_en_tanto(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)
    for segundo, precio in enumerate((29_900.0, 29_800.0, 29_700.0, 29_600.0, 29_500.0, 29_400.0)):
        banco.ciclo.tomar_mark(EventoMark(precio, frontera(1) + segundo * 1_000))

    assert banco.diario.tipos().count("RISK") == 2
    memoria = recordar_agente(Lectura(banco.diario.eventos).leer(DEL_AGENTE))
    assert memoria.instantanea is not None
    assert memoria.instantanea.riesgo == banco.control.estado


async def test_una_brecha_se_anota_en_cuanto_empieza(abrir: Abrir):
    banco = await abrir(0.9, proteccion=TipoProteccion.NINGUNA)
    await banco.cerrar_vela(30_000.0)
    banco.ciclo.tomar_mark(EventoMark(29_900.0, frontera(1)))
    banco.ciclo.tomar_mark(EventoMark(26_000.0, frontera(1) + 100))

    assert leido(banco, "RISK")["risk"][2] == frontera(1) + 100


# --- what cannot be written ---


async def test_el_stop_no_espera_al_disco_de_la_fila(abrir: Abrir, monkeypatch: pytest.MonkeyPatch):
    """The row of the entry is not written before its stop is at the exchange."""
    banco = await abrir(0.5)
    archivo: Any = banco.registro._registro
    con_stop = threading.Event()
    archivo._archivo = colgado = ArchivoColgado(archivo._archivo, con_stop)
    colocar = banco.bolsa.colocar_stop

    async def avisar(orden: OrdenStop) -> Any:
        puesto = await colocar(orden)
        con_stop.set()
        return puesto

    monkeypatch.setattr(banco.bolsa, "colocar_stop", avisar)
    await banco.cerrar_vela(30_000.0)

    assert len(banco.filas) == 1
    assert colgado.sucedido == [True]


async def test_un_disco_colgado_no_impide_acabar(abrir: Abrir, bitacora: list[dict[str, object]]):
    banco = await abrir(0.5)
    archivo: Any = banco.registro._registro
    seguir = threading.Event()
    archivo._archivo = ArchivoColgado(archivo._archivo, seguir)
    await banco.cerrar_vela(30_000.0)

    banco.registro.cerrar(plazo_s=0.01)

    assert bitacora[-1]["event"] == "registro_sin_acabar"
    seguir.set()
    assert len(banco.filas) == 1


async def test_con_el_diario_roto_no_se_abre_nada(abrir: Abrir):
    banco = await abrir(0.5)
    banco.diario.roto = True
    await banco.cerrar_vela(30_000.0)

    assert Bloqueo.SIN_REGISTRO in banco.control.bloqueos
    assert banco.filas[-1]["error"] == "entries_blocked: the journal cannot be written"
    assert banco.bolsa.enviadas == []


async def test_un_diario_que_se_rompe_al_decidir_no_deja_salir_la_entrada(abrir: Abrir):
    """The decision was valid before the journal failed; its order cannot be written down and is not sent."""
    banco = await abrir(0.5)
    original = banco.diario.anotar_luego

    def romper(agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        banco.diario.roto = tipo == "ORDER_INTENT"
        original(agregado, tipo, instante_ms, contenido)

    banco.diario.anotar_luego = romper  # type: ignore[method-assign]
    await banco.cerrar_vela(30_000.0)

    assert banco.bolsa.enviadas == []
    assert (banco.filas[-1]["status"], banco.filas[-1]["resultado"]) == ("rechazada", "rechazada")
    assert "journal" in banco.filas[-1]["error"]


async def test_con_el_diario_roto_se_sale(abrir: Abrir):
    banco = await abrir(0.5, -0.5)
    await banco.cerrar_vela(30_000.0)
    banco.diario.roto = True
    await banco.cerrar_vela(30_100.0)

    assert banco.bolsa.estado.posicion is None
    assert banco.filas[-1]["operacion"] == "cerrar_long"
    assert banco.bolsa.stops_vivos == []


async def test_con_el_diario_roto_el_stop_vuelve_a_su_sitio(abrir: Abrir):
    banco = await abrir(0.5, 0.5)
    await banco.cerrar_vela(30_000.0)
    banco.diario.roto = True
    banco.bolsa.soltar_stops()
    for _ in range(3):
        await banco.ciclo.mirar(frontera(1))

    assert [stop.gatillo for stop in banco.bolsa.stops_vivos] == [banco.protector.nivel]
    assert banco.ciclo.protegida


async def test_con_el_fichero_lleno_no_se_abre_pero_se_sale(abrir: Abrir):
    banco = await abrir(0.5, 0.9, -0.5)
    await banco.cerrar_vela(30_000.0)
    llenar_disco(banco)
    for precio in (30_100.0, 30_200.0, 30_300.0):
        await banco.cerrar_vela(precio)
        assert banco.registro.esperar(60.0)

    assert banco.control.bloqueos == {Bloqueo.SIN_REGISTRO}
    assert len(banco.bolsa.enviadas) == 3  # the increase of the candle whose row was the first to be lost
    assert banco.bolsa.estado.posicion is None


async def test_lo_que_no_cupo_en_el_fichero_esta_en_el_al_volver(abrir: Abrir, tmp_path: Path):
    """A torn line included, and rows that came when there was room again."""
    banco, entero = await abrir(0.5, 0.9, -0.5), await abrir(0.5, 0.9, -0.5, carpeta=tmp_path / "otro")
    await banco.cerrar_vela(30_000.0)
    llenar_disco(banco, 100)
    await banco.cerrar_vela(30_100.0)
    archivo: Any = banco.registro._registro
    assert banco.registro.esperar(60.0)
    archivo._archivo = archivo._archivo._archivo
    await banco.cerrar_vela(30_200.0)
    otra_vez = await banco.volver()
    otra_vez.registro.cerrar()
    for precio in (30_000.0, 30_100.0, 30_200.0):
        await entero.cerrar_vela(precio)

    assert otra_vez.filas == entero.filas


async def test_una_emergencia_que_no_cabe_en_su_fichero_acaba_igual(abrir: Abrir):
    banco = await abrir(0.9)
    await banco.cerrar_vela(30_000.0)
    banco.registro.ruta_emergencias.mkdir()

    with pytest.raises(EmergenciaOperacional, match="the account is flat"):
        await banco.ciclo.emergencia(Razon.OPERACIONAL, frontera(1), "x")
    assert banco.bolsa.estado.posicion is None
    assert leido(banco, "EMERGENCY")["row"][1] == "operational_error"


async def test_asentar_espera_al_disco_y_dice_si_falla(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)
    await banco.ciclo.asentar()
    assert banco.control.bloqueos == set()

    await banco.cerrar_vela(30_000.0)
    banco.diario.roto = True
    await banco.ciclo.asentar()
    assert Bloqueo.SIN_REGISTRO in banco.control.bloqueos


# --- names ---


@pytest.mark.parametrize(
    ("cantidad", "fill", "operacion"),
    [
        (0.0, 0.1, Operacion.ABRIR_LONG),
        (0.0, -0.1, Operacion.ABRIR_SHORT),
        (0.2, 0.1, Operacion.AUMENTAR_LONG),
        (-0.2, -0.1, Operacion.AUMENTAR_SHORT),
        (0.2, -0.1, Operacion.REDUCIR_LONG),
        (-0.2, 0.1, Operacion.REDUCIR_SHORT),
        (0.2, -0.2, Operacion.CERRAR_LONG),
        (-0.2, 0.2, Operacion.CERRAR_SHORT),
    ],
)
def test_un_fill_dice_que_operacion_fue(cantidad: float, fill: float, operacion: Operacion):
    assert operacion_de(cantidad, Ejecucion(fill, 30_000.0, 0.0, 0.0)) is operacion
