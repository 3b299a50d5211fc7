"""Takes over a position that a person opened: checks what is wanted, protects it, stores the operation."""

from __future__ import annotations

from typing import NamedTuple

import structlog

from src.nucleo.disparos import Disparo, Niveles, token_de
from src.nucleo.errores import (
    AlmacenCaido,
    BolsaIncompatible,
    ConfiguracionInvalida,
    DatosInvalidos,
    ErrorBolsa,
    LecturaFallida,
    PosicionDesprotegida,
    ProteccionImposible,
    StopFueraDeFiltro,
)
from src.nucleo.tipos import Filtros, Posicion
from src.produccion.almacen.eventos_stop import FuenteStop
from src.produccion.almacen.operaciones import (
    LadoOperacion,
    OperacionGuardada,
    guardar_operacion,
    id_operacion,
    operaciones_activas,
)
from src.produccion.monitor import reglas, residentes
from src.produccion.monitor.cuaderno import Cuaderno
from src.produccion.monitor.ejecucion import AjustesEjecucion, EjecutorStops
from src.produccion.monitor.libro import Libro, vigilada_de
from src.produccion.monitor.monitor import nombre_propio
from src.produccion.monitor.pedido import Pedido, apertura_ms, niveles_de
from src.produccion.monitor.reglas import Alerta, Nivel
from src.produccion.monitor.residentes import PacienciaStops, Papel
from src.produccion.monitor.sin_almacen import EjecutorSinAlmacen
from src.produccion.monitor.tipos import Disparada, Final, Resultado, Vigilada
from src.produccion.puertos import Bolsa, Reloj, StopBolsa

_ESTRATEGIA = "hand_made"

log = structlog.get_logger(__name__)


class Duenio(NamedTuple):
    """Whose position it is."""

    client_id: str
    user_id: str
    account_id: str


class Adoptada(NamedTuple):
    """A position that is protected now."""

    operacion: Vigilada
    mark: float
    objetivo_puesto: bool  # whether the target waits at the exchange; otherwise the monitor watches it


class Adopcion:
    """Adopts positions of one account.

    Args:
        libro: The shared store.
        bolsa: The exchange.
        reloj: Market time.
        duenio: Tenant, name and id of the account.
        cuaderno: Where events wait while the store is down.
        paciencia: How a stop is insisted on.
        ajustes: How a position is closed that no stop will protect.
    """

    def __init__(
        self,
        libro: Libro,
        bolsa: Bolsa,
        reloj: Reloj,
        duenio: Duenio,
        cuaderno: Cuaderno,
        paciencia: PacienciaStops | None = None,
        ajustes: AjustesEjecucion | None = None,
    ) -> None:
        self._libro = libro
        self._bolsa = bolsa
        self._reloj = reloj
        self._duenio = duenio
        self._paciencia = paciencia
        self._ajustes = ajustes or AjustesEjecucion()
        fuente = FuenteStop.MANUAL
        self._ejecutor = EjecutorStops(libro, bolsa, reloj, nombre_propio(), fuente, self._ajustes)
        self._sin_almacen = EjecutorSinAlmacen(bolsa, reloj, cuaderno, fuente, self._ajustes.paciencia)

    async def adoptar(self, pedido: Pedido) -> Adoptada:
        """Protect and register the open position.

        Raises:
            EntradaInvalida: Prices, position or account are not such that it can be; nothing was changed.
            ProteccionImposible: No stop could be placed; the position was closed.
            PosicionDesprotegida: No stop could be placed, and the position could not be closed either.
            ErrorBolsa: The exchange did not answer.
        """
        await self._comprobar_cuenta(pedido.simbolo)
        filtros = await self._filtros(pedido.simbolo)
        posicion = (await self._bolsa.cuenta(pedido.simbolo)).estado.posicion
        if posicion is None:
            raise DatosInvalidos(
                f"No open position to adopt: the account is flat on {pedido.simbolo}; open it first"
            )
        mark = await self._bolsa.precio_mark(pedido.simbolo)
        niveles = niveles_de(pedido, posicion, mark, filtros)
        abierta_ms = await self._abierta_ms(pedido.simbolo, posicion)
        fila = self._fila(pedido, posicion, niveles, abierta_ms)
        operacion = vigilada_de(fila)
        await self._comprobar_stops(operacion)
        try:
            await residentes.colocar(
                self._bolsa,
                residentes.orden_residente(operacion, Papel.STOP, niveles.precio_de(Disparo.STOP_LOSS)),
                self._paciencia,
            )
        except PosicionDesprotegida as fallo:
            await self._rendirse(fila, mark, fallo)
        puesto = await self._poner_objetivo(operacion)
        await self._libro.escribiendo(lambda c: guardar_operacion(c, fila._replace(resident_stop=True)))
        log.info("posicion_adoptada", operacion=operacion.operation_id, simbolo=pedido.simbolo)
        return Adoptada(operacion._replace(residente=True), mark, puesto)

    async def _comprobar_cuenta(self, simbolo: str) -> None:
        demonio = await self._libro.hay_demonio(self._duenio.account_id, simbolo)
        if demonio is not None:
            raise ConfiguracionInvalida(
                f"a daemon trades {simbolo} of this account (process {demonio.pid} on {demonio.host});"
                " it protects the position itself. Stop it first"
            )
        activas = await self._libro.leyendo(
            lambda c: operaciones_activas(c, account_id=self._duenio.account_id, symbol=simbolo)
        )
        if activas:
            raise DatosInvalidos(
                f"the position on {simbolo} is operation {activas[0].operation_id} already: `timonel"
                " adjust_trailing_stops` trails it, `timonel monitor_stops` closes its record once it is flat"
            )
        if (await self._bolsa.modo_cuenta()).cobertura:
            raise BolsaIncompatible("the account is in hedge mode; change it to one-way mode first")

    async def _filtros(self, simbolo: str) -> Filtros:
        info = await self._bolsa.info_simbolo(simbolo)
        if info.estado != "TRADING":
            raise BolsaIncompatible(f"{simbolo} is not traded now: its status is {info.estado}")
        return info.mercado.filtros

    async def _comprobar_stops(self, operacion: Vigilada) -> None:
        """Another stop that closes the position leaves no room for ours."""
        propio = residentes.deseadas(operacion)[Papel.STOP]
        for stop in await self._bolsa.stops_abiertos(operacion.simbolo):
            if _ocupa(stop, operacion) and stop.id_cliente != propio.id_cliente:
                raise DatosInvalidos(
                    f"a stop that closes the position waits at {stop.gatillo:g} already ({stop.id_cliente});"
                    " cancel it at the exchange and adopt again"
                )

    async def _abierta_ms(self, simbolo: str, posicion: Posicion) -> int:
        """When the position was opened, as far back as the exchange lists fills: the same at each try."""
        try:
            filas = await self._bolsa.transacciones(simbolo)
        except LecturaFallida as fallo:
            log.warning("apertura_sin_leer", simbolo=simbolo, motivo=str(fallo))
            filas = ()
        return apertura_ms(filas, posicion.cantidad) or self._reloj.ahora_ms()

    def _fila(
        self, pedido: Pedido, posicion: Posicion, niveles: Niveles, abierta_ms: int
    ) -> OperacionGuardada:
        operation_id = id_operacion(self._duenio.account_id, pedido.simbolo, abierta_ms)
        stop, ahora_ms = niveles.precio_de(Disparo.STOP_LOSS), self._reloj.ahora_ms()
        return OperacionGuardada(
            operation_id,
            self._duenio.account_id,
            pedido.simbolo,
            LadoOperacion.BUY if niveles.largo else LadoOperacion.SELL,
            abs(posicion.cantidad),
            posicion.precio_entrada,
            abierta_ms,
            client_id=self._duenio.client_id,
            user_id=self._duenio.user_id,
            strategy=_ESTRATEGIA,
            stop_loss_percent=pedido.stop_pct,
            initial_stop_price=stop,
            stop_price=stop,
            stop_set_at_ms=ahora_ms,
            target_price=niveles.objetivo,
            stop_execution_token=token_de(operation_id, stop, ahora_ms),
            hand_made=True,
        )

    async def _poner_objetivo(self, operacion: Vigilada) -> bool:
        orden = residentes.deseadas(operacion).get(Papel.TARGET)
        if orden is None:
            return False
        try:
            await residentes.colocar(self._bolsa, orden, self._paciencia)
        except (PosicionDesprotegida, StopFueraDeFiltro, ErrorBolsa) as fallo:
            log.warning("objetivo_sin_poner", operacion=operacion.operation_id, motivo=str(fallo))
            return False
        return True

    async def _rendirse(self, fila: OperacionGuardada, mark: float, motivo: PosicionDesprotegida) -> None:
        """No stop will protect it: close it, as any stop is executed, and tell everybody."""
        operacion, ahora_ms = vigilada_de(fila), self._reloj.ahora_ms()
        log.critical("posicion_desprotegida", operacion=operacion.operation_id, motivo=str(motivo))
        disparada = Disparada(operacion, Disparo.STOP_LOSS, mark, ahora_ms, ahora_ms)
        resultado = await self._cerrar(fila, disparada)
        await self._alertar(resultado, motivo)
        if resultado.final in (Final.EXECUTED, Final.CLOSED):
            raise ProteccionImposible(
                f"no stop could be placed, so the position on {operacion.simbolo} was closed: {motivo}"
            ) from motivo
        raise PosicionDesprotegida(
            f"NO STOP could be placed on {operacion.simbolo} and the position could not be closed"
            f" ({resultado.motivo}); close it at the exchange NOW, or run `timonel panic`: {motivo}"
        ) from motivo

    async def _cerrar(self, fila: OperacionGuardada, disparada: Disparada) -> Resultado:
        """Under a claim; without one while the store is down, for which an exit does not wait."""
        try:
            try:
                with self._libro.con_prisa():
                    await self._libro.escribiendo(lambda c: guardar_operacion(c, fila))
                    return await self._ejecutor.ejecutar(disparada)
            except AlmacenCaido as fallo:
                log.critical("almacen_caido", motivo=str(fallo))
                return await self._sin_almacen.aplanar(disparada, self._ajustes.pausa_s)
        except ErrorBolsa as fallo:
            return Resultado(disparada, Final.UNKNOWN, motivo=str(fallo))

    async def _alertar(self, resultado: Resultado, motivo: PosicionDesprotegida) -> None:
        operacion = resultado.disparada.operacion
        alerta = Alerta(
            Nivel.CRITICAL,
            "position_unprotected",
            f"no stop could be placed for {operacion.operation_id}: {motivo}; closing it ended"
            f" {resultado.final.value}",
            operacion.client_id,
            operacion.account_id,
            operacion.simbolo,
        )
        ahora_ms = self._reloj.ahora_ms()
        try:
            await self._libro.escribiendo(lambda c: reglas.alertar(c, alerta, ahora_ms))
        except AlmacenCaido as fallo:
            log.error("alerta_sin_escribir", motivo=str(fallo))


def _ocupa(stop: StopBolsa, operacion: Vigilada) -> bool:
    return stop.cantidad is None and stop.tipo == "STOP_MARKET" and stop.lado is operacion.lado_salida
