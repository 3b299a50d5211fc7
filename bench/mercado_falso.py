"""A market in memory that speaks to the daemon through its HTTP session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import aiohttp
import orjson

from bench.cronometro import Cronometro
from bench.taller import INTERVALO, SIMBOLO
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.tipos import Vela


class _Contexto:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, tipo: type[BaseException] | None, valor: BaseException | None, traza: TracebackType | None
    ) -> None: ...


class SesionFalsa:
    """Stands in for aiohttp's session: a market socket, and a user stream that says nothing.

    Args:
        velas: Closed candles to send; one each time that `turno` is set.
        turno: Set by whoever is done with the last candle.
        cronometro: Told when a candle's bytes are there.
    """

    def __init__(self, velas: Sequence[Vela], turno: asyncio.Event, cronometro: Cronometro) -> None:
        self._mercado = _Mercado(velas, turno, cronometro)

    def ws_connect(self, url: str, **_: Any) -> _Mercado | _Silencio:
        """The socket of a route."""
        return self._mercado if "/market/" in url else _Silencio()


class _Silencio(_Contexto):
    async def receive(self, **_: Any) -> NoReturn:
        """Nothing, for ever."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")


class _Mercado(_Contexto):
    close_code = None

    def __init__(self, velas: Sequence[Vela], turno: asyncio.Event, cronometro: Cronometro) -> None:
        self._mensajes = iter([mensaje_kline(vela).decode() for vela in velas])
        self._fin = orjson.dumps({"data": {"e": "simEnd", "E": velas[-1].apertura_ms}}).decode()
        self._turno = turno
        self._cronometro = cronometro

    async def receive(self, **_: Any) -> aiohttp.WSMessage:
        """The next message."""
        await self._turno.wait()
        self._turno.clear()
        texto = next(self._mensajes, None)
        if texto is None:
            return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, self._fin, None)
        self._cronometro.llegar()
        return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, texto, None)


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
