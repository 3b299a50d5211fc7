"""The exchange's whole state, and how a market step changes and announces it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.nucleo.tipos import Mercado
from src.simulador import eventos
from src.simulador.acuerdo import Acuerdo
from src.simulador.contrato import Contrato
from src.simulador.difusion import FLUJO_FIN, Difusor, Receptor
from src.simulador.fallas.central import Fallas
from src.simulador.fallas.valores import GuionInvalido
from src.simulador.fallos_api import ErrorApi
from src.simulador.motor import Motor
from src.simulador.opciones import Opciones
from src.simulador.oyentes import Oyentes
from src.simulador.plaza import Plaza
from src.simulador.reloj import RelojMercado
from src.simulador.reproductor import Paso, Reproductor, elegir_ventana
from src.simulador.respuestas_mercado import siguiente_funding
from src.simulador.serie import Serie
from src.simulador.titular import Titular, abrir_titular, depositar
from src.simulador.trastornos import Trastornos


class Simulacion:
    """Markets, accounts, clock and replay of one simulator.

    Args:
        series: Candles and rules of each symbol.
        opciones: Settings.
        trastornos: Disturbs conditional orders; nobody by default.
    """

    def __init__(
        self,
        series: Sequence[tuple[Serie, Mercado]],
        opciones: Opciones,
        trastornos: Trastornos | None = None,
    ) -> None:
        if not series:
            raise DatosInvalidos("a simulator needs candles: give --data FILE or --synthetic")
        ventana = elegir_ventana([serie for serie, _ in series], opciones.calentamiento)
        self.opciones = opciones
        self.plazas: dict[str, Plaza] = {
            serie.simbolo: Plaza(
                Contrato.de_mercado(mercado, taker=opciones.comision_taker, maker=opciones.comision_maker),
                serie,
                cerradas=ventana.cerradas[serie.simbolo],
                slippage=opciones.slippage,
                tasa_funding=opciones.tasa_funding,
                tasas_grabadas=opciones.tasas_grabadas.get(serie.simbolo),
            )
            for serie, mercado in series
        }
        self.intervalo = series[0][0].intervalo
        self.reproductor = Reproductor(self.plazas, ventana.aperturas, opciones.camino)
        self.reloj = RelojMercado(self.reproductor.inicio_ms, opciones.velocidad)
        self.titulares = self._abrir_cuentas(opciones)
        self.difusor = Difusor()
        self.oyentes = Oyentes()
        self.acuerdo = Acuerdo()
        self.fallas = Fallas(self, con_control=opciones.control) if opciones.con_fallas else None
        if self.fallas is not None and trastornos is None:
            trastornos = self.fallas.gatillos
        self.motor = Motor(self.plazas, self.titulares, self.difusor, trastornos)
        self.terminado = False
        if self.fallas is not None:
            self._armar(self.fallas, opciones)

    def _abrir_cuentas(self, opciones: Opciones) -> dict[str, Titular]:
        contratos = {simbolo: plaza.contrato for simbolo, plaza in self.plazas.items()}
        if len({contrato.activo_margen for contrato in contratos.values()}) != 1:
            raise ConfiguracionInvalida("all symbols of a simulator must share one margin asset")
        titulares = {}
        for inicial in opciones.cuentas:
            titular = abrir_titular(inicial, contratos, opciones.apalancamiento, recuerda=opciones.recuerda)
            if inicial.saldo:
                depositar(titular, inicial.saldo, self.reproductor.inicio_ms)
            titulares[inicial.clave] = titular
        return titulares

    def _armar(self, fallas: Fallas, opciones: Opciones) -> None:
        try:
            fallas.armar(opciones.guion.fallas)
        except GuionInvalido as fallo:
            raise ConfiguracionInvalida(f"the scenario does not fit this exchange: {fallo}") from fallo

    @property
    def paso(self) -> int:
        """How many market steps have happened."""
        return self.reproductor.dados

    def plaza(self, simbolo: str) -> Plaza:
        """A symbol's market.

        Raises:
            ErrorApi: −1121.
        """
        plaza = self.plazas.get(simbolo)
        if plaza is None:
            raise ErrorApi(-1121)
        return plaza

    def avanzar(self) -> Paso | None:
        """Make one market step and tell everybody; at the end of the candles, tell that once."""
        if self.fallas is not None:
            self.fallas.antes_de_paso()
        paso = self.reproductor.avanzar()
        if paso is None:
            self._terminar()
            return None
        self.reloj.fijar(paso.tiempo_ms)
        self.motor.mover(paso)
        self.acuerdo.paso_dado(movimiento.plaza.simbolo for movimiento in paso.movimientos)
        for movimiento in paso.movimientos:
            self.anunciar(movimiento.plaza, paso.tiempo_ms + self.reloj.desvio_ms, cerrada=paso.cierra)
        if paso.cierra:
            self.reproductor.cerrar(paso)
        if self.fallas is not None:
            self.fallas.tras_paso()
        return paso

    def anunciar(self, plaza: Plaza, tiempo_ms: int, *, cerrada: bool) -> None:
        """Send a symbol's market data; its candle goes last."""
        difusor, simbolo = self.difusor, plaza.simbolo.lower()
        if difusor.hay(flujo := f"{simbolo}@bookTicker"):
            difusor.publicar(flujo, eventos.mejor_precio(plaza, tiempo_ms))
        for flujo in (f"{simbolo}@markPrice", f"{simbolo}@markPrice@1s"):
            if difusor.hay(flujo):
                siguiente = siguiente_funding(plaza.contrato, tiempo_ms)
                difusor.publicar(flujo, eventos.marca(plaza, tiempo_ms, siguiente))
        if difusor.hay(flujo := f"{simbolo}@aggTrade"):
            difusor.publicar(flujo, eventos.operacion_publica(plaza, tiempo_ms))
        if difusor.hay(flujo := f"{simbolo}_perpetual@continuousKline_{self.intervalo}"):
            self._publicar_vela(plaza, flujo, eventos.vela_continua(plaza, tiempo_ms, cerrada), cerrada)
        if difusor.hay(flujo := f"{simbolo}@kline_{self.intervalo}"):
            self._publicar_vela(plaza, flujo, eventos.vela(plaza, tiempo_ms, cerrada), cerrada)

    def _publicar_vela(self, plaza: Plaza, flujo: str, datos: bytes, cerrada: bool) -> None:
        if self.fallas is None:
            self.difusor.publicar(flujo, datos)
        else:
            self.fallas.velas.publicar(plaza.simbolo, flujo, datos, cerrada=cerrada)

    def latir(self) -> None:
        """Between steps of a market that runs by itself: time passes, the price stands."""
        ahora = self.reloj.ahora_ms()
        for titular in self.titulares.values():
            self.motor.vencer(titular, ahora)
        for plaza in self.plazas.values():
            self.anunciar(plaza, ahora, cerrada=False)

    def estado(self) -> dict[str, Any]:
        """What ``/sim/v1/status`` tells."""
        return {
            "time": self.reloj.ahora_ms(),
            "step": self.paso,
            "steps_total": self.reproductor.totales,
            "finished": self.terminado,
            "lockstep": self.opciones.velocidad is None,
            "interval": self.intervalo,
            "symbols": list(self.plazas),
            "agents": [
                {"agent": a.id, "symbol": a.simbolo, "interval": a.intervalo, "busy": a.pendiente}
                for a in self.acuerdo.agentes
            ],
        }

    def _terminar(self) -> None:
        if self.terminado:
            return
        self.terminado = True
        self.reloj.detener()
        self.difusor.publicar_a_todos(FLUJO_FIN, eventos.fin(self.reloj.ahora_ms()))

    def recibir(self, receptor: Receptor) -> None:
        """Tell whoever comes to hear a market after its end that there is nothing more to hear."""
        if self.terminado:
            self.difusor.enviar(receptor, FLUJO_FIN, eventos.fin(self.reloj.ahora_ms()))
