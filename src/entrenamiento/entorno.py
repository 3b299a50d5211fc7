"""The market as a gymnasium environment; its arithmetic is the core's."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.entrenamiento.datos_entorno import DatosEntorno, calcular_filas
from src.entrenamiento.recorrido import (
    Incidencia,
    Travesia,
    Vencimiento,
    atravesar,
    ejecutar,
    liquidar_funding,
)
from src.nucleo.accion import Interpretacion, interpretar_accion
from src.nucleo.camino import camino_intravela
from src.nucleo.cartera import debe_liquidarse, equities_de, equity_de
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.observacion import construir_observacion, exposicion_de
from src.nucleo.ordenes import Plan, planificar
from src.nucleo.recompensa import Paso, calcular_recompensa
from src.nucleo.riesgo import (
    VALIDA,
    EstadoRiesgo,
    Validacion,
    validar_accion_pre,
    validar_brecha,
    vigilar_sin_brecha,
)
from src.nucleo.tipos import Ejecucion, EstadoCuenta, MatrizF32

__all__ = ["DatosEntorno", "EntornoTrading", "PasoEntorno"]

ObservacionGym = dict[str, MatrizF32]


class PasoEntorno(NamedTuple):
    """All that one step did, for whoever writes it down."""

    fila: int  # the closed candle that was observed
    accion: float
    interpretacion: Interpretacion
    plan: Plan
    validacion: Validacion
    antes: EstadoCuenta  # at that candle's close, before the order
    tras_orden: EstadoCuenta
    ejecuciones: tuple[Ejecucion, ...]
    riesgo_antes: EstadoRiesgo
    cuenta: EstadoCuenta  # at the next candle's close
    riesgo: EstadoRiesgo
    incidencias: tuple[Incidencia, ...]  # fills between the two closes
    funding: float  # margin asset, > 0 received
    recompensa: float
    terminated: bool
    truncated: bool


class EntornoTrading(gym.Env[ObservacionGym, MatrizF32]):
    """One agent on one symbol; a step goes from a candle's close to the next one's.

    An episode ends (``terminated``) when the drawdown limit is exceeded for certain or no equity is left,
    and is cut (``truncated``) after ``longitud_episodio`` steps or at the end of the data.

    Args:
        datos: Candles, features and market; the market's taker fee is what fills cost.
        configuracion: The artefact's rules.
        semilla: Of the random starts; ``None`` draws one.
        inicio_aleatorio: Otherwise every episode starts on the first row where a window fits.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(
        self,
        datos: DatosEntorno,
        configuracion: ConfiguracionArtefacto,
        semilla: int | None = None,
        inicio_aleatorio: bool = True,
    ) -> None:
        entorno, portafolio = configuracion.entorno, configuracion.portafolio
        self.datos = datos
        self.configuracion = configuracion
        self.primera_decision = datos.primera_decision(entorno.window_size)
        self._filas = calcular_filas(datos, entorno.camino, portafolio.slippage, portafolio.tasa_funding)
        self._rasgos = datos.rasgos_escalados
        self._ventana = entorno.window_size
        self._capital = float(portafolio.capital_inicial)
        self._apalancamiento = float(portafolio.apalancamiento)
        self._slippage = portafolio.slippage
        self._limite = entorno.max_drawdown_permitido
        self._regla_accion = configuracion.regla_accion()
        self._regla_recompensa = configuracion.regla_recompensa()
        self._forma = configuracion.forma_portafolio(self._capital)
        self._limites = configuracion.limites_plan(datos.mercado)
        self._inicio_aleatorio = inicio_aleatorio
        self._visitadas = bytearray(len(datos.tabla))
        self._declarar_espacios()
        if semilla is not None:
            self.np_random, _ = seeding.np_random(semilla)
        self._empezar(self.primera_decision, entorno.longitud_episodio)

    def _declarar_espacios(self) -> None:
        def libre(*forma: int) -> gym.spaces.Box:
            return gym.spaces.Box(-np.inf, np.inf, forma, np.float32)

        self.observation_space = gym.spaces.Dict(
            {"market": libre(self._ventana, self._rasgos.shape[1]), "portfolio": libre(3)}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    @property
    def fraccion_visitada(self) -> float:
        """Share of the rows an agent can decide on that it has decided on, 0 … 1."""
        return self._visitadas.count(1) / (self.datos.ultima - self.primera_decision)

    @property
    def ultimo(self) -> PasoEntorno:
        """What the last step did."""
        return PasoEntorno._make(self._ultimo)

    @property
    def fila(self) -> int:
        """The closed candle that is observed now."""
        return self._fila

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObservacionGym, dict[str, Any]]:
        """Start an episode, flat and with the initial capital.

        Args:
            seed: Starts the stream of random starts anew.
            options: ``inicio``, the row of the first decision; ``longitud``, steps instead of
                ``longitud_episodio``.
        Raises:
            ConfiguracionInvalida: No episode can start on that row.
        """
        super().reset(seed=seed)
        opciones = options or {}
        primera, ultima = self.primera_decision, self.datos.ultima
        inicio = opciones.get("inicio")
        if inicio is None:
            inicio = int(self.np_random.integers(primera, ultima)) if self._inicio_aleatorio else primera
        if not primera <= inicio < ultima:
            raise ConfiguracionInvalida(f"no episode can start on row {inicio}; use {primera} to {ultima - 1}")
        self._empezar(inicio, opciones.get("longitud", self.configuracion.entorno.longitud_episodio))
        return self._observacion(), {}

    def _empezar(self, inicio: int, longitud: int) -> None:
        self._fila = inicio
        self._fin = min(inicio + longitud, self.datos.ultima)
        self._cuenta = EstadoCuenta(self._capital)
        self._equity = self._capital
        self._riesgo = EstadoRiesgo(self._capital)
        self._ultimo: tuple[Any, ...] = ()

    def step(self, action: MatrizF32) -> tuple[ObservacionGym, float, bool, bool, dict[str, Any]]:
        """Carry out a decision at the observed close and live through the next candle.

        Raises:
            DatosInvalidos: The action is NaN or outside [−1, 1].
            RuntimeError: The episode has ended.
        """
        fila, antes, riesgo, equity = self._fila, self._cuenta, self._riesgo, self._equity
        siguiente = fila + 1
        if siguiente > self._fin:
            raise RuntimeError("the episode has ended; call reset()")
        self._visitadas[fila] = 1
        accion = action.item()
        interpretacion, plan = self._planificar(accion, antes, equity, fila)
        if plan.cantidades or plan.motivo:
            validacion, tras_orden, ejecuciones = self._operar(plan, antes, riesgo, fila)
        else:
            validacion, tras_orden, ejecuciones = VALIDA, antes, ()
        cuenta, riesgo_nuevo, incidencias, funding, emergencia = self._avanzar(tras_orden, riesgo, siguiente)
        nueva = equity_de(cuenta, self._filas.cierre[siguiente])
        inactivo = tras_orden.posicion is None and cuenta.posicion is None
        recompensa = calcular_recompensa(
            Paso(equity, nueva, riesgo.equity_maximo, riesgo_nuevo.equity_maximo, inactivo),
            self._regla_recompensa,
        )
        terminated = emergencia or nueva <= 0.0
        truncated = siguiente == self._fin and not terminated
        if terminated:
            self._fin = siguiente
        self._fila, self._cuenta, self._equity, self._riesgo = siguiente, cuenta, nueva, riesgo_nuevo
        self._ultimo = (
            *(fila, accion, interpretacion, plan, validacion, antes, tras_orden, ejecuciones, riesgo),
            *(cuenta, riesgo_nuevo, incidencias, funding, recompensa, terminated, truncated),
        )
        return self._observacion(), recompensa, terminated, truncated, {}

    def _planificar(
        self, accion: float, cuenta: EstadoCuenta, equity: float, fila: int
    ) -> tuple[Interpretacion, Plan]:
        precio = self._filas.cierre[fila]
        exposicion = exposicion_de(cuenta.cantidad, precio, equity, self._apalancamiento)
        interpretacion = interpretar_accion(accion, exposicion, self._regla_accion)
        return interpretacion, planificar(interpretacion, cuenta, equity, precio, self._limites)

    def _operar(
        self, plan: Plan, cuenta: EstadoCuenta, riesgo: EstadoRiesgo, fila: int
    ) -> tuple[Validacion, EstadoCuenta, tuple[Ejecucion, ...]]:
        filas, mercado = self._filas, self.datos.mercado
        compra = bool(plan.cantidades) and plan.cantidades[0] > 0.0
        precio_orden = filas.compra[fila] if compra else filas.venta[fila]
        validacion = validar_brecha(plan, riesgo)
        if validacion.valida:
            validacion = validar_accion_pre(
                plan, cuenta, precio_orden, filas.cierre[fila], mercado, self._apalancamiento
            )
        if not validacion.valida:
            return validacion, cuenta, ()
        return validacion, *ejecutar(cuenta, plan.cantidades, precio_orden, mercado)

    def _avanzar(
        self, cuenta: EstadoCuenta, riesgo: EstadoRiesgo, fila: int
    ) -> tuple[EstadoCuenta, EstadoRiesgo, tuple[Incidencia, ...], float, bool]:
        """Live through a candle; walks its points only when one of them may matter.

        A liquidation that does not happen at the worst price of the path happens nowhere on it.
        """
        filas, posicion, limite = self._filas, cuenta.posicion, self._limite
        if posicion is None:
            tranquilo = vigilar_sin_brecha(riesgo, (cuenta.saldo,), limite)
            if tranquilo is not None:
                return cuenta, tranquilo, (), 0.0, False
            return self._atravesar(cuenta, riesgo, fila)
        peor = filas.minimo[fila] if posicion.cantidad > 0.0 else filas.maximo[fila]
        if debe_liquidarse(cuenta, peor, self.datos.mercado.tramos):
            return self._atravesar(cuenta, riesgo, fila)
        tranquilo = vigilar_sin_brecha(riesgo, equities_de(cuenta, filas.precios[fila]), limite)
        if tranquilo is None:
            return self._atravesar(cuenta, riesgo, fila)
        tasa = filas.tasa_funding[fila]
        if tasa is None:
            return cuenta, tranquilo, (), 0.0, False
        vencimiento = Vencimiento(filas.cierre[fila], tasa, filas.cierre_ms[fila])
        cuenta, tranquilo, funding = liquidar_funding(cuenta, tranquilo, vencimiento, limite)
        return cuenta, tranquilo, (), funding, False

    def _atravesar(
        self, cuenta: EstadoCuenta, riesgo: EstadoRiesgo, fila: int
    ) -> tuple[EstadoCuenta, EstadoRiesgo, tuple[Incidencia, ...], float, bool]:
        vela = self.datos.tabla.vela(fila)
        travesia = Travesia(
            puntos=camino_intravela(vela, self.configuracion.entorno.camino),
            apertura_ms=vela.apertura_ms,
            duracion_ms=self._filas.cierre_ms[fila] - vela.apertura_ms,
            tasa_funding=self._filas.tasa_funding[fila],
        )
        return atravesar(cuenta, riesgo, travesia, self.datos.mercado, self._limite, self._slippage)

    def _observacion(self) -> ObservacionGym:
        fin = self._fila + 1
        ventana = self._rasgos[fin - self._ventana : fin]
        observacion = construir_observacion(ventana, self._cuenta, self._filas.cierre[self._fila], self._forma)
        return {"market": observacion.market, "portfolio": observacion.portfolio}
