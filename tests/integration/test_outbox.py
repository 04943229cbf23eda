"""The outbox on a real file: one transaction for all, books that always balance, and what a full disk does."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from services.ingest import backlog
from services.ingest import outbox as outbox_module
from services.ingest.ballast import BALLAST_BYTES
from services.ingest.errors import OutboxDamaged, OutboxFull
from services.ingest.group import Letter, refused_reading
from services.ingest.outboxfile import Completion, OutboxFile
from shared.books import balanced
from shared.process import ExitCode, Refusal
from shared.readings import ReadingBatch
from tests.fakes.ingest import NOW, Bench, delivery
from tests.peers.waiting import eventually_async


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    opened = Bench(tmp_path)
    await opened.outbox.open()
    yield opened
    await opened.outbox.close()


def connection_of(bench: Bench) -> sqlite3.Connection:
    return bench.outbox._file.connection


def count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own names


async def counts(bench: Bench) -> dict[str, int]:
    tables = ("spool", "dead", "dirty", "registry")
    return await bench.outbox.read(lambda connection: {table: count(connection, table) for table in tables})


def done(batch: ReadingBatch, letters: list[Letter] | None = None) -> Completion:
    return Completion([batch.seq], len(batch.readings), letters or [])


async def test_a_commit_writes_everything_in_one_transaction(bench: Bench) -> None:
    """Rows, letters, devices and books are there together, and say the same; latest values follow with a checkpoint."""
    batch = await bench.commit(
        delivery("d1", {"a": 1}),
        delivery("d2", [{"a": 1}, {"a": [2]}]),
        delivery("d2", b"not json"),
        delivery("d2", b"online", kind="status"),
        delivery("d3", {"good": 1, "bad": []}),
        delivery("d1/x", {"a": 1}),
    )
    assert batch is not None
    assert (batch.source, batch.seq, batch.prev, batch.stored_seq) == ("ingest", 1, 0, 0)
    assert len(batch.readings) == 3
    assert [status.device_id for status in batch.status] == ["d2"]
    assert await counts(bench) == {"spool": 1, "dead": 3, "dirty": 0, "registry": 3}
    await bench.outbox.flush()
    assert await counts(bench) == {"spool": 1, "dead": 3, "dirty": 3, "registry": 3}
    (row,) = await bench.outbox.rows(0, 100)
    assert (row.seq, row.entries, row.committed_ns) == (1, 3, batch.committed_ns)
    assert (list(row.readings), list(row.status)) == (list(batch.readings), list(batch.status))
    expected = {"received": 5, "spooled": 3, "dead_lettered": 2, "messages": 4, "metrics_refused": 1, "ignored": 1}
    assert {name: moves for name, moves in bench.outbox.books.items() if moves} == {**expected, "status": 1}
    assert (await bench.outbox.recount()).agrees
    known = await bench.outbox.read(backlog.registry)
    assert sorted(known.pending) == ["d1", "d2", "d3"]


async def test_a_statement_that_fails_takes_all_back_and_completions_ride_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of a failed group is on disk or in the books; what the store had answered for is not forgotten."""
    monkeypatch.setattr(outbox_module, "_CHECKPOINT_EVERY_S", 0.0)
    first = await bench.samples("d1", 1, 2)
    before, books = await counts(bench), dict(bench.outbox.books)
    await bench.outbox.read(
        lambda connection: connection.execute(
            "CREATE TRIGGER planted BEFORE UPDATE ON books BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )
    )
    bench.outbox.complete(done(first))
    with pytest.raises(sqlite3.IntegrityError, match="planted"):
        await bench.samples("d2", 3)
    with pytest.raises(sqlite3.IntegrityError, match="planted"):
        await bench.outbox.flush()
    await bench.outbox.read(lambda connection: connection.execute("DROP TRIGGER planted"))
    assert (await counts(bench), dict(bench.outbox.books)) == (before, books)
    assert (await bench.outbox.recount()).agrees
    await bench.samples("d2", 4)
    assert (bench.outbox.books["stored"], bench.outbox.books["spooled"]) == (2, 1)
    assert (await bench.outbox.recount()).agrees


async def test_latest_values_survive_a_crash_before_their_checkpoint(bench: Bench, tmp_path: Path) -> None:
    """What no checkpoint speaks of is read from the rows themselves: newer wins, as if there had been no crash."""
    await bench.commit(delivery("d1", {"a": 1, "ts": NOW}))
    await bench.outbox.flush()
    await bench.commit(delivery("d1", {"b": 2, "ts": NOW + 5}), delivery("d2", b"online", kind="status"))
    again = await after_a_crash(bench, tmp_path)
    rows = again.board.waiting(10)
    assert rows["d1"].by_time() == [(NOW, {"a": 1.0}), (NOW + 5, {"b": 2.0})]
    assert rows["d2"].status == "online"
    await again.outbox.close()


async def test_no_row_leaves_before_its_latest_values_are_kept(bench: Bench, tmp_path: Path) -> None:
    """The store has it, and the database has yet to hear of it: a crash at any moment forgets neither."""
    for number in range(3):
        batch = await bench.samples(f"d{number}", number)
        bench.outbox.complete(done(batch))
        again = await after_a_crash(bench, tmp_path / f"{number}a")
        assert sorted(again.board.waiting(10)) == [f"d{each}" for each in range(number + 1)]
        await again.outbox.close()
        await bench.outbox.flush()
        again = await after_a_crash(bench, tmp_path / f"{number}b")
        assert sorted(again.board.waiting(10)) == [f"d{each}" for each in range(number + 1)]
        assert await counts(again) == {"spool": 0, "dead": 0, "dirty": number + 1, "registry": number + 1}
        await again.outbox.close()


async def test_a_row_of_a_cancelled_commit_stays_until_its_latest_values_are_known(bench: Bench) -> None:
    """It is on disk, and nobody was told of it: it may be stored, but not deleted, in this life."""
    committing = asyncio.create_task(bench.samples("d1", 4))
    await asyncio.sleep(0)
    committing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await committing
    bench.outbox.complete(Completion([1], 1))
    await bench.outbox.flush()
    assert (await counts(bench))["spool"] == 1
    assert (await bench.outbox.recount()).agrees


async def after_a_crash(bench: Bench, directory: Path) -> Bench:
    """Another life on the files as they are at this moment."""
    copy = directory / "again"
    shutil.copytree(bench.settings.data_dir, copy, ignore=shutil.ignore_patterns("*-shm", "ballast", "again", "*[ab]"))
    again = Bench(copy)
    await again.outbox.open()
    return again


async def test_a_cancelled_commit_that_is_on_disk_moves_the_books_once(bench: Bench) -> None:
    """A process that is stopped in the middle of a commit ends with books that balance (before: moved twice)."""
    first = await bench.samples("d1", 1, 2, 3)
    bench.outbox.complete(done(first))
    committing = asyncio.create_task(bench.samples("d1", 4, ts_ns=NOW + 10))
    await asyncio.sleep(0)
    committing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await committing
    await bench.outbox.flush()
    recount = await bench.outbox.recount()
    assert recount.agrees, recount
    assert (recount.books["stored"], recount.books["spooled"]) == (3, 1)
    assert bench.outbox.last_seq == 2


async def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    """`seq` goes on after all rows were deleted and the file was opened again; the epoch stays."""
    bench = Bench(tmp_path)
    await bench.outbox.open()
    epoch = bench.outbox.epoch
    for _ in range(3):
        bench.outbox.complete(done(await bench.samples("d1", 1)))
    await bench.outbox.close()
    again = Bench(tmp_path)
    await again.outbox.open()
    assert (again.outbox.epoch, again.outbox.last_seq, again.outbox.stored_seq) == (epoch, 3, 3)
    assert (await again.samples("d1", 1)).seq == 4
    await again.outbox.close()


async def test_a_second_process_is_refused_and_the_first_goes_on(bench: Bench) -> None:
    """Two on one data directory would delete each other's rows."""
    second = Bench(bench.settings.data_dir)
    with pytest.raises(Refusal, match="in use by another telemetrio") as caught:
        await second.outbox.open()
    assert caught.value.code == ExitCode.WRONG_SETTINGS
    assert (await bench.samples("d1", 1)).seq == 1


async def test_an_epoch_is_never_without_books(tmp_path: Path) -> None:
    """Killed in its first moment, between the one and the other, the file opens at the next start."""
    file = OutboxFile(tmp_path / "ingest.outbox")
    file.open()
    file.connection.executescript(
        "DELETE FROM meta; DELETE FROM books;"
        "CREATE TRIGGER planted BEFORE INSERT ON books BEGIN SELECT RAISE(ABORT, 'killed'); END"
    )
    file.close()
    with pytest.raises(OutboxDamaged, match="killed"):
        file.open()
    connection = sqlite3.connect(tmp_path / "ingest.outbox")
    connection.execute("DROP TRIGGER planted")
    connection.close()
    assert file.open().epoch
    assert file.recount().agrees
    file.close()


async def test_at_its_bound_nothing_is_taken_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OutboxFull commits nothing; readiness fails; when the store has taken enough it goes on by itself."""
    monkeypatch.setattr(outbox_module, "_LOOK_FOR_ROOM_S", 0.01)
    bench = Bench(tmp_path)
    await bench.outbox.open()
    first = await bench.samples("d1", *range(1_000))
    bench.outbox._bound = bench.outbox._used  # the setting's least is 32 MiB
    before = await counts(bench)
    with pytest.raises(OutboxFull, match="TELEMETRIO_MAX_OUTBOX_MIB") as caught:
        await bench.samples("d1", 1)
    waiting = asyncio.create_task(bench.outbox.room(caught.value))
    await eventually_async(lambda: down(bench))
    assert await counts(bench) == before
    assert not waiting.done()
    bench.outbox.complete(done(first))
    await bench.outbox.flush()
    async with asyncio.timeout(5):
        await waiting
    assert (await bench.samples("d1", 1)).seq == 2
    assert bench.health.ready
    await bench.outbox.close()


async def down(bench: Bench) -> bool:
    return not bench.health.ready


async def test_with_too_little_free_disk_nothing_is_taken(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound for the disk is looked at before the commit, and named."""
    ballast = bench.outbox._ballast
    monkeypatch.setattr(ballast, "_min_free", 2**60)
    with pytest.raises(OutboxFull, match="TELEMETRIO_MIN_FREE_DISK_MIB"):
        await bench.samples("d1", 1)
    assert (await counts(bench))["spool"] == 0


async def test_a_full_disk_costs_the_ballast_and_nothing_else(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLITE_FULL for real: not committed, the ballast is given up; what the store has can go, and it is laid again."""
    monkeypatch.setattr(outbox_module, "_LOOK_FOR_ROOM_S", 0.01)
    ballast = bench.settings.data_dir / "ballast"
    first = await bench.samples("d1", *range(1_000))
    assert ballast.stat().st_size == BALLAST_BYTES
    pages = await bench.outbox.read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    limit = f"PRAGMA max_page_count={pages}"
    await bench.outbox.read(lambda connection: connection.execute(limit).fetchall())
    with pytest.raises(OutboxFull, match="database or disk is full") as caught:
        await bench.samples("d1", *range(1_000), ts_ns=NOW + 10_000)
    assert not ballast.exists()
    assert (await counts(bench))["spool"] == 1
    assert (await bench.outbox.recount()).agrees
    running = asyncio.create_task(bench.outbox.run(lambda: None))
    bench.outbox.complete(done(first))
    async with asyncio.timeout(5):
        await bench.outbox.room(caught.value)
    assert ballast.stat().st_size == BALLAST_BYTES
    assert (await bench.samples("d1", 1)).seq == 2
    running.cancel()
    assert (await bench.outbox.recount()).agrees


async def test_nothing_is_taken_before_the_ballast_lies_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filled by new groups, the room that it gave up could not help to delete old ones: the disk would stay full."""
    ballast = bench.outbox._ballast
    ballast.give_up()
    monkeypatch.setattr("services.ingest.ballast.os.posix_fallocate", no_space)
    with pytest.raises(OutboxFull, match="kept free for deleting"):
        await bench.samples("d1", 1)
    monkeypatch.undo()
    assert (await bench.samples("d1", 1)).seq == 1
    assert (bench.settings.data_dir / "ballast").exists()


def no_space(*_given: int) -> None:
    raise OSError(28, "No space left on device")


async def test_what_a_disk_refuses_is_not_tried_without_a_pause(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """There seems to be room and there is none: it waits before it says so, or the process would spin."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("services.ingest.outbox.asyncio.sleep", sleep)
    await bench.outbox.room(OutboxFull("refused by the disk"))
    assert waits == [0.5]
    assert not bench.health.ready  # until a group is committed
    await bench.samples("d1", 1)
    assert bench.health.ready


async def test_completions_wait_for_room_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes nothing ends neither the part that writes them down nor the process; they are tried again."""
    monkeypatch.setattr(outbox_module, "_LOOK_FOR_ROOM_S", 0.01)
    monkeypatch.setattr(outbox_module, "_CHECKPOINT_EVERY_S", 0.0)
    first = await bench.samples("d1", 1)
    await bench.outbox.read(lambda connection: connection.execute("PRAGMA query_only=ON").fetchall())
    with pytest.raises(OutboxFull, match="readonly"):
        await bench.outbox.flush()
    running = asyncio.create_task(bench.outbox.run(lambda: None))
    bench.outbox.complete(done(first))
    with pytest.raises(OutboxFull, match="readonly"):
        await bench.outbox.change(partial(backlog.replace_registry, rows=[]))
    assert not running.done()
    await bench.outbox.read(lambda connection: connection.execute("PRAGMA query_only=OFF").fetchall())

    async def stored() -> bool:
        return bench.outbox.books["stored"] == 1

    await eventually_async(stored)
    running.cancel()


async def test_free_pages_go_back_to_the_disk(tmp_path: Path) -> None:
    """After an outage has drained the file is small again, however large it was."""
    bench = Bench(tmp_path)
    await bench.outbox.open()
    content = [{"a": "x" * 1_000} for _ in range(60)]
    batches = [await bench.commit(delivery("d1", content)) for _ in range(300)]

    async def pages() -> int:
        return int(await bench.outbox.read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0]))

    assert await pages() > 1_000  # more than one round of incremental_vacuum frees
    running = asyncio.create_task(bench.outbox.run(lambda: None))
    bench.outbox.complete(Completion([batch.seq for batch in batches if batch], 300 * 60))

    async def freed() -> bool:
        return await pages() < 100

    await eventually_async(freed, 20)
    running.cancel()
    await bench.outbox.close()
    assert (tmp_path / "ingest.outbox").stat().st_size < 100 * 16_384


@pytest.mark.parametrize("seed", range(4))
async def test_the_books_can_be_recounted_at_every_moment(tmp_path: Path, seed: int) -> None:
    """Through commits, answers of the store, restarts and crashes the tables say what the books say."""
    choices = random.Random(seed)
    walk = Walk(tmp_path, choices)
    await walk.bench.outbox.open()
    for _ in range(80):
        await choices.choice([walk.commit, walk.commit, walk.take, walk.answer, walk.flush, walk.reopen, walk.crash])()
        recount = await walk.bench.outbox.recount()
        assert recount.agrees, recount
        assert balanced(walk.bench.outbox.books)
        assert recount.books["received"] == walk.sent
    await walk.bench.outbox.close()


class Walk:
    """One ingest through several lives. `unanswered`: rows that no write has taken yet; `writes`: those under way."""

    def __init__(self, directory: Path, choices: random.Random) -> None:
        self.directory = directory
        self.choices = choices
        self.lives = 0
        self.sent = 0
        self.bench = Bench(directory / "life0")
        self.unanswered: list[ReadingBatch] = []
        self.writes: list[tuple[int, list[ReadingBatch]]] = []
        self.taken_seq = 0

    async def commit(self) -> None:
        good, bad = self.choices.randrange(4), self.choices.randrange(3)
        content: list[object] = [{"a": 1.0}] * good + [{"a": []}] * bad
        batch = await self.bench.commit(delivery(f"d{self.choices.randrange(3)}", content))
        self.sent += max(good + bad, 1)
        if batch is not None:
            self.unanswered.append(batch)

    async def take(self) -> None:
        """As the writer does: the oldest rows, for a write that may end before or after others."""
        number = self.choices.randrange(1, 4)
        if taken := self.unanswered[:number]:
            del self.unanswered[:number]
            self.writes.append((self.taken_seq, taken))
            self.taken_seq = taken[-1].seq

    async def answer(self) -> None:
        """The end of any write: the store may have refused some readings."""
        if not self.writes:
            return
        after, taken = self.writes.pop(self.choices.randrange(len(self.writes)))
        readings = [reading for batch in taken for reading in batch.readings]
        letters = [refused_reading(reading, "planted") for reading in readings if self.choices.random() < 0.3]
        completion = Completion([batch.seq for batch in taken], len(readings), letters)
        self.bench.outbox.complete(completion, after)
        assert self.bench.outbox.stored_seq == min([first for first, _ in self.writes], default=self.taken_seq)

    async def flush(self) -> None:
        await self.bench.outbox.flush()

    async def reopen(self) -> None:
        await self.bench.outbox.close()
        await self._begin(self.bench.settings.data_dir)

    async def crash(self) -> None:
        """What a power cut leaves: the files as they are at this moment."""
        self.lives += 1
        copy = self.directory / f"life{self.lives}"
        shutil.copytree(self.bench.settings.data_dir, copy, ignore=shutil.ignore_patterns("*-shm", "ballast"))
        await self.bench.outbox.close()
        await self._begin(copy)

    async def _begin(self, directory: Path) -> None:
        self.bench = Bench(directory)
        await self.bench.outbox.open()
        rows = await self.bench.outbox.rows(0, 10_000)
        self.unanswered = [self.bench.outbox.batch(row.seq, row.committed_ns, row) for row in rows]
        self.writes, self.taken_seq = [], self.bench.outbox.stored_seq
        assert [batch.seq for batch in self.unanswered[:1]] in ([], [self.taken_seq + 1])
