"""Orders: exactly once, and what became of them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import (
    CredencialesInvalidas,
    EmergenciaOperacional,
    FalloPasajero,
    LecturaFallida,
    LimiteExcedido,
    OrdenRechazada,
)
from src.nucleo.ordenes import Orden, Plan
from src.nucleo.registro import Resultado
from src.nucleo.tipos import LadoOrden, Operacion
from src.nucleo.vida_orden import EstadoVida
from src.produccion.ordenes.averiguacion import AJUSTES
from src.produccion.ordenes.ejecutor import Ejecutor, Informe, id_cliente_de
from src.produccion.ordenes.ordenes_recordadas import plegar
from src.produccion.puertos import EstadoOrden, EventoOrden, RespuestaOrden
from tests.constructores import una_cuenta
from tests.produccion.bolsa_modelo import BolsaModelo, Trato
from tests.produccion.falsos import Acuse, BolsaFalsa, DiarioFalso, Parcial, Pierde, RelojFalso

FICHA = "sim-abc:BTCUSDT:train_x:1704067200000:abrir_long"
ID = id_cliente_de(f"{FICHA}:0")
COMPRA = Plan(Operacion.ABRIR_LONG, (0.1,), False)
SALIDA = Plan(Operacion.CERRAR_LONG, (-0.1,), True)
LARGO = una_cuenta(cantidad=0.1)
NUNCA = 10**9


def montar(**bolsa: Any) -> tuple[Ejecutor, BolsaFalsa, DiarioFalso]:
    falsa = BolsaFalsa(**bolsa)
    diario = DiarioFalso()
    return Ejecutor(falsa, diario, falsa.reloj, "BTCUSDT"), falsa, diario


def resucitar(bolsa: BolsaFalsa, diario: DiarioFalso) -> Ejecutor:
    """Another life of the agent: all it has is what the journal tells."""
    return Ejecutor(bolsa, diario, bolsa.reloj, "BTCUSDT", recordadas=plegar(diario.eventos))


def estado(diario: DiarioFalso) -> EstadoVida:
    return plegar(diario.eventos)[ID].estado


def aviso(estado: EstadoOrden, ejecutada: float = 0.0, id_cliente: str = ID) -> EventoOrden:
    return EventoOrden(RespuestaOrden(id_cliente, 1, estado, ejecutada, 30_000.0 if ejecutada else None), 0)


async def cortar(tarea: asyncio.Task[Informe], tras_s: float) -> None:
    await asyncio.sleep(tras_s)
    tarea.cancel()
    with pytest.raises(asyncio.CancelledError):
        await tarea


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
    assert diario.tipos(f"order:{orden.id_cliente}") == ["ORDER_INTENT", "ORDER_SENT", "ORDER_FILLED"]
    assert diario.ultimo("ORDER_INTENT")["token"] == f"{FICHA}:0"
    assert diario.ultimo("ORDER_FILLED")["executed"] == 0.1


async def test_una_entrada_espera_a_que_su_envio_este_en_disco():
    ejecutor, bolsa, diario = montar()
    diario.al_anotar = bolsa.pedidos

    await ejecutor.ejecutar(COMPRA, FICHA)

    assert bolsa.pedidos[:3] == ["ORDER_INTENT", "ORDER_SENT", "enviar"]


async def test_una_salida_no_espera_al_disco():
    ejecutor, bolsa, diario = montar(estado=una_cuenta(cantidad=0.1))
    diario.al_anotar = bolsa.pedidos

    await ejecutor.ejecutar(SALIDA, FICHA)

    assert bolsa.pedidos[:3] == ["ORDER_INTENT", "ORDER_SENT", "enviar"]
    assert bolsa.aceptadas[0].solo_reduce


class DiarioColgado(DiarioFalso):
    """Takes every event and never says that one is on disk."""

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        self.anotar_luego(agregado, tipo, instante_ms, contenido)
        await self.asentar()

    async def asentar(self) -> None:
        await asyncio.sleep(NUNCA)


def montar_colgado(**bolsa: Any) -> tuple[Ejecutor, BolsaFalsa, DiarioFalso]:
    falsa, diario = BolsaFalsa(**bolsa), DiarioColgado()
    return Ejecutor(falsa, diario, falsa.reloj, "BTCUSDT"), falsa, diario


async def test_un_disco_colgado_no_retiene_una_salida():
    ejecutor, bolsa, diario = montar_colgado(estado=LARGO)

    informe = await ejecutor.ejecutar(SALIDA, FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert bolsa.estado.posicion is None
    assert asyncio.get_running_loop().time() < 1.0
    assert diario.tipos() == ["ORDER_INTENT", "ORDER_SENT", "ORDER_FILLED"]


async def test_un_disco_colgado_no_retiene_una_entrada_que_no_se_envia_nunca():
    """Its events may reach the disk after all: another life must not take it for one that was sent."""
    ejecutor, bolsa, diario = montar_colgado()

    with pytest.raises(EmergenciaOperacional, match="2 s"):
        await ejecutor.ejecutar(COMPRA, FICHA, posicion_previa=0.0)

    assert asyncio.get_running_loop().time() == pytest.approx(AJUSTES.plazo_diario_s)
    assert not ejecutor.hay_incierta
    assert diario.tipos() == ["ORDER_INTENT", "ORDER_SENT", "ORDER_REJECTED"]
    otra = resucitar(bolsa, diario)
    assert not otra.hay_incierta
    assert (await otra.ejecutar(COMPRA, FICHA, posicion_previa=0.0)).resultado is Resultado.RECHAZADA
    assert bolsa.enviadas == []


async def test_que_la_escritura_de_una_salida_falle_se_grita(bitacora: list[dict[str, Any]]):
    ejecutor, bolsa, diario = montar(estado=LARGO)
    bolsa.al_enviar = lambda: setattr(diario, "roto", True)

    await ejecutor.ejecutar(SALIDA, FICHA)
    await asyncio.sleep(1.0)

    criticos = [e["event"] for e in bitacora if e["log_level"] == "critical"]
    assert criticos == ["diario_roto", "diario_roto"]  # that it was filled, and that it was sent


async def test_una_entrada_que_no_se_puede_anotar_no_se_envia():
    ejecutor, bolsa, diario = montar()
    diario.roto = True

    with pytest.raises(EmergenciaOperacional, match="disk full"):
        await ejecutor.ejecutar(COMPRA, FICHA)
    assert bolsa.enviadas == []
    assert not ejecutor.hay_incierta


async def test_lo_ejecutado_antes_de_que_el_diario_se_rompa_se_cuenta():
    ejecutor, bolsa, diario = montar(estado=una_cuenta(saldo=1e8))
    bolsa.al_enviar = lambda: setattr(diario, "roto", True)

    informe = await ejecutor.ejecutar(Plan(Operacion.ABRIR_LONG, (120.0, 30.0), False), FICHA)

    assert [e.cantidad for e in informe.ejecuciones] == [120.0]
    assert "disk full" in informe.error
    assert len(bolsa.enviadas) == 1


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


async def test_una_orden_que_nunca_llego_se_envia_otra_vez_cuando_ya_no_puede_llegar():
    ejecutor, bolsa, diario = montar()
    bolsa.fallos.append(Pierde.ANTES)
    inicio = asyncio.get_running_loop().time()

    informe = await ejecutor.ejecutar(COMPRA, FICHA, posicion_previa=0.0)

    assert informe.resultado is Resultado.EJECUTADA
    assert [o.id_cliente for o in bolsa.enviadas] == [ID, ID]
    assert asyncio.get_running_loop().time() - inicio > AJUSTES.validez_s
    assert diario.tipos() == [
        "ORDER_INTENT",
        "ORDER_SENT",
        "ORDER_UNCERTAIN",
        "ORDER_ABSENT",
        "ORDER_SENT",
        "ORDER_FILLED",
    ]
    assert diario.ultimo("ORDER_SENT") == {"attempt": 2}


async def test_una_orden_solo_se_envia_otra_vez_una_vez():
    ejecutor, bolsa, diario = montar()
    bolsa.fallos.extend([Pierde.ANTES] * 3)

    informe = await ejecutor.ejecutar(COMPRA, FICHA, posicion_previa=0.0)

    assert (informe.resultado, len(bolsa.enviadas)) == (Resultado.RECHAZADA, 2)
    assert "never reached" in informe.error
    assert estado(diario) is EstadoVida.RECHAZADA


async def test_una_entrada_que_ya_no_viene_al_caso_no_se_envia_otra_vez():
    ejecutor, bolsa, diario = montar()
    bolsa.fallos.append(Pierde.ANTES)
    reloj = asyncio.get_running_loop()
    limite = reloj.time() + 5.0

    informe = await ejecutor.ejecutar(COMPRA, FICHA, lambda: reloj.time() < limite, posicion_previa=0.0)

    assert (informe.resultado, len(bolsa.enviadas)) == (Resultado.RECHAZADA, 1)
    assert diario.tipos()[-2:] == ["ORDER_ABSENT", "ORDER_REJECTED"]


async def test_una_salida_viene_siempre_al_caso():
    ejecutor, bolsa, _ = montar(estado=LARGO)
    bolsa.fallos.append(Pierde.ANTES)

    informe = await ejecutor.ejecutar(SALIDA, FICHA, lambda: False, posicion_previa=0.1)

    assert informe.resultado is Resultado.EJECUTADA
    assert bolsa.estado.posicion is None


async def test_si_la_posicion_cambio_no_se_envia_otra_vez():
    """Nothing shows the order, but something did change: sending again might double it."""
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.append(Pierde.ANTES)
    bolsa.operar(0.2)

    informe = await ejecutor.ejecutar(COMPRA, FICHA, posicion_previa=0.0)

    assert (informe.resultado, len(bolsa.enviadas)) == (Resultado.RECHAZADA, 1)


async def test_sin_saber_la_posicion_de_antes_no_se_envia_otra_vez():
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.append(Pierde.ANTES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert (informe.resultado, len(bolsa.enviadas)) == (Resultado.RECHAZADA, 1)


async def test_la_segunda_orden_de_un_plan_parte_de_lo_que_ejecuto_la_primera():
    ejecutor, bolsa, diario = montar(estado=una_cuenta(saldo=1e8))
    bolsa.fallos.extend([None, Pierde.ANTES])

    informe = await ejecutor.ejecutar(
        Plan(Operacion.ABRIR_LONG, (120.0, 30.0), False), FICHA, posicion_previa=0.0
    )

    assert sum(e.cantidad for e in informe.ejecuciones) == 150.0
    assert diario.ultimo("ORDER_INTENT")["position"] == 120.0


async def test_una_orden_que_solo_se_ve_en_sus_ejecuciones_no_se_envia_otra_vez():
    ejecutor, bolsa, _ = montar(consultas_ausentes=NUNCA)
    bolsa.fallos.append(Pierde.DESPUES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA, posicion_previa=0.0)

    assert (informe.resultado, len(bolsa.enviadas)) == (Resultado.EJECUTADA, 1)


async def test_sin_poder_preguntar_no_se_sabe_y_se_dice():
    ejecutor, bolsa, diario = montar(consultas_fallidas=NUNCA)
    bolsa.fallos.append(Pierde.DESPUES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.INCIERTA
    assert ejecutor.hay_incierta
    assert len(bolsa.enviadas) == 1
    assert diario.tipos()[-1] == "ORDER_UNCERTAIN"
    with pytest.raises(LecturaFallida):
        await ejecutor.resolver_pendientes()


async def test_que_rechacen_la_pregunta_no_es_que_rechacen_la_orden():
    """The order is there; a refused look-up leaves it unknown, and ends in one order all the same."""
    ejecutor, bolsa, _ = montar(consultas_rechazadas=NUNCA)
    bolsa.fallos.append(Pierde.DESPUES)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.INCIERTA
    assert len(bolsa.aceptadas) == 1


async def test_una_orden_incierta_se_resuelve_cuando_la_bolsa_contesta():
    ejecutor, bolsa, diario = montar(consultas_fallidas=NUNCA)
    bolsa.fallos.append(Pierde.DESPUES)
    await ejecutor.ejecutar(COMPRA, FICHA)
    bolsa.consultas_fallidas = 0

    assert await ejecutor.resolver_pendientes()
    assert not ejecutor.hay_incierta
    assert diario.tipos()[-1] == "ORDER_FILLED"
    assert len(bolsa.enviadas) == 1


async def test_una_orden_incierta_que_la_bolsa_no_conoce_deja_de_bloquear():
    """By then the request is older than it was valid for: it can no longer arrive."""
    ejecutor, bolsa, diario = montar(consultas_fallidas=NUNCA)
    bolsa.fallos.append(Pierde.ANTES)
    await ejecutor.ejecutar(COMPRA, FICHA)
    bolsa.consultas_fallidas = 0

    assert not await ejecutor.resolver_pendientes(deprisa=True)
    assert await ejecutor.resolver_pendientes()
    assert estado(diario) is EstadoVida.RECHAZADA
    assert len(bolsa.enviadas) == 1


async def test_sin_nada_pendiente_no_se_pregunta():
    ejecutor, bolsa, _ = montar()

    assert await ejecutor.resolver_pendientes()
    assert bolsa.pedidos == []


async def test_una_orden_cuya_espera_se_corta_no_se_pierde():
    ejecutor, _, diario = montar(demora_envio_s=5.0)
    await cortar(asyncio.create_task(ejecutor.ejecutar(COMPRA, FICHA)), 1.0)
    assert ejecutor.hay_incierta
    assert estado(diario) is EstadoVida.ENVIADA
    assert not await ejecutor.resolver_pendientes()
    await asyncio.sleep(5.0)

    assert await ejecutor.resolver_pendientes()
    assert estado(diario) is EstadoVida.EJECUTADA


async def test_un_identificador_repetido_es_una_orden_que_ya_esta():
    ejecutor, bolsa, _ = montar()
    bolsa.operar(0.1, id_cliente=ID)
    bolsa.fallos.append(rechazo(-4116))

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert bolsa.aceptadas == []


async def test_una_clave_rechazada_no_deja_la_orden_sin_resolver():
    ejecutor, bolsa, diario = montar()
    bolsa.fallos.append(CredencialesInvalidas("the key may not trade", codigo=-2015))

    with pytest.raises(CredencialesInvalidas):
        await ejecutor.ejecutar(COMPRA, FICHA)
    assert not ejecutor.hay_incierta
    assert diario.ultimo("ORDER_REJECTED")["code"] == -2015


# --- news of the user stream ---


async def test_una_noticia_acaba_con_la_espera():
    ejecutor, bolsa, _ = montar(consultas_fallidas=NUNCA)
    bolsa.fallos.append(Pierde.DESPUES)
    reloj = asyncio.get_running_loop()
    inicio = reloj.time()
    reloj.call_later(0.3, ejecutor.tomar_evento, aviso(EstadoOrden.FILLED, 0.1))

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert reloj.time() - inicio < 0.5
    assert "consultar" not in bolsa.pedidos


async def test_una_noticia_resuelve_una_orden_incierta_de_antes():
    ejecutor, bolsa, diario = montar(consultas_fallidas=NUNCA)
    bolsa.fallos.append(Pierde.DESPUES)
    await ejecutor.ejecutar(COMPRA, FICHA)

    ejecutor.tomar_evento(aviso(EstadoOrden.FILLED, 0.1))

    assert not ejecutor.hay_incierta
    assert estado(diario) is EstadoVida.EJECUTADA


@pytest.mark.parametrize("antes", [True, False])
async def test_el_diario_cuenta_lo_mismo_llegue_antes_la_noticia_o_la_respuesta(antes: bool):
    ejecutor, _, diario = montar(demora_envio_s=1.0)
    cuando = 0.5 if antes else 1.5
    noticias = (
        aviso(EstadoOrden.NEW),
        aviso(EstadoOrden.PARTIALLY_FILLED, 0.04),
        aviso(EstadoOrden.FILLED, 0.1),
    )
    for noticia in noticias:
        asyncio.get_running_loop().call_later(cuando, ejecutor.tomar_evento, noticia)

    await ejecutor.ejecutar(COMPRA, FICHA)
    await asyncio.sleep(2.0)

    assert diario.tipos() == ["ORDER_INTENT", "ORDER_SENT", "ORDER_FILLED"]


async def test_lo_que_se_supo_mientras_se_esperaba_una_respuesta_que_no_llego_vale():
    ejecutor, _, diario = montar(demora_envio_s=1.0)
    tarea = asyncio.create_task(ejecutor.ejecutar(COMPRA, FICHA))
    asyncio.get_running_loop().call_later(
        0.5, ejecutor.tomar_evento, aviso(EstadoOrden.PARTIALLY_FILLED, 0.04)
    )

    await cortar(tarea, 0.6)

    assert estado(diario) is EstadoVida.PARCIAL
    assert ejecutor.hay_incierta


async def test_las_noticias_de_ordenes_de_otros_no_dicen_nada():
    ejecutor, _, diario = montar()

    ejecutor.tomar_evento(aviso(EstadoOrden.FILLED, 0.1, "web_1"))

    assert diario.eventos == []


async def test_una_noticia_que_contradice_lo_sabido_se_grita_y_no_cambia_nada(bitacora: list[dict[str, Any]]):
    ejecutor, _, diario = montar()
    await ejecutor.ejecutar(COMPRA, FICHA)

    ejecutor.tomar_evento(aviso(EstadoOrden.CANCELED, 0.04))

    assert estado(diario) is EstadoVida.EJECUTADA
    assert [e["event"] for e in bitacora if e["log_level"] == "critical"] == ["orden_contradictoria"]


# --- another life ---


async def test_la_misma_decision_otra_vez_da_lo_mismo_sin_enviar_nada():
    ejecutor, bolsa, diario = montar(estado=una_cuenta(saldo=1e8))
    plan = Plan(Operacion.ABRIR_LONG, (120.0, 30.0), False)
    bolsa.fallos.extend([None, rechazo(-2019)])
    primero = await ejecutor.ejecutar(plan, FICHA)

    assert await ejecutor.ejecutar(plan, FICHA) == primero
    assert await resucitar(bolsa, diario).ejecutar(plan, FICHA) == primero
    assert len(bolsa.enviadas) == 2


async def test_lo_que_expiro_sin_ejecutarse_se_cuenta_igual_en_otra_vida():
    ejecutor, bolsa, diario = montar()
    bolsa.fallos.append(Parcial(0.0))
    primero = await ejecutor.ejecutar(COMPRA, FICHA)

    assert await resucitar(bolsa, diario).ejecutar(COMPRA, FICHA) == primero


async def test_un_plan_a_medias_se_termina_en_otra_vida():
    ejecutor, bolsa, diario = montar(estado=una_cuenta(saldo=1e8))
    plan = Plan(Operacion.ABRIR_LONG, (120.0, 30.0), False)
    bolsa.fallos.append(Acuse.NEW)
    await cortar(asyncio.create_task(ejecutor.ejecutar(plan, FICHA)), 0.5)

    informe = await resucitar(bolsa, diario).ejecutar(plan, FICHA)

    assert [e.cantidad for e in informe.ejecuciones] == [120.0, 30.0]
    assert len(bolsa.enviadas) == 2


@pytest.mark.parametrize("fallo", [Pierde.ANTES, Pierde.DESPUES])
async def test_una_orden_sin_respuesta_se_busca_en_otra_vida_antes_que_nada(fallo: Pierde):
    ejecutor, bolsa, diario = montar()
    bolsa.fallos.append(fallo)
    await cortar(asyncio.create_task(ejecutor.ejecutar(COMPRA, FICHA, posicion_previa=0.0)), 0.5)

    otra = resucitar(bolsa, diario)
    assert otra.hay_incierta
    informe = await otra.ejecutar(COMPRA, FICHA, posicion_previa=0.0)

    assert informe.resultado is Resultado.EJECUTADA
    assert len(bolsa.aceptadas) == 1
    assert bolsa.pedidos[:2] == ["enviar", "consultar"]


async def test_una_orden_de_otra_vida_se_resuelve_sin_volver_a_decidir():
    ejecutor, bolsa, diario = montar()
    bolsa.fallos.append(Pierde.DESPUES)
    await cortar(asyncio.create_task(ejecutor.ejecutar(COMPRA, FICHA)), 0.5)

    otra = resucitar(bolsa, diario)

    assert await otra.resolver_pendientes()
    assert estado(diario) is EstadoVida.EJECUTADA


async def test_una_salida_que_el_diario_no_llego_a_conocer_se_busca_antes_de_enviarla():
    """An exit leaves beside its journal write: its process may have died in between."""
    ejecutor, bolsa, diario = montar(estado=una_cuenta(cantidad=0.2))
    await ejecutor.ejecutar(SALIDA, FICHA)
    diario.eventos.clear()

    informe = await resucitar(bolsa, diario).ejecutar(SALIDA, FICHA, posicion_previa=0.2, reanudada=True)

    assert [e.cantidad for e in informe.ejecuciones] == [-0.1]
    assert bolsa.estado.cantidad == 0.1


async def test_una_salida_que_no_llego_a_salir_sale_en_otra_vida():
    ejecutor, bolsa, diario = montar(estado=LARGO)

    informe = await ejecutor.ejecutar(SALIDA, FICHA, posicion_previa=0.1, reanudada=True)

    assert informe.resultado is Resultado.EJECUTADA
    assert diario.ultimo("ORDER_SENT") == {"attempt": 1}
    assert bolsa.estado.posicion is None


async def test_una_decision_caducada_no_abre_nada_nuevo_en_otra_vida():
    ejecutor, bolsa, _ = montar()

    informe = await ejecutor.ejecutar(COMPRA, FICHA, lambda: False)

    assert informe.resultado is Resultado.RECHAZADA
    assert bolsa.enviadas == []


# --- orders that are answered before they are over ---


async def test_un_acuse_sin_resultado_no_es_un_rechazo():
    """The exchange may answer NEW with nothing executed and fill the order a moment later."""
    ejecutor, bolsa, _ = montar()
    bolsa.fallos.append(Acuse.NEW)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert [e.cantidad for e in informe.ejecuciones] == [0.1]
    assert len(bolsa.enviadas) == 1


async def test_una_orden_que_no_acaba_de_ejecutarse_no_esta_resuelta():
    ejecutor, bolsa, diario = montar(consultas_en_curso=True)
    bolsa.fallos.append(Acuse.NEW)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert informe.resultado is Resultado.INCIERTA
    assert "is not over" in informe.error
    assert ejecutor.hay_incierta
    bolsa.consultas_en_curso = False
    assert await ejecutor.resolver_pendientes()
    assert diario.tipos()[-2:] == ["ORDER_ACCEPTED", "ORDER_FILLED"]


class BolsaOlvidadiza(BolsaFalsa):
    """Takes an order, says so, and does not know it afterwards."""

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        respuesta = await super().enviar(orden)
        return respuesta._replace(estado=EstadoOrden.NEW, cantidad_ejecutada=0.0, precio_medio=None)


@pytest.mark.parametrize("ejecutada", [0.0, 0.04])
async def test_una_orden_aceptada_que_la_bolsa_ya_no_conoce_acaba_con_lo_que_dicen_sus_ejecuciones(
    ejecutada: float,
):
    bolsa, diario = BolsaOlvidadiza(consultas_ausentes=NUNCA), DiarioFalso()
    ejecutor = Ejecutor(bolsa, diario, bolsa.reloj, "BTCUSDT")
    bolsa.fallos.append(Parcial(ejecutada))

    informe = await ejecutor.ejecutar(COMPRA, FICHA, posicion_previa=0.0)

    assert sum(e.cantidad for e in informe.ejecuciones) == ejecutada
    assert not ejecutor.hay_incierta
    assert estado(diario) is EstadoVida.CANCELADA
    assert asyncio.get_running_loop().time() > AJUSTES.validez_s


async def test_mientras_falten_ejecuciones_que_se_conocen_una_orden_no_se_da_por_acabada():
    ejecutor, bolsa, _ = montar(consultas_ausentes=NUNCA, demora_envio_s=1.0, transacciones_tardias=NUNCA)
    tarea = asyncio.create_task(ejecutor.ejecutar(COMPRA, FICHA, posicion_previa=0.0))
    noticia = aviso(EstadoOrden.PARTIALLY_FILLED, 0.04)
    asyncio.get_running_loop().call_later(0.5, ejecutor.tomar_evento, noticia)
    await cortar(tarea, 0.6)

    for _ in range(60):
        await asyncio.sleep(1.0)
        assert not await ejecutor.resolver_pendientes()
    bolsa.transacciones_tardias = 0
    assert await ejecutor.resolver_pendientes()


# --- what the stream tells before the answer ---


def montar_modelo(*tratos: Trato) -> tuple[Ejecutor, BolsaModelo, DiarioFalso]:
    """On an exchange whose events come by themselves."""
    bolsa, diario = BolsaModelo(tratos=list(tratos)), DiarioFalso()
    ejecutor = Ejecutor(bolsa, diario, RelojFalso(), "BTCUSDT")
    bolsa.avisar = ejecutor.tomar_evento
    return ejecutor, bolsa, diario


@pytest.mark.parametrize("plan", [COMPRA, SALIDA], ids=["entry", "exit"])
@pytest.mark.parametrize("respuesta_s", [None, 8.0], ids=["lost", "late"])
async def test_una_orden_cuyo_final_se_oye_no_espera_a_su_respuesta(plan: Plan, respuesta_s: float | None):
    """A position must not go without its stop for as long as a request may take."""
    ejecutor, bolsa, diario = montar_modelo(Trato(respuesta_s=respuesta_s, corte_s=10.0, avisos_s=(0.05,)))
    bolsa.heredar(0.1)
    inicio = asyncio.get_running_loop().time()

    informe = await ejecutor.ejecutar(plan, FICHA)

    assert asyncio.get_running_loop().time() - inicio < 0.2
    assert informe.resultado is Resultado.EJECUTADA
    assert [e.cantidad for e in informe.ejecuciones] == [*plan.cantidades]

    await asyncio.sleep(20.0)
    assert bolsa.enviadas == 1
    assert diario.tipos() == ["ORDER_INTENT", "ORDER_SENT", "ORDER_FILLED"]
    assert not ejecutor.hay_incierta


async def test_mientras_el_flujo_no_diga_el_final_se_espera_a_la_respuesta():
    ejecutor, _, _ = montar_modelo(Trato(respuesta_s=3.0, avisos_s=()))
    inicio = asyncio.get_running_loop().time()

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert asyncio.get_running_loop().time() - inicio > 3.0
    assert informe.resultado is Resultado.EJECUTADA


class BolsaQueNiega(BolsaFalsa):
    """Executes an order, says a moment later that it was too busy to, and means neither."""

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        await super().enviar(orden)
        await asyncio.sleep(0.5)
        raise pasajero()


@pytest.mark.parametrize("oida_s", [0.1, 1.0], ids=["while-asked", "while-paused"])
async def test_una_orden_cuyo_final_se_oye_no_se_envia_otra_vez_aunque_se_niegue(oida_s: float):
    bolsa, diario = BolsaQueNiega(), DiarioFalso()
    ejecutor = Ejecutor(bolsa, diario, bolsa.reloj, "BTCUSDT")
    noticia = aviso(EstadoOrden.FILLED, 0.1)
    asyncio.get_running_loop().call_later(oida_s, ejecutor.tomar_evento, noticia)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)
    await asyncio.sleep(10.0)

    assert informe.resultado is Resultado.EJECUTADA
    assert len(bolsa.enviadas) == 1
    assert estado(diario) is EstadoVida.EJECUTADA


# --- refusals ---


@pytest.mark.parametrize("codigo", [-2019, -2022, -2027, -4164, -1111, -4400])
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


@pytest.mark.parametrize(("codigo", "espera_s"), [(-1003, 3.0), (0, 3.0), (None, 20.0)])
async def test_una_salida_solo_espera_del_todo_cuando_nada_puede_salir(codigo: int | None, espera_s: float):
    """A refusal without a code is the adapter's own: it lets protection through as soon as that may be."""
    ejecutor, bolsa, _ = montar(estado=LARGO)
    bolsa.fallos.append(LimiteExcedido("too many requests", espera_s=20.0, codigo=codigo))
    inicio = asyncio.get_running_loop().time()

    informe = await ejecutor.ejecutar(SALIDA, FICHA)

    assert informe.resultado is Resultado.EJECUTADA
    assert asyncio.get_running_loop().time() - inicio == pytest.approx(espera_s)


@pytest.mark.parametrize(("plan", "espera_s"), [(COMPRA, 0.5), (SALIDA, 7_200.0)])
async def test_quien_no_puede_esperar_lo_que_pide_la_bolsa_no_envia(plan: Plan, espera_s: float):
    ejecutor, bolsa, _ = montar(estado=LARGO)
    bolsa.fallos.append(LimiteExcedido("too many requests", espera_s=espera_s, codigo=-1003))

    informe = await ejecutor.ejecutar(plan, FICHA)

    assert (informe.resultado, informe.codigo) == (Resultado.RECHAZADA, -1003)
    assert len(bolsa.enviadas) == 1


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
    assert diario.ultimo("ORDER_CANCELED")["status"] == "EXPIRED"


# --- fills ---


async def test_las_ejecuciones_que_tardan_en_listarse_se_esperan():
    ejecutor, _, _ = montar(transacciones_tardias=4)

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert [e.cantidad for e in informe.ejecuciones] == [0.1]


async def test_unas_ejecuciones_que_no_se_listan_no_se_inventan():
    ejecutor, _, diario = montar(transacciones_tardias=NUNCA)

    with pytest.raises(LecturaFallida, match="fills are not listed"):
        await ejecutor.ejecutar(COMPRA, FICHA)
    assert diario.tipos()[-1] == "ORDER_FILLED"
    assert not ejecutor.hay_incierta


async def test_cuando_se_listan_basta_con_volver_a_pedirlas():
    ejecutor, bolsa, _ = montar(transacciones_tardias=NUNCA)
    with pytest.raises(LecturaFallida):
        await ejecutor.ejecutar(COMPRA, FICHA)
    bolsa.transacciones_tardias = 0

    informe = await ejecutor.ejecutar(COMPRA, FICHA)

    assert [e.cantidad for e in informe.ejecuciones] == [0.1]
    assert len(bolsa.enviadas) == 1
