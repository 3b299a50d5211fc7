"""Candles on Binance's grid: which interval they have, where they are missing, how to fill them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from src.datos.tabla import Enteros, TablaVelas, Ubicar, por_fila
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.nucleo.intervalos import (
    DIA_MS,
    INTERVALOS,
    MES,
    apertura_de,
    siguiente_apertura,
    validar_intervalo,
)

_PASOS_MS = {intervalo: siguiente_apertura(0, intervalo) for intervalo in INTERVALOS if intervalo != MES}
_INTERVALO_DE_PASO = {paso: intervalo for intervalo, paso in _PASOS_MS.items()}
_LARGOS_DE_MES_MS = frozenset(dias * DIA_MS for dias in (28, 29, 30, 31))


class Hueco(NamedTuple):
    """A run of missing candles."""

    desde_ms: int  # open time of the first missing candle
    hasta_ms: int  # open time of the last missing candle
    faltan: int


def fecha(instante_ms: int) -> str:
    """An instant as people read it, UTC."""
    precision = "milliseconds" if instante_ms % 1000 else "seconds"
    texto = datetime.fromtimestamp(instante_ms / 1000, UTC).isoformat(timespec=precision)
    return texto.replace("+00:00", "Z")


def inferir_intervalo(tabla: TablaVelas) -> str:
    """The interval that most neighbouring candles are apart.

    Raises:
        DatosInvalidos: There are fewer than two candles, or Binance has no such interval.
    """
    if len(tabla) < 2:
        raise DatosInvalidos(
            f"{tabla.origen}: {len(tabla)} candle does not tell its interval. "
            "Name the interval, or give more candles."
        )
    pasos, veces = np.unique(np.diff(tabla.apertura_ms), return_counts=True)
    paso = int(pasos[np.argmax(veces)])
    intervalo = MES if paso in _LARGOS_DE_MES_MS else _INTERVALO_DE_PASO.get(paso)
    if intervalo is None:
        raise DatosInvalidos(
            f"{tabla.origen}: candles are {paso} ms apart, which is no interval of Binance's "
            f"({', '.join(INTERVALOS)}). Resample them to one of these."
        )
    return intervalo


def validar_rejilla(tabla: TablaVelas, intervalo: str, ubicar: Ubicar = por_fila) -> None:
    """Check that the candles have this interval and open on its grid.

    Raises:
        DatosInvalidos: Another interval, or the first candle off the grid.
    """
    validar_intervalo(intervalo)
    if len(tabla) >= 2:
        inferido = inferir_intervalo(tabla)
        if inferido != intervalo:
            raise DatosInvalidos(
                f"{tabla.origen}: the candles are {inferido}, but {intervalo} was asked for. "
                f"Give a file of {intervalo} candles, or ask for {inferido}."
            )
    if not len(tabla):
        return
    rejilla = _en_rejilla(tabla.apertura_ms, intervalo)
    for indice in np.flatnonzero(tabla.apertura_ms != rejilla)[:1]:
        apertura, correcta = int(tabla.apertura_ms[indice]), int(rejilla[indice])
        raise DatosInvalidos(
            f"{tabla.origen} {ubicar(int(indice))}: open_time is '{apertura}' ({fecha(apertura)}), "
            f"which is off the {intervalo} grid; the candle of that instant opens at {correcta} "
            f"({fecha(correcta)}). Remove or correct the row."
        )


def _en_rejilla(apertura_ms: Enteros, intervalo: str) -> Enteros:
    """The grid's open time at or before each instant."""
    if intervalo == MES:
        return _meses(apertura_ms).astype("datetime64[ms]").astype(np.int64)
    ancla = apertura_de(int(apertura_ms[0]), intervalo)
    paso = _PASOS_MS[intervalo]
    return (apertura_ms - ancla) // paso * paso + ancla


def _meses(apertura_ms: Enteros) -> npt.NDArray[np.datetime64]:
    return apertura_ms.astype("datetime64[ms]").astype("datetime64[M]")


def _ordinales(apertura_ms: Enteros, intervalo: str) -> Enteros:
    """The number of each candle on the grid, counted from the first one."""
    if intervalo == MES:
        ordinales = _meses(apertura_ms).astype(np.int64)
    else:
        ordinales = apertura_ms // _PASOS_MS[intervalo]
    relativos: Enteros = ordinales - ordinales[0]
    return relativos


def _aperturas(primera_ms: int, ordinales: Enteros, intervalo: str) -> Enteros:
    """Open times of the candles with these numbers; the reverse of `_ordinales`."""
    if intervalo == MES:
        meses: npt.NDArray[np.datetime64] = _meses(np.array([primera_ms], dtype=np.int64)) + ordinales
        return meses.astype("datetime64[ms]").astype(np.int64)
    return primera_ms + ordinales * _PASOS_MS[intervalo]


def velas_entre(desde_ms: int, hasta_ms: int, intervalo: str) -> int:
    """How many candles open in ``[desde_ms, hasta_ms)``; 0 when the range is empty."""
    if hasta_ms <= desde_ms:
        return 0
    extremos = np.array([desde_ms, hasta_ms], dtype=np.int64) - 1
    primera, ultima = _ordinales(_en_rejilla(extremos, intervalo), intervalo)
    return int(ultima - primera)


def buscar_huecos(tabla: TablaVelas, intervalo: str) -> list[Hueco]:
    """Runs of missing candles between the first and the last one, oldest first.

    Raises:
        DatosInvalidos: A candle is off the interval's grid.
    """
    validar_rejilla(tabla, intervalo)
    if len(tabla) < 2:
        return []
    ordinales = _ordinales(tabla.apertura_ms, intervalo)
    saltos = np.diff(ordinales)
    huecos = []
    for indice in np.flatnonzero(saltos > 1):
        antes, despues = int(tabla.apertura_ms[indice]), int(tabla.apertura_ms[indice + 1])
        huecos.append(
            Hueco(
                siguiente_apertura(antes, intervalo),
                siguiente_apertura(despues, intervalo, -1),
                int(saltos[indice]) - 1,
            )
        )
    return huecos


def describir_huecos(huecos: list[Hueco], intervalo: str) -> str:
    """One sentence: how many candles are missing, and where first."""
    primero = huecos[0]
    total = sum(hueco.faltan for hueco in huecos)
    return (
        f"{total} {intervalo} candle{'s' if total > 1 else ''} missing in {len(huecos)} "
        f"gap{'s' if len(huecos) > 1 else ''}; the first gap, of {primero.faltan}, goes from "
        f"{fecha(primero.desde_ms)} to {fecha(primero.hasta_ms)}"
    )


def validar_continuidad(tabla: TablaVelas, intervalo: str) -> None:
    """Check that no candle is missing.

    Raises:
        DatosInvalidos: Candles are missing; names the first gap, all there are, and the remedy.
    """
    huecos = buscar_huecos(tabla, intervalo)
    if huecos:
        raise DatosInvalidos(
            f"{tabla.origen}: {describir_huecos(huecos, intervalo)}. Fill them with flat candles at the last "
            "close (`interpol_method: ffill`), or choose a span without them."
        )


def rellenar_huecos(tabla: TablaVelas, intervalo: str, metodo: str = "ffill") -> TablaVelas:
    """Fill missing candles causally: flat at the last close, volume 0.

    Raises:
        ConfiguracionInvalida: Any method but ``ffill``, because it would use prices of the future.
        DatosInvalidos: A candle is off the interval's grid.
    """
    if metodo != "ffill":
        raise ConfiguracionInvalida(
            f"interpol_method is '{metodo}'; it would fill a missing candle with prices that were not known "
            "yet, which no live agent can do. Use ffill: flat candles at the last close, volume 0."
        )
    if not buscar_huecos(tabla, intervalo):
        return tabla
    presentes = _ordinales(tabla.apertura_ms, intervalo)
    todas = np.arange(presentes[-1] + 1, dtype=np.int64)
    ultima = np.searchsorted(presentes, todas, side="right") - 1
    falta = presentes[ultima] != todas
    plano = tabla.close[ultima]
    return TablaVelas(
        apertura_ms=_aperturas(int(tabla.apertura_ms[0]), todas, intervalo),
        open=np.where(falta, plano, tabla.open[ultima]),
        high=np.where(falta, plano, tabla.high[ultima]),
        low=np.where(falta, plano, tabla.low[ultima]),
        close=plano,
        volume=np.where(falta, 0.0, tabla.volume[ultima]),
        origen=tabla.origen,
    )
