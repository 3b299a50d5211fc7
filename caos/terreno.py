"""What a run trades: a market, and an artefact whose cheap policy changes its mind on most candles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.taller import INTERVALO, SEMILLA, SIMBOLO, Taller, abrir_taller, escribir_artefacto
from caos.procesos import Encargo
from src.artefactos.configuracion import ConfiguracionArtefacto
from src.datos.continuidad import inferir_intervalo
from src.datos.sintetico import generar
from src.datos.velas import TablaVelas, escribir_velas, leer_velas, rellenar_huecos
from src.nucleo.errores import DatosInvalidos
from src.produccion.config.config import CLAVE_SIMULADOR

CALENTAMIENTO = 1_050
"""Candles that are past when the market opens."""

_COMISION = 0.00005  # low, so that thousands of orders do not eat the account
_SLIPPAGE = 0.00002
_CAMBIOS = {
    "portafolio.apalancamiento": 2,
    "portafolio.capital_inicial": 100_000.0,
    "portafolio.comision": _COMISION,
    "portafolio.slippage": _SLIPPAGE,
    "entorno.max_drawdown_permitido": 0.05,  # near, so that stops are reached
    "entorno.camino": "ohlc",
    "entorno.window_size": 4,
    "entorno.escalones_riesgo": False,
    "preprocesamiento.rasgos": "estacionarios",
    "entorno.proteccion": {
        "tipo": "niveles",
        "stop": {"modo": "atr", "valor": 1.0},
        "objetivo": {"modo": "span", "valor": 2.0},
    },
}
_PESO_RETORNO = 0.6
AJUSTES = """\
decision: {max_candle_age_s: 3600}
feature_range: {hold_entries_above: 1}
exchange: {request_timeout_s: 1.0, recv_window_ms: 1000, read_backoff_s: 0.05}
streams: {reconnect_max_s: 1.0}
"""
"""Short waits, so that hundreds of faults take minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terreno:
    """Everything that a run's processes are started with."""

    carpeta: Path
    datos: Path
    taller: Taller
    train_id: str

    def opciones_simulador(self, velocidad: str = "max") -> list[str]:
        """The command line of an exchange over the market."""
        portafolio = self.taller.configuracion.portafolio
        return [
            *("--data", f"{SIMBOLO}={self.datos}", "--interval", self._intervalo, "--speed", velocidad),
            *("--path", "ohlc", "--warmup", str(CALENTAMIENTO)),
            *("--account", f"{CLAVE_SIMULADOR}:{CLAVE_SIMULADOR}:{portafolio.capital_inicial}"),
            *("--commission", str(portafolio.comision), "--slippage", str(portafolio.slippage)),
        ]

    def encargo(self, url: str, ajustes: str = AJUSTES) -> Encargo:
        """How the daemon is started."""
        ruta = self.carpeta / "timonel.yaml"
        ruta.write_text(ajustes, encoding="utf-8")
        return Encargo(carpeta=self.carpeta, train_id=self.train_id, url=url, ajustes=ruta)

    @property
    def _intervalo(self) -> str:
        return self.taller.configuracion.data_downloader.interval


def preparar(
    carpeta: Path,
    velas: int,
    datos: Path | None = None,
    otros: Mapping[str, Any] | None = None,
    intervalo: str = INTERVALO,
    exposicion: float = 1.0,
) -> Terreno:
    """Write market and artefact.

    Args:
        carpeta: Empty.
        velas: Candles to trade, besides the warm-up.
        datos: Candle file; a synthetic market when omitted.
        otros: Further values of the artefact's configuration, by dotted key.
        intervalo: Of a synthetic market's candles.
        exposicion: How large positions are, as a share of what the actor takes otherwise.

    Raises:
        DatosInvalidos: The file has too few candles.
    """
    necesarias = CALENTAMIENTO + velas
    tabla = _leer(datos, necesarias) if datos else generar(SIMBOLO, intervalo, necesarias, SEMILLA)
    cambios = {**_CAMBIOS, **(otros or {}), "data_downloader.interval": inferir_intervalo(tabla)}
    taller = abrir_taller(necesarias, cambios, tabla)
    taller = replace(taller, actor=_actor(taller.configuracion, exposicion))
    ruta = carpeta / "candles.csv"
    escribir_velas(taller.tabla, ruta)
    train_id = escribir_artefacto(taller, carpeta / "artefacts", "chaos")
    return Terreno(carpeta=carpeta, datos=ruta, taller=taller, train_id=train_id)


def _leer(ruta: Path, necesarias: int) -> TablaVelas:
    leida = leer_velas(ruta)
    tabla = rellenar_huecos(leida, inferir_intervalo(leida))
    if len(tabla) < necesarias:
        raise DatosInvalidos(
            f"{ruta} has {len(tabla)} candles, {necesarias} are needed; give more, or a lower --candles"
        )
    return tabla[:necesarias]


def _actor(configuracion: ConfiguracionArtefacto, exposicion: float) -> dict[str, np.ndarray]:
    """One layer that follows the last return, with a little of everything else."""
    columnas, ventana = len(configuracion.columnas()), configuracion.entorno.window_size
    pesos = np.random.default_rng(5).normal(size=(1, ventana * columnas + 3)) * 0.02
    pesos[0, (ventana - 1) * columnas] = _PESO_RETORNO
    return {"w0": pesos * exposicion, "b0": np.zeros(1)}


__all__ = ["AJUSTES", "CALENTAMIENTO", "INTERVALO", "SIMBOLO", "Terreno", "preparar"]
