"""What people ask of a daemon's breakers and of its risk mode, as commands of the shared store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Engine

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.demonios import DemonioVivo, vivos
from src.produccion.almacen.mandos import (
    AccionMando,
    MandoGuardado,
    MandoNuevo,
    leer_mando,
    pedir_mando,
    vencer_mandos,
)

TOMAR_MS = 5_000
"""How long a daemon may take until it takes such a command."""

MOTIVO_MAX = 500

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


def pedir_cierre(
    almacen: Engine, demonio: DemonioVivo, peticion: PeticionCierre, quien: str, clave: str | None = None
) -> MandoGuardado:
    """Have a daemon close a breaker.

    Args:
        almacen: The shared store.
        demonio: Whose breaker it is; from `demonios_de`.
        peticion: Which one, and why.
        quien: Who asks; recorded.
        clave: Idempotency key.
    """
    contenido = {"kind": peticion.clase.value, "reason": peticion.motivo}
    return _pedir(almacen, demonio, AccionMando.CERRAR_DISYUNTOR, contenido, quien, clave)


def pedir_modo(
    almacen: Engine, demonio: DemonioVivo, peticion: PeticionModo, quien: str, clave: str | None = None
) -> MandoGuardado:
    """Have a daemon let its agent do more or less; the parameters are those of `pedir_cierre`."""
    contenido = {"mode": peticion.modo.value, "reason": peticion.motivo}
    return _pedir(almacen, demonio, AccionMando.MODO_RIESGO, contenido, quien, clave)


def demonios_de(
    almacen: Engine, client_id: str | None = None, symbol: str | None = None, account_id: str | None = None
) -> list[DemonioVivo]:
    """The living daemons of a tenant, symbol or account; of all where none is named."""
    return [
        demonio
        for demonio in vivos(almacen)
        if client_id in (None, demonio.client_id)
        and symbol in (None, demonio.symbol)
        and account_id in (None, demonio.account_id)
    ]


def esperar_desenlace(almacen: Engine, mando: MandoGuardado) -> MandoGuardado:
    """Block until the outcome of a command is known, or nobody will tell it any more."""
    hasta_s = time.monotonic() + TOMAR_MS / 1_000 + _DE_GRACIA_S
    while not mando.status.es_final and time.monotonic() < hasta_s:
        time.sleep(_MIRAR_S)
        vencer_mandos(almacen)
        mando = leer_mando(almacen, mando.id) or mando
    return mando


def _pedir(
    almacen: Engine,
    demonio: DemonioVivo,
    accion: AccionMando,
    contenido: Mapping[str, object],
    quien: str,
    clave: str | None,
) -> MandoGuardado:
    return pedir_mando(
        almacen,
        MandoNuevo(
            user_id=demonio.user_id,
            symbol=demonio.symbol,
            action=accion.value,
            payload=contenido,
            requested_by=quien,
            plazo_ms=TOMAR_MS,
            account_id=demonio.account_id,
            client_id=demonio.client_id,
            idempotency_key=clave,
        ),
    )
