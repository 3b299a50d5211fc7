"""Alert rules, dashboard and guide name metrics and labels that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.produccion.metricas.catalogo import DEL_DEMONIO, TITULAR, TODAS, Metrica, Tipo

RAIZ = Path(__file__).parents[3]
REGLAS = RAIZ / "deploy" / "prometheus" / "timonel.rules.yml"
TABLERO = RAIZ / "deploy" / "grafana" / "timonel.json"
GUIA = RAIZ / "docs" / "operar.md"

DE_PROMETHEUS = {"job", "instance", "le"}
NOMBRE = re.compile(r"\b(timonel_\w+)(?:\{([^}]*)\})?")
ETIQUETA = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
AGRUPADAS = re.compile(r"\bby \(([^)]*)\)")


def reglas() -> list[dict[str, Any]]:
    return [r for grupo in yaml.safe_load(REGLAS.read_text())["groups"] for r in grupo["rules"]]


def paneles() -> list[dict[str, Any]]:
    return [p for p in json.loads(TABLERO.read_text())["panels"] if p["type"] != "row"]


def expresiones() -> Iterator[str]:
    yield from (regla["expr"] for regla in reglas())
    yield from (objetivo["expr"] for panel in paneles() for objetivo in panel["targets"])


def metrica_de(nombre: str) -> Metrica:
    """The metric of a series; an error when there is none."""
    for metrica in TODAS:
        partes = ("_bucket", "_sum", "_count") if metrica.tipo is Tipo.HISTOGRAM else ("",)
        if nombre in {metrica.nombre + parte for parte in partes}:
            return metrica
    raise AssertionError(f"{nombre} is no metric of the catalogue")


def etiquetas_de(metrica: Metrica) -> set[str]:
    return {*(TITULAR if metrica in DEL_DEMONIO else ()), *metrica.etiquetas, *DE_PROMETHEUS}


@pytest.mark.parametrize("expresion", sorted(set(expresiones())))
def test_cada_expresion_nombra_lo_que_existe(expresion: str):
    conocidas = set(DE_PROMETHEUS)
    for nombre, selector in NOMBRE.findall(expresion):
        metrica = metrica_de(nombre)
        assert set(ETIQUETA.findall(selector)) <= etiquetas_de(metrica)
        conocidas |= etiquetas_de(metrica)
    for agrupadas in AGRUPADAS.findall(expresion):
        assert {uno.strip() for uno in agrupadas.split(",")} <= conocidas
    assert expresion.count("(") == expresion.count(")")


@pytest.mark.parametrize("expresion", sorted(set(expresiones())))
def test_lo_que_solo_crece_se_mira_por_lo_que_crece(expresion: str):
    crecen = re.compile(r"\b(?:rate|increase)\((timonel_\w+)")
    nombradas = [nombre for nombre, _ in NOMBRE.findall(expresion)]
    de_cuenta = [nombre for nombre in nombradas if metrica_de(nombre).tipo is not Tipo.GAUGE]

    assert sorted(crecen.findall(expresion)) == sorted(de_cuenta)


def test_cada_regla_dice_cuanto_urge_y_que_hacer():
    for regla in reglas():
        assert regla["labels"]["severity"] in ("critical", "warning"), regla["alert"]
        assert re.fullmatch(r"\d+[sm]", regla["for"]), regla["alert"]
        assert {"summary", "action"} <= regla["annotations"].keys(), regla["alert"]
        nombradas = set(re.findall(r"\$labels\.(\w+)", regla["annotations"]["summary"]))
        conocidas = set(DE_PROMETHEUS)
        for nombre, _ in NOMBRE.findall(regla["expr"]):
            conocidas |= etiquetas_de(metrica_de(nombre))
        assert nombradas <= conocidas, regla["alert"]
    assert len({regla["alert"] for regla in reglas()}) == len(reglas())


@pytest.mark.parametrize(
    "nombre",
    [
        *("timonel_position_naked", "timonel_latched", "timonel_account_latched", "timonel_drawdown_ratio"),
        *("timonel_stream_age_seconds", "timonel_unresolved_orders", "timonel_daemon_heartbeat_age_seconds"),
    ],
)
def test_lo_que_no_puede_pasar_sin_aviso_tiene_su_regla(nombre: str):
    assert any(nombre in regla["expr"] for regla in reglas())


def test_en_el_tablero_ningun_panel_tapa_a_otro():
    ocupadas: set[tuple[int, int]] = set()
    for panel in json.loads(TABLERO.read_text())["panels"]:
        g = panel["gridPos"]
        casillas = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        assert ocupadas.isdisjoint(casillas), panel["title"]
        assert all(x < 24 for x, _ in casillas), panel["title"]
        ocupadas |= casillas


def test_la_guia_explica_cada_metrica_y_ninguna_mas():
    explicadas = set(re.findall(r"`(timonel_\w+?)`", GUIA.read_text(encoding="utf-8")))

    assert explicadas == {metrica.nombre for metrica in TODAS}


def test_la_guia_explica_cada_regla():
    texto = GUIA.read_text(encoding="utf-8")

    assert [regla["alert"] for regla in reglas() if f"`{regla['alert']}`" not in texto] == []
