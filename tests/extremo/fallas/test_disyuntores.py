"""Each breaker opens, holds an entry, lets a protective exit pass and closes; seen wherever one may look."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Vela
from src.produccion.almacen.acceso import URL_ALMACEN
from src.produccion.almacen.conexion import abrir_almacen, leer
from src.produccion.almacen.demonios import vivos
from src.produccion.almacen.disyuntores import historia_disyuntores, listar_disyuntores
from src.produccion.almacen.esquema import alerts
from src.produccion.diario.diario import exportar
from tests.extremo.fallas.banco import Ensayo, Mando
from tests.extremo.fallas.vistas import Vistas, unas_vistas
from tests.extremo.procesos import (
    CALENTAMIENTO,
    RAIZ,
    Agente,
    con_calentamiento,
    entorno,
    esperar,
    un_artefacto,
    un_simulador,
)
from tests.extremo.test_guardian import MINUTO_MS

QUIETO = con_calentamiento([30_000.0 + 5.0 * (i % 3) for i in range(400)], intervalo_ms=MINUTO_MS)
"""A market that goes nowhere."""

EN_TIEMPO = ("--speed", "60", "--interval", "1m", "--control")

AJUSTES = """\
decision: {max_candle_age_s: 600}
feature_range: {hold_entries_above: 1}
exchange: {recv_window_ms: 60000, read_backoff_s: 0.02}
risk: {account_refresh_s: 0.5}
breakers:
  sample_every_s: 0.3
  latency: {cool_down_s: 20}
  spread: {cool_down_s: 1000000}
  volatility: {window_s: 300, cool_down_s: 60}
  error_rate: {cool_down_s: 20, window_s: 60, min_calls: 5}
"""
"""The limits are the default ones; the waits are short in a market that passes sixty times as fast."""

LLAMADA = "GET /fapi/v1/ticker/bookTicker"
# A median of reads and of refused placements, which are quick, is beyond the latency limit as well.
CAUSAS: dict[str, dict[str, Any]] = {
    "latency": {"kind": "late_answer", "at": {"call": "GET *"}, "times": "always", "ms": 1_200},
    "spread": {"kind": "wide_spread", "bps": 50},
    "volatility": {"kind": "price_jump", "percent": 7},
    "error_rate": {"kind": "http_503_unknown", "at": {"call": LLAMADA}, "times": "always"},
}


@dataclass
class Escena:
    """A daemon that always wants to be long, its exchange and its store."""

    agente: Agente
    mando: Mando
    demonio: subprocess.Popen[bytes]
    almacen: Engine
    vistas: Vistas

    def hasta(self, condicion: Any) -> None:
        esperar(condicion, self.demonio)

    def abierto(self, clase: str) -> bool:
        return self._ultimo(clase) == "OPEN"

    def verlo_abierto(self, clase: str) -> None:
        """Wherever one may look, once the store has heard of it."""
        self.hasta(lambda: self.vistas.se_ve_abierto(clase))
        self.vistas.comprobar_abierto(clase)

    def cerrado(self, clase: str) -> bool:
        return self._ultimo(clase) == "CLOSED"

    def _ultimo(self, clase: str) -> str | None:
        cambios = [c for tipo, c in self.agente.historia() if tipo.startswith("BREAKER_") and "kind" in c]
        return next((str(c["state"]) for c in reversed(cambios) if c["kind"] == clase), None)

    def sin_stop_posible(self) -> None:
        """The stops vanish and no other can be placed: the daemon itself has to close the position."""
        self.mando.armar(kind="stop_4130", times=10)
        self.mando.armar(kind="stop_dropped")

    def rechazadas(self, motivo: str) -> int:
        return sum(motivo in fila["error"] for fila in self.agente.registros[-1])

    def protegidas(self) -> int:
        return sum(fila["status"] == StatusFila.PROTECCION for fila in self.agente.registros[-1])

    def posicion(self) -> float:
        """Signed; from the books, which no fault of the exchange delays."""
        (posicion,) = self.mando.libros()["positions"]
        return float(posicion["quantity"])

    def cubierta(self) -> bool:
        return self.posicion() > 0.0 and bool(self.mando.libros()["open_algo_orders"])

    def timonel(self, *orden: str) -> Any:
        """What a command of the command line prints as JSON."""
        hecho = subprocess.run(
            [sys.executable, "-m", "src.cli.app", *orden, "--json", *self._estado],
            cwd=RAIZ,
            env=entorno(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return json.loads(hecho.stdout)

    @property
    def _estado(self) -> tuple[str, str]:
        return "--state-dir", str(self.agente.carpeta / "estado")


@contextmanager
def una_escena(carpeta: Path) -> Iterator[Escena]:
    train_id = un_artefacto(
        carpeta / "ent",
        0.5,
        data_downloader__interval="1m",
        entorno__proteccion__tipo="fija",
        entorno__proteccion__stop={"modo": "porcentaje", "valor": 5.0},
    )
    with un_simulador(carpeta, QUIETO, *EN_TIEMPO) as simulador:
        agente = Agente(carpeta, train_id, simulador.url, AJUSTES)
        with agente.corriendo() as demonio:
            esperar(lambda: bool(simulador.stops), demonio)
            almacen = abrir_almacen(None, carpeta / "estado")
            esperar(lambda: bool(vivos(almacen)), demonio)
            try:
                with unas_vistas(carpeta / "estado") as vistas:
                    yield Escena(agente, Mando(simulador), demonio, almacen, vistas)
            finally:
                almacen.dispose()


@pytest.mark.timeout(300)
def test_cada_uno_detiene_una_entrada_deja_salir_y_se_cierra(tmp_path: Path):
    with una_escena(tmp_path) as escena:
        for numero, (clase, causa) in enumerate(CAUSAS.items(), 1):
            escena.hasta(escena.cubierta)

            escena.mando.armar(**causa)
            escena.hasta(lambda clase=clase: escena.abierto(clase))
            with ThreadPoolExecutor(1) as aparte:
                visto = aparte.submit(escena.verlo_abierto, clase)
                escena.sin_stop_posible()
                escena.hasta(lambda numero=numero: escena.protegidas() == numero)
                visto.result()
            escena.mando.pedir("DELETE", "faults")
            motivo = f"the {clase.replace('_', ' ')} breaker is open"
            escena.hasta(lambda motivo=motivo: escena.rechazadas(motivo) > 0)
            if clase == "spread":
                _cerrar_a_mano(escena)
            escena.hasta(lambda clase=clase: escena.cerrado(clase))

            escena.hasta(escena.cubierta)

        _comprobar_rastro(escena)
        _comprobar_el_modo(escena)


def _cerrar_a_mano(escena: Escena) -> None:
    """The book is as it was; the breaker that would take for ever to cool down is closed by a person."""
    escena.mando.armar(kind="wide_spread", bps=0)
    visto = escena.vistas.disyuntor("spread")
    assert visto is not None
    ruta = f"breakers/{visto['id']}/reset"
    (respuesta,) = escena.vistas.pedir("POST", ruta, {"reason": "the book is back"})["results"]
    assert (respuesta["success"], respuesta["previous_state"]) == (True, "OPEN")


def _comprobar_rastro(escena: Escena) -> None:
    """Every change is in the history; all views say that it is over."""
    escena.hasta(lambda: all(d.state == "CLOSED" for d in listar_disyuntores(escena.almacen)))
    abiertos = {c.kind: c for c in historia_disyuntores(escena.almacen) if c.state == "OPEN"}
    assert set(abiertos) >= set(CAUSAS)
    for clase in CAUSAS:
        valor, limite = abiertos[clase].value, abiertos[clase].limit_value
        assert valor is not None
        assert limite is not None
        assert valor >= limite
    for clase in CAUSAS:
        escena.vistas.comprobar_cerrado(clase)
    vistos = {uno["kind"]: uno["state"] for uno in escena.timonel("breakers")["breakers"]}
    assert vistos == dict.fromkeys((*CAUSAS, "drawdown"), "CLOSED")
    cerrado = next(
        c for c in escena.timonel("breakers", "--history", "500")["changes"] if c["requested_by"] == "ana"
    )
    assert (cerrado["kind"], cerrado["reason"]) == ("spread", "the book is back")


def _comprobar_el_modo(escena: Escena) -> None:
    """A person stops the agent; by hand the position can still be closed, and it stays so after a restart."""
    (respuesta,) = escena.timonel("risk", "mode", "REDUCING", "--reason", "thin market")["results"]
    assert (respuesta["mode"], respuesta["previous_mode"]) == ("REDUCING", "ACTIVE")
    escena.mando.simulador.cerrar_a_mano()
    escena.hasta(lambda: escena.rechazadas("risk mode REDUCING") > 0)
    escena.demonio.kill()
    escena.demonio.wait()

    with escena.agente.corriendo() as otro:
        filas = escena.agente.filas()
        esperar(lambda: escena.agente.filas() > filas + 1, otro)
        assert escena.agente.registros[-1][-1]["error"].endswith("nothing is opened or increased")
        assert escena.posicion() == 0.0


def hacia_medianoche(cierres: Sequence[float], velas_antes: int) -> list[Vela]:
    """Candles of a minute of which so many close before midnight UTC."""
    medianoche_ms = 1_704_067_200_000
    desde_ms = medianoche_ms - (CALENTAMIENTO + velas_antes) * MINUTO_MS
    velas = con_calentamiento(cierres, intervalo_ms=MINUTO_MS)
    return [vela._replace(apertura_ms=desde_ms + i * MINUTO_MS) for i, vela in enumerate(velas)]


def perder(carpeta: Path, velas: int, velas_antes: int) -> Ensayo:
    """Stopped out beyond the first tier, so many candles before midnight. In a market that waits."""
    return Ensayo(
        carpeta,
        ["{kind: price_jump, at: {candle: 2}, percent: -4}"],
        velas=hacia_medianoche([30_000.0] * velas, velas_antes),
        opciones=("--interval", "1m"),
        artefacto={
            "data_downloader__interval": "1m",
            "entorno__max_drawdown_permitido": 0.10,
            "entorno__escalones_riesgo": True,
            "entorno__proteccion__tipo": "fija",
            "entorno__proteccion__stop": {"modo": "porcentaje", "valor": 3.0},
        },
    ).correr(_SiempreLargo())


def test_la_perdida_del_dia_se_ve_en_todas_partes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A protective exit passed, an entry did not, and the day is not over."""
    monkeypatch.setenv(URL_ALMACEN, f"sqlite:///{tmp_path / 'timonel.sqlite'}")
    ensayo = perder(tmp_path, 6, velas_antes=300)

    with unas_vistas(tmp_path) as vistas:
        vistas.comprobar_abierto("drawdown")
    assert len(ensayo.de_status(StatusFila.PROTECCION)) == 1
    assert any("daily loss" in fila["error"] for fila in ensayo.filas)
    assert ensayo.posicion == 0.0


def test_la_perdida_del_dia_acaba_con_el_dia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(URL_ALMACEN, f"sqlite:///{tmp_path / 'timonel.sqlite'}")
    ensayo = perder(tmp_path, 14, velas_antes=8)

    with unas_vistas(tmp_path) as vistas:
        vistas.comprobar_cerrado("drawdown")
    almacen = abrir_almacen(None, tmp_path)
    try:
        abierto, cerrado = historia_disyuntores(almacen, kind="drawdown")[::-1]
        with leer(almacen) as conexion:
            tipos = conexion.execute(select(alerts.c.kind).order_by(alerts.c.id)).scalars().all()
    finally:
        almacen.dispose()
    assert (abierto.state, abierto.limit_value, cerrado.state) == ("OPEN", pytest.approx(0.025), "CLOSED")
    assert abierto.value is not None
    assert abierto.value > 0.025
    assert [t for t in tipos if t.startswith("BREAKER")] == ["BREAKER_OPENED", "BREAKER_CLOSED"]
    assert ensayo.posicion > 0.0
    assert ensayo.violaciones() == []


def test_en_un_mercado_que_espera_dos_corridas_son_la_misma(tmp_path: Path):
    """Volatility switched on by name opens and closes at the same marks, however fast the machine is."""
    primera, segunda = (_una_corrida(tmp_path / nombre) for nombre in ("a", "b"))

    assert b'"type":"BREAKER_OPENED"' in primera
    assert b'"type":"BREAKER_CLOSED"' in primera
    assert primera == segunda


def _una_corrida(carpeta: Path) -> bytes:
    """The journal of a session in which the market jumps once."""
    carpeta.mkdir()
    Ensayo(
        carpeta,
        ["{kind: price_jump, at: {candle: 2}, percent: 7}"],
        velas=con_calentamiento([30_000.0] * 16, intervalo_ms=MINUTO_MS),
        ajustes=AJUSTES_EN_PASO,
        opciones=("--interval", "1m"),
        artefacto={"data_downloader__interval": "1m"},
    ).correr()
    (diario,) = (carpeta / "estado").rglob("diario.sqlite")
    return b"".join(exportar(diario, canonico=True))


AJUSTES_EN_PASO = """\
decision: {max_candle_age_s: 86400}
feature_range: {hold_entries_above: 1}
breakers: {volatility: {enabled: true, violations: 1, cool_down_s: 60, window_s: 120}}
"""


class _SiempreLargo:
    """Wants half of its equity."""

    def predecir(self, observacion: object) -> float:
        return 0.5
