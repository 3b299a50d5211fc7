"""The embedded dry run: a simulator process of its own, reached over loopback, gone with its daemon."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.nucleo.errores import ConfiguracionInvalida, EmergenciaOperacional
from src.nucleo.tipos import Mercado
from src.produccion.config.config import CLAVE_SIMULADOR, Opciones

_ESPERA_S = 60.0
_DESPEDIDA_S = 5.0


def argumentos_simulador(
    opciones: Opciones, configuracion: ConfiguracionArtefacto, mercado: Mercado
) -> list[str]:
    """Command line of a simulator whose costs are those the artefact was trained with."""
    portafolio = configuracion.portafolio
    simbolo = configuracion.data_downloader.symbol
    datos = (
        ["--data", f"{simbolo}={opciones.datos}"]
        if opciones.datos is not None
        else ["--synthetic", "--symbol", simbolo]
    )
    return [
        *datos,
        *("--interval", configuracion.data_downloader.interval),
        *("--speed", opciones.velocidad, "--path", configuracion.entorno.camino.value),
        *("--account", f"{CLAVE_SIMULADOR}:{CLAVE_SIMULADOR}:{portafolio.capital_inicial}"),
        *("--commission", str(mercado.comision_taker), "--slippage", str(portafolio.slippage)),
        *("--funding-rate", str(portafolio.tasa_funding)),
    ]


@asynccontextmanager
async def simulador_embebido(argumentos: Sequence[str]) -> AsyncIterator[str]:
    """Run a simulator for the length of the block; yields its address.

    It ends with this process however this process ends, and the block ends with it.

    Raises:
        ConfiguracionInvalida: It did not start; the text is its own.
        EmergenciaOperacional: It ended before the block did.
    """
    with tempfile.TemporaryDirectory(prefix="timonel-sim-") as carpeta:
        listo = Path(carpeta) / "ready.json"
        proceso = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "src.cli.simulator", "--port", "0", "--ready-file", str(listo)),
            *("--until-eof", *argumentos),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        vigia: asyncio.Task[None] | None = None
        try:
            url = await _esperar(proceso, listo)
            vigia = asyncio.create_task(_vigilar(proceso, asyncio.current_task()), name="vigia_simulador")
            yield url
        except asyncio.CancelledError as fallo:
            if vigia is None or not vigia.done():
                raise
            raise EmergenciaOperacional(
                f"the embedded simulator ended with code {proceso.returncode}, and the session with it"
            ) from fallo
        finally:
            if vigia is not None:
                vigia.cancel()
            await _terminar(proceso)


async def _vigilar(proceso: asyncio.subprocess.Process, tarea: asyncio.Task[object] | None) -> None:
    """End the block when the simulator ends."""
    await proceso.wait()
    if tarea is not None:
        tarea.cancel()


async def _esperar(proceso: asyncio.subprocess.Process, listo: Path) -> str:
    limite = asyncio.get_running_loop().time() + _ESPERA_S
    while not listo.exists():
        if proceso.returncode is not None:
            texto = (await proceso.stderr.read()).decode(errors="replace").strip() if proceso.stderr else ""
            queja = texto.removeprefix("error: ")
            raise ConfiguracionInvalida(queja or f"the simulator ended with code {proceso.returncode}")
        if asyncio.get_running_loop().time() > limite:
            raise ConfiguracionInvalida(f"the simulator did not start within {_ESPERA_S:.0f} s")
        await asyncio.sleep(0.05)
    return str(json.loads(listo.read_text(encoding="utf-8"))["url"])


async def _terminar(proceso: asyncio.subprocess.Process) -> None:
    if proceso.returncode is not None:
        return
    proceso.terminate()
    try:
        await asyncio.wait_for(proceso.wait(), _DESPEDIDA_S)
    except TimeoutError:
        proceso.kill()
        await proceso.wait()
