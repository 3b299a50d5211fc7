"""One turn after the other of feeding the store; each kind of failure is told once and tried again later."""

from __future__ import annotations

import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Engine, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.nucleo.alertas import PERDIDA_GRANDE
from src.nucleo.errores import EntradaInvalida
from src.produccion.almacen.acceso import Acceso
from src.produccion.almacen.alimentador import Muestra, Titular
from src.produccion.almacen.escritura import anadir
from src.produccion.almacen.esquema import balance_snapshots, system_metrics
from src.produccion.almacen.ingesta import LOTE, ingerir
from src.produccion.almacen.lectura_diario import nombre_diario
from src.produccion.almacen.salud_bolsa import anotar_salud

_PAUSA_S = 1.0
_PAUSA_AL_FINAL_S = 0.2
_ESPERA_MAX_S = 30.0
_LOTES_POR_VUELTA = 200
_FALLOS_HASTA_RENOVAR = 3

_CAIDAS = (DBAPIError, SinConexion, EntradaInvalida, sqlite3.Error, OSError)

log = structlog.get_logger(__name__)


class Tolva:
    """Moves records from one journal into the store, which it has opened anew when that goes on failing.

    Args:
        diario: The journal's file.
        acceso: To the store.
        titular: Whose journal it is.
        queda_tiempo: Asked before each batch; once there is none, what waits is left to the next start.
        perdida_grande: Share of the equity from which a loss is an alert of its own.
    """

    def __init__(
        self,
        diario: Path,
        acceso: Acceso,
        titular: Titular,
        queda_tiempo: Callable[[], bool] = lambda: True,
        perdida_grande: float = PERDIDA_GRANDE,
    ) -> None:
        self._ruta = diario
        self._acceso = acceso
        self._titular = titular
        self._queda_tiempo = queda_tiempo
        self._perdida_grande = perdida_grande
        self._nombre = ""
        self._fallos = 0
        self._dicho = ""
        self._muestra: Muestra | None = None

    def girar(self, muestra: Muestra | None = None) -> float:
        """Feed what there is; wall seconds until the next turn.

        Args:
            muestra: To be written as well; the newest one is kept while the store is down.
        """
        self._muestra = muestra or self._muestra
        try:
            quedan = self._alimentar()
        except _CAIDAS as fallo:
            return self._caer(fallo)
        if self._fallos:
            log.warning("almacen_de_vuelta", intentos=self._fallos)
            self._fallos, self._dicho = 0, ""
        return 0.0 if quedan else _PAUSA_S

    def cerrar(self, *, insistir: bool = False) -> bool:
        """Feed the rest, as far as the time goes; whether nothing is left.

        Args:
            insistir: Try again while the store is down; otherwise it is left to the next start then.
        """
        while self._queda_tiempo() and (insistir or self._fallos == 0):
            try:
                if not self._alimentar():
                    return self._queda_tiempo()
            except _CAIDAS as fallo:
                self._caer(fallo)
                if insistir:
                    time.sleep(_PAUSA_AL_FINAL_S)
        return False

    def _alimentar(self) -> bool:
        """Whether more is waiting."""
        motor = self._acceso.abrir()
        if self._muestra is not None:
            _escribir_muestra(motor, self._titular, self._muestra)
            self._muestra = None
        if not self._nombre:
            self._nombre = nombre_diario(self._ruta, f"{self._titular.account_id}/{self._titular.symbol}")
        return all(self._queda_tiempo() and self._un_lote(motor) == LOTE for _ in range(_LOTES_POR_VUELTA))

    def _un_lote(self, motor: Engine) -> int:
        return ingerir(motor, self._ruta, self._nombre, self._titular, LOTE, self._perdida_grande)

    def _caer(self, fallo: Exception) -> float:
        self._fallos += 1
        if self._fallos % _FALLOS_HASTA_RENOVAR == 0:
            self._acceso.renovar()
        motivo = str(fallo).partition("\n")[0] or repr(fallo)
        if motivo != self._dicho:
            log.error(
                "almacen_caido",
                motivo=motivo,
                efecto="trading does not wait for it; the journal keeps what it will get",
            )
            self._dicho = motivo
        return min(_ESPERA_MAX_S, _PAUSA_S * 2.0 ** min(self._fallos, 10))


def _escribir_muestra(motor: Engine, titular: Titular, muestra: Muestra) -> None:
    quien = titular._asdict()
    uso = resource.getrusage(resource.RUSAGE_SELF)
    propias = {
        "daemon_cpu_s": uso.ru_utime + uso.ru_stime,
        "daemon_peak_resident_mb": uso.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024),
    }
    metricas = [
        {
            "client_id": titular.client_id,
            "account_id": titular.account_id,
            "symbol": titular.symbol,
            "name": nombre,
            "value": valor,
            "taken_at_ms": muestra.instante_ms,
        }
        for nombre, valor in {**propias, **muestra.metricas}.items()
    ]
    with motor.begin() as conexion:
        conexion.execute(insert(system_metrics), metricas)
        anotar_salud(conexion, titular, muestra)
        if muestra.balance is not None:
            saldo = {"balance": muestra.balance, "equity": muestra.equity, "taken_at_ms": muestra.instante_ms}
            anadir(conexion, balance_snapshots, quien | saldo | {"source": "daemon"})
