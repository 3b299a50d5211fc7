"""Text for Telegram: MarkdownV2 that says exactly what was meant, and never more than fits."""

from __future__ import annotations

import re
import unicodedata

LARGO_MAXIMO = 4_096
"""Length of a message once its Markdown is read, UTF-16 units."""

_RESERVADOS = re.compile(r"([_*\[\]()~`>#+\-=|{}.!\\])")
_DE_CODIGO = re.compile(r"([`\\])")
_CORTE = " …"


def escapar(texto: str) -> str:
    """Text as MarkdownV2 that shows that text and nothing else."""
    return _RESERVADOS.sub(r"\\\1", texto)


def negrita(texto: str) -> str:
    """Text in bold."""
    return f"*{escapar(texto)}*"


def bloque(texto: str) -> str:
    """Text as it stands, in letters of one width."""
    return "```\n" + _DE_CODIGO.sub(r"\\\1", texto) + "\n```"


def limpio(texto: str) -> str:
    """Text without what cannot be sent: control characters become blanks, halves of surrogates a mark."""
    entero = texto.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else " " for c in entero).strip()


def recortado(texto: str, largo: int) -> str:
    """The beginning of a text, with a mark where it was cut.

    Args:
        texto: Without halves of surrogates.
        largo: UTF-16 units at most, no less than the mark.
    """
    if _unidades(texto) <= largo:
        return texto
    cabe = texto.encode("utf-16-le")[: 2 * (largo - len(_CORTE))]
    return cabe.decode("utf-16-le", "ignore") + _CORTE


def _unidades(texto: str) -> int:
    return len(texto.encode("utf-16-le")) // 2
