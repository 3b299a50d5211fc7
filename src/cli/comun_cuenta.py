"""The options of the commands that work on an account: the same words as `timonel live`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from src.produccion.supervision.prisa import interrumpible

if TYPE_CHECKING:
    from src.produccion.montaje_monitor import Eleccion

T = TypeVar("T")

OpcionReal = Annotated[
    bool, typer.Option("--live", help="The REAL account. Without it: the testnet.", show_default=False)
]
OpcionUrl = Annotated[
    str | None,
    typer.Option(
        "--exchange-url",
        envvar="TIMONEL_EXCHANGE_URL",
        help="A running simulator, e.g. http://127.0.0.1:8899.",
    ),
]
OpcionConfig = Annotated[Path | None, typer.Option("--config", help="Settings file (timonel.yaml).")]
OpcionEstado = Annotated[
    Path,
    typer.Option("--state-dir", help="Where journals live, and the store unless TIMONEL_DB_URL names one."),
]
OpcionActivo = Annotated[str, typer.Option("--margin-asset", help="Asset that margins the symbols.")]
OpcionJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, a failure too.")]
OpcionEnsayo = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
OpcionDetallado = Annotated[bool, typer.Option("--verbose", "-v", help="Show every log event.")]

OpcionUsuario = Annotated[
    str | None,
    typer.Option("--user", help="An account of accounts.yaml instead of the usual variables."),
]
OpcionCuentas = Annotated[Path | None, typer.Option("--accounts", help="The accounts.yaml of --user.")]

ESTADO = Path("estado")
ACTIVO = "USDT"

_COTIZADOS = ("USDT", "USDC", "FDUSD", "BUSD", "BTC")


def elegir_cuenta(
    real: bool,
    url: str | None,
    config: Path | None,
    estado: Path,
    usuario: str | None,
    cuentas: Path | None,
    activo: str,
    *,
    detallado: bool,
) -> Eleccion:
    """Which account of which exchange the options name."""
    from src.produccion.config.config import Opciones
    from src.produccion.montaje_monitor import Eleccion

    opciones = Opciones(train_id="", real=real, url=url, config=config, estado=estado)
    return Eleccion(opciones=opciones, usuario=usuario, cuentas=cuentas, activo=activo, detallado=detallado)


def correr(orden: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end; SIGTERM interrupts it as Ctrl+C does.

    Raises:
        KeyboardInterrupt: It was interrupted, after what it had open was closed.
    """
    try:
        return asyncio.run(interrumpible(orden))
    except asyncio.CancelledError as fallo:
        raise KeyboardInterrupt from fallo


def activo_cotizado(simbolo: str) -> str:
    """The quote asset that a symbol's name ends with; empty when it ends with none known."""
    return next((activo for activo in _COTIZADOS if simbolo.endswith(activo)), "")


def precio_escrito(precio: float) -> str:
    """A price with two decimals at least, and as many as it has."""
    corto = f"{precio:.2f}"
    return corto if float(corto) == precio else f"{precio:.10f}".rstrip("0")
