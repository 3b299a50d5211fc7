"""The section ``entorno.proteccion``: what guards a position, in training and at the exchange."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from src.artefactos.tipos_yaml import Fraccion, NoNegativo, Numero, Positivo, Seccion
from src.nucleo.frenos import ReglaFreno, ReglaMomento, TipoFreno
from src.nucleo.indicadores import VELAS_CALENTAMIENTO
from src.nucleo.niveles import COSTO_FRACCION
from src.nucleo.proteccion import ReglaProteccion
from src.nucleo.stops import FRACCION_LIQUIDACION, TipoProteccion
from src.nucleo.volatilidad import VELAS_ATR, Distancia, ModoDistancia

_SIN_FRENO = (TipoProteccion.NINGUNA, TipoProteccion.CATASTROFE)
_DEL_FRENO = (
    "stop",
    "objetivo",
    "velas_atr",
    "break_even_con_costos",
    "porcentaje",
    "momento_alto",
    "momento_bajo",
)
_MOMENTO = ReglaMomento()


class DistanciaStop(Seccion):
    """How far from the entry the initial stop lies."""

    modo: Literal["porcentaje", "atr"]
    valor: Annotated[Numero, Field(gt=0.0)]  # percent of the entry, or average true ranges

    @model_validator(mode="after")
    def _deja_un_precio(self) -> Self:
        if self.modo == "porcentaje" and self.valor >= 100.0:
            raise ValueError(f"a stop {self.valor} % below the entry is no price; use less than 100")
        return self


class DistanciaObjetivo(Seccion):
    """How far from the entry the target lies."""

    modo: Literal["porcentaje", "atr", "span"]
    valor: Annotated[Numero, Field(gt=0.0)]  # percent, true ranges, or distances from entry to initial stop


class Proteccion(Seccion):
    """Resident stops that the environment simulates and the daemon runs."""

    tipo: Annotated[TipoProteccion, Field(strict=False)] = TipoProteccion.CATASTROFE
    fraccion_liquidacion: Annotated[Numero, Field(gt=0.0, lt=1.0)] = FRACCION_LIQUIDACION
    stop: DistanciaStop | None = None
    objetivo: DistanciaObjetivo | None = None
    velas_atr: Annotated[Positivo, Field(lt=VELAS_CALENTAMIENTO)] = VELAS_ATR  # candles of the true range
    break_even_con_costos: Fraccion = COSTO_FRACCION  # fraction beyond the entry; 0 is at the entry
    porcentaje: Annotated[Numero, Field(gt=0.0, lt=100.0)] | None = None  # from the best price
    momento_alto: Annotated[Numero, Field(gt=0.0)] = _MOMENTO.alto  # shares of the way per hour
    momento_bajo: Annotated[Numero, Field(gt=0.0)] = _MOMENTO.bajo
    velas_bloqueo: NoNegativo = 0  # candles without entries on a side after an exit nobody decided

    @model_validator(mode="after")
    def _las_claves_son_de_su_tipo(self) -> Self:
        if self.tipo in _SIN_FRENO:
            self._sin_claves_de_freno()
            return self
        if self.stop is None:
            raise ValueError(
                f"tipo: {self.tipo} needs an initial stop; add stop: {{modo: porcentaje, valor: 2.0}}"
            )
        if self.tipo is TipoProteccion.NIVELES and self.objetivo is None:
            raise ValueError(
                "tipo: niveles needs a target, on whose way the levels lie; add objetivo: {modo: span, "
                "valor: 2.0}, or use hand_span"
            )
        if (self.tipo is TipoProteccion.PORCENTAJE) is (self.porcentaje is None):
            remedio = "add porcentaje: 1.0" if self.porcentaje is None else "remove it"
            raise ValueError(f"porcentaje belongs to tipo: porcentaje, and that one needs it; {remedio}")
        if self.momento_bajo > self.momento_alto:
            raise ValueError(
                f"momento_bajo = {self.momento_bajo} is above momento_alto = {self.momento_alto}; lower it"
            )
        return self

    def _sin_claves_de_freno(self) -> None:
        campos = type(self).model_fields
        sobra = next((c for c in _DEL_FRENO if getattr(self, c) != campos[c].default), None)
        if sobra is not None:
            raise ValueError(
                f"tipo: {self.tipo} does not use {sobra}; remove it, or use fija, niveles, hand_span or "
                "porcentaje"
            )

    def regla(self, limite_drawdown: float) -> ReglaProteccion:
        """The core's rule, given the drawdown limit as a fraction of the peak."""
        stop, objetivo = self.stop, self.objetivo
        return ReglaProteccion(
            tipo=self.tipo,
            limite=limite_drawdown,
            fraccion_liquidacion=self.fraccion_liquidacion,
            freno=None if self.tipo in _SIN_FRENO else self._regla_freno(),
            stop=None if stop is None else Distancia(ModoDistancia(stop.modo), stop.valor),
            objetivo=None if objetivo is None else Distancia(ModoDistancia(objetivo.modo), objetivo.valor),
            velas_atr=self.velas_atr,
            velas_bloqueo=self.velas_bloqueo,
        )

    def _regla_freno(self) -> ReglaFreno:
        momento = ReglaMomento(self.momento_alto, self.momento_bajo)
        return ReglaFreno(TipoFreno(self.tipo), self.break_even_con_costos, self.porcentaje or 0.0, momento)
