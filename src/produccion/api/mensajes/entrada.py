"""Who opens a socket, from which page, and what its address asks for."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

import structlog
from pydantic import ValidationError
from starlette.websockets import WebSocket

from src.produccion.api.acceso import GALLETA_ACCESO, Entorno
from src.produccion.api.auditoria import negar
from src.produccion.api.identificacion import PREFIJO_FICHA, huella_de
from src.produccion.api.mensajes.cliente import Portador
from src.produccion.api.mensajes.contrato import PREFIJO_CSRF, PROTOCOLO, Pedido
from src.produccion.api.problemas import Problema

_DE_LISTA = ("subscribe", "symbols")
_DE_TEXTO = ("environment", "last_event_id")
_ESQUEMAS = {"ws": "http", "wss": "https"}
_PUERTOS = {"http": 80, "https": 443}

log = structlog.get_logger(__name__)


class Entrada(NamedTuple):
    """Somebody who may come in."""

    portador: Portador
    csrf: bool  # still to be proved, by the first message
    pedido: Pedido | None  # of the address
    protocolo: str | None


async def reconocer(socket: WebSocket, entorno: Entorno) -> Entrada:
    """Who opens a socket.

    Raises:
        Problema: 401: no good token. 403: a page of another site, or a wrong CSRF token. 422: the address
            asks for something that cannot be.
        sqlalchemy.exc.DBAPIError: The store cannot be reached.
    """
    pedido = _pedido_de(socket)
    texto, galleta = _texto_de(socket)
    if galleta:
        _comprobar_origen(socket)
    usuario = None if texto is None else await entorno.titulares.dar(texto)
    if usuario is None or texto is None:
        raise Problema(
            401,
            "a valid bearer token is needed: `Authorization: Bearer …`, or the cookie of a log-in",
            cabeceras={"WWW-Authenticate": "Bearer"},
        )
    portador = _portador(entorno, texto, usuario.nombre, usuario.client_id)
    ofrecidos: list[str] = socket.scope.get("subprotocols", [])
    csrf = next((o.removeprefix(PREFIJO_CSRF) for o in ofrecidos if o.startswith(PREFIJO_CSRF)), None)
    if galleta and csrf is not None and not es_csrf(entorno, portador, csrf):
        detalle = "the subprotocol does not hold the log-in's csrf_token"
        raise await negar(entorno.almacen, socket, usuario, detalle)
    protocolo = PROTOCOLO if PROTOCOLO in ofrecidos else None
    return Entrada(portador, galleta and csrf is None, pedido, protocolo)


def es_csrf(entorno: Entorno, portador: Portador, texto: str | None) -> bool:
    """Whether a text is the CSRF token of a socket's log-in."""
    return portador.sesion is not None and entorno.firmante.es_csrf(portador.sesion, texto or "")


def explicar(fallo: ValidationError) -> str:
    """What is wrong with what a client asks for, without repeating it."""
    return "; ".join(
        f"{'.'.join(str(parte) for parte in error['loc']) or 'message'}: {error['msg']}"
        for error in fallo.errors(include_input=False, include_url=False, include_context=False)
    )


def _portador(entorno: Entorno, texto: str, nombre: str, client_id: str) -> Portador:
    if texto.startswith(PREFIJO_FICHA):
        return Portador(nombre, client_id, None, huella_de(texto), None)
    ahora_ms = entorno.ahora_ms()
    acceso, vence_ms = entorno.firmante.leer(texto, ahora_ms), entorno.firmante.vence_ms(texto, ahora_ms)
    if acceso is None or vence_ms is None:  # it ended a moment ago
        raise Problema(401, "the token is good no more", cabeceras={"WWW-Authenticate": "Bearer"})
    return Portador(nombre, client_id, acceso.sesion, None, vence_ms)


def _texto_de(socket: WebSocket) -> tuple[str | None, bool]:
    """The token, and whether a browser sent it by itself."""
    esquema, _, texto = socket.headers.get("authorization", "").partition(" ")
    if esquema:
        return (texto.strip() or None) if esquema.lower() == "bearer" else None, False
    galleta = socket.cookies.get(GALLETA_ACCESO)
    if galleta is None or galleta.startswith(PREFIJO_FICHA):
        return None, False
    return galleta, True


def _comprobar_origen(socket: WebSocket) -> None:
    """Whether the page that asks is served from where the API is."""
    esquema = _ESQUEMAS.get(str(socket.scope.get("scheme")), "")
    propio = f"{esquema}://{socket.headers.get('host', '')}"
    origen = socket.headers.get("origin")
    if origen is None or _sitio(origen) is None or _sitio(origen) != _sitio(propio):
        log.warning("origen_ajeno", origen=origen, propio=propio)
        raise Problema(
            403,
            f"a cookie is taken from pages of {propio} only; a proxy has to pass Host and X-Forwarded-Proto",
        )


def _sitio(origen: str) -> tuple[str, str, int | None] | None:
    try:
        partes = urlsplit(origen)
        puerto = partes.port
    except ValueError:
        return None
    if not partes.scheme or not partes.hostname:
        return None
    return partes.scheme, partes.hostname, puerto or _PUERTOS.get(partes.scheme)


def _pedido_de(socket: WebSocket) -> Pedido | None:
    campos = socket.query_params
    if not campos:
        return None
    desconocidos = sorted(set(campos) - {*_DE_LISTA, *_DE_TEXTO})
    if desconocidos:
        raise Problema(
            422,
            f"the address takes {', '.join((*_DE_LISTA, *_DE_TEXTO))} and nothing else; a token never goes"
            " there: use `Authorization: Bearer …`",
        )
    crudo: dict[str, object] = {campo: campos[campo] for campo in _DE_TEXTO if campo in campos}
    for campo in _DE_LISTA:
        if campo in campos:
            crudo[campo] = [parte.strip() for parte in campos[campo].split(",") if parte.strip()]
    try:
        return Pedido.model_validate(crudo)
    except ValidationError as fallo:
        raise Problema(422, explicar(fallo)) from None
