"""The account: every difference explained, and the agent's own ledger."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import orjson
import pytest

from src.nucleo.cartera import equity_de
from src.nucleo.errores import LecturaFallida
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import EstadoCuenta, Posicion
from src.produccion.cuenta import PLAZO_INGRESOS_S, Cuenta, Marcador
from src.produccion.puertos import ClaseIngreso
from tests.constructores import HORA_MS, INICIO_MS, una_cuenta
from tests.produccion.falsos import BolsaFalsa

Eventos = list[dict[str, Any]]


async def abrir(capital: float | None = None, **bolsa: Any) -> tuple[Cuenta, BolsaFalsa]:
    falsa = BolsaFalsa(**bolsa)
    cuenta = Cuenta(falsa, falsa.mercado, capital)
    await cuenta.abrir(falsa.reloj.ahora_ms())
    falsa.reloj.instante_ms += HORA_MS
    return cuenta, falsa


async def comprar(cuenta: Cuenta, bolsa: BolsaFalsa, cantidad: float = 0.1) -> None:
    """The agent's own fill."""
    bolsa.operar(cantidad, id_cliente="tm-PROPIA")
    await cuenta.tras_ejecutar((await bolsa.transacciones("BTCUSDT"))[-1:])


def vuelta_al_diario(cuenta: Cuenta) -> Cuenta:
    """Another one that goes on from what the journal keeps of this one."""
    marcador = Marcador.de_lista(orjson.loads(orjson.dumps(cuenta.marcador.a_lista())))
    otra = Cuenta(cuenta._bolsa, cuenta._mercado, cuenta._capital, cuenta._es_de_un_stop)
    otra.reanudar(cuenta.estado, marcador)
    return otra


def avisos(bitacora: Eventos) -> list[str]:
    return [e["event"] for e in bitacora if e["log_level"] in ("warning", "error")]


# --- the snapshot ---


async def test_lo_operado_antes_es_historia():
    bolsa = BolsaFalsa()
    bolsa.operar(0.2)
    cuenta = Cuenta(bolsa, bolsa.mercado)

    estado = await cuenta.abrir(bolsa.reloj.ahora_ms())
    novedades = await cuenta.actualizar()

    assert estado.cantidad == 0.2
    assert novedades.ajenos == ()


async def test_sin_novedad_no_hay_nada_que_explicar(bitacora: Eventos):
    cuenta, _ = await abrir()

    assert await cuenta.actualizar() == ((), 0.0, 0.0)
    assert avisos(bitacora) == []


# --- the agent's own fills ---


async def oir(cuenta: Cuenta, bolsa: BolsaFalsa, cantidad: float) -> None:
    """The agent's own fill, of which no list tells from now on."""
    bolsa.operar(cantidad, id_cliente="tm-OIDA")
    (fila,) = (await bolsa.transacciones("BTCUSDT"))[-1:]
    bolsa.transacciones_tardias = 10**9
    await cuenta.tras_ejecutar([fila._replace(listada=False)])


async def test_un_fill_oido_se_anota_y_no_se_anota_otra_vez_cuando_se_lista():
    cuenta, bolsa = await abrir()
    await oir(cuenta, bolsa, 0.1)
    assert cuenta.estado == bolsa.estado

    assert await cuenta.actualizar() == ((), 0.0, 0.0)
    bolsa.transacciones_tardias = 0
    assert await cuenta.actualizar() == ((), 0.0, 0.0)
    assert cuenta.estado == bolsa.estado
    assert (cuenta.marcador.ultima_transaccion, cuenta.marcador.propias) == (1, frozenset())


async def test_tras_un_fill_oido_la_cuenta_no_se_espera():
    """It is behind as well, and the position waits for its stop."""
    cuenta, bolsa = await abrir()
    bolsa.retraso_lecturas = 5
    pedidos = len(bolsa.pedidos)
    await oir(cuenta, bolsa, 0.1)

    assert cuenta.estado.posicion == Posicion(0.1, 30_000.0)
    assert "cuenta" not in bolsa.pedidos[pedidos:]


@pytest.mark.parametrize("renace", [False, True])
async def test_lo_ajeno_de_antes_de_un_fill_oido_se_anota_cuando_se_lista(renace: bool):
    """The marker may not pass what the same lists do not show either; its id is lower."""
    cuenta, bolsa = await abrir()
    bolsa.operar(0.2, id_cliente="web_1")
    bolsa.operar(-0.2, id_cliente="web_2")
    bolsa.estado = una_cuenta()  # none of it shows in the account either
    await oir(cuenta, bolsa, 0.1)
    assert await cuenta.actualizar() == ((), 0.0, 0.0)
    if renace:
        cuenta = vuelta_al_diario(cuenta)
        assert await cuenta.actualizar(exigente=True) == ((), 0.0, 0.0)
    bolsa.transacciones_tardias = 0
    bolsa.estado = bolsa.estado._replace(saldo=bolsa.estado.saldo - 6.0)

    novedades = await cuenta.actualizar()

    assert [a.movimiento.despues.cantidad for a in novedades.ajenos] == [0.3, 0.1]
    assert cuenta.estado == bolsa.estado


async def test_lo_propio_casa_con_la_aritmetica_del_nucleo(bitacora: Eventos):
    cuenta, bolsa = await abrir()

    bolsa.operar(0.1, 30_000.0, "tm-A")
    entrada = await cuenta.tras_ejecutar((await bolsa.transacciones("BTCUSDT"))[-1:])
    bolsa.operar(-0.1, 31_000.0, "tm-B")
    salida = await cuenta.tras_ejecutar((await bolsa.transacciones("BTCUSDT"))[-1:])

    assert entrada.despues.posicion == Posicion(0.1, 30_000.0)
    assert (entrada.comision, salida.comision) == (1.5, 1.55)
    assert salida.pnl == 100.0
    assert cuenta.estado.saldo == 10_000.0 - 1.5 - 1.55 + 100.0
    assert avisos(bitacora) == []
    assert (await cuenta.actualizar()).ajenos == ()


async def test_una_divergencia_con_la_bolsa_se_avisa(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.operar(0.1, id_cliente="tm-A")
    filas = [fila._replace(comision=0.0) for fila in await bolsa.transacciones("BTCUSDT")]

    await cuenta.tras_ejecutar(filas)

    assert "divergencia_con_la_bolsa" in avisos(bitacora)


async def test_una_lectura_que_va_por_detras_de_la_orden_se_repite(bitacora: Eventos):
    cuenta, bolsa = await abrir(retraso_lecturas=3)
    bolsa.operar(0.1, id_cliente="tm-A")

    movimiento = await cuenta.tras_ejecutar((await bolsa.transacciones("BTCUSDT"))[-1:])

    assert movimiento.despues == bolsa.estado
    assert avisos(bitacora) == []


# --- fills of others ---


async def test_lo_operado_a_mano_se_explica_como_manual():
    cuenta, bolsa = await abrir()
    bolsa.operar(0.2, 29_000.0, "web_1")

    novedades = await cuenta.actualizar()

    (ajeno,) = novedades.ajenos
    assert ajeno.status is StatusFila.MANUAL
    assert (ajeno.precio, ajeno.instante_ms) == (29_000.0, bolsa.reloj.ahora_ms())
    assert ajeno.movimiento.despues == cuenta.estado == bolsa.estado
    assert (novedades.funding, novedades.transferido) == (0.0, 0.0)


async def test_varias_operaciones_se_explican_una_a_una(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    for cantidad, precio in ((0.2, 29_000.0), (0.1, 29_500.0), (-0.3, 30_000.0)):
        bolsa.operar(cantidad, precio, f"web_{precio}")
    bolsa.operar(-0.05, 30_100.0, "web_x")

    ajenos = (await cuenta.actualizar()).ajenos

    assert [a.movimiento.despues.cantidad for a in ajenos] == pytest.approx([0.2, 0.3, 0.0, -0.05])
    for antes, despues in pairwise(ajenos):
        assert antes.movimiento.despues == despues.movimiento.antes
    assert ajenos[-1].movimiento.despues == bolsa.estado
    assert "saldo_sin_explicar" not in avisos(bitacora)


async def test_una_operacion_que_da_la_vuelta_pasa_por_plano(bitacora: Eventos):
    """One fill by hand turns a long into a short: a close and an opening."""
    cuenta, bolsa = await abrir()
    await comprar(cuenta, bolsa, 0.1)
    bolsa.operar(-0.3, 31_000.0, "web_1")

    novedades = await cuenta.actualizar()

    cierre, apertura = novedades.ajenos
    assert cierre.movimiento.despues.posicion is None
    assert cierre.movimiento.pnl == 100.0
    assert apertura.movimiento.pnl == 0.0
    assert apertura.movimiento.despues == bolsa.estado
    assert cierre.movimiento.comision + apertura.movimiento.comision == pytest.approx(0.3 * 31_000 * 0.0005)
    assert (novedades.funding, novedades.transferido) == (0.0, 0.0)
    assert "saldo_sin_explicar" not in avisos(bitacora)


async def test_lo_propio_cuya_respuesta_se_perdio_no_es_manual():
    cuenta, bolsa = await abrir()
    bolsa.operar(0.1, id_cliente="tm-PERDIDA")

    (ajeno,) = (await cuenta.actualizar()).ajenos

    assert ajeno.status is StatusFila.OK


async def test_una_liquidacion_se_reconoce():
    cuenta, bolsa = await abrir()
    await comprar(cuenta, bolsa, 0.5)
    bolsa.liquidar(15_000.0)

    (ajeno,) = (await cuenta.actualizar()).ajenos

    assert ajeno.status is StatusFila.LIQUIDACION
    assert ajeno.movimiento.pnl == -7_500.0
    assert ajeno.movimiento.comision == 0.5 * 15_000 * 0.0125
    assert cuenta.estado.posicion is None


async def test_lo_que_cubre_el_fondo_de_seguros_no_lo_pierde_la_cuenta(bitacora: Eventos):
    cuenta, bolsa = await abrir(estado=una_cuenta(saldo=1_000.0))
    await comprar(cuenta, bolsa, 0.06)
    antes = cuenta.estado.saldo
    bolsa.liquidar(12_000.0)

    (ajeno,) = (await cuenta.actualizar()).ajenos

    movimiento = ajeno.movimiento
    assert cuenta.estado.saldo == movimiento.despues.saldo == 0.0
    assert movimiento.cubierto > 0.0
    assert movimiento.pnl - movimiento.comision == pytest.approx(-antes)
    assert "saldo_sin_explicar" not in avisos(bitacora)


async def test_una_operacion_ajena_que_tarda_en_listarse_se_espera(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.operar(0.2)
    bolsa.transacciones_tardias = 3

    novedades = await cuenta.actualizar()

    assert [a.movimiento.cantidad for a in novedades.ajenos] == [0.2]
    assert novedades.funding == 0.0
    assert "posicion_sin_explicar" not in avisos(bitacora)


async def test_una_posicion_sin_explicar_no_se_da_por_buena(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.operar(0.3)
    bolsa.transacciones_tardias = 10

    with pytest.raises(LecturaFallida, match="do not explain it"):
        await cuenta.actualizar()
    assert cuenta.estado.posicion is None
    assert "posicion_sin_explicar" in avisos(bitacora)
    (ajeno,) = (await cuenta.actualizar()).ajenos
    assert ajeno.movimiento.despues == bolsa.estado


async def test_al_cerrar_la_posicion_sin_explicar_se_toma_como_es(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.estado = una_cuenta(cantidad=0.3)

    await cuenta.actualizar(exigente=False)

    assert cuenta.estado.cantidad == 0.3
    assert "posicion_sin_explicar" in avisos(bitacora)


TARDIA = 200
"""Reads of fills that come back empty; more than are made while they are waited for."""


async def test_al_cerrar_las_ejecuciones_se_esperan_diez_segundos(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    await comprar(cuenta, bolsa)
    bolsa.operar(-0.1, 31_000.0, "tm-EXIT")
    bolsa.transacciones_tardias = 90

    (ajeno,) = (await cuenta.actualizar(exigente=False)).ajenos

    assert ajeno.movimiento.despues == cuenta.estado == bolsa.estado
    assert "posicion_sin_explicar" not in avisos(bitacora)


@pytest.mark.parametrize("capital", [None, 2_500.0])
@pytest.mark.parametrize("reinicio", [False, True])
async def test_lo_que_se_tomo_sin_ejecuciones_tiene_su_fila_cuando_se_listan(
    reinicio: bool, capital: float | None
):
    """Position and money are counted once, and nothing later is poisoned."""
    cuenta, bolsa = await abrir(capital)
    inicial = cuenta.estado.saldo
    await comprar(cuenta, bolsa)
    bolsa.operar(-0.1, 31_000.0, "tm-EXIT")
    bolsa.transacciones_tardias = TARDIA
    assert (await cuenta.actualizar(exigente=False)).ajenos == ()
    assert cuenta.estado.posicion is None
    assert (await cuenta.actualizar()).ajenos == ()

    bolsa.transacciones_tardias = 0
    despues = vuelta_al_diario(cuenta) if reinicio else cuenta
    (ajeno,) = (await despues.actualizar()).ajenos

    assert ajeno.movimiento.antes.posicion == Posicion(0.1, 30_000.0)
    assert (ajeno.movimiento.pnl, ajeno.movimiento.comision) == (100.0, 1.55)
    assert ajeno.movimiento.despues == despues.estado
    assert despues.estado.posicion is None
    assert despues.estado.saldo == pytest.approx(inicial - 1.5 + 100.0 - 1.55)
    assert despues.marcador.sin_explicar == 0.0
    assert await despues.actualizar() == ((), 0.0, 0.0)


async def test_una_ejecucion_tardia_y_la_siguiente_tienen_cada_una_su_fila(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.operar(0.1, id_cliente="tm-PERDIDA")
    bolsa.transacciones_tardias = TARDIA
    await cuenta.actualizar(exigente=False)
    bolsa.transacciones_tardias = 0
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -3.0)
    bolsa.operar(-0.1, 29_000.0, "tm-STOP")

    novedades = await cuenta.actualizar()

    assert [a.movimiento.despues.cantidad for a in novedades.ajenos] == [0.1, 0.0]
    assert [a.movimiento.comision for a in novedades.ajenos] == [1.5, 1.45]
    assert novedades.ajenos[-1].movimiento.despues == cuenta.estado == bolsa.estado
    assert cuenta.marcador.sin_explicar == 0.0


async def test_lo_propio_no_tapa_la_ejecucion_que_se_espera():
    """The agent trades on while the fill that it was taken without is not listed."""
    cuenta, bolsa = await abrir()
    await comprar(cuenta, bolsa)
    bolsa.operar(-0.1, 31_000.0, "tm-EXIT")
    bolsa.transacciones_tardias = TARDIA
    await cuenta.actualizar(exigente=False)
    bolsa.transacciones_tardias = 0
    await comprar(cuenta, bolsa, 0.2)
    bolsa.transacciones_tardias = TARDIA
    assert (await cuenta.actualizar()).ajenos == ()

    bolsa.transacciones_tardias = 0
    (ajeno,) = (await cuenta.actualizar()).ajenos

    assert ajeno.movimiento.cantidad == 0.1
    assert cuenta.estado == bolsa.estado
    assert await cuenta.actualizar() == ((), 0.0, 0.0)


async def test_lo_que_nunca_se_lista_no_se_espera_tras_una_ejecucion_posterior(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.estado = una_cuenta(cantidad=0.3)
    await cuenta.actualizar(exigente=False)
    bolsa.operar(-0.3, 30_000.0, "web_1")

    (ajeno,) = (await cuenta.actualizar()).ajenos

    assert ajeno.movimiento.despues.posicion is None
    assert cuenta.marcador.deuda is None
    assert "ejecuciones_perdidas" in avisos(bitacora)
    assert await cuenta.actualizar() == ((), 0.0, 0.0)


async def test_al_cerrar_lo_que_las_transacciones_cierran_no_vuelve_por_una_lectura_atrasada():
    cuenta, bolsa = await abrir()
    bolsa.operar(0.3)
    await cuenta.actualizar()
    bolsa.operar(-0.3, 31_000.0)
    bolsa.atrasar(100)

    (ajeno,) = (await cuenta.actualizar(exigente=False)).ajenos

    assert cuenta.estado == ajeno.movimiento.despues == bolsa.estado
    bolsa.atrasar(0)
    assert await cuenta.actualizar() == ((), 0.0, 0.0)


async def test_una_ida_y_vuelta_a_mano_entre_dos_miradas_se_explica(bitacora: Eventos):
    """The position is what it was, but the wallet paid for the trip."""
    cuenta, bolsa = await abrir()
    bolsa.operar(0.1, 30_000.0, "web_1")
    bolsa.operar(-0.1, 31_000.0, "web_2")

    novedades = await cuenta.actualizar()

    assert [a.movimiento.cantidad for a in novedades.ajenos] == [0.1, 0.1]
    assert (novedades.funding, novedades.transferido) == (0.0, 0.0)
    assert (await cuenta.actualizar()).ajenos == ()
    assert "saldo_sin_explicar" not in avisos(bitacora)


async def test_lo_ejecutado_por_un_stop_es_proteccion_y_solo_lo_de_otros_se_avisa(bitacora: Eventos):
    bolsa = BolsaFalsa()

    async def es_de_un_stop(id_orden: int) -> bool:
        return id_orden == 2

    cuenta = Cuenta(bolsa, bolsa.mercado, es_de_un_stop=es_de_un_stop)
    await cuenta.abrir(bolsa.reloj.ahora_ms())
    bolsa.operar(0.1, 30_000.0, "web_1")
    bolsa.operar(-0.1, 28_000.0, "tm-HIJA")

    manual, proteccion = (await cuenta.actualizar()).ajenos

    assert (manual.status, proteccion.status) == (StatusFila.MANUAL, StatusFila.PROTECCION)
    contados = [(e["event"], e["log_level"], e["id_cliente"]) for e in bitacora if "id_cliente" in e]
    assert contados == [
        ("operacion_ajena", "warning", "web_1"),
        ("proteccion_ejecutada", "info", "tm-HIJA"),
    ]


# --- fills of both, in any order ---


async def test_lo_ajeno_con_un_id_menor_que_lo_propio_no_se_pierde(bitacora: Eventos):
    """Somebody traded between the decision and its fill."""
    cuenta, bolsa = await abrir()
    bolsa.operar(0.05, 29_900.0, "web_1")
    await comprar(cuenta, bolsa, 0.1)
    assert cuenta.estado.cantidad == 0.1
    assert cuenta.marcador.propias == {2}

    (ajeno,) = (await cuenta.actualizar()).ajenos

    assert (ajeno.status, ajeno.movimiento.cantidad) == (StatusFila.MANUAL, 0.05)
    assert cuenta.estado.saldo == bolsa.estado.saldo
    assert cuenta.estado.cantidad == bolsa.estado.cantidad
    assert (cuenta.marcador.ultima_transaccion, cuenta.marcador.propias) == (2, frozenset())
    assert (await cuenta.actualizar()).ajenos == ()
    assert "saldo_sin_explicar" not in avisos(bitacora)


async def test_lo_propio_que_cierra_lo_ajeno_gana_lo_que_dice_la_bolsa(bitacora: Eventos):
    """Somebody bought just before the agent sold, and the account does not look like the agent's alone."""
    cuenta, bolsa = await abrir()
    bolsa.operar(0.05, 29_000.0, "web_1")
    await comprar(cuenta, bolsa, -0.1)
    assert cuenta.estado.saldo == 10_000.0 + 50.0 - 1.5

    novedades = await cuenta.actualizar()

    assert [a.movimiento.pnl for a in novedades.ajenos] == [0.0]
    assert (novedades.funding, novedades.transferido) == (0.0, 0.0)
    assert cuenta.estado == bolsa.estado
    assert "saldo_sin_explicar" not in avisos(bitacora)


@pytest.mark.parametrize("capital", [None, 2_500.0])
async def test_una_ida_y_vuelta_ajena_antes_de_lo_propio_tiene_sus_filas(
    capital: float | None, bitacora: Eventos
):
    """The position is what the own fill makes of it; only the wallet tells that there was more."""
    cuenta, bolsa = await abrir(capital)
    inicial = cuenta.estado.saldo
    bolsa.operar(0.05, 29_000.0, "web_1")
    bolsa.operar(-0.05, 31_000.0, "web_2")
    await comprar(cuenta, bolsa, 0.1)
    assert cuenta.estado.saldo == inicial - 1.5

    novedades = await cuenta.actualizar()

    assert [a.movimiento.cantidad for a in novedades.ajenos] == [0.05, 0.05]
    assert sum(a.movimiento.pnl for a in novedades.ajenos) == pytest.approx(100.0)
    assert cuenta.estado.saldo == pytest.approx(bolsa.estado.saldo - 10_000.0 + inicial)
    assert (novedades.funding, novedades.transferido) == (0.0, 0.0)
    assert "saldo_sin_explicar" not in avisos(bitacora)


async def test_una_lista_sin_lo_propio_va_por_detras(bitacora: Eventos):
    """What is missing from it may be a fill of somebody else, too."""
    cuenta, bolsa = await abrir()
    bolsa.operar(0.05, 29_000.0, "web_1")
    bolsa.operar(-0.05, 31_000.0, "web_2")
    await comprar(cuenta, bolsa, 0.1)
    bolsa.transacciones_tardias = 5

    assert len((await cuenta.actualizar()).ajenos) == 2
    assert "saldo_sin_explicar" not in avisos(bitacora)


async def test_una_lectura_de_entre_dos_fills_propios_es_de_antes():
    cuenta, bolsa = await abrir()
    await comprar(cuenta, bolsa, 0.3)
    bolsa.operar(-0.1, id_cliente="tm-B")
    intermedia = bolsa.estado
    bolsa.operar(-0.2, id_cliente="tm-C")
    await cuenta.tras_ejecutar((await bolsa.transacciones("BTCUSDT"))[-2:])

    assert await leida(cuenta, bolsa, intermedia) == cuenta.estado
    await asyncio.sleep(10.1)
    assert await leida(cuenta, bolsa, intermedia) == intermedia


async def test_lo_que_se_tuvo_antes_de_tomar_la_cuenta_sin_sus_fills_es_de_antes():
    cuenta, bolsa = await abrir()
    await comprar(cuenta, bolsa, 0.3)
    await cuenta.actualizar()
    larga = bolsa.estado
    bolsa.transacciones_tardias = 10**9
    bolsa.operar(-0.3)
    await cuenta.actualizar(exigente=False, plazo_s=0.0)

    assert cuenta.estado.posicion is None
    assert await leida(cuenta, bolsa, larga) == cuenta.estado


async def leida(cuenta: Cuenta, bolsa: BolsaFalsa, vieja: EstadoCuenta) -> EstadoCuenta:
    """What comes of a reading that shows what was once held."""
    bolsa._antes = vieja
    bolsa.atrasar(1)
    return await cuenta.leer_sin_retroceder()


async def test_lo_propio_que_nunca_se_lista_no_detiene_la_cuenta():
    cuenta, bolsa = await abrir()
    await comprar(cuenta, bolsa, 0.1)
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.0)
    bolsa.transacciones_tardias = 1_000

    assert (await cuenta.actualizar()).funding == -1.0


async def test_el_funding_que_llega_con_lo_propio_es_funding():
    cuenta, bolsa = await abrir()
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -3.0)
    await comprar(cuenta, bolsa, 0.1)
    assert cuenta.estado.saldo == 9_998.5

    assert await cuenta.actualizar() == ((), -3.0, 0.0)
    assert cuenta.estado == bolsa.estado


async def test_lo_propio_que_ya_se_conto_no_se_cuenta_otra_vez_tras_un_reinicio():
    cuenta, bolsa = await abrir()
    bolsa.operar(0.05, 29_900.0, "web_1")
    await comprar(cuenta, bolsa, 0.1)

    otra = vuelta_al_diario(cuenta)
    (ajeno,) = (await otra.actualizar()).ajenos

    assert ajeno.status is StatusFila.MANUAL
    assert otra.estado.cantidad == bolsa.estado.cantidad
    assert otra.estado.saldo == bolsa.estado.saldo


async def test_todo_lo_que_paso_mientras_no_habia_nadie_se_explica(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    await comprar(cuenta, bolsa, 0.1)
    for i in range(1_200):
        bolsa.operar(0.01 if i % 2 else -0.01, 30_000.0 + i % 7, f"web_{i}")
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -2.0)
    bolsa.cobrar(ClaseIngreso.TRANSFER, 1_000.0)

    otra = vuelta_al_diario(cuenta)
    novedades = await otra.actualizar()

    assert len(novedades.ajenos) == 1_200
    assert (novedades.funding, novedades.transferido) == (-2.0, 1_000.0)
    assert otra.estado.saldo == bolsa.estado.saldo
    assert otra.estado.cantidad == pytest.approx(bolsa.estado.cantidad)
    assert "saldo_sin_explicar" not in avisos(bitacora)


async def test_un_ingreso_que_se_lista_tarde_explica_lo_que_quedo_sin_explicar(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.sumar_a_la_cartera(100.0)
    assert (await cuenta.actualizar(exigente=False)).funding == 100.0
    assert cuenta.marcador.sin_explicar == 100.0

    bolsa.sumar_a_la_cartera(-100.0)
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, 100.0)
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.0)
    otra = vuelta_al_diario(cuenta)
    novedades = await otra.actualizar()

    assert (novedades.funding, novedades.transferido) == (-1.0, 0.0)
    assert otra.marcador.sin_explicar == 0.0


# --- income ---


async def test_el_funding_explica_la_cartera(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -3.25)

    novedades = await cuenta.actualizar()

    assert novedades == ((), -3.25, 0.0)
    assert avisos(bitacora) == []


async def test_un_deposito_no_es_ganancia(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.cobrar(ClaseIngreso.TRANSFER, 5_000.0)
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, 1.5)

    novedades = await cuenta.actualizar()

    assert (novedades.funding, novedades.transferido) == (1.5, 5_000.0)
    assert avisos(bitacora) == []


@pytest.mark.parametrize("monto", [-3_000.0, 3_000.0])
async def test_una_transferencia_que_se_lista_tarde_no_es_ganancia_ni_perdida(
    monto: float, bitacora: Eventos
):
    cuenta, bolsa = await abrir()
    bolsa.sumar_a_la_cartera(monto)
    conocido = (cuenta.estado, cuenta.marcador)

    for _ in range(2):
        with pytest.raises(LecturaFallida, match="no listed income explains all of it yet") as fallo:
            await cuenta.actualizar()
        assert type(fallo.value) is LecturaFallida
        assert (cuenta.estado, cuenta.marcador) == conocido
    bolsa.sumar_a_la_cartera(-monto)
    bolsa.cobrar(ClaseIngreso.TRANSFER, monto)

    assert await cuenta.actualizar() == ((), 0.0, monto)
    assert cuenta.estado == bolsa.estado
    assert cuenta.marcador.sin_explicar == 0.0
    assert avisos(bitacora) == []


async def test_lo_que_explica_una_parte_espera_a_la_otra():
    cuenta, bolsa = await abrir()
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.0)
    bolsa.sumar_a_la_cartera(-500.0)

    with pytest.raises(LecturaFallida):
        await cuenta.actualizar()
    bolsa.sumar_a_la_cartera(500.0)
    bolsa.cobrar(ClaseIngreso.TRANSFER, -500.0)

    assert await cuenta.actualizar() == ((), -1.0, -500.0)


async def test_un_saldo_que_nada_explica_a_tiempo_se_asienta_y_se_avisa(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.sumar_a_la_cartera(-7.0)
    with pytest.raises(LecturaFallida):
        await cuenta.actualizar()

    await asyncio.sleep(PLAZO_INGRESOS_S)

    assert await cuenta.actualizar() == ((), -7.0, 0.0)
    assert cuenta.marcador.sin_explicar == -7.0
    assert "saldo_sin_explicar" in avisos(bitacora)


async def test_cada_cambio_sin_explicar_tiene_su_plazo():
    cuenta, bolsa = await abrir()
    for monto in (-7.0, -9.0):
        bolsa.sumar_a_la_cartera(monto)
        with pytest.raises(LecturaFallida):
            await cuenta.actualizar()
        await asyncio.sleep(PLAZO_INGRESOS_S)
        assert (await cuenta.actualizar()).funding == monto


async def test_al_cerrar_un_saldo_sin_explicar_no_se_espera(bitacora: Eventos):
    cuenta, bolsa = await abrir()
    bolsa.sumar_a_la_cartera(-7.0)

    assert await cuenta.actualizar(exigente=False) == ((), -7.0, 0.0)
    assert "saldo_sin_explicar" in avisos(bitacora)


@pytest.mark.parametrize("monto", [0.37, -0.37])
async def test_un_abono_de_la_bolsa_explica_la_cartera_enseguida(monto: float, bitacora: Eventos):
    """A rebate or a bonus is profit like any other: it keeps nobody from reading the account."""
    cuenta, bolsa = await abrir()
    bolsa.cobrar(ClaseIngreso.OTRO, monto)

    assert await cuenta.actualizar() == ((), monto, 0.0)
    assert asyncio.get_running_loop().time() == 0.0
    assert "saldo_sin_explicar" not in avisos(bitacora)


@pytest.mark.parametrize("arrastre", [0.0, -7.0])
async def test_un_funding_normal_no_espera_a_nada(arrastre: float):
    """Not even after a change that no row will ever explain."""
    cuenta, bolsa = await abrir()
    bolsa.sumar_a_la_cartera(arrastre)
    await cuenta.actualizar(exigente=False)
    antes_s = asyncio.get_running_loop().time()
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.0)

    assert await cuenta.actualizar() == ((), -1.0, 0.0)
    assert asyncio.get_running_loop().time() == antes_s
    assert cuenta.marcador.sin_explicar == arrastre


async def test_una_mota_de_redondeo_no_espera_a_ningun_ingreso():
    cuenta, bolsa = await abrir()
    bolsa.sumar_a_la_cartera(1e-8)

    assert (await cuenta.actualizar()).funding == 1e-8


@pytest.mark.parametrize("retraso_ms", [0, 150])
@pytest.mark.parametrize("clase", [ClaseIngreso.TRANSFER, ClaseIngreso.FUNDING_FEE])
async def test_un_ingreso_cuenta_una_sola_vez(clase: ClaseIngreso, retraso_ms: int, bitacora: Eventos):
    """Funding is posted a little after the boundary that the candle is known by."""
    cuenta, bolsa = await abrir()
    frontera = bolsa.reloj.ahora_ms()
    bolsa.cobrar(clase, 100.0, frontera + retraso_ms)
    primera = await cuenta.actualizar()
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.0, frontera + HORA_MS)

    segunda = await cuenta.actualizar()

    assert primera.funding + primera.transferido == 100.0
    assert (segunda.funding, segunda.transferido) == (-1.0, 0.0)
    assert avisos(bitacora) == []


async def test_un_ingreso_del_mismo_milisegundo_que_el_anterior_tambien_cuenta():
    """In lockstep the clock stands still: two things may happen at the same instant."""
    cuenta, bolsa = await abrir()
    frontera = bolsa.reloj.ahora_ms()
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.0, frontera)
    await cuenta.actualizar()
    bolsa.cobrar(ClaseIngreso.TRANSFER, 100.0, frontera)

    novedades = await cuenta.actualizar()

    assert (novedades.funding, novedades.transferido) == (0.0, 100.0)


# --- the agent's own ledger ---


async def test_el_libro_empieza_con_lo_asignado():
    cuenta, _ = await abrir(2_500.0)

    assert cuenta.estado.saldo == 2_500.0


async def test_el_libro_no_ve_el_dinero_de_otros_simbolos(bitacora: Eventos):
    cuenta, bolsa = await abrir(2_500.0)
    bolsa.sumar_a_la_cartera(750.0)

    novedades = await cuenta.actualizar()

    assert cuenta.estado.saldo == 2_500.0
    assert novedades == ((), 0.0, 0.0)
    assert avisos(bitacora) == []


async def test_el_libro_gana_y_pierde_con_lo_suyo(bitacora: Eventos):
    cuenta, bolsa = await abrir(2_500.0)
    bolsa.operar(0.1, 30_000.0, "tm-A")
    await cuenta.tras_ejecutar((await bolsa.transacciones("BTCUSDT"))[-1:])
    bolsa.sumar_a_la_cartera(750.0)
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -2.0)
    await cuenta.actualizar()
    bolsa.operar(-0.1, 31_000.0, "tm-B")

    movimiento = await cuenta.tras_ejecutar((await bolsa.transacciones("BTCUSDT"))[-1:])

    assert cuenta.estado.saldo == pytest.approx(2_500.0 - 1.5 - 2.0 + 100.0 - 1.55)
    assert equity_de(movimiento.despues, 31_000.0) == cuenta.estado.saldo
    assert avisos(bitacora) == []


async def test_una_operacion_a_mano_del_simbolo_es_del_libro():
    cuenta, bolsa = await abrir(2_500.0)
    bolsa.operar(0.1, 30_000.0, "web_1")

    await cuenta.actualizar()

    assert cuenta.estado == (2_498.5, Posicion(0.1, 30_000.0))


@pytest.mark.parametrize("retraso_ms", [0, 150])
async def test_el_funding_entra_en_el_libro_una_sola_vez(retraso_ms: int):
    cuenta, bolsa = await abrir(2_500.0)
    frontera = bolsa.reloj.ahora_ms()
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -2.0, frontera + retraso_ms)
    await cuenta.actualizar()

    await cuenta.actualizar()

    assert cuenta.estado.saldo == 2_498.0


async def test_el_libro_se_pone_al_dia_tras_un_reinicio():
    """Fills and funding while the daemon was down are its own; they are taken once."""
    cuenta, bolsa = await abrir(2_500.0)
    await comprar(cuenta, bolsa, 0.1)
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.0)
    await cuenta.actualizar()
    guardada = vuelta_al_diario(cuenta)
    bolsa.reloj.instante_ms += HORA_MS
    bolsa.operar(-0.04, 31_000.0, "tm-C")
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -2.0)
    bolsa.sumar_a_la_cartera(500.0)

    await guardada.actualizar()
    assert guardada.estado.saldo == pytest.approx(2_500.0 - 1.5 - 1.0 + 40.0 - 0.62 - 2.0)
    assert guardada.estado.cantidad == pytest.approx(0.06)

    saldo = guardada.estado.saldo
    assert await guardada.actualizar() == ((), 0.0, 0.0)
    assert guardada.estado.saldo == saldo


async def test_un_libro_nuevo_no_hereda_lo_de_antes():
    bolsa = BolsaFalsa()
    bolsa.operar(0.2)
    bolsa.operar(-0.2, 20_000.0)
    bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -50.0)
    bolsa.reloj.instante_ms += HORA_MS

    estado = await Cuenta(bolsa, bolsa.mercado, 2_500.0).abrir(INICIO_MS + HORA_MS)

    assert estado.saldo == 2_500.0
