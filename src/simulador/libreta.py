"""Where orders are born, filled and ended, with the money posted and the events sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from src.simulador import eventos
from src.simulador.cuenta import Asiento
from src.simulador.numeros import CERO, producto
from src.simulador.ordenes import EstadoOrden, Operada, Orden, Pedido, TipoOrden
from src.simulador.plaza import Plaza
from src.simulador.titular import Titular


class Avisos(Protocol):
    """Where user events go."""

    def escucha(self, clave: str) -> bool:
        """Whether somebody reads this account's events."""
        ...

    def avisar(self, clave: str, evento: bytes) -> None:
        """Send one event of an account."""
        ...


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
        )

    def abrir(self, titular: Titular, orden: Orden, ahora_ms: int) -> None:
        """Enter a new order in its account."""
        titular.libro.agregar(orden)
        self._avisar_orden(titular, orden, "NEW", ahora_ms)

    def llenar(
        self, titular: Titular, orden: Orden, precio: Decimal, ahora_ms: int, *, maker: bool
    ) -> Operada:
        """Fill a whole order at a price; one that only reduces shrinks to the position first.

        Afterwards the resting reduce-only orders that have nothing left to reduce end.
        """
        if orden.solo_reduce:
            orden.cantidad = min(orden.cantidad, abs(titular.cuenta.posiciones[orden.simbolo].cantidad))
        asiento = self._asentar(titular, orden, precio, ahora_ms, maker=maker)
        orden.estado = EstadoOrden.FILLED
        orden.ejecutada = orden.cantidad
        orden.precio_medio = precio
        orden.cotizada = producto(orden.cantidad, precio)
        orden.actualizada_ms = ahora_ms
        titular.libro.cerrar(orden)
        operada = Operada(
            id=self._operadas,
            orden_id=orden.id,
            simbolo=orden.simbolo,
            lado=orden.lado,
            precio=precio,
            cantidad=orden.cantidad,
            cotizada=orden.cotizada,
            realizado=asiento.realizado,
            comision=asiento.comision,
            maker=maker,
            tiempo_ms=ahora_ms,
        )
        titular.libro.anotar(operada)
        self._avisar_llenado(titular, orden, operada)
        if titular.libro.abiertas:
            self._expirar_reductoras(titular, orden.simbolo, ahora_ms)
        return operada

    def terminar(self, titular: Titular, orden: Orden, estado: EstadoOrden, ahora_ms: int) -> None:
        """End an open order without a fill."""
        orden.estado = estado
        orden.actualizada_ms = ahora_ms
        titular.libro.cerrar(orden)
        self._avisar_orden(titular, orden, estado.value, ahora_ms)

    def terminar_todas(self, titular: Titular, simbolo: str, estado: EstadoOrden, ahora_ms: int) -> None:
        """End every open order of a symbol."""
        for orden in [o for o in titular.libro.abiertas.values() if o.simbolo == simbolo]:
            self.terminar(titular, orden, estado, ahora_ms)

    def _asentar(
        self, titular: Titular, orden: Orden, precio: Decimal, ahora_ms: int, *, maker: bool
    ) -> Asiento:
        contrato = self.plazas[orden.simbolo].contrato
        self._operadas += 1
        if orden.tipo is TipoOrden.LIQUIDATION:
            tasa, tipo_comision = contrato.liquidacion, "INSURANCE_CLEAR"
        else:
            tasa, tipo_comision = contrato.maker if maker else contrato.taker, "COMMISSION"
        return titular.cuenta.asentar_ejecucion(
            orden.simbolo,
            orden.cantidad * orden.signo,
            precio,
            producto(orden.cantidad, precio, tasa),
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
