"""The runs that parity consists of, and what they must contain to mean something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.artefactos.artefacto import Artefacto
from src.datos.velas import TablaVelas
from src.entrenamiento.politicas import PoliticaAleatoria
from src.nucleo.politica import Politica
from src.paridad.comparacion import Comparacion, comparar
from src.paridad.corridas import correr_daemon, correr_entorno, posibles
from src.paridad.politicas import GUION, PoliticaGuionizada
from src.paridad.variantes import derivar

ORDENES_MIN = 1_000
VECES_MIN = 50
PAGOS_MIN = 100
PROTECCIONES_MIN = 20
_SEMILLA = 11
_LARGO_SIEMPRE = (1.0,)
_LARGO_Y_QUIETO = (1.0, *(0.0,) * 99)

# The long runs must last: no drawdown limit, and money enough to pay for thousands of orders.
_RESISTENTE = {
    "portafolio.apalancamiento": 2,
    "portafolio.capital_inicial": 1_000_000.0,
    "entorno.max_drawdown_permitido": 1.0,
    "entorno.banda_muerta": 0.01,
}
_TEMERARIA = {"portafolio.apalancamiento": 5, "entorno.max_drawdown_permitido": 0.1}
_LIQUIDABLE = {
    "portafolio.apalancamiento": 50,
    "entorno.max_drawdown_permitido": 0.95,
    "entorno.reserva_margen": 0.1,
}
_SIN_RED = {"entorno.proteccion.tipo": "ninguna", "entorno.escalones_riesgo": False}
_PROTECCION = "entorno.proteccion"
_STOP_Y_META = {
    "stop": {"modo": "atr", "valor": 1.0},
    "objetivo": {"modo": "span", "valor": 3.0},
    "velas_bloqueo": 2,
}
_NIVELES = _RESISTENTE | {_PROTECCION: _STOP_Y_META | {"tipo": "niveles"}}
_HAND_SPAN = _RESISTENTE | {
    _PROTECCION: {"tipo": "hand_span", "stop": {"modo": "porcentaje", "valor": 0.4}, "velas_bloqueo": 1}
}
_PORCENTAJE = _RESISTENTE | {
    _PROTECCION: _STOP_Y_META | {"tipo": "porcentaje", "porcentaje": 0.6, "velas_bloqueo": 0}
}
_FIJA = _RESISTENTE | {_PROTECCION: _STOP_Y_META | {"tipo": "fija"}}
_STOPS_CERCANOS = {"entorno.proteccion.fraccion_liquidacion": 0.02, "entorno.escalones_riesgo": False}


@dataclass(frozen=True, slots=True)
class Prueba:
    """One run: a policy under some rules."""

    nombre: str
    cambios: dict[str, Any]
    politica: Callable[[Artefacto], Politica]
    larga: bool = True  # counts towards the minimum of candles


PRUEBAS = (
    Prueba("trained", _RESISTENTE, lambda artefacto: artefacto.actor),
    Prueba("scripted", _RESISTENTE | _SIN_RED, lambda _: PoliticaGuionizada(GUION)),
    Prueba("random", _RESISTENTE | _SIN_RED, lambda _: PoliticaAleatoria(_SEMILLA)),
    Prueba("stops", _RESISTENTE | _STOPS_CERCANOS, lambda _: PoliticaAleatoria(_SEMILLA)),
    Prueba("levels", _NIVELES, lambda _: PoliticaAleatoria(_SEMILLA)),
    Prueba("hand_span", _HAND_SPAN, lambda _: PoliticaAleatoria(_SEMILLA)),
    Prueba("percentage", _PORCENTAJE, lambda _: PoliticaAleatoria(_SEMILLA)),
    Prueba("fixed", _FIJA, lambda _: PoliticaAleatoria(_SEMILLA)),
    Prueba("tiers", {"portafolio.apalancamiento": 10}, lambda _: PoliticaAleatoria(_SEMILLA), larga=False),
    Prueba("drawdown", _TEMERARIA | _SIN_RED, lambda _: PoliticaGuionizada(_LARGO_SIEMPRE), larga=False),
    Prueba("liquidation", _LIQUIDABLE | _SIN_RED, lambda _: PoliticaGuionizada(_LARGO_Y_QUIETO), larga=False),
    Prueba("liquidation_stop", _LIQUIDABLE, lambda _: PoliticaGuionizada(_LARGO_Y_QUIETO), larga=False),
)


def medir(
    artefacto: Artefacto, tabla: TablaVelas, carpeta: Path, pruebas: Sequence[Prueba] = PRUEBAS
) -> Iterator[Comparacion]:
    """Run every test on both sides.

    Args:
        artefacto: A trained agent.
        tabla: Contiguous candles; the first ones warm up.
        carpeta: Where candle files for the simulator go.
        pruebas: Which ones.
    """
    for prueba in pruebas:
        variante = derivar(artefacto, prueba.nombre, prueba.cambios)
        entorno = correr_entorno(variante, tabla, prueba.politica(variante))
        daemon = correr_daemon(variante, tabla, prueba.politica(variante), carpeta)
        yield comparar(prueba.nombre, entorno, daemon)


def insuficiencias(comparaciones: Sequence[Comparacion], velas_min: int) -> list[str]:
    """What the runs lack to prove anything."""
    largas = {prueba.nombre for prueba in PRUEBAS if prueba.larga}
    operaciones: Counter[str] = Counter()
    faltan = []
    for comparacion in comparaciones:
        operaciones += comparacion.operaciones
        if comparacion.nombre in largas and comparacion.velas < velas_min:
            faltan.append(f"{comparacion.nombre}: {comparacion.velas} candles, {velas_min} wanted")
    ordenes = sum(c.ordenes for c in comparaciones)
    pagos = sum(c.pagos_funding for c in comparaciones)
    faltan += [
        f"{n}: {operaciones[n]} times, {VECES_MIN} wanted" for n in posibles() if operaciones[n] < VECES_MIN
    ]
    if ordenes < ORDENES_MIN:
        faltan.append(f"{ordenes} orders, {ORDENES_MIN} wanted")
    if pagos < PAGOS_MIN:
        faltan.append(f"{pagos} funding payments, {PAGOS_MIN} wanted")
    if not any(c.emergencia for c in comparaciones):
        faltan.append("no drawdown emergency")
    if not any(c.liquidaciones for c in comparaciones):
        faltan.append("no liquidation")
    stops = sum(c.protecciones for c in comparaciones)
    if stops < PROTECCIONES_MIN:
        faltan.append(f"{stops} resident stops filled, {PROTECCIONES_MIN} wanted")
    ganadas = sum(c.ganadas for c in comparaciones)
    if ganadas < PROTECCIONES_MIN:
        faltan.append(f"{ganadas} targets and trailed stops filled in profit, {PROTECCIONES_MIN} wanted")
    return faltan
