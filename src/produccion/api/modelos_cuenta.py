"""How reads of a tenant's accounts are described."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from src.produccion.api.formas import Cantidad, Dolares, Instante, Porcentaje, Precio


class PosicionSemilla(BaseModel):
    """An open position; figures that are not known are null."""

    operation_id: str
    symbol: str
    side: str = Field(description="BUY long, SELL short")
    quantity: Cantidad
    entry_price: Precio
    current_price: Precio = Field(description="What closing fetches: the bid for a long, the ask for a short")
    unrealized_pnl: Dolares
    unrealized_pnl_percent: Porcentaje = Field(description="Of entry price times quantity")
    stop_loss: Precio
    take_profit: Precio
    distance_to_stop_percent: Porcentaje = Field(description="Of the current price; negative below it")
    distance_to_target_percent: Porcentaje
    status: str
    daemon_alive: bool = Field(
        description="False: no daemon of its account and symbol lives, and the store cannot know whether the"
        " exchange still has it; figures are of the position as it was at `agent_time`"
    )
    agent_time: Instante = Field(
        description="When its agent told of it last, by the exchange's clock; null: it never did"
    )


class Posicion(PosicionSemilla):
    """The same with whose it is and what protects it."""

    account_id: str
    user_id: str
    agent_id: str | None
    value: Dolares
    initial_stop: Precio
    level: str | None
    strategy: str | None
    resident_stop: bool | None = Field(description="Whether a stop rests at the exchange")
    hand_made: bool | None = Field(
        description="Adopted with `timonel adopt`; what a daemon opened by an order by hand is the daemon's"
    )
    opened_at: Instante
    agent_price: Precio = Field(description="The price that its agent told of last")


class PosicionesSemilla(BaseModel):
    """``GET /api/portfolio/positions/``."""

    positions: list[PosicionSemilla]


class Posiciones(BaseModel):
    """``GET /api/v1/positions``."""

    positions: list[Posicion]


class Orden(BaseModel):
    """An order of a daemon: one at market, or a stop or target that waits for its trigger."""

    id: str = Field(description="Client order id; `before` of the next page")
    account_id: str
    user_id: str
    symbol: str
    side: str
    type: str = Field(description="MARKET, STOP_MARKET or TAKE_PROFIT_MARKET")
    status: str
    quantity: Cantidad = Field(description="Null: a stop that closes the whole position")
    trigger_price: Precio = Field(description="Mark price that triggers it; null at market")
    executed_quantity: Cantidad = Field(description="Null: what a stop became is an order of its own")
    average_price: Precio
    reduce_only: bool
    exchange_order_id: int | None
    reason: str | None
    code: int | None
    created_at: Instante
    updated_at: Instante


class Ordenes(BaseModel):
    """Newest first."""

    orders: list[Orden]


class Fill(BaseModel):
    """A fill, or the fills of one decision."""

    id: int
    account_id: str
    user_id: str
    symbol: str
    operation_id: str | None
    operation: str
    side: str
    status: str
    quantity: Cantidad
    price: Precio
    entry_price: Precio
    commission: Dolares
    realized_pnl: Dolares
    slippage: Dolares
    executed_at: Instante = Field(
        description="The exchange's time of the fill; but of a fill that the agent decided, the close of the"
        " candle that it was decided on, which is before its order was made, and of what the daemon closed by"
        " itself, when it decided that"
    )


class Fills(BaseModel):
    """Newest first."""

    trades: list[Fill]


class Fondos(BaseModel):
    """What one account has."""

    account_id: str
    environment: str
    balance: Dolares = Field(
        description="As its agent told it at `timestamp`; null while several agents share the account"
    )
    patrimony: Dolares = Field(
        description="What the account is worth now: balance and unrealised profit at present prices"
    )
    equity: Dolares = Field(
        description="As its agent told it at `timestamp`, at the prices of then; what it is worth now is"
        " `patrimony`"
    )
    unrealized_pnl: Dolares = Field(description="At present prices")
    positions_value: Dolares
    available: Dolares = Field(description="Balance less positions value: negative under leverage")
    exposure_percent: Porcentaje = Field(description="Positions value of balance and unrealised profit")
    timestamp: Instante = Field(description="When its agent told balance and equity")


class Saldo(BaseModel):
    """A balance at an instant."""

    id: int
    account_id: str
    user_id: str
    symbol: str
    balance: Dolares
    equity: Dolares = Field(description="Balance and unrealised profit at `taken_at`")
    max_drawdown_percent: Porcentaje
    source: str
    taken_at: Instante


class Saldos(BaseModel):
    """``GET /api/v1/balance``: accounts, and the newest balance that each agent told."""

    accounts: list[Fondos]
    agents: list[Saldo]


class HistoriaSaldos(BaseModel):
    """Newest first."""

    balances: list[Saldo]


class SaldoSemilla(BaseModel):
    """``GET /api/account/balance/``; the total is null where accounts of several environments are meant."""

    balance: Dolares
    environment: str | None
    accounts: list[Fondos]


class Patrimonio(BaseModel):
    """``GET /api/portfolio/patrimony/``."""

    patrimony: Dolares = Field(description="Balance and unrealised profit at present prices")
    balance: Dolares = Field(description="As the agents told it last")
    unrealized_pnl: Dolares = Field(description="At present prices")
    positions_value: Dolares
    available: Dolares
    exposure_percent: Porcentaje
    environment: str | None
    accounts: list[Fondos]


class Metrica(BaseModel):
    """A number with a name; the unit ends the name."""

    account_id: str | None
    symbol: str | None
    name: str
    value: float | None
    taken_at: Instante


class Metricas(BaseModel):
    """The newest value of each."""

    metrics: list[Metrica]


class Rendimiento(BaseModel):
    """What an account earned on a symbol."""

    account_id: str
    environment: str
    symbol: str
    fills: int
    closed_operations: int
    winning_operations: int
    win_rate_percent: Porcentaje = Field(description="Of closed operations; null without one")
    realized_pnl: Dolares = Field(description="Before commission")
    commission: Dolares
    net_pnl: Dolares
    profit_factor: Porcentaje = Field(description="Money won by money lost; null without a loss")
    average_pnl: Dolares
    best_pnl: Dolares
    worst_pnl: Dolares


class Rendimientos(BaseModel):
    """By account and symbol."""

    performance: list[Rendimiento]


class Dia(BaseModel):
    """One UTC day of an account; days without fills are left out."""

    date: str
    account_id: str
    environment: str
    fills: int
    closing_fills: int
    realized_pnl: Dolares
    commission: Dolares
    net_pnl: Dolares


class Dias(BaseModel):
    """Newest first."""

    daily: list[Dia]


class Alerta(BaseModel):
    """Something that a person should know."""

    id: int
    account_id: str | None
    symbol: str | None
    level: str
    kind: str
    message: str
    data: Any
    created_at: Instante


class HistoriaAlertas(BaseModel):
    """Newest first."""

    alerts: list[Alerta]


class Registros(BaseModel):
    """``GET /api/v1/logs``: what daemons and monitors told the store; each process has a file besides."""

    logs: list[Alerta]


class Evento(BaseModel):
    """What happened to a stop."""

    id: int
    event_id: str
    operation_id: str | None
    symbol: str
    event_type: str
    side: str | None
    trigger_price: Precio
    stop_price: Precio
    quantity: Cantidad
    fill_price: Precio
    slippage_percent: Porcentaje
    execution_token: str
    source: str
    error_message: str | None
    retry_count: int
    occurred_at: Instante


class Eventos(BaseModel):
    """Newest first."""

    events: list[Evento]


class Cerrojo(BaseModel):
    """A latch; it can only be opened on the machine itself."""

    account_id: str | None
    symbol: str | None
    latched: bool
    reason: str
    since: Instante


class Cerrojos(BaseModel):
    """Those that were ever set; all others are open."""

    latches: list[Cerrojo]


class Modelo(BaseModel):
    """What a daemon decides with."""

    account_id: str
    user_id: str
    symbol: str
    agent_id: str | None
    train_id: str | None
    alive: bool


class Modelos(BaseModel):
    """Of the daemons that have not ended on purpose."""

    models: list[Modelo]


class OperacionGuardian(BaseModel):
    """How far an operation's trailing stop is."""

    operation_id: str
    symbol: str
    side: str
    stop: Precio
    target: Precio
    level: str | None
    previous_level: str | None
    previous_stop: Precio
    adjusted_at: Instante


class CuentaGuardian(BaseModel):
    """What an account takes, and its open operations."""

    user_id: str
    environment: str | None
    use_guardian: bool
    use_guardian_half: bool
    operations: list[OperacionGuardian]


class EstadoGuardian(BaseModel):
    """``GET /api/v1/guardian``."""

    accounts: list[CuentaGuardian]


class Asiento(BaseModel):
    """A line of the audit log."""

    id: int
    username: str
    role: str
    address: str
    action: str
    target: str | None
    request: Any
    status: int | None = Field(description="HTTP status; null while it is at it, or was killed")
    outcome: Any
    occurred_at: float | None = Field(description="Unix seconds")
    finished_at: float | None


class Auditoria(BaseModel):
    """Newest first."""

    audit: list[Asiento]
