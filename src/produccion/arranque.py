"""What must be true before the first decision."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal

import structlog

from src.nucleo.errores import BolsaIncompatible, ConfiguracionInvalida
from src.nucleo.registro import texto_utc
from src.nucleo.tipos import Mercado, TipoMargen
from src.produccion.config.config import Modo
from src.produccion.puertos import Bolsa, Reloj

_EN_OPERACION = "TRADING"
_RETRASO_MIN_S = 60.0

log = structlog.get_logger(__name__)


async def sincronizar_reloj(bolsa: Bolsa, reloj: Reloj, modo: Modo, desfase_max_s: float) -> None:
    """Take the exchange's time; a simulated market has its own.

    Raises:
        BolsaIncompatible: This machine's clock is too far off.
    """
    servidor_ms = await bolsa.hora_ms()
    reloj.sincronizar(servidor_ms)
    desfase_s = servidor_ms / 1_000 - time.time()
    if modo is not Modo.SIMULADO and abs(desfase_s) > desfase_max_s:
        raise BolsaIncompatible(
            f"this machine's clock is {-desfase_s:.1f} s off the exchange's (limit {desfase_max_s} s); "
            "synchronise it with NTP"
        )


def comprobar_sucesion(ultimo_ms: int | None, ahora_ms: int, modo: Modo, desfase_max_s: float) -> None:
    """Refuse a simulated market that has not come as far as the state's journal.

    Its account does not hold what the journal says, and that would be taken for a loss. Nothing is at stake
    there. A real exchange is never refused for it: its time does not begin again, a position may be open, and
    a clock that is off is for `sincronizar_reloj` to tell.

    Args:
        ultimo_ms: Market time of the journal's newest snapshot; ``None`` before the first.
        ahora_ms: Market time now.
        modo: Which exchange.
        desfase_max_s: How far clocks may differ; a minute is always allowed.

    Raises:
        ConfiguracionInvalida: It is another market, or a replay that began again.
    """
    if modo is not Modo.SIMULADO or ultimo_ms is None:
        return
    if ultimo_ms - ahora_ms > max(_RETRASO_MIN_S, desfase_max_s) * 1_000:
        raise ConfiguracionInvalida(
            f"the exchange's time {texto_utc(ahora_ms)} lies before this state's last record of"
            f" {texto_utc(ultimo_ms)}: it is another market, or a replay that began again;"
            " use a fresh --state-dir"
        )


async def comprobar_bolsa(bolsa: Bolsa, entrenado: Mercado, apalancamiento: int) -> Mercado:
    """Compare the exchange with what the artefact was trained on, and set leverage and margin type.

    Returns:
        The market as the exchange publishes it now; plans are made with its filters.

    Raises:
        BolsaIncompatible: Trading would not be what was trained; the text names what differs.
    """
    modo = await bolsa.modo_cuenta()
    if modo.cobertura:
        raise BolsaIncompatible(
            "the account is in hedge mode; Timonel trades one-way. Switch the position mode to one-way"
        )
    if modo.comision_en_bnb:
        raise BolsaIncompatible(
            "the account pays futures fees in BNB, which the agent's books would take for"
            f" {entrenado.activo_margen}; switch off 'use BNB for fees'"
        )
    if modo.multiactivo != entrenado.multiactivo:
        raise BolsaIncompatible(
            f"multi-assets mode is {_si(modo.multiactivo)} on the account and {_si(entrenado.multiactivo)} in"
            " the artefact; change the account's setting"
        )
    info = await bolsa.info_simbolo(entrenado.simbolo)
    actual = info.mercado
    if info.estado != _EN_OPERACION:
        raise BolsaIncompatible(
            f"{entrenado.simbolo} is {info.estado}, not {_EN_OPERACION}; wait or choose another"
        )
    if actual.activo_margen != entrenado.activo_margen:
        raise BolsaIncompatible(
            f"{entrenado.simbolo} is margined in {actual.activo_margen}, the artefact was trained with "
            f"{entrenado.activo_margen}; train an agent for this market"
        )
    ahora, antes = _sin_limites_de_precio(actual), _sin_limites_de_precio(entrenado)
    for campo in ("filtros", "tramos", "comision_taker", "intervalo_funding_ms"):
        if getattr(ahora, campo) != getattr(antes, campo):
            log.warning("mercado_distinto_del_entrenado", campo=campo)
    await bolsa.fijar_margen(entrenado.simbolo, entrenado.tipo_margen)
    await bolsa.fijar_apalancamiento(entrenado.simbolo, apalancamiento)
    return actual


async def comprobar_saldo(bolsa: Bolsa, mercado: Mercado, apalancamiento: int, capital: float | None) -> None:
    """Refuse an account that cannot trade.

    Raises:
        BolsaIncompatible: No balance, less than assigned, or leverage and margin type did not take.
    """
    cuenta = await bolsa.cuenta(mercado.simbolo)
    saldo = cuenta.estado.saldo
    if saldo <= 0:
        raise BolsaIncompatible(
            f"the {mercado.activo_margen} wallet is {saldo}; transfer funds to the futures account"
        )
    if capital is not None and capital > saldo:
        raise BolsaIncompatible(
            f"--capital {capital} is more than the {mercado.activo_margen} wallet holds ({saldo})"
        )
    aislado = mercado.tipo_margen is TipoMargen.ISOLATED
    if cuenta.aislado != aislado:
        raise BolsaIncompatible(
            f"the margin type of {mercado.simbolo} is {'isolated' if cuenta.aislado else 'cross'} although"
            f" {mercado.tipo_margen.value} was set; close the position and retry"
        )
    if cuenta.apalancamiento != apalancamiento:
        raise BolsaIncompatible(
            f"leverage is {cuenta.apalancamiento} although {apalancamiento} was set; close the position and"
            " retry"
        )


def _sin_limites_de_precio(mercado: Mercado) -> Mercado:
    """A market but for its highest and lowest price, which the exchange moves along with its prices."""
    filtros = replace(mercado.filtros, precio_min=Decimal(0), precio_max=Decimal(0))
    return replace(mercado, filtros=filtros)


def _si(valor: bool) -> str:
    return "on" if valor else "off"
