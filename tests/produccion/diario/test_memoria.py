"""What the folds of the journal remember."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.accion import Interpretacion
from src.nucleo.contabilidad import Contabilidad, TradeActivo
from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import Anclas, EstadoRiesgo
from src.nucleo.tipos import EstadoCuenta, Operacion, Posicion, TipoAccion, Vela
from src.nucleo.veto import Veto
from src.produccion.cuenta import Deuda, Marcador
from src.produccion.diario.diario import EventoDiario
from src.produccion.diario.memoria import (
    Anterior,
    Instantanea,
    MemoriaAgente,
    Pendiente,
    SesionEscrita,
    escribir_instantanea,
    escribir_pendiente,
    leer_instantanea,
    leer_pendiente,
    recordar_agente,
)
from src.produccion.ingresos import CursorIngresos
from src.produccion.riesgo.enclavamiento import Memoria, recordar

AGENTE = "agent:sim-abc:BTCUSDT:train_x"
HORA = 3_600_000

Crudo = tuple[str, str, dict[str, object]]


def eventos(*filas: Crudo) -> list[EventoDiario]:
    return [EventoDiario(i + 1, a, i + 1, t, i, c) for i, (a, t, c) in enumerate(filas)]


def de_agente(tipo: str, **contenido: object) -> Crudo:
    return (AGENTE, tipo, contenido)


def pico(equity: float, *, libro: bool = False) -> Crudo:
    return ("risk", "PEAK", {"equity": equity, "ledger": libro})


def por_el_diario(contenido: object) -> Any:
    """What a later life reads of what this one wrote."""
    return orjson.loads(orjson.dumps(contenido))


# --- there and back ---

numeros = st.floats(allow_nan=False, allow_infinity=False)
positivos = st.floats(min_value=1e-8, max_value=1e12)
enteros = st.integers(0, 2**53)
textos = st.text(max_size=20)
posiciones = st.builds(Posicion, st.floats(-1e6, 1e6).filter(bool), positivos)
cuentas = st.builds(EstadoCuenta, numeros, st.none() | posiciones)
cursores = st.builds(CursorIngresos, enteros, st.frozensets(st.tuples(textos, enteros), max_size=4))
deudas = st.builds(Deuda, st.none() | posiciones, numeros, numeros)
marcadores = st.builds(
    Marcador,
    numeros,
    enteros,
    st.frozensets(enteros, max_size=4),
    enteros,
    cursores,
    numeros,
    st.none() | deudas,
)
instantaneas = st.builds(
    Instantanea,
    enteros,
    enteros,
    st.integers(-1, 2**53),
    cuentas,
    marcadores,
    st.builds(Contabilidad, enteros, numeros, st.none() | st.builds(TradeActivo, textos, enteros)),
    st.builds(EstadoRiesgo, positivos, numeros, st.none() | enteros),
    st.none() | st.builds(Anclas, enteros, numeros, enteros, numeros),
    st.none() | st.builds(Anterior, numeros, numeros, st.booleans()),
    positivos,
    st.lists(textos, max_size=3).map(tuple),
    st.none() | st.builds(Veto, st.booleans(), st.integers(0, 99), st.none() | numeros),
    st.none() | numeros,
)
velas = st.builds(Vela, enteros, positivos, positivos, positivos, positivos, positivos)
pendientes = st.builds(
    Pendiente,
    velas,
    enteros,
    numeros,
    st.floats(-1.0, 1.0),
    st.builds(
        Interpretacion,
        st.sampled_from(TipoAccion),
        st.sampled_from(Operacion),
        st.floats(0.0, 1.0),
        st.floats(0.0, 1.0),
    ),
    st.builds(
        Plan, st.sampled_from(Operacion), st.lists(numeros, max_size=3).map(tuple), st.booleans(), textos
    ),
    textos,
    st.none() | numeros,
    st.none() | numeros,
)


@given(marcadores)
def test_un_marcador_vuelve_como_era(marcador: Marcador):
    assert Marcador.de_lista(por_el_diario(marcador.a_lista())) == marcador


@given(instantaneas)
def test_una_instantanea_vuelve_como_era(instantanea: Instantanea):
    assert leer_instantanea(por_el_diario(escribir_instantanea(instantanea))) == instantanea


@given(pendientes)
def test_una_decision_vuelve_como_era(pendiente: Pendiente):
    leida = leer_pendiente(por_el_diario(escribir_pendiente(pendiente)))

    assert leida == pendiente
    assert isinstance(leida.interpretacion.operacion, Operacion)
    assert isinstance(leida.plan, Plan)


# --- the agent ---


CUENTA = EstadoCuenta(10_000.0, Posicion(0.1, 30_000.0))
INSTANTANEA = Instantanea(
    *(7, 5, 4 * HORA, CUENTA, Marcador(9_000.0, 3, frozenset({5}), 1, CursorIngresos(HORA))),
    *(Contabilidad(2, 50.0, TradeActivo("3", 4)), EstadoRiesgo(11_000.0, 0.1, HORA)),
    *(Anclas(0, 1.0, 0, 2.0), Anterior(10_000.0, 11_000.0, False), 10_000.0, ("order:tm-1",)),
)
PENDIENTE = Pendiente(
    Vela(4 * HORA, 1.0, 1.0, 1.0, 1.0, 1.0),
    *(5 * HORA, 10_000.0, 0.5, Interpretacion(TipoAccion.LONG, Operacion.ABRIR_LONG, 0.5, 0.5)),
    *(Plan(Operacion.ABRIR_LONG, (0.1,), False), "", None),
)


def filas(**cambios: Any) -> Crudo:
    estado = escribir_instantanea(INSTANTANEA._replace(**cambios))
    return de_agente("ROWS", session="s1", rows=[], state=estado)


def decidida(**cambios: Any) -> Crudo:
    estado = escribir_instantanea(INSTANTANEA._replace(**cambios))
    return de_agente("CANDLE_DECIDED", session="s1", step=5, state=estado, **escribir_pendiente(PENDIENTE))


def referencia(equity: float, **mas: object) -> Crudo:
    return de_agente("REFERENCE", equity=equity, ledger=False, **mas)


def test_sin_eventos_no_se_recuerda_nada():
    assert recordar_agente([]) == MemoriaAgente()
    assert recordar([]) == Memoria()


def test_el_capital_de_referencia_es_el_ultimo():
    assert recordar_agente(eventos(referencia(10_000.0), referencia(15_000.0))).capital_referencia == 15_000.0


def test_una_referencia_lleva_la_cuenta_a_la_que_pertenece():
    """A deposit that scaled it must not be booked again."""
    estado = escribir_instantanea(INSTANTANEA._replace(capital_referencia=20_000.0, filas=9))
    memoria = recordar_agente(eventos(filas(), referencia(20_000.0, state=estado)))

    assert memoria.instantanea == INSTANTANEA._replace(capital_referencia=20_000.0, filas=9)
    assert (memoria.capital_referencia, memoria.sesion) == (20_000.0, "s1")


def test_una_decision_sin_filas_esta_pendiente():
    memoria = recordar_agente(eventos(filas(), decidida(filas=7)))

    assert memoria.pendiente == PENDIENTE
    assert memoria.sesion == "s1"


def test_las_filas_acaban_la_decision():
    memoria = recordar_agente(eventos(decidida(), filas(filas=8)))

    assert memoria.pendiente is None
    assert memoria.instantanea == INSTANTANEA._replace(filas=8)


def test_el_riesgo_entre_instantaneas_se_recuerda():
    memoria = recordar_agente(eventos(filas(), de_agente("RISK", risk=[12_000.0, 0.2, None])))

    assert memoria.instantanea == INSTANTANEA._replace(riesgo=EstadoRiesgo(12_000.0, 0.2, None))


def test_una_sesion_que_acabo_deja_la_cuenta_pero_no_la_cuenta_de_sus_filas():
    memoria = recordar_agente(
        eventos(filas(), de_agente("SESSION_ENDED", session="s1", reason="interrupted"))
    )

    assert memoria.sesion is None
    assert memoria.instantanea == INSTANTANEA._replace(
        filas=0, paso=0, contabilidad=Contabilidad(), riesgo=EstadoRiesgo(11_000.0), anterior=None
    )


def test_una_sesion_nueva_no_hereda_lo_pendiente_de_la_anterior():
    memoria = recordar_agente(
        eventos(
            decidida(),
            de_agente("EMERGENCY", session="s1", row=[1]),
            de_agente("SESSION_STARTED", session="s2"),
        )
    )

    assert (memoria.sesion, memoria.pendiente, memoria.emergencia) == ("s2", None, None)
    assert memoria.instantanea is not None
    assert memoria.instantanea.ultima_decidida_ms == 4 * HORA


def test_la_emergencia_de_la_sesion_se_recuerda():
    fila = [5, "max_drawdown", 1.0, 1.0, 1, "x"]
    memoria = recordar_agente(eventos(filas(), de_agente("EMERGENCY", session="s1", row=fila)))

    assert memoria.emergencia == tuple(fila)
    assert (
        recordar_agente(
            eventos(filas(), de_agente("EMERGENCY", session="s1", row=fila), de_agente("SESSION_ENDED"))
        ).emergencia
        is None
    )


def test_de_una_sesion_que_acabo_se_sabe_lo_que_deben_tener_sus_ficheros():
    fila = [5, "max_drawdown", 1.0, 1.0, 1, "x"]
    vida = [filas(), de_agente("EMERGENCY", session="s1", row=fila), de_agente("SESSION_ENDED")]

    acabada = recordar_agente(eventos(*vida)).acabada
    despues = recordar_agente(eventos(*vida, de_agente("SESSION_STARTED", session="s2")))

    assert acabada == SesionEscrita("s1", 7, tuple(fila))
    assert despues.acabada is None


# --- the risk of account and symbol ---


def test_el_pico_recuerda_de_que_dinero_es():
    assert recordar(eventos(pico(1.0))).con_libro is False
    assert recordar(eventos(pico(1.0, libro=True))).con_libro is True
    assert recordar([]).con_libro is None


def test_el_pico_es_el_ultimo():
    filas = [pico(e) for e in (10_000.0, 12_000.0, 11_000.0)]

    assert recordar(eventos(*filas)).equity_maximo == 11_000.0


def test_enclavar_sobrevive_y_desenclavar_olvida_el_pico():
    cerrado = [
        pico(12_000.0),
        ("risk", "LATCHED", {"reason": "max_drawdown", "at": 5, "detail": "x"}),
    ]

    enclavada = recordar(eventos(*cerrado))
    libre = recordar(eventos(*cerrado, ("risk", "UNLOCKED", {"reason": "looked into it"})))

    assert enclavada.equity_maximo == 12_000.0
    assert "max_drawdown" in enclavada.enclavado
    assert libre == Memoria()


def test_tras_desenclavar_se_puede_volver_a_enclavar():
    filas: list[tuple[str, str, dict[str, object]]] = [
        ("risk", "LATCHED", {"reason": "max_drawdown", "at": 5}),
        ("risk", "UNLOCKED", {"reason": "x"}),
        pico(8_000.0),
        ("risk", "LATCHED", {"reason": "max_drawdown", "at": 9}),
    ]

    assert "9" in recordar(eventos(*filas)).enclavado
