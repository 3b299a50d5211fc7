"""What becomes of a decision at the observed close: refused, or filled and protected."""

from __future__ import annotations

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.entrenamiento.datos_entorno import PreciosFila
from src.entrenamiento.paso import Asiento
from src.entrenamiento.recorrido import Incidencia, cerrar_por_proteccion
from src.nucleo.cartera import CuentaPlana, aplanar, asentar, cuenta_de
from src.nucleo.ordenes import Plan, trocear
from src.nucleo.riesgo import (
    VALIDA,
    Anclas,
    EstadoRiesgo,
    Validacion,
    validar_brecha,
    validar_escalones,
    validar_plan,
)
from src.nucleo.stops import TipoProteccion, cruzado, renovar_en
from src.nucleo.tipos import Mercado

SIN_INCIDENCIAS: tuple[Incidencia, ...] = ()


class Operativa:
    """The rules of one artefact on one market.

    Args:
        configuracion: The artefact's rules.
        mercado: Filters, brackets and fees.
    """

    def __init__(self, configuracion: ConfiguracionArtefacto, mercado: Mercado) -> None:
        entorno, portafolio = configuracion.entorno, configuracion.portafolio
        self._mercado = mercado
        self._apalancamiento = float(portafolio.apalancamiento)
        self._slippage = portafolio.slippage
        self._limite = entorno.max_drawdown_permitido
        self._fraccion_liquidacion = entorno.proteccion.fraccion_liquidacion
        self.con_stop = entorno.proteccion.tipo is TipoProteccion.CATASTROFE

    def operar(
        self,
        plan: Plan,
        cuenta: CuentaPlana,
        equity: float,
        precios: PreciosFila,
        riesgo: EstadoRiesgo,
        anclas: Anclas | None,
    ) -> tuple[Validacion, CuentaPlana, tuple[Asiento, ...]]:
        """Check a plan and fill it; also returns the account afterwards and the fills.

        Args:
            plan: What the action asks for.
            cuenta: The account before it.
            equity: Its equity at the close.
            precios: The observed candle.
            riesgo: The drawdown monitor.
            anclas: What the risk tiers measure losses from; ``None`` without tiers.
        """
        saldo, actual, entrada = cuenta
        cantidades, mercado = plan.cantidades, self._mercado
        cierre, compra, venta, _, _, _, _ = precios
        precio = compra if cantidades and cantidades[0] > 0.0 else venta
        validacion = VALIDA if riesgo[2] is None else validar_brecha(plan, riesgo)
        if validacion is VALIDA and anclas is not None:
            validacion = validar_escalones(plan, equity, anclas, self._limite)
        if validacion is VALIDA:
            validacion = validar_plan(plan, actual, equity, precio, cierre, mercado, self._apalancamiento)
        if validacion is not VALIDA:
            return validacion, cuenta, ()
        asientos: tuple[Asiento, ...] = ()
        comision_fraccion, escala = mercado.comision_taker, mercado.filtros.escala_lote
        for cantidad in cantidades:
            saldo, actual, entrada, comision, realizado = asentar(
                saldo, actual, entrada, cantidad, precio, comision_fraccion, escala
            )
            asientos += ((cantidad, precio, comision, realizado),)
        return validacion, (saldo, actual, entrada), asientos

    def proteger(
        self,
        nivel: float | None,
        antes: float,
        despues: CuentaPlana,
        precios: PreciosFila,
        riesgo: EstadoRiesgo,
    ) -> tuple[float | None, CuentaPlana, tuple[Incidencia, ...]]:
        """Move the resident stop after fills; a position that is already beyond it is closed at once.

        Args:
            nivel: The stop's level before them.
            antes: Signed quantity before them.
            despues: The account after them.
            precios: The observed candle.
            riesgo: The drawdown monitor.

        Returns:
            Level and account afterwards, and the closing fill if there was one.
        """
        cierre, cantidad, mercado = precios[0], despues[1], self._mercado
        nivel = renovar_en(
            nivel, antes, despues, cierre, riesgo[0], self._limite, mercado, self._fraccion_liquidacion
        )
        if nivel is None or not cruzado(nivel, cantidad, cierre):
            return nivel, despues, SIN_INCIDENCIAS
        cuenta, incidencia = cerrar_por_proteccion(
            cuenta_de(*despues),
            trocear(-cantidad, mercado.filtros),
            cierre,
            precios.cierre_ms,
            riesgo,
            mercado,
            self._slippage,
        )
        return None, aplanar(cuenta), (incidencia,)
