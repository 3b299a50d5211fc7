"""What people change through the bot: entries paused and let again, positions closed, daemons ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from src.nucleo.alertas import Clase, Nivel
from src.nucleo.guardian import AccionGuardian, Solicitud
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import DemonioVivo, vivos
from src.produccion.almacen.esquema import ahora_bd
from src.produccion.almacen.mandos import (
    AccionMando,
    EstadoMando,
    MandoGuardado,
    MandoNuevo,
    anotar_mando,
    leer_mando,
    pedir_mando,
    vencer_mandos,
)
from src.produccion.almacen.operaciones import operaciones_activas
from src.produccion.mandos import contenido_de
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.reglas import Alerta, alertar, pausar, reanudar

_TODO = "*"


class Encargo(NamedTuple):
    """Who asks for something, and the message by which."""

    client_id: str
    de: str  # for the audit, e.g. ``telegram:eva:123``
    clave: str  # of the message: the same one is carried out once


class Plazos(NamedTuple):
    """How long a daemon is waited for."""

    tomar_ms: int = 5_000
    acabar_s: float = 20.0
    mirar_s: float = 0.2


class _Que(NamedTuple):
    """What daemons are asked for."""

    accion: AccionMando
    contenido: Mapping[str, object]
    hecho: str  # what was done, in a word


_CIERRE = _Que(AccionMando.CERRAR, contenido_de(Solicitud("", AccionGuardian.CERRAR)), "closed")
_FIN = _Que(AccionMando.DETENER, {}, "stopped")


def pausar_entradas(conexion: Connection, encargo: Encargo) -> str:
    """Block the tenant's entries."""
    motivo = f"asked by {encargo.de}"
    pausar(conexion, encargo.client_id, motivo, _ahora(conexion))
    _anotar(conexion, encargo, AccionMando.PAUSAR, Clase.TRADING_PAUSED, f"entries are paused: {motivo}")
    return "entries are paused; exits go on. Undo: /startentry"


def permitir_entradas(conexion: Connection, encargo: Encargo) -> str:
    """Let the tenant's entries again."""
    reanudar(conexion, encargo.client_id, _ahora(conexion))
    texto = f"entries are let again: asked by {encargo.de}"
    _anotar(conexion, encargo, AccionMando.REANUDAR, Clase.TRADING_RESUMED, texto)
    return "entries are let again"


def demonios_de(motor: Engine, client_id: str, simbolo: str) -> list[DemonioVivo]:
    """The tenant's living daemons; of one symbol when it is not empty."""
    return [d for d in vivos(motor) if d.client_id == client_id and simbolo in ("", d.symbol)]


def sin_demonio(motor: Engine, client_id: str, simbolo: str, demonios: Sequence[DemonioVivo]) -> list[str]:
    """Open operations that no living daemon can close."""
    suyas = {(demonio.account_id, demonio.symbol) for demonio in demonios}
    with leer(motor) as conexion:
        activas = operaciones_activas(conexion, client_id, symbol=simbolo or None)
    return [f"{op.symbol} ({op.account_id})" for op in activas if (op.account_id, op.symbol) not in suyas]


async def cerrar_posiciones(libro: Libro, encargo: Encargo, simbolo: str, plazos: Plazos) -> str:
    """Ask each daemon to close its position, and say what came of it.

    Raises:
        AlmacenCaido: The store does not answer; commands may have been given.
    """
    demonios = await libro.llamando(lambda m: demonios_de(m, encargo.client_id, simbolo))
    sueltas = await libro.llamando(lambda m: sin_demonio(m, encargo.client_id, simbolo, demonios))
    lineas = await asyncio.gather(*(_pedir_a_uno(libro, encargo, _CIERRE, uno, plazos) for uno in demonios))
    lineas += [f"{suelta}: no daemon trades it; close it at the exchange" for suelta in sueltas]
    return "\n".join(lineas or ["no daemon trades that; nothing was done"])


async def parar_demonios(libro: Libro, encargo: Encargo, simbolo: str, plazos: Plazos) -> str:
    """Ask each daemon to end by its exit policy, and say what it answers.

    Raises:
        AlmacenCaido: The store does not answer; commands may have been given.
    """
    demonios = await libro.llamando(lambda m: demonios_de(m, encargo.client_id, simbolo))
    lineas = await asyncio.gather(*(_pedir_a_uno(libro, encargo, _FIN, uno, plazos) for uno in demonios))
    return "\n".join(lineas or ["no daemon trades that; nothing was done"])


async def _pedir_a_uno(
    libro: Libro, encargo: Encargo, que: _Que, demonio: DemonioVivo, plazos: Plazos
) -> str:
    nuevo = MandoNuevo(
        user_id=demonio.user_id,
        symbol=demonio.symbol,
        action=que.accion.value,
        payload=que.contenido,
        requested_by=encargo.de,
        plazo_ms=plazos.tomar_ms,
        account_id=demonio.account_id,
        client_id=encargo.client_id,
        idempotency_key=f"{encargo.clave}:{demonio.account_id}",
    )
    mando = await libro.llamando(lambda m: pedir_mando(m, nuevo))
    limite_s = asyncio.get_running_loop().time() + plazos.acabar_s
    while not mando.status.es_final and asyncio.get_running_loop().time() < limite_s:
        await asyncio.sleep(plazos.mirar_s)
        mando = await libro.llamando(partial(_releer, antes=mando))
    return f"{demonio.symbol} ({demonio.account_id}): {_desenlace(mando, que.hecho)}"


def _releer(motor: Engine, antes: MandoGuardado) -> MandoGuardado:
    if antes.status is EstadoMando.PENDING:
        vencer_mandos(motor)
    return leer_mando(motor, antes.id) or antes


def _desenlace(mando: MandoGuardado, hecho: str) -> str:
    campos = mando.outcome or {}
    match mando.status:
        case EstadoMando.DONE:
            return str(campos.get("message") or hecho)
        case EstadoMando.FAILED:
            return f"NOT {hecho}: {campos.get('error') or 'the daemon did not say why'}"
        case EstadoMando.EXPIRED:
            return f"NOT {hecho}: the daemon did not take the command in time, and will not carry it out"
        case EstadoMando.PENDING | EstadoMando.CLAIMED:
            return "the daemon is at it and has not said yet; look with /status"


def _anotar(conexion: Connection, encargo: Encargo, accion: AccionMando, clase: Clase, texto: str) -> None:
    mando = MandoNuevo(
        user_id=_TODO,
        symbol=_TODO,
        action=accion.value,
        payload={},
        requested_by=encargo.de,
        plazo_ms=0,
        account_id=None,
        client_id=encargo.client_id,
        idempotency_key=encargo.clave,
    )
    anotar_mando(conexion, mando, {"success": True, "message": texto})
    alertar(conexion, Alerta(Nivel.WARNING, clase, texto, encargo.client_id), _ahora(conexion))


def _ahora(conexion: Connection) -> int:
    return conexion.execute(select(ahora_bd())).scalar_one()
