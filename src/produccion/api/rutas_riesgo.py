"""Breakers, risk modes and locks: what they are, and what people change of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from src.nucleo.disyuntores import ClaseDisyuntor
from src.produccion.almacen.disyuntores import disyuntores_de, historia_de
from src.produccion.almacen.lecturas import demonios_de
from src.produccion.almacen.mandos_riesgo import Alcance, PeticionModo, comprobar_motivo
from src.produccion.almacen.modos import modos_vigentes
from src.produccion.api import modelos_riesgo as m
from src.produccion.api import vistas_riesgo as vistas
from src.produccion.api.acceso import Autenticado, Autorizado, Compartido, Direccion
from src.produccion.api.auditoria import Acto, auditar
from src.produccion.api.encargos_riesgo import cerrar_disyuntor, poner_modo
from src.produccion.api.formas import AntesDe, Bolsa, CuentaPedida, Limite, SimboloPedido
from src.produccion.api.problemas import RespuestaJson
from src.produccion.api.rutas import problemas
from src.produccion.api.rutas_cuenta import leyendo
from src.produccion.api.rutas_guardian import Clave
from src.produccion.api.rutas_mandos import Preferencia
from src.produccion.api.vistas import cambio_de_disyuntor
from src.produccion.monitor.candados import candados_de

_SIN_ESPERAR = "respond-async"
_LEER = problemas(401, 422, 503)
_ACTUAR = problemas(400, 401, 403, 404, 409, 413, 415, 422, 503, 504)

rutas_riesgo = APIRouter(prefix="/api/v1", tags=["risk"])

IdDisyuntor = Annotated[
    str,
    Path(
        pattern=r"^[0-9A-Za-z_.:@-]{1,300}$",
        description="As GET /api/v1/breakers shows it.",
        examples=["sim-0123456789ab:binance:BTCUSDT:latency"],
    ),
]
ClasePedida = Annotated[ClaseDisyuntor | None, Query(description="One kind only.")]


def _respuestas(modelo: Any) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"model": modelo, "description": "Done, by every daemon asked"},
        202: {"model": modelo, "description": "Given; not over yet"},
        207: {"model": modelo, "description": "The daemons did not all end alike"},
    }


@rutas_riesgo.get("/breakers", response_model=m.Disyuntores, responses=_LEER)
async def breakers(
    usuario: Autenticado,
    entorno: Compartido,
    symbol: SimboloPedido = None,
    exchange: Bolsa = None,
) -> RespuestaJson:
    """Breakers of the tenant's daemons, and those of failed stop executions."""
    todos = await leyendo(entorno, lambda c: disyuntores_de(c, usuario.client_id, symbol, exchange))
    return RespuestaJson({"breakers": [vistas.disyuntor(uno) for uno in todos]})


@rutas_riesgo.post(
    "/breakers/{breaker_id}/reset", response_model=None, responses=_respuestas(m.ResultadosCierre) | _ACTUAR
)
async def reset_breaker(
    breaker_id: IdDisyuntor,
    cuerpo: m.PedidoCierreDisyuntor,
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    clave: Clave = None,
    prefer: Preferencia = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Have a breaker closed; if what opened it goes on, it opens again.

    409: it is closed already, or shows a limit that no reset takes away; 503: no daemon.
    """
    motivo = comprobar_motivo(cuerpo.reason)
    acto = Acto(usuario, direccion, "breaker.reset", breaker_id, cuerpo.model_dump())
    esperar = prefer != _SIN_ESPERAR
    return await auditar(
        entorno.almacen,
        acto,
        lambda: cerrar_disyuntor(entorno, usuario, breaker_id, motivo, clave, esperar=esperar),
    )


@rutas_riesgo.get("/history/circuit-breakers", response_model=m.HistoriaDisyuntores, responses=_LEER)
async def history_breakers(
    usuario: Autenticado,
    entorno: Compartido,
    limit: Limite = 100,
    before: AntesDe = None,
    symbol: SimboloPedido = None,
    account_id: CuentaPedida = None,
    kind: ClasePedida = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Changes of breakers."""
    clase = None if kind is None else kind.value
    filas = await leyendo(
        entorno,
        lambda c: historia_de(c, usuario.client_id, symbol, clase, account_id, limite=limit, antes_de=before),
    )
    return RespuestaJson({"circuit_breakers": [cambio_de_disyuntor(fila._asdict()) for fila in filas]})


@rutas_riesgo.get("/locks", response_model=m.Candados, responses=_LEER)
async def locks(usuario: Autenticado, entorno: Compartido, _exchange: Bolsa = None) -> RespuestaJson:
    """What keeps positions from being opened or increased now, as far as the store knows."""
    cliente = usuario.client_id
    todos, demonios = await leyendo(entorno, lambda c: (candados_de(c, cliente), demonios_de(c, cliente)))
    return RespuestaJson({"locks": vistas.candados(todos, demonios)})


@rutas_riesgo.get("/risk/mode", response_model=m.Modos, responses=_LEER)
async def risk_mode(
    usuario: Autenticado,
    entorno: Compartido,
    symbol: SimboloPedido = None,
    account_id: CuentaPedida = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """What people let the agent of each daemon do."""
    todos = await leyendo(entorno, lambda c: modos_vigentes(c, usuario.client_id))
    elegidos = [uno for uno in todos if symbol in (None, uno.symbol) and account_id in (None, uno.account_id)]
    return RespuestaJson({"modes": [vistas.modo(uno) for uno in elegidos]})


@rutas_riesgo.put("/risk/mode", response_model=None, responses=_respuestas(m.ResultadosModo) | _ACTUAR)
async def put_risk_mode(
    cuerpo: m.PedidoModo,
    usuario: Autorizado,
    entorno: Compartido,
    direccion: Direccion,
    clave: Clave = None,
    prefer: Preferencia = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Let agents do more or less: of one symbol, account or user, or of all the tenant's living daemons.

    ACTIVE trades; REDUCING opens and increases nothing; HALTED sends nothing that the agent decides. Stops,
    drawdown emergency and exits by hand go on. Each daemon keeps its mode until it is set again.
    """
    peticion = PeticionModo(cuerpo.mode, comprobar_motivo(cuerpo.reason))
    alcance = Alcance(usuario.client_id, cuerpo.symbol, cuerpo.account_id, cuerpo.user_id)
    acto = Acto(
        usuario, direccion, "risk.mode", cuerpo.symbol, cuerpo.model_dump(mode="json", exclude_none=True)
    )
    esperar = prefer != _SIN_ESPERAR
    return await auditar(
        entorno.almacen,
        acto,
        lambda: poner_modo(entorno, usuario, peticion, alcance, clave, esperar=esperar),
    )
