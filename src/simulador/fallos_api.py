"""The errors a client is answered with: Binance's codes, texts and HTTP status."""

from __future__ import annotations

_MENSAJES = {
    -1003: "Too many requests; current limit is {limite} requests per minute.",
    -1015: "Too many new orders; current limit is {limite} orders per {intervalo}.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1100: "Illegal characters found in parameter '{nombre}'.",
    -1102: "Mandatory parameter '{nombre}' was not sent, was empty/null, or malformed.",
    -1106: "Parameter '{nombre}' sent when not required.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1125: "This listenKey does not exist.",
    -1128: "Combination of optional parameters invalid.",
    -1130: "Data sent for parameter '{nombre}' is not valid.",
    -1131: "recvWindow must be less than 60000.",
    -2007: "Invalid callBack rate.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2019: "Margin is insufficient.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4002: "Price greater than max price.",
    -4003: "Quantity less than or equal to zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4001: "Price less than 0.",
    -4006: "Stop price less than zero.",
    -4007: "Stop price greater than max price.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id length should not be more than 36 chars.",
    -4016: "Limit price can't be higher than {limite}.",
    -4023: "Qty not increased by step size.",
    -4024: "Limit price can't be lower than {limite}.",
    -4025: "Max num of open orders reached.",
    -4028: "Leverage {apalancamiento} is not valid.",
    -4045: "Reach max stop order limit.",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4055: "Amount must be positive.",
    -4059: "No need to change position side.",
    -4061: "Order's position side does not match user's setting.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4082: "Invalid number of batch place orders; at most {limite}.",
    -4083: "Invalid number of batch cancel orders; at most {limite}.",
    -4116: "ClientOrderId is duplicated.",
    -4118: "ReduceOnly Order Failed. Please check your existing position and open orders.",
    -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    -4130: "An open stop or take profit order with GTE and closePosition in the direction is existing.",
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    -4136: "Target strategy invalid for orderType {tipo},closePosition true",
    -4137: "Quantity must be zero with closePosition equals true",
    -4161: "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    -4164: "Order's notional must be no smaller than {minimo} (unless you choose reduce only).",
    -4509: (
        "Time in Force (TIF) GTE can only be used with open positions. "
        "Please ensure that positions are available."
    ),
    -5000: "Path {ruta}, Method {metodo} is invalid.",
    -5021: "Due to the order could not be filled immediately, the FOK order has been rejected.",
    -5022: "Due to the order could not be executed as maker, the Post Only order will be rejected.",
}
_ESTADOS = {-1003: 429, -1015: 429, -2014: 401, -2015: 401, -5000: 404}


class _Datos(dict[str, object]):
    """What a text names; what was not given is left open."""

    def __missing__(self, nombre: str) -> str:
        return "?"


def mensaje_de(codigo: int, **datos: object) -> str:
    """Binance's text of a code, or a general one when the code is not known here."""
    return _MENSAJES.get(codigo, "The request was rejected.").format_map(_Datos(datos))


class ErrorApi(Exception):
    """A request that the exchange refuses.

    Args:
        codigo: Binance's negative code.
        estado: HTTP status; the code's usual one when omitted.
        datos: What the text of the code names.
    """

    def __init__(self, codigo: int, *, estado: int | None = None, **datos: object) -> None:
        self.codigo = codigo
        self.mensaje = _MENSAJES[codigo].format(**datos)
        self.estado = estado if estado is not None else _ESTADOS.get(codigo, 400)
        super().__init__(f"{codigo}: {self.mensaje}")

    def cuerpo(self) -> dict[str, object]:
        """The JSON that the client reads."""
        return {"code": self.codigo, "msg": self.mensaje}
