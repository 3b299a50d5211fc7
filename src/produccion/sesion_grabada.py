"""Sessions as a journal has them, read without changing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from src.artefactos.artefacto import Artefacto
from src.artefactos.mercado_json import mercado_de_json
from src.nucleo.tipos import Mercado
from src.produccion.diario.diario import EventoDiario, exportar

_INICIADA, _CALENTADA, _TERMINADA = "SESSION_STARTED", "WARMUP", "SESSION_ENDED"


class Grabada(NamedTuple):
    """One session of a journal."""

    sello: str
    agregado: str  # of its agent
    train_id: str  # the artefact it ran
    mercado: object = None  # as the exchange published it then; ``None`` when that is not recorded
    calentamiento: tuple[str, str] | None = None  # file and hash of the candles it was warmed up with


def sesiones_de(eventos: Iterable[EventoDiario]) -> list[Grabada]:
    """Every session that a journal knows, oldest first within each agent."""
    sesiones: dict[tuple[str, str], Grabada] = {}
    for evento in eventos:
        if evento.tipo not in (_INICIADA, _CALENTADA):
            continue
        contenido = evento.contenido
        sello = str(contenido["session"])
        clave = evento.agregado, sello
        if evento.tipo == _INICIADA:
            sesiones[clave] = Grabada(
                sello, evento.agregado, str(contenido["train_id"]), contenido.get("market")
            )
        else:
            calentamiento = str(contenido["file"]), str(contenido["sha256"])
            sesiones[clave] = sesiones[clave]._replace(calentamiento=calentamiento)
    return list(sesiones.values())


def leer_eventos(ruta: Path) -> list[EventoDiario]:
    """Every event of a journal, verified, without changing the file; a daemon may be writing to it.

    Returns:
        By aggregate and version; ``seq`` is their number in that order.

    Raises:
        DiarioCorrupto: A record is not what was written.
        ConfiguracionInvalida: The file cannot be read.
    """
    eventos = []
    for numero, linea in enumerate(exportar(ruta), 1):
        crudo = orjson.loads(linea)
        eventos.append(
            EventoDiario(
                numero,
                crudo["aggregate"],
                crudo["version"],
                crudo["type"],
                crudo["occurred_at_ms"],
                crudo["payload"],
            )
        )
    return eventos


def mercado_de(grabada: Grabada, artefacto: Artefacto) -> Mercado:
    """The market as the exchange published it to the session; the artefact's when that is not recorded.

    Raises:
        ArtefactoInvalido: What is recorded is no market.
    """
    if grabada.mercado is None:
        return artefacto.mercado
    return mercado_de_json(orjson.dumps(grabada.mercado).decode(), f"session {grabada.sello}")


def eventos_de(eventos: Sequence[EventoDiario], grabada: Grabada) -> Iterator[EventoDiario]:
    """The agent's events of one session."""
    dentro = False
    for evento in eventos:
        if evento.agregado != grabada.agregado:
            continue
        if evento.tipo == _INICIADA:
            if dentro:
                return
            dentro = evento.contenido["session"] == grabada.sello
        elif dentro:
            yield evento
            if evento.tipo == _TERMINADA:
                return
