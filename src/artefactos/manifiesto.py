"""``manifiesto.json``: what an artefact consists of and where it came from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.artefactos import rutas
from src.nucleo.errores import ArtefactoInvalido
from src.nucleo.observacion import Rasgos

VERSION_FORMATO = 1
_BLOQUE = 1 << 20
_IMPRESCINDIBLES = (
    rutas.CONFIGURACION,
    rutas.MERCADO,
    rutas.ESCALADOR_ENTRENAMIENTO,
    rutas.ESCALADOR_EVALUACION,
    rutas.MODELO,
)
NO_LISTADOS = (rutas.MANIFIESTO, rutas.PRODUCCION, rutas.CHECKPOINTS)
"""What lies in an artefact without being part of it: its own list, later sessions, and means to resume."""


_NOMBRES_JSON = {
    "formato": "format",
    "train_id": "train_id",
    "creado": "created",
    "rasgos": "features",
    "datos": "data",
    "entrenamiento": "training",
    "versiones": "versions",
    "commit_git": "git_commit",
    "ficheros": "files",
    "conjunto": "set",
    "columnas": "columns",
    "minimo": "minimum",
    "maximo": "maximum",
    "fuente": "source",
    "huella": "sha256",
    "velas": "candles",
    "entrenamiento_ms": "train_range_ms",
    "evaluacion_ms": "eval_range_ms",
    "funding_registrado": "recorded_funding",
    "semilla": "seed",
    "pasos": "timesteps",
    "interrumpido": "interrupted",
    "filas_visitadas": "rows_visited",
    "proteccion": "proteccion",
    "banda_muerta": "banda_muerta",
    "reserva_margen": "reserva_margen",
}


class _Modelo(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=_NOMBRES_JSON.__getitem__, populate_by_name=True
    )


class EsquemaRasgos(_Modelo):
    """The features, and the range that each one had during training."""

    conjunto: Rasgos
    columnas: tuple[str, ...]
    minimo: tuple[float, ...]  # unscaled
    maximo: tuple[float, ...]


class OrigenDatos(_Modelo):
    """The candles that an artefact was trained on."""

    fuente: str
    huella: str  # sha256 of the candles' contents
    velas: int
    entrenamiento_ms: tuple[int, int]  # first and last open time
    evaluacion_ms: tuple[int, int]
    funding_registrado: bool  # otherwise the constant rate of the configuration


class Entrenamiento(_Modelo):
    """How the training went."""

    semilla: int
    pasos: int
    interrumpido: bool
    filas_visitadas: Annotated[float, Field(ge=0.0, le=1.0)]  # share of the training span's rows
    proteccion: str
    banda_muerta: float
    reserva_margen: float


class Manifiesto(_Modelo):
    """Everything needed to trust an artefact."""

    formato: int = VERSION_FORMATO
    train_id: str
    creado: str  # ISO 8601, UTC
    rasgos: EsquemaRasgos
    datos: OrigenDatos
    entrenamiento: Entrenamiento
    versiones: dict[str, str]
    commit_git: str | None
    ficheros: dict[str, str]  # path inside the artefact → sha256

    def a_json(self) -> str:
        """The text of ``manifiesto.json``."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def huella_fichero(ruta: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    suma = hashlib.sha256()
    with ruta.open("rb") as fichero:
        while bloque := fichero.read(_BLOQUE):
            suma.update(bloque)
    return suma.hexdigest()


def huellas(carpeta: Path, excluidos: Iterable[str] = NO_LISTADOS) -> dict[str, str]:
    """Path and sha256 of every file of a directory, except those under the excluded names."""
    fuera = set(excluidos)
    ficheros = sorted(ruta for ruta in carpeta.rglob("*") if ruta.is_file())
    relativos = ((ruta, ruta.relative_to(carpeta)) for ruta in ficheros)
    return {rel.as_posix(): huella_fichero(ruta) for ruta, rel in relativos if rel.parts[0] not in fuera}


def leer_manifiesto(carpeta: Path) -> Manifiesto:
    """Read ``manifiesto.json``.

    Raises:
        ArtefactoInvalido: It is missing, corrupt, or of a newer format.
    """
    ruta = carpeta / rutas.MANIFIESTO
    try:
        contenido = json.loads(ruta.read_text(encoding="utf-8"))
    except OSError as fallo:
        raise ArtefactoInvalido(
            f"{ruta} is missing: the training did not finish writing this artefact; train again"
        ) from fallo
    except ValueError as fallo:
        raise ArtefactoInvalido(f"{ruta} is corrupt: {fallo}") from fallo
    formato = contenido.get("format") if isinstance(contenido, dict) else None
    if isinstance(formato, int) and formato > VERSION_FORMATO:
        raise ArtefactoInvalido(
            f"{ruta} has format {formato}; this program reads up to {VERSION_FORMATO}: upgrade it"
        )
    try:
        return Manifiesto.model_validate(contenido)
    except ValidationError as fallo:
        error = fallo.errors()[0]
        raise ArtefactoInvalido(
            f"{ruta} is corrupt: `{'.'.join(map(str, error['loc']))}`: {error['msg']}"
        ) from fallo


def escribir_manifiesto(carpeta: Path, manifiesto: Manifiesto) -> None:
    """Write ``manifiesto.json`` atomically; it is the last file of an artefact."""
    escribir_atomico(carpeta / rutas.MANIFIESTO, manifiesto.a_json().encode())


def verificar_huellas(carpeta: Path, manifiesto: Manifiesto) -> None:
    """Compare every file with the manifest; do this before any unpickling.

    Raises:
        ArtefactoInvalido: A file is missing or has changed since training, or lies outside the artefact.
    """
    raiz = carpeta.resolve()
    sin_listar = [nombre for nombre in _IMPRESCINDIBLES if nombre not in manifiesto.ficheros]
    if sin_listar:
        raise ArtefactoInvalido(
            f"the manifest of {carpeta} does not list {', '.join(sin_listar)}; restore it or train again"
        )
    for nombre, esperada in manifiesto.ficheros.items():
        ruta = carpeta / nombre
        if not ruta.resolve().is_relative_to(raiz):
            raise ArtefactoInvalido(f"the manifest of {carpeta} names {nombre!r}, outside the artefact")
        if not ruta.is_file():
            raise ArtefactoInvalido(f"{ruta} is missing; restore it or train again")
        if huella_fichero(ruta) != esperada:
            raise ArtefactoInvalido(
                f"{ruta} has changed since training: its sha256 is not the manifest's; "
                "restore it or train again"
            )


def escribir_atomico(ruta: Path, contenido: bytes) -> None:
    """Write a file so that it is either wholly there or not at all."""
    temporal = ruta.with_name(f".{ruta.name}.{os.getpid()}.tmp")
    with temporal.open("wb") as fichero:
        fichero.write(contenido)
        fichero.flush()
        os.fsync(fichero.fileno())
    temporal.replace(ruta)
