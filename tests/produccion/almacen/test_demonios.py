from __future__ import annotations

from sqlalchemy import Engine

from src.produccion.almacen.demonios import DemonioNuevo, despedirse, latir, presentarse, vivos

UNO = DemonioNuevo("sim-1", "BTCUSDT", 10, "aqui", "sim-1:BTCUSDT:train")


def test_vive_quien_ha_latido_hace_poco(motor: Engine):
    presentarse(motor, UNO)
    (vivo,) = vivos(motor)
    assert (vivo.account_id, vivo.pid, vivo.agent_id) == ("sim-1", 10, "sim-1:BTCUSDT:train")

    assert vivos(motor, vivo.heartbeat_ms + 10_000) == [vivo]
    assert vivos(motor, vivo.heartbeat_ms + 10_001) == []


def test_otro_demonio_toma_el_lugar_del_anterior(motor: Engine):
    presentarse(motor, UNO)
    presentarse(motor, UNO._replace(pid=11))

    assert [vivo.pid for vivo in vivos(motor)] == [11]


def test_quien_se_despide_no_vive_y_ha_de_presentarse_de_nuevo(motor: Engine):
    presentarse(motor, UNO)
    assert latir(motor, "sim-1", "BTCUSDT")

    despedirse(motor, "sim-1", "BTCUSDT")

    assert vivos(motor) == []
    assert not latir(motor, "sim-1", "BTCUSDT")
