"""Evaluation of a frozen policy on a span: rows, figures and a picture."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.entrenamiento.balance import Balance, hacer_balance, numero
from src.entrenamiento.datos_entorno import DatosEntorno
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.trayecto import Renglon, Trayecto, recorrer, relatar
from src.nucleo.columnas import ENTORNO, OPERACION, PORTAFOLIO, Clase
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.intervalos import velas_por_ano
from src.nucleo.metricas import Resumen, Riesgo, medir_riesgo, resumir
from src.nucleo.politica import Politica
from src.nucleo.registro import texto_de

PANORAMA = "panorama.png"
FICHEROS: Mapping[str, Mapping[str, Clase]] = {
    "entorno.csv": ENTORNO,
    "portafolio.csv": {"paso": Clase.ENTERO} | PORTAFOLIO,
    "operacion.csv": {"paso": Clase.ENTERO} | OPERACION,
}
"""The three files of an evaluation and their columns; row by row they are one table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodioEvaluado:
    """One of the evaluation's starts, run to the span's end."""

    numero: int  # from 1
    desde_ms: int  # close of the first observed candle
    pasos: int  # decisions
    recompensa: float  # sum over the steps
    terminado: bool  # in drawdown or without equity, before the span's end
    riesgo: Riesgo  # over the whole way to the span's end, flat after an early one


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultadoEvaluacion:
    """What a policy did on a span."""

    resumen: Resumen  # of the first episode, which covers the whole span
    episodios: tuple[EpisodioEvaluado, ...]
    balance: Balance  # of the first episode
    limite_drawdown: float  # fraction of the peak; a longer breach ends an episode
    drawdown_vigilado: float  # largest one that the monitor saw in the first episode, also inside candles


def evaluar(
    politica: Politica,
    datos: DatosEntorno,
    configuracion: ConfiguracionArtefacto,
    *,
    episodios: int = 1,
    carpeta: Path | None = None,
) -> ResultadoEvaluacion:
    """Run a policy over a whole span, and again from other starts spread over it.

    Args:
        politica: Answers deterministically; what it learned does not change.
        datos: The span: its usable rows.
        configuracion: The rules that the policy was trained with.
        episodios: Distinct starts, the first one at the span's first decision.
        carpeta: Where the three CSV files and the picture go; ``None`` writes nothing.

    Raises:
        ConfiguracionInvalida: There are more starts than candles.
    """
    entorno = EntornoTrading(datos, configuracion, inicio_aleatorio=False)
    inicios = repartir_inicios(entorno.primera_decision, datos.ultima, episodios)
    trayectos = [recorrer(entorno, politica, inicio) for inicio in inicios]
    relatos = [relatar(trayecto, episodio) for episodio, trayecto in enumerate(trayectos, start=1)]
    balances = [hacer_balance(relato, trayecto) for relato, trayecto in zip(relatos, trayectos, strict=True)]
    velas_ano = velas_por_ano(datos.intervalo)
    primero = balances[0]
    resultado = ResultadoEvaluacion(
        resumen=resumir(
            primero.curva,
            velas=len(primero.tiempo_ms),
            netos=primero.netos,
            nocional=primero.nocional,
            costos=primero.costos,
            velas_ano=velas_ano,
        ),
        episodios=tuple(
            _episodio(orden, trayecto, balance, velas_ano)
            for orden, (trayecto, balance) in enumerate(zip(trayectos, balances, strict=True), start=1)
        ),
        balance=primero,
        limite_drawdown=configuracion.entorno.max_drawdown_permitido,
        drawdown_vigilado=max(numero(fila["max_drawdown"]) for _, fila in relatos[0]),
    )
    if carpeta is not None:
        escribir_evaluacion(carpeta, [renglon for relato in relatos for renglon in relato])
        _pintar(carpeta, resultado, datos)
    return resultado


def repartir_inicios(primera: int, ultima: int, cantidad: int) -> list[int]:
    """Distinct rows to start from, evenly spread; the first one is ``primera``.

    Raises:
        ConfiguracionInvalida: There are fewer rows than starts.
    """
    if not 1 <= cantidad <= ultima - primera:
        raise ConfiguracionInvalida(
            f"{cantidad} episodes cannot start on {ultima - primera} candles; ask for 1 to {ultima - primera}"
        )
    return [primera + orden * (ultima - primera) // cantidad for orden in range(cantidad)]


def _episodio(numero: int, trayecto: Trayecto, balance: Balance, velas_ano: float) -> EpisodioEvaluado:
    return EpisodioEvaluado(
        numero=numero,
        desde_ms=int(balance.tiempo_ms[0]),
        pasos=len(trayecto.pasos),
        recompensa=trayecto.recompensa,
        terminado=trayecto.terminado,
        riesgo=medir_riesgo(balance.curva.equity, velas_ano),
    )


def escribir_evaluacion(carpeta: Path, renglones: Sequence[Renglon]) -> None:
    """Write rows as the three files of an evaluation."""
    carpeta.mkdir(parents=True, exist_ok=True)
    for nombre, columnas in FICHEROS.items():
        with (carpeta / nombre).open("w", encoding="utf-8", newline="") as archivo:
            escritor = csv.writer(archivo, lineterminator="\n")
            escritor.writerow(columnas)
            escritor.writerows([texto_de(fila[columna]) for columna in columnas] for _, fila in renglones)


def _pintar(carpeta: Path, resultado: ResultadoEvaluacion, datos: DatosEntorno) -> None:
    from src.graficos import figura_panorama, guardar

    titulo = f"{datos.mercado.simbolo} {datos.intervalo}, evaluation"
    figura = figura_panorama(
        resultado.balance.para_grafico(datos.mercado.activo_margen), resultado.resumen, titulo
    )
    guardar(figura, carpeta / PANORAMA)
