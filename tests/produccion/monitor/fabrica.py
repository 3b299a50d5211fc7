"""Operations, exchanges and monitors for tests: each builder shows its one difference."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select

from src.nucleo.disparos import Disparo, token_de
from src.nucleo.tipos import EstadoCuenta, Posicion
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.ejecuciones import EjecucionStop
from src.produccion.almacen.esquema import alerts, operations, stop_events, tenant_config
from src.produccion.almacen.eventos_stop import FuenteStop, ejecucion_de
from src.produccion.almacen.operaciones import (
    LadoOperacion,
    OperacionGuardada,
    guardar_operacion,
    leer_operacion,
)
from src.produccion.monitor.cuaderno import Cuaderno
from src.produccion.monitor.desenlace import Paciencia
from src.produccion.monitor.ejecucion import AjustesEjecucion, EjecutorStops
from src.produccion.monitor.libro import Libro, vigilada_de
from src.produccion.monitor.monitor import AjustesMonitor, MonitorStops
from src.produccion.monitor.tipos import Disparada, Vigilada
from src.produccion.supervision.identidad import candado, carpeta_estado
from tests.constructores import INICIO_MS
from tests.produccion.falsos import BolsaFalsa, RelojFalso

CUENTA = "sim-0123456789ab"
AHORA_MS = INICIO_MS + 3_600_000
ENTRADA, STOP, OBJETIVO = 90_000.0, 88_200.0, 93_600.0
DEPRISA = AjustesEjecucion(
    pausa_s=0.01, paciencia=Paciencia(validez_s=0.05, plazo_s=0.3, pausa_s=0.01), miradas=3
)


def una_operacion(**cambios: Any) -> OperacionGuardada:
    """0.01 bought at 90,000 with the stop at 88,200; nothing resident."""
    abierta = cambios.pop("opened_at_ms", INICIO_MS)
    operation_id = cambios.pop("operation_id", f"{CUENTA}:BTCUSDT:{abierta}")
    valores: dict[str, Any] = {
        "account_id": CUENTA,
        "symbol": "BTCUSDT",
        "side": LadoOperacion.BUY,
        "quantity": 0.01,
        "average_entry_price": ENTRADA,
        "stop_price": STOP,
        "initial_stop_price": STOP,
        "stop_set_at_ms": abierta,
        "target_price": OBJETIVO,
    } | cambios
    if valores["stop_price"] is not None and "stop_execution_token" not in valores:
        valores["stop_execution_token"] = token_de(
            operation_id, valores["stop_price"], valores["stop_set_at_ms"]
        )
    return OperacionGuardada(operation_id, opened_at_ms=abierta, **valores)


def guardar(motor: Engine, *operaciones: OperacionGuardada) -> list[Vigilada]:
    with escribir(motor) as conexion:
        for operacion in operaciones:
            guardar_operacion(conexion, operacion)
    return [vigilada_de(operacion) for operacion in operaciones]


def una_bolsa(precio: float = 90_000.0, cantidad: float = 0.01, **cambios: Any) -> BolsaFalsa:
    """An account that holds the operation's position."""
    posicion = Posicion(cantidad, ENTRADA) if cantidad else None
    return BolsaFalsa(
        estado=EstadoCuenta(10_000.0, posicion),
        precio_actual=precio,
        reloj=RelojFalso(INICIO_MS + 3_600_000),
        **cambios,
    )


def un_ejecutor(motor: Engine, bolsa: BolsaFalsa, quien: str = "uno", **cambios: Any) -> EjecutorStops:
    valores: dict[str, Any] = {"fuente": FuenteStop.CRON, "ajustes": DEPRISA} | cambios
    return EjecutorStops(Libro(motor), bolsa, bolsa.reloj, quien, **valores)


def un_monitor(motor: Engine, bolsa: BolsaFalsa, **cambios: Any) -> MonitorStops:
    cuaderno = cambios.pop("cuaderno", None) or Cuaderno(Path(tempfile.gettempdir()) / uuid.uuid4().hex)
    libro = cambios.pop("libro", None) or Libro(motor)
    valores: dict[str, Any] = {"ajustes": AjustesMonitor(ejecucion=DEPRISA)} | cambios
    return MonitorStops(libro, bolsa, bolsa.reloj, CUENTA, cuaderno, **valores)


def disparada(operacion: Vigilada, precio: float = 88_000.0, **cambios: Any) -> Disparada:
    valores: dict[str, Any] = {"instante_ms": AHORA_MS, "visto_ms": AHORA_MS}
    valores |= {"disparo": Disparo.STOP_LOSS} | cambios
    return Disparada(operacion, precio=precio, **valores)


def eventos(motor: Engine, token: str | None = None) -> Sequence[Mapping[str, Any]]:
    """Every event, oldest first."""
    consulta = select(stop_events).order_by(stop_events.c.event_seq)
    if token is not None:
        consulta = consulta.where(stop_events.c.execution_token == token)
    with leer(motor) as conexion:
        return conexion.execute(consulta).mappings().all()


def tipos(motor: Engine, token: str | None = None) -> list[str]:
    return [evento["event_type"] for evento in eventos(motor, token)]


def ejecucion(motor: Engine, token: str | None) -> EjecucionStop | None:
    with leer(motor) as conexion:
        return ejecucion_de(conexion, token or "")


def operacion(motor: Engine, operation_id: str) -> OperacionGuardada:
    with leer(motor) as conexion:
        leida = leer_operacion(conexion, operation_id)
    assert leida is not None
    return leida


def alertas(motor: Engine) -> list[str]:
    with leer(motor) as conexion:
        return list(conexion.execute(select(alerts.c.kind).order_by(alerts.c.id)).scalars())


def configurar(motor: Engine, **valores: Any) -> None:
    """A tenant's limits."""
    with escribir(motor) as conexion:
        conexion.execute(insert(tenant_config).values(client_id="default", **valores))


@contextmanager
def candado_ajeno(estado: Path) -> Iterator[None]:
    """Another process holds the account and symbol."""
    carpeta = carpeta_estado(estado, CUENTA, "BTCUSDT")
    with candado(carpeta, "agente"):
        (carpeta / "daemon.lock").write_text('{"pid": 1}')
        yield


@contextmanager
def sin_operaciones(motor: Engine) -> Iterator[None]:
    """As if no operation had been stored."""
    with escribir(motor) as conexion:
        conexion.execute(operations.delete())
    yield
