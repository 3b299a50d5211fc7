"""Settings of a daemon session: the operator's file, the environment and the command line, validated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from src.artefactos.sugerencia import clave_desconocida
from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.alertas import SeccionAlertas
from src.produccion.puertos import Credenciales, Direcciones

CONFIRMAR_REAL = "TIMONEL_CONFIRM_LIVE"
URL_BOLSA = "TIMONEL_EXCHANGE_URL"
CLAVE_SIMULADOR = "simulador"

_REAL = Direcciones(rest="https://fapi.binance.com", flujos="wss://fstream.binance.com")
_TESTNET = Direcciones(rest="https://testnet.binancefuture.com", flujos="wss://fstream.binancefuture.com")
_CALLADOS = ("_env", "_url")
_LOCALES = frozenset({"127.0.0.1", "localhost", "::1"})


class Modo(StrEnum):
    """Which exchange a session trades on."""

    SIMULADO = "sim"
    TESTNET = "testnet"
    REAL = "live"


class PoliticaSalida(StrEnum):
    """What happens to the position when the daemon ends on purpose."""

    PROTEGIDA = "protected"  # kept under a confirmed resident stop, otherwise closed
    CERRAR = "close"
    MANTENER = "keep"


class _Seccion(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeccionDecision(_Seccion):
    """When a candle is acted on."""

    max_candle_age_s: Annotated[float, Field(gt=0)] = 30.0


class SeccionRango(_Seccion):
    """What happens when the market leaves the range that training saw."""

    hold_entries_above: Annotated[float, Field(ge=0, le=1)] = 0.75  # share of the window's cells


class SeccionRiesgo(_Seccion):
    """When trading stops."""

    max_consecutive_errors: Annotated[int, Field(ge=1)] = 5
    account_refresh_s: Annotated[float, Field(gt=0)] = 30.0
    max_blind_s: Annotated[float, Field(gt=0)] = 60.0
    max_silence_s: Annotated[float, Field(gt=0)] = 600.0
    max_clock_skew_s: Annotated[float, Field(gt=0)] = 60.0


class SeccionSesion(_Seccion):
    """How a session ends."""

    on_exit: PoliticaSalida = PoliticaSalida.PROTEGIDA


class SeccionSupervision(_Seccion):
    """Who is told whether the daemon is well."""

    heartbeat_url: SecretStr | None = None
    heartbeat_every_s: Annotated[float, Field(gt=0)] = 60.0
    heartbeat_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    loop_delay_warn_ms: Annotated[float, Field(gt=0)] = 250.0
    stuck_after_s: Annotated[float, Field(gt=0)] = 120.0


class NivelLog(StrEnum):
    """How much of a module is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class SeccionLogs(_Seccion):
    """The log in the state directory, which is turned over; the session's own file is kept whole."""

    max_file_mb: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    kept_files: Annotated[int, Field(ge=1, le=1_000)] = 5  # beside the one in use
    levels: Mapping[str, NivelLog] = {}  # by module, for example src.produccion.bolsa


class SeccionMetricas(_Seccion):
    """Where Prometheus may ask; nowhere unless a port is given."""

    port: Annotated[int, Field(ge=0, le=65_535)] | None = None  # 0 takes a free one
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"


class SeccionBolsa(_Seccion):
    """How the exchange is talked to."""

    request_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    recv_window_ms: Annotated[int, Field(ge=100, le=60_000)] = 5_000
    read_attempts: Annotated[int, Field(ge=1, le=10)] = 4
    read_backoff_s: Annotated[float, Field(gt=0, le=10)] = 0.25  # doubled at each attempt
    lookup_pause_s: Annotated[float, Field(gt=0, le=10)] = 1.0  # between two looks for an order
    limit_share: Annotated[float, Field(gt=0, le=1)] = 0.8  # of the exchange's limits; exits may use the rest
    limit_wait_s: Annotated[float, Field(ge=0, le=60)] = 20.0
    clock_sync_s: Annotated[float, Field(ge=1)] = 900.0


class SeccionFlujos(_Seccion):
    """How the sockets are looked after."""

    mark_silence_s: Annotated[float, Field(gt=0)] | None = 60.0
    kline_silence_s: Annotated[float, Field(gt=0)] | None = 60.0
    reconnect_max_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    renew_after_h: Annotated[float, Field(gt=0, lt=24)] = 23.0


class _SeccionDisyuntor(_Seccion):
    """When one breaker opens and closes."""

    enabled: bool | None = None  # ``None``: unless the market waits for its agents
    violations: Annotated[int, Field(ge=1)] = 3  # samples in a row that open it
    cool_down_s: Annotated[float, Field(gt=0)] = 60.0  # market time
    healthy_samples: Annotated[int, Field(ge=1)] = 3  # in a row, that close it after the cool-down


class SeccionLatencia(_SeccionDisyuntor):
    """How slowly the exchange answers and tells."""

    limit_ms: Annotated[float, Field(gt=0)] = 500.0


class SeccionSpread(_SeccionDisyuntor):
    """How far bid and ask are apart."""

    limit_bps: Annotated[float, Field(gt=0)] = 20.0


class SeccionVolatilidad(_SeccionDisyuntor):
    """How far the mark price has moved."""

    limit_fraction: Annotated[float, Field(gt=0)] = 0.05
    window_s: Annotated[float, Field(ge=1)] = 300.0  # market time
    cool_down_s: Annotated[float, Field(gt=0)] = 300.0


class SeccionErrores(_SeccionDisyuntor):
    """How many calls of the exchange fail."""

    limit_fraction: Annotated[float, Field(gt=0, le=1)] = 0.10
    window_s: Annotated[float, Field(ge=1)] = 120.0  # market time
    min_calls: Annotated[int, Field(ge=1)] = 20  # within the window; fewer say nothing


class SeccionPerdida(_Seccion):
    """How much of the day's first equity is lost."""

    enabled: bool = True
    limit_fraction: Annotated[float, Field(gt=0, lt=1)] | None = (
        None  # ``None`` shows the artefact's own tier
    )


class SeccionDisyuntores(_Seccion):
    """When the state of exchange and market keeps entries out."""

    sample_every_s: Annotated[float, Field(gt=0)] = 5.0
    latency: SeccionLatencia = SeccionLatencia()
    spread: SeccionSpread = SeccionSpread()
    volatility: SeccionVolatilidad = SeccionVolatilidad()
    error_rate: SeccionErrores = SeccionErrores()
    drawdown: SeccionPerdida = SeccionPerdida()


class Ajustes(_Seccion):
    """``timonel.yaml``: every key has a default, unknown keys are refused."""

    decision: SeccionDecision = SeccionDecision()
    risk: SeccionRiesgo = SeccionRiesgo()
    breakers: SeccionDisyuntores = SeccionDisyuntores()
    feature_range: SeccionRango = SeccionRango()
    exchange: SeccionBolsa = SeccionBolsa()
    streams: SeccionFlujos = SeccionFlujos()
    session: SeccionSesion = SeccionSesion()
    supervision: SeccionSupervision = SeccionSupervision()
    alerts: SeccionAlertas = SeccionAlertas()
    logs: SeccionLogs = SeccionLogs()
    metrics: SeccionMetricas = SeccionMetricas()


BASE = Path("entrenamientos")
ESTADO = Path("estado")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opciones:
    """What the command line asked for."""

    train_id: str
    base: Path = BASE
    estado: Path = ESTADO
    config: Path | None = None
    real: bool = False
    simulado: bool = False
    datos: Path | None = None
    velocidad: str = "max"
    velas: int | None = None
    url: str | None = None
    capital: float | None = None
    salida: PoliticaSalida | None = None
    detallado: bool = False
    usuario: str | None = None  # an account of ``accounts.yaml``
    cuentas: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destino:
    """An exchange and how to sign for it."""

    modo: Modo
    direcciones: Direcciones
    credenciales: Credenciales


def leer_ajustes(ruta: Path | None) -> Ajustes:
    """Read ``timonel.yaml``; without a path every default applies.

    Raises:
        ConfiguracionInvalida: The file is missing or a key or value cannot be used.
    """
    if ruta is None:
        return Ajustes()
    try:
        crudo: Any = yaml.safe_load(ruta.read_text(encoding="utf-8")) or {}
        return Ajustes.model_validate(crudo)
    except OSError as fallo:
        raise ConfiguracionInvalida(f"{ruta} cannot be read: {fallo.strerror}") from fallo
    except (yaml.YAMLError, UnicodeDecodeError) as fallo:
        raise ConfiguracionInvalida(f"{ruta} is not valid YAML: {fallo}") from fallo
    except ValidationError as fallo:
        raise ConfiguracionInvalida(f"{ruta}: {_explicar(fallo)}") from fallo


def comprobar_opciones(opciones: Opciones, entorno: Mapping[str, str] = os.environ) -> None:
    """Refuse combinations that contradict each other.

    Raises:
        ConfiguracionInvalida: Naming both options, or the variable that stands for one.
    """
    if opciones.real and opciones.simulado:
        raise ConfiguracionInvalida("--live trades real money; it cannot go with --simulated")
    if opciones.real and opciones.url:
        raise ConfiguracionInvalida(
            f"--live trades real money; it cannot go with {_url_dada(opciones.url, entorno)}"
        )
    if opciones.simulado and opciones.url:
        raise ConfiguracionInvalida(
            f"--simulated starts its own exchange; it cannot go with {_url_dada(opciones.url, entorno)}"
        )
    if opciones.datos is not None and not opciones.simulado:
        raise ConfiguracionInvalida("--data is the market of --simulated; add --simulated")
    if opciones.velas is not None and opciones.velas < 1:
        raise ConfiguracionInvalida(f"--candles {opciones.velas} must be at least 1")
    if opciones.capital is not None and not 0 < opciones.capital < inf:
        raise ConfiguracionInvalida(f"--capital {opciones.capital} must be a number greater than 0")


def elegir_destino(opciones: Opciones, entorno: Mapping[str, str] = os.environ) -> Destino:
    """Find exchange and keys; the testnet unless another one is asked for.

    Raises:
        ConfiguracionInvalida: The keys are not in the environment, or the address cannot be used.
    """
    if opciones.real:
        return Destino(modo=Modo.REAL, direcciones=_REAL, credenciales=_claves(entorno, "BINANCE_API"))
    url = opciones.url or entorno.get(URL_BOLSA)
    if url:
        direcciones = direcciones_de(url, _nombre_de_url(url, entorno))
        if urlsplit(url).hostname in _LOCALES:
            return Destino(modo=Modo.SIMULADO, direcciones=direcciones, credenciales=_claves_locales(entorno))
        return Destino(
            modo=Modo.TESTNET, direcciones=direcciones, credenciales=_claves(entorno, "BINANCE_TESTNET_API")
        )
    return Destino(
        modo=Modo.TESTNET, direcciones=_TESTNET, credenciales=_claves(entorno, "BINANCE_TESTNET_API")
    )


def direccion_publica(modo: Modo, url: str | None = None) -> str | None:
    """Where the public market data of an environment is found; ``None`` when nobody has said so.

    Args:
        modo: The environment.
        url: An exchange that the environment names instead of the usual one.

    Raises:
        ConfiguracionInvalida: It is not an http(s) address, or the real exchange's.
    """
    if url is not None:
        return direcciones_de(url, URL_BOLSA).rest
    usuales = {Modo.TESTNET: _TESTNET.rest, Modo.REAL: _REAL.rest}
    return usuales.get(modo)


def destino_simulado(url: str) -> Destino:
    """The embedded simulator."""
    return Destino(
        modo=Modo.SIMULADO,
        direcciones=direcciones_de(url),
        credenciales=Credenciales(clave=CLAVE_SIMULADOR, secreto=CLAVE_SIMULADOR),
    )


def direcciones_de(url: str, nombre: str = "--exchange-url") -> Direcciones:
    """REST and WebSocket addresses of an exchange that serves both on one host.

    Args:
        url: Its address.
        nombre: What gave it, for the message.

    Raises:
        ConfiguracionInvalida: It is not an http(s) address.
    """
    partes = urlsplit(url)
    if partes.scheme not in ("http", "https") or not partes.hostname:
        raise ConfiguracionInvalida(f"{nombre} {url!r} must look like http://127.0.0.1:8899")
    if partes.hostname.endswith("binance.com"):
        raise ConfiguracionInvalida(
            f"{nombre} {url!r} is the real exchange; trade real money with --live, which asks first"
        )
    rest = f"{partes.scheme}://{partes.netloc}"
    return Direcciones(rest=rest, flujos=rest.replace("http", "ws", 1))


def _nombre_de_url(url: str, entorno: Mapping[str, str]) -> str:
    """Who gave the address: the option, unless it only repeats the environment."""
    return URL_BOLSA if url == entorno.get(URL_BOLSA) else "--exchange-url"


def _url_dada(url: str, entorno: Mapping[str, str]) -> str:
    """The same, with what takes back an address that no option gave."""
    nombre = _nombre_de_url(url, entorno)
    return f"{nombre} of the environment; run `unset {nombre}`" if nombre == URL_BOLSA else nombre


def _claves(entorno: Mapping[str, str], prefijo: str) -> Credenciales:
    clave, secreto = entorno.get(f"{prefijo}_KEY", ""), entorno.get(f"{prefijo}_SECRET", "")
    faltan = [
        nombre for nombre, valor in ((f"{prefijo}_KEY", clave), (f"{prefijo}_SECRET", secreto)) if not valor
    ]
    if faltan:
        raise ConfiguracionInvalida(
            f"{' and '.join(faltan)} not set in the environment; copy .env.example.sh to .env.sh, fill it in"
            " and run `source .env.sh`; a simulator (--exchange-url, or `live --simulated`) needs none"
        )
    return Credenciales(clave=clave, secreto=secreto)


def _claves_locales(entorno: Mapping[str, str]) -> Credenciales:
    return Credenciales(
        clave=entorno.get("TIMONEL_SIMULATOR_KEY", CLAVE_SIMULADOR),
        secreto=entorno.get("TIMONEL_SIMULATOR_SECRET", CLAVE_SIMULADOR),
    )


def _explicar(fallo: ValidationError) -> str:
    return "; ".join(
        clave_desconocida(Ajustes, error["loc"])
        if error["type"] == "extra_forbidden"
        else f"{'.'.join(map(str, error['loc']))}{_valor(error['loc'], error['input'])}: {error['msg']}"
        for error in fallo.errors()
    )


def _valor(donde: tuple[int | str, ...], valor: Any) -> str:
    """What was written there, unless it may be a secret that stands in the place of a name or address."""
    return "" if donde and str(donde[-1]).endswith(_CALLADOS) else f" = {valor!r}"
