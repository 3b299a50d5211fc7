"""What the exchange lists by pages: read to the end, never cut in silence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from src.nucleo.errores import BolsaIncompatible, LecturaFallida
from src.nucleo.intervalos import cierre_de
from src.nucleo.tipos import Vela
from src.produccion.bolsa import lectura_binance as lectura
from src.produccion.bolsa.cliente_binance import ClienteBinance
from src.produccion.bolsa.peticiones import Mensajero
from src.produccion.bolsa.presupuesto import Peticion, Prioridad
from src.produccion.puertos import Reloj, Transaccion

VELAS_POR_PAGINA = 1_500
FILAS_POR_PAGINA = 1_000

_COMPRAVENTAS = Peticion(Prioridad.ORDINARIA, 5)
_COMPRAVENTAS_DE_UNA_ORDEN = Peticion(Prioridad.PROTECCION, 5)  # they say what an exit has done
_INGRESOS = Peticion(Prioridad.ORDINARIA, 30)
_PESOS_VELAS = ((99, 1), (499, 2), (1_000, 5), (VELAS_POR_PAGINA, 10))

Fila = dict[str, Any]


class Paginas:
    """Candles, fills and income.

    Args:
        mensajero: Asks for each page.
        cliente: The library's requests.
        reloj: Tells which candles have closed.
    """

    def __init__(self, mensajero: Mensajero, cliente: ClienteBinance, reloj: Reloj) -> None:
        self._mensajero = mensajero
        self._cliente = cliente
        self._reloj = reloj

    async def velas_hasta(
        self, simbolo: str, intervalo: str, hasta_ms: int | None, limite: int
    ) -> Sequence[Vela]:
        """The newest closed candles, oldest first."""
        velas: list[Vela] = []
        fin = hasta_ms
        while len(velas) < limite:
            cuantas = min(limite - len(velas) + 1, VELAS_POR_PAGINA)
            pagina = await self._velas(symbol=simbolo, interval=intervalo, endTime=fin, limit=cuantas)
            if not pagina:
                break
            fin = pagina[0].apertura_ms - 1
            velas = [*self._cerradas(pagina, intervalo), *velas]
        return velas[-limite:]

    async def velas_desde(
        self, simbolo: str, intervalo: str, desde_ms: int, hasta_ms: int | None, limite: int
    ) -> Sequence[Vela]:
        """Closed candles from an instant on, oldest first."""
        velas: list[Vela] = []
        inicio = desde_ms
        while len(velas) < limite:
            cuantas = min(limite - len(velas), VELAS_POR_PAGINA)
            pagina = await self._velas(
                symbol=simbolo, interval=intervalo, startTime=inicio, endTime=hasta_ms, limit=cuantas
            )
            cerradas = self._cerradas(pagina, intervalo)
            velas += cerradas
            if len(cerradas) < cuantas:
                break
            inicio = cierre_de(velas[-1].apertura_ms, intervalo) + 1
        return velas[:limite]

    async def transacciones(
        self, simbolo: str, id_orden: int | None, desde_id: int | None
    ) -> list[Transaccion]:
        """Every fill of one order, or every one from an id on; the latest ones when neither is given.

        Raises:
            LecturaFallida: A page did not arrive, or the exchange does not get past one.
        """
        peticion = _COMPRAVENTAS if id_orden is None else _COMPRAVENTAS_DE_UNA_ORDEN
        filtro = _presentes(symbol=simbolo, orderId=id_orden, limit=FILAS_POR_PAGINA)
        reunidas: dict[int, Transaccion] = {}
        siguiente = desde_id
        while True:
            pagina = await self._mensajero.leer(
                peticion,
                partial(self._cliente.futures_account_trades, **filtro, **_presentes(fromId=siguiente)),
                lambda filas: [lectura.leer_transaccion(fila) for fila in filas],
            )
            antes = len(reunidas)
            reunidas.update((fila.id, fila) for fila in pagina)
            if len(pagina) < FILAS_POR_PAGINA or (id_orden is None and desde_id is None):
                return list(reunidas.values())
            _comprobar_avance(antes, len(reunidas), "fills")
            siguiente = max(reunidas) + 1

    async def ingresos(self, desde_ms: int) -> list[Fila]:
        """Every row of ``income`` from an instant on.

        Raises:
            LecturaFallida: A page did not arrive, or the exchange does not get past one.
        """
        reunidas: dict[tuple[str, ...], Fila] = {}
        siguiente = desde_ms
        while True:
            pagina = await self._mensajero.leer(
                _INGRESOS,
                partial(self._cliente.futures_income_history, startTime=siguiente, limit=FILAS_POR_PAGINA),
                lambda filas: {_clave_ingreso(fila): (int(fila["time"]), fila) for fila in filas},
            )
            antes = len(reunidas)
            # Rows of one instant may continue on the next page, which therefore begins with it again.
            reunidas.update((clave, fila) for clave, (_, fila) in pagina.items())
            if len(pagina) < FILAS_POR_PAGINA:
                return list(reunidas.values())
            _comprobar_avance(antes, len(reunidas), "income rows")
            siguiente = max(instante_ms for instante_ms, _ in pagina.values())

    async def _velas(self, **filtro: Any) -> list[Vela]:
        presentes = _presentes(**filtro)
        peso = next(peso for tope, peso in _PESOS_VELAS if filtro["limit"] <= tope)
        try:
            return await self._mensajero.leer(
                Peticion(Prioridad.ORDINARIA, peso),
                lambda: self._cliente.futures_klines(**presentes),
                lambda filas: [lectura.leer_vela(fila) for fila in filas],
            )
        except BolsaIncompatible as fallo:
            pedido = f"{filtro['symbol']} {filtro['interval']}"
            raise BolsaIncompatible(f"{pedido}: {fallo}", codigo=fallo.codigo) from fallo

    def _cerradas(self, velas: Sequence[Vela], intervalo: str) -> list[Vela]:
        # The exchange lists the candle in progress last.
        ahora = self._reloj.ahora_ms()
        return [vela for vela in velas if cierre_de(vela.apertura_ms, intervalo) < ahora]


def _presentes(**filtro: Any) -> dict[str, Any]:
    return {clave: valor for clave, valor in filtro.items() if valor is not None}


def _clave_ingreso(fila: Fila) -> tuple[str, ...]:
    return tuple(str(fila[campo]) for campo in ("incomeType", "tranId", "asset", "symbol"))


def _comprobar_avance(antes: int, despues: int, de_que: str) -> None:
    if despues == antes:
        raise LecturaFallida(
            f"the exchange repeats a page of {FILAS_POR_PAGINA} {de_que}; the rest is unread"
        )
