"""Trained artefacts: `entrenamientos/<train_id>` read and verified without torch, sklearn or pandas."""

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.artefactos.configuracion import ConfiguracionArtefacto, leer_configuracion
from src.artefactos.manifiesto import Manifiesto

__all__ = ["Artefacto", "ConfiguracionArtefacto", "Manifiesto", "leer_artefacto", "leer_configuracion"]
