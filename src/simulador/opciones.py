"""What a simulator is started with, and how its texts are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.tipos import Camino
from src.simulador.contrato import APALANCAMIENTO_INICIAL
from src.simulador.fallas.lectura import SIN_FALLAS, Guion
from src.simulador.ordenes import RECUERDA

CALENTAMIENTO = 1_500
CUENTA_POR_DEFECTO = "simulador"
_SIMBOLO = re.compile(r"[A-Z0-9]{3,20}")
_CLAVE = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class CuentaInicial:
    """An account as the exchange opens it."""

    clave: str
    secreto: str
    saldo: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Opciones:
    """Settings of one simulator process."""

    cuentas: tuple[CuentaInicial, ...]
    puerto: int = 0
    anfitrion: str = "127.0.0.1"
    velocidad: float | None = None  # None is lockstep
    camino: Camino = Camino.OHLC
    comision_taker: Decimal | None = None  # None takes the symbol's own
    comision_maker: Decimal | None = None
    slippage: Decimal = Decimal("0.0002")
    tasa_funding: Decimal = Decimal("0.0001")
    tasas_grabadas: Mapping[str, Mapping[int, Decimal]] = field(default_factory=dict)
    apalancamiento: int = APALANCAMIENTO_INICIAL
    calentamiento: int = CALENTAMIENTO
    archivo_listo: Path | None = None
    hasta_eof: bool = False  # end when standard input closes
    guion: Guion = SIN_FALLAS  # faults that are armed from the start
    control: bool = False  # whether faults can be armed and books read from outside
    recuerda: int | None = RECUERDA  # ended orders; twice the fills, four times the postings; None is all

    @property
    def con_fallas(self) -> bool:
        """Whether anything can go wrong."""
        return self.control or bool(self.guion.fallas)


def leer_velocidad(texto: str) -> float | None:
    """``max`` is lockstep (``None``); else market seconds per second."""
    if texto == "max":
        return None
    try:
        velocidad = float(texto)
    except ValueError:
        velocidad = 0.0
    if not 0 < velocidad < float("inf"):
        raise ConfiguracionInvalida(f"--speed {texto!r} must be 'max' or a positive number such as 1 or 60")
    return velocidad


def leer_cuenta(texto: str) -> CuentaInicial:
    """Read ``KEY:SECRET:BALANCE``."""
    partes = texto.split(":")
    if len(partes) != 3 or not _CLAVE.fullmatch(partes[0]) or not partes[1]:
        raise ConfiguracionInvalida(f"--account {texto!r} must be <KEY>:<SECRET>:<BALANCE>")
    return CuentaInicial(partes[0], partes[1], leer_decimal("--account", partes[2], minimo=0))


def leer_decimal(
    opcion: str, texto: str, *, minimo: Decimal | int | None = None, maximo: Decimal | int | None = None
) -> Decimal:
    """Read a finite decimal number within bounds (inclusive)."""
    try:
        valor = Decimal(texto)
    except InvalidOperation:
        valor = Decimal("NaN")
    if not valor.is_finite():
        raise ConfiguracionInvalida(f"{opcion} {texto!r} is not a number")
    if (minimo is not None and valor < minimo) or (maximo is not None and valor > maximo):
        raise ConfiguracionInvalida(f"{opcion} {texto} is outside [{minimo}, {maximo}]")
    return valor


def leer_datos(texto: str) -> tuple[str, Path]:
    """Read ``SYMBOL=FILE``, or ``FILE`` whose name begins with the symbol."""
    simbolo, igual, archivo = texto.partition("=")
    if igual and _SIMBOLO.fullmatch(simbolo.upper()):
        return simbolo.upper(), Path(archivo)
    ruta = Path(texto)
    candidato = re.split(r"[^A-Za-z0-9]", ruta.name, maxsplit=1)[0].upper()
    if not _SIMBOLO.fullmatch(candidato):
        raise ConfiguracionInvalida(f"no symbol in the file name {ruta.name!r}; write --data SYMBOL={texto}")
    return candidato, ruta
