"""Flattening an account with the standard library alone."""
