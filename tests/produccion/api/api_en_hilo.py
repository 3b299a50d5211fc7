"""A tenant's API and an exchange, served from a thread of their own, for whoever asks and blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos, Plazos
from src.produccion.api.mercados import Mercados, Plaza
from src.produccion.bolsa.publico import MercadoPublico
from src.produccion.config.config import Modo
from tests.produccion.api.banco import CUENTAS, PLAZOS, una_api
from tests.produccion.api.bolsa_publica import BolsaPublica, una_bolsa_publica


class Servida(NamedTuple):
    url: str
    almacen: Engine
    bolsa: BolsaPublica


@contextmanager
def api_en_hilo(carpeta: Path, plazos: Plazos = PLAZOS) -> Iterator[Servida]:
    """Over an empty store."""
    motor = abrir_almacen(f"sqlite:///{carpeta / 'timonel.sqlite'}", carpeta)
    lista, fin = threading.Event(), threading.Event()
    servidas: list[Servida] = []

    async def servir() -> None:
        async with una_bolsa_publica() as bolsa:
            mercados = Mercados({Modo.SIMULADO: Plaza(MercadoPublico(bolsa.url))}, Modo.SIMULADO)
            encargos = Encargos(motor, plazos)
            entorno = Entorno(almacen=motor, cuentas=CUENTAS, encargos=encargos, mercados=mercados)
            async with una_api(entorno) as api:
                servidas.append(Servida(api.url, motor, bolsa))
                lista.set()
                await asyncio.to_thread(fin.wait)

    hilo = threading.Thread(target=lambda: asyncio.run(servir()))
    hilo.start()
    try:
        assert lista.wait(30)
        yield servidas[0]
    finally:
        fin.set()
        hilo.join()
        motor.dispose()
