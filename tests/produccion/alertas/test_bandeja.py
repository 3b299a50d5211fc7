from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from src.nucleo.alertas import Nivel, Regla
from src.produccion.alertas.bandeja import (
    Destino,
    Entrega,
    entregada,
    fallida,
    juntar,
    limpiar,
    repartir,
    tomar,
)
from src.produccion.alertas.estadistica import contar, sin_repartir
from src.produccion.almacen.conexion import leer
from src.produccion.monitor.reglas import Alerta, alertar
from tests.produccion.alertas.apoyo import EVA, adelantar, avisar, filas

REGLA = Regla(por_clase=2, ventana_ms=60_000, caduca_ms=3_600_000)


def texto(entrega: Entrega | None) -> str:
    assert entrega is not None
    return entrega.mensaje.cuerpo.split("\n")[0]


def decir_todo(motor: Engine, destino: Destino = EVA) -> list[str]:
    dichos = []
    while (entrega := tomar(motor, destino, REGLA)) is not None:
        assert entregada(motor, entrega)
        dichos.append(texto(entrega))
    return dichos


def test_cada_alerta_va_una_vez_a_cada_canal_que_la_quiere(motor: Engine):
    graves = Destino("apprise:mail", nivel_minimo=Nivel.ERROR)
    de_otro = Destino("telegram:otro", client_id="otro")
    de_clase = Destino("telegram:stops", clases=frozenset({"stop_failed"}))
    avisar(motor, "uno")
    avisar(motor, "dos", nivel=Nivel.CRITICAL, clase="stop_failed")

    assert repartir(motor, (EVA, graves, de_otro, de_clase), REGLA) == 2
    assert repartir(motor, (EVA, graves, de_otro, de_clase), REGLA) == 0

    assert [len(filas(motor, destino)) for destino in (EVA, graves, de_otro, de_clase)] == [2, 1, 0, 1]


def test_lo_que_tomo_uno_no_lo_toma_otro_hasta_que_vence(motor: Engine):
    avisar(motor, "uno")
    repartir(motor, (EVA,), REGLA)

    primera = tomar(motor, EVA, REGLA, arriendo_ms=1_000)
    assert tomar(motor, EVA, REGLA) is None
    adelantar(motor, 1_001)
    segunda = tomar(motor, EVA, REGLA)

    assert primera is not None
    assert segunda is not None
    assert (texto(segunda), segunda.intento) == ("uno", 2)
    assert not entregada(motor, primera)
    assert not fallida(motor, primera, "late", 0)
    assert entregada(motor, segunda)
    assert tomar(motor, EVA, REGLA) is None


def test_muchos_a_la_vez_no_toman_lo_mismo(motor: Engine):
    for i in range(12):
        avisar(motor, str(i), clase=f"clase-{i}")

    def trabajar(_: int) -> list[str]:
        repartir(motor, (EVA,), REGLA)
        return decir_todo(motor)

    with ThreadPoolExecutor(3) as hilos:
        dichos = [dicho for suyos in hilos.map(trabajar, range(3)) for dicho in suyos]
    dichos += decir_todo(motor)

    assert sorted(dichos, key=int) == [str(i) for i in range(12)]


def test_lo_que_sobra_de_una_clase_espera_y_sale_junto(motor: Engine):
    avisar(motor, *(f"m{i}" for i in range(5)))
    avisar(motor, "otra", clase="shutdown")
    repartir(motor, (EVA,), REGLA)

    assert decir_todo(motor) == ["m0", "m1", "otra"]
    assert juntar(motor, EVA) == 0
    adelantar(motor, 60_001)
    assert juntar(motor, EVA) == 1
    assert juntar(motor, EVA) == 0

    entrega = tomar(motor, EVA, REGLA)
    assert entrega is not None
    assert entrega.mensaje.titulo == "INFO startup (3)"
    assert [linea.split()[1] for linea in entrega.mensaje.cuerpo.splitlines()[1:]] == ["m2", "m3", "m4"]


def test_lo_critico_sale_antes_y_nunca_se_retiene(motor: Engine):
    avisar(motor, "a", "b")
    avisar(motor, *"cdef", nivel=Nivel.CRITICAL)
    repartir(motor, (EVA,), REGLA)

    assert decir_todo(motor) == [*"cdef", "a", "b"]


def test_lo_viejo_no_se_dice_salvo_que_sea_critico(motor: Engine):
    avisar(motor, "viejo")
    avisar(motor, "grave", nivel=Nivel.CRITICAL)
    adelantar(motor, REGLA.caduca_ms + 1)
    repartir(motor, (EVA,), REGLA)
    assert decir_todo(motor) == ["grave"]

    avisar(motor, "en camino")
    avisar(motor, "grave en camino", nivel=Nivel.CRITICAL)
    repartir(motor, (EVA,), REGLA)
    adelantar(motor, REGLA.caduca_ms + 1)
    assert decir_todo(motor) == ["grave en camino"]


def test_a_lo_critico_no_se_renuncia(motor: Engine):
    for nivel, quedan in ((Nivel.ERROR, False), (Nivel.CRITICAL, True)):
        avisar(motor, nivel.value, nivel=nivel)
        repartir(motor, (EVA,), REGLA)
        entrega = tomar(motor, EVA, REGLA)
        assert entrega is not None
        assert fallida(motor, entrega, "chat not found", 0, renuncia=True)
        assert (tomar(motor, EVA, REGLA) is not None) is quedan


def test_una_alerta_que_no_se_llego_a_guardar_no_se_reparte(motor: Engine):
    try:
        with motor.begin() as conexion:
            alertar(conexion, Alerta(Nivel.INFO, "startup", "no", "default"), 0)
            raise InterruptedError
    except InterruptedError:
        pass

    assert repartir(motor, (EVA,), REGLA) == 0


def test_las_cuentas_cuadran(motor: Engine):
    avisar(motor, *(f"m{i}" for i in range(4)))
    avisar(motor, "mal", nivel=Nivel.ERROR, clase="large_loss")
    with leer(motor) as conexion:
        assert sin_repartir(conexion) == 5
    repartir(motor, (EVA,), REGLA)
    primera, segunda, tercera = (tomar(motor, EVA, REGLA) for _ in range(3))
    assert primera is not None
    assert segunda is not None
    assert tercera is not None
    entregada(motor, primera)
    fallida(motor, segunda, "no answer", 1_000)
    fallida(motor, tercera, "blocked", 1_000, renuncia=True)

    with leer(motor) as conexion:
        assert sin_repartir(conexion) == 0
        perdida, inicio = contar(conexion, 1.0)

    assert (inicio.canal, inicio.clase) == ("telegram:eva", "startup")
    assert (inicio.enviados, inicio.esperan, inicio.retenidos, inicio.fallidos) == (1, 3, 2, 0)
    assert (inicio.intentos_fallidos, inicio.ultimo_error) == (1, "no answer")
    assert (perdida.enviados, perdida.fallidos, perdida.ultimo_error) == (0, 1, "blocked")


def test_se_borra_lo_acabado_y_lo_de_canales_que_ya_no_estan(motor: Engine):
    otro = Destino("telegram:otro")
    avisar(motor, "dicho", "retenida", "espera")
    repartir(motor, (EVA, otro), REGLA)
    entrega = tomar(motor, EVA, REGLA)
    assert entrega is not None
    entregada(motor, entrega)

    assert limpiar(motor, (EVA,), dias=1.0) == 0
    adelantar(motor, 86_400_001)
    assert limpiar(motor, (EVA,), dias=1.0) == 3 + 3 + 1

    assert [fila["outcome"] for fila in filas(motor)] == [None, None]
    assert filas(motor, otro) == []
