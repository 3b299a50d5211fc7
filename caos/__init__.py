"""The proof that nothing is lost and nothing happens twice: kills and faults from a seed, then the books."""
