"""``config_metadata.yaml``: what a person writes to train, and what the artefact keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import ErrorDetails

from src.artefactos import secciones
from src.artefactos.sugerencia import clave_desconocida
from src.artefactos.tipos_yaml import Seccion
from src.artefactos.yaml_exacto import escribir_yaml, leer_yaml
from src.nucleo.accion import ReglaAccion
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.indicadores import ParametrosIndicadores, nombres_columnas
from src.nucleo.observacion import FormaPortafolio, Rasgos
from src.nucleo.ordenes import LimitesPlan, nocional_maximo
from src.nucleo.proteccion import ReglaProteccion
from src.nucleo.recompensa import ReglaRecompensa
from src.nucleo.tipos import Mercado

_POR_CIENTO = 100.0
_PARTE_AL_AZAR = 10
"""Unless told otherwise, one step in so many is taken before learning starts."""


class ConfiguracionArtefacto(Seccion):
    """The whole configuration; the rules of the core come out of it ready to use."""

    data_downloader: secciones.DataDownloader = secciones.DataDownloader()
    preprocesamiento: secciones.Preprocesamiento = secciones.Preprocesamiento()
    portafolio: secciones.Portafolio = secciones.Portafolio()
    entorno: secciones.Entorno = secciones.Entorno()
    SACmodel: secciones.SACmodel = secciones.SACmodel()
    policy_kwargs: secciones.PolicyKwargs = secciones.PolicyKwargs()
    Output: secciones.Output = secciones.Output()
    metadata_execution: secciones.MetadataExecution | None = None

    @model_validator(mode="after")
    def _hay_tiempo_de_aprender(self) -> Self:
        sac, total = self.SACmodel, self.entorno.total_timesteps
        if "learning_starts" not in sac.model_fields_set:
            inicio = max(1, min(sac.learning_starts, total // _PARTE_AL_AZAR))
            sac = sac.model_copy(update={"learning_starts": inicio})
            object.__setattr__(self, "SACmodel", sac)
        if sac.learning_starts >= total:
            raise ValueError(
                f"SACmodel.learning_starts = {sac.learning_starts} leaves nothing to learn in "
                f"entorno.total_timesteps = {total}; lower the former in a --config file, or raise the "
                "latter there or with --total-timesteps"
            )
        return self

    def parametros_indicadores(self) -> ParametrosIndicadores:
        """Lengths of the indicators."""
        return ParametrosIndicadores(**self.preprocesamiento.indicadores.model_dump())

    def columnas(self) -> tuple[str, ...]:
        """The feature columns, in the order of the matrix."""
        return nombres_columnas(self.parametros_indicadores(), self.preprocesamiento.rasgos)

    def regla_accion(self) -> ReglaAccion:
        """How actions are read."""
        entorno = self.entorno
        return ReglaAccion(entorno.umbral_mantener_posicion, entorno.banda_muerta, entorno.reserva_margen)

    def regla_recompensa(self) -> ReglaRecompensa:
        """The reward's formula and weights; the penalty in percent of equity."""
        entorno = self.entorno
        unidad = 1.0 if entorno.penalizacion_pct else _POR_CIENTO
        return ReglaRecompensa(
            forma=entorno.recompensa,
            factor_aversion_riesgo=entorno.factor_aversion_riesgo,
            penalizacion_no_operar=entorno.penalizacion_no_operar * unidad,
            normalizar=entorno.normalizar_recompensa,
        )

    def regla_proteccion(self) -> ReglaProteccion:
        """What guards a position."""
        return self.entorno.proteccion.regla(self.entorno.max_drawdown_permitido)

    def forma_portafolio(self, capital_referencia: float) -> FormaPortafolio:
        """How the portfolio vector is written, given the equity that maps to 1.0."""
        return FormaPortafolio(
            capital_referencia=capital_referencia,
            apalancamiento=float(self.portafolio.apalancamiento),
            normalizar=self.entorno.normalizar_portfolio,
            lado_en_vez_de_exposicion=self.preprocesamiento.rasgos is Rasgos.SEMILLA,
        )

    def limites_plan(self, mercado: Mercado) -> LimitesPlan:
        """What bounds the size of a position on a market."""
        apalancamiento = float(self.portafolio.apalancamiento)
        return LimitesPlan(mercado.filtros, apalancamiento, nocional_maximo(mercado.tramos, apalancamiento))

    def a_yaml(self) -> str:
        """The text of ``config_metadata.yaml``, keys in the order of the model."""
        contenido = self.model_dump(exclude_none=True)
        return escribir_yaml(_llano(contenido))


def leer_configuracion(ruta: Path, cambios: Mapping[str, Any] | None = None) -> ConfiguracionArtefacto:
    """Read a configuration file.

    Args:
        ruta: The YAML.
        cambios: Values that replace the file's, by dotted key such as ``entorno.total_timesteps``.
    Raises:
        ConfiguracionInvalida: The file cannot be read, or a key or value cannot be used.
    """
    try:
        texto = ruta.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fallo:
        raise ConfiguracionInvalida(f"cannot read the configuration {ruta}: {fallo}") from fallo
    return interpretar_configuracion(texto, str(ruta), cambios)


def interpretar_configuracion(
    texto: str, origen: str, cambios: Mapping[str, Any] | None = None
) -> ConfiguracionArtefacto:
    """Validate the text of a configuration; ``origen`` names it in errors."""
    try:
        contenido = leer_yaml(texto)
    except yaml.YAMLError as fallo:
        raise ConfiguracionInvalida(f"{origen} is not valid YAML: {fallo}") from fallo
    if contenido is None:
        contenido = {}
    if not isinstance(contenido, dict):
        raise ConfiguracionInvalida(f"{origen} must hold sections such as `entorno:`, not {contenido!r}")
    for clave, valor in (cambios or {}).items():
        _fijar(contenido, clave, valor)
    try:
        return ConfiguracionArtefacto.model_validate(contenido)
    except ValidationError as fallo:
        quejas = "; ".join(_queja(error) for error in fallo.errors())
        raise ConfiguracionInvalida(f"{origen}: {quejas}") from fallo


def _fijar(contenido: dict[str, Any], clave: str, valor: Any) -> None:
    seccion, _, resto = clave.partition(".")
    if not resto:
        contenido[seccion] = valor
        return
    interior = contenido.get(seccion)
    if not isinstance(interior, dict):
        interior = contenido[seccion] = {}
    _fijar(interior, resto, valor)


def _queja(error: ErrorDetails) -> str:
    ubicacion = error["loc"]
    clave = ".".join(str(parte) for parte in ubicacion)
    if error["type"] == "extra_forbidden":
        return clave_desconocida(ConfiguracionArtefacto, ubicacion)
    texto = error["msg"].removeprefix("Value error, ")
    if isinstance(error["input"], dict | BaseModel):
        return f"`{clave}`: {texto}" if clave else texto
    return f"`{clave}` = {error['input']!r}: {texto}"


def _llano(valor: Any) -> Any:
    """Tuples to lists and enums to text, the rest as it is."""
    if isinstance(valor, dict):
        return {clave: _llano(interior) for clave, interior in valor.items()}
    if isinstance(valor, list | tuple):
        return [_llano(interior) for interior in valor]
    return str(valor) if isinstance(valor, str) else valor
