"""Accounts: passwords, sessions, API keys, and the audit log."""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_MOST_NAMED = 10
_MEND = "Give each another one, or none: UPDATE users SET email = … WHERE id = …; then start again"


def upgrade() -> None:
    op.add_column("users", sa.Column("password_hash", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("disabled", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("users", sa.Column("must_change", sa.Boolean(), server_default=sa.false(), nullable=False))
    _spell_addresses_alike()
    op.create_index("ix_users_email", "users", ["email"], unique=True)
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("rotated_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "api_keys",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=16), nullable=False),
        sa.Column("scopes", sa.String(length=64), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=True),
        sa.Column("last_used_ns", sa.BigInteger(), nullable=True),
        sa.Column("revoked_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    op.create_table(
        "audit",
        sa.Column("id", Id, nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("user_id", Id, nullable=True),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_user_id", "audit", ["user_id"])


def _spell_addresses_alike() -> None:
    """One logs in with an address from now on, and capitals make no difference: two users can't have the same."""
    users = sa.table("users", sa.column("id", Id), sa.column("email", sa.String(255)))
    connection = op.get_bind()
    rows = connection.execute(sa.select(users).where(users.c.email.is_not(None)).order_by(users.c.id)).all()
    of_address: dict[str, list[int]] = {}
    for key, email in rows:
        of_address.setdefault(email.strip().lower(), []).append(key)
    doubles = [f"users {', '.join(map(str, keys))}: {email}" for email, keys in of_address.items() if len(keys) > 1]
    if doubles:
        told = f"several users have the same address, capitals aside ({'; '.join(doubles[:_MOST_NAMED])})"
        raise CommandError(f"{told}: nothing was changed. {_MEND}")
    for key, email in rows:
        if email != email.strip().lower():
            connection.execute(sa.update(users).where(users.c.id == key).values(email=email.strip().lower()))


def downgrade() -> None:
    op.drop_index("ix_audit_user_id", "audit")
    op.drop_table("audit")
    op.drop_index("ix_api_keys_user_id", "api_keys")
    op.drop_table("api_keys")
    op.drop_index("ix_sessions_user_id", "sessions")
    op.drop_table("sessions")
    op.drop_index("ix_users_email", "users")
    op.drop_column("users", "must_change")
    op.drop_column("users", "disabled")
    op.drop_column("users", "password_hash")
