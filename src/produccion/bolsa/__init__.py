"""The exchange: REST, sockets, limits and time."""
