"""Taking over positions that a person opened."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from src.nucleo.disparos import Niveles
from src.nucleo.errores import (
    AlmacenCaido,
    BolsaIncompatible,
    ConfiguracionInvalida,
    DatosInvalidos,
    EntradaInvalida,
    FalloPasajero,
    OrdenRechazada,
    PosicionDesprotegida,
    ProteccionImposible,
    StopMalLado,
)
from src.nucleo.stops import OrdenStop
from src.nucleo.tipos import LadoOrden, Posicion
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.operaciones import EstadoOperacion, LadoOperacion
from src.produccion.monitor.adopcion import Adopcion, Duenio
from src.produccion.monitor.cuaderno import Cuaderno
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.pedido import Pedido, apertura_ms, niveles_de
from src.produccion.monitor.residentes import PacienciaStops
from src.produccion.puertos import ModoCuenta, Transaccion
from tests.constructores import unos_filtros
from tests.produccion.falsos import BolsaFalsa, Pierde
from tests.produccion.monitor import fabrica as f

RED = True
DUENIO = Duenio("inquilino", "User_1", f.CUENTA)
PEDIDO = Pedido("BTCUSDT", 88_200.04, None, 93_600.0)


def _adopcion(
    motor: Engine, bolsa: BolsaFalsa, libro: Libro | None = None, cuaderno: Cuaderno | None = None
) -> Adopcion:
    cuaderno = cuaderno or Cuaderno(Path("/nowhere"))
    libro = libro or Libro(motor)
    return Adopcion(libro, bolsa, bolsa.reloj, DUENIO, cuaderno, PacienciaStops(3, 0.01), f.DEPRISA)


def _puestos(bolsa: BolsaFalsa) -> list[tuple[str, float, float | None]]:
    return [(s.tipo, s.gatillo, s.cantidad) for s in bolsa.stops_vivos]


async def test_queda_protegida_y_registrada(motor: Engine):
    bolsa = f.una_bolsa()

    adoptada = await _adopcion(motor, bolsa).adoptar(PEDIDO)

    assert _puestos(bolsa) == [("STOP_MARKET", 88_200.0, None), ("TAKE_PROFIT_MARKET", 93_600.0, 0.01)]
    guardada = f.operacion(motor, adoptada.operacion.operation_id)
    assert (guardada.side, guardada.hand_made, guardada.resident_stop) == (LadoOperacion.BUY, True, True)
    assert (guardada.initial_stop_price, guardada.stop_price, guardada.target_price) == (
        88_200,
        88_200,
        93_600,
    )
    assert guardada.stop_execution_token == adoptada.operacion.token
    assert (guardada.client_id, guardada.user_id) == ("inquilino", "User_1")
    assert adoptada.objetivo_puesto


async def test_una_corta_por_porcentaje(motor: Engine):
    """2 % above the entry; rounded to the tick towards the loss; the percentage is kept as a note only."""
    bolsa = f.una_bolsa(cantidad=-0.01)

    adoptada = await _adopcion(motor, bolsa).adoptar(Pedido("BTCUSDT", None, 2.0, None))

    assert _puestos(bolsa) == [("STOP_MARKET", 91_800.0, None)]
    assert bolsa.stops_vivos[0].lado is LadoOrden.BUY
    assert f.operacion(motor, adoptada.operacion.operation_id).stop_loss_percent == 2


class TestSeNiega:
    """… and changes nothing."""

    @pytest.mark.parametrize(
        ("cambios", "error", "motivo"),
        [
            ({"cantidad": 0.0}, DatosInvalidos, "flat"),
            ({"modo": ModoCuenta(True, False)}, BolsaIncompatible, "hedge"),
            ({"estado_simbolo": "SETTLING"}, BolsaIncompatible, "SETTLING"),
            ({"precio": 88_200.0}, StopMalLado, "wrong side"),
            ({"precio": 93_600.0}, StopMalLado, "Target"),
        ],
    )
    async def test_si_algo_no_es_como_debe(
        self, motor: Engine, cambios: dict[str, Any], error: type[Exception], motivo: str
    ):
        bolsa = f.una_bolsa(**cambios)
        with pytest.raises(error, match=motivo):
            await _adopcion(motor, bolsa).adoptar(PEDIDO)
        assert (bolsa.colocados, bolsa.enviadas) == ([], [])

    async def test_si_un_demonio_vive(self, motor: Engine):
        presentarse(motor, DemonioNuevo(f.CUENTA, "BTCUSDT", 7, "otra-maquina"))
        with pytest.raises(ConfiguracionInvalida, match="process 7 on otra-maquina"):
            await _adopcion(motor, f.una_bolsa()).adoptar(PEDIDO)

    async def test_si_ya_es_una_operacion(self, motor: Engine):
        f.guardar(motor, f.una_operacion())
        with pytest.raises(DatosInvalidos, match="already"):
            await _adopcion(motor, f.una_bolsa()).adoptar(PEDIDO)

    async def test_si_otro_stop_la_cierra(self, motor: Engine):
        bolsa = f.una_bolsa()
        bolsa.poner_stop(OrdenStop("BTCUSDT", LadoOrden.SELL, 85_000.0, None, "web_1"))
        with pytest.raises(DatosInvalidos, match="web_1"):
            await _adopcion(motor, bolsa).adoptar(PEDIDO)
        assert bolsa.colocados == []


async def test_una_respuesta_perdida_no_pone_dos_stops(motor: Engine):
    bolsa = f.una_bolsa(fallos_stop=deque([Pierde.DESPUES]))

    await _adopcion(motor, bolsa).adoptar(PEDIDO._replace(objetivo=None))

    assert len(bolsa.colocados) == len(bolsa.stops_vivos) == 1


async def test_lo_empezado_se_acaba_con_los_mismos_nombres(motor: Engine):
    """Killed between placing and storing: the next try finds the stop that is there."""
    bolsa = f.una_bolsa(cantidad=0.0)
    bolsa.operar(0.01)
    await _adopcion(motor, bolsa).adoptar(PEDIDO)
    primera = f.operacion(motor, f"{f.CUENTA}:BTCUSDT:{bolsa.reloj.ahora_ms()}")
    with f.sin_operaciones(motor):
        bolsa.reloj.instante_ms += 60_000
        await _adopcion(motor, bolsa).adoptar(PEDIDO)

    assert len(bolsa.stops) == 2
    assert f.operacion(motor, primera.operation_id).status is EstadoOperacion.ACTIVE


@pytest.mark.parametrize(
    "fallo",
    [
        FalloPasajero("overloaded", codigo=-1008),
        OrdenRechazada("cannot be", codigo=-4045),
        OrdenRechazada("would trigger", codigo=-2021),
    ],
    ids=["pasajero", "definitivo", "cruzado"],
)
async def test_sin_stop_posible_se_cierra(motor: Engine, fallo: Exception):
    """Retried where it may help, then closed as any stop is executed, with a critical alert."""
    bolsa = f.una_bolsa(fallos_stop=deque([fallo] * 3))

    with pytest.raises(PosicionDesprotegida, match="was closed"):
        await _adopcion(motor, bolsa).adoptar(PEDIDO)

    assert bolsa.estado.posicion is None
    assert [e["source"] for e in f.eventos(motor) if e["event_type"] == "EXECUTED"] == ["manual"]
    assert "position_unprotected" in f.alertas(motor)


async def test_si_tampoco_se_puede_cerrar_lo_dice(motor: Engine):
    rechazo = OrdenRechazada("no", codigo=-2019)
    bolsa = f.una_bolsa(fallos_stop=deque([OrdenRechazada("no", codigo=-4045)]), fallos=deque([rechazo] * 3))

    with pytest.raises(PosicionDesprotegida, match="NOW") as fallo:
        await _adopcion(motor, bolsa).adoptar(PEDIDO)

    assert not isinstance(fallo.value, ProteccionImposible)
    assert fallo.value.codigo_salida == 4


class _SeCae(Libro):
    """A store that goes down once a stop was asked for."""

    def __init__(self, motor: Engine, bolsa: BolsaFalsa) -> None:
        super().__init__(motor)
        self._bolsa = bolsa

    async def _fuera(self, hacer: Callable[[], Any]) -> Any:
        if "colocar_stop" in self._bolsa.pedidos:
            raise AlmacenCaido("down")
        return await super()._fuera(hacer)


class TestSinAlmacen:
    """The exchange takes no stop, and the store is down."""

    @pytest.mark.parametrize(
        ("cantidad", "fallos"),
        [(0.01, []), (300.0, [OrdenRechazada("too much", codigo=-4005)])],
        ids=["una-orden", "varias"],
    )
    async def test_se_cierra_sin_esperarlo(
        self, motor: Engine, tmp_path: Path, cantidad: float, fallos: list[Exception]
    ):
        bolsa = f.una_bolsa(cantidad=cantidad, fallos_stop=_sin_stop(), fallos=deque(fallos))
        cuaderno = Cuaderno(tmp_path)

        with pytest.raises(ProteccionImposible, match="was closed"):
            await _adopcion(motor, bolsa, _SeCae(motor, bolsa), cuaderno).adoptar(PEDIDO)

        assert bolsa.estado.posicion is None
        assert not cuaderno.vacio

    @pytest.mark.parametrize(
        "cambios",
        [{"fallos": deque([OrdenRechazada("no", codigo=-2019)] * 9)}, {"consultas_fallidas": 1_000}],
        ids=["rechaza", "calla"],
    )
    async def test_si_tampoco_se_puede_cerrar_lo_dice(
        self, motor: Engine, tmp_path: Path, cambios: dict[str, Any]
    ):
        bolsa = f.una_bolsa(fallos_stop=_sin_stop(), **cambios)

        with pytest.raises(PosicionDesprotegida, match="NOW") as fallo:
            await _adopcion(motor, bolsa, _SeCae(motor, bolsa), Cuaderno(tmp_path)).adoptar(PEDIDO)

        assert not isinstance(fallo.value, ProteccionImposible)
        assert bolsa.estado.posicion is not None


def _sin_stop() -> deque[Any]:
    return deque([OrdenRechazada("no", codigo=-4045)])


async def test_un_objetivo_que_no_entra_no_quita_la_proteccion(motor: Engine):
    bolsa = f.una_bolsa(fallos_stop=deque([None, OrdenRechazada("no", codigo=-4045)]))

    adoptada = await _adopcion(motor, bolsa).adoptar(PEDIDO)

    assert not adoptada.objetivo_puesto
    assert _puestos(bolsa) == [("STOP_MARKET", 88_200.0, None)]
    assert f.operacion(motor, adoptada.operacion.operation_id).target_price == 93_600


def _filas(cantidades: list[float]) -> list[Transaccion]:
    return [Transaccion(i, i, c, 1.0, 0.0, 0.0, 1_000 + i) for i, c in enumerate(cantidades)]


class TestPedido:
    @pytest.mark.parametrize(
        ("cambios", "motivo"),
        [
            ({"stop": None}, "either --stop or --stop-loss-percent"),
            ({"stop_pct": 2.0}, "either --stop or --stop-loss-percent"),
            ({"stop": -5.0}, "--stop -5.0 must be a price greater than 0"),
            ({"stop": float("nan")}, "--stop nan"),
            ({"stop": 0.001}, "outside the price filter"),
            ({"stop": 499.9}, r"Stop 499\.9 .* must be a price from 500\.0 to 100000\.0"),
            ({"objetivo": 100_000.1}, r"Target 100000\.1 .* must be a price from 500\.0 to 100000\.0"),
            ({"stop": None, "stop_pct": 100.0}, "stop_loss_percent"),
            ({"objetivo": float("inf")}, "--target inf"),
            ({"objetivo": 89_000.0}, "Target 89000.0 is on the wrong side"),
        ],
    )
    def test_lo_que_no_puede_ser_nombra_el_precio(self, cambios: dict[str, Any], motivo: str):
        filtros = unos_filtros(precio_min="500", precio_max="100000")
        with pytest.raises(EntradaInvalida, match=motivo):
            niveles_de(PEDIDO._replace(**cambios), Posicion(0.01, 90_000.0), 90_000.0, filtros)

    def test_se_redondea_hacia_la_perdida(self):
        corta = Pedido("BTCUSDT", 91_800.01, None, 88_000.09)
        assert niveles_de(corta, Posicion(-0.01, 90_000.0), 90_000.0, unos_filtros()) == Niveles(
            False, 91_800.1, 88_000.0
        )


class TestApertura:
    def test_es_el_fill_que_salio_de_cero(self):
        assert apertura_ms(_filas([1.0, -1.0, 2.0, 3.0, -1.0]), 4.0) == 1_002

    def test_si_las_filas_no_llegan_no_se_sabe(self):
        assert apertura_ms(_filas([-1.0]), 4.0) is None
        assert apertura_ms([], 4.0) is None

    @given(st.lists(st.integers(-5, 5).filter(bool), min_size=1, max_size=12).filter(lambda xs: sum(xs) != 0))
    def test_desde_ahi_la_posicion_no_ha_cambiado_de_lado(self, cantidades: list[int]):
        """Also when one fill turned a short into a long."""
        posiciones = list(accumulate(cantidades))
        lado = posiciones[-1] > 0
        ultima_ajena = max((i for i, p in enumerate(posiciones) if p == 0 or (p > 0) is not lado), default=-1)

        desde = apertura_ms(_filas([float(c) for c in cantidades]), float(posiciones[-1]))

        assert desde == 1_000 + ultima_ajena + 1
