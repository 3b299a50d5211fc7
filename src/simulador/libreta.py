"""Where orders are born, filled and ended, with the money posted and the events sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from src.simulador import eventos
from src.simulador.avisos import Avisos
from src.simulador.cuenta import Asiento
from src.simulador.numeros import CERO, producto, promedio
from src.simulador.ordenes import EstadoOrden, Operada, Orden, Pedido, TipoOrden, Vigencia
from src.simulador.plaza import Plaza
from src.simulador.titular import Titular
from src.simulador.vida_algo import VidaAlgos

Reparto = Callable[[Orden, Decimal], list[Decimal]]  # order and step -> quantities


class Libreta:
    """The bookkeeping of orders over all symbols and accounts.

    Args:
        plazas: Markets by symbol.
        marcas: Mark prices by symbol, kept current by the engine.
        avisos: Takes the user events.
    """

    def __init__(self, plazas: Mapping[str, Plaza], marcas: Mapping[str, Decimal], avisos: Avisos) -> None:
        self.plazas = plazas
        self.marcas = marcas
        self.avisos = avisos
        self.algos = VidaAlgos(avisos)
        self.reparto: Reparto | None = None  # splits the next order that fills on arrival
        self._ordenes = 1_000_000
        self._operadas = 500_000

    def nueva(self, pedido: Pedido, cantidad: Decimal, ahora_ms: int) -> Orden:
        """An order that nobody knows of yet."""
        self._ordenes += 1
        return Orden(
            id=self._ordenes,
            id_cliente=pedido.id_cliente or f"sim{self._ordenes}",
            simbolo=pedido.simbolo,
            lado=pedido.lado,
            tipo=pedido.tipo,
            vigencia=pedido.vigencia,
            cantidad=cantidad,
            precio=pedido.precio if pedido.tipo is not TipoOrden.MARKET else CERO,
            solo_reduce=pedido.solo_reduce,
            creada_ms=ahora_ms,
            actualizada_ms=ahora_ms,
            vence_ms=pedido.vence_ms,
            origen=pedido.origen,
        )

    def abrir(self, titular: Titular, orden: Orden, ahora_ms: int) -> None:
        """Enter a new order in its account."""
        titular.libro.agregar(orden)
        self._avisar_orden(titular, orden, "NEW", ahora_ms)

    def ejecutar(
        self, titular: Titular, orden: Orden, ahora_ms: int, *, inmediata: bool, precio: Decimal
    ) -> None:
        """Enter a new order, and fill it when it can be filled now; IOC does not wait."""
        self.abrir(titular, orden, ahora_ms)
        if inmediata and self.reparto is not None:
            self._llenar_por_partes(titular, orden, precio, ahora_ms, self.reparto)
        elif inmediata:
            self.llenar(titular, orden, precio, ahora_ms, maker=False)
        elif orden.vigencia is Vigencia.IOC:
            self.terminar(titular, orden, EstadoOrden.EXPIRED, ahora_ms)

    def llenar(
        self,
        titular: Titular,
        orden: Orden,
        precio: Decimal,
        ahora_ms: int,
        *,
        maker: bool,
        cantidad: Decimal | None = None,
    ) -> Operada:
        """Fill an order at a price, whole or up to ``cantidad``.

        One that only reduces shrinks to the position first. Afterwards the resting reduce-only orders that
        have nothing left to reduce end, and so do the conditional ones that have nothing left to close.
        """
        if orden.solo_reduce:
            posicion = abs(titular.cuenta.posiciones[orden.simbolo].cantidad)
            orden.cantidad = min(orden.cantidad, orden.ejecutada + posicion)
        llena = orden.restante if cantidad is None else min(cantidad, orden.restante)
        asiento = self._asentar(titular, orden, llena, precio, ahora_ms, maker=maker)
        _anotar_llenado(orden, llena, precio)
        orden.actualizada_ms = ahora_ms
        if not orden.estado.abierta:
            titular.libro.cerrar(orden)
        operada = Operada(
            id=self._operadas,
            orden_id=orden.id,
            simbolo=orden.simbolo,
            lado=orden.lado,
            precio=precio,
            cantidad=llena,
            cotizada=producto(llena, precio),
            realizado=asiento.realizado,
            comision=asiento.comision,
            maker=maker,
            tiempo_ms=ahora_ms,
        )
        titular.libro.anotar(operada)
        self._avisar_llenado(titular, orden, operada)
        if titular.libro.abiertas:
            self._expirar_reductoras(titular, orden.simbolo, ahora_ms)
        if titular.algos.abiertos:
            self.algos.tras_llenado(titular, orden, ahora_ms)
        return operada

    def _llenar_por_partes(
        self, titular: Titular, orden: Orden, precio: Decimal, ahora_ms: int, reparto: Reparto
    ) -> None:
        """Fill in several trades at one price; what is left without a trade expires."""
        for cantidad in reparto(orden, self.plazas[orden.simbolo].contrato.filtros.paso_mercado):
            self.llenar(titular, orden, precio, ahora_ms, maker=False, cantidad=cantidad)
        if orden.estado.abierta:
            self.terminar(titular, orden, EstadoOrden.EXPIRED, ahora_ms)

    def terminar(self, titular: Titular, orden: Orden, estado: EstadoOrden, ahora_ms: int) -> None:
        """End an open order without a fill."""
        orden.estado = estado
        orden.actualizada_ms = ahora_ms
        titular.libro.cerrar(orden)
        self._avisar_orden(titular, orden, estado.value, ahora_ms)
        if orden.origen is not None:
            self.algos.hija_terminada(titular, orden, ahora_ms)

    def terminar_todas(self, titular: Titular, simbolo: str, estado: EstadoOrden, ahora_ms: int) -> None:
        """End every open order of a symbol."""
        for orden in [o for o in titular.libro.abiertas.values() if o.simbolo == simbolo]:
            self.terminar(titular, orden, estado, ahora_ms)

    def _asentar(
        self,
        titular: Titular,
        orden: Orden,
        cantidad: Decimal,
        precio: Decimal,
        ahora_ms: int,
        *,
        maker: bool,
    ) -> Asiento:
        contrato = self.plazas[orden.simbolo].contrato
        self._operadas += 1
        if orden.tipo is TipoOrden.LIQUIDATION:
            tasa, tipo_comision = contrato.liquidacion, "INSURANCE_CLEAR"
        else:
            tasa, tipo_comision = contrato.maker if maker else contrato.taker, "COMMISSION"
        return titular.cuenta.asentar_ejecucion(
            orden.simbolo,
            cantidad * orden.signo,
            precio,
            producto(cantidad, precio, tasa),
            ahora_ms,
            self._operadas,
            tipo_comision,
        )

    def _avisar_llenado(self, titular: Titular, orden: Orden, operada: Operada) -> None:
        if not self.avisos.escucha(titular.clave):
            return
        cuenta, clave, ahora = titular.cuenta, titular.clave, operada.tiempo_ms
        ejecucion = "CALCULATED" if orden.tipo is TipoOrden.LIQUIDATION else "TRADE"
        filas = ((cuenta.posiciones[orden.simbolo], self.marcas[orden.simbolo]),)
        if ejecucion == "TRADE":
            self.avisos.avisar(clave, eventos.operacion_breve(orden, operada))
        self.avisos.avisar(clave, eventos.cuenta_actualizada(cuenta, "ORDER", ahora, filas))
        self.avisos.avisar(clave, eventos.orden_actualizada(orden, ejecucion, ahora, cuenta.activo, operada))

    def _expirar_reductoras(self, titular: Titular, simbolo: str, ahora_ms: int) -> None:
        cantidad = titular.cuenta.posiciones[simbolo].cantidad
        for orden in list(titular.libro.abiertas.values()):
            if orden.simbolo == simbolo and orden.solo_reduce and orden.signo * cantidad >= 0:
                self.terminar(titular, orden, EstadoOrden.EXPIRED, ahora_ms)

    def _avisar_orden(self, titular: Titular, orden: Orden, ejecucion: str, ahora_ms: int) -> None:
        if self.avisos.escucha(titular.clave):
            evento = eventos.orden_actualizada(orden, ejecucion, ahora_ms, titular.cuenta.activo)
            self.avisos.avisar(titular.clave, evento)


def _anotar_llenado(orden: Orden, cantidad: Decimal, precio: Decimal) -> None:
    """Count a fill in its order."""
    primera = not orden.ejecutada
    orden.precio_medio = (
        precio if primera else promedio(orden.ejecutada, orden.precio_medio, cantidad, precio)
    )
    orden.ejecutada += cantidad
    orden.cotizada += producto(cantidad, precio)
    orden.estado = EstadoOrden.PARTIALLY_FILLED if orden.restante else EstadoOrden.FILLED
