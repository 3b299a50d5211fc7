"""A market in memory that speaks to the daemon through its HTTP session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import aiohttp
import orjson

from bench.cronometro import Cronometro
from bench.servidor import PRECIO
from bench.taller import INTERVALO, SIMBOLO
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.tipos import Vela


class _Socket:
    close_code = None

    async def close(self) -> None:
        """Nothing to say goodbye to."""


class Mensaje(NamedTuple):
    """A text on the market socket."""

    texto: str
    espera: bool = True  # comes when `turno` is set, otherwise at once
    se_mide: bool = True  # whether the stopwatch is told


class SesionFalsa:
    """Stands in for aiohttp's session: a market socket, and a user stream that says nothing.

    Args:
        velas: Closed candles to send; one each time that `turno` is set.
        turno: Set by whoever is done with the last candle.
        cronometro: Told when a candle's bytes are there.
        pausa_s: Between the end of one decision and the next candle.
    """

    def __init__(
        self, velas: Sequence[Vela], turno: asyncio.Event, cronometro: Cronometro, pausa_s: float = 0.0
    ) -> None:
        fin = orjson.dumps({"data": {"e": "simEnd", "E": velas[-1].apertura_ms}}).decode()
        mensajes = [*self.mensajes(velas), Mensaje(fin, se_mide=False)]
        self._mercado = _Mercado(iter(mensajes), turno, cronometro, pausa_s)

    def mensajes(self, velas: Sequence[Vela]) -> list[Mensaje]:
        """What the market socket says before it ends; a connection is announced by whatever comes first."""
        saludo = Mensaje(mensaje_mark(velas[0].apertura_ms, float(PRECIO)), espera=False, se_mide=False)
        return [saludo, *(Mensaje(mensaje_kline(vela).decode()) for vela in velas)]

    async def ws_connect(self, url: str, **_: Any) -> _Mercado | _Silencio:
        """The socket of a route."""
        return self._mercado if "/market/" in url else _Silencio()


class _Silencio(_Socket):
    async def receive(self, **_: Any) -> NoReturn:
        """Nothing, for ever."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")


class _Mercado(_Socket):
    def __init__(
        self, mensajes: Iterator[Mensaje], turno: asyncio.Event, cronometro: Cronometro, pausa_s: float
    ) -> None:
        self._mensajes = mensajes
        self._turno = turno
        self._cronometro = cronometro
        self._pausa_s = pausa_s

    async def receive(self, **_: Any) -> aiohttp.WSMessage:
        """The next message; after the last one, silence."""
        mensaje = next(self._mensajes, None)
        if mensaje is None:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets that event")
        if mensaje.espera:
            await self._turno.wait()
            self._turno.clear()
            if self._pausa_s:
                await asyncio.sleep(self._pausa_s)
        if mensaje.se_mide:
            self._cronometro.llegar()
        return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, mensaje.texto, None)


def mensaje_mark(instante_ms: int, precio: float) -> str:
    """A mark price as the combined market stream sends it."""
    datos = {
        "e": "markPriceUpdate",
        "E": instante_ms,
        "s": SIMBOLO,
        "p": str(precio),
        "i": PRECIO,
        "P": PRECIO,
        "r": "0.0001",
        "T": instante_ms,
    }
    return orjson.dumps({"stream": f"{SIMBOLO.lower()}@markPrice@1s", "data": datos}).decode()


def mensaje_kline(vela: Vela) -> bytes:
    """A closed kline as the combined market stream sends it."""
    cierre = siguiente_apertura(vela.apertura_ms, INTERVALO)
    kline = {
        "t": vela.apertura_ms, "T": cierre - 1, "s": SIMBOLO, "i": INTERVALO, "f": 100, "L": 200,
        "o": str(vela.open), "c": str(vela.close), "h": str(vela.high), "l": str(vela.low),
        "v": str(vela.volume), "n": 100, "x": True, "q": "0", "V": "0", "Q": "0", "B": "0",
    }  # fmt: skip
    datos = {"e": "kline", "E": cierre, "s": SIMBOLO, "k": kline}
    return orjson.dumps({"stream": f"{SIMBOLO.lower()}@kline_{INTERVALO}", "data": datos})
