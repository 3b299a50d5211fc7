"""Sockets: routes, subscriptions, the order of messages, and the lockstep through the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from src.simulador.cola import ATRASO_MAX, Cola, cabecera
from src.simulador.difusion import Categoria
from src.simulador.oyentes import VIDA_S
from src.simulador.servidor import Servidor
from tests.simulador.banco import Cliente, planas, una_simulacion

FLUJOS = "btcusdt@kline_1h/btcusdt@markPrice@1s/btcusdt_perpetual@continuousKline_1h/btcusdt@aggTrade"


async def recibir(enchufe: aiohttp.ClientWebSocketResponse) -> Any:
    """The next message."""
    return orjson.loads((await asyncio.wait_for(enchufe.receive(), 2)).data)


async def callado(enchufe: aiohttp.ClientWebSocketResponse) -> bool:
    """Whether nothing arrives for a moment."""
    try:
        await asyncio.wait_for(enchufe.receive(), 0.05)
    except TimeoutError:
        return True
    return False


async def unirse(cliente: Cliente, simbolo: str = "BTCUSDT") -> tuple[str, int]:
    """Join and return agent and step."""
    unido = await cliente.sim("POST", "join", symbol=simbolo, interval="1h")
    return unido["agent"], unido["step"]


async def test_un_paso_se_anuncia_con_la_vela_al_final(cliente: Cliente):
    enchufe = await cliente.conectar(f"/market/stream?streams={FLUJOS}")
    agente, _ = await unirse(cliente)
    await cliente.sim("POST", "done", agent=agente)

    mensajes = [await recibir(enchufe) for _ in range(4)]

    assert [mensaje["data"]["e"] for mensaje in mensajes] == [
        "markPriceUpdate",
        "aggTrade",
        "continuous_kline",
        "kline",
    ]
    assert mensajes[-1]["stream"] == "btcusdt@kline_1h"
    assert mensajes[-1]["data"]["k"]["x"] is False
    assert len({mensaje["data"]["E"] for mensaje in mensajes}) == 1


async def test_la_vela_cierra_en_el_cuarto_paso_y_es_la_de_rest(cliente: Cliente):
    enchufe = await cliente.conectar("/market/ws/btcusdt@kline_1h")
    agente, _ = await unirse(cliente)
    cerradas = []
    for _ in range(4):
        await cliente.sim("POST", "done", agent=agente)
        cerradas.append((await recibir(enchufe))["k"])

    assert [vela["x"] for vela in cerradas] == [False, False, False, True]
    assert [float(vela["v"]) for vela in cerradas] == [0, 2.5, 5, 10]
    ultima = cerradas[-1]
    fila = (await cliente.publico("/v1/klines", symbol="BTCUSDT", interval="1h", limit=2))[0]
    assert [ultima[c] for c in "tohlcv"] == fila[:6]
    assert ultima["T"] == fila[6] < (await cliente.publico("/v1/time"))["serverTime"]


async def test_la_ruta_equivocada_conecta_y_calla(servidor: Servidor, cliente: Cliente):
    equivocado = await cliente.conectar("/public/ws/btcusdt@kline_1h")
    correcto = await cliente.conectar("/public/ws/btcusdt@bookTicker")
    servidor.simulacion.avanzar()

    libro = await recibir(correcto)
    assert (libro["e"], libro["b"], libro["a"]) == ("bookTicker", "20200.0", "20200.0")
    assert await callado(equivocado)


async def test_una_ruta_sin_categoria_ya_no_existe(cliente: Cliente):
    with pytest.raises(aiohttp.WSServerHandshakeError) as fallo:
        await cliente.conectar("/ws/btcusdt@kline_1h")
    assert fallo.value.status == 404


async def test_se_suscribe_lista_y_desuscribe(servidor: Servidor, cliente: Cliente):
    enchufe = await cliente.conectar("/market/ws")
    await enchufe.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@kline_1h"], "id": 1})
    assert await recibir(enchufe) == {"result": None, "id": 1}
    await enchufe.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
    assert await recibir(enchufe) == {"result": ["btcusdt@kline_1h"], "id": 2}
    servidor.simulacion.avanzar()
    assert (await recibir(enchufe))["e"] == "kline"

    await enchufe.send_json({"method": "UNSUBSCRIBE", "params": ["btcusdt@kline_1h"], "id": 3})
    assert await recibir(enchufe) == {"result": None, "id": 3}
    servidor.simulacion.avanzar()
    assert await callado(enchufe)
    for basura in ("no es json", "[]", "{}", '{"method":"VOLAR","id":4}'):
        await enchufe.send_str(basura)
        assert (await recibir(enchufe))["code"] == 2


async def test_los_eventos_de_una_orden_llegan_en_su_orden(cliente: Cliente):
    oyente = (await cliente.pedir("POST", "/fapi/v1/listenKey"))["listenKey"]
    enchufe = await cliente.conectar(f"/private/ws?listenKey={oyente}")
    orden = await cliente.firmado(
        "POST", "/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1"
    )

    nueva, breve, cuenta, llena = [await recibir(enchufe) for _ in range(4)]

    assert (nueva["e"], nueva["o"]["x"], nueva["o"]["X"]) == ("ORDER_TRADE_UPDATE", "NEW", "NEW")
    assert (breve["e"], breve["i"]) == ("TRADE_LITE", orden["orderId"])
    assert (cuenta["e"], cuenta["a"]["m"]) == ("ACCOUNT_UPDATE", "ORDER")
    assert cuenta["a"]["B"][0]["wb"] == "9998.99050000"
    assert (cuenta["a"]["P"][0]["pa"], cuenta["a"]["P"][0]["ep"]) == ("0.1", "20190.0")
    assert (llena["o"]["x"], llena["o"]["X"], llena["o"]["n"]) == ("TRADE", "FILLED", "1.00950000")


async def test_la_palanca_y_la_cancelacion_se_avisan(cliente: Cliente):
    oyente = (await cliente.pedir("POST", "/fapi/v1/listenKey"))["listenKey"]
    enchufe = await cliente.conectar(f"/private/ws/{oyente}")
    await cliente.firmado("POST", "/v1/leverage", symbol="BTCUSDT", leverage=3)
    assert (await recibir(enchufe))["ac"] == {"s": "BTCUSDT", "l": 3}
    limite = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "20000", "quantity": "0.1"}
    await cliente.firmado("POST", "/v1/order", symbol="BTCUSDT", **limite)
    await cliente.firmado("DELETE", "/v1/allOpenOrders", symbol="BTCUSDT")
    assert [(await recibir(enchufe))["o"]["x"] for _ in range(2)] == ["NEW", "CANCELED"]


async def test_funding_y_liquidacion_se_avisan_antes_que_el_mercado():
    simulacion = una_simulacion(planas(*[20_000.0] * 8, 10_000.0), saldo="4010", camino="close")
    async with Servidor(simulacion) as servidor, aiohttp.ClientSession() as sesion:
        cliente = Cliente(sesion, servidor.url)
        oyente = (await cliente.pedir("POST", "/fapi/v1/listenKey"))["listenKey"]
        await cliente.firmado("POST", "/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")
        enchufe = await cliente.conectar(f"/private/ws?listenKey={oyente}")
        while simulacion.avanzar() is not None:
            pass

        funding = await recibir(enchufe)
        assert (funding["a"]["m"], funding["a"]["B"][0]["bc"]) == ("FUNDING_FEE", "-2.00000000")
        assert funding["a"]["P"] == []
        nueva, cuenta, llena, seguro = [await recibir(enchufe) for _ in range(4)]
        assert (nueva["o"]["o"], nueva["o"]["x"]) == ("LIQUIDATION", "NEW")
        assert cuenta["a"]["P"][0]["pa"] == "0"
        assert (llena["o"]["x"], llena["o"]["X"]) == ("CALCULATED", "FILLED")
        assert llena["o"]["c"].startswith("autoclose-")
        assert (seguro["a"]["m"], seguro["a"]["B"][0]["wb"]) == ("INSURANCE_CLEAR", "0.00000000")


async def test_una_clave_vencida_se_avisa_y_calla(servidor: Servidor, cliente: Cliente):
    oyente = (await cliente.pedir("POST", "/fapi/v1/listenKey"))["listenKey"]
    enchufe = await cliente.conectar(f"/private/ws?listenKey={oyente}")
    oyentes = servidor.simulacion.oyentes
    reloj = oyentes._monotono
    oyentes._monotono = lambda: reloj() + VIDA_S

    vencida = await recibir(enchufe)

    assert (vencida["e"], vencida["listenKey"]) == ("listenKeyExpired", oyente)
    await cliente.firmado("POST", "/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1")
    assert await callado(enchufe)
    assert not enchufe.closed


async def test_el_mercado_espera_a_cada_agente_y_termina_una_vez(cliente: Cliente, servidor: Servidor):
    enchufe = await cliente.conectar("/market/stream?streams=btcusdt@kline_1h")
    btc, paso = await unirse(cliente)
    eth, _ = await unirse(cliente, "ETHUSDT")
    assert paso == 0
    await cliente.sim("POST", "done", agent=btc, step=0)
    assert await callado(enchufe)
    await cliente.sim("POST", "done", agent=btc, step=0)
    await cliente.sim("POST", "done", agent=eth, step=0)
    await recibir(enchufe)
    assert (await cliente.sim("GET", "status"))["step"] == 1
    await cliente.sim("POST", "done", agent=btc, step=0)  # late: of a step that is over
    await cliente.sim("POST", "leave", agent=eth)
    assert (await cliente.sim("GET", "status"))["step"] == 1
    estado = await cliente.sim("GET", "status")
    assert estado["agents"] == [{"agent": btc, "symbol": "BTCUSDT", "interval": "1h", "busy": True}]

    for numero in range(1, estado["steps_total"]):
        assert (await cliente.sim("POST", "done", agent=btc, step=numero))["step"] == numero
        await recibir(enchufe)
    await cliente.sim("POST", "done", agent=btc)

    assert (await recibir(enchufe))["data"]["e"] == "simEnd"
    assert (await cliente.sim("GET", "status"))["finished"] is True
    await cliente.sim("POST", "done", agent=btc)
    assert await callado(enchufe)
    assert not enchufe.closed


async def test_a_quien_llega_tras_el_final_se_le_dice(cliente: Cliente, servidor: Servidor):
    while servidor.simulacion.avanzar() is not None:
        pass

    mercado = await cliente.conectar("/market/stream?streams=btcusdt@kline_1h")
    privado = await cliente.conectar("/private/ws")

    fin = await recibir(mercado)
    assert (fin["stream"], fin["data"]["e"]) == ("simEnd", "simEnd")
    assert await callado(mercado)
    assert await callado(privado)


async def test_tambien_se_termina_un_paso_por_el_enchufe(cliente: Cliente):
    enchufe = await cliente.conectar("/market/ws/btcusdt@kline_1h")
    agente, paso = await unirse(cliente)
    for numero in range(paso, 6):
        await enchufe.send_json({"method": "DONE", "params": [agente, numero]})
        assert (await recibir(enchufe))["e"] == "kline"
    await enchufe.send_json({"method": "DONE", "params": [agente, 3]})  # late
    assert await callado(enchufe)
    for parametros, codigo in (([agente], 2), (["nadie", 6], -1130), ([agente, 99], -1130)):
        await enchufe.send_json({"method": "DONE", "params": parametros, "id": 9})
        respuesta = await recibir(enchufe)
        assert (respuesta["code"], respuesta["id"]) == (codigo, 9)


@pytest.mark.parametrize(
    ("ruta", "campos", "codigo"),
    [
        ("join", {"interval": "1h"}, -1102),
        ("join", {"symbol": "NADA", "interval": "1h"}, -1121),
        ("join", {"symbol": "BTCUSDT", "interval": "5m"}, -1120),
        ("done", {"agent": "nadie"}, -1130),
        ("done", {"agent": "nadie", "step": 99}, -1130),
        ("done", {"agent": 5}, -1102),
    ],
)
async def test_lo_mal_acordado_tiene_su_codigo(cliente: Cliente, ruta, campos, codigo):
    assert (await cliente.sim("POST", ruta, **campos))["code"] == codigo


class Transporte:
    """Keeps what is written; its buffer is as full as told."""

    def __init__(self, atraso: int = 0) -> None:
        self.escrito: list[bytes] = []
        self.atraso = atraso

    def write(self, datos: bytes) -> None:
        self.escrito.append(datos)

    def get_write_buffer_size(self) -> int:
        return self.atraso

    def is_closing(self) -> bool:
        return False


async def test_un_lector_lento_se_abandona_sin_frenar_al_mercado():
    abandonos: list[bool] = []
    transporte = Transporte(ATRASO_MAX + 1)
    cola = Cola(Categoria.MARKET, False, transporte, lambda: abandonos.append(True))  # type: ignore[arg-type]
    cola.poner(b"{}")
    await asyncio.sleep(0)
    cola.poner(b"{}")
    await asyncio.sleep(0)

    assert transporte.escrito == [b"\x81\x02{}"]
    assert abandonos == [True]


async def test_lo_de_un_mismo_turno_sale_en_una_escritura():
    transporte = Transporte()
    cola = Cola(Categoria.MARKET, False, transporte, lambda: None)  # type: ignore[arg-type]
    cola.poner(b"a")
    cola.poner(b"b" * 200)
    await asyncio.sleep(0)

    assert transporte.escrito == [b"\x81\x01a" + b"\x81\x7e\x00\xc8" + b"b" * 200]
    assert cabecera(70_000) == b"\x81\x7f" + (70_000).to_bytes(8, "big")


async def test_a_velocidad_el_mercado_corre_solo_y_late():
    """1 h candles at 36,000×: ten candles a second, with beats in between."""
    simulacion = una_simulacion(planas(*[20_000.0] * 6), velocidad=36_000.0)
    async with Servidor(simulacion) as servidor, aiohttp.ClientSession() as sesion:
        cliente = Cliente(sesion, servidor.url)
        enchufe = await cliente.conectar("/market/stream?streams=btcusdt@kline_1h")
        unido = await cliente.sim("POST", "join", symbol="BTCUSDT", interval="1h")
        assert unido["lockstep"] is False
        tiempos, cierres = [], 0
        while True:
            mensaje = await recibir(enchufe)
            tiempos.append(mensaje["data"]["E"])
            if mensaje["data"]["e"] == "simEnd":
                break
            cierres += mensaje["data"]["k"]["x"]
        assert cierres >= 4
        assert len(tiempos) > 20
        assert tiempos[-1] >= tiempos[0]
