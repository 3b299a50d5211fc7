"""One read for everybody who asks within a second."""

from __future__ import annotations

import asyncio

import pytest

from src.produccion.api.breve import Breve, Leido


class Fuente:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.ahora_s = 0.0
        self.leidas: list[str] = []
        self.paso = asyncio.Event()
        self.paso.set()
        self.fallo: Exception | None = None
        self.edad_s = 0.0

    async def leer(self, clave: str) -> Leido[str]:
        self.leidas.append(clave)
        await self.paso.wait()
        if self.fallo is not None:
            raise self.fallo
        return Leido(f"{clave}{len(self.leidas)}", self.edad_s)


@pytest.fixture
async def fuente() -> Fuente:
    return Fuente()


@pytest.fixture
async def breve(fuente: Fuente) -> Breve[str, str]:
    return Breve(fuente.leer, 1.0, lambda: fuente.ahora_s)


async def test_dentro_del_segundo_se_da_lo_mismo_y_despues_se_lee_otra_vez(
    fuente: Fuente, breve: Breve[str, str]
):
    dados = []
    for fuente.ahora_s in (0.0, 0.5, 0.99, 1.0):
        dados.append(await breve.dar("a"))

    assert dados == ["a1", "a1", "a1", "a2"]
    assert (breve.peticiones, breve.aciertos) == (4, 2)


async def test_quienes_preguntan_a_la_vez_esperan_la_misma_lectura(fuente: Fuente, breve: Breve[str, str]):
    fuente.paso.clear()
    tareas = [asyncio.create_task(breve.dar("a")) for _ in range(50)]
    await asyncio.sleep(0)
    fuente.ahora_s = 30.0
    fuente.paso.set()

    assert set(await asyncio.gather(*tareas)) == {"a1"}
    assert fuente.leidas == ["a"]


async def test_cada_clave_tiene_la_suya(fuente: Fuente, breve: Breve[str, str]):
    assert [await breve.dar(clave) for clave in ("a", "b", "a")] == ["a1", "b2", "a1"]


async def test_lo_que_llego_viejo_dura_menos(fuente: Fuente, breve: Breve[str, str]):
    fuente.edad_s = 0.75
    await breve.dar("a")
    fuente.ahora_s = 0.25

    assert await breve.dar("a") == "a2"


async def test_un_fallo_se_repite_sin_leer_hasta_que_pasa_el_segundo(fuente: Fuente, breve: Breve[str, str]):
    fuente.fallo = ConnectionError("down")
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await breve.dar("a")
    assert fuente.leidas == ["a"]

    fuente.fallo, fuente.ahora_s = None, 1.0
    assert await breve.dar("a") == "a2"


async def test_quien_se_va_no_corta_a_los_demas(fuente: Fuente, breve: Breve[str, str]):
    fuente.paso.clear()
    uno, otro = (asyncio.create_task(breve.dar("a")) for _ in range(2))
    await asyncio.sleep(0)
    uno.cancel()
    await asyncio.sleep(0)
    fuente.paso.set()

    assert await otro == "a1"
