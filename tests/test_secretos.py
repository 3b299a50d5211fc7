"""The look for the secret finds it, wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.produccion.api.identificacion import nueva_ficha
from tests.secretos import FICHA_BOT, SECRETO, SECRETO_FIRMA, delatores


@pytest.mark.parametrize(
    "escrito",
    [
        f"key={SECRETO}".encode(),
        b"x" * ((1 << 20) - 5) + SECRETO.encode(),
        b"&signature=" + b"0f" * 32,
        f"TIMONEL_JWT_SECRET={SECRETO_FIRMA}".encode(),
        f"https://h/bot{FICHA_BOT}/sendMessage".encode(),
        f'"token": "{nueva_ficha().texto}"'.encode(),
        nueva_ficha("tmr_").texto.encode() + b"\n",
        b"x" * ((1 << 20) - 9) + b" " + nueva_ficha().texto.encode(),
    ],
    ids=range(8),
)
def test_lo_que_delata_se_encuentra(tmp_path: Path, escrito: bytes):
    malo = tmp_path / "a" / "malo.log"
    malo.parent.mkdir()
    malo.write_bytes(escrito)
    (tmp_path / "bueno.log").write_text("signature=*** and nothing else, tml_inventada and tmr_*** neither")

    encontrados = list(delatores(tmp_path))
    malo.unlink()

    assert encontrados == ["a/malo.log"]


def test_una_ficha_se_guarda_donde_solo_su_dueno_la_lee(tmp_path: Path):
    guardada = tmp_path / "session.json"
    guardada.write_text(nueva_ficha("tmr_").texto)

    assert list(delatores(tmp_path)) == ["session.json"]
    guardada.chmod(0o600)
    assert list(delatores(tmp_path)) == []
    guardada.write_text(SECRETO_FIRMA)
    assert list(delatores(tmp_path)) == ["session.json"]
    guardada.unlink()
