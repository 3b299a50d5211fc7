"""Builds the services of one session from what it is started with and what the journal remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.artefactos.artefacto import Artefacto
from src.nucleo.cartera import equity_de
from src.nucleo.indicadores import Indicadores
from src.nucleo.politica import Politica
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.tipos import EstadoCuenta, Mercado
from src.produccion.a_mano import LibroAMano
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.ciclo import Ciclo, Piezas
from src.produccion.config.config import Ajustes
from src.produccion.cronica import Cronica
from src.produccion.cuenta import Cuenta
from src.produccion.dataprovider import DataProvider, RangoRasgos
from src.produccion.decision import Reglas
from src.produccion.diario.recuerdo import Recuerdo
from src.produccion.observacion import ObservacionBuilder
from src.produccion.ordenes.averiguacion import AjustesEjecutor
from src.produccion.ordenes.ejecutor import Ejecutor
from src.produccion.ordenes.oidos import FillsOidos
from src.produccion.puertos import Bolsa, Diario, Reloj
from src.produccion.Registro import RegistroProduccion
from src.produccion.riesgo.control_riesgo import ControlRiesgo
from src.produccion.riesgo.cuadro import Cuadro
from src.produccion.riesgo.reglas_disyuntores import reglas_de
from src.produccion.stops.proteccion import Protector


@dataclass(frozen=True, slots=True, kw_only=True)
class Materiales:
    """What the services are made of."""

    artefacto: Artefacto
    ajustes: Ajustes
    politica: Politica
    agente_id: str
    capital: float | None
    carpeta: Path  # of the account's and symbol's state
    bolsa: Bolsa
    diario: Diario
    reloj: Reloj
    mercado: Mercado
    recuerdo: Recuerdo
    avanzar: Callable[[], None]  # told at each try of work that may take long
    exchange: str = "binance"  # as breakers name it
    espera_agentes: bool = False  # whether the market stands still until its agents are done


@dataclass(frozen=True, slots=True, kw_only=True)
class Nucleo:
    """The services that know the account; they work before there is a window."""

    cuenta: Cuenta
    ejecutor: Ejecutor
    protector: Protector
    oidos: FillsOidos


def armar_nucleo(m: Materiales) -> Nucleo:
    """Account, executor and protector, as the journal left them."""
    simbolo, regla = m.mercado.simbolo, m.artefacto.configuracion.regla_proteccion()
    protector = Protector(m.bolsa, m.diario, m.reloj, m.mercado, regla, m.agente_id, memoria=m.recuerdo.stops)
    oidos = FillsOidos()
    cuenta = Cuenta(m.bolsa, m.mercado, m.capital, protector.reconocer, oidos=oidos)
    instantanea = m.recuerdo.agente.instantanea
    if instantanea is not None:
        cuenta.reanudar(instantanea.cuenta, instantanea.marcador)
        protector.atr = instantanea.atr
    bolsa = m.ajustes.exchange
    ajustes = AjustesEjecutor(ventana_ms=bolsa.recv_window_ms, pausa_mirada_s=bolsa.lookup_pause_s)
    ejecutor = Ejecutor(m.bolsa, m.diario, m.reloj, simbolo, ajustes, m.recuerdo.ordenes, oidos)
    return Nucleo(cuenta=cuenta, ejecutor=ejecutor, protector=protector, oidos=oidos)


def armar_datos(m: Materiales) -> DataProvider:
    """The window of closed candles, still empty."""
    config, esquema = m.artefacto.configuracion, m.artefacto.manifiesto.rasgos
    return DataProvider(
        m.bolsa,
        m.mercado.simbolo,
        config.data_downloader.interval,
        Indicadores(config.parametros_indicadores(), config.preprocesamiento.rasgos),
        m.artefacto.escalador,
        config.entorno.window_size,
        RangoRasgos(np.array(esquema.minimo), np.array(esquema.maximo)),
        recientes=config.regla_proteccion().velas_atr + 1,
    )


def armar_ciclo(
    m: Materiales, nucleo: Nucleo, registro: RegistroProduccion, estado: EstadoCuenta, mark: float
) -> Ciclo:
    """The whole cycle, gone on with from the newest snapshot when there is one.

    Args:
        m: What it is made of.
        nucleo: From `armar_nucleo`.
        registro: The session's files.
        estado: The account as it is known.
        mark: Mark price now.
    """
    config, memoria = m.artefacto.configuracion, m.recuerdo.agente
    equity = equity_de(estado, mark)
    referencia = memoria.capital_referencia or equity
    limites = config.limites_plan(m.mercado)
    control = _armar_control(m, nucleo, equity)
    cronica = Cronica(
        m.diario,
        registro,
        m.reloj,
        control,
        nucleo.cuenta,
        nucleo.ejecutor,
        nucleo.protector,
        m.agente_id,
        limites.apalancamiento,
        referencia,
    )
    if memoria.instantanea is not None:
        cronica.reanudar(memoria.instantanea)
    elif memoria.capital_referencia is None:
        cronica.anotar_referencia(referencia)
    if estado.posicion is not None and cronica.contabilidad.activo is None:
        cronica.contabilidad = cronica.contabilidad.abrir()
    piezas = Piezas(
        datos=armar_datos(m),
        cuenta=nucleo.cuenta,
        observador=ObservacionBuilder(config.forma_portafolio(referencia)),
        agente=AgenteProduccion(m.politica, config.regla_accion(), limites.apalancamiento),
        control=control,
        protector=nucleo.protector,
        ejecutor=nucleo.ejecutor,
        cronica=cronica,
        reloj=m.reloj,
        oidos=nucleo.oidos,
        a_mano=LibroAMano(m.diario, m.reloj, control, m.recuerdo.a_mano),
    )
    reglas = Reglas(
        m.agente_id,
        m.mercado,
        limites,
        config.regla_recompensa(),
        config.portafolio.slippage,
        round(m.ajustes.decision.max_candle_age_s * 1_000),
        config.regla_proteccion(),
    )
    return Ciclo(piezas, reglas, mark)


def _armar_control(m: Materiales, nucleo: Nucleo, equity: float) -> ControlRiesgo:
    config, instantanea = m.artefacto.configuracion, m.recuerdo.agente.instantanea
    maximo = m.recuerdo.riesgo.equity_maximo or equity
    control = ControlRiesgo(
        m.bolsa,
        nucleo.ejecutor,
        m.diario,
        m.reloj,
        m.mercado,
        config.limites_plan(m.mercado),
        config.entorno.max_drawdown_permitido,
        maximo,
        con_libro=m.capital is not None,
        fraccion_fuera_max=m.ajustes.feature_range.hold_entries_above,
        escalones=config.entorno.escalones_riesgo,
        velas_bloqueo=config.entorno.proteccion.velas_bloqueo,
        amparo=nucleo.protector,
        carpeta=m.carpeta,
        avanzar=m.avanzar,
    )
    if instantanea is not None:
        riesgo = instantanea.riesgo
        # After an unlock the peak starts again; a peak between snapshots is in its own events.
        olvidado = m.recuerdo.riesgo.equity_maximo is None
        pico = equity if olvidado else max(maximo, riesgo.equity_maximo)
        estado = EstadoRiesgo(equity) if olvidado else riesgo._replace(equity_maximo=pico)
        control.reanudar(estado, instantanea.anclas, instantanea.veto)
    control.restituir_modo(m.recuerdo.modo)
    control.cuadro = _armar_cuadro(m, control)
    control.guardar_pico()
    return control


def _armar_cuadro(m: Materiales, control: ControlRiesgo) -> Cuadro:
    entorno = m.artefacto.configuracion.entorno
    reglas, muestran = reglas_de(
        m.ajustes.breakers,
        entorno.max_drawdown_permitido,
        escalones=entorno.escalones_riesgo,
        espera_agentes=m.espera_agentes,
    )
    return Cuadro(
        m.diario,
        m.reloj,
        control.fijar,
        (m.exchange, m.mercado.simbolo),
        reglas,
        muestran=muestran,
        memoria=m.recuerdo.cuadro,
    )
