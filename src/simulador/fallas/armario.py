"""Armed faults: which of them an occasion brings about, and what has happened so far."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from src.simulador.fallas.clases import Clase, Ocasion
from src.simulador.fallas.falla import Armada, Falla
from src.simulador.fallas.valores import GuionInvalido

MAX_BITACORA = 10_000


class Llamada(NamedTuple):
    """A REST request as triggers see it."""

    metodo: str
    ruta: str
    valores: Mapping[str, str]
    clave: str  # API key; empty without one

    @property
    def nombre(self) -> str:
        """``METHOD /path``."""
        return f"{self.metodo} {self.ruta}"


@dataclass(frozen=True, slots=True)
class Disparada:
    """A fault that is due now."""

    falla: Falla
    lugar: str
    clave: str = ""  # account of the occasion; empty when it has none


class Armario:
    """Keeps the armed faults and counts occasions."""

    def __init__(self) -> None:
        self._armadas: list[Armada] = []
        self._por_ocasion: dict[Ocasion, list[Armada]] = {ocasion: [] for ocasion in Ocasion}
        self._creadas = 0
        self._llamadas: Counter[tuple[str, str]] = Counter()  # (key, METHOD /path)
        self._eventos: Counter[tuple[str, str]] = Counter()  # (key, type)
        self.por_clase: Counter[Clase] = Counter()
        self.bitacora: deque[dict[str, object]] = deque(maxlen=MAX_BITACORA)
        self.paso = 0
        self.vela = 0

    @property
    def armadas(self) -> tuple[Armada, ...]:
        """Faults that still wait."""
        return tuple(self._armadas)

    def armar(self, fallas: Iterable[Falla]) -> list[int]:
        """Arm faults, all or none; their numbers.

        Raises:
            GuionInvalido: The occasion of one is past.
        """
        nuevas = [self._preparar(numero, falla) for numero, falla in enumerate(fallas, self._creadas + 1)]
        self._creadas += len(nuevas)
        for armada in nuevas:
            self._armadas.append(armada)
            self._por_ocasion[armada.falla.cuando.ocasion].append(armada)
        return [armada.id for armada in nuevas]

    def desarmar(self) -> int:
        """Forget every armed fault; how many there were."""
        cuantas = len(self._armadas)
        self._armadas.clear()
        for lista in self._por_ocasion.values():
            lista.clear()
        return cuantas

    def hay(self, ocasion: Ocasion) -> bool:
        """Whether something waits for such an occasion."""
        return bool(self._por_ocasion[ocasion])

    def en_llamada(self, llamada: Llamada) -> list[Disparada]:
        """A request has arrived; at most one fault decides its answer."""
        quien = (llamada.clave, llamada.nombre)
        self._llamadas[quien] += 1
        armadas = self._por_ocasion[Ocasion.CALL]
        if not armadas:
            return []
        numero, debidas, decidida = self._llamadas[quien], [], False
        for armada in list(armadas):
            if not _es_llamada(armada.falla, llamada):
                continue
            debida = armada.contar(f"{llamada.clave}|{llamada.nombre}", numero, self.paso)
            decide = armada.falla.ficha.decide
            if debida and not (decide and decidida):
                decidida = decidida or decide
                debidas.append(self._disparar(armada, f"{llamada.nombre} #{numero}", llamada.clave))
        return debidas

    def en_paso(self, paso: int, vela: int | None) -> list[Disparada]:
        """The market is about to take a step, which closes candle ``vela`` unless that is ``None``."""
        self.paso = paso
        debidas = self._en_numero(Ocasion.STEP, paso)
        if vela is not None:
            self.vela = vela
            debidas += self._en_numero(Ocasion.CANDLE, vela)
        return debidas

    def en_evento(self, clave: str, tipo: str, cuerpo: Mapping[str, Any]) -> list[Disparada]:
        """A user event has been sent."""
        self._eventos[clave, tipo] += 1
        numero, debidas = self._eventos[clave, tipo], []
        for armada in list(self._por_ocasion[Ocasion.EVENT]):
            cuando = armada.falla.cuando
            if cuando.cuenta not in ("", clave) or not fnmatchcase(tipo, cuando.patron):
                continue
            if not _coinciden(cuando.donde, cuerpo):
                continue
            if armada.contar(f"{clave}|{tipo}", numero, self.paso):
                debidas.append(self._disparar(armada, f"{tipo} #{numero}", clave))
        return debidas

    def en_gatillo(self, clases: Collection[Clase], clave: str, orden: str) -> Clase | None:
        """The price has met a stop's trigger: the first of some kinds that is due."""
        for armada in list(self._por_ocasion[Ocasion.TRIGGER]):
            falla = armada.falla
            if falla.clase not in clases or falla.cuando.cuenta not in ("", clave):
                continue
            if armada.contar(f"{clave}|trigger", armada.vistas + 1, self.paso):
                return self._disparar(armada, f"trigger of {orden}", clave).falla.clase
        return None

    def ahora(self) -> list[Disparada]:
        """The faults that were armed for right now."""
        return [self._disparar(armada, "now", "") for armada in list(self._por_ocasion[Ocasion.NOW])]

    def _en_numero(self, ocasion: Ocasion, numero: int) -> list[Disparada]:
        return [
            self._disparar(armada, f"{ocasion.value} {numero}", "")
            for armada in list(self._por_ocasion[ocasion])
            if armada.contar(ocasion.value, numero, self.paso)
        ]

    def _disparar(self, armada: Armada, lugar: str, clave: str) -> Disparada:
        armada.disparadas += 1
        self.por_clase[armada.falla.clase] += 1
        if armada.agotada:
            self._armadas.remove(armada)
            self._por_ocasion[armada.falla.cuando.ocasion].remove(armada)
        registro: dict[str, object] = {
            "id": armada.id,
            "kind": armada.falla.clase.value,
            "step": self.paso,
            "at": lugar,
        }
        self.bitacora.append(registro | ({"account": clave} if clave else {}))
        return Disparada(armada.falla, lugar, clave)

    def _preparar(self, numero: int, falla: Falla) -> Armada:
        armada = Armada(numero, self._situar(falla))
        if falla.cuando.desde_inicio:
            armada.vistas = self._ya_vistas(falla)
        if falla.azar is None and falla.veces is not None and self._pasada(armada):
            raise GuionInvalido(
                (),
                f"{falla.clase.value} at {falla.cuando.ocasion.value} {armada.falla.cuando.desde} is past:"
                f" {armada.vistas} such calls or events, {self.paso} steps and {self.vela} candles have been",
            )
        return armada

    def _situar(self, falla: Falla) -> Falla:
        """A number of steps or candles counted from now becomes the market's own."""
        cuando = falla.cuando
        if cuando.desde_inicio or cuando.ocasion not in (Ocasion.STEP, Ocasion.CANDLE):
            return falla
        pasados = self.paso if cuando.ocasion is Ocasion.STEP else self.vela
        return replace(falla, cuando=replace(cuando, desde=cuando.desde + pasados))

    def _ya_vistas(self, falla: Falla) -> int:
        cuando = falla.cuando
        contadas: Iterable[tuple[tuple[str, str], int]] = (
            self._llamadas.items() if cuando.ocasion is Ocasion.CALL else self._eventos.items()
        )
        return sum(
            veces
            for (clave, nombre), veces in contadas
            if cuando.cuenta in ("", clave) and fnmatchcase(nombre, cuando.patron)
        )

    def _pasada(self, armada: Armada) -> bool:
        """Whether a number that fires once can come no more."""
        cuando = armada.falla.cuando
        match cuando.ocasion:
            case Ocasion.STEP:
                pasados = self.paso
            case Ocasion.CANDLE:
                pasados = self.vela
            case Ocasion.CALL | Ocasion.EVENT:
                pasados = armada.vistas
            case Ocasion.TRIGGER | Ocasion.NOW:
                return False
        return 0 < cuando.desde <= pasados


def _es_llamada(falla: Falla, llamada: Llamada) -> bool:
    cuando = falla.cuando
    return (
        cuando.cuenta in ("", llamada.clave)
        and fnmatchcase(llamada.nombre, cuando.patron)
        and _coinciden(cuando.donde, llamada.valores)
        and not _exenta(falla.clase, llamada.valores)
    )


def _exenta(clase: Clase, valores: Mapping[str, str]) -> bool:
    """Whether a kind cannot happen to a request."""
    if clase is Clase.ERROR_1008:
        return "true" in (valores.get("reduceOnly"), valores.get("closePosition"))
    return clase is Clase.PARTIAL_FILL and valores.get("type") != "MARKET"


def _coinciden(donde: Mapping[str, str], valores: Mapping[str, Any]) -> bool:
    for nombre, esperado in donde.items():
        valor = valores.get(nombre)
        texto = str(valor).lower() if isinstance(valor, bool) else str(valor)
        if valor is None or texto != esperado:
            return False
    return True
