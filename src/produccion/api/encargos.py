"""One command per account, given through the shared store, and what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeVar

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
    pedir_mandos,
    vencer_mandos,
)
from src.produccion.api.problemas import Problema
from src.produccion.api.resumen import Resultado
from src.produccion.api.silencio import NO_CORRE, Silencio, sobre_callados, sobre_el_de
from src.produccion.api.usuarios import Usuario
from src.produccion.config.config import Modo
from src.produccion.mandos import accion_de, contenido_de
from src.produccion.supervision.identidad import entorno_de

PAUSA_S: Mapping[AccionGuardian, float] = MappingProxyType(
    {AccionGuardian.CERRAR: 0.0, AccionGuardian.AJUSTAR: 0.3, AccionGuardian.MEDIO_CIERRE: 0.5}
)
"""Wall seconds between the commands of two accounts."""

CLAVE_USADA = "this Idempotency-Key was used for another request; use a new one"

_SALIDAS = frozenset({AccionMando.CERRAR.value, AccionMando.MITAD.value})
_SIN_DESENLACE = 504
_SIN_BOLSA = "exchange_connection"  # of an outcome: the daemon could not read the position, and sent nothing
_NUNCA_MS = -1_000  # expired before it was given: nobody may take it

T = TypeVar("T")

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

    def pudo_ser(self, demonio: DemonioVivo, user_id: str) -> bool:
        """Whether a daemon that fell silent is told of: a dry run too, unless another account is meant."""
        mio = (demonio.client_id, demonio.user_id, demonio.symbol)
        if mio != (self.quien.client_id, user_id, self.solicitud.simbolo):
            return False
        return self.aparta_ensayos(user_id) or puede_ser(demonio, self.entornos.get(user_id), self.account_id)

    def pidio(self, mando: MandoGuardado) -> bool:
        """Whether a command may come from this request."""
        suyo = self.para_todos or mando.user_id in self.destinos
        pedido = (self.solicitud.simbolo, self.accion, self.contenido)
        return suyo and (mando.symbol, mando.action, mando.payload) == pedido

    def aparta_ensayos(self, user_id: str) -> bool:
        """Whether nothing says that a dry run of that user may be meant."""
        return self.account_id is None and user_id not in self.entornos


_Par = tuple[Encargo, str]  # and the account's user


class _Nadie(NamedTuple):
    """What is said where no daemon could take a command."""

    matiz: str = ""  # who was left out
    calla: Silencio = Silencio("", "")


_POR_NADA = _Nadie()


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


def sobre_ensayos(
    demonios: Sequence[DemonioVivo], client_id: str, symbol: str | None, user_id: str | None
) -> str:
    """What is said of living dry runs that a request left out because it did not name them; may be empty."""
    ensayos = sorted(
        demonio.account_id
        for demonio in demonios
        if demonio.client_id == client_id
        and symbol in (None, demonio.symbol)
        and user_id in (None, demonio.user_id)
        and entorno_de(demonio.account_id) == Modo.SIMULADO
    )
    return f" (a dry run is asked only by its account_id: {', '.join(ensayos)})" if ensayos else ""


class Encargos:
    """Gives commands and waits for their outcomes, off the event loop.

    Args:
        almacen: The shared store.
        plazos: How long to wait.
    """

    def __init__(self, almacen: Engine, plazos: Plazos | None = None) -> None:
        self._almacen = almacen
        self._plazos = plazos or Plazos()

    async def es_repetido(self, encargos: Sequence[Encargo]) -> bool:
        """Whether a request, all of whose parts have one user and key, was taken before.

        Raises:
            Problema: One with this key was, and asked for something else.
        """
        clave = encargos[0].clave
        return clave is not None and await asyncio.to_thread(self._comparar, encargos, clave)

    async def cumplir(self, encargo: Encargo) -> list[Resultado]:
        """Give every account its command, one pause apart, and wait for all of them."""

        async def uno(user_id: str, pausa_s: float) -> Resultado:
            await asyncio.sleep(pausa_s)
            return (await self._cumplir([(encargo, user_id)], esperar=True))[0]

        return list(
            await asyncio.gather(
                *(uno(user_id, i * encargo.pausa_s) for i, user_id in enumerate(encargo.destinos))
            )
        )

    async def cumplir_juntos(
        self, encargos: Sequence[Encargo], *, esperar: bool = True
    ) -> list[list[Resultado]]:
        """Give the commands of all parts of a request, all or none, and wait for them if that is wanted.

        A key stands for all of them from then on: whoever repeats the request is told of every account.
        """
        pares = [(encargo, user_id) for encargo in encargos for user_id in encargo.destinos]
        hechos = iter(await self._cumplir(pares, esperar=esperar))
        return [[next(hechos) for _ in encargo.destinos] for encargo in encargos]

    async def _cumplir(self, pares: Sequence[_Par], *, esperar: bool) -> list[Resultado]:
        dados = await self._dar(lambda: self._pedir(pares))
        if dados is None:
            return [_sin_almacen(user_id) for _, user_id in pares]
        return list(
            await asyncio.gather(
                *(self._uno(par, dado, esperar=esperar) for par, dado in zip(pares, dados, strict=True))
            )
        )

    async def _uno(self, par: _Par, dado: MandoGuardado | Resultado, *, esperar: bool) -> Resultado:
        encargo, user_id = par
        if isinstance(dado, Resultado):
            log.warning("mando_ambiguo", cuenta=user_id, motivo=dado.error)
            return dado
        _anotar(dado)
        nadie = await self._por_que_nadie(encargo, user_id) if _sin_demonio(dado) else _POR_NADA
        resultado = await self._seguir(dado, nadie, esperar=esperar)
        if dado.account_id is None or not encargo.aparta_ensayos(user_id):
            return resultado
        # Nobody has written down where that user trades: the answer says whose daemon it was.
        return resultado._replace(campos={**resultado.campos, "account_id": dado.account_id})

    async def encargar(
        self,
        pedir: Callable[[int], Sequence[MandoGuardado]],
        usuarios: Sequence[str],
        *,
        esperar: bool = True,
    ) -> list[Resultado]:
        """Give commands and wait for their outcomes if that is wanted.

        Args:
            pedir: Gives all of them or none, or finds those that were given before. Called off the loop with
                the milliseconds that a daemon has to take one.
            usuarios: Whose commands they are.
            esperar: Whether to wait.
        """
        mandos = await self._dar(lambda: pedir(self._plazos.tomar_ms))
        if mandos is None:
            return [_sin_almacen(user_id) for user_id in usuarios]
        for mando in mandos:
            _anotar(mando)
        return list(
            await asyncio.gather(*(self._seguir(mando, _POR_NADA, esperar=esperar) for mando in mandos))
        )

    async def _dar(self, pedir: Callable[[], T]) -> T | None:
        """What was given; ``None`` where the store did not answer."""
        try:
            return await asyncio.to_thread(pedir)
        except (DBAPIError, SinConexion) as fallo:
            log.error("mando_no_pedido", motivo=type(fallo).__name__)
            return None

    async def _seguir(self, mando: MandoGuardado, nadie: _Nadie, *, esperar: bool) -> Resultado:
        if not esperar:
            return _resultado(mando, self._plazos, nadie)
        mando = await self._esperar(mando)
        resultado = _resultado(mando, self._plazos, nadie)
        return await self._con_senales(mando, resultado) if resultado.estado == _SIN_DESENLACE else resultado

    async def _con_senales(self, mando: MandoGuardado, resultado: Resultado) -> Resultado:
        """An outcome that did not come, with what is known of the daemon that owes it."""
        try:
            vive, dicho = await asyncio.to_thread(sobre_el_de, self._almacen, mando)
        except (DBAPIError, SinConexion) as fallo:
            log.warning("demonios_no_leidos", motivo=type(fallo).__name__)
            return resultado
        campos = resultado.campos
        if not vive and resultado.acabado_ms is None:
            campos = {**campos, "message": f"command {mando.id} is not over; {dicho}"}
        return resultado._replace(error=f"{resultado.error}; {dicho}", campos=campos)

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

    def _pedir(self, pares: Sequence[_Par]) -> list[MandoGuardado | Resultado]:
        """Give the commands, all or none; a result where the request does not say whose account is meant."""
        nuevos = [_nuevo(encargo, user_id) for encargo, user_id in pares]
        hechos: list[MandoGuardado | Resultado | None] = [
            mando_repetido(self._almacen, nuevo) for nuevo in nuevos
        ]
        if None not in hechos:
            return [uno for uno in hechos if uno is not None]
        vivientes = vivos(self._almacen)
        por_dar: dict[int, MandoNuevo] = {}
        for i, (encargo, user_id) in enumerate(pares):
            if hechos[i] is not None:
                continue
            try:
                cuenta = _cuenta_de([demonio for demonio in vivientes if encargo.es_para(demonio, user_id)])
            except _Ambiguo as fallo:
                error = f"failed: {fallo}; nothing was done"
                if encargo.clave is None or len(pares) == 1:
                    hechos[i] = Resultado(user_id, "", 409, {}, error, 0, None)
                else:  # beside others that are asked, a repeat must find that this one was meant, too
                    por_dar[i] = nuevos[i]._replace(plazo_ms=0, rechazo=error)
                continue
            plazo_ms = _NUNCA_MS if cuenta is None else self._plazos.tomar_ms
            por_dar[i] = nuevos[i]._replace(account_id=cuenta, plazo_ms=plazo_ms)
        dados = iter(pedir_mandos(self._almacen, list(por_dar.values())))
        return [next(dados) if uno is None else uno for uno in hechos]

    async def _por_que_nadie(self, encargo: Encargo, user_id: str) -> _Nadie:
        """Who is left out and who fell silent, as far as the store says."""
        donde = "" if encargo.account_id is None else f" on {encargo.account_id}"
        try:
            ensayos = await asyncio.to_thread(self._ensayos, encargo, user_id)
            calla = await asyncio.to_thread(
                sobre_callados,
                self._almacen,
                lambda uno: encargo.pudo_ser(uno, user_id),
                es_salida=encargo.accion in _SALIDAS,
            )
        except (DBAPIError, SinConexion) as fallo:
            log.warning("demonios_no_leidos", motivo=type(fallo).__name__)
            return _Nadie(donde)
        if encargo.accion == AccionMando.DETENER:
            calla = calla._replace(remedio=NO_CORRE)
        return _Nadie(ensayos, calla._replace(remedio="")) if ensayos else _Nadie(donde, calla)

    def _ensayos(self, encargo: Encargo, user_id: str) -> str:
        """Which living dry runs were left out; may be empty."""
        if not encargo.aparta_ensayos(user_id):
            return ""
        client_id, simbolo = encargo.quien.client_id, encargo.solicitud.simbolo
        return sobre_ensayos(vivos(self._almacen), client_id, simbolo, user_id)

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

    def _comparar(self, encargos: Sequence[Encargo], clave: str) -> bool:
        anteriores = self.dados(encargos[0].quien, clave)
        if not all(any(encargo.pidio(mando) for encargo in encargos) for mando in anteriores):
            raise Problema(422, CLAVE_USADA)
        return bool(anteriores)


def _nuevo(encargo: Encargo, user_id: str) -> MandoNuevo:
    """The command of one account, before it is known which daemon may take it."""
    return MandoNuevo(
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


def _anotar(mando: MandoGuardado) -> None:
    log.info("mando_pedido", id=mando.id, cuenta=mando.user_id, accion=mando.action, simbolo=mando.symbol)


def _sin_almacen(user_id: str) -> Resultado:
    error = "failed: the shared store did not answer; whether the command was given is unknown"
    return Resultado(user_id, "", 503, {}, error, 0, None)


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


def _resultado(mando: MandoGuardado, plazos: Plazos, nadie: _Nadie) -> Resultado:
    campos = mando.outcome or {}
    estado, error = _juzgar(mando, plazos, nadie)
    acabado_ms = mando.created_at_ms if _sin_demonio(mando) else mando.finished_at_ms
    return Resultado(mando.user_id, mando.id, estado, campos, error, mando.created_at_ms, acabado_ms)


def _juzgar(mando: MandoGuardado, plazos: Plazos, nadie: _Nadie) -> tuple[int, str]:
    """HTTP status, and why it was not done."""
    campos = mando.outcome or {}
    if _sin_demonio(mando):
        quien = f"no daemon trades {mando.symbol} for {mando.user_id}{nadie.matiz}{nadie.calla.quienes}"
        return 503, f"failed: {quien}; nothing was done{nadie.calla.remedio}"
    match mando.status:
        case EstadoMando.DONE if campos.get("success") is True:
            return 200, ""
        case EstadoMando.DONE | EstadoMando.FAILED:
            return 502 if campos.get("kind") == _SIN_BOLSA else 409, str(
                campos.get("error") or campos.get("message") or "the daemon did not say that it was done"
            )
        case EstadoMando.EXPIRED:
            return _SIN_DESENLACE, (
                f"failed: the daemon did not take command {mando.id} within {plazos.tomar_ms / 1_000:g} s; it"
                " will not be carried out"
            )
        case _:
            return _SIN_DESENLACE, (
                f"failed: the daemon has not finished command {mando.id} within {plazos.acabar_s:g} s: it is"
                f" at it, or will not begin; ask GET /api/v1/commands/{mando.id} what comes of it"
            )


def reloj_de_pared() -> int:
    """UTC milliseconds by this machine's clock, which is what requests carry."""
    return time.time_ns() // 1_000_000


Reloj = Callable[[], int]
