"""Where the agent stood in the market: its positions on the price."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.graficos.datos import DatosGrafico, TramoPosicion, adelgazar, fecha
from src.graficos.estilo import Color, eje_de_dinero, eje_de_tiempo, nueva_figura, vestir
from src.nucleo.tipos import Matriz

MARCAS_MAXIMAS = 90
"""With more positions than this the marks would hide the price; its colour still tells the side."""


def pintar_operaciones(eje: Axes, datos: DatosGrafico, titulo: str = "Trades on price") -> None:
    """Draw the price, coloured where a position was held, and mark entries and exits."""
    marcar = len(datos.posiciones) <= MARCAS_MAXIMAS
    vestir(eje, titulo, _leyenda(datos, marcar))
    indices = adelgazar(datos.precio)
    fechas, precio, lado = datos.fechas[indices], datos.precio[indices], np.sign(datos.exposicion[indices])
    eje.plot(fechas, precio, color=Color.MANTENER.value, linewidth=0.9, alpha=0.75)
    for signo, color in ((1.0, Color.LARGO), (-1.0, Color.CORTO)):
        eje.plot(fechas, _solo_donde(precio, lado == signo), color=color.value, linewidth=1.5)
    if marcar:
        _marcar(eje, datos.posiciones)
    eje.margins(y=0.12)
    eje_de_dinero(eje)
    eje_de_tiempo(eje)
    _rotular_lados(eje)


def figura_operaciones(datos: DatosGrafico) -> Figure:
    """Trades on price as a figure of its own."""
    figura = nueva_figura(3.9)
    pintar_operaciones(figura.subplots(), datos)
    return figura


def _leyenda(datos: DatosGrafico, marcar: bool) -> str:
    cantidad = len(datos.posiciones)
    if marcar:
        palabra = "position" if cantidad == 1 else "positions"
        return f"{cantidad:,} {palabra}:  ▲ long entry   ▼ short entry   ○ exit"
    return f"{cantidad:,} positions, too many to mark one by one; the colour tells the side held"


def _solo_donde(precio: Matriz, mascara: npt.NDArray[np.bool_]) -> Matriz:
    """The price while a side is held, up to the point where it ends; NaN elsewhere."""
    con_final = mascara.copy()
    con_final[1:] |= mascara[:-1]
    return np.where(con_final, precio, np.nan)


def _marcar(eje: Axes, posiciones: tuple[TramoPosicion, ...]) -> None:
    for largo, marca, color in ((True, "^", Color.LARGO), (False, "v", Color.CORTO)):
        propias = [posicion for posicion in posiciones if posicion.largo == largo]
        eje.plot(
            [fecha(p.entrada_ms) for p in propias],
            [p.precio_entrada for p in propias],
            marca,
            color=color.value,
            markersize=6.5,
            markeredgecolor=Color.FONDO.value,
            markeredgewidth=0.7,
            zorder=4,
        )
        salidas = [
            (fecha(p.salida_ms), p.precio_salida)
            for p in propias
            if p.salida_ms is not None and p.precio_salida is not None
        ]
        eje.plot(
            [instante for instante, _ in salidas],
            [precio for _, precio in salidas],
            "o",
            color=Color.FONDO.value,
            markersize=4.5,
            markeredgecolor=color.value,
            markeredgewidth=1.2,
            zorder=4,
        )


def _rotular_lados(eje: Axes) -> None:
    for texto, color, altura in (
        ("Long", Color.LARGO, 0.95),
        ("Short", Color.CORTO, 0.88),
        ("Flat", Color.MANTENER, 0.81),
    ):
        eje.annotate(
            texto,
            (1.0, altura),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=9,
            fontweight="bold",
            va="center",
            color=color.value,
        )
