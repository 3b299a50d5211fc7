"""The `timonel` command."""
