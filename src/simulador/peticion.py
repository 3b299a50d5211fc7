"""A request's parameters: decoding, and typed reading that answers Binance's errors."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar
from urllib.parse import unquote_plus

from src.simulador.fallos_api import ErrorApi

E = TypeVar("E", bound=StrEnum)
_ENTERO_MAX = 2**62
_DECIMAL_MAX = Decimal(10) ** 15


def descomponer(texto: str) -> dict[str, str]:
    """Decode ``a=1&b=2``; the last of equal names wins."""
    if not texto:
        return {}
    codificado = "%" in texto or "+" in texto
    valores = {}
    for pareja in texto.split("&"):
        nombre, _, valor = pareja.partition("=")
        valores[nombre] = unquote_plus(valor) if codificado else valor
    return valores


class Parametros:
    """Typed access to what a client sent."""

    __slots__ = ("_valores",)

    def __init__(self, valores: dict[str, str]) -> None:
        self._valores = valores

    def tiene(self, nombre: str) -> bool:
        """Whether a non-empty value was sent."""
        return bool(self._valores.get(nombre))

    def texto(self, nombre: str) -> str:
        """A mandatory text."""
        valor = self._valores.get(nombre)
        if not valor:
            raise ErrorApi(-1102, nombre=nombre)
        return valor

    def texto_o(self, nombre: str, defecto: str) -> str:
        """A text, or its default when absent or empty."""
        return self._valores.get(nombre) or defecto

    def entero(self, nombre: str) -> int:
        """A mandatory integer."""
        return _entero(nombre, self.texto(nombre))

    def entero_o(self, nombre: str, defecto: int) -> int:
        """An integer, or its default when absent."""
        valor = self._valores.get(nombre)
        return _entero(nombre, valor) if valor else defecto

    def entero_o_nada(self, nombre: str) -> int | None:
        """An integer, or ``None`` when absent."""
        valor = self._valores.get(nombre)
        return _entero(nombre, valor) if valor else None

    def decimal(self, nombre: str) -> Decimal:
        """A mandatory finite number."""
        texto = self.texto(nombre)
        try:
            valor = Decimal(texto)
        except InvalidOperation:
            raise ErrorApi(-1102, nombre=nombre) from None
        if not valor.is_finite() or abs(valor) >= _DECIMAL_MAX:
            raise ErrorApi(-1102, nombre=nombre)
        return valor

    def logico(self, nombre: str, defecto: bool | None = None) -> bool:
        """``true`` or ``false``; mandatory when it has no default."""
        valor = self._valores.get(nombre)
        if not valor and defecto is not None:
            return defecto
        match self.texto(nombre).lower():
            case "true":
                return True
            case "false":
                return False
            case _:
                raise ErrorApi(-1130, nombre=nombre)

    def opcion(self, nombre: str, clase: type[E], codigo: int) -> E:
        """One of a closed set of words; another word earns ``codigo``."""
        try:
            return clase(self.texto(nombre))
        except ValueError:
            raise ErrorApi(codigo) from None

    def opcion_o(self, nombre: str, defecto: E, codigo: int) -> E:
        """One of a closed set of words, or its default when absent."""
        return self.opcion(nombre, type(defecto), codigo) if self.tiene(nombre) else defecto


def _entero(nombre: str, texto: str) -> int:
    try:
        valor = int(texto)
    except ValueError:
        raise ErrorApi(-1130, nombre=nombre) from None
    if abs(valor) > _ENTERO_MAX:
        raise ErrorApi(-1130, nombre=nombre)
    return valor
