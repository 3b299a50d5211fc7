"""One run of the daemon against an exchange that misbehaves as told, and everything that it left behind."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caos.disculpas import niveles_imposibles, stops_estropeados, velas_no_oidas
from caos.invariantes import Violacion, comprobar
from caos.libreta import Libreta
from caos.pruebas import Pruebas, leer_eventos, leer_filas
from src.nucleo.columnas import REGISTRO
from src.nucleo.errores import ErrorTimonel
from src.nucleo.politica import Politica
from src.nucleo.tipos import Vela
from src.paridad.politicas import GUION, PoliticaGuionizada
from src.produccion.config.config import CLAVE_SIMULADOR, Opciones
from src.produccion.lanzamiento import ejecutar
from src.produccion.montaje import Sesion
from tests.constructores import unas_velas
from tests.extremo.procesos import CALENTAMIENTO, Simulador, un_artefacto, un_simulador

ORDEN = "POST /fapi/v1/order"
STOP = "POST /fapi/v1/algoOrder"
AJUSTES = """\
decision: {max_candle_age_s: 86400}
feature_range: {hold_entries_above: 1}
exchange: {request_timeout_s: 1.0, recv_window_ms: 500, read_backoff_s: 0.02}
streams: {reconnect_max_s: 0.5}
"""
"""Short waits: what they are for stays what it is."""

VELAS = tuple(unas_velas(CALENTAMIENTO + 20, semilla=11))
_CUANDO_SE_VIO = frozenset({"timestamp"})


@dataclass(frozen=True)
class Mando:
    """The control routes of a simulator."""

    simulador: Simulador

    def pedir(self, metodo: str, ruta: str, cuerpo: object = None) -> Any:
        datos = None if cuerpo is None else json.dumps(cuerpo).encode()
        pedido = urllib.request.Request(f"{self.simulador.url}/sim/v1/{ruta}", datos, method=metodo)
        with urllib.request.urlopen(pedido, timeout=60) as respuesta:
            return json.load(respuesta)

    def armar(self, **falla: Any) -> None:
        self.pedir("POST", "faults", falla)

    def fallas(self) -> dict[str, Any]:
        """How often each kind has happened, and where."""
        return dict(self.pedir("GET", "faults")["fired"])

    def libros(self) -> dict[str, Any]:
        return dict(self.pedir("GET", f"books?key={CLAVE_SIMULADOR}"))


@dataclass
class Ensayo:
    """A market, an artefact, the faults of a scenario, and what a run of the daemon made of them.

    Args:
        carpeta: Where everything is.
        fallas: Each is one line of a scenario's ``faults``.
        velas: The market, warm-up included.
        ajustes: The daemon's ``timonel.yaml``.
        opciones: More of the simulator's.
        artefacto: Values of its configuration.
    """

    carpeta: Path
    fallas: Sequence[str] = ()
    velas: Sequence[Vela] = VELAS
    ajustes: str = AJUSTES
    opciones: Sequence[str] = ()
    artefacto: dict[str, Any] = field(default_factory=dict)
    sesion: Sesion | None = None
    error: ErrorTimonel | None = None
    libros: dict[str, Any] = field(default_factory=dict)
    ocurridas: dict[str, Any] = field(default_factory=dict)
    train_id: str = ""

    @contextmanager
    def bolsa(self) -> Iterator[Mando]:
        """The exchange with its faults armed; its books are read at the end of the block."""
        guion = self.carpeta / "faults.yaml"
        guion.write_text(f"faults: [{', '.join(self.fallas)}]\n")
        self.train_id = un_artefacto(self.carpeta / "ent", **self.artefacto)
        with un_simulador(
            self.carpeta, self.velas, "--control", "--scenario", str(guion), *self.opciones
        ) as simulador:
            mando = Mando(simulador)
            yield mando
            self.libros, self.ocurridas = mando.libros(), mando.fallas()

    def opciones_de(self, mando: Mando, **cambios: Any) -> Opciones:
        config = self.carpeta / "timonel.yaml"
        config.write_text(self.ajustes)
        return Opciones(
            train_id=self.train_id,
            base=self.carpeta / "ent",
            estado=self.carpeta / "estado",
            config=config,
            url=mando.simulador.url,
            **cambios,
        )

    def correr(self, politica: Politica | None = None, **cambios: Any) -> Ensayo:
        """One session to the end of the data, or to its error."""
        with self.bolsa() as mando:
            self.vivir(mando, politica, **cambios)
        return self

    def vivir(self, mando: Mando, politica: Politica | None = None, **cambios: Any) -> None:
        try:
            self.sesion = asyncio.run(
                ejecutar(self.opciones_de(mando, **cambios), politica or PoliticaGuionizada(GUION))
            )
        except ErrorTimonel as fallo:
            self.error = fallo

    @property
    def produccion(self) -> Path:
        return self.carpeta / "ent" / self.train_id / "produccion"

    @property
    def filas(self) -> list[dict[str, str]]:
        """The rows of all sessions, without the instant at which something was seen."""
        return [
            {c: v for c, v in zip(REGISTRO, fila, strict=True) if c not in _CUANDO_SE_VIO}
            for filas in leer_filas(self.produccion).values()
            for fila in filas
        ]

    @property
    def veces(self) -> dict[str, int]:
        """How often each kind of fault happened."""
        return dict(self.ocurridas["by_kind"])

    def violaciones(self, *, sin_esperar: bool = False) -> list[Violacion]:
        """What of journal, CSV and the exchange's books contradicts itself or another.

        Args:
            sin_esperar: In a market that does not wait, the time without a stop and the candles that were
                not decided on depend on how fast this machine is.
        """
        (diario,) = (self.carpeta / "estado").rglob("diario.sqlite")
        eventos, velas = leer_eventos(diario), [v.apertura_ms for v in self.velas[CALENTAMIENTO:]]
        libreta, registro = Libreta(), self.ocurridas["log"]
        libreta.tomar(self.libros)
        disculpas = stops_estropeados(registro, velas) + niveles_imposibles(eventos)
        return comprobar(
            Pruebas(
                eventos=eventos,
                filas=leer_filas(self.produccion),
                libros=libreta.cerrar([(0, 1 << 62)] if sin_esperar else disculpas),
                velas=velas,
                no_oidas=frozenset(velas) if sin_esperar else velas_no_oidas(registro, velas),
            )
        )
