"""Fills: what is listed counts; what is not listed yet counts once the user stream has told all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from src.nucleo.errores import LecturaFallida
from src.nucleo.tipos import LadoOrden
from src.nucleo.vida_orden import EstadoVida, VidaOrden
from src.produccion.ordenes.averiguacion import AJUSTES
from src.produccion.ordenes.fills import Fills
from src.produccion.ordenes.oidos import FillsOidos
from src.produccion.puertos import Transaccion
from tests.produccion.falsos import BolsaFalsa

VIDA = VidaOrden(
    *("tm-A", "BTCUSDT", LadoOrden.BUY, 0.3, False, "f:0"),
    estado=EstadoVida.EJECUTADA,
    ejecutada=0.3,
    precio_medio=30_000.0,
    id_bolsa=7,
)
PRIMERO = Transaccion(41, 7, 0.1, 30_000.0, 1.2, 0.0, 900)
SEGUNDO = Transaccion(42, 7, 0.2, 30_000.0, 2.4, 0.0, 900)


class Lista(BolsaFalsa):
    """An exchange that lists what it is told to, when it is told to."""

    filas: Sequence[Transaccion] = ()
    demora_s = 0.0
    fallo: Exception | None = None

    async def transacciones(
        self, simbolo: str, *, id_orden: int | None = None, desde_id: int | None = None
    ) -> Sequence[Transaccion]:
        self.pedidos.append("transacciones")
        await asyncio.sleep(self.demora_s)
        if self.fallo is not None:
            raise self.fallo
        return self.filas


def montar(*oidos: Transaccion, filas: Sequence[Transaccion] = ()) -> tuple[Fills, Lista]:
    bolsa = Lista()
    bolsa.filas = filas
    escucha = FillsOidos()
    for fill in oidos:
        escucha.oir(oido(fill), VIDA.id_cliente)
    return Fills(bolsa, "BTCUSDT", AJUSTES, escucha), bolsa


def oido(fill: Transaccion) -> Transaccion:
    return fill._replace(listada=False)


async def test_lo_listado_es_lo_que_cuenta_aunque_se_haya_oido():
    fills, bolsa = montar(PRIMERO, SEGUNDO, filas=[SEGUNDO, PRIMERO])

    assert await fills.de(VIDA) == (PRIMERO, SEGUNDO)
    assert bolsa.pedidos == ["transacciones"]


async def test_lo_oido_completa_una_lista_que_va_por_detras():
    fills, bolsa = montar(PRIMERO, SEGUNDO, filas=[PRIMERO])

    assert await fills.de(VIDA) == (PRIMERO, oido(SEGUNDO))
    assert bolsa.pedidos == ["transacciones"]


async def test_un_fill_oido_dos_veces_es_uno():
    fills, _ = montar(PRIMERO, PRIMERO, SEGUNDO, SEGUNDO)

    assert await fills.de(VIDA) == (oido(PRIMERO), oido(SEGUNDO))


async def test_lo_que_ni_se_lista_ni_se_oye_entero_no_se_inventa():
    fills, _ = montar(PRIMERO, oido(SEGUNDO)._replace(id_orden=8))

    with pytest.raises(LecturaFallida, match="not listed"):
        await fills.de(VIDA)


async def test_lo_que_se_oye_mientras_se_espera_acaba_la_espera():
    escucha = FillsOidos()
    escucha.oir(oido(PRIMERO), VIDA.id_cliente)
    fills = Fills(Lista(), "BTCUSDT", AJUSTES, escucha)
    asyncio.get_running_loop().call_later(0.25, escucha.oir, oido(SEGUNDO), VIDA.id_cliente)

    inicio_s = asyncio.get_running_loop().time()
    assert await fills.de(VIDA) == (oido(PRIMERO), oido(SEGUNDO))
    assert asyncio.get_running_loop().time() - inicio_s < AJUSTES.plazo_transacciones_s


async def test_una_lista_que_no_llega_no_se_espera_si_se_ha_oido_todo():
    """A position would stay bare for as long."""
    fills, bolsa = montar(PRIMERO, SEGUNDO)
    bolsa.demora_s = 30.0

    inicio_s = asyncio.get_running_loop().time()
    assert await fills.de(VIDA) == (oido(PRIMERO), oido(SEGUNDO))
    assert asyncio.get_running_loop().time() - inicio_s < 2.0


async def test_una_lista_lenta_se_espera_si_no_se_ha_oido_todo():
    fills, bolsa = montar(PRIMERO, filas=[PRIMERO, SEGUNDO])
    bolsa.demora_s = 3.0

    assert await fills.de(VIDA) == (PRIMERO, SEGUNDO)


async def test_una_lista_que_falla_no_importa_si_se_ha_oido_todo():
    fills, bolsa = montar(PRIMERO, SEGUNDO)
    bolsa.fallo = LecturaFallida("no answer from the exchange")

    assert await fills.de(VIDA) == (oido(PRIMERO), oido(SEGUNDO))


async def test_una_lista_que_falla_se_dice_si_falta_algo_por_oir():
    fills, bolsa = montar(PRIMERO)
    bolsa.fallo = LecturaFallida("no answer from the exchange")

    with pytest.raises(LecturaFallida, match="no answer"):
        await fills.de(VIDA)


async def test_una_orden_sin_nada_ejecutado_no_se_pregunta():
    fills, bolsa = montar(PRIMERO)

    assert await fills.de(VIDA._replace(ejecutada=0.0)) == ()
    assert bolsa.pedidos == []


async def test_una_lista_entera_basta_aunque_se_haya_oido_otra_cosa():
    fills, _ = montar(PRIMERO, SEGUNDO._replace(id=43), filas=[PRIMERO, SEGUNDO])

    assert await fills.de(VIDA) == (PRIMERO, SEGUNDO)
