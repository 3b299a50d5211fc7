"""The control routes: arm and disarm faults, wait for holds and release them, read the books."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from src.simulador.fallas.lectura import leer_falla, leer_guion
from src.simulador.fallas.libros import libros
from src.simulador.fallas.valores import GuionInvalido
from src.simulador.peticion import descomponer

if TYPE_CHECKING:
    from src.simulador.fallas.central import Fallas

ESPERA_MAX_S = 600.0
_GRACIA_S = 0.02  # for the loop to notice that a killed client's connections are gone


class Control:
    """Answers the control routes, to loopback only.

    Args:
        fallas: What they control.
    """

    def __init__(self, fallas: Fallas) -> None:
        self._fallas = fallas

    async def contestar(self, peticion: web.BaseRequest, ruta: str) -> web.Response | None:
        """Answer a request; ``None`` when the route is not one of control."""
        match peticion.method, ruta:
            case _, "/sim/v1/faults" | "/sim/v1/holds" | "/sim/v1/holds/release" | "/sim/v1/books" if (
                not _es_local(peticion)
            ):
                return _error(403, "the control routes answer to loopback only")
            case "POST", "/sim/v1/faults":
                return self._armar(await peticion.read())
            case "GET", "/sim/v1/faults":
                return _bien(self._estado())
            case "DELETE", "/sim/v1/faults":
                return _bien({"disarmed": self._fallas.desarmar()})
            case "GET", "/sim/v1/holds":
                return await self._esperar(peticion)
            case "POST", "/sim/v1/holds/release":
                return await self._soltar(await peticion.read())
            case "GET", "/sim/v1/books":
                return self._libros(peticion)
            case _:
                return None

    def _armar(self, crudo: bytes) -> web.Response:
        """Arm one fault, or a whole scenario."""
        try:
            pedido = orjson.loads(crudo)
            if isinstance(pedido, dict) and "kind" in pedido:
                fallas = [leer_falla(pedido, ())]
            else:
                fallas = list(leer_guion(pedido).fallas)
            return _bien({"armed": self._fallas.armar(fallas)})
        except orjson.JSONDecodeError as fallo:
            return _error(400, f"the body is not JSON: {fallo}")
        except GuionInvalido as fallo:
            return _error(400, str(fallo))

    def _estado(self) -> dict[str, object]:
        armario = self._fallas.armario
        return {
            "step": self._fallas.simulacion.paso,
            "armed": [armada.como_json() for armada in armario.armadas],
            "fired": {
                "total": armario.por_clase.total(),
                "by_kind": {clase.value: veces for clase, veces in sorted(armario.por_clase.items())},
                "log": list(armario.bitacora),
            },
        }

    async def _esperar(self, peticion: web.BaseRequest) -> web.Response:
        try:
            espera = float(_consulta(peticion).get("wait") or 0)
        except ValueError:
            espera = -1.0
        if not 0 <= espera <= ESPERA_MAX_S:
            return _error(400, f"wait must be a number of seconds from 0 to {ESPERA_MAX_S:g}")
        alcanzadas = await self._fallas.detenciones.alcanzar(espera)
        return _bien({"holds": [detencion.como_json() for detencion in alcanzadas]})

    async def _soltar(self, crudo: bytes) -> web.Response:
        try:
            pedido = orjson.loads(crudo) if crudo else {}
        except orjson.JSONDecodeError as fallo:
            return _error(400, f"the body is not JSON: {fallo}")
        numero = pedido.get("id") if isinstance(pedido, dict) else pedido
        if numero is not None and (isinstance(numero, bool) or not isinstance(numero, int)):
            return _error(400, f"{numero!r} is not the number of a hold")
        await asyncio.sleep(_GRACIA_S)
        return _bien({"released": self._fallas.detenciones.soltar(numero)})

    def _libros(self, peticion: web.BaseRequest) -> web.Response:
        consulta = _consulta(peticion)
        clave, desde = consulta.get("key", ""), consulta.get("since") or "0"
        titular = self._fallas.titulares.get(clave)
        if titular is None:
            return _error(404, f"no account has the key {clave!r}")
        if not desde.isdecimal():
            return _error(400, f"since={desde!r} must be a market time in milliseconds")
        desnudez = self._fallas.vigilia.de(clave)
        return _bien(libros(self._fallas.simulacion, titular, desnudez, int(desde)))


def _consulta(peticion: web.BaseRequest) -> dict[str, str]:
    return descomponer(peticion.raw_path.partition("?")[2])


def _es_local(peticion: web.BaseRequest) -> bool:
    try:
        return ip_address(peticion.remote or "").is_loopback
    except ValueError:
        return False


def _bien(cuerpo: object) -> web.Response:
    return web.Response(body=orjson.dumps(cuerpo), content_type="application/json")


def _error(estado: int, motivo: str) -> web.Response:
    return web.Response(status=estado, body=orjson.dumps({"error": motivo}), content_type="application/json")
