"""Builders of conditional orders, an ear for user events, and an exchange that fails on demand."""

from __future__ import annotations

from typing import Any

import orjson

from src.simulador.algos import Algo
from src.simulador.difusion import Categoria
from src.simulador.peticion import Parametros
from src.simulador.reglas_algo import leer_algo
from src.simulador.simulacion import Simulacion
from src.simulador.titular import Titular
from src.simulador.trastornos import Disparo
from tests.simulador.banco import CLAVE, el_titular


def proteger(simulacion: Simulacion, titular: Titular | None = None, **campos: str) -> Algo:
    """Place a conditional order as the wire would; a stop that sells BTCUSDT unless told otherwise."""
    valores = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"} | campos
    contrato = simulacion.plaza(valores["symbol"]).contrato
    pedido = leer_algo(Parametros(valores), contrato, False)
    return simulacion.motor.colocar_algo(
        titular or el_titular(simulacion), pedido, simulacion.reloj.ahora_ms()
    )


class Oido:
    """Hears an account's events."""

    categoria = Categoria.PRIVATE
    combinado = False

    def __init__(self, simulacion: Simulacion, clave: str = CLAVE) -> None:
        self.eventos: list[dict[str, Any]] = []
        simulacion.difusor.unir_privado(self, clave)

    def poner(self, mensaje: bytes) -> None:
        self.eventos.append(orjson.loads(mensaje))

    @property
    def resumen(self) -> list[str]:
        """Type of each event, with the state of what it tells."""
        return [f"{e['e']} {e['o']['X']}" if "o" in e else e["e"] for e in self.eventos]

    def de_algos(self) -> list[tuple[str, str]]:
        """Client id and state of each ALGO_UPDATE."""
        return [(e["o"]["caid"], e["o"]["X"]) for e in self.eventos if e["e"] == "ALGO_UPDATE"]


class Averia:
    """Disturbs triggers as told."""

    def __init__(
        self,
        disparo: Disparo = Disparo.NORMAL,
        *,
        ignorados: int = 0,
        hija_primero: bool = False,
    ) -> None:
        self.disparo = disparo
        self.ignorados = ignorados
        self.primero = hija_primero

    def ignora_disparo(self, titular: Titular, algo: Algo) -> bool:
        self.ignorados -= 1
        return self.ignorados >= 0

    def al_disparar(self, titular: Titular, algo: Algo) -> Disparo:
        return self.disparo

    def hija_primero(self, titular: Titular, algo: Algo) -> bool:
        return self.primero
