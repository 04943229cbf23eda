"""Ids of users and devices that are gone are never given again; a device that once had a credential stays closed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("devices", sa.Column("needs_credential", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute("UPDATE devices SET needs_credential = true WHERE id IN (SELECT device FROM device_credentials)")
    if op.get_bind().dialect.name == "sqlite":  # PostgreSQL's sequences only go forward
        for table in ("users", "devices"):
            _made_anew(table, counted=True)
        # the highest that is still named somewhere may be of somebody who is gone already
        gone = "SELECT coalesce(max(user_id), 0) FROM audit"
        op.execute(f"UPDATE sqlite_sequence SET seq = max(seq, ({gone})) WHERE name = 'users'")  # noqa: S608


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in ("users", "devices"):
            _made_anew(table, counted=False)
    op.drop_column("devices", "needs_credential")


def _made_anew(table: str, *, counted: bool) -> None:
    """With all its rows, columns, constraints and indexes; SQLite knows no other way."""
    with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_autoincrement": counted}):
        pass
