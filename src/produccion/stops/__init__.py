"""Resident stops."""
