"""The look for the secret finds it, wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.secretos import SECRETO, delatores


@pytest.mark.parametrize(
    "escrito",
    [f"key={SECRETO}".encode(), b"x" * ((1 << 20) - 5) + SECRETO.encode(), b"&signature=" + b"0f" * 32],
)
def test_lo_que_delata_se_encuentra(tmp_path: Path, escrito: bytes):
    malo = tmp_path / "a" / "malo.log"
    malo.parent.mkdir()
    malo.write_bytes(escrito)
    (tmp_path / "bueno.log").write_text("signature=*** and nothing else")

    encontrados = list(delatores(tmp_path))
    malo.unlink()

    assert encontrados == ["a/malo.log"]
