"""A recorded session once more: the same candles and account must give the same decisions, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np

from src.artefactos.artefacto import Artefacto
from src.nucleo.accion import Interpretacion
from src.nucleo.cartera import equity_de
from src.nucleo.indicadores import Indicadores
from src.nucleo.observacion import construir_observacion
from src.nucleo.ordenes import LimitesPlan, Plan, planificar
from src.nucleo.riesgo import caida, excede, validar_escalones
from src.nucleo.tipos import EstadoCuenta, Mercado, Operacion, Vela
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.dataprovider import DataProvider, RangoRasgos
from src.produccion.diario.diario import EventoDiario
from src.produccion.diario.memoria import Instantanea, Pendiente, leer_instantanea, leer_pendiente
from src.produccion.ordenes.ordenes_recordadas import plegar
from src.produccion.puertos import Bolsa
from src.produccion.riesgo.enclavamiento import recordar
from src.produccion.sesion_grabada import Grabada, eventos_de


class Diferencia(NamedTuple):
    """Something that came out otherwise than it was recorded."""

    paso: int  # 0 when it is about no single decision
    apertura_ms: int  # of the candle decided on; -1 when it is about no single decision
    campo: str
    grabado: str
    repetido: str


@dataclass(slots=True)
class Informe:
    """What replaying a session showed."""

    decisiones: int = 0
    iguales: int = 0
    ordenes: int = 0  # of the whole journal, folded again
    diferencias: list[Diferencia] = field(default_factory=list)

    @property
    def igual(self) -> bool:
        """Whether nothing differs."""
        return not self.diferencias


async def repetir(
    eventos: Sequence[EventoDiario],
    grabada: Grabada,
    artefacto: Artefacto,
    mercado: Mercado,
    calentamiento: Sequence[Vela],
) -> Informe:
    """Decide again on every candle of a session.

    Args:
        eventos: The whole journal, in order.
        grabada: The session.
        artefacto: The one it ran.
        mercado: The market that its plans were made for.
        calentamiento: The candles it was warmed up with.

    Raises:
        DatosInvalidos: The recorded candles do not fill the window.
        LecturaFallida: The recorded candles are out of order.
    """
    suyos = list(eventos_de(eventos, grabada))
    datos = _datos(artefacto, _Historia(calentamiento, (v for evento in suyos for v in _velas_de(evento))))
    await datos.calentar()
    repetidor = _Repetidor(artefacto, mercado, datos)
    informe = Informe()
    for evento in suyos:
        await repetidor.tomar(evento, informe)
    informe.diferencias += _plegar_lo_demas(eventos, informe)
    return informe


class _Repetidor:
    """Feeds a session's events to the services that made them.

    Args:
        artefacto: The one the session ran.
        mercado: The market that its plans were made for.
        datos: Warmed up.
    """

    def __init__(self, artefacto: Artefacto, mercado: Mercado, datos: DataProvider) -> None:
        configuracion = artefacto.configuracion
        self._configuracion = configuracion
        self._limites: LimitesPlan = configuracion.limites_plan(mercado)
        self._agente = AgenteProduccion(
            artefacto.actor, configuracion.regla_accion(), self._limites.apalancamiento
        )
        self._limite = configuracion.entorno.max_drawdown_permitido
        self._con_escalones = configuracion.entorno.escalones_riesgo
        self._datos = datos

    async def tomar(self, evento: EventoDiario, informe: Informe) -> None:
        """Take one event of the session."""
        for vela in _velas_de(evento):
            await self._datos.actualizar(vela)
        if evento.tipo == "CANDLE_DECIDED":
            pendiente, foto = leer_pendiente(evento.contenido), leer_instantanea(evento.contenido["state"])
            diferencias = list(self._comparar(pendiente, foto))
            informe.decisiones += 1
            informe.iguales += not diferencias
            informe.diferencias += diferencias

    def _comparar(self, pendiente: Pendiente, foto: Instantanea) -> Iterator[Diferencia]:
        for campo, grabado, repetido in self._pares(pendiente, foto):
            if grabado != repetido:
                yield Diferencia(
                    foto.paso, pendiente.vela.apertura_ms, campo, _texto(grabado), _texto(repetido)
                )

    def _pares(self, p: Pendiente, foto: Instantanea) -> Iterator[tuple[str, object, object]]:
        """What was recorded and what comes out now, by name; nothing follows a candle that does not fit."""
        yield "candle", p.vela, self._datos.ultima
        if p.vela != self._datos.ultima:
            return
        cuenta = foto.cuenta
        equity = equity_de(cuenta, p.vela.close)
        yield "equity", p.equity, equity
        accion, lectura, plan = self._decidir(cuenta, equity, p.vela, foto.capital_referencia)
        yield "action", p.accion, accion
        yield "reading", p.interpretacion, lectura
        yield "plan", p.plan, plan
        if not p.rechazo:
            yield "refused", "", self._rechazo(plan, equity, foto)

    def _decidir(
        self, cuenta: EstadoCuenta, equity: float, vela: Vela, capital: float
    ) -> tuple[float, Interpretacion, Plan]:
        forma = self._configuracion.forma_portafolio(capital)
        observacion = construir_observacion(self._datos.ventana(), cuenta, vela.close, forma)
        accion = self._agente.predecir(observacion)
        lectura = self._agente.interpretar_accion(accion, cuenta, equity, vela.close)
        return accion, lectura, planificar(lectura, cuenta, equity, vela.close, self._limites)

    def _rechazo(self, plan: Plan, equity: float, foto: Instantanea) -> str:
        """Why a plan that was sent should not have been, as far as the recorded state can tell."""
        if plan.operacion is Operacion.MANTENER or plan.solo_reduce:
            return ""
        if excede(caida(equity, foto.riesgo.equity_maximo), self._limite):
            return "drawdown limit exceeded"
        if not self._con_escalones or foto.anclas is None:
            return ""
        return validar_escalones(plan, equity, foto.anclas, self._limite).detalle


class _Historia:
    """Lists what was recorded, as the exchange did when it was asked.

    Args:
        calentamiento: Candles of the warm-up.
        resto: Every other candle of the session.
    """

    def __init__(self, calentamiento: Sequence[Vela], resto: Iterable[Vela]) -> None:
        self._calentamiento = calentamiento
        self._resto = sorted({vela.apertura_ms: vela for vela in resto}.values())

    async def velas(
        self, *_: Any, desde_ms: int | None = None, hasta_ms: int | None = None, limite: int
    ) -> Sequence[Vela]:
        """The warm-up, or the candles of a span."""
        if desde_ms is None or hasta_ms is None:
            return self._calentamiento
        return [vela for vela in self._resto if desde_ms <= vela.apertura_ms <= hasta_ms][:limite]


def _velas_de(evento: EventoDiario) -> list[Vela]:
    """The candles that an event brought."""
    contenido: Any = evento.contenido
    match evento.tipo:
        case "CANDLES":
            filas = contenido["candles"]
        case "CANDLE_DECIDED":
            filas = [contenido["candle"]]
        case _:
            filas = []
    return [Vela(int(apertura_ms), *map(float, precios)) for apertura_ms, *precios in filas]


def _datos(artefacto: Artefacto, historia: _Historia) -> DataProvider:
    configuracion = artefacto.configuracion
    esquema = artefacto.manifiesto.rasgos
    return DataProvider(
        cast(Bolsa, historia),
        configuracion.data_downloader.symbol,
        configuracion.data_downloader.interval,
        Indicadores(configuracion.parametros_indicadores(), configuracion.preprocesamiento.rasgos),
        artefacto.escalador,
        configuracion.entorno.window_size,
        RangoRasgos(np.array(esquema.minimo), np.array(esquema.maximo)),
    )


def _plegar_lo_demas(eventos: Sequence[EventoDiario], informe: Informe) -> Iterator[Diferencia]:
    """Fold orders and latch again: a fact that contradicts another one is a difference."""
    try:
        informe.ordenes = len(plegar(eventos))
    except (KeyError, ValueError) as fallo:
        yield Diferencia(0, -1, "orders", "a consistent life", str(fallo))
    try:
        recordar(evento for evento in eventos if evento.agregado == "risk")
    except (KeyError, ValueError) as fallo:
        yield Diferencia(0, -1, "latch", "a consistent life", str(fallo))


def _texto(valor: object) -> str:
    return repr(tuple(valor)) if isinstance(valor, tuple) else repr(valor)
