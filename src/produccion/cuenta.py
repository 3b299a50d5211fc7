"""The one owner of the account's state: read from the exchange, explained fill by fill."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose
from typing import NamedTuple

import structlog

from src.nucleo.cartera import aplicar_compraventa
from src.nucleo.contabilidad import Movimiento
from src.nucleo.dinero import redondear
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Ejecucion, EstadoCuenta, Mercado
from src.produccion.ejecutor import PREFIJO_CLIENTE, ejecuciones_de
from src.produccion.puertos import Bolsa, ClaseIngreso, Transaccion

_PREFIJOS_LIQUIDACION = ("autoclose-", "adl_autoclose")
_TOLERANCIA_PRECIO = 1e-6

log = structlog.get_logger(__name__)


class Ajeno(NamedTuple):
    """Fills found after the fact: not the agent's, or its own whose answer was lost."""

    movimiento: Movimiento
    status: StatusFila
    instante_ms: int
    precio: float


class Novedades(NamedTuple):
    """What happened to the account since it was last read."""

    ajenos: tuple[Ajeno, ...]
    funding: float  # settled since then, signed
    transferido: float  # deposited (> 0) or withdrawn since then


class Libro(NamedTuple):
    """An agent's own ledger: assigned capital and what it earned since."""

    saldo: float  # margin asset
    ultima_transaccion: int = 0  # last trade id that it contains
    hasta_ms: int = 0  # market time up to which funding is contained; 0 for a new one


class Cuenta:
    """The account of one agent on one symbol.

    Args:
        bolsa: The exchange.
        mercado: Symbol, filters and fees.
        libro: The agent's own ledger, when it was assigned a part of the wallet; its balance then stands
            for the wallet's.
    """

    def __init__(self, bolsa: Bolsa, mercado: Mercado, libro: Libro | None = None) -> None:
        self._bolsa = bolsa
        self._mercado = mercado
        self._libro = libro
        self._ultima_transaccion = 0
        self._ingresos_desde_ms = 0
        self.estado = EstadoCuenta(0.0)
        self.en_vuelo = False

    async def abrir(self, ahora_ms: int) -> EstadoCuenta:
        """First snapshot; whatever was traded before it is history."""
        filas = await self._bolsa.transacciones(self._mercado.simbolo)
        self._ultima_transaccion = max((fila.id for fila in filas), default=0)
        self._ingresos_desde_ms = ahora_ms
        leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
        if self._libro is not None:
            leido = leido._replace(saldo=await self._ponerse_al_dia(self._libro, ahora_ms))
        self.estado = leido
        return leido

    @property
    def libro(self) -> Libro | None:
        """The agent's own ledger as of the last read."""
        if self._libro is None:
            return None
        return Libro(self.estado.saldo, self._ultima_transaccion, self._ingresos_desde_ms)

    async def actualizar(self, ahora_ms: int) -> Novedades:
        """Read the account and explain every difference from what was known.

        A difference in quantity is explained by fills, one in the wallet by funding and transfers.
        """
        anterior = self.estado
        leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
        ajenos: tuple[Ajeno, ...] = ()
        esperado = anterior
        if leido.posicion != anterior.posicion:
            ajenos = await self._explicar(anterior, leido)
            esperado = ajenos[-1].movimiento.despues if ajenos else anterior
        funding = transferido = 0.0
        if self._libro is not None:
            funding = await self._funding_desde(self._ingresos_desde_ms)
            leido = leido._replace(saldo=redondear(esperado.saldo + funding))
        elif leido.saldo != esperado.saldo:
            funding, transferido = await self._ingresos(redondear(leido.saldo - esperado.saldo))
        self._ingresos_desde_ms = ahora_ms
        self.estado = leido
        return Novedades(ajenos, funding, transferido)

    async def tras_ejecutar(self, transacciones: Sequence[Transaccion]) -> Movimiento:
        """Read the account after the agent's own fills and compare it with the core's arithmetic."""
        antes, ejecuciones = self.estado, ejecuciones_de(transacciones)
        self._ultima_transaccion = max((fila.id for fila in transacciones), default=self._ultima_transaccion)
        leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
        if self._libro is not None:
            leido = leido._replace(saldo=redondear(antes.saldo + resultado_de(transacciones)))
        self.estado = leido
        self._comparar(antes, ejecuciones)
        return Movimiento(antes, self.estado, ejecuciones)

    async def _ponerse_al_dia(self, libro: Libro, ahora_ms: int) -> float:
        filas = await self._bolsa.transacciones(self._mercado.simbolo, desde_id=libro.ultima_transaccion + 1)
        nuevas = [fila for fila in filas if fila.id > libro.ultima_transaccion]
        if libro.hasta_ms == 0:
            return libro.saldo
        return redondear(libro.saldo + resultado_de(nuevas) + await self._funding_desde(libro.hasta_ms))

    async def _funding_desde(self, desde_ms: int) -> float:
        ingresos = await self._bolsa.ingresos(self._mercado.simbolo, desde_ms + 1)
        return redondear(sum(i.monto for i in ingresos if i.clase is ClaseIngreso.FUNDING_FEE))

    def _comparar(self, antes: EstadoCuenta, ejecuciones: Sequence[Ejecucion]) -> None:
        sombra = antes
        for fill in ejecuciones:
            sombra, _ = aplicar_compraventa(sombra, fill.cantidad, fill.precio, 0.0, self._mercado.filtros)
            sombra = sombra._replace(saldo=redondear(sombra.saldo - fill.comision))
        if not _iguales(sombra, self.estado):
            log.warning("divergencia_con_la_bolsa", calculado=str(sombra), bolsa=str(self.estado))

    async def _transacciones_nuevas(self) -> list[Transaccion]:
        filas = await self._bolsa.transacciones(self._mercado.simbolo, desde_id=self._ultima_transaccion + 1)
        nuevas = [fila for fila in filas if fila.id > self._ultima_transaccion]
        self._ultima_transaccion = max((fila.id for fila in nuevas), default=self._ultima_transaccion)
        return nuevas

    async def _explicar(self, anterior: EstadoCuenta, leido: EstadoCuenta) -> tuple[Ajeno, ...]:
        ajenos: list[Ajeno] = []
        estado = anterior
        for fila in await self._transacciones_nuevas():
            fill = ejecuciones_de([fila])[0]
            id_cliente = await self._bolsa.id_cliente_de(self._mercado.simbolo, fila.id_orden)
            despues, _ = aplicar_compraventa(estado, fill.cantidad, fill.precio, 0.0, self._mercado.filtros)
            despues = despues._replace(saldo=redondear(estado.saldo + fill.pnl_realizado - fill.comision))
            cubierto = max(0.0, -despues.saldo)
            despues = despues._replace(saldo=max(0.0, despues.saldo))
            status = _status_de(id_cliente)
            log.warning("operacion_ajena", status=status.value, id_cliente=id_cliente, cantidad=fill.cantidad)
            ajenos.append(
                Ajeno(Movimiento(estado, despues, (fill,), cubierto), status, fila.instante_ms, fila.precio)
            )
            estado = despues
        if estado.posicion != leido.posicion:
            log.error("posicion_sin_explicar", conocida=str(estado.posicion), bolsa=str(leido.posicion))
        return tuple(ajenos)

    async def _ingresos(self, diferencia: float) -> tuple[float, float]:
        """Funding and transfers that explain a change of the wallet."""
        ingresos = await self._bolsa.ingresos(self._mercado.simbolo, self._ingresos_desde_ms)
        transferido = redondear(sum(i.monto for i in ingresos if i.clase is ClaseIngreso.TRANSFER))
        funding = redondear(sum(i.monto for i in ingresos if i.clase is ClaseIngreso.FUNDING_FEE))
        resto = redondear(diferencia - transferido - funding)
        if resto != 0.0:
            log.warning("saldo_sin_explicar", monto=resto, funding=funding, transferido=transferido)
        return redondear(diferencia - transferido), transferido


def resultado_de(transacciones: Sequence[Transaccion]) -> float:
    """What fills did to the wallet: realised profit less commissions."""
    return redondear(sum(fila.pnl_realizado - fila.comision for fila in transacciones))


def _status_de(id_cliente: str) -> StatusFila:
    if id_cliente.startswith(_PREFIJOS_LIQUIDACION):
        return StatusFila.LIQUIDACION
    return StatusFila.OK if id_cliente.startswith(PREFIJO_CLIENTE) else StatusFila.MANUAL


def _iguales(calculado: EstadoCuenta, bolsa: EstadoCuenta) -> bool:
    if (calculado.posicion is None) != (bolsa.posicion is None):
        return False
    if calculado.posicion is not None and bolsa.posicion is not None:
        if calculado.posicion.cantidad != bolsa.posicion.cantidad:
            return False
        if not isclose(
            calculado.posicion.precio_entrada, bolsa.posicion.precio_entrada, rel_tol=_TOLERANCIA_PRECIO
        ):
            return False
    return isclose(calculado.saldo, bolsa.saldo, rel_tol=0.0, abs_tol=1e-6)
