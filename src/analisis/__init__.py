"""Offline analysis of session CSV files."""

from src.analisis.informe import Informe, analizar
from src.analisis.pagina import redactar
from src.analisis.resumen_json import informe_a_json, resumen_a_json

__all__ = ["Informe", "analizar", "informe_a_json", "redactar", "resumen_a_json"]
