"""Accounts that people and programs may name: ``accounts.yaml``, validated; it holds no keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import CLAVE_SIMULADOR, Destino, Modo, Opciones, elegir_destino
from src.produccion.puertos import Credenciales

FICHERO_CUENTAS = "TIMONEL_ACCOUNTS"
RUTA_CUENTAS = Path("accounts.yaml")
CUENTA_UNICA = "default"
"""User and tenant of an installation that has no ``accounts.yaml``."""

_PREFIJOS = {
    Modo.SIMULADO: "TIMONEL_SIMULATOR",
    Modo.TESTNET: "BINANCE_TESTNET_API",
    Modo.REAL: "BINANCE_API",
}
_NOMBRE_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_LARGO_CLAVE = 32  # no word of a variable's name is that long; every key is
_NOMBRE_CUENTA = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_VISIBLES = frozenset({"tenant", "environment", "use_guardian", "use_guardian_half"})

Nombre = Annotated[str, Field(pattern=_NOMBRE_CUENTA)]


class _Seccion(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeccionLimites(_Seccion):
    """Limits of one account's executions; one that is left out is the tenant's."""

    max_slippage_pct: Annotated[float, Field(gt=0, le=100)] | None = None
    slippage_pause_threshold_pct: Annotated[float, Field(gt=0, le=100)] | None = None
    max_executions_per_minute: Annotated[int, Field(ge=1)] | None = None
    max_executions_per_hour: Annotated[int, Field(ge=1)] | None = None

    def como_reglas(self) -> dict[str, float]:
        """Those that are set, by fields of `ReglasInquilino`."""
        campos = {
            "slippage_max_pct": self.max_slippage_pct,
            "slippage_pausa_pct": self.slippage_pause_threshold_pct,
            "por_minuto": self.max_executions_per_minute,
            "por_hora": self.max_executions_per_hour,
        }
        return {campo: valor for campo, valor in campos.items() if valor is not None}


class SeccionCuenta(_Seccion):
    """One account: where it trades, which variables hold its keys, what may be asked of it."""

    tenant: Nombre = CUENTA_UNICA
    environment: Modo = Modo.TESTNET
    api_key_env: str = ""  # empty: the environment's usual variable
    api_secret_env: str = ""
    use_guardian: bool = True
    use_guardian_half: bool = False  # then half_close is taken and close refused; otherwise the reverse
    limits: SeccionLimites = SeccionLimites()

    @field_validator("api_key_env", "api_secret_env")
    @classmethod
    def _es_un_nombre(cls, valor: str) -> str:
        palabras = valor.split("_")
        if valor and (
            not _NOMBRE_VARIABLE.fullmatch(valor) or max(len(palabra) for palabra in palabras) >= _LARGO_CLAVE
        ):
            raise ValueError(
                "this is the NAME of an environment variable, like USER_1_API_KEY; if a key was written here,"
                " revoke it at the exchange"
            )
        return valor

    @property
    def variables(self) -> tuple[str, str]:
        """Names of the environment variables that hold key and secret."""
        prefijo = _PREFIJOS[self.environment]
        return self.api_key_env or f"{prefijo}_KEY", self.api_secret_env or f"{prefijo}_SECRET"


class Cuentas(_Seccion):
    """``accounts.yaml``: unknown keys are refused."""

    accounts: Annotated[dict[Nombre, SeccionCuenta], Field(min_length=1)]

    def una(self, user_id: str) -> SeccionCuenta:
        """The account of that name.

        Raises:
            ConfiguracionInvalida: There is none.
        """
        cuenta = self.accounts.get(user_id)
        if cuenta is None:
            raise ConfiguracionInvalida(
                f"there is no account {user_id!r}; there are: {', '.join(sorted(self.accounts))}."
                " Accounts are named in accounts.yaml; without that file there is only `default`"
            )
        return cuenta

    def entorno_de(self, user_id: str) -> Modo | None:
        """Where an account trades; ``None`` where nobody has written it down."""
        cuenta = self.accounts.get(user_id)
        return None if cuenta is None else cuenta.environment

    def de_inquilino(self, client_id: str) -> dict[str, SeccionCuenta]:
        """The accounts of one tenant, in the order of the file."""
        return {nombre: cuenta for nombre, cuenta in self.accounts.items() if cuenta.tenant == client_id}


class _SinFichero(Cuentas):
    """The one account of an installation without a file: it trades wherever its daemon was told to."""

    def entorno_de(self, user_id: str) -> Modo | None:
        """Nobody has written it down."""
        return None


def leer_cuentas(ruta: Path | None = None, entorno: Mapping[str, str] = os.environ) -> Cuentas:
    """Read ``accounts.yaml``; without one there is the account ``default`` with the usual variables.

    Args:
        ruta: From ``--accounts``; otherwise ``TIMONEL_ACCOUNTS``, otherwise ``accounts.yaml`` if it exists.
        entorno: Environment.

    Raises:
        ConfiguracionInvalida: A file that was named is missing, or a key or value cannot be used. The text
            quotes nothing that may be a key.
    """
    nombrada = ruta or (Path(entorno[FICHERO_CUENTAS]) if entorno.get(FICHERO_CUENTAS) else None)
    if nombrada is None and not RUTA_CUENTAS.exists():
        return _SinFichero(accounts={CUENTA_UNICA: SeccionCuenta()})
    elegida = nombrada or RUTA_CUENTAS
    try:
        return Cuentas.model_validate(_leer_yaml(elegida))
    except ValidationError as fallo:
        raise ConfiguracionInvalida(f"{elegida}: {_explicar(fallo)}") from None  # the cause quotes values


def destino_de(
    opciones: Opciones, user_id: str | None, ruta: Path | None, entorno: Mapping[str, str] = os.environ
) -> tuple[Destino, str]:
    """The exchange with an account's keys, and its tenant; the usual keys when no account is named.

    Raises:
        ConfiguracionInvalida: There is no such account, it trades elsewhere than the options say, or a key is
            missing.
    """
    if user_id is None:
        return elegir_destino(opciones, entorno), CUENTA_UNICA
    cuenta = leer_cuentas(ruta, entorno).una(user_id)
    claves = claves_de(user_id, cuenta, entorno)
    suyas = {
        f"{prefijo}_{que}": valor
        for prefijo in _PREFIJOS.values()
        for que, valor in (("KEY", claves.clave), ("SECRET", claves.secreto))
    }
    destino = elegir_destino(opciones, {**entorno, **suyas})
    if destino.modo is not cuenta.environment:
        raise ConfiguracionInvalida(
            f"account {user_id!r} is of environment {cuenta.environment.value}, the command of"
            f" {destino.modo.value}: --live is for live, --exchange-url for sim, neither for testnet"
        )
    return destino, cuenta.tenant


def limites_de(
    user_id: str | None, ruta: Path | None, entorno: Mapping[str, str] = os.environ
) -> dict[str, float]:
    """An account's own limits, by fields of `ReglasInquilino`; none when no account is named.

    Raises:
        ConfiguracionInvalida: There is no such account, or the file cannot be used.
    """
    return {} if user_id is None else leer_cuentas(ruta, entorno).una(user_id).limits.como_reglas()


def claves_de(user_id: str, cuenta: SeccionCuenta, entorno: Mapping[str, str] = os.environ) -> Credenciales:
    """An account's keys, from the environment; a simulator's usual variables need not be set.

    Raises:
        ConfiguracionInvalida: A variable is not set; the text names it.
    """
    de_fabrica = CLAVE_SIMULADOR if cuenta.environment is Modo.SIMULADO else ""
    clave, secreto = (
        entorno.get(nombre, "" if elegida else de_fabrica)
        for nombre, elegida in zip(cuenta.variables, (cuenta.api_key_env, cuenta.api_secret_env), strict=True)
    )
    faltan = [nombre for nombre, valor in zip(cuenta.variables, (clave, secreto), strict=True) if not valor]
    if faltan:
        raise ConfiguracionInvalida(
            f"{' and '.join(faltan)} of account {user_id!r} not set in the environment; add to .env.sh"
            " and run `source .env.sh`"
        )
    return Credenciales(clave=clave, secreto=secreto)


def _leer_yaml(ruta: Path) -> Any:
    try:
        return yaml.safe_load(ruta.read_text(encoding="utf-8"))
    except OSError as fallo:
        raise ConfiguracionInvalida(
            f"{ruta} cannot be read: {fallo.strerror}; name another with --accounts or {FICHERO_CUENTAS}"
        ) from fallo
    except UnicodeDecodeError as fallo:
        raise ConfiguracionInvalida(f"{ruta} is not a text file in UTF-8") from fallo
    except yaml.YAMLError as fallo:
        # The parser's own text quotes the line, which may hold a key.
        marca = getattr(fallo, "problem_mark", None)
        donde = "" if marca is None else f" at line {marca.line + 1}, column {marca.column + 1}"
        raise ConfiguracionInvalida(f"{ruta} is not valid YAML{donde}") from None


def _explicar(fallo: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, error['loc']))}{_valor(error['loc'], error['input'])}: {error['msg']}"
        for error in fallo.errors()
    )


def _valor(donde: tuple[int | str, ...], valor: Any) -> str:
    visible = bool(donde) and (donde[-1] in _VISIBLES or "limits" in donde)
    return f" = {valor!r}" if visible else ""
