"""A simulated installation: ingests with clocks of their own, a store that is away at times, a feed that loses some.

Everything happens on the loop's clock, so in a simulated one hours are seconds. What was committed is remembered with
the true time, so that a test can say what a client must have got.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.realtime.selection import UserIds
from shared.readings import Reading, ReadingBatch
from shared.times import iso_ns
from shared.timeseries.late import late_ranges
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery, Unavailable
from tests.fakes.simulatedtime import lapse

SECOND: Final = 1_000_000_000
NOON: Final = 1_767_268_800 * SECOND
MAX_AHEAD_S: Final = 250.0

Unit = tuple[str, str, str]
"""(device, time, metric): what may come in parts, and must come once."""


class Truth(NamedTuple):
    """A unit as it was committed. `place`: in which file of its ingest, counted from 0, and its seq there."""

    unit: Unit
    owner: int
    true_s: float
    place: tuple[int, int]


@dataclass
class Archive:
    """Store and registry as realtime sees them; `away`: nothing is read or written."""

    rng: random.Random
    points: dict[str, dict[tuple[int, str, int], Reading]] = field(default_factory=dict)
    noted: list[tuple[int, LateRange]] = field(default_factory=list)
    away: bool = False

    async def write(self, batches: Sequence[ReadingBatch]) -> bool:
        await self._answer()
        if self.away:
            return False
        for batch in batches:
            for reading in batch.readings:
                own = self.points.setdefault(reading.device_id, {})
                key = reading.ts_ns, reading.measurement, reading.user_id
                before = own.get(key)
                own[key] = reading if before is None else reading._replace(values=before.values | reading.values)
            self.noted += [(batch.committed_ns, one) for one in late_ranges(batch.readings, batch.committed_ns)]
        return True

    async def raw(self, query: RawQuery) -> RawPage:
        await self._answer()
        if self.away:
            raise Unavailable("away")
        own = self.points.get(query.device_id, {})
        keys = sorted(
            key
            for key in own
            if query.start_ns <= key[0] < query.end_ns
            and (query.user_ids is None or key[2] in query.user_ids)
            and (query.after is None or key > query.after)
        )
        return RawPage([own[key] for key in keys[: query.limit]], more=len(keys) > query.limit)

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        await self._answer()
        if self.away:
            raise Unavailable("away")
        found: dict[tuple[str, int], LateRange] = {}
        for committed_ns, one in self.noted:
            owned = query.user_ids is None or one.user_id in query.user_ids
            if owned and query.start_ns <= committed_ns < query.end_ns:
                seen = found.get(one[:2], one)
                start_ns, end_ns = min(seen.start_ns, one.start_ns), max(seen.end_ns, one.end_ns)
                found[one[:2]] = LateRange(*one[:2], start_ns, end_ns, seen.number + one.number)
        return sorted(found.values())

    async def devices(self, user_ids: UserIds) -> Sequence[str]:
        owners = {device: next(iter(own))[2] for device, own in self.points.items()}
        return [device for device, owner in owners.items() if user_ids is None or owner in user_ids]

    async def _answer(self) -> None:
        await lapse(self.rng.uniform(0.001, 0.6))


class Device(NamedTuple):
    """`ahead_s`: its clock's error; `late`: the share of readings that it keeps back for minutes."""

    device_id: str
    owner: int
    ahead_s: float
    late: float


class Feed:
    """The broker between one ingest and realtime: in order, a moment later, and sometimes not at all."""

    def __init__(self, rng: random.Random, deliver: Callable[[ReadingBatch], None], lost: float) -> None:
        self._rng = rng
        self._deliver = deliver
        self._lost = lost
        self._due_s = 0.0
        self.cut = False

    def send(self, batch: ReadingBatch) -> None:
        if self.cut or self._rng.random() < self._lost:
            return
        loop = asyncio.get_running_loop()
        self._due_s = max(self._due_s, loop.time() + self._rng.expovariate(20))
        loop.call_at(self._due_s, self._deliver, batch)


class Ingest:
    """Commits, announces, writes to the store; `clock_s`: its host's clock is wrong by so much."""

    def __init__(self, name: str, devices: Sequence[Device], archive: Archive, feed: Feed, clock_s: float) -> None:
        self.name = name
        self.epochs = ["e1"]
        self.seq = self.stored_seq = 0
        self.running = True
        self.truths: list[Truth] = []
        self._devices = devices
        self._archive = archive
        self._feed = feed
        self._clock_ns = int(clock_s * SECOND)
        self._rng = random.Random(name)
        self._rows: deque[ReadingBatch] = deque()
        self._own_from = 0
        self._numbers = iter(range(1, 10**9))
        self._said_s = 0.0

    @property
    def epoch(self) -> str:
        return self.epochs[-1]

    async def run(self, until: Callable[[], bool]) -> None:
        """Commit until told otherwise; write for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write())
            group.create_task(self._beat())
            while not until():
                await lapse(self._rng.expovariate(2))
                if self.running:
                    self._commit()

    async def restart(self, seconds: float) -> None:
        """Killed, perhaps between a commit and its announcement; rows that are not stored are announced again."""
        if self._rng.random() < 0.5:
            self._commit(announced=False)
        self.running = False
        await lapse(seconds)
        self._own_from = self.seq + 1
        if not self._rows and self._rng.random() < 0.3:
            self.epochs.append(f"e{len(self.epochs) + 1}")  # a new file, in the place of one that held nothing more
            self.seq = self.stored_seq = self._own_from = 0
        self.running = True

    def _now_ns(self) -> int:
        return NOON + int(asyncio.get_running_loop().time() * SECOND) + self._clock_ns

    def _commit(self, *, announced: bool = True) -> None:
        now_ns = self._now_ns()
        readings = [one for _ in range(self._rng.randint(1, 4)) for one in self._said(self._rng.choice(self._devices))]
        self.seq += 1
        batch = ReadingBatch(self.name, self.epoch, self.seq, self.seq - 1, self.stored_seq, now_ns, readings)
        self._rows.append(batch)
        true_s = asyncio.get_running_loop().time()
        for one in readings:
            units = [(one.device_id, iso_ns(one.ts_ns), metric) for metric in one.values]
            place = len(self.epochs) - 1, self.seq
            self.truths += [Truth(unit, one.user_id, true_s, place) for unit in units]
        if announced:
            self._announce(batch)

    def _said(self, device: Device) -> Iterator[Reading]:
        true_ns = NOON + int(asyncio.get_running_loop().time() * SECOND)
        kept_s = self._rng.uniform(30, 3_000) if self._rng.random() < device.late else 0.0
        # no two readings of a device at one moment, but for those that are sent in parts
        ts_ns = true_ns + int((device.ahead_s - kept_s) * SECOND) // 1_000_000 * 1_000_000 + next(self._numbers)
        yield Reading(device.device_id, device.owner, "m", ts_ns, {"a": float(ts_ns % 97)})
        if self._rng.random() < 0.05:
            yield Reading(device.device_id, device.owner, "m", ts_ns, {"b": float(ts_ns % 89)})

    def _announce(self, batch: ReadingBatch) -> None:
        self._said_s = asyncio.get_running_loop().time()
        self._feed.send(batch)

    async def _beat(self) -> None:
        while True:
            await lapse(0.3)
            if self.running and asyncio.get_running_loop().time() - self._said_s >= 0.9:
                seq = self.seq
                self._announce(ReadingBatch(self.name, self.epoch, seq, seq, self.stored_seq, self._now_ns()))

    async def _write(self) -> None:
        while True:
            await lapse(self._rng.uniform(0.02, 0.4))
            if not (self.running and self._rows):
                continue
            batches = list(self._rows)[:20]
            for batch in batches:
                if batch.seq < self._own_from:
                    self._announce(batch)
            self._own_from = max(self._own_from, 0)
            epoch = self.epoch
            if await self._archive.write(batches) and self.running and self.epoch == epoch:
                for batch in batches:
                    self._rows.remove(batch)
                self.stored_seq = batches[-1].seq
