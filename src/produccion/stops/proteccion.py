"""Keeps a position's stops and target at the exchange as they should be, and knows when none covers it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, assert_never

import structlog

from src.nucleo import proteccion as reglas
from src.nucleo.cartera import aplanar
from src.nucleo.errores import (
    EmergenciaOperacional,
    ErrorBolsa,
    LecturaFallida,
    ProteccionImposible,
    ProteccionRota,
    SolicitudInvalida,
    StopInaceptable,
    YaCruzado,
)
from src.nucleo.frenos import Freno, nuevo_freno
from src.nucleo.ordenes import trocear
from src.nucleo.proteccion import SIN_PROTECCION, EstadoProteccion, ReglaProteccion
from src.nucleo.reconciliacion import Deseo, siguiente_de
from src.nucleo.stops import (
    Cancelar,
    Colocar,
    Paso,
    StopVivo,
    TipoProteccion,
    TipoStop,
    cruzado,
    cubren,
    lado_que_protege,
)
from src.nucleo.tipos import EstadoCuenta, Mercado, Posicion
from src.produccion.ordenes.ejecutor import PREFIJO_CLIENTE
from src.produccion.puertos import Bolsa, Diario, EventoStop, Reloj
from src.produccion.stops.stops_recordados import AGREGADO_NIVEL, MemoriaStops, NivelPuesto, escribir_nivel
from src.produccion.stops.stops_vivos import SIN_POSICION, YA_CRUZADO, AjustesStops, LibroStops

_PLANA = EstadoCuenta(0.0)
_PASOS_MAX = 16
_MIRADAS_EN_BALDE = 20  # one in so many is made although there is nothing to look for

log = structlog.get_logger(__name__)


class Protector:
    """The stops and the target of one agent; with ``ninguna`` it neither asks nor does anything.

    Args:
        bolsa: The exchange.
        diario: Gets the level and each stop before they take effect.
        reloj: Market time.
        mercado: Symbol, brackets and tick.
        regla: The artefact's protection.
        agente_id: Whose stops these are.
        ajustes: How patient it is.
        memoria: What the journal knows of level and stops.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        diario: Diario,
        reloj: Reloj,
        mercado: Mercado,
        regla: ReglaProteccion,
        agente_id: str,
        ajustes: AjustesStops = AjustesStops(),  # noqa: B008 -- immutable
        memoria: MemoriaStops = MemoriaStops(),  # noqa: B008 -- immutable
    ) -> None:
        self._bolsa = bolsa
        self._diario = diario
        self._reloj = reloj
        self._mercado = mercado
        self._regla = regla
        self._ajustes = ajustes
        self._libro = LibroStops(bolsa, diario, reloj, mercado.simbolo, agente_id, memoria, ajustes)
        self._activa = regla.tipo is not TipoProteccion.NINGUNA
        self._puesto = memoria.puesto if self._activa else None
        self._ultimo = EstadoCuenta(0.0, self._puesto.posicion) if self._puesto else _PLANA
        self._mirado = self._puesto is not None
        self._sin_anotar = False  # the position that is protected was read, and nobody has booked it
        self._sin_mirar = 0
        self._disparo_desde: _Instante | None = None
        self._ignorado_desde: _Instante | None = None
        self._cerrojo = asyncio.Lock()
        self.confirmado = not self._activa
        self.atr: float | None = None
        """Average true range of the newest decided candle, where the initial stop is measured in it."""

    @property
    def nivel(self) -> float | None:
        """Trigger price of the stop that closes the whole position; ``None`` when none is wanted."""
        return self.estado.nivel

    @property
    def freno(self) -> Freno | None:
        """The stop that trails the market, and the target; ``None`` without one."""
        return self.estado.freno

    @property
    def puesto(self) -> NivelPuesto | None:
        """The operation that is open and what protects it; ``None`` when flat."""
        return self._puesto if self._ultimo.posicion is not None else None

    @property
    def sin_anotar(self) -> Posicion | None:
        """The position that is protected as it was read; ``None`` while it is the booked one."""
        return self._ultimo.posicion if self._sin_anotar else None

    @property
    def gatillo(self) -> float | None:
        """Trigger price of the stop that the market meets first; ``None`` when none is wanted."""
        return reglas.gatillo(self.estado, self._ultimo.cantidad)

    @property
    def estado(self) -> EstadoProteccion:
        """What should protect the position."""
        return self._puesto.estado if self._puesto is not None else SIN_PROTECCION

    @property
    def cubre(self) -> bool:
        """Whether the exchange is known to hold what is wanted over the position.

        Without any stop wanted, which is where no positive price would reach the drawdown limit or
        liquidation, the position counts as covered.
        """
        return self._activa and self.confirmado

    @property
    def esperan(self) -> int:
        """How many of our stops and targets are known to wait at the exchange."""
        return len(self._libro.vivos)

    @property
    def abiertos(self) -> tuple[str, ...]:
        """Journal aggregates of the stops that may still do something."""
        return tuple(f"stop:{ficha.id_cliente}" for ficha in self._libro.fichas)

    @property
    def hijas(self) -> frozenset[int]:
        """Exchange ids of the orders that our stops became, as far as they are known."""
        return self._libro.hijas

    @property
    def permite_entrar(self) -> bool:
        """Whether nothing of ours lives, or may live, besides what is wanted."""
        return all(ficha.vive and self._es_el_querido(ficha.vivo) for ficha in self._libro.fichas)

    def tocado(self, mark: float) -> bool:
        """Whether the mark is beyond a stop or the target: the account is probably not what is known."""
        cantidad = self._ultimo.cantidad
        return cantidad != 0.0 and reglas.ya_cruzada(self.estado, cantidad, mark)

    def seguir(self, mark: float, instante_ms: int) -> bool:
        """Let the stop trail a mark price that triggered nothing; true when the exchange must be told.

        Args:
            mark: Mark price.
            instante_ms: Market time of that price.
        """
        puesto = self._puesto
        if puesto is None or self._ultimo.posicion is None:
            return False
        antes = puesto.estado
        estado = reglas.al_mark(antes, mark, instante_ms, self._regla, self._mercado)
        if estado is antes or estado.freno is None or antes.freno is None:
            return False
        self._fijar(puesto.con(estado))
        movido = estado.freno.stop != antes.freno.stop
        if movido:
            log.info(
                "freno_movido",
                nivel=estado.freno.nivel,
                stop=estado.freno.stop,
                anterior=antes.freno.stop,
                mark=mark,
            )
        return movido

    def ajustar_a_mano(
        self, stop: float | None, objetivo: float | None, nivel: str, mark: float, instante_ms: int
    ) -> float | None:
        """Want a stop, a target or both where somebody says; returns the stop that was in force.

        Args:
            stop: The stop; ``None`` leaves it.
            objetivo: The target; ``None`` leaves it.
            nivel: Name of the level that the stop stands for.
            mark: Mark price.
            instante_ms: Market time.

        Raises:
            StopInaceptable: It cannot be there; nothing has changed.
        """
        puesto, posicion = self._puesto, self._ultimo.posicion
        if not self._activa:
            raise StopInaceptable("the agent was trained without stops (proteccion: ninguna); none is placed")
        if puesto is None or posicion is None:
            raise StopInaceptable("No open position to adjust")
        anterior = self.gatillo
        estado = reglas.a_mano(
            puesto.estado, posicion, stop, objetivo, mark, instante_ms, self._mercado, nivel
        )
        self._fijar(puesto.con(estado))
        return anterior

    def comprobar_apertura(
        self,
        prevista: EstadoCuenta,
        stop: float | None,
        objetivo: float | None,
        mark: float,
        equity_maximo: float,
    ) -> None:
        """Refuse a position that is about to be opened by hand when what would protect it cannot be.

        Args:
            prevista: The account after it.
            stop: The stop wanted; ``None`` leaves it to the rule.
            objetivo: The target wanted; ``None`` leaves it to the rule.
            mark: Mark price.
            equity_maximo: The drawdown monitor's peak.

        Raises:
            StopInaceptable: Naming the price, or why no stop would protect it.
        """
        posicion = prevista.posicion
        if not self._activa or posicion is None:
            raise StopInaceptable(
                "the agent was trained without stops (proteccion: ninguna): nothing would protect it"
            )
        ahora_ms = self._reloj.ahora_ms()
        estado = reglas.tras_operar(
            SIN_PROTECCION,
            0.0,
            aplanar(prevista),
            mark,
            self.atr,
            equity_maximo,
            ahora_ms,
            self._regla,
            self._mercado,
        )
        if stop is not None or objetivo is not None:
            estado = reglas.a_mano(estado, posicion, stop, objetivo, mark, ahora_ms, self._mercado)
        if reglas.ya_cruzada(estado, posicion.cantidad, mark):
            raise StopInaceptable(
                f"the mark {mark} is beyond the stop that would protect the position, at"
                f" {reglas.gatillo(estado, posicion.cantidad)}: too little is left to lose"
            )

    async def cancelar_a_mano(self, id_cliente: str) -> None:
        """Cancel a target, or what is left of an operation that is over.

        Args:
            id_cliente: Of one of our stops or targets.

        Raises:
            SolicitudInvalida: It is none of ours, or over.
            StopInaceptable: It is a stop of the open position; nothing has changed.
            PosicionDesprotegida: The position has to be closed.
            ErrorBolsa: It may still live.
        """
        async with self._cerrojo:
            vivo = next((f.vivo for f in self._libro.fichas if f.id_cliente == id_cliente), None)
            if vivo is None:
                raise SolicitudInvalida(f"order {id_cliente} is over; nothing was done")
            if self._ultimo.posicion is None:
                await self._libro.cancelar(id_cliente)
            elif vivo.tipo is not TipoStop.TAKE_PROFIT_MARKET:
                raise StopInaceptable(
                    f"order {id_cliente} is a stop of the open position, which would be left without it: move"
                    " it with POST /guardian (adjust), or close the position"
                )
            else:
                await self._retirar_objetivo(id_cliente)
            if any(ficha.id_cliente == id_cliente for ficha in self._libro.fichas):
                raise LecturaFallida(f"the exchange has not said that order {id_cliente} is cancelled")

    async def _retirar_objetivo(self, id_cliente: str) -> None:
        puesto = self._puesto
        if puesto is not None and puesto.freno is not None:
            sin_objetivo = puesto.freno._replace(objetivo=None)
            self._fijar(puesto.con(EstadoProteccion(puesto.nivel, sin_objetivo)))
        await self._reconciliar()

    async def mover(self) -> None:
        """Have at the exchange what should be there, after the stop has moved.

        Raises:
            PosicionDesprotegida: The position has to be closed.
            ErrorBolsa: A stop was triggered: the account must be read again.
        """
        if not self._activa:
            return
        async with self._cerrojo:
            await self._reconciliar()

    def tomar_evento(self, evento: EventoStop) -> bool:
        """Take what the exchange tells of a stop; true when protection must be looked at now."""
        if not self._activa or not evento.stop.id_cliente.startswith(PREFIJO_CLIENTE):
            return False
        es_nuevo = self._libro.tomar(evento.stop)
        abierta = self._ultimo.posicion is not None and self.gatillo is not None
        if abierta and (self._libro.disparandose or not self._cubierta()):
            self.confirmado = False
        return es_nuevo

    async def reconocer(self, id_orden: int) -> bool:
        """Whether an order of the exchange is what one of our stops became.

        Raises:
            ErrorBolsa: It could not be found out.
        """
        if self._activa and id_orden not in self.hijas:
            await self._libro.preguntar_por_todos()
        return id_orden in self.hijas

    async def tras_operar(
        self,
        antes: EstadoCuenta,
        despues: EstadoCuenta,
        precio: float,
        equity_maximo: float,
        instante_ms: int | None = None,
    ) -> None:
        """After a decision's fills: renew what should protect the position and have it at the exchange.

        Args:
            antes: The account before them.
            despues: The account after them.
            precio: Close of the decided candle.
            equity_maximo: The drawdown monitor's peak at that decision.
            instante_ms: When that candle closed; now unless given.

        Raises:
            PosicionDesprotegida: The position has to be closed.
        """
        if not self._activa:
            return
        async with self._cerrojo:
            self._mirado = True
            self._renovar(antes, despues, precio, equity_maximo, instante_ms)
            self._sin_anotar = False
            if self.tocado(precio):
                self.confirmado = False
                raise YaCruzado(f"{precio} is beyond the stop {self.gatillo} or the target")
            await self._reconciliar()

    async def revisar(
        self, estado: EstadoCuenta, equity_maximo: float, precio: float, *, anotado: bool = True
    ) -> None:
        """See to it that what protects the position is what should.

        Args:
            estado: The account as the exchange has it now.
            equity_maximo: The drawdown monitor's peak.
            precio: Mark price.
            anotado: Whether it is booked; otherwise booking it later begins no other operation.

        Raises:
            PosicionDesprotegida: The position has to be closed.
            ErrorBolsa: It could not be looked at, or a stop was triggered and the account must be read again.
        """
        if not self._activa:
            return
        async with self._cerrojo:
            if self._nada_que_mirar(estado):
                return
            await self._libro.leer()
            self._adoptar_nivel(estado)
            self._renovar(self._ultimo, estado, precio, equity_maximo)
            self._sin_anotar = not anotado
            await self._reconciliar(leido=True)
            await self._vigilar_ignorado(precio)

    def _nada_que_mirar(self, estado: EstadoCuenta) -> bool:
        """Whether it was flat and is, with no stop of ours; every so often it is looked at anyway."""
        quieta = estado.posicion is None and self._ultimo.posicion is None and self.confirmado
        self._sin_mirar = self._sin_mirar + 1 if quieta and not self._libro.fichas else 0
        return self._sin_mirar % _MIRADAS_EN_BALDE != 0

    async def retirar(self) -> None:
        """The account is flat: cancel what is left; a failure is told and leaves entries blocked."""
        if not self._activa:
            return
        async with self._cerrojo:
            self._renovar(self._ultimo, _PLANA, 0.0, 0.0)
            self._sin_anotar = False
            try:
                await self._libro.leer()
                await self._reconciliar(leido=True)
            except ErrorBolsa as fallo:
                self.confirmado = False
                log.critical("stops_sin_cancelar", motivo=str(fallo))

    async def soltar(self) -> None:
        """Cancel every stop of ours although the position is open: they stand in the way of closing it."""
        if not self._activa:
            return
        async with self._cerrojo:
            self.confirmado = False
            try:
                await self._libro.leer()
                for ficha in self._libro.fichas:
                    await self._libro.cancelar(ficha.id_cliente)
            except ErrorBolsa as fallo:
                log.critical("stops_sin_cancelar", motivo=str(fallo))

    def _adoptar_nivel(self, estado: EstadoCuenta) -> None:
        """At the first look of an agent that remembers nothing: a stop of ours that lives says the level."""
        primera, self._mirado = not self._mirado, True
        if not primera or estado.posicion is None:
            return
        nuestros = [v for v in self._libro.vivos if v.lado is lado_que_protege(estado.cantidad)]
        niveles = [v.gatillo for v in nuestros if v.cantidad is None]
        if niveles or nuestros:
            freno = self._freno_hallado(estado.posicion, nuestros)
            nivel = niveles[0] if niveles else None
            self._fijar(NivelPuesto(self._reloj.ahora_ms(), nivel, estado.posicion, freno))
            self._ultimo = estado

    def _freno_hallado(self, posicion: Posicion, nuestros: Sequence[StopVivo]) -> Freno | None:
        """The trailing stop and the target that the exchange shows, as far as it shows them."""
        largo = posicion.cantidad > 0.0
        stops = [v.gatillo for v in nuestros if v.cantidad is not None and v.tipo is TipoStop.STOP_MARKET]
        metas = [v.gatillo for v in nuestros if v.tipo is TipoStop.TAKE_PROFIT_MARKET]
        if not stops:
            return None
        stop = max(stops) if largo else min(stops)
        entrada, ahora_ms = posicion.precio_entrada, self._reloj.ahora_ms()
        return nuevo_freno(entrada, stop, metas[0] if metas else None, entrada, ahora_ms, largo=largo)

    def _renovar(
        self,
        antes: EstadoCuenta,
        despues: EstadoCuenta,
        precio: float,
        equity_maximo: float,
        instante_ms: int | None = None,
    ) -> None:
        puesto, ahora_ms = self._puesto, self._reloj.ahora_ms()
        self._ultimo = despues
        if despues.posicion is None:
            self._fijar(None)
            return
        estado = reglas.tras_operar(
            self.estado,
            antes.cantidad,
            aplanar(despues),
            precio,
            self.atr,
            equity_maximo,
            ahora_ms if instante_ms is None else instante_ms,
            self._regla,
            self._mercado,
        )
        misma = puesto is not None and puesto.posicion.cantidad * despues.cantidad > 0.0
        de_nuevo = antes.cantidad == 0.0 and not self._sin_anotar
        if puesto is None or not misma or (de_nuevo and estado != puesto.estado):
            self._libro.podar()
            self._fijar(NivelPuesto(ahora_ms, estado.nivel, despues.posicion, estado.freno))
        elif estado != puesto.estado or abs(despues.cantidad) > abs(puesto.posicion.cantidad):
            self._fijar(puesto.con(estado)._replace(posicion=despues.posicion))

    def _fijar(self, puesto: NivelPuesto | None) -> None:
        if puesto == self._puesto:
            return
        self._puesto, self._ignorado_desde = puesto, None
        tipo, contenido = ("LEVEL_CLEARED", {}) if puesto is None else ("LEVEL_SET", escribir_nivel(puesto))
        try:
            self._diario.anotar_luego(AGREGADO_NIVEL, tipo, self._reloj.ahora_ms(), contenido)
        except EmergenciaOperacional as fallo:
            log.critical("diario_roto", motivo=str(fallo))

    async def _reconciliar(self, *, leido: bool = False) -> None:
        """Take steps until the exchange lists what is wanted.

        Args:
            leido: Whether what is known of our stops was just read.
        """
        conocido = leido or self.confirmado
        if self._ultimo.posicion is None:
            self._libro.disparados.clear()
            self._disparo_desde = self._ignorado_desde = None
            conocido = leido or not self._libro.fichas  # the exchange takes some back by itself
        fallos, espera_s = 0, self._ajustes.espera_s
        for _ in range(_PASOS_MAX + 2 * len(self._trozos())):
            try:
                if not conocido:
                    await self._libro.leer()
                    leido = True
                conocido = True
                await self._seguir_disparo()
                paso = self._siguiente()
                if paso is not None:
                    self.confirmado = leido = False
                    await self._dar(paso)
                elif self.confirmado and not leido:
                    return
                elif not leido:
                    conocido = False
                elif self._listado():
                    self.confirmado = True
                    self._libro.contar_atascados()
                    return
                else:
                    conocido = False
                    await asyncio.sleep(self._ajustes.espera_consulta_s)
            except ErrorBolsa as fallo:
                if isinstance(fallo, _Cambiada):
                    raise
                if fallo.codigo == SIN_POSICION:
                    raise _Cambiada("the position is gone; the account must be read again") from fallo
                if fallo.codigo == YA_CRUZADO:
                    raise YaCruzado(f"the mark is beyond the stop {self.gatillo} or the target") from fallo
                conocido, fallos = False, fallos + 1
                log.critical("proteccion_fallida", intento=fallos, motivo=str(fallo))
                if fallos >= self._ajustes.intentos:
                    self._rendirse(fallo)
                    return
                await asyncio.sleep(espera_s)
                espera_s *= 2
        self._rendirse(LecturaFallida("the exchange does not list the stop"))

    async def _dar(self, paso: Paso) -> None:
        match paso:
            case Colocar():
                if self._puesto is None:
                    raise AssertionError("a stop belongs to an operation")
                lado = lado_que_protege(self._ultimo.cantidad)
                await self._libro.colocar(self._puesto.operacion, lado, paso)
            case Cancelar(id_cliente=id_cliente):
                await self._libro.cancelar(id_cliente)
            case _:
                assert_never(paso)

    def _siguiente(self) -> Paso | None:
        return siguiente_de(self._deseo(), self._accesibles(), ocupado=self._sin_sitio())

    def _deseo(self) -> Deseo:
        """What should live at the exchange now."""
        freno = self.freno
        if freno is None:
            return Deseo(self._ultimo.cantidad, self.nivel, trozos=self._trozos())
        return Deseo(self._ultimo.cantidad, self.nivel, freno.stop, freno.objetivo, self._trozos())

    def _trozos(self) -> tuple[float, ...]:
        return trocear(abs(self._ultimo.cantidad), self._mercado.filtros)

    def _accesibles(self) -> tuple[StopVivo, ...]:
        """Those about which something can be done: once flat, one that is triggering is left to itself."""
        vivos = self._libro.vivos
        if self._ultimo.posicion is not None:
            return vivos
        return tuple(vivo for vivo in vivos if vivo.id_cliente not in self._libro.disparandose)

    def _sin_sitio(self) -> bool:
        """Whether somebody else's stop closes the whole position: the exchange takes no second one."""
        cantidad = self._ultimo.cantidad
        if cantidad == 0.0 or not self._libro.ocupado(lado_que_protege(cantidad)):
            return False
        lado = lado_que_protege(cantidad)
        return all(vivo.cantidad is not None for vivo in self._libro.vivos if vivo.lado is lado)

    def _es_el_querido(self, vivo: StopVivo) -> bool:
        return self._deseo().quiere(vivo, ocupado=self._sin_sitio())

    def _listado(self) -> bool:
        """Whether the exchange lists each of ours that is known to live."""
        return all(vivo.id_cliente in self._libro.listados for vivo in self._accesibles())

    def _cubierta(self) -> bool:
        """Whether stops that are known to live cover the whole position, at whatever level."""
        return cubren(self._ultimo.cantidad, self._libro.vivos)

    async def _vigilar_ignorado(self, precio: float) -> None:
        """A stop whose level was reached has a few seconds to be triggered.

        Args:
            precio: Mark price as it was last heard.

        Raises:
            ProteccionRota: The exchange lets it wait.
        """
        if not self._ignora_su_stop(precio):
            self._ignorado_desde = None
            return
        self.confirmado = False
        self._ignorado_desde = self._ignorado_desde or self._ahora()
        if not self._vencido(self._ignorado_desde):
            return
        self._ignorado_desde = None
        # What was heard may be old: the level may be a newer one, on the far side of the market.
        if self._ignora_su_stop(await self._bolsa.precio_mark(self._mercado.simbolo)):
            raise ProteccionRota("the mark is beyond the stop level and the stop is not triggered")

    def _ignora_su_stop(self, mark: float) -> bool:
        """Whether a stop that is wanted waits although the mark is beyond its own trigger."""
        cantidad = self._ultimo.cantidad
        return cantidad != 0.0 and any(
            vivo.tipo is TipoStop.STOP_MARKET
            and self._es_el_querido(vivo)
            and cruzado(vivo.gatillo, cantidad, mark)
            for vivo in self._libro.vivos
        )

    def _ahora(self) -> _Instante:
        return _Instante(asyncio.get_running_loop().time(), self._reloj.ahora_ms())

    def _vencido(self, desde: _Instante) -> bool:
        """Whether a stop has had its time, on the wall or in the market."""
        ahora, plazo_s = self._ahora(), self._ajustes.plazo_disparo_s
        return ahora.pared_s - desde.pared_s > plazo_s or ahora.mercado_ms - desde.mercado_ms > plazo_s * 1000

    async def _seguir_disparo(self) -> None:
        """A triggered stop has a few seconds to close the position.

        Raises:
            ProteccionRota: It did not.
            LecturaFallida: It did: the account must be read again.
        """
        if self._ultimo.posicion is None or not (self._libro.disparandose or self._libro.disparados):
            return
        desde = self._disparo_desde = self._disparo_desde or self._ahora()
        self.confirmado = False
        while (await self._bolsa.cuenta(self._mercado.simbolo)).estado.posicion is not None:
            if self._vencido(desde):
                self._libro.olvidar_disparados()
                self._disparo_desde = None
                raise ProteccionRota("a stop or target was triggered and did not close the position")
            await asyncio.sleep(self._ajustes.espera_consulta_s)
            await self._libro.preguntar_por_todos()
        await self._libro.preguntar_por_todos()
        raise _Cambiada("a stop closed the position; the account must be read again")

    def _rendirse(self, motivo: ErrorBolsa) -> None:
        """Every try has failed; what is covered, if at the wrong level, is not closed for that.

        Raises:
            ProteccionImposible: Nothing covers the position.
        """
        self.confirmado = False
        log.critical("proteccion_sin_confirmar", stop=self.gatillo, motivo=str(motivo))
        if self._ultimo.posicion is not None and self.gatillo is not None and not self._cubierta():
            raise ProteccionImposible(f"no stop could be placed at {self.gatillo}: {motivo}") from motivo


class _Instante(NamedTuple):
    """Now, on both clocks: where the market waits for its agents only the second one moves."""

    pared_s: float
    mercado_ms: int


class _Cambiada(LecturaFallida):
    """The account is no longer what the caller knew."""
