"""Closing breakers and setting risk modes for people: one command per daemon, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Engine, select

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import DemonioVivo
from src.produccion.almacen.disyuntores import buscar_disyuntor
from src.produccion.almacen.esquema import commands
from src.produccion.almacen.mandos import AccionMando, MandoGuardado, leer_mando
from src.produccion.almacen.mandos_riesgo import (
    Alcance,
    PeticionCierre,
    PeticionModo,
    cerrar_sin_demonio,
    contenido_cierre,
    contenido_modo,
    demonios_de,
    pedir_cierre,
    pedir_modos,
)
from src.produccion.almacen.modos import modos_vigentes
from src.produccion.almacen.tipos_disyuntor import leer_id
from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import CLAVE_USADA
from src.produccion.api.problemas import Problema, RespuestaJson
from src.produccion.api.resumen import Resultado, estado_comun
from src.produccion.api.rutas_mandos import fila_de
from src.produccion.api.silencio import es_de, sobre_callados
from src.produccion.api.usuarios import Usuario

_EN_MARCHA = 202
_DE_CIERRE = ("kind", "state", "previous_state")
_DE_MODO = ("mode", "previous_mode")


class _Paso(NamedTuple):
    """Whom one command is for."""

    account_id: str | None
    user_id: str
    symbol: str


class _Pedido(NamedTuple):
    """The commands of one request, to be given together or given before."""

    pasos: Sequence[_Paso]
    pedir: Callable[[int], Sequence[MandoGuardado]]


async def cerrar_disyuntor(
    entorno: Entorno, usuario: Usuario, id_: str, motivo: str, clave: str | None, *, esperar: bool
) -> RespuestaJson:
    """Have a breaker of the user's tenant closed.

    Raises:
        Problema: There is none of that id, nobody has it, or it was not closed.
    """
    pedido, clase = await asyncio.to_thread(_pedido_de_cierre, entorno, usuario, id_, motivo, clave)
    return await _dar(entorno, pedido, _DE_CIERRE, {"kind": clase}, esperar=esperar)


async def poner_modo(
    entorno: Entorno,
    usuario: Usuario,
    peticion: PeticionModo,
    alcance: Alcance,
    clave: str | None,
    *,
    esperar: bool,
) -> RespuestaJson:
    """Have the living daemons that are meant go by a risk mode.

    Raises:
        Problema: There is none, or not one of them does.
    """
    pedido = await asyncio.to_thread(_pedido_de_modo, entorno, usuario, peticion, alcance, clave)
    return await _dar(entorno, pedido, _DE_MODO, {}, esperar=esperar)


def _pedido_de_cierre(
    entorno: Entorno, usuario: Usuario, id_: str, motivo: str, clave: str | None
) -> tuple[_Pedido, str]:
    nombre = leer_id(id_)
    if nombre is None or nombre.kind not in set(ClaseDisyuntor):
        raise Problema(404, f"there is no breaker {id_!r}")
    peticion = PeticionCierre(ClaseDisyuntor(nombre.kind), motivo)
    for mando in _dados(entorno, usuario, clave)[:1]:
        suyo = (mando.account_id or "", mando.symbol, mando.action, mando.payload)
        accion = AccionMando.CERRAR_DISYUNTOR.value
        if suyo != (nombre.account_id, nombre.symbol, accion, contenido_cierre(peticion)):
            raise Problema(422, CLAVE_USADA)
        return _repetido([mando]), nombre.kind
    almacen, disyuntor = entorno.almacen, buscar_disyuntor(entorno.almacen, usuario.client_id, id_)
    if disyuntor is None:
        raise Problema(404, f"there is no breaker {id_!r}")
    if peticion.clase is ClaseDisyuntor.STOP_EXECUTION:
        try:
            mando = cerrar_sin_demonio(
                almacen, usuario.client_id, disyuntor.symbol, peticion, usuario.nombre, clave
            )
        except SolicitudInvalida as fallo:
            raise Problema(409, str(fallo)) from fallo
        return _repetido([mando]), nombre.kind
    demonios = demonios_de(almacen, usuario.client_id, disyuntor.symbol, disyuntor.account_id)
    if not demonios:
        alcance = Alcance(usuario.client_id, disyuntor.symbol, disyuntor.account_id)
        raise _sin_demonio(almacen, alcance, f"{disyuntor.symbol} on {disyuntor.account_id}")

    def pedir(plazo_ms: int) -> list[MandoGuardado]:
        return [pedir_cierre(almacen, demonios[0], peticion, usuario.nombre, clave, plazo_ms)]

    return _Pedido([_paso(demonios[0])], pedir), nombre.kind


def _pedido_de_modo(
    entorno: Entorno, usuario: Usuario, peticion: PeticionModo, alcance: Alcance, clave: str | None
) -> _Pedido:
    dados = _dados(entorno, usuario, clave)
    for mando in dados:
        esperado = (AccionMando.MODO_RIESGO.value, contenido_modo(peticion, alcance))
        if (mando.action, mando.payload) != esperado:
            raise Problema(422, CLAVE_USADA)
    if dados:
        return _repetido(sorted(dados, key=_paso))
    demonios = demonios_de(entorno.almacen, *alcance)
    if not demonios:
        que = " ".join(alcance.como_json().values())
        if que and not _conocido(entorno, usuario, alcance):
            raise Problema(404, f"no daemon of this tenant ever traded {que}")
        raise _sin_demonio(entorno.almacen, alcance, que or "anything")

    # One user may trade one symbol on several accounts, and a key names one command of both.
    suyas = [(demonio, None if clave is None else f"{clave}:{demonio.account_id}") for demonio in demonios]

    def pedir(plazo_ms: int) -> list[MandoGuardado]:
        return pedir_modos(entorno.almacen, suyas, peticion, usuario.nombre, plazo_ms, alcance)

    return _Pedido([_paso(demonio) for demonio in demonios], pedir)


def _conocido(entorno: Entorno, usuario: Usuario, alcance: Alcance) -> bool:
    """Whether any daemon of the tenant, living or not, is meant."""
    with leer(entorno.almacen) as conexion:
        modos = modos_vigentes(conexion, usuario.client_id)
    return any(
        alcance.symbol in (None, uno.symbol)
        and alcance.account_id in (None, uno.account_id)
        and alcance.user_id in (None, uno.user_id)
        for uno in modos
    )


def _dados(entorno: Entorno, usuario: Usuario, clave: str | None) -> list[MandoGuardado]:
    """The commands that a user gave with a key before."""
    if clave is None:
        return []
    c = commands.c
    consulta = select(c.id).where(
        c.client_id == usuario.client_id,
        c.requested_by == usuario.nombre,
        (c.idempotency_key == clave)
        | (
            c.idempotency_key.startswith(f"{clave}:", autoescape=True)
            & (c.action == AccionMando.MODO_RIESGO.value)
        ),
    )
    with leer(entorno.almacen) as conexion:
        ids = conexion.execute(consulta.order_by(c.seq)).scalars().all()
    return [mando for mando in (leer_mando(entorno.almacen, uno) for uno in ids) if mando is not None]


def _paso(uno: DemonioVivo | MandoGuardado) -> _Paso:
    return _Paso(uno.account_id, uno.user_id, uno.symbol)


def _repetido(mandos: Sequence[MandoGuardado]) -> _Pedido:
    return _Pedido([_paso(mando) for mando in mandos], lambda _plazo_ms: mandos)


def _sin_demonio(almacen: Engine, alcance: Alcance, que: str) -> Problema:
    calla = sobre_callados(almacen, partial(es_de, alcance))
    return Problema(503, f"failed: no daemon trades {que}{calla.quienes}; nothing was done{calla.remedio}")


async def _dar(
    entorno: Entorno, pedido: _Pedido, campos: Sequence[str], fijos: dict[str, Any], *, esperar: bool
) -> RespuestaJson:
    """Give all commands together; the answer has the status that they share."""
    usuarios = [paso.user_id for paso in pedido.pasos]
    hechos = await entorno.encargos.encargar(pedido.pedir, usuarios, esperar=esperar)
    filas = [_fila(paso, uno, campos) | fijos for paso, uno in zip(pedido.pasos, hechos, strict=True)]
    exitos = [fila["success"] for fila in filas]
    exito = False if False in exitos else None if None in exitos else True
    cuerpo: dict[str, Any] = {"success": exito, "results": filas}
    if any(fila["status"] == _EN_MARCHA for fila in filas):
        return RespuestaJson(cuerpo, _EN_MARCHA)
    estado = estado_comun(hechos)
    if estado < 400:
        return RespuestaJson(cuerpo, estado)
    raise Problema(estado, hechos[0].error, **cuerpo)


def _fila(paso: _Paso, uno: Resultado, campos: Sequence[str]) -> dict[str, Any]:
    de_todas = paso.account_id is None
    return {
        **fila_de(paso.symbol, uno),
        "account_id": paso.account_id,
        "user_id": None if de_todas else paso.user_id,
        **{campo: uno.campos.get(campo) for campo in campos},
    }
