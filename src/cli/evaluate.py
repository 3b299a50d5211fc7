"""``timonel evaluate``: a frozen agent on any candles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from src.cli.salida import consola_de_mensajes
from src.datos.continuidad import fecha

if TYPE_CHECKING:
    from src.entrenamiento.evaluacion import ResultadoEvaluacion
    from src.entrenamiento.reevaluacion import Lapso
    from src.nucleo.metricas import Riesgo


def evaluate(
    train_id: Annotated[str, typer.Option(help="Name of the artefact.", show_default=False)],
    data: Annotated[Path, typer.Option(help="Candle file (CSV or Parquet).", show_default=False)],
    eval_start_date: Annotated[str | None, typer.Option(help="First day, UTC.")] = None,
    eval_end_date: Annotated[str | None, typer.Option(help="Last day, UTC.")] = None,
    eval_episodes: Annotated[int, typer.Option(min=1, help="Distinct starts.")] = 1,
    artefacts: Annotated[Path, typer.Option(help="Directory of the artefacts.")] = Path("entrenamientos"),
    output_dir: Annotated[
        Path | None, typer.Option(help="Where CSV files and plots go; written only if given.")
    ] = None,
    como_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Run a trained agent over candles without changing it.

    The first 1,000 candles of the file warm up the indicators. Market, rules and scaler are the artefact's.
    """
    from src.entrenamiento.reevaluacion import reevaluar

    reevaluacion = reevaluar(
        artefacts,
        train_id,
        data,
        desde=eval_start_date,
        hasta=eval_end_date,
        episodios=eval_episodes,
        carpeta=output_dir,
    )
    resultado, lapso = reevaluacion.resultado, reevaluacion.lapso
    mensajes = consola_de_mensajes()
    avisar_de_simbolo(mensajes, data, lapso.simbolo)
    _avisar_de_entrenamiento(mensajes, lapso)
    if como_json:
        typer.echo(json.dumps({"span": _lapso_a_json(lapso), **evaluacion_a_json(resultado)}))
    else:
        consola = Console()
        _mostrar_lapso(consola, lapso)
        mostrar_evaluacion(consola, resultado)
    if output_dir is not None:
        mensajes.print(f"  written to {output_dir}", markup=False)


def avisar_de_simbolo(mensajes: Console, fichero: Path | None, simbolo: str) -> None:
    """Warn when a file seems to hold candles of another symbol."""
    from src.entrenamiento.datos import aviso_de_simbolo

    aviso = None if fichero is None else aviso_de_simbolo(fichero, simbolo)
    if aviso is not None:
        mensajes.print(f"warning: {aviso}", style="yellow", markup=False)


def _avisar_de_entrenamiento(mensajes: Console, lapso: Lapso) -> None:
    if not lapso.de_entrenamiento:
        return
    desde, hasta = (fecha(instante) for instante in lapso.entrenamiento_ms)
    mensajes.print(
        f"warning: {lapso.de_entrenamiento:,} of the {lapso.velas:,} candles lie in the span that the agent "
        f"was trained on ({desde} … {hasta}); what it does there says nothing of candles it has never seen",
        style="yellow",
        markup=False,
    )


def _mostrar_lapso(consola: Console, lapso: Lapso) -> None:
    rellenas = f", {lapso.rellenas:,} of them missing and filled flat" if lapso.rellenas else ""
    consola.print(
        f"  {lapso.simbolo} {lapso.intervalo} {fecha(lapso.desde_ms)} … {fecha(lapso.hasta_ms)}: "
        f"{lapso.velas:,} candles{rellenas}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _lapso_a_json(lapso: Lapso) -> dict[str, Any]:
    return {
        "symbol": lapso.simbolo,
        "interval": lapso.intervalo,
        "candles": lapso.velas,
        "from": fecha(lapso.desde_ms),
        "to": fecha(lapso.hasta_ms),
        "filled_candles": lapso.rellenas,
        "trained_on_candles": lapso.de_entrenamiento,
    }


def mostrar_evaluacion(consola: Console, resultado: ResultadoEvaluacion) -> None:
    """The figures that matter, beside holding the asset."""
    from rich.table import Table

    resumen = resultado.resumen
    tabla = Table(title="evaluation")
    for titulo in ("", "return", "Sharpe", "max drawdown (closes)"):
        tabla.add_column(titulo, justify="left" if not titulo else "right")
    filas = [("agent", resumen.agente), ("buy and hold 1×", resumen.mantener_1x)]
    if round(resumen.exposicion_media, 2):
        filas.append((f"buy and hold {resumen.exposicion_media:+.2f}×", resumen.mantener_exposicion))
    for nombre, riesgo in filas:
        tabla.add_row(
            nombre, f"{riesgo.rendimiento:+.2%}", f"{riesgo.sharpe:.2f}", f"{riesgo.max_drawdown:.2%}"
        )
    consola.print(tabla)
    intervalos = resumen.intervalos
    if intervalos is not None:
        bajo, alto = intervalos.sharpe
        consola.print(f"  95 % interval of the agent's Sharpe: {bajo:.2f} … {alto:.2f}")
    consola.print(
        f"  drawdown watched inside candles too: {resultado.drawdown_vigilado:.2%}, "
        f"limit {resultado.limite_drawdown:.2%}"
    )
    terminados = sum(episodio.terminado for episodio in resultado.episodios)
    consola.print(
        f"  {resumen.operaciones.cerradas} closed operations; "
        f"{terminados} of {len(resultado.episodios)} starts ended in drawdown"
    )


def evaluacion_a_json(resultado: ResultadoEvaluacion) -> dict[str, Any]:
    """The figures under English keys."""
    resumen = resultado.resumen
    return {
        "candles": resumen.velas,
        "equity_start": resumen.equity_inicial,
        "equity_end": resumen.equity_final,
        "agent": _riesgo(resumen.agente),
        "buy_and_hold": _riesgo(resumen.mantener_1x),
        "buy_and_hold_mean_exposure": _riesgo(resumen.mantener_exposicion),
        "mean_exposure": resumen.exposicion_media,
        "max_drawdown_monitored": resultado.drawdown_vigilado,
        "max_drawdown_limit": resultado.limite_drawdown,
        "closed_operations": resumen.operaciones.cerradas,
        "win_rate": resumen.operaciones.tasa_acierto,
        "profit_factor": resumen.operaciones.factor_beneficio,
        "fees": resumen.costos.comisiones,
        "slippage": resumen.costos.slippage,
        "funding": resumen.costos.funding,
        "episodes": [
            {
                "start_ms": episodio.desde_ms,
                "steps": episodio.pasos,
                "reward": episodio.recompensa,
                "terminated": episodio.terminado,
                **_riesgo(episodio.riesgo),
            }
            for episodio in resultado.episodios
        ],
    }


def _riesgo(riesgo: Riesgo) -> dict[str, float | None]:
    return {
        "return": riesgo.rendimiento,
        "volatility": riesgo.volatilidad,
        "sharpe": riesgo.sharpe,
        "sortino": riesgo.sortino,
        "max_drawdown": riesgo.max_drawdown,
    }
