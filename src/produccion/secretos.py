"""Secrets are blanked in what is logged: by the field they are in, by how they look, by value."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from src.produccion.config.config import CLAVE_SIMULADOR

OCULTO = "***"

_CAMPOS = frozenset(
    {
        *("secreto", "secret", "api_secret", "signature", "listenkey", "token", "access_token"),
        *("refresh_token", "password", "contrasena", "authorization", "cookie", "api_key", "apikey"),
    }
)
_VARIABLES = re.compile(r"_(?:KEY|SECRET|TOKEN|PASSWORD)$")
_DIRECCIONES = re.compile(r"_URLS?$")
_DIRECCIONES_SECRETAS = re.compile(r"HEARTBEAT_URL$|APPRISE")
_ENTRE_VARIAS = re.compile(r"[\s,]+")
_LARGO_MINIMO = 8  # shorter ones would blank ordinary words

_SOSPECHOSO = re.compile(
    r"signature|listenkey|token|secret|passw|apikey|api_key|bearer|basic|cookie|://|tm[lr]_|eyJ|\d:[\w-]{30}",
    re.IGNORECASE,
)
_FORMAS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"((?<!_)(?:listenKey|signature|(?:(?:access|refresh|csrf|bot)_?)?token|password|"
            r"(?:api_?|client_)?secret|api_?key|x-mbx-apikey|cookie))"
            r"""(=(?:'|\\")?|\\?["']\s*:\s*\\?["'])[^&\s'"\\]+""",
            re.IGNORECASE,
        ),
        rf"\1\2{OCULTO}",
    ),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{16,}", re.IGNORECASE), rf"\1 {OCULTO}"),
    (re.compile(r"""(\w://[^\s/:@'"\\]*:)[^\s/@'"\\]+@"""), rf"\1{OCULTO}@"),
    (re.compile(r"\b(tm[lr]_)[\w-]{8,}"), rf"\1{OCULTO}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), OCULTO),
    (re.compile(r"(?:\bbot|\b)\d{6,}:[\w-]{30,}"), OCULTO),
)


def ocultar_campos(
    _registrador: Any, _metodo: str, evento: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank every field of a log event whose name says that it holds a secret."""
    for campo in evento:
        if campo.lower() in _CAMPOS:
            evento[campo] = OCULTO
    return evento


class Tapadera:
    """Blanks secrets in text: what looks like one, and those that are known by value.

    Args:
        conocidos: Secrets in use; those too short to be told from words are left to their looks.
        entorno: Where the others come from: variables that end in ``_KEY``, ``_SECRET``, ``_TOKEN`` or
            ``_PASSWORD``, addresses that are secret as a whole, and the passwords in other ``_URL`` ones.
    """

    def __init__(self, conocidos: Iterable[str] = (), entorno: Mapping[str, str] = os.environ) -> None:
        secretos = {*conocidos, *_del_entorno(entorno)} - {CLAVE_SIMULADOR}
        escritos = {forma for uno in secretos if len(uno) >= _LARGO_MINIMO for forma in _escrituras(uno)}
        largos = sorted(escritos, key=len, reverse=True)
        self._valores = re.compile("|".join(map(re.escape, largos))) if largos else None

    def tapar(self, texto: str) -> str:
        """The text without them."""
        if self._valores is not None:
            texto = self._valores.sub(OCULTO, texto)
        if _SOSPECHOSO.search(texto) is None:
            return texto
        for forma, sustituto in _FORMAS:
            texto = forma.sub(sustituto, texto)
        return texto


def _del_entorno(entorno: Mapping[str, str]) -> Iterable[str]:
    for nombre, valor in entorno.items():
        if _VARIABLES.search(nombre):
            yield valor
        elif _DIRECCIONES_SECRETAS.search(nombre):
            yield from _ENTRE_VARIAS.split(valor)
        elif _DIRECCIONES.search(nombre):
            clave = _contrasena_de(valor)
            if clave:
                yield clave
                yield unquote(clave)


def _contrasena_de(direccion: str) -> str | None:
    try:
        return urlsplit(direccion).password
    except ValueError:  # an address that cannot be read is refused by whoever uses it
        return None


def _escrituras(secreto: str) -> Iterable[str]:
    """How a secret may be written: as it is, in JSON, in Python, in an address."""
    return {
        *(secreto, json.dumps(secreto)[1:-1], repr(secreto)[1:-1]),
        *(quote(secreto, safe=""), quote_plus(secreto)),
    }
