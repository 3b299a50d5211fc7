"""Scenarios: what they may say, and how a mistake in one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from src.nucleo.errores import ConfiguracionInvalida
from src.simulador.fallas.archivo import leer_guiones
from src.simulador.fallas.catalogo import CATALOGO
from src.simulador.fallas.clases import Clase, Momento, Ocasion
from src.simulador.fallas.lectura import leer_guion
from src.simulador.fallas.listado import como_json, como_texto
from src.simulador.fallas.valores import GuionInvalido

GUION = """
seed: 3
faults:
  - kind: lose_answer
    at: {call: "POST /fapi/v1/order", nth: 3, where: {side: BUY, reduceOnly: true}, stage: after}
    how: silence
    seconds: 2
  - kind: disconnect
    at: {step: each, every: 50}
    times: always
  - kind: burst
    at: now
random:
  from_step: 10
  until_step: 90
  faults:
    - {kind: http_504, per_calls: 40}
    - {kind: outage, probability: 0.1, at: candle, seconds: 1}
"""


def test_un_guion_se_lee_entero(tmp_path: Path):
    ruta = tmp_path / "uno.yaml"
    ruta.write_text(GUION)

    perdida, corte, rafaga, azar, apagon = leer_guiones([ruta]).fallas

    assert (perdida.clase, perdida.cuando.desde, perdida.numero("seconds")) == (Clase.LOSE_ANSWER, 3, 2.0)
    assert perdida.cuando.donde == {"side": "BUY", "reduceOnly": "true"}
    assert perdida.cuando.momento is Momento.AFTER
    assert (corte.cuando.ocasion, corte.cuando.cada, corte.veces) == (Ocasion.STEP, 50, None)
    assert rafaga.cuando.ocasion is Ocasion.NOW
    assert azar.azar is not None
    assert (azar.azar.probabilidad, azar.azar.desde_paso, azar.azar.hasta_paso) == (1 / 40, 10, 90)
    assert (azar.veces, azar.cuando.patron) == (None, "POST /fapi/v1/order")
    assert apagon.cuando.ocasion is Ocasion.CANDLE


def test_varios_archivos_se_suman_y_uno_vacio_no_dice_nada(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("")
    (tmp_path / "b.yaml").write_text("faults: [{kind: burst}]")
    assert len(leer_guiones([tmp_path / "a.yaml", tmp_path / "b.yaml"]).fallas) == 1


@pytest.mark.parametrize(
    ("texto", "linea", "motivo"),
    [
        (
            "faults:\n  - kind: outage\n  - kind: outtage\n",
            3,
            "faults[1].kind: 'outtage' is not a kind of fault; did you mean 'outage'?",
        ),
        ("faults:\n  - kind: outage\n    second: 3\n", 3, "did you mean 'seconds'?"),
        ("faults:\n  - kind: outage\n    seconds: many\n", 3, "faults[0].seconds: 'many' is not a number"),
        ("faults:\n  - at: now\n", 2, "a fault needs a 'kind'"),
        ("seed: x\n", 1, "seed: 'x' is not a whole number"),
        ("\nrandom:\n  faults:\n    - kind: http_500\n", 4, "'probability' or 'per_calls'"),
        ("- kind: outage\n", 1, "is not a mapping"),
        ("faults:\n  - {kind: outage, at: {call: 7}}\n", 2, "7 is not a pattern"),
    ],
)
def test_un_error_dice_archivo_linea_lugar_y_remedio(tmp_path: Path, texto, linea, motivo):
    ruta = tmp_path / "malo.yaml"
    ruta.write_text(texto)
    with pytest.raises(ConfiguracionInvalida) as fallo:
        leer_guiones([ruta])
    assert str(fallo.value).startswith(f"{ruta}, line {linea}, ")
    assert motivo in str(fallo.value)
    assert fallo.value.codigo_salida == 2


@pytest.mark.parametrize(
    ("falla", "motivo"),
    [
        ({"kind": "lose_answer", "at": {"step": 3}}, "lose_answer happens at one of: call; not at 'step'"),
        ({"kind": "kline", "how": "late", "at": "now"}, "kline happens at one of: candle"),
        ({"kind": "kline"}, "kline needs 'how'"),
        ({"kind": "reject"}, "reject needs 'code'"),
        ({"kind": "outage", "times": 0}, "times: 0 is less than 1"),
        ({"kind": "outage", "times": "never"}, "nor 'always'"),
        ({"kind": "outage", "at": {"step": 3, "candle": 3}}, "not at ['candle', 'step']"),
        ({"kind": "outage", "at": {"step": 0}}, "at.step: 0 is less than 1"),
        ({"kind": "outage", "at": {"step": "x"}}, "nor 'each'"),
        ({"kind": "outage", "at": {"step": 3, "nht": 1}}, "at.nht: unknown key of this trigger"),
        (
            {"kind": "outage", "at": {"call": "*", "stage": "late"}},
            "at.stage: 'late' is none of: before, after",
        ),
        ({"kind": "outage", "at": {"call": "*", "count": "start", "where": {"a": 1}}}, "with 'where'"),
        ({"kind": "silence", "sockets": "some"}, "'some' is none of: market, user, all"),
        ({"kind": "http_500", "executed": "yes"}, "'yes' is neither true nor false"),
        ({"kind": "burst", "messages": 0}, "0 is less than 1"),
        ({"kind": "burst", "messages": 10**9}, "is more than 100000"),
        ({"kind": "burst", "messages": True}, "True is not a whole number"),
        ({"kind": "partial_fill", "filled": float("nan")}, "nan is less than 0"),
    ],
)
def test_lo_mal_pedido_se_explica(falla, motivo):
    with pytest.raises(GuionInvalido) as fallo:
        leer_guion({"faults": [falla]})
    assert motivo in str(fallo.value)


def test_el_catalogo_cubre_cada_clase():
    assert set(CATALOGO) == set(Clase)
    assert {ficha["kind"] for ficha in como_json()} == set(Clase)
    assert all(clase.value in como_texto() for clase in Clase)


def test_lo_que_el_catalogo_dice_se_puede_pedir():
    """Every kind with its defaults and each of its triggers is a fault."""
    for ficha in CATALOGO.values():
        obligatorios = {p.nombre: p.defecto for p in ficha.parametros if p.obligatorio}
        for ocasion in ficha.ocasiones:
            (falla,) = leer_guion(
                {"faults": [{"kind": ficha.clase.value, "at": ocasion.value} | obligatorios]}
            ).fallas
            assert falla.cuando.ocasion is ocasion


def test_un_archivo_que_no_esta_o_no_es_yaml_se_explica(tmp_path: Path):
    with pytest.raises(ConfiguracionInvalida, match="does not exist"):
        leer_guiones([tmp_path / "nada.yaml"])
    (tmp_path / "roto.yaml").write_text("a: [")
    with pytest.raises(ConfiguracionInvalida, match="not YAML"):
        leer_guiones([tmp_path / "roto.yaml"])
    assert yaml.safe_load(GUION)
