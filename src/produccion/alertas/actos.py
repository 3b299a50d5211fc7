"""What people change through the bot: entries paused and let again, positions closed, daemons ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from src.nucleo.alertas import Clase, Nivel
from src.nucleo.guardian import AccionGuardian, Solicitud
from src.produccion.alertas.ordenes import Orden
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
from src.produccion.almacen.operaciones import OperacionGuardada, operaciones_activas
from src.produccion.config.config import Modo
from src.produccion.mandos import contenido_de
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.reglas import Alerta, alertar, pausar, reanudar
from src.produccion.supervision.identidad import entorno_de

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


_A_DEMONIOS: Mapping[Orden, _Que] = MappingProxyType(
    {
        Orden.FORCEEXIT: _Que(
            AccionMando.CERRAR, contenido_de(Solicitud("", AccionGuardian.CERRAR)), "closed"
        ),
        Orden.STOP: _Que(AccionMando.DETENER, {}, "stopped"),
    }
)
_NADIE = "no daemon trades that"
_HECHO, _VARIOS, _REHUSADO, _SIN_DEMONIO, _SIN_RESPUESTA = 200, 207, 409, 503, 504


class Alcance(NamedTuple):
    """Which daemons of the tenant are meant; an empty word names none of them, and no dry run."""

    simbolo: str = ""
    cuenta: str = ""

    def pide(self, account_id: str) -> bool:
        """Whether an account may be meant: a dry run only where it is named."""
        return account_id == self.cuenta if self.cuenta else not _es_ensayo(account_id)


class Destinos(NamedTuple):
    """Whom a command is for, and what it leaves out."""

    demonios: Sequence[DemonioVivo]
    sueltas: Sequence[OperacionGuardada]  # open operations that no living daemon can close
    ensayos: Sequence[DemonioVivo]  # dry runs that live and were not named


class Previa(NamedTuple):
    """What a command would be done to, for whoever is to confirm it."""

    texto: str
    hay: bool  # whether there is anything to confirm


class Respuesta(NamedTuple):
    """What came of a command."""

    texto: str
    estado: int = _HECHO  # the HTTP status that the same request would end with


def pausar_entradas(conexion: Connection, encargo: Encargo) -> Respuesta:
    """Block the tenant's entries."""
    motivo = f"asked by {encargo.de}"
    pausar(conexion, encargo.client_id, motivo, _ahora(conexion))
    _anotar(conexion, encargo, AccionMando.PAUSAR, Clase.TRADING_PAUSED, f"entries are paused: {motivo}")
    return Respuesta("entries are paused; exits go on. Undo: /startentry")


def permitir_entradas(conexion: Connection, encargo: Encargo) -> Respuesta:
    """Let the tenant's entries again."""
    reanudar(conexion, encargo.client_id, _ahora(conexion))
    texto = f"entries are let again: asked by {encargo.de}"
    _anotar(conexion, encargo, AccionMando.REANUDAR, Clase.TRADING_RESUMED, texto)
    return Respuesta("entries are let again")


def previa(motor: Engine, client_id: str, orden: Orden, alcance: Alcance) -> Previa:
    """What a command would be done to, before it is confirmed."""
    if orden not in _A_DEMONIOS:
        todos = [demonio for demonio in vivos(motor) if demonio.client_id == client_id]
        lineas = [_lugar(demonio) for demonio in todos] or ["none of its daemons lives"]
        return Previa("\n".join(("all accounts of the tenant:", *lineas)), hay=True)
    destinos = destinos_de(motor, client_id, alcance)
    lineas = [_lugar(demonio) for demonio in destinos.demonios] or [_NADIE]
    lineas += [*_de_sueltas(orden, destinos), *_de_ensayos(orden, destinos)]
    return Previa("\n".join(lineas), hay=bool(destinos.demonios))


def destinos_de(motor: Engine, client_id: str, alcance: Alcance) -> Destinos:
    """The tenant's living daemons that are meant, and what is left out."""
    vivientes = [demonio for demonio in vivos(motor) if demonio.client_id == client_id]
    suyos = [demonio for demonio in vivientes if alcance.simbolo in ("", demonio.symbol)]
    ensayos = [] if alcance.cuenta else [uno for uno in suyos if _es_ensayo(uno.account_id)]
    atendidas = {(demonio.account_id, demonio.symbol) for demonio in vivientes}
    with leer(motor) as conexion:
        activas = operaciones_activas(conexion, client_id, symbol=alcance.simbolo or None)
    sueltas = [
        operacion
        for operacion in activas
        if (operacion.account_id, operacion.symbol) not in atendidas and alcance.pide(operacion.account_id)
    ]
    return Destinos([uno for uno in suyos if alcance.pide(uno.account_id)], sueltas, ensayos)


async def pedir(libro: Libro, encargo: Encargo, orden: Orden, alcance: Alcance, plazos: Plazos) -> Respuesta:
    """Ask each daemon that is meant to close its position, or to end by its exit policy; say what came of it.

    Raises:
        AlmacenCaido: The store does not answer; commands may have been given.
    """
    que = _A_DEMONIOS[orden]
    destinos = await libro.llamando(lambda m: destinos_de(m, encargo.client_id, alcance))
    hechos = await asyncio.gather(*(_pedir_a_uno(libro, encargo, que, d, plazos) for d in destinos.demonios))
    lineas = [hecho.texto for hecho in hechos] or [f"{_NADIE}; nothing was done"]
    lineas += [*_de_sueltas(orden, destinos), *_de_ensayos(orden, destinos)]
    return Respuesta("\n".join(lineas), _comun([hecho.estado for hecho in hechos]))


def _comun(estados: Sequence[int]) -> int:
    distintos = set(estados) or {_SIN_DEMONIO}
    return distintos.pop() if len(distintos) == 1 else _VARIOS


def _lugar(demonio: DemonioVivo) -> str:
    return f"{entorno_de(demonio.account_id)}: {demonio.symbol} on {demonio.account_id}"


def _de_sueltas(orden: Orden, destinos: Destinos) -> list[str]:
    """Positions that nobody can close for whoever asks."""
    if orden is not Orden.FORCEEXIT:
        return []
    return [
        f"{suelta.symbol} ({suelta.account_id}): no daemon trades it; close it at the exchange"
        for suelta in destinos.sueltas
    ]


def _de_ensayos(orden: Orden, destinos: Destinos) -> list[str]:
    return [
        f"{ensayo.symbol} ({ensayo.account_id}): left out: a dry run is asked only by its account,"
        f" /{orden.value} {ensayo.symbol} {ensayo.account_id}"
        for ensayo in destinos.ensayos
    ]


def _es_ensayo(account_id: str) -> bool:
    return entorno_de(account_id) == Modo.SIMULADO


async def _pedir_a_uno(
    libro: Libro, encargo: Encargo, que: _Que, demonio: DemonioVivo, plazos: Plazos
) -> Respuesta:
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
    texto, estado = _desenlace(mando, que.hecho)
    return Respuesta(f"{demonio.symbol} ({demonio.account_id}): {texto}", estado)


def _releer(motor: Engine, antes: MandoGuardado) -> MandoGuardado:
    if antes.status is EstadoMando.PENDING:
        vencer_mandos(motor)
    return leer_mando(motor, antes.id) or antes


def _desenlace(mando: MandoGuardado, hecho: str) -> Respuesta:
    campos = mando.outcome or {}
    match mando.status:
        case EstadoMando.DONE:
            return Respuesta(str(campos.get("message") or hecho))
        case EstadoMando.FAILED:
            motivo = campos.get("error") or "the daemon did not say why"
            return Respuesta(f"NOT {hecho}: {motivo}", _REHUSADO)
        case EstadoMando.EXPIRED:
            tarde = "the daemon did not take the command in time, and will not carry it out"
            return Respuesta(f"NOT {hecho}: {tarde}", _SIN_RESPUESTA)
        case EstadoMando.PENDING | EstadoMando.CLAIMED:
            return Respuesta("the daemon is at it and has not said yet; look with /status", _SIN_RESPUESTA)


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
