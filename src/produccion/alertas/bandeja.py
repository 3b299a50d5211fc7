"""The outbox: each alert is sent on to its channels once, taken under a lease, told or held back.

The database puts a row with the topic ``alerts`` beside every alert. `repartir` turns it into one row per
channel, `tomar` hands those out. A row whose ``outcome`` is ``NULL`` waits; nobody may take it before
``available_at_ms``, which serves as lease and as back-off. All instants are by the database's clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from src.nucleo.alertas import (
    Aviso,
    Mensaje,
    Nivel,
    Regla,
    caduco,
    mas_grave,
    mensaje_de,
    se_retiene,
    texto_digest,
)
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.esquema import ahora_bd, alerts, outbox
from src.produccion.almacen.tipos_sql import ENTERO

TEMA = "alerts"
"""Topic of the rows that the database writes beside each alert."""

ARRIENDO_MS = 60_000
"""For how long a row belongs to whoever took it: longer than any channel may take."""

_LOTE = 200
_DIGEST = "digest:"
_VIEJO = "too old to be told"


class Final(StrEnum):
    """What became of a row."""

    SENT = "SENT"
    HELD = "HELD"  # for a digest; handed to it once ``delivered_at_ms`` is set
    FAILED = "FAILED"  # given up
    ROUTED = "ROUTED"  # sent on to the channels


class Destino(NamedTuple):
    """Where alerts go, and which."""

    nombre: str  # e.g. ``telegram:eva``
    nivel_minimo: Nivel = Nivel.INFO
    client_id: str | None = None  # of this tenant only; ``None`` is of all
    clases: frozenset[str] | None = None  # these kinds only; ``None`` is all

    @property
    def tema(self) -> str:
        """Topic of its rows."""
        return f"{TEMA}/{self.nombre}"

    def quiere(self, aviso: Aviso) -> bool:
        """Whether an alert is for it."""
        return (
            aviso.nivel.alcanza(self.nivel_minimo)
            and self.client_id in (None, aviso.client_id)
            and (self.clases is None or aviso.clase in self.clases)
        )


class Entrega(NamedTuple):
    """A message that was taken to be delivered."""

    id: int
    clase: str
    mensaje: Mensaje
    intento: int  # this one, from 1: whoever takes it over has another
    creada_ms: int


def repartir(motor: Engine, destinos: Sequence[Destino], regla: Regla) -> int:
    """Send new alerts on to their channels; how many alerts there were."""
    esperan = (
        select(outbox.c.id, cast(outbox.c.key, ENTERO))
        .where(outbox.c.topic == TEMA, _espera())
        .order_by(outbox.c.id)
        .limit(_LOTE)
    )
    with leer(motor) as conexion:
        if conexion.execute(esperan).first() is None:
            return 0  # almost always: no writer is kept waiting for that
    with escribir(motor) as conexion:
        tomadas = conexion.execute(esperan.with_for_update(skip_locked=True))
        filas: dict[int, int] = {int(fila[0]): int(fila[1]) for fila in tomadas}
        ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
        edades = _edades(conexion, filas, ahora_ms)
        for aviso in _avisos(conexion, filas.values()):
            if not caduco(aviso.nivel, edades[aviso.id], regla):
                for destino in destinos:
                    if destino.quiere(aviso):
                        _poner(conexion, destino.tema, str(aviso.id), aviso.clase, mensaje_de(aviso))
        hechas = outbox.c.id.in_(filas)
        conexion.execute(
            update(outbox).where(hechas).values(outcome=Final.ROUTED.value, delivered_at_ms=ahora_bd())
        )
    return len(filas)


def tomar(motor: Engine, destino: Destino, regla: Regla, arriendo_ms: int = ARRIENDO_MS) -> Entrega | None:
    """Take what a channel is to tell next, critical alerts first; ``None`` when there is nothing.

    Alerts of which there have been enough are set aside for a digest on the way.

    Args:
        motor: The store.
        destino: The channel.
        regla: How often one kind may be told.
        arriendo_ms: For how long nobody else gets it.
    """
    candidatas = (
        select(outbox)
        .where(outbox.c.topic == destino.tema, _espera(), _libre())
        .order_by(_criticas_antes(), outbox.c.id)
        .limit(_LOTE)
    )
    with leer(motor) as conexion:
        if conexion.execute(candidatas).first() is None:
            return None
    with escribir(motor) as conexion:
        filas = conexion.execute(candidatas.with_for_update(skip_locked=True)).mappings().all()
        ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
        contados = _contados(conexion, destino.tema, ahora_ms - regla.ventana_ms)
        for fila in filas:
            nivel = Nivel(fila["level"])
            es_nueva = fila["attempts"] == 0 and not _es_digest(fila["key"])
            if caduco(nivel, ahora_ms - fila["created_at_ms"], regla):
                _cambiar(conexion, fila["id"], outcome=Final.FAILED.value, last_error=_VIEJO)
            elif es_nueva and se_retiene(nivel, contados[fila["kind"]], regla):
                hasta_ms = ahora_ms + regla.ventana_ms
                _cambiar(conexion, fila["id"], outcome=Final.HELD.value, available_at_ms=hasta_ms)
            else:
                intento = fila["attempts"] + 1
                _cambiar(conexion, fila["id"], attempts=intento, available_at_ms=ahora_ms + arriendo_ms)
                return _entrega(fila, intento)
    return None


def entregada(motor: Engine, entrega: Entrega) -> bool:
    """It was told; false when somebody else has it by now."""
    return _terminar(motor, entrega, outcome=Final.SENT.value, delivered_at_ms=ahora_bd(), last_error=None)


def fallida(motor: Engine, entrega: Entrega, motivo: str, espera_ms: int, *, renuncia: bool = False) -> bool:
    """It was not told, as far as is known; false when somebody else has it by now.

    Args:
        motor: The store.
        entrega: From `tomar`.
        motivo: Why.
        espera_ms: When it may be taken again.
        renuncia: It is given up; never a critical one.
    """
    final = Final.FAILED.value if renuncia and entrega.mensaje.nivel is not Nivel.CRITICAL else None
    return _terminar(
        motor, entrega, outcome=final, available_at_ms=ahora_bd() + espera_ms, last_error=motivo[:500]
    )


def juntar(motor: Engine, destino: Destino) -> int:
    """Put what was held back, and has waited long enough, into one message per kind; how many messages."""
    retenidas = and_(
        outbox.c.topic == destino.tema,
        outbox.c.outcome == Final.HELD.value,
        outbox.c.delivered_at_ms.is_(None),
    )
    vencen = select(outbox.c.kind).where(retenidas).group_by(outbox.c.kind)
    vencen = vencen.having(func.min(outbox.c.available_at_ms) <= ahora_bd())
    with leer(motor) as conexion:
        clases = conexion.execute(vencen).scalars().all()
    return sum(_juntar_una(motor, destino.tema, retenidas, clase) for clase in clases)


def limpiar(motor: Engine, destinos: Iterable[Destino], dias: float) -> int:
    """Delete rows of alerts that are over, and those of channels that are gone; how many."""
    temas = [TEMA, *(destino.tema for destino in destinos)]
    sobran = (
        outbox.c.topic.like(f"{TEMA}/%") | (outbox.c.topic == TEMA),
        outbox.c.created_at_ms < ahora_bd() - round(dias * 86_400_000),
        or_(
            outbox.c.outcome.in_((Final.SENT.value, Final.FAILED.value, Final.ROUTED.value)),
            and_(outbox.c.outcome == Final.HELD.value, outbox.c.delivered_at_ms.is_not(None)),
            outbox.c.topic.not_in(temas),
        ),
    )
    with leer(motor) as conexion:
        if conexion.execute(select(outbox.c.id).where(*sobran).limit(1)).first() is None:
            return 0
    with escribir(motor) as conexion:
        return conexion.execute(delete(outbox).where(*sobran)).rowcount


def de_inquilino(client_id: str) -> ColumnElement[bool]:
    """Rows of a tenant's alerts; a digest is of several alerts and nobody's."""
    # In a CASE: PostgreSQL would otherwise try to read the key of a digest as a number.
    numero = cast(case((outbox.c.key.not_like(f"{_DIGEST}%"), outbox.c.key)), ENTERO)
    return exists().where(alerts.c.id == numero, alerts.c.client_id == client_id)


def _espera() -> ColumnElement[bool]:
    return and_(outbox.c.delivered_at_ms.is_(None), outbox.c.outcome.is_(None))


def _libre() -> ColumnElement[bool]:
    return or_(outbox.c.available_at_ms.is_(None), outbox.c.available_at_ms <= ahora_bd())


def _criticas_antes() -> ColumnElement[int]:
    return case((outbox.c.level == Nivel.CRITICAL.value, 0), else_=1)


def _edades(conexion: Connection, filas: dict[int, int], ahora_ms: int) -> dict[int, int]:
    """How long ago each alert was written, by its number."""
    consulta = select(outbox.c.id, outbox.c.created_at_ms).where(outbox.c.id.in_(filas))
    return {filas[fila_id]: ahora_ms - creada_ms for fila_id, creada_ms in conexion.execute(consulta)}


def _avisos(conexion: Connection, ids: Iterable[int]) -> list[Aviso]:
    c = alerts.c
    columnas = (c.id, c.level, c.kind, c.message, c.created_at_ms, c.client_id, c.account_id, c.symbol)
    consulta = select(*columnas).where(c.id.in_(list(ids))).order_by(c.id)
    return [Aviso(*fila)._replace(nivel=Nivel(fila[1])) for fila in conexion.execute(consulta)]


def _poner(conexion: Connection, tema: str, clave: str, clase: str, mensaje: Mensaje) -> None:
    insertar = postgresql.insert if conexion.dialect.name == "postgresql" else sqlite.insert
    orden = insertar(outbox).values(
        topic=tema,
        key=clave,
        payload_json=orjson.dumps({"title": mensaje.titulo, "body": mensaje.cuerpo}).decode(),
        created_at_ms=ahora_bd(),
        kind=clase,
        level=mensaje.nivel.value,
    )
    conexion.execute(orden.on_conflict_do_nothing())


def _contados(conexion: Connection, tema: str, desde_ms: int) -> Counter[str]:
    """By kind, what was told since then or is on its way."""
    contadas = or_(
        and_(outbox.c.outcome == Final.SENT.value, outbox.c.delivered_at_ms > desde_ms),
        and_(_espera(), outbox.c.attempts > 0),
    )
    consulta = (
        select(outbox.c.kind, func.count())
        .where(outbox.c.topic == tema, contadas)
        .where(outbox.c.level != Nivel.CRITICAL.value, outbox.c.key.not_like(f"{_DIGEST}%"))
        .group_by(outbox.c.kind)
    )
    return Counter({str(clase): cuantas for clase, cuantas in conexion.execute(consulta)})


def _juntar_una(motor: Engine, tema: str, retenidas: ColumnElement[bool], clase: str) -> int:
    tomadas = (
        update(outbox)
        .where(retenidas, outbox.c.kind == clase)
        .values(delivered_at_ms=ahora_bd())
        .returning(outbox.c.id, outbox.c.level, outbox.c.payload_json)
    )
    with escribir(motor) as conexion:
        filas = sorted(tuple(fila) for fila in conexion.execute(tomadas))
        if not filas:
            return 0  # another process was faster
        mensajes = [orjson.loads(contenido)["body"].replace("\n", " ") for _, _, contenido in filas]
        nivel = mas_grave([Nivel(nivel) for _, nivel, _ in filas])
        digest = Mensaje(f"{nivel.value} {clase} ({len(filas)})", texto_digest(clase, mensajes), nivel)
        _poner(conexion, tema, f"{_DIGEST}{filas[-1][0]}", clase, digest)
    return 1


def _terminar(motor: Engine, entrega: Entrega, **valores: Any) -> bool:
    suya = (outbox.c.id == entrega.id, outbox.c.attempts == entrega.intento, _espera())
    with escribir(motor) as conexion:
        return conexion.execute(update(outbox).where(*suya).values(valores)).rowcount == 1


def _cambiar(conexion: Connection, fila_id: int, **valores: Any) -> None:
    conexion.execute(update(outbox).where(outbox.c.id == fila_id).values(valores))


def _es_digest(clave: str | None) -> bool:
    return str(clave).startswith(_DIGEST)


def _entrega(fila: RowMapping, intento: int) -> Entrega:
    contenido = orjson.loads(fila["payload_json"])
    mensaje = Mensaje(contenido["title"], contenido["body"], Nivel(fila["level"]))
    return Entrega(fila["id"], fila["kind"], mensaje, intento, fila["created_at_ms"])
