"""From the bytes of a mark price that demands protection to the protective order's bytes on the socket."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import aiohttp

from bench.banco import PoliticaAlterna, conexion, lugar_de, velas_de_calentamiento
from bench.cronometro import Cronometro
from bench.decision import servidor
from bench.medida import Cota, Medida, mediana, percentil
from bench.mercado_falso import Mensaje, SesionFalsa, mensaje_mark
from bench.servidor import PRECIO
from bench.taller import INTERVALO, Taller, abrir_taller, escribir_artefacto
from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.nucleo.errores import EmergenciaDrawdown
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.tipos import Observacion, Vela
from src.produccion.bitacora import enmudecida
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.diario.recuerdo import recordar_todo
from src.produccion.montaje import Conexiones, Montaje

_VECES, _VECES_RAPIDO = 120, 20
_PREVIAS = 5
_VELAS = 1_100
_DERRUMBADO = 0.4 * float(PRECIO)  # far beyond the limit
_ENTRE_MARKS_MS = 1_100  # a breach counts when it lasts
_CAMBIOS = {"entorno.max_drawdown_permitido": 0.2, "entorno.proteccion.tipo": "ninguna"}
_NS_POR_MS = 1e6


class PoliticaQuieta(PoliticaAlterna):
    """Lets the real actor think; opens once and keeps."""

    def predecir(self, observacion: Observacion) -> float:
        """Always the same side."""
        return abs(super().predecir(observacion))


class MercadoEnCaida(SesionFalsa):
    """Two candles, and two marks behind the second one that say that the limit is broken."""

    def mensajes(self, velas: Sequence[Vela]) -> list[Mensaje]:
        """The messages of the market socket; only the last one is timed."""
        saludo, *candelas = super().mensajes(velas)
        cierre_ms = siguiente_apertura(velas[-1].apertura_ms, INTERVALO)
        marks = [mensaje_mark(cierre_ms + despues_ms, _DERRUMBADO) for despues_ms in (1, 1 + _ENTRE_MARKS_MS)]
        return [
            saludo,
            *(candela._replace(se_mide=False) for candela in candelas),
            Mensaje(marks[0], espera=False, se_mide=False),
            Mensaje(marks[1], espera=False),
        ]


def medir_proteccion(*, rapido: bool) -> list[Medida]:
    """The way of a mark through a daemon that is deciding on a candle."""
    taller = abrir_taller(_VELAS, _CAMBIOS)
    veces = _PREVIAS + (_VECES_RAPIDO if rapido else _VECES)
    with (
        enmudecida(),
        tempfile.TemporaryDirectory(prefix="bench-", dir="build") as nombre,
        servidor() as puerto,
    ):
        base = Path(nombre)
        artefacto = leer_artefacto(base, escribir_artefacto(taller, base))
        muestras = [asyncio.run(_medir_una(taller, artefacto, puerto, base / str(i))) for i in range(veces)][
            _PREVIAS:
        ]
    nota = (
        f"{len(muestras)} sessions: a confirmed breach behind a closed candle, until the exit is written;"
        " resting orders cancelled and account read over loopback in between"
    )
    return [
        Medida(
            nombre="tick_to_protect_p99_ms",
            valor=percentil(muestras, 99.0),
            unidad="ms",
            cota=Cota(5.0),
            nota=nota,
        ),
        Medida(nombre="tick_to_protect_p50_ms", valor=mediana(muestras), unidad="ms", nota=nota),
    ]


async def _medir_una(taller: Taller, artefacto: Artefacto, puerto: int, carpeta: Path) -> float:
    """Milliseconds of one emergency."""
    cronometro = Cronometro()
    primera = velas_de_calentamiento(taller)
    velas = [taller.tabla.vela(i) for i in (primera, primera + 1)]
    diario = DiarioSqlite(carpeta / "diario.sqlite")
    try:
        async with conexion(taller, puerto, cronometro, leer_de_verdad=True) as bolsa:
            sesion: Any = MercadoEnCaida(velas, bolsa.turno, cronometro)
            conexiones = Conexiones(
                diario=diario,
                bolsa=bolsa,
                reloj=bolsa.reloj,
                sesion=cast(aiohttp.ClientSession, sesion),
                carpeta=carpeta,
            )
            lugar = lugar_de(artefacto, puerto, PoliticaQuieta(artefacto.actor))
            with suppress(EmergenciaDrawdown):
                await Montaje(lugar, "bench", conexiones, recordar_todo(diario, carpeta, "bench")).correr()
    finally:
        diario.cerrar()
    return (cronometro.envio_ns[0] - cronometro.llegada_ns[0]) / _NS_POR_MS
