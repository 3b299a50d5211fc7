"""The error tree: what each one is, and the exit code it ends a process with."""

from __future__ import annotations

import inspect

import pytest

from src.nucleo import errores
from src.nucleo.errores import (
    AgenteEnclavado,
    AlmacenCaido,
    ArranqueFallido,
    ArtefactoInvalido,
    AvisoRechazado,
    AvisoSinEntregar,
    BolsaIncompatible,
    CanalOcupado,
    ConfiguracionInvalida,
    CredencialesInvalidas,
    CuentaInexplicable,
    DatosInvalidos,
    DemonioAusente,
    DiarioCorrupto,
    DisyuntorAbierto,
    EmergenciaDrawdown,
    EmergenciaOperacional,
    EntradaInvalida,
    ErrorBolsa,
    ErrorTimonel,
    FalloPasajero,
    LecturaFallida,
    LimiteDeRiesgo,
    LimiteExcedido,
    OrdenRechazada,
    PosicionDesprotegida,
    ProteccionImposible,
    ProteccionRota,
    ResultadoIncierto,
    SaldoInsuficiente,
    ServicioCaido,
    SimboloNoAdmitido,
    SolicitudInvalida,
    StopFueraDeFiltro,
    StopInaceptable,
    StopMalLado,
    StopMasFlojo,
    YaCruzado,
)

ARBOL = {
    ArranqueFallido: (ErrorTimonel, 6),
    ErrorTimonel: (Exception, 4),
    EntradaInvalida: (ErrorTimonel, 2),
    ConfiguracionInvalida: (EntradaInvalida, 2),
    DatosInvalidos: (EntradaInvalida, 2),
    DiarioCorrupto: (EntradaInvalida, 2),
    SolicitudInvalida: (EntradaInvalida, 2),
    LimiteDeRiesgo: (SolicitudInvalida, 2),
    DisyuntorAbierto: (LimiteDeRiesgo, 2),
    ArtefactoInvalido: (EntradaInvalida, 2),
    StopInaceptable: (EntradaInvalida, 2),
    StopMasFlojo: (StopInaceptable, 2),
    StopMalLado: (StopInaceptable, 2),
    StopFueraDeFiltro: (StopInaceptable, 2),
    ErrorBolsa: (ErrorTimonel, 4),
    OrdenRechazada: (ErrorBolsa, 4),
    FalloPasajero: (OrdenRechazada, 4),
    SaldoInsuficiente: (OrdenRechazada, 4),
    LimiteExcedido: (ErrorBolsa, 4),
    ResultadoIncierto: (ErrorBolsa, 4),
    LecturaFallida: (ErrorBolsa, 4),
    CuentaInexplicable: (LecturaFallida, 4),
    CredencialesInvalidas: (ErrorBolsa, 2),
    BolsaIncompatible: (ErrorBolsa, 2),
    SimboloNoAdmitido: (BolsaIncompatible, 2),
    AlmacenCaido: (ErrorTimonel, 4),
    AvisoSinEntregar: (ErrorTimonel, 4),
    CanalOcupado: (AvisoSinEntregar, 4),
    AvisoRechazado: (AvisoSinEntregar, 4),
    ServicioCaido: (ErrorTimonel, 4),
    EmergenciaDrawdown: (ErrorTimonel, 3),
    DemonioAusente: (ErrorTimonel, 6),
    PosicionDesprotegida: (ErrorTimonel, 4),
    YaCruzado: (PosicionDesprotegida, 4),
    ProteccionImposible: (PosicionDesprotegida, 4),
    ProteccionRota: (PosicionDesprotegida, 4),
    EmergenciaOperacional: (ErrorTimonel, 4),
    AgenteEnclavado: (ErrorTimonel, 5),
}


@pytest.mark.parametrize("clase", ARBOL)
def test_cada_error_cuelga_de_su_rama_con_su_codigo_de_salida(clase):
    rama, codigo = ARBOL[clase]

    assert clase.__bases__ == (rama,)
    assert clase.codigo_salida == codigo


def test_no_hay_otros_y_el_dibujo_los_nombra_todos():
    definidos = {
        clase for _, clase in inspect.getmembers(errores, inspect.isclass) if issubclass(clase, ErrorTimonel)
    }

    assert definidos == set(ARBOL)
    assert errores.__doc__ is not None
    for clase in definidos:
        assert clase.__name__ in errores.__doc__


def test_lo_incierto_no_se_confunde_con_un_rechazo():
    """Code that may try again after a refusal must never see an unknown outcome."""
    assert not issubclass(ResultadoIncierto, OrdenRechazada)
    assert not issubclass(LecturaFallida, OrdenRechazada)


def test_un_error_de_la_bolsa_lleva_su_codigo_y_su_texto():
    fallo = OrdenRechazada("margin is insufficient", codigo=-2019)

    assert (str(fallo), fallo.codigo) == ("margin is insufficient", -2019)
    assert LecturaFallida("no answer").codigo is None
