"""A checker that cannot fail proves nothing: every way of being wrong is found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from caos.invariantes import COMPROBACIONES, comprobar
from caos.pruebas import FillBolsa, IngresoBolsa, OrdenBolsa, StopEnEspera, Tramo
from tests.caos.fabrica import AGENTE, COMPRA, HORA, VENTA, Taller, un_nivel, una_fila

Romper = Callable[[Taller], None]

CIERRA = StopEnEspera("tm-CIERRA", "STOP_MARKET", False, Decimal(90), None)
FRENA = StopEnEspera("tm-FRENA", "STOP_MARKET", False, Decimal(95), Decimal(1))


def test_una_corrida_correcta_no_tiene_violaciones():
    assert comprobar(Taller().pruebas()) == []


def orden_dos_veces(t: Taller) -> None:
    otra = OrdenBolsa(3, COMPRA, Decimal(2), Decimal(2), False, HORA)
    t.libros = replace(t.libros, ordenes=[*t.libros.ordenes, otra])


def orden_de_mas(t: Taller) -> None:
    t.contenido("ORDER_INTENT")["quantity"] = 1.5


def orden_sin_intencion(t: Taller) -> None:
    t.crudos = [crudo for crudo in t.crudos if crudo[0] != f"order:{COMPRA}"]


def intencion_repetida(t: Taller) -> None:
    t.crudos.append(next(c for c in t.crudos if c[1] == "ORDER_INTENT"))


def dos_ordenes_de_una_ficha(t: Taller) -> None:
    contenido = t.contenido("ORDER_INTENT") | {}
    t.crudos.append(("order:tm-OTRA", "ORDER_INTENT", HORA, contenido))


def dos_operaciones_de_una_vela(t: Taller) -> None:
    contenido = t.contenido("ORDER_INTENT")
    ficha = str(contenido["token"]).replace("abrir_long", "abrir_short")
    t.crudos.append(("order:tm-OTRA", "ORDER_INTENT", HORA, contenido | {"token": ficha}))


def posicion_que_no_es(t: Taller) -> None:
    t.contenido("ROWS")["state"]["account"][1] = 1.5


def posicion_final_desconocida(t: Taller) -> None:
    fill = FillBolsa(3, 3, Decimal(1), Decimal(105), Decimal(0), Decimal(0), 3 * HORA)
    t.libros = replace(t.libros, fills=[*t.libros.fills, fill], cantidad=Decimal(1), stops_vivos=[CIERRA])


def fila_perdida(t: Taller) -> None:
    t.quitadas_del_csv = [1]


def fila_repetida_en_la_bitacora(t: Taller) -> None:
    filas = t.contenido("ROWS", 2)["rows"]
    filas.append(filas[0])


def fila_cambiada(t: Taller) -> None:
    t.contenido("ROWS", 1)["rows"].reverse()
    t.contenido("ROWS", 2)["state"]["rows"] = 4


def paso_saltado(t: Taller) -> None:
    t.contenido("ROWS", 2)["rows"][0]["paso"] = 4


def fill_que_adelanta_el_paso(t: Taller) -> None:
    t.contenido("ROWS", 1)["rows"].append(una_fila(3, action=None))
    t.contenido("ROWS", 1)["state"]["rows"] = 3
    t.contenido("ROWS", 2)["state"]["rows"] = 4


def vela_dos_veces(t: Taller) -> None:
    t.contenido("CANDLE_DECIDED", 2)["candle"][0] = HORA
    t.velas = [0, HORA]


def vela_perdida(t: Taller) -> None:
    t.velas.append(3 * HORA)


def desnuda(t: Taller) -> None:
    t.libros = replace(t.libros, desnuda=[Tramo(0, 2_001)])


def stop_que_sobra(t: Taller) -> None:
    t.libros = replace(t.libros, stops_vivos=[CIERRA])


def saldo_que_no_es(t: Taller) -> None:
    t.contenido("ROWS", 1)["state"]["account"][0] = 1009.30000001


def funding_ignorado(t: Taller) -> None:
    for tipo, cual in (("CANDLE_DECIDED", 1), ("ROWS", 1), ("CANDLE_DECIDED", 2), ("ROWS", 2)):
        t.contenido(tipo, cual)["state"]["account"][0] += 0.5


def comision_que_no_es(t: Taller) -> None:
    t.contenido("ROWS")["rows"][0]["comision"] = 0.11


def ganancia_que_no_es(t: Taller) -> None:
    t.contenido("ROWS", 1)["rows"][0]["pnl_realizado"] = 9.0


def cartera_que_no_suma(t: Taller) -> None:
    t.libros = replace(t.libros, saldo=Decimal("1009.4"))


def nivel_mas_flojo(t: Taller) -> None:
    t.crudos += [un_nivel(), un_nivel(level=79.9)]


def nivel_de_un_corto_mas_flojo(t: Taller) -> None:
    corto = {"quantity": -2.0, "long": False, "initial": 110.0}
    t.crudos += [un_nivel(**corto, stop=110.0, level=120.0), un_nivel(**corto, stop=110.1, level=121.0)]


def nivel_perdido(t: Taller) -> None:
    t.crudos += [un_nivel(), un_nivel(level=None)]


def stop_mas_flojo(t: Taller) -> None:
    t.crudos += [un_nivel(stop=95.0, name="break_even"), un_nivel(stop=94.9, name="profit_20")]


def stop_quitado(t: Taller) -> None:
    t.crudos += [un_nivel(), un_nivel(brake=None)]


def stop_inicial_cambiado(t: Taller) -> None:
    t.crudos += [un_nivel(), un_nivel(initial=91.0, stop=92.0, name="break_even")]


def stop_mas_alla_del_mercado(t: Taller) -> None:
    """The market of these candles never left 1."""
    t.crudos += [un_nivel(), un_nivel(stop=99.0, name="profit_20", adjusted_ms=HORA + HORA // 2)]


def stop_de_un_corto_mas_alla_del_mercado(t: Taller) -> None:
    corto = {"quantity": -2.0, "long": False, "initial": 3.0, "level": 4.0}
    movido = un_nivel(**corto, stop=1.0, name="profit_20", adjusted_ms=HORA + HORA // 2)
    t.crudos += [un_nivel(**corto, stop=3.0), movido]


def stop_que_abre(t: Taller) -> None:
    t.libros = replace(t.libros, hijas=frozenset({1}))


def stop_que_da_la_vuelta(t: Taller) -> None:
    fill = t.libros.fills[1]._replace(cantidad=Decimal(-3))
    t.libros = replace(t.libros, hijas=frozenset({2}), fills=[t.libros.fills[0], fill])


def stop_sin_fila(t: Taller) -> None:
    t.libros = replace(t.libros, hijas=frozenset({2}))


def fila_de_proteccion_sin_stop(t: Taller) -> None:
    fila = {"status": "proteccion", "operacion": "cerrar_long", "cantidad_reducida": 2.0}
    t.contenido("ROWS", 1)["rows"][0].update(fila)


def proteccion_que_abre(t: Taller) -> None:
    fila = {"status": "proteccion", "operacion": "abrir_long", "cantidad_reducida": None}
    t.contenido("ROWS", 1)["rows"][0].update(fila)


ROTURAS: list[tuple[Romper, str, str]] = [
    (orden_dos_veces, "orders happen once", "executed 2 times"),
    (orden_de_mas, "orders happen once", "executed 2 of 1.5 intended"),
    (orden_sin_intencion, "orders happen once", "was never intended"),
    (intencion_repetida, "orders happen once", "was intended twice"),
    (dos_ordenes_de_una_ficha, "one order for each token", "has 2 orders"),
    (dos_operaciones_de_una_vela, "one order for each token", "abrir_long, abrir_short"),
    (posicion_que_no_es, "the position is known", "knows a position of 1.5"),
    (posicion_final_desconocida, "the position is known", "at the end"),
    (fila_perdida, "the CSV is the journal's", "2 rows in its CSV and 3 in the journal"),
    (fila_repetida_en_la_bitacora, "the CSV is the journal's", "has 3 rows, the journal has 4"),
    (fila_cambiada, "the CSV is the journal's", "has 4 rows"),
    (paso_saltado, "steps are contiguous", "has paso 4 after 2"),
    (fill_que_adelanta_el_paso, "steps are contiguous", "has paso 3 after 2"),
    (vela_dos_veces, "every candle once", "was decided 2 times"),
    (vela_perdida, "every candle once", f"{3 * HORA} was neither decided nor written down"),
    (desnuda, "never without a stop", "2.001 s of market time"),
    (stop_que_sobra, "never without a stop", "1 stops wait at the exchange for a position of 0"),
    (nivel_mas_flojo, "a stop only tightens", "catastrophe level loosened from 80.0 to 79.9"),
    (nivel_de_un_corto_mas_flojo, "a stop only tightens", "catastrophe level loosened from 120.0 to 121.0"),
    (nivel_de_un_corto_mas_flojo, "a stop only tightens", "the stop loosened from 110.0 to 110.1"),
    (nivel_perdido, "a stop only tightens", "catastrophe level loosened from 80.0 to None"),
    (stop_mas_flojo, "a stop only tightens", "the stop loosened from 95.0 to 94.9"),
    (stop_quitado, "a stop only tightens", "the stop 90.0 was taken away"),
    (stop_inicial_cambiado, "a stop only tightens", "initial stop changed from 90.0 to 91.0"),
    (stop_mas_alla_del_mercado, "a stop only tightens", "of a long was moved to 99.0"),
    (stop_de_un_corto_mas_alla_del_mercado, "a stop only tightens", "of a short was moved to 1.0"),
    (stop_que_abre, "stops close what was open", "order 1 made 2 of 0"),
    (stop_que_da_la_vuelta, "stops close what was open", "order 2 made -1 of 2"),
    (stop_sin_fila, "stops close what was open", "protection closed 0; the exchange's stops closed 2"),
    (fila_de_proteccion_sin_stop, "stops close what was open", "protection closed 2.0"),
    (proteccion_que_abre, "stops close what was open", "said to have done abrir_long"),
    (saldo_que_no_es, "the ledger is the exchange's", "is no sum of other postings"),
    (funding_ignorado, "the ledger is the exchange's", "at the end the daemon knows a balance"),
    (comision_que_no_es, "the ledger is the exchange's", "of commissions"),
    (ganancia_que_no_es, "the ledger is the exchange's", "of realised profit"),
    (cartera_que_no_suma, "the ledger is the exchange's", "its wallet is 1009.4"),
]


@pytest.mark.parametrize(("romper", "invariante", "detalle"), ROTURAS)
def test_cada_violacion_se_encuentra(romper: Romper, invariante: str, detalle: str):
    taller = Taller()
    romper(taller)

    halladas = comprobar(taller.pruebas())

    assert any(v.invariante == invariante and detalle in v.detalle for v in halladas), halladas


def test_un_hueco_en_la_bitacora_se_encuentra():
    pruebas = Taller().pruebas()
    sin_uno = replace(pruebas, eventos=[e for e in pruebas.eventos if e.seq != 4])

    assert any("record 4 is missing" in v.detalle for v in comprobar(sin_uno))


def test_un_hueco_dentro_de_un_agregado_se_encuentra():
    pruebas = Taller().pruebas()
    saltadas = [e._replace(version=e.version + 1) if e.seq > 4 else e for e in pruebas.eventos]

    assert any("is version 5 of agent:" in v.detalle for v in comprobar(replace(pruebas, eventos=saltadas)))


def test_todas_las_comprobaciones_se_rompen_en_alguna_prueba():
    """A new invariant needs a test that sees it fail."""
    rotas = {invariante for _, invariante, _ in ROTURAS} | {"versions have no gaps"}

    assert rotas == {nombre for nombre, _ in COMPROBACIONES}


def test_una_salida_puede_ir_por_delante_de_su_apunte():
    """An exit does not wait for the disk: it may be at the exchange and not in the journal."""
    taller = Taller()
    taller.crudos = [crudo for crudo in taller.crudos if crudo[0] != f"order:{VENTA}"]

    assert comprobar(taller.pruebas()) == []


def test_la_hija_de_un_stop_no_necesita_intencion():
    taller = Taller()
    hija = OrdenBolsa(9, "tm-STOP", Decimal(2), Decimal(0), False, HORA)
    taller.libros = replace(taller.libros, ordenes=[*taller.libros.ordenes, hija], hijas=frozenset({9}))

    assert comprobar(taller.pruebas()) == []


def test_una_vela_que_nadie_oyo_puede_quedar_sin_decidir():
    taller = Taller()
    taller.velas.append(3 * HORA)
    taller.crudos.append((AGENTE, "CANDLES", 4 * HORA, {"candles": [[3 * HORA, 1, 1, 1, 1, 1]]}))
    pruebas = taller.pruebas()

    (violacion,) = comprobar(pruebas)
    assert "taken and not decided" in violacion.detalle
    assert comprobar(replace(pruebas, no_oidas=frozenset({3 * HORA}))) == []


def test_una_vela_que_nadie_oyo_antes_de_una_emergencia_esta_en_el_calentamiento_siguiente():
    taller = Taller()
    taller.velas += [3 * HORA, 4 * HORA]
    taller.crudos.append((AGENTE, "EMERGENCY", 5 * HORA, {"row": []}))
    calentada = replace(taller.pruebas(), calentadas=frozenset({3 * HORA}))

    (violacion,) = comprobar(calentada)
    assert "taken and not decided" in violacion.detalle
    assert comprobar(replace(calentada, no_oidas=frozenset({3 * HORA}))) == []


def test_la_vela_de_una_salida_sin_apuntar_queda_sin_decidir():
    taller = Taller()
    taller.velas.append(3 * HORA)
    salida = OrdenBolsa(9, "tm-SALIDA", Decimal(2), Decimal(0), True, 4 * HORA)
    taller.libros = replace(taller.libros, ordenes=[*taller.libros.ordenes, salida])
    taller.crudos.append((AGENTE, "CANDLES", 4 * HORA, {"candles": [[3 * HORA, 1, 1, 1, 1, 1]]}))

    assert comprobar(taller.pruebas()) == []


def test_el_instante_de_una_salida_es_del_reloj_de_la_bolsa_que_puede_ir_adelantado():
    taller = Taller()
    taller.velas += [3 * HORA, 4 * HORA]
    salida = OrdenBolsa(9, "tm-SALIDA", Decimal(2), Decimal(0), True, 4 * HORA + 3_000)
    taller.libros = replace(taller.libros, ordenes=[*taller.libros.ordenes, salida])
    velas = [[vela, 1, 1, 1, 1, 1] for vela in (3 * HORA, 4 * HORA)]
    taller.crudos.append((AGENTE, "CANDLES", 4 * HORA, {"candles": velas}))

    (violacion,) = comprobar(taller.pruebas())
    assert str(3 * HORA) in violacion.detalle
    assert comprobar(replace(taller.pruebas(), adelanto_ms=3_000)) == []


def test_el_instante_de_una_emergencia_tambien():
    taller = Taller()
    taller.velas += [3 * HORA, 4 * HORA]
    taller.crudos.append((AGENTE, "EMERGENCY", 4 * HORA + 3_000, {"row": []}))

    (violacion,) = comprobar(taller.pruebas())
    assert str(3 * HORA) in violacion.detalle
    assert comprobar(replace(taller.pruebas(), adelanto_ms=3_000)) == []


def test_una_vela_que_se_fue_en_una_emergencia_esta_explicada():
    taller = Taller()
    taller.velas.append(3 * HORA)
    taller.crudos.append((AGENTE, "EMERGENCY", 4 * HORA, {"row": []}))

    assert comprobar(taller.pruebas()) == []


def test_una_vela_anterior_a_la_emergencia_no_lo_esta():
    taller = Taller()
    taller.velas += [3 * HORA, 4 * HORA]
    taller.crudos.append((AGENTE, "EMERGENCY", 5 * HORA, {"row": []}))

    (violacion,) = comprobar(taller.pruebas())
    assert str(3 * HORA) in violacion.detalle


def test_un_ingreso_ajeno_al_final_no_falta():
    """Funding that settles after the last record is nobody's fault."""
    taller = Taller()
    tardio = IngresoBolsa("FUNDING_FEE", Decimal("-0.2"), 9 * HORA)
    taller.libros = replace(
        taller.libros, ingresos=[*taller.libros.ingresos, tardio], saldo=Decimal("1009.1")
    )

    assert comprobar(taller.pruebas()) == []


def test_un_stop_que_sigue_al_mercado_no_es_una_violacion():
    """Tighter, on its side of the market; another operation begins where it wants."""
    taller = Taller()
    taller.crudos += [
        un_nivel(initial=0.5, stop=0.5, level=0.4),
        un_nivel(initial=0.5, stop=0.9, level=0.4, name="break_even", adjusted_ms=HORA + HORA // 2),
        ("protection", "LEVEL_CLEARED", 2 * HORA, {}),
        un_nivel(initial=0.2, stop=0.2, level=0.1),
        un_nivel(operation=3 * HORA, initial=0.1, stop=0.1, level=0.05),
    ]

    assert comprobar(taller.pruebas()) == []


def test_un_freno_que_nace_otra_vez_con_otra_entrada_empieza_de_nuevo():
    """A position that was opened, lost and opened again while the market stood still."""
    taller = Taller()
    taller.crudos += [un_nivel(), un_nivel(entry=99.0, initial=89.0, stop=89.0)]

    assert comprobar(taller.pruebas()) == []


def test_lo_que_cierra_un_stop_esta_en_una_fila_de_proteccion():
    taller = Taller()
    taller.libros = replace(taller.libros, hijas=frozenset({2}))
    fila_de_proteccion_sin_stop(taller)

    assert comprobar(taller.pruebas()) == []


def test_una_posicion_que_cierra_el_demonio_por_no_tener_stop_cuenta_como_proteccion():
    taller = Taller()
    taller.contenido("ORDER_INTENT", 1)["token"] = f"unprotected:agent:{HORA}:3:1:0"
    fila_de_proteccion_sin_stop(taller)

    assert comprobar(taller.pruebas()) == []


@pytest.mark.parametrize(
    ("vivos", "dicho"),
    [
        ([CIERRA], ""),
        ([CIERRA, FRENA], ""),
        ([CIERRA, FRENA._replace(cantidad=Decimal("0.5")), FRENA._replace(cantidad=Decimal("0.5"))], ""),
        ([FRENA], "0 stops that close all of it"),
        ([CIERRA, CIERRA], "2 stops that close all of it"),
        ([CIERRA._replace(compra=True)], "of the other side"),
        ([CIERRA, FRENA._replace(cantidad=Decimal("0.4"))], "these STOP_MARKET orders"),
        ([CIERRA, FRENA, FRENA._replace(gatillo=Decimal(96))], "these STOP_MARKET orders"),
        (
            [CIERRA, FRENA._replace(tipo="TAKE_PROFIT_MARKET", cantidad=Decimal(2))],
            "these TAKE_PROFIT_MARKET",
        ),
    ],
)
def test_al_final_lo_abierto_tiene_sus_stops_y_nada_mas(vivos: list[StopEnEspera], dicho: str):
    pruebas = Taller().pruebas()
    abierta = replace(pruebas, libros=replace(pruebas.libros, cantidad=Decimal(1), stops_vivos=vivos))

    dichas = [v.detalle for v in comprobar(abierta) if v.invariante == "never without a stop"]

    assert [dicho in detalle for detalle in dichas] == [True] * bool(dicho)


@pytest.mark.parametrize(
    ("vivos", "dicho"),
    [
        ([FRENA], ""),
        ([CIERRA, FRENA], "1 stops that close all of it"),
        ([], "no stop at all"),
    ],
)
def test_al_final_no_se_pide_el_stop_que_ningun_precio_pedia(vivos: list[StopEnEspera], dicho: str):
    taller = Taller()
    taller.crudos.append(un_nivel(level=None))
    pruebas = taller.pruebas()
    abierta = replace(pruebas, libros=replace(pruebas.libros, cantidad=Decimal(1), stops_vivos=vivos))

    dichas = [v.detalle for v in comprobar(abierta) if v.invariante == "never without a stop"]

    assert [dicho in detalle for detalle in dichas] == [True] * bool(dicho)
