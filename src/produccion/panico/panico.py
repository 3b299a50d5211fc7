"""``timonel panic``: flatten an account when nothing else can be trusted to.

It needs the standard library and the keys: no artefact, no journal, no settings file, no other package.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from src.produccion.panico.aplanado import SIN_REMEDIO, Panico, Relato
from src.produccion.panico.cliente_minimo import LOCALES, ClienteMinimo, Rechazada, SinRespuesta

REAL = "https://fapi.binance.com"
TESTNET = "https://testnet.binancefuture.com"

_ACEPTO = "CLOSE EVERYTHING"
_CONFIRMAR = "TIMONEL_CONFIRM_LIVE"
_URL = "TIMONEL_EXCHANGE_URL"
_SIMULADOR = "simulador"
_SIN_CONTAR = "the shared store and `timonel positions` learn of this when the daemon starts again"
_MAL_PEDIDO = 2
_SIN_LEER = 6  # exit code: nothing is known and nothing was sent
_INTERRUMPIDO = 130
_MAL_DADO = "check --symbol and the keys"
_DESPUES = "look at the positions on the exchange's own page, and run this again"
_NO_CONFIRMADO = "not confirmed; nothing was done"


class EntradaMala(Exception):
    """What was asked for cannot be done; the text says what to give instead.

    Args:
        texto: Says so.
        campos: What was done of it, for programs.
    """

    def __init__(self, texto: str, campos: Mapping[str, object] = MappingProxyType({})) -> None:
        super().__init__(texto)
        self.campos = campos


class Destino(NamedTuple):
    """An exchange and the keys for it."""

    base: str
    clave: str
    secreto: str
    real: bool = False


def elegir_destino(*, real: bool, url: str | None, entorno: Mapping[str, str]) -> Destino:
    """Exchange and keys, from the variables that the daemon reads.

    Raises:
        EntradaMala: Something is missing or contradicts itself.
    """
    if real and url:
        raise EntradaMala("--live is the real exchange; it cannot go with --exchange-url")
    if real:
        return Destino(REAL, *_claves(entorno, "BINANCE_API"), real=True)
    url = url or entorno.get(_URL)
    if not url:
        return Destino(TESTNET, *_claves(entorno, "BINANCE_TESTNET_API"))
    partes = urlsplit(url)
    if partes.scheme not in ("http", "https") or not partes.hostname:
        raise EntradaMala(f"--exchange-url {url!r} must look like http://127.0.0.1:8899")
    if partes.hostname.endswith("binance.com"):
        raise EntradaMala(f"--exchange-url {url!r} is the real exchange; use --live, which asks first")
    base = f"{partes.scheme}://{partes.netloc}"
    if partes.hostname in LOCALES:
        clave = entorno.get("TIMONEL_SIMULATOR_KEY", _SIMULADOR)
        return Destino(base, clave, entorno.get("TIMONEL_SIMULATOR_SECRET", _SIMULADOR))
    return Destino(base, *_claves(entorno, "BINANCE_TESTNET_API"))


def _claves(entorno: Mapping[str, str], prefijo: str) -> tuple[str, str]:
    faltan = [f"{prefijo}_{cual}" for cual in ("KEY", "SECRET") if not entorno.get(f"{prefijo}_{cual}")]
    if faltan:
        raise EntradaMala(
            f"{' and '.join(faltan)} not set in the environment; copy .env.example.sh to .env.sh, fill it in"
            " and run `source .env.sh`; a simulator (--exchange-url) needs none"
        )
    return entorno[f"{prefijo}_KEY"], entorno[f"{prefijo}_SECRET"]


def _confirmar(entorno: Mapping[str, str]) -> None:
    if entorno.get(_CONFIRMAR) == "YES":
        return
    if not sys.stdin.isatty():
        raise EntradaMala(f"--live without a terminal needs {_CONFIRMAR}=YES in the environment")
    pregunta = f"REAL MONEY: every position asked for is closed at market. Type {_ACEPTO!r} to go on: "
    print(pregunta, end="", file=sys.stderr, flush=True)
    try:
        escrito = input()
    except (EOFError, KeyboardInterrupt) as fallo:
        raise EntradaMala(_NO_CONFIRMADO) from fallo
    if escrito != _ACEPTO:
        raise EntradaMala(_NO_CONFIRMADO)


class _Analizador(argparse.ArgumentParser):
    """Tells a program too what was mistyped, when it asks for JSON."""

    como_json = False

    def error(self, message: str) -> NoReturn:
        if self.como_json:
            _escribir_fallo("usage", _MAL_PEDIDO, message)
        super().error(message)


def _simbolo(texto: str) -> str:
    """A symbol as it was typed: an empty one would be asked for, and nothing found on it."""
    simbolo = texto.strip().upper()
    if not (simbolo.isascii() and simbolo.replace("_", "").isalnum()):
        raise argparse.ArgumentTypeError(f"{texto!r} is no symbol; give one like BTCUSDT, or leave it out")
    return simbolo


def _segundos(texto: str) -> float:
    """A time to wait, as it was typed."""
    try:
        segundos = float(texto)
    except ValueError:
        segundos = math.nan
    if not 0.0 <= segundos < math.inf:
        raise argparse.ArgumentTypeError(f"{texto!r} must be a number of seconds from 0 on")
    return segundos


def _analizador() -> _Analizador:
    analizador = _Analizador(
        prog="timonel panic",
        description=(
            "Flatten an account: cancel resting orders, close positions at market, verify, cancel conditional"
            " orders. Stop the daemon first, or it may trade again."
        ),
        epilog=(
            "Exit codes: 0 verified flat and nothing rests, 1 not flat for certain, 2 bad input, 6 the"
            " account could not be read and nothing was sent, 130 interrupted and not verified."
            " With --dry-run 0 says that all was listed."
        ),
    )
    analizador.add_argument(
        "--symbol",
        action="append",
        type=_simbolo,
        metavar="SYMBOL",
        help="Only this one; repeatable. Default: all in use.",
    )
    analizador.add_argument("--live", action="store_true", help="The REAL exchange. Without it: the testnet.")
    analizador.add_argument(
        "--exchange-url", metavar="URL", help=f"A running simulator. Also read from {_URL}."
    )
    analizador.add_argument(
        "--dry-run", action="store_true", help="Only list what would be closed and cancelled."
    )
    analizador.add_argument("--json", action="store_true", help="The outcome as JSON on standard output.")
    analizador.add_argument(
        "--give-up-after",
        type=_segundos,
        default=120.0,
        metavar="SECONDS",
        help="How long the account, and then each symbol, is tried. Default: 120.",
    )
    return analizador


def principal(argumentos: Sequence[str] | None = None, entorno: Mapping[str, str] = os.environ) -> int:
    """Run the command; returns its exit code."""
    argumentos = sys.argv[1:] if argumentos is None else argumentos
    analizador = _analizador()
    analizador.como_json = "--json" in argumentos
    opciones = analizador.parse_args(argumentos)
    salida = sys.stderr if opciones.json else sys.stdout
    relato = Relato(lambda linea: print(linea, file=salida, flush=True))
    try:
        return _aplanar(opciones, entorno, relato)
    except EntradaMala as fallo:
        print(f"error: {fallo}", file=sys.stderr)
        if opciones.json:
            _escribir_fallo("configuration", _MAL_PEDIDO, str(fallo), campos=fallo.campos)
        return _MAL_PEDIDO
    except KeyboardInterrupt:
        enviado = "nothing was sent" if opciones.dry_run else f"something may have been sent: {_DESPUES}"
        dicho = f"interrupted: NOT VERIFIED; {enviado}"
        relato(dicho)
        if opciones.json:
            _escribir_fallo("interrupted", _INTERRUMPIDO, dicho, exito=None)
        return _INTERRUMPIDO


def _aplanar(opciones: argparse.Namespace, entorno: Mapping[str, str], relato: Relato) -> int:
    destino = elegir_destino(real=opciones.live, url=opciones.exchange_url, entorno=entorno)
    if destino.real and not opciones.dry_run:
        _confirmar(entorno)
    cliente = ClienteMinimo(
        destino.base, destino.clave, destino.secreto, avisar=relato, plazo_s=opciones.give_up_after
    )
    panico = Panico(cliente, relato, opciones.give_up_after)
    simbolos: list[str] = list(opciones.symbol or ())
    planas: dict[str, bool] = {}
    malas: list[str] = []
    try:
        simbolos = simbolos or panico.simbolos()
        if not simbolos:
            relato("no position and no order on any symbol")
        planas, malas = _uno_a_uno(panico.listar if opciones.dry_run else panico.aplanar, simbolos, relato)
        plana = all(planas.values())
    except (Rechazada, SinRespuesta) as fallo:
        if isinstance(fallo, Rechazada) and fallo.codigo in SIN_REMEDIO:
            raise EntradaMala(f"{fallo}; {_MAL_DADO}") from fallo
        relato(f"the account could not be read: {fallo}")
        plana, planas = False, {}
    if planas and not opciones.dry_run:
        relato(_SIN_CONTAR)
    hecho = {"exchange": destino.base, "flat": plana, "symbols": planas, "actions": relato.lineas}
    if malas:
        raise EntradaMala(f"{', '.join(malas)}; {_MAL_DADO}", hecho)
    sin_leer = not plana and not planas
    dicho = f"NOT VERIFIED: nothing was sent; {_DESPUES}" if sin_leer else _veredicto(plana, opciones.dry_run)
    relato(dicho)
    if opciones.json:
        if sin_leer:
            _escribir_fallo("unreachable", _SIN_LEER, dicho, campos=hecho)
        else:
            print(json.dumps(hecho))
    if sin_leer:
        return _SIN_LEER
    return 0 if plana or opciones.dry_run else 1


def _uno_a_uno(
    hacer: Callable[[str], bool], simbolos: Sequence[str], relato: Relato
) -> tuple[dict[str, bool], list[str]]:
    """Whether each symbol is flat, one that cannot be done keeping no other; and why such ones cannot."""
    planas: dict[str, bool] = {}
    malas: list[str] = []
    for simbolo in simbolos:
        try:
            planas[simbolo] = hacer(simbolo)
        except Rechazada as fallo:
            if fallo.codigo not in SIN_REMEDIO:
                raise
            relato(f"{simbolo}: refused: {fallo}")
            planas[simbolo] = False
            malas.append(f"{simbolo}: {fallo}")
    return planas, malas


def _veredicto(plana: bool, ensayo: bool) -> str:
    return ("FLAT" if plana else "NOT FLAT") + (" (dry run: nothing was changed)" if ensayo else "")


def _escribir_fallo(
    clase: str,
    codigo: int,
    mensaje: str,
    *,
    exito: bool | None = False,
    campos: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """The object that every command of ``timonel`` prints when it fails under ``--json``."""
    dicho = {"success": exito, "kind": clase, "exit_code": codigo, "message": mensaje, **campos}
    print(json.dumps(dicho), flush=True)


if __name__ == "__main__":
    sys.exit(principal())
