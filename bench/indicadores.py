"""One candle through the incremental indicators."""

from __future__ import annotations

import time

from bench.medida import Cota, Medida, mediana
from bench.taller import abrir_taller
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, Indicadores
from src.nucleo.observacion import Rasgos
from src.nucleo.tipos import Vela

_TANDA = 500
_US_POR_S = 1e6


def medir_indicadores(*, rapido: bool) -> list[Medida]:
    """Microseconds per update; the slower set of features carries the goal."""
    taller = abrir_taller(VELAS_CALENTAMIENTO + (2_000 if rapido else 6_000))
    velas = list(taller.tabla)
    parametros = taller.configuracion.parametros_indicadores()
    costes = {rasgos: _coste_us(Indicadores(parametros, rasgos), velas) for rasgos in Rasgos}
    peor = max(costes, key=costes.__getitem__)
    return [
        Medida(
            nombre="indicator_update_us" if rasgos is peor else f"indicator_update_{rasgos.value}_us",
            valor=coste,
            unidad="µs",
            cota=Cota(20),
            nota=f"one closed candle, features {rasgos.value}",
        )
        for rasgos, coste in sorted(costes.items(), key=lambda par: -par[1])
    ]


def _coste_us(indicadores: Indicadores, velas: list[Vela]) -> float:
    for vela in velas[:VELAS_CALENTAMIENTO]:
        indicadores.actualizar(vela)
    muestras = []
    for principio in range(VELAS_CALENTAMIENTO, len(velas), _TANDA):
        tanda = velas[principio : principio + _TANDA]
        inicio = time.process_time()
        for vela in tanda:
            indicadores.actualizar(vela)
        muestras.append(_US_POR_S * (time.process_time() - inicio) / len(tanda))
    return mediana(muestras)
