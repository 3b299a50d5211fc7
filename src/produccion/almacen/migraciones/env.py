"""Run by Alembic: migrates the connection that `migrar` puts into the configuration."""

from __future__ import annotations

from alembic import context

from src.produccion.almacen.esquema import metadatos

context.configure(
    connection=context.config.attributes["conexion"],
    target_metadata=metadatos,
    transactional_ddl=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
