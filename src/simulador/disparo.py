"""Triggering: what the way of the price to a market point does to an account's waiting orders."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, assert_never

from src.simulador.algos import Algo, EstadoAlgo, TipoAlgo
from src.simulador.fallos_api import ErrorApi
from src.simulador.libreta import Libreta
from src.simulador.liquidacion import liquidar
from src.simulador.margen import debe_liquidarse
from src.simulador.numeros import EXACTO
from src.simulador.ordenes import EstadoOrden, Orden, Pedido
from src.simulador.plaza import Plaza
from src.simulador.reglas import ejecucion_inmediata, exigir_vigencia, revisar_pedido
from src.simulador.reproductor import Movimiento
from src.simulador.titular import Titular
from src.simulador.trastornos import Disparo, Trastornos

CIEN = Decimal(100)


class Encuentro(NamedTuple):
    """A waiting order that the price meets, and where."""

    precio: Decimal
    espera: Orden | Algo


class Disparador:
    """Walks the price's way past the resting limits and the conditional orders of an account.

    On its way the price stops at each trigger it meets: the child trades there. After a jump everything
    trades at the point itself, in the order in which the price would have met it. Before a conditional order
    triggers, the margin is checked at that price: where it no longer suffices, liquidation comes first.

    Args:
        libreta: Fills and ends orders.
        marcas: Mark prices by symbol.
        trastornos: Disturbs the triggering.
    """

    def __init__(self, libreta: Libreta, marcas: dict[str, Decimal], trastornos: Trastornos) -> None:
        self._libreta = libreta
        self._marcas = marcas
        self._trastornos = trastornos

    def recorrer(self, titular: Titular, movimiento: Movimiento, ahora_ms: int) -> None:
        """Act on everything between the previous price and the present one."""
        plaza = movimiento.plaza
        aqui, destino = plaza.anterior, plaza.precio
        ignorados: set[int] = set()
        while (encuentro := _siguiente(titular, plaza.simbolo, aqui, destino, ignorados)) is not None:
            match encuentro.espera:
                case Orden() as orden:
                    self._libreta.llenar(titular, orden, orden.precio, ahora_ms, maker=True)
                case Algo() as algo if self._trastornos.ignora_disparo(titular, algo):
                    ignorados.add(algo.id)
                case Algo() as algo:
                    self._situar(plaza, destino if movimiento.salto else encuentro.precio)
                    if self._sin_margen(titular, plaza):
                        self._situar(plaza, destino)
                        liquidar(self._libreta, titular, movimiento, ahora_ms)
                    else:
                        self.disparar(titular, algo, ahora_ms)
            if not movimiento.salto:
                aqui = encuentro.precio
        self._situar(plaza, destino)
        for algo in titular.algos.en_espera(plaza.simbolo):
            _arrastrar(algo, destino)

    def disparar(self, titular: Titular, algo: Algo, ahora_ms: int) -> None:
        """Turn a conditional order into its child at the market's present price.

        A child that a rule refuses (margin, a reduce-only one without a position to reduce) leaves its
        parent REJECTED with the rule's text.
        """
        vida = self._libreta.algos
        modo = self._trastornos.al_disparar(titular, algo)
        algo.disparado_ms = ahora_ms
        vida.pasar(titular, algo, EstadoAlgo.TRIGGERING, ahora_ms)
        if modo is Disparo.ATASCADO:
            return
        plaza = self._libreta.plazas[algo.simbolo]
        try:
            pedido = _pedido(titular, algo)
            cantidad = revisar_pedido(titular, pedido, plaza, self._marcas)
            inmediata, precio = ejecucion_inmediata(pedido, plaza)
            exigir_vigencia(pedido, inmediata=inmediata)
        except ErrorApi as fallo:
            vida.pasar(titular, algo, EstadoAlgo.REJECTED, ahora_ms, fallo.mensaje)
            return
        hija = algo.hija = self._libreta.nueva(pedido, cantidad, ahora_ms)
        hija_primero = self._trastornos.hija_primero(titular, algo)
        if not hija_primero:
            vida.pasar(titular, algo, EstadoAlgo.TRIGGERED, ahora_ms)
        self._entregar(titular, hija, modo, ahora_ms, inmediata=inmediata, precio=precio)
        if hija_primero:
            vida.pasar(titular, algo, EstadoAlgo.TRIGGERED, ahora_ms)
            if not hija.estado.abierta:
                vida.hija_terminada(titular, hija, ahora_ms)

    def _entregar(
        self, titular: Titular, hija: Orden, modo: Disparo, ahora_ms: int, *, inmediata: bool, precio: Decimal
    ) -> None:
        libreta = self._libreta
        match modo:
            case Disparo.NORMAL:
                libreta.ejecutar(titular, hija, ahora_ms, inmediata=inmediata, precio=precio)
            case Disparo.HIJA_EXPIRADA:
                libreta.abrir(titular, hija, ahora_ms)
                libreta.terminar(titular, hija, EstadoOrden.EXPIRED, ahora_ms)
            case Disparo.HIJA_PARCIAL:
                libreta.abrir(titular, hija, ahora_ms)
                paso = libreta.plazas[hija.simbolo].contrato.filtros.paso
                mitad = hija.cantidad / 2 // paso * paso
                if mitad:
                    libreta.llenar(titular, hija, precio, ahora_ms, maker=False, cantidad=mitad)
                libreta.terminar(titular, hija, EstadoOrden.EXPIRED, ahora_ms)
            case Disparo.ATASCADO:
                raise AssertionError("a stuck order has no child")
            case _:
                assert_never(modo)

    def _situar(self, plaza: Plaza, precio: Decimal) -> None:
        if plaza.precio != precio:
            plaza.situar(precio)
            self._marcas[plaza.simbolo] = precio

    def _sin_margen(self, titular: Titular, plaza: Plaza) -> bool:
        posicion = titular.cuenta.posiciones[plaza.simbolo]
        return bool(posicion.cantidad) and debe_liquidarse(titular.cuenta, posicion, self._marcas)


def alcanza(orden: Orden, precio: Decimal) -> bool:
    """Whether the market's price has touched a resting order."""
    return precio <= orden.precio if orden.signo > 0 else precio >= orden.precio


def _cruza(algo: Algo, gatillo: Decimal, precio: Decimal) -> bool:
    """Whether a price is at or beyond a trigger."""
    hacia_arriba = (algo.signo > 0) is not algo.tipo.toma_ganancia
    return precio >= gatillo if hacia_arriba else precio <= gatillo


def _siguiente(
    titular: Titular, simbolo: str, aqui: Decimal, destino: Decimal, ignorados: set[int]
) -> Encuentro | None:
    """What the price meets first from here to its destination."""
    bajo, alto = min(aqui, destino), max(aqui, destino)
    encuentros = [
        Encuentro(min(max(orden.precio, bajo), alto), orden)
        for orden in titular.libro.abiertas.values()
        if orden.simbolo == simbolo and alcanza(orden, destino)
    ]
    for algo in titular.algos.en_espera(simbolo):
        gatillo = _gatillo_vigente(algo)
        if gatillo is not None and algo.id not in ignorados and _cruza(algo, gatillo, destino):
            encuentros.append(Encuentro(min(max(gatillo, bajo), alto), algo))
    return min(encuentros, key=lambda encuentro: abs(encuentro.precio - aqui), default=None)


def _gatillo_vigente(algo: Algo) -> Decimal | None:
    """Where it triggers now; ``None`` for a trailing stop that is not active yet."""
    if algo.tipo is not TipoAlgo.TRAILING_STOP_MARKET:
        return algo.gatillo
    if algo.extremo is None:
        return None
    return EXACTO.multiply(algo.extremo, 1 + algo.signo * EXACTO.divide(algo.retroceso, CIEN))


def _arrastrar(algo: Algo, precio: Decimal) -> None:
    """Let the price activate a trailing stop, or move its best price."""
    if algo.tipo is not TipoAlgo.TRAILING_STOP_MARKET:
        return
    mejor = min if algo.signo > 0 else max
    if algo.extremo is not None:
        algo.extremo = mejor(algo.extremo, precio)
    elif mejor(algo.activacion, precio) == precio:
        algo.extremo = precio


def _pedido(titular: Titular, algo: Algo) -> Pedido:
    """The order that a conditional one becomes."""
    posicion = titular.cuenta.posiciones[algo.simbolo].cantidad
    return Pedido(
        simbolo=algo.simbolo,
        lado=algo.lado,
        tipo=algo.tipo.hija,
        vigencia=algo.vigencia,
        cantidad=abs(posicion) if algo.cierra_posicion else algo.cantidad,
        precio=algo.precio,
        solo_reduce=algo.solo_reduce or algo.cierra_posicion,
        id_cliente=algo.id_cliente,
        vence_ms=algo.vence_ms,
        responde_resultado=False,
        origen=algo.origen,
    )
