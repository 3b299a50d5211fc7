"""Routes that read an account and change its settings."""

from __future__ import annotations

from typing import Any

from src.nucleo.tipos import TipoMargen
from src.simulador import eventos, respuestas, respuestas_cuenta
from src.simulador.fallos_api import ErrorApi
from src.simulador.margen import resumir
from src.simulador.numeros import EXACTO, redondear, texto, texto_corto
from src.simulador.peticion import Parametros
from src.simulador.rutas import Acceso, Privada, Tabla, fijo
from src.simulador.simulacion import Simulacion
from src.simulador.titular import Titular


def _cuenta_v2(s: Simulacion, t: Titular, _: Parametros) -> Any:
    return respuestas_cuenta.cuenta_v2(t.cuenta, t.libro, s.motor.marcas, s.reloj.ahora_ms())


def _cuenta_v3(s: Simulacion, t: Titular, _: Parametros) -> Any:
    return respuestas_cuenta.cuenta_v3(t.cuenta, t.libro, s.motor.marcas, s.reloj.ahora_ms())


def _saldos(s: Simulacion, t: Titular, _: Parametros) -> Any:
    return respuestas_cuenta.saldos(t.cuenta, t.libro, s.motor.marcas, s.reloj.ahora_ms())


def _riesgo_v2(s: Simulacion, t: Titular, p: Parametros) -> Any:
    return respuestas_cuenta.riesgo_v2(t.cuenta, t.libro, s.motor.marcas, _simbolo(s, p))


def _riesgo_v3(s: Simulacion, t: Titular, p: Parametros) -> Any:
    return respuestas_cuenta.riesgo_v3(t.cuenta, t.libro, s.motor.marcas, _simbolo(s, p))


def _configuracion_simbolos(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo = _simbolo(s, p)
    return [
        respuestas_cuenta.configuracion_simbolo(posicion)
        for nombre, posicion in t.cuenta.posiciones.items()
        if simbolo in (None, nombre)
    ]


def _configuracion_cuenta(_: Simulacion, t: Titular, __: Parametros) -> Any:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": t.cuenta.modo_cobertura,
        "updateTime": 0,
        "multiAssetsMargin": t.cuenta.multiactivo,
        "tradeGroupId": -1,
    }


def _tramos(s: Simulacion, _: Titular, p: Parametros) -> Any:
    simbolo = _simbolo(s, p)
    return [
        respuestas_cuenta.tramos(plaza.contrato)
        for nombre, plaza in s.plazas.items()
        if simbolo in (None, nombre)
    ]


def _comisiones(s: Simulacion, _: Titular, p: Parametros) -> Any:
    contrato = s.plaza(p.texto("symbol")).contrato
    return {
        "symbol": contrato.simbolo,
        "makerCommissionRate": texto(contrato.maker),
        "takerCommissionRate": texto(contrato.taker),
        "rpiCommissionRate": texto(contrato.maker),
    }


def _ingresos(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo, tipo = _simbolo(s, p), p.texto_o("incomeType", "")
    desde, hasta = p.entero_o("startTime", 0), p.entero_o("endTime", 2**62)
    limite = min(max(p.entero_o("limit", 100), 1), 1000)
    pagina = max(p.entero_o("page", 1), 1)
    elegidos = [
        fila
        for fila in t.cuenta.ingresos
        if simbolo in (None, fila.simbolo) and tipo in ("", fila.tipo) and desde <= fila.tiempo_ms <= hasta
    ]
    if p.tiene("startTime") or p.tiene("page"):
        elegidos = elegidos[(pagina - 1) * limite : pagina * limite]
    else:
        elegidos = elegidos[-limite:]
    return [respuestas.ingreso(fila, t.cuenta.activo) for fila in elegidos]


def _cambiar_apalancamiento(s: Simulacion, t: Titular, p: Parametros) -> Any:
    """Change the leverage of a symbol.

    Raises:
        ErrorApi: −4028 out of range, −4161 lower with an isolated position, −2027 or −2028 when the
            position does not fit.
    """
    plaza = s.plaza(p.texto("symbol"))
    nuevo = p.entero("leverage")
    posicion = t.cuenta.posiciones[plaza.simbolo]
    if not 1 <= nuevo <= plaza.contrato.apalancamiento_max:
        raise ErrorApi(-4028, apalancamiento=nuevo)
    if posicion.cantidad:
        if posicion.aislada and nuevo < posicion.apalancamiento:
            raise ErrorApi(-4161)
        if posicion.nocional(plaza.precio) > plaza.contrato.nocional_max(nuevo):
            raise ErrorApi(-2027)
    anterior = posicion.apalancamiento
    posicion.apalancamiento = nuevo
    if nuevo < anterior and _falta_margen(s, t):
        posicion.apalancamiento = anterior
        raise ErrorApi(-2028)
    if s.difusor.escucha(t.clave):
        evento = eventos.configuracion_actualizada(plaza.simbolo, nuevo, s.reloj.ahora_ms())
        s.difusor.avisar(t.clave, evento)
    maximo = texto_corto(plaza.contrato.nocional_max(nuevo))
    return {"leverage": nuevo, "maxNotionalValue": maximo, "symbol": plaza.simbolo}


def _falta_margen(s: Simulacion, t: Titular) -> bool:
    resumen = resumir(t.cuenta, s.motor.marcas, t.libro.abiertas.values())
    return resumen.disponible_con_signo < 0


def _cambiar_tipo_margen(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo = s.plaza(p.texto("symbol")).simbolo
    tipo = p.opcion("marginType", TipoMargen, -1128)
    posicion = t.cuenta.posiciones[simbolo]
    if posicion.tipo_margen is tipo:
        raise ErrorApi(-4046)
    if any(orden.simbolo == simbolo for orden in t.libro.abiertas.values()):
        raise ErrorApi(-4047)
    if posicion.cantidad:
        raise ErrorApi(-4048)
    posicion.tipo_margen = tipo
    return respuestas.CODIGO_BIEN


def _cambiar_margen_aislado(s: Simulacion, t: Titular, p: Parametros) -> Any:
    """Add to (type 1) or take from (type 2) the wallet of an isolated position."""
    plaza = s.plaza(p.texto("symbol"))
    monto, sentido = redondear(p.decimal("amount")), p.entero("type")
    posicion = t.cuenta.posiciones[plaza.simbolo]
    if monto <= 0:
        raise ErrorApi(-4055)
    if sentido not in (1, 2) or not posicion.aislada or not posicion.cantidad:
        raise ErrorApi(-1128)
    if sentido == 1:
        resumen = resumir(t.cuenta, s.motor.marcas, t.libro.abiertas.values())
        if monto > resumen.disponible:
            raise ErrorApi(-2019)
        posicion.cartera_aislada += monto
    else:
        inicial = EXACTO.divide(
            posicion.nocional(plaza.precio), EXACTO.create_decimal(posicion.apalancamiento)
        )
        if posicion.cartera_aislada + posicion.no_realizado(plaza.precio) - monto < inicial:
            raise ErrorApi(-2019)
        posicion.cartera_aislada -= monto
    return {
        "amount": float(monto),
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": sentido,
    }


def _modo_posicion(_: Simulacion, t: Titular, __: Parametros) -> Any:
    return {"dualSidePosition": t.cuenta.modo_cobertura}


def _cambiar_modo_posicion(_: Simulacion, t: Titular, p: Parametros) -> Any:
    nuevo = p.logico("dualSidePosition")
    if nuevo == t.cuenta.modo_cobertura:
        raise ErrorApi(-4059)
    if t.libro.abiertas:
        raise ErrorApi(-4067)
    if any(posicion.cantidad for posicion in t.cuenta.posiciones.values()):
        raise ErrorApi(-4068)
    t.cuenta.modo_cobertura = nuevo
    return respuestas.CODIGO_BIEN


def _comision_en_bnb(s: Simulacion, t: Titular, p: Parametros) -> Any:
    """Fees are always paid in the margin asset here."""
    return {"feeBurn": False}


def _multiactivo(_: Simulacion, t: Titular, __: Parametros) -> Any:
    return {"multiAssetsMargin": t.cuenta.multiactivo}


def _cambiar_multiactivo(_: Simulacion, t: Titular, p: Parametros) -> Any:
    t.cuenta.multiactivo = p.logico("multiAssetsMargin")
    return respuestas.CODIGO_BIEN


def _abrir_oyente(s: Simulacion, t: Titular, _: Parametros) -> Any:
    return {"listenKey": s.oyentes.abrir(t.clave)}


def _prolongar_oyente(s: Simulacion, t: Titular, _: Parametros) -> Any:
    oyente = s.oyentes.prolongar(t.clave)
    if oyente is None:
        raise ErrorApi(-1125)
    return {"listenKey": oyente}


def _cerrar_oyente(s: Simulacion, t: Titular, _: Parametros) -> Any:
    if s.oyentes.cerrar(t.clave) is None:
        raise ErrorApi(-1125)
    s.difusor.silenciar(t.clave)
    return {}


def _simbolo(s: Simulacion, p: Parametros) -> str | None:
    return s.plaza(p.texto("symbol")).simbolo if p.tiene("symbol") else None


RUTAS: Tabla = {
    ("GET", "/fapi/v2/account"): Privada(fijo(5), _cuenta_v2),
    ("GET", "/fapi/v3/account"): Privada(fijo(5), _cuenta_v3),
    ("GET", "/fapi/v2/balance"): Privada(fijo(5), _saldos),
    ("GET", "/fapi/v3/balance"): Privada(fijo(5), _saldos),
    ("GET", "/fapi/v2/positionRisk"): Privada(fijo(5), _riesgo_v2),
    ("GET", "/fapi/v3/positionRisk"): Privada(fijo(5), _riesgo_v3),
    ("GET", "/fapi/v1/symbolConfig"): Privada(fijo(5), _configuracion_simbolos),
    ("GET", "/fapi/v1/accountConfig"): Privada(fijo(5), _configuracion_cuenta),
    ("GET", "/fapi/v1/leverageBracket"): Privada(fijo(1), _tramos),
    ("GET", "/fapi/v1/commissionRate"): Privada(fijo(20), _comisiones),
    ("GET", "/fapi/v1/income"): Privada(fijo(30), _ingresos),
    ("POST", "/fapi/v1/leverage"): Privada(fijo(1), _cambiar_apalancamiento),
    ("POST", "/fapi/v1/marginType"): Privada(fijo(1), _cambiar_tipo_margen),
    ("POST", "/fapi/v1/positionMargin"): Privada(fijo(1), _cambiar_margen_aislado),
    ("GET", "/fapi/v1/positionSide/dual"): Privada(fijo(30), _modo_posicion),
    ("POST", "/fapi/v1/positionSide/dual"): Privada(fijo(1), _cambiar_modo_posicion),
    ("GET", "/fapi/v1/feeBurn"): Privada(fijo(30), _comision_en_bnb),
    ("GET", "/fapi/v1/multiAssetsMargin"): Privada(fijo(30), _multiactivo),
    ("POST", "/fapi/v1/multiAssetsMargin"): Privada(fijo(1), _cambiar_multiactivo),
    ("POST", "/fapi/v1/listenKey"): Privada(fijo(1), _abrir_oyente, Acceso.CLAVE),
    ("PUT", "/fapi/v1/listenKey"): Privada(fijo(1), _prolongar_oyente, Acceso.CLAVE),
    ("DELETE", "/fapi/v1/listenKey"): Privada(fijo(1), _cerrar_oyente, Acceso.CLAVE),
}
