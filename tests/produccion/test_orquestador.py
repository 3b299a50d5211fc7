"""Market events in, decisions out, until the session ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from src.nucleo.errores import EmergenciaDrawdown, EmergenciaOperacional
from src.nucleo.tipos import Vela
from src.produccion.config.config import PoliticaSalida
from src.produccion.orquestador import AjustesSesion, Motivo, Orquestador
from src.produccion.puertos import EventoConexion, EventoCuenta, EventoFin, EventoMark, EventoVela
from tests.constructores import una_vela
from tests.produccion.banco import Banco, frontera, historia, montar
from tests.produccion.falsos import AvanceFalso, FuenteFalsa, Pierde

SEGUNDO = 1_000


def vela(indice: int, close: float = 30_000.0) -> Vela:
    """The n-th candle after the warm-up."""
    return una_vela(close, apertura_ms=frontera(indice))


class Guion:
    """A session on a script of market events; the clock follows the events."""

    def __init__(self, banco: Banco, *, en_paso: bool = False, **ajustes: Any) -> None:
        self.banco = banco
        self.avance = AvanceFalso(en_paso=en_paso)
        self.decididas = 0
        self.avisos_cuenta: list[EventoCuenta] = []
        self._ajustes = ajustes
        self.orquestador: Orquestador | None = None

    def cierra(self, indice: int, close: float = 30_000.0, *, retraso_s: float = 0.0) -> Iterable[object]:
        """The market reaches the close of a candle and sends it, perhaps late."""
        nueva = vela(indice, close)

        def pasa() -> None:
            self.banco.bolsa.historia.append(nueva)
            self.banco.bolsa.precio_actual = close
            self.en(frontera(indice + 1) + int(retraso_s * SEGUNDO))()

        return [pasa, EventoVela(nueva, True, frontera(indice + 1))]

    def se_pierde(self, indice: int, close: float = 30_000.0) -> Iterable[object]:
        """The market reaches the close of a candle that is never sent."""
        return list(self.cierra(indice, close))[:1]

    def en(self, instante_ms: int) -> Callable[[], None]:
        return lambda: self.banco.bolsa.reloj.observar(instante_ms)

    def marca(self, precio: float, instante_ms: int) -> Iterable[object]:
        def pasa() -> None:
            self.banco.bolsa.precio_actual = precio
            self.en(instante_ms)()

        return [pasa, EventoMark(precio, instante_ms)]

    def parar(self) -> None:
        assert self.orquestador is not None
        self.orquestador.parar()

    async def correr(self, *partes: object, termina: bool = False, conecta: bool = True) -> Motivo:
        guion: list[object] = [EventoConexion(frontera())] if conecta else []
        for parte in partes:
            guion.extend(parte if isinstance(parte, list) else [parte])
        ajustes: dict[str, Any] = {
            "simbolo": "BTCUSDT",
            "intervalo": "1h",
            "edad_maxima_vela_s": 30.0,
            "errores_seguidos_max": 3,
            "refresco_s": 1e8,
            "salida": PoliticaSalida.CERRAR,
        }
        self.orquestador = Orquestador(
            ajustes=AjustesSesion(**(ajustes | self._ajustes)),
            fuente=FuenteFalsa(guion, termina=termina),
            fuente_cuenta=self,
            datos=self.banco.datos,
            ciclo=self.banco.ciclo,
            reloj=self.banco.bolsa.reloj,
            avance=self.avance,
            tras_vela=self._tras_vela,
        )
        return await self.orquestador.correr()

    async def eventos(self) -> AsyncIterator[EventoCuenta]:
        """The account's stream: what the test put in `avisos_cuenta`, a minute apart."""
        for evento in self.avisos_cuenta:
            await asyncio.sleep(60.0)
            yield evento
        await asyncio.sleep(1e9)

    def _tras_vela(self) -> None:
        self.decididas += 1


Abrir = Callable[..., Awaitable[Banco]]


@pytest.fixture
async def abrir(tmp_path: Path) -> AsyncIterator[Abrir]:
    bancos: list[Banco] = []

    async def construir(*acciones: float, **cambios: Any) -> Banco:
        bancos.append(await montar(tmp_path / "produccion", *acciones, **cambios))
        return bancos[-1]

    yield construir
    for banco in bancos:
        banco.registro.cerrar()


def cierres(banco: Banco) -> list[str]:
    return [fila["precio"] for fila in banco.filas if fila["status"] == "ok"]


FIN = EventoFin(frontera(99))


# --- candles ---


async def test_al_conectar_se_decide_la_ultima_vela_y_luego_cada_una_que_cierra(abrir: Abrir):
    guion = Guion(await abrir(0.0))

    motivo = await guion.correr(guion.cierra(0, 30_100.0), guion.cierra(1, 30_200.0), FIN)

    assert motivo is Motivo.FIN_DE_DATOS
    assert cierres(guion.banco) == ["30000.0", "30100.0", "30200.0"]
    assert guion.decididas == 3


async def test_una_vela_ya_decidida_antes_de_reiniciar_no_se_decide_otra_vez(abrir: Abrir):
    banco = await abrir(0.5)
    banco.ciclo.ultima_decidida_ms = historia()[-1].apertura_ms
    guion = Guion(banco)

    await guion.correr(guion.cierra(0, 30_100.0), FIN)

    assert cierres(banco) == ["30100.0"]


async def test_al_conectar_con_la_vela_pasada_se_espera_a_la_siguiente(abrir: Abrir):
    banco = await abrir(0.5)
    banco.bolsa.reloj.instante_ms += 31 * SEGUNDO
    guion = Guion(banco)

    await guion.correr(guion.cierra(0, 30_100.0), FIN)

    assert cierres(banco) == ["30100.0"]


async def test_una_vela_repetida_no_se_decide_dos_veces(abrir: Abrir):
    guion = Guion(await abrir(0.0))

    await guion.correr(guion.cierra(0), EventoVela(vela(0), True, frontera(1)), FIN)

    assert guion.decididas == 2


async def test_una_vela_que_llega_tarde_no_se_actua(abrir: Abrir):
    banco = await abrir(0.0, 0.5)
    guion = Guion(banco)

    await guion.correr(guion.cierra(0, retraso_s=45.0), FIN)

    assert banco.filas[-1]["status"] == "rechazada"
    assert banco.filas[-1]["error"] == "stale candle: it closed 45.0 s ago"
    assert banco.bolsa.enviadas == []


async def test_una_vela_en_curso_no_es_una_vela(abrir: Abrir):
    guion = Guion(await abrir(0.0))

    await guion.correr(EventoVela(vela(0, 31_000.0), False, frontera() + SEGUNDO), FIN)

    assert guion.decididas == 1


async def test_un_hueco_se_lee_y_solo_se_decide_la_ultima(abrir: Abrir):
    guion = Guion(await abrir(0.0))

    await guion.correr(guion.se_pierde(0), guion.se_pierde(1), guion.cierra(2, 30_300.0), FIN)

    assert cierres(guion.banco) == ["30000.0", "30300.0"]
    assert guion.banco.datos.ultima == vela(2, 30_300.0)


# --- reconnections ---


async def test_tras_reconectar_se_lee_y_se_decide_lo_perdido(abrir: Abrir):
    guion = Guion(await abrir(0.0))

    await guion.correr(
        guion.se_pierde(0),
        guion.se_pierde(1, 30_200.0),
        EventoConexion(frontera(2)),
        guion.cierra(2, 30_300.0),
        FIN,
    )

    assert cierres(guion.banco) == ["30000.0", "30200.0", "30300.0"]
    assert guion.avance.uniones == [("BTCUSDT", "1h")]


async def test_reconectar_sin_velas_nuevas_no_decide_otra_vez(abrir: Abrir):
    guion = Guion(await abrir(0.5))

    await guion.correr(guion.cierra(0), *[EventoConexion(frontera(1))] * 3, guion.cierra(1), FIN)

    assert guion.decididas == 3
    assert len(guion.banco.bolsa.enviadas) == 1


async def test_la_vela_leida_al_reconectar_que_luego_llega_no_se_repite(abrir: Abrir):
    guion = Guion(await abrir(0.0))

    await guion.correr(
        guion.se_pierde(0), EventoConexion(frontera(1)), EventoVela(vela(0), True, frontera(1)), FIN
    )

    assert guion.decididas == 2


# --- lockstep ---


async def test_en_paso_se_dice_hecho_tras_cada_movimiento(abrir: Abrir):
    guion = Guion(await abrir(0.0), en_paso=True)
    abierta = EventoVela(vela(0), False, frontera())

    await guion.correr(abierta, abierta, abierta, guion.cierra(0), FIN)

    assert guion.avance.hechos == 1 + 3 + 1
    assert guion.avance.salidas == 1


async def test_en_paso_tambien_tras_un_error(abrir: Abrir):
    banco = await abrir(0.0)
    guion = Guion(banco, en_paso=True)

    def falla() -> None:
        banco.bolsa.lecturas_fallidas = 1

    await guion.correr(falla, guion.cierra(0), guion.cierra(1), FIN)

    assert guion.avance.hechos == 3
    assert guion.decididas == 2


# --- the account between candles ---


async def test_lo_que_cuenta_la_bolsa_de_la_cuenta_se_mira_enseguida(abrir: Abrir):
    banco = await abrir(0.0)
    guion = Guion(banco)
    guion.avisos_cuenta = [EventoCuenta(frontera() + SEGUNDO)]

    await guion.correr(lambda: banco.bolsa.operar(0.1), lambda: None, lambda: None, FIN)

    assert [f["status"] for f in banco.filas] == ["ok", "manual"]


async def test_la_cuenta_se_mira_a_menudo_aunque_nadie_avise(abrir: Abrir):
    banco = await abrir(0.0)
    guion = Guion(banco, refresco_s=90.0)

    await guion.correr(lambda: banco.bolsa.operar(0.1), lambda: None, lambda: None, FIN)

    assert [f["status"] for f in banco.filas] == ["ok", "manual"]


async def test_en_paso_la_cuenta_solo_se_mira_en_las_velas(abrir: Abrir):
    """Otherwise two equal runs would read the account at different moments."""
    banco = await abrir(0.0)
    guion = Guion(banco, en_paso=True, refresco_s=30.0)
    guion.avisos_cuenta = [EventoCuenta(frontera() + SEGUNDO)]

    await guion.correr(lambda: banco.bolsa.operar(0.1), lambda: None, lambda: None, FIN)

    assert [f["status"] for f in banco.filas] == ["ok"]


# --- ends ---


async def test_parar_termina_y_cierra_la_posicion(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    motivo = await guion.correr(guion.cierra(0), guion.parar)

    assert motivo is Motivo.INTERRUMPIDO
    assert banco.bolsa.estado.posicion is None
    assert banco.filas[-1]["status"] == "manual"
    assert guion.avance.salidas == 1


async def test_parar_deja_terminar_lo_que_esta_en_curso(abrir: Abrir):
    """An order whose answer is lost takes seconds to resolve; stopping meanwhile waits for it."""
    banco = await abrir(0.0, 0.5)
    banco.bolsa.fallos.append(Pierde.DESPUES)
    banco.bolsa.consultas_ausentes = 5
    guion = Guion(banco, salida=PoliticaSalida.MANTENER)

    def parar_mientras_se_averigua() -> None:
        asyncio.get_running_loop().call_later(2 * 60.0 + 3.0, guion.parar)

    motivo = await guion.correr(parar_mientras_se_averigua, guion.cierra(0))

    assert motivo is Motivo.INTERRUMPIDO
    assert banco.bolsa.pedidos.count("consultar") == 6
    assert banco.filas[-1]["resultado"] == "ejecutada"


async def test_parar_puede_dejar_la_posicion(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco, salida=PoliticaSalida.MANTENER)

    motivo = await guion.correr(guion.cierra(0), guion.parar)

    assert motivo is Motivo.INTERRUMPIDO
    assert banco.bolsa.estado.cantidad > 0.0
    assert [f["status"] for f in banco.filas] == ["ok", "ok"]


async def test_el_limite_de_velas_termina_y_cierra(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco, velas_max=2)

    motivo = await guion.correr(guion.cierra(0), guion.cierra(1), guion.cierra(2))

    assert motivo is Motivo.VELAS
    assert guion.decididas == 2
    assert banco.bolsa.estado.posicion is None


async def test_el_fin_de_los_datos_deja_la_posicion(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    motivo = await guion.correr(guion.cierra(0), FIN)

    assert motivo is Motivo.FIN_DE_DATOS
    assert banco.bolsa.estado.cantidad > 0.0


# --- emergencies ---


async def test_una_brecha_entre_velas_cierra_y_enclava(abrir: Abrir):
    banco = await abrir(0.95)
    guion = Guion(banco)
    despues = frontera() + 10 * SEGUNDO

    with pytest.raises(EmergenciaDrawdown):
        await guion.correr(guion.marca(26_000.0, despues), guion.marca(26_000.0, despues + 2 * SEGUNDO))

    assert banco.bolsa.estado.posicion is None
    assert "LATCHED" in banco.diario.tipos("risk")
    assert len(banco.emergencias) == 1
    assert guion.avance.salidas == 1


async def test_muchas_marcas_en_brecha_son_una_sola_emergencia(abrir: Abrir):
    banco = await abrir(0.95)
    guion = Guion(banco)
    marcas = [m for s in range(10) for m in guion.marca(26_000.0, frontera() + (10 + s) * SEGUNDO)]

    with pytest.raises(EmergenciaDrawdown):
        await guion.correr(marcas)
    assert len(banco.emergencias) == 1


async def test_demasiados_errores_seguidos_son_una_emergencia_operacional(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    def falla() -> None:
        banco.bolsa.lecturas_fallidas = 1

    with pytest.raises(EmergenciaOperacional, match="3 errors in a row") as fallo:
        await guion.correr(*(p for i in range(4) for p in (falla, guion.cierra(i))))

    assert fallo.value.codigo_salida == 4
    assert banco.bolsa.estado.posicion is None
    assert banco.emergencias[0]["razon"] == "operational_error"
    assert "LATCHED" not in banco.diario.tipos()


async def test_los_errores_que_no_son_seguidos_no_suman(abrir: Abrir):
    banco = await abrir(0.0)
    guion = Guion(banco)

    def falla() -> None:
        banco.bolsa.lecturas_fallidas = 1

    partes: list[object] = []
    for i in range(8):
        partes += [falla] if i % 3 != 2 else []
        partes += guion.cierra(i)
    motivo = await guion.correr(*partes, FIN)

    assert motivo is Motivo.FIN_DE_DATOS


async def test_un_flujo_que_se_acaba_cierra_la_posicion(abrir: Abrir):
    banco = await abrir(0.5)

    with pytest.raises(EmergenciaOperacional, match="ended by itself"):
        await Guion(banco).correr(termina=True)
    assert banco.bolsa.estado.posicion is None


async def test_un_fallo_del_programa_no_deja_la_posicion_sola(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    def rompe() -> None:
        raise ZeroDivisionError("a defect")

    with pytest.raises(EmergenciaOperacional, match="a defect"):
        await guion.correr(guion.cierra(0), rompe)
    assert banco.bolsa.estado.posicion is None


@pytest.mark.parametrize("mala", [float("nan"), 2.0])
async def test_una_politica_que_no_da_un_numero_cierra_la_posicion(abrir: Abrir, mala: float):
    banco = await abrir(0.5, mala)
    guion = Guion(banco)

    with pytest.raises(EmergenciaOperacional, match="action is"):
        await guion.correr(guion.cierra(0))
    assert banco.bolsa.estado.posicion is None


async def test_un_precio_que_no_es_un_numero_cierra_la_posicion(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)
    nan = float("nan")

    with pytest.raises(EmergenciaOperacional, match="NaN or infinite"):
        await guion.correr(EventoVela(vela(0)._replace(close=nan), True, frontera(1)))
    assert banco.bolsa.estado.posicion is None


async def test_un_diario_que_no_se_puede_escribir_cierra_la_posicion(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    def rompe() -> None:
        banco.diario.roto = True

    with pytest.raises(EmergenciaOperacional, match="journal"):
        await guion.correr(rompe, guion.cierra(0))
    assert banco.bolsa.estado.posicion is None


async def test_una_orden_en_camino_vuelve_antes_de_dar_la_cuenta_por_plana(abrir: Abrir):
    """The market stream dies while an entry is on its way: flat is only true once the entry has arrived."""
    banco = await abrir(0.5)
    banco.bolsa.demora_envio_s = 90.0

    with pytest.raises(EmergenciaOperacional):
        await Guion(banco).correr(termina=True)
    await asyncio.sleep(600.0)

    assert [orden.solo_reduce for orden in banco.bolsa.aceptadas] == [False, True]
    assert banco.bolsa.estado.posicion is None
