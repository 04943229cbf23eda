"""InfluxDB with a bucket for each user, `{bucket}_{user_id}` (docs/decisions/0013)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple, TypeVar

from shared.readings import Reading, ReadingBatch
from shared.timeseries import influxql, windowql
from shared.timeseries.bucketnames import bucket_name, owners_of
from shared.timeseries.influx import TIMEOUT_S, InfluxStore, ask
from shared.timeseries.influxhttp import InfluxHttp, Target
from shared.timeseries.store import (
    LateQuery,
    LateRange,
    Missing,
    RawPage,
    RawQuery,
    Refused,
    Unavailable,
    WindowQuery,
    WindowSeries,
)

# of one write or question: with some writes in flight this is what keeps InfluxDB busy, and not what buries it
_AT_ONCE: Final = 4

R = TypeVar("R")


class Part(NamedTuple):
    """What of a write is one owner's. `positions`: of its readings, over all batches of the whole."""

    batches: list[ReadingBatch]
    positions: list[int]


class BucketPerUser:
    """A TimeSeriesStore that keeps each owner's readings, and the index of the late ones, in the owner's own bucket.

    It makes none: whoever makes the user does. One that is missing is an outage of every write that needs it; what
    such a write holds of other owners is stored.
    """

    def __init__(self, target: Target, timeout_s: float = TIMEOUT_S) -> None:
        self._target = target
        self._http = InfluxHttp(target, timeout_s)
        self._stores: dict[int, InfluxStore] = {}

    async def write(self, batches: Sequence[ReadingBatch]) -> None:
        parts = parts_of(batches)
        answers = await self._of_each({owner: partial(_write, part) for owner, part in parts.items()})
        refused = sorted(each for answer in answers for each in answer)
        if refused:
            raise Refused(refused)

    async def raw(self, query: RawQuery) -> RawPage:
        """Merged from a page of each: what is among the first of all is among the first of its own."""
        if influxql.is_empty(query):
            return RawPage([], more=False)
        owners = await self._owners(query.user_ids)
        pages = await self._of_each({owner: partial(_raw, replace(query, user_ids=[owner])) for owner in owners})
        found = [reading for page in pages for reading in page.readings]
        found.sort(key=influxql.place, reverse=query.order == "desc")
        more = len(found) > query.limit or any(page.more for page in pages)
        return RawPage(found[: query.limit], more)

    async def newest(self, owner: int, limit: int) -> Sequence[Reading]:
        (found,) = await self._of_each({owner: partial(_newest, owner, limit)})
        return found

    async def windows(self, query: WindowQuery) -> Sequence[WindowSeries]:
        if windowql.is_empty(query):
            return []
        owners = await self._owners(query.user_ids)
        series = await self._of_each({owner: partial(_windows, replace(query, user_ids=[owner])) for owner in owners})
        return sorted(one for each in series for one in each)

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        if influxql.is_empty_late(query):
            return []
        owners = await self._owners(query.user_ids)
        ranges = await self._of_each({owner: partial(_late, replace(query, user_ids=[owner])) for owner in owners})
        return sorted(late for each in ranges for late in each)

    async def ping(self) -> None:
        """By the first bucket that is there: to write to all of them would grow with the number of users."""
        owners = await self._owners(None)
        if not owners:
            raise Missing(f"no bucket {self._target.bucket}_<user id> is there: whoever makes a user makes theirs")
        await self._of_each({owners[0]: InfluxStore.ping})

    async def close(self) -> None:
        await self._http.close()

    async def _owners(self, user_ids: Sequence[int] | None) -> list[int]:
        """Those asked for; for an admin all that have a bucket."""
        if user_ids is not None:
            return list(user_ids)
        try:
            names = influxql.read_databases(await ask(self._http, "", influxql.ASK_DATABASES))
        except influxql.BadAnswer as error:
            raise Unavailable(f"InfluxDB: {error}") from error
        return owners_of(self._target.bucket, names)

    async def _of_each(self, jobs: Mapping[int, Callable[[InfluxStore], Awaitable[R]]]) -> list[R]:
        """What each owner's store says, a few at a time; raises Unavailable.

        A missing bucket keeps nobody else from theirs. After any other outage no more are begun: it is the server's.
        """
        waiting = deque(jobs.items())
        answers: list[R] = []
        outages: list[Unavailable] = []

        async def carry() -> None:
            while waiting:
                owner, job = waiting.popleft()
                try:
                    answers.append(await job(self._store(owner)))
                except Missing as error:
                    outages.append(self._missing(owner, error))
                except Unavailable as error:
                    waiting.clear()
                    outages.insert(0, error)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(waiting))):
                group.create_task(carry())
        if outages:
            raise outages[0]
        return answers

    def _store(self, owner: int) -> InfluxStore:
        if owner not in self._stores:
            self._stores[owner] = InfluxStore(
                replace(self._target, bucket=bucket_name(self._target.bucket, owner)), http=self._http
            )
        return self._stores[owner]

    def _missing(self, owner: int, error: Missing) -> Missing:
        mend = f"create bucket {bucket_name(self._target.bucket, owner)} for user {owner}: ingest makes none"
        return Missing(f"{mend} ({error})", error.retry_after_s)


async def _write(part: Part, store: InfluxStore) -> list[tuple[int, str]]:
    """What was refused, at its position in the whole."""
    try:
        await store.write(part.batches)
    except Refused as error:
        return [(part.positions[position], reason) for position, reason in error.refused]
    return []


async def _raw(query: RawQuery, store: InfluxStore) -> RawPage:
    return await store.raw(query)


async def _newest(owner: int, limit: int, store: InfluxStore) -> Sequence[Reading]:
    return await store.newest(owner, limit)


async def _windows(query: WindowQuery, store: InfluxStore) -> Sequence[WindowSeries]:
    return await store.windows(query)


async def _late(query: LateQuery, store: InfluxStore) -> Sequence[LateRange]:
    return await store.late(query)


def parts_of(batches: Sequence[ReadingBatch]) -> dict[int, Part]:
    """By owner, each with the batches that hold something of theirs, in order."""
    parts: dict[int, Part] = {}
    before = 0
    for batch in batches:
        positions: dict[int, list[int]] = {}
        for position, reading in enumerate(batch.readings):
            positions.setdefault(reading.user_id, []).append(position)
        for owner, own in positions.items():
            part = parts.setdefault(owner, Part([], []))
            # without the row's bytes: they hold everybody's
            part.batches.append(replace(batch, readings=[batch.readings[position] for position in own], body=b"[]"))
            part.positions.extend(before + position for position in own)
        before += len(batch.readings)
    return parts
