"""`/ws` through a real Hypercorn: what clients get, and what becomes of those that misbehave."""

import asyncio
import socket
from collections.abc import Sequence

import aiohttp
import orjson
import pytest

from services.realtime.errors import LatestUnavailable
from services.realtime.recent import Known
from services.realtime.selection import UserIds
from shared.readings import DeviceStatus
from tests.integration.realtime_server import NOON, Server, connected, reading, serving, settings


async def test_a_client_gets_a_snapshot_and_then_every_reading() -> None:
    """Newest values first, then what is published, until it unsubscribes; a ping is answered in between."""
    async with serving() as server, connected(server) as client:
        server.publish(reading("d1", 1), reading("d1", 2))
        await client.send(type="subscribe", id=4, devices=["d1", "nobody"])
        assert await client.next() == {"type": "subscribed", "id": 4, "devices": 1, "unknown": ["nobody"]}
        snapshot = await client.next()
        assert [one["values"] for one in snapshot["readings"]] == [{"temperature": 2.0}]
        server.publish(reading("d1", 3), reading("d2", 3))
        message = await client.next()
        assert [one["timestamp"] for one in message["readings"]] == ["2026-01-01T12:00:03.000000000Z"]
        assert message["readings"][0].keys() == {"device_id", "timestamp", "measurement", "values"}
        await client.send(type="unsubscribe", id=4)
        await client.send(type="ping")
        assert await client.next() == {"type": "pong"}
        server.publish(reading("d1", 4))
        await client.send(type="ping")
        assert await client.next() == {"type": "pong"}


async def test_several_subscriptions_deliver_each_reading_once() -> None:
    """The union of what was asked for, with the metrics of all; the same id again replaces."""
    async with serving() as server, connected(server) as client:
        await client.subscribe(["d1"], 1, metrics=["a"])
        await client.subscribe(["d1", "d2"], 2, metrics=["b"])
        server.publish(reading("d1", 1, a=1.0, b=2.0, c=3.0), reading("d2", 1, a=1.0, b=2.0), reading("d2", 2, a=1.0))
        seen = (await client.next())["readings"]
        assert [(one["device_id"], one["values"]) for one in seen] == [("d1", {"a": 1.0, "b": 2.0}), ("d2", {"b": 2.0})]
        await client.subscribe(["d3"], 1)
        server.publish(reading("d1", 2, a=1.0, b=2.0), reading("d3", 1))
        seen = (await client.next())["readings"]
        assert [(one["device_id"], one["values"]) for one in seen] == [("d1", {"b": 2.0}), ("d3", {"temperature": 1.0})]


async def test_nothing_falls_between_snapshot_and_live() -> None:
    """What is published while the table is being read is in the snapshot; what comes after it is live, once."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow_table(_user_ids: UserIds, _devices: frozenset[str] | None) -> Sequence[Known]:
        asked.set()
        await answer.wait()
        return [Known("d1", 1, reading("d1", 0)), Known("d2", 1, None)]

    async with serving(latest=slow_table) as server, connected(server) as client:
        await client.send(type="subscribe", id=1, devices="*")
        await asked.wait()
        server.publish(reading("d1", 5))
        answer.set()
        assert (await client.next())["devices"] == 2
        server.publish(reading("d1", 6))
        assert [one["values"]["temperature"] for one in (await client.next())["readings"]] == [5.0]
        assert [one["values"]["temperature"] for one in (await client.next())["readings"]] == [6.0]


async def test_a_database_that_is_away_costs_only_the_older_values() -> None:
    """The snapshot then comes from the feed alone, an error says so, and live goes on."""

    async def away(_user_ids: UserIds, _devices: frozenset[str] | None) -> Sequence[Known]:
        raise LatestUnavailable("gone")

    async with serving(latest=away) as server, connected(server) as client:
        server.publish(reading("d1", 1))
        await client.send(type="subscribe", id=1, devices="*")
        assert (await client.next())["type"] == "subscribed"
        error = await client.next()
        assert (error["code"], error["id"]) == ("snapshot_incomplete", 1)
        assert len((await client.next())["readings"]) == 1
        server.publish(reading("d1", 2))
        assert (await client.next())["type"] == "readings"


async def test_a_large_snapshot_comes_in_parts() -> None:
    """A thousand readings to a message, all of them with the id of the subscription."""
    async with serving() as server, connected(server) as client:
        server.publish(*(reading(f"d{number}", 1) for number in range(2_500)))
        await client.send(type="subscribe", id=9, devices="*")
        assert (await client.next())["devices"] == 2_500
        parts = [await client.next() for _ in range(3)]
        assert [(part["type"], part["id"], len(part["readings"])) for part in parts] == [
            ("snapshot", 9, 1_000),
            ("snapshot", 9, 1_000),
            ("snapshot", 9, 500),
        ]


async def test_a_status_is_told() -> None:
    """What a device's last will says reaches its subscribers."""
    async with serving() as server, connected(server) as client:
        await client.subscribe()
        server.publish(status=[DeviceStatus("d1", 1, "offline", NOON)])
        assert await client.next() == {
            "type": "status",
            "device_id": "d1",
            "status": "offline",
            "last_seen": "2026-01-01T12:00:00.000000000Z",
        }


async def test_a_silent_stream_beats_with_the_cursor_of_the_last_readings() -> None:
    """A client can tell a quiet fleet from a dead connection, and its cursor stays right."""
    async with serving(settings(heartbeat_s=0.2)) as server, connected(server) as client:
        await client.subscribe()
        server.publish(reading("d1", 1))
        cursor = (await client.until("readings"))["cursor"]
        assert (await client.until("heartbeat"))["cursor"] == cursor


@pytest.mark.parametrize("field", ["until", "every"])
async def test_a_field_of_another_version_is_refused_by_name(field: str) -> None:
    """The client is told which field is not known, with its id, and the session goes on."""
    async with serving() as server, connected(server) as client:
        await client.send(type="subscribe", id=3, devices="*", **{field: 1})
        error = await client.next()
        assert (error["code"], error["id"]) == ("unknown_field", 3)
        assert field in error["message"]
        await client.send(type="ping")
        assert await client.next() == {"type": "pong"}


async def test_garbage_is_answered_and_then_ends_the_session() -> None:
    """Each bad message gets its error; a client that sends nothing else is closed with 4400."""
    async with serving() as server, connected(server) as client:
        await client.raw.send_bytes(b"\x00\x01")
        assert (await client.next())["code"] == "bad_message"
        for _ in range(10):
            await client.raw.send_str("{nonsense")
        assert await client.closed() == 4400


@pytest.mark.parametrize("text", ["x" * (64 * 1024 + 1), "ü" * (32 * 1024 + 1)])
async def test_a_message_above_64_kib_ends_the_session(text: str) -> None:
    """Bytes count, not characters."""
    async with serving() as server, connected(server) as client:
        await client.raw.send_str(text)
        assert await client.closed() == 1009


async def test_a_hundred_subscriptions_are_enough() -> None:
    """One more is refused by name, those that are there stay."""
    async with serving() as server, connected(server) as client:
        for number in range(100):
            await client.subscribe([f"d{number}"], number)
        await client.send(type="subscribe", id=100, devices="*")
        error = await client.next()
        assert (error["code"], error["id"]) == ("too_many_subscriptions", 100)
        server.publish(reading("d99", 1), reading("x", 1))
        assert [one["device_id"] for one in (await client.next())["readings"]] == ["d99"]


async def test_a_plain_request_is_told_to_upgrade() -> None:
    """A browser that opens /ws as a page gets 426 in the error shape."""
    async with serving() as server, aiohttp.ClientSession() as session:
        answer = await session.get(f"{server.http}/ws", headers={"x-request-id": "abcdefgh"})
        body = await answer.json()
        assert (answer.status, body["code"], body["request_id"]) == (426, "upgrade_required", "abcdefgh")


async def test_a_client_that_vanishes_leaves_nothing() -> None:
    """Its session and its groups are gone once the connection is."""
    async with serving() as server:
        async with connected(server) as client:
            await client.subscribe()
            assert len(server.realtime.sessions) == 1
        await server.emptied()
        assert server.realtime._hub._groups == {}


async def reads_nothing(server: Server) -> asyncio.StreamWriter:
    """A client with a small receive buffer that subscribes to everything and then stops reading."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"welcome")
    text = orjson.dumps({"type": "subscribe", "id": 1, "devices": "*"})
    writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    await reader.readuntil(b"snapshot")
    return writer


async def test_a_client_that_reads_nothing_costs_the_others_nothing() -> None:
    """The others get every reading, its mailbox stays within its bound, and the process still ends in time."""
    total = 40_000
    filler = "x" * 200
    async with serving(settings(mailbox_kib=64, coalesce_ms=5, drain_s=1)) as server, connected(server) as client:
        await client.subscribe()
        writer = await reads_nothing(server)
        _, slow = server.realtime.sessions
        received = 0
        for begin in range(0, total, 200):
            server.publish(*(reading(f"d{number % 50}", number, note=filler) for number in range(begin, begin + 200)))
            while received < begin + 200:
                received += len((await client.until("readings"))["readings"])
            assert slow.mailbox.bytes <= 2 * 64 * 1024
        assert received == total
        assert slow.mailbox.bytes > 0
        closing = asyncio.create_task(client.closed())
        await server.stop()
        assert await closing == 1012
        writer.close()


async def test_a_client_that_pauses_is_told_what_it_missed() -> None:
    """After the pause: a gap with the cursor to resume from, the newest value of each device, then live again."""
    async with serving(settings(mailbox_kib=16, coalesce_ms=0)) as server, connected(server) as client:
        await client.subscribe()
        (session,) = server.realtime.sessions
        sent = 0
        while not session.mailbox.conflating:
            for _ in range(100):
                sent += 1
                server.publish(*(reading(f"d{number}", sent, note="x" * 500) for number in range(5)))
            await asyncio.sleep(0)
        newest: dict[str, str] = {}
        gap = None
        while len(newest) < 5 or min(newest.values()) < max(newest.values()) or gap is None:
            message = await client.next()
            gap = message if message["type"] == "gap" else gap
            for one in message.get("readings", ()):
                newest[one["device_id"]] = one["timestamp"]
        assert gap["reason"] == "slow_client"
        assert gap["devices"] == [f"d{number}" for number in range(5)]
        assert gap["dropped"] > 0
        server.publish(reading("d1", sent + 1))
        last = (await client.until("readings"))["readings"][-1]
        assert last["timestamp"] > max(newest.values())


async def test_an_orderly_end_closes_every_client_and_refuses_new_ones() -> None:
    """Existing clients are closed with 1012, handshakes meanwhile get 503, and the server ends."""
    async with serving(settings(drain_s=1)) as server, connected(server) as first, connected(server) as second:
        await first.subscribe()
        server.realtime.sessions.draining = True
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{server.http}/ws")
        assert refused.value.status == 503
        codes = asyncio.gather(first.closed(), second.closed())
        await server.stop()
        assert list(await codes) == [1012, 1012]
        await server.realtime.drain()
