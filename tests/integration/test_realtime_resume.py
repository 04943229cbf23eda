"""Coming back to `/ws`, through a real Hypercorn and a real store in a file."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.realtime.admission import Guest
from services.realtime.archive import StoreArchive
from services.realtime.cursor import Cursor, Place
from services.realtime.errors import HistoryUnavailable
from services.realtime.session import Session
from shared.database.engine import open_engine
from shared.database.tables import device_measurements, metadata
from shared.readings import ReadingBatch
from shared.timeseries.sqlite import SqliteStore
from tests.integration.realtime_server import NOON, SECOND, Client, Server, connected, reading, serving, settings


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[StoreArchive]:
    """With d1 of owner 1, and d2 of owner 2, who once had d1."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'telemetrio.db'}")
    store = SqliteStore(tmp_path / "readings.db")
    await store.open()
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        for device_id, user_id in (("d1", 1), ("d2", 2), ("d1", 2)):
            row = {"device_id": device_id, "measurement": "sensor_data", "user_id": user_id, "since_ns": 0}
            await connection.execute(device_measurements.insert().values(**row))
    yield StoreArchive(store, engine)
    await store.close()
    await engine.dispose()


async def came_back(client: Client, since: str | None, **more: object) -> list[dict[str, object]]:
    """Everything up to `caught_up`."""
    await client.send(type="subscribe", id=7, devices="*", since=since, **more)
    seen: list[dict[str, object]] = []
    while not seen or seen[-1]["type"] not in ("caught_up", "error"):
        seen.append(await client.next())
    return seen


def values(message: dict[str, object]) -> list[object]:
    readings = message["readings"]
    assert isinstance(readings, list)
    return [one["values"]["temperature"] for one in readings]


async def test_the_ring_brings_exactly_what_was_missed() -> None:
    """After a short absence: what was published since, once, then live; and none of what was there before."""
    async with serving() as server:
        async with connected(server) as client:
            await client.subscribe()
            server.publish(reading("d1", 1))
            cursor = (await client.until("readings"))["cursor"]
        server.publish(reading("d1", 2), reading("d2", 2))
        async with connected(server) as client:
            seen = await came_back(client, cursor)
            assert [message["type"] for message in seen] == ["subscribed", "history", "caught_up"]
            assert values(seen[1]) == [2.0, 2.0]
            server.publish(reading("d1", 3))
            assert values(await client.next()) == [3.0]
        async with connected(server) as client:
            seen = await came_back(client, str(seen[-1]["cursor"]), metrics=["humidity"])
            assert [message["type"] for message in seen] == ["subscribed", "caught_up"]


def after_restart(server: Server) -> None:
    """Ingest's heartbeat: ten batches, all stored, of which this process heard none."""
    server.realtime.publish(ReadingBatch("ingest-1", "e1", 10, 10, 10, NOON + 20 * SECOND))


def cursor_at(seq: int) -> str:
    return Cursor(NOON + seq * SECOND, {"ingest-1": Place("e1", seq, NOON + seq * SECOND)}).text


async def test_a_restarted_server_brings_it_from_the_store(archive: StoreArchive) -> None:
    """What was on time and what came late; each at most once in the history."""
    late = reading("d2", -3_600, owner=2)
    batch = ReadingBatch("ingest-1", "e1", 9, 8, 8, NOON + 9 * SECOND, [reading("d1", 9), late])
    await archive._store.write([batch])
    async with serving(archive=archive) as server, connected(server) as client:
        after_restart(server)
        seen = await came_back(client, cursor_at(8))
        assert [message["type"] for message in seen] == ["subscribed", "history", "caught_up"]
        assert values(seen[1]) == [-3_600.0, 9.0]


async def test_what_is_not_stored_yet_is_a_gap_with_the_place_before_it(archive: StoreArchive) -> None:
    """The same cursor brings it once it is stored."""
    async with serving(archive=archive) as server, connected(server) as client:
        server.realtime.publish(ReadingBatch("ingest-1", "e1", 10, 10, 9, NOON + 20 * SECOND))
        cursor = cursor_at(8)
        seen = await came_back(client, cursor)
        assert [message["type"] for message in seen] == ["subscribed", "gap", "caught_up"]
        assert (seen[1]["reason"], seen[1]["since"], seen[1]["devices"]) == ("not_stored_yet", cursor, "*")
        await archive._store.write([ReadingBatch("ingest-1", "e1", 10, 9, 9, NOON + 10 * SECOND, [reading("d1", 10)])])
        after_restart(server)
        seen = await came_back(client, str(seen[1]["since"]))
        assert [message["type"] for message in seen] == ["subscribed", "history", "caught_up"]


async def test_without_a_store_a_gap_says_from_where_to_ask_again() -> None:
    """Live goes on; nothing pretends to be whole."""
    async with serving() as server, connected(server) as client:
        after_restart(server)
        await client.send(type="subscribe", id=7, devices="*", since=cursor_at(8))
        seen = [await client.next() for _ in range(4)]
        assert [message["type"] for message in seen] == ["subscribed", "error", "gap", "caught_up"]
        assert seen[1]["code"] == "history_unavailable"
        server.realtime.publish(ReadingBatch("ingest-1", "e1", 11, 10, 10, NOON, [reading("d1", 11)]))
        assert values(await client.next()) == [11.0]


async def test_too_much_history_points_to_the_api(archive: StoreArchive) -> None:
    """The client is told, and has live."""
    batch = ReadingBatch("ingest-1", "e1", 9, 8, 8, NOON, [reading("d1", number) for number in range(50)])
    await archive._store.write([batch])
    async with serving(settings(max_replay_points=20), archive=archive) as server, connected(server) as client:
        after_restart(server)
        await client.send(type="subscribe", id=7, devices="*", since="2026-01-01T12:00:00Z")
        seen = [await client.next() for _ in range(3)]
        assert [message["type"] for message in seen] == ["subscribed", "error", "caught_up"]
        assert seen[1]["code"] == "too_much_history"
        assert "/api/v1/devices/" in seen[1]["message"]


async def test_a_hole_in_the_feed_is_told_in_its_place() -> None:
    """Behind what was heard before it, before what came after, also when only a heartbeat shows it."""
    async with serving() as server, connected(server) as client:
        await client.subscribe()
        server.publish(reading("d1", 1))
        before = (await client.until("readings"))["cursor"]
        server._seq += 1
        server.publish(reading("d1", 3))
        gap = await client.next()
        assert (gap["type"], gap["reason"], gap["since"], gap["dropped"]) == ("gap", "feed", before, 0)
        after = await client.next()
        assert values(after) == [3.0]
        server.realtime.publish(ReadingBatch("ingest-1", "e1", 4, 4, 0, NOON + 9))
        assert (await client.next())["since"] == after["cursor"]


@pytest.mark.parametrize("since", ["nonsense", "eyJ2Ijo5fQ", "-10 minutes", "x" * 20_000])
async def test_a_bad_since_is_an_error_and_nothing_else(since: str) -> None:
    """It names the field; no subscription begins."""
    async with serving() as server, connected(server) as client:
        await client.send(type="subscribe", id=7, devices="*", since=since)
        error = await client.next()
        assert (error["type"], error["id"]) == ("error", 7)
        assert "since" in error["message"]
        server.publish(reading("d1", 1))
        await client.send(type="ping")
        assert (await client.next())["type"] == "pong"


async def test_no_cursor_brings_what_is_another_tenants(archive: StoreArchive) -> None:
    """Neither from the ring nor from the store, by "*" or by name; an owner of before has the readings of that time."""
    mine, theirs, before = reading("d1", 5), reading("d2", 5, owner=2), reading("d1", 4, owner=2)
    batch = ReadingBatch("ingest-1", "e1", 9, 8, 9, NOON + 9 * SECOND, [mine, theirs, before])
    await archive._store.write([batch])
    everything = orjson.dumps({"v": 1, "at": 0, "pos": {}})
    forged = base64.urlsafe_b64encode(everything).rstrip(b"=").decode()
    for owner, expected in ((1, [5.0]), (2, [4.0, 5.0]), (3, [])):
        for stored in (True, False):
            async with serving(archive=archive) as server:
                opened = server.realtime._open_websocket

                def as_owner(transport: Any, _guest: Guest, opened: Any = opened, owner: int = owner) -> Session:
                    session: Session = opened(transport, Guest(owner, frozenset({owner})))
                    return session

                server.realtime.asgi_ws._open = as_owner
                if stored:
                    after_restart(server)
                else:
                    server.publish(mine, theirs, before)
                async with connected(server) as client:
                    seen = await came_back(client, forged)
                    found = [one for message in seen if message["type"] == "history" for one in values(message)]
                    assert sorted(map(float, map(str, found))) == expected
                    assert seen[0]["unknown"] == []


async def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    """Who has readings can't be known then."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'nothing.db'}")
    with pytest.raises(HistoryUnavailable):
        await StoreArchive(SqliteStore(tmp_path / "readings.db"), engine).devices(None)
    await engine.dispose()


async def test_a_rate_brings_the_newest_only() -> None:
    """Of each device and metric, so often a second, without a gap."""
    async with serving() as server, connected(server) as client:
        await client.subscribe(rate_hz=2)
        for number in range(1, 6):
            server.publish(reading("d1", number), reading("d2", number))
        first = await client.next()
        assert {one["device_id"]: one["values"]["temperature"] for one in first["readings"]} == {"d1": 5.0, "d2": 5.0}
        for number in range(6, 9):
            server.publish(reading("d1", number))
        assert values(await client.next()) == [8.0]
