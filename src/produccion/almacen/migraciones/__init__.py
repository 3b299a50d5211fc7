"""The store's migrations: one module per step, none of which keeps a writer waiting."""
