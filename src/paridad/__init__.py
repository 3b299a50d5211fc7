"""Training = evaluation = dry run, counted."""
