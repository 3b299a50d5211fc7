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
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden, Observacion, Vela
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
_CANTIDAD = 0.001
_ENTRE_PARES_S = 0.01


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
        muestras = [asyncio.run(_medir_una(taller, artefacto, puerto, base / str(i))) for i in range(veces)]
        pares = asyncio.run(_medir_par(taller, puerto, veces))
    muestras, pares = muestras[_PREVIAS:], pares[_PREVIAS:]
    nota = (
        f"{len(muestras)} sessions: a confirmed breach behind a closed candle, until the exit is written;"
        " resting orders cancelled and account read over loopback in between; peer: these three requests"
        " alone, by the same client in an idle process"
    )
    return [
        _medida("tick_to_protect_p99_ms", percentil(muestras, 99.0), percentil(pares, 99.0), nota, Cota(5.0)),
        _medida("tick_to_protect_p50_ms", mediana(muestras), mediana(pares), nota),
    ]


def _medida(nombre: str, valor: float, par: float, nota: str, cota: Cota | None = None) -> Medida:
    return Medida(nombre=nombre, valor=valor, unidad="ms", par=par, razon=par / valor, cota=cota, nota=nota)


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


async def _medir_par(taller: Taller, puerto: int, veces: int) -> list[float]:
    """Milliseconds that the requests of an emergency take when nothing else happens."""
    cronometro = Cronometro()
    simbolo = taller.mercado.simbolo
    async with conexion(taller, puerto, cronometro, leer_de_verdad=True) as bolsa:
        for i in range(veces):
            cronometro.llegar()
            await bolsa.cancelar_todas(simbolo)
            await bolsa.cuenta(simbolo)
            await bolsa.enviar(Orden(simbolo, LadoOrden.SELL, _CANTIDAD, True, f"bench-{i}"))
            await asyncio.sleep(_ENTRE_PARES_S)
    pares = zip(cronometro.llegada_ns, cronometro.envio_ns, strict=True)
    return [(envio - llegada) / _NS_POR_MS for llegada, envio in pares]
