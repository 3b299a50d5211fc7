"""Faults that happen at once: to sockets, listen keys, clock, prices and stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from src.nucleo.tipos import LadoOrden
from src.simulador import eventos
from src.simulador.fallas.clases import Cierre, Clase, Enchufado
from src.simulador.fallas.falla import Falla
from src.simulador.fallas.lineas import Linea, Lineas
from src.simulador.numeros import CERO, decimal_de
from src.simulador.ordenes import Pedido, TipoOrden, Vigencia
from src.simulador.respuestas_mercado import siguiente_funding

if TYPE_CHECKING:
    from src.simulador.plaza import Plaza
    from src.simulador.simulacion import Simulacion
    from src.simulador.titular import Titular


class Efectos:
    """Carries faults out.

    Args:
        simulacion: The exchange that they happen to.
        lineas: Its open sockets.
    """

    def __init__(self, simulacion: Simulacion, lineas: Lineas) -> None:
        self._simulacion = simulacion
        self._lineas = lineas

    def cumplir(self, falla: Falla) -> None:
        """Let one fault happen."""
        match falla.clase:
            case Clase.OUTAGE:
                self._lineas.apagar(falla.numero("seconds"))
            case Clase.DISCONNECT:
                enchufes, clave = Enchufado(falla.texto("sockets")), falla.texto("account")
                self._lineas.cerrar(enchufes, clave, con_adios=Cierre(falla.texto("how")) is Cierre.CLOSE)
            case Clase.SILENCE:
                self._callar(falla)
            case Clase.EXPIRE_LISTEN_KEY:
                self._vencer(falla)
            case Clase.BURST:
                self._rafaga(falla)
            case Clase.CLOCK_SKEW:
                self._simulacion.reloj.desviar(falla.entero("ms"))
            case Clase.PRICE_JUMP:
                self._saltar(falla)
            case Clase.WIDE_SPREAD:
                self._abrir_el_libro(falla)
            case Clase.STOP_DROPPED:
                self._olvidar_stops(falla)
            case Clase.CLOSED_BY_HAND:
                self._en_lo_abierto(falla, self._vender_todo)
            case Clase.LIQUIDATED:
                self._en_lo_abierto(falla, self._liquidar)
            case _:
                raise ValueError(f"{falla.clase} does not happen at once")

    def hablar(self) -> None:
        """End every silence."""
        self._al_hablar(self._lineas.hablar())

    def _cuentas(self, falla: Falla) -> list[Titular]:
        clave = falla.texto("account")
        return [t for t in self._simulacion.titulares.values() if clave in ("", t.clave)]

    def _plazas(self, falla: Falla) -> list[Plaza]:
        simbolo = falla.texto("symbol")
        return [p for p in self._simulacion.plazas.values() if simbolo in ("", p.simbolo)]

    def _callar(self, falla: Falla) -> None:
        elegidas = self._lineas.callar(
            Enchufado(falla.texto("sockets")), falla.texto("account"), falla.entero("steps")
        )
        segundos = falla.numero("seconds")
        if segundos:
            self._lineas.hablar_luego(segundos, elegidas, self._al_hablar)

    def _al_hablar(self, lineas: list[Linea]) -> None:
        """Tell sockets that speak again where the market is: agents wait for a candle to answer."""
        s = self._simulacion
        for plaza in s.plazas.values():
            flujo = f"{plaza.simbolo.lower()}@kline_{s.intervalo}"
            oyentes = [linea for linea in lineas if flujo in linea.flujos]
            if oyentes:
                s.acuerdo.exigir(plaza.simbolo)
            for linea in oyentes:
                s.difusor.enviar(linea.cola, flujo, eventos.vela(plaza, s.reloj.ahora_ms(), False))

    def _vencer(self, falla: Falla) -> None:
        s = self._simulacion
        for titular in self._cuentas(falla):
            oyente = s.oyentes.cerrar(titular.clave)
            if oyente is not None:
                s.difusor.avisar(titular.clave, eventos.clave_vencida(oyente, s.reloj.ahora_ms()))
                s.difusor.silenciar(titular.clave)

    def _rafaga(self, falla: Falla) -> None:
        enchufes = Enchufado(falla.texto("sockets"))
        for _ in range(falla.entero("messages")):
            if enchufes is not Enchufado.USER:
                self._rafaga_de_mercado()
            if enchufes is not Enchufado.MARKET:
                self._rafaga_de_cuentas(falla)

    def _rafaga_de_mercado(self) -> None:
        s = self._simulacion
        ahora = s.reloj.ahora_ms()
        for plaza in s.plazas.values():
            simbolo = plaza.simbolo.lower()
            marca = eventos.marca(plaza, ahora, siguiente_funding(plaza.contrato, ahora))
            s.difusor.publicar(f"{simbolo}@markPrice", marca)
            s.difusor.publicar(f"{simbolo}@markPrice@1s", marca)
            s.difusor.publicar(f"{simbolo}@bookTicker", eventos.mejor_precio(plaza, ahora))
            s.difusor.publicar(f"{simbolo}@aggTrade", eventos.operacion_publica(plaza, ahora))

    def _rafaga_de_cuentas(self, falla: Falla) -> None:
        s = self._simulacion
        for titular in self._cuentas(falla):
            filas = [
                (posicion, s.motor.marcas[simbolo])
                for simbolo, posicion in titular.cuenta.posiciones.items()
                if posicion.cantidad
            ]
            evento = eventos.cuenta_actualizada(titular.cuenta, "ADJUSTMENT", s.reloj.ahora_ms(), filas)
            s.difusor.avisar(titular.clave, evento)

    def _saltar(self, falla: Falla) -> None:
        for plaza in self._plazas(falla):
            plaza.escalar_futuro(1.0 + falla.numero("percent") / 100.0)

    def _abrir_el_libro(self, falla: Falla) -> None:
        for plaza in self._plazas(falla):
            plaza.separar(decimal_de(falla.numero("bps")) / 10_000)

    def _olvidar_stops(self, falla: Falla) -> None:
        for titular in self._cuentas(falla):
            for plaza in self._plazas(falla):
                for algo in titular.algos.en_espera(plaza.simbolo):
                    self._simulacion.motor.olvidar(titular, algo)

    def _en_lo_abierto(self, falla: Falla, hacer: Callable[[Titular, str], None]) -> None:
        """Do something to every open position that the fault names."""
        for titular in self._cuentas(falla):
            for plaza in self._plazas(falla):
                if titular.cuenta.posiciones[plaza.simbolo].cantidad:
                    hacer(titular, plaza.simbolo)

    def _liquidar(self, titular: Titular, simbolo: str) -> None:
        self._simulacion.motor.tomar_posicion(titular, simbolo, self._simulacion.reloj.ahora_ms())

    def _vender_todo(self, titular: Titular, simbolo: str) -> None:
        cantidad = titular.cuenta.posiciones[simbolo].cantidad
        ahora_ms = self._simulacion.reloj.ahora_ms()
        pedido = Pedido(
            simbolo=simbolo,
            lado=LadoOrden.BUY if cantidad < 0 else LadoOrden.SELL,
            tipo=TipoOrden.MARKET,
            vigencia=Vigencia.GTC,
            cantidad=abs(cantidad),
            precio=CERO,
            solo_reduce=True,
            id_cliente=f"web_{ahora_ms}_{simbolo}",
            vence_ms=0,
            responde_resultado=True,
        )
        self._simulacion.motor.colocar(titular, pedido, ahora_ms)
