"""Where others see what a daemon does and ask things of it: the shared store, commands, the mirror in Redis.

Nothing here is needed to trade or to protect: it is opened after the position is protected, works in threads
of its own, and whatever becomes of it the daemon goes on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass
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
from src.produccion.almacen.alimentador import Alimentador, Muestra, Titular
from src.produccion.ciclo import Ciclo
from src.produccion.cuenta import Cuenta
from src.produccion.orquestador import Orquestador
from src.produccion.puertos import Bolsa, Reloj
from src.produccion.riesgo.puerta import Bloqueo
from src.produccion.supervision.cortesia import Cortesia
from src.produccion.supervision.supervisor import Servicio

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from src.produccion.espejo import EspejoRedis
    from src.produccion.guardian import Guardian
    from src.produccion.vallas import VigiaVallas

_ENTRE_INTENTOS_S = 10.0

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


class Ventanilla:
    """The services that face others.

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
        self._vigia: VigiaVallas | None = None

    async def comprobar(self) -> None:
        """Open the store, so that one which cannot be used is told before anything is traded.

        What it holds against entries is known from then on.

        Raises:
            ConfiguracionInvalida: It cannot be used; the text says why.
        """
        await self._vallas().mirar(await asyncio.to_thread(self._acceso.abrir))

    async def cerrar(self) -> None:
        """Feed what the journal still has and let go of the store, once no service runs any more."""
        await self._alimentador().rematar()
        await asyncio.to_thread(self._acceso.cerrar)

    def servicios(self, orquestador: Orquestador) -> list[Servicio]:
        """What runs beside the daemon's own services; none of it is essential."""
        return [
            Servicio("alimentador", self._alimentador().correr, esencial=False),
            Servicio("mandos", lambda: self._atender(orquestador), esencial=False),
            Servicio("vallas", self._vigilar_vallas, esencial=False),
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
            await asyncio.to_thread(reclamado.cerrar)

    def _vallas(self) -> VigiaVallas:
        from src.produccion.vallas import VigiaVallas

        def fijar(bloqueo: Bloqueo, activo: bool) -> None:
            self._ciclo.no_abrir(bloqueo, activo=activo)

        if self._vigia is None:
            self._vigia = VigiaVallas(self._m.titular, self._m.reloj, fijar)
        return self._vigia

    async def _atender(self, orquestador: Orquestador) -> None:
        """Listen to the store's commands and keep the mirror, for ever."""
        from src.produccion.espejo import espejo_o_ninguno

        espejo = espejo_o_ninguno()
        guardian = self._guardian(orquestador, espejo)
        reflejo = asyncio.create_task(guardian.reflejar_siempre()) if espejo.activo else None
        almacen = await self._insistir_en_abrir()
        try:
            await _escuchar(almacen, self._m.titular, guardian)
        finally:
            if reflejo is not None:
                reflejo.cancel()
                await asyncio.gather(reflejo, return_exceptions=True)
            await espejo.cerrar()

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
                return await asyncio.to_thread(self._acceso.abrir)
            except ConfiguracionInvalida as fallo:
                log.error("almacen_no_abre", motivo=str(fallo))
                await asyncio.sleep(_ENTRE_INTENTOS_S)

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
            },
        )


async def _escuchar(almacen: Engine, titular: Titular, guardian: Guardian) -> None:
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
    await OidorMandos(almacen, demonio, guardian.atender).correr()


def _hora_pared_ms() -> int:
    return time.time_ns() // 1_000_000
