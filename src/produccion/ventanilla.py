"""Where others see what a daemon does and ask things of it: the shared store, commands, the mirror in Redis.

Nothing here is needed to trade or to protect: it is opened after the position is protected, works in threads
of its own, and whatever becomes of it the daemon goes on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from src.nucleo.alertas import PERDIDA_GRANDE
from src.nucleo.cartera import equity_de
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.niveles import COSTO_FRACCION
from src.nucleo.proteccion import ReglaProteccion
from src.nucleo.tipos import Mercado
from src.produccion.almacen.acceso import Acceso
from src.produccion.almacen.alimentador import DESPEDIDA_S, Alimentador, Muestra, Titular
from src.produccion.ciclo import Ciclo
from src.produccion.cuenta import Cuenta
from src.produccion.orquestador import Motivo, Orquestador
from src.produccion.puertos import Bolsa, Reloj
from src.produccion.riesgo.puerta import Bloqueo
from src.produccion.roturas import Quejas, VigiaRoturas
from src.produccion.supervision.cortesia import Cortesia
from src.produccion.supervision.hilo import HiloSuelto, aparte
from src.produccion.supervision.supervisor import Servicio

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from src.produccion.espejo import EspejoRedis
    from src.produccion.guardian import Guardian
    from src.produccion.mesa_ordenes import MesaOrdenes
    from src.produccion.mesa_riesgo import Recepcion
    from src.produccion.vallas import VigiaVallas

_ENTRE_INTENTOS_S = 10.0
_CERRAR_S = 2.0  # that the end of the session waits for the store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mostrador:
    """Whose daemon it is and where its files are."""

    titular: Titular
    diario: Path
    estado: Path  # --state-dir
    mercado: Mercado
    proteccion: ReglaProteccion
    reloj: Reloj
    bolsa: Bolsa
    perdida_grande: float = PERDIDA_GRANDE  # share of the equity
    limites: Mapping[str, float] = field(default_factory=dict)
    """The account's own, by fields of `ReglasInquilino`."""
    quejas: Quejas = field(default_factory=dict)
    """What its own files have to say against being written to."""


class Ventanilla:
    """The services that face others.

    From here on nothing is opened before the store has said what stands against it.

    Args:
        mostrador: Whose they are.
        ciclo: What is shown and asked.
        cuenta: The account, for its figures.
        cortesia: Says when the daemon's own work goes first.
    """

    def __init__(self, mostrador: Mostrador, ciclo: Ciclo, cuenta: Cuenta, cortesia: Cortesia) -> None:
        self._m = mostrador
        self._ciclo = ciclo
        self._cuenta = cuenta
        self._cortesia = cortesia
        self._acceso = Acceso(None, mostrador.estado, cortesia)
        self._roturas = VigiaRoturas(self._acceso, mostrador.titular, mostrador.quejas)
        self._vigia: VigiaVallas | None = None
        ciclo.no_abrir(Bloqueo.VALLAS_SIN_SABER)

    async def comprobar(self) -> None:
        """Open the store, so that one which cannot be used is told before anything is traded.

        What it holds against entries is known from then on, unless it fails meanwhile.

        Raises:
            ConfiguracionInvalida: It cannot be used; the text says why.
        """
        await self._vallas().mirar(await self._abrir())

    async def cerrar(
        self,
        plazo_s: float = DESPEDIDA_S,
        prisa: asyncio.Event | None = None,
        *,
        a_proposito: bool = False,
    ) -> None:
        """Feed what the journal still has and let go of the store, once no service runs any more.

        A store that hangs is left to itself.

        Args:
            plazo_s: Wall seconds that the feeding may take.
            prisa: Somebody does not want to wait any longer.
            a_proposito: The daemon ends on purpose: its silence is not to be told.
        """
        await self._alimentador().rematar(plazo_s, prisa)
        if prisa is not None and prisa.is_set():
            return
        with suppress(TimeoutError):  # told in the log, and by the exit code
            async with asyncio.timeout(_CERRAR_S):
                await self._roturas.contar()
        if a_proposito:
            await self._decir_adios()
        try:
            await aparte("cierre del almacen", self._acceso.cerrar, _CERRAR_S)
        except TimeoutError:
            log.warning("almacen_sin_cerrar", efecto="the process ends all the same")

    async def _decir_adios(self) -> None:
        def despedir() -> None:
            from src.produccion.almacen.demonios import despedirse

            despedirse(self._acceso.abrir(), self._m.titular.account_id, self._m.titular.symbol)

        try:
            await aparte("despedida", despedir, _CERRAR_S)
        except Exception as fallo:  # noqa: BLE001 -- whatever it is, the end of the daemon is not kept by it
            log.warning("demonio_sin_despedida", motivo=type(fallo).__name__)

    def servicios(self, orquestador: Orquestador) -> list[Servicio]:
        """What runs beside the daemon's own services; none of it is essential."""
        return [
            Servicio("alimentador", self._alimentador().correr, esencial=False),
            Servicio("mandos", lambda: self._atender(orquestador), esencial=False),
            Servicio("vallas", self._vigilar_vallas, esencial=False),
            Servicio("roturas", self._roturas.correr, esencial=False),
        ]

    def _alimentador(self) -> Alimentador:
        m = self._m
        return Alimentador(m.diario, self._acceso, m.titular, self._medir, m.perdida_grande)

    async def _vigilar_vallas(self) -> None:
        """Keep the gate like the store, and share its claims, for ever."""
        from src.produccion.cierre_reclamado import CierreReclamado

        almacen = await self._insistir_en_abrir()
        titular = self._m.titular
        quien = f"{titular.account_id}:{titular.symbol}:{socket.gethostname()}:{os.getpid()}"
        reclamado = CierreReclamado(almacen, titular, self._m.bolsa, quien, self._cortesia)
        self._ciclo.compartido = reclamado
        try:
            await self._vallas().correr(almacen)
        finally:
            self._ciclo.compartido = None
            await reclamado.cerrar()

    def _vallas(self) -> VigiaVallas:
        from src.produccion.vallas import VigiaVallas

        def fijar(bloqueo: Bloqueo, activo: bool) -> None:
            self._ciclo.no_abrir(bloqueo, activo=activo)

        if self._vigia is None:
            self._vigia = VigiaVallas(self._m.titular, self._m.reloj, fijar, limites=self._m.limites)
        return self._vigia

    async def _atender(self, orquestador: Orquestador) -> None:
        """Listen to the store's commands and keep the mirror, for ever; a failure of one ends both."""
        from src.produccion.almacen.mandos import AccionMando
        from src.produccion.espejo import espejo_o_ninguno
        from src.produccion.mesa_fin import MesaFin
        from src.produccion.mesa_riesgo import MesaRiesgo, Recepcion

        espejo = espejo_o_ninguno()
        guardian = self._guardian(orquestador, espejo)
        fin = MesaFin(
            self._ciclo,
            lambda: orquestador.parar(Motivo.DETENIDO),
            orquestador.ajustes.salida,
            self._m.reloj,
            _hora_pared_ms,
        )
        ordenes = self._mesa_ordenes(orquestador)
        recepcion = Recepcion(
            guardian.atender,
            MesaRiesgo(self._ciclo.control, self._m.reloj),
            {
                AccionMando.DETENER: fin.atender,
                AccionMando.ABRIR: ordenes.abrir,
                AccionMando.CANCELAR: ordenes.cancelar,
            },
            ordenes.recordar,
        )
        tareas = [asyncio.create_task(self._escuchar(recepcion))]
        if espejo.activo:
            tareas.append(asyncio.create_task(guardian.reflejar_siempre()))
        try:
            acabadas, _ = await asyncio.wait(tareas, return_when=asyncio.FIRST_COMPLETED)
            for acabada in acabadas:
                acabada.result()
        finally:
            for tarea in tareas:
                tarea.cancel()
            await asyncio.gather(*tareas, return_exceptions=True)
            await espejo.cerrar()

    async def _escuchar(self, recepcion: Recepcion) -> None:
        almacen = await self._insistir_en_abrir()
        await _escuchar(almacen, self._m.titular, recepcion)

    def _mesa_ordenes(self, orquestador: Orquestador) -> MesaOrdenes:
        from src.produccion.mesa_ordenes import MesaOrdenes, Precios

        m = self._m
        precios = Precios(
            lambda: m.bolsa.precio_mark(m.mercado.simbolo),
            lambda: orquestador.edad_mark_s,
            orquestador.ajustes.edad_maxima_vela_s,
        )
        return MesaOrdenes(self._ciclo, orquestador.pedir, precios, m.reloj, _hora_pared_ms)

    def _guardian(self, orquestador: Orquestador, espejo: EspejoRedis) -> Guardian:
        from src.produccion.guardian import Guardian, Reglas

        m, freno = self._m, self._m.proteccion.freno
        reglas = Reglas(
            m.titular.user_id,
            m.mercado.simbolo,
            m.mercado.filtros,
            m.proteccion.tipo.value,
            COSTO_FRACCION if freno is None else freno.costo_fraccion,
        )
        return Guardian(self._ciclo, orquestador.pedir, m.reloj, _hora_pared_ms, espejo, reglas)

    async def _insistir_en_abrir(self) -> Engine:
        while True:
            try:
                return await self._abrir()
            except ConfiguracionInvalida as fallo:
                log.error("almacen_no_abre", motivo=str(fallo))
                await asyncio.sleep(_ENTRE_INTENTOS_S)

    async def _abrir(self) -> Engine:
        """In a thread of its own: an opening that hangs holds nobody but who waits for it."""
        with HiloSuelto("apertura del almacen") as hilo:
            return await asyncio.get_running_loop().run_in_executor(hilo, self._acceso.abrir)

    def _medir(self) -> Muestra:
        estado, mark = self._cuenta.estado, self._ciclo.mark
        return Muestra(
            self._m.reloj.ahora_ms(),
            estado.saldo,
            equity_de(estado, mark),
            {
                "max_drawdown_fraction": self._ciclo.max_drawdown,
                "position_base": estado.cantidad,
                "mark_price_quote": mark,
                **self._de_los_disyuntores(),
            },
        )

    def _de_los_disyuntores(self) -> dict[str, float]:
        """What was measured last, as far as it is a number."""
        cuadro = self._ciclo.control.cuadro
        medidos = {} if cuadro is None else cuadro.valores
        return {
            f"breaker_{clase.value}_{clase.unidad}": valor
            for clase, valor in medidos.items()
            if isfinite(valor)
        }


async def _escuchar(almacen: Engine, titular: Titular, recepcion: Recepcion) -> None:
    from src.produccion.almacen.demonios import DemonioNuevo
    from src.produccion.mandos import OidorMandos

    demonio = DemonioNuevo(
        account_id=titular.account_id,
        symbol=titular.symbol,
        pid=os.getpid(),
        host=socket.gethostname(),
        agent_id=titular.agent_id,
        client_id=titular.client_id,
        user_id=titular.user_id,
    )
    await OidorMandos(almacen, demonio, recepcion.atender, recordar=recepcion.recordar).correr()


def _hora_pared_ms() -> int:
    return time.time_ns() // 1_000_000
