"""A frozen agent on candles of one's choice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.datos.velas import TablaVelas, inferir_intervalo, leer_velas, rellenar_huecos
from src.entrenamiento.entorno import DatosEntorno
from src.entrenamiento.evaluacion import ResultadoEvaluacion, evaluar
from src.entrenamiento.preprocesamiento import Tramo, acotar
from src.nucleo.errores import DatosInvalidos
from src.nucleo.indicadores import calcular_serie


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapso:
    """The candles that an evaluation is about."""

    simbolo: str
    intervalo: str
    velas: int
    desde_ms: int  # open time of the first one
    hasta_ms: int  # open time of the last one
    rellenas: int  # candles of the span that were missing
    de_entrenamiento: int  # candles of the span within the artefact's training span
    entrenamiento_ms: tuple[int, int]  # first and last open time of that


@dataclass(frozen=True, slots=True, kw_only=True)
class Reevaluacion:
    """What an agent did, and on what."""

    resultado: ResultadoEvaluacion
    lapso: Lapso


def reevaluar(
    base: Path,
    train_id: str,
    fichero: Path,
    *,
    desde: str | None = None,
    hasta: str | None = None,
    episodios: int = 1,
    carpeta: Path | None = None,
) -> Reevaluacion:
    """Run the agent of an artefact over a span of a candle file.

    Args:
        base: The directory that holds the artefacts.
        train_id: Which one.
        fichero: Candles of the artefact's interval.
        desde: First date; by default the first candle after the warm-up.
        hasta: Last date; by default the last candle.
        episodios: Distinct starts.
        carpeta: Where CSV files and plots go; ``None`` writes nothing.
    Raises:
        ArtefactoInvalido: The artefact cannot be used.
        DatosInvalidos: The candles cannot be used.
    """
    artefacto = leer_artefacto(base, train_id)
    configuracion = artefacto.configuracion
    presentes = _leer(fichero, artefacto)
    tabla = rellenar_huecos(
        presentes, configuracion.data_downloader.interval, configuracion.preprocesamiento.interpol_method
    )
    tramo = acotar(tabla, configuracion.entorno.window_size, desde, hasta)
    resultado = evaluar(
        artefacto.actor,
        datos_de(artefacto, tabla, tramo),
        configuracion,
        episodios=episodios,
        carpeta=carpeta,
    )
    return Reevaluacion(resultado=resultado, lapso=_lapso(artefacto, presentes, tabla, tramo))


def _leer(fichero: Path, artefacto: Artefacto) -> TablaVelas:
    """The candles of a file, which must be of the artefact's interval."""
    intervalo = artefacto.configuracion.data_downloader.interval
    tabla = leer_velas(fichero)
    if len(tabla) >= 2 and (hallado := inferir_intervalo(tabla)) != intervalo:
        raise DatosInvalidos(
            f"{tabla.origen}: the candles are {hallado}, but {artefacto.train_id} was trained on "
            f"{intervalo}; give a file of {intervalo} candles"
        )
    return tabla


def _lapso(artefacto: Artefacto, presentes: TablaVelas, tabla: TablaVelas, tramo: Tramo) -> Lapso:
    aperturas = tabla.apertura_ms[tramo.primera : tramo.ultima + 1]
    desde, hasta = artefacto.manifiesto.datos.entrenamiento_ms
    pedido = artefacto.configuracion.data_downloader
    return Lapso(
        simbolo=pedido.symbol,
        intervalo=pedido.interval,
        velas=len(aperturas),
        desde_ms=int(aperturas[0]),
        hasta_ms=int(aperturas[-1]),
        rellenas=int(np.count_nonzero(~np.isin(aperturas, presentes.apertura_ms))),
        de_entrenamiento=int(np.count_nonzero((aperturas >= desde) & (aperturas <= hasta))),
        entrenamiento_ms=(desde, hasta),
    )


def datos_de(artefacto: Artefacto, tabla: TablaVelas, tramo: Tramo) -> DatosEntorno:
    """What an environment over a span of a contiguous table needs, with the artefact's scaler and market."""
    configuracion = artefacto.configuracion
    ventana = configuracion.entorno.window_size
    rasgos = calcular_serie(
        tabla, configuracion.parametros_indicadores(), configuracion.preprocesamiento.rasgos
    )
    return DatosEntorno(
        tabla=tabla,
        rasgos_escalados=artefacto.escalador.transformar(rasgos),
        primera=tramo.primera - ventana + 1,
        ultima=tramo.ultima,
        intervalo=configuracion.data_downloader.interval,
        mercado=artefacto.mercado,
        tasas_funding=configuracion.portafolio.tasa_funding,
    )
