"""The live-trading daemon."""
