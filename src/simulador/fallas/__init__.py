"""Fault injection: what an exchange can do wrong, on request and repeatably."""
