"""The daemon's side of commands, over a real store."""

# ruff: noqa: F811 -- fixtures that are imported

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.exc import OperationalError

from src.nucleo.errores import EmergenciaOperacional, OrdenRechazada, SolicitudInvalida
from src.nucleo.guardian import AccionGuardian, Solicitud
from src.produccion import mandos
from src.produccion.almacen import demonios
from src.produccion.almacen.demonios import DemonioNuevo, vivos
from src.produccion.almacen.esquema import ahora_bd, commands
from src.produccion.almacen.mandos import (
    GRACIA_MS,
    TURNO_CIERRE_MS,
    TURNO_MS,
    AccionMando,
    EstadoMando,
    MandoGuardado,
    MandoNuevo,
    leer_mando,
    pedir_mando,
    tomar_mandos,
)
from src.produccion.mandos import (
    Desenlace,
    DesenlaceFin,
    OidorMandos,
    Respuesta,
    Ritmo,
    accion_de,
    contenido_de,
    solicitud_de,
)
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures

RED = True

YO = DemonioNuevo("sim-1", "BTCUSDT", 10, "aqui", client_id="casa", user_id="User_1")
HECHO = Desenlace(exito=True, direccion="BUY", stop=45_000.0, nivel="break_even", confirmado=True)
AJUSTE = Solicitud("BTCUSDT", AccionGuardian.AJUSTAR, stop=45_000.0, objetivo=46_000.0, nivel="break_even")

Atender = Callable[[MandoGuardado], Awaitable[Respuesta]]


def pedir(almacen: Engine, solicitud: Solicitud = AJUSTE, **cambios: Any) -> MandoGuardado:
    mando = MandoNuevo(
        user_id="User_1",
        symbol=solicitud.simbolo,
        action=accion_de(solicitud.accion),
        payload=contenido_de(solicitud),
        requested_by="ana",
        plazo_ms=60_000,
        account_id="sim-1",
        client_id="casa",
    )
    return pedir_mando(almacen, mando._replace(**cambios))


class Demonio:
    """Remembers what it was asked, and does it."""

    def __init__(self, desenlace: Desenlace | Exception = HECHO) -> None:
        self.desenlace = desenlace
        self.atendidos: list[MandoGuardado] = []

    async def atender(self, mando: MandoGuardado) -> Desenlace:
        self.atendidos.append(mando)
        if isinstance(self.desenlace, Exception):
            raise self.desenlace
        return self.desenlace


@asynccontextmanager
async def oyendo(
    almacen: Engine, atender: Atender, hora_ms: Callable[[], int] | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    ritmo = Ritmo(mirar_s=0.02, latir_s=0.02, vencer_s=0.02)
    oidor = OidorMandos(almacen, YO, atender, ritmo, hora_ms)
    tarea = asyncio.create_task(oidor.correr())
    try:
        yield tarea
    finally:
        tarea.cancel()
        await asyncio.gather(tarea, return_exceptions=True)


async def hasta(se_cumple: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not se_cumple():  # noqa: ASYNC110 -- another thread or process brings it about
            await asyncio.sleep(0.02)


async def terminado(almacen: Engine, mando: MandoGuardado) -> MandoGuardado:
    """The command, once its outcome is known."""
    await hasta(lambda: como_esta(almacen, mando).status.es_final)
    return como_esta(almacen, mando)


def como_esta(almacen: Engine, mando: MandoGuardado) -> MandoGuardado:
    ahora = leer_mando(almacen, mando.id)
    assert ahora is not None
    return ahora


async def test_un_mando_se_atiende_y_se_responde(motor: Engine):
    demonio = Demonio(HECHO._replace(instante_ms=1_728_000_000_456, redis=True))
    mando = pedir(motor)

    async with oyendo(motor, demonio.atender):
        acabado = await terminado(motor, mando)

    assert acabado.status is EstadoMando.DONE
    assert acabado.outcome == {
        "success": True,
        "direction": "BUY",
        "stop": 45_000.0,
        "level_applied": "break_even",
        "previous_stop": None,
        "adjustment_confirmed": True,
        "redis_updated": True,
        "timestamp": 1_728_000_000.456,
    }
    assert [solicitud_de(m) for m in demonio.atendidos] == [AJUSTE]


async def test_quien_va_a_acabar_lo_hace_cuando_ya_ha_respondido(motor: Engine):
    mando = pedir(motor)
    estados: list[EstadoMando] = []

    async def atender(suyo: MandoGuardado) -> DesenlaceFin:
        acabar = lambda: estados.append(como_esta(motor, suyo).status)  # noqa: E731 -- what is measured
        return DesenlaceFin(1_728_000_000_456, "it ends", {"on_exit": "keep"}, acabar)

    async with oyendo(motor, atender):
        await hasta(lambda: bool(estados))

    assert estados == [EstadoMando.DONE]
    assert como_esta(motor, mando).outcome == {
        "success": True,
        "on_exit": "keep",
        "timestamp": 1_728_000_000.456,
        "message": "it ends",
    }


async def test_un_almacen_caido_no_impide_acabar(motor: Engine, monkeypatch: pytest.MonkeyPatch):
    pedir(motor)
    acabados: list[bool] = []

    async def atender(_mando: MandoGuardado) -> DesenlaceFin:
        def caido(*_: Any) -> bool:
            raise OperationalError("x", {}, Exception("down"))

        monkeypatch.setattr(mandos, "terminar_mando", caido)
        return DesenlaceFin(0, "it ends", {}, lambda: acabados.append(True))

    monkeypatch.setattr(mandos, "DESPEDIDA_S", 0.05)
    async with oyendo(motor, atender):
        await hasta(lambda: bool(acabados))


async def test_se_atienden_en_orden_y_solo_los_propios(motor: Engine):
    demonio = Demonio()
    ajenos = [
        pedir(motor, user_id="User_2"),
        pedir(motor, client_id="otra"),
        pedir(motor, account_id="live-1"),
        pedir(motor, account_id=None),
        pedir(motor, AJUSTE._replace(simbolo="ETHUSDT")),
    ]
    propios = [pedir(motor, AJUSTE._replace(stop=float(stop))) for stop in range(1, 6)]

    async with oyendo(motor, demonio.atender):
        await terminado(motor, propios[-1])

    assert [mando.id for mando in demonio.atendidos] == [mando.id for mando in propios]
    assert {como_esta(motor, ajeno).status for ajeno in ajenos} == {EstadoMando.PENDING}


@pytest.mark.parametrize(
    "fallo", [SolicitudInvalida("No open position to adjust"), OrdenRechazada("refused", codigo=-2021)]
)
async def test_un_rechazo_se_responde_y_se_sigue_oyendo(motor: Engine, fallo: Exception):
    demonio = Demonio(fallo)
    primero = pedir(motor)

    async with oyendo(motor, demonio.atender):
        rechazado = await terminado(motor, primero)
        demonio.desenlace = HECHO
        hecho = await terminado(motor, pedir(motor))

    assert rechazado.status is EstadoMando.FAILED
    assert rechazado.outcome is not None
    assert (rechazado.outcome["success"], rechazado.outcome["error"]) == (False, str(fallo))
    assert hecho.status is EstadoMando.DONE


@pytest.mark.parametrize("fallo", [EmergenciaOperacional("no more"), RuntimeError("defect")])
async def test_lo_que_acaba_con_el_demonio_se_responde_antes(motor: Engine, fallo: Exception):
    mando = pedir(motor)

    async with oyendo(motor, Demonio(fallo).atender) as tarea:
        acabado = await terminado(motor, mando)
        with pytest.raises(type(fallo), match=str(fallo)):
            await asyncio.wait_for(asyncio.shield(tarea), 60)

    assert acabado.status is EstadoMando.FAILED


async def test_lo_vencido_no_se_hace(motor: Engine):
    """A command that waits behind another may expire in the meantime."""
    demonio = Demonio()
    vencido = pedir(motor)
    with motor.begin() as conexion:
        conexion.execute(update(commands).values(expires_at_ms=ahora_bd() - 1))
    bueno = pedir(motor)

    async with oyendo(motor, demonio.atender):
        await terminado(motor, bueno)
        acabado = await terminado(motor, vencido)

    assert acabado.status is EstadoMando.EXPIRED
    assert [mando.id for mando in demonio.atendidos] == [bueno.id]


async def test_lo_que_se_tomo_tarde_se_responde_sin_hacerse(motor: Engine):
    """Between asking the store and carrying out more time may pass than anybody waits."""
    demonio, hora_s = Demonio(), itertools.count(step=1_000)
    mando = pedir(motor)

    async with oyendo(motor, demonio.atender, lambda: next(hora_s) * 1_000):
        acabado = await terminado(motor, mando)

    assert acabado.status is EstadoMando.FAILED
    assert acabado.outcome is not None
    assert "nothing was done" in acabado.outcome["error"]
    assert demonio.atendidos == []


async def test_quien_atiende_sabe_hasta_cuando(motor: Engine):
    """By its own clock, whatever the store's says."""
    demonio = Demonio()
    mando = pedir(motor)

    async with oyendo(motor, demonio.atender, lambda: 5_000):
        await terminado(motor, mando)

    (atendido,) = demonio.atendidos
    assert atendido.claimed_at_ms is not None
    assert atendido.vence_ms == 5_000 + 60_000 + TURNO_MS - (atendido.claimed_at_ms - mando.created_at_ms)


@pytest.mark.parametrize(
    "cambios",
    [
        {"action": "guardian.explode"},
        {"payload": {"stop": "a lot"}},
        {"payload": {"stop": True}},
        {"payload": {"stop": 45_000.0, "leverage": 20}},
        {"payload": [45_000.0]},
    ],
)
async def test_lo_que_no_se_entiende_se_responde_y_se_sigue_oyendo(motor: Engine, cambios: dict[str, Any]):
    async def entender(mando: MandoGuardado) -> Desenlace:
        solicitud_de(mando)
        return HECHO

    malo = pedir(motor, **cambios)

    async with oyendo(motor, entender):
        rechazado = await terminado(motor, malo)
        hecho = await terminado(motor, pedir(motor))

    assert (rechazado.status, hecho.status) == (EstadoMando.FAILED, EstadoMando.DONE)


async def test_un_contenido_que_no_es_json_se_responde(motor: Engine):
    async def entender(mando: MandoGuardado) -> Desenlace:
        solicitud_de(mando)
        return HECHO

    malo = pedir(motor)
    with motor.begin() as conexion:
        conexion.execute(update(commands).values(payload_json="{"))

    async with oyendo(motor, entender):
        assert (await terminado(motor, malo)).status is EstadoMando.FAILED


async def test_el_que_oye_vive_y_deja_dicho_que_vivio(motor: Engine):
    """Whether it ended on purpose is not its to know: goodbye is said by whoever ends the daemon."""
    async with oyendo(motor, Demonio().atender):
        await terminado(motor, pedir(motor))
        assert [(vivo.user_id, vivo.symbol, vivo.client_id) for vivo in vivos(motor)] == [
            ("User_1", "BTCUSDT", "casa")
        ]

    assert len(vivos(motor)) == 1


async def test_una_senal_rezagada_no_deshace_una_despedida(motor: Engine, monkeypatch: pytest.MonkeyPatch):
    """The store is slow: the daemon has gone when it answers that it does not know it any more."""
    latiendo, seguir, hecho = threading.Event(), threading.Event(), threading.Event()

    def latir(*_: Any) -> bool:
        latiendo.set()
        seguir.wait(60.0)
        hecho.set()
        return False

    monkeypatch.setattr(mandos, "latir", latir)
    monkeypatch.setattr(mandos, "DESPEDIDA_S", 0.05)
    async with oyendo(motor, Demonio().atender):
        await hasta(latiendo.is_set)
    demonios.despedirse(motor, YO.account_id, YO.symbol)
    seguir.set()
    await hasta(hecho.is_set)
    await asyncio.sleep(0.1)

    assert vivos(motor) == []


async def test_lo_que_un_demonio_muerto_dejo_a_medias_no_se_repite(motor: Engine):
    demonio = Demonio()
    mando = pedir(motor)
    tomar_mandos(motor, "User_1", "BTCUSDT", "sim-1:BTCUSDT", account_id="sim-1", client_id="casa")

    async with oyendo(motor, demonio.atender):
        acabado = await terminado(motor, mando)

    assert acabado.status is EstadoMando.FAILED
    assert acabado.outcome is not None
    assert "look at the position" in acabado.outcome["error"]
    assert demonio.atendidos == []


async def test_un_mando_lento_no_para_los_latidos(motor: Engine):
    seguir = asyncio.Event()

    async def despacio(_mando: MandoGuardado) -> Desenlace:
        await seguir.wait()
        return HECHO

    mando = pedir(motor)
    async with oyendo(motor, despacio):
        await hasta(lambda: bool(vivos(motor)))
        with motor.begin() as conexion:
            conexion.execute(update(demonios.daemons).values(heartbeat_ms=0))
        await hasta(lambda: bool(vivos(motor)))
        seguir.set()
        assert (await terminado(motor, mando)).status is EstadoMando.DONE


class AlmacenCaprichoso:
    """A store that can be switched off between two transactions."""

    def __init__(self, motor: Engine) -> None:
        self._motor = motor
        self.caido = False
        self.negados = 0

    def __getattr__(self, nombre: str) -> Any:
        if self.caido and nombre in ("begin", "connect"):
            self.negados += 1
            raise OperationalError("SELECT 1", None, ConnectionError("down"))
        return getattr(self._motor, nombre)


async def test_un_almacen_caido_se_cuenta_una_vez_y_se_espera(
    motor: Engine,
    bitacora: list[dict[str, Any]],
):
    """Also with a command done and not yet answered: the answer is written when the store is back."""
    caprichoso = AlmacenCaprichoso(motor)

    async def y_se_cae(_mando: MandoGuardado) -> Desenlace:
        caprichoso.caido = True
        return HECHO

    mando = pedir(motor)
    async with oyendo(caprichoso, y_se_cae):  # type: ignore[arg-type]
        await hasta(lambda: caprichoso.negados >= 3)
        caprichoso.caido = False
        acabado = await terminado(motor, mando)
        await hasta(lambda: "almacen_recuperado" in [evento["event"] for evento in bitacora])

    assert acabado.status is EstadoMando.DONE
    sucesos = [evento["event"] for evento in bitacora]
    assert sucesos.count("almacen_no_responde") == 1
    assert sucesos.count("almacen_recuperado") == 1


def de(accion: AccionMando, almacen: Engine, **cambios: Any) -> MandoGuardado:
    return pedir(almacen, **{"action": accion.value, "payload": {}, **cambios})


class Atascado:
    """Whose first order does not end until it is let."""

    def __init__(self) -> None:
        self.seguir = asyncio.Event()
        self.empezados: list[str] = []

    async def atender(self, mando: MandoGuardado) -> Desenlace:
        self.empezados.append(mando.action)
        if mando.action in (AccionMando.ABRIR, AccionMando.CERRAR):
            await self.seguir.wait()
        return HECHO


@pytest.mark.parametrize(
    "accion", [AccionMando.MODO_RIESGO, AccionMando.CERRAR_DISYUNTOR, AccionMando.DETENER]
)
async def test_lo_que_frena_o_acaba_no_espera_a_una_orden_en_curso(motor: Engine, accion: AccionMando):
    demonio = Atascado()
    orden = de(AccionMando.ABRIR, motor)

    async with oyendo(motor, demonio.atender):
        await hasta(lambda: bool(demonio.empezados))
        freno = await terminado(motor, de(accion, motor))
        assert como_esta(motor, orden).status is EstadoMando.CLAIMED
        demonio.seguir.set()
        await terminado(motor, orden)

    assert freno.status is EstadoMando.DONE


async def test_los_cierres_se_toman_aunque_haya_una_orden_en_curso(motor: Engine):
    """Taken, they do not expire: their turn is the consumer's to give, which is busy."""
    demonio = Atascado()
    orden = de(AccionMando.ABRIR, motor)

    async with oyendo(motor, demonio.atender):
        await hasta(lambda: bool(demonio.empezados))
        cierres = [de(AccionMando.CERRAR, motor, plazo_ms=1_000) for _ in range(2)]
        await hasta(lambda: demonio.empezados.count(AccionMando.CERRAR) == 2)
        await asyncio.sleep(1.1)
        assert {como_esta(motor, cierre).status for cierre in cierres} == {EstadoMando.CLAIMED}
        demonio.seguir.set()
        acabados = [await terminado(motor, mando) for mando in (orden, *cierres)]

    assert {acabado.status for acabado in acabados} == {EstadoMando.DONE}
    assert len(demonio.empezados) == 3


async def test_una_orden_mas_vieja_que_un_cierre_no_abre_nada_despues_de_el(motor: Engine):
    """It waited behind another order, and the close went first: being flat is what was asked for last."""
    demonio = Atascado()
    primera = de(AccionMando.ABRIR, motor)

    async with oyendo(motor, demonio.atender):
        await hasta(lambda: bool(demonio.empezados))
        segunda = de(AccionMando.ABRIR, motor)
        cierre = de(AccionMando.CERRAR, motor)
        await hasta(lambda: AccionMando.CERRAR in demonio.empezados)
        demonio.seguir.set()
        for mando in (primera, cierre):
            assert (await terminado(motor, mando)).status is EstadoMando.DONE
        superada = await terminado(motor, segunda)
        assert (await terminado(motor, de(AccionMando.ABRIR, motor))).status is EstadoMando.DONE

    assert superada.status is EstadoMando.FAILED
    assert superada.outcome is not None
    assert "a close was asked for after it" in str(superada.outcome)
    assert demonio.empezados.count(AccionMando.ABRIR) == 2


async def test_tampoco_la_abre_quien_escucha_despues(motor: Engine):
    demonio = Atascado()
    de(AccionMando.ABRIR, motor)
    async with oyendo(motor, demonio.atender):
        await hasta(lambda: bool(demonio.empezados))
        superada = de(AccionMando.ABRIR, motor)
        de(AccionMando.CERRAR, motor)
        await hasta(lambda: AccionMando.CERRAR in demonio.empezados)

    demonio.seguir.set()
    async with oyendo(motor, demonio.atender):
        assert (await terminado(motor, superada)).status is EstadoMando.FAILED
        assert (await terminado(motor, de(AccionMando.ABRIR, motor))).status is EstadoMando.DONE


async def test_lo_demas_espera_a_que_acabe_la_orden_en_curso_y_puede_vencer(motor: Engine):
    demonio = Atascado()
    orden = de(AccionMando.ABRIR, motor)

    async with oyendo(motor, demonio.atender):
        await hasta(lambda: bool(demonio.empezados))
        vencido = await terminado(motor, de(AccionMando.MITAD, motor, plazo_ms=300))
        assert vencido.status is EstadoMando.EXPIRED
        demonio.seguir.set()
        await terminado(motor, orden)

    assert demonio.empezados == [AccionMando.ABRIR]


async def test_un_cierre_espera_mas_que_lo_demas_a_su_turno(motor: Engine):
    """Longer than an order is looked up for, and it is answered before nobody is said to have answered."""
    demonio = Demonio()
    cierre = de(AccionMando.CERRAR, motor)

    async with oyendo(motor, demonio.atender, lambda: 5_000):
        await terminado(motor, cierre)

    (atendido,) = demonio.atendidos
    assert atendido.claimed_at_ms is not None
    assert atendido.vence_ms == 5_000 + 60_000 + TURNO_CIERRE_MS - (
        atendido.claimed_at_ms - cierre.created_at_ms
    )
    assert 30_000 < TURNO_CIERRE_MS < GRACIA_MS


async def test_un_defecto_al_atender_aparte_acaba_con_el_servicio(motor: Engine):
    demonio = Atascado()
    orden = de(AccionMando.ABRIR, motor)

    async def atender(mando: MandoGuardado) -> Desenlace:
        if mando.action == AccionMando.CERRAR:
            raise RuntimeError("defect")
        return await demonio.atender(mando)

    async with oyendo(motor, atender) as tarea:
        await hasta(lambda: bool(demonio.empezados))
        cierre = de(AccionMando.CERRAR, motor)
        with pytest.raises(RuntimeError, match="defect"):
            await asyncio.wait_for(asyncio.shield(tarea), 60)

    assert como_esta(motor, cierre).status is EstadoMando.FAILED
    assert como_esta(motor, orden).status is EstadoMando.CLAIMED


def test_un_desenlace_dice_por_que():
    assert HECHO._replace(mensaje="Half-close done; SL moved to BE").como_json()["message"]
    assert "error" not in HECHO.como_json()
    assert Desenlace(exito=False, mensaje="no").como_json()["error"] == "no"
