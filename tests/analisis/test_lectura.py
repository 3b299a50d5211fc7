"""Strict reading: what is wrong is named by file, line and column."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from src.analisis.lectura import leer_emergencias, leer_sesiones
from src.nucleo.columnas import ENTORNO, OPERACION, PORTAFOLIO
from src.nucleo.errores import DatosInvalidos
from src.nucleo.registro import StatusFila
from tests.analisis.fabrica import Agente, cambiar_celda, celdas, escribir, escribir_emergencias, una_sesion
from tests.constructores import INICIO_MS


@pytest.fixture
def registro(tmp_path):
    return una_sesion().escribir(tmp_path / "registro.csv")


def test_lo_escrito_se_lee_igual(registro):
    agente = una_sesion()
    (sesion,) = leer_sesiones(registro)
    assert sesion.filas.balance.tolist() == [fila["balance"] for fila in agente.filas]
    assert sesion.filas.cantidad.tolist() == [0.0, 0.2, 0.3, 0.3, 0.2, 0.0, -0.1, -0.1, 0.0, 0.0]
    assert sesion.filas.tiempo_ms[0] == INICIO_MS + 3_600_000
    assert sesion.avisos == ()


@pytest.mark.parametrize(
    ("columna", "valor", "motivo"),
    [
        ("balance", "mucho", "is not a number"),
        ("balance", "", "is not a number"),
        ("equity", "nan", "is not a number"),
        ("equity", "inf", "is not a number"),
        ("precio", "0", "is not a number"),
        ("action", "1.5", r"is not a number in \[-1, 1\]"),
        ("comision", "-1", "is not a number >= 0"),
        ("pnl_realizado", "1_000", "is not a number"),
        ("operaciones_total", "1.5", "is not a whole number"),
        ("paso", "", "is not a whole number"),
        ("posicion_abierta", "si", "is neither True nor False"),
        ("status", "raro", "is none of ok, rechazada"),
        ("status", "", "is none of ok"),
        ("operacion", "comprar", "is none of abrir_long"),
        ("tipo_accion", "largo", "is none of long"),
        ("resultado", "bien", "is none of ejecutada"),
        ("timestamp", "2024-01-01 03:00", "is not a time like"),
        ("timestamp", "2024-01-01T03:00:00+02:00", "is not a time like"),
        ("tipo_posicion_activa", "", "does not name the side"),
    ],
)
def test_un_valor_malo_nombra_archivo_linea_y_columna(registro, columna, valor, motivo):
    cambiar_celda(registro, 4, columna, valor)
    with pytest.raises(DatosInvalidos, match=rf"registro\.csv, line 4, column '{columna}': '.*' {motivo}"):
        leer_sesiones(registro)


@pytest.mark.parametrize("logico", ["True", "False", "true", "false"])
def test_los_logicos_se_leen_con_mayuscula_o_sin_ella(registro, logico):
    assert leer_sesiones(cambiar_celda(registro, 2, "terminated", logico))


def test_una_columna_equivocada_se_nombra(registro):
    registro.write_text(registro.read_text().replace("equity,", "patrimonio,", 1))
    with pytest.raises(DatosInvalidos, match=r"line 1, column 11: 'patrimonio' instead of 'equity'"):
        leer_sesiones(registro)


def test_columnas_en_otro_orden_se_rechazan(registro):
    registro.write_text(registro.read_text().replace("balance,equity,", "equity,balance,", 1))
    with pytest.raises(DatosInvalidos, match=r"column 10: 'equity' instead of 'balance'"):
        leer_sesiones(registro)


def test_una_columna_de_mas_se_rechaza(registro):
    registro.write_text(registro.read_text().replace("velas_abiertas", "velas_abiertas,notas", 1))
    with pytest.raises(DatosInvalidos, match="43 columns instead of 42"):
        leer_sesiones(registro)


def test_una_fila_corta_en_medio_se_rechaza(registro):
    lineas = registro.read_text().splitlines()
    lineas[3] = lineas[3].rsplit(",", 3)[0]
    registro.write_text("\n".join(lineas) + "\n")
    with pytest.raises(DatosInvalidos, match="line 4: 39 columns instead of 42"):
        leer_sesiones(registro)


@pytest.mark.parametrize("quitados", [1, 2, 30, 120])
def test_una_ultima_fila_cortada_se_tolera_y_se_dice(registro, quitados):
    registro.write_bytes(registro.read_bytes()[:-quitados])
    (sesion,) = leer_sesiones(registro)
    assert len(sesion.filas) == 9
    assert sesion.avisos == ("registro.csv: line 11 was cut off and is left out",)


def test_un_corte_dentro_de_comillas_tambien_se_tolera(tmp_path):
    agente = una_sesion()
    agente.filas[-1]["error"] = 'first line\nand "second" line'
    registro = agente.escribir(tmp_path / "registro.csv")
    assert len(leer_sesiones(registro)[0].filas) == 10
    crudo = registro.read_bytes()
    registro.write_bytes(crudo[: crudo.index(b"first line\n") + len(b"first line\n")])
    (sesion,) = leer_sesiones(registro)
    assert len(sesion.filas) == 9
    assert "cut off" in sesion.avisos[0]


def test_las_lineas_se_cuentan_aunque_una_celda_ocupe_varias(tmp_path):
    agente = una_sesion()
    agente.filas[0]["error"] = "one\ntwo\nthree"
    registro = cambiar_celda(agente.escribir(tmp_path / "registro.csv"), 3, "balance", "x")
    with pytest.raises(DatosInvalidos, match="line 5, column 'balance'"):
        leer_sesiones(registro)


def test_comillas_rotas_se_nombran(registro):
    lineas = registro.read_text().splitlines()
    lineas[2] = lineas[2].replace("ok", '"o"k', 1)
    registro.write_text("\n".join(lineas) + "\n")
    with pytest.raises(DatosInvalidos, match="line 3"):
        leer_sesiones(registro)


def test_bytes_que_no_son_texto_se_nombran(registro):
    registro.write_bytes(registro.read_bytes().replace(b"mantener", b"\xff\xfe", 1))
    with pytest.raises(DatosInvalidos, match=r"not a session CSV .line 2 is not UTF-8"):
        leer_sesiones(registro)


@pytest.mark.parametrize("contenido", ["", "\n"])
def test_un_archivo_vacio_se_rechaza(tmp_path, contenido):
    ruta = tmp_path / "registro.csv"
    ruta.write_text(contenido)
    with pytest.raises(DatosInvalidos, match="is empty"):
        leer_sesiones(ruta)


def test_un_registro_sin_filas_se_rechaza(tmp_path):
    with pytest.raises(DatosInvalidos, match="no complete row"):
        leer_sesiones(Agente().escribir(tmp_path / "registro.csv"))


def test_un_archivo_que_no_existe_se_nombra(tmp_path):
    with pytest.raises(DatosInvalidos, match=r"nada\.csv: cannot be read"):
        leer_sesiones(tmp_path / "nada.csv")


def test_el_tiempo_no_va_hacia_atras(registro):
    cambiar_celda(registro, 5, "timestamp", "2023-12-31T00:00:00.000Z")
    with pytest.raises(
        DatosInvalidos, match=r"line 5, column 'timestamp': .* is not later than the candle before"
    ):
        leer_sesiones(registro)


def test_una_ejecucion_mientras_se_decidia_puede_ser_posterior_a_su_vela(tmp_path):
    agente = Agente().vela(100.0, 1.0, accion=0.5).entre_velas(99.0, -1.0, StatusFila.MANUAL).vela(99.0)
    agente.filas[1]["timestamp"] = agente.filas[2]["timestamp"].replace(".000Z", ".200Z")
    assert len(leer_sesiones(agente.escribir(tmp_path / "registro.csv"))[0].filas) == 3


def test_el_paso_no_va_hacia_atras(registro):
    cambiar_celda(registro, 5, "paso", "1")
    with pytest.raises(DatosInvalidos, match="line 5, column 'paso': '1' is smaller"):
        leer_sesiones(registro)


def test_una_vela_escrita_dos_veces_se_rechaza(tmp_path):
    filas = una_sesion().filas
    registro = escribir(tmp_path / "registro.csv", [*filas[:4], filas[3], *filas[4:]])
    with pytest.raises(
        DatosInvalidos, match="line 6, column 'paso': '4' is a closed candle that an earlier row"
    ):
        leer_sesiones(registro)


def test_una_ejecucion_entre_velas_repite_el_paso(tmp_path):
    agente = Agente().vela(100.0, 1.0, accion=0.5).entre_velas(99.0, -1.0, StatusFila.PROTECCION).vela(99.0)
    (sesion,) = leer_sesiones(agente.escribir(tmp_path / "registro.csv"))
    assert sesion.filas.paso.tolist() == [1, 1, 2]
    assert np.isnan(sesion.filas.accion[1])


def test_las_emergencias_se_leen(tmp_path):
    ruta = escribir_emergencias(
        tmp_path / "emergencias.csv",
        ("2024-01-01T03:00:00.000Z", "drawdown", 8_000.0, 7_990.5, 1, '{"limit": 0.2}'),
        ("2024-01-02T03:00:00.000Z", "feed", "", "", 0, ""),
    )
    (una, otra), avisos = leer_emergencias(ruta)
    assert (una.razon, una.equity_final, una.posiciones_cerradas) == ("drawdown", 7_990.5, 1)
    assert otra.balance_final is None
    assert avisos == ()


def test_una_emergencia_mala_se_nombra(tmp_path):
    ruta = escribir_emergencias(tmp_path / "e.csv", ("2024-01-01T03:00:00.000Z", "x", 1.0, 1.0, "dos", ""))
    with pytest.raises(
        DatosInvalidos, match="line 2, column 'posiciones_cerradas': 'dos' is not a whole number"
    ):
        leer_emergencias(ruta)


def repartir(carpeta, registro):
    """Split a session CSV into the three files of an evaluation."""
    carpeta.mkdir()
    encabezado, *filas = celdas(registro)
    for nombre, columnas in (("entorno", ENTORNO), ("portafolio", PORTAFOLIO), ("operacion", OPERACION)):
        propias = [columna for columna in encabezado if columna == "paso" or columna in columnas]
        if nombre != "entorno":
            propias = ["paso", *columnas]
        with (carpeta / f"{nombre}.csv").open("w", newline="") as archivo:
            escritor = csv.writer(archivo)
            escritor.writerow(propias)
            escritor.writerows([[fila[encabezado.index(columna)] for columna in propias] for fila in filas])
    return carpeta


def test_los_tres_archivos_de_una_evaluacion_valen_por_uno(tmp_path, registro):
    carpeta = repartir(tmp_path / "evaluacion", registro)
    (unida,), (entera,) = leer_sesiones(carpeta), leer_sesiones(registro)
    np.testing.assert_array_equal(unida.filas.equity, entera.filas.equity)
    np.testing.assert_array_equal(unida.filas.pnl, entera.filas.pnl)


def test_archivos_de_evaluaciones_distintas_se_rechazan(tmp_path, registro):
    carpeta = repartir(tmp_path / "evaluacion", registro)
    cambiar_celda(carpeta / "operacion.csv", 3, "paso", "77")
    with pytest.raises(DatosInvalidos, match=r"operacion\.csv: its rows are not those of entorno\.csv"):
        leer_sesiones(carpeta)


def test_cada_episodio_es_una_sesion(tmp_path):
    filas = (
        Agente().vela(100.0).vela(101.0).filas + Agente(episodio=2).vela(100.0).vela(99.0).vela(98.0).filas
    )
    uno, dos = leer_sesiones(escribir(tmp_path / "evaluacion.csv", filas))
    assert (uno.nombre, len(uno.filas)) == ("evaluacion.csv #1", 2)
    assert (dos.nombre, len(dos.filas)) == ("evaluacion.csv #2", 3)


def test_un_archivo_que_no_es_texto_no_es_una_sesion(tmp_path):
    ruta = tmp_path / "figura.png"
    ruta.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(DatosInvalidos, match="not a session CSV"):
        leer_sesiones(ruta)


def test_la_carpeta_de_un_artefacto_dice_donde_estan_sus_sesiones(tmp_path):
    (tmp_path / "manifiesto.json").write_text("{}")
    with pytest.raises(DatosInvalidos, match=r"evaluacion for .*produccion/registro_\*\.csv"):
        leer_sesiones(tmp_path)
