"""A whole cycle on fakes: wired as in production, false exchange, scripted policy, more than one life."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.artefactos.secciones import Proteccion
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, Indicadores, ParametrosIndicadores
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.observacion import Escalador, Rasgos
from src.nucleo.politica import Politica
from src.nucleo.stops import FRACCION_LIQUIDACION, TipoProteccion
from src.nucleo.tipos import Vela
from src.produccion.armado import Materiales, Nucleo, armar_ciclo, armar_nucleo
from src.produccion.ciclo import Ciclo
from src.produccion.config.config import Ajustes
from src.produccion.cronica import Cronica
from src.produccion.cuenta import Cuenta
from src.produccion.dataprovider import DataProvider, RangoRasgos
from src.produccion.diario.diario import EventoDiario
from src.produccion.diario.memoria import SesionEscrita
from src.produccion.diario.recuerdo import Recuerdo, filas_desde, recordar_todo
from src.produccion.ordenes.ejecutor import Ejecutor
from src.produccion.Registro import Asentado, Emergencia, RegistroProduccion, completar, sello_libre
from src.produccion.riesgo.control_riesgo import ControlRiesgo
from src.produccion.stops.proteccion import Protector
from tests.artefactos.fabrica import crear_artefacto, una_configuracion
from tests.constructores import HORA_MS, una_vela, unas_velas
from tests.produccion.falsos import BolsaFalsa, DiarioFalso, PoliticaGuion

AGENTE = "sim-abc:BTCUSDT:train_x"
VENTANA = 4
N_CALENTAMIENTO = VELAS_CALENTAMIENTO + VENTANA
N_RASGOS = 16


@cache
def historia(precio: float = 30_000.0) -> tuple[Vela, ...]:
    """As many candles as the warm-up needs, the last one closing at a price."""
    velas = unas_velas(N_CALENTAMIENTO, semilla=3, precio=precio)
    ultima = velas[-1]
    velas[-1] = una_vela(precio, apertura_ms=ultima.apertura_ms)
    return tuple(velas)


def frontera(velas: int = 0) -> int:
    """The instant at which the history ends, or a number of candles later."""
    return siguiente_apertura(historia()[-1].apertura_ms, "1h", velas + 1)


def un_proveedor(bolsa: BolsaFalsa, **cambios: Any) -> DataProvider:
    """Features unscaled; anything is inside the training range."""
    partes: dict[str, Any] = {
        "indicadores": Indicadores(ParametrosIndicadores(), Rasgos.SEMILLA),
        "escalador": Escalador(np.zeros(N_RASGOS), np.ones(N_RASGOS)),
        "window_size": VENTANA,
        "rango": RangoRasgos(np.full(N_RASGOS, -np.inf), np.full(N_RASGOS, np.inf)),
    }
    return DataProvider(bolsa, "BTCUSDT", "1h", **(partes | cambios))


@cache
def _artefacto() -> Artefacto:
    """Features unscaled; anything is inside the training range."""
    configuracion = una_configuracion(preprocesamiento__rasgos="semilla", entorno__escalones_riesgo=False)
    with tempfile.TemporaryDirectory() as carpeta:
        base = Path(carpeta)
        artefacto = leer_artefacto(base, crear_artefacto(base, configuracion))
    sin_escalar = replace(artefacto, escalador=Escalador(np.zeros(N_RASGOS), np.ones(N_RASGOS)))
    return con_rango(sin_escalar, -np.inf, np.inf)


def un_artefacto(**entorno: Any) -> Artefacto:
    """`_artefacto`, with other settings of the environment."""
    artefacto = _artefacto()
    cambiado = artefacto.configuracion.entorno.model_copy(update=entorno)
    return replace(artefacto, configuracion=artefacto.configuracion.model_copy(update={"entorno": cambiado}))


def con_rango(artefacto: Artefacto, minimo: float, maximo: float) -> Artefacto:
    """The same artefact, as if every feature had stayed in a range during training."""
    rasgos = artefacto.manifiesto.rasgos.model_copy(
        update={"minimo": (minimo,) * N_RASGOS, "maximo": (maximo,) * N_RASGOS}
    )
    return replace(artefacto, manifiesto=artefacto.manifiesto.model_copy(update={"rasgos": rasgos}))


class Lectura:
    """A journal as the next life reads it: from JSON."""

    def __init__(self, eventos: Sequence[EventoDiario]) -> None:
        self.eventos = [e._replace(contenido=orjson.loads(orjson.dumps(e.contenido))) for e in eventos]

    def leer(self, agregado: str | None = None, *, despues_de: int = 0) -> Iterator[EventoDiario]:
        return (e for e in self.eventos if agregado in (None, e.agregado) and e.seq > despues_de)

    def ultimo(self, agregado: str | None, *tipos: str) -> EventoDiario | None:
        vistos = (e for e in reversed(self.eventos) if agregado in (None, e.agregado))
        return next((e for e in vistos if not tipos or e.tipo in tipos), None)


@dataclass(frozen=True, kw_only=True)
class Mundo:
    """What outlives a daemon."""

    carpeta: Path
    bolsa: BolsaFalsa
    diario: DiarioFalso
    politica: Politica
    artefacto: Artefacto
    ajustes: Ajustes
    capital: float | None


@dataclass
class Banco:
    """One life of a daemon: a cycle and everything around it."""

    mundo: Mundo
    bolsa: BolsaFalsa
    diario: DiarioFalso
    politica: Any
    recuerdo: Recuerdo
    nucleo: Nucleo
    registro: RegistroProduccion
    ciclo: Ciclo
    control: ControlRiesgo
    cronica: Cronica

    @property
    def datos(self) -> DataProvider:
        return self.ciclo.datos

    @property
    def cuenta(self) -> Cuenta:
        return self.nucleo.cuenta

    @property
    def ejecutor(self) -> Ejecutor:
        return self.nucleo.ejecutor

    @property
    def protector(self) -> Protector:
        return self.nucleo.protector

    async def cerrar_vela(self, close: float, **cambios: Any) -> None:
        """A candle closes at a price: the window takes it and the cycle decides."""
        vela = una_vela(close, apertura_ms=self.datos.esperada_ms, **cambios)
        pasa(self.bolsa, vela)
        await self.datos.actualizar(vela)
        self.ciclo.anotar_velas(self.datos.tomadas)
        await self.decidir()

    async def decidir(self) -> None:
        """Decide on the newest candle, or end what was decided on it."""
        if self.ciclo.debe_decidir():
            await self.ciclo.procesar_vela(self.datos.esperada_ms)

    async def volver(self) -> Banco:
        """The daemon is gone; another one goes on with what it left behind."""
        self.registro.cerrar()
        return await arrancar(self.mundo)

    @property
    def filas(self) -> list[dict[str, str]]:
        """The session CSV as it is on disk once its thread is idle."""
        assert self.registro.esperar(60.0)
        return leer_csv(self.registro.ruta)

    @property
    def emergencias(self) -> list[dict[str, str]]:
        """The emergencies CSV as it is on disk once its thread is idle."""
        assert self.registro.esperar(60.0)
        return leer_csv(self.registro.ruta_emergencias)


def pasa(bolsa: BolsaFalsa, vela: Vela) -> None:
    """The market reaches the close of a candle."""
    bolsa.historia.append(vela)
    bolsa.mover(vela.close)
    bolsa.reloj.instante_ms = vela.apertura_ms + HORA_MS


def leer_csv(ruta: Path) -> list[dict[str, str]]:
    with ruta.open(encoding="utf-8", newline="") as archivo:
        return list(csv.DictReader(archivo))


def mundo_nuevo(
    carpeta: Path,
    *acciones: float,
    limite: float = 0.2,
    capital: float | None = None,
    proteccion: TipoProteccion = TipoProteccion.NINGUNA,
    fraccion_liquidacion: float = FRACCION_LIQUIDACION,
    freno: Mapping[str, Any] | None = None,
    fraccion_fuera_max: float = 1.0,
    rango: tuple[float, float] | None = None,
    politica: Politica | None = None,
    escalones: bool = False,
    **bolsa: Any,
) -> Mundo:
    """A market at 30,000 that nobody has traded; ``freno`` adds to the section of the protection."""
    falsa = BolsaFalsa(**({"historia": list(historia())} | bolsa))
    falsa.reloj.instante_ms = frontera()
    protege = Proteccion(tipo=proteccion, fraccion_liquidacion=fraccion_liquidacion, **(freno or {}))
    artefacto = un_artefacto(max_drawdown_permitido=limite, proteccion=protege, escalones_riesgo=escalones)
    return Mundo(
        carpeta=carpeta,
        bolsa=falsa,
        diario=DiarioFalso(),
        politica=politica or PoliticaGuion(*acciones),
        artefacto=artefacto if rango is None else con_rango(artefacto, *rango),
        ajustes=Ajustes.model_validate({"feature_range": {"hold_entries_above": fraccion_fuera_max}}),
        capital=capital,
    )


async def montar(
    carpeta: Path, *acciones: float, equity_maximo: float | None = None, **cambios: Any
) -> Banco:
    """A cycle that has warmed up in a `mundo_nuevo` and holds what the exchange says."""
    mundo = mundo_nuevo(carpeta, *acciones, **cambios)
    if equity_maximo is not None:
        pico: dict[str, object] = {"equity": equity_maximo, "ledger": mundo.capital is not None}
        mundo.diario.anotar_luego("risk", "PEAK", frontera(), pico)
    return await arrancar(mundo)


async def arrancar(
    mundo: Mundo, calentar: Callable[[DataProvider], Awaitable[None]] = DataProvider.calentar
) -> Banco:
    """A daemon starts: it recovers what was begun, then fills its window."""
    lectura: Any = Lectura(mundo.diario.eventos)
    recuerdo = recordar_todo(lectura, mundo.carpeta / "estado", AGENTE)
    memoria = recuerdo.agente
    sello = memoria.sesion or sello_libre(mundo.carpeta, mundo.bolsa.reloj.ahora_ms())
    if memoria.acabada is not None:
        completar(mundo.carpeta, memoria.acabada.sesion, _asentado_de(memoria.acabada, lectura))
    registro = RegistroProduccion(mundo.carpeta, sello, _asentado(recuerdo, lectura))
    try:
        banco = await _componer(mundo, recuerdo, registro)
        if memoria.pendiente is not None:
            banco.ciclo.retomar(memoria.pendiente)
        await banco.ciclo.recuperar()
        await calentar(banco.datos)
    except BaseException:
        registro.cerrar()
        raise
    if memoria.sesion is not None:
        banco.ciclo.anotar_velas(banco.datos.tomadas)
    return banco


async def _componer(mundo: Mundo, recuerdo: Recuerdo, registro: RegistroProduccion) -> Banco:
    bolsa, diario = mundo.bolsa, mundo.diario
    materiales = Materiales(
        artefacto=mundo.artefacto,
        ajustes=mundo.ajustes,
        politica=mundo.politica,
        agente_id=AGENTE,
        capital=mundo.capital,
        carpeta=mundo.carpeta / "estado",
        bolsa=bolsa,
        diario=diario,
        reloj=bolsa.reloj,
        mercado=bolsa.mercado,
        recuerdo=recuerdo,
        avanzar=lambda: None,
    )
    nucleo = armar_nucleo(materiales)
    if recuerdo.agente.instantanea is None:
        await nucleo.cuenta.abrir(bolsa.reloj.ahora_ms())
    mark = await bolsa.precio_mark("BTCUSDT")
    tipo = "SESSION_STARTED" if recuerdo.agente.sesion is None else "SESSION_RESUMED"
    diario.anotar_luego(
        f"agent:{AGENTE}", tipo, bolsa.reloj.ahora_ms(), {"equity": 1.0, "session": registro.sello}
    )
    ciclo = armar_ciclo(materiales, nucleo, registro, nucleo.cuenta.estado, mark)
    piezas = ciclo._p
    return Banco(
        *(mundo, bolsa, diario, mundo.politica, recuerdo, nucleo, registro, ciclo),
        control=piezas.control,
        cronica=piezas.cronica,
    )


def _asentado(recuerdo: Recuerdo, lectura: Any) -> Asentado | None:
    memoria = recuerdo.agente
    if memoria.sesion is None:
        return None
    total = memoria.instantanea.filas if memoria.instantanea else 0
    return _asentado_de(SesionEscrita(memoria.sesion, total, memoria.emergencia), lectura)


def _asentado_de(escrita: SesionEscrita, lectura: Any) -> Asentado:
    sesion, total, emergencia = escrita
    return Asentado(
        total,
        lambda primera: filas_desde(lectura, AGENTE, sesion, total, primera),
        Emergencia(*emergencia) if emergencia is not None else None,
    )
