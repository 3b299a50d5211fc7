"""Closing everything while what is read of the account lags behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import pytest

from src.nucleo.errores import OrdenRechazada
from src.produccion.ordenes.cierre import Cierre, SinAmparo
from src.produccion.ordenes.ejecutor import Ejecutor
from src.produccion.puertos import CuentaBolsa
from tests.constructores import una_cuenta
from tests.produccion.falsos import BolsaFalsa, DiarioFalso

LARGO = una_cuenta(cantidad=0.3)


def montar(bolsa: BolsaFalsa) -> tuple[Cierre, list[float]]:
    ejecutor = Ejecutor(bolsa, DiarioFalso(), bolsa.reloj, "BTCUSDT")
    avances: list[float] = []
    reloj = asyncio.get_running_loop().time
    return Cierre(bolsa, ejecutor, bolsa.mercado, SinAmparo(), lambda: avances.append(reloj())), avances


@dataclass
class BolsaTardia(BolsaFalsa):
    """The account shows what it was until an instant; the exchange itself knows better."""

    hasta_s: float = 0.0
    mostrada: float = 0.3

    async def cuenta(self, simbolo: str) -> CuentaBolsa:
        leida = await super().cuenta(simbolo)
        if asyncio.get_running_loop().time() < self.hasta_s:
            return leida._replace(estado=una_cuenta(cantidad=self.mostrada))
        return leida


@pytest.mark.parametrize("lecturas", [1, 4, 8])
async def test_una_cuenta_atrasada_no_hace_salir_dos_veces(lecturas: int):
    bolsa = BolsaFalsa(estado=LARGO, retraso_lecturas=lecturas)
    cierre, _ = montar(bolsa)

    filas = await cierre.cerrar_todo("f")

    assert [fila.cantidad for fila in filas] == [-0.3]
    assert len(bolsa.enviadas) == 1
    assert bolsa.estado.posicion is None


async def test_las_ejecuciones_que_no_se_listan_cuentan_por_lo_que_dice_la_orden():
    bolsa = BolsaFalsa(estado=LARGO, transacciones_tardias=10**9)
    cierre, _ = montar(bolsa)

    await cierre.cerrar_todo("f")

    assert len(bolsa.enviadas) == 1
    assert asyncio.get_running_loop().time() < 5.0


async def test_lo_que_ya_no_esta_no_se_vende_sin_condicion():
    """A stop has just closed the position and the account still shows it: every exit is refused."""
    bolsa = BolsaTardia(hasta_s=6.0)
    cierre, _ = montar(bolsa)

    await cierre.cerrar_todo("f")

    assert bolsa.enviadas
    assert all(orden.solo_reduce for orden in bolsa.enviadas)
    assert bolsa.estado.posicion is None


async def test_una_cuenta_que_se_lee_plana_antes_de_tiempo_no_es_plana():
    bolsa = BolsaTardia(estado=LARGO)
    bolsa.fallos.append(OrdenRechazada("refused (code -1111)", codigo=-1111))
    cierre, _ = montar(bolsa)
    bolsa.al_enviar = lambda: setattr(bolsa, "hasta_s", 6.0)
    bolsa.mostrada = 0.0

    await cierre.cerrar_todo("f")

    assert bolsa.estado.posicion is None
    assert len(bolsa.aceptadas) == 1


async def test_lo_que_otro_cierra_se_cree_cuando_dura():
    bolsa = BolsaFalsa(estado=LARGO)
    bolsa.fallos.append(OrdenRechazada("refused (code -1111)", codigo=-1111))
    bolsa.al_enviar = lambda: bolsa.operar(-0.3)
    cierre, _ = montar(bolsa)

    await cierre.cerrar_todo("f")

    assert len(bolsa.enviadas) == 1
    assert 10.0 <= asyncio.get_running_loop().time() < 15.0


async def test_lo_que_llega_de_nuevo_sale_enseguida():
    """A late entry: what the position never was is no old reading."""
    bolsa = BolsaFalsa(estado=LARGO)
    bolsa.fallos.append(OrdenRechazada("refused (code -1111)", codigo=-1111))
    bolsa.al_enviar = lambda: len(bolsa.enviadas) == 1 and bolsa.operar(0.2)
    cierre, _ = montar(bolsa)

    await cierre.cerrar_todo("f")

    assert [(o.cantidad, o.solo_reduce) for o in bolsa.enviadas] == [(0.3, True), (0.5, True)]
    assert asyncio.get_running_loop().time() < 5.0


async def test_cada_intento_dice_que_se_avanza():
    bolsa = BolsaFalsa(estado=LARGO)
    bolsa.fallos.extend([OrdenRechazada("refused (code -1111)", codigo=-1111)] * 8)
    cierre, avances = montar(bolsa)

    await cierre.cerrar_todo("f")

    assert len(avances) == 10
    assert max(b - a for a, b in pairwise(avances)) <= 30.0
