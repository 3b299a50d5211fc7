"""The stop monitor around its executions: resident stops, guardrails, takeovers, a store that is down."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Engine, create_engine, text

from src.nucleo.disparos import Barrera, Disparo, token_de
from src.nucleo.errores import AlmacenCaido, OrdenRechazada
from src.nucleo.tipos import Posicion
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.eventos_stop import EstadoEjecucion, EventoStopNuevo, FuenteStop, TipoEventoStop
from src.produccion.almacen.operaciones import EstadoOperacion, LadoOperacion, ficha_stop
from src.produccion.almacen.reclamos import soltar_reclamo, tomar_reclamo
from src.produccion.monitor.cuaderno import Cuaderno
from src.produccion.monitor.libro import Libro, vallas_de
from src.produccion.monitor.relato import Curso, Relator
from src.produccion.monitor.residentes import Papel, orden_residente
from src.produccion.monitor.tipos import Final
from src.produccion.ordenes.ejecutor import id_cliente_de
from src.produccion.puertos import texto_decimal
from tests.constructores import INICIO_MS
from tests.produccion.falsos import Parcial, Pierde
from tests.produccion.monitor import fabrica as f
from tests.produccion.monitor.fabrica import candado_ajeno

RED = True
T = TypeVar("T")
AHORA_MS = INICIO_MS + 3_600_000


def test_el_token_es_el_mismo_aqui_y_en_el_almacen():
    for precio in (88_200, 88_200.0, 0.000012, 1e7):
        assert token_de("op", precio, 9) == ficha_stop("op", precio, 9)


class TestPrecios:
    @pytest.mark.parametrize(
        ("largo", "bid", "ask", "disparo"),
        [
            (True, 88_201.0, 91_799.0, None),
            (True, 88_200.0, 91_799.0, Disparo.STOP_LOSS),
            (True, 93_600.0, 93_601.0, Disparo.TAKE_PROFIT),
            (False, 88_201.0, 91_799.0, None),
            (False, 88_201.0, 91_800.0, Disparo.STOP_LOSS),
            (False, 87_999.0, 88_000.0, Disparo.TAKE_PROFIT),
        ],
    )
    async def test_un_largo_mira_el_bid_y_un_corto_el_ask(
        self, motor: Engine, bid: float, ask: float, disparo: Disparo | None, *, largo: bool
    ):
        corta = {"side": LadoOperacion.SELL, "stop_price": 91_800.0, "target_price": 88_000.0}
        f.guardar(motor, f.una_operacion(**({} if largo else corta)))
        bolsa = f.una_bolsa(cantidad=0.01 if largo else -0.01, libro=(bid, ask))

        ronda = await f.un_monitor(motor, bolsa, ensayo=True).revisar()

        assert [r.disparada.disparo for r in ronda.resultados] == ([] if disparo is None else [disparo])

    async def test_a_un_stop_residente_se_le_dan_tres_segundos_de_mark(self, motor: Engine):
        """Bid and ask do not matter: the exchange goes by the mark."""
        f.guardar(motor, f.una_operacion(resident_stop=True))
        bolsa = f.una_bolsa(libro=(1.0, 1e6))
        monitor = f.un_monitor(motor, bolsa, ensayo=True)

        async def alcanza(mark: float, despues_ms: int) -> bool:
            bolsa.mark, bolsa.reloj.instante_ms = mark, AHORA_MS + despues_ms
            return bool((await monitor.revisar()).resultados)

        marks = [(88_000.0, 0), (88_000.0, 2_999), (88_300.0, 3_000), (88_000.0, 4_000), (88_000.0, 6_999)]
        assert not any([await alcanza(mark, ms) for mark, ms in marks])
        assert await alcanza(88_000.0, 7_000)

    async def test_el_objetivo_se_ejecuta_como_el_stop(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(94_000.0)

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados

        assert (resultado.final, resultado.disparada.disparo) == (Final.EXECUTED, Disparo.TAKE_PROFIT)
        assert resultado.slippage is not None
        assert resultado.slippage < 0
        assert f.ejecucion(motor, operacion.token) is not None

    async def test_un_ensayo_dice_y_no_hace(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0)

        (resultado,) = (await f.un_monitor(motor, bolsa, ensayo=True).revisar()).resultados

        assert (resultado.final, bolsa.enviadas, f.eventos(motor)) == (Final.DRY_RUN, [], [])
        assert f.operacion(motor, operacion.operation_id).stop_check_count == 0


class TestPosicion:
    async def test_una_posicion_que_se_fue_cierra_la_operacion_sin_orden(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0, cantidad=0.0)

        ronda = await f.un_monitor(motor, bolsa).revisar()

        assert (ronda.resultados, bolsa.enviadas, f.eventos(motor)) == ((), [], [])
        assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED

    async def test_del_otro_lado_tampoco_es_la_suya(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion())

        await f.un_monitor(motor, f.una_bolsa(88_000.0, cantidad=-0.01)).revisar()

        assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED

    async def test_se_cierra_lo_que_hay_y_no_lo_que_hubo(self, motor: Engine):
        f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0, cantidad=0.004)

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados

        assert (resultado.cantidad, bolsa.enviadas[0].cantidad) == (0.004, 0.004)

    @pytest.mark.parametrize(("cantidad", "entrada"), [(0.01, 92_000.0), (0.02, f.ENTRADA)])
    @pytest.mark.parametrize("sin_almacen", [False, True])
    async def test_la_posicion_de_otra_no_se_cierra(
        self, motor: Engine, cantidad: float, entrada: float, *, sin_almacen: bool
    ):
        """The store lags behind: its operation has ended, and the next one is open on the same side."""
        f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa()
        monitor = f.un_monitor(motor, bolsa)
        await monitor.revisar()
        bolsa.estado = bolsa.estado._replace(posicion=Posicion(cantidad, entrada))
        bolsa.precio_actual = 88_000.0

        with _caido(monitor) if sin_almacen else nullcontext():
            ronda = await monitor.revisar()

        assert [r.final for r in ronda.resultados] == [Final.FOREIGN]
        assert (bolsa.enviadas, ronda.bien) == ([], False)

    async def test_la_que_se_vio_plana_no_vuelve_aunque_el_almacen_calle(self, motor: Engine):
        """Not even for a position that looks the same: who closed and opened it again protects it."""
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa()
        monitor = f.un_monitor(motor, bolsa)
        await monitor.revisar()
        posicion = bolsa.estado.posicion
        with _caido(monitor):
            bolsa.estado = bolsa.estado._replace(posicion=None)
            await monitor.revisar()
            bolsa.estado = bolsa.estado._replace(posicion=posicion)
            bolsa.precio_actual = 88_000.0
            await monitor.revisar()
        await bolsa.colocar_stop(orden_residente(operacion, Papel.STOP, 80_000.0))
        await monitor.revisar()

        assert bolsa.enviadas == []
        assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED
        assert len(bolsa.stops_vivos) == 1, "it protects the position that is open now"

    async def test_un_llenado_a_medias_sigue_con_el_resto(self, motor: Engine):
        """The executions add up to the position."""
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0, fallos=deque([Parcial(0.004)]))

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados

        assert (resultado.final, resultado.cantidad) == (Final.EXECUTED, 0.01)
        hechos = [e for e in f.eventos(motor, operacion.token) if e["event_type"] == "EXECUTED"]
        assert [float(e["quantity"]) for e in hechos] == [0.004, 0.006]

    @pytest.mark.parametrize("lecturas_viejas", [0, 1_000])
    async def test_el_resto_de_un_llenado_a_medias_sale_con_sus_decimales(
        self, motor: Engine, lecturas_viejas: int
    ):
        """0.3 less 0.1 is 0.2, as the account reads it or as the fills tell: the exchange takes no dust."""
        (operacion,) = f.guardar(motor, f.una_operacion(quantity=0.3))
        bolsa = f.una_bolsa(88_000.0, 0.3, fallos=deque([Parcial(0.1)]), retraso_lecturas=lecturas_viejas)

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados

        assert [texto_decimal(orden.cantidad) for orden in bolsa.enviadas] == ["0.3", "0.2"]
        assert (resultado.final, resultado.cantidad) == (Final.EXECUTED, 0.3)
        assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED

    async def test_no_se_cierra_mas_de_lo_que_habia(self, motor: Engine):
        """After a partial fill the account shows more than is left: an old read, or somebody buys."""
        f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0, fallos=deque([Parcial(0.004)]), retraso_lecturas=1_000)

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados

        assert [orden.cantidad for orden in bolsa.enviadas] == pytest.approx([0.01, 0.006])
        assert resultado.cantidad == pytest.approx(0.01)

    async def test_lo_que_no_cabe_en_una_orden_va_en_varias(self, motor: Engine):
        f.guardar(motor, f.una_operacion(quantity=200.0))
        bolsa = f.una_bolsa(
            88_000.0, cantidad=200.0, fallos=deque([OrdenRechazada("too much", codigo=-4005)])
        )

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados

        assert (resultado.final, resultado.cantidad) == (Final.EXECUTED, 200.0)
        assert [orden.cantidad for orden in bolsa.aceptadas] == [100.0, 100.0]

    async def test_tras_el_llenado_se_barren_sus_ordenes(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion(hand_made=True, resident_stop=False))
        bolsa = f.una_bolsa(88_000.0)
        for papel, gatillo in ((Papel.STOP, 80_000.0), (Papel.TARGET, 93_600.0)):
            await bolsa.colocar_stop(orden_residente(operacion, papel, gatillo))

        await f.un_monitor(motor, bolsa).revisar()

        assert bolsa.stops_vivos == []

    async def test_los_stops_de_un_demonio_vivo_son_suyos(self, motor: Engine):
        """They may be of the next position already: who swept them would leave it bare."""
        (operacion,) = f.guardar(motor, f.una_operacion(agent_id="agente"))
        presentarse(motor, DemonioNuevo(f.CUENTA, "BTCUSDT", 7, "aqui"))
        bolsa = f.una_bolsa(cantidad=0.0)
        await bolsa.colocar_stop(orden_residente(operacion, Papel.STOP, 80_000.0))

        await f.un_monitor(motor, bolsa).revisar()

        assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED
        assert len(bolsa.stops_vivos) == 1

    @pytest.mark.parametrize("donde", ["almacen", "candado"])
    async def test_lo_adoptado_que_opera_un_demonio_es_suyo(self, motor: Engine, tmp_path: Path, donde: str):
        """Known by its row in the store, or by its lock on this machine."""
        f.guardar(motor, f.una_operacion(hand_made=True))
        bolsa = f.una_bolsa(88_000.0)
        libro = Libro(motor, estado=tmp_path)
        if donde == "almacen":
            presentarse(motor, DemonioNuevo(f.CUENTA, "BTCUSDT", 7, "aqui"))
            ronda = await f.un_monitor(motor, bolsa, libro=libro).revisar()
        else:
            with candado_ajeno(tmp_path):
                ronda = await f.un_monitor(motor, bolsa, libro=libro).revisar()

        assert (ronda.resultados, bolsa.enviadas) == ((), [])
        assert ronda.bien

    async def test_un_stop_que_ejecuto_la_bolsa_queda_escrito(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion(hand_made=True, resident_stop=True))
        bolsa = f.una_bolsa()
        await bolsa.colocar_stop(orden_residente(operacion, Papel.STOP, f.STOP))
        bolsa.mover(88_100.0)

        await f.un_monitor(motor, bolsa).revisar()
        await f.un_monitor(motor, bolsa).revisar()

        assert f.tipos(motor, operacion.token) == ["STOP_TRIGGERED", "EXECUTED"]
        hecho = f.eventos(motor, operacion.token)[1]
        assert (hecho["fill_price"], float(hecho["quantity"])) == (88_100, 0.01)


class TestRelevo:
    async def test_quien_releva_pregunta_antes_de_enviar(self, motor: Engine):
        """The former holder sent the order and died: it is found, written down, and not sent again."""
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0)
        await _morir_tras_enviar(motor, bolsa, operacion, llega=True)

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados or (None,)

        assert resultado is None  # the position had gone
        assert len(bolsa.enviadas) == 1
        assert f.tipos(motor, operacion.token) == ["STOP_TRIGGERED", "EXECUTION_SUBMITTED", "EXECUTED"]
        assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED

    async def test_si_nunca_llego_es_otro_intento(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0)
        await _morir_tras_enviar(motor, bolsa, operacion, llega=False)

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados

        assert resultado.final is Final.EXECUTED
        assert [o.id_cliente for o in bolsa.aceptadas] == [id_cliente_de(f"{operacion.token}#2")]
        fallo = next(e for e in f.eventos(motor, operacion.token) if e["event_type"] == "FAILED")
        assert fallo["error_message"] == "it never reached the exchange"

    async def test_mientras_no_se_sabe_no_se_envia(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0, fallos=deque([Pierde.ANTES]), consultas_fallidas=1_000)

        primera = await f.un_monitor(motor, bolsa).revisar()
        segunda = await f.un_monitor(motor, bolsa).revisar()

        assert [r.final for r in primera.resultados] == [Final.UNKNOWN]
        assert [r.final for r in segunda.resultados] == [Final.DUPLICATE]
        assert (primera.bien, len(bolsa.enviadas)) == (False, 1)
        estado = f.ejecucion(motor, operacion.token)
        assert estado is not None
        assert estado.status is EstadoEjecucion.SUBMITTED


async def _morir_tras_enviar(motor: Engine, bolsa, operacion, *, llega: bool) -> None:
    """A process that claims, writes down, sends and is killed; its claim has run out since."""
    token, relator = operacion.token, Relator(FuenteStop.CRON)
    reclamo = tomar_reclamo(motor, token, "muerto", id_cliente_de(token))
    curso = Curso(f.disparada(operacion), token, 1)
    disparo = relator.evento(TipoEventoStop.STOP_TRIGGERED, curso, AHORA_MS, 0.01)
    envio = relator.evento(TipoEventoStop.EXECUTION_SUBMITTED, curso, AHORA_MS, 0.01)
    await Libro(motor).anotar(disparo, envio)
    if llega:
        bolsa.operar(-0.01, id_cliente=id_cliente_de(token))
        bolsa.enviadas.append(None)
    soltar_reclamo(motor, reclamo, hecho=False)


class TestGuardarrailes:
    async def test_nada_detiene_una_salida_y_todo_queda_escrito(self, motor: Engine):
        """Kill switch, breaker, stale price, gap and rate limit at once: executed, with an event of each."""
        f.configurar(motor, trading_enabled=False, max_executions_per_minute=0, max_slippage_pct=1)
        with escribir(motor) as conexion:
            conexion.execute(
                text(
                    "INSERT INTO circuit_breaker_state (client_id, symbol, state, failures, opened_at_ms)"
                    f" VALUES ('default', 'BTCUSDT', 'OPEN', 3, {AHORA_MS - 1_000})"
                )
            )
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(87_000.0, libro_atrasado_ms=30_001)

        (resultado,) = (await f.un_monitor(motor, bolsa).revisar()).resultados

        assert resultado.final is Final.EXECUTED
        assert f.tipos(motor, operacion.token) == [
            "STOP_TRIGGERED",
            "KILL_SWITCH",
            "CIRCUIT_BREAKER",
            "STALE_PRICE",
            "SLIPPAGE_BREACH",
            "BLOCKED",
            "EXECUTION_SUBMITTED",
            "EXECUTED",
        ]
        assert "guardrail_passed_by_exit" in f.alertas(motor)

    async def test_los_limites_de_la_cuenta_valen_mas_que_los_del_inquilino(self, motor: Engine):
        (operacion,) = f.guardar(motor, f.una_operacion())
        libro = Libro(motor, limites={"slippage_max_pct": 0.1})

        await f.un_monitor(motor, f.una_bolsa(88_000.0), libro=libro).revisar()

        assert "SLIPPAGE_BREACH" in f.tipos(motor, operacion.token)

    async def test_tres_fallos_cierran_el_paso_a_las_entradas(self, motor: Engine):
        f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(88_000.0, fallos=deque([OrdenRechazada("no", codigo=-2019)] * 3))

        def contra(ahora_ms: int) -> tuple[Barrera, ...]:
            with leer(motor) as conexion:
                return vallas_de(conexion, "default", "BTCUSDT", ahora_ms).contra_una_entrada(ahora_ms)

        assert contra(AHORA_MS) == ()
        await f.un_monitor(motor, bolsa).revisar()
        assert contra(AHORA_MS + 299_999) == (Barrera.CIRCUIT_BREAKER,)
        assert contra(AHORA_MS + 300_000) == ()

        await f.un_monitor(motor, bolsa).revisar()
        assert contra(AHORA_MS) == ()

    async def test_un_llenado_lejano_pausa_las_entradas(self, motor: Engine):
        f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(79_000.0)

        await f.un_monitor(motor, bolsa).revisar()

        with leer(motor) as conexion:
            vallas = vallas_de(conexion, "default", "BTCUSDT", AHORA_MS)
        assert vallas.contra_una_entrada(AHORA_MS) == (Barrera.KILL_SWITCH,)
        assert "trading_paused" in f.alertas(motor)


class TestSinAlmacen:
    async def test_se_protege_igual_y_se_cuenta_despues(self, motor: Engine, tmp_path: Path):
        """The store goes away between two looks: the stop is executed, its events wait on disk."""
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa, cuaderno = f.una_bolsa(), Cuaderno(tmp_path)
        monitor = f.un_monitor(motor, bolsa, cuaderno=cuaderno)
        await monitor.revisar()
        bolsa.precio_actual = 88_000.0

        with _caido(monitor):
            (resultado,) = await _ejecutar_lo_alcanzado(monitor)
        assert (resultado.final, resultado.cantidad) == (Final.EXECUTED, 0.01)
        assert (cuaderno.vacio, f.eventos(motor)) == (False, [])

        await monitor.revisar()

        assert cuaderno.vacio
        assert f.tipos(motor, operacion.token) == ["STOP_TRIGGERED", "EXECUTION_SUBMITTED", "EXECUTED"]
        assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED
        assert len(bolsa.enviadas) == 1

    async def test_lo_enviado_por_uno_que_murio_sin_contarlo_se_encuentra(
        self, motor: Engine, tmp_path: Path
    ):
        """It was sent while the store was down; the disk that knows of it is another machine's."""
        (operacion,) = f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa()
        muerto = f.un_monitor(motor, bolsa, cuaderno=Cuaderno(tmp_path / "perdido"))
        await muerto.revisar()
        bolsa.precio_actual = 88_000.0
        with _caido(muerto):
            await _ejecutar_lo_alcanzado(muerto)

        await f.un_monitor(motor, bolsa, cuaderno=Cuaderno(tmp_path / "otro")).revisar()

        assert f.tipos(motor, operacion.token) == ["STOP_TRIGGERED", "EXECUTION_SUBMITTED", "EXECUTED"]
        assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED
        assert len(bolsa.enviadas) == 1

    @pytest.mark.parametrize("despierta", [True, False])
    async def test_sin_almacen_la_salida_no_espera_al_disco(
        self, motor: Engine, tmp_path: Path, bitacora: list[dict[str, object]], *, despierta: bool
    ):
        """The disk answers once the order is out, or not at all."""
        f.guardar(motor, f.una_operacion())
        enviada, cuaderno = threading.Event(), _Colgado(tmp_path)
        bolsa = f.una_bolsa(al_enviar=lambda: enviada.set())
        monitor = f.un_monitor(motor, bolsa, cuaderno=cuaderno)
        await monitor.revisar()
        bolsa.precio_actual = 88_000.0
        cuaderno.hasta = enviada if despierta else threading.Event()

        with _caido(monitor):
            (resultado,) = await _ejecutar_lo_alcanzado(monitor)

        assert (resultado.final, len(bolsa.enviadas)) == (Final.EXECUTED, 1)
        assert cuaderno.vacio is not despierta
        avisado = "cuaderno_sin_respuesta" in [e["event"] for e in bitacora]
        assert avisado is not despierta
        cuaderno.hasta.set()

    async def test_sin_almacen_se_cierra_lo_que_no_cabe_en_cinco_ordenes(self, motor: Engine):
        """An order that was filled has done its work: only those that were not count against the next one."""
        f.guardar(motor, f.una_operacion(quantity=700.0))
        bolsa = f.una_bolsa(cantidad=700.0, fallos=deque([OrdenRechazada("too much", codigo=-4005)]))
        monitor = f.un_monitor(motor, bolsa)
        await monitor.revisar()
        bolsa.precio_actual = 88_000.0

        with _caido(monitor):
            finales = [(await _ejecutar_lo_alcanzado(monitor))[0].final for _ in range(8)]

        assert finales == [Final.FAILED, *[Final.EXECUTED] * 6, Final.CLOSED]
        assert bolsa.estado.posicion is None

    async def test_sin_almacen_se_deja_tras_cinco_ordenes_sin_llenar(self, motor: Engine):
        f.guardar(motor, f.una_operacion())
        bolsa = f.una_bolsa(fallos=deque([Parcial(0.0)] * 5))
        monitor = f.un_monitor(motor, bolsa)
        await monitor.revisar()
        bolsa.precio_actual = 88_000.0

        with _caido(monitor):
            for _ in range(5):
                await _ejecutar_lo_alcanzado(monitor)
            (resultado,) = await _ejecutar_lo_alcanzado(monitor)

        assert (resultado.final, len(bolsa.enviadas)) == (Final.FAILED, 5)
        assert resultado.motivo == "5 orders of this stop were not filled"

    async def test_una_linea_cortada_no_estorba_a_las_demas(self, motor: Engine, tmp_path: Path):
        (operacion,) = f.guardar(motor, f.una_operacion())
        cuaderno = Cuaderno(tmp_path)
        curso = Curso(f.disparada(operacion), operacion.token or "", 1)
        evento = Relator(FuenteStop.WS).evento(TipoEventoStop.STOP_TRIGGERED, curso, AHORA_MS, 0.01)
        cuaderno.guardar(evento)
        with (tmp_path / "stop_events_pending.jsonl").open("ab") as archivo:
            archivo.write(b'{"execution_token": "op')

        assert (cuaderno.asentar(motor), cuaderno.vacio) == (1, True)
        cuaderno.guardar(evento)
        assert cuaderno.asentar(motor) == 0

    async def test_un_almacen_que_calla_no_detiene_a_nadie(self, motor: Engine):
        libro = Libro(motor, plazo_s=0.01)
        with pytest.raises(AlmacenCaido, match="has not answered"):
            await libro.llamando(lambda _: time.sleep(0.1))
        libro.apagar()

    async def test_lo_que_cuelga_en_el_almacen_no_impide_acabar(self, motor: Engine):
        seguir, libro = threading.Event(), Libro(motor, plazo_s=0.01)
        with pytest.raises(AlmacenCaido):
            await libro.llamando(lambda _: seguir.wait(60.0))

        assert not libro.apagar(0.01)
        seguir.set()
        assert libro.apagar(60.0)

    def test_un_almacen_colgado_no_retiene_al_proceso(self):
        hecho = subprocess.run([sys.executable, "-c", _COLGADO], check=False, timeout=60)
        assert hecho.returncode == 0

    async def test_un_almacen_lento_no_retrasa_la_salida(self, motor: Engine, tmp_path: Path):
        """Each call takes less than any one may, all of them more than there is time for."""
        f.guardar(motor, f.una_operacion())
        bolsa, cuaderno = f.una_bolsa(88_000.0), Cuaderno(tmp_path)
        libro = _Lento(motor, prisa_s=0.2)

        (resultado,) = (await f.un_monitor(motor, bolsa, cuaderno=cuaderno, libro=libro).revisar()).resultados
        libro.apagar()

        assert (resultado.final, len(bolsa.enviadas)) == (Final.EXECUTED, 1)
        assert not cuaderno.vacio, "it was sent without the store"

    async def test_los_avisos_se_escriben_despues_de_enviar(self, motor: Engine):
        f.configurar(motor, trading_enabled=False)
        f.guardar(motor, f.una_operacion())
        antes: list[list[str]] = []
        bolsa = f.una_bolsa(88_000.0, al_enviar=lambda: antes.append(f.alertas(motor)))

        await f.un_monitor(motor, bolsa).revisar()

        assert antes == [[]]
        assert f.alertas(motor) == ["guardrail_passed_by_exit"]

    async def test_el_almacen_tiene_sus_propios_hilos(self, motor: Engine):
        """One that hangs takes none from the rest of the program."""
        nombre = await Libro(motor).llamando(lambda _: threading.current_thread().name)
        assert nombre.startswith("almacen")

    async def test_sin_haberlas_leido_nunca_no_hay_que_vigilar(self, motor: Engine):
        monitor = f.un_monitor(motor, f.una_bolsa())

        with _caido(monitor), pytest.raises(AlmacenCaido):
            await monitor.revisar()


_COLGADO = """
import asyncio, threading
from sqlalchemy import create_engine
from src.nucleo.errores import AlmacenCaido
from src.produccion.monitor.libro import Libro

async def llamar():
    try:
        await Libro(create_engine("sqlite://"), plazo_s=0.01).llamando(lambda _: threading.Event().wait())
    except AlmacenCaido:
        return
    raise SystemExit("it answered")

asyncio.run(llamar())
"""


class _Lento(Libro):
    """A store that takes its time for each call."""

    async def _fuera(self, hacer: Callable[[], T]) -> T:
        def despacio() -> T:
            time.sleep(0.05)
            return hacer()

        return await super()._fuera(despacio)


class _Colgado(Cuaderno):
    """On a disk that hangs until something happens."""

    hasta: threading.Event

    def guardar(self, *eventos: EventoStopNuevo) -> None:
        self.hasta.wait(60.0)
        super().guardar(*eventos)


class _caido:
    """The store does not answer within the block: its engine leads nowhere."""

    def __init__(self, monitor) -> None:
        self._libros = [monitor._libro, monitor._ejecutor._libro]

    def __enter__(self) -> None:
        self._antes = [libro._motor for libro in self._libros]
        for libro in self._libros:
            libro._motor = create_engine("postgresql+psycopg://root@127.0.0.1:1/nada")

    def __exit__(self, *_: object) -> None:
        for libro, motor in zip(self._libros, self._antes, strict=True):
            libro._motor = motor


async def _ejecutar_lo_alcanzado(monitor):
    return await asyncio.gather(*(monitor.ejecutar(f.disparada(o)) for o in monitor._operaciones))
