"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(JSONB, "postgresql")


def upgrade() -> None:
    _letters_and_books()
    _what_devices_said()
    _users_and_devices()
    _items()


def _letters_and_books() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", Id, nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("letter", sa.BigInteger(), nullable=False),
        sa.Column("user_id", Id, nullable=True),
        sa.Column("device_id", sa.String(length=128), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("paths", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("source", "epoch", "letter", name="uq_dead_letters_source_epoch_letter"),
    )
    op.create_index("ix_dead_letters_device_id", "dead_letters", ["device_id"])
    op.create_index("ix_dead_letters_received_ns", "dead_letters", ["received_ns"])
    op.create_table(
        "ingest_books",
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("spooled", sa.BigInteger(), nullable=False),
        sa.Column("dead_lettered", sa.BigInteger(), nullable=False),
        sa.Column("discarded", sa.BigInteger(), nullable=False),
        sa.Column("redriven", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("metrics_refused", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("overwritten", sa.BigInteger(), nullable=False),
        sa.Column("ignored", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "epoch", name="pk_ingest_books"),
    )


def _what_devices_said() -> None:
    op.create_table(
        "device_measurements",
        sa.Column("device_id", sa.String(length=128), nullable=False),
        sa.Column("measurement", sa.String(length=64), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "measurement", "user_id", name="pk_device_measurements"),
    )
    op.create_table(
        "device_status",
        sa.Column("device_id", sa.String(length=128), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_device_status"),
    )
    op.create_table(
        "latest",
        sa.Column("device_id", sa.String(length=128), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("measurement", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("seen_ns", sa.BigInteger(), nullable=False),
        sa.Column("values", Json, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_latest"),
    )


def _users_and_devices() -> None:
    op.create_table(
        "users",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("role", sa.String(length=16), server_default="user", nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_table(
        "devices",
        sa.Column("id", Id, nullable=False),
        sa.Column("device_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("claimed", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_devices_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.UniqueConstraint("device_id", name="uq_devices_device_id"),
    )
    op.create_index("ix_devices_user_id", "devices", ["user_id"])


def _items() -> None:
    op.create_table(
        "items",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_items_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_items"),
    )
    op.create_index("ix_items_user_id_status", "items", ["user_id", "status"])


def downgrade() -> None:
    op.drop_index("ix_items_user_id_status", "items")

    op.drop_table("items")
    op.drop_index("ix_devices_user_id", "devices")

    op.drop_table("devices")
    op.drop_table("users")
    op.drop_table("latest")
    op.drop_table("ingest_books")
    op.drop_table("device_status")
    op.drop_table("device_measurements")
    op.drop_index("ix_dead_letters_received_ns", "dead_letters")
    op.drop_index("ix_dead_letters_device_id", "dead_letters")

    op.drop_table("dead_letters")
