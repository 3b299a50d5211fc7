"""An order of a person as the payload of a command, and back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from src.nucleo.a_mano import OrdenPedida
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.tipos import LadoOrden
from src.produccion.puertos import texto_decimal


def contenido_de_orden(pedida: OrdenPedida) -> dict[str, object]:
    """An order as the payload of a command; amounts are decimal text."""
    return {
        "side": pedida.lado.value,
        "quantity": f"{pedida.cantidad.normalize():f}",
        "stop": None if pedida.stop is None else texto_decimal(pedida.stop),
        "target": None if pedida.objetivo is None else texto_decimal(pedida.objetivo),
    }


def orden_de(contenido: Mapping[str, object]) -> OrdenPedida:
    """What a command ``order.create`` asks for.

    Raises:
        SolicitudInvalida: The payload is none of `contenido_de_orden`'s.
    """
    lado = contenido.get("side")
    if lado not in set(LadoOrden):
        raise SolicitudInvalida(f"'side' {lado!r} must be BUY or SELL")
    cantidad = _positivo("quantity", contenido.get("quantity"))
    if cantidad is None:
        raise SolicitudInvalida("'quantity' is needed")
    stop, objetivo = (_positivo(campo, contenido.get(campo)) for campo in ("stop", "target"))
    return OrdenPedida(
        LadoOrden(str(lado)),
        cantidad,
        None if stop is None else float(stop),
        None if objetivo is None else float(objetivo),
    )


def _positivo(campo: str, valor: object) -> Decimal | None:
    if valor is None:
        return None
    try:
        numero = Decimal(valor) if isinstance(valor, str) else None
    except InvalidOperation:
        numero = None
    if numero is None or not numero.is_finite() or numero <= 0:
        raise SolicitudInvalida(f"'{campo}' {valor!r} must be a decimal number greater than 0")
    return numero
