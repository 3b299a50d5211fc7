from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.markdown import bloque, escapar, limpio, negrita, recortado
from tests.produccion.alertas.bot_api import leer_markdown

TEXTO = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("_*[]()~`>#+-=|{}.!\\\n")
)


@given(TEXTO)
def test_lo_escapado_se_ve_tal_cual(texto: str):
    assert leer_markdown(escapar(texto)) == texto
    assert leer_markdown(negrita(texto.replace("\n", ""))) == texto.replace("\n", "")


@given(TEXTO)
def test_un_bloque_se_ve_tal_cual(texto: str):
    assert leer_markdown(bloque(texto)) == texto + "\n"


@given(st.text(), st.integers(10, 200))
def test_lo_recortado_cabe_y_empieza_igual(texto: str, largo: int):
    texto = limpio(texto)

    corto = recortado(texto, largo)

    assert len(corto.encode("utf-16-le")) // 2 <= largo
    assert texto.startswith(corto.removesuffix(" …")) or corto == texto


def test_lo_que_no_se_puede_enviar_se_quita():
    assert limpio("a\x00b\x1b[31m\tc\n \ud83d!") == "a b [31m c\n \ufffd!"
    assert limpio("\n\n") == ""
    assert limpio("🧭") == "🧭"


def test_un_simbolo_partido_no_se_envia_a_medias():
    assert recortado("🧭" * 10, 7) == "🧭🧭 …"
