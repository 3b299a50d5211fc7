"""What an operator wants to know before a start and after a fault: one verdict per thing."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import aiohttp
import orjson

from src.artefactos.artefacto import leer_lo_escrito
from src.nucleo.errores import ErrorTimonel
from src.nucleo.registro import texto_utc
from src.produccion.config.config import Ajustes, Destino, Modo, Opciones, leer_ajustes
from src.produccion.config.cuentas import destino_de
from src.produccion.diario.apertura_diario import NOMBRE, examinar
from src.produccion.diario.diario import mirar
from src.produccion.riesgo.enclavamiento import AGREGADO, Enclavamiento, Memoria, recordar_todo
from src.produccion.supervision.doctor_servicios import (
    mirar_almacen,
    mirar_entregas,
    mirar_redis,
    mirar_telegram,
)
from src.produccion.supervision.hallazgo import Hallazgo, Veredicto
from src.produccion.supervision.identidad import titular_de

_PYTHON_MINIMO = (3, 11)
_PAQUETES = ("numpy", "aiohttp", "python-binance", "pydantic", "orjson", "structlog", "torch")
_LIBRE_MINIMO = 200 * 2**20
_LIBRE_AVISO = 2 * 2**30
_PLAZO_S = 15.0


async def diagnosticar(opciones: Opciones, *, sin_red: bool) -> list[Hallazgo]:
    """Check everything that can be checked without trading or changing anything.

    Args:
        opciones: As `live` takes them; ``train_id`` empty checks every artefact.
        sin_red: Leave exchange, Redis and Telegram out.
    """
    hallazgos = [_python(), *_paquetes(), _ajustes(opciones)]
    try:
        destino, _ = destino_de(opciones, opciones.usuario, opciones.cuentas)
    except ErrorTimonel as fallo:
        hallazgos.append(Hallazgo("keys", Veredicto.MAL, str(fallo)))
    else:
        hallazgos.append(Hallazgo("keys", Veredicto.BIEN, f"set for {destino.modo.value}"))
        if not sin_red:
            hallazgos.append(await mirar_bolsa(destino, _ajustes_o_defecto(opciones).risk.max_clock_skew_s))
    almacen = await mirar_almacen(opciones.estado)
    hallazgos.append(almacen)
    if not sin_red:
        hallazgos.append(await mirar_redis())
        hallazgos.append(await mirar_telegram(_ajustes_o_defecto(opciones).alerts))
    for nombre, carpeta in (("state directory", opciones.estado), ("artefacts directory", opciones.base)):
        hallazgos.append(_carpeta(nombre, carpeta))
    for ruta in diarios(opciones.estado):
        hallazgos += (_diario(ruta), _candado(ruta.parent), _enclavamiento(ruta))
    if almacen.veredicto is not Veredicto.MAL:
        hallazgos += await mirar_entregas(opciones.estado, diarios(opciones.estado))
    hallazgos += _artefactos(opciones)
    return hallazgos


def diarios(estado: Path) -> list[Path]:
    """The journals below a state directory; one that was lost beside its log counts."""
    carpetas = {ruta.parent for patron in (NOMBRE, f"{NOMBRE}-wal") for ruta in estado.glob(f"*/*/{patron}")}
    return [carpeta / NOMBRE for carpeta in sorted(carpetas)]


def _ajustes_o_defecto(opciones: Opciones) -> Ajustes:
    """The settings; the defaults when they cannot be read, which is told elsewhere."""
    try:
        return leer_ajustes(opciones.config)
    except ErrorTimonel:
        return leer_ajustes(None)


def _python() -> Hallazgo:
    bien = sys.version_info[:2] >= _PYTHON_MINIMO
    detalle = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Hallazgo("Python", Veredicto.BIEN if bien else Veredicto.MAL, detalle)


def _paquetes() -> Iterator[Hallazgo]:
    versiones, faltan = [], []
    for paquete in _PAQUETES:
        try:
            versiones.append(f"{paquete} {metadata.version(paquete)}")
        except metadata.PackageNotFoundError:
            faltan.append(paquete)
    if versiones:
        yield Hallazgo("packages", Veredicto.BIEN, ", ".join(versiones))
    if faltan:
        yield Hallazgo("packages", Veredicto.MAL, f"not installed: {', '.join(faltan)}; run `make install`")


def _ajustes(opciones: Opciones) -> Hallazgo:
    try:
        leer_ajustes(opciones.config)
    except ErrorTimonel as fallo:
        return Hallazgo("settings", Veredicto.MAL, str(fallo))
    return Hallazgo("settings", Veredicto.BIEN, str(opciones.config or "built-in defaults"))


async def mirar_bolsa(destino: Destino, desfase_max_s: float) -> Hallazgo:
    """Whether the exchange answers, and what its clock says to this machine's."""
    que = f"exchange {destino.direcciones.rest}"
    plazo = aiohttp.ClientTimeout(total=_PLAZO_S)
    try:
        async with aiohttp.ClientSession(trust_env=True, timeout=plazo) as sesion:
            antes = time.time()
            async with sesion.get(f"{destino.direcciones.rest}/fapi/v1/time") as respuesta:
                respuesta.raise_for_status()
                servidor_s = float(orjson.loads(await respuesta.read())["serverTime"]) / 1_000
            despues = time.time()
    except TimeoutError:
        return Hallazgo(que, Veredicto.MAL, f"no answer within {_PLAZO_S:.0f} s; check network and address")
    except (aiohttp.ClientError, OSError) as fallo:
        return Hallazgo(que, Veredicto.MAL, f"cannot be reached: {fallo}; check network and address")
    except (KeyError, TypeError, ValueError) as fallo:
        return Hallazgo(que, Veredicto.MAL, f"its answer cannot be read ({fallo!r}); check the address")
    ida_y_vuelta = f"answers in {(despues - antes) * 1_000:.0f} ms"
    if destino.modo is Modo.SIMULADO:
        return Hallazgo(que, Veredicto.BIEN, f"{ida_y_vuelta}; a simulated market has a clock of its own")
    desfase_s = (antes + despues) / 2 - servidor_s
    detalle = f"{ida_y_vuelta}; this machine's clock is {desfase_s:+.2f} s off"
    if abs(desfase_s) > desfase_max_s:
        return Hallazgo(que, Veredicto.MAL, f"{detalle} (limit {desfase_max_s:g} s); synchronise it with NTP")
    return Hallazgo(que, Veredicto.AVISO if abs(desfase_s) > 1 else Veredicto.BIEN, detalle)


def _carpeta(que: str, carpeta: Path) -> Hallazgo:
    existente = carpeta.absolute()
    while not existente.exists():
        existente = existente.parent
    try:
        with tempfile.TemporaryFile(dir=existente):
            libre = shutil.disk_usage(existente).free
    except OSError as fallo:
        return Hallazgo(
            que, Veredicto.MAL, f"{carpeta} cannot be written: {fallo.strerror}; check its permissions"
        )
    detalle = f"{carpeta}: {libre / 2**30:.1f} GiB free" + ("" if carpeta.exists() else "; not made yet")
    if libre < _LIBRE_MINIMO:
        return Hallazgo(que, Veredicto.MAL, f"{detalle}; free some space")
    return Hallazgo(que, Veredicto.AVISO if libre < _LIBRE_AVISO else Veredicto.BIEN, detalle)


def _diario(ruta: Path) -> Hallazgo:
    que = f"journal {ruta.parent.parent.name}/{ruta.parent.name}"
    try:
        danos = examinar(ruta)
    except ErrorTimonel as fallo:
        return Hallazgo(que, Veredicto.MAL, str(fallo))
    if not danos:
        return Hallazgo(que, Veredicto.BIEN, f"{ruta.stat().st_size / 2**20:.1f} MiB, every record verified")
    otros = f", and {len(danos) - 1} more" if len(danos) > 1 else ""
    return Hallazgo(
        que, Veredicto.MAL, f"{ruta} is corrupt: {danos[0]}{otros}; see `timonel doctor --repair`"
    )


def _candado(carpeta: Path) -> Hallazgo:
    que = f"lock {carpeta.parent.name}/{carpeta.name}"
    try:
        titular = titular_de(carpeta)
    except ErrorTimonel as fallo:
        return Hallazgo(que, Veredicto.MAL, str(fallo))
    if titular is None:
        return Hallazgo(que, Veredicto.BIEN, "free")
    if titular.vivo:
        return Hallazgo(que, Veredicto.BIEN, f"held by {titular}")
    return Hallazgo(
        que,
        Veredicto.AVISO,
        f"free; {titular} was killed without ending: look at the position, the next start goes on from it",
    )


def _enclavamiento(ruta: Path) -> Hallazgo:
    que = f"latch {ruta.parent.parent.name}/{ruta.parent.name}"
    try:
        memoria = recordar_todo(mirar(ruta, AGREGADO), ruta.parent)
    except ErrorTimonel as fallo:
        return Hallazgo(que, Veredicto.MAL, f"unknown, its journal cannot be read: {fallo}")
    if memoria.cerrojo is None:
        return Hallazgo(que, Veredicto.BIEN, "open")
    return Hallazgo(que, Veredicto.MAL, _cerrado(memoria.cerrojo, memoria))


def _cerrado(cerrojo: Enclavamiento, memoria: Memoria) -> str:
    razon = f"{cerrojo.razon.value}: {cerrojo.detalle}" if cerrojo.detalle else cerrojo.razon.value
    a_medias = (
        "; the account was not seen flat since, and a start of its daemon finishes closing first"
        if memoria.sin_acabar
        else ""
    )
    return (
        f"locked since {texto_utc(cerrojo.instante_ms)} by {cerrojo.quien} ({razon}){a_medias}: look into it,"
        ' then run `timonel live --train-id ID --unlock "reason"` with the options of its daemon'
    )


def _artefactos(opciones: Opciones) -> Iterator[Hallazgo]:
    nombres = [opciones.train_id] if opciones.train_id else _existentes(opciones.base)
    if not nombres:
        yield Hallazgo("artefacts", Veredicto.AVISO, f"{opciones.base} holds none; train one first")
    for nombre in nombres:
        que = f"artefact {nombre}"
        try:
            _, manifiesto = leer_lo_escrito(opciones.base, nombre)
        except ErrorTimonel as fallo:
            yield Hallazgo(que, Veredicto.MAL, str(fallo))
        else:
            yield Hallazgo(que, Veredicto.BIEN, f"{len(manifiesto.ficheros)} files as they were written")


def _existentes(base: Path) -> list[str]:
    if not base.is_dir():
        return []
    return sorted(r.name for r in base.iterdir() if r.is_dir() and not r.name.startswith("."))
