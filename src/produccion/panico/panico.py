"""``timonel panic``: flatten an account when nothing else can be trusted to.

It needs the standard library and the keys: no artefact, no journal, no settings file, no other package.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple
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
_SIN_LEER = 6  # exit code: nothing is known and nothing was sent
_INTERRUMPIDO = 130


class EntradaMala(Exception):
    """What was asked for cannot be done; the text says what to give instead."""


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
        raise EntradaMala(f"{' and '.join(faltan)} not set in the environment; run `source .env.sh` first")
    return entorno[f"{prefijo}_KEY"], entorno[f"{prefijo}_SECRET"]


def _confirmar(entorno: Mapping[str, str]) -> None:
    if entorno.get(_CONFIRMAR) == "YES":
        return
    if not sys.stdin.isatty():
        raise EntradaMala(f"--live without a terminal needs {_CONFIRMAR}=YES in the environment")
    print(f"REAL MONEY: every position asked for is closed at market. Type {_ACEPTO!r} to go on: ", end="")
    if input() != _ACEPTO:
        raise EntradaMala("not confirmed; nothing was done")


def _analizador() -> argparse.ArgumentParser:
    analizador = argparse.ArgumentParser(
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
        "--symbol", action="append", metavar="SYMBOL", help="Only this one; repeatable. Default: all in use."
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
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="How long the account, and then each symbol, is tried. Default: 120.",
    )
    return analizador


def principal(argumentos: Sequence[str] | None = None, entorno: Mapping[str, str] = os.environ) -> int:
    """Run the command; returns its exit code."""
    opciones = _analizador().parse_args(argumentos)
    salida = sys.stderr if opciones.json else sys.stdout
    relato = Relato(lambda linea: print(linea, file=salida, flush=True))
    try:
        return _aplanar(opciones, entorno, relato)
    except KeyboardInterrupt:
        relato("interrupted: NOT VERIFIED")
        return _INTERRUMPIDO


def _aplanar(opciones: argparse.Namespace, entorno: Mapping[str, str], relato: Relato) -> int:
    try:
        destino = elegir_destino(real=opciones.live, url=opciones.exchange_url, entorno=entorno)
        if destino.real and not opciones.dry_run:
            _confirmar(entorno)
    except EntradaMala as fallo:
        print(f"error: {fallo}", file=sys.stderr)
        return 2
    cliente = ClienteMinimo(
        destino.base, destino.clave, destino.secreto, avisar=relato, plazo_s=opciones.give_up_after
    )
    panico = Panico(cliente, relato, opciones.give_up_after)
    simbolos: list[str] = [simbolo.upper() for simbolo in opciones.symbol or ()]
    planas: dict[str, bool] = {}
    try:
        simbolos = simbolos or panico.simbolos()
        if not simbolos:
            relato("no position and no order on any symbol")
        if opciones.dry_run:
            planas = {simbolo: panico.listar([simbolo]) for simbolo in simbolos}
        else:
            planas = {simbolo: panico.aplanar(simbolo) for simbolo in simbolos}
        plana = all(planas.values())
    except (Rechazada, SinRespuesta) as fallo:
        if isinstance(fallo, Rechazada) and fallo.codigo in SIN_REMEDIO:
            print(f"error: {fallo}; check --symbol and the keys", file=sys.stderr)
            return 2
        relato(f"the account could not be read: {fallo}")
        plana, planas = False, {}
    if planas and not opciones.dry_run:
        relato(_SIN_CONTAR)
    relato(_veredicto(plana, planas, ensayo=opciones.dry_run))
    if opciones.json:
        hecho = {"exchange": destino.base, "flat": plana, "symbols": planas, "actions": relato.lineas}
        print(json.dumps(hecho))
    if not plana and not planas:
        return _SIN_LEER
    return 0 if plana or opciones.dry_run else 1


def _veredicto(plana: bool, planas: Mapping[str, bool], *, ensayo: bool) -> str:
    if not plana and not planas:
        return "NOT VERIFIED"
    return ("FLAT" if plana else "NOT FLAT") + (" (dry run: nothing was changed)" if ensayo else "")


if __name__ == "__main__":
    sys.exit(principal())
