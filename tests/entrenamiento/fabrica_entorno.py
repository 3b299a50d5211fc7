"""Environments over candles made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from src.artefactos.configuracion import ConfiguracionArtefacto, interpretar_configuracion
from src.datos.velas import TablaVelas
from src.entrenamiento.datos_entorno import DatosEntorno
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.recorrido import Terreno
from src.nucleo.proteccion import ReglaProteccion
from src.nucleo.stops import TipoProteccion
from src.nucleo.tipos import Mercado, Vela
from tests.constructores import HORA_MS, INICIO_MS, un_mercado


def una_tabla(velas: Sequence[Vela]) -> TablaVelas:
    tiempos, *columnas = zip(*velas, strict=True)
    nombres = ("open", "high", "low", "close", "volume")
    return TablaVelas(
        apertura_ms=np.array(tiempos, dtype=np.int64),
        **{nombre: np.array(columna) for nombre, columna in zip(nombres, columnas, strict=True)},
    )


def unos_datos(
    velas: Sequence[Vela],
    mercado: Mercado | None = None,
    funding: float | Mapping[int, float] = 0.0,
    **cambios: Any,
) -> DatosEntorno:
    """All candles usable; the features are the close in thousands and the range of the candle."""
    tabla = una_tabla(velas)
    rasgos = np.column_stack([tabla.close / 1_000.0, tabla.high / tabla.low]).astype(np.float32)
    datos = DatosEntorno(
        tabla=tabla,
        rasgos_escalados=rasgos,
        primera=0,
        ultima=len(tabla) - 1,
        intervalo="1h",
        mercado=mercado or un_mercado(),
        tasas_funding=funding,
    )
    return replace(datos, **cambios)


def una_configuracion(apalancamiento: int = 2, **entorno: Any) -> ConfiguracionArtefacto:
    """A window of one candle, no stop and no risk tiers unless told otherwise.

    ``entorno`` are keys of that section; ``proteccion`` is the word of its type, or all of its keys.
    """
    proteccion = entorno.pop("proteccion", "ninguna")
    valores: dict[str, Any] = {
        "portafolio.apalancamiento": apalancamiento,
        "entorno.window_size": 1,
        "entorno.escalones_riesgo": False,
        "entorno.proteccion": {"tipo": proteccion} if isinstance(proteccion, str) else dict(proteccion),
    }
    valores |= {f"entorno.{clave}": valor for clave, valor in entorno.items()}
    return interpretar_configuracion("", "test", valores)


def un_entorno(
    velas: Sequence[Vela],
    funding: float | Mapping[int, float] = 0.0,
    mercado: Mercado | None = None,
    **entorno: Any,
) -> EntornoTrading:
    """An environment that starts on the first candle."""
    datos = unos_datos(velas, mercado, funding)
    return EntornoTrading(datos, una_configuracion(**entorno), semilla=0, inicio_aleatorio=False)


def un_terreno(
    limite: float, slippage: float = 0.0002, tipo: TipoProteccion = TipoProteccion.CATASTROFE
) -> Terreno:
    """What `atravesar` needs besides account and candle, on `un_mercado`."""
    return Terreno(un_mercado(), slippage, ReglaProteccion(tipo, limite))


def unas_barras(*precios: tuple[float, float, float, float]) -> list[Vela]:
    """Contiguous hourly candles from open, high, low and close."""
    return [Vela(INICIO_MS + HORA_MS * i, *barra, 10.0) for i, barra in enumerate(precios)]


def quieta(precio: float) -> tuple[float, float, float, float]:
    """A candle that holds one price."""
    return (precio, precio, precio, precio)


def accion(valor: float) -> np.ndarray:
    return np.array([valor], dtype=np.float32)
