"""A session as a daemon would have recorded it, computed from the whole series at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.nucleo.accion import interpretar_accion
from src.nucleo.cartera import equity_de
from src.nucleo.contabilidad import Contabilidad
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, calcular_serie
from src.nucleo.observacion import construir_observacion, exposicion_de
from src.nucleo.ordenes import planificar
from src.nucleo.riesgo import EstadoRiesgo, anclar
from src.nucleo.tipos import Vela
from src.produccion.cuenta import Marcador
from src.produccion.diario.diario import DiarioSqlite, EventoDiario
from src.produccion.diario.memoria import (
    Instantanea,
    Pendiente,
    escribir_instantanea,
    escribir_pendiente,
)
from src.produccion.grabacion import grabar_calentamiento
from src.produccion.ingresos import CursorIngresos
from tests.constructores import HORA_MS, una_cuenta, unas_velas
from tests.extremo.procesos import un_artefacto_inquieto

SELLO = "20260101_000000"
AGREGADO = "agent:sim-abc:BTCUSDT:train"
CAPITAL = 10_000.0
CUENTA = una_cuenta(CAPITAL, 0.1)
_VENTANA = 4
_CALENTAMIENTO = VELAS_CALENTAMIENTO + _VENTANA
_SIN_DECIDIR = 5  # of the candles after the warm-up: taken after a gap, not decided on


@dataclass
class Grabacion:
    artefacto: Artefacto
    velas: list[Vela]
    eventos: list[EventoDiario]
    huella: str

    @property
    def calentamiento(self) -> list[Vela]:
        return self.velas[:_CALENTAMIENTO]

    def decididas(self) -> list[dict[str, Any]]:
        """Contents of the decisions, open to changes."""
        return [evento.contenido for evento in self.eventos if evento.tipo == "CANDLE_DECIDED"]

    def escribir(self, estado: Path) -> None:
        """A journal file with these events."""
        diario = DiarioSqlite(estado / "sim-abc" / "BTCUSDT" / "diario.sqlite")

        async def anotar() -> None:
            for evento in self.eventos:
                await diario.anotar(evento.agregado, evento.tipo, evento.instante_ms, evento.contenido)

        asyncio.run(anotar())
        diario.cerrar()


def una_grabacion(base: Path, decisiones: int = 12) -> Grabacion:
    """Decisions on every candle after the warm-up but one, with an account that stands still."""
    velas = unas_velas(_CALENTAMIENTO + decisiones + 1)
    artefacto = leer_artefacto(base, un_artefacto_inquieto(base, velas))
    nombre, huella = grabar_calentamiento(artefacto.ruta / "produccion", SELLO, velas[:_CALENTAMIENTO])
    eventos = [
        _evento(1, "SESSION_STARTED", {"session": SELLO, "train_id": artefacto.train_id}),
        _evento(2, "WARMUP", {"session": SELLO, "file": nombre, "sha256": huella}),
    ]
    decidir = _Decisor(artefacto, velas)
    for i in range(_CALENTAMIENTO, len(velas)):
        eventos.append(_evento(len(eventos) + 1, "CANDLES", {"candles": [list(velas[i])]}))
        if i - _CALENTAMIENTO != _SIN_DECIDIR:
            eventos.append(_evento(len(eventos) + 1, "CANDLE_DECIDED", decidir(i)))
    return Grabacion(artefacto, velas, eventos, huella)


class _Decisor:
    def __init__(self, artefacto: Artefacto, velas: list[Vela]) -> None:
        configuracion = artefacto.configuracion
        rasgos = calcular_serie(
            velas, configuracion.parametros_indicadores(), configuracion.preprocesamiento.rasgos
        )
        self._artefacto = artefacto
        self._velas = velas
        self._escalados = artefacto.escalador.transformar(rasgos)

    def __call__(self, i: int) -> dict[str, Any]:
        artefacto, vela = self._artefacto, self._velas[i]
        configuracion = artefacto.configuracion
        limites = configuracion.limites_plan(artefacto.mercado)
        ventana = self._escalados[i - _VENTANA + 1 : i + 1]
        forma = configuracion.forma_portafolio(CAPITAL)
        accion = artefacto.actor.predecir(construir_observacion(ventana, CUENTA, vela.close, forma))
        equity = equity_de(CUENTA, vela.close)
        exposicion = exposicion_de(CUENTA.cantidad, vela.close, equity, limites.apalancamiento)
        lectura = interpretar_accion(accion, exposicion, configuracion.regla_accion())
        plan = planificar(lectura, CUENTA, equity, vela.close, limites)
        cierre_ms = vela.apertura_ms + HORA_MS
        foto = Instantanea(
            *(0, i, vela.apertura_ms, CUENTA, Marcador(CAPITAL, 0, frozenset(), 0, CursorIngresos(0))),
            *(Contabilidad(), EstadoRiesgo(equity), anclar(None, equity, cierre_ms), None, CAPITAL),
        )
        pendiente = Pendiente(vela, cierre_ms, equity, accion, lectura, plan, "", None)
        return escribir_pendiente(pendiente) | {
            "session": SELLO,
            "step": i,
            "state": escribir_instantanea(foto),
        }


def _evento(numero: int, tipo: str, contenido: dict[str, Any]) -> EventoDiario:
    return EventoDiario(numero, AGREGADO, numero, tipo, numero, contenido)
