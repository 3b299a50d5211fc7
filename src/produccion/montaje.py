"""Composition root: the only place that wires adapters to services."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import aiohttp
import structlog

from src.artefactos.artefacto import Artefacto
from src.nucleo.alertas import Clase
from src.nucleo.cartera import equity_de
from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import (
    ArranqueFallido,
    BolsaIncompatible,
    ConfiguracionInvalida,
    EmergenciaOperacional,
    ErrorTimonel,
    FalloPasajero,
    LecturaFallida,
    LimiteExcedido,
    ResultadoIncierto,
)
from src.nucleo.politica import Politica
from src.nucleo.tipos import EstadoCuenta
from src.produccion import bitacora
from src.produccion.almacen.acceso import URL_ALMACEN
from src.produccion.almacen.alimentador import DESPEDIDA_S, Titular
from src.produccion.armado import Materiales, Nucleo, armar_ciclo, armar_nucleo
from src.produccion.arranque import (
    comprobar_bolsa,
    comprobar_saldo,
    comprobar_sucesion,
    sincronizar_reloj,
)
from src.produccion.bolsa.avance import AvanceReal, AvanceSimulado, espera_a_sus_agentes
from src.produccion.bolsa.binance import BinanceConnector
from src.produccion.bolsa.flujo_cuenta import FlujoCuenta
from src.produccion.bolsa.flujos import AjustesFlujos, FlujoMercado
from src.produccion.bolsa.reloj import RelojMercado, mantener_hora
from src.produccion.ciclo import Ciclo
from src.produccion.comienzo import Comienzo, Reanudada
from src.produccion.config.config import Ajustes, Destino, Modo, Opciones
from src.produccion.config.cuentas import CUENTA_UNICA
from src.produccion.dataprovider import DataProvider
from src.produccion.diario.apertura_diario import NOMBRE
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.diario.memoria import SesionEscrita
from src.produccion.diario.recuerdo import Recuerdo, filas_desde
from src.produccion.enlaces import Enlace, Enlaces
from src.produccion.entrega import ENTREGA_S, Entrega, entregar
from src.produccion.escribano import Escribano
from src.produccion.grabacion import grabar_calentamiento
from src.produccion.metricas.escaparate import Escaparate
from src.produccion.orquestador import AjustesSesion, Motivo, Orquestador
from src.produccion.puertos import Avance, FuenteMercado
from src.produccion.Registro import Asentado, Emergencia, RegistroProduccion, completar, sello_libre
from src.produccion.riesgo.enclavamiento import Razon
from src.produccion.riesgo.paciencia import Paciencia, insistir
from src.produccion.riesgo.puerta import Bloqueo
from src.produccion.riesgo.reglas_disyuntores import sensores_de
from src.produccion.riesgo.sensores import FuenteMedida, Sensores
from src.produccion.sesion import Estadisticas, linea_de_estado
from src.produccion.supervision.aviso_systemd import AvisoSystemd
from src.produccion.supervision.cortesia import Cortesia
from src.produccion.supervision.identidad import id_cuenta, train_id_de
from src.produccion.supervision.latido import crear_latido
from src.produccion.supervision.prisa import SENALES, con_prisa
from src.produccion.supervision.recogida import Recogida
from src.produccion.supervision.supervisor import Servicio
from src.produccion.supervision.vigia import Progreso, Vigia
from src.produccion.ventanilla import Mostrador, Ventanilla

if TYPE_CHECKING:
    from src.produccion.metricas.muestras import Foto

_BITACORA = "daemon.log"
_ALMACEN_S = 10.0  # that the start waits for the shared store
_ASENTAR_S = 2.0  # that the end waits for its own record, before the store is fed for the last time

T = TypeVar("T")

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
    al_empezar: Callable[[Comienzo], None]
    al_terminar: Callable[[Sesion], None]
    inquilino: str = CUENTA_UNICA
    limites: Mapping[str, float] = field(default_factory=dict)  # the account's own, for its entries

    @property
    def simbolo(self) -> str:
        """The symbol traded."""
        return self.artefacto.configuracion.data_downloader.symbol

    @property
    def cuenta_id(self) -> str:
        """The account traded on."""
        return id_cuenta(self.destino.modo.value, self.destino.credenciales.clave)

    def entrega(self, carpeta: Path, agente: str) -> Entrega:
        """Its journal and the store that it is fed to.

        Args:
            carpeta: Of the account's and symbol's state.
            agente: The agent's identity.
        """
        usuario = self.opciones.usuario or CUENTA_UNICA
        titular = Titular(self.cuenta_id, self.simbolo, agente, self.inquilino, usuario)
        perdida = self.ajustes.alerts.large_loss_fraction
        return Entrega(carpeta / NOMBRE, carpeta.parents[1], titular, perdida)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conexiones:
    """What a session holds open."""

    diario: DiarioSqlite
    bolsa: BinanceConnector
    reloj: RelojMercado
    sesion: aiohttp.ClientSession
    carpeta: Path  # of the account's and symbol's state


class _Escena(NamedTuple):
    """A session whose account is recovered and protected."""

    ciclo: Ciclo
    datos: DataProvider
    nucleo: Nucleo
    registro: RegistroProduccion
    escribano: Escribano


class Montaje:
    """Wires one session and runs it.

    Args:
        lugar: What it is started with.
        agente: The agent's identity.
        conexiones: What it holds open; closed by whoever opened it.
        recuerdo: What the journal remembers.
    """

    def __init__(self, lugar: Lugar, agente: str, conexiones: Conexiones, recuerdo: Recuerdo) -> None:
        self._lugar = lugar
        self._agente = agente
        self._conexiones = conexiones
        self._recuerdo = recuerdo
        self._carpeta = lugar.artefacto.ruta / "produccion"
        self._aviso = AvisoSystemd.del_entorno()
        riesgo = lugar.ajustes.risk
        self._paciencia = Paciencia(
            riesgo.max_consecutive_errors,
            riesgo.max_silence_s,
            riesgo.max_blind_s,
            asyncio.get_running_loop().time,
        )
        self._progreso = Progreso(lugar.ajustes.supervision.stuck_after_s)
        self._cortesia = Cortesia()
        self._recogida = Recogida(self._cortesia)
        self._espera_agentes = False
        self._dudas: list[str] = []
        self._reanudada: Reanudada | None = None

    async def correr(self) -> Sesion:
        """Check, recover, protect, warm up, trade."""
        opciones, ajustes = self._lugar.opciones, self._lugar.ajustes
        c, modo = self._conexiones, self._lugar.destino.modo
        apalancamiento = self._lugar.artefacto.configuracion.portafolio.apalancamiento
        _comprobar_libro(self._recuerdo, opciones.capital)
        desfase_max_s = ajustes.risk.max_clock_skew_s
        await self._comprobar(lambda: sincronizar_reloj(c.bolsa, c.reloj, modo, desfase_max_s), None)
        comprobar_sucesion(self._recuerdo.ultima_ms, c.reloj.ahora_ms(), modo, desfase_max_s)
        self._espera_agentes = modo is Modo.SIMULADO and await self._insistir(self._mercado_que_espera)
        if self._espera_agentes:
            # From here on time passes with events only, so that every run is the same.
            c.reloj.congelar()
        memoria = self._recuerdo.agente
        sello = memoria.sesion or sello_libre(self._carpeta, c.reloj.ahora_ms())
        with self._con_bitacora(sello) as escribano:
            entrenado = self._lugar.artefacto.mercado
            mercado = await self._comprobar(
                lambda: comprobar_bolsa(c.bolsa, entrenado, apalancamiento), entrenado
            )
            capital = opciones.capital if memoria.instantanea is None else None
            await self._comprobar(lambda: comprobar_saldo(c.bolsa, mercado, apalancamiento, capital), None)
            materiales = Materiales(
                artefacto=self._lugar.artefacto,
                ajustes=ajustes,
                politica=self._lugar.politica,
                agente_id=self._agente,
                capital=opciones.capital,
                carpeta=c.carpeta,
                bolsa=c.bolsa,
                diario=c.diario,
                reloj=c.reloj,
                mercado=mercado,
                recuerdo=self._recuerdo,
                avanzar=self._progreso.seguir,
                espera_agentes=self._espera_agentes,
            )
            self._completar_la_anterior()
            with RegistroProduccion(self._carpeta, sello, self._asentado()) as registro:
                return await self._vivir(materiales, registro, escribano)

    @contextmanager
    def _con_bitacora(self, sello: str) -> Iterator[Escribano]:
        """Log to the session's file and to the daemon's own, and say whose events these are."""
        lugar, ajustes = self._lugar, self._lugar.ajustes
        cuales = bitacora.ajustes_de(
            ajustes.logs, lugar.destino.credenciales, detallado=lugar.opciones.detallado
        )._replace(ceder=self._cortesia.ceder)
        ruta, rotativa = self._bitacora(sello), self._conexiones.carpeta / _BITACORA
        quien = {"agente": self._agente, "cuenta_id": lugar.cuenta_id, "simbolo": lugar.simbolo}
        with (
            bitacora.configurada(ruta, rotativa=rotativa, ajustes=cuales) as escribano,
            structlog.contextvars.bound_contextvars(**quien),
        ):
            yield escribano

    async def _vivir(self, m: Materiales, registro: RegistroProduccion, escribano: Escribano) -> Sesion:
        nucleo = armar_nucleo(m)
        estado = await self._insistir(lambda: self._conocer(nucleo))
        mark = await self._insistir(lambda: m.bolsa.precio_mark(m.mercado.simbolo))
        equity = equity_de(estado, mark)
        if m.recuerdo.agente.sesion is None:
            self._anotar_sesion("SESSION_STARTED", registro, equity=equity)
        else:
            self._anotar_sesion("SESSION_RESUMED", registro)
            equity = m.recuerdo.equity_inicial or equity
        estadisticas = Estadisticas(equity_inicial=equity)
        ciclo = armar_ciclo(m, nucleo, registro, estado, mark)
        if ciclo.control.cuadro is not None:
            ciclo.control.cuadro.anunciar()
        if self._dudas:
            ciclo.no_abrir(Bloqueo.CUENTA)
        escena = _Escena(ciclo, ciclo.datos, nucleo, registro, escribano)
        motivo, terminada = Motivo.EMERGENCIA, False
        ventanilla: Ventanilla | None = None
        try:
            await self._recuperar(escena)
            self._comprobar_dudas(nucleo)
            ventanilla = await self._abrir_ventanilla(m, escena)
            motivo = await self._orquestar(escena, estadisticas, ventanilla)
            terminada = True
        except ErrorTimonel:
            terminada = ciclo.protocolo_cumplido
            raise
        finally:
            estadisticas.tomar(ciclo, nucleo.cuenta)
            log.info("sesion_terminada", motivo=motivo.value, **estadisticas.campos())
            if terminada:
                self._anotar_sesion("SESSION_ENDED", registro, reason=motivo.value)
            await self._despedir(ventanilla, motivo, emergencia=ciclo.protocolo_cumplido)
            sesion = Sesion(motivo=motivo, registro=registro.ruta, estadisticas=estadisticas)
            if terminada:
                self._lugar.al_terminar(sesion)
        return sesion

    async def _despedir(self, ventanilla: Ventanilla | None, motivo: Motivo, *, emergencia: bool) -> None:
        """Let the store have the end of the session too, and close it.

        After an emergency the account is flat, and nothing starts again by itself: the store gets longer. Nor
        is goodbye said then: that the daemon is silent may be all that people hear of it.
        """
        if self._no_mira_nadie:
            return
        with suppress(ErrorTimonel, TimeoutError):
            # A journal that cannot be written has been reported; a disk that hangs holds nobody.
            async with asyncio.timeout(_ASENTAR_S):
                await self._conexiones.diario.asentar()
        with con_prisa() as prisa:
            if ventanilla is not None:
                plazo_s = ENTREGA_S if emergencia else DESPEDIDA_S
                await ventanilla.cerrar(plazo_s, prisa, a_proposito=motivo is not Motivo.EMERGENCIA)
            elif emergencia:
                await entregar(self._lugar.entrega(self._conexiones.carpeta, self._agente), prisa)

    @property
    def _no_mira_nadie(self) -> bool:
        """Whether nobody looks in: a market that waits for its agents, unless a store is named."""
        return self._espera_agentes and not os.environ.get(URL_ALMACEN)

    async def _conocer(self, nucleo: Nucleo) -> EstadoCuenta:
        """The account as it was known, or a first look at one that nobody knows."""
        if self._recuerdo.agente.instantanea is not None:
            return nucleo.cuenta.estado
        estado = await nucleo.cuenta.abrir(self._conexiones.reloj.ahora_ms())
        if estado.posicion is not None:
            log.warning("posicion_encontrada", posicion=str(estado.posicion))
        return estado

    async def _recuperar(self, escena: _Escena) -> None:
        """Finish what was begun, book what was missed, protect what is open; then fill the window."""
        memoria, ciclo, asentadas = self._recuerdo.agente, escena.ciclo, escena.registro.filas
        if memoria.pendiente is not None:
            ciclo.retomar(memoria.pendiente)
        if self._recuerdo.riesgo.sin_acabar:
            await ciclo.emergencia(Razon.DRAWDOWN, self._conexiones.reloj.ahora_ms(), "cut short before")
        await self._insistir(ciclo.recuperar)
        log.info("cuenta_recuperada", cuenta=str(escena.nucleo.cuenta.estado), protegida=ciclo.protegida)
        if memoria.sesion is not None:
            self._reanudada = Reanudada(memoria.sesion, asentadas, escena.registro.filas - asentadas)
            log.info("sesion_reanudada", **self._reanudada._asdict())
        await self._insistir(escena.datos.calentar)
        if self._recuerdo.grabada != escena.registro.sello:
            nombre, sha256 = grabar_calentamiento(self._carpeta, escena.registro.sello, escena.datos.tomadas)
            self._anotar("WARMUP", {"session": escena.registro.sello, "file": nombre, "sha256": sha256})
        else:
            ciclo.anotar_velas(escena.datos.tomadas)

    async def _abrir_ventanilla(self, m: Materiales, escena: _Escena) -> Ventanilla | None:
        """What faces others, where anybody looks in.

        Raises:
            ConfiguracionInvalida: The store cannot be used, and nothing is at stake.
        """
        if self._no_mira_nadie:
            return None
        entrega = self._lugar.entrega(m.carpeta, self._agente)
        mostrador = Mostrador(
            titular=entrega.titular,
            diario=entrega.diario,
            estado=entrega.estado,
            mercado=m.mercado,
            proteccion=self._lugar.artefacto.configuracion.regla_proteccion(),
            reloj=m.reloj,
            bolsa=m.bolsa,
            perdida_grande=entrega.perdida_grande,
            limites=self._lugar.limites,
            quejas={
                Clase.JOURNAL_BROKEN: lambda: self._conexiones.diario.queja,
                Clase.CSV_BROKEN: lambda: escena.registro.queja,
            },
        )
        ventanilla = Ventanilla(mostrador, escena.ciclo, escena.nucleo.cuenta, self._cortesia)
        nucleo = escena.nucleo
        try:
            async with asyncio.timeout(_ALMACEN_S):
                await ventanilla.comprobar()
        except Exception as fallo:  # whatever it is, a position must not be left without its daemon
            motivo = _por_que_no_abre(fallo, mostrador.estado)
            if not _algo_abierto(nucleo):
                raise ConfiguracionInvalida(motivo) from fallo
            log.critical(
                "almacen_no_abre",
                motivo=motivo,
                efecto="the position is looked after all the same; nothing is opened until it answers",
                exc_info=True,
            )
        return ventanilla

    async def _orquestar(
        self, escena: _Escena, estadisticas: Estadisticas, ventanilla: Ventanilla | None
    ) -> Motivo:
        ciclo, c = escena.ciclo, self._conexiones
        linea = bitacora.LineaEstado()

        def tras_vela() -> None:
            estadisticas.tomar(ciclo, escena.nucleo.cuenta)
            estado = linea_de_estado(self._lugar.simbolo, estadisticas)
            linea.mostrar(estado)
            self._aviso.estado(estado)

        flujos = self._lugar.destino.direcciones.flujos
        enlaces, ajustes = self._enlaces(), self._ajustes_flujos()
        de_mercado, de_cuenta = (
            None if enlaces is None else enlaces.testigo(cual) for cual in (Enlace.MERCADO, Enlace.CUENTA)
        )
        fuente: FuenteMercado = FlujoMercado(c.sesion, flujos, c.reloj, ajustes, de_mercado)
        sensores = self._sensores(ciclo)
        orquestador = Orquestador(
            ajustes=self._ajustes_sesion(),
            fuente=fuente if sensores is None else FuenteMedida(fuente, sensores),
            fuente_cuenta=FlujoCuenta(c.sesion, flujos, c.bolsa, c.reloj, ajustes, de_cuenta),
            datos=escena.datos,
            ciclo=ciclo,
            reloj=c.reloj,
            avance=self._avance(),
            paciencia=self._paciencia,
            progreso=self._progreso,
            tras_vela=tras_vela,
            servicios=[
                *self._servicios(),
                *self._de_los_sensores(sensores, ciclo),
                *self._de_los_enlaces(enlaces),
            ],
            hora=c.bolsa.hora_ms,
            mark=lambda: c.bolsa.precio_mark(self._lugar.simbolo),
            cortesia=self._cortesia,
            espera_agentes=self._espera_agentes,
        )
        if ventanilla is not None:
            orquestador.servicios = (*orquestador.servicios, *ventanilla.servicios(orquestador))
        if self._recuerdo.detenida_por is not None:
            log.warning(
                "detencion_pendiente",
                de=self._recuerdo.detenida_por,
                efecto="the session that was to end ends now; the next start trades again",
            )
            orquestador.parar(Motivo.DETENIDO)
        log.info(
            "sesion_iniciada",
            agente=self._agente,
            equity=estadisticas.equity_inicial,
            modo=self._lugar.destino.modo.value,
        )
        vigia = Vigia(
            self._aviso, self._progreso.atascados, self._lugar.ajustes.supervision.loop_delay_warn_ms
        )
        antes = self._train_id_anterior()
        if antes is not None:
            log.warning("otro_agente", antes=antes, ahora=self._lugar.artefacto.train_id)
        estadisticas.tomar(ciclo, escena.nucleo.cuenta)
        self._lugar.al_empezar(self._comienzo(escena, estadisticas.abierta))
        escaparate = self._abrir_escaparate(escena.nucleo)
        retratar = self._retratar(escena, orquestador, vigia, estadisticas.equity_inicial)
        self._aviso.listo(f"trading {self._lugar.simbolo}")
        try:
            async with vigia.vigilando(), escaparate.mostrando(retratar):
                with _senales(orquestador.parar), self._recogida.a_ratos():
                    return await orquestador.correr()
        finally:
            log.info("bucle", **vigia.campos())
            self._aviso.parando("the session ends")
            linea.terminar()

    def _comienzo(self, escena: _Escena, posicion: str) -> Comienzo:
        lugar = self._lugar
        return Comienzo(
            train_id=lugar.artefacto.train_id,
            simbolo=lugar.simbolo,
            intervalo=lugar.artefacto.configuracion.data_downloader.interval,
            cuenta_id=lugar.cuenta_id,
            usuario=lugar.opciones.usuario,
            modo=lugar.destino.modo,
            direccion=lugar.destino.direcciones.rest,
            posicion=posicion,
            estado=self._conexiones.carpeta,
            bitacora=self._bitacora(escena.registro.sello),
            siguiente_ms=escena.datos.siguiente_cierre_ms,
            reanudada=self._reanudada,
            antes=self._train_id_anterior(),
        )

    def _train_id_anterior(self) -> str | None:
        otro = self._recuerdo.otro_agente
        return None if otro is None else train_id_de(otro)

    def _bitacora(self, sello: str) -> Path:
        return self._carpeta / f"produccion_{sello}.log"

    def _abrir_escaparate(self, nucleo: Nucleo) -> Escaparate:
        """The metrics port, when there is to be one.

        Raises:
            ConfiguracionInvalida: It cannot be had, and nothing is at stake.
        """
        quien = (self._lugar.cuenta_id, self._lugar.simbolo, self._agente)
        escaparate = Escaparate(self._lugar.ajustes.metrics, quien, self._cortesia)
        try:
            escaparate.abrir()
        except ConfiguracionInvalida as fallo:
            if not _algo_abierto(nucleo):
                raise
            log.critical(
                "metricas_sin_puerto", motivo=str(fallo), efecto="the position is looked after all the same"
            )
        return escaparate

    def _retratar(
        self, escena: _Escena, orquestador: Orquestador, vigia: Vigia, equity_inicial: float
    ) -> Callable[[], Foto]:
        """Takes the daemon's figures; the first time whoever serves them has imported what that needs."""
        configuracion, inicio_s = self._lugar.artefacto.configuracion, time.time()

        def retratar() -> Foto:
            from src.produccion.metricas import foto

            return foto.retratar(
                foto.Fuentes(
                    ciclo=escena.ciclo,
                    nucleo=escena.nucleo,
                    orquestador=orquestador,
                    vigia=vigia,
                    progreso=self._progreso,
                    diario=self._conexiones.diario,
                    escribano=escena.escribano,
                    reloj=self._conexiones.reloj,
                    apalancamiento=configuracion.portafolio.apalancamiento,
                    drawdown_limite=configuracion.entorno.max_drawdown_permitido,
                    equity_inicial=equity_inicial,
                    inicio_s=inicio_s,
                )
            )

        return retratar

    def _sensores(self, ciclo: Ciclo) -> Sensores | None:
        """What feeds the breakers that are switched on; the day's loss is fed by the candles."""
        cuadro = ciclo.control.cuadro
        if cuadro is None or not set(cuadro.disyuntores) - {ClaseDisyuntor.DRAWDOWN}:
            return None
        # A simulated market's time may pass faster than the wall's.
        real = self._lugar.destino.modo is not Modo.SIMULADO
        ajustes = sensores_de(self._lugar.ajustes.breakers, mide_edad=real)
        return Sensores(cuadro, self._conexiones.reloj, ajustes)

    def _de_los_sensores(self, sensores: Sensores | None, ciclo: Ciclo) -> list[Servicio]:
        """What samples by the wall's clock; the daemon trades on without it."""
        cuadro, c = ciclo.control.cuadro, self._conexiones
        if sensores is None or cuadro is None:
            return []
        servicios = []
        if sensores.juzga:
            c.bolsa.escuchar(sensores.tomar_llamada)
            servicios.append(Servicio("disyuntores", sensores.juzgar_siempre, esencial=False))
        if ClaseDisyuntor.SPREAD in cuadro.disyuntores:

            async def mirar_el_libro() -> None:
                simbolo = self._lugar.simbolo
                await sensores.mirar_siempre(lambda: c.bolsa.precio_bidask(simbolo, con_prisa=False))

            servicios.append(Servicio("libro", mirar_el_libro, esencial=False))
        return servicios

    def _enlaces(self) -> Enlaces | None:
        """What follows the connection; a market that waits for its agents may be silent for long."""
        umbral_s, c = self._lugar.ajustes.alerts.connection_lost_s, self._conexiones
        if umbral_s is None or self._espera_agentes:
            return None
        return Enlaces(c.diario, c.reloj, umbral_s)

    def _de_los_enlaces(self, enlaces: Enlaces | None) -> list[Servicio]:
        if enlaces is None:
            return []
        self._conexiones.bolsa.escuchar(enlaces.tomar_llamada)
        return [Servicio("enlaces", enlaces.mirar_siempre, esencial=False)]

    def _servicios(self) -> list[Servicio]:
        ajustes, c = self._lugar.ajustes, self._conexiones
        servicios = [
            Servicio("hora", lambda: mantener_hora(c.bolsa, c.reloj, ajustes.exchange.clock_sync_s)),
            Servicio("recogida", self._recogida.correr, esencial=False),
        ]
        latido = crear_latido(ajustes.supervision, lambda: bool(self._progreso.atascados()))
        if latido is not None:
            servicios.append(Servicio("latido", latido.correr, esencial=False))
        return servicios

    def _asentado(self) -> Asentado | None:
        """What the files of the session that is gone on with should hold."""
        memoria = self._recuerdo.agente
        if memoria.sesion is None:
            return None
        total = memoria.instantanea.filas if memoria.instantanea else 0
        return self._asentado_de(SesionEscrita(memoria.sesion, total, memoria.emergencia))

    def _asentado_de(self, sesion: SesionEscrita) -> Asentado:
        diario, total = self._conexiones.diario, sesion.filas
        emergencia = Emergencia(*sesion.emergencia) if sesion.emergencia is not None else None
        return Asentado(
            total,
            lambda primera: filas_desde(diario, self._agente, sesion.sesion, total, primera),
            emergencia,
        )

    def _completar_la_anterior(self) -> None:
        """The disk may not have taken every row of the session that ended last."""
        acabada = self._recuerdo.agente.acabada
        if acabada is None:
            return
        try:
            completar(self._carpeta, acabada.sesion, self._asentado_de(acabada))
        except EmergenciaOperacional as fallo:
            log.critical(
                "registro_sin_completar", motivo=str(fallo), efecto="those rows are in the journal alone"
            )

    def _anotar_sesion(self, tipo: str, registro: RegistroProduccion, **mas: object) -> None:
        contenido: dict[str, object] = {
            "session": registro.sello,
            "train_id": self._lugar.artefacto.train_id,
        }
        self._anotar(tipo, contenido | mas)

    def _anotar(self, tipo: str, contenido: dict[str, object]) -> None:
        with suppress(ErrorTimonel):
            # A journal that cannot be written has been reported, and stops entries.
            self._conexiones.diario.anotar_luego(
                f"agent:{self._agente}", tipo, self._conexiones.reloj.ahora_ms(), contenido
            )

    async def _mercado_que_espera(self) -> bool:
        return await espera_a_sus_agentes(self._conexiones.sesion, self._lugar.destino.direcciones)

    async def _insistir(self, paso: Callable[[], Awaitable[T]]) -> T:
        """Wait for an exchange that does not answer only when something may be at stake there.

        Raises:
            ArranqueFallido: It did not answer.
        """
        try:
            if self._recuerdo.agente.instantanea is None:
                return await paso()
            return await insistir(paso, self._paciencia)
        except (LecturaFallida, LimiteExcedido, ResultadoIncierto, FalloPasajero) as fallo:
            raise ArranqueFallido(f"the session could not start: {fallo}; start it again") from fallo

    async def _comprobar(self, paso: Callable[[], Awaitable[T]], si_no: T) -> T:
        """A check that fails ends a start from nothing; whoever may hold a position only opens no other."""
        try:
            return await self._insistir(paso)
        except BolsaIncompatible as fallo:
            if not self._hay_algo_en_juego():
                raise
            log.critical("bolsa_incompatible", motivo=str(fallo), efecto="nothing is opened")
            self._dudas.append(str(fallo))
            return si_no

    def _comprobar_dudas(self, nucleo: Nucleo) -> None:
        """A check that failed ends the start all the same once there is nothing left to look after.

        Raises:
            BolsaIncompatible: Naming what is wrong.
        """
        if self._dudas and not _algo_abierto(nucleo) and not nucleo.protector.abiertos:
            raise BolsaIncompatible("; ".join(self._dudas))

    def _hay_algo_en_juego(self) -> bool:
        memoria, riesgo = self._recuerdo.agente, self._recuerdo.riesgo
        instantanea = memoria.instantanea
        if riesgo.sin_acabar or memoria.pendiente is not None:
            return True
        return instantanea is not None and (
            instantanea.cuenta.posicion is not None or bool(instantanea.abiertos)
        )

    def _ajustes_sesion(self) -> AjustesSesion:
        opciones, ajustes = self._lugar.opciones, self._lugar.ajustes
        return AjustesSesion(
            simbolo=self._lugar.simbolo,
            intervalo=self._lugar.artefacto.configuracion.data_downloader.interval,
            edad_maxima_vela_s=ajustes.decision.max_candle_age_s,
            refresco_s=ajustes.risk.account_refresh_s,
            ceguera_max_s=ajustes.risk.max_blind_s,
            salida=opciones.salida or ajustes.session.on_exit,
            velas_max=opciones.velas,
        )

    def _ajustes_flujos(self) -> AjustesFlujos:
        flujos = self._lugar.ajustes.streams
        return AjustesFlujos(
            silencio_mark_s=flujos.mark_silence_s,
            silencio_vela_s=flujos.kline_silence_s,
            espera_max_s=flujos.reconnect_max_s,
            renovar_s=flujos.renew_after_h * 3_600,
            anuncia_al_abrir=self._lugar.destino.modo is Modo.SIMULADO,
        )

    def _avance(self) -> Avance:
        destino, c = self._lugar.destino, self._conexiones
        if destino.modo is not Modo.SIMULADO:
            return AvanceReal()
        return AvanceSimulado(c.sesion, destino.direcciones, destino.credenciales.clave, c.reloj.congelar)


def _algo_abierto(nucleo: Nucleo) -> bool:
    """Whether there is a position, or an order that may have opened one."""
    return nucleo.cuenta.estado.posicion is not None or nucleo.ejecutor.hay_incierta


def _comprobar_libro(recuerdo: Recuerdo, capital: float | None) -> None:
    """A peak of the whole wallet means nothing to a ledger, and the other way round."""
    con_libro = recuerdo.riesgo.con_libro
    if con_libro is None or con_libro == (capital is not None):
        return
    antes, ahora = ("with", "without") if con_libro else ("without", "with")
    raise ConfiguracionInvalida(
        f"this account and symbol was last traded {antes} --capital and has a peak of that kind; it cannot go"
        f" on {ahora} it. Keep the option as it was, or choose another --state-dir"
    )


def _por_que_no_abre(fallo: Exception, estado: Path) -> str:
    if isinstance(fallo, ConfiguracionInvalida):
        return str(fallo)
    if isinstance(fallo, TimeoutError):
        return _sin_respuesta(estado)
    return f"the store cannot be used: {fallo!r}. Look at it with `timonel db status`"


def _sin_respuesta(estado: Path) -> str:
    from src.produccion.almacen.conexion import direccion_almacen, visible

    return (
        f"the store {visible(direccion_almacen(None, estado))} does not answer within {_ALMACEN_S:g} s. Start"
        f" it, or correct {URL_ALMACEN}; without it the store is a file of the state directory"
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
    for senal in SENALES:
        # Signals can only be taken in the main thread; elsewhere the session is ended by its owner.
        with suppress(RuntimeError, ValueError):
            bucle.add_signal_handler(senal, al_recibir, senal)
            puestas.append(senal)
    try:
        yield
    finally:
        for senal in puestas:
            # It is ending, whoever asks for it: what is left takes a moment, and has its own exit code.
            bucle.add_signal_handler(senal, log.info, "ya_acaba")
