"""What a session amounts to: the live status line and the statistics at its end."""

from __future__ import annotations

from dataclasses import dataclass

from src.nucleo.cartera import equity_de
from src.produccion.ciclo import Ciclo
from src.produccion.cuenta import Cuenta


@dataclass(slots=True)
class Estadisticas:
    """Running figures of one session; amounts in the margin asset."""

    equity_inicial: float
    velas: int = 0
    equity: float = 0.0
    precio: float = 0.0
    cantidad: float = 0.0
    operaciones: int = 0
    pnl: float = 0.0
    max_drawdown: float = 0.0
    stop: float | None = None  # trigger of the resident stop over the open position
    protegida: bool = False  # also without one, where no price reaches the drawdown limit or liquidation

    def tomar(self, ciclo: Ciclo, cuenta: Cuenta) -> None:
        """Look at the session as it is now."""
        self.velas = ciclo.paso
        self.precio = ciclo.mark
        self.equity = equity_de(cuenta.estado, self.precio)
        self.cantidad = cuenta.estado.cantidad
        self.operaciones = ciclo.contabilidad.operaciones_total
        self.pnl = ciclo.contabilidad.pnl_total
        self.max_drawdown = ciclo.max_drawdown
        self.stop = ciclo.stop
        self.protegida = ciclo.protegida

    @property
    def retorno(self) -> float | None:
        """Change of equity as a fraction; ``None`` where there was nothing to change."""
        return self.equity / self.equity_inicial - 1.0 if self.equity_inicial else None

    def tabla(self) -> dict[str, str]:
        """The figures as people read them."""
        return {
            "candles": f"{self.velas:,}",
            "closed trades": f"{self.operaciones:,}",
            "equity at the start": f"{self.equity_inicial:,.2f}",
            "equity at the end": f"{self.equity:,.2f}",
            "return": _en_porcentaje(self.retorno),
            "max drawdown": f"{self.max_drawdown:.2%}",
            "realised profit": f"{self.pnl:+,.2f}",
            "open position": self.abierta,
        }

    @property
    def abierta(self) -> str:
        """The open position and its stop, as people read them."""
        if not self.cantidad:
            return "none"
        if self.stop is not None:
            return f"{self.cantidad:g}, stop at {self.stop:g}"
        return f"{self.cantidad:g}, " + ("no price calls for a stop" if self.protegida else "NO STOP")

    def campos(self) -> dict[str, float | int | None]:
        """The figures by name, for the log."""
        return {
            "velas": self.velas,
            "operaciones": self.operaciones,
            "equity_inicial": self.equity_inicial,
            "equity_final": self.equity,
            "retorno": self.retorno,
            "max_drawdown": self.max_drawdown,
            "pnl_realizado": self.pnl,
            "cantidad_abierta": self.cantidad,
        }


def _en_porcentaje(fraccion: float | None) -> str:
    return "–" if fraccion is None else f"{fraccion:+.2%}"


def linea_de_estado(simbolo: str, e: Estadisticas) -> str:
    """One line for the terminal."""
    lado = "flat" if e.cantidad == 0 else f"{'long' if e.cantidad > 0 else 'short'} {abs(e.cantidad):g}"
    return (
        f"{simbolo} candle {e.velas} · price {e.precio:g} · {lado} · equity {e.equity:,.2f} "
        f"({_en_porcentaje(e.retorno)}) · drawdown max {e.max_drawdown:.2%} · trades {e.operaciones}"
    )
