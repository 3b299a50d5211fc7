"""A whole cycle on fakes: real services, false exchange, scripted policy."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from src.nucleo.accion import ReglaAccion
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, Indicadores, ParametrosIndicadores
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.observacion import Escalador, FormaPortafolio, Rasgos
from src.nucleo.recompensa import ReglaRecompensa
from src.nucleo.tipos import Vela
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.ciclo import Ciclo, Piezas
from src.produccion.cuenta import Cuenta, Libro
from src.produccion.dataprovider import DataProvider, RangoRasgos
from src.produccion.decision import Reglas
from src.produccion.observacion import ObservacionBuilder
from src.produccion.ordenes.ejecutor import Ejecutor
from src.produccion.Registro import RegistroProduccion, sello_libre
from src.produccion.riesgo.control_riesgo import ControlRiesgo
from tests.constructores import HORA_MS, una_vela, unas_velas, unos_limites
from tests.produccion.falsos import BolsaFalsa, DiarioFalso, PoliticaGuion

AGENTE = "sim-abc:BTCUSDT:train_x"
VENTANA = 4
N_CALENTAMIENTO = VELAS_CALENTAMIENTO + VENTANA


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
    n = len(Indicadores(ParametrosIndicadores(), Rasgos.SEMILLA).columnas)
    partes: dict[str, Any] = {
        "indicadores": Indicadores(ParametrosIndicadores(), Rasgos.SEMILLA),
        "escalador": Escalador(np.zeros(n), np.ones(n)),
        "window_size": VENTANA,
        "rango": RangoRasgos(np.full(n, -np.inf), np.full(n, np.inf)),
    }
    return DataProvider(bolsa, "BTCUSDT", "1h", **(partes | cambios))


@dataclass
class Banco:
    """A cycle and everything around it."""

    bolsa: BolsaFalsa
    diario: DiarioFalso
    politica: PoliticaGuion
    datos: DataProvider
    cuenta: Cuenta
    control: ControlRiesgo
    registro: RegistroProduccion
    ciclo: Ciclo
    velas: int = 0

    async def cerrar_vela(self, close: float, **cambios: Any) -> None:
        """A candle closes at a price: the window takes it and the cycle decides."""
        self.velas += 1
        apertura = self.datos.esperada_ms
        vela = una_vela(close, apertura_ms=apertura, **cambios)
        self.bolsa.historia.append(vela)
        self.bolsa.precio_actual = close
        self.bolsa.reloj.instante_ms = apertura + HORA_MS
        await self.datos.actualizar(vela)
        await self.ciclo.procesar_vela(apertura + HORA_MS)

    @property
    def filas(self) -> list[dict[str, str]]:
        """The session CSV as it is on disk now."""
        return leer_csv(self.registro.ruta)

    @property
    def emergencias(self) -> list[dict[str, str]]:
        """The emergencies CSV as it is on disk now."""
        return leer_csv(self.registro.ruta_emergencias)


def leer_csv(ruta: Path) -> list[dict[str, str]]:
    with ruta.open(encoding="utf-8", newline="") as archivo:
        return list(csv.DictReader(archivo))


async def montar(
    carpeta: Path,
    *acciones: float,
    limite: float = 0.2,
    equity_maximo: float | None = None,
    libro: Libro | None = None,
    regla: ReglaAccion | None = None,
    fraccion_fuera_max: float = 1.0,
    rango: RangoRasgos | None = None,
    **bolsa: Any,
) -> Banco:
    """A cycle that has warmed up at 30,000 and holds what the exchange says."""
    falsa = BolsaFalsa(**({"historia": list(historia())} | bolsa))
    falsa.reloj.instante_ms = frontera()
    diario = DiarioFalso()
    datos = un_proveedor(falsa, **({"rango": rango} if rango is not None else {}))
    await datos.calentar()
    mercado, limites = falsa.mercado, unos_limites()
    cuenta = Cuenta(falsa, mercado, libro)
    estado = await cuenta.abrir(falsa.reloj.ahora_ms())
    ejecutor = Ejecutor(falsa, diario, falsa.reloj, "BTCUSDT")
    control = ControlRiesgo(
        falsa,
        ejecutor,
        diario,
        falsa.reloj,
        mercado,
        limites,
        limite,
        equity_maximo or estado.saldo,
        con_libro=libro is not None,
        fraccion_fuera_max=fraccion_fuera_max,
    )
    registro = RegistroProduccion(carpeta, sello_libre(carpeta, falsa.reloj.ahora_ms()))
    politica = PoliticaGuion(*acciones)
    piezas = Piezas(
        datos=datos,
        cuenta=cuenta,
        observador=ObservacionBuilder(FormaPortafolio(estado.saldo, 2.0)),
        agente=AgenteProduccion(politica, regla or ReglaAccion(), 2.0),
        control=control,
        ejecutor=ejecutor,
        registro=registro,
        diario=diario,
        reloj=falsa.reloj,
    )
    ciclo = Ciclo(piezas, Reglas(AGENTE, mercado, limites, ReglaRecompensa(), 0.0002))
    return Banco(falsa, diario, politica, datos, cuenta, control, registro, ciclo)
