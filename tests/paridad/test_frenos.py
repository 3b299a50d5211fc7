"""The same entries under each trailing strategy, on a market of a day and in the command."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from src.artefactos.configuracion import interpretar_configuracion
from src.datos.mercados import mercado_por_defecto
from src.datos.sintetico import Clima, generar
from src.datos.velas import TablaVelas, escribir_velas
from src.nucleo.frenos import TipoFreno
from src.paridad import frenos as orden
from src.paridad.ajustes import faltas
from src.paridad.aprendiz import entrenar_pequeno
from src.paridad.cifras import CifrasFreno, Motivo, medir_vuelta
from src.paridad.corridas import CALENTAMIENTO
from src.paridad.variantes import derivar
from src.paridad.vueltas import Vuelta, cambios_de, dar_vuelta_daemon, dar_vuelta_entorno

VELAS, CADA = 3_000, 120
MERCADO = {"data_downloader.symbol": "ADAUSDT", "data_downloader.interval": "1m"}


@pytest.fixture(scope="module")
def tabla() -> TablaVelas:
    return generar("ADAUSDT", "1m", VELAS, 3, precio_inicial=0.7, clima=Clima(volatilidad_anual=1.2))


@pytest.fixture(scope="module")
def vueltas(tabla: TablaVelas) -> dict[TipoFreno, Vuelta]:
    mercado = mercado_por_defecto("ADAUSDT", tabla)
    return {
        tipo: dar_vuelta_entorno(
            interpretar_configuracion("", "t", {**MERCADO, "entorno.window_size": 1, **cambios_de(tipo)}),
            tabla,
            mercado,
            CADA,
        )
        for tipo in TipoFreno
    }


@pytest.fixture(scope="module")
def cifras(vueltas: dict[TipoFreno, Vuelta]) -> dict[TipoFreno, CifrasFreno]:
    return {tipo: medir_vuelta(vuelta) for tipo, vuelta in vueltas.items()}


@pytest.mark.parametrize("tipo", TipoFreno)
def test_cada_ajuste_es_legal(tipo: TipoFreno, tabla: TablaVelas, vueltas: dict[TipoFreno, Vuelta]):
    tick = mercado_por_defecto("ADAUSDT", tabla).filtros.tick

    assert faltas(vueltas[tipo].ajustes, tipo, tick) == []
    assert bool(vueltas[tipo].ajustes) is (tipo is not TipoFreno.FIJA)


def test_las_entradas_son_las_mismas(vueltas: dict[TipoFreno, Vuelta]):
    entradas = {
        tipo: [
            (despues.instante, despues.cantidad > 0.0)
            for antes, despues in pairwise(vuelta.renglones)
            if antes.cantidad == 0.0 != despues.cantidad
        ]
        for tipo, vuelta in vueltas.items()
    }

    assert len(entradas[TipoFreno.FIJA]) >= VELAS // CADA - 1
    assert all(lista == entradas[TipoFreno.FIJA] for lista in entradas.values())
    lados = [larga for _, larga in entradas[TipoFreno.FIJA]]
    assert all(uno is not otro for uno, otro in pairwise(lados))


def test_las_cifras_cuadran(vueltas: dict[TipoFreno, Vuelta], cifras: dict[TipoFreno, CifrasFreno]):
    for tipo, cifra in cifras.items():
        assert sum(cifra.salidas.values()) == cifra.operaciones > 0
        assert cifra.salidas[Motivo.OTRO] == 0
        assert sum(cifra.ajustes.values()) == len(vueltas[tipo].ajustes)
    assert cifras[TipoFreno.FIJA].ajustes == {}
    assert cifras[TipoFreno.FIJA].salidas[Motivo.OBJETIVO] > 0
    assert cifras[TipoFreno.NIVELES].salidas[Motivo.STOP] > cifras[TipoFreno.FIJA].salidas[Motivo.STOP]


def test_la_suma_de_las_operaciones_es_lo_que_cambia_la_cuenta(cifras: dict[TipoFreno, CifrasFreno]):
    """The last operation may still be open, so what is left is at most one operation's worth."""
    for cifra in cifras.values():
        assert cifra.tasa_acierto is not None
        ganadas = cifra.tasa_acierto * cifra.operaciones
        netos = ganadas * (cifra.ganancia_media or 0.0)
        netos += (cifra.operaciones - ganadas) * (cifra.perdida_media or 0.0)
        assert cifra.neto == pytest.approx(netos, abs=120.0)


class TestOrden:
    @staticmethod
    def _llamar(tmp_path: Path, tabla: TablaVelas) -> tuple[int, str]:
        datos = tmp_path / "ADAUSDT-1m.csv"
        escribir_velas(tabla[:600], datos)
        app = Typer()
        app.command()(orden.con_codigo_de_salida(orden.frenos))
        resultado = CliRunner().invoke(app, ["--data", str(datos), "--output", str(tmp_path / "build")])
        return resultado.exit_code, resultado.output

    def test_deja_cifras_listas_y_lamina(self, tmp_path: Path, tabla: TablaVelas):
        codigo, _ = self._llamar(tmp_path, tabla)

        assert codigo == 0
        salida = json.loads((tmp_path / "build" / "trailing.json").read_text(encoding="utf-8"))
        assert [fila["trailing"] for fila in salida] == [tipo.value for tipo in TipoFreno]
        assert all(fila["violations"] == [] for fila in salida)
        for tipo in TipoFreno:
            assert (tmp_path / "build" / f"trailing-{tipo.value}.csv").exists()
        assert (tmp_path / "build" / "trailing.png").read_bytes().startswith(b"\x89PNG")


def test_un_ajuste_ilegal_se_dice_y_se_escribe(
    vueltas: dict[TipoFreno, Vuelta], tabla: TablaVelas, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """One move in the middle of the run, back to the stop before it."""
    sana = vueltas[TipoFreno.NIVELES]
    medio = len(sana.ajustes) // 2
    suelto = sana.ajustes[medio]._replace(nuevo=sana.ajustes[medio].anterior)
    mala = replace(sana, ajustes=[*sana.ajustes[:medio], suelto, *sana.ajustes[medio + 1 :]])
    tick = mercado_por_defecto("ADAUSDT", tabla).filtros.tick

    assert orden.informar([sana], tick, tmp_path, "ADAUSDT")
    assert not orden.informar([mala], tick, tmp_path, "ADAUSDT")

    assert "is not tighter than" in capsys.readouterr().out
    assert json.loads((tmp_path / "trailing.json").read_text(encoding="utf-8"))[0]["violations"]


@pytest.mark.slow
def test_el_demonio_mueve_los_stops_como_el_entorno(tabla: TablaVelas, tmp_path: Path):
    """Through the wire, and read from its journal; both begin after the warm-up."""
    from rich.console import Console

    artefacto = entrenar_pequeno(tabla, tmp_path, Console(quiet=True), MERCADO)
    variante = derivar(artefacto, "niveles", cambios_de(TipoFreno.NIVELES))
    tramo = tabla[: CALENTAMIENTO + 600]
    vuelta = dar_vuelta_daemon(variante, tramo, tmp_path, CADA)
    cambios = {**MERCADO, "entorno.window_size": 1, **cambios_de(TipoFreno.NIVELES)}
    gemela = dar_vuelta_entorno(
        *(interpretar_configuracion("", "t", cambios), tramo, variante.mercado, CADA),
        inicio=CALENTAMIENTO - 1,
    )

    assert len(vuelta.ajustes) > 5
    assert [a._replace(mark=0.0) for a in vuelta.ajustes] == [a._replace(mark=0.0) for a in gemela.ajustes]
    assert faltas(vuelta.ajustes, TipoFreno.NIVELES, variante.mercado.filtros.tick) == []
    assert medir_vuelta(vuelta).operaciones == medir_vuelta(gemela).operaciones > 0
