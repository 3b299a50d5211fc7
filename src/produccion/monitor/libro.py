"""What the monitor reads and writes in the shared store; off the loop, each call a transaction of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.nucleo.disparos import (
    REGLA_EJECUCIONES,
    Barrera,
    ReglasInquilino,
    Situacion,
    barreras,
    mas_estrictas,
)
from src.nucleo.disyuntores import Disyuntor
from src.nucleo.errores import AlmacenCaido, ConfiguracionInvalida
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import DemonioVivo, vivos
from src.produccion.almacen.esquema import stop_events
from src.produccion.almacen.eventos_stop import (
    EventoStopNuevo,
    TipoEventoStop,
    anotar_evento,
    eventos_de,
)
from src.produccion.almacen.operaciones import (
    EstadoOperacion,
    LadoOperacion,
    OperacionGuardada,
    anotar_revision,
    cerrar_operacion,
    leer_operacion,
    operaciones_activas,
)
from src.produccion.almacen.reclamos import Reclamo, renovar_reclamo, soltar_reclamo, tomar_reclamo
from src.produccion.monitor import reglas
from src.produccion.monitor.tipos import Vigilada
from src.produccion.supervision.hilo import HiloSuelto
from src.produccion.supervision.identidad import carpeta_estado, titular_de

T = TypeVar("T")

PLAZO_S = 10.0
PRISA_S = 2.0
"""What the store may take in all before an exit is sent without it, wall seconds."""

_HILOS = 4
_APAGAR_S = 5.0

log = structlog.get_logger(__name__)

_MINUTO_MS, _HORA_MS = 60_000, 3_600_000
_FINALES = (TipoEventoStop.EXECUTED.value, TipoEventoStop.FAILED.value)


class Historia(NamedTuple):
    """How far the execution of a token is."""

    intento: int  # the one under way, or the next one
    enviado: bool  # whether the attempt under way may have been sent


class Vallas(NamedTuple):
    """What guardrails are made of."""

    reglas: ReglasInquilino
    disyuntor: Disyuntor
    en_un_minuto: int
    en_una_hora: int

    def contra_una_entrada(
        self, ahora_ms: int, limites: Mapping[str, float] = MappingProxyType({})
    ) -> tuple[Barrera, ...]:
        """What forbids opening or increasing anything on the symbol now; empty when nothing does.

        Args:
            ahora_ms: Market time.
            limites: The account's own, by fields of `ReglasInquilino`; the stricter ones hold.
        """
        situacion = Situacion(
            disyuntor=self.disyuntor.en(ahora_ms, REGLA_EJECUCIONES).estado,
            en_un_minuto=self.en_un_minuto,
            en_una_hora=self.en_una_hora,
        )
        return barreras(situacion, mas_estrictas(self.reglas, limites))


class _Prisa:
    """What is left of a budget of wall seconds."""

    def __init__(self, plazo_s: float) -> None:
        self.plazo_s = self.queda_s = plazo_s


_PRISA: ContextVar[_Prisa | None] = ContextVar("prisa", default=None)


class Libro:
    """The shared store as the monitor uses it.

    Args:
        motor: From `abrir_almacen`.
        plazo_s: Wall seconds that a transaction may take; what takes longer may still happen.
        estado: State directory of this machine, where daemons hold their locks; ``None`` looks at none.
        prisa_s: Wall seconds for all calls together while an exit waits for them.
        limites: The account's own, by fields of `ReglasInquilino`; the tenant's hold for the rest.

    Every method raises `AlmacenCaido` when the store does not answer.
    """

    def __init__(
        self,
        motor: Engine,
        plazo_s: float = PLAZO_S,
        estado: Path | None = None,
        prisa_s: float = PRISA_S,
        limites: Mapping[str, Any] | None = None,
    ) -> None:
        self._motor = motor
        self._plazo_s = plazo_s
        self._estado = estado
        self._prisa_s = prisa_s
        self._limites = dict(limites or {})
        self._hilos = HiloSuelto("almacen", _HILOS)

    @property
    def motor(self) -> Engine:
        """The store itself."""
        return self._motor

    def apagar(self, plazo_s: float = _APAGAR_S) -> bool:
        """Wait until nothing is under way in the store, so that its engine may be disposed of. Blocks.

        Returns:
            False when the store has not answered in so many wall seconds: its engine is to be left alone.
        """
        acabado = self._hilos.acabar(plazo_s)
        if not acabado:
            log.warning("almacen_sin_acabar", efecto="what is under way in the store is left to itself")
        return acabado

    @contextmanager
    def con_prisa(self, plazo_s: float | None = None) -> Iterator[None]:
        """One budget for all calls within the block; one that surrounds it begins anew after it."""
        de_fuera = _PRISA.get()
        ficha = _PRISA.set(_Prisa(self._prisa_s if plazo_s is None else plazo_s))
        try:
            yield
        finally:
            _PRISA.reset(ficha)
            if de_fuera is not None:
                de_fuera.queda_s = de_fuera.plazo_s

    async def activas(self, account_id: str, client_id: str | None = None) -> list[Vigilada]:
        """The open operations of an account."""
        filas = await self.leyendo(lambda c: operaciones_activas(c, client_id, account_id=account_id))
        return [vigilada_de(fila) for fila in filas]

    async def releer(self, operation_id: str) -> Vigilada | None:
        """An operation as it is now; ``None`` when it is not open."""
        fila = await self.leyendo(lambda c: leer_operacion(c, operation_id))
        return None if fila is None or fila.status is not EstadoOperacion.ACTIVE else vigilada_de(fila)

    async def tomar(self, token: str, quien: str, id_cliente: str) -> Reclamo:
        """Ask for the right to execute a token."""
        return await self._fuera(lambda: tomar_reclamo(self._motor, token, quien, id_cliente))

    async def renovar(self, reclamo: Reclamo, id_cliente: str | None = None) -> bool:
        """Hold a claim longer; false when it is somebody else's now."""
        return await self._fuera(lambda: renovar_reclamo(self._motor, reclamo, id_cliente))

    async def soltar(self, reclamo: Reclamo, *, hecho: bool) -> None:
        """Let a claim go."""
        await self._fuera(lambda: soltar_reclamo(self._motor, reclamo, hecho=hecho))

    async def anotar(self, *eventos: EventoStopNuevo) -> tuple[bool, ...]:
        """Write events down; false for each that was there already."""
        return await self.escribiendo(lambda c: tuple(anotar_evento(c, evento) for evento in eventos))

    async def historia(self, token: str) -> Historia:
        """Which attempt is under way or next."""
        return await self.leyendo(lambda c: historia_de(c, token))

    async def cerrar(self, operation_id: str, instante_ms: int) -> bool:
        """The position is flat; false when that was known already."""
        return await self.escribiendo(lambda c: cerrar_operacion(c, operation_id, instante_ms))

    async def hay_demonio(self, account_id: str, simbolo: str) -> DemonioVivo | None:
        """Whoever trades the account and symbol now."""
        demonios = await self.llamando(vivos)
        return next((d for d in demonios if (d.account_id, d.symbol) == (account_id, simbolo)), None)

    async def con_demonio(self, account_id: str) -> frozenset[str]:
        """The symbols of an account that living daemons trade, as the store has it."""
        return frozenset(d.symbol for d in await self.llamando(vivos) if d.account_id == account_id)

    async def ocupada(self, account_id: str, simbolo: str) -> bool:
        """Whether a daemon trades the account and symbol: by its row in the store, or its lock here."""
        return self.con_candado(account_id, simbolo) or bool(await self.hay_demonio(account_id, simbolo))

    def con_candado(self, account_id: str, simbolo: str) -> bool:
        """Whether another process of this machine holds the account and symbol; asks no store."""
        if self._estado is None:
            return False
        try:
            titular = titular_de(carpeta_estado(self._estado, account_id, simbolo))
        except ConfiguracionInvalida as fallo:
            log.warning("candado_sin_leer", simbolo=simbolo, motivo=str(fallo))
            return True
        return titular is not None and titular.vivo and titular.pid != os.getpid()

    async def revisadas(self, operation_ids: Sequence[str], instante_ms: int) -> None:
        """These operations' stops were looked at."""
        if operation_ids:
            await self.escribiendo(lambda c: anotar_revision(c, operation_ids, instante_ms))

    async def vallas(self, client_id: str, simbolo: str, ahora_ms: int) -> Vallas:
        """Rules, breaker and how often this tenant has executed lately."""
        vallas = await self.leyendo(lambda c: vallas_de(c, client_id, simbolo, ahora_ms))
        return vallas._replace(reglas=vallas.reglas._replace(**self._limites))

    async def llamando(self, hacer: Callable[[Engine], T]) -> T:
        """Run what makes its own transactions."""
        return await self._fuera(lambda: hacer(self._motor))

    async def leyendo(self, hacer: Callable[[Connection], T]) -> T:
        """Read in one transaction."""

        def dentro() -> T:
            with leer(self._motor) as conexion:
                return hacer(conexion)

        return await self._fuera(dentro)

    async def escribiendo(self, hacer: Callable[[Connection], T]) -> T:
        """Write in one transaction."""

        def dentro() -> T:
            with escribir(self._motor) as conexion:
                return hacer(conexion)

        return await self._fuera(dentro)

    async def _fuera(self, hacer: Callable[[], T]) -> T:
        bucle, prisa = asyncio.get_running_loop(), _PRISA.get()
        inicio_s = bucle.time()
        plazo_s = self._plazo_s if prisa is None else min(self._plazo_s, prisa.queda_s)
        try:
            async with asyncio.timeout(plazo_s):
                return await bucle.run_in_executor(self._hilos, hacer)
        except TimeoutError as fallo:
            raise AlmacenCaido(f"the shared store has not answered for {max(plazo_s, 0.0):.2g} s") from fallo
        except (DBAPIError, SinConexion) as fallo:
            causa = fallo.orig if isinstance(fallo, DBAPIError) else fallo
            raise AlmacenCaido(f"the shared store does not answer: {str(causa).strip()}") from fallo
        finally:
            if prisa is not None:
                prisa.queda_s -= bucle.time() - inicio_s


def vigilada_de(fila: OperacionGuardada) -> Vigilada:
    """A stored operation as the monitor needs it."""
    return Vigilada(
        fila.operation_id,
        fila.client_id,
        fila.user_id,
        fila.account_id,
        fila.symbol,
        fila.side is LadoOperacion.BUY,
        float(fila.quantity),
        float(fila.average_entry_price),
        _numero(fila.stop_price),
        _numero(fila.initial_stop_price),
        _numero(fila.target_price),
        fila.stop_execution_token,
        fila.resident_stop,
        fila.hand_made,
        fila.opened_at_ms,
        fila.stop_set_at_ms,
        fila.ts_level_applied or "",
        fila.ts_last_adjustment_ts,
    )


def historia_de(conexion: Connection, token: str) -> Historia:
    """How far the execution of a token is, from its events."""
    eventos = eventos_de(conexion, token)
    intento = max((int(e["attempt"]) for e in eventos), default=1)
    tipos = {str(e["event_type"]) for e in eventos if e["attempt"] == intento}
    if tipos.intersection(_FINALES):
        return Historia(intento + 1, enviado=False)
    return Historia(intento, TipoEventoStop.EXECUTION_SUBMITTED.value in tipos)


def vallas_de(conexion: Connection, client_id: str, simbolo: str, ahora_ms: int) -> Vallas:
    """What guardrails look at, for one tenant and symbol."""
    enviados = select(func.count()).where(
        stop_events.c.client_id == client_id,
        stop_events.c.event_type == TipoEventoStop.EXECUTION_SUBMITTED.value,
    )
    minuto, hora = (
        conexion.execute(enviados.where(stop_events.c.occurred_at_ms > ahora_ms - hace)).scalar_one()
        for hace in (_MINUTO_MS, _HORA_MS)
    )
    inquilino = reglas.leer_reglas(conexion, client_id)
    return Vallas(inquilino, reglas.leer_disyuntor(conexion, client_id, simbolo), minuto, hora)


def _numero(valor: object) -> float | None:
    return None if valor is None else float(str(valor))
