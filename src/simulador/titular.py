"""Everything the exchange holds for one API key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from src.simulador.contrato import Contrato
from src.simulador.cuenta import Cuenta, PosicionSimbolo
from src.simulador.libro import Libro
from src.simulador.numeros import redondear
from src.simulador.opciones import CuentaInicial


@dataclass(slots=True)
class Titular:
    """An account with its orders and timers."""

    cuenta: Cuenta
    libro: Libro = field(default_factory=Libro)
    cuentas_atras: dict[str, int] = field(default_factory=dict)  # symbol -> market time of cancellation

    @property
    def clave(self) -> str:
        """API key, the account's identity."""
        return self.cuenta.clave


def abrir_titular(inicial: CuentaInicial, contratos: Mapping[str, Contrato], apalancamiento: int) -> Titular:
    """Open an account that is flat in every symbol; its balance is a deposit."""
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
    )
    return Titular(cuenta)


def depositar(titular: Titular, monto: Decimal, tiempo_ms: int) -> None:
    """Transfer money in (> 0) or out (< 0)."""
    titular.cuenta.anotar("TRANSFER", "", redondear(monto), tiempo_ms)
