"""The session's record: the journal first, then the CSV that can be written again from it."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from src.nucleo.contabilidad import Contabilidad, Movimiento
from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.registro import Decision, Fila, Momento, Resultado, StatusFila, construir_info
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.tipos import Ejecucion, Operacion, Posicion, Vela
from src.produccion.cuenta import Ajeno, Cuenta
from src.produccion.diario.memoria import (
    Anterior,
    Instantanea,
    Pendiente,
    escribir_instantanea,
    escribir_pendiente,
)
from src.produccion.ordenes.ejecutor import Ejecutor, Informe
from src.produccion.puertos import Diario, Reloj
from src.produccion.Registro import Emergencia, RegistroProduccion
from src.produccion.riesgo.control_riesgo import Bloqueo, ControlRiesgo
from src.produccion.stops.proteccion import Protector

_ENTRE_APUNTES_MS = 5_000
"""Market time between two notes of the monitor's state that show nothing but a new extreme."""

log = structlog.get_logger(__name__)


class Cronica:
    """Counts the session's steps and trades, and writes down what happened.

    Args:
        diario: The agent's journal.
        registro: The session's CSV files.
        reloj: Market time.
        control: Gives the state of the drawdown monitor.
        cuenta: Gives the account and up to where its history was taken.
        ejecutor: Names the orders that are not over.
        protector: Names the stops that are not over.
        agente_id: The agent's identity.
        apalancamiento: Leverage, for margin and exposure.
        capital_referencia: Equity that maps to 1.0 in the observation.
    """

    def __init__(
        self,
        diario: Diario,
        registro: RegistroProduccion,
        reloj: Reloj,
        control: ControlRiesgo,
        cuenta: Cuenta,
        ejecutor: Ejecutor,
        protector: Protector,
        agente_id: str,
        apalancamiento: float,
        capital_referencia: float,
    ) -> None:
        self._diario = diario
        self._registro = registro
        self._reloj = reloj
        self._control = control
        self._cuenta = cuenta
        self._ejecutor = ejecutor
        self._protector = protector
        self._agregado = f"agent:{agente_id}"
        self._apalancamiento = apalancamiento
        self._riesgo_anotado: EstadoRiesgo | None = None
        self._riesgo_anotado_ms = 0
        self._sin_asentar = False
        self.contabilidad = Contabilidad()
        self.paso = 0
        self.ultima_decidida_ms = -1
        self.anterior: Anterior | None = None
        self.capital_referencia = capital_referencia

    @property
    def lugar(self) -> str:
        """Where the record stands: the session and its rows; the same after a restart that lost nothing."""
        return f"{self._registro.sello}-{self._registro.filas}"

    def reanudar(self, instantanea: Instantanea) -> None:
        """Go on with a session from its newest snapshot."""
        self.contabilidad = instantanea.contabilidad
        self.paso = instantanea.paso
        self.ultima_decidida_ms = instantanea.ultima_decidida_ms
        self.anterior = instantanea.anterior

    def empezar_vela(self) -> None:
        """One more closed candle is acted on; a row that could not be written holds what it would open."""
        try:
            self._registro.comprobar()
        except EmergenciaOperacional as fallo:
            self._perder_registro(fallo)
        self.paso += 1
        self.contabilidad = self.contabilidad.envejecer()

    def anotar_decision(self, pendiente: Pendiente) -> None:
        """Write a decision down before anything comes of it."""
        self.ultima_decidida_ms = pendiente.vela.apertura_ms
        contenido = escribir_pendiente(pendiente) | {
            "session": self._registro.sello,
            "step": self.paso,
            "state": escribir_instantanea(self.instantanea()),
        }
        self._anotar("CANDLE_DECIDED", contenido)

    def anotar_resultado(self, pendiente: Pendiente, informe: Informe, movimiento: Movimiento) -> None:
        """The row of a decision, once it was carried out."""
        rechazada = informe.resultado in (Resultado.RECHAZADA, Resultado.INCIERTA)
        momento = Momento(
            self.paso,
            pendiente.cierre_ms,
            pendiente.vela.close,
            StatusFila.RECHAZADA if rechazada else StatusFila.OK,
            recompensa=pendiente.recompensa,
        )
        decision = Decision(
            pendiente.plan.operacion,
            informe.resultado,
            informe.error,
            pendiente.accion,
            pendiente.interpretacion,
        )
        maximo, inactivo = self._control.estado.equity_maximo, movimiento.despues.posicion is None
        self.anterior = Anterior(pendiente.equity, maximo, inactivo)
        self._guardar([self._fila(momento, decision, movimiento)])

    def anotar_ajenos(self, ajenos: Sequence[Ajeno]) -> None:
        """The rows of fills between candles, all or none of them."""
        self._guardar(
            [
                self._fila_de_fill(
                    Momento(self.paso, ajeno.instante_ms, ajeno.precio, ajeno.status), ajeno.movimiento
                )
                for ajeno in ajenos
            ],
            _ordenes(ajenos),
        )

    def anotar_cierre(
        self, ajenos: Sequence[Ajeno], status: StatusFila, instante_ms: int, precio: float
    ) -> None:
        """The rows of a position that was closed by the daemon itself.

        Args:
            ajenos: The fills found; those that are not the agent's keep their own status.
            status: What closed it.
            instante_ms: When it was decided.
            precio: Mark price of an emergency's rows; other rows show the price of the fill.
        """
        emergencia = status is StatusFila.EMERGENCIA
        filas = []
        for ajeno in ajenos:
            momento = Momento(self.paso, ajeno.instante_ms, ajeno.precio, ajeno.status)
            operacion = operacion_de(ajeno.movimiento.antes.cantidad, ajeno.movimiento.ejecuciones[0])
            if ajeno.status is StatusFila.OK and not operacion.aumenta_exposicion:
                momento = momento._replace(
                    instante_ms=instante_ms,
                    precio=precio if emergencia else ajeno.precio,
                    status=status,
                    terminated=emergencia and ajeno is ajenos[-1],
                )
            filas.append(self._fila_de_fill(momento, ajeno.movimiento))
        self._guardar(filas, _ordenes(ajenos))

    def anotar_emergencia(self, emergencia: Emergencia) -> None:
        """One row of the emergencies file."""
        self._anotar("EMERGENCY", {"session": self._registro.sello, "row": list(emergencia)})
        try:
            self._registro.registrar_emergencia(emergencia)
        except EmergenciaOperacional as fallo:
            self._perder_registro(fallo)

    async def anotar_detencion(self, quien: str, motivo: str | None, mando: str) -> None:
        """Somebody wants the daemon to end; returns when that is on disk, or cannot be."""
        contenido: dict[str, object] = {"by": quien, "reason": motivo, "command": mando}
        contenido["session"] = self._registro.sello
        self._anotar("STOP_REQUESTED", contenido)
        try:
            await self._diario.asentar()
        except EmergenciaOperacional as fallo:
            self._perder_registro(fallo)

    def anotar_desproteccion(self, motivo: str, posicion: Posicion, stop: float | None) -> None:
        """A position that no stop protects is about to be closed for that."""
        contenido = {
            "session": self._registro.sello,
            "reason": motivo,
            "quantity": posicion.cantidad,
            "entry": posicion.precio_entrada,
            "stop": stop,
        }
        self._anotar("PROTECTION_LOST", contenido)

    def anotar_riesgo(self, instante_ms: int) -> bool:
        """Note the monitor's state between candles; true when there was something to note."""
        estado, anotado = self._control.estado, self._riesgo_anotado
        if estado == anotado:
            return False
        misma_brecha = anotado is not None and anotado.brecha_desde_ms == estado.brecha_desde_ms
        if misma_brecha and instante_ms - self._riesgo_anotado_ms < _ENTRE_APUNTES_MS:
            return False
        self._riesgo_anotado, self._riesgo_anotado_ms = estado, instante_ms
        self._anotar("RISK", {"risk": list(estado)})
        return True

    def anotar_referencia(self, capital: float) -> None:
        """The equity that maps to 1.0 from now on, with the account that it belongs to."""
        self.capital_referencia = capital
        estado = escribir_instantanea(self.instantanea())
        self._anotar("REFERENCE", {"equity": capital, "ledger": self._cuenta.con_libro, "state": estado})

    def anotar_velas(self, velas: Sequence[Vela]) -> None:
        """Note candles that were taken without a decision of their own."""
        if velas:
            self._anotar("CANDLES", {"candles": [list(vela) for vela in velas]})

    async def asentar(self) -> None:
        """Return when everything noted so far is on disk."""
        if not self._sin_asentar:
            return
        self._sin_asentar = False
        for asentar in (self._diario.asentar, self._registro.asentar):
            try:
                await asentar()
            except EmergenciaOperacional as fallo:
                self._perder_registro(fallo)

    def instantanea(self) -> Instantanea:
        """Everything as it is now."""
        return Instantanea(
            self._registro.filas,
            self.paso,
            self.ultima_decidida_ms,
            self._cuenta.estado,
            self._cuenta.marcador,
            self.contabilidad,
            self._control.estado,
            self._control.anclas,
            self.anterior,
            self.capital_referencia,
            (*self._ejecutor.abiertos, *self._protector.abiertos),
            self._control.veto,
            self._protector.atr,
        )

    def _guardar(self, filas: Sequence[Fila], ordenes: Sequence[str] = ()) -> None:
        """Journal rows, with the client ids of their orders where fills explain them, then write them."""
        if not filas:
            return
        numero = self._registro.filas + len(filas)
        estado = escribir_instantanea(self.instantanea()._replace(filas=numero))
        contenido: dict[str, object] = {"session": self._registro.sello, "rows": filas, "state": estado}
        if ordenes:
            contenido["orders"] = ordenes
        self._anotar("ROWS", contenido)
        for fila in filas:
            try:
                self._registro.registrar_paso(fila)
            except EmergenciaOperacional as fallo:
                self._perder_registro(fallo)

    def _fila_de_fill(self, momento: Momento, movimiento: Movimiento) -> Fila:
        operacion = operacion_de(movimiento.antes.cantidad, movimiento.ejecuciones[0])
        return self._fila(momento, Decision(operacion, Resultado.EJECUTADA), movimiento)

    def _fila(self, momento: Momento, decision: Decision, movimiento: Movimiento) -> Fila:
        anotacion = construir_info(
            momento, decision, movimiento, self._control.estado, self.contabilidad, self._apalancamiento
        )
        self.contabilidad = anotacion.contabilidad
        return anotacion.fila

    def _anotar(self, tipo: str, contenido: dict[str, object]) -> None:
        """Journal an event; one that cannot be written stops entries, not exits."""
        self._sin_asentar = True
        try:
            self._diario.anotar_luego(self._agregado, tipo, self._reloj.ahora_ms(), contenido)
        except EmergenciaOperacional as fallo:
            self._perder_registro(fallo)

    def _perder_registro(self, fallo: EmergenciaOperacional) -> None:
        if Bloqueo.SIN_REGISTRO not in self._control.bloqueos:
            log.critical("registro_roto", motivo=str(fallo), efecto="nothing is opened any more")
        self._control.bloqueos.add(Bloqueo.SIN_REGISTRO)


def _ordenes(ajenos: Sequence[Ajeno]) -> list[str]:
    return [ajeno.id_cliente for ajeno in ajenos]


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
