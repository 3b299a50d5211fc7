"""Daemons that die at a chosen point of what they do, and the journal as their death leaves it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from src.produccion.diario.diario import EventoDiario
from tests.produccion.banco import Mundo
from tests.produccion.falsos import BolsaFalsa, DiarioFalso

T = TypeVar("T")


class Muerta(Exception):
    """The daemon died before it had ended."""


class Parca:
    """Counts the points at which a daemon waits for the world, and lets nothing happen after one of them.

    Args:
        punto: How many it gets past, the last of them included; ``None`` for all.
    """

    def __init__(self, punto: int | None) -> None:
        self._quedan = punto
        self.pasados = 0
        self.muerte = asyncio.Event()

    async def pasar(self) -> None:
        """One more point; whoever is dead never comes back."""
        if not self.muerte.is_set():
            self.pasados += 1
            if self.pasados != self._quedan:
                return
            self.muerte.set()
        await asyncio.Event().wait()


class BolsaMortal:
    """An exchange whose caller may die before it is asked, and before it hears the answer."""

    def __init__(self, bolsa: BolsaFalsa, parca: Parca) -> None:
        self._bolsa = bolsa
        self._parca = parca

    def __getattr__(self, nombre: str) -> Any:
        atributo = getattr(self._bolsa, nombre)
        if not inspect.iscoroutinefunction(atributo):
            return atributo

        async def llamada(*args: Any, **opciones: Any) -> Any:
            await self._parca.pasar()
            try:
                return await atributo(*args, **opciones)
            finally:
                await self._parca.pasar()

        return llamada


class DiarioMortal:
    """A journal of which a death leaves what was waited for, and a part of what came after it."""

    def __init__(self, diario: DiarioFalso, parca: Parca) -> None:
        self._diario = diario
        self._parca = parca
        self._seguros = len(diario.eventos)

    @property
    def eventos(self) -> list[EventoDiario]:
        return self._diario.eventos

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        self.anotar_luego(agregado, tipo, instante_ms, contenido)
        await self.asentar()

    def anotar_luego(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        if not self._parca.muerte.is_set():
            self._diario.anotar_luego(agregado, tipo, instante_ms, contenido)

    async def asentar(self) -> None:
        escritos = len(self.eventos)
        await self._parca.pasar()
        self._seguros = max(self._seguros, escritos)
        await self._parca.pasar()

    def perder(self, fraccion: float) -> None:
        """A share of the events that nobody waited for is not on disk; the newest ones go first."""
        perdidos = round((len(self.eventos) - self._seguros) * fraccion)
        del self.eventos[len(self.eventos) - perdidos :]


async def vivir(
    mundo: Mundo, vida: Callable[[Mundo], Awaitable[T]], parca: Parca, *, perdida: float = 0.0
) -> T:
    """Live until the end or until death.

    Args:
        mundo: What outlives the daemon.
        vida: What it does.
        parca: When it dies.
        perdida: Share of the events not waited for that its death loses.

    Raises:
        Muerta: It died.
    """
    bolsa: Any = BolsaMortal(mundo.bolsa, parca)
    diario: Any = DiarioMortal(mundo.diario, parca)
    tarea = asyncio.ensure_future(vida(replace(mundo, bolsa=bolsa, diario=diario)))
    muerte = asyncio.ensure_future(parca.muerte.wait())
    await asyncio.wait({tarea, muerte}, return_when=asyncio.FIRST_COMPLETED)
    muerte.cancel()
    if not parca.muerte.is_set():
        return await tarea
    otras = asyncio.all_tasks() - {asyncio.current_task()}
    for otra in otras:
        otra.cancel()
    await asyncio.gather(*otras, return_exceptions=True)
    diario.perder(perdida)
    raise Muerta
