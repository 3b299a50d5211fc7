"""What is said of an order that was sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest

from src.nucleo.errores import CredencialesInvalidas, ErrorBolsa, LecturaFallida
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden
from src.produccion.monitor.salida import Salida
from src.produccion.puertos import RespuestaOrden, Transaccion
from tests.produccion.falsos import BolsaFalsa
from tests.produccion.monitor import fabrica as f

ORDEN = Orden("BTCUSDT", LadoOrden.SELL, 0.01, True, "tm-x")


class _SinPrecio(BolsaFalsa):
    """An order is filled, and neither its answer nor the list of fills tells at what price."""

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        return (await super().enviar(orden))._replace(precio_medio=None)

    async def transacciones(
        self, simbolo: str, *, id_orden: int | None = None, desde_id: int | None = None
    ) -> Sequence[Transaccion]:
        raise LecturaFallida("no answer from the exchange")


async def test_una_llena_lo_esta_aunque_no_se_sepa_a_cuanto():
    de = f.una_bolsa()
    bolsa = _SinPrecio(estado=de.estado, precio_actual=de.precio_actual, reloj=de.reloj)

    suerte = await Salida(bolsa, f.DEPRISA.paciencia).enviar(ORDEN, 0.01)

    assert (suerte.terminada, suerte.ejecutada, suerte.precio, suerte.motivo) == (True, 0.01, None, "")


@pytest.mark.parametrize("fallo", [LecturaFallida("cut off"), CredencialesInvalidas("no")])
async def test_lo_que_no_se_sabe_se_pregunta(fallo: ErrorBolsa):
    """Only a refusal, or a request that was never executed, is a failure without looking."""
    bolsa = f.una_bolsa(fallos=deque([fallo]), consultas_en_curso=True)

    assert not (await Salida(bolsa, f.DEPRISA.paciencia).enviar(ORDEN, 0.01)).terminada
