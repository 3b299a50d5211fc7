"""Whatever happens between candles, the rows explain the balance and the account is the exchange's."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.nucleo.errores import LecturaFallida, OrdenRechazada
from src.nucleo.stops import TipoProteccion
from src.produccion.puertos import ClaseIngreso
from tests.constructores import HORA_MS
from tests.produccion.banco import Banco, montar
from tests.produccion.bucle import BucleVirtual
from tests.produccion.falsos import Acuse, BolsaFalsa, Parcial, Pierde

RED = True  # the virtual loop is made here


class Suceso(Enum):
    """What the world does before a candle, or to its order."""

    NADA = auto()
    RESPUESTA_PERDIDA = auto()
    PETICION_PERDIDA = auto()
    SIN_PODER_PREGUNTAR = auto()
    RECHAZO = auto()
    A_MEDIAS = auto()
    ACUSE = auto()
    EJECUCIONES_TARDIAS = auto()
    EJECUCIONES_SIN_LISTAR = auto()
    LECTURA_FALLIDA = auto()
    LECTURA_ATRASADA = auto()
    A_MANO = auto()
    VUELTA_A_MANO = auto()
    A_MANO_AL_ENVIAR = auto()
    VUELTA_A_MANO_AL_ENVIAR = auto()
    FUNDING = auto()
    DEPOSITO = auto()
    REINICIO = auto()


def ocurre(suceso: Suceso, banco: Banco, precio: float) -> None:
    bolsa = banco.bolsa
    match suceso:
        case Suceso.NADA:
            pass
        case Suceso.RESPUESTA_PERDIDA:
            bolsa.fallos.append(Pierde.DESPUES)
        case Suceso.PETICION_PERDIDA:
            bolsa.fallos.append(Pierde.ANTES)
        case Suceso.SIN_PODER_PREGUNTAR:
            bolsa.fallos.append(Pierde.DESPUES)
            bolsa.consultas_fallidas = 1_000
        case Suceso.RECHAZO:
            bolsa.fallos.append(OrdenRechazada("Margin is insufficient.", codigo=-2019))
        case Suceso.A_MEDIAS:
            bolsa.fallos.append(Parcial(0.001))
        case Suceso.ACUSE:
            bolsa.fallos.append(Acuse.NEW)
        case Suceso.EJECUCIONES_TARDIAS:
            bolsa.transacciones_tardias = 3
        case Suceso.EJECUCIONES_SIN_LISTAR:
            bolsa.transacciones_tardias = 1_000
        case Suceso.LECTURA_FALLIDA:
            bolsa.lecturas_fallidas = 1
        case Suceso.LECTURA_ATRASADA:
            bolsa.retraso_lecturas = 2
        case Suceso.A_MANO:
            bolsa.operar(0.05, precio)
        case Suceso.VUELTA_A_MANO:
            bolsa.operar(-2 * bolsa.estado.cantidad or 0.02, precio)
        case Suceso.A_MANO_AL_ENVIAR:
            bolsa.al_enviar = una_vez(bolsa, lambda: bolsa.operar(0.05, precio))
        case Suceso.VUELTA_A_MANO_AL_ENVIAR:
            bolsa.al_enviar = una_vez(bolsa, lambda: ida_y_vuelta(bolsa, precio))
        case Suceso.FUNDING:
            bolsa.cobrar(ClaseIngreso.FUNDING_FEE, -1.25, bolsa.reloj.ahora_ms() + HORA_MS)
        case Suceso.DEPOSITO:
            bolsa.cobrar(ClaseIngreso.TRANSFER, 500.0)
        case Suceso.REINICIO:
            pass


def una_vez(bolsa: BolsaFalsa, hacer: Callable[[], object]) -> Callable[[], object]:
    """Somebody trades just before the agent's order arrives."""

    def primero() -> None:
        bolsa.al_enviar = None
        hacer()

    return primero


def ida_y_vuelta(bolsa: BolsaFalsa, precio: float) -> None:
    bolsa.operar(0.04, precio)
    bolsa.operar(-0.04, round(precio * 1.01, 1))


def sana(banco: Banco) -> None:
    """From now on the exchange answers everything."""
    bolsa = banco.bolsa
    bolsa.fallos.clear()
    bolsa.transacciones_tardias = bolsa.lecturas_fallidas = bolsa.retraso_lecturas = 0
    bolsa.consultas_fallidas = 0
    bolsa.al_enviar = None


async def recorrer(
    carpeta: Path, velas: list[tuple[float, float, Suceso]], proteccion: TipoProteccion
) -> None:
    acciones = (accion for accion, _, _ in velas)
    banco = await montar(carpeta, *acciones, limite=1.0, proteccion=proteccion)
    try:
        precio, ingresos = 30_000.0, 0.0
        for _, cambio, suceso in velas:
            ocurre(suceso, banco, precio)
            ingresos += {Suceso.FUNDING: -1.25, Suceso.DEPOSITO: 500.0}.get(suceso, 0.0)
            if suceso is Suceso.REINICIO:
                banco = await banco.volver()
            precio = round(precio * (1.0 + cambio), 1)
            with suppress(LecturaFallida):  # nothing is decided on that candle
                await banco.cerrar_vela(precio)
            sana(banco)
        await banco.cerrar_vela(precio)
        filas = banco.filas
    finally:
        banco.registro.cerrar()

    dicho = sum(float(f["pnl_realizado"]) + float(f["pnl_parcial"]) - float(f["comision"]) for f in filas)
    assert banco.cuenta.estado == banco.bolsa.estado
    assert 10_000.0 + dicho + ingresos == pytest.approx(banco.bolsa.estado.saldo, abs=1e-6)
    assert len({o.id_cliente for o in banco.bolsa.aceptadas}) == len(banco.bolsa.aceptadas)
    assert banco.ciclo.protegida or proteccion is TipoProteccion.NINGUNA


@settings(max_examples=80, deadline=None)
@given(
    velas=st.lists(
        st.tuples(st.floats(-1.0, 1.0), st.floats(-0.03, 0.03), st.sampled_from(Suceso)),
        min_size=1,
        max_size=12,
    ),
    proteccion=st.sampled_from([TipoProteccion.NINGUNA, TipoProteccion.CATASTROFE]),
)
def test_las_filas_explican_el_saldo_pase_lo_que_pase(
    velas: list[tuple[float, float, Suceso]], proteccion: TipoProteccion
):
    with tempfile.TemporaryDirectory() as carpeta, asyncio.Runner(loop_factory=BucleVirtual) as corredor:
        corredor.run(recorrer(Path(carpeta), velas, proteccion))
