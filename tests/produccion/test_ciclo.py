"""One candle after the other: decide, send, explain, write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.nucleo.a_mano import OrdenPedida
from src.nucleo.errores import (
    DatosInvalidos,
    EmergenciaDrawdown,
    EmergenciaOperacional,
    LecturaFallida,
    OrdenRechazada,
)
from src.nucleo.registro import StatusFila
from src.nucleo.stops import TipoProteccion
from src.nucleo.tipos import LadoOrden, Observacion
from src.produccion.diario.memoria import MemoriaAgente, recordar_agente
from src.produccion.ordenes.ejecutor import id_cliente_de
from src.produccion.puertos import ClaseIngreso, EventoMargen, EventoMark
from src.produccion.riesgo.control_riesgo import Bloqueo
from src.produccion.riesgo.enclavamiento import Razon, leer_respaldo
from tests.constructores import HORA_MS, una_cuenta
from tests.produccion.banco import AGENTE, Banco, Lectura, frontera, montar
from tests.produccion.discos import colgado
from tests.produccion.falsos import BolsaFalsa, Parcial, Pierde, PoliticaGuion

Abrir = Callable[..., Awaitable[Banco]]


@pytest.fixture
async def abrir(tmp_path: Path) -> AsyncIterator[Abrir]:
    """Build a bench on the test's directory; its files are closed at the end."""
    bancos: list[Banco] = []

    async def construir(*acciones: float, desde: Banco | None = None, **cambios: Any) -> Banco:
        nuevo = montar(tmp_path / "produccion", *acciones, **cambios) if desde is None else desde.volver()
        bancos.append(await nuevo)
        return bancos[-1]

    yield construir
    for banco in bancos:
        banco.registro.cerrar()


def columna(banco: Banco, nombre: str) -> list[str]:
    return [fila[nombre] for fila in banco.filas]


def recordado(banco: Banco) -> MemoriaAgente:
    """What the next life would know of the agent."""
    return recordar_agente(Lectura(banco.diario.eventos).leer(f"agent:{AGENTE}"))


def comprobar_conservacion(banco: Banco, inicial: float, funding: float = 0.0) -> None:
    """Balance moves by what the rows say, and by the funding settled between them."""
    saldo, otros = inicial, 0.0
    for fila in banco.filas:
        explicado = float(fila["pnl_realizado"]) + float(fila["pnl_parcial"]) - float(fila["comision"])
        otros += float(fila["balance"]) - saldo - explicado
        saldo = float(fila["balance"])
    assert otros == pytest.approx(funding, abs=1e-9)


# --- rows ---


async def test_cada_vela_es_una_fila(abrir: Abrir):
    banco = await abrir(0.5, 0.5, -0.5, 0.0)
    for precio in (30_000.0, 30_100.0, 30_500.0, 30_400.0):
        await banco.cerrar_vela(precio)

    assert columna(banco, "paso") == ["1", "2", "3", "4"]
    assert columna(banco, "operacion") == ["abrir_long", "mantener", "cerrar_long", "mantener"]
    assert columna(banco, "resultado") == ["ejecutada", "ninguna", "ejecutada", "ninguna"]
    assert columna(banco, "status") == ["ok"] * 4
    assert columna(banco, "precio") == ["30000.0", "30100.0", "30500.0", "30400.0"]
    assert columna(banco, "timestamp")[0] == "2024-02-11T21:00:00.000Z"
    assert columna(banco, "operaciones_total") == ["0", "0", "1", "1"]
    comprobar_conservacion(banco, 10_000.0)


async def test_la_recompensa_es_la_del_paso_que_termina(abrir: Abrir):
    banco = await abrir(0.5)
    for precio in (30_000.0, 31_000.0, 29_000.0):
        await banco.cerrar_vela(precio)

    primera, subida, bajada = columna(banco, "recompensa")
    assert primera == ""
    assert float(subida) > 0.0 > float(bajada)


async def test_la_politica_ve_la_cuenta_y_la_ventana_al_cierre(abrir: Abrir):
    banco = await abrir(0.5, 0.5)
    await banco.cerrar_vela(30_000.0)
    await banco.cerrar_vela(31_000.0)

    plana, larga = banco.politica.vistas
    np.testing.assert_array_equal(plana.portfolio, np.array([1.0, 0.0, 0.0], np.float32))
    cantidad = banco.bolsa.estado.cantidad
    equity = banco.bolsa.estado.saldo + cantidad * 1_000.0
    esperado = [equity / 10_000, cantidad * 1_000 / 1_000, 1.0]
    np.testing.assert_array_equal(larga.portfolio, np.array(esperado, np.float32))
    assert larga.market[-1, 3] == np.float32(31_000.0)


async def test_la_decision_queda_en_el_diario_con_su_orden(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)

    apertura = frontera()
    ficha = f"{AGENTE}:{apertura}:abrir_long:0"
    assert banco.diario.ultimo("ORDER_INTENT")["token"] == ficha
    assert banco.bolsa.aceptadas[0].id_cliente == id_cliente_de(ficha)
    decidida = banco.diario.ultimo("CANDLE_DECIDED")
    assert decidida["candle"] == list(banco.datos.ultima)
    assert decidida["plan"] == ["abrir_long", [0.333], False, ""]
    instantanea = recordado(banco).instantanea
    assert instantanea is not None
    assert instantanea.ultima_decidida_ms == apertura


# --- what is not sent ---


async def test_por_debajo_del_nocional_minimo_se_rechaza_y_se_dice(abrir: Abrir):
    banco = await abrir(0.06, estado=una_cuenta(saldo=100.0))
    await banco.cerrar_vela(30_000.0)

    (fila,) = banco.filas
    assert (fila["status"], fila["resultado"], fila["operacion"]) == ("rechazada", "rechazada", "abrir_long")
    assert fila["error"].startswith("filters: ")
    assert banco.bolsa.enviadas == []


async def test_un_rechazo_de_la_bolsa_es_una_fila_rechazada(abrir: Abrir):
    banco = await abrir(0.5)
    banco.bolsa.fallos.append(OrdenRechazada("Margin is insufficient. (code -2019, HTTP 400)", codigo=-2019))
    await banco.cerrar_vela(30_000.0)

    (fila,) = banco.filas
    assert (fila["status"], fila["resultado"]) == ("rechazada", "rechazada")
    assert "-2019" in fila["error"]
    assert fila["comision"] == "0.0"
    assert len(banco.bolsa.enviadas) == 1


async def test_una_vela_vieja_se_mira_pero_no_se_actua(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.datos.actualizar(banco.datos.ultima)
    await banco.ciclo.procesar_vela(frontera(), "stale candle: it closed 45.0 s ago")

    (fila,) = banco.filas
    assert (fila["status"], fila["error"]) == ("rechazada", "stale candle: it closed 45.0 s ago")
    assert banco.bolsa.enviadas == []


async def test_fuera_de_lo_entrenado_no_se_abre(abrir: Abrir):
    banco = await abrir(0.5, rango=(0.0, 0.0), fraccion_fuera_max=0.75)
    await banco.cerrar_vela(30_000.0)

    assert banco.filas[0]["error"].startswith("entries_blocked: the market is outside")
    assert banco.bolsa.enviadas == []


@pytest.mark.parametrize("mala", [float("nan"), 1.5])
async def test_una_accion_imposible_no_es_cero(abrir: Abrir, mala: float):
    banco = await abrir(mala)

    with pytest.raises(DatosInvalidos, match="action is"):
        await banco.cerrar_vela(30_000.0)
    assert banco.filas == []


async def test_sin_poder_leer_la_cuenta_no_se_decide(abrir: Abrir):
    banco = await abrir(0.5, lecturas_fallidas=0)
    banco.bolsa.lecturas_fallidas = 1

    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_000.0)
    assert banco.politica.vistas == []
    await banco.cerrar_vela(30_100.0)
    assert columna(banco, "operacion") == ["abrir_long"]


# --- orders whose fate is unknown ---


async def test_una_orden_sin_resolver_impide_abrir(abrir: Abrir):
    banco = await abrir(0.5, 0.9, estado=una_cuenta(cantidad=0.1), consultas_en_curso=True)
    banco.bolsa.fallos.append(Pierde.ANTES)
    await banco.cerrar_vela(30_000.0)
    await banco.cerrar_vela(30_000.0)

    assert columna(banco, "resultado") == ["incierta", "rechazada"]
    assert banco.filas[1]["error"] == "entries_blocked: an order is unresolved"
    assert len(banco.bolsa.enviadas) == 1


async def test_una_orden_sin_resolver_impide_abrir_tambien_tras_un_reinicio(abrir: Abrir):
    """Its row is written, so nothing waits for its end: the journal's open order alone holds the entry."""
    banco = await abrir(0.5, consultas_fallidas=1_000)
    banco.bolsa.fallos.append(Pierde.ANTES)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.consultas_fallidas = 0
    otro = await volver(abrir, banco)
    assert otro.control.bloqueos == {Bloqueo.INCIERTO}
    await otro.cerrar_vela(30_000.0)

    assert columna(otro, "resultado") == ["incierta", "rechazada"]
    assert otro.filas[1]["error"] == "entries_blocked: an order is unresolved"
    assert len(otro.bolsa.enviadas) == 1


async def test_sin_poder_preguntar_por_una_orden_no_se_decide(abrir: Abrir):
    banco = await abrir(0.5, consultas_fallidas=1_000)
    banco.bolsa.fallos.append(Pierde.ANTES)
    await banco.cerrar_vela(30_000.0)

    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_000.0)
    assert len(banco.bolsa.enviadas) == 1


async def test_una_orden_sin_resolver_no_impide_salir(abrir: Abrir):
    banco = await abrir(0.5, -0.5, estado=una_cuenta(cantidad=0.1), consultas_en_curso=True)
    banco.bolsa.fallos.append(Pierde.ANTES)
    await banco.cerrar_vela(30_000.0)
    await banco.cerrar_vela(30_000.0)

    assert columna(banco, "resultado") == ["incierta", "ejecutada"]
    assert columna(banco, "operacion") == ["aumentar_long", "cerrar_long"]
    assert banco.control.bloqueos == {Bloqueo.INCIERTO}
    assert banco.bolsa.estado.posicion is None


async def test_una_orden_incierta_que_se_ejecuto_aparece_despues_con_sus_costos(abrir: Abrir):
    banco = await abrir(0.5, 0.0, consultas_fallidas=1_000)
    banco.bolsa.fallos.append(Pierde.DESPUES)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.consultas_fallidas = 0
    await banco.cerrar_vela(30_100.0)

    assert columna(banco, "resultado") == ["incierta", "ejecutada", "ninguna"]
    assert columna(banco, "operacion") == ["abrir_long", "abrir_long", "mantener"]
    assert columna(banco, "status") == ["rechazada", "ok", "ok"]
    assert float(banco.filas[1]["comision"]) > 0.0
    assert banco.control.bloqueos == set()
    assert len(banco.bolsa.enviadas) == 1
    comprobar_conservacion(banco, 10_000.0)


async def test_una_orden_a_medias_vale_por_lo_que_se_ejecuto(abrir: Abrir):
    banco = await abrir(0.5, 0.0)
    banco.bolsa.fallos.append(Parcial(0.1))
    await banco.cerrar_vela(30_000.0)

    (fila,) = banco.filas
    assert (fila["resultado"], fila["cantidad_activa"]) == ("ejecutada", "0.1")
    comprobar_conservacion(banco, 10_000.0)


async def abrir_sin_listar(abrir: Abrir) -> Banco:
    """An entry was filled, and the exchange does not list its fills."""
    banco = await abrir(0.5, 0.0)
    banco.bolsa.transacciones_tardias = 1_000
    with pytest.raises(LecturaFallida, match="not listed"):
        await banco.cerrar_vela(30_000.0)
    banco.bolsa.transacciones_tardias = 0
    return banco


async def test_una_decision_a_medias_se_acaba_en_la_misma_vela(abrir: Abrir):
    banco = await abrir_sin_listar(abrir)
    await banco.decidir()
    assert not banco.ciclo.debe_decidir()

    assert columna(banco, "operacion") == ["abrir_long"]
    assert len(banco.bolsa.enviadas) == len(banco.politica.vistas) == 1
    comprobar_conservacion(banco, 10_000.0)


async def test_una_decision_a_medias_se_acaba_antes_de_decidir_la_vela_siguiente(abrir: Abrir):
    banco = await abrir_sin_listar(abrir)
    await banco.cerrar_vela(30_100.0)

    assert columna(banco, "operacion") == ["abrir_long", "mantener"]
    assert columna(banco, "status") == ["ok", "ok"]
    assert columna(banco, "precio") == ["30000.0", "30100.0"]
    assert columna(banco, "paso") == ["1", "2"]
    comprobar_conservacion(banco, 10_000.0)


# --- what others do ---


async def test_lo_operado_a_mano_es_una_fila_propia_antes_de_la_vela(abrir: Abrir):
    banco = await abrir(0.0)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.operar(0.1, 29_500.0)
    await banco.cerrar_vela(30_100.0)

    assert columna(banco, "status") == ["ok", "manual", "ok"]
    manual = banco.filas[1]
    assert (manual["paso"], manual["operacion"], manual["action"]) == ("1", "abrir_long", "")
    assert manual["precio"] == "29500.0"
    comprobar_conservacion(banco, 10_000.0)


async def test_una_liquidacion_es_una_fila_propia(abrir: Abrir):
    banco = await abrir(0.9, 0.0, limite=1.0)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.liquidar(16_000.0)
    await banco.cerrar_vela(16_000.0)

    assert columna(banco, "status") == ["ok", "liquidacion", "ok"]
    assert banco.filas[1]["operacion"] == "cerrar_long"
    assert banco.filas[2]["posicion_abierta"] == "false"
    comprobar_conservacion(banco, 10_000.0)


async def test_el_funding_mueve_el_saldo_entre_filas(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.5, banco.bolsa.reloj.ahora_ms() + HORA_MS)
    await banco.cerrar_vela(30_000.0)

    comprobar_conservacion(banco, 10_000.0, funding=-1.5)


@pytest.mark.parametrize("monto", [10_000.0, -5_000.0])
async def test_una_transferencia_escala_pico_y_referencia(abrir: Abrir, monto: float):
    banco = await abrir(0.0, equity_maximo=12_000.0)
    await banco.cerrar_vela(30_000.0)
    drawdown_antes = 1 - 10_000 / 12_000
    banco.bolsa.cobrar(ClaseIngreso.TRANSFER, monto)
    await banco.cerrar_vela(30_000.0)

    factor = (10_000.0 + monto) / 10_000.0
    assert banco.control.estado.equity_maximo == pytest.approx(12_000.0 * factor)
    assert banco.diario.ultimo("REFERENCE")["equity"] == pytest.approx(10_000.0 * factor)
    assert banco.politica.vistas[-1].portfolio[0] == np.float32(1.0)
    assert banco.ciclo.max_drawdown == pytest.approx(drawdown_antes)


async def test_una_transferencia_vista_al_cerrar_tampoco_es_ganancia(abrir: Abrir):
    banco = await abrir(0.5, 0.0)
    await banco.cerrar_vela(30_000.0)
    saldo = banco.cuenta.estado.saldo
    banco.bolsa.cobrar(ClaseIngreso.TRANSFER, -5_000.0)
    await banco.ciclo.cerrar_y_seguir("blind:1", frontera(1))

    assert banco.control.estado.equity_maximo == pytest.approx(5_000.0, rel=2e-3)
    assert banco.cuenta.estado.saldo == pytest.approx(saldo - 5_000.0, abs=6.0)
    await banco.cerrar_vela(30_000.0)
    assert banco.control.bloqueos == set()


async def test_el_libro_queda_en_el_diario_tras_cada_vela(abrir: Abrir):
    banco = await abrir(0.5, capital=2_000.0)
    await banco.cerrar_vela(30_000.0)

    guardado = recordado(banco).instantanea
    assert guardado is not None
    assert guardado.cuenta.saldo == banco.cuenta.estado.saldo < 2_000.0
    assert guardado.marcador == banco.cuenta.marcador
    assert guardado.marcador.propias == {1}
    assert abs(banco.bolsa.estado.cantidad) == pytest.approx(0.5 * 2_000 * 2 / 30_000, abs=1e-3)


# --- emergencies ---


def marcar(banco: Banco, precio: float, segundos: float) -> bool:
    """A mark price some seconds after the last candle."""
    banco.bolsa.precio_actual = precio
    return banco.ciclo.tomar_mark(EventoMark(precio, banco.bolsa.reloj.ahora_ms() + int(segundos * 1_000)))


async def test_una_brecha_entre_velas_se_confirma_con_dos_precios(abrir: Abrir):
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)

    assert not marcar(banco, 26_000.0, 1)
    assert not marcar(banco, 25_900.0, 1.5)
    assert marcar(banco, 25_800.0, 2)


async def test_con_una_orden_en_vuelo_la_cuenta_no_se_vigila(abrir: Abrir):
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)
    banco.cuenta.en_vuelo = True

    assert not marcar(banco, 20_000.0, 1)
    assert not marcar(banco, 20_000.0, 3)


async def test_la_emergencia_cierra_enclava_y_lo_escribe(abrir: Abrir):
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)
    marcar(banco, 26_000.0, 0)

    with pytest.raises(EmergenciaDrawdown, match="drawdown limit") as fallo:
        await banco.ciclo.emergencia(Razon.DRAWDOWN, frontera(1) + 1_000, "drawdown 0.24")

    assert fallo.value.codigo_salida == 3
    assert banco.bolsa.estado.posicion is None
    assert banco.diario.tipos("risk") == ["PEAK", "LATCHED", "FLAT"]
    (fila,) = banco.filas[1:]
    assert (fila["status"], fila["operacion"], fila["terminated"]) == ("emergencia", "cerrar_long", "true")
    (emergencia,) = banco.emergencias
    assert emergencia["razon"] == "max_drawdown"
    assert emergencia["posiciones_cerradas"] == "1"
    assert float(emergencia["balance_final"]) == banco.bolsa.estado.saldo
    assert emergencia["equity_final"] == emergencia["balance_final"]
    assert emergencia["detalles"] == "drawdown 0.24"
    comprobar_conservacion(banco, 10_000.0)


async def test_una_emergencia_no_cree_una_lectura_de_antes_de_la_entrada(abrir: Abrir):
    """One reading by a replica that lags shows the account flat."""
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.atrasar(1)

    with pytest.raises(EmergenciaDrawdown):
        await banco.ciclo.emergencia(Razon.DRAWDOWN, frontera(1) + 1_000, "drawdown 0.24")

    assert banco.bolsa.estado.posicion is None
    assert [fila["operacion"] for fila in banco.filas] == ["abrir_long", "cerrar_long"]
    comprobar_conservacion(banco, 10_000.0)


def decidir(banco: Banco) -> Awaitable[object]:
    """The agent opens."""
    return banco.cerrar_vela(30_000.0)


def pedir(banco: Banco) -> Awaitable[object]:
    """A person opens."""
    pedida = OrdenPedida(LadoOrden.BUY, Decimal("0.1"))
    return banco.ciclo.abrir_a_mano(pedida, "mando-1", "ana", lambda: True)


@pytest.mark.parametrize("abre", [decidir, pedir])
async def test_lo_abierto_sin_anotar_no_se_da_por_cerrado_con_una_lectura_vieja(
    abrir: Abrir, abre: Callable[[Banco], Awaitable[object]]
):
    """An entry is filled, its fill is not listed, and one reading is from before it."""
    banco = await abrir(0.9, proteccion=TipoProteccion.CATASTROFE)
    banco.bolsa.transacciones_tardias = 1_000
    with pytest.raises(LecturaFallida):
        await abre(banco)
    banco.bolsa.transacciones_tardias = 0
    banco.bolsa.atrasar(1)

    await banco.ciclo.cerrar_posicion("exit", frontera(1), StatusFila.MANUAL)

    assert banco.bolsa.estado.posicion is None
    assert banco.cuenta.estado.posicion is None


async def test_una_emergencia_no_acaba_mientras_la_cuenta_tenga_algo(abrir: Abrir):
    """Somebody opens again after the account was seen flat, while its stops are looked for."""
    banco = await abrir(0.9, 0.0, proteccion=TipoProteccion.CATASTROFE)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.al_listar_stops = lambda: len(banco.bolsa.enviadas) == 2 and banco.bolsa.operar(0.1)

    with pytest.raises(EmergenciaDrawdown):
        await banco.ciclo.emergencia(Razon.DRAWDOWN, frontera(1) + 1_000, "drawdown 0.24")

    assert [orden.cantidad for orden in banco.bolsa.enviadas][2:] == [0.1]
    assert banco.bolsa.estado.posicion is None
    assert banco.diario.tipos("risk")[-1] == "FLAT"


async def test_una_emergencia_operacional_cierra_pero_no_enclava(abrir: Abrir):
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)

    with pytest.raises(EmergenciaOperacional) as fallo:
        await banco.ciclo.emergencia(Razon.OPERACIONAL, frontera(1), "5 errors in a row")

    assert fallo.value.codigo_salida == 4
    assert "LATCHED" not in banco.diario.tipos()
    assert banco.emergencias[0]["razon"] == "operational_error"


async def test_una_emergencia_sin_posicion_tambien_se_escribe(abrir: Abrir):
    banco = await abrir(0.0)
    await banco.cerrar_vela(30_000.0)

    with pytest.raises(EmergenciaOperacional):
        await banco.ciclo.emergencia(Razon.OPERACIONAL, frontera(1), "x")

    assert banco.emergencias[0]["posiciones_cerradas"] == "0"
    assert len(banco.filas) == 1


async def test_la_emergencia_se_dispara_en_el_cierre_de_la_vela(abrir: Abrir):
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)
    marcar(banco, 26_000.0, 10)

    with pytest.raises(EmergenciaDrawdown):
        await banco.cerrar_vela(25_900.0)
    assert columna(banco, "status") == ["ok", "emergencia"]


async def test_lo_operado_a_mano_justo_antes_de_la_emergencia_tambien_se_cierra(abrir: Abrir):
    """The live quantity is what closes, whatever the daemon thought it was."""
    banco = await abrir(0.5, 0.0)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.operar(0.2, 30_000.0, "web_1")

    with pytest.raises(EmergenciaDrawdown):
        await banco.ciclo.emergencia(Razon.DRAWDOWN, frontera(1), "x")

    assert banco.bolsa.estado.posicion is None
    assert columna(banco, "status") == ["ok", "manual", "emergencia"]
    comprobar_conservacion(banco, 10_000.0)


async def test_una_emergencia_con_ejecuciones_tardias_no_pierde_la_fila(abrir: Abrir):
    banco = await abrir(0.5, 0.0)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.transacciones_tardias = 12

    with pytest.raises(EmergenciaDrawdown):
        await banco.ciclo.emergencia(Razon.DRAWDOWN, frontera(1), "x")

    assert columna(banco, "status") == ["ok", "emergencia"]
    comprobar_conservacion(banco, 10_000.0)


async def test_con_el_diario_roto_la_emergencia_cierra_igual(abrir: Abrir):
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)
    banco.diario.roto = True

    with pytest.raises(EmergenciaDrawdown):
        await banco.ciclo.emergencia(Razon.DRAWDOWN, frontera(1), "x")

    assert banco.bolsa.estado.posicion is None
    assert len(banco.emergencias) == 1
    cerrojo = leer_respaldo(banco.mundo.carpeta / "estado")
    assert cerrojo is not None
    assert cerrojo.razon is Razon.DRAWDOWN


async def test_con_el_disco_colgado_la_emergencia_acaba_con_su_codigo(
    abrir: Abrir, bitacora: list[dict[str, object]]
):
    """The exchange refuses the exit at first, and the journal and the latch's file never answer."""
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.fallos.extend([OrdenRechazada("no", codigo=-2019)] * 6)
    original = banco.diario.anotar

    async def colgarse(agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        if tipo == "LATCHED":
            await asyncio.sleep(1e9)
        await original(agregado, tipo, instante_ms, contenido)

    banco.diario.anotar = colgarse  # type: ignore[method-assign]
    with (
        colgado(banco.mundo.carpeta / "estado" / "ENCLAVADO.json.new"),
        pytest.raises(EmergenciaDrawdown, match=r"the account is flat; THE LATCH IS NOT ON DISK") as fallo,
    ):
        await banco.ciclo.emergencia(Razon.DRAWDOWN, frontera(1), "x")

    assert fallo.value.codigo_salida == 3
    assert banco.bolsa.estado.posicion is None
    assert {"event": "enclavamiento_sin_escribir", "log_level": "critical"}.items() <= bitacora[-1].items()


async def test_la_ficha_de_una_emergencia_no_cuenta_como_vela_decidida(abrir: Abrir):
    banco = await abrir(0.9, 0.0)
    await banco.cerrar_vela(30_000.0)

    with pytest.raises(EmergenciaOperacional):
        await banco.ciclo.emergencia(Razon.OPERACIONAL, frontera(1) + 900_000, "x")

    instantanea = recordado(banco).instantanea
    assert instantanea is not None
    assert instantanea.ultima_decidida_ms == frontera()


async def test_sin_equity_es_una_emergencia(abrir: Abrir):
    banco = await abrir(0.0, limite=1.0, estado=una_cuenta(saldo=1_000.0, cantidad=0.06))

    with pytest.raises(EmergenciaDrawdown):
        await banco.cerrar_vela(13_000.0)


async def test_una_posicion_encontrada_al_empezar_se_cuenta(abrir: Abrir):
    banco = await abrir(0.0, estado=una_cuenta(cantidad=0.1))
    await banco.cerrar_vela(30_000.0)

    (fila,) = banco.filas
    assert (fila["posicion_abierta"], fila["trade_id_activo"], fila["cantidad_activa"]) == (
        "true",
        "1",
        "0.1",
    )


async def test_cerrar_al_salir_es_una_fila_manual(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)

    assert await banco.ciclo.cerrar_posicion("exit:1", frontera(1), StatusFila.MANUAL) == 1
    assert columna(banco, "status") == ["ok", "manual"]
    assert columna(banco, "terminated") == ["false", "false"]
    comprobar_conservacion(banco, 10_000.0)


# --- the resident stop ---


async def abrir_protegida(abrir: Abrir, *acciones: float) -> Banco:
    """A long position with its stop, after one candle."""
    banco = await abrir(*acciones, proteccion=TipoProteccion.CATASTROFE, fraccion_liquidacion=0.1)
    await banco.cerrar_vela(30_000.0)
    assert banco.ciclo.protegida
    return banco


def gatillo(banco: Banco) -> float:
    (stop,) = banco.bolsa.stops_vivos
    return stop.gatillo


async def test_tras_abrir_hay_un_stop_en_su_nivel(abrir: Abrir):
    banco = await abrir_protegida(abrir, 0.9)

    assert gatillo(banco) == banco.protector.nivel
    assert banco.control.bloqueos == set()


async def test_un_mark_mas_alla_del_stop_aplaza_la_vigilancia(abrir: Abrir):
    """The stop has probably closed the position: what would be measured is not there any more."""
    banco = await abrir_protegida(abrir, 0.9)
    antes = banco.control.estado
    assert not marcar(banco, gatillo(banco) - 5_000.0, 1)
    assert not marcar(banco, gatillo(banco) - 5_000.0, 5)

    assert banco.ciclo.stop_tocado
    assert banco.control.estado == antes


async def test_al_mirar_la_cuenta_el_stop_tocado_tiene_su_fila(abrir: Abrir):
    banco = await abrir_protegida(abrir, 0.9)
    nivel = gatillo(banco)
    marcar(banco, nivel - 100.0, 1)
    banco.bolsa.mover(nivel - 100.0)

    assert not await banco.ciclo.mirar(frontera(1) + 1_500)
    assert not banco.ciclo.stop_tocado
    assert columna(banco, "status") == ["ok", "proteccion"]
    assert banco.filas[-1]["precio"] == str(round(nivel - 100.0, 1))
    assert banco.bolsa.stops_vivos == []
    assert banco.ciclo.protegida
    comprobar_conservacion(banco, 10_000.0)


async def test_un_stop_tocado_que_no_salto_vuelve_a_vigilarse(abrir: Abrir):
    """The mark touched the level and the exchange did nothing: the loss is real."""
    banco = await abrir_protegida(abrir, 0.9)
    marcar(banco, gatillo(banco) - 3_000.0, 1)

    assert not await banco.ciclo.mirar(frontera(1) + 1_500)
    assert await banco.ciclo.mirar(frontera(1) + 3_000)


async def test_sin_poder_leer_la_cuenta_el_stop_sigue_tocado(abrir: Abrir):
    banco = await abrir_protegida(abrir, 0.9)
    marcar(banco, gatillo(banco) - 100.0, 1)
    banco.bolsa.lecturas_fallidas = 1

    with pytest.raises(LecturaFallida):
        await banco.ciclo.mirar(frontera(1) + 1_500)
    assert banco.ciclo.stop_tocado


async def test_una_posicion_que_no_admite_stop_se_cierra_y_se_sigue(abrir: Abrir):
    banco = await abrir(0.9, 0.9, proteccion=TipoProteccion.CATASTROFE)
    banco.bolsa.fallos_stop.extend([OrdenRechazada("refused (code -1111)", codigo=-1111)] * 10)
    await banco.cerrar_vela(30_000.0)

    assert columna(banco, "status") == ["ok", "proteccion"]
    assert banco.bolsa.estado.posicion is None
    banco.bolsa.fallos_stop.clear()
    await banco.cerrar_vela(30_100.0)
    assert columna(banco, "operacion")[-1] == "abrir_long"
    assert banco.ciclo.protegida
    comprobar_conservacion(banco, 10_000.0)


async def test_lo_que_se_cierra_por_no_tener_stop_queda_en_el_diario(abrir: Abrir):
    banco = await abrir(0.9, proteccion=TipoProteccion.CATASTROFE)
    banco.bolsa.fallos_stop.extend([OrdenRechazada("refused (code -1111)", codigo=-1111)] * 10)
    await banco.cerrar_vela(30_000.0)

    apunte = banco.diario.ultimo("PROTECTION_LOST")
    assert str(apunte["reason"]).startswith("no stop could be placed at ")
    assert "refused (code -1111)" in str(apunte["reason"])
    assert apunte["quantity"] == float(banco.filas[0]["cantidad"])
    tipos = banco.diario.tipos()
    assert tipos.index("PROTECTION_LOST") < max(i for i, tipo in enumerate(tipos) if tipo == "ORDER_INTENT")


async def test_un_cierre_que_tarda_por_falta_de_stop_se_anota_una_vez(abrir: Abrir):
    """Every try to close it is for the same want; once it was protected, the next want is another one."""
    banco = await abrir_protegida(abrir, 0.9)
    for motivo in ("the first try", "the second try"):
        banco.ciclo.anotar_abandono(motivo)
    await banco.ciclo.mirar(frontera(1))
    banco.ciclo.anotar_abandono("another time")

    abandonos = [e.contenido["reason"] for e in banco.diario.eventos if e.tipo == "PROTECTION_LOST"]
    assert abandonos == ["the first try", "another time"]


async def test_sin_posicion_no_hay_nada_que_abandonar(abrir: Abrir):
    banco = await abrir(0.0)
    banco.ciclo.anotar_abandono("no stop")

    assert "PROTECTION_LOST" not in banco.diario.tipos()


async def test_al_cerrar_no_queda_ningun_stop(abrir: Abrir):
    banco = await abrir_protegida(abrir, 0.9, -0.5)
    await banco.cerrar_vela(30_100.0)

    assert banco.bolsa.stops_vivos == []
    assert banco.control.bloqueos == set()


async def test_la_emergencia_deja_la_cuenta_sin_stops(abrir: Abrir):
    banco = await abrir_protegida(abrir, 0.9)
    with pytest.raises(EmergenciaDrawdown):
        await banco.ciclo.emergencia(Razon.DRAWDOWN, frontera(1), "x")

    assert banco.bolsa.estado.posicion is None
    assert banco.bolsa.stops_vivos == []
    assert columna(banco, "status") == ["ok", "emergencia"]


async def test_con_el_aviso_de_margen_no_se_abre(abrir: Abrir):
    banco = await abrir(0.5)
    banco.ciclo.tomar_aviso_de_margen(EventoMargen(frontera()))
    await banco.cerrar_vela(30_000.0)

    assert "liquidation is near" in banco.filas[0]["error"]
    assert banco.bolsa.enviadas == []


# --- what happened between two lives ---


async def volver(abrir: Abrir, banco: Banco) -> Banco:
    """Another daemon goes on; its files are closed with the others."""
    return await abrir(desde=banco)


async def test_un_stop_que_salto_sin_nadie_tiene_su_fila(abrir: Abrir):
    banco = await abrir_protegida(abrir, 0.9, 0.9)
    banco.bolsa.mover(gatillo(banco) - 50.0)
    banco = await volver(abrir, banco)

    assert columna(banco, "status") == ["ok", "proteccion"]
    assert banco.cuenta.estado == banco.bolsa.estado
    comprobar_conservacion(banco, 10_000.0)


async def test_un_stop_que_falta_al_volver_se_pone(abrir: Abrir):
    banco = await abrir_protegida(abrir, 0.9)
    nivel = gatillo(banco)
    banco.bolsa.soltar_stops()
    banco = await volver(abrir, banco)
    for _ in range(3):
        await banco.ciclo.mirar(frontera(1))

    assert gatillo(banco) == nivel


@pytest.mark.parametrize(
    ("suceso", "statuses"),
    [
        (lambda bolsa: bolsa.liquidar(16_000.0), ["liquidacion"]),
        (lambda bolsa: bolsa.operar(-bolsa.estado.cantidad, 29_900.0), ["manual"]),
        (lambda bolsa: [bolsa.operar(0.01, 29_900.0) for _ in range(1_100)], ["manual"] * 1_100),
    ],
    ids=["liquidacion", "a_mano", "muchas"],
)
async def test_lo_que_paso_sin_nadie_tiene_sus_filas(
    abrir: Abrir, suceso: Callable[[BolsaFalsa], object], statuses: list[str]
):
    banco = await abrir(0.5, 0.0)
    await banco.cerrar_vela(30_000.0)
    suceso(banco.bolsa)
    banco = await volver(abrir, banco)

    assert columna(banco, "status") == ["ok", *statuses]
    assert banco.cuenta.estado == banco.bolsa.estado
    await banco.cerrar_vela(29_900.0)
    assert columna(banco, "paso")[-1] == "2"
    comprobar_conservacion(banco, 10_000.0)


async def test_el_funding_sin_nadie_mueve_el_saldo(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.5)
    banco = await volver(abrir, banco)
    await banco.cerrar_vela(30_000.0)

    comprobar_conservacion(banco, 10_000.0, funding=-1.5)


@pytest.mark.parametrize("reinicios", [1, 3])
@pytest.mark.parametrize("monto", [10_000.0, -5_000.0])
async def test_una_transferencia_sin_nadie_escala_una_sola_vez(abrir: Abrir, monto: float, reinicios: int):
    """The next decision may be an hour away: what was scaled has to be known before it."""
    banco = await abrir(0.0, equity_maximo=12_000.0)
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.cobrar(ClaseIngreso.TRANSFER, monto)
    for _ in range(reinicios):
        banco = await volver(abrir, banco)

    factor = (10_000.0 + monto) / 10_000.0
    assert banco.control.estado.equity_maximo == pytest.approx(12_000.0 * factor)
    assert banco.cronica.capital_referencia == pytest.approx(10_000.0 * factor)
    await banco.cerrar_vela(30_000.0)
    assert banco.politica.vistas[-1].portfolio[0] == np.float32(1.0)
    assert banco.ciclo.max_drawdown == pytest.approx(1 - 10_000 / 12_000)


async def test_el_mismo_fichero_sigue_tras_un_reinicio(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)
    otro = await volver(abrir, banco)
    await otro.cerrar_vela(30_100.0)

    assert otro.registro.ruta == banco.registro.ruta
    assert columna(otro, "paso") == ["1", "2"]
    assert columna(otro, "velas_activa") == ["0", "1"]
    assert columna(otro, "recompensa")[1] != ""


async def test_una_vela_decidida_no_se_decide_otra_vez_tras_un_reinicio(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)
    banco = await volver(abrir, banco)
    await banco.decidir()

    assert len(banco.politica.vistas) == 1
    assert len(banco.bolsa.enviadas) == 1


async def test_antes_de_la_primera_decision_tambien_se_sabe_lo_que_habia(abrir: Abrir):
    """What somebody did before it is not taken for what the account began with."""
    banco = await abrir(0.0, estado=una_cuenta(cantidad=0.1))
    banco.bolsa.operar(-0.1, 30_000.0)
    banco = await volver(abrir, banco)

    assert columna(banco, "status") == ["manual"]
    comprobar_conservacion(banco, 10_000.0)


class PoliticaQueVeCaer(PoliticaGuion):
    """While it thinks for the second time, the market falls through the stop and comes back."""

    bolsa: BolsaFalsa

    def predecir(self, observacion: Observacion) -> float:
        if len(self.vistas) == 1:
            precio = self.bolsa.precio_actual
            self.bolsa.mover(precio * 0.5)
            self.bolsa.mover(precio)
        return super().predecir(observacion)


async def test_un_aumento_cuya_posicion_ya_no_estaba_no_es_una_entrada(abrir: Abrir):
    politica = PoliticaQueVeCaer(0.4, 0.8, 0.0)
    banco = await abrir(politica=politica, proteccion=TipoProteccion.CATASTROFE)
    politica.bolsa = banco.bolsa
    await banco.cerrar_vela(30_000.0)

    await banco.cerrar_vela(30_000.0)
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())

    assert banco.bolsa.estado.posicion is None
    assert banco.cuenta.estado == banco.bolsa.estado
    assert [fila["status"] for fila in banco.filas] == ["ok", "ok", "proteccion", "proteccion"]
    assert list(banco.bolsa.stops_vivos) == []
