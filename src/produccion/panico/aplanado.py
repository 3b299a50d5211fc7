"""Flattens symbols of an account with nothing but a client of the exchange."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from src.produccion.panico.cliente_minimo import ClienteMinimo, Rechazada, SinRespuesta
from src.produccion.panico.seguimiento import Seguimiento

SIN_REMEDIO = frozenset({-1121, -1022, -2014, -2015})
"""Codes of what an operator gave wrong: the symbol, or the keys."""

_REDUCCION_RECHAZADA = frozenset({-2022, -4118})
_PREFIJO = "panic-"  # not that of the daemon, which is to book these orders as somebody else's
_ESPERA_MAXIMA_S = 10.0
_ENTRE_LECTURAS_S = 1.0
_FILAS_POR_PAGINA = 1_000
_VUELO_S = 6.0
"""After this long a request that nobody answered can no longer arrive."""


class PosicionViva(NamedTuple):
    """One row of ``positionRisk`` with an amount."""

    simbolo: str
    cantidad: Decimal  # signed
    lado: str  # BOTH, or LONG and SHORT in hedge mode


class PosicionDudosa(Exception):
    """What was read contradicts what is known to have been filled: it has to be read again."""


@dataclass
class Relato:
    """Says what is done while it is done, and keeps it."""

    decir: Callable[[str], None]
    lineas: list[str] = field(default_factory=list)

    def __call__(self, linea: str) -> None:
        """Tell one line."""
        self.lineas.append(linea)
        self.decir(linea)


class Panico:
    """Flattens symbols of one account.

    Args:
        cliente: Asks the exchange.
        relato: Gets a line for everything that is done.
        plazo_s: Wall seconds after which a symbol that is not flat is given up.
        reloj: Wall seconds.
    """

    def __init__(
        self,
        cliente: ClienteMinimo,
        relato: Relato,
        plazo_s: float,
        reloj: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cliente = cliente
        self._relato = relato
        self._plazo_s = plazo_s
        self._reloj = reloj
        self._maximos: dict[str, Decimal] = {}

    def simbolos(self) -> list[str]:
        """Every symbol on which the account has a position, a resting order or a conditional one."""
        posiciones = {p.simbolo for p in self.posiciones()}
        ordenes = {str(fila["symbol"]) for fila in self.ordenes() + self.condicionales()}
        return sorted(posiciones | ordenes)

    def posiciones(self, simbolo: str | None = None) -> list[PosicionViva]:
        """What is held."""
        filas = self._cliente.leer("/fapi/v3/positionRisk", **_solo(simbolo))
        todas = [
            PosicionViva(str(f["symbol"]), Decimal(str(f["positionAmt"])), str(f.get("positionSide", "BOTH")))
            for f in filas
        ]
        return [p for p in todas if p.cantidad != 0 and simbolo in (None, p.simbolo)]

    def ordenes(self, simbolo: str | None = None) -> list[dict[str, Any]]:
        """Orders that rest on the book."""
        return list(self._cliente.leer("/fapi/v1/openOrders", **_solo(simbolo)))

    def condicionales(self, simbolo: str | None = None) -> list[dict[str, Any]]:
        """Conditional orders that wait."""
        return list(self._cliente.leer("/fapi/v1/openAlgoOrders", **_solo(simbolo)))

    def listar(self, simbolo: str) -> bool:
        """Tell what there is on a symbol; true when it is flat and nothing rests."""
        posiciones, ordenes = self.posiciones(simbolo), self.ordenes(simbolo)
        condicionales = self.condicionales(simbolo)
        for posicion in posiciones:
            self._relato(f"{simbolo}: position {posicion.cantidad} {posicion.lado}: would be closed")
        for orden in ordenes:
            self._relato(
                f"{simbolo}: resting order {orden['clientOrderId']} {orden['side']}: would be cancelled"
            )
        for algo in condicionales:
            que = f"{algo['clientAlgoId']} {algo['side']} at {algo['triggerPrice']}"
            self._relato(f"{simbolo}: conditional order {que}: would be cancelled")
        return not (posiciones or ordenes or condicionales)

    def aplanar(self, simbolo: str) -> bool:
        """Cancel what rests, close the position, verify, cancel the stops.

        Returns:
            Whether the exchange says that the symbol is flat and that nothing rests on it.

        Raises:
            Rechazada: For what no trying again would mend: keys or symbol.
        """
        limite_s, espera_s, negadas = self._reloj() + self._plazo_s, 0.5, 0
        seguimiento = Seguimiento()
        while True:
            pausa_s = None
            try:
                codigo = self._intentar(simbolo, negadas, seguimiento)
                if codigo is None and self._limpiar(simbolo, seguimiento):
                    self._relato(f"{simbolo}: verified flat, nothing rests")
                    return True
                negadas = negadas + 1 if codigo in _REDUCCION_RECHAZADA else 0
            except PosicionDudosa as fallo:
                self._relato(f"{simbolo}: {fallo}")
                pausa_s = _ENTRE_LECTURAS_S
            except SinRespuesta as fallo:
                self._relato(f"{simbolo}: {fallo}; looking at the position again")
            except Rechazada as fallo:
                if fallo.codigo in SIN_REMEDIO:
                    raise
                self._relato(f"{simbolo}: refused: {fallo}")
                espera_s = max(espera_s, fallo.espera_s)
            if self._reloj() > limite_s:
                self._relato(f"{simbolo}: NOT FLAT for certain after {self._plazo_s:.0f} s; giving up")
                return False
            self._cliente.dormir(pausa_s or espera_s)
            espera_s = min(_ESPERA_MAXIMA_S, espera_s * 2)

    def _intentar(self, simbolo: str, negadas: int, seguimiento: Seguimiento) -> int | None:
        """Send what closes the position; the code of a refusal, 0 for another look, ``None`` when flat."""
        self._cancelar_ordenes(simbolo)
        if negadas:
            self._cancelar_condicionales(simbolo)
        posiciones = self._leer_posiciones(simbolo, seguimiento)
        reduciendo = negadas < 2
        if posiciones and not reduciendo and not seguimiento.firme(self._reloj()):
            raise PosicionDudosa("the position has to be read for longer before a plain order goes out")
        for posicion in posiciones:
            for cantidad in _trozos(abs(posicion.cantidad), self._maximo(simbolo)):
                codigo = self._cerrar(posicion, cantidad, seguimiento, reduciendo=reduciendo)
                if codigo is not None:
                    return codigo
        return 0 if posiciones else None

    def _leer_posiciones(self, simbolo: str, seguimiento: Seguimiento) -> list[PosicionViva]:
        """What is held.

        Raises:
            PosicionDudosa: The reading may be an old one.
        """
        empieza = seguimiento.desde_id is None
        if empieza:
            self._leer_operaciones(simbolo, seguimiento)
        posiciones = self.posiciones(simbolo)
        if not empieza:
            self._leer_operaciones(simbolo, seguimiento)
        leido = {posicion.lado: posicion.cantidad for posicion in posiciones}
        if not seguimiento.valen(leido, self._reloj()):
            cuanto = ", ".join(str(cantidad) for cantidad in leido.values()) or "nothing"
            raise PosicionDudosa(f"the position reads {cuanto}, which may be out of date; reading again")
        return posiciones

    def _leer_operaciones(self, simbolo: str, seguimiento: Seguimiento) -> None:
        """What was filled; not being told must not keep the exit from going out."""
        # From the first one on would be those of years ago; without it only the newest are listed.
        desde = {"fromId": seguimiento.desde_id} if seguimiento.desde_id else {}
        try:
            filas = self._cliente.pedir(
                "GET", "/fapi/v1/userTrades", symbol=simbolo, limit=_FILAS_POR_PAGINA, **desde
            )
        except (Rechazada, SinRespuesta) as fallo:
            if isinstance(fallo, Rechazada) and fallo.codigo in SIN_REMEDIO:
                raise
            self._relato(f"{simbolo}: the fills could not be read: {fallo}")
        else:
            seguimiento.tomar_lista(filas)

    def _cerrar(
        self, posicion: PosicionViva, cantidad: Decimal, seguimiento: Seguimiento, *, reduciendo: bool
    ) -> int | None:
        """One market order; the code of a refusal."""
        lado = "SELL" if posicion.cantidad > 0 else "BUY"
        if posicion.lado != "BOTH":
            condicion = {"positionSide": posicion.lado}
        else:
            condicion = {"reduceOnly": "true"} if reduciendo else {}
        texto = f"{posicion.simbolo}: {lado} {cantidad} at market" + (", reduce-only" if reduciendo else "")
        try:
            hecha = self._cliente.pedir(
                "POST",
                "/fapi/v1/order",
                symbol=posicion.simbolo,
                side=lado,
                type="MARKET",
                quantity=f"{cantidad:f}",
                newOrderRespType="RESULT",
                newClientOrderId=f"{_PREFIJO}{secrets.token_hex(8)}",
                **condicion,
            )
            if not isinstance(hecha, dict) or "status" not in hecha:
                raise SinRespuesta("the answer to the order cannot be read")
        except Rechazada as fallo:
            self._relato(f"{texto}: refused: {fallo}")
            if fallo.espera_s:
                self._cliente.dormir(fallo.espera_s)
            return fallo.codigo
        except SinRespuesta:
            self._relato(f"{texto}: sent")
            if not condicion:
                # Nothing keeps a late one from opening the other side: wait until it cannot be late.
                self._cliente.dormir(_VUELO_S)
            raise
        seguimiento.tomar_respuesta(hecha, posicion.lado, 1 if lado == "BUY" else -1)
        self._relato(f"{texto}: {hecha['status']}, executed {hecha.get('executedQty', '?')}")
        return None

    def _limpiar(self, simbolo: str, seguimiento: Seguimiento) -> bool:
        """Flat: take the stops back; whether nothing is left, read after everything else.

        Raises:
            PosicionDudosa: Stops wait, so there was a position, and nothing is known to have closed it yet.
        """
        if seguimiento.a_ciegas and not seguimiento.firme(self._reloj()) and self.condicionales(simbolo):
            raise PosicionDudosa("flat, but stops wait as if it were not; reading for longer")
        self._cancelar_condicionales(simbolo)
        quedan = self.condicionales(simbolo) or self.ordenes(simbolo)
        return not quedan and not self._leer_posiciones(simbolo, seguimiento)

    def _cancelar_ordenes(self, simbolo: str) -> None:
        ordenes = self.ordenes(simbolo)
        if ordenes:
            self._cancelar("/fapi/v1/allOpenOrders", simbolo, f"{len(ordenes)} resting order(s)")

    def _cancelar_condicionales(self, simbolo: str) -> None:
        algos = self.condicionales(simbolo)
        if algos:
            self._cancelar("/fapi/v1/algoOpenOrders", simbolo, f"{len(algos)} conditional order(s)")

    def _cancelar(self, ruta: str, simbolo: str, que: str) -> None:
        """A failure is told; what is left is looked at again, and must not keep the exit from going out."""
        try:
            self._cliente.pedir("DELETE", ruta, symbol=simbolo)
        except (Rechazada, SinRespuesta) as fallo:
            self._relato(f"{simbolo}: cancelling {que} failed: {fallo}")
        else:
            self._relato(f"{simbolo}: cancelled {que}")

    def _maximo(self, simbolo: str) -> Decimal | None:
        """The largest market order of a symbol; ``None`` when the exchange does not say."""
        if not self._maximos:
            for fila in self._cliente.leer_publico("/fapi/v1/exchangeInfo")["symbols"]:
                filtros = {filtro["filterType"]: filtro for filtro in fila["filters"]}
                if "MARKET_LOT_SIZE" in filtros:
                    maximo = Decimal(str(filtros["MARKET_LOT_SIZE"]["maxQty"]))
                    self._maximos[str(fila["symbol"])] = maximo
        return self._maximos.get(simbolo)


def _solo(simbolo: str | None) -> dict[str, object]:
    return {} if simbolo is None else {"symbol": simbolo}


def _trozos(cantidad: Decimal, maximo: Decimal | None) -> list[Decimal]:
    if not maximo or cantidad <= maximo:
        return [cantidad]
    enteros = int(cantidad // maximo)
    resto = cantidad - enteros * maximo
    return [maximo] * enteros + ([resto] if resto else [])
