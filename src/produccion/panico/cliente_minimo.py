"""A signed client of the exchange's REST face that needs nothing but the standard library."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from math import inf
from typing import Any
from urllib.parse import urlencode, urlsplit

LOCALES = frozenset({"127.0.0.1", "localhost", "::1"})

_PLAZO_S = 10.0
_RECV_WINDOW_MS = 5_000
_INTENTOS_LECTURA = 8
_ESPERA_MAXIMA_S = 10.0
_RELOJ_DESVIADO = -1021
_INCIERTOS = frozenset({-1000, -1001, -1006, -1007})
_PASAJERO = -1008
_DEMASIADAS = frozenset({-1003, -1015})
_DEMASIADAS_HTTP = frozenset({418, 429})


class Rechazada(Exception):
    """The exchange refused a request; it had no effect.

    Args:
        mensaje: The exchange's own words.
        codigo: Its error code.
        espera_s: How long it wants to be left alone.
    """

    def __init__(self, mensaje: str, codigo: int, espera_s: float = 0.0) -> None:
        super().__init__(f"{mensaje} (code {codigo})")
        self.codigo = codigo
        self.espera_s = espera_s


class SinRespuesta(Exception):
    """No usable answer came: the request may have had its effect."""


class ClienteMinimo:
    """Asks one exchange on behalf of one account.

    Args:
        base: Address of the exchange, without a trailing slash.
        clave: API key.
        secreto: Its secret; never printed.
        dormir: How to wait.
        avisar: Told of each read that was not answered and is tried again.
        plazo_s: Wall seconds after which a read that was not answered is given up.
        reloj: Wall seconds.
    """

    def __init__(
        self,
        base: str,
        clave: str,
        secreto: str,
        dormir: Callable[[float], None] = time.sleep,
        *,
        avisar: Callable[[str], None] = lambda _: None,
        plazo_s: float = inf,
        reloj: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base
        self._clave = clave
        self._secreto = secreto.encode()
        self._desfase_ms = 0
        self._sincronizado = False
        self.dormir = dormir
        self._avisar = avisar
        self._plazo_s = plazo_s
        self._reloj = reloj
        # A proxy of the surroundings does not lead to this machine.
        local = urlsplit(base).hostname in LOCALES
        self._abridor = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))

    def leer(self, ruta: str, **campos: object) -> Any:
        """A signed GET, asked again until it is answered.

        Raises:
            SinRespuesta: It never was.
            Rechazada: It was refused for a reason that does not pass.
        """
        return self._insistir(lambda: self.pedir("GET", ruta, **campos))

    def leer_publico(self, ruta: str) -> Any:
        """An unsigned GET, asked again until it is answered.

        Raises:
            SinRespuesta: It never was.
        """
        return self._insistir(lambda: self._enviar("GET", ruta, "", firmado=False))

    def pedir(self, metodo: str, ruta: str, **campos: object) -> Any:
        """One signed request, sent once.

        Raises:
            SinRespuesta: Nobody knows what became of it.
            Rechazada: It had no effect.
        """
        if not self._sincronizado:
            self._sincronizar()
        textos = {nombre: str(valor) for nombre, valor in campos.items()}
        textos |= {"recvWindow": str(_RECV_WINDOW_MS), "timestamp": str(self._ahora_ms())}
        cuerpo = urlencode(textos)
        firma = hmac.new(self._secreto, cuerpo.encode(), hashlib.sha256).hexdigest()
        try:
            return self._enviar(metodo, ruta, f"{cuerpo}&signature={firma}", firmado=True)
        except Rechazada as fallo:
            if fallo.codigo == _RELOJ_DESVIADO:
                self._sincronizado = False
            raise

    def _sincronizar(self) -> None:
        servidor_ms = int(self._enviar("GET", "/fapi/v1/time", "", firmado=False)["serverTime"])
        self._desfase_ms = servidor_ms - time.time_ns() // 1_000_000
        self._sincronizado = True

    def _ahora_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._desfase_ms

    def _insistir(self, pedido: Callable[[], Any]) -> Any:
        espera_s, limite_s = 0.5, self._reloj() + self._plazo_s
        for intento in range(1, _INTENTOS_LECTURA + 1):
            ultimo = intento == _INTENTOS_LECTURA or self._reloj() >= limite_s
            try:
                return pedido()
            except SinRespuesta as fallo:
                if ultimo:
                    raise
                self._avisar(f"{fallo}; trying again in {espera_s:g} s")
            except Rechazada as fallo:
                if ultimo or not (fallo.espera_s or fallo.codigo in (_RELOJ_DESVIADO, _PASAJERO)):
                    raise
                espera_s = max(espera_s, fallo.espera_s)
            self.dormir(min(espera_s, max(0.0, limite_s - self._reloj())))
            espera_s = min(_ESPERA_MAXIMA_S, espera_s * 2)
        raise AssertionError("the loop above returns or raises")

    def _enviar(self, metodo: str, ruta: str, cuerpo: str, *, firmado: bool) -> Any:
        en_direccion = metodo != "POST"
        url = f"{self._base}{ruta}" + (f"?{cuerpo}" if en_direccion and cuerpo else "")
        pedido = urllib.request.Request(
            url,
            data=None if en_direccion else cuerpo.encode(),
            headers={"X-MBX-APIKEY": self._clave} if firmado else {},
            method=metodo,
        )
        try:
            with self._abridor.open(pedido, timeout=_PLAZO_S) as respuesta:
                return json.load(respuesta)
        except urllib.error.HTTPError as fallo:
            raise leer_error(fallo.code, _cuerpo(fallo), fallo.headers.get("Retry-After")) from None
        except (OSError, http.client.HTTPException, ValueError) as fallo:
            raise SinRespuesta(f"no answer to {metodo} {ruta}: {fallo or type(fallo).__name__}") from None


def _cuerpo(fallo: urllib.error.HTTPError) -> bytes:
    try:
        return fallo.read()
    except (OSError, http.client.HTTPException):
        return b""


def leer_error(estado: int, cuerpo: bytes, paciencia: str | None) -> Rechazada | SinRespuesta:
    """What an answer that is no success means."""
    try:
        crudo = json.loads(cuerpo)
        codigo, mensaje = int(crudo["code"]), str(crudo["msg"])
        sin_ejecutar = codigo == _PASAJERO or (estado == 503 and mensaje.startswith("Service Unavailable"))
    except (ValueError, KeyError, TypeError):
        codigo, mensaje, sin_ejecutar = 0, cuerpo[:200].decode("utf-8", "replace"), False
    if sin_ejecutar:
        return Rechazada(mensaje, codigo, 1.0)
    if codigo in _DEMASIADAS or estado in _DEMASIADAS_HTTP:
        return Rechazada(mensaje, codigo, max(1.0, _segundos(paciencia)))
    if codigo in _INCIERTOS or codigo == 0 or estado >= 500:
        return SinRespuesta(f"the exchange does not know what became of it: {mensaje} (HTTP {estado})")
    return Rechazada(mensaje, codigo)


def _segundos(texto: str | None) -> float:
    return float(texto) if texto is not None and texto.isdigit() else 0.0
