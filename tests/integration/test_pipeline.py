"""The whole of ingest on real files: in what order things happen to a message, and that none may happen earlier."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from services.ingest import outbox as outbox_module
from services.ingest.assembly import Ingest, Surroundings, open_ingest
from services.ingest.complaints import Complaints
from services.ingest.delivery import Delivery, Message
from services.ingest.group import Letter
from services.ingest.outboxfile import OutboxFile, Written
from services.ingest.pipeline import Pipeline
from services.ingest.registry import Device
from shared.commands import Command, Import
from shared.database.engine import open_engine
from shared.database.registry import ensure_local_admin
from shared.health import Health
from shared.process import run_parts
from shared.profiles import KNEE, OPEN
from shared.readings import Reading, ReadingBatch
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import LateQuery, RawQuery, Unavailable
from shared.topics import control_answer_topic, control_topic
from telemetrio.commander import DirectCommander
from tests.fakes.ingest import NOW, Announced, delivery, nothing, settings_in
from tests.fakes.store import FailingStore
from tests.peers.tables import file_with_tables
from tests.peers.waiting import eventually_async


class Running:
    """Ingest with its parts running, on a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.announced = Announced()
        self.health = Health()
        self.store: SqliteStore | FailingStore = FailingStore()
        self.ingest: Ingest
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._parts: asyncio.Task[None]

    async def start(self) -> None:
        engine = open_engine(file_with_tables(self.directory / "telemetrio.db"))
        self._stack.push_async_callback(engine.dispose)
        async with engine.begin() as connection:
            await ensure_local_admin(connection, NOW)
        if isinstance(self.store, SqliteStore):
            await self.store.open()
        self._stack.push_async_callback(self.store.close)
        around = Surroundings(engine, self.store, self.announced, self.health)
        self.ingest = await open_ingest(self._stack, settings_in(self.directory), around)
        self._parts = asyncio.create_task(run_parts(self.ingest.parts, self._stop))

    async def stop(self) -> None:
        self._stop.set()
        await self._parts
        await self._stack.aclose()

    def send(self, content: object, ack: Callable[[], None], device_id: str = "d1") -> None:
        self.ingest.intake.offer(delivery(device_id, content, ack=ack))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    started = Running(tmp_path)
    await started.start()
    yield started
    await started.stop()


async def test_puback_leaves_only_after_the_commit(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a device is told, another connection sees its row in the file; live is told after that, never before."""
    events: list[str] = []
    original = OutboxFile.write

    def write(file: OutboxFile, *given: object) -> Written:
        written = original(file, *given)  # type: ignore[arg-type] # passed on as they came
        events.append("committed")
        return written

    def announce(batch: ReadingBatch) -> None:
        events.append(f"announced {batch.seq}")

    monkeypatch.setattr(OutboxFile, "write", write)
    monkeypatch.setattr(running.announced, "announce", announce)
    for number in range(3):
        done = asyncio.Event()

        def ack(number: int = number, done: asyncio.Event = done) -> None:
            events.append(f"acknowledged {number}")
            done.set()

        running.send({"a": number}, ack)
        async with asyncio.timeout(5):
            await done.wait()
    assert isinstance(getattr(running.ingest.parts[-2].run, "__self__", None), Pipeline)
    assert events[:8] == [
        *("committed", "acknowledged 0", "announced 1"),
        *("committed", "acknowledged 1", "announced 2"),
        *("committed", "acknowledged 2"),
    ]


async def test_messages_are_acknowledged_in_order_each_once_whatever_became_of_them(running: Running) -> None:
    """Good, bad, ignored and status messages alike: a device never waits for ever, and never resends poison."""
    order: list[int] = []
    contents: list[object] = [{"a": 1}, b"not json", b"", {"a": []}, [], b"\xff" * 70_000, {"a": 2}, b"\xed\xa0\x80"]
    contents += [b'{"\\ud800": 1, "\\u0000": 2}', [{"a": 1}] * 1_000]
    for number, content in enumerate(contents * 20):
        running.send(content, partial(order.append, number), f"d{number % 3}")

    async def all_of_them() -> bool:
        return len(order) == len(contents) * 20

    await eventually_async(all_of_them, 10)
    assert order == list(range(len(contents) * 20))
    recount = await running.ingest.outbox.recount()
    assert recount.agrees, recount
    assert recount.books["messages"] == len(order)


async def test_a_command_keeps_its_place_among_messages(running: Running) -> None:
    """What came before it is on disk before it is carried out, what came after it afterwards; and so it is told."""
    outbox, acks = running.ingest.outbox, list[tuple[int, int, int]]()
    commands = [
        Command(command_id=f"command-{number}", action="discard", epoch=outbox.epoch, letters=(1, 2, 3))
        for number in range(2)
    ]
    bad = ("iot/devices/d1/data", b"bad")
    one, two = ((control_topic("ingest"), command.model_dump_json().encode()) for command in commands)

    def ack(count: int) -> None:
        acks.append((count, outbox.books["discarded"], outbox.books["dead_lettered"]))

    running.ingest.intake.offer(Delivery([bad, one, two, bad, bad], NOW, ack))

    async def told() -> bool:
        topics = [topic for topic, _ in running.ingest.post._waiting]
        return len(acks) == 4 and topics.count(control_answer_topic("ingest")) == 2

    await eventually_async(told)
    assert acks == [(1, 0, 1), (1, 1, 0), (1, 1, 0), (2, 1, 2)]
    assert outbox.books["messages"] == 3


async def test_what_is_driven_again_is_announced_and_no_device_hears_of_it_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes the way of all readings; what is still refused was told when it came."""
    heard = list[Letter]()
    monkeypatch.setattr(Complaints, "hear", lambda _, letters: heard.extend(letters))
    devices = running.ingest.mirror._registry._devices
    devices["d1"] = Device(1, KNEE)
    running.send([{"w": 1}, {"w": []}], nothing)

    async def refused() -> bool:
        return running.ingest.outbox.books["dead_lettered"] == 2 and bool(heard)

    await eventually_async(refused)
    devices["d1"] = Device(1, OPEN)
    command = Command(command_id="command-1", action="redrive", epoch=running.ingest.outbox.epoch, letters=(1,))
    await DirectCommander(running.ingest.intake, "ingest").command("ingest", command)
    assert [reading.values for batch in running.announced.batches for reading in batch.readings] == [{"w": 1.0}]
    assert running.ingest.outbox.books["redriven"] == 2
    assert [letter.kind for letter in heard] == ["message"]


async def test_while_there_is_no_room_nothing_is_acknowledged(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message waits, readiness fails; when there is room it is committed once and acknowledged."""
    monkeypatch.setattr(outbox_module, "_LOOK_FOR_ROOM_S", 0.01)
    outbox = running.ingest.outbox
    monkeypatch.setattr(outbox._ballast, "_min_free", 2**60)
    acknowledged: list[int] = []
    for number in range(3):
        running.send({"a": number}, partial(acknowledged.append, number))

    async def unready() -> bool:
        return not running.health.ready

    await eventually_async(unready)
    assert acknowledged == []
    assert running.announced.batches == []
    assert outbox.last_seq == 0
    monkeypatch.setattr(outbox._ballast, "_min_free", 0)

    async def all_three() -> bool:
        return acknowledged == [0, 1, 2] and running.health.ready

    await eventually_async(all_three)
    assert outbox.books["received"] == 3


async def test_a_message_goes_all_the_way_and_survives_a_restart(tmp_path: Path) -> None:
    """Store away: acknowledged and kept. Next life, store back: stored once, announced again, books balanced."""
    first = Running(tmp_path)
    assert isinstance(first.store, FailingStore)
    first.store.down = Unavailable("away", 300.0)
    await first.start()
    done = asyncio.Event()
    first.send([{"ts": NOW - 1, "a": 1}, {"ts": NOW, "a": 2}], done.set)
    async with asyncio.timeout(5):
        await done.wait()
    await first.stop()
    second = Running(tmp_path)
    second.store = SqliteStore(tmp_path / "readings.db")
    await second.start()

    async def stored() -> bool:
        return second.ingest.outbox.books["stored"] == 2

    await eventually_async(stored)
    page = await second.store.raw(RawQuery("d1", [1], 0, 2**63 - 1, 10))
    assert [reading.values for reading in page.readings] == [{"a": 1.0}, {"a": 2.0}]
    assert second.announced.seqs == [1]
    assert (await second.ingest.outbox.recount()).agrees
    await second.stop()


async def test_stopping_in_the_middle_leaves_books_that_balance(tmp_path: Path) -> None:
    """SIGTERM under load, again and again: what was acknowledged is in the file or in the store, counted once."""
    acknowledged = 0

    def ack() -> None:
        nonlocal acknowledged
        acknowledged += 1

    for life in range(5):
        running = Running(tmp_path)
        running.store = SqliteStore(tmp_path / "readings.db")
        await running.start()
        for number in range(200):
            running.send({"ts": NOW + life * 1_000 + number, "a": number}, ack)
            if number % 20 == 0:
                await asyncio.sleep(0)
        expected = acknowledged + 1

        async def some(expected: int = expected) -> bool:
            return acknowledged >= expected

        await eventually_async(some)
        await running.stop()
    file = OutboxFile(tmp_path / "ingest.outbox")
    file.open()
    recount = file.recount()
    file.close()
    assert recount.agrees, recount
    assert recount.books["received"] >= acknowledged


async def test_an_error_of_the_outbox_ends_the_process(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a full disk is nothing to wait for: the part dies, nothing is acknowledged, the supervisor acts."""

    def damaged(*_given: object) -> Written:
        raise OSError("unheard of")

    monkeypatch.setattr(OutboxFile, "write", damaged)
    acknowledged: list[int] = []
    running.send({"a": 1}, lambda: acknowledged.append(1))
    with pytest.raises(OSError, match="unheard of"):
        async with asyncio.timeout(5):
            await asyncio.shield(running._parts)
    assert acknowledged == []
    running._parts = asyncio.create_task(asyncio.sleep(0))


async def test_a_notice_is_handed_over_in_its_place(running: Running) -> None:
    """What came before it is on disk by then, and it is acknowledged after its handler, before what came after it."""
    order: list[object] = []

    async def handler(notice: Message) -> None:
        order.append((notice.payload, running.ingest.outbox.books["received"]))

    running.ingest.notices.on("telemetrio/control/ingest", handler)
    running.send({"a": 1}, partial(order.append, "before"))
    notice = Delivery([("telemetrio/control/ingest", b"do")], NOW, lambda _: order.append("notice"))
    running.ingest.intake.offer(notice)
    running.send({"a": 2}, partial(order.append, "after"))

    async def all_three() -> bool:
        return len(order) == 4

    await eventually_async(all_three)
    assert order == ["before", (b"do", 1), "notice", "after"]


async def test_an_import_is_stored_and_noted_as_late_and_no_news(tmp_path: Path) -> None:
    """Live hears of its row, so that nothing seems to be missing, and of no reading; who resumes finds it by `late`."""
    running = Running(tmp_path)
    running.store = store = SqliteStore(tmp_path / "readings.db")
    await running.start()
    readings = tuple(Reading("d1", 1, "sensor_data", NOW + second, {"t": 1.0}) for second in range(3))
    imported = Import(command_id="import-01", readings=readings)
    await DirectCommander(running.ingest.intake, "ingest").command("ingest", imported)
    running.send({"t": 9, "ts": NOW}, nothing)
    await eventually_async(lambda: _stored(running, 4))
    assert [[reading.values for reading in batch.readings] for batch in running.announced.batches] == [[], [{"t": 9.0}]]
    assert [(batch.prev, batch.seq) for batch in running.announced.batches] == [(0, 1), (1, 2)]
    (late,) = await store.late(LateQuery([1], 0, time.time_ns()))
    assert (late.device_id, late.start_ns, late.end_ns) == ("d1", NOW, NOW + 3)
    assert len((await store.raw(RawQuery("d1", [1], 0, NOW * 2, 9))).readings) == 3
    await running.stop()


async def _stored(running: Running, count: int) -> bool:
    await running.ingest.outbox.settle()
    return running.ingest.outbox.books["stored"] == count
