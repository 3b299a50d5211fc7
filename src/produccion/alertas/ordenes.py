"""What people may ask of the bot, and the code that a dangerous command waits for."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

PLAZO_S = 60.0
"""Wall seconds that a code holds."""

_CIFRAS = 6


class Orden(StrEnum):
    """Commands, as they are written after the slash."""

    STATUS = "status"
    PROFIT = "profit"
    BALANCE = "balance"
    DAILY = "daily"
    LOCKS = "locks"
    HEALTH = "health"
    LOGS = "logs"
    HELP = "help"
    STOPENTRY = "stopentry"
    STARTENTRY = "startentry"
    FORCEEXIT = "forceexit"
    STOP = "stop"

    @property
    def solo_lee(self) -> bool:
        """Whether it changes nothing."""
        return self not in _CAMBIAN

    @property
    def para(self) -> str:
        """What it does, in one line."""
        return _PARA[self]


_CAMBIAN = frozenset({Orden.STOPENTRY, Orden.STARTENTRY, Orden.FORCEEXIT, Orden.STOP})
_PARA = {
    Orden.STATUS: "open positions with stop and target",
    Orden.PROFIT: "what was earned: today, 7 days, 30 days, in all",
    Orden.BALANCE: "balance and equity of each account",
    Orden.DAILY: "[days] what was earned on each day",
    Orden.LOCKS: "what keeps entries from being made",
    Orden.HEALTH: "daemons, and alerts that wait",
    Orden.LOGS: "[count] the latest alerts",
    Orden.HELP: "this list",
    Orden.STOPENTRY: "pause entries; exits go on",
    Orden.STARTENTRY: "let entries again",
    Orden.FORCEEXIT: "[symbol] [account] close positions at market",
    Orden.STOP: "[symbol] [account] end the daemons by their exit policy",
}
_NOMBRAN_CUENTA = frozenset({Orden.FORCEEXIT, Orden.STOP})


class Peticion(NamedTuple):
    """A command, the word after it, and the account that it names."""

    orden: Orden
    argumento: str = ""
    cuenta: str = ""


def leer_peticion(texto: str) -> Peticion | None:
    """The command that a text gives; ``None`` when there is none of that name."""
    palabras = texto.split()
    if not palabras or not palabras[0].startswith("/"):
        return None
    nombre = palabras[0][1:].partition("@")[0].lower()
    try:
        orden = Orden.HELP if nombre == "start" else Orden(nombre)
    except ValueError:
        return None
    resto = palabras[1:]
    # No symbol has a hyphen, and every account id does; a phone may have begun it with a capital.
    cuentas = [palabra.lower() for palabra in resto if orden in _NOMBRAN_CUENTA and "-" in palabra]
    otras = [palabra for palabra in resto if orden not in _NOMBRAN_CUENTA or "-" not in palabra]
    return Peticion(orden, *(palabra[0] if palabra else "" for palabra in (otras, cuentas)))


def es_orden(texto: str) -> bool:
    """Whether a text means to be a command."""
    return texto.startswith("/")


def es_codigo(texto: str) -> bool:
    """Whether a text could be a code."""
    return len(texto) == _CIFRAS and texto.isascii() and texto.isdecimal()


class Autor(NamedTuple):
    """Who writes, and where."""

    chat_id: int
    usuario_id: int


class Confirmaciones:
    """Dangerous commands that wait for their code: one per author, one try, for a minute.

    Args:
        nuevo_codigo: Makes a code.
    """

    def __init__(self, nuevo_codigo: Callable[[], str] | None = None) -> None:
        self._nuevo_codigo = nuevo_codigo or _al_azar
        self._pendientes: dict[Autor, tuple[str, Peticion, float]] = {}

    def pedir(self, autor: Autor, peticion: Peticion, ahora_s: float) -> str:
        """The code by which a command is confirmed; it takes the place of the author's former one."""
        codigo = self._nuevo_codigo()
        self._pendientes[autor] = (codigo, peticion, ahora_s + PLAZO_S)
        return codigo

    def confirmar(self, autor: Autor, codigo: str, ahora_s: float) -> Peticion | None:
        """The command that a code confirms; ``None`` when it is wrong or late. It is tried once."""
        pendiente = self._pendientes.pop(autor, None)
        if pendiente is None:
            return None
        bueno, peticion, hasta_s = pendiente
        return peticion if secrets.compare_digest(bueno, codigo) and ahora_s <= hasta_s else None


def _al_azar() -> str:
    return f"{secrets.randbelow(10**_CIFRAS):0{_CIFRAS}d}"
