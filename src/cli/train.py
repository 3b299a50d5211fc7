"""``timonel train``: candles in, a trained and evaluated artefact out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.cli.evaluate import avisar_de_simbolo, evaluacion_a_json, mostrar_evaluacion
from src.cli.interrupcion import INTERRUMPIDO
from src.cli.salida import consola_de_mensajes

if TYPE_CHECKING:
    from rich.console import Console

    from src.entrenamiento.expectativa import Expectativa
    from src.entrenamiento.plan import Plan
    from src.entrenamiento.sesion import Resultado


def train(
    symbol: Annotated[str | None, typer.Option(help="For example BTCUSDT.")] = None,
    interval: Annotated[str | None, typer.Option(help="Candle interval, for example 1h.")] = None,
    train_start_date: Annotated[str | None, typer.Option(help="First day of training, UTC.")] = None,
    train_end_date: Annotated[str | None, typer.Option(help="Last day of training, UTC.")] = None,
    eval_start_date: Annotated[str | None, typer.Option(help="First day of evaluation, UTC.")] = None,
    eval_end_date: Annotated[str | None, typer.Option(help="Last day of evaluation, UTC.")] = None,
    total_timesteps: Annotated[int | None, typer.Option(min=1, help="Training steps.")] = None,
    eval_episodes: Annotated[int, typer.Option(min=1, help="Distinct starts of the evaluation.")] = 5,
    config: Annotated[Path | None, typer.Option(help="Training YAML; built-in defaults if omitted.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Candle file (CSV or Parquet) instead of a download.")
    ] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Invent the candles.")] = False,
    candles: Annotated[int, typer.Option(min=2, help="Candles of --synthetic.")] = 10_000,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, starts and invented candles.")] = None,
    output_dir: Annotated[Path | None, typer.Option(help="Directory of the artefacts.")] = None,
    exchange_url: Annotated[
        str | None,
        typer.Option(envvar="TIMONEL_EXCHANGE_URL", help="Download from this exchange; nothing is kept."),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="TRAIN_ID", help="Go on with an interrupted training.")
    ] = None,
    como_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a SAC agent, evaluate it on candles it has never seen, and write the artefact.

    Candles come from Binance futures, from a file (--data) or from a synthetic market (--synthetic). Ctrl+C
    saves what there is; --resume goes on from there.
    """
    from src.artefactos.configuracion import interpretar_configuracion, leer_configuracion
    from src.entrenamiento.datos import Fuente
    from src.entrenamiento.plan import Peticion, planear, replanear
    from src.entrenamiento.sesion import entrenar, expectativas_de

    consola = consola_de_mensajes()
    cambios = {
        "data_downloader.symbol": symbol,
        "data_downloader.interval": interval,
        "data_downloader.start_date": train_start_date,
        "data_downloader.end_date": train_end_date,
        "entorno.total_timesteps": total_timesteps,
        "SACmodel.seed": seed,
        "Output.base_dir": None if output_dir is None else str(output_dir),
    }
    dados: dict[str, Any] = {clave: valor for clave, valor in cambios.items() if valor is not None}
    if resume is not None:
        plan = replanear(output_dir or Path("entrenamientos"), resume, dados)
    else:
        configuracion = (
            interpretar_configuracion("", "the command line", dados)
            if config is None
            else leer_configuracion(config, dados)
        )
        avisar_de_simbolo(consola, data, configuracion.data_downloader.symbol)
        fuente = Fuente(
            fichero=data,
            velas_sinteticas=candles if synthetic else None,
            url=exchange_url,
            cache=Path("cache") if exchange_url is None else None,
        )
        plan = planear(
            configuracion,
            Peticion(
                fuente=fuente,
                evaluacion_desde=eval_start_date,
                evaluacion_hasta=eval_end_date,
                episodios=eval_episodes,
            ),
        )
    _presentar(consola, plan)
    expectativas = expectativas_de(plan)
    _mostrar_expectativas(consola, expectativas)
    resultado = entrenar(plan, consola)
    _despedir(consola, resultado)
    if como_json:
        typer.echo(json.dumps(_a_json(resultado, expectativas)))
    if resultado.desarrollo.interrumpido:
        raise typer.Exit(INTERRUMPIDO)


def _presentar(consola: Console, plan: Plan) -> None:
    """What is about to be trained on what."""
    from src.entrenamiento.escasez import aviso_de_escasez
    from src.nucleo.recompensa import FormaRecompensa

    configuracion, preparados = plan.configuracion, plan.preparados
    ejecucion = plan.ejecucion
    pedido = configuracion.data_downloader
    consola.print(f"[bold]{plan.carpeta.name}[/bold]" + (" (resumed)" if plan.retomado else ""))
    consola.print(
        f"  {pedido.symbol} {pedido.interval} from {plan.material.fuente}: {len(preparados.tabla)} candles"
        + (f", {preparados.rellenas} of them missing and filled flat" if preparados.rellenas else "")
    )
    for nombre, tramo, (desde, hasta) in (
        ("train", preparados.entrenamiento, ejecucion.train_date_range),
        ("eval ", preparados.evaluacion, ejecucion.eval_date_range),
    ):
        consola.print(f"  {nombre} {desde} … {hasta}: {tramo.filas} candles")
    escasez = aviso_de_escasez(configuracion, preparados.entrenamiento.filas, preparados.evaluacion.filas)
    if escasez is not None:
        consola.print(f"warning: {escasez}", style="yellow", soft_wrap=True)
    if configuracion.entorno.recompensa is FormaRecompensa.SEMILLA:
        consola.print(
            "warning: `recompensa: semilla` weights every losing candle, which makes any exposure look bad",
            style="yellow",
        )


def _mostrar_expectativas(consola: Console, expectativas: list[Expectativa]) -> None:
    """The reward of doing always the same, before anything is learned."""
    consola.print("  expected reward per step over the training span:")
    for nombre, media, finales in expectativas:
        nota = f", {finales} episode{'s' if finales > 1 else ''} ended early" if finales else ""
        consola.print(f"    {nombre:5} {media:+.5f}{nota}")


def _despedir(consola: Console, resultado: Resultado) -> None:
    """What came of it, and what to do next."""
    from src.entrenamiento.plan import orden_de_reanudar

    desarrollo, artefacto = resultado.desarrollo, resultado.artefacto
    consola.print(
        f"  {desarrollo.pasos} steps at {resultado.pasos_por_segundo:.0f}/s, "
        f"{desarrollo.filas_visitadas:.0%} of the training candles visited"
    )
    mostrar_evaluacion(consola, resultado.evaluacion)
    consola.print(f"  artefact: {artefacto.ruta}")
    if desarrollo.interrumpido:
        consola.print(
            f"interrupted; go on with: {orden_de_reanudar(artefacto.ruta)}", style="yellow", markup=False
        )


def _a_json(resultado: Resultado, expectativas: list[Expectativa]) -> dict[str, Any]:
    desarrollo, artefacto = resultado.desarrollo, resultado.artefacto
    return {
        "train_id": artefacto.train_id,
        "path": str(artefacto.ruta),
        "timesteps": desarrollo.pasos,
        "steps_per_second": resultado.pasos_por_segundo,
        "interrupted": desarrollo.interrumpido,
        "rows_visited": desarrollo.filas_visitadas,
        "expected_reward_per_step": {e.nombre: e.recompensa_media for e in expectativas},
        "evaluation": evaluacion_a_json(resultado.evaluacion),
    }
