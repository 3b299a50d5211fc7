"""Scenario files: YAML whose faults are named by file and line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from src.nucleo.errores import ConfiguracionInvalida
from src.simulador.fallas.lectura import Guion, leer_guion
from src.simulador.fallas.valores import Camino, GuionInvalido


def leer_guiones(rutas: Iterable[Path]) -> Guion:
    """Read scenario files; their faults are armed together, in order.

    Raises:
        ConfiguracionInvalida: A file is missing or something in it cannot be used.
    """
    return Guion(tuple(falla for ruta in rutas for falla in _leer(ruta).fallas))


def _leer(ruta: Path) -> Guion:
    if not ruta.is_file():
        raise ConfiguracionInvalida(f"--scenario file {ruta} does not exist")
    try:
        texto = ruta.read_text(encoding="utf-8")
        raiz = yaml.compose(texto, yaml.SafeLoader)
        crudo: object = yaml.safe_load(texto)
    except (yaml.YAMLError, UnicodeDecodeError) as fallo:
        raise ConfiguracionInvalida(f"--scenario file {ruta} is not YAML: {fallo}") from fallo
    try:
        return leer_guion({} if crudo is None else crudo)
    except GuionInvalido as fallo:
        linea = _linea(raiz, fallo.camino)
        raise ConfiguracionInvalida(
            f"{ruta}, line {linea}, {fallo} ('timonel simulator --list-faults' tells kinds and parameters)"
        ) from fallo


def _linea(nodo: yaml.Node | None, camino: Camino) -> int:
    """Line of what a path leads to, or of the last part of it that is written."""
    linea = 1
    for parte in (*camino, None):
        if nodo is None:
            break
        linea = nodo.start_mark.line + 1
        nodo, clave = _hijo(nodo, parte)
        if clave is not None:
            linea = clave.start_mark.line + 1
    return linea


def _hijo(nodo: yaml.Node, parte: str | int | None) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Value and key of one part of a path."""
    if isinstance(nodo, yaml.SequenceNode) and isinstance(parte, int):
        return nodo.value[parte], None
    if isinstance(nodo, yaml.MappingNode):
        for clave, valor in nodo.value:
            if clave.value == parte:
                return valor, clave
    return None, None
