"""The stopwatch sees every decision of the real daemon."""

from __future__ import annotations

from pathlib import Path

from bench.banco import decidir
from bench.cronometro import Cronometro
from bench.decision import servidor
from bench.taller import abrir_taller
from src.produccion.diario.diario import DiarioSqlite

VELAS = 6


async def test_cada_vela_acaba_en_una_orden_cronometrada(tmp_path: Path):
    cronometro = Cronometro()
    diario = DiarioSqlite(tmp_path / "diario.sqlite")
    with servidor() as puerto:
        await decidir(abrir_taller(1_100), puerto, cronometro, diario, tmp_path / "artefactos", VELAS)
    diario.cerrar()

    instantes = zip(
        cronometro.llegada_ns,
        cronometro.peticion_ns,
        cronometro.escritura_ns,
        cronometro.envio_ns,
        strict=True,
    )
    assert len(cronometro.envio_ns) == VELAS
    assert all(list(tiempos) == sorted(tiempos) for tiempos in instantes)
    assert cronometro.entradas == [False, True] * (VELAS // 2)
