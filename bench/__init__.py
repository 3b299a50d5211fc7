"""Every figure that Timonel promises, measured beside its peer: ``python -m bench``."""
