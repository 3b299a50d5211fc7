"""Figures become metrics with their labels, and let the daemon go first."""

from __future__ import annotations

from src.produccion.metricas import catalogo
from src.produccion.metricas.exposicion import Coleccion, pagina_de
from src.produccion.metricas.muestras import Foto, Reparto, Valor

FOTO = Foto(
    0.0,
    (Valor(catalogo.COLA, 3, ("events",)), Valor(catalogo.EQUITY, 1.5), Valor(catalogo.COLA, 4, ("log",))),
    (Reparto(catalogo.TIEMPO_ORDEN, (0.1,), (1, 3), 2.5),),
)


def test_cada_metrica_sale_una_vez_con_todas_sus_etiquetas():
    familias = list(Coleccion(lambda: FOTO, {"account": "a", "symbol": "B"}).collect())

    assert [f.name for f in familias] == [
        "timonel_equity_quote",
        "timonel_queue_depth",
        "timonel_order_seconds",
    ]
    assert [(m.labels, m.value) for m in familias[1].samples] == [
        ({"account": "a", "symbol": "B", "queue": "events"}, 3.0),
        ({"account": "a", "symbol": "B", "queue": "log"}, 4.0),
    ]


def test_entre_dos_metricas_se_cede_el_paso():
    cedidas: list[None] = []

    familias = list(Coleccion(lambda: FOTO, ceder=lambda: cedidas.append(None)).collect())

    assert len(familias) == len(cedidas) == 3


def test_antes_de_la_primera_foto_solo_se_ve_el_proceso():
    texto = pagina_de(Coleccion(lambda: None)).texto.decode()

    assert "process_cpu_seconds_total" in texto
    assert catalogo.PREFIJO not in texto


def test_la_pagina_se_escribe_como_la_piden():
    assert pagina_de(Coleccion(lambda: FOTO), "").tipo.startswith("text/plain")
    assert pagina_de(Coleccion(lambda: FOTO), "application/openmetrics-text").tipo.startswith(
        "application/open"
    )
