"""A row of the spool that doesn't hold what was committed: kept as it is in a table of its own, and counted as lost.

Its entries become a dead letter that only counts, `damaged`: the books balance, and people see it where they look.
"""

import sqlite3
import time
from typing import Final

from services.ingest.books import Moves, store_moves
from services.ingest.deadletters import Plan, Quota
from services.ingest.group import Letter

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS isolated (seq INTEGER PRIMARY KEY, entries, committed_ns, crc, body, status)
"""  # without types: whatever it was is kept


def isolate(connection: sqlite3.Connection, seq: int) -> Moves:
    """Move the row, in the open transaction; returns what the books are to move."""
    connection.execute(_SCHEMA)
    connection.execute(
        "INSERT OR REPLACE INTO isolated SELECT seq, entries, committed_ns, crc, body, status FROM spool WHERE seq = ?",
        (seq,),
    )
    (entries,) = connection.execute("SELECT entries FROM spool WHERE seq = ?", (seq,)).fetchone()
    connection.execute("DELETE FROM spool WHERE seq = ?", (seq,))
    if not isinstance(entries, int) or entries < 0:
        entries = 0
    if entries:
        lost_letter(connection, entries, f"row {seq} of the outbox was damaged; it is kept in its table isolated")
    return store_moves(entries, entries)


def lost_letter(connection: sqlite3.Connection, entries: int, detail: str) -> None:
    """In the open transaction, if there is one. All that is ever lost is one letter whose count grows."""
    letter = Letter("shed", "damaged", detail, None, None, "", time.time_ns(), entries, b"", 0, "", b"[]")
    Quota.write(connection, Plan([], {(None, "damaged"): letter}, {}, 0))
