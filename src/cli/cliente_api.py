"""What commands ask of the API, and its errors as exit codes."""

from __future__ import annotations

import http.client
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from src.cli.sesion_guardada import (
    SesionGuardada,
    a_solas,
    guardar_sesion,
    leer_sesion,
    ruta_de_sesion,
)
from src.nucleo.errores import ConfiguracionInvalida, ErrorTimonel

URL_API = "TIMONEL_API_URL"
FICHA = "TIMONEL_TOKEN"
URL_POR_DEFECTO = "http://127.0.0.1:8000"

RECHAZADO, MAL_PEDIDO, SIN_RESPUESTA, SIN_PERMISO, SIN_SABER = 1, 2, 6, 7, 8
"""Exit codes: refused or failed; bad input; nobody there; not logged in or not allowed; outcome not known."""

_PLAZO_S = 40.0  # longer than the API waits for a daemon
_MARGEN_S = 30.0
_LOCALES = frozenset({"127.0.0.1", "localhost", "::1"})
_CODIGOS = {400: 2, 404: 2, 413: 2, 415: 2, 422: 2, 401: 7, 403: 7, 429: 7, 502: 6, 503: 6, 504: 8}

_CLASES = {
    RECHAZADO: "refused",
    MAL_PEDIDO: "invalid_input",
    SIN_RESPUESTA: "unreachable",
    SIN_PERMISO: "not_allowed",
    SIN_SABER: "outcome_unknown",
}
_SIN_ENTRAR = "run `timonel login`"
_FICHA_MALA = (
    f"{FICHA} is set and is not accepted: unset it, or make a new one with `timonel users token NAME`"
)
_NO_TOMADO = 504
_NO_DICE = object()


class FalloApi(ErrorTimonel):
    """The API did not do what was asked.

    Args:
        mensaje: What it says, in a sentence.
        codigo: Exit code.
        problema: The document that it sent; ``None`` when it sent none.
    """

    def __init__(self, mensaje: str, codigo: int, problema: dict[str, Any] | None = None) -> None:
        super().__init__(mensaje)
        self.codigo_salida = codigo
        self.problema = problema

    @property
    def clase(self) -> str:
        """What kind of failure it is, in one word: the API's own where it gave one."""
        return str((self.problema or {}).get("kind") or _CLASES[self.codigo_salida])

    @property
    def exito(self) -> bool | None:
        """Never true; ``None`` where it may have been done."""
        return None if self.codigo_salida == SIN_SABER else False


class Respuesta(NamedTuple):
    """An answer that is none of an error."""

    estado: int
    cuerpo: Any


class Cliente:
    """Asks one API with the token of the environment, or with the log-in that is kept.

    Args:
        url: From ``--api-url``; otherwise ``TIMONEL_API_URL``, otherwise where the log-in comes from.
        ruta: The log-in's file.
        entorno: Environment.

    Raises:
        ConfiguracionInvalida: The address cannot be used, the log-in's file, or the token.
    """

    def __init__(
        self, url: str | None = None, ruta: Path | None = None, entorno: Mapping[str, str] = os.environ
    ) -> None:
        self._ruta = ruta or ruta_de_sesion(entorno)
        self._ficha = ficha_del_entorno(entorno)
        self._sesion = None if self._ficha else leer_sesion(self._ruta)
        guardada = self._sesion.url if self._sesion is not None else URL_POR_DEFECTO
        self.url = comprobar_url(url or entorno.get(URL_API) or guardada)

    def pedir(self, metodo: str, ruta: str, cuerpo: object = None, clave: str | None = None) -> Respuesta:
        """Ask, and read the answer.

        Args:
            metodo: HTTP method.
            ruta: Path, with its query.
            cuerpo: Sent as JSON; nothing when ``None``.
            clave: Idempotency key.

        Raises:
            FalloApi: It is an error, or there is none.
        """
        ficha, remedio = (self._ficha, _FICHA_MALA) if self._ficha else (self._acceso(), _SIN_ENTRAR)
        return pedir(self.url, metodo, ruta, cuerpo, ficha, clave, si_no_entra=remedio)

    def salir(self) -> bool:
        """End the log-in here and there; false when none is used."""
        if self._sesion is None:
            return False
        try:
            self.pedir("POST", "/api/v1/token/logout")
        finally:
            self._ruta.unlink(missing_ok=True)
        return True

    def _acceso(self) -> str:
        sesion = self._sesion
        if sesion is None or sesion.url != self.url:
            raise FalloApi(
                f"not logged in at {self.url}; run `timonel login --api-url {self.url}`", SIN_PERMISO
            )
        if time.time() < sesion.vence_s - _MARGEN_S:
            return sesion.acceso
        with a_solas(self._ruta):
            otra = leer_sesion(self._ruta)  # another command may have been faster
            if otra is None or otra.url != self.url or otra.vence_s == sesion.vence_s:
                otra = self._renovar(sesion)
        self._sesion = otra
        return otra.acceso

    def _renovar(self, sesion: SesionGuardada) -> SesionGuardada:
        cuerpo = {"refresh_token": sesion.refresco}
        dada = pedir(self.url, "POST", "/api/v1/token/refresh", cuerpo, None, si_no_entra=_SIN_ENTRAR)
        nueva = sesion_de(self.url, dada.cuerpo)
        guardar_sesion(self._ruta, nueva)
        return nueva


def ficha_del_entorno(entorno: Mapping[str, str] = os.environ) -> str | None:
    """The token of ``TIMONEL_TOKEN``, which wins over any log-in.

    Raises:
        ConfiguracionInvalida: It cannot be sent.
    """
    ficha = entorno.get(FICHA, "").strip()
    if not (ficha.isascii() and ficha.isprintable()):
        raise ConfiguracionInvalida(_FICHA_MALA)
    return ficha or None


def entrar(url: str, usuario: str, contrasena: str, ruta: Path) -> dict[str, Any]:
    """Log in and keep what the API gives.

    Raises:
        FalloApi: It lets nobody in.
    """
    credenciales = {"username": usuario, "password": contrasena}
    cuerpo: dict[str, Any] = pedir(url, "POST", "/api/v1/token/login", credenciales, None).cuerpo
    guardar_sesion(ruta, sesion_de(url, cuerpo))
    return cuerpo


def sesion_de(url: str, cuerpo: Mapping[str, Any]) -> SesionGuardada:
    """An answer with tokens, as it is kept."""
    return SesionGuardada(url, cuerpo["access_token"], cuerpo["refresh_token"], cuerpo["expires_at"])


def comprobar_url(url: str) -> str:
    """An address without the slash at its end.

    Raises:
        ConfiguracionInvalida: It is none, or tokens would travel in the clear.
    """
    partes = urlsplit(url)
    if partes.scheme not in ("http", "https") or not partes.hostname:
        raise ConfiguracionInvalida(f"--api-url {url!r} must look like {URL_POR_DEFECTO}")
    if partes.scheme == "http" and partes.hostname not in _LOCALES:
        raise ConfiguracionInvalida(
            f"--api-url {url!r} would send passwords and tokens in the clear; use https, or a tunnel to this"
            " machine"
        )
    return url.rstrip("/")


def pedir(
    url: str,
    metodo: str,
    ruta: str,
    cuerpo: object,
    ficha: str | None,
    clave: str | None = None,
    *,
    si_no_entra: str | None = None,
) -> Respuesta:
    """One request.

    Args:
        url: The API.
        metodo: HTTP method.
        ruta: Path, with its query.
        cuerpo: Sent as JSON; nothing when ``None``.
        ficha: Token; ``None`` where none is needed.
        clave: Idempotency key.
        si_no_entra: What helps when the API does not know who asks.

    Raises:
        FalloApi: The answer is an error, or there is none.
    """
    cabeceras = {"Content-Type": "application/json", "Accept": "application/json"}
    if ficha is not None:
        cabeceras["Authorization"] = f"Bearer {ficha}"
    if clave is not None:
        cabeceras["Idempotency-Key"] = clave
    datos = None if cuerpo is None else orjson.dumps(cuerpo)
    peticion = urllib.request.Request(url + ruta, data=datos, headers=cabeceras, method=metodo)
    try:
        with urllib.request.urlopen(peticion, timeout=_PLAZO_S) as respuesta:
            crudo = respuesta.read()
            return Respuesta(respuesta.status, orjson.loads(crudo) if crudo else None)
    except urllib.error.HTTPError as fallo:
        with fallo:
            raise _de_estado(fallo.code, fallo.read(), si_no_entra) from None
    except (OSError, http.client.HTTPException) as fallo:
        motivo = getattr(fallo, "reason", fallo)
        # Nothing says that a command which may have been sent had no effect.
        sin_enviar = metodo == "GET" or isinstance(motivo, (ConnectionRefusedError, socket.gaierror))
        codigo = SIN_RESPUESTA if sin_enviar else SIN_SABER
        raise FalloApi(f"{url} does not answer: {motivo}; is `timonel api` running?", codigo) from fallo
    except orjson.JSONDecodeError as fallo:
        raise FalloApi(f"{url} answered something that is not of Timonel's API", SIN_RESPUESTA) from fallo


def _de_estado(estado: int, crudo: bytes, si_no_entra: str | None = None) -> FalloApi:
    try:
        documento = orjson.loads(crudo)
        detalle, exito = str(documento["detail"]), documento.get("success", _NO_DICE)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        documento, detalle, exito = None, f"HTTP {estado}", _NO_DICE
    if estado == 401 and si_no_entra is not None:
        detalle += f"; {si_no_entra}"
    if estado == _NO_TOMADO and exito is False:
        return FalloApi(detalle, SIN_RESPUESTA, documento)  # nobody took it, and nobody will
    codigo = SIN_SABER if exito is None else _CODIGOS.get(estado, RECHAZADO)
    return FalloApi(detalle, codigo, documento)
