"""The WebSocket door: routed sockets and their subscriptions."""

from __future__ import annotations

import re
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from src.simulador.avance import Avance
from src.simulador.cola import Cola
from src.simulador.difusion import Categoria
from src.simulador.fallas.lineas import Linea
from src.simulador.fallos_api import ErrorApi
from src.simulador.peticion import descomponer
from src.simulador.rest_acuerdo import terminar_paso
from src.simulador.simulacion import Simulacion

Respuesta = dict[str, Any]
PING_S = 180.0
FLUJOS_MAX = 1_024
_RUTA = re.compile(r"/(public|market|private)/(ws|stream)(?:/(.*))?")


class Enchufes:
    """Serves the WebSocket routes."""

    def __init__(self, simulacion: Simulacion, avance: Avance) -> None:
        self._simulacion = simulacion
        self._avance = avance
        self._abiertos: set[web.WebSocketResponse] = set()

    @staticmethod
    def es_suya(ruta: str) -> bool:
        """Whether a path is a WebSocket route."""
        return _RUTA.fullmatch(ruta) is not None

    async def atender(self, peticion: web.BaseRequest, ruta: str, consulta: str) -> web.StreamResponse:
        """Serve one socket until it closes."""
        encontrada = _RUTA.fullmatch(ruta)
        if encontrada is None or "upgrade" not in peticion.headers.get("Connection", "").lower():
            return web.Response(status=400, text="a WebSocket upgrade was expected")
        categoria, modo, resto = Categoria(encontrada[1]), encontrada[2], encontrada[3] or ""
        enchufe = web.WebSocketResponse(heartbeat=PING_S, compress=False)
        await enchufe.prepare(peticion)
        if peticion.transport is None:
            return enchufe
        cola = Cola(categoria, modo == "stream", peticion.transport, peticion.transport.abort)
        sesion = Sesion(self._simulacion, self._avance, enchufe, cola)
        self._abiertos.add(enchufe)
        fallas = self._simulacion.fallas
        try:
            sesion.empezar(resto, descomponer(consulta))
            if fallas is not None:
                fallas.lineas.agregar(sesion.linea)
            await sesion.leer()
        finally:
            sesion.terminar()
            self._abiertos.discard(enchufe)
            if fallas is not None:
                fallas.lineas.quitar(sesion.linea)
        return enchufe

    async def cerrar(self) -> None:
        """Close every socket."""
        for enchufe in list(self._abiertos):
            await enchufe.close(code=WSCloseCode.GOING_AWAY)


class Sesion:
    """One socket: what it hears and how it talks."""

    def __init__(
        self, simulacion: Simulacion, avance: Avance, enchufe: web.WebSocketResponse, cola: Cola
    ) -> None:
        self._simulacion = simulacion
        self._avance = avance
        self._enchufe = enchufe
        self._cola = cola
        self._flujos: dict[str, None] = {}
        self.linea = Linea(cola, self._flujos)

    def empezar(self, resto: str, consulta: dict[str, str]) -> None:
        """Subscribe to what the URL names: streams, or a listen key on the private route."""
        nombres = [n for n in re.split(r"/", consulta.get("streams") or resto) if n]
        if self._cola.categoria is not Categoria.PRIVATE:
            self._suscribir(nombres)
            if self._cola.categoria is Categoria.MARKET:
                self._simulacion.recibir(self._cola)
            return
        self._simulacion.difusor.suscribir(self._cola, ())
        for oyente in (*consulta.get("listenKey", "").split("/"), *nombres):
            clave = self._simulacion.oyentes.titular(oyente)
            if clave is not None:
                self.linea.claves.append(clave)
                self._simulacion.difusor.unir_privado(self._cola, clave)

    async def leer(self) -> None:
        """Obey control messages until the socket closes."""
        async for mensaje in self._enchufe:
            if mensaje.type is WSMsgType.TEXT:
                contestado = self._contestar(mensaje.data)
                if contestado is not None:
                    self._cola.poner(orjson.dumps(contestado))

    def terminar(self) -> None:
        """Forget the socket."""
        self._cola.cerrar()
        self._simulacion.difusor.retirar(self._cola, self._flujos)

    def _contestar(self, texto: str) -> Respuesta | None:
        try:
            pedido = orjson.loads(texto)
            metodo, numero = pedido["method"], pedido.get("id")
            parametros = list(pedido.get("params") or ())
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return _invalido("request ID must be an unsigned integer")
        match metodo:
            case "SUBSCRIBE":
                return self._suscribir_mas([str(nombre) for nombre in parametros], numero)
            case "UNSUBSCRIBE":
                self._desuscribir([str(nombre) for nombre in parametros])
                return {"result": None, "id": numero}
            case "LIST_SUBSCRIPTIONS":
                return {"result": list(self._flujos), "id": numero}
            case "DONE":
                return self._terminar_paso(parametros, numero)
            case _:
                return _invalido(f"unknown method {metodo}", numero)

    def _suscribir_mas(self, nombres: list[str], numero: Any) -> Respuesta:
        if len(self._flujos) + len(nombres) > FLUJOS_MAX:
            return _invalido(f"more than {FLUJOS_MAX} streams", numero)
        self._suscribir(nombres)
        return {"result": None, "id": numero}

    def _terminar_paso(self, parametros: list[Any], numero: Any) -> Respuesta | None:
        """The same as the route ``/sim/v1/done``, without its cost: silent when all is well."""
        try:
            agente, paso = parametros
            terminar_paso(self._simulacion, self._avance, str(agente), paso)
        except ValueError:
            return _invalido("DONE needs agent and step", numero)
        except ErrorApi as fallo:
            return fallo.cuerpo() | {"id": numero}
        return None

    def _suscribir(self, nombres: list[str]) -> None:
        self._flujos.update(dict.fromkeys(nombres))
        self._simulacion.difusor.suscribir(self._cola, nombres)
        if self._simulacion.fallas is not None:
            self._simulacion.fallas.suscrito(nombres)

    def _desuscribir(self, nombres: list[str]) -> None:
        for nombre in nombres:
            self._flujos.pop(nombre, None)
        self._simulacion.difusor.desuscribir(self._cola, nombres)


def _invalido(motivo: str, numero: Any = None) -> Respuesta:
    return {"code": 2, "msg": f"Invalid request: {motivo}", "id": numero}
