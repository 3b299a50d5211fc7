"""Orders of people, carried out between two steps of the daemon: each once, whenever it is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import structlog

from src.nucleo.errores import LimiteDeRiesgo, SolicitudInvalida
from src.nucleo.vida_orden import VidaOrden
from src.produccion.almacen.mandos import AccionMando, MandoGuardado
from src.produccion.ciclo import Ciclo
from src.produccion.guardian import Turno
from src.produccion.mesa_riesgo import DesenlaceRiesgo
from src.produccion.ordenes.pedidas import orden_de
from src.produccion.puertos import Reloj, texto_decimal

_ACLARAR_S = 45.0  # that a restarted daemon waits to know what an order did
_ENTRE_MIRADAS_S = 0.5
_NO_SE_ESPERA = "nobody waits for this request any more; look again and repeat it"

log = structlog.get_logger(__name__)


class Precios(NamedTuple):
    """Where the mark comes from, and how old it may be."""

    mark: Callable[[], Awaitable[float]]
    edad_s: Callable[[], float]  # wall seconds since one was heard
    edad_maxima_s: float


class MesaOrdenes:
    """Opens positions by hand and cancels orders of one agent.

    Args:
        ciclo: Owns account and orders.
        turno: Runs a request between two steps.
        precios: The mark, and how old it may be.
        reloj: Market time, of effects.
        hora_pared_ms: Time of day, of commands.
    """

    def __init__(
        self,
        ciclo: Ciclo,
        turno: Turno,
        precios: Precios,
        reloj: Reloj,
        hora_pared_ms: Callable[[], int],
    ) -> None:
        self._ciclo = ciclo
        self._turno = turno
        self._precios = precios
        self._reloj = reloj
        self._hora_pared_ms = hora_pared_ms

    async def abrir(self, mando: MandoGuardado) -> DesenlaceRiesgo:
        """Open a position by hand and protect it.

        Raises:
            EntradaInvalida: It is refused; nothing was sent.
            ErrorBolsa: The exchange refused it, or what it did is not known yet.
        """
        pedida = orden_de(mando.payload)

        async def cumplir() -> DesenlaceRiesgo:
            # Its turn may come long after it was taken: nobody waits for it any more then.
            self._comprobar_espera(mando)
            await self._refrescar_mark()
            vida = await self._ciclo.abrir_a_mano(
                pedida, mando.id, mando.requested_by, lambda: self._se_espera(mando)
            )
            return self._abierta(mando, vida)

        return await self._turno(cumplir)

    async def cancelar(self, mando: MandoGuardado) -> DesenlaceRiesgo:
        """Cancel an order, or a target.

        Raises:
            EntradaInvalida: It is refused; nothing has changed.
            ErrorBolsa: It may still live.
        """
        id_cliente = mando.payload.get("order")
        if not isinstance(id_cliente, str):
            raise SolicitudInvalida("'order' is needed: the id that GET /api/v1/orders shows")

        async def cumplir() -> DesenlaceRiesgo:
            self._comprobar_espera(mando)
            dicho = await self._ciclo.cancelar_a_mano(id_cliente)
            campos = {**_de_quien(mando), "order_id": id_cliente}
            return DesenlaceRiesgo(True, self._reloj.ahora_ms(), campos, dicho)

        return await self._turno(cumplir)

    async def recordar(self, mando: MandoGuardado) -> DesenlaceRiesgo | None:
        """What became of a command that an earlier run took, by the journal and the order's own id."""
        if mando.action != AccionMando.ABRIR:
            return None
        bucle = asyncio.get_running_loop()
        hasta_s = bucle.time() + _ACLARAR_S
        while True:
            memoria = self._ciclo.a_mano_de(mando.id)
            if memoria is None or memoria.operacion is None:
                return self._no_hecha(mando, "the daemon ended before it sent the order; nothing was done")
            id_cliente = memoria.operacion.id_cliente
            campos = {**_de_quien(mando), "order_id": id_cliente}
            if memoria.fin is not None and not memoria.fin.abrio:
                return self._no_hecha(mando, f"the order was not filled: {memoria.fin.motivo}", campos)
            vida = self._ciclo.vida_de(id_cliente)
            if vida is not None and vida.terminada and vida.ejecutada == 0.0:
                motivo = vida.motivo or vida.estado.value
                return self._no_hecha(mando, f"the order was not filled: {motivo}", campos)
            if memoria.fin is not None or memoria.operacion.puesta:
                hecho = "opened by a daemon that was cut short after it"
                despues = "is over" if memoria.fin is not None else "is open"
                return DesenlaceRiesgo(
                    True, self._reloj.ahora_ms(), campos, f"{hecho}; the position {despues}"
                )
            if bucle.time() >= hasta_s:
                return self._no_hecha(mando, "what the order did is not known yet; look at it", campos)
            await asyncio.sleep(_ENTRE_MIRADAS_S)

    def _no_hecha(
        self, mando: MandoGuardado, motivo: str, campos: Mapping[str, object] | None = None
    ) -> DesenlaceRiesgo:
        return DesenlaceRiesgo(False, self._reloj.ahora_ms(), campos or _de_quien(mando), motivo)

    def _se_espera(self, mando: MandoGuardado) -> bool:
        return mando.vence_ms is None or self._hora_pared_ms() <= mando.vence_ms

    def _comprobar_espera(self, mando: MandoGuardado) -> None:
        if not self._se_espera(mando):
            raise SolicitudInvalida(_NO_SE_ESPERA)

    async def _refrescar_mark(self) -> None:
        """Have the newest mark, or refuse: what is not heard of any more is no price to open at."""
        edad_s = self._precios.edad_s()
        if edad_s > self._precios.edad_maxima_s:
            raise LimiteDeRiesgo(
                f"prices are stale: the last mark came {edad_s:.0f} s ago, at most"
                f" {self._precios.edad_maxima_s:g} s are allowed"
            )
        self._ciclo.mark = await self._precios.mark()

    def _abierta(self, mando: MandoGuardado, vida: VidaOrden) -> DesenlaceRiesgo:
        operacion, stop = self._ciclo.operacion, self._ciclo.gatillo
        objetivo = None if operacion is None or operacion.freno is None else operacion.freno.objetivo
        cantidad = texto_decimal(vida.ejecutada)
        precio = None if vida.precio_medio is None else texto_decimal(vida.precio_medio)
        campos = {
            **_de_quien(mando),
            "side": vida.lado.value,
            "quantity": cantidad,
            "average_price": precio,
            "order_id": vida.id_cliente,
            "stop": None if operacion is None else stop,
            "target": objetivo,
        }
        hecho = f"{vida.lado.value} {cantidad} {mando.symbol} filled at {precio} as order {vida.id_cliente}"
        ahora_ms = self._reloj.ahora_ms()
        if operacion is None:
            mensaje = f"{hecho}; the market was beyond its stop or target already: it was closed"
            return DesenlaceRiesgo(False, ahora_ms, campos, mensaje)
        if not self._ciclo.protegida:
            mensaje = f"{hecho}; the exchange has not confirmed its stop yet"
            return DesenlaceRiesgo(False, ahora_ms, campos, mensaje)
        protegida = "no price calls for a stop" if stop is None else f"stop {texto_decimal(stop)}"
        meta = "no target" if objetivo is None else f"target {texto_decimal(objetivo)}"
        return DesenlaceRiesgo(True, ahora_ms, campos, f"{hecho}; {protegida}, {meta}")


def _de_quien(mando: MandoGuardado) -> dict[str, object]:
    return {"symbol": mando.symbol, "account_id": mando.account_id}
