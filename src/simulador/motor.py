"""Matching: takes orders, fills them, and lets the market's path fill, liquidate and charge."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from src.simulador import eventos
from src.simulador.algos import Algo, EstadoAlgo
from src.simulador.avisos import Avisos
from src.simulador.cuenta import PosicionSimbolo
from src.simulador.disparo import Disparador, alcanza
from src.simulador.fallos_api import ErrorApi
from src.simulador.libreta import Libreta, Reparto
from src.simulador.liquidacion import liquidar, tomar_posicion
from src.simulador.margen import debe_liquidarse
from src.simulador.ordenes import EstadoOrden, Orden, Pedido
from src.simulador.plaza import Plaza
from src.simulador.reglas import ejecucion_inmediata, exigir_vigencia, revisar_pedido
from src.simulador.reglas_algo import PedidoAlgo, revisar_algo
from src.simulador.reproductor import Movimiento, Paso
from src.simulador.titular import Titular
from src.simulador.trastornos import SinTrastornos, Trastornos


class Motor:
    """The matching engine over all symbols and accounts.

    Args:
        plazas: Markets by symbol.
        titulares: Accounts by API key.
        avisos: Takes the user events.
        trastornos: Disturbs conditional orders; nobody by default.
    """

    def __init__(
        self,
        plazas: Mapping[str, Plaza],
        titulares: Mapping[str, Titular],
        avisos: Avisos,
        trastornos: Trastornos | None = None,
    ) -> None:
        self.plazas = plazas
        self.titulares = titulares
        self.marcas: dict[str, Decimal] = {simbolo: plaza.precio for simbolo, plaza in plazas.items()}
        self._avisos = avisos
        self._libreta = Libreta(plazas, self.marcas, avisos)
        self._disparador = Disparador(self._libreta, self.marcas, trastornos or SinTrastornos())
        self._algos = 2_000_000

    def colocar(self, titular: Titular, pedido: Pedido, ahora_ms: int) -> Orden:
        """Accept an order and fill what can be filled now.

        Raises:
            ErrorApi: A rule of the exchange refuses it; nothing has changed.
        """
        plaza = self.plazas[pedido.simbolo]
        cantidad = revisar_pedido(titular, pedido, plaza, self.marcas)
        inmediata, precio = ejecucion_inmediata(pedido, plaza)
        exigir_vigencia(pedido, inmediata=inmediata)
        orden = self._libreta.nueva(pedido, cantidad, ahora_ms)
        self._libreta.ejecutar(titular, orden, ahora_ms, inmediata=inmediata, precio=precio)
        return orden

    def cancelar(self, titular: Titular, orden: Orden, ahora_ms: int) -> None:
        """Cancel an open order."""
        self._libreta.terminar(titular, orden, EstadoOrden.CANCELED, ahora_ms)

    def cancelar_todas(self, titular: Titular, simbolo: str, ahora_ms: int) -> None:
        """Cancel every open order of a symbol."""
        self._libreta.terminar_todas(titular, simbolo, EstadoOrden.CANCELED, ahora_ms)

    def colocar_algo(self, titular: Titular, pedido: PedidoAlgo, ahora_ms: int) -> Algo:
        """Accept a conditional order; it waits for its trigger.

        Raises:
            ErrorApi: A rule of the exchange refuses it; nothing has changed.
        """
        revisar_algo(titular, pedido, self.plazas[pedido.simbolo])
        self._algos += 1
        algo = pedido.algo(self._algos, ahora_ms, self.plazas[pedido.simbolo].precio)
        self._libreta.algos.abrir(titular, algo)
        return algo

    def cancelar_algo(self, titular: Titular, algo: Algo, ahora_ms: int) -> None:
        """Cancel a conditional order that waits for its trigger.

        Raises:
            ErrorApi: −2011, it has been triggered.
        """
        if algo.estado is not EstadoAlgo.NEW:
            raise ErrorApi(-2011)
        self._libreta.algos.pasar(titular, algo, EstadoAlgo.CANCELED, ahora_ms)

    def cancelar_algos(self, titular: Titular, simbolo: str, ahora_ms: int) -> None:
        """Cancel every conditional order of a symbol that waits for its trigger."""
        for algo in titular.algos.en_espera(simbolo):
            self._libreta.algos.pasar(titular, algo, EstadoAlgo.CANCELED, ahora_ms)

    def partir(self, reparto: Reparto | None) -> None:
        """Fill orders that fill on arrival in the trades that somebody else chooses, or whole again."""
        self._libreta.reparto = reparto

    def olvidar(self, titular: Titular, algo: Algo) -> None:
        """Drop an open conditional order silently, as a broken exchange does; no event tells of it."""
        titular.algos.olvidar(algo)

    def tomar_posicion(self, titular: Titular, simbolo: str, ahora_ms: int) -> None:
        """Liquidate an open position at the mark, as after a wick that is over."""
        tomar_posicion(self._libreta, titular, self.plazas[simbolo], ahora_ms)

    def mover(self, paso: Paso) -> None:
        """Let a market step act on every account: resting orders, liquidation, funding."""
        for movimiento in paso.movimientos:
            self.marcas[movimiento.plaza.simbolo] = movimiento.plaza.precio
        for titular in self.titulares.values():
            for movimiento in paso.movimientos:
                self._recorrer(titular, movimiento, paso)
            self.vencer(titular, paso.tiempo_ms)

    def vencer(self, titular: Titular, ahora_ms: int) -> None:
        """End what a time limit ends: countdowns and good-till-date orders."""
        for simbolo, limite in list(titular.cuentas_atras.items()):
            if ahora_ms >= limite:
                del titular.cuentas_atras[simbolo]
                self.cancelar_todas(titular, simbolo, ahora_ms)
        for orden in [o for o in titular.libro.abiertas.values() if o.vence_ms and ahora_ms >= o.vence_ms]:
            self._libreta.terminar(titular, orden, EstadoOrden.EXPIRED, ahora_ms)
        if titular.algos.abiertos:
            self._libreta.algos.vencer(titular, ahora_ms)

    def _recorrer(self, titular: Titular, movimiento: Movimiento, paso: Paso) -> None:
        plaza = movimiento.plaza
        posicion = titular.cuenta.posiciones[plaza.simbolo]
        if titular.algos.abiertos:
            self._disparador.recorrer(titular, movimiento, paso.tiempo_ms)
        elif titular.libro.abiertas:
            self._llenar_en_reposo(titular, plaza, paso.tiempo_ms)
        if not posicion.cantidad:
            return
        if debe_liquidarse(titular.cuenta, posicion, self.marcas):
            liquidar(self._libreta, titular, movimiento, paso.tiempo_ms)
        if posicion.cantidad and paso.cierra and paso.tiempo_ms % plaza.contrato.intervalo_funding_ms == 0:
            self._cobrar_funding(titular, posicion, plaza, paso.tiempo_ms)

    def _llenar_en_reposo(self, titular: Titular, plaza: Plaza, ahora_ms: int) -> None:
        """Fill the resting limits that the price has reached, in the order it met them."""
        alcanzadas = [
            orden
            for orden in titular.libro.abiertas.values()
            if orden.simbolo == plaza.simbolo and alcanza(orden, plaza.precio)
        ]
        alcanzadas.sort(key=lambda orden: abs(orden.precio - plaza.anterior))
        for orden in alcanzadas:
            if orden.estado.abierta:
                self._libreta.llenar(titular, orden, orden.precio, ahora_ms, maker=True)

    def _cobrar_funding(
        self, titular: Titular, posicion: PosicionSimbolo, plaza: Plaza, ahora_ms: int
    ) -> None:
        tasa = plaza.tasa_en(ahora_ms)
        monto = titular.cuenta.cobrar_funding(plaza.simbolo, plaza.precio, tasa, ahora_ms)
        if monto and self._avisos.escucha(titular.clave):
            filas = ((posicion, plaza.precio),) if posicion.aislada else ()
            evento = eventos.cuenta_actualizada(titular.cuenta, "FUNDING_FEE", ahora_ms, filas, monto)
            self._avisos.avisar(titular.clave, evento)
