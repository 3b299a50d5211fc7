"""Value types that cannot be wrong."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from src.nucleo.tipos import EscalaPrecio, EstadoCuenta, LadoOrden, Operacion, Posicion, TipoAccion
from tests.constructores import una_cuenta, unos_filtros


class TestOperacion:
    def test_son_nueve(self):
        assert [operacion.value for operacion in Operacion] == [
            "abrir_long",
            "abrir_short",
            "aumentar_long",
            "aumentar_short",
            "reducir_long",
            "reducir_short",
            "cerrar_long",
            "cerrar_short",
            "mantener",
        ]

    @pytest.mark.parametrize("operacion", Operacion)
    def test_solo_abrir_y_aumentar_necesitan_margen(self, operacion):
        assert operacion.aumenta_exposicion is operacion.value.startswith(("abrir", "aumentar"))

    def test_las_palabras_de_fuera_son_las_suyas(self):
        assert [tipo.value for tipo in TipoAccion] == ["long", "short", "mantener"]
        assert [lado.value for lado in LadoOrden] == ["BUY", "SELL"]


class TestPosicion:
    @pytest.mark.parametrize(
        ("cantidad", "entrada"),
        [(0.0, 30_000.0), (-0.0, 30_000.0), (1.0, 0.0), (1.0, -5.0), (1.0, float("nan"))],
    )
    def test_sin_cantidad_o_sin_precio_no_es_una_posicion(self, cantidad, entrada):
        with pytest.raises(ValueError, match="not a position"):
            Posicion(cantidad, entrada)

    @pytest.mark.parametrize("cantidad", [0.001, -0.001])
    def test_los_dos_lados_lo_son(self, cantidad):
        assert Posicion(cantidad, 30_000.0).cantidad == cantidad

    def test_no_se_puede_cambiar(self):
        with pytest.raises(FrozenInstanceError):
            Posicion(1.0, 30_000.0).cantidad = 2.0


class TestEstadoCuenta:
    def test_sin_posicion_la_cantidad_es_cero(self):
        assert EstadoCuenta(10_000.0).cantidad == 0.0

    def test_la_cantidad_lleva_el_signo_del_lado(self):
        assert una_cuenta(cantidad=-0.5).cantidad == -0.5


class TestFiltros:
    @pytest.mark.parametrize(
        ("paso", "escala"),
        [
            ("1", (1, 1)),
            ("0.001", (1, 1_000)),
            ("0.00100000", (1, 1_000)),
            ("0.25", (25, 100)),
            ("10", (10, 1)),
            ("1E+2", (100, 1)),
            ("1E-7", (1, 10**7)),
        ],
    )
    def test_un_paso_es_una_fraccion_de_enteros(self, paso, escala):
        filtros = unos_filtros(tick=paso, paso=paso, paso_mercado="0.0000001")

        assert filtros.escala_tick == escala
        assert filtros.escala_lote == escala

    @pytest.mark.parametrize(
        ("minimo", "maximo", "escala", "alcance"),
        [
            ("0", "0", EscalaPrecio(1, 10), "a positive price"),
            ("556.80", "4529764", EscalaPrecio(1, 10, 556.8, 4_529_764.0), "a price from 556.8 to 4529764.0"),
            ("556.83", "0", EscalaPrecio(1, 10, 556.9), "a price from 556.9"),
            ("0", "1000.07", EscalaPrecio(1, 10, maximo=1_000.0), "a price above 0 to 1000.0"),
        ],
    )
    def test_los_limites_del_precio_caen_en_el_tick_y_cero_no_es_ninguno(
        self, minimo, maximo, escala, alcance
    ):
        filtros = unos_filtros(precio_min=minimo, precio_max=maximo)

        assert filtros.escala_precio == escala
        assert filtros.escala_precio.alcance == alcance

    def test_una_orden_de_mercado_cumple_los_dos_lotes(self):
        filtros = unos_filtros(
            paso="0.001",
            paso_mercado="0.01",
            cantidad_min="0.02",
            cantidad_min_mercado="0.01",
            cantidad_max="100",
            cantidad_max_mercado="120",
            nocional_min="20",
        )

        assert filtros.escala_lote == (1, 100)
        assert (filtros.minimo_lote, filtros.maximo_lote, filtros.minimo_nocional) == (0.02, 100.0, 20.0)

    @pytest.mark.parametrize("paso", ["0", "-0.1", "NaN", "Infinity"])
    def test_un_paso_que_no_es_positivo_se_rechaza(self, paso):
        with pytest.raises(ValueError, match="a step must be a positive number"):
            unos_filtros(tick=paso)

    def test_los_derivados_no_cuentan_en_la_igualdad(self):
        assert unos_filtros() == unos_filtros()
        assert unos_filtros() != unos_filtros(tick="0.01")
        assert unos_filtros().tick == Decimal("0.1")
