"""Alerts: from the store's outbox to the people who have to know, and their commands back."""
