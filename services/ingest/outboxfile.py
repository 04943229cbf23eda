"""The outbox's file: every SQL statement of it, each a function of the one thread that owns the connection."""

import fcntl
import os
import secrets
import sqlite3
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from services.ingest import backlog, deadletters, errands, pending
from services.ingest.backlog import RegistryRow
from services.ingest.books import Moves, Recount, store_moves
from services.ingest.deadletters import Quota
from services.ingest.errors import OutboxDamaged
from services.ingest.group import Group, Letter
from services.ingest.latest import Checkpoint, Latest
from shared.books import COLUMNS
from shared.process import ExitCode, Refusal
from shared.readings import DeviceStatus, Reading, decode_readings

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
"""
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
        self._books: Moves = Counter()

    def open(self) -> Opened:
        """Raise Refusal when another process has the file, OutboxDamaged when it can't be read."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise Refusal(
                f"{self._path.parent} is in use by another telemetrio: stop it, or give this one its own directory "
                "(--data-dir, TELEMETRIO_DATA_DIR)",
                ExitCode.WRONG_SETTINGS,
            ) from error
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        self.connection = connection
        try:
            connection.execute("PRAGMA page_size=16384")  # bodies are large; counts, like the next, only in a new file
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # COMMIT returns after the fsync: the promise rests on this
            connection.executescript(
                "".join((_SCHEMA, *(each.SCHEMA for each in (deadletters, backlog, pending, errands))))
            )
            self._quota.load(connection)
            return self._read_meta()
        except sqlite3.DatabaseError as error:
            self.close()
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
        return int(pages * one("PRAGMA page_size").fetchone()[0]) - self._quota.payload_bytes

    def rows(self, after: int, max_entries: int) -> list[SpoolRow]:
        """Rows after a seq, in order, up to so many entries (one row at least); raises OutboxDamaged for a bad one."""
        found: list[SpoolRow] = []
        total = 0
        cursor = self.connection.execute(
            "SELECT seq, entries, committed_ns, crc, body, status FROM spool WHERE seq > ? ORDER BY seq LIMIT 1000",
            (after,),
        )
        for seq, entries, committed_ns, crc, body, status in cursor:
            if found and total + entries > max_entries:
                break
            if zlib.crc32(status, zlib.crc32(body)) != crc:
                raise OutboxDamaged(f"{self._path}: the checksum of row {seq} doesn't hold")
            statuses = [DeviceStatus(*each) for each in orjson.loads(status)]
            found.append(SpoolRow(seq, entries, committed_ns, decode_readings(body), statuses, body))
            total += entries
        cursor.close()
        return found

    def recount(self) -> Recount:
        """Count the rows themselves, in one snapshot with the books."""
        row = self.connection.execute(
            f"SELECT (SELECT total(entries) FROM spool) + ({pending.COUNT}), (SELECT total(entries) FROM dead), "
            f"{', '.join(COLUMNS)} FROM books"
        ).fetchone()
        return Recount(Counter(dict(zip(COLUMNS, row[2:], strict=True))), int(row[0]), int(row[1]))

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


def _refused(completions: Sequence[Completion]) -> list[Letter]:
    return [letter for completion in completions for letter in completion.letters]
