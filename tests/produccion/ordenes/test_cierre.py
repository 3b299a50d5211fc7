"""Closing everything while what is read of the account lags behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import pytest

from src.nucleo.errores import EmergenciaOperacional, OrdenRechazada
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import EstadoCuenta
from src.produccion.ordenes.cierre import Cierre, SinAmparo
from src.produccion.ordenes.ejecutor import Ejecutor
from src.produccion.puertos import CuentaBolsa, RespuestaOrden
from tests.constructores import una_cuenta
from tests.produccion.falsos import BolsaFalsa, DiarioFalso

LARGO = una_cuenta(cantidad=0.3)


def montar(bolsa: BolsaFalsa, diario: DiarioFalso | None = None) -> tuple[Cierre, list[float]]:
    ejecutor = Ejecutor(bolsa, diario or DiarioFalso(), bolsa.reloj, "BTCUSDT")
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


@dataclass
class Sabida:
    """What the daemon knows of the account, and which reading the listed fills explain."""

    estado: EstadoCuenta
    explicada: float | None = None

    async def explica(self, cantidad: float) -> bool:
        return cantidad == self.explicada


async def test_una_sola_lectura_plana_no_desmiente_lo_que_se_sabe():
    """The first reading is of before the entry: believing it would leave the position without its stops."""
    bolsa = BolsaTardia(estado=LARGO, hasta_s=6.0, mostrada=0.0)
    cierre, _ = montar(bolsa)

    filas = await cierre.cerrar_todo("f", Sabida(LARGO))

    assert [fila.cantidad for fila in filas] == [-0.3]
    assert bolsa.estado.posicion is None


async def test_lo_que_se_sabe_se_olvida_cuando_la_lectura_dura():
    bolsa = BolsaFalsa()
    cierre, _ = montar(bolsa)

    assert await cierre.cerrar_todo("f", Sabida(LARGO)) == ()
    assert 10.0 <= asyncio.get_running_loop().time() < 15.0


async def test_una_lectura_plana_que_las_transacciones_explican_basta():
    """A stop has closed it."""
    bolsa = BolsaFalsa()
    cierre, _ = montar(bolsa)

    assert await cierre.cerrar_todo("f", Sabida(LARGO, explicada=0.0)) == ()
    assert asyncio.get_running_loop().time() == 0.0


class DiarioRoto(DiarioFalso):
    async def anotar(self, *_: object) -> None:
        raise EmergenciaOperacional("disk full")

    def anotar_luego(self, *_: object) -> None:
        raise EmergenciaOperacional("disk full")

    async def asentar(self) -> None:
        raise EmergenciaOperacional("disk full")


@dataclass
class BolsaQueNiega(BolsaFalsa):
    """No order may reduce, whatever is open."""

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        if orden.solo_reduce:
            raise OrdenRechazada("refused (code -2022)", codigo=-2022)
        return await super().enviar(orden)


@pytest.mark.parametrize("diario", [DiarioFalso(), DiarioRoto()], ids=["journal", "broken-journal"])
async def test_la_orden_sin_condicion_sale_aunque_el_diario_este_roto(diario: DiarioFalso):
    bolsa = BolsaQueNiega(estado=LARGO)
    cierre, _ = montar(bolsa, diario)

    await cierre.cerrar_todo("f")

    assert [(o.cantidad, o.solo_reduce) for o in bolsa.enviadas] == [(0.3, False)]
    assert bolsa.estado.posicion is None


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
