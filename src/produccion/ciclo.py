"""What happens on each closed candle, and when the drawdown limit is reached."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, NoReturn

import structlog

from src.nucleo.accion import Interpretacion
from src.nucleo.cartera import equity_de
from src.nucleo.contabilidad import Contabilidad, Movimiento
from src.nucleo.dinero import precio_desplazado
from src.nucleo.errores import EmergenciaDrawdown, EmergenciaOperacional, ErrorBolsa
from src.nucleo.ordenes import LimitesPlan, Plan, planificar
from src.nucleo.recompensa import Paso, ReglaRecompensa, calcular_recompensa
from src.nucleo.registro import Decision, Momento, Resultado, StatusFila, construir_info
from src.nucleo.tipos import Ejecucion, EstadoCuenta, Mercado, Operacion
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.control_riesgo import Bloqueo, ControlRiesgo, Razon
from src.produccion.cuenta import Ajeno, Cuenta, Novedades
from src.produccion.dataprovider import DataProvider
from src.produccion.ejecutor import Ejecutor, Informe
from src.produccion.observacion import ObservacionBuilder
from src.produccion.puertos import Diario, EventoMark, Reloj
from src.produccion.Registro import Emergencia, RegistroProduccion

_SIN_ORDENES = Informe(Resultado.NINGUNA)

log = structlog.get_logger(__name__)


class Piezas(NamedTuple):
    """The services a candle passes through."""

    datos: DataProvider
    cuenta: Cuenta
    observador: ObservacionBuilder
    agente: AgenteProduccion
    control: ControlRiesgo
    ejecutor: Ejecutor
    registro: RegistroProduccion
    diario: Diario
    reloj: Reloj


class Reglas(NamedTuple):
    """The artefact's numbers that a candle needs."""

    agente_id: str
    mercado: Mercado
    limites: LimitesPlan
    recompensa: ReglaRecompensa
    slippage: float  # expected, fraction of the price


class _Anterior(NamedTuple):
    """The previous decision, for the reward of the step that ends now."""

    equity: float
    maximo: float
    inactivo: bool


class Ciclo:
    """One agent's way through its candles.

    Args:
        piezas: The services.
        reglas: The artefact's numbers.
    """

    def __init__(self, piezas: Piezas, reglas: Reglas) -> None:
        self._p = piezas
        self._r = reglas
        self._anterior: _Anterior | None = None
        self.contabilidad = Contabilidad()
        self.paso = 0
        self.mark: float | None = None
        self.ultima_decidida_ms = -1
        self.protocolo_cumplido = False
        if piezas.cuenta.estado.posicion is not None:
            self.contabilidad = self.contabilidad.abrir()

    @property
    def max_drawdown(self) -> float:
        """Largest drawdown of this session, as a fraction."""
        return self._p.control.estado.max_drawdown

    def tomar_mark(self, evento: EventoMark) -> bool:
        """Watch drawdown between candles; true when the limit is exceeded for certain."""
        self.mark = evento.precio
        if self._p.cuenta.en_vuelo:
            return False
        equity = equity_de(self._p.cuenta.estado, evento.precio)
        return self._p.control.verificar_drawdown(equity, evento.instante_ms).confirmado

    async def procesar_vela(self, cierre_ms: int, motivo_para_no_decidir: str = "") -> None:
        """Steps A to H on the newest candle of the window.

        Args:
            cierre_ms: The candle's boundary: open time of the next one.
            motivo_para_no_decidir: Account and risk are looked at, but nothing is sent.

        Raises:
            EmergenciaDrawdown: The limit was reached; the protocol has run.
            ErrorBolsa: The account could not be read; nothing was decided.
        """
        vela = self._p.datos.ultima
        self.ultima_decidida_ms = vela.apertura_ms
        cuenta = await self._actualizar_cuenta()
        self.paso += 1
        self.contabilidad = self.contabilidad.envejecer()
        equity = equity_de(cuenta, vela.close)
        riesgo = self._p.control.verificar_drawdown(equity, cierre_ms)
        recompensa = self._recompensa(equity, cuenta)
        self._p.control.vigilar_rango(self._p.datos.fraccion_fuera)
        if riesgo.confirmado or equity <= 0.0:
            await self.emergencia(Razon.DRAWDOWN, cierre_ms, f"drawdown {riesgo.drawdown.actual:.6f}")
        observacion = self._p.observador.construir_observacion(self._p.datos.ventana(), cuenta, vela.close)
        accion = self._p.agente.predecir(observacion)
        interpretacion = self._p.agente.interpretar_accion(accion, cuenta, equity, vela.close)
        plan = planificar(interpretacion, cuenta, equity, vela.close, self._r.limites)
        informe = await self._ejecutar(plan, cuenta, vela.close, vela.apertura_ms, motivo_para_no_decidir)
        movimiento = await self._movimiento(cuenta, informe)
        self._anterior = _Anterior(equity, riesgo.estado.equity_maximo, movimiento.despues.posicion is None)
        self._registrar(
            cierre_ms, vela.close, recompensa, accion, interpretacion, plan.operacion, informe, movimiento
        )
        self._p.control.guardar_pico()
        self._guardar_libro()
        self._p.diario.anotar_luego(
            f"agent:{self._r.agente_id}",
            "CANDLE_DECIDED",
            cierre_ms,
            {
                "candle": vela.apertura_ms,
                "action": accion,
                "operation": plan.operacion.value,
                "equity": equity,
            },
        )

    async def refrescar_cuenta(self) -> None:
        """Look at the account between candles."""
        await self._actualizar_cuenta()

    async def emergencia(self, razon: Razon, instante_ms: int, detalle: str) -> NoReturn:
        """Run the emergency protocol; always ends by raising.

        Raises:
            EmergenciaDrawdown: After a drawdown emergency.
            EmergenciaOperacional: After an operational one.
        """
        log.critical("protocolo_de_emergencia", razon=razon.value, detalle=detalle)
        ficha = f"emergency:{self._r.agente_id}:{instante_ms}:{razon.value}"
        enclavamiento = asyncio.create_task(self._enclavar(razon, detalle))
        cerradas = await self.cerrar_posicion(ficha, instante_ms, StatusFila.EMERGENCIA)
        estado = self._p.cuenta.estado
        precio = self._precio()
        self._p.registro.registrar_emergencia(
            Emergencia(
                instante_ms,
                razon.value,
                estado.saldo,
                equity_de(estado, precio),
                cerradas,
                detalle,
            )
        )
        await enclavamiento
        self._p.control.guardar_pico()
        if razon is Razon.DRAWDOWN:
            raise EmergenciaDrawdown(f"the drawdown limit was reached ({detalle}); the account is flat")
        raise EmergenciaOperacional(f"operational emergency ({detalle}); the account is flat")

    async def _enclavar(self, razon: Razon, detalle: str) -> None:
        if razon is Razon.DRAWDOWN:
            await self._p.control.enclavar(detalle)

    async def cerrar_posicion(self, ficha: str, instante_ms: int, status: StatusFila) -> int:
        """Flatten the account and write the rows that say so; returns how many positions were closed."""
        self._p.cuenta.en_vuelo = True
        cerradas = await self._p.control.cerrar_todo(ficha)
        self.protocolo_cumplido = status is StatusFila.EMERGENCIA
        novedades = await self._tras_cerrar()
        self._p.cuenta.en_vuelo = False
        for ajeno in novedades.ajenos:
            if ajeno.status is not StatusFila.OK:
                self._anotar_ajeno(ajeno)
                continue
            momento = Momento(
                self.paso,
                instante_ms,
                self._precio(),
                status,
                terminated=status is StatusFila.EMERGENCIA and ajeno is novedades.ajenos[-1],
            )
            self._anotar_fill(momento, ajeno.movimiento)
        return int(bool(cerradas))

    async def _tras_cerrar(self) -> Novedades:
        """What closing did; a read that fails now must not undo that the account is flat."""
        try:
            return await self._p.cuenta.actualizar(exigente=False)
        except ErrorBolsa as fallo:
            log.critical("cierre_sin_filas", motivo=str(fallo))
            return Novedades((), 0.0, 0.0)

    def _precio(self) -> float:
        return self.mark if self.mark is not None else self._p.datos.ultima.close

    async def _actualizar_cuenta(self) -> EstadoCuenta:
        if await self._p.ejecutor.resolver_pendiente():
            self._p.control.bloqueos.discard(Bloqueo.INCIERTO)
        novedades = await self._p.cuenta.actualizar()
        self._p.cuenta.en_vuelo = False
        for ajeno in novedades.ajenos:
            self._anotar_ajeno(ajeno)
        estado = self._p.cuenta.estado
        if novedades.transferido:
            equity = equity_de(estado, self._p.datos.ultima.close)
            antes = equity - novedades.transferido
            if antes > 0 < equity:
                log.warning("transferencia", monto=novedades.transferido)
                self._escalar(equity / antes)
        return estado

    def _guardar_libro(self) -> None:
        libro = self._p.cuenta.libro
        if libro is not None:
            self._p.diario.anotar_luego(
                f"agent:{self._r.agente_id}",
                "LEDGER",
                self._p.reloj.ahora_ms(),
                {
                    "balance": libro.saldo,
                    "last_trade": libro.ultima_transaccion,
                    "until_ms": libro.hasta_ms,
                    "since_ms": libro.desde_ms,
                },
            )

    def _escalar(self, factor: float) -> None:
        """Follow a transfer: peak and reference capital scale with the equity."""
        self._p.control.escalar(factor)
        self._p.diario.anotar_luego(
            f"agent:{self._r.agente_id}",
            "REFERENCE",
            self._p.reloj.ahora_ms(),
            {"equity": self._p.observador.escalar(factor), "ledger": self._p.cuenta.libro is not None},
        )

    def _recompensa(self, equity: float, cuenta: EstadoCuenta) -> float | None:
        anterior = self._anterior
        if anterior is None:
            return None
        paso = Paso(
            anterior.equity,
            equity,
            anterior.maximo,
            self._p.control.estado.equity_maximo,
            anterior.inactivo and cuenta.posicion is None,
        )
        return calcular_recompensa(paso, self._r.recompensa)

    async def _ejecutar(
        self, plan: Plan, cuenta: EstadoCuenta, precio: float, apertura_ms: int, impedimento: str
    ) -> Informe:
        if plan.operacion is Operacion.MANTENER:
            return _SIN_ORDENES
        if impedimento:
            return Informe(Resultado.RECHAZADA, (), impedimento)
        validacion = self._p.control.validar_accion_pre(
            plan, cuenta, self._precio_esperado(plan, precio), precio
        )
        if not validacion.valida:
            log.info("accion_rechazada", motivo=validacion.rechazo.value, detalle=validacion.detalle)
            return Informe(Resultado.RECHAZADA, (), f"{validacion.rechazo.value}: {validacion.detalle}")
        self._p.cuenta.en_vuelo = True
        return await self._p.ejecutor.ejecutar(
            plan, f"{self._r.agente_id}:{apertura_ms}:{plan.operacion.value}"
        )

    def _precio_esperado(self, plan: Plan, precio: float) -> float:
        compra = bool(plan.cantidades) and plan.cantidades[0] > 0
        tick = self._r.mercado.filtros.escala_tick
        return precio_desplazado(precio, self._r.slippage, tick, compra=compra)

    async def _movimiento(self, antes: EstadoCuenta, informe: Informe) -> Movimiento:
        if informe is _SIN_ORDENES or not self._p.cuenta.en_vuelo:
            return Movimiento(antes, antes)
        if informe.resultado is Resultado.INCIERTA:
            self._p.control.bloqueos.add(Bloqueo.INCIERTO)
            movimiento = self._p.cuenta.sin_leer(informe.transacciones)
        else:
            movimiento = await self._p.cuenta.tras_ejecutar(informe.transacciones)
        self._p.cuenta.en_vuelo = False
        return movimiento

    def _registrar(
        self,
        cierre_ms: int,
        precio: float,
        recompensa: float | None,
        accion: float,
        interpretacion: Interpretacion,
        operacion: Operacion,
        informe: Informe,
        movimiento: Movimiento,
    ) -> None:
        rechazada = informe.resultado in (Resultado.RECHAZADA, Resultado.INCIERTA)
        momento = Momento(
            self.paso,
            cierre_ms,
            precio,
            StatusFila.RECHAZADA if rechazada else StatusFila.OK,
            recompensa=recompensa,
        )
        decision = Decision(operacion, informe.resultado, informe.error, accion, interpretacion)
        self._anotar(momento, decision, movimiento)
        if movimiento.ejecuciones:
            log.info(
                "operacion_ejecutada",
                operacion=operacion.value,
                cantidad=movimiento.cantidad,
                precio=movimiento.precio_medio,
                comision=movimiento.comision,
                pnl=movimiento.pnl,
            )

    def _anotar_ajeno(self, ajeno: Ajeno) -> None:
        momento = Momento(self.paso, ajeno.instante_ms, ajeno.precio, ajeno.status)
        self._anotar_fill(momento, ajeno.movimiento)

    def _anotar_fill(self, momento: Momento, movimiento: Movimiento) -> None:
        operacion = operacion_de(movimiento.antes.cantidad, movimiento.ejecuciones[0])
        self._anotar(momento, Decision(operacion, Resultado.EJECUTADA), movimiento)

    def _anotar(self, momento: Momento, decision: Decision, movimiento: Movimiento) -> None:
        anotacion = construir_info(
            momento,
            decision,
            movimiento,
            self._p.control.estado,
            self.contabilidad,
            self._r.limites.apalancamiento,
        )
        self.contabilidad = anotacion.contabilidad
        self._p.registro.registrar_paso(anotacion.fila)


def operacion_de(cantidad: float, fill: Ejecucion) -> Operacion:
    """What a fill does to a signed quantity."""
    largo = cantidad > 0 if cantidad else fill.cantidad > 0
    if cantidad == 0.0:
        return Operacion.ABRIR_LONG if largo else Operacion.ABRIR_SHORT
    if (fill.cantidad > 0) == largo:
        return Operacion.AUMENTAR_LONG if largo else Operacion.AUMENTAR_SHORT
    if abs(fill.cantidad) < abs(cantidad):
        return Operacion.REDUCIR_LONG if largo else Operacion.REDUCIR_SHORT
    return Operacion.CERRAR_LONG if largo else Operacion.CERRAR_SHORT
