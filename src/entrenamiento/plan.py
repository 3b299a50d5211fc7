"""From what a person asked for to everything a training needs, before the first step."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src.artefactos import rutas
from src.artefactos.artefacto import localizar
from src.artefactos.configuracion import ConfiguracionArtefacto, leer_configuracion
from src.artefactos.escritura import escribir_descripcion
from src.artefactos.manifiesto import escribir_atomico
from src.artefactos.secciones import MetadataExecution, Output
from src.entrenamiento.datos import Fuente, Material, obtener
from src.entrenamiento.entorno import DatosEntorno
from src.entrenamiento.evaluacion import repartir_inicios
from src.entrenamiento.preprocesamiento import DatosPreparados, Fechas, Tramo, preparar
from src.nucleo.errores import ArtefactoInvalido, ConfiguracionInvalida

_PETICION = "peticion.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peticion:
    """What a person asked for, besides the configuration."""

    fuente: Fuente
    evaluacion_desde: str | None = None
    evaluacion_hasta: str | None = None
    episodios: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a training needs, decided."""

    configuracion: ConfiguracionArtefacto  # with `metadata_execution`
    carpeta: Path  # the artefact's directory
    material: Material
    preparados: DatosPreparados
    retomado: bool

    @property
    def ejecucion(self) -> MetadataExecution:
        """What the artefact says of this run."""
        ejecucion = self.configuracion.metadata_execution
        if ejecucion is None:
            raise ArtefactoInvalido(
                f"{self.carpeta / rutas.CONFIGURACION} lacks `metadata_execution`; train anew"
            )
        return ejecucion

    def datos_entorno(self, tramo: Tramo) -> DatosEntorno:
        """What an environment over a span needs; the first window reaches back before the span."""
        return DatosEntorno(
            tabla=self.preparados.tabla,
            rasgos_escalados=self.preparados.escalados,
            primera=tramo.primera - self.configuracion.entorno.window_size + 1,
            ultima=tramo.ultima,
            intervalo=self.configuracion.data_downloader.interval,
            mercado=self.material.mercado,
            tasas_funding=self.material.tasas_funding,
        )


def planear(configuracion: ConfiguracionArtefacto, peticion: Peticion) -> Plan:
    """Read the data, name the artefact and make its directory.

    Raises:
        EntradaInvalida: Data or configuration cannot be used.
    """
    material, preparados = _reunir(configuracion, peticion)
    creado = datetime.now(UTC)
    tabla, tramo = preparados.tabla, preparados.entrenamiento
    train_id = rutas.construir_train_id(
        simbolo=configuracion.data_downloader.symbol,
        desde_ms=int(tabla.apertura_ms[tramo.primera]),
        hasta_ms=int(tabla.apertura_ms[tramo.ultima]),
        lr=configuracion.SACmodel.learning_rate.texto,
        lote=configuracion.SACmodel.batch_size,
        ventana=configuracion.entorno.window_size,
        creado=creado,
    )
    ejecucion = MetadataExecution(
        fecha_ejecucion=_iso(int(creado.timestamp()) * 1000),
        train_date_range=_fechas(preparados, tramo),
        eval_date_range=_fechas(preparados, preparados.evaluacion),
        episodios_evaluacion=peticion.episodios,
        train_id=train_id,
    )
    completa = configuracion.model_copy(update={"metadata_execution": ejecucion})
    carpeta = Path(configuracion.Output.base_dir) / train_id
    _crear(carpeta / rutas.CHECKPOINTS)
    escribir_descripcion(carpeta, completa, material.mercado)
    # Without an end the exchange would give more candles next time.
    cerrada = replace(peticion, evaluacion_hasta=ejecucion.eval_date_range[1])
    texto = json.dumps(asdict(cerrada) | {"huella": material.tabla.huella()}, default=str, indent=2)
    escribir_atomico(carpeta / rutas.CHECKPOINTS / _PETICION, texto.encode())
    return Plan(
        configuracion=completa, carpeta=carpeta, material=material, preparados=preparados, retomado=False
    )


def replanear(base: Path, train_id: str, cambios: dict[str, Any]) -> Plan:
    """The plan of an interrupted training, to go on with it.

    Args:
        base: The directory that holds the artefacts.
        train_id: Which one.
        cambios: Configuration values that may differ now, such as more ``entorno.total_timesteps``.

    Raises:
        ArtefactoInvalido: There is nothing to resume, or the candles are others now.
    """
    carpeta = localizar(base, train_id)
    ruta = carpeta / rutas.CHECKPOINTS / _PETICION
    try:
        contenido = json.loads(ruta.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fallo:
        raise ArtefactoInvalido(
            f"{carpeta} holds nothing to resume from; a finished training keeps no checkpoint: train anew"
        ) from fallo
    configuracion = leer_configuracion(carpeta / rutas.CONFIGURACION, cambios)
    peticion = _peticion(contenido)
    material, preparados = _reunir(configuracion, peticion)
    if material.tabla.huella() != contenido["huella"]:
        raise ArtefactoInvalido(
            f"the candles of {material.fuente} have changed since {train_id} began; "
            "a training can only be resumed on the same candles"
        )
    return Plan(
        configuracion=configuracion, carpeta=carpeta, material=material, preparados=preparados, retomado=True
    )


def orden_de_reanudar(carpeta: Path) -> str:
    """What to type to go on with the training of an artefact's directory."""
    orden = ["timonel", "train", "--resume", carpeta.name]
    if carpeta.parent != Path(Output().base_dir):
        orden += ["--output-dir", str(carpeta.parent)]
    return shlex.join(orden)


def _peticion(contenido: dict[str, Any]) -> Peticion:
    campos = {clave: valor for clave, valor in contenido.items() if clave not in ("fuente", "huella")}
    fuente = Fuente(**contenido["fuente"])
    fichero, cache = (None if valor is None else Path(valor) for valor in (fuente.fichero, fuente.cache))
    return Peticion(fuente=replace(fuente, fichero=fichero, cache=cache), **campos)


def _reunir(configuracion: ConfiguracionArtefacto, peticion: Peticion) -> tuple[Material, DatosPreparados]:
    pedido = configuracion.data_downloader
    fechas = Fechas(
        entrenamiento_desde=pedido.start_date,
        entrenamiento_hasta=pedido.end_date,
        evaluacion_desde=peticion.evaluacion_desde,
        evaluacion_hasta=peticion.evaluacion_hasta,
    )
    material = obtener(peticion.fuente, configuracion, pedido.start_date, peticion.evaluacion_hasta)
    preparados = preparar(material.tabla, configuracion, fechas)
    # Better told now than after the training.
    repartir_inicios(preparados.evaluacion.primera, preparados.evaluacion.ultima, peticion.episodios)
    return material, preparados


def _crear(carpeta: Path) -> None:
    try:
        carpeta.mkdir(parents=True)
    except OSError as fallo:
        raise ConfiguracionInvalida(f"cannot make the directory {carpeta}: {fallo.strerror}") from fallo


def _fechas(preparados: DatosPreparados, tramo: Tramo) -> tuple[str, str]:
    aperturas = preparados.tabla.apertura_ms
    return _iso(int(aperturas[tramo.primera])), _iso(int(aperturas[tramo.ultima]))


def _iso(instante_ms: int) -> str:
    return (
        datetime.fromtimestamp(instante_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
