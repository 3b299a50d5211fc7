"""A small run in which everything is right; its arguments break one thing."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal
from typing import Any

from caos.pruebas import Evento, FillBolsa, IngresoBolsa, Libros, OrdenBolsa, Pruebas
from src.nucleo.columnas import REGISTRO
from src.nucleo.registro import textos_de

HORA = 3_600_000
SESION = "20240101_000000"
AGENTE = "agent:sim-abc:BTCUSDT:train_x"
COMPRA, VENTA = "tm-COMPRA", "tm-VENTA"


def una_fila(paso: int, **cambios: Any) -> dict[str, Any]:
    fila: dict[str, Any] = dict.fromkeys(REGISTRO)
    return fila | {
        "timestamp": "2024-01-01T00:00:00.000Z",
        "paso": paso,
        "status": "ok",
        "action": 0.5,
        "comision": 0.0,
        "pnl_realizado": 0.0,
        "pnl_parcial": 0.0,
        **cambios,
    }


def un_estado(filas: int, saldo: float, cantidad: float, ultima: int, *propias: int) -> dict[str, Any]:
    cuenta = [saldo, cantidad, 100.0] if cantidad else [saldo]
    return {"rows": filas, "account": cuenta, "cursor": [saldo, ultima, list(propias), 0, 0, [], 0.0]}


def _crudos() -> list[tuple[str, str, int, dict[str, Any]]]:
    """Buys 2 on the first candle, pays funding, sells 2 on the second, keeps still on the third."""

    def decidida(candela: int, estado: dict[str, Any]) -> tuple[str, str, int, dict[str, Any]]:
        contenido = {"session": SESION, "candle": [candela * HORA, 1, 1, 1, 1, 1], "state": estado}
        return (AGENTE, "CANDLE_DECIDED", (candela + 1) * HORA, contenido)

    def filas(instante: int, estado: dict[str, Any], *suyas: dict[str, Any]) -> Any:
        return (AGENTE, "ROWS", instante, {"session": SESION, "rows": list(suyas), "state": estado})

    def orden(id_cliente: str, candela: int, operacion: str, *, reduce: bool) -> Any:
        contenido = {
            "token": f"sim-abc:BTCUSDT:train_x:{candela * HORA}:{operacion}:0",
            "quantity": 2.0,
            "reduce_only": reduce,
        }
        return (f"order:{id_cliente}", "ORDER_INTENT", (candela + 1) * HORA, contenido)

    inicio = {"session": SESION, "train_id": "train_x"}
    return [
        (AGENTE, "SESSION_STARTED", HORA, inicio),
        decidida(0, un_estado(0, 1000.0, 0.0, 0)),
        orden(COMPRA, 0, "abrir_long", reduce=False),
        filas(HORA, un_estado(1, 999.9, 2.0, 0, 1), una_fila(1, comision=0.1)),
        decidida(1, un_estado(1, 999.4, 2.0, 1)),
        orden(VENTA, 1, "cerrar_long", reduce=True),
        filas(2 * HORA, un_estado(2, 1009.3, 0.0, 1, 2), una_fila(2, comision=0.1, pnl_realizado=10.0)),
        decidida(2, un_estado(2, 1009.3, 0.0, 2)),
        filas(3 * HORA, un_estado(3, 1009.3, 0.0, 2), una_fila(3)),
    ]


def unos_libros(**cambios: Any) -> Libros:
    d = Decimal
    libros = Libros(
        ordenes=[
            OrdenBolsa(1, COMPRA, d(2), d(2), False, HORA),
            OrdenBolsa(2, VENTA, d(2), d(2), True, 2 * HORA),
        ],
        fills=[
            FillBolsa(1, 1, d(2), d(100), d("0.1"), d(0), HORA),
            FillBolsa(2, 2, d(-2), d(105), d("0.1"), d(10), 2 * HORA),
        ],
        ingresos=[
            IngresoBolsa("TRANSFER", d(1000), 0),
            IngresoBolsa("COMMISSION", d("-0.1"), HORA),
            IngresoBolsa("FUNDING_FEE", d("-0.5"), 2 * HORA),
            IngresoBolsa("REALIZED_PNL", d(10), 2 * HORA),
            IngresoBolsa("COMMISSION", d("-0.1"), 2 * HORA),
        ],
        saldo=d("1009.3"),
        cantidad=d(0),
        entrada=d(0),
    )
    return replace(libros, **cambios)


def un_nivel(**cambios: Any) -> tuple[str, str, int, dict[str, Any]]:
    """The stops of the position that is bought on the first candle."""
    freno = {
        "entry": 100.0,
        "long": True,
        "initial": 90.0,
        "stop": 90.0,
        "target": 120.0,
        "name": "",
        "best": 100.0,
        "opened_ms": HORA,
        "adjusted_ms": HORA,
    }
    instante = cambios.pop("instante", HORA)
    contenido = {"operation": HORA, "level": 80.0, "quantity": 2.0, "entry": 100.0, "brake": freno}
    for clave in cambios.keys() & freno.keys() - {"entry"}:
        freno[clave] = cambios.pop(clave)
    return ("protection", "LEVEL_SET", instante, contenido | cambios)


class Taller:
    """The right run, open to changes."""

    def __init__(self) -> None:
        self.crudos = copy.deepcopy(_crudos())
        self.libros = unos_libros()
        self.velas = [0, HORA, 2 * HORA]
        self.quitadas_del_csv: list[int] = []

    def contenido(self, tipo: str, cual: int = 0) -> dict[str, Any]:
        """Of the n-th event of a type."""
        return [crudo[3] for crudo in self.crudos if crudo[1] == tipo][cual]

    def pruebas(self) -> Pruebas:
        versiones: dict[str, int] = {}
        eventos = []
        for seq, (agregado, tipo, instante, contenido) in enumerate(self.crudos, 1):
            versiones[agregado] = versiones.get(agregado, 0) + 1
            eventos.append(Evento(seq, agregado, versiones[agregado], tipo, instante, contenido))
        filas = [textos_de(fila) for e in eventos if e.tipo == "ROWS" for fila in e.contenido["rows"]]
        escritas = [fila for numero, fila in enumerate(filas) if numero not in self.quitadas_del_csv]
        return Pruebas(eventos=eventos, filas={SESION: escritas}, libros=self.libros, velas=self.velas)
