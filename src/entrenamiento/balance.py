"""What the rows of one run amount to: its curve, its closed operations and its costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from src.entrenamiento.trayecto import Renglon, Trayecto
from src.nucleo.metricas import Costos, Curva
from src.nucleo.registro import Celda, Fila, StatusFila
from src.nucleo.tipos import Matriz, TipoAccion

if TYPE_CHECKING:
    from src.graficos.datos import DatosGrafico, TramoPosicion

_DE_VELA = frozenset({StatusFila.OK.value, StatusFila.RECHAZADA.value, StatusFila.FIN.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One run; points are its closed candles, amounts in margin asset."""

    tiempo_ms: npt.NDArray[np.int64]  # (n,) close of the candle, UTC
    curva: Curva  # (n,)
    accion: Matriz  # (n,) −1 … 1; NaN where nothing was decided
    netos: Matriz  # (operations,) result of each closed one after commission and funding
    nocional: Matriz  # (fills,) at the row's price, quote asset
    costos: Costos
    renglones: Sequence[Renglon]

    def para_grafico(self, moneda: str) -> DatosGrafico:
        """The run as the plots want it."""
        from src.graficos.datos import DatosGrafico

        return DatosGrafico(
            tiempo_ms=self.tiempo_ms,
            precio=self.curva.precio,
            equity=self.curva.equity,
            exposicion=self.curva.exposicion,
            accion=self.accion,
            posiciones=tuple(_posiciones(self.renglones)),
            moneda=moneda,
        )


def hacer_balance(renglones: Sequence[Renglon], trayecto: Trayecto) -> Balance:
    """Gather what metrics and plots need of one run.

    The first point is the account before any operation; the others are marked after the candle's order.
    """
    filas = [renglon.fila for renglon in renglones]
    velas = [renglon for renglon in renglones if renglon.fila["status"] in _DE_VELA]
    precio = _columna(velas, "precio")
    equity = _columna(velas, "equity")
    exposicion = np.zeros(len(velas))
    np.divide([_nocional_con_signo(renglon) for renglon in velas], equity, out=exposicion, where=equity > 0.0)
    equity[0] = trayecto.pasos[0].antes.saldo
    saldos = [trayecto.pasos[0].antes.saldo, *(numero(fila["balance"]) for fila in filas if _cierra(fila))]
    return Balance(
        tiempo_ms=np.array([renglon.instante_ms for renglon in velas], dtype=np.int64),
        curva=Curva(equity, precio, exposicion),
        accion=np.array([_o_nan(renglon.fila["action"]) for renglon in velas]),
        netos=np.round(np.diff(saldos), 8),
        nocional=np.array([numero(fila["cantidad"]) * numero(fila["precio"]) for fila in filas]),
        costos=Costos(
            comisiones=float(_columna(renglones, "comision").sum()),
            slippage=float(_columna(renglones, "slippage").sum()),
            funding=sum(paso.funding for paso in trayecto.pasos),
        ),
        renglones=renglones,
    )


def _columna(renglones: Sequence[Renglon], nombre: str) -> Matriz:
    return np.array([numero(renglon.fila[nombre]) for renglon in renglones], dtype=np.float64)


def _cierra(fila: Fila) -> bool:
    """Whether the row took a position to flat."""
    return fila["trade_id"] is not None and not fila["posicion_abierta"]


def _nocional_con_signo(renglon: Renglon) -> float:
    fila = renglon.fila
    lado = -1.0 if fila["tipo_posicion_activa"] == TipoAccion.SHORT else 1.0
    return lado * numero(fila["cantidad_activa"]) * numero(fila["precio"])


def _posiciones(renglones: Sequence[Renglon]) -> Iterator[TramoPosicion]:
    from src.graficos.datos import TramoPosicion

    abierta: TramoPosicion | None = None
    for instante_ms, fila in renglones:
        if fila["trade_id"] is None:
            continue
        if abierta is None:
            largo = fila["tipo_posicion"] == TipoAccion.LONG
            abierta = TramoPosicion(largo, instante_ms, numero(fila["precio_entrada"]), None, None)
        if _cierra(fila):
            yield abierta._replace(salida_ms=instante_ms, precio_salida=numero(fila["precio_salida"]))
            abierta = None
    if abierta is not None:
        yield abierta


def numero(celda: Celda) -> float:
    """A cell as a number; an empty one is 0.0."""
    return float(celda) if isinstance(celda, int | float) else 0.0


def _o_nan(celda: Celda) -> float:
    return float(celda) if isinstance(celda, int | float) else float("nan")
