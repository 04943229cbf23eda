"""The outbox's tables, as a new file gets them and an older one that lacks some."""

import sqlite3
from typing import Final

from services.ingest import backlog, deadletters, errands, pending
from shared.books import COLUMNS

_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS meta (epoch TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS spool (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- one row = one group = one announcement
    entries INTEGER NOT NULL,
    committed_ns INTEGER NOT NULL,
    crc INTEGER NOT NULL,                   -- of body and status
    body BLOB NOT NULL,                     -- the one encoding of its readings
    status BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS books ({", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in COLUMNS)});
CREATE TABLE IF NOT EXISTS filters (pattern TEXT PRIMARY KEY) WITHOUT ROWID;  -- what the session holds at the broker
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make what isn't there; the first two count only before the first table."""
    connection.execute("PRAGMA page_size=16384")  # bodies are large
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # COMMIT returns after the fsync: the promise rests on this
    connection.executescript("".join((_SCHEMA, *(each.SCHEMA for each in (deadletters, backlog, pending, errands)))))
