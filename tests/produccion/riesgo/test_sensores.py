"""What calls, marks and the book become."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from math import isnan

import pytest

from src.nucleo.disyuntores import ClaseDisyuntor, ReglaDisyuntor
from src.nucleo.errores import LecturaFallida
from src.produccion.puertos import EventoFin, EventoMark, EventoMercado, PrecioBidAsk
from src.produccion.riesgo.cuadro import Cuadro
from src.produccion.riesgo.sensores import AjustesSensores, FuenteMedida, Sensores
from tests.constructores import INICIO_MS
from tests.produccion.falsos import DiarioFalso, RelojFalso

LATENCY, SPREAD, VOLATILITY, ERROR_RATE = (
    ClaseDisyuntor.LATENCY,
    ClaseDisyuntor.SPREAD,
    ClaseDisyuntor.VOLATILITY,
    ClaseDisyuntor.ERROR_RATE,
)
REGLAS = {c: ReglaDisyuntor(1.0, 3) for c in (LATENCY, SPREAD, VOLATILITY, ERROR_RATE)}


class Casa:
    """Sensors before a board that remembers every value."""

    def __init__(self, reglas: Mapping[ClaseDisyuntor, ReglaDisyuntor] = REGLAS, **ajustes: object) -> None:
        self.reloj = RelojFalso(INICIO_MS)
        self.cuadro = Cuadro(DiarioFalso(), self.reloj, lambda *_: None, ("binance", "BTCUSDT"), reglas)
        base = AjustesSensores(cada_s=0.001, llamadas_minimas=4, ventana_llamadas_ms=1_000)
        self.sensores = Sensores(self.cuadro, self.reloj, base._replace(**ajustes))

    def valor(self, clase: ClaseDisyuntor) -> float | None:
        return self.cuadro.valores.get(clase)

    def marks(self, precios: Iterable[float], *, cada_ms: int = 1_000) -> None:
        for precio in precios:
            self.sensores.tomar_mark(EventoMark(precio, self.reloj.instante_ms))
            self.reloj.instante_ms += cada_ms


class TestLatencia:
    def test_es_la_mediana_de_las_llamadas_desde_la_ultima_vez(self):
        casa = Casa()
        for duracion_s in (0.1, 5.0, 0.2):
            casa.sensores.tomar_llamada(duracion_s, False)

        casa.sensores.juzgar()

        assert casa.valor(LATENCY) == pytest.approx(200.0)
        casa.sensores.tomar_llamada(0.7, False)
        casa.sensores.juzgar()
        assert casa.valor(LATENCY) == pytest.approx(700.0)

    def test_un_mark_que_llega_tarde_cuenta_como_una_respuesta_lenta(self):
        casa = Casa()
        casa.sensores.tomar_llamada(0.1, False)
        casa.sensores.tomar_mark(EventoMark(100.0, INICIO_MS - 800))

        casa.sensores.juzgar()

        assert casa.valor(LATENCY) == 800.0

    def test_donde_el_tiempo_corre_mas_la_edad_no_dice_nada(self):
        casa = Casa(mide_edad=False)
        casa.sensores.tomar_mark(EventoMark(100.0, INICIO_MS - 60_000))

        casa.sensores.juzgar()

        assert casa.valor(LATENCY) is None

    def test_sin_nada_que_medir_no_hay_muestra(self):
        casa = Casa()
        casa.sensores.tomar_llamada(0.1, False)
        casa.sensores.juzgar()
        antes = casa.cuadro.disyuntores[LATENCY]

        for _ in range(5):
            casa.sensores.juzgar()

        assert casa.cuadro.disyuntores[LATENCY] == antes


class TestErrores:
    def test_con_pocas_llamadas_no_se_sabe(self):
        casa = Casa()
        for _ in range(3):
            casa.sensores.tomar_llamada(0.1, True)
        casa.sensores.juzgar()
        assert casa.valor(ERROR_RATE) is None

        casa.sensores.tomar_llamada(0.1, False)
        casa.sensores.juzgar()

        assert casa.valor(ERROR_RATE) == 0.75

    def test_cuentan_las_de_la_ventana(self):
        casa = Casa()
        for _ in range(4):
            casa.sensores.tomar_llamada(0.1, True)
        casa.reloj.instante_ms += 1_000
        for _ in range(4):
            casa.sensores.tomar_llamada(0.1, False)

        casa.sensores.juzgar()

        assert casa.valor(ERROR_RATE) == 0.0


class TestVolatilidad:
    def test_es_el_rango_de_los_marks_de_la_ventana(self):
        casa = Casa(ventana_precio_ms=10_000)
        casa.marks([100.0, 104.0, 101.0])
        assert casa.valor(VOLATILITY) == pytest.approx(0.04)

        casa.marks([101.0] * 10)

        assert casa.valor(VOLATILITY) == 0.0

    def test_se_juzga_una_vez_por_segundo_de_mercado_y_se_oye_todo(self):
        casa = Casa()
        casa.marks([100.0, 110.0, 100.0, 100.0], cada_ms=400)
        assert casa.valor(VOLATILITY) == pytest.approx(0.1)
        assert casa.cuadro.disyuntores[VOLATILITY].fallos == 0  # judged at 0 ms and at 1,200 ms


class TestLibro:
    async def test_se_mira_una_y_otra_vez_y_un_fallo_no_es_una_muestra(self):
        casa, vistos = Casa(), [PrecioBidAsk(99.9, 100.1, INICIO_MS), PrecioBidAsk(0.0, 100.1, INICIO_MS)]
        valores: list[float | None] = []

        async def mirar() -> PrecioBidAsk:
            valores.append(casa.valor(SPREAD))
            if len(valores) == 1:
                raise LecturaFallida("no answer")
            return vistos[min(len(valores), 3) - 2]

        tarea = asyncio.ensure_future(casa.sensores.mirar_siempre(mirar))
        async with asyncio.timeout(30):
            while len(valores) < 4:  # noqa: ASYNC110 -- the other task brings it about
                await asyncio.sleep(0.001)
        tarea.cancel()
        await asyncio.gather(tarea, return_exceptions=True)

        assert valores[:2] == [None, None]
        assert valores[2] == pytest.approx(20.0)
        assert valores[3] is not None
        assert isnan(valores[3])


@pytest.mark.parametrize(
    ("clases", "juzga"),
    [((LATENCY,), True), ((ERROR_RATE, SPREAD), True), ((SPREAD, VOLATILITY), False), ((), False)],
)
def test_solo_se_juzga_lo_que_alguien_mira(clases: tuple[ClaseDisyuntor, ...], juzga: bool):
    """In a market that waits, nothing may depend on when the wall's clock ticks."""
    casa = Casa({clase: REGLAS[clase] for clase in clases})
    assert casa.sensores.juzga is juzga


async def test_la_fuente_medida_da_los_mismos_eventos_y_oye_los_marks():
    casa = Casa()
    dados = [EventoMark(100.0, INICIO_MS), EventoFin(INICIO_MS)]

    class Fuente:
        async def eventos(self, simbolo: str, intervalo: str) -> AsyncIterator[EventoMercado]:
            for evento in dados:
                yield evento

    vistos = [e async for e in FuenteMedida(Fuente(), casa.sensores).eventos("BTCUSDT", "1h")]

    assert vistos == dados
    assert casa.valor(VOLATILITY) == 0.0
