"""The whole error tree.

ErrorTimonel                     everything Timonel raises on purpose; carries an exit code
├── EntradaInvalida              bad input from a person: configuration, files, flags        (exit 2)
│   ├── ConfiguracionInvalida    a key, a value or a combination that cannot be used
│   ├── DatosInvalidos           candles or features that break their contract
│   ├── DiarioCorrupto           a journal that is damaged or was edited
│   ├── SolicitudInvalida        a request to act on a position that may not be carried out
│   │   └── LimiteDeRiesgo       … because risk forbids to open or increase anything now
│   │       └── DisyuntorAbierto … because a breaker is not closed
│   ├── ArtefactoInvalido        a trained artefact that is missing, altered or incompatible
│   └── StopInaceptable          a protective stop cannot be moved there
│       ├── StopMasFlojo         … because it would be looser than the one in force
│       ├── StopMalLado          … because it lies at or beyond the mark price
│       └── StopFueraDeFiltro    … because the symbol's price filter takes no such price
├── ErrorBolsa                   anything the exchange answered, or failed to answer
│   ├── OrdenRechazada           the exchange proved that it did not accept the request
│   │   ├── FalloPasajero        … for a passing reason; the same request may be tried again
│   │   └── SaldoInsuficiente    … because the margin does not cover it
│   ├── LimiteExcedido           too many requests: it was not executed; wait before asking again
│   ├── ResultadoIncierto        the request may have reached the exchange: reconcile, never resend
│   ├── LecturaFallida           a read did not arrive; nothing changed, reading again is safe
│   │   └── CuentaInexplicable   … or it contradicts what is known, and nothing listed explains it
│   ├── CredencialesInvalidas    keys are missing, malformed or not allowed                  (exit 2)
│   └── BolsaIncompatible        the account or symbol is not what the artefact needs        (exit 2)
│       └── SimboloNoAdmitido    … because the exchange does not list the symbol or interval
├── ArranqueFallido              the exchange did not answer at the start; start again        (exit 6)
├── DemonioAusente               no running daemon is meant by what was asked                 (exit 6)
├── PosicionDesprotegida         no stop covers the position, and none will: close it
│   ├── YaCruzado                the market is beyond the level already
│   ├── ProteccionImposible      the exchange would not take a stop
│   └── ProteccionRota           a stop or target was triggered and did not close the position
├── AlmacenCaido                 the shared store does not answer; protection goes on without it
├── AvisoSinEntregar             a channel did not take a message, as far as is known; it stays in the outbox
│   ├── CanalOcupado             … and asks to wait
│   └── AvisoRechazado           … and will not take it as it is
├── EmergenciaDrawdown           the drawdown limit was reached; positions were closed       (exit 3)
├── ServicioCaido                a part of the daemon that must run for ever has ended
├── EmergenciaOperacional        trading cannot go on safely; positions were closed          (exit 4)
└── AgenteEnclavado              an earlier drawdown emergency has not been cleared          (exit 5)
"""

from __future__ import annotations


class ErrorTimonel(Exception):
    """Base of every error that Timonel raises on purpose."""

    codigo_salida = 4


class EntradaInvalida(ErrorTimonel):
    """A person gave something that cannot be used; the text names it and the remedy."""

    codigo_salida = 2


class ConfiguracionInvalida(EntradaInvalida):
    """A configuration key, value or combination cannot be used."""


class DatosInvalidos(EntradaInvalida):
    """Candles or features break their contract."""


class DiarioCorrupto(EntradaInvalida):
    """A journal is damaged or was edited; the text names the file, the record and the remedy."""


class SolicitudInvalida(EntradaInvalida):
    """A request to act on a position may not be carried out; the text says why."""


class LimiteDeRiesgo(SolicitudInvalida):
    """Risk forbids to open or increase anything now; the text says which limit. Exits are never refused."""


class DisyuntorAbierto(LimiteDeRiesgo):
    """A breaker is not closed; the text names it. It closes by itself, or a person resets it."""


class ArtefactoInvalido(EntradaInvalida):
    """A trained artefact is missing, altered or incompatible."""


class StopInaceptable(EntradaInvalida):
    """A protective stop cannot be moved to a price; the text names both prices."""


class StopMasFlojo(StopInaceptable):
    """It would be looser than the stop in force, which only ever tightens."""


class StopMalLado(StopInaceptable):
    """It lies at or beyond the mark price, where it would close the position at once."""


class StopFueraDeFiltro(StopInaceptable):
    """The symbol's price filter takes no such price."""


class ErrorBolsa(ErrorTimonel):
    """The exchange refused something, or could not be heard.

    Args:
        mensaje: What happened, in one sentence.
        codigo: Binance's error code, when it gave one.
    """

    def __init__(self, mensaje: str, *, codigo: int | None = None) -> None:
        super().__init__(mensaje)
        self.codigo = codigo


class OrdenRechazada(ErrorBolsa):
    """The exchange proved it did not accept the request."""


class FalloPasajero(OrdenRechazada):
    """Not accepted, for a passing reason: the same request may be tried again."""


class SaldoInsuficiente(OrdenRechazada):
    """The margin does not cover the order: the same request is refused until there is more."""


class LimiteExcedido(ErrorBolsa):
    """Too many requests: this one was not executed, and asking again earlier makes it worse.

    Args:
        mensaje: What happened, in one sentence.
        espera_s: Wall seconds to wait.
        codigo: Binance's error code, when the exchange said so itself.
    """

    def __init__(self, mensaje: str, *, espera_s: float, codigo: int | None = None) -> None:
        super().__init__(mensaje, codigo=codigo)
        self.espera_s = espera_s


class ResultadoIncierto(ErrorBolsa):
    """The request may have reached the exchange: reconcile, never resend."""


class LecturaFallida(ErrorBolsa):
    """A read did not arrive; nothing changed, so reading again is safe."""


class CuentaInexplicable(LecturaFallida):
    """The account is not what is known of it, and nothing that the exchange lists explains it."""


class CredencialesInvalidas(ErrorBolsa):
    """Keys are missing, malformed or not allowed to do this."""

    codigo_salida = 2


class BolsaIncompatible(ErrorBolsa):
    """The account or the symbol is not what the artefact was trained for."""

    codigo_salida = 2


class SimboloNoAdmitido(BolsaIncompatible):
    """The exchange does not list the symbol, or has no such interval."""


class ArranqueFallido(ErrorTimonel):
    """The exchange did not answer at the start; nothing was closed, and starting again goes on from there."""

    codigo_salida = 6


class DemonioAusente(ErrorTimonel):
    """No running daemon is meant by what was asked; nothing was done."""

    codigo_salida = 6


class PosicionDesprotegida(ErrorTimonel):
    """No stop covers the position, and none will: it has to be closed at market."""


class YaCruzado(PosicionDesprotegida):
    """The market is beyond the level already."""


class ProteccionImposible(PosicionDesprotegida):
    """The exchange would not take a stop."""


class ProteccionRota(PosicionDesprotegida):
    """A stop or target was triggered and did not close the position."""


class AlmacenCaido(ErrorTimonel):
    """The shared store does not answer: what was to be written waits, protection does not."""


class AvisoSinEntregar(ErrorTimonel):
    """A channel did not take a message, as far as is known: it stays in the outbox and is tried again."""


class CanalOcupado(AvisoSinEntregar):
    """The channel takes nothing now.

    Args:
        mensaje: What happened, in one sentence.
        espera_s: Wall seconds that it asks to wait.
    """

    def __init__(self, mensaje: str, *, espera_s: float) -> None:
        super().__init__(mensaje)
        self.espera_s = espera_s


class AvisoRechazado(AvisoSinEntregar):
    """The channel proved that it did not take the message, and will not take it as it is."""


class EmergenciaDrawdown(ErrorTimonel):
    """The drawdown limit was reached; the emergency protocol has run."""

    codigo_salida = 3


class ServicioCaido(ErrorTimonel):
    """A part of the daemon that must run for ever has ended: the text names it, the cause ended it."""


class EmergenciaOperacional(ErrorTimonel):
    """Trading cannot go on safely; the emergency protocol has run."""

    codigo_salida = 4


class AgenteEnclavado(ErrorTimonel):
    """An earlier drawdown emergency has not been cleared by an operator."""

    codigo_salida = 5
