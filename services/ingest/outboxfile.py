"""The outbox's file: its spool, its books and each transaction, on the one thread that owns the connection.

The other tables' statements are in backlog, deadletters, errands, filters, isolation and pending.
"""

import os
import secrets
import sqlite3
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from services.ingest import backlog, deadletters, pending
from services.ingest.backlog import RegistryRow
from services.ingest.books import Moves, Recount, store_moves
from services.ingest.damage import refuse_if_disk
from services.ingest.deadletters import Quota
from services.ingest.errors import OutboxDamaged, RowDamaged
from services.ingest.group import Group, Letter
from services.ingest.isolation import isolate
from services.ingest.latest import Checkpoint, Latest
from services.ingest.lock import hold
from services.ingest.recount import recount
from services.ingest.salvage import Isolated, mend
from services.ingest.soundness import spooled
from services.ingest.tables import prepare
from shared.books import COLUMNS
from shared.readings import DeviceStatus, Reading

_SET_BOOKS: Final = f"UPDATE books SET {', '.join(f'{name} = ?' for name in COLUMNS)}"


class Opened(NamedTuple):
    """What the file says of itself: `stored_seq` is the newest row with nothing older left.

    `latest`: what was kept up to `saved_seq`; what came after that is in the rows alone.
    """

    epoch: str
    last_seq: int
    stored_seq: int
    books: Moves
    saved_seq: int
    latest: dict[str, Latest]


class Written(NamedTuple):
    """`seq` is None for a group that has nothing to announce; `used_bytes` counts pages in use, not the file's size."""

    seq: int | None
    committed_ns: int
    books: Moves
    used_bytes: int


class SpoolRow(NamedTuple):
    seq: int
    entries: int
    committed_ns: int
    readings: list[Reading]
    status: list[DeviceStatus]
    body: bytes


class Completion(NamedTuple):
    """The store has answered for these rows: `entries` in all, of which `letters` were refused."""

    seqs: Sequence[int]
    entries: int
    letters: Sequence[Letter] = ()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[Callable[..., sqlite3.Cursor]]:
    """All or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection.execute
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors have rolled back already
            connection.execute("ROLLBACK")
        raise


class OutboxFile:
    """Not safe to share: every call on the one thread."""

    def __init__(self, path: Path, max_letters_bytes: int = 512 << 20) -> None:
        self._path = path
        self._lock = -1
        self._quota = Quota(max_letters_bytes)
        self.connection: sqlite3.Connection
        self.isolated: Isolated | None = None
        self._books: Moves = Counter()

    def open(self) -> Opened:
        """Mend a damaged file first: `isolated` says so. Raise Refusal for another's, OutboxFull, OutboxDamaged."""
        self._lock = hold(self._path.with_suffix(".lock"))
        try:
            self.isolated = mend(self._path, prepare)
        except BaseException:
            os.close(self._lock)
            raise
        self.connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            prepare(self.connection)
            self._quota.load(self.connection)
            return self._read_meta()
        except sqlite3.DatabaseError as error:
            self.close()
            refuse_if_disk(error)
            raise OutboxDamaged(f"{self._path}: {error}") from error

    def _read_meta(self) -> Opened:
        execute = self.connection.execute
        if execute("SELECT count(*) FROM meta").fetchone()[0] == 0:
            with transaction(self.connection):  # an epoch without books would be a file that never opens again
                execute("INSERT INTO meta VALUES (?)", (secrets.token_hex(8),))
                execute("INSERT INTO books DEFAULT VALUES")
        epoch = execute("SELECT epoch FROM meta").fetchone()[0]
        last = execute("SELECT seq FROM sqlite_sequence WHERE name = 'spool'").fetchone()
        first_left = execute("SELECT min(seq) FROM spool").fetchone()[0]
        row = execute(f"SELECT {', '.join(COLUMNS)} FROM books").fetchone()
        self._books = Counter(dict(zip(COLUMNS, row, strict=True)))
        last_seq = last[0] if last else 0
        stored_seq = last_seq if first_left is None else first_left - 1
        saved_seq = backlog.saved_seq(self.connection, last_seq)
        latest = backlog.latest(self.connection)
        return Opened(epoch, last_seq, stored_seq, Counter(self._books), saved_seq, latest)

    def write(
        self,
        group: Group,
        registered: Iterable[RegistryRow],
        completions: Sequence[Completion],
        checkpoint: Checkpoint | None,
    ) -> Written:
        """One transaction, all or nothing. Completions need a checkpoint that speaks of all their rows."""
        books = Counter(self._books)
        committed_ns = time.time_ns()
        plan = self._quota.plan([*group.letters, *_refused(completions)], group.gone)
        with transaction(self.connection) as execute:
            seq = None
            if group.readings or group.status:
                body, status = group.encode(), orjson.dumps([tuple(status) for status in group.status])
                row = (len(group.readings), committed_ns, zlib.crc32(status, zlib.crc32(body)), body, status)
                seq = execute("INSERT INTO spool VALUES (NULL, ?, ?, ?, ?, ?)", row).lastrowid
            books.update(group.counts)
            books.update(deadletters.remove(self.connection, group.gone))
            self._quota.write(self.connection, plan)
            backlog.register(self.connection, registered)
            if group.held or group.judged:
                pending.write(self.connection, group.held, group.judged)
            if group.also is not None:
                group.also(self.connection)
            self._complete(completions, books, checkpoint)
            used = self.used_bytes()  # before COMMIT: after it nothing may fail
        self._books = books
        self._quota.apply(plan)
        return Written(seq, committed_ns, Counter(books), used)

    def flush(self, completions: Sequence[Completion], checkpoint: Checkpoint) -> Moves:
        """What no commit has taken along."""
        return self.write(Group(), (), completions, checkpoint).books

    def _complete(self, completions: Sequence[Completion], books: Moves, checkpoint: Checkpoint | None) -> None:
        """Delete what the store has, in the open transaction, and move the books with it."""
        if checkpoint is not None:
            backlog.save(self.connection, checkpoint)
        for completion in completions:
            refused = sum(letter.entries for letter in completion.letters)
            self.connection.executemany("DELETE FROM spool WHERE seq = ?", [(seq,) for seq in completion.seqs])
            books.update(store_moves(completion.entries, refused))
        self.connection.execute(_SET_BOOKS, [books[name] for name in COLUMNS])

    def used_bytes(self) -> int:
        """Of pages in use, less the dead letters: those have a bound of their own, and must never stop intake."""
        one = self.connection.execute
        pages = one("PRAGMA page_count").fetchone()[0] - one("PRAGMA freelist_count").fetchone()[0]
        return int(pages * one("PRAGMA page_size").fetchone()[0]) - self._quota.kept_bytes

    def rows(self, after: int, max_entries: int) -> list[SpoolRow]:
        """Rows after a seq, in order, up to so many entries (one row at least); raises RowDamaged for a bad one."""
        found: list[SpoolRow] = []
        total = 0
        cursor = self.connection.execute(
            "SELECT seq, entries, committed_ns, crc, body, status FROM spool WHERE seq > ? ORDER BY seq LIMIT 1000",
            (after,),
        )
        for seq, entries, committed_ns, crc, body, status in cursor:
            if found and total + entries > max_entries:
                break
            content = spooled(crc, body, status)
            if content is None:
                raise RowDamaged(seq)
            found.append(SpoolRow(seq, entries, committed_ns, *content, body))
            total += entries
        cursor.close()
        return found

    def isolate(self, seq: int) -> Moves:
        """Put a damaged row out of the way, in a transaction of its own; returns the books."""
        books = Counter(self._books)
        with transaction(self.connection):
            books.update(isolate(self.connection, seq))
            self._complete((), books, None)
        self._books = books
        return Counter(books)

    def recount(self) -> Recount:
        """Count the rows themselves, in one snapshot with the books."""
        return recount(self.connection)

    def vacuum(self) -> bool:
        """Give free pages back to the disk, a thousand at a time (executescript: execute would free one).

        Returns whether there are more of them.
        """
        self.connection.executescript("PRAGMA incremental_vacuum(1000)")
        return bool(self.connection.execute("PRAGMA freelist_count").fetchone()[0])

    def shrink(self) -> None:
        """Put the log into the file and cut it off: until then what was deleted gives nothing back to a full disk."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self.connection.close()
        os.close(self._lock)


def riding(completions: Sequence[Completion], checkpoint: Checkpoint | None) -> list[Completion]:
    """Those of rows of which the checkpoint speaks; the others stay, and so do their rows."""
    if checkpoint is None:
        return []
    return list(takewhile(lambda completion: max(completion.seqs) <= checkpoint.seq, list(completions)))


def _refused(completions: Sequence[Completion]) -> list[Letter]:
    return [letter for completion in completions for letter in completion.letters]
