"""What the commands that ask something of running daemons share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from src.cli.asiento import asiento_local
from src.cli.salida import consola_de_mensajes
from src.nucleo.errores import DemonioAusente

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from src.produccion.almacen.demonios import DemonioVivo
    from src.produccion.almacen.mandos import MandoGuardado

OpcionMotivo = Annotated[str, typer.Option(help="Why; it is recorded.")]
OpcionQuien = Annotated[
    str | None,
    typer.Option(
        help="Who; the user of the operating system if omitted. It is recorded.", show_default=False
    ),
]
OpcionCuenta = Annotated[
    str | None, typer.Option(help="One account only, as `timonel breakers --json` names it.")
]

_SIN_RESPUESTA = 4
_HECHO, _NEGADO = 200, 409
_ESTADOS = {_SIN_RESPUESTA: 504}
_DE_RESPUESTA = ("command_id", "success", "message", "error")
_RECHAZADO = 2


class Acto(NamedTuple):
    """What a command of this machine is called in the audit log."""

    accion: str
    pedido: Mapping[str, Any]
    quien: str | None  # as `operador` takes it

    def empezar(self, almacen: Engine, demonio: DemonioVivo) -> int:
        """Begin the line of one daemon."""
        from src.produccion.almacen.auditoria import empezar_asiento
        from src.produccion.almacen.conexion import escribir

        pedido = {**self.pedido, "account_id": demonio.account_id}
        nuevo = asiento_local(demonio.client_id, (self.accion, demonio.symbol), pedido, quien=self.quien)
        with escribir(almacen) as conexion:
            return empezar_asiento(conexion, nuevo)


def mandar(
    estado: Path,
    de: tuple[str | None, str | None, str | None],
    pedir: Callable[[Engine, DemonioVivo], MandoGuardado],
    acto: Acto,
) -> list[dict[str, Any]]:
    """Give the same command to every daemon that is meant, and wait for their answers.

    Each leaves a line in the audit log, of its tenant.

    Args:
        estado: The state directory.
        de: Tenant, symbol and account; ``None`` for any.
        pedir: Gives the command to one.
        acto: What is done, for the audit log.

    Raises:
        DemonioAusente: No daemon that is meant lives.
        ConfiguracionInvalida: There is no store, or it cannot be used.
    """
    from src.produccion.almacen.auditoria import Desenlace, acabar_o_decirlo
    from src.produccion.almacen.conexion import abrir_almacen
    from src.produccion.almacen.mandos_riesgo import Alcance, demonios_de, esperar_desenlace
    from src.produccion.api.silencio import es_de, sobre_callados

    almacen = abrir_almacen(None, estado, existente=True)
    try:
        demonios = demonios_de(almacen, *de)
        if not demonios:
            nombres = " ".join(nombre for nombre in de if nombre is not None) or "anything"
            calla = sobre_callados(almacen, partial(es_de, Alcance(*de)))
            quien = f"no running daemon of this store trades {nombres}{calla.quienes}"
            raise DemonioAusente(f"{quien}; nothing was done{calla.remedio}")
        asientos = [acto.empezar(almacen, demonio) for demonio in demonios]
        mandos = [pedir(almacen, demonio) for demonio in demonios]
        respuestas = []
        for asiento, mando in zip(asientos, mandos, strict=True):
            respuesta = _con_senales(almacen, esperar_desenlace(almacen, mando))
            acabar_o_decirlo(almacen, asiento, Desenlace(*desenlace_http(respuesta)))
            respuestas.append(respuesta)
        return respuestas
    finally:
        almacen.dispose()


def desenlace_http(respuesta: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """What is kept of an answer: the status that the same request would end with over HTTP, and its words."""
    estado = _HECHO if respuesta["success"] else _ESTADOS.get(respuesta.get("exit_code", 0), _NEGADO)
    return estado, {campo: respuesta[campo] for campo in _DE_RESPUESTA if campo in respuesta}


def contar(respuestas: Sequence[dict[str, Any]], *, como_json: bool) -> None:
    """Print what came of commands; ends with an exit code when one was not carried out.

    Raises:
        typer.Exit: One was refused, or nobody answered.
    """
    if como_json:
        typer.echo(json.dumps({"results": list(respuestas)}))
    else:
        for respuesta in respuestas:
            quien = respuesta["symbol"] + (f" of {de}" if (de := respuesta["account_id"]) else "")
            texto = respuesta.get("message") or respuesta.get("error") or "done"
            consola_de_mensajes().print(f"{quien}: {texto}", markup=False)
    malas = [r for r in respuestas if not r["success"]]
    if malas:
        raise typer.Exit(max(int(r.get("exit_code", _RECHAZADO)) for r in malas))


def respuesta_de(mando: MandoGuardado) -> dict[str, Any]:
    """What came of a command, as it is told."""
    donde = {"symbol": mando.symbol, "account_id": mando.account_id, "command_id": mando.id}
    if mando.outcome is not None:
        return {**mando.outcome, **donde}
    error = (
        "no daemon took the command in time; nothing was done"
        if mando.claimed_by is None
        else "the daemon took it and has not answered; look at what it did"
    )
    return {"success": False, "error": error, "exit_code": _SIN_RESPUESTA, **donde}


def _con_senales(almacen: Engine, mando: MandoGuardado) -> dict[str, Any]:
    """What came of a command; where nobody told, also what is known of the daemon that owes it."""
    from src.produccion.api.silencio import sobre_el_de

    respuesta = respuesta_de(mando)
    if mando.outcome is not None:
        return respuesta
    _, dicho = sobre_el_de(almacen, mando)
    return {**respuesta, "error": f"{respuesta['error']}; {dicho}"}
