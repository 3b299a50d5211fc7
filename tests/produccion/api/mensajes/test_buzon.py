"""What waits for a client: nothing that matters is lost, of a state only the newest is kept."""

from __future__ import annotations

import asyncio

from src.produccion.api.mensajes.buzon import Buzon, Carta
from src.produccion.api.mensajes.cliente import Cliente, Portador
from src.produccion.api.mensajes.contrato import Cierre, LimitesMensajes
from src.produccion.api.mensajes.posicion import TABLAS, Marca, leer_id

NADIE = Portador("ana", "default", None, "huella", None)


def vaciar(buzon: Buzon) -> list[str]:
    salida = []
    while (carta := buzon.sacar()) is not None:
        salida.append(carta.texto)
    return salida


async def test_lo_que_importa_sale_entero_y_antes_que_los_estados():
    buzon = Buzon(10)
    buzon.poner_estado("price:BTCUSDT", Carta("p1"))
    for texto in ("a", "b"):
        assert buzon.poner_suceso(Carta(texto))

    assert vaciar(buzon) == ["a", "b", "p1"]


async def test_de_un_estado_queda_el_ultimo_en_el_turno_del_primero():
    """Otherwise a slow reader of many symbols would always be told of the same ones."""
    buzon = Buzon(10)
    for texto in ("b1", "e1", "b2", "d1", "e2"):
        buzon.poner_estado(texto[0], Carta(texto))

    assert vaciar(buzon) == ["b2", "e2", "d1"]


async def test_quien_espera_despierta_y_un_buzon_vacio_duerme():
    buzon = Buzon(10)
    espera = asyncio.ensure_future(buzon.esperar())
    await asyncio.sleep(0)
    assert not espera.done()
    buzon.poner_estado("x", Carta("x"))
    await espera
    vaciar(buzon)

    dormido = asyncio.ensure_future(buzon.esperar())
    await asyncio.sleep(0)
    assert not dormido.done()
    dormido.cancel()


async def test_quien_no_lee_lo_que_importa_acaba_y_los_estados_no_lo_acaban():
    cliente = Cliente(NADIE, LimitesMensajes(cola=2))
    for i in range(100):
        cliente.buzon.poner_estado("price:BTCUSDT", Carta(str(i)))
    for _ in range(2):
        cliente.contar(Carta("x"))
    assert not cliente.fin.done()

    cliente.contar(Carta("y"))

    assert cliente.fin.result() is Cierre.LENTO
    assert len(cliente.buzon) == 3


async def test_lo_debido_cabe_siempre_y_no_quita_sitio_a_lo_demas():
    buzon = Buzon(1)
    buzon.poner_debidas([Carta("a"), Carta("b")])

    assert [buzon.poner_suceso(Carta(texto)) for texto in ("c", "d")] == [True, False]
    assert vaciar(buzon) == ["a", "b", "c"]
    assert [buzon.poner_suceso(Carta(texto)) for texto in ("e", "f")] == [True, False]


async def test_un_id_no_promete_lo_que_aun_espera():
    """Whoever is cut off before something that matters was sent must get it when it comes back."""
    cliente = Cliente(NADIE, LimitesMensajes())
    lugares = [dict.fromkeys(TABLAS, Marca(n)) for n in range(4)]
    cliente.continuar(0, lugares[0])
    cliente.contar(Carta("}"))
    cliente.contar(Carta("}", lugares[2]))
    cliente.contar(Carta("}"))
    cliente.buzon.poner_estado("price:BTCUSDT", Carta("}"))

    vistos = []
    while (carta := cliente.buzon.sacar()) is not None:
        id_ = cliente.sellar(carta, lugares[3]).split('"')[3]
        leido = leer_id(id_)
        assert leido is not None
        vistos.append((leido.posicion, leido.numero))

    assert [lugares.index(dict(posicion)) for posicion, _ in vistos] == [0, 2, 3, 3]
    assert [numero for _, numero in vistos] == sorted({numero for _, numero in vistos})
