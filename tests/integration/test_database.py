"""What ingest writes into the relational database, on both dialects: newer wins, and once is once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Row, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.mirror import Mirror
from shared.database.engine import open_engine
from shared.database.latest import push_latest, push_status
from shared.database.ledger import push_books, push_letters
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin, known_devices, known_profiles, save_profile
from shared.database.tables import dead_letters, device_status, devices, ingest_books, latest, users
from shared.database.upsert import insert_missing
from shared.profiles import KNEE, Metric, Profile, read_profile
from tests.fakes.ingest import NOW, Bench, delivery
from tests.peers.postgres import Cluster

DIALECTS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))]


@pytest.fixture(params=DIALECTS)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"
    if request.param == "postgresql":
        server: Cluster = request.getfixturevalue("shared_cluster")
        url = await server.fresh()
    opened = open_engine(url)
    await upgrade(opened)
    async with opened.begin() as connection:
        await ensure_local_admin(connection, NOW)
        await ensure_local_admin(connection, NOW)
    yield opened
    await opened.dispose()


async def push(engine: AsyncEngine, write: Callable[[Connection, Any], None], rows: Any) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(write, rows)


async def rows_of(engine: AsyncEngine, table: Table) -> Sequence[Row[Any]]:
    async with engine.connect() as connection:
        return (await connection.execute(select(table))).all()


def newest(ts_ns: int, values: dict[str, Any], owner: int = 1, measurement: str = "m") -> dict[str, Any]:
    row = {"device_id": "d1", "user_id": owner, "measurement": measurement, "ts_ns": ts_ns, "seen_ns": ts_ns + 10}
    return {**row, "values": values}


async def test_latest_values_merge_by_metric(engine: AsyncEngine) -> None:
    """Newer and equal times win, older ones change only when the device was heard."""
    first = {"number": 1.5, "word": "é\"'", "yes": True}
    for row in (
        newest(100, first),
        newest(100, {"more": 2.0}),
        newest(200, {"number": -0.5}),
        newest(50, {"word": "x"}),
    ):
        await push(engine, push_latest, [row])
    (found,) = await rows_of(engine, latest)
    assert (found.ts_ns, found.seen_ns) == (200, 210)
    assert found.values == {**first, "more": 2.0, "number": -0.5}


async def test_another_owner_or_measurement_replaces_the_values(engine: AsyncEngine) -> None:
    """A new owner never sees what the old one measured."""
    for other in (newest(2, {"b": 2.0}, owner=2), newest(3, {"c": 3.0}, owner=2, measurement="n")):
        await push(engine, push_latest, [newest(1, {"a": 1.0}), other])
        (found,) = await rows_of(engine, latest)
        assert (found.user_id, found.measurement, found.values) == (2, other["measurement"], other["values"])


async def test_a_status_is_replaced_by_a_newer_one_alone(engine: AsyncEngine) -> None:
    """The older word says nothing."""
    for status, ts_ns in (("online", 5), ("offline", 4), ("offline", 6), ("online", 5)):
        await push(engine, push_status, [{"device_id": "d1", "user_id": 1, "status": status, "ts_ns": ts_ns}])
    assert [tuple(row) for row in await rows_of(engine, device_status)] == [("d1", 1, "offline", 6)]


async def test_letters_and_books_are_there_once(engine: AsyncEngine) -> None:
    """However often they are pushed; the books as they stand last; nothing pushed is nothing done."""
    letter = {
        "source": "s",
        "epoch": "e",
        "letter": 1,
        "kind": "message",
        "code": "not_json",
        "detail": "",
        "topic": "t",
        "received_ns": 1,
        "entries": 1,
        "payload": b"\x00\xff",
        "payload_bytes": 2,
        "sha256": "",
        "paths": [["a", "b"]],
    }
    books = {"source": "s", "epoch": "e", "received": 1, "updated_ns": 1}
    for received in (1, 2):
        await push(engine, push_letters, [letter])
        await push(engine, push_books, [{**books, "received": received}])
    for nothing in (push_letters, push_latest, push_status, push_books):
        await push(engine, nothing, [])
    (found,) = await rows_of(engine, dead_letters)
    assert (found.payload, found.paths) == (b"\x00\xff", [["a", "b"]])
    assert [(row.received, row.stored) for row in await rows_of(engine, ingest_books)] == [(2, 0)]


async def test_of_processes_that_start_at_once_one_makes_the_first_user(engine: AsyncEngine) -> None:
    """They all meet an empty table; a second one would be an administrator that nobody knows of."""
    async with engine.begin() as connection:
        await connection.execute(delete(users))
    begin = asyncio.Barrier(6)

    async def process() -> None:
        async with engine.begin() as connection:
            await begin.wait()
            await ensure_local_admin(connection, NOW)

    await asyncio.gather(*(process() for _ in range(begin.parties)))
    assert [(row.name, row.role, row.created_ns) for row in await rows_of(engine, users)] == [("admin", "admin", NOW)]


async def test_what_is_missing_is_inserted_and_the_rest_left_alone(engine: AsyncEngine) -> None:
    """A device that somebody named keeps its name."""
    row = {"device_id": "d1", "name": "Ann's", "user_id": 1, "profile": "open", "created_ns": NOW}
    async with engine.begin() as connection:
        for name in ("Ann's", "d1"):
            await connection.execute(insert_missing(engine.dialect.name, devices), [{**row, "name": name}])
        assert await known_devices(connection) == [("d1", 1, "open", False)]
    assert [each.name for each in await rows_of(engine, devices)] == ["Ann's"]


async def test_everything_that_devices_may_send_can_be_told(engine: AsyncEngine, tmp_path: Path) -> None:
    """Poison in every place: no letter, name or value makes the relational database refuse a push for ever."""
    bench = Bench(tmp_path)
    await bench.outbox.open()
    mirror = Mirror(bench.outbox, bench.registry, engine, bench.health)
    await mirror.load()
    await bench.commit(
        delivery("d1", {"big": 1e300, "word": "é\u2028", "zero": -0.0, "ok": True, "x" * 64: 1}),
        delivery("d1", b'{"\\ud800": 1, "\\u0000": 2, "a\\u0000b": 3, "good": 1}'),
        delivery("d1", b"\x00\xff" * 100),
        delivery("nul\x00", {"a": 1}),
        delivery("d1", b'[{"bn":"\\u0000","\\u0000_":1,"v":1}]'),
        delivery("d1", b"\x00", kind="status"),
    )
    await mirror.push()
    assert len(await rows_of(engine, dead_letters)) == 5
    assert len(bench.board) == 0
    await bench.outbox.close()


async def test_a_profile_is_made_and_changed(engine: AsyncEngine) -> None:
    """It is read as it was written last; the name of a built-in one is refused before anything is written."""
    async with engine.begin() as connection:
        for unit in ("bar", "kPa"):
            boiler = Profile(name="boiler", measurement="boiler", metrics={"pressure": Metric(unit=unit)}, open=False)
            await save_profile(connection, boiler, NOW)
        with pytest.raises(ValueError, match="built in"):
            await save_profile(connection, KNEE, NOW)
        ((name, document),) = await known_profiles(connection)
    assert read_profile(name, document) == boiler


@pytest.mark.peer("postgres")
async def test_postgresql_may_crash_and_come_back(cluster: Cluster, tmp_path: Path) -> None:
    """While it is down, and while it starts, the mirror lives; then everything is told."""
    engine = open_engine(cluster.url)
    await upgrade(engine)
    async with engine.begin() as connection:
        await ensure_local_admin(connection, NOW)
    bench = Bench(tmp_path)
    await bench.outbox.open()
    mirror = Mirror(bench.outbox, bench.registry, engine, bench.health)
    await mirror.load()
    await bench.commit(delivery("d1", {"a": 1}))
    assert await mirror._try(mirror.push)
    cluster.stop()
    await bench.commit(delivery("d1", {"b": 2, "ts": NOW + 1}))
    for _ in range(3):
        assert not await mirror._try(mirror.push)
    assert bench.health["database"].state == "down"
    cluster.start()
    for _ in range(3):
        told = await mirror._try(mirror.push)
    assert told
    (found,) = await rows_of(engine, latest)
    assert found.values == {"a": 1.0, "b": 2.0}
    await bench.outbox.close()
    await engine.dispose()
