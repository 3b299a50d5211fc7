"""The one owner of the account's state: read from the exchange, explained fill by fill."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import isclose
from typing import NamedTuple

import structlog

from src.nucleo.cartera import aplicar_compraventa
from src.nucleo.contabilidad import Movimiento
from src.nucleo.dinero import al_paso, redondear
from src.nucleo.errores import LecturaFallida
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Ejecucion, EstadoCuenta, Mercado, Posicion
from src.produccion.ejecutor import PREFIJO_CLIENTE, ejecuciones_de
from src.produccion.ingresos import LectorIngresos, sumar
from src.produccion.puertos import Bolsa, ClaseIngreso, Ingreso, Transaccion

_PREFIJOS_LIQUIDACION = ("autoclose-", "adl_autoclose")
_TOLERANCIA_PRECIO = 1e-6
_LECTURAS = 10
_ESPERA_S = 0.1
_LECTURAS_INGRESOS = 10
_ESPERA_INGRESOS_S = 0.5
_MUEVEN_LA_CARTERA = (ClaseIngreso.TRANSFER, ClaseIngreso.FUNDING_FEE, ClaseIngreso.AJENO)

log = structlog.get_logger(__name__)


class Ajeno(NamedTuple):
    """Fills found after the fact: not the agent's, or its own whose answer was lost."""

    movimiento: Movimiento
    status: StatusFila
    instante_ms: int
    precio: float

    def desplazado(self, monto: float) -> Ajeno:
        """The same fills in an account that held ``monto`` more."""
        antes, despues = self.movimiento.antes, self.movimiento.despues
        movimiento = self.movimiento._replace(
            antes=antes._replace(saldo=redondear(antes.saldo + monto)),
            despues=despues._replace(saldo=redondear(despues.saldo + monto)),
        )
        return self._replace(movimiento=movimiento)


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
    desde_ms: int = 0  # when capital was assigned; older trades are not the agent's


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
        self._abierta_ms = 0
        self._cartera = 0.0  # the wallet as it was last read
        self._ingresos = LectorIngresos(bolsa, mercado.simbolo)
        self.estado = EstadoCuenta(0.0)
        self.en_vuelo = False

    async def abrir(self, ahora_ms: int) -> EstadoCuenta:
        """First snapshot; whatever was traded before it is history."""
        self._abierta_ms = ahora_ms
        filas = await self._bolsa.transacciones(self._mercado.simbolo)
        self._ultima_transaccion = max((fila.id for fila in filas), default=0)
        leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
        self._cartera = leido.saldo
        if self._libro is not None:
            leido = leido._replace(saldo=await self._ponerse_al_dia(self._libro))
        self._ingresos = LectorIngresos(self._bolsa, self._mercado.simbolo, ahora_ms)
        await self._ingresos.nuevos()
        self.estado = leido
        return leido

    @property
    def libro(self) -> Libro | None:
        """The agent's own ledger as of the last read."""
        if self._libro is None:
            return None
        desde_ms = self._libro.desde_ms or self._abierta_ms
        return Libro(self.estado.saldo, self._ultima_transaccion, self._ingresos.hasta_ms, desde_ms)

    async def actualizar(self, *, exigente: bool = True) -> Novedades:
        """Read the account and explain every difference from what was known.

        A difference in quantity is explained by fills, one in the wallet by fills, funding and transfers.

        Args:
            exigente: Whether a position that the listed fills do not explain is an error; otherwise it is
                taken as it is.

        Raises:
            LecturaFallida: What is known did not change; the explanation may be listed later.
        """
        anterior = self.estado
        leido, filas = await self._leer_con_operaciones(anterior, exigente=exigente)
        cartera = leido.saldo
        ajenos = await self._explicar(anterior, filas)
        esperado = ajenos[-1].movimiento.despues if ajenos else anterior
        funding = transferido = 0.0
        if self._libro is not None:
            funding = redondear(sumar(await self._ingresos.nuevos(), ClaseIngreso.FUNDING_FEE))
            leido = leido._replace(saldo=redondear(esperado.saldo + funding))
        elif leido.saldo != esperado.saldo:
            funding, transferido = await self._repartir(redondear(leido.saldo - esperado.saldo))
        self.estado, self._cartera = leido, cartera
        # Funding was settled while the position was still held, so it comes before the fills.
        ajenos = tuple(ajeno.desplazado(funding) for ajeno in ajenos)
        return Novedades(ajenos, funding, transferido)

    async def tras_ejecutar(self, transacciones: Sequence[Transaccion]) -> Movimiento:
        """Read the account after the agent's own fills and compare it with the core's arithmetic."""
        antes, ejecuciones = self.estado, ejecuciones_de(transacciones)
        sombra = self._sombra(antes, ejecuciones)
        leido = await self._leer_hasta(sombra.cantidad)
        self._cartera = leido.saldo
        if self._libro is not None:
            leido = leido._replace(saldo=redondear(antes.saldo + resultado_de(transacciones)))
        if not _iguales(sombra, leido):
            log.warning("divergencia_con_la_bolsa", calculado=str(sombra), bolsa=str(leido))
        return self._tomar(leido, transacciones)

    def sin_leer(self, transacciones: Sequence[Transaccion]) -> Movimiento:
        """Book the agent's own fills while another order of it is unresolved.

        What the exchange says now may already contain that order; the next look explains it.
        """
        return self._tomar(self._sombra(self.estado, ejecuciones_de(transacciones)), transacciones)

    def _tomar(self, despues: EstadoCuenta, transacciones: Sequence[Transaccion]) -> Movimiento:
        self._ultima_transaccion = max((fila.id for fila in transacciones), default=self._ultima_transaccion)
        movimiento = Movimiento(self.estado, despues, ejecuciones_de(transacciones))
        self.estado = despues
        return movimiento

    async def _ponerse_al_dia(self, libro: Libro) -> float:
        if libro.hasta_ms == 0:
            return libro.saldo
        nuevas = await self._transacciones_desde(libro.ultima_transaccion, libro.desde_ms)
        ingresos = await LectorIngresos(self._bolsa, self._mercado.simbolo, libro.hasta_ms + 1).nuevos()
        return redondear(libro.saldo + resultado_de(nuevas) + sumar(ingresos, ClaseIngreso.FUNDING_FEE))

    async def _leer_hasta(self, cantidad: float) -> EstadoCuenta:
        """The account, once it shows a quantity; a read may lag behind an order for a moment."""
        leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
        for _ in range(_LECTURAS):
            if leido.cantidad == cantidad:
                break
            await asyncio.sleep(_ESPERA_S)
            leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
        return leido

    async def _leer_con_operaciones(
        self, anterior: EstadoCuenta, *, exigente: bool
    ) -> tuple[EstadoCuenta, list[Transaccion]]:
        """The account and the fills that explain it; the two are listed at different moments."""
        escala = self._mercado.filtros.escala_lote
        for _ in range(_LECTURAS):
            leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
            quieta = _misma_posicion(anterior.posicion, leido.posicion)
            if quieta and leido.saldo == self._cartera:
                return leido, []
            filas = await self._transacciones_desde(self._ultima_transaccion, self._abierta_ms)
            cantidad = al_paso(anterior.cantidad + sum(fila.cantidad for fila in filas), escala)
            if cantidad == al_paso(leido.cantidad, escala) and (quieta or filas):
                return leido, filas
            await asyncio.sleep(_ESPERA_S)
        log.error("posicion_sin_explicar", conocida=str(anterior.posicion), bolsa=str(leido.posicion))
        if exigente:
            raise LecturaFallida(
                f"the position went from {anterior.cantidad} to {leido.cantidad}, and the listed fills do not"
                " explain it"
            )
        return leido, []

    def _sombra(self, antes: EstadoCuenta, ejecuciones: Sequence[Ejecucion]) -> EstadoCuenta:
        sombra = antes
        for fill in ejecuciones:
            sombra, _ = aplicar_compraventa(sombra, fill.cantidad, fill.precio, 0.0, self._mercado.filtros)
            sombra = sombra._replace(saldo=redondear(sombra.saldo - fill.comision))
        return sombra

    async def _transacciones_desde(self, ultima: int, desde_ms: int) -> list[Transaccion]:
        filas = await self._bolsa.transacciones(self._mercado.simbolo, desde_id=ultima + 1)
        return [fila for fila in filas if fila.id > ultima and fila.instante_ms >= desde_ms]

    async def _explicar(self, anterior: EstadoCuenta, filas: Sequence[Transaccion]) -> tuple[Ajeno, ...]:
        ajenos: list[Ajeno] = []
        estado = anterior
        for fila in filas:
            id_cliente = await self._bolsa.id_cliente_de(self._mercado.simbolo, fila.id_orden)
            status = _status_de(id_cliente)
            if status is not StatusFila.OK:
                log.warning(
                    "operacion_ajena", status=status.value, id_cliente=id_cliente, cantidad=fila.cantidad
                )
            for parte in _partir(fila, estado.cantidad, self._mercado.filtros.escala_lote):
                movimiento = self._asentar(estado, ejecuciones_de([parte])[0])
                ajenos.append(Ajeno(movimiento, status, fila.instante_ms, fila.precio))
                estado = movimiento.despues
        self._ultima_transaccion = max((fila.id for fila in filas), default=self._ultima_transaccion)
        return tuple(ajenos)

    def _asentar(self, estado: EstadoCuenta, fill: Ejecucion) -> Movimiento:
        """Book a fill as the exchange did: the insurance fund takes a loss beyond the wallet."""
        despues, _ = aplicar_compraventa(estado, fill.cantidad, fill.precio, 0.0, self._mercado.filtros)
        saldo = redondear(estado.saldo + fill.pnl_realizado - fill.comision)
        return Movimiento(estado, despues._replace(saldo=max(0.0, saldo)), (fill,), max(0.0, -saldo))

    async def _repartir(self, diferencia: float) -> tuple[float, float]:
        """Funding and transfers that explain a change of the wallet."""
        ingresos: list[Ingreso] = []
        for _ in range(_LECTURAS_INGRESOS):
            # Income is listed a moment after the wallet has moved.
            ingresos += await self._ingresos.nuevos()
            transferido = redondear(sumar(ingresos, ClaseIngreso.TRANSFER))
            explicado = sum(sumar(ingresos, clase) for clase in _MUEVEN_LA_CARTERA)
            resto = redondear(diferencia - explicado)
            if resto == 0.0:
                break
            await asyncio.sleep(_ESPERA_INGRESOS_S)
        else:
            log.error("saldo_sin_explicar", monto=resto, transferido=transferido)
        return redondear(diferencia - transferido), transferido


def resultado_de(transacciones: Sequence[Transaccion]) -> float:
    """What fills did to the wallet: realised profit less commissions."""
    return redondear(sum(fila.pnl_realizado - fila.comision for fila in transacciones))


def _status_de(id_cliente: str) -> StatusFila:
    if id_cliente.startswith(_PREFIJOS_LIQUIDACION):
        return StatusFila.LIQUIDACION
    return StatusFila.OK if id_cliente.startswith(PREFIJO_CLIENTE) else StatusFila.MANUAL


def _partir(fila: Transaccion, actual: float, escala: tuple[int, int]) -> tuple[Transaccion, ...]:
    """A fill that turns a position around, as the close and the opening that it is."""
    if actual * fila.cantidad >= 0.0 or abs(fila.cantidad) <= abs(actual):
        return (fila,)
    comision = redondear(fila.comision * abs(actual / fila.cantidad))
    cierre = fila._replace(cantidad=-actual, comision=comision)
    resto = al_paso(fila.cantidad + actual, escala)
    return cierre, fila._replace(
        cantidad=resto, comision=redondear(fila.comision - comision), pnl_realizado=0.0
    )


def _iguales(calculado: EstadoCuenta, bolsa: EstadoCuenta) -> bool:
    return _misma_posicion(calculado.posicion, bolsa.posicion) and isclose(
        calculado.saldo, bolsa.saldo, rel_tol=0.0, abs_tol=1e-6
    )


def _misma_posicion(una: Posicion | None, otra: Posicion | None) -> bool:
    if una is None or otra is None:
        return una is otra
    return una.cantidad == otra.cantidad and isclose(
        una.precio_entrada, otra.precio_entrada, rel_tol=_TOLERANCIA_PRECIO
    )
