"""The writer on a real outbox: every row reaches the store once, oldest first, whatever the store answers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.ingest import writer as writer_module
from services.ingest.writer import Writer
from shared.readings import ReadingBatch
from shared.timeseries.store import Denied, Refused, Unavailable
from tests.fakes.ingest import NOW, Announced, Bench, delivery
from tests.fakes.store import FailingStore


class Clock:
    """In the place of the writer's sleep: remembers how long it would have waited, and lets time pass when told."""

    def __init__(self, *, runs: bool = True) -> None:
        self.waits: list[float] = []
        self.running = asyncio.Event()
        if runs:
            self.running.set()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self.running.wait()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    opened = Bench(tmp_path)
    await opened.outbox.open()
    yield opened
    await opened.outbox.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    replaced = Clock()
    monkeypatch.setattr("services.ingest.writer.asyncio.sleep", replaced.sleep)
    monkeypatch.setattr("services.ingest.writer.random.uniform", lambda _low, high: high)
    return replaced


@asynccontextmanager
async def writing(bench: Bench, store: FailingStore, announced: Announced | None = None) -> AsyncIterator[Writer]:
    writer = Writer(bench.outbox, store, announced or Announced(), bench.health)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled(), running.exception()


async def answered(bench: Bench, seq: int) -> None:
    """The store has answered for all up to `seq`. Turns by way of a thread: `asyncio.sleep` may be the fake."""
    deadline = time.monotonic() + 10
    while bench.outbox.stored_seq < seq:
        await asyncio.to_thread(lambda: None)
        assert time.monotonic() < deadline


async def settled(bench: Bench, seq: int) -> None:
    """All up to `seq` is answered for, and the books say so."""
    await answered(bench, seq)
    await bench.outbox.flush()
    recount = await bench.outbox.recount()
    assert recount.agrees, recount
    assert recount.spooled == 0


def seqs(batches: list[ReadingBatch]) -> list[int]:
    return [batch.seq for batch in batches]


async def test_what_is_committed_is_stored_and_forgotten(bench: Bench) -> None:
    """Row by row, and the books say stored."""
    store = FailingStore()
    async with writing(bench, store) as writer:
        for number in range(3):
            batch = await bench.samples(f"d{number}", 1, 2)
            writer.take(batch)
        await settled(bench, 3)
    assert len(store.stored) == 6
    assert bench.outbox.books["stored"] == 6
    assert bench.health["store"].state == "ok"


async def test_an_outage_is_waited_for_with_backoff(bench: Bench, clock: Clock) -> None:
    """Full jitter, 1 s doubling to 30 s, for ever; nothing is dropped, and the state is told."""
    store = FailingStore(*[Unavailable("refused")] * 7)
    async with writing(bench, store) as writer:
        writer.take(await bench.samples("d1", 1))
        await settled(bench, 1)
    assert clock.waits[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert max(clock.waits[7:], default=0.0) < 1.0  # it gathers again; the outage is over
    assert len(store.given) == 8
    assert len(store.stored) == 1
    assert bench.outbox.books["dead_lettered"] == 0


async def test_the_stores_own_word_for_when_to_come_back_is_honoured(bench: Bench, clock: Clock) -> None:
    """Retry-After is waited for, up to five minutes; a refusal by token is an outage too."""
    store = FailingStore(Unavailable("busy", 7.0), Unavailable("busy", 1e9), Denied("token"))
    async with writing(bench, store) as writer:
        writer.take(await bench.samples("d1", 1))
        await settled(bench, 1)
    assert clock.waits[:3] == [7.0, 300.0, 2.0 * 2]


async def test_the_state_of_the_store_is_told_while_it_is_away(bench: Bench, clock: Clock) -> None:
    """Readiness does not fail: devices are still taken."""
    clock.running.clear()
    store = FailingStore(Unavailable("connection refused"))
    async with writing(bench, store) as writer:
        writer.take(await bench.samples("d1", 1))
        while not clock.waits:
            await asyncio.to_thread(lambda: None)
        assert (bench.health["store"].state, bench.health["store"].detail) == ("down", "connection refused")
        assert bench.health.ready
        clock.running.set()
        await settled(bench, 1)
    assert bench.health["store"].state == "ok"


async def test_refused_readings_are_dead_letters_and_the_others_are_stored(bench: Bench) -> None:
    """Each refused reading is a letter with our own encoding of it; it is not written again."""
    store = FailingStore(Unavailable("down"), Refused([(1, "type conflict"), (2, "type conflict")]))
    async with writing(bench, store) as writer:
        bench.health.report("store", "down", needed=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("services.ingest.writer.random.uniform", lambda _low, _high: 0.0)
            writer.take(await bench.samples("d1", 1, 2, 3))
            await settled(bench, 1)
    assert (bench.outbox.books["stored"], bench.outbox.books["dead_lettered"]) == (1, 2)
    letters = await bench.outbox.read(
        lambda connection: connection.execute("SELECT kind, code, detail, device_id, payload FROM dead").fetchall()
    )
    assert [letter[:4] for letter in letters] == [("reading", "store_refused", "type conflict", "d1")] * 2
    assert letters[0][4] == b'[["d1",1,"sensor_data",%d,{"a":2.0}]]' % (NOW + 1)
    assert bench.health["store"].state == "ok"


async def test_it_is_written_oldest_first_also_from_the_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage longer than what is remembered: the rest is read back from the file, in order, each once."""
    monkeypatch.setattr(writer_module, "_MAX_REMEMBERED", 5)
    monkeypatch.setattr(writer_module, "_MAX_READINGS", 4)
    store = FailingStore()
    store.open.clear()
    announced = Announced()
    async with writing(bench, store, announced) as writer:
        for number in range(20):
            writer.take(await bench.samples("d1", number, number, ts_ns=NOW + 10 * number))
            assert writer._remembered <= 5
        store.open.set()
        await settled(bench, 20)
    written = [reading.ts_ns for given in store.given for reading in given]
    assert written == sorted(written)
    assert len(written) == len(set(written)) == 40
    assert announced.batches == []  # they were announced when they were committed


async def test_rows_of_an_earlier_life_are_announced_again_once(tmp_path: Path, clock: Clock) -> None:
    """Realtime may have missed them; what is committed in this life is announced by the pipeline alone."""
    first = Bench(tmp_path)
    await first.outbox.open()
    for number in range(3):
        await first.samples("d1", number, ts_ns=NOW + number)
    await first.outbox.close()
    second = Bench(tmp_path)
    await second.outbox.open()
    store, announced = FailingStore(Unavailable("not yet"), Unavailable("not yet")), Announced()
    async with writing(second, store, announced) as writer:
        await answered(second, 3)
        writer.take(await second.samples("d1", 9, ts_ns=NOW + 9))
        await settled(second, 4)
    assert seqs(announced.batches) == [1, 2, 3]
    assert len(store.stored) == 4
    await second.outbox.close()


async def test_a_row_without_readings_needs_no_write(bench: Bench) -> None:
    """A group of statuses only is announced and forgotten; the store is not asked."""
    store = FailingStore()
    async with writing(bench, store) as writer:
        batch = await bench.commit(delivery("d1", b"online", kind="status"))
        assert batch is not None
        writer.take(batch)
        await settled(bench, 1)
    assert store.given == []


async def test_a_write_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    """Killed between the store's answer and the delete: the next life writes the same points."""
    store = FailingStore()
    first = Bench(tmp_path)
    await first.outbox.open()
    await first.samples("d1", 1, 2)
    store.open.clear()
    async with writing(first, store):
        while not store.given:
            await asyncio.to_thread(lambda: None)
    await first.outbox.close()
    store.open.set()
    second = Bench(tmp_path)
    await second.outbox.open()
    async with writing(second, store):
        await settled(second, 1)
    assert [len(given) for given in store.given] == [2, 2]
    assert len(store.stored) == 2
    await second.outbox.close()
