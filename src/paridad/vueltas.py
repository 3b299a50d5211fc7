"""The same scripted entries under one trailing strategy: what happened, in the environment or the daemon."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from src.artefactos.artefacto import Artefacto
from src.artefactos.configuracion import ConfiguracionArtefacto
from src.datos.velas import TablaVelas, escribir_velas
from src.entrenamiento.datos_entorno import DatosEntorno
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.trayecto import recorrer, relatar
from src.nucleo.camino import camino_intravela
from src.nucleo.frenos import Freno, TipoFreno
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.proteccion import EstadoProteccion
from src.nucleo.tipos import Mercado
from src.paridad.ajustes import Ajuste
from src.paridad.politicas import PoliticaAlterna
from src.produccion.config.config import Opciones
from src.produccion.diario.apertura_diario import NOMBRE
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.lanzamiento import ejecutar
from src.produccion.simulado import argumentos_simulador, simulador_embebido
from src.produccion.stops.stops_recordados import AGREGADO_NIVEL, leer_nivel

CADA, INTENSIDAD = 120, 0.5
STOP_PCT, META_SPANS, RASTRO_PCT = 0.8, 2.0, 0.8
_META = {"modo": "span", "valor": META_SPANS}
_STOP_Y_META = {"stop": {"modo": "porcentaje", "valor": STOP_PCT}, "objetivo": _META}
PROTECCIONES: Mapping[TipoFreno, Mapping[str, Any]] = {
    TipoFreno.FIJA: _STOP_Y_META,
    TipoFreno.NIVELES: _STOP_Y_META,
    TipoFreno.HAND_SPAN: _STOP_Y_META,
    TipoFreno.PORCENTAJE: {**_STOP_Y_META, "porcentaje": RASTRO_PCT},
}
"""The same initial stop and the same target for all; only what trails differs."""

COMUNES = {
    "portafolio.apalancamiento": 1,
    "entorno.max_drawdown_permitido": 1.0,
    "entorno.escalones_riesgo": False,
    "entorno.camino": "ohlc",
}


def cambios_de(tipo: TipoFreno) -> dict[str, Any]:
    """Configuration values of a run under a strategy, by dotted key."""
    return {**COMUNES, "entorno.proteccion": {"tipo": tipo.value, **PROTECCIONES[tipo]}}


class Renglon(NamedTuple):
    """What a run's rows tell of one instant."""

    instante: str  # ISO 8601, UTC
    status: str
    precio: float  # close, or price of the fill
    balance: float
    equity: float
    cantidad: float  # signed, afterwards
    entrada: float | None  # average entry price of what is held afterwards


@dataclass(slots=True)
class Vuelta:
    """One run."""

    tipo: TipoFreno
    renglones: list[Renglon] = field(default_factory=list)
    ajustes: list[Ajuste] = field(default_factory=list)


def dar_vuelta_entorno(
    configuracion: ConfiguracionArtefacto,
    tabla: TablaVelas,
    mercado: Mercado,
    cada: int = CADA,
    al_decidir: Callable[[], None] | None = None,
    inicio: int = 0,
) -> Vuelta:
    """Live through the candles in the environment.

    Args:
        configuracion: With the strategy in ``entorno.proteccion``.
        tabla: Contiguous candles.
        mercado: Their symbol's.
        cada: Candles between two entries.
        al_decidir: Called at each decision.
        inicio: Row of the first decision.
    """
    vuelta = Vuelta(_tipo_de(configuracion))

    def oir(antes: EstadoProteccion, despues: EstadoProteccion, mark: float, instante_ms: int) -> None:
        _anotar(vuelta.ajustes, antes.freno, despues.freno, mark, instante_ms)

    datos = DatosEntorno(
        tabla=tabla,
        rasgos_escalados=np.zeros((len(tabla), 1), np.float32),  # the script looks at the position alone
        primera=0,
        ultima=len(tabla) - 1,
        intervalo=configuracion.data_downloader.interval,
        mercado=mercado,
        tasas_funding=configuracion.portafolio.tasa_funding,
    )
    entorno = EntornoTrading(datos, configuracion, 0, inicio_aleatorio=False, oyente=oir)
    politica = PoliticaAlterna(cada, INTENSIDAD, al_decidir)
    trayecto = recorrer(entorno, politica, inicio)
    vuelta.renglones = [_renglon(renglon.fila) for renglon in relatar(trayecto, 1)]
    return vuelta


def dar_vuelta_daemon(
    artefacto: Artefacto,
    tabla: TablaVelas,
    carpeta: Path,
    cada: int = CADA,
    al_decidir: Callable[[], None] | None = None,
) -> Vuelta:
    """Live through the candles with the daemon against a simulator; the first ones warm up.

    Args:
        artefacto: With the strategy in its configuration.
        tabla: Contiguous candles.
        carpeta: For candles, settings and journal.
        cada: Candles between two entries.
        al_decidir: Called at each decision.
    """
    estado = carpeta / f"state-{artefacto.train_id}"
    politica = PoliticaAlterna(cada, INTENSIDAD, al_decidir)
    asyncio.run(_vivir(artefacto, tabla, carpeta, estado, politica))
    (registro,) = (artefacto.ruta / "produccion").glob("registro_*.csv")
    vuelta = Vuelta(_tipo_de(artefacto.configuracion))
    with registro.open(encoding="utf-8", newline="") as archivo:
        vuelta.renglones = [_renglon(fila) for fila in csv.DictReader(archivo)]
    (diario,) = estado.rglob(NOMBRE)
    vuelta.ajustes = _leer_ajustes(diario, _marks(tabla, artefacto.configuracion))
    return vuelta


async def _vivir(
    artefacto: Artefacto, tabla: TablaVelas, carpeta: Path, estado: Path, politica: PoliticaAlterna
) -> None:
    datos, ajustes = carpeta / f"{artefacto.train_id}.csv", carpeta / "timonel.yaml"
    escribir_velas(tabla, datos)
    ajustes.write_text("feature_range: {hold_entries_above: 1.0}\n", encoding="utf-8")
    opciones = Opciones(
        train_id=artefacto.train_id, base=artefacto.ruta.parent, estado=estado, config=ajustes, datos=datos
    )
    argumentos = argumentos_simulador(opciones, artefacto.configuracion, artefacto.mercado)
    async with simulador_embebido(argumentos) as url:
        await ejecutar(
            Opciones(train_id=opciones.train_id, base=opciones.base, estado=estado, config=ajustes, url=url),
            politica,
        )


def _tipo_de(configuracion: ConfiguracionArtefacto) -> TipoFreno:
    return TipoFreno(configuracion.entorno.proteccion.tipo.value)


def _anotar(
    ajustes: list[Ajuste], antes: Freno | None, despues: Freno | None, mark: float, instante_ms: int
) -> None:
    if antes is None or despues is None or antes.stop == despues.stop:
        return
    ajustes.append(
        Ajuste(despues.abierto_ms, instante_ms, despues.largo, mark, despues.nivel, antes.stop, despues.stop)
    )


def _marks(tabla: TablaVelas, configuracion: ConfiguracionArtefacto) -> dict[int, list[float]]:
    """Mark prices by market time; a close and the next open share theirs."""
    marks: dict[int, list[float]] = {}
    for vela in tabla:
        cierre_ms = siguiente_apertura(vela.apertura_ms, configuracion.data_downloader.interval)
        for precio, fraccion, _ in camino_intravela(vela, configuracion.entorno.camino):
            instante_ms = vela.apertura_ms + int(fraccion * (cierre_ms - vela.apertura_ms))
            marks.setdefault(instante_ms, []).append(precio)
    return marks


def _leer_ajustes(ruta: Path, marks: Mapping[int, Sequence[float]]) -> list[Ajuste]:
    """The moves that the journal tells of, each with the mark of its instant that allows it most."""
    ajustes: list[Ajuste] = []
    anterior: Freno | None = None
    diario = DiarioSqlite(ruta)
    try:
        for evento in diario.leer(AGREGADO_NIVEL):
            freno = leer_nivel(evento.contenido).freno if evento.tipo == "LEVEL_SET" else None
            if anterior is not None and freno is not None and freno.abierto_ms == anterior.abierto_ms:
                mejor = max if freno.largo else min
                mark = mejor(marks[freno.ajustado_ms])
                _anotar(ajustes, anterior, freno, mark, freno.ajustado_ms)
            anterior = freno
    finally:
        diario.cerrar()
    return ajustes


def _renglon(fila: Mapping[str, Any]) -> Renglon:
    cantidad = float(fila["cantidad_activa"] or 0.0)
    return Renglon(
        instante=str(fila["timestamp"]),
        status=str(fila["status"]),
        precio=float(fila["precio"]),
        balance=float(fila["balance"]),
        equity=float(fila["equity"]),
        cantidad=-cantidad if str(fila["tipo_posicion_activa"]).lower() == "short" else cantidad,
        entrada=float(fila["precio_entrada_activa"]) if cantidad else None,
    )
