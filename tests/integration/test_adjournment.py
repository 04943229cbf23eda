"""Devices that nobody has heard of, while the relational database has yet to be read: nothing is refused on a guess."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert

from services.ingest import adjournment as adjournment_module
from services.ingest import mirror as mirror_module
from services.ingest import pending
from services.ingest.assembly import Ingest, Surroundings, open_ingest
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin
from shared.database.tables import devices
from shared.health import Health
from shared.process import run_parts
from tests.fakes.ingest import NOW, Announced, delivery, settings_in
from tests.fakes.store import FailingStore
from tests.peers.waiting import eventually_async

EARLIER = NOW - 3_600 * 10**9


class Running:
    """Ingest that refuses unknown devices; its relational database is away until `bring_database`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._url = f"sqlite+aiosqlite:///{directory / 'away' / 'telemetrio.db'}"
        self.store, self.announced, self.health = FailingStore(), Announced(), Health()
        self.acknowledged: list[int] = []
        self.ingest: Ingest
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._parts: asyncio.Task[None]

    async def start(self) -> None:
        engine = open_engine(self._url)
        self._stack.push_async_callback(engine.dispose)
        around = Surroundings(engine, self.store, self.announced, self.health)
        settings = settings_in(self._directory, unknown_devices="refuse")
        self.ingest = await open_ingest(self._stack, settings, around)
        self._parts = asyncio.create_task(run_parts(self.ingest.parts, self._stop))

    async def stop(self) -> None:
        self._stop.set()
        await self._parts
        await self._stack.aclose()

    async def bring_database(self, *device_ids: str) -> None:
        """All at once it is there, and knows these devices."""
        made = self._directory / "made"
        made.mkdir()
        engine = open_engine(f"sqlite+aiosqlite:///{made / 'telemetrio.db'}")
        await upgrade(engine)
        async with engine.begin() as connection:
            await ensure_local_admin(connection, NOW)
            for device_id in device_ids:
                row = {"name": device_id, "user_id": 1, "profile": "open", "disabled": False, "created_ns": NOW}
                await connection.execute(insert(devices), {"device_id": device_id, **row})
        await engine.dispose()
        made.rename(self._directory / "away")

    def send(self, device_id: str, content: object, received_ns: int = NOW, kind: str = "data") -> None:
        number = len(self.acknowledged)
        self.ingest.intake.offer(
            delivery(device_id, content, received_ns, partial(self.acknowledged.append, number), kind)
        )

    async def book(self, name: str, value: int, acknowledged: int) -> None:
        """Wait until the books say so and so many are acknowledged; the rows agree with them then."""

        async def look() -> bool:
            return self.ingest.outbox.books[name] == value and len(self.acknowledged) == acknowledged

        await eventually_async(look, 10)
        assert (await self.ingest.outbox.recount()).agrees

    async def waiting(self) -> int:
        rows = await self.ingest.outbox.read(lambda connection: connection.execute(pending.COUNT).fetchone())
        return int(rows[0])


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_module, "_EVERY_S", 0.02)
    monkeypatch.setattr(mirror_module, "_RETRY_S", 0.02)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    started = Running(tmp_path)
    await started.start()
    yield started
    await started.stop()


async def test_they_are_acknowledged_and_judged_later_as_of_their_receipt(running: Running) -> None:
    """Each becomes what it would have been: readings, a status, a dead letter; then nothing waits any more."""
    for number in range(3):
        running.send("d1", [{"a": number}, {"a": -number}], EARLIER)
    running.send("d1", {"ts": NOW - 5, "a": 9, "bad": []})
    running.send("d1", b"online", kind="status")
    running.send("d1", b"not json")
    running.send("stranger", {"a": 1})
    await running.book("spooled", 7, acknowledged=7)
    assert running.announced.batches == []
    assert running.health.ready
    assert running.health["registry"].state == "degraded"
    await running.bring_database("d1")
    await running.book("stored", 7, acknowledged=7)
    readings = [reading for batch in running.announced.batches for reading in batch.readings]
    times = [reading.ts_ns for reading in readings]
    assert times[6] == NOW - 5
    assert times[:6] == sorted(set(times[:6]))
    assert EARLIER == times[0] < times[5] < EARLIER + 10_000
    assert {reading.device_id for reading in readings} == {"d1"}
    assert [status.status for batch in running.announced.batches for status in batch.status] == ["online"]
    books = running.ingest.outbox.books
    assert (books["received"], books["spooled"], books["dead_lettered"], books["messages"]) == (9, 0, 2, 6)
    letters = await running.ingest.outbox.read(
        lambda connection: connection.execute("SELECT code, device_id, entries FROM dead ORDER BY letter").fetchall()
    )
    assert letters == [("nested", "d1", 0), ("not_json", "d1", 1), ("unknown_device", "stranger", 1)]
    assert await running.waiting() == 0

    async def told() -> bool:
        topics = [topic for topic, _ in running.ingest.post._waiting]
        return running.health["registry"].state == "ok" and topics == ["iot/devices/d1/errors"]

    await eventually_async(told)


async def test_what_comes_in_afterwards_has_its_own_time(running: Running) -> None:
    """Readings of now are not pushed back by those that were judged late, nor these forward."""
    running.send("d1", {"a": 1}, EARLIER)
    await running.book("spooled", 1, acknowledged=1)
    await running.bring_database("d1")
    await running.book("stored", 1, acknowledged=1)
    running.send("d1", {"a": 2}, NOW)
    running.send("d1", {"a": 3}, NOW)
    await running.book("stored", 3, acknowledged=3)
    readings = [reading for batch in running.announced.batches for reading in batch.readings]
    assert [reading.ts_ns for reading in readings] == [EARLIER, NOW, NOW + 1]


async def test_they_outlive_the_process(tmp_path: Path) -> None:
    """The next life finds them in the file, whether the database is there by then or comes later."""
    first = Running(tmp_path)
    await first.start()
    for number in range(5):
        first.send("d1", {"a": number}, EARLIER + number)
    await first.book("spooled", 5, acknowledged=5)
    await first.stop()
    second = Running(tmp_path)
    await second.start()
    second.send("d1", {"a": 5}, EARLIER + 5)
    await second.book("spooled", 6, acknowledged=1)
    await second.stop()
    third = Running(tmp_path)
    await third.bring_database("d1")
    await third.start()
    await third.book("stored", 6, acknowledged=0)
    readings = [reading for batch in third.announced.batches for reading in batch.readings]
    times = [reading.ts_ns for reading in readings]
    assert times == sorted(set(times))
    assert EARLIER == times[0] < times[5] < EARLIER + 10_000
    assert await third.waiting() == 0
    await third.stop()


async def test_when_too_much_waits_devices_are_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness fails; when the database can be read all of it goes on, and none is there twice."""
    monkeypatch.setattr(adjournment_module, "MAX_BYTES", 1_000)
    running = Running(tmp_path)
    await running.start()
    running.send("d1", {"word": "x" * 1_000})
    await running.book("spooled", 1, acknowledged=1)
    for number in range(10):
        running.send("d1", {"a": number})

    async def unready() -> bool:
        return not running.health.ready

    await eventually_async(unready)
    await running.book("spooled", 1, acknowledged=1)
    await running.bring_database("d1")
    await running.book("stored", 11, acknowledged=11)
    assert await running.waiting() == 0

    async def ready() -> bool:
        return running.health.ready

    await eventually_async(ready)
    await running.stop()
