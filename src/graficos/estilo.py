"""One look for every picture: palette, axes, and figures without matplotlib's global state."""

from __future__ import annotations

import io
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from src.nucleo.errores import ConfiguracionInvalida

PULGADAS_ANCHO = 9.0


class Color(StrEnum):
    """The palette: blue and orange stay apart for every kind of colour vision."""

    FONDO = "#ffffff"
    TINTA = "#1f2a33"
    TENUE = "#66737d"
    REJILLA = "#e4e8eb"
    AGENTE = "#0a5fa8"
    MANTENER = "#8b96a0"
    MEDIA = "#b7791f"
    CAIDA = "#b3402a"
    LARGO = "#1b7fc4"
    CORTO = "#dd6b10"


VARIABLES_CSS = {color.value: f"var(--{color.name.lower()}, {color.value})" for color in Color}
"""Each colour as a page that defines the variables may override it."""

_FUENTE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "svg.hashsalt": "timonel",
}
_FORMATOS = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
_FORMATOS_CERO = ["%Y", "%b %Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
_SIN_METADATOS: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}


def nueva_figura(alto: float, ancho: float = PULGADAS_ANCHO, margen: float = 0.04) -> Figure:
    """An empty figure of the house style; height, width and the space around its axes in inches."""
    figura = Figure(figsize=(ancho, alto), dpi=100, facecolor=Color.FONDO.value)
    figura.set_layout_engine(ConstrainedLayoutEngine(h_pad=margen, w_pad=margen))
    FigureCanvasAgg(figura)
    return figura


def vestir(eje: Axes, titulo: str = "", subtitulo: str = "") -> None:
    """Give axes the house style: horizontal grid, no box, a title at the left."""
    eje.set_facecolor("none")
    for lado in ("top", "right", "left"):
        eje.spines[lado].set_visible(False)
    eje.spines["bottom"].set_color(Color.REJILLA.value)
    eje.grid(axis="y", color=Color.REJILLA.value, linewidth=0.7)
    eje.set_axisbelow(True)
    eje.tick_params(colors=Color.TENUE.value, labelsize=8.5, length=0, pad=4)
    eje.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))
    eje.margins(x=0.01)
    if titulo:
        alto = 18 if subtitulo else 8
        eje.set_title(titulo, loc="left", fontsize=11, fontweight="bold", color=Color.TINTA.value, pad=alto)
    if subtitulo:
        eje.annotate(
            subtitulo,
            (0.0, 1.0),
            xytext=(0, 6),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=8.5,
            color=Color.TENUE.value,
        )


def eje_de_tiempo(eje: Axes) -> None:
    """Dates short enough to stand side by side, none without its month or year."""
    localizador = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    eje.xaxis.set_major_locator(localizador)
    formato = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        localizador, formats=_FORMATOS, zero_formats=_FORMATOS_CERO, show_offset=False
    )
    eje.xaxis.set_major_formatter(formato)


def eje_de_dinero(eje: Axes) -> None:
    """Amounts with thousands separated and no more decimals than the ticks need."""
    eje.yaxis.set_major_formatter(
        FuncFormatter(lambda valor, _: f"{round(valor, 6):,.10g}".replace("-", "−"))
    )


def eje_porcentual(eje: Axes) -> None:
    """Fractions of 1 as percentages."""
    eje.yaxis.set_major_formatter(
        FuncFormatter(lambda valor, _: f"{round(100 * valor, 6):.4g}%".replace("-", "−"))
    )


def cifra(valor: float, decimales: int = 2, *, signo: bool = False) -> str:
    """A number for a label, with thousands separated and a true minus sign; zero has no sign."""
    texto = f"{valor:{'+' if signo else ''},.{decimales}f}"
    if not texto.strip("+-0.,"):
        return texto.lstrip("+-")
    return texto.replace("-", "−")


def contar(cantidad: int, nombre: str) -> str:
    """How many of something, in the singular or the plural."""
    return f"{cantidad:,} {nombre}{'' if cantidad == 1 else 's'}"


def porcentaje(fraccion: float, decimales: int = 1, *, signo: bool = False) -> str:
    """A fraction of 1 for a label."""
    return f"{cifra(100.0 * fraccion, decimales, signo=signo)}%"


def a_png(figura: Figure, puntos_por_pulgada: int = 150) -> bytes:
    """The figure as PNG; equal figures give equal bytes."""
    salida = io.BytesIO()
    with mpl.rc_context(_FUENTE):
        figura.savefig(salida, format="png", dpi=puntos_por_pulgada, metadata={"Software": None})
    return salida.getvalue()


def a_svg(figura: Figure, descripcion: str = "") -> str:
    """The figure as an ``<svg>`` element to stand inside a page, whose CSS may recolour it.

    Args:
        figura: What to draw.
        descripcion: Text for readers who do not see it; no markup.
    """
    salida = io.StringIO()
    with mpl.rc_context(_FUENTE):
        figura.savefig(salida, format="svg", transparent=True, metadata=_SIN_METADATOS)
    texto = salida.getvalue()
    texto = texto[texto.index("<svg") :]
    texto = re.sub(r"<metadata>.*?</metadata>\s*", "", texto, flags=re.DOTALL)
    texto = re.sub(r'<g id="[^"]*"', "<g", texto)
    texto = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        rf'<svg viewBox="\1" {_accesible(descripcion)}>',
        texto,
        count=1,
    )
    for color, variable in VARIABLES_CSS.items():
        texto = texto.replace(color, variable)
    return texto


def guardar(figura: Figure, ruta: Path) -> Path:
    """Write the figure as the suffix says, ``.png`` or ``.svg``.

    Raises:
        ConfiguracionInvalida: Another suffix.
    """
    match ruta.suffix.lower():
        case ".png":
            ruta.write_bytes(a_png(figura))
        case ".svg":
            with mpl.rc_context(_FUENTE | {"svg.fonttype": "path"}):
                figura.savefig(ruta, format="svg", metadata=_SIN_METADATOS)
        case _:
            raise ConfiguracionInvalida(f"{ruta}: pictures are written as .png or .svg; change the suffix")
    return ruta


def _accesible(descripcion: str) -> str:
    atributos = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img"'
    limpia = re.sub(r'[<>&"]', " ", descripcion)
    return f'{atributos} aria-label="{limpia}"' if limpia else atributos
