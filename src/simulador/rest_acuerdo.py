"""The simulator's own routes: join the market's agreement, say done, look at the replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src.simulador.avance import Avance
from src.simulador.fallos_api import ErrorApi
from src.simulador.firma import identificar
from src.simulador.simulacion import Simulacion

Cuerpo = dict[str, Any]
Atender = Callable[[Simulacion, Avance, str | None, Cuerpo], Cuerpo]


def _unir(s: Simulacion, avance: Avance, clave: str | None, cuerpo: Cuerpo) -> Cuerpo:
    titular = identificar(clave, s.titulares)
    simbolo = s.plaza(_texto(cuerpo, "symbol")).simbolo
    intervalo = _texto(cuerpo, "interval")
    if intervalo != s.intervalo:
        raise ErrorApi(-1120)
    agente = s.acuerdo.unir(titular.clave, simbolo, intervalo)
    return {
        "agent": agente.id,
        "step": s.paso,
        "time": s.reloj.ahora_ms(),
        "lockstep": s.opciones.velocidad is None,
    }


def _terminar(s: Simulacion, avance: Avance, _: str | None, cuerpo: Cuerpo) -> Cuerpo:
    terminar_paso(s, avance, _texto(cuerpo, "agent"), cuerpo.get("step", s.paso))
    return {"step": s.paso}


def terminar_paso(s: Simulacion, avance: Avance, agente: str, paso: object) -> None:
    """An agent is done with a step, ``None`` being the present one; a step that is over is ignored.

    Raises:
        ErrorApi: −1130 for an agent that has not joined or a step that has not happened.
    """
    if paso is None:
        paso = s.paso
    if not isinstance(paso, int) or paso > s.paso:
        raise ErrorApi(-1130, nombre="step")
    if not s.acuerdo.conoce(agente):
        raise ErrorApi(-1130, nombre="agent")
    if paso == s.paso:
        s.acuerdo.terminar(agente)
        avance.revisar()


def _dejar(s: Simulacion, avance: Avance, _: str | None, cuerpo: Cuerpo) -> Cuerpo:
    s.acuerdo.dejar(_texto(cuerpo, "agent"))
    avance.revisar()
    return {"step": s.paso}


def _estado(s: Simulacion, _: Avance, __: str | None, ___: Cuerpo) -> Cuerpo:
    return s.estado()


def _texto(cuerpo: Cuerpo, nombre: str) -> str:
    valor = cuerpo.get(nombre)
    if not isinstance(valor, str) or not valor:
        raise ErrorApi(-1102, nombre=nombre)
    return valor


RUTAS: dict[tuple[str, str], Atender] = {
    ("POST", "/sim/v1/join"): _unir,
    ("POST", "/sim/v1/done"): _terminar,
    ("POST", "/sim/v1/leave"): _dejar,
    ("GET", "/sim/v1/status"): _estado,
}
