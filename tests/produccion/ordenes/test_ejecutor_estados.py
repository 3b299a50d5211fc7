"""Orders exactly once, whatever the exchange, the network and the machine do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from src.nucleo.errores import ErrorBolsa, LecturaFallida
from src.nucleo.ordenes import Plan
from src.nucleo.registro import Resultado
from src.nucleo.tipos import Operacion
from src.nucleo.vida_orden import EstadoVida, VidaOrden
from src.produccion.ordenes.ejecutor import Ejecutor, Informe, id_cliente_de
from src.produccion.ordenes.oidos import FillsOidos
from src.produccion.ordenes.ordenes_recordadas import plegar
from src.produccion.puertos import EstadoOrden, EventoOrden
from tests.produccion.bolsa_modelo import BIEN, BolsaModelo, DiarioModelo, Trato
from tests.produccion.bucle import BucleVirtual
from tests.produccion.falsos import RelojFalso

MISMO_FIN = {EstadoOrden.FILLED: EstadoVida.EJECUTADA, EstadoOrden.EXPIRED: EstadoVida.CANCELADA}

demoras = st.sampled_from([0.0, 0.01, 0.3, 2.0, 9.0])
avisos = st.lists(st.sampled_from([0.0, 0.02, 0.5, 4.0, 20.0]), max_size=3).map(tuple)
tratos = st.one_of(
    st.builds(
        Trato,
        viaje_s=st.sampled_from([0.01, 0.5, 8.0, 11.0]),
        llega=st.sampled_from([True, True, False]),
        rechazo=st.sampled_from([None, None, None, -1008, -1021, -2019]),
        parte=st.sampled_from([1.0, 1.0, 0.5, 0.0]),
        tarda_s=st.sampled_from([0.0, 0.0, 0.4, 3.0]),
        respuesta_s=st.sampled_from([0.01, 0.5, None]),
        corte_s=demoras,
        oculta_s=st.sampled_from([0.0, 0.0, 0.3, 2.0]),
        posicion_s=st.sampled_from([0.0, 0.0, 0.3, 2.0]),
        olvidada=st.just(False),
        avisos_s=avisos,
    ),
    st.builds(
        lambda como, corte_s, avisos_s: BIEN._replace(
            **como, respuesta_s=None, corte_s=corte_s, avisos_s=avisos_s
        ),
        st.sampled_from([{"olvidada": True}, {"oculta_s": 20.0}]),
        demoras,
        avisos,
    ),
    st.builds(lambda corte_s: BIEN._replace(llega=False, corte_s=corte_s), demoras),
)


@dataclass
class Decision:
    """What the agent wants done, and what it was told of it."""

    plan: Plan
    ficha: str
    previa: float
    vigente_hasta_s: float
    informe: Informe | None = None

    @property
    def ids(self) -> list[str]:
        return [id_cliente_de(f"{self.ficha}:{i}") for i in range(len(self.plan.cantidades))]


def como_listado(informe: Informe) -> Informe:
    """The same, once every fill of it is listed."""
    filas = tuple(fila._replace(listada=True) for fila in informe.transacciones)
    return informe._replace(transacciones=filas)


class OrdenesUnaVez(RuleBasedStateMachine):
    """An agent that decides, crashes, comes back and asks, on an exchange that loses what it can."""

    bucle: BucleVirtual | None = None

    def nacer(self) -> None:
        recordadas = plegar(self.diario.en_disco)
        self.oidos = FillsOidos()
        self.ejecutor = Ejecutor(
            self.bolsa, self.diario, RelojFalso(), "BTCUSDT", recordadas=recordadas, oidos=self.oidos
        )
        self.bolsa.avisar = self.oir

    def oir(self, evento: EventoOrden) -> None:
        if evento.fill is not None:
            self.oidos.oir(evento.fill, evento.respuesta.id_cliente)
        self.ejecutor.tomar_evento(evento)

    def pasar(self, segundos: float) -> None:
        self.bucle.run_until_complete(asyncio.sleep(segundos))
        self.recoger()

    def recoger(self) -> None:
        """What the agent does with an answer; fills that are not listed yet are asked for again."""
        if self.tarea is None or not self.tarea.done():
            return
        tarea, self.tarea = self.tarea, None
        if isinstance(tarea.exception(), LecturaFallida):
            self.ejecutar()
        else:
            self.decisiones[-1].informe = tarea.result()

    def ejecutar(self, *, reanudada: bool = False) -> None:
        decision = self.decisiones[-1]
        self.tarea = self.bucle.create_task(
            self.ejecutor.ejecutar(
                decision.plan,
                decision.ficha,
                lambda: self.bucle.time() < decision.vigente_hasta_s,
                posicion_previa=decision.previa,
                reanudada=reanudada,
            )
        )

    def decidir(self, plan: Plan, vale_s: float) -> None:
        ficha = f"agente:{len(self.decisiones)}"
        self.decisiones.append(Decision(plan, ficha, self.bolsa.cantidad, self.bucle.time() + vale_s))
        self.ejecutar()

    @initialize(posicion=st.sampled_from([0.0, 0.2, -0.2]))
    def empezar(self, posicion: float) -> None:
        self.bucle = BucleVirtual()
        self.bolsa = BolsaModelo()
        if posicion:
            self.bolsa.heredar(posicion)
        self.diario = DiarioModelo()
        self.decisiones: list[Decision] = []
        self.tarea: asyncio.Task[Informe] | None = None
        self.nacer()

    @precondition(lambda self: self.tarea is None and not self.ejecutor.hay_incierta)
    @rule(
        largo=st.booleans(),
        trozos=st.integers(1, 2),
        vale_s=st.sampled_from([5.0, 60.0]),
        tratos=st.lists(tratos, max_size=4),
    )
    def entrar(self, largo: bool, trozos: int, vale_s: float, tratos: list[Trato]) -> None:
        self.bolsa.tratos = tratos
        cantidades = (0.1 if largo else -0.1,) * trozos
        self.decidir(
            Plan(Operacion.ABRIR_LONG if largo else Operacion.ABRIR_SHORT, cantidades, False), vale_s
        )

    @precondition(lambda self: self.tarea is None and self.bolsa.cantidad != 0.0)
    @rule(parte=st.sampled_from([1.0, 0.5]), tratos=st.lists(tratos, max_size=4))
    def salir(self, parte: float, tratos: list[Trato]) -> None:
        self.bolsa.tratos = tratos
        cantidad = -round(self.bolsa.cantidad * parte, 3) or -self.bolsa.cantidad
        self.decidir(Plan(Operacion.CERRAR_LONG, (cantidad,), True), 5.0)

    @rule(segundos=st.sampled_from([0.0, 0.005, 0.02, 0.3, 1.5, 6.0, 20.0]))
    def esperar(self, segundos: float) -> None:
        self.pasar(segundos)

    @rule(segundos=st.sampled_from([2.0, 15.0, 40.0]))
    def ensordecer(self, segundos: float) -> None:
        self.bolsa.sorda_hasta_s = self.bucle.time() + segundos

    @rule(parada_s=st.sampled_from([0.0, 0.5, 30.0]))
    def caer(self, parada_s: float) -> None:
        """The process dies here and now; the next one goes on with the decision that was not finished."""
        self.diario = DiarioModelo(self.diario.morir())
        self.bolsa.avisar = lambda _: None
        seguia = self.tarea is not None
        if self.tarea is not None:
            self.tarea.cancel()
            self.bucle.run_until_complete(asyncio.wait([self.tarea]))
            self.tarea = None
        self.bucle.run_until_complete(asyncio.sleep(parada_s))
        self.nacer()
        if seguia:
            self.ejecutar(reanudada=True)

    @precondition(lambda self: self.tarea is None)
    @rule(deprisa=st.booleans())
    def preguntar(self, deprisa: bool) -> None:
        self.resolver(deprisa=deprisa)

    def resolver(self, *, deprisa: bool = False) -> bool:
        try:
            return self.bucle.run_until_complete(self.ejecutor.resolver_pendientes(deprisa=deprisa))
        except ErrorBolsa:
            return False

    @invariant()
    def ninguna_intencion_tiene_dos_ordenes(self) -> None:
        for decision in self.decisiones:
            for id_cliente, cantidad in zip(decision.ids, decision.plan.cantidades, strict=True):
                suyas = [o for o in self.bolsa.ordenes if o.orden.id_cliente == id_cliente]
                assert len(suyas) <= 1
                assert sum(abs(f.cantidad) for f in self.bolsa.filas_de(id_cliente)) <= abs(cantidad)

    @invariant()
    def sin_nada_por_saber_lo_sabido_es_la_verdad(self) -> None:
        if self.tarea is None and not self.ejecutor.hay_incierta:
            self.comparar({vida.id_cliente: vida for vida in self.ejecutor._ordenes})

    def comparar(self, vidas: dict[str, VidaOrden]) -> None:
        ordenes = {o.orden.id_cliente: o for o in self.bolsa.ordenes if not o.ajena}
        assert ordenes.keys() <= vidas.keys()
        for id_cliente, vida in vidas.items():
            if id_cliente not in ordenes:
                assert vida.estado is EstadoVida.RECHAZADA
                continue
            orden = ordenes[id_cliente]
            assert (vida.estado, vida.ejecutada) == (MISMO_FIN[orden.estado], orden.ejecutada)

    def teardown(self) -> None:
        if self.bucle is None:
            return
        try:
            self.acabar()
        finally:
            if self.tarea is not None:
                self.tarea.cancel()
                self.bucle.run_until_complete(asyncio.wait([self.tarea]))
            self.bucle.close()

    def acabar(self) -> None:
        """Once the exchange answers again, everything is found out in the end."""
        self.bolsa.sorda_hasta_s = 0.0
        for _ in range(100):
            self.pasar(10.0)
            if self.tarea is None and self.resolver():
                break
        else:
            raise AssertionError("an order is never resolved")
        self.pasar(30.0)
        self.comparar(plegar(self.diario.en_disco))
        self.contar_otra_vez()

    def contar_otra_vez(self) -> None:
        """Whoever asks again is told the same, and nothing is sent for it."""
        enviadas = self.bolsa.enviadas
        self.diario = DiarioModelo(self.diario.morir())
        self.nacer()
        for decision in self.decisiones:
            if decision.informe is None or decision.informe.resultado is Resultado.INCIERTA:
                continue
            repetido = self.bucle.run_until_complete(
                self.ejecutor.ejecutar(
                    decision.plan, decision.ficha, lambda: False, posicion_previa=decision.previa
                )
            )
            esperadas = [f for id_cliente in decision.ids for f in self.bolsa.filas_de(id_cliente)]
            assert list(repetido.transacciones) == esperadas
            assert repetido == como_listado(decision.informe)
        assert self.bolsa.enviadas == enviadas


TestOrdenesUnaVez = OrdenesUnaVez.TestCase
TestOrdenesUnaVez.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
