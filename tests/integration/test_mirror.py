"""The mirror between a real outbox and a real relational database: nothing is lost, nothing is told twice."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Row, Table, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import __main__ as main_module
from services.ingest import backlog, deadletters, shown
from services.ingest import mirror as mirror_module
from services.ingest.errors import OutboxFull
from services.ingest.group import Gone, Group
from services.ingest.mirror import Mirror
from services.ingest.telling import Refused
from shared.database import registry as registry_queries
from shared.database.engine import open_engine
from shared.database.registry import ensure_local_admin
from shared.database.tables import (
    dead_letters,
    device_measurements,
    device_status,
    devices,
    ingest_books,
    latest,
    users,
)
from shared.profiles import Metric, Profile
from tests.fakes.ingest import NOW, Bench, delivery
from tests.peers import postgres
from tests.peers.influxdb import free_ports
from tests.peers.proxy import Proxy
from tests.peers.tables import file_with_tables
from tests.peers.waiting import eventually_async


class Both:
    """An ingest and its relational database, in one directory."""

    def __init__(self, directory: Path) -> None:
        self.bench = Bench(directory / "ingest")
        self.file = directory / "telemetrio.db"
        self.engine = open_engine(file_with_tables(self.file))
        self.mirror = Mirror(self.bench.outbox, self.bench.registry, self.engine, self.bench.health)

    async def rows(self, table: Table) -> list[Row[Any]]:
        async with self.engine.connect() as connection:
            return list(await connection.execute(select(table).order_by(*table.primary_key.columns)))

    async def latest_of(self, device_id: str) -> Row[Any]:
        (row,) = [row for row in await self.rows(latest) if row.device_id == device_id]
        return row

    async def waiting(self) -> dict[str, int]:
        """What is still to be told, in memory and in the file."""
        count = (
            "SELECT (SELECT count(*) FROM dirty) + (SELECT count(*) FROM dead WHERE moved = 0) "
            "+ (SELECT count(*) FROM gone) + total(pending) "
            "FROM registry"
        )
        row = await self.bench.outbox.read(lambda connection: connection.execute(count).fetchone())
        return {"memory": len(self.bench.board) + len(self.bench.registry.pending), "file": int(sum(row))}


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Both]:
    both = Both(directory)
    async with both.engine.begin() as connection:
        await ensure_local_admin(connection, NOW)
    await both.bench.outbox.open()
    await both.mirror.load()
    yield both
    await both.bench.outbox.close()
    await both.engine.dispose()


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    async with opened(tmp_path) as ready:
        yield ready


async def test_newcomers_are_told_also_where_ingest_is_the_first_to_come(tmp_path: Path) -> None:
    """To a database that no api has seen: their owner is made with the tables. They were refused, again and again."""
    both = Both(tmp_path)
    await both.bench.outbox.open()
    await both.mirror.load()
    await both.bench.commit(delivery("d1", {"temperature": 1}))
    await both.mirror.push()
    assert [(row.device_id, row.user_id) for row in await both.rows(devices)] == [("d1", 1)]
    await both.bench.outbox.close()
    await both.engine.dispose()


async def test_everything_people_may_see_is_told_once(both: Both) -> None:
    """Devices, measurements, latest values, status, letters and books; afterwards nothing is waiting."""
    await both.bench.commit(
        delivery("d1", {"temperature": 1, "ok": True, "word": "x", "ts": NOW - 5}),
        delivery("d1", b"OFFLINE", kind="status"),
        delivery("d2", b"\xff\x00"),
    )
    await both.mirror.push()
    assert [(row.device_id, row.name, row.user_id, row.claimed) for row in await both.rows(devices)] == [
        ("d1", "d1", 1, False),
        ("d2", "d2", 1, False),
    ]
    assert [tuple(row)[:3] for row in await both.rows(device_measurements)] == [("d1", "sensor_data", 1)]
    assert tuple(await both.latest_of("d1")) == (
        *("d1", 1, "sensor_data", NOW - 5, NOW),
        {"temperature": 1.0, "ok": True, "word": "x"},
    )
    assert [tuple(row) for row in await both.rows(device_status)] == [("d1", 1, "offline", NOW)]
    (letter,) = await both.rows(dead_letters)
    assert (letter.device_id, letter.user_id, letter.code, letter.payload, letter.entries, letter.payload_bytes) == (
        *("d2", 1, "not_utf8", b"\xff\x00", 1, 2),
    )
    (books,) = await both.rows(ingest_books)
    assert (books.source, books.epoch, books.received, books.spooled, books.dead_lettered, books.status) == (
        *("ingest", both.bench.outbox.epoch, 2, 1, 1, 1),
    )
    assert await both.waiting() == {"memory": 0, "file": 0}


async def test_latest_merges_metrics_and_late_data_moves_nothing_back(both: Both) -> None:
    """Newer data wins metric by metric, before and after a push, in memory and in the table."""
    for push in (False, True):
        device = f"d-{push}"
        for content in ({"a": 1, "b": 1, "ts": NOW}, {"b": 2, "c": 2, "ts": NOW + 1}, {"a": 9, "c": 9, "ts": NOW - 1}):
            await both.bench.commit(delivery(device, content))
            if push:
                await both.mirror.push()
        await both.mirror.push()
        row = await both.latest_of(device)
        assert (row.ts_ns, row.values) == (NOW + 1, {"a": 1.0, "b": 2.0, "c": 2.0})


async def test_late_data_moves_nothing_back_along_with_what_is_newer(both: Both) -> None:
    """Told of in one push: the one is older than the table, the other newer."""
    await both.bench.commit(delivery("d1", {"door": 1, "t": 1, "ts": NOW}))
    await both.mirror.push()
    await both.bench.commit(delivery("d1", {"door": 0, "ts": NOW - 100}))
    await both.bench.commit(delivery("d1", {"t": 2, "ts": NOW + 5}))
    await both.mirror.push()
    row = await both.latest_of("d1")
    assert (row.ts_ns, row.values) == (NOW + 5, {"door": 1.0, "t": 2.0})
    await both.bench.commit(delivery("d1", {"door": 2, "ts": NOW + 6}))
    await both.bench.commit(delivery("d1", {"t": 3, "ts": NOW + 7}))
    await both.mirror.push()
    assert (await both.latest_of("d1")).values == {"door": 2.0, "t": 3.0}


async def test_a_late_reading_tells_that_the_device_was_heard(both: Both) -> None:
    """`seen_ns` is the receipt, also of late data, and never goes back."""
    await both.bench.commit(delivery("d1", {"a": 1, "ts": NOW}, received_ns=NOW + 5))
    await both.mirror.push()
    await both.bench.commit(delivery("d1", {"a": 0, "ts": NOW - 100}, received_ns=NOW + 9))
    await both.mirror.push()
    await both.bench.commit(delivery("d1", {"a": 0, "ts": NOW - 100}, received_ns=NOW + 7))
    await both.mirror.push()
    row = await both.latest_of("d1")
    assert (row.ts_ns, row.seen_ns, row.values) == (NOW, NOW + 9, {"a": 1.0})


async def test_an_older_status_never_replaces_a_newer_one(both: Both) -> None:
    """A will that arrives late does not take a device offline that came back."""
    for word, received_ns in ((b"online", NOW + 5), (b"offline", NOW)):
        await both.bench.commit(delivery("d1", word, received_ns, kind="status"))
        await both.mirror.push()
    assert [(row.status, row.ts_ns) for row in await both.rows(device_status)] == [("online", NOW + 5)]


async def discard(both: Both, *row_ids: int) -> None:
    letters = await both.bench.outbox.read(partial(deadletters.find, row_ids=row_ids))
    counts = Counter(dead_lettered=-len(letters), discarded=len(letters))
    gone = [Gone(row_id, letter) for row_id, letter in letters.items()]
    await both.bench.outbox.commit(Group(gone=gone, counts=counts), [])


async def test_a_letter_that_went_is_forgotten(both: Both) -> None:
    """Told before or not, and also when the database heard of it while the letter went; another file's stay."""
    await both.bench.commit(delivery("d1", b"?"), delivery("d1", b"?"))
    await both.mirror.push()
    async with both.engine.begin() as connection:
        await connection.execute(update(dead_letters).where(dead_letters.c.letter == 2).values(epoch="another"))
    await both.bench.commit(delivery("d1", b"?"), delivery("d1", b"?"))
    await discard(both, 1, 3)
    await both.mirror.push()
    assert [(row.epoch == "another", row.letter) for row in await both.rows(dead_letters)] == [(True, 2), (False, 4)]
    assert await both.waiting() == {"memory": 0, "file": 0}
    (books,) = await both.rows(ingest_books)
    assert (books.dead_lettered, books.discarded) == (2, 2)


async def test_a_letter_that_goes_while_it_is_told_is_forgotten(both: Both) -> None:
    """It was read to be told, and went before the database had it: the next push takes it away."""
    await both.bench.commit(delivery("d1", b"?"))
    original = both.mirror._outbox.read
    reads = 0

    async def read(question: Any) -> Any:
        nonlocal reads
        found = await original(question)
        reads += 1
        if reads == 2:
            await discard(both, 1)
        return found

    both.mirror._outbox.read = read  # type: ignore[method-assign] # the command comes in the middle of the push
    await both.mirror.push()
    both.mirror._outbox.read = original  # type: ignore[method-assign]
    await both.mirror.push()
    assert await both.rows(dead_letters) == []
    assert await both.waiting() == {"memory": 0, "file": 0}


async def test_letters_that_go_while_the_database_is_away_are_forgotten_later(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file remembers them; when the database is back, they are no longer shown."""
    monkeypatch.setattr(mirror_module, "_MAX_GONE", 2)
    await both.bench.commit(*[delivery("d1", b"?")] * 4)
    await both.mirror.push()
    await both.engine.dispose()
    away = both.file.with_suffix(".away")
    both.file.rename(away)
    both.file.mkdir()
    await discard(both, 1, 2, 3)
    with pytest.raises(SQLAlchemyError):
        await both.mirror.push()
    both.file.rmdir()
    away.rename(both.file)
    await both.mirror.push()
    assert both.mirror._woken.is_set()
    await both.mirror.push()
    assert [row.letter for row in await both.rows(dead_letters)] == [4]
    assert await both.waiting() == {"memory": 0, "file": 0}


async def test_a_database_that_was_restored_is_told_what_it_lacks(tmp_path: Path) -> None:
    """Beside an outbox that went on: its letters since then are shown again, and those that went are not any more."""
    async with opened(tmp_path) as both:
        await both.bench.commit(*(delivery(f"d{number}", b"\xff") for number in range(3)))
        await both.mirror.push()
        then = await both.rows(dead_letters)
        await both.bench.commit(delivery("d3", b"\xff"), delivery("d4", b"\xff"))
        await discard(both, 2)
        await both.mirror.push()
        now = await both.rows(dead_letters)
        async with both.engine.begin() as connection:
            await connection.execute(delete(dead_letters))
            await connection.execute(insert(dead_letters), [row._asdict() for row in then])
    async with opened(tmp_path) as both:
        await both.mirror.push()
        assert [row[1:] for row in await both.rows(dead_letters)] == [row[1:] for row in now]
        assert await both.waiting() == {"memory": 0, "file": 0}


async def test_a_letter_that_only_counts_is_told_again_as_it_was(tmp_path: Path) -> None:
    """A restored database has the fewer entries of then, and what is equal is not told twice."""
    async with opened(tmp_path) as both:
        await both.bench.commit(delivery("d1", b"\xff"), delivery("d2", b"\xff"))
        await both.mirror.push()
        async with both.engine.begin() as connection:
            await connection.execute(update(dead_letters).where(dead_letters.c.letter == 1).values(entries=0))
    async with opened(tmp_path) as both:
        assert [row_id for row_id, _ in await both.bench.outbox.read(partial(backlog.letters, limit=9))] == [1]
        await both.mirror.push()
        assert [row.entries for row in await both.rows(dead_letters)] == [1, 1]
        await shown.compare(both.bench.outbox, both.engine)
        assert await both.waiting() == {"memory": 0, "file": 0}


async def test_a_push_that_is_cut_off_is_made_again_with_the_same_result(tmp_path: Path) -> None:
    """Told, but not marked as told (a crash in between): the next life tells it again, and nothing is there twice."""
    async with opened(tmp_path) as first:
        await first.bench.commit(delivery("d1", {"a": 1, "bad": []}), delivery("d1", b"?"), delivery("d2", {"a": 1}))
        await first.bench.outbox.flush()

        async def dies(_statements: object) -> None:
            raise ConnectionAbortedError

        first.bench.outbox.change = dies  # type: ignore[method-assign,assignment] # a crash after the commit over there
        with pytest.raises(ConnectionAbortedError):
            await first.mirror.push()
        told = [await first.rows(table) for table in (devices, latest, dead_letters)]
        assert [len(rows) for rows in told] == [2, 2, 2]
    async with opened(tmp_path) as second:
        assert (await second.waiting())["file"] == 2 + 2 + 2 - 2  # its first look at the registry found both devices
        await second.mirror.push()
        assert [await second.rows(table) for table in (devices, latest, dead_letters)] == told
        assert await second.waiting() == {"memory": 0, "file": 0}


async def test_while_the_database_is_away_nothing_is_lost(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file can't be opened: ingest goes on, it is said, and when it is back everything is told."""
    monkeypatch.setattr(mirror_module, "_EVERY_S", 0.01)
    monkeypatch.setattr(mirror_module, "_RETRY_S", 0.01)
    await both.engine.dispose()
    away = both.file.with_suffix(".away")
    both.file.rename(away)
    both.file.mkdir()
    running = asyncio.create_task(both.mirror.run())

    async def state(wanted: str) -> bool:
        return "database" in both.bench.health.snapshot() and both.bench.health["database"].state == wanted

    await both.bench.commit(delivery("d1", {"a": 1}), delivery("d1", b"?"))
    both.mirror.wake()
    await eventually_async(lambda: state("down"))
    await both.bench.commit(delivery("d1", {"b": 2, "ts": NOW + 1}))
    assert both.bench.health.ready
    assert not running.done()
    both.file.rmdir()
    away.rename(both.file)
    await eventually_async(lambda: state("ok"))
    await eventually_async(lambda: everything_told(both))
    running.cancel()
    assert (await both.latest_of("d1")).values == {"a": 1.0, "b": 2.0}
    assert len(await both.rows(dead_letters)) == 1


async def everything_told(both: Both) -> bool:
    return await both.waiting() == {"memory": 0, "file": 0}


async def test_a_locked_database_is_an_outage_too(both: Both) -> None:
    """Nothing is marked as told; the next push tells it."""
    await both.bench.commit(delivery("d1", {"a": 1}))
    async with both.engine.connect() as other:
        await other.exec_driver_sql("BEGIN EXCLUSIVE")
        quick = open_engine(f"sqlite+aiosqlite:///{both.file}?timeout=0")
        both.mirror._engine = quick
        async with quick.connect() as connection:
            await connection.exec_driver_sql("PRAGMA busy_timeout=0")
        with pytest.raises(SQLAlchemyError):
            await both.mirror.push()
        await other.rollback()
    assert (await both.waiting())["memory"] == 2
    await both.mirror.push()
    assert await both.waiting() == {"memory": 0, "file": 0}
    await quick.dispose()


async def test_what_changes_during_a_push_is_told_by_the_next_one(both: Both) -> None:
    """A value committed while the database was being told is not taken for told."""
    await both.bench.commit(delivery("d1", {"a": 1, "ts": NOW}))
    original = both.mirror._write

    def write(*given: Any) -> list[Refused]:
        refused = original(*given)
        both.bench.board.take(2, group.readings, [], NOW)
        return refused

    group = both.bench.group([delivery("d1", {"a": 2, "ts": NOW + 1})])
    both.mirror._write = write  # type: ignore[method-assign,assignment] # the commit ends in the middle of the push
    await both.mirror.push()
    assert (await both.waiting())["memory"] == 1
    both.mirror._write = original  # type: ignore[method-assign]
    await both.mirror.push()
    assert (await both.latest_of("d1")).values == {"a": 2.0}
    assert await both.waiting() == {"memory": 0, "file": 0}


async def test_the_registry_is_the_databases_word(both: Both) -> None:
    """Owners, profiles and disabled devices are read from it, and kept in the file for the time when it is away."""
    async with both.engine.begin() as connection:
        await connection.execute(insert(users), {"name": "ann", "role": "user", "created_ns": NOW})
        row = {"name": "k", "user_id": 2, "profile": "knee", "disabled": True, "created_ns": NOW}
        await connection.execute(insert(devices), {"device_id": "k1", **row})
        await connection.execute(insert(devices), {"device_id": "k2", **row, "profile": "of another version"})
    await both.bench.commit(delivery("d1", {"a": 1}))
    await both.mirror._read_registry()
    known = both.bench.registry.find("k1")
    assert known is not None
    assert (known.user_id, known.profile.name, known.disabled) == (2, "knee", True)
    strange = both.bench.registry.find("k2")
    assert strange is not None
    assert strange.user_id == 2
    assert both.bench.registry.pending == ["d1"]
    async with both.engine.begin() as connection:
        await connection.execute(update(devices).where(devices.c.device_id == "k1").values(disabled=False))
        await connection.execute(text("DELETE FROM devices WHERE device_id = 'k2'"))
    await both.mirror.push()
    await both.mirror._read_registry()
    assert both.bench.registry.find("k2") is None


async def test_without_the_database_the_copy_is_asked(tmp_path: Path) -> None:
    """A start while it is away knows every device that it ever read."""
    async with opened(tmp_path) as first:
        async with first.engine.begin() as connection:
            row = {"name": "k", "user_id": 1, "profile": "knee", "disabled": True, "created_ns": NOW}
            await connection.execute(insert(devices), {"device_id": "k1", **row})
        await first.bench.commit(delivery("d1", {"a": 1}))
        await first.mirror._read_registry()
    again = Bench(first.bench.settings.data_dir)
    await again.outbox.open()
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path}/nowhere/x.db")
    copy = Mirror(again.outbox, again.registry, engine, again.health)
    await copy.load()
    found = again.registry.find("k1")
    assert found is not None
    assert (found.profile.name, found.disabled) == ("knee", True)
    assert again.registry.pending == ["d1"]
    assert again.health["database"].state == "down"
    await again.outbox.close()


async def test_a_start_on_a_full_disk_is_a_start(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters that were refused once wait for the next one: without a writer the disk would never drain."""

    async def full(_statements: object) -> None:
        raise OutboxFull("the outbox can't be written: database or disk is full")

    monkeypatch.setattr(both.bench.outbox, "change", full)
    await both.mirror.load()
    assert both.bench.registry.certain


async def test_a_device_that_somebody_claimed_meanwhile_stays_theirs(both: Both) -> None:
    """It registered itself, but was added by hand before that was told: the hand wins."""
    await both.bench.commit(delivery("d1", {"a": 1}))
    async with both.engine.begin() as connection:
        row = {"name": "Ann's", "user_id": 1, "profile": "open", "created_ns": NOW}
        await connection.execute(insert(devices), {"device_id": "d1", **row})
    await both.mirror.push()
    assert [(row.name, row.profile, row.claimed) for row in await both.rows(devices)] == [("Ann's", "open", True)]
    await both.mirror._read_registry()
    found = both.bench.registry.find("d1")
    assert found is not None
    assert found.profile.name == "open"


async def test_a_change_while_the_registry_is_read_is_read_too(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says so while an answer is under way may mean what that answer has just missed: it is asked once more."""
    monkeypatch.setattr(mirror_module, "_EVERY_S", 0.01)
    original, asked = registry_queries.known_devices, 0

    async def ask(connection: AsyncConnection) -> list[tuple[str, int, str, bool]]:
        nonlocal asked
        asked += 1
        rows = await original(connection)
        if asked == 1:
            await connection.rollback()
            async with both.engine.begin() as other:
                row = {"name": "k", "user_id": 1, "profile": "knee", "disabled": False, "created_ns": NOW}
                await other.execute(insert(devices), {"device_id": "k1", **row})
            both.mirror.refresh()
        return rows

    monkeypatch.setattr(registry_queries, "known_devices", ask)
    both.mirror.refresh()
    running = asyncio.create_task(both.mirror.run())

    async def known() -> bool:
        return both.bench.registry.find("k1") is not None

    await eventually_async(known)
    running.cancel()
    await asyncio.wait([running])


BOILER = Profile(name="boiler", measurement="boiler", metrics={"bar": Metric(maximum=9)}, open=False)


async def made(both: Both, profile: str) -> None:
    """A device with a profile that an operator has made."""
    async with both.engine.begin() as connection:
        await registry_queries.save_profile(connection, BOILER, NOW)
        row = {"name": "b", "user_id": 1, "profile": profile, "disabled": False, "created_ns": NOW}
        await connection.execute(insert(devices), {"device_id": "b1", **row})
    await both.mirror._read_registry()


async def test_a_change_is_read_before_the_next_beat(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that was given away, or just added, must not pass for another one's for as long as a beat lasts."""
    monkeypatch.setattr(mirror_module, "_EVERY_S", 60.0)
    await both.mirror.load()
    running = asyncio.create_task(both.mirror.run())
    try:
        for number in range(3):  # the first may come before the first beat
            async with both.engine.begin() as connection:
                row = {
                    "name": "d",
                    "user_id": 1,
                    "profile": "open",
                    "claimed": True,
                    "disabled": False,
                    "created_ns": 1,
                }
                await connection.execute(insert(devices), [{**row, "device_id": f"d{number}"}])
            both.mirror.refresh()
            await eventually_async(known(both, f"d{number}"), 10)
    finally:
        running.cancel()
        await asyncio.wait([running])


def known(both: Both, device_id: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return both.bench.registry.find(device_id) is not None

    return look


async def test_a_profile_that_an_operator_made_is_judged_by_while_the_database_is_away(tmp_path: Path) -> None:
    """Also after a restart: its copy is in the outbox's file."""
    async with opened(tmp_path) as first:
        await made(first, "boiler")
        await first.bench.commit(delivery("b1", {"bar": 5, "else": 1}), delivery("b1", {"bar": 10}))
        assert (first.bench.outbox.books["metrics_refused"], first.bench.outbox.books["dead_lettered"]) == (1, 1)
    again = Bench(first.bench.settings.data_dir)
    await again.outbox.open()
    copy = Mirror(
        again.outbox,
        again.registry,
        open_engine(f"sqlite+aiosqlite:///{tmp_path}/nowhere/x.db"),
        again.health,
    )
    await copy.load()
    known = again.registry.find("b1")
    assert known is not None
    assert known.profile == BOILER
    await again.outbox.close()


async def test_a_change_of_profile_keeps_the_old_measurement(both: Both) -> None:
    """Where a device's readings lie is remembered for all of its profiles, so that queries find the old ones."""
    await made(both, "open")
    await both.bench.commit(delivery("b1", {"bar": 5, "ts": NOW}))
    await both.mirror.push()
    async with both.engine.begin() as connection:
        await connection.execute(update(devices).values(profile="boiler"))
    await both.mirror._read_registry()
    await both.bench.commit(delivery("b1", {"bar": 6, "ts": NOW + 1}))
    await both.mirror.push()
    lie = [(row.device_id, row.measurement, row.user_id) for row in await both.rows(device_measurements)]
    assert lie == [("b1", "boiler", 1), ("b1", "telemetry", 1)]
    newest = await both.latest_of("b1")
    assert (newest.measurement, newest.values) == ("boiler", {"bar": 6.0})


async def test_a_file_that_goes_on_from_a_damaged_one_is_told_as_one(tmp_path: Path) -> None:
    """Under a new epoch nothing counts twice: the old books give way, and letters keep their numbers."""
    async with opened(tmp_path) as both:
        await both.bench.commit(delivery("d1", {"a": 1}), delivery("d1", b"not json"))
        await both.mirror.push()
        (before,) = await both.rows(ingest_books)
    path = tmp_path / "ingest" / "ingest.outbox"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE registry SET user_id = -1")
    connection.close()
    async with opened(tmp_path) as both:
        await both.bench.commit(delivery("d1", b"not json either"))
        await both.mirror.push()
        (books,) = await both.rows(ingest_books)
        assert books.epoch == both.bench.outbox.epoch != before.epoch
        assert (books.received, books.spooled, books.dead_lettered) == (3, 1, 2)
        assert [(row.epoch, row.letter) for row in await both.rows(dead_letters)] == [
            (books.epoch, 1),
            (books.epoch, 2),
        ]
        await both.mirror.push()
        assert len(await both.rows(dead_letters)) == 2
        assert await both.bench.outbox.read(backlog.predecessors) == []


@pytest.mark.peer("postgres")
async def test_a_database_that_falls_silent_is_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that swallows everything is given up and said, not waited for for ever; afterwards it goes on."""
    monkeypatch.setattr(main_module, "_DATABASE_S", 0.5)
    monkeypatch.setattr(mirror_module, "_READ_REGISTRY_EVERY_S", 0.2)
    monkeypatch.setattr(mirror_module, "_RETRY_S", 0.2)
    monkeypatch.setenv("TELEMETRIO_MQTT_URL", "mqtt://127.0.0.1:1")
    cluster_port, health_port = free_ports(2)
    cluster = await asyncio.to_thread(postgres.made, cluster_port)
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, cluster.remove)
        await asyncio.to_thread(cluster.start)
        proxy = await stack.enter_async_context(Proxy(cluster.port))
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        settings = main_module.read_all(data_dir=tmp_path, database_url=url, health_port=health_port)
        worker = asyncio.create_task(main_module.ingest(settings, stop))
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def is_(state: str) -> bool:
            try:
                async with http.get(f"http://127.0.0.1:{health_port}/readyz") as answer:
                    return bool((await answer.json())["dependencies"]["database"]["state"] == state)
            except aiohttp.ClientError:
                return False

        await eventually_async(partial(is_, "ok"), 20)
        proxy.swallow()
        await eventually_async(partial(is_, "down"), 20)
        proxy.forward()
        proxy.cut()
        await eventually_async(partial(is_, "ok"), 20)
        stop.set()
        await worker
