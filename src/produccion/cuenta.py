"""The one owner of the account's state: read from the exchange, explained fill by fill."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from math import isclose
from typing import Any, NamedTuple, Self

import structlog

from src.nucleo.cartera import aplicar_compraventa
from src.nucleo.contabilidad import Movimiento
from src.nucleo.dinero import al_paso, redondear
from src.nucleo.errores import CuentaInexplicable, ErrorBolsa, LecturaFallida
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Ejecucion, EstadoCuenta, Mercado, Posicion
from src.produccion.ingresos import CursorIngresos, leer_ingresos, repartir, sumar
from src.produccion.ordenes.contraste import RETRASO_S
from src.produccion.ordenes.ejecutor import PREFIJO_CLIENTE, ejecuciones_de
from src.produccion.ordenes.oidos import FillsOidos, en_orden
from src.produccion.puertos import Bolsa, ClaseIngreso, Transaccion

_PREFIJOS_LIQUIDACION = ("autoclose-", "adl_autoclose")
_TOLERANCIA_PRECIO = 1e-6
_TOLERANCIA_SALDO = 1e-6
_LECTURAS = 10
_ESPERA_S = 0.1
_PLAZO_LISTA_S = 5.0
"""Wall seconds that a look waits for a list of fills that it can do without."""

PLAZO_EJECUCIONES_S = 10.0
"""Wall seconds that fills are waited for before a position is taken as it is read without them."""
PLAZO_INGRESOS_S = 45.0
"""Shorter than an unprotected position is kept by default while the exchange does not answer."""

log = structlog.get_logger(__name__)


class Ajeno(NamedTuple):
    """Fills found after the fact: not the agent's, or its own whose answer was lost."""

    movimiento: Movimiento
    status: StatusFila
    instante_ms: int
    precio: float
    id_cliente: str = ""  # of the order

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


class Deuda(NamedTuple):
    """A change of the account that was taken as it was read: its fills were not listed."""

    antes: Posicion | None  # before it
    cantidad: float  # by which the position changed, signed
    dinero: float = 0.0  # by which the wallet did, as far as no income explained it

    def a_lista(self) -> list[object]:
        """As the journal keeps it."""
        antes = self.antes
        posicion = None if antes is None else [antes.cantidad, antes.precio_entrada]
        return [posicion, self.cantidad, self.dinero]

    @classmethod
    def de_lista(cls, crudo: Sequence[Any]) -> Self:
        """From the journal."""
        antes, cantidad, dinero = crudo
        return cls(Posicion(*map(float, antes)) if antes else None, float(cantidad), float(dinero))


class Marcador(NamedTuple):
    """Up to where the account's history was taken."""

    cartera: float  # the wallet as it was last read; differs from the balance of an agent with a ledger
    ultima_transaccion: int  # every fill up to this trade id is booked
    propias: frozenset[int]  # later fills that are booked as well
    desde_ms: int  # when the account was first looked at; older fills are history
    ingresos: CursorIngresos
    sin_explicar: float = 0.0  # change of the wallet for which no income row has come yet
    deuda: Deuda | None = None  # what fills that were not listed did; they get their rows when they are

    def a_lista(self) -> list[object]:
        """As the journal keeps it."""
        hasta_ms, tomados = self.ingresos
        return [
            *(self.cartera, self.ultima_transaccion, sorted(self.propias), self.desde_ms),
            *(hasta_ms, sorted(map(list, tomados)), self.sin_explicar),
            *([] if self.deuda is None else [self.deuda.a_lista()]),
        ]

    @classmethod
    def de_lista(cls, crudo: Sequence[Any]) -> Self:
        """From the journal."""
        cartera, ultima, propias, desde_ms, hasta_ms, tomados, sin_explicar, *resto = crudo
        ingresos = CursorIngresos(int(hasta_ms), frozenset((str(c), int(i)) for c, i in tomados))
        return cls(
            *(float(cartera), int(ultima), frozenset(map(int, propias)), int(desde_ms), ingresos),
            sin_explicar=float(sin_explicar),
            deuda=Deuda.de_lista(resto[0]) if resto else None,
        )


class _Lectura(NamedTuple):
    """The account as it was read, and what leads there."""

    leido: EstadoCuenta | None  # ``None`` when it shows what the fills have closed
    base: EstadoCuenta  # what the fills start from
    filas: Sequence[Transaccion] = ()
    deuda: Deuda | None = None  # what is left without fills


Reconocedor = Callable[[int], Awaitable[bool]]
"""Whether an order, by its id at the exchange, is what one of the agent's stops became."""


class Cuenta:
    """The account of one agent on one symbol.

    Args:
        bolsa: The exchange.
        mercado: Symbol, filters and fees.
        capital: Assigned capital of an agent with a ledger of its own, whose balance then stands for the
            wallet's; ``None`` trades the whole wallet.
        es_de_un_stop: Tells the fills of the agent's stops apart.
        plazo_ingresos_s: Wall seconds that a change of the wallet may wait for the income rows that explain
            it; then it is booked as profit or loss.
        oidos: What the user stream has told of fills; nothing unless given.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        mercado: Mercado,
        capital: float | None = None,
        es_de_un_stop: Reconocedor | None = None,
        *,
        plazo_ingresos_s: float = PLAZO_INGRESOS_S,
        oidos: FillsOidos | None = None,
    ) -> None:
        self._bolsa = bolsa
        self._mercado = mercado
        self._capital = capital
        self._es_de_un_stop = es_de_un_stop
        self._plazo_ingresos_s = plazo_ingresos_s
        self._oidos = oidos or FillsOidos()
        # Until when what was held, on the loop's clock; as far back as a reading may lag, and be on its way.
        self._previas: deque[tuple[float, Posicion | None]] = deque()
        self._sin_ingreso_desde_s: float | None = None
        self._sin_listar: frozenset[int] = frozenset()  # booked fills that the newest list did not show
        self.marcador = Marcador(0.0, 0, frozenset(), 0, CursorIngresos(0))
        self.estado = EstadoCuenta(0.0)
        self.en_vuelo = False

    @property
    def con_libro(self) -> bool:
        """Whether the agent trades on a ledger of its own."""
        return self._capital is not None

    async def abrir(self, ahora_ms: int) -> EstadoCuenta:
        """First snapshot; whatever was traded before it is history."""
        filas = await self._bolsa.transacciones(self._mercado.simbolo)
        ultima = max((fila.id for fila in filas), default=0)
        leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
        ingresos = CursorIngresos(ahora_ms)
        ingresos = ingresos.tras(await leer_ingresos(self._bolsa, self._mercado.simbolo, ingresos))
        self.marcador = Marcador(leido.saldo, ultima, frozenset(), ahora_ms, ingresos)
        self.estado = leido if self._capital is None else leido._replace(saldo=self._capital)
        return self.estado

    def reanudar(self, estado: EstadoCuenta, marcador: Marcador) -> None:
        """Go on from what was known once; `actualizar` then books what was missed."""
        self.estado, self.marcador, self._sin_listar = estado, marcador, marcador.propias

    async def actualizar(self, *, exigente: bool = True, plazo_s: float = PLAZO_EJECUCIONES_S) -> Novedades:
        """Read the account and explain every difference from what was known.

        A difference in quantity is explained by fills, one in the wallet by fills, funding and transfers.

        Args:
            exigente: Whether a position that the listed fills do not explain is an error, and a wallet that
                the listed income does not explain yet is one for a while. Otherwise fills are waited for, and
                those that lead to a flat account are booked whatever a late reading shows. Without them the
                account is taken as it is read; fills that are listed later get their rows then, and change
                neither position nor balance any more.
            plazo_s: Wall seconds that they are waited for.

        Raises:
            LecturaFallida: What is known did not change; the explanation may be listed later.
        """
        leido, anterior, filas, deuda = await self._leer_con_operaciones(
            self.estado, exigente=exigente, plazo_s=plazo_s
        )
        saldada = self.marcador.deuda if anterior is not self.estado else None
        ajenos = await self._explicar(anterior, filas)
        esperado = ajenos[-1].movimiento.despues if ajenos else anterior
        if leido is None:
            leido = esperado._replace(saldo=redondear(self.marcador.cartera + resultado_de(filas)))
        cartera = leido.saldo
        funding = transferido = 0.0
        arrastre = redondear(self.marcador.sin_explicar - (saldada.dinero if saldada is not None else 0.0))
        ingresos, sin_explicar = self.marcador.ingresos, arrastre
        if self.con_libro:
            nuevos = await leer_ingresos(self._bolsa, self._mercado.simbolo, ingresos)
            ingresos = ingresos.tras(nuevos)
            funding = redondear(sumar(nuevos, ClaseIngreso.FUNDING_FEE))
            leido = leido._replace(saldo=redondear(esperado.saldo + funding))
        elif leido.saldo != esperado.saldo:
            diferencia = redondear(leido.saldo - esperado.saldo)
            ingresos, transferido, sin_explicar = await self._repartir(
                diferencia, arrastre, exigente=exigente
            )
            funding = redondear(diferencia - transferido)
        if deuda is not None and deuda != self.marcador.deuda:
            deuda = deuda._replace(dinero=redondear(deuda.dinero + sin_explicar - arrastre))
        for ajeno in ajenos:
            self._dejar_atras(ajeno.movimiento.antes)
        if not misma_posicion(leido.posicion, self.estado.posicion):
            self._dejar_atras(self.estado)
        self.estado = leido
        self._sin_ingreso_desde_s = None
        self.marcador = self._tomado(filas, deuda)._replace(
            cartera=cartera, ingresos=ingresos, sin_explicar=sin_explicar
        )
        # Funding was settled while the position was still held, so it comes before the fills.
        ajenos = tuple(ajeno.desplazado(funding) for ajeno in ajenos)
        return Novedades(ajenos, funding, transferido)

    def _tomado(self, filas: Sequence[Transaccion], deuda: Deuda | None) -> Marcador:
        """The marker past every fill that is known; not past one that may come yet, whose id is lower."""
        if deuda is not None:
            return self.marcador._replace(deuda=deuda)
        self._sin_listar |= {fila.id for fila in filas if not fila.listada}
        if self._sin_listar:
            propias = self.marcador.propias | {fila.id for fila in filas}
            return self.marcador._replace(propias=propias, deuda=None)
        ultima = max((_ultima(filas), self.marcador.ultima_transaccion, *self.marcador.propias))
        return self.marcador._replace(ultima_transaccion=ultima, propias=frozenset(), deuda=None)

    async def tras_ejecutar(self, transacciones: Sequence[Transaccion]) -> Movimiento:
        """Read the account after the agent's own fills and compare it with the core's arithmetic.

        An account that does not show them yet is taken as the arithmetic says; the next look compares, and
        explains whatever else has moved the wallet. Where the list of fills is behind, it is not waited for.
        """
        if not all(fila.listada for fila in transacciones):
            return self.sin_leer(transacciones)
        antes, ejecuciones = self.estado, ejecuciones_de(transacciones)
        sombra = self._sombra(antes, ejecuciones)
        leido = await self._leer_hasta(sombra.cantidad)
        if leido is None:
            log.warning("cuenta_atrasada", calculado=str(sombra))
            return self.sin_leer(transacciones)
        resultado = resultado_de(transacciones)
        propio = leido._replace(saldo=redondear(antes.saldo + resultado))
        cartera = redondear(self.marcador.cartera + resultado)
        nada_mas = isclose(leido.saldo, cartera, rel_tol=0.0, abs_tol=_TOLERANCIA_SALDO)
        self.marcador = self.marcador._replace(cartera=leido.saldo if nada_mas else cartera)
        if not _iguales(sombra, propio if self.con_libro else leido):
            log.warning("divergencia_con_la_bolsa", calculado=str(sombra), bolsa=str(leido))
        return self._tomar(leido if nada_mas and not self.con_libro else propio, transacciones)

    def sin_leer(self, transacciones: Sequence[Transaccion]) -> Movimiento:
        """Book the agent's own fills without looking at the account.

        What the exchange says now may already contain another order's; the next look explains it.
        """
        sombra = self._sombra(self.estado, ejecuciones_de(transacciones))
        # They may have closed what another order had opened: the exchange's result is the wallet's.
        resultado = resultado_de(transacciones)
        saldo = redondear(self.estado.saldo + resultado)
        self.marcador = self.marcador._replace(cartera=redondear(self.marcador.cartera + resultado))
        return self._tomar(sombra._replace(saldo=saldo), transacciones)

    def _tomar(self, despues: EstadoCuenta, transacciones: Sequence[Transaccion]) -> Movimiento:
        propias = self.marcador.propias | {fila.id for fila in transacciones}
        self.marcador = self.marcador._replace(propias=propias)
        self._sin_listar |= {fila.id for fila in transacciones if not fila.listada}
        movimiento = Movimiento(self.estado, despues, ejecuciones_de(transacciones))
        paso = self.estado
        for ejecucion in movimiento.ejecuciones:
            self._dejar_atras(paso)
            paso = self._sombra(paso, [ejecucion])
        self.estado = despues
        return movimiento

    async def explica(self, cantidad: float, *, con_fills: bool = False) -> bool:
        """Whether the listed fills that are not booked lead from what is known to a signed quantity.

        Args:
            cantidad: Base asset.
            con_fills: Whether none at all explain nothing, although the quantity is the known one.

        Raises:
            ErrorBolsa: They could not be read.
        """
        filas, _ = await self._por_anotar()
        if con_fills and not filas:
            return False
        deuda = self.marcador.deuda
        return self._llevan(self.estado, filas, cantidad) or (
            deuda is not None and self._llevan(self._sin(deuda), filas, cantidad)
        )

    async def leer(self) -> EstadoCuenta:
        """The account as the exchange shows it now, explained or not; an agent's ledger is what it was.

        Raises:
            ErrorBolsa: It could not be read.
        """
        leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
        return leido._replace(saldo=self.estado.saldo) if self.con_libro else leido

    async def leer_sin_retroceder(self) -> EstadoCuenta:
        """The account as it is read; as it is known when the reading shows what was held a moment ago.

        Raises:
            ErrorBolsa: It could not be read.
        """
        pedido_s = asyncio.get_running_loop().time()
        leido = await self.leer()
        return self.estado if self._es_de_antes(leido.posicion, pedido_s - RETRASO_S) else leido

    def _es_de_antes(self, posicion: Posicion | None, desde_s: float) -> bool:
        """Whether this position is not the known one, and was until some moment since then."""
        previas = [previa for hasta_s, previa in self._previas if hasta_s >= desde_s]
        return not misma_posicion(posicion, self.estado.posicion) and any(
            misma_posicion(posicion, previa) for previa in previas
        )

    def _dejar_atras(self, antes: EstadoCuenta) -> None:
        ahora_s = asyncio.get_running_loop().time()
        while self._previas and self._previas[0][0] < ahora_s - 2 * RETRASO_S:
            self._previas.popleft()
        self._previas.append((ahora_s, antes.posicion))

    async def _leer_hasta(self, cantidad: float) -> EstadoCuenta | None:
        """The account, once it shows a quantity; a read may lag behind an order for a moment."""
        for intento in range(_LECTURAS):
            if intento:
                await asyncio.sleep(_ESPERA_S)
            leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
            if leido.cantidad == cantidad:
                return leido
        return None

    async def _leer_con_operaciones(
        self, anterior: EstadoCuenta, *, exigente: bool, plazo_s: float
    ) -> _Lectura:
        """The account, and the fills that explain it.

        Account and fills are listed at different moments: a list without fills that are known is behind.
        """
        deuda, reloj_s = self.marcador.deuda, asyncio.get_running_loop().time
        limite_s = reloj_s() + (0.0 if exigente else plazo_s)
        for intento in count(1):
            leido = (await self._bolsa.cuenta(self._mercado.simbolo)).estado
            quieta = misma_posicion(anterior.posicion, leido.posicion)
            sin_novedad = quieta and leido.saldo == self.marcador.cartera
            tranquila = sin_novedad and deuda is None and (exigente or leido.posicion is None)
            if tranquila and not self._hay_que_listar():
                return _Lectura(leido, anterior)
            basta = self._bastan_los_oidos(anterior, leido, tranquila=tranquila)
            try:
                filas, al_dia = await self._por_anotar(_PLAZO_LISTA_S if basta else None)
            except ErrorBolsa as fallo:
                if not self._bastan_los_oidos(anterior, leido, tranquila=tranquila):
                    raise
                log.warning("fills_sin_leer", motivo=str(fallo))
                self._sin_listar |= self.marcador.propias
                return _Lectura(leido, anterior, en_orden(self._oidas()))
            if tranquila and not filas:
                return _Lectura(leido, anterior)
            if deuda is not None and filas and self._llevan(self._sin(deuda), filas, leido.cantidad):
                return _Lectura(leido, self._sin(deuda), filas)
            bastante = intento >= _LECTURAS
            explicada = self._llevan(anterior, filas, leido.cantidad) and (quieta or filas)
            if explicada and (al_dia or bastante):
                return _Lectura(leido, anterior, filas, self._pendiente(filas, al_dia=al_dia))
            if deuda is not None and quieta and bastante:
                return _Lectura(leido, anterior, deuda=deuda)
            if bastante and not exigente and filas and self._llevan(anterior, filas, 0.0):
                return _Lectura(None, anterior, filas)
            if bastante and reloj_s() >= limite_s:
                break
            await asyncio.sleep(_ESPERA_S)
        log.error("posicion_sin_explicar", conocida=str(anterior.posicion), bolsa=str(leido.posicion))
        if exigente:
            raise CuentaInexplicable(
                f"the position went from {anterior.cantidad} to {leido.cantidad}, and the listed fills do not"
                " explain it"
            )
        return _Lectura(leido, anterior, deuda=self._endeudar(anterior, leido.cantidad))

    def _bastan_los_oidos(self, anterior: EstadoCuenta, leido: EstadoCuenta, *, tranquila: bool) -> bool:
        """Whether a look can do without a list: what was heard explains what was read."""
        oidas = en_orden(self._oidas())
        if not oidas:
            return tranquila
        return self.marcador.deuda is None and self._llevan(anterior, oidas, leido.cantidad)

    def _llevan(self, base: EstadoCuenta, filas: Sequence[Transaccion], cantidad: float) -> bool:
        """Whether fills lead from an account to a signed quantity."""
        escala = self._mercado.filtros.escala_lote
        return al_paso(base.cantidad + sum(fila.cantidad for fila in filas), escala) == al_paso(
            cantidad, escala
        )

    def _endeudar(self, anterior: EstadoCuenta, cantidad: float) -> Deuda:
        """What is taken without fills, this time and before."""
        antes, ya, dinero = self.marcador.deuda or Deuda(anterior.posicion, 0.0)
        escala = self._mercado.filtros.escala_lote
        return Deuda(antes, al_paso(ya + cantidad - anterior.cantidad, escala), dinero)

    def _sin(self, deuda: Deuda) -> EstadoCuenta:
        """The account that is known, as it would be without what its missing fills did."""
        cantidad = al_paso(self.estado.cantidad - deuda.cantidad, self._mercado.filtros.escala_lote)
        conocida = deuda.antes or self.estado.posicion
        posicion = Posicion(cantidad, conocida.precio_entrada) if cantidad and conocida else None
        return EstadoCuenta(redondear(self.estado.saldo - deuda.dinero), posicion)

    def _pendiente(self, filas: Sequence[Transaccion], *, al_dia: bool) -> Deuda | None:
        """The fills that are still waited for: once later ones are listed, they will not come."""
        deuda = self.marcador.deuda
        if deuda is None or not (filas or (al_dia and self.marcador.propias)):
            return deuda
        log.error("ejecuciones_perdidas", cantidad=deuda.cantidad)
        return None

    def _sombra(self, antes: EstadoCuenta, ejecuciones: Sequence[Ejecucion]) -> EstadoCuenta:
        sombra = antes
        for fill in ejecuciones:
            sombra, _ = aplicar_compraventa(sombra, fill.cantidad, fill.precio, 0.0, self._mercado.filtros)
            sombra = sombra._replace(saldo=redondear(sombra.saldo - fill.comision))
        return sombra

    async def _por_anotar(self, plazo_s: float | None = None) -> tuple[tuple[Transaccion, ...], bool]:
        """Fills that are not booked, listed or heard, and whether those that are were listed too.

        Args:
            plazo_s: Wall seconds that the list is waited for; ``None`` for as long as the exchange is asked.

        Raises:
            ErrorBolsa: The list could not be read, or not in time.
        """
        ultima, propias = self.marcador[1:3]
        try:
            async with asyncio.timeout(plazo_s):
                filas = await self._bolsa.transacciones(self._mercado.simbolo, desde_id=ultima + 1)
        except TimeoutError as fallo:
            raise LecturaFallida(f"the list of fills did not come within {plazo_s} s") from fallo
        self._sin_listar = frozenset(propia for propia in propias if propia > ultima).difference(
            fila.id for fila in filas
        )
        nuevas = self._oidas() | {fila.id: fila for fila in filas if self._es_nueva(fila)}
        return en_orden(nuevas), not self._sin_listar

    def _oidas(self) -> dict[int, Transaccion]:
        """Fills that were heard and are not booked, by trade id."""
        oidas = self._oidos.desde(self.marcador.ultima_transaccion + 1)
        return {clave: fila for clave, fila in oidas.items() if self._es_nueva(fila)}

    def _es_nueva(self, fila: Transaccion) -> bool:
        ultima, propias, desde_ms = self.marcador[1:4]
        return fila.id > ultima and fila.id not in propias and fila.instante_ms >= desde_ms

    def _hay_que_listar(self) -> bool:
        """Whether a list may show fills that are not known, or why the wallet changed.

        After the agent's own fills as well: the marker is to pass no lower id that nobody has looked for.
        """
        return bool(self.marcador.propias or self.marcador.sin_explicar or self._oidas())

    async def _explicar(self, anterior: EstadoCuenta, filas: Sequence[Transaccion]) -> tuple[Ajeno, ...]:
        ajenos: list[Ajeno] = []
        estado = anterior
        for fila in filas:
            id_cliente = self._oidos.id_cliente_de(fila) or await self._bolsa.id_cliente_de(
                self._mercado.simbolo, fila.id_orden
            )
            status = await self._status_de(fila.id_orden, id_cliente)
            _contar(fila, status, id_cliente)
            for parte in _partir(fila, estado.cantidad, self._mercado.filtros.escala_lote):
                movimiento = self._asentar(estado, ejecuciones_de([parte])[0])
                ajenos.append(Ajeno(movimiento, status, fila.instante_ms, fila.precio, id_cliente))
                estado = movimiento.despues
        return tuple(ajenos)

    async def _status_de(self, id_orden: int, id_cliente: str) -> StatusFila:
        if id_cliente.startswith(_PREFIJOS_LIQUIDACION):
            return StatusFila.LIQUIDACION
        if self._es_de_un_stop is not None and await self._es_de_un_stop(id_orden):
            return StatusFila.PROTECCION
        return StatusFila.OK if id_cliente.startswith(PREFIJO_CLIENTE) else StatusFila.MANUAL

    def _asentar(self, estado: EstadoCuenta, fill: Ejecucion) -> Movimiento:
        """Book a fill as the exchange did: the insurance fund takes a loss beyond the wallet."""
        despues, _ = aplicar_compraventa(estado, fill.cantidad, fill.precio, 0.0, self._mercado.filtros)
        saldo = redondear(estado.saldo + fill.pnl_realizado - fill.comision)
        return Movimiento(estado, despues._replace(saldo=max(0.0, saldo)), (fill,), max(0.0, -saldo))

    async def _repartir(
        self, diferencia: float, arrastre: float, *, exigente: bool
    ) -> tuple[CursorIngresos, float, float]:
        """Funding and transfers that explain a change of the wallet.

        Args:
            diferencia: The change.
            arrastre: What was left unexplained of earlier ones.
            exigente: Whether a change that is not explained is an error for a while.

        Returns:
            The cursor after the rows read, what was transferred, and what no row explains yet.

        Raises:
            LecturaFallida: A row may still be listed, and decides whether this is profit, loss or neither.
        """
        reparto = await repartir(
            self._bolsa,
            self._mercado.simbolo,
            self.marcador.ingresos,
            diferencia,
            arrastre,
        )
        if not reparto.explicado:
            if exigente and self._puede_llegar_un_ingreso():
                raise LecturaFallida(
                    f"the wallet changed by {diferencia}, and no listed income explains all of it yet"
                )
            log.error("saldo_sin_explicar", monto=reparto.sin_explicar, transferido=reparto.transferido)
        return reparto.cursor, reparto.transferido, reparto.sin_explicar

    def _puede_llegar_un_ingreso(self) -> bool:
        """Whether an unexplained change of the wallet was first seen a short while ago."""
        ahora_s = asyncio.get_running_loop().time()
        if self._sin_ingreso_desde_s is None:
            self._sin_ingreso_desde_s = ahora_s
        return ahora_s - self._sin_ingreso_desde_s < self._plazo_ingresos_s


def _ultima(filas: Sequence[Transaccion]) -> int:
    return max((fila.id for fila in filas), default=0)


def resultado_de(transacciones: Sequence[Transaccion]) -> float:
    """What fills did to the wallet: realised profit less commissions."""
    return redondear(sum(fila.pnl_realizado - fila.comision for fila in transacciones))


def _contar(fila: Transaccion, status: StatusFila, id_cliente: str) -> None:
    """Tell of a fill that no decision explains; what our own stops and targets do is no surprise."""
    if status is StatusFila.PROTECCION:
        log.info("proteccion_ejecutada", id_cliente=id_cliente, cantidad=fila.cantidad, precio=fila.precio)
    elif status is not StatusFila.OK:
        log.warning("operacion_ajena", status=status.value, id_cliente=id_cliente, cantidad=fila.cantidad)


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
    return misma_posicion(calculado.posicion, bolsa.posicion) and isclose(
        calculado.saldo, bolsa.saldo, rel_tol=0.0, abs_tol=_TOLERANCIA_SALDO
    )


def misma_posicion(una: Posicion | None, otra: Posicion | None) -> bool:
    """Whether two readings are of one position: same quantity, entry prices but for rounding."""
    if una is None or otra is None:
        return una is otra
    return una.cantidad == otra.cantidad and isclose(
        una.precio_entrada, otra.precio_entrada, rel_tol=_TOLERANCIA_PRECIO
    )
