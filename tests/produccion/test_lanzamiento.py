"""A whole session in this process, against a simulator in this process."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from src.datos.mercados import mercado_por_defecto
from src.nucleo.errores import (
    AgenteEnclavado,
    ArranqueFallido,
    ConfiguracionInvalida,
    EmergenciaDrawdown,
    EmergenciaOperacional,
)
from src.nucleo.tipos import Observacion
from src.produccion import entrega, montaje
from src.produccion.almacen.acceso import URL_ALMACEN
from src.produccion.almacen.conexion import abrir_almacen, escribir
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento
from src.produccion.comienzo import Comienzo
from src.produccion.config.config import Opciones, PoliticaSalida
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.lanzamiento import desenclavar, ejecutar
from src.produccion.montaje import Sesion
from src.produccion.orquestador import Motivo
from src.produccion.riesgo.enclavamiento import Enclavamiento, Razon, enclavar
from src.simulador.servidor import Servidor
from tests.artefactos.fabrica import crear_artefacto, una_configuracion
from tests.constructores import HORA_MS
from tests.produccion.banco import N_CALENTAMIENTO, leer_csv
from tests.produccion.falsos import PoliticaGuion
from tests.simulador.banco import CLAVE, SECRETO, el_titular, ordenar, planas, una_simulacion

RED = True
PRECIO = 30_000.0
SUAVE = [PRECIO + 10.0 * i for i in range(40)]
CAIDA = [PRECIO * 0.97**i for i in range(6)] + [PRECIO * 0.97**6] * 20


class Puesto:
    """An artefact, a state directory and a simulator on some closes."""

    def __init__(self, carpeta: Path, url: str, servidor: Servidor | None = None) -> None:
        self.servidor = servidor
        ajustes = carpeta / "timonel.yaml"
        ajustes.write_text("feature_range: {hold_entries_above: 1}\n")
        configuracion = una_configuracion(
            entorno__max_drawdown_permitido=0.1, data_downloader__symbol="BTCUSDT"
        )
        self.opciones = Opciones(
            train_id=crear_artefacto(carpeta / "ent", configuracion, mercado=mercado_por_defecto("BTCUSDT")),
            base=carpeta / "ent",
            estado=carpeta / "estado",
            config=ajustes,
            url=url,
            salida=PoliticaSalida.MANTENER,
        )

    async def correr(self, *acciones: float, **cambios: Any) -> Sesion:
        return await ejecutar(replace(self.opciones, **cambios), PoliticaGuion(*acciones))

    def desenclavar(self) -> bool:
        return desenclavar(self.opciones, "looked into it")

    @property
    def cantidad(self) -> Decimal:
        """What the exchange says that is held."""
        assert self.servidor is not None
        posicion = el_titular(self.servidor.simulacion).cuenta.posiciones.get("BTCUSDT")
        return posicion.cantidad if posicion is not None else Decimal(0)

    @property
    def diario(self) -> Path:
        """The journal's file."""
        (ruta,) = self.opciones.estado.rglob("diario.sqlite")
        return ruta


@pytest.fixture
async def puesto(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Puesto]:
    cierres = getattr(request, "param", SUAVE)
    velas = planas(*[round(c, 1) for c in [PRECIO] * N_CALENTAMIENTO + cierres])
    async with Servidor(una_simulacion(velas, calentamiento=N_CALENTAMIENTO, camino="close")) as servidor:
        yield Puesto(tmp_path, servidor.url, servidor)


async def test_una_sesion_de_principio_a_fin(puesto: Puesto):
    sesion = await puesto.correr(0.5, velas=5)

    assert sesion.motivo is Motivo.VELAS
    assert sesion.estadisticas.velas == 5
    filas = leer_csv(sesion.registro)
    assert [f["operacion"] for f in filas] == ["abrir_long", *["mantener"] * 4]
    assert (
        sesion.registro.with_name(sesion.registro.name.replace("registro", "produccion"))
        .with_suffix(".log")
        .exists()
    )


async def test_antes_de_la_primera_vela_se_dice_que_se_opera_y_que_la_protege(puesto: Puesto):
    """A first session opens, and a second one finds the position under its stop."""
    dichos: list[Comienzo] = []
    for _ in range(2):
        await ejecutar(replace(puesto.opciones, velas=2), PoliticaGuion(0.5), al_empezar=dichos.append)

    primero, segundo = dichos
    assert primero.posicion == "none"
    assert segundo.posicion.startswith(f"{puesto.cantidad:g}, stop at ")
    assert segundo.bitacora.is_file()
    assert segundo.estado == puesto.diario.parent
    assert segundo.direccion == puesto.opciones.url
    assert segundo.cuenta_id == segundo.estado.parent.name
    assert segundo.siguiente_ms == primero.siguiente_ms + HORA_MS


async def test_otra_sesion_sigue_donde_quedo_la_primera(puesto: Puesto):
    primera = await puesto.correr(0.5, velas=5)
    segunda = await puesto.correr(0.5, velas=5)

    ultima, siguiente = leer_csv(primera.registro)[-1], leer_csv(segunda.registro)[0]
    assert siguiente["cantidad_activa"] == ultima["cantidad_activa"]
    assert siguiente["balance"] == ultima["balance"]
    assert siguiente["timestamp"] > ultima["timestamp"]
    assert segunda.estadisticas.operaciones == 0


class PoliticaQueMuere(PoliticaGuion):
    """Ends the session at once when it is asked for its third action."""

    def __init__(self, vida: Callable[[], asyncio.Task[Sesion]]) -> None:
        super().__init__(0.5)
        self._vida, self._faltan = vida, 3

    def predecir(self, observacion: Observacion) -> float:
        self._faltan -= 1
        if self._faltan == 0:
            self._vida().cancel()
        return super().predecir(observacion)


async def test_una_sesion_reanudada_lo_dice_y_lo_que_anoto(puesto: Puesto):
    """While nobody looked, somebody sold part of the position."""
    assert puesto.servidor is not None
    dichos: list[Comienzo] = []
    primera = asyncio.create_task(
        ejecutar(puesto.opciones, PoliticaQueMuere(lambda: primera), al_empezar=dichos.append)
    )
    await asyncio.gather(primera, return_exceptions=True)
    ordenar(puesto.servidor.simulacion, side="SELL", quantity="0.01")

    una_vela = replace(puesto.opciones, velas=1)
    segunda = await ejecutar(una_vela, PoliticaGuion(0.5), al_empezar=dichos.append)
    await ejecutar(una_vela, PoliticaGuion(0.5), al_empezar=dichos.append)

    tras_caer = dichos[1].reanudada
    assert tras_caer is not None
    assert f"registro_{tras_caer.sello}.csv" == segunda.registro.name
    anotadas = leer_csv(segunda.registro)[tras_caer.filas :][: tras_caer.anotadas]
    assert "reducir_long" in [fila["operacion"] for fila in anotadas]
    assert tras_caer._asdict().items() <= _el_evento(_eventos(segunda), "sesion_reanudada").items()
    assert (dichos[0].reanudada, dichos[2].reanudada) == (None, None)


def _eventos(sesion: Sesion) -> list[dict[str, Any]]:
    ruta = sesion.registro.with_name(sesion.registro.name.replace("registro", "produccion"))
    return [orjson.loads(linea) for linea in ruta.with_suffix(".log").read_text().splitlines()]


def _el_evento(eventos: list[dict[str, Any]], nombre: str) -> dict[str, Any]:
    (dicho,) = (evento for evento in eventos if evento["event"] == nombre)
    return dicho


async def test_si_antes_operaba_otro_agente_se_dice_y_se_sigue(puesto: Puesto):
    primera = await puesto.correr(0.5, velas=2)
    otro = crear_artefacto(
        puesto.opciones.base, mercado=mercado_por_defecto("BTCUSDT"), train_id="train_BTCUSDT_otro"
    )
    dichos: list[Comienzo] = []

    sesion, _ = [
        await ejecutar(
            replace(puesto.opciones, velas=1, train_id=otro), PoliticaGuion(0.5), al_empezar=dichos.append
        )
        for _ in range(2)
    ]

    assert [dicho.antes for dicho in dichos] == [puesto.opciones.train_id, None]
    assert _el_evento(_eventos(sesion), "otro_agente")["antes"] == puesto.opciones.train_id
    assert sesion.motivo is primera.motivo is Motivo.VELAS


async def test_quien_empieza_cuando_ya_no_hay_velas_acaba_como_quien_las_vio_acabar(puesto: Puesto):
    primera = await puesto.correr(0.5)
    segunda = await asyncio.wait_for(puesto.correr(0.5), 10.0)

    assert segunda.motivo is primera.motivo is Motivo.FIN_DE_DATOS
    assert puesto.cantidad > 0


async def test_el_estado_de_una_repeticion_no_vale_para_la_misma_otra_vez(puesto: Puesto):
    """The account of the new one is flat and has another balance; nothing of that is a loss."""
    await puesto.correr(0.5, velas=5)
    velas = planas(*[PRECIO] * N_CALENTAMIENTO, *SUAVE)

    async with Servidor(una_simulacion(velas, calentamiento=N_CALENTAMIENTO, camino="close")) as otra_vez:
        with pytest.raises(ConfiguracionInvalida, match=r"a replay that began again.*--state-dir"):
            await puesto.correr(0.5, velas=5, url=otra_vez.url)

    sesion = await puesto.correr(0.5, velas=2)
    assert sesion.motivo is Motivo.VELAS


async def test_el_capital_asignado_es_un_libro_que_se_recuerda(puesto: Puesto):
    primera = await puesto.correr(0.5, velas=3, capital=2_000.0)
    segunda = await puesto.correr(0.5, velas=3, capital=2_000.0)

    filas = leer_csv(primera.registro)
    comision = float(filas[0]["comision"])
    assert float(filas[0]["balance"]) == pytest.approx(2_000.0 - comision)
    assert float(filas[0]["cantidad_activa"]) == pytest.approx(0.5 * 2_000 * 2 / PRECIO, abs=1e-3)
    assert leer_csv(segunda.registro)[0]["balance"] == filas[-1]["balance"]


@pytest.mark.parametrize(("antes", "despues"), [(2_000.0, None), (None, 2_000.0)])
async def test_el_libro_y_la_cartera_entera_no_se_mezclan(
    puesto: Puesto, antes: float | None, despues: float | None
):
    await puesto.correr(0.0, velas=1, capital=antes)

    with pytest.raises(ConfiguracionInvalida, match="--capital"):
        await puesto.correr(0.0, velas=1, capital=despues)


@pytest.mark.parametrize(("limite", "resultado"), [(1, "rechazada"), (2, "ejecutada")])
async def test_los_limites_de_la_cuenta_rigen_sus_entradas(
    puesto: Puesto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limite: int, resultado: str
):
    """Its tenant has executed one exit; ten are allowed to it."""
    cuentas = tmp_path / "accounts.yaml"
    cuentas.write_text(
        "accounts: {Ana: {tenant: casa, environment: sim, api_key_env: ANA_KEY, api_secret_env: ANA_SECRET,"
        f" limits: {{max_executions_per_minute: {limite}}}}}}}"
    )
    monkeypatch.setenv("ANA_KEY", CLAVE)
    monkeypatch.setenv("ANA_SECRET", SECRETO)
    monkeypatch.setenv(URL_ALMACEN, f"sqlite:///{tmp_path / 'timonel.sqlite'}")
    motor = abrir_almacen(None, tmp_path)
    enviada = EventoStopNuevo(
        "t", TipoEventoStop.EXECUTION_SUBMITTED, 2**45, "BTCUSDT", FuenteStop.CRON, client_id="casa"
    )
    with escribir(motor) as conexion:
        anotar_evento(conexion, enviada)
    motor.dispose()

    sesion = await puesto.correr(0.5, velas=1, usuario="Ana", cuentas=cuentas)

    fila, *_ = leer_csv(sesion.registro)
    assert fila["resultado"] == resultado
    assert ("too many executions lately" in fila["error"]) is (resultado == "rechazada")


@pytest.fixture
def con_almacen_defectuoso(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes it the daemon's: a breaker of it is in a state that nobody knows."""

    def hacer() -> None:
        ruta = tmp_path / "timonel.sqlite"
        abrir_almacen(f"sqlite:///{ruta}", tmp_path).dispose()
        with closing(sqlite3.connect(ruta)) as conexion, conexion:
            conexion.execute("PRAGMA ignore_check_constraints = ON")
            conexion.execute(
                "INSERT INTO circuit_breaker_state (client_id, symbol, state)"
                " VALUES ('default', 'BTCUSDT', 'BROKEN')"
            )
        monkeypatch.setenv(URL_ALMACEN, f"sqlite:///{ruta}")

    return hacer


async def test_un_defecto_del_almacen_no_deja_sola_a_una_posicion_abierta(
    puesto: Puesto, con_almacen_defectuoso: Callable[[], None]
):
    await puesto.correr(0.5, velas=3)
    antes = puesto.cantidad
    con_almacen_defectuoso()

    sesion = await puesto.correr(0.9, velas=3)

    assert sesion.motivo is Motivo.VELAS
    assert puesto.cantidad == antes > 0
    assert leer_csv(sesion.registro)[-1]["error"] == "entries_blocked: the guardrails are not known yet"
    dicho = _el_evento(_eventos(sesion), "almacen_no_abre")
    assert "BROKEN" in dicho["motivo"]
    assert "Traceback" in dicho["exception"]


async def test_sin_nada_en_juego_un_defecto_del_almacen_se_dice_y_no_se_empieza(
    puesto: Puesto, con_almacen_defectuoso: Callable[[], None]
):
    con_almacen_defectuoso()

    with pytest.raises(ConfiguracionInvalida, match=r"the store cannot be used: .*BROKEN"):
        await puesto.correr(0.5, velas=3)

    assert puesto.cantidad == 0


async def test_de_un_almacen_que_calla_se_dicen_la_direccion_y_el_remedio(
    puesto: Puesto, monkeypatch: pytest.MonkeyPatch
):
    """Something listens there and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as mudo:
        lugar = f"127.0.0.1:{mudo.getsockname()[1]}/timonel?connect_timeout=30"
        monkeypatch.setenv(URL_ALMACEN, f"postgresql://ana:secreta@{lugar}")

        with pytest.raises(ConfiguracionInvalida, match="does not answer within 10 s") as fallo:
            await puesto.correr(0.5, velas=3)

    assert f"postgresql://ana:***@{lugar}" in str(fallo.value)
    assert f"Start it, or correct {URL_ALMACEN}" in str(fallo.value)


@pytest.mark.parametrize("puesto", [CAIDA], indirect=True)
async def test_enclavado_no_se_opera_hasta_desenclavar(puesto: Puesto):
    with pytest.raises(EmergenciaDrawdown):
        await puesto.correr(0.9)
    with pytest.raises(AgenteEnclavado, match=rf"--exchange-url {puesto.opciones.url}.*--unlock") as fallo:
        await puesto.correr(0.0)
    assert fallo.value.codigo_salida == 5

    assert puesto.desenclavar()
    sesion = await puesto.correr(0.0, velas=2)

    assert sesion.motivo is Motivo.VELAS
    assert sesion.estadisticas.max_drawdown == 0.0


def demonios(almacen: Path) -> int:
    """How many have not said goodbye."""
    with closing(sqlite3.connect(almacen)) as conexion:
        return int(conexion.execute("SELECT COUNT(*) FROM daemons").fetchone()[0])


class PoliticaQueBloquea(PoliticaGuion):
    """Has somebody lock the store for so many seconds when it is asked for its second action."""

    def __init__(self, almacen: Path, segundos: float) -> None:
        super().__init__(0.9)
        self._otro = sqlite3.connect(almacen, isolation_level=None, check_same_thread=False)
        self._segundos, self._faltan = segundos, 2

    def predecir(self, observacion: Observacion) -> float:
        self._faltan -= 1
        if self._faltan == 0:
            self._otro.execute("BEGIN IMMEDIATE")
            asyncio.get_running_loop().call_later(self._segundos, self._otro.rollback)
        return super().predecir(observacion)

    def soltar(self) -> None:
        self._otro.close()


@pytest.fixture
def almacen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that lockstep sessions are fed to as well."""
    ruta = tmp_path / "timonel.sqlite"
    monkeypatch.setenv(URL_ALMACEN, f"sqlite:///{ruta}")
    abrir_almacen(None, tmp_path).dispose()
    return ruta


def clases(almacen: Path) -> list[str]:
    """What people are told of, in the store."""
    with closing(sqlite3.connect(almacen)) as conexion:
        return [clase for (clase,) in conexion.execute("SELECT kind FROM alerts ORDER BY id")]


@pytest.mark.parametrize("puesto", [CAIDA], indirect=True)
async def test_tras_una_emergencia_se_espera_mas_al_almacen(puesto: Puesto, almacen: Path):
    politica = PoliticaQueBloquea(almacen, 4.0)

    with pytest.raises(EmergenciaDrawdown):
        await ejecutar(puesto.opciones, politica)

    politica.soltar()
    assert {"EMERGENCY", "LATCHED", "shutdown"} <= set(clases(almacen))
    assert demonios(almacen) == 1  # it did not say goodbye: that it is silent is told as well


async def test_quien_acaba_a_proposito_se_despide_del_almacen(puesto: Puesto, almacen: Path):
    await puesto.correr(0.5, velas=3)

    assert demonios(almacen) == 0


@pytest.mark.parametrize("puesto", [CAIDA], indirect=True)
@pytest.mark.parametrize("como", ["refused", "unlocked"])
async def test_la_emergencia_que_el_almacen_no_tomo_la_cuenta_quien_viene_despues(
    puesto: Puesto, almacen: Path, monkeypatch: pytest.MonkeyPatch, como: str
):
    """No daemon runs any more that would feed it."""
    monkeypatch.setattr(montaje, "ENTREGA_S", 0.1)
    politica = PoliticaQueBloquea(almacen, 600.0)
    with pytest.raises(EmergenciaDrawdown):
        await ejecutar(puesto.opciones, politica)
    assert "EMERGENCY" not in clases(almacen)
    politica.soltar()

    if como == "refused":
        with pytest.raises(AgenteEnclavado):
            await puesto.correr(0.0)
    else:
        assert await asyncio.to_thread(puesto.desenclavar)

    dichas = clases(almacen)
    assert {"EMERGENCY", "LATCHED"} <= set(dichas)
    assert ("UNLOCKED" in dichas) is (como == "unlocked")


@pytest.mark.parametrize("puesto", [CAIDA], indirect=True)
async def test_un_almacen_que_no_esta_no_impide_decir_que_esta_enclavado_ni_desenclavar(
    puesto: Puesto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(EmergenciaDrawdown):
        await puesto.correr(0.9)
    monkeypatch.setenv(URL_ALMACEN, "postgresql://root@127.0.0.1:1/nothing")
    monkeypatch.setattr(entrega, "ENTREGA_S", 0.5)

    with pytest.raises(AgenteEnclavado):
        await puesto.correr(0.0)
    assert "alimentador_sin_acabar" in capsys.readouterr().err
    assert await asyncio.to_thread(puesto.desenclavar)
    assert "alimentador_sin_acabar" in capsys.readouterr().err


@pytest.mark.parametrize("puesto", [CAIDA], indirect=True)
async def test_de_un_mercado_en_paso_sin_almacen_no_se_hace_ninguno(puesto: Puesto):
    with pytest.raises(EmergenciaDrawdown):
        await puesto.correr(0.9)
    with pytest.raises(AgenteEnclavado):
        await puesto.correr(0.0)
    assert puesto.desenclavar()

    assert not list(puesto.opciones.estado.rglob("timonel.sqlite"))


@pytest.mark.parametrize("puesto", [CAIDA], indirect=True)
async def test_otro_artefacto_no_se_salta_el_enclavamiento(puesto: Puesto):
    with pytest.raises(EmergenciaDrawdown):
        await puesto.correr(0.9)
    otro = crear_artefacto(
        puesto.opciones.base, mercado=mercado_por_defecto("BTCUSDT"), train_id="train_BTCUSDT_otro"
    )

    with pytest.raises(AgenteEnclavado):
        await puesto.correr(0.0, train_id=otro)


async def test_desenclavar_lo_que_no_lo_esta_no_cambia_nada(puesto: Puesto):
    await puesto.correr(0.0, velas=1)

    assert not puesto.desenclavar()


async def test_una_emergencia_a_medias_se_acaba_antes_de_decir_que_esta_enclavado(puesto: Puesto):
    """The daemon died after it had latched and before the account was flat."""
    await puesto.correr(0.5, velas=3)
    diario = DiarioSqlite(puesto.diario)
    await enclavar(diario, None, Enclavamiento(Razon.DRAWDOWN, "daemon", 1))
    diario.cerrar()
    assert puesto.cantidad > 0

    with pytest.raises(EmergenciaDrawdown, match="cut short before") as acabada:
        await puesto.correr(0.5)
    assert acabada.value.codigo_salida == 3
    assert puesto.cantidad == 0
    with pytest.raises(AgenteEnclavado) as enclavado:
        await puesto.correr(0.5)
    assert enclavado.value.codigo_salida == 5


async def test_un_diario_que_no_se_cierra_no_cambia_el_final(puesto: Puesto, monkeypatch: pytest.MonkeyPatch):
    def cerrar(self: DiarioSqlite) -> None:
        _cerrar(self)
        raise EmergenciaOperacional("no answer from the disk")

    _cerrar = DiarioSqlite.cerrar
    await puesto.correr(0.5, velas=3)
    diario = DiarioSqlite(puesto.diario)
    await enclavar(diario, None, Enclavamiento(Razon.DRAWDOWN, "daemon", 1))
    diario.cerrar()
    monkeypatch.setattr(DiarioSqlite, "cerrar", cerrar)

    with pytest.raises(EmergenciaDrawdown):
        await puesto.correr(0.5)


async def test_sin_nada_en_juego_una_bolsa_que_no_esta_se_dice_enseguida(tmp_path: Path):
    puesto = Puesto(tmp_path, "http://127.0.0.1:1")
    antes = time.monotonic()

    with pytest.raises(ArranqueFallido):
        await puesto.correr(0.5)
    assert time.monotonic() - antes < 10.0


async def test_con_algo_en_juego_se_espera_a_la_bolsa(tmp_path: Path):
    """A position may be open there: the daemon takes over as soon as it can."""
    with socket.socket() as libre:
        libre.bind(("127.0.0.1", 0))
        puerto = libre.getsockname()[1]
    velas = planas(*[PRECIO] * N_CALENTAMIENTO, *SUAVE)
    simulacion = una_simulacion(velas, calentamiento=N_CALENTAMIENTO, camino="close", puerto=puerto)
    async with Servidor(simulacion) as servidor:
        puesto = Puesto(tmp_path, servidor.url, servidor)
        await puesto.correr(0.5, velas=3)

    vida = asyncio.create_task(puesto.correr(0.5, velas=3))
    await asyncio.sleep(3.0)
    assert not vida.done()
    async with Servidor(simulacion):
        sesion = await asyncio.wait_for(vida, 30.0)

    assert sesion.motivo is Motivo.VELAS
    assert leer_csv(sesion.registro)[0]["cantidad_activa"] != ""
    assert puesto.cantidad > 0


async def test_no_se_espera_a_la_bolsa_para_siempre(puesto: Puesto):
    assert puesto.opciones.config is not None
    await puesto.correr(0.5, velas=3)
    with puesto.opciones.config.open("a") as ajustes:
        ajustes.write("risk: {max_silence_s: 2}\n")
    assert puesto.servidor is not None
    await puesto.servidor.cerrar()

    with pytest.raises(ArranqueFallido):
        await asyncio.wait_for(puesto.correr(0.5), 30.0)
