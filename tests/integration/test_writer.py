"""The writer on a real outbox: every row reaches the store once, oldest first, whatever the store answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from services.ingest import writer as writer_module
from services.ingest.errors import OutboxDamaged
from services.ingest.outboxfile import SpoolRow
from services.ingest.writer import Writer
from shared.readings import ReadingBatch
from shared.timeseries.store import Denied, Refused, Unavailable
from tests.fakes.ingest import NOW, Announced, Bench, delivery
from tests.fakes.store import FailingStore

_give_way = asyncio.sleep


class Clock:
    """In the place of sleep: remembers how long an outage would have been waited for, and lets time pass when told."""

    def __init__(self, *, runs: bool = True) -> None:
        self.waits: list[float] = []
        self.running = asyncio.Event()
        if runs:
            self.running.set()

    async def sleep(self, seconds: float) -> None:
        await _give_way(0)
        if seconds != writer_module._GATHER_S:
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
    monkeypatch.setattr("services.ingest.door.random.uniform", lambda _low, high: high)
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
    assert clock.waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert len(store.given) == 8
    assert len(store.stored) == 1
    assert bench.outbox.books["dead_lettered"] == 0


async def test_the_stores_own_word_for_when_to_come_back_is_honoured(bench: Bench, clock: Clock) -> None:
    """Retry-After is waited for, up to five minutes; a refusal by token is an outage too."""
    store = FailingStore(Unavailable("busy", 7.0), Unavailable("busy", 1e9), Denied("token"))
    async with writing(bench, store) as writer:
        writer.take(await bench.samples("d1", 1))
        await settled(bench, 1)
    assert clock.waits == [7.0, 300.0, 2.0 * 2]


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
            patch.setattr("services.ingest.door.random.uniform", lambda _low, _high: 0.0)
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


# ---- several writes at a time


async def seen(condition: Callable[[], bool]) -> None:
    """Turns by way of a thread: `asyncio.sleep` may be the fake."""
    deadline = time.monotonic() + 10
    while not condition():
        await asyncio.to_thread(lambda: None)
        assert time.monotonic() < deadline


async def take_each_by_itself(bench: Bench, writer: Writer, store: FailingStore, devices: Sequence[str]) -> None:
    """One write for each device, started in this order."""
    for number, device_id in enumerate(devices, len(store.given) + 1):
        writer.take(await bench.samples(device_id, 1))
        await seen(partial(given_at_least, store, number))


def given_at_least(store: FailingStore, number: int) -> bool:
    return len(store.given) >= number


def stored_at_least(store: FailingStore, number: int) -> bool:
    return len(store.stored) >= number


def under_way(store: FailingStore, number: int) -> bool:
    return store.under_way == number


async def rows_left(bench: Bench) -> list[int]:
    await bench.outbox.flush()
    return [row.seq for row in await bench.outbox.rows(0, 10_000)]


async def test_a_write_that_is_stuck_holds_up_no_other(bench: Bench, clock: Clock) -> None:
    """The rows of the others are deleted; what is said to be stored stays below the stuck one until it is."""
    store = FailingStore()
    store.held["stuck"] = asyncio.Event()
    async with writing(bench, store) as writer:
        await take_each_by_itself(bench, writer, store, ["a", "stuck", "b", "c", "d", "e"])
        await seen(lambda: len(store.stored) == 5)
        assert bench.outbox.stored_seq == 1
        assert await rows_left(bench) == [2]
        assert bench.outbox.books["spooled"] == 1
        store.held["stuck"].set()
        await settled(bench, 6)
    assert bench.outbox.books["stored"] == 6


async def test_killed_between_two_writes_all_is_stored_once(tmp_path: Path, clock: Clock) -> None:
    """Later rows were stored and deleted, an earlier one was not: the next life writes that one, and goes on."""
    store = FailingStore()
    store.held["stuck"] = asyncio.Event()
    first = Bench(tmp_path)
    await first.outbox.open()
    async with writing(first, store) as writer:
        await take_each_by_itself(first, writer, store, ["stuck", "a", "b"])
        await seen(lambda: len(store.stored) == 2)
        assert await rows_left(first) == [1]
    await first.outbox.close()
    store.held["stuck"].set()
    second, announced = Bench(tmp_path), Announced()
    await second.outbox.open()
    assert (second.outbox.stored_seq, second.outbox.last_seq) == (0, 3)
    async with writing(second, store, announced) as writer:
        await seen(lambda: len(store.stored) == 3)
        writer.take(await second.samples("c", 1))
        await settled(second, 4)
    assert [given[0].device_id for given in store.given] == ["stuck", "a", "b", "stuck", "c"]
    assert announced.seqs == [1]
    assert second.outbox.books["stored"] == 4
    await second.outbox.close()


async def test_so_many_writes_are_under_way_and_no_more(bench: Bench, clock: Clock) -> None:
    """The others gather meanwhile, so that the next write is a large one."""
    store = FailingStore()
    store.open.clear()
    async with writing(bench, store) as writer:
        await take_each_by_itself(bench, writer, store, ["a", "b", "c", "d"])
        for number in range(10):
            writer.take(await bench.samples(f"e{number}", 1))
        store.open.set()
        await settled(bench, 14)
    assert store.most_under_way == 4
    assert [len(given) for given in store.given] == [1, 1, 1, 1, 10]


async def test_an_outage_is_met_with_one_request_at_a_time(bench: Bench, clock: Clock) -> None:
    """Whoever else was under way when it began stands behind the one that knocks; all go on at its end."""
    store = FailingStore()
    store.open.clear()
    async with writing(bench, store) as writer:
        await take_each_by_itself(bench, writer, store, ["a", "b", "c", "d"])
        store.down = Unavailable("away")
        store.most_under_way = 0
        store.open.set()
        await seen(lambda: len(store.given) > 20)
        assert store.most_under_way == 1
        assert [given[0].device_id for given in store.given[4:9]] == ["a", "b", "c", "d", "a"]
        assert clock.waits[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
        assert len(clock.waits) in (len(store.given) - 4, len(store.given) - 3)  # no request without its wait
        store.open.clear()
        await seen(lambda: store.under_way == 1)
        store.down = None
        store.held.update({device_id: asyncio.Event() for device_id in "abcd"})
        knocker = store.given[-1][0].device_id
        store.open.set()
        store.held[knocker].set()
        await seen(lambda: store.under_way == 3)  # the three others, at once
        for event in store.held.values():
            event.set()
        await settled(bench, 4)
    assert len(store.stored) == 4
    assert bench.health["store"].state == "ok"


async def test_the_word_of_when_to_come_back_counts_whoever_brings_it(bench: Bench, clock: Clock) -> None:
    """A write that was under way when the outage began is told to wait longer: nobody asks before that."""
    store = FailingStore()
    store.held["late"] = asyncio.Event()
    store.never["first"] = Unavailable("away")
    async with writing(bench, store) as writer:
        clock.running.clear()
        await take_each_by_itself(bench, writer, store, ["late", "first"])
        await seen(lambda: clock.waits == [1.0])
        store.failures.append(Unavailable("busy", 7.0))
        store.held["late"].set()
        await seen(lambda: not store.failures)
        store.never.clear()
        clock.running.set()
        await settled(bench, 2)
    assert clock.waits == [1.0, 7.0]


async def test_a_write_that_the_store_never_answers_keeps_nobody_out(bench: Bench, clock: Clock) -> None:
    """Not an outage of all, but of one: the others pass it, again and again."""
    store = FailingStore()
    store.never["poison"] = Unavailable("500 for this one")
    async with writing(bench, store) as writer:
        await take_each_by_itself(bench, writer, store, ["poison"])
        for number in range(20):
            writer.take(await bench.samples(f"d{number}", 1))
            await seen(partial(stored_at_least, store, number + 1))
        assert bench.outbox.stored_seq == 0
        assert await rows_left(bench) == [1]
        del store.never["poison"]
        await settled(bench, 21)


async def test_cancelled_writes_are_completed_never_or_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped again and again in the middle of several writes: every row is stored, and the books say it once."""
    monkeypatch.setattr(writer_module, "_MAX_READINGS", 4)
    store = FailingStore()
    bench = Bench(tmp_path)
    await bench.outbox.open()
    for number in range(40):
        await bench.samples(f"d{number}", 1, 2)
    while left := bench.outbox.books["spooled"]:
        store.given.clear()
        store.open.clear()
        async with writing(bench, store):
            await seen(partial(under_way, store, min(4, -(-left // 4))))
            store.held = {given[0].device_id: asyncio.Event() for given in store.given[1::2]}
            store.open.set()
            await seen(partial(under_way, store, len(store.held)))
        store.held = {}
        await bench.outbox.close()
        bench = Bench(tmp_path)
        await bench.outbox.open()
    recount = await bench.outbox.recount()
    assert recount.agrees, recount
    assert (bench.outbox.books["stored"], recount.spooled, len(store.stored)) == (80, 0, 80)
    await bench.outbox.close()


async def test_a_writer_that_fails_ends_with_its_own_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with a group of errors, in which nobody would find that the file is damaged."""

    async def damaged(_after: int, _max_entries: int) -> list[SpoolRow]:
        raise OutboxDamaged("row 7")

    await bench.samples("d1", 1)
    monkeypatch.setattr(bench.outbox, "rows", damaged)
    with pytest.raises(OutboxDamaged, match="row 7"):
        await Writer(bench.outbox, FailingStore(), Announced(), bench.health).run()
