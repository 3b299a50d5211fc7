"""After an exit that the agent did not decide it stays out for a while, or below what was left."""

from __future__ import annotations

import pytest

from src.nucleo.ordenes import SIN_ORDENES, Plan
from src.nucleo.riesgo import VALIDA, Rechazo
from src.nucleo.tipos import Operacion, TipoAccion
from src.nucleo.veto import Veto, envejecer, validar_veto, vetar


def un_plan(cantidad: float, *, solo_reduce: bool = False) -> Plan:
    return Plan(Operacion.AUMENTAR_LONG, (cantidad,), solo_reduce)


class TestVetar:
    @pytest.mark.parametrize(("antes", "largo"), [(0.5, True), (-0.5, False)])
    def test_una_salida_bloquea_su_lado(self, antes, largo):
        assert vetar(None, antes, 0.0, 3) == Veto(largo, 3, None)

    def test_sin_velas_una_salida_no_bloquea_nada(self):
        assert vetar(None, 0.5, 0.0, 0) is None

    @pytest.mark.parametrize("velas", [0, 3])
    def test_lo_que_queda_es_un_techo(self, velas):
        assert vetar(None, -0.5, -0.2, velas) == Veto(False, velas, 0.2)

    def test_la_segunda_salida_no_acorta_la_espera(self):
        assert vetar(Veto(True, 5, 0.4), 0.4, 0.0, 3) == Veto(True, 5, None)
        assert vetar(Veto(False, 5, None), 0.4, 0.0, 3) == Veto(True, 3, None)

    @pytest.mark.parametrize(("antes", "despues"), [(0.0, 0.5), (0.2, 0.5), (0.5, 0.5), (0.5, -0.2)])
    def test_lo_que_no_es_una_salida_no_cambia_nada(self, antes, despues):
        veto = Veto(True, 2, None)

        assert vetar(veto, antes, despues, 3) is veto


class TestEnvejecer:
    def test_pasan_las_velas(self):
        veto = Veto(True, 2, None)
        uno = envejecer(veto, TipoAccion.LONG, 0.0)

        assert uno == Veto(True, 1, None)
        assert envejecer(uno, TipoAccion.MANTENER, 0.0) is None

    @pytest.mark.parametrize(("largo", "accion"), [(True, TipoAccion.SHORT), (False, TipoAccion.LONG)])
    def test_el_cambio_de_signo_lo_levanta(self, largo, accion):
        assert envejecer(Veto(largo, 50, None), accion, 0.0) is None

    def test_el_techo_dura_hasta_cerrar(self):
        veto = Veto(True, 1, 0.3)

        assert envejecer(veto, TipoAccion.LONG, 0.3) == Veto(True, 0, 0.3)
        assert envejecer(veto, TipoAccion.SHORT, 0.1) == Veto(True, 0, 0.3)
        assert envejecer(veto, TipoAccion.LONG, 0.0) is None
        assert envejecer(veto, TipoAccion.SHORT, -0.3) is None


class TestValidar:
    @pytest.mark.parametrize(("largo", "cantidad", "lado"), [(True, 0.1, "long"), (False, -0.1, "short")])
    def test_mientras_dura_no_se_entra_por_ese_lado(self, largo, cantidad, lado):
        validacion = validar_veto(un_plan(cantidad), 0.0, Veto(largo, 2, None))

        assert validacion.rechazo is Rechazo.BLOQUEO
        assert f"blocks {lado} entries for 2 more candles" in validacion.detalle

    @pytest.mark.parametrize(
        "plan", [un_plan(-0.1), un_plan(0.1, solo_reduce=True), un_plan(-0.1, solo_reduce=True), SIN_ORDENES]
    )
    def test_lo_demas_pasa(self, plan):
        assert validar_veto(plan, 0.0, Veto(True, 2, None)) is VALIDA

    def test_hasta_el_techo_se_puede_volver(self):
        veto = Veto(True, 0, 0.3)

        assert validar_veto(un_plan(0.2), 0.1, veto) is VALIDA  # 0.30000000000000004
        assert validar_veto(un_plan(0.201), 0.1, veto).rechazo is Rechazo.BLOQUEO
        assert "left 0.3" in validar_veto(un_plan(0.201), 0.1, veto).detalle

    def test_una_posicion_nueva_no_tiene_techo(self):
        assert validar_veto(un_plan(0.5), 0.0, Veto(True, 0, 0.3)) is VALIDA
