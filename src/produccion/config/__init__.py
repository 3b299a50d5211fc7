"""Settings and command line of the daemon."""
