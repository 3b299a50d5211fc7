"""Answers to people, from the shared store alone: plain text, one tenant's.

Money of different environments is never added up: what a dry run earned nobody has.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection, RowMapping, func, select

from src.produccion.alertas.bandeja import TEMA
from src.produccion.alertas.estadistica import contar, sin_repartir
from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.almacen.esquema import (
    ahora_bd,
    alerts,
    balance_snapshots,
    daemons,
    positions,
    trades,
)
from src.produccion.almacen.operaciones import LadoOperacion, OperacionGuardada, operaciones_activas
from src.produccion.almacen.tipos_sql import Cantidad, texto_numero
from src.produccion.monitor.candados import ClaseCandado, candados_de
from src.produccion.monitor.reglas import leer_reglas
from src.produccion.supervision.identidad import entorno_de

_DIA_MS = 86_400_000
_DIAS, _DIAS_MAXIMO = 7, 31
_AVISOS, _AVISOS_MAXIMO = 10, 30


def situacion(conexion: Connection, client_id: str) -> str:
    """The open positions, each with what protects it."""
    consulta = select(positions).where(positions.c.client_id == client_id)
    vistas = {(f["account_id"], f["symbol"]): f for f in conexion.execute(consulta).mappings()}
    activas = operaciones_activas(conexion, client_id)
    bloques = [_operacion(op, vistas.pop((op.account_id, op.symbol), None)) for op in activas]
    bloques += [_suelta(fila) for fila in vistas.values() if fila["quantity"]]
    reglas = leer_reglas(conexion, client_id)
    pausa = [] if reglas.opera else [f"entries are paused: {reglas.motivo_pausa}"]
    return "\n".join(pausa + (bloques or ["no open positions"]))


def ganancia(conexion: Connection, client_id: str) -> str:
    """What was earned lately and in all in each environment, after commission and before funding."""
    ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
    cuentas: dict[str, _Ganado] = {}
    for fila in _trades(conexion, client_id, 0):
        cuentas.setdefault(entorno_de(fila["account_id"]), _Ganado(ahora_ms)).sumar(fila)
    if not cuentas:
        return "nothing has been filled"
    bloques = [linea for nombre in sorted(cuentas) for linea in (f"{nombre}:", *cuentas[nombre].lineas())]
    return "\n".join((*bloques, "after commission, before funding"))


def dias(conexion: Connection, client_id: str, argumento: str) -> str:
    """What was earned on each of the last days, UTC, in each environment that filled anything."""
    cuantos = _entero(argumento, _DIAS, _DIAS_MAXIMO)
    ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
    primero = ahora_ms // _DIA_MS - cuantos + 1
    por_entorno: dict[str, dict[int, list[Decimal]]] = {}
    for fila in _trades(conexion, client_id, primero * _DIA_MS):
        suyos = por_entorno.setdefault(entorno_de(fila["account_id"]), {})
        suyos.setdefault(fila["executed_at_ms"] // _DIA_MS, []).append(_neto(fila))
    if not por_entorno:
        return f"nothing has been filled since {_dia(primero * _DIA_MS)}"
    lineas = []
    for nombre, netos in sorted(por_entorno.items()):
        lineas.append(f"{nombre}:")
        for dia in range(primero + cuantos - 1, primero - 1, -1):
            de_dia = netos.get(dia, [])
            neto = sum(de_dia, Decimal(0))
            lineas.append(f"{_dia(dia * _DIA_MS)} {neto:>+14.2f} {len(de_dia):>4} fills")
    return "\n".join(lineas)


def saldos(conexion: Connection, client_id: str) -> str:
    """Balance and equity of each account and symbol, as they were told last."""
    ultimos = (
        select(func.max(balance_snapshots.c.id))
        .where(balance_snapshots.c.client_id == client_id)
        .group_by(balance_snapshots.c.account_id, balance_snapshots.c.symbol)
    )
    consulta = select(balance_snapshots).where(balance_snapshots.c.id.in_(ultimos))
    consulta = consulta.order_by(balance_snapshots.c.account_id, balance_snapshots.c.symbol)
    lineas = [
        f"{fila['account_id']} {fila['symbol']}\n"
        f"  balance {fila['balance']:.2f}  equity {_o_nada(fila['equity'])}  {_cuando(fila['taken_at_ms'])}"
        for fila in conexion.execute(consulta).mappings()
    ]
    return "\n".join(lineas or ["no balance is known"])


def cerrojos(conexion: Connection, client_id: str) -> str:
    """What keeps entries from being made, and what takes each away."""
    lineas = [
        f"{uno.texto}; {'undo: /startentry' if uno.clase is ClaseCandado.PAUSA else uno.remedio}"
        for uno in candados_de(conexion, client_id)
    ]
    return "\n".join(lineas or ["nothing is locked"])


def salud(conexion: Connection, client_id: str) -> str:
    """The tenant's daemons and their last sign of life, and how the delivery of its alerts goes."""
    ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
    consulta = select(daemons).where(daemons.c.client_id == client_id)
    lineas = [
        _demonio(fila, ahora_ms)
        for fila in conexion.execute(consulta.order_by(daemons.c.account_id, daemons.c.symbol)).mappings()
    ]
    cuentas = contar(conexion, 24.0, client_id)
    esperan = sum(cuenta.esperan for cuenta in cuentas) + sin_repartir(conexion, client_id)
    enviados, fallidos = (sum(getattr(c, que) for c in cuentas) for que in ("enviados", "fallidos"))
    reparto = f"{TEMA} of 24 h: {enviados} sent, {esperan} waiting, {fallidos} given up"
    return "\n".join([*(lineas or ["no daemon is known"]), reparto])


def ultimos_avisos(conexion: Connection, client_id: str, argumento: str) -> str:
    """The latest alerts, oldest first."""
    cuantos = _entero(argumento, _AVISOS, _AVISOS_MAXIMO)
    consulta = (
        select(alerts).where(alerts.c.client_id == client_id).order_by(alerts.c.id.desc()).limit(cuantos)
    )
    filas = conexion.execute(consulta).mappings().all()
    lineas = [
        " ".join(
            (
                _cuando(f["created_at_ms"]),
                f["level"],
                *filter(None, (f["symbol"],)),
                f["kind"] + ":",
                f["message"],
            )
        )
        for f in reversed(filas)
    ]
    return "\n".join(lineas or ["no alerts"])


class _Ganado:
    """What one environment earned, span by span.

    Args:
        ahora_ms: When spans end, by the database's clock.
    """

    def __init__(self, ahora_ms: int) -> None:
        hoy_ms = ahora_ms - ahora_ms % _DIA_MS
        self._desde_ms = {
            "today": hoy_ms,
            "7 days": hoy_ms - 6 * _DIA_MS,
            "30 days": hoy_ms - 29 * _DIA_MS,
            "in all": 0,
        }
        self._netos = dict.fromkeys(self._desde_ms, Decimal(0))
        self._cerradas = self._ganadas = 0

    def sumar(self, fila: RowMapping) -> None:
        """Add a fill."""
        neto = _neto(fila)
        for tramo, desde_ms in self._desde_ms.items():
            if fila["executed_at_ms"] >= desde_ms:
                self._netos[tramo] += neto
        if str(fila["operation"]).startswith("cerrar_"):
            self._cerradas += 1
            self._ganadas += (fila["realized_pnl"] or 0) > 0

    def lineas(self) -> list[str]:
        """For a person."""
        tasa = f", {self._ganadas / self._cerradas:.0%} won" if self._cerradas else ""
        netos = [f"{tramo:<8} {neto:>+14.2f}" for tramo, neto in self._netos.items()]
        return [*netos, f"{self._cerradas} positions closed{tasa}"]


def _operacion(operacion: OperacionGuardada, vista: RowMapping | None) -> str:
    lado = "long" if operacion.side is LadoOperacion.BUY else "short"
    lineas = [
        f"{operacion.symbol} {lado} {texto_numero(operacion.quantity)}"
        f" from {texto_numero(operacion.average_entry_price)} ({operacion.account_id})"
    ]
    if vista is not None and vista["quantity"]:
        lineas.append(f"  at {_precio(vista['price'])}: {_o_nada(vista['unrealized_pnl'], signo='+')}")
    nivel = f" ({operacion.ts_level_applied})" if operacion.ts_level_applied else ""
    lineas.append(f"  stop {_precio(operacion.stop_price)}{nivel}  target {_precio(operacion.target_price)}")
    return "\n".join(lineas)


def _suelta(fila: RowMapping) -> str:
    lado = "long" if fila["quantity"] > 0 else "short"
    return (
        f"{fila['symbol']} {lado} {texto_numero(abs(fila['quantity']))} from {_precio(fila['entry_price'])}"
        f" ({fila['account_id']})\n"
        f"  at {_precio(fila['price'])}: {_o_nada(fila['unrealized_pnl'], signo='+')}; no stop is known"
    )


def _trades(conexion: Connection, client_id: str, desde_ms: int) -> Iterator[RowMapping]:
    c = trades.c
    columnas = (c.account_id, c.executed_at_ms, c.realized_pnl, c.commission, c.operation)
    consulta = select(*columnas).where(c.client_id == client_id, c.executed_at_ms >= desde_ms)
    return conexion.execute(consulta.order_by(c.executed_at_ms)).mappings()


def _neto(fila: RowMapping) -> Decimal:
    return Decimal(fila["realized_pnl"] or 0) - Decimal(fila["commission"] or 0)


def _demonio(fila: RowMapping, ahora_ms: int) -> str:
    hace_ms = ahora_ms - fila["heartbeat_ms"]
    estado = "lives" if hace_ms <= VIVO_MS else "SILENT"
    return f"{fila['symbol']} ({fila['account_id']}) {estado}, last sign {hace_ms / 1_000:.0f} s ago"


def _entero(argumento: str, defecto: int, maximo: int) -> int:
    bueno = argumento.isascii() and argumento.isdecimal() and len(argumento) < 6
    return min(maximo, max(1, int(argumento))) if bueno else defecto


def _precio(valor: Cantidad | None) -> str:
    return "unknown" if valor is None else texto_numero(valor)


def _o_nada(valor: Decimal | None, signo: str = "") -> str:
    return "unknown" if valor is None else format(valor, f"{signo}.2f")


def _cuando(instante_ms: int) -> str:
    return datetime.fromtimestamp(instante_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _dia(instante_ms: int) -> str:
    return datetime.fromtimestamp(instante_ms / 1_000, UTC).strftime("%Y-%m-%d")
