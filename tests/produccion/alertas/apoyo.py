"""Alerts in a store, and channels that remember what they were told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select, update

from src.nucleo.alertas import Mensaje, Nivel
from src.produccion.alertas.bandeja import Destino
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.esquema import outbox
from src.produccion.monitor.reglas import Alerta, alertar

EVA = Destino("telegram:eva")


def avisar(
    motor: Engine,
    *mensajes: str,
    nivel: Nivel = Nivel.INFO,
    clase: str = "startup",
    client_id: str = "default",
) -> None:
    with escribir(motor) as conexion:
        for mensaje in mensajes:
            alertar(conexion, Alerta(nivel, clase, mensaje, client_id, "sim-1", "BTCUSDT"), 1_700_000_000_000)


def filas(motor: Engine, destino: Destino = EVA) -> list[dict[str, Any]]:
    with leer(motor) as conexion:
        consulta = select(outbox).where(outbox.c.topic == destino.tema).order_by(outbox.c.id)
        return [dict(fila) for fila in conexion.execute(consulta).mappings()]


def adelantar(motor: Engine, ms: int) -> None:
    """Let time pass: everything in the outbox happened that much earlier."""
    with escribir(motor) as conexion:
        for columna in (outbox.c.created_at_ms, outbox.c.delivered_at_ms, outbox.c.available_at_ms):
            conexion.execute(update(outbox).where(columna.is_not(None)).values({columna: columna - ms}))


class CanalFalso:
    """Raises what it is given, and then remembers."""

    def __init__(self, *fallos: Exception | None, destino: Destino = EVA) -> None:
        self.destino = destino
        self.fallos = list(fallos)
        self.dichos: list[str] = []
        self.intentos = 0

    async def enviar(self, mensaje: Mensaje) -> None:
        self.intentos += 1
        fallo = self.fallos.pop(0) if self.fallos else None
        if fallo is not None:
            raise fallo
        self.dichos.append(mensaje.cuerpo.split("\n")[0])
