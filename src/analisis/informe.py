"""Everything a report says about a run, as values; how it looks is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.analisis.historia import Historia, tiempos_de, unir
from src.analisis.lectura import Emergencia, Sesion, leer_emergencias, leer_sesiones
from src.analisis.operaciones import OperacionCompleta, Salida, listar_operaciones
from src.artefactos.rutas import MANIFIESTO, PRODUCCION
from src.graficos.datos import DatosGrafico, TramoPosicion
from src.graficos.estilo import cifra, contar
from src.nucleo.errores import DatosInvalidos
from src.nucleo.metricas import Costos, Resumen, resumir
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Operacion, TipoAccion

_TOLERANCIA_FLOTANTE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribucion:
    """What was asked for, and what became of it; rows counted."""

    tipos: dict[TipoAccion, int]
    pedidas: dict[Operacion, int]
    ejecutadas: dict[Operacion, int]
    filas: dict[StatusFila, int]
    accion_media: float | None  # −1 … 1; None without any action
    accion_absoluta_media: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodio:
    """One of several starts of an evaluation."""

    numero: int
    desde_ms: int
    resumen: Resumen


@dataclass(frozen=True, slots=True, kw_only=True)
class Informe:
    """The analysis of one run; amounts in margin asset."""

    titulo: str
    subtitulo: str  # empty when the title says it all
    historia: Historia
    resumen: Resumen
    operaciones: tuple[OperacionCompleta, ...]
    distribucion: Distribucion
    emergencias: tuple[Emergencia, ...]
    episodios: tuple[Episodio, ...]  # empty unless there are several
    avisos: tuple[str, ...]
    datos: DatosGrafico

    @property
    def max_drawdown_vigilado(self) -> float:
        """Largest drawdown that the monitor saw, also inside candles; fraction of the peak."""
        return float(self.historia.filas.max_drawdown.max())

    @property
    def balance_final(self) -> float:
        """Wallet in the last row."""
        return float(self.historia.filas.balance[-1])

    @property
    def equity_final(self) -> float:
        """Equity in the last row, whatever moved it."""
        return float(self.historia.filas.equity[-1])

    @property
    def resultado(self) -> float:
        """Change of equity that trading made, after costs."""
        return self.equity_final - self.resumen.equity_inicial - float(self.historia.no_atribuido.sum())


def analizar(rutas: Sequence[Path], emergencias: Sequence[Path] = ()) -> Informe:
    """Read session files of one agent and analyse them as one run.

    Args:
        rutas: Session CSV files in any order, or the folder of one evaluation.
        emergencias: Emergencies CSV files of the same sessions.

    Raises:
        DatosInvalidos: Nothing to read, a file that breaks its contract, or sessions that overlap.
    """
    if not rutas:
        raise DatosInvalidos("no session file was given; name at least one registro_….csv")
    leidas = [leer_sesiones(ruta) for ruta in rutas]
    if len(leidas) > 1 and any(len(sesiones) > 1 for sesiones in leidas):
        raise DatosInvalidos(
            "an evaluation with several episodes cannot be joined to other files; report it alone"
        )
    episodios = leidas[0] if len(leidas[0]) > 1 else ()
    historia = unir([sesiones[0] for sesiones in leidas])
    avisos: list[str] = []
    filas_emergencia: list[Emergencia] = []
    for ruta in emergencias:
        nuevas, propios = leer_emergencias(ruta)
        filas_emergencia += nuevas
        avisos += propios
    titulos = titular(rutas, historia)
    return _componer(titulos, historia, episodios, tuple(filas_emergencia), avisos)


def titular(rutas: Sequence[Path], historia: Historia) -> tuple[str, str]:
    """Title and subtitle: the artefact whose sessions these are and their names, or only their names."""
    nombres = ", ".join(sesion.nombre for sesion in historia.sesiones)
    carpetas = {ruta.resolve().parent for ruta in rutas}
    if len(carpetas) == 1:
        (carpeta,) = carpetas
        if carpeta.name == PRODUCCION and carpeta.parent.name:
            return carpeta.parent.name, nombres
        if (carpeta / MANIFIESTO).is_file():
            return carpeta.name, nombres
    return nombres, ""


def _componer(
    titulos: tuple[str, str],
    historia: Historia,
    episodios: Sequence[Sesion],
    emergencias: tuple[Emergencia, ...],
    avisos: list[str],
) -> Informe:
    operaciones = listar_operaciones(historia)
    resumen = _resumir(historia, operaciones)
    return Informe(
        titulo=titulos[0],
        subtitulo=titulos[1],
        historia=historia,
        resumen=resumen,
        operaciones=operaciones,
        distribucion=_distribuir(historia),
        emergencias=tuple(sorted(emergencias, key=lambda emergencia: emergencia.tiempo_ms)),
        episodios=tuple(_medir_episodio(numero, sesion) for numero, sesion in enumerate(episodios, start=1)),
        avisos=(*_avisar(historia, len(episodios)), *avisos),
        datos=_dibujable(historia, operaciones),
    )


def _resumir(historia: Historia, operaciones: Sequence[OperacionCompleta]) -> Resumen:
    filas = historia.filas
    return resumir(
        historia.curva(),
        velas=historia.velas,
        netos=[operacion.neto for operacion in operaciones if operacion.neto is not None],
        nocional=historia.nocional(),
        costos=Costos(
            comisiones=float(filas.comision.sum()),
            slippage=float(filas.slippage.sum()),
            funding=float(historia.funding.sum()),
        ),
        velas_ano=historia.velas_ano,
    )


def _medir_episodio(numero: int, sesion: Sesion) -> Episodio:
    historia = unir([sesion])
    return Episodio(
        numero=numero,
        desde_ms=int(sesion.filas.tiempo_ms[0]),
        resumen=_resumir(historia, listar_operaciones(historia)),
    )


def _distribuir(historia: Historia) -> Distribucion:
    filas = historia.filas
    pedidas = filas.operacion.tolist()
    ejecutadas = filas.operacion[filas.cantidad_ejecutada > 0.0].tolist()
    acciones = filas.accion[np.isfinite(filas.accion)]
    return Distribucion(
        tipos={tipo: filas.tipo_accion.tolist().count(tipo.value) for tipo in TipoAccion},
        pedidas={operacion: pedidas.count(operacion.value) for operacion in Operacion},
        ejecutadas={operacion: ejecutadas.count(operacion.value) for operacion in Operacion},
        filas={status: filas.status.tolist().count(status.value) for status in StatusFila},
        accion_media=float(acciones.mean()) if acciones.size else None,
        accion_absoluta_media=float(np.abs(acciones).mean()) if acciones.size else None,
    )


def _avisar(historia: Historia, episodios: int) -> list[str]:
    """What a reader must know before believing the figures."""
    avisos = [aviso for sesion in historia.sesiones for aviso in sesion.avisos]
    if episodios:
        avisos.append(f"{episodios} episodes: the report shows the first, a table compares them all")
    faltan = sum(hueco.velas for hueco in historia.huecos)
    if faltan:
        avisos.append(
            f"{contar(faltan, 'missing candle')} in {contar(len(historia.huecos), 'span')}; "
            "nothing was decided there"
        )
    if historia.cambios_sin_ejecucion:
        avisos.append(
            f"the position changed {contar(historia.cambios_sin_ejecucion, 'time')} without a fill that "
            "tells it; what that earned or cost may be taken for funding"
        )
    if abs(historia.balance_no_atribuido) > _TOLERANCIA_FLOTANTE:
        cambio = cifra(historia.balance_no_atribuido, signo=True)
        avisos.append(
            f"the balance moved by {cambio} for reasons that no row tells "
            "(deposits, withdrawals, what happened while the agent was down); "
            "it counts neither as result nor as cost"
        )
    if historia.curva().equity.min() <= 0.0:
        avisos.append("the equity reached zero; returns after that point count as 0")
    return avisos


def _dibujable(historia: Historia, operaciones: Sequence[OperacionCompleta]) -> DatosGrafico:
    curva = historia.curva()
    inicio = int(historia.filas.tiempo_ms[0])
    return DatosGrafico(
        tiempo_ms=tiempos_de(historia),
        precio=curva.precio,
        equity=curva.equity,
        exposicion=curva.exposicion,
        accion=historia.filas.accion[historia.puntos],
        posiciones=tuple(_tramo(operacion, inicio) for operacion in operaciones),
        huecos_ms=tuple((hueco.desde_ms, hueco.hasta_ms) for hueco in historia.huecos if hueco.velas),
    )


def _tramo(operacion: OperacionCompleta, inicio_ms: int) -> TramoPosicion:
    entrada = operacion.entrada_ms if operacion.entrada_ms is not None else inicio_ms
    vista = operacion.salida is not Salida.DESCONOCIDA
    return TramoPosicion(
        largo=operacion.larga,
        entrada_ms=entrada,
        precio_entrada=operacion.precio_inicial,
        salida_ms=operacion.salida_ms if vista else None,
        precio_salida=operacion.precio_final if vista else None,
    )
