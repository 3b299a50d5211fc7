"""Liquidation: the exchange takes over positions whose margin no longer suffices."""

from __future__ import annotations

from decimal import Decimal

from src.nucleo.tipos import LadoOrden
from src.simulador import eventos
from src.simulador.cuenta import PosicionSimbolo
from src.simulador.libreta import Libreta
from src.simulador.margen import debe_liquidarse, precio_liquidacion
from src.simulador.numeros import CERO, al_tick
from src.simulador.ordenes import EstadoOrden, Operada, Pedido, TipoOrden, Vigencia
from src.simulador.plaza import Plaza
from src.simulador.reproductor import Movimiento
from src.simulador.titular import Titular


def liquidar(libreta: Libreta, titular: Titular, movimiento: Movimiento, ahora_ms: int) -> None:
    """Close positions until the margin suffices again, the moved symbol's first.

    Its resting orders end before; with cross margin, those of all cross positions.
    """
    plaza = movimiento.plaza
    _liquidar(libreta, titular, plaza, plaza.precio if movimiento.salto else plaza.anterior, ahora_ms)


def tomar_posicion(libreta: Libreta, titular: Titular, plaza: Plaza, ahora_ms: int) -> None:
    """Take an open position over at the mark, whatever its margin: nobody saw the price that ate it."""
    _liquidar(libreta, titular, plaza, plaza.precio, ahora_ms)


def _liquidar(libreta: Libreta, titular: Titular, plaza: Plaza, desde: Decimal, ahora_ms: int) -> None:
    cuenta = titular.cuenta
    movida = cuenta.posiciones[plaza.simbolo]
    otras = [] if movida.aislada else [p for p in cuenta.cruzadas() if p is not movida]
    for simbolo in (plaza.simbolo, *(otra.contrato.simbolo for otra in otras)):
        libreta.terminar_todas(titular, simbolo, EstadoOrden.EXPIRED, ahora_ms)
    respaldo = movida.cartera_aislada
    operada = _cerrar(libreta, titular, movida, plaza, desde, ahora_ms)
    if movida.aislada:
        _cubrir(libreta, titular, plaza.simbolo, operada.comision - operada.realizado - respaldo, ahora_ms)
        return
    for otra in otras:
        if debe_liquidarse(cuenta, otra, libreta.marcas):
            suya = libreta.plazas[otra.contrato.simbolo]
            _cerrar(libreta, titular, otra, suya, suya.precio, ahora_ms)
    if not any(True for _ in cuenta.cruzadas()):
        _cubrir(libreta, titular, plaza.simbolo, -cuenta.saldo_cruzado(), ahora_ms)


def _cerrar(
    libreta: Libreta, titular: Titular, posicion: PosicionSimbolo, plaza: Plaza, desde: Decimal, ahora_ms: int
) -> Operada:
    """Fill a liquidation order at the price where margin met maintenance on the way from ``desde``."""
    limite = precio_liquidacion(titular.cuenta, posicion, libreta.marcas)
    bajo, alto = min(desde, plaza.precio), max(desde, plaza.precio)
    compra = posicion.cantidad < 0
    precio = al_tick(
        plaza.precio if limite is None else min(max(limite, bajo), alto),
        plaza.contrato.filtros.tick,
        hacia_arriba=compra,
    )
    pedido = Pedido(
        simbolo=plaza.simbolo,
        lado=LadoOrden.BUY if compra else LadoOrden.SELL,
        tipo=TipoOrden.LIQUIDATION,
        vigencia=Vigencia.IOC,
        cantidad=abs(posicion.cantidad),
        precio=precio,
        solo_reduce=True,
        id_cliente=f"autoclose-{ahora_ms}-{plaza.simbolo}",
        vence_ms=0,
        responde_resultado=True,
    )
    orden = libreta.nueva(pedido, pedido.cantidad, ahora_ms)
    libreta.abrir(titular, orden, ahora_ms)
    return libreta.llenar(titular, orden, precio, ahora_ms, maker=False)


def _cubrir(libreta: Libreta, titular: Titular, simbolo: str, faltante: Decimal, ahora_ms: int) -> None:
    """Let the insurance fund pay what the margin could not; nothing when it could."""
    if faltante <= CERO:
        return
    titular.cuenta.anotar("INSURANCE_CLEAR", simbolo, faltante, ahora_ms)
    if libreta.avisos.escucha(titular.clave):
        evento = eventos.cuenta_actualizada(titular.cuenta, "INSURANCE_CLEAR", ahora_ms, (), faltante)
        libreta.avisos.avisar(titular.clave, evento)
