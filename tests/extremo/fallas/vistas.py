"""Wherever a breaker can be looked at: API, command line, history, alerts and metrics of one store."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from src.cli.app import app
from src.produccion.api.identificacion import Rol
from src.produccion.api.usuarios import HORA_MS, anadir_usuario, dar_ficha
from tests.produccion.api.api_en_hilo import api_en_hilo
from tests.produccion.api.banco import PLAZOS

Fila = dict[str, Any]


@dataclass(frozen=True)
class Vistas:
    """What an operator sees who asks everywhere."""

    url: str
    ficha: str
    estado: Path

    def pedir(self, metodo: str, ruta: str, cuerpo: object = None) -> Any:
        """The API's answer."""
        return json.loads(self._leer(metodo, f"/api/v1/{ruta}", cuerpo))

    def disyuntor(self, clase: str) -> Fila | None:
        """As ``GET /api/v1/breakers`` shows it."""
        return _de(clase, self.pedir("GET", "breakers")["breakers"])

    def se_ve_abierto(self, clase: str) -> bool:
        visto = self.disyuntor(clase)
        return visto is not None and visto["state"] != "CLOSED"

    def comprobar_abierto(self, clase: str) -> None:
        """Every view says that it holds entries, and why."""
        visto, dicho = self.disyuntor(clase), _de(clase, self._cli())
        assert visto is not None
        assert dicho is not None
        assert visto["limit"] == dicho["limit_value"]
        assert (visto["blocks_entries"], dicho["blocks_entries"]) == (True, True)
        assert dicho["how_to_close"] == visto["how_to_close"] != ""
        candados = [uno["name"] for uno in self.pedir("GET", "locks")["locks"]]
        assert clase in candados
        abierto = self._cambios(clase)[-1]
        assert (abierto["previous_state"], abierto["state"]) == ("CLOSED", "OPEN")
        assert abierto["value"] >= abierto["limit"] == visto["limit"]
        assert ("BREAKER_OPENED", clase) in self._alertas()
        assert self._metrica(clase) in (0.5, 1.0)

    def comprobar_cerrado(self, clase: str) -> None:
        """Every view says that it is over."""
        visto, dicho = self.disyuntor(clase), _de(clase, self._cli())
        assert visto is not None
        assert dicho is not None
        assert (visto["state"], dicho["state"], visto["how_to_close"]) == ("CLOSED", "CLOSED", None)
        assert clase not in [uno["name"] for uno in self.pedir("GET", "locks")["locks"]]
        assert self._cambios(clase)[0]["state"] == "CLOSED"
        assert ("BREAKER_CLOSED", clase) in self._alertas()
        assert self._metrica(clase) == 0.0

    def _cambios(self, clase: str) -> list[Fila]:
        """Newest first."""
        ruta = f"history/circuit-breakers?kind={clase}&limit=1000"
        cambios: list[Fila] = self.pedir("GET", ruta)["circuit_breakers"]
        return cambios

    def _alertas(self) -> set[tuple[str, str | None]]:
        alertas = self.pedir("GET", "history/alerts?limit=1000")["alerts"]
        return {(una["kind"], una["data"].get("kind")) for una in alertas}

    def _cli(self) -> list[Fila]:
        hecho = CliRunner().invoke(app, ["breakers", "--json", "--state-dir", str(self.estado)])
        assert hecho.exit_code == 0, hecho.output
        todos: list[Fila] = json.loads(hecho.stdout)["breakers"]
        return todos

    def _metrica(self, clase: str) -> float | None:
        for familia in text_string_to_metric_families(self._leer("GET", "/metrics")):
            for muestra in familia.samples:
                if muestra.name == "timonel_breaker_open" and muestra.labels["kind"] == clase:
                    return float(muestra.value)
        return None

    def _leer(self, metodo: str, ruta: str, cuerpo: object = None) -> str:
        cabeceras = {"Authorization": f"Bearer {self.ficha}", "Content-Type": "application/json"}
        datos = None if cuerpo is None else json.dumps(cuerpo).encode()
        pedido = urllib.request.Request(self.url + ruta, datos, cabeceras, method=metodo)
        with urllib.request.urlopen(pedido, timeout=60) as respuesta:
            return str(respuesta.read().decode())


@contextmanager
def unas_vistas(estado: Path) -> Iterator[Vistas]:
    """Over the store of a state directory, as its operator ``ana``."""
    with structlog.testing.capture_logs(), api_en_hilo(estado, PLAZOS) as servida:
        anadir_usuario(servida.almacen, "ana", Rol.OPERADOR, "default", None)
        yield Vistas(servida.url, dar_ficha(servida.almacen, "ana", HORA_MS, "prueba").ficha.texto, estado)


def _de(clase: str, filas: list[Fila]) -> Fila | None:
    return next((fila for fila in filas if fila["kind"] == clase), None)
