"""What the policy asked for: actions over time and how they are distributed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.graficos.datos import DatosGrafico
from src.graficos.estilo import Color, eje_de_tiempo, nueva_figura, vestir

_PUNTOS_SUELTOS = 700
_TRAMOS = 160
_CLASES = np.linspace(-1.025, 1.025, 42)


def pintar_acciones(eje: Axes, datos: DatosGrafico, titulo: str = "Actions") -> None:
    """Draw the actions: each one when there are few, else the mean and where 8 of 10 lie."""
    decididas = np.flatnonzero(np.isfinite(datos.accion))
    pocas = len(decididas) <= _PUNTOS_SUELTOS
    vestir(
        eje,
        titulo,
        "−1 fully short … +1 fully long" + ("" if pocas else "; line: mean, band: 8 of 10 candles"),
    )
    eje.axhline(0.0, color=Color.TENUE.value, linewidth=0.8)
    if pocas:
        _pintar_sueltas(eje, datos, decididas)
    else:
        _pintar_banda(eje, datos, decididas)
    eje.set_ylim(-1.08, 1.08)
    eje.set_yticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    eje_de_tiempo(eje)


def pintar_histograma(eje: Axes, datos: DatosGrafico, titulo: str = "Distribution") -> None:
    """Draw how often each action was asked for, upright beside `pintar_acciones`."""
    vestir(eje, titulo, "Share of candles")
    acciones = datos.accion[np.isfinite(datos.accion)]
    cuentas, _ = np.histogram(acciones, bins=_CLASES)
    partes = cuentas / max(1, len(acciones))
    centros = (_CLASES[:-1] + _CLASES[1:]) / 2.0
    colores = [_color(centro).value for centro in centros]
    eje.barh(centros, partes, height=0.042, color=colores, alpha=0.85, linewidth=0)
    eje.axhline(0.0, color=Color.TENUE.value, linewidth=0.8)
    eje.set_ylim(-1.08, 1.08)
    eje.set_yticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    maximo = float(partes.max(initial=0.0)) or 1.0
    eje.set_xlim(0.0, 1.1 * maximo)
    eje.set_xticks([0.0, maximo], ["0", f"{100 * maximo:.0f}%"])


def figura_acciones(datos: DatosGrafico) -> Figure:
    """Actions over time and their histogram as one figure."""
    figura = nueva_figura(2.9)
    izquierda, derecha = figura.subplots(1, 2, width_ratios=(3.4, 1.0), sharey=True)
    pintar_acciones(izquierda, datos)
    pintar_histograma(derecha, datos)
    return figura


def _color(accion: float) -> Color:
    if abs(accion) < 0.025:
        return Color.MANTENER
    return Color.LARGO if accion > 0 else Color.CORTO


def _pintar_sueltas(eje: Axes, datos: DatosGrafico, decididas: npt.NDArray[np.intp]) -> None:
    fechas, acciones = datos.fechas[decididas], datos.accion[decididas]
    for lado, color in ((acciones > 0, Color.LARGO), (acciones < 0, Color.CORTO)):
        eje.vlines(fechas[lado], 0.0, acciones[lado], color=color.value, linewidth=1.2, alpha=0.85)


def _pintar_banda(eje: Axes, datos: DatosGrafico, decididas: npt.NDArray[np.intp]) -> None:
    grupos = np.array_split(decididas, _TRAMOS)
    fechas = datos.fechas[[int(grupo[len(grupo) // 2]) for grupo in grupos]]
    bajo, alto = np.array([np.quantile(datos.accion[grupo], (0.1, 0.9)) for grupo in grupos]).T
    medio = [float(datos.accion[grupo].mean()) for grupo in grupos]
    eje.fill_between(
        fechas, np.maximum(bajo, 0), np.maximum(alto, 0), color=Color.LARGO.value, alpha=0.28, linewidth=0
    )
    eje.fill_between(
        fechas, np.minimum(bajo, 0), np.minimum(alto, 0), color=Color.CORTO.value, alpha=0.28, linewidth=0
    )
    eje.plot(fechas, medio, color=Color.TINTA.value, linewidth=1.0)
