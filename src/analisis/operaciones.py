"""Operations: positions from flat to flat, put together from the rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from src.analisis.historia import Historia
from src.nucleo.registro import StatusFila

_IGUAL = 1e-9


class Salida(StrEnum):
    """How an operation ended; the texts are shown to people."""

    AGENTE = "agent"
    PROTECCION = "protection"
    LIQUIDACION = "liquidation"
    MANUAL = "by hand"
    EMERGENCIA = "emergency"
    DESCONOCIDA = "while down"  # between two sessions; what it earned is unattributed
    ABIERTA = "open"


_SALIDAS = {
    StatusFila.PROTECCION.value: Salida.PROTECCION,
    StatusFila.LIQUIDACION.value: Salida.LIQUIDACION,
    StatusFila.MANUAL.value: Salida.MANUAL,
    StatusFila.EMERGENCIA.value: Salida.EMERGENCIA,
}


@dataclass(slots=True, kw_only=True)
class OperacionCompleta:
    """One position from entry to exit; amounts in margin asset."""

    larga: bool
    entrada_ms: int | None  # None when it was opened before the first row
    precio_inicial: float  # of the first entry
    paso_entrada: int
    entrado: float  # all entries together, base asset, > 0
    valor_entrado: float  # Σ quantity · price over them, quote asset
    salido: float = 0.0  # all exits so far, base asset
    valor_salido: float = 0.0  # Σ quantity · price over them, quote asset
    salida: Salida = Salida.ABIERTA
    salida_ms: int | None = None
    precio_final: float | None = None  # of the last fill; None while open, or when the exit was not seen
    velas: int | None = None  # candles it was held
    pnl: float = 0.0  # realised, before costs
    comision: float = 0.0
    slippage: float = 0.0
    funding: float = 0.0  # > 0 received

    @property
    def cantidad(self) -> float:
        """Everything that was entered, base asset, > 0."""
        return round(self.entrado, 8)

    @property
    def precio_entrada(self) -> float:
        """Mean of all entries, weighted by quantity."""
        return round(self.valor_entrado / self.entrado, 8)

    @property
    def precio_salida(self) -> float | None:
        """Mean of all exits, weighted by quantity; ``None`` while open, or when the exit was not seen."""
        return None if self.precio_final is None else round(self.valor_salido / self.salido, 8)

    @property
    def neto(self) -> float | None:
        """Result after commission and funding; ``None`` while open, or when the exit was not seen."""
        if self.salida is Salida.ABIERTA or self.salida is Salida.DESCONOCIDA:
            return None
        return self.pnl - self.comision + self.funding

    @property
    def costo(self) -> float:
        """Commission and funding together, > 0 when they cost money."""
        return self.comision - self.funding


def listar_operaciones(historia: Historia) -> tuple[OperacionCompleta, ...]:
    """Every operation of a history in order of entry, the open one last."""
    lista: list[OperacionCompleta] = []
    actual: OperacionCompleta | None = None
    filas = historia.filas
    for fila, (antes, despues) in enumerate(zip(historia.cantidad_antes, filas.cantidad, strict=True)):
        if historia.inicio_sesion[fila]:
            actual = _al_empezar(historia, fila, actual, lista)
        if actual is not None:
            _anotar(actual, historia, fila)
            _sumar(actual, historia, fila)
            if abs(despues) <= _IGUAL or (despues > 0) != actual.larga:
                _cerrar(actual, historia, fila)
                actual = None
        if actual is None and abs(despues) > _IGUAL:
            actual = _abrir(historia, fila)
            if abs(antes) <= _IGUAL:
                _anotar(actual, historia, fila)
            lista.append(actual)
    return tuple(lista)


def _al_empezar(
    historia: Historia, fila: int, actual: OperacionCompleta | None, lista: list[OperacionCompleta]
) -> OperacionCompleta | None:
    """Carry a position over the start of a session, end it unseen, or take up one found open."""
    antes = float(historia.cantidad_antes[fila])
    if actual is not None:
        if abs(antes - float(historia.filas.cantidad[fila - 1])) <= _IGUAL:
            return actual
        actual.salida = Salida.DESCONOCIDA
    if abs(antes) <= _IGUAL:
        return None
    precio = float(historia.filas.precio_entrada[fila])
    hallada = OperacionCompleta(
        larga=antes > 0,
        entrada_ms=None,
        precio_inicial=precio,
        paso_entrada=int(historia.filas.paso[fila]),
        entrado=abs(antes),
        valor_entrado=abs(antes) * precio,
    )
    lista.append(hallada)
    return hallada


def _abrir(historia: Historia, fila: int) -> OperacionCompleta:
    filas = historia.filas
    cantidad, precio = abs(float(filas.cantidad[fila])), float(filas.precio_entrada[fila])
    return OperacionCompleta(
        larga=bool(filas.cantidad[fila] > 0),
        entrada_ms=int(filas.tiempo_ms[fila]),
        precio_inicial=precio,
        paso_entrada=int(filas.paso[fila]),
        entrado=cantidad,
        valor_entrado=cantidad * precio,
    )


def _anotar(operacion: OperacionCompleta, historia: Historia, fila: int) -> None:
    filas = historia.filas
    operacion.pnl += float(filas.pnl[fila])
    operacion.comision += float(filas.comision[fila])
    operacion.slippage += float(filas.slippage[fila])
    operacion.funding += float(historia.funding[fila])


def _sumar(operacion: OperacionCompleta, historia: Historia, fila: int) -> None:
    """Take what the row entered or took off; a row that turns the position takes all of it off."""
    filas = historia.filas
    lado = 1.0 if operacion.larga else -1.0
    antes = lado * float(historia.cantidad_antes[fila])
    despues = max(lado * float(filas.cantidad[fila]), 0.0)
    if despues > antes:
        # The row tells the mean price of the whole position: what is new in its value was entered now.
        media = float(filas.precio_entrada[fila])
        operacion.entrado += despues - antes
        operacion.valor_entrado += despues * media - antes * _media_antes(historia, fila)
    elif despues < antes:
        operacion.salido += antes - despues
        operacion.valor_salido += (antes - despues) * _precio_de_salida(historia, fila)


def _media_antes(historia: Historia, fila: int) -> float:
    """Mean entry price before a row; of a position that no earlier row tells, the row's own."""
    filas = historia.filas
    contada = fila > 0 and abs(filas.cantidad[fila - 1] - historia.cantidad_antes[fila]) <= _IGUAL
    return float(filas.precio_entrada[fila - 1 if contada else fila])


def _precio_de_salida(historia: Historia, fila: int) -> float:
    salida = float(historia.filas.precio_salida[fila])
    return salida if salida > 0.0 else float(historia.filas.precio[fila])


def _cerrar(operacion: OperacionCompleta, historia: Historia, fila: int) -> None:
    filas = historia.filas
    operacion.salida = _SALIDAS.get(str(filas.status[fila]), Salida.AGENTE)
    operacion.salida_ms = int(filas.tiempo_ms[fila])
    operacion.precio_final = _precio_de_salida(historia, fila)
    velas = int(filas.velas_abiertas[fila])
    operacion.velas = velas if velas >= 0 else int(filas.paso[fila]) - operacion.paso_entrada
