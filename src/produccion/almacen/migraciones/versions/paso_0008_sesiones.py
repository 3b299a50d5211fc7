"""Log-ins become sessions with rotating refresh tokens; every command leaves a line in the audit log.

Revision ID: 0008
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import columnas, en_postgresql

revision = "0008"
down_revision = "0007"

_TABLAS = {
    "sessions": (
        "*session_id:t username:t client_id:t created_at_ms:l expires_at_ms:l revoked_at_ms:l? "
        "revoked_reason:t?"
    ),
    "refresh_tokens": "*token_hash:t session_id:t created_at_ms:l expires_at_ms:l used_at_ms:l?",
    "audit_log": (
        "*id:l client_id:t username:t role:t address:t occurred_at_ms:l action:t target:t? request_json:t "
        "status:i? outcome_json:t? finished_at_ms:l?"
    ),
}
_INDICES = (
    ("ix_sessions_username", "sessions", ("username",)),
    ("ix_refresh_tokens_session_id", "refresh_tokens", ("session_id",)),
    ("ix_audit_log_client_id_id", "audit_log", ("client_id", "id")),
)
_INGRESO = "login"


def upgrade() -> None:
    """Take the step; what earlier log-ins gave is good no more."""
    for nombre, descripcion in _TABLAS.items():
        numerada = {} if en_postgresql() or nombre != "audit_log" else {"sqlite_autoincrement": True}
        op.create_table(nombre, *columnas(descripcion), **numerada)
    op.execute(f"DELETE FROM api_tokens WHERE note = '{_INGRESO}'")
    for nombre, tabla, campos in _INDICES:  # of tables that nobody writes to yet
        op.create_index(nombre, tabla, campos)


def downgrade() -> None:
    """Take it back."""
    for nombre, tabla, _ in _INDICES[::-1]:
        op.drop_index(nombre, tabla)
    for nombre in reversed(_TABLAS):
        op.drop_table(nombre)
