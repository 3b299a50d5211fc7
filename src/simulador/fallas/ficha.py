"""What is said of one kind of fault: what it does, when it may happen and what it takes."""

from __future__ import annotations

from dataclasses import dataclass

from src.simulador.fallas.clases import Clase, Familia, Ocasion

Valor = bool | int | float | str
COLOCAR = "POST /fapi/v1/order"

_ACOMPANAN = frozenset({Clase.PARTIAL_FILL, Clase.REST_LAG})
OCASIONES: dict[Familia, tuple[Ocasion, ...]] = {
    Familia.RESPUESTA: (Ocasion.CALL,),
    Familia.INMEDIATA: (Ocasion.NOW, Ocasion.CALL, Ocasion.STEP, Ocasion.CANDLE, Ocasion.EVENT),
    Familia.VELA: (Ocasion.CANDLE,),
    Familia.DISPARO: (Ocasion.TRIGGER,),
}


@dataclass(frozen=True, slots=True)
class Parametro:
    """One parameter of a kind; the type of ``defecto`` is its type."""

    nombre: str
    defecto: Valor
    explicacion: str
    minimo: float | None = None
    maximo: float | None = None
    opciones: tuple[str, ...] = ()
    obligatorio: bool = False


@dataclass(frozen=True, slots=True)
class Ficha:
    """One kind of fault."""

    clase: Clase
    familia: Familia
    explicacion: str
    parametros: tuple[Parametro, ...] = ()
    llamada: str = COLOCAR  # pattern that a call trigger has when none is given

    @property
    def ocasiones(self) -> tuple[Ocasion, ...]:
        """Triggers that it may have; the first one is the default."""
        if self.clase is Clase.HOLD:
            return (Ocasion.CALL, *(o for o in OCASIONES[self.familia] if o is not Ocasion.CALL))
        return OCASIONES[self.familia]

    @property
    def decide(self) -> bool:
        """Whether it decides what a request is answered; at most one fault can."""
        return self.familia is Familia.RESPUESTA and self.clase not in _ACOMPANAN
