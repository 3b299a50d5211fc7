"""One run of the daemon against an exchange that misbehaves as told, and everything that it left behind."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from caos.disculpas import niveles_imposibles, stops_estropeados, velas_no_oidas
from caos.invariantes import Violacion, comprobar
from caos.libreta import Libreta
from caos.pruebas import Pruebas, leer_eventos, leer_filas
from src.nucleo.columnas import REGISTRO
from src.nucleo.errores import ErrorTimonel
from src.nucleo.politica import Politica
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Vela
from src.paridad.politicas import GUION, PoliticaGuionizada
from src.produccion.config.config import CLAVE_SIMULADOR, Opciones
from src.produccion.lanzamiento import ejecutar
from src.produccion.montaje import Sesion
from tests.constructores import INICIO_MS, unas_velas
from tests.extremo.procesos import CALENTAMIENTO, Simulador, un_artefacto, un_simulador
from tests.secretos import SECRETO

AJUSTES = """\
decision: {max_candle_age_s: 86400}
feature_range: {hold_entries_above: 1}
exchange: {request_timeout_s: 1.0, recv_window_ms: 500, read_backoff_s: 0.02, lookup_pause_s: 0.05}
streams: {reconnect_max_s: 0.5}
"""
"""Short waits: what they are for stays what it is."""

AJUSTES_SIN_ESPERAR = """\
decision: {max_candle_age_s: 86400}
feature_range: {hold_entries_above: 1}
exchange: {request_timeout_s: 1.0, recv_window_ms: 60000, read_backoff_s: 0.02, lookup_pause_s: 0.05}
streams: {reconnect_max_s: 0.5}
risk: {account_refresh_s: 0.3}
"""
"""The same where a market minute takes a quarter of a second."""

VELAS = tuple(unas_velas(CALENTAMIENTO + 11, semilla=11))

Fila = dict[str, str]


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
        """Arm one fault that happens at once, or at its next occasion."""
        self.pedir("POST", "faults", falla)

    def ocurridas(self) -> dict[str, Any]:
        """How often each kind has happened, and where."""
        return dict(self.pedir("GET", "faults")["fired"])

    def libros(self) -> dict[str, Any]:
        return dict(self.pedir("GET", f"books?key={CLAVE_SIMULADOR}"))


@dataclass
class Ensayo:
    """A market, an artefact, the faults of a scenario, and what the daemon made of them.

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
        self.train_id = self.train_id or un_artefacto(self.carpeta / "ent", **self.artefacto)
        opciones = ("--control", "--scenario", str(guion), *self.opciones)
        with un_simulador(self.carpeta, self.velas, *opciones) as simulador:
            mando = Mando(simulador)
            yield mando
            self.libros, self.ocurridas = mando.libros(), mando.ocurridas()

    def correr(
        self,
        politica: Politica | None = None,
        mientras: Callable[[Mando], None] | None = None,
    ) -> Ensayo:
        """One session to the end of the data, or to its error.

        Args:
            politica: One round after the other through all operations, unless given.
            mientras: Runs beside the daemon.
        """
        with self.bolsa() as mando, ThreadPoolExecutor(1) as aparte:
            tarea = aparte.submit(mientras, mando) if mientras is not None else None
            self.vivir(mando, politica)
            if tarea is not None:
                tarea.result(10)
        return self

    def vivir(self, mando: Mando, politica: Politica | None = None) -> None:
        """One session in this process; it may end in an emergency."""
        config = self.carpeta / "timonel.yaml"
        config.write_text(self.ajustes)
        opciones = Opciones(
            train_id=self.train_id,
            base=self.carpeta / "ent",
            estado=self.carpeta / "estado",
            config=config,
            url=mando.simulador.url,
        )
        with pytest.MonkeyPatch.context() as entorno:
            entorno.setenv("TIMONEL_SIMULATOR_SECRET", SECRETO)
            try:
                self.sesion = asyncio.run(ejecutar(opciones, politica or PoliticaGuionizada(GUION)))
            except ErrorTimonel as fallo:
                self.error = fallo

    @property
    def produccion(self) -> Path:
        return self.carpeta / "ent" / self.train_id / "produccion"

    @property
    def filas(self) -> list[Fila]:
        """The rows of all sessions."""
        return [
            dict(zip(REGISTRO, fila, strict=True))
            for filas in leer_filas(self.produccion).values()
            for fila in filas
        ]

    @property
    def bitacora(self) -> str:
        """What the daemon said."""
        return "".join(ruta.read_text(encoding="utf-8") for ruta in self.produccion.glob("produccion_*.log"))

    @property
    def veces(self) -> dict[str, int]:
        """How often each kind of fault happened."""
        return dict(self.ocurridas["by_kind"])

    @property
    def posicion(self) -> float:
        (posicion,) = self.libros["positions"]
        return float(posicion["quantity"])

    def de_status(self, status: StatusFila) -> list[Fila]:
        return [fila for fila in self.filas if fila["status"] == status]

    def violaciones(self, *, sin_esperar: bool = False) -> list[Violacion]:
        """What of journal, CSV and the exchange's books contradicts itself or another.

        Orders happen once, the position and every balance are the exchange's, one stop stands over what is
        open and none over what is not.

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
                velas=() if sin_esperar else velas,
                no_oidas=velas_no_oidas(registro, velas),
            )
        )


def un_ensayo_que_no_espera(carpeta: Path, *fallas: str, velas: int = 8) -> Ensayo:
    """The same in a market that moves by itself, where the daemon reads its user stream."""
    horas = unas_velas(CALENTAMIENTO + velas, semilla=11)
    return Ensayo(
        carpeta,
        fallas,
        velas=[v._replace(apertura_ms=INICIO_MS + i * 60_000) for i, v in enumerate(horas)],
        ajustes=AJUSTES_SIN_ESPERAR,
        opciones=("--speed", "240"),
        artefacto={"data_downloader__interval": "1m"},
    )


def sin(filas: Sequence[Fila], columnas: Collection[str] = ()) -> list[Fila]:
    """Rows without the instant at which something was seen, and without other columns."""
    fuera = {"timestamp", *columnas}
    return [{c: v for c, v in fila.items() if c not in fuera} for fila in filas]
