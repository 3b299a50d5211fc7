"""Drawdown, the gate before orders, and closing everything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from src.nucleo.errores import EmergenciaOperacional, OrdenRechazada
from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import Rechazo
from src.nucleo.tipos import LadoOrden, Operacion
from src.produccion.control_riesgo import Bloqueo, ControlRiesgo
from src.produccion.ejecutor import Ejecutor
from tests.constructores import un_mercado, una_cuenta, unos_filtros, unos_limites
from tests.produccion.falsos import BolsaFalsa, DiarioFalso, Pierde

ENTRADA = Plan(Operacion.ABRIR_LONG, (0.1,), False)
AUMENTO = Plan(Operacion.AUMENTAR_SHORT, (-0.1,), False)
SALIDA = Plan(Operacion.CERRAR_LONG, (-0.1,), True)


def montar(
    limite: float = 0.2, fuera: float = 1.0, **bolsa: Any
) -> tuple[ControlRiesgo, BolsaFalsa, DiarioFalso]:
    falsa, diario = BolsaFalsa(**bolsa), DiarioFalso()
    ejecutor = Ejecutor(falsa, diario, falsa.reloj, "BTCUSDT")
    control = ControlRiesgo(
        falsa,
        ejecutor,
        diario,
        falsa.reloj,
        falsa.mercado,
        unos_limites(),
        limite,
        10_000.0,
        fraccion_fuera_max=fuera,
    )
    return control, falsa, diario


def rechazo(codigo: int) -> OrdenRechazada:
    return OrdenRechazada(f"refused (code {codigo})", codigo=codigo)


# --- drawdown ---


def test_el_aviso_suena_una_vez_por_acercamiento(bitacora: list[dict[str, Any]]):
    control, _, _ = montar()
    for instante, equity in enumerate((8_500.0, 8_300.0, 8_500.0, 8_200.0, 9_500.0, 8_350.0, 8_300.0)):
        control.verificar_drawdown(equity, instante)

    avisos = [e for e in bitacora if e["event"] == "drawdown_cerca_del_limite"]
    assert [e["drawdown"] for e in avisos] == [0.17, 0.165]


def test_una_brecha_se_confirma_un_segundo_despues():
    control, _, _ = montar()

    assert not control.verificar_drawdown(7_990.0, 1_000).confirmado
    assert not control.verificar_drawdown(7_900.0, 1_999).confirmado
    assert control.verificar_drawdown(7_950.0, 2_000).confirmado


def test_una_brecha_que_se_cierra_vuelve_a_empezar():
    control, _, _ = montar()
    control.verificar_drawdown(7_900.0, 0)
    control.verificar_drawdown(8_100.0, 5_000)

    assert not control.verificar_drawdown(7_900.0, 6_000).confirmado


def test_el_primer_pico_se_guarda_aunque_no_haya_subido():
    """Otherwise a restart would start the drawdown again from the equity of that moment."""
    control, _, diario = montar()
    control.guardar_pico()
    control.guardar_pico()

    assert [e.contenido["equity"] for e in diario.eventos] == [10_000.0]


def test_el_pico_se_guarda_cuando_sube_y_solo_entonces():
    control, _, diario = montar()
    for equity in (10_500.0, 10_400.0, 11_000.0, 9_000.0):
        control.verificar_drawdown(equity, 0)
        control.guardar_pico()

    assert [e.contenido["equity"] for e in diario.eventos] == [10_500.0, 11_000.0]


def test_un_deposito_escala_el_pico_y_queda_escrito():
    control, _, diario = montar()
    control.verificar_drawdown(12_000.0, 0)

    control.escalar(1.5)

    assert control.estado.equity_maximo == 18_000.0
    assert diario.ultimo("PEAK")["equity"] == 18_000.0
    assert not control.verificar_drawdown(16_000.0, 9_000).drawdown.excedido


async def test_enclavar_queda_escrito():
    control, _, diario = montar()

    await control.enclavar("drawdown 0.21")

    assert diario.tipos("risk") == ["LATCHED"]
    assert diario.ultimo("LATCHED")["reason"] == "max_drawdown"


async def test_no_poder_enclavar_es_una_emergencia():
    control, _, diario = montar()
    diario.roto = True

    with pytest.raises(EmergenciaOperacional):
        await control.enclavar("x")


# --- the gate ---


@pytest.mark.parametrize("bloqueo", list(Bloqueo))
def test_bloqueado_no_se_abre_pero_se_sale(bloqueo: Bloqueo):
    control, _, _ = montar()
    control.bloqueos.add(bloqueo)

    for plan in (ENTRADA, AUMENTO):
        validacion = control.validar_accion_pre(plan, una_cuenta(), 30_000.0, 30_000.0)
        assert validacion.rechazo is Rechazo.BLOQUEO
        assert bloqueo.value in validacion.detalle
    assert control.validar_accion_pre(SALIDA, una_cuenta(cantidad=0.1), 30_000.0, 30_000.0).valida


def test_en_brecha_sin_confirmar_tampoco_se_abre():
    control, _, _ = montar()
    control.verificar_drawdown(7_900.0, 0)

    assert control.validar_accion_pre(ENTRADA, una_cuenta(), 30_000.0, 30_000.0).rechazo is Rechazo.BLOQUEO
    assert control.validar_accion_pre(SALIDA, una_cuenta(cantidad=0.1), 30_000.0, 30_000.0).valida


def test_sin_margen_no_se_envia():
    control, _, _ = montar()
    enorme = Plan(Operacion.ABRIR_LONG, (0.7,), False)

    assert control.validar_accion_pre(enorme, una_cuenta(), 30_000.0, 30_000.0).rechazo is Rechazo.MARGEN


def test_por_debajo_de_los_minimos_no_se_envia():
    control, _, _ = montar()
    nada = Plan(Operacion.ABRIR_LONG, (), False, "notional 12.00 is below the symbol's minimum 50.0")

    validacion = control.validar_accion_pre(nada, una_cuenta(), 30_000.0, 30_000.0)

    assert (validacion.rechazo, validacion.detalle) == (Rechazo.FILTROS, nada.motivo)


def test_fuera_de_lo_entrenado_primero_se_avisa_y_luego_no_se_abre(bitacora: list[dict[str, Any]]):
    control, _, _ = montar(fuera=0.5)

    for fraccion in (0.1, 0.3, 0.4):
        control.vigilar_rango(fraccion)
    assert control.validar_accion_pre(ENTRADA, una_cuenta(), 30_000.0, 30_000.0).valida
    control.vigilar_rango(0.6)
    assert not control.validar_accion_pre(ENTRADA, una_cuenta(), 30_000.0, 30_000.0).valida
    control.vigilar_rango(0.4)
    assert control.validar_accion_pre(ENTRADA, una_cuenta(), 30_000.0, 30_000.0).valida
    assert [e["fraccion"] for e in bitacora if e["event"] == "rasgos_fuera_de_rango"] == [0.3]


# --- closing everything ---


async def test_cerrar_todo_cancela_y_sale_reduciendo():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=-0.3))

    filas = await control.cerrar_todo("f")

    (orden,) = bolsa.aceptadas
    assert (orden.lado, orden.cantidad, orden.solo_reduce) == (LadoOrden.BUY, 0.3, True)
    assert bolsa.pedidos.index("cancelar_todas") < bolsa.pedidos.index("enviar")
    assert bolsa.pedidos[-1] == "cuenta"  # flat is what the exchange says, not what was sent
    assert [fila.cantidad for fila in filas] == [0.3]


async def test_que_no_se_pueda_cancelar_no_impide_salir():
    """Only exits are exempt when the exchange is overloaded; a cancel is not."""
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.2), cancelaciones_fallidas=999)

    await control.cerrar_todo("f")

    assert bolsa.estado.posicion is None


async def test_plano_con_una_orden_sin_resolver_no_es_plano():
    """An entry whose answer was lost may still arrive: flat is only true once it is known."""
    control, bolsa, _ = montar(consultas_fallidas=20)
    bolsa.fallos.append(Pierde.ANTES)
    ejecutor = control._ejecutor
    assert (await ejecutor.ejecutar(Plan(Operacion.ABRIR_LONG, (0.1,), False), "a:1")).error

    await control.cerrar_todo("f")

    assert bolsa.consultas_fallidas == 0
    assert await ejecutor.resolver_pendiente()


async def test_cerrar_todo_estando_plano_no_envia_nada():
    control, bolsa, _ = montar()

    assert await control.cerrar_todo("f") == ()
    assert bolsa.enviadas == []


async def test_mientras_se_cierra_no_se_abre():
    control, _, _ = montar()

    await control.cerrar_todo("f")

    assert Bloqueo.CIERRE in control.bloqueos


async def test_se_insiste_hasta_que_la_bolsa_dice_que_no_hay_posicion():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3), lecturas_fallidas=2)
    bolsa.fallos.extend([rechazo(-1003), Pierde.ANTES, rechazo(-4131), rechazo(-1003)])

    await control.cerrar_todo("f")

    assert bolsa.estado.posicion is None
    assert len(bolsa.aceptadas) == 1
    assert len({o.id_cliente for o in bolsa.enviadas}) == len(bolsa.enviadas)


async def test_las_esperas_crecen_pero_no_pasan_de_medio_minuto():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3))
    bolsa.fallos.extend([rechazo(-1003)] * 8)

    await control.cerrar_todo("f")

    espera = asyncio.get_running_loop().time()
    assert 1 + 2 + 4 + 8 + 16 + 30 * 3 <= espera < 125


async def test_una_respuesta_perdida_al_salir_no_vende_de_mas():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3))
    bolsa.fallos.append(Pierde.DESPUES)

    await control.cerrar_todo("f")

    assert len(bolsa.enviadas) == 1
    assert bolsa.estado.posicion is None


@pytest.mark.parametrize("codigo", [-2022, -4118])
async def test_si_no_admite_reducir_se_cancela_y_se_sale_sin_esa_condicion(codigo: int):
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3))
    bolsa.fallos.append(rechazo(codigo))

    await control.cerrar_todo("f")

    assert [o.solo_reduce for o in bolsa.enviadas] == [True, False]
    assert bolsa.cancelaciones == 3
    assert bolsa.estado.posicion is None


async def test_otro_rechazo_no_quita_la_condicion_de_reducir():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3))
    bolsa.fallos.extend([rechazo(-1003), rechazo(-2022), rechazo(-1003)])

    await control.cerrar_todo("f")

    assert [o.solo_reduce for o in bolsa.enviadas] == [True, True, False, True]


async def test_una_posicion_grande_sale_en_trozos():
    mercado = un_mercado(filtros=unos_filtros(cantidad_max_mercado="0.1"))
    control, _, _ = montar(estado=una_cuenta(cantidad=0.25), mercado=mercado)

    filas = await control.cerrar_todo("f")

    assert sum(fila.cantidad for fila in filas) == pytest.approx(-0.25)
    assert len(filas) == 3
    assert all(abs(fila.cantidad) <= 0.1 for fila in filas)


async def test_lo_que_queda_tras_una_ejecucion_a_medias_tambien_sale():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3), transacciones_tardias=20)

    await control.cerrar_todo("f")

    assert bolsa.estado.posicion is None
