"""One trained agent on disk, read and verified."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.artefactos import rutas
from src.artefactos.configuracion import ConfiguracionArtefacto, interpretar_configuracion
from src.artefactos.escalador import leer_escalador
from src.artefactos.manifiesto import Manifiesto, leer_manifiesto, verificar_huellas
from src.artefactos.mercado_json import mercado_de_json
from src.nucleo.errores import ArtefactoInvalido, ConfiguracionInvalida
from src.nucleo.observacion import Escalador
from src.nucleo.politica import ActorNumpy
from src.nucleo.tipos import Mercado

_ENTORNO_DEL_EXPORTADOR = frozenset({"PATH", "HOME", "LANG", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV"})
_PORTAFOLIO = 3  # numbers of the observation besides the window


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefacto:
    """A trained agent, verified: its files are those the training wrote, and they fit each other."""

    ruta: Path
    train_id: str
    configuracion: ConfiguracionArtefacto
    escalador: Escalador
    mercado: Mercado
    manifiesto: Manifiesto
    actor: ActorNumpy


def leer_artefacto(base: Path, train_id: str) -> Artefacto:
    """Read and verify ``base/train_id``; every hash is compared before anything is unpickled.

    Args:
        base: The directory that holds the artefacts, usually ``entrenamientos``.
        train_id: The artefact's name.
    Raises:
        ArtefactoInvalido: There is no such artefact, or a file of it is missing, changed, corrupt, or does
            not fit the others.
    """
    carpeta, manifiesto = leer_lo_escrito(base, train_id)
    configuracion = _leer_configuracion(carpeta)
    mercado = mercado_de_json(_texto(carpeta / rutas.MERCADO), str(carpeta / rutas.MERCADO))
    escalador = leer_escalador(carpeta / rutas.ESCALADOR_ENTRENAMIENTO)
    if rutas.ACTOR not in manifiesto.ficheros:
        _exportar_actor(carpeta)
        manifiesto = leer_manifiesto(carpeta)
        verificar_huellas(carpeta, manifiesto)
    artefacto = Artefacto(
        ruta=carpeta,
        train_id=train_id,
        configuracion=configuracion,
        escalador=escalador,
        mercado=mercado,
        manifiesto=manifiesto,
        actor=leer_actor(carpeta / rutas.ACTOR),
    )
    _comprobar_simbolo(artefacto)
    _comprobar_rasgos(artefacto)
    return artefacto


def leer_lo_escrito(base: Path, train_id: str) -> tuple[Path, Manifiesto]:
    """The directory of an artefact and its manifest, once they are known to be those the training wrote.

    Raises:
        ArtefactoInvalido: There is none, it has another name, or a file of it is missing or changed.
    """
    carpeta = localizar(base, train_id)
    manifiesto = leer_manifiesto(carpeta)
    if manifiesto.train_id != train_id:
        raise ArtefactoInvalido(
            f"{carpeta} holds the artefact {manifiesto.train_id}; rename the directory back"
        )
    verificar_huellas(carpeta, manifiesto)
    return carpeta, manifiesto


def localizar(base: Path, train_id: str) -> Path:
    """The directory of an artefact; an unknown name lists the nearest ones."""
    existentes = sorted(r.name for r in base.iterdir() if r.is_dir()) if base.is_dir() else []
    existentes = [nombre for nombre in existentes if not nombre.startswith(".")]
    if train_id in existentes:
        return base / train_id
    if not existentes:
        raise ArtefactoInvalido(
            f"there is no artefact {train_id!r}: {base} holds none; train one first, or choose another folder"
            " with --artefacts (`timonel train`: --output-dir)"
        )
    cercanos = difflib.get_close_matches(train_id, existentes, n=3, cutoff=0.0)
    raise ArtefactoInvalido(
        f"there is no artefact {train_id!r} in {base}; the nearest: {', '.join(cercanos)}"
    )


def leer_actor(ruta: Path) -> ActorNumpy:
    """Read ``actor.npz``.

    Raises:
        ArtefactoInvalido: It is missing, corrupt, or holds no actor.
    """
    try:
        with np.load(ruta, allow_pickle=False) as fichero:
            return ActorNumpy.desde_arreglos({nombre: fichero[nombre] for nombre in fichero.files})
    except OSError as fallo:
        raise ArtefactoInvalido(
            f"cannot read the model {ruta}: {fallo}; restore it or train again"
        ) from fallo
    except (ValueError, EOFError, zipfile.BadZipFile) as fallo:
        raise ArtefactoInvalido(f"the model {ruta} is corrupt: {fallo}; restore it or train again") from fallo


def _leer_configuracion(carpeta: Path) -> ConfiguracionArtefacto:
    ruta = carpeta / rutas.CONFIGURACION
    try:
        return interpretar_configuracion(_texto(ruta), str(ruta))
    except ConfiguracionInvalida as fallo:
        raise ArtefactoInvalido(f"the artefact's configuration cannot be used: {fallo}") from fallo


def _texto(ruta: Path) -> str:
    try:
        return ruta.read_text(encoding="utf-8")
    except OSError as fallo:
        raise ArtefactoInvalido(f"cannot read {ruta}: {fallo}; restore it or train again") from fallo
    except UnicodeDecodeError as fallo:
        raise ArtefactoInvalido(f"{ruta} is corrupt: {fallo}") from fallo


def _exportar_actor(carpeta: Path) -> None:
    """Have a separate process read the model with torch, so that this one does not need it."""
    orden = [sys.executable, "-m", "src.entrenamiento.exportar", str(carpeta)]
    # The model is unpickled there: it must not see the keys that may be in this environment.
    entorno = {nombre: valor for nombre, valor in os.environ.items() if nombre in _ENTORNO_DEL_EXPORTADOR}
    proceso = subprocess.run(orden, capture_output=True, text=True, check=False, env=entorno)
    if proceso.returncode != 0:
        detalle = proceso.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ArtefactoInvalido(f"cannot export the actor of {carpeta / rutas.MODELO}: {detalle[0]}")


def _comprobar_simbolo(artefacto: Artefacto) -> None:
    """Candles of one symbol and orders on another would be a disaster."""
    pedido, descrito = artefacto.configuracion.data_downloader.symbol, artefacto.mercado.simbolo
    if pedido != descrito:
        raise ArtefactoInvalido(
            f"{artefacto.ruta}: {rutas.CONFIGURACION} is for {pedido} and {rutas.MERCADO} for {descrito};"
            " train the agent again"
        )


def _comprobar_rasgos(artefacto: Artefacto) -> None:
    """Scaler, columns, manifest and actor must speak of the same number of features."""
    columnas = artefacto.configuracion.columnas()
    esquema = artefacto.manifiesto.rasgos
    if esquema.columnas != columnas:
        raise ArtefactoInvalido(
            f"the manifest lists {len(esquema.columnas)} features, the configuration gives {len(columnas)}; "
            "they must be the same columns in the same order"
        )
    if artefacto.escalador.media.size != len(columnas):
        raise ArtefactoInvalido(
            f"the scaler was fitted on {artefacto.escalador.media.size} features, "
            f"the configuration gives {len(columnas)}"
        )
    ventana = artefacto.configuracion.entorno.window_size
    entradas = ventana * len(columnas) + _PORTAFOLIO
    if artefacto.actor.entradas != entradas:
        raise ArtefactoInvalido(
            f"the model takes {artefacto.actor.entradas} numbers, but a window of {ventana} candles with "
            f"{len(columnas)} features and the portfolio are {entradas}"
        )
