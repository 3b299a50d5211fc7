"""Who signs a request: key, HMAC over the bytes received, and the time window."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from src.simulador.fallos_api import ErrorApi
from src.simulador.peticion import Parametros
from src.simulador.titular import Titular

VENTANA_MS = 5_000
VENTANA_MAX_MS = 60_000
ADELANTO_MS = 1_000
_CLAVE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MARCA = b"signature="


def identificar(clave: str | None, titulares: Mapping[str, Titular]) -> Titular:
    """The account of an API key.

    Raises:
        ErrorApi: −2014 when it is missing or malformed, −2015 when nobody has it.
    """
    if not clave or not _CLAVE.fullmatch(clave):
        raise ErrorApi(-2014)
    titular = titulares.get(clave)
    if titular is None:
        raise ErrorApi(-2015)
    return titular


def verificar_firma(secreto: bytes, consulta: bytes, cuerpo: bytes) -> None:
    """Check that ``signature`` closes the query or the body and signs all the rest.

    Raises:
        ErrorApi: −1102 without a signature, −1022 when it does not match.
    """
    firmado, firma = _separar(consulta, cuerpo)
    esperada = hmac.digest(secreto, firmado, "sha256").hex().encode()
    if not hmac.compare_digest(esperada, firma.lower()):
        raise ErrorApi(-1022)


def _separar(consulta: bytes, cuerpo: bytes) -> tuple[bytes, bytes]:
    """What was signed, and the signature."""
    if _MARCA in cuerpo:
        resto, firma = _partir(cuerpo)
        return consulta + resto, firma
    if _MARCA in consulta:
        resto, firma = _partir(consulta)
        return resto + cuerpo, firma
    raise ErrorApi(-1102, nombre="signature")


def _partir(texto: bytes) -> tuple[bytes, bytes]:
    """Cut the signature off; it is the last parameter."""
    resto, _, firma = texto.rpartition(_MARCA)
    if resto and not resto.endswith(b"&"):
        raise ErrorApi(-1102, nombre="signature")
    return resto[:-1], firma


def verificar_tiempo(parametros: Parametros, ahora_ms: int, paciente_ms: int) -> None:
    """Check ``timestamp`` and ``recvWindow``.

    Args:
        parametros: What the client sent.
        ahora_ms: Market time.
        paciente_ms: Market time plus what the client's clock may have run on meanwhile.

    Raises:
        ErrorApi: −1021 outside the window.
    """
    enviado = parametros.entero("timestamp")
    ventana = parametros.entero_o("recvWindow", VENTANA_MS)
    if not 0 < ventana <= VENTANA_MAX_MS:
        raise ErrorApi(-1131)
    if enviado >= paciente_ms + ADELANTO_MS or ahora_ms - enviado > ventana:
        raise ErrorApi(-1021)
