"""A time-series store that fails on demand, and otherwise remembers what it was given."""

import asyncio
from collections import deque
from collections.abc import Sequence

from shared.readings import Reading, ReadingBatch
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery, StoreError, WindowQuery, WindowSeries


class FailingStore:
    """`failures`: what the next writes raise, one each; `given`: every write, also those that failed.

    `held`: devices whose writes wait for an event, each of its own; `never`: devices whose writes fail.
    """

    def __init__(self, *failures: StoreError) -> None:
        self.failures = deque(failures)
        self.down: StoreError | None = None
        self.given: list[list[Reading]] = []
        self.stored: dict[tuple[str, str, int, int], dict[str, object]] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.never: dict[str, StoreError] = {}
        self.under_way = 0
        self.most_under_way = 0
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, batches: Sequence[ReadingBatch]) -> None:
        """Wait while `open` is cleared; raise what is due; store all otherwise, as a real store does: by identity."""
        readings = [reading for batch in batches for reading in batch.readings]
        self.given.append(readings)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.open.wait()
            await self._answer(readings)
        finally:
            self.under_way -= 1

    async def _answer(self, readings: Sequence[Reading]) -> None:
        devices = {reading.device_id for reading in readings}
        for device_id in devices & self.held.keys():
            await self.held[device_id].wait()
        if self.down is not None:
            raise self.down
        if self.failures:
            raise self.failures.popleft()
        for device_id in devices & self.never.keys():
            raise self.never[device_id]
        for device_id, user_id, measurement, ts_ns, values in readings:
            self.stored.setdefault((measurement, device_id, user_id, ts_ns), {}).update(values)

    async def raw(self, query: RawQuery) -> RawPage:
        raise NotImplementedError

    async def newest(self, owner: int, limit: int) -> Sequence[Reading]:
        raise NotImplementedError

    async def windows(self, query: WindowQuery) -> Sequence[WindowSeries]:
        raise NotImplementedError

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        raise NotImplementedError

    async def ping(self) -> None:
        if self.down is not None:
            raise self.down

    async def close(self) -> None:
        return
