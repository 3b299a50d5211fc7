"""Composition root: the only place that wires adapters to services."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import aiohttp
import numpy as np
import structlog

from src.artefactos.artefacto import Artefacto
from src.nucleo.cartera import equity_de
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.indicadores import Indicadores
from src.nucleo.politica import Politica
from src.nucleo.tipos import Mercado
from src.produccion import bitacora
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.arranque import comprobar_bolsa, comprobar_saldo, sincronizar_reloj
from src.produccion.avance import AvanceReal, AvanceSimulado
from src.produccion.binance import BinanceConnector
from src.produccion.ciclo import Ciclo, Piezas, Reglas
from src.produccion.config.config import Ajustes, Destino, Modo, Opciones
from src.produccion.control_riesgo import ControlRiesgo, Memoria
from src.produccion.cuenta import Cuenta
from src.produccion.dataprovider import DataProvider, RangoRasgos
from src.produccion.diario import DiarioSqlite
from src.produccion.ejecutor import Ejecutor
from src.produccion.flujos import FlujoCuenta, FlujoMercado
from src.produccion.identidad import id_cuenta
from src.produccion.memoria import MemoriaAgente, recordar_agente
from src.produccion.observacion import ObservacionBuilder
from src.produccion.orquestador import AjustesSesion, Motivo, Orquestador
from src.produccion.puertos import Avance
from src.produccion.Registro import RegistroProduccion, sello_libre
from src.produccion.reloj import RelojMercado
from src.produccion.sesion import Estadisticas, linea_de_estado

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sesion:
    """How a session went."""

    motivo: Motivo
    registro: Path
    estadisticas: Estadisticas


@dataclass(frozen=True, slots=True)
class Lugar:
    """Everything a session is started with."""

    artefacto: Artefacto
    ajustes: Ajustes
    opciones: Opciones
    destino: Destino
    politica: Politica
    al_terminar: Callable[[Sesion], None]

    @property
    def simbolo(self) -> str:
        """The symbol traded."""
        return self.artefacto.configuracion.data_downloader.symbol

    @property
    def cuenta_id(self) -> str:
        """The account traded on."""
        return id_cuenta(self.destino.modo.value, self.destino.credenciales.clave)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conexiones:
    """What a session holds open."""

    diario: DiarioSqlite
    bolsa: BinanceConnector
    reloj: RelojMercado
    sesion: aiohttp.ClientSession


class _Comienzo(NamedTuple):
    """What the exchange and the journal said when the session began."""

    mercado: Mercado
    equity: float
    equity_maximo: float
    agente: MemoriaAgente


class Montaje:
    """Wires one session and runs it.

    Args:
        lugar: What it is started with.
        agente: The agent's identity.
        conexiones: What it holds open; closed by whoever opened it.
    """

    def __init__(self, lugar: Lugar, agente: str, conexiones: Conexiones) -> None:
        self._lugar = lugar
        self._agente = agente
        self._diario = conexiones.diario
        self._bolsa = conexiones.bolsa
        self._reloj = conexiones.reloj
        self._sesion = conexiones.sesion
        self._config = lugar.artefacto.configuracion
        self._simbolo = lugar.simbolo
        self._intervalo = self._config.data_downloader.interval

    async def correr(self, memoria: Memoria) -> Sesion:
        """Check, recover, warm up, trade.

        Args:
            memoria: What the journal remembers of the account and symbol.
        """
        opciones, ajustes = self._lugar.opciones, self._lugar.ajustes
        apalancamiento = self._config.portafolio.apalancamiento
        _comprobar_libro(memoria, opciones.capital)
        await sincronizar_reloj(
            self._bolsa, self._reloj, self._lugar.destino.modo, ajustes.risk.max_clock_skew_s
        )
        carpeta = self._lugar.artefacto.ruta / "produccion"
        sello = sello_libre(carpeta, self._reloj.ahora_ms())
        with bitacora.configurada(carpeta / f"produccion_{sello}.log", detallado=opciones.detallado):
            mercado = await comprobar_bolsa(self._bolsa, self._lugar.artefacto.mercado, apalancamiento)
            await comprobar_saldo(self._bolsa, mercado, apalancamiento, opciones.capital)
            datos = self._datos()
            await datos.calentar()
            agente = recordar_agente(
                self._diario.leer(), self._agente, con_libro=opciones.capital is not None
            )
            cuenta = Cuenta(self._bolsa, mercado, agente.libro_para(opciones.capital))
            estado = await cuenta.abrir(self._reloj.ahora_ms())
            if estado.posicion is not None:
                log.warning("posicion_encontrada", posicion=str(estado.posicion))
            equity = equity_de(estado, datos.ultima.close)
            comienzo = _Comienzo(mercado, equity, memoria.equity_maximo or equity, agente)
            with RegistroProduccion(carpeta, sello) as registro:
                ciclo = self._ciclo(comienzo, datos, cuenta, registro)
                return await self._orquestar(datos, ciclo, cuenta, registro, equity)

    def _datos(self) -> DataProvider:
        indicadores = Indicadores(self._config.parametros_indicadores(), self._config.preprocesamiento.rasgos)
        esquema = self._lugar.artefacto.manifiesto.rasgos
        return DataProvider(
            self._bolsa,
            self._simbolo,
            self._intervalo,
            indicadores,
            self._lugar.artefacto.escalador,
            self._config.entorno.window_size,
            RangoRasgos(np.array(esquema.minimo), np.array(esquema.maximo)),
        )

    def _ciclo(
        self, comienzo: _Comienzo, datos: DataProvider, cuenta: Cuenta, registro: RegistroProduccion
    ) -> Ciclo:
        mercado, memoria = comienzo.mercado, comienzo.agente
        con_libro = self._lugar.opciones.capital is not None
        if memoria.capital_referencia is None:
            self._diario.anotar_luego(
                f"agent:{self._agente}",
                "REFERENCE",
                self._reloj.ahora_ms(),
                {"equity": comienzo.equity, "ledger": con_libro},
            )
        limites = self._config.limites_plan(mercado)
        ejecutor = Ejecutor(self._bolsa, self._diario, self._reloj, self._simbolo)
        piezas = Piezas(
            datos=datos,
            cuenta=cuenta,
            observador=ObservacionBuilder(
                self._config.forma_portafolio(memoria.capital_referencia or comienzo.equity)
            ),
            agente=AgenteProduccion(
                self._lugar.politica, self._config.regla_accion(), limites.apalancamiento
            ),
            control=ControlRiesgo(
                self._bolsa,
                ejecutor,
                self._diario,
                self._reloj,
                mercado,
                limites,
                self._config.entorno.max_drawdown_permitido,
                comienzo.equity_maximo,
                con_libro=con_libro,
                fraccion_fuera_max=self._lugar.ajustes.feature_range.hold_entries_above,
            ),
            ejecutor=ejecutor,
            registro=registro,
            diario=self._diario,
            reloj=self._reloj,
        )
        ciclo = Ciclo(
            piezas,
            Reglas(
                self._agente,
                mercado,
                limites,
                self._config.regla_recompensa(),
                self._config.portafolio.slippage,
            ),
        )
        ciclo.ultima_decidida_ms = memoria.ultima_decidida_ms
        piezas.control.guardar_pico()
        return ciclo

    async def _orquestar(
        self, datos: DataProvider, ciclo: Ciclo, cuenta: Cuenta, registro: RegistroProduccion, equity: float
    ) -> Sesion:
        estadisticas = Estadisticas(equity_inicial=equity)
        linea = bitacora.LineaEstado()

        def tras_vela() -> None:
            estadisticas.tomar(ciclo, cuenta, datos)
            linea.mostrar(linea_de_estado(self._simbolo, estadisticas))

        orquestador = Orquestador(
            ajustes=self._ajustes_sesion(),
            fuente=FlujoMercado(self._sesion, self._lugar.destino.direcciones.flujos, self._reloj),
            fuente_cuenta=FlujoCuenta(
                self._sesion, self._lugar.destino.direcciones.flujos, self._bolsa, self._reloj
            ),
            datos=datos,
            ciclo=ciclo,
            reloj=self._reloj,
            avance=self._avance(),
            tras_vela=tras_vela,
        )
        log.info("sesion_iniciada", agente=self._agente, equity=equity, modo=self._lugar.destino.modo.value)
        motivo = Motivo.EMERGENCIA
        try:
            with _senales(orquestador.parar):
                motivo = await orquestador.correr()
        finally:
            linea.terminar()
            estadisticas.tomar(ciclo, cuenta, datos)
            log.info("sesion_terminada", motivo=motivo.value, **estadisticas.campos())
            sesion = Sesion(motivo=motivo, registro=registro.ruta, estadisticas=estadisticas)
            self._lugar.al_terminar(sesion)
        return sesion

    def _ajustes_sesion(self) -> AjustesSesion:
        opciones, ajustes = self._lugar.opciones, self._lugar.ajustes
        return AjustesSesion(
            simbolo=self._simbolo,
            intervalo=self._intervalo,
            edad_maxima_vela_s=ajustes.decision.max_candle_age_s,
            errores_seguidos_max=ajustes.risk.max_consecutive_errors,
            refresco_s=ajustes.risk.account_refresh_s,
            salida=opciones.salida or ajustes.session.on_exit,
            velas_max=opciones.velas,
        )

    def _avance(self) -> Avance:
        destino = self._lugar.destino
        if destino.modo is not Modo.SIMULADO:
            return AvanceReal()
        return AvanceSimulado(
            self._sesion, destino.direcciones, destino.credenciales.clave, self._reloj.congelar
        )


def _comprobar_libro(memoria: Memoria, capital: float | None) -> None:
    """A peak of the whole wallet means nothing to a ledger, and the other way round."""
    if memoria.con_libro is None or memoria.con_libro == (capital is not None):
        return
    antes, ahora = ("with", "without") if memoria.con_libro else ("without", "with")
    raise ConfiguracionInvalida(
        f"this account and symbol was last traded {antes} --capital and has a peak of that kind; it cannot go"
        f" on {ahora} it. Keep the option as it was, or choose another --state-dir"
    )


@contextmanager
def _senales(parar: Callable[[], None]) -> Iterator[None]:
    """End the session in order on Ctrl+C and SIGTERM, and at once on the second one."""
    bucle, tarea = asyncio.get_running_loop(), asyncio.current_task()
    pedidas: list[int] = []

    def al_recibir(senal: int) -> None:
        pedidas.append(senal)
        if len(pedidas) == 1:
            parar()
        elif tarea is not None:
            log.critical("salida_inmediata", aviso="an open position stays as it is")
            tarea.cancel()

    puestas = []
    for senal in (signal.SIGINT, signal.SIGTERM):
        # Signals can only be taken in the main thread; elsewhere the session is ended by its owner.
        with suppress(RuntimeError, ValueError):
            bucle.add_signal_handler(senal, al_recibir, senal)
            puestas.append(senal)
    try:
        yield
    finally:
        for senal in puestas:
            bucle.remove_signal_handler(senal)
