from __future__ import annotations

from tests.produccion.almacenes import base_postgresql, motor, url, url_vacia

__all__ = ["base_postgresql", "motor", "url", "url_vacia"]
