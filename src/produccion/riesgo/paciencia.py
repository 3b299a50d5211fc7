"""How long failures of the exchange are borne before trading is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from src.nucleo.errores import (
    CuentaInexplicable,
    ErrorBolsa,
    FalloPasajero,
    LecturaFallida,
    LimiteExcedido,
    ResultadoIncierto,
)

_ESPERA_INICIAL_S = 0.5
_ESPERA_MAXIMA_S = 30.0
_ESPERA_DESNUDA_S = 1.0  # the longest pause while a position may be without a stop

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Paciencia:
    """Counts failures in a row.

    An exchange that does not answer is waited for, for a shorter time and with shorter pauses while something
    at risk may be without a stop; every other failure counts. Candles and looks at the account are counted
    apart: one going well does not excuse the other.

    Args:
        seguidos_max: Failures in a row that end the patience.
        silencio_max_s: Wall seconds without any answer that end it.
        ceguera_max_s: The same while a position, or one that an order may have opened, is unprotected.
        reloj_s: Monotonic seconds.
    """

    def __init__(
        self,
        seguidos_max: int,
        silencio_max_s: float,
        ceguera_max_s: float,
        reloj_s: Callable[[], float],
    ) -> None:
        self._max = seguidos_max
        self._silencio_max_s = silencio_max_s
        self._ceguera_max_s = ceguera_max_s
        self._reloj_s = reloj_s
        self._seguidos = {False: 0, True: 0}
        self._callada_desde_s: float | None = None
        self._intentos = 0
        self.detalle = ""

    @property
    def seguidos(self) -> int:
        """Failures in a row."""
        return max(self._seguidos.values())

    def alivio(self, *, de_refresco: bool) -> None:
        """Something went well."""
        self._seguidos[de_refresco] = 0
        self._callada_desde_s = None
        self._intentos = 0

    def contar(
        self, fallo: ErrorBolsa, *, de_refresco: bool, protegida: bool, con_prisa: bool = False
    ) -> float | None:
        """Take a failure; returns the pause before the next try, or ``None`` when it is over.

        Args:
            fallo: What failed.
            de_refresco: Whether it was a look at the account.
            protegida: Whether nothing at risk is without a stop.
            con_prisa: Whether the pause is to be short all the same, because that is not known.
        """
        self._intentos += 1
        callada = isinstance(fallo, LecturaFallida | LimiteExcedido) and not isinstance(
            fallo, CuentaInexplicable
        )
        if callada and self._callada_desde_s is None:
            self._callada_desde_s = self._reloj_s()
        elif not callada and not isinstance(fallo, ResultadoIncierto):
            self._callada_desde_s = None
        if not callada:
            self._seguidos[de_refresco] += 1
        seguidos = self.seguidos
        log.error("error_operacional", seguidos=seguidos, intento=self._intentos, motivo=str(fallo))
        if seguidos >= self._max:
            self.detalle = f"{seguidos} errors in a row, the last: {fallo}"
            return None
        if self._callada_desde_s is not None:
            silencio_s = self._reloj_s() - self._callada_desde_s
            if silencio_s >= (self._silencio_max_s if protegida else self._ceguera_max_s):
                self.detalle = f"the exchange has not answered for {silencio_s:.0f} s, the last: {fallo}"
                return None
        mayor_s = _ESPERA_MAXIMA_S if protegida and not con_prisa else _ESPERA_DESNUDA_S
        espera_s = min(mayor_s, _ESPERA_INICIAL_S * 2.0 ** min(self._intentos - 1, 10))
        return max(espera_s, fallo.espera_s) if isinstance(fallo, LimiteExcedido) else espera_s


async def insistir(paso: Callable[[], Awaitable[T]], paciencia: Paciencia) -> T:
    """Do something at the exchange, again while it does not answer and patience lasts.

    Raises:
        ErrorBolsa: The exchange refused it, or patience is over.
    """
    while True:
        try:
            resultado = await paso()
        except (LecturaFallida, LimiteExcedido, FalloPasajero, ResultadoIncierto) as fallo:
            espera_s = paciencia.contar(fallo, de_refresco=False, protegida=True, con_prisa=True)
            if espera_s is None:
                raise
        else:
            paciencia.alivio(de_refresco=False)
            return resultado
        await asyncio.sleep(espera_s)
