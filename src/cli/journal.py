"""``timonel journal``: an account and symbol's journal, verified or written out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from src.cli.salida import con_codigo_de_salida, consola_de_mensajes
from src.nucleo.errores import ConfiguracionInvalida

journal = typer.Typer(help="Verify journals, or write one out.", no_args_is_help=True)

_Carpeta = Annotated[Path, typer.Option(help="Where journals live, or the directory of one of them.")]


@journal.command()
@con_codigo_de_salida
def export(
    state_dir: _Carpeta = Path("estado"),
    canonical: Annotated[
        bool,
        typer.Option(
            "--canonical",
            help="Leave out when people unlocked: two runs that did the same print the same bytes.",
        ),
    ] = False,
) -> None:
    """Print a journal as JSON lines, ordered by aggregate and version."""
    from src.produccion.diario.diario import exportar

    rutas = _diarios(state_dir)
    if len(rutas) > 1:
        carpetas = ", ".join(str(ruta.parent) for ruta in rutas)
        raise ConfiguracionInvalida(
            f"{state_dir} holds several journals; give one as --state-dir: {carpetas}"
        )
    for linea in exportar(rutas[0], canonico=canonical):
        sys.stdout.buffer.write(linea)
    sys.stdout.buffer.flush()


@journal.command()
@con_codigo_de_salida
def verify(state_dir: _Carpeta = Path("estado")) -> None:
    """Verify every record of every journal; exit code 1 when one is damaged."""
    from src.produccion.diario.apertura_diario import examinar

    consola = consola_de_mensajes()
    danados = 0
    for ruta in _diarios(state_dir):
        danos = examinar(ruta)
        danados += bool(danos)
        consola.print(f"{ruta}: {'damaged' if danos else 'ok'}", markup=False)
        for dano in danos:
            consola.print(f"  {dano}", markup=False)
    if danados:
        raise typer.Exit(1)


def _diarios(carpeta: Path) -> list[Path]:
    from src.produccion.diario.apertura_diario import NOMBRE
    from src.produccion.supervision.doctor import diarios

    rutas = [carpeta / NOMBRE] if (carpeta / NOMBRE).exists() else diarios(carpeta)
    if not rutas:
        raise ConfiguracionInvalida(f"there is no journal below {carpeta}; choose another --state-dir")
    return rutas
