"""From starting the daemon to a position that is protected again."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.medida import Cota, Medida, mediana
from caos.procesos import Demonio, Encargo, Mando, simulador
from caos.pruebas import leer_eventos
from caos.terreno import AJUSTES, preparar

_VELAS, _VELAS_RAPIDO = 2_700, 600
_VECES = 5
_LEJOS = {"entorno.max_drawdown_permitido": 0.6}  # an emergency would end the session
_ESPERA_S = 60.0
_STOP = {"call": "POST /fapi/v1/algoOrder", "stage": "after"}
_LISTA = {"call": "GET /fapi/v1/openAlgoOrders", "stage": "after"}


def medir_reinicio(*, rapido: bool) -> list[Medida]:
    """Until the lost stop is at the exchange again, and until one that was never lost is seen."""
    velas = _VELAS_RAPIDO if rapido else _VELAS
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as nombre:
        carpeta = Path(nombre).absolute()
        terreno = preparar(carpeta, velas + 1_000, otros=_LEJOS)
        with simulador(carpeta, terreno.opciones_simulador()) as (mando, _):
            encargo = terreno.encargo(mando.url, AJUSTES)
            _vivir_hasta(mando, encargo, 4 * velas)
            perdido = [_reiniciar(mando, encargo, perdido=True) for _ in range(_VECES)]
            vivo = [_reiniciar(mando, encargo, perdido=False) for _ in range(_VECES)]
        eventos = len(leer_eventos(encargo.diario))
    nota = f"median of {_VECES}; a journal of {eventos:,} events"
    return [
        Medida(
            nombre="restart_to_protected_s",
            valor=mediana(perdido),
            unidad="s",
            cota=Cota(1.0),
            nota=f"exec of live.py until the lost stop is NEW; {nota}, worst {max(perdido):.2f} s",
        ),
        Medida(
            nombre="restart_to_seen_s",
            valor=mediana(vivo),
            unidad="s",
            nota=f"exec of live.py until the stop that lives was listed; {nota}, worst {max(vivo):.2f} s",
        ),
    ]


def _vivir_hasta(mando: Mando, encargo: Encargo, paso: int) -> None:
    """Trade up to a market step, then die with a position open."""
    while True:
        mando.armar({"kind": "hold", "at": {"step": paso}})
        demonio = Demonio(encargo)
        try:
            _esperar(mando, demonio)
        finally:
            demonio.matar()
        mando.soltar()
        (posicion,) = mando.libros()["positions"]
        if float(posicion["quantity"]):
            return
        paso += 4


def _reiniciar(mando: Mando, encargo: Encargo, *, perdido: bool) -> float:
    """Seconds from starting the daemon to the point; it dies there, before the market moves."""
    if perdido:
        mando.armar({"kind": "stop_dropped"})
    mando.armar({"kind": "hold", "at": _STOP if perdido else _LISTA})
    inicio = time.perf_counter()
    demonio = Demonio(encargo)
    try:
        _esperar(mando, demonio)
        return time.perf_counter() - inicio
    finally:
        demonio.matar()
        mando.soltar()


def _esperar(mando: Mando, demonio: Demonio) -> None:
    limite = time.monotonic() + _ESPERA_S
    while not mando.detenciones(1.0):
        if demonio.codigo() is not None or time.monotonic() > limite:
            raise RuntimeError(f"the point was not reached: {demonio.ultimas_palabras()}")
