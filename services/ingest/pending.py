"""Messages that can't be judged yet: the table that holds them. A row is one entry of the spool until it is judged.

They come from devices that nobody has heard of while the relational database has yet to be read: refusing them would be
a guess. Every function belongs to the outbox's thread; raw, so that they are judged as if they had just come.
"""

import sqlite3
import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from services.ingest.delivery import Message
from services.ingest.errors import OutboxDamaged

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS pending (
    message INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL, payload BLOB NOT NULL, received_ns INTEGER NOT NULL,
    crc INTEGER NOT NULL                    -- of topic and payload
);
"""
_ROW_BYTES: Final = 64
COUNT: Final = "SELECT count(*) FROM pending"


class Pending(NamedTuple):
    message: int
    topic: str
    payload: bytes
    received_ns: int


def write(connection: sqlite3.Connection, held: Iterable[Message], judged: Iterable[int]) -> None:
    """Keep some, let go of others, in the open transaction of a group that says what became of these."""
    rows = [(one.topic, one.payload, one.received_ns, _crc(one.topic, one.payload)) for one in held]
    connection.executemany("INSERT INTO pending VALUES (NULL, ?, ?, ?, ?)", rows)
    connection.executemany("DELETE FROM pending WHERE message = ?", [(message,) for message in judged])


def oldest(connection: sqlite3.Connection, max_bytes: int) -> list[Pending]:
    """In order of receipt, up to so many bytes (one at least); raises OutboxDamaged for a bad one."""
    found: list[Pending] = []
    total = 0
    cursor = connection.execute("SELECT message, topic, payload, received_ns, crc FROM pending ORDER BY message")
    for message, topic, payload, received_ns, crc in cursor:
        one = Pending(message, topic, payload, received_ns)
        total += size(one)
        if found and total > max_bytes:
            break
        if not holds(crc, topic, payload):
            raise OutboxDamaged(f"the checksum of pending message {message} doesn't hold")
        found.append(one)
    cursor.close()
    return found


def holds(crc: int, topic: str, payload: bytes) -> bool:
    """Whether the checksum of a row does."""
    return _crc(topic, payload) == crc


def size(message: Message | Pending) -> int:
    """What one takes on disk, nearly: also an empty message fills it."""
    return len(message.topic) + len(message.payload) + _ROW_BYTES


def used_bytes(connection: sqlite3.Connection) -> int:
    """The size of all of them."""
    question = "SELECT total(length(topic) + length(payload) + ?) FROM pending"
    return int(connection.execute(question, (_ROW_BYTES,)).fetchone()[0])


def _crc(topic: str, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(topic.encode()))
