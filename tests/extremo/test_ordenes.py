"""What people ask of a daemon, from the request to the exchange, as real processes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.extremo.procesos import Agente, Simulador, esperar, un_artefacto, un_simulador
from tests.extremo.test_guardian import AJUSTES, CUENTAS, QUIETO, Api, un_agente, una_api, vivo
from tests.secretos import SECRETO


def pedir(api: Api, ruta: str, metodo: str = "POST", **cuerpo: Any) -> tuple[int, dict[str, Any]]:
    """Status and answer of a route."""
    peticion = urllib.request.Request(
        f"{api.url}/api/v1/{ruta}",
        data=json.dumps(cuerpo).encode() if metodo == "POST" else None,
        headers={"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"},
        method=metodo,
    )
    try:
        with urllib.request.urlopen(peticion, timeout=40) as respuesta:
            return respuesta.status, json.load(respuesta)
    except urllib.error.HTTPError as fallo:
        with fallo:
            return fallo.code, json.load(fallo)


@pytest.mark.timeout(180)
def test_parar_acaba_con_su_politica_y_con_un_codigo_que_nadie_reinicia(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, "--speed", "20", "--interval", "1m") as bolsa:
        agente = un_agente(tmp_path, bolsa, "entera")
        with una_api(tmp_path) as api, agente.corriendo("--on-exit", "close") as demonio:
            esperar(lambda: len(bolsa.stops) == 3 and vivo(tmp_path), demonio)

            estado, parado = pedir(api, "stop", symbol="BTCUSDT", reason="maintenance")

            assert (estado, parado["success"]) == (200, True), parado
            assert parado["results"][0]["message"].startswith("the daemon ends after its step; on exit close")
            assert demonio.wait(20) == 0
            assert (bolsa.posicion, bolsa.stops, vivo(tmp_path)) == (0.0, [], False)
            assert pedir(api, "stop")[0] == 503

    (pedida,) = agente.diario("STOP_REQUESTED")
    assert (pedida["by"], pedida["reason"]) == ("robot", "maintenance")
    assert [fin["reason"] for fin in agente.diario("SESSION_ENDED")] == ["stopped by a person"]


def abierta(bolsa: Simulador) -> bool:
    """Whether the position that was ordered by hand has its stop and its target."""
    tipos = {s["orderType"] for s in bolsa.stops}
    return bolsa.posicion == 0.02 and tipos == {"STOP_MARKET", "TAKE_PROFIT_MARKET"}


def un_agente_quieto(carpeta: Path, bolsa: Simulador) -> Agente:
    """It wants nothing; a position has the catastrophe stop, and what a person gives it."""
    train_id = un_artefacto(carpeta / "ent", 0.0, data_downloader__interval="1m")
    (carpeta / "accounts.yaml").write_text(CUENTAS)
    opciones = ("--user", "entera", "--accounts", str(carpeta / "accounts.yaml"))
    claves = {"CLAVE_A": "simulador", "SECRETO_A": SECRETO}
    return Agente(carpeta, train_id, bolsa.url, AJUSTES, opciones, claves)


@pytest.mark.timeout(180)
def test_una_orden_a_mano_se_abre_se_protege_y_su_objetivo_se_cancela(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, "--speed", "20", "--interval", "1m") as bolsa:
        agente = un_agente_quieto(tmp_path, bolsa)
        with una_api(tmp_path) as api, agente.corriendo() as demonio:
            esperar(lambda: vivo(tmp_path) and agente.filas() >= 1, demonio)
            orden = {
                "symbol": "BTCUSDT",
                "side": "BUY",
                "quantity": "0.0205",
                "stop": 29_700,
                "target": 31_000,
            }
            estado, malo = pedir(api, "orders/create", **orden | {"stop": 30_500})
            assert (estado, "wrong side" in malo["detail"]) == (409, True), malo
            assert pedir(api, "orders/create", **orden | {"quantity": 0.0001})[0] == 409
            assert bolsa.ordenes == []

            estado, hecha = pedir(api, "orders/create", **orden)

            assert (estado, hecha["success"]) == (200, True), hecha
            assert abierta(bolsa)
            estado, otra = pedir(api, "orders/create", **orden)
            assert (estado, "needs a flat account" in otra["detail"]) == (409, True), otra
            esperar(lambda: len(abiertas(api)) == 2, demonio)
            ordenes = {o["type"]: o["id"] for o in abiertas(api)}
            assert pedir(api, f"orders/{ordenes['STOP_MARKET']}/cancel")[0] == 409
            assert pedir(api, f"orders/{ordenes['TAKE_PROFIT_MARKET']}/cancel")[0] == 200
            assert {s["orderType"] for s in bolsa.stops} == {"STOP_MARKET"}
            assert pedir(api, "orders/tm-nada/cancel")[0] == 404
            assert len(bolsa.ordenes) == 1


@pytest.mark.timeout(180)
def test_matado_en_medio_no_la_envia_dos_veces_y_la_protege_al_volver(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, "--speed", "20", "--interval", "1m") as bolsa:
        agente = un_agente_quieto(tmp_path, bolsa)
        with una_api(tmp_path) as api:
            with agente.corriendo() as demonio:
                esperar(lambda: vivo(tmp_path) and agente.filas() >= 1, demonio)
                hilo = Thread(
                    target=pedir,
                    args=(api, "orders/create"),
                    kwargs={
                        "symbol": "BTCUSDT",
                        "side": "BUY",
                        "quantity": 0.02,
                        "stop": 29_700,
                        "target": 31_000,
                    },
                )
                hilo.start()
                esperar(lambda: bolsa.posicion == 0.02, demonio)
                demonio.kill()
                demonio.wait(10)
                hilo.join(40)
            with agente.corriendo() as otra_vida:
                esperar(lambda: abierta(bolsa), otra_vida)
                filas = agente.filas()
                esperar(lambda: agente.filas() >= filas + 2, otra_vida)
                assert len(bolsa.ordenes) == 1

    (pedida,) = agente.diario("ORDER_INTENT")
    assert pedida["token"].startswith("order:")


def abiertas(api: Api) -> list[dict[str, Any]]:
    return list(pedir(api, "orders?open_only=true", "GET")[1]["orders"])
