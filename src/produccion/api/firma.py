"""Access tokens: signed statements of who asks, good for a quarter of an hour."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt

from src.nucleo.errores import ConfiguracionInvalida

SECRETO_JWT = "TIMONEL_JWT_SECRET"
SECRETO_MINIMO = 32
"""Bytes."""

VIGENCIA_ACCESO_S = 900

_ALGORITMO = "HS256"
_EMISOR = "timonel"
_EXIGIDAS = ("sub", "client_id", "role", "sid", "iat", "exp", "iss")


class Acceso(NamedTuple):
    """What an access token says."""

    nombre: str
    client_id: str
    sesion: str


class Firmante:
    """Signs access tokens and recognises its own.

    Args:
        secreto: At least 32 bytes; whoever has it may be anybody.
    """

    def __init__(self, secreto: bytes) -> None:
        self._secreto = secreto

    @classmethod
    def de_una_vez(cls) -> Firmante:
        """One whose tokens no other process recognises."""
        return cls(secrets.token_bytes(SECRETO_MINIMO))

    def firmar(self, acceso: Acceso, rol: str, ahora_ms: int) -> tuple[str, int]:
        """A token, and the Unix second at which it is good no more."""
        ahora_s = ahora_ms // 1_000
        vence_s = ahora_s + VIGENCIA_ACCESO_S
        carga = {
            "iss": _EMISOR,
            "sub": acceso.nombre,
            "client_id": acceso.client_id,
            "role": rol,
            "sid": acceso.sesion,
            "iat": ahora_s,
            "exp": vence_s,
        }
        return jwt.encode(carga, self._secreto, algorithm=_ALGORITMO), vence_s

    def leer(self, texto: str, ahora_ms: int) -> Acceso | None:
        """What a token says; ``None`` when it is too old, altered, or signed by somebody else."""
        carga = self._carga(texto, ahora_ms)
        partes = () if carga is None else (carga["sub"], carga["client_id"], carga["sid"])
        return Acceso(*partes) if partes and all(isinstance(parte, str) for parte in partes) else None

    def vence_ms(self, texto: str, ahora_ms: int) -> int | None:
        """Until when a token is good; ``None`` when it is not."""
        carga = self._carga(texto, ahora_ms)
        return None if carga is None else 1_000 * int(carga["exp"])

    def _carga(self, texto: str, ahora_ms: int) -> dict[str, Any] | None:
        try:
            carga: dict[str, Any] = jwt.decode(
                texto,
                self._secreto,
                algorithms=[_ALGORITMO],
                issuer=_EMISOR,
                options={"require": list(_EXIGIDAS), "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return None
        vence_s = carga["exp"]
        return carga if isinstance(vence_s, int) and ahora_ms < 1_000 * vence_s else None

    def csrf(self, sesion: str) -> str:
        """What a page of ours knows of a session and another site does not."""
        return hmac.new(self._secreto, f"csrf:{sesion}".encode(), hashlib.sha256).hexdigest()

    def es_csrf(self, sesion: str, texto: str) -> bool:
        """Whether a text is that."""
        return hmac.compare_digest(self.csrf(sesion).encode(), texto.encode("utf-8", "surrogateescape"))


def secreto_jwt(entorno: Mapping[str, str] = os.environ) -> bytes | None:
    """The secret of ``TIMONEL_JWT_SECRET``; ``None`` when it is not set.

    Raises:
        ConfiguracionInvalida: It is too short.
    """
    escrito = entorno.get(SECRETO_JWT, "").encode("utf-8", "surrogateescape")
    if not escrito:
        return None
    if len(escrito) < SECRETO_MINIMO:
        raise ConfiguracionInvalida(
            f"{SECRETO_JWT} has {len(escrito)} bytes and needs {SECRETO_MINIMO}; make one with"
            " `openssl rand -base64 48`"
        )
    return escrito
