"""Composition root: the only place that wires adapters to services."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import structlog

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.nucleo.cartera import equity_de
from src.nucleo.errores import AgenteEnclavado
from src.nucleo.indicadores import Indicadores
from src.nucleo.politica import Politica
from src.nucleo.tipos import Mercado
from src.produccion import bitacora
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.arranque import comprobar_bolsa, comprobar_saldo, sincronizar_reloj
from src.produccion.avance import AvanceReal, AvanceSimulado
from src.produccion.binance import BinanceConnector, crear_cliente, usa_proxy
from src.produccion.ciclo import Ciclo, Piezas, Reglas
from src.produccion.config.config import (
    Ajustes,
    Destino,
    Modo,
    Opciones,
    comprobar_opciones,
    destino_simulado,
    elegir_destino,
    leer_ajustes,
)
from src.produccion.control_riesgo import AGREGADO, ControlRiesgo, recordar
from src.produccion.cuenta import Cuenta
from src.produccion.dataprovider import DataProvider, RangoRasgos
from src.produccion.diario import DiarioSqlite
from src.produccion.ejecutor import Ejecutor
from src.produccion.flujos import FlujoCuenta, FlujoMercado
from src.produccion.identidad import candado, carpeta_estado, id_agente, id_cuenta
from src.produccion.memoria import MemoriaAgente, recordar_agente
from src.produccion.observacion import ObservacionBuilder
from src.produccion.orquestador import AjustesSesion, Motivo, Orquestador
from src.produccion.puertos import Avance
from src.produccion.Registro import RegistroProduccion
from src.produccion.reloj import RelojMercado
from src.produccion.sesion import Estadisticas, linea_de_estado
from src.produccion.simulado import argumentos_simulador, simulador_embebido

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sesion:
    """How a session went."""

    motivo: Motivo
    registro: Path
    estadisticas: Estadisticas


@dataclass(frozen=True, slots=True)
class _Lugar:
    """Everything a session is started with."""

    artefacto: Artefacto
    ajustes: Ajustes
    opciones: Opciones
    destino: Destino
    estado: Path
    politica: Politica


async def ejecutar(opciones: Opciones, politica: Politica | None = None) -> Sesion:
    """Run a daemon session to its end.

    Args:
        opciones: From the command line.
        politica: Stands in for the artefact's actor; parity runs use it.

    Raises:
        ErrorTimonel: The session could not start, or ended in an emergency; carries the exit code.
    """
    comprobar_opciones(opciones)
    ajustes = leer_ajustes(opciones.config)
    artefacto = leer_artefacto(opciones.base, opciones.train_id)
    async with _destino(opciones, artefacto) as (destino, estado):
        return await _correr(
            _Lugar(artefacto, ajustes, opciones, destino, estado, politica or artefacto.actor)
        )


def desenclavar(opciones: Opciones, razon: str) -> None:
    """Clear the latch of an account and symbol; the peak starts again from the next equity.

    Raises:
        ConfiguracionInvalida: A daemon is running, or the keys that name the account are missing.
    """
    artefacto = leer_artefacto(opciones.base, opciones.train_id)
    destino = elegir_destino(opciones)
    carpeta = carpeta_estado(
        opciones.estado,
        id_cuenta(destino.modo.value, destino.credenciales.clave),
        artefacto.configuracion.data_downloader.symbol,
    )
    with candado(carpeta), _diario(carpeta) as diario:
        if recordar(diario.leer(AGREGADO)).enclavado:
            diario.anotar_luego(AGREGADO, "UNLOCKED", RelojMercado().ahora_ms(), {"reason": razon})


@asynccontextmanager
async def _destino(opciones: Opciones, artefacto: Artefacto) -> AsyncIterator[tuple[Destino, Path]]:
    if not opciones.simulado:
        yield elegir_destino(opciones), opciones.estado
        return
    argumentos = argumentos_simulador(opciones, artefacto.configuracion, artefacto.mercado)
    async with simulador_embebido(argumentos) as url:
        with tempfile.TemporaryDirectory(prefix="timonel-state-") as estado:
            yield destino_simulado(url), Path(estado)


async def _correr(lugar: _Lugar) -> Sesion:
    simbolo = lugar.artefacto.configuracion.data_downloader.symbol
    cuenta_id = id_cuenta(lugar.destino.modo.value, lugar.destino.credenciales.clave)
    carpeta = carpeta_estado(lugar.estado, cuenta_id, simbolo)
    with candado(carpeta), _diario(carpeta) as diario:
        memoria = recordar(diario.leer(AGREGADO))
        if memoria.enclavado:
            raise AgenteEnclavado(
                f"{simbolo} of {cuenta_id} is locked since the emergency {memoria.enclavado}; look into it,"
                f' then run `python live.py --train-id {lugar.artefacto.train_id} --unlock "reason"`'
            )
        agente = id_agente(cuenta_id, simbolo, lugar.artefacto.train_id)
        async with (
            aiohttp.ClientSession(trust_env=usa_proxy(lugar.destino.direcciones)) as sesion,
            _bolsa(lugar) as (bolsa, reloj),
        ):
            return await _Montaje(lugar, agente, diario, bolsa, reloj, sesion).correr(memoria.equity_maximo)


@contextmanager
def _diario(carpeta: Path) -> Iterator[DiarioSqlite]:
    diario = DiarioSqlite(carpeta / "diario.sqlite")
    try:
        yield diario
    finally:
        diario.cerrar()


@asynccontextmanager
async def _bolsa(lugar: _Lugar) -> AsyncIterator[tuple[BinanceConnector, RelojMercado]]:
    reloj = RelojMercado()
    cliente = crear_cliente(lugar.destino.direcciones, lugar.destino.credenciales)
    bolsa = BinanceConnector(cliente, reloj, lugar.artefacto.mercado.activo_margen)
    try:
        yield bolsa, reloj
    finally:
        await bolsa.cerrar()


class _Montaje:
    def __init__(
        self,
        lugar: _Lugar,
        agente: str,
        diario: DiarioSqlite,
        bolsa: BinanceConnector,
        reloj: RelojMercado,
        sesion: aiohttp.ClientSession,
    ) -> None:
        self._lugar = lugar
        self._agente = agente
        self._diario = diario
        self._bolsa = bolsa
        self._reloj = reloj
        self._sesion = sesion
        self._config = lugar.artefacto.configuracion
        self._simbolo = self._config.data_downloader.symbol
        self._intervalo = self._config.data_downloader.interval

    async def correr(self, equity_maximo: float | None) -> Sesion:
        """Check, recover, warm up, trade."""
        apalancamiento = self._config.portafolio.apalancamiento
        capital = self._lugar.opciones.capital
        await sincronizar_reloj(
            self._bolsa, self._reloj, self._lugar.destino.modo, self._lugar.ajustes.risk.max_clock_skew_s
        )
        mercado = await comprobar_bolsa(self._bolsa, self._lugar.artefacto.mercado, apalancamiento)
        await comprobar_saldo(self._bolsa, mercado, apalancamiento, capital)
        datos = self._datos()
        await datos.calentar()
        memoria = recordar_agente(self._diario.leer(), self._agente)
        cuenta = Cuenta(self._bolsa, mercado, memoria.libro_para(capital))
        estado = await cuenta.abrir(self._reloj.ahora_ms())
        equity = equity_de(estado, datos.ultima.close)
        if estado.posicion is not None:
            log.warning("posicion_encontrada", posicion=str(estado.posicion))
        with ExitStack() as pila:
            registro = pila.enter_context(
                RegistroProduccion(self._lugar.artefacto.ruta / "produccion", self._reloj.ahora_ms())
            )
            bitacora.configurar(
                registro.ruta.with_name(f"produccion_{registro.sello}.log"),
                detallado=self._lugar.opciones.detallado,
            )
            ciclo = self._ciclo(mercado, datos, cuenta, registro, memoria, equity, equity_maximo or equity)
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
        self,
        mercado: Mercado,
        datos: DataProvider,
        cuenta: Cuenta,
        registro: RegistroProduccion,
        memoria: MemoriaAgente,
        equity: float,
        equity_maximo: float,
    ) -> Ciclo:
        if memoria.capital_referencia is None:
            self._diario.anotar_luego(
                f"agent:{self._agente}", "REFERENCE", self._reloj.ahora_ms(), {"equity": equity}
            )
        limites = self._config.limites_plan(mercado)
        ejecutor = Ejecutor(self._bolsa, self._diario, self._reloj, self._simbolo)
        piezas = Piezas(
            datos=datos,
            cuenta=cuenta,
            observador=ObservacionBuilder(
                self._config.forma_portafolio(memoria.capital_referencia or equity)
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
                equity_maximo,
                self._lugar.ajustes.feature_range.hold_entries_above,
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
        try:
            with _senales(orquestador.parar):
                motivo = await orquestador.correr()
        finally:
            linea.terminar()
            estadisticas.tomar(ciclo, cuenta, datos)
            log.info("sesion_terminada", **estadisticas.campos())
        return Sesion(motivo=motivo, registro=registro.ruta, estadisticas=estadisticas)

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
            self._sesion, destino.direcciones.rest, destino.credenciales.clave, self._reloj.congelar
        )


@contextmanager
def _senales(parar: Callable[[], None]) -> Iterator[None]:
    """End the session in order on Ctrl+C and SIGTERM; elsewhere than in the main thread do nothing."""
    bucle = asyncio.get_running_loop()
    puestas = []
    for senal in (signal.SIGINT, signal.SIGTERM):
        with suppress(RuntimeError, ValueError):
            bucle.add_signal_handler(senal, parar)
            puestas.append(senal)
    try:
        yield
    finally:
        for senal in puestas:
            bucle.remove_signal_handler(senal)
