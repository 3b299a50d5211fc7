"""Orders: sent once, found out, closed."""
