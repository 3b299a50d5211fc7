"""Open sockets under fault: closed, cut, or struck dumb."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from src.simulador.cola import Cola
from src.simulador.difusion import Categoria
from src.simulador.fallas.clases import Enchufado

ADIOS = 1001  # WebSocket "going away"


@dataclass(eq=False, slots=True)
class Linea:
    """One open socket."""

    cola: Cola
    flujos: Mapping[str, None]  # what it hears; kept current by its session
    claves: list[str] = field(default_factory=list)  # accounts that it hears

    @property
    def es_del_acuerdo(self) -> bool:
        """Whether it only carries the agents' DONE, which is no part of the exchange."""
        return self.cola.categoria is Categoria.MARKET and not self.flujos


AlHablar = Callable[[list[Linea]], None]


class Lineas:
    """Every open socket of the exchange."""

    def __init__(self) -> None:
        self._abiertas: set[Linea] = set()
        self._mudas: set[Linea] = set()
        self._apagada_hasta_s = 0.0
        self.pasos_sordos = 0  # market steps that deaf agents need not answer

    def agregar(self, linea: Linea) -> None:
        """A socket has opened."""
        self._abiertas.add(linea)

    def quitar(self, linea: Linea) -> None:
        """A socket has closed."""
        self._abiertas.discard(linea)
        self._mudas.discard(linea)
        self._olvidar_pasos()

    @property
    def apagada(self) -> bool:
        """Whether the exchange cannot be reached."""
        return time.monotonic() < self._apagada_hasta_s

    def apagar(self, segundos: float) -> None:
        """Cut every socket and stay out of reach for a while."""
        self._apagada_hasta_s = max(self._apagada_hasta_s, time.monotonic() + segundos)
        self.cerrar(Enchufado.ALL, "", con_adios=False)

    def encender(self) -> None:
        """End an outage."""
        self._apagada_hasta_s = 0.0

    def cerrar(self, enchufes: Enchufado, clave: str, *, con_adios: bool) -> None:
        """Close sockets, with a goodbye or without."""
        for linea in self._elegir(enchufes, clave):
            if con_adios:
                linea.cola.despedir(ADIOS)
            else:
                linea.cola.cortar()

    def callar(self, enchufes: Enchufado, clave: str, pasos: int) -> list[Linea]:
        """Strike open sockets dumb."""
        elegidas = [linea for linea in self._elegir(enchufes, clave) if linea not in self._mudas]
        for linea in elegidas:
            linea.cola.callar()
        self._mudas.update(elegidas)
        self.pasos_sordos = max(self.pasos_sordos, pasos)
        return elegidas

    def hablar(self, lineas: Iterable[Linea] | None = None) -> list[Linea]:
        """Let dumb sockets speak again, all of them unless told which; those that now do."""
        vueltas = [linea for linea in (self._mudas if lineas is None else lineas) if linea in self._mudas]
        for linea in vueltas:
            linea.cola.hablar()
        self._mudas.difference_update(vueltas)
        self._olvidar_pasos()
        return vueltas

    def hablar_luego(self, segundos: float, lineas: list[Linea], al_hablar: AlHablar) -> None:
        """Let sockets speak again after some wall seconds, and tell who it was."""
        asyncio.get_running_loop().call_later(segundos, lambda: al_hablar(self.hablar(lineas)))

    def sordos(self, flujos: Iterable[str]) -> bool:
        """Whether somebody hears one of these streams, but only through dumb sockets."""
        if not self._mudas:
            return False
        buscados = set(flujos)
        oyentes = [linea for linea in self._abiertas if not buscados.isdisjoint(linea.flujos)]
        return bool(oyentes) and all(linea in self._mudas for linea in oyentes)

    def _olvidar_pasos(self) -> None:
        if not self._mudas:
            self.pasos_sordos = 0

    def _elegir(self, enchufes: Enchufado, clave: str) -> list[Linea]:
        elegidas = []
        for linea in self._abiertas:
            if linea.es_del_acuerdo:
                continue
            privada = linea.cola.categoria is Categoria.PRIVATE
            if privada and (enchufes is Enchufado.MARKET or (clave and clave not in linea.claves)):
                continue
            if not privada and enchufes is Enchufado.USER:
                continue
            elegidas.append(linea)
        return elegidas
