"""Clock, agreement, signature, limits, listen keys and replay, each alone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import pytest

from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.simulador.acuerdo import Acuerdo
from src.simulador.avance import AvanceAcordado
from src.simulador.difusion import Categoria, categoria_de
from src.simulador.fallos_api import ErrorApi
from src.simulador.firma import verificar_firma, verificar_tiempo
from src.simulador.limites import INSISTENCIAS, PESO_POR_MINUTO, VETO_MS, ErrorLimite, Limites
from src.simulador.opciones import leer_cuenta, leer_datos, leer_velocidad
from src.simulador.oyentes import VIDA_S, Oyentes
from src.simulador.peticion import Parametros
from src.simulador.reloj import RelojMercado
from tests.simulador.banco import HORA_MS, INICIO_MS, planas, una_simulacion


class Segundos:
    """Real seconds that a test moves by hand."""

    def __init__(self) -> None:
        self.valor = 100.0

    def __call__(self) -> float:
        return self.valor


def test_en_acuerdo_el_reloj_se_detiene_y_la_paciencia_corre():
    segundos = Segundos()
    reloj = RelojMercado(1_000_000, None, segundos)
    segundos.valor += 2.5

    assert reloj.ahora_ms() == 1_000_000
    assert reloj.ahora_paciente_ms() == 1_002_500

    reloj.fijar(1_001_000)
    assert reloj.ahora_ms() == 1_001_000
    assert reloj.ahora_paciente_ms() == 1_002_500  # never back


def test_a_velocidad_el_reloj_avanza_y_se_detiene_al_final():
    segundos = Segundos()
    reloj = RelojMercado(0, 60.0, segundos)
    segundos.valor += 2

    assert reloj.ahora_ms() == 120_000
    assert reloj.espera_s(180_000) == pytest.approx(1.0)
    reloj.detener()
    segundos.valor += 5
    assert reloj.ahora_ms() == 120_000


def test_el_mercado_espera_a_todos_los_unidos():
    acuerdo = Acuerdo()
    assert not acuerdo.puede_avanzar()
    uno, otro = acuerdo.unir("a", "BTCUSDT", "1h"), acuerdo.unir("b", "BTCUSDT", "1h")
    acuerdo.terminar(uno.id)
    assert not acuerdo.puede_avanzar()
    acuerdo.terminar(otro.id)
    assert acuerdo.puede_avanzar()

    acuerdo.paso_dado(["BTCUSDT"])
    acuerdo.dejar(otro.id)
    acuerdo.terminar(uno.id)
    assert acuerdo.puede_avanzar()


async def test_quien_se_une_en_el_ultimo_momento_tambien_es_esperado():
    simulacion = una_simulacion()
    avance = AvanceAcordado(simulacion)
    primero = simulacion.acuerdo.unir("a", "BTCUSDT", "1h")
    simulacion.acuerdo.terminar(primero.id)
    avance.revisar()
    segundo = simulacion.acuerdo.unir("b", "BTCUSDT", "1h")
    await asyncio.sleep(0)
    assert simulacion.paso == 0

    simulacion.acuerdo.terminar(segundo.id)
    avance.revisar()
    await asyncio.sleep(0)
    assert simulacion.paso == 1


def test_quien_vuelve_con_la_misma_clave_toma_el_lugar_del_muerto():
    acuerdo = Acuerdo()
    muerto = acuerdo.unir("a", "BTCUSDT", "1h")
    vuelto = acuerdo.unir("a", "BTCUSDT", "1h")
    assert not acuerdo.conoce(muerto.id)

    acuerdo.terminar(vuelto.id)

    assert acuerdo.puede_avanzar()


def test_no_se_espera_a_quien_su_simbolo_no_se_movio():
    acuerdo = Acuerdo()
    uno, otro = acuerdo.unir("a", "BTCUSDT", "1h"), acuerdo.unir("a", "ETHUSDT", "1h")
    acuerdo.terminar(uno.id)
    acuerdo.terminar(otro.id)
    acuerdo.paso_dado(["BTCUSDT"])
    acuerdo.terminar(uno.id)

    assert acuerdo.puede_avanzar()


def _hmac(texto: bytes) -> bytes:
    return hmac.new(b"secreto", texto, hashlib.sha256).hexdigest().encode()


@pytest.mark.parametrize(
    ("consulta", "cuerpo"),
    [
        (b"a=1&b=2&signature=" + _hmac(b"a=1&b=2"), b""),
        (b"", b"a=1&b=2&signature=" + _hmac(b"a=1&b=2")),
        (b"a=1", b"b=2&signature=" + _hmac(b"a=1b=2")),
        (b"a=1&signature=" + _hmac(b"a=1b=2"), b"b=2"),
        (b"a=%5B1%5D&signature=" + _hmac(b"a=%5B1%5D"), b""),
    ],
)
def test_se_firma_lo_recibido_este_donde_este(consulta, cuerpo):
    verificar_firma(b"secreto", consulta, cuerpo)
    with pytest.raises(ErrorApi) as fallo:
        verificar_firma(b"otro", consulta, cuerpo)
    assert fallo.value.codigo == -1022


@pytest.mark.parametrize(
    ("consulta", "codigo"), [(b"a=1", -1102), (b"asignature=2", -1102), (b"a=1&signature=00", -1022)]
)
def test_sin_firma_o_con_otra_no_se_entra(consulta, codigo):
    with pytest.raises(ErrorApi) as fallo:
        verificar_firma(b"secreto", consulta, b"")
    assert fallo.value.codigo == codigo


@pytest.mark.parametrize(
    ("enviado", "ventana", "bien"),
    [
        (10_000, "", True),
        (10_999, "", True),
        (11_000, "", False),
        (5_000, "", True),
        (4_999, "", False),
        (0, "10000", True),
        (4_999, "5002", True),
    ],
)
def test_la_ventana_de_tiempo(enviado, ventana, bien):
    parametros = Parametros({"timestamp": str(enviado), "recvWindow": ventana})
    if bien:
        verificar_tiempo(parametros, 10_000, 10_000)
        return
    with pytest.raises(ErrorApi) as fallo:
        verificar_tiempo(parametros, 10_000, 10_000)
    assert fallo.value.codigo == -1021


def test_una_ventana_de_mas_de_un_minuto_no_se_acepta():
    with pytest.raises(ErrorApi) as fallo:
        verificar_tiempo(Parametros({"timestamp": "10000", "recvWindow": "60001"}), 10_000, 10_000)
    assert fallo.value.codigo == -1131


def test_el_exceso_de_peso_es_429_y_la_insistencia_418():
    limites = Limites()
    limites.pesar(PESO_POR_MINUTO, 0)
    for _ in range(INSISTENCIAS):
        with pytest.raises(ErrorLimite) as fallo:
            limites.pesar(1, 1_000)
        assert (fallo.value.estado, fallo.value.espera_s) == (429, 59)
    with pytest.raises(ErrorLimite) as fallo:
        limites.pesar(1, 2_000)
    assert (fallo.value.estado, fallo.value.espera_s) == (418, 120)
    with pytest.raises(ErrorLimite):
        limites.pesar(1, VETO_MS)

    limites.pesar(1, VETO_MS + 2_000)
    assert limites.peso_usado == 1


def test_el_peso_se_olvida_con_el_minuto_de_mercado():
    limites = Limites()
    limites.pesar(PESO_POR_MINUTO, 59_999)
    limites.pesar(PESO_POR_MINUTO, 60_000)


def test_las_ordenes_se_cuentan_en_diez_segundos():
    limites = Limites()
    limites.contar_ordenes(300, 0)
    with pytest.raises(ErrorLimite) as fallo:
        limites.contar_ordenes(1, 9_999)
    assert (fallo.value.codigo, fallo.value.estado) == (-1015, 429)
    limites.contar_ordenes(1, 10_000)


def test_una_clave_de_escucha_vive_una_hora_desde_la_ultima_senal():
    segundos = Segundos()
    oyentes = Oyentes(segundos)
    clave = oyentes.abrir("a")
    segundos.valor += VIDA_S - 1
    assert oyentes.abrir("a") == clave
    segundos.valor += VIDA_S - 1
    assert oyentes.vencidas() == []
    segundos.valor += 1
    assert oyentes.vencidas() == [("a", clave)]
    assert oyentes.prolongar("a") is None
    assert oyentes.abrir("a") != clave


@pytest.mark.parametrize(
    ("vela", "puntos"),
    [((100, 130, 90, 120), [100, 90, 130, 120]), ((100, 130, 90, 95), [100, 130, 90, 95])],
)
def test_el_camino_dentro_de_la_vela(vela, puntos):
    simulacion = una_simulacion([(100, 100, 100, 100), vela])
    vistos = []
    while (paso := simulacion.avanzar()) is not None:
        vistos.append((paso.tiempo_ms - INICIO_MS - HORA_MS, float(simulacion.plazas["BTCUSDT"].precio)))
    assert vistos == list(zip([0, HORA_MS // 4, HORA_MS // 2, HORA_MS], puntos, strict=True))
    assert simulacion.terminado


def test_por_cierres_hay_un_paso_por_vela():
    simulacion = una_simulacion(planas(1, 2, 3), camino="close")
    assert simulacion.reproductor.totales == 2
    paso = simulacion.avanzar()
    assert paso is not None
    assert paso.tiempo_ms == INICIO_MS + 2 * HORA_MS


def test_un_calentamiento_mas_largo_que_los_datos_se_explica():
    with pytest.raises(DatosInvalidos, match="the simulator's --warmup 5"):
        una_simulacion(planas(*range(1, 6)), calentamiento=5)


def test_simbolos_sin_tiempo_comun_se_rechazan():
    from src.simulador.reproductor import elegir_ventana
    from src.simulador.serie import Serie
    from tests.simulador.banco import una_tabla

    a = Serie.de_tabla("A", "1h", una_tabla(planas(1, 2, 3)), 2)
    b = Serie.de_tabla("B", "1h", una_tabla(planas(1, 2, 3), INICIO_MS + 100 * HORA_MS), 2)
    with pytest.raises(DatosInvalidos, match="common"):
        elegir_ventana([a, b], 0)


@pytest.mark.parametrize("texto", ["0", "-1", "rapido", "nan", "inf"])
def test_una_velocidad_que_no_lo_es_se_rechaza(texto):
    with pytest.raises(ConfiguracionInvalida, match="--speed"):
        leer_velocidad(texto)


@pytest.mark.parametrize("texto", ["a:b", "a:b:c", "a b:c:1", "a::1", "a:b:-1", "a:b:inf"])
def test_una_cuenta_mal_escrita_se_rechaza(texto):
    with pytest.raises(ConfiguracionInvalida):
        leer_cuenta(texto)


def test_el_simbolo_sale_del_nombre_del_archivo():
    assert leer_datos("dir/BTCUSDT-1h.csv.gz")[0] == "BTCUSDT"
    assert leer_datos("ethusdt=otro.csv")[0] == "ETHUSDT"
    with pytest.raises(ConfiguracionInvalida, match="SYMBOL="):
        leer_datos("dir/-.csv")


@pytest.mark.parametrize(
    ("flujo", "categoria"),
    [
        ("btcusdt@kline_1m", Categoria.MARKET),
        ("btcusdt@markPrice@1s", Categoria.MARKET),
        ("btcusdt@bookTicker", Categoria.PUBLIC),
        ("btcusdt@depth5@100ms", Categoria.PUBLIC),
    ],
)
def test_cada_flujo_tiene_su_ruta(flujo, categoria):
    assert categoria_de(flujo) is categoria
