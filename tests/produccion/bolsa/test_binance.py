"""The adapter against a server that answers what the test says."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from src.nucleo.errores import (
    BolsaIncompatible,
    CredencialesInvalidas,
    FalloPasajero,
    LecturaFallida,
    LimiteExcedido,
    OrdenRechazada,
    ResultadoIncierto,
    SaldoInsuficiente,
)
from src.nucleo.ordenes import Orden
from src.nucleo.stops import OrdenStop, TipoStop
from src.nucleo.tipos import LadoOrden, TipoMargen
from src.produccion.bolsa.binance import AjustesBolsa, BinanceConnector
from src.produccion.bolsa.cliente_binance import crear_cliente
from src.produccion.bolsa.peticiones import Reintentos
from src.produccion.bolsa.presupuesto import AjustesLimites
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.puertos import (
    ClaseIngreso,
    Credenciales,
    Direcciones,
    EstadoAlgo,
    OrdenViva,
    PrecioBidAsk,
    StopBolsa,
)
from tests.produccion.servidor_rest import Respuesta, Servidor, un_servidor, una_bolsa

RED = True
MINUTO = 60_000
ORDEN = Orden("BTCUSDT", LadoOrden.SELL, 0.001, True, "tm-ABC")
EJECUTADA = {
    "clientOrderId": "tm-ABC",
    "orderId": 7,
    "status": "FILLED",
    "executedQty": "0.001",
    "avgPrice": "30000",
}


@pytest.fixture
async def servidor() -> AsyncIterator[Servidor]:
    async with un_servidor() as suyo:
        yield suyo


@pytest.fixture
def reloj() -> RelojMercado:
    return un_reloj(10 * MINUTO)


@pytest.fixture
async def bolsa(servidor: Servidor, reloj: RelojMercado) -> AsyncIterator[BinanceConnector]:
    async with una_bolsa(servidor.url, reloj) as conectada:
        yield conectada


def un_reloj(ahora_ms: int) -> RelojMercado:
    """Stands at an instant."""
    reloj = RelojMercado()
    reloj.congelar()
    reloj.observar(ahora_ms)
    return reloj


async def test_la_hora_se_pide_a_futuros(servidor: Servidor, bolsa: BinanceConnector):
    assert await bolsa.hora_ms() == 5_000
    assert servidor.pedidas == [("GET", "/fapi/v1/time", {})]


async def test_se_firma_con_la_hora_del_mercado(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/order", (200, EJECUTADA))

    await bolsa.enviar(ORDEN)

    assert abs(int(servidor.campos("v1/order")[0]["timestamp"]) - 10 * MINUTO) < 2_000


async def test_una_orden_va_entera_y_pide_el_resultado(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/order", (200, EJECUTADA))

    respuesta = await bolsa.enviar(ORDEN)

    campos = servidor.campos("v1/order")[0]
    assert {c: campos[c] for c in ("side", "type", "quantity", "newClientOrderId", "newOrderRespType")} == {
        "side": "SELL",
        "type": "MARKET",
        "quantity": "0.001",
        "newClientOrderId": "tm-ABC",
        "newOrderRespType": "RESULT",
    }
    assert campos["reduceOnly"] == "true"
    assert respuesta.precio_medio == 30_000.0


async def test_una_entrada_no_dice_nada_de_reducir(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/order", (200, EJECUTADA))

    await bolsa.enviar(ORDEN._replace(solo_reduce=False))

    assert "reduceOnly" not in servidor.campos("v1/order")[0]


@pytest.mark.parametrize(
    ("respuesta", "error"),
    [
        ((503, "<html>Service Unavailable</html>"), ResultadoIncierto),
        ((502, "<html>"), ResultadoIncierto),
        ((503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}),
         ResultadoIncierto),
        ((408, {"code": -1007, "msg": "Timeout waiting for response."}), ResultadoIncierto),
        ((200, "cortar"), ResultadoIncierto),
        ((503, {"code": 0, "msg": "Service Unavailable."}), FalloPasajero),
        ((503, {"code": -1008, "msg": "Request throttled by system-level protection."}), FalloPasajero),
        ((400, {"code": -2019, "msg": "Margin is insufficient."}), SaldoInsuficiente),
        ((429, {"code": -1003, "msg": "Too many requests."}), LimiteExcedido),
        ((401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions."}), CredencialesInvalidas),
    ],
)  # fmt: skip
async def test_una_orden_se_envia_una_sola_vez(
    servidor: Servidor, bolsa: BinanceConnector, respuesta: Respuesta, error: type[Exception]
):
    servidor.contesta("v1/order", respuesta)

    with pytest.raises(error) as fallo:
        await bolsa.enviar(ORDEN)

    assert type(fallo.value) is error
    assert len(servidor.campos("v1/order")) == 1
    assert "signature" not in str(fallo.value)


CUERPOS_AJENOS = [
    b'"overloaded"',
    b"[]",
    b"null",
    b"3",
    b"{}",
    b"",
    b"\xff\xfe",
    b'{"code": "RATE_LIMITED", "msg": "x"}',
    b'{"code": 0, "msg": "x"}',
    b'{"code": 502, "msg": "x"}',
    b'{"message": "Service Unavailable."}',
]


@pytest.mark.parametrize("estado", [400, 403, 502, 503])
@pytest.mark.parametrize("cuerpo", CUERPOS_AJENOS)
async def test_lo_que_contesta_una_pasarela_no_prueba_nada(
    servidor: Servidor, bolsa: BinanceConnector, estado: int, cuerpo: bytes
):
    """Only one of the exchange's own codes says that an order was not accepted."""
    servidor.contesta("v1/order", (estado, cuerpo))
    servidor.contesta("v1/time", (estado, cuerpo), (200, {"serverTime": 5}))

    with pytest.raises(ResultadoIncierto) as fallo:
        await bolsa.enviar(ORDEN)
    assert fallo.value.codigo is None
    assert len(servidor.campos("v1/order")) == 1
    assert await bolsa.hora_ms() == 5


@pytest.mark.parametrize("cuerpo", CUERPOS_AJENOS)
async def test_una_pasarela_que_frena_tambien_se_obedece(
    servidor: Servidor, bolsa: BinanceConnector, cuerpo: bytes
):
    servidor.contesta("v1/order", (429, cuerpo, {"Retry-After": "37"}))

    with pytest.raises(LimiteExcedido) as fallo:
        await bolsa.enviar(ORDEN)
    assert fallo.value.espera_s == 37.0


@pytest.mark.parametrize("cuerpo", [b'"text"', b"[]", b"null", b"{}", b"", b"\xff\xfe", b"<html>"])
async def test_un_200_que_no_es_de_la_bolsa_no_es_una_respuesta(reloj: RelojMercado, cuerpo: bytes):
    async with (
        un_servidor() as servidor,
        una_bolsa(servidor.url, reloj, AjustesBolsa(Reintentos(1, 0.0))) as bolsa,
    ):
        for ruta in ("v1/order", "v1/exchangeInfo", "v1/listenKey"):
            servidor.contesta(ruta, (200, cuerpo))

        with pytest.raises(ResultadoIncierto):
            await bolsa.enviar(ORDEN)
        with pytest.raises(LecturaFallida):
            await bolsa.info_simbolo("BTCUSDT")
        with pytest.raises(LecturaFallida):
            await bolsa.clave_escucha()


async def test_una_bolsa_inalcanzable_no_ha_aceptado_nada(reloj: RelojMercado):
    cliente = crear_cliente(
        Direcciones(rest="http://127.0.0.1:1", flujos=""), Credenciales(clave="k", secreto="s"), {}
    )
    bolsa = BinanceConnector(cliente, reloj, "USDT")

    with pytest.raises(FalloPasajero, match="cannot be reached"):
        await bolsa.enviar(ORDEN)
    await bolsa.cerrar()


async def test_una_lectura_se_repite(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta(
        "v1/time", (502, "<html>"), (503, {"code": -1008, "msg": "busy"}), (200, {"serverTime": 5})
    )

    assert await bolsa.hora_ms() == 5


async def test_una_lectura_que_nunca_llega_no_es_cero(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/time", (502, "<html>"))

    with pytest.raises(LecturaFallida):
        await bolsa.hora_ms()
    assert len(servidor.campos("v1/time")) == 4


async def test_una_lectura_que_agota_sus_intentos_no_es_un_rechazo(
    servidor: Servidor, bolsa: BinanceConnector
):
    """Whoever asks for an order must not take an overload for the order's refusal."""
    servidor.contesta("v1/order", (503, {"code": -1008, "msg": "Server is currently overloaded"}))

    with pytest.raises(LecturaFallida):
        await bolsa.consultar("BTCUSDT", "tm-A")


async def test_demasiadas_peticiones_no_se_repiten_enseguida(servidor: Servidor, bolsa: BinanceConnector):
    """Asking again at once is what turns a 429 into a ban."""
    servidor.contesta("v1/time", (429, {"code": -1003, "msg": "Too many requests"}, {"Retry-After": "37"}))

    with pytest.raises(LimiteExcedido) as fallo:
        await bolsa.hora_ms()
    assert (fallo.value.espera_s, fallo.value.codigo) == (37.0, -1003)
    assert len(servidor.campos("v1/time")) == 1


async def test_una_respuesta_sin_lo_documentado_es_una_lectura_fallida(
    servidor: Servidor, bolsa: BinanceConnector
):
    servidor.contesta("v2/account", (200, {"assets": []}))

    with pytest.raises(LecturaFallida, match="cannot be read"):
        await bolsa.cuenta("BTCUSDT")


async def test_una_orden_contestada_sin_lo_documentado_es_incierta(
    servidor: Servidor, bolsa: BinanceConnector
):
    servidor.contesta("v1/order", (200, {"orderId": 1, "clientOrderId": "tm-A", "status": "NOVELTY"}))

    with pytest.raises(ResultadoIncierto, match="cannot be read"):
        await bolsa.enviar(ORDEN)


async def test_una_lectura_rechazada_no_se_repite(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v2/account", (401, {"code": -2015, "msg": "Invalid API-key"}))

    with pytest.raises(CredencialesInvalidas):
        await bolsa.cuenta("BTCUSDT")
    assert len(servidor.campos("v2/account")) == 1


async def test_un_reloj_desviado_se_corrige_y_se_vuelve_a_leer(
    servidor: Servidor, bolsa: BinanceConnector, reloj: RelojMercado
):
    servidor.contesta("v1/time", (200, {"serverTime": 20 * MINUTO}))
    servidor.contesta("v1/order", (400, {"code": -1021, "msg": "Timestamp"}), (200, EJECUTADA))

    encontrada = await bolsa.consultar("BTCUSDT", "tm-ABC")

    assert encontrada is not None
    assert reloj.ahora_ms() == 20 * MINUTO
    assert abs(int(servidor.campos("v1/order")[1]["timestamp"]) - 20 * MINUTO) < 2_000


async def test_una_orden_con_el_reloj_desviado_se_puede_repetir_ya_corregido(
    servidor: Servidor, bolsa: BinanceConnector, reloj: RelojMercado
):
    servidor.contesta("v1/time", (200, {"serverTime": 20 * MINUTO}))
    servidor.contesta("v1/order", (400, {"code": -1021, "msg": "Timestamp"}))

    with pytest.raises(FalloPasajero):
        await bolsa.enviar(ORDEN)
    assert reloj.ahora_ms() == 20 * MINUTO


async def test_una_orden_desconocida_es_ninguna(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/order", (400, {"code": -2013, "msg": "Order does not exist."}))

    assert await bolsa.consultar("BTCUSDT", "tm-X") is None


async def test_la_orden_de_una_ejecucion_que_aun_no_se_lista_se_vuelve_a_buscar(
    servidor: Servidor, bolsa: BinanceConnector
):
    servidor.contesta("v1/order", (400, {"code": -2013, "msg": "Order does not exist."}), (200, EJECUTADA))

    with pytest.raises(LecturaFallida, match="order 7 is not listed yet"):
        await bolsa.id_cliente_de("BTCUSDT", 7)
    assert await bolsa.id_cliente_de("BTCUSDT", 7) == "tm-ABC"


async def test_otro_rechazo_de_la_orden_de_una_ejecucion_sigue_siendolo(
    servidor: Servidor, bolsa: BinanceConnector
):
    servidor.contesta("v1/order", (400, {"code": -1102, "msg": "Mandatory parameter"}))

    with pytest.raises(OrdenRechazada):
        await bolsa.id_cliente_de("BTCUSDT", 7)


async def test_otro_rechazo_de_la_consulta_no_es_que_no_exista(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/order", (400, {"code": -1102, "msg": "Mandatory parameter"}))

    with pytest.raises(OrdenRechazada):
        await bolsa.consultar("BTCUSDT", "tm-X")


async def test_el_tipo_de_margen_ya_puesto_no_es_un_error(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/marginType", (400, {"code": -4046, "msg": "No need to change margin type."}))

    await bolsa.fijar_margen("BTCUSDT", TipoMargen.CROSSED)


@pytest.mark.parametrize("codigo", [-4047, -4048])
async def test_el_tipo_de_margen_ocupado_se_dice_con_el_remedio(
    servidor: Servidor, bolsa: BinanceConnector, codigo: int
):
    servidor.contesta("v1/marginType", (400, {"code": codigo, "msg": "there exists position."}))

    with pytest.raises(BolsaIncompatible, match="Close them"):
        await bolsa.fijar_margen("BTCUSDT", TipoMargen.CROSSED)


async def test_los_modos_de_la_cuenta(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/positionSide/dual", (200, {"dualSidePosition": True}))
    servidor.contesta("v1/multiAssetsMargin", (200, {"multiAssetsMargin": False}))
    servidor.contesta("v1/feeBurn", (200, {"feeBurn": True}))

    assert await bolsa.modo_cuenta() == (True, False, True)


def velas_hasta(ultima: int) -> Callable[[dict[str, str]], list[list[object]]]:
    """Klines as the exchange lists them: minute 0 to ``ultima``, the last one being open."""

    def contestar(campos: dict[str, str]) -> list[list[object]]:
        desde = int(campos.get("startTime", 0))
        hasta = int(campos.get("endTime", 10**15))
        aperturas = [i * MINUTO for i in range(ultima + 1) if desde <= i * MINUTO <= hasta]
        limite = int(campos["limit"])
        elegidas = aperturas[:limite] if "startTime" in campos else aperturas[-limite:]
        return [[t, "1", "2", "0.5", "1.5", "10", t + MINUTO - 1, "0", 0, "0", "0", "0"] for t in elegidas]

    return contestar


async def test_la_vela_en_curso_no_es_una_vela(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/klines", velas_hasta(10))

    velas = await bolsa.velas("BTCUSDT", "1m", limite=3)

    assert [v.apertura_ms // MINUTO for v in velas] == [7, 8, 9]


async def test_la_historia_larga_viene_por_paginas(
    servidor: Servidor, bolsa: BinanceConnector, reloj: RelojMercado
):
    reloj.observar(4_000 * MINUTO)
    servidor.contesta("v1/klines", velas_hasta(4_000))

    velas = await bolsa.velas("BTCUSDT", "1m", limite=3_100)

    assert [v.apertura_ms // MINUTO for v in velas] == list(range(900, 4_000))
    assert len(servidor.campos("v1/klines")) == 3


async def test_la_historia_que_no_alcanza_se_devuelve_como_esta(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/klines", velas_hasta(10))

    assert len(await bolsa.velas("BTCUSDT", "1m", limite=100)) == 10


async def test_desde_un_instante_se_lee_hacia_delante(
    servidor: Servidor, bolsa: BinanceConnector, reloj: RelojMercado
):
    reloj.observar(2_000 * MINUTO)
    servidor.contesta("v1/klines", velas_hasta(2_000))

    velas = await bolsa.velas("BTCUSDT", "1m", desde_ms=5 * MINUTO, limite=1_700)

    assert [v.apertura_ms // MINUTO for v in velas] == list(range(5, 1_705))


async def test_los_ingresos_en_otro_activo_no_cuentan_y_los_de_otro_simbolo_se_distinguen(
    servidor: Servidor, bolsa: BinanceConnector
):
    ids = itertools.count(1)
    filas = [
        {"symbol": s, "asset": a, "incomeType": t, "income": "1", "time": 4, "tranId": next(ids)}
        for s, a, t in (
            ("BTCUSDT", "USDT", "FUNDING_FEE"),
            ("", "USDT", "TRANSFER"),
            ("ETHUSDT", "USDT", "FUNDING_FEE"),
            ("BTCUSDT", "BNB", "COMMISSION"),
        )
    ]
    servidor.contesta("v1/income", (200, filas))

    ingresos = await bolsa.ingresos("BTCUSDT", 3)

    assert [i.clase for i in ingresos] == [
        ClaseIngreso.FUNDING_FEE,
        ClaseIngreso.TRANSFER,
        ClaseIngreso.AJENO,
    ]
    assert servidor.campos("v1/income")[0]["startTime"] == "3"


async def test_las_operaciones_se_piden_por_orden_o_desde_una(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/userTrades", (200, []))

    await bolsa.transacciones("BTCUSDT", id_orden=9)
    await bolsa.transacciones("BTCUSDT", desde_id=4)

    por_orden, desde = servidor.campos("v1/userTrades")
    assert por_orden["orderId"] == "9"
    assert desde["fromId"] == "4"


async def test_cancelar_todo_borra_las_del_simbolo(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/allOpenOrders", (200, {"code": 200, "msg": "done"}))

    await bolsa.cancelar_todas("BTCUSDT")

    assert servidor.pedidas[-1][:2] == ("DELETE", "/fapi/v1/allOpenOrders")


async def test_cancelar_una_nombra_la_orden(servidor: Servidor, bolsa: BinanceConnector):
    hecha = {"orderId": 7, "clientOrderId": "tm-A", "status": "CANCELED"}
    servidor.contesta("v1/order", (200, hecha), (400, {"code": -2011, "msg": "Unknown order sent."}))

    await bolsa.cancelar_orden("BTCUSDT", "tm-A")
    with pytest.raises(OrdenRechazada) as fallo:
        await bolsa.cancelar_orden("BTCUSDT", "tm-A")

    assert servidor.pedidas[-1][:2] == ("DELETE", "/fapi/v1/order")
    assert servidor.campos("v1/order")[0]["origClientOrderId"] == "tm-A"
    assert fallo.value.codigo == -2011


async def test_un_intervalo_que_la_bolsa_no_tiene_se_nombra(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/klines", (400, {"code": -1120, "msg": "Invalid interval."}))

    with pytest.raises(BolsaIncompatible, match=r"BTCUSDT 1m: .*-1120"):
        await bolsa.velas("BTCUSDT", "1m", limite=3)


async def test_un_simbolo_que_no_cotiza_se_nombra_antes_de_preguntar_mas(
    servidor: Servidor, bolsa: BinanceConnector
):
    servidor.contesta("v1/exchangeInfo", (200, {"symbols": [{"symbol": "BTCUSDT", "status": "TRADING"}]}))

    with pytest.raises(BolsaIncompatible, match="'ETHUSDT' is not listed"):
        await bolsa.info_simbolo("ETHUSDT")
    assert len(servidor.pedidas) == 1


STOP = OrdenStop("BTCUSDT", LadoOrden.SELL, 25_000.1, None, "tm-S")
ALGO = {
    "algoId": 21,
    "clientAlgoId": "tm-S",
    "algoType": "CONDITIONAL",
    "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "0.000",
    "algoStatus": "NEW",
    "triggerPrice": "25000.10",
    "workingType": "MARK_PRICE",
    "closePosition": True,
    "reduceOnly": False,
}
LEIDO = StopBolsa("tm-S", 21, EstadoAlgo.NEW, "STOP_MARKET", LadoOrden.SELL, 25_000.1, None)


async def test_un_stop_que_cierra_la_posicion_va_al_servicio_de_algos_con_nuestro_id(
    servidor: Servidor, bolsa: BinanceConnector
):
    servidor.contesta("v1/algoOrder", (200, ALGO))

    assert await bolsa.colocar_stop(STOP) == LEIDO

    campos = servidor.campos("v1/algoOrder")[0]
    for ajeno in ("timestamp", "signature", "recvWindow"):
        campos.pop(ajeno)
    assert servidor.pedidas[-1][0] == "POST"
    assert campos == {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_MARKET",
        "triggerPrice": "25000.1",
        "workingType": "MARK_PRICE",
        "closePosition": "true",
        "clientAlgoId": "tm-S",
    }


async def test_un_stop_puente_lleva_cantidad_y_solo_reduce(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/algoOrder", (200, ALGO | {"closePosition": False, "quantity": "0.010"}))

    colocado = await bolsa.colocar_stop(STOP._replace(cantidad=0.01))

    campos = servidor.campos("v1/algoOrder")[0]
    assert (campos["quantity"], campos["reduceOnly"]) == ("0.01", "true")
    assert "closePosition" not in campos
    assert colocado.cantidad == 0.01


async def test_un_objetivo_dice_su_tipo(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/algoOrder", (200, ALGO | {"orderType": "TAKE_PROFIT_MARKET"}))

    colocado = await bolsa.colocar_stop(STOP._replace(tipo=TipoStop.TAKE_PROFIT_MARKET))

    assert servidor.campos("v1/algoOrder")[0]["type"] == colocado.tipo == "TAKE_PROFIT_MARKET"


async def test_el_mejor_precio_de_cada_lado(servidor: Servidor, bolsa: BinanceConnector):
    libro = {"symbol": "BTCUSDT", "bidPrice": "19999.9", "bidQty": "1", "askPrice": "20000.1", "askQty": "1"}
    servidor.contesta("v1/ticker/bookTicker", (200, libro | {"time": 1_700}))

    assert await bolsa.precio_bidask("BTCUSDT") == PrecioBidAsk(19_999.9, 20_000.1, 1_700)


@pytest.mark.parametrize("codigo", [-2021, -4130, -4116, -4118, -4045])
async def test_un_stop_rechazado_dice_por_que(servidor: Servidor, bolsa: BinanceConnector, codigo: int):
    servidor.contesta("v1/algoOrder", (400, {"code": codigo, "msg": "no"}))

    with pytest.raises(OrdenRechazada) as fallo:
        await bolsa.colocar_stop(STOP)
    assert fallo.value.codigo == codigo
    assert len(servidor.campos("v1/algoOrder")) == 1


async def test_un_stop_sin_respuesta_es_incierto(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/algoOrder", (200, "cortar"))

    with pytest.raises(ResultadoIncierto):
        await bolsa.colocar_stop(STOP)


async def test_un_stop_se_consulta_por_nuestro_id(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta(
        "v1/algoOrder",
        (200, ALGO | {"actualOrderId": ""}),
        (200, ALGO | {"algoStatus": "FINISHED", "actualOrderId": "77"}),
        (400, {"code": -2013, "msg": "Order does not exist."}),
    )

    assert await bolsa.consultar_stop("BTCUSDT", "tm-S") == LEIDO
    assert await bolsa.consultar_stop("BTCUSDT", "tm-S") == LEIDO._replace(
        estado=EstadoAlgo.FINISHED, id_orden=77
    )
    assert await bolsa.consultar_stop("BTCUSDT", "tm-S") is None
    assert servidor.campos("v1/algoOrder")[0]["clientAlgoId"] == "tm-S"


async def test_un_stop_cancelado_contesta_con_un_codigo_que_es_texto(
    servidor: Servidor, bolsa: BinanceConnector
):
    bien = {"algoId": 21, "clientAlgoId": "tm-S", "code": "200", "msg": "success"}
    servidor.contesta("v1/algoOrder", (200, bien), (200, bien | {"code": "500"}))

    await bolsa.cancelar_stop("BTCUSDT", "tm-S")
    with pytest.raises(ResultadoIncierto):
        await bolsa.cancelar_stop("BTCUSDT", "tm-S")
    assert servidor.pedidas[0][:2] == ("DELETE", "/fapi/v1/algoOrder")


async def test_un_stop_que_ya_no_espera_no_se_puede_cancelar(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/algoOrder", (400, {"code": -2011, "msg": "Unknown order sent."}))

    with pytest.raises(OrdenRechazada) as fallo:
        await bolsa.cancelar_stop("BTCUSDT", "tm-S")
    assert fallo.value.codigo == -2011


async def test_los_stops_abiertos_son_todos_los_del_simbolo(servidor: Servidor, bolsa: BinanceConnector):
    ajeno = ALGO | {"orderType": "TRAILING_STOP_MARKET", "triggerPrice": "", "closePosition": False}
    servidor.contesta("v1/openAlgoOrders", (200, [ALGO, ajeno | {"quantity": "0.5"}]))

    abiertos = await bolsa.stops_abiertos("BTCUSDT")

    assert abiertos[0] == LEIDO
    assert (abiertos[1].tipo, abiertos[1].gatillo, abiertos[1].cantidad) == ("TRAILING_STOP_MARKET", 0.0, 0.5)
    assert servidor.campos("v1/openAlgoOrders")[0]["symbol"] == "BTCUSDT"


async def test_las_ordenes_abiertas_se_listan(servidor: Servidor, bolsa: BinanceConnector):
    fila = {
        "clientOrderId": "x",
        "orderId": 3,
        "side": "BUY",
        "origQty": "0.010",
        "executedQty": "0.004",
        "reduceOnly": True,
    }
    servidor.contesta("v1/openOrders", (200, [fila]))

    assert await bolsa.ordenes_abiertas("BTCUSDT") == [OrdenViva("x", 3, LadoOrden.BUY, 0.01, 0.004, True)]


async def test_el_precio_mark_se_lee(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/premiumIndex", (200, {"symbol": "BTCUSDT", "markPrice": "30000.12"}))

    assert await bolsa.precio_mark("BTCUSDT") == 30_000.12


def compraventas(cuantas: int, *, id_orden: int = 7) -> Callable[[dict[str, str]], list[dict[str, object]]]:
    """A history of so many fills, paged as the exchange pages."""

    def contestar(campos: dict[str, str]) -> list[dict[str, object]]:
        desde = int(campos.get("fromId", 1))
        ids = range(desde, cuantas + 1)[: int(campos["limit"])]
        return [
            {
                "id": i,
                "orderId": id_orden,
                "side": "BUY",
                "qty": "0.001",
                "price": "1",
                "commission": "0",
                "realizedPnl": "0",
                "time": i,
            }
            for i in ids
        ]

    return contestar


@pytest.mark.parametrize("cuantas", [0, 999, 1_000, 1_001, 2_500])
async def test_las_operaciones_se_leen_hasta_la_ultima(
    servidor: Servidor, bolsa: BinanceConnector, cuantas: int
):
    servidor.contesta("v1/userTrades", compraventas(cuantas))

    por_id = await bolsa.transacciones("BTCUSDT", desde_id=1)
    por_orden = await bolsa.transacciones("BTCUSDT", id_orden=7)

    assert [t.id for t in por_id] == list(range(1, cuantas + 1)) == [t.id for t in por_orden]


async def test_una_bolsa_que_repite_la_pagina_no_se_da_por_leida(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/userTrades", lambda campos: compraventas(2_000)({"limit": "1000"}))

    with pytest.raises(LecturaFallida, match="repeats a page"):
        await bolsa.transacciones("BTCUSDT", id_orden=7)


@pytest.mark.parametrize("por_instante", [1, 7, 400])
@pytest.mark.parametrize("cuantos", [999, 1_000, 2_600])
async def test_los_ingresos_se_leen_hasta_el_ultimo_aunque_un_instante_se_parta(
    servidor: Servidor, bolsa: BinanceConnector, cuantos: int, por_instante: int
):
    filas = [
        {
            "symbol": "BTCUSDT",
            "asset": "USDT",
            "incomeType": "FUNDING_FEE",
            "income": "1",
            "time": 100 + i // por_instante,
            "tranId": i,
        }
        for i in range(cuantos)
    ]
    servidor.contesta(
        "v1/income",
        lambda campos: [f for f in filas if f["time"] >= int(campos["startTime"])][: int(campos["limit"])],
    )

    assert [i.id for i in await bolsa.ingresos("BTCUSDT", 50)] == list(range(cuantos))


async def test_la_ventana_de_recepcion_y_la_espera_son_las_configuradas(
    servidor: Servidor, reloj: RelojMercado
):
    servidor.contesta("v1/order", (200, EJECUTADA))

    async with una_bolsa(servidor.url, reloj, ventana_ms=1_500, espera_s=3.0) as bolsa:
        await bolsa.enviar(ORDEN)
        assert bolsa._cliente.REQUEST_TIMEOUT == 3.0
    assert servidor.campos("v1/order")[0]["recvWindow"] == "1500"


async def test_los_reintentos_son_los_configurados(servidor: Servidor, reloj: RelojMercado):
    servidor.contesta("v1/time", (502, "<html>"))

    ajustes = AjustesBolsa(reintentos=Reintentos(2, 0.01))
    async with una_bolsa(servidor.url, reloj, ajustes) as bolsa:
        with pytest.raises(LecturaFallida):
            await bolsa.hora_ms()
    assert len(servidor.campos("v1/time")) == 2


async def test_una_orden_con_el_reloj_desviado_sigue_siendo_pasajera_aunque_la_hora_no_llegue(
    servidor: Servidor, bolsa: BinanceConnector
):
    """What is known of the order must not be lost to what is not known of the time."""
    servidor.contesta("v1/time", (502, "<html>"))
    servidor.contesta("v1/order", (400, {"code": -1021, "msg": "Timestamp"}))

    with pytest.raises(FalloPasajero):
        await bolsa.enviar(ORDEN)


async def test_lo_que_la_bolsa_cuenta_frena_a_lo_ordinario(servidor: Servidor, reloj: RelojMercado):
    servidor.cabeceras = {"X-MBX-USED-WEIGHT-1M": "2350"}
    servidor.contesta("v1/order", (200, EJECUTADA))
    ajustes = AjustesBolsa(limites=AjustesLimites(espera_max_s=0.0))

    async with una_bolsa(servidor.url, reloj, ajustes) as bolsa:
        await bolsa.hora_ms()
        with pytest.raises(LimiteExcedido):
            await bolsa.hora_ms()
        await bolsa.enviar(ORDEN)
    assert len(servidor.campos("v1/time")) == 1


async def test_los_limites_publicados_mandan(servidor: Servidor, reloj: RelojMercado):
    limite = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 10}
    servidor.cabeceras = {"X-MBX-USED-WEIGHT-1M": "8"}
    servidor.contesta("v1/exchangeInfo", (200, {"rateLimits": [limite], "symbols": []}))
    ajustes = AjustesBolsa(limites=AjustesLimites(espera_max_s=0.0))

    async with una_bolsa(servidor.url, reloj, ajustes) as bolsa:
        with pytest.raises(BolsaIncompatible):
            await bolsa.info_simbolo("BTCUSDT")
        with pytest.raises(LimiteExcedido):
            await bolsa.hora_ms()


async def test_cada_peticion_se_cuenta_con_lo_que_tardo_y_si_fallo(
    servidor: Servidor, bolsa: BinanceConnector
):
    """A refusal is an answer; a read that is tried again counts once for each try."""
    contadas: list[tuple[float, bool]] = []
    bolsa.escuchar(lambda duracion_s, fallida: contadas.append((duracion_s, fallida)))
    servidor.contesta("v1/premiumIndex", (503, {"code": -1000, "msg": "?"}), (200, {"markPrice": "1"}))
    servidor.contesta("v1/order", (400, {"code": -2019, "msg": "Margin is insufficient."}))

    await bolsa.precio_mark("BTCUSDT")
    with pytest.raises(OrdenRechazada):
        await bolsa.enviar(ORDEN)

    assert [fallida for _, fallida in contadas] == [True, False, False]
    assert all(duracion_s > 0.0 for duracion_s, _ in contadas)
