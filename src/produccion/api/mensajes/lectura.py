"""What the store has to tell one tenant's sockets; every row is asked for by tenant. All of it blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Table, func, or_, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.disyuntores import listar_disyuntores
from src.produccion.almacen.esquema import alerts, circuit_breaker_events, order_events, stop_events
from src.produccion.almacen.lecturas import Tramo, pagina_ordenes, simbolos_de
from src.produccion.api import vistas, vistas_riesgo
from src.produccion.api.mensajes.contrato import Canal
from src.produccion.api.mensajes.posicion import Marca, Posicion, Secuencia

_PAGINA = 500
_HUECOS_AL_EMPEZAR = 50
"""How far below the greatest number one is looked for that nobody has yet, when there is no earlier look."""

_MIRADOS = 20_000
"""Numbers since the last look of which each is looked for; more of them are a gap."""


class Fuente(NamedTuple):
    """A table whose rows are told as they come."""

    letra: str
    tabla: Table
    numero: str
    canales: Mapping[Canal, str]  # kind of message by channel
    ver: Callable[[RowMapping], Mapping[str, Any]]

    def canales_de(self, pedidos: frozenset[Canal]) -> tuple[Canal, ...]:
        """Those of its channels that are among some."""
        return tuple(canal for canal in self.canales if canal in pedidos)


FUENTES = (
    Fuente("a", alerts, "id", {Canal.ALERTAS: "alert", Canal.REGISTROS: "log"}, vistas.alerta),
    Fuente("b", circuit_breaker_events, "id", {Canal.DISYUNTORES: "breaker"}, vistas.cambio_de_disyuntor),
    Fuente("o", order_events, "id", {Canal.ORDENES: "order"}, vistas.orden),
    Fuente("s", stop_events, "event_seq", {Canal.ORDENES: "stop"}, vistas.evento),
)
CON_HISTORIA = frozenset(canal for fuente in FUENTES for canal in fuente.canales)


class Suceso(NamedTuple):
    """A row to be told, and where whoever was told of it is."""

    fuente: Fuente
    fila: RowMapping
    posicion: Posicion

    @property
    def simbolo(self) -> str | None:
        """What it is about; ``None`` for what concerns all."""
        symbol: str | None = self.fila["symbol"]
        return symbol


class AlmacenRetrocedido(Exception):
    """The store has fewer rows than were told: it is another one, or a backup was restored."""


class _Tramo(NamedTuple):
    """Rows to be told, up to where that is all of them, and which numbers nobody has."""

    filas: list[RowMapping]
    hasta: int
    huecos: frozenset[int]


class Lector:
    """Reads what is new of one tenant, each row once, from now on.

    Args:
        almacen: The shared store.
        client_id: The tenant.
    """

    def __init__(self, almacen: Engine, client_id: str) -> None:
        self._almacen = almacen
        self._client_id = client_id
        self._secuencias: dict[str, Secuencia] = {}
        self.atrasado = False
        """Whether there is more than the last reading told."""
        self.saltadas: tuple[Fuente, ...] = ()
        """Tables of which the last reading told nothing, since rows of before may still come unnoticed."""

    @property
    def posicion(self) -> Posicion:
        """What was told so far."""
        return {letra: secuencia.marca for letra, secuencia in self._secuencias.items()}

    def novedades(self, ahora_s: float) -> list[Suceso]:
        """The rows that were not told yet, some hundreds at most; at the first call there are none.

        Args:
            ahora_s: A clock that never runs back.

        Raises:
            AlmacenRetrocedido: What was told is not there any more; the next call begins anew.
        """
        with leer(self._almacen) as conexion:
            maximos = {fuente.letra: _maximo(conexion, fuente) for fuente in FUENTES}
            if not self._secuencias:
                self._secuencias = {
                    fuente.letra: _secuencia(conexion, fuente, maximos[fuente.letra], ahora_s)
                    for fuente in FUENTES
                }
                return []
            if any(maximo < self._secuencias[letra].marca.hasta for letra, maximo in maximos.items()):
                self._secuencias = {}
                raise AlmacenRetrocedido
            self.saltadas = tuple(f for f in FUENTES if self._es_demasiado(conexion, f, maximos[f.letra]))
            for fuente in self.saltadas:
                letra = fuente.letra
                self._secuencias[letra] = _secuencia(conexion, fuente, maximos[letra], ahora_s)
            tramos = {
                fuente.letra: self._nuevas(conexion, fuente, maximos[fuente.letra]) for fuente in FUENTES
            }
        self.atrasado = any(tramo.hasta < maximos[letra] for letra, tramo in tramos.items())
        sucesos = []
        posicion = self.posicion
        for fuente in FUENTES:
            letra, tramo = fuente.letra, tramos[fuente.letra]
            for fila in tramo.filas:
                marca = posicion[letra].tras(fila[fuente.numero], tramo.huecos)
                posicion = {**posicion, letra: marca}
                sucesos.append(Suceso(fuente, fila, posicion))
            self._secuencias[letra].avanzar(tramo.hasta, ahora_s, tramo.huecos)
            posicion = {**posicion, letra: self._secuencias[letra].marca}
        return sucesos

    def perdidos(
        self, fuente: Fuente, desde: Posicion, simbolos: frozenset[str] | None, tope: int
    ) -> list[Suceso] | Literal["too_many", "unknown_id"]:
        """What was told after a position, or why it cannot be told again.

        Args:
            fuente: Which table.
            desde: The position.
            simbolos: Only of these, and what concerns all; ``None`` for all.
            tope: How many rows at most.
        """
        antes, ahora = desde[fuente.letra], self._secuencias[fuente.letra].marca
        if antes.hasta > ahora.hasta:
            return "unknown_id"  # of another store, or from before a backup was restored
        with leer(self._almacen) as conexion:
            filas = self._rango(conexion, fuente, antes, ahora.hasta, simbolos, tope + 1)
        if len(filas) > tope:
            return "too_many"
        sucesos, marca = [], antes
        for fila in filas:
            numero = fila[fuente.numero]
            if ahora.incluye(numero):  # the rest comes by itself
                marca = marca.tras(numero, ahora.huecos)
                sucesos.append(Suceso(fuente, fila, {**desde, fuente.letra: marca}))
        return sucesos

    def propios(self) -> list[str]:
        """Symbols that the tenant trades or holds."""
        with leer(self._almacen) as conexion:
            return simbolos_de(conexion, self._client_id)

    def foto(self, canal: Canal, simbolos: frozenset[str] | None, recientes: int) -> dict[str, Any]:
        """The payload of a channel's snapshot."""
        if canal is Canal.DISYUNTORES:
            todos = listar_disyuntores(self._almacen, self._client_id)
            return {"breakers": [vistas_riesgo.disyuntor(uno) for uno in todos if toca(uno.symbol, simbolos)]}
        with leer(self._almacen) as conexion:
            if canal is Canal.ORDENES:
                filas = pagina_ordenes(conexion, self._client_id, Tramo(_PAGINA), None, abiertas=True)
                return {"orders": [vistas.orden(fila) for fila in filas if toca(fila["symbol"], simbolos)]}
            filas = self._recientes(conexion, simbolos, recientes)
        return {str(canal): [vistas.alerta(fila) for fila in filas]}

    def _es_demasiado(self, conexion: Connection, fuente: Fuente, maximo: int) -> bool:
        """Whether there are too many numbers to look for those that nobody has; SQLite leaves none out."""
        antes = self._secuencias[fuente.letra].marca
        return conexion.dialect.name != "sqlite" and maximo - antes.hasta + len(antes.huecos) > _MIRADOS

    def _nuevas(self, conexion: Connection, fuente: Fuente, maximo: int) -> _Tramo:
        antes = self._secuencias[fuente.letra].marca
        if maximo <= antes.hasta and not antes.huecos:
            return _Tramo([], antes.hasta, frozenset())
        # Before the rows: one that is seen in between is among them, and is none that nobody has.
        candidatos = antes.huecos.union(range(antes.hasta + 1, maximo))
        sin_nadie = _huecos(conexion, fuente, candidatos)
        filas = self._rango(conexion, fuente, antes, maximo, None, _PAGINA)
        numeros = {fila[fuente.numero] for fila in filas}
        hasta = max(antes.hasta, max(numeros) if len(filas) == _PAGINA else maximo)
        return _Tramo(filas, hasta, frozenset(n for n in sin_nadie - numeros if n < hasta))

    def _rango(
        self,
        conexion: Connection,
        fuente: Fuente,
        tras: Marca,
        hasta: int,
        simbolos: frozenset[str] | None,
        limite: int,
    ) -> list[RowMapping]:
        tabla, numero = fuente.tabla, fuente.tabla.c[fuente.numero]
        nuevas: ColumnElement[bool] = (numero > tras.hasta) & (numero <= hasta)
        if tras.huecos:
            nuevas = or_(nuevas, numero.in_(tras.huecos))
        consulta = select(tabla).where(tabla.c.client_id == self._client_id, nuevas)
        if simbolos is not None:
            consulta = consulta.where(_de_simbolos(tabla, simbolos))
        return list(conexion.execute(consulta.order_by(numero).limit(limite)).mappings())

    def _recientes(
        self, conexion: Connection, simbolos: frozenset[str] | None, cuantas: int
    ) -> list[RowMapping]:
        consulta = select(alerts).where(alerts.c.client_id == self._client_id)
        if simbolos is not None:
            consulta = consulta.where(_de_simbolos(alerts, simbolos))
        return list(conexion.execute(consulta.order_by(alerts.c.id.desc()).limit(cuantas)).mappings())


def toca(simbolo: str | None, simbolos: frozenset[str] | None) -> bool:
    """Whether something about a symbol, or about all, is for whoever asked for some symbols or for all."""
    return simbolos is None or simbolo is None or simbolo in simbolos


def _de_simbolos(tabla: Table, simbolos: frozenset[str]) -> ColumnElement[bool]:
    return or_(tabla.c.symbol.is_(None), tabla.c.symbol.in_(simbolos))


def _maximo(conexion: Connection, fuente: Fuente) -> int:
    """The greatest number of a table, whoever's the row is: nothing of it but this is looked at."""
    return conexion.execute(select(func.max(fuente.tabla.c[fuente.numero]))).scalar() or 0


def _secuencia(conexion: Connection, fuente: Fuente, hasta: int, ahora_s: float) -> Secuencia:
    candidatos = frozenset(range(max(0, hasta - _HUECOS_AL_EMPEZAR) + 1, hasta))
    return Secuencia(hasta, ahora_s, _huecos(conexion, fuente, candidatos))


def _huecos(conexion: Connection, fuente: Fuente, candidatos: frozenset[int]) -> frozenset[int]:
    """Those of some numbers that no row has, whoever's it is: nothing of a row but its number is looked at.

    SQLite has one writer at a time: its numbers are seen in their order.
    """
    if not candidatos or conexion.dialect.name == "sqlite":
        return frozenset()
    numero = fuente.tabla.c[fuente.numero]
    entre = select(numero).where(numero.between(min(candidatos), max(candidatos)))
    return candidatos.difference(conexion.execute(entre).scalars())
