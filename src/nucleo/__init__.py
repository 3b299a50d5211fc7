"""The pure core: no I/O, no clock, no logging. Everything that must be equal everywhere lives here."""
