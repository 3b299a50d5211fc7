"""The stop monitor: executes stops that should have been and were not, once, with a record of each step."""
