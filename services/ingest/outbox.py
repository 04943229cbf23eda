"""The outbox: what a device saw acknowledged is in this file, fsynced, until the store has it.

SQLite, one connection, one thread (outboxfile.py holds its SQL). Here is the order of things: a group is one
transaction, completions of earlier groups ride in the next one, and when there is no room nothing is committed.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from services.ingest.backlog import RegistryRow
from services.ingest.ballast import Ballast
from services.ingest.books import Moves, Recount
from services.ingest.errors import OutboxFull
from services.ingest.group import Group
from services.ingest.latest import Latest
from services.ingest.outboxfile import Completion, OutboxFile, SpoolRow, Written, transaction
from services.ingest.settings import IngestSettings
from shared.health import Health
from shared.readings import ReadingBatch

T = TypeVar("T")

_FLUSH_AFTER_S: Final = 0.05
_LOOK_FOR_ROOM_S: Final = 0.5
# what SQLite says of a disk that takes no more, or can't be written at all
_NO_ROOM: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


class Outbox:
    """Made without I/O; `open()` first, `run()` is a part of the process, `close()` last."""

    def __init__(self, settings: IngestSettings, health: Health) -> None:
        self._file = OutboxFile(settings.data_dir / f"{settings.source}.outbox")
        self._ballast = Ballast(settings.data_dir, settings.min_free_disk_mib << 20)
        self._bound = settings.max_outbox_mib << 20
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._health = health
        self._completions: list[Completion] = []
        self._completed = asyncio.Event()
        self._used = 0
        self.source = settings.source
        self.epoch = ""
        self.last_seq = 0
        self.stored_seq = 0
        self.books: Moves = Counter()

    async def open(self) -> None:
        """Make or open the file, alone; raises Refusal when another process has it, OutboxDamaged when it is broken."""
        opened = await self._call(self._file.open)
        self.epoch, self.last_seq, self.stored_seq, self.books = opened
        self._used = await self._call(self._file.used_bytes)
        await self._call(self._ballast.lay)
        self._health.report("outbox", "ok")

    async def commit(
        self, group: Group, latest: Mapping[str, Latest], registered: Iterable[RegistryRow]
    ) -> ReadingBatch | None:
        """Write a group and fsync; None when there is nothing to announce. Raises OutboxFull: nothing is on disk."""
        riding, self._completions = self._completions, []
        try:
            written = await self._call(partial(self._write, group, latest, registered, riding))
        except BaseException:
            self._completions = riding + self._completions
            raise
        self.books, self._used = written.books, written.used_bytes
        if written.seq is None:
            return None
        self.last_seq = written.seq
        return self.batch(written.seq, written.committed_ns, group)

    def _write(
        self,
        group: Group,
        latest: Mapping[str, Latest],
        registered: Iterable[RegistryRow],
        riding: list[Completion],
    ) -> Written:
        """On the outbox's thread."""
        full = self._shortage()
        if full:
            raise OutboxFull(full)
        try:
            return self._file.write(group, latest, registered, riding)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NO_ROOM:
                raise
            self._ballast.give_up()  # so that deleting what was stored can go on
            raise OutboxFull(f"the outbox can't be written: {error}") from error

    def _shortage(self) -> str | None:
        if self._used >= self._bound:
            return f"the outbox holds {self._used >> 20} MiB, TELEMETRIO_MAX_OUTBOX_MIB is {self._bound >> 20}"
        return self._ballast.short()

    async def room(self, reason: OutboxFull) -> None:
        """Return when a group may be tried again; meanwhile nothing is acknowledged, and readiness says why."""
        self._health.report("outbox", "down", str(reason))
        while not await self._call(self._has_room):  # noqa: ASYNC110 - nobody tells when a disk has room again
            await asyncio.sleep(_LOOK_FOR_ROOM_S)
        self._health.report("outbox", "ok")

    def _has_room(self) -> bool:
        self._used = self._file.used_bytes()
        return self._shortage() is None and self._ballast.lay()

    def batch(self, seq: int, committed_ns: int, content: Group | SpoolRow) -> ReadingBatch:
        """The value that is announced for a row."""
        return ReadingBatch(
            self.source, self.epoch, seq, seq - 1, self.stored_seq, committed_ns, content.readings, content.status
        )

    def complete(self, completion: Completion) -> None:
        """The store has answered for these rows, all in order. Written down with the next commit, or soon."""
        self._completions.append(completion)
        self.stored_seq = completion.seqs[-1]
        self._completed.set()

    async def run(self, books_moved: Callable[[], None]) -> None:
        """Write down completions that no commit takes along, and give free pages back when idle."""
        while True:
            await self._completed.wait()
            self._completed.clear()
            await asyncio.sleep(_FLUSH_AFTER_S)
            if self._completions:
                await self.flush()
                books_moved()
                await self._call(self._file.vacuum)

    async def flush(self) -> None:
        """Write down what is complete, in a transaction of its own."""
        riding, self._completions = self._completions, []
        try:
            self.books = await self._call(partial(self._file.flush, riding))
        except BaseException:
            self._completions = riding + self._completions
            raise

    async def rows(self, after: int, max_entries: int) -> list[SpoolRow]:
        """Rows as they were committed, read back; raises OutboxDamaged."""
        return await self._call(partial(self._file.rows, after, max_entries))

    async def recount(self) -> Recount:
        return await self._call(self._file.recount)

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask one of backlog's questions."""
        return await self._call(lambda: question(self._file.connection))

    async def change(self, statements: Callable[[sqlite3.Connection], None]) -> None:
        """Run one of backlog's changes, in a transaction of its own."""

        def work() -> None:
            with transaction(self._file.connection):
                statements(self._file.connection)

        await self._call(work)

    async def close(self) -> None:
        """Write down what is complete, and let go of the file."""
        if self._completions:
            await self.flush()
        await self._call(self._file.close)
        self._thread.shutdown()

    async def _call(self, work: Callable[[], T]) -> T:
        # shielded: a transaction that has begun is finished, and its result known, before a cancellation goes on
        task = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise
