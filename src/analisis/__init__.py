"""Offline analysis of session CSV files."""
