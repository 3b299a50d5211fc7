"""Roles, passwords and bearer tokens, without the store that keeps them."""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from src.nucleo.errores import ConfiguracionInvalida

LARGO_MINIMO = 12
LARGO_MAXIMO = 1_024
SIN_CONTRASENA = "!"
"""In the place of a hash: nobody logs in with a password."""

PREFIJO_FICHA = "tml_"
"""Lets scanners of source code recognise a token that got lost."""

_NOMBRE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_ARGON = PasswordHasher()


class Rol(StrEnum):
    """What a user may do."""

    LECTOR = "viewer"  # reads
    OPERADOR = "operator"  # reads and acts
    ADMIN = "admin"
    SERVICIO = "service"  # a program: acts, has tokens but no password


PUEDEN_ACTUAR = frozenset({Rol.OPERADOR, Rol.ADMIN, Rol.SERVICIO})
"""Who may change anything at the exchange."""


class Ficha(NamedTuple):
    """A bearer token; the text is shown once, only the fingerprint is kept."""

    texto: str
    huella: str

    def __repr__(self) -> str:
        return "Ficha(***)"


def nueva_ficha(prefijo: str = PREFIJO_FICHA) -> Ficha:
    """32 random bytes as text, and their fingerprint."""
    texto = prefijo + secrets.token_urlsafe(32)
    return Ficha(texto, huella_de(texto))


def huella_de(texto: str) -> str:
    """What is kept of a token: the SHA-256 of its text, hexadecimal."""
    return hashlib.sha256(texto.encode("utf-8", "surrogateescape")).hexdigest()


def comprobar_nombre(nombre: str) -> str:
    """The name of a user.

    Raises:
        ConfiguracionInvalida: It cannot be one.
    """
    if not _NOMBRE.fullmatch(nombre):
        raise ConfiguracionInvalida(
            f"{nombre!r} cannot be the name of a user: 1 to 64 letters, digits or _ . @ -, the first of them"
            " a letter or digit"
        )
    return nombre


def cifrar(contrasena: str) -> str:
    """The argon2id hash of a password; takes tens of milliseconds.

    Raises:
        ConfiguracionInvalida: It is too short or too long.
    """
    if not LARGO_MINIMO <= len(contrasena) <= LARGO_MAXIMO:
        raise ConfiguracionInvalida(f"a password has {LARGO_MINIMO} to {LARGO_MAXIMO} characters")
    return _ARGON.hash(contrasena)


def coincide(cifrada: str | None, contrasena: str) -> bool:
    """Whether a password belongs to a hash; takes as long when there is none to compare with.

    Args:
        cifrada: What is kept of the user's password; ``None`` for a user that does not exist.
        contrasena: What was typed.
    """
    if len(contrasena) > LARGO_MAXIMO:
        return False
    usable = cifrada is not None and cifrada != SIN_CONTRASENA
    try:
        return _ARGON.verify(cifrada if cifrada is not None and usable else _senuelo(), contrasena) and usable
    except (VerificationError, InvalidHashError):
        return False


@cache
def _senuelo() -> str:
    return _ARGON.hash(secrets.token_urlsafe(16))
