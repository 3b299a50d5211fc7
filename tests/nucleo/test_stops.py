"""The catastrophe stop's level, and the steps that keep exactly one at the exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from src.nucleo.cartera import aplicar_compraventa, debe_liquidarse, equity_de, precio_liquidacion
from src.nucleo.ordenes import trocear
from src.nucleo.stops import (
    Cancelar,
    Colocar,
    Paso,
    StopVivo,
    cruzado,
    cubren,
    lado_que_protege,
    nivel_catastrofe,
    renovar_nivel,
    siguiente_paso,
    siguiente_paso_por_cantidad,
)
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Posicion, Tramo
from tests.constructores import un_mercado, una_cuenta, unos_filtros

MERCADO = un_mercado()
SIN_MANTENIMIENTO = un_mercado(
    tramos=(Tramo(nocional_max=1e9, apalancamiento_max=125, tasa_mantenimiento=0.0, deduccion=0.0),)
)
TICK = 0.1
LIMITE = 0.2


def nivel_de(
    cuenta: EstadoCuenta, precio: float = 30_000.0, maximo: float = 10_000.0, limite: float = LIMITE
):
    return nivel_catastrofe(cuenta, precio, maximo, limite, MERCADO)


class TestNivel:
    @pytest.mark.parametrize(("cantidad", "nivel"), [(0.5, 26_000.0), (-0.5, 34_000.0)])
    def test_es_donde_la_equity_llega_al_limite(self, cantidad, nivel):
        """2,000 of 10,000 may be lost: 4,000 per coin with half a coin."""
        assert nivel_de(una_cuenta(cantidad=cantidad)) == nivel

    def test_el_limite_se_mide_desde_el_maximo(self):
        """From a peak of 11,000 only 1,200 are left to lose."""
        assert nivel_de(una_cuenta(cantidad=0.5), maximo=11_000.0) == 27_600.0

    @pytest.mark.parametrize(
        ("cantidad", "nivel"),
        [
            # 96,000 lie in the second bracket: 0.5 % less 50
            (3.2, 27_595.5),  # liquidated at 26,994.35; 80 % of the way is 27,595.48
            (-3.2, 32_380.5),  # at 32,975.75 and 32,380.60
        ],
    )
    def test_o_antes_de_la_liquidacion_si_eso_esta_mas_cerca(self, cantidad, nivel):
        assert nivel_de(una_cuenta(cantidad=cantidad), limite=0.9) == nivel

    @pytest.mark.parametrize(("cantidad", "nivel"), [(0.5, 27_000.0), (-0.5, 33_000.0)])
    def test_donde_el_filtro_de_precio_no_llega_es_su_limite(self, cantidad, nivel):
        """At 26,000 and 34,000 the exchange would refuse it, and the position would have none."""
        filtros = unos_filtros(precio_min="27000", precio_max="33000")
        cuenta = una_cuenta(cantidad=cantidad)

        mercado = un_mercado(filtros=filtros)
        assert nivel_catastrofe(cuenta, 30_000.0, 10_000.0, LIMITE, mercado) == nivel

    @pytest.mark.parametrize(("cantidad", "nivel"), [(0.3, 23_333.4), (-0.3, 36_666.6)])
    def test_se_redondea_hacia_el_mercado(self, cantidad, nivel):
        """6,666.67 from the entry."""
        assert nivel_de(una_cuenta(cantidad=cantidad)) == nivel

    def test_la_parte_del_camino_se_puede_elegir(self):
        cuenta = una_cuenta(cantidad=3.2)

        assert nivel_catastrofe(cuenta, 30_000.0, 10_000.0, 0.9, MERCADO, 0.5) == 28_497.2

    def test_sin_posicion_no_hay_nivel(self):
        assert nivel_de(una_cuenta()) is None

    def test_si_ningun_precio_lo_haria_no_hay_nivel(self):
        """A tenth of the wallet in coins: worth nothing, they still leave 9,000."""
        assert nivel_de(una_cuenta(cantidad=0.03)) is None

    def test_un_corto_que_no_cabe_en_el_limite_a_ningun_precio_se_fija_por_la_liquidacion(self):
        """Far below its peak, the account would be beyond the limit even at a price of nothing."""
        cuenta = una_cuenta(saldo=100.0, cantidad=-0.001)

        assert nivel_de(cuenta, maximo=1_000.0, limite=0.2) == pytest.approx(
            30_000.0 + 0.8 * (precio_liquidacion(cuenta, 30_000.0, MERCADO.tramos) - 30_000.0), abs=TICK
        )

    def test_una_cartera_que_no_cubre_la_entrada_se_protege_desde_el_precio(self):
        """Profit alone keeps the position: the way to liquidation does not begin at the entry."""
        cuenta = una_cuenta(saldo=10.0, cantidad=1.0)
        liquidacion = precio_liquidacion(cuenta, 40_000.0, MERCADO.tramos)
        nivel = nivel_de(cuenta, precio=40_000.0, limite=0.999)

        assert liquidacion > 30_000.0
        assert nivel == pytest.approx(40_000.0 + 0.8 * (liquidacion - 40_000.0), abs=TICK)
        assert liquidacion < nivel < 40_000.0


LADOS = st.sampled_from([1, -1])
PRECIOS = st.integers(100_000, 600_000).map(lambda ticks: ticks / 10)
LIMITES = st.sampled_from([0.05, 0.1, 0.2, 0.35, 0.7, 0.95, 1.0])


@st.composite
def unas_cuentas(draw: st.DrawFn) -> EstadoCuenta:
    """Positions of up to some 25× on a wallet of 10,000."""
    cantidad = draw(LADOS) * draw(st.integers(1, 4_000)) / 1_000
    saldo = draw(st.integers(500_000_000_000, 2_000_000_000_000)) / 1e8
    return EstadoCuenta(saldo, Posicion(cantidad, draw(PRECIOS)))


class TestPropiedadesDelNivel:
    @given(cuenta=unas_cuentas(), precio=PRECIOS, exceso=st.floats(1.0, 1.5), limite=LIMITES)
    def test_cada_nivel_tiene_una_de_las_dos_razones(self, cuenta, precio, exceso, limite):
        """At the level the equity is the limit's, within a tick, or liquidation is a fifth of the way off."""
        assume(not debe_liquidarse(cuenta, precio, MERCADO.tramos))
        maximo = max(equity_de(cuenta, precio), cuenta.saldo) * exceso
        nivel = nivel_de(cuenta, precio, maximo, limite)
        assume(nivel is not None)

        sobra = equity_de(cuenta, nivel) - maximo * (1.0 - limite)
        por_limite = -1e-6 <= sobra <= abs(cuenta.cantidad) * TICK + 1e-6
        antes = self._antes_de_liquidar(cuenta, precio)
        assert por_limite or nivel == pytest.approx(antes, abs=1.001 * TICK)
        assert sobra >= -1e-6 or equity_de(cuenta, 0.0) < maximo * (1.0 - limite)

    @given(cuenta=unas_cuentas(), precio=PRECIOS, limite=LIMITES)
    def test_el_nivel_esta_antes_de_la_liquidacion(self, cuenta, precio, limite):
        liquidacion = precio_liquidacion(cuenta, precio, MERCADO.tramos)
        assume(liquidacion is not None)
        nivel = nivel_de(cuenta, precio, max(equity_de(cuenta, precio), 1.0), limite)

        assert nivel > liquidacion if cuenta.cantidad > 0.0 else nivel < liquidacion

    @given(cuenta=unas_cuentas(), precio=PRECIOS, exceso=st.floats(1.0, 1.5), limite=LIMITES)
    def test_el_nivel_solo_esta_cruzado_si_ya_se_llego(self, cuenta, precio, exceso, limite):
        """Otherwise a stop on the wrong side of the price would close a healthy position."""
        maximo = max(equity_de(cuenta, precio), 1.0) * exceso
        nivel = nivel_de(cuenta, precio, maximo, limite)
        assume(nivel is not None and cruzado(nivel, cuenta.cantidad, precio))

        sin_limite = equity_de(cuenta, precio) <= maximo * (1.0 - limite) + abs(cuenta.cantidad) * TICK + 1e-6
        antes = self._antes_de_liquidar(cuenta, precio)
        un_tick = TICK * 1.001 * (1.0 if cuenta.cantidad > 0.0 else -1.0)
        assert sin_limite or cruzado(antes + un_tick, cuenta.cantidad, precio)

    @given(cantidad=st.integers(1, 4_000), entrada=PRECIOS, saldo=st.integers(1_000, 20_000), limite=LIMITES)
    def test_largos_y_cortos_se_reflejan(self, cantidad, entrada, saldo, limite):
        """Without maintenance margin nothing tells them apart but the direction."""
        largo, corto = (
            nivel_catastrofe(
                una_cuenta(float(saldo), lado * cantidad / 1_000, entrada),
                entrada,
                float(saldo),
                limite,
                SIN_MANTENIMIENTO,
            )
            for lado in (1, -1)
        )
        assume(largo is not None)

        assert largo + corto == pytest.approx(2 * entrada, abs=1e-6)

    def _antes_de_liquidar(self, cuenta: EstadoCuenta, precio: float) -> float | None:
        liquidacion = precio_liquidacion(cuenta, precio, MERCADO.tramos)
        if liquidacion is None:
            return None
        entrada = cuenta.posicion.precio_entrada
        pierde = liquidacion < entrada if cuenta.cantidad > 0.0 else liquidacion > entrada
        inicio = entrada if pierde else precio
        return inicio + 0.8 * (liquidacion - inicio)


def renovar(nivel: float | None, antes: EstadoCuenta, despues: EstadoCuenta, maximo: float = 10_000.0):
    return renovar_nivel(nivel, antes, despues, 30_000.0, maximo, LIMITE, MERCADO)


class TestRenovar:
    def test_al_cerrar_se_olvida(self):
        assert renovar(26_000.0, una_cuenta(cantidad=0.5), una_cuenta()) is None

    @pytest.mark.parametrize("antes", [0.0, -0.2])
    def test_al_abrir_o_dar_la_vuelta_es_nuevo(self, antes):
        assert renovar(29_000.0, una_cuenta(cantidad=antes), una_cuenta(cantidad=0.5)) == 26_000.0

    @pytest.mark.parametrize("despues", [0.5, 0.2])
    def test_mantener_y_reducir_lo_dejan_como_esta(self, despues):
        assert renovar(25_000.0, una_cuenta(cantidad=0.5), una_cuenta(cantidad=despues)) == 25_000.0

    @pytest.mark.parametrize(
        ("lado", "viejo", "nivel"),
        [
            (1, 25_000.0, 26_000.0),
            (1, 27_000.0, 27_000.0),
            (-1, 35_000.0, 34_000.0),
            (-1, 33_000.0, 33_000.0),
        ],
    )
    def test_al_aumentar_queda_el_mas_cercano(self, lado, viejo, nivel):
        antes, despues = una_cuenta(cantidad=lado * 0.2), una_cuenta(cantidad=lado * 0.5)

        assert renovar(viejo, antes, despues) == nivel

    def test_un_aumento_sin_nivel_nuevo_deja_el_viejo(self):
        assert renovar(20_000.0, una_cuenta(cantidad=0.01), una_cuenta(cantidad=0.03)) == 20_000.0

    @given(
        lado=LADOS,
        fills=st.lists(
            st.tuples(st.integers(-900, 900), st.integers(250_000, 350_000)), min_size=2, max_size=12
        ),
        maximos=st.lists(st.floats(1.0, 1.2), min_size=12, max_size=12),
    )
    def test_dentro_de_una_operacion_nunca_se_aleja(self, lado, fills, maximos):
        cuenta, nivel, maximo = una_cuenta(), None, 10_000.0
        for (milesimas, ticks), factor in zip(fills, maximos, strict=False):
            cantidad, precio = lado * milesimas / 1_000, ticks / 10
            if not 0.0 <= lado * (cuenta.cantidad + cantidad) <= 4.0 or cantidad == 0.0:
                continue
            antes, viejo = cuenta, nivel
            cuenta, _ = aplicar_compraventa(antes, cantidad, precio, 0.0005, MERCADO.filtros)
            maximo *= factor
            nivel = renovar_nivel(viejo, antes, cuenta, precio, maximo, LIMITE, MERCADO)
            if cuenta.posicion is None:
                assert nivel is None
            elif viejo is not None and antes.posicion is not None:
                assert lado * nivel >= lado * viejo


@pytest.mark.parametrize(
    ("cantidad", "precio", "toca"),
    [(0.5, 26_000.1, False), (0.5, 26_000.0, True), (-0.5, 25_999.9, False), (-0.5, 26_000.0, True)],
)
def test_un_nivel_se_cruza_al_tocarlo(cantidad, precio, toca):
    assert cruzado(26_000.0, cantidad, precio) is toca


NIVEL = 26_000.0


def un_vivo(
    id_cliente: str = "a", gatillo: float = NIVEL, cantidad: float | None = None, lado=LadoOrden.SELL
):
    return StopVivo(id_cliente, gatillo, cantidad, lado)


class TestSiguientePaso:
    def test_sin_nada_se_coloca_el_que_cierra_toda_la_posicion(self):
        assert siguiente_paso(0.5, NIVEL, []) == Colocar(None, NIVEL)

    def test_con_el_buscado_no_queda_nada_por_hacer(self):
        assert siguiente_paso(0.5, NIVEL, [un_vivo()]) is None

    def test_un_nivel_se_mueve_por_un_puente(self):
        """Place the bridge, cancel the old one, place the new one, cancel the bridge."""
        viejo, puente, nuevo = un_vivo("viejo", 25_000.0), un_vivo("puente", cantidad=0.5), un_vivo("nuevo")
        pasos = [
            siguiente_paso(0.5, NIVEL, vivos)
            for vivos in ([viejo], [viejo, puente], [puente], [puente, nuevo], [nuevo])
        ]

        assert pasos == [
            Colocar(0.5, NIVEL),
            Cancelar("viejo"),
            Colocar(None, NIVEL),
            Cancelar("puente"),
            None,
        ]

    @pytest.mark.parametrize(
        "otro",
        [
            un_vivo("b", lado=LadoOrden.BUY),
            un_vivo("b", gatillo=25_000.0),
            un_vivo("b", cantidad=0.5),
        ],
        ids=["the wrong side", "another level", "a quantity"],
    )
    def test_lo_que_no_es_el_buscado_sobra_en_cuanto_esta(self, otro):
        assert siguiente_paso(0.5, NIVEL, [otro, un_vivo()]) == Cancelar("b")
        assert siguiente_paso(0.5, NIVEL, [otro]) is not None

    def test_un_puente_corto_no_vale(self):
        """The position grew after it was placed."""
        vivos = [un_vivo("viejo", 25_000.0), un_vivo("puente", cantidad=0.4)]

        assert siguiente_paso(0.5, NIVEL, vivos) == Colocar(0.5, NIVEL)

    def test_un_puente_puede_ser_de_varios(self):
        """The exchange takes no order as large as the position."""
        viejo, nuevo = un_vivo("viejo", 25_000.0), un_vivo("nuevo")
        trozos = [un_vivo("a", cantidad=0.2), un_vivo("b", cantidad=0.2), un_vivo("c", cantidad=0.1)]
        pasos = [
            siguiente_paso(0.5, NIVEL, vivos, (0.2, 0.2, 0.1))
            for vivos in (
                *([viejo, *trozos[:n]] for n in range(4)),
                *([nuevo, *trozos[n:]] for n in range(4)),
            )
        ]

        assert pasos == [
            *(Colocar(0.2, NIVEL), Colocar(0.2, NIVEL), Colocar(0.1, NIVEL), Cancelar("viejo")),
            *(Cancelar("a"), Cancelar("b"), Cancelar("c"), None),
        ]

    def test_lo_que_basta_entre_todos_es_un_puente(self):
        """The position shrank after it was built; as floats 0.1 and 0.2 are more than 0.3, and 0.7 less."""
        viejo = un_vivo("viejo", 25_000.0)
        puente = [un_vivo("a", cantidad=0.1), un_vivo("b", cantidad=0.2), un_vivo("c", cantidad=0.4)]

        assert siguiente_paso(0.3, NIVEL, [viejo, *puente[:2]], (0.15, 0.15)) == Cancelar("viejo")
        assert siguiente_paso(0.7, NIVEL, [viejo, *puente], (0.35, 0.35)) == Cancelar("viejo")

    def test_donde_otro_ocupa_el_sitio_se_queda_el_puente(self):
        viejo, corto, justo = (
            un_vivo("v", 25_000.0, 0.5),
            un_vivo("c", cantidad=0.2),
            un_vivo("j", cantidad=0.5),
        )
        pasos = [
            siguiente_paso_por_cantidad(0.5, NIVEL, vivos)
            for vivos in ([viejo], [viejo, corto], [viejo, corto, justo], [corto, justo], [justo])
        ]

        assert pasos == [Colocar(0.5, NIVEL), Colocar(0.5, NIVEL), Cancelar("v"), Cancelar("c"), None]

    def test_del_otro_lado_no_hace_falta_puente(self):
        vivos = [un_vivo("largo", 25_000.0)]

        assert siguiente_paso(-0.5, 34_000.0, vivos) == Colocar(None, 34_000.0)

    @pytest.mark.parametrize(("cantidad", "nivel"), [(0.0, None), (0.0, NIVEL), (0.5, None)])
    def test_sin_posicion_o_sin_nivel_se_retira_todo(self, cantidad, nivel):
        assert siguiente_paso(cantidad, nivel, [un_vivo("a"), un_vivo("b")]) == Cancelar("a")
        assert siguiente_paso(cantidad, nivel, []) is None


class Bolsa:
    """Keeps stops as the exchange does; a second one that closes in the same direction is refused."""

    def __init__(self, vivos: Sequence[StopVivo]) -> None:
        self.vivos = list(vivos)
        self._colocados = 0

    def aplicar(self, paso: Paso, cantidad: float, nivel: float) -> None:
        if isinstance(paso, Cancelar):
            self.vivos = [vivo for vivo in self.vivos if vivo.id_cliente != paso.id_cliente]
            return
        lado = lado_que_protege(cantidad)
        assert paso.cantidad is not None or not self.cierran(lado), "-4130"
        self._colocados += 1
        self.vivos.append(StopVivo(f"nuevo-{self._colocados}", nivel, paso.cantidad, lado))

    def cierran(self, lado: LadoOrden) -> list[StopVivo]:
        return [vivo for vivo in self.vivos if vivo.lado is lado and vivo.cantidad is None]

    def cubre(self, cantidad: float) -> bool:
        return cubren(cantidad, self.vivos)


CANTIDADES = st.sampled_from([0.5, 0.2, -0.5, -0.2])
NIVELES = st.sampled_from([25_000.0, 26_000.0, 27_000.0])


@st.composite
def unos_vivos(draw: st.DrawFn) -> list[StopVivo]:
    """What any interruption may have left: at most one that closes in each direction."""
    filas = draw(
        st.lists(st.tuples(NIVELES, st.sampled_from([0.2, 0.5]), st.sampled_from(LadoOrden)), max_size=4)
    )
    vivos = [StopVivo(f"q{i}", *fila) for i, fila in enumerate(filas)]
    for lado in LadoOrden:
        if draw(st.booleans()):
            vivos.append(StopVivo(f"c{lado}", draw(NIVELES), None, lado))
    return draw(st.permutations(vivos))


class TestReconciliacion:
    @given(
        cantidad=CANTIDADES,
        nivel=NIVELES,
        vivos=unos_vivos(),
        aceptados=st.lists(st.booleans(), max_size=8),
    )
    def test_converge_sin_quedar_nunca_al_descubierto(self, cantidad, nivel, vivos, aceptados):
        """Whatever lives at first and whichever steps fail; a lost answer is a step done or not done."""
        bolsa = Bolsa(vivos)
        cubierta = bolsa.cubre(cantidad)
        for aceptado in [*aceptados, *[True] * (len(vivos) + 4)]:
            paso = siguiente_paso(cantidad, nivel, bolsa.vivos)
            assert paso == siguiente_paso(cantidad, nivel, bolsa.vivos)
            if paso is None:
                break
            if aceptado:
                bolsa.aplicar(paso, cantidad, nivel)
            assert bolsa.cubre(cantidad) or not cubierta
            cubierta = bolsa.cubre(cantidad)

        assert siguiente_paso(cantidad, nivel, bolsa.vivos) is None
        (ultimo,) = bolsa.vivos
        assert ultimo[1:4] == (nivel, None, lado_que_protege(cantidad))

    @given(
        lado=LADOS,
        milesimas=st.integers(1, 900),
        maximo=st.integers(100, 400),
        nivel=NIVELES,
        vivos=unos_vivos(),
        aceptados=st.lists(st.booleans(), max_size=12),
        ocupado=st.booleans(),
    )
    def test_tampoco_donde_ninguna_orden_es_tan_grande(
        self, lado, milesimas, maximo, nivel, vivos, aceptados, ocupado
    ):
        """Nor where somebody else's stop takes the place of the one that closes all of it."""
        cantidad = lado * milesimas / 1_000
        filtros = un_mercado(
            filtros=replace(MERCADO.filtros, cantidad_max_mercado=Decimal(maximo) / 1_000)
        ).filtros
        trozos = trocear(abs(cantidad), filtros)
        vivos = [v for v in vivos if not ocupado or v.cantidad is not None]
        bolsa, cubierta = Bolsa(vivos), cubren(cantidad, vivos)
        siguiente = siguiente_paso_por_cantidad if ocupado else siguiente_paso
        for aceptado in [*aceptados, *[True] * (len(vivos) + 2 * len(trozos) + 2)]:
            paso = siguiente(cantidad, nivel, bolsa.vivos, trozos)
            if paso is None:
                break
            assert isinstance(paso, Cancelar) or paso.cantidad is None or paso.cantidad <= filtros.maximo_lote
            if aceptado:
                bolsa.aplicar(paso, cantidad, nivel)
            assert bolsa.cubre(cantidad) or not cubierta
            cubierta = bolsa.cubre(cantidad)

        assert siguiente(cantidad, nivel, bolsa.vivos, trozos) is None
        assert bolsa.cubre(cantidad)
        assert {v.gatillo for v in bolsa.vivos} == {nivel}
        assert len(bolsa.cierran(lado_que_protege(cantidad))) == (0 if ocupado else 1)
        assert ocupado or len(bolsa.vivos) == 1

    @given(
        vivos=unos_vivos(),
        cambios=st.lists(st.tuples(st.sampled_from([0.5, 0.4, 0.2]), NIVELES, st.integers(0, 5)), max_size=6),
        lado=LADOS,
    )
    def test_tampoco_si_el_nivel_y_la_posicion_cambian_a_medio_camino(self, vivos, cambios, lado):
        """Levels come and go between steps; the position only shrinks."""
        bolsa, cubierta = Bolsa(vivos), False
        for cantidad, nivel, pasos in sorted(cambios, key=lambda cambio: -cambio[0]):
            for _ in range(pasos):
                paso = siguiente_paso(lado * cantidad, nivel, bolsa.vivos)
                if paso is not None:
                    bolsa.aplicar(paso, lado * cantidad, nivel)
                assert bolsa.cubre(lado * cantidad) or not cubierta
                cubierta = bolsa.cubre(lado * cantidad)

    @given(vivos=unos_vivos())
    def test_al_cerrar_se_retiran_todos(self, vivos):
        bolsa = Bolsa(vivos)
        for _ in vivos:
            bolsa.aplicar(siguiente_paso(0.0, None, bolsa.vivos), 0.0, 0.0)

        assert bolsa.vivos == []
        assert siguiente_paso(0.0, None, bolsa.vivos) is None
