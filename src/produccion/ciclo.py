"""What happens on each closed candle, between candles, and when the drawdown limit is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from math import isclose
from time import perf_counter
from typing import NamedTuple, NoReturn, Protocol, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from src.nucleo.a_mano import OrdenPedida, planificar_a_mano
from src.nucleo.cartera import equity_de
from src.nucleo.contabilidad import Contabilidad, Movimiento
from src.nucleo.dinero import precio_desplazado, producto, redondear, suma
from src.nucleo.errores import (
    EmergenciaDrawdown,
    EmergenciaOperacional,
    ErrorBolsa,
    LecturaFallida,
    LimiteDeRiesgo,
    OrdenRechazada,
    PosicionDesprotegida,
    ProteccionRota,
    ResultadoIncierto,
    SolicitudInvalida,
    StopInaceptable,
    StopMasFlojo,
)
from src.nucleo.frenos import AJUSTE_MANUAL
from src.nucleo.ordenes import MOTIVO_SALIDA, Plan, trocear
from src.nucleo.registro import Resultado, StatusFila
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.tipos import EstadoCuenta, Operacion, Posicion, Vela
from src.nucleo.vida_orden import VidaOrden
from src.produccion.a_mano import FinAMano, LibroAMano, MemoriaAMano, OperacionAMano
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.cronica import Cronica
from src.produccion.cuenta import PLAZO_EJECUCIONES_S, Ajeno, Cuenta, Novedades, misma_posicion
from src.produccion.dataprovider import DataProvider
from src.produccion.decision import Decisor, Reglas
from src.produccion.diario.memoria import Pendiente
from src.produccion.metricas.histograma import Histograma
from src.produccion.observacion import ObservacionBuilder
from src.produccion.ordenes.cierre import Referencia
from src.produccion.ordenes.ejecutor import Ejecutor, Informe, id_cliente_de
from src.produccion.ordenes.oidos import FillsOidos
from src.produccion.puertos import EventoMargen, EventoMark, EventoOrden, EventoStop, Reloj
from src.produccion.Registro import Emergencia
from src.produccion.riesgo.control_riesgo import Bloqueo, ControlRiesgo
from src.produccion.riesgo.enclavamiento import PLAZO_S as PLAZO_ENCLAVAR_S
from src.produccion.riesgo.enclavamiento import Razon
from src.produccion.stops.proteccion import Protector
from src.produccion.stops.stops_recordados import NivelPuesto

_ENTRE_CIERRES_S = 1.0  # wall seconds
_ENTRE_MIRADAS_S = 0.5  # the same
MOTIVO_A_MANO = "order"
"""The first word of what an order by hand is sent for."""

_SIN_ORDENES = Informe(Resultado.NINGUNA)
_STATUS_POR_MOTIVO = {
    "unprotected": StatusFila.PROTECCION,
    "blind": StatusFila.PROTECCION,
    "vanished": StatusFila.PROTECCION,
    "guardian": StatusFila.MANUAL,
    MOTIVO_SALIDA: StatusFila.MANUAL,
    MOTIVO_A_MANO: StatusFila.MANUAL,
}
"""What orders that the agent did not decide were sent for."""

_AUMENTOS = (Operacion.AUMENTAR_LONG, Operacion.AUMENTAR_SHORT)

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Piezas(NamedTuple):
    """The services a candle passes through."""

    datos: DataProvider
    cuenta: Cuenta
    observador: ObservacionBuilder
    agente: AgenteProduccion
    control: ControlRiesgo
    protector: Protector
    ejecutor: Ejecutor
    oidos: FillsOidos
    cronica: Cronica
    reloj: Reloj
    a_mano: LibroAMano


class CierreCompartido(Protocol):
    """Settles with whoever else watches the position who closes it when its stop does not."""

    async def lo_hizo_otro(self, abierta_ms: int) -> bool:
        """Whether somebody else has closed the operation opened then; never waits long to know."""
        ...

    def hecho(self) -> None:
        """It was closed here."""
        ...


class _Aumento(NamedTuple):
    """What the newest decision added to a position."""

    cantidad: float  # signed
    instante_ms: int


class _PorAnotar(NamedTuple):
    """The account with a position that orders have opened and nobody has booked."""

    estado: EstadoCuenta
    cuenta: Cuenta

    async def explica(self, cantidad: float) -> bool:
        """Whether listed fills lead to this signed quantity; that none are listed yet says nothing."""
        return await self.cuenta.explica(cantidad, con_fills=True)


class Ciclo:
    """One agent's way through its candles.

    Args:
        piezas: The services.
        reglas: The artefact's numbers.
        mark: Mark price when it starts.
    """

    def __init__(self, piezas: Piezas, reglas: Reglas, mark: float) -> None:
        self._p = piezas
        self._r = reglas
        self._decisor = Decisor(piezas.datos, piezas.observador, piezas.agente, piezas.control, reglas)
        self._pendiente: Pendiente | None = None
        self._reanudada = False
        self._propia_hasta_ms = -1
        self._aumento: _Aumento | None = None
        self._cerrada_por_otro = False
        self._abandonada = False
        self.compartido: CierreCompartido | None = None
        """Asked before a position is closed for its stop; ``None`` while nobody else may."""
        self.mark = mark
        self.stop_tocado = False
        self.freno_movido = False
        self.protocolo_cumplido = False
        self.decision_s, self.vela_s, self.retraso_s = Histograma(), Histograma(), Histograma()
        """How long candles took until their decision and to their end, and how late they were decided."""

    @property
    def datos(self) -> DataProvider:
        """The window of closed candles."""
        return self._p.datos

    @property
    def control(self) -> ControlRiesgo:
        """What may be opened, and what speaks against it."""
        return self._p.control

    @property
    def paso(self) -> int:
        """Closed candles acted on in this session."""
        return self._p.cronica.paso

    @property
    def contabilidad(self) -> Contabilidad:
        """Trades and profit of this session."""
        return self._p.cronica.contabilidad

    @property
    def max_drawdown(self) -> float:
        """Largest drawdown of this session, as a fraction."""
        return self._p.control.estado.max_drawdown

    @property
    def riesgo(self) -> EstadoRiesgo:
        """What the drawdown monitor remembers."""
        return self._p.control.estado

    @property
    def bloqueos(self) -> frozenset[Bloqueo]:
        """Why nothing may be opened now."""
        return frozenset(self._p.control.bloqueos)

    @property
    def vetada(self) -> bool:
        """Whether entries wait after an exit that the agent did not decide."""
        return self._p.control.veto is not None

    @property
    def enclavada(self) -> bool:
        """Whether this session has locked account and symbol."""
        return self._p.control.enclavado

    @property
    def stop(self) -> float | None:
        """Trigger of the stop that is known to protect the position; ``None`` when none does."""
        return self._p.protector.gatillo if self._p.protector.cubre else None

    @property
    def gatillo(self) -> float | None:
        """Trigger of the stop that is wanted nearest to the market."""
        return self._p.protector.gatillo

    @property
    def operacion(self) -> NivelPuesto | None:
        """The operation that is open and what protects it."""
        return self._p.protector.puesto

    @property
    def _abierta(self) -> Posicion | None:
        """The position that is booked, or the one that is protected before it can be."""
        return self._p.cuenta.estado.posicion or self._p.protector.sin_anotar

    @property
    def protegida(self) -> bool:
        """Whether there is nothing to protect, or a resident stop protects it."""
        if self._incierta:
            # What an order did is not known yet: a flat account may be flat no longer.
            return False
        return self._abierta is None or self._p.protector.cubre

    def no_abrir(self, bloqueo: Bloqueo, *, activo: bool = True) -> None:
        """Hold entries until this reason is taken down again."""
        (self._p.control.bloqueos.add if activo else self._p.control.bloqueos.discard)(bloqueo)

    def retomar(self, pendiente: Pendiente) -> None:
        """Take up a decision of an earlier life whose effect is not in the record."""
        self._pendiente, self._reanudada = pendiente, True

    async def recuperar(self) -> None:
        """Before anything else: end what was begun, book what was missed, protect what is open.

        Raises:
            LecturaFallida: Something could not be read; calling again goes on from there.
        """
        if self._pendiente is not None:
            await self._amparar()
        await self._completar()
        plazo_s = await self._esperar_ejecuciones()
        propias = await self._o_amparar(self._explicar(exigente=False, plazo_s=plazo_s))
        # An exit does not wait for its journal: a fill whose intent is lost is the newest candle's.
        self._propia_hasta_ms = max(self._propia_hasta_ms, propias)
        await self._revisar_proteccion()
        await self._atender_a_mano()

    async def _esperar_ejecuciones(self) -> float:
        """Give fills time to be listed; the position that they led to is protected before.

        Returns:
            Wall seconds that are left of it.
        """
        p, reloj_s = self._p, asyncio.get_running_loop().time
        limite_s, protegido = reloj_s() + PLAZO_EJECUCIONES_S, p.cuenta.estado
        while True:
            leido, conocida = await p.cuenta.leer(), p.cuenta.estado.posicion
            queda_s = max(0.0, limite_s - reloj_s())
            if misma_posicion(leido.posicion, conocida):
                return queda_s
            otro_precio = leido.cantidad == p.cuenta.estado.cantidad
            if await p.cuenta.explica(leido.cantidad, con_fills=otro_precio):
                return queda_s
            if leido.posicion is not None and leido.posicion != protegido.posicion:
                protegido = leido
                await self._proteger_sin_anotar(leido)
            if queda_s == 0.0:
                return queda_s
            await asyncio.sleep(_ENTRE_MIRADAS_S)

    def debe_decidir(self) -> bool:
        """Whether the newest candle waits for its decision, or a decision for its end."""
        if self._pendiente is not None:
            return True
        datos = self._p.datos
        sin_decidir = datos.ultima.apertura_ms > self._p.cronica.ultima_decidida_ms
        return sin_decidir and datos.esperada_ms > self._propia_hasta_ms

    def tomar_mark(self, evento: EventoMark) -> bool:
        """Watch drawdown between candles and let the stop trail; true when the limit is exceeded for certain.

        A mark beyond the resident stop says that the account is no longer what is known of it: it must be
        looked at before anything is made of the price.
        """
        self.mark = evento.precio
        if self._p.cuenta.en_vuelo or self.stop_tocado:
            return False
        if self._p.protector.tocado(evento.precio):
            self.stop_tocado = True
            return False
        confirmado = self._vigilar(evento.instante_ms)
        if not confirmado and evento.instante_ms != self._cierre_en_curso_ms():
            self.freno_movido |= self._p.protector.seguir(evento.precio, evento.instante_ms)
        return confirmado

    def _cierre_en_curso_ms(self) -> int:
        """When the candle that is forming closes: what its closing price moves comes after its decision."""
        return self._p.datos.siguiente_cierre_ms

    def tomar_orden(self, evento: EventoOrden) -> None:
        """The user stream told how an order stands."""
        if evento.fill is not None and evento.simbolo == self._r.mercado.simbolo:
            self._p.oidos.oir(evento.fill, evento.respuesta.id_cliente)
        self._p.ejecutor.tomar_evento(evento)

    def tomar_stop(self, evento: EventoStop) -> None:
        """The user stream told how a stop stands."""
        self._p.protector.tomar_evento(evento)

    def tomar_aviso_de_margen(self, evento: EventoMargen) -> None:
        """The exchange warned that the margin is running out."""
        self._p.control.tomar_margen(evento)

    async def mirar(self, instante_ms: int) -> bool:
        """Look at the account between candles; true when the drawdown limit is exceeded for certain.

        Raises:
            ErrorBolsa: It could not be read.
        """
        await self._al_dia()
        return self._vigilar(instante_ms)

    async def mover_freno(self, instante_ms: int) -> None:
        """Have the trailing stop at the exchange where it has moved to.

        Raises:
            ErrorBolsa: It could not be looked at; the next look at the account goes on from there.
        """
        if not self.freno_movido:
            return
        self.freno_movido = False
        try:
            await self._proteger(self._p.protector.mover(), instante_ms)
        except ErrorBolsa:
            self.stop_tocado = True
            raise

    async def procesar_vela(self, cierre_ms: int, motivo_para_no_decidir: str = "") -> None:
        """Steps A to H on the newest candle of the window.

        Args:
            cierre_ms: The candle's boundary: open time of the next one.
            motivo_para_no_decidir: Account and risk are looked at, but nothing is sent.

        Raises:
            EmergenciaDrawdown: The limit was reached; the protocol has run.
            ErrorBolsa: The account could not be read; nothing was decided, or what was decided is not
                finished: calling again goes on from there.
        """
        pendiente, inicio_s = self._pendiente, perf_counter()
        with bound_contextvars(vela_ms=self._p.datos.ultima.apertura_ms):
            if pendiente is None or pendiente.cierre_ms < cierre_ms:
                cuenta = await self._al_dia()
                await self._decidir(cuenta, cierre_ms, motivo_para_no_decidir or self._p.a_mano.impedimento)
                self.decision_s.observar(perf_counter() - inicio_s)
                self.retraso_s.observar((self._p.reloj.ahora_ms() - cierre_ms) / 1_000)
            await self._completar()
            self._p.control.guardar_pico()
        self.vela_s.observar(perf_counter() - inicio_s)

    def anotar_velas(self, velas: Sequence[Vela]) -> None:
        """Note candles that no decision shows; those of an earlier life are in the journal already."""
        ultima = self._p.cronica.ultima_decidida_ms
        self._p.cronica.anotar_velas([vela for vela in velas if vela.apertura_ms > ultima])

    async def anotar_detencion(self, quien: str, motivo: str | None, mando: str) -> None:
        """Note that somebody wants the daemon to end, before it does."""
        await self._p.cronica.anotar_detencion(quien, motivo, mando)

    async def asentar(self) -> None:
        """Return when everything noted so far is on disk; only a market that waits needs it."""
        await self._p.cronica.asentar()

    async def emergencia(self, razon: Razon, instante_ms: int, detalle: str) -> NoReturn:
        """Run the emergency protocol; always ends by raising, whatever becomes of the disk.

        Raises:
            EmergenciaDrawdown: After a drawdown emergency.
            EmergenciaOperacional: After an operational one.
        """
        log.critical("protocolo_de_emergencia", razon=razon.value, detalle=detalle)
        enclavamiento = asyncio.create_task(self._enclavar(razon, detalle))
        cerradas = await self.cerrar_posicion("emergency", instante_ms, StatusFila.EMERGENCIA)
        for otra_vez in count(1):
            if self._p.cuenta.estado.posicion is None:
                break
            log.critical("posicion_tras_cerrar", posicion=str(self._p.cuenta.estado.posicion))
            await asyncio.sleep(_ENTRE_CIERRES_S)
            cerradas += await self.cerrar_posicion("emergency", instante_ms + otra_vez, StatusFila.EMERGENCIA)
        estado = self._p.cuenta.estado
        equity = equity_de(estado, self.mark)
        self._p.cronica.anotar_emergencia(
            Emergencia(instante_ms, razon.value, estado.saldo, equity, cerradas, detalle)
        )
        falta = await _sin_enclavar(enclavamiento)
        self._p.control.guardar_pico()
        self._p.control.anotar_plana()
        if razon is Razon.DRAWDOWN:
            raise EmergenciaDrawdown(
                f"the drawdown limit was reached ({detalle}); the account is flat{falta}"
            )
        raise EmergenciaOperacional(f"operational emergency ({detalle}); the account is flat{falta}")

    async def cerrar_posicion(self, motivo: str, instante_ms: int, status: StatusFila) -> int:
        """Flatten the account and write the rows that say so; returns how many positions were closed.

        Its orders are named after the place in the record as well: two positions may be closed in one moment
        of a market that stands still.
        """
        ficha = f"{motivo}:{self._r.agente_id}:{instante_ms}:{self._p.cronica.lugar}"
        self._p.cuenta.en_vuelo = True
        cerradas = await self._p.control.cerrar_todo(ficha, self._referencia())
        self.protocolo_cumplido = status is StatusFila.EMERGENCIA
        self._abandonar_pendiente()
        novedades = await self._tras_cerrar()
        self._p.cuenta.en_vuelo = False
        self._vetar(novedades.ajenos)
        self._acabar_a_mano()
        self._p.cronica.anotar_cierre(novedades.ajenos, status, instante_ms, self.mark)
        if novedades.transferido:
            self._seguir_transferencia(novedades.transferido)
        return int(bool(cerradas))

    def _referencia(self) -> Referencia:
        """What readings of the account are held against: with what was opened and is not booked yet."""
        cuenta = self._p.cuenta
        if cuenta.estado.posicion is not None:
            return cuenta
        leida = self._p.protector.sin_anotar
        abierto = self._abierto_sin_anotar() or (leida.cantidad if leida is not None else 0.0)
        if abierto == 0.0:
            return cuenta
        return _PorAnotar(cuenta.estado._replace(posicion=Posicion(abierto, self.mark)), cuenta)

    def _abierto_sin_anotar(self) -> float:
        """Signed quantity that the orders under way have filled, as far as it is known."""
        p, fichas = self._p, []
        if self._pendiente is not None:
            fichas.append(self._ficha_de(self._pendiente))
        if p.a_mano.abierta is not None and not p.a_mano.abierta.puesta:
            fichas.append(self._ficha_a_mano(p.a_mano.abierta.mando))
        return suma(*(p.ejecutor.neto(ficha) for ficha in fichas))

    def _ficha_de(self, pendiente: Pendiente) -> str:
        return f"{self._r.agente_id}:{pendiente.vela.apertura_ms}:{pendiente.plan.operacion.value}"

    def _ficha_a_mano(self, mando: str) -> str:
        return f"{MOTIVO_A_MANO}:{self._r.agente_id}:{mando}"

    async def cerrar_y_seguir(
        self, motivo: str, instante_ms: int, status: StatusFila = StatusFila.PROTECCION
    ) -> None:
        """Close a position, such as one that nothing protects, and go on."""
        await self.cerrar_posicion(motivo, instante_ms, status)
        self._p.control.bloqueos.discard(Bloqueo.CIERRE)

    def anotar_abandono(self, motivo: str) -> None:
        """Note once that a position is closed for want of a stop, however many tries that takes."""
        posicion = self._abierta
        if not self._abandonada and posicion is not None:
            self._abandonada = True
            self._p.cronica.anotar_desproteccion(motivo, posicion, self._p.protector.gatillo)

    async def posicion_al_dia(self) -> Posicion | None:
        """The position as the exchange has it now, its stop where it belongs.

        Raises:
            ErrorBolsa: It could not be read.
        """
        return (await self._al_dia()).posicion

    async def ajustar_a_mano(self, stop: float | None, objetivo: float | None, nivel: str) -> float | None:
        """Move stop or target where somebody says; returns the stop that was in force.

        Raises:
            StopInaceptable: It cannot be there; nothing has changed.
            ErrorBolsa: The account must be read again.
        """
        ahora_ms = self._p.reloj.ahora_ms()
        anterior = self._p.protector.ajustar_a_mano(stop, objetivo, nivel, self.mark, ahora_ms)
        await self._proteger(self._p.protector.mover(), ahora_ms)
        return anterior

    async def reducir_a_mano(self, cantidad: float) -> Posicion | None:
        """Give up a part of the position at market because somebody says so; returns what is left.

        Args:
            cantidad: Signed like the order; less than the position, on the lot step.

        Raises:
            ErrorBolsa: The exchange refused it, or what it did is not known yet.
        """
        ahora_ms, antes = self._p.reloj.ahora_ms(), self._p.cuenta.estado.cantidad
        operacion = Operacion.REDUCIR_LONG if cantidad < 0.0 else Operacion.REDUCIR_SHORT
        plan = Plan(operacion, trocear(cantidad, self._r.mercado.filtros), True)
        ficha = f"guardian:{self._r.agente_id}:{ahora_ms}:{self._p.cronica.lugar}"
        self._p.cuenta.en_vuelo = True
        informe = await self._p.ejecutor.ejecutar(plan, ficha, posicion_previa=antes)
        if informe.resultado is Resultado.INCIERTA:
            self._p.control.bloqueos.add(Bloqueo.INCIERTO)
            raise ResultadoIncierto(f"what the order did is not known yet: {informe.error}")
        if not informe.transacciones:
            self._p.cuenta.en_vuelo = False
            raise OrdenRechazada(informe.error, codigo=informe.codigo)
        await self._anotar_reduccion(informe, ahora_ms)
        return self._p.cuenta.estado.posicion

    async def cancelar_a_mano(self, id_cliente: str) -> str:
        """Cancel an order that has not ended because somebody says so; returns what came of it.

        Raises:
            SolicitudInvalida: It is over, or none of this daemon's.
            StopInaceptable: The open position would be left without its stop.
            ErrorBolsa: It may still live.
        """
        await self._al_dia()
        p = self._p
        vida = p.ejecutor.vida_de(id_cliente)
        if vida is None:
            await self._proteger(p.protector.cancelar_a_mano(id_cliente), p.reloj.ahora_ms())
            return f"order {id_cliente} is cancelled"
        if vida.terminada:
            raise SolicitudInvalida(f"order {id_cliente} is over: {vida.estado.value}; nothing was done")
        vida = await p.ejecutor.cancelar(id_cliente)
        await self._al_dia()
        return f"order {id_cliente} ended {vida.estado.value}, {vida.ejecutada:g} of {vida.cantidad:g} filled"

    def a_mano_de(self, mando: str) -> MemoriaAMano | None:
        """What is known of the operation that a command asked for; ``None`` when it was never begun."""
        return self._p.a_mano.de(mando)

    def vida_de(self, id_cliente: str) -> VidaOrden | None:
        """What is known of an order at market; ``None`` when its intent is not."""
        return self._p.ejecutor.vida_de(id_cliente)

    @property
    def _incierta(self) -> bool:
        """Whether it is not known yet what an order did."""
        return self._p.cuenta.en_vuelo or self._p.ejecutor.hay_incierta

    async def abrir_a_mano(
        self, pedida: OrdenPedida, mando: str, quien: str, vigente: Callable[[], bool]
    ) -> VidaOrden:
        """Open a position at market because somebody says so, and protect it; returns its order.

        The agent is held back from before the order is sent until the account is flat again. The same command
        always has the same client order id, so that it is never sent twice.

        Args:
            pedida: What is wanted; the mark is the newest one.
            mando: Names the command.
            quien: Who wants it.
            vigente: Whether somebody still waits for it.

        Raises:
            SolicitudInvalida: Something forbids it, or it cannot be; nothing was sent.
            StopInaceptable: Its stop or target cannot be there; nothing was sent.
            ErrorBolsa: The exchange refused it, or what it did is not known yet.
        """
        p, cuenta = self._p, await self._al_dia()
        plan = self._plan_a_mano(pedida, cuenta)
        ficha = self._ficha_a_mano(mando)
        id_cliente = id_cliente_de(f"{ficha}:0")
        try:
            p.a_mano.empezar(OperacionAMano(mando, quien, id_cliente, pedida.stop, pedida.objetivo))
            p.cuenta.en_vuelo = True
            informe = await self._o_amparar(p.ejecutor.ejecutar(plan, ficha, vigente, posicion_previa=0.0))
        except EmergenciaOperacional as fallo:
            informe = Informe(Resultado.RECHAZADA, (), str(fallo))
        if informe.resultado is Resultado.INCIERTA:
            p.control.bloqueos.add(Bloqueo.INCIERTO)
            raise ResultadoIncierto(f"what order {id_cliente} did is not known yet: {informe.error}")
        if not informe.transacciones:
            p.cuenta.en_vuelo = False
            p.a_mano.acabar(FinAMano(False, informe.error))
            raise OrdenRechazada(informe.error, codigo=informe.codigo)
        await self._anotar_apertura(informe, p.reloj.ahora_ms())
        vida = p.ejecutor.vida_de(id_cliente)
        assert vida is not None
        return vida

    def _plan_a_mano(self, pedida: OrdenPedida, cuenta: EstadoCuenta) -> Plan:
        """The plan of an order by hand, once every gate has let it through."""
        p, mercado = self._p, self._r.mercado
        if cuenta.posicion is not None:
            raise SolicitudInvalida(
                f"a position of {cuenta.cantidad:g} {mercado.simbolo} is open: an order by hand needs a flat"
                " account; close it first"
            )
        p.control.exigir_entrada()
        if p.control.enclavado:
            raise LimiteDeRiesgo("account and symbol are locked after an emergency")
        if p.ejecutor.hay_incierta:
            raise LimiteDeRiesgo(f"nothing is opened or increased now: {Bloqueo.INCIERTO.value}")
        plan = planificar_a_mano(pedida, self.mark, self._r.limites)
        equity, tick = equity_de(cuenta, self.mark), mercado.filtros.escala_tick
        esperado = precio_desplazado(self.mark, self._r.slippage, tick, compra=pedida.largo)
        validacion = p.control.validar_accion_pre(plan, cuenta, equity, esperado, self.mark)
        if not validacion.valida:
            raise LimiteDeRiesgo(f"{validacion.rechazo.value}: {validacion.detalle}")
        comision = producto(abs(plan.cantidades[0]), esperado, mercado.comision_taker)
        prevista = EstadoCuenta(redondear(cuenta.saldo - comision), Posicion(plan.cantidades[0], esperado))
        maximo = p.control.estado.equity_maximo
        p.protector.comprobar_apertura(prevista, pedida.stop, pedida.objetivo, self.mark, maximo)
        return plan

    async def _anotar_apertura(self, informe: Informe, ahora_ms: int) -> None:
        """Book what was opened by hand and protect it: it is done, whatever cannot be read of it now."""
        antes = self._p.cuenta.estado
        ajeno = await self._anotar_a_mano(informe, ahora_ms)
        try:
            maximo = self._p.control.estado.equity_maximo
            despues = ajeno.movimiento.despues
            await self._proteger(
                self._p.protector.tras_operar(antes, despues, self.mark, maximo, ahora_ms), ahora_ms
            )
            await self._atender_a_mano()
        except ErrorBolsa as fallo:
            log.error("proteccion_sin_mirar", motivo=str(fallo))
            self.stop_tocado = True

    async def _atender_a_mano(self) -> None:
        """Give what a person opened its stop and target, and let the agent go on once it is over."""
        p = self._p
        abierta = p.a_mano.abierta
        if abierta is None or self._incierta:
            return
        if p.cuenta.estado.posicion is not None and not abierta.puesta:
            await self._proteger_a_mano(abierta)
        self._acabar_a_mano()

    async def _proteger_a_mano(self, abierta: OperacionAMano) -> None:
        ahora_ms = self._p.reloj.ahora_ms()
        try:
            self._querer(abierta.stop, abierta.objetivo, ahora_ms)
        except StopInaceptable as fallo:
            log.critical("posicion_tras_su_stop", motivo=str(fallo), efecto="it is closed")
            self._p.a_mano.proteger()
            await self.cerrar_y_seguir("unprotected", ahora_ms)
            return
        self._p.a_mano.proteger()
        await self._proteger(self._p.protector.mover(), ahora_ms)

    def _querer(self, stop: float | None, objetivo: float | None, ahora_ms: int) -> None:
        """Want stop and target there; a stop that the position's own is tighter than changes nothing."""
        if stop is None and objetivo is None:
            return
        try:
            self._p.protector.ajustar_a_mano(stop, objetivo, AJUSTE_MANUAL, self.mark, ahora_ms)
        except StopMasFlojo as fallo:
            log.warning("stop_pedido_mas_flojo", motivo=str(fallo), efecto="the tighter one stays")
            self._querer(None, objetivo, ahora_ms)

    def _acabar_a_mano(self) -> None:
        """What a person opened is over when the account is flat, and nothing may come of its order."""
        abierta = self._p.a_mano.abierta
        if abierta is None or self._p.cuenta.estado.posicion is not None or self._incierta:
            return
        vida = self._p.ejecutor.vida_de(abierta.id_cliente)
        abrio = abierta.puesta or (vida is not None and vida.ejecutada > 0.0)
        motivo = "" if abrio else "it was never sent" if vida is None else vida.motivo
        self._p.a_mano.acabar(FinAMano(abrio, motivo))

    async def _anotar_reduccion(self, informe: Informe, ahora_ms: int) -> None:
        """Book what was given up by hand: it is done, whatever cannot be read of it now."""
        await self._anotar_a_mano(informe, ahora_ms)
        try:
            await self._explicar(exigente=True)
            await self._revisar_proteccion()
        except ErrorBolsa as fallo:
            log.error("proteccion_sin_mirar", motivo=str(fallo))
            self.stop_tocado = True

    async def _anotar_a_mano(self, informe: Informe, ahora_ms: int) -> Ajeno:
        try:
            movimiento = await self._p.cuenta.tras_ejecutar(informe.transacciones)
        except ErrorBolsa as fallo:
            log.error("cuenta_sin_leer", motivo=str(fallo))
            movimiento = self._p.cuenta.sin_leer(informe.transacciones)
        self._p.cuenta.en_vuelo = False
        ajeno = Ajeno(movimiento, StatusFila.MANUAL, ahora_ms, informe.transacciones[-1].precio)
        self._vetar([ajeno])
        self._p.cronica.anotar_ajenos([ajeno])
        return ajeno

    async def _enclavar(self, razon: Razon, detalle: str) -> None:
        if razon is Razon.DRAWDOWN:
            await self._p.control.enclavar(detalle)

    async def _tras_cerrar(self) -> Novedades:
        """What closing did; a read that fails now must not undo that the account is flat."""
        try:
            return await self._p.cuenta.actualizar(exigente=False)
        except ErrorBolsa as fallo:
            log.critical("cierre_sin_filas", motivo=str(fallo))
            return Novedades((), 0.0, 0.0)

    def _vigilar(self, instante_ms: int) -> bool:
        equity = equity_de(self._p.cuenta.estado, self.mark)
        self._p.control.vigilar_margen(self._p.cuenta.estado, self.mark)
        confirmado = self._p.control.verificar_drawdown(equity, instante_ms).confirmado
        self._p.cronica.anotar_riesgo(instante_ms)
        return confirmado

    async def _al_dia(self) -> EstadoCuenta:
        """The account as the exchange has it, every difference booked, and its stop where it belongs."""
        await self._completar()
        if self._abierta is not None and not self._p.protector.confirmado:
            await self._amparar()
        await self._o_amparar(self._explicar(exigente=True))
        await self._revisar_proteccion()
        await self._atender_a_mano()
        return self._p.cuenta.estado

    async def _explicar(self, *, exigente: bool, plazo_s: float = PLAZO_EJECUCIONES_S) -> int:
        """Book what happened to the account; returns when a fill did that no known intent explains, or −1."""
        self.no_abrir(Bloqueo.INCIERTO, activo=not await self._p.ejecutor.resolver_pendientes())
        novedades = await self._p.cuenta.actualizar(exigente=exigente, plazo_s=plazo_s)
        self._p.cuenta.en_vuelo = self.stop_tocado = False
        ajenos = [self._con_su_motivo(ajeno) for ajeno in novedades.ajenos]
        self._cerrada_por_otro = self._cerrada_por_otro and not ajenos
        self._vetar([a for a in ajenos if a.status is not StatusFila.OK])
        self._p.cronica.anotar_ajenos(ajenos)
        if novedades.transferido:
            self._seguir_transferencia(novedades.transferido)
        if self._solo_queda_el_aumento(ajenos):
            log.critical("aumento_sin_posicion", cantidad=self._p.cuenta.estado.cantidad)
            self._aumento = None
            await self.cerrar_y_seguir("vanished", self._p.reloj.ahora_ms())
        return max((a.instante_ms for a in ajenos if self._sin_intencion(a)), default=-1)

    def _con_su_motivo(self, ajeno: Ajeno) -> Ajeno:
        """A fill of our own that the agent did not decide is no decision's, whoever was there to book it."""
        if ajeno.status is not StatusFila.OK:
            return ajeno
        if self._cerrada_por_otro and self._sin_intencion(ajeno):
            return ajeno._replace(status=StatusFila.PROTECCION)
        motivo = self._p.ejecutor.motivo_de(ajeno.id_cliente)
        return ajeno._replace(status=_STATUS_POR_MOTIVO.get(motivo, StatusFila.OK))

    def _solo_queda_el_aumento(self, ajenos: Sequence[Ajeno]) -> bool:
        """Whether a position was closed before its increase came: that opened one which nobody decided to."""
        aumento, cantidad = self._aumento, self._p.cuenta.estado.cantidad
        if aumento is None or cantidad == 0.0 or not isclose(cantidad, aumento.cantidad, rel_tol=1e-9):
            return False
        return any(a.status is not StatusFila.OK and a.instante_ms <= aumento.instante_ms for a in ajenos)

    def _sin_intencion(self, ajeno: Ajeno) -> bool:
        """Whether a fill is the agent's own and what it was sent for did not reach the disk."""
        return ajeno.status is StatusFila.OK and not self._p.ejecutor.conoce(ajeno.id_cliente)

    def _vetar(self, ajenos: Sequence[Ajeno]) -> None:
        """What the agent did not decide holds its entries on that side."""
        for ajeno in ajenos:
            self._p.control.vetar(ajeno.movimiento.antes.cantidad, ajeno.movimiento.despues.cantidad)

    def _seguir_transferencia(self, monto: float) -> None:
        """A deposit or withdrawal is no profit or loss: peak and reference capital scale with the equity."""
        equity = equity_de(self._p.cuenta.estado, self.mark)
        antes = equity - monto
        if antes <= 0.0 or equity <= 0.0:
            return
        log.warning("transferencia", monto=monto)
        self._p.control.escalar(equity / antes)
        self._p.cronica.anotar_referencia(self._p.observador.escalar(equity / antes))

    async def _revisar_proteccion(self) -> None:
        p = self._p
        await self._proteger(
            p.protector.revisar(p.cuenta.estado, p.control.estado.equity_maximo, self.mark),
            p.reloj.ahora_ms(),
        )

    async def _o_amparar(self, tarea: Awaitable[T]) -> T:
        """Book something; what cannot be booked yet is protected as it is read.

        Raises:
            ErrorBolsa: It could not be booked.
        """
        try:
            return await tarea
        except ErrorBolsa:
            await self._amparar()
            raise

    async def _amparar(self) -> None:
        """Have a stop over what is open, whoever opened it; nothing is booked, and a failure is only told.

        Over what is known to be open, where a reading shows what was held before that: it may be an old one.
        """
        try:
            leido = await self._p.cuenta.leer_sin_retroceder()
            if leido.posicion is not None:
                await self._proteger_sin_anotar(leido)
        except ErrorBolsa as fallo:
            log.error("proteccion_sin_mirar", motivo=str(fallo))

    async def _proteger_sin_anotar(self, leido: EstadoCuenta) -> None:
        p = self._p
        anotado = misma_posicion(leido.posicion, p.cuenta.estado.posicion)
        revision = p.protector.revisar(leido, p.control.estado.equity_maximo, self.mark, anotado=anotado)
        await self._proteger(revision, p.reloj.ahora_ms())

    async def _proteger(self, tarea: Awaitable[None], instante_ms: int) -> None:
        """Arm the stop; a position that cannot have one is closed."""
        try:
            await tarea
        except PosicionDesprotegida as fallo:
            log.critical("posicion_sin_stop", motivo=str(fallo))
            self.anotar_abandono(str(fallo))
            await self._cerrar_desprotegida(fallo, instante_ms)
        self._abandonada = False
        self._p.control.vigilar_proteccion(
            abierta=self._abierta is not None,
            confirmada=self._p.protector.confirmado,
            permite_entrar=self._p.protector.permite_entrar,
        )

    async def _cerrar_desprotegida(self, motivo: PosicionDesprotegida, instante_ms: int) -> None:
        puesto = self._p.protector.puesto
        compartido = self.compartido if isinstance(motivo, ProteccionRota) else None
        if compartido is not None and puesto is not None and await compartido.lo_hizo_otro(puesto.operacion):
            self._cerrada_por_otro = True
            raise LecturaFallida("another process closed the position; the account must be read again")
        await self.cerrar_y_seguir("unprotected", instante_ms)
        if compartido is not None:
            compartido.hecho()

    async def _decidir(self, cuenta: EstadoCuenta, cierre_ms: int, impedimento: str) -> None:
        p, vela = self._p, self._p.datos.ultima
        p.cronica.empezar_vela()
        self._aumento = None
        equity = equity_de(cuenta, vela.close)
        riesgo = p.control.verificar_drawdown(equity, cierre_ms)
        p.control.anclar(equity, cierre_ms)
        recompensa = self._decisor.recompensar(p.cronica.anterior, cuenta, equity, riesgo.estado)
        p.control.vigilar_rango(p.datos.fraccion_fuera)
        if riesgo.confirmado or equity <= 0.0:
            await self.emergencia(Razon.DRAWDOWN, cierre_ms, f"drawdown {riesgo.drawdown.actual:.6f}")
        self._pendiente = self._decisor.decidir(cuenta, equity, cierre_ms, recompensa, impedimento)
        p.protector.atr = self._pendiente.atr
        p.cronica.anotar_decision(self._pendiente)

    async def _completar(self) -> None:
        """Carry out what was decided, or go on where an earlier try or life stopped; then write its row."""
        pendiente = self._pendiente
        if pendiente is None:
            return
        informe = await self._o_amparar(self._ejecutar(pendiente))
        antes = self._p.cuenta.estado
        movimiento = await self._movimiento(antes, informe)
        accion = pendiente.interpretacion.tipo_accion
        self._p.control.envejecer_veto(accion, movimiento.despues.cantidad)
        self._p.protector.atr = pendiente.atr
        if pendiente.plan.operacion in _AUMENTOS and informe.transacciones:
            self._aumento = _Aumento(
                sum(t.cantidad for t in informe.transacciones), informe.transacciones[0].instante_ms
            )
        self._p.cronica.anotar_resultado(pendiente, informe, movimiento)
        self._pendiente, self._reanudada = None, False
        self._p.cuenta.en_vuelo = False
        if movimiento.ejecuciones:
            self._contar(pendiente.plan.operacion, movimiento)
        try:
            await self._proteger_lo_decidido(pendiente, antes, movimiento)
        except ErrorBolsa:
            self.stop_tocado = True  # the decision is done: the next mark asks for a look
            raise

    async def _proteger_lo_decidido(
        self, pendiente: Pendiente, antes: EstadoCuenta, movimiento: Movimiento
    ) -> None:
        p, cierre, cierre_ms = self._p, pendiente.vela.close, pendiente.cierre_ms
        if movimiento.ejecuciones:
            maximo = p.control.estado.equity_maximo
            operada = p.protector.tras_operar(antes, movimiento.despues, cierre, maximo, cierre_ms)
            await self._proteger(operada, cierre_ms)
        if p.protector.seguir(self._cierre_prudente(cierre), cierre_ms):
            await self._proteger(p.protector.mover(), cierre_ms)

    def _cierre_prudente(self, cierre: float) -> float:
        """The candle's close, or the mark where it is the less favourable one: marks trigger stops."""
        return min(cierre, self.mark) if self._p.cuenta.estado.cantidad > 0.0 else max(cierre, self.mark)

    async def _ejecutar(self, pendiente: Pendiente) -> Informe:
        if pendiente.plan.operacion is Operacion.MANTENER:
            return _SIN_ORDENES
        if pendiente.rechazo:
            return Informe(Resultado.RECHAZADA, (), pendiente.rechazo)
        self._p.cuenta.en_vuelo = True
        ficha = self._ficha_de(pendiente)
        limite_ms = pendiente.cierre_ms + self._r.edad_maxima_vela_ms
        try:
            return await self._p.ejecutor.ejecutar(
                pendiente.plan,
                ficha,
                lambda: self._p.reloj.ahora_ms() <= limite_ms,
                posicion_previa=self._p.cuenta.estado.cantidad,
                reanudada=self._reanudada,
            )
        except EmergenciaOperacional as fallo:
            # An entry that cannot be written down first is not sent.
            return Informe(Resultado.RECHAZADA, (), str(fallo))

    async def _movimiento(self, antes: EstadoCuenta, informe: Informe) -> Movimiento:
        if informe.resultado is Resultado.INCIERTA:
            self._p.control.bloqueos.add(Bloqueo.INCIERTO)
            return self._p.cuenta.sin_leer(informe.transacciones)
        if not informe.transacciones:
            return Movimiento(antes, antes)
        return await self._p.cuenta.tras_ejecutar(informe.transacciones)

    def _abandonar_pendiente(self) -> None:
        """A decision that could not be finished is closed in the record; its fills are found like others."""
        pendiente, self._pendiente = self._pendiente, None
        if pendiente is None:
            return
        estado = self._p.cuenta.estado
        informe = Informe(Resultado.INCIERTA, (), "the position was closed before the order was resolved")
        self._p.cronica.anotar_resultado(pendiente, informe, Movimiento(estado, estado))

    def _contar(self, operacion: Operacion, movimiento: Movimiento) -> None:
        log.info(
            "operacion_ejecutada",
            operacion=operacion.value,
            cantidad=movimiento.cantidad,
            precio=movimiento.precio_medio,
            comision=movimiento.comision,
            pnl=movimiento.pnl,
        )


async def _sin_enclavar(tarea: asyncio.Task[None]) -> str:
    """What the emergency has to say of its latch; empty when that is closed, or none was wanted."""
    await asyncio.wait({tarea}, timeout=PLAZO_ENCLAVAR_S)
    if not tarea.done():
        tarea.cancel()
        motivo = "no answer from the disk"
    elif (fallo := tarea.exception()) is not None:
        motivo = str(fallo) or type(fallo).__name__
    else:
        return ""
    log.critical("enclavamiento_sin_escribir", motivo=motivo, efecto="a start would trade again")
    return f"; THE LATCH IS NOT ON DISK ({motivo}): do not start it again before you have looked into it"
