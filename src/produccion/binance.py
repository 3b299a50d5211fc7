"""The exchange over Binance's REST API; one adapter for simulator, testnet and real exchange."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from binance import AsyncClient

from src.nucleo.errores import (
    BolsaIncompatible,
    FalloPasajero,
    LecturaFallida,
    OrdenRechazada,
    ResultadoIncierto,
)
from src.nucleo.intervalos import cierre_de
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import TipoMargen, Vela
from src.produccion import lectura_binance as lectura
from src.produccion.fallos_bolsa import (
    DEMASIADAS_PETICIONES,
    FALLOS_DE_TRANSPORTE,
    MARGEN_OCUPADO,
    ORDEN_DESCONOCIDA,
    SIN_CAMBIO_DE_MARGEN,
    traducir,
)
from src.produccion.puertos import (
    RELOJ_DESVIADO,
    Credenciales,
    CuentaBolsa,
    Direcciones,
    InfoSimbolo,
    Ingreso,
    ModoCuenta,
    Reloj,
    RespuestaOrden,
    Transaccion,
    texto_decimal,
)

_VELAS_POR_PAGINA = 1_500
_FILAS_POR_PAGINA = 1_000
_INTENTOS_LECTURA = 4
_ESPERA_INICIAL_S = 0.25

T = TypeVar("T")

_NO_DOCUMENTADO = (KeyError, IndexError, TypeError, ValueError)


def _tal_cual(crudo: Any) -> Any:
    return crudo


def usa_proxy(direcciones: Direcciones) -> bool:
    """Whether the environment names a proxy for this exchange; asking at each request would cost a thread."""
    anfitrion = urlsplit(direcciones.rest).hostname or ""
    return bool(getproxies()) and not proxy_bypass(anfitrion)


class _Respuesta(aiohttp.ClientResponse):
    async def json(self, **_: Any) -> Any:
        """The body, read several times faster than the library would."""
        return orjson.loads(await self.read())


def crear_cliente(
    direcciones: Direcciones, credenciales: Credenciales, sesion: dict[str, Any] | None = None
) -> AsyncClient:
    """python-binance's client pointed at a server, without its calls to the spot exchange."""

    class Cliente(AsyncClient):  # type: ignore[misc]
        API_URL = f"{direcciones.rest}/api"
        FUTURES_URL = f"{direcciones.rest}/fapi"
        FUTURES_DATA_URL = f"{direcciones.rest}/futures/data"

        def _get_request_kwargs(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            # The body goes out as the very text that was signed; having aiohttp build a form of it costs
            # a third of the request, and a value that needs encoding would not match its signature.
            argumentos: dict[str, Any] = super()._get_request_kwargs(*args, **kwargs)
            if isinstance(argumentos.get("data"), list):
                argumentos["data"] = "&".join(
                    f"{clave}={valor}" for clave, valor in argumentos["data"]
                ).encode()
            return argumentos

    return Cliente(
        api_key=credenciales.clave,
        api_secret=credenciales.secreto,
        session_params={"response_class": _Respuesta, **(sesion or {"trust_env": usa_proxy(direcciones)})},
    )


class BinanceConnector:
    """`Bolsa` over REST. Reads are retried; a write is sent once.

    Args:
        cliente: From `crear_cliente`.
        reloj: Signs requests in market time.
        activo_margen: Asset whose wallet is traded.
    """

    def __init__(self, cliente: AsyncClient, reloj: Reloj, activo_margen: str) -> None:
        self._cliente = cliente
        self._reloj = reloj
        self._activo = activo_margen

    async def cerrar(self) -> None:
        """Close the connections."""
        await self._cliente.close_connection()

    async def hora_ms(self) -> int:
        """The exchange's clock."""
        return await self._leer(self._cliente.futures_time, lambda crudo: int(crudo["serverTime"]))

    async def info_simbolo(self, simbolo: str) -> InfoSimbolo:
        """Filters, brackets, fees and status of a symbol."""
        c = self._cliente
        info = await self._leer(c.futures_exchange_info, _tal_cual)
        lectura.estado_de(info, simbolo)  # the requests below do not say which symbol they do not know
        funding = await self._leer(c.futures_v1_get_funding_info, _tal_cual)
        tramos = await self._leer(lambda: c.futures_leverage_bracket(symbol=simbolo), _tal_cual)
        return await self._leer(
            lambda: c.futures_commission_rate(symbol=simbolo),
            lambda comision: lectura.leer_simbolo(info, simbolo, tramos, comision, funding),
        )

    async def modo_cuenta(self) -> ModoCuenta:
        """Hedge and multi-asset mode, and whether fees are paid in BNB."""
        c = self._cliente
        return ModoCuenta(
            cobertura=await self._leer(
                c.futures_get_position_mode, lambda fila: bool(fila["dualSidePosition"])
            ),
            multiactivo=await self._leer(
                c.futures_get_multi_assets_mode, lambda fila: bool(fila["multiAssetsMargin"])
            ),
            comision_en_bnb=await self._leer(c.futures_v1_get_fee_burn, lambda fila: bool(fila["feeBurn"])),
        )

    async def fijar_apalancamiento(self, simbolo: str, apalancamiento: int) -> None:
        """Set the symbol's leverage."""
        await self._escribir(
            lambda: self._cliente.futures_change_leverage(symbol=simbolo, leverage=apalancamiento), _tal_cual
        )

    async def fijar_margen(self, simbolo: str, tipo: TipoMargen) -> None:
        """Set the symbol's margin type."""
        try:
            await self._escribir(
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
        """Closed candles, oldest first, at most ``limite``."""
        if desde_ms is not None:
            return await self._velas_desde(simbolo, intervalo, desde_ms, hasta_ms, limite)
        velas: list[Vela] = []
        fin = hasta_ms
        while len(velas) < limite:
            pagina = await self._pagina_velas(
                symbol=simbolo,
                interval=intervalo,
                endTime=fin,
                limit=min(limite - len(velas) + 1, _VELAS_POR_PAGINA),
            )
            if not pagina:
                break
            fin = pagina[0].apertura_ms - 1
            velas = [*self._cerradas(pagina, intervalo), *velas]
        return velas[-limite:]

    async def cuenta(self, simbolo: str) -> CuentaBolsa:
        """Wallet and position in one atomic read."""
        return await self._leer(
            self._cliente.futures_account, lambda crudo: lectura.leer_cuenta(crudo, simbolo, self._activo)
        )

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        """Send a market order; the answer is its result."""
        parametros = {"reduceOnly": "true"} if orden.solo_reduce else {}
        return await self._escribir(
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
                lambda: self._cliente.futures_get_order(symbol=simbolo, origClientOrderId=id_cliente),
                lectura.leer_orden,
            )
        except OrdenRechazada as fallo:
            if fallo.codigo == ORDEN_DESCONOCIDA:
                return None
            raise

    async def id_cliente_de(self, simbolo: str, id_bolsa: int) -> str:
        """The client id of an order known by the exchange's id."""
        orden = await self._leer(
            lambda: self._cliente.futures_get_order(symbol=simbolo, orderId=id_bolsa), lectura.leer_orden
        )
        return orden.id_cliente

    async def cancelar_todas(self, simbolo: str) -> None:
        """Cancel every resting order of the symbol."""
        await self._escribir(lambda: self._cliente.futures_cancel_all_open_orders(symbol=simbolo), _tal_cual)

    async def transacciones(
        self, simbolo: str, *, id_orden: int | None = None, desde_id: int | None = None
    ) -> Sequence[Transaccion]:
        """Fills of one order, or all from a trade id on."""
        filtro: dict[str, object] = {"orderId": id_orden} if id_orden is not None else {}
        if desde_id is not None:
            filtro = {"fromId": desde_id}
        return await self._leer(
            lambda: self._cliente.futures_account_trades(symbol=simbolo, limit=_FILAS_POR_PAGINA, **filtro),
            lambda filas: [lectura.leer_transaccion(fila) for fila in filas],
        )

    async def ingresos(self, simbolo: str, desde_ms: int) -> Sequence[Ingreso]:
        """Income in the margin asset from an instant on; what another symbol earned is told apart."""
        return await self._leer(
            lambda: self._cliente.futures_income_history(startTime=desde_ms, limit=_FILAS_POR_PAGINA),
            lambda filas: [lectura.leer_ingreso(f, simbolo) for f in filas if f["asset"] == self._activo],
        )

    async def clave_escucha(self) -> str:
        """A listen key for the user stream; asking again extends the active one."""
        return await self._leer(self._cliente.futures_stream_get_listen_key, str)

    async def _velas_desde(
        self, simbolo: str, intervalo: str, desde_ms: int, hasta_ms: int | None, limite: int
    ) -> list[Vela]:
        velas: list[Vela] = []
        inicio = desde_ms
        while len(velas) < limite:
            pagina = await self._pagina_velas(
                symbol=simbolo,
                interval=intervalo,
                startTime=inicio,
                endTime=hasta_ms,
                limit=min(limite - len(velas), _VELAS_POR_PAGINA),
            )
            cerradas = self._cerradas(pagina, intervalo)
            velas += cerradas
            if len(cerradas) < min(limite, _VELAS_POR_PAGINA):
                break
            inicio = cierre_de(velas[-1].apertura_ms, intervalo) + 1
        return velas[:limite]

    async def _pagina_velas(self, **filtro: object) -> list[Vela]:
        presentes = {clave: valor for clave, valor in filtro.items() if valor is not None}
        try:
            return await self._leer(
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

    async def _leer(self, peticion: Callable[[], Awaitable[Any]], interpretar: Callable[[Any], T]) -> T:
        """Read, with retries, and translate; an answer that is not as documented is no answer."""
        crudo = await self._leer_con_reintentos(peticion)
        try:
            return interpretar(crudo)
        except _NO_DOCUMENTADO as fallo:
            raise LecturaFallida(f"the exchange's answer cannot be read: {fallo!r}") from fallo

    async def _leer_con_reintentos(self, peticion: Callable[[], Awaitable[Any]]) -> Any:
        espera = _ESPERA_INICIAL_S
        for intento in range(1, _INTENTOS_LECTURA + 1):
            try:
                return await self._pedir(peticion, escritura=False)
            except (LecturaFallida, FalloPasajero) as fallo:
                if fallo.codigo == DEMASIADAS_PETICIONES or intento == _INTENTOS_LECTURA:
                    raise LecturaFallida(str(fallo), codigo=fallo.codigo) from fallo
                if fallo.codigo == RELOJ_DESVIADO:
                    await self._resincronizar()
                else:
                    await asyncio.sleep(espera)
                    espera *= 2
        raise AssertionError("the loop above returns or raises")

    async def _escribir(self, peticion: Callable[[], Awaitable[Any]], interpretar: Callable[[Any], T]) -> T:
        """Send once and translate; an answer that is not as documented leaves the outcome unknown."""
        try:
            crudo = await self._pedir(peticion, escritura=True)
        except FalloPasajero as fallo:
            if fallo.codigo == RELOJ_DESVIADO:
                await self._resincronizar()
            raise
        try:
            return interpretar(crudo)
        except _NO_DOCUMENTADO as fallo:
            raise ResultadoIncierto(f"the exchange's answer cannot be read: {fallo!r}") from fallo

    async def _pedir(self, peticion: Callable[[], Awaitable[T]], *, escritura: bool) -> T:
        self._cliente.timestamp_offset = self._reloj.ahora_ms() - time.time_ns() // 1_000_000
        try:
            return await peticion()
        except FALLOS_DE_TRANSPORTE as fallo:
            raise traducir(fallo, escritura=escritura) from fallo

    async def _resincronizar(self) -> None:
        self._reloj.sincronizar(
            int((await self._pedir(self._cliente.futures_time, escritura=False))["serverTime"])
        )
