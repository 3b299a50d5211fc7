"""What becomes of a decision at the observed close: refused, or filled and protected."""

from __future__ import annotations

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.entrenamiento.datos_entorno import DatosEntorno, PreciosFila
from src.entrenamiento.paso import Asiento
from src.entrenamiento.recorrido import OyenteFreno, Terreno
from src.entrenamiento.salidas import Incidencia, cerrar_por_proteccion
from src.nucleo.cartera import CuentaPlana, aplanar, asentar, cuenta_de
from src.nucleo.ordenes import Plan, trocear
from src.nucleo.proteccion import (
    SIN_PROTECCION,
    EstadoProteccion,
    ReglaProteccion,
    al_mark,
    alcanzado,
    gatillo,
    objetivo,
    tras_operar,
    ya_cruzada,
)
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
from src.nucleo.veto import Veto, validar_veto, vetar
from src.nucleo.volatilidad import ModoDistancia, serie_atr

SIN_INCIDENCIAS: tuple[Incidencia, ...] = ()
_crear = tuple.__new__  # what a NamedTuple's constructor ends in, at half its price


def _usa_rango(regla: ReglaProteccion) -> bool:
    return any(d is not None and d.modo is ModoDistancia.ATR for d in (regla.stop, regla.objetivo))


class Operativa:
    """The rules of one artefact on one market.

    Args:
        configuracion: The artefact's rules.
        datos: Candles, and filters, brackets and fees of their market.
        oyente: Told of each move of a brake.
    """

    def __init__(
        self, configuracion: ConfiguracionArtefacto, datos: DatosEntorno, oyente: OyenteFreno | None = None
    ) -> None:
        portafolio, regla = configuracion.portafolio, configuracion.regla_proteccion()
        self.terreno = Terreno(datos.mercado, portafolio.slippage, regla, oyente)
        self.con_stop = regla.tipo is not TipoProteccion.NINGUNA
        self._solo_nivel = regla.freno is None
        self._regla = regla
        self._mercado = datos.mercado
        self._apalancamiento = float(portafolio.apalancamiento)
        self._rangos = serie_atr(datos.tabla, regla.velas_atr) if _usa_rango(regla) else []

    def operar(
        self,
        plan: Plan,
        cuenta: CuentaPlana,
        equity: float,
        precios: PreciosFila,
        riesgo: EstadoRiesgo,
        anclas: Anclas | None,
        veto: Veto | None,
    ) -> tuple[Validacion, CuentaPlana, tuple[Asiento, ...]]:
        """Check a plan and fill it; also returns the account afterwards and the fills.

        Args:
            plan: What the action asks for.
            cuenta: The account before it.
            equity: Its equity at the close.
            precios: The observed candle.
            riesgo: The drawdown monitor.
            anclas: What the risk tiers measure losses from; ``None`` without tiers.
            veto: What entries have to wait for after an exit that nobody decided; ``None`` for nothing.
        """
        saldo, actual, entrada = cuenta
        cantidades, mercado = plan.cantidades, self._mercado
        cierre, compra, venta, _, _, _, _ = precios
        precio = compra if cantidades and cantidades[0] > 0.0 else venta
        validacion = VALIDA if riesgo[2] is None else validar_brecha(plan, riesgo)
        if validacion is VALIDA and anclas is not None:
            validacion = validar_escalones(plan, equity, anclas, self._regla.limite)
        if validacion is VALIDA and veto is not None:
            validacion = validar_veto(plan, actual, veto)
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
        proteccion: EstadoProteccion,
        antes: float,
        despues: CuentaPlana,
        fila: int,
        precios: PreciosFila,
        riesgo: EstadoRiesgo,
    ) -> tuple[EstadoProteccion, CuentaPlana, tuple[Incidencia, ...]]:
        """Renew what protects a position after fills; one that is already beyond it is closed at once.

        Args:
            proteccion: What protected it before them.
            antes: Signed quantity before them.
            despues: The account after them.
            fila: The observed candle.
            precios: Its prices.
            riesgo: The drawdown monitor.

        Returns:
            Protection and account afterwards, and the closing fill if there was one.
        """
        cierre, cantidad, mercado, regla = precios[0], despues[1], self._mercado, self._regla
        if self._solo_nivel:  # what `tras_operar` does then, without the calls in between
            nivel = renovar_en(proteccion[0], antes, despues, cierre, riesgo[0], regla[1], mercado, regla[2])
            if nivel is None or not cruzado(nivel, cantidad, cierre):
                return _crear(EstadoProteccion, (nivel, None)), despues, SIN_INCIDENCIAS
        else:
            rango = self._rangos[fila] if self._rangos else None
            proteccion = tras_operar(
                proteccion, antes, despues, cierre, rango, riesgo[0], precios.cierre_ms, regla, mercado
            )
            if cantidad == 0.0 or not ya_cruzada(proteccion, cantidad, cierre):
                return proteccion, despues, SIN_INCIDENCIAS
        cuenta, incidencia = cerrar_por_proteccion(
            cuenta_de(*despues),
            trocear(-cantidad, mercado.filtros),
            cierre,
            precios.cierre_ms,
            riesgo,
            mercado,
            self.terreno.slippage,
        )
        return SIN_PROTECCION, aplanar(cuenta), (incidencia,)

    def seguir(self, proteccion: EstadoProteccion, precios: PreciosFila) -> EstadoProteccion:
        """Move the brake by a candle's close, after the decision on it."""
        return self.terreno.seguir(proteccion, precios.cierre, precios.cierre_ms)

    def esta_quieta(
        self, proteccion: EstadoProteccion, cantidad: float, peor: float, mejor: float, instante_ms: int
    ) -> bool:
        """Whether a candle neither triggers nor moves anything, judged by its worst and its best price.

        No price of it moves a brake that the best one does not; only a percentage depends on time as well.
        """
        stop, meta = gatillo(proteccion, cantidad), objetivo(proteccion)
        if stop is not None and cruzado(stop, cantidad, peor):
            return False
        if meta is not None and alcanzado(meta, cantidad, mejor):
            return False
        if self._regla.tipo is TipoProteccion.PORCENTAJE:
            return False
        return al_mark(proteccion, mejor, instante_ms, self._regla, self._mercado) is proteccion

    def vetar(self, veto: Veto | None, incidencias: tuple[Incidencia, ...]) -> Veto | None:
        """What entries have to wait for after exits that the agent did not decide."""
        for incidencia in incidencias:
            _, _, _, movimiento, _ = incidencia
            antes, despues = movimiento.antes.cantidad, movimiento.despues.cantidad
            veto = vetar(veto, antes, despues, self._regla.velas_bloqueo)
        return veto
