"""``timonel simulator``: the exchange as a process of its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from src.cli.salida import con_codigo_de_salida


def simulator(
    data: Annotated[
        list[str] | None,
        typer.Option(help="Candle file (CSV or Parquet), FILE or SYMBOL=FILE; repeat for more symbols."),
    ] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Invent the candles.")] = False,
    symbol: Annotated[list[str] | None, typer.Option(help="Symbols of --synthetic.")] = None,
    interval: Annotated[
        str | None, typer.Option(help="Candle interval; found in the data if omitted.")
    ] = None,
    candles: Annotated[int, typer.Option(min=2, help="Candles of --synthetic.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of --synthetic.")] = 7,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    speed: Annotated[
        str, typer.Option(help="Market seconds per second (1, 60 …), or 'max': wait for joined agents.")
    ] = "max",
    path: Annotated[str, typer.Option(help="Points per candle: 'close' (one) or 'ohlc' (four).")] = "ohlc",
    balance: Annotated[str, typer.Option(help="Wallet of the default account.")] = "10000",
    commission: Annotated[
        str | None, typer.Option(help="Taker fee, a fraction; the symbol's if omitted.")
    ] = None,
    maker_commission: Annotated[str | None, typer.Option(help="Maker fee, a fraction.")] = None,
    slippage: Annotated[str, typer.Option(help="Distance from price to bid and ask, a fraction.")] = "0.0002",
    funding_rate: Annotated[str, typer.Option(help="Funding rate of every settlement.")] = "0.0001",
    funding: Annotated[
        list[str] | None,
        typer.Option(help="Recorded funding, SYMBOL=FILE with funding_time and funding_rate; repeatable."),
    ] = None,
    leverage: Annotated[int, typer.Option(min=1, max=125, help="Leverage of a fresh account.")] = 20,
    warmup: Annotated[int, typer.Option(min=0, help="Candles that are past when the market opens.")] = 1_500,
    account: Annotated[
        list[str] | None,
        typer.Option(help="<KEY>:<SECRET>:<BALANCE>; repeatable; replaces the default simulador:simulador."),
    ] = None,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when standard input closes, as a child process does.")
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets {url, pid} once the exchange listens.")
    ] = None,
    scenario: Annotated[
        list[Path] | None, typer.Option(help="YAML file of faults, armed from the start; repeatable.")
    ] = None,
    control: Annotated[
        bool,
        typer.Option(
            "--control",
            help="Let programs on this machine arm faults, hold the exchange and read its books (/sim/v1/…).",
        ),
    ] = False,
    recent_books: Annotated[
        bool,
        typer.Option(
            "--recent-books",
            help="With --control: forget old orders and fills, as without it, to run for days.",
        ),
    ] = False,
    books_size: Annotated[
        int,
        typer.Option(min=1, help="Ended orders kept where old ones are forgotten; twice the fills."),
    ] = 5_000,
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="Tell every kind of fault with its parameters, and end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --list-faults: as JSON.")] = False,
) -> None:
    """Run an exchange that speaks Binance's futures protocol over recorded or synthetic candles.

    It listens on loopback only, unless --host says otherwise, and speaks to any client that has a key of
    --account. At --speed max, the default, the market moves only when every joined agent is done with the
    last step.

    Faults make it misbehave on purpose, the same way every time. A scenario says which, when and how often:

    \b
        # the third order executes, but nobody is told; candle 24 finds all
        # sockets closed; one order in fifty is answered "unknown error"
        faults:
          - kind: lose_answer
            at: {call: "POST /fapi/v1/order", nth: 3}
          - kind: disconnect
            at: {candle: 24}
        random:
          seed: 7
          faults:
            - {kind: http_503_unknown, probability: 0.02}

    \b
    Examples:
        timonel simulator --synthetic --speed 60
        timonel simulator --data BTCUSDT-1h.parquet --scenario faults.yaml
        timonel simulator --synthetic --control
        timonel simulator --list-faults
    """  # noqa: D301 (the backspace tells the help where not to fill lines)
    if list_faults:
        _contar_fallas(as_json=as_json)
        return
    from src.nucleo.errores import ConfiguracionInvalida
    from src.nucleo.tipos import Camino
    from src.simulador import fuentes
    from src.simulador.fallas.archivo import leer_guiones
    from src.simulador.funding import leer_tasas
    from src.simulador.opciones import (
        CuentaInicial,
        Opciones,
        leer_cuenta,
        leer_datos,
        leer_decimal,
        leer_velocidad,
    )
    from src.simulador.proceso import correr

    if bool(data) == synthetic:
        raise ConfiguracionInvalida("give either --data FILE or --synthetic")
    if path not in set(Camino):
        raise ConfiguracionInvalida(f"--path {path!r} must be 'close' or 'ohlc'")
    saldo = leer_decimal("--balance", balance, minimo=0)
    cuentas = [leer_cuenta(texto) for texto in account or ()]
    opciones = Opciones(
        cuentas=tuple(cuentas) or (CuentaInicial("simulador", "simulador", saldo),),
        puerto=port,
        anfitrion=host,
        velocidad=leer_velocidad(speed),
        camino=Camino(path),
        comision_taker=_fraccion("--commission", commission),
        comision_maker=_fraccion("--maker-commission", maker_commission),
        slippage=leer_decimal("--slippage", slippage, minimo=0, maximo=1),
        tasa_funding=leer_decimal("--funding-rate", funding_rate, minimo=-1, maximo=1),
        tasas_grabadas=leer_tasas(funding or ()),
        apalancamiento=leverage,
        calentamiento=warmup,
        archivo_listo=ready_file,
        hasta_eof=until_eof,
        guion=leer_guiones(scenario or ()),
        control=control,
        recuerda=None if control and not recent_books else books_size,
    )
    if synthetic:
        series = fuentes.sinteticas(symbol or ["BTCUSDT"], interval or "1h", candles, seed)
    else:
        series = fuentes.de_archivos([leer_datos(texto) for texto in data or ()], interval)
    correr(series, opciones)


def _contar_fallas(*, as_json: bool) -> None:
    import orjson

    from src.simulador.fallas.listado import como_json, como_texto

    if as_json:
        typer.echo(orjson.dumps(como_json(), option=orjson.OPT_INDENT_2))
    else:
        typer.echo(como_texto())


def _fraccion(opcion: str, texto: str | None) -> Decimal | None:
    from src.simulador.opciones import leer_decimal

    return None if texto is None else leer_decimal(opcion, texto, minimo=0, maximo=1)


if __name__ == "__main__":
    typer.run(con_codigo_de_salida(simulator))
