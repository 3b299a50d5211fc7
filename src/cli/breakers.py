"""``timonel breakers``: what keeps entries out, and closing one by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from src.cli.asiento import asentar_local
from src.cli.comun_cuenta import ESTADO, OpcionEstado, OpcionJson
from src.cli.mandos_riesgo import (
    Acto,
    OpcionCuenta,
    OpcionMotivo,
    OpcionQuien,
    contar,
    desenlace_http,
    mandar,
    respuesta_de,
)
from src.cli.salida import con_codigo_de_salida, consola_de_mensajes
from src.cli.tablas import Columna, TablaQueCabe, tabla_que_cabe
from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import SolicitudInvalida

if TYPE_CHECKING:
    from src.produccion.almacen.tipos_disyuntor import CambioGuardado, DisyuntorGuardado

breakers = typer.Typer(help="Breakers: list them, look back, close one.", invoke_without_command=True)

_CIERRE = "breaker.reset"  # in the audit log
_COLUMNAS = (
    Columna("id"),
    Columna("state"),
    Columna("limit", 1),
    Columna("measured"),
    Columna("since", 2),
    Columna("until", 3),
    Columna("reason", libre=True),
)
_DE_CAMBIOS = (
    Columna("at"),
    Columna("symbol", 1),
    Columna("kind"),
    Columna("state"),
    Columna("measured"),
    Columna("by", 2),
    Columna("reason", libre=True),
)
_COLORES = {"OPEN": "red", "HALF_OPEN": "yellow", "CLOSED": "green"}


@breakers.callback()
@con_codigo_de_salida
def listar(
    ctx: typer.Context,
    symbol: Annotated[str | None, typer.Option(help="One symbol only.")] = None,
    client_id: Annotated[str | None, typer.Option(help="One tenant only.")] = None,
    history: Annotated[int, typer.Option(min=0, help="Show this many of the latest changes instead.")] = 0,
    como_json: OpcionJson = False,
    state_dir: OpcionEstado = ESTADO,
) -> None:
    """List the breakers of every daemon that feeds this store, as they were told last, by their ids.

    A breaker that is not CLOSED keeps entries out; exits and stops pass. Reads the store alone: no keys, no
    exchange, no daemon.

    Exit codes: 0 done, 2 bad input.
    """
    if ctx.invoked_subcommand is not None:
        return
    from src.produccion.almacen.conexion import abrir_almacen
    from src.produccion.almacen.demonios import vivos
    from src.produccion.almacen.disyuntores import historia_disyuntores, listar_disyuntores

    simbolo = None if symbol is None else symbol.upper()
    consola = Console(highlight=False, emoji=False)
    almacen = abrir_almacen(None, state_dir, existente=True)
    try:
        if history:
            cambios = historia_disyuntores(almacen, client_id, simbolo, limite=history)
            tabla, datos = (
                _tabla_de_cambios(cambios, consola.width),
                {"changes": [c._asdict() for c in cambios]},
            )
            remedios = []
        else:
            todos = listar_disyuntores(almacen, client_id, simbolo)
            tabla, datos = _tabla(todos, consola.width), {"breakers": [uno.como_json() for uno in todos]}
            remedios = list(_remedios(todos, {(vivo.account_id, vivo.symbol) for vivo in vivos(almacen)}))
    finally:
        almacen.dispose()
    if como_json:
        typer.echo(json.dumps(datos))
    else:
        tabla.imprimir(consola, consola_de_mensajes())
        for remedio in remedios:
            consola.print(remedio, markup=False, soft_wrap=True)


@breakers.command()
@con_codigo_de_salida
def reset(
    breaker: Annotated[
        str,
        typer.Argument(
            metavar="ID|KIND",
            help="Which breaker: its id, from `timonel breakers`, or its kind and --symbol.",
            show_default=False,
        ),
    ],
    reason: OpcionMotivo,
    symbol: Annotated[
        str | None, typer.Option(help="Of which symbol; the id says it.", show_default=False)
    ] = None,
    by: OpcionQuien = None,
    account: OpcionCuenta = None,
    client_id: Annotated[str, typer.Option(help="Tenant.")] = "default",
    como_json: OpcionJson = False,
    state_dir: OpcionEstado = ESTADO,
) -> None:
    """Have the running daemon close a breaker; if what opened it goes on, it opens again.

    The drawdown breaker shows a limit on the day's loss and cannot be reset. That of stop executions lives in
    the store and needs no daemon. Writes to the store as whoever owns this machine, logged in or not; over
    HTTP roles decide.

    Exit codes: 0 done, 2 bad input or refused, 4 nobody answered, 6 no running daemon is meant.
    """
    from src.produccion.almacen.mandos_riesgo import (
        PeticionCierre,
        cerrar_sin_demonio,
        comprobar_motivo,
        pedir_cierre,
    )
    from src.produccion.riesgo.enclavamiento import operador

    kind, simbolo, account = _cual(breaker, None if symbol is None else symbol.upper(), account)
    peticion, quien = PeticionCierre(kind, comprobar_motivo(reason)), operador(by)
    pedido = {"kind": kind.value, "reason": peticion.motivo}
    if kind is ClaseDisyuntor.STOP_EXECUTION:
        from src.produccion.almacen.conexion import abrir_almacen

        almacen = abrir_almacen(None, state_dir, existente=True)
        try:
            respuesta = asentar_local(
                almacen,
                client_id,
                (_CIERRE, simbolo),
                pedido,
                lambda: respuesta_de(cerrar_sin_demonio(almacen, client_id, simbolo, peticion, quien)),
                desenlace_http,
                quien=by,
            )
        finally:
            almacen.dispose()
        contar([respuesta], como_json=como_json)
        return
    respuestas = mandar(
        state_dir,
        (client_id, simbolo, account),
        lambda almacen, demonio: pedir_cierre(almacen, demonio, peticion, quien),
        Acto(_CIERRE, pedido, by),
    )
    contar(respuestas, como_json=como_json)


def _remedios(todos: list[DisyuntorGuardado], vivos: set[tuple[str, str]]) -> Iterator[str]:
    """What closes each one; what a daemon that does not live measured is only what was known last."""
    for uno in todos:
        if uno.account_id and uno.como_se_cierra and (uno.account_id, uno.symbol) not in vivos:
            yield f"{uno.id}: last known, its daemon does not live; start it again: `timonel live`"
        elif uno.como_se_cierra:
            yield f"{uno.id}: {uno.como_se_cierra}"


def _cual(escrito: str, symbol: str | None, account: str | None) -> tuple[ClaseDisyuntor, str, str | None]:
    """Kind, symbol and account of a breaker that is named by its id, or by kind and options.

    Raises:
        SolicitudInvalida: There is no such kind, or id and options do not agree.
    """
    from src.produccion.almacen.tipos_disyuntor import leer_id

    nombre = leer_id(escrito)
    clase = escrito if nombre is None else nombre.kind
    if clase not in set(ClaseDisyuntor):
        raise SolicitudInvalida(
            f"there is no breaker {escrito!r}; `timonel breakers` lists the ids;"
            f" kinds: {', '.join(ClaseDisyuntor)}"
        )
    if nombre is not None:
        for suyo, pedido in ((nombre.symbol, symbol), (nombre.account_id, account)):
            if pedido not in (None, suyo):
                raise SolicitudInvalida(f"breaker {escrito} is of {suyo}, not of {pedido}")
        return ClaseDisyuntor(clase), nombre.symbol, nombre.account_id or None
    if symbol is None:
        raise SolicitudInvalida("name the symbol with --symbol, or give the id that `timonel breakers` shows")
    return ClaseDisyuntor(clase), symbol, account


def _tabla(todos: list[DisyuntorGuardado], ancho: int) -> TablaQueCabe:
    filas = [
        [
            Text(uno.id),
            Text(uno.state.value, style=_COLORES[uno.state]),
            Text(_valor(uno.kind, uno.limit_value)),
            Text(_valor(uno.kind, uno.value)),
            Text(_fecha(uno.changed_at_ms)),
            Text(_fecha(uno.hasta_ms)),
            Text(uno.reason),
        ]
        for uno in todos
    ]
    return tabla_que_cabe(_COLUMNAS, filas, ancho)


def _tabla_de_cambios(cambios: list[CambioGuardado], ancho: int) -> TablaQueCabe:
    filas = [
        [
            Text(_fecha(cambio.occurred_at_ms)),
            Text(cambio.symbol),
            Text(cambio.kind),
            Text(cambio.state, style=_COLORES[cambio.state]),
            Text(_valor(ClaseDisyuntor(cambio.kind), cambio.value)),
            Text(cambio.requested_by or ""),
            Text(cambio.reason or ""),
        ]
        for cambio in cambios
    ]
    return tabla_que_cabe(_DE_CAMBIOS, filas, ancho)


def _valor(clase: ClaseDisyuntor, valor: float | None) -> str:
    return "" if valor is None else clase.texto(valor)


def _fecha(instante_ms: int | None) -> str:
    if instante_ms is None:
        return ""
    return datetime.fromtimestamp(instante_ms / 1_000, UTC).isoformat(timespec="seconds")
