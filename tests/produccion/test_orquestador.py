"""Market events in, decisions out, until the session ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from src.nucleo.errores import (
    EmergenciaDrawdown,
    EmergenciaOperacional,
    ErrorTimonel,
    LecturaFallida,
    OrdenRechazada,
    SolicitudInvalida,
)
from src.nucleo.stops import TipoProteccion
from src.nucleo.tipos import LadoOrden, Vela
from src.produccion.config.config import PoliticaSalida
from src.produccion.orquestador import AjustesSesion, Motivo, Orquestador
from src.produccion.puertos import (
    EstadoAlgo,
    EstadoOrden,
    EventoConexion,
    EventoCuenta,
    EventoFin,
    EventoMargen,
    EventoMark,
    EventoMercado,
    EventoOrden,
    EventoStop,
    EventoUsuario,
    EventoVela,
    FuenteMercado,
    RespuestaOrden,
    StopBolsa,
)
from src.produccion.riesgo.paciencia import Paciencia
from src.produccion.riesgo.puerta import Bloqueo
from src.produccion.supervision.cortesia import Cortesia
from src.produccion.supervision.supervisor import Servicio
from src.produccion.supervision.vigia import Progreso
from tests.constructores import una_vela
from tests.produccion.banco import Banco, frontera, montar
from tests.produccion.banco import pasa as llega_al_cierre
from tests.produccion.falsos import AvanceFalso, FuenteFalsa, Pierde

SEGUNDO = 1_000


def vela(indice: int, close: float = 30_000.0) -> Vela:
    """The n-th candle after the warm-up."""
    return una_vela(close, apertura_ms=frontera(indice))


class FuenteARafagas(FuenteFalsa):
    """What stands in a list within the script comes all at once."""

    async def eventos(self, simbolo: str, intervalo: str) -> AsyncIterator[EventoMercado]:
        for paso in self._guion:
            if callable(paso):
                paso()
            for evento in paso if isinstance(paso, list) else []:
                yield evento
            if isinstance(paso, tuple):
                yield paso  # type: ignore[misc]
            await asyncio.sleep(60.0)
        await asyncio.sleep(1e9)


class CortesiaEspia(Cortesia):
    """Remembers whether the daemon said that it is at work."""

    ocupado = False

    def ocupar(self) -> None:
        super().ocupar()
        self.ocupado = True

    def soltar(self) -> None:
        super().soltar()
        self.ocupado = False


class Guion:
    """A session on a script of market events; the clock follows the events."""

    def __init__(
        self, banco: Banco, *, en_paso: bool = False, servicios: Sequence[Servicio] = (), **ajustes: Any
    ) -> None:
        self.banco = banco
        self.avance = AvanceFalso(en_paso=en_paso)
        self.decididas = 0
        self.avisos: list[EventoUsuario] = []
        self._servicios = servicios
        self._ajustes = ajustes
        self.orquestador: Orquestador | None = None
        self.mark: Callable[[], Awaitable[float]] | None = None
        self.cortesia = CortesiaEspia()
        self.al_decidir: Callable[[], None] = lambda: None

    def cierra(self, indice: int, close: float = 30_000.0, *, retraso_s: float = 0.0) -> list[object]:
        """The market reaches the close of a candle and sends it, perhaps late."""
        nueva = vela(indice, close)

        def pasa() -> None:
            llega_al_cierre(self.banco.bolsa, nueva)
            self.en(frontera(indice + 1) + int(retraso_s * SEGUNDO))()

        return [pasa, EventoVela(nueva, True, frontera(indice + 1))]

    def se_pierde(self, indice: int, close: float = 30_000.0) -> list[object]:
        """The market reaches the close of a candle that is never sent."""
        return self.cierra(indice, close)[:1]

    def en(self, instante_ms: int) -> Callable[[], None]:
        return lambda: self.banco.bolsa.reloj.observar(instante_ms)

    def marca(self, precio: float, instante_ms: int) -> list[object]:
        def pasa() -> None:
            self.banco.bolsa.mover(precio)
            self.en(instante_ms)()

        return [pasa, EventoMark(precio, instante_ms)]

    def falla(self, **veces: int) -> Callable[[], None]:
        """From here on the exchange fails so many times."""

        def pasa() -> None:
            for nombre, cuantas in veces.items():
                setattr(self.banco.bolsa, nombre, cuantas)

        return pasa

    def luego(self, espera_s: float, accion: Callable[[], object]) -> Callable[[], None]:
        """Something happens so many wall seconds after here."""
        return lambda: asyncio.get_running_loop().call_later(espera_s, accion) and None

    def parar(self) -> None:
        assert self.orquestador is not None
        self.orquestador.parar()

    async def correr(self, *partes: object, termina: bool = False, conecta: bool = True) -> Motivo:
        guion: list[object] = [EventoConexion(frontera())] if conecta else []
        for parte in partes:
            guion.extend(parte if isinstance(parte, list) else [parte])
        return await self.correr_con(FuenteFalsa(guion, termina=termina))

    async def correr_con(self, fuente: FuenteMercado) -> Motivo:
        ajustes: dict[str, Any] = {
            "simbolo": "BTCUSDT",
            "intervalo": "1h",
            "edad_maxima_vela_s": 30.0,
            "refresco_s": 1e8,
            "ceguera_max_s": 1e8,
            "salida": PoliticaSalida.CERRAR,
        }
        self.orquestador = Orquestador(
            ajustes=AjustesSesion(**(ajustes | self._ajustes)),
            fuente=fuente,
            fuente_cuenta=self,
            datos=self.banco.datos,
            ciclo=self.banco.ciclo,
            reloj=self.banco.bolsa.reloj,
            avance=self.avance,
            paciencia=Paciencia(3, 600.0, 60.0, asyncio.get_running_loop().time),
            espera_agentes=self.avance.en_paso,
            progreso=Progreso(120.0),
            tras_vela=self._tras_vela,
            servicios=self._servicios,
            mark=self.mark,
            cortesia=self.cortesia,
        )
        return await self.orquestador.correr()

    async def eventos(self) -> AsyncIterator[EventoUsuario]:
        """The account's stream: what the test put in `avisos`, a minute apart."""
        for evento in self.avisos:
            await asyncio.sleep(60.0)
            yield evento
        await asyncio.sleep(1e9)

    def _tras_vela(self) -> None:
        self.decididas += 1
        self.al_decidir()


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


def velas_decididas(banco: Banco) -> list[int]:
    """Open times, in the order in which they were decided."""
    eventos = [e for e in banco.diario.eventos if e.tipo == "CANDLE_DECIDED"]
    return [e.contenido["candle"][0] for e in eventos]  # type: ignore[index]


FIN = EventoFin(frontera(9_999))


# --- candles ---


async def test_al_conectar_se_decide_la_ultima_vela_y_luego_cada_una_que_cierra(abrir: Abrir):
    guion = Guion(await abrir(0.0))

    motivo = await guion.correr(guion.cierra(0, 30_100.0), guion.cierra(1, 30_200.0), FIN)

    assert motivo is Motivo.FIN_DE_DATOS
    assert cierres(guion.banco) == ["30000.0", "30100.0", "30200.0"]
    assert guion.decididas == 3


async def test_una_vela_ya_decidida_antes_de_reiniciar_no_se_decide_otra_vez(abrir: Abrir):
    banco = await abrir(0.5)
    primera = Guion(banco)
    await primera.correr(FIN)
    otra_vida = await banco.volver()
    guion = Guion(otra_vida)

    await guion.correr(guion.cierra(0, 30_100.0), FIN)
    otra_vida.registro.cerrar()

    assert (primera.decididas, guion.decididas) == (1, 1)
    assert cierres(otra_vida) == ["30000.0", "30100.0"]
    assert len(banco.bolsa.enviadas) == 1


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


async def test_una_conexion_que_falla_se_intenta_otra_vez(abrir: Abrir):
    guion = Guion(await abrir(0.0))

    await guion.correr(
        guion.se_pierde(0, 30_100.0), guion.falla(velas_fallidas=2), EventoConexion(frontera(1)), FIN
    )

    assert cierres(guion.banco) == ["30000.0", "30100.0"]


async def test_una_conexion_que_falla_no_se_pierde_aunque_haya_otra_cosa_que_hacer(abrir: Abrir):
    """A look at the account that is due meanwhile goes first, and does not read candles."""
    banco = await abrir(0.5, proteccion=TipoProteccion.CATASTROFE)
    guion = Guion(banco, refresco_s=2.5, edad_maxima_vela_s=90.0)

    await guion.correr(
        guion.se_pierde(0, 30_100.0), guion.falla(velas_fallidas=6), EventoConexion(frontera(1)), FIN
    )

    assert cierres(banco) == ["30000.0", "30100.0"]


async def test_una_union_que_falla_se_intenta_otra_vez(abrir: Abrir):
    class AvanceTorpe(AvanceFalso):
        async def unirse(self, simbolo: str, intervalo: str) -> bool:
            unido = await super().unirse(simbolo, intervalo)
            if len(self.uniones) < 3:
                raise LecturaFallida("the simulator did not answer")
            return unido

    guion = Guion(await abrir(0.0))
    guion.avance = AvanceTorpe()

    await guion.correr(guion.cierra(0), FIN)

    assert len(guion.avance.uniones) == 3
    assert guion.decididas == 2


async def test_parar_no_espera_a_que_la_bolsa_conteste(abrir: Abrir):
    banco = await abrir(0.0)
    guion = Guion(banco)
    banco.bolsa.velas_fallidas = 1_000

    motivo = await guion.correr(guion.luego(5.0, guion.parar))

    assert motivo is Motivo.INTERRUMPIDO
    assert asyncio.get_running_loop().time() < 70.0


# --- candles that come in any order ---


ORDENES = [[0, 0, 1], [1, 0], [0, 1, 0, 1], [2, 0, 1], [2, 2, 1, 1, 0, 0], [1, 0, 2, 0, 2], [0, 2, 1]]


@pytest.mark.parametrize("orden", ORDENES, ids=str)
async def test_cada_vela_se_decide_una_vez_vengan_como_vengan(abrir: Abrir, orden: list[int]):
    banco = await abrir(0.0)
    guion = Guion(banco)
    llegan = [parte for i in range(3) for parte in guion.se_pierde(i, 30_000.0 + i)]
    eventos = [EventoVela(vela(i, 30_000.0 + i), True, frontera(i + 1)) for i in orden]

    await guion.correr(*llegan, *eventos, FIN)

    decididas = velas_decididas(banco)
    assert decididas == sorted(set(decididas))
    assert decididas[-1] == vela(max(orden)).apertura_ms
    assert banco.datos.ultima == vela(max(orden), 30_000.0 + max(orden))


async def test_una_vela_cuyo_proceso_falla_se_decide_despues_una_vez(abrir: Abrir):
    banco = await abrir(0.0, 0.5)
    guion = Guion(banco)

    await guion.correr(guion.falla(lecturas_fallidas=2), guion.cierra(0, 30_100.0), FIN)

    assert cierres(banco) == ["30000.0", "30100.0"]
    assert len(banco.bolsa.enviadas) == 1


async def test_una_vela_con_hueco_que_no_se_pudo_leer_no_se_pierde(abrir: Abrir):
    """Its gap could not be read and something else was due: the look at the account makes up for it."""
    banco = await abrir(0.0, 0.5)
    guion = Guion(banco, refresco_s=50.0, edad_maxima_vela_s=120.0)

    await guion.correr(
        guion.se_pierde(0), guion.falla(velas_fallidas=5), guion.cierra(1, 30_200.0), lambda: None, FIN
    )

    assert cierres(banco) == ["30000.0", "30200.0"]
    assert len(banco.bolsa.enviadas) == 1


async def test_si_se_acumulan_demasiadas_velas_se_leen_y_no_se_decide_ninguna_dos_veces(abrir: Abrir):
    """An order that hangs while more candles arrive than may wait in line."""
    banco = await abrir(0.5, 0.5, 0.0)
    guion = Guion(banco)
    banco.bolsa.demora_envio_s = 100.0
    muchas = 1_100

    def pasan() -> None:
        for i in range(muchas):
            llega_al_cierre(banco.bolsa, vela(i))

    rafaga = [EventoVela(vela(i), True, frontera(i + 1)) for i in range(muchas)]
    await guion.correr_con(FuenteARafagas([EventoConexion(frontera()), pasan, rafaga, lambda: None, FIN]))

    decididas = velas_decididas(banco)
    assert decididas == sorted(set(decididas))
    assert decididas[-1] == vela(muchas - 1).apertura_ms
    assert banco.datos.ultima == vela(muchas - 1)
    assert len(banco.bolsa.aceptadas) == 1


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

    await guion.correr(guion.falla(lecturas_fallidas=1), guion.cierra(0), guion.cierra(1), FIN)

    assert guion.avance.hechos == 3
    assert guion.decididas == 3


# --- the account between candles ---


async def test_lo_que_cuenta_la_bolsa_de_la_cuenta_se_mira_enseguida(abrir: Abrir):
    banco = await abrir(0.0)
    guion = Guion(banco)
    guion.avisos = [EventoCuenta(frontera() + SEGUNDO)]

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
    guion.avisos = [EventoCuenta(frontera() + SEGUNDO)]

    await guion.correr(lambda: banco.bolsa.operar(0.1), lambda: None, lambda: None, FIN)

    assert [f["status"] for f in banco.filas] == ["ok"]


@pytest.mark.parametrize(
    ("evento", "pieza"),
    [
        (
            EventoOrden(RespuestaOrden("tm-A", 1, EstadoOrden.FILLED, 0.1, 30_000.0), frontera() + SEGUNDO),
            "ejecutor",
        ),
        (
            EventoStop(
                StopBolsa("tm-B", 2, EstadoAlgo.CANCELED, "STOP_MARKET", LadoOrden.SELL, 29_000.0, None),
                frontera() + SEGUNDO,
            ),
            "protector",
        ),
    ],
    ids=["order", "stop"],
)
async def test_lo_que_la_bolsa_cuenta_llega_a_quien_le_toca(
    abrir: Abrir, monkeypatch: pytest.MonkeyPatch, evento: EventoUsuario, pieza: str
):
    banco = await abrir(0.0)
    vistos: list[EventoUsuario] = []
    monkeypatch.setattr(getattr(banco, pieza), "tomar_evento", vistos.append)
    guion = Guion(banco)
    guion.avisos = [evento]
    antes = banco.bolsa.pedidos.count("cuenta")

    await guion.correr(lambda: None, lambda: None, FIN)

    assert vistos == [evento]
    assert banco.bolsa.pedidos.count("cuenta") - antes == 2  # the decision's, and the one that followed


async def test_una_llamada_de_margen_detiene_las_entradas(abrir: Abrir):
    banco = await abrir(0.0)
    guion = Guion(banco)
    guion.avisos = [EventoMargen(frontera() + SEGUNDO)]

    await guion.correr(lambda: None, lambda: None, FIN)

    assert Bloqueo.MARGEN in banco.control.bloqueos


async def test_una_marca_mas_alla_del_stop_se_aclara_mirando_la_cuenta(abrir: Abrir):
    """The stop has closed the position: no emergency comes of a price that nothing is held at."""
    banco = await abrir(0.5, proteccion=TipoProteccion.CATASTROFE)
    guion = Guion(banco)

    def nivel() -> float:
        assert banco.protector.nivel is not None
        return banco.protector.nivel

    def cae() -> None:
        banco.bolsa.mover(nivel() - 1.0)
        banco.ciclo.tomar_mark(EventoMark(nivel() - 1.0, frontera() + SEGUNDO))

    await guion.correr(cae, *guion.marca(20_000.0, frontera() + 2 * SEGUNDO), FIN)

    assert [f["status"] for f in banco.filas] == ["ok", "proteccion"]
    assert not banco.registro.ruta_emergencias.exists()


async def test_un_mark_que_nadie_oyo_mueve_el_freno_al_volver_la_conexion(abrir: Abrir):
    banco = await abrir(
        0.5,
        proteccion=TipoProteccion.NIVELES,
        freno={
            "stop": {"modo": "porcentaje", "valor": 2.0},
            "objetivo": {"modo": "porcentaje", "valor": 6.0},
        },
    )
    guion = Guion(banco)
    leidos = [30_000.0, 30_700.0]
    vistos: list[float | None] = []

    async def leer() -> float:
        banco.bolsa.mover(leidos[0])
        return leidos.pop(0)

    guion.mark = leer

    def anotar() -> None:
        vistos.append(banco.ciclo.gatillo)

    await guion.correr(
        anotar, guion.en(frontera() + SEGUNDO), EventoConexion(frontera() + SEGUNDO), anotar, FIN
    )

    assert leidos == []
    assert vistos[0] == 29_400.0
    assert vistos[1] is not None
    assert vistos[1] >= 30_000.0


# --- without market data ---


async def test_a_ciegas_una_posicion_sin_stop_se_cierra_y_se_sigue(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco, ceguera_max_s=70.0)

    motivo = await guion.correr(lambda: None, lambda: None, guion.cierra(0), FIN)

    assert motivo is Motivo.FIN_DE_DATOS
    assert [f["status"] for f in banco.filas] == ["ok", "proteccion", "ok"]
    assert [f["operacion"] for f in banco.filas] == ["abrir_long", "cerrar_long", "abrir_long"]
    motivo_dicho = banco.diario.ultimo("PROTECTION_LOST")["reason"]
    assert motivo_dicho == "no market data for 70 s and no confirmed stop"


async def test_a_ciegas_una_posicion_con_su_stop_se_queda(abrir: Abrir):
    banco = await abrir(0.5, proteccion=TipoProteccion.CATASTROFE)
    guion = Guion(banco, ceguera_max_s=50.0)

    await guion.correr(*[lambda: None] * 5, FIN)

    assert [f["status"] for f in banco.filas] == ["ok"]
    assert banco.bolsa.estado.cantidad > 0.0


@pytest.mark.parametrize("accion", [0.5, 0.0], ids=["protected", "flat"])
async def test_diez_minutos_sin_ninguna_respuesta_son_una_emergencia(abrir: Abrir, accion: float):
    banco = await abrir(accion, proteccion=TipoProteccion.CATASTROFE)
    guion = Guion(banco, refresco_s=30.0)
    muda = guion.falla(lecturas_fallidas=10**9)
    contesta = guion.luego(900.0, guion.falla(lecturas_fallidas=0))

    with pytest.raises(EmergenciaOperacional, match=r"has not answered for 6\d\d s"):
        await guion.correr(muda, contesta)
    assert banco.bolsa.estado.posicion is None
    assert "LATCHED" not in banco.diario.tipos()


async def test_nueve_minutos_sin_respuesta_se_aguantan(abrir: Abrir):
    banco = await abrir(0.5, proteccion=TipoProteccion.CATASTROFE)
    guion = Guion(banco, refresco_s=30.0)
    muda = guion.falla(lecturas_fallidas=10**9)
    contesta = guion.luego(540.0, guion.falla(lecturas_fallidas=0))

    motivo = await guion.correr(muda, contesta, *[lambda: None] * 12, guion.cierra(0), FIN)

    assert motivo is Motivo.FIN_DE_DATOS
    assert guion.decididas == 2
    assert banco.bolsa.estado.cantidad > 0.0


# --- services ---


@pytest.mark.parametrize("con_stop", [False, True])
async def test_un_servicio_que_se_acaba_cierra_la_posicion(abrir: Abrir, con_stop: bool):
    banco = await abrir(0.5, proteccion=TipoProteccion.CATASTROFE if con_stop else TipoProteccion.NINGUNA)
    guion = Guion(banco, servicios=[Servicio("hora", lambda: asyncio.sleep(90.0))])

    with pytest.raises(EmergenciaOperacional, match="hora ended by itself"):
        await guion.correr(guion.cierra(0))
    assert banco.bolsa.estado.posicion is None
    assert banco.bolsa.stops_vivos == []
    assert guion.avance.salidas == 1


async def test_un_servicio_que_no_es_esencial_puede_acabarse(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco, servicios=[Servicio("latido", lambda: asyncio.sleep(90.0), esencial=False)])

    assert await guion.correr(guion.cierra(0), guion.cierra(1), FIN) is Motivo.FIN_DE_DATOS
    assert guion.decididas == 3


async def test_mientras_se_decide_otros_hilos_ceden_el_paso(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)
    ocupado: list[bool] = []

    def mirar() -> None:
        ocupado.append(guion.cortesia.ocupado)

    guion.al_decidir = mirar

    await guion.correr(mirar, guion.cierra(0), mirar, FIN)

    assert ocupado == [True, False, True, False]  # the first is the candle read at the connection
    assert not guion.cortesia.ocupado


# --- ends ---


async def test_parar_termina_y_cierra_la_posicion(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    motivo = await guion.correr(guion.cierra(0), guion.parar)

    assert motivo is Motivo.INTERRUMPIDO
    assert banco.bolsa.estado.posicion is None
    assert banco.filas[-1]["status"] == "manual"
    assert guion.avance.salidas == 1


async def test_lo_que_pide_una_persona_se_distingue_de_una_senal(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    def pedir() -> None:
        assert guion.orquestador is not None
        guion.orquestador.parar(Motivo.DETENIDO)

    assert await guion.correr(pedir) is Motivo.DETENIDO
    assert banco.bolsa.estado.posicion is None


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


@pytest.mark.parametrize("politica", [PoliticaSalida.MANTENER, PoliticaSalida.PROTEGIDA])
async def test_parar_puede_dejar_la_posicion_con_su_stop(abrir: Abrir, politica: PoliticaSalida):
    banco = await abrir(0.5, proteccion=TipoProteccion.CATASTROFE)
    guion = Guion(banco, salida=politica)

    motivo = await guion.correr(guion.cierra(0), guion.parar)

    assert motivo is Motivo.INTERRUMPIDO
    assert banco.bolsa.estado.cantidad > 0.0
    assert len(banco.bolsa.stops_vivos) == 1
    assert [f["status"] for f in banco.filas] == ["ok", "ok"]


async def test_parar_puede_dejar_la_posicion_sin_stop_solo_si_se_pide(abrir: Abrir):
    banco = await abrir(0.5)

    guion = Guion(banco, salida=PoliticaSalida.MANTENER)
    await guion.correr(guion.cierra(0), guion.parar)

    assert banco.bolsa.estado.cantidad > 0.0


async def test_parar_cierra_lo_que_ningun_stop_protege(abrir: Abrir):
    """With the protection that leaves nothing at the exchange there is nothing to rely on."""
    banco = await abrir(0.5)
    guion = Guion(banco, salida=PoliticaSalida.PROTEGIDA)

    await guion.correr(guion.cierra(0), guion.parar)

    assert banco.bolsa.estado.posicion is None
    assert banco.filas[-1]["status"] == "manual"
    (evento,) = [e for e in banco.diario.eventos if e.tipo == "ORDER_INTENT" and e.contenido["reduce_only"]]
    assert evento.contenido["token"].startswith("exit:")
    assert banco.diario.ultimo("ROWS")["orders"] == [evento.agregado.removeprefix("order:")]


async def test_parar_cierra_lo_que_un_stop_sin_confirmar_protegeria(abrir: Abrir):
    banco = await abrir(0.5, proteccion=TipoProteccion.CATASTROFE)
    guion = Guion(banco, salida=PoliticaSalida.PROTEGIDA)

    def duda() -> None:
        banco.protector.confirmado = False

    await guion.correr(guion.cierra(0), duda, guion.parar)

    assert banco.bolsa.estado.posicion is None
    assert banco.bolsa.stops_vivos == []
    assert banco.filas[-1]["status"] == "manual"


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


async def test_una_bolsa_que_no_contesta_es_una_emergencia_operacional(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    with pytest.raises(EmergenciaOperacional, match="has not answered for") as fallo:
        await guion.correr(guion.falla(lecturas_fallidas=130), guion.cierra(0))

    assert fallo.value.codigo_salida == 4
    assert banco.bolsa.estado.posicion is None
    assert banco.emergencias[0]["razon"] == "operational_error"
    assert "LATCHED" not in banco.diario.tipos()


async def test_los_errores_que_no_son_seguidos_no_suman(abrir: Abrir):
    banco = await abrir(0.5)
    guion = Guion(banco)

    motivo = await guion.correr(
        *(parte for i in range(8) for parte in (guion.falla(lecturas_fallidas=2), guion.cierra(i))), FIN
    )

    assert motivo is Motivo.FIN_DE_DATOS
    assert guion.decididas == 9


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


async def test_un_diario_que_no_se_puede_escribir_detiene_las_entradas_y_no_las_salidas(abrir: Abrir):
    banco = await abrir(0.5, -0.5, 0.5)
    guion = Guion(banco)

    def rompe() -> None:
        banco.diario.roto = True

    motivo = await guion.correr(rompe, guion.cierra(0), guion.cierra(1), FIN)

    assert motivo is Motivo.FIN_DE_DATOS
    assert banco.bolsa.estado.posicion is None
    assert [(f["operacion"], f["resultado"]) for f in banco.filas] == [
        ("abrir_long", "ejecutada"),
        ("cerrar_long", "ejecutada"),
        ("abrir_long", "rechazada"),
    ]


async def test_una_orden_en_camino_vuelve_antes_de_dar_la_cuenta_por_plana(abrir: Abrir):
    """The market stream dies while an entry is on its way: flat is only true once the entry has arrived."""
    banco = await abrir(0.5)
    banco.bolsa.demora_envio_s = 90.0

    with pytest.raises(EmergenciaOperacional):
        await Guion(banco).correr(termina=True)
    await asyncio.sleep(600.0)

    assert [orden.solo_reduce for orden in banco.bolsa.aceptadas] == [False, True]
    assert banco.bolsa.estado.posicion is None


# --- what is asked between two steps ---


async def test_lo_que_se_pide_se_hace_entre_dos_pasos_y_se_responde(abrir: Abrir):
    guion = Guion(await abrir(0.5, 0.0), salida=PoliticaSalida.MANTENER)
    respuestas: list[float] = []

    async def mirar() -> float:
        return guion.banco.bolsa.estado.cantidad

    async def preguntar() -> None:
        assert guion.orquestador is not None
        respuestas.append(await guion.orquestador.pedir(mirar))

    tareas: list[asyncio.Task[None]] = []
    pregunta = [lambda: tareas.append(asyncio.create_task(preguntar()))]
    await guion.correr(guion.cierra(0), pregunta, FIN)

    assert respuestas == [guion.banco.bolsa.estado.cantidad]
    assert respuestas[0] > 0.0


async def test_lo_que_ya_nadie_espera_no_se_hace(abrir: Abrir):
    """Whoever asked is cancelled while the request waits for its turn."""
    guion = Guion(await abrir(0.0))
    hechas: list[str] = []

    async def hacer() -> None:
        hechas.append("hecha")

    tareas: list[asyncio.Task[None]] = []

    def preguntar() -> None:
        assert guion.orquestador is not None
        tareas.extend(asyncio.create_task(guion.orquestador.pedir(hacer)) for _ in range(2))
        asyncio.get_running_loop().call_soon(tareas[0].cancel)

    await guion.correr(guion.cierra(0), [preguntar], FIN)

    assert hechas == ["hecha"]
    assert tareas[0].cancelled()


@pytest.mark.parametrize("fallo", [SolicitudInvalida("no"), OrdenRechazada("no"), LecturaFallida("no")])
async def test_una_negativa_vuelve_a_quien_pregunto_y_la_sesion_sigue(abrir: Abrir, fallo: Exception):
    guion = Guion(await abrir(0.0), salida=PoliticaSalida.MANTENER)
    oidos: list[BaseException] = []

    async def negarse() -> None:
        raise fallo

    async def preguntar() -> None:
        assert guion.orquestador is not None
        try:
            await guion.orquestador.pedir(negarse)
        except ErrorTimonel as negativa:
            oidos.append(negativa)

    tareas: list[asyncio.Task[None]] = []
    pregunta = [lambda: tareas.append(asyncio.create_task(preguntar()))]
    motivo = await guion.correr(guion.cierra(0), pregunta, guion.cierra(1), FIN)

    assert (motivo, oidos) == (Motivo.FIN_DE_DATOS, [fallo])
    assert velas_decididas(guion.banco)[-1] == vela(1).apertura_ms


async def test_un_defecto_en_lo_que_se_pide_se_responde_y_cierra_la_posicion(abrir: Abrir):
    guion = Guion(await abrir(0.5))
    oidos: list[str] = []

    async def romperse() -> None:
        raise ZeroDivisionError("a defect")

    async def preguntar() -> None:
        assert guion.orquestador is not None
        try:
            await guion.orquestador.pedir(romperse)
        except LecturaFallida as negativa:
            oidos.append(str(negativa))

    tareas: list[asyncio.Task[None]] = []
    pregunta = [lambda: tareas.append(asyncio.create_task(preguntar()))]
    with pytest.raises(EmergenciaOperacional):
        await guion.correr(guion.cierra(0), pregunta, FIN)
    await asyncio.gather(*tareas)

    assert oidos == ["a defect"]
    assert guion.banco.bolsa.estado.posicion is None


async def test_lo_que_la_sesion_ya_no_hace_se_responde(abrir: Abrir):
    """Stopping goes first: what waits behind it is refused, and so is what comes later."""
    guion = Guion(await abrir(0.0), salida=PoliticaSalida.MANTENER)
    hechos: list[int] = []

    async def hacer() -> None:
        hechos.append(1)

    async def preguntar() -> None:
        assert guion.orquestador is not None
        await guion.orquestador.pedir(hacer)

    tareas: list[asyncio.Task[None]] = []

    def preguntar_y_parar() -> None:
        tareas.append(asyncio.create_task(preguntar()))
        asyncio.get_running_loop().call_soon(guion.parar)

    await guion.correr(guion.cierra(0), [preguntar_y_parar])
    tareas.append(asyncio.create_task(preguntar()))

    fallos = await asyncio.gather(*tareas, return_exceptions=True)
    assert [str(fallo) for fallo in fallos] == ["the session ends; look at the position"] * 2
    assert hechos == []
