"""The whole report: figures, page and JSON."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from src.analisis import analizar, informe_a_json, redactar
from src.nucleo.errores import DatosInvalidos
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Operacion
from tests.analisis.fabrica import Agente, cambiar_celda, escribir, escribir_emergencias, una_sesion

_VACIOS = {"meta", "br", "img", "input", "hr", "link"}


class Equilibrio(HTMLParser):
    """Collects tags that are opened and never closed."""

    def __init__(self) -> None:
        super().__init__()
        self.abiertas: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in _VACIOS:
            self.abiertas.append(tag)

    def handle_endtag(self, tag):
        assert self.abiertas.pop() == tag


@pytest.fixture
def registro(tmp_path):
    return una_sesion().escribir(tmp_path / "registro.csv")


def test_resultado_y_costos_cuadran_con_la_cuenta(registro):
    informe = analizar([registro])
    costos = informe.resumen.costos
    assert informe.resultado == pytest.approx(informe.equity_final - 10_000.0)
    assert costos.slippage == pytest.approx(2.0 * (0.2 + 0.1 + 0.1 + 0.2 + 0.1 + 0.1))
    assert costos.funding == pytest.approx(-0.3 * 3.06 + 0.1 * 3.11)
    assert informe.resumen.operaciones.cerradas == 2
    assert informe.resumen.operaciones.tasa_acierto == 0.5
    assert informe.max_drawdown_vigilado == informe.historia.filas.max_drawdown.max()


def test_cada_operacion_se_cuenta_pedida_y_ejecutada(registro):
    distribucion = analizar([registro]).distribucion
    assert distribucion.pedidas[Operacion.MANTENER] == 4
    assert distribucion.ejecutadas[Operacion.ABRIR_LONG] == 1
    assert distribucion.ejecutadas[Operacion.REDUCIR_LONG] == 1
    assert sum(distribucion.pedidas.values()) == 10


def test_el_json_solo_tiene_numeros_finitos_y_nulos(registro):
    texto = json.dumps(informe_a_json(analizar([registro])), allow_nan=False)
    leido = json.loads(texto)
    assert leido["summary"]["closed_trades"] == 2
    assert leido["span"]["interval"] == "1h"
    assert [operacion["side"] for operacion in leido["trades"]] == ["long", "short"]


def test_sin_operaciones_las_cifras_son_nulas_en_json_y_rayas_en_la_pagina(tmp_path):
    informe = analizar([Agente().vela(100.0).vela(101.0).vela(99.0).escribir(tmp_path / "quieto.csv")])
    resumen = informe_a_json(informe)["summary"]
    assert (resumen["win_rate"], resumen["profit_factor"], resumen["expectancy"]) == (None, None, None)
    assert resumen["agent"]["sharpe"] == 0.0
    assert "<dd>–</dd>" in redactar(informe)
    assert "No position was opened." in redactar(informe)


def test_en_la_carpeta_de_un_artefacto_la_pagina_lleva_su_nombre(tmp_path):
    carpeta = tmp_path / "train_BTCUSDT_x" / "produccion"
    carpeta.mkdir(parents=True)
    informe = analizar([una_sesion().escribir(carpeta / "registro_1.csv")])
    assert (informe.titulo, informe.subtitulo) == ("train_BTCUSDT_x", "registro_1.csv")
    assert "<h1>train_BTCUSDT_x</h1>" in redactar(informe)
    assert '<p class="subtitulo">registro_1.csv</p>' in redactar(informe)


def test_fuera_de_un_artefacto_la_pagina_lleva_el_del_archivo(registro):
    informe = analizar([registro])
    assert (informe.titulo, informe.subtitulo) == ("registro.csv", "")


def test_el_drawdown_de_los_cierres_se_llama_asi(registro):
    assert "Max drawdown (closes)" in redactar(analizar([registro]))


def test_una_sola_vela_tambien_da_una_pagina(tmp_path):
    informe = analizar([Agente().vela(100.0).escribir(tmp_path / "corto.csv")])
    assert informe.resumen.velas == 1
    assert "corto.csv" in redactar(informe)
    assert "UTC, 1 candle<" in redactar(informe)


def test_la_pagina_es_igual_para_datos_iguales(registro, tmp_path):
    copia = tmp_path / "otra" / "registro.csv"
    copia.parent.mkdir()
    copia.write_bytes(registro.read_bytes())
    assert redactar(analizar([registro])) == redactar(analizar([copia]))


def test_la_pagina_se_basta_a_si_misma(registro):
    pagina = redactar(analizar([registro]))
    enlaces = re.findall(r'(?:src|href)="([^"]*)"', pagina)
    assert all(enlace.startswith("#") for enlace in enlaces)
    assert "<script" not in pagina
    assert "@import" not in pagina
    assert pagina.count("<svg") == 4
    assert 'name="viewport"' in pagina
    assert "prefers-color-scheme: dark" in pagina


def test_la_pagina_cierra_todo_lo_que_abre(registro):
    equilibrio = Equilibrio()
    equilibrio.feed(_sin_svg(redactar(analizar([registro]))))
    assert equilibrio.abiertas == []


def test_un_nombre_de_archivo_no_puede_inyectar_nada(tmp_path):
    ruta = una_sesion().escribir(tmp_path / "<b>&registro.csv")
    emergencias = escribir_emergencias(
        tmp_path / "e.csv", ("2024-01-01T03:00:00.000Z", "<script>alert(1)</script>", 1.0, 1.0, 1, "<i>x</i>")
    )
    pagina = redactar(analizar([ruta], [emergencias]))
    assert "<b>" not in pagina
    assert "<script" not in pagina
    assert "&lt;script&gt;" in pagina


def test_las_emergencias_se_cuentan_en_orden(registro, tmp_path):
    tarde = escribir_emergencias(tmp_path / "e2.csv", ("2024-01-02T00:00:00.000Z", "b", 1.0, 1.0, 1, ""))
    pronto = escribir_emergencias(tmp_path / "e1.csv", ("2024-01-01T00:00:00.000Z", "a", 1.0, 1.0, 1, ""))
    assert [emergencia.razon for emergencia in analizar([registro], [tarde, pronto]).emergencias] == [
        "a",
        "b",
    ]


def test_los_avisos_llegan_a_la_pagina(registro):
    registro.write_bytes(registro.read_bytes()[:-40])
    informe = analizar([registro])
    assert informe.avisos == ("registro.csv: line 11 was cut off and is left out",)
    assert informe.avisos[0] in redactar(informe)


def test_una_posicion_que_cambia_sin_ejecucion_se_avisa(registro):
    cambiar_celda(registro, 5, "cantidad_activa", "0.25")
    assert any("changed 1 time without a fill" in aviso for aviso in analizar([registro]).avisos)


def test_una_ruina_se_avisa(tmp_path):
    agente = Agente(100.0, apalancamiento=20.0).vela(100.0, 10.0, accion=1.0).vela(80.0).vela(80.0)
    informe = analizar([agente.escribir(tmp_path / "ruina.csv")])
    assert any("reached zero" in aviso for aviso in informe.avisos)
    assert informe.resumen.agente.rendimiento == -1.0
    assert redactar(informe)


def test_las_velas_son_las_mismas_en_todas_partes(tmp_path):
    """A fill after the last candle is a row and a point of the curve, and no candle."""
    agente = una_sesion().vela(31_500.0, 0.1, accion=0.3).entre_velas(31_400.0, -0.1, StatusFila.MANUAL)
    informe = analizar([agente.escribir(tmp_path / "registro.csv")])
    leido = informe_a_json(informe)
    assert (leido["span"]["rows"], leido["span"]["candles"], leido["summary"]["candles"]) == (12, 11, 11)
    assert "UTC, 11 candles of 1h" in redactar(informe)


def test_varios_episodios_se_comparan_y_el_primero_se_muestra(tmp_path):
    filas = una_sesion().filas + Agente(episodio=2).vela(100.0).vela(99.0).filas
    informe = analizar([escribir(tmp_path / "evaluacion.csv", filas)])
    assert [episodio.resumen.velas for episodio in informe.episodios] == [10, 2]
    assert informe.resumen == informe.episodios[0].resumen
    assert any("2 episodes" in aviso for aviso in informe.avisos)
    assert "<h2>Episodes</h2>" in redactar(informe)


def test_los_episodios_no_se_juntan_con_otras_sesiones(tmp_path):
    filas = una_sesion().filas + Agente(episodio=2).vela(100.0).filas
    con_episodios = escribir(tmp_path / "evaluacion.csv", filas)
    with pytest.raises(DatosInvalidos, match="report it alone"):
        analizar([con_episodios, una_sesion().escribir(tmp_path / "registro.csv")])


def test_sin_archivos_no_hay_informe():
    with pytest.raises(DatosInvalidos, match="no session file"):
        analizar([])


def _sin_svg(pagina: str) -> str:
    return re.sub(r"<svg.*?</svg>", "", pagina, flags=re.DOTALL)
