"""``timonel db``: the shared store's schema moved up or down, copied and put back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from src.cli.salida import con_codigo_de_salida, consola_de_mensajes

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from src.produccion.almacen.migrar import Avance

db = typer.Typer(help="The shared store: migrate, look, back up, restore.", no_args_is_help=True)

Direccion = Annotated[
    str | None,
    typer.Option(
        "--db-url",
        envvar="TIMONEL_DB_URL",
        help="sqlite:///path or postgresql://user@host/name; --state-dir's timonel.sqlite if omitted.",
        show_default=False,
    ),
]
CarpetaEstado = Annotated[Path, typer.Option("--state-dir", help="Where journals and the store live.")]
ComoJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON and nothing else, a failure too.")
]

_ESTADO = Path("estado")


@db.command()
@con_codigo_de_salida
def upgrade(
    db_url: Direccion = None, state_dir: CarpetaEstado = _ESTADO, como_json: ComoJson = False
) -> None:
    """Make the store, or take the migrations it still lacks; nobody has to stop for it."""
    from src.produccion.almacen.migrar import subir

    with _almacen(db_url, state_dir, existente=False) as motor, _barra() as barra:
        tarea = barra.add_task("migrations", total=None)

        def avisar(avance: Avance) -> None:
            que = f"{avance.revision} {avance.titulo}"
            if avance.fase:
                que = f"{avance.revision} {avance.fase}: {avance.bloques:,} of {avance.de_bloques:,} blocks"
            barra.update(tarea, description=que, completed=avance.hechas, total=avance.total)

        hechas = subir(motor, avisar)
        barra.update(tarea, description="migrations", completed=len(hechas), total=len(hechas) or 1)
    texto = f"migrated: {', '.join(hechas)}" if hechas else "nothing to migrate"
    _decir({"applied": list(hechas)}, texto, como_json=como_json)


@db.command()
@con_codigo_de_salida
def downgrade(
    db_url: Direccion = None, state_dir: CarpetaEstado = _ESTADO, como_json: ComoJson = False
) -> None:
    """Take the last migration back. What only its columns held is lost: back up first."""
    from src.produccion.almacen.migrar import bajar

    with _almacen(db_url, state_dir) as motor:
        quitada = bajar(motor)
    _decir(
        {"reverted": quitada},
        f"taken back: {quitada}" if quitada else "nothing to take back",
        como_json=como_json,
    )


@db.command()
@con_codigo_de_salida
def status(db_url: Direccion = None, state_dir: CarpetaEstado = _ESTADO, como_json: ComoJson = False) -> None:
    """Show where the store is and which migrations it lacks; exit code 1 when it lacks some."""
    from src.produccion.almacen.conexion import visible
    from src.produccion.almacen.migrar import estado_esquema, titulo_de

    with _almacen(db_url, state_dir) as motor:
        estado = estado_esquema(motor)
        donde = visible(motor.url)
        version = ".".join(map(str, motor.dialect.server_version_info or ()))
    datos = {
        "database": donde,
        "server_version": version,
        "revision": estado.actual,
        "latest": estado.ultima,
        "pending": list(estado.pendientes),
    }
    lineas = [
        f"store:    {donde} (version {version})",
        f"revision: {estado.actual or 'none'} of {estado.ultima}",
        *(f"pending:  {revision} {titulo_de(revision)}" for revision in estado.pendientes),
    ]
    _decir(datos, "\n".join(lineas), como_json=como_json)
    if estado.pendientes:
        raise typer.Exit(1)


@db.command()
@con_codigo_de_salida
def backup(
    fichero: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; must not exist yet.")],
    db_url: Direccion = None,
    state_dir: CarpetaEstado = _ESTADO,
    como_json: ComoJson = False,
) -> None:
    """Copy the store into a file while it is in use (PostgreSQL: with pg_dump)."""
    from src.produccion.almacen.respaldo import respaldar

    with _almacen(db_url, state_dir) as motor, _barra() as barra:
        tarea = barra.add_task("backup", total=None)
        respaldar(motor, fichero, lambda hechas, total: barra.update(tarea, completed=hechas, total=total))
        barra.update(tarea, completed=1, total=1)
    bytes_ = fichero.stat().st_size
    _decir(
        {"file": str(fichero), "bytes": bytes_}, f"backup: {fichero} ({bytes_:,} bytes)", como_json=como_json
    )


@db.command()
@con_codigo_de_salida
def restore(
    fichero: Annotated[Path, typer.Argument(metavar="FILE", help="What `timonel db backup` wrote.")],
    db_url: Direccion = None,
    state_dir: CarpetaEstado = _ESTADO,
    force: Annotated[bool, typer.Option("--force", help="Replace a store that holds rows.")] = False,
    como_json: ComoJson = False,
) -> None:
    """Put a backup in the store's place; stop the daemons first. What was there is kept beside the backup."""
    from src.produccion.almacen.respaldo import restaurar

    with _almacen(db_url, state_dir) as motor, _barra() as barra:
        tarea = barra.add_task("restore", total=None)
        copia = restaurar(
            motor,
            fichero,
            forzar=force,
            progreso=lambda hechas, total: barra.update(tarea, completed=hechas, total=total),
        )
        barra.update(tarea, completed=1, total=1)
    texto = f"restored from {fichero}" + (f"; what was there is now {copia}" if copia else "")
    _decir({"file": str(fichero), "replaced": str(copia) if copia else None}, texto, como_json=como_json)


@contextmanager
def _almacen(db_url: str | None, state_dir: Path, *, existente: bool = True) -> Iterator[Engine]:
    from src.produccion.almacen.conexion import conectar_almacen

    motor = conectar_almacen(db_url, state_dir, existente=existente)
    try:
        yield motor
    finally:
        motor.dispose()


def _barra() -> Progress:
    """On standard error, gone when it is done: standard output is for the result."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=consola_de_mensajes(),
        transient=True,
    )


def _decir(datos: Mapping[str, object], texto: str, *, como_json: bool) -> None:
    if como_json:
        typer.echo(json.dumps(datos))
    else:
        Console(highlight=False, emoji=False, soft_wrap=True).print(texto, markup=False)
