"""From session CSV files to typed rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from src.analisis.tabla import Tabla, leer_tabla
from src.artefactos.rutas import CONFIGURACION, EVALUACION, MANIFIESTO, PRODUCCION
from src.nucleo.columnas import EMERGENCIAS, ENTORNO, OPERACION, PORTAFOLIO, REGISTRO, Clase
from src.nucleo.errores import DatosInvalidos
from src.nucleo.registro import Resultado, StatusFila
from src.nucleo.tipos import Matriz, Operacion, TipoAccion

Enteros = npt.NDArray[np.int64]
Textos = npt.NDArray[np.str_]

_OPCIONES = {
    "status": StatusFila,
    "tipo_posicion_activa": TipoAccion,
    "tipo_accion": TipoAccion,
    "operacion": Operacion,
    "resultado": Resultado,
    "tipo_posicion": TipoAccion,
}
_OBLIGATORIAS = frozenset({"precio", "balance", "equity", "max_drawdown"})
_RANGOS = {
    "action": (-1.0, 1.0),
    "precio": (5e-324, np.inf),
    "max_drawdown": (0.0, np.inf),
    "comision": (0.0, np.inf),
    "porcentaje_inversion": (0.0, np.inf),
    "cantidad": (0.0, np.inf),
    "cantidad_reducida": (0.0, np.inf),
    "margen": (0.0, np.inf),
    "margen_liberado": (0.0, np.inf),
}
_DE_VELA = [StatusFila.OK.value, StatusFila.RECHAZADA.value, StatusFila.FIN.value]
_NOMBRES_EVALUACION = (("entorno.csv", ENTORNO), ("portafolio.csv", PORTAFOLIO), ("operacion.csv", OPERACION))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filas:
    """Rows of a session CSV that the analysis uses, column by column; each (n,), amounts in margin asset."""

    tiempo_ms: Enteros  # UTC
    paso: Enteros
    episodio: Enteros
    status: Textos  # members of `StatusFila`
    accion: Matriz  # −1 … 1; NaN where nothing was decided
    precio: Matriz  # quote asset per unit
    balance: Matriz
    equity: Matriz
    max_drawdown: Matriz  # fraction
    cantidad: Matriz  # position after the row, base asset, signed
    precio_entrada: Matriz  # of the position after the row, or of the one it closed; NaN when there is none
    tipo_accion: Textos  # members of `TipoAccion`, or empty
    operacion: Textos  # members of `Operacion`, or empty
    resultado: Textos  # members of `Resultado`, or empty
    cantidad_ejecutada: Matriz  # base asset, >= 0
    precio_salida: Matriz  # NaN where nothing was reduced or closed
    pnl: Matriz  # realised in the row, before commission
    comision: Matriz  # >= 0
    slippage: Matriz
    velas_abiertas: Enteros  # −1 where no operation was closed

    def __len__(self) -> int:
        return len(self.paso)

    def donde(self, mascara: npt.NDArray[np.bool_]) -> Filas:
        """The rows that a mask selects."""
        return Filas(**{campo.name: getattr(self, campo.name)[mascara] for campo in dataclasses.fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sesion:
    """One run of the daemon, or one episode of an evaluation."""

    nombre: str
    filas: Filas
    avisos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergencia:
    """One row of an emergencies file; amounts in margin asset."""

    tiempo_ms: int
    razon: str
    balance_final: float | None  # None where it could not be read
    equity_final: float | None
    posiciones_cerradas: int
    detalles: str


def concatenar(partes: Sequence[Filas]) -> Filas:
    """Rows of several sessions behind each other."""
    campos = [campo.name for campo in dataclasses.fields(Filas)]
    return Filas(**{campo: np.concatenate([getattr(parte, campo) for parte in partes]) for campo in campos})


def leer_sesiones(ruta: Path) -> tuple[Sesion, ...]:
    """Read a session CSV, or the folder of an evaluation's three files; one session per episode.

    Raises:
        DatosInvalidos: Something cannot be read; the text names file, line, column and remedy.
    """
    _rechazar_artefacto(ruta)
    tabla = _leer_evaluacion(ruta) if ruta.is_dir() else leer_tabla(ruta, tuple(REGISTRO))
    if not len(tabla):
        raise DatosInvalidos(
            f"{ruta}: there is no complete row; give a session that closed at least one candle"
        )
    filas = _convertir(tabla)
    episodios = np.unique(filas.episodio)
    avisos = (
        () if tabla.truncada is None else (f"{ruta.name}: line {tabla.truncada} was cut off and is left out",)
    )
    if len(episodios) == 1:
        _verificar_orden(tabla, np.arange(len(filas)), filas)
        return (Sesion(nombre=ruta.name, filas=filas, avisos=avisos),)
    salida = []
    for episodio in episodios:
        propias = filas.episodio == episodio
        _verificar_orden(tabla, np.flatnonzero(propias), filas)
        salida.append(Sesion(nombre=f"{ruta.name} #{episodio}", filas=filas.donde(propias), avisos=avisos))
    return tuple(salida)


def leer_emergencias(ruta: Path) -> tuple[tuple[Emergencia, ...], tuple[str, ...]]:
    """Read an emergencies CSV; the rows, and warnings.

    Raises:
        DatosInvalidos: As `leer_sesiones`.
    """
    tabla = leer_tabla(ruta, EMERGENCIAS)
    columnas = (
        tabla.instantes("timestamp").tolist(),
        tabla.textos("razon"),
        _opcionales(tabla.numeros("balance_final", vacio=np.nan)),
        _opcionales(tabla.numeros("equity_final", vacio=np.nan)),
        tabla.enteros("posiciones_cerradas").tolist(),
        tabla.textos("detalles"),
    )
    avisos = (
        () if tabla.truncada is None else (f"{ruta.name}: line {tabla.truncada} was cut off and is left out",)
    )
    return tuple(
        Emergencia(
            tiempo_ms=tiempo,
            razon=razon,
            balance_final=balance,
            equity_final=equity,
            posiciones_cerradas=n,
            detalles=d,
        )
        for tiempo, razon, balance, equity, n, d in zip(*columnas, strict=True)
    ), avisos


def _rechazar_artefacto(ruta: Path) -> None:
    """An artefact holds an evaluation and sessions; it is neither."""
    if (ruta / MANIFIESTO).is_file() or (ruta / CONFIGURACION).is_file():
        raise DatosInvalidos(
            f"{ruta}: an artefact is no session; report {ruta / EVALUACION} for its evaluation, "
            f"or {ruta / PRODUCCION / 'registro_*.csv'} for its sessions"
        )


def _leer_evaluacion(carpeta: Path) -> Tabla:
    """Put the three files of an evaluation together again, row by row."""
    partes = [
        leer_tabla(carpeta / nombre, tuple(columnas) if "paso" in columnas else ("paso", *columnas))
        for nombre, columnas in _NOMBRES_EVALUACION
    ]
    entorno = partes[0]
    for parte in partes[1:]:
        if parte.columnas["paso"] != entorno.columnas["paso"]:
            raise DatosInvalidos(
                f"{parte.ruta}: its rows are not those of {entorno.ruta.name}; "
                "restore the three files of one evaluation"
            )
    unidas = {columna: parte.columnas[columna] for parte in reversed(partes) for columna in parte.columnas}
    truncada = next((parte.truncada for parte in partes if parte.truncada is not None), None)
    return Tabla(carpeta, {columna: unidas[columna] for columna in REGISTRO}, entorno.lineas, truncada)


def _convertir(tabla: Tabla) -> Filas:
    """Check all 42 columns and keep those that the analysis uses."""
    numeros: dict[str, Matriz] = {}
    enteros: dict[str, Enteros] = {}
    opciones: dict[str, Textos] = {}
    for columna, clase in REGISTRO.items():
        match clase:
            case Clase.NUMERO:
                minimo, maximo = _RANGOS.get(columna, (-np.inf, np.inf))
                vacio = None if columna in _OBLIGATORIAS else np.nan
                numeros[columna] = tabla.numeros(columna, vacio=vacio, minimo=minimo, maximo=maximo)
            case Clase.ENTERO:
                enteros[columna] = tabla.enteros(columna, vacio=None if columna == "paso" else -1)
            case Clase.LOGICO:
                tabla.logicos(columna)
            case Clase.TEXTO if columna in _OPCIONES:
                opciones[columna] = tabla.opciones(columna, _OPCIONES[columna], vacio=columna != "status")
            case Clase.TEXTO:
                pass
    return Filas(
        tiempo_ms=tabla.instantes("timestamp"),
        paso=enteros["paso"],
        episodio=enteros["episodio"],
        status=opciones["status"],
        accion=numeros["action"],
        precio=numeros["precio"],
        balance=numeros["balance"],
        equity=numeros["equity"],
        max_drawdown=numeros["max_drawdown"],
        cantidad=_con_signo(tabla, numeros["cantidad_activa"], opciones["tipo_posicion_activa"]),
        precio_entrada=np.where(
            np.isnan(numeros["precio_entrada_activa"]),
            numeros["precio_entrada"],
            numeros["precio_entrada_activa"],
        ),
        tipo_accion=opciones["tipo_accion"],
        operacion=opciones["operacion"],
        resultado=opciones["resultado"],
        cantidad_ejecutada=np.nan_to_num(numeros["cantidad"]),
        precio_salida=numeros["precio_salida"],
        pnl=np.nan_to_num(numeros["pnl_realizado"]) + np.nan_to_num(numeros["pnl_parcial"]),
        comision=np.nan_to_num(numeros["comision"]),
        slippage=np.nan_to_num(numeros["slippage"]),
        velas_abiertas=enteros["velas_abiertas"],
    )


def _con_signo(tabla: Tabla, cantidad: Matriz, lado: Textos) -> Matriz:
    """The position after each row, signed."""
    sin_lado = np.flatnonzero((np.nan_to_num(cantidad) != 0.0) & ~np.isin(lado, ["long", "short"]))
    if sin_lado.size:
        tabla.fallar(int(sin_lado[0]), "tipo_posicion_activa", "does not name the side of the open position")
    return np.where(lado == "short", -1.0, 1.0) * np.abs(np.nan_to_num(cantidad))


def _verificar_orden(tabla: Tabla, posiciones: npt.NDArray[np.intp], filas: Filas) -> None:
    """Refuse candles that go back in time or are told twice.

    A fill may carry a later time than the row behind it: it happened while that candle was decided on.
    """
    paso = filas.paso[posiciones]
    atras = np.flatnonzero(np.diff(paso) < 0)
    if atras.size:
        tabla.fallar(int(posiciones[atras[0] + 1]), "paso", "is smaller than in the row before")
    velas = posiciones[np.isin(filas.status[posiciones], _DE_VELA)]
    dobles = np.flatnonzero(np.diff(filas.paso[velas]) == 0)
    if dobles.size:
        tabla.fallar(
            int(velas[dobles[0] + 1]), "paso", "is a closed candle that an earlier row already tells"
        )
    tempranas = np.flatnonzero(np.diff(filas.tiempo_ms[velas]) <= 0)
    if tempranas.size:
        tabla.fallar(int(velas[tempranas[0] + 1]), "timestamp", "is not later than the candle before")


def _opcionales(valores: Matriz) -> list[float | None]:
    return [None if np.isnan(valor) else float(valor) for valor in valores]
