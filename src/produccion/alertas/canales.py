"""Where messages go: one contract, and the services behind Apprise."""

from __future__ import annotations

import asyncio
from typing import Protocol

from src.nucleo.alertas import Mensaje, Nivel
from src.nucleo.errores import AvisoSinEntregar, ConfiguracionInvalida
from src.produccion.alertas.bandeja import Destino
from src.produccion.supervision.hilo import HiloSuelto


class Canal(Protocol):
    """Somewhere that messages go."""

    @property
    def destino(self) -> Destino:
        """Which alerts it takes."""
        ...

    async def enviar(self, mensaje: Mensaje) -> None:
        """Tell somebody.

        Raises:
            CanalOcupado: It asks to wait.
            AvisoRechazado: It will not take this message.
            AvisoSinEntregar: It did not take it, or nobody knows whether it did.
        """
        ...


class CanalApprise:
    """One service that Apprise knows, imported when there is one.

    Args:
        destino: Which alerts it takes.
        url: The service's address in Apprise's words; a secret.
        plazo_s: Wall seconds that it may take.

    Raises:
        ConfiguracionInvalida: Apprise is not installed, or knows no such service.
    """

    def __init__(self, destino: Destino, url: str, plazo_s: float) -> None:
        try:
            import apprise
        except ImportError as fallo:
            raise ConfiguracionInvalida(
                f"channel {destino.nombre} needs the package `apprise`: run `make install`"
            ) from fallo
        self._destino = destino
        self._plazo_s = plazo_s
        self._tipos = {
            Nivel.INFO: apprise.NotifyType.INFO,
            Nivel.WARNING: apprise.NotifyType.WARNING,
            Nivel.ERROR: apprise.NotifyType.FAILURE,
            Nivel.CRITICAL: apprise.NotifyType.FAILURE,
        }
        self._formato = apprise.NotifyFormat.TEXT
        self._servicio = apprise.Apprise()
        if not self._servicio.add(url):
            raise ConfiguracionInvalida(
                f"Apprise does not understand the address of channel {destino.nombre}; its"
                " documentation lists the services"
            )
        self._hilo = HiloSuelto(f"apprise-{destino.nombre}")

    @property
    def destino(self) -> Destino:
        """Which alerts it takes."""
        return self._destino

    async def enviar(self, mensaje: Mensaje) -> None:
        """Tell somebody.

        Raises:
            AvisoSinEntregar: It did not take it, or nobody knows whether it did.
        """
        bucle = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._plazo_s):
                hecho = await bucle.run_in_executor(self._hilo, self._notificar, mensaje)
        except TimeoutError as fallo:
            raise AvisoSinEntregar(f"no answer within {self._plazo_s:g} s") from fallo
        except Exception as fallo:  # noqa: BLE001 -- hundreds of services, each with errors of its own
            # Their texts may quote the address.
            raise AvisoSinEntregar(f"the service failed: {type(fallo).__name__}") from None
        if not hecho:
            raise AvisoSinEntregar("the service did not take it")

    def _notificar(self, mensaje: Mensaje) -> bool:
        return bool(
            self._servicio.notify(
                mensaje.cuerpo,
                mensaje.titulo,
                self._tipos[mensaje.nivel],
                self._formato,
                interpret_escapes=False,
            )
        )
