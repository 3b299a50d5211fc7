"""From candles to scaled features and the spans of training and evaluation."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.artefactos.escalador import interpretar_escalador
from src.artefactos.manifiesto import EsquemaRasgos
from src.artefactos.tipos_yaml import instante_de
from src.datos.velas import TablaVelas, buscar_huecos, rellenar_huecos
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, calcular_serie
from src.nucleo.observacion import Escalador
from src.nucleo.tipos import Matriz, MatrizF32

FRACCION_ENTRENAMIENTO = 0.8
"""Share of the usable candles that trains when no date says where training ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fechas:
    """What a person asked for; ``None`` leaves the choice to the data. ISO texts, UTC."""

    entrenamiento_desde: str | None = None
    entrenamiento_hasta: str | None = None
    evaluacion_desde: str | None = None
    evaluacion_hasta: str | None = None


@dataclass(frozen=True, slots=True)
class Tramo:
    """Rows of the table, both inclusive; the agent's first decision is taken at the close of ``primera``."""

    primera: int
    ultima: int

    @property
    def filas(self) -> int:
        """How many candles."""
        return self.ultima - self.primera + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DatosPreparados:
    """A contiguous table, its features, and how they are split and scaled."""

    tabla: TablaVelas
    rasgos: Matriz  # (rows, features), unscaled
    escalados: MatrizF32  # (rows, features)
    escalador: Escalador
    escalador_pickle: bytes  # a StandardScaler
    entrenamiento: Tramo
    evaluacion: Tramo
    rellenas: int  # candles that were missing


def preparar(tabla: TablaVelas, configuracion: ConfiguracionArtefacto, fechas: Fechas) -> DatosPreparados:
    """Compute features over the whole contiguous series, split it by date, fit the scaler on training alone.

    Raises:
        DatosInvalidos: A span holds too few candles.
        ConfiguracionInvalida: The spans overlap or are reversed.
    """
    intervalo = configuracion.data_downloader.interval
    rellenas = sum(hueco.faltan for hueco in buscar_huecos(tabla, intervalo))
    contigua = rellenar_huecos(tabla, intervalo, configuracion.preprocesamiento.interpol_method)
    ventana = configuracion.entorno.window_size
    entrenamiento, evaluacion = repartir(contigua, ventana, fechas)
    rasgos = calcular_serie(
        contigua, configuracion.parametros_indicadores(), configuracion.preprocesamiento.rasgos
    )
    contenido = ajustar_escalador(rasgos[entrenamiento.primera : entrenamiento.ultima + 1])
    escalador = interpretar_escalador(contenido, "the scaler just fitted")
    return DatosPreparados(
        tabla=contigua,
        rasgos=rasgos,
        escalados=escalador.transformar(rasgos),
        escalador=escalador,
        escalador_pickle=contenido,
        entrenamiento=entrenamiento,
        evaluacion=evaluacion,
        rellenas=rellenas,
    )


def repartir(tabla: TablaVelas, ventana: int, fechas: Fechas) -> tuple[Tramo, Tramo]:
    """The training span and, after it, the evaluation span.

    Both begin where indicators have warmed up and a whole window lies behind.
    """
    util = VELAS_CALENTAMIENTO + ventana - 1
    ultima = len(tabla) - 1
    if ultima - util < 3:
        raise DatosInvalidos(
            f"{tabla.origen}: {len(tabla)} candles are too few; {util} warm up indicators and window, "
            "and both spans need candles after them. Give more candles."
        )
    corte = util + int((ultima - util + 1) * FRACCION_ENTRENAMIENTO) - 1
    inicio_evaluacion = _fila_desde(tabla, fechas.evaluacion_desde, None)
    fin = _fila_hasta(tabla, fechas.entrenamiento_hasta, None)
    if fin is None:
        fin = corte if inicio_evaluacion is None else inicio_evaluacion - 1
    desde = _fila_desde(tabla, fechas.entrenamiento_desde, util)
    entrenamiento = Tramo(max(util, util if desde is None else desde), fin)
    hasta = _fila_hasta(tabla, fechas.evaluacion_hasta, ultima)
    evaluacion = Tramo(
        fin + 1 if inicio_evaluacion is None else inicio_evaluacion, ultima if hasta is None else hasta
    )
    _comprobar(tabla, entrenamiento, evaluacion)
    return entrenamiento, evaluacion


def acotar(tabla: TablaVelas, ventana: int, desde: str | None, hasta: str | None) -> Tramo:
    """The rows between two dates, both optional, that an agent can decide on."""
    util = VELAS_CALENTAMIENTO + ventana - 1
    primera, ultima = _fila_desde(tabla, desde, util), _fila_hasta(tabla, hasta, len(tabla) - 1)
    assert primera is not None
    assert ultima is not None
    tramo = Tramo(max(util, primera), ultima)
    _exigir_velas(tabla, "evaluation", tramo)
    return tramo


def _comprobar(tabla: TablaVelas, entrenamiento: Tramo, evaluacion: Tramo) -> None:
    _exigir_velas(tabla, "training", entrenamiento)
    _exigir_velas(tabla, "evaluation", evaluacion)
    if evaluacion.primera <= entrenamiento.ultima:
        raise ConfiguracionInvalida(
            "the evaluation span begins before the training span ends, so the agent would be judged on "
            "candles it was trained on; let --eval-start-date be later than --train-end-date"
        )


def _exigir_velas(tabla: TablaVelas, nombre: str, tramo: Tramo) -> None:
    if tramo.filas < 2:
        raise DatosInvalidos(
            f"{tabla.origen}: the {nombre} span holds {max(tramo.filas, 0)} usable candles; "
            f"it needs at least 2. The first {VELAS_CALENTAMIENTO} candles only warm up the indicators: "
            "move the dates or give more candles."
        )


def _fila_desde(tabla: TablaVelas, fecha: str | None, defecto: int | None) -> int | None:
    """First row that opens at or after a date."""
    if fecha is None:
        return defecto
    return int(np.searchsorted(tabla.apertura_ms, _instante(fecha, fin_de_dia=False), side="left"))


def _fila_hasta(tabla: TablaVelas, fecha: str | None, defecto: int | None) -> int | None:
    """Last row that opens at or before a date; a date without time is the whole day."""
    if fecha is None:
        return defecto
    return int(np.searchsorted(tabla.apertura_ms, _instante(fecha, fin_de_dia=True), side="right")) - 1


def _instante(fecha: str, *, fin_de_dia: bool) -> int:
    try:
        return instante_de(fecha, fin_de_dia=fin_de_dia)
    except ValueError as fallo:
        raise ConfiguracionInvalida(
            f"{fecha!r} is not a date; write 2024-01-31 or 2024-01-31T12:00"
        ) from fallo


def ajustar_escalador(rasgos: Matriz) -> bytes:
    """The pickle of a StandardScaler fitted on these rows."""
    from sklearn.preprocessing import StandardScaler

    return pickle.dumps(StandardScaler().fit(rasgos), protocol=4)


def esquema_de(preparados: DatosPreparados, configuracion: ConfiguracionArtefacto) -> EsquemaRasgos:
    """The features and the range each had in the training span."""
    tramo = preparados.entrenamiento
    vistos = preparados.rasgos[tramo.primera : tramo.ultima + 1]
    return EsquemaRasgos(
        conjunto=configuracion.preprocesamiento.rasgos,
        columnas=configuracion.columnas(),
        minimo=tuple(vistos.min(axis=0).tolist()),
        maximo=tuple(vistos.max(axis=0).tolist()),
    )
