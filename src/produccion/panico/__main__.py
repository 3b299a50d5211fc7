"""``python -m src.produccion.panico``: works when no third-party package can be imported."""

from __future__ import annotations

import sys

from src.produccion.panico.panico import principal

if __name__ == "__main__":
    sys.exit(principal(sys.argv[1:]))
