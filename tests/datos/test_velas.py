"""Candle files: what goes in comes out, and every mistake is named with its place and remedy."""

from __future__ import annotations

import gzip
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.datos.sintetico import generar
from src.datos.velas import COLUMNAS, TablaVelas, escribir_velas, leer_velas
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.nucleo.tipos import Vela

INICIO = 1_640_995_200_000
HORA = 3_600_000
ENCABEZADO = "open_time,open,high,low,close,volume"


def fila(indice: int = 0, **cambios: object) -> str:
    valores: dict[str, object] = {
        "open_time": INICIO + indice * HORA,
        "open": 100.5,
        "high": 110.25,
        "low": 90.0,
        "close": 105.1,
        "volume": 3.5,
    }
    return ",".join(str(valor) for valor in (valores | cambios).values())


def archivo(carpeta: Path, *filas: str, encabezado: str = ENCABEZADO, nombre: str = "velas.csv") -> Path:
    ruta = carpeta / nombre
    ruta.write_text("\n".join((encabezado, *filas)) + "\n")
    return ruta


def buenas(cantidad: int) -> list[str]:
    return [fila(i) for i in range(cantidad)]


def con_mala(carpeta: Path, **cambios: object) -> Path:
    """Line 17 is the wrong one."""
    return archivo(carpeta, *buenas(15), fila(15, **cambios), *[fila(i) for i in range(16, 20)])


@pytest.mark.parametrize("nombre", ["velas.csv", "velas.csv.gz", "velas.parquet"])
def test_lo_escrito_se_lee_igual(tmp_path, nombre):
    tabla = generar("BTCUSDT", "1h", 300, 3)
    ruta = tmp_path / "otra" / nombre
    escribir_velas(tabla, ruta)
    assert leer_velas(ruta, "1h").huella() == tabla.huella()
    assert [hijo.name for hijo in ruta.parent.iterdir()] == [nombre]


def test_escribir_dos_veces_da_los_mismos_bytes(tmp_path):
    tabla = generar("BTCUSDT", "1h", 50, 3)
    for nombre in ("a.csv.gz", "b.csv.gz"):
        escribir_velas(tabla, tmp_path / nombre)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_una_escritura_fallida_no_deja_rastro(tmp_path):
    tabla = generar("BTCUSDT", "1h", 5, 3)
    (tmp_path / "velas.csv").mkdir()
    with pytest.raises(OSError):  # noqa: PT011
        escribir_velas(tabla, tmp_path / "velas.csv")
    assert [ruta.name for ruta in tmp_path.iterdir()] == ["velas.csv"]


@given(precio=st.decimals(min_value="0.00000001", max_value="999999", places=8))
def test_los_decimales_del_texto_se_conservan(tmp_path_factory, precio):
    ruta = archivo(
        tmp_path_factory.mktemp("d"), fila(open=precio, high=precio, low=precio, close=precio, volume=0)
    )
    assert leer_velas(ruta).vela(0) == Vela(INICIO, *[float(str(precio))] * 4, 0.0)


def test_las_columnas_de_mas_se_ignoran_en_cualquier_orden(tmp_path):
    encabezado = "close_time,volume,close,low,high,open,open_time,trades"
    ruta = archivo(tmp_path, f"9,3.5,105.1,90,110.25,100.5,{INICIO},x", encabezado=encabezado)
    assert leer_velas(ruta).vela(0) == Vela(INICIO, 100.5, 110.25, 90.0, 105.1, 3.5)


def test_marca_de_orden_de_bytes_lineas_vacias_y_fin_de_linea_de_windows(tmp_path):
    ruta = tmp_path / "velas.csv"
    ruta.write_bytes(b"\xef\xbb\xbf" + f"{ENCABEZADO}\r\n{fila(0)}\r\n\r\n{fila(1)}\r\n".encode())
    assert len(leer_velas(ruta, "1h")) == 2


def test_la_linea_nombrada_cuenta_las_vacias(tmp_path):
    ruta = archivo(tmp_path, fila(0), "", "", fila(1, close=-3))
    with pytest.raises(DatosInvalidos, match=r"velas.csv line 5: close is '-3.0'"):
        leer_velas(ruta)


@pytest.mark.parametrize(
    ("columna", "valor", "motivo"),
    [
        ("close", "-3.0", "prices must be positive. Remove or correct the row."),
        ("open", "0", "prices must be positive"),
        ("high", "abc", "it must be a number"),
        ("high", "", "it must be a number"),
        ("low", "1_000", "it must be a number"),
        ("low", "nan", "it must be a finite number"),
        ("close", "inf", "it must be a finite number"),
        ("volume", "-1", "volume must not be negative"),
        ("volume", "-inf", "it must be a finite number"),
        ("open_time", "2022-01-01", "it must be a number. open_time must be UTC milliseconds."),
        ("open_time", f"{INICIO}.5", "it must be a whole number of UTC milliseconds"),
        ("open_time", INICIO // 1000, "It looks like seconds"),
        ("open_time", INICIO * 1000, "It looks like microseconds"),
        ("open_time", INICIO + 14 * HORA, "line 16 has the same open_time. Keep one candle"),
        ("open_time", INICIO + 2 * HORA, f"it is earlier than line 16's {INICIO + 14 * HORA}. Sort the rows"),
        ("open_time", INICIO + 15 * HORA + 1, "(2022-01-01T15:00:00.001Z), which is off the 1h grid"),
        ("high", "102", "it is below the close 105.1"),
        ("high", "100.0", "it is below the open 100.5"),
        ("low", "101", "it is above the open 100.5"),
    ],
)
def test_un_valor_imposible_se_nombra_con_linea_columna_y_remedio(tmp_path, columna, valor, motivo):
    with pytest.raises(DatosInvalidos) as fallo:
        leer_velas(con_mala(tmp_path, **{columna: valor}))
    texto = str(fallo.value)
    assert texto.startswith(f"velas.csv line 17: {columna} is '")
    assert motivo in texto


def test_el_texto_entero_de_un_error(tmp_path):
    with pytest.raises(DatosInvalidos) as fallo:
        leer_velas(con_mala(tmp_path, close="-3.0"))
    assert str(fallo.value) == (
        "velas.csv line 17: close is '-3.0'; prices must be positive. Remove or correct the row."
    )


def test_low_sobre_close(tmp_path):
    with pytest.raises(DatosInvalidos, match=r"low is '99.0'; it is above the close 98.0"):
        leer_velas(con_mala(tmp_path, low="99", close="98"))


def test_una_fila_corta_se_nombra(tmp_path):
    ruta = archivo(tmp_path, fila(0), f"{INICIO + HORA},1,2", fila(2))
    with pytest.raises(
        DatosInvalidos, match=r"line 3: low is missing; the row has 3 fields and the header 6"
    ):
        leer_velas(ruta)


@pytest.mark.parametrize("nombre", ["nada.csv", "nada.csv.gz", "nada.parquet"])
def test_un_archivo_que_falta(tmp_path, nombre):
    with pytest.raises(DatosInvalidos, match=rf"{nombre} does not exist. Check the path"):
        leer_velas(tmp_path / nombre)


def test_una_carpeta_no_es_un_archivo(tmp_path):
    (tmp_path / "velas.csv").mkdir()
    with pytest.raises(DatosInvalidos, match="cannot be read"):
        leer_velas(tmp_path / "velas.csv")


def test_otra_clase_de_archivo(tmp_path):
    with pytest.raises(DatosInvalidos, match=r"Use .csv, .csv.gz or .parquet"):
        leer_velas(tmp_path / "velas.xlsx")
    with pytest.raises(DatosInvalidos, match="kind of file is unknown"):
        escribir_velas(generar("BTCUSDT", "1h", 2, 1), tmp_path / "velas.json")


def test_un_archivo_vacio(tmp_path):
    (tmp_path / "velas.csv").write_text("")
    with pytest.raises(
        DatosInvalidos, match=r"velas.csv is empty. The first line must name the columns open_time"
    ):
        leer_velas(tmp_path / "velas.csv")


def test_un_encabezado_sin_velas(tmp_path):
    with pytest.raises(DatosInvalidos, match="has a header but no candles"):
        leer_velas(archivo(tmp_path))


def test_una_columna_que_falta(tmp_path):
    ruta = archivo(tmp_path, "1,2,3,4", encabezado="open_time,open,high,low")
    with pytest.raises(DatosInvalidos, match=r"line 1: no column close, volume in 'open_time,open,high,low'"):
        leer_velas(ruta)


def test_un_archivo_sin_encabezado(tmp_path):
    with pytest.raises(DatosInvalidos, match="The first line must name the columns"):
        leer_velas(archivo(tmp_path, fila(1), encabezado=fila(0)))


def test_un_gzip_cortado(tmp_path):
    ruta = tmp_path / "velas.csv.gz"
    ruta.write_bytes(gzip.compress(b"x" * 10_000)[:-12])
    with pytest.raises(DatosInvalidos, match="is not a whole gzip file"):
        leer_velas(ruta)


def test_un_csv_que_no_es_texto(tmp_path):
    ruta = tmp_path / "velas.csv"
    ruta.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DatosInvalidos, match="is not text in UTF-8"):
        leer_velas(ruta)


def test_un_campo_enorme_no_es_un_csv(tmp_path):
    with pytest.raises(DatosInvalidos, match="Save the file as plain CSV"):
        leer_velas(archivo(tmp_path, "9" * 200_000))


def test_un_parquet_danado(tmp_path):
    ruta = tmp_path / "velas.parquet"
    ruta.write_bytes(b"nothing")
    with pytest.raises(DatosInvalidos, match="is not a whole Parquet file"):
        leer_velas(ruta)


def un_parquet(carpeta: Path, **cambios: object) -> Path:
    columnas: dict[str, object] = {
        "open_time": [INICIO, INICIO + HORA],
        "open": [100.5, 100.5],
        "high": [110.25, 110.25],
        "low": [90.0, 90.0],
        "close": [105.1, 105.1],
        "volume": [3.5, 0.0],
    }
    columnas |= cambios
    ruta = carpeta / "velas.parquet"
    pq.write_table(pa.table({k: v for k, v in columnas.items() if v is not None}), ruta)
    return ruta


@pytest.mark.parametrize(
    ("cambios", "motivo"),
    [
        ({"close": None}, "no column close among"),
        ({"close": [105.1, None]}, "row 2: close is missing"),
        ({"close": ["105.1", "1"]}, "close has type string; write it as float64"),
        ({"open_time": ["a", "b"]}, "open_time has type string"),
        ({"close": [105.1, -1.0]}, "row 2: close is '-1.0'; prices must be positive"),
        ({"high": [110.0, float("nan")]}, "row 2: high is 'nan'; prices must be finite"),
        ({"volume": [1.0, float("inf")]}, "row 2: volume is 'inf'; volume must be a finite number"),
        ({"open_time": [INICIO, INICIO + HORA + 1]}, "3600001 ms apart, which is no interval"),
    ],
)
def test_un_parquet_con_errores(tmp_path, cambios, motivo):
    with pytest.raises(DatosInvalidos, match=r"velas.parquet") as fallo:
        leer_velas(un_parquet(tmp_path, **cambios))
    assert motivo in str(fallo.value)


def test_un_parquet_sin_filas(tmp_path):
    ruta = tmp_path / "velas.parquet"
    pq.write_table(pa.table({nombre: pa.array([], pa.float64()) for nombre in COLUMNAS}), ruta)
    with pytest.raises(DatosInvalidos, match="holds no candles"):
        leer_velas(ruta)


def test_un_parquet_con_fechas_y_enteros(tmp_path):
    fechas = pa.array([INICIO * 1000, (INICIO + HORA) * 1000], pa.timestamp("us", tz="UTC"))
    tabla = leer_velas(un_parquet(tmp_path, open_time=fechas, volume=[3, 4]), "1h")
    assert tabla.apertura_ms.tolist() == [INICIO, INICIO + HORA]
    assert tabla.volume.tolist() == [3.0, 4.0]


def test_otro_intervalo_que_el_pedido(tmp_path):
    with pytest.raises(DatosInvalidos, match="the candles are 1h, but 15m was asked for"):
        leer_velas(archivo(tmp_path, *buenas(5)), "15m")


def test_un_intervalo_que_no_existe(tmp_path):
    with pytest.raises(ConfiguracionInvalida, match="'2d' is unknown"):
        leer_velas(archivo(tmp_path, *buenas(5)), "2d")


def test_un_hueco_no_es_un_error_de_lectura(tmp_path):
    assert len(leer_velas(archivo(tmp_path, fila(0), fila(1), fila(2), fila(9)), "1h")) == 4


def test_ni_leer_ni_generar_ni_el_mercado_importan_pandas(tmp_path):
    programa = (
        "import sys, pathlib\n"
        "from src.datos import mercados, sintetico, velas\n"
        "assert 'pyarrow' not in sys.modules\n"
        f"ruta = pathlib.Path({str(tmp_path)!r}) / 'v.parquet'\n"
        "velas.escribir_velas(sintetico.generar('BTCUSDT', '1h', 10, 1), ruta)\n"
        "velas.leer_velas(ruta)\n"
        "assert not {'pandas', 'torch', 'binance', 'aiohttp'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", programa], check=True)


def una_tabla(cantidad: int = 10) -> TablaVelas:
    return generar("BTCUSDT", "1h", cantidad, 1)


def test_una_tabla_se_corta_y_se_recorre():
    tabla = una_tabla()
    assert len(tabla[2:5]) == 3
    assert list(tabla)[4] == tabla.vela(4) == tabla[4:].vela(0)
    assert isinstance(tabla.vela(0).apertura_ms, int)


def test_entre_toma_por_hora_de_apertura():
    tabla = una_tabla()
    apertura = tabla.apertura_ms.tolist()
    assert tabla.entre(apertura[2], apertura[5]).apertura_ms.tolist() == apertura[2:5]
    assert len(tabla.entre(0, apertura[0])) == 0


def test_una_tabla_no_se_puede_cambiar_pero_su_origen_si():
    apertura = np.array([INICIO], dtype=np.int64)
    precio = np.array([1.0])
    tabla = TablaVelas(
        apertura_ms=apertura, open=precio, high=precio, low=precio, close=precio, volume=precio
    )
    with pytest.raises(ValueError, match="read-only"):
        tabla.close[0] = 5.0
    apertura[0] += 1


def test_columnas_de_distinto_largo_no_son_una_tabla():
    uno, dos = np.ones(1), np.ones(2)
    with pytest.raises(ValueError, match="vectors of one length"):
        TablaVelas(apertura_ms=np.ones(1, dtype=np.int64), open=uno, high=uno, low=uno, close=dos, volume=uno)


def test_la_huella_es_del_contenido_y_no_del_origen():
    tabla = una_tabla()
    assert replace(tabla, origen="otro").huella() == tabla.huella()
    for columna in ("open", "high", "low", "close", "volume"):
        assert replace(tabla, **{columna: getattr(tabla, columna) + 0.1}).huella() != tabla.huella()
    assert replace(tabla, apertura_ms=tabla.apertura_ms + 1).huella() != tabla[:9].huella() != tabla.huella()
