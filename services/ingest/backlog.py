"""What the relational database has yet to hear of: latest values, dead letters, devices that registered themselves.

Tables of the outbox's file, written in its transactions; every function belongs to the outbox's thread.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import orjson

from services.ingest.group import Letter
from services.ingest.latest import Checkpoint, Latest

# the device's id, its owner, its profile's name, whether it is disabled
RegistryRow = tuple[str, int, str, bool]
# a profile's name, what it says
ProfileRow = tuple[str, Any]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS dirty (
    device_id TEXT PRIMARY KEY, user_id INTEGER NOT NULL, measurement TEXT NOT NULL, ts_ns INTEGER NOT NULL,
    seen_ns INTEGER NOT NULL, "values" BLOB NOT NULL, status TEXT NOT NULL, status_ns INTEGER NOT NULL,
    generation INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoint (seq INTEGER NOT NULL);  -- what `dirty` says includes all rows up to it
CREATE TABLE IF NOT EXISTS registry (
    device_id TEXT PRIMARY KEY, user_id INTEGER NOT NULL, profile TEXT NOT NULL, disabled INTEGER NOT NULL,
    pending INTEGER NOT NULL                -- it registered itself, and the relational database doesn't know yet
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS profiles (name TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;
"""
# a table of files that were salvaged (salvage.py)
PREDECESSOR: Final = "CREATE TABLE IF NOT EXISTS predecessor (epoch TEXT NOT NULL)"


class Known(NamedTuple):
    """The copy of the registry; `pending`: devices that registered themselves and wait to be told."""

    devices: list[RegistryRow]
    pending: list[str]
    profiles: list[ProfileRow]


def register(connection: sqlite3.Connection, registered: Iterable[RegistryRow]) -> None:
    """Devices that registered themselves, in the open transaction of their first group."""
    connection.executemany("INSERT OR REPLACE INTO registry VALUES (?, ?, ?, ?, 1)", registered)


def save(connection: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Latest values, in an open transaction: from now on rows of the spool up to its seq may be deleted."""
    # each page of the table is met once: of 100,000 devices 7 µs a row in place of 14
    in_order = sorted(checkpoint.rows)
    connection.executemany("INSERT OR REPLACE INTO dirty VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", in_order)
    connection.execute("UPDATE checkpoint SET seq = ?", (checkpoint.seq,))


def saved_seq(connection: sqlite3.Connection, last_seq: int) -> int:
    """The seq of the last checkpoint; a file that never had one kept latest values with each row, up to `last_seq`."""
    found = connection.execute("SELECT seq FROM checkpoint").fetchone()
    if found is None:
        connection.execute("INSERT INTO checkpoint VALUES (?)", (last_seq,))
        return last_seq
    return int(found[0])


def latest(connection: sqlite3.Connection) -> dict[str, Latest]:
    return {row[0]: Latest.of(row) for row in connection.execute("SELECT * FROM dirty").fetchall()}


def registry(connection: sqlite3.Connection) -> Known:
    rows = connection.execute("SELECT device_id, user_id, profile, disabled, pending FROM registry").fetchall()
    devices = [(device_id, user_id, profile, bool(disabled)) for device_id, user_id, profile, disabled, _ in rows]
    profiles = [(name, orjson.loads(document)) for name, document in connection.execute("SELECT * FROM profiles")]
    return Known(devices, [row[0] for row in rows if row[4]], profiles)


def replace_registry(
    connection: sqlite3.Connection, rows: Iterable[RegistryRow], profiles: Iterable[ProfileRow]
) -> None:
    """Take the relational database's word; devices that it has yet to hear of stay. In an open transaction."""
    connection.execute("DELETE FROM registry WHERE pending = 0")
    connection.executemany("INSERT OR REPLACE INTO registry VALUES (?, ?, ?, ?, 0)", rows)
    connection.execute("DELETE FROM profiles")
    documents = [(name, orjson.dumps(document)) for name, document in profiles]
    connection.executemany("INSERT INTO profiles VALUES (?, ?)", documents)


def letters(connection: sqlite3.Connection, limit: int) -> list[tuple[int, Letter]]:
    """Letters that wait, oldest first, each with its row id."""
    fields = ", ".join(Letter._fields)
    rows = connection.execute(
        f"SELECT letter, {fields} FROM dead WHERE moved = 0 ORDER BY letter LIMIT ?",
        (limit,),
    ).fetchall()
    return [(row[0], Letter(*row[1:])) for row in rows]


def try_again(connection: sqlite3.Connection) -> None:
    """Letters that the relational database refused wait once more: it may be another one by now. In a transaction."""
    connection.execute("UPDATE dead SET moved = 0 WHERE moved = 2")


def forget(
    connection: sqlite3.Connection,
    pushed: Sequence[tuple[str, int]],
    moved: Sequence[tuple[int, int]],
    devices: Sequence[str],
    refused: Sequence[int] = (),
) -> None:
    """Mark as heard: (device_id, generation) of latest values, (letter, entries), devices; some letters as refused.

    In an open transaction.
    """
    connection.executemany("DELETE FROM dirty WHERE device_id = ? AND generation <= ?", sorted(pushed))
    # one that has grown meanwhile is told again
    connection.executemany("UPDATE dead SET moved = 1 WHERE letter = ? AND entries = ?", moved)
    connection.executemany("UPDATE dead SET moved = 2 WHERE letter = ?", [(letter,) for letter in refused])
    connection.executemany("UPDATE registry SET pending = 0 WHERE device_id = ?", [(device,) for device in devices])


def predecessors(connection: sqlite3.Connection) -> list[str]:
    """Epochs of damaged files that this one goes on from, as long as the relational database has yet to hear of it."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'predecessor'").fetchone() is None:
        return []
    return [epoch for (epoch,) in connection.execute("SELECT DISTINCT epoch FROM predecessor")]


def succeeded(connection: sqlite3.Connection) -> None:
    """It has heard. In an open transaction."""
    connection.execute("DELETE FROM predecessor")


def oldest_ns(connection: sqlite3.Connection) -> int | None:
    """When the oldest group was committed that the store has yet to get."""
    row = connection.execute("SELECT committed_ns FROM spool ORDER BY seq LIMIT 1").fetchone()
    return row[0] if row else None
