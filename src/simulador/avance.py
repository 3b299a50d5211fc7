"""What makes the market move: the agreement of the agents, or real time."""

from __future__ import annotations

import asyncio
from typing import Protocol

from src.simulador import eventos
from src.simulador.simulacion import Simulacion

LATIDO_S = 1.0
LATIDO_MIN_S = 0.02
LATIDO_MERCADO_S = 3.0  # market time between two beats stays below any sensible recvWindow
REVISION_S = 1.0


class Avance(Protocol):
    """Drives a simulation."""

    def revisar(self) -> None:
        """Somebody has joined, left or said done."""
        ...

    async def correr(self) -> None:
        """Work until cancelled."""
        ...


class AvanceAcordado:
    """Lockstep: one step each time that all joined agents are done."""

    def __init__(self, simulacion: Simulacion) -> None:
        self._simulacion = simulacion
        self._citado = False
        if simulacion.fallas is not None:
            simulacion.fallas.al_soltar(self.revisar)

    def revisar(self) -> None:
        """Schedule the next step when nobody is busy."""
        if not self._citado and self._puede_avanzar():
            self._citado = True
            asyncio.get_running_loop().call_soon(self._dar)

    def _dar(self) -> None:
        self._citado = False
        if self._puede_avanzar():
            self._simulacion.avanzar()
            self.revisar()

    def _puede_avanzar(self) -> bool:
        s = self._simulacion
        if s.terminado or not s.acuerdo.puede_avanzar():
            return False
        return s.fallas is None or s.fallas.deja_avanzar()

    async def correr(self) -> None:
        """Expire listen keys while the agents drive the market."""
        while True:
            await asyncio.sleep(REVISION_S)
            vencer_oyentes(self._simulacion)


class AvanceContinuo:
    """Real time at a speed: steps when their time comes, and beats in between."""

    def __init__(self, simulacion: Simulacion, velocidad: float) -> None:
        self._simulacion = simulacion
        self._latido_s = max(LATIDO_MIN_S, min(LATIDO_S, LATIDO_MERCADO_S / velocidad))

    def revisar(self) -> None:
        """Nobody is waited for."""

    async def correr(self) -> None:
        """Walk the candles, then keep the sockets' listen keys honest."""
        s = self._simulacion
        while not s.terminado:
            if s.fallas is not None:
                await s.fallas.detenciones.mercado_libre()
            siguiente = s.reproductor.siguiente_ms()
            espera = s.reloj.espera_s(siguiente) if siguiente is not None else 0.0
            if espera > self._latido_s:
                await asyncio.sleep(self._latido_s)
                s.latir()
                vencer_oyentes(s)
                continue
            await asyncio.sleep(espera)
            if s.fallas is None or s.fallas.deja_avanzar():
                s.avanzar()
        while True:
            await asyncio.sleep(REVISION_S)
            vencer_oyentes(s)


def vencer_oyentes(simulacion: Simulacion) -> None:
    """Tell the accounts whose listen key has run out, and fall silent for them."""
    for clave, oyente in simulacion.oyentes.vencidas():
        simulacion.difusor.avisar(clave, eventos.clave_vencida(oyente, simulacion.reloj.ahora_ms()))
        simulacion.difusor.silenciar(clave)


def avance_de(simulacion: Simulacion) -> Avance:
    """The driver that the options ask for."""
    velocidad = simulacion.opciones.velocidad
    return AvanceAcordado(simulacion) if velocidad is None else AvanceContinuo(simulacion, velocidad)
