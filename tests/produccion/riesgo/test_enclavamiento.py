"""The latch: who closed it, who opened it, and that nothing else does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import ConfiguracionInvalida, EmergenciaOperacional
from src.produccion.diario.diario import EventoDiario
from src.produccion.riesgo.enclavamiento import (
    AGREGADO,
    DAEMON,
    Enclavamiento,
    Memoria,
    Razon,
    desbloquear,
    enclavar,
    escribir_respaldo,
    leer_respaldo,
    operador,
    quitar_respaldo,
    recordar,
    recordar_todo,
)
from tests.constructores import INICIO_MS
from tests.produccion.discos import colgado
from tests.produccion.falsos import DiarioFalso

CERRADO = Enclavamiento(Razon.DRAWDOWN, DAEMON, INICIO_MS, "drawdown 0.21")


def eventos(*filas: tuple[str, dict[str, Any]]) -> list[EventoDiario]:
    return [EventoDiario(i, AGREGADO, i, tipo, i, c) for i, (tipo, c) in enumerate(filas, start=1)]


async def test_enclavar_dice_por_que_quien_y_cuando():
    diario = DiarioFalso()

    await enclavar(diario, None, CERRADO)

    memoria = recordar(diario.eventos)
    assert memoria.cerrojo == CERRADO
    assert memoria.enclavado == "max_drawdown at 2024-01-01T00:00:00.000Z"


async def test_desbloquear_queda_escrito_con_nombre_y_razon():
    diario = DiarioFalso()
    await enclavar(diario, None, CERRADO)

    assert desbloquear(diario, recordar(diario.eventos), "ana", " looked into it ", INICIO_MS + 5) == CERRADO

    assert diario.ultimo("UNLOCKED") == {"reason": "looked into it", "by": "ana", "at": INICIO_MS + 5}
    assert recordar(diario.eventos) == Memoria()


@pytest.mark.parametrize(("quien", "razon"), [("ana", "  "), (" ", "fine")])
async def test_sin_razon_o_sin_nombre_no_se_abre(quien: str, razon: str):
    diario = DiarioFalso()
    await enclavar(diario, None, CERRADO)

    with pytest.raises(ConfiguracionInvalida):
        desbloquear(diario, recordar(diario.eventos), quien, razon, 0)

    assert recordar(diario.eventos).enclavado


def test_abrir_lo_que_no_estaba_cerrado_no_escribe_nada():
    diario = DiarioFalso()

    assert desbloquear(diario, Memoria(), "ana", "just in case", 0) is None
    assert diario.eventos == []


def test_el_nombre_es_el_que_se_da_o_el_del_sistema(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOGNAME", "marta")

    assert operador() == "marta"
    assert operador("ana") == "ana"


def test_una_razon_que_no_se_conoce_tambien_cierra():
    memoria = recordar(eventos(("LATCHED", {"reason": "solar_flare", "at": INICIO_MS})))

    assert memoria.cerrojo is not None
    assert memoria.cerrojo.razon is Razon.DESCONOCIDA


_SUCESOS = st.lists(
    st.one_of(
        st.tuples(
            st.just("PEAK"), st.fixed_dictionaries({"equity": st.floats(1, 1e6), "ledger": st.booleans()})
        ),
        st.tuples(
            st.just("LATCHED"),
            st.fixed_dictionaries(
                {"reason": st.sampled_from([*Razon, "other"]), "at": st.integers(0, 4_000_000_000_000)}
            ),
        ),
        st.tuples(st.just("UNLOCKED"), st.fixed_dictionaries({"reason": st.sampled_from(["", " ", "ok"])})),
        st.tuples(st.sampled_from(["MARGIN", "ROWS", "SESSION_STARTED"]), st.just({})),
    ),
    max_size=30,
)


@given(sucesos=_SUCESOS)
def test_no_se_abre_nunca_solo(sucesos: list[tuple[str, dict[str, Any]]]):
    """It is open only if it never closed, or if a person gave a reason after it last did."""
    cierres = [i for i, (tipo, _) in enumerate(sucesos) if tipo == "LATCHED"]
    aperturas = [i for i, (tipo, c) in enumerate(sucesos) if tipo == "UNLOCKED" and c["reason"].strip()]
    abierto = not cierres or max(aperturas, default=-1) > cierres[-1]

    assert (recordar(eventos(*sucesos)).cerrojo is None) is abierto


# --- the file that stands in for the journal ---


async def test_sin_diario_queda_en_un_archivo_y_se_honra(tmp_path: Path):
    diario = DiarioFalso()
    diario.roto = True

    await enclavar(diario, tmp_path / "cuenta" / "BTCUSDT", CERRADO)

    assert recordar_todo([], tmp_path / "cuenta" / "BTCUSDT").cerrojo == CERRADO
    quitar_respaldo(tmp_path / "cuenta" / "BTCUSDT")
    assert recordar_todo([], tmp_path / "cuenta" / "BTCUSDT") == Memoria()


async def test_sin_diario_ni_archivo_es_una_emergencia(tmp_path: Path):
    diario = DiarioFalso()
    diario.roto = True
    (tmp_path / "archivo").write_text("")

    with pytest.raises(EmergenciaOperacional):
        await enclavar(diario, tmp_path / "archivo", CERRADO)


async def test_un_disco_colgado_no_detiene_al_bucle_y_se_dice(tmp_path: Path):
    """Others go on while the latch waits for the disk that the journal failed on."""
    diario = DiarioFalso()
    diario.roto = True
    with colgado(tmp_path / "ENCLAVADO.json.new"):
        cerrojo = asyncio.create_task(enclavar(diario, tmp_path, CERRADO))
        await asyncio.sleep(1.0)
        assert not cerrojo.done()

        with pytest.raises(EmergenciaOperacional, match="no answer from the disk"):
            await cerrojo


@pytest.mark.parametrize("texto", ["", "{", "[]", "{}", '{"reason": "max_drawdown", "at": "x"}'])
def test_un_archivo_ilegible_tambien_cierra(tmp_path: Path, texto: str):
    (tmp_path / "ENCLAVADO.json").write_text(texto)

    cerrojo = leer_respaldo(tmp_path)

    assert cerrojo is not None
    assert cerrojo.razon is Razon.DESCONOCIDA


def test_el_del_diario_va_por_delante_del_archivo(tmp_path: Path):
    escribir_respaldo(tmp_path, CERRADO._replace(detalle="old"))
    enclavado = eventos(("LATCHED", {"reason": "max_drawdown", "at": INICIO_MS, "detail": "new"}))

    cerrojo = recordar_todo(enclavado, tmp_path).cerrojo

    assert cerrojo is not None
    assert cerrojo.detalle == "new"
