"""Dead letters as the relational database shows them: rows of it, and whether it shows those that it was told.

It may be another one than before: restored from a backup, it lacks what was told since, and shows what went since.
"""

import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest import backlog
from services.ingest.group import Letter
from services.ingest.outbox import Outbox
from shared.database import ledger


def row_of(outbox: Outbox, row_id: int, letter: Letter) -> dict[str, Any]:
    """As table `dead_letters` has it."""
    row = letter._asdict()
    row["payload_bytes"] = row.pop("size")
    row["paths"] = orjson.loads(letter.paths)
    return {"source": outbox.source, "epoch": outbox.epoch, "letter": row_id, **row}


async def compare(outbox: Outbox, engine: AsyncEngine) -> None:
    """Have told again what is not shown as it was told, and removed what is shown and no longer here."""
    if await outbox.read(backlog.predecessors):
        return  # it has yet to hear of this file
    async with engine.connect() as connection:
        shown = await ledger.letters_of(connection, outbox.source, outbox.epoch)
    if await outbox.read(partial(_differs, shown=shown)):
        await outbox.change(partial(_tell_again, shown=shown))


def _differs(connection: sqlite3.Connection, shown: Mapping[int, int]) -> bool:
    told, here = _letters(connection)
    return bool(told.items() - shown.items() or shown.keys() - here)


def _tell_again(connection: sqlite3.Connection, shown: Mapping[int, int]) -> None:
    told, here = _letters(connection)
    lacking = [(letter,) for letter, _ in told.items() - shown.items()]
    connection.executemany("UPDATE dead SET moved = 0 WHERE letter = ?", lacking)
    connection.executemany("INSERT OR IGNORE INTO gone VALUES (?)", [(letter,) for letter in shown.keys() - here])


def _letters(connection: sqlite3.Connection) -> tuple[dict[int, int], set[int]]:
    """Those that were told, with their entries, and all that are here."""
    rows = connection.execute("SELECT letter, entries, moved FROM dead").fetchall()
    return {letter: entries for letter, entries, moved in rows if moved == 1}, {row[0] for row in rows}
