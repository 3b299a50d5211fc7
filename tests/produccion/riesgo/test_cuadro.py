"""The board of breakers: gate, journal, restart and reset."""

from __future__ import annotations

from typing import Any

import pytest

from src.nucleo.disyuntores import Cambio, ClaseDisyuntor, Disyuntor, EstadoDisyuntor, ReglaDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.produccion.riesgo.cuadro import Cuadro, MemoriaCuadro, recordar_disyuntor
from src.produccion.riesgo.puerta import Bloqueo
from tests.constructores import INICIO_MS
from tests.produccion.falsos import DiarioFalso, RelojFalso

LATENCY, VOLATILITY, DRAWDOWN = ClaseDisyuntor.LATENCY, ClaseDisyuntor.VOLATILITY, ClaseDisyuntor.DRAWDOWN
REGLAS = {
    LATENCY: ReglaDisyuntor(500.0, 2, 60_000, 1),
    VOLATILITY: ReglaDisyuntor(0.05, 1, 60_000, 1),
    DRAWDOWN: ReglaDisyuntor(0.05, 1, None, 1, exito_cierra=True),
}


class Casa:
    """A board, and everything around it."""

    def __init__(self, memoria: MemoriaCuadro | None = None, **cambios: Any) -> None:
        self.diario, self.reloj = DiarioFalso(), RelojFalso(INICIO_MS)
        self.puestos: set[Bloqueo] = set()
        self.vistos: list[Cambio] = []
        partes: dict[str, Any] = {"reglas": REGLAS, "muestran": frozenset({DRAWDOWN})} | cambios
        self.cuadro = Cuadro(
            self.diario, self.reloj, self.fijar, ("binance", "BTCUSDT"), memoria=memoria, **partes
        )
        self.cuadro.al_cambiar.append(self.vistos.append)

    def fijar(self, bloqueo: Bloqueo, activo: bool) -> None:
        (self.puestos.add if activo else self.puestos.discard)(bloqueo)

    def medir(self, clase: ClaseDisyuntor, *valores: float) -> None:
        for valor in valores:
            self.cuadro.medir(clase, valor, self.reloj.ahora_ms())

    def pasan(self, ms: int) -> None:
        self.reloj.instante_ms += ms
        self.cuadro.enfriar(self.reloj.ahora_ms())


def test_abierto_cierra_la_puerta_y_cerrado_la_abre():
    casa = Casa()

    casa.medir(LATENCY, 900.0)
    assert casa.puestos == set()
    casa.medir(LATENCY, 900.0)
    assert casa.puestos == {Bloqueo.LATENCIA}
    casa.pasan(60_000)
    assert casa.puestos == {Bloqueo.LATENCIA}  # on trial
    casa.medir(LATENCY, 100.0)

    assert casa.puestos == set()
    assert casa.diario.tipos("breaker:latency") == ["BREAKER_OPENED", "BREAKER_HALF_OPEN", "BREAKER_CLOSED"]
    assert [c.ahora.estado for c in casa.vistos] == ["OPEN", "HALF_OPEN", "CLOSED"]


def test_el_diario_dice_lo_medido_el_limite_y_el_motivo():
    casa = Casa()

    casa.medir(VOLATILITY, 0.08)

    assert casa.diario.ultimo("BREAKER_OPENED") == {
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "kind": "volatility",
        "state": "OPEN",
        "previous_state": "CLOSED",
        "value": 0.08,
        "limit": 0.05,
        "unit": "fraction",
        "violations": 1,
        "opened_at": INICIO_MS,
        "reason": "8.00%: 1 sample in a row reached 5.00%",
        "by": "daemon",
    }


def test_cada_clase_cierra_la_puerta_por_su_cuenta():
    casa = Casa()

    casa.medir(LATENCY, 900.0, 900.0)
    casa.medir(VOLATILITY, 0.08)

    assert casa.puestos == {Bloqueo.LATENCIA, Bloqueo.VOLATILIDAD}
    assert casa.cuadro.abiertos == (LATENCY, VOLATILITY)
    assert casa.cuadro.valores == {LATENCY: 900.0, VOLATILITY: 0.08}


def test_lo_apagado_no_mide():
    casa = Casa(reglas={})

    casa.medir(LATENCY, 900.0, 900.0, 900.0)

    assert (casa.puestos, casa.diario.eventos, casa.cuadro.regla(LATENCY)) == (set(), [], None)


def test_la_perdida_del_dia_se_muestra_y_no_bloquea_dos_veces():
    casa = Casa()

    casa.medir(DRAWDOWN, 0.05)
    casa.pasan(3_600_000)
    assert (casa.puestos, casa.cuadro.abiertos) == (set(), (DRAWDOWN,))
    casa.medir(DRAWDOWN, 0.049)

    assert casa.cuadro.abiertos == ()
    assert casa.diario.tipos("breaker:drawdown") == ["BREAKER_OPENED", "BREAKER_CLOSED"]


class TestReinicio:
    def test_lo_abierto_sigue_abierto_hasta_que_se_enfria(self):
        casa = Casa()
        casa.medir(VOLATILITY, 0.08)

        otra = Casa(MemoriaCuadro({VOLATILITY: recordar_disyuntor(casa.diario.eventos[-1])}))

        assert otra.puestos == {Bloqueo.VOLATILIDAD}
        otra.pasan(60_000)
        otra.medir(VOLATILITY, 0.01)
        assert otra.puestos == set()

    def test_lo_que_ahora_esta_apagado_se_da_por_cerrado(self):
        abierto = Disyuntor(EstadoDisyuntor.OPEN, 1, 0, INICIO_MS)
        casa = Casa(MemoriaCuadro({VOLATILITY: abierto}), reglas={})

        casa.cuadro.anunciar()

        assert casa.puestos == set()
        cerrado = casa.diario.ultimo("BREAKER_CLOSED")
        assert (cerrado["reason"], cerrado["limit"]) == ("it is switched off now", None)

    def test_las_reglas_se_anuncian_una_vez(self):
        casa = Casa()
        casa.cuadro.anunciar()
        (anunciadas,) = (e.contenido for e in casa.diario.eventos)
        kinds: Any = anunciadas["kinds"]
        assert kinds["latency"] == {
            "limit": 500.0,
            "violations": 2,
            "cool_down_ms": 60_000,
            "healthy_samples": 1,
        }
        assert kinds["drawdown"]["cool_down_ms"] is None

        otra = Casa(MemoriaCuadro({}, anunciadas))
        otra.cuadro.anunciar()

        assert otra.diario.eventos == []


class TestAMano:
    def test_se_cierra_con_motivo_y_nombre(self):
        casa = Casa()
        casa.medir(LATENCY, 900.0, 900.0)

        casa.cuadro.cerrar_a_mano(LATENCY, " the proxy was slow ", "ana")

        ultimo = casa.diario.ultimo("BREAKER_CLOSED")
        assert (casa.puestos, ultimo["reason"], ultimo["by"]) == (set(), "the proxy was slow", "ana")

    def test_si_sigue_lo_que_lo_abrio_se_abre_otra_vez(self):
        casa = Casa()
        casa.medir(LATENCY, 900.0, 900.0)
        casa.cuadro.cerrar_a_mano(LATENCY, "hope", "ana")

        casa.medir(LATENCY, 900.0, 900.0)

        assert casa.puestos == {Bloqueo.LATENCIA}

    @pytest.mark.parametrize(
        ("clase", "porque"),
        [
            (LATENCY, "closed already"),
            (ClaseDisyuntor.SPREAD, "switched off"),
            (DRAWDOWN, "no reset takes away"),
        ],
    )
    def test_lo_que_no_se_puede_cerrar_se_dice(self, clase: ClaseDisyuntor, porque: str):
        with pytest.raises(SolicitudInvalida, match=porque):
            Casa().cuadro.cerrar_a_mano(clase, "why", "ana")


def test_un_diario_roto_no_quita_el_disyuntor(bitacora: list[dict[str, Any]]):
    casa = Casa()
    casa.diario.roto = True

    casa.medir(VOLATILITY, 0.08)

    assert casa.puestos == {Bloqueo.VOLATILIDAD}
    assert "diario_roto" in [e["event"] for e in bitacora]
