"""The sessions of a joined report one by one: a page for each, and the links between them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from src.analisis.informe import Informe, analizar
from src.analisis.pagina import Enlazada
from src.nucleo.errores import EntradaInvalida

CONJUNTA = "informe.html"
"""Page over several sessions, and over one evaluation."""


class PaginaSesion(NamedTuple):
    """One of the sessions of a joined report."""

    pagina: Path
    informe: Informe


def pagina_de(registro: Path) -> Path:
    """Where the page of one session lies: beside its CSV, or in the folder of its evaluation."""
    return registro / CONJUNTA if registro.is_dir() else registro.with_suffix(".html")


def separar(registros: Sequence[Path], conjunto: Informe) -> tuple[PaginaSesion, ...]:
    """Each session of a joined report by itself, in time order; emergencies go to the session they ended.

    Args:
        registros: The files of the joined report.
        conjunto: The joined report.
    """
    propias = sorted((PaginaSesion(pagina_de(ruta), analizar([ruta])) for ruta in registros), key=_inicio_ms)
    return tuple(
        propia._replace(
            informe=_con_emergencias(propia, conjunto, math.inf if otra is None else _inicio_ms(otra))
        )
        for propia, otra in zip_longest(propias, propias[1:])
    )


def enlazar(sesiones: Sequence[PaginaSesion], desde: Path) -> tuple[Enlazada, ...]:
    """The sessions as the page ``desde`` lists and links them."""
    return tuple(
        Enlazada(quote(Path(os.path.relpath(pagina, desde.parent)).as_posix()), informe)
        for pagina, informe in sesiones
    )


def verificar_distintas(paginas: Sequence[Path]) -> None:
    """Refuse pages that would overwrite one another.

    Raises:
        EntradaInvalida: Naming the page.
    """
    vistas: set[Path] = set()
    for pagina in paginas:
        if pagina.resolve() in vistas:
            raise EntradaInvalida(
                f"{pagina}: two pages would be written there; name a single one with --output"
            )
        vistas.add(pagina.resolve())


def _con_emergencias(propia: PaginaSesion, conjunto: Informe, hasta_ms: float) -> Informe:
    primera = conjunto.historia.filas.tiempo_ms[0] == _inicio_ms(propia)
    desde_ms = -math.inf if primera else _inicio_ms(propia)
    emergencias = (e for e in conjunto.emergencias if desde_ms <= e.tiempo_ms < hasta_ms)
    return replace(propia.informe, emergencias=tuple(emergencias))


def _inicio_ms(propia: PaginaSesion) -> int:
    return int(propia.informe.historia.filas.tiempo_ms[0])
