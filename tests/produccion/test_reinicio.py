"""A daemon that is killed and started again leaves the record of one that never was."""

from __future__ import annotations

import asyncio
import csv
import tempfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.nucleo.stops import TipoProteccion
from src.nucleo.tipos import EstadoCuenta, Observacion, Vela
from src.produccion.dataprovider import DataProvider
from src.produccion.diario.memoria import Instantanea
from src.produccion.puertos import ClaseIngreso
from tests.constructores import HORA_MS, un_mercado, una_vela, unos_filtros
from tests.produccion.banco import (
    AGENTE,
    N_CALENTAMIENTO,
    Banco,
    Mundo,
    arrancar,
    frontera,
    leer_csv,
    mundo_nuevo,
    pasa,
    un_proveedor,
)
from tests.produccion.bucle import BucleVirtual
from tests.produccion.falsos import BolsaFalsa, RelojFalso
from tests.produccion.muerte import Muerta, Parca, vivir

RED = True  # the virtual loop is made here

Suceso = Callable[[BolsaFalsa], object]


class Tramo(NamedTuple):
    """What the market does in a candle, and what the policy answers to its close."""

    close: float
    accion: float
    antes: Suceso | None = None  # happens in the world before the close


OPERACIONES = (
    Tramo(30_100.0, 0.4),  # opens
    Tramo(30_200.0, 0.8),  # increases
    Tramo(30_300.0, 0.8),  # keeps
    Tramo(30_250.0, 0.3),  # reduces
    Tramo(30_400.0, -0.5),  # closes
    Tramo(30_350.0, -0.6),  # opens short
    Tramo(30_375.0, 0.7),  # closes
    Tramo(30_325.0, 0.0),
)
SUCESOS = (
    Tramo(30_100.0, 0.9),
    Tramo(30_200.0, 0.9, lambda bolsa: bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.25)),
    Tramo(29_000.0, 0.9, lambda bolsa: bolsa.mover(28_000.0)),  # the stop closes it
    Tramo(29_100.0, -0.5),
    Tramo(29_200.0, -0.5, lambda bolsa: bolsa.operar(-0.05, 29_150.0)),
    Tramo(29_300.0, -0.5, lambda bolsa: bolsa.operar(-bolsa.estado.cantidad, 29_250.0)),
    Tramo(29_400.0, 0.3),
    Tramo(29_350.0, 0.3, lambda bolsa: bolsa.cobrar(ClaseIngreso.TRANSFER, 5_000.0)),
    Tramo(29_375.0, -0.9),
)
GUIONES = {"operaciones": OPERACIONES, "sucesos": SUCESOS}
INGRESOS = {"operaciones": 0.0, "sucesos": 5_000.0 - 1.25}
COLUMNAS_DE_FILLS = ("operacion", "status", "cantidad", "balance", "comision", "pnl_realizado", "pnl_parcial")


VENTANAS: dict[tuple[Vela, ...], DataProvider] = {}


class PorCierre:
    """A policy that answers each close with its own action."""

    def __init__(self, tramos: Sequence[Tramo]) -> None:
        self._acciones = {tramo.close: tramo.accion for tramo in tramos}

    def predecir(self, observacion: Observacion) -> float:
        return self._acciones.get(float(observacion.market[-1, 3]), 0.0)


class Final(NamedTuple):
    """What a run leaves."""

    registro: str
    estado: EstadoCuenta
    ordenes: list[str]  # client ids of what the exchange accepted
    stops: list[tuple[float, float | None]]  # trigger and quantity of those that live
    instantanea: Instantanea
    referencia: float
    pico: float
    puntos: int  # at which it could have died, in its last life


def mundo_de(guion: str, carpeta: Path, *, trozos: bool = False) -> Mundo:
    maxima = "0.15" if trozos else "120"
    mercado = un_mercado(filtros=unos_filtros(cantidad_max_mercado=maxima))
    politica = PorCierre(GUIONES[guion])
    return mundo_nuevo(
        carpeta,
        politica=politica,
        proteccion=TipoProteccion.CATASTROFE,
        fraccion_liquidacion=0.1,
        mercado=mercado,
    )


async def calentar(datos: DataProvider) -> None:
    """Like its own, which takes most of the time of a life; the same candles are only computed once."""
    velas = tuple(await datos._bolsa.velas("BTCUSDT", "1h", limite=N_CALENTAMIENTO))
    if velas not in VENTANAS:
        bolsa = BolsaFalsa(historia=list(velas), reloj=RelojFalso(velas[-1].apertura_ms + HORA_MS))
        VENTANAS[velas] = un_proveedor(bolsa)
        await VENTANAS[velas].calentar()
    copia = deepcopy({k: v for k, v in vars(VENTANAS[velas]).items() if k != "_bolsa"})
    vars(datos).update(copia)


async def vida(mundo: Mundo, guion: str) -> Banco:
    """Trade a script to its end, from wherever the market is."""
    banco = await arrancar(mundo, calentar)
    try:
        await banco.decidir()
        await banco.diario.asentar()
        for i in range((banco.datos.esperada_ms - frontera()) // HORA_MS, len(GUIONES[guion])):
            tramo = GUIONES[guion][i]
            if tramo.antes is not None:
                tramo.antes(banco.bolsa)
            await banco.cerrar_vela(tramo.close)
            await banco.diario.asentar()
        await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    finally:
        banco.registro.cerrar()
    return banco


async def hasta_el_final(mundo: Mundo, guion: str, muertes: Sequence[int], perdida: float) -> Final:
    """Die at these points, one life after the other; the last life has no end."""
    parca = Parca(None)
    for punto in muertes:
        try:
            parca = Parca(punto)
            banco = await vivir(mundo, lambda m: vida(m, guion), parca, perdida=perdida)
            break
        except Muerta:
            continue
    else:
        parca = Parca(None)
        banco = await vivir(mundo, lambda m: vida(m, guion), parca)
    return Final(
        banco.registro.ruta.read_text(),
        mundo.bolsa.estado,
        [orden.id_cliente for orden in mundo.bolsa.aceptadas],
        [(s.gatillo, s.cantidad) for s in mundo.bolsa.stops_vivos],
        banco.cronica.instantanea()._replace(abiertos=()),
        banco.cronica.capital_referencia,
        banco.control.estado.equity_maximo,
        parca.pasados,
    )


def correr(guion: str, muertes: Sequence[int] = (), *, perdida: float = 0.0, trozos: bool = False) -> Final:
    with tempfile.TemporaryDirectory() as carpeta, asyncio.Runner(loop_factory=BucleVirtual) as corredor:
        mundo = mundo_de(guion, Path(carpeta), trozos=trozos)
        return corredor.run(hasta_el_final(mundo, guion, muertes, perdida))


@cache
def entera(guion: str, trozos: bool) -> Final:
    """The same run without a death."""
    return correr(guion, trozos=trozos)


def ejecutado(final: Final) -> list[tuple[str, ...]]:
    """What the rows say of fills."""
    filas = csv.DictReader(final.registro.splitlines())
    return [tuple(fila[c] for c in COLUMNAS_DE_FILLS) for fila in filas if fila["cantidad"]]


@pytest.mark.parametrize(("guion", "trozos"), [("operaciones", False), ("sucesos", True)])
def test_muera_donde_muera_el_registro_es_el_de_quien_no_murio(guion: str, trozos: bool):
    """The death leaves the journal whole: only the process is gone."""
    sin_morir = entera(guion, trozos)

    for punto in range(1, sin_morir.puntos + 1):
        final = correr(guion, [punto], trozos=trozos)
        assert final._replace(puntos=sin_morir.puntos) == sin_morir, f"dead at point {punto}"


@pytest.mark.parametrize("guion", GUIONES)
def test_lo_que_no_llego_al_disco_no_cambia_lo_ejecutado(guion: str):
    """An exit does not wait for the disk: its decision may be lost; then its fill has a row of its own."""
    sin_morir = entera(guion, trozos=False)

    for punto in range(1, sin_morir.puntos + 1):
        final = correr(guion, [punto], perdida=1.0)
        assert final.ordenes == sin_morir.ordenes, f"dead at point {punto}"
        assert ejecutado(final) == ejecutado(sin_morir), f"dead at point {punto}"
        assert (final.estado, final.stops, final.pico, final.referencia) == (
            *(sin_morir.estado, sin_morir.stops, sin_morir.pico, sin_morir.referencia),
        )


@settings(max_examples=50, deadline=None)
@given(
    guion=st.sampled_from(sorted(GUIONES)),
    muertes=st.lists(st.integers(1, 80), min_size=2, max_size=6),
    perdida=st.floats(0.0, 1.0),
)
def test_muera_las_veces_que_muera_las_filas_explican_la_cuenta(
    guion: str, muertes: list[int], perdida: float
):
    """Also while it recovers, and whatever part of the journal's tail reached the disk.

    An order that its daemon died over twice may be given up, so that less is traded than without a death.
    """
    final = correr(guion, muertes, perdida=perdida, trozos=True)
    filas = list(csv.DictReader(final.registro.splitlines()))

    assert final.instantanea.cuenta == final.estado
    assert len(set(final.ordenes)) == len(final.ordenes)
    dicho = sum(float(f["pnl_realizado"]) + float(f["pnl_parcial"]) - float(f["comision"]) for f in filas)
    assert 10_000.0 + dicho + INGRESOS[guion] == pytest.approx(final.estado.saldo, abs=1e-6)
    decididas = [fila for fila in filas if fila["action"]]
    assert len({fila["timestamp"] for fila in decididas}) == len(decididas)
    assert [int(fila["paso"]) for fila in decididas] == list(range(1, len(decididas) + 1))


@pytest.mark.parametrize("con_intencion", [True, False])
def test_un_cierre_que_no_decidio_el_agente_no_le_quita_la_vela(con_intencion: bool, tmp_path: Path):
    """Its intent says what it was; an exit whose intent is lost may be the newest candle's own."""

    async def morir_al_cerrar() -> bool:
        mundo = mundo_nuevo(tmp_path, 0.5, 0.5, proteccion=TipoProteccion.CATASTROFE)
        banco = await arrancar(mundo)
        await banco.cerrar_vela(30_100.0)
        assert banco.bolsa.estado.posicion is not None
        pasa(banco.bolsa, una_vela(30_200.0, apertura_ms=banco.datos.esperada_ms))
        escritos = len(mundo.diario.eventos)
        await banco.control.cerrar_todo("unprotected:x")
        if not con_intencion:
            del mundo.diario.eventos[escritos:]

        despues = await banco.volver()
        try:
            assert despues.bolsa.estado.posicion is None
            return despues.ciclo.debe_decidir()
        finally:
            despues.registro.cerrar()

    with asyncio.Runner(loop_factory=BucleVirtual) as corredor:
        assert corredor.run(morir_al_cerrar()) is con_intencion


def test_las_filas_que_el_disco_no_tomo_estan_tras_el_arranque_aunque_la_sesion_acabara(tmp_path: Path):
    """The disk was full, room was made, and somebody ended the daemon in order."""

    async def acabar_sin_sitio() -> tuple[list[dict[str, str]], bool]:
        mundo = mundo_nuevo(tmp_path, 0.5, 0.5, -0.5, 0.0)
        banco = await arrancar(mundo)
        await banco.cerrar_vela(30_000.0)
        banco.registro._registro._rota = True
        for cierre in (30_100.0, 30_200.0, 30_300.0):
            await banco.cerrar_vela(cierre)
        fin = {"session": banco.registro.sello, "reason": "interrupted"}
        mundo.diario.anotar_luego(f"agent:{AGENTE}", "SESSION_ENDED", frontera(4), fin)
        de_la_primera = banco.registro.filas

        despues = await banco.volver()
        despues.registro.cerrar()
        filas = leer_csv(banco.registro.ruta)
        assert len(filas) == de_la_primera == 4
        return filas, despues.registro.sello != banco.registro.sello

    with asyncio.Runner(loop_factory=BucleVirtual) as corredor:
        filas, otra_sesion = corredor.run(acabar_sin_sitio())
    assert otra_sesion
    assert [fila["paso"] for fila in filas if fila["action"]] == ["1", "2", "3", "4"]


def test_al_volver_se_protege_la_posicion_que_es_otra_aunque_mida_lo_mismo(tmp_path: Path):
    """It was closed and opened again while nobody was there; the fills are listed late."""

    async def volver() -> None:
        mundo = mundo_nuevo(tmp_path, 0.5, 0.5, proteccion=TipoProteccion.CATASTROFE)
        banco = await arrancar(mundo)
        await banco.cerrar_vela(30_000.0)
        bolsa = banco.bolsa
        cantidad = bolsa.estado.cantidad
        bolsa.stops_vivos.clear()
        bolsa.operar(-cantidad, 29_000.0)
        bolsa.operar(cantidad, 29_500.0)
        bolsa.pedidos.clear()
        bolsa.transacciones_tardias = 1_000

        vuelta = asyncio.create_task(banco.volver())
        await asyncio.sleep(0.4)
        assert "colocar_stop" in bolsa.pedidos
        bolsa.transacciones_tardias = 0
        despues = await vuelta
        try:
            assert despues.ciclo.protegida
            assert despues.cuenta.estado == bolsa.estado
        finally:
            despues.registro.cerrar()

    with asyncio.Runner(loop_factory=BucleVirtual) as corredor:
        corredor.run(volver())


@pytest.mark.parametrize(("tardias", "filas"), [(15, 1), (1_000, 0)])
def test_al_volver_se_protege_antes_de_esperar_a_las_ejecuciones(tardias: int, filas: int, tmp_path: Path):
    """The position changed while nobody was there, and its fills are listed late."""

    async def volver() -> None:
        mundo = mundo_nuevo(tmp_path, 0.0, proteccion=TipoProteccion.CATASTROFE)
        banco = await arrancar(mundo)
        await banco.cerrar_vela(30_000.0)
        bolsa = banco.bolsa
        bolsa.pedidos.clear()
        bolsa.operar(0.1, id_cliente="tm-PERDIDA")
        bolsa.transacciones_tardias = tardias

        vuelta = asyncio.create_task(banco.volver())
        await asyncio.sleep(0.4)
        assert "colocar_stop" in bolsa.pedidos
        assert bolsa.transacciones_tardias > 0
        despues = await vuelta
        try:
            assert (len(despues.filas) - 1, despues.cuenta.estado) == (filas, bolsa.estado)
            assert despues.ciclo.protegida
            bolsa.transacciones_tardias = 0
            await despues.ciclo.mirar(frontera(1))
            assert [fila["operacion"] for fila in despues.filas[1:]] == ["abrir_long"]
            assert despues.cuenta.estado == bolsa.estado
        finally:
            despues.registro.cerrar()

    with asyncio.Runner(loop_factory=BucleVirtual) as corredor:
        corredor.run(volver())
