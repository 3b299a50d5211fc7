"""What counts as degraded, and what is said of it."""

from __future__ import annotations

from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.almacen.lecturas import DemonioVisto
from src.produccion.api.degradacion import faltas

AQUI, ALLI = ("sim-1", "BTCUSDT"), ("sim-1", "ETHUSDT")


def un_demonio(edad_ms: int = 0, lugar: tuple[str, str] = AQUI) -> DemonioVisto:
    return DemonioVisto(*lugar, "User_1", None, 0, edad_ms)


def test_con_su_demonio_vivo_no_falta_nada():
    assert faltas([un_demonio(VIVO_MS)], {AQUI}, {AQUI: "unlock it"}) == []
    assert faltas([], set(), {}) == []


def test_una_posicion_sin_demonio_dice_donde_y_como_se_arregla():
    (parado,), (matado,) = faltas([], {AQUI}, {}), faltas([un_demonio(300_000)], {AQUI}, {})

    assert (parado.account_id, parado.symbol) == AQUI
    assert parado.text == "a position is open and no daemon is alive"
    assert matado.text == "a position is open and its daemon is silent for 300 s"
    for falta in (parado, matado):
        assert falta.how_to_remove.startswith("start it again: `timonel live`; `timonel panic`")


def test_una_posicion_adoptada_no_necesita_demonio_propio():
    assert faltas([un_demonio(lugar=ALLI)], {AQUI}, {}) == []


def test_lo_enclavado_se_abre_antes_de_empezar_otra_vez():
    (falta,) = faltas([un_demonio(lugar=ALLI)], set(), {AQUI: "look into it, then --unlock"})

    assert (falta.text, falta.how_to_remove) == (
        "a latch is closed and no daemon is alive",
        "look into it, then --unlock",
    )
