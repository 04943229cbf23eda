"""Carries rows from the outbox to the time-series store, oldest first, for as long as it takes."""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from services.ingest.announcer import Announcer
from services.ingest.door import Door
from services.ingest.group import Letter, refused_reading
from services.ingest.outbox import Outbox
from services.ingest.outboxfile import Completion
from shared.health import Health
from shared.readings import ReadingBatch
from shared.timeseries.store import Refused, Sink

_MAX_READINGS: Final = 5_000
_MAX_REMEMBERED: Final = 20_000
_GATHER_S: Final = 0.05
# enough that the store never waits for us, nor all of them for one in its side lane; more would only cost memory
_IN_FLIGHT: Final = 4


class Writer:
    """Several writes at a time. Batches just committed are at hand; what is older is read back from the file.

    Of two readings of one device and moment the last one wins within a write; in two writes that are under way at the
    same time, either may: to keep them apart would cost every reading a look-up, for what no device should send.
    """

    def __init__(self, outbox: Outbox, store: Sink, announcer: Announcer, health: Health) -> None:
        self._outbox = outbox
        self._store = store
        self._announcer = announcer
        self._door = Door(health)
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._recent: deque[ReadingBatch] = deque()
        self._remembered = 0
        self._woken = asyncio.Event()
        # the outbox is open, and nothing of this life is in it yet
        self._taken_seq = outbox.stored_seq
        self._own_from_seq = outbox.last_seq + 1

    def take(self, batch: ReadingBatch) -> None:
        """A batch was committed. While the store is away only so many are remembered; the file has them all."""
        size = len(batch.readings) + len(batch.status)
        if self._remembered + size > _MAX_REMEMBERED:
            self._recent.clear()
            self._remembered = 0
        self._recent.append(batch)
        self._remembered += size
        self._woken.set()

    async def run(self) -> None:
        """Write until cancelled. Rows of an earlier run are announced again: realtime may have missed them."""
        try:
            async with asyncio.TaskGroup() as writes:
                await self._start_writes(writes)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _start_writes(self, writes: asyncio.TaskGroup) -> None:
        """Oldest first; each ends by itself, so that one that is slow, or searched for bad readings, holds up none."""
        while True:
            await self._slots.acquire()
            after = self._taken_seq
            batches = await self._next()
            writes.create_task(self._carry(batches, after), name=f"write of {batches[0].seq}")
            if sum(len(batch.readings) for batch in batches) < _MAX_READINGS // 2:
                await asyncio.sleep(_GATHER_S)  # it keeps up: fewer and larger writes cost the store less

    async def _carry(self, batches: Sequence[ReadingBatch], after: int) -> None:
        """Write until the store has answered; only then, and without an await between, the outbox may forget."""
        entries = sum(len(batch.readings) for batch in batches)
        letters = await self._door.through(partial(self._write, batches)) if entries else []
        self._outbox.complete(Completion([batch.seq for batch in batches], entries, letters), after)
        self._slots.release()

    async def _next(self) -> list[ReadingBatch]:
        """The oldest batches that the store hasn't got, up to _MAX_READINGS readings; waits for one."""
        while True:
            self._woken.clear()
            while self._recent and self._recent[0].seq <= self._taken_seq:
                self._forget()
            if self._recent and self._recent[0].seq == self._taken_seq + 1:
                batches = self._at_hand()
            else:
                batches = await self._from_file()
            if batches:
                self._taken_seq = batches[-1].seq
                return batches
            await self._woken.wait()

    def _forget(self) -> ReadingBatch:
        batch = self._recent.popleft()
        self._remembered -= len(batch.readings) + len(batch.status)
        return batch

    def _at_hand(self) -> list[ReadingBatch]:
        batches = [self._forget()]
        size = len(batches[0].readings)
        while self._recent and size + len(self._recent[0].readings) <= _MAX_READINGS:
            batches.append(self._forget())
            size += len(batches[-1].readings)
        return batches

    async def _from_file(self) -> list[ReadingBatch]:
        if self._taken_seq >= self._outbox.last_seq:
            return []
        rows = await self._outbox.rows(self._taken_seq, _MAX_READINGS)
        batches = [self._outbox.batch(row.seq, row.committed_ns, row) for row in rows]
        for batch in batches:
            if batch.seq < self._own_from_seq:
                self._announcer.announce(batch)
        return batches

    async def _write(self, batches: Sequence[ReadingBatch]) -> list[Letter]:
        """Letters for what the store refused; raises Unavailable."""
        try:
            await self._store.write(batches)
        except Refused as error:
            readings = [reading for batch in batches for reading in batch.readings]
            return [refused_reading(readings[position], reason) for position, reason in error.refused]
        return []
