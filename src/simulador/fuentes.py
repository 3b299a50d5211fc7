"""Where a simulator's candles come from: files and the synthetic market."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from src.datos.continuidad import inferir_intervalo
from src.datos.mercados import decimales, mercado_por_defecto
from src.datos.sintetico import generar
from src.datos.tabla import TablaVelas
from src.datos.velas import leer_velas
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.tipos import Mercado
from src.simulador.numeros import decimales as decimales_de
from src.simulador.serie import Serie

Fuente = tuple[Serie, Mercado]


def de_tabla(simbolo: str, intervalo: str, tabla: TablaVelas) -> Fuente:
    """A symbol's candles with the rules that fit them."""
    mercado = mercado_por_defecto(simbolo, tabla)
    digitos = max(decimales(tabla), decimales_de(mercado.filtros.tick))
    return Serie.de_tabla(simbolo, intervalo, tabla, digitos), mercado


def de_archivos(archivos: Sequence[tuple[str, Path]], intervalo: str | None) -> list[Fuente]:
    """Read candle files.

    Args:
        archivos: Symbol and file of each.
        intervalo: Interval of all; ``None`` finds it in the data.

    Raises:
        ConfiguracionInvalida: A symbol is given twice.
        DatosInvalidos: A file cannot be used.
    """
    simbolos = [simbolo for simbolo, _ in archivos]
    if len(set(simbolos)) != len(simbolos):
        raise ConfiguracionInvalida(f"a symbol is given twice in --data: {', '.join(simbolos)}")
    fuentes = []
    for simbolo, ruta in archivos:
        tabla = leer_velas(ruta, intervalo)
        fuentes.append(de_tabla(simbolo, intervalo or inferir_intervalo(tabla), tabla))
    return fuentes


def sinteticas(simbolos: Sequence[str], intervalo: str, velas: int, semilla: int) -> list[Fuente]:
    """Invent candles; each symbol has a market of its own."""
    return [
        de_tabla(simbolo, intervalo, generar(simbolo, intervalo, velas, semilla + i))
        for i, simbolo in enumerate(simbolos)
    ]
