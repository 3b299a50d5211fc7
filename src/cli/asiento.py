"""What commands do on this machine stands in the audit log, as what comes over HTTP does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from src.produccion.almacen.auditoria import AsientoNuevo

T = TypeVar("T")

_ROL = "local"


def asiento_local(
    client_id: str, accion: tuple[str, str | None], pedido: Mapping[str, Any], *, quien: str | None = None
) -> AsientoNuevo:
    """The line of what somebody at this machine wants; the parameters are those of `asentar_local`."""
    from src.produccion.almacen.auditoria import AsientoNuevo
    from src.produccion.riesgo.enclavamiento import operador

    return AsientoNuevo(client_id, operador(quien), _ROL, f"local:{operador()}", *accion, pedido)


def asentar_local(
    almacen: Engine,
    client_id: str,
    accion: tuple[str, str | None],
    pedido: Mapping[str, Any],
    hacer: Callable[[], T],
    resumir: Callable[[T], tuple[int, Mapping[str, Any]]] = lambda _: (200, {}),
    *,
    quien: str | None = None,
) -> T:
    """Do something as whoever owns this machine; it leaves a line, whatever comes of it.

    Args:
        almacen: The shared store.
        client_id: Whose things it is done to.
        accion: What is done, and to what.
        pedido: What was asked; without secrets.
        hacer: Does it.
        resumir: What came of it: a status of HTTP, and what is kept.
        quien: Who says to have asked; the user of the operating system if omitted.

    Raises:
        sqlalchemy.exc.DBAPIError: The line could not be begun: nothing was done.
    """
    from src.produccion.almacen.auditoria import Desenlace, asentar

    nuevo = asiento_local(client_id, accion, pedido, quien=quien)
    return asentar(almacen, nuevo, hacer, lambda hecho: Desenlace(*resumir(hecho)))
