"""The rules a conditional order must obey when it is placed; its child obeys the rest when it triggers."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from src.nucleo.tipos import LadoOrden
from src.simulador.algos import Algo, TipoAlgo, TipoPrecio
from src.simulador.contrato import Contrato
from src.simulador.fallos_api import ErrorApi
from src.simulador.numeros import CERO, texto_corto
from src.simulador.ordenes import TipoOrden, Vigencia
from src.simulador.peticion import Parametros
from src.simulador.plaza import Plaza
from src.simulador.reglas import leer_id_cliente, revisar_cantidad, revisar_lado_posicion, revisar_precio
from src.simulador.titular import Titular

ABIERTOS_MAX = 200
RETROCESO_MIN, RETROCESO_MAX = Decimal("0.1"), Decimal(10)
_CIERRAN = (TipoAlgo.STOP_MARKET, TipoAlgo.TAKE_PROFIT_MARKET)


class PedidoAlgo(NamedTuple):
    """A conditional order as a client asked for it, already checked against the static filters."""

    simbolo: str
    lado: LadoOrden
    tipo: TipoAlgo
    vigencia: Vigencia
    cantidad: Decimal
    precio: Decimal
    gatillo: Decimal
    tipo_precio: TipoPrecio
    cierra_posicion: bool
    solo_reduce: bool
    protege_precio: bool
    activacion: Decimal
    retroceso: Decimal
    id_cliente: str
    vence_ms: int

    def algo(self, algo_id: int, ahora_ms: int, precio: Decimal) -> Algo:
        """The order that waits from now on.

        Args:
            algo_id: Number it gets.
            ahora_ms: Market time.
            precio: The market's, from which a trailing stop without activation price starts.
        """
        campos = self._asdict()
        if not self.id_cliente:
            campos["id_cliente"] = f"algo{algo_id}"
        algo = Algo(id=algo_id, creado_ms=ahora_ms, actualizado_ms=ahora_ms, **campos)
        if self.tipo is TipoAlgo.TRAILING_STOP_MARKET and not self.activacion:
            algo.extremo = precio
        return algo


def leer_algo(parametros: Parametros, contrato: Contrato, modo_cobertura: bool) -> PedidoAlgo:
    """Read a conditional order from its parameters and check what needs no account.

    Raises:
        ErrorApi: A word, a number or a filter is broken, or the combination is not allowed.
    """
    if parametros.texto("algoType") != "CONDITIONAL":
        raise ErrorApi(-1130, nombre="algoType")
    lado = parametros.opcion("side", LadoOrden, -1117)
    tipo = parametros.opcion("type", TipoAlgo, -1116)
    revisar_lado_posicion(parametros, modo_cobertura)
    cierra = parametros.logico("closePosition", False)
    cantidad = _cantidad(parametros, tipo, contrato, cierra=cierra)
    arrastra = tipo is TipoAlgo.TRAILING_STOP_MARKET
    vigencia, vence_ms, precio = Vigencia.GTC, 0, CERO
    if tipo.hija is TipoOrden.LIMIT:
        vigencia = parametros.opcion_o("timeInForce", Vigencia.GTC, -1115)
        vence_ms = parametros.entero("goodTillDate") if vigencia is Vigencia.GTD else 0
        precio = parametros.decimal("price")
        revisar_precio(precio, contrato)
    return PedidoAlgo(
        simbolo=contrato.simbolo,
        lado=lado,
        tipo=tipo,
        vigencia=vigencia,
        cantidad=cantidad,
        precio=precio,
        gatillo=CERO if arrastra else _gatillo(parametros, "triggerPrice", contrato),
        tipo_precio=parametros.opcion_o("workingType", TipoPrecio.CONTRACT_PRICE, -1128),
        cierra_posicion=cierra,
        solo_reduce=parametros.logico("reduceOnly", False),
        protege_precio=parametros.logico("priceProtect", False),
        activacion=_activacion(parametros, contrato) if arrastra else CERO,
        retroceso=_retroceso(parametros) if arrastra else CERO,
        id_cliente=leer_id_cliente(parametros, "clientAlgoId"),
        vence_ms=vence_ms,
    )


def _cantidad(parametros: Parametros, tipo: TipoAlgo, contrato: Contrato, *, cierra: bool) -> Decimal:
    """The quantity; one that closes the whole position has none, and no ``reduceOnly`` either."""
    if not cierra:
        cantidad = parametros.decimal("quantity")
        revisar_cantidad(cantidad, tipo.hija, contrato)
        return cantidad
    if tipo not in _CIERRAN:
        raise ErrorApi(-4136, tipo=tipo.value)
    if parametros.tiene("quantity"):
        raise ErrorApi(-4137)
    if parametros.tiene("reduceOnly"):
        raise ErrorApi(-1106, nombre="reduceOnly")
    return CERO


def _gatillo(parametros: Parametros, nombre: str, contrato: Contrato) -> Decimal:
    gatillo = parametros.decimal(nombre)
    revisar_precio(gatillo, contrato, no_positivo=-4006, excesivo=-4007)
    return gatillo


def _activacion(parametros: Parametros, contrato: Contrato) -> Decimal:
    return _gatillo(parametros, "activatePrice", contrato) if parametros.tiene("activatePrice") else CERO


def _retroceso(parametros: Parametros) -> Decimal:
    retroceso = parametros.decimal("callbackRate")
    if not RETROCESO_MIN <= retroceso <= RETROCESO_MAX:
        raise ErrorApi(-2007)
    return retroceso


def revisar_algo(titular: Titular, pedido: PedidoAlgo, plaza: Plaza) -> None:
    """Check a conditional order against the account's others, the position and the price.

    Neither the margin nor whether a reduce-only order has something to reduce is looked at before it
    triggers. The notional is measured at the limit, else at the trigger, else at the present price.

    Raises:
        ErrorApi: A rule refuses it.
    """
    if pedido.id_cliente and titular.algos.esta_abierto(pedido.id_cliente):
        raise ErrorApi(-4116)
    if len(titular.algos.abiertos) >= ABIERTOS_MAX:
        raise ErrorApi(-4045)
    minimo = plaza.contrato.filtros.nocional_min
    precio = pedido.precio or pedido.gatillo or plaza.precio
    reduce = pedido.solo_reduce or pedido.cierra_posicion
    if not reduce and pedido.cantidad * precio < minimo:
        raise ErrorApi(-4164, minimo=texto_corto(minimo))
    if _ya_cruzado(pedido, plaza.precio):
        raise ErrorApi(-2021)
    if pedido.cierra_posicion:
        _revisar_cierre(titular, pedido)


def _ya_cruzado(pedido: PedidoAlgo, precio: Decimal) -> bool:
    """Whether it would trigger, or a trailing stop start, at once."""
    compra = pedido.lado is LadoOrden.BUY
    if pedido.tipo is TipoAlgo.TRAILING_STOP_MARKET:
        referencia, hacia_arriba = pedido.activacion, not compra
        if not referencia:
            return False
    else:
        referencia, hacia_arriba = pedido.gatillo, compra is not pedido.tipo.toma_ganancia
    return precio >= referencia if hacia_arriba else precio <= referencia


def _revisar_cierre(titular: Titular, pedido: PedidoAlgo) -> None:
    """An order that closes the position needs one on the other side, and to be the only one of its kind.

    A stop and a take-profit of the same direction may stand side by side.
    """
    signo = 1 if pedido.lado is LadoOrden.BUY else -1
    if titular.cuenta.posiciones[pedido.simbolo].cantidad * signo >= 0:
        raise ErrorApi(-4509)
    for otro in titular.algos.en_espera(pedido.simbolo):
        if otro.cierra_posicion and (otro.lado, otro.tipo) == (pedido.lado, pedido.tipo):
            raise ErrorApi(-4130)
