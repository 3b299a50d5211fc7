"""What people ask of daemons besides acting on an open position: that they end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from src.produccion.almacen.demonios import DemonioVivo, vivos
from src.produccion.almacen.mandos import AccionMando
from src.produccion.api.acceso import Autorizado, Compartido, Direccion, Entorno
from src.produccion.api.auditoria import Acto, auditar
from src.produccion.api.encargos import Encargo, Peticion, puede_ser
from src.produccion.api.formas import Escrito
from src.produccion.api.modelos import Simbolo, Texto
from src.produccion.api.problemas import Problema, RespuestaJson
from src.produccion.api.rutas_guardian import Clave
from src.produccion.api.rutas_mandos import (
    ERRORES,
    RESPUESTAS,
    SIN_ESPERAR,
    Preferencia,
    entornos_de,
    respuesta_de,
)
from src.produccion.api.usuarios import Usuario

rutas_ordenes = APIRouter(prefix="/api/v1", tags=["commands"])


class PedidoFin(BaseModel):
    """``POST /api/v1/stop``: which daemons; all of the tenant's when left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: Simbolo | None = None
    user_id: Texto | None = None
    account_id: Texto | None = Field(default=None, description="The account; a dry run is asked only so")
    reason: Annotated[Escrito, Field(max_length=200)] | None = Field(default=None, description="Recorded")


@rutas_ordenes.post("/stop", response_model=None, responses=RESPUESTAS | ERRORES)
async def stop(
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    cuerpo: Annotated[PedidoFin | None, Body()] = None,
    clave: Clave = None,
    prefer: Preferencia = None,
) -> RespuestaJson:
    """End daemons after their step, by their exit policy, as SIGTERM does; nothing starts them again."""
    pedido = cuerpo or PedidoFin()
    acto = Acto(usuario, direccion, "daemon.stop", pedido.symbol, pedido.model_dump(exclude_none=True))
    return await auditar(
        entorno.almacen,
        acto,
        lambda: _detener(entorno, usuario, pedido, clave, esperar=prefer != SIN_ESPERAR),
    )


async def _detener(
    entorno: Entorno, usuario: Usuario, pedido: PedidoFin, clave: str | None, *, esperar: bool
) -> RespuestaJson:
    dados = () if clave is None else await asyncio.to_thread(entorno.encargos.dados, usuario, clave)
    lugares = {(mando.symbol, mando.user_id) for mando in dados}
    if not lugares:
        suyos = await asyncio.to_thread(
            demonios_pedidos, entorno, usuario.client_id, pedido.symbol, pedido.user_id, pedido.account_id
        )
        lugares = {(demonio.symbol, demonio.user_id) for demonio in suyos}
    if not lugares:
        raise nadie(pedido.symbol, pedido.user_id, pedido.account_id)
    simbolos = sorted({simbolo for simbolo, _ in lugares})
    contenido: dict[str, object] = {} if pedido.reason is None else {"reason": pedido.reason}
    encargos = []
    for simbolo in simbolos:
        destinos = sorted(quien for suyo, quien in lugares if suyo == simbolo)
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


async def cumplir_todos(entorno: Entorno, encargos: Sequence[Encargo], *, esperar: bool) -> RespuestaJson:
    """Give all commands, one request's, and tell what came of each.

    Raises:
        Problema: None was done; or the key was used for another request.
    """
    for encargo in encargos:
        await entorno.encargos.es_repetido(encargo)
    hechos = await asyncio.gather(*(entorno.encargos.cumplir(e, esperar=esperar) for e in encargos))
    return respuesta_de([encargo.solicitud.simbolo for encargo in encargos], hechos)


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


def nadie(symbol: str | None, user_id: str | None, account_id: str | None) -> Problema:
    """Why nothing was done: no daemon lives that could be meant."""
    de_quien = "" if user_id is None else f" for {user_id}"
    matiz = " (a dry run is asked only by its account_id)" if account_id is None else f" on {account_id}"
    return Problema(
        503, f"failed: no daemon trades {symbol or 'anything'}{de_quien}{matiz}; nothing was done"
    )
