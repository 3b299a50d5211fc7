"""``requirements/runtime.txt`` is installed without looking for dependencies: it has to name all of them."""

from __future__ import annotations

from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

RUTA = Path(__file__).parents[1] / "requirements" / "runtime.txt"


def las_que_pide(nombre: str) -> set[str]:
    """What a package needs on this machine, without its extras."""
    pedidas = [Requirement(texto) for texto in requires(nombre) or ()]
    return {
        canonicalize_name(pedida.name)
        for pedida in pedidas
        if pedida.marker is None or pedida.marker.evaluate({"extra": ""})
    }


def test_lo_fijado_para_correr_se_basta_a_si_mismo():
    fijadas = {canonicalize_name(linea.partition("==")[0]) for linea in RUTA.read_text().split()}

    faltan = {(quien, que) for quien in fijadas for que in las_que_pide(quien) - fijadas}

    assert faltan == set()
