"""The report as one self-contained page: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from src.analisis import vista
from src.analisis.informe import Informe
from src.graficos import a_svg, figura_acciones, figura_drawdown, figura_equity, figura_operaciones
from src.graficos.panorama import cifras_clave
from src.nucleo.tipos import Operacion

_PLANTILLA = "informe.html.j2"


def redactar(informe: Informe) -> str:
    """The page as HTML; equal analyses give equal text."""
    entorno = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return entorno.get_template(_PLANTILLA).render(_contexto(informe))


def _contexto(informe: Informe) -> dict[str, Any]:
    return {
        "titulo": informe.titulo,
        "subtitulo": informe.subtitulo,
        "lapso": vista.lapso(informe),
        "avisos": informe.avisos,
        "cifras": cifras_clave(informe.resumen),
        "figuras": _figuras(informe),
        "comparacion": vista.comparar(informe),
        "intervalos": informe.resumen.intervalos,
        "operaciones": vista.datos_operaciones(informe),
        "costos": vista.datos_costos(informe),
        "cuenta": vista.datos_cuenta(informe),
        "acciones": _filas_acciones(informe),
        "lista": [
            vista.celdas_operacion(n, operacion) for n, operacion in enumerate(informe.operaciones, start=1)
        ],
        "huecos": informe.historia.huecos,
        "emergencias": informe.emergencias,
        "episodios": informe.episodios,
        "estados": [
            (estado.value, f"{veces:,}") for estado, veces in informe.distribucion.filas.items() if veces
        ],
        "hora": vista.texto_hora,
        "numero": vista.texto_numero,
        "fraccion": vista.texto_fraccion,
    }


def _figuras(informe: Informe) -> list[Markup]:
    """The plots as inline SVG, which is markup of our own making."""
    datos = informe.datos
    dibujos = (
        (figura_equity, "Equity of the agent beside holding the asset"),
        (figura_drawdown, "Drawdown of the agent over time"),
        (figura_operaciones, "Positions of the agent on the price"),
        (figura_acciones, "Actions of the agent over time and their distribution"),
    )
    return [Markup(a_svg(dibujar(datos), descripcion)) for dibujar, descripcion in dibujos]


def _filas_acciones(informe: Informe) -> list[tuple[str, str, str, str]]:
    distribucion = informe.distribucion
    total = sum(distribucion.pedidas.values())
    return [
        (
            operacion.value,
            f"{distribucion.pedidas[operacion]:,}",
            vista.texto_fraccion(distribucion.pedidas[operacion] / total if total else None),
            f"{distribucion.ejecutadas[operacion]:,}",
        )
        for operacion in Operacion
    ]
