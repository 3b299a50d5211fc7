"""The ledger: every balance that the daemon wrote down is what the exchange posted, to the last decimal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate

from caos.pruebas import FillBolsa, IngresoBolsa, Pruebas

_SUELTOS = ("FUNDING_FEE", "TRANSFER")
_SEGURO = "INSURANCE_CLEAR"


def saldos(p: Pruebas) -> Iterator[str]:
    """Balances at every record, the totals of the CSV files, and the wallet at the end."""
    yield from _en_cada_registro(p)
    yield from _totales(p)
    yield from _al_final(p)


def _en_cada_registro(p: Pruebas) -> Iterator[str]:
    """What fills do not explain of a balance is the sum of the first postings that belong to none."""
    sueltos = [ingreso.monto for ingreso in p.libros.ingresos if _suelto(ingreso)]
    sumas = list(accumulate(sueltos, initial=Decimal(0)))
    fills = sorted(p.libros.fills)
    por_id = {fill.id: _resultado(fill) for fill in fills}
    tomados, indice, de_fills = 0, 0, Decimal(0)
    for evento in p.de_tipo("ROWS", "CANDLE_DECIDED"):
        estado = evento.contenido["state"]
        hasta, propias = int(estado["cursor"][1]), set(map(int, estado["cursor"][2]))
        while indice < len(fills) and fills[indice].id <= hasta:
            de_fills += _resultado(fills[indice])
            indice += 1
        adelantado = sum((por_id[i] for i in propias if i > hasta and i in por_id), Decimal(0))
        resto = Decimal(repr(estado["account"][0])) - de_fills - adelantado
        while tomados < len(sueltos) and sumas[tomados] != resto:
            tomados += 1
        if sumas[tomados] != resto:
            yield (
                f"record {evento.seq} ({evento.tipo}) has a balance of {estado['account'][0]}, of which fills"
                f" explain {de_fills + adelantado}; {resto} is no sum of other postings in their order"
            )
            return


def _totales(p: Pruebas) -> Iterator[str]:
    comisiones = realizado = Decimal(0)
    for evento in p.de_tipo("ROWS"):
        for fila in evento.contenido["rows"]:
            comisiones += Decimal(repr(fila["comision"]))
            realizado += Decimal(repr(fila["pnl_realizado"])) + Decimal(repr(fila["pnl_parcial"]))
    suyas = sum((fill.comision for fill in p.libros.fills), Decimal(0))
    suyo = sum((fill.realizado for fill in p.libros.fills), Decimal(0))
    if comisiones != suyas:
        yield f"the rows have {comisiones} of commissions, the exchange's fills {suyas}"
    if realizado != suyo:
        yield f"the rows have {realizado} of realised profit, the exchange's fills {suyo}"


def _al_final(p: Pruebas) -> Iterator[str]:
    suma = sum((ingreso.monto for ingreso in p.libros.ingresos), Decimal(0))
    if suma != p.libros.saldo:
        yield f"the exchange's postings add up to {suma}, its wallet is {p.libros.saldo}"
    ultimos = list(p.de_tipo("ROWS", "CANDLE_DECIDED"))
    if not ultimos:
        return
    conocido = Decimal(repr(ultimos[-1].contenido["state"]["account"][0]))
    despues = sum(
        (
            ingreso.monto
            for ingreso in p.libros.ingresos
            if _suelto(ingreso) and ingreso.tiempo_ms > ultimos[-1].instante_ms
        ),
        Decimal(0),
    )
    if conocido + despues != p.libros.saldo:
        yield f"at the end the daemon knows a balance of {conocido}, the exchange {p.libros.saldo}"


def _suelto(ingreso: IngresoBolsa) -> bool:
    """Whether a posting belongs to no fill; the fee of a liquidation is the commission of its fill."""
    return ingreso.tipo in _SUELTOS or (ingreso.tipo == _SEGURO and ingreso.monto > 0)


def _resultado(fill: FillBolsa) -> Decimal:
    return fill.realizado - fill.comision


__all__ = ["saldos"]
