"""The rules an order must obey: words and filters first, then position and margin."""

from __future__ import annotations

import re
from decimal import Decimal

from src.nucleo.tipos import LadoOrden
from src.simulador.contrato import Contrato
from src.simulador.cuenta import Marcas, PosicionSimbolo
from src.simulador.fallos_api import ErrorApi
from src.simulador.margen import resumir
from src.simulador.numeros import CERO, EXACTO, decimales, producto, texto_corto
from src.simulador.ordenes import TIPOS_CONDICIONALES, Pedido, TipoOrden, Vigencia
from src.simulador.peticion import Parametros
from src.simulador.plaza import Plaza
from src.simulador.titular import Titular

_ID_CLIENTE = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")


def leer_pedido(parametros: Parametros, contrato: Contrato, modo_cobertura: bool) -> Pedido:
    """Read an order from its parameters and check what needs no account.

    Raises:
        ErrorApi: A word, a number or a filter is broken.
    """
    lado = parametros.opcion("side", LadoOrden, -1117)
    tipo = _tipo(parametros.texto("type"))
    revisar_lado_posicion(parametros, modo_cobertura)
    vigencia = Vigencia.GTC
    precio = CERO
    if tipo is TipoOrden.LIMIT:
        vigencia = parametros.opcion("timeInForce", Vigencia, -1115)
        precio = parametros.decimal("price")
        revisar_precio(precio, contrato)
    cantidad = parametros.decimal("quantity")
    revisar_cantidad(cantidad, tipo, contrato)
    id_cliente = leer_id_cliente(parametros, "newClientOrderId")
    return Pedido(
        simbolo=contrato.simbolo,
        lado=lado,
        tipo=tipo,
        vigencia=vigencia,
        cantidad=cantidad,
        precio=precio,
        solo_reduce=parametros.logico("reduceOnly", False),
        id_cliente=id_cliente,
        vence_ms=parametros.entero("goodTillDate") if vigencia is Vigencia.GTD else 0,
        responde_resultado=parametros.texto_o("newOrderRespType", "ACK") == "RESULT",
    )


def leer_id_cliente(parametros: Parametros, nombre: str) -> str:
    """The client's own id, empty when none was sent."""
    id_cliente = parametros.texto_o(nombre, "")
    if id_cliente and not _ID_CLIENTE.fullmatch(id_cliente):
        raise ErrorApi(-4015)
    return id_cliente


def _tipo(texto: str) -> TipoOrden:
    if texto in TIPOS_CONDICIONALES:
        raise ErrorApi(-4120)
    if texto not in (TipoOrden.LIMIT, TipoOrden.MARKET):
        raise ErrorApi(-1116)
    return TipoOrden(texto)


def revisar_lado_posicion(parametros: Parametros, modo_cobertura: bool) -> None:
    """Only one-way mode trades: an account switched to hedge mode is refused every order."""
    if modo_cobertura and parametros.tiene("reduceOnly"):
        raise ErrorApi(-1106, nombre="reduceOnly")
    if modo_cobertura or parametros.texto_o("positionSide", "BOTH") != "BOTH":
        raise ErrorApi(-4061)


def revisar_precio(
    precio: Decimal, contrato: Contrato, *, no_positivo: int = -4001, excesivo: int = -4002
) -> None:
    """Check a price against PRICE_FILTER, where 0 is no limit.

    Args:
        precio: A limit or a trigger.
        contrato: Rules of the symbol.
        no_positivo: Code when it is not above zero.
        excesivo: Code when it is too high.
    """
    if precio <= 0:
        raise ErrorApi(no_positivo)
    if decimales(precio.normalize()) > contrato.decimales_precio:
        raise ErrorApi(-1111)
    if precio < contrato.filtros.precio_min:
        raise ErrorApi(-4013)
    if contrato.filtros.precio_max and precio > contrato.filtros.precio_max:
        raise ErrorApi(excesivo)
    if precio % contrato.filtros.tick:
        raise ErrorApi(-4014)


def revisar_cantidad(cantidad: Decimal, tipo: TipoOrden, contrato: Contrato) -> None:
    """Check a quantity against LOT_SIZE or, of a market order, MARKET_LOT_SIZE."""
    filtros = contrato.filtros
    mercado = tipo is TipoOrden.MARKET
    if cantidad <= 0:
        raise ErrorApi(-4003)
    if decimales(cantidad.normalize()) > contrato.decimales_cantidad:
        raise ErrorApi(-1111)
    if cantidad < (filtros.cantidad_min_mercado if mercado else filtros.cantidad_min):
        raise ErrorApi(-4004)
    if cantidad > (filtros.cantidad_max_mercado if mercado else filtros.cantidad_max):
        raise ErrorApi(-4005)
    if cantidad % (filtros.paso_mercado if mercado else filtros.paso):
        raise ErrorApi(-4023)


def revisar_pedido(titular: Titular, pedido: Pedido, plaza: Plaza, marcas: Marcas) -> Decimal:
    """Check an order against prices, position and margin.

    Returns:
        The quantity to work: less than asked when a reduce-only order exceeds the position.

    Raises:
        ErrorApi: A rule refuses it.
    """
    if pedido.id_cliente and titular.libro.esta_abierto(pedido.id_cliente):
        raise ErrorApi(-4116)
    _revisar_alcance_precio(pedido, plaza)
    posicion = titular.cuenta.posiciones[pedido.simbolo]
    if pedido.solo_reduce:
        return _cantidad_reductora(titular, pedido, posicion)
    precio = pedido.precio if pedido.tipo is TipoOrden.LIMIT else plaza.precio
    minimo = plaza.contrato.filtros.nocional_min
    if pedido.cantidad * precio < minimo:
        raise ErrorApi(-4164, minimo=texto_corto(minimo))
    propias = sum(1 for orden in titular.libro.abiertas.values() if orden.simbolo == pedido.simbolo)
    if propias >= plaza.contrato.filtros.ordenes_max:
        raise ErrorApi(-4025)
    _revisar_margen(titular, pedido, posicion, plaza, marcas)
    return pedido.cantidad


def _revisar_alcance_precio(pedido: Pedido, plaza: Plaza) -> None:
    """PERCENT_PRICE around the mark price."""
    filtros, mark = plaza.contrato.filtros, plaza.precio
    techo, suelo = mark * filtros.multiplicador_arriba, mark * filtros.multiplicador_abajo
    compra = pedido.lado is LadoOrden.BUY
    if pedido.tipo is TipoOrden.MARKET:
        if (compra and plaza.compra > techo) or (not compra and plaza.venta < suelo):
            raise ErrorApi(-4131)
    elif compra and pedido.precio > techo:
        raise ErrorApi(-4016, limite=texto_corto(techo))
    elif not compra and pedido.precio < suelo:
        raise ErrorApi(-4024, limite=texto_corto(suelo))


def _cantidad_reductora(titular: Titular, pedido: Pedido, posicion: PosicionSimbolo) -> Decimal:
    """What a reduce-only order may work: the position at most.

    Beside resting reduce-only orders of the symbol it is refused when all together ask for more than the
    position (-4118), instead of being trimmed. Conditional orders that wait count for nothing here, and the
    child of one is trimmed and never refused: the resting orders end when it closes the position.
    """
    signo = 1 if pedido.lado is LadoOrden.BUY else -1
    if posicion.cantidad * signo >= 0:
        raise ErrorApi(-2022)
    if pedido.origen is not None:
        return min(pedido.cantidad, abs(posicion.cantidad))
    en_reposo = sum(
        (
            orden.restante
            for orden in titular.libro.abiertas.values()
            if orden.simbolo == pedido.simbolo and orden.solo_reduce
        ),
        CERO,
    )
    if en_reposo and en_reposo + pedido.cantidad > abs(posicion.cantidad):
        raise ErrorApi(-4118)
    return min(pedido.cantidad, abs(posicion.cantidad))


def _revisar_margen(
    titular: Titular, pedido: Pedido, posicion: PosicionSimbolo, plaza: Plaza, marcas: Marcas
) -> None:
    """Leverage cap and free margin; an order that only reduces needs neither."""
    resumen = resumir(titular.cuenta, marcas, titular.libro.abiertas.values())
    compra = pedido.lado is LadoOrden.BUY
    medida = resumen.simbolos[pedido.simbolo]
    inmediata, precio = ejecucion_inmediata(pedido, plaza)
    firmada = pedido.cantidad if compra else -pedido.cantidad
    despues = posicion.cantidad + firmada if inmediata else posicion.cantidad
    mark = plaza.precio
    nocional = EXACTO.multiply(despues, mark)
    compras, ventas = medida.compras, medida.ventas
    if not inmediata:
        pendiente = pedido.cantidad * precio
        compras, ventas = (compras + pendiente, ventas) if compra else (compras, ventas + pendiente)
    exposicion = max(abs(nocional + compras), abs(nocional - ventas))
    antes = EXACTO.multiply(posicion.cantidad, mark)
    if exposicion <= max(abs(antes + medida.compras), abs(antes - medida.ventas)):
        return
    if exposicion > plaza.contrato.nocional_max(posicion.apalancamiento):
        raise ErrorApi(-2027)
    comision = producto(pedido.cantidad, precio, plaza.contrato.taker) if inmediata else CERO
    requerido = EXACTO.divide(exposicion, Decimal(posicion.apalancamiento))
    if posicion.aislada and inmediata:
        requerido += EXACTO.divide(pedido.cantidad * abs(precio - mark), Decimal(posicion.apalancamiento))
    libre = resumen.disponible_con_signo + medida.inicial + medida.ordenes
    if libre < requerido + comision:
        raise ErrorApi(-2019)


def exigir_vigencia(pedido: Pedido, *, inmediata: bool) -> None:
    """Refuse a post-only order that would fill at once, and a fill-or-kill one that would not."""
    if pedido.vigencia is Vigencia.GTX and inmediata:
        raise ErrorApi(-5022)
    if pedido.vigencia is Vigencia.FOK and not inmediata:
        raise ErrorApi(-5021)


def ejecucion_inmediata(pedido: Pedido, plaza: Plaza) -> tuple[bool, Decimal]:
    """Whether the order fills on arrival, and at which price it fills or rests."""
    compra = pedido.lado is LadoOrden.BUY
    mejor = plaza.compra if compra else plaza.venta
    if pedido.tipo is TipoOrden.MARKET:
        return True, mejor
    cruzada = pedido.precio >= mejor if compra else pedido.precio <= mejor
    return cruzada, mejor if cruzada else pedido.precio
