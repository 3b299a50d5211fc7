"""Whatever happens to answers, reads and processes: the position is closed once, and the record says so."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import isclose
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from src.nucleo.errores import FalloPasajero, LimiteExcedido, OrdenRechazada
from src.nucleo.ordenes import Orden
from src.produccion.almacen.conexion import abrir_almacen, escribir
from src.produccion.almacen.operaciones import EstadoOperacion, LadoOperacion
from src.produccion.monitor.cuaderno import Cuaderno
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.monitor import AjustesMonitor, MonitorStops
from src.produccion.puertos import RespuestaOrden
from tests.constructores import INICIO_MS
from tests.produccion.falsos import Acuse, BolsaFalsa, Fallo, Parcial, Pierde
from tests.produccion.monitor import fabrica as f

RED = True
T = TypeVar("T")

FALLOS: dict[str, Fallo] = {
    "bien": None,
    "perdida_antes": Pierde.ANTES,
    "perdida_despues": Pierde.DESPUES,
    "parcial": Parcial(0.004),
    "nada": Parcial(0.0),
    "acuse": Acuse.NEW,
    "rechazo": OrdenRechazada("no", codigo=-2019),
    "reducir": OrdenRechazada("no", codigo=-2022),
    "pasajero": FalloPasajero("no", codigo=-1008),
    "limite": LimiteExcedido("no", espera_s=0.0),
}


class Muerte(BaseException):
    """The process is killed here."""


class LibroMortal(Libro):
    """The process dies at its n-th use of the store, before or after it."""

    def __init__(self, motor: Engine, en: int, *, despues: bool) -> None:
        super().__init__(motor)
        self._quedan, self._despues = en, despues

    async def _fuera(self, hacer: Callable[[], T]) -> T:
        self._quedan -= 1
        if self._quedan == 0:
            if self._despues:
                await super()._fuera(hacer)
            raise Muerte
        return await super()._fuera(hacer)


class BolsaMortal(BolsaFalsa):
    """The process dies while it waits for the answer to an order that was accepted."""

    muere_al_enviar = False

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        respuesta = await super().enviar(orden)
        if self.muere_al_enviar:
            self.muere_al_enviar = False
            raise Muerte
        return respuesta

    def _aceptar(self, orden: Orden, cantidad: float) -> RespuestaOrden:
        """Reduce-only never fills more than was asked for, nor than there is."""
        return super()._aceptar(orden, min(cantidad, orden.cantidad, abs(self.estado.cantidad)))


@pytest.fixture(scope="module")
def uno(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One store for all examples; each has an operation of its own."""
    carpeta: Path = tmp_path_factory.mktemp("almacen")
    return abrir_almacen(f"sqlite:///{carpeta / 'timonel.sqlite'}", carpeta)


def _monitor(libro: Libro, bolsa: BolsaFalsa, cuaderno: Cuaderno, cuenta: str) -> MonitorStops:
    ajustes = AjustesMonitor(ejecucion=f.DEPRISA)
    return MonitorStops(libro, bolsa, bolsa.reloj, cuenta, cuaderno, ajustes=ajustes)


def _dejar_vencer(motor: Engine) -> None:
    with escribir(motor) as conexion:
        conexion.execute(text("UPDATE claims SET lease_until_ms = 0 WHERE NOT done"))


_numeros = iter(range(1, 1_000_000))


@settings(max_examples=40)
@given(
    fallos=st.lists(st.sampled_from(sorted(FALLOS)), max_size=4),
    largo=st.booleans(),
    ausentes=st.integers(0, 2),
    retraso=st.integers(0, 2),
    muere_en=st.integers(0, 14),
    despues=st.booleans(),
    muere_al_enviar=st.booleans(),
)
def test_se_cierra_una_vez_y_queda_escrito(
    uno: Engine,
    fallos: list[str],
    largo: bool,
    ausentes: int,
    retraso: int,
    muere_en: int,
    despues: bool,
    muere_al_enviar: bool,
):
    numero = next(_numeros)
    cuenta = f"sim-{numero}"
    lado, stop = (LadoOperacion.BUY, 88_200.0) if largo else (LadoOperacion.SELL, 91_800.0)
    operacion = f.una_operacion(
        operation_id=f"{cuenta}:BTCUSDT:{INICIO_MS}",
        account_id=cuenta,
        side=lado,
        stop_price=stop,
        target_price=None,
    )
    f.guardar(uno, operacion)
    plana = f.una_bolsa(88_000.0 if largo else 92_000.0, cantidad=0.01 if largo else -0.01)
    bolsa = BolsaMortal(
        estado=plana.estado,
        precio_actual=plana.precio_actual,
        reloj=plana.reloj,
        fallos=deque(FALLOS[nombre] for nombre in fallos),
        consultas_ausentes=ausentes,
        retraso_lecturas=retraso,
    )
    bolsa.muere_al_enviar = muere_al_enviar
    cuaderno = Cuaderno(Path(str(uno.url.database)).parent / cuenta)

    async def vida(libro: Libro) -> None:
        await _monitor(libro, bolsa, cuaderno, cuenta).revisar()

    for vez in range(8):
        libro = LibroMortal(uno, muere_en, despues=despues) if vez == 0 else Libro(uno)
        with suppress(Muerte):
            asyncio.run(vida(libro))
        _dejar_vencer(uno)
        if f.operacion(uno, operacion.operation_id).status is EstadoOperacion.CLOSED:
            break

    assert bolsa.estado.posicion is None
    assert f.operacion(uno, operacion.operation_id).status is EstadoOperacion.CLOSED
    ids = [orden.id_cliente for orden in bolsa.aceptadas]
    assert len(ids) == len(set(ids))
    escritos = f.eventos(uno, operacion.stop_execution_token)
    hechos = sum(float(e["quantity"]) for e in escritos if e["event_type"] == "EXECUTED")
    assert isclose(hechos, 0.01)
    assert [e["version"] for e in escritos] == list(range(1, len(escritos) + 1))
    enviados = [e["attempt"] for e in escritos if e["event_type"] == "EXECUTION_SUBMITTED"]
    assert enviados == list(range(1, len(enviados) + 1))
