"""Recount: what the rows of an outbox say, against what its books say, in one snapshot."""

import sqlite3
from collections import Counter

from services.ingest import pending
from services.ingest.books import Recount
from shared.books import COLUMNS


def recount(connection: sqlite3.Connection) -> Recount:
    """Reads only; raises sqlite3.Error."""
    row = connection.execute(
        f"SELECT (SELECT total(entries) FROM spool) + ({pending.COUNT}), (SELECT total(entries) FROM dead), "
        f"{', '.join(COLUMNS)} FROM books"
    ).fetchone()
    return Recount(Counter(dict(zip(COLUMNS, row[2:], strict=True))), int(row[0]), int(row[1]))
