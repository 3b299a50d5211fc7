"""Commands of people and programs without keys: taken from the shared store, carried out, answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.nucleo.errores import EntradaInvalida, ErrorBolsa, SolicitudInvalida
from src.nucleo.guardian import NIVEL_A_MANO, AccionGuardian, Solicitud, leer_accion
from src.produccion.almacen.demonios import DemonioNuevo, latir, presentarse
from src.produccion.almacen.mandos import (
    AccionMando,
    MandoGuardado,
    mandos_tomados,
    terminar_mando,
    tomar_mandos,
    ultimo_cierre_tomado,
    vencer_mandos,
)
from src.produccion.supervision.hilo import HiloSuelto

T = TypeVar("T")

DESPEDIDA_S = 2.0
"""Wall seconds that the end waits for the store to take what it was given."""

_PREFIJO = "guardian."
_PRECIO, _TEXTO = (int, float), (str,)
_CAMPOS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "stop": _PRECIO,
        "target": _PRECIO,
        "trigger_price": _PRECIO,
        "timestamp_ms": _PRECIO,
        "level_name": _TEXTO,
        "previous_level": _TEXTO,
        "all_users": (bool,),
        "account_id": _TEXTO,
    }
)
_PAUSA_MINIMA_S = 0.5
_PAUSA_MAXIMA_S = 8.0
_APARTE = frozenset(
    {AccionMando.MODO_RIESGO, AccionMando.CERRAR_DISYUNTOR, AccionMando.DETENER, AccionMando.CERRAR}
)
"""What is taken whatever else is under way: most wanted when an order does not come to its end."""

_TARDE = "its time was over before its turn came; nothing was done: look again and repeat it"
_SUPERADO = "a close was asked for after it; nothing was opened: ask again if it is still wanted"
_A_MEDIAS = "the daemon ended while it carried this out; look at the position"

log = structlog.get_logger(__name__)


class Ritmo(NamedTuple):
    """Wall seconds between two of the same."""

    mirar_s: float = 0.2  # looks for commands
    latir_s: float = 2.0  # signs of life; after ten seconds without one nobody sends commands any more
    vencer_s: float = 10.0  # looks for commands that nobody took in time


class Respuesta(Protocol):
    """What came of a command, whatever it asked for."""

    @property
    def exito(self) -> bool:
        """Whether it was done."""
        ...

    @property
    def mensaje(self) -> str:
        """What there is to say of it; empty when nothing."""
        ...

    def como_json(self) -> dict[str, object]:
        """As whoever asked reads it."""
        ...


class Desenlace(NamedTuple):
    """What came of a command; prices in the quote asset."""

    exito: bool
    instante_ms: int | None = None  # of the effect, market time; without one, the end by the store's clock
    direccion: str | None = None  # BUY long, SELL short
    stop: float | None = None
    nivel: str | None = None
    stop_anterior: float | None = None
    confirmado: bool = False  # the exchange said so
    redis: bool = False
    mensaje: str = ""
    clase: str = ""  # of a failure, as in `clases_error`; empty when there is nothing more to tell

    def como_json(self) -> dict[str, object]:
        """The eight public fields, the message as ``message``, or as ``error`` of a failure, and its kind."""
        campos: dict[str, object] = {
            "success": self.exito,
            "direction": self.direccion,
            "stop": self.stop,
            "level_applied": self.nivel,
            "previous_stop": self.stop_anterior,
            "adjustment_confirmed": self.confirmado,
            "redis_updated": self.redis,
        }
        if self.instante_ms is not None:
            campos["timestamp"] = self.instante_ms / 1_000
        if self.mensaje:
            campos["message" if self.exito else "error"] = self.mensaje
        if self.clase:
            campos["kind"] = self.clase
        return campos


class DesenlaceFin(NamedTuple):
    """What came of a command after which the daemon ends."""

    instante_ms: int  # market time
    mensaje: str
    campos: Mapping[str, object]
    acabar: Callable[[], None]  # once it is answered, or the store takes too long for that

    @property
    def exito(self) -> bool:
        """That it will end is certain."""
        return True

    def como_json(self) -> dict[str, object]:
        """The fields, with the message."""
        instante_s = self.instante_ms / 1_000
        return {"success": True, **self.campos, "timestamp": instante_s, "message": self.mensaje}


def accion_de(accion: AccionGuardian) -> str:
    """An action as commands name it."""
    return _PREFIJO + accion.value


def contenido_de(solicitud: Solicitud) -> dict[str, object]:
    """A request as the payload of a command; symbol and action are columns of their own."""
    return {
        "stop": solicitud.stop,
        "target": solicitud.objetivo,
        "trigger_price": solicitud.precio_disparo,
        "timestamp_ms": solicitud.instante_ms,
        "level_name": solicitud.nivel,
        "previous_level": solicitud.nivel_anterior,
    }


def solicitud_de(mando: MandoGuardado) -> Solicitud:
    """What a command asks for.

    Raises:
        SolicitudInvalida: The action is none of the guardian's, or the payload is none of `contenido_de`'s.
    """
    contenido = mando.payload
    for campo, valor in contenido.items():
        if campo not in _CAMPOS or not (valor is None or type(valor) in _CAMPOS[campo]):
            raise SolicitudInvalida(f"the command's payload holds {campo!r}, which this daemon cannot read")
    return Solicitud(
        simbolo=mando.symbol,
        accion=leer_accion(mando.action.removeprefix(_PREFIJO)),
        stop=contenido.get("stop"),
        objetivo=contenido.get("target"),
        precio_disparo=contenido.get("trigger_price"),
        instante_ms=contenido.get("timestamp_ms"),
        nivel=contenido.get("level_name") or NIVEL_A_MANO,
        nivel_anterior=contenido.get("previous_level") or "",
    )


class OidorMandos:
    """Tells the store that a daemon lives, takes its commands one by one, and writes what came of each.

    What keeps entries out, closes or ends the daemon waits for no other command to end.

    All it does with the store happens in a thread of its own, so that a store that is slow or down keeps
    nothing waiting. A command that expired before it was taken is never carried out, nor is one whose
    ``vence_ms`` has passed; whoever carries it out looks at that again in its own turn.

    Args:
        almacen: The shared store.
        demonio: Whose commands they are.
        atender: Carries one out. A refusal may be raised as `EntradaInvalida` or `ErrorBolsa`; anything else
            that it raises ends the service, after the command was answered as failed.
        ritmo: How often.
        hora_ms: Time of day, by which ``vence_ms`` is.
        recordar: Says what became of a command that an earlier run took and did not answer; ``None`` when
            nobody knows.
    """

    def __init__(
        self,
        almacen: Engine,
        demonio: DemonioNuevo,
        atender: Callable[[MandoGuardado], Awaitable[Respuesta]],
        ritmo: Ritmo | None = None,
        hora_ms: Callable[[], int] | None = None,
        recordar: Callable[[MandoGuardado], Awaitable[Respuesta | None]] | None = None,
    ) -> None:
        self._almacen = almacen
        self._recordar = recordar or _nadie_sabe
        self._demonio = demonio
        self._quien = f"{demonio.account_id}:{demonio.symbol}"
        self._atender = atender
        self._ritmo = ritmo or Ritmo()
        self._hora_ms = hora_ms or _hora_pared_ms
        self._caido = self._acabado = False
        self._ultimo_cierre = 0  # number of the newest close that was taken, done or not

    async def correr(self) -> None:
        """Listen for ever; whoever ends the daemon on purpose says goodbye for it afterwards."""
        with HiloSuelto("mandos") as hilo:
            tareas: list[asyncio.Task[None]] = []
            try:
                heredados = await self._insistir(hilo, self._recoger)
                tareas.append(asyncio.create_task(self._rematar(hilo, heredados), name="rematar"))
                for parte in (self._escuchar, self._latir, self._vencer):
                    tareas.append(asyncio.create_task(parte(hilo), name=parte.__name__))
                acabadas, _ = await asyncio.wait(tareas, return_when=asyncio.FIRST_COMPLETED)
                for tarea in acabadas:
                    tarea.result()
            finally:
                for tarea in tareas:
                    tarea.cancel()
                self._acabado = True
                await asyncio.gather(*tareas, return_exceptions=True)
                # What the thread is at has its end before the store is let go of, unless it hangs.
                resto = asyncio.get_running_loop().run_in_executor(hilo, _nada)
                await asyncio.wait({resto}, timeout=DESPEDIDA_S)

    async def _escuchar(self, hilo: HiloSuelto) -> None:
        """Take commands; one that failed by a defect ends them all."""
        en_curso: set[asyncio.Task[None]] = set()
        por_turno: asyncio.Task[None] | None = None
        try:
            while True:
                libre = por_turno is None or por_turno.done()
                mando = await self._insistir(hilo, partial(self._tomar, None if libre else _APARTE))
                if mando is None:
                    await self._aguardar(en_curso, hasta_una=not libre)
                else:
                    if mando.action == AccionMando.CERRAR:
                        self._ultimo_cierre = max(self._ultimo_cierre, mando.seq)
                    tarea = asyncio.create_task(self._cumplir(hilo, mando), name=f"mando {mando.id}")
                    en_curso.add(tarea)
                    if mando.action not in _APARTE:
                        por_turno = tarea
                for acabada in [tarea for tarea in en_curso if tarea.done()]:
                    en_curso.remove(acabada)
                    acabada.result()
        finally:
            for tarea in en_curso:
                tarea.cancel()
            await asyncio.gather(*en_curso, return_exceptions=True)

    async def _aguardar(self, en_curso: set[asyncio.Task[None]], *, hasta_una: bool) -> None:
        """Until the next look; not for longer than what others wait behind."""
        if en_curso and hasta_una:
            await asyncio.wait(en_curso, timeout=self._ritmo.mirar_s, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._ritmo.mirar_s)

    async def _cumplir(self, hilo: HiloSuelto, mando: MandoGuardado) -> None:
        log.info(
            "mando_tomado", id=mando.id, accion=mando.action, simbolo=mando.symbol, de=mando.requested_by
        )
        if mando.vence_ms is not None and self._hora_ms() > mando.vence_ms:
            await self._responder(hilo, mando, Desenlace(exito=False, mensaje=_TARDE))
            return
        if mando.action == AccionMando.ABRIR and mando.seq < self._ultimo_cierre:
            await self._responder(hilo, mando, Desenlace(exito=False, mensaje=_SUPERADO))
            return
        desenlace: Respuesta
        try:
            desenlace = await self._atender(mando)
        except (EntradaInvalida, ErrorBolsa) as fallo:
            desenlace = Desenlace(exito=False, mensaje=str(fallo))
        except Exception as fallo:
            await self._responder(hilo, mando, Desenlace(exito=False, mensaje=f"the daemon failed: {fallo}"))
            raise
        if isinstance(desenlace, DesenlaceFin):
            await self._despedir(hilo, mando, desenlace)
        else:
            await self._responder(hilo, mando, desenlace)

    async def _despedir(self, hilo: HiloSuelto, mando: MandoGuardado, desenlace: DesenlaceFin) -> None:
        try:
            async with asyncio.timeout(DESPEDIDA_S):
                await self._responder(hilo, mando, desenlace)
        except TimeoutError:
            log.warning("fin_sin_responder", id=mando.id, efecto="the daemon ends all the same")
        finally:
            desenlace.acabar()

    async def _responder(self, hilo: HiloSuelto, mando: MandoGuardado, desenlace: Respuesta) -> None:
        anotar = log.info if desenlace.exito else log.warning
        anotar("mando_terminado", id=mando.id, exito=desenlace.exito, mensaje=desenlace.mensaje)
        campos = desenlace.como_json()
        if not await self._insistir(
            hilo, lambda: terminar_mando(self._almacen, mando.id, desenlace.exito, campos)
        ):
            log.warning("mando_respondido_tarde", id=mando.id)

    async def _latir(self, hilo: HiloSuelto) -> None:
        while True:
            await self._insistir(hilo, self._dar_senal)
            await asyncio.sleep(self._ritmo.latir_s)

    async def _vencer(self, hilo: HiloSuelto) -> None:
        while True:
            await self._insistir(hilo, lambda: vencer_mandos(self._almacen))
            await asyncio.sleep(self._ritmo.vencer_s)

    async def _insistir(self, hilo: HiloSuelto, paso: Callable[[], T]) -> T:
        """Do one thing with the store, again and again until it answers."""
        bucle = asyncio.get_running_loop()
        pausa_s = _PAUSA_MINIMA_S
        while True:
            try:
                resultado = await bucle.run_in_executor(hilo, paso)
            except (DBAPIError, SinConexion) as fallo:
                if not self._caido:
                    log.error("almacen_no_responde", motivo=type(fallo).__name__)
                self._caido = True
                await asyncio.sleep(pausa_s)
                pausa_s = min(2 * pausa_s, _PAUSA_MAXIMA_S)
            else:
                if self._caido:
                    log.info("almacen_recuperado")
                self._caido = False
                return resultado

    def _recoger(self) -> Sequence[MandoGuardado]:
        """What an earlier run took and did not answer; the newest close it took has the last word still."""
        demonio = self._demonio
        presentarse(self._almacen, demonio)
        self._ultimo_cierre = ultimo_cierre_tomado(
            self._almacen, demonio.account_id, demonio.symbol, client_id=demonio.client_id
        )
        return mandos_tomados(self._almacen, self._quien)

    async def _rematar(self, hilo: HiloSuelto, heredados: Sequence[MandoGuardado]) -> None:
        """Answer what an earlier run left; then there is nothing more to do."""
        for mando in heredados:
            log.warning("mando_a_medias", id=mando.id, accion=mando.action)
            desenlace = await self._recordar(mando)
            await self._responder(hilo, mando, desenlace or Desenlace(exito=False, mensaje=_A_MEDIAS))
        await asyncio.Event().wait()

    def _tomar(self, acciones: frozenset[AccionMando] | None) -> MandoGuardado | None:
        # One at a time: what waits behind a slow one may still expire.
        ahora_ms = self._hora_ms()
        tomados = tomar_mandos(
            self._almacen,
            self._demonio.user_id,
            self._demonio.symbol,
            self._quien,
            account_id=self._demonio.account_id,
            client_id=self._demonio.client_id,
            limite=1,
            acciones=acciones,
        )
        return tomados[0].tomado(ahora_ms) if tomados else None

    def _dar_senal(self) -> None:
        conocido = latir(self._almacen, self._demonio.account_id, self._demonio.symbol)
        # The store may have been slow: whoever has said goodbye meanwhile does not come back.
        if not conocido and not self._acabado:
            presentarse(self._almacen, self._demonio)


async def _nadie_sabe(_mando: MandoGuardado) -> Respuesta | None:
    return None


def _nada() -> None:
    """Nothing is left of what was given before it."""


def _hora_pared_ms() -> int:
    return time.time_ns() // 1_000_000
