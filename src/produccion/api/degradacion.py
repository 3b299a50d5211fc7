"""What makes a tenant's trading count as degraded: places that need a daemon and have none alive."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.almacen.lecturas import DemonioVisto
from src.produccion.api.silencio import EMPEZAR, SIN_DEMONIO

Lugar = tuple[str, str]  # account and symbol


class Falta(NamedTuple):
    """A place that needs a daemon and has none alive."""

    account_id: str
    symbol: str
    text: str
    how_to_remove: str


def faltas(
    demonios: Iterable[DemonioVisto], posiciones: Collection[Lugar], cerrojos: Mapping[Lugar, str]
) -> list[Falta]:
    """What is wrong, by account and symbol; empty when all is well.

    A position without a daemon of its own counts while no daemon of the tenant lives: one that was adopted
    has none.

    Args:
        demonios: All that have not ended on purpose.
        posiciones: Where one is open.
        cerrojos: Where a latch is closed, and what opens it.
    """
    edades_ms = {(uno.account_id, uno.symbol): uno.edad_ms for uno in demonios}
    vivos = {lugar for lugar, edad_ms in edades_ms.items() if edad_ms <= VIVO_MS}
    solos = edades_ms.keys() | cerrojos.keys() | (set() if vivos else set(posiciones))
    return [
        _falta(lugar, edades_ms.get(lugar), cerrojos.get(lugar), abierta=lugar in posiciones)
        for lugar in sorted(solos - vivos)
    ]


def _falta(lugar: Lugar, edad_ms: int | None, cerrojo: str | None, *, abierta: bool) -> Falta:
    hay = ["a position is open"] * abierta + ["a latch is closed"] * (cerrojo is not None)
    calla = "no daemon is alive" if edad_ms is None else f"its daemon is silent for {edad_ms / 1_000:.0f} s"
    # A latched symbol starts nothing before it is unlocked.
    remedios = [EMPEZAR if cerrojo is None else cerrojo] + [SIN_DEMONIO] * abierta
    texto = f"{', '.join(hay)} and {calla}" if hay else calla
    return Falta(*lugar, texto, "; ".join(remedios))
