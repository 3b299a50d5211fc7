"""The agent's journal and what is remembered from it."""
