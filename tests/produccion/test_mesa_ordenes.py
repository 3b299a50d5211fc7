"""Orders of people, over the false exchange: every gate, its protection, and a daemon that is killed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import (
    DisyuntorAbierto,
    LecturaFallida,
    LimiteDeRiesgo,
    OrdenRechazada,
    ResultadoIncierto,
    SolicitudInvalida,
    StopInaceptable,
)
from src.nucleo.riesgo import EstadoRiesgo, ModoRiesgo
from src.nucleo.stops import TipoProteccion
from src.nucleo.tipos import LadoOrden
from src.nucleo.veto import Veto
from src.nucleo.vida_orden import EstadoVida, VidaOrden
from src.produccion.a_mano import MemoriaAMano, OperacionAMano
from src.produccion.almacen.mandos import EstadoMando, MandoGuardado
from src.produccion.mesa_ordenes import MesaOrdenes, Precios
from src.produccion.mesa_riesgo import DesenlaceRiesgo
from src.produccion.riesgo.puerta import Bloqueo
from tests.constructores import un_mercado, unos_filtros
from tests.produccion.banco import Banco, montar
from tests.produccion.falsos import Acuse, Parcial, Pierde, RelojFalso

T = TypeVar("T")

AHORA_MS = 1_728_000_000_000
ENVIADA = VidaOrden("tm-1", "BTCUSDT", LadoOrden.BUY, 0.1, False, "order:a:uno:0", 0.0, 1, EstadoVida.ENVIADA)
STOP, OBJETIVO = "29400", "31800"

Abrir = Callable[..., Awaitable["Mesa"]]


def un_mando(accion: str = "order.create", ident: str = "uno", **contenido: object) -> MandoGuardado:
    return MandoGuardado(
        *(1, ident, "default", "User_1", "BTCUSDT", accion, contenido, "ana", None, AHORA_MS),
        *(AHORA_MS + 60_000, EstadoMando.CLAIMED, "yo", AHORA_MS, None, None, "sim-1", AHORA_MS),
    )


class Mesa:
    """A daemon whose agent wants nothing, unless told otherwise, and somebody who asks it for orders."""

    def __init__(self, banco: Banco) -> None:
        self.edad_s = 0.0
        self.en(banco)

    def en(self, banco: Banco) -> None:
        self.banco = banco
        precios = Precios(lambda: banco.bolsa.precio_mark("BTCUSDT"), lambda: self.edad_s, 30.0)
        self.mesa = MesaOrdenes(banco.ciclo, self._turno, precios, banco.bolsa.reloj, lambda: AHORA_MS)

    async def _turno(self, tarea: Callable[[], Awaitable[T]]) -> T:
        return await tarea()

    async def abrir(self, lado: str = "BUY", cantidad: str = "0.1", **campos: object) -> DesenlaceRiesgo:
        return await self.mesa.abrir(un_mando(side=lado, quantity=cantidad, **campos))

    async def cancelar(self, id_cliente: str) -> DesenlaceRiesgo:
        return await self.mesa.cancelar(un_mando("order.cancel", order=id_cliente))

    async def volver(self) -> None:
        """The daemon is killed and started again."""
        self.en(await self.banco.volver())

    @property
    def cantidad(self) -> float:
        return self.banco.bolsa.estado.cantidad

    def gatillos(self, tipo: str) -> set[float]:
        return {s.gatillo for s in self.banco.bolsa.stops_vivos if s.tipo == tipo}

    def id_de(self, tipo: str, *, cierra: bool = False) -> str:
        vivos = self.banco.bolsa.stops_vivos
        return next(s.id_cliente for s in vivos if s.tipo == tipo and (s.cantidad is None) is cierra)


@pytest.fixture
async def abrir(tmp_path: Path) -> AsyncIterator[Abrir]:
    mesas: list[Mesa] = []

    async def construir(
        *acciones: float, proteccion: TipoProteccion = TipoProteccion.CATASTROFE, **cambios: Any
    ) -> Mesa:
        mesas.append(Mesa(await montar(tmp_path / "p", *acciones, proteccion=proteccion, **cambios)))
        return mesas[-1]

    yield construir
    for mesa in mesas:
        mesa.banco.registro.cerrar()


# --- opening ---


@pytest.mark.parametrize(
    ("lado", "stop", "objetivo"), [("BUY", 29_400.0, 31_800.0), ("SELL", 30_600.0, 28_200.0)]
)
async def test_se_abre_y_queda_protegida_como_se_pidio(abrir: Abrir, lado: str, stop: float, objetivo: float):
    mesa = await abrir(0.0)

    desenlace = await mesa.abrir(lado, stop=str(stop), target=str(objetivo))

    campos = desenlace.como_json()
    assert mesa.cantidad == (0.1 if lado == "BUY" else -0.1)
    assert stop in mesa.gatillos("STOP_MARKET")
    assert mesa.gatillos("TAKE_PROFIT_MARKET") == {objetivo}
    assert (campos["success"], campos["side"], campos["quantity"]) == (True, lado, "0.1")
    assert (campos["stop"], campos["target"], campos["account_id"]) == (stop, objetivo, "sim-1")
    assert campos["order_id"] == mesa.banco.bolsa.aceptadas[0].id_cliente
    assert [fila["status"] for fila in mesa.banco.filas] == ["manual"]


async def test_sin_stop_la_protege_el_del_artefacto(abrir: Abrir):
    mesa = await abrir(0.0)

    desenlace = await mesa.abrir("SELL", "0.2")

    (stop,) = mesa.banco.bolsa.stops_vivos
    assert (stop.tipo, stop.cantidad, desenlace.exito) == ("STOP_MARKET", None, True)
    assert stop.gatillo == mesa.banco.protector.nivel
    assert mesa.banco.ciclo.protegida


@pytest.mark.parametrize(
    ("campos", "motivo"),
    [
        ({"stop": "30000"}, "wrong side of the mark 30000.0: a LONG needs it below"),
        ({"stop": "30600"}, "wrong side of the mark"),
        ({"stop": STOP, "target": "29900"}, "Target 29900.0 is on the wrong side of the mark"),
        ({"stop": "1"}, "Looser stop not allowed"),
        ({"stop": STOP, "target": "40000.1"}, "Target 40000.1 is outside the price filter"),
        ({"stop": "0.01"}, "Stop 0.01 is outside the price filter"),
    ],
)
async def test_un_stop_u_objetivo_imposible_se_niega_antes_de_la_orden(
    abrir: Abrir, campos: dict[str, str], motivo: str
):
    mercado = un_mercado(filtros=unos_filtros(precio_min="0.1", precio_max="40000"))
    mesa = await abrir(0.0, limite=0.05, mercado=mercado)
    mesa.banco.bolsa.pedidos.clear()

    with pytest.raises(StopInaceptable, match=motivo):
        await mesa.abrir(**{"cantidad": "0.5"} | campos)

    assert "enviar" not in mesa.banco.bolsa.pedidos
    assert mesa.banco.control.bloqueos == set()
    assert mesa.banco.diario.tipos("hand_made") == []


@pytest.mark.parametrize(
    ("campos", "motivo"),
    [
        ({"side": "LONG", "quantity": "1"}, "must be BUY or SELL"),
        ({"side": "BUY"}, "'quantity' is needed"),
        ({"side": "BUY", "quantity": "NaN"}, "must be a decimal number"),
        ({"side": "BUY", "quantity": "-1"}, "must be a decimal number"),
        ({"side": "BUY", "quantity": 1}, "must be a decimal number"),
        ({"side": "BUY", "quantity": "0.0001"}, "below the symbol's minimum"),
        ({"side": "BUY", "quantity": "0.1", "stop": "x"}, "'stop' 'x' must be a decimal number"),
    ],
)
async def test_lo_que_no_se_entiende_no_se_envia(abrir: Abrir, campos: dict[str, object], motivo: str):
    mesa = await abrir(0.0)

    with pytest.raises(SolicitudInvalida, match=motivo):
        await mesa.mesa.abrir(un_mando(**campos))

    assert mesa.banco.bolsa.enviadas == []


async def test_un_agente_entrenado_sin_stops_no_deja_abrir_a_mano(abrir: Abrir):
    mesa = await abrir(0.0, proteccion=TipoProteccion.NINGUNA)

    with pytest.raises(StopInaceptable, match="nothing would protect it"):
        await mesa.abrir(stop=STOP)

    assert mesa.banco.bolsa.enviadas == []


@pytest.mark.parametrize("accion", [0.5, -0.5])
@pytest.mark.parametrize("lado", ["BUY", "SELL"])
async def test_con_una_posicion_abierta_se_niega_en_cualquier_direccion(
    abrir: Abrir, accion: float, lado: str
):
    mesa = await abrir(accion)
    await mesa.banco.cerrar_vela(30_000.0)
    antes = len(mesa.banco.bolsa.enviadas)

    with pytest.raises(SolicitudInvalida, match="an order by hand needs a flat account; close it first"):
        await mesa.abrir(lado)

    assert len(mesa.banco.bolsa.enviadas) == antes


# --- gates ---


def en_modo(modo: ModoRiesgo) -> Callable[[Mesa], None]:
    return lambda mesa: mesa.banco.control.restituir_modo(modo)


def bloqueada(bloqueo: Bloqueo) -> Callable[[Mesa], None]:
    return lambda mesa: mesa.banco.control.fijar(bloqueo, True)


def en_brecha(mesa: Mesa) -> None:
    mesa.banco.control.reanudar(EstadoRiesgo(20_000.0, 0.5, 1), None)


def vetada(mesa: Mesa) -> None:
    mesa.banco.control.reanudar(EstadoRiesgo(10_000.0), None, Veto(True, 3, None))


def callada(mesa: Mesa) -> None:
    mesa.edad_s = 31.0


@pytest.mark.parametrize(
    ("preparar", "motivo"),
    [
        (en_modo(ModoRiesgo.REDUCING), "risk mode REDUCING"),
        (en_modo(ModoRiesgo.HALTED), "risk mode HALTED"),
        (bloqueada(Bloqueo.INQUILINO), "the tenant has paused trading"),
        (bloqueada(Bloqueo.RITMO), "too many executions lately"),
        (bloqueada(Bloqueo.VALLAS_SIN_SABER), "guardrails are not known"),
        (bloqueada(Bloqueo.MARGEN), "liquidation is near"),
        (bloqueada(Bloqueo.FUERA_DE_RANGO), "outside what training saw"),
        (en_brecha, "drawdown limit exceeded"),
        (vetada, "blocks long entries"),
        (callada, "prices are stale: the last mark came 31 s ago"),
    ],
)
async def test_pasa_por_cada_puerta_de_una_entrada_del_agente(
    abrir: Abrir, preparar: Callable[[Mesa], None], motivo: str
):
    mesa = await abrir(0.0)
    preparar(mesa)

    with pytest.raises(LimiteDeRiesgo, match=motivo):
        await mesa.abrir(stop=STOP)

    assert mesa.banco.bolsa.enviadas == []


async def test_mientras_no_se_sabe_de_una_orden_del_agente_no_se_abre(abrir: Abrir):
    mesa = await abrir(0.5)
    mesa.banco.bolsa.fallos.append(Pierde.ANTES)
    mesa.banco.bolsa.consultas_fallidas = 10_000
    await mesa.banco.cerrar_vela(30_000.0)
    assert mesa.banco.ejecutor.hay_incierta

    with pytest.raises(LecturaFallida):
        await mesa.abrir(stop=STOP)

    assert len(mesa.banco.bolsa.enviadas) == 1


async def test_un_disyuntor_abierto_la_detiene(abrir: Abrir):
    mesa = await abrir(0.0)
    assert mesa.banco.control.cuadro is not None
    for _ in range(3):
        mesa.banco.control.cuadro.medir(ClaseDisyuntor.SPREAD, 1e9, mesa.banco.bolsa.reloj.ahora_ms())

    with pytest.raises(DisyuntorAbierto, match="spread breaker"):
        await mesa.abrir(stop=STOP)

    assert mesa.banco.bolsa.enviadas == []


async def test_lo_que_el_margen_no_cubre_se_niega(abrir: Abrir):
    mesa = await abrir(0.0)

    with pytest.raises(LimiteDeRiesgo, match="margin does not cover"):
        await mesa.abrir(cantidad="0.7")


async def test_si_el_diario_no_escribe_no_se_envia(abrir: Abrir):
    mesa = await abrir(0.0)
    mesa.banco.diario.roto = True

    with pytest.raises((OrdenRechazada, LimiteDeRiesgo)):
        await mesa.abrir(stop=STOP)

    assert mesa.banco.bolsa.enviadas == []


async def test_lo_que_ya_nadie_espera_no_se_abre(abrir: Abrir):
    mesa = await abrir(0.0)

    with pytest.raises(SolicitudInvalida, match="nobody waits"):
        await mesa.mesa.abrir(un_mando(side="BUY", quantity="0.1")._replace(vence_ms=AHORA_MS - 1))


# --- afterwards ---


@pytest.mark.parametrize("accion", [-0.5, 0.0, 0.9])
async def test_el_agente_la_deja_estar_hasta_que_se_cierra(abrir: Abrir, accion: float):
    mesa = await abrir(accion)
    await mesa.abrir(stop=STOP, target=OBJETIVO)

    await mesa.banco.cerrar_vela(30_100.0)
    await mesa.banco.cerrar_vela(30_200.0)

    assert (mesa.cantidad, len(mesa.banco.bolsa.aceptadas)) == (0.1, 1)
    rechazadas = [f for f in mesa.banco.filas if f["status"] == "rechazada"]
    assert len(rechazadas) == (0 if accion == 0.0 else 2)
    assert all(f["error"] == "a position opened by hand is open: ana opened it" for f in rechazadas)
    assert mesa.banco.control.bloqueos == {Bloqueo.A_MANO}


async def test_cerrada_por_su_objetivo_el_agente_vuelve(abrir: Abrir):
    mesa = await abrir(-0.5)
    await mesa.abrir(stop=STOP, target=OBJETIVO)

    mesa.banco.bolsa.mover(31_800.0)
    mesa.banco.ciclo.mark = 31_800.0
    await mesa.banco.cerrar_vela(31_800.0)

    assert mesa.cantidad < 0.0
    assert mesa.banco.control.bloqueos == set()
    assert mesa.banco.diario.tipos("hand_made") == [
        "HAND_MADE_ASKED",
        "HAND_MADE_PROTECTED",
        "HAND_MADE_ENDED",
    ]
    assert [f["status"] for f in mesa.banco.filas] == ["manual", "proteccion", "ok"]


async def test_otra_orden_mientras_esta_abierta_se_niega_y_tras_cerrarla_no(abrir: Abrir):
    mesa = await abrir(0.0)
    await mesa.abrir(stop=STOP)
    with pytest.raises(SolicitudInvalida, match="close it first"):
        await mesa.abrir(stop=STOP)
    await mesa.banco.ciclo.cerrar_y_seguir("guardian", mesa.banco.bolsa.reloj.ahora_ms())

    otra = await mesa.mesa.abrir(un_mando(ident="dos", side="BUY", quantity="0.2"))

    assert (otra.exito, mesa.cantidad) == (True, 0.2)


async def test_una_orden_rechazada_suelta_al_agente(abrir: Abrir):
    mesa = await abrir(0.5)
    mesa.banco.bolsa.fallos.append(OrdenRechazada("margin is insufficient (code -2019)", codigo=-2019))

    with pytest.raises(OrdenRechazada, match="-2019"):
        await mesa.abrir(stop=STOP)

    assert mesa.banco.control.bloqueos == set()
    await mesa.banco.cerrar_vela(30_000.0)
    assert mesa.cantidad > 0.1


async def test_un_lleno_parcial_se_protege_entero(abrir: Abrir):
    mesa = await abrir(0.0)
    mesa.banco.bolsa.fallos.append(Parcial(0.04))

    desenlace = await mesa.abrir(stop=STOP)

    assert (mesa.cantidad, desenlace.campos["quantity"]) == (0.04, "0.04")
    assert 29_400.0 in mesa.gatillos("STOP_MARKET")


async def test_una_respuesta_perdida_no_duplica_la_orden(abrir: Abrir):
    mesa = await abrir(0.0)
    mesa.banco.bolsa.fallos.append(Pierde.DESPUES)

    await mesa.abrir(stop=STOP)

    assert (len(mesa.banco.bolsa.aceptadas), mesa.cantidad) == (1, 0.1)
    assert 29_400.0 in mesa.gatillos("STOP_MARKET")


async def test_el_mercado_que_pasa_el_stop_mientras_se_abre_la_cierra(abrir: Abrir):
    mesa = await abrir(0.0)

    def cae() -> None:
        mesa.banco.bolsa.al_enviar = None
        mesa.banco.bolsa.precio_actual = 29_300.0
        mesa.banco.ciclo.mark = 29_300.0

    mesa.banco.bolsa.al_enviar = cae
    desenlace = await mesa.abrir(stop=STOP)

    assert (desenlace.exito, mesa.cantidad) == (False, 0.0)
    assert "it was closed" in desenlace.mensaje
    assert mesa.banco.control.bloqueos == set()


# --- killed in the middle ---


class Muerto(Exception):
    """The daemon is gone."""


async def test_muerta_antes_de_enviar_no_se_envia_nunca(abrir: Abrir):
    mesa = await abrir(0.5)
    mesa.banco.bolsa.fallos.append(Muerto())
    with pytest.raises(Muerto):
        await mesa.abrir(stop=STOP)

    await mesa.volver()
    resto = mesa.banco.bolsa.enviadas[1:]

    assert (mesa.cantidad, resto) == (0.0, [])
    assert mesa.banco.ciclo.a_mano_de("uno") is not None


async def test_muerta_tras_enviar_la_encuentra_la_protege_y_la_responde(abrir: Abrir):
    mesa = await abrir(-0.5)
    mesa.banco.bolsa.al_enviar = None
    original = mesa.banco.bolsa.enviar

    async def muere(orden: Any) -> Any:
        await original(orden)
        raise Muerto

    mesa.banco.bolsa.enviar = muere  # type: ignore[method-assign]
    with pytest.raises(Muerto):
        await mesa.abrir(stop=STOP, target=OBJETIVO)
    mesa.banco.bolsa.enviar = original  # type: ignore[method-assign]
    assert mesa.banco.bolsa.stops_vivos == []

    await mesa.volver()
    respuesta = await mesa.mesa.recordar(un_mando(side="BUY", quantity="0.1"))

    assert (len(mesa.banco.bolsa.aceptadas), mesa.cantidad) == (1, 0.1)
    assert 29_400.0 in mesa.gatillos("STOP_MARKET")
    assert mesa.gatillos("TAKE_PROFIT_MARKET") == {31_800.0}
    assert respuesta is not None
    assert (respuesta.exito, respuesta.mensaje) == (
        True,
        "opened by a daemon that was cut short after it; the position is open",
    )
    await mesa.banco.cerrar_vela(30_000.0)
    assert mesa.cantidad == 0.1
    assert next(f["status"] for f in mesa.banco.filas) == "manual"


async def test_tras_reiniciar_sigue_siendo_de_quien_la_abrio(abrir: Abrir):
    mesa = await abrir(-0.5)
    await mesa.abrir(stop=STOP)
    await mesa.volver()

    await mesa.banco.cerrar_vela(30_000.0)

    assert mesa.cantidad == 0.1
    assert mesa.banco.control.bloqueos == {Bloqueo.A_MANO}


async def test_un_stop_apretado_despues_no_se_afloja_al_reiniciar(abrir: Abrir):
    mesa = await abrir(0.0)
    await mesa.abrir(stop=STOP)
    await mesa.banco.ciclo.ajustar_a_mano(29_700.0, None, "manual_adjust")

    await mesa.volver()

    assert mesa.banco.ciclo.gatillo == 29_700.0


async def test_lo_que_nunca_se_empezo_se_responde_como_no_hecho(abrir: Abrir):
    mesa = await abrir(0.0)

    respuesta = await mesa.mesa.recordar(un_mando(side="BUY", quantity="0.1"))
    otra = await mesa.mesa.recordar(un_mando("order.cancel", order="tm-x"))

    assert respuesta is not None
    assert (respuesta.exito, otra) == (False, None)
    assert respuesta.mensaje == "the daemon ended before it sent the order; nothing was done"


class AMedias:
    """A restarted daemon that has learnt what became of the order, and has not acted on it yet."""

    def __init__(self, *vidas: VidaOrden) -> None:
        self._vidas = list(vidas)
        self.puesta = False

    def a_mano_de(self, mando: str) -> MemoriaAMano:
        return MemoriaAMano(OperacionAMano(mando, "ana", ENVIADA.id_cliente, None, None, self.puesta))

    def vida_de(self, id_cliente: str) -> VidaOrden:
        vida = self._vidas[0]
        self.puesta = len(self._vidas) == 1
        del self._vidas[:-1]
        return vida


async def _sin_turno(tarea: Callable[[], Awaitable[T]]) -> T:
    raise AssertionError("nothing is carried out again")


async def _sin_mark() -> float:
    raise AssertionError("no price is asked for")


SIN_PRECIOS = Precios(_sin_mark, lambda: 0.0, 30.0)


async def recordar(ciclo: Any) -> DesenlaceRiesgo:
    mesa = MesaOrdenes(ciclo, _sin_turno, SIN_PRECIOS, RelojFalso(), lambda: AHORA_MS)
    respuesta = await mesa.recordar(un_mando(side="BUY", quantity="0.1"))
    assert respuesta is not None
    return respuesta


async def test_una_orden_que_nunca_llego_no_se_da_por_abierta():
    rechazada = ENVIADA._replace(estado=EstadoVida.RECHAZADA, motivo="never reached the exchange")

    respuesta = await recordar(AMedias(rechazada))

    assert (respuesta.exito, respuesta.mensaje) == (
        False,
        "the order was not filled: never reached the exchange",
    )


async def test_una_orden_ejecutada_no_se_da_por_abierta_hasta_que_se_la_protege():
    ejecutada = ENVIADA._replace(estado=EstadoVida.EJECUTADA, ejecutada=0.1)
    ciclo = AMedias(ejecutada, ejecutada)

    respuesta = await recordar(ciclo)

    assert (respuesta.exito, ciclo.puesta) == (True, True)


# --- cancelling ---


async def test_un_objetivo_se_cancela_y_el_stop_se_queda(abrir: Abrir):
    mesa = await abrir(0.0)
    await mesa.abrir(stop=STOP, target=OBJETIVO)
    stops = mesa.gatillos("STOP_MARKET")

    desenlace = await mesa.cancelar(mesa.id_de("TAKE_PROFIT_MARKET"))

    assert desenlace.exito
    assert mesa.gatillos("TAKE_PROFIT_MARKET") == set()
    assert mesa.gatillos("STOP_MARKET") == stops
    await mesa.volver()
    assert mesa.gatillos("TAKE_PROFIT_MARKET") == set()


@pytest.mark.parametrize("cierra", [True, False])
async def test_un_stop_de_lo_abierto_no_se_cancela(abrir: Abrir, cierra: bool):
    mesa = await abrir(0.0)
    await mesa.abrir("SELL", "0.3", stop="30600")
    antes = list(mesa.banco.bolsa.stops_vivos)

    with pytest.raises(StopInaceptable, match=r"move it with POST /guardian \(adjust\), or close"):
        await mesa.cancelar(mesa.id_de("STOP_MARKET", cierra=cierra))

    assert mesa.banco.bolsa.stops_vivos == antes


async def test_lo_que_ya_acabo_o_no_es_suyo_no_se_cancela(abrir: Abrir):
    mesa = await abrir(0.0)
    abierta = await mesa.abrir(stop=STOP)

    with pytest.raises(SolicitudInvalida, match="is over: "):
        await mesa.cancelar(str(abierta.campos["order_id"]))
    with pytest.raises(SolicitudInvalida, match="order tm-ajena is over"):
        await mesa.cancelar("tm-ajena")


async def test_una_orden_que_se_lleno_mientras_se_cancelaba_no_es_un_fallo(abrir: Abrir):
    mesa = await abrir(0.0)
    bolsa = mesa.banco.bolsa
    bolsa.fallos.append(Acuse.NEW)
    bolsa.consultas_en_curso = True
    with pytest.raises(ResultadoIncierto):
        await mesa.abrir(stop=STOP)
    (orden,) = bolsa.enviadas

    async def se_llena(_simbolo: str, _id_cliente: str) -> None:
        bolsa.consultas_en_curso = False
        raise OrdenRechazada("unknown order sent (code -2011)", codigo=-2011)

    bolsa.cancelar_orden = se_llena  # type: ignore[method-assign]
    desenlace = await mesa.cancelar(orden.id_cliente)

    assert "0.1 of 0.1 filled" in desenlace.mensaje
    assert 29_400.0 in mesa.gatillos("STOP_MARKET")


async def test_una_orden_que_sigue_viva_se_cancela_en_la_bolsa(abrir: Abrir):
    mesa = await abrir(0.0)
    bolsa = mesa.banco.bolsa
    bolsa.fallos.append(Acuse.NEW)
    bolsa.consultas_en_curso = True
    with pytest.raises(ResultadoIncierto):
        await mesa.abrir(stop=STOP)
    (orden,) = bolsa.enviadas

    desenlace = await mesa.cancelar(orden.id_cliente)

    assert desenlace.exito
    assert "cancelar_orden" in bolsa.pedidos
    assert 29_400.0 in mesa.gatillos("STOP_MARKET")
