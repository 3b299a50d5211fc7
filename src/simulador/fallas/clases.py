"""The closed sets of fault injection: kinds, occasions, and where a kind acts."""

from __future__ import annotations

from enum import Enum, StrEnum


class Clase(StrEnum):
    """Every kind of fault."""

    LOSE_ANSWER = "lose_answer"
    LOSE_REQUEST = "lose_request"
    LATE_ANSWER = "late_answer"
    HTTP_503_UNKNOWN = "http_503_unknown"
    HTTP_503_UNAVAILABLE = "http_503_unavailable"
    HTTP_503_NO_JSON = "http_503_no_json"
    HTTP_500 = "http_500"
    HTTP_502 = "http_502"
    HTTP_504 = "http_504"
    ERROR_1006 = "error_1006"
    ERROR_1007 = "error_1007"
    ERROR_1008 = "error_1008"
    REJECT = "reject"
    STOP_4130 = "stop_4130"
    RATE_LIMIT = "rate_limit"
    REST_LAG = "rest_lag"
    PARTIAL_FILL = "partial_fill"
    HOLD = "hold"
    CLOCK_SKEW = "clock_skew"
    OUTAGE = "outage"
    DISCONNECT = "disconnect"
    SILENCE = "silence"
    EXPIRE_LISTEN_KEY = "expire_listen_key"
    BURST = "burst"
    PRICE_JUMP = "price_jump"
    WIDE_SPREAD = "wide_spread"
    STOP_DROPPED = "stop_dropped"
    CLOSED_BY_HAND = "closed_by_hand"
    LIQUIDATED = "liquidated"
    KLINE = "kline"
    STOP_STUCK = "stop_stuck"
    STOP_CHILD_EXPIRED = "stop_child_expired"
    STOP_CHILD_PARTIAL = "stop_child_partial"
    STOP_IGNORED = "stop_ignored"
    ALGO_REORDER = "algo_reorder"


class Ocasion(StrEnum):
    """What can bring a fault about."""

    CALL = "call"  # a REST request arrives
    STEP = "step"  # the market takes a step
    CANDLE = "candle"  # the market takes the step that closes a candle
    EVENT = "event"  # a user event was sent
    TRIGGER = "trigger"  # the price meets the trigger of a conditional order
    NOW = "now"


class Momento(StrEnum):
    """Which side of its occasion a fault acts on."""

    BEFORE = "before"
    AFTER = "after"


class Familia(Enum):
    """How a kind acts, which decides the occasions that it can have."""

    RESPUESTA = "what one REST request is answered"
    INMEDIATA = "something happens to the exchange or its sockets"
    VELA = "what becomes of a closed candle's message"
    DISPARO = "what becomes of a triggered stop"


class Enchufado(StrEnum):
    """Sockets that a fault is about."""

    MARKET = "market"
    USER = "user"
    ALL = "all"


class Perdida(StrEnum):
    """How an answer fails to come."""

    DROP = "drop"
    SILENCE = "silence"


class Cierre(StrEnum):
    """How sockets are closed."""

    CLOSE = "close"
    ABORT = "abort"


class MalaVela(StrEnum):
    """What becomes of a closed candle's message."""

    LATE = "late"
    MISSING = "missing"
    DUPLICATED = "duplicated"
    OUT_OF_ORDER = "out_of_order"
