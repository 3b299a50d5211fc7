"""What a socket is told of prices, positions, orders, breakers and alerts as it happens."""
