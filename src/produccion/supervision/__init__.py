"""Who watches over the daemon."""
