"""Commands for people, against a served API."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import Result
from sqlalchemy import delete, update
from typer.testing import CliRunner

from src.cli import operar
from src.cli.app import app
from src.cli.cliente_api import Cliente
from src.cli.sesion_guardada import leer_sesion, ruta_de_sesion
from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.esquema import ahora_bd, alerts, daemons, positions
from src.produccion.api.identificacion import Rol
from src.produccion.api.usuarios import HORA_MS, anadir_usuario, dar_ficha
from src.produccion.mandos import Desenlace
from tests.produccion.api.api_en_hilo import Servida, api_en_hilo
from tests.produccion.api.banco import HECHO, PLAZOS, DemonioFalso
from tests.produccion.api.poblacion import poblar

CONTRASENA = "correct horse battery"
LECTURAS = ("positions", "account", "orders", "trades", "status", "logs", "price BTCUSDT")


@pytest.fixture(autouse=True)
def _sin_bitacora() -> Iterator[None]:
    """The API's log goes nowhere: it runs in this process."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def servida(tmp_path: Path) -> Iterator[Servida]:
    with api_en_hilo(tmp_path, PLAZOS._replace(acabar_s=10.0)) as una:
        anadir_usuario(una.almacen, "ana", Rol.OPERADOR, "default", CONTRASENA)
        poblar(una.almacen, "default", "User_1", "sim-User_1")
        yield una


@pytest.fixture
def fichero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ruta = tmp_path / "config" / "session.json"
    for nombre in ("TIMONEL_API_URL", "TIMONEL_TOKEN"):
        monkeypatch.delenv(nombre, raising=False)
    monkeypatch.setenv("TIMONEL_TOKEN_FILE", str(ruta))
    monkeypatch.setenv("COLUMNS", "160")
    return ruta


def orden(texto: str, entrada: str | None = None) -> Result:
    return CliRunner().invoke(app, texto.split(), input=entrada)


@pytest.fixture
def dentro(servida: Servida, fichero: Path) -> Servida:
    resultado = orden(f"login --username ana --api-url {servida.url}", CONTRASENA + "\n")
    assert resultado.exit_code == 0, resultado.output
    return servida


@pytest.fixture
def demonio(servida: Servida) -> Iterator[Callable[..., DemonioFalso]]:
    vivos: list[DemonioFalso] = []

    def empezar(responder: Callable[..., Desenlace | None]) -> DemonioFalso:
        uno = DemonioFalso(servida.almacen, "User_1", responder)
        uno.start()
        vivos.append(uno)
        return uno

    yield empezar
    for uno in vivos:
        uno.parar()


def test_lo_guardado_es_solo_de_su_dueno(dentro: Servida, fichero: Path):
    assert stat.S_IMODE(fichero.stat().st_mode) == 0o600
    sesion = leer_sesion(fichero)
    assert sesion is not None
    assert sesion.url == dentro.url
    assert CONTRASENA not in fichero.read_text()


def test_un_fichero_que_leen_otros_no_se_usa(dentro: Servida, fichero: Path):
    fichero.chmod(0o644)

    resultado = orden("positions")
    fichero.chmod(0o600)

    assert (resultado.exit_code, "can be read by others" in resultado.stderr) == (2, True)


def test_las_posiciones_van_en_la_caja_de_la_semilla(dentro: Servida):
    salida = orden("positions").stdout

    lineas = [linea.strip("║ ") for linea in salida.splitlines()]
    assert salida.startswith("╔")
    assert lineas[1] == "ACTIVE POSITIONS"
    assert [linea for linea in lineas if linea.startswith(("Symbol", "Side", "P&L", "Stop", "Target"))] == [
        "Symbol: BTCUSDT",
        "Side: LONG",
        "P&L: +$0.13 (+0.46%)",
        "Stop: $87,061.16 (-2.45%)",
        "Target: $92,391.44 (3.53%)",
    ]
    assert "no daemon alive" not in salida


def test_una_posicion_sin_demonio_dice_de_cuando_es(dentro: Servida):
    """What was flattened at the exchange meanwhile is not known here."""
    with dentro.almacen.begin() as conexion:
        conexion.execute(delete(daemons))

    salida = orden("positions").stdout
    (una,) = json.loads(orden("positions --json").stdout)["positions"]

    assert "no daemon alive; as of 2023-11-14 22:13:20: look at the exchange" in salida
    assert (una["daemon_alive"], una["agent_time"]) == (False, 1_700_000_000.0)


def test_una_posicion_de_la_que_nadie_ha_hablado_no_dice_de_cuando_es(dentro: Servida):
    with dentro.almacen.begin() as conexion:
        conexion.execute(delete(daemons))
        conexion.execute(delete(positions))

    assert "no daemon alive: look at the exchange" in orden("positions").stdout


@pytest.mark.parametrize(
    ("texto", "de_que", "donde"),
    [
        ("positions", "BTCUSDT", "timonel price BTCUSDT"),
        ("account", "open positions of sim-User_1", "timonel positions"),
    ],
)
def test_sin_respuesta_de_la_bolsa_se_avisa_de_que_falta_el_precio(
    dentro: Servida, texto: str, de_que: str, donde: str
):
    assert "warning" not in orden(texto).stderr
    dentro.bolsa.fallos["ticker/bookTicker"] = (503, {"code": -1008, "msg": "busy"}, {})

    resultado = _hasta_que_avise(texto)

    assert resultado.exit_code == 0
    assert f"warning: no current price for {de_que}: the exchange does not answer" in resultado.stderr
    assert f"see `{donde}`" in resultado.stderr


def _hasta_que_avise(texto: str) -> Result:
    """Prices are kept for a second."""
    hasta_s = time.monotonic() + 10
    while "warning" not in (resultado := orden(texto)).stderr and time.monotonic() < hasta_s:
        time.sleep(0.2)
    return resultado


def test_lo_que_se_gana_va_en_verde_y_lo_que_se_pierde_en_rojo():
    una = dict.fromkeys(("entry_price", "current_price", "stop_loss", "take_profit"))
    una |= dict.fromkeys(("distance_to_stop_percent", "distance_to_target_percent", "unrealized_pnl_percent"))
    una |= {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1.00000000", "account_id": "sim-1"}
    una |= {"daemon_alive": True}

    colores = {
        pnl: [str(t.style) for t in operar._lineas(una | {"unrealized_pnl": pnl})[5].spans]
        for pnl in ("1.00", "-1.00", "0.00", None)
    }

    assert colores == {"1.00": ["green"], "-1.00": ["red"], "0.00": [], None: []}


def test_un_precio_tiene_la_forma_de_la_semilla(dentro: Servida):
    assert orden("price btcusdt").stdout == "BTC/USDT: Bid $89,245.00 | Ask $89,246.00 | Spread $1.00\n"


def test_se_vigila_un_precio_hasta_que_se_interrumpe(dentro: Servida, monkeypatch: pytest.MonkeyPatch):
    vistas = []

    def esperar(segundos: float) -> None:
        vistas.append(segundos)
        if len(vistas) == 2:
            dentro.bolsa.fallos["ticker/price"] = (500, "down", {})
        if len(vistas) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(operar.time, "sleep", esperar)

    resultado = orden("price BTCUSDT --watch --json")

    assert resultado.exit_code == 0
    precios = [json.loads(linea)["bid"] for linea in resultado.stdout.splitlines()]
    assert set(precios) == {"89245.00"}
    assert len(precios) >= 2


def test_la_cuenta_dice_saldo_valor_disponible_y_exposicion(dentro: Servida):
    salida = orden("account").stdout

    for texto in ("$1,010.50", "$29.45", "$981.05", "2.91%"):
        assert texto in salida


@pytest.mark.parametrize("texto", LECTURAS)
def test_con_json_se_imprime_la_respuesta_de_la_api(dentro: Servida, texto: str):
    resultado = orden(f"{texto} --json")

    assert resultado.exit_code == 0
    assert isinstance(json.loads(resultado.stdout), dict)


@pytest.mark.parametrize("texto", LECTURAS)
def test_sin_color_no_hay_codigos_de_terminal(dentro: Servida, texto: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert "\x1b[3" not in orden(texto).stdout


def test_se_cierra_y_se_dice_lo_que_dijo_el_demonio(dentro: Servida, demonio: Callable[..., DemonioFalso]):
    vivo = demonio(lambda m: HECHO._replace(mensaje="Position closed") if m.requested_by == "ana" else None)

    resultado = orden("close btcusdt --user User_1")

    assert (resultado.exit_code, resultado.stdout) == (0, "User_1 BTCUSDT: Position closed\n")
    assert "ana" in [mando.requested_by for mando in vivo.tomados]


def test_lo_que_el_demonio_niega_es_codigo_1(dentro: Servida, demonio: Callable[..., DemonioFalso]):
    demonio(lambda _m: Desenlace(exito=False, mensaje="the exchange is down"))

    resultado = orden("close BTCUSDT")

    assert (resultado.exit_code, "the exchange is down" in resultado.stderr) == (1, True)


def test_una_bolsa_que_no_contesta_es_codigo_6(dentro: Servida, demonio: Callable[..., DemonioFalso]):
    caida = Desenlace(exito=False, mensaje="nothing was sent for it", clase="exchange_connection")
    demonio(lambda _m: caida)

    resultado = orden("close BTCUSDT --json")

    assert (resultado.exit_code, json.loads(resultado.stdout)["kind"]) == (6, "unreachable")


def test_lo_que_no_ha_acabado_es_codigo_8(dentro: Servida, demonio: Callable[..., DemonioFalso]):
    demonio(lambda _m: None)

    resultado = orden("close BTCUSDT")

    assert (resultado.exit_code, "is not over yet" in resultado.stdout) == (8, True)


def test_las_entradas_se_paran_y_se_permiten(dentro: Servida):
    parada, vuelta = orden("stopentry --reason news"), orden("stopentry --undo")

    assert (parada.stdout, vuelta.stdout) == ("entries stopped: news\n", "entries allowed\n")


@pytest.mark.parametrize(
    ("texto", "codigo", "dicho"),
    [
        ("price NADAUSDT", 2, "does not list"),
        ("close NADAUSDT", 2, "no open position of NADAUSDT"),
        ("positions --api-url http://127.0.0.1:1", 7, "not logged in at http://127.0.0.1:1"),
        ("positions --api-url http://example.org", 2, "in the clear"),
        ("positions --api-url ftp://x", 2, "must look like"),
        ("orders --limit 0", 2, ""),
    ],
)
def test_cada_fallo_tiene_su_codigo(dentro: Servida, texto: str, codigo: int, dicho: str):
    resultado = orden(texto)

    assert resultado.exit_code == codigo
    assert dicho in resultado.stderr
    assert "Traceback" not in resultado.output


def test_sin_entrar_o_sin_api_se_dice(servida: Servida, fichero: Path, monkeypatch: pytest.MonkeyPatch):
    nadie = orden(f"positions --api-url {servida.url}")
    mala = orden(f"login --username ana --api-url {servida.url}", "otra contrasena\n")
    monkeypatch.setenv("TIMONEL_TOKEN", "tml_x")
    caida = orden("positions --api-url http://127.0.0.1:1")

    assert [r.exit_code for r in (nadie, mala, caida)] == [7, 7, 6]
    assert not fichero.exists()


def test_un_programa_usa_su_ficha(servida: Servida, fichero: Path, monkeypatch: pytest.MonkeyPatch):
    anadir_usuario(servida.almacen, "robot", Rol.SERVICIO, "default", None)
    monkeypatch.setenv("TIMONEL_TOKEN", dar_ficha(servida.almacen, "robot", HORA_MS, "").ficha.texto)
    monkeypatch.setenv("TIMONEL_API_URL", servida.url)

    assert orden("status --json").exit_code == 0


@pytest.mark.parametrize("mala", ["tml_x", "tml_x\n", "ficha_mála", "tml\nx"])
def test_de_una_ficha_mala_se_dice_de_donde_viene(
    dentro: Servida, mala: str, monkeypatch: pytest.MonkeyPatch
):
    """To log in again would not help: the variable wins."""
    monkeypatch.setenv("TIMONEL_TOKEN", mala)

    dicho = orden(f"status --api-url {dentro.url}").stderr

    assert "TIMONEL_TOKEN is set and is not accepted: unset it" in dicho
    assert "timonel users token" in dicho
    assert "timonel login" not in dicho


def test_entrar_avisa_de_una_ficha_que_manda_mas(
    servida: Servida, fichero: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TIMONEL_TOKEN", "tml_x")

    resultado = orden(f"login --username ana --api-url {servida.url}", CONTRASENA + "\n")

    assert (resultado.exit_code, resultado.stdout) == (0, "")
    assert "warning: TIMONEL_TOKEN is set and wins over this log-in" in resultado.stderr


def test_una_contrasena_mala_no_manda_entrar(servida: Servida, fichero: Path):
    resultado = orden(f"login --username ana --api-url {servida.url}", "otra contrasena\n")

    assert (resultado.exit_code, resultado.stderr) == (7, "error: user or password is wrong\n")


def test_un_acceso_vencido_se_renueva_una_vez_aunque_lo_pidan_varios(dentro: Servida, fichero: Path):
    """Two that use the same refresh token would end the session."""
    sesion = leer_sesion(fichero)
    assert sesion is not None
    fichero.write_text(json.dumps(sesion._asdict() | {"vence_s": 0.0}))
    clientes = [Cliente() for _ in range(4)]
    estados: list[int] = []

    hilos = [
        threading.Thread(target=lambda c=c: estados.append(c.pedir("GET", "/api/v1/version").estado))
        for c in clientes
    ]
    for hilo in hilos:
        hilo.start()
    for hilo in hilos:
        hilo.join()

    assert estados == [200] * 4
    nueva = leer_sesion(fichero)
    assert nueva is not None
    assert nueva.refresco != sesion.refresco
    assert stat.S_IMODE(fichero.stat().st_mode) == 0o600


def test_al_salir_no_queda_nada(dentro: Servida, fichero: Path):
    assert orden("logout").exit_code == 0

    assert not fichero.exists()
    assert orden("positions").exit_code == 7
    assert "no log-in to end" in orden("logout").stderr


def test_con_la_ficha_del_entorno_no_se_sale_de_la_sesion_guardada(
    dentro: Servida, fichero: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TIMONEL_TOKEN", "tml_una")

    hecho = orden("logout")

    assert "unset TIMONEL_TOKEN" in hecho.stderr
    assert fichero.exists()


def test_lo_que_no_es_una_sesion_se_dice(fichero: Path):
    assert leer_sesion(fichero) is None
    fichero.parent.mkdir()
    fichero.write_text("{}")
    fichero.chmod(0o600)
    with pytest.raises(ConfiguracionInvalida, match="run `timonel login`"):
        leer_sesion(fichero)


def test_sin_decir_donde_se_guarda_en_la_configuracion_del_usuario():
    assert ruta_de_sesion({"XDG_CONFIG_HOME": "/c"}) == Path("/c/timonel/session.json")
    assert ruta_de_sesion({"TIMONEL_TOKEN_FILE": "/t"}) == Path("/t")


def test_el_estado_dice_lo_que_retiene_las_entradas_y_como_se_quita(dentro: Servida):
    dicho = " ".join(orden("status").stdout.split())

    assert "entries allowed: no: by default" in dicho
    assert "held back by: 5" in dicho
    assert "circuit breaker sim-User_1 BTCUSDT spread OPEN: the book of default is thin" in dicho
    assert "timonel breakers reset spread" in dicho


def test_lo_que_retenia_un_demonio_muerto_no_pasa_por_actual(dentro: Servida):
    with dentro.almacen.begin() as conexion:
        conexion.execute(update(daemons).values(heartbeat_ms=ahora_bd() - 300_000))

    dicho = " ".join(orden("status").stdout.split())

    assert "held back by: 4" in dicho
    assert "last known of daemons that do not live: 1 circuit breaker sim-User_1 BTCUSDT spread OPEN" in dicho
    assert "its daemon is not alive, silent for 30" in dicho
    assert "timonel breakers reset spread" not in dicho


def test_una_posicion_sin_demonio_se_dice_en_la_primera_linea(dentro: Servida):
    """A person who reads that entries are allowed looks no further."""
    with dentro.almacen.begin() as conexion:
        conexion.execute(alerts.delete().where(alerts.c.kind == "LATCHED"))
        conexion.execute(update(daemons).values(heartbeat_ms=ahora_bd() - 300_000))
    matado = orden("status").stdout.splitlines()
    with dentro.almacen.begin() as conexion:
        conexion.execute(daemons.delete())
    parado = orden("status").stdout.splitlines()

    assert matado[0].startswith("DEGRADED: sim-User_1 BTCUSDT: a position is open and its daemon is silent")
    assert parado[0].startswith(
        "DEGRADED: sim-User_1 BTCUSDT: a position is open and no daemon is alive; start it again: `timonel"
    )


def test_el_estado_dice_como_responde_la_bolsa(dentro: Servida):
    salida = orden("status").stdout

    assert not salida.startswith("DEGRADED")
    assert (
        "binance as sim-User_1 measured at 2023-11-14 22:13:20 UTC: degraded; answers in 812 ms;"
        " of default" in salida
    )


@pytest.mark.parametrize("texto", ["orders", "orders --open", "trades", "status"])
def test_en_80_columnas_no_se_parte_ningun_numero(
    dentro: Servida, texto: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")

    lineas = orden(texto).stdout.splitlines()
    tabla = lineas[next(i for i, linea in enumerate(lineas) if " symbol " in f" {linea} ") :]

    assert len(tabla) == 1 + {"orders": 4, "orders --open": 1, "trades": 5, "status": 1}[texto]
    assert all("BTCUSDT" in linea and len(linea) <= 80 for linea in tabla[1:])


def test_entrar_dice_en_json_quien_es_y_ninguna_ficha(servida: Servida, fichero: Path):
    resultado = orden(f"login --username ana --api-url {servida.url} --json", CONTRASENA + "\n")

    dicho = json.loads(resultado.stdout)
    assert (dicho["username"], dicho["role"], dicho["client_id"]) == ("ana", "operator", "default")
    assert not {"access_token", "refresh_token"} & dicho.keys()


@pytest.mark.parametrize("cual", ["positions", "logs", "status", "close", "login"])
def test_cada_orden_dice_sus_codigos_de_salida(cual: str):
    assert "Exit codes: 0 done" in orden(f"{cual} --help").stdout
