"""The exchange: a process that speaks Binance's USDⓈ-M futures protocol over recorded or invented candles."""
