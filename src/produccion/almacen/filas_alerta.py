"""What a journal tells that a person has to know becomes alerts."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import orjson
from sqlalchemy import Connection, select

from src.nucleo.alertas import Clase, Nivel, perdida_fraccion
from src.nucleo.ordenes import MOTIVO_SALIDA
from src.nucleo.registro import StatusFila
from src.nucleo.riesgo import escalon_de
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.escritura import anadir
from src.produccion.almacen.esquema import alerts, orders, trades
from src.produccion.almacen.filas_cuenta import filas_con_orden, precio_de
from src.produccion.almacen.lectura_diario import Apunte
from src.produccion.almacen.tipos_sql import texto_numero

DE_RIESGO = ("EMERGENCY", "PROTECTION_LOST", "LATCHED", "UNLOCKED")
DE_ENLACE = ("EXCHANGE_DISCONNECTED", "EXCHANGE_CONNECTED")
DE_SESION = ("SESSION_STARTED", "SESSION_RESUMED", "SESSION_ENDED")

_ENLACES = {
    "market_stream": "the market stream",
    "user_stream": "the user stream",
    "rest": "the REST interface",
}
_AL_SALIR = "on exit"
_ABRE, _CIERRA = "abrir_", "cerrar_"
_FILLS = 500  # of one position, at most


def escribir_riesgo(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """An emergency, a position closed because its protection failed, a latch, an unlocking."""
    nivel = Nivel.WARNING if apunte.tipo == "UNLOCKED" else Nivel.CRITICAL
    texto = _texto_de_riesgo(titular, apunte)
    _alertar(conexion, titular, apunte, nivel, apunte.tipo, texto, apunte.contenido, diario)


def escribir_sesion(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """A daemon begins, goes on after it was cut short, or ends on purpose."""
    contenido = apunte.contenido
    sesion = f"session {contenido['session']}"
    match apunte.tipo:
        case "SESSION_STARTED":
            nivel, clase, texto = Nivel.INFO, Clase.STARTUP, f"{sesion} has started"
        case "SESSION_RESUMED":
            nivel, clase, texto = Nivel.WARNING, Clase.STARTUP, f"{sesion} goes on; it had been cut short"
        case _:
            nivel, clase = Nivel.INFO, Clase.SHUTDOWN
            texto = f"{sesion} has ended: {contenido.get('reason', 'no reason told')}"
    _alertar(conexion, titular, apunte, nivel, clase, texto, contenido, diario)


def escribir_enlace(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """The exchange has been out of reach for long enough to be told, or is reached again."""
    contenido = apunte.contenido
    cual, duracion = _ENLACES.get(contenido["link"], contenido["link"]), f"{contenido['gap_s']:.0f} s"
    if apunte.tipo == DE_ENLACE[0]:
        nivel, clase = Nivel.ERROR, Clase.EXCHANGE_DISCONNECTED
        texto = f"{cual} of the exchange has been down for {duracion}: {contenido['reason']}"
    else:
        nivel, clase = Nivel.INFO, Clase.EXCHANGE_CONNECTED
        texto = f"{cual} of the exchange is back after {duracion}"
    _alertar(conexion, titular, apunte, nivel, clase, texto, contenido, diario)


def escribir_posicion(
    conexion: Connection, titular: Titular, diario: str, apunte: Apunte, perdida_grande: float
) -> None:
    """Positions opened and closed among the rows, losses that are large or pause entries.

    Trades are written before.

    Args:
        conexion: In the transaction of the rows.
        titular: Whose journal it is.
        diario: Its name in the store; only the first alert of a record bears its number, which is unique.
        apunte: The rows.
        perdida_grande: Share of the equity from which a loss is told as such.
    """
    numerado: str | None = diario
    for fila, orden in filas_con_orden(apunte.contenido):
        if fila["cantidad"] is None:
            _decir_escalon(conexion, titular, diario, apunte, fila)
            continue
        for nivel, clase, texto, datos in _de_fila(conexion, titular, fila, orden, perdida_grande):
            _alertar(conexion, titular, apunte, nivel, clase, texto, datos, numerado)
            numerado = None


def _texto_de_riesgo(titular: Titular, apunte: Apunte) -> str:
    contenido = apunte.contenido
    match apunte.tipo:
        case "EMERGENCY":
            return str(contenido["row"][1])
        case "PROTECTION_LOST":
            cual = f"the position of {contenido['quantity']} {titular.symbol}"
            return f"{cual} is closed at market, its protection failed: {contenido['reason']}"
        case _:
            return str(contenido["reason"])


def _de_fila(
    conexion: Connection, titular: Titular, fila: dict[str, Any], orden: str | None, perdida_grande: float
) -> list[tuple[Nivel, Clase, str, dict[str, Any]]]:
    operacion, como = str(fila["operacion"]), f"{texto_numero(fila['cantidad'])} at {precio_de(fila):.10g}"
    lado = operacion.rpartition("_")[2]
    datos = {campo: fila[campo] for campo in ("operacion", "status", "trade_id", "cantidad")}
    if operacion.startswith(_ABRE):
        return [(Nivel.INFO, Clase.POSITION_OPENED, f"opened {lado} {como}", datos)]
    neto = fila["pnl_realizado"] + fila["pnl_parcial"] - fila["comision"]
    causa, alertas = _causa(conexion, titular, fila, orden), []
    if operacion.startswith(_CIERRA):
        de_toda = _neto_de_la_operacion(conexion, titular)
        neto, de_que = (neto, "") if de_toda is None else (de_toda, " for the whole position")
        texto = f"closed {lado} {como}: {neto:+.2f} after commission{de_que} ({causa})"
        alertas.append((Nivel.INFO, Clase.POSITION_CLOSED, texto, {**datos, "net": neto}))
    perdida = perdida_fraccion(neto, fila["equity"])
    if perdida >= perdida_grande:
        texto = f"lost {-neto:.2f}, {perdida:.2%} of the equity, with {lado} {como} ({causa})"
        alertas.append((Nivel.ERROR, Clase.LARGE_LOSS, texto, {**datos, "net": neto, "fraction": perdida}))
    return alertas


def _causa(conexion: Connection, titular: Titular, fila: dict[str, Any], orden: str | None) -> str:
    """What a row was filled for: the exit policy if its order says so, else what its status says."""
    causa = str(fila["status"])
    if causa != StatusFila.MANUAL or orden is None:
        return causa
    suya = (orders.c.account_id == titular.account_id) & (orders.c.client_order_id == orden)
    ficha = conexion.execute(select(orders.c.token).where(suya)).scalar() or ""
    return _AL_SALIR if ficha.partition(":")[0] == MOTIVO_SALIDA else causa


def _decir_escalon(
    conexion: Connection, titular: Titular, diario: str, apunte: Apunte, fila: dict[str, Any]
) -> None:
    """A loss of the day or month that pauses entries: told once, at the first entry that it refuses."""
    escalon = escalon_de(str(fila["error"] or ""))
    if escalon is None:
        return
    suyo = {"journal": f"{diario}:{escalon.nombre}", "seq": escalon.hasta_ms}
    dichas = select(alerts.c.id).where(*(alerts.c[campo] == valor for campo, valor in suyo.items()))
    if conexion.execute(dichas).first() is None:
        datos = {"tier": escalon.nombre, "until_ms": escalon.hasta_ms}
        valores = _valores(titular, apunte, Nivel.WARNING, Clase.RISK_LIMIT, str(fila["error"]), datos)
        anadir(conexion, alerts, valores | suyo)


def _neto_de_la_operacion(conexion: Connection, titular: Titular) -> float | None:
    """What the whole position earned; ``None`` where the store has no name for it."""
    c = trades.c
    ultimos = (
        select(c.operation_id, c.realized_pnl, c.commission)
        .where(c.account_id == titular.account_id, c.symbol == titular.symbol)
        .order_by(c.executed_at_ms.desc(), c.id.desc())
        .limit(_FILLS)
    )
    filas = conexion.execute(ultimos).all()
    if not filas or filas[0][0] is None:
        return None
    suyas = takewhile(lambda fila: fila[0] == filas[0][0], filas)
    return float(sum((pnl or 0) - (comision or 0) for _, pnl, comision in suyas))


def _alertar(
    conexion: Connection,
    titular: Titular,
    apunte: Apunte,
    nivel: Nivel,
    clase: str,
    texto: str,
    datos: dict[str, Any],
    diario: str | None,
) -> None:
    numero = {"journal": diario, "seq": None if diario is None else apunte.seq}
    anadir(conexion, alerts, _valores(titular, apunte, nivel, clase, texto, datos) | numero)


def _valores(
    titular: Titular, apunte: Apunte, nivel: Nivel, clase: str, texto: str, datos: dict[str, Any]
) -> dict[str, Any]:
    return {
        "client_id": titular.client_id,
        "account_id": titular.account_id,
        "symbol": titular.symbol,
        "level": nivel.value,
        "kind": str(clase),
        "message": texto,
        "payload_json": orjson.dumps(datos).decode(),
        "created_at_ms": apunte.instante_ms,
    }
