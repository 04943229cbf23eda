"""What the store has of the time that a client was away: asked device by device, bounded, once for equal questions."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from services.realtime.errors import HistoryUnavailable, TooMuchHistory
from services.realtime.selection import UserIds
from shared.readings import Reading
from shared.times import MAX_NS
from shared.timeseries.late import LATE_NS
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery, Unavailable

_PAGE: Final = 5_000
_ASKED_AT_ONCE: Final = 4
_RESUMES_AT_ONCE: Final = 8
# questions that differ by less than this are one question: clients that were cut off together come back together
_SHARED_NS: Final = 5_000_000_000


class Archive(Protocol):
    """What is needed of the store and the relational database; raises Unavailable or HistoryUnavailable."""

    async def raw(self, query: RawQuery) -> RawPage: ...

    async def late(self, query: LateQuery) -> Sequence[LateRange]: ...

    async def devices(self, user_ids: UserIds) -> Sequence[str]:
        """Every device that has, or had, readings of these owners."""


class Wanted(NamedTuple):
    """Whose readings, of which devices (None: all), from when on.

    `committed`: `from_ns` is when they were committed, else their own time.
    """

    user_ids: UserIds
    device_ids: frozenset[str] | None
    from_ns: int
    committed: bool


class Replay:
    """At most so many at once, each within `timeout_s` and `max_points`: live sessions feel nothing of a slow store."""

    def __init__(self, archive: Archive, max_points: int, timeout_s: float) -> None:
        self._archive = archive
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(_RESUMES_AT_ONCE)
        self._asked: dict[Wanted, asyncio.Task[list[Reading]]] = {}
        self.max_points = max_points
        self.asked = 0

    async def __call__(self, wanted: Wanted) -> list[Reading]:
        """In no order. Raises HistoryUnavailable, TooMuchHistory."""
        if wanted.committed:
            wanted = wanted._replace(from_ns=wanted.from_ns - wanted.from_ns % _SHARED_NS)
        task = self._asked.get(wanted)
        if task is None:
            task = self._asked[wanted] = asyncio.create_task(self._read(wanted), name="replay")
            task.add_done_callback(lambda done: self._answered(wanted, done))
        return await asyncio.shield(task)  # one client that leaves must not cancel the others' question

    def _answered(self, wanted: Wanted, task: asyncio.Task[list[Reading]]) -> None:
        del self._asked[wanted]
        if not task.cancelled():
            task.exception()  # everybody who asked may be gone

    async def _read(self, wanted: Wanted) -> list[Reading]:
        self.asked += 1
        try:
            async with self._turns, asyncio.timeout(self._timeout_s):
                return await self._collect(wanted)
        except (Unavailable, TimeoutError) as error:
            raise HistoryUnavailable(str(error) or "the store took too long") from error

    async def _collect(self, wanted: Wanted) -> list[Reading]:
        queries = iter(await self._queries(wanted))
        found: list[Reading] = []

        async def ask() -> None:
            for query in queries:  # shared: each takes what is next
                await self._pages(query, found)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_ASKED_AT_ONCE):
                    group.create_task(ask(), name="replay_device")
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return found

    async def _queries(self, wanted: Wanted) -> list[RawQuery]:
        """Each device from some time on; and what was late, further back."""
        user_ids = None if wanted.user_ids is None else sorted(wanted.user_ids)
        device_ids = wanted.device_ids
        if device_ids is None:
            device_ids = frozenset(await self._archive.devices(wanted.user_ids))
        begin = wanted.from_ns - LATE_NS if wanted.committed else wanted.from_ns
        ranges = [(device_id, begin, MAX_NS) for device_id in sorted(device_ids)]
        if wanted.committed:
            ranges += [
                (late.device_id, late.start_ns, min(late.end_ns, begin))
                for late in await self._archive.late(LateQuery(user_ids, wanted.from_ns, MAX_NS))
                if late.device_id in device_ids and late.start_ns < begin
            ]
        return [RawQuery(device_id, user_ids, start, end, _PAGE) for device_id, start, end in ranges]

    async def _pages(self, query: RawQuery, found: list[Reading]) -> None:
        while True:
            page = await self._archive.raw(query)
            found.extend(page.readings)
            if len(found) > self.max_points:
                raise TooMuchHistory
            if not page.more:
                return
            last = page.readings[-1]
            query = replace(query, after=(last.ts_ns, last.measurement, last.user_id))
