"""How often somebody may fail to log in."""

from __future__ import annotations

from src.produccion.api.portero import FALLOS_POR_DIRECCION, FALLOS_POR_USUARIO, VENTANA_S, Portero


class Reloj:
    ahora_s = 0.0

    def __call__(self) -> float:
        return self.ahora_s


def test_cinco_fallos_cierran_a_un_usuario_desde_cualquier_parte():
    portero = Portero(Reloj())
    for i in range(FALLOS_POR_USUARIO):
        assert portero.intentar("ana", f"10.0.0.{i}") == 0.0

    assert portero.intentar("ana", "10.0.0.99") == VENTANA_S
    assert portero.intentar("berta", "10.0.0.99") == 0.0


def test_veinte_fallos_cierran_una_direccion_para_cualquiera():
    portero = Portero(Reloj())
    for i in range(FALLOS_POR_DIRECCION):
        assert portero.intentar(f"u{i}", "10.0.0.1") == 0.0

    assert portero.intentar("ana", "10.0.0.1") > 0.0
    assert portero.intentar("ana", "10.0.0.2") == 0.0


def test_la_espera_se_acaba():
    reloj = Reloj()
    portero = Portero(reloj)
    for _ in range(FALLOS_POR_USUARIO):
        portero.intentar("ana", "a")
        reloj.ahora_s += 1.0

    assert portero.intentar("ana", "a") == VENTANA_S - 1.0
    reloj.ahora_s += VENTANA_S - 1.0
    assert portero.intentar("ana", "a") == 0.0
    assert portero.intentar("ana", "a") == 0.0


def test_acertar_borra_los_fallos_del_usuario_y_deja_los_de_la_direccion():
    portero = Portero(Reloj())
    for i in range(FALLOS_POR_DIRECCION - 1):
        portero.intentar(f"u{i}", "a")
    assert portero.intentar("u0", "a") == 0.0
    portero.acertar("u0", "a")

    assert portero.intentar("ana", "a") == 0.0
    assert portero.intentar("ana", "a") > 0.0
    assert [portero.intentar("u0", f"b{i}") for i in range(FALLOS_POR_USUARIO)] == [0.0] * FALLOS_POR_USUARIO


def test_acertar_no_gasta_los_intentos_de_la_direccion():
    portero = Portero(Reloj())
    for _ in range(10 * FALLOS_POR_DIRECCION):
        assert portero.intentar("ana", "a") == 0.0
        portero.acertar("ana", "a")


def test_lo_que_se_devuelve_no_cuenta_ni_borra_lo_demas():
    portero = Portero(Reloj())
    for _ in range(FALLOS_POR_USUARIO - 1):
        portero.intentar("ana", "a")
    for _ in range(10 * FALLOS_POR_DIRECCION):
        assert portero.intentar("ana", "a") == 0.0
        portero.devolver("ana", "a")

    assert portero.intentar("ana", "a") == 0.0
    assert portero.intentar("ana", "a") > 0.0
    portero.devolver("nadie", "z")


def test_lo_recordado_tiene_un_limite():
    portero = Portero(Reloj())
    for i in range(30_000):
        portero.intentar(f"u{i}", f"d{i}")

    assert len(portero) <= 10_000
