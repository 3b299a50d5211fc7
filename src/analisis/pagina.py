"""The report as one self-contained page: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from src.analisis import vista
from src.analisis.informe import Informe
from src.graficos import a_svg, figura_acciones, figura_drawdown, figura_equity, figura_operaciones
from src.graficos.panorama import cifras_clave
from src.nucleo.tipos import Operacion

_PLANTILLA = "informe.html.j2"


class Enlazada(NamedTuple):
    """A session of a joined report that has a page of its own."""

    enlace: str  # relative address of the page
    informe: Informe


def redactar(informe: Informe, sesiones: Sequence[Enlazada] = ()) -> str:
    """The page as HTML; equal analyses give equal text.

    Args:
        informe: What the page tells.
        sesiones: Sessions with pages of their own, which the page lists and links to.
    """
    entorno = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return entorno.get_template(_PLANTILLA).render(_contexto(informe, sesiones))


def _contexto(informe: Informe, sesiones: Sequence[Enlazada]) -> dict[str, Any]:
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
        "sesiones": [_fila_sesion(sesion) for sesion in sesiones],
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


def _fila_sesion(sesion: Enlazada) -> dict[str, str]:
    informe = sesion.informe
    filas, resumen = informe.historia.filas, informe.resumen
    return {
        "enlace": sesion.enlace,
        "nombre": informe.historia.sesiones[0].nombre,
        "desde": vista.texto_hora(int(filas.tiempo_ms[0])),
        "hasta": vista.texto_hora(int(filas.tiempo_ms[-1])),
        "velas": f"{informe.historia.velas:,}",
        "rendimiento": vista.texto_fraccion(resumen.agente.rendimiento, signo=True),
        "max_drawdown": vista.texto_fraccion(resumen.agente.max_drawdown),
        "operaciones": f"{resumen.operaciones.cerradas:,}",
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
