from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from src.produccion.supervision.cortesia import Cortesia

_SIGUE_S = 0.05
_LARGA_S = 60.0


@contextmanager
def cediendo(cortesia: Cortesia) -> Iterator[threading.Thread]:
    """Another thread that lets the daemon go first."""
    hilo = threading.Thread(target=cortesia.ceder)
    hilo.start()
    hilo.join(_SIGUE_S)
    yield hilo
    cortesia.soltar()
    hilo.join()


def test_sin_nada_que_hacer_nadie_espera():
    Cortesia(_LARGA_S).ceder()


def test_mientras_trabaja_se_espera_y_luego_se_pasa():
    cortesia = Cortesia(_LARGA_S)
    cortesia.ocupar()

    with cediendo(cortesia) as hilo:
        assert hilo.is_alive()

    cortesia.ceder()


def test_quien_retiene_a_otros_espera_solo_un_momento():
    cortesia = Cortesia(_LARGA_S)
    cortesia.ocupar()

    cortesia.ceder(_SIGUE_S)


def test_quien_lleva_mucho_con_lo_mismo_no_retiene_a_nadie():
    ahora_s = 0.0
    cortesia = Cortesia(_LARGA_S, lambda: ahora_s)
    cortesia.ocupar()
    ahora_s = _LARGA_S

    cortesia.ceder()

    cortesia.ocupar()
    with cediendo(cortesia) as hilo:
        assert hilo.is_alive()  # something else to do counts from its beginning
