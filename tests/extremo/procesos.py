"""The real processes: the simulator, the daemon, and a client that looks over the daemon's shoulder."""

from __future__ import annotations

import csv
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from sklearn.preprocessing import StandardScaler

from src.datos.mercados import mercado_por_defecto
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, Indicadores
from src.nucleo.tipos import Vela
from tests.artefactos.fabrica import crear_artefacto, un_actor, una_configuracion
from tests.constructores import HORA_MS, INICIO_MS, una_vela
from tests.secretos import SECRETO
from tests.simulador.banco import firmar

RAIZ = Path(__file__).parents[2]
CALENTAMIENTO = VELAS_CALENTAMIENTO + 10
ESPERA_S = 30.0
CLAVE = "simulador"


def entorno(**cambios: str) -> dict[str, str]:
    """The environment of a process: no keys but the ones given, and the simulator's."""
    heredado = {k: v for k, v in os.environ.items() if not k.startswith(("BINANCE_", "TIMONEL_"))}
    propias = {"OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1", "COLUMNS": "200"}
    return heredado | propias | {"TIMONEL_SIMULATOR_SECRET": SECRETO} | cambios


# --- candles and artefacts ---


def por_cierres(cierres: Sequence[float], intervalo_ms: int = HORA_MS) -> list[Vela]:
    """Candles that open where the one before closed."""
    aperturas = [cierres[0], *cierres[:-1]]
    return [
        una_vela(c, open=o, apertura_ms=INICIO_MS + i * intervalo_ms)
        for i, (o, c) in enumerate(zip(aperturas, cierres, strict=True))
    ]


def con_calentamiento(cierres: Sequence[float], **cambios: int) -> list[Vela]:
    """The same after a quiet history of the length that the daemon needs."""
    return por_cierres([cierres[0]] * CALENTAMIENTO + list(cierres), **cambios)


def escribir(ruta: Path, velas: Sequence[Vela]) -> Path:
    with ruta.open("w", encoding="utf-8", newline="") as archivo:
        escritor = csv.writer(archivo)
        escritor.writerow(["open_time", "open", "high", "low", "close", "volume"])
        escritor.writerows(velas)
    return ruta


def constante(accion: float, entradas: int) -> dict[str, np.ndarray]:
    """An actor that always answers the same."""
    return {"w0": np.zeros((1, entradas)), "b0": np.array([np.arctanh(accion)])}


def un_artefacto(base: Path, accion: float = 0.5, **cambios: Any) -> str:
    """An artefact for the symbol as the simulator lists it, whose actor always answers the same."""
    configuracion = una_configuracion(**cambios)
    entradas = configuracion.entorno.window_size * len(configuracion.columnas()) + 3
    mercado = mercado_por_defecto(configuracion.data_downloader.symbol)
    return crear_artefacto(base, configuracion, mercado=mercado, actor=constante(accion, entradas))


def un_artefacto_inquieto(base: Path, velas: Sequence[Vela]) -> str:
    """An artefact whose actor changes its mind often on these candles."""
    configuracion = una_configuracion(preprocesamiento__rasgos="estacionarios")
    indicadores = Indicadores(configuracion.parametros_indicadores(), configuracion.preprocesamiento.rasgos)
    rasgos = np.array([indicadores.actualizar(vela) for vela in velas])
    return crear_artefacto(
        base,
        configuracion,
        mercado=mercado_por_defecto("BTCUSDT"),
        escalador=pickle.dumps(StandardScaler().fit(rasgos[VELAS_CALENTAMIENTO:])),
        actor=un_actor(configuracion, semilla=5),
    )


# --- the simulator ---


@dataclass
class Simulador:
    """A running simulator and a signed client of its default account."""

    url: str
    proceso: subprocess.Popen[bytes]

    def pedir(self, ruta: str, metodo: str = "GET", **campos: Any) -> Any:
        campos["timestamp"] = self.publico("/fapi/v1/time")["serverTime"]
        pedido = urllib.request.Request(
            f"{self.url}{ruta}?{firmar(campos, SECRETO)}", headers={"X-MBX-APIKEY": CLAVE}, method=metodo
        )
        with urllib.request.urlopen(pedido, timeout=5) as respuesta:
            return json.load(respuesta)

    def publico(self, ruta: str, **campos: Any) -> Any:
        with urllib.request.urlopen(f"{self.url}{ruta}?{urlencode(campos)}", timeout=5) as respuesta:
            return json.load(respuesta)

    @property
    def posicion(self) -> float:
        """Signed quantity held."""
        filas = self.pedir("/fapi/v2/positionRisk", symbol="BTCUSDT")
        return sum(float(fila["positionAmt"]) for fila in filas)

    @property
    def stops(self) -> list[dict[str, Any]]:
        """Conditional orders that wait for their trigger."""
        return self.pedir("/fapi/v1/openAlgoOrders", symbol="BTCUSDT")

    def cancelar_stop(self, id_cliente: str) -> None:
        """Somebody cancels a stop by hand."""
        self.pedir("/fapi/v1/algoOrder", "DELETE", symbol="BTCUSDT", clientAlgoId=id_cliente)

    def cerrar_a_mano(self) -> None:
        """Somebody closes the whole long position."""
        self.pedir(
            "/fapi/v1/order",
            "POST",
            symbol="BTCUSDT",
            side="SELL",
            type="MARKET",
            quantity=f"{self.posicion:.3f}",
            reduceOnly="true",
        )

    @property
    def ordenes(self) -> list[dict[str, Any]]:
        """Every order that was ever accepted."""
        return self.pedir("/fapi/v1/allOrders", symbol="BTCUSDT", limit=1000)

    @property
    def saldo(self) -> float:
        return float(next(a for a in self.pedir("/fapi/v2/balance") if a["asset"] == "USDT")["balance"])

    def ingresos(self, tipo: str) -> list[tuple[int, float]]:
        """Instant and amount of every income row of a kind."""
        filas = self.pedir("/fapi/v1/income", incomeType=tipo, startTime=0, limit=1000)
        return [(int(fila["time"]), float(fila["income"])) for fila in filas]


@contextmanager
def un_simulador(
    carpeta: Path, velas: Sequence[Vela], *opciones: str, saldo: str = "10000"
) -> Iterator[Simulador]:
    """A simulator over candles, in lockstep unless told otherwise."""
    datos, listo = escribir(carpeta / "velas.csv", velas), carpeta / "listo.json"
    listo.unlink(missing_ok=True)
    proceso = subprocess.Popen(
        [
            *(sys.executable, "-m", "src.cli.simulator", "--data", f"BTCUSDT={datos}"),
            *("--warmup", str(CALENTAMIENTO), "--ready-file", str(listo)),
            *("--account", f"{CLAVE}:{SECRETO}:{saldo}", *opciones),
        ],
        cwd=RAIZ,
        env=entorno(),
        stdout=subprocess.DEVNULL,
    )
    try:
        esperar(listo.exists, proceso)
        yield Simulador(json.loads(listo.read_text())["url"], proceso)
    finally:
        proceso.terminate()
        proceso.wait(10)


def esperar(condicion: Any, proceso: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until something is true; at once an error when the process that should make it true has ended."""
    limite = time.monotonic() + ESPERA_S
    while not condicion():
        if proceso is not None and proceso.poll() is not None and not condicion():
            raise AssertionError(f"the process ended with {proceso.returncode}")
        if time.monotonic() > limite:
            raise AssertionError("it did not happen in time")
        time.sleep(0.02)


# --- the daemon ---


@dataclass
class Salida:
    """How a daemon ended."""

    codigo: int
    texto: str  # standard error
    resultado: str  # standard output


@dataclass
class Agente:
    """Everything a daemon is started with, and what it leaves on disk."""

    carpeta: Path
    train_id: str
    url: str | None = None
    ajustes: str = "feature_range: {hold_entries_above: 1}\n"
    opciones: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def orden(self, *opciones: str) -> list[str]:
        config = self.carpeta / "timonel.yaml"
        config.write_text(self.ajustes)
        destino = ("--exchange-url", self.url) if self.url else ()
        return [
            *("--train-id", self.train_id, "--artefacts", str(self.carpeta / "ent")),
            *("--state-dir", str(self.carpeta / "estado"), "--config", str(config)),
            *(*destino, *self.opciones, *opciones),
        ]

    @contextmanager
    def corriendo(self, *opciones: str) -> Iterator[subprocess.Popen[bytes]]:
        """A daemon in the background; gone at the end of the block."""
        proceso = subprocess.Popen(
            [sys.executable, "live.py", *self.orden(*opciones)],
            cwd=RAIZ,
            env=entorno(**self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield proceso
        finally:
            if proceso.poll() is None:
                proceso.kill()
            assert SECRETO.encode() not in b"".join(proceso.communicate())

    def correr(self, *opciones: str) -> Salida:
        """A daemon until it ends by itself."""
        hecho = subprocess.run(
            [sys.executable, "live.py", *self.orden(*opciones)],
            cwd=RAIZ,
            env=entorno(**self.variables),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert SECRETO not in hecho.stdout + hecho.stderr
        return Salida(hecho.returncode, hecho.stderr, hecho.stdout)

    @property
    def registros(self) -> list[list[dict[str, str]]]:
        """The rows of every session, oldest first."""
        return [leer_csv(ruta) for ruta in self._csv("registro")]

    @property
    def emergencias(self) -> list[dict[str, str]]:
        return [fila for ruta in self._csv("emergencias") for fila in leer_csv(ruta)]

    def filas(self) -> int:
        """Rows of the newest session; none before it has begun."""
        sesiones = self.registros
        return len(sesiones[-1]) if sesiones else 0

    def diario(self, tipo: str) -> list[dict[str, Any]]:
        """Contents of the journal's events of a kind, in order."""
        return [contenido for suyo, contenido in self.historia() if suyo == tipo]

    def historia(self) -> list[tuple[str, dict[str, Any]]]:
        """Kind and contents of every event of the journal, in order."""
        (ruta,) = (self.carpeta / "estado").rglob("diario.sqlite")
        conexion = sqlite3.connect(f"file:{ruta}?mode=ro", uri=True)
        try:
            filas = conexion.execute("SELECT type, payload_json FROM events ORDER BY seq")
            return [(tipo, json.loads(texto)) for tipo, texto in filas]
        finally:
            conexion.close()

    def _csv(self, prefijo: str) -> list[Path]:
        return sorted((self.carpeta / "ent" / self.train_id / "produccion").glob(f"{prefijo}_*.csv"))


def instante_ms(fila: dict[str, str]) -> int:
    return round(datetime.fromisoformat(fila["timestamp"]).timestamp() * 1_000)


def dicho(fila: dict[str, str]) -> float:
    """What a row says that happened to the balance, funding apart."""
    return float(fila["pnl_realizado"]) + float(fila["pnl_parcial"]) - float(fila["comision"])


def saldos_sin_explicar(
    filas: Sequence[dict[str, str]], funding: Sequence[tuple[int, float]]
) -> list[dict[str, str]]:
    """Rows whose balance is not the one before, what the row says, and the funding in between."""
    malas = []
    for anterior, fila in pairwise(filas):
        cobrado = sum(m for t, m in funding if instante_ms(anterior) < t <= instante_ms(fila))
        cambio = float(fila["balance"]) - float(anterior["balance"])
        if abs(cambio - dicho(fila) - cobrado) > 1e-8:
            malas.append(fila)
    return malas


def leer_csv(ruta: Path) -> list[dict[str, str]]:
    with ruta.open(encoding="utf-8", newline="") as archivo:
        return list(csv.DictReader(archivo))
