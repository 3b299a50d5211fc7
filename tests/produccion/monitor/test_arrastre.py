"""Trailing hand-made operations."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from src.nucleo.errores import OrdenRechazada
from src.nucleo.stops import OrdenStop
from src.produccion.almacen.conexion import escribir
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop
from src.produccion.almacen.operaciones import EstadoOperacion
from src.produccion.almacen.reclamos import Reclamo, tomar_reclamo
from src.produccion.monitor.arrastre import Arrastrada, Arrastre, Hecho
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.residentes import Papel, deseadas, orden_residente
from src.produccion.monitor.tipos import Vigilada
from src.produccion.puertos import CuentaBolsa, StopBolsa
from tests.constructores import INICIO_MS
from tests.produccion.falsos import BolsaFalsa
from tests.produccion.monitor import fabrica as f

RED = True


def _arrastre(motor: Engine, bolsa: BolsaFalsa, costo: float = 0.0015, *, ensayo: bool = False) -> Arrastre:
    return Arrastre(Libro(motor), bolsa, bolsa.reloj, f.CUENTA, costo, ensayo=ensayo, ajustes=f.DEPRISA)


async def _mirar(motor: Engine, bolsa: BolsaFalsa, costo: float = 0.0015, **opciones: bool) -> Arrastrada:
    (arrastrada,) = [a async for a in _arrastre(motor, bolsa, costo, **opciones).recorrer()]
    return arrastrada


async def _adoptada(motor: Engine, **cambios: object) -> tuple[Vigilada, BolsaFalsa]:
    """A hand-made operation with all that protects it at the exchange."""
    (operacion,) = f.guardar(motor, f.una_operacion(**{"hand_made": True, "resident_stop": True} | cambios))
    bolsa = f.una_bolsa()
    for orden in deseadas(operacion).values():
        await bolsa.colocar_stop(orden)
    bolsa.pedidos.clear()
    return operacion, bolsa


def _gatillos(bolsa: BolsaFalsa) -> list[tuple[str, float, float | None]]:
    return sorted(((s.tipo, s.gatillo, s.cantidad) for s in bolsa.stops_vivos), key=lambda t: t[:2])


BASE = [("STOP_MARKET", 88_200.0, None), ("TAKE_PROFIT_MARKET", 93_600.0, 0.01)]


async def test_por_niveles_con_objetivo(motor: Engine):
    """40 % of the way: break-even with costs. The initial stop stays; then 50 %: 20 % of the way is kept."""
    operacion, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)

    primera = await _mirar(motor, bolsa)
    assert (primera.hecho, primera.antes, primera.despues, primera.nivel) == (
        Hecho.ADJUSTED,
        88_200.0,
        90_135.0,
        "break_even",
    )
    assert _gatillos(bolsa) == [BASE[0], ("STOP_MARKET", 90_135.0, 0.01), BASE[1]]

    bolsa.mover(91_800.0)
    segunda = await _mirar(motor, bolsa)
    assert (segunda.despues, segunda.nivel) == (90_720.0, "profit_20")
    assert _gatillos(bolsa) == [BASE[0], ("STOP_MARKET", 90_720.0, 0.01), BASE[1]]
    guardada = f.operacion(motor, operacion.operation_id)
    assert (guardada.stop_price, guardada.initial_stop_price, guardada.ts_previous_stop) == (
        90_720,
        88_200,
        90_135,
    )
    assert (guardada.ts_level_applied, guardada.ts_previous_level) == ("profit_20", "break_even")
    assert guardada.stop_execution_token != operacion.token


async def test_el_nuevo_esta_antes_de_que_el_viejo_se_vaya(motor: Engine):
    _, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)
    await _mirar(motor, bolsa)
    bolsa.pedidos.clear()
    bolsa.mover(91_800.0)

    await _mirar(motor, bolsa)

    cambios = [pedido for pedido in bolsa.pedidos if pedido in ("colocar_stop", "cancelar_stop")]
    assert cambios == ["colocar_stop", "cancelar_stop"]


async def test_por_tramos_sin_objetivo(motor: Engine):
    """A span of 1,800: after two of them the stop is one span beyond the entry."""
    _, bolsa = await _adoptada(motor, target_price=None)
    bolsa.mover(93_700.0)

    arrastrada = await _mirar(motor, bolsa)

    assert (arrastrada.despues, arrastrada.nivel) == (91_800.0, "span_2")


async def test_sin_costos_el_break_even_es_la_entrada(motor: Engine):
    _, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)
    assert (await _mirar(motor, bolsa, 0.0)).despues == 90_000.0


async def test_nunca_se_afloja(motor: Engine):
    _, bolsa = await _adoptada(motor)
    bolsa.mover(91_800.0)
    await _mirar(motor, bolsa)
    antes = _gatillos(bolsa)
    bolsa.mover(90_800.0)

    arrastrada = await _mirar(motor, bolsa)

    assert (arrastrada.hecho, arrastrada.despues) == (Hecho.UNCHANGED, 90_720.0)
    assert _gatillos(bolsa) == antes


async def test_un_ensayo_no_toca_nada(motor: Engine):
    operacion, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)

    arrastrada = await _mirar(motor, bolsa, ensayo=True)

    assert (arrastrada.hecho, arrastrada.despues) == (Hecho.ADJUSTED, 90_135.0)
    assert _gatillos(bolsa) == BASE
    assert f.operacion(motor, operacion.operation_id).stop_price == 88_200


async def test_un_ensayo_sobre_una_posicion_que_se_fue_no_la_cierra(motor: Engine):
    operacion, bolsa = await _adoptada(motor)
    bolsa.operar(-0.01)
    antes, esperan = f.operacion(motor, operacion.operation_id), _gatillos(bolsa)

    assert (await _mirar(motor, bolsa, ensayo=True)).hecho is Hecho.CLOSED
    assert f.operacion(motor, operacion.operation_id) == antes
    assert antes.closed_at_ms is None
    assert _gatillos(bolsa) == esperan == [BASE[1]]
    assert f.tipos(motor) == []


async def test_un_ensayo_ve_lo_que_la_bolsa_perdio_y_no_lo_pone(motor: Engine):
    _, bolsa = await _adoptada(motor)
    bolsa.soltar_stops()

    assert (await _mirar(motor, bolsa, ensayo=True)).hecho is Hecho.REARMED
    assert bolsa.stops_vivos == []


async def test_lo_que_la_bolsa_perdio_se_pone_otra_vez(motor: Engine):
    _, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)
    await _mirar(motor, bolsa)
    antes = _gatillos(bolsa)
    bolsa.soltar_stops()

    arrastrada = await _mirar(motor, bolsa)

    assert arrastrada.hecho is Hecho.REARMED
    assert _gatillos(bolsa) == antes


async def test_una_que_no_tenia_nada_en_la_bolsa_lo_tiene_desde_ahora(motor: Engine):
    """Filled in from a percentage, for example: from then on the monitor gives the exchange its time."""
    (operacion,) = f.guardar(motor, f.una_operacion(hand_made=True, resident_stop=False))
    bolsa = f.una_bolsa()

    assert (await _mirar(motor, bolsa)).hecho is Hecho.REARMED
    assert _gatillos(bolsa) == BASE
    assert f.operacion(motor, operacion.operation_id).resident_stop


async def test_una_posicion_mayor_lleva_stops_mayores(motor: Engine):
    operacion, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)
    await _mirar(motor, bolsa)
    bolsa.operar(0.01, 90_000.0)

    await _mirar(motor, bolsa)

    assert [cantidad for _, _, cantidad in _gatillos(bolsa)] == [None, 0.02, 0.02]
    assert float(f.operacion(motor, operacion.operation_id).quantity) == 0.02


async def test_mientras_se_ejecuta_no_se_mueve(motor: Engine):
    """A stop whose execution has begun keeps its token."""
    operacion, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)
    evento = EventoStopNuevo(
        operacion.token or "", TipoEventoStop.STOP_TRIGGERED, INICIO_MS, "BTCUSDT", FuenteStop.WS
    )
    await Libro(motor).anotar(evento)

    assert (await _mirar(motor, bolsa)).hecho is Hecho.BUSY
    assert _gatillos(bolsa) == BASE


async def test_quien_llega_segundo_no_hace_nada(motor: Engine):
    operacion, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)
    tomar_reclamo(motor, f"trail:{operacion.operation_id}", "otro", "tm-otro")

    assert (await _mirar(motor, bolsa)).hecho is Hecho.BUSY
    assert _gatillos(bolsa) == BASE


async def test_dos_a_la_vez_dejan_un_solo_stop_que_arrastra(motor: Engine):
    _, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)

    await asyncio.gather(_mirar(motor, bolsa), _mirar(motor, bolsa))
    await _mirar(motor, bolsa)

    assert _gatillos(bolsa) == [BASE[0], ("STOP_MARKET", 90_135.0, 0.01), BASE[1]]


@pytest.mark.parametrize("codigo", [-2021, -4045])
async def test_si_el_nuevo_no_entra_el_viejo_sigue(motor: Engine, codigo: int):
    operacion, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)
    bolsa.fallos_stop = deque([OrdenRechazada("no", codigo=codigo)])

    arrastrada = await _mirar(motor, bolsa)

    assert arrastrada.hecho is Hecho.FAILED
    assert _gatillos(bolsa) == BASE
    assert f.operacion(motor, operacion.operation_id).stop_price == 88_200


@pytest.mark.parametrize("momento", ["antes", "despues"])
async def test_quien_perdio_el_reclamo_no_estorba_al_siguiente(motor: Engine, momento: str):
    """It stood still for longer than its claim holds: another one took over and tightened further."""
    operacion, bolsa = await _adoptada(motor)
    bolsa.mover(91_440.0)
    lento, colocar = _arrastre(motor, bolsa), bolsa.colocar_stop
    veces = iter((True,))

    async def el_otro() -> None:
        with escribir(motor) as conexion:
            conexion.execute(text("UPDATE claims SET lease_until_ms = 0"))
        bolsa.mover(91_800.0)
        assert (await _mirar(motor, bolsa)).despues == 90_720.0

    class Lenta(Libro):
        async def renovar(self, reclamo: Reclamo, id_cliente: str | None = None) -> bool:
            if momento == "antes" and next(veces, False):
                await el_otro()
            return await super().renovar(reclamo, id_cliente)

    async def despacio(orden: OrdenStop) -> StopBolsa:
        puesto = await colocar(orden)
        if momento == "despues" and next(veces, False):
            await el_otro()
        return puesto

    lento._libro = Lenta(motor)
    bolsa.colocar_stop = despacio
    (arrastrada,) = [a async for a in lento.recorrer()]

    assert arrastrada.hecho is Hecho.BUSY
    assert _gatillos(bolsa) == [BASE[0], ("STOP_MARKET", 90_720.0, 0.01), BASE[1]]
    assert float(f.operacion(motor, operacion.operation_id).stop_price or 0) == 90_720.0


@pytest.mark.parametrize("donde", ["almacen", "candado"])
async def test_lo_que_opera_un_demonio_no_se_toca(motor: Engine, tmp_path: Path, donde: str):
    """Its brake is a stop of ours on the same side, which is no stop of this operation."""
    operacion, bolsa = await _adoptada(motor)
    await bolsa.colocar_stop(orden_residente(operacion, Papel.TRAIL, 87_000.0))
    bolsa.mover(91_440.0)
    arrastre = _arrastre(motor, bolsa)
    arrastre._libro = Libro(motor, estado=tmp_path)
    if donde == "almacen":
        presentarse(motor, DemonioNuevo(f.CUENTA, "BTCUSDT", 7, "aqui"))
        (arrastrada,) = [a async for a in arrastre.recorrer()]
    else:
        with f.candado_ajeno(tmp_path):
            (arrastrada,) = [a async for a in arrastre.recorrer()]

    assert (arrastrada.hecho, arrastrada.motivo) == (Hecho.BUSY, "a daemon trades the symbol")
    assert ("STOP_MARKET", 87_000.0, 0.01) in _gatillos(bolsa)
    assert len(bolsa.stops_vivos) == 3


async def test_un_stop_mas_cenido_no_se_cancela(motor: Engine):
    operacion, bolsa = await _adoptada(motor)
    await bolsa.colocar_stop(orden_residente(operacion, Papel.TRAIL, 89_000.0))

    await _mirar(motor, bolsa)

    assert _gatillos(bolsa) == [BASE[0], ("STOP_MARKET", 89_000.0, 0.01), BASE[1]]


async def test_una_posicion_que_se_fue_cierra_la_operacion(motor: Engine):
    operacion, bolsa = await _adoptada(motor)
    bolsa.operar(-0.01)

    assert (await _mirar(motor, bolsa)).hecho is Hecho.CLOSED
    assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED
    assert bolsa.stops_vivos == []


async def test_una_recien_abierta_no_se_da_por_cerrada_por_una_lectura_vieja(motor: Engine):
    """A read may still be of before it was opened: its stop would be swept away under an open position."""
    operacion, bolsa = await _adoptada(motor, opened_at_ms=f.AHORA_MS - 1_000)
    abierta = bolsa.estado
    bolsa.estado = abierta._replace(posicion=None)
    cuenta = bolsa.cuenta

    async def una_vieja(simbolo: str) -> CuentaBolsa:
        leida = await cuenta(simbolo)
        bolsa.estado = abierta
        return leida

    bolsa.cuenta = una_vieja  # type: ignore[method-assign]

    assert (await _mirar(motor, bolsa)).hecho is Hecho.UNCHANGED
    assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.ACTIVE
    assert _gatillos(bolsa) == BASE


async def test_las_de_un_agente_no_se_tocan(motor: Engine):
    f.guardar(motor, f.una_operacion(agent_id="agente", hand_made=False))
    assert [a async for a in _arrastre(motor, f.una_bolsa(91_440.0)).recorrer()] == []
