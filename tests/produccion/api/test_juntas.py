"""Many who ask at once are answered by one read, and never by one that began before they asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from src.produccion.api.juntas import Juntas

RED = True  # reads in threads


class Fuente:
    """What is read may change meanwhile; a read waits until it is let."""

    def __init__(self) -> None:
        self.valores = {"a": 1, "b": 2}
        self.leidas: list[tuple[str, ...]] = []
        self.empezada = threading.Event()
        self.paso = threading.Event()
        self.paso.set()
        self.fallo: Exception | None = None

    def leer(self, claves: Sequence[str]) -> dict[str, int]:
        self.leidas.append(tuple(claves))
        leido = {clave: self.valores[clave] for clave in claves}
        self.empezada.set()
        assert self.paso.wait(10)
        if self.fallo is not None:
            raise self.fallo
        return leido


@pytest.fixture
def fuente() -> Fuente:
    return Fuente()


@pytest.fixture
def juntas(fuente: Fuente) -> Juntas[str, int]:
    return Juntas(fuente.leer)


async def empezar(juntas: Juntas[str, int], fuente: Fuente, clave: str = "a") -> asyncio.Task[int]:
    """A read that has found its values and is not over."""
    fuente.paso.clear()
    tarea = asyncio.create_task(juntas.dar(clave))
    assert await asyncio.to_thread(fuente.empezada.wait, 10)
    return tarea


async def test_quien_pregunta_despues_no_recibe_lo_de_antes(fuente: Fuente, juntas: Juntas[str, int]):
    """What was revoked while somebody read is revoked for whoever asks after it."""
    antes = await empezar(juntas, fuente)
    fuente.valores["a"] = 9
    despues = asyncio.create_task(juntas.dar("a"))
    await asyncio.sleep(0)
    fuente.paso.set()

    assert (await antes, await despues) == (1, 9)


async def test_quienes_preguntan_mientras_se_lee_comparten_la_siguiente(
    fuente: Fuente, juntas: Juntas[str, int]
):
    primera = await empezar(juntas, fuente)
    otras = [asyncio.create_task(juntas.dar(clave)) for clave in "abab" * 10]
    await asyncio.sleep(0)
    fuente.paso.set()

    assert await primera == 1
    assert await asyncio.gather(*otras) == [1, 2, 1, 2] * 10
    assert fuente.leidas == [("a",), ("a", "b")]


async def test_un_fallo_lo_saben_todos_los_que_esperan_y_nadie_mas(fuente: Fuente, juntas: Juntas[str, int]):
    fuente.fallo = ConnectionError("away")
    tareas = [asyncio.create_task(juntas.dar(clave)) for clave in "aab"]

    assert [str(fallo) for fallo in await asyncio.gather(*tareas, return_exceptions=True)] == ["away"] * 3

    fuente.fallo = None
    assert await juntas.dar("a") == 1


async def test_quien_se_va_no_quita_a_los_demas_su_respuesta(fuente: Fuente, juntas: Juntas[str, int]):
    primera = await empezar(juntas, fuente)
    segunda = asyncio.create_task(juntas.dar("a"))
    tercera = asyncio.create_task(juntas.dar("a"))
    await asyncio.sleep(0)
    for tarea in (primera, segunda):
        tarea.cancel()
    fuente.paso.set()

    assert await tercera == 1
    assert primera.cancelled()
    assert segunda.cancelled()


async def test_un_fallo_que_ya_no_espera_nadie_no_deja_nada(fuente: Fuente, juntas: Juntas[str, int]):
    tarea = await empezar(juntas, fuente)
    tarea.cancel()
    fuente.fallo = ConnectionError("away")
    fuente.paso.set()
    with pytest.raises(asyncio.CancelledError):
        await tarea

    fuente.fallo = None
    assert await juntas.dar("b") == 2
