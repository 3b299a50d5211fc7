"""REST lag: reads that still tell what was before a write, until the market moves on."""

from __future__ import annotations

from src.simulador.fallas.foto import fotografiar
from src.simulador.titular import Titular


class _Rezago:
    """An account as it was, and how often each route still tells it."""

    def __init__(self, foto: Titular, lecturas: int) -> None:
        self.foto = foto
        self._lecturas = lecturas
        self._usadas: dict[str, int] = {}

    def leer(self, ruta: str) -> Titular | None:
        """The old account, unless a route has caught up."""
        usadas = self._usadas.get(ruta, 0)
        if usadas >= self._lecturas:
            return None
        self._usadas[ruta] = usadas + 1
        return self.foto


class Rezagos:
    """Accounts whose reads lag."""

    def __init__(self) -> None:
        self._por_clave: dict[str, _Rezago] = {}

    def empezar(self, titular: Titular, lecturas: int) -> None:
        """From now on the account's reads tell what it is at this moment."""
        self._por_clave[titular.clave] = _Rezago(fotografiar(titular), lecturas)

    def terminar(self) -> None:
        """Let every read be fresh."""
        self._por_clave.clear()

    def visto(self, clave: str, metodo: str, ruta: str) -> Titular | None:
        """The account that a read is answered from; ``None`` for the real one."""
        rezago = self._por_clave.get(clave)
        return rezago.leer(ruta) if rezago is not None and metodo == "GET" else None
