"""Which rows of an outbox can be believed: their types, their checksum, their JSON. A flipped byte often parses."""

import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

from services.ingest import pending
from shared.books import COLUMNS
from shared.identifiers import is_device_id
from shared.readings import DeviceStatus, Reading, decode_readings

_STORED_AS: Final = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
_FILTER: Final = re.compile(r"(?:(?:\+|[^+#/\x00-\x1f]*)/)*(?:#|\+|[^+#/\x00-\x1f]*)")
_MOST: Final = 2**53
_MISTYPED: Final = """
SELECT 1 FROM spool WHERE typeof(entries) != 'integer' OR typeof(committed_ns) != 'integer' OR typeof(crc) != 'integer'
OR typeof(body) != 'blob' OR typeof(status) != 'blob' OR entries NOT BETWEEN 0 AND 1000000 LIMIT 1
"""

Row = Mapping[str, Any]


class Spooled(NamedTuple):
    """What a sound row of the spool holds."""

    readings: list[Reading]
    status: list[DeviceStatus]


class Column(NamedTuple):
    name: str
    kind: type | None
    required: bool
    key: int  # its place in the primary key, from 1


def columns_of(connection: sqlite3.Connection, table: str) -> list[Column]:
    found = connection.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (table,)).fetchall()
    return [Column(name, _STORED_AS.get(kind), bool(required), key) for name, kind, required, key in found]


def holds(crc: object, body: object, status: object) -> bool:
    """Whether the checksum of a row of the spool does."""
    if not (isinstance(crc, int) and isinstance(body, bytes) and isinstance(status, bytes)):
        return False
    return zlib.crc32(status, zlib.crc32(body)) == crc


def spooled(crc: int, body: bytes, status: bytes) -> Spooled | None:
    """The readings and statuses of a row whose checksum holds, else None."""
    if not holds(crc, body, status):
        return None
    return Spooled(decode_readings(body), [DeviceStatus(*each) for each in orjson.loads(status)])


def is_sound(table: str, columns: list[Column], row: Row) -> bool:
    """Whether a row has the types of its table, and says something that ingest can go on from."""
    if table == "spool":  # its checksum says more than its types, and what it doesn't cover can be made anew
        return holds(row["crc"], row["body"], row["status"])
    typed = all(
        (row[name] is None and not required) or kind is None or isinstance(row[name], kind)
        for name, kind, required, _ in columns
    )
    return typed and _RULES.get(table, _any)(row)


def unsound(connection: sqlite3.Connection) -> str | None:
    """Name the first table with a row that can't be believed.

    Of the spool only the types: it is judged row by row as it is read, and may be gigabytes.
    """
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (table,) in connection.execute(tables):
        if table == "spool":
            bad = connection.execute(_MISTYPED).fetchone() is not None
        else:
            columns = columns_of(connection, table)
            bad = any(not is_sound(table, columns, row) for row in _rows(connection, table, columns))
        if bad:
            return f"a row of table {table} makes no sense"
    return None


def _rows(connection: sqlite3.Connection, table: str, columns: list[Column]) -> Iterator[Row]:
    names = [column.name for column in columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    for row in connection.execute(f'SELECT {quoted} FROM "{table}"'):
        yield dict(zip(names, row, strict=True))


def _any(_row: Row) -> bool:
    return True


def _dead(row: Row) -> bool:
    whole = len(row["payload"]) == row["size"]
    digest = sha256(row["payload"]).hexdigest() == row["sha256"] if whole and row["kind"] != "shed" else True
    return digest and 0 <= row["entries"] < _MOST and _json(row["paths"], list)


def _dirty(row: Row) -> bool:
    return _registry(row) and _json(row["values"], dict)


def _registry(row: Row) -> bool:
    return is_device_id(row["device_id"]) is not None and row["user_id"] > 0


def _pending(row: Row) -> bool:
    return pending.holds(row["crc"], row["topic"], row["payload"])


def _profiles(row: Row) -> bool:
    return _json(row["document"], object)  # whether it is a profile is judged where it is read


def _filters(row: Row) -> bool:
    return _FILTER.fullmatch(row["pattern"]) is not None


def _books(row: Row) -> bool:
    return all(0 <= row[name] < _MOST for name in COLUMNS)


def _commands(row: Row) -> bool:
    return _json(row["left"], list)


def _json(text: bytes, kind: type) -> bool:
    try:
        return isinstance(orjson.loads(text), kind)
    except orjson.JSONDecodeError:
        return False


_RULES: Final[dict[str, Callable[[Row], bool]]] = {
    "dead": _dead,
    "dirty": _dirty,
    "registry": _registry,
    "pending": _pending,
    "profiles": _profiles,
    "filters": _filters,
    "books": _books,
    "commands": _commands,
}
