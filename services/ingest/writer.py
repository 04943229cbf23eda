"""Carries rows from the outbox to the time-series store, oldest first, for as long as it takes."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from services.ingest.announcer import Announcer
from services.ingest.group import Letter, refused_reading
from services.ingest.outbox import Outbox
from services.ingest.outboxfile import Completion
from shared.health import Health
from shared.readings import Reading, ReadingBatch
from shared.timeseries.store import Refused, TimeSeriesStore, Unavailable

log = structlog.get_logger()

_MAX_READINGS: Final = 5_000
_MAX_REMEMBERED: Final = 20_000
_GATHER_S: Final = 0.05
_BACKOFF_S: Final = (1.0, 30.0)
_LONGEST_WAIT_S: Final = 300.0


class Writer:
    """One write at a time. Batches just committed are at hand; what is older is read back from the file."""

    def __init__(self, outbox: Outbox, store: TimeSeriesStore, announcer: Announcer, health: Health) -> None:
        self._outbox = outbox
        self._store = store
        self._announcer = announcer
        self._health = health
        self._recent: deque[ReadingBatch] = deque()
        self._remembered = 0
        self._woken = asyncio.Event()
        self._taken_seq = 0
        self._own_from_seq = 0

    def take(self, batch: ReadingBatch) -> None:
        """A batch was committed. While the store is away only so many are remembered; the file has them all."""
        if self._remembered + len(batch.readings) > _MAX_REMEMBERED:
            self._recent.clear()
            self._remembered = 0
        self._recent.append(batch)
        self._remembered += len(batch.readings)
        self._woken.set()

    async def run(self) -> None:
        """Write until cancelled. Rows of an earlier run are announced again: realtime may have missed them."""
        self._taken_seq = self._outbox.stored_seq
        self._own_from_seq = self._outbox.last_seq + 1
        while True:
            batches = await self._next()
            readings = [reading for batch in batches for reading in batch.readings]
            letters = await self._write(batches, readings) if readings else []
            self._outbox.complete(Completion([batch.seq for batch in batches], len(readings), letters))
            if len(readings) < _MAX_READINGS // 2:
                await asyncio.sleep(_GATHER_S)  # it keeps up: fewer and larger writes cost the store less

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
        self._remembered -= len(batch.readings)
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

    async def _write(self, batches: Sequence[ReadingBatch], readings: Sequence[Reading]) -> list[Letter]:
        """Write until the store has answered for every reading; returns letters for those that it refused."""
        low, high = _BACKOFF_S
        longest = low
        while True:
            try:
                await self._store.write(batches)
            except Unavailable as error:
                self._health.report("store", "down", str(error), needed=False)
                wait = random.uniform(0, longest)  # noqa: S311 - full jitter, nobody gains by guessing it
                await asyncio.sleep(min(max(wait, error.retry_after_s or 0), _LONGEST_WAIT_S))
                longest = min(longest * 2, high)
            except Refused as error:
                self._health.report("store", "ok", needed=False)
                return [refused_reading(readings[position], reason) for position, reason in error.refused]
            else:
                self._health.report("store", "ok", needed=False)
                return []
