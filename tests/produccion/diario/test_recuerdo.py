"""What a start reads of the journal: from the newest snapshot on, and all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.contabilidad import Contabilidad
from src.nucleo.registro import Fila
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.tipos import EstadoCuenta
from src.nucleo.vida_orden import VidaOrden
from src.produccion.cuenta import Marcador
from src.produccion.diario.diario import DiarioSqlite, EventoDiario
from src.produccion.diario.memoria import Instantanea, MemoriaAgente, escribir_instantanea, recordar_agente
from src.produccion.diario.recuerdo import Recuerdo, filas_desde, recordar_todo
from src.produccion.ingresos import CursorIngresos
from src.produccion.ordenes.ordenes_recordadas import plegar
from src.produccion.riesgo.enclavamiento import Enclavamiento, Razon, escribir_respaldo
from src.produccion.stops.stops_recordados import recordar_stops
from tests.produccion.banco import Lectura
from tests.produccion.falsos import DiarioFalso

RED = True  # the journal's own thread

AGENTE = "sim-abc:BTCUSDT:train_x"
OTRO = "sim-abc:BTCUSDT:train_y"
CUENTA = EstadoCuenta(10_000.0)
MARCADOR = Marcador(10_000.0, 0, frozenset(), 0, CursorIngresos(0))

INTENCION: dict[str, object] = {
    "token": "x",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "quantity": 0.1,
    "reduce_only": False,
    "position": None,
}
FICHA: dict[str, object] = {"token": "r", "side": "SELL", "trigger": 25_000.0, "quantity": None}


def vista(ejecutada: float) -> dict[str, object]:
    return {"order_id": 7, "executed": ejecutada, "average_price": 30_000.0, "status": ""}


VIDAS_DE_ORDEN: tuple[tuple[tuple[str, dict[str, object]], ...], ...] = (
    (("ORDER_INTENT", INTENCION), ("ORDER_SENT", {"attempt": 1}), ("ORDER_FILLED", vista(0.1))),
    (
        *(("ORDER_INTENT", INTENCION), ("ORDER_SENT", {"attempt": 1}), ("ORDER_UNCERTAIN", {"reason": "?"})),
        *(("ORDER_PARTIAL", vista(0.05)), ("ORDER_FILLED", vista(0.1))),
    ),
    (
        *(("ORDER_INTENT", INTENCION), ("ORDER_SENT", {"attempt": 1}), ("ORDER_UNCERTAIN", {"reason": "?"})),
        *(("ORDER_ABSENT", {}), ("ORDER_SENT", {"attempt": 2})),
        ("ORDER_REJECTED", {"reason": "no", "code": -2019}),
    ),
)
VIDAS_DE_STOP: tuple[tuple[tuple[str, dict[str, object]], ...], ...] = (
    (("STOP_INTENT", FICHA), ("STOP_PLACED", {"algo_id": 1}), ("STOP_TRIGGERED", {"order_id": 9})),
    (("STOP_INTENT", FICHA), ("STOP_PLACED", {"algo_id": 1}), ("STOP_CANCELED", {})),
    (("STOP_PLACED", FICHA | {"algo_id": 2}), ("STOP_EXPIRED", {"reason": "gone"})),
    (("STOP_INTENT", FICHA), ("STOP_REJECTED", {"code": -2021, "reason": "no"})),
)
NIVEL: dict[str, object] = {"operation": 1, "level": 25_000.0, "quantity": 0.1, "entry": 30_000.0}
RIESGO: tuple[tuple[str, dict[str, object]], ...] = (
    ("PEAK", {"equity": 11_000.0, "ledger": False}),
    ("LATCHED", {"reason": "max_drawdown", "by": "daemon", "at": 5, "detail": ""}),
    ("FLAT", {}),
    ("UNLOCKED", {"reason": "seen", "by": "x", "at": 6}),
)


class Escritor:
    """Writes a journal as the daemon's parts do, several orders and stops at a time."""

    def __init__(self) -> None:
        self.diario = DiarioFalso()
        self._abiertas: dict[tuple[str, int], list[tuple[str, dict[str, object]]]] = {}
        self._nombres: dict[tuple[str, int], str] = {}
        self._creados = 0
        self.paso = self.filas = 0

    def avanzar(self, clase: str, sitio: int, guion: int) -> None:
        """One more event of the order or stop at a place; a new one when the last has ended."""
        vidas = VIDAS_DE_ORDEN if clase == "order" else VIDAS_DE_STOP
        if not self._abiertas.get((clase, sitio)):
            self._creados += 1
            self._abiertas[clase, sitio] = list(vidas[guion % len(vidas)])
            self._nombres[clase, sitio] = f"{clase}:tm-{self._creados}"
        tipo, contenido = self._abiertas[clase, sitio].pop(0)
        self.diario.anotar_luego(self._nombres[clase, sitio], tipo, 0, contenido)

    def instantanea(self) -> dict[str, object]:
        """Everything as it is now, with what is not over."""
        vidas, stops = plegar(self.diario.eventos), recordar_stops(self.diario.eventos)
        abiertos = [f"order:{v.id_cliente}" for v in vidas.values() if not v.terminada]
        abiertos += [f"stop:{id_cliente}" for id_cliente in stops.fichas]
        instantanea = Instantanea(
            *(self.filas, self.paso, self.paso, CUENTA, MARCADOR, Contabilidad()),
            *(EstadoRiesgo(10_000.0), None, None, 10_000.0 + self.paso, tuple(abiertos)),
        )
        return escribir_instantanea(instantanea)

    def decidir(self) -> None:
        self.paso += 1
        contenido: dict[str, object] = {
            "session": "s1",
            "state": self.instantanea(),
            "candle": [self.paso, 1.0, 1.0, 1.0, 1.0, 1.0],
            "close_ms": self.paso + 1,
            "equity": 1.0,
            "action": 0.0,
            "reading": ["mantener", "mantener", 0.0, 0.0],
            "plan": ["mantener", [], False, ""],
            "refused": "",
            "reward": None,
        }
        self.diario.anotar_luego(f"agent:{AGENTE}", "CANDLE_DECIDED", 0, contenido)

    def anotar_filas(self, cuantas: int, sesion: str = "s1") -> None:
        filas: list[Fila] = [{"paso": self.filas + i} for i in range(cuantas)]
        self.filas += cuantas
        contenido: dict[str, object] = {"session": sesion, "rows": filas, "state": self.instantanea()}
        self.diario.anotar_luego(f"agent:{AGENTE}", "ROWS", 0, contenido)

    def anotar(self, agregado: str, tipo: str, contenido: dict[str, object]) -> None:
        self.diario.anotar_luego(agregado, tipo, 0, contenido)


sitios = st.integers(0, 2)
apuntes = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["order", "stop"]), sitios, st.integers(0, 3)),
        st.tuples(st.sampled_from(["decidir", "filas", "nivel", "sin_nivel"]), sitios, st.just(0)),
        st.tuples(st.just("riesgo"), st.integers(0, 3), st.just(0)),
        st.tuples(st.sampled_from(["RISK", "REFERENCE", "EMERGENCY", "SESSION_ENDED"]), sitios, st.just(0)),
    ),
    max_size=60,
)


def escrito(notas: Sequence[tuple[str, int, int]]) -> DiarioFalso:
    escritor = Escritor()
    propio = f"agent:{AGENTE}"
    for que, sitio, guion in notas:
        match que:
            case "order" | "stop":
                escritor.avanzar(que, sitio, guion)
            case "decidir":
                escritor.decidir()
            case "filas":
                escritor.anotar_filas(sitio + 1)
            case "nivel":
                escritor.anotar("protection", "LEVEL_SET", NIVEL | {"operation": sitio})
            case "sin_nivel":
                escritor.anotar("protection", "LEVEL_CLEARED", {})
            case "riesgo":
                escritor.anotar("risk", *RIESGO[sitio])
            case "RISK":
                escritor.anotar(propio, que, {"risk": [12_000.0 + sitio, 0.1, None]})
            case "REFERENCE":
                estado = escritor.instantanea()
                escritor.anotar(propio, que, {"equity": 9_000.0 + sitio, "ledger": False, "state": estado})
            case "EMERGENCY":
                escritor.anotar(propio, que, {"session": "s1", "row": [sitio]})
            case _:
                escritor.anotar(propio, que, {"session": "s1", "reason": "interrupted"})
    return escritor.diario


def recordado(diario: DiarioFalso, carpeta: Path = Path("nowhere")) -> Recuerdo:
    lectura: Any = Lectura(diario.eventos)
    return recordar_todo(lectura, carpeta, AGENTE)


def abiertas(vidas: Sequence[VidaOrden]) -> dict[str, VidaOrden]:
    return {vida.id_cliente: vida for vida in vidas if not vida.terminada}


@given(apuntes)
def test_leer_desde_la_ultima_instantanea_es_como_leerlo_todo(notas: list[tuple[str, int, int]]):
    diario = escrito(notas)
    recuerdo = recordado(diario)

    todo = Lectura(diario.eventos).eventos
    vidas, stops = plegar(todo), recordar_stops(todo)
    assert abiertas(list(recuerdo.ordenes.values())) == abiertas(list(vidas.values()))
    assert recuerdo.ordenes.items() <= vidas.items()
    assert recuerdo.stops.fichas == stops.fichas
    assert recuerdo.stops.puesto == stops.puesto
    assert recuerdo.stops.hijas <= stops.hijas
    del_agente = [evento for evento in todo if evento.agregado == f"agent:{AGENTE}"]
    assert recuerdo.agente == recordar_agente(del_agente)


@given(apuntes)
def test_lo_que_acabo_tras_la_instantanea_se_recuerda(notas: list[tuple[str, int, int]]):
    """Its fills may not be booked yet."""
    diario = escrito([("decidir", 0, 0), *(n for n in notas if n[0] not in ("decidir", "filas"))])
    recuerdo, todo = recordado(diario), Lectura(diario.eventos).eventos

    assert recuerdo.ordenes == plegar(todo)
    assert recuerdo.stops == recordar_stops(todo)


def test_un_stop_colocado_tras_la_instantanea_es_nuestro():
    escritor = Escritor()
    escritor.anotar_filas(1)
    escritor.avanzar("stop", 0, 0)
    escritor.avanzar("stop", 0, 0)

    recuerdo = recordado(escritor.diario)

    assert [(f.raiz, f.vive) for f in recuerdo.stops.fichas.values()] == [("r", True)]


def test_lo_que_ha_operado_otro_agente_no_es_historia_de_este():
    escritor = Escritor()
    escritor.anotar_filas(1)
    escritor.anotar(f"agent:{OTRO}", "ROWS", {"session": "s9", "rows": [], "state": escritor.instantanea()})

    memoria = recordado(escritor.diario).agente

    assert (memoria.instantanea, memoria.sesion, memoria.capital_referencia) == (None, None, 10_000.0)


def test_un_agente_nuevo_en_una_cuenta_vieja_no_lee_su_historia_y_conoce_lo_abierto():
    escritor = Escritor()
    for _ in range(3):
        escritor.avanzar("order", 0, 0)
    for _ in range(2):
        escritor.avanzar("stop", 1, 0)
        escritor.avanzar("order", 2, 1)
    escritor.anotar(f"agent:{OTRO}", "ROWS", {"session": "s9", "rows": [], "state": escritor.instantanea()})
    corte = escritor.diario.eventos[-1].seq
    escritor.avanzar("stop", 2, 1)
    leidos: list[int] = []

    class Espia(Lectura):
        def leer(self, agregado: str | None = None, *, despues_de: int = 0) -> Iterator[EventoDiario]:
            leidos.append(despues_de if agregado is None else -1)
            return super().leer(agregado, despues_de=despues_de)

    espia: Any = Espia(escritor.diario.eventos)
    recuerdo = recordar_todo(espia, Path("nowhere"), AGENTE)

    assert set(leidos) == {-1, corte}
    assert list(recuerdo.ordenes) == ["tm-3"]
    assert recuerdo.stops.fichas == recordar_stops(espia.eventos).fichas
    assert len(recuerdo.stops.fichas) == 2
    assert recuerdo.agente == MemoriaAgente()


def test_un_cerrojo_que_no_cupo_en_el_diario_se_recuerda(tmp_path: Path):
    escribir_respaldo(tmp_path, Enclavamiento(Razon.DRAWDOWN, "daemon", 5))

    assert recordado(DiarioFalso(), tmp_path).riesgo.cerrojo is not None


# --- rows ---


@pytest.mark.parametrize("tandas", [(1,), (3,), (1, 2, 3), (1,) * 400])
def test_las_filas_de_la_sesion_vuelven_desde_la_que_se_pida(tandas: tuple[int, ...], tmp_path: Path):
    escritor = Escritor()
    escritor.anotar_filas(5, "otra")
    escritor.filas = 0
    for cuantas in tandas:
        escritor.anotar_filas(cuantas)
        escritor.anotar("risk", *RIESGO[0])
    total = sum(tandas)
    diario = DiarioSqlite(tmp_path / "diario.sqlite")
    for evento in escritor.diario.eventos:
        diario.anotar_luego(evento.agregado, evento.tipo, 0, evento.contenido)
    diario.cerrar()
    diario = DiarioSqlite(tmp_path / "diario.sqlite")
    try:
        for primera in {0, 1, total // 2, total - 1} & set(range(total)):
            filas = filas_desde(diario, AGENTE, "s1", total, primera)
            assert [fila["paso"] for fila in filas] == list(range(primera, total))
        assert recordar_todo(diario, tmp_path, AGENTE).agente == recordado(escritor.diario).agente
    finally:
        diario.cerrar()


def test_de_un_agente_sin_filas_no_vuelve_ninguna():
    lectura: Any = Lectura([])

    assert filas_desde(lectura, AGENTE, "s1", 0, 0) == []
