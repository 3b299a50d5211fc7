"""Every metric that Timonel publishes: the only place that names them.

Amounts are in the margin asset (`_quote`) or in the base asset (`_base`), shares are fractions (`_ratio`),
times are wall seconds unless the text says market time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

PREFIJO = "timonel_"


class Tipo(StrEnum):
    """Prometheus' kinds."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Metrica(NamedTuple):
    """One metric; its labels come after those of whoever publishes it."""

    nombre: str
    tipo: Tipo
    ayuda: str
    etiquetas: tuple[str, ...] = ()


def _indicador(nombre: str, ayuda: str, *etiquetas: str) -> Metrica:
    return Metrica(PREFIJO + nombre, Tipo.GAUGE, ayuda, etiquetas)


def _cuenta(nombre: str, ayuda: str, *etiquetas: str) -> Metrica:
    return Metrica(f"{PREFIJO}{nombre}_total", Tipo.COUNTER, ayuda, etiquetas)


def _reparto(nombre: str, ayuda: str, *etiquetas: str) -> Metrica:
    return Metrica(f"{PREFIJO}{nombre}_seconds", Tipo.HISTOGRAM, ayuda, etiquetas)


TITULAR = ("account", "symbol", "agent")
"""Labels of everything that a daemon publishes."""

# --- the account ---

EQUITY = _indicador("equity_quote", "Wallet plus open profit at the mark price.")
BALANCE = _indicador("balance_quote", "Wallet, or the agent's own ledger.")
EQUITY_INICIAL = _indicador("session_start_equity_quote", "Equity when the session began.")
EQUITY_MAXIMO = _indicador("peak_equity_quote", "Highest equity, which drawdown is measured from.")
PNL_REALIZADO = _indicador("session_realized_pnl_quote", "Realised profit of the session.")
DRAWDOWN = _indicador("drawdown_ratio", "Fall from the peak, as a fraction of it.")
DRAWDOWN_MAXIMO = _indicador("max_drawdown_ratio", "Largest drawdown that the monitor remembers.")
DRAWDOWN_LIMITE = _indicador("drawdown_limit_ratio", "Drawdown at which everything is closed and locked.")
EXPOSICION = _indicador("exposure_ratio", "Notional over equity x leverage; negative is short.")
POSICION = _indicador("position_base", "Quantity held; negative is short, 0 is flat.")
PRECIO_ENTRADA = _indicador("position_entry_price_quote", "Average entry price; absent while flat.")
PNL_ABIERTO = _indicador("position_unrealized_pnl_quote", "Open profit at the mark price.")
MARK = _indicador("mark_price_quote", "Mark price as it was last heard.")
TRADES = _cuenta("trades", "Positions closed in the session.")

# --- what protects it ---

PROTEGIDA = _indicador("protected", "1 when there is nothing to protect or a confirmed stop covers it.")
DESNUDA = _indicador("position_naked", "1 when a position is open and no stop over it is confirmed.")
STOP = _indicador("stop_price_quote", "Stop that is wanted nearest to the market; absent without one.")
STOPS_VIVOS = _indicador("resident_stops", "Stops and targets known to wait at the exchange.")
ENCLAVADO = _indicador("latched", "1 once this process has locked account and symbol.")

# --- what keeps entries out ---

BLOQUEO = _indicador("entries_blocked", "1 while this is a reason to open nothing.", "reason")
DISYUNTOR_PROPIO = _indicador(
    "breaker_state", "Of each breaker that is switched on: 1 open, 0.5 on trial, 0 closed.", "kind"
)
RANGO = _indicador("features_out_of_range_ratio", "Share of the window's cells outside what training saw.")

# --- orders ---

ORDENES = _indicador(
    "orders", "Orders of which something may still come, by how far they are known.", "state"
)
ORDENES_ACABADAS = _cuenta("orders_finished", "Orders that are over, by how they ended.", "outcome")
ORDENES_SIN_RESOLVER = _indicador("unresolved_orders", "Orders of which it is not known what became.")
TIEMPO_ORDEN = _reparto("order", "From sending an order to what its answer says, repeated tries included.")

# --- candles ---

VELAS = _cuenta("candles_decided", "Candles that this process has decided on.")
VELA_RETRASO = _reparto("candle_delay", "Market time from a candle's close to its decision.")
TIEMPO_DECISION = _reparto(
    "decision", "From taking up a closed candle to its decision, reading the account included."
)
TIEMPO_VELA = _reparto("candle", "From taking up a closed candle to its order, row and stop being done.")

# --- the daemon itself ---

FLUJO_EDAD = _indicador("stream_age_seconds", "Since a stream was last heard.", "stream")
FLUJO_CONEXIONES = _cuenta("stream_connections", "Times that a socket was opened and spoke.", "stream")
FALLOS_SEGUIDOS = _indicador("errors_in_a_row", "Failures of candles or looks at the account in a row.")
COLA = _indicador("queue_depth", "What waits: market events, journal records, log lines.", "queue")
LOG_PERDIDO = _cuenta("log_lines_lost", "Log lines that found no room while the disk did not answer.")
BUCLE_RETRASO = _reparto("event_loop_delay", "How late the event loop wakes a sleeper.")
TAREAS = _indicador("event_loop_tasks", "Tasks of the event loop.")
ATASCADOS = _indicador("stuck_services", "Services whose work does not get on.")
RELOJ = _indicador("market_time_seconds", "The exchange's clock as the daemon keeps it, since 1970.")
FOTO_EDAD = _indicador(
    "snapshot_age_seconds", "Age of these figures; it grows while the event loop stands still."
)
INICIO = _indicador("start_time_seconds", "When this process began to trade, since 1970.")

DEL_DEMONIO = (
    *(
        EQUITY,
        BALANCE,
        EQUITY_INICIAL,
        EQUITY_MAXIMO,
        PNL_REALIZADO,
        DRAWDOWN,
        DRAWDOWN_MAXIMO,
        DRAWDOWN_LIMITE,
    ),
    *(EXPOSICION, POSICION, PRECIO_ENTRADA, PNL_ABIERTO, MARK, TRADES),
    *(PROTEGIDA, DESNUDA, STOP, STOPS_VIVOS, ENCLAVADO, BLOQUEO, DISYUNTOR_PROPIO, RANGO),
    *(ORDENES, ORDENES_ACABADAS, ORDENES_SIN_RESOLVER, TIEMPO_ORDEN),
    *(VELAS, VELA_RETRASO, TIEMPO_DECISION, TIEMPO_VELA),
    *(FLUJO_EDAD, FLUJO_CONEXIONES, FALLOS_SEGUIDOS, COLA, LOG_PERDIDO, BUCLE_RETRASO, TAREAS, ATASCADOS),
    *(RELOJ, FOTO_EDAD, INICIO),
)

# --- the API ---

PETICIONES = Metrica(
    "timonel_api_requests_total", Tipo.COUNTER, "Requests answered.", ("method", "route", "status")
)
TIEMPO_PETICION = _reparto(
    "api_request", "From a request to the end of its answer.", "method", "route", "status"
)
API_RETRASO = _reparto("api_event_loop_delay", "How late the event loop wakes a sleeper.")
DEMONIOS_VIVOS = _indicador("daemons_alive", "Daemons that have given a sign of life in the last 10 s.")
DEMONIO_EDAD = _indicador("daemon_heartbeat_age_seconds", "Since a daemon's last sign of life.", *TITULAR)
CUENTA_EQUITY = _indicador(
    "account_equity_quote", "Newest equity that a daemon has put in the store.", *TITULAR
)
CUENTA_EDAD = _indicador("account_equity_time_seconds", "Market time of it, since 1970.", *TITULAR)
CUENTA_ENCLAVADA = _indicador(
    "account_latched", "1 while account and symbol are locked.", "account", "symbol"
)
DISYUNTOR = _indicador("breaker_open", "1 open, 0.5 on trial, 0 closed.", "account", "symbol", "kind")
ALMACEN = _indicador("store_up", "1 when the shared store answered this request.")

DE_LA_API = (
    *(
        PETICIONES,
        TIEMPO_PETICION,
        API_RETRASO,
        DEMONIOS_VIVOS,
        DEMONIO_EDAD,
        CUENTA_EQUITY,
        CUENTA_EDAD,
        CUENTA_ENCLAVADA,
    ),
    *(DISYUNTOR, ALMACEN),
)

TODAS = (*DEL_DEMONIO, *DE_LA_API)
