"""Equity against buy-and-hold, and drawdown."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.graficos.datos import DatosGrafico, adelgazar, fecha
from src.graficos.estilo import (
    Color,
    cifra,
    eje_de_dinero,
    eje_de_tiempo,
    eje_porcentual,
    nueva_figura,
    porcentaje,
    vestir,
)
from src.nucleo.metricas import drawdowns, mantener
from src.nucleo.tipos import Matriz

_SEPARACION = 0.075
"""Least distance between the labels at the ends of lines, as a share of the axes' height."""


def pintar_equity(eje: Axes, datos: DatosGrafico, titulo: str = "Equity") -> None:
    """Draw the agent's equity beside holding the asset, at 1× and at the agent's mean exposure."""
    vestir(eje, titulo, f"{datos.moneda}, beside holding the asset from the first candle on")
    media = datos.exposicion_media
    inicial = float(datos.equity[0])
    series = (
        ("Held 1×", inicial * mantener(datos.precio, 1.0), Color.MANTENER, "-", 1.1),
        (
            f"Held {cifra(media, signo=True)}×",
            inicial * mantener(datos.precio, media),
            Color.MEDIA,
            (0, (4, 2)),
            1.2,
        ),
        ("Agent", datos.equity, Color.AGENTE, "-", 1.8),
    )
    for _, valores, color, trazo, ancho in series:
        _linea(eje, datos, valores, color, trazo, ancho)
    eje.axhline(inicial, color=Color.TENUE.value, linewidth=0.7, linestyle=(0, (1, 3)), zorder=1)
    eje_de_dinero(eje)
    eje_de_tiempo(eje)
    _sombrear_huecos(eje, datos)
    _rotular(
        eje,
        [
            (nombre, float(valores[-1] / inicial - 1.0), float(valores[-1]), color)
            for nombre, valores, color, _, _ in series
        ],
    )


def pintar_drawdown(eje: Axes, datos: DatosGrafico, titulo: str = "Drawdown") -> None:
    """Draw the fall from the peak, downwards, with its deepest point marked."""
    vestir(eje, titulo, "Fall of the equity from its peak so far")
    caida = -drawdowns(datos.equity)
    indices = adelgazar(caida)
    fechas = datos.fechas
    eje.fill_between(fechas[indices], caida[indices], 0.0, color=Color.CAIDA.value, alpha=0.16, linewidth=0)
    eje.plot(fechas[indices], caida[indices], color=Color.CAIDA.value, linewidth=1.1)
    peor = int(np.argmin(caida))
    if caida[peor] < 0.0:
        eje.plot(fechas[peor], caida[peor], "o", color=Color.CAIDA.value, markersize=4)
        eje.annotate(
            porcentaje(float(caida[peor])),
            (fechas[peor], float(caida[peor])),
            xytext=(0, -7),
            textcoords="offset points",
            ha="right" if peor > 0.95 * len(caida) else "left" if peor < 0.05 * len(caida) else "center",
            va="top",
            fontsize=9,
            fontweight="bold",
            color=Color.CAIDA.value,
        )
    eje.set_ylim(min(float(caida.min()) * 1.3, -1e-3), 0.0)
    eje_porcentual(eje)
    eje_de_tiempo(eje)
    _sombrear_huecos(eje, datos)


def figura_equity(datos: DatosGrafico) -> Figure:
    """Equity against buy-and-hold as a figure of its own."""
    figura = nueva_figura(3.9)
    pintar_equity(figura.subplots(), datos)
    return figura


def figura_drawdown(datos: DatosGrafico) -> Figure:
    """Drawdown as a figure of its own."""
    figura = nueva_figura(2.6)
    pintar_drawdown(figura.subplots(), datos)
    return figura


def _linea(
    eje: Axes,
    datos: DatosGrafico,
    valores: Matriz,
    color: Color,
    trazo: str | tuple[int, tuple[int, int]],
    ancho: float,
) -> None:
    indices = adelgazar(valores)
    eje.plot(
        datos.fechas[indices],
        valores[indices],
        color=color.value,
        linestyle=trazo,
        linewidth=ancho,
        solid_joinstyle="round",
        zorder=3 if color is Color.AGENTE else 2,
    )


def _rotular(eje: Axes, finales: list[tuple[str, float, float, Color]]) -> None:
    """Write each line's name and return at its right end, moved apart where they would collide."""
    abajo, arriba = eje.get_ylim()
    orden = sorted(finales, key=lambda final: final[2])
    alturas = separar([(final[2] - abajo) / (arriba - abajo) for final in orden], _SEPARACION)
    for (nombre, rendimiento, _, color), altura in zip(orden, alturas, strict=True):
        eje.annotate(
            f"{nombre}  {porcentaje(rendimiento, signo=True)}",
            (1.0, altura),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            fontweight="bold" if color is Color.AGENTE else "normal",
            color=color.value,
        )


def separar(alturas: list[float], minimo: float) -> list[float]:
    """Move ascending heights apart to at least ``minimo``, keeping their order and their middle."""
    salida: list[float] = []
    for altura in alturas:
        salida.append(max(altura, salida[-1] + minimo) if salida else altura)
    if not salida:
        return salida
    desvio = sum(salida) / len(salida) - sum(alturas) / len(alturas)
    return [altura - desvio for altura in salida]


def _sombrear_huecos(eje: Axes, datos: DatosGrafico) -> None:
    for desde, hasta in datos.huecos_ms:
        eje.axvspan(fecha(desde), fecha(hasta), color=Color.TENUE.value, alpha=0.15, linewidth=0)  # type: ignore[arg-type]
