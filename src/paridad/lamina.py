"""The picture that compares trailing strategies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from matplotlib.figure import Figure

from src.graficos.datos import adelgazar
from src.graficos.estilo import Color, cifra, contar, eje_de_dinero, eje_de_tiempo, nueva_figura, vestir
from src.nucleo.frenos import TipoFreno
from src.paridad.cifras import CifrasFreno
from src.paridad.vueltas import Vuelta

NOMBRES = {
    TipoFreno.FIJA: "none",
    TipoFreno.NIVELES: "levels",
    TipoFreno.HAND_SPAN: "hand-span",
    TipoFreno.PORCENTAJE: "percentage",
}
_COLORES = {
    TipoFreno.FIJA: Color.MANTENER,
    TipoFreno.NIVELES: Color.AGENTE,
    TipoFreno.HAND_SPAN: Color.CORTO,
    TipoFreno.PORCENTAJE: Color.MEDIA,
}


def figura_frenos(vueltas: Sequence[Vuelta], cifras: Sequence[CifrasFreno], titulo: str) -> Figure:
    """Equity under each strategy above, how often each level moved a stop below."""
    figura = nueva_figura(6.6)
    arriba, abajo = figura.subplots(2, 1, gridspec_kw={"height_ratios": [3, 2]})
    vestir(arriba, titulo, "Equity under the same entries, by what trails the stop")
    for vuelta, cifra_ in zip(vueltas, cifras, strict=True):
        equity = np.array([renglon.equity for renglon in vuelta.renglones])
        fechas = np.array([datetime.fromisoformat(r.instante).astimezone(UTC) for r in vuelta.renglones])
        indices = adelgazar(equity)
        arriba.plot(
            fechas[indices],
            equity[indices],
            color=_COLORES[vuelta.tipo].value,
            linewidth=1.3,
            label=f"{NOMBRES[vuelta.tipo]}  {cifra(cifra_.neto, signo=True)}",
        )
    eje_de_dinero(arriba)
    eje_de_tiempo(arriba)
    arriba.legend(frameon=False, fontsize=8.5)
    barras = [
        (nivel, n, c.tipo)
        for c in cifras
        for nivel, n in c.ajustes.items()
        if c.tipo is not TipoFreno.PORCENTAJE
    ]
    movidas = ", ".join(
        f"{NOMBRES[c.tipo]} {contar(sum(c.ajustes.values()), 'move')}" for c in cifras if c.ajustes
    )
    vestir(abajo, "Moves of the stop, by named level", movidas)
    abajo.bar(
        range(len(barras)), [n for _, n, _ in barras], color=[_COLORES[tipo].value for _, _, tipo in barras]
    )
    abajo.set_xticks(range(len(barras)), [nivel for nivel, _, _ in barras], rotation=40, ha="right")
    return figura
