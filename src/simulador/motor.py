"""Matching: takes orders, fills them, and lets the market's path fill, liquidate and charge."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from src.nucleo.tipos import LadoOrden
from src.simulador import eventos
from src.simulador.cuenta import PosicionSimbolo
from src.simulador.fallos_api import ErrorApi
from src.simulador.margen import debe_liquidarse, precio_liquidacion
from src.simulador.numeros import CERO, al_tick, producto
from src.simulador.ordenes import EstadoOrden, Operada, Orden, Pedido, TipoOrden, Vigencia
from src.simulador.plaza import Plaza
from src.simulador.reglas import revisar_pedido
from src.simulador.reproductor import Movimiento, Paso
from src.simulador.titular import Titular


class Avisos(Protocol):
    """Where user events go."""

    def escucha(self, clave: str) -> bool:
        """Whether somebody reads this account's events."""
        ...

    def avisar(self, clave: str, evento: bytes) -> None:
        """Send one event of an account."""
        ...


class Motor:
    """The matching engine over all symbols and accounts.

    Args:
        plazas: Markets by symbol.
        titulares: Accounts by API key.
        avisos: Takes the user events.
    """

    def __init__(self, plazas: Mapping[str, Plaza], titulares: Mapping[str, Titular], avisos: Avisos) -> None:
        self.plazas = plazas
        self.titulares = titulares
        self.marcas: dict[str, Decimal] = {simbolo: plaza.precio for simbolo, plaza in plazas.items()}
        self._avisos = avisos
        self._ordenes = 1_000_000
        self._operadas = 500_000

    def colocar(self, titular: Titular, pedido: Pedido, ahora_ms: int) -> Orden:
        """Accept an order and fill what can be filled now.

        Raises:
            ErrorApi: A rule of the exchange refuses it; nothing has changed.
        """
        plaza = self.plazas[pedido.simbolo]
        cantidad = revisar_pedido(titular, pedido, plaza, self.marcas)
        orden = self._nueva(pedido, cantidad, ahora_ms)
        toca = cruza(orden, plaza)
        if orden.vigencia is Vigencia.GTX and toca:
            raise ErrorApi(-5022)
        if orden.vigencia is Vigencia.FOK and not toca:
            raise ErrorApi(-5021)
        titular.libro.agregar(orden)
        self._avisar_orden(titular, orden, "NEW", ahora_ms)
        if toca:
            precio = plaza.compra if orden.signo > 0 else plaza.venta
            self._llenar(titular, orden, precio, ahora_ms, maker=False)
        elif orden.vigencia is Vigencia.IOC:
            self._terminar(titular, orden, EstadoOrden.EXPIRED, ahora_ms)
        return orden

    def cancelar(self, titular: Titular, orden: Orden, ahora_ms: int) -> None:
        """Cancel an open order."""
        self._terminar(titular, orden, EstadoOrden.CANCELED, ahora_ms)

    def cancelar_todas(self, titular: Titular, simbolo: str, ahora_ms: int) -> int:
        """Cancel every open order of a symbol; returns how many there were."""
        suyas = [orden for orden in titular.libro.abiertas.values() if orden.simbolo == simbolo]
        for orden in suyas:
            self.cancelar(titular, orden, ahora_ms)
        return len(suyas)

    def mover(self, paso: Paso) -> None:
        """Let a market step act on every account: resting orders, liquidation, funding."""
        for movimiento in paso.movimientos:
            self.marcas[movimiento.plaza.simbolo] = movimiento.plaza.precio
        for titular in self.titulares.values():
            for movimiento in paso.movimientos:
                self._recorrer(titular, movimiento, paso)
            self.vencer(titular, paso.tiempo_ms)

    def vencer(self, titular: Titular, ahora_ms: int) -> None:
        """Cancel what a time limit ends: countdowns and good-till-date orders."""
        for simbolo, limite in list(titular.cuentas_atras.items()):
            if ahora_ms >= limite:
                del titular.cuentas_atras[simbolo]
                self.cancelar_todas(titular, simbolo, ahora_ms)
        for orden in [o for o in titular.libro.abiertas.values() if o.vence_ms and ahora_ms >= o.vence_ms]:
            self._terminar(titular, orden, EstadoOrden.EXPIRED, ahora_ms)

    def _recorrer(self, titular: Titular, movimiento: Movimiento, paso: Paso) -> None:
        plaza = movimiento.plaza
        posicion = titular.cuenta.posiciones[plaza.simbolo]
        if titular.libro.abiertas:
            self._llenar_en_reposo(titular, plaza, paso.tiempo_ms)
        if not posicion.cantidad:
            return
        if debe_liquidarse(titular.cuenta, posicion, self.marcas):
            self._liquidar(titular, movimiento, paso.tiempo_ms)
        if posicion.cantidad and paso.cierra and paso.tiempo_ms % plaza.contrato.intervalo_funding_ms == 0:
            self._cobrar_funding(titular, posicion, plaza, paso.tiempo_ms)

    def _llenar_en_reposo(self, titular: Titular, plaza: Plaza, ahora_ms: int) -> None:
        """Fill the resting limits that the price has reached, in the order it met them."""
        alcanzadas = [
            orden
            for orden in titular.libro.abiertas.values()
            if orden.simbolo == plaza.simbolo and _alcanza(orden, plaza.precio)
        ]
        alcanzadas.sort(key=lambda orden: abs(orden.precio - plaza.anterior))
        for orden in alcanzadas:
            if orden.estado is EstadoOrden.NEW:
                self._llenar(titular, orden, orden.precio, ahora_ms, maker=True)

    def _liquidar(self, titular: Titular, movimiento: Movimiento, ahora_ms: int) -> None:
        """Take over positions until the margin suffices again, the moved symbol's first."""
        cuenta = titular.cuenta
        movida = cuenta.posiciones[movimiento.plaza.simbolo]
        otras = [] if movida.aislada else [p for p in cuenta.cruzadas() if p is not movida]
        for simbolo in {movimiento.plaza.simbolo, *(p.contrato.simbolo for p in otras)}:
            self._expirar_todas(titular, simbolo, ahora_ms)
        desde = movimiento.plaza.precio if movimiento.salto else movimiento.plaza.anterior
        self._cerrar_a_la_fuerza(titular, movida, movimiento.plaza, desde, ahora_ms)
        for otra in otras:
            if otra.cantidad and debe_liquidarse(cuenta, otra, self.marcas):
                plaza = self.plazas[otra.contrato.simbolo]
                self._cerrar_a_la_fuerza(titular, otra, plaza, plaza.precio, ahora_ms)
        if not movida.aislada and not any(True for _ in cuenta.cruzadas()):
            self._cubrir(titular, movida, -cuenta.saldo_cruzado(), ahora_ms)

    def _cerrar_a_la_fuerza(
        self, titular: Titular, posicion: PosicionSimbolo, plaza: Plaza, desde: Decimal, ahora_ms: int
    ) -> None:
        """Fill a liquidation order at the price where margin met maintenance on the way from ``desde``."""
        limite = precio_liquidacion(titular.cuenta, posicion, self.marcas)
        bajo, alto = min(desde, plaza.precio), max(desde, plaza.precio)
        precio = plaza.precio if limite is None else min(max(limite, bajo), alto)
        compra = posicion.cantidad < 0
        precio = al_tick(precio, plaza.contrato.filtros.tick, hacia_arriba=compra)
        respaldo = posicion.cartera_aislada
        aislada = posicion.aislada
        orden = self._nueva(
            Pedido(
                simbolo=plaza.simbolo,
                lado=LadoOrden.BUY if compra else LadoOrden.SELL,
                tipo=TipoOrden.LIQUIDATION,
                vigencia=Vigencia.IOC,
                cantidad=abs(posicion.cantidad),
                precio=precio,
                solo_reduce=True,
                id_cliente=f"autoclose-{ahora_ms}{self._ordenes}",
                vence_ms=0,
                responde_resultado=True,
            ),
            abs(posicion.cantidad),
            ahora_ms,
        )
        titular.libro.agregar(orden)
        self._avisar_orden(titular, orden, "NEW", ahora_ms)
        operada = self._llenar(titular, orden, precio, ahora_ms, maker=False)
        if aislada:
            faltante = -(respaldo + operada.realizado - operada.comision)
            self._cubrir(titular, posicion, faltante, ahora_ms)

    def _cubrir(self, titular: Titular, posicion: PosicionSimbolo, faltante: Decimal, ahora_ms: int) -> None:
        pagado = titular.cuenta.cubrir_quiebra(posicion.contrato.simbolo, faltante, ahora_ms)
        if pagado and self._avisos.escucha(titular.clave):
            evento = eventos.cuenta_actualizada(titular.cuenta, "INSURANCE_CLEAR", ahora_ms, (), pagado)
            self._avisos.avisar(titular.clave, evento)

    def _cobrar_funding(
        self, titular: Titular, posicion: PosicionSimbolo, plaza: Plaza, ahora_ms: int
    ) -> None:
        tasa = plaza.tasa_en(ahora_ms)
        monto = titular.cuenta.cobrar_funding(plaza.simbolo, plaza.precio, tasa, ahora_ms)
        if monto and self._avisos.escucha(titular.clave):
            filas = ((posicion, plaza.precio),) if posicion.aislada else ()
            evento = eventos.cuenta_actualizada(titular.cuenta, "FUNDING_FEE", ahora_ms, filas, monto)
            self._avisos.avisar(titular.clave, evento)

    def _llenar(
        self, titular: Titular, orden: Orden, precio: Decimal, ahora_ms: int, *, maker: bool
    ) -> Operada:
        """Fill a whole order at a price and tell everybody concerned."""
        plaza = self.plazas[orden.simbolo]
        contrato = plaza.contrato
        liquidacion = orden.tipo is TipoOrden.LIQUIDATION
        tasa = contrato.liquidacion if liquidacion else contrato.maker if maker else contrato.taker
        self._operadas += 1
        asiento = titular.cuenta.asentar_ejecucion(
            orden.simbolo,
            orden.cantidad * orden.signo,
            precio,
            producto(orden.cantidad, precio, tasa),
            ahora_ms,
            self._operadas,
            "INSURANCE_CLEAR" if liquidacion else "COMMISSION",
        )
        orden.estado = EstadoOrden.FILLED
        orden.ejecutada = orden.cantidad
        orden.precio_medio = precio
        orden.cotizada = producto(orden.cantidad, precio)
        orden.actualizada_ms = ahora_ms
        titular.libro.cerrar(orden)
        operada = Operada(
            self._operadas,
            orden.id,
            orden.simbolo,
            orden.lado,
            precio,
            orden.cantidad,
            orden.cotizada,
            asiento.realizado,
            asiento.comision,
            maker,
            ahora_ms,
        )
        titular.libro.operadas.append(operada)
        self._avisar_llenado(titular, orden, operada, "CALCULATED" if liquidacion else "TRADE")
        if titular.libro.abiertas:
            self._expirar_reductoras(titular, orden.simbolo, ahora_ms)
        return operada

    def _avisar_llenado(self, titular: Titular, orden: Orden, operada: Operada, ejecucion: str) -> None:
        if not self._avisos.escucha(titular.clave):
            return
        cuenta, clave, ahora = titular.cuenta, titular.clave, operada.tiempo_ms
        filas = ((cuenta.posiciones[orden.simbolo], self.marcas[orden.simbolo]),)
        if ejecucion == "TRADE":
            self._avisos.avisar(clave, eventos.operacion_breve(orden, operada))
        self._avisos.avisar(clave, eventos.cuenta_actualizada(cuenta, "ORDER", ahora, filas))
        self._avisos.avisar(clave, eventos.orden_actualizada(orden, ejecucion, ahora, cuenta.activo, operada))

    def _expirar_reductoras(self, titular: Titular, simbolo: str, ahora_ms: int) -> None:
        """End the resting reduce-only orders that no longer reduce anything."""
        cantidad = titular.cuenta.posiciones[simbolo].cantidad
        for orden in list(titular.libro.abiertas.values()):
            if orden.simbolo == simbolo and orden.solo_reduce and orden.signo * cantidad >= 0:
                self._terminar(titular, orden, EstadoOrden.EXPIRED, ahora_ms)

    def _expirar_todas(self, titular: Titular, simbolo: str, ahora_ms: int) -> None:
        for orden in [o for o in titular.libro.abiertas.values() if o.simbolo == simbolo]:
            self._terminar(titular, orden, EstadoOrden.EXPIRED, ahora_ms)

    def _terminar(self, titular: Titular, orden: Orden, estado: EstadoOrden, ahora_ms: int) -> None:
        orden.estado = estado
        orden.actualizada_ms = ahora_ms
        titular.libro.cerrar(orden)
        self._avisar_orden(titular, orden, estado.value, ahora_ms)

    def _avisar_orden(self, titular: Titular, orden: Orden, ejecucion: str, ahora_ms: int) -> None:
        if self._avisos.escucha(titular.clave):
            evento = eventos.orden_actualizada(orden, ejecucion, ahora_ms, titular.cuenta.activo)
            self._avisos.avisar(titular.clave, evento)

    def _nueva(self, pedido: Pedido, cantidad: Decimal, ahora_ms: int) -> Orden:
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


def cruza(orden: Orden, plaza: Plaza) -> bool:
    """Whether an incoming order meets the other side of the book."""
    if orden.tipo is not TipoOrden.LIMIT:
        return True
    return orden.precio >= plaza.compra if orden.signo > 0 else orden.precio <= plaza.venta


def _alcanza(orden: Orden, precio: Decimal) -> bool:
    """Whether the market's price has touched a resting order."""
    return precio <= orden.precio if orden.signo > 0 else precio >= orden.precio
