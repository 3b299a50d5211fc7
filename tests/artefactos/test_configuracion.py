from datetime import UTC, datetime

import pytest

from src.artefactos.configuracion import interpretar_configuracion, leer_configuracion
from src.artefactos.rutas import construir_train_id
from src.artefactos.tipos_yaml import instante_de
from src.artefactos.yaml_exacto import leer_yaml
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.frenos import ReglaFreno, ReglaMomento, TipoFreno
from src.nucleo.proteccion import ReglaProteccion
from src.nucleo.recompensa import FormaRecompensa
from src.nucleo.stops import TipoProteccion
from src.nucleo.volatilidad import Distancia, ModoDistancia

ORDEN = {
    "data_downloader": ["symbol", "interval", "start_date", "end_date", "limit"],
    "preprocesamiento": ["interpol_method", "indicadores"],
    "portafolio": ["capital_inicial", "apalancamiento", "comision", "slippage"],
    "entorno": [
        *("window_size", "max_drawdown_permitido", "factor_aversion_riesgo", "umbral_mantener_posicion"),
        *("penalizacion_no_operar", "total_timesteps", "normalizar_portfolio", "normalizar_recompensa"),
        "penalizacion_pct",
    ],
    "SACmodel": [
        *(
            "policy",
            "learning_rate",
            "buffer_size",
            "learning_starts",
            "batch_size",
            "tau",
            "gamma",
            "ent_coef",
        ),
        *("train_freq", "gradient_steps", "verbose", "seed"),
    ],
    "policy_kwargs": ["net_arch", "log_std_init", "n_critics"],
    "Output": [
        *("base_dir", "model_path", "tensorboard_log", "scaler_train_path", "scaler_eval_path"),
        "metadata_filename",
    ],
    "metadata_execution": [
        *("fecha_ejecucion", "train_date_range", "eval_date_range", "episodios_evaluacion", "train_id"),
    ],
}
EJECUCION = """
data_downloader: {start_date: 2024-01-01, end_date: 2024-06-30}
metadata_execution:
  fecha_ejecucion: 2024-07-01T10:00:00
  train_date_range: [2024-01-01, 2024-06-30]
  eval_date_range: [2024-07-01, 2024-07-31]
  episodios_evaluacion: 3
  train_id: train_x
"""


def leer(texto="", **cambios):
    return interpretar_configuracion(texto, "test", {k.replace("__", "."): v for k, v in cambios.items()})


def test_las_claves_se_escriben_en_su_orden():
    escrito = leer_yaml(leer(EJECUCION).a_yaml())

    assert list(escrito) == list(ORDEN)
    for seccion, claves in ORDEN.items():
        assert list(escrito[seccion])[: len(claves)] == claves


def test_lo_escrito_se_vuelve_a_leer_igual():
    original = leer(EJECUCION, preprocesamiento__rasgos="estacionarios", SACmodel__ent_coef=0.2)

    assert leer(original.a_yaml()) == original


def test_una_posicion_se_protege_si_no_se_dice_otra_cosa():
    proteccion = leer("").entorno.proteccion

    assert proteccion.tipo is TipoProteccion.CATASTROFE
    assert proteccion.fraccion_liquidacion == 0.8
    assert leer("entorno: {proteccion: {tipo: ninguna}}").entorno.proteccion.tipo is TipoProteccion.NINGUNA


STOP = "stop: {modo: porcentaje, valor: 2.0}"


def leer_proteccion(texto):
    return leer(f"entorno: {{proteccion: {{{texto}}}}}")


@pytest.mark.parametrize(
    ("texto", "freno"),
    [
        (f"tipo: fija, {STOP}", ReglaFreno(TipoFreno.FIJA)),
        (
            f"tipo: niveles, {STOP}, objetivo: {{modo: span, valor: 3}}, break_even_con_costos: 0",
            ReglaFreno(TipoFreno.NIVELES, 0.0),
        ),
        ("tipo: hand_span, stop: {modo: atr, valor: 2}, velas_atr: 20", ReglaFreno(TipoFreno.HAND_SPAN)),
        (
            f"tipo: porcentaje, {STOP}, porcentaje: 1.5, momento_alto: 0.5, momento_bajo: 0.1",
            ReglaFreno(TipoFreno.PORCENTAJE, 0.0015, 1.5, ReglaMomento(0.5, 0.1)),
        ),
    ],
)
def test_cada_freno_se_lee_y_se_vuelve_a_leer(texto, freno):
    configuracion = leer_proteccion(texto)

    assert configuracion.regla_proteccion().freno == freno
    assert leer(configuracion.a_yaml()) == configuracion


def test_la_regla_lleva_las_distancias_y_el_limite():
    regla = leer_proteccion(
        "tipo: niveles, stop: {modo: atr, valor: 2}, objetivo: {modo: span, valor: 3}, velas_bloqueo: 4"
    ).regla_proteccion()

    assert regla.stop == Distancia(ModoDistancia.ATR, 2.0)
    assert regla.objetivo == Distancia(ModoDistancia.SPAN, 3.0)
    assert (regla.limite, regla.fraccion_liquidacion, regla.velas_atr, regla.velas_bloqueo) == (
        0.2,
        0.8,
        14,
        4,
    )
    assert leer("").regla_proteccion() == ReglaProteccion(TipoProteccion.CATASTROFE, 0.2)


@pytest.mark.parametrize(
    ("texto", "queja"),
    [
        ("tipo: fija", "`entorno.proteccion`: tipo: fija needs an initial stop; add stop"),
        ("tipo: porcentaje, porcentaje: 1", "tipo: porcentaje needs an initial stop"),
        (f"tipo: niveles, {STOP}", "niveles needs a target.*add objetivo: .*or use hand_span"),
        (f"tipo: porcentaje, {STOP}", "porcentaje belongs to tipo: porcentaje.*add porcentaje: 1.0"),
        (f"tipo: fija, {STOP}, porcentaje: 1.0", "porcentaje belongs to tipo: porcentaje.*remove it"),
        (STOP, "tipo: catastrofe does not use stop; remove it, or use fija"),
        ("tipo: ninguna, objetivo: {modo: span, valor: 2}", "tipo: ninguna does not use objetivo"),
        ("break_even_con_costos: 0", "tipo: catastrofe does not use break_even_con_costos"),
        (f"tipo: fija, {STOP}, momento_bajo: 0.3", "momento_bajo = 0.3 is above momento_alto = 0.2"),
        ("tipo: fija, stop: {modo: porcentaje, valor: 100}", "stop 100.0 % below the entry is no price"),
        ("tipo: fija, stop: {modo: span, valor: 1}", "`entorno.proteccion.stop.modo` = 'span'"),
        ("tipo: fija, stop: {modo: atr, valor: 0}", "`entorno.proteccion.stop.valor` = 0"),
        ("tipo: fija, stop: {modo: atr, valor: .nan}", "`entorno.proteccion.stop.valor`"),
        (f"tipo: fija, {STOP}, objetivo: {{modo: span, valor: -1}}", "`entorno.proteccion.objetivo.valor`"),
        ("velas_atr: 1000", "`entorno.proteccion.velas_atr` = 1000"),
        ("velas_bloqueo: -1", "`entorno.proteccion.velas_bloqueo` = -1"),
        ("break_even_con_costos: 1", "`entorno.proteccion.break_even_con_costos` = 1"),
    ],
)
def test_una_proteccion_que_no_se_sostiene_se_nombra(texto, queja):
    with pytest.raises(ConfiguracionInvalida, match=queja):
        leer_proteccion(texto)


@pytest.mark.parametrize("texto", ["3e-4", "0.0003", "3.0E-4", ".001"])
def test_la_tasa_de_aprendizaje_conserva_su_texto(texto):
    configuracion = leer(f"SACmodel: {{learning_rate: {texto}}}")

    assert float(configuracion.SACmodel.learning_rate) == float(texto)
    assert f"learning_rate: {texto}\n" in configuracion.a_yaml()
    assert repr(configuracion.SACmodel.learning_rate) == texto


@pytest.mark.parametrize("texto", ["1000000", "1e6", "1.0e+6", "1_000_000"])
def test_un_entero_puede_escribirse_con_exponente(texto):
    assert leer(f"SACmodel: {{buffer_size: {texto}}}").SACmodel.buffer_size == 1_000_000


@pytest.mark.parametrize(
    ("texto", "queja"),
    [
        ("entorno: {windowsize: 3}", "unknown key `entorno.windowsize`; did you mean `window_size`"),
        (
            "preprocesamiento: {indicadores: {SMA_shrt: 3}}",
            "`preprocesamiento.indicadores.SMA_shrt`.*SMA_short",
        ),
        ("Modelo: {}", "unknown key `Modelo`"),
        ("entorno: {window_size: treinta}", "`entorno.window_size` = 'treinta'"),
        ("entorno: {window_size: '30'}", "`entorno.window_size` = '30'"),
        ("entorno: {window_size: 30.5}", "`entorno.window_size` = 30.5"),
        ("entorno: {window_size: true}", "`entorno.window_size` = True"),
        ("entorno: {max_drawdown_permitido: 0}", "`entorno.max_drawdown_permitido`.*greater than 0"),
        ("entorno: {max_drawdown_permitido: .nan}", "`entorno.max_drawdown_permitido`.*finite"),
        ("entorno: 3", "`entorno` = 3"),
        ("entorno: {camino: recto}", "`entorno.camino` = 'recto'"),
        ("entorno: {proteccion: {tipo: muro}}", "`entorno.proteccion.tipo` = 'muro'"),
        ("entorno: {proteccion: {fraccion_liquidacion: 1.0}}", "`entorno.proteccion.fraccion_liquidacion`"),
        ("entorno: {proteccion: {fraccion_liquidacion: 0}}", "`entorno.proteccion.fraccion_liquidacion`"),
        ("entorno: {escalones_riesgo: 1}", "`entorno.escalones_riesgo`"),
        ("entorno: {normalizar_recompensa: true}", "`entorno`.*belongs to `recompensa: semilla`"),
        ("preprocesamiento: {interpol_method: linear}", "`preprocesamiento.interpol_method`.*look ahead"),
        ("SACmodel: {learning_starts: 100000}", "learning_starts = 100000 leaves nothing to learn"),
        ("SACmodel: {ent_coef: auto_x}", "`SACmodel.ent_coef` = 'auto_x'"),
        ("SACmodel: {ent_coef: -0.1}", "ent_coef must not be negative"),
        ("SACmodel: {learning_rate: alto}", "`SACmodel.learning_rate` = 'alto'"),
        ("SACmodel: {learning_rate: 2}", "`SACmodel.learning_rate` = 2.*less than 1"),
        ("SACmodel: {policy: CnnPolicy}", "`SACmodel.policy` = 'CnnPolicy'"),
        ("data_downloader: {interval: 7m}", "`data_downloader.interval` = '7m'.*use one of 1m"),
        ("data_downloader: {symbol: btc}", "`data_downloader.symbol` = 'btc'.*BTCUSDT"),
        ("data_downloader: {start_date: ayer}", "`data_downloader.start_date` = 'ayer'.*2024-01-31"),
        ("Output: {model_path: otro.zip}", "`Output.model_path` = 'otro.zip'"),
        ("entorno: {}\nentorno: {}", "'entorno' is repeated"),
        ("- 1", "must hold sections"),
        ("entorno: [", "is not valid YAML"),
    ],
)
def test_una_clave_o_un_valor_malo_se_nombra(texto, queja):
    with pytest.raises(ConfiguracionInvalida, match=queja):
        leer(texto)


def test_un_cambio_sustituye_al_fichero_y_se_valida_igual(tmp_path):
    ruta = tmp_path / "entrenamiento.yaml"
    ruta.write_text("entorno: {total_timesteps: 50000}\n")

    assert leer_configuracion(ruta, {"entorno.total_timesteps": 9_000}).entorno.total_timesteps == 9_000
    with pytest.raises(ConfiguracionInvalida, match="leaves nothing to learn"):
        leer_configuracion(ruta, {"entorno.total_timesteps": 40, "SACmodel.learning_starts": 5_000})


@pytest.mark.parametrize(("total", "inicio"), [(1_000_000, 5_000), (3_000, 300), (5, 1)])
def test_sin_decirlo_se_empieza_a_aprender_tras_una_decima_parte(total, inicio):
    configuracion = leer(entorno__total_timesteps=total)

    assert configuracion.SACmodel.learning_starts == inicio
    assert leer_yaml(configuracion.a_yaml())["SACmodel"]["learning_starts"] == inicio
    assert leer(SACmodel__seed=1).SACmodel.learning_starts == 5_000


def test_lo_escrito_se_respeta_y_la_queja_dice_donde_cambiarlo():
    with pytest.raises(ConfiguracionInvalida, match=r"in a --config file, or .* --total-timesteps"):
        leer("SACmodel: {learning_starts: 5000}", entorno__total_timesteps=3_000)


def test_un_fichero_que_no_existe_se_nombra(tmp_path):
    with pytest.raises(ConfiguracionInvalida, match=r"nada\.yaml"):
        leer_configuracion(tmp_path / "nada.yaml")


def test_la_penalizacion_se_entiende_en_su_unidad():
    en_por_ciento = leer(entorno__penalizacion_no_operar=0.5)
    en_fraccion = leer(entorno__penalizacion_no_operar=0.005, entorno__penalizacion_pct=False)

    assert en_por_ciento.regla_recompensa() == en_fraccion.regla_recompensa()
    assert en_por_ciento.regla_recompensa().forma is FormaRecompensa.LOGARITMICA


def test_los_rasgos_de_la_semilla_ven_el_lado_y_los_estacionarios_la_exposicion():
    assert leer().forma_portafolio(1.0).lado_en_vez_de_exposicion
    assert not leer(preprocesamiento__rasgos="estacionarios").forma_portafolio(1.0).lado_en_vez_de_exposicion


def test_el_identificador_lleva_la_tasa_como_se_escribio():
    lr = leer("SACmodel: {learning_rate: 3e-4}").SACmodel.learning_rate

    nombre = construir_train_id(
        simbolo="BTCUSDT",
        desde_ms=instante_de("2024-01-01"),
        hasta_ms=instante_de("2024-06-30", fin_de_dia=True),
        lr=lr.texto,
        lote=256,
        ventana=30,
        creado=datetime(2024, 7, 1, 9, 8, 7, tzinfo=UTC),
    )

    assert nombre == "train_BTCUSDT_20240101_20240630_lr3e-4_bs256_ws30_20240701_090807"


def test_una_fecha_sin_hora_es_utc_y_puede_ser_el_dia_entero():
    assert instante_de("1970-01-02") == 86_400_000
    assert instante_de("1970-01-02", fin_de_dia=True) == 2 * 86_400_000 - 1
    assert instante_de("1970-01-02T00:00", fin_de_dia=True) == 86_400_000
    assert instante_de("1970-01-02T01:00:00+01:00") == 86_400_000


def test_una_proteccion_escrita_con_una_sola_palabra_dice_como_se_escribe():
    with pytest.raises(ConfiguracionInvalida, match=r"write it as a section: proteccion: \{tipo: niveles"):
        interpretar_configuracion("entorno: {proteccion: niveles}", "x.yaml")
