"""Commands: what somebody without keys asks of the daemon that has them, and its answer.

All instants are by the database's clock.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, Insert, RowMapping, Select, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import POR_DEFECTO, ahora_bd, commands

TURNO_MS = 10_000
"""How long after its expiry a command that was taken in time may still be begun: its turn may come late."""

TURNO_CIERRE_MS = 40_000
"""The same of a close, which is wanted most when an order before it has to be looked up, up to 30 s."""

GRACIA_MS = 60_000
"""How long after its expiry a daemon may still answer a command that it took."""

_ILEGIBLE = "unreadable"
_SIN_RESPUESTA = {"error": "the daemon took it and did not say what came of it"}


class AccionMando(StrEnum):
    """What can be asked for."""

    CERRAR = "guardian.close"
    AJUSTAR = "guardian.adjust"
    MITAD = "guardian.half_close"
    PAUSAR = "tenant.pause"
    REANUDAR = "tenant.resume"
    CERRAR_DISYUNTOR = "breaker.reset"
    MODO_RIESGO = "risk.mode"
    ABRIR = "order.create"
    CANCELAR = "order.cancel"
    DETENER = "daemon.stop"


class EstadoMando(StrEnum):
    """How far a command is."""

    PENDING = "PENDING"
    CLAIMED = "CLAIMED"
    DONE = "DONE"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"

    @property
    def es_final(self) -> bool:
        """Whether its outcome is known."""
        return self not in (EstadoMando.PENDING, EstadoMando.CLAIMED)


class MandoNuevo(NamedTuple):
    """A command that is to be given."""

    user_id: str
    symbol: str
    action: str  # one of `AccionMando`
    payload: Mapping[str, object]
    requested_by: str
    plazo_ms: int  # how long a daemon may take until it takes it
    account_id: str | None  # whose daemon may take it; nobody's when ``None``
    client_id: str = POR_DEFECTO
    idempotency_key: str | None = None  # the same from the same one for the same account: the first command
    rechazo: str | None = None  # why it is FAILED from the start, and nobody's


class MandoGuardado(NamedTuple):
    """One row of ``commands``."""

    seq: int
    id: str
    client_id: str
    user_id: str
    symbol: str
    action: str
    payload: dict[str, Any]
    requested_by: str
    idempotency_key: str | None
    created_at_ms: int
    expires_at_ms: int  # nobody may take it after that, nor begin it `turno_ms` later
    status: EstadoMando
    claimed_by: str | None
    claimed_at_ms: int | None
    finished_at_ms: int | None
    outcome: dict[str, Any] | None
    account_id: str | None = None  # whose daemon may take it
    vence_ms: int | None = None  # last instant to begin it, UTC by the clock of the daemon that took it

    @property
    def turno_ms(self) -> int:
        """How long after its expiry it may still be begun, once it was taken in time."""
        return TURNO_CIERRE_MS if self.action == AccionMando.CERRAR else TURNO_MS

    def tomado(self, ahora_ms: int) -> MandoGuardado:
        """The same with its ``vence_ms``.

        Args:
            ahora_ms: By the daemon's clock, read before the store was asked: the clocks need not agree.
        """
        tomado_ms = self.created_at_ms if self.claimed_at_ms is None else self.claimed_at_ms
        return self._replace(vence_ms=ahora_ms + self.expires_at_ms + self.turno_ms - tomado_ms)


def pedir_mando(motor: Engine, mando: MandoNuevo) -> MandoGuardado:
    """Give a command; with a key that was used before it is the command given then, whatever it asks."""
    return pedir_mandos(motor, [mando])[0]


def pedir_mandos(motor: Engine, mandos: Sequence[MandoNuevo]) -> list[MandoGuardado]:
    """Give several commands, all or none; each as `pedir_mando` does."""
    # In one order, whoever asks: two that give the same commands at once wait for each other, and no more.
    orden = sorted(range(len(mandos)), key=lambda i: _clave_de(mandos[i]))
    with motor.begin() as conexion:
        dados = {i: _dar(conexion, mandos[i]) for i in orden}
    return [dados[i] for i in range(len(mandos))]


def _clave_de(mando: MandoNuevo) -> tuple[str, str, str]:
    return mando.user_id, mando.symbol, mando.idempotency_key or ""


def _dar(conexion: Connection, mando: MandoNuevo) -> MandoGuardado:
    estado: dict[str, Any] = {"status": EstadoMando.PENDING.value}
    if mando.rechazo is not None:
        dicho = orjson.dumps({"success": False, "error": mando.rechazo}).decode()
        estado = {
            "status": EstadoMando.FAILED.value,
            "outcome_json": dicho,
            "finished_at_ms": ahora_bd(),
        }
    orden = _insercion(conexion, mando, **estado)
    fila = conexion.execute(orden.returning(commands)).mappings().first()
    if fila is None:
        fila = conexion.execute(_repetido(mando)).mappings().one()
    return _leer(fila)


def anotar_mando(conexion: Connection, mando: MandoNuevo, outcome: Mapping[str, object]) -> str:
    """Write down a command that was carried out in this transaction, which nobody takes; its id."""
    hecho = {"outcome_json": orjson.dumps(outcome).decode(), "finished_at_ms": ahora_bd()}
    orden = _insercion(conexion, mando, status=EstadoMando.DONE.value, **hecho).returning(commands.c.id)
    id_ = conexion.execute(orden).scalar()
    return str(id_ if id_ is not None else conexion.execute(_repetido(mando)).mappings().one()["id"])


def _insercion(conexion: Connection, mando: MandoNuevo, **mas: Any) -> Insert:
    """The row of a command, unless there is one with its key."""
    insertar = postgresql.insert if conexion.dialect.name == "postgresql" else sqlite.insert
    orden = insertar(commands).values(
        id=str(uuid.uuid4()),
        client_id=mando.client_id,
        user_id=mando.user_id,
        account_id=mando.account_id,
        symbol=mando.symbol,
        action=mando.action,
        payload_json=orjson.dumps(mando.payload).decode(),
        requested_by=mando.requested_by,
        idempotency_key=mando.idempotency_key,
        created_at_ms=ahora_bd(),
        expires_at_ms=ahora_bd() + mando.plazo_ms,
        **mas,
    )
    return orden.on_conflict_do_nothing()


def mando_repetido(motor: Engine, mando: MandoNuevo) -> MandoGuardado | None:
    """The command that was given before with this one's key; ``None`` when there is none."""
    if mando.idempotency_key is None:
        return None
    with leer(motor) as conexion:
        fila = conexion.execute(_repetido(mando)).mappings().first()
    return None if fila is None else _leer(fila)


def _repetido(mando: MandoNuevo) -> Select[Any]:
    return select(commands).where(
        commands.c.client_id == mando.client_id,
        commands.c.requested_by == mando.requested_by,
        commands.c.idempotency_key == mando.idempotency_key,
        commands.c.user_id == mando.user_id,
        commands.c.symbol == mando.symbol,
    )


def tomar_mandos(
    motor: Engine,
    user_id: str,
    symbol: str,
    quien: str,
    *,
    account_id: str,
    client_id: str = POR_DEFECTO,
    limite: int = 20,
    acciones: Collection[AccionMando] | None = None,
) -> list[MandoGuardado]:
    """Take the commands that wait for an account and symbol, oldest first; nobody else gets them.

    A user may trade on several exchanges at once under one name: only what names the account is its own.
    Where ``acciones`` are given the others go on waiting.
    """
    esperan = (
        select(commands.c.seq)
        .where(
            commands.c.status == EstadoMando.PENDING.value,
            commands.c.client_id == client_id,
            commands.c.user_id == user_id,
            commands.c.account_id == account_id,
            commands.c.symbol == symbol,
            commands.c.expires_at_ms > ahora_bd(),
        )
        .order_by(commands.c.seq)
        .limit(limite)
    )
    if acciones is not None:
        esperan = esperan.where(commands.c.action.in_([accion.value for accion in acciones]))
    with leer(motor) as conexion:
        if conexion.execute(esperan).first() is None:
            return []  # almost always: nobody is kept waiting for that
    tomar = (
        update(commands)
        .where(commands.c.seq.in_(esperan.with_for_update(skip_locked=True)))
        .values(status=EstadoMando.CLAIMED.value, claimed_by=quien, claimed_at_ms=ahora_bd())
        .returning(commands)
    )
    with motor.begin() as conexion:
        filas = conexion.execute(tomar).mappings().all()
    return sorted(map(_leer, filas))


def terminar_mando(motor: Engine, mando_id: str, ok: bool, outcome: Mapping[str, object]) -> bool:
    """Write down what came of a command that was taken; false when it was answered before, or never taken."""
    orden = (
        update(commands)
        .where(commands.c.id == mando_id, commands.c.status == EstadoMando.CLAIMED.value)
        .values(
            status=(EstadoMando.DONE if ok else EstadoMando.FAILED).value,
            outcome_json=orjson.dumps(outcome).decode(),
            finished_at_ms=ahora_bd(),
        )
    )
    with motor.begin() as conexion:
        return conexion.execute(orden).rowcount == 1


def leer_mando(motor: Engine, mando_id: str) -> MandoGuardado | None:
    """A command as it is now."""
    with leer(motor) as conexion:
        fila = conexion.execute(select(commands).where(commands.c.id == mando_id)).mappings().first()
    return None if fila is None else _leer(fila)


def mandos_tomados(motor: Engine, quien: str) -> Sequence[MandoGuardado]:
    """What a daemon took and has not answered, oldest first: what it was at when it was killed."""
    consulta = select(commands).where(
        commands.c.status == EstadoMando.CLAIMED.value, commands.c.claimed_by == quien
    )
    with leer(motor) as conexion:
        return [_leer(fila) for fila in conexion.execute(consulta.order_by(commands.c.seq)).mappings()]


def ultimo_cierre_tomado(motor: Engine, account_id: str, symbol: str, *, client_id: str = POR_DEFECTO) -> int:
    """Number of the newest close that an account's daemon took, whatever came of it; 0 when none."""
    consulta = select(func.max(commands.c.seq)).where(
        commands.c.client_id == client_id,
        commands.c.account_id == account_id,
        commands.c.symbol == symbol,
        commands.c.action == AccionMando.CERRAR.value,
        commands.c.claimed_at_ms.is_not(None),
    )
    with leer(motor) as conexion:
        return conexion.execute(consulta).scalar() or 0


def vencer_mandos(motor: Engine) -> int:
    """End the commands that nobody took in time, and those whose daemon never answered; how many."""
    vencidos = (
        update(commands)
        .where(commands.c.status == EstadoMando.PENDING.value, commands.c.expires_at_ms <= ahora_bd())
        .values(status=EstadoMando.EXPIRED.value, finished_at_ms=ahora_bd())
    )
    callados = (
        update(commands)
        .where(commands.c.status == EstadoMando.CLAIMED.value)
        .where(commands.c.expires_at_ms + GRACIA_MS <= ahora_bd())
        .values(
            status=EstadoMando.FAILED.value,
            outcome_json=orjson.dumps(_SIN_RESPUESTA).decode(),
            finished_at_ms=ahora_bd(),
        )
    )
    with motor.begin() as conexion:
        return conexion.execute(vencidos).rowcount + conexion.execute(callados).rowcount


def _leer(fila: RowMapping) -> MandoGuardado:
    valores = dict(fila)
    resultado = valores.pop("outcome_json")
    return MandoGuardado(
        **valores
        | {
            "payload": _objeto(valores.pop("payload_json")),
            "status": EstadoMando(fila["status"]),
            "outcome": None if resultado is None else _objeto(resultado),
        }
    )


def _objeto(texto: str) -> dict[str, Any]:
    """A JSON object; whatever else somebody wrote becomes one that means nothing to anybody."""
    try:
        valor = orjson.loads(texto)
    except orjson.JSONDecodeError:
        valor = None
    return valor if isinstance(valor, dict) else {_ILEGIBLE: texto}
