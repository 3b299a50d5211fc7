"""One run: the daemon trades, dies where the script says, and is started again until the market ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from caos.disculpas import (
    adelanto_maximo_ms,
    niveles_imposibles,
    stops_estropeados,
    velas_a_deshora,
    velas_no_oidas,
)
from caos.guion import PUNTOS_POR_VELA, Guion, Muerte, Sitio
from caos.invariantes import Violacion, comprobar
from caos.libreta import Libreta
from caos.procesos import Demonio, Encargo, Mando, simulador
from caos.pruebas import Pruebas, leer_calentadas, leer_eventos, leer_filas
from caos.terreno import AJUSTES, CALENTAMIENTO, Terreno

_RONDA_S = 0.5  # between two looks at a daemon that no hold has stopped
_ATASCO_S = 90.0  # wall time in which nothing moves
_ATASCOS_MAX = 3
_ENTRE_LIBROS = 20  # lives between two looks at the books
_CODIGOS_CON_CAUSA = frozenset({3, 4, 5})  # emergencies, and the latch that they leave
_ENCLAVADO = frozenset({3, 5})
_FALLIDOS_SEGUIDOS_MAX = 5


class Avance(NamedTuple):
    """How far a run is."""

    paso: int
    pasos: int
    muertes: int


Vigia = Callable[[Avance], None]


@dataclass(slots=True)
class Balance:
    """What a run did and what it broke."""

    muertes: Counter[str] = field(default_factory=Counter)  # by kind of point
    fallas: Counter[str] = field(default_factory=Counter)  # by kind
    salidas: Counter[int] = field(default_factory=Counter)  # by exit code
    vidas: int = 0
    velas: int = 0
    decididas: int = 0
    sin_decidir: int = 0
    ordenes: int = 0
    filas: int = 0
    eventos: int = 0
    segundos: float = 0.0
    violaciones: list[Violacion] = field(default_factory=list)


class Corrida:
    """Runs a script.

    Args:
        terreno: Market and artefact.
        guion: Where the daemon dies and which faults happen.
        vigia: Told how far it is.
        asentar_s: Wall time between reaching a point and the kill, for the journal to write what it has.
    """

    def __init__(self, terreno: Terreno, guion: Guion, vigia: Vigia, asentar_s: float = 0.0) -> None:
        self._terreno = terreno
        self._guion = guion
        self._vigia = vigia
        self._asentar_s = asentar_s
        self._balance = Balance()
        self._libreta = Libreta()
        self._por_matar = list(guion.muertes)
        self._por_armar = list(guion.desgracias)
        self._armada: Muerte | None = None
        self._desfases: dict[int, int] = {}  # milliseconds of each armed skew, by its number
        self._fallidos = 0

    def correr(self) -> tuple[Balance, Encargo]:
        """Run to the end of the data, then check; what happened, and where its files are."""
        inicio = time.monotonic()
        with simulador(self._terreno.carpeta, self._terreno.opciones_simulador()) as (mando, _):
            encargo = self._terreno.encargo(mando.url, AJUSTES)
            self._vivir(mando, encargo)
            self._libreta.tomar(mando.libros())
            fallas = mando.fallas()["fired"]
        self._contar(encargo, fallas)
        self._balance.segundos = time.monotonic() - inicio
        return self._balance, encargo

    def _vivir(self, mando: Mando, encargo: Encargo) -> None:
        atascos = 0
        while True:
            muerte = self._preparar(mando)
            demonio = Demonio(encargo)
            self._balance.vidas += 1
            try:
                fin = self._seguir(mando, demonio, muerte)
            finally:
                demonio.matar()
            if fin is _MUERTO:
                continue
            if fin is _ATASCADO:
                atascos += 1
                self._anotar(
                    "the run moves on", f"nothing moved for {_ATASCO_S:g} s: {demonio.ultimas_palabras()}"
                )
                if atascos == _ATASCOS_MAX:
                    return
            elif not self._sigue(mando, encargo, demonio, fin):
                return

    def _preparar(self, mando: Mando) -> Muerte | None:
        """Arm the next kill, and the faults that come before the one after it."""
        if self._balance.vidas % _ENTRE_LIBROS == _ENTRE_LIBROS - 1:
            self._libreta.tomar(mando.libros())
        muerte, self._armada = self._armada, None
        if muerte is None and self._por_matar:
            muerte = _desde_ahora(self._por_matar.pop(0), mando.estado())
            mando.armar(muerte.guion())
        hasta = muerte.paso if muerte is not None else PUNTOS_POR_VELA * self._guion.velas
        while self._por_armar and self._por_armar[0].paso <= hasta:
            desgracia = self._por_armar.pop(0).en(mando.estado()["step"])
            (numero,) = mando.armar(desgracia.guion())
            if desgracia.clase == "clock_skew":
                self._desfases[numero] = int(desgracia.falla["ms"])
        return muerte

    def _seguir(self, mando: Mando, demonio: Demonio, muerte: Muerte | None) -> int:
        """Wait for the kill's point, or for the daemon to end by itself."""
        paso, visto_s = -1, time.monotonic()
        while True:
            if mando.detenciones(_RONDA_S):
                time.sleep(self._asentar_s)
                demonio.matar()
                mando.soltar()
                self._balance.muertes[muerte.sitio.value if muerte else "?"] += 1
                return _MUERTO
            codigo = demonio.codigo()
            if codigo is not None:
                self._armada = muerte
                return codigo
            estado = mando.estado()
            self._vigia(Avance(estado["step"], estado["steps_total"], self._balance.muertes.total()))
            if estado["step"] != paso:
                paso, visto_s = estado["step"], time.monotonic()
            elif time.monotonic() - visto_s > _ATASCO_S:
                return _ATASCADO

    def _sigue(self, mando: Mando, encargo: Encargo, demonio: Demonio, codigo: int) -> bool:
        """Whether there is another life after a daemon that ended by itself."""
        self._balance.salidas[codigo] += 1
        if codigo == 0:
            return False
        if codigo not in _CODIGOS_CON_CAUSA:
            self._fallidos += 1
            palabras = demonio.ultimas_palabras()
            self._anotar("the daemon starts again", f"it ended with code {codigo}: {palabras}")
            return self._fallidos < _FALLIDOS_SEGUIDOS_MAX
        if codigo in _ENCLAVADO:
            Demonio(encargo, "--unlock", "the run goes on").esperar(60.0)
        return not mando.estado()["finished"]

    def _contar(self, encargo: Encargo, fallas: dict[str, Any]) -> None:
        b = self._balance
        b.fallas.update({k: v for k, v in fallas["by_kind"].items() if k != "hold"})
        velas = self._terreno.taller.tabla.apertura_ms[CALENTAMIENTO:].tolist()
        eventos = leer_eventos(encargo.diario)
        desfases = [
            (int(f["step"]), self._desfases[f["id"]]) for f in fallas["log"] if f["id"] in self._desfases
        ]
        pruebas = Pruebas(
            eventos=eventos,
            filas=leer_filas(encargo.produccion),
            libros=self._libreta.cerrar(
                stops_estropeados(fallas["log"], velas) + niveles_imposibles(eventos)
            ),
            velas=velas,
            calentadas=leer_calentadas(encargo.produccion),
            adelanto_ms=adelanto_maximo_ms(desfases),
            no_oidas=velas_no_oidas(fallas["log"], velas) | velas_a_deshora(desfases, velas),
        )
        decididas = {int(e.contenido["candle"][0]) for e in pruebas.de_tipo("CANDLE_DECIDED")}
        b.velas = len(pruebas.velas)
        b.decididas = len(decididas)
        b.sin_decidir = len(set(pruebas.velas) - decididas)
        b.ordenes = sum(orden.ejecutada > 0 for orden in pruebas.libros.ordenes)
        b.filas = sum(map(len, pruebas.filas.values()))
        b.eventos = len(pruebas.eventos)
        b.violaciones += comprobar(pruebas)

    def _anotar(self, invariante: str, detalle: str) -> None:
        self._balance.violaciones.append(Violacion(invariante, detalle))


_MUERTO, _ATASCADO = -1_000, -1_001


def _desde_ahora(muerte: Muerte, estado: dict[str, Any]) -> Muerte:
    """A point of the market that is past already becomes the next one."""
    paso = max(muerte.paso, int(estado["step"]) + 1)
    if paso + PUNTOS_POR_VELA > int(estado["steps_total"]) and muerte.sitio in (Sitio.PASO, Sitio.VELA):
        return muerte._replace(sitio=Sitio.RECUPERACION)
    return muerte._replace(paso=paso)


def carpeta_de(base: Path, nombre: str) -> Path:
    """A new folder for a run's files."""
    ruta = base / nombre
    ruta.mkdir(parents=True)
    return ruta
