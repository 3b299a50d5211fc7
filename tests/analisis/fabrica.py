"""A small account that trades and writes its session CSV as Timonel does."""

from __future__ import annotations

import csv
from pathlib import Path

from src.nucleo.cartera import aplicar_compraventa, cobrar_funding, equity_de
from src.nucleo.columnas import EMERGENCIAS, REGISTRO
from src.nucleo.contabilidad import Contabilidad, Movimiento
from src.nucleo.registro import Decision, Fila, Momento, Resultado, StatusFila, construir_info, textos_de
from src.nucleo.riesgo import EstadoRiesgo, vigilar_drawdown
from src.nucleo.tipos import EstadoCuenta, Operacion, Posicion
from tests.constructores import HORA_MS, INICIO_MS, un_mercado

FILTROS = un_mercado().filtros
DESLIZ = 2.0  # quote asset by which each decided fill is worse than the close


class Agente:
    """Writes one row per closed candle, and one per fill between candles."""

    def __init__(
        self,
        saldo: float = 10_000.0,
        *,
        inicio_ms: int = INICIO_MS,
        posicion: Posicion | None = None,
        apalancamiento: float = 2.0,
        episodio: int = 1,
    ) -> None:
        self.cuenta = EstadoCuenta(saldo, posicion)
        self.riesgo = EstadoRiesgo(saldo)
        self.cuentas = Contabilidad() if posicion is None else Contabilidad().abrir()
        self.ahora_ms = inicio_ms
        self.paso = 0
        self.apalancamiento = apalancamiento
        self.episodio = episodio
        self.filas: list[Fila] = []

    def vela(
        self, precio: float, cantidad: float = 0.0, *, accion: float = 0.0, funding: float = 0.0
    ) -> Agente:
        """Close a candle, settle funding at a rate, then trade a signed quantity."""
        self.paso += 1
        self.ahora_ms += HORA_MS
        self.cuentas = self.cuentas.envejecer()
        self.cuenta, _ = cobrar_funding(self.cuenta, precio, funding)
        return self._anotar(precio, cantidad, accion, StatusFila.OK)

    def entre_velas(self, precio: float, cantidad: float, status: StatusFila) -> Agente:
        """Fill something between candles."""
        return self._anotar(precio, cantidad, None, status, self.ahora_ms + HORA_MS // 2)

    def depositar(self, monto: float) -> Agente:
        self.cuenta = self.cuenta._replace(saldo=self.cuenta.saldo + monto)
        return self

    def parar(self, velas: int) -> Agente:
        """Let time pass without a row."""
        self.ahora_ms += velas * HORA_MS
        return self

    def escribir(self, ruta: Path) -> Path:
        return escribir(ruta, self.filas)

    def _anotar(
        self,
        precio: float,
        cantidad: float,
        accion: float | None,
        status: StatusFila,
        instante: int | None = None,
    ) -> Agente:
        antes, ejecuciones = self.cuenta, ()
        if cantidad:
            desliz = 0.0 if accion is None else DESLIZ if cantidad > 0 else -DESLIZ
            self.cuenta, fill = aplicar_compraventa(antes, cantidad, precio + desliz, 0.0005, FILTROS)
            ejecuciones = (fill,)
        momento_ms = self.ahora_ms if instante is None else instante
        self.riesgo = vigilar_drawdown(self.riesgo, equity_de(self.cuenta, precio), momento_ms, 0.99).estado
        anotacion = construir_info(
            Momento(self.paso, momento_ms, precio, status, self.episodio),
            Decision(
                _operacion(antes, cantidad),
                Resultado.EJECUTADA if cantidad else Resultado.NINGUNA,
                accion=accion,
            ),
            Movimiento(antes, self.cuenta, ejecuciones),
            self.riesgo,
            self.cuentas,
            self.apalancamiento,
        )
        self.cuentas = anotacion.contabilidad
        self.filas.append(anotacion.fila)
        return self


def escribir(ruta: Path, filas: list[Fila]) -> Path:
    with ruta.open("w", newline="", encoding="utf-8") as archivo:
        escritor = csv.writer(archivo)
        escritor.writerow(REGISTRO)
        escritor.writerows(textos_de(fila) for fila in filas)
    return ruta


def escribir_emergencias(ruta: Path, *filas: tuple[object, ...]) -> Path:
    with ruta.open("w", newline="", encoding="utf-8") as archivo:
        escritor = csv.writer(archivo)
        escritor.writerow(EMERGENCIAS)
        escritor.writerows(filas)
    return ruta


def celdas(ruta: Path) -> list[list[str]]:
    with ruta.open(newline="", encoding="utf-8") as archivo:
        return list(csv.reader(archivo))


def cambiar_celda(ruta: Path, linea: int, columna: str, valor: str) -> Path:
    """Write another value into one cell; lines count from 1, the header included."""
    filas = celdas(ruta)
    filas[linea - 1][filas[0].index(columna)] = valor
    with ruta.open("w", newline="", encoding="utf-8") as archivo:
        csv.writer(archivo).writerows(filas)
    return ruta


def una_sesion() -> Agente:
    """Ten candles: a long that earns, with an increase and a reduction, then a short that loses."""
    return (
        Agente()
        .vela(30_000.0)
        .vela(30_000.0, 0.2, accion=0.3)
        .vela(30_300.0, 0.1, accion=0.45)
        .vela(30_600.0, funding=0.0001)
        .vela(30_900.0, -0.1, accion=0.3)
        .vela(31_000.0, -0.2, accion=-0.2)
        .vela(31_000.0, -0.1, accion=-0.2)
        .vela(31_100.0, accion=-0.2, funding=0.0001)
        .vela(31_500.0, 0.1, accion=0.4)
        .vela(31_500.0)
    )


def _operacion(antes: EstadoCuenta, cantidad: float) -> Operacion:
    if cantidad == 0.0:
        return Operacion.MANTENER
    if antes.cantidad == 0.0:
        return Operacion.ABRIR_LONG if cantidad > 0 else Operacion.ABRIR_SHORT
    larga = antes.cantidad > 0
    if (cantidad > 0) == larga:
        return Operacion.AUMENTAR_LONG if larga else Operacion.AUMENTAR_SHORT
    if abs(antes.cantidad + cantidad) < 1e-9:
        return Operacion.CERRAR_LONG if larga else Operacion.CERRAR_SHORT
    return Operacion.REDUCIR_LONG if larga else Operacion.REDUCIR_SHORT
