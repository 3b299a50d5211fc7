"""Everything the exchange holds for one API key."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from src.simulador.algos import LibroAlgos
from src.simulador.contrato import Contrato
from src.simulador.cuenta import POR_ORDEN, Cuenta, PosicionSimbolo
from src.simulador.libro import Libro
from src.simulador.numeros import redondear
from src.simulador.opciones import CuentaInicial
from src.simulador.ordenes import RECUERDA


@dataclass(slots=True)
class Titular:
    """An account with its orders and timers."""

    cuenta: Cuenta
    libro: Libro = field(default_factory=Libro)
    algos: LibroAlgos = field(default_factory=LibroAlgos)
    cuentas_atras: dict[str, int] = field(default_factory=dict)  # symbol -> market time of cancellation

    @property
    def clave(self) -> str:
        """API key, the account's identity."""
        return self.cuenta.clave


def abrir_titular(
    inicial: CuentaInicial,
    contratos: Mapping[str, Contrato],
    apalancamiento: int,
    *,
    recuerda: int | None = RECUERDA,
) -> Titular:
    """Open an account that is flat in every symbol; its balance is a deposit.

    Args:
        inicial: Key and secret.
        contratos: What can be traded.
        apalancamiento: Leverage of every symbol, as far as it allows.
        recuerda: Ended orders remembered, twice the fills, four times the postings; ``None`` for all.
    """
    activo = next(iter(contratos.values())).activo_margen
    cuenta = Cuenta(
        clave=inicial.clave,
        secreto=inicial.secreto.encode(),
        activo=activo,
        saldo=Decimal(0),
        posiciones={
            simbolo: PosicionSimbolo(contrato, min(apalancamiento, contrato.apalancamiento_max))
            for simbolo, contrato in contratos.items()
        },
        ingresos=deque(maxlen=None if recuerda is None else POR_ORDEN * recuerda),
    )
    return Titular(cuenta, Libro(recuerda), LibroAlgos(recuerda))


def depositar(titular: Titular, monto: Decimal, tiempo_ms: int) -> None:
    """Transfer money in (> 0) or out (< 0)."""
    titular.cuenta.anotar("TRANSFER", "", redondear(monto), tiempo_ms)
