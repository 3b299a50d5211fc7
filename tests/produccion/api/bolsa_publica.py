"""An exchange that only shows its prices, and counts who looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

MINUTO_MS = 60_000
AHORA_MS = 1_700_000_000_000
LIMITES = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2_400}]


class BolsaPublica:
    """BTCUSDT at 89,245 / 89,246; whatever a test puts in `fallos` goes before that."""

    def __init__(self) -> None:
        self.precios = {
            "BTCUSDT": ("89245.00", "89246.00", "89245.50"),
            "DOGEUSDT": ("0.08123", "0.08124", "0.08123"),
        }
        self.fallos: dict[str, tuple[int, Any, dict[str, str]]] = {}
        self.vistas: Counter[str] = Counter()
        self.velas = 3_000
        self.url = ""

    async def atender(self, peticion: web.Request) -> web.Response:
        ruta = peticion.path.removeprefix("/fapi/v1/")
        self.vistas[ruta] += 1
        if ruta in self.fallos:
            estado, cuerpo, cabeceras = self.fallos[ruta]
            if isinstance(cuerpo, str):
                return web.Response(status=estado, text=cuerpo, headers=cabeceras)
            return web.json_response(cuerpo, status=estado, headers=cabeceras)
        return web.json_response(getattr(self, ruta.replace("ticker/", "_").lower())(peticion.query))

    def _bookticker(self, _: Any) -> Any:
        return [
            {"symbol": s, "bidPrice": bid, "askPrice": ask, "bidQty": "1", "askQty": "1", "time": AHORA_MS}
            for s, (bid, ask, _) in self.precios.items()
        ]

    def _price(self, _: Any) -> Any:
        return [
            {"symbol": s, "price": ultimo, "time": AHORA_MS} for s, (_, _, ultimo) in self.precios.items()
        ]

    def exchangeinfo(self, _: Any) -> Any:
        simbolos = [{"symbol": s, "status": "TRADING"} for s in self.precios]
        return {"rateLimits": LIMITES, "symbols": [*simbolos, {"symbol": "LUNAUSDT", "status": "SETTLING"}]}

    def depth(self, campos: Any) -> Any:
        nivel = [["89245.00", "1.5"], ["89244.90", "2"]] * (int(campos["limit"]) // 2)
        return {"E": AHORA_MS, "T": AHORA_MS, "bids": nivel, "asks": nivel}

    def klines(self, campos: Any) -> Any:
        hasta_ms = int(campos.get("endTime", AHORA_MS))
        ultima = min(self.velas - 1, hasta_ms // MINUTO_MS - (AHORA_MS // MINUTO_MS - self.velas + 1))
        primera = max(0, ultima + 1 - int(campos["limit"]))
        inicio_ms = AHORA_MS // MINUTO_MS * MINUTO_MS - (self.velas - 1) * MINUTO_MS
        return [
            [
                inicio_ms + i * MINUTO_MS,
                "1.1",
                "1.2",
                "1.0",
                str(100 + i),
                "7",
                inicio_ms + (i + 1) * MINUTO_MS - 1,
            ]
            for i in range(primera, ultima + 1)
        ]


@asynccontextmanager
async def una_bolsa_publica() -> AsyncIterator[BolsaPublica]:
    """It listens on a free port of loopback."""
    bolsa = BolsaPublica()
    aplicacion = web.Application()
    aplicacion.router.add_route("*", "/{tail:.*}", bolsa.atender)
    corredor = web.AppRunner(aplicacion, access_log=None, shutdown_timeout=0.1)
    await corredor.setup()
    await web.TCPSite(corredor, "127.0.0.1", 0).start()
    bolsa.url = f"http://127.0.0.1:{corredor.addresses[0][1]}"
    try:
        yield bolsa
    finally:
        await corredor.cleanup()
