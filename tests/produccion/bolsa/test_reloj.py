"""Market time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import LecturaFallida
from src.produccion.bolsa.reloj import RelojMercado, mantener_hora

DIA_MS = 86_400_000


def pared_ms() -> int:
    return time.time_ns() // 1_000_000


def test_sin_saber_nada_es_la_hora_de_esta_maquina():
    assert abs(RelojMercado().ahora_ms() - pared_ms()) < 1_000


def test_sincronizado_sigue_a_la_bolsa():
    reloj = RelojMercado()
    reloj.sincronizar(pared_ms() - DIA_MS)

    assert abs(reloj.ahora_ms() - (pared_ms() - DIA_MS)) < 1_000


def test_el_reloj_corre_entre_eventos():
    reloj = RelojMercado()
    reloj.sincronizar(1_000_000)
    antes = reloj.ahora_ms()
    time.sleep(0.02)

    assert 15 <= reloj.ahora_ms() - antes < 1_000


def test_el_reloj_nunca_va_por_detras_de_un_evento():
    reloj = RelojMercado()
    reloj.sincronizar(1_000_000)
    reloj.observar(5_000_000)
    reloj.observar(2_000_000)

    assert reloj.ahora_ms() == 5_000_000


def test_congelado_solo_pasa_el_tiempo_con_los_eventos():
    reloj = RelojMercado()
    reloj.sincronizar(1_000_000)
    reloj.congelar()
    time.sleep(0.01)
    assert reloj.ahora_ms() == 1_000_000

    reloj.observar(1_000_500)

    assert reloj.ahora_ms() == 1_000_500


class Cronometro:
    """A wall clock and a stopwatch that move when they are told."""

    def __init__(self) -> None:
        self.pared_s = 1_700_000_000.0
        self.monotono_s = 50.0

    def pasar(self, segundos: float) -> None:
        self.pared_s += segundos
        self.monotono_s += segundos

    def reloj(self) -> RelojMercado:
        return RelojMercado(lambda: self.pared_s, lambda: self.monotono_s)


def test_la_mitad_de_la_ida_y_vuelta_ha_pasado_ya():
    reloj = Cronometro().reloj()
    reloj.sincronizar(1_000_000, ida_vuelta_ms=80)

    assert reloj.ahora_ms() == 1_000_040


@pytest.mark.parametrize("segundos", [-3_600.0, 3_600.0])
def test_un_reloj_de_pared_que_salta_no_mueve_el_del_mercado(segundos: float):
    cronometro = Cronometro()
    reloj = cronometro.reloj()
    reloj.sincronizar(1_000_000)
    cronometro.pasar(2.0)
    cronometro.pared_s += segundos

    assert reloj.ahora_ms() == 1_002_000
    assert reloj.salto_s() == pytest.approx(segundos)


def test_la_hora_del_mercado_nunca_retrocede_y_la_de_la_firma_si():
    """A timestamp from the future is refused; a candle from the past is only late."""
    cronometro = Cronometro()
    reloj = cronometro.reloj()
    reloj.sincronizar(9_000_000)
    assert reloj.ahora_ms() == 9_000_000

    reloj.sincronizar(8_999_000)
    assert (reloj.ahora_ms(), reloj.firma_ms()) == (9_000_000, 8_999_000)
    cronometro.pasar(1.5)
    assert (reloj.ahora_ms(), reloj.firma_ms()) == (9_000_500, 9_000_500)


@given(
    hechos=st.lists(
        st.one_of(
            st.tuples(st.just("pasar"), st.floats(0, 100)),
            st.tuples(st.just("saltar"), st.floats(-1e4, 1e4)),
            st.tuples(st.just("sincronizar"), st.integers(0, 10**7)),
            st.tuples(st.just("observar"), st.integers(0, 10**7)),
        )
    )
)
def test_pase_lo_que_pase_el_tiempo_no_va_hacia_atras(hechos: list[tuple[str, float]]):
    cronometro = Cronometro()
    reloj = cronometro.reloj()
    reloj.sincronizar(5_000_000)
    antes = reloj.ahora_ms()
    for hecho, cuanto in hechos:
        match hecho:
            case "pasar":
                cronometro.pasar(cuanto)
            case "saltar":
                cronometro.pared_s += cuanto
            case "sincronizar":
                reloj.sincronizar(int(cuanto))
            case _:
                reloj.observar(int(cuanto))
        assert reloj.ahora_ms() >= antes
        antes = reloj.ahora_ms()


def test_al_congelarse_se_olvida_lo_que_corrio_de_mas():
    cronometro = Cronometro()
    reloj = cronometro.reloj()
    reloj.sincronizar(1_000_000)
    cronometro.pasar(3.0)
    assert reloj.ahora_ms() == 1_003_000

    reloj.congelar()

    assert reloj.ahora_ms() == 1_000_000


class Hora:
    """An exchange that only tells the time; each answer takes a while."""

    def __init__(self, cronometro: Cronometro, *tardanzas_s: float) -> None:
        self._cronometro = cronometro
        self._tardanzas = list(tardanzas_s)
        self.preguntas = 0
        self.fallos = 0

    async def hora_ms(self) -> int:
        self.preguntas += 1
        if self.fallos:
            self.fallos -= 1
            raise LecturaFallida("no answer from the exchange")
        tardanza_s = self._tardanzas.pop(0) if self._tardanzas else 0.1
        self._cronometro.pasar(tardanza_s / 2)
        leida = int(self._cronometro.monotono_s * 1_000) + 5_000_000
        self._cronometro.pasar(tardanza_s / 2)
        return leida


async def pasan(cronometro: Cronometro, segundos: float) -> None:
    """Virtual time and the stopwatch go together."""
    for _ in range(int(segundos * 2)):
        cronometro.pasar(0.5)
        await asyncio.sleep(0.5)


async def mientras(
    bolsa: Hora, reloj: RelojMercado, cada_s: float, hacer: Callable[[], Awaitable[None]]
) -> None:
    servicio = asyncio.create_task(mantener_hora(bolsa, reloj, cada_s))  # type: ignore[arg-type]
    try:
        await asyncio.sleep(0)
        await hacer()
    finally:
        servicio.cancel()


async def test_la_hora_se_toma_de_la_respuesta_mas_rapida():
    cronometro = Cronometro()
    reloj = cronometro.reloj()
    bolsa = Hora(cronometro, 4.0, 0.2, 1.0)

    await mientras(bolsa, reloj, 900, lambda: pasan(cronometro, 1))

    assert reloj.firma_ms() == pytest.approx(cronometro.monotono_s * 1_000 + 5_000_000, abs=2)


async def test_la_hora_se_vuelve_a_leer_a_menudo():
    cronometro = Cronometro()
    bolsa = Hora(cronometro)

    await mientras(bolsa, cronometro.reloj(), 900, lambda: pasan(cronometro, 2_000))

    assert bolsa.preguntas == 9


async def test_un_salto_del_reloj_de_pared_hace_leer_la_hora(bitacora: list[dict[str, object]]):
    cronometro = Cronometro()
    bolsa = Hora(cronometro)

    async def saltar() -> None:
        await pasan(cronometro, 20)
        cronometro.pared_s -= 120.0
        await pasan(cronometro, 20)

    await mientras(bolsa, cronometro.reloj(), 900, saltar)

    assert bolsa.preguntas == 6
    assert [e["segundos"] for e in bitacora if e["event"] == "reloj_movido"] == [-120.0]


async def test_una_hora_que_no_llega_se_pide_otra_vez_pronto():
    cronometro = Cronometro()
    bolsa = Hora(cronometro)
    bolsa.fallos = 1

    await mientras(bolsa, cronometro.reloj(), 900, lambda: pasan(cronometro, 40))

    assert bolsa.preguntas == 4


async def test_un_reloj_congelado_se_deja_en_paz():
    cronometro = Cronometro()
    reloj = cronometro.reloj()
    reloj.sincronizar(1_000_000)
    reloj.congelar()
    bolsa = Hora(cronometro)

    await mientras(bolsa, reloj, 10, lambda: pasan(cronometro, 100))

    assert bolsa.preguntas == 0
    assert reloj.ahora_ms() == 1_000_000
