"""The shared store: what all daemons, monitors and the API know together, in SQL."""
