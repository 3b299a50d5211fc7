from __future__ import annotations

import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from src.produccion.supervision import hilo as modulo
from src.produccion.supervision.hilo import HiloSuelto, aparte

RED = True


def test_hace_una_cosa_tras_otra_en_un_solo_hilo():
    vistos: list[int] = []
    with HiloSuelto("prueba") as hilo:
        futuros = [hilo.submit(vistos.append, i) for i in range(20)]
        hilos = {hilo.submit(threading.get_ident).result(60) for _ in range(3)}

    assert all(futuro.done() for futuro in futuros)
    assert vistos == list(range(20))
    assert len(hilos) == 1


def test_se_hace_en_el_contexto_de_quien_lo_pide():
    donde: ContextVar[str] = ContextVar("donde", default="nowhere")
    with HiloSuelto("prueba") as hilo:
        antes = hilo.submit(donde.get).result(60)
        donde.set("here")
        despues = hilo.submit(donde.get).result(60)

    assert (antes, despues) == ("nowhere", "here")


def test_lo_que_falla_lo_recibe_quien_espera_y_se_sigue():
    with HiloSuelto("prueba") as hilo:
        with pytest.raises(ValueError, match="invalid literal"):
            hilo.submit(int, "x").result(60)
        assert hilo.submit(int, "7").result(60) == 7


def test_lo_cancelado_antes_de_su_turno_no_se_hace():
    seguir = threading.Event()
    with HiloSuelto("prueba") as hilo:
        hilo.submit(seguir.wait)
        cancelado = hilo.submit(pytest.fail, "done")
        assert cancelado.cancel()
        seguir.set()
        assert hilo.submit(int, "7").result(60) == 7


def test_varios_hilos_no_esperan_al_que_se_cuelga():
    seguir = threading.Event()
    with HiloSuelto("prueba", 2) as hilo:
        hilo.submit(seguir.wait)
        assert hilo.submit(int, "7").result(60) == 7
        assert not hilo.acabar(0.01)
        seguir.set()
        assert hilo.acabar(60.0)


def test_tras_acabar_no_toma_nada_mas():
    hilo = HiloSuelto("prueba")
    assert hilo.acabar(60.0)
    with pytest.raises(RuntimeError, match="prueba has ended"):
        hilo.submit(int)


def test_los_hilos_de_uno_que_nadie_tiene_se_acaban():
    trabajador = HiloSuelto("prueba").submit(threading.current_thread).result(60)
    trabajador.join(60.0)
    assert not trabajador.is_alive()


async def test_aparte_deja_atras_lo_que_no_acaba():
    seguir = threading.Event()
    with pytest.raises(TimeoutError):
        await aparte("prueba", seguir.wait, 0.01)
    seguir.set()
    assert await aparte("prueba", lambda: 7, 60.0) == 7


def test_un_trabajo_colgado_no_retiene_al_proceso():
    programa = (
        f"import threading; from {modulo.__name__} import HiloSuelto;"
        " empezado = threading.Event();"
        " hilo = HiloSuelto('colgado');"
        " hilo.submit(lambda: (empezado.set(), threading.Event().wait()));"
        " empezado.wait(); hilo.shutdown()"
    )

    assert subprocess.run([sys.executable, "-c", programa], check=False, timeout=60).returncode == 0
