"""The adapter against a server that answers what the test says."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from aiohttp import web

from src.nucleo.errores import (
    BolsaIncompatible,
    CredencialesInvalidas,
    FalloPasajero,
    LecturaFallida,
    OrdenRechazada,
    ResultadoIncierto,
)
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden, TipoMargen
from src.produccion.binance import BinanceConnector, crear_cliente
from src.produccion.puertos import ClaseIngreso, Credenciales, Direcciones
from tests.produccion.falsos import RelojFalso

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

Respuesta = tuple[int, Any] | Callable[[dict[str, str]], Any]


class Servidor:
    """Answers each path from a list; the last answer stays."""

    def __init__(self) -> None:
        self.respuestas: dict[str, list[Respuesta]] = {"/fapi/v1/time": [(200, {"serverTime": 5_000})]}
        self.pedidas: list[tuple[str, str, dict[str, str]]] = []
        self.url = ""

    def contesta(self, ruta: str, *respuestas: Respuesta) -> None:
        self.respuestas[f"/fapi/{ruta}"] = list(respuestas)

    def campos(self, ruta: str) -> list[dict[str, str]]:
        return [campos for _, pedida, campos in self.pedidas if pedida == f"/fapi/{ruta}"]

    async def atender(self, peticion: web.Request) -> web.StreamResponse:
        texto = peticion.query_string + (await peticion.text())
        campos = {clave: valores[0] for clave, valores in parse_qs(texto).items()}
        self.pedidas.append((peticion.method, peticion.path, campos))
        cola = self.respuestas[peticion.path]
        respuesta = cola.pop(0) if len(cola) > 1 else cola[0]
        if callable(respuesta):
            return web.Response(body=orjson.dumps(respuesta(campos)), content_type="application/json")
        estado, cuerpo = respuesta
        if cuerpo == "cortar":
            assert peticion.transport is not None
            peticion.transport.close()
        if isinstance(cuerpo, str):
            return web.Response(status=estado, text=cuerpo, content_type="text/html")
        return web.Response(status=estado, body=orjson.dumps(cuerpo), content_type="application/json")


@pytest.fixture
async def servidor() -> AsyncIterator[Servidor]:
    suyo = Servidor()
    aplicacion = web.Application()
    aplicacion.router.add_route("*", "/{resto:.*}", suyo.atender)
    corredor = web.AppRunner(aplicacion, access_log=None)
    await corredor.setup()
    await web.TCPSite(corredor, "127.0.0.1", 0).start()
    suyo.url = f"http://127.0.0.1:{corredor.addresses[0][1]}"
    yield suyo
    await corredor.cleanup()


@pytest.fixture
def reloj() -> RelojFalso:
    return RelojFalso(10 * MINUTO)


@pytest.fixture
async def bolsa(servidor: Servidor, reloj: RelojFalso) -> AsyncIterator[BinanceConnector]:
    cliente = crear_cliente(
        Direcciones(rest=servidor.url, flujos=""), Credenciales(clave="k", secreto="s"), {"trust_env": False}
    )
    conectada = BinanceConnector(cliente, reloj, "USDT")
    yield conectada
    await conectada.cerrar()


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
        ((400, {"code": -2019, "msg": "Margin is insufficient."}), OrdenRechazada),
        ((429, {"code": -1003, "msg": "Too many requests."}), OrdenRechazada),
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


async def test_una_bolsa_inalcanzable_no_ha_aceptado_nada(reloj: RelojFalso):
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
    servidor.contesta("v1/time", (429, {"code": -1003, "msg": "Too many requests"}))

    with pytest.raises(LecturaFallida):
        await bolsa.hora_ms()
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
    servidor: Servidor, bolsa: BinanceConnector, reloj: RelojFalso
):
    servidor.contesta("v1/time", (200, {"serverTime": 20 * MINUTO}))
    servidor.contesta(
        "v1/order",
        lambda campos: EJECUTADA,
    )
    servidor.contesta("v1/order", (400, {"code": -1021, "msg": "Timestamp"}), (200, EJECUTADA))

    encontrada = await bolsa.consultar("BTCUSDT", "tm-ABC")

    assert encontrada is not None
    assert reloj.ahora_ms() == 20 * MINUTO
    assert abs(int(servidor.campos("v1/order")[1]["timestamp"]) - 20 * MINUTO) < 2_000


async def test_una_orden_con_el_reloj_desviado_se_puede_repetir_ya_corregido(
    servidor: Servidor, bolsa: BinanceConnector, reloj: RelojFalso
):
    servidor.contesta("v1/time", (200, {"serverTime": 20 * MINUTO}))
    servidor.contesta("v1/order", (400, {"code": -1021, "msg": "Timestamp"}))

    with pytest.raises(FalloPasajero):
        await bolsa.enviar(ORDEN)
    assert reloj.ahora_ms() == 20 * MINUTO


async def test_una_orden_desconocida_es_ninguna(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/order", (400, {"code": -2013, "msg": "Order does not exist."}))

    assert await bolsa.consultar("BTCUSDT", "tm-X") is None


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
    servidor: Servidor, bolsa: BinanceConnector, reloj: RelojFalso
):
    reloj.instante_ms = 4_000 * MINUTO
    servidor.contesta("v1/klines", velas_hasta(4_000))

    velas = await bolsa.velas("BTCUSDT", "1m", limite=3_100)

    assert [v.apertura_ms // MINUTO for v in velas] == list(range(900, 4_000))
    assert len(servidor.campos("v1/klines")) == 3


async def test_la_historia_que_no_alcanza_se_devuelve_como_esta(servidor: Servidor, bolsa: BinanceConnector):
    servidor.contesta("v1/klines", velas_hasta(10))

    assert len(await bolsa.velas("BTCUSDT", "1m", limite=100)) == 10


async def test_desde_un_instante_se_lee_hacia_delante(
    servidor: Servidor, bolsa: BinanceConnector, reloj: RelojFalso
):
    reloj.instante_ms = 2_000 * MINUTO
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
