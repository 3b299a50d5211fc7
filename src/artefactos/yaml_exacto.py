"""YAML that keeps numbers as they were written and refuses repeated keys."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml


class NumeroEscrito(float):
    """A float that remembers its text: ``3e-4`` is not written back as ``0.0003``."""

    texto: str

    def __new__(cls, texto: str) -> NumeroEscrito:
        """Parse the text; YAML's underscores and special values are understood."""
        limpio = texto.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
        numero = super().__new__(cls, limpio)
        numero.texto = texto
        return numero

    def __repr__(self) -> str:
        return self.texto


# YAML 1.1 takes 3e-4 for text because it has no dot; people write it as a number.
_FLOTANTE = re.compile(
    r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_ETIQUETA = "tag:yaml.org,2002:float"


class _Lector(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        vistas: set[str] = set()
        for clave, _ in node.value:
            if clave.value in vistas:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {clave.value!r} is repeated", clave.start_mark
                )
            vistas.add(clave.value)
        return super().construct_mapping(node, deep)


class _Escritor(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


for _clase in (_Lector, _Escritor):
    _clase.yaml_implicit_resolvers = {
        inicial: [par for par in pares if par[0] not in (_ETIQUETA, "tag:yaml.org,2002:timestamp")]
        for inicial, pares in _clase.yaml_implicit_resolvers.items()
    }
    _clase.add_implicit_resolver(_ETIQUETA, _FLOTANTE, list("-+.0123456789"))
_Lector.add_constructor(_ETIQUETA, lambda _, nodo: NumeroEscrito(str(nodo.value)))
_Escritor.add_representer(
    NumeroEscrito, lambda escritor, numero: escritor.represent_scalar(_ETIQUETA, numero.texto)
)


def leer_yaml(texto: str) -> Any:
    """Parse a document; dates stay text, floats are `NumeroEscrito`.

    Raises:
        yaml.YAMLError: The text is not YAML, or repeats a key.
    """
    return yaml.load(texto, _Lector)


def escribir_yaml(contenido: Any) -> str:
    """Write a document; keys keep their order, `NumeroEscrito` its text."""
    return yaml.dump(contenido, Dumper=_Escritor, sort_keys=False, allow_unicode=True)
