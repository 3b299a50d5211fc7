"""Offline analysis of session CSV files."""

from src.analisis.informe import Informe, analizar
from src.analisis.pagina import redactar
from src.analisis.por_sesion import CONJUNTA, enlazar, pagina_de, separar, verificar_distintas
from src.analisis.resumen_json import informe_a_json, resumen_a_json

__all__ = [
    "CONJUNTA",
    "Informe",
    "analizar",
    "enlazar",
    "informe_a_json",
    "pagina_de",
    "redactar",
    "resumen_a_json",
    "separar",
    "verificar_distintas",
]
