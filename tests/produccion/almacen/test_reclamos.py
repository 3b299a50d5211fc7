from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine, select, update

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import claims
from src.produccion.almacen.reclamos import ResultadoReclamo, renovar_reclamo, soltar_reclamo, tomar_reclamo

TOKEN = "sim-1:BTCUSDT:1000:90:2000"

PROCESO = """
import sys
from pathlib import Path
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.almacen.reclamos import tomar_reclamo
motor = abrir_almacen(sys.argv[1], Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
print(sum(tomar_reclamo(motor, f"token-{i}", sys.argv[3], "tm-1").mio for i in range(100)))
motor.dispose()
"""


def vencer(motor: Engine) -> None:
    with motor.begin() as conexion:
        conexion.execute(update(claims).values(lease_until_ms=claims.c.lease_until_ms - 10_001))


def test_el_segundo_que_pide_un_reclamo_ve_quien_lo_tiene(motor: Engine):
    assert tomar_reclamo(motor, TOKEN, "a", "tm-a").resultado is ResultadoReclamo.NUEVO

    segundo = tomar_reclamo(motor, TOKEN, "b", "tm-b")

    assert segundo.resultado is ResultadoReclamo.AJENO
    assert not segundo.mio
    assert (segundo.quien, segundo.id_cliente) == ("a", "tm-a")


def test_un_arriendo_vencido_pasa_a_otro_con_el_id_que_ha_de_consultar(motor: Engine):
    primero = tomar_reclamo(motor, TOKEN, "a", "tm-a")
    vencer(motor)

    relevo = tomar_reclamo(motor, TOKEN, "b", "tm-b")

    assert relevo.resultado is ResultadoReclamo.VENCIDO
    assert relevo.mio
    assert (relevo.id_cliente, relevo.attempt) == ("tm-a", 2)
    assert not renovar_reclamo(motor, primero)
    assert not soltar_reclamo(motor, primero, hecho=True)
    assert renovar_reclamo(motor, relevo, "tm-b")
    assert tomar_reclamo(motor, TOKEN, "c", "tm-c").id_cliente == "tm-b"


def test_quien_renueva_no_pierde_el_reclamo(motor: Engine):
    mio = tomar_reclamo(motor, TOKEN, "a", "tm-a")
    vencer(motor)

    assert renovar_reclamo(motor, mio)

    assert tomar_reclamo(motor, TOKEN, "b", "tm-b").resultado is ResultadoReclamo.AJENO


def test_el_arriendo_dura_diez_segundos_del_reloj_de_la_base(motor: Engine):
    reclamo = tomar_reclamo(motor, TOKEN, "a", "tm-a")

    with leer(motor) as conexion:
        fila = conexion.execute(select(claims)).mappings().one()
    assert fila["lease_until_ms"] == reclamo.hasta_ms == fila["claimed_at_ms"] + 10_000


def test_lo_terminado_no_lo_toma_nadie_mas(motor: Engine):
    assert soltar_reclamo(motor, tomar_reclamo(motor, TOKEN, "a", "tm-a"), hecho=True)
    vencer(motor)

    assert tomar_reclamo(motor, TOKEN, "b", "tm-b").resultado is ResultadoReclamo.TERMINADO


def test_lo_soltado_sin_hacer_lo_toma_el_siguiente_sin_esperar(motor: Engine):
    assert soltar_reclamo(motor, tomar_reclamo(motor, TOKEN, "a", "tm-a"), hecho=False)

    assert tomar_reclamo(motor, TOKEN, "b", "tm-b").resultado is ResultadoReclamo.VENCIDO


def test_de_dos_procesos_a_la_vez_uno_gana_cada_reclamo(url: str, tmp_path: Path):
    procesos = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESO, url, str(tmp_path), quien],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for quien in "ab"
    ]
    for proceso in procesos:
        assert proceso.stdout is not None
        assert proceso.stdout.readline() == "ready\n"
    for proceso in procesos:
        assert proceso.stdin is not None
        proceso.stdin.write("go\n")
        proceso.stdin.flush()
    ganados = [int(proceso.communicate(timeout=60)[0]) for proceso in procesos]

    assert sum(ganados) == 100
