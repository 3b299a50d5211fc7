"""The shared store as the services of one daemon use it: opened by whoever comes first, for all.

SQLAlchemy is imported by the thread that opens it, so that a daemon starts without waiting for that.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from src.produccion.supervision.cortesia import Cortesia

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

URL_ALMACEN = "TIMONEL_DB_URL"

NOMBRE_ALMACEN = "timonel.sqlite"
"""The store's file below the state directory, where no address names another."""

_RETENIENDO_S = 0.02
"""Wall seconds that a statement waits for the daemon while others wait for its transaction."""


class Acceso:
    """One engine at a time for all threads of a process.

    Args:
        url: The store's address; ``None`` takes ``TIMONEL_DB_URL``, or the default.
        estado: The ``--state-dir``.
        cortesia: Asked before every statement, for a moment only where others cannot write meanwhile;
            without it nobody goes first.
    """

    def __init__(self, url: str | None, estado: Path, cortesia: Cortesia | None = None) -> None:
        self._lugar = (url, estado)
        self._cortesia = cortesia
        self._candado = threading.Lock()
        self._motor: Engine | None = None

    def abrir(self) -> Engine:
        """The store, ready for use; it is not disposed of by who asks for it. Blocks: not for the loop.

        Raises:
            ConfiguracionInvalida: It cannot be used; the text says why. The next call tries again.
        """
        with self._candado:
            motor = self._motor
            if motor is None:
                motor = self._motor = self._abrir()
            return motor

    def renovar(self) -> None:
        """Have the next call open it anew, which checks and migrates the schema again.

        Whoever holds the one of before may go on with it: it makes itself new connections.
        """
        self.cerrar()

    def cerrar(self) -> None:
        """Close what is not in use; after it the store can be opened again.

        Nobody waits for an opening under way: it may hang.
        """
        motor, self._motor = self._motor, None
        if motor is not None:
            motor.dispose()

    def _abrir(self) -> Engine:
        from sqlalchemy import event

        from src.produccion.almacen.conexion import abrir_almacen, retiene_a_otros

        motor = abrir_almacen(*self._lugar)
        if self._cortesia is not None:
            ceder = self._cortesia.ceder

            def antes(conexion: Connection, *_: object) -> None:
                ceder(_RETENIENDO_S if retiene_a_otros(conexion) else math.inf)

            for momento in ("begin", "before_execute", "before_cursor_execute"):
                event.listen(motor, momento, antes)
        return motor
