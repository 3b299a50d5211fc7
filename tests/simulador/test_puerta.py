"""The HTTP door: keys, signatures, time, limits, and answers to every route."""

from __future__ import annotations

from decimal import Decimal

import aiohttp
import pytest

from src.simulador.despacho import RUTAS
from src.simulador.limites import PESO_POR_MINUTO
from src.simulador.opciones import CuentaInicial
from src.simulador.servidor import Servidor
from tests.simulador.banco import Cliente, firmar, planas, una_simulacion

PUBLICAS = sorted(ruta for metodo, ruta in RUTAS if metodo == "GET" and ruta.startswith("/fapi"))


async def test_hay_ping_y_hora_de_contado_para_quien_los_pide(cliente: Cliente):
    assert await cliente.pedir("GET", "/api/v3/ping") == {}
    hora = await cliente.pedir("GET", "/api/v3/time")
    assert hora == await cliente.publico("/v1/time")


async def test_una_ruta_que_no_existe_es_404(cliente: Cliente):
    assert (await cliente.pedir("GET", "/fapi/v9/nada"))["code"] == -5000
    assert cliente.estado == 404


@pytest.mark.parametrize(
    ("clave", "secreto", "codigo", "estado"),
    [
        ("", "x", -2014, 401),
        ("con espacio", "x", -2014, 401),
        ("desconocida", "x", -2015, 401),
        ("simulador", "otro", -1022, 400),
    ],
)
async def test_las_llaves_malas_tienen_su_codigo(servidor: Servidor, clave, secreto, codigo, estado):
    async with aiohttp.ClientSession() as sesion:
        cliente = Cliente(sesion, servidor.url, clave, secreto)
        assert (await cliente.firmado("GET", "/v2/account"))["code"] == codigo
        assert cliente.estado == estado


async def test_los_parametros_valen_en_la_consulta_y_en_el_cuerpo(cliente: Cliente):
    hora = (await cliente.publico("/v1/time"))["serverTime"]
    texto = firmar({"timestamp": hora, "symbol": "BTCUSDT", "leverage": 7})

    en_cuerpo = await cliente.pedir("POST", "/fapi/v1/leverage", texto)
    en_consulta = await cliente.pedir("POST", f"/fapi/v1/leverage?{texto}")

    assert en_cuerpo == en_consulta == {"leverage": 7, "maxNotionalValue": "100000000", "symbol": "BTCUSDT"}


async def test_fuera_de_tiempo_es_1021(cliente: Cliente):
    hora = (await cliente.publico("/v1/time"))["serverTime"]
    assert (await cliente.firmado("GET", "/v2/account", timestamp=hora - 5_001))["code"] == -1021
    assert (await cliente.firmado("GET", "/v2/account", timestamp=hora + 60_000))["code"] == -1021
    tarde = await cliente.firmado("GET", "/v2/account", timestamp=hora - 5_001, recvWindow=6_000)
    assert "totalWalletBalance" in tarde


async def test_sin_hora_o_sin_firma_falta_un_parametro(cliente: Cliente):
    fallo = await cliente.pedir("GET", f"/fapi/v2/account?{firmar({'recvWindow': 5000})}")
    assert (fallo["code"], "timestamp" in fallo["msg"]) == (-1102, True)
    hora = (await cliente.publico("/v1/time"))["serverTime"]
    fallo = await cliente.pedir("GET", f"/fapi/v2/account?timestamp={hora}")
    assert (fallo["code"], "signature" in fallo["msg"]) == (-1102, True)


async def test_el_peso_y_las_ordenes_se_publican(cliente: Cliente):
    await cliente.firmado("GET", "/v2/account")
    peso = int(cliente.cabeceras["X-MBX-USED-WEIGHT-1M"])
    await cliente.firmado("POST", "/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1")

    assert int(cliente.cabeceras["X-MBX-USED-WEIGHT-1M"]) == peso + 1  # the time; an order weighs nothing
    assert cliente.cabeceras["X-MBX-ORDER-COUNT-10S"] == "1"
    assert cliente.cabeceras["X-MBX-ORDER-COUNT-1M"] == "1"
    assert cliente.cabeceras["Content-Type"].startswith("application/json")


async def test_el_exceso_es_429_con_retry_after_y_luego_418(cliente: Cliente):
    for _ in range(PESO_POR_MINUTO // 40):
        await cliente.publico("/v1/ticker/24hr")
    assert (await cliente.publico("/v1/ticker/24hr"))["code"] == -1003
    assert cliente.estado == 429
    assert int(cliente.cabeceras["Retry-After"]) <= 60
    for _ in range(11):
        await cliente.publico("/v1/ping")
    assert cliente.estado == 418


async def test_el_peso_de_las_velas_crece_con_el_limite(cliente: Cliente):
    usados = []
    for limite in (99, 100, 499, 500, 1000, 1001):
        await cliente.publico("/v1/klines", symbol="BTCUSDT", interval="1h", limit=limite)
        usados.append(int(cliente.cabeceras["X-MBX-USED-WEIGHT-1M"]))
    assert [b - a for a, b in zip([0, *usados], usados, strict=False)] == [1, 2, 2, 5, 5, 10]


@pytest.mark.parametrize(
    ("ruta", "campos", "codigo"),
    [
        ("/v1/klines", {"interval": "1h"}, -1102),
        ("/v1/klines", {"symbol": "NADA", "interval": "1h"}, -1121),
        ("/v1/klines", {"symbol": "BTCUSDT", "interval": "7h"}, -1120),
        ("/v1/klines", {"symbol": "BTCUSDT", "interval": "1h", "limit": "1501"}, -1130),
        ("/v1/klines", {"symbol": "BTCUSDT", "interval": "1h", "limit": "x"}, -1130),
        ("/v1/depth", {"symbol": "BTCUSDT", "limit": "7"}, -1130),
        ("/v1/premiumIndex", {"symbol": "nada"}, -1121),
    ],
)
async def test_lo_publico_mal_pedido_tiene_su_codigo(cliente: Cliente, ruta, campos, codigo):
    assert (await cliente.publico(ruta, **campos))["code"] == codigo


async def test_la_ultima_vela_es_la_abierta(cliente: Cliente):
    filas = await cliente.publico("/v1/klines", symbol="BTCUSDT", interval="1h", limit=3)
    hora = (await cliente.publico("/v1/time"))["serverTime"]

    assert [fila[6] >= hora for fila in filas] == [False, False, True]
    assert [fila[4] for fila in filas] == ["20180.00", "20190.00", "20190.00"]
    assert all(len(fila) == 12 for fila in filas)


async def test_las_velas_se_piden_por_tramos(cliente: Cliente):
    todas = await cliente.publico("/v1/klines", symbol="BTCUSDT", interval="1h")
    assert len(todas) == 21
    tramo = await cliente.publico(
        "/v1/klines", symbol="BTCUSDT", interval="1h", startTime=todas[5][0], endTime=todas[8][0]
    )
    assert tramo == todas[5:9]
    primeras = await cliente.publico(
        "/v1/klines", symbol="BTCUSDT", interval="1h", startTime=todas[5][0], limit=2
    )
    assert primeras == todas[5:7]
    ultimas = await cliente.publico("/v1/klines", symbol="BTCUSDT", interval="1h", startTime=todas[19][0] + 1)
    assert ultimas == todas[20:]
    anteriores = await cliente.publico(
        "/v1/klines", symbol="BTCUSDT", interval="1h", endTime=todas[8][0], limit=2
    )
    assert anteriores == todas[7:9]
    continuas = await cliente.publico(
        "/v1/continuousKlines", pair="BTCUSDT", contractType="PERPETUAL", interval="1h"
    )
    assert continuas == todas


async def test_ack_calla_lo_ejecutado_y_result_lo_cuenta(cliente: Cliente):
    orden = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
    acuse = await cliente.firmado("POST", "/v1/order", **orden)
    resultado = await cliente.firmado("POST", "/v1/order", **orden, newOrderRespType="RESULT")

    assert (acuse["status"], acuse["executedQty"]) == ("NEW", "0")
    assert "avgPrice" not in acuse
    assert (resultado["status"], resultado["executedQty"]) == ("FILLED", "0.1")
    assert (resultado["avgPrice"], resultado["cumQuote"]) == ("20190.0", "2019.00000000")
    consultada = await cliente.firmado("GET", "/v1/order", symbol="BTCUSDT", orderId=acuse["orderId"])
    assert (consultada["status"], consultada["avgPrice"]) == ("FILLED", "20190.0")


async def test_lo_que_no_existe_se_distingue_entre_consultar_y_cancelar(cliente: Cliente):
    campos = {"symbol": "BTCUSDT", "origClientOrderId": "nadie"}
    assert (await cliente.firmado("GET", "/v1/order", **campos))["code"] == -2013
    assert (await cliente.firmado("DELETE", "/v1/order", **campos))["code"] == -2011
    assert (await cliente.firmado("GET", "/v1/openOrder", **campos))["code"] == -2013
    assert (await cliente.firmado("GET", "/v1/order", symbol="BTCUSDT"))["code"] == -1102


async def test_los_ajustes_del_simbolo_tienen_sus_codigos(cliente: Cliente):
    btc = {"symbol": "BTCUSDT"}
    assert (await cliente.firmado("POST", "/v1/marginType", **btc, marginType="CROSSED"))["code"] == -4046
    assert (await cliente.firmado("POST", "/v1/marginType", **btc, marginType="ISOLATED"))["code"] == 200
    for palanca in (0, 51):
        assert (await cliente.firmado("POST", "/v1/leverage", **btc, leverage=palanca))["code"] == -4028
    await cliente.firmado("POST", "/v1/order", **btc, side="BUY", type="MARKET", quantity="0.1")
    assert (await cliente.firmado("POST", "/v1/leverage", **btc, leverage=5))["code"] == -4161
    assert (await cliente.firmado("POST", "/v1/marginType", **btc, marginType="CROSSED"))["code"] == -4048
    assert (await cliente.firmado("POST", "/v1/positionSide/dual", dualSidePosition="false"))["code"] == -4059
    assert (await cliente.firmado("POST", "/v1/positionSide/dual", dualSidePosition="true"))["code"] == -4068
    limite = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "20000", "quantity": "0.1"}
    await cliente.firmado("POST", "/v1/order", **btc, **limite)
    assert (await cliente.firmado("POST", "/v1/marginType", **btc, marginType="CROSSED"))["code"] == -4047
    assert (await cliente.firmado("POST", "/v1/positionSide/dual", dualSidePosition="true"))["code"] == -4067


async def test_bajar_la_palanca_sin_margen_se_rechaza(cliente: Cliente):
    btc = {"symbol": "BTCUSDT"}
    await cliente.firmado("POST", "/v1/order", **btc, side="BUY", type="MARKET", quantity="2")
    assert (await cliente.firmado("POST", "/v1/leverage", **btc, leverage=2))["code"] == -2028
    configurado = (await cliente.firmado("GET", "/v1/symbolConfig", **btc))[0]
    assert configurado["leverage"] == 20


async def test_en_modo_cobertura_no_se_opera(cliente: Cliente):
    await cliente.firmado("POST", "/v1/positionSide/dual", dualSidePosition="true")
    assert (await cliente.firmado("GET", "/v1/positionSide/dual"))["dualSidePosition"] is True
    orden = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
    assert (await cliente.firmado("POST", "/v1/order", **orden))["code"] == -4061
    assert (await cliente.firmado("POST", "/v1/order", **orden, reduceOnly="true"))["code"] == -1106


async def test_un_lote_contesta_orden_por_orden(cliente: Cliente):
    lote = (
        '[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"20000","quantity":"0.1"},'
        '{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.0001"}]'
    )
    primera, segunda = await cliente.firmado("POST", "/v1/batchOrders", batchOrders=lote)
    assert (primera["status"], segunda["code"]) == ("NEW", -1111)
    canceladas = await cliente.firmado(
        "DELETE", "/v1/batchOrders", symbol="BTCUSDT", orderIdList=f"[{primera['orderId']},1]"
    )
    assert (canceladas[0]["status"], canceladas[1]["code"]) == ("CANCELED", -2011)
    assert (await cliente.firmado("POST", "/v1/batchOrders", batchOrders="[]"))["code"] == -4082
    assert (await cliente.firmado("POST", "/v1/batchOrders", batchOrders="no"))["code"] == -1130


async def test_la_cuenta_atras_cancela_con_el_tiempo_de_mercado(servidor: Servidor, cliente: Cliente):
    limite = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "19500", "quantity": "0.1"}
    await cliente.firmado("POST", "/v1/order", symbol="BTCUSDT", **limite)
    await cliente.firmado("POST", "/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=600_000)
    servidor.simulacion.avanzar()
    assert len(await cliente.firmado("GET", "/v1/openOrders")) == 1
    servidor.simulacion.avanzar()
    assert await cliente.firmado("GET", "/v1/openOrders") == []


async def test_las_cuentas_no_se_ven_entre_si():
    cuentas = (CuentaInicial("una", "s1", Decimal(100)), CuentaInicial("otra", "s2", Decimal(5_000)))
    async with (
        Servidor(una_simulacion(planas(*[20_000] * 5), cuentas=cuentas)) as servidor,
        aiohttp.ClientSession() as sesion,
    ):
        una = Cliente(sesion, servidor.url, "una", "s1")
        otra = Cliente(sesion, servidor.url, "otra", "s2")
        await otra.firmado("POST", "/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1")

        assert (await una.firmado("GET", "/v3/account"))["totalWalletBalance"] == "100.00000000"
        assert await una.firmado("GET", "/v1/allOrders", symbol="BTCUSDT") == []
        assert await una.firmado("GET", "/v3/positionRisk") == []
        assert (await otra.firmado("GET", "/v3/account"))["totalWalletBalance"] == "4999.00000000"


async def test_la_clave_de_escucha_se_abre_prolonga_y_cierra(cliente: Cliente):
    abierta = await cliente.pedir("POST", "/fapi/v1/listenKey")
    assert await cliente.pedir("POST", "/fapi/v1/listenKey") == abierta
    assert await cliente.pedir("PUT", "/fapi/v1/listenKey") == abierta
    assert await cliente.pedir("DELETE", "/fapi/v1/listenKey") == {}
    for metodo in ("PUT", "DELETE"):
        assert (await cliente.pedir(metodo, "/fapi/v1/listenKey"))["code"] == -1125


async def test_el_margen_aislado_se_ajusta(cliente: Cliente):
    btc = {"symbol": "BTCUSDT"}
    await cliente.firmado("POST", "/v1/marginType", **btc, marginType="ISOLATED")
    await cliente.firmado("POST", "/v1/order", **btc, side="BUY", type="MARKET", quantity="0.1")
    antes = (await cliente.firmado("GET", "/v3/positionRisk"))[0]["isolatedWallet"]
    assert (await cliente.firmado("POST", "/v1/positionMargin", **btc, amount="50", type=1))["code"] == 200
    despues = (await cliente.firmado("GET", "/v3/positionRisk"))[0]["isolatedWallet"]
    assert Decimal(despues) - Decimal(antes) == 50
    assert (await cliente.firmado("POST", "/v1/positionMargin", **btc, amount="60", type=2))["code"] == -2019
    assert (await cliente.firmado("POST", "/v1/positionMargin", **btc, amount="0", type=1))["code"] == -4055


async def test_los_ingresos_se_filtran_y_paginan(servidor: Servidor, cliente: Cliente):
    for lado in ("BUY", "SELL") * 3:
        await cliente.firmado("POST", "/v1/order", symbol="BTCUSDT", side=lado, type="MARKET", quantity="0.1")
    todos = await cliente.firmado("GET", "/v1/income")
    assert [fila["incomeType"] for fila in todos] == ["TRANSFER", *["COMMISSION"] * 6]
    assert len(await cliente.firmado("GET", "/v1/income", incomeType="COMMISSION", limit=4)) == 4
    pagina = await cliente.firmado("GET", "/v1/income", incomeType="COMMISSION", limit=4, page=2)
    assert pagina == todos[5:]
    operadas = await cliente.firmado("GET", "/v1/userTrades", symbol="BTCUSDT")
    desde = await cliente.firmado(
        "GET", "/v1/userTrades", symbol="BTCUSDT", fromId=operadas[2]["id"], limit=2
    )
    assert desde == operadas[2:4]
    assert await cliente.firmado("GET", "/v1/userTrades", symbol="ETHUSDT") == []
