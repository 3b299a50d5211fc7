"""What people ask of a daemon, from the request to the exchange, as real processes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.extremo.procesos import esperar, un_simulador
from tests.extremo.test_guardian import QUIETO, Api, un_agente, una_api, vivo


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
