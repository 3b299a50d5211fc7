"""``make soak``: a hundred thousand candles, or hours with network cuts, and nothing grows."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from caos.disculpas import niveles_imposibles
from caos.guion import PUNTOS_POR_VELA
from caos.invariantes import Violacion, comprobar
from caos.libreta import Libreta
from caos.muestras import Sonda, crecimiento_mb, que_crece, que_tareas_quedan
from caos.procesos import Demonio, Encargo, Mando, simulador
from caos.pruebas import Pruebas, leer_calentadas, leer_eventos, leer_filas
from caos.terreno import AJUSTES, CALENTAMIENTO, Terreno, preparar

_RONDA_S = 1.0
_ATASCO_S = 120.0
_PASOS_ENTRE_LIBROS = 1_000 * PUNTOS_POR_VELA
_LIBROS_DE_PRISA = 400  # ended orders that the exchange remembers, and steps between two looks, in real time
_CALENTAR = 0.25  # share of the run after which nothing may grow
_VELOCIDAD = 60  # market seconds per second: a candle of a minute each second
_DE_PRISA = AJUSTES.replace("recv_window_ms: 1000", "recv_window_ms: 60000")
"""At that speed a request is old when it arrives."""

_EXPOSICION = 0.1
"""Without costs the actor multiplies its money: positions would outgrow the exchange's limits on orders."""

_CORTE_S = 8.0
_DESNUDA_PARED_MAX_MS = 2_000.0
_SIN_FINAL = {
    "entorno.max_drawdown_permitido": 1.0,
    "portafolio.comision": 0.0,
    "portafolio.slippage": 0.0,
}
"""Nothing that would end a session on the way."""


@dataclass(slots=True)
class Resistencia:
    """What a long run showed."""

    velas: int = 0
    decididas: int = 0
    ordenes: int = 0
    cortes: int = 0
    segundos: float = 0.0
    crecimiento_mb: dict[str, float] = field(default_factory=dict)
    final_mb: dict[str, float] = field(default_factory=dict)
    violaciones: list[Violacion] = field(default_factory=list)


class Corredor:
    """Runs daemon and simulator side by side and looks at both.

    Args:
        terreno: Market and artefact.
        minutos: Wall time of a run in real time; ``None`` runs in lockstep to the end of the data.
        corte_cada_s: Wall time between two network cuts of a run in real time.
    """

    def __init__(self, terreno: Terreno, minutos: float | None, corte_cada_s: float) -> None:
        self._terreno = terreno
        self._minutos = minutos
        self._corte_cada_s = corte_cada_s
        self._entre_libros = _PASOS_ENTRE_LIBROS if minutos is None else _LIBROS_DE_PRISA
        self._libreta = Libreta()
        self._r = Resistencia()

    def correr(self, progreso: Progress) -> Resistencia:
        """Run, then check."""
        velocidad = "max" if self._minutos is None else str(_VELOCIDAD)
        inicio = time.monotonic()
        opciones = [*self._terreno.opciones_simulador(velocidad), "--recent-books"]
        if self._minutos is not None:
            opciones += ["--books-size", str(_LIBROS_DE_PRISA)]
        with simulador(self._terreno.carpeta, opciones) as (mando, pid):
            ajustes = AJUSTES if self._minutos is None else _DE_PRISA
            encargo = self._terreno.encargo(mando.url, f"{ajustes}session: {{on_exit: keep}}\n")
            demonio = Demonio(encargo)
            sondas = {"daemon": Sonda(demonio.pid), "simulator": Sonda(pid)}
            try:
                self._acompanar(mando, demonio, sondas, progreso)
            finally:
                demonio.matar()
            estado, libros = mando.estado(), mando.libros(self._libreta.hasta_ms)
            self._libreta.tomar(libros)
        self._r.segundos = time.monotonic() - inicio
        self._juzgar(encargo, int(estado["time"]), float(libros["naked_ms"]["longest_wall"]))
        self._medir(sondas, int(estado["step"]))
        for registro in sorted(encargo.produccion.glob("produccion_*.log")):
            self._r.violaciones += que_tareas_quedan(registro)
        return self._r

    def _acompanar(
        self, mando: Mando, demonio: Demonio, sondas: dict[str, Sonda], progreso: Progress
    ) -> None:
        """Sample until the daemon has ended; in real time, cut the network now and then and end it."""
        tarea = progreso.add_task("market steps")
        inicio = visto_s = corte_s = time.monotonic()
        paso = leido = 0
        while demonio.codigo() is None:
            time.sleep(_RONDA_S)
            estado, ahora = mando.estado(), time.monotonic()
            progreso.update(tarea, completed=estado["step"], total=estado["steps_total"])
            if estado["step"] != paso:
                paso, visto_s = int(estado["step"]), ahora
                for sonda in sondas.values():
                    sonda.mirar(paso)
            elif ahora - visto_s > _ATASCO_S:
                self._anotar("the run moves on", f"nothing moved for {_ATASCO_S:g} s")
                return
            if paso - leido >= self._entre_libros:
                leido = paso
                self._libreta.tomar(mando.libros(self._libreta.hasta_ms))
            if self._minutos is None:
                continue
            if ahora - inicio > 60.0 * self._minutos or estado["finished"]:
                demonio.interrumpir(signal.SIGINT)
                demonio.esperar(60.0)
            elif ahora - corte_s > self._corte_cada_s:
                corte_s = ahora
                self._r.cortes += 1
                mando.armar({"kind": "outage", "seconds": _CORTE_S})
        esperado = 0 if self._minutos is None else 130
        if demonio.codigo() not in (0, esperado):
            self._anotar(
                "the run moves on", f"it ended with code {demonio.codigo()}: {demonio.ultimas_palabras()}"
            )

    def _juzgar(self, encargo: Encargo, ahora_ms: int, desnuda_pared_ms: float) -> None:
        aperturas = self._terreno.taller.tabla.apertura_ms[CALENTAMIENTO:].tolist()
        duracion = aperturas[1] - aperturas[0]
        eventos = leer_eventos(encargo.diario)
        hasta_ms = ahora_ms
        if self._minutos is not None:
            # The last candle may have closed while the daemon was being stopped.
            cierres = (int(e.contenido["close_ms"]) for e in eventos if e.tipo == "CANDLE_DECIDED")
            hasta_ms = max(cierres, default=ahora_ms)
        velas = [apertura for apertura in aperturas if apertura + duracion <= hasta_ms]
        pruebas = Pruebas(
            eventos=eventos,
            filas=leer_filas(encargo.produccion),
            libros=self._libreta.cerrar(
                niveles_imposibles(eventos) if self._minutos is None else [(0, 1 << 62)]
            ),
            velas=velas,
            calentadas=leer_calentadas(encargo.produccion),
            no_oidas=frozenset(velas if self._r.cortes else ()),
        )
        self._r.velas = len(pruebas.velas)
        self._r.decididas = sum(1 for _ in pruebas.de_tipo("CANDLE_DECIDED"))
        self._r.ordenes = sum(orden.ejecutada > 0 for orden in pruebas.libros.ordenes)
        self._r.violaciones += comprobar(pruebas)
        limite_ms = _DESNUDA_PARED_MAX_MS + 1_000.0 * _CORTE_S * bool(self._r.cortes)
        if desnuda_pared_ms > limite_ms:
            self._anotar("never without a stop", f"{desnuda_pared_ms / 1_000:.1f} s of wall time")

    def _medir(self, sondas: dict[str, Sonda], pasos: int) -> None:
        for nombre, sonda in sondas.items():
            muestras = sonda.tras(int(_CALENTAR * pasos))
            self._r.violaciones += que_crece(nombre, muestras)
            if muestras:
                self._r.crecimiento_mb[nombre] = round(crecimiento_mb(muestras), 2)
                self._r.final_mb[nombre] = round(muestras[-1].rss_mb, 1)

    def _anotar(self, invariante: str, detalle: str) -> None:
        self._r.violaciones.append(Violacion(invariante, detalle))


def principal(argumentos: Sequence[str] | None = None) -> int:
    """Run, check, print, write; returns the exit code."""
    lector = argparse.ArgumentParser(prog="python -m caos.resistencia", description=__doc__)
    lector.add_argument("--candles", type=int, default=100_000, help="candles to trade")
    lector.add_argument("--data", type=Path, help="candle file; a synthetic market if omitted")
    lector.add_argument(
        "--realtime", type=float, metavar="MINUTES", help="run on the wall's clock, with cuts"
    )
    lector.add_argument("--cut-every", type=float, default=120.0, help="seconds between cuts of --realtime")
    lector.add_argument("--output", type=Path, default=Path("build/soak.json"), help="figures as JSON")
    o = lector.parse_args(argumentos)
    consola = Console()
    velas = o.candles if o.realtime is None else int(60 * o.realtime) + 600
    with tempfile.TemporaryDirectory(prefix="timonel-soak-") as carpeta:
        intervalo = "1h" if o.realtime is None else "1m"
        terreno = preparar(Path(carpeta), velas, o.data, _SIN_FINAL, intervalo, _EXPOSICION)
        with Progress(console=consola, disable=not consola.is_terminal) as progreso:
            r = Corredor(terreno, o.realtime, o.cut_every).correr(progreso)
    _mostrar(r, consola)
    _escribir(r, o.output)
    return 1 if r.violaciones else 0


def _mostrar(r: Resistencia, consola: Console) -> None:
    tabla = Table(title="Resources after the warm-up", title_justify="left")
    for titulo in ("process", "grew by, MB", "at the end, MB"):
        tabla.add_column(titulo, justify="left" if titulo == "process" else "right")
    for nombre, crece in r.crecimiento_mb.items():
        tabla.add_row(nombre, f"{crece:.2f}", f"{r.final_mb[nombre]:.0f}")
    consola.print(tabla)
    consola.print(
        f"{r.velas:,} candles, {r.decididas:,} decided, {r.ordenes:,} orders, {r.cortes} network cuts, in"
        f" {r.segundos:.0f} s ({r.velas / r.segundos:.0f} candles/s)"
    )
    for violacion in r.violaciones[:40]:
        consola.print(f"{violacion.invariante}: {violacion.detalle}", style="red", markup=False)
    if not r.violaciones:
        consola.print("nothing grows, nothing lost", style="bold green")


def _escribir(r: Resistencia, ruta: Path) -> None:
    ruta.parent.mkdir(parents=True, exist_ok=True)
    contenido = {
        "candles": r.velas,
        "decided": r.decididas,
        "orders": r.ordenes,
        "cuts": r.cortes,
        "wall_s": round(r.segundos, 1),
        "growth_mb": r.crecimiento_mb,
        "final_mb": r.final_mb,
        "violations": [violacion._asdict() for violacion in r.violaciones],
    }
    ruta.write_text(json.dumps(contenido, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(principal())
