"""Risk of one agent: the monitor, the gate before each order, closing everything, and the latch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.ordenes import LimitesPlan, Plan
from src.nucleo.riesgo import Anclas, EstadoRiesgo, ModoRiesgo, Validacion, Vigilancia, perdida_del_dia
from src.nucleo.tipos import EstadoCuenta, Mercado, TipoAccion
from src.nucleo.veto import Veto, envejecer, vetar
from src.produccion.ordenes.cierre import Amparo, Cierre, Referencia, SinAmparo
from src.produccion.ordenes.ejecutor import Ejecutor
from src.produccion.puertos import Bolsa, Diario, EventoMargen, Reloj, Transaccion
from src.produccion.riesgo.cuadro import Cuadro
from src.produccion.riesgo.enclavamiento import AGREGADO, DAEMON, Enclavamiento, Razon, enclavar
from src.produccion.riesgo.monitor_riesgo import DISTANCIA_MINIMA, MonitorRiesgo
from src.produccion.riesgo.puerta import Bloqueo as Bloqueo
from src.produccion.riesgo.puerta import Puerta


def _nadie() -> None:
    """Nobody waits for news."""


class ControlRiesgo:
    """Risk of one agent.

    Args:
        bolsa: The exchange.
        ejecutor: Sends the exits.
        diario: Keeps peak and latch.
        reloj: Market time.
        mercado: Symbol, filters, brackets.
        limites: Leverage and caps the plans were made with.
        limite: Largest drawdown allowed, as a fraction of the peak.
        equity_maximo: Peak so far.
        con_libro: Whether the agent trades on a ledger of its own.
        fraccion_fuera_max: Share of cells outside the training range beyond which nothing is opened.
        escalones: Whether the losses of a day and of a month pause entries.
        distancia_minima: Share of the mark price to liquidation below which entries are held.
        velas_bloqueo: Candles without entries on a side after an exit that the agent did not decide.
        amparo: The resident stops; they are cancelled once the account is flat.
        carpeta: Where the latch is written when the journal fails.
        avanzar: Told at each try to close everything.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        ejecutor: Ejecutor,
        diario: Diario,
        reloj: Reloj,
        mercado: Mercado,
        limites: LimitesPlan,
        limite: float,
        equity_maximo: float,
        *,
        con_libro: bool = False,
        fraccion_fuera_max: float = 1.0,
        escalones: bool = False,
        distancia_minima: float = DISTANCIA_MINIMA,
        velas_bloqueo: int = 0,
        amparo: Amparo | None = None,
        carpeta: Path | None = None,
        avanzar: Callable[[], None] = _nadie,
    ) -> None:
        self._diario = diario
        self._reloj = reloj
        self._mercado = mercado
        self._carpeta = carpeta
        self._velas_bloqueo = velas_bloqueo
        self._monitor = MonitorRiesgo(
            diario, reloj, limite, equity_maximo, con_libro=con_libro, distancia_minima=distancia_minima
        )
        self._puerta = Puerta(
            mercado, limites, limite, fraccion_fuera_max=fraccion_fuera_max, escalones=escalones
        )
        self._modos_pedidos = 0
        self.enclavado = False
        """Whether account and symbol were locked from here."""
        self.cuadro: Cuadro | None = None
        """The breakers; ``None`` while nobody has put any up."""
        self._cierre = Cierre(bolsa, ejecutor, mercado, amparo or SinAmparo(), avanzar=avanzar)

    @property
    def estado(self) -> EstadoRiesgo:
        """What the drawdown monitor remembers."""
        return self._monitor.estado

    @property
    def anclas(self) -> Anclas | None:
        """The equity that the day and the month began with."""
        return self._monitor.anclas

    @property
    def bloqueos(self) -> set[Bloqueo]:
        """Why nothing may be opened now."""
        return self._puerta.bloqueos

    @property
    def modo(self) -> ModoRiesgo:
        """What a person lets the agent do."""
        return self._puerta.modo

    def fijar(self, bloqueo: Bloqueo, activo: bool) -> None:
        """Put one reason not to open anything up, or take it down."""
        self._puerta.fijar(bloqueo, activo=activo)

    @property
    def veto(self) -> Veto | None:
        """What entries wait for after an exit that the agent did not decide."""
        return self._puerta.veto

    def reanudar(self, estado: EstadoRiesgo, anclas: Anclas | None, veto: Veto | None = None) -> None:
        """Go on from what an earlier life of the session saw."""
        self._monitor.estado, self._monitor.anclas = estado, anclas
        self._puerta.veto = veto

    def vetar(self, antes: float, despues: float) -> None:
        """A fill that the agent did not decide: signed quantities before and after it."""
        self._puerta.veto = vetar(self._puerta.veto, antes, despues, self._velas_bloqueo)

    def envejecer_veto(self, accion: TipoAccion, cantidad: float) -> None:
        """One more decision was carried out; ``cantidad`` is what is held after it, signed."""
        if self._puerta.veto is not None:
            self._puerta.veto = envejecer(self._puerta.veto, accion, cantidad)

    def verificar_drawdown(self, equity: float, instante_ms: int) -> Vigilancia:
        """Fold one equity into the monitor; while the limit is exceeded nothing is opened."""
        return self._monitor.verificar_drawdown(equity, instante_ms)

    def anclar(self, equity: float, instante_ms: int) -> None:
        """Take note of the equity at a candle's close, for the losses of the day and the month."""
        self._monitor.anclar(equity, instante_ms)
        if self.cuadro is not None and self._monitor.anclas is not None:
            perdida = perdida_del_dia(equity, self._monitor.anclas)
            self.cuadro.medir(ClaseDisyuntor.DRAWDOWN, perdida, instante_ms)

    def vigilar_rango(self, fraccion_fuera: float) -> None:
        """Warn, then hold entries, when the features leave the range that training saw."""
        self._puerta.vigilar_rango(fraccion_fuera)

    def vigilar_margen(self, cuenta: EstadoCuenta, mark: float) -> None:
        """Hold entries while liquidation is near."""
        falta = self._monitor.falta_margen(cuenta, mark, self._mercado.tramos)
        self._puerta.fijar(Bloqueo.MARGEN, activo=falta)

    def tomar_margen(self, evento: EventoMargen) -> None:
        """Take a margin call: entries are held from now on."""
        self._monitor.tomar_llamada(evento.instante_ms)
        self._puerta.fijar(Bloqueo.MARGEN, activo=True)

    def restituir_modo(self, modo: ModoRiesgo) -> None:
        """Go on in the mode that was set in an earlier life."""
        self._puerta.modo = modo

    async def cambiar_modo(self, modo: ModoRiesgo, motivo: str, quien: str) -> None:
        """Let the agent do more or less from now on, for as long as nobody says otherwise.

        What takes something away holds at once; what gives it back holds when it is on disk.

        Args:
            modo: From now on.
            motivo: Why; recorded.
            quien: Who says so; recorded.

        Raises:
            EmergenciaOperacional: It could not be written: the next start goes by what was written before.
        """
        self._modos_pedidos += 1
        turno = self._modos_pedidos
        if modo.es_mas_estricto_que(self._puerta.modo):
            self._puerta.modo = modo
        contenido: dict[str, object] = {"mode": modo.value, "reason": motivo, "by": quien}
        await self._diario.anotar(AGREGADO, "RISK_MODE", self._reloj.ahora_ms(), contenido)
        if turno == self._modos_pedidos:  # somebody who said otherwise meanwhile has the last word
            self._puerta.modo = modo

    def vigilar_proteccion(self, *, abierta: bool, confirmada: bool, permite_entrar: bool) -> None:
        """Hold entries while the stop is not where it should be, or one lives that should not."""
        self._puerta.fijar(Bloqueo.SIN_PROTECCION, activo=abierta and not confirmada)
        self._puerta.fijar(Bloqueo.STOP_ANTERIOR, activo=not permite_entrar)

    def guardar_pico(self) -> None:
        """Put a peak that the journal does not have into it."""
        self._monitor.guardar_pico()

    def escalar(self, factor: float) -> None:
        """Follow a deposit or withdrawal: peak and anchors are scaled, it is no profit or loss."""
        self._monitor.escalar(factor)

    def validar_accion_pre(
        self, plan: Plan, cuenta: EstadoCuenta, equity: float, precio_orden: float, mark: float
    ) -> Validacion:
        """Check a plan before anything is sent; exits always pass.

        Args:
            plan: What `planificar` made of the action.
            cuenta: The account before it.
            equity: At the observed close.
            precio_orden: Expected fill price.
            mark: Mark price.
        """
        estado, anclas = self._monitor.estado, self._monitor.anclas
        return self._puerta.validar(plan, cuenta, equity, precio_orden, mark, estado, anclas)

    def exigir_entrada(self) -> None:
        """Refuse an entry that a person asks for while anything speaks against one.

        Raises:
            LimiteDeRiesgo: Naming what does.
        """
        self._puerta.exigir()

    async def enclavar(self, detalle: str, razon: Razon = Razon.DRAWDOWN, quien: str = DAEMON) -> None:
        """Lock account and symbol until an operator clears it.

        Raises:
            EmergenciaOperacional: It could not be written anywhere.
        """
        cerrojo = Enclavamiento(razon, quien, self._reloj.ahora_ms(), detalle)
        await enclavar(self._diario, self._carpeta, cerrojo)
        self.enclavado = True

    def anotar_plana(self) -> None:
        """The emergency is over: the account was seen flat, with nothing on its way."""
        with suppress(EmergenciaOperacional):
            # Without this note the next start looks at the account again before it says that it is locked.
            self._diario.anotar_luego(AGREGADO, "FLAT", self._reloj.ahora_ms(), {})

    async def cerrar_todo(self, ficha: str, referencia: Referencia | None = None) -> tuple[Transaccion, ...]:
        """Block entries and flatten until the exchange says that the account is flat; never gives up.

        Args:
            ficha: Names the emergency; part of the orders' client ids.
            referencia: What is known of the account.
        """
        self._puerta.fijar(Bloqueo.CIERRE, activo=True)
        return await self._cierre.cerrar_todo(ficha, referencia)
