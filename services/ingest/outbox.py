"""The outbox: what a device saw acknowledged is in this file, fsynced, until the store has it.

SQLite, one connection, one thread (outboxfile.py has its transactions). Here is the order of things: a group is one
transaction, completions of earlier groups ride in the next one, and when there is no room nothing is committed.
"""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeVar

import structlog

from services.ingest.backlog import RegistryRow
from services.ingest.ballast import Ballast
from services.ingest.books import Moves, Recount
from services.ingest.errors import OutboxFull, RowDamaged
from services.ingest.group import Group
from services.ingest.latency import Latency
from services.ingest.latest import Checkpoint, LatestBoard
from services.ingest.outboxfile import Completion, OutboxFile, SpoolRow, Written, riding, transaction
from services.ingest.progress import Progress
from services.ingest.settings import IngestSettings
from services.ingest.thread import OneThread
from shared.health import Health
from shared.readings import ReadingBatch

T = TypeVar("T")

log = structlog.get_logger()

_CHECKPOINT_EVERY_S: Final = 0.5
# longer: what the checkpoint of a commit under way says would be written a second time
_FLUSH_AFTER_S: Final = 0.6
_LOOK_FOR_ROOM_S: Final = 0.5


class Outbox:
    """Made without I/O; `open()` first, `run()` is a part of the process, `close()` last."""

    def __init__(self, settings: IngestSettings, health: Health) -> None:
        self._file = OutboxFile(settings.data_dir / f"{settings.source}.outbox", settings.max_dead_letters_mib << 20)
        self._ballast = Ballast(settings.data_dir, settings.min_free_disk_mib << 20)
        self._bound = settings.max_outbox_mib << 20
        self._thread = OneThread("outbox")
        self._health = health
        self._completions: list[Completion] = []
        self._progress = Progress()
        self._completed = asyncio.Event()
        self._used = 0
        self._no_room = False
        self._checkpoint_s = 0.0
        self.board = LatestBoard()
        self.latency = Latency()
        self.source = settings.source
        self.epoch = ""
        self.last_seq = 0
        self.books: Moves = Counter()

    async def open(self) -> None:
        """Make or open the file, alone; raises Refusal when another process has it. A damaged one is mended, loudly."""
        opened = await self._call(self._file.open)
        self.epoch, self.last_seq, stored_seq, self.books, saved_seq, latest = opened
        self._progress = Progress(stored_seq)
        self.board.load(latest, saved_seq)
        while self.board.seq < self.last_seq and (rows := await self.rows(self.board.seq, 20_000)):
            for row in rows:
                self.board.take(row.seq, row.readings, row.status, row.committed_ns)
        self.board.seq = self.last_seq
        self._used = await self._call(self._file.used_bytes)
        await self._call(self._ballast.lay)
        self._health.report("outbox", "ok")
        if self._file.isolated is not None:
            self._health.report("outbox_file", "degraded", str(self._file.isolated), needed=False)

    async def commit(self, group: Group, registered: Iterable[RegistryRow]) -> ReadingBatch | None:
        """Write a group and fsync; None when there is nothing to announce. Raises OutboxFull: nothing is on disk."""
        checkpoint = self._due_checkpoint()
        written = await self._call(partial(self._write, group, registered, checkpoint))
        if self._no_room:
            self._no_room = False
            self._health.report("outbox", "ok")
        if checkpoint is not None:
            self.board.saved(checkpoint)
        if written.seq is None:
            return None
        self.board.take(written.seq, group.readings, group.status, group.received_ns)
        return self.batch(written.seq, written.committed_ns, group)

    def _due_checkpoint(self) -> Checkpoint | None:
        """Twice a second: it costs a row for each device that said something, as often as it is written down."""
        return self._checkpoint() if self._due and (self._completions or self.board.unsaved) else None

    @property
    def _due(self) -> bool:
        return time.monotonic() - self._checkpoint_s >= _CHECKPOINT_EVERY_S

    def _checkpoint(self) -> Checkpoint:
        self._checkpoint_s = time.monotonic()
        return self.board.checkpoint()

    def _write(self, group: Group, registered: Iterable[RegistryRow], checkpoint: Checkpoint | None) -> Written:
        """On the outbox's thread, which alone moves books and completions: a cancelled commit is still a commit."""
        # what only makes room is always let in, as far as the disk allows
        full = self._ballast.short() if group.gone and not group.readings else self._shortage()
        if full is not None:
            raise OutboxFull(full)
        going = riding(self._completions, checkpoint)
        written = self._ballast.room_for(partial(self._file.write, group, registered, going, checkpoint))
        del self._completions[: len(going)]
        self.books, self._used = written.books, written.used_bytes
        self.last_seq = written.seq or self.last_seq
        return written

    def _shortage(self) -> str | None:
        if self._used >= self._bound:
            return f"the outbox holds {self._used >> 20} MiB, TELEMETRIO_MAX_OUTBOX_MIB is {self._bound >> 20}"
        return self._ballast.short()

    async def room(self, reason: OutboxFull) -> None:
        """Return when a group may be tried again; until one is committed, readiness says why.

        It waits once at least: what a disk refuses although it seems to have room must not be tried without a pause,
        and deletions have the room of the ballast meanwhile.
        """
        self._no_room = True
        self._health.report("outbox", "down", str(reason))
        while True:
            await asyncio.sleep(_LOOK_FOR_ROOM_S)
            if await self._call(self._has_room):
                return

    def _has_room(self) -> bool:
        try:
            self._file.shrink()  # before the ballast is laid again: the log may need its room to be put into the file
            self._used = self._file.used_bytes()
        except sqlite3.OperationalError:
            return False
        return self._shortage() is None

    def batch(self, seq: int, committed_ns: int, content: Group | SpoolRow) -> ReadingBatch:
        """The value that is announced for a row."""
        readings, status, body = content.readings, content.status, content.body
        return ReadingBatch(
            self.source, self.epoch, seq, seq - 1, self.stored_seq, committed_ns, readings, status, body
        )

    @property
    def stored_seq(self) -> int:
        return self._progress.seq

    def standing(self) -> ReadingBatch:
        """An empty batch that says how far everything has come."""
        seq = self.last_seq
        return ReadingBatch(self.source, self.epoch, seq, seq, self.stored_seq, time.time_ns())

    def complete(self, completion: Completion, after: int | None = None) -> None:
        """The store has answered for these rows. Written down with the next commit, or soon.

        `after`: the seq up to which rows were taken before these, where rows between are gone already.
        """
        self._completions.append(completion)
        self._progress.answer(completion.seqs[0] - 1 if after is None else after, completion.seqs[-1])
        self._completed.set()

    async def run(self, books_moved: Callable[[], None]) -> None:
        """Write down completions that no commit takes along, and give free pages back when idle."""
        while True:
            await self._completed.wait()
            self._completed.clear()
            await asyncio.sleep(max(_CHECKPOINT_EVERY_S, self._checkpoint_s + _FLUSH_AFTER_S - time.monotonic()))
            try:
                if self._completions and self._due:
                    await self.flush()
                    books_moved()
                vacuum = partial(self._ballast.room_for, self._file.vacuum)
                while await self._call(vacuum) and not self._completed.is_set():
                    pass
            except OutboxFull as full:
                log.warning("outbox_full", reason=str(full))
                await asyncio.sleep(_LOOK_FOR_ROOM_S)
            if self._completions:
                self._completed.set()  # they are tried again; without them there will never be room

    async def flush(self) -> None:
        """Write down what is complete, in a transaction of its own; raises OutboxFull."""
        await self._call(partial(self._flush, checkpoint := self._checkpoint()))
        self.board.saved(checkpoint)

    def _flush(self, checkpoint: Checkpoint) -> None:
        going = riding(self._completions, checkpoint)
        try:
            self.books = self._ballast.room_for(partial(self._file.flush, going, checkpoint))
        except OutboxFull:  # now that the ballast has made room for it
            self.books = self._ballast.room_for(partial(self._file.flush, going, checkpoint))
        del self._completions[: len(going)]

    async def rows(self, after: int, max_entries: int) -> list[SpoolRow]:
        """Rows as they were committed, read back; damaged ones are put out of the way, loudly."""
        while True:
            try:
                return await self._call(partial(self._file.rows, after, max_entries))
            except RowDamaged as damaged:
                log.error("row_damaged", seq=damaged.seq)  # noqa: TRY400 - where it was found says nothing
                self._health.report("outbox_file", "degraded", str(damaged), needed=False)
                await self._call(partial(self._isolate, damaged.seq))

    def _isolate(self, seq: int) -> None:
        try:
            self.books = self._ballast.room_for(partial(self._file.isolate, seq))
        except OutboxFull:
            time.sleep(_LOOK_FOR_ROOM_S)  # it is found again, and the ballast may have made room by then

    async def recount(self) -> Recount:
        return await self._call(self._file.recount)

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the file something: backlog, deadletters, errands, filters and pending have questions."""
        return await self._call(lambda: question(self._file.connection))

    async def change(self, statements: Callable[[sqlite3.Connection], None]) -> None:
        """Run a change of theirs, in a transaction of its own; raises OutboxFull."""

        def work() -> None:
            with transaction(self._file.connection):
                statements(self._file.connection)

        await self._call(partial(self._ballast.room_for, work))

    async def settle(self) -> None:
        """Write down what is complete, if the disk takes it: else the next start writes the same points once more."""
        if self._completions:
            try:
                await self.flush()
            except OutboxFull as full:
                log.warning("outbox_full", reason=str(full))

    async def close(self) -> None:
        """Settle, and let go of the file."""
        try:
            await self.settle()
        finally:
            await self._call(self._file.close)
            self._thread.close()

    async def _call(self, work: Callable[[], T]) -> T:
        return await self._thread.call(work)
