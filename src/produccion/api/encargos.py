"""One command per account, given through the shared store, and what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import structlog
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.nucleo.guardian import AccionGuardian, Solicitud
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import DemonioVivo, vivos
from src.produccion.almacen.esquema import commands
from src.produccion.almacen.mandos import (
    AccionMando,
    EstadoMando,
    MandoGuardado,
    MandoNuevo,
    leer_mando,
    mando_repetido,
    pedir_mando,
    vencer_mandos,
)
from src.produccion.api.problemas import Problema
from src.produccion.api.resumen import Resultado
from src.produccion.api.usuarios import Usuario
from src.produccion.config.config import Modo
from src.produccion.mandos import accion_de, contenido_de
from src.produccion.supervision.identidad import entorno_de

PAUSA_S: Mapping[AccionGuardian, float] = MappingProxyType(
    {AccionGuardian.CERRAR: 0.0, AccionGuardian.AJUSTAR: 0.3, AccionGuardian.MEDIO_CIERRE: 0.5}
)
"""Wall seconds between the commands of two accounts."""

CLAVE_USADA = "this Idempotency-Key was used for another request; use a new one"

_NUNCA_MS = -1_000  # expired before it was given: nobody may take it

log = structlog.get_logger(__name__)


class Plazos(NamedTuple):
    """How long the API waits."""

    tomar_ms: int = 5_000  # for a daemon to take a command; then nobody may any more
    acabar_s: float = 20.0  # for the outcome, from the command on; by then nobody may begin it any more
    mirar_s: float = 0.2  # between two looks


class Peticion(NamedTuple):
    """What is asked of a daemon and is none of the guardian's."""

    simbolo: str
    accion: AccionMando
    contenido: Mapping[str, object]


class Encargo(NamedTuple):
    """A request that was found in order, and the accounts it is for."""

    quien: Usuario
    solicitud: Solicitud | Peticion
    destinos: Sequence[str]
    para_todos: bool
    clave: str | None  # Idempotency-Key
    entornos: Mapping[str, str] = MappingProxyType({})  # where each account trades, as far as it is known
    account_id: str | None = None  # the daemon's account, where the request names it

    @property
    def contenido(self) -> dict[str, object]:
        """Payload of its commands: what tells one request from another."""
        nombrada = {} if self.account_id is None else {"account_id": self.account_id}
        pedido = self.solicitud
        propio = pedido.contenido if isinstance(pedido, Peticion) else contenido_de(pedido)
        return {**propio, "all_users": self.para_todos, **nombrada}

    @property
    def accion(self) -> str:
        """What is asked, as commands name it."""
        pedido = self.solicitud
        return pedido.accion.value if isinstance(pedido, Peticion) else accion_de(pedido.accion)

    @property
    def pausa_s(self) -> float:
        """Wall seconds between the commands of two accounts."""
        return 0.0 if isinstance(self.solicitud, Peticion) else PAUSA_S[self.solicitud.accion]

    def es_para(self, demonio: DemonioVivo, user_id: str) -> bool:
        """Whether the request may mean a daemon's account; a dry run's only where it is asked for."""
        mio = (demonio.client_id, demonio.user_id, demonio.symbol)
        if mio != (self.quien.client_id, user_id, self.solicitud.simbolo):
            return False
        return puede_ser(demonio, self.entornos.get(user_id), self.account_id)

    def aparta_ensayos(self, user_id: str) -> bool:
        """Whether nothing says that a dry run of that user may be meant."""
        return self.account_id is None and user_id not in self.entornos


def puede_ser(demonio: DemonioVivo, entorno: str | None, account_id: str | None) -> bool:
    """Whether a request may mean a daemon's account; a dry run's only where it is asked for.

    Args:
        demonio: Of the tenant, user and symbol that the request is about.
        entorno: Where the user trades, as far as it is written down.
        account_id: The account, where the request names it.
    """
    if account_id is not None:
        return demonio.account_id == account_id
    suyo = entorno_de(demonio.account_id)
    return suyo != Modo.SIMULADO if entorno is None else suyo == entorno


class Encargos:
    """Gives commands and waits for their outcomes, off the event loop.

    Args:
        almacen: The shared store.
        plazos: How long to wait.
    """

    def __init__(self, almacen: Engine, plazos: Plazos | None = None) -> None:
        self._almacen = almacen
        self._plazos = plazos or Plazos()

    async def es_repetido(self, encargo: Encargo) -> bool:
        """Whether a request with this key was taken before.

        Raises:
            Problema: It was, and asked for something else.
        """
        if encargo.clave is None:
            return False
        return await asyncio.to_thread(self._comparar, encargo, encargo.clave)

    async def cumplir(self, encargo: Encargo, *, esperar: bool = True) -> list[Resultado]:
        """Give every account its command, one pause apart, and wait for all of them if that is wanted."""
        return list(
            await asyncio.gather(
                *(
                    self._uno(encargo, user_id, i * encargo.pausa_s, esperar=esperar)
                    for i, user_id in enumerate(encargo.destinos)
                )
            )
        )

    async def _uno(self, encargo: Encargo, user_id: str, pausa_s: float, *, esperar: bool) -> Resultado:
        await asyncio.sleep(pausa_s)
        try:
            mando = await self._dar(lambda: self._pedir(encargo, user_id), user_id)
        except _Ambiguo as fallo:
            log.warning("mando_ambiguo", cuenta=user_id, motivo=str(fallo))
            return Resultado(user_id, "", 409, {}, f"failed: {fallo}; nothing was done", 0, None)
        if isinstance(mando, Resultado):
            return mando
        matiz = " (a dry run is asked only by its account_id)" if encargo.aparta_ensayos(user_id) else ""
        if encargo.account_id is not None:
            matiz = f" on {encargo.account_id}"
        resultado = await self._seguir(mando, matiz, esperar=esperar)
        if mando.account_id is None or not encargo.aparta_ensayos(user_id):
            return resultado
        # Nobody has written down where that user trades: the answer says whose daemon it was.
        return resultado._replace(campos={**resultado.campos, "account_id": mando.account_id})

    async def encargar(
        self, pedir: Callable[[int], MandoGuardado], user_id: str, *, esperar: bool = True
    ) -> Resultado:
        """Give one command and wait for its outcome if that is wanted.

        Args:
            pedir: Gives it, or finds the one that was given before. Called off the loop with the
                milliseconds that a daemon has to take it.
            user_id: Whose command it is.
            esperar: Whether to wait.
        """
        mando = await self._dar(lambda: pedir(self._plazos.tomar_ms), user_id)
        return mando if isinstance(mando, Resultado) else await self._seguir(mando, "", esperar=esperar)

    async def _dar(self, pedir: Callable[[], MandoGuardado], user_id: str) -> MandoGuardado | Resultado:
        """The command, or what there is to say where the store did not answer."""
        try:
            mando = await asyncio.to_thread(pedir)
        except (DBAPIError, SinConexion) as fallo:
            log.error("mando_no_pedido", cuenta=user_id, motivo=type(fallo).__name__)
            error = "failed: the shared store did not answer; whether the command was given is unknown"
            return Resultado(user_id, "", 503, {}, error, 0, None)
        log.info("mando_pedido", id=mando.id, cuenta=user_id, accion=mando.action, simbolo=mando.symbol)
        return mando

    async def _seguir(self, mando: MandoGuardado, matiz: str, *, esperar: bool) -> Resultado:
        return _resultado(await self._esperar(mando) if esperar else mando, self._plazos, matiz)

    async def _esperar(self, mando: MandoGuardado) -> MandoGuardado:
        inicio_s = time.monotonic()
        while not _se_sabe(mando) and time.monotonic() - inicio_s < self._plazos.acabar_s:
            await asyncio.sleep(self._plazos.mirar_s)
            # The store's own clock says when a command has expired; this one only says when to ask.
            tarde = time.monotonic() - inicio_s > self._plazos.tomar_ms / 1_000
            mirar = self._vencer_y_leer if tarde and mando.status is EstadoMando.PENDING else self._leer
            try:
                mando = await asyncio.to_thread(mirar, mando)
            except (DBAPIError, SinConexion) as fallo:
                log.warning("mando_no_leido", id=mando.id, motivo=type(fallo).__name__)
        return mando

    def _pedir(self, encargo: Encargo, user_id: str) -> MandoGuardado:
        nuevo = MandoNuevo(
            user_id=user_id,
            symbol=encargo.solicitud.simbolo,
            action=encargo.accion,
            payload=encargo.contenido,
            requested_by=encargo.quien.nombre,
            plazo_ms=_NUNCA_MS,
            account_id=None,
            client_id=encargo.quien.client_id,
            idempotency_key=encargo.clave,
        )
        anterior = mando_repetido(self._almacen, nuevo)
        if anterior is not None:
            return anterior
        account_id = _cuenta_de(
            [demonio for demonio in vivos(self._almacen) if encargo.es_para(demonio, user_id)]
        )
        if account_id is not None:
            nuevo = nuevo._replace(account_id=account_id, plazo_ms=self._plazos.tomar_ms)
        return pedir_mando(self._almacen, nuevo)

    def _leer(self, mando: MandoGuardado) -> MandoGuardado:
        return leer_mando(self._almacen, mando.id) or mando

    def _vencer_y_leer(self, mando: MandoGuardado) -> MandoGuardado:
        vencer_mandos(self._almacen)
        return self._leer(mando)

    def dados(self, quien: Usuario, clave: str) -> list[MandoGuardado]:
        """The commands that a user gave with a key before. Blocks: not for the loop."""
        consulta = select(commands.c.id).where(
            commands.c.client_id == quien.client_id,
            commands.c.requested_by == quien.nombre,
            commands.c.idempotency_key == clave,
        )
        with leer(self._almacen) as conexion:
            ids = conexion.execute(consulta.order_by(commands.c.seq)).scalars().all()
        return [mando for mando in (leer_mando(self._almacen, uno) for uno in ids) if mando is not None]

    def _comparar(self, encargo: Encargo, clave: str) -> bool:
        anteriores = self.dados(encargo.quien, clave)
        esperado = (encargo.solicitud.simbolo, encargo.accion, encargo.contenido)
        for mando in anteriores:
            suyo = encargo.para_todos or mando.user_id in encargo.destinos
            if not suyo or (mando.symbol, mando.action, mando.payload) != esperado:
                raise Problema(422, CLAVE_USADA)
        return bool(anteriores)


class _Ambiguo(Exception):
    """More than one account could be meant."""


def _cuenta_de(candidatos: Sequence[DemonioVivo]) -> str | None:
    """The account that a command is for; ``None`` when no daemon of it lives.

    Raises:
        _Ambiguo: Daemons of several accounts trade the symbol for that user.
    """
    if len(candidatos) > 1:
        uno, cuentas = candidatos[0], sorted(demonio.account_id for demonio in candidatos)
        raise _Ambiguo(
            f"{uno.symbol} is traded for {uno.user_id} by daemons of {len(cuentas)} accounts at once"
            f" ({', '.join(cuentas)}); name one of them as account_id, or give each a user of its own in"
            " accounts.yaml"
        )
    return candidatos[0].account_id if candidatos else None


def _sin_demonio(mando: MandoGuardado) -> bool:
    return mando.expires_at_ms < mando.created_at_ms


def _se_sabe(mando: MandoGuardado) -> bool:
    return mando.status.es_final or _sin_demonio(mando)


def _resultado(mando: MandoGuardado, plazos: Plazos, matiz: str) -> Resultado:
    campos = mando.outcome or {}
    estado, error = _juzgar(mando, plazos, matiz)
    acabado_ms = mando.created_at_ms if _sin_demonio(mando) else mando.finished_at_ms
    return Resultado(mando.user_id, mando.id, estado, campos, error, mando.created_at_ms, acabado_ms)


def _juzgar(mando: MandoGuardado, plazos: Plazos, matiz: str) -> tuple[int, str]:
    """HTTP status, and why it was not done; ``matiz`` says who was left out where nobody lives."""
    campos = mando.outcome or {}
    if _sin_demonio(mando):
        return 503, f"failed: no daemon trades {mando.symbol} for {mando.user_id}{matiz}; nothing was done"
    match mando.status:
        case EstadoMando.DONE if campos.get("success") is True:
            return 200, ""
        case EstadoMando.DONE | EstadoMando.FAILED:
            return 409, str(
                campos.get("error") or campos.get("message") or "the daemon did not say that it was done"
            )
        case EstadoMando.EXPIRED:
            return 504, (
                f"failed: the daemon did not take command {mando.id} within {plazos.tomar_ms / 1_000:g} s; it"
                " will not be carried out"
            )
        case _:
            return 504, (
                f"failed: the daemon has not finished command {mando.id} within {plazos.acabar_s:g} s: it is"
                f" at it, or will not begin; ask GET /api/v1/commands/{mando.id} what comes of it"
            )


def reloj_de_pared() -> int:
    """UTC milliseconds by this machine's clock, which is what requests carry."""
    return time.time_ns() // 1_000_000


Reloj = Callable[[], int]
