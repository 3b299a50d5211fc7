"""The exchange over Binance's REST API; one adapter for simulator, testnet and real exchange."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from src.nucleo.errores import BolsaIncompatible, LecturaFallida, OrdenRechazada
from src.nucleo.ordenes import Orden
from src.nucleo.stops import OrdenStop
from src.nucleo.tipos import TipoMargen, Vela
from src.produccion.bolsa import lectura_binance as lectura
from src.produccion.bolsa.cliente_binance import ClienteBinance
from src.produccion.bolsa.fallos_bolsa import MARGEN_OCUPADO, ORDEN_DESCONOCIDA, SIN_CAMBIO_DE_MARGEN
from src.produccion.bolsa.paginas import Paginas
from src.produccion.bolsa.peticiones import Mensajero, Reintentos
from src.produccion.bolsa.presupuesto import AjustesLimites, Peticion, Presupuesto, Prioridad
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.puertos import (
    CuentaBolsa,
    InfoSimbolo,
    Ingreso,
    ModoCuenta,
    OrdenViva,
    PrecioBidAsk,
    RespuestaOrden,
    StopBolsa,
    Transaccion,
    texto_decimal,
)

_LIGERA = Peticion(Prioridad.ORDINARIA, 1)
_MODO = Peticion(Prioridad.ORDINARIA, 30)
_COMISION = Peticion(Prioridad.ORDINARIA, 20)
_CUENTA = Peticion(Prioridad.PROTECCION, 5)
_VISTAZO = Peticion(Prioridad.PROTECCION, 1)
_LIBRO = Peticion(Prioridad.PROTECCION, 2)
_LIBRO_SIN_PRISA = Peticion(Prioridad.ORDINARIA, 2)
_ENTRADA = Peticion(Prioridad.ENTRADA, 0, ordenes=1)
_SALIDA = Peticion(Prioridad.PROTECCION, 0, ordenes=1)


def _tal_cual(crudo: Any) -> Any:
    return crudo


class AjustesBolsa(NamedTuple):
    """How the exchange is talked to."""

    reintentos: Reintentos = Reintentos()
    limites: AjustesLimites = AjustesLimites()


class BinanceConnector:
    """`Bolsa` over REST. Reads are retried; a write is sent once.

    Args:
        cliente: From `crear_cliente`.
        reloj: Signs requests in the exchange's time.
        activo_margen: Asset whose wallet is traded.
        ajustes: Retries and limits.
    """

    def __init__(
        self,
        cliente: ClienteBinance,
        reloj: RelojMercado,
        activo_margen: str,
        ajustes: AjustesBolsa | None = None,
    ) -> None:
        ajustes = ajustes or AjustesBolsa()
        self._cliente = cliente
        self._activo = activo_margen
        self._presupuesto = Presupuesto(reloj, ajustes.limites)
        mensajero = Mensajero(cliente, reloj, self._presupuesto, ajustes.reintentos)
        self._mensajero = mensajero
        self._leer = mensajero.leer
        self._escribir = mensajero.escribir
        self._paginas = Paginas(mensajero, cliente, reloj)

    def escuchar(self, al_acabar: Callable[[float, bool], None]) -> None:
        """Have each request told: how many wall seconds it took, and whether no usable answer came."""
        self._mensajero.al_acabar.append(al_acabar)

    async def cerrar(self) -> None:
        """Close the connections."""
        await self._cliente.close_connection()

    async def hora_ms(self) -> int:
        """The exchange's clock."""
        return await self._leer(_LIGERA, self._cliente.futures_time, lambda crudo: int(crudo["serverTime"]))

    async def info_simbolo(self, simbolo: str) -> InfoSimbolo:
        """Filters, brackets, fees and status of a symbol."""
        c = self._cliente
        info = await self._leer(
            _LIGERA, c.futures_exchange_info, lambda crudo: dict(crudo, symbols=crudo["symbols"])
        )
        self._presupuesto.fijar_limites(info.get("rateLimits", ()))
        lectura.estado_de(info, simbolo)  # the requests below do not say which symbol they do not know
        funding = await self._leer(_LIGERA, c.futures_v1_get_funding_info, _tal_cual)
        tramos = await self._leer(_LIGERA, lambda: c.futures_leverage_bracket(symbol=simbolo), _tal_cual)
        return await self._leer(
            _COMISION,
            lambda: c.futures_commission_rate(symbol=simbolo),
            lambda comision: lectura.leer_simbolo(info, simbolo, tramos, comision, funding),
        )

    async def modo_cuenta(self) -> ModoCuenta:
        """Hedge and multi-asset mode, and whether fees are paid in BNB."""
        c = self._cliente
        return ModoCuenta(
            cobertura=await self._leer(
                _MODO, c.futures_get_position_mode, lambda fila: bool(fila["dualSidePosition"])
            ),
            multiactivo=await self._leer(
                _MODO, c.futures_get_multi_assets_mode, lambda fila: bool(fila["multiAssetsMargin"])
            ),
            comision_en_bnb=await self._leer(
                _MODO, c.futures_v1_get_fee_burn, lambda fila: bool(fila["feeBurn"])
            ),
        )

    async def fijar_apalancamiento(self, simbolo: str, apalancamiento: int) -> None:
        """Set the symbol's leverage."""
        await self._escribir(
            _LIGERA,
            lambda: self._cliente.futures_change_leverage(symbol=simbolo, leverage=apalancamiento),
            _tal_cual,
        )

    async def fijar_margen(self, simbolo: str, tipo: TipoMargen) -> None:
        """Set the symbol's margin type."""
        try:
            await self._escribir(
                _LIGERA,
                lambda: self._cliente.futures_change_margin_type(symbol=simbolo, marginType=tipo.value),
                _tal_cual,
            )
        except OrdenRechazada as fallo:
            if fallo.codigo in MARGEN_OCUPADO:
                raise BolsaIncompatible(
                    f"the margin type of {simbolo} cannot become {tipo.value} beside orders or a position:"
                    f" {fallo}. Close them, or set it by hand",
                    codigo=fallo.codigo,
                ) from fallo
            if fallo.codigo != SIN_CAMBIO_DE_MARGEN:
                raise

    async def velas(
        self,
        simbolo: str,
        intervalo: str,
        *,
        desde_ms: int | None = None,
        hasta_ms: int | None = None,
        limite: int,
    ) -> Sequence[Vela]:
        """Closed candles, oldest first, at most ``limite``; the newest ones when no start is given."""
        if desde_ms is None:
            return await self._paginas.velas_hasta(simbolo, intervalo, hasta_ms, limite)
        return await self._paginas.velas_desde(simbolo, intervalo, desde_ms, hasta_ms, limite)

    async def cuenta(self, simbolo: str) -> CuentaBolsa:
        """Wallet and position in one atomic read."""
        return await self._leer(
            _CUENTA,
            self._cliente.futures_account,
            lambda crudo: lectura.leer_cuenta(crudo, simbolo, self._activo),
        )

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        """Send a market order; the answer is its result."""
        parametros = {"reduceOnly": "true"} if orden.solo_reduce else {}
        return await self._escribir(
            _SALIDA if orden.solo_reduce else _ENTRADA,
            lambda: self._cliente.futures_create_order(
                symbol=orden.simbolo,
                side=orden.lado.value,
                type="MARKET",
                quantity=texto_decimal(orden.cantidad),
                newClientOrderId=orden.id_cliente,
                newOrderRespType="RESULT",
                **parametros,
            ),
            lectura.leer_orden,
        )

    async def consultar(self, simbolo: str, id_cliente: str) -> RespuestaOrden | None:
        """Look an order up by its client id."""
        try:
            return await self._leer(
                _VISTAZO,
                lambda: self._cliente.futures_get_order(symbol=simbolo, origClientOrderId=id_cliente),
                lectura.leer_orden,
            )
        except OrdenRechazada as fallo:
            if fallo.codigo == ORDEN_DESCONOCIDA:
                return None
            raise

    async def id_cliente_de(self, simbolo: str, id_bolsa: int) -> str:
        """The client id of an order known by the exchange's id."""
        try:
            orden = await self._leer(
                _VISTAZO,
                lambda: self._cliente.futures_get_order(symbol=simbolo, orderId=id_bolsa),
                lectura.leer_orden,
            )
        except OrdenRechazada as fallo:
            if fallo.codigo == ORDEN_DESCONOCIDA:
                # It exists, for it has been filled: the service that looks orders up is behind.
                raise LecturaFallida(
                    f"order {id_bolsa} is not listed yet: {fallo}", codigo=fallo.codigo
                ) from fallo
            raise
        return orden.id_cliente

    async def cancelar_orden(self, simbolo: str, id_cliente: str) -> None:
        """Cancel one order."""
        await self._escribir(
            _VISTAZO,
            lambda: self._cliente.futures_cancel_order(symbol=simbolo, origClientOrderId=id_cliente),
            _tal_cual,
        )

    async def cancelar_todas(self, simbolo: str) -> None:
        """Cancel every resting order of the symbol."""
        await self._escribir(
            _VISTAZO, lambda: self._cliente.futures_cancel_all_open_orders(symbol=simbolo), _tal_cual
        )

    async def ordenes_abiertas(self, simbolo: str) -> Sequence[OrdenViva]:
        """Orders that rest on the book."""
        return await self._leer(
            _VISTAZO,
            lambda: self._cliente.futures_get_open_orders(symbol=simbolo),
            lambda filas: [lectura.leer_orden_viva(fila) for fila in filas],
        )

    async def colocar_stop(self, orden: OrdenStop) -> StopBolsa:
        """Place a stop or a target that the mark price triggers."""
        tamano = (
            {"closePosition": "true"}
            if orden.cantidad is None
            else {"quantity": texto_decimal(orden.cantidad), "reduceOnly": "true"}
        )
        return await self._escribir(
            _SALIDA,
            lambda: self._cliente.futures_create_algo_order(
                algoType="CONDITIONAL",
                symbol=orden.simbolo,
                side=orden.lado.value,
                type=orden.tipo.value,
                triggerPrice=texto_decimal(orden.gatillo),
                workingType="MARK_PRICE",
                clientAlgoId=orden.id_cliente,
                **tamano,
            ),
            lectura.leer_stop,
        )

    async def consultar_stop(self, simbolo: str, id_cliente: str) -> StopBolsa | None:
        """Look a conditional order up by its client id."""
        try:
            return await self._leer(
                _VISTAZO,
                lambda: self._cliente.futures_get_algo_order(clientAlgoId=id_cliente),
                lectura.leer_stop,
            )
        except OrdenRechazada as fallo:
            if fallo.codigo == ORDEN_DESCONOCIDA:
                return None
            raise

    async def cancelar_stop(self, simbolo: str, id_cliente: str) -> None:
        """Cancel a conditional order."""
        await self._escribir(
            _VISTAZO,
            lambda: self._cliente.futures_cancel_algo_order(clientAlgoId=id_cliente),
            lectura.comprobar_cancelacion,
        )

    async def stops_abiertos(self, simbolo: str) -> Sequence[StopBolsa]:
        """Every conditional order that waits for its trigger or is being triggered."""
        return await self._leer(
            _VISTAZO,
            lambda: self._cliente.futures_get_open_algo_orders(symbol=simbolo),
            lambda filas: [lectura.leer_stop(fila) for fila in filas],
        )

    async def precio_mark(self, simbolo: str) -> float:
        """The mark price now."""
        return await self._leer(
            _VISTAZO,
            lambda: self._cliente.futures_mark_price(symbol=simbolo),
            lambda fila: float(fila["markPrice"]),
        )

    async def precio_bidask(self, simbolo: str, *, con_prisa: bool = True) -> PrecioBidAsk:
        """The best bid and ask now; without haste the read waits its turn like others that can."""
        return await self._leer(
            _LIBRO if con_prisa else _LIBRO_SIN_PRISA,
            lambda: self._cliente.futures_orderbook_ticker(symbol=simbolo),
            lectura.leer_bidask,
        )

    async def transacciones(
        self, simbolo: str, *, id_orden: int | None = None, desde_id: int | None = None
    ) -> Sequence[Transaccion]:
        """Every fill of one order, or every one from a trade id on; the latest ones when neither is given."""
        return await self._paginas.transacciones(simbolo, id_orden, desde_id)

    async def ingresos(self, simbolo: str, desde_ms: int) -> Sequence[Ingreso]:
        """Every income in the margin asset from an instant on; what another symbol earned is told apart."""
        filas = await self._paginas.ingresos(desde_ms)
        return [lectura.leer_ingreso(f, simbolo) for f in filas if f["asset"] == self._activo]

    async def clave_escucha(self) -> str:
        """A listen key for the user stream; asking again extends the active one."""
        return await self._leer(_LIGERA, self._cliente.futures_stream_get_listen_key, str)
