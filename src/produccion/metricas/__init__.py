"""Figures for Prometheus: their names, where they come from, and the page that shows them."""
