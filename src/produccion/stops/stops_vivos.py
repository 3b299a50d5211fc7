"""Our stops at the exchange: each placed once, written down first, and followed until its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from structlog.contextvars import bound_contextvars

from src.nucleo.errores import EmergenciaOperacional, ErrorBolsa, OrdenRechazada, ResultadoIncierto
from src.nucleo.stops import Colocar, OrdenStop, StopVivo, TipoStop
from src.nucleo.tipos import LadoOrden
from src.produccion.ordenes.ejecutor import PREFIJO_CLIENTE, id_cliente_de
from src.produccion.puertos import ID_REPETIDO, Bolsa, Diario, EstadoAlgo, Reloj, StopBolsa
from src.produccion.stops.stops_recordados import AGREGADO_STOP, FichaStop, MemoriaStops, escribir_ficha

SIN_POSICION = -4509
"""The exchange's code: there is no position that the stop could close."""

YA_CRUZADO = -2021
"""The exchange's code: the stop would trigger at once."""

_RECORDADAS = 200  # stops that have ended, and orders that they became
_YA_NO_ESPERA = -2011
_ABIERTOS = (EstadoAlgo.NEW, EstadoAlgo.TRIGGERING)

log = structlog.get_logger(__name__)


class AjustesStops(NamedTuple):
    """How patient the protection is."""

    intentos: int = 3  # how often a step may fail before it counts as impossible
    espera_s: float = 0.5  # before the second try; doubles
    consultas: int = 3  # how often a stop must be unknown to the exchange to count as gone
    espera_consulta_s: float = 0.3
    plazo_disparo_s: float = 3.0  # how long a triggered stop may take to close the position
    plazo_vuelo_s: float = 15.0  # how long a request that nobody answered may still arrive
    plazo_diario_s: float = 1.0  # how long a placement waits for the disk


class LibroStops:
    """The book of our stops on one symbol.

    Args:
        bolsa: The exchange.
        diario: Gets each placement before it is sent and each outcome after it.
        reloj: Market time.
        simbolo: Symbol protected.
        agente_id: Whose stops these are; part of their tokens.
        memoria: What the journal knows of them.
        ajustes: How patient it is.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        diario: Diario,
        reloj: Reloj,
        simbolo: str,
        agente_id: str,
        memoria: MemoriaStops,
        ajustes: AjustesStops,
    ) -> None:
        self._bolsa = bolsa
        self._diario = diario
        self._reloj = reloj
        self._simbolo = simbolo
        self._agente_id = agente_id
        self._ajustes = ajustes
        self._fichas = dict(memoria.fichas)
        self._gastadas = Counter(memoria.gastadas)
        self._terminadas: dict[str, None] = {}  # oldest first
        self._atascados: frozenset[str] = frozenset()
        self._enviadas_s: dict[str, float] = {}
        self._retirandose: set[str] = set()
        self._ausencias: Counter[str] = Counter()
        self._ajenos: dict[str, StopBolsa] = {}
        self.listados: frozenset[str] = frozenset()
        self.disparandose: set[str] = set()
        self.disparados: set[str] = set()  # triggered or refused at their trigger: the position must be gone
        self.hijas = memoria.hijas

    @property
    def fichas(self) -> Sequence[FichaStop]:
        """Every stop of ours that may still do something."""
        return tuple(self._fichas.values())

    @property
    def vivos(self) -> tuple[StopVivo, ...]:
        """Those that wait at the exchange."""
        return tuple(ficha.vivo for ficha in self._fichas.values() if ficha.vive)

    def podar(self) -> None:
        """A new operation begins: forget what only the former ones needed."""
        raices = {ficha.raiz for ficha in self._fichas.values()}
        self._gastadas = Counter({raiz: n for raiz, n in self._gastadas.items() if raiz in raices})
        for id_cliente in list(self._terminadas)[:-_RECORDADAS]:
            del self._terminadas[id_cliente]
        if len(self.hijas) > _RECORDADAS:
            self.hijas = frozenset(sorted(self.hijas)[-_RECORDADAS:])

    def ocupado(self, lado: LadoOrden) -> bool:
        """Whether somebody else's stop that closes the whole position takes our place."""
        return any(s.lado is lado and s.cantidad is None for s in self._ajenos.values())

    async def leer(self) -> None:
        """Look at what the exchange lists, and ask for each of ours that it does not.

        Raises:
            ErrorBolsa: It could not be read.
        """
        abiertos = await self._bolsa.stops_abiertos(self._simbolo)
        self._mirar_ajenos([s for s in abiertos if not s.id_cliente.startswith(PREFIJO_CLIENTE)])
        nuestros = [s for s in abiertos if s.id_cliente.startswith(PREFIJO_CLIENTE)]
        dudosos = [s for s in nuestros if s.id_cliente in self._terminadas]
        nuestros = [s for s in nuestros if s.id_cliente not in self._terminadas]
        self.listados = frozenset(s.id_cliente for s in nuestros if s.estado.espera)
        for stop in nuestros:
            self.tomar(stop)
        for ficha in self.fichas:
            if ficha.id_cliente not in {s.id_cliente for s in nuestros}:
                await self._preguntar(ficha)
        for stop in dudosos:
            await self._preguntar_si_revive(stop.id_cliente)

    def tomar(self, stop: StopBolsa) -> bool:
        """Take what the exchange says of one stop of ours; true when that is news."""
        id_cliente, ficha = stop.id_cliente, self._fichas.get(stop.id_cliente)
        self._ausencias.pop(id_cliente, None)
        if ficha is None:
            nuevo = stop.estado in _ABIERTOS and id_cliente not in self._terminadas
            return nuevo and self._adoptar(stop)
        match stop.estado:
            case EstadoAlgo.NEW:
                return self._poner(ficha, stop.id_algo)
            case EstadoAlgo.TRIGGERING:
                self._poner(ficha, stop.id_algo)
                self.disparandose.add(id_cliente)
            case EstadoAlgo.TRIGGERED | EstadoAlgo.FINISHED:
                self._tomar_disparado(ficha, stop)
            case EstadoAlgo.REJECTED:
                self.disparados.add(id_cliente)
                self._terminar(ficha, "STOP_REJECTED", {"reason": "at its trigger"})
            case EstadoAlgo.CANCELED:
                if id_cliente not in self._retirandose:
                    log.warning("stop_cancelado_fuera", id_cliente=id_cliente, gatillo=stop.gatillo)
                self._terminar(ficha, "STOP_CANCELED", {})
            case EstadoAlgo.EXPIRED:
                self._terminar(ficha, "STOP_EXPIRED", {"reason": "by the exchange"})
        return True

    async def colocar(self, operacion: int, lado: LadoOrden, paso: Colocar) -> None:
        """Place a stop or a target, or find out that it is there.

        Raises:
            ErrorBolsa: The exchange did not take it; nothing lives.
            ResultadoIncierto: It may live. Asking for the same stop again repeats the same request, which the
                exchange takes at most once.
        """
        ficha = self._ficha(operacion, lado, paso)
        if ficha.id_cliente not in self._fichas:
            self._fichas[ficha.id_cliente] = ficha
            await self._anotar_intencion(ficha)
        self._enviadas_s[ficha.id_cliente] = asyncio.get_running_loop().time()
        orden = OrdenStop(self._simbolo, lado, paso.gatillo, paso.cantidad, ficha.id_cliente, paso.tipo)
        try:
            with bound_contextvars(id_cliente=ficha.id_cliente):
                self.tomar(await self._bolsa.colocar_stop(orden))
        except ResultadoIncierto as fallo:
            log.warning("stop_incierto", id_cliente=ficha.id_cliente, motivo=str(fallo))
            await self._averiguar(ficha, fallo)
        except ErrorBolsa as fallo:
            if fallo.codigo != ID_REPETIDO:
                self._terminar(ficha, "STOP_REJECTED", {"code": fallo.codigo, "reason": str(fallo)})
                raise
            await self._preguntar(ficha)

    async def cancelar(self, id_cliente: str) -> None:
        """Cancel a stop; one that no longer waits is asked for instead.

        Raises:
            ErrorBolsa: It may still live.
        """
        ficha = self._fichas.get(id_cliente)
        if ficha is None:
            return
        self._retirandose.add(id_cliente)  # the exchange may tell it on the stream before it answers
        try:
            with bound_contextvars(id_cliente=id_cliente):
                await self._bolsa.cancelar_stop(self._simbolo, id_cliente)
        except OrdenRechazada as fallo:
            if fallo.codigo != _YA_NO_ESPERA:
                raise
            await self._preguntar(ficha)
        except ResultadoIncierto:
            await self._preguntar(ficha)
        else:
            self._terminar(ficha, "STOP_CANCELED", {})

    async def preguntar_por_todos(self) -> None:
        """Ask the exchange for each of ours, whether listed or not.

        Raises:
            ErrorBolsa: It could not be read.
        """
        for ficha in self.fichas:
            await self._preguntar(ficha)

    def contar_atascados(self) -> None:
        """Say once of each that it is still triggering although the position is gone."""
        for id_cliente in sorted(self.disparandose - self._atascados):
            log.warning("stop_atascado", id_cliente=id_cliente)
        self._atascados = frozenset(self.disparandose)

    def olvidar_disparados(self) -> None:
        """What was triggered is not waited for any more."""
        self.disparados.clear()
        self.disparandose.clear()

    async def _averiguar(self, ficha: FichaStop, motivo: ResultadoIncierto) -> None:
        for _ in range(self._ajustes.consultas):
            await asyncio.sleep(self._ajustes.espera_consulta_s)
            try:
                stop = await self._bolsa.consultar_stop(self._simbolo, ficha.id_cliente)
            except ErrorBolsa as fallo:
                log.warning("consulta_fallida", id_cliente=ficha.id_cliente, motivo=str(fallo))
                continue
            if stop is not None:
                self.tomar(stop)
                return
        raise motivo

    async def _preguntar(self, ficha: FichaStop) -> None:
        stop = await self._bolsa.consultar_stop(self._simbolo, ficha.id_cliente)
        if stop is not None:
            self.tomar(stop)
            return
        if ficha.id_cliente not in self._fichas:
            return
        self._ausencias[ficha.id_cliente] += 1
        if self._ausencias[ficha.id_cliente] < self._ajustes.consultas:
            return
        if ficha.vive:
            log.critical("stop_perdido", id_cliente=ficha.id_cliente, gatillo=ficha.gatillo)
            self._terminar(ficha, "STOP_EXPIRED", {"reason": "the exchange does not know it any more"})
        elif not self._puede_llegar(ficha.id_cliente):
            self._terminar(ficha, "STOP_EXPIRED", {"reason": "never reached the exchange"})

    async def _preguntar_si_revive(self, id_cliente: str) -> None:
        """The list may be older than what ended a stop: only the stop's own word brings it back."""
        stop = await self._bolsa.consultar_stop(self._simbolo, id_cliente)
        if stop is None or stop.estado not in _ABIERTOS:
            return
        self._terminadas.pop(id_cliente, None)
        if stop.estado.espera:
            self.listados |= {id_cliente}
        self.tomar(stop)

    def _puede_llegar(self, id_cliente: str) -> bool:
        ahora_s = asyncio.get_running_loop().time()
        enviada_s = self._enviadas_s.setdefault(id_cliente, ahora_s)
        return ahora_s - enviada_s < self._ajustes.plazo_vuelo_s

    def _tomar_disparado(self, ficha: FichaStop, stop: StopBolsa) -> None:
        self.disparandose.discard(ficha.id_cliente)
        if stop.id_orden is None and not stop.estado.es_final:
            # Its order exists and is not named yet.
            self.disparandose.add(ficha.id_cliente)
            return
        if stop.id_orden is not None:
            self.hijas |= {stop.id_orden}
        self.disparados.add(ficha.id_cliente)
        log.warning("stop_disparado", id_cliente=ficha.id_cliente, gatillo=ficha.gatillo, orden=stop.id_orden)
        self._terminar(ficha, "STOP_TRIGGERED", {"order_id": stop.id_orden})

    def _adoptar(self, stop: StopBolsa) -> bool:
        log.warning("stop_adoptado", id_cliente=stop.id_cliente, gatillo=stop.gatillo)
        tipo = TipoStop(stop.tipo)
        ficha = FichaStop(stop.id_cliente, "", stop.lado, stop.gatillo, stop.cantidad, vive=True, tipo=tipo)
        self._fichas[stop.id_cliente] = ficha
        self._anotar(ficha, "STOP_PLACED", escribir_ficha(ficha) | {"algo_id": stop.id_algo})
        if stop.estado is EstadoAlgo.TRIGGERING:
            self.disparandose.add(stop.id_cliente)
        return True

    def _poner(self, ficha: FichaStop, id_algo: int) -> bool:
        if ficha.vive:
            return False
        self._fichas[ficha.id_cliente] = ficha._replace(vive=True)
        self._anotar(ficha, "STOP_PLACED", {"algo_id": id_algo})
        return True

    def _terminar(self, ficha: FichaStop, tipo: str, contenido: dict[str, object]) -> None:
        if self._fichas.pop(ficha.id_cliente, None) is None:
            return
        self._terminadas[ficha.id_cliente] = None
        self._gastadas[ficha.raiz] += 1
        self._ausencias.pop(ficha.id_cliente, None)
        self._enviadas_s.pop(ficha.id_cliente, None)
        self._retirandose.discard(ficha.id_cliente)
        self.disparandose.discard(ficha.id_cliente)
        self.listados -= {ficha.id_cliente}
        self._anotar(ficha, tipo, contenido)

    def _ficha(self, operacion: int, lado: LadoOrden, paso: Colocar) -> FichaStop:
        cantidad, gatillo, tipo = paso
        parte = "target" if tipo is TipoStop.TAKE_PROFIT_MARKET else "bridge"
        clase = "close" if cantidad is None else f"{parte}-{cantidad}"
        raiz = f"{self._agente_id}:{operacion}:{lado.value}:{gatillo}:{clase}"
        iguales = [ficha for ficha in self._fichas.values() if ficha.raiz == raiz]
        empezada = next((ficha for ficha in iguales if not ficha.vive), None)
        numero = self._gastadas[raiz] + len(iguales)
        id_cliente = id_cliente_de(f"{raiz}:{self._reloj.ahora_ms()}:{numero}")
        return empezada or FichaStop(id_cliente, raiz, lado, gatillo, cantidad, tipo=tipo)

    def _mirar_ajenos(self, ajenos: Sequence[StopBolsa]) -> None:
        for stop in ajenos:
            if stop.id_cliente not in self._ajenos:
                log.warning(
                    "stop_ajeno", id_cliente=stop.id_cliente, lado=stop.lado.value, gatillo=stop.gatillo
                )
        self._ajenos = {stop.id_cliente: stop for stop in ajenos}

    async def _anotar_intencion(self, ficha: FichaStop) -> None:
        """Write a placement down first; a journal that fails or hangs must not leave the position bare."""
        anotacion = self._diario.anotar(
            AGREGADO_STOP + ficha.id_cliente, "STOP_INTENT", self._reloj.ahora_ms(), escribir_ficha(ficha)
        )
        try:
            await asyncio.wait_for(anotacion, self._ajustes.plazo_diario_s)
        except (EmergenciaOperacional, TimeoutError) as fallo:
            log.critical("diario_roto", motivo=str(fallo) or "no answer from the disk")

    def _anotar(self, ficha: FichaStop, tipo: str, contenido: dict[str, object]) -> None:
        try:
            self._diario.anotar_luego(
                AGREGADO_STOP + ficha.id_cliente, tipo, self._reloj.ahora_ms(), contenido
            )
        except EmergenciaOperacional as fallo:
            log.critical("diario_roto", motivo=str(fallo))
