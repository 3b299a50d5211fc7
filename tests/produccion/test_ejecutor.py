"""Orders: exactly once, and what became of them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import EmergenciaOperacional, FalloPasajero, LecturaFallida, OrdenRechazada
from src.nucleo.ordenes import Plan
from src.nucleo.registro import Resultado
from src.nucleo.tipos import LadoOrden, Operacion
from src.produccion.ejecutor import Ejecutor, id_cliente_de
from src.produccion.puertos import EstadoOrden
from tests.constructores import una_cuenta
from tests.produccion.falsos import Acuse, BolsaFalsa, DiarioFalso, Parcial, Pierde

FICHA = "sim-abc:BTCUSDT:train_x:1704067200000:abrir_long"
COMPRA = Plan(Operacion.ABRIR_LONG, (0.1,), False)
SALIDA = Plan(Operacion.CERRAR_LONG, (-0.1,), True)


def montar(**bolsa: Any) -> tuple[Ejecutor, BolsaFalsa, DiarioFalso]:
    falsa = BolsaFalsa(**bolsa)
    diario = DiarioFalso()
    return Ejecutor(falsa, diario, falsa.reloj, "BTCUSDT"), falsa, diario


def rechazo(codigo: int) -> OrdenRechazada:
    return OrdenRechazada(f"refused (code {codigo})", codigo=codigo)


def pasajero(codigo: int | None = -1008) -> FalloPasajero:
    return FalloPasajero(f"busy (code {codigo})", codigo=codigo)


# --- identifiers ---


@given(st.text("aZ09:_-. ñ€"))
def test_un_identificador_cabe_en_la_bolsa_y_viaja_sin_codificar(ficha: str):
    assert re.fullmatch(r"tm-[A-Z2-7]{26}", id_cliente_de(ficha))


def test_la_misma_decision_tiene_siempre_el_mismo_identificador():
    assert id_cliente_de(FICHA) == id_cliente_de(FICHA) == "tm-6STSF3ATHWOXUW33CFJIIG577J"
    assert id_cliente_de(FICHA) != id_cliente_de(FICHA + "2")


# --- the plain way ---


async def test_una_orden_se_anota_antes_y_despues():
    ejecutor, bolsa, diario = montar()

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    orden = bolsa.aceptadas[0]
    assert (orden.lado, orden.cantidad, orden.solo_reduce) == (LadoOrden.BUY, 0.1, False)
    assert orden.id_cliente == id_cliente_de(f"{FICHA}:0")
    assert informe.resultado is Resultado.EJECUTADA
    assert [e.cantidad for e in informe.ejecuciones] == [0.1]
    assert diario.tipos(f"order:{orden.id_cliente}") == ["ORDER_INTENT", "ORDER_RESULT"]
    assert diario.ultimo("ORDER_INTENT")["token"] == f"{FICHA}:0"
    assert diario.ultimo("ORDER_RESULT")["executed"] == 0.1


async def test_una_entrada_espera_a_que_el_intento_este_en_disco():
    ejecutor, bolsa, diario = montar()
    diario.al_anotar = bolsa.pedidos

    await ejecutor.ejecutar(COMPRA, FICHA)

    assert bolsa.pedidos.index("ORDER_INTENT") < bolsa.pedidos.index("enviar")


async def test_una_salida_no_espera_al_disco():
    ejecutor, bolsa, diario = montar(estado=una_cuenta(cantidad=0.1))
    diario.al_anotar = bolsa.pedidos

    await ejecutor.ejecutar(SALIDA, FICHA)

    assert bolsa.pedidos.index("enviar") < bolsa.pedidos.index("ORDER_INTENT")
    assert bolsa.aceptadas[0].solo_reduce


async def test_una_entrada_que_no_se_puede_anotar_no_se_envia():
    ejecutor, bolsa, diario = montar()
    diario.roto = True

    with pytest.raises(EmergenciaOperacional, match="disk full"):
        await ejecutor.ejecutar(COMPRA, FICHA)
    assert bolsa.enviadas == []


async def test_una_salida_sale_aunque_el_diario_este_roto():
    ejecutor, bolsa, diario = montar(estado=una_cuenta(cantidad=0.1))
    diario.roto = True

    informe = await ejecutor.ejecutar(SALIDA, FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert bolsa.estado.posicion is None


async def test_un_plan_de_varias_ordenes_va_una_tras_otra():
    ejecutor, bolsa, _ = montar(estado=una_cuenta(saldo=1e8))

    informe = await ejecutor.ejecutar(Plan(Operacion.ABRIR_SHORT, (-120.0, -30.0), False), FICHA)

    assert [(o.lado, o.cantidad) for o in bolsa.aceptadas] == [
        (LadoOrden.SELL, 120.0),
        (LadoOrden.SELL, 30.0),
    ]
    assert len({o.id_cliente for o in bolsa.aceptadas}) == 2
    assert sum(e.cantidad for e in informe.ejecuciones) == -150.0


# --- unknown outcomes ---


async def test_una_respuesta_perdida_no_duplica_la_orden():
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.append(Pierde.DESPUES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert len(bolsa.enviadas) == len(bolsa.aceptadas) == 1
    assert informe.resultado is Resultado.EJECUTADA
    assert bolsa.estado.cantidad == 0.1


async def test_una_orden_que_tarda_en_verse_se_espera():
    ejecutor, bolsa, _ = montar(consultas_ausentes=3)
    bolsa.fallos.append(Pierde.DESPUES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert len(bolsa.enviadas) == 1
    assert informe.resultado is Resultado.EJECUTADA


async def test_una_orden_que_nunca_llego_se_da_por_rechazada_cuando_ya_no_vale():
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.append(Pierde.ANTES)
    inicio = asyncio.get_running_loop().time()

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.RECHAZADA
    assert "never reached" in informe.error
    assert len(bolsa.enviadas) == 1
    assert asyncio.get_running_loop().time() - inicio > 10.0  # the request was valid for 10 s


async def test_sin_poder_preguntar_no_se_sabe_y_se_dice():
    ejecutor, bolsa, diario = montar(consultas_fallidas=99)
    bolsa.fallos.append(Pierde.DESPUES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.INCIERTA
    assert len(bolsa.enviadas) == 1
    assert diario.tipos()[-1] == "ORDER_UNRESOLVED"
    with pytest.raises(LecturaFallida):
        await ejecutor.resolver_pendiente()


async def test_que_rechacen_la_pregunta_no_es_que_rechacen_la_orden():
    """The order is there; a refused look-up leaves it unknown, and ends in one order all the same."""
    ejecutor, bolsa, _ = montar(consultas_rechazadas=99)
    bolsa.fallos.append(Pierde.DESPUES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.INCIERTA
    assert len(bolsa.aceptadas) == 1


async def test_ausente_unas_veces_y_sin_respuesta_otras_no_es_ausente():
    ejecutor, bolsa, _ = montar(consultas_rechazadas=3, consultas_ausentes=99)
    bolsa.fallos.append(Pierde.DESPUES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.INCIERTA


async def test_una_orden_incierta_se_resuelve_cuando_la_bolsa_contesta():
    ejecutor, bolsa, diario = montar(consultas_fallidas=12)
    bolsa.fallos.append(Pierde.DESPUES)
    await ejecutor.ejecutar(COMPRA, FICHA)

    assert await ejecutor.resolver_pendiente()
    assert diario.tipos()[-1] == "ORDER_RESULT"
    assert len(bolsa.enviadas) == 1


async def test_una_orden_incierta_que_la_bolsa_no_conoce_deja_de_bloquear():
    """By then the request is older than it was valid for: it can no longer arrive."""
    ejecutor, bolsa, _ = montar(consultas_fallidas=12)
    bolsa.fallos.append(Pierde.ANTES)
    await ejecutor.ejecutar(COMPRA, FICHA)

    assert await ejecutor.resolver_pendiente()
    assert await ejecutor.resolver_pendiente()


async def test_sin_nada_pendiente_no_se_pregunta():
    ejecutor, bolsa, _ = montar()

    assert await ejecutor.resolver_pendiente()
    assert bolsa.pedidos == []


async def test_un_acuse_sin_resultado_no_es_un_rechazo():
    """The exchange may answer NEW with nothing executed and fill the order a moment later."""
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.append(Acuse.NEW)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert [e.cantidad for e in informe.ejecuciones] == [0.1]
    assert len(bolsa.enviadas) == 1


# --- refusals ---


@pytest.mark.parametrize("codigo", [-2019, -2022, -2027, -4164, -1111, -4400, -4116])
async def test_un_rechazo_definitivo_no_se_repite(codigo: int):
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.append(rechazo(codigo))

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert len(bolsa.enviadas) == 1
    assert (informe.resultado, informe.codigo) == (Resultado.RECHAZADA, codigo)
    assert informe.transacciones == ()


async def test_un_fallo_pasajero_se_intenta_tres_veces():
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.extend([pasajero()] * 5)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert len(bolsa.enviadas) == 3
    assert len({o.id_cliente for o in bolsa.enviadas}) == 1
    assert informe.resultado is Resultado.RECHAZADA


@pytest.mark.parametrize("codigo", [-1008, -1021, -4131, None])
async def test_un_fallo_pasajero_que_pasa_acaba_en_una_orden(codigo: int | None):
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.extend([pasajero(codigo), pasajero(codigo)])

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert (len(bolsa.enviadas), len(bolsa.aceptadas)) == (3, 1)
    assert informe.resultado is Resultado.EJECUTADA


async def test_un_fallo_pasajero_y_luego_ninguna_respuesta_tampoco_duplica():
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.extend([pasajero(), Pierde.DESPUES])

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert len(bolsa.aceptadas) == 1
    assert informe.resultado is Resultado.EJECUTADA


async def test_lo_ejecutado_antes_de_un_rechazo_se_cuenta():
    ejecutor, bolsa, _ = montar(estado=una_cuenta(saldo=1e8))
    bolsa.fallos.extend([None, rechazo(-2019)])

    informe = await ejecutor.ejecutar(Plan(Operacion.ABRIR_LONG, (120.0, 30.0), False), FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert informe.codigo == -2019
    assert [e.cantidad for e in informe.ejecuciones] == [120.0]


async def test_lo_ejecutado_antes_de_no_saber_se_cuenta():
    ejecutor, bolsa, _ = montar(estado=una_cuenta(saldo=1e8), consultas_fallidas=99)
    bolsa.fallos.extend([None, Pierde.DESPUES])

    informe = await ejecutor.ejecutar(Plan(Operacion.ABRIR_LONG, (120.0, 30.0), False), FICHA)

    assert informe.resultado is Resultado.INCIERTA
    assert [e.cantidad for e in informe.ejecuciones] == [120.0]


async def test_una_orden_a_medias_cuenta_lo_que_se_ejecuto():
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.append(Parcial(0.04))

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert [e.cantidad for e in informe.ejecuciones] == [0.04]


async def test_una_orden_que_expira_sin_ejecutar_nada_es_un_rechazo():
    ejecutor, bolsa, diario = montar()
    bolsa.fallos.append(Parcial(0.0))

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.RECHAZADA
    assert EstadoOrden.EXPIRED.value in informe.error
    assert diario.ultimo("ORDER_RESULT")["status"] == "EXPIRED"


# --- fills ---


async def test_las_ejecuciones_que_tardan_en_listarse_se_esperan():
    ejecutor, _, _ = montar(transacciones_tardias=4)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert [e.cantidad for e in informe.ejecuciones] == [0.1]


async def test_unas_ejecuciones_que_no_se_listan_no_se_inventan():
    ejecutor, _, diario = montar(transacciones_tardias=99)

    with pytest.raises(LecturaFallida, match="fills are not listed"):
        await ejecutor.ejecutar(COMPRA, FICHA)
    assert diario.tipos()[-1] == "ORDER_RESULT"
