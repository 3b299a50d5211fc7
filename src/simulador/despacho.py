"""The HTTP door: reads a request, checks key, signature, time and limits, answers JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from src.simulador import rest_acuerdo, rest_algo, rest_cuenta, rest_mercado, rest_ordenes
from src.simulador.avance import Avance
from src.simulador.enchufes import Enchufes
from src.simulador.fallos_api import ErrorApi
from src.simulador.firma import identificar, verificar_firma, verificar_tiempo
from src.simulador.limites import ErrorLimite, Limites
from src.simulador.peticion import Parametros, descomponer
from src.simulador.rutas import Acceso, Privada, Ruta, Tabla
from src.simulador.simulacion import Simulacion
from src.simulador.titular import Titular

RUTAS: Tabla = {**rest_mercado.RUTAS, **rest_cuenta.RUTAS, **rest_ordenes.RUTAS, **rest_algo.RUTAS}
CABECERA_CLAVE = "X-MBX-APIKEY"
_JSON = {"Content-Type": "application/json"}


class Despacho:
    """Answers every request of the simulator's port.

    Args:
        simulacion: The exchange behind it.
        avance: Told about the agents' progress.
        enchufes: Takes the WebSocket routes.
    """

    def __init__(self, simulacion: Simulacion, avance: Avance, enchufes: Enchufes) -> None:
        self._simulacion = simulacion
        self._avance = avance
        self._enchufes = enchufes
        self._limites: dict[str, Limites] = {}
        fallas = simulacion.fallas
        self._puerta = None if fallas is None else fallas.puerta(self._encaminar, CABECERA_CLAVE)

    async def __call__(self, peticion: web.BaseRequest) -> web.StreamResponse:
        """Serve one request."""
        if self._puerta is not None:
            return await self._puerta.pasar(peticion)
        return await self._encaminar(peticion)

    async def _encaminar(
        self, peticion: web.BaseRequest, titulares: Mapping[str, Titular] | None = None
    ) -> web.StreamResponse:
        """Route one request; ``titulares`` answer it when they are not the real accounts."""
        ruta, _, consulta = peticion.raw_path.partition("?")
        metodo = peticion.method
        propia = rest_acuerdo.RUTAS.get((metodo, ruta))
        if propia is not None:
            return await self._atender_acuerdo(peticion, propia)
        destino = RUTAS.get((metodo, ruta))
        if destino is None:
            if self._enchufes.es_suya(ruta):
                return await self._enchufes.atender(peticion, ruta, consulta)
            return _error(ErrorApi(-5000, ruta=ruta, metodo=metodo))
        cuerpo = await peticion.read() if peticion.body_exists else b""
        if titulares is None:
            titulares = self._simulacion.titulares
        return self._responder(peticion, destino, consulta, cuerpo, titulares)

    def _responder(
        self,
        peticion: web.BaseRequest,
        ruta: Ruta,
        consulta: str,
        cuerpo: bytes,
        titulares: Mapping[str, Titular],
    ) -> web.Response:
        clave = peticion.headers.get(CABECERA_CLAVE)
        limites = self._limites_de(clave, peticion.remote)
        try:
            respuesta = _bien(self._atender(ruta, clave, limites, consulta, cuerpo, titulares))
        except ErrorApi as fallo:
            respuesta = _error(fallo)
        respuesta.headers["X-MBX-USED-WEIGHT-1M"] = str(limites.peso_usado)
        if isinstance(ruta, Privada):
            en_10s, en_1m = limites.ordenes_usadas
            respuesta.headers["X-MBX-ORDER-COUNT-10S"] = str(en_10s)
            respuesta.headers["X-MBX-ORDER-COUNT-1M"] = str(en_1m)
        return respuesta

    def _atender(
        self,
        ruta: Ruta,
        clave: str | None,
        limites: Limites,
        consulta: str,
        cuerpo: bytes,
        titulares: Mapping[str, Titular],
    ) -> Any:
        s = self._simulacion
        valores = descomponer(consulta)
        if cuerpo:
            valores.update(descomponer(_texto(cuerpo)))
        parametros = Parametros(valores)
        paciente_ms = s.reloj.ahora_paciente_ms()
        limites.pesar(ruta.peso(parametros), paciente_ms)
        if not isinstance(ruta, Privada):
            return ruta.atender(s, parametros)
        titular = identificar(clave, titulares)
        if ruta.acceso is Acceso.FIRMA:
            verificar_tiempo(parametros, s.reloj.ahora_ms(), paciente_ms)
            verificar_firma(titular.cuenta.secreto, consulta.encode(), cuerpo)
        ordenes = ruta.ordenes(parametros)
        if ordenes:
            limites.contar_ordenes(ordenes, paciente_ms)
        return ruta.atender(s, titular, parametros)

    async def _atender_acuerdo(
        self, peticion: web.BaseRequest, atender: rest_acuerdo.Atender
    ) -> web.Response:
        crudo = await peticion.read() if peticion.body_exists else b""
        try:
            cuerpo = orjson.loads(crudo) if crudo else {}
            if not isinstance(cuerpo, dict):
                raise ErrorApi(-1130, nombre="body")
            clave = peticion.headers.get(CABECERA_CLAVE)
            contestado = atender(self._simulacion, self._avance, clave, cuerpo)
        except orjson.JSONDecodeError:
            return _error(ErrorApi(-1130, nombre="body"))
        except ErrorApi as fallo:
            return _error(fallo)
        return _bien(contestado)

    def _limites_de(self, clave: str | None, origen: str | None) -> Limites:
        """Counters of a client: its key, or its address when it has none that is known."""
        quien = clave if clave in self._simulacion.titulares else f"ip {origen}"
        limites = self._limites.get(str(quien))
        if limites is None:
            limites = self._limites[str(quien)] = Limites()
        return limites


def _texto(cuerpo: bytes) -> str:
    try:
        return cuerpo.decode()
    except UnicodeDecodeError:
        raise ErrorApi(-1100, nombre="body") from None


def _bien(contestado: Any) -> web.Response:
    return web.Response(body=orjson.dumps(contestado), headers=_JSON)


def _error(fallo: ErrorApi) -> web.Response:
    respuesta = web.Response(status=fallo.estado, body=orjson.dumps(fallo.cuerpo()), headers=_JSON)
    if isinstance(fallo, ErrorLimite):
        respuesta.headers["Retry-After"] = str(fallo.espera_s)
    return respuesta
