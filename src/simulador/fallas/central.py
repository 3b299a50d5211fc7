"""Fault injection as a whole: what the exchange asks before and after it acts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import orjson

from src.simulador.fallas.armario import Armario, Disparada
from src.simulador.fallas.castigo import Castigos
from src.simulador.fallas.clases import Clase, Familia, Momento
from src.simulador.fallas.detencion import Detenciones
from src.simulador.fallas.efectos import Efectos
from src.simulador.fallas.falla import Falla
from src.simulador.fallas.gatillos import Gatillos
from src.simulador.fallas.lineas import Lineas
from src.simulador.fallas.puerta import Atender, Puerta
from src.simulador.fallas.rezago import Rezagos
from src.simulador.fallas.valores import GuionInvalido
from src.simulador.fallas.velas import Velas
from src.simulador.fallas.vigilia import Vigilia

if TYPE_CHECKING:
    from src.simulador.motor import Motor
    from src.simulador.simulacion import Simulacion
    from src.simulador.titular import Titular


class Fallas:
    """The faults of one exchange.

    Args:
        simulacion: The exchange; its engine may be built later.
        con_control: Whether the control routes and holds are available.
    """

    def __init__(self, simulacion: Simulacion, *, con_control: bool) -> None:
        self.simulacion = simulacion
        self.con_control = con_control
        self.armario = Armario()
        self.gatillos = Gatillos(self.armario)
        self.lineas = Lineas()
        self.castigos = Castigos()
        self.rezagos = Rezagos()
        self.velas = Velas(simulacion.difusor, simulacion.acuerdo)
        self.vigilia = Vigilia(
            simulacion.titulares.values(),
            simulacion.reloj.mercado_ms,
            lambda simbolo: simulacion.plazas[simbolo].precio,
        )
        self.detenciones = Detenciones(simulacion.reloj.pausar, self._soltado)
        self._efectos = Efectos(simulacion, self.lineas)
        self._al_soltar: Callable[[], None] | None = None
        self._preparado = 0
        self._debidas: list[Disparada] = []
        self._ocupado = False
        simulacion.difusor.testigo = self._al_evento

    @property
    def titulares(self) -> Mapping[str, Titular]:
        """The accounts."""
        return self.simulacion.titulares

    @property
    def motor(self) -> Motor:
        """The matching engine."""
        return self.simulacion.motor

    def puerta(self, atender: Atender, cabecera: str) -> Puerta:
        """The door that stands before the exchange's own."""
        return Puerta(self, atender, cabecera)

    def al_soltar(self, llamar: Callable[[], None]) -> None:
        """Call somebody whenever the market may move again after a hold."""
        self._al_soltar = llamar

    def armar(self, fallas: Iterable[Falla]) -> list[int]:
        """Arm faults, all or none; those for right now happen. Their numbers.

        Raises:
            GuionInvalido: One cannot happen here.
        """
        nuevas = list(fallas)
        for falla in nuevas:
            self._revisar(falla)
        numeros = self.armario.armar(nuevas)
        for disparada in self.armario.ahora():
            self._cumplir(disparada)
        return numeros

    def desarmar(self) -> int:
        """Disarm every fault and end what is in force, but for holds; how many were armed."""
        self.lineas.encender()
        self._efectos.hablar()
        self.castigos.perdonar()
        self.rezagos.terminar()
        return self.armario.desarmar()

    def cumplir(self, falla: Falla) -> None:
        """Let a fault that happens at once happen; its own events bring no others about."""
        antes, self._ocupado = self._ocupado, True
        try:
            self._efectos.cumplir(falla)
        finally:
            self._ocupado = antes
        self.vigilia.mirar()

    def suscrito(self, flujos: Iterable[str]) -> None:
        """A socket began to hear streams: agents of their symbols owe nothing for what older ones got."""
        for flujo in flujos:
            if "@kline_" in flujo:
                self.simulacion.acuerdo.aliviar(flujo.partition("@")[0].upper())

    def deja_avanzar(self) -> bool:
        """Whether no hold stops the next step; asking again about the same step changes nothing."""
        if not self.detenciones.frenado:
            self._preparar()
        return not self.detenciones.frenado

    def antes_de_paso(self) -> None:
        """The next step is about to happen."""
        self._preparar()
        self.rezagos.terminar()
        for disparada in self._debidas:
            if disparada.falla.clase is Clase.KLINE:
                self.velas.preparar(disparada.falla, list(self.simulacion.plazas))
            elif disparada.falla.cuando.momento is Momento.BEFORE and disparada.falla.clase is not Clase.HOLD:
                self._cumplir(disparada)

    def tras_paso(self) -> None:
        """A step has happened and been told."""
        for disparada in self._debidas:
            falla = disparada.falla
            if falla.cuando.momento is Momento.AFTER and falla.ficha.familia is Familia.INMEDIATA:
                self._cumplir(disparada)
        self._debidas = []
        self.velas.tras_paso()
        self._perdonar_sordos()
        self.vigilia.mirar()

    def _preparar(self) -> None:
        """Count the next step, once, and stop before it if a hold wants to."""
        reproductor = self.simulacion.reproductor
        siguiente = reproductor.dados + 1
        if self._preparado == siguiente or siguiente > reproductor.totales:
            return
        self._preparado = siguiente
        self._debidas = self.armario.en_paso(siguiente, reproductor.vela_que_cierra())
        for disparada in self._debidas:
            if disparada.falla.clase is Clase.HOLD and disparada.falla.cuando.momento is Momento.BEFORE:
                self._cumplir(disparada)

    def _cumplir(self, disparada: Disparada) -> None:
        if disparada.falla.clase is not Clase.HOLD:
            self.cumplir(disparada.falla)
            return
        momento = disparada.falla.cuando.momento
        asunto: dict[str, object] = {"step": self.armario.paso, "candle": self.armario.vela}
        self.detenciones.detener(disparada.lugar, momento, disparada.clave, asunto)

    def _al_evento(self, clave: str, evento: bytes) -> None:
        if self._ocupado:
            return
        dicho = orjson.loads(evento)
        for disparada in self.armario.en_evento(clave, str(dicho["e"]), dicho.get("o") or dicho):
            self._cumplir(disparada)

    def _perdonar_sordos(self) -> None:
        """Take agents that only hear through dumb sockets to be done, as long as a silence allows."""
        if not self.lineas.pasos_sordos:
            return
        s = self.simulacion
        sordos = []
        for simbolo in s.plazas:
            nombre = simbolo.lower()
            flujos = (f"{nombre}@kline_{s.intervalo}", f"{nombre}_perpetual@continuousKline_{s.intervalo}")
            if self.lineas.sordos(flujos):
                sordos.append(simbolo)
                s.acuerdo.perdonar(simbolo)
        self.lineas.pasos_sordos -= bool(sordos)

    def _revisar(self, falla: Falla) -> None:
        if falla.clase is Clase.HOLD and not self.con_control:
            raise GuionInvalido((), "a hold needs --control, or nobody could release it")
        for cuenta in (falla.cuando.cuenta, str(falla.parametros.get("account", ""))):
            if cuenta and cuenta not in self.titulares:
                raise GuionInvalido((), f"{falla.clase.value}: no account has the key {cuenta!r}")
        simbolo = str(falla.parametros.get("symbol", ""))
        if simbolo and simbolo not in self.simulacion.plazas:
            raise GuionInvalido((), f"{falla.clase.value}: {simbolo!r} is not traded here")

    def _soltado(self) -> None:
        self.simulacion.reloj.reanudar()
        if self._al_soltar is not None:
            self._al_soltar()
