"""Drawdown, the gate before orders, and closing everything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from src.nucleo.errores import EmergenciaOperacional, OrdenRechazada
from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import Rechazo
from src.nucleo.tipos import LadoOrden, Operacion
from src.produccion.ordenes.ejecutor import Ejecutor
from src.produccion.puertos import EventoMargen
from src.produccion.riesgo.control_riesgo import ControlRiesgo
from src.produccion.riesgo.enclavamiento import leer_respaldo
from src.produccion.riesgo.puerta import Bloqueo
from tests.constructores import un_mercado, una_cuenta, unos_filtros, unos_limites
from tests.produccion.falsos import BolsaFalsa, DiarioFalso, Pierde

ENTRADA = Plan(Operacion.ABRIR_LONG, (0.1,), False)
AUMENTO = Plan(Operacion.AUMENTAR_SHORT, (-0.1,), False)
SALIDA = Plan(Operacion.CERRAR_LONG, (-0.1,), True)


class AmparoFalso:
    """Stops that only note when they were asked to go; they can stand in the way."""

    def __init__(self, bolsa: BolsaFalsa) -> None:
        self._bolsa = bolsa

    async def retirar(self) -> None:
        self._bolsa.pedidos.append("retirar")

    async def soltar(self) -> None:
        self._bolsa.pedidos.append("soltar")


def montar(
    limite: float = 0.2,
    fuera: float = 1.0,
    escalones: bool = False,
    carpeta: Path | None = None,
    **bolsa: Any,
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
        escalones=escalones,
        distancia_minima=0.05,
        amparo=AmparoFalso(falsa),
        carpeta=carpeta,
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


async def test_con_el_diario_roto_se_enclava_en_un_archivo(tmp_path: Path):
    control, _, diario = montar(carpeta=tmp_path)
    diario.roto = True

    await control.enclavar("drawdown 0.21")

    cerrojo = leer_respaldo(tmp_path)
    assert cerrojo is not None
    assert cerrojo.detalle == "drawdown 0.21"


def test_un_pico_que_no_se_puede_guardar_se_guarda_despues():
    control, _, diario = montar()
    diario.roto = True
    control.guardar_pico()
    diario.roto = False
    control.guardar_pico()

    assert diario.tipos() == ["PEAK"]


def test_lo_perdido_en_el_dia_retiene_las_entradas_hasta_el_siguiente():
    control, _, _ = montar(escalones=True)
    control.anclar(10_000.0, 0)
    cuenta = una_cuenta()

    assert control.validar_accion_pre(ENTRADA, cuenta, 9_501.0, 30_000.0, 30_000.0).valida
    validacion = control.validar_accion_pre(ENTRADA, cuenta, 9_500.0, 30_000.0, 30_000.0)
    assert validacion.rechazo is Rechazo.BLOQUEO
    assert "daily loss" in validacion.detalle
    control.anclar(9_500.0, 86_400_000)
    assert control.validar_accion_pre(ENTRADA, cuenta, 9_500.0, 30_000.0, 30_000.0).valida


def test_un_deposito_escala_tambien_las_anclas():
    control, _, _ = montar(escalones=True)
    control.anclar(10_000.0, 0)

    control.escalar(2.0)

    assert control.anclas is not None
    assert control.anclas.equity_dia == 20_000.0


# --- margin and stops ---


def test_cerca_de_la_liquidacion_no_se_abre(bitacora: list[dict[str, Any]]):
    control, _, _ = montar()
    apurada = una_cuenta(saldo=1_000.0, cantidad=1.0)

    control.vigilar_margen(apurada, 29_500.0)
    control.vigilar_margen(apurada, 29_400.0)
    assert Bloqueo.MARGEN in control.bloqueos
    control.vigilar_margen(apurada, 35_000.0)

    assert Bloqueo.MARGEN not in control.bloqueos
    assert [e["event"] for e in bitacora] == ["liquidacion_cerca"]


def test_una_llamada_de_margen_retiene_un_minuto():
    control, bolsa, _ = montar()
    ahora = bolsa.reloj.ahora_ms()
    control.tomar_margen(EventoMargen(ahora))
    control.vigilar_margen(una_cuenta(), 30_000.0)
    assert Bloqueo.MARGEN in control.bloqueos

    bolsa.reloj.observar(ahora + 60_000)
    control.vigilar_margen(una_cuenta(), 30_000.0)

    assert Bloqueo.MARGEN not in control.bloqueos


def test_sin_stop_confirmado_o_con_uno_de_antes_no_se_abre():
    control, _, _ = montar()

    control.vigilar_proteccion(abierta=True, confirmada=False, permite_entrar=False)
    assert control.bloqueos == {Bloqueo.SIN_PROTECCION, Bloqueo.STOP_ANTERIOR}
    control.vigilar_proteccion(abierta=False, confirmada=False, permite_entrar=True)
    assert control.bloqueos == set()


# --- the gate ---


@pytest.mark.parametrize("bloqueo", list(Bloqueo))
def test_bloqueado_no_se_abre_pero_se_sale(bloqueo: Bloqueo):
    control, _, _ = montar()
    control.bloqueos.add(bloqueo)

    for plan in (ENTRADA, AUMENTO):
        validacion = control.validar_accion_pre(plan, una_cuenta(), 10_000.0, 30_000.0, 30_000.0)
        assert validacion.rechazo is Rechazo.BLOQUEO
        assert bloqueo.value in validacion.detalle
    assert control.validar_accion_pre(SALIDA, una_cuenta(cantidad=0.1), 10_000.0, 30_000.0, 30_000.0).valida


def test_en_brecha_sin_confirmar_tampoco_se_abre():
    control, _, _ = montar()
    control.verificar_drawdown(7_900.0, 0)

    assert (
        control.validar_accion_pre(ENTRADA, una_cuenta(), 10_000.0, 30_000.0, 30_000.0).rechazo
        is Rechazo.BLOQUEO
    )
    assert control.validar_accion_pre(SALIDA, una_cuenta(cantidad=0.1), 10_000.0, 30_000.0, 30_000.0).valida


def test_sin_margen_no_se_envia():
    control, _, _ = montar()
    enorme = Plan(Operacion.ABRIR_LONG, (0.7,), False)

    assert (
        control.validar_accion_pre(enorme, una_cuenta(), 10_000.0, 30_000.0, 30_000.0).rechazo
        is Rechazo.MARGEN
    )


def test_por_debajo_de_los_minimos_no_se_envia():
    control, _, _ = montar()
    nada = Plan(Operacion.ABRIR_LONG, (), False, "notional 12.00 is below the symbol's minimum 50.0")

    validacion = control.validar_accion_pre(nada, una_cuenta(), 10_000.0, 30_000.0, 30_000.0)

    assert (validacion.rechazo, validacion.detalle) == (Rechazo.FILTROS, nada.motivo)


def test_fuera_de_lo_entrenado_primero_se_avisa_y_luego_no_se_abre(bitacora: list[dict[str, Any]]):
    control, _, _ = montar(fuera=0.5)

    for fraccion in (0.1, 0.3, 0.4):
        control.vigilar_rango(fraccion)
    assert control.validar_accion_pre(ENTRADA, una_cuenta(), 10_000.0, 30_000.0, 30_000.0).valida
    control.vigilar_rango(0.6)
    assert not control.validar_accion_pre(ENTRADA, una_cuenta(), 10_000.0, 30_000.0, 30_000.0).valida
    control.vigilar_rango(0.4)
    assert control.validar_accion_pre(ENTRADA, una_cuenta(), 10_000.0, 30_000.0, 30_000.0).valida
    assert [e["fraccion"] for e in bitacora if e["event"] == "rasgos_fuera_de_rango"] == [0.3]


# --- closing everything ---


async def test_cerrar_todo_cancela_y_sale_reduciendo():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=-0.3))

    filas = await control.cerrar_todo("f")

    (orden,) = bolsa.aceptadas
    assert (orden.lado, orden.cantidad, orden.solo_reduce) == (LadoOrden.BUY, 0.3, True)
    assert bolsa.pedidos.index("cancelar_todas") < bolsa.pedidos.index("enviar")
    # Flat is what the exchange says, not what was sent; the stops stay until then.
    assert bolsa.pedidos[-2:] == ["cuenta", "retirar"]
    assert "soltar" not in bolsa.pedidos
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
    ejecutor = control._cierre._ejecutor
    assert (await ejecutor.ejecutar(Plan(Operacion.ABRIR_LONG, (0.1,), False), "a:1")).error

    await control.cerrar_todo("f")

    assert bolsa.consultas_fallidas == 0
    assert await ejecutor.resolver_pendientes()


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
    ids = [o.id_cliente for o in bolsa.enviadas]
    assert ids[1] == ids[2]  # what never arrived goes out again under its own name
    assert len(set(ids)) == len(ids) - 1


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
async def test_si_no_admite_reducir_se_quitan_ordenes_y_stops_y_se_insiste(codigo: int):
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3))
    bolsa.fallos.append(rechazo(codigo))

    await control.cerrar_todo("f")

    assert [o.solo_reduce for o in bolsa.enviadas] == [True, True]
    segunda = len(bolsa.pedidos) - 1 - bolsa.pedidos[::-1].index("enviar")
    assert "soltar" in bolsa.pedidos[:segunda]
    assert bolsa.estado.posicion is None


async def test_si_sigue_sin_admitirlo_sale_sin_esa_condicion():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3))
    bolsa.fallos.extend([rechazo(-2022), rechazo(-4118)])

    await control.cerrar_todo("f")

    assert [o.solo_reduce for o in bolsa.enviadas] == [True, True, False]
    assert bolsa.estado.posicion is None


async def test_sin_haber_podido_cancelar_no_se_quita_la_condicion():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3), cancelaciones_fallidas=999)
    bolsa.fallos.extend([rechazo(-2022)] * 3)

    await control.cerrar_todo("f")

    assert [o.solo_reduce for o in bolsa.enviadas] == [True] * 4


async def test_otro_rechazo_vuelve_a_empezar_la_cuenta():
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3))
    bolsa.fallos.extend([rechazo(-2022), rechazo(-1111), rechazo(-2022)])

    await control.cerrar_todo("f")

    assert [o.solo_reduce for o in bolsa.enviadas] == [True] * 4


async def test_cada_intento_que_no_cierra_se_dice(bitacora: list[dict[str, Any]]):
    control, bolsa, _ = montar(estado=una_cuenta(cantidad=0.3))
    bolsa.fallos.extend([rechazo(-1111)] * 3)

    await control.cerrar_todo("f")

    avisos = [e for e in bitacora if e["event"] == "cierre_pendiente"]
    assert [e["intento"] for e in avisos] == [1, 2, 3]
    assert all("-1111" in e["motivo"] and e["log_level"] == "critical" for e in avisos)


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
