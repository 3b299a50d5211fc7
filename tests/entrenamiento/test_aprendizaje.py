from statistics import median

import pytest

from src.datos.mercados import mercado_por_defecto
from src.datos.sintetico import generar_aprendible
from src.entrenamiento.agente import construir_agente
from src.entrenamiento.entorno import DatosEntorno, EntornoTrading
from src.entrenamiento.evaluacion import evaluar
from src.entrenamiento.exportar import exportar_actor
from src.entrenamiento.politicas import PoliticaAleatoria
from src.entrenamiento.preprocesamiento import Fechas, Tramo, preparar
from src.nucleo.politica import ActorNumpy, Politica
from tests.entrenamiento.fabrica_agente import una_configuracion

SEMILLAS = range(5)
CONFIGURACION = una_configuracion(
    entorno__window_size=5,
    entorno__total_timesteps=5_000,
    entorno__longitud_episodio=500,
    entorno__banda_muerta=0.2,
    SACmodel__learning_starts=500,
    SACmodel__batch_size=128,
    SACmodel__buffer_size=5_000,
    SACmodel__gamma=0.9,
    SACmodel__train_freq=2,
    policy_kwargs__net_arch={"pi": [64, 64], "qf": [64, 64]},
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_en_un_mercado_aprendible_la_mediana_de_cinco_semillas_gana():
    """Rises and falls take turns under noise of three times their drift; the judged candles are unseen."""
    tabla = generar_aprendible("BTCUSDT", "1h", 6_000, 11, ruido=0.006)
    preparados = preparar(tabla, CONFIGURACION, Fechas())

    def datos(tramo: Tramo) -> DatosEntorno:
        return DatosEntorno(
            tabla=preparados.tabla,
            rasgos_escalados=preparados.escalados,
            primera=tramo.primera - CONFIGURACION.entorno.window_size + 1,
            ultima=tramo.ultima,
            intervalo="1h",
            mercado=mercado_por_defecto("BTCUSDT", tabla),
            tasas_funding=CONFIGURACION.portafolio.tasa_funding,
        )

    def juzgar(politica: Politica):
        return evaluar(politica, datos(preparados.evaluacion), CONFIGURACION).resumen

    def entrenar(semilla: int) -> ActorNumpy:
        sac = CONFIGURACION.SACmodel.model_copy(update={"seed": semilla})
        configuracion = CONFIGURACION.model_copy(update={"SACmodel": sac})
        agente = construir_agente(
            configuracion, EntornoTrading(datos(preparados.entrenamiento), configuracion, semilla)
        )
        agente.learn(configuracion.entorno.total_timesteps)
        return ActorNumpy.desde_arreglos(exportar_actor(agente))

    resumenes = [juzgar(entrenar(semilla)) for semilla in SEMILLAS]
    al_azar = [juzgar(PoliticaAleatoria(semilla)) for semilla in SEMILLAS]

    rendimiento = median(r.agente.rendimiento for r in resumenes)
    sharpe = median(r.agente.sharpe for r in resumenes)
    for referencia in (resumenes[0].mantener_1x, *(r.agente for r in al_azar)):
        assert rendimiento > referencia.rendimiento
        assert sharpe >= referencia.sharpe + 1.0
