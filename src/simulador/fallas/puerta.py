"""The REST side of fault injection: stands before the exchange's own door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from src.simulador.fallas.armario import Disparada, Llamada
from src.simulador.fallas.clases import Clase, Familia, Momento
from src.simulador.fallas.control import Control
from src.simulador.fallas.cortes import contestar, cortar, esta_cortada, se_ejecuta
from src.simulador.fallas.falla import Falla
from src.simulador.fallas.particion import partes
from src.simulador.peticion import descomponer
from src.simulador.titular import Titular

if TYPE_CHECKING:
    from src.simulador.fallas.central import Fallas

Atender = Callable[[web.BaseRequest, Mapping[str, Titular] | None], Awaitable[web.StreamResponse]]
_RUTA_DEL_ACUERDO = "/market/ws"  # without streams it only carries the agents' DONE


class Puerta:
    """Lets requests through to the exchange, or does to them what a fault wants.

    Args:
        fallas: Armed faults and what they act on.
        atender: The exchange's own door; takes the accounts to answer from when they are not the real ones.
        cabecera: Header of the API key.
    """

    def __init__(self, fallas: Fallas, atender: Atender, cabecera: str) -> None:
        self._fallas = fallas
        self._atender = atender
        self._cabecera = cabecera
        self._control = Control(fallas) if fallas.con_control else None

    async def pasar(self, peticion: web.BaseRequest) -> web.StreamResponse:
        """Serve one request."""
        ruta = peticion.raw_path.partition("?")[0]
        if ruta.startswith("/sim/"):
            contestada = await self._control.contestar(peticion, ruta) if self._control is not None else None
            return contestada or await self._atender(peticion, None)
        if self._fallas.lineas.apagada and peticion.raw_path != _RUTA_DEL_ACUERDO:
            return cortar(peticion)
        if not ruta.startswith(("/fapi/", "/api/")):
            return await self._atender(peticion, None)
        try:
            respuesta = await self._servir(peticion, await self._leer(peticion, ruta))
        finally:
            self._fallas.vigilia.mirar()
        return cortar(peticion) if self._fallas.lineas.apagada else respuesta

    async def _leer(self, peticion: web.BaseRequest, ruta: str) -> Llamada:
        valores = descomponer(peticion.raw_path.partition("?")[2])
        if peticion.body_exists:
            valores |= descomponer((await peticion.read()).decode(errors="replace"))
        return Llamada(peticion.method, ruta, valores, peticion.headers.get(self._cabecera) or "")

    async def _servir(self, peticion: web.BaseRequest, llamada: Llamada) -> web.StreamResponse:
        await self._fallas.detenciones.paso_libre(llamada.clave)
        if esta_cortada(peticion):
            return cortar(peticion)
        cliente = llamada.clave or f"ip {peticion.remote}"
        negada = self._fallas.castigos.responder(cliente)
        if negada is not None:
            return negada
        debidas = self._fallas.armario.en_llamada(llamada)
        if not debidas:
            return await self._ejecutar(peticion, llamada, [])
        return await self._estropear(peticion, llamada, debidas, cliente)

    async def _estropear(
        self, peticion: web.BaseRequest, llamada: Llamada, debidas: list[Disparada], cliente: str
    ) -> web.StreamResponse:
        """Serve a request that faults are about: what comes before it, its answer, what comes after."""
        decisiva = next((d.falla for d in debidas if d.falla.ficha.decide), None)
        await self._suceder(debidas, Momento.BEFORE, llamada)
        if esta_cortada(peticion) or self._fallas.lineas.apagada:
            return cortar(peticion)
        if decisiva is not None and decisiva.clase is Clase.RATE_LIMIT:
            self._fallas.castigos.imponer(cliente, decisiva)
            return self._fallas.castigos.responder(cliente) or cortar(peticion)
        propia: web.StreamResponse | None = None
        if decisiva is None or se_ejecuta(decisiva):
            propia = await self._ejecutar(peticion, llamada, [d.falla for d in debidas])
            self._fallas.vigilia.mirar()
        await self._suceder(debidas, Momento.AFTER, llamada)
        if decisiva is not None:
            return await contestar(peticion, decisiva, propia)
        return propia or cortar(peticion)

    async def _suceder(self, debidas: list[Disparada], momento: Momento, llamada: Llamada) -> None:
        for disparada in debidas:
            falla = disparada.falla
            if falla.cuando.momento is not momento or falla.ficha.familia is not Familia.INMEDIATA:
                continue
            if falla.clase is Clase.HOLD:
                await self._detener(disparada, llamada)
            else:
                self._fallas.cumplir(falla)

    async def _detener(self, disparada: Disparada, llamada: Llamada) -> None:
        publicos = {nombre: valor for nombre, valor in llamada.valores.items() if nombre != "signature"}
        detencion = self._fallas.detenciones.detener(
            disparada.lugar,
            disparada.falla.cuando.momento,
            llamada.clave,
            {"call": llamada.nombre, "parameters": publicos},
        )
        await detencion.soltada.wait()

    async def _ejecutar(
        self, peticion: web.BaseRequest, llamada: Llamada, fallas: list[Falla]
    ) -> web.StreamResponse:
        """Let the exchange serve the request, with the faults that leave its answer alone."""
        titular = self._fallas.titulares.get(llamada.clave)
        visto = self._fallas.rezagos.visto(llamada.clave, llamada.metodo, llamada.ruta)
        for falla in fallas:
            if falla.clase is Clase.REST_LAG and titular is not None:
                self._fallas.rezagos.empezar(titular, falla.entero("reads"))
            elif falla.clase is Clase.PARTIAL_FILL:
                self._fallas.motor.partir(partial(partes, falla))
        try:
            return await self._atender(peticion, None if visto is None else {llamada.clave: visto})
        finally:
            self._fallas.motor.partir(None)
