"""``/metrics``: what the API does for everybody, and the tenant's accounts for whoever brings a token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.produccion.almacen.cifras import Cifras, leer_cifras
from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.api.acceso import Compartido, Credencial, Entorno, quien_pide
from src.produccion.api.rutas import problemas
from src.produccion.metricas import catalogo
from src.produccion.metricas.exposicion import Coleccion, pagina_de
from src.produccion.metricas.histograma import Histograma
from src.produccion.metricas.muestras import GRADO, Foto, Reparto, Valor, reparto_de
from src.produccion.supervision.aviso_systemd import AvisoSystemd
from src.produccion.supervision.vigia import Vigia

_METODOS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTRO = "other"
_SIN_RUTA = "unmatched"
_DEFECTO = 500

_TEXTO: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

rutas_metricas = APIRouter()


class Contador:
    """Requests by method, route and status, as this process has answered them."""

    def __init__(self) -> None:
        self._tiempos: dict[tuple[str, str, str], Histograma] = {}

    def contar(self, metodo: str, ruta: str, estado: int, duracion_s: float) -> None:
        """One request."""
        cual = (metodo if metodo in _METODOS else _OTRO, ruta, str(estado))
        self._tiempos.setdefault(cual, Histograma()).observar(duracion_s)

    def valores(self) -> Iterator[Valor]:
        """How many there were."""
        for cual, tiempo in sorted(self._tiempos.items()):
            yield Valor(catalogo.PETICIONES, tiempo.acumulados[-1], cual)

    def repartos(self) -> Iterator[Reparto]:
        """How long they took."""
        for cual, tiempo in sorted(self._tiempos.items()):
            yield reparto_de(catalogo.TIEMPO_PETICION, tiempo, *cual)


class Cronometro:
    """Times every request of an application.

    Args:
        siguiente: The application.
        contador: Gets them.
    """

    def __init__(self, siguiente: ASGIApp, contador: Contador) -> None:
        self._siguiente = siguiente
        self._contador = contador

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._siguiente(scope, receive, send)
            return
        inicio_s, estado = time.perf_counter(), _DEFECTO

        async def enviar(mensaje: Message) -> None:
            nonlocal estado
            if mensaje["type"] == "http.response.start":
                estado = mensaje["status"]
            await send(mensaje)

        try:
            await self._siguiente(scope, receive, enviar)
        finally:
            self._contador.contar(scope["method"], _ruta_de(scope), estado, time.perf_counter() - inicio_s)


def instalar_metricas(aplicacion: FastAPI) -> None:
    """Time every request of an application, and serve what was found."""
    contador = Contador()
    aplicacion.state.contador = contador
    aplicacion.state.vigia = Vigia(AvisoSystemd(), tuple)
    aplicacion.add_middleware(Cronometro, contador=contador)
    aplicacion.include_router(rutas_metricas)


@rutas_metricas.get("/metrics/", include_in_schema=False)
@rutas_metricas.get(
    "/metrics",
    response_class=Response,
    responses=_TEXTO | problemas(401),
    tags=["metrics"],
)
async def metrics(peticion: Request, entorno: Compartido, credencial: Credencial) -> Response:
    """Figures for Prometheus: of the API without a token, of the tenant's accounts as well with one."""
    cliente = None
    if credencial is not None:
        cliente = (await quien_pide(entorno, credencial)).client_id
    contador: Contador = peticion.app.state.contador
    vigia: Vigia = peticion.app.state.vigia
    retraso = reparto_de(catalogo.API_RETRASO, vigia.retraso_s)
    propias = (tuple(contador.valores()), (*contador.repartos(), retraso))
    acepta = peticion.headers.get("Accept", "")
    texto, tipo = await asyncio.to_thread(_pagina, entorno, cliente, propias, acepta)
    return Response(texto, media_type=tipo)


def _pagina(
    entorno: Entorno,
    client_id: str | None,
    propias: tuple[tuple[Valor, ...], tuple[Reparto, ...]],
    acepta: str,
) -> tuple[bytes, str]:
    valores, repartos = propias
    if client_id is not None:
        valores += tuple(_de_las_cuentas(entorno, client_id))
    foto = Foto(time.monotonic(), valores, repartos)
    return pagina_de(Coleccion(lambda: foto), acepta)


def _de_las_cuentas(entorno: Entorno, client_id: str) -> Iterator[Valor]:
    try:
        cifras = leer_cifras(entorno.almacen, client_id)
    except (DBAPIError, SinConexion):
        yield Valor(catalogo.ALMACEN, 0.0)
        return
    yield Valor(catalogo.ALMACEN, 1.0)
    yield from _valores_de(cifras)


def _valores_de(cifras: Cifras) -> Iterator[Valor]:
    yield Valor(catalogo.DEMONIOS_VIVOS, sum(d.edad_s * 1_000 <= VIVO_MS for d in cifras.demonios))
    for *quien, edad_s in cifras.demonios:
        yield Valor(catalogo.DEMONIO_EDAD, edad_s, (*quien,))
    for *quien, equity, instante_ms in cifras.equities:
        yield Valor(catalogo.CUENTA_EQUITY, equity, (*quien,))
        yield Valor(catalogo.CUENTA_EDAD, instante_ms / 1_000, (*quien,))
    for uno in cifras.cerrojos:
        yield Valor(catalogo.CUENTA_ENCLAVADA, uno.puesto, (uno.account_id or "", uno.symbol or ""))
    for disyuntor in cifras.disyuntores:
        cual = (disyuntor.account_id, disyuntor.symbol, disyuntor.kind.value)
        yield Valor(catalogo.DISYUNTOR, GRADO[disyuntor.state], cual)


def _ruta_de(scope: Scope) -> str:
    """The route's pattern, never the path asked for: that may be anything."""
    ruta = getattr(scope.get("route"), "path", None)
    return _SIN_RUTA if ruta is None else str(ruta).rstrip("/") or "/"
