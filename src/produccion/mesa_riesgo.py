"""What people ask of breakers and risk mode, carried out by the daemon that has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from src.nucleo.errores import EmergenciaOperacional, SolicitudInvalida
from src.produccion.almacen.mandos import AccionMando, MandoGuardado
from src.produccion.almacen.mandos_riesgo import (
    PeticionCierre,
    PeticionModo,
    leer_cierre,
    leer_modo,
    texto_cerrado,
)
from src.produccion.mandos import Respuesta
from src.produccion.puertos import Reloj
from src.produccion.riesgo.control_riesgo import ControlRiesgo

Atender = Callable[[MandoGuardado], Awaitable[Respuesta]]
"""Carries a command out."""


class DesenlaceRiesgo(NamedTuple):
    """What came of a command."""

    exito: bool
    instante_ms: int
    campos: Mapping[str, object]
    mensaje: str = ""

    def como_json(self) -> dict[str, object]:
        """The fields, and the message as ``message``, or as ``error`` of a failure."""
        texto = {"message" if self.exito else "error": self.mensaje} if self.mensaje else {}
        return {"success": self.exito, **self.campos, "timestamp": self.instante_ms / 1_000, **texto}


class MesaRiesgo:
    """Closes breakers and sets the risk mode of one agent.

    Neither waits for a step to end: what keeps entries out must not wait for one.

    Args:
        control: The agent's gate.
        reloj: Market time.
    """

    def __init__(self, control: ControlRiesgo, reloj: Reloj) -> None:
        self._control = control
        self._reloj = reloj

    async def atender(self, mando: MandoGuardado) -> DesenlaceRiesgo:
        """Carry a command out.

        Raises:
            SolicitudInvalida: It is refused; nothing has changed.
        """
        match mando.action:
            case AccionMando.CERRAR_DISYUNTOR:
                return self._cerrar(leer_cierre(mando.payload), mando)
            case AccionMando.MODO_RIESGO:
                return await self._cambiar(leer_modo(mando.payload), mando)
            case otra:
                raise SolicitudInvalida(f"this daemon does not know the command {otra!r}")

    def _cerrar(self, peticion: PeticionCierre, mando: MandoGuardado) -> DesenlaceRiesgo:
        cuadro = self._control.cuadro
        if cuadro is None:
            raise SolicitudInvalida("this daemon has no breakers")
        cambio = cuadro.cerrar_a_mano(peticion.clase, peticion.motivo, mando.requested_by)
        campos = {
            "symbol": mando.symbol,
            "kind": peticion.clase.value,
            "state": cambio.ahora.estado.value,
            "previous_state": cambio.antes.value,
        }
        return DesenlaceRiesgo(True, cambio.instante_ms, campos, texto_cerrado(peticion.clase))

    async def _cambiar(self, peticion: PeticionModo, mando: MandoGuardado) -> DesenlaceRiesgo:
        anterior = self._control.modo
        escrito, mensaje = True, f"risk mode {peticion.modo.value}"
        try:
            await self._control.cambiar_modo(peticion.modo, peticion.motivo, mando.requested_by)
        except EmergenciaOperacional as fallo:
            escrito = False
            mensaje = f"{fallo}; until it ends this daemon goes by {self._control.modo.value}"
        campos = {
            "symbol": mando.symbol,
            "account_id": mando.account_id,
            "mode": self._control.modo.value,
            "previous_mode": anterior.value,
        }
        return DesenlaceRiesgo(escrito, self._reloj.ahora_ms(), campos, mensaje)


class Recepcion:
    """Hands each command to whoever carries it out.

    Args:
        guardian: Takes what is about the position.
        mesa: Takes what is about risk.
        otras: Who takes which other action.
        recordar: Says what became of a command of an earlier run; ``None`` when nobody knows.
    """

    def __init__(
        self,
        guardian: Atender,
        mesa: MesaRiesgo,
        otras: Mapping[AccionMando, Atender] = MappingProxyType({}),
        recordar: Callable[[MandoGuardado], Awaitable[Respuesta | None]] | None = None,
    ) -> None:
        self.recordar = recordar
        self._guardian = guardian
        self._mesa = mesa
        self._otras = {accion.value: atender for accion, atender in otras.items()}

    async def atender(self, mando: MandoGuardado) -> Respuesta:
        """Have a command carried out.

        Raises:
            EntradaInvalida: It is refused; nothing has changed.
            ErrorBolsa: The exchange did not let it through.
        """
        if mando.action in (AccionMando.CERRAR_DISYUNTOR, AccionMando.MODO_RIESGO):
            return await self._mesa.atender(mando)
        return await self._otras.get(mando.action, self._guardian)(mando)
