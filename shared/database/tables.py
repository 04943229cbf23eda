"""Every relational table, as SQLAlchemy Core. Moments are int64 nanoseconds since 1970 UTC, in columns named `…_ns`.

PostgreSQL has one true order of NULLs and SQLite another, and neither keeps nanoseconds in a timestamp: integers are
exact on both.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.books import COLUMNS

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite gives row ids to INTEGER alone
Id = BigInteger().with_variant(Integer, "sqlite")
Json = JSON().with_variant(JSONB, "postgresql")

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("email", String(255)),
    Column("role", String(16), nullable=False, server_default="user"),
    Column("created_ns", BigInteger, nullable=False),
    Column("profile", Json, nullable=False, server_default=text("'{}'")),  # whatever a frontend keeps of its users
    Column("password_hash", Text),  # null: nobody can log in as this user
    Column("disabled", Boolean, nullable=False, server_default=false()),
    Column("must_change", Boolean, nullable=False, server_default=false()),  # the password, before anything else
    Index("ix_users_email", "email", unique=True),
    sqlite_autoincrement=True,  # as on PostgreSQL: what still names somebody who is gone never names anybody else
)

# A login: its refresh tokens are computed from (id, generation), so that no secret lies here.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("generation", BigInteger, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("rotated_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("revoked_ns", BigInteger),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", String(255), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),  # SHA-256: 256 random bits need no slow hash
    Column("hint", String(16), nullable=False),  # how it begins, to tell keys apart
    Column("scopes", String(64), nullable=False),  # separated by blanks
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger),
    Column("last_used_ns", BigInteger),
    Column("revoked_ns", BigInteger),
)

# Who did what to whose account: it outlives the users that it names.
audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("ts_ns", BigInteger, nullable=False),
    Column("user_id", Id, index=True),  # null: somebody who has not logged in
    Column("event", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("address", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("device_id", String(128), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("profile", String(64), nullable=False),
    Column("claimed", Boolean, nullable=False, server_default=true()),  # false: it registered itself by publishing
    Column("disabled", Boolean, nullable=False, default=False),
    Column("created_ns", BigInteger, nullable=False),
    # from its first credential on: revoking the last one opens the device to nobody
    Column("needs_credential", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)

# What a device proves itself with; several are valid at a time, so that one can be replaced without a gap.
device_credentials = Table(
    "device_credentials",
    metadata,
    Column("id", Id, primary_key=True),
    Column("device", Id, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("password_hash", String(255), nullable=False),  # as shared.passwords makes it
    Column("created_ns", BigInteger, nullable=False),
    Column("last_used_ns", BigInteger),
    UniqueConstraint("device", "name"),
)

# Those that an operator has made; the built-in ones are code, and can't be replaced.
profiles = Table(
    "profiles",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("document", Json, nullable=False),  # a shared.profiles.Profile without its name
    Column("updated_ns", BigInteger, nullable=False),
)

# A device's readings stay where they were written: every (measurement, owner) that it ever had.
device_measurements = Table(
    "device_measurements",
    metadata,
    Column("device_id", String(128), primary_key=True),
    Column("measurement", String(64), primary_key=True),
    Column("user_id", Id, primary_key=True),
    Column("since_ns", BigInteger, nullable=False),
)

latest = Table(
    "latest",
    metadata,
    Column("device_id", String(128), primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("measurement", String(64), nullable=False),
    Column("ts_ns", BigInteger, nullable=False),  # the newest reading's own time
    Column("seen_ns", BigInteger, nullable=False),  # when ingest received it
    Column("values", Json, nullable=False),  # {metric: newest value}
)

device_status = Table(
    "device_status",
    metadata,
    Column("device_id", String(128), primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("status", String(16), nullable=False),
    Column("ts_ns", BigInteger, nullable=False),
)

items = Table(
    "items",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("status", String(16), nullable=False, default="pending"),
    Column("quantity", BigInteger, nullable=False, default=0),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger),
    Index("ix_items_user_id_status", "user_id", "status"),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("internal_number", String(50), nullable=False),
    Column("status", String(50), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger),
    UniqueConstraint("user_id", "internal_number"),
)

# An order's lines go with it; an item stays as long as a line names it.
order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", Id, ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("item_id", Id, ForeignKey("items.id"), nullable=False, index=True),
    Column("quantity", BigInteger, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(128), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("letter", BigInteger, nullable=False),  # its row id in the file of (source, epoch)
    Column("user_id", Id),  # null: nobody's, an admin's business
    Column("device_id", String(128), index=True),
    Column("kind", String(16), nullable=False),
    Column("code", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("received_ns", BigInteger, nullable=False, index=True),
    Column("entries", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),  # its first 64 KiB
    Column("payload_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("paths", Json, nullable=False),  # [[path, code], …] of refused metrics
    UniqueConstraint("source", "epoch", "letter"),
)

ingest_books = Table(
    "ingest_books",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    *(Column(name, BigInteger, nullable=False, default=0) for name in COLUMNS),
    Column("updated_ns", BigInteger, nullable=False),
    Column("stages", Json, nullable=False, server_default=text("'{}'")),  # how long each took, of the minute before
)
