"""The books, recounted: each worker's own against its rows, and what the relational database was told of them."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.books import Recount
from services.ingest.recount import recount
from shared.books import balanced
from shared.database.tables import ingest_books
from telemetrio.doctor.database import check_migrations
from telemetrio.doctor.finding import Finding

_SILENT_S: Final = 60
_MEANS: Final = "an entry was lost or counted twice: the file was changed by somebody else, or there is a bug"


def check_outboxes(data_dir: Path) -> Sequence[Finding]:
    """Of every worker whose data directory this is, running or not."""
    return [finding for file in sorted(data_dir.glob("*.outbox")) for finding in _check(file)]


def _check(file: Path) -> Sequence[Finding]:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            return judge(file, recount(connection))
    except sqlite3.Error as error:
        means = "the worker of this file can't take messages, or will set the file aside and keep what it can read"
        mend = f"look at the worker's log; keep a copy of {file}* before you try anything"
        return [Finding("books", f"{file} can't be read: {error}", means, mend)]


def judge(file: Path, count: Recount) -> Sequence[Finding]:
    if count.agrees:
        return []
    books = count.books
    found = (
        f"{file} says received {books['received']} = stored {books['stored']} + spooled {books['spooled']} + "
        f"dead-lettered {books['dead_lettered']} + discarded {books['discarded']}; "
        f"its rows are {count.spooled} spooled and {count.dead_lettered} dead-lettered"
    )
    mend = f"keep a copy of {file}* and report it; telemetrio ingest --retire stores what is left and begins anew"
    return [Finding("books", found, _MEANS, mend)]


async def check_ledger(engine: AsyncEngine, now_s: float | None = None) -> Sequence[Finding]:
    """What workers wrote down last; raises what the database raises. Tables of another version are another check's."""
    if await check_migrations(engine):
        return []
    async with engine.connect() as connection:
        rows = (await connection.execute(select(ingest_books))).mappings().all()
    return [finding for row in rows for finding in judge_row(dict(row), time.time() if now_s is None else now_s)]


def judge_row(row: dict[str, Any], now_s: float) -> Sequence[Finding]:
    """Of one (source, epoch)."""
    whose, found = f"{row['source']} ({row['epoch']})", []
    if not balanced(row):
        told = ", ".join(
            f"{name} {row[name]}" for name in ("received", "stored", "spooled", "dead_lettered", "discarded")
        )
        mend = f"run telemetrio doctor where {row['source']} has its data directory: it recounts the rows themselves"
        found.append(Finding("books", f"The books of {whose} do not balance: {told}", _MEANS, mend))
    silent_s = now_s - row["updated_ns"] / 1e9
    if row["spooled"] and silent_s > _SILENT_S:
        fact = f"{whose} has been silent for {silent_s:.0f} s, and holds {row['spooled']} entries that are not stored"
        mend = f"start it again (TELEMETRIO_SOURCE={row['source']}, with its data directory), or retire it there"
        found.append(Finding("books", fact, "these readings are on its disk alone, and in no chart", mend))
    return found
