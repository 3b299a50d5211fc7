"""What people ask of daemons besides acting on an open position: orders, and that they end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from src.nucleo.a_mano import OrdenPedida
from src.nucleo.tipos import LadoOrden
from src.produccion.almacen.demonios import DemonioVivo, vivos
from src.produccion.almacen.lecturas import leer_orden
from src.produccion.almacen.mandos import AccionMando
from src.produccion.almacen.mandos_riesgo import Alcance
from src.produccion.api.acceso import Autorizado, Compartido, Direccion, Entorno
from src.produccion.api.auditoria import Acto, auditar
from src.produccion.api.encargos import Encargo, Peticion, puede_ser, sobre_ensayos
from src.produccion.api.formas import Bolsa, Escrito
from src.produccion.api.modelos import Simbolo, Texto, no_es_logico
from src.produccion.api.problemas import Problema, RespuestaJson
from src.produccion.api.rutas_cuenta import leyendo
from src.produccion.api.rutas_guardian import Clave
from src.produccion.api.rutas_mandos import (
    ERRORES,
    RESPUESTAS,
    SIN_ESPERAR,
    Preferencia,
    cumplir_todos,
    entornos_de,
)
from src.produccion.api.silencio import NO_CORRE, es_de, sobre_callados
from src.produccion.api.usuarios import Usuario
from src.produccion.ordenes.pedidas import contenido_de_orden

_HECHAS = ["FILLED", "CANCELED", "REJECTED", "ABSENT", "TRIGGERED", "EXPIRED"]

rutas_ordenes = APIRouter(prefix="/api/v1", tags=["commands"])

IdOrden = Annotated[
    str, Path(pattern=r"^[0-9A-Za-z_.:-]{1,64}$", description="As GET /api/v1/orders shows it.")
]
Monto = Annotated[
    Decimal,
    BeforeValidator(no_es_logico),
    Field(gt=0, le=10**12, max_digits=30, decimal_places=18, allow_inf_nan=False),
]
"""A JSON number or decimal text."""


class PedidoOrden(BaseModel):
    """``POST /api/v1/orders/create``: a market order that opens a position on a flat account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: Simbolo
    side: Literal["BUY", "SELL"] = Field(description="BUY opens a long, SELL a short")
    quantity: Monto = Field(description="Base asset; rounded down to the symbol's step")
    type: Literal["MARKET"] = "MARKET"
    stop: Monto | None = Field(
        default=None, description="Absolute; only nearer to the market than the artefact's own stop"
    )
    target: Monto | None = Field(default=None, description="Absolute")
    user_id: Texto | None = Field(
        default=None, description="The account; needed when daemons of several trade the symbol"
    )
    account_id: Texto | None = Field(
        default=None, description="The account whose daemon is meant; a dry run is asked only so"
    )

    def contenido(self) -> dict[str, object]:
        """Payload of its command."""
        stop, objetivo = (None if p is None else float(p) for p in (self.stop, self.target))
        return contenido_de_orden(OrdenPedida(LadoOrden(self.side), self.quantity, stop, objetivo))


class PedidoFin(BaseModel):
    """``POST /api/v1/stop``: which daemons; all of the tenant's when left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: Simbolo | None = None
    user_id: Texto | None = None
    account_id: Texto | None = Field(default=None, description="The account; a dry run is asked only so")
    reason: Annotated[Escrito, Field(max_length=200)] | None = Field(default=None, description="Recorded")


@rutas_ordenes.post("/orders/create", response_model=None, responses=RESPUESTAS | ERRORES)
async def create_order(
    cuerpo: PedidoOrden,
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    clave: Clave = None,
    prefer: Preferencia = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Open a position by hand at market, protected at once, through the daemon that trades the symbol."""
    pedido = cuerpo.model_dump(mode="json", exclude_none=True)
    acto = Acto(usuario, direccion, "order.create", cuerpo.symbol, pedido)
    return await auditar(
        entorno.almacen,
        acto,
        lambda: _abrir(entorno, usuario, cuerpo, clave, esperar=prefer != SIN_ESPERAR),
    )


@rutas_ordenes.post("/orders/{order_id}/cancel", response_model=None, responses=RESPUESTAS | ERRORES)
async def cancel_order(
    order_id: IdOrden,
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    clave: Clave = None,
    prefer: Preferencia = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Cancel an order that is not over, or a target; the stops of an open position stay."""
    acto = Acto(usuario, direccion, "order.cancel", order_id, {})
    return await auditar(
        entorno.almacen,
        acto,
        lambda: _cancelar(entorno, usuario, order_id, clave, esperar=prefer != SIN_ESPERAR),
    )


@rutas_ordenes.post("/stop", response_model=None, responses=RESPUESTAS | ERRORES)
async def stop(
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    cuerpo: Annotated[PedidoFin | None, Body()] = None,
    clave: Clave = None,
    prefer: Preferencia = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """End daemons after their step, by their exit policy, as SIGTERM does; nothing starts them again."""
    pedido = cuerpo or PedidoFin()
    acto = Acto(usuario, direccion, "daemon.stop", pedido.symbol, pedido.model_dump(exclude_none=True))
    return await auditar(
        entorno.almacen,
        acto,
        lambda: _detener(entorno, usuario, pedido, clave, esperar=prefer != SIN_ESPERAR),
    )


async def _abrir(
    entorno: Entorno, usuario: Usuario, pedido: PedidoOrden, clave: str | None, *, esperar: bool
) -> RespuestaJson:
    dados = () if clave is None else await asyncio.to_thread(entorno.encargos.dados, usuario, clave)
    destino = dados[0].user_id if dados and pedido.user_id is None else pedido.user_id
    if destino is None:
        suyos = await asyncio.to_thread(
            demonios_pedidos, entorno, usuario.client_id, pedido.symbol, None, pedido.account_id
        )
        if not suyos:
            raise await nadie(entorno, usuario.client_id, pedido.symbol, None, pedido.account_id)
        destino = _unico(sorted({demonio.user_id for demonio in suyos}), pedido)
    encargo = Encargo(
        usuario,
        Peticion(pedido.symbol, AccionMando.ABRIR, pedido.contenido()),
        [destino],
        False,
        clave,
        entornos_de(entorno, [destino]),
        pedido.account_id,
    )
    return await cumplir_todos(entorno, [encargo], esperar=esperar)


def _unico(usuarios: Sequence[str], pedido: PedidoOrden) -> str:
    """The one account that an order can be for.

    Raises:
        Problema: There are several.
    """
    if len(usuarios) > 1:
        nombres = ", ".join(usuarios)
        raise Problema(
            409, f"failed: {pedido.symbol} is traded for {nombres}; name one as user_id; nothing was done"
        )
    return usuarios[0]


async def _cancelar(
    entorno: Entorno, usuario: Usuario, order_id: str, clave: str | None, *, esperar: bool
) -> RespuestaJson:
    fila = await leyendo(entorno, lambda c: leer_orden(c, usuario.client_id, order_id))
    if fila is None:
        raise Problema(404, f"there is no order {order_id!r}")
    encargo = Encargo(
        usuario,
        Peticion(fila["symbol"], AccionMando.CANCELAR, {"order": order_id}),
        [fila["user_id"]],
        False,
        clave,
        account_id=fila["account_id"],
    )
    repetido = await entorno.encargos.es_repetido([encargo])
    if not repetido and fila["status"] in _HECHAS:
        raise Problema(409, f"order {order_id} is over: {fila['status']}; nothing was done")
    return await cumplir_todos(entorno, [encargo], esperar=esperar)


async def _detener(
    entorno: Entorno, usuario: Usuario, pedido: PedidoFin, clave: str | None, *, esperar: bool
) -> RespuestaJson:
    dados = () if clave is None else await asyncio.to_thread(entorno.encargos.dados, usuario, clave)
    lugares = {(mando.symbol, pedido.user_id or mando.user_id) for mando in dados}
    if not lugares:
        suyos = await asyncio.to_thread(
            demonios_pedidos, entorno, usuario.client_id, pedido.symbol, pedido.user_id, pedido.account_id
        )
        lugares = {(demonio.symbol, demonio.user_id) for demonio in suyos}
    if not lugares:
        raise await nadie(
            entorno, usuario.client_id, pedido.symbol, pedido.user_id, pedido.account_id, hace_falta=False
        )
    simbolos = sorted({simbolo for simbolo, _ in lugares} if pedido.symbol is None else {pedido.symbol})
    contenido: dict[str, object] = {"all_symbols": pedido.symbol is None}
    if pedido.reason is not None:
        contenido["reason"] = pedido.reason
    encargos = []
    for simbolo in simbolos:
        destinos = sorted({quien for suyo, quien in lugares if suyo == simbolo})
        encargos.append(
            Encargo(
                usuario,
                Peticion(simbolo, AccionMando.DETENER, contenido),
                destinos,
                pedido.user_id is None,
                clave,
                entornos_de(entorno, destinos),
                pedido.account_id,
            )
        )
    return await cumplir_todos(entorno, encargos, esperar=esperar)


def demonios_pedidos(
    entorno: Entorno, client_id: str, symbol: str | None, user_id: str | None, account_id: str | None
) -> list[DemonioVivo]:
    """The tenant's living daemons that a request may mean. Blocks: not for the loop."""
    suyos = [
        demonio
        for demonio in vivos(entorno.almacen)
        if demonio.client_id == client_id
        and symbol in (None, demonio.symbol)
        and user_id in (None, demonio.user_id)
    ]
    modos = entornos_de(entorno, [demonio.user_id for demonio in suyos])
    return [demonio for demonio in suyos if puede_ser(demonio, modos.get(demonio.user_id), account_id)]


async def nadie(
    entorno: Entorno,
    client_id: str,
    symbol: str | None,
    user_id: str | None,
    account_id: str | None,
    *,
    hace_falta: bool = True,
) -> Problema:
    """Why nothing was done: no daemon lives that could be meant; ``hace_falta``: one is to be started."""
    de_quien = "" if user_id is None else f" for {user_id}"
    ensayos = ""
    if account_id is None:
        vivientes = await asyncio.to_thread(vivos, entorno.almacen)
        ensayos = sobre_ensayos(vivientes, client_id, symbol, user_id)
    matiz = ensayos if account_id is None else f" on {account_id}"
    pedidos = Alcance(client_id, symbol, account_id, user_id)
    calla = await asyncio.to_thread(sobre_callados, entorno.almacen, partial(es_de, pedidos))
    quien = f"no daemon trades {symbol or 'anything'}{de_quien}{matiz}{calla.quienes}"
    remedio = "" if ensayos else calla.remedio if hace_falta else NO_CORRE
    return Problema(503, f"failed: {quien}; nothing was done{remedio}")
