"""Daemons that give no sign of life any more, in words: since when, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Engine, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import VIVO_MS, DemonioVivo, callados
from src.produccion.almacen.esquema import ahora_bd
from src.produccion.almacen.lecturas import demonios_de
from src.produccion.almacen.mandos import AccionMando, MandoGuardado
from src.produccion.almacen.mandos_riesgo import Alcance

NO_CORRE = ": what is not running needs no end"
"""What follows that nothing was done where a daemon was to be ended."""

_CALLA_MS = 5_000  # a living daemon gives a sign every 2 s
EMPEZAR = "start it again: `timonel live`"
_SALIDAS = frozenset({AccionMando.CERRAR, AccionMando.MITAD})
SIN_DEMONIO = "`timonel panic` flattens the account without one"


class Silencio(NamedTuple):
    """What is said where nobody takes a command."""

    quienes: str  # follows what nobody does; empty when no daemon of that kind fell silent
    remedio: str  # follows that nothing was done


def sobre_callados(
    almacen: Engine, es_suyo: Callable[[DemonioVivo], bool], *, es_salida: bool = False
) -> Silencio:
    """What is said of the daemons that could have taken a command, had they lived. Blocks: not for the loop.

    Args:
        almacen: The shared store.
        es_suyo: Whether a daemon could have taken it.
        es_salida: Whether it was to close a position: that can be done without a daemon.
    """
    with leer(almacen) as conexion:
        ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
    suyos = [demonio for demonio in callados(almacen, ahora_ms - VIVO_MS) if es_suyo(demonio)]
    remedios = [_empezar(suyos)] + [SIN_DEMONIO] * es_salida
    return Silencio(_desde_cuando(suyos, ahora_ms), "; " + "; ".join(remedios))


def es_de(alcance: Alcance, demonio: DemonioVivo) -> bool:
    """Whether a daemon is among those that are meant."""
    return all(
        pedido in (None, suyo)
        for pedido, suyo in (
            (alcance.client_id, demonio.client_id),
            (alcance.symbol, demonio.symbol),
            (alcance.account_id, demonio.account_id),
            (alcance.user_id, demonio.user_id),
        )
    )


def sobre_el_de(almacen: Engine, mando: MandoGuardado) -> tuple[bool, str]:
    """Whether the daemon that a command was given to lives, and what there is to say of that.

    Blocks: not for the loop.
    """
    with leer(almacen) as conexion:
        ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
        conocidos = demonios_de(conexion, mando.client_id)
    lugar = (mando.account_id, mando.symbol)
    edad_ms = next((uno.edad_ms for uno in conocidos if (uno.account_id, uno.symbol) == lugar), None)
    if edad_ms is None:
        return False, f"its daemon on {mando.account_id} has ended{_remedio(mando)}"
    if edad_ms <= VIVO_MS:
        duda = f"; if it is dead{_remedio(mando, ', ')}" if edad_ms > _CALLA_MS else ""
        return True, f"its daemon's last sign of life is {edad_ms / 1_000:.0f} s old{duda}"
    calla = _calla_desde(ahora_ms - edad_ms, ahora_ms)
    return False, f"its daemon on {mando.account_id} is not alive: {calla}{_remedio(mando)}"


def _remedio(mando: MandoGuardado, union: str = "; ") -> str:
    """What to do where a command's daemon is not running; what was to end it has nothing to do."""
    if mando.action == AccionMando.DETENER:
        return f"{union}there is nothing to end"
    sin_el = f"; {SIN_DEMONIO}" if mando.action in _SALIDAS else ""
    return f"{union}{EMPEZAR}{sin_el}"


def _desde_cuando(suyos: Sequence[DemonioVivo], ahora_ms: int) -> str:
    partes = [
        f"the one on {uno.account_id} is not alive: {_calla_desde(uno.heartbeat_ms, ahora_ms)}"
        for uno in suyos
    ]
    return "; " + "; ".join(partes) if partes else ""


def _empezar(suyos: Sequence[DemonioVivo]) -> str:
    return f"start {'it again' if suyos else 'one'}: `timonel live`"


def _calla_desde(latido_ms: int, ahora_ms: int) -> str:
    desde = datetime.fromtimestamp(latido_ms / 1_000, UTC)
    return f"silent since {desde:%Y-%m-%d %H:%M:%S} UTC ({(ahora_ms - latido_ms) / 1_000:.0f} s)"
