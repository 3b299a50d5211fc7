"""Listens to the bot's chats and answers: from the store, or by doing what a confirmed command asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from src.nucleo.alertas import espera_s
from src.nucleo.errores import AlmacenCaido, AvisoRechazado, AvisoSinEntregar, CanalOcupado
from src.nucleo.markdown import LARGO_MAXIMO, bloque, limpio, recortado
from src.produccion.alertas import actos, respuestas
from src.produccion.alertas.actos import Alcance, Encargo, Plazos, Respuesta
from src.produccion.alertas.ordenes import (
    PLAZO_S,
    Autor,
    Confirmaciones,
    Orden,
    Peticion,
    es_codigo,
    es_orden,
    leer_peticion,
)
from src.produccion.alertas.telegram import BotTelegram
from src.produccion.almacen.auditoria import (
    AsientoNuevo,
    Desenlace,
    acabar_o_decirlo,
    desenlace_de,
    empezar_asiento,
)
from src.produccion.config.alertas import Permiso, SeccionChat
from src.produccion.monitor.libro import Libro

VIEJO_S = 120.0
"""How old a message may be that changes something: nobody listened, and its author may have given up."""

_OTRO_ESCUCHA_S = 30.0
_ESPERA_MAXIMA_S = 30.0
_DESCONOCIDOS = 1_000
_ESPERAN = frozenset({Orden.FORCEEXIT, Orden.STOP})  # for daemons
_SIN_ALMACEN = "the shared store does not answer; "
_ROL = "chat"  # in the audit log
_DEFECTO = "that met a defect of Timonel; "
_SE_IGNORA = "whether it was done is unknown: look with /status"

log = structlog.get_logger(__name__)


class Recado(NamedTuple):
    """What somebody wrote."""

    autor: Autor
    texto: str
    escrito_s: float  # Unix time, by Telegram's clock
    numero: int  # of the update


class _Trabajo(NamedTuple):
    """What somebody is answered."""

    peticion: Peticion
    confirmado: bool = False

    @property
    def cambia(self) -> bool:
        """Whether something is changed now, and not only asked about."""
        return self.confirmado and not self.peticion.orden.solo_lee

    @property
    def espera(self) -> bool:
        """Whether daemons are waited for."""
        return self.confirmado and self.peticion.orden in _ESPERAN


class Oyente:
    """Takes the messages of a bot one after the other; what waits for daemons is answered when they do.

    Args:
        bot: Who listens and answers.
        chats: Who may ask; everybody else is ignored, and logged once.
        libro: The shared store.
        espera_s: For how long Telegram may keep a request until somebody writes.
        plazos: How long daemons are waited for.
        confirmaciones: Codes of dangerous commands.
    """

    def __init__(
        self,
        bot: BotTelegram,
        chats: Sequence[SeccionChat],
        libro: Libro,
        espera_s: int,
        plazos: Plazos | None = None,
        confirmaciones: Confirmaciones | None = None,
    ) -> None:
        self._bot = bot
        self._chats = {chat.chat_id: chat for chat in chats if chat.commands is not Permiso.NINGUNO}
        self._libro = libro
        self._espera_s = espera_s
        self._plazos = plazos or Plazos()
        self._confirmaciones = confirmaciones or Confirmaciones()
        self._desconocidos: set[Autor] = set()
        self._desde: int | None = None
        self._fallos = 0

    async def correr(self) -> None:
        """Listen until cancelled; what was asked of daemons by then goes on without an answer."""
        async with asyncio.TaskGroup() as grupo:
            try:
                while True:
                    for recado in await self._oir():
                        await self._atender(recado, grupo)
            finally:
                await self._despedirse()

    async def _oir(self) -> list[Recado]:
        try:
            crudos = await self._bot.novedades(self._desde, self._espera_s)
        except AvisoSinEntregar as fallo:
            await self._esperar(fallo)
            return []
        if self._fallos:
            log.warning("telegram_de_vuelta", intentos=self._fallos)
        self._fallos = 0
        numeros = [crudo["update_id"] for crudo in crudos if isinstance(crudo.get("update_id"), int)]
        self._desde = max(numeros) + 1 if numeros else self._desde
        return [recado for recado in map(leer_recado, crudos) if recado is not None]

    async def _esperar(self, fallo: AvisoSinEntregar) -> None:
        self._fallos += 1
        if self._fallos == 1:
            log.error("telegram_no_escucha", motivo=str(fallo), efecto="no commands are taken; alerts go on")
        pausa_s = min(_ESPERA_MAXIMA_S, espera_s(self._fallos))
        if isinstance(fallo, CanalOcupado):
            pausa_s = fallo.espera_s
        elif isinstance(fallo, AvisoRechazado):
            pausa_s = _OTRO_ESCUCHA_S  # most likely another process takes this bot's commands
        await asyncio.sleep(pausa_s)

    async def _atender(self, recado: Recado, grupo: asyncio.TaskGroup) -> None:
        chat = self._chat_de(recado)
        if chat is None:
            return
        trabajo, rechazo = self._pedida(recado, chat)
        if rechazo:
            await self._decir(recado, rechazo)
        elif trabajo is not None and trabajo.espera:
            grupo.create_task(self._responder(recado, chat, trabajo))
        elif trabajo is not None:
            await self._responder(recado, chat, trabajo)

    def _chat_de(self, recado: Recado) -> SeccionChat | None:
        chat = self._chats.get(recado.autor.chat_id)
        if chat is not None and (not chat.users or recado.autor.usuario_id in chat.users):
            return chat
        if recado.autor not in self._desconocidos and len(self._desconocidos) < _DESCONOCIDOS:
            self._desconocidos.add(recado.autor)
            log.warning("chat_ignorado", chat=recado.autor.chat_id, usuario=recado.autor.usuario_id)
        return None

    def _pedida(self, recado: Recado, chat: SeccionChat) -> tuple[_Trabajo | None, str]:
        """What is to be done now, and what is answered instead."""
        if es_codigo(recado.texto):
            if self._es_viejo(recado):
                return None, "that code came too late; nothing was done"
            confirmada = self._confirmaciones.confirmar(recado.autor, recado.texto, time.monotonic())
            if confirmada is None:
                return None, "that code is wrong or too late; nothing was done"
            return _Trabajo(confirmada, confirmado=True), ""
        if not es_orden(recado.texto):
            return None, ""
        peticion = leer_peticion(recado.texto)
        if peticion is None:
            return None, "there is no such command; /help lists them"
        return _Trabajo(peticion), "" if peticion.orden.solo_lee else self._ante_un_cambio(recado, chat)

    def _ante_un_cambio(self, recado: Recado, chat: SeccionChat) -> str:
        """Why nothing is changed; empty when nothing speaks against it."""
        if chat.commands is not Permiso.TODO:
            return "this chat may only read"
        if self._es_viejo(recado):
            return "that was asked while nobody listened; nothing was done: ask again"
        return ""

    @staticmethod
    def _es_viejo(recado: Recado) -> bool:
        return time.time() - recado.escrito_s > VIEJO_S

    async def _responder(self, recado: Recado, chat: SeccionChat, trabajo: _Trabajo) -> None:
        """Answer; neither a store that is down nor a defect keeps anybody from being told of alerts."""
        peticion = trabajo.peticion
        quien = f"telegram:{chat.name}:{recado.autor.usuario_id}"
        log.info("orden_de_chat", orden=peticion.orden.value, argumento=peticion.argumento, de=quien)
        encargo = Encargo(chat.tenant, quien, f"telegram:{recado.numero}")
        try:
            if trabajo.cambia:
                texto = await self._asentado(recado, chat, peticion, encargo)
            elif peticion.orden.solo_lee:
                texto = await self._leer(peticion, chat.tenant)
            else:
                texto = await self._pedir_codigo(recado, chat, peticion)
        except AlmacenCaido as fallo:
            log.error("orden_sin_almacen", orden=peticion.orden.value, motivo=str(fallo))
            texto = _SIN_ALMACEN + (_SE_IGNORA if trabajo.cambia else "ask again")
        except Exception:  # whatever it is, alerts go on being delivered, and others are answered
            log.exception("orden_defectuosa", orden=peticion.orden.value, argumento=peticion.argumento)
            texto = _DEFECTO + (_SE_IGNORA if trabajo.cambia else "the log of `timonel alerts` says more")
        await self._decir(recado, texto)

    async def _pedir_codigo(self, recado: Recado, chat: SeccionChat, peticion: Peticion) -> str:
        """Say what would be done to whom, and by which code; no code where there is nobody."""
        alcance = _alcance(peticion)
        vista = await self._libro.llamando(lambda m: actos.previa(m, chat.tenant, peticion.orden, alcance))
        if not vista.hay:
            return f"{vista.texto}\nnothing was done"
        que = " ".join(("/" + peticion.orden.value, *filter(None, alcance)))
        codigo = self._confirmaciones.pedir(recado.autor, peticion, time.monotonic())
        para = peticion.orden.para.rpartition("] ")[2]
        return f"{que}: {para}\n{vista.texto}\nsend {codigo} within {PLAZO_S:g} s to confirm"

    async def _asentado(self, recado: Recado, chat: SeccionChat, peticion: Peticion, encargo: Encargo) -> str:
        """Do what changes something, and leave a line in the audit log; without one nothing is done."""
        nuevo = _asiento(recado, chat, peticion)
        asiento = await self._libro.escribiendo(lambda c: empezar_asiento(c, nuevo))
        try:
            hecho = await self._cambiar(peticion, encargo)
        except Exception as fallo:
            await self._acabar(asiento, desenlace_de(fallo))
            raise
        await self._acabar(asiento, Desenlace(hecho.estado, {"message": hecho.texto}))
        return hecho.texto

    async def _acabar(self, asiento: int, desenlace: Desenlace) -> None:
        """Complete a line; what was done is told even when it cannot be."""
        try:
            await self._libro.llamando(lambda m: acabar_o_decirlo(m, asiento, desenlace))
        except AlmacenCaido as fallo:
            log.error("asiento_sin_acabar", asiento=asiento, estado=desenlace.estado, motivo=str(fallo))

    async def _cambiar(self, peticion: Peticion, encargo: Encargo) -> Respuesta:
        escribir = self._libro.escribiendo
        match peticion.orden:
            case Orden.STOPENTRY:
                return await escribir(lambda c: actos.pausar_entradas(c, encargo))
            case Orden.STARTENTRY:
                return await escribir(lambda c: actos.permitir_entradas(c, encargo))
            case _:
                alcance = _alcance(peticion)
                return await actos.pedir(self._libro, encargo, peticion.orden, alcance, self._plazos)

    async def _leer(self, peticion: Peticion, client_id: str) -> str:
        argumento, leer = peticion.argumento, self._libro.leyendo
        match peticion.orden:
            case Orden.STATUS:
                return await leer(lambda c: respuestas.situacion(c, client_id))
            case Orden.PROFIT:
                return await leer(lambda c: respuestas.ganancia(c, client_id))
            case Orden.BALANCE:
                return await leer(lambda c: respuestas.saldos(c, client_id))
            case Orden.DAILY:
                return await leer(lambda c: respuestas.dias(c, client_id, argumento))
            case Orden.LOCKS:
                return await leer(lambda c: respuestas.cerrojos(c, client_id))
            case Orden.HEALTH:
                return await leer(lambda c: respuestas.salud(c, client_id))
            case Orden.LOGS:
                return await leer(lambda c: respuestas.ultimos_avisos(c, client_id, argumento))
            case Orden.HELP:
                return "\n".join(f"/{orden.value} {orden.para}" for orden in Orden)
            case Orden.STOPENTRY | Orden.STARTENTRY | Orden.FORCEEXIT | Orden.STOP:
                raise ValueError(f"{peticion.orden} is no question")

    async def _decir(self, recado: Recado, texto: str) -> None:
        corto = recortado(limpio(texto), LARGO_MAXIMO - 2)
        try:
            await self._bot.decir(recado.autor.chat_id, bloque(corto), corto)
        except AvisoSinEntregar as fallo:
            log.warning("respuesta_sin_entregar", chat=recado.autor.chat_id, motivo=str(fallo))

    async def _despedirse(self) -> None:
        """Confirm what was heard, so that the next one does not hear it again."""
        if self._desde is None:
            return
        try:
            await self._bot.novedades(self._desde, 0)
        except AvisoSinEntregar as fallo:
            log.warning("novedades_sin_confirmar", motivo=str(fallo))


def leer_recado(crudo: Mapping[str, Any]) -> Recado | None:
    """What an update of Telegram says; ``None`` when nobody wrote a text."""
    try:
        mensaje = crudo["message"]
        autor = Autor(int(mensaje["chat"]["id"]), int(mensaje["from"]["id"]))
        texto, numero = mensaje["text"], crudo["update_id"]
        escrito_s = float(mensaje["date"])
    except (KeyError, TypeError, ValueError):
        return None
    if not isinstance(texto, str) or not isinstance(numero, int):
        return None
    return Recado(autor, texto.strip(), escrito_s, numero)


def _asiento(recado: Recado, chat: SeccionChat, peticion: Peticion) -> AsientoNuevo:
    alcance = _alcance(peticion)
    return AsientoNuevo(
        chat.tenant,
        f"{recado.autor.chat_id}/{recado.autor.usuario_id}",
        _ROL,
        f"telegram:{chat.name}",
        f"telegram.{peticion.orden.value}",
        alcance.simbolo or None,
        {"account_id": alcance.cuenta} if alcance.cuenta else {},
    )


def _alcance(peticion: Peticion) -> Alcance:
    return Alcance(peticion.argumento.upper(), peticion.cuenta)
