"""Composition root of the commands that work on an account beside its daemon: keys, exchange, store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from src.nucleo.errores import ArranqueFallido, LecturaFallida
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.bitacora import configurada
from src.produccion.bolsa.binance import AjustesBolsa, BinanceConnector
from src.produccion.bolsa.cliente_binance import crear_cliente
from src.produccion.bolsa.peticiones import Reintentos
from src.produccion.bolsa.presupuesto import AjustesLimites
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.config.config import Destino, Opciones, comprobar_opciones, elegir_destino, leer_ajustes
from src.produccion.monitor.libro import Libro
from src.produccion.puertos import Bolsa, Reloj
from src.produccion.supervision.identidad import id_cuenta


@dataclass(frozen=True, slots=True, kw_only=True)
class CuentaAbierta:
    """An account, ready to be worked on."""

    bolsa: Bolsa
    reloj: Reloj
    libro: Libro
    account_id: str
    estado: Path


@asynccontextmanager
async def abrir_cuenta(
    opciones: Opciones, *, activo: str = "USDT", bitacora: str, detallado: bool = False
) -> AsyncIterator[CuentaAbierta]:
    """Open the store and the exchange that the environment's keys are of.

    Args:
        opciones: Which exchange, state directory and settings; as `live` understands them.
        activo: Margin asset of the symbols.
        bitacora: Name of the log file in the account's directory.
        detallado: Whether informational events reach the console.

    Raises:
        ConfiguracionInvalida: Keys, settings or store cannot be used.
        ArranqueFallido: The exchange does not answer.
    """
    comprobar_opciones(opciones)
    destino = elegir_destino(opciones)
    account_id = id_cuenta(destino.modo.value, destino.credenciales.clave)
    motor = abrir_almacen(None, opciones.estado)
    try:
        with configurada(opciones.estado / account_id / bitacora, detallado=detallado):
            async with _abierta(opciones, destino, activo, motor, account_id) as cuenta:
                yield cuenta
    finally:
        motor.dispose()


@asynccontextmanager
async def _abierta(
    opciones: Opciones, destino: Destino, activo: str, motor: Engine, account_id: str
) -> AsyncIterator[CuentaAbierta]:
    ajustes = leer_ajustes(opciones.config).exchange
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
        yield CuentaAbierta(
            bolsa=bolsa, reloj=reloj, libro=Libro(motor), account_id=account_id, estado=opciones.estado
        )
    finally:
        await bolsa.cerrar()
