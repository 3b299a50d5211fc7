"""The stop that trails the market and the target, over an exchange that fails in its ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from src.nucleo.errores import OrdenRechazada, ProteccionRota, StopInaceptable, YaCruzado
from src.nucleo.frenos import ReglaFreno, TipoFreno
from src.nucleo.proteccion import ReglaProteccion
from src.nucleo.stops import TipoProteccion
from src.nucleo.volatilidad import Distancia, ModoDistancia
from src.produccion.stops.proteccion import Protector
from src.produccion.stops.stops_recordados import recordar_stops
from tests.constructores import un_mercado, unos_filtros
from tests.produccion.falsos import BolsaFalsa, DiarioFalso, Pierde
from tests.produccion.falsos_stops import Hija

LIMITE, MAXIMO = 0.2, 10_000.0
STOP, OBJETIVO = 29_400.0, 31_800.0  # of a long opened at 30,000
EN_TABLAS = 30_700.0  # a mark beyond 35 % of the way: break-even
TABLAS = 30_000.0
MINUTO_MS = 60_000


@dataclass
class Puesto:
    """A protector with a brake over a false exchange."""

    bolsa: BolsaFalsa
    diario: DiarioFalso
    protector: Protector

    async def operar(self, cantidad: float) -> None:
        antes = self.bolsa.estado
        self.bolsa.operar(cantidad, id_cliente=f"tm-{len(self.bolsa.pedidos)}")
        await self.protector.tras_operar(antes, self.bolsa.estado, self.bolsa.precio_actual, MAXIMO)

    async def revisar(self) -> None:
        await self.protector.revisar(self.bolsa.estado, MAXIMO, self.bolsa.precio_actual)

    def oir(self, precio: float) -> bool:
        """The mark goes to a price, a minute later; whether the exchange must be told."""
        self.bolsa.mover(precio)
        self.bolsa.reloj.instante_ms += MINUTO_MS
        return self.protector.seguir(precio, self.bolsa.reloj.ahora_ms())

    def renacer(self) -> Puesto:
        """The daemon starts again from its journal."""
        return Puesto(self.bolsa, self.diario, un_protector(self.bolsa, self.diario))

    @property
    def residentes(self) -> list[tuple[str, float, float | None]]:
        """What waits besides the stop that closes the whole position."""
        vivos = [s for s in self.bolsa.stops_vivos if s.cantidad is not None]
        return sorted((s.tipo, s.gatillo, s.cantidad) for s in vivos)


def un_protector(
    bolsa: BolsaFalsa, diario: DiarioFalso, tipo: TipoProteccion = TipoProteccion.NIVELES
) -> Protector:
    freno = None
    if tipo is not TipoProteccion.CATASTROFE:
        freno = ReglaFreno(TipoFreno(tipo.value), 0.0)
    porcentaje = ModoDistancia.PORCENTAJE
    regla = ReglaProteccion(
        tipo, LIMITE, freno=freno, stop=Distancia(porcentaje, 2.0), objetivo=Distancia(porcentaje, 6.0)
    )
    memoria = recordar_stops(diario.eventos)
    return Protector(bolsa, diario, bolsa.reloj, bolsa.mercado, regla, "sim-a:BTCUSDT:t", memoria=memoria)


async def abierto(cantidad: float = 0.3, **bolsa: Any) -> Puesto:
    """A position with everything it should have."""
    falsa, diario = BolsaFalsa(**bolsa), DiarioFalso()
    puesto = Puesto(falsa, diario, un_protector(falsa, diario))
    await puesto.operar(cantidad)
    falsa.pedidos.clear()
    return puesto


def los_de(stop: float, cantidad: float = 0.3, objetivo: float = OBJETIVO) -> list[tuple[str, float, float]]:
    return [("STOP_MARKET", stop, cantidad), ("TAKE_PROFIT_MARKET", objetivo, cantidad)]


async def test_al_abrir_hay_catastrofe_freno_y_objetivo():
    puesto = await abierto()

    assert puesto.residentes == los_de(STOP)
    assert [s.gatillo for s in puesto.bolsa.stops_vivos if s.cantidad is None] == [puesto.protector.nivel]
    assert (puesto.protector.gatillo, puesto.protector.cubre) == (STOP, True)


async def test_el_freno_se_mueve_colocando_antes_de_cancelar():
    puesto = await abierto()

    assert puesto.oir(EN_TABLAS)
    assert puesto.protector.cubre
    assert puesto.protector.permite_entrar is False
    await puesto.protector.mover()

    assert puesto.residentes == los_de(TABLAS)
    pasos = [p for p in puesto.bolsa.pedidos if p in ("colocar_stop", "cancelar_stop")]
    assert pasos == ["colocar_stop", "cancelar_stop"]
    assert puesto.protector.cubre


async def test_un_mark_que_no_llega_a_otro_nivel_no_pide_nada():
    puesto = await abierto()

    assert not puesto.oir(30_010.0)

    assert puesto.bolsa.pedidos == []
    assert puesto.protector.cubre


@pytest.mark.parametrize("pierde", list(Pierde))
@pytest.mark.parametrize("fallos", ["fallos_stop", "fallos_cancelar_stop"])
async def test_una_peticion_sin_respuesta_termina_en_un_solo_freno(fallos: str, pierde: Pierde):
    puesto = await abierto()
    getattr(puesto.bolsa, fallos).append(pierde)
    puesto.oir(EN_TABLAS)

    await puesto.protector.mover()
    if not puesto.protector.confirmado:
        await puesto.revisar()

    assert puesto.residentes == los_de(TABLAS)
    assert puesto.protector.cubre


async def test_sin_poder_moverlo_el_viejo_sigue_y_se_insiste_despues():
    puesto = await abierto()
    puesto.bolsa.fallos_stop.extend([OrdenRechazada("refused (code -1111)", codigo=-1111)] * 3)
    puesto.oir(EN_TABLAS)

    await puesto.protector.mover()

    assert ("STOP_MARKET", STOP, 0.3) in puesto.residentes
    assert not puesto.protector.cubre
    await puesto.revisar()
    assert puesto.residentes == los_de(TABLAS)


async def test_un_freno_que_el_mercado_ya_cruzo_hay_que_cerrar():
    puesto = await abierto()
    puesto.oir(EN_TABLAS)
    puesto.bolsa.mark = TABLAS - 1.0

    with pytest.raises(YaCruzado):
        await puesto.protector.mover()


async def test_el_objetivo_cierra_y_no_queda_nada():
    puesto = await abierto()

    puesto.bolsa.mover(OBJETIVO)
    assert puesto.bolsa.estado.posicion is None
    await puesto.revisar()

    assert puesto.bolsa.stops_vivos == []
    assert puesto.protector.puesto is None
    assert puesto.protector.permite_entrar


async def test_el_freno_cierra_lo_suyo_y_no_queda_nada():
    puesto = await abierto()
    puesto.oir(EN_TABLAS)
    await puesto.protector.mover()

    puesto.bolsa.mover(TABLAS)
    await puesto.revisar()

    assert puesto.bolsa.estado.posicion is None
    assert puesto.bolsa.stops_vivos == []


@pytest.mark.parametrize(("hija", "queda"), [(Hija.MEDIA, 0.15), (Hija.EXPIRADA, 0.3)])
async def test_un_objetivo_a_medias_deja_lo_que_queda_bajo_sus_stops_y_hay_que_cerrarlo(
    hija: Hija, queda: float
):
    puesto = await abierto(hija=hija)
    nivel = puesto.protector.nivel
    puesto.bolsa.mover(OBJETIVO)
    puesto.bolsa.mover(31_000.0)
    assert puesto.bolsa.estado.cantidad == pytest.approx(queda)

    with pytest.raises(ProteccionRota, match="a stop or target was triggered"):
        await puesto.revisar()

    assert not puesto.protector.cubre
    vivos = {(s.tipo, s.gatillo, s.cantidad) for s in puesto.bolsa.stops_vivos}
    assert vivos == {("STOP_MARKET", nivel, None), ("STOP_MARKET", STOP, 0.3)}
    assert puesto.bolsa.cancelados == []


async def test_un_aumento_agranda_freno_y_objetivo_y_una_reduccion_los_encoge():
    puesto = await abierto(0.3)

    await puesto.operar(0.2)
    assert {c for _, _, c in puesto.residentes} == {0.5}
    assert puesto.protector.cubre

    await puesto.operar(-0.4)
    assert {c for _, _, c in puesto.residentes} == {0.1}
    assert puesto.protector.cubre


async def test_tras_un_reinicio_siguen_el_freno_y_lo_que_hubo_antes_de_el():
    puesto = await abierto()
    puesto.oir(EN_TABLAS)
    await puesto.protector.mover()
    antes = puesto.protector.puesto
    assert antes is not None
    assert (antes.anterior, antes.freno is not None) == (STOP, True)
    puesto.bolsa.pedidos.clear()

    otro = puesto.renacer()
    await otro.revisar()

    assert otro.protector.puesto == antes
    assert otro.protector.estado == puesto.protector.estado
    assert otro.residentes == los_de(TABLAS)
    assert "colocar_stop" not in puesto.bolsa.pedidos


async def test_muerto_entre_colocar_y_cancelar_el_siguiente_acaba_la_mudanza():
    puesto = await abierto()
    puesto.oir(EN_TABLAS)
    puesto.bolsa.fallos_cancelar_stop.extend([Pierde.ANTES] * 100)
    await puesto.protector.mover()
    assert len(puesto.residentes) == 3
    puesto.bolsa.fallos_cancelar_stop.clear()

    otro = puesto.renacer()
    await otro.revisar()

    assert otro.residentes == los_de(TABLAS)


async def test_un_ajuste_a_mano_sobre_solo_catastrofe_pone_un_freno_que_no_sigue_al_mercado():
    falsa, diario = BolsaFalsa(), DiarioFalso()
    puesto = Puesto(falsa, diario, un_protector(falsa, diario, TipoProteccion.CATASTROFE))
    await puesto.operar(0.3)
    nivel = puesto.protector.nivel

    anterior = puesto.protector.ajustar_a_mano(29_000.0, 32_000.0, "manual_adjust", 30_000.0, 0)
    await puesto.protector.mover()

    assert anterior == nivel
    assert puesto.residentes == los_de(29_000.0, objetivo=32_000.0)
    assert not puesto.oir(31_500.0)
    with pytest.raises(StopInaceptable, match="Looser stop"):
        puesto.protector.ajustar_a_mano(28_000.0, None, "manual_adjust", 31_500.0, 0)


@pytest.mark.parametrize(("stop", "objetivo"), [(29_000.0, 90_000.1), (999.9, None)])
async def test_un_ajuste_a_mano_fuera_del_filtro_de_precio_no_cambia_nada(
    stop: float, objetivo: float | None
):
    filtros = unos_filtros(precio_min="1000", precio_max="90000")
    falsa, diario = BolsaFalsa(mercado=un_mercado(filtros=filtros)), DiarioFalso()
    puesto = Puesto(falsa, diario, un_protector(falsa, diario, TipoProteccion.CATASTROFE))
    await puesto.operar(0.3)
    antes = puesto.residentes

    with pytest.raises(StopInaceptable, match=r"must be a price from 1000\.0 to 90000\.0"):
        puesto.protector.ajustar_a_mano(stop, objetivo, "manual_adjust", 30_000.0, 0)
    await puesto.protector.mover()

    assert puesto.residentes == antes


async def test_cada_movimiento_queda_en_el_diario_con_lo_que_hubo_antes():
    puesto = await abierto()
    puesto.oir(EN_TABLAS)
    await puesto.protector.mover()

    nivel = puesto.diario.ultimo("LEVEL_SET")
    freno = nivel["brake"]
    assert isinstance(freno, dict)
    assert (nivel["previous_stop"], freno["stop"], freno["name"], freno["initial"]) == (
        STOP,
        TABLAS,
        "break_even",
        STOP,
    )
