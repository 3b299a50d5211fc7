"""Several ``timonel monitor_stops`` on one store, killed and cut off where a seed says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

from aiohttp import web

from caos.procesos import RAIZ, entorno
from tests.constructores import INICIO_MS
from tests.produccion.monitor.bolsa_contada import PRECIO, BolsaContada

ORDEN = "POST /fapi/v1/order"
_SALIDA_INTERRUMPIDA = 130
_SIN_ALMACEN = 2  # it could not be opened at the start
_HORA_MS = 3_600_000
_FIN_S = 30.0
_RETRASOS_S = (0.0, 0.0, 0.004, 0.02, 0.08)
_EN_ORDENES = 0.7  # share of the blows that fall while something is executed
_MOMENTOS = ("before", "after")


class Golpe(NamedTuple):
    """What befalls the monitor that sends a request, or the database."""

    enesimo: int  # of the requests that it counts
    ordenes: bool  # whether it counts orders only
    momento: str  # before or after the request is carried out
    retraso_s: float  # wall time from there
    muerte: bool  # kill -9 of the monitor; else every connection to the database is cut


def sortear_golpes(semilla: int, muertes: int, cortes: int, operaciones: int) -> list[Golpe]:
    """Draw a run's blows: equal arguments give equal ones.

    Args:
        semilla: The seed.
        muertes: Kills.
        cortes: Cuts of the database.
        operaciones: Orders that there will be.
    """
    azar = Random(f"store|{semilla}|{muertes}|{cortes}|{operaciones}")
    golpes = []
    for numero in range(muertes + cortes):
        ordenes = azar.random() < _EN_ORDENES
        hasta = max(1, int(0.9 * operaciones)) if ordenes else 3 * operaciones
        golpes.append(
            Golpe(
                azar.randint(1, hasta),
                ordenes,
                azar.choice(_MOMENTOS),
                azar.choice(_RETRASOS_S),
                numero < muertes,
            )
        )
    return golpes


class BolsaGolpeada(BolsaContada):
    """An exchange that knows which monitor asks, by the port, and lets blows fall.

    Args:
        simbolos: In which a position is open.
        golpes: What happens, and when.
        matar: Kills a monitor.
        cortar: Cuts the connections to the database.
    """

    def __init__(
        self,
        simbolos: list[str],
        golpes: list[Golpe],
        matar: Callable[[int], None],
        cortar: Callable[[], None],
    ) -> None:
        super().__init__(simbolos)
        self.urls: list[str] = []
        self.puertos: dict[int, int] = {}  # port -> monitor
        self.negadas = 0
        self._golpes = golpes
        self._matar = matar
        self._cortar = cortar
        self._vistas: Counter[bool] = Counter()
        self._tareas: set[asyncio.Task[None]] = set()
        self._un_corte = asyncio.Lock()  # two at once would cut each other off

    async def atender(self, peticion: web.Request) -> web.Response:
        """Answer one request, with what befalls it."""
        ordena = f"{peticion.method} {peticion.path}" == ORDEN
        golpes = self._debidos(ordena=ordena)
        quien = self._quien(peticion)
        for golpe in golpes:
            if golpe.momento == "before":
                await self._dar(golpe, quien)
                if golpe.muerte:
                    return web.Response(status=500)
        antes = len(self.ordenes)
        respuesta = await self._contestar(peticion)
        if ordena and len(self.ordenes) == antes:
            self.negadas += 1
        for golpe in golpes:
            if golpe.momento == "after" and golpe.retraso_s:
                # What the monitor does with the answer is cut short.
                self._tareas.add(asyncio.create_task(self._dar(golpe, quien)))
            elif golpe.momento == "after":
                await self._dar(golpe, quien)
        return respuesta

    async def _contestar(self, peticion: web.Request) -> web.Response:
        """Besides what monitors ask for in peace, what they ask for after one of them has died."""
        match peticion.method, peticion.path:
            case "GET", "/fapi/v1/userTrades":
                simbolo = peticion.query["symbol"]
                filas = enumerate(self.ordenes, 1)
                return web.json_response([_fill(n, o) for n, o in filas if o["symbol"] == simbolo])
            case "GET", "/fapi/v1/order" if "orderId" in peticion.query:
                numero = int(peticion.query["orderId"])
                return web.json_response(self._orden(numero, self.ordenes[numero - 1]))
        return await super().atender(peticion)

    def _debidos(self, *, ordena: bool) -> list[Golpe]:
        self._vistas[False] += 1
        self._vistas[True] += ordena
        return [
            golpe
            for golpe in self._golpes
            if golpe.enesimo == self._vistas[golpe.ordenes] and (ordena or not golpe.ordenes)
        ]

    def _quien(self, peticion: web.Request) -> int:
        assert peticion.transport is not None
        return self.puertos[peticion.transport.get_extra_info("sockname")[1]]

    async def _dar(self, golpe: Golpe, quien: int) -> None:
        await asyncio.sleep(golpe.retraso_s)
        if golpe.muerte:
            self._matar(quien)
        else:
            async with self._un_corte:
                await asyncio.to_thread(self._cortar)


def _fill(numero: int, orden: dict[str, str]) -> dict[str, str | int]:
    """The only fill of an order."""
    return {
        "id": numero,
        "orderId": numero,
        "symbol": orden["symbol"],
        "side": orden["side"],
        "qty": orden["quantity"],
        "price": str(PRECIO),
        "commission": "0",
        "realizedPnl": "0",
        "time": INICIO_MS + _HORA_MS,
    }


@asynccontextmanager
async def servida(bolsa: BolsaGolpeada, monitores: int) -> AsyncIterator[None]:
    """Serve an exchange on one port for each monitor."""
    corredor = web.ServerRunner(web.Server(bolsa.atender))
    await corredor.setup()
    try:
        for monitor in range(monitores):
            await web.TCPSite(corredor, "127.0.0.1", 0).start()
            anfitrion, puerto = corredor.addresses[-1][:2]
            bolsa.puertos[puerto] = monitor
            bolsa.urls.append(f"http://{anfitrion}:{puerto}")
        yield
    finally:
        await corredor.cleanup()


@dataclass(slots=True)
class _Puesto:
    """One monitor, through all its lives."""

    proceso: asyncio.subprocess.Process | None = None
    matado: bool = False


class Monitores:
    """Keeps monitors alive; each has a state directory of its own, as on machines of their own.

    Args:
        cuantos: How many.
        url: Address of the store.
        carpeta: For their state directories and what they say.
    """

    def __init__(self, cuantos: int, url: str, carpeta: Path) -> None:
        self._url = url
        self._carpeta = carpeta
        self._puestos = [_Puesto() for _ in range(cuantos)]
        self.vidas = 0
        self.muertes = 0
        self.sin_almacen = 0
        self.inesperadas: list[str] = []

    def matar(self, cual: int) -> None:
        """``kill -9`` of one; it is started again by the next `cuidar`."""
        puesto = self._puestos[cual]
        if puesto.proceso is not None and puesto.proceso.returncode is None and not puesto.matado:
            puesto.matado = True
            self.muertes += 1
            os.killpg(puesto.proceso.pid, signal.SIGKILL)

    async def cuidar(self, urls: list[str]) -> None:
        """Start those that do not run."""
        for cual, puesto in enumerate(self._puestos):
            proceso = puesto.proceso
            if proceso is not None and proceso.returncode is None:
                continue
            if proceso is not None and not puesto.matado:
                self._juzgar(cual, proceso.returncode)
            puesto.proceso, puesto.matado = await self._empezar(cual, urls[cual]), False

    def _juzgar(self, cual: int, codigo: int | None) -> None:
        """A monitor that ended by itself: only a database that was cut off at the start excuses it."""
        if codigo == _SIN_ALMACEN:
            self.sin_almacen += 1
            return
        palabras = (self._carpeta / f"monitor-{cual}.log").read_text(encoding="utf-8").splitlines()[-8:]
        self.inesperadas.append(f"monitor {cual} ended with code {codigo}: {' / '.join(palabras)}")

    async def _empezar(self, cual: int, url_bolsa: str) -> asyncio.subprocess.Process:
        self.vidas += 1
        with (self._carpeta / f"monitor-{cual}.log").open("ab") as salida:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "src.cli.app", "monitor_stops", "--continuous", "--interval", "0.2"),
                *("--exchange-url", url_bolsa, "--state-dir", str(self._carpeta / f"state-{cual}"), "--json"),
                cwd=RAIZ,
                env=entorno() | {"TIMONEL_DB_URL": self._url},
                stdout=salida,
                stderr=salida,
                start_new_session=True,
            )

    async def terminar(self) -> None:
        """End all; one that does not end in time is killed and told of.

        Ctrl+C would be ignored by processes of a shell's background job.
        """
        vivos = [p.proceso for p in self._puestos if p.proceso is not None and p.proceso.returncode is None]
        for proceso in vivos:
            proceso.terminate()
        for proceso in vivos:
            try:
                codigo = await asyncio.wait_for(proceso.wait(), _FIN_S)
            except TimeoutError:
                os.killpg(proceso.pid, signal.SIGKILL)
                self.inesperadas.append(f"a monitor did not end within {_FIN_S:g} s of SIGTERM")
                continue
            if codigo not in (_SALIDA_INTERRUMPIDA, -signal.SIGTERM, -signal.SIGKILL):
                self.inesperadas.append(f"an interrupted monitor ended with code {codigo}")
