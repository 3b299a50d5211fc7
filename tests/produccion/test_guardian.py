"""What people ask of an open position: every rule and every message, over the false exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from src.nucleo.errores import (
    ErrorBolsa,
    LecturaFallida,
    LimiteExcedido,
    OrdenRechazada,
    ResultadoIncierto,
    SolicitudInvalida,
    StopInaceptable,
)
from src.nucleo.guardian import AccionGuardian, Solicitud
from src.nucleo.niveles import precio_break_even
from src.nucleo.registro import texto_utc
from src.nucleo.stops import TipoProteccion
from src.nucleo.tipos import EstadoCuenta
from src.nucleo.veto import Veto
from src.produccion.almacen.mandos import EstadoMando, MandoGuardado
from src.produccion.espejo import EspejoRedis
from src.produccion.guardian import Guardian, Reglas
from src.produccion.mandos import Desenlace, accion_de, contenido_de
from src.produccion.puertos import ClaseIngreso
from src.produccion.riesgo.puerta import Bloqueo
from tests.constructores import un_mercado, unos_filtros
from tests.produccion.banco import Banco, frontera, montar
from tests.produccion.falsos import Parcial, Pierde

T = TypeVar("T")

AHORA_MS = 1_728_000_000_000
FRENO = {"stop": {"modo": "porcentaje", "valor": 2.0}, "objetivo": {"modo": "porcentaje", "valor": 6.0}}
STOP, OBJETIVO = 29_400.0, 31_800.0  # of a long opened at 30,000

Abrir = Callable[..., Awaitable["Mesa"]]


class Mesa:
    """A position, and somebody who asks something of it."""

    def __init__(self, banco: Banco, proteccion: TipoProteccion) -> None:
        self.banco = banco
        self.proteccion = proteccion
        self.guardian = Guardian(
            banco.ciclo,
            self._turno,
            banco.bolsa.reloj,
            lambda: AHORA_MS,
            EspejoRedis(None),
            Reglas("User_1", "BTCUSDT", banco.bolsa.mercado.filtros, proteccion.value),
        )

    async def _turno(self, tarea: Callable[[], Awaitable[T]]) -> T:
        return await tarea()

    async def pedir(self, accion: AccionGuardian, **campos: Any) -> Desenlace:
        solicitud = Solicitud("BTCUSDT", accion, **campos)
        mando = MandoGuardado(
            *(1, "uno", "default", "User_1", "BTCUSDT", accion_de(accion), contenido_de(solicitud)),
            *("ana", None, AHORA_MS, AHORA_MS + 60_000, EstadoMando.CLAIMED, "yo", AHORA_MS, None, None),
        )
        return await self.guardian.atender(mando)

    async def cerrar(self, **campos: Any) -> Desenlace:
        return await self.pedir(AccionGuardian.CERRAR, **campos)

    async def ajustar(self, stop: float | None, **campos: Any) -> Desenlace:
        return await self.pedir(AccionGuardian.AJUSTAR, stop=stop, **campos)

    async def partir(self, **campos: Any) -> Desenlace:
        return await self.pedir(AccionGuardian.MEDIO_CIERRE, **campos)

    def mover(self, precio: float) -> None:
        """The market goes to a price, and the daemon hears of it."""
        self.banco.bolsa.mover(precio)
        self.banco.ciclo.mark = precio

    @property
    def cantidad(self) -> float:
        return self.banco.bolsa.estado.cantidad

    @property
    def residentes(self) -> dict[str, set[tuple[float, float | None]]]:
        """Trigger and quantity of what waits at the exchange, by type."""
        vivos = self.banco.bolsa.stops_vivos
        return {
            tipo: {(s.gatillo, s.cantidad) for s in vivos if s.tipo == tipo}
            for tipo in {s.tipo for s in vivos}
        }

    @property
    def status(self) -> list[str]:
        return [fila["status"] for fila in self.banco.filas]


@pytest.fixture
async def abrir(tmp_path: Path) -> AsyncIterator[Abrir]:
    """A position of half the equity opened at 30,000 on one candle."""
    bancos: list[Banco] = []

    async def construir(
        accion: float = 0.5, proteccion: TipoProteccion = TipoProteccion.FIJA, **cambios: Any
    ) -> Mesa:
        freno = None if proteccion is TipoProteccion.CATASTROFE else FRENO
        banco = await montar(tmp_path / "p", accion, proteccion=proteccion, freno=freno, **cambios)
        bancos.append(banco)
        await banco.cerrar_vela(30_000.0)
        return Mesa(banco, proteccion)

    yield construir
    for banco in bancos:
        banco.registro.cerrar()


# --- close ---


@pytest.mark.parametrize(("accion", "direccion", "stop"), [(0.5, "BUY", STOP), (-0.5, "SELL", 30_600.0)])
async def test_cerrar_cierra_y_dice_lo_que_habia(abrir: Abrir, accion: float, direccion: str, stop: float):
    mesa = await abrir(accion)

    desenlace = await mesa.cerrar()

    assert (mesa.cantidad, mesa.banco.bolsa.stops_vivos) == (0.0, [])
    assert desenlace == Desenlace(
        exito=True,
        instante_ms=frontera(1),
        direccion=direccion,
        stop_anterior=stop,
        confirmado=True,
        mensaje="Position closed",
    )
    assert mesa.status == ["ok", "manual"]
    assert mesa.banco.control.bloqueos == set()


@pytest.mark.parametrize(
    "fallo", [LecturaFallida("no answer"), LimiteExcedido("too many requests", espera_s=9.0)], ids=repr
)
async def test_si_la_bolsa_no_contesta_se_dice_que_nada_se_ha_enviado(abrir: Abrir, fallo: ErrorBolsa):
    mesa = await abrir()
    mesa.banco.bolsa.lecturas_fallidas, mesa.banco.bolsa.fallo_al_leer = 100, fallo
    ordenes = len(mesa.banco.bolsa.aceptadas)

    desenlace = await mesa.cerrar()

    assert (desenlace.exito, desenlace.como_json()["kind"]) == (False, "exchange_connection")
    assert desenlace.mensaje.startswith(f"nothing was sent for it: {fallo}; look at the")
    assert len(mesa.banco.bolsa.aceptadas) == ordenes


@pytest.mark.parametrize(
    ("accion", "campos", "mensaje"),
    [
        (AccionGuardian.CERRAR, {}, "No open position to close"),
        (AccionGuardian.AJUSTAR, {"stop": 29_000.0}, "No open position to adjust"),
        (AccionGuardian.MEDIO_CIERRE, {}, "No open position to half-close"),
    ],
)
async def test_sin_posicion_no_hay_nada_que_hacer(
    abrir: Abrir, accion: AccionGuardian, campos: dict[str, Any], mensaje: str
):
    mesa = await abrir(0.0)

    with pytest.raises(SolicitudInvalida, match=f"^{mensaje}$"):
        await mesa.pedir(accion, **campos)


async def test_una_posicion_que_ya_cerro_su_stop_no_se_cierra_otra_vez(abrir: Abrir):
    mesa = await abrir()
    mesa.mover(STOP)

    with pytest.raises(SolicitudInvalida, match="No open position to close"):
        await mesa.cerrar()

    assert mesa.status == ["ok", "proteccion"]


# --- adjust ---


async def test_ajustar_mueve_el_stop_y_el_objetivo_en_la_bolsa(abrir: Abrir):
    mesa = await abrir()
    antes = mesa.residentes

    desenlace = await mesa.ajustar(29_700.0, objetivo=31_000.0, nivel="break_even", nivel_anterior="x")

    assert desenlace == Desenlace(
        exito=True,
        instante_ms=frontera(1),
        direccion="BUY",
        stop=29_700.0,
        nivel="break_even",
        stop_anterior=STOP,
        confirmado=True,
    )
    assert (29_700.0, mesa.cantidad) in mesa.residentes["STOP_MARKET"]
    assert (STOP, mesa.cantidad) not in mesa.residentes["STOP_MARKET"]
    assert mesa.residentes["TAKE_PROFIT_MARKET"] == {(31_000.0, mesa.cantidad)}
    assert len(mesa.residentes["STOP_MARKET"]) == len(antes["STOP_MARKET"])


async def test_ajustar_coloca_antes_de_cancelar(abrir: Abrir):
    mesa = await abrir()
    mesa.banco.bolsa.pedidos.clear()

    await mesa.ajustar(29_700.0)

    pasos = [p for p in mesa.banco.bolsa.pedidos if p in ("colocar_stop", "cancelar_stop")]
    assert pasos == ["colocar_stop", "cancelar_stop"]


@pytest.mark.parametrize(
    ("accion", "campos", "mensaje"),
    [
        (0.5, {"stop": 29_000.0}, r"Looser stop not allowed \(current 29400.0, new 29000.0\)"),
        (-0.5, {"stop": 31_000.0}, r"Looser stop not allowed \(current 30600.0, new 31000.0\)"),
        (0.5, {"stop": 30_000.0}, "wrong side of the mark 30000.0: a LONG needs it below"),
        (-0.5, {"stop": 29_990.0}, "wrong side of the mark 30000.0: a SHORT needs it above"),
        (0.5, {"stop": 29_700.0, "objetivo": 29_900.0}, "Target 29900.0 is on the wrong side of the mark"),
    ],
)
async def test_un_precio_que_no_puede_ser_se_niega_y_nada_cambia(
    abrir: Abrir, accion: float, campos: dict[str, float], mensaje: str
):
    mesa = await abrir(accion)
    antes, estado = mesa.residentes, mesa.banco.protector.estado

    with pytest.raises(StopInaceptable, match=mensaje):
        await mesa.pedir(AccionGuardian.AJUSTAR, **campos)

    assert (mesa.residentes, mesa.banco.protector.estado) == (antes, estado)
    assert mesa.banco.ciclo.protegida


@pytest.mark.parametrize(
    ("campos", "mensaje"),
    [
        ({}, "'adjust' requires 'stop' parameter"),
        ({"stop": float("nan")}, "'stop' nan must be a finite price greater than 0"),
        ({"stop": -1.0}, "'stop' -1.0 must be a finite price greater than 0"),
        ({"stop": 29_700.0, "objetivo": 0.0}, "'target' 0.0 must be a finite price greater than 0"),
    ],
)
async def test_lo_que_no_es_un_precio_se_niega(abrir: Abrir, campos: dict[str, Any], mensaje: str):
    mesa = await abrir()

    with pytest.raises(SolicitudInvalida, match=mensaje):
        await mesa.pedir(AccionGuardian.AJUSTAR, **campos)


async def test_ajustar_un_agente_sin_freno_le_pone_uno(abrir: Abrir):
    mesa = await abrir(proteccion=TipoProteccion.CATASTROFE)
    nivel = mesa.banco.protector.nivel
    assert nivel is not None

    desenlace = await mesa.ajustar(29_500.0)

    assert (desenlace.exito, desenlace.stop, desenlace.stop_anterior) == (True, 29_500.0, nivel)
    assert mesa.residentes == {"STOP_MARKET": {(nivel, None), (29_500.0, mesa.cantidad)}}
    with pytest.raises(StopInaceptable, match="Looser stop"):
        await mesa.ajustar(29_499.0)


async def test_si_la_bolsa_no_confirma_el_stop_no_hay_exito(abrir: Abrir):
    mesa = await abrir()
    mesa.banco.bolsa.fallos_stop.extend([OrdenRechazada("refused (code -1111)", codigo=-1111)] * 10)

    desenlace = await mesa.ajustar(29_700.0)

    assert not desenlace.exito
    assert desenlace.mensaje == "the exchange has not confirmed the stop"
    assert mesa.cantidad > 0.0


# --- half_close ---


async def test_medio_cierre_deja_la_mitad_y_su_stop_en_tablas(abrir: Abrir):
    mesa = await abrir()
    entera = mesa.cantidad
    mesa.mover(30_300.0)

    desenlace = await mesa.partir()

    tablas = 30_045.0
    assert mesa.cantidad == pytest.approx(entera / 2, abs=0.001)
    assert precio_break_even(30_000.0, 0.0015, largo=True) == pytest.approx(tablas)
    assert (desenlace.exito, desenlace.mensaje) == (True, "Half-close done; SL moved to BE")
    assert (desenlace.stop, desenlace.nivel, desenlace.stop_anterior) == (tablas, "break_even", STOP)
    assert (tablas, mesa.cantidad) in mesa.residentes["STOP_MARKET"]
    assert mesa.residentes["TAKE_PROFIT_MARKET"] == {(OBJETIVO, mesa.cantidad)}
    assert mesa.status == ["ok", "manual"]


async def test_con_las_tablas_mas_alla_del_mark_se_queda_a_un_tick(abrir: Abrir):
    mesa = await abrir()

    desenlace = await mesa.partir()

    assert (desenlace.stop, desenlace.mensaje) == (
        29_999.9,
        "Half-close done; SL moved as near to BE as the mark allows",
    )


async def test_un_corto_tambien_se_parte(abrir: Abrir):
    mesa = await abrir(-0.5)
    mesa.mover(29_700.0)

    desenlace = await mesa.partir()

    assert desenlace.direccion == "SELL"
    assert desenlace.stop == pytest.approx(precio_break_even(30_000.0, 0.0015, largo=False), abs=0.1)
    assert mesa.cantidad < 0.0


async def test_un_stop_ya_mejor_que_las_tablas_no_se_toca(abrir: Abrir):
    mesa = await abrir()
    mesa.mover(30_900.0)
    await mesa.ajustar(30_500.0)

    desenlace = await mesa.partir()

    assert (desenlace.exito, desenlace.mensaje) == (True, "Half-close done; BE stop unchanged")
    assert (desenlace.stop, desenlace.nivel) == (30_500.0, None)
    assert (30_500.0, mesa.cantidad) in mesa.residentes["STOP_MARKET"]


@pytest.mark.parametrize(
    ("paso", "minima", "mensaje"),
    [
        ("0.1", "0.1", "Half qty rounded to zero"),
        ("0.001", "0.06", "Half qty invalid after step-size: 0.051"),
    ],
)
async def test_media_posicion_que_no_se_puede_ordenar_se_niega(
    abrir: Abrir, paso: str, minima: str, mensaje: str
):
    filtros = unos_filtros(
        paso=paso, paso_mercado=paso, cantidad_min=minima, cantidad_min_mercado=minima, nocional_min="5"
    )
    mesa = await abrir(mercado=un_mercado(filtros=filtros), estado=EstadoCuenta(3_100.0))
    cantidad = mesa.cantidad

    with pytest.raises(SolicitudInvalida, match=mensaje):
        await mesa.partir()

    assert mesa.cantidad == cantidad


async def test_si_otro_cierra_el_resto_mientras_se_parte_queda_cerrada(abrir: Abrir):
    mesa = await abrir()
    mesa.mover(30_300.0)

    def cierra_el_resto() -> None:
        mesa.banco.bolsa.al_enviar = None
        mesa.banco.bolsa.operar(-0.167)

    mesa.banco.bolsa.al_enviar = cierra_el_resto
    desenlace = await mesa.partir()

    assert (mesa.cantidad, mesa.banco.bolsa.stops_vivos) == (0.0, [])
    assert (desenlace.exito, desenlace.mensaje) == (True, "Half-close done and position fully closed")


async def test_medio_cierre_que_la_bolsa_niega_lo_dice_y_nada_cambia(abrir: Abrir):
    mesa = await abrir()
    entera, antes = mesa.cantidad, mesa.residentes
    mesa.banco.bolsa.fallos.append(OrdenRechazada("refused (code -1111)", codigo=-1111))

    with pytest.raises(OrdenRechazada, match="-1111"):
        await mesa.partir()

    assert (mesa.cantidad, mesa.residentes) == (entera, antes)
    assert not mesa.banco.cuenta.en_vuelo
    assert mesa.banco.ciclo.protegida


async def test_una_respuesta_perdida_no_parte_dos_veces(abrir: Abrir):
    mesa = await abrir()
    entera = mesa.cantidad
    mesa.banco.bolsa.fallos.append(Pierde.DESPUES)

    desenlace = await mesa.partir()

    assert desenlace.exito
    assert mesa.cantidad == pytest.approx(entera / 2, abs=0.001)


async def test_sin_saber_que_hizo_la_orden_no_se_abre_hasta_saberlo(abrir: Abrir):
    mesa = await abrir()
    entera = mesa.cantidad
    mesa.banco.bolsa.fallos.append(Pierde.DESPUES)
    mesa.banco.bolsa.consultas_fallidas = 1_000

    with pytest.raises(ResultadoIncierto, match="not known yet"):
        await mesa.partir()

    assert Bloqueo.INCIERTO in mesa.banco.control.bloqueos
    assert not mesa.banco.ciclo.protegida
    mesa.banco.bolsa.consultas_fallidas = 0
    assert not await mesa.banco.ciclo.mirar(frontera(1) + 60_000)
    assert mesa.cantidad == pytest.approx(entera / 2, abs=0.001)
    assert mesa.banco.control.bloqueos == set()
    assert mesa.banco.ciclo.protegida
    assert {c for _, c in mesa.residentes["STOP_MARKET"]} == {None, mesa.cantidad}
    assert mesa.status == ["ok", "manual"]
    assert mesa.banco.control.veto == Veto(largo=True, velas=0, techo=mesa.cantidad)


async def test_tras_un_reinicio_la_mitad_perdida_se_encuentra(abrir: Abrir):
    mesa = await abrir()
    entera = mesa.cantidad
    mesa.banco.bolsa.fallos.append(Pierde.DESPUES)
    mesa.banco.bolsa.consultas_fallidas = 1_000
    with pytest.raises(ResultadoIncierto):
        await mesa.partir()
    mesa.banco.bolsa.consultas_fallidas = 0

    otro = await mesa.banco.volver()
    try:
        assert otro.bolsa.estado.cantidad == pytest.approx(entera / 2, abs=0.001)
        assert otro.ciclo.protegida
        assert sum(o.solo_reduce for o in otro.bolsa.aceptadas) == 1
        assert otro.control.bloqueos == set()
        assert [fila["status"] for fila in otro.filas] == ["ok", "manual"]
        assert otro.control.veto == Veto(largo=True, velas=0, techo=otro.bolsa.estado.cantidad)
    finally:
        otro.registro.cerrar()


async def test_una_orden_a_medias_protege_lo_que_queda(abrir: Abrir):
    mesa = await abrir()
    entera = mesa.cantidad
    mesa.banco.bolsa.fallos.append(Parcial(0.01))

    desenlace = await mesa.partir()

    assert desenlace.exito
    assert mesa.cantidad == pytest.approx(entera - 0.01)
    assert {c for _, c in mesa.residentes["STOP_MARKET"]} == {None, mesa.cantidad}


# --- age and drift ---


@pytest.mark.parametrize(
    ("accion", "edad_ms"),
    [
        (AccionGuardian.CERRAR, 60_001),
        (AccionGuardian.AJUSTAR, 45_001),
        (AccionGuardian.MEDIO_CIERRE, 90_001),
    ],
)
async def test_una_peticion_vieja_no_se_cumple(abrir: Abrir, accion: AccionGuardian, edad_ms: int):
    mesa = await abrir()
    entera = mesa.cantidad

    with pytest.raises(SolicitudInvalida, match=f"request too old to {accion.value}"):
        await mesa.pedir(accion, stop=29_700.0, instante_ms=AHORA_MS - edad_ms)

    assert mesa.cantidad == entera
    assert (await mesa.pedir(accion, stop=29_700.0, instante_ms=AHORA_MS - edad_ms + 1)).exito


async def test_la_edad_va_por_la_hora_de_pared_y_el_efecto_por_la_del_mercado(abrir: Abrir):
    """The replayed market is months behind the wall clock, which is the one that askers read."""
    mesa = await abrir()
    mercado_ms = mesa.banco.bolsa.reloj.ahora_ms()
    assert AHORA_MS - mercado_ms > 86_400_000

    with pytest.raises(SolicitudInvalida, match="request too old to close"):
        await mesa.cerrar(instante_ms=mercado_ms)
    desenlace = await mesa.cerrar(instante_ms=AHORA_MS)

    assert (desenlace.exito, desenlace.instante_ms) == (True, mercado_ms)
    assert mesa.banco.filas[-1]["timestamp"] == texto_utc(mercado_ms)


@pytest.mark.parametrize("accion", list(AccionGuardian))
async def test_lejos_del_precio_en_que_se_pidio_no_se_cumple(abrir: Abrir, accion: AccionGuardian):
    mesa = await abrir()
    entera = mesa.cantidad

    with pytest.raises(SolicitudInvalida, match=r"the mark 30000\.0 is more than 1 % away"):
        await mesa.pedir(accion, stop=29_700.0, precio_disparo=30_301.0)

    assert mesa.cantidad == entera
    assert (await mesa.pedir(accion, stop=29_700.0, precio_disparo=30_300.0)).exito


async def test_una_transferencia_vista_al_partir_no_es_ganancia(abrir: Abrir):
    mesa = await abrir()
    pico = mesa.banco.control.estado.equity_maximo
    mesa.banco.bolsa.al_enviar = lambda: mesa.banco.bolsa.cobrar(ClaseIngreso.TRANSFER, 5_000.0)

    await mesa.partir()

    assert mesa.banco.control.estado.equity_maximo == pytest.approx(pico * 1.5, rel=0.01)
