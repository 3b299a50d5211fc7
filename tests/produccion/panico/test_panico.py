"""Flattening an account with the standard library alone, against the real simulator."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from src.produccion.config import config
from src.produccion.panico import panico
from src.produccion.panico.cliente_minimo import ClienteMinimo, Rechazada, SinRespuesta, leer_error
from tests.extremo.procesos import RAIZ, Simulador, con_calentamiento, entorno, un_simulador
from tests.secretos import SECRETO
from tests.simulador.banco import firmar

RED = True

_AISLADO = (
    "import runpy, sys; sys.path.insert(0, {raiz!r}); sys.argv = ['panic', *{opciones!r}]; {antes};"
    "runpy.run_module('src.produccion.panico', run_name='__main__', alter_sys=True)"
)

_PRONTO_FIRME = "from src.produccion.panico import seguimiento; seguimiento._FIRME_S = 2.0"
"""Readings of a position are believed sooner."""


@contextmanager
def una_bolsa(carpeta: Path, guion: str = "") -> Iterator[Simulador]:
    opciones = ["--speed", "1"]
    if guion:
        (carpeta / "guion.yaml").write_text(guion)
        opciones += ["--scenario", str(carpeta / "guion.yaml")]
    with un_simulador(carpeta, con_calentamiento([30_000.0] * 20), *opciones) as bolsa:
        yield bolsa


def enviar(bolsa: Simulador, ruta: str, **campos: Any) -> Any:
    campos["timestamp"] = bolsa.publico("/fapi/v1/time")["serverTime"]
    pedido = urllib.request.Request(
        f"{bolsa.url}{ruta}",
        data=firmar(campos, SECRETO).encode(),
        headers={"X-MBX-APIKEY": "simulador"},
        method="POST",
    )
    with urllib.request.urlopen(pedido, timeout=5) as respuesta:
        return json.load(respuesta)


def llenar(bolsa: Simulador) -> None:
    """A long, an order that rests, a stop over the position and one that outlives it."""
    orden = {"symbol": "BTCUSDT", "side": "BUY"}
    enviar(bolsa, "/fapi/v1/order", **orden, type="MARKET", quantity="0.05")
    enviar(bolsa, "/fapi/v1/order", **orden, type="LIMIT", timeInForce="GTC", quantity="0.01", price="29000")
    stop = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"}
    enviar(bolsa, "/fapi/v1/algoOrder", **stop, triggerPrice="27000", closePosition="true")
    enviar(bolsa, "/fapi/v1/algoOrder", **stop, triggerPrice="26000", quantity="0.02", reduceOnly="true")


def correr(*opciones: str, antes: str = "pass", **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in an interpreter that can import nothing but the standard library and this project."""
    return subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _AISLADO.format(raiz=str(RAIZ), opciones=list(opciones), antes=antes),
        ],
        env=entorno(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_aplana_cancela_y_lo_cuenta(tmp_path: Path):
    with una_bolsa(tmp_path) as bolsa:
        llenar(bolsa)

        hecho = correr("--exchange-url", bolsa.url)

        assert hecho.returncode == 0, hecho.stdout + hecho.stderr
        assert hecho.stdout.splitlines() == [
            "BTCUSDT: cancelled 1 resting order(s)",
            "BTCUSDT: SELL 0.05 at market, reduce-only: FILLED, executed 0.05",
            "BTCUSDT: cancelled 1 conditional order(s)",
            "BTCUSDT: verified flat, nothing rests",
            "the shared store and `timonel positions` learn of this when the daemon starts again",
            "FLAT",
        ]
        assert bolsa.posicion == 0.0
        assert bolsa.pedir("/fapi/v1/openOrders", symbol="BTCUSDT") == []
        assert bolsa.pedir("/fapi/v1/openAlgoOrders", symbol="BTCUSDT") == []


def test_listar_no_toca_nada(tmp_path: Path):
    with una_bolsa(tmp_path) as bolsa:
        llenar(bolsa)

        esperan = bolsa.pedir("/fapi/v1/openAlgoOrders", symbol="BTCUSDT")

        hecho = correr("--dry-run", "--json", TIMONEL_EXCHANGE_URL=bolsa.url)

        assert hecho.returncode == 0, hecho.stderr
        contado = json.loads(hecho.stdout)
        assert contado["flat"] is False
        assert contado["actions"][0] == "BTCUSDT: position 0.05 BOTH: would be closed"
        assert [linea.rsplit(": ", 1)[1] for linea in contado["actions"][1:4]] == ["would be cancelled"] * 3
        assert contado["actions"][4:] == ["NOT FLAT (dry run: nothing was changed)"]
        assert bolsa.posicion == 0.05
        assert len(bolsa.pedir("/fapi/v1/openOrders", symbol="BTCUSDT")) == 1
        assert bolsa.pedir("/fapi/v1/openAlgoOrders", symbol="BTCUSDT") == esperan


@pytest.mark.parametrize("clase", ["lose_answer", "lose_request", "http_503_unknown", "http_503_no_json"])
def test_una_respuesta_perdida_no_vende_de_mas(tmp_path: Path, clase: str):
    guion = f'faults: [{{kind: {clase}, at: {{call: "POST /fapi/v1/order", nth: 2}}}}]\n'
    with una_bolsa(tmp_path, guion) as bolsa:
        enviar(bolsa, "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.05")

        hecho = correr("--exchange-url", bolsa.url, "--symbol", "btcusdt")

        assert hecho.returncode == 0, hecho.stdout + hecho.stderr
        assert "looking at the position again" in hecho.stdout
        assert bolsa.posicion == 0.0


@pytest.mark.parametrize("codigo", [-2022, -4118])
def test_si_la_bolsa_no_admite_reducir_se_sale_sin_esa_condicion(tmp_path: Path, codigo: int):
    pedido = f'{{kind: reject, code: {codigo}, at: {{call: "POST /fapi/v1/order", nth: %d}}}}'
    with una_bolsa(tmp_path, f"faults: [{pedido % 2}, {pedido % 3}]\n") as bolsa:
        enviar(bolsa, "/fapi/v1/order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.05")

        hecho = correr("--exchange-url", bolsa.url, antes=_PRONTO_FIRME)

        assert hecho.returncode == 0, hecho.stdout + hecho.stderr
        assert "the position has to be read for longer before a plain order goes out" in hecho.stdout
        assert "BTCUSDT: BUY 0.05 at market: FILLED, executed 0.05" in hecho.stdout.splitlines()
        assert bolsa.posicion == 0.0


class Terminal(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


class ClienteDeDosLados(ClienteMinimo):
    """A hedge-mode account that holds more than one market order takes."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9", "c", "s", dormir=lambda _: None)
        self.ordenes: list[dict[str, object]] = []
        self.abierta = Decimal("2.5")

    def leer(self, ruta: str, **campos: object) -> Any:
        fila = {"symbol": "BTCUSDT", "positionAmt": str(-self.abierta), "positionSide": "SHORT"}
        return [fila] if ruta.endswith("positionRisk") else []

    def leer_publico(self, ruta: str) -> Any:
        filtros = [{"filterType": "MARKET_LOT_SIZE", "maxQty": "1"}]
        return {"symbols": [{"symbol": "BTCUSDT", "filters": filtros}]}

    def pedir(self, metodo: str, ruta: str, **campos: object) -> Any:
        if metodo == "GET":
            return []
        self.ordenes.append(campos)
        self.abierta -= Decimal(str(campos["quantity"]))
        return {
            "orderId": len(self.ordenes),
            "status": "FILLED",
            "executedQty": campos["quantity"],
        }


class ClienteAtrasado(ClienteMinimo):
    """An account whose readings lag behind; waiting moves its clock."""

    def __init__(self, retraso_s: float, *, lista: bool = True, rechazos: int = 0) -> None:
        super().__init__("http://127.0.0.1:9", "c", "s", dormir=self._dormir)
        self.ahora_s = 0.0
        self.cambios = [(-1_000.0, Decimal("0.3"))]
        self.operadas: list[dict[str, object]] = []
        self.ordenes: list[dict[str, object]] = []
        self._retraso_s, self._lista, self._rechazos = retraso_s, lista, rechazos

    def _dormir(self, segundos: float) -> None:
        self.ahora_s += segundos

    def operar(self, cantidad: Decimal) -> dict[str, object]:
        self.cambios.append((self.ahora_s, self.cambios[-1][1] + cantidad))
        fila = {"id": 7 + len(self.operadas), "orderId": 70 + len(self.operadas), "qty": str(abs(cantidad))}
        self.operadas.append(fila | {"side": "BUY" if cantidad > 0 else "SELL", "positionSide": "BOTH"})
        return {"orderId": fila["orderId"], "status": "FILLED", "executedQty": str(abs(cantidad))}

    def leer(self, ruta: str, **campos: object) -> Any:
        if not ruta.endswith("positionRisk"):
            return []
        visibles = [cuanto for desde_s, cuanto in self.cambios if desde_s <= self.ahora_s - self._retraso_s]
        return [{"symbol": "BTCUSDT", "positionAmt": str(visibles[-1]), "positionSide": "BOTH"}]

    def leer_publico(self, ruta: str) -> Any:
        return {"symbols": []}

    def pedir(self, metodo: str, ruta: str, **campos: Any) -> Any:
        if metodo == "GET":
            if not self._lista:
                raise SinRespuesta("no answer")
            return [fila for fila in self.operadas if fila["id"] >= campos.get("fromId", 0)]
        self.ordenes.append(campos)
        if len(self.ordenes) <= self._rechazos or (self.cambios[-1][1] <= 0 and "reduceOnly" in campos):
            raise Rechazada("ReduceOnly Order is rejected.", -2022)
        return self.operar(-Decimal(campos["quantity"]))

    def aplanar(self) -> bool:
        return panico.Panico(self, panico.Relato(lambda _: None), 60.0, lambda: self.ahora_s).aplanar(
            "BTCUSDT"
        )


class ClienteRecienEntrado(ClienteAtrasado):
    """A position that has just been opened and is not shown yet; its stop waits."""

    def __init__(self) -> None:
        super().__init__(3.0)
        self.cambios = [(-1_000.0, Decimal(0)), (0.0, Decimal("0.3"))]
        self.stops = [{"clientAlgoId": "tm-s", "side": "SELL", "triggerPrice": "27000"}]

    def leer(self, ruta: str, **campos: object) -> Any:
        return list(self.stops) if ruta.endswith("openAlgoOrders") else super().leer(ruta, **campos)

    def pedir(self, metodo: str, ruta: str, **campos: Any) -> Any:
        if ruta.endswith("algoOpenOrders"):
            self.stops.clear()
            return {}
        return super().pedir(metodo, ruta, **campos)


def test_plana_con_stops_que_esperan_no_es_plana_todavia():
    cliente = ClienteRecienEntrado()

    assert cliente.aplanar()

    assert cliente.cambios[-1][1] == 0
    assert len(cliente.ordenes) == 1
    assert cliente.stops == []


@pytest.mark.parametrize("lista", [True, False])
def test_una_posicion_atrasada_no_se_cierra_dos_veces(lista: bool):
    cliente = ClienteAtrasado(4.0, lista=lista)

    assert cliente.aplanar()

    assert len(cliente.ordenes) == 1
    assert cliente.cambios[-1][1] == 0


def test_una_orden_sin_condicion_espera_a_que_la_posicion_se_lea_igual_un_rato():
    """A stop has just closed the position, the account does not show it yet, and exits are refused."""
    cliente = ClienteAtrasado(4.5)
    cliente.operar(Decimal("-0.3"))

    assert cliente.aplanar()

    assert all("reduceOnly" in orden for orden in cliente.ordenes)
    assert cliente.cambios[-1][1] == 0


def test_las_ordenes_no_llevan_el_nombre_de_las_del_daemon():
    cliente = ClienteAtrasado(0.0)

    assert cliente.aplanar()

    (orden,) = cliente.ordenes
    assert str(orden["newClientOrderId"]).startswith("panic-")
    assert len(str(orden["newClientOrderId"])) <= 36


def respuesta(codigo: int, mensaje: str = "x") -> bytes:
    return json.dumps({"code": codigo, "msg": mensaje}).encode()


@pytest.mark.parametrize(
    ("estado", "cuerpo"),
    [
        *((400, respuesta(codigo)) for codigo in (-1000, -1001, -1006, -1007)),
        (500, respuesta(-2022)),
        (503, b"Service Unavailable"),
        *((400, cuerpo) for cuerpo in (b"<html>", b"[]", b"{}", b'{"code": "BUSY", "msg": "x"}')),
    ],
)
def test_una_respuesta_que_no_prueba_nada_no_es_un_rechazo(estado: int, cuerpo: bytes):
    assert isinstance(leer_error(estado, cuerpo, None), SinRespuesta)


@pytest.mark.parametrize(
    ("estado", "cuerpo"),
    [
        (400, respuesta(-2022)),
        (503, respuesta(-1008)),
        (503, respuesta(0, "Service Unavailable.")),
        (400, respuesta(-1003)),
        (429, b"<html>"),
        (418, b""),
    ],
)
def test_un_rechazo_dicho_por_la_bolsa_lo_es(estado: int, cuerpo: bytes):
    assert isinstance(leer_error(estado, cuerpo, "3"), Rechazada)


def test_lo_que_no_cabe_en_una_orden_sale_en_trozos_y_por_su_lado():
    cliente = ClienteDeDosLados()

    assert panico.Panico(cliente, panico.Relato(lambda _: None), 10.0).aplanar("BTCUSDT")

    assert [(o["side"], o["quantity"], o["positionSide"]) for o in cliente.ordenes] == [
        ("BUY", "1", "SHORT"),
        ("BUY", "1", "SHORT"),
        ("BUY", "0.5", "SHORT"),
    ]
    assert not any("reduceOnly" in orden for orden in cliente.ordenes)


def test_sin_nada_que_cerrar_dice_que_esta_plana(tmp_path: Path):
    with una_bolsa(tmp_path) as bolsa:
        hecho = correr("--exchange-url", bolsa.url, "--json")
        ensayo = correr("--exchange-url", bolsa.url, "--dry-run")

        assert (hecho.returncode, ensayo.returncode) == (0, 0)
        assert json.loads(hecho.stdout)["symbols"] == {}
        assert ensayo.stdout.splitlines()[-1] == "FLAT (dry run: nothing was changed)"


def test_un_simbolo_que_no_existe_es_culpa_de_quien_lo_pide(tmp_path: Path):
    with una_bolsa(tmp_path) as bolsa:
        hecho = correr("--exchange-url", bolsa.url, "--symbol", "NADA")

        assert hecho.returncode == 2
        assert "--symbol" in hecho.stderr


def test_un_simbolo_mal_escrito_no_deja_abiertos_a_los_demas(tmp_path: Path):
    with una_bolsa(tmp_path) as bolsa:
        llenar(bolsa)
        hecho = correr("--exchange-url", bolsa.url, "--symbol", "NADA", "--symbol", "BTCUSDT", "--json")
        queda = bolsa.posicion

    dicho = json.loads(hecho.stdout)
    assert queda == 0.0
    assert (hecho.returncode, dicho["kind"], dicho["success"]) == (2, "configuration", False)
    assert dicho["symbols"] == {"NADA": False, "BTCUSDT": True}
    assert any(linea.startswith("BTCUSDT: verified flat") for linea in dicho["actions"])
    assert "--symbol" in dicho["message"]


def test_mientras_la_bolsa_no_contesta_no_se_dice_que_este_plana():
    cliente = panico.ClienteMinimo("http://127.0.0.1:9", "c", "s", dormir=lambda _: None)
    lineas: list[str] = []

    assert not panico.Panico(cliente, panico.Relato(lineas.append), 0.0).aplanar("BTCUSDT")
    assert "NOT FLAT for certain" in lineas[-1]


@pytest.mark.parametrize(
    ("opciones", "texto"),
    [
        (["--live", "--exchange-url", "http://127.0.0.1:1"], "cannot go with"),
        (["--live"], "BINANCE_API_KEY"),
        ([], "BINANCE_TESTNET_API_KEY"),
        (["--exchange-url", "ftp://x"], "must look like"),
        (["--exchange-url", "http://127.0.0.1:9", "--symbol", ""], "'' is no symbol"),
        (["--exchange-url", "http://127.0.0.1:9", "--symbol", "BTC/USDT"], "'BTC/USDT' is no symbol"),
        (["--give-up-after", "nan"], "'nan' must be a number of seconds"),
        (["--give-up-after=-1"], "'-1' must be a number of seconds"),
        (["--give-up-after", "inf"], "'inf' must be a number of seconds"),
        (["--exchange-url", "https://fapi.binance.com"], "use --live"),
    ],
)
def test_lo_mal_pedido_se_explica(opciones: list[str], texto: str):
    hecho = correr(*opciones)

    assert hecho.returncode == 2
    assert texto in hecho.stderr


def test_de_las_claves_que_faltan_se_dice_de_donde_salen():
    hecho = correr()

    assert "copy .env.example.sh to .env.sh" in hecho.stderr
    assert "a simulator (--exchange-url) needs none" in hecho.stderr


@pytest.mark.parametrize(
    ("opciones", "clase", "codigo"),
    [
        (["--json"], "configuration", 2),
        (["--json", "--nada"], "usage", 2),
        (["--give-up-after", "x", "--json"], "usage", 2),
        (["--json", "--exchange-url", "http://127.0.0.1:9", "--give-up-after", "0"], "unreachable", 6),
    ],
)
def test_un_programa_lee_cada_fallo(opciones: list[str], clase: str, codigo: int):
    """Without any package: one object, as of every other command."""
    hecho = correr(*opciones)

    dicho = json.loads(hecho.stdout)
    assert (hecho.returncode, dicho["exit_code"], dicho["kind"]) == (codigo, codigo, clase)
    assert dicho["success"] is False
    assert dicho["message"] in hecho.stderr


def test_interrumpida_no_se_sabe_lo_que_se_hizo(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def interrumpir(_panico: panico.Panico, _simbolo: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(panico.Panico, "aplanar", interrumpir)

    assert (
        panico.principal(["--exchange-url", "http://127.0.0.1:9", "--symbol", "BTCUSDT", "--json"], {}) == 130
    )
    dicho = json.loads(capsys.readouterr().out)
    assert (dicho["success"], dicho["kind"], dicho["exit_code"]) == (None, "interrupted", 130)


def test_el_dinero_real_se_confirma():
    hecho = correr("--live", BINANCE_API_KEY="c", BINANCE_API_SECRET="s")

    assert hecho.returncode == 2
    assert "TIMONEL_CONFIRM_LIVE" in hecho.stderr


def test_quien_deja_la_pregunta_sin_contestar_no_confirma(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(panico.sys, "stdin", Terminal(""))

    codigo = panico.principal(["--live", "--json"], {"BINANCE_API_KEY": "c", "BINANCE_API_SECRET": "s"})

    dicho = capsys.readouterr()
    assert (codigo, json.loads(dicho.out)["message"]) == (2, "not confirmed; nothing was done")
    assert "REAL MONEY" in dicho.err


def test_interrumpir_la_pregunta_no_es_confirmar(monkeypatch: pytest.MonkeyPatch):
    def interrumpir() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(panico.sys, "stdin", Terminal(""))
    monkeypatch.setattr("builtins.input", interrumpir)

    assert panico.principal(["--live"], {"BINANCE_API_KEY": "c", "BINANCE_API_SECRET": "s"}) == 2


def test_un_ensayo_interrumpido_no_ha_enviado_nada(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def interrumpir(_panico: panico.Panico, _simbolo: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(panico.Panico, "listar", interrumpir)
    opciones = ["--exchange-url", "http://127.0.0.1:9", "--symbol", "BTCUSDT", "--dry-run"]

    assert panico.principal(opciones, {}) == 130
    assert "nothing was sent" in capsys.readouterr().out


def test_las_direcciones_son_las_del_daemon():
    claves = {f"BINANCE_{p}API_{c}": "x" for p in ("", "TESTNET_") for c in ("KEY", "SECRET")}
    opciones = {"train_id": "t"}

    for real in (True, False):
        suya = config.elegir_destino(config.Opciones(**opciones, real=real), claves)  # type: ignore[arg-type]
        assert panico.elegir_destino(real=real, url=None, entorno=claves).base == suya.direcciones.rest


def test_la_orden_empieza_sin_importar_nada_mas():
    orden = "import sys; sys.path.insert(0, {!r}); sys.argv = ['timonel', 'panic', '--help'];"
    orden += "from src.cli.entrada import principal; principal()"
    hecho = subprocess.run(
        [sys.executable, "-I", "-S", "-c", orden.format(str(RAIZ))], capture_output=True, text=True
    )

    assert hecho.returncode == 0, hecho.stderr
    assert "--dry-run" in hecho.stdout
    assert urlsplit(panico.REAL).hostname == "fapi.binance.com"


@pytest.mark.parametrize("ensayo", [[], ["--dry-run"], ["--dry-run", "--symbol", "BTCUSDT"]])
def test_una_bolsa_que_no_contesta_se_dice_enseguida_y_se_deja_a_tiempo(
    capsys: pytest.CaptureFixture[str], ensayo: list[str]
):
    """Neither flat nor not: a code of its own, which says that nothing was sent."""
    opciones = ["--exchange-url", "http://127.0.0.1:9", "--give-up-after", "0.6", *ensayo]
    assert panico.principal(opciones, {}) == 6

    dicho = capsys.readouterr().out.splitlines()
    assert "trying again in 0.5 s" in dicho[0]
    assert dicho[-1].startswith("NOT VERIFIED: nothing was sent; look at the positions on the exchange's own")
    assert "run this again" in dicho[-1]
    assert len(dicho) <= 4


def test_a_medias_de_un_simbolo_la_bolsa_calla_y_no_se_sabe_si_esta_plana(
    capsys: pytest.CaptureFixture[str],
):
    """Something may have been sent: that is no code 6."""
    opciones = ["--exchange-url", "http://127.0.0.1:9", "--give-up-after", "0", "--symbol", "BTCUSDT"]
    assert panico.principal(opciones, {}) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "NOT FLAT"
