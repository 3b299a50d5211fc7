"""What holds entries, ends trading and locks it."""
