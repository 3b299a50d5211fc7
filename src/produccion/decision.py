"""From a closed candle to what is to be done, and whether it may be: nothing is sent from here."""

from __future__ import annotations

from typing import NamedTuple

import structlog

from src.nucleo.dinero import precio_desplazado
from src.nucleo.ordenes import LimitesPlan, Plan, planificar
from src.nucleo.proteccion import ReglaProteccion
from src.nucleo.recompensa import Paso, ReglaRecompensa, calcular_recompensa
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.tipos import EstadoCuenta, Mercado, Operacion
from src.nucleo.volatilidad import atr
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.dataprovider import DataProvider
from src.produccion.diario.memoria import Anterior, Pendiente
from src.produccion.observacion import ObservacionBuilder
from src.produccion.riesgo.control_riesgo import ControlRiesgo

log = structlog.get_logger(__name__)


class Reglas(NamedTuple):
    """The artefact's numbers that a candle needs."""

    agente_id: str
    mercado: Mercado
    limites: LimitesPlan
    recompensa: ReglaRecompensa
    slippage: float  # expected, fraction of the price
    edad_maxima_vela_ms: int  # an entry on a candle that closed longer ago is not sent again
    proteccion: ReglaProteccion


class Decisor:
    """Decides on the newest candle of the window.

    Args:
        datos: The window.
        observador: Builds what the policy sees.
        agente: The policy.
        control: The gate.
        reglas: The artefact's numbers.
    """

    def __init__(
        self,
        datos: DataProvider,
        observador: ObservacionBuilder,
        agente: AgenteProduccion,
        control: ControlRiesgo,
        reglas: Reglas,
    ) -> None:
        self._datos = datos
        self._observador = observador
        self._agente = agente
        self._control = control
        self._r = reglas

    def recompensar(
        self, anterior: Anterior | None, cuenta: EstadoCuenta, equity: float, riesgo: EstadoRiesgo
    ) -> float | None:
        """The reward of the step that ends now; ``None`` at the first decision."""
        if anterior is None:
            return None
        inactivo = anterior.inactivo and cuenta.posicion is None
        paso = Paso(anterior.equity, equity, anterior.maximo, riesgo.equity_maximo, inactivo)
        return calcular_recompensa(paso, self._r.recompensa)

    def decidir(
        self,
        cuenta: EstadoCuenta,
        equity: float,
        cierre_ms: int,
        recompensa: float | None,
        impedimento: str,
    ) -> Pendiente:
        """Observe, predict, read the action, size it, and pass it through the gate.

        Args:
            cuenta: The account at the candle's close.
            equity: Its equity there.
            cierre_ms: The candle's boundary.
            recompensa: Of the step that ends now.
            impedimento: Why nothing may be sent at all; empty when it may.
        """
        vela = self._datos.ultima
        observacion = self._observador.construir_observacion(self._datos.ventana(), cuenta, vela.close)
        accion = self._agente.predecir(observacion)
        lectura = self._agente.interpretar_accion(accion, cuenta, equity, vela.close)
        plan = planificar(lectura, cuenta, equity, vela.close, self._r.limites)
        rechazo = self._rechazo(plan, cuenta, equity, vela.close, impedimento)
        return Pendiente(
            vela, cierre_ms, equity, accion, lectura, plan, rechazo, recompensa, self._rango_verdadero()
        )

    def _rango_verdadero(self) -> float | None:
        """The average true range that a position which is opened now gets its stop from."""
        regla = self._r.proteccion
        return atr(self._datos.recientes, regla.velas_atr) if regla.usa_atr else None

    def _rechazo(
        self, plan: Plan, cuenta: EstadoCuenta, equity: float, precio: float, impedimento: str
    ) -> str:
        """Why a plan is not sent; empty when it is."""
        if plan.operacion is Operacion.MANTENER:
            return ""
        if impedimento:
            return impedimento
        compra = bool(plan.cantidades) and plan.cantidades[0] > 0
        tick = self._r.mercado.filtros.escala_tick
        esperado = precio_desplazado(precio, self._r.slippage, tick, compra=compra)
        validacion = self._control.validar_accion_pre(plan, cuenta, equity, esperado, precio)
        if validacion.valida:
            return ""
        log.info("accion_rechazada", motivo=validacion.rechazo.value, detalle=validacion.detalle)
        return f"{validacion.rechazo.value}: {validacion.detalle}"
