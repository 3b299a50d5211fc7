"""What the doctor says of one thing."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Veredicto(StrEnum):
    """How a check went."""

    BIEN = "ok"
    AVISO = "warning"
    MAL = "failure"


class Hallazgo(NamedTuple):
    """One line of the report."""

    que: str
    veredicto: Veredicto
    detalle: str
