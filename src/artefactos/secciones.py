"""The sections of ``config_metadata.yaml``, in the order of its keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from src.artefactos import rutas
from src.artefactos.seccion_proteccion import Proteccion
from src.artefactos.tipos_yaml import (
    Entero,
    Fecha,
    Fraccion,
    Intervalo,
    NoNegativo,
    Numero,
    Positivo,
    Seccion,
    Simbolo,
    Tasa,
)
from src.artefactos.yaml_exacto import NumeroEscrito
from src.nucleo.indicadores import VELAS_CALENTAMIENTO
from src.nucleo.observacion import Rasgos
from src.nucleo.recompensa import FormaRecompensa
from src.nucleo.tipos import Camino


class DataDownloader(Seccion):
    """Which candles."""

    symbol: Simbolo = "BTCUSDT"
    interval: Intervalo = "1h"
    start_date: Fecha | None = None  # first day of the training span
    end_date: Fecha | None = None  # its last day
    limit: Annotated[Entero, Field(ge=1, le=1500)] = 1500  # candles per request


_Ventana = Annotated[Positivo, Field(le=VELAS_CALENTAMIENTO)]
_Wilder = Annotated[Positivo, Field(le=25)]  # longer averages still remember their start after the warm-up
_Exponencial = Annotated[Positivo, Field(le=50)]


class SeccionIndicadores(Seccion):
    """Lengths of the indicators, in candles; no longer than the warm-up lets them forget."""

    SMA_short: _Ventana = 50
    SMA_long: _Ventana = 200
    RSI_length: _Wilder = 14
    MACD_fast: _Exponencial = 12
    MACD_slow: _Exponencial = 26
    MACD_signal: _Exponencial = 9
    BB_length: _Ventana = 20
    BB_std: Annotated[Numero, Field(gt=0.0)] = 2.0


def _solo_ffill(metodo: str) -> str:
    if metodo != "ffill":
        raise ValueError(
            "only ffill is possible: every other method computes a missing candle from later ones, "
            "so the agent would look ahead during training"
        )
    return metodo


class Preprocesamiento(Seccion):
    """From candles to features."""

    interpol_method: Annotated[str, AfterValidator(_solo_ffill)] = "ffill"
    indicadores: SeccionIndicadores = SeccionIndicadores()
    rasgos: Annotated[Rasgos, Field(strict=False)] = Rasgos.SEMILLA


class Portafolio(Seccion):
    """Money."""

    capital_inicial: Annotated[Numero, Field(gt=0.0)] = 10_000.0  # margin asset
    apalancamiento: Annotated[Entero, Field(ge=1, le=125)] = 2
    comision: Fraccion = 0.0005  # taker, fraction of notional, on both legs
    slippage: Fraccion = 0.0002  # fraction of the price, against every fill
    tasa_funding: Annotated[Numero, Field(gt=-1.0, lt=1.0)] = 0.0001  # per settlement, where none is recorded


def _seccion_entera(valor: Any) -> Any:
    if isinstance(valor, str):
        raise ValueError(
            f"write it as a section: proteccion: {{tipo: {valor}, …}}; every type that moves a stop needs"
            " stop: {modo: porcentaje, valor: 2.0}, and niveles objetivo: {modo: span, valor: 2.0} as well"
        )
    return valor


class Entorno(Seccion):
    """The environment and the rules that the daemon shares with it."""

    window_size: Positivo = 30  # candles
    max_drawdown_permitido: Annotated[Numero, Field(gt=0.0, le=1.0)] = 0.2  # fraction of the peak
    factor_aversion_riesgo: Annotated[Numero, Field(ge=0.0)] = 0.1
    umbral_mantener_posicion: Fraccion = 0.05  # |action| up to here keeps the position
    penalizacion_no_operar: Annotated[Numero, Field(ge=0.0)] = 0.0
    total_timesteps: Positivo = 100_000
    normalizar_portfolio: bool = True
    normalizar_recompensa: bool = False
    penalizacion_pct: bool = True  # the penalty is in percent of equity; otherwise a fraction of it
    reserva_margen: Fraccion = 0.02  # share of equity × leverage that stays free
    banda_muerta: Fraccion = 0.05  # changes of exposure up to here are not worth an order
    longitud_episodio: Positivo = 2_000  # steps after which a training episode is truncated
    camino: Annotated[Camino, Field(strict=False)] = Camino.OHLC
    recompensa: Annotated[FormaRecompensa, Field(strict=False)] = FormaRecompensa.LOGARITMICA
    proteccion: Annotated[Proteccion, BeforeValidator(_seccion_entera)] = Proteccion()
    escalones_riesgo: bool = True  # losses of a day or a month pause entries before the limit is reached

    @model_validator(mode="after")
    def _normalizar_es_de_la_semilla(self) -> Self:
        if self.normalizar_recompensa and self.recompensa is not FormaRecompensa.SEMILLA:
            raise ValueError("normalizar_recompensa belongs to `recompensa: semilla`; set it to false")
        return self


def _coeficiente(valor: Any) -> Any:
    if isinstance(valor, str):
        prefijo, _, inicial = valor.partition("_")
        try:
            valido = prefijo == "auto" and (valor == "auto" or float(inicial) > 0.0)
        except ValueError:
            valido = False
        if not valido:
            raise ValueError(
                "Input should be a positive number, auto, or auto_ and its first value (auto_0.1)"
            )
        return valor
    return float(valor) if isinstance(valor, NumeroEscrito) else valor


class SACmodel(Seccion):
    """Arguments of Stable-Baselines3's SAC."""

    policy: Literal["MultiInputPolicy"] = "MultiInputPolicy"
    learning_rate: Tasa = NumeroEscrito("3e-4")
    buffer_size: Positivo = 1_000_000  # transitions; never more than the run takes are allocated
    learning_starts: NoNegativo = 5_000  # random steps first; unless written, at most a tenth of all
    batch_size: Positivo = 256
    tau: Annotated[Numero, Field(gt=0.0, le=1.0)] = 0.005
    gamma: Annotated[Numero, Field(ge=0.0, le=1.0)] = 0.99
    ent_coef: Annotated[float | str, BeforeValidator(_coeficiente)] = "auto_0.1"
    train_freq: Positivo = 1  # steps between updates
    gradient_steps: Annotated[Entero, Field(ge=-1)] = 1  # updates each time; -1 as many as steps taken
    verbose: Annotated[Entero, Field(ge=0, le=2)] = 0
    seed: NoNegativo = 0
    torch_threads: Positivo = 1  # weights are reproducible for one number of threads

    @model_validator(mode="after")
    def _coeficiente_positivo(self) -> Self:
        if not isinstance(self.ent_coef, str) and not self.ent_coef >= 0.0:
            raise ValueError("ent_coef must not be negative")
        return self


class NetArch(Seccion):
    """Hidden layers of actor and critics."""

    pi: Annotated[tuple[Positivo, ...], Field(strict=False)] = (256, 256)
    qf: Annotated[tuple[Positivo, ...], Field(strict=False)] = (256, 256)


class PolicyKwargs(Seccion):
    """Shape of the networks."""

    net_arch: NetArch = NetArch()
    log_std_init: Numero = -3.0
    n_critics: Positivo = 2


class Output(Seccion):
    """Where things go; only the base directory can be chosen, the layout inside it is fixed."""

    base_dir: str = "entrenamientos"
    model_path: Literal["modelos/modelo.zip"] = rutas.MODELO
    tensorboard_log: Literal["tensorboard"] = rutas.TENSORBOARD
    scaler_train_path: Literal["scaler_train.pkl"] = rutas.ESCALADOR_ENTRENAMIENTO
    scaler_eval_path: Literal["scaler_eval.pkl"] = rutas.ESCALADOR_EVALUACION
    metadata_filename: Literal["config_metadata.yaml"] = rutas.CONFIGURACION
    checkpoint_freq: NoNegativo = 10_000  # steps between checkpoints; 0 keeps none


class MetadataExecution(Seccion):
    """What the run was; written at its end."""

    fecha_ejecucion: Fecha
    train_date_range: Annotated[tuple[Fecha, Fecha], Field(strict=False)]  # first and last open time, UTC
    eval_date_range: Annotated[tuple[Fecha, Fecha], Field(strict=False)]
    episodios_evaluacion: Positivo
    train_id: str
