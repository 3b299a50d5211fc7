"""Candle files, their checks, the synthetic market and downloads."""
