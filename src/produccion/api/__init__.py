"""The HTTP face: requests become rows of the shared store; it holds no keys of the exchange."""
