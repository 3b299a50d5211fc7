"""How long failures of the exchange are borne."""

from __future__ import annotations

import asyncio

import pytest

from src.nucleo.errores import (
    BolsaIncompatible,
    CredencialesInvalidas,
    CuentaInexplicable,
    ErrorBolsa,
    FalloPasajero,
    LecturaFallida,
    LimiteExcedido,
    OrdenRechazada,
    ResultadoIncierto,
)
from src.produccion.riesgo.paciencia import Paciencia, insistir

MUDA = LecturaFallida("no answer from the exchange")
LLENA = LimiteExcedido("too many requests", espera_s=7.0)
RECHAZO = OrdenRechazada("refused", codigo=-1111)


class Cronometro:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.ahora_s = 100.0

    def __call__(self) -> float:
        return self.ahora_s


@pytest.fixture
def reloj() -> Cronometro:
    return Cronometro()


@pytest.fixture
def paciencia(reloj: Cronometro) -> Paciencia:
    return Paciencia(3, 600.0, 60.0, reloj)


def contar(
    paciencia: Paciencia, fallo: ErrorBolsa = MUDA, *, de_refresco: bool = False, protegida: bool = False
) -> float | None:
    return paciencia.contar(fallo, de_refresco=de_refresco, protegida=protegida)


# --- how many ---


def test_los_fallos_seguidos_acaban_la_paciencia_y_se_dice_el_ultimo(paciencia: Paciencia):
    assert [contar(paciencia, RECHAZO) is None for _ in range(3)] == [False, False, True]
    assert paciencia.detalle == f"3 errors in a row, the last: {RECHAZO}"


def test_algo_que_sale_bien_perdona_los_anteriores(paciencia: Paciencia):
    contar(paciencia, RECHAZO)
    contar(paciencia, RECHAZO)
    paciencia.alivio(de_refresco=False)

    assert contar(paciencia, RECHAZO) is not None
    assert contar(paciencia, RECHAZO) is not None


def test_mirar_la_cuenta_no_perdona_las_velas_que_fallan(paciencia: Paciencia):
    contar(paciencia, RECHAZO)
    contar(paciencia, RECHAZO)
    paciencia.alivio(de_refresco=True)

    assert contar(paciencia, RECHAZO) is None


def test_las_velas_que_salen_bien_no_perdonan_las_miradas_que_fallan(paciencia: Paciencia):
    contar(paciencia, RECHAZO, de_refresco=True)
    contar(paciencia, RECHAZO, de_refresco=True)
    paciencia.alivio(de_refresco=False)

    assert contar(paciencia, RECHAZO, de_refresco=True) is None


# --- a silent exchange ---


@pytest.mark.parametrize("fallo", [MUDA, LLENA], ids=["silence", "rate limit"])
def test_con_la_posicion_protegida_el_silencio_no_cuenta(paciencia: Paciencia, fallo: ErrorBolsa):
    assert all(contar(paciencia, fallo, protegida=True) is not None for _ in range(50))


@pytest.mark.parametrize(
    "fallo",
    [
        RECHAZO,
        FalloPasajero("busy", codigo=-1008),
        ResultadoIncierto("no answer"),
        CuentaInexplicable("the position went from 0.1 to 0.3"),
        CredencialesInvalidas("the exchange refused the API key"),
        BolsaIncompatible("not listed"),
    ],
    ids=lambda fallo: type(fallo).__name__,
)
def test_lo_que_la_bolsa_si_contesta_cuenta_aunque_este_protegida(paciencia: Paciencia, fallo: ErrorBolsa):
    assert [contar(paciencia, fallo, protegida=True) is None for _ in range(3)] == [False, False, True]


def test_el_silencio_acaba_la_paciencia_a_los_diez_minutos(paciencia: Paciencia, reloj: Cronometro):
    contar(paciencia, protegida=True)
    reloj.ahora_s += 599.0
    assert contar(paciencia, protegida=True) is not None
    reloj.ahora_s += 1.0

    assert contar(paciencia, protegida=True) is None
    assert paciencia.detalle.startswith("the exchange has not answered for 600 s")


def test_sin_stop_el_silencio_acaba_la_paciencia_al_minuto(paciencia: Paciencia, reloj: Cronometro):
    """Nobody watches a position that no stop protects."""
    assert all(contar(paciencia, protegida=False) is not None for _ in range(50))
    reloj.ahora_s += 59.0
    assert contar(paciencia, protegida=False) is not None
    reloj.ahora_s += 1.0

    assert contar(paciencia, protegida=False) is None
    assert paciencia.detalle.startswith("the exchange has not answered for 60 s")


@pytest.mark.parametrize("de_refresco", [False, True])
def test_una_respuesta_cualquiera_rompe_el_silencio(
    paciencia: Paciencia, reloj: Cronometro, de_refresco: bool
):
    contar(paciencia, protegida=True)
    reloj.ahora_s += 599.0
    paciencia.alivio(de_refresco=de_refresco)
    reloj.ahora_s += 599.0

    assert contar(paciencia, protegida=True) is not None


def test_un_rechazo_es_una_respuesta_y_rompe_el_silencio(paciencia: Paciencia, reloj: Cronometro):
    contar(paciencia, protegida=True)
    reloj.ahora_s += 599.0
    contar(paciencia, RECHAZO, protegida=True)
    reloj.ahora_s += 2.0

    assert contar(paciencia, protegida=True) is not None


def test_los_fallos_con_la_posicion_protegida_no_se_cobran_cuando_deja_de_estarlo(paciencia: Paciencia):
    for _ in range(10):
        contar(paciencia, protegida=True)

    assert contar(paciencia, protegida=False) is not None


# --- pauses ---


def test_las_esperas_se_doblan_hasta_medio_minuto(paciencia: Paciencia):
    esperas = [contar(paciencia, protegida=True) for _ in range(20)]

    assert esperas[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert set(esperas[7:]) == {30.0}


def test_lo_que_puede_estar_sin_stop_no_espera_mas_de_un_segundo(paciencia: Paciencia):
    """The network is back for long before a pause of half a minute ends."""
    assert [contar(paciencia, protegida=False) for _ in range(5)] == [0.5, 1.0, 1.0, 1.0, 1.0]
    assert contar(paciencia, protegida=True) == 16.0


def test_un_limite_excedido_se_espera_lo_que_dice_la_bolsa(paciencia: Paciencia):
    assert contar(paciencia, LLENA, protegida=True) == 7.0


def test_tras_algo_bueno_las_esperas_empiezan_de_nuevo(paciencia: Paciencia):
    for _ in range(5):
        contar(paciencia, protegida=True)
    paciencia.alivio(de_refresco=False)

    assert contar(paciencia, protegida=True) == 0.5


# --- insisting ---


class Paso:
    """Fails in the ways of a list, then answers."""

    def __init__(self, *fallos: ErrorBolsa) -> None:
        self._fallos = list(fallos)
        self.veces = 0

    async def __call__(self) -> str:
        self.veces += 1
        if self._fallos:
            raise self._fallos.pop(0)
        return "done"


def una_paciencia() -> Paciencia:
    return Paciencia(3, 600.0, 60.0, asyncio.get_running_loop().time)


async def test_se_insiste_mientras_la_bolsa_no_contesta():
    paso = Paso(MUDA, LLENA, MUDA)

    assert await insistir(paso, una_paciencia()) == "done"
    assert paso.veces == 4
    assert asyncio.get_running_loop().time() == 0.5 + 7.0 + 1.0


async def test_lo_que_ha_salido_bien_no_pesa_en_lo_siguiente():
    paciencia = una_paciencia()
    busy = FalloPasajero("busy", codigo=-1008)

    for _ in range(4):
        await insistir(Paso(busy, busy), paciencia)


async def test_no_se_insiste_para_siempre():
    paso = Paso(*[MUDA] * 1_000)

    with pytest.raises(LecturaFallida):
        await insistir(paso, una_paciencia())
    assert 600.0 <= asyncio.get_running_loop().time() < 630.0


@pytest.mark.parametrize(
    "fallo",
    [RECHAZO, CredencialesInvalidas("the exchange refused the API key"), BolsaIncompatible("not listed")],
    ids=lambda fallo: type(fallo).__name__,
)
async def test_no_se_insiste_en_lo_que_la_bolsa_niega(fallo: ErrorBolsa):
    paso = Paso(fallo)

    with pytest.raises(type(fallo)):
        await insistir(paso, una_paciencia())
    assert paso.veces == 1
