"""What must hold after any number of kills and faults; each check names what breaks it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from caos.mayor import saldos
from caos.proteccion import cierra_lo_abierto, solo_aprieta
from caos.pruebas import Evento, Pruebas
from src.nucleo.registro import textos_de

DESNUDA_MAX_S = 2.0
_ACTOR = "action"
_PASO = "paso"
_STOP = "STOP_MARKET"


class Violacion(NamedTuple):
    """Something that must not be."""

    invariante: str
    detalle: str


Comprobacion = Callable[[Pruebas], Iterator[str]]


def comprobar(pruebas: Pruebas) -> list[Violacion]:
    """Check everything."""
    return [
        Violacion(nombre, detalle)
        for nombre, comprobacion in COMPROBACIONES
        for detalle in comprobacion(pruebas)
    ]


def ordenes_una_vez(p: Pruebas) -> Iterator[str]:
    """No intent is executed twice, beyond its quantity, or without being one."""
    cantidades: dict[str, Decimal] = {}
    for evento in p.de_tipo("ORDER_INTENT"):
        id_cliente = evento.agregado.removeprefix("order:")
        if id_cliente in cantidades:
            yield f"order {id_cliente} was intended twice (seq {evento.seq})"
        cantidades[id_cliente] = _decimal(evento.contenido["quantity"])
    ejecutadas: Counter[str] = Counter()
    sumas: defaultdict[str, Decimal] = defaultdict(Decimal)
    for orden in p.libros.ordenes:
        if not orden.propia or orden.id in p.libros.hijas:
            continue
        ejecutadas[orden.id_cliente] += orden.ejecutada > 0
        sumas[orden.id_cliente] += orden.ejecutada
        if orden.id_cliente not in cantidades and not orden.solo_reduce:
            yield f"order {orden.id_cliente} ({orden.id}) adds exposure and was never intended"
    for id_cliente, veces in ejecutadas.items():
        if veces > 1:
            yield f"order {id_cliente} was executed {veces} times"
        if sumas[id_cliente] > cantidades.get(id_cliente, sumas[id_cliente]):
            yield f"order {id_cliente} executed {sumas[id_cliente]} of {cantidades[id_cliente]} intended"


def una_orden_por_ficha(p: Pruebas) -> Iterator[str]:
    """A decision has one operation, and each of its orders one client id."""
    por_ficha: defaultdict[str, set[str]] = defaultdict(set)
    for evento in p.de_tipo("ORDER_INTENT"):
        por_ficha[str(evento.contenido["token"])].add(evento.agregado)
    for ficha, agregados in por_ficha.items():
        if len(agregados) > 1:
            yield f"the token {ficha} has {len(agregados)} orders: {', '.join(sorted(agregados))}"
    operaciones: defaultdict[str, set[str]] = defaultdict(set)
    for ficha in por_ficha:
        decision, _, operacion = ficha.rpartition(":")[0].rpartition(":")
        if decision.rpartition(":")[2].isdigit() and not ficha.startswith(("emergency:", "unprotected:")):
            operaciones[decision].add(operacion)
    for decision, distintas in operaciones.items():
        if len(distintas) > 1:
            yield f"the decision {decision} sent orders for {', '.join(sorted(distintas))}"


def posicion_conocida(p: Pruebas) -> Iterator[str]:
    """At every record the account is the fold of the fills up to its cursor; at the end, the exchange's."""
    fills = sorted(p.libros.fills)
    por_id = {fill.id: fill.cantidad for fill in fills}
    ultima: Evento | None = None
    indice, cantidad = 0, Decimal(0)
    for evento in p.de_tipo("ROWS", "CANDLE_DECIDED", "CANDLES"):
        estado = evento.contenido.get("state")
        if estado is None:
            continue
        ultima = evento
        hasta, propias = int(estado["cursor"][1]), set(map(int, estado["cursor"][2]))
        while indice < len(fills) and fills[indice].id <= hasta:
            cantidad += fills[indice].cantidad
            indice += 1
        adelantadas = sum((por_id[i] for i in propias if i > hasta and i in por_id), Decimal(0))
        conocida = _cantidad_de(estado["account"])
        if conocida != cantidad + adelantadas:
            yield (
                f"record {evento.seq} ({evento.tipo}) knows a position of {conocida}, the fills up to {hasta}"
                f" make {cantidad + adelantadas}"
            )
    if ultima is None:
        return
    conocida = _cantidad_de(ultima.contenido["state"]["account"])
    if conocida != p.libros.cantidad:
        yield f"at the end the daemon knows a position of {conocida}, the exchange {p.libros.cantidad}"


def filas_de_la_bitacora(p: Pruebas) -> Iterator[str]:
    """Every session's CSV holds the journal's rows, all of them, once, in order."""
    anotadas: defaultdict[str, list[list[str]]] = defaultdict(list)
    for evento in p.de_tipo("ROWS"):
        sesion = str(evento.contenido["session"])
        anotadas[sesion] += [textos_de(fila) for fila in evento.contenido["rows"]]
        if len(anotadas[sesion]) != int(evento.contenido["state"]["rows"]):
            yield (
                f"record {evento.seq} says that session {sesion} has {evento.contenido['state']['rows']}"
                f" rows, the journal has {len(anotadas[sesion])}"
            )
    for sesion in sorted(anotadas.keys() | p.filas.keys()):
        yield from _comparar(sesion, anotadas[sesion], p.filas.get(sesion, ()))


def _comparar(sesion: str, bitacora: list[list[str]], archivo: Iterable[object]) -> Iterator[str]:
    escritas = [list(fila) for fila in archivo]  # type: ignore[call-overload]
    if len(escritas) != len(bitacora):
        yield f"session {sesion} has {len(escritas)} rows in its CSV and {len(bitacora)} in the journal"
    for numero, (una, otra) in enumerate(zip(escritas, bitacora, strict=False), 1):
        if una != otra:
            yield f"row {numero} of session {sesion} is not the journal's: {una} and {otra}"
            return


def pasos_contiguos(p: Pruebas) -> Iterator[str]:
    """``paso`` counts the candles acted on from 1 without gaps; a fill in between repeats it.

    An emergency that began with a candle is what was done about it.
    """
    pasos: dict[str, int] = {}
    for evento in p.de_tipo("ROWS"):
        sesion = str(evento.contenido["session"])
        for fila in evento.contenido["rows"]:
            paso, anterior = int(fila[_PASO]), pasos.get(sesion, 0)
            de_emergencia = fila["status"] == "emergencia" and paso == anterior + 1
            if paso != anterior + (fila[_ACTOR] is not None) and not de_emergencia:
                yield f"record {evento.seq}: a row of session {sesion} has paso {paso} after {anterior}"
            pasos[sesion] = paso


def velas_una_vez(p: Pruebas) -> Iterator[str]:
    """Every candle is taken, and decided on once unless something kept the daemon from it.

    One that nobody heard is taken by the next session's warm-up when an emergency comes before the next one.
    """
    decididas = Counter(int(evento.contenido["candle"][0]) for evento in p.de_tipo("CANDLE_DECIDED"))
    for apertura_ms, veces in decididas.items():
        if veces > 1:
            yield f"the candle {apertura_ms} was decided {veces} times"
    tomadas = {int(vela[0]) for evento in p.de_tipo("CANDLES") for vela in evento.contenido["candles"]}
    tomadas |= p.calentadas
    perdonadas = _velas_de_emergencias(p)
    explicadas = perdonadas | p.no_oidas | _velas_de_salidas_sin_apuntar(p)
    for apertura_ms in p.velas:
        if apertura_ms in decididas or apertura_ms in perdonadas:
            continue
        if apertura_ms not in tomadas:
            yield f"the candle {apertura_ms} was neither decided nor written down"
        elif apertura_ms not in explicadas:
            yield f"the candle {apertura_ms} was taken and not decided, although nothing kept it from that"


def _velas_de_salidas_sin_apuntar(p: Pruebas) -> set[int]:
    """Candles whose exit was sent beside a decision that did not reach the disk."""
    intenciones = {evento.agregado.removeprefix("order:") for evento in p.de_tipo("ORDER_INTENT")}
    propias = [o for o in p.libros.ordenes if o.propia and o.id_cliente not in intenciones]
    instantes = {o.tiempo_ms - adelanto for o in propias for adelanto in (0, p.adelanto_ms)}
    return {vela for instante in instantes for vela in sorted(v for v in p.velas if v < instante)[-1:]}


def _velas_de_emergencias(p: Pruebas) -> set[int]:
    """The newest candle when an emergency began, and those until a session was started again."""
    perdidas: set[int] = set()
    desde_ms: int | None = None
    for evento in p.eventos:
        match evento.tipo:
            case "EMERGENCY" | "LATCHED":
                desde_ms = evento.instante_ms - p.adelanto_ms if desde_ms is None else desde_ms
            case "CANDLE_DECIDED" if desde_ms is not None:
                hasta_ms = int(evento.contenido["candle"][0])
                perdidas |= set(_entre(p.velas, desde_ms, hasta_ms))
                desde_ms = None
            case _:
                pass
    if desde_ms is not None:
        perdidas |= set(_entre(p.velas, desde_ms, max(p.velas, default=0) + 1))
    return perdidas


def _entre(velas: Iterable[int], desde_ms: int, hasta_ms: int) -> list[int]:
    """Candles that had not been decided when something began, up to the one decided after it."""
    orden = sorted(velas)
    previas = [vela for vela in orden if vela < desde_ms][-1:]
    return previas + [vela for vela in orden if desde_ms <= vela < hasta_ms]


def versiones_sin_huecos(p: Pruebas) -> Iterator[str]:
    """The journal counts without gaps, as a whole and within each aggregate."""
    versiones: Counter[str] = Counter()
    for esperado, evento in enumerate(p.eventos, 1):
        if evento.seq != esperado:
            yield f"record {esperado} is missing: {evento.seq} comes instead"
            return
        versiones[evento.agregado] += 1
        if evento.version != versiones[evento.agregado]:
            yield (
                f"record {evento.seq} is version {evento.version} of {evento.agregado}, not"
                f" {versiones[evento.agregado]}"
            )


def nunca_desnuda(p: Pruebas) -> Iterator[str]:
    """No position stands without a live stop for long; at the end what is open has its stops, nothing else.

    That is one that closes all of it, unless no price calls for it, and of each kind of the others as much as
    the position.
    """
    for tramo in p.libros.desnuda:
        if tramo.dura_s > DESNUDA_MAX_S:
            yield f"a position stood without a stop for {tramo.dura_s:g} s of market time: {tramo}"
    vivos, cantidad = p.libros.stops_vivos, p.libros.cantidad
    donde = f"wait at the exchange for a position of {cantidad}"
    if cantidad == 0:
        if vivos:
            yield f"at the end {len(vivos)} stops {donde}"
        return
    ajenos = [vivo for vivo in vivos if vivo.compra is (cantidad > 0)]
    if ajenos:
        yield f"at the end stops of the other side {donde}: {ajenos}"
    nivel, freno = _queridos(p)
    cierran = [vivo for vivo in vivos if vivo.cantidad is None]
    if len(cierran) != nivel:
        yield f"at the end {len(cierran)} stops that close all of it {donde}"
    if not nivel and freno and not any(vivo.tipo == _STOP for vivo in vivos):
        yield f"at the end no stop at all waits at the exchange for a position of {cantidad}"
    for tipo in {vivo.tipo for vivo in vivos}:
        partes = [(v.gatillo, v.cantidad) for v in vivos if v.tipo == tipo and v.cantidad is not None]
        if partes and (len({g for g, _ in partes}) > 1 or sum(c for _, c in partes) != abs(cantidad)):
            yield f"at the end these {tipo} orders {donde}: {partes}"


def _queridos(p: Pruebas) -> tuple[bool, bool]:
    """Whether the newest level has a stop that closes all of the position, and one that trails."""
    contenido: dict[str, Any] = {}
    for evento in p.de_tipo("LEVEL_SET", "LEVEL_CLEARED"):
        contenido = evento.contenido
    return contenido.get("level", 0.0) is not None, contenido.get("brake") is not None


def _cantidad_de(cuenta: list[float]) -> Decimal:
    return _decimal(cuenta[1]) if len(cuenta) > 1 else Decimal(0)


def _decimal(numero: float) -> Decimal:
    return Decimal(repr(numero))


COMPROBACIONES: tuple[tuple[str, Comprobacion], ...] = (
    ("orders happen once", ordenes_una_vez),
    ("one order for each token", una_orden_por_ficha),
    ("the position is known", posicion_conocida),
    ("the CSV is the journal's", filas_de_la_bitacora),
    ("steps are contiguous", pasos_contiguos),
    ("every candle once", velas_una_vez),
    ("versions have no gaps", versiones_sin_huecos),
    ("never without a stop", nunca_desnuda),
    ("a stop only tightens", solo_aprieta),
    ("stops close what was open", cierra_lo_abierto),
    ("the ledger is the exchange's", saldos),
)
