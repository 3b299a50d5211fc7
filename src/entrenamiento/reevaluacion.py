"""A frozen agent on candles of one's choice."""

from __future__ import annotations

from pathlib import Path

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.datos.velas import TablaVelas, leer_velas, rellenar_huecos
from src.entrenamiento.entorno import DatosEntorno
from src.entrenamiento.evaluacion import ResultadoEvaluacion, evaluar
from src.entrenamiento.preprocesamiento import acotar
from src.nucleo.indicadores import calcular_serie


def reevaluar(
    base: Path,
    train_id: str,
    fichero: Path,
    *,
    desde: str | None = None,
    hasta: str | None = None,
    episodios: int = 1,
    carpeta: Path | None = None,
) -> ResultadoEvaluacion:
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
    intervalo = configuracion.data_downloader.interval
    tabla = rellenar_huecos(
        leer_velas(fichero, intervalo), intervalo, configuracion.preprocesamiento.interpol_method
    )
    datos = datos_de(artefacto, tabla, desde, hasta)
    return evaluar(artefacto.actor, datos, configuracion, episodios=episodios, carpeta=carpeta)


def datos_de(artefacto: Artefacto, tabla: TablaVelas, desde: str | None, hasta: str | None) -> DatosEntorno:
    """What an environment over a contiguous table needs, with the artefact's scaler and market."""
    configuracion = artefacto.configuracion
    ventana = configuracion.entorno.window_size
    tramo = acotar(tabla, ventana, desde, hasta)
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
