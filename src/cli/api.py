"""``timonel api``: the HTTP face as a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from src.cli.salida import consola_de_mensajes


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    accounts: Annotated[
        Path | None, typer.Option(help="Accounts file; TIMONEL_ACCOUNTS or accounts.yaml if omitted.")
    ] = None,
    state_dir: Annotated[
        Path, typer.Option(help="Where the store lives, unless TIMONEL_DB_URL says otherwise, and the log.")
    ] = Path("estado"),
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen where other machines reach it, without TLS.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every log event.")] = False,
) -> None:
    """Serve the HTTP API; it holds no keys, daemons carry out what is asked.

    Exit codes: 0 asked to end, 2 bad input.
    """
    from src.produccion.api.servicio import OpcionesApi, comprobar_direccion, escuchar, servir
    from src.produccion.bitacora import AjustesBitacora, configurada

    opciones = OpcionesApi(
        anfitrion=host, puerto=port, cuentas=accounts, estado=state_dir, remoto=allow_remote
    )
    consola = consola_de_mensajes()
    comprobar_direccion(opciones)
    # The address first: one that is refused leaves no state directory behind.
    with (
        escuchar(host, port) as enchufe,
        configurada(rotativa=state_dir / "api.log", ajustes=AjustesBitacora(detallado=verbose)),
    ):
        servir(opciones, enchufe, lambda linea: consola.print(linea, markup=False))
