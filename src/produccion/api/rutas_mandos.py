"""Orders of people: closing positions, holding entries back, a tenant's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Body, Header
from pydantic import BaseModel, ConfigDict, Field

from src.nucleo.guardian import AccionGuardian, Solicitud
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import vivos
from src.produccion.almacen.inquilinos import ConfigInquilino, cambiar_config, leer_config
from src.produccion.almacen.lecturas import posiciones_abiertas
from src.produccion.api.acceso import (
    Administrador,
    Autenticado,
    Autorizado,
    Compartido,
    Direccion,
    Entorno,
)
from src.produccion.api.auditoria import Acto, auditar
from src.produccion.api.encargos import Encargo
from src.produccion.api.formas import Bolsa, Escrito, segundos
from src.produccion.api.modelos import Simbolo, Texto
from src.produccion.api.problemas import Problema, RespuestaJson
from src.produccion.api.resumen import Resultado, estado_comun
from src.produccion.api.rutas import problemas
from src.produccion.api.rutas_cuenta import leyendo
from src.produccion.api.rutas_guardian import Clave
from src.produccion.api.rutas_mercado import SimboloRuta
from src.produccion.api.usuarios import Usuario

SIN_ESPERAR = "respond-async"
"""What `Preferencia` holds when nobody wants to wait."""

_EN_MARCHA = 202
_SIN_ALMACEN = 503
_NADA_QUE_CERRAR = "No open position to close"

log = structlog.get_logger(__name__)
rutas_mandos = APIRouter(prefix="/api/v1", tags=["commands"])

Preferencia = Annotated[
    str | None,
    Header(alias="Prefer", max_length=64, description="`respond-async`: answer 202 at once, with the ids."),
]


class PedidoCierre(BaseModel):
    """Whose position; all of the tenant's accounts that have one when left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: Texto | None = None
    account_id: Texto | None = Field(
        default=None, description="The account whose daemon is meant; a dry run is asked only so"
    )


class PedidoSalida(PedidoCierre):
    """``POST /api/v1/forceexit``."""

    symbol: Simbolo | None = Field(default=None, description="All symbols when left out")


class PedidoPausa(BaseModel):
    """``POST /api/v1/stopentry``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[Escrito, Field(max_length=200)] | None = None


class ResultadoMando(BaseModel):
    """What became of one account's command."""

    user_id: str
    symbol: str
    command_id: str | None = Field(description="For GET /api/v1/commands/{id}; null when none was given")
    status: int = Field(description="HTTP status it would have alone; 202: not over")
    success: bool | None = Field(description="null: not known yet")
    message: str | None
    error: str | None


class ResultadoMandos(BaseModel):
    """One result per account and symbol."""

    success: bool | None = Field(description="Whether all of them were done; null while that is not known")
    results: list[ResultadoMando]


class ConfigVista(BaseModel):
    """What a tenant lets its daemons do; percentages of the price."""

    trading_enabled: bool
    trading_paused_reason: str | None
    max_slippage_pct: float
    slippage_pause_threshold_pct: float
    max_executions_per_minute: int
    max_executions_per_hour: int
    updated_at: float | None = Field(description="Unix seconds; null: the defaults")


class ConfigNueva(BaseModel):
    """``PUT /api/v1/tenant-config``: what is left out stays."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trading_enabled: bool | None = None
    trading_paused_reason: Annotated[Escrito, Field(max_length=200)] | None = None
    max_slippage_pct: Annotated[float, Field(gt=0, le=100)] | None = None
    slippage_pause_threshold_pct: Annotated[float, Field(gt=0, le=100)] | None = None
    max_executions_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    max_executions_per_hour: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


ERRORES = problemas(400, 401, 403, 404, 409, 413, 415, 422, 502, 503, 504)
RESPUESTAS: dict[int | str, dict[str, Any]] = {
    200: {"model": ResultadoMandos, "description": "Done, by every account asked"},
    202: {"model": ResultadoMandos, "description": "Given; not over yet"},
    207: {"model": ResultadoMandos, "description": "The accounts did not all end alike"},
}


@rutas_mandos.post("/positions/{symbol}/close", response_model=None, responses=RESPUESTAS | ERRORES)
async def close_position(
    symbol: SimboloRuta,
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    cuerpo: Annotated[PedidoCierre | None, Body()] = None,
    clave: Clave = None,
    prefer: Preferencia = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Close a symbol's position at market, of one account or all that have one, and wait for the outcome."""
    pedido = cuerpo or PedidoCierre()
    acto = Acto(usuario, direccion, "position.close", symbol, pedido.model_dump(exclude_none=True))
    return await auditar(
        entorno.almacen,
        acto,
        lambda: _cerrar(entorno, usuario, symbol, pedido, clave, esperar=prefer != SIN_ESPERAR),
    )


@rutas_mandos.post("/forceexit", response_model=None, responses=RESPUESTAS | ERRORES)
async def forceexit(
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    cuerpo: Annotated[PedidoSalida | None, Body()] = None,
    prefer: Preferencia = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Close every open position at market, or those of one symbol or account, and wait for the outcome."""
    pedido = cuerpo or PedidoSalida()
    acto = Acto(usuario, direccion, "position.forceexit", pedido.symbol, pedido.model_dump(exclude_none=True))
    return await auditar(
        entorno.almacen,
        acto,
        lambda: _cerrar(entorno, usuario, pedido.symbol, pedido, None, esperar=prefer != SIN_ESPERAR),
    )


@rutas_mandos.post(
    "/stopentry", response_model=ConfigVista, responses=problemas(400, 401, 403, 413, 415, 422, 503)
)
async def stopentry(
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    cuerpo: Annotated[PedidoPausa | None, Body()] = None,
) -> RespuestaJson:
    """Open and increase nothing any more; exits pass, stops stay. Daemons look once a second."""
    motivo = (None if cuerpo is None else cuerpo.reason) or f"stopentry by {usuario.nombre}"
    cambios = {"trading_enabled": False, "trading_paused_reason": motivo}
    return await _configurar(entorno, usuario, direccion, "tenant.stopentry", cambios)


@rutas_mandos.post("/start", response_model=ConfigVista, responses=problemas(401, 403, 503))
async def start(usuario: Autorizado, entorno: Compartido, direccion: Direccion) -> RespuestaJson:
    """Let daemons open positions again, whoever paused them."""
    cambios = {"trading_enabled": True, "trading_paused_reason": None}
    return await _configurar(entorno, usuario, direccion, "tenant.start", cambios)


@rutas_mandos.get("/tenant-config", response_model=ConfigVista, responses=problemas(401, 503))
async def tenant_config(usuario: Autenticado, entorno: Compartido) -> RespuestaJson:
    """Kill switch and limits of the tenant."""
    return RespuestaJson(_vista(await leyendo(entorno, lambda c: leer_config(c, usuario.client_id))))


@rutas_mandos.put(
    "/tenant-config", response_model=ConfigVista, responses=problemas(400, 401, 403, 413, 415, 422, 503)
)
async def put_tenant_config(
    cuerpo: ConfigNueva, usuario: Administrador, entorno: Compartido, direccion: Direccion
) -> RespuestaJson:
    """Change kill switch and limits; needs an admin. What is left out stays."""
    cambios = cuerpo.model_dump(exclude_none=True)
    if cambios.get("trading_enabled") is True:
        cambios["trading_paused_reason"] = None
    return await _configurar(entorno, usuario, direccion, "tenant.config", cambios)


async def _configurar(
    entorno: Entorno, usuario: Usuario, direccion: str, accion: str, cambios: Mapping[str, Any]
) -> RespuestaJson:
    def cambiar() -> ConfigInquilino:
        with escribir(entorno.almacen) as conexion:
            return cambiar_config(conexion, usuario.client_id, cambios)

    async def hacer() -> RespuestaJson:
        config = await asyncio.to_thread(cambiar)
        log.warning(accion.replace(".", "_"), usuario=usuario.nombre, inquilino=usuario.client_id)
        return RespuestaJson(_vista(config))

    return await auditar(entorno.almacen, Acto(usuario, direccion, accion, None, cambios), hacer)


def _vista(config: ConfigInquilino) -> dict[str, Any]:
    return {
        "trading_enabled": config.trading_enabled,
        "trading_paused_reason": config.trading_paused_reason,
        "max_slippage_pct": float(config.max_slippage_pct),
        "slippage_pause_threshold_pct": float(config.slippage_pause_threshold_pct),
        "max_executions_per_minute": config.max_executions_per_minute,
        "max_executions_per_hour": config.max_executions_per_hour,
        "updated_at": segundos(config.updated_at_ms),
    }


async def _cerrar(
    entorno: Entorno,
    usuario: Usuario,
    symbol: str | None,
    pedido: PedidoCierre,
    clave: str | None,
    *,
    esperar: bool,
) -> RespuestaJson:
    """Ask the daemons to close; accounts that a person names are asked whatever the guardian may do there."""
    user_id = pedido.user_id
    dados = () if clave is None else await asyncio.to_thread(entorno.encargos.dados, usuario, clave)
    if dados and symbol is not None:
        lugares = {symbol: [mando.user_id for mando in dados] if user_id is None else [user_id]}
    else:
        lugares = await asyncio.to_thread(_lugares, entorno, usuario.client_id, symbol, pedido)
    if not lugares:
        que = f"position of {symbol}" if symbol else "position"
        raise Problema(
            404,
            f"there is no open {que}"
            + (f" of {user_id!r}" if user_id else "")
            + (f" on {pedido.account_id!r}" if pedido.account_id else ""),
        )
    encargos = [
        Encargo(
            usuario,
            Solicitud(simbolo, AccionGuardian.CERRAR),
            destinos,
            user_id is None,
            clave,
            entornos_de(entorno, destinos),
            pedido.account_id,
        )
        for simbolo, destinos in lugares.items()
    ]
    return await cumplir_todos(entorno, encargos, esperar=esperar)


async def cumplir_todos(entorno: Entorno, encargos: Sequence[Encargo], *, esperar: bool) -> RespuestaJson:
    """Give all commands of one request, or none, and tell what came of each.

    Raises:
        Problema: None was done; or the key was used for another request.
    """
    await entorno.encargos.es_repetido(encargos)
    hechos = await entorno.encargos.cumplir_juntos(encargos, esperar=esperar)
    return respuesta_de([encargo.solicitud.simbolo for encargo in encargos], hechos)


def _lugares(
    entorno: Entorno, client_id: str, symbol: str | None, pedido: PedidoCierre
) -> dict[str, list[str]]:
    """The accounts to ask, by symbol: those with an open position, and those whose daemon may know of one."""
    with leer(entorno.almacen) as conexion:
        abiertas = [uno.operacion for uno in posiciones_abiertas(conexion, client_id, symbol)]
    user_id, account_id = pedido.user_id, pedido.account_id
    pares = {(o.symbol, o.user_id) for o in abiertas if account_id in (None, o.account_id)}
    if symbol is not None:
        pares.update(
            (d.symbol, d.user_id)
            for d in vivos(entorno.almacen)
            if (d.client_id, d.symbol) == (client_id, symbol) and account_id in (None, d.account_id)
        )
    elegidos = sorted(par for par in pares if user_id in (None, par[1]))
    return {simbolo: [quien for s, quien in elegidos if s == simbolo] for simbolo, _ in elegidos}


def entornos_de(entorno: Entorno, destinos: Sequence[str]) -> dict[str, str]:
    """Where each account trades, as far as it is written down."""
    modos = {nombre: entorno.cuentas.entorno_de(nombre) for nombre in destinos}
    return {nombre: modo.value for nombre, modo in modos.items() if modo is not None}


def respuesta_de(simbolos: Sequence[str], hechos: Sequence[Sequence[Resultado]]) -> RespuestaJson:
    """All results, under the status that they share."""
    pares = [(simbolo, uno) for simbolo, suyos in zip(simbolos, hechos, strict=True) for uno in suyos]
    if any(uno.exito for _, uno in pares):
        # Whoever is flat has what is wanted already, as long as somebody was not.
        pares = [(simbolo, _cumplido(uno)) for simbolo, uno in pares]
    todos = [uno for _, uno in pares]
    filas = [fila_de(simbolo, uno) for simbolo, uno in pares]
    exitos = [fila["success"] for fila in filas]
    exito = False if False in exitos else None if None in exitos else True
    cuerpo: dict[str, Any] = {"success": exito, "results": filas}
    if any(fila["status"] == _EN_MARCHA for fila in filas):
        return RespuestaJson(cuerpo, _EN_MARCHA)
    estado = estado_comun(todos)
    if estado < 400:
        return RespuestaJson(cuerpo, estado)
    raise Problema(estado, todos[0].error, **cuerpo)


def _cumplido(uno: Resultado) -> Resultado:
    if uno.exito or not uno.error.startswith(_NADA_QUE_CERRAR):
        return uno
    return uno._replace(estado=200, campos={**uno.campos, "message": uno.error}, error="")


def fila_de(simbolo: str, uno: Resultado) -> dict[str, Any]:
    """What became of one command, as answers tell it."""
    pendiente = bool(uno.mando_id) and uno.acabado_ms is None
    # Without an answer of the store nobody knows whether the command was given.
    ignorado = not uno.mando_id and uno.estado == _SIN_ALMACEN
    return {
        "user_id": uno.user_id,
        "symbol": simbolo,
        "command_id": uno.mando_id or None,
        "status": _EN_MARCHA if pendiente else uno.estado,
        "success": None if pendiente or ignorado else uno.exito,
        "message": uno.campos.get("message"),
        "error": None if pendiente else uno.error or None,
    }
