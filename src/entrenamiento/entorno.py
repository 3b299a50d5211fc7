"""The market as a gymnasium environment; its arithmetic is the core's."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.entrenamiento.datos_entorno import DatosEntorno, calcular_filas
from src.entrenamiento.operativa import SIN_INCIDENCIAS, Operativa
from src.entrenamiento.paso import Asiento, PasoEntorno, armar_paso
from src.entrenamiento.recorrido import OyenteFreno, Vencimiento, atravesar, liquidar_funding, travesia_de
from src.entrenamiento.salidas import Incidencia
from src.nucleo.accion import interpretar_accion
from src.nucleo.cartera import CuentaPlana, aplanar, cuenta_de, equity_en, no_cubre_mantenimiento
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.observacion import valorar, vector_portafolio
from src.nucleo.ordenes import SIN_ORDENES, planificar_cantidad
from src.nucleo.proteccion import SIN_PROTECCION
from src.nucleo.recompensa import Paso, calcular_recompensa
from src.nucleo.riesgo import VALIDA, Anclas, EstadoRiesgo, anclar, vigilar_extremos
from src.nucleo.stops import cruzado
from src.nucleo.tipos import MatrizF32
from src.nucleo.veto import Veto, envejecer

__all__ = ["DatosEntorno", "EntornoTrading", "PasoEntorno"]

ObservacionGym = dict[str, MatrizF32]
_NADA: tuple[Asiento, ...] = ()
_crear = tuple.__new__  # what a NamedTuple's constructor ends in, at half its price


class EntornoTrading(gym.Env[ObservacionGym, MatrizF32]):
    """One agent on one symbol; a step goes from a candle's close to the next one's.

    An episode ends (``terminated``) when the drawdown limit is exceeded for certain or no equity is left,
    and is cut (``truncated``) after ``longitud_episodio`` steps or at the end of the data.

    Args:
        datos: Candles, features and market; the market's taker fee is what fills cost.
        configuracion: The artefact's rules.
        semilla: Of the random starts; ``None`` draws one.
        inicio_aleatorio: Otherwise every episode starts on the first row where a window fits.
        oyente: Told of each move of a brake; ``None`` tells nobody.
    """

    def __init__(
        self,
        datos: DatosEntorno,
        configuracion: ConfiguracionArtefacto,
        semilla: int | None = None,
        inicio_aleatorio: bool = True,
        oyente: OyenteFreno | None = None,
    ) -> None:
        entorno, portafolio = configuracion.entorno, configuracion.portafolio
        self.datos = datos
        self.configuracion = configuracion
        self.primera_decision = datos.primera_decision(entorno.window_size)
        self._filas = calcular_filas(datos, entorno.camino, portafolio.slippage, portafolio.tasa_funding)
        self._mercado = datos.mercado
        self._rasgos = datos.rasgos_escalados
        self._ventana = entorno.window_size
        self._capital = float(portafolio.capital_inicial)
        self._apalancamiento = float(portafolio.apalancamiento)
        self._limite = entorno.max_drawdown_permitido
        self._operativa = Operativa(configuracion, datos, oyente)
        self._con_escalones = entorno.escalones_riesgo
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

        self.observation_space = gym.spaces.Dict(  # type: ignore[assignment]
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
        if not self._ultimo:
            raise RuntimeError("no step was taken yet")
        return armar_paso(self._ultimo)

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
            raise ConfiguracionInvalida(
                f"no episode can start on row {inicio}; use {primera} to {ultima - 1}"
            )
        self._empezar(inicio, opciones.get("longitud", self.configuracion.entorno.longitud_episodio))
        return self._observacion(), {}

    def _empezar(self, inicio: int, longitud: int) -> None:
        self._fila = inicio
        self._fin = min(inicio + longitud, self.datos.ultima)
        self._cuenta: CuentaPlana = (self._capital, 0.0, 0.0)
        self._valor = (self._capital, 0.0, 0.0)
        self._riesgo = EstadoRiesgo(self._capital)
        self._proteccion = SIN_PROTECCION
        self._veto: Veto | None = None
        self._anclas: Anclas | None = None
        self._ultimo: tuple[Any, ...] = ()  # a `PasoEntorno` in plain numbers

    def step(self, action: MatrizF32) -> tuple[ObservacionGym, float, bool, bool, dict[str, Any]]:
        """Carry out a decision at the observed close and live through the next candle.

        Raises:
            DatosInvalidos: The action is NaN or outside [−1, 1].
            RuntimeError: The episode has ended.
        """
        fila, riesgo, antes, veto = self._fila, self._riesgo, self._cuenta, self._veto
        equity, _, exposicion = self._valor
        if fila >= self._fin:
            raise RuntimeError("the episode has ended; call reset()")
        self._visitadas[fila] = 1
        precios = self._filas[fila]
        if self._con_escalones:
            self._anclas = anclar(self._anclas, equity, precios[6])
        accion = action.item()
        interpretacion = interpretar_accion(accion, exposicion, self._regla_accion)
        plan = planificar_cantidad(interpretacion, antes[1], equity, precios[0], self._limites)
        if plan is SIN_ORDENES:
            validacion, tras_orden, asientos = VALIDA, antes, _NADA
        else:
            validacion, tras_orden, asientos = self._operativa.operar(
                plan, antes, equity, precios, riesgo, self._anclas, veto
            )
        if veto is not None:
            self._veto = envejecer(veto, interpretacion[0], tras_orden[1])
        proteccion, cuenta, previas, fila_nueva = self._proteccion, tras_orden, SIN_INCIDENCIAS, fila + 1
        if asientos and self._operativa.con_stop:
            proteccion, cuenta, previas = self._operativa.proteger(
                proteccion, antes[1], tras_orden, fila, precios, riesgo
            )
        nivel, freno = proteccion
        if freno is not None:
            proteccion = self._operativa.seguir(proteccion, precios)
            freno = proteccion.freno
        self._proteccion = proteccion
        cuenta, riesgo_nuevo, incidencias, funding, emergencia = self._avanzar(cuenta, riesgo, fila_nueva)
        incidencias = previas + incidencias
        if incidencias:
            self._veto = self._operativa.vetar(self._veto, incidencias)
        saldo, cantidad, entrada = cuenta
        valor = valorar(saldo, cantidad, entrada, self._filas[fila_nueva][0], self._apalancamiento)
        inactivo = cantidad == 0.0 and tras_orden[1] == 0.0
        recompensa = calcular_recompensa(
            _crear(Paso, (equity, valor[0], riesgo[0], riesgo_nuevo[0], inactivo)), self._regla_recompensa
        )
        terminated = emergencia or valor[0] <= 0.0
        truncated = fila_nueva == self._fin and not terminated
        if terminated:
            self._fin = fila_nueva
        self._fila, self._riesgo, self._cuenta, self._valor = fila_nueva, riesgo_nuevo, cuenta, valor
        self._ultimo = (
            fila, accion, interpretacion, plan, validacion, antes, tras_orden, asientos, riesgo,
            cuenta, riesgo_nuevo, nivel, freno, incidencias, funding, recompensa, terminated, truncated,
        )  # fmt: skip
        return self._observacion(), recompensa, terminated, truncated, {}

    def _avanzar(
        self, cuenta: CuentaPlana, riesgo: EstadoRiesgo, fila: int
    ) -> tuple[CuentaPlana, EstadoRiesgo, tuple[Incidencia, ...], float, bool]:
        """Live through a candle; walk its points only when one of them may matter.

        A stop or a liquidation that is not met at the worst price of the path is met nowhere on it.
        """
        saldo, cantidad, entrada = cuenta
        if cantidad == 0.0:
            tranquilo = vigilar_extremos(riesgo, saldo, saldo, self._limite)
            if tranquilo is None:
                return self._atravesar(cuenta, riesgo, fila)
            return cuenta, tranquilo, (), 0.0, False
        cierre, _, _, peor, mejor, tasa, cierre_ms = self._filas[fila]
        if cantidad < 0.0:
            peor, mejor = mejor, peor
        nivel, freno = self._proteccion
        if freno is not None:
            if not self._operativa.esta_quieta(self._proteccion, cantidad, peor, mejor, cierre_ms):
                return self._atravesar(cuenta, riesgo, fila)
        elif nivel is not None and cruzado(nivel, cantidad, peor):
            return self._atravesar(cuenta, riesgo, fila)
        menor = equity_en(saldo, cantidad, entrada, peor)
        mayor = equity_en(saldo, cantidad, entrada, mejor)
        tranquilo = vigilar_extremos(riesgo, menor, mayor, self._limite)
        if tranquilo is None or no_cubre_mantenimiento(menor, cantidad, peor, self._mercado.tramos):
            return self._atravesar(cuenta, riesgo, fila)
        if tasa is None:
            return cuenta, tranquilo, (), 0.0, False
        vencimiento = Vencimiento(cierre, tasa, cierre_ms)
        cuenta, tranquilo, funding = liquidar_funding(cuenta, tranquilo, vencimiento, self._limite)
        return cuenta, tranquilo, (), funding, False

    def _atravesar(
        self, cuenta: CuentaPlana, riesgo: EstadoRiesgo, fila: int
    ) -> tuple[CuentaPlana, EstadoRiesgo, tuple[Incidencia, ...], float, bool]:
        vela, camino = self.datos.tabla.vela(fila), self.configuracion.entorno.camino
        travesia = travesia_de(vela, camino, self._filas[fila])
        despues, riesgo, self._proteccion, incidencias, funding, emergencia = atravesar(
            cuenta_de(*cuenta), riesgo, travesia, self._operativa.terreno, self._proteccion
        )
        return aplanar(despues), riesgo, incidencias, funding, emergencia

    def _observacion(self) -> ObservacionGym:
        fin = self._fila + 1
        return {
            "market": self._rasgos[fin - self._ventana : fin].copy(),
            "portfolio": vector_portafolio(self._valor, self._forma),
        }
