"""The agent's orders as its journal tells them: every step is written before anything acts on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, assert_never

import structlog

from src.nucleo.dinero import suma
from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.tipos import LadoOrden
from src.nucleo.vida_orden import (
    Ausente,
    Enviada,
    EstadoVida,
    Hecho,
    Incierta,
    Rechazada,
    VidaOrden,
    Vista,
    avanzar,
)
from src.produccion.diario.diario import EventoDiario
from src.produccion.puertos import Diario, EstadoOrden, Reloj, RespuestaOrden

_PREFIJO = "order:"
_TERMINADAS_RECORDADAS = 200

_ESTADOS = {
    EstadoOrden.NEW: EstadoVida.ACEPTADA,
    EstadoOrden.PARTIALLY_FILLED: EstadoVida.PARCIAL,
    EstadoOrden.FILLED: EstadoVida.EJECUTADA,
    EstadoOrden.CANCELED: EstadoVida.CANCELADA,
    EstadoOrden.EXPIRED: EstadoVida.CANCELADA,
    EstadoOrden.EXPIRED_IN_MATCH: EstadoVida.CANCELADA,
}
_TIPOS_VISTA = {
    EstadoVida.ACEPTADA: "ORDER_ACCEPTED",
    EstadoVida.PARCIAL: "ORDER_PARTIAL",
    EstadoVida.EJECUTADA: "ORDER_FILLED",
    EstadoVida.CANCELADA: "ORDER_CANCELED",
}
_ESTADOS_VISTA = {tipo: estado for estado, tipo in _TIPOS_VISTA.items()}

log = structlog.get_logger(__name__)


def plegar(eventos: Iterable[EventoDiario]) -> dict[str, VidaOrden]:
    """Fold the order events of a journal: every order by its client id, oldest first."""
    vidas: dict[str, VidaOrden] = {}
    for evento in eventos:
        if not evento.agregado.startswith(_PREFIJO):
            continue
        id_cliente = evento.agregado.removeprefix(_PREFIJO)
        if evento.tipo == "ORDER_INTENT":
            vidas[id_cliente] = _leer_intencion(id_cliente, evento.contenido)
        else:
            vidas[id_cliente] = avanzar(vidas[id_cliente], _leer_hecho(evento.tipo, evento.contenido))
    return vidas


def hecho_de(respuesta: RespuestaOrden) -> Vista | Rechazada:
    """What an answer or event of the exchange says of an order."""
    if respuesta.estado is EstadoOrden.REJECTED:
        return Rechazada(f"order {respuesta.id_cliente} ended {respuesta.estado.value}")
    estado = _ESTADOS[respuesta.estado]
    if estado is EstadoVida.ACEPTADA and respuesta.cantidad_ejecutada > 0.0:
        estado = EstadoVida.PARCIAL
    return Vista(
        estado,
        respuesta.id_bolsa,
        respuesta.cantidad_ejecutada,
        respuesta.precio_medio,
        respuesta.estado.value if estado is EstadoVida.CANCELADA else "",
    )


class OrdenesRecordadas:
    """Every order that is not over and the latest that are; the only writer of their events.

    Args:
        diario: Gets each step before it is known here.
        reloj: Market time.
        recordadas: What an earlier life left behind.
    """

    def __init__(self, diario: Diario, reloj: Reloj, recordadas: Mapping[str, VidaOrden]) -> None:
        self._diario = diario
        self._reloj = reloj
        self._vidas = dict(recordadas)
        self._abiertas = {clave: vida for clave, vida in self._vidas.items() if not vida.terminada}
        self.acabadas: Counter[EstadoVida] = Counter()
        """How many ended in which way in this life."""
        self._podar()

    def __getitem__(self, id_cliente: str) -> VidaOrden:
        return self._vidas[id_cliente]

    def __contains__(self, id_cliente: object) -> bool:
        return id_cliente in self._vidas

    def __iter__(self) -> Iterator[VidaOrden]:
        return iter(tuple(self._vidas.values()))

    @property
    def pendientes(self) -> tuple[VidaOrden, ...]:
        """The orders of which something may still come."""
        return tuple(self._abiertas.values())

    def intentar(self, vida: VidaOrden) -> None:
        """Take up a new order.

        Raises:
            EmergenciaOperacional: An order that adds exposure cannot be written down.
        """
        contenido: dict[str, object] = {
            "token": vida.ficha,
            "symbol": vida.simbolo,
            "side": vida.lado.value,
            "quantity": vida.cantidad,
            "reduce_only": vida.solo_reduce,
            "position": vida.posicion_previa,
        }
        try:
            self._escribir(vida.id_cliente, "ORDER_INTENT", contenido)
        except EmergenciaOperacional as fallo:
            if not vida.es_salida:
                raise
            log.critical("diario_roto", motivo=str(fallo))
        self._recordar(vida)
        self._podar()

    def marcar_envio(self, id_cliente: str) -> Awaitable[None]:
        """The order counts as sent from now on; awaiting the result waits for that to be on disk.

        Raises:
            EmergenciaOperacional: When awaited: it could not be written.
        """
        tipo, contenido = _tipo_y_contenido(self._enviar(id_cliente))
        return self._diario.anotar(f"{_PREFIJO}{id_cliente}", tipo, self._reloj.ahora_ms(), contenido)

    def marcar_salida(self, id_cliente: str) -> Awaitable[None]:
        """As `marcar_envio`, for an exit: it is on its way to the disk at once, and nobody has to wait.

        Raises:
            EmergenciaOperacional: At once or when awaited: it could not be written; it counts as sent.
        """
        self._escribir(id_cliente, *_tipo_y_contenido(self._enviar(id_cliente)))
        return self._diario.asentar()

    def neto(self, ficha: str) -> float:
        """Signed sum of what is known to be filled of the orders whose token begins so."""
        suyas = (vida for vida in self._vidas.values() if vida.ficha.startswith(f"{ficha}:"))
        return suma(*(vida.ejecutada if vida.lado is LadoOrden.BUY else -vida.ejecutada for vida in suyas))

    def olvidar(self, id_cliente: str) -> None:
        """Drop an order that was never sent."""
        del self._vidas[id_cliente]
        self._abiertas.pop(id_cliente, None)

    def aplicar(self, id_cliente: str, hecho: Hecho) -> VidaOrden:
        """Learn a fact; what is new is written down.

        It happened, so it is known even when the journal is broken and cannot take it.

        Raises:
            ValueError: It contradicts what is known.
        """
        antes = self._vidas[id_cliente]
        despues = avanzar(antes, hecho)
        if despues is not antes:
            self._recordar(despues)
            if despues.terminada and not antes.terminada:
                self.acabadas[despues.estado] += 1
            try:
                self._escribir(id_cliente, *_tipo_y_contenido(hecho))
            except EmergenciaOperacional as fallo:
                log.critical("diario_roto", motivo=str(fallo))
        return despues

    def _escribir(self, id_cliente: str, tipo: str, contenido: dict[str, object]) -> None:
        self._diario.anotar_luego(f"{_PREFIJO}{id_cliente}", tipo, self._reloj.ahora_ms(), contenido)

    def _enviar(self, id_cliente: str) -> Enviada:
        vida = self._vidas[id_cliente]
        hecho = Enviada(vida.intentos + 1)
        self._recordar(avanzar(vida, hecho))
        return hecho

    def _recordar(self, vida: VidaOrden) -> None:
        self._vidas[vida.id_cliente] = vida
        if vida.terminada:
            self._abiertas.pop(vida.id_cliente, None)
        else:
            self._abiertas[vida.id_cliente] = vida

    def _podar(self) -> None:
        """Drop the oldest of the orders that are over, beyond those that are kept."""
        sobran = len(self._vidas) - len(self._abiertas) - _TERMINADAS_RECORDADAS
        if sobran > 0:
            terminadas = (clave for clave in self._vidas if clave not in self._abiertas)
            for clave in tuple(islice(terminadas, sobran)):
                del self._vidas[clave]


def _tipo_y_contenido(hecho: Hecho) -> tuple[str, dict[str, object]]:
    match hecho:
        case Enviada(intento=intento):
            return "ORDER_SENT", {"attempt": intento}
        case Vista():
            return _TIPOS_VISTA[hecho.estado], {
                "order_id": hecho.id_bolsa,
                "executed": hecho.ejecutada,
                "average_price": hecho.precio_medio,
                "status": hecho.motivo,
            }
        case Rechazada(motivo=motivo, codigo=codigo):
            return "ORDER_REJECTED", {"reason": motivo, "code": codigo}
        case Incierta(motivo=motivo):
            return "ORDER_UNCERTAIN", {"reason": motivo}
        case Ausente():
            return "ORDER_ABSENT", {}
        case _:
            assert_never(hecho)


def _leer_intencion(id_cliente: str, contenido: Mapping[str, Any]) -> VidaOrden:
    return VidaOrden(
        id_cliente,
        str(contenido["symbol"]),
        LadoOrden(contenido["side"]),
        float(contenido["quantity"]),
        bool(contenido["reduce_only"]),
        str(contenido["token"]),
        _numero(contenido["position"]),
    )


def _leer_hecho(tipo: str, contenido: Mapping[str, Any]) -> Hecho:
    match tipo:
        case "ORDER_SENT":
            return Enviada(int(contenido["attempt"]))
        case "ORDER_REJECTED":
            codigo = contenido["code"]
            return Rechazada(str(contenido["reason"]), None if codigo is None else int(codigo))
        case "ORDER_UNCERTAIN":
            return Incierta(str(contenido["reason"]))
        case "ORDER_ABSENT":
            return Ausente()
        case _:
            return Vista(
                _ESTADOS_VISTA[tipo],
                int(contenido["order_id"]),
                float(contenido["executed"]),
                _numero(contenido["average_price"]),
                str(contenido["status"]),
            )


def _numero(valor: object) -> float | None:
    return None if valor is None else float(str(valor))
