"""Links between documents lead to files and headings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RAIZ = Path(__file__).parents[2]
DOCUMENTOS = sorted([*RAIZ.glob("*.md"), *(RAIZ / "docs").rglob("*.md")])


def enlaces(documento: Path) -> list[str]:
    texto = re.sub(r"```.*?```", "", documento.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [e for e in re.findall(r"\]\(([^)\s]+)\)", texto) if not re.match(r"[a-z]+:", e)]


def anclas(documento: Path) -> set[str]:
    """The headings as GitHub names them."""
    titulos = re.findall(r"^#+ (.+)$", documento.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", titulo.lower()).replace(" ", "-") for titulo in titulos}


@pytest.mark.parametrize("documento", DOCUMENTOS, ids=lambda ruta: str(ruta.relative_to(RAIZ)))
def test_los_enlaces_llevan_a_alguna_parte(documento: Path):
    for enlace in enlaces(documento):
        archivo, _, ancla = enlace.partition("#")
        destino = (documento.parent / archivo).resolve() if archivo else documento

        assert destino.exists(), enlace
        assert not ancla or ancla in anclas(destino), enlace
