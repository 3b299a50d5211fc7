"""The plots that evaluation, report and docs share."""

from src.graficos.acciones import figura_acciones
from src.graficos.curvas import figura_drawdown, figura_equity
from src.graficos.datos import DatosGrafico, TramoPosicion
from src.graficos.estilo import a_png, a_svg, guardar
from src.graficos.operaciones import figura_operaciones
from src.graficos.panorama import figura_panorama

__all__ = [
    "DatosGrafico",
    "TramoPosicion",
    "a_png",
    "a_svg",
    "figura_acciones",
    "figura_drawdown",
    "figura_equity",
    "figura_operaciones",
    "figura_panorama",
    "guardar",
]
