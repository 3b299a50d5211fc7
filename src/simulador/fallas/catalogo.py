"""The catalogue of every kind of fault."""

from __future__ import annotations

from src.simulador.fallas.clases import Cierre, Clase, Enchufado, Familia, MalaVela, Perdida
from src.simulador.fallas.ficha import Ficha, Parametro

_COLOCAR_STOP = "POST /fapi/v1/algoOrder"


def _ejecutada(defecto: bool) -> Parametro:
    return Parametro("executed", defecto, "whether the request was carried out all the same")


def _segundos(defecto: float, explicacion: str) -> Parametro:
    return Parametro("seconds", defecto, explicacion, minimo=0.0, maximo=3_600.0)


def _enchufes(defecto: Enchufado) -> Parametro:
    return Parametro("sockets", defecto.value, "which sockets", opciones=tuple(Enchufado))


_COMO_SE_PIERDE = (
    Parametro(
        "how",
        Perdida.DROP.value,
        "'drop' closes the connection at once, 'silence' leaves it open without a word",
        opciones=tuple(Perdida),
    ),
    _segundos(15.0, "wall seconds of 'silence' before the connection is closed"),
)
_CUENTA = Parametro("account", "", "API key of the account; empty for all")
_SIMBOLO = Parametro("symbol", "", "symbol; empty for all")

_FICHAS = (
    Ficha(
        Clase.LOSE_ANSWER, Familia.RESPUESTA, "The request is carried out; no answer comes.", _COMO_SE_PIERDE
    ),
    Ficha(
        Clase.LOSE_REQUEST,
        Familia.RESPUESTA,
        "The request is not carried out; no answer comes.",
        _COMO_SE_PIERDE,
    ),
    Ficha(
        Clase.LATE_ANSWER,
        Familia.RESPUESTA,
        "The request is carried out and answered late: its events reach the user stream first.",
        (Parametro("ms", 500, "wall milliseconds between execution and answer", minimo=1, maximo=600_000),),
    ),
    Ficha(
        Clase.HTTP_503_UNKNOWN,
        Familia.RESPUESTA,
        "503 'Unknown error, please check your request or try again later.'",
        (_ejecutada(True),),
    ),
    Ficha(
        Clase.HTTP_503_UNAVAILABLE,
        Familia.RESPUESTA,
        "503 'Service Unavailable.'; the request is not carried out.",
    ),
    Ficha(
        Clase.HTTP_503_NO_JSON,
        Familia.RESPUESTA,
        "503 from a proxy, in HTML.",
        (_ejecutada(True),),
    ),
    Ficha(Clase.HTTP_500, Familia.RESPUESTA, "500 in HTML.", (_ejecutada(True),)),
    Ficha(Clase.HTTP_502, Familia.RESPUESTA, "502 in HTML.", (_ejecutada(False),)),
    Ficha(Clase.HTTP_504, Familia.RESPUESTA, "504 in HTML.", (_ejecutada(True),)),
    Ficha(
        Clase.ERROR_1006,
        Familia.RESPUESTA,
        "-1006 unexpected response from the message bus, execution unknown.",
        (_ejecutada(True),),
    ),
    Ficha(
        Clase.ERROR_1007,
        Familia.RESPUESTA,
        "-1007 time-out of the exchange's back end, execution unknown.",
        (_ejecutada(True),),
    ),
    Ficha(
        Clase.ERROR_1008,
        Familia.RESPUESTA,
        "-1008 overloaded; not carried out. Reduce-only and close-position orders are exempt: they pass.",
    ),
    Ficha(
        Clase.REJECT,
        Familia.RESPUESTA,
        "A definite refusal with any code.",
        (
            Parametro("code", -2019, "Binance's code", minimo=-9_999, maximo=-1_000, obligatorio=True),
            Parametro("status", 400, "HTTP status", minimo=400, maximo=599),
            Parametro("message", "", "text; the code's own when empty"),
        ),
    ),
    Ficha(
        Clase.STOP_4130,
        Familia.RESPUESTA,
        "-4130: the placement of a conditional order is refused, as beside another closePosition stop.",
        llamada=_COLOCAR_STOP,
    ),
    Ficha(
        Clase.RATE_LIMIT,
        Familia.RESPUESTA,
        "429 with Retry-After for every request of the client; 418 when it insists.",
        (
            _segundos(2.0, "wall seconds until the client is heard again"),
            Parametro("insist", 10, "refused requests after which the answer is 418", minimo=1),
            Parametro("ban_seconds", 120.0, "wall seconds of the 418", minimo=0.0, maximo=3_600.0),
        ),
        llamada="*",
    ),
    Ficha(
        Clase.REST_LAG,
        Familia.RESPUESTA,
        "The request is carried out, but reads go on telling what was before it: a new order is -2013.",
        (Parametro("reads", 3, "stale answers of each route; the next market step ends them", minimo=1),),
    ),
    Ficha(
        Clase.PARTIAL_FILL,
        Familia.RESPUESTA,
        "A MARKET order fills in several trades at one price; below 'filled' 1 the rest ends EXPIRED.",
        (
            Parametro("pieces", 3, "trades", minimo=1, maximo=100),
            Parametro("filled", 1.0, "share of the quantity that fills", minimo=0.0, maximo=1.0),
        ),
    ),
    Ficha(
        Clase.HOLD,
        Familia.INMEDIATA,
        "The exchange freezes at this point until POST /sim/v1/holds/release; needs --control.",
    ),
    Ficha(
        Clase.CLOCK_SKEW,
        Familia.INMEDIATA,
        "The exchange's clock is moved: -1021 for those who do not read it again.",
        (
            Parametro(
                "ms",
                -2_000,
                "market milliseconds; < 0 puts it back",
                minimo=-3_600_000,
                maximo=3_600_000,
                obligatorio=True,
            ),
        ),
    ),
    Ficha(
        Clase.OUTAGE,
        Familia.INMEDIATA,
        "All sockets are cut and every connection is reset for a while.",
        (_segundos(30.0, "wall seconds"),),
    ),
    Ficha(
        Clase.DISCONNECT,
        Familia.INMEDIATA,
        "Sockets are closed, as the exchange does every 24 hours; new ones are welcome.",
        (
            _enchufes(Enchufado.ALL),
            _CUENTA,
            Parametro(
                "how",
                Cierre.CLOSE.value,
                "'close' says goodbye, 'abort' does not",
                opciones=tuple(Cierre),
            ),
        ),
    ),
    Ficha(
        Clase.SILENCE,
        Familia.INMEDIATA,
        "Open sockets say nothing more; what is said meanwhile is lost. New sockets speak.",
        (
            _enchufes(Enchufado.MARKET),
            _CUENTA,
            _segundos(0.0, "wall seconds; 0 lasts until the client reconnects"),
            Parametro(
                "steps",
                0,
                "in lockstep, market steps taken without the deaf agents' DONE; then it stands still",
                minimo=0,
            ),
        ),
    ),
    Ficha(
        Clase.EXPIRE_LISTEN_KEY,
        Familia.INMEDIATA,
        "listenKeyExpired is sent; the user sockets stay open and silent.",
        (_CUENTA,),
    ),
    Ficha(
        Clase.BURST,
        Familia.INMEDIATA,
        "Many messages at once: mark prices, book tickers and trades, or account updates without a change.",
        (
            _enchufes(Enchufado.ALL),
            _CUENTA,
            Parametro("messages", 150, "per stream", minimo=1, maximo=100_000),
        ),
    ),
    Ficha(
        Clase.PRICE_JUMP,
        Familia.INMEDIATA,
        "From the next candle on, every price is a share higher or lower.",
        (
            _SIMBOLO,
            Parametro("percent", -10.0, "of the price", minimo=-95.0, maximo=1_000.0, obligatorio=True),
        ),
    ),
    Ficha(
        Clase.WIDE_SPREAD,
        Familia.INMEDIATA,
        "From now on bid and ask lie this far apart, if they do not lie farther apart anyway.",
        (
            _SIMBOLO,
            Parametro(
                "bps",
                50.0,
                "of the price; 0 makes the book what it was",
                minimo=0.0,
                maximo=5_000.0,
                obligatorio=True,
            ),
        ),
    ),
    Ficha(
        Clase.STOP_DROPPED,
        Familia.INMEDIATA,
        "Waiting conditional orders vanish without an event.",
        (_CUENTA, _SIMBOLO),
    ),
    Ficha(
        Clase.CLOSED_BY_HAND,
        Familia.INMEDIATA,
        "Somebody closes the position at market, as on Binance's web page; stops are left where they are.",
        (_CUENTA, _SIMBOLO),
    ),
    Ficha(
        Clase.LIQUIDATED,
        Familia.INMEDIATA,
        "The exchange takes the position over at the mark, as after a wick that is over before it is told.",
        (_CUENTA, _SIMBOLO),
    ),
    Ficha(
        Clase.KLINE,
        Familia.VELA,
        "The message of a closed candle is late, missing, sent twice or out of order.",
        (
            Parametro(
                "how",
                MalaVela.MISSING.value,
                "'late' by some messages of its stream, 'out_of_order' after the next closed candle",
                opciones=tuple(MalaVela),
                obligatorio=True,
            ),
            _SIMBOLO,
            Parametro("messages", 1, "of 'late'", minimo=1),
            Parametro("copies", 1, "more than one message, of 'duplicated'", minimo=1, maximo=1_000),
        ),
    ),
    Ficha(Clase.STOP_STUCK, Familia.DISPARO, "The triggered order stays TRIGGERING: no child order comes."),
    Ficha(Clase.STOP_CHILD_EXPIRED, Familia.DISPARO, "The child order ends EXPIRED with nothing filled."),
    Ficha(Clase.STOP_CHILD_PARTIAL, Familia.DISPARO, "The child order fills half and ends EXPIRED."),
    Ficha(Clase.STOP_IGNORED, Familia.DISPARO, "The trigger is met and nothing happens; the order waits on."),
    Ficha(Clase.ALGO_REORDER, Familia.DISPARO, "The child's fill is told before TRIGGERING and TRIGGERED."),
)
CATALOGO: dict[Clase, Ficha] = {ficha.clase: ficha for ficha in _FICHAS}
