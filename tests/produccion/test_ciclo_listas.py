"""While the exchange's lists are behind: what is open has its stop, and every fill its row, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from src.nucleo.a_mano import OrdenPedida
from src.nucleo.errores import LecturaFallida, OrdenRechazada
from src.nucleo.stops import TipoProteccion
from src.nucleo.tipos import LadoOrden
from src.produccion.puertos import EstadoAlgo, EventoOrden, EventoStop, RespuestaOrden, Transaccion
from tests.constructores import una_cuenta
from tests.produccion.banco import Banco, arrancar, montar
from tests.produccion.test_ciclo import columna, comprobar_conservacion

NUNCA = 10**9
Abrir = Callable[..., Awaitable[Banco]]


@pytest.fixture
async def abrir(tmp_path: Path) -> AsyncIterator[Abrir]:
    """A protected agent of which no fill is listed from its first order on."""
    bancos: list[Banco] = []

    async def abrir(*acciones: float, **cambios: Any) -> Banco:
        banco = await montar(tmp_path, *acciones, proteccion=TipoProteccion.CATASTROFE, **cambios)
        banco.bolsa.transacciones_tardias = NUNCA
        bancos.append(banco)
        return banco

    yield abrir
    for banco in bancos:
        banco.registro.cerrar()


def escuchar(banco: Banco, demora_s: float = 0.0) -> None:
    """From here on the user stream tells fills, some seconds after they happen."""

    def decir(respuesta: RespuestaOrden, fill: Transaccion) -> None:
        evento = EventoOrden(respuesta, fill.instante_ms, "BTCUSDT", fill._replace(listada=False))
        if demora_s:
            asyncio.get_running_loop().call_later(demora_s, banco.ciclo.tomar_orden, evento)
        else:
            banco.ciclo.tomar_orden(evento)

    banco.bolsa.al_ejecutar = decir


def ahora_s() -> float:
    return asyncio.get_running_loop().time()


async def desnuda_s(banco: Banco, tarea: Awaitable[object]) -> float:
    """How long it took until the position had a stop, while something fails for want of a list."""
    puestos: list[float] = []
    inicio_s, original = ahora_s(), banco.bolsa.colocar_stop

    async def colocar(orden: Any) -> Any:
        respuesta = await original(orden)
        puestos.append(ahora_s() - inicio_s)
        return respuesta

    banco.bolsa.colocar_stop = colocar
    with pytest.raises(LecturaFallida):
        await tarea
    banco.bolsa.colocar_stop = original
    return puestos[0]


def operaciones(banco: Banco) -> set[int]:
    """The operations that the journal tells of."""
    return {int(e.contenido["operation"]) for e in banco.diario.eventos if e.tipo == "LEVEL_SET"}


# --- the user stream tells them ---


async def test_lo_oido_se_anota_y_se_protege_sin_esperar_a_la_lista(abrir: Abrir):
    banco = await abrir(0.5)
    escuchar(banco)
    inicio_s = ahora_s()
    await banco.cerrar_vela(30_000.0)

    assert ahora_s() - inicio_s < 0.5
    assert banco.ciclo.protegida
    assert columna(banco, "resultado") == ["ejecutada"]
    assert banco.cuenta.estado == banco.bolsa.estado


async def test_lo_anotado_de_oidas_es_lo_que_se_habria_listado(abrir: Abrir, tmp_path: Path):
    listado, oido = await abrir(0.5, -0.5, 0.0), await montar(tmp_path / "b", 0.5, -0.5, 0.0)
    escuchar(listado)
    try:
        for banco in (listado, oido):
            for precio in (30_000.0, 30_100.0, 30_050.0):
                await banco.cerrar_vela(precio)
        for nombre in ("operacion", "cantidad", "comision", "pnl_realizado", "balance", "status"):
            assert columna(oido, nombre) == columna(listado, nombre)
        comprobar_conservacion(oido, 10_000.0)
    finally:
        oido.registro.cerrar()


async def test_lo_que_un_stop_ha_cerrado_se_anota_de_oidas(abrir: Abrir):
    banco = await abrir(0.5, 0.0)
    escuchar(banco)
    await banco.cerrar_vela(30_000.0)
    (stop,) = banco.bolsa.stops_vivos
    banco.bolsa.mover(stop.gatillo - 10.0)
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())

    assert columna(banco, "status") == ["ok", "proteccion"]
    assert banco.cuenta.estado == banco.bolsa.estado
    comprobar_conservacion(banco, 10_000.0)


async def test_una_orden_a_mano_cuyo_fill_se_oye_tarde_tiene_su_stop_y_su_fila(abrir: Abrir):
    banco = await abrir(0.0)
    await banco.cerrar_vela(30_000.0)
    escuchar(banco, 1.6)
    pedida = OrdenPedida(LadoOrden.BUY, Decimal("0.1"))
    assert await desnuda_s(banco, banco.ciclo.abrir_a_mano(pedida, "m1", "ana", lambda: True)) < 2.0
    await banco.ciclo.mirar(0)

    assert banco.ciclo.protegida
    assert columna(banco, "status") == ["ok", "manual"]
    assert banco.cuenta.estado == banco.bolsa.estado


async def test_una_ida_y_vuelta_oida_tarde_no_se_pierde_del_registro(abrir: Abrir):
    """The entry was heard after its candle gave up, and the account was closed before it was booked."""
    banco = await abrir(0.5, 0.0)
    escuchar(banco, 1.6)
    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_000.0)
    await asyncio.sleep(1.0)
    escuchar(banco)
    await banco.ciclo.cerrar_y_seguir("blind", banco.bolsa.reloj.ahora_ms())

    assert columna(banco, "operacion") == ["abrir_long", "abrir_long", "cerrar_long"]
    assert columna(banco, "resultado")[0] == "incierta"
    assert banco.cuenta.estado == banco.bolsa.estado == una_cuenta(saldo=banco.bolsa.estado.saldo)
    assert banco.cuenta.marcador.sin_explicar == 0.0
    comprobar_conservacion(banco, 10_000.0)


async def test_una_ida_y_vuelta_que_se_lista_mas_tarde_tiene_sus_filas(abrir: Abrir):
    """Nothing was heard, and the account is as flat as it was: only the wallet says that it traded."""
    banco = await abrir(0.5, 0.0)
    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_000.0)
    await banco.ciclo.cerrar_y_seguir("blind", banco.bolsa.reloj.ahora_ms())
    assert banco.cuenta.marcador.sin_explicar < 0.0
    banco.bolsa.transacciones_tardias = 0
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())

    assert columna(banco, "operacion")[-2:] == ["abrir_long", "cerrar_long"]
    assert banco.cuenta.estado == banco.bolsa.estado
    assert banco.cuenta.marcador.sin_explicar == 0.0
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    assert len(banco.filas) == 3


# --- nobody tells them ---


async def test_lo_que_ni_se_lista_ni_se_oye_se_protege_sin_anotarlo(abrir: Abrir):
    banco = await abrir(0.5)
    assert await desnuda_s(banco, banco.cerrar_vela(30_000.0)) < 2.0

    assert len(banco.bolsa.stops_vivos) == 1
    assert banco.filas == []
    assert banco.cuenta.estado == una_cuenta()


async def test_anotarlo_despues_no_empieza_otra_operacion(abrir: Abrir):
    banco = await abrir(0.5)
    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_010.0)
    await asyncio.sleep(5.0)
    banco.bolsa.transacciones_tardias = 0
    await banco.decidir()

    assert columna(banco, "resultado") == ["ejecutada"]
    assert len(operaciones(banco)) == 1
    assert len(banco.bolsa.stops_vivos) == 1
    assert banco.ciclo.protegida
    assert banco.cuenta.estado == banco.bolsa.estado


async def test_lo_que_no_se_puede_proteger_se_cierra_y_se_dice_una_vez(abrir: Abrir):
    banco = await abrir(0.5, 0.0)
    banco.bolsa.fallos_stop.append(OrdenRechazada("would trigger at once (code -2021)", codigo=-2021))
    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_000.0)
    banco.bolsa.transacciones_tardias = 0
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())

    assert banco.bolsa.estado.posicion is None
    assert banco.cuenta.estado == banco.bolsa.estado
    assert banco.diario.tipos().count("PROTECTION_LOST") == 1
    assert not banco.ciclo.debe_decidir()
    comprobar_conservacion(banco, 10_000.0)


@pytest.mark.parametrize("ajena", [False, True])
async def test_una_lectura_plana_no_acaba_el_cierre_de_lo_que_no_se_ha_anotado(ajena: bool, abrir: Abrir):
    banco = await abrir(0.0 if ajena else 0.5, 0.0)
    if ajena:
        await banco.cerrar_vela(30_000.0)
        banco.bolsa.operar(0.2, id_cliente="web_1")
        with pytest.raises(LecturaFallida):
            await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    else:
        with pytest.raises(LecturaFallida):
            await banco.cerrar_vela(30_000.0)
    assert len(banco.bolsa.stops_vivos) == 1
    banco.bolsa.atrasar(3)
    await banco.ciclo.cerrar_y_seguir("exit", banco.bolsa.reloj.ahora_ms())

    assert banco.bolsa.estado.posicion is None
    assert banco.bolsa.stops_vivos == []


async def test_una_lectura_de_lo_que_ya_se_cerro_no_pone_ningun_stop(abrir: Abrir):
    banco = await abrir(0.5, -0.5, 0.0)
    escuchar(banco)
    await banco.cerrar_vela(30_000.0)
    await banco.cerrar_vela(30_100.0)
    colocados = len(banco.bolsa.colocados)
    banco.bolsa.atrasar(12)
    with pytest.raises(LecturaFallida):
        await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())

    assert len(banco.bolsa.colocados) == colocados


@pytest.mark.parametrize("pasos", [(-0.666,), (-0.2, -0.133)], ids=["turned", "in two"])
async def test_una_lectura_de_lo_de_hace_un_momento_no_pone_ningun_stop(
    pasos: tuple[float, ...], abrir: Abrir
):
    """One fill turned the position around, or two have closed it, before one look."""
    banco = await abrir(0.5, 0.0)
    bolsa = banco.bolsa
    bolsa.transacciones_tardias = 0
    await banco.cerrar_vela(30_000.0)
    larga = bolsa.estado
    for paso in pasos:
        bolsa.operar(paso)
    await banco.ciclo.mirar(bolsa.reloj.ahora_ms())
    vivos, colocados = list(bolsa.stops_vivos), len(bolsa.colocados)

    bolsa._antes = larga
    bolsa.atrasar(12)
    with pytest.raises(LecturaFallida):
        await banco.ciclo.mirar(bolsa.reloj.ahora_ms())
    assert (list(bolsa.stops_vivos), len(bolsa.colocados)) == (vivos, colocados)


async def test_muchos_fills_no_hacen_olvidar_lo_que_habia_antes(abrir: Abrir):
    banco = await abrir(0.5, 0.0)
    bolsa = banco.bolsa
    bolsa.transacciones_tardias = 0
    await banco.cerrar_vela(30_000.0)
    larga = bolsa.estado
    for _ in range(150):
        bolsa.operar(-0.003)
    await banco.ciclo.mirar(bolsa.reloj.ahora_ms())
    vivos = list(bolsa.stops_vivos)
    assert [stop.lado for stop in vivos] == [LadoOrden.BUY]

    bolsa._antes = larga
    bolsa.atrasar(12)
    with pytest.raises(LecturaFallida):
        await banco.ciclo.mirar(bolsa.reloj.ahora_ms())
    assert list(bolsa.stops_vivos) == vivos


@pytest.mark.parametrize("aumentos", [1, 2])
async def test_un_stop_perdido_se_repone_aunque_la_lectura_sea_de_antes(aumentos: int, abrir: Abrir):
    """What is known to be open is protected where a reading shows what was held before it."""
    banco = await abrir(0.3, 0.0)
    bolsa = banco.bolsa
    bolsa.transacciones_tardias = 0
    await banco.cerrar_vela(30_000.0)
    menor = bolsa.estado
    for aumento in range(aumentos):
        bolsa.operar(0.01, precio=30_010.0 + 10.0 * aumento)
        await banco.ciclo.mirar(bolsa.reloj.ahora_ms())
    for stop in list(bolsa.stops_vivos):
        bolsa._pasar(stop, EstadoAlgo.CANCELED)
        banco.ciclo.tomar_stop(EventoStop(bolsa.stops[stop.id_cliente], bolsa.reloj.ahora_ms()))
    assert not banco.ciclo.protegida

    bolsa._antes = menor
    bolsa.atrasar(NUNCA)
    assert await desnuda_s(banco, banco.ciclo.mirar(bolsa.reloj.ahora_ms())) < 2.0


@pytest.mark.parametrize("retraso", [0, 1], ids=["listed", "one list behind"])
async def test_con_libro_propio_una_ida_y_vuelta_sin_anotar_no_se_pierde(retraso: int, abrir: Abrir):
    """The wallet's change says nothing there; the marker may not pass what was not looked for."""
    banco = await abrir(0.5, -0.5, capital=5_000.0)
    banco.bolsa.fallos_stop.append(OrdenRechazada("would trigger at once (code -2021)", codigo=-2021))
    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_000.0)
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    assert banco.bolsa.estado.posicion is None
    banco.bolsa.transacciones_tardias = 0
    await banco.cerrar_vela(30_000.0)
    banco.bolsa.transacciones_tardias = retraso
    for _ in range(2):
        await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())

    fills = await banco.bolsa.transacciones("BTCUSDT")
    assert len(fills) == 3
    assert banco.cuenta.estado.saldo == pytest.approx(5_000.0 - sum(f.comision for f in fills), abs=1e-6)
    assert banco.cuenta.estado.posicion == banco.bolsa.estado.posicion


async def test_al_volver_con_una_decision_a_medias_se_protege_antes_de_acabarla(abrir: Abrir):
    banco = await abrir(0.5)
    banco.bolsa.fallos_stop.append(LecturaFallida("the process is dead"))
    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_000.0)
    banco.bolsa.stops.clear()
    banco.bolsa.stops_vivos.clear()
    banco.registro.cerrar()

    assert await desnuda_s(banco, arrancar(banco.mundo)) < 1.0
    banco.bolsa.transacciones_tardias = 0
    vuelto = await arrancar(banco.mundo)
    try:
        assert columna(vuelto, "resultado") == ["ejecutada"]
        assert vuelto.ciclo.protegida
        assert vuelto.cuenta.estado == banco.bolsa.estado
    finally:
        vuelto.registro.cerrar()


# --- a look that does not come to its end ---


async def perder_el_stop(banco: Banco) -> None:
    """A protected position loses its stop, and the user stream tells so."""
    banco.bolsa.transacciones_tardias = 0
    await banco.cerrar_vela(30_000.0)
    (stop,) = banco.bolsa.stops_vivos
    banco.bolsa._pasar(stop, EstadoAlgo.CANCELED)
    perdido = banco.bolsa.stops[stop.id_cliente]
    banco.ciclo.tomar_stop(EventoStop(perdido, banco.bolsa.reloj.ahora_ms()))


async def test_un_stop_perdido_se_repone_aunque_la_cartera_no_se_explique(abrir: Abrir):
    banco = await abrir(0.5)
    await perder_el_stop(banco)
    banco.bolsa.sumar_a_la_cartera(-7.0)

    assert await desnuda_s(banco, banco.ciclo.mirar(0)) < 2.0
    assert len(banco.bolsa.stops_vivos) == 1


async def test_una_cuenta_quieta_no_necesita_la_lista(abrir: Abrir, monkeypatch: pytest.MonkeyPatch):
    """One that fails is asked again at the next look."""
    banco = await abrir(0.5)
    escuchar(banco)
    await banco.cerrar_vela(30_000.0)

    async def fallar(*_: Any, **__: Any) -> Any:
        raise LecturaFallida("no answer from the exchange")

    with monkeypatch.context() as parche:
        parche.setattr(banco.bolsa, "transacciones", fallar)
        await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    assert banco.cuenta.marcador.propias == {1}
    banco.bolsa.transacciones_tardias = 0
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    assert (banco.cuenta.marcador.ultima_transaccion, banco.cuenta.marcador.propias) == (1, frozenset())


async def test_una_lista_que_no_llega_no_detiene_una_cuenta_quieta(
    abrir: Abrir, monkeypatch: pytest.MonkeyPatch
):
    banco = await abrir(0.5)
    banco.bolsa.transacciones_tardias = 0
    await banco.cerrar_vela(30_000.0)

    async def colgar(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(40.0)
        raise LecturaFallida("no answer from the exchange")

    monkeypatch.setattr(banco.bolsa, "transacciones", colgar)
    for _ in range(3):
        inicio_s = ahora_s()
        await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
        assert ahora_s() - inicio_s < 6.0


async def test_lo_oido_explica_la_cuenta_aunque_la_lista_falle(abrir: Abrir, monkeypatch: pytest.MonkeyPatch):
    banco = await abrir(0.5, 0.0)
    escuchar(banco)
    await banco.cerrar_vela(30_000.0)
    (stop,) = banco.bolsa.stops_vivos

    async def fallar(*_: Any, **__: Any) -> Any:
        raise LecturaFallida("no answer from the exchange")

    with monkeypatch.context() as parche:
        parche.setattr(banco.bolsa, "transacciones", fallar)
        banco.bolsa.mover(stop.gatillo - 10.0)
        await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    assert columna(banco, "status") == ["ok", "proteccion"]
    assert banco.cuenta.estado == banco.bolsa.estado

    banco.bolsa.transacciones_tardias = 0
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    assert columna(banco, "status") == ["ok", "proteccion"]
    assert (banco.cuenta.marcador.ultima_transaccion, banco.cuenta.marcador.propias) == (2, frozenset())
    comprobar_conservacion(banco, 10_000.0)


async def test_un_stop_negado_tras_decidir_se_mira_con_la_marca_siguiente(abrir: Abrir):
    banco = await abrir(0.5)
    banco.bolsa.transacciones_tardias = 0
    banco.bolsa.fallos_stop.append(OrdenRechazada("no position yet", codigo=-4509))
    with pytest.raises(LecturaFallida):
        await banco.cerrar_vela(30_000.0)

    assert banco.ciclo.stop_tocado
    await banco.ciclo.mirar(banco.bolsa.reloj.ahora_ms())
    assert banco.ciclo.protegida
