"""What the journal says at the start, read from the newest snapshots on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.registro import Fila
from src.nucleo.riesgo import ModoRiesgo
from src.nucleo.vida_orden import VidaOrden
from src.produccion.a_mano import AGREGADO_A_MANO, MemoriaAMano, recordar_a_mano
from src.produccion.diario.diario import DiarioSqlite, EventoDiario
from src.produccion.diario.memoria import INSTANTANEAS, MemoriaAgente, recordar_agente
from src.produccion.ordenes.ordenes_recordadas import plegar
from src.produccion.riesgo import enclavamiento
from src.produccion.riesgo.cuadro import (
    AGREGADO_REGLAS,
    MemoriaCuadro,
    agregado_de,
    recordar_disyuntor,
)
from src.produccion.riesgo.enclavamiento import AGREGADO, Memoria
from src.produccion.stops.stops_recordados import AGREGADO_NIVEL, MemoriaStops, recordar_stops

_PRIMERA_BUSQUEDA = 256
_DE_ORDENES_Y_STOPS = ("order:", "stop:")
_TIPOS_RIESGO = ("PEAK", "LATCHED", "UNLOCKED", "FLAT")
_TIPOS_NIVEL = ("LEVEL_SET", "LEVEL_CLEARED")


class Recuerdo(NamedTuple):
    """Everything that survives a restart."""

    riesgo: Memoria
    agente: MemoriaAgente
    ordenes: Mapping[str, VidaOrden]
    stops: MemoriaStops
    grabada: str | None  # the session whose warm-up was recorded last
    equity_inicial: float | None = None  # of the newest session
    cuadro: MemoriaCuadro = MemoriaCuadro()
    modo: ModoRiesgo = ModoRiesgo.ACTIVE
    a_mano: MemoriaAMano = MemoriaAMano()
    detenida_por: str | None = None  # who wanted the session ended that was cut short before it had
    ultima_ms: int | None = None  # market time of the newest snapshot, whichever agent's it is
    otro_agente: str | None = None  # who traded the account and symbol last, unless it was this one


def recordar_todo(diario: DiarioSqlite, carpeta: Path, agente_id: str) -> Recuerdo:
    """Read what matters; call it before anything is written.

    Orders and stops that were over at the newest snapshot, whichever agent's it is, are history.

    Args:
        diario: Of the account and symbol.
        carpeta: Where it lives; the latch may have had to be written beside it.
        agente_id: Who starts.
    """
    agregado = f"agent:{agente_id}"
    calentamiento = diario.ultimo(agregado, "WARMUP")
    iniciada = diario.ultimo(agregado, "SESSION_STARTED")
    ultima = diario.ultimo(None, *INSTANTANEAS)
    eventos = list(_de_ordenes_y_stops(diario, ultima))
    return Recuerdo(
        recordar_riesgo(diario, carpeta),
        _memoria_de(diario, agregado, ultima),
        plegar(eventos),
        recordar_stops([*_ultimos(diario, AGREGADO_NIVEL, _TIPOS_NIVEL), *eventos]),
        None if calentamiento is None else str(calentamiento.contenido["session"]),
        None if iniciada is None else float(str(iniciada.contenido["equity"])),
        _cuadro_de(diario),
        _modo_de(diario),
        recordar_a_mano(diario.ultimo(AGREGADO_A_MANO)),
        _detenida_por(diario, agregado),
        None if ultima is None else ultima.instante_ms,
        None if ultima is None or ultima.agregado == agregado else ultima.agregado.removeprefix("agent:"),
    )


def _cuadro_de(diario: DiarioSqlite) -> MemoriaCuadro:
    """The breakers of the account and symbol, and the rules announced last."""
    vistos = ((clase, diario.ultimo(agregado_de(clase))) for clase in ClaseDisyuntor)
    reglas = diario.ultimo(AGREGADO_REGLAS)
    return MemoriaCuadro(
        {clase: recordar_disyuntor(evento) for clase, evento in vistos if evento is not None},
        {} if reglas is None else reglas.contenido,
    )


def _modo_de(diario: DiarioSqlite) -> ModoRiesgo:
    """What a person lets the agent do; a start has no say in it."""
    evento = diario.ultimo(AGREGADO, "RISK_MODE")
    return ModoRiesgo.ACTIVE if evento is None else ModoRiesgo(str(evento.contenido["mode"]))


def _detenida_por(diario: DiarioSqlite, agregado: str) -> str | None:
    """Whose wish that the session ends has not been done yet."""
    evento = diario.ultimo(agregado, "STOP_REQUESTED", "SESSION_STARTED", "SESSION_ENDED")
    return str(evento.contenido["by"]) if evento is not None and evento.tipo == "STOP_REQUESTED" else None


def _memoria_de(diario: DiarioSqlite, agregado: str, ultima: EventoDiario | None) -> MemoriaAgente:
    """What the agent remembers; where another has traded the account since, its reference and its files."""
    propia = diario.ultimo(agregado, *INSTANTANEAS)
    desde = 0 if propia is None else propia.seq - 1
    memoria = recordar_agente(diario.leer(agregado, despues_de=desde))
    if ultima is not None and ultima.agregado != agregado:
        return MemoriaAgente(capital_referencia=memoria.capital_referencia, acabada=memoria.acabada)
    return memoria


def recordar_riesgo(diario: DiarioSqlite, carpeta: Path) -> Memoria:
    """Peak and latch of the account and symbol."""
    return enclavamiento.recordar_todo(_ultimos(diario, AGREGADO, _TIPOS_RIESGO), carpeta)


def filas_desde(
    diario: DiarioSqlite, agente_id: str, sesion: str, total: int, primera: int
) -> Sequence[Fila]:
    """The rows of a session from a number on, 0 being the first.

    Args:
        diario: Nothing was written to it yet.
        agente_id: Whose session.
        sesion: Its stamp.
        total: How many rows it has.
        primera: The first one wanted.
    """
    agregado = f"agent:{agente_id}"
    ultimo = diario.ultimo(agregado, "ROWS")
    if ultimo is None:
        return []
    atras = _PRIMERA_BUSQUEDA
    while True:
        filas = [
            fila
            for evento in diario.leer(agregado, despues_de=max(0, ultimo.seq - atras))
            if evento.tipo == "ROWS" and evento.contenido["session"] == sesion
            for fila in _filas(evento)
        ]
        if len(filas) >= total - primera or atras >= ultimo.seq:
            return filas[len(filas) - (total - primera) :]
        atras *= 8


def _filas(evento: EventoDiario) -> list[Fila]:
    filas = evento.contenido["rows"]
    return filas if isinstance(filas, list) else []


def _abiertos(instantanea: EventoDiario | None) -> list[str]:
    """Aggregates of orders and stops that were not over at a snapshot."""
    if instantanea is None:
        return []
    estado = instantanea.contenido["state"]
    return [str(nombre) for nombre in estado["open"]] if isinstance(estado, dict) else []


def _de_ordenes_y_stops(diario: DiarioSqlite, instantanea: EventoDiario | None) -> Iterator[EventoDiario]:
    """Their events since a snapshot; of those that began before it, with all that went before."""
    desde = 0 if instantanea is None else instantanea.seq
    cola = [e for e in diario.leer(despues_de=desde) if e.agregado.startswith(_DE_ORDENES_Y_STOPS)]
    empezados = {evento.agregado for evento in cola if evento.version == 1}
    for agregado in sorted({*_abiertos(instantanea), *(e.agregado for e in cola)} - empezados):
        yield from diario.leer(agregado)
    yield from (evento for evento in cola if evento.agregado in empezados)


def _ultimos(diario: DiarioSqlite, agregado: str, tipos: Sequence[str]) -> list[EventoDiario]:
    """The newest event of each type, oldest first."""
    eventos = [diario.ultimo(agregado, tipo) for tipo in tipos]
    return sorted((e for e in eventos if e is not None), key=lambda e: e.seq)
