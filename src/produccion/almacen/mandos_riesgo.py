"""What people ask of a daemon's breakers and of its risk mode, as commands of the shared store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from src.nucleo.disyuntores import ClaseDisyuntor, EstadoDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.conexion import escribir
from src.produccion.almacen.demonios import DemonioVivo, vivos
from src.produccion.almacen.disyuntores import cerrar_el_de_ejecuciones
from src.produccion.almacen.mandos import (
    AccionMando,
    MandoGuardado,
    MandoNuevo,
    anotar_mando,
    leer_mando,
    mando_repetido,
    pedir_mando,
    pedir_mandos,
    vencer_mandos,
)

TOMAR_MS = 5_000
"""How long a daemon may take until it takes such a command."""

MOTIVO_MAX = 500

_TODAS = "*"
_MIRAR_S = 0.1
_DE_GRACIA_S = 15.0


class PeticionCierre(NamedTuple):
    """Close a breaker."""

    clase: ClaseDisyuntor
    motivo: str


class PeticionModo(NamedTuple):
    """Let the agent do more or less."""

    modo: ModoRiesgo
    motivo: str


class Alcance(NamedTuple):
    """Whose daemons are meant; ``None``: any."""

    client_id: str | None = None
    symbol: str | None = None
    account_id: str | None = None
    user_id: str | None = None

    def como_json(self) -> dict[str, str]:
        """What it names, besides the tenant."""
        return {campo: valor for campo, valor in self._asdict().items() if valor and campo != "client_id"}


DE_TODOS = Alcance()
"""Whoever lives."""


def leer_cierre(contenido: Mapping[str, object]) -> PeticionCierre:
    """What a command ``breaker.reset`` asks for.

    Raises:
        SolicitudInvalida: The kind is none, or there is no reason.
    """
    clase = str(contenido.get("kind"))
    if clase not in set(ClaseDisyuntor):
        raise SolicitudInvalida(f"there is no {clase!r} breaker; kinds: {', '.join(ClaseDisyuntor)}")
    return PeticionCierre(ClaseDisyuntor(clase), comprobar_motivo(contenido.get("reason")))


def leer_modo(contenido: Mapping[str, object]) -> PeticionModo:
    """What a command ``risk.mode`` asks for.

    Raises:
        SolicitudInvalida: The mode is none, or there is no reason.
    """
    modo = str(contenido.get("mode"))
    if modo not in set(ModoRiesgo):
        raise SolicitudInvalida(f"there is no risk mode {modo!r}; modes: {', '.join(ModoRiesgo)}")
    return PeticionModo(ModoRiesgo(modo), comprobar_motivo(contenido.get("reason")))


def comprobar_motivo(motivo: object) -> str:
    """A reason as it is recorded.

    Raises:
        SolicitudInvalida: It says nothing, or too much.
    """
    texto = motivo.strip() if isinstance(motivo, str) else ""
    if not texto:
        raise SolicitudInvalida("a reason is needed; it is recorded")
    if len(texto) > MOTIVO_MAX:
        raise SolicitudInvalida(f"the reason may have {MOTIVO_MAX} characters")
    return texto


def contenido_cierre(peticion: PeticionCierre) -> dict[str, object]:
    """Payload of a command ``breaker.reset``."""
    return {"kind": peticion.clase.value, "reason": peticion.motivo}


def contenido_modo(peticion: PeticionModo, alcance: Alcance = DE_TODOS) -> dict[str, object]:
    """Payload of a command ``risk.mode``; whom else it was meant for tells one request from another."""
    return {"mode": peticion.modo.value, "reason": peticion.motivo, "scope": alcance.como_json()}


def pedir_cierre(
    almacen: Engine,
    demonio: DemonioVivo,
    peticion: PeticionCierre,
    quien: str,
    clave: str | None = None,
    plazo_ms: int | None = None,
) -> MandoGuardado:
    """Have a daemon close a breaker.

    Args:
        almacen: The shared store.
        demonio: Whose breaker it is; from `demonios_de`.
        peticion: Which one, and why.
        quien: Who asks; recorded.
        clave: Idempotency key.
        plazo_ms: How long the daemon may take until it takes the command; `TOMAR_MS` when ``None``.
    """
    accion, contenido = AccionMando.CERRAR_DISYUNTOR, contenido_cierre(peticion)
    return pedir_mando(almacen, _mando(demonio, accion, contenido, quien, clave, plazo_ms))


def pedir_modo(
    almacen: Engine,
    demonio: DemonioVivo,
    peticion: PeticionModo,
    quien: str,
    clave: str | None = None,
    plazo_ms: int | None = None,
    alcance: Alcance = DE_TODOS,
) -> MandoGuardado:
    """Have a daemon let its agent do more or less; the parameters are those of `pedir_cierre`."""
    return pedir_modos(almacen, [(demonio, clave)], peticion, quien, plazo_ms, alcance)[0]


def pedir_modos(
    almacen: Engine,
    demonios: Sequence[tuple[DemonioVivo, str | None]],
    peticion: PeticionModo,
    quien: str,
    plazo_ms: int | None = None,
    alcance: Alcance = DE_TODOS,
) -> list[MandoGuardado]:
    """As `pedir_modo` for several daemons, each with its key: all of them are asked, or none."""
    accion, contenido = AccionMando.MODO_RIESGO, contenido_modo(peticion, alcance)
    return pedir_mandos(
        almacen,
        [_mando(demonio, accion, contenido, quien, clave, plazo_ms) for demonio, clave in demonios],
    )


def cerrar_sin_demonio(
    almacen: Engine,
    client_id: str,
    symbol: str,
    peticion: PeticionCierre,
    quien: str,
    clave: str | None = None,
) -> MandoGuardado:
    """Close the breaker of failed stop executions, which lives in the store, and leave the command that did.

    With a key that was used before nothing is done: it is the command of then, whatever it asked.

    Raises:
        SolicitudInvalida: It is closed already.
    """
    nuevo = MandoNuevo(
        user_id=_TODAS,
        symbol=symbol,
        action=AccionMando.CERRAR_DISYUNTOR.value,
        payload=contenido_cierre(peticion),
        requested_by=quien,
        plazo_ms=0,
        account_id=None,
        client_id=client_id,
        idempotency_key=clave,
    )
    anterior = mando_repetido(almacen, nuevo)
    if anterior is not None:
        return anterior
    hecho = {"kind": peticion.clase.value, "message": texto_cerrado(peticion.clase)}
    with escribir(almacen) as conexion:
        antes = cerrar_el_de_ejecuciones(conexion, client_id, symbol, peticion.motivo, quien)
        estados = {"state": EstadoDisyuntor.CLOSED.value, "previous_state": antes.value}
        id_ = anotar_mando(conexion, nuevo, {"success": True, **hecho, **estados})
    return _releido(almacen, id_)


def texto_cerrado(clase: ClaseDisyuntor) -> str:
    """What is said of a breaker that a person closed."""
    return f"the {clase.value} breaker is closed"


def demonios_de(
    almacen: Engine,
    client_id: str | None = None,
    symbol: str | None = None,
    account_id: str | None = None,
    user_id: str | None = None,
) -> list[DemonioVivo]:
    """The living daemons of a tenant, symbol, account or user; of all where none is named."""
    return [
        demonio
        for demonio in vivos(almacen)
        if client_id in (None, demonio.client_id)
        and symbol in (None, demonio.symbol)
        and account_id in (None, demonio.account_id)
        and user_id in (None, demonio.user_id)
    ]


def esperar_desenlace(almacen: Engine, mando: MandoGuardado) -> MandoGuardado:
    """Block until the outcome of a command is known, or nobody will tell it any more."""
    hasta_s = time.monotonic() + TOMAR_MS / 1_000 + _DE_GRACIA_S
    while not mando.status.es_final and time.monotonic() < hasta_s:
        time.sleep(_MIRAR_S)
        vencer_mandos(almacen)
        mando = leer_mando(almacen, mando.id) or mando
    return mando


def _releido(almacen: Engine, id_: str) -> MandoGuardado:
    mando = leer_mando(almacen, id_)
    assert mando is not None
    return mando


def _mando(
    demonio: DemonioVivo,
    accion: AccionMando,
    contenido: Mapping[str, object],
    quien: str,
    clave: str | None,
    plazo_ms: int | None,
) -> MandoNuevo:
    return MandoNuevo(
        user_id=demonio.user_id,
        symbol=demonio.symbol,
        action=accion.value,
        payload=contenido,
        requested_by=quien,
        plazo_ms=TOMAR_MS if plazo_ms is None else plazo_ms,
        account_id=demonio.account_id,
        client_id=demonio.client_id,
        idempotency_key=clave,
    )
