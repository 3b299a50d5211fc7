"""Killed, interrupted, locked: what survives and what is closed."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.constructores import unas_velas
from tests.extremo.procesos import (
    CALENTAMIENTO,
    Agente,
    con_calentamiento,
    esperar,
    saldos_sin_explicar,
    un_artefacto,
    un_simulador,
)

LARGO = con_calentamiento([30_000.0 + 10.0 * (i % 7) for i in range(2_000)])
"""A calm market that does not end."""


def test_matar_y_volver_a_empezar_sigue_donde_estaba(tmp_path: Path):
    subida = [30_000.0 + 100 * i for i in range(12)]
    bajada = [subida[-1] - 20 * i for i in range(1, 400)]
    with un_simulador(tmp_path, con_calentamiento(subida + bajada), "--path", "close") as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        matar(agente, 25)
        posicion, ordenes = bolsa.posicion, len(bolsa.ordenes)
        ((_, referencia),) = [e for e in agente.historia() if e[0] == "REFERENCE"]
        pico, decididas_antes = agente.diario("PEAK")[-1]["equity"], len(agente.diario("CANDLE_DECIDED"))
        salida = agente.correr("--candles", "10", "--on-exit", "keep")

        assert salida.codigo == 0, salida.texto
        assert len(bolsa.ordenes) >= ordenes
        funding = bolsa.ingresos("FUNDING_FEE")

    (filas,) = agente.registros
    tras_volver = filas[-10]
    assert posicion > 0.0
    assert float(tras_volver["cantidad_activa"]) == pytest.approx(posicion, rel=0.2)
    assert tras_volver["trade_id_activo"] == "1"
    assert agente.diario("REFERENCE") == [referencia]
    assert pico > referencia["equity"]
    equity, drawdown = float(tras_volver["equity"]), float(tras_volver["max_drawdown"])
    assert drawdown >= 1 - equity / pico - 1e-12
    assert [f["paso"] for f in filas if f["action"]] == [str(i + 1) for i in range(decididas_antes + 10)]
    assert saldos_sin_explicar(filas, funding) == []
    sin_repetir(agente, decididas_antes + 10)


@pytest.mark.parametrize("tipo", ["catastrofe", "ninguna"])
def test_una_caida_cierra_enclava_y_pide_desbloquear(tmp_path: Path, tipo: str):
    """The resident stop is met before the limit is: the emergency then finds the account flat."""
    caida = [30_000.0 * 0.99**i for i in range(12)]
    cierres = [round(c, 1) for c in caida + [caida[-1]] * 60]
    con_stop = tipo == "catastrofe"
    with un_simulador(tmp_path, con_calentamiento(cierres)) as bolsa:
        train_id = un_artefacto(
            tmp_path / "ent", 0.9, entorno__max_drawdown_permitido=0.05, entorno__proteccion__tipo=tipo
        )
        agente = Agente(tmp_path, train_id, bolsa.url)

        salida = agente.correr()
        assert salida.codigo == 3, salida.texto
        assert "drawdown limit was reached" in salida.texto
        assert bolsa.posicion == 0.0
        assert bolsa.pedir("/fapi/v1/openOrders", symbol="BTCUSDT") == []
        assert bolsa.stops == []
        (emergencia,) = agente.emergencias
        assert emergencia["razon"] == "max_drawdown"
        assert emergencia["posiciones_cerradas"] == ("0" if con_stop else "1")
        assert float(emergencia["balance_final"]) == bolsa.saldo
        (filas,) = agente.registros
        cierre = ("proteccion", "false") if con_stop else ("emergencia", "true")
        assert [f["status"] for f in filas[:-1]] == ["ok"] * (len(filas) - 1)
        assert (filas[-1]["status"], filas[-1]["terminated"]) == cierre
        assert filas[-1]["operacion"] == "cerrar_long"
        assert float(filas[-1]["balance"]) == bolsa.saldo
        assert 0.05 <= 1 - bolsa.saldo / agente.diario("PEAK")[-1]["equity"] < (0.053 if con_stop else 0.08)

        enclavado = agente.correr()
        assert enclavado.codigo == 5
        assert f"live.py --train-id {train_id}" in enclavado.texto
        assert "--unlock" in enclavado.texto
        assert f"--exchange-url {bolsa.url}" in enclavado.texto

        libre = agente.correr("--unlock", "the market calmed down", "--by", "Ana")
        assert libre.codigo == 0, libre.texto
        ((_, desbloqueo),) = [e for e in agente.historia() if e[0] == "UNLOCKED"]
        assert (desbloqueo["reason"], desbloqueo["by"]) == ("the market calmed down", "Ana")

        saldo, picos = bolsa.saldo, len(agente.diario("PEAK"))
        otra_vez = agente.correr("--candles", "2", "--on-exit", "close")
        assert otra_vez.codigo == 0, otra_vez.texto
        assert agente.diario("PEAK")[picos]["equity"] == saldo


@pytest.mark.parametrize(
    ("senal", "politica", "queda"),
    [
        (signal.SIGINT, "close", False),
        (signal.SIGINT, "keep", True),
        (signal.SIGTERM, "close", False),
        (signal.SIGTERM, "keep", True),
        (signal.SIGTERM, "protected", True),
    ],
)
def test_interrumpir_termina_en_orden(tmp_path: Path, senal: signal.Signals, politica: str, queda: bool):
    with un_simulador(tmp_path, LARGO) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        interrumpir(agente, senal, "--on-exit", politica)
        assert (bolsa.posicion > 0.0) is queda
        assert [stop["closePosition"] for stop in bolsa.stops] == ([True] if queda else [])
        ordenes = bolsa.ordenes
        assert bolsa.publico("/sim/v1/status")["agents"] == []

    (filas,) = agente.registros
    assert filas[-1]["status"] == ("ok" if queda else "manual")
    assert len(ordenes) == sum(f["resultado"] == "ejecutada" for f in filas)
    assert [e["reason"] for e in agente.diario("SESSION_ENDED")] == ["interrupted"]


def test_el_csv_que_una_sesion_no_pudo_acabar_lo_acaba_el_siguiente_arranque(tmp_path: Path):
    with un_simulador(tmp_path, LARGO) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        interrumpir(agente, signal.SIGINT)
        (ruta,) = (agente.carpeta / "ent" / agente.train_id / "produccion").glob("registro_*.csv")
        entero = ruta.read_bytes()
        ruta.write_bytes(entero[: len(entero) // 2])

        salida = agente.correr("--candles", "2")

    assert salida.codigo == 0, salida.texto
    assert ruta.read_bytes() == entero
    assert len(agente.registros) == 2


def test_lo_que_ningun_stop_protege_no_se_deja_solo(tmp_path: Path):
    """An artefact trained without a stop has none to leave behind."""
    with un_simulador(tmp_path, LARGO) as bolsa:
        train_id = un_artefacto(tmp_path / "ent", 0.5, entorno__proteccion__tipo="ninguna")
        interrumpir(Agente(tmp_path, train_id, bolsa.url), signal.SIGTERM, "--on-exit", "protected")
        assert bolsa.posicion == 0.0


def test_un_stop_cancelado_a_mano_mientras_estaba_muerto_se_repone(tmp_path: Path):
    with un_simulador(tmp_path, LARGO) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        matar(agente, 5)
        (antes,) = bolsa.stops
        bolsa.cancelar_stop(antes["clientAlgoId"])
        assert bolsa.stops == []

        salida = agente.correr("--candles", "3", "--on-exit", "keep")

        assert salida.codigo == 0, salida.texto
        (ahora,) = bolsa.stops
        assert bolsa.posicion > 0.0
    assert (ahora["triggerPrice"], ahora["closePosition"]) == (antes["triggerPrice"], True)
    assert ahora["clientAlgoId"] != antes["clientAlgoId"]
    tipos = [tipo for tipo, _ in agente.historia()]
    segunda_vida = tipos[tipos.index("SESSION_RESUMED") :]
    assert segunda_vida.index("STOP_PLACED") < segunda_vida.index("CANDLE_DECIDED")


def test_una_posicion_cerrada_a_mano_mientras_estaba_muerto_es_una_fila(tmp_path: Path):
    with un_simulador(tmp_path, LARGO) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        matar(agente, 5)
        decididas = len(agente.diario("CANDLE_DECIDED"))
        bolsa.cerrar_a_mano()

        salida = agente.correr("--candles", "3", "--on-exit", "close")

        assert salida.codigo == 0, salida.texto
        assert bolsa.stops == []
        funding = bolsa.ingresos("FUNDING_FEE")
    (filas,) = agente.registros
    (donde,) = [i for i, f in enumerate(filas[:-1]) if f["status"] == "manual"]
    manual = filas[donde]
    assert (manual["operacion"], manual["cantidad_activa"]) == ("cerrar_long", "")
    assert (manual["paso"], filas[donde + 1]["paso"]) == (str(decididas), str(decididas + 1))
    assert filas[donde + 1]["operacion"] == "abrir_long"
    assert saldos_sin_explicar(filas, funding) == []
    sin_repetir(agente, decididas + 3)


def test_un_segundo_demonio_se_rechaza(tmp_path: Path):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 20_000)) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        with agente.corriendo() as proceso:
            esperar(lambda: agente.filas() >= 2, proceso)
            segundo = agente.correr()

        assert segundo.codigo == 2
        assert f"process {proceso.pid})" in segundo.texto


def test_un_simulador_que_muere_no_deja_al_demonio_para_siempre(tmp_path: Path):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 20_000)) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        with agente.corriendo() as proceso:
            esperar(lambda: agente.filas() >= 2, proceso)
            bolsa.proceso.kill()
            bolsa.proceso.wait(10)
            esperar(lambda: "flujo_caido" in _log(agente) or "cierre_fallido" in _log(agente), proceso)
            proceso.send_signal(signal.SIGINT)
            time.sleep(0.5)  # two equal signals at once would arrive as one
            proceso.send_signal(signal.SIGINT)
            assert proceso.wait(15) == 130


@pytest.mark.parametrize("senal", [signal.SIGINT, signal.SIGTERM])
def test_quien_espera_a_una_bolsa_muerta_para_empezar_se_deja_interrumpir(
    tmp_path: Path, senal: signal.Signals
):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 20_000)) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        matar(agente, 2)
        bolsa.proceso.kill()
        bolsa.proceso.wait(10)
        with agente.corriendo() as proceso:
            assert proceso.stdout is not None
            assert any(b"error_operacional" in linea for linea in proceso.stdout)
            proceso.send_signal(senal)
            assert proceso.wait(15) == 130


def matar(agente: Agente, filas: int) -> None:
    """A life that ends without a word, its position open."""
    with agente.corriendo() as proceso:
        esperar(lambda: agente.filas() >= filas, proceso)
        proceso.send_signal(signal.SIGKILL)
        proceso.wait(10)


def interrumpir(agente: Agente, senal: signal.Signals, *opciones: str) -> None:
    with agente.corriendo(*opciones) as proceso:
        esperar(lambda: agente.filas() >= 5, proceso)
        proceso.send_signal(senal)
        assert proceso.wait(15) == 130


def sin_repetir(agente: Agente, decididas: int) -> None:
    """Every candle was decided once and every order has a name of its own."""
    velas = [evento["candle"][0] for evento in agente.diario("CANDLE_DECIDED")]
    assert velas == sorted(set(velas))
    assert len(velas) == decididas
    fichas = [evento["token"] for evento in agente.diario("ORDER_INTENT")]
    assert len(fichas) == len(set(fichas))


def _log(agente: Agente) -> str:
    carpeta = agente.carpeta / "ent" / agente.train_id / "produccion"
    return "".join(ruta.read_text() for ruta in carpeta.glob("*.log"))
