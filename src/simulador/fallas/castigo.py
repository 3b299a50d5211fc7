"""The limit that a fault imposes: 429 with Retry-After, then 418 for a client that insists."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from aiohttp import web

from src.simulador.fallas.cortes import en_json
from src.simulador.fallas.falla import Falla
from src.simulador.fallos_api import mensaje_de
from src.simulador.limites import PESO_POR_MINUTO


@dataclass(slots=True)
class _Castigo:
    hasta_s: float
    insistencias: int
    maximo: int
    veto_s: float
    estado: int = 429


class Castigos:
    """Clients that are not heard for a while."""

    def __init__(self) -> None:
        self._por_cliente: dict[str, _Castigo] = {}

    def imponer(self, cliente: str, falla: Falla) -> None:
        """Begin a limit."""
        self._por_cliente[cliente] = _Castigo(
            hasta_s=time.monotonic() + falla.numero("seconds"),
            insistencias=0,
            maximo=falla.entero("insist"),
            veto_s=falla.numero("ban_seconds"),
        )

    def perdonar(self) -> None:
        """End every limit."""
        self._por_cliente.clear()

    def responder(self, cliente: str) -> web.Response | None:
        """The refusal of a request while its client is limited."""
        castigo = self._por_cliente.get(cliente)
        if castigo is None:
            return None
        ahora = time.monotonic()
        if ahora >= castigo.hasta_s:
            del self._por_cliente[cliente]
            return None
        castigo.insistencias += 1
        if castigo.estado == 429 and castigo.insistencias > castigo.maximo + 1:
            castigo.estado, castigo.hasta_s = 418, ahora + castigo.veto_s
        respuesta = en_json(castigo.estado, -1003, mensaje_de(-1003, limite=PESO_POR_MINUTO))
        respuesta.headers["Retry-After"] = str(max(1, math.ceil(castigo.hasta_s - ahora)))
        return respuesta
