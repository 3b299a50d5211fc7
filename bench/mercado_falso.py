"""A market in memory that speaks to the daemon through its HTTP session: klines and lockstep."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from bench.cronometro import Cronometro
from bench.taller import INTERVALO, SIMBOLO
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.tipos import Vela

_TEXTO = aiohttp.WSMsgType.TEXT


class _Contexto:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, tipo: type[BaseException] | None, valor: BaseException | None, traza: TracebackType | None
    ) -> None: ...


class SesionFalsa:
    """Stands in for aiohttp's session: one market socket, and a simulator that waits for its agent.

    Args:
        velas: Closed candles to send; the next one comes when the last one is done with.
        cronometro: Told when a candle's bytes are there.
    """

    def __init__(self, velas: Sequence[Vela], cronometro: Cronometro) -> None:
        self.turno = asyncio.Event()
        self._socket = _Socket(velas, cronometro, self.turno)

    def ws_connect(self, url: str, **_: Any) -> _Socket:
        """The market socket."""
        return self._socket

    def post(self, url: str, **_: Any) -> _Respuesta:
        """Lockstep: joined for ever; done lets the next candle come."""
        if url.endswith("/done"):
            self.turno.set()
        return _Respuesta()


class _Respuesta(_Contexto):
    status = 200

    async def json(self) -> dict[str, Any]:
        return {"agent": "agent-1", "lockstep": True}


class _Socket(_Contexto):
    close_code = None

    def __init__(self, velas: Sequence[Vela], cronometro: Cronometro, turno: asyncio.Event) -> None:
        self._mensajes = self._escribir(velas)
        self._cronometro = cronometro
        self._turno = turno

    async def receive(self, **_: Any) -> aiohttp.WSMessage:
        """The next message."""
        await self._turno.wait()
        self._turno.clear()
        await asyncio.sleep(0)
        texto = next(self._mensajes)
        self._cronometro.llegar()
        return aiohttp.WSMessage(_TEXTO, texto, None)

    @staticmethod
    def _escribir(velas: Sequence[Vela]) -> Iterator[str]:
        for vela in velas:
            yield mensaje_kline(vela).decode()
        yield orjson.dumps({"stream": "simEnd", "data": {"e": "simEnd", "E": velas[-1].apertura_ms}}).decode()


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
