"""``POST /guardian``: close, adjust or half-close, for one account or for all enabled ones."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header

from src.nucleo.errores import SolicitudInvalida
from src.nucleo.guardian import EDAD_MAXIMA_MS, Solicitud, caducado, rechazo_de_la_cuenta
from src.produccion.api.acceso import Autorizado, Compartido, Direccion, Entorno
from src.produccion.api.auditoria import Acto, auditar
from src.produccion.api.encargos import Encargo
from src.produccion.api.formas import Bolsa, Escrito
from src.produccion.api.modelos import RespuestaGuardian, ResumenGuardian, SolicitudGuardian
from src.produccion.api.problemas import Problema, RespuestaJson, RespuestaProblema, documento
from src.produccion.api.resumen import Resultado, cuerpo_de, estado_comun, resumir
from src.produccion.api.rutas import problemas
from src.produccion.api.usuarios import Usuario

log = structlog.get_logger(__name__)
rutas_guardian = APIRouter()

_HECHO: dict[int | str, dict[str, Any]] = {
    200: {"model": RespuestaGuardian | ResumenGuardian, "description": "Done, by every account asked"},
    207: {"model": ResumenGuardian, "description": "The accounts did not all end alike"},
}

Clave = Annotated[
    Escrito | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=255, description="A repeat gets the first answer."
    ),
]


@rutas_guardian.post(
    "/guardian",
    response_model=None,
    responses=_HECHO | problemas(400, 401, 403, 409, 413, 415, 422, 502, 503, 504),
    tags=["guardian"],
)
async def guardian(
    cuerpo: SolicitudGuardian,
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    clave: Clave = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Ask the daemons that hold the keys to act on open positions, and wait for what comes of it.

    409: the daemon refused or failed; 503: no daemon, or no store; 504: no outcome in time.
    """
    pedido = cuerpo.model_dump(mode="json", exclude_none=True)
    accion = f"guardian.{cuerpo.action}"
    acto = Acto(usuario, direccion, accion, cuerpo.symbol, pedido)
    llegada_ms = entorno.ahora_ms()
    return await auditar(entorno.almacen, acto, lambda: _actuar(cuerpo, usuario, entorno, clave, llegada_ms))


async def _actuar(
    cuerpo: SolicitudGuardian, usuario: Usuario, entorno: Entorno, clave: str | None, llegada_ms: int
) -> RespuestaJson:
    solicitud = cuerpo.solicitud()
    if cuerpo.account_id is not None and cuerpo.user_id is None:
        raise SolicitudInvalida("'account_id' requires 'user_id' parameter")
    destinos = _destinos(entorno, usuario, solicitud, cuerpo.user_id)
    encargo = Encargo(
        usuario,
        solicitud,
        destinos,
        cuerpo.user_id is None,
        clave,
        _entornos(entorno, destinos),
        cuerpo.account_id,
    )
    if not await entorno.encargos.es_repetido([encargo]):
        _comprobar_edad(solicitud, llegada_ms)
    log.info(
        "guardian_pedido",
        usuario=usuario.nombre,
        accion=solicitud.accion.value,
        simbolo=solicitud.simbolo,
        cuentas=destinos,
    )
    resultados = await entorno.encargos.cumplir(encargo)
    if cuerpo.user_id is not None:
        return _de_una(resultados[0], entorno.ahora_ms())
    return _de_todas(solicitud, resultados, entorno.ahora_ms())


def _destinos(entorno: Entorno, usuario: Usuario, solicitud: Solicitud, user_id: str | None) -> list[str]:
    """The accounts of the user's tenant that a request is for.

    Raises:
        SolicitudInvalida: None, or the one that was named may not.
    """
    propias = entorno.cuentas.de_inquilino(usuario.client_id)
    rechazos = {
        nombre: rechazo_de_la_cuenta(
            solicitud.accion, guardian=cuenta.use_guardian, medio=cuenta.use_guardian_half
        )
        for nombre, cuenta in propias.items()
    }
    if user_id is None:
        activas = [nombre for nombre, rechazo in rechazos.items() if rechazo is None]
        if not activas:
            raise SolicitudInvalida(f"No active users for {solicitud.accion.value}")
        return activas
    if user_id not in rechazos:
        raise SolicitudInvalida(f"Unknown user_id {user_id!r}")
    rechazo = rechazos[user_id]
    if rechazo is not None:
        raise SolicitudInvalida(f"{user_id}: {rechazo}")
    return [user_id]


def _entornos(entorno: Entorno, destinos: list[str]) -> dict[str, str]:
    """Where each account trades, as far as it is written down."""
    modos = {nombre: entorno.cuentas.entorno_de(nombre) for nombre in destinos}
    return {nombre: modo.value for nombre, modo in modos.items() if modo is not None}


def _comprobar_edad(solicitud: Solicitud, ahora_ms: int) -> None:
    instante_ms = solicitud.instante_ms
    if instante_ms is not None and caducado(solicitud.accion, instante_ms, ahora_ms):
        raise SolicitudInvalida(
            f"'market_context.timestamp' is {(ahora_ms - instante_ms) / 1_000:.1f} s old;"
            f" {solicitud.accion.value} may be {EDAD_MAXIMA_MS[solicitud.accion] // 1_000} s old: look at the"
            " market again"
        )


def _de_una(resultado: Resultado, ahora_ms: int) -> RespuestaJson:
    cuerpo = cuerpo_de(resultado, ahora_ms)
    if resultado.exito:
        return RespuestaJson(cuerpo, headers={"Location": f"/api/v1/commands/{resultado.mando_id}"})
    raise Problema(
        resultado.estado, resultado.error, **cuerpo, error=resultado.error, command_id=resultado.mando_id
    )


def _de_todas(solicitud: Solicitud, resultados: list[Resultado], ahora_ms: int) -> RespuestaJson:
    cuerpo = resumir(solicitud, resultados, ahora_ms)
    estado = estado_comun(resultados)
    if estado < 400:
        return RespuestaJson(cuerpo, estado)
    return RespuestaProblema(documento(estado, resultados[0].error, cuerpo), estado)
