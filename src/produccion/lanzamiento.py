"""From options to a running session: artefact, exchange, journal and lock, opened and closed in order."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import structlog

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.nucleo.alertas import PERDIDA_GRANDE
from src.nucleo.errores import AgenteEnclavado, ConfiguracionInvalida, EmergenciaOperacional
from src.nucleo.politica import Politica
from src.produccion import bitacora
from src.produccion.almacen.alimentador import Titular
from src.produccion.bolsa.binance import AjustesBolsa, BinanceConnector
from src.produccion.bolsa.cliente_binance import crear_cliente, usa_proxy
from src.produccion.bolsa.peticiones import Reintentos
from src.produccion.bolsa.presupuesto import AjustesLimites
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.comienzo import Comienzo
from src.produccion.config.config import (
    BASE,
    ESTADO,
    Destino,
    Modo,
    Opciones,
    comprobar_opciones,
    destino_simulado,
    leer_ajustes,
)
from src.produccion.config.cuentas import CUENTA_UNICA, destino_de, limites_de
from src.produccion.diario.apertura_diario import NOMBRE
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.diario.recuerdo import recordar_riesgo, recordar_todo
from src.produccion.entrega import Entrega, entregar, entregar_ya
from src.produccion.montaje import Conexiones, Lugar, Montaje, Sesion
from src.produccion.riesgo.enclavamiento import desbloquear, operador, quitar_respaldo
from src.produccion.simulado import argumentos_simulador, simulador_embebido
from src.produccion.supervision.identidad import (
    candado,
    candado_de_maquina,
    carpeta_estado,
    id_agente,
    id_cuenta,
)
from src.produccion.supervision.prisa import con_prisa

log = structlog.get_logger(__name__)


def _callar(_: object) -> None:
    """Nobody asked to be told."""


async def ejecutar(
    opciones: Opciones,
    politica: Politica | None = None,
    al_terminar: Callable[[Sesion], None] = _callar,
    al_empezar: Callable[[Comienzo], None] = _callar,
) -> Sesion:
    """Run a daemon session to its end.

    Args:
        opciones: From the command line.
        politica: Stands in for the artefact's actor; parity runs use it.
        al_empezar: Told who trades what where, once the account is recovered and protected.
        al_terminar: Told how a session went that had begun, also when it ends in an emergency.

    Raises:
        ErrorTimonel: The session could not start, or ended in an emergency; carries the exit code.
    """
    comprobar_opciones(opciones)
    ajustes = leer_ajustes(opciones.config)
    artefacto = leer_artefacto(opciones.base, opciones.train_id)
    async with _destino(opciones, artefacto) as (destino, estado, inquilino):
        quien = politica or artefacto.actor
        limites = {} if opciones.simulado else limites_de(opciones.usuario, opciones.cuentas)
        lugar = Lugar(
            artefacto, ajustes, opciones, destino, quien, al_empezar, al_terminar, inquilino, limites
        )
        return await _correr(lugar, estado)


def desenclavar(opciones: Opciones, razon: str, quien: str | None = None) -> bool:
    """Clear the latch of an account and symbol; the peak starts again from the next equity.

    Args:
        opciones: Which artefact, account and journal.
        razon: Why; recorded.
        quien: Who; the user of the operating system unless given, recorded too.

    Returns:
        Whether it was locked.

    Raises:
        ConfiguracionInvalida: No reason was given, a daemon is running, or the keys that name the account are
            missing.
    """
    artefacto = leer_artefacto(opciones.base, opciones.train_id)
    destino, inquilino = destino_de(opciones, opciones.usuario, opciones.cuentas)
    carpeta = _carpeta(destino, artefacto, opciones.estado)
    if not carpeta.is_dir():
        raise ConfiguracionInvalida(
            f"there is no journal of this account and symbol below {opciones.estado}; name the directory that"
            " the daemon was started with, --state-dir"
        )
    with candado(carpeta, artefacto.train_id):
        with _diario(carpeta) as diario:
            memoria = recordar_riesgo(diario, carpeta)
            abierto = desbloquear(diario, memoria, operador(quien), razon, RelojMercado().ahora_ms())
        if abierto is not None:
            quitar_respaldo(carpeta)
            _contar_el_desbloqueo(opciones, artefacto, destino, inquilino)
    return abierto is not None


def _contar_el_desbloqueo(opciones: Opciones, artefacto: Artefacto, destino: Destino, inquilino: str) -> None:
    """Once it holds: the store hears of it, and of the emergency before it, when it can be reached."""
    cuenta_id = id_cuenta(destino.modo.value, destino.credenciales.clave)
    simbolo = artefacto.configuracion.data_downloader.symbol
    agente = id_agente(cuenta_id, simbolo, artefacto.train_id)
    titular = Titular(cuenta_id, simbolo, agente, inquilino, opciones.usuario or CUENTA_UNICA)
    carpeta = carpeta_estado(opciones.estado, cuenta_id, simbolo)
    try:
        perdida = leer_ajustes(opciones.config).alerts.large_loss_fraction
    except ConfiguracionInvalida:
        perdida = PERDIDA_GRANDE  # whoever starts it is told what is wrong with the file
    entrega = Entrega(carpeta / NOMBRE, opciones.estado, titular, perdida)
    if entrega.procede(simulado=destino.modo is Modo.SIMULADO):
        with bitacora.configurada():
            entregar_ya(entrega)


@asynccontextmanager
async def _destino(opciones: Opciones, artefacto: Artefacto) -> AsyncIterator[tuple[Destino, Path, str]]:
    if not opciones.simulado:
        destino, inquilino = destino_de(opciones, opciones.usuario, opciones.cuentas)
        yield destino, opciones.estado, inquilino
        return
    argumentos = argumentos_simulador(opciones, artefacto.configuracion, artefacto.mercado)
    async with simulador_embebido(argumentos) as url:
        with tempfile.TemporaryDirectory(prefix="timonel-state-") as estado:
            yield destino_simulado(url), Path(estado), CUENTA_UNICA


async def _correr(lugar: Lugar, estado: Path) -> Sesion:
    carpeta, train_id = _carpeta(lugar.destino, lugar.artefacto, estado), lugar.artefacto.train_id
    de_maquina = candado_de_maquina(lugar.destino.direcciones.rest, lugar.cuenta_id, lugar.simbolo)
    with candado(carpeta, train_id), de_maquina, _diario(carpeta) as diario:
        agente = id_agente(lugar.cuenta_id, lugar.simbolo, lugar.artefacto.train_id)
        recuerdo = recordar_todo(diario, carpeta, agente)
        if recuerdo.riesgo.cerrojo is not None and not recuerdo.riesgo.sin_acabar:
            await _contar_lo_que_falta(lugar.entrega(carpeta, agente), lugar.destino)
            raise AgenteEnclavado(
                f"{lugar.simbolo} of {lugar.cuenta_id} is locked since the emergency"
                f" {recuerdo.riesgo.enclavado}; look into it, then run"
                f' `python live.py {como_se_pidio(lugar.opciones)} --unlock "reason"`'
            )
        async with (
            aiohttp.ClientSession(trust_env=usa_proxy(lugar.destino.direcciones)) as sesion,
            _bolsa(lugar) as (bolsa, reloj),
        ):
            conexiones = Conexiones(diario=diario, bolsa=bolsa, reloj=reloj, sesion=sesion, carpeta=carpeta)
            return await Montaje(lugar, agente, conexiones, recuerdo).correr()


async def _contar_lo_que_falta(entrega: Entrega, destino: Destino) -> None:
    """The emergency may have ended its daemon before the store took it: no other daemon comes to tell it."""
    if entrega.procede(simulado=destino.modo is Modo.SIMULADO):
        with bitacora.configurada(), con_prisa() as prisa:
            await entregar(entrega, prisa)


def _carpeta(destino: Destino, artefacto: Artefacto, estado: Path) -> Path:
    cuenta_id = id_cuenta(destino.modo.value, destino.credenciales.clave)
    return carpeta_estado(estado, cuenta_id, artefacto.configuracion.data_downloader.symbol)


def como_se_pidio(opciones: Opciones) -> str:
    """The options that name the same artefact, account and journal again."""
    banderas = [f"--train-id {opciones.train_id}"]
    if opciones.real:
        banderas.append("--live")
    if opciones.url:
        banderas.append(f"--exchange-url {opciones.url}")
    if opciones.base != BASE:
        banderas.append(f"--artefacts {opciones.base}")
    if opciones.estado != ESTADO:
        banderas.append(f"--state-dir {opciones.estado}")
    return " ".join(banderas)


@contextmanager
def _diario(carpeta: Path) -> Iterator[DiarioSqlite]:
    """The journal; one that cannot be closed takes nothing away from what ended the session."""
    diario = DiarioSqlite(carpeta / "diario.sqlite")
    try:
        yield diario
    except BaseException:
        try:
            diario.cerrar()
        except EmergenciaOperacional as fallo:
            log.critical("diario_sin_cerrar", motivo=str(fallo))
        raise
    diario.cerrar()


@asynccontextmanager
async def _bolsa(lugar: Lugar) -> AsyncIterator[tuple[BinanceConnector, RelojMercado]]:
    reloj = RelojMercado()
    ajustes = lugar.ajustes.exchange
    cliente = crear_cliente(
        lugar.destino.direcciones,
        lugar.destino.credenciales,
        espera_s=ajustes.request_timeout_s,
        ventana_ms=ajustes.recv_window_ms,
    )
    bolsa = BinanceConnector(
        cliente,
        reloj,
        lugar.artefacto.mercado.activo_margen,
        AjustesBolsa(
            Reintentos(ajustes.read_attempts, ajustes.read_backoff_s),
            AjustesLimites(ajustes.limit_share, ajustes.limit_wait_s),
        ),
    )
    try:
        yield bolsa, reloj
    finally:
        await bolsa.cerrar()
