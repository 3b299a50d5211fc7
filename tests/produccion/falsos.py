"""Fakes of the daemon's ports: small, honest, and able to fail in the ways the exchange does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from src.nucleo.cartera import aplicar_compraventa
from src.nucleo.dinero import redondear
from src.nucleo.errores import (
    EmergenciaOperacional,
    ErrorBolsa,
    LecturaFallida,
    OrdenRechazada,
    ResultadoIncierto,
)
from src.nucleo.intervalos import cierre_de
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Mercado, Observacion, TipoMargen, Vela
from src.produccion.diario.diario import EventoDiario
from src.produccion.puertos import (
    ClaseIngreso,
    CuentaBolsa,
    EstadoOrden,
    EventoMercado,
    InfoSimbolo,
    Ingreso,
    ModoCuenta,
    RespuestaOrden,
    Transaccion,
)
from tests.constructores import INICIO_MS, un_mercado
from tests.produccion.falsos_stops import Pierde, StopsFalsos


class Parcial(NamedTuple):
    """Only a part is filled; the rest expires."""

    cantidad: float


class Acuse(Enum):
    """An answer that says only that the order was taken."""

    NEW = auto()


_CUENTA = EstadoCuenta(10_000.0)
_MODO = ModoCuenta(False, False)

Fallo = Exception | Pierde | Parcial | Acuse | None


class RelojFalso:
    """Stands still until it is told."""

    def __init__(self, ahora_ms: int = INICIO_MS) -> None:
        self.instante_ms = ahora_ms

    def ahora_ms(self) -> int:
        return self.instante_ms

    def observar(self, evento_ms: int) -> None:
        self.instante_ms = max(self.instante_ms, evento_ms)

    def sincronizar(self, servidor_ms: int) -> None:
        self.instante_ms = servidor_ms


class OyenteFalso:
    """Remembers what a stream told of itself."""

    def __init__(self) -> None:
        self.oidos: list[str] = []

    def cae(self, _motivo: str) -> None:
        self.oidos.append("cae")

    def vuelve(self) -> None:
        self.oidos.append("vuelve")


class DiarioFalso:
    """A journal in memory; ``roto`` makes it fail as a full disk does."""

    def __init__(self) -> None:
        self.eventos: list[EventoDiario] = []
        self.roto = False
        self.al_anotar: list[str] = []  # order of what happened, shared with `BolsaFalsa.bitacora`

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        await asyncio.sleep(0.01)
        self.anotar_luego(agregado, tipo, instante_ms, contenido)

    def anotar_luego(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        if self.roto:
            raise EmergenciaOperacional("the journal cannot be written: disk full")
        version = sum(e.agregado == agregado for e in self.eventos) + 1
        self.eventos.append(
            EventoDiario(len(self.eventos) + 1, agregado, version, tipo, instante_ms, contenido)
        )
        self.al_anotar.append(tipo)

    async def asentar(self) -> None:
        await asyncio.sleep(0.01)
        if self.roto:
            raise EmergenciaOperacional("the journal cannot be written: disk full")

    def tipos(self, agregado: str | None = None) -> list[str]:
        """The types of the events, of one aggregate or all."""
        return [e.tipo for e in self.eventos if agregado in (None, e.agregado)]

    def ultimo(self, tipo: str) -> dict[str, object]:
        """Contents of the newest event of a type."""
        return next(e.contenido for e in reversed(self.eventos) if e.tipo == tipo)


class AvanceFalso:
    """Counts what it is told."""

    def __init__(self, *, en_paso: bool = False) -> None:
        self.en_paso = en_paso
        self.uniones: list[tuple[str, str]] = []
        self.hechos = 0
        self.salidas = 0

    async def unirse(self, simbolo: str, intervalo: str) -> bool:
        self.uniones.append((simbolo, intervalo))
        return self.en_paso

    async def hecho(self) -> None:
        self.hechos += 1

    async def salir(self) -> None:
        self.salidas += 1


class FuenteFalsa:
    """Plays a script, a minute apart, then stays silent; ``termina`` ends the stream instead.

    A callable in the script is run in its place: something that happens in the world meanwhile.
    """

    def __init__(self, guion: Iterable[object], *, termina: bool = False) -> None:
        self._guion = list(guion)
        self._termina = termina

    async def eventos(self, simbolo: str, intervalo: str) -> AsyncIterator[EventoMercado]:
        for paso in self._guion:
            if callable(paso):
                paso()
            else:
                yield paso  # type: ignore[misc]
            await asyncio.sleep(60.0)
        if not self._termina:
            await asyncio.sleep(1e9)


class PoliticaGuion:
    """Answers the actions of a list, the last one for ever; keeps the observations it was shown."""

    def __init__(self, *acciones: float) -> None:
        self._acciones = deque(acciones or (0.0,))
        self.vistas: list[Observacion] = []

    def predecir(self, observacion: Observacion) -> float:
        self.vistas.append(observacion)
        return self._acciones.popleft() if len(self._acciones) > 1 else self._acciones[0]


@dataclass
class BolsaFalsa(StopsFalsos):
    """An exchange of one symbol with one account, filled at ``precio``.

    ``fallos`` are used up by `enviar`, one for each order that is sent.
    """

    mercado: Mercado = field(default_factory=un_mercado)
    reloj: RelojFalso = field(default_factory=RelojFalso)
    estado: EstadoCuenta = _CUENTA
    precio_actual: float = 30_000.0
    historia: list[Vela] = field(default_factory=list)
    intervalo: str = "1h"
    fallos: deque[Fallo] = field(default_factory=deque)
    consultas_ausentes: int = 0  # how many times `consultar` does not know an order that exists
    consultas_fallidas: int = 0
    consultas_en_curso: bool = False  # `consultar` says that the order is still working
    lecturas_fallidas: int = 0  # how many times `cuenta` gets no answer, but this
    fallo_al_leer: ErrorBolsa = field(default_factory=lambda: LecturaFallida("no answer from the exchange"))
    retraso_lecturas: int = 0  # how many times after a fill `cuenta` answers what was true before it
    velas_fallidas: int = 0  # how many times `velas` gets no answer
    transacciones_tardias: int = 0  # how many reads of fills come back empty
    modo: ModoCuenta = _MODO
    estado_simbolo: str = "TRADING"
    apalancamiento: int = 2
    acepta_apalancamiento: bool = True
    margen: TipoMargen = TipoMargen.CROSSED
    acepta_margen: bool = True
    enviadas: list[Orden] = field(default_factory=list)
    aceptadas: list[Orden] = field(default_factory=list)
    cancelaciones: int = 0
    pedidos: list[str] = field(default_factory=list)  # names of the calls, in order
    al_enviar: Callable[[], object] | None = None  # runs each time an order is sent
    al_ejecutar: Callable[[RespuestaOrden, Transaccion], object] = lambda _, __: None  # the user stream
    demora_envio_s: float = 0.0  # how long an order takes to arrive; used up by the first one
    cancelaciones_fallidas: int = 0  # how many times `cancelar_todas` gets no answer
    consultas_rechazadas: int = 0  # how many times `consultar` is refused
    _respuestas: dict[str, RespuestaOrden] = field(default_factory=dict)
    _operadas: list[Transaccion] = field(default_factory=list)
    _ingresos: list[Ingreso] = field(default_factory=list)
    _creadas: int = 0
    _antes: EstadoCuenta = _CUENTA
    _atrasadas: int = 0

    # --- the port ---

    async def hora_ms(self) -> int:
        return self.reloj.ahora_ms()

    async def info_simbolo(self, simbolo: str) -> InfoSimbolo:
        return InfoSimbolo(mercado=self.mercado, estado=self.estado_simbolo)

    async def modo_cuenta(self) -> ModoCuenta:
        return self.modo

    async def fijar_apalancamiento(self, simbolo: str, apalancamiento: int) -> None:
        if self.acepta_apalancamiento:
            self.apalancamiento = apalancamiento

    async def fijar_margen(self, simbolo: str, tipo: TipoMargen) -> None:
        if self.acepta_margen:
            self.margen = tipo

    async def velas(
        self,
        simbolo: str,
        intervalo: str,
        *,
        desde_ms: int | None = None,
        hasta_ms: int | None = None,
        limite: int,
    ) -> Sequence[Vela]:
        self.pedidos.append("velas")
        if self.velas_fallidas > 0:
            self.velas_fallidas -= 1
            raise LecturaFallida("no answer from the exchange")
        cerradas = [
            vela
            for vela in self.historia
            if cierre_de(vela.apertura_ms, self.intervalo) < self.reloj.ahora_ms()
            and (desde_ms is None or vela.apertura_ms >= desde_ms)
            and (hasta_ms is None or vela.apertura_ms <= hasta_ms)
        ]
        return cerradas[-limite:] if desde_ms is None else cerradas[:limite]

    async def cuenta(self, simbolo: str) -> CuentaBolsa:
        self.pedidos.append("cuenta")
        if self.lecturas_fallidas > 0:
            self.lecturas_fallidas -= 1
            raise self.fallo_al_leer
        estado = self.estado
        if self._atrasadas > 0:
            self._atrasadas -= 1
            estado = self._antes
        return CuentaBolsa(estado, estado.saldo, self.apalancamiento, self.margen is TipoMargen.ISOLATED)

    def atrasar(self, lecturas: int) -> None:
        """From here on `cuenta` answers so many times what was true before the last fill."""
        self._atrasadas = lecturas

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        self.pedidos.append("enviar")
        self.enviadas.append(orden)
        if self.al_enviar is not None:
            self.al_enviar()
        fallo = self.fallos.popleft() if self.fallos else None
        if isinstance(fallo, Exception):
            raise fallo
        if fallo is Pierde.ANTES:
            raise ResultadoIncierto("no answer from the exchange")
        if self.demora_envio_s:
            # The request is on its way: giving up waiting for it does not call it back.
            await asyncio.shield(asyncio.ensure_future(self._llegar_tarde(orden)))
            return self._respuestas[orden.id_cliente]
        respuesta = self._aceptar(orden, fallo.cantidad if isinstance(fallo, Parcial) else orden.cantidad)
        if fallo is Pierde.DESPUES:
            raise ResultadoIncierto("no answer from the exchange")
        if fallo is Acuse.NEW:
            return respuesta._replace(estado=EstadoOrden.NEW, cantidad_ejecutada=0.0, precio_medio=None)
        return respuesta

    async def _llegar_tarde(self, orden: Orden) -> None:
        demora_s, self.demora_envio_s = self.demora_envio_s, 0.0
        await asyncio.sleep(demora_s)
        self._aceptar(orden, orden.cantidad)

    async def consultar(self, simbolo: str, id_cliente: str) -> RespuestaOrden | None:
        self.pedidos.append("consultar")
        if self.consultas_rechazadas > 0:
            self.consultas_rechazadas -= 1
            raise OrdenRechazada("refused (code -1008)", codigo=-1008)
        if self.consultas_fallidas > 0:
            self.consultas_fallidas -= 1
            raise LecturaFallida("no answer from the exchange")
        if self.consultas_en_curso:
            return RespuestaOrden(id_cliente, 0, EstadoOrden.NEW, 0.0, None)
        if id_cliente in self._respuestas and self.consultas_ausentes > 0:
            self.consultas_ausentes -= 1
            return None
        return self._respuestas.get(id_cliente)

    async def id_cliente_de(self, simbolo: str, id_bolsa: int) -> str:
        return next(r.id_cliente for r in self._respuestas.values() if r.id_bolsa == id_bolsa)

    async def cancelar_orden(self, simbolo: str, id_cliente: str) -> None:
        self.pedidos.append("cancelar_orden")
        respuesta = self._respuestas.get(id_cliente)
        if respuesta is None or not self.consultas_en_curso:
            raise OrdenRechazada("unknown order sent (code -2011)", codigo=-2011)
        self.consultas_en_curso = False
        self._respuestas[id_cliente] = respuesta._replace(estado=EstadoOrden.CANCELED)

    async def cancelar_todas(self, simbolo: str) -> None:
        self.pedidos.append("cancelar_todas")
        if self.cancelaciones_fallidas > 0:
            self.cancelaciones_fallidas -= 1
            raise ResultadoIncierto("no answer from the exchange")
        self.cancelaciones += 1
        self.vivas.clear()

    async def transacciones(
        self, simbolo: str, *, id_orden: int | None = None, desde_id: int | None = None
    ) -> Sequence[Transaccion]:
        if self.transacciones_tardias > 0:
            self.transacciones_tardias -= 1
            return []
        return [
            fila
            for fila in self._operadas
            if id_orden in (None, fila.id_orden) and (desde_id is None or fila.id >= desde_id)
        ]

    async def ingresos(self, simbolo: str, desde_ms: int) -> Sequence[Ingreso]:
        return [ingreso for ingreso in self._ingresos if ingreso.instante_ms >= desde_ms]

    # --- the world ---

    def operar(self, cantidad: float, precio: float | None = None, id_cliente: str = "") -> None:
        """Somebody else trades the account."""
        id_cliente = id_cliente or f"web_{self._creadas + 1}"
        self._registrar(id_cliente, cantidad, precio or self.precio_actual, self.mercado.comision_taker)

    def liquidar(self, precio: float) -> None:
        """The exchange closes the position; the insurance fund covers what the wallet cannot."""
        self._registrar("autoclose-1", -self.estado.cantidad, precio, self.mercado.comision_liquidacion)
        self.estado = self.estado._replace(saldo=max(0.0, self.estado.saldo))

    def cobrar(self, clase: ClaseIngreso, monto: float, instante_ms: int | None = None) -> None:
        """Post income: funding, a transfer."""
        instante = self.reloj.ahora_ms() if instante_ms is None else instante_ms
        self.estado = self.estado._replace(saldo=redondear(self.estado.saldo + monto))
        self._ingresos.append(self._ingreso(clase, monto, instante))

    def sumar_a_la_cartera(self, monto: float) -> None:
        """Money that another symbol made or lost."""
        self.estado = self.estado._replace(saldo=redondear(self.estado.saldo + monto))

    def _siguiente_orden(self) -> int:
        self._creadas += 1
        return self._creadas

    def _ingreso(self, clase: ClaseIngreso, monto: float, instante_ms: int) -> Ingreso:
        return Ingreso(clase, monto, instante_ms, len(self._ingresos) + 1)

    def _aceptar(self, orden: Orden, cantidad: float) -> RespuestaOrden:
        if orden.solo_reduce and not self._reduce(orden):
            raise OrdenRechazada("ReduceOnly Order is rejected. (code -2022, HTTP 400)", codigo=-2022)
        self.aceptadas.append(orden)
        con_signo = cantidad if orden.lado is LadoOrden.BUY else -cantidad
        completa = cantidad == orden.cantidad
        estado = EstadoOrden.FILLED if completa else EstadoOrden.EXPIRED
        if cantidad == 0.0:
            respuesta = RespuestaOrden(orden.id_cliente, self._siguiente_orden(), estado, 0.0, None)
            self._respuestas[orden.id_cliente] = respuesta
            return respuesta
        return self._registrar(
            orden.id_cliente, con_signo, self.precio_actual, self.mercado.comision_taker, estado
        )

    def _reduce(self, orden: Orden) -> bool:
        lado_de_cierre = LadoOrden.SELL if self.estado.cantidad > 0 else LadoOrden.BUY
        return self.estado.posicion is not None and orden.lado is lado_de_cierre

    def _registrar(
        self,
        id_cliente: str,
        cantidad: float,
        precio: float,
        comision: float,
        estado: EstadoOrden = EstadoOrden.FILLED,
    ) -> RespuestaOrden:
        id_bolsa = self._siguiente_orden()
        comision_total = pnl = 0.0
        self._antes, self._atrasadas = self.estado, self.retraso_lecturas
        for trozo in self._trozos(cantidad):
            self.estado, fill = aplicar_compraventa(
                self.estado, trozo, precio, comision, self.mercado.filtros
            )
            comision_total, pnl = redondear(comision_total + fill.comision), pnl + fill.pnl_realizado
        self._operadas.append(
            Transaccion(
                len(self._operadas) + 1,
                id_bolsa,
                cantidad,
                precio,
                comision_total,
                pnl,
                self.reloj.ahora_ms(),
            )
        )
        respuesta = RespuestaOrden(id_cliente, id_bolsa, estado, abs(cantidad), precio)
        self._respuestas[id_cliente] = respuesta
        self.al_ejecutar(respuesta, self._operadas[-1])
        if self.estado.posicion is None:
            self.al_quedar_plano()
        return respuesta

    def _trozos(self, cantidad: float) -> tuple[float, ...]:
        """One fill may turn a long into a short; the arithmetic goes through flat."""
        actual = self.estado.cantidad
        if actual * cantidad < 0 and abs(cantidad) > abs(actual):
            return (-actual, redondear(cantidad + actual))
        return (cantidad,)
