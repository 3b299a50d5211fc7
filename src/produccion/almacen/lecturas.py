"""What one tenant may read of the store; every query names the tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from src.produccion.almacen.demonios import vive_el_de
from src.produccion.almacen.esquema import (
    ahora_bd,
    alerts,
    balance_snapshots,
    daemons,
    operations,
    orders,
    positions,
    stop_orders,
    system_metrics,
    trades,
)
from src.produccion.almacen.operaciones import (
    LadoOperacion,
    OperacionGuardada,
    consulta_activas,
    operacion_de_fila,
)

_CERROJOS = ("LATCHED", "UNLOCKED")
_METRICAS_MIRADAS = 20_000
_CIERRA = "cerrar"
_DE_POSICION = (
    *("client_id", "user_id", "agent_id", "account_id", "symbol"),
    *("quantity", "entry_price", "price", "updated_at_ms"),
)
_DIA_MS = 86_400_000
_DE_UN_FILL = (
    *("id", "account_id", "symbol", "operation_id", "trade_id", "operation"),
    *("realized_pnl", "commission", "executed_at_ms"),
)

ORDENES_ABIERTAS = ("INTENT", "SENT", "ACCEPTED", "PARTIAL", "UNCERTAIN")
"""How orders stand of which something may still come."""


class Tramo(NamedTuple):
    """Which part of a list is wanted."""

    limite: int
    antes_de: int | None = None  # only rows with a smaller number
    account_id: str | None = None
    symbol: str | None = None


class PosicionAbierta(NamedTuple):
    """An open position, whoever opened it."""

    operacion: OperacionGuardada
    con_nombre: bool  # whether there is an operation of it in the store
    vista_ms: int | None  # when its agent told of it last, market time
    marca: Decimal | None  # price it told then
    con_demonio: bool  # whether the daemon of its account and symbol lives


class DemonioVisto(NamedTuple):
    """A daemon that has not ended on purpose."""

    account_id: str
    symbol: str
    user_id: str
    agent_id: str | None
    started_at_ms: int
    edad_ms: int  # of its last sign of life, by the database's clock


class Cerrojo(NamedTuple):
    """The latch of an account and symbol, as far as it was told."""

    account_id: str | None
    symbol: str | None
    puesto: bool
    motivo: str
    desde_ms: int


class Rendimiento(NamedTuple):
    """What an account has earned on a symbol; amounts in the margin asset."""

    account_id: str
    symbol: str
    fills: int
    cerradas: int  # operations
    ganadas: int
    realizado: Decimal  # before commission
    comision: Decimal
    ganado: Decimal  # net, of the operations that earned
    perdido: Decimal  # net, of those that lost, as a positive amount
    mejor: Decimal | None  # net of one operation
    peor: Decimal | None


class Dia(NamedTuple):
    """One UTC day of an account."""

    dia: int  # days since 1970
    account_id: str
    fills: int
    cierres: int
    realizado: Decimal
    comision: Decimal


def pagina(
    conexion: Connection, tabla: Table, numero: str, client_id: str, tramo: Tramo
) -> Sequence[RowMapping]:
    """Rows of a table, newest first.

    Args:
        conexion: That reads.
        tabla: One with a column ``client_id``.
        numero: Its column that counts rows.
        client_id: The tenant.
        tramo: Which of them.
    """
    columna = tabla.c[numero]
    donde = [*_de(tabla, client_id, tramo)]
    if tramo.antes_de is not None:
        donde.append(columna < tramo.antes_de)
    consulta = select(tabla).where(*donde).order_by(columna.desc()).limit(tramo.limite)
    return conexion.execute(consulta).mappings().all()


def pagina_ordenes(
    conexion: Connection, client_id: str, tramo: Tramo, antes_de: str | None, *, abiertas: bool
) -> Sequence[RowMapping]:
    """Orders, stops and targets, newest first; ``antes_de`` is the client id of the last one known."""
    desde: tuple[int, str] | None = None
    if antes_de is not None:
        ultima = leer_orden(conexion, client_id, antes_de)
        if ultima is None:
            return ()
        desde = (ultima["created_at_ms"], antes_de)
    filas: list[RowMapping] = []
    for tabla in (orders, stop_orders):
        c = tabla.c
        donde = [*_de(tabla, client_id, tramo)]
        if abiertas:
            donde.append(c.status.in_(ORDENES_ABIERTAS))
        if desde is not None:
            mismo_instante = and_(c.created_at_ms == desde[0], c.client_order_id < desde[1])
            donde.append(or_(c.created_at_ms < desde[0], mismo_instante))
        consulta = select(tabla).where(*donde).order_by(c.created_at_ms.desc(), c.client_order_id.desc())
        filas += conexion.execute(consulta.limit(tramo.limite)).mappings()
    filas.sort(key=lambda fila: (fila["created_at_ms"], fila["client_order_id"]), reverse=True)
    return filas[: tramo.limite]


def leer_orden(conexion: Connection, client_id: str, id_cliente: str) -> RowMapping | None:
    """A tenant's order, stop or target by its client id; ``None`` when it has none of that name."""
    for tabla in (orders, stop_orders):
        c = tabla.c
        suya = select(tabla).where(c.client_id == client_id, c.client_order_id == id_cliente)
        fila = conexion.execute(suya).mappings().first()
        if fila is not None:
            return fila
    return None


def posiciones_abiertas(
    conexion: Connection, client_id: str, symbol: str | None = None
) -> list[PosicionAbierta]:
    """Operations that are open, and positions of agents that have none because nothing protects them.

    Positions are read first: whatever is committed between the two reads is told once.
    """
    valores = {"client_id": client_id} | ({} if symbol is None else {"symbol": symbol})
    campos = tuple(valores)
    dichas = {(p.account_id, p.symbol): p for p in conexion.execute(_posiciones(campos), valores)}
    con_nombre = [_con_operacion(o, dichas) for o in conexion.execute(_operaciones(campos), valores)]
    nombradas = {(una.operacion.account_id, una.operacion.symbol) for una in con_nombre}
    sin_nombre = (p for sitio, p in dichas.items() if p.quantity and sitio not in nombradas)
    return con_nombre + [_sin_operacion(p) for p in sin_nombre]


@cache
def _posiciones(campos: tuple[str, ...]) -> Select[Any]:
    desde = positions.outerjoin(daemons, vive_el_de(positions))
    columnas = (*(positions.c[campo] for campo in _DE_POSICION), daemons.c.pid)
    suyas = (positions.c[campo] == bindparam(campo) for campo in campos)
    consulta = select(*columnas).select_from(desde).where(*suyas)
    return consulta.order_by(positions.c.account_id, positions.c.symbol)


@cache
def _operaciones(campos: tuple[str, ...]) -> Select[Any]:
    desde = operations.outerjoin(daemons, vive_el_de(operations))
    return consulta_activas(campos).add_columns(daemons.c.pid).select_from(desde)


def simbolos_de(conexion: Connection, client_id: str) -> list[str]:
    """What the tenant trades or holds, by name."""
    vivos = select(daemons.c.symbol).where(daemons.c.client_id == client_id)
    tenidos = {abierta.operacion.symbol for abierta in posiciones_abiertas(conexion, client_id)}
    return sorted(tenidos.union(conexion.execute(vivos).scalars()))


def demonios_de(conexion: Connection, client_id: str) -> list[DemonioVisto]:
    """The tenant's daemons, by account and symbol."""
    c = daemons.c
    consulta = select(
        c.account_id, c.symbol, c.user_id, c.agent_id, c.started_at_ms, ahora_bd() - c.heartbeat_ms
    )
    consulta = consulta.where(c.client_id == client_id).order_by(c.account_id, c.symbol)
    return [DemonioVisto(*fila) for fila in conexion.execute(consulta)]


def ultimos_saldos(conexion: Connection, client_id: str) -> list[RowMapping]:
    """The balance of every account and symbol that is or was traded, as it was told last.

    A replay of an earlier year may follow one of a later: what was told last is not always the latest.
    """
    conocidos = {(d.account_id, d.symbol) for d in demonios_de(conexion, client_id)}
    p, b = positions.c, balance_snapshots.c
    con_filas = select(p.account_id, p.symbol).where(p.client_id == client_id)
    conocidos.update((cuenta, simbolo) for cuenta, simbolo in conexion.execute(con_filas))
    saldos: list[RowMapping] = []
    for cuenta, simbolo in sorted(conocidos):
        suyos = select(balance_snapshots).where(
            b.account_id == cuenta, b.symbol == simbolo, b.client_id == client_id
        )
        ultimo = suyos.order_by(b.id.desc()).limit(1)
        saldos += conexion.execute(ultimo).mappings().all()
    return saldos


def ultimas_metricas(conexion: Connection, client_id: str) -> list[RowMapping]:
    """The newest value of every metric among the last that were written, by account, symbol and name."""
    c = system_metrics.c
    desde = conexion.execute(select(func.max(c.id))).scalar() or 0
    recientes = and_(c.client_id == client_id, c.id > desde - _METRICAS_MIRADAS)
    claves = (c.account_id, c.symbol, c.name)
    ultimas = select(func.max(c.id)).where(recientes).group_by(*claves)
    consulta = select(system_metrics).where(c.id.in_(ultimas)).order_by(*claves)
    return list(conexion.execute(consulta).mappings())


def cerrojos_de(conexion: Connection, client_id: str) -> list[Cerrojo]:
    """The latches that were ever set, by account and symbol."""
    c = alerts.c
    ultimos = select(func.max(c.id)).where(c.client_id == client_id, c.kind.in_(_CERROJOS))
    consulta = select(c.account_id, c.symbol, c.kind, c.message, c.created_at_ms)
    consulta = consulta.where(c.id.in_(ultimos.group_by(c.account_id, c.symbol)))
    return [
        Cerrojo(cuenta, simbolo, clase == _CERROJOS[0], motivo, desde_ms)
        for cuenta, simbolo, clase, motivo, desde_ms in conexion.execute(
            consulta.order_by(c.account_id, c.symbol)
        )
    ]


def rendimientos(conexion: Connection, client_id: str, desde_ms: int | None) -> list[Rendimiento]:
    """What was earned since an instant, by account and symbol."""
    por_lugar: dict[tuple[str, str], dict[object, _Cuenta]] = defaultdict(lambda: defaultdict(_Cuenta))
    for fila in _trades(conexion, client_id, desde_ms):
        operacion = fila["operation_id"] or fila["trade_id"] or fila["id"]
        por_lugar[fila["account_id"], fila["symbol"]][operacion].tomar(fila)
    return [_rendimiento(*lugar, cuentas.values()) for lugar, cuentas in sorted(por_lugar.items())]


def dias(conexion: Connection, client_id: str, cuantos: int) -> list[Dia]:
    """The newest days with fills, newest first, by account within a day."""
    c = trades.c
    dia = (c.executed_at_ms // _DIA_MS).label("dia")
    con_fills = select(dia).where(c.client_id == client_id).distinct().order_by(dia.desc()).limit(cuantos)
    elegidos = conexion.execute(con_fills).scalars().all()
    if not elegidos:
        return []
    por_dia: dict[tuple[int, str], _Cuenta] = defaultdict(_Cuenta)
    for fila in _trades(conexion, client_id, elegidos[-1] * _DIA_MS):
        por_dia[fila["executed_at_ms"] // _DIA_MS, fila["account_id"]].tomar(fila)
    return [
        Dia(elegido, cuenta, suma.fills, suma.cierres, suma.realizado, suma.comision)
        for elegido in elegidos
        for (suyo, cuenta), suma in sorted(por_dia.items())
        if suyo == elegido
    ]


class _Cuenta:
    """What some fills amount to."""

    def __init__(self) -> None:
        self.fills = self.cierres = 0
        self.realizado = self.comision = Decimal(0)

    @property
    def neto(self) -> Decimal:
        return self.realizado - self.comision

    def tomar(self, fila: RowMapping) -> None:
        self.fills += 1
        self.cierres += str(fila["operation"]).startswith(_CIERRA)
        self.realizado += fila["realized_pnl"] or 0
        self.comision += fila["commission"] or 0


def _rendimiento(account_id: str, symbol: str, cuentas: Iterable[_Cuenta]) -> Rendimiento:
    todas = list(cuentas)
    netos = [cuenta.neto for cuenta in todas if cuenta.cierres]
    return Rendimiento(
        account_id,
        symbol,
        sum(cuenta.fills for cuenta in todas),
        len(netos),
        sum(neto > 0 for neto in netos),
        sum((cuenta.realizado for cuenta in todas), Decimal(0)),
        sum((cuenta.comision for cuenta in todas), Decimal(0)),
        sum((neto for neto in netos if neto > 0), Decimal(0)),
        -sum((neto for neto in netos if neto < 0), Decimal(0)),
        max(netos, default=None),
        min(netos, default=None),
    )


def _trades(conexion: Connection, client_id: str, desde_ms: int | None) -> Iterable[RowMapping]:
    """What sums of fills need, in no order."""
    c = trades.c
    consulta = select(*(c[nombre] for nombre in _DE_UN_FILL)).where(c.client_id == client_id)
    if desde_ms is not None:
        consulta = consulta.where(c.executed_at_ms >= desde_ms)
    return conexion.execute(consulta).mappings()


def _de(tabla: Table, client_id: str, tramo: Tramo) -> Iterable[ColumnElement[bool]]:
    yield tabla.c.client_id == client_id
    for nombre in ("account_id", "symbol"):
        valor = getattr(tramo, nombre)
        if valor is not None and nombre in tabla.c:
            yield tabla.c[nombre] == valor


def _con_operacion(fila: Row[Any], dichas: Mapping[tuple[str, str], Row[Any]]) -> PosicionAbierta:
    operacion, pid = operacion_de_fila(fila[:-1]), fila[-1]
    dicha = dichas.get((operacion.account_id, operacion.symbol))
    vista_ms, marca = (None, None) if dicha is None else (dicha.updated_at_ms, dicha.price)
    return PosicionAbierta(operacion, True, vista_ms, marca, pid is not None)


def _sin_operacion(fila: Row[Any]) -> PosicionAbierta:
    return PosicionAbierta(
        OperacionGuardada(
            f"{fila.account_id}:{fila.symbol}",
            fila.account_id,
            fila.symbol,
            LadoOperacion.BUY if fila.quantity > 0 else LadoOperacion.SELL,
            abs(fila.quantity),
            fila.entry_price or 0,
            0,
            fila.client_id,
            fila.user_id,
            fila.agent_id,
        ),
        False,
        fila.updated_at_ms,
        fila.price,
        fila.pid is not None,
    )
