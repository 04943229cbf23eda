"""A damaged outbox: what SQLite can still read of it moves to a new file with a new epoch; the old one is set aside.

Killed at any moment, the next start goes on: until the new file is complete the old one is untouched, and from then on
there is a file that says so, `….salvaged`, which only has to be put in its place.
"""

import os
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from services.ingest import pending, scan
from services.ingest.backlog import PREDECESSOR
from services.ingest.books import Moves
from services.ingest.damage import beside, find_damage, read_only, refuse_if_disk
from services.ingest.isolation import lost_letter
from services.ingest.soundness import Row
from shared.books import COLUMNS, balanced

_APART: Final = ("meta", "books", "predecessor", "checkpoint")  # a new file has its own


class Carried(NamedTuple):
    """Rows that go on, rows that could not be read or believed, and entries lost: None where nobody knows."""

    rows: int
    unread: int
    entries: int | None

    def __str__(self) -> str:
        lost = "an unknown number of" if self.entries is None else str(self.entries)
        return f"{self.rows} of its rows go on, {self.unread} can't be read, {lost} entries are lost"


class Isolated(NamedTuple):
    """What was found, where it lies now, and what became of it."""

    reason: str
    file: str
    carried: Carried | None

    def __str__(self) -> str:
        became = "what could be read of it goes on" if self.carried is None else str(self.carried)
        return f"the outbox was damaged ({self.reason}) and is set aside as {self.file}: {became}"


def mend(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> Isolated | None:
    """Called under the lock, before the outbox is opened; `prepare` makes a new file's tables.

    Raises OutboxFull when the disk, not the file, is at fault.
    """
    ready = beside(path, ".salvaged")
    reason = "a salvage was cut off" if ready.exists() else find_damage(path)
    if reason is None:
        return None
    aside = beside(path, f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    told = Isolated(reason, aside.name, None)
    if path.exists() and not ready.exists():
        told = told._replace(carried=_carry_over(path, prepare, told))
    _swap(path, aside, ready)
    return told


def _swap(path: Path, aside: Path, ready: Path) -> None:
    """The log first: beside a file that isn't its own it would be taken for that one's."""
    for suffix in ("-wal", ""):
        old = beside(path, suffix)
        if old.exists() and (old.stat().st_size or not suffix):
            old.rename(beside(aside, suffix))
        old.unlink(missing_ok=True)  # an empty log
    beside(path, "-shm").unlink(missing_ok=True)
    if ready.exists():
        ready.rename(path)
    _sync(path.parent)


def _carry_over(path: Path, prepare: Callable[[sqlite3.Connection], None], told: Isolated) -> Carried:
    """Make the new file. No journal, no fsync before its end: cut off, it is made again."""
    draft = beside(path, ".salvaging")
    for suffix in ("", "-wal", "-shm"):
        beside(draft, suffix).unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as new, closing(read_only(path)) as old:
            prepare(new)
            new.execute(PREDECESSOR)
            new.execute("PRAGMA journal_mode=MEMORY").fetchall()
            new.execute("PRAGMA synchronous=OFF")
            new.execute("BEGIN")
            carried = _Salvage(old, new).run(told)
            new.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        refuse_if_disk(error)  # there is no room for it
        raise
    _sync(draft)
    draft.rename(beside(path, ".salvaged"))
    _sync(path.parent)
    return carried


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Salvage:
    """From `old`, of which anything may fail, to `new`, of which nothing may."""

    def __init__(self, old: sqlite3.Connection, new: sqlite3.Connection) -> None:
        self._old = old
        self._new = new
        self._rows = 0
        self._unread = 0

    def run(self, told: Isolated) -> Carried:
        for name in self._tables():
            try:
                table = scan.table(self._old, self._new, name)
            except sqlite3.DatabaseError as error:  # not even its columns can be read
                refuse_if_disk(error)
                continue
            if table.columns:
                self._copy(table)
        lost = self._keep_books(told)
        return Carried(self._rows, self._unread, lost)

    def _try(self, statement: str, *given: Any) -> list[Any]:
        """What the old file answers, or nothing."""
        try:
            return self._old.execute(statement, given).fetchall()
        except sqlite3.DatabaseError as error:
            refuse_if_disk(error)
            return []

    def _tables(self) -> list[str]:
        """Those that both know. A table that only the old file has is made as it was there."""
        self._try("PRAGMA writable_schema=ON")  # a schema with one bad line is read for its other ones
        known = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        there = {name for name, _ in self._new.execute(known)}
        for name, sql in self._try(known):
            if name not in there and isinstance(sql, str) and sql.upper().startswith("CREATE TABLE"):
                try:
                    self._new.execute(sql)
                except sqlite3.DatabaseError as error:
                    refuse_if_disk(error)
                    continue  # its line is damaged; the file that is set aside has it
                there.add(name)
        return sorted(there - set(_APART))

    def _copy(self, table: scan.Table) -> None:
        for row in scan.rows(self._old, table):
            if row is None:
                self._unread += 1
                continue
            given = _renewed(row) if table.name == "spool" else row
            names, marks = ", ".join(f'"{name}"' for name in given), ", ".join("?" * len(given))
            statement = f'INSERT OR IGNORE INTO "{table.name}" ({names}) VALUES ({marks})'
            self._rows += self._new.execute(statement, list(given.values())).rowcount
        if table.name == "dead":  # a letter's number is known elsewhere: it must not be given to another one
            last = self._try("SELECT seq FROM sqlite_sequence WHERE name = 'dead'")
            self._new.executemany("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'dead'", last)

    def _keep_books(self, told: Isolated) -> int | None:
        """Carry the old counters on where they can explain the rows; what is missing is a letter. Else count the rows.

        Returns how many entries are lost, if that is known.
        """
        asked = f"SELECT (SELECT total(entries) FROM spool) + ({pending.COUNT}), (SELECT total(entries) FROM dead)"
        in_spool, in_dead = (int(total) for total in self._new.execute(asked).fetchone())
        books: Moves = Counter(received=in_spool + in_dead, spooled=in_spool, dead_lettered=in_dead)
        lost = None
        before = self._old_books()
        if before is not None:
            missing = before["spooled"] + before["dead_lettered"] - in_spool - in_dead
            if missing >= 0:
                lost = missing
                books = Counter({**before, "spooled": in_spool, "dead_lettered": in_dead + lost})
        if lost:
            lost_letter(self._new, lost, f"lost with the outbox's file, set aside as {told.file}: {told.reason}"[:1024])
        self._new.execute("INSERT INTO meta VALUES (?)", (secrets.token_hex(8),))
        self._new.execute("INSERT INTO checkpoint VALUES (0)")  # numbered anew: latest values hear of each row again
        marks = ", ".join("?" * len(COLUMNS))
        self._new.execute(
            f"INSERT INTO books ({', '.join(COLUMNS)}) VALUES ({marks})", [books[name] for name in COLUMNS]
        )
        if lost is not None:  # these books are the old ones gone on: told under both epochs they would count twice
            self._new.executemany("INSERT INTO predecessor VALUES (?)", self._old_epochs())
        return lost

    def _old_books(self) -> Moves | None:
        rows = self._try(f"SELECT {', '.join(COLUMNS)} FROM books")
        if len(rows) != 1 or not all(isinstance(value, int) and value >= 0 for value in rows[0]):
            return None
        books = Counter(dict(zip(COLUMNS, rows[0], strict=True)))
        return books if balanced(books) else None

    def _old_epochs(self) -> Sequence[tuple[str]]:
        """Its own, and those that the relational database has yet to hear have ended."""
        rows = [*self._try("SELECT epoch FROM meta"), *self._try("SELECT epoch FROM predecessor")]
        return [(epoch,) for (epoch,) in rows if isinstance(epoch, str)]


def _renewed(row: Row) -> Row:
    """A row of the new epoch: it gets the next number, and what its checksum doesn't cover is made anew."""
    entries = len(orjson.loads(row["body"]))
    committed_ns = row["committed_ns"] if isinstance(row["committed_ns"], int) else time.time_ns()
    kept = {name: row[name] for name in ("crc", "body", "status")}
    return {"entries": entries, "committed_ns": committed_ns, **kept}
