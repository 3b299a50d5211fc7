"""The whole run in one picture."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.graficos.acciones import pintar_acciones, pintar_histograma
from src.graficos.curvas import pintar_drawdown, pintar_equity
from src.graficos.datos import DatosGrafico
from src.graficos.estilo import Color, cifra, contar, nueva_figura, porcentaje
from src.graficos.operaciones import pintar_operaciones
from src.nucleo.metricas import Resumen


def figura_panorama(datos: DatosGrafico, resumen: Resumen, titulo: str) -> Figure:
    """Key figures, equity, drawdown, trades on price and actions on one sheet.

    Args:
        datos: The run.
        resumen: Its figures.
        titulo: What was run, for example ``"BTCUSDT 1h, unseen span"``.
    """
    figura = nueva_figura(11.6, ancho=10.5, margen=0.1)
    rejas = figura.add_gridspec(5, 2, height_ratios=(0.62, 3.3, 1.7, 3.1, 2.1), width_ratios=(3.4, 1.0))
    _cabecera(figura.add_subplot(rejas[0, :]), datos, resumen, titulo)
    equity = figura.add_subplot(rejas[1, :])
    pintar_equity(equity, datos)
    drawdown = figura.add_subplot(rejas[2, :], sharex=equity)
    pintar_drawdown(drawdown, datos)
    precio = figura.add_subplot(rejas[3, :], sharex=equity)
    pintar_operaciones(precio, datos)
    for eje in (equity, drawdown):
        eje.tick_params(labelbottom=False)
    acciones = figura.add_subplot(rejas[4, 0])
    pintar_acciones(acciones, datos)
    pintar_histograma(figura.add_subplot(rejas[4, 1], sharey=acciones), datos)
    return figura


def _cabecera(eje: Axes, datos: DatosGrafico, resumen: Resumen, titulo: str) -> None:
    eje.set_axis_off()
    desde, hasta = (f"{instante.item():%d %b %Y}" for instante in (datos.fechas[0], datos.fechas[-1]))
    eje.text(
        1.0,
        1.25,
        f"{desde} – {hasta}, {contar(resumen.velas, 'candle')}",
        transform=eje.transAxes,
        ha="right",
        fontsize=9,
        color=Color.TENUE.value,
    )
    eje.text(
        0.0, 1.25, titulo, transform=eje.transAxes, fontsize=15, fontweight="bold", color=Color.TINTA.value
    )
    for indice, (nombre, valor) in enumerate(cifras_clave(resumen)):
        izquierda = indice / 6.0
        eje.text(izquierda, 0.38, valor, transform=eje.transAxes, fontsize=14, color=Color.AGENTE.value)
        eje.text(izquierda, 0.02, nombre, transform=eje.transAxes, fontsize=8.5, color=Color.TENUE.value)


def cifras_clave(resumen: Resumen) -> tuple[tuple[str, str], ...]:
    """The six figures a reader asks for first, as label and text."""
    operaciones = resumen.operaciones
    acierto = "–" if operaciones.tasa_acierto is None else porcentaje(operaciones.tasa_acierto, 0)
    return (
        ("Return", porcentaje(resumen.agente.rendimiento, signo=True)),
        ("Held 1×", porcentaje(resumen.mantener_1x.rendimiento, signo=True)),
        ("Sharpe, per year", cifra(resumen.agente.sharpe)),
        ("Max DD (closes)", porcentaje(resumen.agente.max_drawdown)),
        ("Closed trades", f"{operaciones.cerradas:,}"),
        ("Win rate", acierto),
    )
