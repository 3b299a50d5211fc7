"""Exactly one stop over the position, whatever the exchange does, and a clear word when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import (
    FalloPasajero,
    LecturaFallida,
    OrdenRechazada,
    ProteccionImposible,
    ProteccionRota,
    YaCruzado,
)
from src.nucleo.proteccion import ReglaProteccion
from src.nucleo.stops import OrdenStop, TipoProteccion, nivel_catastrofe
from src.nucleo.tipos import EstadoCuenta, LadoOrden
from src.produccion.puertos import EstadoAlgo, EventoStop, StopBolsa
from src.produccion.stops.proteccion import Protector
from src.produccion.stops.stops_recordados import MemoriaStops, recordar_stops
from tests.constructores import un_mercado
from tests.produccion.bucle import BucleVirtual
from tests.produccion.falsos import BolsaFalsa, DiarioFalso, Pierde
from tests.produccion.falsos_stops import Hija

LIMITE, MAXIMO = 0.2, 10_000.0


@dataclass
class Puesto:
    """A protector over a false exchange that has moved as far as the test says."""

    bolsa: BolsaFalsa
    diario: DiarioFalso
    protector: Protector

    async def operar(self, cantidad: float, precio: float | None = None) -> None:
        """The agent trades; its protection follows."""
        antes = self.bolsa.estado
        self.bolsa.operar(cantidad, precio, id_cliente=f"tm-{len(self.bolsa.pedidos)}")
        await self.protector.tras_operar(antes, self.bolsa.estado, self.bolsa.precio_actual, MAXIMO)

    async def revisar(self) -> None:
        await self.protector.revisar(self.bolsa.estado, MAXIMO, self.bolsa.precio_actual)

    def renacer(self, tipo: TipoProteccion = TipoProteccion.CATASTROFE) -> Puesto:
        """The daemon starts again from its journal."""
        memoria = recordar_stops(self.diario.eventos)
        return Puesto(self.bolsa, self.diario, un_protector(self.bolsa, self.diario, tipo, memoria))

    @property
    def residentes(self) -> list[tuple[LadoOrden, float, float | None]]:
        return [(s.lado, s.gatillo, s.cantidad) for s in self.bolsa.stops_vivos]


def un_protector(
    bolsa: BolsaFalsa,
    diario: DiarioFalso,
    tipo: TipoProteccion = TipoProteccion.CATASTROFE,
    memoria: MemoriaStops | None = None,
) -> Protector:
    regla = ReglaProteccion(tipo, LIMITE)
    extra: dict[str, Any] = {} if memoria is None else {"memoria": memoria}
    return Protector(bolsa, diario, bolsa.reloj, bolsa.mercado, regla, "sim-a:BTCUSDT:t", **extra)


def montar(tipo: TipoProteccion = TipoProteccion.CATASTROFE, **bolsa: Any) -> Puesto:
    falsa, diario = BolsaFalsa(**bolsa), DiarioFalso()
    return Puesto(falsa, diario, un_protector(falsa, diario, tipo))


async def empezar() -> Puesto:
    """A protector that has looked once, at a flat account."""
    puesto = montar()
    await puesto.revisar()
    puesto.bolsa.pedidos.clear()
    return puesto


def rechazo(codigo: int) -> OrdenRechazada:
    return OrdenRechazada(f"refused (code {codigo})", codigo=codigo)


def un_stop(gatillo: float, id_cliente: str = "tm-viejo", cantidad: float | None = None) -> OrdenStop:
    return OrdenStop("BTCUSDT", LadoOrden.SELL, gatillo, cantidad, id_cliente)


def nivel_de(estado: EstadoCuenta, bolsa: BolsaFalsa) -> float | None:
    return nivel_catastrofe(estado, bolsa.precio_actual, MAXIMO, LIMITE, bolsa.mercado)


def casi(nivel: float) -> float:
    """A price at which a long is still just above its level."""
    return nivel + 0.1


# --- arming, moving, withdrawing ---


@pytest.mark.parametrize(("cantidad", "lado"), [(0.5, LadoOrden.SELL), (-0.5, LadoOrden.BUY)])
async def test_al_abrir_hay_un_solo_stop_en_su_nivel(cantidad: float, lado: LadoOrden):
    puesto = await empezar()

    await puesto.operar(cantidad)

    assert puesto.residentes == [(lado, nivel_de(puesto.bolsa.estado, puesto.bolsa), None)]
    assert puesto.protector.confirmado
    assert puesto.bolsa.pedidos == ["colocar_stop", "stops_abiertos"]


async def test_el_nivel_y_la_intencion_se_escriben_antes_de_enviar():
    puesto = await empezar()
    puesto.bolsa.pedidos = puesto.diario.al_anotar

    await puesto.operar(0.5)

    assert puesto.diario.al_anotar == [
        "LEVEL_SET",
        "STOP_INTENT",
        "colocar_stop",
        "STOP_PLACED",
        "stops_abiertos",
    ]


async def test_al_aumentar_el_nivel_se_mueve_por_un_puente_y_nunca_falta():
    puesto = montar()
    await puesto.operar(0.3)
    primero = puesto.protector.nivel
    puesto.bolsa.pedidos.clear()

    await puesto.operar(0.2)

    assert puesto.bolsa.pedidos == [
        *("colocar_stop", "cancelar_stop", "colocar_stop", "cancelar_stop"),
        "stops_abiertos",
    ]
    assert [o.cantidad for o in puesto.bolsa.colocados] == [None, 0.5, None]
    assert puesto.protector.nivel is not None
    assert primero is not None
    assert puesto.protector.nivel > primero
    assert puesto.residentes == [(LadoOrden.SELL, puesto.protector.nivel, None)]


async def test_una_posicion_mayor_que_una_orden_cambia_de_nivel_por_varios_puentes():
    """Three orders at most of 0.2 each: the exchange takes no larger one."""
    mercado = un_mercado()
    filtros = replace(mercado.filtros, cantidad_max_mercado=Decimal("0.2"))
    puesto = montar(mercado=replace(mercado, filtros=filtros))
    await puesto.operar(0.3)
    primero = puesto.protector.nivel
    puesto.bolsa.fallos_stop.extend([None, Pierde.ANTES, Pierde.DESPUES])

    await puesto.operar(0.3)

    assert puesto.protector.nivel != primero
    assert puesto.residentes == [(LadoOrden.SELL, puesto.protector.nivel, None)]
    assert puesto.protector.confirmado
    puentes = {o.id_cliente: o.cantidad for o in puesto.bolsa.colocados if o.cantidad is not None}
    assert list(puentes.values()) == [0.2, 0.2, 0.2]
    assert {s.estado for s in puesto.bolsa.stops.values() if s.cantidad} == {EstadoAlgo.CANCELED}
    assert puesto.renacer().protector.permite_entrar


async def test_al_reducir_no_se_toca_nada():
    puesto = montar()
    await puesto.operar(0.5)
    puesto.bolsa.pedidos.clear()

    await puesto.operar(-0.2)

    assert puesto.bolsa.pedidos == []
    assert puesto.protector.confirmado


@pytest.mark.parametrize("huerfanos", [False, True])
async def test_al_cerrar_no_queda_ninguno(huerfanos: bool):
    puesto = montar(huerfanos=huerfanos)
    await puesto.operar(0.5)

    await puesto.operar(-0.5)

    assert puesto.residentes == []
    assert puesto.protector.nivel is None
    assert puesto.protector.permite_entrar


async def test_cada_operacion_tiene_sus_propios_identificadores():
    puesto = montar()
    for instante_ms in (1_000, 2_000):
        puesto.bolsa.reloj.instante_ms = instante_ms
        await puesto.operar(0.5)
        await puesto.operar(-0.5)

    assert len({o.id_cliente for o in puesto.bolsa.colocados}) == 2


async def test_sin_proteccion_no_se_pide_ni_se_hace_nada():
    puesto = montar(TipoProteccion.NINGUNA)
    puesto.bolsa.poner_stop(un_stop(25_000.0))

    await puesto.operar(0.5)
    await puesto.revisar()
    await puesto.protector.retirar()
    await puesto.protector.soltar()

    assert puesto.bolsa.pedidos == []
    assert puesto.diario.eventos == []
    assert puesto.protector.confirmado
    assert puesto.protector.permite_entrar
    assert not puesto.protector.tocado(1.0)


# --- already crossed ---


async def test_si_el_cierre_ya_cruzo_el_nivel_no_se_coloca():
    puesto = montar()
    antes = puesto.bolsa.estado
    puesto.bolsa.operar(0.5)

    with pytest.raises(YaCruzado):
        await puesto.protector.tras_operar(antes, puesto.bolsa.estado, 1_000.0, MAXIMO)

    assert puesto.bolsa.colocados == []
    assert not puesto.protector.confirmado


async def test_si_la_bolsa_dice_que_ya_se_cruzo_hay_que_cerrar():
    puesto = montar(mark=1_000.0)

    with pytest.raises(YaCruzado):
        await puesto.operar(0.5)


# --- what the exchange does to requests ---


async def test_una_respuesta_perdida_tras_colocar_no_pone_dos():
    puesto = montar()
    puesto.bolsa.fallos_stop.append(Pierde.DESPUES)

    await puesto.operar(0.5)

    assert len(puesto.bolsa.colocados) == 1
    assert len(puesto.residentes) == 1
    assert puesto.protector.confirmado


async def test_una_peticion_perdida_se_repite_con_el_mismo_identificador():
    puesto = montar()
    puesto.bolsa.fallos_stop.append(Pierde.ANTES)

    await puesto.operar(0.5)

    assert len(puesto.bolsa.colocados) == 2
    assert len({o.id_cliente for o in puesto.bolsa.colocados}) == 1
    assert puesto.diario.tipos().count("STOP_INTENT") == 1
    assert puesto.protector.confirmado


async def test_si_la_que_se_creia_perdida_llego_no_hay_dos():
    """The first request is listed late: the second one is refused as a duplicate and taken as the proof."""
    puesto = montar(consultas_stop_ausentes=3)
    puesto.bolsa.fallos_stop.append(Pierde.DESPUES)

    await puesto.operar(0.5)

    assert len(puesto.residentes) == 1
    assert puesto.protector.confirmado


async def test_un_rechazo_pasajero_se_reintenta(bitacora: list[dict[str, Any]]):
    puesto = montar()
    puesto.bolsa.fallos_stop.extend([FalloPasajero("busy", codigo=-1008)] * 2)

    await puesto.operar(0.5)

    assert puesto.protector.confirmado
    assert [e["event"] for e in bitacora if e["log_level"] == "critical"] == ["proteccion_fallida"] * 2


async def test_sin_poder_colocar_hay_que_cerrar(bitacora: list[dict[str, Any]]):
    puesto = montar()
    puesto.bolsa.fallos_stop.extend([rechazo(-4045)] * 3)

    with pytest.raises(ProteccionImposible):
        await puesto.operar(0.5)

    assert not puesto.protector.confirmado
    assert bitacora[-1]["event"] == "proteccion_sin_confirmar"
    assert puesto.diario.tipos().count("STOP_REJECTED") == 3


async def test_si_no_se_puede_mover_el_viejo_sigue_cubriendo():
    puesto = montar()
    await puesto.operar(0.3)
    viejo = puesto.residentes
    puesto.bolsa.fallos_stop.extend([rechazo(-4005)] * 3)

    await puesto.operar(0.2)

    assert puesto.residentes == viejo
    assert not puesto.protector.confirmado
    await puesto.revisar()
    assert puesto.protector.confirmado
    assert puesto.residentes != viejo


@pytest.mark.parametrize("pierde", list(Pierde))
async def test_una_cancelacion_sin_respuesta_termina_en_un_solo_stop(pierde: Pierde):
    puesto = montar()
    await puesto.operar(0.3)
    puesto.bolsa.fallos_cancelar_stop.append(pierde)

    await puesto.operar(0.2)

    assert puesto.residentes == [(LadoOrden.SELL, puesto.protector.nivel, None)]
    assert puesto.protector.confirmado


async def test_sin_lectura_tras_colocar_esta_cubierta_pero_sin_confirmar():
    puesto = await empezar()
    puesto.bolsa.listados_fallidos = 3

    await puesto.operar(0.5)

    assert len(puesto.residentes) == 1
    assert not puesto.protector.confirmado
    await puesto.revisar()
    assert puesto.protector.confirmado


async def test_revisar_sin_respuesta_no_cierra_nada():
    puesto = montar()
    await puesto.operar(0.5)
    puesto.bolsa.listados_fallidos = 1

    with pytest.raises(LecturaFallida):
        await puesto.revisar()

    assert puesto.protector.confirmado


async def test_un_diario_roto_no_deja_sin_stop(bitacora: list[dict[str, Any]]):
    puesto = montar()
    puesto.diario.roto = True

    await puesto.operar(0.5)

    assert puesto.protector.confirmado
    assert {e["event"] for e in bitacora if e["log_level"] == "critical"} == {"diario_roto"}


async def test_un_disco_que_no_contesta_tampoco():
    puesto = montar()

    async def nunca(*_: object) -> None:
        await asyncio.sleep(1e6)

    puesto.diario.anotar = nunca  # type: ignore[method-assign]

    await puesto.operar(0.5)

    assert asyncio.get_running_loop().time() < 5
    assert puesto.protector.confirmado


# --- what happens to stops that live ---


async def test_un_stop_que_la_bolsa_perdio_se_vuelve_a_poner(bitacora: list[dict[str, Any]]):
    puesto = montar()
    await puesto.operar(0.5)
    antes = puesto.residentes
    puesto.bolsa.soltar_stops()

    await puesto.revisar()

    assert puesto.residentes == antes
    assert len({o.id_cliente for o in puesto.bolsa.colocados}) == 2
    assert "stop_perdido" in [e["event"] for e in bitacora]


async def test_uno_dado_por_perdido_que_reaparece_no_impide_nada():
    puesto = montar()
    await puesto.operar(0.5)
    escondidos = dict(puesto.bolsa.stops)
    puesto.bolsa.soltar_stops()
    await puesto.revisar()
    puesto.bolsa.stops.clear()
    puesto.bolsa.stops.update(escondidos)

    await puesto.revisar()

    assert len(puesto.residentes) == 1
    assert puesto.protector.confirmado
    assert puesto.protector.permite_entrar


async def test_uno_cancelado_a_mano_se_vuelve_a_poner():
    puesto = montar()
    await puesto.operar(0.5)
    (stop,) = puesto.bolsa.stops_vivos
    await puesto.bolsa.cancelar_stop("BTCUSDT", stop.id_cliente)

    await puesto.revisar()

    assert len(puesto.residentes) == 1
    assert puesto.protector.confirmado


async def test_los_ajenos_se_cuentan_una_vez_y_no_se_tocan(bitacora: list[dict[str, Any]]):
    puesto = montar()
    puesto.bolsa.poner_stop(un_stop(20_000.0, "web_1", 0.1))
    await puesto.operar(0.5)
    await puesto.revisar()
    await puesto.operar(-0.5)
    await puesto.revisar()

    assert [s.id_cliente for s in puesto.bolsa.stops_vivos] == ["web_1"]
    assert [e["id_cliente"] for e in bitacora if e["event"] == "stop_ajeno"] == ["web_1"]


async def test_si_uno_ajeno_ocupa_el_sitio_se_cubre_con_cantidad():
    """The exchange takes a single stop that closes the position for each direction."""
    puesto = montar()
    puesto.bolsa.operar(0.5)
    puesto.bolsa.poner_stop(un_stop(20_000.0, "web_1"))

    await puesto.revisar()

    assert [s[2] for s in puesto.residentes] == [None, 0.5]
    assert puesto.protector.confirmado
    assert puesto.protector.permite_entrar


async def test_un_huerfano_propio_se_cancela_y_mientras_no_se_entra():
    puesto = montar()
    puesto.bolsa.poner_stop(un_stop(20_000.0))
    puesto.bolsa.fallos_cancelar_stop.extend([rechazo(-1003)] * 3)

    await puesto.revisar()
    assert not puesto.protector.permite_entrar
    await puesto.revisar()

    assert puesto.protector.permite_entrar
    assert puesto.residentes == []


async def test_mayor_que_una_orden_y_con_el_sitio_ocupado_se_cubre_con_varios():
    mercado = un_mercado()
    filtros = replace(mercado.filtros, cantidad_max_mercado=Decimal("0.3"))
    puesto = montar(mercado=replace(mercado, filtros=filtros))
    puesto.bolsa.operar(0.5)
    puesto.bolsa.poner_stop(un_stop(20_000.0, "web_1"))

    await puesto.revisar()

    assert [s[2] for s in puesto.residentes] == [None, 0.25, 0.25]
    assert puesto.protector.confirmado
    assert puesto.protector.permite_entrar


async def test_sin_nivel_no_hay_nada_que_cubrir():
    """No positive price would cost this much."""
    puesto = montar()

    await puesto.operar(0.03)

    assert puesto.protector.nivel is None
    assert puesto.protector.cubre
    assert puesto.residentes == []


async def test_una_posicion_ajena_tambien_se_protege():
    puesto = montar()
    await puesto.operar(0.2)
    puesto.bolsa.operar(0.3)

    await puesto.revisar()

    assert puesto.residentes == [(LadoOrden.SELL, nivel_de(puesto.bolsa.estado, puesto.bolsa), None)]


# --- triggered ---


async def test_el_que_cierra_la_posicion_se_reconoce_por_su_orden():
    puesto = montar()
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.mover(puesto.protector.nivel)
    (fila,) = [t for t in await puesto.bolsa.transacciones("BTCUSDT") if t.cantidad < 0]

    assert puesto.protector.tocado(puesto.bolsa.precio_actual)
    assert await puesto.protector.reconocer(fila.id_orden)
    assert not await puesto.protector.reconocer(fila.id_orden + 1)
    await puesto.revisar()

    assert puesto.protector.hijas == {fila.id_orden}
    assert puesto.protector.nivel is None
    assert puesto.protector.confirmado
    assert puesto.diario.tipos().count("STOP_TRIGGERED") == 1


async def test_si_se_dispara_mientras_se_mira_hay_que_leer_la_cuenta_otra_vez():
    puesto = montar()
    await puesto.operar(0.5)
    conocido = puesto.bolsa.estado
    assert puesto.protector.nivel is not None
    puesto.bolsa.mover(puesto.protector.nivel)

    with pytest.raises(LecturaFallida):
        await puesto.protector.revisar(conocido, MAXIMO, puesto.bolsa.precio_actual)
    await puesto.revisar()

    assert puesto.protector.nivel is None


@pytest.mark.parametrize("hija", [Hija.MEDIA, Hija.EXPIRADA])
async def test_disparado_y_con_posicion_no_protege(hija: Hija):
    puesto = montar(hija=hija)
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.mover(puesto.protector.nivel)

    with pytest.raises(ProteccionRota):
        await puesto.revisar()

    assert 3.0 < asyncio.get_running_loop().time() < 4.0
    assert not puesto.protector.confirmado


async def test_uno_atascado_al_dispararse_no_protege():
    puesto = montar(atasca_stops=True)
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.mover(puesto.protector.nivel)

    with pytest.raises(ProteccionRota):
        await puesto.revisar()


async def test_uno_atascado_que_arranca_a_tiempo_cierra():
    puesto = montar(atasca_stops=True)
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.mover(puesto.protector.nivel)
    asyncio.get_running_loop().call_later(2.0, puesto.bolsa.desatascar)

    with pytest.raises(LecturaFallida):
        await puesto.revisar()
    await puesto.revisar()

    assert len(puesto.protector.hijas) == 1


async def test_en_tiempo_de_mercado_tambien_caduca():
    puesto = montar(atasca_stops=True)
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.mover(puesto.protector.nivel)
    reloj = puesto.bolsa.reloj
    asyncio.get_running_loop().call_later(0.1, reloj.observar, reloj.ahora_ms() + 4_000)

    with pytest.raises(ProteccionRota):
        await puesto.revisar()

    assert asyncio.get_running_loop().time() < 1.0


async def test_plana_a_uno_atascado_se_le_deja_en_paz(bitacora: list[dict[str, Any]]):
    """Nothing can be done about it: no request is repeated, and it is told once."""
    puesto = montar(atasca_stops=True)
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.mover(puesto.protector.nivel)
    puesto.bolsa.operar(-0.5)
    puesto.bolsa.pedidos.clear()

    for _ in range(3):
        await puesto.revisar()
        assert not puesto.protector.permite_entrar

    assert puesto.bolsa.pedidos == ["stops_abiertos"] * 3
    assert [e["event"] for e in bitacora].count("stop_atascado") == 1
    assert not [e for e in bitacora if e["log_level"] == "critical"]
    (stop,) = puesto.bolsa.stops_vivos
    puesto.bolsa.stops[stop.id_cliente] = stop._replace(estado=EstadoAlgo.EXPIRED)
    await puesto.revisar()
    assert puesto.protector.permite_entrar


# --- ignored ---


async def un_stop_ignorado() -> Puesto:
    """The mark is beyond the level, and the stop waits."""
    puesto = montar()
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.mark = puesto.protector.nivel - 1.0
    await puesto.protector.revisar(puesto.bolsa.estado, MAXIMO, puesto.bolsa.mark)
    assert not puesto.protector.cubre
    return puesto


async def mirar_a(puesto: Puesto, mark: float) -> None:
    await puesto.protector.revisar(puesto.bolsa.estado, MAXIMO, mark)


@pytest.mark.parametrize("de_mercado", [False, True])
async def test_uno_que_la_bolsa_no_dispara_no_protege(de_mercado: bool):
    puesto = await un_stop_ignorado()
    mark = puesto.bolsa._mark
    await asyncio.sleep(2.0)
    await mirar_a(puesto, mark)

    if de_mercado:
        puesto.bolsa.reloj.instante_ms += 3_001
    else:
        await asyncio.sleep(1.5)
    with pytest.raises(ProteccionRota):
        await mirar_a(puesto, mark)

    assert not puesto.protector.cubre


async def test_uno_que_se_dispara_poco_despues_de_tocarse_protege():
    puesto = await un_stop_ignorado()
    await asyncio.sleep(2.0)
    puesto.bolsa.mover(puesto.bolsa._mark)
    await asyncio.sleep(2.0)

    await puesto.revisar()

    assert puesto.protector.nivel is None
    assert puesto.protector.confirmado


async def test_un_precio_viejo_no_da_por_roto_un_stop():
    """The market stream is silent; the exchange itself has its mark above the level."""
    puesto = await un_stop_ignorado()
    oido = puesto.bolsa._mark
    puesto.bolsa.mark = None
    await asyncio.sleep(10.0)

    await mirar_a(puesto, oido)

    assert len(puesto.residentes) == 1


async def test_el_plazo_de_uno_que_se_toca_empieza_cada_vez():
    puesto = await un_stop_ignorado()
    mark = puesto.bolsa._mark
    await mirar_a(puesto, puesto.bolsa.precio_actual)
    assert puesto.protector.cubre
    await asyncio.sleep(10.0)

    await mirar_a(puesto, mark)


# --- events ---


@pytest.mark.parametrize("estado", [EstadoAlgo.EXPIRED, EstadoAlgo.CANCELED, EstadoAlgo.TRIGGERING])
async def test_perdido_el_stop_no_se_dice_cubierta_aunque_no_se_pueda_mirar(estado: EstadoAlgo):
    puesto = montar()
    await puesto.operar(0.5)
    (stop,) = puesto.bolsa.stops_vivos
    puesto.bolsa.listados_fallidos = 9

    assert puesto.protector.tomar_evento(EventoStop(stop._replace(estado=estado), 0))
    with pytest.raises(LecturaFallida):
        await puesto.revisar()

    assert not puesto.protector.cubre


@pytest.mark.parametrize("propia", [True, False])
async def test_solo_lo_que_cancelan_otros_se_dice_cancelado_fuera(
    propia: bool, bitacora: list[dict[str, Any]]
):
    """The stream tells a cancellation of one's own before the exchange has answered it."""
    puesto = montar()
    await puesto.operar(0.5)
    (stop,) = puesto.bolsa.stops_vivos
    cancelar = puesto.bolsa.cancelar_stop

    async def avisando(simbolo: str, id_cliente: str) -> None:
        await cancelar(simbolo, id_cliente)
        puesto.protector.tomar_evento(EventoStop(puesto.bolsa.stops[id_cliente], 0))

    puesto.bolsa.cancelar_stop = avisando  # type: ignore[method-assign]
    if propia:
        await puesto.operar(0.2)
    else:
        puesto.protector.tomar_evento(EventoStop(stop._replace(estado=EstadoAlgo.CANCELED), 0))

    dichos = [e["id_cliente"] for e in bitacora if e["event"] == "stop_cancelado_fuera"]
    assert bool(puesto.bolsa.cancelados) is propia
    assert dichos == ([] if propia else [stop.id_cliente])


async def test_perdido_el_puente_sigue_cubierta():
    puesto = montar()
    await puesto.operar(0.5)
    puente = puesto.bolsa.poner_stop(un_stop(20_000.0, "tm-puente", 0.5))
    assert puesto.protector.tomar_evento(EventoStop(puente, 0))

    puesto.protector.tomar_evento(EventoStop(puente._replace(estado=EstadoAlgo.CANCELED), 0))

    assert puesto.protector.cubre


@pytest.mark.parametrize("durante", [True, False])
async def test_una_lista_mas_vieja_que_un_evento_no_resucita_un_stop(durante: bool):
    """The stop ended while the list was under way, or before it was asked for."""
    puesto = montar()
    await puesto.operar(0.5)
    (stop,) = puesto.bolsa.stops_vivos
    listar = puesto.bolsa.stops_abiertos
    vieja = list(await listar("BTCUSDT"))

    def termina() -> None:
        puesto.bolsa.stops[stop.id_cliente] = stop._replace(estado=EstadoAlgo.EXPIRED)
        puesto.protector.tomar_evento(EventoStop(puesto.bolsa.stops[stop.id_cliente], 0))

    async def tarde(simbolo: str) -> Sequence[StopBolsa]:
        puesto.bolsa.stops_abiertos = listar  # type: ignore[method-assign]
        if durante:
            termina()
        return vieja

    puesto.bolsa.stops_abiertos = tarde  # type: ignore[method-assign]
    if not durante:
        termina()
    await puesto.revisar()

    (nuevo,) = puesto.bolsa.stops_vivos
    assert nuevo.id_cliente != stop.id_cliente
    assert puesto.protector.cubre
    assert puesto.protector.permite_entrar


async def test_los_eventos_dicen_cuando_hay_que_mirar():
    puesto = montar()
    await puesto.operar(0.5)
    (stop,) = puesto.bolsa.stops_vivos

    def evento(**cambios: Any) -> EventoStop:
        return EventoStop(stop._replace(**cambios), 0)

    assert not puesto.protector.tomar_evento(evento())
    assert not puesto.protector.tomar_evento(evento(id_cliente="web_9", estado=EstadoAlgo.TRIGGERED))
    assert puesto.protector.tomar_evento(evento(estado=EstadoAlgo.TRIGGERED, id_orden=77))
    assert not puesto.protector.tomar_evento(evento(estado=EstadoAlgo.TRIGGERED, id_orden=77))
    assert puesto.protector.hijas == {77}


async def test_un_evento_viejo_no_resucita_un_stop():
    puesto = montar()
    await puesto.operar(0.5)
    (stop,) = puesto.bolsa.stops_vivos
    await puesto.operar(-0.5)

    assert not puesto.protector.tomar_evento(EventoStop(stop, 0))
    assert puesto.protector.permite_entrar


# --- restarts ---


async def test_tras_un_reinicio_el_nivel_es_el_que_era_y_no_se_coloca_nada():
    puesto = montar()
    await puesto.operar(0.5)
    nivel = puesto.protector.nivel
    puesto.bolsa.mover(35_000.0)

    otro = puesto.renacer()
    await otro.revisar()

    assert otro.protector.nivel == nivel
    assert len(puesto.bolsa.colocados) == 1
    assert otro.protector.confirmado


async def test_un_reinicio_entre_la_intencion_y_la_respuesta_no_pone_dos():
    puesto = await empezar()
    puesto.bolsa.fallos_stop.extend([Pierde.DESPUES] * 3)
    puesto.bolsa.listados_fallidos = 99
    puesto.bolsa.consultas_stop_fallidas = 99
    with pytest.raises((ProteccionImposible, LecturaFallida)):
        await puesto.operar(0.5)
    puesto.bolsa.consultas_stop_fallidas = puesto.bolsa.listados_fallidos = 0

    otro = puesto.renacer()
    await otro.revisar()

    assert len(puesto.residentes) == 1
    assert otro.protector.confirmado


async def test_sin_diario_el_nivel_se_lee_de_la_bolsa():
    puesto = montar()
    await puesto.operar(0.5)
    nivel = puesto.protector.nivel
    puesto.bolsa.mover(35_000.0)
    puesto.diario.eventos.clear()

    otro = puesto.renacer()
    await otro.revisar()

    assert otro.protector.nivel == nivel
    assert len(puesto.bolsa.colocados) == 1
    assert otro.protector.permite_entrar


async def test_lo_disparado_sin_nadie_delante_se_reconoce_al_volver():
    puesto = montar()
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.mover(puesto.protector.nivel)
    orden = puesto.bolsa._operadas[-1].id_orden

    otro = puesto.renacer()
    assert await otro.protector.reconocer(orden)
    await otro.revisar()

    assert otro.protector.permite_entrar
    assert puesto.renacer().protector.hijas == {orden}


async def test_el_mark_ya_mas_alla_al_volver_manda_cerrar():
    puesto = montar()
    await puesto.operar(0.5)
    assert puesto.protector.nivel is not None
    puesto.bolsa.soltar_stops()
    puesto.bolsa.mover(puesto.protector.nivel - 100.0)

    with pytest.raises(YaCruzado):
        await puesto.renacer().revisar()


# --- emergency ---


async def test_soltar_cancela_aunque_haya_posicion_y_revisar_lo_repone():
    puesto = montar()
    await puesto.operar(0.5)

    await puesto.protector.soltar()
    assert puesto.residentes == []
    assert not puesto.protector.confirmado

    await puesto.revisar()
    assert len(puesto.residentes) == 1


async def test_retirar_no_falla_aunque_la_bolsa_no_conteste(bitacora: list[dict[str, Any]]):
    puesto = montar(huerfanos=True)
    await puesto.operar(0.5)
    puesto.bolsa.operar(-0.5)
    puesto.bolsa.listados_fallidos = 1

    await puesto.protector.retirar()

    assert "stops_sin_cancelar" in [e["event"] for e in bitacora]
    assert not puesto.protector.permite_entrar


# --- whatever happens ---

_FALLOS = st.sampled_from([None, Pierde.ANTES, Pierde.DESPUES, "rechazo"])
_PASOS = st.lists(
    st.one_of(
        st.tuples(st.just("operar"), st.sampled_from([0.1, 0.2, -0.1, -0.2, -0.3])),
        st.tuples(st.just("mover"), st.sampled_from([0.97, 0.995, 1.005, 1.03])),
        st.tuples(st.just("fallo"), _FALLOS),
        st.tuples(st.just("fallo_cancelar"), _FALLOS),
        st.tuples(st.just("perder"), st.none()),
        st.tuples(st.just("renacer"), st.none()),
    ),
    max_size=14,
)


@given(pasos=_PASOS)
def test_pase_lo_que_pase_acaba_habiendo_exactamente_el_stop_querido(pasos: list[tuple[str, Any]]):
    bucle = BucleVirtual()
    try:
        bucle.run_until_complete(_vivir(pasos))
    finally:
        bucle.close()


async def _vivir(pasos: list[tuple[str, Any]]) -> None:
    puesto = montar()
    for nombre, valor in pasos:
        if nombre == "renacer":
            puesto = puesto.renacer()
        await _aguantar(lambda n=nombre, v=valor, p=puesto: _paso(p, n, v))  # type: ignore[misc]
        cierran = [s for s in puesto.bolsa.stops_vivos if s.cantidad is None]
        assert len(cierran) <= 1
    puesto.bolsa.fallos_stop.clear()
    puesto.bolsa.fallos_cancelar_stop.clear()
    await asyncio.sleep(20.0)
    for _ in range(3):
        await _aguantar(puesto.revisar)
    _comprobar(puesto)


async def _paso(puesto: Puesto, nombre: str, valor: Any) -> None:
    match nombre:
        case "operar":
            puesto.bolsa.reloj.instante_ms += 60_000
            await puesto.operar(valor)
        case "mover":
            puesto.bolsa.mover(round(puesto.bolsa.precio_actual * valor, 1))
            await puesto.revisar()
        case "fallo" | "fallo_cancelar":
            cola = puesto.bolsa.fallos_stop if nombre == "fallo" else puesto.bolsa.fallos_cancelar_stop
            cola.append(rechazo(-1003) if valor == "rechazo" else valor)
        case "perder":
            puesto.bolsa.soltar_stops()
            await puesto.revisar()
        case _:
            await puesto.revisar()


async def _aguantar(accion: Callable[[], Awaitable[None]]) -> None:
    try:
        await accion()
    except (LecturaFallida, YaCruzado, ProteccionImposible, ProteccionRota):
        return


def _comprobar(puesto: Puesto) -> None:
    vivos: list[StopBolsa] = puesto.bolsa.stops_vivos
    cantidad, nivel = puesto.bolsa.estado.cantidad, puesto.protector.nivel
    if cantidad == 0.0 or nivel is None:
        assert vivos == []
        assert puesto.protector.permite_entrar
        return
    if puesto.protector.tocado(puesto.bolsa.precio_actual):
        return
    (stop,) = vivos
    assert (stop.gatillo, stop.cantidad) == (nivel, None)
    assert stop.lado is (LadoOrden.SELL if cantidad > 0 else LadoOrden.BUY)
    assert puesto.protector.confirmado
