"""What the folds of the journal remember."""

from __future__ import annotations

from src.produccion.cuenta import Libro
from src.produccion.diario.diario import EventoDiario
from src.produccion.diario.memoria import MemoriaAgente, recordar_agente
from src.produccion.riesgo.enclavamiento import Memoria, recordar

AGENTE = "sim-abc:BTCUSDT:train_x"
HORA = 3_600_000


def eventos(*filas: tuple[str, str, dict[str, object]]) -> list[EventoDiario]:
    return [EventoDiario(i + 1, a, i + 1, t, i, c) for i, (a, t, c) in enumerate(filas)]


def de_agente(tipo: str, agente: str = AGENTE, **contenido: object) -> tuple[str, str, dict[str, object]]:
    return (f"agent:{agente}", tipo, contenido)


def referencia(
    equity: float, *, libro: bool = False, agente: str = AGENTE
) -> tuple[str, str, dict[str, object]]:
    return de_agente("REFERENCE", agente=agente, equity=equity, ledger=libro)


def pico(equity: float, *, libro: bool = False) -> tuple[str, str, dict[str, object]]:
    return ("risk", "PEAK", {"equity": equity, "ledger": libro})


def intento(ficha: str) -> tuple[str, str, dict[str, object]]:
    return ("order:tm-1", "ORDER_INTENT", {"token": ficha})


def test_sin_eventos_no_se_recuerda_nada():
    assert recordar_agente([], AGENTE, con_libro=False) == MemoriaAgente(None, None, -1)
    assert recordar([]) == Memoria()


def test_el_capital_de_referencia_es_el_ultimo():
    memoria = recordar_agente(eventos(referencia(10_000.0), referencia(15_000.0)), AGENTE, con_libro=False)

    assert memoria.capital_referencia == 15_000.0


def test_cada_clase_de_capital_tiene_su_referencia():
    """A ledger's reference means nothing to the whole wallet, and the other way round."""
    filas = eventos(referencia(10_000.0), referencia(500.0, libro=True))

    assert recordar_agente(filas, AGENTE, con_libro=False).capital_referencia == 10_000.0
    assert recordar_agente(filas, AGENTE, con_libro=True).capital_referencia == 500.0


def test_el_pico_recuerda_de_que_dinero_es():
    assert recordar(eventos(pico(1.0))).con_libro is False
    assert recordar(eventos(pico(1.0, libro=True))).con_libro is True
    assert recordar([]).con_libro is None


def test_lo_de_otro_agente_no_cuenta():
    otro = "sim-abc:BTCUSDT:train_y"
    memoria = recordar_agente(
        eventos(
            referencia(1.0, agente=otro),
            de_agente("CANDLE_DECIDED", agente=otro, candle=HORA),
            intento(f"{otro}:{HORA}:abrir_long:0"),
            intento(f"{AGENTE}2:{HORA}:abrir_long:0"),
        ),
        AGENTE,
        con_libro=False,
    )

    assert memoria == MemoriaAgente()


def test_la_ultima_vela_decidida_es_la_mayor():
    memoria = recordar_agente(
        eventos(de_agente("CANDLE_DECIDED", candle=2 * HORA), de_agente("CANDLE_DECIDED", candle=HORA)),
        AGENTE,
        con_libro=False,
    )

    assert memoria.ultima_decidida_ms == 2 * HORA


def test_un_intento_sin_resultado_cuenta_como_decision():
    """A daemon killed between intent and answer must not decide that candle again."""
    memoria = recordar_agente(
        eventos(de_agente("CANDLE_DECIDED", candle=HORA), intento(f"{AGENTE}:{2 * HORA}:abrir_long:0")),
        AGENTE,
        con_libro=False,
    )

    assert memoria.ultima_decidida_ms == 2 * HORA


def test_una_salida_de_emergencia_no_es_decision_de_ninguna_vela():
    memoria = recordar_agente(
        eventos(intento(f"emergency:{AGENTE}:{2 * HORA}:max_drawdown:1:0"), intento(f"exit:{2 * HORA}:1:0")),
        AGENTE,
        con_libro=False,
    )

    assert memoria.ultima_decidida_ms == -1


def test_el_libro_se_recuerda_y_sigue():
    memoria = recordar_agente(
        eventos(
            de_agente("LEDGER", balance=500.0, last_trade=3, until_ms=HORA, since_ms=1),
            de_agente("LEDGER", balance=510.5, last_trade=7, until_ms=2 * HORA, since_ms=1),
        ),
        AGENTE,
        con_libro=False,
    )

    assert memoria.libro_para(500.0) == Libro(510.5, 7, 2 * HORA, 1)
    assert memoria.libro_para(None) is None


def test_la_primera_vez_el_libro_es_el_capital_asignado():
    assert MemoriaAgente().libro_para(750.0) == Libro(750.0, 0, 0)


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
