"""What a run counts: its positions from flat to flat, and what each movement did to the account."""

from __future__ import annotations

from typing import NamedTuple

from src.nucleo.dinero import redondear
from src.nucleo.tipos import Ejecucion, EstadoCuenta


class Movimiento(NamedTuple):
    """What one decision, or one fill between candles, did to the account."""

    antes: EstadoCuenta
    despues: EstadoCuenta
    ejecuciones: tuple[Ejecucion, ...] = ()
    cubierto: float = 0.0  # loss of a liquidation that the insurance fund took, >= 0

    @property
    def cantidad(self) -> float:
        """Quantity filled, unsigned."""
        return sum(abs(fill.cantidad) for fill in self.ejecuciones)

    @property
    def precio_medio(self) -> float | None:
        """Mean fill price, weighted by quantity; ``None`` when nothing was filled."""
        if not self.ejecuciones:
            return None
        return sum(abs(fill.cantidad) * fill.precio for fill in self.ejecuciones) / self.cantidad

    @property
    def comision(self) -> float:
        """Commission paid, >= 0."""
        return redondear(sum(fill.comision for fill in self.ejecuciones))

    @property
    def pnl(self) -> float:
        """Realised profit before commission; a loss only as far as the account bore it."""
        return redondear(sum(fill.pnl_realizado for fill in self.ejecuciones) + self.cubierto)

    def slippage(self, precio: float) -> float:
        """What filling elsewhere than at ``precio`` cost; negative when the fills were better."""
        return redondear(sum(fill.cantidad * (fill.precio - precio) for fill in self.ejecuciones))


class TradeActivo(NamedTuple):
    """The position that is open, from flat to flat."""

    trade_id: str
    velas: int = 0  # candles closed since it was opened


class Contabilidad(NamedTuple):
    """What the rows count along a run."""

    operaciones_total: int = 0  # positions closed, from flat to flat
    pnl_total: float = 0.0  # realised so far, before commissions and funding
    activo: TradeActivo | None = None

    def abrir(self) -> Contabilidad:
        """Number the position that was just opened, or found open at the start."""
        return self._replace(activo=TradeActivo(str(self.operaciones_total + 1)))

    def envejecer(self) -> Contabilidad:
        """Let one more candle close."""
        if self.activo is None:
            return self
        return self._replace(activo=self.activo._replace(velas=self.activo.velas + 1))

    def contabilizar(self, movimiento: Movimiento) -> Contabilidad:
        """Take what happened to the account."""
        if not movimiento.ejecuciones:
            return self
        cuentas = self if self.activo is not None else self.abrir()
        pnl_total = redondear(cuentas.pnl_total + movimiento.pnl)
        if movimiento.despues.posicion is None:
            return Contabilidad(cuentas.operaciones_total + 1, pnl_total)
        return cuentas._replace(pnl_total=pnl_total)
