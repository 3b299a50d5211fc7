"""Composition root of the commands that work on an account beside its daemon: keys, exchange, store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from src.nucleo.errores import ArranqueFallido, ConfiguracionInvalida, LecturaFallida
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.bitacora import ajustes_de, configurada
from src.produccion.bolsa.binance import AjustesBolsa, BinanceConnector
from src.produccion.bolsa.cliente_binance import crear_cliente
from src.produccion.bolsa.peticiones import Reintentos
from src.produccion.bolsa.presupuesto import AjustesLimites
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.config.config import Destino, Opciones, SeccionBolsa, comprobar_opciones, leer_ajustes
from src.produccion.config.cuentas import CUENTA_UNICA, destino_de, limites_de
from src.produccion.monitor.desenlace import paciencia_de
from src.produccion.monitor.ejecucion import AjustesEjecucion
from src.produccion.monitor.libro import Libro
from src.produccion.puertos import Bolsa, Reloj
from src.produccion.supervision.hilo import aparte
from src.produccion.supervision.identidad import id_cuenta

_ABRIR_S = 30.0  # a command that is started every minute must not wait for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Eleccion:
    """Which account is worked on; as `live` understands it, or one of ``accounts.yaml``."""

    opciones: Opciones
    usuario: str | None = None  # its name there; ``None`` takes the environment's usual variables
    cuentas: Path | None = None  # the file
    activo: str = "USDT"  # margin asset of the symbols
    detallado: bool = False  # whether informational events reach the console


@dataclass(frozen=True, slots=True, kw_only=True)
class CuentaAbierta:
    """An account, ready to be worked on."""

    bolsa: Bolsa
    reloj: Reloj
    libro: Libro
    client_id: str
    user_id: str
    account_id: str
    estado: Path
    ejecucion: AjustesEjecucion  # how an exit is insisted on, by the settings


@asynccontextmanager
async def abrir_cuenta(eleccion: Eleccion, *, bitacora: str) -> AsyncIterator[CuentaAbierta]:
    """Open the store and the exchange that the account's keys are of.

    Args:
        eleccion: Which account.
        bitacora: Name of the log file in the account's directory.

    Raises:
        ConfiguracionInvalida: Keys, settings or store cannot be used, or the store does not answer.
        ArranqueFallido: The exchange does not answer.
    """
    opciones = eleccion.opciones
    comprobar_opciones(opciones)
    destino, client_id = destino_de(opciones, eleccion.usuario, eleccion.cuentas)
    account_id = id_cuenta(destino.modo.value, destino.credenciales.clave)
    limites = limites_de(eleccion.usuario, eleccion.cuentas)
    motor = await _abrir_almacen(opciones.estado)
    libro = Libro(motor, estado=opciones.estado, limites=limites)
    try:
        ajustes = leer_ajustes(opciones.config)
        registro = ajustes_de(ajustes.logs, destino.credenciales, detallado=eleccion.detallado)
        with configurada(rotativa=opciones.estado / account_id / bitacora, ajustes=registro):
            async with _bolsa(ajustes.exchange, destino, eleccion.activo) as (bolsa, reloj):
                yield CuentaAbierta(
                    bolsa=bolsa,
                    reloj=reloj,
                    libro=libro,
                    client_id=client_id,
                    user_id=eleccion.usuario or CUENTA_UNICA,
                    account_id=account_id,
                    estado=opciones.estado,
                    ejecucion=AjustesEjecucion(paciencia=paciencia_de(ajustes.exchange.recv_window_ms)),
                )
    finally:
        if libro.apagar():
            motor.dispose()


async def _abrir_almacen(estado: Path) -> Engine:
    try:
        return await aparte("apertura del almacen", lambda: abrir_almacen(None, estado), _ABRIR_S)
    except TimeoutError as fallo:
        raise ConfiguracionInvalida(
            f"the store has not answered for {_ABRIR_S:g} s. Look at the database; `timonel db status` says"
            " whether migrations wait, which `timonel db upgrade` gives all the time they need"
        ) from fallo


@asynccontextmanager
async def _bolsa(
    ajustes: SeccionBolsa, destino: Destino, activo: str
) -> AsyncIterator[tuple[BinanceConnector, RelojMercado]]:
    reloj = RelojMercado()
    cliente = crear_cliente(
        destino.direcciones,
        destino.credenciales,
        espera_s=ajustes.request_timeout_s,
        ventana_ms=ajustes.recv_window_ms,
    )
    bolsa = BinanceConnector(
        cliente,
        reloj,
        activo,
        AjustesBolsa(
            Reintentos(ajustes.read_attempts, ajustes.read_backoff_s),
            AjustesLimites(ajustes.limit_share, ajustes.limit_wait_s),
        ),
    )
    try:
        try:
            reloj.sincronizar(await bolsa.hora_ms())
        except LecturaFallida as fallo:
            raise ArranqueFallido(f"the exchange does not answer: {fallo}") from fallo
        yield bolsa, reloj
    finally:
        await bolsa.cerrar()
